//! The program `openssl` of the libssl that the tests are linked with: another one may lack what it has.

use std::process::Stdio;
use std::sync::OnceLock;

use tokio::process::Command;

/// The program of the libssl that these tests are linked with.
fn program() -> &'static str {
    static PATH: OnceLock<String> = OnceLock::new();
    PATH.get_or_init(|| {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/ci/openssl");
        let mut command = std::process::Command::new(script);
        // As the build found it: a libssl of ci/libssl, or the system's.
        command.args(option_env!("OPENSSL_DIR"));
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let path = String::from_utf8(output.stdout).unwrap().trim_end().to_owned();
        let version = std::process::Command::new(&path).arg("version").output().unwrap();
        let version = String::from_utf8(version.stdout).unwrap();
        assert!(version.starts_with(openssl::version::version()), "{path} is another version: {version}");
        path
    })
}

/// A process of it, which ends with the value.
pub(crate) fn openssl(command: &str, words: &[String]) -> Command {
    let mut process = Command::new(program());
    process.arg(command).args(words).env("OPENSSL_CONF", "/dev/null").kill_on_drop(true);
    process.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    process
}
