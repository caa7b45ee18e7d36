//! Early data of the program: between two processes, and with `openssl s_client` and `s_server`.

use std::process::Output;

use serde_json::Value;

use crate::support::folder::Folder;
use crate::support::program::{Scratch, Serving, event, lines, patina, refusal, text};
use crate::support::s_client::{SServer, s_client_echoed};

const REQUEST: &str = "a request that comes early\n";

/// A server that takes early data, and the file of a session of it.
fn session(server: &Serving, folder: &Folder, name: &str) -> String {
    let file = folder.path(name);
    let output = server.connect(&["--json", "--send", "x", "--session-out", &file]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    file
}

/// What became of the early data, and how much there was.
fn early(secure: &Value) -> (&str, Option<u64>) {
    (secure["early_data"].as_str().unwrap(), secure["early_data_bytes"].as_u64())
}

fn early_of(output: &Output) -> (String, Option<u64>) {
    assert!(output.status.success(), "{}", text(&output.stderr));
    let events = lines(&output.stdout);
    let (word, count) = early(event(&events, "secure"));
    (word.to_owned(), count)
}

/// The counts of the last event.
fn counts(events: &[Value]) -> (u64, u64) {
    let closed = event(events, "closed");
    (closed["read"].as_u64().unwrap(), closed["written"].as_u64().unwrap())
}

fn next_secure(server: &mut Serving) -> Value {
    loop {
        let event = server.next_event();
        if event["event"] == "secure" {
            return event;
        }
    }
}

#[test]
fn early_data_is_answered_once_and_else_sent_after_the_handshake() {
    let folder = Folder::new("early-data");
    let mut server = Serving::rsa(&["--early-data", "1000"]);
    let file = session(&server, &folder, "session");
    assert_eq!(early(&next_secure(&mut server)), ("not_sent", None));
    let bytes = REQUEST.len() as u64;
    for (client, expected) in [
        ("accepted", ("accepted", Some(bytes))),
        ("rejected", ("rejected", None)),
        ("rejected", ("rejected", None)),
    ] {
        let output =
            server.connect(&["--json", "--session-in", &file, "--early-data", REQUEST, "--send", "and more"]);
        assert_eq!(early_of(&output), (client.to_owned(), Some(bytes)));
        assert_eq!(counts(&lines(&output.stdout)), (bytes + 8, bytes + 8), "it is echoed, however it came");
        assert_eq!(early(&next_secure(&mut server)), expected);
    }
}

#[test]
fn early_data_comes_back_on_stdout_and_from_a_file() {
    let folder = Folder::new("early-data-text");
    let server = Serving::rsa(&["--early-data", "1000"]);
    let request = Scratch::new("early-request", REQUEST);
    for _ in 0..2 {
        let file = session(&server, &folder, "session");
        let args = ["--session-in", &file, "--early-data", request.path(), "--send", "then this"];
        let output = server.connect(&args);
        assert!(output.status.success());
        assert_eq!(text(&output.stdout), format!("{REQUEST}then this"));
        let said = text(&output.stderr);
        let row = said.lines().find(|line| line.contains("early data")).unwrap_or_else(|| panic!("{said}"));
        assert!(row.ends_with(&format!("accepted, {} bytes", REQUEST.len())), "{row}");
        // The session is used up now.
        let output = server.connect(&args);
        assert_eq!(text(&output.stdout), format!("{REQUEST}then this"));
        assert!(text(&output.stderr).contains("rejected, 27 bytes"));
    }
}

#[test]
fn more_than_the_server_takes_is_not_sent_early() {
    let folder = Folder::new("early-data-more");
    let server = Serving::rsa(&["--early-data", "10"]);
    let file = session(&server, &folder, "session");
    let output = server.connect(&["--session-in", &file, "--early-data", REQUEST, "--send", ""]);
    assert_eq!(text(&output.stdout), REQUEST);
    assert!(text(&output.stderr).contains("not sent, 27 bytes"));
}

#[test]
fn every_new_connection_of_a_row_has_a_session_and_the_last_one_the_early_data() {
    let server = Serving::rsa(&["--early-data", "1000"]);
    let output = server.connect(&["--json", "--reconnect", "3", "--early-data", REQUEST, "--send", ""]);
    let events = lines(&output.stdout);
    let words: Vec<&Value> =
        events.iter().filter(|event| event["event"] == "secure").map(|event| &event["early_data"]).collect();
    assert_eq!(words, ["not_sent", "not_sent", "not_sent", "accepted"]);
}

#[test]
fn the_page_is_answered_to_an_early_request() {
    let folder = Folder::new("early-data-page");
    let server = Serving::rsa(&["--early-data", "1000", "--mode", "http"]);
    let file = folder.path("session");
    let plain = "GET / HTTP/1.0\r\nAccept: application/json\r\n\r\n";
    let first = server.connect(&["--alpn", "http/1.1", "--send", plain, "--session-out", &file]);
    assert!(first.status.success());
    let output =
        server.connect(&["--alpn", "http/1.1", "--session-in", &file, "--early-data", plain, "--send", ""]);
    let page = text(&output.stdout);
    assert!(page.starts_with("HTTP/1.1 200"), "{page}");
    assert!(page.contains("\"early_data\":"), "{page}");
    assert!(text(&output.stderr).contains("accepted,"));
}

#[test]
fn stdio_prints_early_data_as_all_data() {
    let folder = Folder::new("early-data-stdio");
    let echo = Serving::rsa(&["--early-data", "1000", "--count", "1"]);
    let file = session(&echo, &folder, "session");
    drop(echo);
    // Another process does not know the ticket: what is printed came after the handshake, and nothing is lost.
    let mut child = patina(&["serve", "--mode", "stdio", "--early-data", "1000", "--cert", "server-rsa.pem"])
        .args(["--key", "server-rsa.key"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = std::io::BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    std::io::BufRead::read_line(&mut stderr, &mut line).unwrap();
    let port = line.trim().rsplit_once(':').unwrap().1;
    let args = ["connect", &format!("localhost:{port}"), "--ca", "root.pem", "--json", "--session-in", &file];
    let output = patina(&args).args(["--early-data", REQUEST, "--send", ""]).output().unwrap();
    assert_eq!(early_of(&output).0, "rejected");
    assert_eq!(text(&child.wait_with_output().unwrap().stdout), REQUEST);
}

#[test]
fn s_client_sends_early_data_and_it_is_taken_once() {
    let folder = Folder::new("early-data-s-client");
    let mut server = Serving::rsa(&["--early-data", "1000"]);
    let (file, request) = (folder.path("session"), Scratch::new("early-s-client", REQUEST));
    s_client_echoed(&server, &["-tls1_3", "-sess_out", &file]);
    assert_eq!(early(&next_secure(&mut server)), ("not_sent", None));
    for (word, expected) in
        [("accepted", ("accepted", Some(REQUEST.len() as u64))), ("rejected", ("rejected", None))]
    {
        let said = s_client_echoed(&server, &["-tls1_3", "-sess_in", &file, "-early_data", request.path()]);
        assert!(said.contains(&format!("Early data was {word}")), "{said}");
        assert_eq!(said.contains(REQUEST.trim()), word == "accepted", "{said}");
        assert_eq!(early(&next_secure(&mut server)), expected);
    }
}

#[test]
fn early_data_of_a_pre_shared_key_is_passed_over() {
    let folder = Folder::new("early-data-psk");
    let key = "1a".repeat(32);
    let mut server = Serving::rsa(&["--early-data", "1000", "--psk", &format!("pump:{key}")]);
    let (session, request) = (folder.path("psk"), Scratch::new("early-psk", REQUEST));
    // A session made of the key, which says that early data may be sent with it.
    std::fs::write(&session, psk_session(&[0x1a; 32])).unwrap();
    let words = [
        "-tls1_3",
        "-ciphersuites",
        "TLS_AES_128_GCM_SHA256",
        "-psk_identity",
        "pump",
        "-psk_session",
        &session,
        "-early_data",
        request.path(),
    ];
    let said = s_client_echoed(&server, &words);
    assert!(said.contains("Early data was rejected"), "{said}");
    let secure = next_secure(&mut server);
    assert_eq!((early(&secure), &secure["psk_identity"]), (("rejected", None), &"pump".into()));
}

/// A session as libssl writes one, with a key, the suite TLS_AES_128_GCM_SHA256, and 1000 bytes of early data.
fn psk_session(key: &[u8]) -> String {
    fn tlv(tag: u8, body: &[u8]) -> Vec<u8> {
        [&[tag, u8::try_from(body.len()).unwrap()], body].concat()
    }
    let body = [
        tlv(2, &[1]),
        tlv(2, &[3, 4]),
        tlv(4, &[0x13, 1]),
        tlv(4, b""),
        tlv(4, key),
        tlv(0xA1, &tlv(2, &[1])),
        tlv(0xA2, &tlv(2, &[0x7F, 0, 0, 0])),
        tlv(0xAF, &tlv(2, &[0x03, 0xE8])),
    ]
    .concat();
    let der = tlv(0x30, &body);
    let base64 = openssl::base64::encode_block(&der);
    let lines: Vec<_> = base64.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
    format!(
        "-----BEGIN SSL SESSION PARAMETERS-----\n{}\n-----END SSL SESSION PARAMETERS-----\n",
        lines.join("\n")
    )
}

#[test]
fn s_server_takes_early_data_or_passes_over_it() {
    let folder = Folder::new("early-data-s-server");
    let identity = ["-cert", "server-rsa.pem", "-key", "server-rsa.key", "-tls1_3"];
    for (words, expected) in [
        (&["-early_data"][..], "accepted"),
        (&["-early_data", "-max_early_data", "10"][..], "not_sent"),
        (&[][..], "not_sent"),
    ] {
        let file = folder.path("session");
        let both = ["-naccept", "2"];
        let mut server = SServer::start(&[&identity[..], &both, words].concat());
        let first = server.connect_once(&["--session-out", &file]);
        assert!(first.status.success(), "{}", text(&first.stderr));
        let args = ["--session-in", &file, "--early-data", REQUEST];
        let (output, said) = server.connect(&args);
        assert_eq!(early_of(&output), (expected.to_owned(), Some(REQUEST.len() as u64)));
        assert!(said.contains(REQUEST.trim()), "{said}");
        assert_eq!(said.contains("Early data received"), expected == "accepted", "{said}");
    }
}

#[test]
fn s_server_that_takes_no_early_data_any_more_gets_it_after_the_handshake() {
    let folder = Folder::new("early-data-s-server-off");
    let file = folder.path("session");
    let identity = ["-cert", "server-rsa.pem", "-key", "server-rsa.key", "-tls1_3"];
    let mut server = SServer::start(&[&identity[..], &["-early_data"]].concat());
    assert!(server.connect_once(&["--session-out", &file]).status.success());
    drop(server);
    let server = SServer::start(&identity);
    let (output, said) = server.connect(&["--session-in", &file, "--early-data", REQUEST]);
    assert_eq!(early_of(&output).0, "rejected");
    assert!(said.contains(REQUEST.trim()), "{said}");
}

#[test]
fn wrong_use_of_early_data_is_one_line() {
    let (code, line) = refusal(&["connect", "localhost:1", "--early-data", "x"]);
    assert_eq!((code, line.contains("--session-in")), (2, true), "{line}");
    let (code, line) = refusal(&["serve", "--early-data", "1000", "--session-store", "memory"]);
    assert_eq!((code, line.starts_with("patina: --early-data:")), (2, true), "{line}");
    let args = ["serve", "--early-data", "1000", "--secure-options", "NO_ANTI_REPLAY"];
    let (code, line) = refusal(&args);
    assert_eq!((code, line.starts_with("patina: --early-data:")), (2, true), "{line}");
    let (code, line) = refusal(&["serve", "--early-data", "1000", "--max-version", "TLSv1.2"]);
    assert_eq!((code, line.starts_with("patina: --early-data:")), (2, true), "{line}");
}
