//! The one error type of the library.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::alert::Alert;

/// Why a configuration, a handshake or a connection failed.
///
/// Decide on [`kind`](Error::kind), [`code`](Error::code), [`option`](Error::option) or
/// [`alert`](Error::alert); the text is for people and may change.
///
/// # Examples
///
/// ```
/// use patina_tls::{ClientConfig, ErrorKind};
///
/// let error = ClientConfig::builder().cipher_list("NO-SUCH-CIPHER").build().unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Config);
/// assert_eq!(error.option(), Some("cipher_list"));
/// assert_eq!(error.code(), "ERR_SSL_NO_CIPHER_MATCH");
/// ```
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    message: Cow<'static, str>,
    code: Cow<'static, str>,
    option: Option<&'static str>,
    span: Option<Range<usize>>,
    file: Option<PathBuf>,
    alert: Option<Alert>,
    reason: Option<Reason>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// The family of an [`Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// An option has a value that cannot be used; [`Error::option`] names it.
    Config,
    /// The libssl in use lacks an ability; the text names what is missing and which version has it.
    Unsupported,
    /// The TLS protocol failed: no common parameters, malformed bytes, a failed check.
    Protocol,
    /// The peer ended the connection with a fatal alert; [`Error::alert`] is that alert.
    PeerAlert,
    /// The peer's certificate or its name was not accepted; [`Error::code`] is the verification code.
    Unauthorized,
    /// The handshake did not end within its time.
    Timeout,
    /// The transport ended without a close_notify: data may be missing (RFC 8446 section 6.1).
    Truncated,
    /// The transport failed; [`Error::source`](std::error::Error::source) is its `io::Error`.
    Io,
    /// The connection was closed before the call.
    Closed,
    /// A hook of the application answered with an error.
    Hook,
    /// The call is not possible now, such as keying material before the handshake.
    State,
}

/// The last entry of libssl's error queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reason {
    /// libssl's symbol without prefix, such as `NO_SHARED_CIPHER`.
    pub(crate) symbol: Cow<'static, str>,
    /// libssl's text.
    pub(crate) text: String,
    /// The number of the library that raised it (20 is SSL).
    pub(crate) library: i32,
    /// The number of the reason within its library.
    pub(crate) number: i32,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Error {
        Error(Box::new(Inner {
            kind,
            message: message.into(),
            code: Cow::Borrowed(kind.default_code()),
            option: None,
            span: None,
            file: None,
            alert: None,
            reason: None,
            source: None,
        }))
    }

    /// An option that cannot be used. `option` is the name of the builder's method.
    pub(crate) fn config(option: &'static str, message: impl Into<Cow<'static, str>>) -> Error {
        Error::new(ErrorKind::Config, message).with_option(option)
    }

    /// An ability that the libssl in use lacks.
    pub(crate) fn unsupported(message: impl Into<Cow<'static, str>>) -> Error {
        Error::new(ErrorKind::Unsupported, message)
    }

    /// An error that a hook of the application answers with: the handshake fails with `internal_error` and
    /// the caller finds `source` in this error.
    pub fn hook(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Error {
        let source = source.into();
        Error::new(ErrorKind::Hook, source.to_string()).with_source(source)
    }

    /// The same error for somebody else who is to be told, without what cannot be shared.
    pub(crate) fn without_source(&self) -> Error {
        let inner = &*self.0;
        Error(Box::new(Inner {
            kind: inner.kind,
            message: inner.message.clone(),
            code: inner.code.clone(),
            option: inner.option,
            span: inner.span.clone(),
            file: inner.file.clone(),
            alert: inner.alert,
            reason: inner.reason.clone(),
            source: None,
        }))
    }

    pub(crate) fn io(error: io::Error) -> Error {
        match error.downcast::<Error>() {
            Ok(own) => own,
            Err(error) => {
                let code = io_code(error.kind());
                Error::new(ErrorKind::Io, error.to_string()).with_code(code).with_source(error)
            }
        }
    }

    pub(crate) fn with_code(mut self, code: impl Into<Cow<'static, str>>) -> Error {
        self.0.code = code.into();
        self
    }

    /// Names the option, unless a deeper layer has named one.
    pub(crate) fn with_option(mut self, option: &'static str) -> Error {
        self.0.option.get_or_insert(option);
        self
    }

    /// Puts the error to another option: that of the builder's method which uses the one that failed.
    pub(crate) fn in_option(mut self, option: &'static str) -> Error {
        self.0.option = Some(option);
        self
    }

    /// Says which bytes of the option's text are meant.
    pub(crate) fn with_span(mut self, span: Option<Range<usize>>) -> Error {
        self.0.span = span;
        self
    }

    pub(crate) fn with_file(mut self, file: impl AsRef<Path>) -> Error {
        self.0.file.get_or_insert_with(|| file.as_ref().to_owned());
        self
    }

    pub(crate) fn with_alert(mut self, alert: Alert) -> Error {
        self.0.alert = Some(alert);
        self
    }

    /// Marks the error as an alert that the peer sent.
    pub(crate) fn into_peer_alert(mut self, alert: Alert) -> Error {
        self.0.kind = ErrorKind::PeerAlert;
        self.0.alert = Some(alert);
        self
    }

    pub(crate) fn with_reason(mut self, reason: Reason) -> Error {
        self.0.reason = Some(reason);
        self
    }

    pub(crate) fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Error {
        self.0.source = Some(source.into());
        self
    }

    /// Puts what was being done in front of the text: `reading the key: bad decrypt`.
    pub(crate) fn context(mut self, doing: impl fmt::Display) -> Error {
        self.0.message = Cow::Owned(format!("{doing}: {}", self.0.message));
        self
    }

    /// The family of the error.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The code under which Node's `tls` module reports the same failure, such as `ERR_SSL_NO_SHARED_CIPHER`,
    /// `CERT_HAS_EXPIRED` or `ECONNRESET`; stable over all versions of libssl.
    pub fn code(&self) -> &str {
        &self.0.code
    }

    /// The option of the configuration that is at fault: the name of the builder's method.
    pub fn option(&self) -> Option<&'static str> {
        self.0.option
    }

    /// The bytes of the option's text that are at fault, where the text is a list and libssl refuses a part of it: so far
    /// in `cipher_list` and `cipher_suites`. The [`message`](Error::message) has the column.
    ///
    /// # Examples
    ///
    /// ```
    /// use patina_tls::ClientConfig;
    ///
    /// let list = "ECHDE-RSA-AES128-SHA:!aNULL";
    /// let error = ClientConfig::builder().cipher_list(list).build().unwrap_err();
    /// assert_eq!(error.span().map(|span| &list[span]), Some("ECHDE-RSA-AES128-SHA"));
    /// assert!(error.message().contains("did you mean ECDHE-RSA-AES128-SHA?"));
    /// ```
    pub fn span(&self) -> Option<Range<usize>> {
        self.0.span.clone()
    }

    /// The file that holds the faulty value.
    pub fn file(&self) -> Option<&Path> {
        self.0.file.as_deref()
    }

    /// The fatal alert that ended the handshake or the connection, whoever sent it.
    pub fn alert(&self) -> Option<Alert> {
        self.0.alert
    }

    /// libssl's symbol for the reason, such as `NO_SHARED_CIPHER`, where libssl gave one.
    pub fn reason(&self) -> Option<&str> {
        self.0.reason.as_ref().map(|r| &*r.symbol)
    }

    /// libssl's library number and reason number, where libssl gave one.
    pub(crate) fn reason_number(&self) -> Option<(i32, i32)> {
        self.0.reason.as_ref().map(|r| (r.library, r.number))
    }

    /// The text without the option, the file and the sources.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Finds the library's error inside an `io::Error` that came from a stream of the library.
    pub fn from_io(error: &io::Error) -> Option<&Error> {
        error.get_ref().and_then(|e| e.downcast_ref())
    }
}

impl ErrorKind {
    /// The code of an error that has no more precise one.
    fn default_code(self) -> &'static str {
        match self {
            ErrorKind::Config => "ERR_INVALID_ARG_VALUE",
            ErrorKind::Unsupported => "ERR_CRYPTO_UNSUPPORTED_OPERATION",
            ErrorKind::Protocol | ErrorKind::PeerAlert => "EPROTO",
            ErrorKind::Unauthorized => "UNSPECIFIED",
            ErrorKind::Timeout => "ERR_TLS_HANDSHAKE_TIMEOUT",
            ErrorKind::Truncated => "ECONNRESET",
            ErrorKind::Io => "EIO",
            ErrorKind::Closed => "ERR_STREAM_DESTROYED",
            ErrorKind::Hook => "ERR_TLS_HOOK_FAILED",
            ErrorKind::State => "ERR_TLS_INVALID_STATE",
        }
    }
}

/// The errno name of an I/O error, as Node prints it.
fn io_code(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::ConnectionReset => "ECONNRESET",
        io::ErrorKind::ConnectionRefused => "ECONNREFUSED",
        io::ErrorKind::ConnectionAborted => "ECONNABORTED",
        io::ErrorKind::NotConnected => "ENOTCONN",
        io::ErrorKind::AddrInUse => "EADDRINUSE",
        io::ErrorKind::AddrNotAvailable => "EADDRNOTAVAIL",
        io::ErrorKind::BrokenPipe => "EPIPE",
        io::ErrorKind::TimedOut => "ETIMEDOUT",
        io::ErrorKind::HostUnreachable => "EHOSTUNREACH",
        io::ErrorKind::NetworkUnreachable => "ENETUNREACH",
        io::ErrorKind::NotFound => "ENOENT",
        io::ErrorKind::PermissionDenied => "EACCES",
        _ => "EIO",
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(option) = self.0.option {
            write!(f, "option {option}: ")?;
        }
        if let Some(file) = &self.0.file {
            write!(f, "{}: ", file.display())?;
        }
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.0;
        let mut out = f.debug_struct("Error");
        out.field("kind", &inner.kind).field("code", &inner.code).field("message", &inner.message);
        if let Some(option) = inner.option {
            out.field("option", &option);
        }
        if let Some(span) = &inner.span {
            out.field("span", span);
        }
        if let Some(file) = &inner.file {
            out.field("file", file);
        }
        if let Some(alert) = inner.alert {
            out.field("alert", &alert);
        }
        if let Some(reason) = &inner.reason {
            out.field("reason", reason);
        }
        if let Some(source) = &inner.source {
            out.field("source", source);
        }
        out.finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_ref().map(|s| &**s as &(dyn StdError + 'static))
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> io::Error {
        let kind = match error.kind() {
            ErrorKind::Truncated => io::ErrorKind::UnexpectedEof,
            ErrorKind::Timeout => io::ErrorKind::TimedOut,
            ErrorKind::Closed => io::ErrorKind::BrokenPipe,
            ErrorKind::Config | ErrorKind::State => io::ErrorKind::InvalidInput,
            ErrorKind::Unsupported => io::ErrorKind::Unsupported,
            ErrorKind::Unauthorized => io::ErrorKind::PermissionDenied,
            ErrorKind::Io => StdError::source(&error)
                .and_then(|s| s.downcast_ref::<io::Error>())
                .map_or(io::ErrorKind::Other, |s| s.kind()),
            ErrorKind::Protocol | ErrorKind::PeerAlert => io::ErrorKind::InvalidData,
            ErrorKind::Hook => io::ErrorKind::Other,
        };
        io::Error::new(kind, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_survives_the_way_through_io_error() {
        let io: io::Error = Error::new(ErrorKind::Truncated, "cut").into();
        assert_eq!(io.kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(Error::from_io(&io).unwrap().kind(), ErrorKind::Truncated);
        assert_eq!(Error::io(io).kind(), ErrorKind::Truncated);
    }

    #[test]
    fn a_transport_error_keeps_its_errno_name() {
        let error = Error::io(io::Error::from(io::ErrorKind::ConnectionRefused));
        assert_eq!((error.kind(), error.code()), (ErrorKind::Io, "ECONNREFUSED"));
        assert_eq!(io::Error::from(error).kind(), io::ErrorKind::ConnectionRefused);
    }

    #[test]
    fn the_text_names_option_and_file_before_the_reason() {
        let error = Error::config("identity", "no start line").with_file("a.pem").with_option("trust");
        assert_eq!(error.to_string(), "option identity: a.pem: no start line");
        assert_eq!(error.option(), Some("identity"), "the deeper layer's option stays");
    }

    #[test]
    fn the_first_hook_error_is_the_source() {
        let error = Error::hook("no database");
        assert_eq!(error.kind(), ErrorKind::Hook);
        assert_eq!(StdError::source(&error).unwrap().to_string(), "no database");
    }
}
