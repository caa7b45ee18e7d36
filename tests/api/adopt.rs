//! Contexts that the application has made: what is set, what runs, what is left alone.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;

use openssl::ssl::{
    AlpnError, NameType, SslContext, SslContextBuilder, SslContextRef, SslMethod, SslMode, SslOptions,
    SslSessionCacheMode, SslVerifyMode, SslVersion,
};
use openssl::x509::X509VerifyResult;
use patina_tls::ext::{SessionCount, SslContextRefExt, SslRefExt, SslStreamExt};
use patina_tls::{
    AdoptedContext, Alert, ErrorKind, RenegotiationPolicy, ServerConfig, TlsAcceptor, TlsConnector,
    VerifyCode,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, ReadBuf};

use crate::support::fixtures;
use crate::support::pair::{self, Stream};
use crate::support::sides::Sides;
use crate::support::wire::{self, client_context, only, server_context};

const PLAIN: RenegotiationPolicy = RenegotiationPolicy::deny();

fn config(context: &SslContextRef, policy: RenegotiationPolicy) -> ServerConfig {
    TlsAcceptor::adopt(AdoptedContext::from(context)).renegotiation(policy).build().unwrap().config().clone()
}

/// What can be read of a context, but its counters.
fn settings(context: &SslContextRef) -> impl PartialEq + std::fmt::Debug {
    (
        context.options(),
        context.mode(),
        context.verify_mode(),
        context.versions(),
        context.session_timeout(),
        context.session_cache_size(),
        context.num_tickets(),
        context.security_level(),
        (context.max_cert_list(), context.quiet_shutdown(), context.max_early_data()),
        context.ciphers().map(|list| list.iter().map(|c| c.name()).collect::<Vec<_>>()),
        context.certificate().map(|c| c.to_der().unwrap()),
    )
}

fn tls12(context: SslContextBuilder) -> SslContext {
    only(context, SslVersion::TLS1_2)
}

fn client12() -> SslContext {
    tls12(client_context())
}

#[test]
fn the_context_is_left_as_it_was() {
    struct Mine(u32);
    let index = SslContext::new_ex_index::<Mine>().unwrap();
    let mut context = server_context();
    context.set_options(SslOptions::NO_TICKET | SslOptions::NO_RENEGOTIATION);
    context.set_mode(SslMode::AUTO_RETRY);
    context.set_session_cache_mode(SslSessionCacheMode::OFF);
    context.set_ex_data(index, Mine(7));
    let context = tls12(context);
    let before = settings(&context);

    let config = config(&context, RenegotiationPolicy::limit(1));
    let mut sides = Sides::shaken(&client12(), &config);
    let (read, done, _) = sides.renegotiate();
    read.unwrap();
    assert!(done);

    assert_eq!(settings(&context), before);
    assert_eq!(context.ex_data(index).unwrap().0, 7);
    assert!(std::ptr::eq(&*context, config.as_openssl()), "the very context is used, no copy");
    // What was needed is on the SSL alone.
    let ssl = sides.server.as_openssl();
    assert!(!ssl.options().contains(SslOptions::NO_RENEGOTIATION));
    assert!(context.options().contains(SslOptions::NO_RENEGOTIATION));
    // Another SSL of the context has nothing of it.
    let fresh = openssl::ssl::Ssl::new(&context).unwrap();
    assert_eq!(fresh.options(), context.options());
    assert_eq!(context.session_count(SessionCount::AcceptGood), 2);
}

#[test]
fn the_callbacks_of_the_context_run_and_decide() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let note = |what: &str| {
        let (seen, what) = (Arc::clone(&seen), what.to_owned());
        move || seen.lock().unwrap().push(what.clone())
    };
    let mut context = server_context();
    let (name, alpn, verify, key, session, hello) =
        (note("name"), note("alpn"), note("verify"), note("key"), note("session"), note("hello"));
    context.set_client_hello_callback(move |_, _| {
        hello();
        Ok(openssl::ssl::ClientHelloResponse::SUCCESS)
    });
    context.set_servername_callback(move |ssl, _| {
        name();
        assert_eq!(ssl.servername(NameType::HOST_NAME), Some("shop.patina.test"));
        Ok(())
    });
    context.set_alpn_select_callback(move |_, offered| {
        alpn();
        openssl::ssl::select_next_proto(b"\x02h2", offered).ok_or(AlpnError::NOACK)
    });
    context.set_verify_callback(SslVerifyMode::PEER, move |_, _| {
        verify();
        true
    });
    context.set_keylog_callback(move |_, _| key());
    context.set_session_cache_mode(SslSessionCacheMode::SERVER);
    context.set_new_session_callback(move |_, _| session());
    let context = context.build();

    let mut client = client_context();
    client.set_alpn_protos(b"\x08http/1.1\x02h2").unwrap();
    client.set_certificate_chain_file(fixtures::path("pki/client-other.pem")).unwrap();
    client
        .set_private_key_file(fixtures::path("pki/client-other.key"), openssl::ssl::SslFiletype::PEM)
        .unwrap();
    let mut sides = Sides::new(&client.build(), &config(&context, PLAIN));
    sides.client.ssl_mut().set_hostname("shop.patina.test").unwrap();
    for _ in 0..6 {
        wire::shake(&mut sides.client).unwrap();
        sides.pass();
    }
    assert!(sides.server.is_established());
    let seen = seen.lock().unwrap();
    for callback in ["hello", "name", "alpn", "verify", "key", "session"] {
        assert!(seen.iter().any(|s| s == callback), "{callback} did not run: {seen:?}");
    }
    let facts = sides.server.negotiated();
    assert_eq!(facts.alpn(), Some(&b"h2"[..]));
    assert_eq!(facts.server_name(), Some("shop.patina.test"));
    // Accepted by the application, which left the finding in place: reported, not refused.
    assert!(!facts.authorized());
    assert!(facts.peer_certificate().is_some());
}

#[test]
fn past_the_limit_the_read_fails_at_once_and_the_client_is_told() {
    let context = tls12(server_context());
    let mut sides = Sides::shaken(&client12(), &config(&context, RenegotiationPolicy::limit(2)));
    for round in 1..=2 {
        let (read, done, _) = sides.renegotiate();
        read.unwrap();
        assert!(done, "round {round}");
    }
    let (read, done, sent) = sides.renegotiate();
    let error = read.unwrap_err();
    assert_eq!((error.code(), error.alert()), ("ERR_TLS_SESSION_ATTACK", Some(Alert::NO_RENEGOTIATION)));
    assert!(!done);
    // No key work was done for it: the answer is one alert.
    assert!((1..64).contains(&sent), "{sent} bytes");
    let mut buf = [0; 8];
    assert_eq!(sides.server.read(&mut buf).unwrap_err().kind(), ErrorKind::Closed);
}

#[test]
fn a_client_that_may_not_renegotiate_is_refused_without_being_counted() {
    let context = tls12(server_context());
    let mut sides = Sides::shaken(&client12(), &config(&context, PLAIN));
    let (read, done, sent) = sides.renegotiate();
    // libssl answers by itself, and the client of the openssl crate gives up.
    assert!(!done);
    assert_ne!(read.err().map(|e| e.code().to_owned()).as_deref(), Some("ERR_TLS_SESSION_ATTACK"));
    assert!((1..64).contains(&sent), "{sent} bytes");
}

#[test]
fn renegotiation_is_without_limit_when_the_policy_says_so() {
    let context = tls12(server_context());
    let mut sides = Sides::shaken(&client12(), &config(&context, RenegotiationPolicy::allow_unlimited()));
    for _ in 0..5 {
        let (read, done, _) = sides.renegotiate();
        read.unwrap();
        assert!(done);
    }
}

#[test]
fn a_context_for_datagrams_or_the_other_side_is_refused() {
    let context = |method| AdoptedContext::from(SslContext::builder(method).unwrap().build());
    let error = TlsAcceptor::adopt(context(SslMethod::dtls())).build().unwrap_err();
    assert_eq!((error.kind(), error.option()), (ErrorKind::Config, Some("context")));
    assert_eq!(
        TlsAcceptor::adopt(context(SslMethod::tls_client())).build().unwrap_err().option(),
        Some("context")
    );
    assert_eq!(
        TlsConnector::adopt(context(SslMethod::tls_server())).build().unwrap_err().option(),
        Some("context")
    );
    assert_eq!(
        TlsConnector::adopt(context(SslMethod::dtls())).build().unwrap_err().option(),
        Some("context")
    );
    for method in [SslMethod::tls(), SslMethod::tls_server()] {
        TlsAcceptor::adopt(context(method)).build().unwrap();
    }
}

#[test]
fn a_list_of_names_has_no_say_on_an_adopted_context() {
    let adopted = config(&server_context().build(), PLAIN);
    let error = adopted.with_server_name("a.example", adopted.clone()).unwrap_err();
    assert_eq!(error.option(), Some("server_name"));
}

/// A connection of an adopted client to a server of this library for `localhost`.
async fn connect(context: SslContextBuilder, host: &str, check: bool) -> Result<Stream, patina_tls::Error> {
    let builder = TlsConnector::adopt(context.build().into());
    let connector = if check { builder } else { builder.insecure_without_name_check() }.build().unwrap();
    let acceptor = TlsAcceptor::new(pair::server().build().unwrap());
    let (near, far) = tokio::io::duplex(64 * 1024);
    let (near, _far) = tokio::join!(connector.connect(host, near), acceptor.accept(far));
    near
}

#[tokio::test]
async fn an_adopted_client_that_verifies_compares_the_name_too() {
    let strict = || {
        let mut context = client_context();
        context.set_verify(SslVerifyMode::PEER);
        context
    };
    assert!(connect(strict(), "localhost", true).await.unwrap().negotiated().authorized());
    let error = connect(strict(), "elsewhere.example", true).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Unauthorized, "HOSTNAME_MISMATCH"));
    assert!(connect(strict(), "elsewhere.example", false).await.unwrap().negotiated().authorized());
}

#[tokio::test]
async fn an_adopted_client_that_does_not_verify_refuses_nobody_and_reports() {
    let tls = connect(client_context(), "elsewhere.example", true).await.unwrap();
    assert!(!tls.negotiated().authorized());
    assert_eq!(tls.negotiated().authorization_error(), Some("ERR_TLS_CERT_ALTNAME_INVALID"));
    let nobody = SslContext::builder(SslMethod::tls_client()).unwrap();
    let tls = connect(nobody, "localhost", true).await.unwrap();
    assert!(!tls.negotiated().authorized());
    assert_eq!(tls.negotiated().verify_code(), Some(VerifyCode::UNABLE_TO_GET_ISSUER_CERT_LOCALLY));
}

#[tokio::test]
async fn what_a_verify_callback_accepts_is_not_refused() {
    static ASKED: AtomicUsize = AtomicUsize::new(0);
    let mut context = SslContext::builder(SslMethod::tls_client()).unwrap();
    context.set_verify_callback(SslVerifyMode::PEER, |_, chain| {
        ASKED.fetch_add(1, Ordering::SeqCst);
        chain.set_error(X509VerifyResult::OK);
        true
    });
    let tls = connect(context, "localhost", true).await.unwrap();
    assert!(ASKED.load(Ordering::SeqCst) > 0);
    assert!(tls.negotiated().authorized(), "the application has set X509_V_OK");
}

#[tokio::test]
async fn the_stream_type_of_tokio_openssl_is_made_from_an_adopted_context_too() {
    let acceptor = TlsAcceptor::adopt(server_context().build().into()).build().unwrap();
    let connector = TlsConnector::new(pair::client().build().unwrap());
    let (near, far) = tokio::io::duplex(64 * 1024);
    let (near, far) = tokio::join!(connector.connect("localhost", near), acceptor.accept_openssl(far));
    near.unwrap();
    assert!(far.unwrap().ssl().options().contains(SslOptions::NO_RENEGOTIATION));
}

type Tokio = tokio_openssl::SslStream<tokio::io::DuplexStream>;

/// Reads until a handshake that `server` has asked for is done, then says so in one byte.
async fn finish(server: &mut Tokio) {
    server.ssl_mut().renegotiate().unwrap();
    Pin::new(&mut *server).do_handshake().await.unwrap();
    assert!(server.ssl().renegotiate_pending());
    poll_fn(|cx| {
        let mut byte = [0];
        let polled = Pin::new(&mut *server).poll_read(cx, &mut ReadBuf::new(&mut byte));
        assert!(polled.is_pending(), "{polled:?}");
        if server.ssl().renegotiate_pending() { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    server.write_all(b"x").await.unwrap();
    server.flush().await.unwrap();
}

#[tokio::test]
async fn handshakes_that_the_server_asks_for_are_not_counted() {
    let context = tls12(server_context());
    let acceptor =
        TlsAcceptor::adopt(context.into()).renegotiation(RenegotiationPolicy::limit(1)).build().unwrap();
    let client = pair::client().renegotiation(RenegotiationPolicy::allow_unlimited()).build().unwrap();
    let connector = TlsConnector::new(client);
    let (near, far) = tokio::io::duplex(64 * 1024);
    let (client, server) =
        tokio::join!(connector.connect_openssl("localhost", near), acceptor.accept_openssl(far));
    let (mut client, mut server) = (client.unwrap(), server.unwrap());
    for _ in 0..3 {
        let (heard, ()) = tokio::join!(client.read_u8(), finish(&mut server));
        assert_eq!(heard.unwrap(), b'x');
    }
    assert_eq!(server.ssl().total_renegotiations(), 3);
    assert!(!server.ssl().options().contains(SslOptions::NO_RENEGOTIATION), "nothing was counted");
    // The client's first is within the limit, its second is not.
    for (round, refused) in [(1, false), (2, true)] {
        client.ssl_mut().renegotiate().unwrap();
        let shake = async {
            let shaken = Pin::new(&mut client).do_handshake().await;
            shaken.is_ok() && client.write_all(b"y").await.is_ok()
        };
        let (done, heard) = tokio::join!(shake, server.read_u8());
        assert_eq!((done, heard.is_err()), (!refused, refused), "round {round}");
        assert_eq!(server.ssl().options().contains(SslOptions::NO_RENEGOTIATION), refused, "round {round}");
    }
}
