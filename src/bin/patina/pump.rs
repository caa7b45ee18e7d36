//! Joins a connection to stdin and stdout: both directions at once, half-close included.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use patina_tls::{Error, ErrorKind, Session, TlsStream};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf, Stdin};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};

use crate::failure::{Failure, Report};
use crate::output::{Counts, Output};
use crate::rehandshake::Watch;

/// Bytes moved at once.
const CHUNK: usize = 64 * 1024;

/// How long a peer has to answer close_notify, when nobody waits for its data.
const LINGER: Duration = Duration::from_secs(2);

/// What is sent.
pub(crate) enum Input {
    /// These bytes, perhaps none.
    Bytes(Vec<u8>),
    /// stdin, to its end.
    Stdin(Stdin),
}

/// What becomes of what is received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Received {
    /// It goes to stdout.
    Print,
    /// It is counted.
    Count,
}

/// When it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Until {
    /// The peer has closed.
    PeerCloses,
    /// Everything is sent, and the peer has closed or had [`LINGER`] to do so.
    Sent,
}

/// A connection between two ends.
pub(crate) struct Pump<'a> {
    tls: &'a mut TlsStream<TcpStream>,
    watch: Watch<'a>,
    output: &'a Output,
    input: Input,
    /// Early data of the peer that is not printed yet.
    early: Vec<u8>,
    /// What is to be sent, from `sent` on.
    outgoing: Vec<u8>,
    sent: usize,
    input_ended: bool,
    /// Nothing more can be sent; perhaps because of this.
    finished: bool,
    send_error: Option<io::Error>,
    /// Whether sessions are looked for: a client's business.
    is_client: bool,
    session: Option<Session>,
    /// Bytes so far.
    pub(crate) counts: Counts,
}

impl<'a> Pump<'a> {
    /// A pump that has not begun. `offered` is the session that the connection was to resume.
    pub(crate) fn new(
        tls: &'a mut TlsStream<TcpStream>,
        watch: Watch<'a>,
        output: &'a Output,
        input: Input,
        offered: Option<Session>,
    ) -> Pump<'a> {
        let (input, outgoing, input_ended) = match input {
            Input::Bytes(bytes) => (Input::Bytes(Vec::new()), bytes, true),
            stdin => (stdin, Vec::new(), false),
        };
        Pump {
            tls,
            watch,
            output,
            input,
            early: Vec::new(),
            outgoing,
            sent: 0,
            input_ended,
            finished: false,
            send_error: None,
            is_client: true,
            session: offered,
            counts: Counts::default(),
        }
    }

    /// The same for a server, which has no session to look for.
    pub(crate) fn for_server(
        tls: &'a mut TlsStream<TcpStream>,
        watch: Watch<'a>,
        output: &'a Output,
        input: Input,
        early: Vec<u8>,
    ) -> Pump<'a> {
        Pump { is_client: false, early, ..Pump::new(tls, watch, output, input, None) }
    }

    /// Sends these bytes before all others.
    pub(crate) fn send_first(&mut self, bytes: &[u8]) {
        self.outgoing.splice(..0, bytes.iter().copied());
    }

    /// The newest session that can be resumed: one that the peer gave, or the one that was offered.
    pub(crate) fn into_session(self) -> Option<Session> {
        self.session
    }

    /// Moves the bytes.
    ///
    /// # Errors
    /// What ended the connection but for a close_notify; a stdin that cannot be read or a stdout that cannot be written.
    pub(crate) async fn run(&mut self, received: Received, until: Until) -> Result<(), Failure> {
        let mut buffer = vec![0; CHUNK];
        let mut deadline = None;
        let early = std::mem::take(&mut self.early);
        self.receive(&early, received).await?;
        loop {
            let next = poll_fn(|cx| self.poll(cx, &mut buffer));
            let outcome = match deadline {
                Some(deadline) => match timeout_at(deadline, next).await {
                    Ok(outcome) => outcome,
                    Err(_) => return Ok(()),
                },
                None => next.await,
            };
            match outcome {
                Ok(Step::Finished) => deadline = (until == Until::Sent).then(|| Instant::now() + LINGER),
                Ok(Step::Read(0)) => return self.end().await,
                Ok(Step::Read(count)) => self.receive(&buffer[..count], received).await?,
                // We have closed and wait for nothing but stragglers: a peer may as well just hang up.
                Err(error) if deadline.is_some() && is_hang_up(&error) => return Ok(()),
                Err(error) => return Err(Report::of_io(&error).into()),
            }
        }
    }

    /// Bytes have come.
    async fn receive(&mut self, bytes: &[u8], received: Received) -> Result<(), Failure> {
        self.counts.read += bytes.len() as u64;
        if received == Received::Count {
            return Ok(());
        }
        let mut stdout = tokio::io::stdout();
        let written = async {
            stdout.write_all(bytes).await?;
            stdout.flush().await
        };
        written.await.map_err(|error| Failure::Other(format!("stdout: {error}")))
    }

    /// The peer has closed: so do we.
    async fn end(&mut self) -> Result<(), Failure> {
        let lost = self.outgoing.len() - self.sent;
        if let Some(error) = self.send_error.take() {
            return Err(Report::of_io(&error).into());
        }
        let _ = timeout(LINGER, self.tls.shutdown()).await;
        if lost > 0 {
            tracing::info!(lost, "the peer closed before everything was sent");
        }
        Ok(())
    }

    fn poll(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<Step>> {
        let finished = self.finished;
        self.poll_send(cx);
        if self.finished && !finished {
            // The time to linger begins.
            return Poll::Ready(Ok(Step::Finished));
        }
        let mut space = ReadBuf::new(buffer);
        let read = Pin::new(&mut *self.tls).poll_read(cx, &mut space);
        self.watch.look(self.tls);
        self.look_for_session();
        read.map_ok(|()| Step::Read(space.filled().len()))
    }

    /// Sends as much as goes now. Errors wait until the peer's last words were read: they may say why.
    fn poll_send(&mut self, cx: &mut Context<'_>) {
        while !self.finished {
            let step = if self.sent < self.outgoing.len() {
                Pin::new(&mut *self.tls).poll_write(cx, &self.outgoing[self.sent..]).map_ok(|count| {
                    self.sent += count;
                    self.counts.written += count as u64;
                })
            } else if self.input_ended {
                Pin::new(&mut *self.tls).poll_shutdown(cx).map_ok(|()| self.finished = true)
            } else {
                self.poll_input(cx)
            };
            match step {
                Poll::Pending => return,
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => {
                    self.finished = true;
                    self.send_error = Some(error);
                }
            }
        }
    }

    fn poll_input(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Input::Stdin(stdin) = &mut self.input else {
            self.input_ended = true;
            return Poll::Ready(Ok(()));
        };
        self.outgoing.resize(CHUNK, 0);
        let mut space = ReadBuf::new(&mut self.outgoing);
        let read = Pin::new(stdin).poll_read(cx, &mut space);
        let count = space.filled().len();
        self.outgoing.truncate(count);
        self.sent = 0;
        if read.is_ready() && count == 0 {
            self.input_ended = true;
        }
        if read.is_pending() {
            // What was written so far must not wait for more input.
            let _ = Pin::new(&mut *self.tls).poll_flush(cx);
        }
        read.map_err(|error| io::Error::new(error.kind(), format!("stdin: {error}")))
    }

    /// Notices a session that has come: under TLS 1.3 with a ticket, at any time.
    fn look_for_session(&mut self) {
        if !self.is_client {
            return;
        }
        let Some(session) = self.tls.negotiated().session().filter(Session::is_resumable) else { return };
        let mark = |session: &Session| (session.id().to_vec(), session.ticket().map(<[u8]>::to_vec));
        if self.session.as_ref().is_none_or(|known| mark(known) != mark(&session)) {
            self.output.session();
            self.session = Some(session);
        }
    }
}

enum Step {
    /// So many bytes came; none is the peer's close_notify.
    Read(usize),
    /// Our own close_notify is out.
    Finished,
}

/// Whether an error is only that the peer is gone.
fn is_hang_up(error: &io::Error) -> bool {
    match Error::from_io(error) {
        Some(error) => matches!(error.kind(), ErrorKind::Truncated | ErrorKind::Io),
        None => true,
    }
}

impl From<Report> for Failure {
    fn from(report: Report) -> Failure {
        Failure::Connection(report)
    }
}
