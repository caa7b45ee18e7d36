//! Cases of X.509 path validation, as public suites have them, and this library's verdicts.
//!
//! A case is a JSON object in one of two shapes, told apart by its fields: a member of x509-limbo's `testcases`
//! ([`limbo`]), which has a `peer_certificate`, or one of NIST's PKITS ([`pkits`]), which has a `leaf`. What a suite
//! expects is not read.

pub mod limbo;
pub mod pkits;

use patina_tls::{Error, ErrorKind};
use serde_json::{Value, json};

use crate::trouble::{Result, Trouble};

/// What became of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The chain is good.
    Success,
    /// It is not, or something in it cannot be read.
    Failure(String),
    /// The library has no such check.
    Skipped(String),
}

/// Judges the case in `line` and gives the line of the answer.
///
/// # Errors
/// When the line is no case.
///
/// # Examples
/// ```
/// let case = r#"{"id": "empty", "trusted_certs": [], "untrusted_intermediates": [], "peer_certificate": "none",
///     "validation_kind": "SERVER"}"#;
/// let answer = patina_interop::verify_case::answer(case).unwrap();
/// assert!(answer.starts_with(r#"{"id":"empty","result":"FAILURE""#));
/// ```
pub fn answer(line: &str) -> Result<String> {
    let case: Value =
        serde_json::from_str(line).map_err(|error| Trouble::new(format!("not JSON: {error}")))?;
    let id = case.get("id").cloned().ok_or_else(|| Trouble::new("no id"))?;
    let verdict = if case.get("peer_certificate").is_some() {
        limbo::judge(&case)?
    } else if case.get("leaf").is_some() {
        pkits::judge(&case)?
    } else {
        return Err(Trouble::new(format!("{id} has neither peer_certificate nor leaf")));
    };
    let (result, detail) = match verdict {
        Verdict::Success => ("SUCCESS", String::new()),
        Verdict::Failure(detail) => ("FAILURE", detail),
        Verdict::Skipped(detail) => ("SKIPPED", detail),
    };
    Ok(json!({"id": id, "result": result, "detail": detail}).to_string())
}

impl From<Error> for Verdict {
    /// What this libssl cannot do is no verdict; all else that is wrong with a chain is one.
    fn from(error: Error) -> Verdict {
        match error.kind() {
            ErrorKind::Unsupported | ErrorKind::State => Verdict::Skipped(error.to_string()),
            _ => Verdict::Failure(format!("{}: {error}", error.code())),
        }
    }
}

/// A list of texts; an absent one and `null` are empty.
fn texts<'a>(case: &'a Value, field: &str) -> Result<Vec<&'a str>> {
    let wrong = || Trouble::new(format!("{field} is no list of texts"));
    match case.get(field) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(items)) => items.iter().map(|item| item.as_str().ok_or_else(wrong)).collect(),
        Some(_) => Err(wrong()),
    }
}

/// A text that must be there.
fn text<'a>(case: &'a Value, field: &str) -> Result<&'a str> {
    case.get(field).and_then(Value::as_str).ok_or_else(|| Trouble::new(format!("{field} is no text")))
}

/// The field, where it is there and not `null`.
fn given<'a>(case: &'a Value, field: &str) -> Option<&'a Value> {
    case.get(field).filter(|value| !value.is_null())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_no_case_is_an_error_and_no_verdict() {
        for line in ["", "[", "{}", r#"{"id": "x"}"#, r#"{"id": "x", "leaf": 1, "trusted": ""}"#] {
            assert!(answer(line).is_err(), "{line:?}");
        }
    }
}
