//! tokio-boring for the benchmark: see `patina_measure::child`.

use std::io;
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use boring::ssl::{
    Ssl, SslContext, SslContextBuilder, SslFiletype, SslMethod, SslMode, SslOptions, SslSession,
    SslSessionCacheMode, SslVerifyMode, SslVersion,
};
use patina_measure::case::{Case, GROUPS, HOST, Resume, Suite};
use patina_measure::child;
use patina_measure::peer::{Over, Peer, Roots};
use patina_measure::trouble::Result;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio_boring::{SslStream, SslStreamBuilder};

fn main() -> ExitCode {
    match child::serve::<TokioBoring>() {
        Ok(()) => ExitCode::SUCCESS,
        Err(trouble) => {
            eprintln!("bench-boring: {trouble}");
            ExitCode::FAILURE
        }
    }
}

/// BoringSSL with the stream of tokio-boring.
struct TokioBoring;

/// A client of BoringSSL.
struct Client {
    context: SslContext,
    /// The newest session: BoringSSL hands them out one by one.
    newest: Arc<Mutex<Option<SslSession>>>,
    resumes: bool,
}

fn context(case: &Case) -> Result<SslContextBuilder> {
    let mut context = SslContext::builder(SslMethod::tls())?;
    let version = if case.is_old() { SslVersion::TLS1_2 } else { SslVersion::TLS1_3 };
    context.set_min_proto_version(Some(version))?;
    context.set_max_proto_version(Some(version))?;
    if case.is_old() {
        context.set_cipher_list(case.suites())?;
    }
    context.set_curves_list(GROUPS)?;
    context.set_mode(SslMode::ACCEPT_MOVING_WRITE_BUFFER | SslMode::ENABLE_PARTIAL_WRITE);
    Ok(context)
}

impl Peer for TokioBoring {
    const NAME: &'static str = "tokio-boring";
    const PACKAGE: &'static str = "tokio-boring";
    type Client = Client;
    type Server = SslContext;

    fn can(case: &Case) -> bool {
        // The suites of TLS 1.3 are not the application's to choose: on this kind of machine it is AES-128-GCM.
        case.is_old() || case.suite == Suite::Aes128
    }

    fn client(case: &Case) -> Result<Client> {
        let mut context = context(case)?;
        context.set_ca_file(case.root()?)?;
        context.set_verify(SslVerifyMode::PEER);
        let newest = Arc::new(Mutex::new(None));
        let resumes = matches!(case.resume, Resume::Id | Resume::Ticket);
        if resumes {
            context.set_session_cache_mode(SslSessionCacheMode::CLIENT | SslSessionCacheMode::NO_INTERNAL);
            let newest = Arc::clone(&newest);
            context.set_new_session_callback(move |_, session| {
                *newest.lock().unwrap_or_else(PoisonError::into_inner) = Some(session);
            });
        } else {
            context.set_session_cache_mode(SslSessionCacheMode::OFF);
        }
        Ok(Client { context: context.build(), newest, resumes })
    }

    fn server(case: &Case) -> Result<SslContext> {
        let mut context = context(case)?;
        context.set_certificate_file(case.certificate()?, SslFiletype::PEM)?;
        context.set_private_key_file(case.private_key()?, SslFiletype::PEM)?;
        context.set_session_id_context(b"bench")?;
        if case.resume == Resume::Id {
            context.set_options(SslOptions::NO_TICKET);
        } else {
            context.set_session_cache_mode(SslSessionCacheMode::OFF);
        }
        Ok(context.build())
    }

    fn make_context(roots: Roots) -> Result<bool> {
        let mut context = SslContext::builder(SslMethod::tls())?;
        match roots {
            Roots::Nobody => {}
            Roots::System => context.set_default_verify_paths()?,
            Roots::Mozilla => return Ok(false),
        }
        drop(context.build());
        Ok(true)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Over<S> for TokioBoring {
    type Stream = SslStream<S>;

    async fn connect(client: &Client, io: S) -> io::Result<SslStream<S>> {
        let mut ssl = Ssl::new(&client.context)?;
        ssl.set_hostname(HOST)?;
        ssl.verify_param_mut().set_host(HOST)?;
        if client.resumes
            && let Some(session) = &*client.newest.lock().unwrap_or_else(PoisonError::into_inner)
        {
            // SAFETY: the session is of this context.
            unsafe { ssl.set_session(session)? };
        }
        SslStreamBuilder::new(ssl, io).connect().await.map_err(|error| io::Error::other(error.to_string()))
    }

    async fn accept(server: &SslContext, io: S) -> io::Result<SslStream<S>> {
        let builder = SslStreamBuilder::new(Ssl::new(server)?, io);
        builder.accept().await.map_err(|error| io::Error::other(error.to_string()))
    }

    fn remember(_: &mut Client, _: &SslStream<S>) {
        // The callback has kept it.
    }

    fn is_resumed(stream: &SslStream<S>) -> bool {
        stream.ssl().session_reused()
    }

    async fn part(mut stream: SslStream<S>) {
        // Without close_notify the session is lost. What the peer says does not matter.
        let _ = Pin::new(&mut stream).shutdown().await;
    }
}
