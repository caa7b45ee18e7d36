//! Keys of the program `patina` that are not certificates' (PSK, DHE), and NPN: among ourselves and with `openssl`.

use std::process::Output;

use serde_json::Value;

use crate::support::fixtures;
use crate::support::program::{Scratch, Serving, event, lines, patina, refusal, text};
use crate::support::s_client::{SServer, s_client};

const KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
const PUMP: &str = "pump-7:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
const PUMP_384: &str = "pump-7:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff:sha384";
const RSA: [&str; 4] = ["--cert", "server-rsa.pem", "--key", "server-rsa.key"];

/// The four key exchanges of TLS 1.2.
const KINDS: [&str; 4] = [
    "PSK-AES128-GCM-SHA256",
    "DHE-PSK-AES128-GCM-SHA256",
    "ECDHE-PSK-AES128-CBC-SHA256",
    "RSA-PSK-AES128-GCM-SHA256",
];

fn secure(output: &Output) -> Value {
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    event(&lines(&output.stdout), "secure").clone()
}

fn assert_psk(secure: &Value, protocol: &str, cipher: &str) {
    assert_eq!(secure["event"], "secure", "{cipher}: {secure}");
    assert_eq!(
        (&secure["protocol"], &secure["cipher"]["name"], &secure["psk_identity"]),
        (&protocol.into(), &cipher.into(), &"pump-7".into())
    );
}

/// A session of TLS 1.3 that was never made: how `openssl` takes a key for SHA-384.
fn psk_session() -> Scratch {
    let key: Vec<u8> =
        (0..KEY.len()).step_by(2).map(|i| u8::from_str_radix(&KEY[i..i + 2], 16).unwrap()).collect();
    let mut body = vec![2, 1, 1, 2, 2, 3, 4, 4, 2, 0x13, 0x02, 4, 0, 4, 32];
    body.extend(key);
    let mut der = vec![0x30, u8::try_from(body.len()).unwrap()];
    der.extend(body);
    let base64 = openssl::base64::encode_block(&der);
    let label = "SSL SESSION PARAMETERS";
    Scratch::new("psk-session.pem", format!("-----BEGIN {label}-----\n{base64}\n-----END {label}-----\n"))
}

fn rsa_if_needed(suite: &str) -> &'static [&'static str] {
    if suite.starts_with("RSA") { &RSA } else { &[] }
}

#[test]
fn psk_of_every_kind_is_agreed_on_with_s_client() {
    let common =
        ["--psk", PUMP, "--psk-identity-hint", "plant", "--dhparam", "auto", "--max-version", "TLSv1.2"];
    for suite in KINDS {
        let mut server = Serving::start(&[&common[..], &["--ciphers", suite], rsa_if_needed(suite)].concat());
        let said = s_client(&server, &["-tls1_2", "-cipher", suite, "-psk_identity", "pump-7", "-psk", KEY]);
        assert!(said.contains(&format!("Cipher is {suite}\n")), "{said}");
        assert!(
            said.contains("PSK identity: pump-7\n") && said.contains("PSK identity hint: plant\n"),
            "{said}"
        );
        assert_psk(&server.next_event(), "TLSv1.2", suite);
    }
}

#[test]
fn psk_of_every_kind_is_agreed_on_with_s_server() {
    for suite in KINDS {
        let server =
            ["-tls1_2", "-cipher", suite, "-psk_hint", "plant", "-psk_identity", "pump-7", "-psk", KEY];
        let own: &[&str] = match rsa_if_needed(suite) {
            [] => &["-nocert"],
            _ => &["-cert", "server-rsa.pem", "-key", "server-rsa.key"],
        };
        let (output, said) =
            SServer::start(&[&server[..], own].concat()).connect(&["--psk", PUMP, "--ciphers", suite]);
        let secure = secure(&output);
        assert_psk(&secure, "TLSv1.2", suite);
        assert_eq!(secure["authorized"], true);
        assert_eq!(secure["peer_certificate"].is_null(), !suite.starts_with("RSA"));
        assert!(said.contains(&format!("CIPHER is {suite}\n")), "{said}");
    }
}

#[test]
fn psk_of_tls_1_3_with_either_hash_is_agreed_on_with_openssl() {
    let session = psk_session();
    let by_key = ["-tls1_3", "-psk_identity", "pump-7", "-psk", KEY];
    let by_session = ["-tls1_3", "-psk_identity", "pump-7", "-psk_session", session.path()];
    for (suite, ours, theirs) in
        [("TLS_AES_128_GCM_SHA256", PUMP, by_key), ("TLS_AES_256_GCM_SHA384", PUMP_384, by_session)]
    {
        let suites = [&theirs[..], &["-ciphersuites", suite]].concat();
        let own = ["--psk", ours, "--ciphersuites", suite];
        let mut server = Serving::start(&own);
        let said = s_client(&server, &suites);
        assert!(said.contains(&format!("Reused, TLSv1.3, Cipher is {suite}\n")), "{said}");
        assert_psk(&server.next_event(), "TLSv1.3", suite);

        let (output, said) = SServer::start(&[&suites[..], &["-nocert"]].concat()).connect(&own);
        assert_psk(&secure(&output), "TLSv1.3", suite);
        assert!(said.contains(&format!("CIPHER is {suite}\n")), "{said}");
    }
}

#[test]
fn keys_come_from_a_file_and_the_hint_chooses() {
    let file = Scratch::new("keys.txt", format!("# keys of the plant\n\nother:0102\r\n{PUMP}\nb:c:{KEY}\n"));
    let options = ["--psk-file", file.path(), "--max-version", "TLSv1.2"];
    for (hint, identity) in [("pump-7", "pump-7"), ("b:c", "b:c"), ("nobody", "other")] {
        let server = Serving::start(&[&options[..], &["--psk-identity-hint", hint]].concat());
        let secure = secure(&server.connect(&[&options[..], &["--json", "--quit"]].concat()));
        assert_eq!(secure["psk_identity"], identity, "{hint}");
    }
}

#[test]
fn a_server_with_a_key_and_a_certificate_serves_both_sorts_of_clients() {
    let mut server = Serving::rsa(&["--psk", PUMP]);
    for (words, identity) in [(&["--psk", PUMP][..], Value::from("pump-7")), (&[], Value::Null)] {
        let suites = ["--ciphersuites", "TLS_AES_128_GCM_SHA256", "--json", "--quit"];
        let secure = secure(&server.connect(&[words, &suites].concat()));
        assert_eq!(
            (&secure["psk_identity"], secure["peer_certificate"].is_null()),
            (&identity, !identity.is_null())
        );
        assert_eq!(server.next_event()["psk_identity"], identity);
        assert_eq!(server.next_event()["event"], "closed");
    }
}

#[test]
fn an_unknown_identity_is_told_or_hidden() {
    let stranger = format!("stranger:{KEY}");
    for (policy, code, alert) in [
        ("alert", "ERR_SSL_PSK_IDENTITY_NOT_FOUND", 115),
        ("hide", "ERR_SSL_DECRYPTION_FAILED_OR_BAD_RECORD_MAC", 20),
    ] {
        let mut server =
            Serving::start(&["--psk", PUMP, "--unknown-psk-identity", policy, "--max-version", "TLSv1.2"]);
        let output = server.connect(&["--psk", &stranger, "--quit"]);
        assert_eq!(output.status.code(), Some(1));
        let error = server.next_event();
        assert_eq!(
            (&error["event"], &error["code"], &error["alert"]),
            (&"client_error".into(), &code.into(), &alert.into())
        );
    }
}

#[test]
fn the_size_of_diffie_hellman_parameters_is_told() {
    let dh2048 = fixtures::path("dh/dh2048.pem");
    let dh2048 = dh2048.to_str().unwrap();
    for (choice, size) in [("auto", 2048), (dh2048, 2048), ("ffdhe3072", 3072), ("modp_4096", 4096)] {
        let server = Serving::rsa(&["--dhparam", choice]);
        let said = s_client(&server, &["-tls1_2", "-cipher", "DHE-RSA-AES128-GCM-SHA256"]);
        assert!(said.contains(&format!("Server Temp Key: DH, {size} bits\n")), "{choice}: {said}");
        let client = ["--json", "--quit", "--max-version", "TLSv1.2", "--ciphers", "DHE"];
        let secure = secure(&server.connect(&client));
        assert_eq!(secure["ephemeral_key"], serde_json::json!({ "type": "DH", "size": size }), "{choice}");
    }
}

#[test]
fn the_diffie_hellman_parameters_of_s_server_are_told_and_have_a_minimum() {
    let file = fixtures::path("dh/dh2048.pem");
    let words = ["-cert", "server-rsa.pem", "-key", "server-rsa.key", "-dhparam", file.to_str().unwrap()];
    let client = ["--max-version", "TLSv1.2", "--ciphers", "DHE"];
    let (output, _) = SServer::start(&words).connect(&client);
    assert_eq!(secure(&output)["ephemeral_key"], serde_json::json!({ "type": "DH", "size": 2048 }));
    let (output, _) = SServer::start(&words).connect(&[&client[..], &["--min-dh-size", "3072"]].concat());
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(event(&lines(&output.stdout), "error")["code"], "ERR_TLS_DH_PARAM_SIZE");
}

#[test]
fn npn_is_agreed_on_with_openssl() {
    let mut server = Serving::rsa(&["--npn", "h2,http/1.1", "--max-version", "TLSv1.2"]);
    let said = s_client(&server, &["-tls1_2", "-nextprotoneg", "http/1.1,h2"]);
    let secure_event = server.next_event();
    assert_eq!(secure_event["event"], "secure");
    let name = secure_event["npn"].as_str().unwrap();
    assert!(said.contains(&format!("Next protocol: (1) {name}\n")), "{said}");
    let words =
        ["-tls1_2", "-cert", "server-rsa.pem", "-key", "server-rsa.key", "-nextprotoneg", "h2,spdy/3"];
    let (output, said) = SServer::start(&words).connect(&["--npn", "x,spdy/3"]);
    assert_eq!(secure(&output)["npn"], "spdy/3");
    assert!(said.contains("NEXTPROTO is spdy/3\n"), "{said}");
}

#[test]
fn a_key_that_cannot_be_is_one_line_and_exit_code_2() {
    let long = format!("{}:00", "x".repeat(129));
    let big = format!("pump:{}", "00".repeat(257));
    let file = Scratch::new("bad.txt", format!("# keys\n{PUMP}\npump-8:0g\n"));
    let latin = Scratch::new("latin.txt", b"a:00\npump\xe9:00\n");
    let empty = Scratch::new("empty.txt", "# nothing\n");
    let of_file = |file: &Scratch, why: &str| format!("--psk-file: {}: {why}", file.path());
    let form = "the form is IDENTITY:HEX, IDENTITY:HEX:sha256 or IDENTITY:HEX:sha384";
    let cases: &[(&[&str], String)] = &[
        (&["--psk", "pump"], format!("--psk: {form}")),
        (&["--psk", ":00"], "--psk: the identity is empty".to_owned()),
        (&["--psk", "pump:"], "--psk: pump: the key is empty".to_owned()),
        (
            &["--psk", "pump:012"],
            "--psk: pump: the key is no hexadecimal text: it needs two digits a byte".to_owned(),
        ),
        (&["--psk", &long], "--psk: the identity has 129 bytes; at most 128 are allowed".to_owned()),
        (&["--psk", &big], "--psk: pump: the key has 257 bytes; at most 256 are allowed".to_owned()),
        (&["--psk", PUMP, "--psk", PUMP], "--psk: the identity pump-7 stands there twice".to_owned()),
        (
            &["--psk-file", file.path()],
            of_file(&file, "line 3: pump-8: the key is no hexadecimal text: a digit is not 0-9 or a-f"),
        ),
        (&["--psk-file", latin.path()], of_file(&latin, "line 2: it is not UTF-8")),
        (&["--psk-file", empty.path()], of_file(&empty, "there is no key in it")),
        (&["--psk-file", "gone.txt"], "--psk-file: gone.txt: No such file or directory (ENOENT)".to_owned()),
    ];
    for (args, expected) in cases {
        for command in [&["serve"][..], &["connect", "a:1", "--ca", "root.pem"]] {
            let args = [command, args].concat();
            assert_eq!(refusal(&args), (2, format!("patina: {expected}\n")), "{args:?}");
        }
    }
    for (args, expected) in [
        (["--psk-identity-hint", "x"], "--psk-identity-hint: needs --psk or --psk-file"),
        (["--unknown-psk-identity", "hide"], "--unknown-psk-identity: needs --psk or --psk-file"),
        (["--dhparam", "ffdhe3071"], "--dhparam: ffdhe3071: No such file or directory (ENOENT)"),
    ] {
        let args = [&["serve"][..], &args].concat();
        assert_eq!(refusal(&args), (2, format!("patina: {expected}\n")), "{args:?}");
    }
}

#[test]
fn a_client_without_the_key_is_told_what_it_lacks() {
    let server = Serving::start(&["--psk", PUMP]);
    let client = patina(&["connect", &server.target, "--ca", "root.pem", "--quit"]).output().unwrap();
    assert_eq!(client.status.code(), Some(1));
    assert!(text(&client.stderr).contains("(alert 40 handshake_failure)"), "{}", text(&client.stderr));
}
