//! Node's options: the answers are Node's, row by row, and what they come to works.

use patina_tls::compat::{self, ProcessDefaults, SecureContextOptions};
use patina_tls::{
    CipherPreference, ClientAuth, ClientHello, ErrorKind, ProtocolVersion, PublicKeyType,
    RenegotiationPolicy, SecureOptions, ServerVerification, TlsEngine, TrustStore,
};
use serde_json::{Value, json};

use crate::support::fixtures::{bytes, path, text};
use crate::support::libssl::is_at_least;
use crate::support::pair::{handshake, pair};

/// The options of a row, with the fixtures that it names.
fn expand(value: &Value) -> Value {
    match value {
        Value::String(name) => match name.split_once(':') {
            Some(("$file", file)) => text(file).into(),
            Some(("$buffer", file)) => json!({ "type": "Buffer", "data": bytes(file) }),
            _ => value.clone(),
        },
        Value::Array(items) => items.iter().map(expand).collect(),
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), expand(value))).collect(),
        _ => value.clone(),
    }
}

fn options(json: Value) -> SecureContextOptions {
    serde_json::from_value(expand(&json)).unwrap()
}

fn node() -> ProcessDefaults {
    ProcessDefaults::new()
}

#[test]
fn every_row_of_the_table_has_nodes_answer_or_says_why_not() {
    let rows: Vec<Value> = serde_json::from_str(&text("node-options/cases.json")).unwrap();
    assert!(rows.len() > 200, "the table is cut");
    let mut wrong = Vec::new();
    for row in &rows {
        let given = options(row["options"].clone());
        let result = match row["side"].as_str().unwrap() {
            "client" => given.client(&node()).map(drop),
            "server" => given.server(&node()).map(drop),
            other => panic!("no side: {other}"),
        };
        let answer = result.as_ref().err().map_or(Value::Null, |error| error.code().into());
        let is_since = row.get("since").is_none_or(|version| is_at_least(version.as_str().unwrap()));
        let expected = match row.get("differs") {
            Some(ours) => {
                assert!(row["why"].is_string(), "no reason: {row}");
                assert_ne!(*ours, row["node"], "no difference: {row}");
                if is_since { ours } else { &row["node"] }
            }
            None => &row["node"],
        };
        if answer != *expected {
            wrong.push(format!("{answer} {:?}: {row}", result.err()));
        } else if let Err(error) = result {
            let option = error.option().unwrap_or_else(|| panic!("{error:?} names no option: {row}"));
            let is_there = row["options"].get(option).is_some() || option == "privateKeyEngine";
            assert!(is_there, "{option} is not among the options: {row}");
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn what_the_options_come_to_shakes_hands() {
    let server = options(json!({
        "cert": "$file:pki/server-rsa-chain-chain.pem", "key": "$file:pki/server-rsa-chain.key",
        "ALPNProtocols": ["h2", "http/1.1"], "requestCert": true, "ca": "$file:pki/root.pem", "maxVersion": "TLSv1.2",
    }));
    let client = options(json!({
        "ca": "$file:pki/root.pem", "ALPNProtocols": ["http/1.1"], "pfx": "$buffer:pfx/client-ec.p12", "passphrase": "patina",
    }));
    let (client, server) =
        (client.client(&node()).unwrap().build().unwrap(), server.server(&node()).unwrap().build().unwrap());
    let (near, far) = pair(&client, &server).await;
    assert_eq!(near.negotiated().version(), ProtocolVersion::TLSv1_2);
    assert_eq!(near.negotiated().alpn(), Some(&b"http/1.1"[..]));
    assert!(far.negotiated().authorized());
    assert_eq!(far.negotiated().peer_certificate().unwrap().subject_common_names(), ["client-ec"]);
}

#[tokio::test]
async fn certificates_and_keys_pair_by_their_kind_in_any_order() {
    let server = SecureContextOptions::new()
        .cert(text("pki/server-rsa.pem"))
        .cert(text("pki/server-p256.pem"))
        .key(text("pki/server-p256.key"))
        .key_with_passphrase(text("pki/server-rsa-encrypted.key"), "patina")
        .server(&node())
        .unwrap()
        .build()
        .unwrap();
    for (sigalgs, ca, kind) in [
        ("RSA-PSS+SHA256", "pki/root.pem", PublicKeyType::Rsa),
        ("ECDSA+SHA256", "pki/root-ec.pem", PublicKeyType::Ec),
    ] {
        let client =
            SecureContextOptions::new().ca(text(ca)).sigalgs(sigalgs).max_version(ProtocolVersion::TLSv1_2);
        let client = client.ciphers("ECDHE+AESGCM").client(&node()).unwrap().build().unwrap();
        let (near, _far) = pair(&client, &server).await;
        assert_eq!(near.negotiated().peer_certificate().unwrap().public_key_type(), kind, "{sigalgs}");
    }
}

#[tokio::test]
async fn without_ca_the_defaults_of_the_process_are_trusted_and_with_ca_they_are_not() {
    let server = SecureContextOptions::new().cert(text("pki/server-rsa.pem")).key(text("pki/server-rsa.key"));
    let server = server.server(&node()).unwrap().build().unwrap();
    let plain = node().with_roots(TrustStore::empty());
    let extra = plain.clone().with_extra_ca_file(path("pki/root.pem"));
    assert!(extra.warnings().is_empty());
    let other = || SecureContextOptions::new().ca(text("pki/other-root.pem"));
    for (options, defaults, code) in [
        (SecureContextOptions::new(), &plain, Some("UNABLE_TO_VERIFY_LEAF_SIGNATURE")),
        (SecureContextOptions::new(), &extra, None),
        (other(), &extra, Some("UNABLE_TO_VERIFY_LEAF_SIGNATURE")),
        (other().reject_unauthorized(ServerVerification::InsecureReport), &extra, None),
    ] {
        let client = options.client(defaults).unwrap().build().unwrap();
        let (near, _far) = handshake(&client, "localhost", &server).await;
        assert_eq!(near.as_ref().err().map(|error| error.code()), code, "{options:?}");
    }
}

#[test]
fn an_extra_file_that_cannot_be_read_is_a_warning_in_nodes_words() {
    let defaults = node().with_extra_ca_file("/no/such.pem");
    let [warning] = defaults.warnings() else { panic!("{:?}", defaults.warnings()) };
    assert!(warning.starts_with("Ignoring extra certs from `/no/such.pem`, load failed: "), "{warning}");
    let garbage = node().with_roots(TrustStore::empty()).with_extra_ca_file(path("pki/not-pem.pem"));
    assert_eq!(garbage.warnings().len(), 1);
    assert!(garbage.roots().unwrap().is_empty());
}

#[test]
fn what_node_passes_over_in_silence_is_a_warning() {
    let given = options(json!({
        "ca": "garbage", "dhparam": "garbage", "session": "AQID", "cert": "$file:pki/server-rsa.pem", "host": "example.com",
    }));
    let warnings = given.warnings();
    for name in ["ca", "dhparam", "session", "cert", "host"] {
        let mine = warnings.iter().filter(|warning| warning.starts_with(&format!("option {name}: ")));
        assert_eq!(mine.count(), 1, "{name}: {warnings:?}");
    }
    assert_eq!(warnings.len(), 5, "{warnings:?}");
    assert!(given.session().is_none());
    assert_eq!(
        SecureContextOptions::new().dhparam("auto").ca(text("pki/root.pem")).warnings(),
        Vec::<String>::new()
    );
    assert_eq!(options(json!({ "dhparam": "$file:dh/dh1024.pem" })).warnings().len(), 1);
    assert!(SecureContextOptions::new().dhparam("ffdhe3072").warnings().is_empty());
    let client = SecureContextOptions::new().client(&ProcessDefaults::new()).unwrap().build().unwrap();
    assert_eq!(client.warnings().collect::<Vec<_>>(), [""; 0], "Node's own list is no fault of the user's");
}

#[test]
fn an_unknown_option_is_an_error_with_the_nearest_name() {
    let refused = |json: Value| serde_json::from_value::<SecureContextOptions>(json).unwrap_err().to_string();
    let text = refused(json!({ "rejectUnauthorised": false }));
    assert!(text.contains("`rejectUnauthorised`") && text.contains("`rejectUnauthorized`"), "{text}");
    let text = refused(json!({ "checkServerIdentity": null }));
    assert!(text.contains("ConfigBuilder::identity_check"), "{text}");
    assert!(refused(json!([])).contains("options of Node's tls module"));
}

#[test]
fn a_client_asks_for_a_stapled_response_where_the_option_says_so() {
    for (json, asks) in [
        (json!({ "requestOCSP": true }), true),
        (json!({ "requestOCSP": 1 }), true),
        (json!({ "requestOCSP": false }), false),
        (json!({}), false),
    ] {
        let config = options(json).client(&node()).unwrap().build().unwrap();
        let mut engine = TlsEngine::client(&config, "localhost").unwrap();
        engine.advance().unwrap();
        assert_eq!(ClientHello::parse(&engine.output()[5..]).unwrap().wants_ocsp(), asks);
    }
}

#[test]
fn an_engine_that_is_not_there_is_told_under_nodes_name_of_the_option() {
    let certificate = "$file:pki/server-rsa.pem";
    for (name, json) in [
        ("clientCertEngine", json!({ "clientCertEngine": "no-such-engine" })),
        ("privateKeyEngine", json!({ "privateKeyEngine": "no-such-engine", "privateKeyIdentifier": "1" })),
        (
            "privateKeyEngine",
            json!({ "privateKeyEngine": "no-such-engine", "privateKeyIdentifier": "1", "cert": certificate }),
        ),
    ] {
        for error in [
            options(json.clone()).client(&node()).unwrap_err(),
            options(json.clone()).server(&node()).unwrap_err(),
        ] {
            assert_eq!(error.option(), Some(name));
            match error.kind() {
                ErrorKind::Unsupported => assert_eq!(error.code(), "ERR_CRYPTO_CUSTOM_ENGINE_NOT_SUPPORTED"),
                _ => assert_eq!(error.code(), "ERR_CRYPTO_ENGINE_UNKNOWN"),
            }
        }
    }
}

#[test]
fn the_methods_write_what_json_has() {
    let built = SecureContextOptions::new()
        .min_version(ProtocolVersion::TLSv1_0)
        .max_version(ProtocolVersion::TLSv1_3)
        .secure_options(SecureOptions::NO_TICKET)
        .honor_cipher_order(CipherPreference::Client)
        .request_cert(ClientAuth::Request)
        .alpn_protocols(["h2"])
        .pfx_with_passphrase(bytes("pfx/chain.p12"), "patina")
        .crl(text("crl/root.crl.pem"))
        .ca(text("pki/root.pem"))
        .ecdh_curve("P-256")
        .session_id_context("here")
        .psk_identity_hint("hint")
        .min_dh_size(2048)
        .servername("example.com")
        .allow_partial_trust_chain()
        .session_timeout(std::time::Duration::from_secs(60))
        .handshake_timeout(std::time::Duration::from_millis(1500))
        .ciphers("DEFAULT:@SECLEVEL=0");
    built.server(&node()).unwrap().build().unwrap();
    built.client(&node()).unwrap().build().unwrap();
    assert_eq!(built.server_name(), Some("example.com"));
    let error = built.secure_protocol("TLSv1_2_method").server(&node()).unwrap_err();
    assert_eq!((error.code(), error.option()), ("ERR_TLS_PROTOCOL_VERSION_CONFLICT", Some("secureProtocol")));
}

/// The options of libssl that a server comes to.
fn libssl_options(given: Value) -> SecureOptions {
    let (send, receive) = std::sync::mpsc::channel();
    let step = move |ctx: &mut openssl::ssl::SslContextBuilder| {
        send.send(ctx.options().bits()).unwrap();
        Ok(())
    };
    options(given).server(&node()).unwrap().with_openssl(step).build().unwrap();
    #[allow(clippy::useless_conversion, reason = "the type depends on the version of libssl")]
    SecureOptions::from(u64::from(receive.recv().unwrap()))
}

#[test]
fn servers_honour_their_own_order_and_allow_renegotiation_as_in_node() {
    let default = libssl_options(json!({}));
    let wanted = SecureOptions::CIPHER_SERVER_PREFERENCE | SecureOptions::NO_SSLv3;
    assert!(default.contains(wanted | SecureOptions::ALLOW_CLIENT_RENEGOTIATION), "{default}");
    assert!(!default.contains(SecureOptions::NO_RENEGOTIATION), "{default}");
    let client_order = libssl_options(json!({ "honorCipherOrder": false }));
    assert!(!client_order.contains(SecureOptions::CIPHER_SERVER_PREFERENCE), "{client_order}");
    let by_bit = libssl_options(json!({ "secureOptions": 1 << 22, "honorCipherOrder": false }));
    assert!(by_bit.contains(SecureOptions::CIPHER_SERVER_PREFERENCE), "{by_bit}");
}

#[test]
fn a_negative_number_of_options_is_read_as_javascripts_32_bits() {
    let options = libssl_options(json!({ "secureOptions": -2_147_467_264_i64 }));
    assert!(options.contains(SecureOptions::CRYPTOPRO_TLSEXT_BUG | SecureOptions::NO_TICKET), "{options}");
    assert_eq!(options.bits() >> 32, libssl_options(json!({})).bits() >> 32, "no bit above them is set");
}

#[test]
fn keys_and_pass_phrases_are_not_shown() {
    let given = SecureContextOptions::new().passphrase("hunter2").key(text("pki/server-rsa.key"));
    assert_eq!(format!("{given:?}"), r#"{"key", "passphrase"}"#);
}

#[test]
fn the_process_has_nodes_defaults() {
    let defaults = node();
    assert_eq!(
        (defaults.min_version(), defaults.max_version()),
        (ProtocolVersion::TLSv1_2, ProtocolVersion::TLSv1_3)
    );
    assert_eq!((defaults.ciphers(), defaults.ecdh_curve()), (compat::DEFAULT_CIPHERS, "auto"));
    assert_eq!(defaults.renegotiation(), RenegotiationPolicy::node());
    assert_eq!(defaults.clone().with_ecdh_curve("").ecdh_curve(), "auto");
    assert!(compat::DEFAULT_CIPHERS.starts_with("TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:"));
    assert!(!compat::DEFAULT_CIPHERS.contains(' '));
    let ciphers = compat::node_ciphers();
    assert!(ciphers.is_sorted() && ciphers.iter().any(|name| name == "tls_aes_128_gcm_sha256"));
}

#[test]
fn flags_change_the_defaults_and_their_list_is_judged_when_it_is_used() {
    let defaults = node().with_flags(["--tls-min-v1.1", "--tls-min-v1.0", "--tls-cipher-list=ABC"]).unwrap();
    assert_eq!(defaults.min_version(), ProtocolVersion::TLSv1_0);
    let error = SecureContextOptions::new().client(&defaults).unwrap_err();
    assert_eq!((error.code(), error.option()), ("ERR_SSL_NO_CIPHER_MATCH", Some("ciphers")));
    SecureContextOptions::new().ciphers("HIGH").client(&defaults).unwrap();
    let error = node().with_flags(["--tls-min-v1.3", "--tls-max-v1.2"]).unwrap_err();
    assert_eq!(error.message(), "either --tls-min-v1.3 or --tls-max-v1.2 can be used, not both");
}
