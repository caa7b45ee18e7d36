//! What is wrong with a string, and where.

use std::error::Error;
use std::fmt;
use std::ops::Range;

/// What a [`ParseError`] is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// libssl's `SSL_R_INVALID_COMMAND`: the string breaks the grammar.
    InvalidCommand,
    /// libssl's `SSL_R_NO_CIPHER_MATCH`: the string selects nothing.
    NoCipherMatch,
    /// Another program's language, such as Fedora's `PROFILE=SYSTEM`.
    ForeignSyntax,
}

/// Why libssl refuses a string, and the bytes of the string that are to blame.
///
/// ```
/// use patina_ciphers::{CipherString, ErrorKind};
///
/// let error = CipherString::parse("HIGH:@STRENTH").err().ok_or("it should be refused")?;
/// assert_eq!(error.kind(), ErrorKind::InvalidCommand);
/// assert_eq!(error.span(), 5..13);
/// assert_eq!(error.help(), Some("did you mean @STRENGTH?"));
/// # Ok::<(), &str>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseError {
    kind: ErrorKind,
    note: Note,
}

/// What a [`Warning`] is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WarningKind {
    /// libssl does not know the word and ignores it.
    UnknownWord,
    /// An item with `!`, `-` or `+` names what this libssl does not have, and others have or had: nothing is lost.
    NothingToRemove,
    /// No suite can have all parts of a conjunction, so libssl ignores it.
    Contradiction,
    /// libssl skips this text without reading it.
    Skipped,
    /// The word is known and selects, moves or removes nothing here.
    Idle,
}

/// Something that libssl lets pass in silence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    kind: WarningKind,
    note: Note,
}

/// Text, place and advice of an error or a warning.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Note {
    span: Range<usize>,
    message: String,
    help: Option<String>,
}

macro_rules! note_accessors {
    ($name:ident, $kind:ident) => {
        impl $name {
            pub(crate) fn new(
                kind: $kind,
                span: Range<usize>,
                message: impl Into<String>,
                help: Option<String>,
            ) -> Self {
                Self { kind, note: Note { span, message: message.into(), help } }
            }

            /// What it is about.
            #[must_use]
            pub fn kind(&self) -> $kind {
                self.kind
            }

            /// The bytes of the string that are meant; both ends lie on character boundaries.
            #[must_use]
            pub fn span(&self) -> Range<usize> {
                self.note.span.clone()
            }

            /// What is wrong, in one line.
            #[must_use]
            pub fn message(&self) -> &str {
                &self.note.message
            }

            /// What to do about it, such as the nearest known word.
            #[must_use]
            pub fn help(&self) -> Option<&str> {
                self.note.help.as_deref()
            }

            /// The message with the string under it and carets under the bytes that are meant; no newline at the end.
            ///
            /// `source` is the string that was parsed. Control characters in it are shown as `?`.
            #[must_use]
            pub fn render(&self, source: &str) -> String {
                self.note.render(source)
            }
        }
    };
}

note_accessors!(ParseError, ErrorKind);
note_accessors!(Warning, WarningKind);

impl ParseError {
    /// The symbol that libssl puts on its error queue, for instance `SSL_R_NO_CIPHER_MATCH`; `None` for foreign syntax.
    #[must_use]
    pub fn reason(&self) -> Option<&'static str> {
        match self.kind {
            ErrorKind::InvalidCommand => Some("SSL_R_INVALID_COMMAND"),
            ErrorKind::NoCipherMatch => Some("SSL_R_NO_CIPHER_MATCH"),
            ErrorKind::ForeignSyntax => None,
        }
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.note.fmt(f)
    }
}

impl Error for ParseError {}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.note.fmt(f)
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.message, self.span.start)?;
        match &self.help {
            Some(help) => write!(f, " ({help})"),
            None => Ok(()),
        }
    }
}

impl Note {
    fn render(&self, source: &str) -> String {
        let visible: String = source.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
        let chars = |range: Range<usize>| source.get(range).map_or(0, |text| text.chars().count());
        let indent = " ".repeat(chars(0..self.span.start));
        let carets = "^".repeat(chars(self.span.clone()).max(1));
        let help = self.help.as_ref().map(|help| format!(" {help}")).unwrap_or_default();
        format!("{}\n  {visible}\n  {indent}{carets}{help}", self.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn carets_stand_under_characters_not_bytes() {
        let error =
            ParseError::new(ErrorKind::InvalidCommand, 3..5, "what is this", Some("try ascii".into()));
        assert_eq!(error.render("é:é\n"), "what is this\n  é:é?\n    ^ try ascii");
    }
}
