//! The committed fixtures, by their path below `fixtures/`: `text("pki/root.pem")`.

#![allow(dead_code, reason = "each test program uses some of these")]

use std::path::{Path, PathBuf};

/// The absolute path of a fixture.
pub(crate) fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

/// The content of a fixture that is text.
pub(crate) fn text(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap_or_else(|why| panic!("fixture {name}: {why}"))
}

/// The content of a fixture.
pub(crate) fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(path(name)).unwrap_or_else(|why| panic!("fixture {name}: {why}"))
}
