//! The program `patina`, run as a user runs it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::program::{Serving, event, lines, patina, refusal, run, text};

#[test]
fn both_sides_of_a_connection_tell_the_same() {
    let export = ["--export", "EXPORTER-patina:32:00ff"];
    for version in ["TLSv1.2", "TLSv1.3"] {
        let versions = ["--min-version", version, "--max-version", version];
        let server =
            Serving::rsa(&[&versions[..], &export, &["--count", "1", "--alpn", "h2,http/1.1"]].concat());
        let client =
            server.connect(&[&export[..], &["--json", "--send", "hello", "--alpn", "http/1.1"]].concat());
        assert_eq!(client.status.code(), Some(0), "{}", text(&client.stderr));
        let (client, server) = (lines(&client.stdout), server.rest());
        let (ours, theirs) = (event(&client, "secure"), event(&server, "secure"));
        for fact in [
            "protocol",
            "cipher",
            "servername",
            "alpn",
            "exports",
            "session_reused",
            "extended_master_secret",
        ] {
            assert_eq!(ours[fact], theirs[fact], "{fact}");
        }
        assert_eq!(ours["protocol"], version);
        assert_eq!(
            (&ours["finished"], &ours["peer_finished"]),
            (&theirs["peer_finished"], &theirs["finished"])
        );
        assert_eq!(ours["exports"]["EXPORTER-patina"].as_str().unwrap().len(), 64);
        assert_eq!(
            (&ours["servername"], &ours["alpn"]),
            (&Value::from("localhost"), &Value::from("http/1.1"))
        );
        assert_eq!((&ours["authorized"], &theirs["authorized"]), (&Value::from(true), &Value::from(false)));
        assert_eq!(ours["peer_certificate"]["subject"]["CN"], "server-rsa");
        for closed in [event(&client, "closed"), event(&server, "closed")] {
            assert_eq!(
                (&closed["read"], &closed["written"], &closed["clean"]),
                (&5.into(), &5.into(), &true.into())
            );
        }
    }
}

#[test]
fn the_peers_data_goes_to_stdout_and_the_facts_to_stderr() {
    let server = Serving::rsa(&["--mode", "rev"]);
    let mut client = patina(&["connect", &server.target, "--ca", "root.pem"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    client.stdin.take().unwrap().write_all(b"abc\r\ndef\nno end").unwrap();
    let output = client.wait_with_output().unwrap();
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(0), "cba\r\nfed\ndne on".to_owned()));
    assert!(text(&output.stderr).contains("authorized     yes"), "{}", text(&output.stderr));
}

#[test]
fn a_server_without_a_certificate_makes_one_that_is_not_trusted_by_itself() {
    let server = Serving::start(&[]);
    let refused = server.connect(&["--quit"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        text(&refused.stderr).starts_with("patina: DEPTH_ZERO_SELF_SIGNED_CERT: "),
        "{}",
        text(&refused.stderr)
    );
    let reported = server.connect(&["--quit", "--insecure", "--json"]);
    assert_eq!(reported.status.code(), Some(0));
    assert_eq!(
        event(&lines(&reported.stdout), "secure")["authorization_error"],
        "DEPTH_ZERO_SELF_SIGNED_CERT"
    );
}

#[test]
fn a_client_certificate_is_demanded_and_shown() {
    let mut server = Serving::rsa(&["--request-cert", "--ca", "root.pem"]);
    let with = server.connect(&["--quit", "--cert", "client-ec.pem", "--key", "client-ec.key"]);
    assert_eq!(with.status.code(), Some(0), "{}", text(&with.stderr));
    let secure = server.next_event();
    assert_eq!((&secure["event"], &secure["authorized"]), (&"secure".into(), &true.into()));
    assert_eq!(secure["peer_certificate"]["subject"]["CN"], "client-ec");
    assert_eq!(server.next_event()["event"], "closed");
    let without = server.connect(&["--max-version", "TLSv1.2", "--quit"]);
    assert_eq!(without.status.code(), Some(1));
    let error = server.next_event();
    assert_eq!((&error["event"], &error["alert"]), (&"client_error".into(), &40.into()));
    assert_eq!(error["code"], "ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE");
}

#[test]
fn a_session_is_written_and_resumed() {
    let server = Serving::rsa(&[]);
    let directory = std::env::temp_dir().join(format!("patina-program-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    for (file, version) in [("a.pem", "TLSv1.2"), ("b.pem", "TLSv1.3"), ("c.der", "TLSv1.3")] {
        let file = directory.join(file);
        let file = file.to_str().unwrap();
        let saved = server.connect(&["--quit", "--max-version", version, "--session-out", file]);
        assert_eq!(saved.status.code(), Some(0), "{}", text(&saved.stderr));
        let resumed = server.connect(&["--quit", "--json", "--max-version", version, "--session-in", file]);
        let secure = event(&lines(&resumed.stdout), "secure").clone();
        assert_eq!(
            (&secure["session_reused"], &secure["protocol"]),
            (&true.into(), &version.into()),
            "{file}"
        );
        assert_eq!(secure["authorized"], true);
    }
    std::fs::remove_dir_all(&directory).unwrap();
    let again = server.connect(&["--quit", "--json", "--reconnect", "2"]);
    let reused: Vec<_> =
        lines(&again.stdout).into_iter().filter(|event| event["event"] == "secure").collect();
    let reused: Vec<_> = reused.iter().map(|event| event["session_reused"].as_bool().unwrap()).collect();
    assert_eq!(reused, [false, true, true]);
}

#[test]
fn a_session_that_does_not_come_is_told() {
    let server = Serving::rsa(&["--no-tickets", "--max-version", "TLSv1.3", "--min-version", "TLSv1.3"]);
    let output = server.connect(&["--quit", "--session-out", "never.pem"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("--session-out: never.pem: "), "{}", text(&output.stderr));
}

#[test]
fn old_versions_work_at_level_0() {
    let old = ["--min-version", "TLSv1", "--max-version", "TLSv1", "--ciphers", "ALL:@SECLEVEL=0"];
    let server = Serving::rsa(&["--min-version", "TLSv1", "--ciphers", "ALL:@SECLEVEL=0"]);
    let output = server.connect(&[&old[..], &["--json", "--send", "x"]].concat());
    let events = lines(&output.stdout);
    assert_eq!(event(&events, "secure")["protocol"], "TLSv1");
    assert_eq!(event(&events, "closed")["read"], 1);
}

#[test]
fn the_latest_context_that_matches_answers() {
    let server = Serving::rsa(&[
        "--context",
        "*.patina.test=wildcard.pem,wildcard.key",
        "--context",
        "shop.patina.test=shop.pem,shop.key",
    ]);
    for (asked, answered) in
        [("shop.patina.test", "shop"), ("a.patina.test", "wildcard"), ("localhost", "server-rsa")]
    {
        let output = server.connect(&["--quit", "--json", "--servername", asked]);
        let events = lines(&output.stdout);
        assert_eq!(event(&events, "secure")["peer_certificate"]["subject"]["CN"], answered, "{asked}");
    }
}

#[test]
fn garbage_is_told_and_the_server_goes_on() {
    let mut server = Serving::rsa(&[]);
    let mut plain = TcpStream::connect(&server.target).unwrap();
    plain.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    let _ = plain.read_to_end(&mut Vec::new());
    let error = server.next_event();
    assert_eq!((&error["event"], &error["code"]), (&"client_error".into(), &"ERR_SSL_HTTP_REQUEST".into()));
    drop(TcpStream::connect(&server.target).unwrap());
    assert_eq!(server.next_event()["code"], "ECONNRESET");
    assert_eq!(server.connect(&["--quit"]).status.code(), Some(0));
}

#[test]
fn a_cut_without_close_notify_is_an_error() {
    let mut server = Serving::rsa(&[]);
    let mut client = patina(&["connect", &server.target, "--ca", "root.pem", "--json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = BufReader::new(client.stdout.take().unwrap());
    stdout.read_line(&mut String::new()).unwrap();
    server.child.kill().unwrap();
    let mut rest = Vec::new();
    stdout.read_to_end(&mut rest).unwrap();
    assert_eq!(event(&lines(&rest), "error")["code"], "ECONNRESET");
    let output = client.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).starts_with("patina: ECONNRESET: "), "{}", text(&output.stderr));
}

/// Head and body of the answer to a request.
fn ask(server: &Serving, request: &str, args: &[&str]) -> (String, String) {
    let output = server.connect(&[&["--verify-name", "localhost", "--send", request], args].concat());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let answer = text(&output.stdout);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

#[test]
fn a_page_shows_the_facts_and_is_not_written_by_the_client() {
    let server = Serving::rsa(&["--mode", "http"]);
    let evil = "<script>alert(1)</script>";
    let (head, body) = ask(&server, "GET / HTTP/1.1\r\nConnection: close\r\n\r\n", &["--servername", evil]);
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.contains("Content-Type: text/html"), "{head}");
    assert!(
        body.contains("TLS 1.3") && body.contains("&lt;script&gt;alert(1)") && !body.contains("<script"),
        "{body}"
    );
    let length: usize =
        head.split_once("Content-Length: ").unwrap().1.lines().next().unwrap().parse().unwrap();
    assert_eq!(length, body.len());
}

#[test]
fn the_facts_come_as_json_for_those_who_ask() {
    let server = Serving::rsa(&["--mode", "http"]);
    for request in [
        "GET /facts.json HTTP/1.0\r\n\r\n",
        "GET / HTTP/1.1\r\nAccept: application/json\r\nConnection: close\r\n\r\n",
    ] {
        let (head, body) = ask(&server, request, &["--alpn", "http/1.1"]);
        assert!(head.contains("Content-Type: application/json"), "{head}");
        let facts: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((&facts["protocol"], &facts["alpn"]), (&"TLSv1.3".into(), &"http/1.1".into()));
    }
    let (_, both) = ask(
        &server,
        "HEAD / HTTP/1.1\r\n\r\nPOST /b.json HTTP/1.1\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc",
        &[],
    );
    assert!(
        both.starts_with("HTTP/1.1 200 OK\r\n"),
        "the second answer follows the head of the first: {both}"
    );
    let endless = format!("GET / HTTP/1.1\r\nA: {}\r\n", "a".repeat(20_000));
    let (head, _) = ask(&server, &endless, &[]);
    assert!(head.starts_with("HTTP/1.1 431 "), "{head}");
}

#[test]
fn wrong_use_is_one_line_and_exit_code_2() {
    let cases: &[(&[&str], &str)] = &[
        (&[], "no command; there are serve, connect, ciphers, probe and version, see patina --help"),
        (&["serve", "--xyz"], "--xyz is unknown"),
        (&["connect", "a:1", "--xyz", "x"], "--xyz is unknown"),
        (&["connect", "a"], "HOST:PORT: \"a\" has no port"),
        (&["serve", "--cert", "gone.pem"], "--cert: gone.pem: No such file or directory (ENOENT)"),
        (
            &["serve", "--cert", "server-rsa.pem", "--key", "shop.key"],
            "--key: shop.key: key values mismatch: the private key is not the certificate's \
             (ERR_OSSL_X509_KEY_VALUES_MISMATCH)",
        ),
        (
            &["serve", "--secure-protocol", "TLS_method", "--min-version", "TLSv1.2"],
            "--secure-protocol: cannot stand together with --min-version or --max-version \
             (ERR_TLS_PROTOCOL_VERSION_CONFLICT)",
        ),
        (&["serve", "--reject-unauthorized", "yes"], "--reject-unauthorized yes: needs --request-cert"),
    ];
    for (args, expected) in cases {
        assert_eq!(refusal(args), (2, format!("patina: {expected}\n")), "{args:?}");
    }
}

#[test]
fn a_connection_that_fails_has_exit_code_1_and_a_code() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let target = listener.local_addr().unwrap().to_string();
    drop(listener);
    let (code, line) = refusal(&["connect", &target, "--ca", "root.pem"]);
    assert_eq!(
        (code, line),
        (1, format!("patina: ECONNREFUSED: connecting to {target}: Connection refused\n"))
    );
}

#[cfg(unix)]
#[test]
fn a_signal_closes_connections_politely() {
    let server = Serving::rsa(&[]);
    let mut client = patina(&["connect", &server.target, "--ca", "root.pem", "--json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = BufReader::new(client.stdout.take().unwrap());
    stdout.read_line(&mut String::new()).unwrap();
    assert!(Command::new("kill").args(["-TERM", &server.child.id().to_string()]).status().unwrap().success());
    assert_eq!(event(&server.rest(), "closed")["clean"], true);
    let mut rest = Vec::new();
    stdout.read_to_end(&mut rest).unwrap();
    assert_eq!(event(&lines(&rest), "closed")["clean"], true);
    assert!(client.wait().unwrap().success());
}

#[test]
fn the_evaluators_of_cipher_strings_agree() {
    for string in [
        "DEFAULT",
        "HIGH:!aNULL:@STRENGTH",
        "ECDHE+AESGCM:kRSA:+SHA1",
        "ALL:-AES256:AES256",
        "PSK",
        "SUITEB128",
    ] {
        let names = |evaluator| {
            let output = run(&["ciphers", string, "--format", "names", "--evaluator", evaluator]);
            assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
            text(&output.stdout)
        };
        assert_eq!(names("libssl"), names("both"), "{string}");
    }
}

#[test]
fn a_cipher_string_that_is_refused_is_pointed_at() {
    let (code, drawing) = refusal(&["ciphers", "HIGH:@STRENTH"]);
    let expected =
        "patina: there is no command @STRENTH\n  HIGH:@STRENTH\n       ^^^^^^^^ did you mean @STRENGTH?\n";
    assert_eq!((code, drawing.as_str()), (2, expected));
    let ignored = run(&["ciphers", "HIGH:!MD55", "--format", "names"]);
    assert_eq!(ignored.status.code(), Some(0));
    assert!(text(&ignored.stderr).contains("      ^^^^ did you mean MD5?"), "{}", text(&ignored.stderr));
}

#[test]
fn the_ciphers_of_a_side_are_pointed_at_when_libssl_refuses_them() {
    for (list, told, carets) in [
        (
            "TLS_AES_128_GCM_SHA256:ECHDE-RSA-AES128-SHA",
            "column 24: the string selects no suite; \"ECHDE-RSA-AES128-SHA\" is not known (did you mean \
             ECDHE-RSA-AES128-SHA?): no cipher match (ERR_SSL_NO_CIPHER_MATCH)",
            "                       ^^^^^^^^^^^^^^^^^^^^",
        ),
        ("é,HIGH", "column 1: 'é' cannot stand here: invalid command (ERR_SSL_INVALID_COMMAND)", "^"),
        (
            "HIGH:!:AES",
            "column 6: a word is missing after \"!\": invalid command (ERR_SSL_INVALID_COMMAND)",
            "     ^",
        ),
        (
            "HIGH:+",
            "column 6: a word is missing after \"+\": invalid command (ERR_SSL_INVALID_COMMAND)",
            "     ^",
        ),
        (
            "AES -, HIGH",
            "column 5: a word is missing after \"-\": invalid command (ERR_SSL_INVALID_COMMAND)",
            "    ^",
        ),
        (
            "HIGH;@STRENTH",
            "column 6: there is no command @STRENTH (did you mean @STRENGTH?): invalid command (ERR_SSL_INVALID_COMMAND)",
            "     ^^^^^^^^",
        ),
    ] {
        for side in [&["serve", "127.0.0.1:0"][..], &["connect", "a:1", "--ca", "root.pem"]] {
            let expected = format!("patina: --ciphers: {told}\n  {list}\n  {carets}\n");
            assert_eq!(refusal(&[side, &["--ciphers", list]].concat()), (2, expected), "{side:?}");
        }
    }
    let list = "TLS_AES_128_GCM_SHA265";
    let (code, drawing) = refusal(&["serve", "127.0.0.1:0", "--ciphersuites", list]);
    assert!(drawing.ends_with(&format!("  {list}\n  {}\n", "^".repeat(22))), "{drawing}");
    assert!(drawing.starts_with("patina: --ciphersuites: column 1: ") && code == 2, "{drawing}");
}

#[test]
fn what_libssl_ignores_in_the_ciphers_of_a_side_is_told_on_stderr() {
    for (list, expected) in [
        ("AES128-SHA256:HIHGH", "column 15: unknown word \"HIHGH\" is ignored (did you mean HIGH?)"),
        ("HIGH:!aNUL", "column 7: unknown word \"aNUL\" is ignored (did you mean aNULL?)"),
        ("HIGH:-AESGMC", "column 7: unknown word \"AESGMC\" is ignored (did you mean AESGCM?)"),
        ("HIGH:+AESGMC", "column 7: unknown word \"AESGMC\" is ignored (did you mean AESGCM?)"),
        ("HIGH:kRSA+AESGMC", "column 11: unknown word \"AESGMC\" is ignored (did you mean AESGCM?)"),
        ("HIGH:@STRENGTH/x", "column 15: libssl skips \"/x\""),
    ] {
        let warning = format!("patina: cipher_list: {expected}\n");
        let mut server =
            patina(&["serve", "--mode", "stdio", "--ciphers", list]).stderr(Stdio::piped()).spawn().unwrap();
        let mut told = String::new();
        let mut stderr = BufReader::new(server.stderr.take().unwrap());
        stderr.read_line(&mut told).unwrap();
        server.kill().unwrap();
        server.wait().unwrap();
        assert_eq!(told, warning);

        let listening = Serving::rsa(&["--count", "1"]);
        let client = listening.connect(&["--ciphers", list, "--json", "--quit"]);
        assert_eq!(
            (client.status.code(), text(&client.stderr)),
            (Some(0), warning),
            "the connection is made"
        );
    }
}

#[test]
fn every_suite_has_a_reason() {
    let output = run(&["ciphers", "DEFAULT:!kRSA", "--explain"]);
    let said = text(&output.stdout);
    assert!(
        said.starts_with("TLS_AES_256_GCM_SHA384 is in at 1: the list of TLS 1.3 suites has it\n"),
        "{said}"
    );
    assert!(said.contains("\nAES128-SHA is out: removed for good by !kRSA\n"), "{said}");
}

/// What the `openssl` program says, which is of the system's libssl.
fn openssl(args: &[&str]) -> String {
    text(&Command::new("openssl").args(args).output().unwrap().stdout)
}

#[test]
fn the_version_is_what_openssl_says() {
    let told = &lines(&run(&["version", "--json"]).stdout)[0];
    let said = openssl(&["version", "-a"]);
    let library = told["openssl"]["text"].as_str().unwrap();
    assert!(
        said.contains(&format!("(Library: {library})")),
        "the tests of the program run with the system's: {said}"
    );
    for (field, name) in [
        ("built_on", "built on"),
        ("platform", "platform"),
        ("compiler", "compiler"),
        ("directory", "OPENSSLDIR"),
        ("engines_directory", "ENGINESDIR"),
        ("modules_directory", "MODULESDIR"),
        ("cpu", "CPUINFO"),
    ] {
        let line = said.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
        assert_eq!(told["openssl"][field].as_str(), line.map(|line| line.trim_matches('"')), "{field}");
    }
    let people = text(&run(&["version"]).stdout);
    assert!(people.starts_with(&format!("patina {}\n{library}\n", env!("CARGO_PKG_VERSION"))), "{people}");
}

#[test]
fn the_providers_are_those_that_openssl_lists() {
    let told = &lines(&run(&["version", "--json"]).stdout)[0];
    let mut expected = Vec::new();
    for line in openssl(&["list", "-providers"]).lines().skip(1) {
        match line.trim_start().split_once(": ") {
            None => expected.push(serde_json::json!({ "name": line.trim() })),
            Some(("status", status)) => assert_eq!(status, "active"),
            Some((field, value)) => {
                let field = if field == "name" { "description" } else { field };
                expected.last_mut().unwrap()[field] = value.into();
            }
        }
    }
    let mut providers = told["providers"].as_array().unwrap().clone();
    for provider in &mut providers {
        provider.as_object_mut().unwrap().remove("build");
    }
    assert_eq!(Value::from(providers), Value::from(expected));
}

#[test]
fn what_the_program_can_do_is_what_openssl_lists() {
    let told = &lines(&run(&["version", "--json"]).stdout)[0];
    let disabled = openssl(&["list", "-disabled"]);
    let is_disabled = |name: &str| disabled.lines().any(|line| line.trim() == name);
    let ciphers = openssl(&["ciphers", "ALL:COMPLEMENTOFALL:@SECLEVEL=0"]);
    for (capability, expected) in [
        ("sslv3", !is_disabled("SSL3")),
        ("idea", !is_disabled("IDEA")),
        ("camellia", ciphers.contains("CAMELLIA")),
        ("3des", ciphers.contains("DES-CBC3")),
        ("psk", !is_disabled("PSK")),
        ("srp", !is_disabled("SRP")),
        ("ocsp", !is_disabled("OCSP")),
    ] {
        assert_eq!(told["capabilities"][capability], expected, "{capability}: {disabled}");
    }
}
