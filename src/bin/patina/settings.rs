//! From the command line to the library's configurations.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use patina_tls::{
    AlpnMismatch, CipherPreference, ClientAuth, ClientConfig, ConfigBuilder, CrlCheck, DhChoice,
    DhParameters, Error, Identity, KeyLog, KeyLogFile, ProtocolVersion, RenegotiationPolicy, Secret,
    SecureOptions, ServerConfig, ServerVerification, Side, TrustStore, VersionRange,
};

use crate::args::{ConnectArgs, Mismatch, Mode, ServeArgs};
use crate::args_shared::{CrlScope, SharedArgs, YesNo};
use crate::failure::Failure;
use crate::output::Output;

/// The configuration of a server, and its certificate's fingerprint where it had to be made up.
pub(crate) struct Serving {
    pub(crate) config: ServerConfig,
    pub(crate) self_signed: Option<String>,
}

/// Names that a certificate made in memory is for.
const LOCAL_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// The lowest version unless said otherwise: the library's.
const DEFAULT_MIN: ProtocolVersion = ProtocolVersion::TLSv1_2;

pub(crate) fn client(args: &ConnectArgs, output: &Arc<Output>) -> Result<ClientConfig, Failure> {
    let mut builder = shared(ClientConfig::builder(), &args.shared, output)?.min_dh_size(args.min_dh_size);
    for identity in identities(&args.shared)? {
        builder = builder.identity(identity);
    }
    match trust(&args.shared)? {
        Some(trust) => builder = with_crls(builder, &trust, &args.shared)?,
        None if !args.shared.crl.is_empty() => {
            let system = TrustStore::system().map_err(|error| Failure::option("--crl", &error))?;
            builder = with_crls(builder, &system, &args.shared)?;
        }
        None => {}
    }
    if args.insecure {
        builder = builder.server_verification(ServerVerification::InsecureReport);
    }
    builder.build().map_err(|error| refused(Failure::build(&error), &error, &args.shared))
}

pub(crate) fn server(args: &ServeArgs, output: &Arc<Output>) -> Result<Serving, Failure> {
    let mut identities = identities(&args.shared)?;
    let mut self_signed = None;
    if identities.is_empty() {
        let identity = Identity::self_signed(LOCAL_NAMES).map_err(|error| Failure::build(&error))?;
        self_signed = Some(identity.certificate().fingerprint256());
        identities.push(identity);
    }
    let mut builder = server_builder(args, output)?;
    for identity in identities {
        builder = builder.identity(identity);
    }
    for context in &args.context {
        let (pattern, identity) = read_context(context, &args.shared)?;
        let config = server_builder(args, output)?.identity(identity).build();
        let config = config.map_err(|error| {
            refused(Failure::option(&format!("--context {pattern}"), &error), &error, &args.shared)
        })?;
        builder = builder.server_name(pattern, config);
    }
    let config = builder.build().map_err(|error| match error.option() {
        Some("server_name") => Failure::option("--context", &error),
        _ => refused(Failure::build(&error), &error, &args.shared),
    })?;
    Ok(Serving { config, self_signed })
}

/// Points at the part of a list that is at fault.
fn refused(failure: Failure, error: &Error, args: &SharedArgs) -> Failure {
    let text = match error.option() {
        Some("cipher_list") => args.ciphers.as_deref(),
        Some("cipher_suites") => args.ciphersuites.as_deref(),
        _ => None,
    };
    match (text, error.span()) {
        (Some(text), Some(span)) => failure.pointed(text, &span),
        _ => failure,
    }
}

/// Everything of a server but its identities and contexts.
fn server_builder(
    args: &ServeArgs,
    output: &Arc<Output>,
) -> Result<ConfigBuilder<patina_tls::Server>, Failure> {
    let mut builder = shared(ServerConfig::builder(), &args.shared, output)?;
    let auth = match (args.request_cert, args.reject_unauthorized) {
        (false, Some(YesNo::Yes)) => {
            return Err(Failure::Usage("--reject-unauthorized yes: needs --request-cert".to_owned()));
        }
        (false, _) => ClientAuth::None,
        (true, Some(YesNo::No)) => ClientAuth::Request,
        (true, _) => ClientAuth::Require,
    };
    builder = builder.client_auth(auth);
    match trust(&args.shared)? {
        Some(trust) => builder = with_crls(builder, &trust, &args.shared)?,
        None if auth == ClientAuth::Request => {
            builder = with_crls(builder, &TrustStore::empty(), &args.shared)?;
        }
        None if auth == ClientAuth::Require => {
            let text = "--request-cert: needs the authorities that clients' certificates come from: --ca FILE, \
                        --system-ca or --mozilla-ca; or --reject-unauthorized no";
            return Err(Failure::Usage(text.to_owned()));
        }
        None if !args.shared.crl.is_empty() => {
            return Err(Failure::Usage("--crl: needs --request-cert and --ca".to_owned()));
        }
        None => {}
    }
    builder = builder.cipher_preference(match args.honor_cipher_order {
        YesNo::Yes => CipherPreference::Server,
        YesNo::No => CipherPreference::Client,
    });
    match args.dhparam.as_deref() {
        None => {}
        Some("auto") => builder = builder.dhparam(DhChoice::Auto),
        Some(file) => {
            let parameters =
                DhParameters::from_pem_file(file).map_err(|error| Failure::option("--dhparam", &error))?;
            builder = builder.dhparam(parameters);
        }
    }
    if args.mode == Mode::Http && args.shared.alpn.is_empty() {
        // Clients that ask for something else are served all the same, as without any list.
        builder = builder.alpn(["http/1.1"]).alpn_mismatch(AlpnMismatch::Ignore);
    }
    match args.alpn_mismatch {
        None => {}
        Some(Mismatch::Alert) => builder = builder.alpn_mismatch(AlpnMismatch::Alert),
        Some(Mismatch::Ignore) => builder = builder.alpn_mismatch(AlpnMismatch::Ignore),
    }
    if args.no_tickets {
        builder = builder.secure_options(SecureOptions::NO_TICKET).session_tickets(0);
    }
    if let Some(context) = &args.session_id_context {
        builder = builder.session_id_context(context.clone());
    }
    let renegotiation = match args.no_renegotiation {
        true => RenegotiationPolicy::deny(),
        false => RenegotiationPolicy::limit(args.reneg_limit),
    };
    Ok(builder.renegotiation(renegotiation.per(Duration::from_secs(args.reneg_window))))
}

/// The options that both sides have, but for identities and trust.
fn shared<S: Side>(
    mut builder: ConfigBuilder<S>,
    args: &SharedArgs,
    output: &Arc<Output>,
) -> Result<ConfigBuilder<S>, Failure> {
    if let Some(list) = &args.ciphers {
        builder = builder.cipher_list(list);
    }
    if let Some(list) = &args.ciphersuites {
        builder = builder.cipher_suites(list);
    }
    if let Some(range) = versions(args)? {
        builder = builder.versions(range);
    }
    if let Some(name) = &args.secure_protocol {
        builder = builder.secure_protocol(name);
    }
    for list in &args.secure_options {
        let options =
            SecureOptions::parse(list).map_err(|error| Failure::option("--secure-options", &error))?;
        builder = builder.secure_options(options);
    }
    if let Some(level) = args.security_level {
        builder = builder.security_level(level);
    }
    if let Some(list) = &args.groups {
        builder = builder.groups(list);
    }
    if let Some(list) = &args.sigalgs {
        builder = builder.sigalgs(list);
    }
    if let Some(list) = &args.client_sigalgs {
        builder = builder.client_sigalgs(list);
    }
    if !args.alpn.is_empty() {
        builder = builder.alpn(&args.alpn);
    }
    if let Some(seconds) = args.session_timeout {
        builder = builder.session_timeout(Duration::from_secs(seconds));
    }
    if let Some(bytes) = args.max_send_fragment {
        builder = builder.max_send_fragment(bytes);
    }
    if let Some(scope) = args.crl_check {
        builder = builder.crl_check(match scope {
            CrlScope::Leaf => CrlCheck::Leaf,
            CrlScope::Chain => CrlCheck::Chain,
        });
    }
    if let Some(file) = &args.keylog {
        let file = KeyLogFile::append(file).map_err(|error| Failure::option("--keylog", &error))?;
        builder = builder.key_log(Secrets { file, output: Arc::clone(output) });
    }
    if args.trace {
        builder = builder.message_trace(|text: &str| eprintln!("{}", text.trim_end()));
    }
    Ok(builder.handshake_timeout(Duration::from_millis(args.handshake_timeout)))
}

fn versions(args: &SharedArgs) -> Result<Option<VersionRange>, Failure> {
    let (min, max) = (args.min_version, args.max_version);
    if min.is_none() && max.is_none() {
        return Ok(None);
    }
    if args.secure_protocol.is_some() {
        let text = "--secure-protocol: cannot stand together with --min-version or --max-version \
                    (ERR_TLS_PROTOCOL_VERSION_CONFLICT)";
        return Err(Failure::Usage(text.to_owned()));
    }
    let lowest = min.unwrap_or(DEFAULT_MIN);
    let highest = max.unwrap_or(ProtocolVersion::TLSv1_3);
    if lowest > highest {
        let text = match min {
            Some(_) => format!("--min-version: {lowest} is above --max-version {highest}"),
            None => {
                format!("--max-version: {highest} is below the default of --min-version, which is {lowest}")
            }
        };
        return Err(Failure::Usage(format!("{text} (ERR_TLS_INVALID_PROTOCOL_VERSION)")));
    }
    Ok(Some(VersionRange::new(Some(lowest), Some(highest))))
}

fn identities(args: &SharedArgs) -> Result<Vec<Identity>, Failure> {
    if args.key.len() > args.cert.len() {
        let text = format!("--key: {} keys for {} certificates (--cert)", args.key.len(), args.cert.len());
        return Err(Failure::Usage(text));
    }
    let mut identities = Vec::new();
    for (place, cert) in args.cert.iter().enumerate() {
        let key = args.key.get(place).unwrap_or(cert);
        let identity = pem_identity(cert, key, args);
        identities.push(identity.map_err(|error| Failure::option(flag_of(cert, key, &error), &error))?);
    }
    for pfx in &args.pfx {
        let identity = Identity::from_pkcs12_file(pfx, passphrase(args).unwrap_or_default());
        identities.push(identity.map_err(|error| Failure::option("--pfx", &error))?);
    }
    Ok(identities)
}

fn pem_identity(cert: &Path, key: &Path, args: &SharedArgs) -> Result<Identity, Error> {
    match passphrase(args) {
        Some(passphrase) => Identity::from_pem_files_with_passphrase(cert, key, passphrase),
        None => Identity::from_pem_files(cert, key),
    }
}

/// Which of the two files an error is about.
fn flag_of(cert: &Path, key: &Path, error: &Error) -> &'static str {
    match error.file() {
        Some(file) if file == key && file != cert => "--key",
        _ => "--cert",
    }
}

fn passphrase(args: &SharedArgs) -> Option<Secret> {
    args.passphrase.as_deref().map(Secret::from)
}

/// `HOST=CERT,KEY`, or `HOST=FILE` with both in it.
fn read_context<'a>(text: &'a str, args: &SharedArgs) -> Result<(&'a str, Identity), Failure> {
    let Some((pattern, files)) =
        text.split_once('=').filter(|(pattern, files)| !pattern.is_empty() && !files.is_empty())
    else {
        return Err(Failure::Usage(format!("--context: {text:?} has not the form HOST=CERT,KEY")));
    };
    let (cert, key) = files.split_once(',').unwrap_or((files, files));
    let identity = pem_identity(Path::new(cert), Path::new(key), args);
    Ok((pattern, identity.map_err(|error| Failure::option(&format!("--context {pattern}"), &error))?))
}

/// The authorities that were named; `None` when none were.
fn trust(args: &SharedArgs) -> Result<Option<TrustStore>, Failure> {
    let mut trust: Option<TrustStore> = None;
    let mut add = |store: TrustStore| {
        trust = Some(match trust.take() {
            Some(sum) => sum.and(store),
            None => store,
        });
    };
    for file in &args.ca {
        add(TrustStore::from_pem_file(file).map_err(|error| Failure::option("--ca", &error))?);
    }
    if args.system_ca {
        add(TrustStore::system().map_err(|error| Failure::option("--system-ca", &error))?);
    }
    if args.mozilla_ca {
        add(TrustStore::mozilla());
    }
    Ok(trust)
}

fn with_crls<S: Side>(
    builder: ConfigBuilder<S>,
    trust: &TrustStore,
    args: &SharedArgs,
) -> Result<ConfigBuilder<S>, Failure> {
    let mut trust = trust.clone();
    for file in &args.crl {
        trust = trust.with_crl_pem_file(file).map_err(|error| Failure::option("--crl", &error))?;
    }
    Ok(builder.trust(trust))
}

/// The key log: to a file, and as events.
struct Secrets {
    file: KeyLogFile,
    output: Arc<Output>,
}

impl KeyLog for Secrets {
    fn line(&self, line: &str) {
        self.file.line(line);
        self.output.keylog(line);
    }
}
