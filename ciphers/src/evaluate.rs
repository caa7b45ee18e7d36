//! From a string to the ordered list of suites, as `ssl_create_cipher_list` does it.

use std::ops::Range;

use crate::diagnostic::{ErrorKind, ParseError};
use crate::generation::Generation;
use crate::library::Library;
use crate::order::{Action, Order};
use crate::parse::SuiteB;
use crate::scan::{DEFAULT, RawItem, SUITE_B, Sink, scan};
use crate::suite::Suite;
use crate::table::SUITES;
use crate::warn::{unknown, whole_word};

/// What a string selects in one libssl.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    suites: Vec<&'static Suite>,
    security_level: Option<u8>,
    suite_b: Option<SuiteB>,
}

impl Selection {
    pub(crate) fn new(
        suites: Vec<&'static Suite>,
        security_level: Option<u8>,
        suite_b: Option<SuiteB>,
    ) -> Self {
        Self { suites, security_level, suite_b }
    }

    /// The suites in the order of preference; none of TLS 1.3, which has a list of its own.
    #[must_use]
    pub fn suites(&self) -> &[&'static Suite] {
        &self.suites
    }

    /// The level that `@SECLEVEL=n` sets; `None` leaves the context's level alone.
    #[must_use]
    pub fn security_level(&self) -> Option<u8> {
        self.security_level
    }

    /// The Suite B word, which also restricts curves and signatures.
    #[must_use]
    pub fn suite_b(&self) -> Option<SuiteB> {
        self.suite_b
    }

    /// OpenSSL's names, in order.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.suites.iter().map(|suite| suite.openssl_name())
    }
}

/// OpenSSL's names with colons between them, as `openssl ciphers` prints them.
impl std::fmt::Display for Selection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, name) in self.names().enumerate() {
            if index > 0 {
                f.write_str(":")?;
            }
            f.write_str(name)?;
        }
        Ok(())
    }
}

impl Library {
    /// The suites that a string selects in this libssl: the same ones in the same order, or the same refusal.
    ///
    /// ```
    /// use patina_ciphers::{Generation, Library};
    ///
    /// let library = Library::upstream(Generation::V3_0);
    /// let selection = library.evaluate("kRSA+AESGCM:@STRENGTH")?;
    /// assert_eq!(selection.to_string(), "AES256-GCM-SHA384:AES128-GCM-SHA256");
    /// # Ok::<(), patina_ciphers::ParseError>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::InvalidCommand`] and [`ErrorKind::NoCipherMatch`], where libssl refuses with those reasons; the span
    /// of the second is that of the first unknown word, or else the whole string.
    ///
    /// # OpenSSL
    /// `SSL_CTX_set_cipher_list`.
    pub fn evaluate(&self, source: &str) -> Result<Selection, ParseError> {
        let selection = self.select(source)?;
        if selection.suites.is_empty() {
            return Err(self.nothing_selected(source));
        }
        Ok(selection)
    }

    /// The same, but a string that selects nothing gives an empty selection (`ssl_create_cipher_list` itself).
    ///
    /// # Errors
    /// [`ErrorKind::InvalidCommand`].
    pub fn select(&self, source: &str) -> Result<Selection, ParseError> {
        let mut evaluator = Evaluator::new(self, ());
        scan(source, self, &mut evaluator)?;
        let suites = evaluator.order.active().map(|index| &SUITES[index]).collect();
        Ok(Selection { suites, security_level: evaluator.security_level, suite_b: evaluator.suite_b })
    }

    /// The error for a string that selects nothing.
    pub(crate) fn nothing_selected(&self, source: &str) -> ParseError {
        struct FirstUnknown<'a>(&'a str, Option<Range<usize>>);
        impl Sink for FirstUnknown<'_> {
            fn item(&mut self, _: Range<usize>, item: RawItem<'_>, skipped: Range<usize>) {
                if let (None, RawItem::Rule { words, .. }) = (&self.1, item) {
                    let unknown = words.iter().find(|word| word.entry.is_none());
                    self.1 = unknown.map(|word| whole_word(self.0, &word.span, &skipped));
                }
            }
        }
        let mut first = FirstUnknown(source, None);
        // The string has been read to the end before, so this cannot fail.
        let _ = scan(source, self, &mut first);
        let (span, message, help) = match first.1 {
            Some(span) => {
                let word = &source[span.clone()];
                let message = format!("the string selects no suite; {word:?} is not known");
                let help = unknown(word, self).1;
                (span, message, help)
            }
            None if source.is_empty() => (0..0, "an empty string selects no suite".to_owned(), None),
            None => (0..source.len(), "the string selects no suite".to_owned(), None),
        };
        ParseError::new(ErrorKind::NoCipherMatch, span, message, help)
    }
}

/// Is told what the rules do to the suites.
pub(crate) trait Tracer {
    /// An item of the string begins.
    fn item(&mut self, _span: &Range<usize>) {}

    /// The text that libssl puts in an item's place; the next items are that text's until [`Tracer::expanded`].
    fn expand(&mut self, _text: &'static str) {}

    /// The text is at its end.
    fn expanded(&mut self) {}

    /// The current item does this to the suite at a place in the table.
    fn touch(&mut self, _action: Action, _index: usize) {}
}

impl Tracer for () {}

/// Applies what the scanner finds.
pub(crate) struct Evaluator<'a, T> {
    library: &'a Library,
    generation: Generation,
    pub(crate) order: Order,
    pub(crate) security_level: Option<u8>,
    pub(crate) suite_b: Option<SuiteB>,
    pub(crate) tracer: T,
}

impl<'a, T: Tracer> Evaluator<'a, T> {
    pub(crate) fn new(library: &'a Library, tracer: T) -> Self {
        Self {
            library,
            generation: library.generation(),
            order: library.initial_order().clone(),
            security_level: None,
            suite_b: None,
            tracer,
        }
    }

    /// Applies a text that libssl puts in an item's place; it is read by the rules, but never as a beginning of its own.
    fn expand(&mut self, text: &'static str) {
        self.tracer.expand(text);
        // The texts are libssl's own and hold neither commands nor beginnings.
        let _ = scan(text, self.library, self);
        self.tracer.expanded();
    }
}

impl<T: Tracer> Sink for Evaluator<'_, T> {
    fn item(&mut self, span: Range<usize>, item: RawItem<'_>, _: Range<usize>) {
        self.tracer.item(&span);
        match item {
            RawItem::Default => self.expand(DEFAULT),
            RawItem::SuiteB(index) => {
                self.suite_b = Some(SuiteB::by_index(index));
                self.expand(SUITE_B[index].1);
            }
            RawItem::Strength => self.order.sort_by_strength(self.generation),
            RawItem::SecurityLevel(level) => self.security_level = Some(level),
            RawItem::Rule { criteria: None, .. } => {}
            RawItem::Rule { action, criteria: Some(criteria), .. } => {
                let tracer = &mut self.tracer;
                self.order.apply(&criteria, action, self.generation, |index| tracer.touch(action, index));
            }
        }
    }
}
