//! What is said over a connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake, Waker};

use patina_tls::{EarlyDataStatus, Error, ErrorKind, KeyUpdate, TlsEngine};

use super::flag::Flags;
use super::socket::Socket;
use super::{Result, check, failed};

/// What is written first, where a flag says so.
pub(super) const GREETING: &[u8] = b"hello";

/// The sizes that upset implementations which split records.
const RECORD_SIZES: [usize; 11] = [0, 1, 255, 256, 257, 16383, 16384, 16385, 32767, 32768, 32769];

/// How much is read at once, so that records come in several pieces.
const READ_SIZE: usize = 512;

/// An engine with its socket.
pub(super) struct Talk<'a> {
    flags: &'a Flags,
    engine: TlsEngine,
    /// How much of the greeting was given as early data.
    early: usize,
    socket: Socket,
    /// Whether a hook that takes its time has its answer.
    answer: Arc<Answer>,
    waker: Waker,
}

#[derive(Debug, Default)]
struct Answer(AtomicBool);

impl Wake for Answer {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Release);
    }
}

impl<'a> Talk<'a> {
    pub(super) fn new(flags: &'a Flags, engine: TlsEngine, early: usize) -> Result<Talk<'a>> {
        let answer = Arc::new(Answer::default());
        let waker = Waker::from(Arc::clone(&answer));
        Ok(Talk { flags, engine, early, socket: Socket::connect(flags)?, answer, waker })
    }

    /// Does what these flags say, from now on.
    pub(super) fn go_on(&mut self, flags: &'a Flags) {
        self.flags = flags;
    }

    pub(super) fn engine(&self) -> &TlsEngine {
        &self.engine
    }

    /// Answers early data, on a server, until there is no more.
    pub(super) fn answer_early(&mut self) -> Result<()> {
        let mut buf = vec![0; self.read_size()];
        loop {
            let outcome = self.engine.read_early_with(&mut Context::from_waker(&self.waker), &mut buf);
            self.flush(outcome.is_err())?;
            match outcome? {
                Some(0) => return Ok(()),
                Some(count) => {
                    let outcome = self.engine.write_early(&opposite(&buf[..count]));
                    self.flush(outcome.is_err())?;
                    outcome?;
                }
                None => self.fill()?,
            }
        }
    }

    fn read_size(&self) -> usize {
        self.flags.read_size.filter(|size| *size > 0).unwrap_or(READ_SIZE)
    }

    /// Shakes hands.
    pub(super) fn shake(&mut self) -> Result<()> {
        loop {
            let outcome = self.engine.advance_with(&mut Context::from_waker(&self.waker));
            self.flush(outcome.is_err())?;
            outcome?;
            if self.engine.is_established() {
                return Ok(());
            }
            self.fill()?;
        }
    }

    /// Sends what the engine has. Behind a failure of the engine, one of the socket says nothing more.
    fn flush(&mut self, has_failed: bool) -> Result<()> {
        let output = self.engine.take_output();
        match self.socket.send(&output) {
            Err(_) if has_failed => Ok(()),
            other => other,
        }
    }

    /// Waits for what the engine needs: the answer of a hook, or bytes.
    fn fill(&mut self) -> Result<()> {
        if self.answer.0.swap(false, Ordering::Acquire) {
            return Ok(());
        }
        let bytes = self.socket.receive()?;
        match bytes.is_empty() {
            true => self.engine.receive_end(),
            false => self.engine.receive(&bytes),
        }
        Ok(())
    }

    fn write_all(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            let outcome = self.engine.write(bytes);
            self.flush(outcome.is_err())?;
            let taken = outcome?;
            bytes = &bytes[taken..];
            if taken == 0 {
                // The handshake is not over.
                match self.engine.is_established() {
                    true => self.fill()?,
                    false => self.shake()?,
                }
            }
        }
        Ok(())
    }

    /// Plaintext; `None` at the peer's end, with close_notify or without.
    fn read(&mut self, buf: &mut [u8]) -> Result<Option<usize>> {
        loop {
            if self.flags.use_exporter_between_reads {
                self.engine.negotiated().export_keying_material(20, "some label", Some(b"some context"))?;
            }
            let outcome = self.engine.read_with(&mut Context::from_waker(&self.waker), buf);
            self.flush(outcome.is_err())?;
            match outcome {
                Ok(Some(0)) => return Ok(None),
                Ok(Some(count)) => return Ok(Some(count)),
                Ok(None) => self.fill()?,
                Err(error) if error.kind() == ErrorKind::Truncated && self.engine.is_established() => {
                    return Ok(None);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Writes and reads what the flags say.
    pub(super) fn exchange(&mut self) -> Result<()> {
        self.tell_secrets()?;
        if self.flags.write_different_record_sizes {
            let bytes = vec![0x42; RECORD_SIZES.into_iter().max().unwrap_or_default()];
            return RECORD_SIZES.into_iter().try_for_each(|size| self.write_all(&bytes[..size]));
        }
        if self.flags.shim_writes_first {
            // What went early has arrived.
            let early = if self.engine.negotiated().early_data_status() == EarlyDataStatus::Accepted {
                self.early
            } else {
                0
            };
            self.write_all(&GREETING[early..])?;
        }
        if self.flags.shim_shuts_down {
            return Ok(());
        }
        let mut buf = vec![0; self.read_size()];
        while let Some(count) = self.read(&mut buf)? {
            if self.flags.key_update {
                self.engine.update_keys(KeyUpdate::Own)?;
            }
            self.write_all(&opposite(&buf[..count]))?;
        }
        if !self.engine.is_established() {
            return failed("the peer has ended the connection within the handshake");
        }
        Ok(())
    }

    /// What both sides must have come to alike.
    fn tell_secrets(&mut self) -> Result<()> {
        if self.flags.export_keying_material > 0 {
            let context = self.flags.use_export_context.then_some(&*self.flags.export_context);
            let (length, label) = (self.flags.export_keying_material, &self.flags.export_label);
            let material = self.engine.negotiated().export_keying_material(length, label, context)?;
            self.write_all(&material)?;
        }
        if self.flags.tls_unique {
            let unique = check::tls_unique(self.flags, &self.engine)?;
            self.write_all(&unique)?;
        }
        Ok(())
    }

    /// Closes; with a flag, properly, and not before the peer has.
    pub(super) fn close(&mut self) -> Result<()> {
        if !self.flags.check_close_notify {
            return Ok(());
        }
        let outcome: std::result::Result<(), Error> = self.engine.close();
        self.flush(outcome.is_err())?;
        outcome?;
        let mut buf = [0; READ_SIZE];
        loop {
            let outcome = self.engine.read_with(&mut Context::from_waker(&self.waker), &mut buf);
            self.flush(outcome.is_err())?;
            match outcome? {
                Some(0) => return Ok(()),
                Some(_) => return failed("data came where close_notify was due"),
                None => self.fill()?,
            }
        }
    }
}

/// What the runner expects for its bytes.
fn opposite(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().map(|byte| byte ^ 0xff).collect()
}
