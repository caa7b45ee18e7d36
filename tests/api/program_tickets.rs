//! Ticket keys of the program: two processes, and `openssl s_client`.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::fixtures;
use crate::support::program::{Serving, event, lines, refusal, text};

const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\
                   202122232425262728292a2b2c2d2e2f";

/// A directory of this test's own.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("patina-tickets-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn address(server: &Serving) -> String {
    server.target.replace("localhost", "127.0.0.1")
}

/// Runs `openssl s_client` until its line has come back, and gives what it printed up to then.
fn s_client(server: &Serving, args: &[&str]) -> String {
    let mut child = Command::new("openssl")
        .args(["s_client", "-connect", &address(server), "-servername", "localhost"])
        .args(["-CAfile", fixtures::path("pki/root.pem").to_str().unwrap()])
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"a line that comes back\n").unwrap();
    let mut printed = String::new();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    while !printed.ends_with("a line that comes back\n") {
        assert_ne!(stdout.read_line(&mut printed).unwrap(), 0, "it ended after {printed}");
    }
    drop(stdin);
    std::io::copy(&mut stdout, &mut std::io::sink()).unwrap();
    assert!(child.wait().unwrap().success());
    printed
}

/// How many of the handshakes that `s_client` tells of were full, and how many resumed.
fn counts(printed: &str) -> (usize, usize) {
    let count = |word: &str| printed.lines().filter(|line| line.starts_with(word)).count();
    (count("New, TLSv"), count("Reused, TLSv"))
}

fn reused(output: &std::process::Output) -> bool {
    assert!(output.status.success(), "{}", text(&output.stderr));
    event(&lines(&output.stdout), "secure")["session_reused"].as_bool().unwrap()
}

#[test]
fn two_processes_with_one_ticket_key_resume_each_other_s_clients() {
    let folder = Folder::new("two");
    let raw: Vec<u8> = (0..48).collect();
    fs::write(folder.path("raw"), &raw).unwrap();
    fs::write(folder.path("hex"), format!("{KEY}\n")).unwrap();
    for version in ["TLSv1.2", "TLSv1.3"] {
        let by_digits = Serving::rsa(&["--ticket-keys", KEY]);
        let by_file = Serving::rsa(&["--ticket-keys", &folder.path("raw")]);
        let by_hex_file = Serving::rsa(&["--ticket-keys", &folder.path("hex")]);
        let other = Serving::rsa(&["--ticket-keys", &KEY.replace("00", "ff")]);
        let file = folder.path(&format!("{version}.pem"));
        let common = ["--json", "--send", "x", "--max-version", version];
        let first = by_digits.connect(&[&common[..], &["--session-out", &file]].concat());
        assert!(!reused(&first));
        for (server, expected) in
            [(&by_digits, true), (&by_file, true), (&by_hex_file, true), (&other, false)]
        {
            let next = server.connect(&[&common[..], &["--session-in", &file]].concat());
            assert_eq!(reused(&next), expected, "{version}");
        }
    }
}

#[test]
fn s_client_reconnects_by_ticket() {
    let server = Serving::rsa(&["--ticket-keys", KEY]);
    let printed = s_client(&server, &["-tls1_2", "-reconnect"]);
    assert_eq!(counts(&printed), (1, 5), "{printed}");
    let without = Serving::rsa(&["--no-tickets"]);
    let printed = s_client(&without, &["-tls1_2", "-reconnect"]);
    assert_eq!(counts(&printed), (6, 0), "{printed}");
}

#[test]
fn s_client_carries_a_session_from_one_process_to_the_other() {
    let folder = Folder::new("s-client");
    for version in ["-tls1_2", "-tls1_3"] {
        let (one, two) = (Serving::rsa(&["--ticket-keys", KEY]), Serving::rsa(&["--ticket-keys", KEY]));
        let own = Serving::rsa(&[]);
        let file = folder.path(version);
        let first = s_client(&one, &[version, "-sess_out", &file]);
        assert_eq!(counts(&first), (1, 0), "{first}");
        assert!(Path::new(&file).exists());
        let second = s_client(&two, &[version, "-sess_in", &file]);
        assert_eq!(counts(&second), (0, 1), "{second}");
        let third = s_client(&own, &[version, "-sess_in", &file]);
        assert_eq!(counts(&third), (1, 0), "{third}");
    }
}

#[test]
fn a_ticket_key_that_is_none_is_refused_and_not_shown() {
    let folder = Folder::new("refused");
    fs::write(folder.path("short"), [7; 47]).unwrap();
    let (code, line) = refusal(&["serve", "--ticket-keys", &KEY[..94]]);
    assert_eq!((code, line.as_str()), (2, "patina: --ticket-keys: 94 digits; 48 bytes have 96\n"));
    let (code, line) = refusal(&["serve", "--ticket-keys", &folder.path("short")]);
    assert_eq!(code, 2);
    assert!(line.contains("/short: 48 bytes are needed") && line.contains("not 47"), "{line}");
    let (code, line) = refusal(&["serve", "--ticket-keys", "no-such-file"]);
    assert_eq!(code, 2);
    assert!(line.starts_with("patina: --ticket-keys: no-such-file: "), "{line}");
    let (code, line) = refusal(&["serve", "--ticket-keys", KEY, "--no-tickets"]);
    assert_eq!(code, 2);
    assert!(line.contains("--no-tickets"), "{line}");
}
