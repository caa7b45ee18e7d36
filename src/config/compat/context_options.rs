//! The options object.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};

use super::fill::Fill;
use super::option_name::{self, Fate};
use super::process_defaults::ProcessDefaults;
use super::value::Value;
use crate::config::builder::ConfigBuilder;
use crate::config::settings::CipherPreference;
use crate::config::side::{Client, Role, Server};
use crate::materials::session::Session;
use crate::materials::verify::{ClientAuth, ServerVerification};
use crate::values::error::Error;
use crate::values::options::SecureOptions;
use crate::values::secret::Secret;
use crate::values::ticket_key::TicketKey;
use crate::values::version::ProtocolVersion;

/// The options by Node's names.
pub(super) type Entries = BTreeMap<&'static str, Value>;

/// The options object of Node's `tls.createSecureContext`, `tls.connect` and `tls.createServer`.
///
/// Read it from JSON with serde, under Node's names, or build it with the methods, under the same names in Rust's spelling.
/// Values are kept as they are; [`client`](SecureContextOptions::client) and [`server`](SecureContextOptions::server) judge
/// them, as Node does, down to what JavaScript takes for false.
///
/// | option | in JSON |
/// | --- | --- |
/// | `ca`, `cert`, `crl` | PEM text, a Buffer, or an array of them |
/// | `key` | PEM text, a Buffer, or an array of them or of `{"pem": .., "passphrase": ..}` |
/// | `pfx` | a Buffer, base64, or an array of them or of `{"buf": .., "passphrase": ..}` |
/// | `dhparam` | PEM text, a Buffer, `"auto"`, or a name that [`DhParameters::named`](crate::DhParameters::named) knows |
/// | `ALPNProtocols` | an array of texts or Buffers, or a Buffer with the list in wire form |
/// | `session` | a Buffer or base64 |
/// | `ticketKeys` | a Buffer of 48 bytes |
///
/// A Buffer is what `JSON.stringify` makes of it: `{"type": "Buffer", "data": [1, 2]}`.
///
/// Options of the socket (`host`, `port`, ...) are taken and not used. A name that Node does not know is an error, and so
/// is one that is a function in Node (`checkServerIdentity`, ...): set the hook on the builder.
///
/// # Examples
///
/// ```
/// use patina_tls::compat::{ProcessDefaults, SecureContextOptions};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let json = r#"{ "minVersion": "TLSv1", "ciphers": "ALL:@SECLEVEL=0", "rejectUnauthorized": false, "ca": [] }"#;
/// let options: SecureContextOptions = serde_json::from_str(json)?;
/// let config = options.client(&ProcessDefaults::new())?.build()?;
///
/// let error = serde_json::from_str::<SecureContextOptions>(r#"{ "cyphers": "ALL" }"#).unwrap_err();
/// assert!(error.to_string().contains("the nearest is `ciphers`"));
/// # Ok(())
/// # }
/// ```
///
/// # Security
///
/// Keys and pass phrases are overwritten when the options are dropped. The JSON text, and what its parser copies, are the
/// caller's.
///
/// `privateKeyEngine` and `clientCertEngine` load a library into the process: options from an untrusted source can run code.
#[derive(Clone, Default)]
#[doc(alias = "createSecureContext")]
pub struct SecureContextOptions {
    entries: Entries,
}

impl SecureContextOptions {
    /// No options: Node's defaults.
    pub fn new() -> SecureContextOptions {
        SecureContextOptions::default()
    }

    /// Sets `minVersion`.
    #[must_use]
    pub fn min_version(self, version: ProtocolVersion) -> Self {
        self.with("minVersion", Value::text(version.name()))
    }

    /// Sets `maxVersion`.
    #[must_use]
    pub fn max_version(self, version: ProtocolVersion) -> Self {
        self.with("maxVersion", Value::text(version.name()))
    }

    /// Sets `secureProtocol`, such as `TLSv1_2_method`.
    #[must_use]
    pub fn secure_protocol(self, name: impl Into<String>) -> Self {
        self.with("secureProtocol", Value::text(name))
    }

    /// Sets `secureOptions`.
    #[must_use]
    pub fn secure_options(self, options: SecureOptions) -> Self {
        let bits = options.bits();
        self.with("secureOptions", i64::try_from(bits).map_or(Value::Number(bits as f64), Value::Integer))
    }

    /// Sets `honorCipherOrder`. Default: the server's order.
    #[must_use]
    pub fn honor_cipher_order(self, preference: CipherPreference) -> Self {
        self.with("honorCipherOrder", Value::Bool(preference == CipherPreference::Server))
    }

    /// Sets `ciphers`.
    #[must_use]
    pub fn ciphers(self, list: impl Into<String>) -> Self {
        self.with("ciphers", Value::text(list))
    }

    /// Sets `sigalgs`.
    #[must_use]
    pub fn sigalgs(self, list: impl Into<String>) -> Self {
        self.with("sigalgs", Value::text(list))
    }

    /// Sets `ecdhCurve`.
    #[must_use]
    pub fn ecdh_curve(self, list: impl Into<String>) -> Self {
        self.with("ecdhCurve", Value::text(list))
    }

    /// Adds a PEM text to `ca`.
    #[must_use]
    pub fn ca(self, pem: impl Into<Secret>) -> Self {
        self.push("ca", Value::Text(pem.into()))
    }

    /// Sets `allowPartialTrustChain`.
    #[must_use]
    pub fn allow_partial_trust_chain(self) -> Self {
        self.with("allowPartialTrustChain", Value::Bool(true))
    }

    /// Adds a PEM text, a certificate and its chain, to `cert`.
    #[must_use]
    pub fn cert(self, pem: impl Into<Secret>) -> Self {
        self.push("cert", Value::Text(pem.into()))
    }

    /// Adds a PEM text to `key`. It may be encrypted with [`passphrase`](SecureContextOptions::passphrase).
    #[must_use]
    pub fn key(self, pem: impl Into<Secret>) -> Self {
        self.push("key", Value::Text(pem.into()))
    }

    /// Adds a PEM text with its own pass phrase to `key`.
    #[must_use]
    pub fn key_with_passphrase(self, pem: impl Into<Secret>, passphrase: impl Into<Secret>) -> Self {
        let key = [("pem", pem.into()), ("passphrase", passphrase.into())];
        self.push("key", Value::Object(key.map(|(name, text)| (name.to_owned(), Value::Text(text))).into()))
    }

    /// Sets the `passphrase` of keys and archives that have none of their own.
    #[must_use]
    pub fn passphrase(self, passphrase: impl Into<Secret>) -> Self {
        self.with("passphrase", Value::Text(passphrase.into()))
    }

    /// Adds a PKCS#12 archive to `pfx`.
    #[must_use]
    pub fn pfx(self, der: impl Into<Secret>) -> Self {
        self.push("pfx", Value::Bytes(der.into()))
    }

    /// Adds a PKCS#12 archive with its own pass phrase to `pfx`.
    #[must_use]
    pub fn pfx_with_passphrase(self, der: impl Into<Secret>, passphrase: impl Into<Secret>) -> Self {
        let archive = [("buf", Value::Bytes(der.into())), ("passphrase", Value::Text(passphrase.into()))];
        self.push("pfx", Value::Object(archive.map(|(name, value)| (name.to_owned(), value)).into()))
    }

    /// Adds a PEM text to `crl`.
    #[must_use]
    pub fn crl(self, pem: impl Into<Secret>) -> Self {
        self.push("crl", Value::Text(pem.into()))
    }

    /// Sets `dhparam`: PEM text, `auto`, or the name of a group such as `ffdhe3072`.
    #[must_use]
    pub fn dhparam(self, pem: impl Into<String>) -> Self {
        self.with("dhparam", Value::text(pem))
    }

    /// Sets `sessionIdContext`.
    #[must_use]
    pub fn session_id_context(self, context: impl Into<String>) -> Self {
        self.with("sessionIdContext", Value::text(context))
    }

    /// Sets `sessionTimeout`; whole seconds.
    #[must_use]
    pub fn session_timeout(self, timeout: Duration) -> Self {
        let seconds = timeout.as_secs();
        self.with(
            "sessionTimeout",
            i64::try_from(seconds).map_or(Value::Number(seconds as f64), Value::Integer),
        )
    }

    /// Sets `ticketKeys`. On clients they are taken and not used, as in Node.
    #[must_use]
    pub fn ticket_keys(self, key: &TicketKey) -> Self {
        self.with("ticketKeys", Value::Bytes(Secret::from(&key.to_bytes()[..])))
    }

    /// Sets `handshakeTimeout` of servers. Default: 120 s.
    #[must_use]
    pub fn handshake_timeout(self, timeout: Duration) -> Self {
        self.with("handshakeTimeout", Value::Number(timeout.as_secs_f64() * 1000.0))
    }

    /// Sets `ALPNProtocols`.
    #[must_use]
    pub fn alpn_protocols<I>(self, names: I) -> Self
    where
        I: IntoIterator,
        I::Item: AsRef<[u8]>,
    {
        let names = names.into_iter().map(|name| Value::Bytes(Secret::from(name.as_ref()))).collect();
        self.with("ALPNProtocols", Value::List(names))
    }

    /// Sets `requestCert` and `rejectUnauthorized` of servers. Default: no certificate is asked for.
    #[must_use]
    pub fn request_cert(self, auth: ClientAuth) -> Self {
        self.with("requestCert", Value::Bool(auth != ClientAuth::None))
            .with("rejectUnauthorized", Value::Bool(auth != ClientAuth::Request))
    }

    /// Sets `rejectUnauthorized` of clients. Default: servers that cannot be verified are refused.
    #[must_use]
    pub fn reject_unauthorized(self, verification: ServerVerification) -> Self {
        self.with("rejectUnauthorized", Value::Bool(verification == ServerVerification::Require))
    }

    /// Sets `servername`.
    #[must_use]
    pub fn servername(self, name: impl Into<String>) -> Self {
        self.with("servername", Value::text(name))
    }

    /// Sets `minDHSize` of clients, in bits. Default: 1024.
    #[must_use]
    pub fn min_dh_size(self, bits: u32) -> Self {
        self.with("minDHSize", Value::Integer(bits.into()))
    }

    /// Sets `pskIdentityHint` of servers.
    #[must_use]
    pub fn psk_identity_hint(self, hint: impl Into<String>) -> Self {
        self.with("pskIdentityHint", Value::text(hint))
    }

    /// Sets `requestOCSP`: the client asks for a stapled OCSP response.
    #[must_use]
    pub fn request_ocsp(self) -> Self {
        self.with("requestOCSP", Value::Bool(true))
    }

    /// Sets `enableTrace`: the messages of connections are described on the standard error.
    #[must_use]
    pub fn enable_trace(self) -> Self {
        self.with("enableTrace", Value::Bool(true))
    }

    /// A builder with what `tls.connect` makes of the options.
    ///
    /// The options are tried out on libssl here, as `tls.connect` does; what is added to the builder is judged by its
    /// `build`. Hooks such as Node's `pskCallback` and `checkServerIdentity` are added to the builder; the
    /// [`server_name`](SecureContextOptions::server_name) and the [`session`](SecureContextOptions::session) belong to the
    /// [`ConnectOptions`](crate::ConnectOptions).
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) with Node's code and Node's name of the option: the first failure in
    /// Node's order. [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) for `privateKeyEngine` and
    /// `clientCertEngine` where libssl has no engines.
    pub fn client(&self, defaults: &ProcessDefaults) -> Result<ConfigBuilder<Client>, Error> {
        let mut fill = Fill::new(&self.entries, defaults, Role::Client);
        let filled = fill.client();
        // libssl judges what stands before a fault: Node would have failed there first.
        fill.draft.client().build().map_err(|e| fill.draft.under_node_name(e))?;
        filled.map(|()| fill.draft.client())
    }

    /// A builder with what `tls.createServer` makes of the options.
    ///
    /// The options are tried out on libssl here, as `tls.createServer` does. Servers of Node, and so of this builder, let
    /// clients renegotiate 3 times in 600 s.
    ///
    /// # Errors
    /// Those of [`client`](SecureContextOptions::client).
    pub fn server(&self, defaults: &ProcessDefaults) -> Result<ConfigBuilder<Server>, Error> {
        let mut fill = Fill::new(&self.entries, defaults, Role::Server);
        let filled = fill.server();
        fill.draft.server().build().map_err(|e| fill.draft.under_node_name(e))?;
        filled.map(|()| fill.draft.server())
    }

    /// What Node passes over in silence, or tells in a warning of the process: a `ca`, `dhparam` or `session` that cannot be
    /// read, a certificate without key, DH parameters below 2048 bits, options of the socket.
    pub fn warnings(&self) -> Vec<String> {
        let defaults = ProcessDefaults::new();
        let mut fill = Fill::new(&self.entries, &defaults, Role::Server);
        fill.lenient();
        fill.draft.warnings
    }

    /// The `servername`, for [`ConnectOptions::server_name`](crate::ConnectOptions::server_name).
    ///
    /// Node sends none unless it is set here.
    pub fn server_name(&self) -> Option<&str> {
        self.entries.get("servername").and_then(Value::as_text).filter(|name| !name.is_empty())
    }

    /// The `session`, for [`ConnectOptions::session`](crate::ConnectOptions::session); none when it cannot be read.
    pub fn session(&self) -> Option<Session> {
        let defaults = ProcessDefaults::new();
        Fill::new(&self.entries, &defaults, Role::Client).decoded_session()
    }

    fn with(mut self, name: &'static str, value: Value) -> Self {
        self.entries.insert(name, value);
        self
    }

    /// Adds to the list of an option; what was there alone becomes its first element.
    fn push(mut self, name: &'static str, value: Value) -> Self {
        match self.entries.remove(name) {
            Some(Value::List(mut items)) => {
                items.push(value);
                self.with(name, Value::List(items))
            }
            Some(first) if first.is_truthy() => self.with(name, Value::List(vec![first, value])),
            _ => self.with(name, Value::List(vec![value])),
        }
    }
}

impl fmt::Debug for SecureContextOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Names alone: values may be keys.
        f.debug_set().entries(self.entries.keys()).finish()
    }
}

impl<'de> Deserialize<'de> for SecureContextOptions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<SecureContextOptions, D::Error> {
        deserializer.deserialize_map(Object)
    }
}

struct Object;

impl<'de> Visitor<'de> for Object {
    type Value = SecureContextOptions;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with options of Node's tls module")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<SecureContextOptions, A::Error> {
        let mut options = SecureContextOptions::new();
        while let Some(name) = fields.next_key::<String>()? {
            match option_name::find(&name) {
                Some((known, Fate::Applied | Fate::Socket)) => {
                    options.entries.insert(known, fields.next_value()?);
                }
                Some((known, Fate::Hook(instead))) => {
                    return Err(A::Error::custom(format_args!(
                        "option `{known}` is a function or an object in Node; here it is {instead}"
                    )));
                }
                None => {
                    return Err(A::Error::custom(match option_name::nearest(&name) {
                        Some(nearest) => format!("unknown option `{name}`; the nearest is `{nearest}`"),
                        None => format!("unknown option `{name}`"),
                    }));
                }
            }
        }
        Ok(options)
    }
}
