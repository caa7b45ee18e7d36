//! Node's options, read in the order in which Node applies them.
//!
//! The steps and their order are those of Node 20: `lib/_tls_wrap.js`, `lib/_tls_common.js` and
//! `lib/internal/tls/secure-context.js`.
//!
//! Longer than most files because each option is a step of its own, and the steps are best read in one order.

use std::time::Duration;

use super::context_options::Entries;
use super::draft::Draft;
use super::node_error::{bad_value, out_of_range, wrong_type};
use super::option_name::{self, Fate};
use super::process_defaults::ProcessDefaults;
use super::value::Value;
use crate::config::settings::{CipherPreference, DhChoice};
use crate::config::side::Role;
use crate::materials::dh::DhParameters;
use crate::materials::identity::Identity;
use crate::materials::key_uri::open_engine;
use crate::materials::pairing::{Pairing, certificates_until_unreadable};
use crate::materials::session::Session;
use crate::materials::trust::TrustStore;
use crate::materials::verify::{ClientAuth, ServerVerification, VerifyFlags};
use crate::values::error::Error;
use crate::values::options::SecureOptions;
use crate::values::protocol::{MethodSide, SecureProtocol};
use crate::values::secret::Secret;
use crate::values::ticket_key::TicketKey;
use crate::values::version::{ProtocolVersion, VersionRange};

const PEM: &str = "a string or a Buffer";

/// JavaScript's `Number.MAX_SAFE_INTEGER`.
const MAX_SAFE: i64 = 9_007_199_254_740_991;

/// The options whose falsy values `tls.createServer` takes for absent.
const FALSY_IS_ABSENT: &[&str] = &[
    "ca",
    "cert",
    "ciphers",
    "clientCertEngine",
    "crl",
    "dhparam",
    "key",
    "maxVersion",
    "minVersion",
    "passphrase",
    "pfx",
    "secureOptions",
    "secureProtocol",
    "sessionIdContext",
    "sessionTimeout",
    "ticketKeys",
];

/// Fills a draft from options.
pub(super) struct Fill<'a> {
    entries: &'a Entries,
    defaults: &'a ProcessDefaults,
    role: Role,
    pub(super) draft: Draft,
    pairing: Pairing,
    /// The certificate whose key an engine holds.
    of_engine: Option<Identity>,
}

impl<'a> Fill<'a> {
    pub(super) fn new(entries: &'a Entries, defaults: &'a ProcessDefaults, role: Role) -> Fill<'a> {
        Fill {
            entries,
            defaults,
            role,
            draft: Draft::new(defaults),
            pairing: Pairing::default(),
            of_engine: None,
        }
    }

    /// All of `tls.connect`.
    pub(super) fn client(&mut self) -> Result<(), Error> {
        self.min_dh_size()?;
        self.secure_context()?;
        self.trace()?;
        self.alpn()?;
        self.draft.server_verification = match self.get("rejectUnauthorized") {
            Some(Value::Bool(false)) => ServerVerification::InsecureReport,
            _ => ServerVerification::Require,
        };
        self.session()?;
        if let Some(name) = self.truthy("servername").filter(|name| name.as_text().is_none()) {
            return Err(wrong_type("servername", "a string", name));
        }
        self.draft.request_ocsp = self.truthy("requestOCSP").is_some();
        Ok(())
    }

    /// All of `tls.createServer`.
    pub(super) fn server(&mut self) -> Result<(), Error> {
        let asks = matches!(self.get("requestCert"), Some(Value::Bool(true)));
        let reports = matches!(self.get("rejectUnauthorized"), Some(Value::Bool(false)));
        self.draft.client_auth = match (asks, reports) {
            (false, _) => ClientAuth::None,
            (true, true) => ClientAuth::Request,
            (true, false) => ClientAuth::Require,
        };
        self.alpn()?;
        self.secure_context()?;
        self.handshake_timeout()?;
        if let Some(hint) = self.truthy("pskIdentityHint") {
            self.draft.psk_hint = Some(text("pskIdentityHint", hint)?.to_owned());
        }
        self.trace()
    }

    /// The steps that pass over in silence what they cannot use, for their warnings.
    pub(super) fn lenient(&mut self) {
        // Errors of these steps are told by `client` and `server`.
        let _ = self.authorities();
        let _ = self.identities();
        let _ = self.archives();
        let _ = self.dhparam();
        let _ = self.alpn();
        let _ = self.session();
        self.socket();
    }

    /// `tls.createSecureContext`.
    fn secure_context(&mut self) -> Result<(), Error> {
        self.versions()?;
        self.secure_options()?;
        self.ciphers()?;
        self.authorities()?;
        self.trust()?;
        self.identities()?;
        self.sigalgs()?;
        self.engine_key()?;
        self.groups()?;
        self.dhparam()?;
        self.revocation()?;
        self.session_id_context()?;
        self.archives()?;
        self.engine_certificate()?;
        self.ticket_keys()?;
        self.session_timeout()
    }

    fn get(&self, name: &'static str) -> Option<&'a Value> {
        debug_assert!(option_name::find(name).is_some(), "{name}");
        let value = self.entries.get(name)?;
        let absent = self.role == Role::Server && FALSY_IS_ABSENT.contains(&name) && !value.is_truthy();
        (!absent).then_some(value)
    }

    /// The value, where it is neither null nor undefined.
    fn present(&self, name: &'static str) -> Option<&'a Value> {
        self.get(name).filter(|value| !value.is_null())
    }

    fn truthy(&self, name: &'static str) -> Option<&'a Value> {
        self.get(name).filter(|value| value.is_truthy())
    }

    fn versions(&mut self) -> Result<(), Error> {
        let method = self.get("secureProtocol");
        for bound in ["minVersion", "maxVersion"] {
            if method.is_some_and(Value::is_truthy) && self.present(bound).is_some() {
                let error = Error::config("secureProtocol", format!("it cannot stand together with {bound}"));
                return Err(error.with_code("ERR_TLS_PROTOCOL_VERSION_CONFLICT"));
            }
        }
        let min = version("minVersion", self.present("minVersion"), self.defaults.min_version())?;
        let max = version("maxVersion", self.present("maxVersion"), self.defaults.max_version())?;
        self.draft.versions = (min..=max).into();
        if self.present("minVersion").is_none() && self.present("maxVersion").is_some() {
            self.draft.versions_option = "maxVersion";
        }
        // Node takes no notice of a method that is not a string.
        let Some(name) = method.and_then(Value::as_text) else { return Ok(()) };
        let method = SecureProtocol::parse_as_node(name).map_err(|e| e.with_option("secureProtocol"))?;
        if matches!(
            (method.side(), self.role),
            (MethodSide::Client, Role::Server) | (MethodSide::Server, Role::Client)
        ) {
            let error =
                Error::config("secureProtocol", format!("{name} is for the other side of a connection"));
            return Err(error.with_code("ERR_TLS_INVALID_PROTOCOL_METHOD"));
        }
        self.draft.versions = method.versions(self.defaults.min_version());
        self.draft.versions_option = "secureProtocol";
        Ok(())
    }

    fn secure_options(&mut self) -> Result<(), Error> {
        let honor = match self.get("honorCipherOrder") {
            Some(value) => value.is_truthy(),
            None => self.role == Role::Server,
        };
        self.draft.cipher_preference =
            if honor { CipherPreference::Server } else { CipherPreference::Client };
        let Some(value) = self.truthy("secureOptions") else { return Ok(()) };
        let bits = match value {
            Value::Integer(bits) => *bits,
            Value::Number(bits) => {
                return Err(out_of_range("secureOptions", format!("{bits} is not an integer")));
            }
            other => return Err(wrong_type("secureOptions", "a number", other)),
        };
        let bits = match bits {
            0..=MAX_SAFE => bits.unsigned_abs(),
            // JavaScript's bit operators give signed numbers of 32 bits.
            _ => i32::try_from(bits)
                .map(|bits| u64::from(bits.cast_unsigned()))
                .map_err(|_| out_of_range("secureOptions", format!("{bits} is no set of options")))?,
        };
        self.draft.secure_options |= SecureOptions::from(bits);
        Ok(())
    }

    fn ciphers(&mut self) -> Result<(), Error> {
        let list = match self.present("ciphers") {
            Some(value) => text("ciphers", value)?,
            None => "",
        };
        let list = if list.is_empty() { self.defaults.ciphers() } else { list };
        if list.split(':').all(str::is_empty) {
            return Err(bad_value("ciphers", format!("{list:?} names no cipher")));
        }
        list.clone_into(&mut self.draft.ciphers);
        Ok(())
    }

    fn authorities(&mut self) -> Result<(), Error> {
        let Some(value) = self.truthy("ca") else { return Ok(()) };
        let mut certificates = Vec::new();
        for item in value.items() {
            let (found, stopped) = certificates_until_unreadable(pem("ca", item)?);
            match stopped {
                Some(number) => self
                    .warn("ca", &format!("reading stopped at PEM block {number}, which is no certificate")),
                None if found.is_empty() => self.warn("ca", "there is no certificate in a text"),
                None => {}
            }
            certificates.extend(found);
        }
        self.draft.trust = Some(TrustStore::from_openssl(certificates));
        Ok(())
    }

    /// The default roots, where there is no `ca` and somebody will be verified.
    fn trust(&mut self) -> Result<(), Error> {
        let verifies = self.role == Role::Client || self.draft.client_auth != ClientAuth::None;
        if self.draft.trust.is_none() && verifies {
            self.draft.trust = Some(self.defaults.roots().map_err(|e| e.in_option("ca"))?);
        }
        if self.truthy("allowPartialTrustChain").is_some() {
            self.draft.verify_flags |= VerifyFlags::PARTIAL_CHAIN;
        }
        Ok(())
    }

    fn identities(&mut self) -> Result<(), Error> {
        for item in self.truthy("cert").map_or(&[][..], Value::items) {
            self.pairing.add_certificates(pem("cert", item)?).map_err(|e| e.in_option("cert"))?;
        }
        let shared = self.get("passphrase");
        match self.truthy("key") {
            Some(Value::List(items)) => {
                for item in items {
                    let key = item.field("pem").unwrap_or(item);
                    self.add_key(key, item.field("passphrase").or(shared))?;
                }
            }
            Some(one) => self.add_key(one, shared)?,
            None => {}
        }
        self.gather()
    }

    fn add_key(&mut self, key: &Value, passphrase: Option<&Value>) -> Result<(), Error> {
        let key = pem("key", key)?;
        let passphrase = passphrase.filter(|value| !value.is_null());
        let passphrase = passphrase.map(|value| text("passphrase", value).map(Secret::from)).transpose()?;
        self.pairing.add_key(key, passphrase.as_ref()).map_err(|e| e.in_option("key"))
    }

    fn sigalgs(&mut self) -> Result<(), Error> {
        let Some(value) = self.present("sigalgs") else { return Ok(()) };
        let list = text("sigalgs", value)?;
        if list.is_empty() {
            return Err(bad_value("sigalgs", "the list is empty"));
        }
        self.draft.sigalgs = Some(list.to_owned());
        Ok(())
    }

    fn engine_key(&mut self) -> Result<(), Error> {
        let Some(identifier) = self.present("privateKeyIdentifier") else { return Ok(()) };
        let Some(engine) = self.present("privateKeyEngine") else {
            return Err(bad_value("privateKeyEngine", "privateKeyIdentifier needs it"));
        };
        if self.truthy("key").is_some() {
            return Err(bad_value("privateKeyIdentifier", "it cannot stand together with key"));
        }
        let (identifier, engine) =
            (text("privateKeyIdentifier", identifier)?, text("privateKeyEngine", engine)?);
        open_engine(engine, "privateKeyEngine")?;
        let mut refused = None;
        for item in self.truthy("cert").map_or(&[][..], Value::items) {
            match Identity::from_engine(engine, identifier, pem("cert", item)?) {
                Ok(identity) => {
                    self.of_engine = Some(identity);
                    return self.gather();
                }
                // The key may be for another of the certificates.
                Err(error) => refused = Some(error),
            }
        }
        match refused {
            Some(error) => Err(error.in_option("privateKeyIdentifier")),
            None => {
                self.warn("privateKeyIdentifier", "not used: there is no certificate for the key");
                Ok(())
            }
        }
    }

    /// Puts the identities that are complete into the draft.
    fn gather(&mut self) -> Result<(), Error> {
        self.draft.identities = self.pairing.finish().map_err(|e| e.in_option("key"))?.0;
        self.draft.identities.extend(self.of_engine.clone());
        Ok(())
    }

    fn groups(&mut self) -> Result<(), Error> {
        let list = match self.get("ecdhCurve") {
            Some(value) => text("ecdhCurve", value)?,
            None => self.defaults.ecdh_curve(),
        };
        self.draft.groups = Some(list.to_owned());
        Ok(())
    }

    fn dhparam(&mut self) -> Result<(), Error> {
        let Some(value) = self.present("dhparam") else { return Ok(()) };
        if value.as_text() == Some("auto") {
            self.draft.dh = Some(DhChoice::Auto);
            return Ok(());
        }
        // No PEM text is the name of a group.
        let named = value.as_text().and_then(|name| DhParameters::named(name).ok());
        match named.map_or_else(|| DhParameters::from_pem(pem("dhparam", value)?), Ok) {
            Ok(parameters) => {
                if let Some(text) = parameters.warning() {
                    self.warn("dhparam", text);
                }
                self.draft.dh = Some(parameters.into());
                Ok(())
            }
            // libssl's reason is there when the text could not be read, and only then.
            Err(error) if error.reason().is_some() => {
                self.warn("dhparam", &format!("not used: {}", error.message()));
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn revocation(&mut self) -> Result<(), Error> {
        let Some(value) = self.present("crl") else { return Ok(()) };
        let mut trust = match self.draft.trust.take() {
            Some(trust) => trust,
            None => self.defaults.roots().map_err(|e| e.in_option("ca"))?,
        };
        for item in value.items() {
            trust = trust.with_crl_pem(pem("crl", item)?).map_err(|e| {
                e.context("Failed to parse CRL").in_option("crl").with_code("ERR_CRYPTO_OPERATION_FAILED")
            })?;
        }
        self.draft.trust = Some(trust);
        Ok(())
    }

    fn session_id_context(&mut self) -> Result<(), Error> {
        let Some(value) = self.present("sessionIdContext") else { return Ok(()) };
        let context = text("sessionIdContext", value)?;
        if context.len() > 32 {
            return Err(out_of_range(
                "sessionIdContext",
                format!("{} bytes are more than 32", context.len()),
            ));
        }
        if !context.is_empty() {
            self.draft.session_id_context = Some(context.into());
        }
        Ok(())
    }

    fn archives(&mut self) -> Result<(), Error> {
        let shared = self.get("passphrase");
        let mut chains = Vec::new();
        match self.present("pfx") {
            Some(Value::List(items)) => {
                for item in items {
                    let archive = item.field("buf").filter(|buf| buf.is_truthy()).unwrap_or(item);
                    let own = item.field("passphrase").filter(|own| own.is_truthy());
                    chains.extend(self.add_archive(archive, own.or(shared).filter(|p| !p.is_null()))?);
                }
            }
            Some(one) => chains = self.add_archive(one, shared.filter(|p| p.is_truthy()))?,
            None => {}
        }
        if self.present("pfx").is_some() && self.truthy("cert").is_none() {
            self.draft.identity_option = "pfx";
        }
        if let Some(trust) = self.draft.trust.take() {
            let more = TrustStore::from_openssl(chains);
            self.draft.trust = Some(if more.is_empty() { trust } else { trust.and(more) });
        }
        for note in self.pairing.finish().map_err(|e| e.in_option("pfx"))?.1 {
            self.warn("cert", &note);
        }
        self.gather()
    }

    fn add_archive(
        &mut self,
        archive: &Value,
        passphrase: Option<&Value>,
    ) -> Result<Vec<openssl::x509::X509>, Error> {
        let der = archive.as_binary().ok_or_else(|| wrong_type("pfx", "a Buffer, or base64", archive))?;
        let passphrase = match passphrase {
            Some(value) => value.as_bytes().ok_or_else(|| wrong_type("passphrase", PEM, value))?,
            None => &[],
        };
        self.pairing.add_archive(&der, &Secret::from(passphrase)).map_err(|e| e.in_option("pfx"))
    }

    fn engine_certificate(&mut self) -> Result<(), Error> {
        let Some(engine) = self.present("clientCertEngine") else { return Ok(()) };
        let engine = text("clientCertEngine", engine)?;
        open_engine(engine, "clientCertEngine")?;
        self.draft.client_cert_engine = Some(engine.to_owned());
        Ok(())
    }

    fn ticket_keys(&mut self) -> Result<(), Error> {
        let Some(value) = self.present("ticketKeys") else { return Ok(()) };
        let Value::Bytes(keys) = value else { return Err(wrong_type("ticketKeys", "a Buffer", value)) };
        if keys.len() != 48 {
            return Err(bad_value("ticketKeys", format!("must be exactly 48 bytes, not {}", keys.len())));
        }
        let key = TicketKey::from_bytes(keys.as_bytes()).map_err(|e| e.in_option("ticketKeys"))?;
        self.draft.ticket_key = Some(key);
        Ok(())
    }

    fn session_timeout(&mut self) -> Result<(), Error> {
        let Some(value) = self.present("sessionTimeout") else { return Ok(()) };
        match value {
            Value::Integer(seconds) if i32::try_from(*seconds).is_ok_and(|seconds| seconds >= 0) => {
                self.draft.session_timeout = Some(Duration::from_secs(seconds.unsigned_abs()));
                Ok(())
            }
            Value::Integer(_) | Value::Number(_) => {
                Err(out_of_range("sessionTimeout", "the value must be an integer from 0 to 2147483647"))
            }
            other => Err(wrong_type("sessionTimeout", "a number", other)),
        }
    }

    fn handshake_timeout(&mut self) -> Result<(), Error> {
        let Some(value) = self.truthy("handshakeTimeout") else { return Ok(()) };
        let milliseconds =
            value.as_number().ok_or_else(|| wrong_type("handshakeTimeout", "a number", value))?;
        let timeout = Duration::try_from_secs_f64(milliseconds / 1000.0)
            .map_err(|_| out_of_range("handshakeTimeout", format!("{milliseconds} ms is no time")))?;
        self.draft.handshake_timeout = Some(timeout);
        Ok(())
    }

    fn min_dh_size(&mut self) -> Result<(), Error> {
        let Some(value) = self.get("minDHSize") else { return Ok(()) };
        let bits = value.as_number().ok_or_else(|| wrong_type("minDHSize", "a number", value))?;
        if bits <= 0.0 || bits > f64::from(u32::MAX) {
            return Err(out_of_range("minDHSize", format!("{bits} is no size in bits")));
        }
        self.draft.min_dh_bits = Some(bits.ceil() as u32);
        Ok(())
    }

    fn alpn(&mut self) -> Result<(), Error> {
        let Some(value) = self.truthy("ALPNProtocols") else { return Ok(()) };
        let names = match value {
            Value::List(items) => {
                let name = |item: &Value| match item.as_bytes() {
                    Some(name) => Ok(name.to_vec()),
                    None => Err(wrong_type("ALPNProtocols", "an array of strings or Buffers", item)),
                };
                items.iter().map(name).collect::<Result<Vec<_>, _>>()?
            }
            Value::Bytes(wire) => names_of_wire(wire.as_bytes()).ok_or_else(|| {
                bad_value("ALPNProtocols", "the Buffer is no list of names, each after its length")
            })?,
            other if self.role == Role::Client => {
                return Err(wrong_type("ALPNProtocols", "an array of strings or Buffers", other));
            }
            other => {
                self.warn("ALPNProtocols", &format!("not used: it is {}, and no array", other.kind()));
                return Ok(());
            }
        };
        if let Some(name) = names.iter().find(|name| !(1..=255).contains(&name.len())) {
            return Err(out_of_range(
                "ALPNProtocols",
                format!("a name has 1 to 255 bytes, not {}", name.len()),
            ));
        }
        self.draft.alpn = Some(names);
        Ok(())
    }

    fn trace(&mut self) -> Result<(), Error> {
        self.draft.trace = match self.present("enableTrace") {
            Some(Value::Bool(wanted)) => *wanted,
            Some(other) => return Err(wrong_type("enableTrace", "a boolean", other)),
            None => self.defaults.trace(),
        };
        Ok(())
    }

    fn session(&mut self) -> Result<Option<Session>, Error> {
        let Some(value) = self.truthy("session") else { return Ok(None) };
        let der = value.as_binary().ok_or_else(|| wrong_type("session", "a Buffer, or base64", value))?;
        match Session::from_der(der) {
            Ok(session) => Ok(Some(session)),
            Err(error) => {
                self.warn("session", &format!("not used: {}", error.message()));
                Ok(None)
            }
        }
    }

    pub(super) fn decoded_session(mut self) -> Option<Session> {
        self.session().ok().flatten()
    }

    fn socket(&mut self) {
        for name in self.entries.keys() {
            if option_name::find(name).is_some_and(|(_, fate)| fate == Fate::Socket) {
                self.warn(name, "not used: it is for the socket, which the caller makes");
            }
        }
    }

    fn warn(&mut self, option: &str, text: &str) {
        self.draft.warnings.push(format!("option {option}: {text}"));
    }
}

fn text<'v>(option: &'static str, value: &'v Value) -> Result<&'v str, Error> {
    value.as_text().ok_or_else(|| wrong_type(option, "a string", value))
}

fn pem<'v>(option: &'static str, value: &'v Value) -> Result<&'v [u8], Error> {
    value.as_bytes().ok_or_else(|| wrong_type(option, PEM, value))
}

/// Node has four versions, under one spelling each.
fn version(
    option: &'static str,
    value: Option<&Value>,
    default: ProtocolVersion,
) -> Result<ProtocolVersion, Error> {
    let Some(value) = value else { return Ok(default) };
    let mut known = ProtocolVersion::ALL.iter().copied().filter(|known| *known != ProtocolVersion::SSLv3);
    known.find(|known| value.as_text() == Some(known.name())).ok_or_else(|| {
        let bound = if option == "minVersion" { "minimum" } else { "maximum" };
        let given = value.as_text().map_or_else(|| value.kind().to_owned(), |text| format!("{text:?}"));
        let names = VersionRange::from(ProtocolVersion::TLSv1_0..=ProtocolVersion::TLSv1_3);
        Error::config(
            option,
            format!("{given} is not a valid {bound} TLS protocol version; Node has {names}"),
        )
        .with_code("ERR_TLS_INVALID_PROTOCOL_VERSION")
    })
}

/// The names of a list in wire form; none of it when it is malformed.
fn names_of_wire(mut wire: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut names = Vec::new();
    while let Some((&length, rest)) = wire.split_first() {
        let (name, rest) = rest.split_at_checked(length.into())?;
        names.push(name.to_vec());
        wire = rest;
    }
    Some(names)
}
