//! `patina probe` beside `sslscan` and nmap's `ssl-enum-ciphers`, at the same servers: the same versions, suites, groups, and
//! the same side's order.
//!
//! Debian's packages `sslscan` and `nmap`; one that is missing is an error.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use patina_ciphers::by_id;
use patina_interop::fixture::{Identity, Scratch};
use patina_tls::openssl;
use serde_json::Value;

/// How long a program may take, in seconds.
pub(crate) const PATIENCE: &str = "120";

/// What a scanner says of a server: version and suite, by IANA's name.
type Suites = BTreeSet<(String, String)>;

/// The groups of sslscan's list, by IANA's number and our name.
const GROUPS: [(&str, &str); 10] = [
    ("0x0017", "P-256"),
    ("0x0018", "P-384"),
    ("0x0019", "P-521"),
    ("0x001d", "X25519"),
    ("0x001e", "X448"),
    ("0x0100", "ffdhe2048"),
    ("0x0101", "ffdhe3072"),
    ("0x0102", "ffdhe4096"),
    ("0x0103", "ffdhe6144"),
    ("0x0104", "ffdhe8192"),
];

/// A server that ends with the value, and where it listens.
struct Server {
    child: Child,
    port: String,
}

impl Server {
    /// Starts a program that tells its port behind `mark`. It would end with its input, which the child holds.
    fn start(mut command: Command, mark: &str) -> Server {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = lines.find_map(|line| {
            let line = line.unwrap();
            let (_, port) = line.strip_prefix(mark)?.rsplit_once(':')?;
            Some(port.trim().to_owned())
        });
        let port = port.expect("the server ended before it told its port");
        // What it says later is not of interest, but somebody must take it.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        Server { child, port }
    }

    fn openssl(words: &[&str]) -> Server {
        let mut command = Command::new("stdbuf");
        command.args(["-oL", "openssl", "s_server", "-accept", "127.0.0.1:0", "-www"]).args(words);
        command.current_dir(fixtures()).env("OPENSSL_CONF", "/dev/null");
        Server::start(command, "ACCEPT ")
    }

    fn node() -> Server {
        let script = "const tls = require('tls'), fs = require('fs');
            const server = tls.createServer({
                cert: fs.readFileSync('server-rsa.pem'), key: fs.readFileSync('server-rsa.key'),
                ALPNProtocols: ['h2', 'http/1.1'],
            }, (socket) => socket.resume().on('error', () => {}));
            server.on('tlsClientError', () => {});
            server.listen(0, '127.0.0.1', () => console.log(`listening 127.0.0.1:${server.address().port}`));";
        let mut command = Command::new("node");
        command.args(["-e", script]).current_dir(fixtures());
        Server::start(command, "listening ")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn fixtures() -> PathBuf {
    let certificate = Identity::named("server-rsa", false).unwrap().certificate;
    certificate.parent().unwrap().to_owned()
}

/// The program, which belongs to another package: cargo builds it, or finds it built.
pub(crate) fn patina() -> &'static str {
    static PROGRAM: OnceLock<String> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "--package", "patina-tls", "--features", "cli", "--bin", "patina"]);
        let output = cargo.arg("--message-format=json").stderr(Stdio::inherit()).output().unwrap();
        assert!(output.status.success(), "the program does not build");
        let messages = String::from_utf8(output.stdout).unwrap();
        let mut messages = messages.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        messages.find_map(|message| message["executable"].as_str().map(str::to_owned)).unwrap()
    })
}

/// Runs a program, and gives what it wrote to stdout.
fn run(words: &[&str]) -> String {
    let output = Command::new("timeout").arg(PATIENCE).args(words).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{words:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// What the three say of a server.
struct Opinions {
    ours: Value,
    sslscan: Vec<Tag>,
    nmap: Vec<Tag>,
}

impl Opinions {
    fn of(server: &Server) -> Opinions {
        let target = format!("127.0.0.1:{}", server.port);
        let scratch = Scratch::new().unwrap();
        let (one, other) = (scratch.file("sslscan.xml"), scratch.file("nmap.xml"));
        run(&["sslscan", "--no-colour", &format!("--xml={}", one.display()), &target]);
        let script = ["nmap", "-n", "-Pn", "-sT", "-p", &server.port, "--script", "ssl-enum-ciphers"];
        run(&[&script[..], &["-oX", &other.display().to_string(), "127.0.0.1"]].concat());
        Opinions {
            ours: serde_json::from_str(&run(&[patina(), "probe", "--json", &target])).unwrap(),
            sslscan: Tag::read(&std::fs::read_to_string(one).unwrap()),
            nmap: Tag::read(&std::fs::read_to_string(other).unwrap()),
        }
    }

    fn versions(&self) -> impl Iterator<Item = &Value> {
        self.ours["versions"].as_array().unwrap().iter()
    }

    /// What is ours, and what our libssl could not ask for.
    fn our_suites(&self) -> (Suites, Suites) {
        let name = |suite: &Value| suite["standard_name"].as_str().unwrap().to_owned();
        let of = |version: &Value| numbered(version["version"].as_str().unwrap());
        let accepted = self.versions().flat_map(|version| {
            version["suites"].as_array().unwrap().iter().map(move |suite| (of(version), name(suite)))
        });
        let untested = self.versions().flat_map(|version| {
            let names = version["untested"].as_array().unwrap().iter();
            names.map(move |name| (of(version), name.as_str().unwrap().to_owned()))
        });
        (accepted.collect(), untested.collect())
    }

    fn sslscan_suites(&self) -> Suites {
        let ciphers = self.sslscan.iter().filter(|tag| tag.name == "cipher");
        ciphers
            .map(|tag| {
                let id = u16::from_str_radix(tag.get("id").trim_start_matches("0x"), 16).unwrap();
                (numbered(tag.get("sslversion")), by_id(id).unwrap().iana_name().unwrap().to_owned())
            })
            .collect()
    }

    /// nmap's suites, and whose order it finds in each version.
    fn nmap_suites(&self) -> (Suites, BTreeSet<(String, String)>) {
        let (mut suites, mut orders) = (Suites::new(), BTreeSet::new());
        let mut version = String::new();
        for tag in &self.nmap {
            match (tag.name.as_str(), tag.find("key").unwrap_or_default()) {
                ("table", key) if key.contains("v1.") || key == "SSLv3" => version = numbered(key),
                // It has names of its own for those of TLS 1.3.
                ("elem", "name") => {
                    suites.insert((version.clone(), tag.text.replacen("TLS_AKE_WITH_", "TLS_", 1)));
                }
                ("elem", "cipher preference") => {
                    orders.insert((version.clone(), tag.text.clone()));
                }
                _ => {}
            }
        }
        (suites, orders)
    }

    /// Compares all of them, and gives how many suites there are.
    fn agree(&self) -> usize {
        let (ours, untested) = self.our_suites();
        let (nmap, orders) = self.nmap_suites();
        for (scanner, theirs) in [("sslscan", self.sslscan_suites()), ("nmap", nmap)] {
            let missed: Vec<_> = theirs.difference(&ours).filter(|suite| !untested.contains(suite)).collect();
            let more: Vec<_> = ours.difference(&theirs).collect();
            assert!(
                missed.is_empty() && more.is_empty(),
                "{scanner} alone: {missed:?}, patina alone: {more:?}"
            );
        }
        self.agree_on_versions();
        self.agree_on_groups();
        for version in self.versions().filter(|version| version["order"] != Value::Null) {
            let (name, order) =
                (numbered(version["version"].as_str().unwrap()), version["order"].as_str().unwrap());
            let theirs = orders.iter().find(|(other, _)| *other == name).map(|(_, order)| order.as_str());
            assert_eq!(theirs, Some(order), "{name}");
        }
        ours.len()
    }

    fn agree_on_versions(&self) {
        for tag in self.sslscan.iter().filter(|tag| tag.name == "protocol" && tag.get("version") != "2") {
            let version = match (tag.get("type"), tag.get("version")) {
                ("ssl", number) => format!("SSLv{number}"),
                (_, number) => format!("TLSv{number}"),
            };
            let ours =
                self.versions().find(|it| numbered(it["version"].as_str().unwrap()) == version).unwrap();
            // What cannot be asked for has no answer.
            let accepted = ours["accepted"].as_bool().unwrap_or_default();
            assert_eq!(accepted, tag.get("enabled") == "1", "{version}: {ours}");
        }
    }

    fn agree_on_groups(&self) {
        let theirs: BTreeSet<_> = self
            .sslscan
            .iter()
            .filter(|tag| tag.name == "group")
            .map(|tag| {
                let name = GROUPS.iter().find(|(id, _)| *id == tag.get("id")).map(|(_, name)| *name);
                (numbered(tag.get("sslversion")), name.unwrap_or_else(|| panic!("{tag:?}")).to_owned())
            })
            .filter(|(_, name)| openssl().groups().contains(&name.as_str()))
            .collect();
        let ours = self.ours["groups"].as_object().unwrap().iter();
        let ours: BTreeSet<_> = ours
            .flat_map(|(version, found)| {
                let names = found["names"].as_array().unwrap().iter();
                names.map(move |name| (numbered(version), name.as_str().unwrap().to_owned()))
            })
            .collect();
        assert_eq!(ours, theirs);
    }
}

/// `TLSv1.0` for what Node and libssl call `TLSv1`.
fn numbered(version: &str) -> String {
    if version == "TLSv1" { "TLSv1.0".to_owned() } else { version.to_owned() }
}

/// An element of an XML document: its name, its attributes, and the text up to the next one.
#[derive(Debug)]
struct Tag {
    name: String,
    attributes: Vec<(String, String)>,
    text: String,
}

impl Tag {
    /// The elements of what the scanners write, which have no `<` or `>` in attributes.
    fn read(document: &str) -> Vec<Tag> {
        let tags = document.split('<').filter(|part| !part.starts_with(['/', '?', '!']));
        tags.filter_map(|part| {
            let (tag, text) = part.split_once('>')?;
            let (name, mut rest) = tag.split_once(' ').unwrap_or((tag, ""));
            let mut attributes = Vec::new();
            while let Some((attribute, after)) = rest.split_once("=\"") {
                let (value, after) = after.split_once('"')?;
                attributes.push((attribute.trim().to_owned(), value.to_owned()));
                rest = after;
            }
            Some(Tag {
                name: name.trim_end_matches('/').to_owned(),
                attributes,
                text: text.trim().to_owned(),
            })
        })
        .collect()
    }

    fn find(&self, attribute: &str) -> Option<&str> {
        self.attributes.iter().find(|(name, _)| name == attribute).map(|(_, value)| value.as_str())
    }

    fn get(&self, attribute: &str) -> &str {
        self.find(attribute).unwrap_or_else(|| panic!("no {attribute} in {self:?}"))
    }
}

const RSA: [&str; 4] = ["-cert", "server-rsa.pem", "-key", "server-rsa.key"];
const ECDSA: [&str; 4] = ["-dcert", "server-p256.pem", "-dkey", "server-p256.key"];

#[test]
fn probe_agrees_with_scanners_on_three_suites_in_the_server_s_order() {
    // Behind AES128-SHA sslscan would find no groups: it asks for suites without one as well.
    let list = "ECDHE-RSA-AES256-GCM-SHA384:AES128-SHA:ECDHE-RSA-AES128-GCM-SHA256";
    let server = Server::openssl(&[&RSA[..], &["-tls1_2", "-cipher", list, "-serverpref"]].concat());
    assert_eq!(Opinions::of(&server).agree(), 3);
}

#[test]
fn probe_agrees_with_scanners_on_old_versions_with_a_weak_prime() {
    let words = ["-no_tls1_3", "-cipher", "ALL:@SECLEVEL=0", "-dhparam", "../dh/dh1024.pem"];
    let server = Server::openssl(&[&RSA[..], &ECDSA, &words].concat());
    let opinions = Opinions::of(&server);
    assert!(opinions.agree() > 90);
    let weak = opinions.sslscan.iter().filter(|tag| tag.find("dhebits") == Some("1024")).count();
    let ours = opinions.versions().flat_map(|version| version["suites"].as_array().unwrap());
    assert_eq!(ours.filter(|suite| suite["exchange"]["dh_bits"] == 1024).count(), weak);
    assert_eq!(opinions.ours["dh"]["weak"], true);
}

#[test]
fn probe_agrees_with_scanners_on_tls_1_3_alone() {
    let suites = "TLS_AES_128_CCM_SHA256:TLS_AES_128_CCM_8_SHA256:TLS_CHACHA20_POLY1305_SHA256";
    let words = ["-cert", "server-p256.pem", "-key", "server-p256.key", "-tls1_3", "-ciphersuites", suites];
    let server = Server::openssl(&words);
    assert_eq!(Opinions::of(&server).agree(), 3);
}

#[test]
fn probe_agrees_with_scanners_on_all_versions_without_encryption_even() {
    let words = ["-cipher", "ALL:eNULL:@SECLEVEL=0", "-serverpref"];
    let server = Server::openssl(&[&RSA[..], &ECDSA, &words].concat());
    let opinions = Opinions::of(&server);
    assert!(opinions.agree() > 110);
    let (ours, _) = opinions.our_suites();
    assert!(ours.contains(&("TLSv1.0".to_owned(), "TLS_RSA_WITH_NULL_SHA".to_owned())), "{ours:?}");
}

#[test]
fn probe_agrees_with_scanners_on_a_server_of_node() {
    let server = Server::node();
    let opinions = Opinions::of(&server);
    assert!(opinions.agree() > 10);
    assert_eq!(opinions.ours["alpn"]["protocols"], serde_json::json!(["h2", "http/1.1"]));
}
