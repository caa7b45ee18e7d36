//! Each option of libssl by what can be seen of it from outside: with the option, and without it.
//!
//! The table in the documentation of `SecureOptions` says the same in words; the last test compares the two.

use openssl::ssl::SslVersion;
use patina_tls::ext::SslRefExt;
use patina_tls::{
    CertificateCompression, CipherPreference, Client, ClientAuth, ClientConfig, ClientHello, ConfigBuilder,
    ConnectOptions, Error, ErrorKind, ProtocolVersion, RenegotiationPolicy, SecureOptions, Server,
    ServerConfig, SessionCache, TlsEngine,
};

use crate::certificate_compression::{certificates, has_zlib};
use crate::support::libssl;
use crate::support::pair::{Engines, client, engines, handshake, server, trust};
use crate::support::sides::Sides;
use crate::support::wire::{client_context, only};

const TLS_1_2: ProtocolVersion = ProtocolVersion::TLSv1_2;
const TLS_1_3: ProtocolVersion = ProtocolVersion::TLSv1_3;

/// Whether this libssl gives the option its meaning; an older one takes the bit and ignores it.
fn known(option: SecureOptions) -> bool {
    libssl::is_at_least(option.since().unwrap())
}

/// Both ends of a connection, and every byte that passed in its handshake.
struct Recorded {
    ends: Engines,
    by_client: Vec<u8>,
    by_server: Vec<u8>,
    outcome: Result<(), Error>,
}

fn record(client: &ClientConfig, server: &ServerConfig) -> Recorded {
    let mut ends = engines(client, "localhost", server);
    let (mut by_client, mut by_server, mut outcome) = (Vec::new(), Vec::new(), Ok(()));
    for _ in 0..6 {
        outcome = outcome.and(ends.client.advance());
        let bytes = ends.client.take_output();
        ends.server.receive(&bytes);
        by_client.extend(bytes);
        outcome = outcome.and(ends.server.advance());
        let bytes = ends.server.take_output();
        ends.client.receive(&bytes);
        by_server.extend(bytes);
    }
    Recorded { ends, by_client, by_server, outcome }
}

fn record_both(client: ConfigBuilder<Client>, server: ConfigBuilder<Server>) -> Recorded {
    record(&client.build().unwrap(), &server.build().unwrap())
}

/// The records of a stream of bytes: their types and contents.
fn records(mut bytes: &[u8]) -> Vec<(u8, &[u8])> {
    let mut records = Vec::new();
    while let [kind, _, _, high, low, rest @ ..] = bytes {
        let (content, after) = rest.split_at(usize::from(u16::from_be_bytes([*high, *low])));
        records.push((*kind, content));
        bytes = after;
    }
    records
}

/// The handshake messages that passed before anything was encrypted: their types and bodies.
fn messages(bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let plain: Vec<u8> = records(bytes)
        .into_iter()
        .take_while(|(kind, _)| *kind == 22)
        .flat_map(|(_, c)| c.to_vec())
        .collect();
    let (mut messages, mut rest) = (Vec::new(), &plain[..]);
    while let [kind, a, b, c, after @ ..] = rest {
        let (body, next) = after.split_at(u32::from_be_bytes([0, *a, *b, *c]) as usize);
        messages.push((*kind, body.to_vec()));
        rest = next;
    }
    messages
}

fn has_message(bytes: &[u8], kind: u8) -> bool {
    messages(bytes).iter().any(|(it, _)| *it == kind)
}

/// Where the extension stands in a ServerHello, its type and length included.
fn server_extension(hello: &[u8], wanted: u16) -> Option<std::ops::Range<usize>> {
    let mut at = 2 + 32 + 1 + usize::from(hello[34]) + 2 + 1 + 2;
    while at + 4 <= hello.len() {
        let number = |at: usize| u16::from_be_bytes([hello[at], hello[at + 1]]);
        let end = at + 4 + usize::from(number(at + 2));
        if number(at) == wanted {
            return Some(at..end);
        }
        at = end;
    }
    None
}

fn server_says(recorded: &Recorded, extension: u16) -> bool {
    let hello = messages(&recorded.by_server).into_iter().find(|(kind, _)| *kind == 2).unwrap().1;
    server_extension(&hello, extension).is_some()
}

/// What a client says first.
fn hello_to(client: ConfigBuilder<Client>, target: &str) -> ClientHello {
    let mut engine = TlsEngine::client(&client.build().unwrap(), target).unwrap();
    engine.advance().unwrap();
    ClientHello::parse(&engine.output()[5..]).unwrap()
}

fn hello(client: ConfigBuilder<Client>) -> ClientHello {
    hello_to(client, "localhost")
}

fn old() -> ConfigBuilder<Client> {
    client().versions(TLS_1_2)
}

#[test]
fn no_ticket_keeps_both_sides_of_tls_1_2_from_tickets() {
    let option = SecureOptions::NO_TICKET;
    for (ours, theirs, ticket) in [
        (SecureOptions::empty(), SecureOptions::empty(), true),
        (option, SecureOptions::empty(), false),
        (SecureOptions::empty(), option, false),
    ] {
        let recorded = record_both(old().secure_options(ours), server().secure_options(theirs));
        recorded.outcome.as_ref().unwrap();
        assert_eq!(has_message(&recorded.by_server, 4), ticket, "a NewSessionTicket");
        assert_eq!(server_says(&recorded, 35), ticket, "session_ticket in the ServerHello");
        assert_eq!(hello(old().secure_options(ours)).extension(35).is_some(), ours.is_empty());
    }
}

#[tokio::test]
async fn no_ticket_makes_the_tickets_of_tls_1_3_names_of_kept_sessions() {
    let ticket = async |options| {
        let server = server().session_cache(SessionCache::Internal).secure_options(options).build().unwrap();
        let client = client().versions(TLS_1_3).build().unwrap();
        let session = super::resumption::session_of(&client, "localhost", &server).await;
        session.ticket().unwrap().len()
    };
    assert_eq!(ticket(SecureOptions::NO_TICKET).await, 32, "a session id");
    assert!(ticket(SecureOptions::empty()).await > 100, "a whole session, encrypted");
}

#[test]
fn cipher_server_preference_makes_the_server_s_order_count() {
    const AES: &str = "ECDHE-RSA-AES256-GCM-SHA384";
    const SMALL: &str = "ECDHE-RSA-AES128-GCM-SHA256";
    let chosen = |options| {
        let server = server()
            .cipher_preference(CipherPreference::Client)
            .cipher_list(format!("{AES}:{SMALL}"))
            .secure_options(options);
        let recorded = record_both(old().cipher_list(format!("{SMALL}:{AES}")), server);
        recorded.ends.client.negotiated().cipher_suite().name().to_owned()
    };
    assert_eq!(chosen(SecureOptions::CIPHER_SERVER_PREFERENCE), AES);
    assert_eq!(chosen(SecureOptions::empty()), SMALL);
}

#[test]
fn prioritize_chacha_follows_a_client_that_wants_chacha_first() {
    const AES: &str = "ECDHE-RSA-AES256-GCM-SHA384";
    const CHACHA: &str = "ECDHE-RSA-CHACHA20-POLY1305";
    let chosen = |order: [&str; 2], options| {
        let server = server().cipher_list(format!("{AES}:{CHACHA}")).secure_options(options);
        let recorded = record_both(old().cipher_list(order.join(":")), server);
        recorded.ends.client.negotiated().cipher_suite().name().to_owned()
    };
    assert_eq!(chosen([CHACHA, AES], SecureOptions::PRIORITIZE_CHACHA), CHACHA);
    assert_eq!(chosen([AES, CHACHA], SecureOptions::PRIORITIZE_CHACHA), AES);
    assert_eq!(chosen([CHACHA, AES], SecureOptions::empty()), AES);
}

#[test]
fn each_version_is_off_on_either_side_with_its_option() {
    for (version, option) in [
        (ProtocolVersion::SSLv3, SecureOptions::NO_SSLv3),
        (ProtocolVersion::TLSv1_0, SecureOptions::NO_TLSv1),
        (ProtocolVersion::TLSv1_1, SecureOptions::NO_TLSv1_1),
        (TLS_1_2, SecureOptions::NO_TLSv1_2),
        (TLS_1_3, SecureOptions::NO_TLSv1_3),
    ] {
        let lowest = version.min(ProtocolVersion::TLSv1_0);
        let all_client = || client().versions(lowest..=TLS_1_3).cipher_list("ALL:@SECLEVEL=0");
        let all_server = || server().versions(lowest..=TLS_1_3).cipher_list("ALL:@SECLEVEL=0");
        let this_client = || client().versions(version).cipher_list("ALL:@SECLEVEL=0");
        let this_server = || server().versions(version).cipher_list("ALL:@SECLEVEL=0");
        if let Err(error) = this_client().build() {
            // Nothing to switch off: only SSL 3.0 is left out of a libssl.
            assert_eq!((version, error.kind()), (ProtocolVersion::SSLv3, ErrorKind::Unsupported));
            continue;
        }
        for (client, server) in [(all_client(), this_server()), (this_client(), all_server())] {
            let recorded = record_both(client, server);
            recorded.outcome.unwrap();
            assert_eq!(recorded.ends.client.negotiated().version(), version);
        }
        for (client, server) in [
            (all_client().secure_options(option), this_server()),
            (this_client(), all_server().secure_options(option)),
        ] {
            let error = record_both(client, server).outcome.expect_err(version.name());
            assert!(
                matches!(error.kind(), ErrorKind::Protocol | ErrorKind::PeerAlert),
                "{version}: {error:?}"
            );
        }
    }
}

/// Whether a client of TLS 1.2 gets its renegotiation from the server.
fn renegotiates(server: ConfigBuilder<Server>) -> bool {
    let client = only(client_context(), SslVersion::TLS1_2);
    Sides::shaken(&client, &server.build().unwrap()).renegotiate().1
}

#[test]
fn no_renegotiation_wins_over_a_policy_that_allows_it() {
    let policy = || server().renegotiation(RenegotiationPolicy::limit(3));
    assert!(renegotiates(policy()));
    assert!(!renegotiates(policy().secure_options(SecureOptions::NO_RENEGOTIATION)));
}

#[test]
fn a_client_renegotiates_with_allow_client_renegotiation_only_and_if_the_policy_lets_it() {
    let option = SecureOptions::ALLOW_CLIENT_RENEGOTIATION;
    let policy = || server().renegotiation(RenegotiationPolicy::limit(3));
    assert!(renegotiates(policy().secure_options(option)));
    // Before 3.0 libssl needs no option.
    assert_eq!(renegotiates(policy().without_secure_options(option)), !known(option));
    assert!(
        !renegotiates(server().secure_options(option)),
        "the policy of this library denies it by default"
    );
}

#[test]
fn no_session_resumption_on_renegotiation_makes_the_new_handshake_a_full_one() {
    let reused = |options| {
        let server = server().renegotiation(RenegotiationPolicy::limit(3)).secure_options(options);
        let mut client = client_context();
        client.set_session_cache_mode(openssl::ssl::SslSessionCacheMode::CLIENT);
        let client = only(client, SslVersion::TLS1_2);
        let mut sides = Sides::shaken(&client, &server.build().unwrap());
        assert!(sides.renegotiate_abbreviated().1);
        sides.client.ssl().session_reused()
    };
    assert!(reused(SecureOptions::empty()));
    assert!(!reused(SecureOptions::NO_SESSION_RESUMPTION_ON_RENEGOTIATION));
}

/// What a client says to a server without RFC 5746: such a server's hello lacks the extension.
fn meets_an_unpatched_server(client: ConfigBuilder<Client>) -> Result<(), Error> {
    let mut ends =
        engines(&client.versions(TLS_1_2).build().unwrap(), "localhost", &server().build().unwrap());
    ends.client.advance()?;
    ends.server.receive(&ends.client.take_output());
    ends.server.advance()?;
    let mut flight = ends.server.take_output();
    let hello_end = 5 + records(&flight)[0].1.len();
    // A record with a message with a hello.
    let hello = &flight[9..hello_end];
    let found = server_extension(hello, 0xFF01).expect("libssl is a patched server");
    let extensions = 2 + 32 + 1 + usize::from(hello[34]) + 2 + 1;
    let cut = found.len();
    flight.drain(9 + found.start..9 + found.end);
    for at in [3, 7, 9 + extensions] {
        let shorter = u16::from_be_bytes([flight[at], flight[at + 1]]) - cut as u16;
        flight[at..at + 2].copy_from_slice(&shorter.to_be_bytes());
    }
    ends.client.receive(&flight);
    ends.client.advance()?;
    assert!(has_message(&ends.client.take_output(), 16), "the client goes on with its key exchange");
    Ok(())
}

#[test]
fn a_client_meets_a_server_without_secure_renegotiation_only_with_an_option() {
    // 1.1.1 has it on by default.
    let strict = || client().without_secure_options(SecureOptions::LEGACY_SERVER_CONNECT);
    let error = meets_an_unpatched_server(strict()).unwrap_err();
    assert!(matches!(error.reason(), Some("UNSAFE_LEGACY_RENEGOTIATION_DISABLED")), "{error:?}");
    meets_an_unpatched_server(client().secure_options(SecureOptions::LEGACY_SERVER_CONNECT)).unwrap();
    meets_an_unpatched_server(strict().secure_options(SecureOptions::ALLOW_UNSAFE_LEGACY_RENEGOTIATION))
        .unwrap();
}

#[test]
fn no_extended_master_secret_leaves_the_extension_out_on_either_side() {
    let option = SecureOptions::NO_EXTENDED_MASTER_SECRET;
    assert!(hello(old()).extension(23).is_some());
    assert_eq!(hello(old().secure_options(option)).extension(23).is_none(), known(option));
    for (ours, theirs) in [
        (SecureOptions::empty(), SecureOptions::empty()),
        (option, SecureOptions::empty()),
        (SecureOptions::empty(), option),
    ] {
        let recorded = record_both(old().secure_options(ours), server().secure_options(theirs));
        recorded.outcome.as_ref().unwrap();
        let expected = (ours | theirs).is_empty() || !known(option);
        assert_eq!(recorded.ends.client.negotiated().extended_master_secret(), expected);
        assert_eq!(server_says(&recorded, 23), expected);
    }
}

#[test]
fn no_encrypt_then_mac_leaves_the_extension_out_on_either_side() {
    let option = SecureOptions::NO_ENCRYPT_THEN_MAC;
    let cbc = || old().cipher_list("ECDHE-RSA-AES128-SHA256");
    assert!(hello(cbc()).extension(22).is_some());
    assert!(hello(cbc().secure_options(option)).extension(22).is_none());
    for (ours, theirs) in [
        (SecureOptions::empty(), SecureOptions::empty()),
        (option, SecureOptions::empty()),
        (SecureOptions::empty(), option),
    ] {
        let recorded = record_both(cbc().secure_options(ours), server().secure_options(theirs));
        recorded.outcome.as_ref().unwrap();
        assert_eq!(server_says(&recorded, 22), (ours | theirs).is_empty());
    }
}

#[test]
fn allow_no_dhe_kex_offers_resumption_without_a_key_exchange() {
    assert_eq!(hello(client()).extension(45), Some(&[1, 1][..]));
    let both = hello(client().secure_options(SecureOptions::ALLOW_NO_DHE_KEX));
    assert_eq!(both.extension(45), Some(&[2, 1, 0][..]));
}

#[tokio::test]
async fn prefer_no_dhe_kex_resumes_without_a_key_exchange() {
    let both = SecureOptions::ALLOW_NO_DHE_KEX | SecureOptions::PREFER_NO_DHE_KEX;
    let client = client().versions(TLS_1_3).secure_options(SecureOptions::ALLOW_NO_DHE_KEX).build().unwrap();
    for (options, without) in [(SecureOptions::ALLOW_NO_DHE_KEX, false), (both, known(both))] {
        let server = server().secure_options(options).build().unwrap();
        let session = super::resumption::session_of(&client, "localhost", &server).await;
        let mut ends = engines(&client, ConnectOptions::new("localhost").session(session), &server);
        ends.client.advance().unwrap();
        ends.server.receive(&ends.client.take_output());
        ends.server.advance().unwrap();
        let hello = messages(&ends.server.take_output()).remove(0).1;
        assert!(server_extension(&hello, 41).is_some(), "it resumes");
        assert_eq!(server_extension(&hello, 51).is_none(), without, "no key_share with {options}");
    }
}

#[tokio::test]
async fn no_anti_replay_lets_a_ticket_for_early_data_be_used_twice() {
    let reused = async |options| {
        let server = server()
            .session_cache(SessionCache::Internal)
            .secure_options(options)
            .with_openssl(|context| context.set_max_early_data(1000));
        let (client, server) = (client().versions(TLS_1_3).build().unwrap(), server.build().unwrap());
        let session = super::resumption::session_of(&client, "localhost", &server).await;
        let mut reused = Vec::new();
        for _ in 0..2 {
            let target = ConnectOptions::new("localhost").session(session.clone());
            let (client, server) = handshake(&client, target, &server).await;
            server.unwrap();
            reused.push(client.unwrap().negotiated().session_reused());
        }
        reused
    };
    assert_eq!(reused(SecureOptions::empty()).await, [true, false]);
    assert_eq!(reused(SecureOptions::NO_ANTI_REPLAY).await, [true, true]);
}

#[test]
fn tlsext_padding_fills_a_hello_of_256_to_511_bytes_up_to_512() {
    let name = ["a".repeat(60), "b".repeat(60), "patina.test".to_owned()].join(".");
    let length = |options| {
        let client =
            old().cipher_list("ECDHE-RSA-AES128-GCM-SHA256").secure_options(options).build().unwrap();
        let mut engine = TlsEngine::client(&client, &*name).unwrap();
        engine.advance().unwrap();
        let hello = engine.output()[5..].to_vec();
        (hello.len(), ClientHello::parse(&hello).unwrap().extension(21).is_some())
    };
    let (plain, padded) = length(SecureOptions::empty());
    assert!((256..512).contains(&plain) && !padded, "{plain} bytes");
    assert_eq!(length(SecureOptions::TLSEXT_PADDING), (512, true));
}

#[test]
fn a_cut_is_told_even_with_ignore_unexpected_eof() {
    for version in [TLS_1_2, TLS_1_3] {
        for options in [SecureOptions::empty(), SecureOptions::IGNORE_UNEXPECTED_EOF] {
            let mut recorded = record_both(client().versions(version).secure_options(options), server());
            recorded.outcome.unwrap();
            recorded.ends.client.receive_end();
            let error = recorded.ends.client.read(&mut [0; 16]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Truncated, "{version} {options}");
        }
    }
}

#[test]
fn disable_tlsext_ca_names_asks_for_a_certificate_without_naming_authorities() {
    let option = SecureOptions::DISABLE_TLSEXT_CA_NAMES;
    let named = |options| {
        let server = server().client_auth(ClientAuth::Request).trust(trust("root")).secure_options(options);
        let recorded = record_both(client().versions(TLS_1_3), server);
        recorded.outcome.as_ref().unwrap();
        recorded.ends.client.as_openssl().peer_ca_list().map_or(0, |names| names.len())
    };
    assert_eq!(named(SecureOptions::empty()), 1);
    assert_eq!(named(option), usize::from(!known(option)));
}

#[test]
fn enable_middlebox_compat_makes_tls_1_3_look_like_a_resumption() {
    let seen = |builder: ConfigBuilder<Client>| {
        let recorded =
            record_both(builder, server().without_secure_options(SecureOptions::ENABLE_MIDDLEBOX_COMPAT));
        recorded.outcome.unwrap();
        let changes = records(&recorded.by_client).iter().filter(|(kind, _)| *kind == 20).count();
        let hello = ClientHello::parse(&recorded.by_client[5..5 + records(&recorded.by_client)[0].1.len()]);
        (hello.unwrap().session_id().len(), changes)
    };
    let client = || client().versions(TLS_1_3);
    assert_eq!(seen(client()), (32, 1), "libssl's default");
    assert_eq!(seen(client().without_secure_options(SecureOptions::ENABLE_MIDDLEBOX_COMPAT)), (0, 0));
    assert_eq!(seen(client().secure_options(SecureOptions::ENABLE_MIDDLEBOX_COMPAT)), (32, 1));
}

#[test]
fn dont_insert_empty_fragments_sends_one_record_where_there_were_two() {
    let sent = |options| {
        let old = ProtocolVersion::TLSv1_0;
        let client = client().versions(old).cipher_list("AES128-SHA:@SECLEVEL=0").secure_options(options);
        let server = server().versions(old).cipher_list("AES128-SHA:@SECLEVEL=0");
        let mut recorded = record_both(client, server);
        recorded.outcome.unwrap();
        recorded.ends.client.write(b"attack").unwrap();
        records(&recorded.ends.client.take_output()).iter().filter(|(kind, _)| *kind == 23).count()
    };
    assert_eq!(sent(SecureOptions::empty()), 2, "an empty one before it, against BEAST");
    assert_eq!(sent(SecureOptions::DONT_INSERT_EMPTY_FRAGMENTS), 1);
}

#[test]
fn options_of_newer_versions_change_the_hello_where_libssl_knows_them() {
    // ec_point_formats: uncompressed alone, or the two compressed ones as well.
    let option = SecureOptions::LEGACY_EC_POINT_FORMATS;
    let formats = |options| hello(old().secure_options(options)).extension(11).map(<[u8]>::len);
    let (plain, legacy) = (formats(SecureOptions::empty()), formats(option));
    assert_eq!(legacy, Some(4), "what older versions send");
    assert_eq!(plain, if known(option) { Some(2) } else { Some(4) });

    let option = SecureOptions::ECH_GREASE;
    let client = || client().versions(TLS_1_3);
    assert!(hello(client()).extension(0xFE0D).is_none());
    assert_eq!(hello(client().secure_options(option)).extension(0xFE0D).is_some(), known(option));
}

#[tokio::test]
async fn certificate_compression_has_an_option_for_each_direction() {
    let (sent, taken) =
        (SecureOptions::NO_TX_CERTIFICATE_COMPRESSION, SecureOptions::NO_RX_CERTIFICATE_COMPRESSION);
    let zlib = has_zlib();
    for (options, offers) in [(SecureOptions::empty(), zlib), (sent, zlib), (taken, false)] {
        assert_eq!(hello(client().secure_options(options)).extension(27).is_some(), offers, "{options}");
    }
    for (options, compressed) in [(SecureOptions::empty(), zlib), (sent, false), (taken, zlib)] {
        let server = server().secure_options(options);
        let server =
            if zlib { server.certificate_compression([CertificateCompression::Zlib]) } else { server };
        assert_eq!(certificates(client(), server).await, if compressed { "C" } else { "P" }, "{options}");
    }
}

#[test]
fn no_compression_is_libssl_s_default_and_keeps_records_from_deflate() {
    let option = SecureOptions::NO_COMPRESSION;
    let methods = |client: ConfigBuilder<Client>| hello(client).compression_methods().to_vec();
    let lax = || old().security_level(1);
    for client in [client(), old(), lax(), lax().secure_options(option)] {
        assert_eq!(methods(client), [0], "CRIME");
    }
    assert_eq!(methods(old().security_level(2).without_secure_options(option)), [0], "the level forbids it");
    // What compresses certificates with zlib has DEFLATE for records, too.
    let offered = methods(lax().without_secure_options(option));
    assert_eq!(offered, if has_zlib() { &[1, 0][..] } else { &[0] });
}

#[test]
fn the_table_in_the_documentation_names_every_option_and_its_test() {
    let source = include_str!("../../src/values/options.rs");
    let own = include_str!("secure_options.rs");
    let rows: Vec<(&str, &str)> = source
        .lines()
        .filter_map(|line| line.trim().strip_prefix("/// | `"))
        .filter_map(|row| row.split_once('|'))
        .map(|(names, seen)| (names, seen.trim_end_matches(['|', ' ']).trim()))
        .collect();
    let flags = SecureOptions::names().filter(|(_, options)| options.bits().is_power_of_two());
    let mut seen = SecureOptions::empty();
    for (name, option) in flags {
        if seen.contains(option) {
            continue;
        }
        seen |= option;
        let found: Vec<_> =
            rows.iter().filter(|(names, _)| format!("`{names}").contains(&format!("`{name}`"))).collect();
        assert_eq!(found.len(), 1, "{name} has one row");
        let tested = own.contains(&format!("SecureOptions::{name}"));
        assert_eq!(!found[0].1.starts_with("not to be seen"), tested, "{name}: {}", found[0].1);
    }
}
