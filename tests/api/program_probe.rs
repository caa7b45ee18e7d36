//! `patina probe`, at servers whose settings are known.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;

use serde_json::{Value, json};

use crate::support::ocsp::response;
use crate::support::program::{Scratch, lines, refusal, run, text};
use crate::support::s_client::SServer;

const RSA: [&str; 4] = ["-cert", "server-rsa.pem", "-key", "server-rsa.key"];
const TWO_IDENTITIES: [&str; 8] = [
    "-cert",
    "server-rsa.pem",
    "-key",
    "server-rsa.key",
    "-dcert",
    "server-p256.pem",
    "-dkey",
    "server-p256.key",
];

/// What `patina probe` says of a server, as JSON.
fn probe(target: &str, words: &[&str]) -> Value {
    let output = run(&[&["probe", target, "--json"], words].concat());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(output.stderr.is_empty(), "{}", text(&output.stderr));
    let [findings] = <[Value; 1]>::try_from(lines(&output.stdout)).unwrap();
    assert_eq!(findings["event"], "probe");
    findings
}

fn s_server(words: &[&str]) -> (SServer, Value) {
    let server = SServer::lasting(words);
    let findings = probe(&server.target, &[]);
    (server, findings)
}

fn version<'a>(findings: &'a Value, name: &str) -> &'a Value {
    let versions = findings["versions"].as_array().unwrap();
    versions.iter().find(|version| version["version"] == name).unwrap()
}

fn suites<'a>(findings: &'a Value, name: &str) -> Vec<&'a str> {
    let suites = version(findings, name)["suites"].as_array().unwrap();
    suites.iter().map(|suite| suite["name"].as_str().unwrap()).collect()
}

fn accepted(findings: &Value) -> Vec<&str> {
    let versions = findings["versions"].as_array().unwrap().iter();
    versions
        .filter(|version| version["accepted"] == true)
        .map(|version| version["version"].as_str().unwrap())
        .collect()
}

fn holds<'a>(findings: &'a Value, name: &str) -> &'a Value {
    &findings[name]["holds"]
}

#[test]
fn three_suites_of_tls_1_2_are_found_in_the_server_s_order() {
    let wanted = ["AES128-SHA256", "ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-GCM-SHA384"];
    let list = wanted.join(":");
    let words = [&RSA[..], &["-tls1_2", "-cipher", &list, "-serverpref"]].concat();
    let (server, findings) = s_server(&words);
    assert_eq!(accepted(&findings), ["TLSv1.2"]);
    assert_eq!(suites(&findings, "TLSv1.2"), wanted);
    assert_eq!(version(&findings, "TLSv1.2")["order"], "server");
    assert_eq!(version(&findings, "TLSv1.3")["accepted"], false);
    let reason = version(&findings, "TLSv1.3")["reason"].as_str().unwrap();
    assert!(reason.contains("alert 70 protocol_version"), "{reason}");
    assert_eq!(version(&findings, "TLSv1.2")["suites"][0]["exchange"], Value::Null);
    assert_eq!(version(&findings, "TLSv1.2")["suites"][1]["exchange"], json!({"group": "X25519"}));
    let groups = &findings["groups"]["TLSv1.2"];
    assert_eq!(groups["names"], json!(["X25519", "P-256", "X448", "P-521", "P-384"]));
    let signatures = findings["signature_algorithms"]["TLSv1.2"].as_array().unwrap();
    assert!(signatures.contains(&json!("rsa_pss_rsae_sha256")) && !signatures.contains(&json!("ed25519")));
    for name in ["secure_renegotiation", "extended_master_secret"] {
        assert_eq!(*holds(&findings, name), true, "{name}");
    }
    for name in ["client_renegotiation", "asks_for_certificate"] {
        assert_eq!(*holds(&findings, name), false, "{name}");
    }
    assert_eq!(findings["fallback_scsv"]["note"], "there is one version alone");
    assert_eq!(findings["dh"], json!({"smallest": null, "weak": null}));
    assert_eq!(findings["ocsp_staple"], Value::Null);
    assert_eq!(findings["alpn"]["protocols"], json!([]));

    let output = run(&["probe", &server.target, "--parallel", "1"]);
    let table = text(&output.stdout);
    assert!(output.stderr.is_empty(), "there is a bar, and no terminal: {}", text(&output.stderr));
    for words in [
        &["TLSv1.2", "yes", "3", "server's", "order"][..],
        &["TLSv1.2", "2", "ECDHE-RSA-AES128-GCM-SHA256", "0xc02f", "X25519", "AES128GCM", "128"],
        &["groups,", "TLSv1.2", "X25519", "P-256", "X448", "P-521", "P-384", "(server's", "order)"],
        &["key", "rsa,", "2048", "bits"],
    ] {
        let has = |line: &str| line.split_whitespace().take(words.len()).eq(words.iter().copied());
        assert!(table.lines().any(has), "no {words:?} in\n{table}");
    }
}

#[test]
fn old_versions_weak_primes_and_two_certificates_are_found() {
    let words =
        ["-cipher", "ALL:@SECLEVEL=0", "-dhparam", "../dh/dh1024.pem", "-no_tls1_3", "-alpn", "http/1.1,h2"];
    let (_server, findings) = s_server(&[&TWO_IDENTITIES[..], &words].concat());
    assert_eq!(accepted(&findings), ["TLSv1", "TLSv1.1", "TLSv1.2"]);
    for name in ["TLSv1", "TLSv1.1", "TLSv1.2"] {
        let found = suites(&findings, name);
        assert_eq!(version(&findings, name)["order"], "client", "{name}");
        for suite in ["ECDHE-ECDSA-AES256-SHA", "ADH-AES128-SHA", "AES256-SHA"] {
            assert!(found.contains(&suite), "{name} has no {suite}: {found:?}");
        }
        assert_eq!(found.contains(&"DHE-RSA-AES128-GCM-SHA256"), name == "TLSv1.2", "{found:?}");
    }
    assert_eq!(findings["dh"], json!({"smallest": 1024, "weak": true}));
    let tls1_2 = version(&findings, "TLSv1.2")["suites"].as_array().unwrap();
    let dhe = tls1_2.iter().find(|suite| suite["name"] == "DHE-RSA-AES128-GCM-SHA256").unwrap();
    assert_eq!(dhe["exchange"], json!({"dh_bits": 1024}));
    assert_eq!(*holds(&findings, "fallback_scsv"), true);
    assert_eq!(
        findings["alpn"],
        json!({"protocols": ["http/1.1", "h2"], "order": "server", "incomplete": null})
    );
    let certificates = findings["certificates"].as_array().unwrap();
    let mut keys: Vec<_> = certificates.iter().map(|it| it["key"]["type"].as_str().unwrap()).collect();
    keys.sort_unstable();
    assert_eq!(keys, ["ec", "rsa"]);
    assert!(certificates.iter().all(|it| it["authorized"] == false), "{certificates:?}");
}

#[test]
fn a_server_of_tls_1_3_alone_without_tickets_is_found() {
    let suites_of_server = "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256";
    let words = [&RSA[..], &["-tls1_3", "-ciphersuites", suites_of_server, "-serverpref"]].concat();
    let (_server, findings) =
        s_server(&[&words[..], &["-num_tickets", "0", "-groups", "P-384:X25519"]].concat());
    assert_eq!(accepted(&findings), ["TLSv1.3"]);
    assert_eq!(suites(&findings, "TLSv1.3").join(":"), suites_of_server);
    assert_eq!(version(&findings, "TLSv1.3")["order"], "server");
    let groups = findings["groups"]["TLSv1.3"]["names"].as_array().unwrap();
    assert!(groups.len() == 2 && groups.contains(&json!("P-384")) && groups.contains(&json!("X25519")));
    let pss = ["rsa_pss_rsae_sha256", "rsa_pss_rsae_sha384", "rsa_pss_rsae_sha512"];
    assert_eq!(findings["signature_algorithms"], json!({"TLSv1.3": pss}));
    let resumption = &findings["resumption"];
    assert_eq!(resumption["ticket_tlsv1.3"], json!({"holds": false, "note": "no ticket is given"}));
    assert_eq!(resumption["id"]["holds"], Value::Null);
    assert_eq!(*holds(&findings, "client_renegotiation"), Value::Null);
}

#[test]
fn resumption_and_renegotiation_are_tried() {
    let (_server, findings) = s_server(&[&RSA[..], &["-client_renegotiation"]].concat());
    assert_eq!(*holds(&findings, "client_renegotiation"), true, "{findings}");
    for kind in ["id", "ticket", "ticket_tlsv1.3"] {
        assert_eq!(findings["resumption"][kind]["holds"], true, "{kind}: {findings}");
    }
    let (_server, findings) = s_server(&[&RSA[..], &["-no_ticket", "-no_cache", "-tls1_2"]].concat());
    assert_eq!(findings["resumption"]["ticket"]["note"], "no ticket is given");
    assert_eq!(findings["resumption"]["id"]["holds"], false);
}

#[test]
fn a_server_that_wants_a_certificate_is_read_to_its_answer() {
    let list = "ECDHE-RSA-AES128-GCM-SHA256:AES128-SHA";
    let words = [&RSA[..], &["-Verify", "1", "-verify_return_error", "-tls1_2", "-cipher", list]].concat();
    let (_server, findings) = s_server(&words);
    assert_eq!(suites(&findings, "TLSv1.2").len(), 2, "{findings}");
    assert_eq!(*holds(&findings, "asks_for_certificate"), true);
    // What needs a whole handshake cannot be told.
    assert_eq!(findings["resumption"]["id"]["holds"], Value::Null);
    let note = findings["resumption"]["id"]["note"].as_str().unwrap();
    assert!(note.contains("alert 40 handshake_failure"), "{note}");
}

#[test]
fn a_stapled_response_is_judged() {
    let der = response("server-rsa-chain", "intermediate").der();
    let file = Scratch::new("probe-staple.der", der.as_slice());
    let words =
        ["-cert", "server-rsa-chain.pem", "-key", "server-rsa-chain.key", "-cert_chain", "intermediate.pem"];
    let (_server, findings) = s_server(&[&words[..], &["-status_file", file.path()]].concat());
    assert_eq!(findings["ocsp_staple"], json!({"length": der.len(), "status": "good"}));
    assert_eq!(findings["certificates"][0]["chain_length"], 2);
}

#[test]
fn the_certificate_is_judged_by_the_authorities_that_are_given() {
    let server = SServer::lasting(&RSA);
    let authorized = |words: &[&str]| {
        let words = [&["--servername", "localhost"], words].concat();
        probe(&server.target, &words)["certificates"][0]["authorized"].clone()
    };
    assert_eq!((authorized(&[]), authorized(&["--ca", "other-root.pem"])), (false.into(), false.into()));
    assert_eq!(authorized(&["--ca", "other-root.pem", "--ca", "root.pem"]), true);
}

#[test]
fn the_name_that_is_asked_for_can_be_another() {
    let other = ["-servername", "shop.patina.test", "-cert2", "shop.pem", "-key2", "shop.key", "-tls1_2"];
    let server = SServer::lasting(&[&RSA[..], &other].concat());
    let subject = |words: &[&str]| probe(&server.target, words)["certificates"][0]["subject"].clone();
    assert!(subject(&[]).as_str().unwrap().contains("CN=server-rsa"));
    assert!(subject(&["--servername", "shop.patina.test"]).as_str().unwrap().contains("CN=shop"));
}

#[test]
fn tls_that_begins_in_the_clear_is_probed() {
    let server = SServer::lasting(&[&RSA[..], &["-tls1_2", "-cipher", "AES128-SHA"]].concat());
    let findings = probe(&behind_postgres(server.target.clone()).to_string(), &["--starttls", "postgres"]);
    assert_eq!(suites(&findings, "TLSv1.2"), ["AES128-SHA"]);
    let (code, line) = refusal(&["probe", &server.target, "--starttls", "postgres"]);
    assert!(code == 1 && line.starts_with("patina: ERR_STARTTLS: "), "{line}");
}

/// A server that agrees to TLS as PostgreSQL does, and from then on is another.
fn behind_postgres(target: String) -> SocketAddr {
    serve(move |mut client| {
        let mut request = [0; 8];
        if client.read_exact(&mut request).is_err() {
            return;
        }
        client.write_all(b"S").unwrap();
        let server = TcpStream::connect(&target).unwrap();
        let (mut up, mut down) = (client.try_clone().unwrap(), server.try_clone().unwrap());
        thread::spawn(move || {
            let _ = std::io::copy(&mut up, &mut down);
            let _ = down.shutdown(Shutdown::Write);
        });
        let mut server = server;
        let _ = std::io::copy(&mut server, &mut client);
        let _ = client.shutdown(Shutdown::Write);
    })
}

/// A server that does this with each connection.
fn serve(each: impl Fn(TcpStream) + Send + Sync + Clone + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for client in listener.incoming() {
            let each = each.clone();
            thread::spawn(move || each(client.unwrap()));
        }
    });
    address
}

/// The one line that is said of a server at which there is nothing to find.
fn trouble(address: SocketAddr) -> String {
    let target = address.to_string();
    let (code, line) = refusal(&["probe", &target, "--timeout", "300"]);
    assert_eq!((code, line.lines().count()), (1, 1), "{line}");
    let output = run(&["probe", &target, "--timeout", "300", "--json"]);
    assert_eq!(lines(&output.stdout)[0]["event"], "error");
    line
}

#[test]
fn a_server_without_tls_is_told_in_one_line() {
    let http = serve(|mut client| {
        let _ = client.read(&mut [0; 1024]);
        let _ = client.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
        let _ = client.shutdown(Shutdown::Write);
        let _ = client.read(&mut [0; 1024]);
    });
    let line = trouble(http);
    assert!(line.contains("the server does not speak TLS: "), "{line}");

    let dropping = serve(|mut client| {
        let _ = client.read(&mut [0; 4096]);
    });
    let line = trouble(dropping);
    assert!(line.contains(&format!("{dropping} does not speak TLS: ")), "{line}");

    let silent = serve(|mut client| {
        let _ = std::io::copy(&mut client, &mut std::io::sink());
    });
    let line = trouble(silent);
    assert!(line.starts_with("patina: ERR_TLS_HANDSHAKE_TIMEOUT: "), "{line}");

    let refusing = serve(|mut client| {
        let _ = client.read(&mut [0; 4096]);
        let _ = client.write_all(&[21, 3, 1, 0, 2, 2, 40]);
        let _ = client.shutdown(Shutdown::Write);
        let _ = client.read(&mut [0; 1024]);
    });
    let line = trouble(refusing);
    assert!(line.contains("accepts nothing that OpenSSL ") && line.contains("(alert 40 "), "{line}");

    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let line = trouble(nobody);
    assert!(line.starts_with("patina: ECONNREFUSED: connecting to "), "{line}");
}

#[test]
fn a_server_that_drops_what_it_does_not_know_is_still_found() {
    let behind = SServer::lasting(&[&RSA[..], &["-tls1_2", "-cipher", "AES128-SHA:AES256-SHA"]].concat());
    let target = behind.target.clone();
    // An alert, and what is not TLS 1.2, ends in a closed connection without a word.
    let dropping = serve(move |mut client| {
        let mut server = TcpStream::connect(&target).unwrap();
        let (mut up, mut down) = (client.try_clone().unwrap(), server.try_clone().unwrap());
        thread::spawn(move || {
            let _ = std::io::copy(&mut up, &mut down);
            let _ = down.shutdown(Shutdown::Write);
        });
        let mut first = [0];
        if server.read_exact(&mut first).is_ok() && first[0] != 21 {
            let _ = client.write_all(&first);
            let _ = std::io::copy(&mut server, &mut client);
        }
        let _ = client.shutdown(Shutdown::Both);
        let _ = server.shutdown(Shutdown::Both);
    });
    let findings = probe(&dropping.to_string(), &[]);
    assert_eq!(accepted(&findings), ["TLSv1.2"]);
    assert_eq!(suites(&findings, "TLSv1.2").len(), 2);
}

#[test]
fn wrong_use_of_probe_is_refused() {
    for (words, why) in [
        (&["probe", "example.com"][..], "HOST:PORT"),
        (&["probe", "127.0.0.1:1", "--servername", "10.0.0.1"], "--servername"),
        (&["probe", "127.0.0.1:1", "--parallel", "0"], "--parallel"),
        (&["probe", "127.0.0.1:1", "--ca", "none.pem"], "--ca"),
        (&["probe", "127.0.0.1:1", "--timeout", "0"], "--timeout"),
        (&["probe"], "HOST:PORT"),
    ] {
        let (code, line) = refusal(words);
        assert!(code == 2 && line.contains(why), "{words:?}: {line}");
    }
}
