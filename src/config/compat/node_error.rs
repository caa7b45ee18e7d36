//! Errors as Node words them, under Node's names of the options.

use super::value::Value;
use crate::values::error::Error;

/// A value of the wrong type.
pub(super) fn wrong_type(option: &'static str, expected: &str, value: &Value) -> Error {
    let text = format!("the value must be {expected}, and is {}", value.kind());
    Error::config(option, text).with_code("ERR_INVALID_ARG_TYPE")
}

/// A value that no use can be made of.
pub(super) fn bad_value(option: &'static str, text: impl Into<String>) -> Error {
    Error::config(option, text.into()).with_code("ERR_INVALID_ARG_VALUE")
}

/// A number that is too large or too small.
pub(super) fn out_of_range(option: &'static str, text: impl Into<String>) -> Error {
    Error::config(option, text.into()).with_code("ERR_OUT_OF_RANGE")
}
