//! What the extension traits reach, on live connections of the `openssl` crate.

use std::time::Duration;

use openssl::nid::Nid;
use openssl::ssl::{Ssl, SslContext, SslMethod, SslOptions, SslSessionCacheMode, SslVerifyMode, SslVersion};
use openssl::x509::store::X509StoreBuilder;
use openssl::x509::verify::X509VerifyFlags;
use openssl::x509::{X509, X509Crl, X509StoreContext, X509VerifyResult};
use patina_tls::ErrorKind;
use patina_tls::ext::{
    KeyUpdate, SessionCount, SslCipherRefExt, SslContextBuilderExt, SslContextRefExt, SslRefExt,
    SslSessionRefExt, SslStreamExt, Switch, X509StoreBuilderRefExt,
};

use crate::support::wire::{
    self, Wire, client_context, connection, only, read, server_context, settle, shake,
};
use crate::support::{fixtures, libssl};

const ALLOW_CLIENT_RENEGOTIATION: SslOptions = SslOptions::from_bits_retain(1 << 8);

fn pair(version: SslVersion) -> (Wire, Wire) {
    connection(&only(client_context(), version), &only(server_context(), version))
}

/// A client that shows a certificate.
fn showing_client() -> openssl::ssl::SslContextBuilder {
    let mut context = client_context();
    context.set_certificate_chain_file(fixtures::path("pki/client-rsa.pem")).unwrap();
    context
        .set_private_key_file(fixtures::path("pki/client-rsa.key"), openssl::ssl::SslFiletype::PEM)
        .unwrap();
    context
}

/// Whether this libssl is 3.0 or newer.
fn is_3() -> bool {
    libssl::is_at_least("3.0")
}

#[test]
fn options_are_added_taken_away_and_read() {
    let mut ssl = Ssl::new(&server_context().build()).unwrap();
    assert!(!ssl.options().contains(SslOptions::NO_TICKET));
    assert!(ssl.set_options(SslOptions::NO_TICKET).contains(SslOptions::NO_TICKET));
    assert!(ssl.options().contains(SslOptions::NO_TICKET));
    assert!(!ssl.clear_options(SslOptions::NO_TICKET).contains(SslOptions::NO_TICKET));
    // A bit that no version gives a name to is kept, too.
    assert!(ssl.set_options(ALLOW_CLIENT_RENEGOTIATION).contains(ALLOW_CLIENT_RENEGOTIATION));
}

#[test]
fn either_side_renegotiates_and_counts_it() {
    let (mut client, mut server) = pair(SslVersion::TLS1_2);
    assert!(client.ssl().secure_renegotiation() && server.ssl().secure_renegotiation());
    server.ssl_mut().set_options(ALLOW_CLIENT_RENEGOTIATION);
    for abbreviated in [false, true] {
        match abbreviated {
            false => client.ssl_mut().renegotiate().unwrap(),
            true => client.ssl_mut().renegotiate_abbreviated().unwrap(),
        }
        assert!(client.ssl().renegotiate_pending());
        assert!(!shake(&mut client).unwrap());
        assert!(client.ssl().is_in_handshake());
        settle(&mut server, &mut client);
        assert!(!client.ssl().renegotiate_pending() && !client.ssl().is_in_handshake());
        assert_eq!(client.ssl().session_reused(), abbreviated);
    }
    assert_eq!((client.ssl().total_renegotiations(), server.ssl().total_renegotiations()), (2, 0));

    server.ssl_mut().renegotiate().unwrap();
    shake(&mut server).unwrap();
    assert!(server.ssl().renegotiate_pending());
    settle(&mut client, &mut server);
    assert!(!server.ssl().renegotiate_pending());
    assert_eq!(server.ssl().total_renegotiations(), 1);
}

#[test]
fn a_renegotiation_that_cannot_be_is_an_error_with_its_reason() {
    let (mut client, _server) = pair(SslVersion::TLS1_3);
    let error = client.ssl_mut().renegotiate().unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Protocol, Some("WRONG_SSL_VERSION")));
    assert!(client.ssl_mut().renegotiate_abbreviated().is_err());
    let (mut client, _server) = pair(SslVersion::TLS1_2);
    client.ssl_mut().set_options(SslOptions::NO_RENEGOTIATION);
    assert_eq!(client.ssl_mut().renegotiate().unwrap_err().reason(), Some("NO_RENEGOTIATION"));
}

#[test]
fn keys_change_in_both_directions() {
    let (mut client, mut server) = pair(SslVersion::TLS1_3);
    settle(&mut client, &mut server);
    for kind in [KeyUpdate::NotRequested, KeyUpdate::Requested] {
        client.ssl_mut().key_update(kind).unwrap();
        assert_eq!(client.ssl().pending_key_update(), Some(kind));
        client.ssl_write(b"new").unwrap();
        assert_eq!(client.ssl().pending_key_update(), None);
        assert_eq!(read(&mut server).unwrap(), b"new");
        server.ssl_write(b"back").unwrap();
        assert_eq!(read(&mut client).unwrap(), b"back");
    }
    let (mut client, _server) = pair(SslVersion::TLS1_2);
    let error = client.ssl_mut().key_update(KeyUpdate::Requested).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Protocol, Some("WRONG_SSL_VERSION")));
}

#[test]
fn a_client_shows_its_certificate_after_the_handshake() {
    let (near, far) = wire::End::pair();
    let mut client = wire::client(&only(showing_client(), SslVersion::TLS1_3), near);
    let mut server_side = server_context();
    server_side.set_ca_file(fixtures::path("pki/root.pem")).unwrap();
    let mut server = wire::server(&only(server_side, SslVersion::TLS1_3), far);
    client.ssl_mut().set_post_handshake_auth(Switch::On);
    wire::shake_both(&mut client, &mut server);
    settle(&mut client, &mut server);
    assert!(server.ssl().peer_certificate().is_none());
    server.ssl_mut().set_verify(SslVerifyMode::PEER);
    server.ssl_mut().verify_client_post_handshake().unwrap();
    shake(&mut server).unwrap();
    settle(&mut client, &mut server);
    assert!(server.ssl().peer_certificate().is_some());
    assert_eq!(server.ssl().verify_result(), X509VerifyResult::OK);
    assert_eq!(client.ssl_mut().verify_client_post_handshake().unwrap_err().reason(), Some("NOT_SERVER"));
}

#[test]
fn a_client_that_did_not_offer_it_is_not_asked() {
    let (_client, mut server) = pair(SslVersion::TLS1_3);
    server.ssl_mut().set_verify(SslVerifyMode::PEER);
    let error = server.ssl_mut().verify_client_post_handshake().unwrap_err();
    assert_eq!(error.reason(), Some("EXTENSION_NOT_RECEIVED"));
    // The same as a setting of the context.
    let mut client_side = client_context();
    client_side.set_post_handshake_auth(Switch::On);
    let (_client, mut server) =
        connection(&only(client_side, SslVersion::TLS1_3), &only(server_context(), SslVersion::TLS1_3));
    server.ssl_mut().set_verify(SslVerifyMode::PEER);
    server.ssl_mut().verify_client_post_handshake().unwrap();
}

#[test]
fn a_server_sends_another_ticket() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    let count = Arc::new(AtomicUsize::new(0));
    let mut client_side = client_context();
    client_side.set_session_cache_mode(SslSessionCacheMode::CLIENT | SslSessionCacheMode::NO_INTERNAL);
    let counter = Arc::clone(&count);
    client_side.set_new_session_callback(move |_, _| {
        counter.fetch_add(1, Ordering::SeqCst);
    });
    let (mut client, mut server) =
        connection(&only(client_side, SslVersion::TLS1_3), &only(server_context(), SslVersion::TLS1_3));
    settle(&mut client, &mut server);
    let before = count.load(Ordering::SeqCst);
    let outcome = server.ssl_mut().new_session_ticket();
    if !is_3() {
        assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Unsupported);
        return;
    }
    outcome.unwrap();
    server.ssl_write(b"x").unwrap();
    assert_eq!(read(&mut client).unwrap(), b"x");
    assert_eq!(count.load(Ordering::SeqCst), before + 1);
    assert_eq!(client.ssl_mut().new_session_ticket().unwrap_err().kind(), ErrorKind::Protocol);
}

#[test]
fn the_suites_of_both_sides_are_told() {
    let mut server_side = server_context();
    server_side.set_cipher_list("ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384").unwrap();
    let mut client_side = client_context();
    client_side.set_cipher_list("ECDHE-RSA-CHACHA20-POLY1305:ECDHE-RSA-AES128-GCM-SHA256").unwrap();
    let server_side = only(server_side, SslVersion::TLS1_2);
    let (mut client, server) = connection(&only(client_side, SslVersion::TLS1_2), &server_side);
    let names =
        |list: Vec<&'static openssl::ssl::SslCipherRef>| list.iter().map(|c| c.name()).collect::<Vec<_>>();
    let offered = ["ECDHE-RSA-CHACHA20-POLY1305", "ECDHE-RSA-AES128-GCM-SHA256"];
    assert_eq!(names(client.ssl_mut().supported_ciphers()), offered);
    assert_eq!(names(server.ssl().client_ciphers())[..2], offered);
    assert_eq!(server.ssl().shared_ciphers(), ["ECDHE-RSA-AES128-GCM-SHA256"]);
    assert!(client.ssl().client_ciphers().is_empty() && client.ssl().shared_ciphers().is_empty());
    let cipher = server.ssl().current_cipher().unwrap();
    assert_eq!(cipher.key_exchange_nid(), Some(Nid::from_raw(1038)), "NID_kx_ecdhe");
    assert_eq!(cipher.authentication_nid(), Some(Nid::from_raw(1046)), "NID_auth_rsa");
    assert!(server_side.ciphers().unwrap().iter().any(|c| c.name() == "ECDHE-RSA-AES256-GCM-SHA384"));
}

#[test]
fn groups_and_signatures_of_one_connection_are_set_and_told() {
    let (near, far) = wire::End::pair();
    let mut client = wire::client(&client_context().build(), near);
    let mut server = wire::server(&server_context().build(), far);
    client.ssl_mut().set_groups_list("P-384").unwrap();
    client.ssl_mut().set_sigalgs_list("rsa_pss_rsae_sha384").unwrap();
    wire::shake_both(&mut client, &mut server);
    if is_3() {
        assert_eq!(server.ssl().negotiated_group().unwrap().as_deref(), Some("secp384r1"));
    } else {
        assert_eq!(server.ssl().negotiated_group().unwrap_err().kind(), ErrorKind::Unsupported);
    }
    assert_eq!(client.ssl().peer_signature_digest(), Some(Nid::SHA384));
    assert!(client.ssl().peer_signature_type().is_some());
    assert_eq!(server.ssl().signature_digest(), Some(Nid::SHA384));
    assert_eq!(server.ssl().shared_sigalgs().len(), 1);

    let mut ssl = Ssl::new(&client_context().build()).unwrap();
    assert_eq!(ssl.negotiated_group().ok(), is_3().then_some(None), "nothing is agreed on yet");
    assert_eq!(ssl.set_groups_list("P-384:NO-SUCH-GROUP").unwrap_err().option(), Some("groups"));
    assert_eq!(ssl.set_groups_list("P\0").unwrap_err().option(), Some("groups"));
    assert_eq!(ssl.set_sigalgs_list("NO+SUCH").unwrap_err().option(), Some("sigalgs"));
}

#[test]
fn the_authorities_that_a_server_names_reach_the_client() {
    let mut server_side = server_context();
    server_side.set_verify(SslVerifyMode::PEER);
    let root = X509::from_pem(&fixtures::bytes("pki/root.pem")).unwrap();
    server_side.add_client_ca(&root).unwrap();
    let (client, server) = connection(&client_context().build(), &server_side.build());
    let named: Vec<_> = client.ssl().peer_ca_list().unwrap().iter().map(|n| n.to_der().unwrap()).collect();
    assert_eq!(named, [root.subject_name().to_der().unwrap()]);
    assert!(server.ssl().peer_ca_list().is_none_or(|list| list.is_empty()));
}

#[test]
fn a_quiet_side_closes_without_a_word() {
    let (mut client, mut server) = pair(SslVersion::TLS1_2);
    assert_eq!(client.ssl().quiet_shutdown(), Switch::Off);
    client.ssl_mut().set_quiet_shutdown(Switch::On);
    assert_eq!(client.ssl().quiet_shutdown(), Switch::On);
    client.shutdown().unwrap();
    assert_eq!(read(&mut server).unwrap(), b"", "no close_notify has come");
    let mut context = server_context();
    context.set_quiet_shutdown(Switch::On);
    assert_eq!(context.build().quiet_shutdown(), Switch::On);
}

#[test]
fn sessions_carry_the_context_that_was_set_for_them() {
    let (near, far) = wire::End::pair();
    let mut client = wire::client(&only(client_context(), SslVersion::TLS1_2), near);
    let mut server = wire::server(&only(server_context(), SslVersion::TLS1_2), far);
    server.ssl_mut().set_session_id_context(b"tenant").unwrap();
    assert_eq!(
        server.ssl_mut().set_session_id_context(&[0; 33]).unwrap_err().option(),
        Some("session_id_context")
    );
    wire::shake_both(&mut client, &mut server);
    assert_eq!(server.ssl().session().unwrap().id_context(), b"tenant");
    assert_eq!(client.ssl().session().unwrap().id_context(), b"");
}

#[test]
fn a_session_tells_of_its_ticket_and_its_time() {
    let mut server_side = server_context();
    server_side.set_session_timeout(Duration::from_secs(1234));
    let server_side = only(server_side, SslVersion::TLS1_2);
    assert_eq!(server_side.session_timeout(), Duration::from_secs(1234));
    let (near, far) = wire::End::pair();
    let mut client = wire::client(&only(client_context(), SslVersion::TLS1_2), near);
    client.ssl_mut().set_hostname("localhost").unwrap();
    let mut server = wire::server(&server_side, far);
    wire::shake_both(&mut client, &mut server);
    let mut session = client.ssl().session().unwrap().to_owned();
    assert!(session.is_resumable());
    assert!(session.ticket().is_some_and(|ticket| ticket.len() > 64));
    assert_eq!(session.ticket_lifetime_hint(), Some(Duration::from_secs(1234)));
    // In TLS 1.2 the client's session has the name only once the server has acknowledged it.
    assert_eq!(session.hostname(), client.ssl().session().unwrap().hostname());
    session.set_timeout(Duration::from_secs(99));
    assert_eq!(session.timeout(), 99);

    let (mut client, mut server) = pair(SslVersion::TLS1_3);
    assert!(!client.ssl().session().unwrap().is_resumable(), "the ticket has not come yet");
    settle(&mut client, &mut server);
    assert!(client.ssl().session().unwrap().is_resumable());
    let mut plain = server_context();
    plain.set_options(SslOptions::NO_TICKET);
    let (client, _server) =
        connection(&only(client_context(), SslVersion::TLS1_2), &only(plain, SslVersion::TLS1_2));
    let session = client.ssl().session().unwrap();
    assert_eq!((session.ticket(), session.ticket_lifetime_hint()), (None, None));
}

#[test]
fn a_hint_for_pre_shared_keys_reaches_the_client() {
    let client_side = || {
        let mut context = SslContext::builder(SslMethod::tls_client()).unwrap();
        context.set_cipher_list("PSK:@SECLEVEL=0").unwrap();
        context.set_psk_client_callback(|_, hint, identity, key| {
            let hint = hint.unwrap_or_default();
            identity[..hint.len()].copy_from_slice(hint);
            identity[hint.len()] = 0;
            key[..16].copy_from_slice(&[7; 16]);
            Ok(16)
        });
        only(context, SslVersion::TLS1_2)
    };
    let server_side = |hint: Option<&str>| {
        let mut context = SslContext::builder(SslMethod::tls_server()).unwrap();
        context.set_cipher_list("PSK:@SECLEVEL=0").unwrap();
        if let Some(hint) = hint {
            context.use_psk_identity_hint(hint).unwrap();
        }
        context.set_psk_server_callback(|_, _, key| {
            key[..16].copy_from_slice(&[7; 16]);
            Ok(16)
        });
        only(context, SslVersion::TLS1_2)
    };
    let (_client, server) = connection(&client_side(), &server_side(Some("of the context")));
    assert_eq!(server.ssl().psk_identity(), Some(&b"of the context"[..]));

    let (near, far) = wire::End::pair();
    let (mut client, mut server) =
        (wire::client(&client_side(), near), wire::server(&server_side(None), far));
    server.ssl_mut().use_psk_identity_hint("of the connection").unwrap();
    wire::shake_both(&mut client, &mut server);
    assert_eq!(server.ssl().psk_identity(), Some(&b"of the connection"[..]));
    let long = "x".repeat(300);
    for bad in [long.as_str(), "a\0b"] {
        assert_eq!(server.ssl_mut().use_psk_identity_hint(bad).unwrap_err().option(), Some("psk_hint"));
        assert_eq!(server_context().use_psk_identity_hint(bad).unwrap_err().option(), Some("psk_hint"));
    }
}

#[test]
fn a_chain_that_is_longer_than_allowed_is_refused() {
    let (near, far) = wire::End::pair();
    let mut client = wire::client(&client_context().build(), near);
    let mut server = wire::server(&server_context().build(), far);
    assert_eq!(client.ssl().max_cert_list(), 102_400);
    client.ssl_mut().set_max_cert_list(100);
    assert_eq!(client.ssl().max_cert_list(), 100);
    shake(&mut client).unwrap();
    shake(&mut server).unwrap();
    let error = shake(&mut client).unwrap_err();
    let reason = error.ssl_error().and_then(|stack| stack.errors()[0].reason());
    assert_eq!(reason, Some("excessive message size"));
    let mut context = client_context();
    SslContextBuilderExt::set_max_cert_list(&mut context, 4096);
    assert_eq!(context.build().max_cert_list(), 4096);
}

#[test]
fn read_ahead_takes_more_than_a_record() {
    for (ahead, more) in [(Switch::Off, false), (Switch::On, true)] {
        let (mut client, mut server) = pair(SslVersion::TLS1_2);
        server.ssl_mut().set_read_ahead(ahead);
        assert_eq!(server.ssl().read_ahead(), ahead);
        for record in [b"one", b"two"] {
            client.ssl_write(record).unwrap();
        }
        assert!(!server.ssl().has_pending());
        assert_eq!(read(&mut server).unwrap(), b"one");
        assert_eq!(server.ssl().pending(), 0);
        assert_eq!(server.ssl().has_pending(), more);
        assert_eq!(read(&mut server).unwrap(), b"two");
        assert!(!server.ssl().has_pending());
    }
}

#[test]
fn a_verify_result_can_be_changed() {
    let (mut client, _server) = pair(SslVersion::TLS1_2);
    assert_eq!(client.ssl().verify_result(), X509VerifyResult::OK);
    client.ssl_mut().set_verify_result(X509VerifyResult::APPLICATION_VERIFICATION);
    assert_eq!(client.ssl().verify_result(), X509VerifyResult::APPLICATION_VERIFICATION);
}

#[test]
fn records_are_split_and_padded_as_the_context_says() {
    let mut context = server_context();
    context.set_max_send_fragment(1024).unwrap();
    context.set_split_send_fragment(512).unwrap();
    assert_eq!(context.set_split_send_fragment(2048).unwrap_err().option(), Some("split_send_fragment"));
    context.set_block_padding(256).unwrap();
    assert_eq!(context.set_block_padding(20_000).unwrap_err().option(), Some("block_padding"));
    assert_eq!(
        SslContextBuilderExt::set_max_send_fragment(&mut context, 17).unwrap_err().option(),
        Some("max_send_fragment")
    );
    let (mut client, mut server) =
        connection(&only(client_context(), SslVersion::TLS1_3), &only(context, SslVersion::TLS1_3));
    settle(&mut client, &mut server);
    server.ssl_write(b"x").unwrap();
    // Five bytes of header, 256 of padded plaintext, 16 of tag.
    assert_eq!(client.get_mut().take().len(), 5 + 256 + 16);
    assert!(!server.ssl_mut().set_max_send_fragment(511));
    assert!(server.ssl_mut().set_max_send_fragment(512));
}

#[test]
fn servers_with_the_same_ticket_keys_know_each_others_tickets() {
    let keys: [u8; 80] = std::array::from_fn(|i| i as u8);
    let mut context = server_context();
    let random = context.ticket_keys().unwrap();
    assert_ne!(random, keys);
    context.set_ticket_keys(&keys).unwrap();
    assert_eq!(context.ticket_keys().unwrap(), keys);
    let (client, _server) =
        connection(&only(client_context(), SslVersion::TLS1_2), &only(context, SslVersion::TLS1_2));
    let ticket = client.ssl().session().unwrap().ticket().unwrap().to_vec();
    assert_eq!(ticket[..16], keys[..16], "a ticket begins with the name of its key");
}

#[test]
fn a_context_counts_its_sessions() {
    let mut context = server_context();
    context.set_session_cache_mode(SslSessionCacheMode::SERVER);
    let context = only(context, SslVersion::TLS1_2);
    let client_side = only(client_context(), SslVersion::TLS1_2);
    let (_a, _b) = connection(&client_side, &context);
    let count = |which| context.session_count(which);
    assert_eq!((count(SessionCount::Accept), count(SessionCount::AcceptGood)), (1, 1));
    assert_eq!((count(SessionCount::Hit), count(SessionCount::Connect)), (0, 0));
    assert_eq!(client_side.session_count(SessionCount::ConnectGood), 1);
    assert_eq!(context.versions(), (Some(SslVersion::TLS1_2), Some(SslVersion::TLS1_2)));
    assert!(context.mode().contains(openssl::ssl::SslMode::AUTO_RETRY));
    assert_eq!(context.options(), context.options() | SslOptions::NO_COMPRESSION);
}

#[test]
fn a_store_with_a_revocation_list_refuses_what_is_on_it() {
    let read = |name: &str| X509::from_pem(&fixtures::bytes(&format!("pki/{name}.pem"))).unwrap();
    let verdict = |with_list: bool, leaf: &str| {
        let mut builder = X509StoreBuilder::new().unwrap();
        builder.add_cert(read("root")).unwrap();
        if with_list {
            builder.add_crl(&X509Crl::from_pem(&fixtures::bytes("crl/root.crl.pem")).unwrap()).unwrap();
        }
        builder.set_flags(X509VerifyFlags::CRL_CHECK).unwrap();
        let none = openssl::stack::Stack::new().unwrap();
        let mut chain = X509StoreContext::new().unwrap();
        chain
            .init(&builder.build(), &read(leaf), &none, |chain| {
                chain.verify_cert()?;
                Ok(chain.error())
            })
            .unwrap()
    };
    assert_eq!(verdict(true, "revoked").as_raw(), 23, "certificate revoked");
    assert_eq!(verdict(true, "server-rsa"), X509VerifyResult::OK);
    assert_eq!(verdict(false, "server-rsa").as_raw(), 3, "unable to get certificate CRL");
}
