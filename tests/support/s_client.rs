//! `openssl s_client` and `s_server`, against the program `patina`.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use super::fixtures;
use super::program::{Serving, run, text};

pub(crate) fn openssl(words: &[&str]) -> Command {
    let mut command = Command::new("stdbuf");
    command.args(["-oL", "openssl"]).args(words).current_dir(fixtures::path("pki"));
    command.env("OPENSSL_CONF", "/dev/null").stdin(Stdio::null()).stderr(Stdio::piped());
    command
}

/// What `openssl s_client` says, which ends at once for want of input.
pub(crate) fn s_client(server: &Serving, words: &[&str]) -> String {
    let target = server.target.replace("localhost", "127.0.0.1");
    let output = openssl(&[&["s_client", "-connect", &target], words].concat()).output().unwrap();
    text(&output.stdout) + &text(&output.stderr)
}

/// What `openssl s_client` says until the line that it sends has come back, and so the tickets with it.
pub(crate) fn s_client_echoed(server: &Serving, words: &[&str]) -> String {
    let target = server.target.replace("localhost", "127.0.0.1");
    let mut command = openssl(&[&["s_client", "-connect", &target], words].concat());
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"a line that comes back\n").unwrap();
    let mut said = String::new();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    while !said.ends_with("a line that comes back\n") {
        assert_ne!(stdout.read_line(&mut said).unwrap(), 0, "it ended after {said}");
    }
    drop(stdin);
    std::io::copy(&mut stdout, &mut std::io::sink()).unwrap();
    assert!(child.wait().unwrap().success());
    said
}

/// How many of the handshakes that `s_client` tells of were full, and how many resumed.
pub(crate) fn handshakes(said: &str) -> (usize, usize) {
    let count = |word: &str| said.lines().filter(|line| line.starts_with(word)).count();
    (count("New, TLSv"), count("Reused, TLSv"))
}

/// `openssl s_server`, for one connection unless said otherwise. It would end with its input, which the child holds.
pub(crate) struct SServer {
    child: Child,
    stdout: BufReader<ChildStdout>,
    pub(crate) target: String,
}

impl SServer {
    pub(crate) fn start(words: &[&str]) -> SServer {
        SServer::accepting(&[&["-naccept", "1"], words].concat())
    }

    /// One for any number of connections, which all get a page.
    pub(crate) fn lasting(words: &[&str]) -> SServer {
        SServer::accepting(&[&["-www"], words].concat())
    }

    fn accepting(words: &[&str]) -> SServer {
        let mut command = openssl(&[&["s_server", "-accept", "127.0.0.1:0"], words].concat());
        // Nobody reads its complaints, which can be many.
        command.stderr(Stdio::null());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let target = loop {
            let mut line = String::new();
            let count = stdout.read_line(&mut line).unwrap();
            assert!(count > 0, "s_server {words:?} does not listen");
            if let Some(address) = line.strip_prefix("ACCEPT ").filter(|address| address.contains(':')) {
                break address.trim().to_owned();
            }
        };
        SServer { child, stdout, target }
    }

    /// Our client at it.
    pub(crate) fn connect_once(&mut self, words: &[&str]) -> Output {
        let name = ["--servername", "localhost", "--ca", "root.pem", "--json", "--quit"];
        run(&[&["connect", &self.target], &name[..], words].concat())
    }

    /// Our last client at it, and what it said.
    pub(crate) fn connect(mut self, words: &[&str]) -> (Output, String) {
        let output = self.connect_once(words);
        let mut said = Vec::new();
        self.stdout.read_to_end(&mut said).unwrap();
        self.child.wait().unwrap();
        (output, String::from_utf8_lossy(&said).into_owned())
    }
}

impl Drop for SServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
