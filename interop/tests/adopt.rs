//! A C program with its own `SSL_CTX`, served by this library: `interop/c`.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::{BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

/// How long anything may take before the test gives up; nothing waits for it to pass.
const PATIENCE: Duration = Duration::from_secs(60);

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn fixture(name: &str) -> PathBuf {
    root().join("fixtures/pki").join(name)
}

/// The program, built once into the target folder of this test.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(build)
}

fn build() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("adopt");
    let output = Command::new(root().join("interop/c/build"))
        .arg(&program)
        .env("CARGO_TARGET_DIR", target)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    program
}

/// A running program, and what it prints; it ends with the value.
struct Running {
    child: Child,
    input: Option<ChildStdin>,
    output: Receiver<u8>,
    heard: String,
}

impl Running {
    fn start(command: &mut Command) -> Running {
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, output) = channel();
        let streams: [Box<dyn Read + Send>; 2] =
            [Box::new(child.stdout.take().unwrap()), Box::new(child.stderr.take().unwrap())];
        for stream in streams {
            let sender = sender.clone();
            thread::spawn(move || {
                for byte in BufReader::new(stream).bytes().map_while(Result::ok) {
                    if sender.send(byte).is_err() {
                        return;
                    }
                }
            });
        }
        Running { input: child.stdin.take(), child, output, heard: String::new() }
    }

    fn say(&mut self, line: &str) {
        self.input.as_mut().unwrap().write_all(line.as_bytes()).unwrap();
    }

    /// Waits until `text` was printed, and forgets all up to it.
    fn expect(&mut self, text: &str) -> String {
        loop {
            if let Some(at) = self.heard.find(text) {
                let before = self.heard[..at].to_owned();
                self.heard.drain(..at + text.len());
                return before;
            }
            match self.output.recv_timeout(PATIENCE) {
                Ok(byte) => self.heard.push(char::from(byte)),
                Err(why) => panic!("{text:?} was not printed ({why}); but: {}", self.heard),
            }
        }
    }

    /// The rest of what is printed, and whether the program was content.
    fn end(mut self) -> (String, bool) {
        drop(self.input.take());
        loop {
            match self.output.recv_timeout(PATIENCE) {
                Ok(byte) => self.heard.push(char::from(byte)),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("it goes on and on: {}", self.heard),
            }
        }
        (std::mem::take(&mut self.heard), self.child.wait().unwrap().success())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn serve(connections: u32, renegotiations: u32) -> (Running, String) {
    let mut server = Running::start(
        Command::new(program())
            .args([fixture("server-rsa.pem"), fixture("server-rsa.key"), fixture("root.pem")])
            .args([connections.to_string(), renegotiations.to_string()]),
    );
    server.expect("port ");
    let port = server.expect("\n");
    (server, port)
}

fn s_client(port: &str) -> Running {
    Running::start(
        Command::new("openssl")
            .args([
                "s_client",
                "-connect",
                &format!("127.0.0.1:{port}"),
                "-servername",
                "localhost",
                "-CAfile",
            ])
            .arg(fixture("root.pem"))
            .arg("-cert")
            .arg(fixture("client-rsa.pem"))
            .arg("-key")
            .arg(fixture("client-rsa.key")),
    )
}

#[test]
fn the_callbacks_of_a_c_program_run_and_the_fourth_renegotiation_is_too_much() {
    let (mut server, port) = serve(1, 3);
    let mut client = s_client(&port);
    client.say("hello\n");
    let seen = server.expect("patina secure TLSv1.2 ");
    for callback in
        ["info handshake start", "servername localhost", "verify depth 0 ok 1", "info handshake done"]
    {
        assert!(
            seen.contains(&format!("callback {callback}\n")) || seen.contains(callback),
            "{callback}: {seen}"
        );
    }
    assert!(server.expect("\n").ends_with("localhost authorized"));
    client.expect("hello\n");
    for round in 1..=3 {
        client.say("R\n");
        client.expect("RENEGOTIATING");
        server.expect("callback info handshake start\n");
        let seen = server.expect("callback info handshake done\n");
        assert!(seen.contains("callback verify depth 0 ok 1"), "round {round}: {seen}");
        client.say(&format!("ping {round}\n"));
        client.expect(&format!("ping {round}\n"));
    }
    client.say("R\n");
    server.expect("callback info handshake start\n");
    let seen = server.expect("patina failed ERR_TLS_SESSION_ATTACK");
    assert!(seen.contains("callback info alert sent no renegotiation"), "{seen}");
    assert!(!seen.contains("callback verify"), "no work was done for it: {seen}");
    let (rest, _) = client.end();
    assert!(rest.contains("no renegotiation") || rest.contains("RENEGOTIATING"), "{rest}");
    let (rest, content) = server.end();
    assert!(rest.contains("callback message seen") && rest.contains("context unchanged"), "{rest}");
    assert!(content, "{rest}");
}

#[test]
fn without_renegotiation_a_connection_of_a_c_program_ends_as_it_should() {
    let (mut server, port) = serve(1, 0);
    let mut client = s_client(&port);
    client.say("hello\n");
    server.expect("patina secure");
    client.expect("hello\n");
    // The letter that makes s_client close.
    client.say("Q\n");
    let (rest, content) = server.end();
    assert!(rest.contains("patina closed") && rest.contains("context unchanged"), "{rest}");
    assert!(content);
}
