//! Stapled OCSP responses of the program `patina`, and of `openssl s_client` and `s_server`.

use crate::support::fixtures;
use crate::support::ocsp::{Said, response};
use crate::support::program::{Scratch, Serving, event, lines, refusal, text};
use crate::support::s_client::{SServer, openssl, s_client};

const VERSIONS: [[&str; 2]; 2] = [["--max-version", "TLSv1.2"], ["--min-version", "TLSv1.3"]];

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What a client of patina says of the handshake: the response and what it came to.
fn facts(server: &Serving, words: &[&str]) -> (Option<String>, Option<String>) {
    let output = server.connect(&[&["--json", "--quit"], words].concat());
    let events = lines(&output.stdout);
    let secure = event(&events, "secure");
    let field = |name: &str| secure[name].as_str().map(str::to_owned);
    (field("ocsp_response"), field("ocsp_status"))
}

#[test]
fn a_server_staples_the_response_of_a_file() {
    let der = response("server-rsa", "root").der();
    let file = Scratch::new("staple.der", &der);
    for version in VERSIONS {
        let server = Serving::rsa(&[&["--ocsp-response", file.path()][..], &version].concat());
        assert_eq!(facts(&server, &["--request-ocsp"]), (Some(hex(&der)), Some("good".to_owned())));
        assert_eq!(facts(&server, &[]), (None, None), "nobody has asked");

        let said = s_client(&server, &["-status", "-CAfile", "root.pem"]);
        for part in ["OCSP Response Status: successful (0x0)", "Cert Status: good", "Serial Number: 1101"] {
            assert!(said.contains(part), "{part}: {said}");
        }
        let said = s_client(&server, &["-CAfile", "root.pem"]);
        assert!(!said.contains("OCSP"), "{said}");
    }
}

#[test]
fn what_the_response_says_is_reported() {
    let revoked = response("server-rsa", "root").says(Said::Revoked("20240101000000Z", Some(4)));
    for (der, status) in [
        (revoked.der(), "revoked (superseded)"),
        (response("server-rsa", "root").says(Said::Unknown).der(), "unknown"),
    ] {
        let file = Scratch::new(&format!("{}.der", &status[..3]), &der);
        let server = Serving::rsa(&["--ocsp-response", file.path()]);
        assert_eq!(facts(&server, &["--request-ocsp"]), (Some(hex(&der)), Some(status.to_owned())));
        let output = server.connect(&["--request-ocsp", "--quit"]);
        assert!(text(&output.stderr).contains(status), "{}", text(&output.stderr));
    }
    let server = Serving::rsa(&[]);
    assert_eq!(facts(&server, &["--request-ocsp"]), (None, Some("missing".to_owned())));
    let strict = Serving::start(&["--cert", "must-staple.pem", "--key", "must-staple.key"]);
    let (_, status) = facts(&strict, &["--request-ocsp"]);
    assert_eq!(status.as_deref(), Some("missing, and the certificate asks for it"));
}

#[test]
fn each_certificate_has_the_response_that_is_about_it_and_none_that_has_expired() {
    let (first, second) = (response("server-rsa", "root").der(), response("shop", "root").der());
    let expired = response("other", "root").times("20200101000000Z", Some("20200108000000Z")).der();
    let files = [
        Scratch::new("first.der", &first),
        Scratch::new("second.der", &second),
        Scratch::new("expired.der", &expired),
    ];
    let [one, two, three] = files.each_ref().map(Scratch::path);
    let server = Serving::rsa(
        &[
            &["--ocsp-response", one, "--ocsp-response", two, "--ocsp-response", three][..],
            &[
                "--context",
                "shop.patina.test=shop.pem,shop.key",
                "--context",
                "other.patina.test=other.pem,other.key",
            ],
        ]
        .concat(),
    );
    let asked = |name: &str| facts(&server, &["--request-ocsp", "--servername", name]);
    assert_eq!(asked("server.patina.test"), (Some(hex(&first)), Some("good".to_owned())));
    assert_eq!(asked("shop.patina.test"), (Some(hex(&second)), Some("good".to_owned())));
    assert_eq!(asked("other.patina.test"), (None, Some("missing".to_owned())));
}

#[test]
fn a_client_reads_the_staple_of_s_server() {
    let der = response("server-rsa", "root").der();
    let file = Scratch::new("s_server.der", &der);
    for version in ["-tls1_2", "-tls1_3"] {
        let words =
            ["-cert", "server-rsa.pem", "-key", "server-rsa.key", "-status_file", file.path(), version];
        let (output, _) = SServer::start(&words).connect(&["--request-ocsp"]);
        let events = lines(&output.stdout);
        let secure = event(&events, "secure");
        assert_eq!(secure["ocsp_response"], hex(&der), "{version}");
        assert_eq!(secure["ocsp_status"], "good", "{version}");
    }
}

#[test]
fn the_response_of_an_openssl_responder_is_good_as_long_as_it_says() {
    // `openssl ocsp` dates its responses by the clock of the system.
    let index =
        Scratch::new("index.txt", "V\t21191231000000Z\t\t1101\tunknown\t/O=Patina Test/CN=server-rsa\n");
    let made = Scratch::new("made.der", "");
    let request = Scratch::new("request.der", "");
    let root = fixtures::path("pki/root.pem");
    let root = root.to_str().unwrap();
    let run = |words: &[&str]| {
        let output = openssl(&[&["ocsp"], words].concat()).output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", text(&output.stderr));
    };
    run(&["-issuer", root, "-cert", "server-rsa.pem", "-reqout", request.path(), "-no_nonce"]);
    run(&[
        &["-index", index.path(), "-CA", root, "-rsigner", root, "-rkey", "root.key", "-ndays", "2"][..],
        &["-reqin", request.path(), "-respout", made.path(), "-rmd", "sha256"],
    ]
    .concat());
    let server = Serving::rsa(&["--ocsp-response", made.path()]);
    let (response, status) = facts(&server, &["--request-ocsp"]);
    assert_eq!(status.as_deref(), Some("good"));
    assert_eq!(response, Some(hex(&std::fs::read(made.path()).unwrap())));
}

#[test]
fn files_that_are_no_responses_are_refused_by_name() {
    let (code, said) = refusal(&["serve", "--ocsp-response", "garbage.der"]);
    assert_eq!(code, 2);
    assert!(
        said.contains("--ocsp-response: garbage.der: these bytes are no OCSP response")
            && said.contains("(OCSP_RESP_INVALID)"),
        "{said}"
    );
    let (code, said) = refusal(&["serve", "--ocsp-response", "none.der"]);
    assert_eq!((code, said.contains("--ocsp-response: none.der: ")), (2, true), "{said}");
}
