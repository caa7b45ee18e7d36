//! A string as a tree.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;
use std::sync::OnceLock;

use crate::diagnostic::{ErrorKind, ParseError, Warning};
use crate::evaluate::Selection;
use crate::generation::Generation;
use crate::library::Library;
use crate::order::Action;
use crate::scan::{RawItem, RawWord, SUITE_B, Sink, prefix_of, scan};
use crate::suite::Suite;
use crate::table::SUITES;
use crate::vocabulary::Entry;
use crate::warn::warnings;

/// A parsed cipher string.
///
/// [`CipherString::parse`] reads it as the newest libssl of the 3 series does, one that has every suite; what a word means
/// and where an item ends can differ in another, so [`CipherString::parse_for`] takes the libssl in question, and
/// [`CipherString::evaluate`] always reads the text anew for the one it is given.
///
/// ```
/// use patina_ciphers::{CipherString, ItemKind};
///
/// let string = CipherString::parse("ECDHE+AESGCM, !aNULL:HIHGEST")?;
/// assert_eq!(string.to_string(), "ECDHE+AESGCM:!aNULL:HIHGEST");
/// assert_eq!(string.items().len(), 3);
/// assert_eq!(string.items()[1].span(), 14..20);
/// assert!(matches!(string.items()[1].kind(), ItemKind::Rule { .. }));
/// assert_eq!(string.warnings()[0].message(), "unknown word \"HIHGEST\" is ignored");
/// # Ok::<(), patina_ciphers::ParseError>(())
/// ```
#[derive(Debug, Clone)]
pub struct CipherString {
    source: String,
    items: Vec<Item>,
    library: Library,
    /// Worked out when somebody asks: looking for the nearest word takes longer than all the rest.
    warnings: OnceLock<Vec<Warning>>,
}

/// Two are equal when their texts are and mean the same items.
impl PartialEq for CipherString {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source && self.items == other.items
    }
}

impl Eq for CipherString {}

/// One item of a string.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    span: Range<usize>,
    kind: ItemKind,
}

/// What an item is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ItemKind {
    /// `DEFAULT`, which only counts at the very beginning.
    Default,
    /// A Suite B word at the very beginning (RFC 6460); what follows it does not count.
    SuiteB(SuiteB),
    /// Words, of which a suite must be all, with an operator.
    Rule {
        /// What happens to the suites that are meant.
        operator: Operator,
        /// The words, joined by `+` in the string.
        words: Vec<Word>,
        /// Whether libssl acts on it; not when the last word is unknown or contradicts those before it.
        effective: bool,
    },
    /// `@STRENGTH`: sort what is selected so far by falling strength.
    Strength,
    /// `@SECLEVEL=n`: set the security level, for suites, keys, signatures and versions.
    SecurityLevel(u8),
}

/// The operator before an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Operator {
    /// None: append the suites that are not yet selected.
    Add,
    /// `+`: move the selected ones among them to the end.
    MoveToEnd,
    /// `-`: deselect them; a later item can bring them back.
    Delete,
    /// `!`: remove them for good.
    Kill,
}

impl Operator {
    /// The character, empty for [`Operator::Add`].
    #[must_use]
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Add => "",
            Self::MoveToEnd => "+",
            Self::Delete => "-",
            Self::Kill => "!",
        }
    }

    pub(crate) fn of(action: Action) -> Self {
        match action {
            Action::Add => Self::Add,
            Action::Order | Action::Bump => Self::MoveToEnd,
            Action::Delete => Self::Delete,
            Action::Kill => Self::Kill,
        }
    }
}

/// One of the words for Suite B.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SuiteB {
    /// `SUITEB128`: both levels, AES-128 first.
    Level128,
    /// `SUITEB128ONLY`: AES-128 alone.
    Level128Only,
    /// `SUITEB128C2`: AES-256 alone, with the curves of both levels.
    Level128Combination2,
    /// `SUITEB192`: AES-256 alone.
    Level192,
}

impl SuiteB {
    const IN_ORDER: [SuiteB; 4] =
        [Self::Level128Only, Self::Level128Combination2, Self::Level128, Self::Level192];

    pub(crate) fn by_index(index: usize) -> Self {
        Self::IN_ORDER[index]
    }

    fn index(self) -> usize {
        match self {
            Self::Level128Only => 0,
            Self::Level128Combination2 => 1,
            Self::Level128 => 2,
            Self::Level192 => 3,
        }
    }

    /// The word.
    #[must_use]
    pub fn word(self) -> &'static str {
        SUITE_B[self.index()].0
    }

    /// The cipher string that libssl puts in its place.
    #[must_use]
    pub fn expansion(self) -> &'static str {
        SUITE_B[self.index()].1
    }
}

/// A word of an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    text: String,
    span: Range<usize>,
    meaning: Meaning,
}

/// What a word stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Meaning {
    /// One suite.
    Suite(&'static Suite),
    /// A group of suites.
    Group,
    /// Nothing that this libssl knows.
    Unknown,
}

impl Word {
    /// The word as it is written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Its bytes in the string.
    #[must_use]
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// What it stands for.
    #[must_use]
    pub fn meaning(&self) -> Meaning {
        self.meaning
    }
}

impl Item {
    /// Its bytes in the string, the operator included.
    #[must_use]
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// What it is.
    #[must_use]
    pub fn kind(&self) -> &ItemKind {
        &self.kind
    }
}

/// Writes the item in its plainest form.
impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            ItemKind::Default => f.write_str("DEFAULT"),
            ItemKind::SuiteB(suite_b) => f.write_str(suite_b.word()),
            ItemKind::Strength => f.write_str("@STRENGTH"),
            ItemKind::SecurityLevel(level) => write!(f, "@SECLEVEL={level}"),
            ItemKind::Rule { operator, words, .. } => {
                f.write_str(operator.symbol())?;
                for (index, word) in words.iter().enumerate() {
                    if index > 0 {
                        f.write_str("+")?;
                    }
                    f.write_str(&word.text)?;
                }
                Ok(())
            }
        }
    }
}

impl CipherString {
    /// Parses a string as a complete libssl 3.6 reads it.
    ///
    /// # Errors
    /// When libssl refuses the grammar ([`ErrorKind::InvalidCommand`]), and when the string is another program's
    /// ([`ErrorKind::ForeignSyntax`]). A string that selects nothing is refused by [`CipherString::evaluate`].
    pub fn parse(source: &str) -> Result<Self, ParseError> {
        Self::parse_for(source, &Library::complete(Generation::V3_5))
    }

    /// Parses a string as one libssl reads it.
    ///
    /// # Errors
    /// As for [`CipherString::parse`].
    pub fn parse_for(source: &str, library: &Library) -> Result<Self, ParseError> {
        foreign(source)?;
        let mut builder = Builder { source, items: Vec::new() };
        scan(source, library, &mut builder)?;
        let warnings = OnceLock::new();
        Ok(Self { source: source.to_owned(), items: builder.items, library: library.clone(), warnings })
    }

    /// The text that was parsed.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The items in order.
    #[must_use]
    pub fn items(&self) -> &[Item] {
        &self.items
    }

    /// What libssl lets pass in silence: unknown words, contradictions, text that is skipped.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        self.warnings.get_or_init(|| warnings(&self.source, &self.library))
    }

    /// The level of the last `@SECLEVEL=n`, which is the one that counts.
    #[must_use]
    pub fn security_level(&self) -> Option<u8> {
        self.items.iter().rev().find_map(|item| match item.kind {
            ItemKind::SecurityLevel(level) => Some(level),
            _ => None,
        })
    }

    /// The suites that the string selects in this libssl.
    ///
    /// # Errors
    /// When that libssl refuses the string, [`ErrorKind::NoCipherMatch`] included.
    pub fn evaluate(&self, library: &Library) -> Result<Selection, ParseError> {
        library.evaluate(&self.source)
    }
}

/// Writes the items in their plainest form, one colon between them; parsing that gives the same items.
impl fmt::Display for CipherString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, item) in self.items.iter().enumerate() {
            let text = item.to_string();
            // At the very beginning DEFAULT, SUITEB... and PROFILE= would mean something else than where they stood.
            let plain = matches!(item.kind, ItemKind::Rule { .. });
            if index > 0
                || (plain && (prefix_of(&text, Generation::V4_0).is_some() || foreign(&text).is_err()))
            {
                f.write_str(":")?;
            }
            f.write_str(&text)?;
        }
        Ok(())
    }
}

impl FromStr for CipherString {
    type Err = ParseError;

    fn from_str(source: &str) -> Result<Self, ParseError> {
        Self::parse(source)
    }
}

/// Refuses what is certainly meant for another program.
fn foreign(source: &str) -> Result<(), ParseError> {
    let item = source.split([':', ',', ' ', ';']).next().unwrap_or_default();
    if item.starts_with("PROFILE=") {
        return Err(ParseError::new(
            ErrorKind::ForeignSyntax,
            0..item.len(),
            format!("{item} is a word of Fedora's and Red Hat's patched libssl alone"),
            Some("name the suites, or say DEFAULT".into()),
        ));
    }
    Ok(())
}

/// Builds the tree.
struct Builder<'a> {
    source: &'a str,
    items: Vec<Item>,
}

impl Sink for Builder<'_> {
    fn item(&mut self, span: Range<usize>, item: RawItem<'_>, _: Range<usize>) {
        let kind = match item {
            RawItem::Default => ItemKind::Default,
            RawItem::SuiteB(index) => ItemKind::SuiteB(SuiteB::by_index(index)),
            RawItem::Strength => ItemKind::Strength,
            RawItem::SecurityLevel(level) => ItemKind::SecurityLevel(level),
            RawItem::Rule { action, words, criteria } => {
                let word = |raw: &RawWord| Word {
                    text: self.source[raw.span.clone()].to_owned(),
                    span: raw.span.clone(),
                    meaning: match raw.entry {
                        Some(Entry::Suite(index)) => Meaning::Suite(&SUITES[usize::from(index)]),
                        Some(Entry::Alias(_)) => Meaning::Group,
                        None => Meaning::Unknown,
                    },
                };
                let words = words.iter().map(word).collect();
                ItemKind::Rule { operator: Operator::of(action), words, effective: criteria.is_some() }
            }
        };
        self.items.push(Item { span, kind });
    }
}
