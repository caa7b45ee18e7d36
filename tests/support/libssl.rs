//! The libssl that the tests run with.

#![allow(dead_code, reason = "each test program uses some of these")]

/// Whether this libssl is of that version, such as `3.0`, or newer.
///
/// For what a version decides and nothing else tells; what can be asked is asked.
pub(crate) fn is_at_least(version: &str) -> bool {
    let (major, minor) = version.split_once('.').unwrap();
    // 1.1.1, the oldest, is at least any 1.x; from 3.0 on it is 0xMNN00PP0.
    let number =
        major.parse::<i64>().unwrap() << 28 | minor.split('.').next().unwrap().parse::<i64>().unwrap() << 20;
    openssl::version::number() >= number
}
