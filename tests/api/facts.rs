//! What a connection can be asked, on both sides.

use patina_tls::{
    ClientAuth, DhChoice, DhParameters, ErrorKind, ProtocolVersion, SecureOptions, ServerConfig, VerifyCode,
};

use crate::support::pair::{Engines, client, engines, identity, server, trust};
use crate::support::{fixtures, libssl};

const BOTH: [ProtocolVersion; 2] = [ProtocolVersion::TLSv1_2, ProtocolVersion::TLSv1_3];

fn shaken(client: patina_tls::ClientConfig, server: ServerConfig) -> Engines {
    let mut both = engines(&client, "localhost", &server);
    both.shake().unwrap();
    both
}

#[test]
fn version_and_cipher_suite_are_the_same_on_both_sides() {
    for (version, list, name, standard, id, since, bits) in [
        (
            BOTH[0],
            "ECDHE-RSA-AES128-GCM-SHA256",
            "ECDHE-RSA-AES128-GCM-SHA256",
            "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
            0xC02F,
            "TLSv1.2",
            128,
        ),
        (
            BOTH[0],
            "ECDHE-RSA-AES256-SHA",
            "ECDHE-RSA-AES256-SHA",
            "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
            0xC014,
            "TLSv1.0",
            256,
        ),
        (BOTH[0], "AES128-SHA", "AES128-SHA", "TLS_RSA_WITH_AES_128_CBC_SHA", 0x002F, "SSLv3", 128),
        (
            BOTH[1],
            "TLS_AES_128_GCM_SHA256",
            "TLS_AES_128_GCM_SHA256",
            "TLS_AES_128_GCM_SHA256",
            0x1301,
            "TLSv1.3",
            128,
        ),
    ] {
        let client = client().cipher_list(list).versions(version).build().unwrap();
        let both = shaken(client, server().cipher_list("ALL:COMPLEMENTOFALL").build().unwrap());
        for facts in [both.client.negotiated(), both.server.negotiated()] {
            let suite = facts.cipher_suite();
            assert_eq!(facts.version(), version);
            assert_eq!((suite.name(), suite.standard_name(), suite.id()), (name, standard, id));
            assert_eq!((suite.version(), suite.bits(), suite.to_string().as_str()), (since, bits, name));
        }
    }
}

#[test]
fn keying_material_is_the_same_on_both_sides_and_differs_by_label_context_and_length() {
    for version in BOTH {
        let both = shaken(client().versions(version).build().unwrap(), server().build().unwrap());
        let (c, s) = (both.client.negotiated(), both.server.negotiated());
        let export = |label: &str, context: Option<&[u8]>, length: usize| {
            let ours = c.export_keying_material(length, label, context).unwrap();
            assert_eq!(
                ours,
                s.export_keying_material(length, label, context).unwrap(),
                "{label} {context:?}"
            );
            assert_eq!(ours.len(), length);
            ours
        };
        let plain = export("EXPERIMENTAL patina", None, 32);
        assert_ne!(plain, export("EXPERIMENTAL other", None, 32));
        assert_ne!(plain, export("EXPERIMENTAL patina", Some(b"context"), 32));
        let empty = export("EXPERIMENTAL patina", Some(b""), 32);
        // RFC 8446 section 7.5: no context is an empty one. RFC 5705 section 4: it is not.
        assert_eq!(plain == empty, version == ProtocolVersion::TLSv1_3);
        export("EXPERIMENTAL patina", None, 1);
        export("EXPERIMENTAL patina", None, 1000);
    }
}

#[test]
fn keying_material_is_refused_before_the_handshake_and_for_what_cannot_be() {
    let mut both = engines(&client().build().unwrap(), "localhost", &server().build().unwrap());
    for facts in [both.client.negotiated(), both.server.negotiated()] {
        let error = facts.export_keying_material(32, "EXPERIMENTAL patina", None).unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::State, "ERR_TLS_INVALID_STATE"));
    }
    both.client.advance().unwrap();
    let error = both.client.negotiated().export_keying_material(32, "EXPERIMENTAL patina", None).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::State);
    both.shake().unwrap();
    let error = both.client.negotiated().export_keying_material(0, "EXPERIMENTAL patina", None).unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Config, "ERR_OUT_OF_RANGE"));

    let old = shaken(client().versions(BOTH[0]).build().unwrap(), server().build().unwrap());
    let error = old.client.negotiated().export_keying_material(32, "master secret", None).unwrap_err();
    assert_eq!(error.reason(), Some("TLS_ILLEGAL_EXPORTER_LABEL"), "{error:?}");
}

#[test]
fn the_one_time_key_is_named_and_measured_on_both_sides() {
    for version in BOTH {
        for (groups, name, size) in [
            ("X25519", "X25519", 253),
            ("P-256", "prime256v1", 256),
            ("P-384", "secp384r1", 384),
            ("X448", "X448", 448),
        ] {
            let client = client().versions(version).groups(groups).build().unwrap();
            let both = shaken(client, server().groups(groups).build().unwrap());
            let key = both.client.negotiated().ephemeral_key().unwrap();
            assert_eq!((key.kind(), key.name(), key.size()), ("ECDH", Some(name), size), "{version}");
            // A server of TLS 1.2 does not keep the client's key.
            let expected = (version == ProtocolVersion::TLSv1_3).then_some(key);
            assert_eq!(both.server.negotiated().ephemeral_key(), expected);
        }
    }
}

#[test]
fn diffie_hellman_keys_have_the_size_of_the_parameters_and_no_name() {
    let parameters =
        |name: &str| DhParameters::from_pem_file(fixtures::path(&format!("dh/{name}.pem"))).unwrap();
    let choices = [
        (DhChoice::from(parameters("dh1024")), 1024),
        (parameters("dh2048").into(), 2048),
        (parameters("ffdhe3072").into(), 3072),
        (DhParameters::named("ffdhe4096").unwrap().into(), 4096),
        (DhParameters::named("modp_2048").unwrap().into(), 2048),
        (DhChoice::Auto, 2048),
    ];
    for (choice, size) in choices {
        let client =
            client().versions(BOTH[0]).cipher_list("DHE-RSA-AES128-GCM-SHA256:@SECLEVEL=1").groups("P-256");
        let server = server().cipher_list("DHE:@SECLEVEL=1").dhparam(choice).build().unwrap();
        let both = shaken(client.build().unwrap(), server);
        let key = both.client.negotiated().ephemeral_key().unwrap();
        assert_eq!((key.kind(), key.name(), key.size()), ("DH", None, size));
    }
}

#[test]
fn a_client_s_own_group_comes_before_the_server_s_parameters_from_openssl_4_on() {
    let parameters = DhParameters::from_pem_file(fixtures::path("dh/dh2048.pem")).unwrap();
    let server = server().dhparam(parameters).build().unwrap();
    let size = |groups| {
        let client = client().versions(BOTH[0]).cipher_list("DHE-RSA-AES128-GCM-SHA256").groups(groups);
        let both = shaken(client.build()?, server.clone());
        Ok::<_, patina_tls::Error>(both.client.negotiated().ephemeral_key().unwrap().size())
    };
    match size("ffdhe3072") {
        Ok(size) => assert_eq!(size, if libssl::is_at_least("4.0") { 3072 } else { 2048 }),
        Err(error) => {
            assert!(!libssl::is_at_least("3.0"), "{error}");
            assert_eq!((error.kind(), error.option()), (ErrorKind::Unsupported, Some("groups")));
        }
    }
}

#[test]
fn a_diffie_hellman_key_below_the_client_s_minimum_ends_the_handshake() {
    let parameters = DhParameters::from_pem_file(fixtures::path("dh/dh1024.pem")).unwrap();
    let server = server().cipher_list("DHE:@SECLEVEL=1").dhparam(parameters).build().unwrap();
    for (least, good) in [(1024, true), (1025, false), (2048, false)] {
        let client =
            client().versions(BOTH[0]).cipher_list("DHE:@SECLEVEL=1").groups("P-256").min_dh_size(least);
        let mut both = engines(&client.build().unwrap(), "localhost", &server);
        match both.shake() {
            Ok(()) => assert!(good, "{least}"),
            Err(error) => {
                assert!(!good, "{least}: {error}");
                assert_eq!((error.code(), error.option()), ("ERR_TLS_DH_PARAM_SIZE", Some("min_dh_size")));
            }
        }
    }
}

#[test]
fn a_key_exchange_without_one_time_key_has_none() {
    let client = client().versions(BOTH[0]).cipher_list("AES128-SHA").build().unwrap();
    let both = shaken(client, server().cipher_list("ALL").build().unwrap());
    assert_eq!(both.client.negotiated().ephemeral_key(), None);
}

#[test]
fn shared_signature_algorithms_are_known_to_the_server() {
    let client =
        client().versions(BOTH[0]).sigalgs("RSA-PSS+SHA256:RSA+SHA256:ECDSA+SHA384").build().unwrap();
    let both = shaken(client, server().sigalgs("RSA+SHA256:RSA-PSS+SHA256:ed25519").build().unwrap());
    let mut shared = both.server.negotiated().shared_sigalgs();
    shared.sort();
    assert_eq!(shared, ["RSA+SHA256", "RSA-PSS+SHA256"]);
    assert!(both.client.negotiated().shared_sigalgs().is_empty());
}

#[test]
fn certificates_are_seen_from_both_sides() {
    for version in BOTH {
        let client = client().versions(version).identity(identity("client-ec")).build().unwrap();
        let server = ServerConfig::builder()
            .identity(identity("server-rsa-chain-chain"))
            .client_auth(ClientAuth::Require)
            .trust(trust("root"));
        let both = shaken(client, server.build().unwrap());
        let (c, s) = (both.client.negotiated(), both.server.negotiated());
        assert_eq!(c.own_certificate().unwrap().der(), s.peer_certificate().unwrap().der());
        assert_eq!(s.own_certificate().unwrap().der(), c.peer_certificate().unwrap().der());
        assert_eq!(c.peer_chain().len(), 2);
        assert_eq!(c.peer_chain()[0].der(), c.peer_certificate().unwrap().der());
        // The client's chain was completed from its roots.
        assert_eq!(s.peer_chain().len(), 2);
        assert_eq!(s.peer_chain()[0].der(), s.peer_certificate().unwrap().der());
        assert_eq!(s.verify_code(), Some(VerifyCode::OK));
    }
}

#[test]
fn a_client_without_a_certificate_has_none_to_show() {
    let both = shaken(client().build().unwrap(), server().build().unwrap());
    assert!(both.client.negotiated().own_certificate().is_none());
    assert_eq!(both.server.negotiated().own_certificate().unwrap().subject_common_names(), ["server-rsa"]);
}

#[test]
fn secure_renegotiation_and_the_extended_master_secret_are_told() {
    for version in BOTH {
        let both = shaken(client().versions(version).build().unwrap(), server().build().unwrap());
        for facts in [both.client.negotiated(), both.server.negotiated()] {
            assert_eq!(facts.secure_renegotiation(), version == ProtocolVersion::TLSv1_2);
            assert!(facts.extended_master_secret());
        }
    }
    let client =
        client().versions(BOTH[0]).secure_options(SecureOptions::NO_EXTENDED_MASTER_SECRET).build().unwrap();
    let both = shaken(client, server().build().unwrap());
    // 1.1.1 does not know the option and ignores it, as `SecureOptions::since` tells.
    let since = SecureOptions::NO_EXTENDED_MASTER_SECRET.since().unwrap();
    let kept = !libssl::is_at_least(since);
    assert_eq!(both.client.negotiated().extended_master_secret(), kept, "{since}");
    assert_eq!(both.server.negotiated().extended_master_secret(), kept, "{since}");
}

#[test]
fn names_and_protocols_are_told_on_both_sides() {
    for version in BOTH {
        let client = client().versions(version).alpn(["http/1.1", "h2"]).build().unwrap();
        let both = shaken(client, server().alpn(["h2", "http/1.1"]).build().unwrap());
        for facts in [both.client.negotiated(), both.server.negotiated()] {
            assert_eq!(facts.alpn(), Some(&b"h2"[..]), "the server's order wins");
            assert_eq!(facts.server_name(), Some("localhost"));
        }
        let both =
            shaken(crate::support::pair::client().build().unwrap(), server().alpn(["h2"]).build().unwrap());
        assert_eq!((both.client.negotiated().alpn(), both.server.negotiated().alpn()), (None, None));
    }
}

#[test]
fn finished_messages_agree_across_the_sides() {
    for version in BOTH {
        let both = shaken(client().versions(version).build().unwrap(), server().build().unwrap());
        let (c, s) = (both.client.negotiated(), both.server.negotiated());
        assert_eq!((c.finished(), c.peer_finished()), (s.peer_finished(), s.finished()));
        assert!(c.finished().len() >= 12 && c.finished() != c.peer_finished());
    }
}

#[test]
fn a_fresh_connection_is_not_resumed_and_has_no_identity_of_a_key() {
    let both = shaken(client().build().unwrap(), server().build().unwrap());
    for facts in [both.client.negotiated(), both.server.negotiated()] {
        assert!(!facts.session_reused());
        assert!(facts.psk_identity().is_none());
        assert!(facts.session().is_some());
    }
}

#[test]
fn everything_can_be_asked_before_the_handshake() {
    let both = engines(&client().build().unwrap(), "localhost", &server().build().unwrap());
    for facts in [both.client.negotiated(), both.server.negotiated()] {
        assert!(!facts.authorized());
        assert_eq!((facts.authorization_error(), facts.verify_code(), facts.alpn()), (None, None, None));
        assert!(facts.peer_certificate().is_none() && facts.peer_chain().is_empty());
        assert!(facts.verified_chain().is_empty() && facts.shared_sigalgs().is_empty());
        assert!(facts.finished().is_empty() && facts.peer_finished().is_empty());
        assert!(facts.ephemeral_key().is_none() && !facts.session_reused());
        assert_eq!(facts.cipher_suite().name(), "(NONE)");
        assert!(!format!("{facts:?}").is_empty());
    }
}
