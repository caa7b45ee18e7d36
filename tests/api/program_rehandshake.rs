//! What the program `patina` does to open connections: renegotiation, key updates, certificates that are asked for later.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Stdio};

use serde_json::Value;

use crate::support::program::{Serving, event, lines, patina, text};
use crate::support::s_client::{SServer, openssl};

const OLD: [&str; 2] = ["--max-version", "TLSv1.2"];
const SERVER: [&str; 4] = ["-cert", "server-rsa.pem", "-key", "server-rsa.key"];

/// `openssl s_client` to which is typed.
struct Typing {
    child: Child,
    stdin: Option<ChildStdin>,
}

impl Typing {
    fn start(server: &Serving, words: &[&str]) -> Typing {
        let target = server.target.replace("localhost", "127.0.0.1");
        let mut command = openssl(&[&["s_client", "-connect", &target], words].concat());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let stdin = child.stdin.take();
        Typing { child, stdin }
    }

    fn line(&mut self, text: &str) {
        let stdin = self.stdin.as_mut().unwrap();
        stdin.write_all(format!("{text}\n").as_bytes()).unwrap();
    }

    /// What it said on stderr when it ended by itself.
    fn errors(mut self) -> String {
        let mut said = Vec::new();
        self.child.stderr.take().unwrap().read_to_end(&mut said).unwrap();
        String::from_utf8_lossy(&said).into_owned()
    }
}

impl Drop for Typing {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `patina connect` that does not close before it is told to: half of a connection cannot answer.
struct Waiting(Child);

impl Waiting {
    fn start(server: &Serving, words: &[&str]) -> Waiting {
        let mut command = patina(&[&["connect", &server.target, "--ca", "root.pem"], words].concat());
        Waiting(command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
    }

    /// Sends a line, waits for the echo, and closes: the exit code, and what came back.
    fn end(mut self, line: &str) -> (i32, String) {
        let mut stdin = self.0.stdin.take().unwrap();
        let mut stdout = BufReader::new(self.0.stdout.take().unwrap());
        // The program may have ended before.
        let _ = stdin.write_all(line.as_bytes());
        let mut said = String::new();
        stdout.read_line(&mut said).unwrap();
        drop(stdin);
        stdout.read_to_string(&mut said).unwrap();
        (self.0.wait().unwrap().code().unwrap(), said)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn counts(events: &[Value], name: &str) -> Vec<u64> {
    let of_name = events.iter().filter(|event| event["event"] == name);
    of_name.map(|event| event["count"].as_u64().unwrap()).collect()
}

#[test]
fn renegotiations_of_the_client_are_told_on_both_sides_and_data_follows() {
    let server = Serving::rsa(&["--count", "1"]);
    let output = server.connect(&[&OLD[..], &["--json", "--renegotiate", "3", "--send", "hello"]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    for events in [lines(&output.stdout), server.rest()] {
        assert_eq!(counts(&events, "renegotiated"), [1, 2, 3]);
        assert_eq!(event(&events, "closed")["read"], 5);
    }
}

#[test]
fn the_renegotiation_past_the_limit_ends_the_connection() {
    let past = "ERR_SSL_TLSV1_ALERT_NO_RENEGOTIATION";
    for (limit, allowed, code, alert) in [
        (&[][..], 3, past, 100),
        (&["--reneg-limit", "1"], 1, past, 100),
        // A warning, which the client makes the end of it.
        (&["--no-renegotiation"], 0, "ERR_SSL_NO_RENEGOTIATION", 40),
    ] {
        let server = Serving::rsa(&[limit, &["--count", "1"]].concat());
        let output = server.connect(&[&OLD[..], &["--json", "--renegotiate", "4", "--quit"]].concat());
        assert_eq!(output.status.code(), Some(1));
        let client = lines(&output.stdout);
        assert_eq!(counts(&client, "renegotiated"), (1..=allowed).collect::<Vec<_>>());
        let error = event(&client, "error");
        assert_eq!((&error["code"], &error["alert"]), (&code.into(), &alert.into()), "{limit:?}");
        let server = server.rest();
        assert_eq!(counts(&server, "renegotiated").len(), usize::try_from(allowed).unwrap());
        if allowed > 0 {
            assert_eq!(event(&server, "error")["code"], "ERR_TLS_SESSION_ATTACK");
        }
    }
}

#[test]
fn s_client_renegotiates_three_times_and_not_a_fourth() {
    let mut server = Serving::rsa(&OLD);
    let mut client = Typing::start(&server, &[]);
    assert_eq!(server.next_event()["event"], "secure");
    for count in 1..=3 {
        client.line("R");
        let event = server.next_event();
        assert_eq!((&event["event"], &event["count"]), (&"renegotiated".into(), &count.into()), "{event}");
    }
    client.line("R");
    let error = server.next_event();
    assert_eq!((&error["event"], &error["code"]), (&"error".into(), &"ERR_TLS_SESSION_ATTACK".into()));
    let said = client.errors();
    assert!(said.contains("no renegotiation"), "{said}");
}

#[test]
fn a_server_renegotiates_with_s_client() {
    let mut server = Serving::rsa(&[&OLD[..], &["--renegotiate", "2"]].concat());
    let _client = Typing::start(&server, &[]);
    assert_eq!(server.next_event()["event"], "secure");
    for count in [1, 2] {
        let event = server.next_event();
        assert_eq!((&event["event"], &event["count"]), (&"renegotiated".into(), &count.into()), "{event}");
    }
}

#[test]
fn a_client_renegotiates_with_s_server_and_is_refused_where_it_must_not() {
    let words = [&SERVER[..], &["-tls1_2", "-client_renegotiation"]].concat();
    let (output, _) = SServer::start(&words).connect(&["--renegotiate", "2"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(counts(&lines(&output.stdout), "renegotiated"), [1, 2]);
    let (output, _) = SServer::start(&[&SERVER[..], &["-tls1_2", "-no_renegotiation"]].concat())
        .connect(&["--renegotiate", "1"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(event(&lines(&output.stdout), "error")["code"], "ERR_SSL_NO_RENEGOTIATION");
}

#[test]
fn keys_are_updated_among_ourselves_and_with_openssl() {
    let server = Serving::rsa(&["--count", "1"]);
    let output = server.connect(&["--json", "--key-update", "3", "--send", "hello"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(counts(&lines(&output.stdout), "keys_updated"), [1, 2, 3]);
    assert_eq!(event(&server.rest(), "closed")["read"], 5);
    let mut server = Serving::rsa(&["--key-update", "2"]);
    let client = Waiting::start(&server, &[]);
    let events: Vec<_> = (0..3).map(|_| server.next_event()).collect();
    assert_eq!(counts(&events, "keys_updated"), [1, 2]);
    assert_eq!(client.end("hello\n"), (0, "hello\n".to_owned()));
    let (output, _) = SServer::start(&SERVER).connect(&["--key-update", "2"]);
    assert_eq!(counts(&lines(&output.stdout), "keys_updated"), [1, 2], "{}", text(&output.stderr));
    assert_eq!(output.status.code(), Some(0));

    let mut server = Serving::rsa(&["--key-update", "1", "--mode", "rev"]);
    let mut client = Typing::start(&server, &["-quiet"]);
    client.line("abc");
    let mut said = String::new();
    BufReader::new(client.child.stdout.take().unwrap()).read_line(&mut said).unwrap();
    assert_eq!(said, "cba\n");
    assert_eq!(server.next_event()["event"], "secure");
    assert_eq!(server.next_event()["event"], "keys_updated");
}

#[test]
fn what_the_version_lacks_is_an_error_of_the_connection() {
    let server = Serving::rsa(&[]);
    for words in [&["--renegotiate", "1"][..], &["--key-update", "1", "--max-version", "TLSv1.2"]] {
        let output = server.connect(&[words, &["--quit", "--json"]].concat());
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(event(&lines(&output.stdout), "error")["code"], "ERR_SSL_WRONG_SSL_VERSION", "{words:?}");
    }
}

#[test]
fn a_certificate_is_asked_for_once_the_handshake_is_over() {
    let mut server = Serving::rsa(&["--post-handshake-auth", "--ca", "root.pem"]);
    let own = ["--cert", "client-ec.pem", "--key", "client-ec.key", "--post-handshake-auth"];
    for (version, before) in [("TLSv1.3", None), ("TLSv1.2", Some("renegotiated"))] {
        let client = Waiting::start(&server, &[&own[..], &["--max-version", version]].concat());
        let secure = server.next_event();
        assert_eq!((&secure["protocol"], &secure["peer_certificate"]), (&version.into(), &Value::Null));
        if let Some(before) = before {
            assert_eq!(server.next_event()["event"], before);
        }
        let told = server.next_event();
        assert_eq!(
            (&told["event"], &told["authorized"]),
            (&"authenticated".into(), &true.into()),
            "{version}"
        );
        assert_eq!(told["peer_certificate"]["subject"]["CN"], "client-ec");
        assert_eq!(client.end("hello\n"), (0, "hello\n".to_owned()));
        assert_eq!(server.next_event()["event"], "closed");
    }
    let bare = Waiting::start(&server, &["--post-handshake-auth"]);
    assert_eq!(server.next_event()["event"], "secure");
    let error = server.next_event();
    let code = "ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE";
    assert_eq!((&error["event"], &error["code"]), (&"error".into(), &code.into()));
    assert_eq!(bare.end("\n").0, 1);
}

#[test]
fn s_client_shows_its_certificate_once_the_handshake_is_over() {
    let mut server = Serving::rsa(&["--post-handshake-auth", "--ca", "root.pem"]);
    let words = ["-tls1_3", "-enable_pha", "-cert", "client-rsa.pem", "-key", "client-rsa.key"];
    let _client = Typing::start(&server, &words);
    assert_eq!(server.next_event()["peer_certificate"], Value::Null);
    let told = server.next_event();
    assert_eq!((&told["event"], &told["authorized"]), (&"authenticated".into(), &true.into()), "{told}");
    assert_eq!(told["peer_certificate"]["subject"]["CN"], "client-rsa");
}
