//! Why each suite is in or out.

use std::fmt;
use std::ops::Range;

use crate::diagnostic::{ParseError, Warning, WarningKind};
use crate::evaluate::{Evaluator, Selection, Tracer};
use crate::library::Library;
use crate::order::Action;
use crate::parse::{CipherString, ItemKind, Operator};
use crate::scan::scan;
use crate::suite::Suite;
use crate::table::SUITES;

/// Every suite with the reason why a string selects it or not.
///
/// ```
/// use patina_ciphers::{Generation, Library, Outcome};
///
/// let library = Library::upstream(Generation::V3_0);
/// let explanation = library.explain("DEFAULT:!kRSA")?;
/// let suite = patina_ciphers::by_name("AES128-SHA").ok_or("no such suite")?;
/// let verdict = explanation.verdict(suite).ok_or("not explained")?;
/// assert!(matches!(verdict.outcome(), Outcome::Killed(token) if token.text() == "!kRSA"));
/// assert_eq!(verdict.to_string(), "AES128-SHA is out: removed for good by !kRSA");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Explanation {
    string: CipherString,
    selection: Selection,
    refusal: Option<ParseError>,
    verdicts: Vec<Verdict>,
    warnings: Vec<Warning>,
}

/// What became of one suite.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    suite: &'static Suite,
    outcome: Outcome,
}

/// Whether a suite is selected, and what did it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// It is in.
    Selected {
        /// Its place in the list, from 0.
        place: usize,
        /// What added it, last.
        by: Token,
        /// What moved it to the end afterwards, if anything did.
        moved: Option<Token>,
    },
    /// It was in, and `-` took it out.
    Deleted(Token),
    /// `!` took it out, or kept it out.
    Killed(Token),
    /// Nothing in the string means it.
    NotMentioned,
    /// This libssl does not have it, for the reason given.
    Absent(String),
    /// It belongs to TLS 1.3, whose suites have a list of their own.
    Tls13,
}

/// The part of a string that did something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    span: Range<usize>,
    text: String,
    part: Option<&'static str>,
}

impl Token {
    /// Its bytes in the string.
    #[must_use]
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// The text there.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The part that did it of what libssl puts in the place of `DEFAULT` or a Suite B word.
    #[must_use]
    pub fn part(&self) -> Option<&'static str> {
        self.part
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        match self.part {
            Some(part) => write!(f, " (its {part})"),
            None => Ok(()),
        }
    }
}

impl Verdict {
    /// The suite.
    #[must_use]
    pub fn suite(&self) -> &'static Suite {
        self.suite
    }

    /// What became of it.
    #[must_use]
    pub fn outcome(&self) -> &Outcome {
        &self.outcome
    }

    /// Whether it is in.
    #[must_use]
    pub fn is_selected(&self) -> bool {
        matches!(self.outcome, Outcome::Selected { .. })
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.suite;
        match &self.outcome {
            Outcome::Selected { place, by, moved } => {
                write!(f, "{name} is in at {}: added by {by}", place + 1)?;
                moved.iter().try_for_each(|token| write!(f, ", moved to the end by {token}"))
            }
            Outcome::Deleted(token) => write!(f, "{name} is out: deselected by {token}"),
            Outcome::Killed(token) => write!(f, "{name} is out: removed for good by {token}"),
            Outcome::NotMentioned => write!(f, "{name} is out: nothing selects it"),
            Outcome::Absent(why) => write!(f, "{name} is out: {why}"),
            Outcome::Tls13 => write!(f, "{name} is not for a cipher string: TLS 1.3 has a list of its own"),
        }
    }
}

impl Explanation {
    /// The string's tree, as this libssl reads it.
    #[must_use]
    pub fn string(&self) -> &CipherString {
        &self.string
    }

    /// What is selected; empty when [`Explanation::refusal`] says that nothing is.
    #[must_use]
    pub fn selection(&self) -> &Selection {
        &self.selection
    }

    /// libssl's refusal of a string that selects nothing.
    #[must_use]
    pub fn refusal(&self) -> Option<&ParseError> {
        self.refusal.as_ref()
    }

    /// A verdict on each suite of the table: the selected ones in order, then the others by id.
    #[must_use]
    pub fn verdicts(&self) -> &[Verdict] {
        &self.verdicts
    }

    /// The verdict on one suite.
    #[must_use]
    pub fn verdict(&self, suite: &Suite) -> Option<&Verdict> {
        self.verdicts.iter().find(|verdict| verdict.suite == suite)
    }

    /// What libssl lets pass in silence, items without any effect included; in the order of the string.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }
}

impl Library {
    /// Evaluates a string and keeps the reasons.
    ///
    /// # Errors
    /// As for [`CipherString::parse_for`]. A string that selects nothing is explained as well;
    /// see [`Explanation::refusal`].
    pub fn explain(&self, source: &str) -> Result<Explanation, ParseError> {
        let string = CipherString::parse_for(source, self)?;
        let mut evaluator = Evaluator::new(self, Journal::new(source));
        scan(source, self, &mut evaluator)?;
        let places: Vec<usize> = evaluator.order.active().collect();
        let selection = Selection::new(
            places.iter().map(|index| &SUITES[*index]).collect(),
            evaluator.security_level,
            evaluator.suite_b,
        );
        let journal = evaluator.tracer;
        let verdict = |index: usize, place: Option<usize>| Verdict {
            suite: &SUITES[index],
            outcome: self.outcome(index, place, &journal),
        };
        let selected = places.iter().enumerate().map(|(place, index)| verdict(*index, Some(place)));
        let others =
            (0..SUITES.len()).filter(|index| !places.contains(index)).map(|index| verdict(index, None));
        let verdicts = selected.chain(others).collect();
        let mut warnings = string.warnings().to_vec();
        warnings.extend(idle(&string, &journal));
        warnings.sort_by_key(|warning| warning.span().start);
        let refusal = selection.suites().is_empty().then(|| self.nothing_selected(source));
        Ok(Explanation { string, selection, refusal, verdicts, warnings })
    }

    fn outcome(&self, index: usize, place: Option<usize>, journal: &Journal<'_>) -> Outcome {
        let suite = &SUITES[index];
        let page = &journal.pages[index];
        if suite.is_tls13() {
            return Outcome::Tls13;
        }
        match (place, &page.added, &page.removed) {
            (Some(place), Some(by), _) => {
                Outcome::Selected { place, by: by.clone(), moved: page.moved.clone() }
            }
            (_, _, Some((Action::Kill, by))) => Outcome::Killed(by.clone()),
            (_, _, Some((_, by))) => Outcome::Deleted(by.clone()),
            _ => match self.why_absent(suite) {
                Some(why) => Outcome::Absent(why),
                None => Outcome::NotMentioned,
            },
        }
    }
}

/// What happened to one suite, the last of each kind.
#[derive(Debug, Clone, Default)]
struct Page {
    added: Option<Token>,
    moved: Option<Token>,
    removed: Option<(Action, Token)>,
}

/// Writes down what the evaluator does.
struct Journal<'a> {
    source: &'a str,
    pages: Vec<Page>,
    /// The current item, and the text in its place if there is one, with the current part of it.
    item: Range<usize>,
    expansion: Option<(&'static str, Range<usize>)>,
    /// The beginnings of the items that touched a suite.
    busy: Vec<usize>,
}

impl<'a> Journal<'a> {
    fn new(source: &'a str) -> Self {
        Self {
            source,
            pages: vec![Page::default(); SUITES.len()],
            item: 0..0,
            expansion: None,
            busy: Vec::new(),
        }
    }

    fn token(&self) -> Token {
        Token {
            span: self.item.clone(),
            text: self.source[self.item.clone()].to_owned(),
            part: self.expansion.as_ref().map(|(text, span)| &text[span.clone()]),
        }
    }
}

impl Tracer for Journal<'_> {
    fn item(&mut self, span: &Range<usize>) {
        match &mut self.expansion {
            Some((_, part)) => *part = span.clone(),
            None => self.item = span.clone(),
        }
    }

    fn expand(&mut self, text: &'static str) {
        self.expansion = Some((text, 0..0));
    }

    fn expanded(&mut self) {
        self.expansion = None;
    }

    fn touch(&mut self, action: Action, index: usize) {
        let token = self.token();
        if self.busy.last() != Some(&self.item.start) {
            self.busy.push(self.item.start);
        }
        let page = &mut self.pages[index];
        match action {
            Action::Add => *page = Page { added: Some(token), ..Page::default() },
            Action::Order | Action::Bump => page.moved = Some(token),
            Action::Delete | Action::Kill => page.removed = Some((action, token)),
        }
    }
}

/// Warns of items that libssl acts on without any suite being touched.
fn idle(string: &CipherString, journal: &Journal<'_>) -> Vec<Warning> {
    let is_idle = |start: usize| !journal.busy.contains(&start);
    string
        .items()
        .iter()
        .filter(|item| is_idle(item.span().start))
        .filter_map(|item| {
            let ItemKind::Rule { operator, effective: true, .. } = item.kind() else { return None };
            let what = match operator {
                Operator::Add => {
                    "adds nothing: its suites are selected already, removed for good, or not in this libssl"
                }
                Operator::MoveToEnd => "moves nothing: none of its suites is selected at that point",
                Operator::Delete => "deselects nothing: none of its suites is selected at that point",
                Operator::Kill => {
                    "removes nothing: this libssl has none of its suites, or they are removed already"
                }
            };
            let text = &string.source()[item.span()];
            Some(Warning::new(WarningKind::Idle, item.span(), format!("{text} {what}"), None))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ErrorKind, Generation};

    fn explain(source: &str) -> Explanation {
        Library::complete(Generation::V3_5).explain(source).unwrap()
    }

    fn said(source: &str, suite: &str) -> String {
        explain(source).verdict(crate::by_name(suite).unwrap()).unwrap().to_string()
    }

    #[test]
    fn the_part_of_default_that_did_it_is_named() {
        assert_eq!(
            said("DEFAULT", "ADH-AES128-SHA"),
            "ADH-AES128-SHA is out: removed for good by DEFAULT (its !COMPLEMENTOFDEFAULT)"
        );
        assert!(said("DEFAULT", "AES128-SHA").ends_with("added by DEFAULT (its ALL)"));
    }

    #[test]
    fn a_suite_that_comes_back_is_selected_by_what_brought_it_back() {
        assert_eq!(
            said("AES128-SHA:-AES:AES128-SHA", "AES128-SHA"),
            "AES128-SHA is in at 1: added by AES128-SHA"
        );
        let explanation = explain("AES128-SHA:-AES:AES128-SHA");
        let Outcome::Selected { by, .. } = explanation.verdicts()[0].outcome().clone() else {
            panic!("not selected")
        };
        assert_eq!(by.span(), 16..26);
    }

    #[test]
    fn a_move_is_told() {
        assert!(said("HIGH:+kRSA", "AES128-SHA").ends_with("added by HIGH, moved to the end by +kRSA"));
    }

    #[test]
    fn an_item_without_effect_is_warned_of() {
        let explanation = explain("AES128-SHA:AES128-SHA:+kPSK:NO_SUCH");
        let kinds: Vec<_> =
            explanation.warnings().iter().map(|warning| (warning.kind(), warning.span())).collect();
        assert_eq!(
            kinds,
            [(WarningKind::Idle, 11..21), (WarningKind::Idle, 22..27), (WarningKind::UnknownWord, 28..35)]
        );
    }

    #[test]
    fn nothing_selected_is_explained_and_refused() {
        let explanation = explain("AES128-SHA:!AES");
        assert_eq!(explanation.refusal().unwrap().kind(), ErrorKind::NoCipherMatch);
        assert!(said("AES128-SHA:!AES", "AES128-SHA").ends_with("removed for good by !AES"));
    }

    #[test]
    fn the_selection_is_the_evaluators() {
        let library = Library::upstream(Generation::V3_0);
        for string in ["DEFAULT", "ALL:@STRENGTH", "SUITEB128", "ECDHE:+AES:-SHA:DHE@SECLEVEL=0"] {
            assert_eq!(*library.explain(string).unwrap().selection(), library.evaluate(string).unwrap());
        }
    }
}
