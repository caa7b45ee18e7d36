//! `patina connect --starttls` at real servers, each an instance of the test's own, beside `openssl s_client -starttls`.
//!
//! Debian's packages `vsftpd`, `dovecot-imapd`, `exim4-daemon-light`, `slapd`, `postgresql`, `mariadb-server-core` and
//! `prosody`; one that is missing is an error. Where the tests run as root, the servers run as `nobody`. Only exim must be
//! started by root (with sudo, if need be): else it neither takes this configuration nor talks with a socket that it is given.
//! It lowers itself.

use std::fs;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;

use patina_interop::fixture::{self, Identity, Scratch};
use patina_interop::process::Process;
use serde_json::Value;

use crate::probe::{PATIENCE, patina};

/// The unprivileged user whom every system has, and the group.
const NOBODY: (u32, u32) = (65534, 65534);

/// Where Debian has servers, which is not in everybody's PATH.
const SERVERS: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// Runs a server until its input ends, so that none outlives the test. SIGTERM lets those with children end them.
const WITH_INPUT: &str =
    "exec 3<&0; { read -r _; kill $$; } <&3 >/dev/null 2>&1 & exec \"$@\" 3<&- </dev/null";

/// The files of a server: `cert.pem`, `key.pem`, an empty directory `empty`, and what its test adds.
struct Place {
    scratch: Scratch,
    is_root: bool,
}

impl Place {
    fn new() -> Place {
        let scratch = Scratch::new().unwrap();
        let root = scratch.file(".");
        let is_root = fs::metadata(&root).unwrap().uid() == 0;
        let place = Place { scratch, is_root };
        let identity = Identity::named("server-rsa", false).unwrap();
        place.write("cert.pem", &fs::read_to_string(identity.certificate).unwrap());
        let key = place.write("key.pem", &fs::read_to_string(identity.key).unwrap());
        fs::set_permissions(key, fs::Permissions::from_mode(0o600)).unwrap();
        fs::create_dir(place.path("empty")).unwrap();
        for path in [root, place.path("empty")] {
            place.give(&path);
        }
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.scratch.file(name)
    }

    /// Writes a file, with the directory for `DIR`.
    fn write(&self, name: &str, text: &str) -> PathBuf {
        let (path, directory) = (self.path(name), self.path(""));
        let directory = directory.to_str().unwrap().trim_end_matches('/');
        fs::write(&path, text.replace("DIR", directory)).unwrap();
        self.give(&path);
        path
    }

    fn give(&self, path: &Path) {
        if self.is_root {
            chown(path, Some(NOBODY.0), Some(NOBODY.1)).unwrap();
        }
    }

    /// The names of the user and the group to whom the files belong.
    fn owner(&self) -> (String, String) {
        let name = |format| {
            let output = Command::new("stat").args(["-c", format]).arg(self.path(".")).output().unwrap();
            String::from_utf8(output.stdout).unwrap().trim().to_owned()
        };
        (name("%U"), name("%G"))
    }

    /// The words that run a program as somebody who is not root.
    fn unprivileged(&self, words: &[&str]) -> Vec<String> {
        let (user, group) = (format!("--reuid={}", NOBODY.0), format!("--regid={}", NOBODY.1));
        let lower = ["setpriv", &user, &group, "--clear-groups"];
        let lower = if self.is_root { &lower[..] } else { &[] };
        lower.iter().chain(words).map(|word| (*word).to_owned()).collect()
    }

    /// Starts a server that says `ready` when it listens on the port which it is given for `PORT`.
    async fn daemon(&self, words: &[&str], ready: &str) -> (Process, u16) {
        // It takes no port of the system's choice, so that another program may take the one that was free.
        for _ in 0..5 {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let mut command = tokio::process::Command::new("sh");
            command.args(["-c", WITH_INPUT, "sh"]).env("PATH", SERVERS).current_dir(self.path("."));
            for word in self.unprivileged(words) {
                command.arg(word.replace("PORT", &port.to_string()));
            }
            let process = Process::spawn(command).unwrap();
            if process.find(ready, 0).await.unwrap().is_some() {
                return (process, port);
            }
            let said = process.tail();
            assert!(said.to_lowercase().contains("in use"), "{words:?} does not start:\n{said}");
        }
        panic!("{words:?} found no free port");
    }

    /// Has a server of its own, which talks with its standard input and output, for each of two clients.
    fn inetd(&self, words: Vec<String>) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let directory = self.path(".");
        thread::spawn(move || {
            for _ in 0..2 {
                let (client, _) = listener.accept().unwrap();
                let socket = |client: &TcpStream| Stdio::from(OwnedFd::from(client.try_clone().unwrap()));
                let mut command = Command::new(&words[0]);
                command.args(&words[1..]).env("PATH", SERVERS).current_dir(&directory);
                command.stdin(socket(&client)).stdout(socket(&client));
                let mut server = command.spawn().expect("the server is not there");
                // Their ends of the connection must close with the server.
                drop((command, client));
                server.wait().unwrap();
            }
        });
        port
    }
}

/// Runs a client, which reads this and ends with this exit code. Where it reads something, its input ends after it.
fn client(words: &[&str], input: &[u8], code: i32) -> Output {
    let mut command = Command::new("timeout");
    command.arg(PATIENCE).args(words).env("OPENSSL_CONF", "/dev/null");
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // A client that has gone says why.
    let _ = stdin.write_all(input);
    // Some servers forget the answer when the other side has closed: then it closes when they have.
    let held = (!input.is_empty()).then_some(stdin);
    let output = child.wait_with_output().unwrap();
    drop(held);
    assert_eq!(output.status.code(), Some(code), "{words:?}: {output:?}");
    output
}

/// How a server ends what it was asked to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// With close_notify.
    Closed,
    /// Without: a cut, which is an error.
    Cut,
}

/// Both programs reach TLS with the same server, which has the fixture's certificate, and agree on version and suite.
/// `farewell` is what has the server answer behind TLS, and end.
fn agree(protocol: &str, port: u16, farewell: &[u8], end: End) {
    let target = format!("127.0.0.1:{port}");
    let ca = fixture::pem("root").unwrap().display().to_string();
    let ours =
        ["connect", &target, "--starttls", protocol, "--json", "--ca", &ca, "--servername", "localhost"];
    let output = client(&[&[patina()], &ours[..]].concat(), farewell, i32::from(end == End::Cut));
    let stdout = String::from_utf8(output.stdout).unwrap();
    let events: Vec<Value> = stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let event = |name: &str| {
        let found = events.iter().find(|event| event["event"] == name);
        found.unwrap_or_else(|| panic!("no event {name}: {stdout}"))
    };
    let secure = event("secure");
    let certificate = fs::read_to_string(Identity::named("server-rsa", false).unwrap().certificate).unwrap();
    let der = fs::read(fixture::pem("server-rsa").unwrap().with_extension("cert.der")).unwrap();
    let raw: String = der.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(secure["peer_certificate"]["raw"], raw.as_str());
    assert_eq!(secure["authorized"], true);
    match end {
        End::Closed => {
            assert!(event("closed")["read"].as_u64().unwrap() > 0, "no answer behind TLS: {stdout}")
        }
        End::Cut => assert_eq!(event("error")["code"], "ECONNRESET", "{stdout}"),
    }

    // It asks for this host in the protocols that have hosts themselves.
    let verify = ["-verify_return_error", "-verify_hostname", "localhost", "-xmpphost", "localhost"];
    let theirs = ["-starttls", protocol, "-connect", &target, "-servername", "localhost", "-CAfile", &ca];
    let output = client(&[&["openssl", "s_client"], &theirs[..], &verify].concat(), b"", 0);
    let stdout = String::from_utf8_lossy(&output.stdout);
    let (version, suite) = (secure["protocol"].as_str().unwrap(), secure["cipher"]["name"].as_str().unwrap());
    assert!(
        stdout.contains(&format!("New, {version}, Cipher is {suite}\n")),
        "not {version}, {suite}: {stdout}"
    );
    assert!(stdout.contains(certificate.trim()), "another certificate: {stdout}");
    println!("{protocol}: {version} {suite}, the same certificate, end: {end:?}");
}

#[test]
fn starttls_of_ftp_agrees_with_s_client_at_vsftpd() {
    let place = Place::new();
    let text = "listen=NO\nssl_enable=YES\nrsa_cert_file=DIR/cert.pem\nrsa_private_key_file=DIR/key.pem\n\
        ssl_ciphers=HIGH\nanonymous_enable=YES\nsecure_chroot_dir=DIR/empty\nrun_as_launching_user=YES\n";
    let file = place.write("vsftpd.conf", text);
    let port = place.inetd(place.unprivileged(&["vsftpd", file.to_str().unwrap()]));
    agree("ftp", port, b"QUIT\r\n", End::Cut);
}

#[test]
fn vsftpd_without_tls_is_told() {
    let place = Place::new();
    let text = "listen=NO\nanonymous_enable=YES\nsecure_chroot_dir=DIR/empty\nrun_as_launching_user=YES\n";
    let file = place.write("vsftpd.conf", text);
    let port = place.inetd(place.unprivileged(&["vsftpd", file.to_str().unwrap()]));
    let target = format!("127.0.0.1:{port}");
    let output = client(&[patina(), "connect", &target, "--starttls", "ftp"], b"", 1);
    let expected = "patina: ERR_STARTTLS: --starttls: the server does not begin TLS: it said ";
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.starts_with(expected) && stderr.contains("\"530 "), "{stderr}");
}

#[test]
fn starttls_of_smtp_agrees_with_s_client_at_exim() {
    let place = Place::new();
    let (user, group) = place.owner();
    let text = format!(
        "spool_directory = DIR/spool\nlog_file_path = DIR/log-%s\nprimary_hostname = localhost\n\
        keep_environment =\ntls_advertise_hosts = *\ntls_certificate = DIR/cert.pem\n\
        tls_privatekey = DIR/key.pem\nexim_user = {user}\nexim_group = {group}\n"
    );
    let file = place.write("exim.conf", &text);
    let file = file.to_str().unwrap();
    let sudo: &[&str] = if place.is_root { &[] } else { &["sudo", "-n"] };
    // A configuration must belong to root.
    let script = "chown 0:0 \"$0\" && exec exim4 -bs -C \"$0\"";
    let words = [sudo, &["sh", "-c", script, file]].concat();
    let port = place.inetd(words.into_iter().map(str::to_owned).collect());
    agree("smtp", port, b"EHLO client\r\nQUIT\r\n", End::Closed);
}

#[tokio::test(flavor = "multi_thread")]
async fn starttls_of_imap_agrees_with_s_client_at_dovecot() {
    let place = Place::new();
    let (user, group) = place.owner();
    let text = format!(
        "base_dir = DIR/run\nstate_dir = DIR/run\nprotocols = imap\nlisten = 127.0.0.1\nlog_path = /dev/stderr\n\
        default_internal_user = {user}\ndefault_internal_group = {group}\ndefault_login_user = {user}\n\
        ssl = required\nssl_cert = <DIR/cert.pem\nssl_key = <DIR/key.pem\n\
        passdb {{\n driver = static\n args = nopassword=y\n}}\n\
        userdb {{\n driver = static\n args = uid=nobody gid=nogroup home=DIR/empty\n}}\n\
        service anvil {{\n chroot =\n}}\n\
        service imap-login {{\n chroot =\n\
        inet_listener imap {{\n port = 1\n}}\ninet_listener imaps {{\n port = 0\n}}\n}}\n"
    );
    let file = place.write("dovecot.conf", &text);
    let port = "service/imap-login/inet_listener/imap/port=PORT";
    let words = ["dovecot", "-F", "-c", file.to_str().unwrap(), "-o", port];
    let (mut server, port) = place.daemon(&words, "starting up for imap").await;
    agree("imap", port, b"a CAPABILITY\r\nb LOGOUT\r\n", End::Closed);
    server.close_input();
    server.wait().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn starttls_of_ldap_agrees_with_s_client_at_slapd() {
    let place = Place::new();
    let text = "pidfile DIR/pid\nidletimeout 1\nTLSCertificateFile DIR/cert.pem\nTLSCertificateKeyFile DIR/key.pem\n";
    let file = place.write("slapd.conf", text);
    let words = ["slapd", "-f", file.to_str().unwrap(), "-h", "ldap://127.0.0.1:PORT", "-d", "stats"];
    let (mut server, port) = place.daemon(&words, "slapd starting").await;
    // A bind of nobody. Behind an unbind the answer may be lost: the server ends what is idle.
    agree("ldap", port, b"\x30\x0c\x02\x01\x02\x60\x07\x02\x01\x03\x04\x00\x80\x00", End::Closed);
    server.close_input();
    server.wait().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn starttls_of_postgres_agrees_with_s_client_at_postgresql() {
    let place = Place::new();
    let versions = fs::read_dir("/usr/lib/postgresql").expect("Debian's package postgresql is not there");
    let programs = versions.map(|entry| entry.unwrap().path().join("bin")).max().unwrap();
    let (initdb, postgres) = (programs.join("initdb"), programs.join("postgres"));
    let data = place.path("data").display().to_string();
    let words = ["-D", &data, "--no-sync", "-A", "trust", "-U", "owner", "--locale=C"];
    let words = place.unprivileged(&[&[initdb.to_str().unwrap()], &words[..]].concat());
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    client(&words, b"", 0);

    let directory = place.path("empty").display().to_string();
    let certificate = format!("ssl_cert_file={}", place.path("cert.pem").display());
    let key = format!("ssl_key_file={}", place.path("key.pem").display());
    let options = ["-c", "listen_addresses=127.0.0.1", "-c", "ssl=on", "-c", &certificate, "-c", &key];
    let words = [postgres.to_str().unwrap(), "-D", &data, "-k", &directory, "-p", "PORT"];
    let (mut server, port) = place.daemon(&[&words, &options[..]].concat(), "ready to accept").await;
    // The startup message of protocol 3.0, and Terminate.
    let parameters = b"user\0owner\0database\0postgres\0\0";
    let length = u32::try_from(parameters.len() + 8).unwrap().to_be_bytes();
    agree("postgres", port, &[&length[..], &[0, 3, 0, 0], parameters, b"X\0\0\0\x04"].concat(), End::Closed);
    server.close_input();
    server.wait().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn starttls_of_mysql_agrees_with_s_client_at_mariadb() {
    let place = Place::new();
    let option = |name: &str, file: &str| format!("--{name}={}", place.path(file).display());
    // A directory without anything will do where nobody is asked who they are.
    let files = [
        ("datadir", "empty"),
        ("socket", "empty/socket"),
        ("pid-file", "empty/pid"),
        ("ssl-cert", "cert.pem"),
        ("ssl-key", "key.pem"),
    ];
    let files: Vec<String> = files.iter().map(|(name, file)| option(name, file)).collect();
    let words =
        ["mariadbd", "--no-defaults", "--skip-grant-tables", "--bind-address=127.0.0.1", "--port=PORT"];
    let words: Vec<&str> = words.into_iter().chain(files.iter().map(String::as_str)).collect();
    let (mut server, port) = place.daemon(&words, "ready for connections").await;
    // The answer to the greeting, anew behind TLS: capabilities, largest packet, character set, user, no password; then COM_QUIT.
    let head = b"\x00\x8a\x00\x00\x00\x00\x00\x01\x21";
    let login =
        [&b"\x26\x00\x00\x02"[..], head, &[0; 23], b"root\0", b"\0", b"\x01\x00\x00\x00\x01"].concat();
    agree("mysql", port, &login, End::Cut);
    server.close_input();
    server.wait().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn starttls_of_xmpp_agrees_with_s_client_at_prosody() {
    let place = Place::new();
    let text = "pidfile = \"DIR/pid\"\ndata_path = \"DIR/empty\"\ninterfaces = { \"127.0.0.1\" }\nc2s_ports = { ENV_LISTEN }\n\
        modules_enabled = { \"tls\", \"saslauth\" }\nmodules_disabled = { \"s2s\" }\nc2s_require_encryption = true\n\
        log = { info = \"*console\" }\n\
        VirtualHost \"localhost\"\nssl = { certificate = \"DIR/cert.pem\", key = \"DIR/key.pem\" }\n";
    let file = place.write("prosody.cfg.lua", text);
    let words = ["env", "LISTEN=PORT", "prosody", "-F", "--config", file.to_str().unwrap()];
    let (mut server, port) = place.daemon(&words, "Activated service 'c2s' on [127.0.0.1]").await;
    let stream = b"<?xml version='1.0'?><stream:stream to='localhost' version='1.0' xmlns='jabber:client' \
        xmlns:stream='http://etherx.jabber.org/streams'></stream:stream>";
    agree("xmpp", port, stream, End::Closed);
    server.close_input();
    server.wait().await.unwrap();
}
