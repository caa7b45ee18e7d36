//! What a server does with a connection.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::Poll;

use patina_tls::TlsStream;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;

use crate::args::Mode;
use crate::args_shared::Export;
use crate::facts::Facts;
use crate::http;
use crate::output::Counts;
use crate::rehandshake::Watch;

/// Bytes moved at once.
const CHUNK: usize = 64 * 1024;

/// The longest line that is sent back in one piece.
const LINE: usize = 64 * 1024;

/// A connection whose bytes are counted.
pub(crate) struct Channel<'a> {
    tls: &'a mut TlsStream<TcpStream>,
    watch: Watch<'a>,
    peer: SocketAddr,
    exports: &'a [Export],
    /// Early data that nobody has read yet.
    early: Vec<u8>,
    pub(crate) counts: Counts,
}

impl<'a> Channel<'a> {
    pub(crate) fn new(
        tls: &'a mut TlsStream<TcpStream>,
        watch: Watch<'a>,
        peer: SocketAddr,
        exports: &'a [Export],
        early: Vec<u8>,
    ) -> Channel<'a> {
        Channel { tls, watch, peer, exports, early, counts: Counts::default() }
    }

    /// Reads; 0 is the end. Early data comes first.
    pub(crate) async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if !self.early.is_empty() {
            let count = self.early.len().min(buffer.len());
            buffer[..count].copy_from_slice(&self.early[..count]);
            self.early.drain(..count);
            self.counts.read += count as u64;
            return Ok(count);
        }
        let mut space = ReadBuf::new(buffer);
        poll_fn(|cx| {
            let read = Pin::new(&mut *self.tls).poll_read(cx, &mut space);
            self.watch.look(self.tls);
            read
        })
        .await?;
        let count = space.filled().len();
        self.counts.read += count as u64;
        Ok(count)
    }

    pub(crate) async fn write_all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let count = self.tls.write(bytes).await?;
            self.counts.written += count as u64;
            bytes = &bytes[count..];
        }
        self.tls.flush().await
    }

    /// The facts of the newest handshake.
    pub(crate) fn facts(&self) -> io::Result<Facts> {
        Ok(Facts::of(&self.tls.negotiated(), self.peer, self.exports)?)
    }
}

/// Serves until the client has closed, or is to be closed.
pub(crate) async fn run(mode: Mode, channel: &mut Channel<'_>) -> io::Result<()> {
    match mode {
        Mode::Echo => echo(channel).await,
        Mode::Rev => rev(channel).await,
        Mode::Http => http::serve(channel).await,
        Mode::Source => source(channel).await,
        // The mode that joins stdin is not for many connections: the server does it itself.
        Mode::Sink | Mode::Stdio => sink(channel).await,
    }
}

async fn echo(channel: &mut Channel<'_>) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK];
    loop {
        match channel.read(&mut buffer).await? {
            0 => return Ok(()),
            count => channel.write_all(&buffer[..count]).await?,
        }
    }
}

async fn sink(channel: &mut Channel<'_>) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK];
    while channel.read(&mut buffer).await? > 0 {}
    Ok(())
}

async fn rev(channel: &mut Channel<'_>) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK];
    let mut line = Vec::new();
    loop {
        let count = channel.read(&mut buffer).await?;
        let mut answer = Vec::with_capacity(count);
        for &byte in &buffer[..count] {
            line.push(byte);
            if byte == b'\n' || line.len() == LINE {
                reverse(&mut line, &mut answer);
            }
        }
        if count == 0 {
            reverse(&mut line, &mut answer);
        }
        channel.write_all(&answer).await?;
        if count == 0 {
            return Ok(());
        }
    }
}

/// Takes a line and gives it reversed; the end of the line stays where it is.
fn reverse(line: &mut Vec<u8>, out: &mut Vec<u8>) {
    let text = line.strip_suffix(b"\r\n").or_else(|| line.strip_suffix(b"\n")).unwrap_or(line);
    out.extend(text.iter().rev());
    out.extend(&line[text.len()..]);
    line.clear();
}

async fn source(channel: &mut Channel<'_>) -> io::Result<()> {
    const LINE_OF_TEXT: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-\n";
    let bytes = LINE_OF_TEXT.repeat(CHUNK / LINE_OF_TEXT.len());
    let mut buffer = vec![0; CHUNK];
    let mut start = 0;
    channel.counts.read += std::mem::take(&mut channel.early).len() as u64;
    // A client that closes is noticed while it does not read.
    poll_fn(|cx| {
        loop {
            let mut space = ReadBuf::new(&mut buffer);
            let read = Pin::new(&mut *channel.tls).poll_read(cx, &mut space);
            channel.watch.look(channel.tls);
            match read {
                Poll::Ready(Ok(())) if space.filled().is_empty() => return Poll::Ready(Ok(())),
                Poll::Ready(Ok(())) => channel.counts.read += space.filled().len() as u64,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {}
            }
            match Pin::new(&mut *channel.tls).poll_write(cx, &bytes[start..]) {
                Poll::Ready(Ok(count)) => {
                    channel.counts.written += count as u64;
                    start = (start + count) % bytes.len();
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_reversed_but_for_its_end() {
        let reversed = |text: &[u8]| {
            let (mut line, mut out) = (text.to_vec(), Vec::new());
            reverse(&mut line, &mut out);
            assert!(line.is_empty());
            out
        };
        assert_eq!(reversed(b"abc\n"), b"cba\n");
        assert_eq!(reversed(b"abc\r\n"), b"cba\r\n");
        assert_eq!(reversed(b"abc"), b"cba");
        assert_eq!(reversed(b"\n"), b"\n");
        assert_eq!(reversed(b""), b"");
    }
}
