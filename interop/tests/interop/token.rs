//! Private keys on a token: SoftHSM through libcrypto's engine for PKCS#11.
//!
//! Debian's packages `softhsm2`, `opensc` and `libengine-pkcs11-openssl`; one that is missing is an error. The key is used
//! in a process of its own, `interop/src/bin/token.rs`, because the environment configures the module.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use patina_interop::fixture::{Identity, Scratch};

/// Where Debian has the module.
const MODULE: &str = "/usr/lib/softhsm/libsofthsm2.so";

const PIN: &str = "1234";

/// A token with the key and the certificate of `server-rsa`; it goes with the value.
struct Token {
    scratch: Scratch,
    certificate: PathBuf,
}

impl Token {
    fn new() -> Token {
        let scratch = Scratch::new().unwrap();
        let identity = Identity::named("server-rsa", false).unwrap();
        fs::create_dir(scratch.file("tokens")).unwrap();
        let settings =
            format!("directories.tokendir = {}\nlog.level = ERROR\n", scratch.file("tokens").display());
        fs::write(scratch.file("softhsm2.conf"), settings).unwrap();
        let token = Token { scratch, certificate: identity.certificate };
        token.tool(
            "softhsm2-util",
            &["--init-token", "--free", "--label", "patina", "--pin", PIN, "--so-pin", "5678"],
        );
        let key = identity.key.display().to_string();
        let import = ["--import", &key, "--token", "patina", "--label", "server", "--id", "01", "--pin", PIN];
        token.tool("softhsm2-util", &import);
        let der = token.certificate.with_extension("cert.der").display().to_string();
        let write = ["--write-object", &der, "--type", "cert", "--label", "server", "--id", "01"];
        let login = ["--module", MODULE, "--token-label", "patina", "--login", "--pin", PIN];
        token.tool("pkcs11-tool", &[&login[..], &write].concat());
        token
    }

    fn run(&self, program: &str, words: &[&str]) -> Output {
        let mut command = Command::new(program);
        command.args(words).env("SOFTHSM2_CONF", self.scratch.file("softhsm2.conf"));
        command.env("PKCS11_MODULE_PATH", MODULE).env_remove("OPENSSL_CONF");
        command.output().unwrap_or_else(|why| panic!("cannot run {program}: {why}"))
    }

    fn tool(&self, program: &str, words: &[&str]) {
        let output = self.run(program, words);
        assert!(output.status.success(), "{program} {words:?}: {output:?}");
    }

    /// What the program says; the second part is false when it has failed.
    fn serve(&self, words: &[&str]) -> (String, bool) {
        let output = self.run(env!("CARGO_BIN_EXE_token"), words);
        assert!(output.stderr.is_empty(), "{words:?} writes to the terminal: {output:?}");
        assert!(output.status.code().is_some(), "{words:?} dies of a signal: {output:?}");
        (String::from_utf8(output.stdout).unwrap(), output.status.success())
    }

    fn certificate(&self) -> String {
        self.certificate.display().to_string()
    }

    fn assert_serves(&self, words: &[&str]) {
        let (said, success) = self.serve(words);
        assert!(success, "{words:?}: {said}");
        assert_eq!(said, "TLSv1.2 true server-rsa\nTLSv1.3 true server-rsa\n", "{words:?}");
    }

    fn assert_refuses(&self, words: &[&str], start: &str, part: &str) {
        let (said, success) = self.serve(words);
        assert!(!success && said.starts_with(start) && said.contains(part), "{words:?}: {said}");
        assert!(!said.contains(PIN), "{words:?} shows the PIN: {said}");
    }
}

const KEY: &str = "pkcs11:token=patina;object=server;type=private";

#[test]
fn a_key_on_a_token_serves_through_the_engine() {
    let token = Token::new();
    token.assert_serves(&["engine", "pkcs11", KEY, &token.certificate(), PIN]);
    // The engine's own names for keys.
    token.assert_serves(&["engine", "pkcs11", "label_server", &token.certificate(), PIN]);
}

#[test]
fn key_and_certificate_serve_by_pkcs11_uris() {
    let token = Token::new();
    let with_pin = format!("{KEY}?pin-value={PIN}");
    token.assert_serves(&["uri", &token.certificate(), &with_pin]);
    token.assert_serves(&["uri", &token.certificate(), KEY, PIN]);
    token.assert_serves(&["uri", "pkcs11:token=patina;object=server;type=cert", KEY, PIN]);
    token.assert_serves(&["store", "pkcs11:token=patina;object=server", PIN]);
}

#[test]
fn a_pin_that_is_missing_or_wrong_is_an_error_and_no_prompt() {
    let token = Token::new();
    let bad = "Config ERR_OSSL_BAD_DECRYPT option identity: ";
    token.assert_refuses(&["engine", "pkcs11", KEY, &token.certificate()], bad, "is needed");
    token.assert_refuses(&["engine", "pkcs11", KEY, &token.certificate(), "9999"], bad, "PIN incorrect");
    token.assert_refuses(&["uri", &token.certificate(), KEY], bad, "is needed");
    token.assert_refuses(&["uri", &token.certificate(), KEY, "9999"], bad, "PIN incorrect");
    let with_wrong = format!("{KEY}?pin-value=9999");
    let (said, success) = token.serve(&["uri", &token.certificate(), &with_wrong]);
    assert!(!success && said.contains("pin-value=***") && !said.contains("9999"), "{said}");
}

#[test]
fn a_key_that_is_not_on_the_token_is_an_error() {
    let token = Token::new();
    let absent = "pkcs11:token=patina;object=absent;type=private";
    let failed = "Config ERR_CRYPTO_OPERATION_FAILED option identity: ";
    token.assert_refuses(&["engine", "pkcs11", absent, &token.certificate(), PIN], failed, "absent");
    token.assert_refuses(&["uri", &token.certificate(), absent, PIN], failed, "no private key at pkcs11:");
    token.assert_refuses(&["store", "pkcs11:token=patina;object=absent", PIN], failed, "no private key at");
}

#[test]
fn the_key_must_be_the_certificate_s() {
    let token = Token::new();
    let other = Identity::named("server-p256", false).unwrap().certificate.display().to_string();
    let start = "Config ERR_OSSL_X509_KEY_VALUES_MISMATCH ";
    token.assert_refuses(&["engine", "pkcs11", KEY, &other, PIN], start, "mismatch");
}

#[test]
fn an_engine_that_cannot_answer_for_clients_is_refused() {
    let token = Token::new();
    let start = "Config ERR_SSL_NO_CLIENT_CERT_METHOD option client_cert_engine: ";
    token.assert_refuses(&["client-cert-engine", "pkcs11"], start, "pkcs11");
}
