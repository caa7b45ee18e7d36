//! From the command line to the library's configurations.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use patina_tls::{
    AlpnMismatch, CipherPreference, ClientAuth, ClientConfig, ConfigBuilder, CrlCheck, DhChoice,
    DhParameters, Error, Identity, KeyLog, KeyLogFile, ProtocolVersion, RenegotiationPolicy, Secret,
    SecureOptions, ServerConfig, ServerVerification, Session, Side, TrustStore, UnknownPskIdentity,
    VersionRange, load_provider,
};

use crate::args::{ConnectArgs, Mismatch, Mode, ServeArgs, UnknownIdentity};
use crate::args_shared::{CrlScope, SharedArgs, YesNo};
use crate::failure::Failure;
use crate::node_options::NodeOptions;
use crate::ocsp::OcspFiles;
use crate::output::Output;
use crate::psk::Keys;
use crate::tickets;

/// The configuration of a client, and what the options of `--options` say about a single connection.
pub(crate) struct Connecting {
    pub(crate) config: ClientConfig,
    pub(crate) server_name: Option<String>,
    pub(crate) session: Option<Session>,
}

/// The configuration of a server, and its certificate's fingerprint where it had to be made up.
pub(crate) struct Serving {
    pub(crate) config: ServerConfig,
    pub(crate) self_signed: Option<String>,
    /// Whether clients are asked for a certificate once the handshake is over.
    pub(crate) certificate_later: Option<ClientAuth>,
}

/// Names that a certificate made in memory is for.
const LOCAL_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// The lowest version unless said otherwise: the library's.
const DEFAULT_MIN: ProtocolVersion = ProtocolVersion::TLSv1_2;

/// How long a handshake may take unless said otherwise: Node's `handshakeTimeout`.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(120);

pub(crate) fn handshake_timeout(args: &SharedArgs) -> Duration {
    args.handshake_timeout.map_or(HANDSHAKE_TIMEOUT, Duration::from_millis)
}

pub(crate) fn client(args: &ConnectArgs, output: &Arc<Output>) -> Result<Connecting, Failure> {
    load_providers(&args.shared)?;
    let node = NodeOptions::for_client(args)?;
    let base = match &node {
        Some(node) => node.client()?,
        // What is resumed is what --session-in and --reconnect say.
        None => ClientConfig::builder().resumption_hosts(0),
    };
    let mut builder = shared(base, &args.shared, node.as_ref(), output)?;
    if let Some(bits) = args.min_dh_size {
        builder = builder.min_dh_size(bits);
    }
    if args.post_handshake_auth {
        builder = builder.post_handshake_auth(true);
    }
    if args.request_ocsp {
        builder = builder.request_ocsp(true);
    }
    if let Some(id) = &args.client_cert_engine {
        builder = builder.client_cert_engine(id);
    }
    if let Some(keys) = Keys::read(&args.shared)? {
        builder = keys.offer(builder);
    }
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
    let config = builder.build();
    let config = config.map_err(|error| refused(Failure::build(&error), &error, &args.shared))?;
    let Some(node) = node else { return Ok(Connecting { config, server_name: None, session: None }) };
    warn(&node, output)?;
    Ok(Connecting { config, server_name: node.server_name()?, session: node.session()? })
}

pub(crate) fn server(args: &ServeArgs, output: &Arc<Output>) -> Result<Serving, Failure> {
    load_providers(&args.shared)?;
    let node = NodeOptions::for_server(args)?;
    let keys = Keys::read(&args.shared)?;
    check_keys(args, keys.as_ref())?;
    let mut identities = identities(&args.shared)?;
    let mut self_signed = None;
    if identities.is_empty() && keys.is_none() && !node.as_ref().is_some_and(NodeOptions::has_identity) {
        let identity = Identity::self_signed(LOCAL_NAMES).map_err(|error| Failure::build(&error))?;
        self_signed = Some(identity.certificate().fingerprint256());
        identities.push(identity);
    }
    let mut builder = server_builder(args, node.as_ref(), keys.as_ref(), output)?;
    for identity in identities {
        builder = builder.identity(identity);
    }
    let nameless = node.as_ref().map(NodeOptions::without_identity);
    for context in &args.context {
        let (pattern, identity) = read_context(context, &args.shared)?;
        let config =
            server_builder(args, nameless.as_ref(), keys.as_ref(), output)?.identity(identity).build();
        let config = config.map_err(|error| {
            refused(Failure::option(&format!("--context {pattern}"), &error), &error, &args.shared)
        })?;
        builder = builder.server_name(pattern, config);
    }
    let config = builder.build().map_err(|error| match error.option() {
        Some("server_name") => Failure::option("--context", &error),
        _ => refused(Failure::build(&error), &error, &args.shared),
    })?;
    if let Some(node) = &node {
        warn(node, output)?;
    }
    let certificate_later = args.post_handshake_auth.then_some(match args.reject_unauthorized {
        Some(YesNo::No) => ClientAuth::Request,
        _ => ClientAuth::Require,
    });
    Ok(Serving { config, self_signed, certificate_later })
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

fn warn(node: &NodeOptions, output: &Output) -> Result<(), Failure> {
    for text in node.warnings()? {
        output.note(&text);
    }
    Ok(())
}

fn load_providers(args: &SharedArgs) -> Result<(), Failure> {
    for name in &args.provider {
        load_provider(name).map_err(|error| Failure::option("--provider", &error))?;
    }
    Ok(())
}

/// Flags about pre-shared keys say nothing without any.
fn check_keys(args: &ServeArgs, keys: Option<&Keys>) -> Result<(), Failure> {
    let flag = match (keys, &args.psk_identity_hint, args.unknown_psk_identity) {
        (None, Some(_), _) => "--psk-identity-hint",
        (None, None, UnknownIdentity::Hide) => "--unknown-psk-identity",
        _ => return Ok(()),
    };
    Err(Failure::Usage(format!("{flag}: needs --psk or --psk-file")))
}

/// Everything of a server but its identities and contexts.
fn server_builder(
    args: &ServeArgs,
    node: Option<&NodeOptions>,
    keys: Option<&Keys>,
    output: &Arc<Output>,
) -> Result<ConfigBuilder<patina_tls::Server>, Failure> {
    let base = match node {
        Some(node) => node.server()?,
        None => ServerConfig::builder(),
    };
    let mut builder = shared(base, &args.shared, node, output)?;
    let asks = args.request_cert || node.is_some_and(|node| node.flag("requestCert") == Some(true));
    let rejects = args.reject_unauthorized.or_else(|| match node?.flag("rejectUnauthorized")? {
        true => None,
        false => Some(YesNo::No),
    });
    if let (false, false, Some(YesNo::Yes)) = (asks, args.post_handshake_auth, rejects) {
        return Err(Failure::Usage("--reject-unauthorized yes: needs --request-cert".to_owned()));
    }
    let auth = match (asks || args.post_handshake_auth, rejects) {
        (false, _) => ClientAuth::None,
        (true, Some(YesNo::No)) => ClientAuth::Request,
        (true, _) => ClientAuth::Require,
    };
    builder = builder.client_auth(if args.post_handshake_auth { ClientAuth::None } else { auth });
    match trust(&args.shared)? {
        Some(trust) => builder = with_crls(builder, &trust, &args.shared)?,
        // The trust of the options, if there is any, or Node's.
        None if node.is_some_and(|node| node.flag("requestCert") == Some(true)) => {}
        None if auth == ClientAuth::Request => {
            builder = with_crls(builder, &TrustStore::empty(), &args.shared)?;
        }
        None if auth == ClientAuth::Require => {
            let flag = if args.post_handshake_auth { "--post-handshake-auth" } else { "--request-cert" };
            let text = "needs the authorities that clients' certificates come from: --ca FILE, --system-ca or \
                        --mozilla-ca; or --reject-unauthorized no";
            return Err(Failure::Usage(format!("{flag}: {text}")));
        }
        None if !args.shared.crl.is_empty() => {
            return Err(Failure::Usage("--crl: needs --request-cert and --ca".to_owned()));
        }
        None => {}
    }
    if !args.ocsp_response.is_empty() {
        builder = builder.ocsp_source(OcspFiles::read(&args.ocsp_response)?);
    }
    match args.honor_cipher_order {
        None => {}
        Some(YesNo::Yes) => builder = builder.cipher_preference(CipherPreference::Server),
        Some(YesNo::No) => builder = builder.cipher_preference(CipherPreference::Client),
    }
    if let Some(text) = &args.dhparam {
        builder = builder.dhparam(dh_choice(text)?);
    }
    if let Some(keys) = keys {
        builder = keys.serve(builder).unknown_psk_identity(match args.unknown_psk_identity {
            UnknownIdentity::Alert => UnknownPskIdentity::Alert,
            UnknownIdentity::Hide => UnknownPskIdentity::Hide,
        });
    }
    if let Some(hint) = &args.psk_identity_hint {
        builder = builder.psk_hint(hint);
    }
    if args.mode == Mode::Http && args.shared.alpn.is_empty() && node.is_none() {
        // Clients that ask for something else are served all the same, as without any list.
        builder = builder.alpn(["http/1.1"]).alpn_mismatch(AlpnMismatch::Ignore);
    }
    match args.alpn_mismatch {
        None => {}
        Some(Mismatch::Alert) => builder = builder.alpn_mismatch(AlpnMismatch::Alert),
        Some(Mismatch::Ignore) => builder = builder.alpn_mismatch(AlpnMismatch::Ignore),
    }
    builder = args.session_store.serve(builder);
    if args.no_tickets && args.session_store.is_none() {
        builder = builder.secure_options(SecureOptions::NO_TICKET).session_tickets(0);
    }
    if let Some(text) = &args.ticket_keys {
        if !args.session_store.is_none() {
            return Err(Failure::Usage(
                "--ticket-keys: with --session-store there are no tickets".to_owned(),
            ));
        }
        builder = builder.ticket_keys(tickets::key(text)?);
    }
    if args.early_data > 0 {
        if !args.session_store.is_none() {
            return Err(Failure::Usage(
                "--early-data: with --session-store it could be sent again, and taken again".to_owned(),
            ));
        }
        builder = builder.early_data(args.early_data);
    }
    if let Some(context) = &args.session_id_context {
        builder = builder.session_id_context(context.clone());
    }
    Ok(builder)
}

/// `auto`, a group's name, or a file.
fn dh_choice(text: &str) -> Result<DhChoice, Failure> {
    if text == "auto" {
        return Ok(DhChoice::Auto);
    }
    if let Ok(parameters) = DhParameters::named(text) {
        return Ok(parameters.into());
    }
    DhParameters::from_pem_file(text)
        .map(DhChoice::from)
        .map_err(|error| Failure::option("--dhparam", &error))
}

/// The options that both sides have, but for identities and trust.
fn shared<S: Side>(
    mut builder: ConfigBuilder<S>,
    args: &SharedArgs,
    node: Option<&NodeOptions>,
    output: &Arc<Output>,
) -> Result<ConfigBuilder<S>, Failure> {
    if let Some(list) = &args.ciphers {
        builder = builder.cipher_list(list);
    }
    if let Some(range) = versions(args, node)? {
        builder = builder.versions(range);
    }
    // Node's options have one list for all suites, and the name of a method: there they are already.
    if let Some(list) = args.ciphersuites.as_ref().filter(|_| node.is_none() || args.ciphers.is_some()) {
        builder = builder.cipher_suites(list);
    }
    if let Some(name) = args.secure_protocol.as_ref().filter(|_| node.is_none()) {
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
    if !args.npn.is_empty() {
        builder = builder.npn(&args.npn);
    }
    if let Some(list) = &args.cert_compression {
        builder = builder.certificate_compression(list.0.iter().copied());
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
    let renegotiation = match args.no_renegotiation {
        true => RenegotiationPolicy::deny(),
        false => RenegotiationPolicy::limit(args.reneg_limit),
    };
    builder = builder.renegotiation(renegotiation.per(Duration::from_secs(args.reneg_window)));
    if args.handshake_timeout.is_some() {
        builder = builder.handshake_timeout(handshake_timeout(args));
    }
    Ok(builder)
}

fn versions(args: &SharedArgs, node: Option<&NodeOptions>) -> Result<Option<VersionRange>, Failure> {
    let (min, max) = (args.min_version, args.max_version);
    if min.is_none() && max.is_none() {
        return Ok(None);
    }
    if args.secure_protocol.is_some() {
        let text = "--secure-protocol: cannot stand together with --min-version or --max-version \
                    (ERR_TLS_PROTOCOL_VERSION_CONFLICT)";
        return Err(Failure::Usage(text.to_owned()));
    }
    let of_node = |name| node.and_then(|node| node.version(name));
    let lowest = min.or_else(|| of_node("minVersion")).unwrap_or(DEFAULT_MIN);
    let highest = max.or_else(|| of_node("maxVersion")).unwrap_or(ProtocolVersion::TLSv1_3);
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
    if let (Some(engine), Some(key)) = (&args.private_key_engine, &args.private_key_identifier) {
        return Ok(vec![engine_identity(engine, key, args)?]);
    }
    let mut identities = Vec::new();
    for (place, cert) in args.cert.iter().enumerate() {
        let key = args.key.get(place).unwrap_or(cert);
        let identity = identity(cert, key, args);
        identities.push(identity.map_err(|error| Failure::option(flag_of(cert, key, &error), &error))?);
    }
    for pfx in &args.pfx {
        let identity = Identity::from_pkcs12_file(pfx, passphrase(args).unwrap_or_default());
        identities.push(identity.map_err(|error| Failure::option("--pfx", &error))?);
    }
    Ok(identities)
}

/// Certificate and key of files, or of whatever their URIs lead to.
fn identity(cert: &str, key: &str, args: &SharedArgs) -> Result<Identity, Error> {
    match (is_uri(cert) || is_uri(key), passphrase(args)) {
        (false, None) => Identity::from_pem_files(cert, key),
        (false, Some(passphrase)) => Identity::from_pem_files_with_passphrase(cert, key, passphrase),
        (true, None) if cert == key => Identity::from_store(cert),
        (true, Some(passphrase)) if cert == key => Identity::from_store_with_passphrase(cert, passphrase),
        (true, None) => Identity::from_uri(cert, key),
        (true, Some(passphrase)) => Identity::from_uri_with_passphrase(cert, key, passphrase),
    }
}

/// Whether a text begins as a URI does and no file has this name. A single letter is a drive.
fn is_uri(text: &str) -> bool {
    let letters = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    let scheme = text.split_once(':').map_or("", |(scheme, _)| scheme);
    scheme.len() > 1 && scheme.chars().all(letters) && !Path::new(text).exists()
}

fn engine_identity(engine: &str, key: &str, args: &SharedArgs) -> Result<Identity, Failure> {
    let [cert] = &args.cert[..] else {
        return Err(Failure::Usage(
            "--private-key-engine: has the key of one --cert, not of several".to_owned(),
        ));
    };
    let file = Path::new(cert);
    let pem = fs::read(file).map_err(|error| Failure::unreadable("--cert", file, &error))?;
    let identity = match passphrase(args) {
        Some(pin) => Identity::from_engine_with_pin(engine, key, pem, pin),
        None => Identity::from_engine(engine, key, pem),
    };
    identity.map_err(|error| Failure::option("--private-key-engine", &error))
}

/// Which of the two an error is about.
fn flag_of(cert: &str, key: &str, error: &Error) -> &'static str {
    match error.file() {
        Some(file) if file == Path::new(key) && cert != key => "--key",
        None if is_uri(key) && !is_uri(cert) => "--key",
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
    let identity = identity(cert, key, args);
    Ok((pattern, identity.map_err(|error| Failure::option(&format!("--context {pattern}"), &error))?))
}

/// The authorities that were named; `None` when none were.
fn trust(args: &SharedArgs) -> Result<Option<TrustStore>, Failure> {
    let mut trust = authorities(&args.ca)?;
    if args.system_ca {
        let store = TrustStore::system().map_err(|error| Failure::option("--system-ca", &error))?;
        add(&mut trust, store);
    }
    if args.mozilla_ca {
        add(&mut trust, TrustStore::mozilla());
    }
    Ok(trust)
}

/// The authorities of `--ca`; none without any.
pub(crate) fn authorities(files: &[PathBuf]) -> Result<Option<TrustStore>, Failure> {
    let mut trust = None;
    for file in files {
        add(&mut trust, TrustStore::from_pem_file(file).map_err(|error| Failure::option("--ca", &error))?);
    }
    Ok(trust)
}

fn add(trust: &mut Option<TrustStore>, store: TrustStore) {
    *trust = Some(match trust.take() {
        Some(sum) => sum.and(store),
        None => store,
    });
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
