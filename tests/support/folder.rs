//! A directory for the files of one test.

use std::fs;
use std::path::PathBuf;

/// A directory that goes with the test.
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// One of this name, which no other test of the process has.
    pub(crate) fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("patina-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
