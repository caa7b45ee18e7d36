//! Options of the program `patina` from a file of Node's options, and keys by URI and engine.

use serde_json::{Value, json};

use crate::support::fixtures;
use crate::support::program::{Scratch, Serving, event, lines, refusal, text};

fn options(name: &str, options: &Value) -> Scratch {
    Scratch::new(name, options.to_string())
}

fn pem(name: &str) -> String {
    std::fs::read_to_string(fixtures::path("pki").join(name)).unwrap()
}

fn server_options() -> Value {
    json!({
        "cert": pem("server-rsa.pem"), "key": pem("server-rsa.key"), "ALPNProtocols": ["h2"], "dhparam": "ffdhe3072",
        "minVersion": "TLSv1.2", "maxVersion": "TLSv1.2",
    })
}

/// What the client says of a connection.
fn facts(server: &Serving, args: &[&str]) -> Value {
    let output = server.connect(&[&["--json", "--quit"], args].concat());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    event(&lines(&output.stdout), "secure").clone()
}

#[test]
fn options_of_node_make_a_server_and_a_client() {
    let server = options("server", &server_options());
    let client = options(
        "client",
        &json!({ "ca": [pem("root.pem")], "ciphers": "DHE-RSA-AES256-GCM-SHA384", "servername": "localhost" }),
    );
    let server = Serving::start(&["--options", server.path()]);
    let target = server.target.replace("localhost", "127.0.0.1");
    let args = ["connect", &target, "--json", "--quit", "--alpn", "h2", "--verify-name", "localhost"];
    let output = crate::support::program::run(&[&args[..], &["--options", client.path()]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let secure = event(&lines(&output.stdout), "secure").clone();
    assert_eq!(
        (&secure["protocol"], &secure["cipher"]["name"], &secure["servername"]),
        (&"TLSv1.2".into(), &"DHE-RSA-AES256-GCM-SHA384".into(), &"localhost".into())
    );
    assert_eq!((&secure["ephemeral_key"]["size"], &secure["alpn"]), (&3072.into(), &"h2".into()));
    assert_eq!(
        (&secure["authorized"], &secure["peer_certificate"]["subject"]["CN"]),
        (&true.into(), &"server-rsa".into())
    );
}

#[test]
fn flags_win_over_the_options() {
    let options = options("won-over", &server_options());
    let options = ["--options", options.path()];
    let serve = |flags: &[&str]| Serving::start(&[&options[..], flags].concat());
    let server = serve(&[
        "--max-version",
        "TLSv1.3",
        "--alpn",
        "http/1.1",
        "--ciphersuites",
        "TLS_CHACHA20_POLY1305_SHA256",
    ]);
    let secure = facts(&server, &["--alpn", "http/1.1"]);
    assert_eq!(
        (&secure["protocol"], &secure["alpn"], &secure["cipher"]["name"]),
        (&"TLSv1.3".into(), &"http/1.1".into(), &"TLS_CHACHA20_POLY1305_SHA256".into())
    );
    let old = facts(&server, &["--max-version", "TLSv1.2", "--alpn", "http/1.1"]);
    assert_eq!(old["protocol"], "TLSv1.2", "the lower bound of the options stays");
    let server =
        serve(&["--secure-protocol", "TLS_method", "--cert", "server-p256.pem", "--key", "server-p256.key"]);
    let secure = facts(&server, &["--alpn", "h2", "--ca", "root-ec.pem"]);
    assert_eq!(
        (&secure["protocol"], &secure["peer_certificate"]["subject"]["CN"]),
        (&"TLSv1.3".into(), &"server-p256".into())
    );
    let server = serve(&["--dhparam", "modp_2048", "--ciphers", "DHE-RSA-AES128-GCM-SHA256", "--alpn", "h2"]);
    assert_eq!(facts(&server, &[])["ephemeral_key"]["size"], 2048);
}

#[test]
fn suites_of_tls_1_3_beside_options_without_ciphers_are_no_reason_for_a_warning() {
    let server = Serving::start(&[]);
    let client = options("no-ciphers", &json!({ "servername": "localhost" }));
    let words =
        ["--insecure", "--quit", "--options", client.path(), "--ciphersuites", "TLS_AES_128_GCM_SHA256"];
    let output = server.connect(&[&words[..], &["--json"]].concat());
    assert_eq!(text(&output.stderr), "");
    assert_eq!(event(&lines(&output.stdout), "secure")["cipher"]["name"], "TLS_AES_128_GCM_SHA256");
}

#[test]
fn options_ask_for_client_certificates_as_in_node() {
    let mut asking = server_options();
    asking["requestCert"] = true.into();
    asking["ca"] = pem("root.pem").into();
    let required = options("required", &asking);
    asking["rejectUnauthorized"] = false.into();
    let requested = options("requested", &asking);
    let server = Serving::start(&["--options", required.path()]);
    let with = facts(&server, &["--cert", "client-ec.pem", "--key", "client-ec.key"]);
    assert_eq!(with["authorized"], true);
    assert_eq!(server.connect(&["--quit"]).status.code(), Some(1));
    let mut server = Serving::start(&["--options", requested.path()]);
    facts(&server, &[]);
    assert_eq!(server.next_event()["authorized"], false);
    let server = Serving::start(&["--options", requested.path(), "--reject-unauthorized", "yes"]);
    assert_eq!(server.connect(&["--quit"]).status.code(), Some(1));
}

#[test]
fn options_that_cannot_be_are_one_line_and_exit_code_2() {
    let unknown = Scratch::new("unknown", "{\n \"cyphers\": \"ALL\"\n}");
    let broken = Scratch::new("broken", "{");
    let version = options("version", &json!({ "minVersion": "TLSv2" }));
    let crl = options("crl", &json!({ "crl": "x" }));
    let of = |file: &Scratch, why: &str| format!("patina: --options: {}: {why}\n", file.path());
    for (file, expected) in [
        (&unknown, of(&unknown, "unknown option `cyphers`; the nearest is `ciphers` at line 2 column 10")),
        (&broken, of(&broken, "EOF while parsing an object at line 1 column 1")),
    ] {
        assert_eq!(refusal(&["serve", "--options", file.path()]), (2, expected));
    }
    let (code, line) = refusal(&["connect", "a:1", "--options", version.path()]);
    assert_eq!(code, 2);
    let begin = of(&version, "minVersion: ");
    assert!(
        line.starts_with(begin.trim_end()) && line.contains("(ERR_TLS_INVALID_PROTOCOL_VERSION)"),
        "{line}"
    );
    let expected = "patina: --ca: the crl of --options would not count; give --crl as well\n";
    assert_eq!(
        refusal(&["connect", "a:1", "--options", crl.path(), "--ca", "root.pem"]),
        (2, expected.to_owned())
    );
}

#[test]
fn certificate_and_key_are_read_from_uris() {
    let pki = fixtures::path("pki");
    let uri = |name: &str| format!("file:{}", pki.join(name).display());
    let (cert, key) = (uri("server-rsa.pem"), uri("server-rsa.key"));
    for words in [["--cert", &cert, "--key", &key], ["--cert", "server-rsa.pem", "--key", &key]] {
        let server = Serving::start(&words);
        assert_eq!(facts(&server, &[])["peer_certificate"]["subject"]["CN"], "server-rsa");
    }
    let absent = uri("absent.key");
    let (code, line) = refusal(&["serve", "--cert", "server-rsa.pem", "--key", &absent]);
    assert_eq!(code, 2);
    assert!(line.starts_with("patina: --key: ") && line.contains("absent.key"), "{line}");
}

#[test]
fn an_engine_or_a_provider_that_is_not_there_is_named() {
    let engine =
        ["--cert", "server-rsa.pem", "--private-key-engine", "no-such", "--private-key-identifier", "k"];
    for (words, begin, part) in [
        (&engine[..], "patina: --private-key-engine: ", "\"no-such\""),
        (&["--provider", "no-such"], "patina: --provider: ", "no-such"),
        (&["--private-key-identifier", "k"], "patina: ", "--private-key-engine"),
    ] {
        let (code, line) = refusal(&[&["serve"], words].concat());
        assert_eq!(code, 2, "{line}");
        assert!(line.starts_with(begin) && line.contains(part), "{line}");
    }
    let (code, line) = refusal(&["connect", "a:1", "--ca", "root.pem", "--client-cert-engine", "no-such"]);
    assert_eq!(code, 2);
    assert!(line.starts_with("patina: --client-cert-engine: ") && line.contains("\"no-such\""), "{line}");
}
