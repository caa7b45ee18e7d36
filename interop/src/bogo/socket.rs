//! The runner's end of the line.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, TcpStream};

use super::Result;
use super::flag::Flags;

/// A socket that hands out what has arrived in one piece, or byte by byte.
pub(super) struct Socket {
    tcp: TcpStream,
    /// What arrived and was not handed out.
    arrived: VecDeque<u8>,
    one_by_one: bool,
}

impl Socket {
    /// Connects to the runner and says who this is.
    pub(super) fn connect(flags: &Flags) -> Result<Socket> {
        // Older runners listen on either, and say which one by nothing.
        let tcp = match TcpStream::connect((Ipv6Addr::LOCALHOST, flags.port)) {
            Ok(tcp) => tcp,
            Err(error) if flags.ipv6 => return Err(error.into()),
            Err(_) => TcpStream::connect((Ipv4Addr::LOCALHOST, flags.port))?,
        };
        tcp.set_nodelay(true)?;
        let mut socket = Socket { tcp, arrived: VecDeque::new(), one_by_one: flags.parameters.asynchronous };
        if let Some(id) = flags.shim_id {
            socket.send(&id.to_le_bytes())?;
        }
        Ok(socket)
    }

    pub(super) fn send(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.tcp.write_all(bytes)?)
    }

    /// What came next; empty at the end.
    pub(super) fn receive(&mut self) -> Result<Vec<u8>> {
        if self.arrived.is_empty() {
            let mut buf = [0; 16 * 1024];
            let count = match self.tcp.read(&mut buf) {
                Ok(count) => count,
                // The runner closes without reading the rest.
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => 0,
                Err(error) => return Err(error.into()),
            };
            self.arrived.extend(&buf[..count]);
        }
        let count = if self.one_by_one { self.arrived.len().min(1) } else { self.arrived.len() };
        Ok(self.arrived.drain(..count).collect())
    }
}

impl Drop for Socket {
    /// Waits for the runner's end, so that an alert is not lost with what it was about.
    fn drop(&mut self) {
        if self.tcp.shutdown(Shutdown::Write).is_ok() {
            let mut buf = [0; 1024];
            while matches!(self.tcp.read(&mut buf), Ok(1..)) {}
        }
    }
}
