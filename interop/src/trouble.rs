//! What goes wrong with the harness itself, as opposed to a peer that refuses a connection.

use std::fmt;

/// A failure to run a case: a missing program, a bad row, a timeout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble(String);

/// The result of the harness.
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

impl std::error::Error for Trouble {}

impl From<std::io::Error> for Trouble {
    fn from(error: std::io::Error) -> Trouble {
        Trouble(error.to_string())
    }
}

impl From<patina_tls::Error> for Trouble {
    fn from(error: patina_tls::Error) -> Trouble {
        Trouble(error.to_string())
    }
}

impl From<serde_json::Error> for Trouble {
    fn from(error: serde_json::Error) -> Trouble {
        Trouble(error.to_string())
    }
}

impl From<openssl::error::ErrorStack> for Trouble {
    fn from(error: openssl::error::ErrorStack) -> Trouble {
        Trouble(error.to_string())
    }
}
