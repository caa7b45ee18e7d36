//! A configuration as Node's options come to it, from which builders are made as often as needed.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use super::process_defaults::ProcessDefaults;
use crate::config::builder::ConfigBuilder;
use crate::config::context::Config;
use crate::config::settings::{CipherPreference, DhChoice};
use crate::config::side::{Client, Server, Side};
use crate::materials::identity::Identity;
use crate::materials::keylog::{KeyLog, KeyLogFile};
use crate::materials::ticket::{TicketKeys, TicketRenewal, TicketRotation};
use crate::materials::trust::TrustStore;
use crate::materials::verify::{ClientAuth, ServerVerification, VerifyFlags};
use crate::values::error::Error;
use crate::values::limit::RenegotiationPolicy;
use crate::values::options::SecureOptions;
use crate::values::ticket_key::TicketKey;
use crate::values::version::VersionRange;

/// What the options have come to so far.
pub(super) struct Draft {
    pub(super) versions: VersionRange,
    /// Which of Node's options the versions come from.
    pub(super) versions_option: &'static str,
    pub(super) secure_options: SecureOptions,
    pub(super) cipher_preference: CipherPreference,
    pub(super) ciphers: String,
    pub(super) trust: Option<TrustStore>,
    pub(super) verify_flags: VerifyFlags,
    pub(super) identities: Vec<Identity>,
    /// Which of Node's options the identities come from.
    pub(super) identity_option: &'static str,
    pub(super) sigalgs: Option<String>,
    pub(super) groups: Option<String>,
    pub(super) dh: Option<DhChoice>,
    pub(super) session_id_context: Option<Vec<u8>>,
    pub(super) session_timeout: Option<Duration>,
    pub(super) ticket_key: Option<TicketKey>,
    pub(super) alpn: Option<Vec<Vec<u8>>>,
    pub(super) client_auth: ClientAuth,
    pub(super) server_verification: ServerVerification,
    pub(super) min_dh_bits: Option<u32>,
    pub(super) handshake_timeout: Option<Duration>,
    pub(super) psk_hint: Option<String>,
    pub(super) client_cert_engine: Option<String>,
    pub(super) request_ocsp: bool,
    pub(super) renegotiation: RenegotiationPolicy,
    pub(super) trace: bool,
    pub(super) key_log: Option<Arc<KeyLogFile>>,
    pub(super) warnings: Vec<String>,
}

impl Draft {
    pub(super) fn new(defaults: &ProcessDefaults) -> Draft {
        Draft {
            versions: (defaults.min_version()..=defaults.max_version()).into(),
            versions_option: "minVersion",
            // Node's own, on every context.
            secure_options: SecureOptions::NO_SSLv3,
            cipher_preference: CipherPreference::Client,
            ciphers: defaults.ciphers().to_owned(),
            trust: None,
            verify_flags: VerifyFlags::empty(),
            identities: Vec::new(),
            identity_option: "cert",
            sigalgs: None,
            groups: None,
            dh: None,
            session_id_context: None,
            session_timeout: None,
            ticket_key: None,
            alpn: None,
            client_auth: ClientAuth::None,
            server_verification: ServerVerification::Require,
            min_dh_bits: None,
            handshake_timeout: None,
            psk_hint: None,
            client_cert_engine: None,
            request_ocsp: false,
            renegotiation: defaults.renegotiation(),
            trace: false,
            key_log: defaults.key_log().cloned(),
            warnings: Vec::new(),
        }
    }

    pub(super) fn client(&self) -> ConfigBuilder<Client> {
        let mut builder =
            self.common(Config::<Client>::builder()).server_verification(self.server_verification);
        // `tls.connect` resumes what it is given, and nothing by itself.
        builder = builder.resumption_hosts(0);
        if self.trust.is_none() {
            builder = builder.trust(TrustStore::empty());
        }
        if let Some(engine) = &self.client_cert_engine {
            builder = builder.client_cert_engine(engine.clone());
        }
        if self.request_ocsp {
            builder = builder.request_ocsp(true);
        }
        if let Some(bits) = self.min_dh_bits {
            builder = builder.min_dh_size(bits);
        }
        builder
    }

    pub(super) fn server(&self) -> ConfigBuilder<Server> {
        let mut builder = self
            .common(Config::<Server>::builder())
            .client_auth(self.client_auth)
            .cipher_preference(self.cipher_preference);
        if self.trust.is_none() && self.client_auth != ClientAuth::None {
            builder = builder.trust(TrustStore::empty());
        }
        if let Some(dh) = &self.dh {
            builder = builder.dhparam(dh.clone());
        }
        if let Some(context) = &self.session_id_context {
            builder = builder.session_id_context(context.clone());
        }
        if let Some(key) = &self.ticket_key {
            // A session that is resumed gets no new ticket: src/crypto/crypto_context.cc, TicketCompatibilityCallback.
            let rotation = TicketRotation::default().renewal(TicketRenewal::Never);
            builder = builder.ticket_keys(TicketKeys::new(key.clone()).rotation(rotation));
        }
        if let Some(hint) = &self.psk_hint {
            builder = builder.psk_hint(hint.clone());
        }
        builder
    }

    /// The builder's error, under Node's name of the option, and with Node's code where Node words libssl's refusal itself.
    pub(super) fn under_node_name(&self, error: Error) -> Error {
        let failed = |error: Error| error.with_code("ERR_CRYPTO_OPERATION_FAILED");
        match error.option() {
            Some("versions") => error.in_option(self.versions_option),
            Some("cipher_list" | "cipher_suites") => error.in_option("ciphers"),
            Some("trust") => error.in_option("ca"),
            Some("identity") => error.in_option(self.identity_option),
            Some("groups") => failed(error.context("Failed to set ECDH curve").in_option("ecdhCurve")),
            Some("dhparam") => failed(error.context("Error setting temp DH parameter")),
            Some("alpn") => error.in_option("ALPNProtocols"),
            Some("secure_options") => error.in_option("secureOptions"),
            Some("session_id_context") => error.in_option("sessionIdContext"),
            Some("session_timeout") => error.in_option("sessionTimeout"),
            Some("client_cert_engine") => error.in_option("clientCertEngine"),
            Some("request_ocsp") => error.in_option("requestOCSP"),
            Some("psk_hint") => error.in_option("pskIdentityHint"),
            _ => error,
        }
    }

    fn common<S: Side>(&self, builder: ConfigBuilder<S>) -> ConfigBuilder<S> {
        let mut builder = builder
            .versions(self.versions)
            .secure_options(self.secure_options)
            .cipher_list(&self.ciphers)
            .verify_flags(self.verify_flags)
            .renegotiation(self.renegotiation);
        if let Some(trust) = &self.trust {
            builder = builder.trust(trust.clone());
        }
        for identity in &self.identities {
            builder = builder.identity(identity.clone());
        }
        if let Some(list) = &self.sigalgs {
            builder = builder.sigalgs(list.clone());
        }
        if let Some(list) = &self.groups {
            builder = builder.groups(list.clone());
        }
        if let Some(protocols) = &self.alpn {
            builder = builder.alpn(protocols);
        }
        if let Some(timeout) = self.session_timeout {
            builder = builder.session_timeout(timeout);
        }
        if let Some(timeout) = self.handshake_timeout {
            builder = builder.handshake_timeout(timeout);
        }
        if let Some(file) = self.key_log.clone() {
            builder = builder.key_log(move |line: &str| file.line(line));
        }
        if self.trace {
            builder = builder.message_trace(to_standard_error);
        }
        builder
    }
}

/// Where Node's trace goes. That nobody listens must not end a connection.
fn to_standard_error(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{}", text.trim_end());
}
