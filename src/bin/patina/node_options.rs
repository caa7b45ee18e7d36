//! `--options FILE.json`: an options object of Node's `tls`, over which flags win.

use std::fs;
use std::path::{Path, PathBuf};

use patina_tls::compat::{DEFAULT_CIPHERS, ProcessDefaults, SecureContextOptions};
use patina_tls::{Client, ConfigBuilder, Error, ProtocolVersion, Server, Session};
use serde_json::{Map, Value};

use crate::args::{ConnectArgs, ServeArgs};
use crate::args_shared::SharedArgs;
use crate::failure::Failure;

/// Node's names for who one is.
const IDENTITY: [&str; 6] = ["cert", "key", "pfx", "passphrase", "privateKeyEngine", "privateKeyIdentifier"];

/// The options of the file, without those that flags replace.
#[derive(Debug, Clone)]
pub(crate) struct NodeOptions {
    file: PathBuf,
    entries: Map<String, Value>,
}

impl NodeOptions {
    pub(crate) fn for_client(args: &ConnectArgs) -> Result<Option<NodeOptions>, Failure> {
        let Some(mut options) = NodeOptions::read(&args.shared)? else { return Ok(None) };
        options.give_way(&[
            (args.insecure, &["rejectUnauthorized"]),
            (args.min_dh_size.is_some(), &["minDHSize"]),
            (args.client_cert_engine.is_some(), &["clientCertEngine"]),
            (args.servername.is_some() || args.no_servername, &["servername"]),
            (args.session_in.is_some(), &["session"]),
            (args.request_ocsp, &["requestOCSP"]),
        ]);
        Ok(Some(options))
    }

    pub(crate) fn for_server(args: &ServeArgs) -> Result<Option<NodeOptions>, Failure> {
        let Some(mut options) = NodeOptions::read(&args.shared)? else { return Ok(None) };
        options.give_way(&[
            (args.honor_cipher_order.is_some(), &["honorCipherOrder"]),
            (args.dhparam.is_some(), &["dhparam"]),
            (args.psk_identity_hint.is_some(), &["pskIdentityHint"]),
            (args.session_id_context.is_some(), &["sessionIdContext"]),
            (args.ticket_keys.is_some(), &["ticketKeys"]),
        ]);
        Ok(Some(options))
    }

    fn read(args: &SharedArgs) -> Result<Option<NodeOptions>, Failure> {
        let Some(file) = &args.options else { return Ok(None) };
        let refuse = |why: &dyn std::fmt::Display| refuse(file, why);
        let text =
            fs::read_to_string(file).map_err(|error| Failure::unreadable("--options", file, &error))?;
        // Its errors tell the line.
        serde_json::from_str::<SecureContextOptions>(&text).map_err(|error| refuse(&error))?;
        let entries = serde_json::from_str(&text).map_err(|error| refuse(&error))?;
        let mut options = NodeOptions { file: file.clone(), entries };
        options.give_way_to_shared(args)?;
        Ok(Some(options))
    }

    fn give_way_to_shared(&mut self, args: &SharedArgs) -> Result<(), Failure> {
        let trusts = !args.ca.is_empty() || args.system_ca || args.mozilla_ca;
        for (given, lost, flag, missing) in
            [(trusts, "crl", "--ca", "--crl"), (!args.crl.is_empty(), "ca", "--crl", "--ca")]
        {
            let missing_too = if missing == "--crl" { args.crl.is_empty() } else { !trusts };
            if given && missing_too && self.has(lost) {
                let text = format!("{flag}: the {lost} of --options would not count; give {missing} as well");
                return Err(Failure::Usage(text));
            }
        }
        if let Some(passphrase) = &args.passphrase {
            self.set("passphrase", passphrase);
        }
        if let (Some(suites), None) = (&args.ciphersuites, &args.ciphers) {
            let list = self.text("ciphers").filter(|list| !list.is_empty()).unwrap_or(DEFAULT_CIPHERS);
            let older = list.split(':').filter(|item| !item.trim_start_matches('!').starts_with("TLS_"));
            let list = std::iter::once(suites.as_str()).chain(older).collect::<Vec<_>>().join(":");
            self.set("ciphers", &list);
        }
        let versions = args.min_version.is_some() || args.max_version.is_some();
        self.give_way(&[
            (names_identity(args), &IDENTITY),
            (trusts || !args.crl.is_empty(), &["ca", "crl"]),
            (args.ciphers.is_some(), &["ciphers"]),
            (versions, &["secureProtocol"]),
            (args.min_version.is_some(), &["minVersion"]),
            (args.max_version.is_some(), &["maxVersion"]),
            (args.secure_protocol.is_some(), &["minVersion", "maxVersion", "secureProtocol"]),
            (!args.secure_options.is_empty(), &["secureOptions"]),
            (args.groups.is_some(), &["ecdhCurve"]),
            (args.sigalgs.is_some(), &["sigalgs"]),
            (!args.alpn.is_empty(), &["ALPNProtocols"]),
            (args.session_timeout.is_some(), &["sessionTimeout"]),
            (args.trace, &["enableTrace"]),
            (args.handshake_timeout.is_some(), &["handshakeTimeout"]),
        ]);
        if let Some(name) = &args.secure_protocol {
            self.set("secureProtocol", name);
        }
        Ok(())
    }

    fn give_way(&mut self, flags: &[(bool, &[&str])]) {
        let replaced = flags.iter().filter(|(given, _)| *given).flat_map(|(_, names)| names.iter());
        for name in replaced {
            self.entries.remove(*name);
        }
    }

    /// The same without certificate and key.
    pub(crate) fn without_identity(&self) -> NodeOptions {
        let mut options = self.clone();
        options.give_way(&[(true, &IDENTITY)]);
        options
    }

    /// Whether there is a certificate in them.
    pub(crate) fn has_identity(&self) -> bool {
        self.has("cert") || self.has("pfx")
    }

    /// What the option is, where it is true or false.
    pub(crate) fn flag(&self, name: &str) -> Option<bool> {
        self.entries.get(name).and_then(Value::as_bool)
    }

    /// A version, where it is given and has a name.
    pub(crate) fn version(&self, name: &str) -> Option<ProtocolVersion> {
        self.text(name).and_then(|name| name.parse().ok())
    }

    pub(crate) fn client(&self) -> Result<ConfigBuilder<Client>, Failure> {
        self.typed()?.client(&ProcessDefaults::new()).map_err(|error| self.failure(&error))
    }

    pub(crate) fn server(&self) -> Result<ConfigBuilder<Server>, Failure> {
        self.typed()?.server(&ProcessDefaults::new()).map_err(|error| self.failure(&error))
    }

    /// What Node would pass over in silence.
    pub(crate) fn warnings(&self) -> Result<Vec<String>, Failure> {
        let warnings = self.typed()?.warnings();
        Ok(warnings.iter().map(|text| format!("--options: {}: {text}", self.file.display())).collect())
    }

    pub(crate) fn server_name(&self) -> Result<Option<String>, Failure> {
        Ok(self.typed()?.server_name().map(str::to_owned))
    }

    pub(crate) fn session(&self) -> Result<Option<Session>, Failure> {
        Ok(self.typed()?.session())
    }

    fn typed(&self) -> Result<SecureContextOptions, Failure> {
        serde_json::from_value(Value::Object(self.entries.clone()))
            .map_err(|error| refuse(&self.file, &error))
    }

    fn failure(&self, error: &Error) -> Failure {
        let option = error.option().map(|name| format!("{name}: ")).unwrap_or_default();
        refuse(&self.file, &format_args!("{option}{} ({})", error.message(), error.code()))
    }

    fn has(&self, name: &str) -> bool {
        self.entries.get(name).is_some_and(|value| match value {
            Value::Null | Value::Bool(false) => false,
            Value::String(text) => !text.is_empty(),
            Value::Array(items) => !items.is_empty(),
            _ => true,
        })
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.entries.get(name).and_then(Value::as_str)
    }

    fn set(&mut self, name: &str, text: &str) {
        self.entries.insert(name.to_owned(), Value::from(text));
    }
}

/// Whether flags say who one is.
fn names_identity(args: &SharedArgs) -> bool {
    !args.cert.is_empty() || !args.pfx.is_empty() || args.private_key_engine.is_some()
}

fn refuse(file: &Path, why: &dyn std::fmt::Display) -> Failure {
    Failure::Usage(format!("--options: {}: {why}", file.display()))
}
