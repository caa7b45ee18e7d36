//! What goes wrong with the benchmark itself.

use std::error::Error;
use std::fmt;

/// A failure to measure. Every error becomes one, and so it is no `std::error::Error` itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble(String);

/// The result of the benchmark.
pub type Result<T> = std::result::Result<T, Trouble>;

impl Trouble {
    /// A failure with this text.
    pub fn new(text: impl Into<String>) -> Trouble {
        Trouble(text.into())
    }

    /// Says in front what was being done.
    #[must_use]
    pub fn context(self, doing: impl fmt::Display) -> Trouble {
        Trouble(format!("{doing}: {}", self.0))
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<E: Error> From<E> for Trouble {
    fn from(error: E) -> Trouble {
        Trouble(error.to_string())
    }
}
