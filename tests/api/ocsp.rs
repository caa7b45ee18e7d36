//! Stapled OCSP responses on connections: what the server's source is asked, what the client gets, and what it is worth.

use std::sync::{Arc, Mutex};

use patina_tls::{
    Certificate, CertificateQuery, Client, ClientConfig, ConfigBuilder, ConnectOptions, Error, Identity,
    OcspCache, OcspRequest, OcspResponse, OcspVerifier, ProtocolVersion, Server, ServerConfig, StapleVerdict,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::resumption::session_of;
use crate::support::fixtures;
use crate::support::ocsp::{Said, now, response, x509};
use crate::support::pair::{Stream, client, engines, handshake, identity, pair, server, trust};

const BOTH: [ProtocolVersion; 2] = [ProtocolVersion::TLSv1_2, ProtocolVersion::TLSv1_3];

/// What a source was asked: the common names of certificate and issuer.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<Asked>>>);

type Asked = (String, Option<String>);

impl Log {
    fn note(&self, request: &OcspRequest) {
        let name = |certificate: &Certificate| certificate.subject_common_names().concat();
        let asked = (name(request.certificate()), request.issuer().map(name));
        self.0.lock().unwrap().push(asked);
    }

    fn taken(&self) -> Vec<Asked> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

fn asking(version: ProtocolVersion) -> ConfigBuilder<Client> {
    client().versions(version).request_ocsp(true)
}

/// A server that staples these bytes, and notes what it is asked.
fn stapling(
    server: ConfigBuilder<Server>,
    log: &Log,
    answer: impl Fn(&OcspRequest) -> Option<Vec<u8>> + Send + Sync + 'static,
) -> ServerConfig {
    let log = log.clone();
    let source = move |request: OcspRequest| {
        log.note(&request);
        let answer = answer(&request);
        async move {
            tokio::task::yield_now().await;
            Ok(answer)
        }
    };
    server.ocsp_source(source).build().unwrap()
}

fn judge(stream: &Stream) -> StapleVerdict {
    OcspVerifier::new(trust("root")).verify_time(now()).judge(&stream.negotiated())
}

fn text(verdict: &StapleVerdict) -> String {
    verdict.to_string()
}

#[tokio::test]
async fn the_client_gets_what_the_source_finds_and_can_judge_it() {
    for version in BOTH {
        for (said, verdict) in [
            (Said::Good, "good"),
            (Said::Revoked("20240101000000Z", Some(1)), "revoked (keyCompromise)"),
            (Said::Unknown, "unknown"),
        ] {
            let (log, der) = (Log::default(), response("server-rsa", "root").says(said).der());
            let staple = der.clone();
            let server = stapling(server(), &log, move |_| Some(staple.clone()));
            let (near, far) = pair(&asking(version).build().unwrap(), &server).await;
            assert_eq!(near.negotiated().ocsp_response().as_deref(), Some(&der[..]), "{version}");
            assert_eq!(
                far.negotiated().ocsp_response().as_deref(),
                Some(&der[..]),
                "{version}: what it has stapled"
            );
            assert_eq!(text(&judge(&near)), verdict);
            assert_eq!(log.taken(), [("server-rsa".to_owned(), None)], "{version}");
        }
    }
}

#[tokio::test]
async fn a_source_that_finds_nothing_or_fails_leaves_the_connection_as_it_is() {
    for version in BOTH {
        let nothing = stapling(server(), &Log::default(), |_| None);
        let empty = stapling(server(), &Log::default(), |_| Some(Vec::new()));
        let fails =
            server().ocsp_source(|_: OcspRequest| async { Err("no responder".into()) }).build().unwrap();
        for server in [nothing, empty, fails] {
            let (mut near, mut far) = pair(&asking(version).build().unwrap(), &server).await;
            assert_eq!(near.negotiated().ocsp_response(), None);
            assert_eq!(far.negotiated().ocsp_response(), None);
            assert!(matches!(judge(&near), StapleVerdict::Missing { must_staple: false }));
            assert!(judge(&near).check().is_ok());
            near.write_all(b"goes on").await.unwrap();
            far.read_exact(&mut [0; 7]).await.unwrap();
        }
    }
}

#[tokio::test]
async fn nobody_is_asked_for_a_client_that_wants_nothing() {
    for version in BOTH {
        let log = Log::default();
        let server = stapling(server(), &log, |_| Some(b"unasked".to_vec()));
        let (near, _far) = pair(&client().versions(version).build().unwrap(), &server).await;
        assert_eq!(near.negotiated().ocsp_response(), None);
        assert_eq!(log.taken(), []);
    }
}

#[tokio::test]
async fn a_certificate_that_must_be_stapled_to_is_nothing_without() {
    for version in BOTH {
        let config = asking(version).build().unwrap();
        let bare = ServerConfig::builder().identity(identity("must-staple"));
        let (near, _far) = pair(&config, &bare.build().unwrap()).await;
        assert!(matches!(judge(&near), StapleVerdict::Missing { must_staple: true }));
        assert_eq!(judge(&near).check().unwrap_err().code(), "OCSP_VERIFY_NEEDED");

        let staple = OcspResponse::from_der(response("must-staple", "root").der()).unwrap();
        let server = ServerConfig::builder().identity(identity("must-staple")).ocsp_source(staple);
        let (near, _far) = pair(&config, &server.build().unwrap()).await;
        assert!(judge(&near).is_good());
    }
}

#[tokio::test]
async fn the_issuer_is_found_in_the_chain_or_in_the_trust_store() {
    let asked = async |server: ConfigBuilder<Server>| {
        let log = Log::default();
        let server = stapling(server, &log, |_| None);
        let (_near, _far) = pair(&asking(ProtocolVersion::TLSv1_3).build().unwrap(), &server).await;
        log.taken()
    };
    let chain = ServerConfig::builder().identity(identity("server-rsa-chain-chain"));
    assert_eq!(
        asked(chain).await,
        [("server-rsa-chain".to_owned(), Some("Patina Test Intermediate".to_owned()))]
    );
    assert_eq!(
        asked(server().trust(trust("root"))).await,
        [("server-rsa".to_owned(), Some("Patina Test Root".to_owned()))]
    );
    assert_eq!(asked(server().trust(trust("other-root"))).await, [("server-rsa".to_owned(), None)]);
    let own = Identity::self_signed(["localhost"]).unwrap();
    let name = own.certificate().subject_common_names().concat();
    let log = Log::default();
    let server = stapling(ServerConfig::builder().identity(own), &log, |_| None);
    let config = asking(ProtocolVersion::TLSv1_3)
        .server_verification(patina_tls::ServerVerification::InsecureReport)
        .build()
        .unwrap();
    let (_near, _far) = pair(&config, &server).await;
    assert_eq!(log.taken(), [(name.clone(), Some(name))], "it is its own issuer");
}

#[tokio::test]
async fn each_certificate_gets_its_own_response() {
    // Made once: two signatures of a curve's key differ.
    let responses = Arc::new(
        [("server-rsa", "root"), ("server-p256", "root-ec")]
            .map(|(name, issuer)| (name, response(name, issuer).der())),
    );
    let of =
        move |wanted: &str| responses.iter().find(|(name, _)| *name == wanted).map(|(_, der)| der.clone());
    let both = |log: &Log| {
        let of = of.clone();
        let server =
            ServerConfig::builder().identity(identity("server-rsa")).identity(identity("server-p256"));
        stapling(server, log, move |request| of(&request.certificate().subject_common_names().concat()))
    };
    for version in BOTH {
        for (algorithms, root, name) in
            [("RSA-PSS+SHA256:RSA+SHA256", "root", "server-rsa"), ("ECDSA+SHA256", "root-ec", "server-p256")]
        {
            let log = Log::default();
            let config = ClientConfig::builder().trust(trust(root)).versions(version).request_ocsp(true);
            let (near, _far) = pair(&config.sigalgs(algorithms).build().unwrap(), &both(&log)).await;
            let shown = near.negotiated().peer_certificate().unwrap();
            assert_eq!(shown.subject_common_names(), [name], "{version}");
            assert_eq!(near.negotiated().ocsp_response(), of(name), "{version}");
            let mut asked: Vec<String> = log.taken().into_iter().map(|(name, _)| name).collect();
            asked.sort();
            assert_eq!(asked, ["server-p256", "server-rsa"], "libssl chooses later");
        }
    }
}

#[tokio::test]
async fn the_configuration_that_the_name_chooses_staples() {
    for version in BOTH {
        let (log, other) = (Log::default(), Log::default());
        let of = |name: &str| Some(response(name, "root").der());
        let shop = ServerConfig::builder().identity(identity("shop"));
        let shop = stapling(shop, &other, move |_| of("shop"));
        let front = server().server_name("shop.patina.test", shop.clone());
        let front = stapling(front, &log, move |_| of("server-rsa"));
        let config = asking(version).build().unwrap();
        let (near, far) = handshake(&config, "shop.patina.test", &front).await;
        let (near, _far) = (near.unwrap(), far.unwrap());
        assert_eq!(near.negotiated().ocsp_response(), of("shop"), "{version}");
        assert_eq!((log.taken(), other.taken()), (Vec::new(), vec![("shop".to_owned(), None)]), "{version}");

        // One that staples where the first does not, and the other way about.
        let silent = server().server_name("shop.patina.test", shop).build().unwrap();
        let (near, _far) = handshake(&config, "shop.patina.test", &silent).await;
        assert_eq!(near.unwrap().negotiated().ocsp_response(), of("shop"), "{version}");
        let bare = ServerConfig::builder().identity(identity("shop")).build().unwrap();
        let front = server().server_name("shop.patina.test", bare);
        let front = stapling(front, &log, move |_| of("server-rsa"));
        let (near, _far) = handshake(&config, "shop.patina.test", &front).await;
        assert_eq!(near.unwrap().negotiated().ocsp_response(), None, "{version}");
        assert_eq!(log.taken(), [], "{version}");
    }
}

#[tokio::test]
async fn the_certificate_that_a_resolver_chooses_is_asked_about() {
    for version in BOTH {
        let log = Log::default();
        let server =
            server().certificate_resolver(|_: CertificateQuery| async { Ok(Some(identity("must-staple"))) });
        let staple = response("must-staple", "root").der();
        let server = stapling(server, &log, move |_| Some(staple.clone()));
        let (near, _far) = pair(&asking(version).build().unwrap(), &server).await;
        assert_eq!(text(&judge(&near)), "good", "{version}");
        assert_eq!(log.taken(), [("must-staple".to_owned(), None)], "{version}");
    }
}

#[tokio::test]
async fn a_resumed_session_has_no_staple_and_asks_nobody() {
    for version in BOTH {
        let log = Log::default();
        let server = stapling(server(), &log, |_| Some(response("server-rsa", "root").der()));
        let config = asking(version).build().unwrap();
        let session = session_of(&config, "localhost", &server).await;
        assert_eq!(log.taken().len(), 1);
        let target = ConnectOptions::new("localhost").session(session);
        let (near, far) = handshake(&config, target, &server).await;
        let (near, _far) = (near.unwrap(), far.unwrap());
        assert!(near.negotiated().session_reused());
        assert_eq!(near.negotiated().ocsp_response(), None);
        assert!(matches!(judge(&near), StapleVerdict::NotShown), "{version}");
        assert!(judge(&near).check().is_ok());
        assert_eq!(log.taken(), []);
    }
}

#[tokio::test]
async fn a_cache_asks_once_for_many_handshakes() {
    let (log, der) = (Log::default(), response("server-rsa", "root").der());
    let (note, answer) = (log.clone(), der.clone());
    let cache = OcspCache::new(move |request: OcspRequest| {
        note.note(&request);
        let answer = answer.clone();
        async move {
            tokio::task::yield_now().await;
            Ok(Some(answer))
        }
    })
    .clock(now);
    let server = server().trust(trust("root")).ocsp_source(cache).build().unwrap();
    for version in [BOTH, BOTH, BOTH].concat() {
        let (near, _far) = pair(&asking(version).build().unwrap(), &server).await;
        assert_eq!(near.negotiated().ocsp_response().as_deref(), Some(&der[..]));
        assert!(judge(&near).is_good());
    }
    assert_eq!(log.taken().len(), 1);
}

#[tokio::test]
async fn a_response_may_be_longer_than_a_record() {
    // Up to TLS 1.2 clients of libssl take 16 KiB.
    let long = (0..12).fold(response("server-rsa", "root"), |mint, _| mint.enclosing(x509("root"))).der();
    assert!((10_000..16_384).contains(&long.len()), "{}", long.len());
    for version in BOTH {
        let staple = long.clone();
        let small = server().max_send_fragment(512);
        let server = stapling(small, &Log::default(), move |_| Some(staple.clone()));
        let (near, _far) = pair(&asking(version).build().unwrap(), &server).await;
        assert_eq!(near.negotiated().ocsp_response().as_deref(), Some(&long[..]), "{version}");
        assert!(judge(&near).is_good());
    }
}

#[test]
fn engines_staple_as_well() {
    for version in BOTH {
        let der = response("server-rsa", "root").der();
        let staple = OcspResponse::from_der(&der).unwrap();
        let server = server().ocsp_source(staple).build().unwrap();
        let mut both = engines(&asking(version).build().unwrap(), "localhost", &server);
        both.shake().unwrap();
        assert_eq!(both.client.negotiated().ocsp_response().as_deref(), Some(&der[..]), "{version}");
    }
}

#[tokio::test]
async fn the_client_s_own_roots_judge() -> Result<(), Error> {
    let config = asking(ProtocolVersion::TLSv1_3).build()?;
    let staple = OcspResponse::from_der(response("server-rsa", "root").der())?;
    let (near, _far) = pair(&config, &server().ocsp_source(staple).build()?).await;
    let verifier = OcspVerifier::new(config.trust().unwrap().clone()).verify_time(now());
    assert!(verifier.judge(&near.negotiated()).is_good());
    assert!(server().build()?.trust().is_none());
    let of_another = OcspVerifier::new(trust("other-root")).verify_time(now()).judge(&near.negotiated());
    assert_eq!(of_another.check().unwrap_err().code(), "UNABLE_TO_VERIFY_LEAF_SIGNATURE");
    assert!(OcspResponse::from_der(fixtures::bytes("pki/garbage.der")).is_err());
    Ok(())
}
