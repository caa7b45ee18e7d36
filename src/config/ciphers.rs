//! Cipher strings on their way into an SSL_CTX: which word libssl refuses or passes over, and where it stands.
//!
//! libssl is the judge: its verdict is only explained here, by the crate `patina-ciphers`.

use std::ops::Range;

use openssl::ssl::{SslContextBuilder, SslMethod};
use patina_ciphers::{CipherString, Generation, Library, ParseError, Profile, Split, Warning, WarningKind};

use super::apply::{c_text, refused};
use super::cipher_list::{CipherList, names_algorithm};
use super::suites::acceptable;
use crate::sys::{compat, context as sys};
use crate::values::error::Error;

/// libssl's code for a string that selects nothing.
const NO_CIPHER_MATCH: &str = "ERR_SSL_NO_CIPHER_MATCH";

/// Sets the cipher string and the list of TLS 1.3 suites.
pub(super) fn set_ciphers(
    ctx: &mut SslContextBuilder,
    list: Option<CipherList>,
    suites: Option<String>,
    legacy_provider: bool,
) -> Result<IgnoredCiphers, Error> {
    let mut ignored = IgnoredCiphers { list, suites, missing: Vec::new(), legacy_provider };
    let from_list = ignored.list.as_ref().filter(|list| !list.tls13().is_empty());
    if let (Some(_), Some(list)) = (&ignored.suites, from_list) {
        let text = format!("given beside TLS 1.3 names in cipher_list ({})", list.tls13());
        return Err(Error::config("cipher_suites", text));
    }
    if let Some(part) = ignored.tls13() {
        ctx.set_ciphersuites(&c_text(part.option, &acceptable(part.text))?).map_err(|stack| {
            let found = detect().and_then(|library| library.ciphersuites(part.text).err());
            part.point(refused(part.option, &stack).with_code(NO_CIPHER_MATCH), found)
        })?;
    }
    if let Some(list) = &ignored.list
        && let Some(part) = ignored.legacy()
    {
        let asked = list.legacy_algorithms();
        ctx.set_cipher_list(part.text).map_err(|stack| {
            let error =
                part.point(refused(part.option, &stack), detect().and_then(|it| refusal(part.text, &it)));
            explain_missing(error, part.text, &asked, legacy_provider)
        })?;
        ignored.missing = missing_algorithms(ctx, asked);
    }
    Ok(ignored)
}

/// What libssl passed over in silence. It is worked out when somebody asks: finding out what a libssl knows takes several
/// times as long as all the rest of a configuration.
#[derive(Debug, Default)]
pub(crate) struct IgnoredCiphers {
    list: Option<CipherList>,
    suites: Option<String>,
    /// The algorithms of the legacy provider that were asked for in vain.
    missing: Vec<&'static str>,
    legacy_provider: bool,
}

impl IgnoredCiphers {
    fn tls13(&self) -> Option<Part<'_>> {
        let from_list = || self.list.as_ref().filter(|list| !list.tls13().is_empty()).map(Part::tls13);
        self.suites.as_deref().map(Part::suites).or_else(from_list)
    }

    fn legacy(&self) -> Option<Part<'_>> {
        self.list.as_ref().filter(|list| !list.legacy().is_empty()).map(Part::legacy)
    }

    /// One text for each thing that was passed over.
    pub(super) fn warnings(&self) -> Vec<String> {
        let (tls13, legacy) = (self.tls13(), self.legacy());
        let Some(library) = tls13.as_ref().or(legacy.as_ref()).and_then(|_| detect()) else {
            return Vec::new();
        };
        let mut texts = Vec::new();
        if let Some(part) = tls13 {
            // A libssl that refuses unknown names was not given them: they are ignored there like in the next one.
            let next = Library::upstream(Generation::V3_0);
            let judge = if compat::SUITES_MUST_BE_KNOWN { &next } else { &library };
            let ignored = judge.ciphersuites_warnings(part.text);
            texts.extend(ignored.iter().map(|warning| part.warning(warning, warning.help())));
        }
        if let Some(part) = legacy {
            let mut missing = self.missing.clone();
            for warning in ignored_words(part.text, &library) {
                let word = &part.text[warning.span()];
                let algorithm = self.missing.iter().find(|algorithm| names_algorithm(word, algorithm));
                texts.push(match algorithm {
                    Some(algorithm) => {
                        part.warning(&warning, Some(&missing_text(&[algorithm], self.legacy_provider)))
                    }
                    None => part.warning(&warning, warning.help()),
                });
                missing.retain(|it| Some(it) != algorithm);
            }
            // A word may also be known and have no suite.
            if !missing.is_empty() {
                texts.push(format!("{}: {}", part.option, missing_text(&missing, self.legacy_provider)));
            }
        }
        texts
    }
}

/// One of the lists that libssl takes, and where it stands in what the application gave.
struct Part<'a> {
    option: &'static str,
    text: &'a str,
    source: &'a str,
    split: Option<&'a Split>,
    in_source: fn(&Split, &Range<usize>) -> Range<usize>,
}

impl<'a> Part<'a> {
    fn suites(text: &'a str) -> Part<'a> {
        let in_source = Split::tls13_in_source;
        Part { option: "cipher_suites", text, source: text, split: None, in_source }
    }

    fn tls13(list: &'a CipherList) -> Part<'a> {
        Part { text: list.tls13(), in_source: Split::tls13_in_source, ..Part::legacy(list) }
    }

    fn legacy(list: &'a CipherList) -> Part<'a> {
        let in_source = Split::legacy_in_source;
        Part {
            option: "cipher_list",
            text: list.legacy(),
            source: &list.source,
            split: Some(&list.parts),
            in_source,
        }
    }

    fn place(&self, span: Range<usize>) -> Range<usize> {
        self.split.map_or(span.clone(), |split| (self.in_source)(split, &span))
    }

    /// `column 6: what is wrong (what to do)`. Columns are characters, from 1.
    fn note(&self, span: Range<usize>, message: &str, help: Option<&str>) -> String {
        let word = self.text.get(span.clone()).unwrap_or_default();
        let before = self.source.get(..self.place(span).start).unwrap_or_default();
        let column = before.chars().count() + 1;
        let told = message.contains(word.trim_start_matches(['!', '-', '+']));
        let quoted = if told { String::new() } else { format!("{word:?}: ") };
        let help = help.map(|help| format!(" ({help})")).unwrap_or_default();
        format!("column {column}: {quoted}{message}{help}")
    }

    fn warning(&self, warning: &Warning, help: Option<&str>) -> String {
        format!("{}: {}", self.option, self.note(warning.span(), warning.message(), help))
    }

    /// Makes libssl's refusal point at the word that is to blame.
    fn point(&self, error: Error, found: Option<ParseError>) -> Error {
        match found {
            Some(found) => {
                let note = self.note(found.span(), found.message(), found.help());
                error.context(note).with_span(Some(self.place(found.span())))
            }
            None => error.context(format_args!("{:?}", self.text)),
        }
    }
}

fn generation() -> Option<Generation> {
    Generation::from_version_number(openssl::version::number().cast_unsigned())
}

/// What libssl has now, with the providers that are loaded.
fn detect() -> Option<Library> {
    let generation = generation()?;
    let mut ctx = SslContextBuilder::new(SslMethod::tls()).ok()?;
    Some(Library::detect(generation, |string| {
        ctx.set_cipher_list(string).ok()?;
        let names = sys::cipher_names(&ctx).into_iter().filter(|name| !name.starts_with("TLS_"));
        Some(names.map(str::to_owned).collect())
    }))
}

fn ignored_words(text: &str, library: &Library) -> Vec<Warning> {
    // Node's default string has two names that no libssl knows: nobody's slip.
    let is_node_s = Profile::by_name("node-default").is_some_and(|profile| profile.legacy() == text);
    // Fedora's libssl has words of its own.
    let takes_profiles = |mut ctx: SslContextBuilder| ctx.set_cipher_list("PROFILE=SYSTEM").is_ok();
    let is_fedora_s = || SslContextBuilder::new(SslMethod::tls()).is_ok_and(takes_profiles);
    if is_node_s || (text.starts_with("PROFILE=") && is_fedora_s()) {
        return Vec::new();
    }
    let mut warnings = library.warnings(text);
    // Strings that are to be good everywhere forbid what is long gone: Node's own does.
    warnings.retain(|warning| warning.kind() != WarningKind::NothingToRemove);
    warnings
}

fn refusal(text: &str, library: &Library) -> Option<ParseError> {
    CipherString::parse_for(text, library).and_then(|string| string.evaluate(library)).err()
}

/// Nothing is left of a string that would select something if this libssl were built and loaded with all that it can have.
fn explain_missing(error: Error, text: &str, asked: &[&str], legacy_provider: bool) -> Error {
    let complete = generation().map(Library::complete);
    if error.code() != NO_CIPHER_MATCH || complete.is_none_or(|library| library.evaluate(text).is_err()) {
        return error;
    }
    let missing = match asked {
        [] => openssl::version::version().to_owned(),
        _ => missing_text(asked, legacy_provider),
    };
    Error::unsupported(format!("{missing}: {}", error.message()))
        .with_option("cipher_list")
        .with_code(NO_CIPHER_MATCH)
        .with_span(error.span())
}

/// The algorithms of the legacy provider that were asked for and that no suite has.
fn missing_algorithms(ctx: &SslContextBuilder, mut asked: Vec<&'static str>) -> Vec<&'static str> {
    if !asked.is_empty() {
        let suites = sys::cipher_names(ctx);
        asked.retain(|algorithm| !suites.iter().any(|suite| names_algorithm(suite, algorithm)));
    }
    asked
}

fn missing_text(algorithms: &[&str], legacy_provider: bool) -> String {
    let version = openssl::version::version();
    if compat::HAS_PROVIDERS && !legacy_provider {
        let names = algorithms.join(" and ");
        return format!("{names} suites need the provider \"legacy\", which {version} cannot load here");
    }
    let suites = |algorithm: &&str| match *algorithm {
        "RC4" => "RC4 suites (enable-weak-ssl-ciphers)".to_owned(),
        other => format!("{other} suites (enable-{})", other.to_ascii_lowercase()),
    };
    let suites: Vec<String> = algorithms.iter().map(suites).collect();
    format!("{version} was built without {}", suites.join(" and "))
}
