//! Reading a string as `ssl_cipher_process_rulestr` does, byte by byte.
//!
//! What libssl reads depends on what it knows: the text after an unknown word is skipped up to the next separator, the text
//! after a known one is read. So the scanner asks a [`Library`] about each word, and tells a [`Sink`] what it found.

use std::borrow::Cow;
use std::ops::Range;

use crate::diagnostic::{ErrorKind, ParseError};
use crate::generation::Generation;
use crate::library::Library;
use crate::nearest::pick;
use crate::order::Action;
use crate::vocabulary::{Criteria, Entry};

/// libssl's `DEFAULT` (`OSSL_default_cipher_list`).
pub(crate) const DEFAULT: &str = "ALL:!COMPLEMENTOFDEFAULT:!eNULL";

/// The four Suite B words; the longer ones come first.
pub(crate) const SUITE_B: [(&str, &str); 4] = [
    ("SUITEB128ONLY", "ECDHE-ECDSA-AES128-GCM-SHA256"),
    ("SUITEB128C2", "ECDHE-ECDSA-AES256-GCM-SHA384"),
    ("SUITEB128", "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384"),
    ("SUITEB192", "ECDHE-ECDSA-AES256-GCM-SHA384"),
];

/// A word as it was found.
#[derive(Debug, Clone)]
pub(crate) struct RawWord {
    pub(crate) span: Range<usize>,
    pub(crate) entry: Option<Entry>,
}

/// What one item of a string does.
#[derive(Debug)]
pub(crate) enum RawItem<'a> {
    /// `DEFAULT` at the very beginning.
    Default,
    /// A Suite B word at the very beginning, by its place in [`SUITE_B`]; the rest of the string counts for nothing.
    SuiteB(usize),
    /// Words with an operator. No criteria: libssl ignores the item, because the last word is unknown or cannot go with
    /// those before it.
    Rule { action: Action, words: &'a [RawWord], criteria: Option<Criteria> },
    /// `@STRENGTH`.
    Strength,
    /// `@SECLEVEL=n`.
    SecurityLevel(u8),
}

/// Takes what the scanner finds.
pub(crate) trait Sink {
    /// An item at `span`, after which libssl skipped `skipped` unread.
    fn item(&mut self, span: Range<usize>, item: RawItem<'_>, skipped: Range<usize>);
}

/// The beginnings that stand for something only there.
pub(crate) fn prefix_of(source: &str, generation: Generation) -> Option<&'static str> {
    let starts = |word: &str| {
        source.as_bytes().get(..word.len()).is_some_and(|head| {
            if generation < Generation::V4_0 {
                head == word.as_bytes()
            } else {
                head.eq_ignore_ascii_case(word.as_bytes())
            }
        })
    };
    SUITE_B.iter().map(|(word, _)| *word).chain(["DEFAULT"]).find(|word| starts(word))
}

/// Reads a whole string.
pub(crate) fn scan(source: &str, library: &Library, sink: &mut impl Sink) -> Result<(), ParseError> {
    if let Some(at) = source.find('\0') {
        // A C string would end here, so part of the string would silently not count.
        let message = "a NUL byte cannot be part of a cipher string";
        return Err(ParseError::new(ErrorKind::InvalidCommand, at..at + 1, message, None));
    }
    let mut from = 0;
    if let Some(word) = prefix_of(source, library.generation()) {
        if let Some(index) = SUITE_B.iter().position(|(name, _)| *name == word) {
            sink.item(0..word.len(), RawItem::SuiteB(index), word.len()..source.len());
            return Ok(());
        }
        from = word.len();
        sink.item(0..from, RawItem::Default, from..from);
        if source.as_bytes().get(from) == Some(&b':') {
            from += 1;
        }
    }
    Scanner { source, library, at: from, words: Vec::new() }.run(sink)
}

struct Scanner<'a> {
    source: &'a str,
    library: &'a Library,
    at: usize,
    words: Vec<RawWord>,
}

impl Scanner<'_> {
    fn peek(&self) -> Option<u8> {
        self.source.as_bytes().get(self.at).copied()
    }

    fn run(mut self, sink: &mut impl Sink) -> Result<(), ParseError> {
        while let Some(byte) = self.peek() {
            if is_separator(byte) {
                self.at += 1;
                continue;
            }
            let start = self.at;
            let action = match byte {
                b'-' => Action::Delete,
                b'+' => Action::Order,
                b'!' => Action::Kill,
                b'@' => {
                    self.command(sink)?;
                    continue;
                }
                _ => Action::Add,
            };
            if action != Action::Add {
                self.at += 1;
            }
            self.rule(start, action, sink)?;
        }
        Ok(())
    }

    /// `@STRENGTH` or `@SECLEVEL=n`.
    fn command(&mut self, sink: &mut impl Sink) -> Result<(), ParseError> {
        let start = self.at;
        self.at += 1;
        let name = self.word();
        let text = &self.source[name.clone()];
        let folded = match self.library.generation() {
            Generation::V4_0 => Cow::Owned(text.to_ascii_uppercase()),
            _ => Cow::Borrowed(text),
        };
        let refuse = |message: String, help: Option<&str>| {
            Err(ParseError::new(ErrorKind::InvalidCommand, start..name.end, message, help.map(Into::into)))
        };
        let item = match folded.strip_prefix("SECLEVEL=") {
            _ if name.is_empty() => return self.nothing_where_a_word_should_be(start),
            _ if folded == "STRENGTH" => RawItem::Strength,
            Some(level) => match level.as_bytes() {
                [digit @ b'0'..=b'5'] => RawItem::SecurityLevel(digit - b'0'),
                _ => return refuse("the security level is one digit from 0 to 5".into(), None),
            },
            None if folded == "SECLEVEL" => {
                return refuse("the level is missing".into(), Some("write @SECLEVEL=2"));
            }
            None => {
                let help = match pick(
                    text.split('=').next().unwrap_or(text),
                    ["STRENGTH", "SECLEVEL"].into_iter(),
                ) {
                    Some("STRENGTH") => "did you mean @STRENGTH?",
                    Some(_) => "did you mean @SECLEVEL=n?",
                    None => "the commands are @STRENGTH and @SECLEVEL=n",
                };
                return refuse(format!("there is no command @{text}"), Some(help));
            }
        };
        let skipped = self.skip_to_separator();
        sink.item(start..name.end, item, skipped);
        Ok(())
    }

    /// One or several words with an operator.
    fn rule(&mut self, start: usize, action: Action, sink: &mut impl Sink) -> Result<(), ParseError> {
        self.words.clear();
        let mut criteria = Some(Criteria::default());
        loop {
            let span = self.word();
            if span.is_empty() {
                return self.nothing_where_a_word_should_be(start);
            }
            let more = self.peek() == Some(b'+');
            if more {
                self.at += 1;
            }
            let found = self.library.lookup(&self.source[span.clone()]);
            self.words.push(RawWord { span, entry: found.map(|(entry, _)| entry) });
            criteria = criteria.and_then(|so_far| so_far.and(&found?.1));
            if criteria.is_none() || !more {
                break;
            }
        }
        let end = self.words.last().map_or(start, |word| word.span.end);
        let skipped = if criteria.is_some() { end..end } else { self.skip_to_separator() };
        sink.item(
            start..end,
            RawItem::Rule { action, words: &self.words, criteria },
            end.min(skipped.end)..skipped.end,
        );
        Ok(())
    }

    /// The letters, digits and marks that make up a word.
    fn word(&mut self) -> Range<usize> {
        let start = self.at;
        // Standard names came in 3.2, and the underscore with them.
        let underscore = self.library.generation() >= Generation::V3_5;
        while self.peek().is_some_and(|byte| is_word(byte, underscore)) {
            self.at += 1;
        }
        start..self.at
    }

    fn skip_to_separator(&mut self) -> Range<usize> {
        let start = self.at;
        while self.peek().is_some_and(|byte| !is_separator(byte)) {
            self.at += 1;
        }
        start..self.at
    }

    /// Says why there is no word at the place where the scanner stands.
    fn nothing_where_a_word_should_be(&self, start: usize) -> Result<(), ParseError> {
        let rest = &self.source[self.at..];
        let refuse = |span, message: String, help: Option<&str>| {
            Err(ParseError::new(ErrorKind::InvalidCommand, span, message, help.map(Into::into)))
        };
        match rest.chars().next() {
            Some(c) if !is_separator_char(c) => {
                let help = match c {
                    '[' | ']' | '|' => Some("groups of equal preference are BoringSSL's"),
                    '%' => Some("this looks like a GnuTLS priority string"),
                    '_' => Some("standard names are words from libssl 3.2 on"),
                    '!' | '-' | '+' | '@' => Some("one operator is enough"),
                    _ => None,
                };
                let span = self.at..self.at + c.len_utf8();
                refuse(span, format!("{c:?} cannot stand here"), help)
            }
            _ => {
                let operator = &self.source[start..self.at];
                refuse(start..self.at, format!("a word is missing after {operator:?}"), None)
            }
        }
    }
}

fn is_separator(byte: u8) -> bool {
    matches!(byte, b':' | b' ' | b';' | b',')
}

fn is_separator_char(c: char) -> bool {
    c.is_ascii() && is_separator(c as u8)
}

fn is_word(byte: u8, underscore: bool) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'=') || (underscore && byte == b'_')
}
