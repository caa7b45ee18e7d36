//! The commands of OpenSSL's configuration files, `SSL_CONF_cmd(3)`.

use std::fmt;

use openssl::stack::Stack;
use openssl::x509::{X509, X509Name};

use crate::config::builder::ConfigBuilder;
use crate::config::context::Config;
use crate::config::settings::{CipherPreference, DhChoice, SessionCache};
use crate::config::side::{Client, Role, Server, Side};
use crate::ext::SslContextBuilderExt;
use crate::materials::dh::DhParameters;
use crate::materials::identity::Identity;
use crate::materials::trust::TrustStore;
use crate::materials::verify::{ClientAuth, ServerVerification};
use crate::sys::compat;
use crate::values::error::{Error, ErrorKind};
use crate::values::limit::RenegotiationPolicy;
use crate::values::nearest::nearest;
use crate::values::options::SecureOptions;
use crate::values::version::{ProtocolVersion, VersionRange};

/// The commands, as `SSL_CONF_cmd(3)` spells them; `Curves` is an old name of `Groups`.
const COMMANDS: [&str; 24] = [
    "CipherString",
    "Ciphersuites",
    "Certificate",
    "PrivateKey",
    "VerifyCAFile",
    "RequestCAFile",
    "ClientCAFile",
    "RecordPadding",
    "SignatureAlgorithms",
    "ClientSignatureAlgorithms",
    "Groups",
    "Curves",
    "ECDHParameters",
    "DHParameters",
    "MinProtocol",
    "MaxProtocol",
    "Protocol",
    "Options",
    "VerifyMode",
    "NumTickets",
    // Known, and refused with a reason.
    "ServerInfoFile",
    "ChainCAFile",
    "ChainCAPath",
    "VerifyCAPath",
];

/// The words of `Options`: what each sets, and whether the word stands for its absence.
const OPTIONS: [(&str, SecureOptions, bool); 23] = [
    ("SessionTicket", SecureOptions::NO_TICKET, true),
    ("EmptyFragments", SecureOptions::DONT_INSERT_EMPTY_FRAGMENTS, true),
    ("Bugs", SecureOptions::ALL, false),
    ("Compression", SecureOptions::NO_COMPRESSION, true),
    ("ServerPreference", SecureOptions::CIPHER_SERVER_PREFERENCE, false),
    ("NoResumptionOnRenegotiation", SecureOptions::NO_SESSION_RESUMPTION_ON_RENEGOTIATION, false),
    ("DHSingle", SecureOptions::SINGLE_DH_USE, false),
    ("ECDHSingle", SecureOptions::SINGLE_ECDH_USE, false),
    ("UnsafeLegacyRenegotiation", SecureOptions::ALLOW_UNSAFE_LEGACY_RENEGOTIATION, false),
    ("UnsafeLegacyServerConnect", SecureOptions::LEGACY_SERVER_CONNECT, false),
    ("ClientRenegotiation", SecureOptions::ALLOW_CLIENT_RENEGOTIATION, false),
    ("EncryptThenMac", SecureOptions::NO_ENCRYPT_THEN_MAC, true),
    ("NoRenegotiation", SecureOptions::NO_RENEGOTIATION, false),
    ("AllowNoDHEKEX", SecureOptions::ALLOW_NO_DHE_KEX, false),
    ("PreferNoDHEKEX", SecureOptions::PREFER_NO_DHE_KEX, false),
    ("PrioritizeChaCha", SecureOptions::PRIORITIZE_CHACHA, false),
    ("MiddleboxCompat", SecureOptions::ENABLE_MIDDLEBOX_COMPAT, false),
    ("AntiReplay", SecureOptions::NO_ANTI_REPLAY, true),
    ("ExtendedMasterSecret", SecureOptions::NO_EXTENDED_MASTER_SECRET, true),
    ("CANames", SecureOptions::DISABLE_TLSEXT_CA_NAMES, true),
    ("KTLS", SecureOptions::ENABLE_KTLS, false),
    ("TxCertificateCompression", SecureOptions::NO_TX_CERTIFICATE_COMPRESSION, true),
    ("RxCertificateCompression", SecureOptions::NO_RX_CERTIFICATE_COMPRESSION, true),
];

/// The words of `Protocol` and the option that takes each away.
const PROTOCOLS: [(&str, SecureOptions); 6] = [
    ("ALL", SecureOptions::NO_SSL_MASK),
    ("SSLv3", SecureOptions::NO_SSLv3),
    ("TLSv1", SecureOptions::NO_TLSv1),
    ("TLSv1.1", SecureOptions::NO_TLSv1_1),
    ("TLSv1.2", SecureOptions::NO_TLSv1_2),
    ("TLSv1.3", SecureOptions::NO_TLSv1_3),
];

/// Settings in the commands of OpenSSL's configuration files: nginx's `ssl_conf_command`, Apache's `SSLOpenSSLConfCmd`,
/// and the `ssl_conf` sections of `openssl.cnf`.
///
/// The commands mean here what they mean there, and what is not said is as libssl has it: every version, no
/// verification, sessions kept by their id. Three things are safer. A client that verifies compares the server's name as
/// well. `VerifyMode=Peer` of a client is [`ServerVerification::Require`]. And renegotiation that the peer starts is denied
/// without `ClientRenegotiation`, on both sides.
///
/// Names and words are taken in any case; what stands before a dot in a name (`ECDSA.Certificate`) tells which key
/// belongs to which certificate.
///
/// # Examples
///
/// ```
/// use patina_tls::compat::SslConf;
///
/// # fn main() -> Result<(), patina_tls::Error> {
/// let conf = SslConf::parse("
///     MinProtocol = TLSv1.2
///     Options = ServerPreference, -SessionTicket
///     Groups = X25519:P-256      # the fast ones
/// ")?;
/// let config = conf.server()?.build()?;
///
/// let error = SslConf::new().command("MinProtcol", "TLSv1").unwrap_err();
/// assert!(error.to_string().contains("MinProtocol"));
/// # Ok(())
/// # }
/// ```
///
/// # OpenSSL
/// `SSL_CONF_cmd`, with the flags `FILE`, `CERTIFICATE` and `REQUIRE_PRIVATE`.
#[derive(Clone, Default)]
#[doc(alias = "SSL_CONF_cmd")]
pub struct SslConf {
    ciphers: Option<String>,
    suites: Option<String>,
    /// Prefix, certificate file, key file.
    certificates: Vec<(String, Option<String>, Option<String>)>,
    trust: Option<TrustStore>,
    /// The authorities that are named to the peer.
    authorities: Option<Vec<X509>>,
    sigalgs: Option<String>,
    client_sigalgs: Option<String>,
    groups: Option<String>,
    dh: Option<DhParameters>,
    min: Option<ProtocolVersion>,
    max: Option<ProtocolVersion>,
    set: SecureOptions,
    cleared: SecureOptions,
    padding: Option<usize>,
    tickets: Option<usize>,
    verify: VerifyMode,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum VerifyMode {
    #[default]
    None,
    Peer,
    Require,
}

impl SslConf {
    /// No commands: libssl's defaults.
    pub fn new() -> SslConf {
        SslConf::default()
    }

    /// Reads commands from lines of the form `COMMAND = VALUE`; a `#` begins a comment.
    ///
    /// # Errors
    /// As [`command`](SslConf::command); and [`ErrorKind::Config`] for a line without `=`.
    pub fn parse(text: &str) -> Result<SslConf, Error> {
        let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
        lines.filter(|line| !line.is_empty()).try_fold(SslConf::new(), |conf, line| {
            let (name, value) = line.split_once('=').ok_or_else(|| {
                Error::new(ErrorKind::Config, format!("{line:?} is no line of the form COMMAND = VALUE"))
            })?;
            conf.command(name.trim(), value.trim())
        })
    }

    /// Adds one command. A later one of the same name replaces the earlier, but for `Options` and `Protocol`, which add up.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for an unknown command and a value that cannot be used, [`ErrorKind::Unsupported`] for a
    /// command that this library has no counterpart of; [`Error::option`] is the command. A file that cannot be read is
    /// told here, too, but for certificates and keys: those are read when the configuration is made.
    pub fn command(mut self, name: &str, value: &str) -> Result<SslConf, Error> {
        let (prefix, bare) = name.split_once('.').unwrap_or(("", name));
        let Some(command) = COMMANDS.into_iter().find(|known| known.eq_ignore_ascii_case(bare)) else {
            let text = match nearest(bare, COMMANDS.into_iter()) {
                Some(near) => format!("{name:?} is no command of SSL_CONF; {near:?} is the nearest"),
                None => format!("{name:?} is no command of SSL_CONF"),
            };
            return Err(Error::new(ErrorKind::Config, text));
        };
        self.take(command, prefix, value).map_err(|error| error.in_option(command))?;
        Ok(self)
    }

    fn take(&mut self, command: &'static str, prefix: &str, value: &str) -> Result<(), Error> {
        let text = || Some(value.to_owned());
        match command {
            "CipherString" => self.ciphers = text(),
            "Ciphersuites" => self.suites = text(),
            "Certificate" => self.certificate(prefix).1 = text(),
            "PrivateKey" => self.certificate(prefix).2 = text(),
            "VerifyCAFile" => self.trust = Some(TrustStore::from_pem_file(value)?),
            "RequestCAFile" | "ClientCAFile" => {
                let store = TrustStore::from_pem_file(value)?;
                self.authorities =
                    Some(store.certificates().iter().map(|c| c.as_openssl().to_owned()).collect());
            }
            "RecordPadding" => self.padding = Some(number(value)?),
            "NumTickets" => self.tickets = Some(number(value)?),
            "SignatureAlgorithms" => self.sigalgs = text(),
            "ClientSignatureAlgorithms" => self.client_sigalgs = text(),
            "Groups" | "Curves" | "ECDHParameters" => {
                let automatic =
                    ["auto", "automatic", "+automatic"].iter().any(|word| value.eq_ignore_ascii_case(word));
                self.groups = text().filter(|_| !automatic);
            }
            "DHParameters" => self.dh = Some(DhParameters::from_pem_file(value)?),
            "MinProtocol" => self.min = bound(value)?,
            "MaxProtocol" => self.max = bound(value)?,
            "Protocol" => {
                for (word, on) in words(value) {
                    let (_, option) = known(&PROTOCOLS, word, |entry| entry.0)?;
                    self.switch(*option, !on);
                }
            }
            "Options" => {
                for (word, on) in words(value) {
                    let (_, option, absence) = known(&OPTIONS, word, |entry| entry.0)?;
                    self.switch(*option, on != *absence);
                }
            }
            "VerifyMode" => self.verify = verify_mode(value)?,
            _ => return Err(Error::unsupported("the command has no counterpart in this library")),
        }
        Ok(())
    }

    fn certificate(&mut self, prefix: &str) -> &mut (String, Option<String>, Option<String>) {
        let place = self.certificates.iter().position(|(known, ..)| known.eq_ignore_ascii_case(prefix));
        let place = place.unwrap_or_else(|| {
            self.certificates.push((prefix.to_owned(), None, None));
            self.certificates.len() - 1
        });
        &mut self.certificates[place]
    }

    fn switch(&mut self, option: SecureOptions, on: bool) {
        let (to, from) =
            if on { (&mut self.set, &mut self.cleared) } else { (&mut self.cleared, &mut self.set) };
        to.insert(option);
        from.remove(option);
    }

    /// A client's configuration, to add to.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] or [`ErrorKind::Io`] for a certificate or key that cannot be used; [`Error::option`] is the
    /// command.
    pub fn client(&self) -> Result<ConfigBuilder<Client>, Error> {
        let verification = match self.verify {
            VerifyMode::None => ServerVerification::InsecureReport,
            VerifyMode::Peer | VerifyMode::Require => ServerVerification::Require,
        };
        let trust = self.trust.clone().unwrap_or_else(TrustStore::empty);
        Ok(self.common(Config::<Client>::builder())?.server_verification(verification).trust(trust))
    }

    /// A server's configuration, to add to.
    ///
    /// # Errors
    /// As [`client`](SslConf::client).
    pub fn server(&self) -> Result<ConfigBuilder<Server>, Error> {
        let auth = match self.verify {
            VerifyMode::None => ClientAuth::None,
            VerifyMode::Peer => ClientAuth::Optional,
            VerifyMode::Require => ClientAuth::Require,
        };
        let mut builder = self
            .common(Config::<Server>::builder())?
            .client_auth(auth)
            .cipher_preference(CipherPreference::Client)
            .session_cache(SessionCache::Internal);
        if self.trust.is_some() || auth != ClientAuth::None {
            builder = builder.trust(self.trust.clone().unwrap_or_else(TrustStore::empty));
        }
        if let Some(parameters) = &self.dh {
            builder = builder.dhparam(DhChoice::Parameters(parameters.clone()));
        }
        if let Some(count) = self.tickets {
            builder = builder.session_tickets(count);
        }
        Ok(builder)
    }

    fn common<S: Side>(&self, builder: ConfigBuilder<S>) -> Result<ConfigBuilder<S>, Error> {
        let renegotiation = match self.set.contains(SecureOptions::ALLOW_CLIENT_RENEGOTIATION) {
            true => RenegotiationPolicy::allow_unlimited(),
            false => RenegotiationPolicy::deny(),
        };
        // As a lowest version it means "all that there are" to a libssl that has no SSL 3.0.
        let min = self.min.filter(|min| *min != ProtocolVersion::SSLv3 || compat::HAS_SSLV3);
        let mut builder = builder
            .versions(VersionRange::new(min, self.max))
            .secure_options(self.set)
            .without_secure_options(self.cleared)
            .renegotiation(renegotiation);
        if let Some(list) = &self.ciphers {
            builder = builder.cipher_list(list);
        }
        if let Some(list) = &self.suites {
            builder = builder.cipher_suites(list);
        }
        for (_, certificate, key) in &self.certificates {
            builder = builder.identity(read_identity(certificate.as_deref(), key.as_deref())?);
        }
        if let Some(list) = &self.sigalgs {
            builder = builder.sigalgs(list);
        }
        if let Some(list) = &self.client_sigalgs {
            builder = builder.client_sigalgs(list);
        }
        if let Some(list) = &self.groups {
            builder = builder.groups(list);
        }
        let (padding, authorities) = (self.padding, self.authorities.clone());
        let is_server = S::ROLE == Role::Server;
        Ok(builder.with_openssl(move |context| {
            let mut names: Stack<X509Name> = Stack::new()?;
            for certificate in authorities.unwrap_or_default() {
                names.push(certificate.subject_name().to_owned()?)?;
            }
            // `trust` has named its own: libssl's VerifyCAFile names none.
            match is_server {
                true => context.set_client_ca_list(names),
                false => context.set_ca_names(names),
            }
            match padding {
                Some(bytes) => {
                    context.set_block_padding(bytes).map_err(|_| openssl::error::ErrorStack::get())
                }
                None => Ok(()),
            }
        }))
    }
}

impl fmt::Debug for SslConf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SslConf")
            .field("ciphers", &self.ciphers)
            .field("min", &self.min)
            .field("max", &self.max)
            .field("set", &self.set)
            .field("cleared", &self.cleared)
            .field("verify", &self.verify)
            .finish_non_exhaustive()
    }
}

/// A certificate with its key, which may stand in the same file.
fn read_identity(certificate: Option<&str>, key: Option<&str>) -> Result<Identity, Error> {
    let Some(certificate) = certificate else {
        return Err(Error::config("PrivateKey", "there is no Certificate for this key"));
    };
    match key {
        Some(key) => Identity::from_pem_files(certificate, key),
        None => Identity::from_pem_file(certificate),
    }
    .map_err(|error| error.in_option("Certificate"))
}

/// A version, or `None` for no bound.
fn bound(value: &str) -> Result<Option<ProtocolVersion>, Error> {
    if value.eq_ignore_ascii_case("none") { Ok(None) } else { value.parse().map(Some) }
}

fn number(value: &str) -> Result<usize, Error> {
    value.parse().map_err(|_| Error::new(ErrorKind::Config, format!("{value:?} is no number")))
}

fn verify_mode(value: &str) -> Result<VerifyMode, Error> {
    let mut mode = VerifyMode::None;
    for (word, on) in words(value) {
        let wanted = match word.to_ascii_lowercase().as_str() {
            // A renegotiation does not ask again, and no other handshake does either.
            "peer" | "request" | "once" => VerifyMode::Peer,
            "require" => VerifyMode::Require,
            "requestposthandshake" | "requireposthandshake" => {
                return Err(Error::unsupported(format!(
                    "{word} is not for a configuration: ask with TlsStream::authenticate_client"
                )));
            }
            _ => return Err(unknown(word, ["Peer", "Request", "Require", "Once"].into_iter())),
        };
        if on && mode != VerifyMode::Require {
            mode = wanted;
        }
    }
    Ok(mode)
}

/// The words of a list, and whether each is switched on.
fn words(value: &str) -> impl Iterator<Item = (&str, bool)> {
    value.split(',').map(str::trim).filter(|word| !word.is_empty()).map(|word| match word.as_bytes()[0] {
        b'-' => (&word[1..], false),
        b'+' => (&word[1..], true),
        _ => (word, true),
    })
}

fn known<'a, T>(table: &'a [T], word: &str, name: impl Fn(&T) -> &'static str) -> Result<&'a T, Error> {
    let found = table.iter().find(|entry| name(entry).eq_ignore_ascii_case(word));
    found.ok_or_else(|| unknown(word, table.iter().map(name)))
}

fn unknown(word: &str, known: impl Iterator<Item = &'static str>) -> Error {
    let text = match nearest(word, known) {
        Some(near) => format!("{word:?} is unknown; {near:?} is the nearest"),
        None => format!("{word:?} is unknown"),
    };
    Error::new(ErrorKind::Config, text)
}
