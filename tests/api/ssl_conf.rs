//! OpenSSL's configuration commands.

use patina_tls::compat::SslConf;
use patina_tls::ext::SslContextRefExt;
use patina_tls::{ClientAuth, ClientConfig, ErrorKind, ProtocolVersion, RenegotiationPolicy};

use crate::support::fixtures;
use crate::support::pair::{client, engines, identity, server, trust};

fn pki(file: &str) -> String {
    fixtures::path(&format!("pki/{file}")).to_str().unwrap().to_owned()
}

fn serving() -> SslConf {
    SslConf::new()
        .command("Certificate", &pki("server-rsa.pem"))
        .unwrap()
        .command("PrivateKey", &pki("server-rsa.key"))
        .unwrap()
}

#[test]
fn commands_mean_what_they_mean_to_openssl() {
    let text = format!(
        "# a server\n\ncertificate={}\nPrivateKey = {}\n ECDSA.Certificate = {}\nECDSA.PrivateKey = {}\n\
         CipherString = ECDHE+AESGCM # fast\nMinProtocol = TLSv1.2\nMaxProtocol = tlsv1.2\nGroups = P-256\n\
         Options = ServerPreference,-SessionTicket, +PrioritizeChaCha\n",
        pki("server-rsa.pem"),
        pki("server-rsa.key"),
        pki("server-p256.pem"),
        pki("server-p256.key"),
    );
    let config = SslConf::parse(&text).unwrap().server().unwrap().build().unwrap();
    let options = format!("{:?}", config.as_openssl().options());
    for option in ["NO_TICKET", "CIPHER_SERVER_PREFERENCE", "PRIORITIZE_CHACHA"] {
        assert!(options.contains(option), "{options}");
    }
    assert!(
        config.cipher_suites().iter().all(|suite| suite.name().contains("GCM") || suite.id() >> 8 == 0x13)
    );

    let both = trust("root").and(trust("root-ec"));
    for (suites, key) in
        [("ECDHE-ECDSA-AES128-GCM-SHA256", "server-p256"), ("ECDHE-RSA-AES128-GCM-SHA256", "server-rsa")]
    {
        let client = ClientConfig::builder().trust(both.clone()).cipher_list(suites).build().unwrap();
        let mut ends = engines(&client, "localhost", &config);
        ends.shake().unwrap();
        let facts = ends.client.negotiated();
        assert_eq!(facts.version(), ProtocolVersion::TLSv1_2);
        assert_eq!(facts.peer_certificate().unwrap().subject_common_names(), [key]);
        assert_eq!(facts.ephemeral_key().unwrap().name(), Some("prime256v1"));
    }
}

#[test]
fn a_word_can_be_switched_on_and_off_again() {
    let conf = serving()
        .command("Protocol", "-ALL,TLSv1.3")
        .unwrap()
        .command("Options", "Bugs,-EmptyFragments,-MiddleboxCompat")
        .unwrap()
        .command("Options", "-Bugs,EmptyFragments,SessionTicket")
        .unwrap();
    let options = format!("{:?}", conf.server().unwrap().build().unwrap().as_openssl().options());
    for absent in ["DONT_INSERT_EMPTY_FRAGMENTS", "ENABLE_MIDDLEBOX_COMPAT", "NO_TICKET", "NO_TLSV1_3"] {
        assert!(!options.contains(absent), "{absent} in {options}");
    }
    assert!(options.contains("NO_TLSV1_2"), "{options}");
}

#[test]
fn a_client_verifies_when_it_is_told_to() {
    let served = serving().server().unwrap().build().unwrap();
    let lax = SslConf::new().client().unwrap().build().unwrap();
    engines(&lax, "localhost", &served).shake().unwrap();

    let strict = SslConf::new().command("VerifyMode", "Peer").unwrap();
    let error =
        engines(&strict.client().unwrap().build().unwrap(), "localhost", &served).shake().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthorized);
    let strict = strict.command("VerifyCAFile", &pki("root.pem")).unwrap();
    engines(&strict.client().unwrap().build().unwrap(), "localhost", &served).shake().unwrap();
}

#[test]
fn a_server_that_verifies_takes_no_certificate_but_no_bad_one() {
    let conf = serving().command("VerifyCAFile", &pki("root.pem")).unwrap();
    let peer = conf.clone().command("VerifyMode", "Peer").unwrap().server().unwrap().build().unwrap();
    let require = conf.command("VerifyMode", "Request,Require").unwrap().server().unwrap().build().unwrap();
    for version in [ProtocolVersion::TLSv1_2, ProtocolVersion::TLSv1_3] {
        let bearing = |name: Option<&str>| {
            let builder = name.into_iter().fold(client(), |builder, name| builder.identity(identity(name)));
            builder.versions(version).build().unwrap()
        };
        let shake = |name: Option<&str>, config| {
            let mut ends = engines(&bearing(name), "localhost", config);
            ends.shake().map(|()| ends.server.negotiated().authorized()).map_err(|e| e.kind())
        };
        assert_eq!(shake(None, &peer), Ok(false));
        assert_eq!(shake(Some("client-rsa"), &peer), Ok(true));
        assert!(shake(Some("client-other"), &peer).is_err());
        assert!(shake(None, &require).is_err());
    }
    let optional = server().trust(trust("root")).client_auth(ClientAuth::Optional).build().unwrap();
    engines(&client().build().unwrap(), "localhost", &optional).shake().unwrap();
}

#[test]
fn authorities_are_named_only_when_they_are_given() {
    use patina_tls::ext::SslRefExt;
    let verifying =
        serving().command("VerifyCAFile", &pki("root.pem")).unwrap().command("VerifyMode", "Peer").unwrap();
    for (conf, count) in
        [(verifying.clone(), 0), (verifying.command("ClientCAFile", &pki("other-root.pem")).unwrap(), 1)]
    {
        let mut ends =
            engines(&client().build().unwrap(), "localhost", &conf.server().unwrap().build().unwrap());
        ends.shake().unwrap();
        assert_eq!(ends.client.as_openssl().peer_ca_list().map_or(0, |list| list.len()), count);
    }
}

#[test]
fn errors_name_the_command() {
    for (name, value, kind, option) in [
        ("MinProtcol", "TLSv1.2", ErrorKind::Config, None),
        ("minprotocol", "TLSv9", ErrorKind::Config, Some("MinProtocol")),
        ("Options", "ServerPreferences", ErrorKind::Config, Some("Options")),
        ("Protocol", "TLSv1.4", ErrorKind::Config, Some("Protocol")),
        ("VerifyMode", "Sometimes", ErrorKind::Config, Some("VerifyMode")),
        ("VerifyMode", "RequestPostHandshake", ErrorKind::Unsupported, Some("VerifyMode")),
        ("NumTickets", "many", ErrorKind::Config, Some("NumTickets")),
        ("ServerInfoFile", "x", ErrorKind::Unsupported, Some("ServerInfoFile")),
        ("VerifyCAFile", "/no/such/file", ErrorKind::Io, Some("VerifyCAFile")),
    ] {
        let error = SslConf::new().command(name, value).unwrap_err();
        assert_eq!((error.kind(), error.option()), (kind, option), "{name}: {error:?}");
    }
    let alone = SslConf::new().command("PrivateKey", &pki("server-rsa.key")).unwrap();
    assert_eq!(alone.server().unwrap_err().option(), Some("PrivateKey"));
    let missing = SslConf::new().command("Certificate", "/no/such/file").unwrap();
    assert_eq!(missing.server().unwrap_err().option(), Some("Certificate"));
    assert!(SslConf::parse("Groups X25519").is_err());
}

#[test]
fn the_builder_takes_more_options_afterwards() {
    let config =
        serving().server().unwrap().renegotiation(RenegotiationPolicy::node()).alpn(["h2"]).build().unwrap();
    let client = client().alpn(["h2"]).build().unwrap();
    let mut ends = engines(&client, "localhost", &config);
    ends.shake().unwrap();
    assert_eq!(ends.server.negotiated().alpn(), Some(&b"h2"[..]));
}
