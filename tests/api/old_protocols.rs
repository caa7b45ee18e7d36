//! Old protocols, ciphers, keys and signatures: in memory, and with the `openssl` program of the same libssl on either side.
//! What a libssl lacks is `Unsupported`, and the text says what is missing.

use openssl::ssl::{SslContextBuilder, SslOptions, SslVersion};
use patina_tls::{
    ClientConfig, ConfigBuilder, DhChoice, Error, ErrorKind, ProtocolVersion, ServerConfig,
    ServerVerification, Side, TlsAcceptor, TlsConnector,
};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::support::own_openssl::openssl;
use crate::support::pair::{client, identity, pair};
use crate::support::wire::{self, client_context, server_context};
use crate::support::{fixtures, libssl};

/// Something old.
#[derive(Debug, Clone, Copy)]
struct Old {
    version: ProtocolVersion,
    suite: &'static str,
    /// The server's certificate among the fixtures; none where the suite has no use for one.
    certificate: Option<&'static str>,
    /// The signature algorithms that both sides are limited to.
    sigalgs: Option<&'static str>,
    /// A word that the error must have where this libssl lacks it.
    lacks: &'static str,
}

const RSA: Option<&str> = Some("server-rsa");

const fn old(version: ProtocolVersion, suite: &'static str, lacks: &'static str) -> Old {
    Old { version, suite, certificate: RSA, sigalgs: None, lacks }
}

const ALL: [Old; 19] = [
    old(ProtocolVersion::SSLv3, "AES128-SHA", "enable-ssl3"),
    old(ProtocolVersion::SSLv3, "DHE-RSA-AES256-SHA", "enable-ssl3"),
    old(ProtocolVersion::SSLv3, "RC4-MD5", "enable-ssl3"),
    old(ProtocolVersion::SSLv3, "DES-CBC3-SHA", "enable-ssl3"),
    old(ProtocolVersion::TLSv1_0, "AES128-SHA", ""),
    old(ProtocolVersion::TLSv1_0, "ECDHE-RSA-AES256-SHA", ""),
    old(ProtocolVersion::TLSv1_0, "DES-CBC3-SHA", "enable-weak-ssl-ciphers"),
    old(ProtocolVersion::TLSv1_0, "RC4-SHA", "enable-weak-ssl-ciphers"),
    old(ProtocolVersion::TLSv1_1, "DHE-RSA-AES128-SHA", ""),
    old(ProtocolVersion::TLSv1_1, "IDEA-CBC-SHA", "enable-idea"),
    old(ProtocolVersion::TLSv1_2, "RC4-MD5", "enable-weak-ssl-ciphers"),
    old(ProtocolVersion::TLSv1_2, "ECDHE-RSA-DES-CBC3-SHA", "enable-weak-ssl-ciphers"),
    old(ProtocolVersion::TLSv1_2, "SEED-SHA", "enable-seed"),
    old(ProtocolVersion::TLSv1_2, "CAMELLIA128-SHA", ""),
    old(ProtocolVersion::TLSv1_2, "NULL-SHA256", ""),
    Old { certificate: None, ..old(ProtocolVersion::TLSv1_2, "AECDH-AES128-SHA", "") },
    Old { certificate: None, ..old(ProtocolVersion::TLSv1_0, "ADH-AES128-SHA", "") },
    Old { certificate: Some("server-dsa"), ..old(ProtocolVersion::TLSv1_2, "DHE-DSS-AES128-SHA256", "") },
    Old { sigalgs: Some("RSA+SHA1"), ..old(ProtocolVersion::TLSv1_2, "ECDHE-RSA-AES128-SHA256", "") },
];

impl Old {
    fn ciphers(&self) -> String {
        format!("{}:@SECLEVEL=0", self.suite)
    }

    fn limit<S: Side>(&self, builder: ConfigBuilder<S>) -> ConfigBuilder<S> {
        let builder = builder.versions(self.version).cipher_list(self.ciphers());
        match self.sigalgs {
            Some(list) => builder.sigalgs(list),
            None => builder,
        }
    }

    fn client(&self) -> Result<ClientConfig, Error> {
        // Nobody can prove who an anonymous server is.
        let verification = match self.certificate {
            Some(_) => ServerVerification::Require,
            None => ServerVerification::InsecureReport,
        };
        self.limit(client().server_verification(verification)).build()
    }

    fn server(&self) -> Result<ServerConfig, Error> {
        let builder = ServerConfig::builder().dhparam(DhChoice::Auto);
        self.limit(match self.certificate {
            Some(name) => builder.identity(identity(name)),
            None => builder,
        })
        .build()
    }

    /// Whether this libssl has it, found out by a connection that this library has no part in.
    fn is_there(&self) -> bool {
        if !suite_is_there(self.suite) {
            return false;
        }
        if self.version != ProtocolVersion::SSLv3 {
            return true;
        }
        let ssl3 = |mut context: SslContextBuilder| {
            context.set_cipher_list("AES128-SHA:@SECLEVEL=0").ok()?;
            context.clear_options(SslOptions::NO_SSLV3);
            context.set_min_proto_version(Some(SslVersion::SSL3)).ok()?;
            context.set_max_proto_version(Some(SslVersion::SSL3)).ok()?;
            Some(context.build())
        };
        let (Some(near), Some(far)) = (ssl3(client_context()), ssl3(server_context())) else { return false };
        let (a, b) = wire::End::pair();
        let (mut near, mut far) = (wire::client(&near, a), wire::server(&far, b));
        (0..10).any(|_| matches!((wire::shake(&mut near), wire::shake(&mut far)), (Ok(true), Ok(true))))
    }

    /// The options that tell the program `openssl` the same.
    fn words(&self) -> Vec<String> {
        let version = match self.version {
            ProtocolVersion::SSLv3 => "-ssl3",
            ProtocolVersion::TLSv1_0 => "-tls1",
            ProtocolVersion::TLSv1_1 => "-tls1_1",
            _ => "-tls1_2",
        };
        let mut words = vec![version.to_owned(), "-cipher".to_owned(), self.ciphers()];
        if let Some(list) = self.sigalgs {
            words.extend(["-sigalgs".to_owned(), list.to_owned()]);
        }
        if libssl::is_at_least("3.0") {
            words.extend(["-provider", "legacy", "-provider", "default"].map(str::to_owned));
        }
        words
    }
}

/// Whether a context that is made by hand has the suite, with all providers that could bring it.
fn suite_is_there(suite: &str) -> bool {
    let _ = patina_tls::load_provider("legacy");
    client_context().set_cipher_list(suite).is_ok()
}

/// What there is, and what is missing.
fn sorted() -> (Vec<Old>, Vec<Old>) {
    ALL.into_iter().partition(Old::is_there)
}

#[test]
fn what_a_libssl_lacks_is_unsupported_and_named() {
    let (there, missing) = sorted();
    for old in there {
        old.client().unwrap_or_else(|error| panic!("{old:?}: {error:?}"));
        old.server().unwrap_or_else(|error| panic!("{old:?}: {error:?}"));
    }
    if option_env!("OPENSSL_DIR").is_some_and(|path| path.contains("weak-crypto")) {
        // What ci/libssl builds has all that its version still has.
        let ssl3 = missing.iter().filter(|old| old.version == ProtocolVersion::SSLv3).count();
        assert_eq!(ssl3, missing.len(), "{missing:?}");
        assert_eq!(ssl3 == 0, libssl::is_at_least("3.0") && !libssl::is_at_least("4.0"));
    }
    for old in missing {
        for error in [old.client().unwrap_err(), old.server().unwrap_err()] {
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{old:?}: {error:?}");
            let option = if old.version == ProtocolVersion::SSLv3 { "versions" } else { "cipher_list" };
            assert_eq!(error.option(), Some(option), "{error:?}");
            assert!(!old.lacks.is_empty() && error.message().contains(old.lacks), "{old:?}: {error}");
            assert!(error.message().contains(openssl::version::version()), "{error}");
            if option == "cipher_list" {
                assert_eq!(error.code(), "ERR_SSL_NO_CIPHER_MATCH");
                assert_eq!(error.span(), Some(0..old.suite.len()), "{error}");
            }
        }
    }
}

#[tokio::test]
async fn old_protocols_and_ciphers_carry_data_in_memory() {
    let (there, _) = sorted();
    assert_eq!(there.iter().filter(|old| old.lacks.is_empty()).count(), 9, "every libssl has these");
    for old in there {
        let (mut near, mut far) = pair(&old.client().unwrap(), &old.server().unwrap()).await;
        for end in [&near, &far] {
            let facts = end.negotiated();
            assert_eq!((facts.version(), facts.cipher_suite().name()), (old.version, old.suite));
        }
        assert_eq!(near.negotiated().authorized(), old.certificate.is_some(), "{old:?}");
        near.write_all(b"ping").await.unwrap();
        let mut word = [0; 4];
        far.read_exact(&mut word).await.unwrap();
        far.write_all(&word).await.unwrap();
        near.read_exact(&mut word).await.unwrap();
        assert_eq!(&word, b"ping", "{old:?}");
    }
}

#[tokio::test]
async fn old_protocols_and_ciphers_work_with_clients_of_openssl() {
    for old in sorted().0 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let root = fixtures::path("pki/root.pem").display().to_string();
        let own = ["-connect", &address, "-CAfile", &root].map(str::to_owned);
        let mut s_client = openssl("s_client", &[&own[..], &old.words()].concat()).spawn().unwrap();
        let mut stdin = s_client.stdin.take().unwrap();
        stdin.write_all(b"ping\n").await.unwrap();

        let tcp = listener.accept().await.unwrap().0;
        let tls = TlsAcceptor::new(old.server().unwrap()).accept(tcp).await;
        let mut tls = match tls {
            Ok(tls) => tls,
            Err(error) => {
                let said = s_client.wait_with_output().await.unwrap();
                panic!("{old:?}: {error:?}\n{}", String::from_utf8_lossy(&said.stderr));
            }
        };
        let facts = tls.negotiated();
        assert_eq!((facts.version(), facts.cipher_suite().name()), (old.version, old.suite));
        let mut word = [0; 5];
        tls.read_exact(&mut word).await.unwrap();
        assert_eq!(&word, b"ping\n", "{old:?}");
        tls.write_all(b"pong\n").await.unwrap();
        tls.shutdown().await.unwrap();
        drop(tls);
        let output = s_client.wait_with_output().await.unwrap();
        drop(stdin);
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(said.contains("pong\n"), "{old:?}: {said}");
        assert!(said.contains(&format!("Cipher is {}", old.suite)), "{old:?}: {said}");
        let verified =
            if old.certificate.is_some() { "Verify return code: 0 (ok)" } else { "no peer certificate" };
        assert!(said.contains(verified), "{old:?}: {said}");
    }
}

#[tokio::test]
async fn old_protocols_and_ciphers_work_with_servers_of_openssl() {
    for old in sorted().0 {
        let file =
            |name: &str, kind: &str| fixtures::path(&format!("pki/{name}.{kind}")).display().to_string();
        let mut own = ["-accept", "127.0.0.1:0", "-naccept", "1", "-rev"].map(str::to_owned).to_vec();
        own.extend(match old.certificate {
            Some(name) => vec!["-cert".into(), file(name, "pem"), "-key".into(), file(name, "key")],
            None => vec!["-nocert".into()],
        });
        let mut s_server = openssl("s_server", &[&own[..], &old.words()].concat()).spawn().unwrap();
        let mut lines = BufReader::new(s_server.stdout.take().unwrap()).lines();
        let port: u16 = loop {
            let line = lines.next_line().await.unwrap().expect("s_server tells its port");
            if let Some(port) =
                line.strip_prefix("ACCEPT ").and_then(|it| it.rsplit(':').next()?.parse().ok())
            {
                break port;
            }
        };
        let tcp = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let tls = TlsConnector::new(old.client().unwrap()).connect("localhost", tcp).await;
        let mut tls = match tls {
            Ok(tls) => tls,
            Err(error) => {
                let said = s_server.wait_with_output().await.unwrap();
                panic!("{old:?}: {error:?}\n{}", String::from_utf8_lossy(&said.stderr));
            }
        };
        let facts = tls.negotiated();
        assert_eq!((facts.version(), facts.cipher_suite().name()), (old.version, old.suite));
        assert_eq!(facts.authorized(), old.certificate.is_some(), "{old:?}");
        tls.write_all(b"drawer\n").await.unwrap();
        let mut word = [0; 7];
        tls.read_exact(&mut word).await.unwrap();
        assert_eq!(&word, b"reward\n", "{old:?}");
        tls.shutdown().await.unwrap();
        drop(tls);
        drop(lines);
        assert!(s_server.wait().await.unwrap().success(), "{old:?}");
    }
}
