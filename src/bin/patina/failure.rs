//! Why the program ends with an error, and with which exit code.

use std::io;
use std::ops::Range;
use std::path::Path;

use patina_tls::{Error, ErrorKind};
use serde_json::{Value, json};

use crate::output::printable;

/// What went wrong.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Wrong use: exit code 2.
    Usage(String),
    /// Wrong use, with a drawing of where: exit code 2.
    Pointed(String),
    /// A handshake or a connection: exit code 1.
    Connection(Report),
    /// Something else: exit code 1.
    Other(String),
}

/// A failed handshake or connection, as it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Report {
    pub(crate) code: String,
    pub(crate) reason: String,
    pub(crate) alert: Option<(u8, String)>,
}

impl Failure {
    /// An option that cannot be used, under the name that it has on the command line.
    pub(crate) fn option(flag: &str, error: &Error) -> Failure {
        let file = error.file().map(|file| format!("{}: ", file.display())).unwrap_or_default();
        let code = match error.code() {
            "ERR_INVALID_ARG_VALUE" => String::new(),
            code => format!(" ({code})"),
        };
        // The library speaks of its own methods.
        let text = without_errno(error.message()).replace("security_level(0)", "--security-level 0");
        Failure::Usage(format!("{flag}: {file}{text}{code}"))
    }

    /// A file that an option names and that cannot be read.
    pub(crate) fn unreadable(flag: &str, file: &Path, error: &io::Error) -> Failure {
        let text = error.to_string();
        Failure::Usage(format!("{flag}: {}: {} ({})", file.display(), without_errno(&text), errno(error)))
    }

    /// An option that the library refused when it applied all of them.
    pub(crate) fn build(error: &Error) -> Failure {
        Failure::option(error.option().map_or("configuration", flag), error)
    }

    /// The same, with carets below the part of the option's text that is at fault.
    pub(crate) fn pointed(self, text: &str, span: &Range<usize>) -> Failure {
        let (Some(before), Some(meant)) = (text.get(..span.start), text.get(span.clone())) else {
            return self;
        };
        let indent = " ".repeat(before.chars().count());
        let carets = "^".repeat(meant.chars().count().max(1));
        let visible = text.replace(char::is_control, "?");
        Failure::Pointed(format!("{}\n  {visible}\n  {indent}{carets}", self.line()))
    }

    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Failure::Usage(_) | Failure::Pointed(_) => 2,
            Failure::Connection(_) | Failure::Other(_) => 1,
        }
    }

    /// The text for stderr: one line, but for a drawing.
    pub(crate) fn line(&self) -> String {
        match self {
            Failure::Usage(text) | Failure::Other(text) => printable(text),
            Failure::Pointed(text) => text.clone(),
            Failure::Connection(report) => printable(&report.line()),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        match error.kind() {
            ErrorKind::Config => Failure::build(&error),
            _ => Failure::Connection(Report::of(&error)),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::Connection(Report::of_io(&error))
    }
}

impl Report {
    pub(crate) fn of(error: &Error) -> Report {
        Report {
            code: error.code().to_owned(),
            reason: without_errno(error.message()).to_owned(),
            alert: error.alert().map(|alert| (alert.code(), alert.to_string())),
        }
    }

    pub(crate) fn of_io(error: &io::Error) -> Report {
        match Error::from_io(error) {
            Some(error) => Report::of(error),
            None => {
                let reason = without_errno(&error.to_string()).to_owned();
                Report { code: errno(error).to_owned(), reason, alert: None }
            }
        }
    }

    /// Puts what was being done in front of the reason.
    pub(crate) fn doing(mut self, doing: &str) -> Report {
        self.reason = format!("{doing}: {}", self.reason);
        self
    }

    pub(crate) fn line(&self) -> String {
        let alert = match &self.alert {
            Some((number, name)) => format!(" (alert {number} {name})"),
            None => String::new(),
        };
        // libssl's text has the number in it as well.
        let reason = self.reason.split(" (SSL alert number").next().unwrap_or(&self.reason);
        format!("{}: {reason}{alert}", self.code)
    }

    /// The same as fields of an event.
    pub(crate) fn fields(&self) -> [(&'static str, Value); 3] {
        let alert = self.alert.as_ref().map(|(number, _)| *number);
        [("code", json!(self.code)), ("reason", json!(self.reason)), ("alert", json!(alert))]
    }
}

/// A text of the standard library without its number, of which the code is the name.
fn without_errno(text: &str) -> &str {
    text.split(" (os error").next().unwrap_or(text)
}

/// The name that an error of the system has in errno.h.
fn errno(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => "EADDRINUSE",
        io::ErrorKind::AddrNotAvailable => "EADDRNOTAVAIL",
        io::ErrorKind::BrokenPipe => "EPIPE",
        io::ErrorKind::ConnectionAborted => "ECONNABORTED",
        io::ErrorKind::ConnectionRefused => "ECONNREFUSED",
        io::ErrorKind::ConnectionReset => "ECONNRESET",
        io::ErrorKind::HostUnreachable => "EHOSTUNREACH",
        io::ErrorKind::NetworkUnreachable => "ENETUNREACH",
        io::ErrorKind::NotConnected => "ENOTCONN",
        io::ErrorKind::NotFound => "ENOENT",
        io::ErrorKind::PermissionDenied => "EACCES",
        io::ErrorKind::TimedOut => "ETIMEDOUT",
        _ => "EIO",
    }
}

/// The option of the command line for a method of the library's builder.
fn flag(option: &'static str) -> &'static str {
    match option {
        "alpn" => "--alpn",
        "certificate_compression" => "--cert-compression",
        "cipher_list" => "--ciphers",
        "cipher_suites" => "--ciphersuites",
        "client_cert_engine" => "--client-cert-engine",
        "client_auth" => "--request-cert",
        "client_sigalgs" => "--client-sigalgs",
        "crl" => "--crl",
        "dhparam" => "--dhparam",
        "early_data" => "--early-data",
        "groups" => "--groups",
        "handshake_timeout" => "--handshake-timeout",
        "host" => "HOST:PORT",
        "identity" => "--cert",
        "key_log" => "--keylog",
        "max_send_fragment" => "--max-send-fragment",
        "min_dh_size" => "--min-dh-size",
        "npn" => "--npn",
        "ocsp_source" => "--ocsp-response",
        "psk" => "--psk",
        "psk_hint" => "--psk-identity-hint",
        "request_ocsp" => "--request-ocsp",
        "secure_options" => "--secure-options",
        "secure_protocol" => "--secure-protocol",
        "security_level" => "--security-level",
        "server_name" => "--servername",
        "session" => "--session-in",
        "session_id_context" => "--session-id-context",
        "ticket_keys" => "--ticket-keys",
        "session_timeout" => "--session-timeout",
        "sigalgs" => "--sigalgs",
        "trust" => "--ca",
        "versions" => "--min-version, --max-version",
        other => other,
    }
}
