//! The table of defaults on `ConfigBuilder`, against the setters and against what a configuration without them does.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use patina_tls::{Alert, ClientConfig, ClientHello, ErrorKind, ProtocolVersion, ServerConfig, TlsEngine};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::resumption::session_of;
use crate::support::fixtures;
use crate::support::pair::{client, engines, handshake, identity, pair, server, trust};

const SOURCE: &str = include_str!("../../src/config/builder.rs");

/// The words in backquotes.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The rows of the table: option and side, and the default.
fn table() -> BTreeMap<(String, &'static str), &'static str> {
    let mut rows = BTreeMap::new();
    for line in SOURCE.lines() {
        let Some(row) = line.strip_prefix("/// | `") else { continue };
        let columns: Vec<&str> = row.trim_end_matches(" |").split(" | ").collect();
        let [options, side, default] = columns[..] else { panic!("three columns: {line}") };
        for option in quoted(&format!("`{options}")) {
            let sides: &[&'static str] = match side {
                "both" => &["client", "server"],
                "client" => &["client"],
                "server" => &["server"],
                other => panic!("no side: {other}"),
            };
            for side in sides {
                let before = rows.insert((option.to_owned(), *side), default);
                assert!(before.is_none(), "two rows for {option}");
            }
        }
    }
    rows
}

/// The setters of the builder by side, read from its source.
fn setters() -> BTreeSet<(String, &'static str)> {
    let mut found = BTreeSet::new();
    let mut sides: &[&'static str] = &[];
    for line in SOURCE.lines() {
        if line.starts_with("impl") {
            sides = match line {
                "impl<S: Side> ConfigBuilder<S> {" => &["client", "server"],
                "impl ConfigBuilder<Client> {" => &["client"],
                "impl ConfigBuilder<Server> {" => &["server"],
                _ => &[],
            };
        }
        let Some(rest) = line.strip_prefix("    pub fn ") else { continue };
        let name = rest.split(['(', '<']).next().unwrap_or_default();
        // These two are no options: one takes them away, the other is a door to libssl; `build` ends it all.
        if !["without_secure_options", "with_openssl", "build"].contains(&name) {
            found.extend(sides.iter().map(|side| (name.to_owned(), *side)));
        }
    }
    found
}

#[test]
fn the_table_has_a_row_for_each_setter_and_no_other() {
    let rows: BTreeSet<_> = table().into_keys().collect();
    let setters = setters();
    assert!(setters.len() > 40, "the source is read: {}", setters.len());
    assert_eq!(rows, setters);
}

#[test]
fn the_table_says_what_the_tests_below_see() {
    let table = table();
    for (option, side, default) in [
        ("versions", "client", "TLS 1.2 to TLS 1.3"),
        ("cipher_preference", "server", "`Server`"),
        ("verify_depth", "client", "100"),
        ("server_verification", "client", "`Require`"),
        ("min_dh_size", "client", "1024 bits"),
        ("client_auth", "server", "`None`"),
        ("dhparam", "server", "none: no DHE in TLS 1.2 and older"),
        ("alpn", "server", "none"),
        ("alpn_mismatch", "server", "`Alert`"),
        ("session_timeout", "server", "7200 s"),
        ("session_cache", "server", "`Off`: tickets only"),
        ("session_tickets", "server", "2"),
        ("max_send_fragment", "server", "16384 bytes"),
        ("renegotiation", "server", "denied"),
        ("handshake_timeout", "client", "120 s"),
        ("unknown_name", "server", "`UseDefault`"),
    ] {
        let row = table.get(&(option.to_owned(), side));
        assert_eq!(row, Some(&default), "{option}: change the test that looks at it as well");
    }
}

#[test]
fn tls_1_2_and_1_3_are_offered_and_accepted() {
    use ProtocolVersion as V;
    let mut engine = TlsEngine::client(&client().build().unwrap(), "localhost").unwrap();
    engine.advance().unwrap();
    let hello = ClientHello::parse(&engine.output()[5..]).unwrap();
    assert_eq!(hello.supported_versions(), [0x0304, 0x0303]);
    assert_eq!(hello.alpn().count(), 0);
    for (version, good) in [(V::TLSv1_0, false), (V::TLSv1_1, false), (V::TLSv1_2, true), (V::TLSv1_3, true)]
    {
        let old = client().versions(version).cipher_list("ALL:@SECLEVEL=0").build().unwrap();
        let mut both = engines(&old, "localhost", &server().cipher_list("ALL:@SECLEVEL=0").build().unwrap());
        assert_eq!(both.shake().is_ok(), good, "{version}");
    }
}

#[test]
fn chains_may_be_long_and_are_required_to_be_good() {
    let config = client().build().unwrap();
    assert_eq!(config.as_openssl().verify_mode(), openssl::ssl::SslVerifyMode::PEER);
    let stranger = ServerConfig::builder().identity(identity("self-signed")).build().unwrap();
    assert_eq!(engines(&config, "localhost", &stranger).shake().unwrap_err().kind(), ErrorKind::Unauthorized);
    let chain = ServerConfig::builder().identity(identity("server-rsa-chain-chain")).build().unwrap();
    engines(&config, "localhost", &chain).shake().unwrap();
}

#[test]
fn clients_are_not_asked_for_certificates() {
    let config = server().build().unwrap();
    assert_eq!(config.as_openssl().verify_mode(), openssl::ssl::SslVerifyMode::NONE);
    let bearing = client().identity(identity("client-rsa")).build().unwrap();
    let mut both = engines(&bearing, "localhost", &config);
    both.shake().unwrap();
    assert!(both.server.negotiated().peer_certificate().is_none());
}

#[test]
fn there_is_no_dhe_without_parameters() {
    let dhe = client().versions(ProtocolVersion::TLSv1_2).cipher_list("DHE").build().unwrap();
    let mut both = engines(&dhe, "localhost", &server().cipher_list("ALL").build().unwrap());
    assert_eq!(both.shake().unwrap_err().code(), "ERR_SSL_NO_SHARED_CIPHER");
}

#[test]
fn keys_of_1024_bits_are_the_smallest_that_a_client_takes() {
    let weak = patina_tls::DhParameters::from_pem_file(fixtures::path("dh/dh1024.pem")).unwrap();
    let server = server().cipher_list("DHE:@SECLEVEL=1").dhparam(weak).build().unwrap();
    // With a group of RFC 7919 to choose, libssl 4.0 chooses that.
    let dhe = client().versions(ProtocolVersion::TLSv1_2).cipher_list("DHE:@SECLEVEL=1").groups("P-256");
    engines(&dhe.build().unwrap(), "localhost", &server).shake().unwrap();
}

#[test]
fn the_server_s_order_of_ciphers_counts() {
    let two = "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384";
    let reversed = "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-AES128-GCM-SHA256";
    let client = client().versions(ProtocolVersion::TLSv1_2).cipher_list(two).build().unwrap();
    let mut both = engines(&client, "localhost", &server().cipher_list(reversed).build().unwrap());
    both.shake().unwrap();
    assert_eq!(both.client.negotiated().cipher_suite().name(), "ECDHE-RSA-AES256-GCM-SHA384");
}

#[test]
fn a_server_without_the_client_s_protocols_refuses_and_one_without_any_ignores() {
    let client = client().alpn(["h2"]).build().unwrap();
    let mut both = engines(&client, "localhost", &server().alpn(["http/1.1"]).build().unwrap());
    assert_eq!(both.shake().unwrap_err().alert(), Some(Alert::NO_APPLICATION_PROTOCOL));
    let mut both = engines(&client, "localhost", &server().build().unwrap());
    both.shake().unwrap();
    assert_eq!(both.client.negotiated().alpn(), None);
}

#[test]
fn a_name_that_is_not_known_gets_the_default_configuration() {
    let other = ServerConfig::builder().identity(identity("other")).build().unwrap();
    let server = server().server_name("other.patina.test", other).build().unwrap();
    engines(&client().build().unwrap(), "localhost", &server).shake().unwrap();
}

#[tokio::test]
async fn sessions_live_for_two_hours_in_tickets() {
    for version in [ProtocolVersion::TLSv1_2, ProtocolVersion::TLSv1_3] {
        let client = client().versions(version).build().unwrap();
        let session = session_of(&client, "localhost", &server().build().unwrap()).await;
        assert_eq!(
            (session.timeout(), session.ticket_lifetime_hint()),
            (Duration::from_secs(7200), Duration::from_secs(7200))
        );
        let brief = server().session_timeout(Duration::from_secs(60)).build().unwrap();
        let session = session_of(&client, "localhost", &brief).await;
        assert_eq!(session.ticket_lifetime_hint(), Duration::from_secs(60));
    }
    assert_eq!(server().build().unwrap().as_openssl().num_tickets(), 2);
}

#[tokio::test]
async fn records_are_as_large_as_they_can_be() {
    let (mut near, mut far) = pair(&client().build().unwrap(), &server().build().unwrap()).await;
    far.write_all(&[7; 20_000]).await.unwrap();
    far.shutdown().await.unwrap();
    let mut raw = Vec::new();
    near.get_mut().read_to_end(&mut raw).await.unwrap();
    // The last byte of a TLS 1.3 plaintext is its type; then come 16 bytes of the tag.
    let mut lengths = Vec::new();
    let mut rest = &raw[..];
    while let [_, _, _, a, b, tail @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*a, *b]));
        lengths.push(length);
        rest = &tail[length..];
    }
    assert!(lengths.contains(&(16384 + 17)), "{lengths:?}");
}

#[tokio::test(start_paused = true)]
async fn a_handshake_may_take_two_minutes() {
    let (near, _silent) = tokio::io::duplex(1024);
    let began = tokio::time::Instant::now();
    let connector =
        patina_tls::TlsConnector::new(ClientConfig::builder().trust(trust("root")).build().unwrap());
    assert_eq!(connector.connect("localhost", near).await.unwrap_err().kind(), ErrorKind::Timeout);
    let took = began.elapsed();
    assert!(took >= Duration::from_secs(120) && took < Duration::from_secs(121), "{took:?}");
}

#[tokio::test]
async fn a_server_without_roots_says_what_is_missing_only_when_it_asks() {
    assert_eq!(
        server().client_auth(patina_tls::ClientAuth::Require).build().unwrap_err().option(),
        Some("trust")
    );
    let (near, far) = handshake(&client().build().unwrap(), "localhost", &server().build().unwrap()).await;
    assert!(near.is_ok() && far.is_ok());
}
