//! What servers keep and staple: the session store and OCSP responses of the program `patina`.

use std::process::Output;

use serde_json::Value;

use crate::support::fixtures;
use crate::support::program::{Scratch, Serving, event, lines, refusal, text};
use crate::support::s_client::{SServer, openssl};

fn secure(output: &Output) -> Value {
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    event(&lines(&output.stdout), "secure").clone()
}

/// The response of an authority that `server-rsa` is as it should be.
fn response(name: &str) -> Scratch {
    let serials = Scratch::new(
        &format!("{name}.txt"),
        "V\t21191231000000Z\t\t1101\tunknown\t/O=Patina Test/CN=server-rsa\n",
    );
    let response = Scratch::new(name, "");
    let signer = ["-CA", "root.pem", "-rsigner", "root.pem", "-rkey", "root.key", "-issuer", "root.pem"];
    let about = ["-cert", "server-rsa.pem", "-ndays", "36500", "-noverify"];
    let files = ["ocsp", "-index", serials.path(), "-respout", response.path()];
    let output = openssl(&[&files[..], &signer, &about].concat()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    response
}

fn hex(file: &Scratch) -> String {
    std::fs::read(file.path()).unwrap().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn sessions_are_kept_in_memory_and_resumed_by_id() {
    let server = Serving::rsa(&["--session-store", "memory"]);
    for version in ["TLSv1.2", "TLSv1.3"] {
        let output = server.connect(&["--quit", "--json", "--reconnect", "1", "--max-version", version]);
        let events = lines(&output.stdout);
        let secure: Vec<_> = events.iter().filter(|event| event["event"] == "secure").collect();
        assert_eq!(secure.len(), 2, "{}", text(&output.stderr));
        assert_eq!(
            (&secure[0]["session_reused"], &secure[1]["session_reused"]),
            (&false.into(), &true.into())
        );
        // TLS 1.3 has no ids but those that look like tickets.
        if version == "TLSv1.2" {
            assert_eq!(secure[1]["ticket"], false);
            assert_eq!(secure[0]["session_id"], secure[1]["session_id"]);
        }
    }
}

#[test]
fn the_response_that_s_server_staples_is_told() {
    let file = response("s-server.der");
    let words = ["-cert", "server-rsa.pem", "-key", "server-rsa.key", "-status_file", file.path()];
    let (output, _) = SServer::start(&words).connect(&["--request-ocsp"]);
    assert_eq!(secure(&output)["ocsp_response"], hex(&file));
    let (output, _) = SServer::start(&words).connect(&[]);
    assert_eq!(secure(&output)["ocsp_response"], Value::Null, "nobody asked");
}

#[test]
fn a_response_is_stapled_for_the_certificate_that_it_speaks_of() {
    let file = response("staple.der");
    let shop = ["--context", "shop.patina.test=shop.pem,shop.key"];
    let server = Serving::rsa(&[&["--ca", "root.pem", "--ocsp-response", file.path()][..], &shop].concat());
    for version in ["TLSv1.2", "TLSv1.3"] {
        let asked = ["--json", "--quit", "--max-version", version, "--request-ocsp"];
        assert_eq!(secure(&server.connect(&asked))["ocsp_response"], hex(&file), "{version}");
        assert_eq!(secure(&server.connect(&asked[..4]))["ocsp_response"], Value::Null, "nobody asked");
        let other = server.connect(&[&asked[..], &["--servername", "shop.patina.test"]].concat());
        assert_eq!(secure(&other)["ocsp_response"], Value::Null, "it speaks of another certificate");
    }
    let target = server.target.replace("localhost", "127.0.0.1");
    let output =
        openssl(&["s_client", "-connect", &target, "-status", "-CAfile", "root.pem"]).output().unwrap();
    assert!(text(&output.stdout).contains("Cert Status: good"), "{}", text(&output.stdout));
}

#[test]
fn a_response_that_cannot_be_read_is_one_line_and_exit_code_2() {
    let file = fixtures::path("pki/garbage.der");
    let (code, line) = refusal(&["serve", "--ocsp-response", file.to_str().unwrap()]);
    assert_eq!(code, 2);
    assert!(line.starts_with(&format!("patina: --ocsp-response: {}: ", file.display())), "{line}");
}
