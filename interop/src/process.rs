//! Child processes: their output as one text that can be waited for, and their end with ours.

use std::fmt;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe::Receiver;
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::trouble::{Result, Trouble};

/// How long a peer may take for any one thing.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// How much of a process's output stands in an error.
const TAIL: usize = 3000;

/// A running program. It is killed when the value is dropped.
pub struct Process {
    name: String,
    child: Child,
    stdin: Option<ChildStdin>,
    output: Arc<Output>,
}

/// What a process wrote to its standard output and error, in the order in which it wrote it.
struct Output {
    bytes: Mutex<Vec<u8>>,
    /// How much there is, and whether that is all.
    length: watch::Sender<(usize, bool)>,
}

impl Process {
    /// Starts a program with piped input and output. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// When the program is not there: a peer that is missing is an error.
    pub fn spawn(mut command: Command) -> Result<Process> {
        let name = command.as_std().get_program().to_string_lossy().into_owned();
        let (reader, writer) = std::io::pipe()?;
        // One pipe for both, so that the order of messages and errors is known.
        command.stdin(Stdio::piped()).stdout(writer.try_clone()?).stderr(writer).kill_on_drop(true);
        let mut child =
            command.spawn().map_err(|e| Trouble::from(e).context(format_args!("cannot run {name}")))?;
        // The command has our ends of the pipe: they must close for the output to end.
        drop(command);
        let stdin = child.stdin.take();
        let output = Arc::new(Output { bytes: Mutex::default(), length: watch::Sender::new((0, false)) });
        tokio::spawn(collect(Receiver::from_owned_fd(reader.into())?, Arc::clone(&output)));
        Ok(Process { name, child, stdin, output })
    }

    /// Waits until `find` finds something in the whole output so far; `ended` says that no more will come.
    ///
    /// # Errors
    /// When it finds nothing although the output has ended, or within [`PATIENCE`].
    pub async fn until<T>(&self, what: &str, mut find: impl FnMut(&[u8], bool) -> Option<T>) -> Result<T> {
        let mut length = self.output.length.subscribe();
        let search = async {
            loop {
                let (_, ended) = *length.borrow_and_update();
                if let Some(found) = find(&self.output.lock(), ended) {
                    return Ok(found);
                }
                if ended || length.changed().await.is_err() {
                    return Err("ended");
                }
            }
        };
        match timeout(PATIENCE, search).await.unwrap_or(Err("was silent for too long")) {
            Ok(found) => Ok(found),
            Err(why) => {
                Err(Trouble::new(format!("{} {why} before {what}; it wrote:\n{}", self.name, self.tail())))
            }
        }
    }

    /// Waits for a text at or after `from`, and gives where it ends; `None` when the process ends without it.
    ///
    /// # Errors
    /// When neither comes within [`PATIENCE`].
    pub async fn find(&self, text: &str, from: usize) -> Result<Option<usize>> {
        let mut next = from;
        self.until(text, |bytes, ended| {
            let found = position(&bytes[next..], text.as_bytes());
            match found {
                Some(at) => Some(Some(next + at + text.len())),
                None if ended => Some(None),
                None => {
                    // What was searched needs no second look, but for a text that is half there.
                    next = bytes.len().saturating_sub(text.len()).max(next);
                    None
                }
            }
        })
        .await
    }

    /// Writes to the program's input. A program that has gone is no error: its output says why.
    ///
    /// # Errors
    /// When the input is not taken within [`PATIENCE`].
    pub async fn send(&mut self, bytes: &[u8]) -> Result<()> {
        let Some(stdin) = &mut self.stdin else { return Err(Trouble::new("the input is closed")) };
        let write = async {
            stdin.write_all(bytes).await?;
            stdin.flush().await
        };
        match timeout(PATIENCE, write).await {
            Err(_) => Err(Trouble::new(format!(
                "{} does not read its input; it wrote:\n{}",
                self.name,
                self.tail()
            ))),
            Ok(Err(error)) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
            Ok(_) => Ok(()),
        }
    }

    /// Ends the program's input.
    pub fn close_input(&mut self) {
        self.stdin = None;
    }

    /// Waits until the program has ended and all of its output is here.
    ///
    /// # Errors
    /// When it goes on for longer than [`PATIENCE`].
    pub async fn wait(&mut self) -> Result<()> {
        self.until("its end", |_, ended| ended.then_some(())).await?;
        match timeout(PATIENCE, self.child.wait()).await {
            Ok(status) => status.map(drop).map_err(Trouble::from),
            Err(_) => Err(Trouble::new(format!("{} does not end", self.name))),
        }
    }

    /// Kills the program (SIGKILL) and waits for its end: its sockets are closed without a word of TLS.
    ///
    /// # Errors
    /// As [`wait`](Process::wait).
    pub async fn kill(&mut self) -> Result<()> {
        self.child.start_kill()?;
        self.wait().await
    }

    /// The port of 127.0.0.1, or of any address, that the program listens on; for programs that do not say it.
    ///
    /// # Errors
    /// When it listens on none.
    pub fn listening_port(&self) -> Result<u16> {
        let none = || Trouble::new(format!("{} listens on no port", self.name));
        let id = self.child.id().ok_or_else(none)?;
        let sockets: Vec<String> = std::fs::read_dir(format!("/proc/{id}/fd"))?
            .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
            .filter_map(|target| {
                Some(target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned())
            })
            .collect();
        // `0: 0100007F:A1B2 00000000:0000 0A ... INODE`, where 0A is LISTEN.
        let table = std::fs::read_to_string(format!("/proc/{id}/net/tcp"))?;
        let port = table.lines().find_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let listens = words.get(3) == Some(&"0A")
                && sockets.iter().any(|inode| words.get(9) == Some(&inode.as_str()));
            listens.then(|| u16::from_str_radix(words[1].split_once(':')?.1, 16).ok())?
        });
        port.ok_or_else(none)
    }

    /// The output so far.
    pub fn output(&self) -> Vec<u8> {
        self.output.lock().clone()
    }

    /// The end of the output so far, for people.
    pub fn tail(&self) -> String {
        let bytes = self.output.lock();
        String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(TAIL)..]).into_owned()
    }
}

impl Output {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<u8>> {
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn collect(mut pipe: Receiver, output: Arc<Output>) {
    let mut buf = vec![0; 64 * 1024];
    loop {
        let ended = match pipe.read(&mut buf).await {
            Ok(0) | Err(_) => true,
            Ok(count) => {
                output.lock().extend_from_slice(&buf[..count]);
                false
            }
        };
        let length = output.lock().len();
        output.length.send_replace((length, ended));
        if ended {
            return;
        }
    }
}

/// Where `needle` begins.
pub fn position(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process")
            .field("name", &self.name)
            .field("id", &self.child.id())
            .finish_non_exhaustive()
    }
}
