//! The key log: the secrets of a connection, for tools that decrypt captures.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::Mutex;

use crate::values::error::Error;

/// Where the lines of the key log go.
///
/// Closures `Fn(&str)` are key logs. The lines have the format that Wireshark reads (`SSLKEYLOGFILE`,
/// draft-ietf-tls-keylogfile) and no line end.
///
/// # Security
/// Whoever has these lines can read the connections. They are made only where an application asks for them.
pub trait KeyLog: Send + Sync {
    /// Takes one line. Called in the middle of handshakes: it must not block for long.
    fn line(&self, line: &str);
}

impl<F: Fn(&str) + Send + Sync> KeyLog for F {
    fn line(&self, line: &str) {
        self(line);
    }
}

/// A key log that appends to a file, which only its owner can read (mode 0600).
#[derive(Debug)]
pub struct KeyLogFile(Mutex<File>);

impl KeyLogFile {
    /// Opens the file for appending, and makes it if it is not there.
    ///
    /// # Errors
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) with the option `key_log` when the file cannot be opened.
    pub fn append(path: impl AsRef<Path>) -> Result<KeyLogFile, Error> {
        let path = path.as_ref();
        let mut options = OpenOptions::new();
        options.append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path).map_err(|e| Error::io(e).with_option("key_log").with_file(path))?;
        Ok(KeyLogFile(Mutex::new(file)))
    }
}

impl KeyLog for KeyLogFile {
    fn line(&self, line: &str) {
        let text = format!("{line}\n");
        let mut file = self.0.lock().unwrap_or_else(|e| e.into_inner());
        // A full disk must not end connections; the log is an aid.
        let _ = file.write_all(text.as_bytes());
    }
}

/// Where libssl's message trace goes: Node's `enableTrace`, the `-trace` of `openssl s_client`.
///
/// Closures `Fn(&str)` are sinks.
///
/// # Security
/// The text has all handshake messages in it, no keys, and no application data.
pub trait TraceSink: Send + Sync {
    /// Takes the description of one message, of one or several lines.
    fn message(&self, text: &str);
}

impl<F: Fn(&str) + Send + Sync> TraceSink for F {
    fn message(&self, text: &str) {
        self(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_cannot_be_opened_names_option_and_file() {
        let error = KeyLogFile::append("/no/such/directory/keys.log").unwrap_err();
        assert_eq!((error.option(), error.code()), (Some("key_log"), "ENOENT"));
        assert!(error.to_string().contains("/no/such/directory/keys.log"), "{error}");
    }
}
