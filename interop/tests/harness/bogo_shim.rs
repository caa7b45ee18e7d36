//! `bogo_shim` as a runner starts it.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Output, Stdio};

use patina_interop::fixture::{self, Identity};
use patina_tls::{BlockingStream, ClientConfig, ServerConfig, ServerVerification, TrustStore};

/// The program with its flags, and the socket that it connects with.
struct Shim {
    child: Child,
    listener: TcpListener,
}

impl Shim {
    fn start(flags: &[&str]) -> Shim {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port().to_string();
        let child = Command::new(env!("CARGO_BIN_EXE_bogo_shim"))
            .args(["-port", &port, "-shim-id", "77"])
            .args(flags)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Shim { child, listener }
    }

    /// Its next connection, after the id.
    fn connection(&self) -> TcpStream {
        let (mut tcp, _) = self.listener.accept().unwrap();
        let mut id = [0; 8];
        tcp.read_exact(&mut id).unwrap();
        assert_eq!(u64::from_le_bytes(id), 77);
        tcp
    }

    fn end(self) -> Output {
        self.child.wait_with_output().unwrap()
    }
}

fn serving() -> ServerConfig {
    let identity = Identity::named("server-rsa", false).unwrap();
    let identity = patina_tls::Identity::from_pem_files(identity.certificate, identity.key).unwrap();
    ServerConfig::builder().identity(identity).build().unwrap()
}

/// Sends a word, reads it back with every bit turned, and closes.
fn converse<S: Read + Write>(tls: &mut S) {
    tls.write_all(b"abc").unwrap();
    let mut answer = [0; 3];
    tls.read_exact(&mut answer).unwrap();
    assert_eq!(answer.map(|byte| byte ^ 0xff), *b"abc");
}

#[test]
fn a_client_answers_with_every_bit_turned_and_resumes_its_session() {
    for flags in [&["-resume-count", "2"][..], &["-resume-count", "1", "-async", "-max-version", "771"]] {
        let shim = Shim::start(flags);
        let (server, count) = (serving(), 1 + flags[1].parse::<usize>().unwrap());
        for number in 0..count {
            let mut tls = BlockingStream::accept(&server, shim.connection()).unwrap();
            assert_eq!(tls.negotiated().session_reused(), number > 0, "{flags:?} {number}");
            converse(&mut tls);
            tls.shutdown().unwrap();
        }
        let output = shim.end();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
    }
}

#[test]
fn a_server_takes_its_identity_from_files_and_writes_first_when_told() {
    let identity = Identity::named("server-p256", false).unwrap();
    let shim = Shim::start(&[
        "-server",
        "-cert-file",
        identity.certificate.to_str().unwrap(),
        "-key-file",
        identity.key.to_str().unwrap(),
        "-shim-writes-first",
        "-select-alpn",
        "h2",
        "-expect-server-name",
        "localhost",
        "-check-close-notify",
    ]);
    let client = ClientConfig::builder()
        .trust(TrustStore::from_pem_file(fixture::pem("root-ec").unwrap()).unwrap())
        .server_verification(ServerVerification::Require)
        .alpn(["h2"])
        .build()
        .unwrap();
    let mut tls = BlockingStream::connect(&client, "localhost", shim.connection()).unwrap();
    let mut hello = [0; 5];
    tls.read_exact(&mut hello).unwrap();
    assert_eq!(&hello, b"hello");
    converse(&mut tls);
    tls.shutdown().unwrap();
    assert_eq!(tls.read(&mut hello).unwrap(), 0, "close_notify is answered");
    drop(tls);
    let output = shim.end();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[test]
fn a_failure_exits_with_1_and_tells_libssl_s_reason_in_the_first_line() {
    let shim = Shim::start(&["-min-version", "772"]);
    let identity = Identity::named("server-rsa", false).unwrap();
    let identity = patina_tls::Identity::from_pem_files(identity.certificate, identity.key).unwrap();
    let old = ServerConfig::builder().identity(identity).versions(patina_tls::ProtocolVersion::TLSv1_2);
    assert!(BlockingStream::accept(&old.build().unwrap(), shim.connection()).is_err());
    let output = shim.end();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.lines().next().unwrap().starts_with(":TLSV1_ALERT_PROTOCOL_VERSION: "), "{text}");
}

#[test]
fn an_expectation_that_is_not_met_is_a_failure() {
    let shim = Shim::start(&["-expect-version", "771"]);
    let mut tls = BlockingStream::accept(&serving(), shim.connection()).unwrap();
    let _ = tls.read(&mut [0]);
    drop(tls);
    let output = shim.end();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("the version is TLSv1.3"), "{output:?}");
}

#[test]
fn what_is_not_implemented_exits_with_89_and_a_question_is_answered() {
    let run = |flags: &[&str]| Command::new(env!("CARGO_BIN_EXE_bogo_shim")).args(flags).output().unwrap();
    for flag in ["-dtls", "-quic", "-on-resume-enable-grease"] {
        assert_eq!(run(&[flag]).status.code(), Some(89), "{flag}");
    }
    let output = run(&["-is-handshaker-supported"]);
    assert_eq!((output.status.code(), &*output.stdout), (Some(0), &b"No\n"[..]));
}
