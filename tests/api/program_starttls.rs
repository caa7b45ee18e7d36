//! `patina connect --starttls`: a conversation in the clear, and TLS behind it.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;

use crate::support::program::{Serving, event, lines, run, text};

/// A server that says its greeting, gives each answer to what it expects, and from then on is `server`.
fn behind(
    server: &Serving,
    greeting: &'static [u8],
    talk: &'static [(&'static [u8], &'static [u8])],
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let target = server.target.clone();
    thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        client.write_all(greeting).unwrap();
        for (expected, answer) in talk {
            let mut heard = vec![0; expected.len()];
            client.read_exact(&mut heard).unwrap();
            assert_eq!(heard, *expected);
            client.write_all(answer).unwrap();
        }
        let server = TcpStream::connect(target).unwrap();
        let (mut up, mut down) = (client.try_clone().unwrap(), server.try_clone().unwrap());
        thread::spawn(move || {
            let _ = std::io::copy(&mut up, &mut down);
            let _ = down.shutdown(Shutdown::Write);
        });
        let (mut server, mut client) = (server, client);
        let _ = std::io::copy(&mut server, &mut client);
        let _ = client.shutdown(Shutdown::Write);
    });
    address
}

fn connect(address: SocketAddr, words: &[&str]) -> std::process::Output {
    let target = address.to_string();
    let name = ["--servername", "localhost", "--ca", "root.pem", "--json", "--send", "hello"];
    run(&[&["connect", &target], &name[..], words].concat())
}

#[test]
fn tls_follows_the_conversation() {
    let server = Serving::rsa(&[]);
    let mail: &[(&[u8], &[u8])] =
        &[(b"EHLO patina\r\n", b"250-mail.test\r\n250 STARTTLS\r\n"), (b"STARTTLS\r\n", b"220 go ahead\r\n")];
    let database: &[(&[u8], &[u8])] = &[(&[0, 0, 0, 8, 4, 210, 22, 47], b"S")];
    for (protocol, greeting, talk) in [("smtp", &b"220 mail.test\r\n"[..], mail), ("postgres", b"", database)]
    {
        let output = connect(behind(&server, greeting, talk), &["--starttls", protocol]);
        assert_eq!(output.status.code(), Some(0), "{protocol}: {}", text(&output.stderr));
        let events = lines(&output.stdout);
        assert_eq!(event(&events, "secure")["authorized"], true, "{protocol}");
        assert_eq!(event(&events, "closed")["read"], 5, "{protocol}");
    }
}

#[test]
fn what_is_sent_behind_the_consent_is_not_taken_for_protected() {
    let server = Serving::rsa(&[]);
    let talk: &[(&[u8], &[u8])] = &[(&[0, 0, 0, 8, 4, 210, 22, 47], b"Sinjected")];
    let output = connect(behind(&server, b"", talk), &["--starttls", "postgres"]);
    assert_eq!(output.status.code(), Some(1));
    let events = lines(&output.stdout);
    assert_eq!(event(&events, "error")["code"], "ERR_SSL_WRONG_VERSION_NUMBER", "{events:?}");
}

#[test]
fn a_server_that_does_not_agree_is_an_error_of_the_connection() {
    let server = Serving::rsa(&[]);
    let talk: &[(&[u8], &[u8])] = &[(&[0, 0, 0, 8, 4, 210, 22, 47], b"N")];
    let output = connect(behind(&server, b"", talk), &["--starttls", "postgres"]);
    let expected = "patina: ERR_STARTTLS: --starttls: the server does not begin TLS: it has no TLS\n";
    assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(1), expected));
    assert_eq!(event(&lines(&output.stdout), "error")["code"], "ERR_STARTTLS");
}
