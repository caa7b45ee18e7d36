//! Compression of certificates (RFC 8879): which of them are, by the messages that pass, and what a libssl without it says.

use std::sync::{Arc, Mutex};

use patina_tls::{
    CertificateCompression, CertificateQuery, Client, ClientAuth, ClientHello, ConfigBuilder, ErrorKind,
    OcspResponse, ProtocolVersion, SecureOptions, Server, ServerConfig, Side, TlsAcceptor, TlsConnector,
    TlsEngine, openssl,
};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::support::pair::{Stream, client, handshake, identity, server, trust};
use crate::support::{fixtures, ocsp, own_openssl};

const ZLIB: [CertificateCompression; 1] = [CertificateCompression::Zlib];
const OFF: [CertificateCompression; 0] = [];

/// As they pass: `P` is a certificate as it is, `C` a compressed one.
#[derive(Clone, Default)]
struct Passed(Arc<Mutex<String>>);

impl Passed {
    fn watch<S: Side>(&self, builder: ConfigBuilder<S>) -> ConfigBuilder<S> {
        let seen = Arc::clone(&self.0);
        builder.message_trace(move |text: &str| {
            // `Certificate, Length=797` in libssl's words, `Sent Certificate, version 0x0304, 797 bytes` where it has none.
            let names = text.lines().filter_map(|line| line.split_once(", ")?.0.split(' ').next_back());
            seen.lock().unwrap().extend(names.filter_map(|name| match name {
                "Certificate" => Some('P'),
                "CompressedCertificate" => Some('C'),
                _ => None,
            }));
        })
    }

    fn take(&self) -> String {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// The certificates that pass in a handshake, the server's first, and both ends of the connection.
async fn shaken(
    name: &str,
    client: ConfigBuilder<Client>,
    server: ConfigBuilder<Server>,
) -> (String, Stream, Stream) {
    let passed = Passed::default();
    let client = passed.watch(client).build().unwrap();
    let (near, far) = handshake(&client, name, &server.build().unwrap()).await;
    (passed.take(), near.unwrap(), far.unwrap())
}

/// The same without the ends.
pub(crate) async fn certificates(client: ConfigBuilder<Client>, server: ConfigBuilder<Server>) -> String {
    shaken("localhost", client, server).await.0
}

/// Whether this libssl has zlib for certificates. Where it has none, it has no part of the extension either.
pub(crate) fn has_zlib() -> bool {
    let there = openssl().certificate_compression();
    if option_env!("OPENSSL_DIR").is_some_and(|path| path.contains("zlib")) {
        assert_eq!(there, ZLIB, "ci/libssl builds it with zlib");
    }
    assert!(there.is_empty() || there.contains(&ZLIB[0]), "these tests know zlib: {there:?}");
    !there.is_empty()
}

/// The algorithms that a client offers, as they stand in its ClientHello.
fn offered(client: ConfigBuilder<Client>) -> Option<Vec<u8>> {
    let mut engine = TlsEngine::client(&client.build().unwrap(), "localhost").unwrap();
    engine.advance().unwrap();
    ClientHello::parse(&engine.output()[5..]).unwrap().extension(27).map(<[u8]>::to_vec)
}

fn asking(server: ConfigBuilder<Server>) -> ConfigBuilder<Server> {
    server.client_auth(ClientAuth::Require).trust(trust("root"))
}

fn bearing(client: ConfigBuilder<Client>) -> ConfigBuilder<Client> {
    client.identity(identity("client-rsa"))
}

fn compressing<S: Side>(builder: ConfigBuilder<S>) -> ConfigBuilder<S> {
    builder.certificate_compression(ZLIB)
}

#[test]
fn an_algorithm_that_this_libssl_lacks_is_unsupported_and_one_that_stands_there_twice_refused() {
    let there = openssl().certificate_compression();
    for algorithm in CertificateCompression::ALL {
        let list = [there, &[*algorithm]].concat();
        let ours = [
            client().certificate_compression(list.clone()).build().map(drop),
            server().certificate_compression(list).build().map(drop),
        ];
        for outcome in ours {
            let error = outcome.unwrap_err();
            assert_eq!(error.option(), Some("certificate_compression"));
            if there.contains(algorithm) {
                assert_eq!(error.kind(), ErrorKind::Config);
                assert_eq!(error.message(), format!("{algorithm} stands there twice"));
                continue;
            }
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            let needs = format!("it needs OpenSSL 3.2 or newer, built with {algorithm}");
            assert!(error.message().ends_with(&needs), "{error}");
            assert!(error.message().contains(openssl().text()), "{error}");
        }
    }
}

#[test]
fn a_client_offers_what_libssl_has_unless_the_list_is_empty() {
    let there = openssl().certificate_compression();
    let order = [CertificateCompression::Brotli, CertificateCompression::Zlib, CertificateCompression::Zstd];
    let all: Vec<u8> = order.iter().filter(|it| there.contains(it)).flat_map(|it| [0, *it as u8]).collect();
    assert_eq!(offered(client()), has_zlib().then(|| [&[all.len() as u8], &all[..]].concat()));
    assert_eq!(offered(client().certificate_compression(OFF)), None);
    if has_zlib() {
        assert_eq!(offered(compressing(client())), Some(vec![2, 0, 1]));
    }
}

#[tokio::test]
async fn nothing_is_compressed_by_a_libssl_without_it_or_with_empty_lists() {
    let off = |client: ConfigBuilder<Client>| client.certificate_compression(OFF);
    let none = |server: ConfigBuilder<Server>| server.certificate_compression(OFF);
    assert_eq!(certificates(off(client()), none(server())).await, "P");
    assert_eq!(certificates(off(bearing(client())), none(asking(server()))).await, "PP");
    let by_default = if has_zlib() { "PC" } else { "PP" };
    assert_eq!(certificates(bearing(client()), asking(server())).await, by_default);
    assert_eq!(certificates(off(bearing(client())), asking(server())).await, "PP");
    assert_eq!(certificates(bearing(client()), none(asking(server()))).await, "PP");
}

#[tokio::test]
async fn a_certificate_is_compressed_where_both_sides_have_it() {
    if !has_zlib() {
        assert_eq!(compressing(server()).build().unwrap_err().kind(), ErrorKind::Unsupported);
        return;
    }
    let without = |options| client().secure_options(options);
    let (no_tx, no_rx) =
        (SecureOptions::NO_TX_CERTIFICATE_COMPRESSION, SecureOptions::NO_RX_CERTIFICATE_COMPRESSION);
    for (client, server, passed) in [
        (client(), compressing(server()), "C"),
        (compressing(client()), compressing(server()), "C"),
        (compressing(client()), server(), "P"),
        (client().certificate_compression(OFF), compressing(server()), "P"),
        (client(), server().certificate_compression(OFF), "P"),
        (without(no_rx), compressing(server()), "P"),
        (without(no_tx), compressing(server()), "C"),
        (client(), compressing(server()).secure_options(no_tx), "P"),
        (client(), compressing(server()).secure_options(no_rx), "C"),
        (client().versions(ProtocolVersion::TLSv1_2), compressing(server()), "P"),
    ] {
        let (seen, near, _far) = shaken("localhost", client, server).await;
        assert_eq!(seen, passed);
        assert_eq!(near.negotiated().peer_certificate().unwrap().subject_common_names(), ["server-rsa"]);
    }
}

#[tokio::test]
async fn certificates_of_clients_are_compressed_as_well() {
    if !has_zlib() {
        assert_eq!(compressing(client()).build().unwrap_err().kind(), ErrorKind::Unsupported);
        return;
    }
    let (no_tx, no_rx) =
        (SecureOptions::NO_TX_CERTIFICATE_COMPRESSION, SecureOptions::NO_RX_CERTIFICATE_COMPRESSION);
    let (near, far) = (|| bearing(client()), || asking(server()));
    for (client, server, passed) in [
        (near(), compressing(far()), "CC"),
        (compressing(near()), compressing(far()), "CC"),
        (compressing(near()), far(), "PC"),
        (near().secure_options(no_tx), compressing(far()), "CP"),
        (near().secure_options(no_rx), compressing(far()), "PC"),
        (near(), compressing(far()).secure_options(no_rx), "CP"),
        (near(), compressing(far()).secure_options(no_tx), "PC"),
        (near().certificate_compression(OFF), compressing(far()), "PP"),
        (near().peer_verifier(async |_| Ok(())), compressing(far()).peer_verifier(async |_| Ok(())), "CC"),
    ] {
        let (seen, _near, far) = shaken("localhost", client, server).await;
        assert_eq!(seen, passed);
        assert_eq!(far.negotiated().peer_certificate().unwrap().subject_common_names(), ["client-rsa"]);
    }
    // Who has none says so, and there is nothing to compress.
    assert_eq!(certificates(client(), compressing(far()).client_auth(ClientAuth::Request)).await, "CP");
}

#[tokio::test]
async fn a_certificate_that_is_asked_for_later_is_compressed() {
    let passed = Passed::default();
    let near = passed.watch(bearing(client()).post_handshake_auth(true)).build().unwrap();
    let far = server().trust(trust("root")).build().unwrap();
    let (near, far) = handshake(&near, "localhost", &far).await;
    let (mut near, mut far) = (near.unwrap(), far.unwrap());
    let reader = tokio::spawn(async move { near.read(&mut [0; 1]).await });
    far.authenticate_client(ClientAuth::Require).await.unwrap();
    assert!(far.negotiated().authorized());
    far.shutdown().await.unwrap();
    assert_eq!(reader.await.unwrap().unwrap(), 0);
    assert_eq!(passed.take(), if has_zlib() { "PC" } else { "PP" });
}

#[tokio::test]
async fn each_certificate_of_a_server_is_compressed_wherever_it_comes_from() {
    if !has_zlib() {
        return assert!(openssl().certificate_compression().is_empty());
    }
    let both = || compressing(server().identity(identity("server-p256")));
    for (algorithms, name) in [("rsa_pss_rsae_sha256", "server-rsa"), ("ECDSA+SHA256", "server-p256")] {
        let client =
            client().trust(trust("root").and(trust("root-ec"))).sigalgs(format!("{algorithms}:RSA+SHA256"));
        let (seen, near, _far) = shaken("localhost", client, both()).await;
        assert_eq!(near.negotiated().peer_certificate().unwrap().subject_common_names(), [name]);
        assert_eq!(seen, "C", "{name}");
    }
    let (certificate, key) = (ocsp::x509("server-rsa"), ocsp::key("server-rsa"));
    let by_hand = compressing(ServerConfig::builder()).with_openssl(move |context| {
        context.set_certificate(&certificate)?;
        context.set_private_key(&key)
    });
    assert_eq!(certificates(client(), by_hand).await, "C");
    let nothing = compressing(ServerConfig::builder()).build().unwrap();
    let told: Vec<&str> = nothing.warnings().collect();
    assert_eq!(
        told,
        ["certificate_compression: no certificate became smaller; they are sent as they are"],
        "there is none"
    );
    assert_eq!(compressing(server()).build().unwrap().warnings().count(), 0);
}

#[tokio::test]
async fn a_chosen_certificate_is_sent_as_it_is() {
    if !has_zlib() {
        return assert!(openssl().certificate_compression().is_empty());
    }
    let choosing = |name: Option<&'static str>| {
        compressing(server())
            .certificate_resolver(move |_: CertificateQuery| async move { Ok(name.map(identity)) })
    };
    for (name, host, shown, passed) in
        [(None, "localhost", "server-rsa", "C"), (Some("shop"), "shop.patina.test", "shop", "P")]
    {
        let (seen, near, _far) = shaken(host, client(), choosing(name)).await;
        assert_eq!(near.negotiated().peer_certificate().unwrap().subject_common_names(), [shown]);
        assert_eq!(seen, passed, "{shown}");
    }
}

#[tokio::test]
async fn a_certificate_with_a_staple_is_sent_as_it_is_and_the_staple_with_it() {
    if !has_zlib() {
        return assert!(openssl().certificate_compression().is_empty());
    }
    let der = ocsp::response("server-rsa", "root").der();
    for auth in [ClientAuth::None, ClientAuth::Request] {
        for (asks, passed) in [(true, "P"), (false, "C")] {
            let staple = OcspResponse::from_der(&der).unwrap();
            let server = compressing(server()).ocsp_source(staple).client_auth(auth).trust(trust("root"));
            let (seen, near, _far) = shaken("localhost", client().request_ocsp(asks), server).await;
            assert_eq!(&seen[..1], passed, "{auth:?}");
            assert_eq!(near.negotiated().ocsp_response().as_deref(), asks.then_some(&der[..]));
        }
    }
}

#[tokio::test]
async fn the_configuration_of_a_name_says_what_is_compressed() {
    if !has_zlib() {
        return assert!(openssl().certificate_compression().is_empty());
    }
    let shop = || asking(ServerConfig::builder().identity(identity("shop")));
    for (front, shop, passed) in [
        (server(), compressing(shop()), "CC"),
        (server().certificate_compression(OFF), compressing(shop()), "CC"),
        (server().certificate_compression(OFF), shop(), "PC"),
        (compressing(server()), shop(), "PC"),
        (compressing(server()), shop().certificate_compression(OFF), "PP"),
    ] {
        let front = front.server_name("shop.patina.test", shop.build().unwrap());
        let (seen, near, _far) = shaken("shop.patina.test", bearing(client()), front).await;
        assert_eq!(near.negotiated().peer_certificate().unwrap().subject_common_names(), ["shop"]);
        assert_eq!(seen, passed);
    }
}

fn file(name: &str) -> String {
    fixtures::path(&format!("pki/{name}")).display().to_string()
}

#[tokio::test]
async fn clients_of_openssl_take_compressed_certificates_and_send_them() {
    let (certificate, key, root) = (file("client-rsa.pem"), file("client-rsa.key"), file("root.pem"));
    let zlib = has_zlib();
    // 3.0 does not know the options.
    let cases: &[(&[&str], &str)] = match zlib {
        true => &[(&[], "CC"), (&["-no_rx_cert_comp"], "PC"), (&["-no_tx_cert_comp"], "CP")],
        false => &[(&[], "PP")],
    };
    for (words, expected) in cases {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let own = ["-connect", &address, "-CAfile", &root, "-cert", &certificate, "-key", &key];
        let words: Vec<String> = own.iter().chain(*words).map(|word| (*word).to_owned()).collect();
        let mut s_client = own_openssl::openssl("s_client", &words).spawn().unwrap();
        let mut stdin = s_client.stdin.take().unwrap();
        stdin.write_all(b"ping\n").await.unwrap();

        let passed = Passed::default();
        let server = passed.watch(asking(server()));
        let server = if zlib { compressing(server) } else { server };
        let tcp = listener.accept().await.unwrap().0;
        let mut tls = TlsAcceptor::new(server.build().unwrap()).accept(tcp).await.unwrap();
        assert_eq!(passed.take(), *expected, "{words:?}");
        assert!(tls.negotiated().authorized());
        let mut word = [0; 5];
        tls.read_exact(&mut word).await.unwrap();
        assert_eq!(&word, b"ping\n");
        tls.shutdown().await.unwrap();
        drop(tls);
        let output = s_client.wait_with_output().await.unwrap();
        drop(stdin);
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(said.contains("Verify return code: 0 (ok)"), "{said}");
    }
}

#[tokio::test]
async fn servers_of_openssl_send_compressed_certificates_and_take_them() {
    let (certificate, key, root) = (file("server-rsa.pem"), file("server-rsa.key"), file("root.pem"));
    let cases: &[(&[&str], &str)] = match has_zlib() {
        true => &[
            (&["-cert_comp"], "CC"),
            (&[], "PC"),
            (&["-cert_comp", "-no_tx_cert_comp"], "PC"),
            (&["-cert_comp", "-no_rx_cert_comp"], "CP"),
        ],
        false => &[(&[], "PP")],
    };
    for (words, expected) in cases {
        let own = ["-accept", "127.0.0.1:0", "-naccept", "1", "-rev", "-cert", &certificate, "-key", &key];
        let asks = ["-Verify", "1", "-verify_return_error", "-CAfile", &root];
        let words: Vec<String> = own.iter().chain(&asks).chain(*words).map(|it| (*it).to_owned()).collect();
        let mut s_server = own_openssl::openssl("s_server", &words).spawn().unwrap();
        let mut lines = BufReader::new(s_server.stdout.take().unwrap()).lines();
        let address = loop {
            let line = lines.next_line().await.unwrap().expect("s_server tells its address");
            if let Some(address) = line.strip_prefix("ACCEPT ").filter(|it| it.contains(':')) {
                break address.trim().to_owned();
            }
        };
        let passed = Passed::default();
        let client = passed.watch(bearing(client())).build().unwrap();
        let tcp = TcpStream::connect(&address).await.unwrap();
        let mut tls = TlsConnector::new(client).connect("localhost", tcp).await.unwrap();
        tls.write_all(b"drawer\n").await.unwrap();
        let mut word = [0; 7];
        tls.read_exact(&mut word).await.unwrap();
        assert_eq!(&word, b"reward\n", "it has accepted the client's certificate");
        assert_eq!(passed.take(), *expected, "{words:?}");
        tls.shutdown().await.unwrap();
        drop(tls);
        drop(lines);
        assert!(s_server.wait().await.unwrap().success());
    }
}

#[cfg(feature = "cli")]
#[test]
fn the_program_compresses_as_it_is_told() {
    use crate::support::program::{Serving, refusal, run, text};

    let flag = |list| ["--cert-compression", list];
    let commands = [&["serve"][..], &["connect", "a:1", "--ca", "root.pem"]];
    for command in commands {
        let (code, said) = refusal(&[command, &flag("zlib,gzip")].concat());
        assert_eq!(code, 2);
        assert!(said.contains("--cert-compression") && said.contains("\"gzip\""), "{said}");
    }
    let told = text(&run(&["version"]).stdout);
    assert_eq!(told.lines().any(|line| line == "certificate compression: zlib"), has_zlib(), "{told}");
    if !has_zlib() {
        for command in commands {
            let (code, said) = refusal(&[command, &flag("zlib")].concat());
            assert_eq!(code, 2);
            assert!(
                said.starts_with("patina: --cert-compression: zlib for certificates is not in "),
                "{said}"
            );
        }
        return;
    }
    let server = Serving::rsa(&flag("zlib"));
    for (list, message) in [("zlib", "CompressedCertificate"), ("none", "Certificate")] {
        let output = server.connect(&[&["--quit", "--trace"], &flag(list)[..]].concat());
        let said = text(&output.stderr);
        let seen = said.lines().any(|line| line.trim_start().starts_with(&format!("{message}, ")));
        assert!(output.status.success() && seen, "{said}");
    }
}
