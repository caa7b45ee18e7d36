//! The choice of how large records are.

/// How large the records are that a stream sends.
///
/// The receiver can use no byte of a record before it has the whole record. At the beginning of a connection, and after a
/// pause, TCP sends little at a time, so that a full record takes several round trips; later a full record costs least.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum RecordSizing {
    /// Records as large as they may be.
    #[default]
    Full,
    /// Records of 1369 bytes, which fit into one TCP segment each, for the first 64 KiB and again after a second without
    /// writes; full ones in between. For answers that are to be shown or used bit by bit, such as web pages.
    Dynamic,
}
