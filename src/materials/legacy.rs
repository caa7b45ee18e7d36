//! Algorithms that only the legacy provider has.

use openssl::error::ErrorStack;

use super::identity::OPTION;
use crate::sys::{compat, queue};
use crate::values::error::{Error, ErrorKind};

/// Tries again with the legacy provider when an algorithm is missing. The outer error says that it is still
/// missing.
pub(super) fn with_legacy<T>(
    mut attempt: impl FnMut() -> Result<T, ErrorStack>,
    what: &str,
) -> Result<Result<T, ErrorStack>, Error> {
    let stack = match attempt() {
        Err(stack) if lacks_algorithm(&stack) => stack,
        outcome => return Ok(outcome),
    };
    if compat::load_legacy_provider() {
        match attempt() {
            Err(stack) if lacks_algorithm(&stack) => {}
            outcome => return Ok(outcome),
        }
    }
    let error =
        queue::stack_error(ErrorKind::Unsupported, &stack).with_code("ERR_CRYPTO_UNSUPPORTED_OPERATION");
    Err(error
        .context(format!("this libcrypto cannot read {what} without the \"legacy\" provider"))
        .with_option(OPTION))
}

/// Loads the legacy provider; whether it is there.
pub(super) fn load() -> bool {
    compat::load_legacy_provider()
}

/// Whether an algorithm was looked for in vain. The texts are those of 3.0 to 4.0 ("unsupported") and of 1.1.1,
/// where a build leaves algorithms out.
pub(super) fn lacks_algorithm(stack: &ErrorStack) -> bool {
    const LIB_EVP: i32 = 6;
    const LIB_PKCS12: i32 = 35;
    stack.errors().iter().any(|entry| {
        matches!(entry.library_code(), LIB_EVP | LIB_PKCS12)
            && matches!(
                entry.reason(),
                Some("unsupported" | "unsupported algorithm" | "unknown cipher" | "unsupported cipher")
            )
    })
}
