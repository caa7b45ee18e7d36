//! The callback slots of libssl: those that the library owns are filled by it, all others are the application's.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use openssl::ssl::{AlpnError, ClientHelloResponse, SslContextBuilder, SslSessionCacheMode, SslVerifyMode};
use patina_tls::{ClientAuth, ConfigBuilder, PreSharedKey, ProtocolVersion, PskIdentity, ServerConfig, Side};

use crate::support::pair::{Engines, client, engines, identity, server, trust};

type Called = Arc<Mutex<BTreeSet<&'static str>>>;

/// Fills every slot that the `openssl` crate can fill, with callbacks that tell when they are called.
fn fill<S: Side>(builder: ConfigBuilder<S>, called: &Called) -> ConfigBuilder<S> {
    let called = Arc::clone(called);
    builder.with_openssl(move |ctx: &mut SslContextBuilder| {
        let tell = |name: &'static str| {
            let called = Arc::clone(&called);
            move || {
                called.lock().unwrap().insert(name);
            }
        };
        let told = tell("client_hello");
        ctx.set_client_hello_callback(move |_, _| {
            told();
            Ok(ClientHelloResponse::SUCCESS)
        });
        let told = tell("server_name");
        ctx.set_servername_callback(move |_, _| {
            told();
            Ok(())
        });
        let told = tell("alpn");
        ctx.set_alpn_select_callback(move |_, _| {
            told();
            Err(AlpnError::NOACK)
        });
        let told = tell("verify");
        ctx.set_verify_callback(SslVerifyMode::PEER, move |ok, _| {
            told();
            ok
        });
        let told = tell("key_log");
        ctx.set_keylog_callback(move |_, _| told());
        let told = tell("new_session");
        ctx.set_session_cache_mode(SslSessionCacheMode::BOTH);
        ctx.set_new_session_callback(move |_, _| told());
        let told = tell("status");
        ctx.set_status_callback(move |_| {
            told();
            Ok(true)
        })?;
        let told = tell("psk_client");
        ctx.set_psk_client_callback(move |_, _, _, _| {
            told();
            Ok(0)
        });
        let told = tell("psk_server");
        ctx.set_psk_server_callback(move |_, _, _| {
            told();
            Ok(0)
        });
        Ok(())
    })
}

fn names(called: &Called) -> Vec<&'static str> {
    called.lock().unwrap().iter().copied().collect()
}

/// Shakes hands, with what each side's own callbacks were called.
fn shaken<C: Side, D: Side>(
    client: ConfigBuilder<C>,
    server: ConfigBuilder<D>,
    shake: impl FnOnce(ConfigBuilder<C>, ConfigBuilder<D>) -> Engines,
) -> (Engines, Vec<&'static str>, Vec<&'static str>) {
    let (ours, theirs) = (Called::default(), Called::default());
    let both = shake(fill(client, &ours), fill(server, &theirs));
    (both, names(&ours), names(&theirs))
}

fn shake(client: ConfigBuilder<patina_tls::Client>, server: ConfigBuilder<patina_tls::Server>) -> Engines {
    let mut both = engines(&client.build().unwrap(), "localhost", &server.build().unwrap());
    // Handshakes with a callback that has no key to give fail; what was called by then counts.
    let _ = both.shake();
    both
}

#[test]
fn slots_that_the_library_owns_are_never_the_application_s() {
    for version in [ProtocolVersion::TLSv1_2, ProtocolVersion::TLSv1_3] {
        let lines = Arc::new(Mutex::new(0));
        let count = Arc::clone(&lines);
        let client =
            client().versions(version).alpn(["h2"]).identity(identity("client-rsa")).key_log(|_: &str| {});
        let server = server()
            .alpn(["h2"])
            .client_auth(ClientAuth::Require)
            .trust(trust("root"))
            .key_log(move |_: &str| *count.lock().unwrap() += 1);
        let (both, ours, theirs) = shaken(client, server, shake);
        assert!(both.client.negotiated().authorized() && both.server.negotiated().authorized());
        assert_eq!(both.server.negotiated().alpn(), Some(&b"h2"[..]));
        assert!(*lines.lock().unwrap() > 0);
        for owned in ["client_hello", "server_name", "alpn", "verify", "key_log"] {
            assert!(!theirs.contains(&owned), "{owned} {version}");
        }
        for owned in ["verify", "key_log"] {
            assert!(!ours.contains(&owned), "{owned} {version}");
        }
    }
}

#[test]
fn slots_that_nobody_asked_the_library_to_fill_are_the_application_s() {
    let (both, ours, theirs) = shaken(client().versions(ProtocolVersion::TLSv1_2), server(), shake);
    assert!(both.client.is_established() && both.server.is_established());
    // libssl calls the one for names on clients, too, when the server has acknowledged the name.
    assert!(["key_log", "new_session"].iter().all(|name| ours.contains(name)), "{ours:?}");
    assert!(theirs.contains(&"key_log"), "{theirs:?}");
}

#[test]
fn the_slots_of_pre_shared_keys_are_filled_where_keys_are_configured() {
    let list = "PSK:@SECLEVEL=0";
    let plain = || client().versions(ProtocolVersion::TLSv1_2).cipher_list(list);
    let keyed = || plain().psk(PskIdentity::new("somebody").unwrap(), PreSharedKey::new(vec![7; 32]));
    let bare = || ServerConfig::builder().versions(ProtocolVersion::TLSv1_2).cipher_list(list);
    let resolving = || bare().psk_resolver(|_| async { Ok(Some(PreSharedKey::new(vec![7; 32]))) });

    let (both, ours, theirs) = shaken(keyed(), resolving(), shake);
    assert!(both.client.is_established() && both.server.is_established());
    assert!(!ours.contains(&"psk_client") && !theirs.contains(&"psk_server"));

    let (both, ours, _) = shaken(plain(), resolving(), shake);
    assert!(!both.client.is_established() && ours.contains(&"psk_client"), "{ours:?}");
    let (both, _, theirs) = shaken(keyed(), bare(), shake);
    assert!(!both.client.is_established() && theirs.contains(&"psk_server"), "{theirs:?}");
}

#[test]
fn every_slot_that_may_be_filled_is_documented_at_the_door_to_libssl() {
    let source = include_str!("../../src/sys/hook.rs");
    let (_, rest) = source.split_once("pub(crate) enum Slot {").unwrap();
    let (body, _) = rest.split_once("\n}").unwrap();
    let variants: Vec<&str> = body
        .lines()
        .filter_map(|line| line.trim().strip_suffix(','))
        .filter(|v| !v.starts_with('/'))
        .collect();
    let builder = include_str!("../../src/config/builder.rs");
    let (before, _) = builder.split_once("pub fn with_openssl<F>").unwrap();
    let (_, doc) = before.rsplit_once("These callback slots belong to the library").unwrap();
    let words: BTreeSet<(&str, &str)> = [
        ("ClientHello", "client hello"),
        ("ServerName", "server name"),
        ("Protocol", "ALPN"),
        ("Verify", "certificate verification"),
        ("Info", "info"),
        ("KeyLog", "key log"),
        ("Message", "message"),
        ("PskClient", "pre-shared keys"),
        ("PskServer", "pre-shared keys"),
        ("Certificate", "certificate choice"),
        ("Staple", "OCSP staple"),
        ("NewSession", "new sessions"),
        ("FindSession", "session look-up"),
        ("TicketKey", "ticket keys"),
        ("EarlyData", "early data"),
        ("NpnClient", "NPN"),
        ("NpnServer", "NPN"),
    ]
    .into();
    let known: BTreeSet<&str> = words.iter().map(|(variant, _)| *variant).collect();
    assert_eq!(variants.into_iter().collect::<BTreeSet<_>>(), known);
    for (variant, word) in words {
        assert!(doc.replace("\n    /// ", " ").contains(word), "{variant}: {word}");
    }
}
