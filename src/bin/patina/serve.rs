//! `patina serve`: a TLS server.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use patina_tls::{ServerHandle, TlsServer, TlsStream};
use tokio::io::{AsyncReadExt, AsyncWriteExt, Stdin};
use tokio::net::TcpStream;
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};

use crate::args::{Mode, ServeArgs};
use crate::args_shared::Export;
use crate::facts::Facts;
use crate::failure::{Failure, Report};
use crate::modes::{self, Channel};
use crate::output::{Counts, Output, Place};
use crate::pump::{Input, Pump, Received, Until};
use crate::rehandshake::{Watch, Wishes};
use crate::settings;

/// How long open connections have to end after a signal.
const GRACE: Duration = Duration::from_secs(3);

/// How long a close_notify may take to send, and then the client to answer it.
const LINGER: Duration = Duration::from_secs(1);

/// What all connections share.
struct Desk {
    output: Arc<Output>,
    mode: Mode,
    exports: Vec<Export>,
    wishes: Wishes,
    /// How many connections there may be.
    count: Option<u64>,
    begun: AtomicU64,
    ended: AtomicU64,
    handle: ServerHandle,
    /// All connections that there may be have ended.
    done: Notify,
    closing: watch::Sender<bool>,
    /// For the one connection of the mode `stdio`.
    stdin: Mutex<Option<Stdin>>,
}

pub(crate) async fn run(args: &ServeArgs) -> Result<(), Failure> {
    // In this mode stdout is the connection's.
    let place = if args.mode == Mode::Stdio { Place::Stderr } else { Place::Stdout };
    let output = Arc::new(Output::new(args.shared.json, place));
    let address = listen_address(&args.address)?;
    let serving = settings::server(args, &output)?;
    for warning in serving.config.warnings() {
        output.note(warning);
    }
    if let Some(warning) = args.session_store.warning().await {
        output.note(&warning);
    }
    let server = TlsServer::bind(&*address, serving.config).await;
    let server = server
        .map_err(|error| Failure::from(Report::of(&error).doing(&format!("listening on {address}"))))?;
    let desk = Arc::new(Desk {
        output: Arc::clone(&output),
        mode: args.mode,
        exports: args.shared.export.clone(),
        wishes: Wishes::of(&args.shared).with_certificate(serving.certificate_later),
        count: args.count,
        begun: AtomicU64::new(0),
        ended: AtomicU64::new(0),
        handle: server.handle(),
        done: Notify::new(),
        closing: watch::Sender::new(false),
        stdin: Mutex::new((args.mode == Mode::Stdio).then(tokio::io::stdin)),
    });
    // Installed before anybody can know that there is a server to be stopped.
    let mut signals = Signals::new()?;
    output.listening(server.local_addr(), serving.self_signed.as_deref());

    let errors = Arc::clone(&desk);
    let mut server = server.on_client_error(move |peer, error| errors.client_error(peer, &error));
    if let Some(count) = args.max_connections {
        server = server.max_connections(count as usize);
    }
    let attending = Arc::clone(&desk);
    let mut accepting = pin!(server.serve(move |tls, peer| Arc::clone(&attending).attend(tls, peer)));
    tokio::select! {
        () = &mut accepting => {}
        () = desk.done.notified() => {}
        () = signals.next() => {
            tracing::info!("closing: a signal came");
            desk.closing.send_replace(true);
            desk.handle.close();
            tokio::select! {
                () = accepting => {}
                () = sleep(GRACE) => {}
                () = signals.next() => {}
            }
        }
    }
    Ok(())
}

impl Desk {
    /// Whether one more connection may be. The last one ends the listening.
    fn admit(&self) -> bool {
        let number = self.begun.fetch_add(1, Ordering::Relaxed) + 1;
        let Some(count) = self.count else { return true };
        if number == count {
            self.handle.close();
        }
        number <= count
    }

    fn ended(&self) {
        let number = self.ended.fetch_add(1, Ordering::Relaxed) + 1;
        if self.count.is_some_and(|count| number >= count) {
            self.done.notify_one();
        }
    }

    fn client_error(&self, peer: SocketAddr, error: &patina_tls::Error) {
        if self.admit() {
            self.output.client_error(peer, &Report::of(error));
            self.ended();
        }
    }

    async fn attend(self: Arc<Desk>, tls: TlsStream<TcpStream>, peer: SocketAddr) {
        if !self.admit() {
            return;
        }
        match self.mode {
            Mode::Stdio => {
                let stdin = self.stdin.lock().unwrap_or_else(PoisonError::into_inner).take();
                if let Some(stdin) = stdin {
                    self.join(tls, peer, stdin).await;
                    self.done.notify_one();
                }
            }
            _ => self.talk(tls, peer).await,
        }
        self.ended();
    }

    /// Tells the facts of a new connection, and gives its early data.
    fn greet(&self, tls: &mut TlsStream<TcpStream>, peer: SocketAddr) -> Option<Vec<u8>> {
        let early = tls.take_early_data();
        match Facts::of(&tls.negotiated(), peer, &self.exports) {
            Ok(mut facts) => {
                facts.early_data_bytes = early.as_ref().map(Vec::len);
                self.output.secure(&facts);
                Some(early.unwrap_or_default())
            }
            Err(error) => {
                self.output.error(Some(peer), &Report::of(&error).doing("--export"));
                None
            }
        }
    }

    async fn talk(&self, mut tls: TlsStream<TcpStream>, peer: SocketAddr) {
        let Some(early) = self.greet(&mut tls, peer) else { return };
        tracing::info!(%peer, "handshake complete");
        let mut watch = Watch::new(&self.output, peer);
        let asked = tokio::select! {
            asked = watch.ask(&mut tls, self.wishes) => asked,
            () = self.closing() => Ok(()),
        };
        if let Err(report) = asked {
            self.output.error(Some(peer), &report);
            self.output.closed(peer, Counts::default(), tls.is_closed_by_peer());
            return;
        }
        let mut channel = Channel::new(&mut tls, watch, peer, &self.exports, early);
        let outcome = tokio::select! {
            outcome = modes::run(self.mode, &mut channel) => outcome,
            () = self.closing() => Ok(()),
        };
        let counts = channel.counts;
        tracing::info!(%peer, counts.read, counts.written, "done");
        match outcome {
            Ok(()) => farewell(&mut tls).await,
            Err(error) => self.output.error(Some(peer), &Report::of_io(&error)),
        }
        self.output.closed(peer, counts, tls.is_closed_by_peer());
    }

    async fn join(&self, mut tls: TlsStream<TcpStream>, peer: SocketAddr, stdin: Stdin) {
        let Some(early) = self.greet(&mut tls, peer) else { return };
        let received = if self.output.is_json() { Received::Count } else { Received::Print };
        let mut watch = Watch::new(&self.output, peer);
        let asked = watch.ask(&mut tls, self.wishes).await;
        let mut pump = Pump::for_server(&mut tls, watch, &self.output, Input::Stdin(stdin), early);
        let outcome = match asked {
            Err(report) => Err(report.into()),
            Ok(()) => tokio::select! {
                outcome = pump.run(received, Until::PeerCloses) => outcome,
                () = self.closing() => Ok(()),
            },
        };
        let counts = pump.counts;
        match outcome {
            Ok(()) => farewell(&mut tls).await,
            Err(Failure::Connection(report)) => self.output.error(Some(peer), &report),
            Err(other) => self.output.note(&other.line()),
        }
        self.output.closed(peer, counts, tls.is_closed_by_peer());
    }

    async fn closing(&self) {
        let mut closing = self.closing.subscribe();
        let _ = closing.wait_for(|closing| *closing).await;
    }
}

/// Sends close_notify and gives the client time for its own: a socket that is closed with bytes unread is reset, and
/// the client may lose what it was sent.
async fn farewell(tls: &mut TlsStream<TcpStream>) {
    let polite = async {
        tls.shutdown().await?;
        let mut rest = [0; 4096];
        while tls.read(&mut rest).await? > 0 {}
        std::io::Result::Ok(())
    };
    if let Ok(Err(error)) = timeout(LINGER, polite).await {
        tracing::debug!(%error, "the client did not wait for the end");
    }
}

/// `ADDR:PORT`; a port alone is one of 127.0.0.1.
fn listen_address(text: &str) -> Result<String, Failure> {
    let refuse = |why| Failure::Usage(format!("ADDR:PORT: {text:?} {why}"));
    if text.parse::<u16>().is_ok() {
        return Ok(format!("127.0.0.1:{text}"));
    }
    let (host, port) = text.rsplit_once(':').ok_or_else(|| refuse("has no port"))?;
    if port.parse::<u16>().is_err() {
        return Err(refuse("has no port of 0 to 65535"));
    }
    if host.is_empty() || (host.contains(':') && !host.starts_with('[')) {
        return Err(refuse("has no address; an IPv6 address stands in brackets"));
    }
    Ok(text.to_owned())
}

/// What ends a server: SIGINT, SIGTERM.
struct Signals {
    #[cfg(unix)]
    kinds: [tokio::signal::unix::Signal; 2],
}

impl Signals {
    #[cfg(unix)]
    fn new() -> Result<Signals, Failure> {
        use tokio::signal::unix::{SignalKind, signal};
        let listen =
            |kind| signal(kind).map_err(|error| Failure::Other(format!("signals cannot be caught: {error}")));
        Ok(Signals { kinds: [listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?] })
    }

    #[cfg(unix)]
    async fn next(&mut self) {
        poll_fn(|cx| {
            let came = self.kinds.iter_mut().any(|kind| kind.poll_recv(cx).is_ready());
            if came { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
        })
        .await;
    }

    #[cfg(not(unix))]
    fn new() -> Result<Signals, Failure> {
        Ok(Signals {})
    }

    #[cfg(not(unix))]
    async fn next(&mut self) {
        let _ = tokio::signal::ctrl_c().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_port_and_a_port_alone_is_local() {
        assert_eq!(listen_address("8443").unwrap(), "127.0.0.1:8443");
        assert_eq!(listen_address("[::1]:0").unwrap(), "[::1]:0");
        assert_eq!(listen_address("localhost:1").unwrap(), "localhost:1");
        for bad in ["", ":1", "a", "a:", "a:65536", "::1:4"] {
            assert!(listen_address(bad).is_err(), "{bad}");
        }
    }
}
