//! Both ends of a connection in one thread, over TCP of the loopback device.

use std::cell::Cell;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

use crate::case::{Case, Resume};
use crate::peer::{Over, Peer};
use crate::trouble::Result;

/// Successful calls on a socket. The stream above tokio's makes exactly one system call for each.
#[derive(Debug, Clone, Default)]
pub struct Calls {
    /// Those that read.
    pub reads: Rc<Cell<u64>>,
    /// Those that write.
    pub writes: Rc<Cell<u64>>,
}

/// A socket whose calls are counted.
#[derive(Debug)]
pub struct Counted {
    io: TcpStream,
    calls: Calls,
}

impl Counted {
    /// The socket, whose calls are added to `calls`.
    pub fn new(io: TcpStream, calls: &Calls) -> Counted {
        Counted { io, calls: calls.clone() }
    }
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let done = Pin::new(&mut self.io).poll_read(cx, buf);
        self.calls.reads.update(|count| count + u64::from(done.is_ready()));
        done
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let done = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.calls.writes.update(|count| count + u64::from(done.is_ready()));
        done
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let done = Pin::new(&mut self.io).poll_write_vectored(cx, slices);
        self.calls.writes.update(|count| count + u64::from(done.is_ready()));
        done
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// Contexts, and a port to meet at.
pub struct Meeting<P: Peer> {
    client: P::Client,
    server: P::Server,
    listener: TcpListener,
    address: SocketAddr,
}

impl<P: Peer> fmt::Debug for Meeting<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Meeting({}, {})", P::NAME, self.address)
    }
}

impl<P: Peer> Meeting<P> {
    /// Both sides of `case`; where it resumes, each connection has a session that [`remember`](Self::remember) kept.
    ///
    /// # Errors
    /// When a context cannot be made.
    pub async fn new(case: &Case) -> Result<Meeting<P>> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        Ok(Meeting { client: P::client(case)?, server: P::server(case)?, listener, address })
    }

    /// Two ends without TLS.
    async fn sockets(&self) -> io::Result<(TcpStream, TcpStream)> {
        let (near, far) = tokio::join!(TcpStream::connect(self.address), self.listener.accept());
        let (near, (far, _)) = (near?, far?);
        near.set_nodelay(true)?;
        far.set_nodelay(true)?;
        Ok((near, far))
    }

    /// A connection over sockets that `wrap` makes into transports, the client's first.
    ///
    /// # Errors
    /// When one of the two handshakes fails.
    pub async fn connect<S>(&self, wrap: impl Fn(TcpStream, bool) -> S) -> Result<(P::Stream, P::Stream)>
    where
        P: Over<S>,
    {
        let (near, far) = self.sockets().await?;
        let (client, server) = tokio::join!(
            P::connect(&self.client, wrap(near, true)),
            P::accept(&self.server, wrap(far, false)),
        );
        Ok((client?, server?))
    }

    /// Makes one connection to get a session.
    ///
    /// # Errors
    /// When it fails.
    pub async fn remember(&mut self, case: &Case) -> Result<()>
    where
        P: Over<TcpStream>,
    {
        if matches!(case.resume, Resume::Id | Resume::Ticket) {
            let (mut client, mut server) = self.connect(plain).await?;
            server.write_all(b"x").await?;
            server.flush().await?;
            client.read_exact(&mut [0]).await?;
            P::remember(&mut self.client, &client);
            P::part(client).await;
            P::part(server).await;
        }
        Ok(())
    }

    /// Connections, one after the other.
    ///
    /// # Errors
    /// When one fails.
    pub async fn handshakes(&self, count: usize) -> Result<()>
    where
        P: Over<TcpStream>,
    {
        for _ in 0..count {
            let (client, server) = self.connect(plain).await?;
            P::part(client).await;
            P::part(server).await;
        }
        Ok(())
    }
}

/// A socket as it is.
pub fn plain(io: TcpStream, _: bool) -> TcpStream {
    io
}

/// How the bytes are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writes {
    /// Each by itself.
    Plain(usize),
    /// Each by itself, and kept back by the library for a record, where it can do that.
    Buffered(usize),
    /// Sixteen slices of the size together.
    Vectored(usize),
}

/// Moves `total` bytes from one end to the other.
///
/// # Errors
/// When a side fails.
pub async fn bulk<S: AsyncRead + AsyncWrite + Unpin>(
    mut from: S,
    mut to: S,
    writes: Writes,
    total: usize,
) -> Result<()> {
    let send = async {
        let mut left = total;
        match writes {
            Writes::Plain(size) | Writes::Buffered(size) => {
                let bytes = vec![0x5a; size];
                while left > 0 {
                    let count = left.min(size);
                    from.write_all(&bytes[..count]).await?;
                    left -= count;
                }
            }
            Writes::Vectored(size) => {
                let bytes = vec![0x5a; size];
                while left > 0 {
                    let slices = [io::IoSlice::new(&bytes[..size.min(left)]); 16];
                    let most = left.div_ceil(size).min(16);
                    left -= from.write_vectored(&slices[..most]).await?.min(left);
                }
            }
        }
        from.flush().await?;
        io::Result::Ok(())
    };
    let receive = async {
        let mut space = vec![0; 64 * 1024];
        let mut left = total;
        while left > 0 {
            match to.read(&mut space).await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => left = left.saturating_sub(count),
            }
        }
        io::Result::Ok(())
    };
    let (sent, received) = tokio::join!(send, receive);
    sent?;
    received?;
    Ok(())
}

/// Sends a message of `size` bytes to and fro, `count` times.
///
/// # Errors
/// When a side fails.
pub async fn ping_pong<S: AsyncRead + AsyncWrite + Unpin>(
    near: &mut S,
    far: &mut S,
    size: usize,
    count: usize,
) -> Result<()> {
    let there = async {
        let mut space = vec![0x5a; size];
        for _ in 0..count {
            near.write_all(&space).await?;
            near.flush().await?;
            near.read_exact(&mut space).await?;
        }
        io::Result::Ok(())
    };
    let back = async {
        let mut space = vec![0; size];
        for _ in 0..count {
            far.read_exact(&mut space).await?;
            far.write_all(&space).await?;
            far.flush().await?;
        }
        io::Result::Ok(())
    };
    let (there, back) = tokio::join!(there, back);
    there?;
    back?;
    Ok(())
}
