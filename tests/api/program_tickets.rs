//! Ticket keys of the program: two processes, and `openssl s_client`.

use std::fs;
use std::path::Path;

use crate::support::folder::Folder;
use crate::support::program::{Serving, refusal, reused};
use crate::support::s_client::{handshakes, s_client_echoed};

const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\
                   202122232425262728292a2b2c2d2e2f";

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
    let printed = s_client_echoed(&server, &["-tls1_2", "-reconnect"]);
    assert_eq!(handshakes(&printed), (1, 5), "{printed}");
    let without = Serving::rsa(&["--no-tickets"]);
    let printed = s_client_echoed(&without, &["-tls1_2", "-reconnect"]);
    assert_eq!(handshakes(&printed), (6, 0), "{printed}");
}

#[test]
fn s_client_carries_a_session_from_one_process_to_the_other() {
    let folder = Folder::new("s-client");
    for version in ["-tls1_2", "-tls1_3"] {
        let (one, two) = (Serving::rsa(&["--ticket-keys", KEY]), Serving::rsa(&["--ticket-keys", KEY]));
        let own = Serving::rsa(&[]);
        let file = folder.path(version);
        let first = s_client_echoed(&one, &[version, "-sess_out", &file]);
        assert_eq!(handshakes(&first), (1, 0), "{first}");
        assert!(Path::new(&file).exists());
        let second = s_client_echoed(&two, &[version, "-sess_in", &file]);
        assert_eq!(handshakes(&second), (0, 1), "{second}");
        let third = s_client_echoed(&own, &[version, "-sess_in", &file]);
        assert_eq!(handshakes(&third), (1, 0), "{third}");
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
