//! What became of early data.

/// What became of the early data of a connection (0-RTT, RFC 8446 section 2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum EarlyDataStatus {
    /// None was sent.
    #[default]
    NotSent,
    /// The server has accepted it.
    Accepted,
    /// The server has passed over it: none of it has reached its application.
    Rejected,
}
