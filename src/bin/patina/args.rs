//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::LazyLock;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

use crate::args_shared::{SharedArgs, YesNo};
use crate::sessions::{self, Store};
use crate::starttls::StartTls;

static VERSION: LazyLock<String> =
    LazyLock::new(|| format!("{} ({})", env!("CARGO_PKG_VERSION"), openssl::version::version()));

/// TLS servers, clients and cipher strings over the system's libssl.
#[derive(Debug, Parser)]
#[command(name = "patina", about, disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Trace what the program does on stderr; twice for more. PATINA_LOG holds a filter, such as "patina=debug"
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve TLS connections: echo, a page about the connection, a source or a sink of bytes
    Serve(Box<ServeArgs>),
    /// Open a TLS connection: stdin goes to the peer, what the peer sends to stdout
    Connect(Box<ConnectArgs>),
    /// List the suites that a cipher string selects, in their order
    Ciphers(CiphersArgs),
    /// Find out what a server accepts: versions, suites, groups, and what it does beside
    Probe(ProbeArgs),
    /// Tell which libssl is in use, its providers, and what it can do
    Version(VersionArgs),
}

/// What is done with the connections of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// Send everything back
    Echo,
    /// Send each line back reversed
    Rev,
    /// Answer any HTTP request with the connection's facts, as a page or as JSON
    Http,
    /// Read and count
    Sink,
    /// Send as fast as the client reads
    Source,
    /// Join one connection to stdin and stdout, then end
    Stdio,
}

/// What happens when no application protocol is common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mismatch {
    /// The handshake fails with no_application_protocol
    Alert,
    /// The handshake goes on without a protocol
    Ignore,
}

/// What a client with a PSK identity that nobody knows gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum UnknownIdentity {
    /// The alert unknown_psk_identity; under TLS 1.3 the certificate, if there is one
    Alert,
    /// A handshake that fails as with a wrong key
    Hide,
}

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// Where to listen; port 0 lets the system choose, a port alone is one of 127.0.0.1
    #[arg(value_name = "ADDR:PORT", default_value = "127.0.0.1:0")]
    pub(crate) address: String,
    /// What is done with the connections
    #[arg(long, value_enum, default_value_t = Mode::Echo)]
    pub(crate) mode: Mode,
    /// End after N connections; handshakes that fail count, too [default: no limit]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,
    /// How many connections are served at a time; more wait [default: no limit]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_connections: Option<u32>,
    /// Threads that serve [default: one for each CPU]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) workers: Option<u16>,

    /// Ask clients for a certificate
    #[arg(long, help_heading = "Clients")]
    pub(crate) request_cert: bool,
    /// Ask clients for a certificate once the handshake is over: in TLS 1.3 those that offer it, in older versions by a
    /// renegotiation
    #[arg(long, conflicts_with = "request_cert", help_heading = "Clients")]
    pub(crate) post_handshake_auth: bool,
    /// Whether clients without a good certificate are refused [default: yes, once there is --request-cert or
    /// --post-handshake-auth]
    #[arg(long, value_name = "yes|no", hide_possible_values = true, help_heading = "Clients")]
    pub(crate) reject_unauthorized: Option<YesNo>,

    /// Whether the server's order of cipher suites counts [default: yes]
    #[arg(long, value_name = "yes|no", hide_possible_values = true, help_heading = "Protocol")]
    pub(crate) honor_cipher_order: Option<YesNo>,
    /// Diffie-Hellman parameters of DHE suites: auto, a file (PEM), or a group by its name, such as ffdhe3072 or modp_2048
    /// [default: none, and so no DHE before TLS 1.3]
    #[arg(long, value_name = "auto|FILE|GROUP", help_heading = "Protocol")]
    pub(crate) dhparam: Option<String>,
    /// What happens when a client offers none of the --alpn protocols [default: alert]
    #[arg(long, value_name = "alert|ignore", hide_possible_values = true, help_heading = "Protocol")]
    pub(crate) alpn_mismatch: Option<Mismatch>,
    /// Another identity for clients that ask for HOST, which may have wildcards; repeats, the latest match wins
    #[arg(long, value_name = "HOST=CERT,KEY", help_heading = "Identity")]
    pub(crate) context: Vec<String>,

    /// OCSP response (DER) to staple for clients that ask; repeats, each certificate gets the one that speaks of it, as long as
    /// it has not expired [default: none]
    #[arg(long, value_name = "FILE", help_heading = "Identity")]
    pub(crate) ocsp_response: Vec<PathBuf>,

    /// What tells clients up to TLS 1.2 which key to use, 1 to 128 bytes [default: none]
    #[arg(long, value_name = "TEXT", help_heading = "Pre-shared keys")]
    pub(crate) psk_identity_hint: Option<String>,
    /// What a client with an unknown identity gets: an alert, or a handshake that fails as with a wrong key
    #[arg(
        long,
        value_name = "alert|hide",
        value_enum,
        default_value_t = UnknownIdentity::Alert,
        hide_possible_values = true,
        help_heading = "Pre-shared keys"
    )]
    pub(crate) unknown_psk_identity: UnknownIdentity,

    /// Where sessions are kept: none gives tickets; memory session ids that hold until the server ends; Redis session ids that
    /// servers with the same Redis know, redis+unix:///PATH for a Unix socket
    #[arg(
        long,
        value_name = "none|memory|redis://HOST:PORT",
        value_parser = sessions::parse,
        default_value = "none",
        help_heading = "Sessions"
    )]
    pub(crate) session_store: Store,
    /// Give out no session tickets
    #[arg(long, help_heading = "Sessions")]
    pub(crate) no_tickets: bool,
    /// Key that session tickets are sealed with, as in Node: 48 bytes (name 16, HMAC 16, AES 16), in hexadecimal digits or in a
    /// file; servers with the same key resume each other's clients [default: libssl's own, made at random]
    #[arg(long, value_name = "HEX48|FILE", conflicts_with = "no_tickets", help_heading = "Sessions")]
    pub(crate) ticket_keys: Option<String>,
    /// Within which context sessions can be resumed, 1 to 32 bytes [default: made from what clients must prove]
    #[arg(long, value_name = "TEXT", help_heading = "Sessions")]
    pub(crate) session_id_context: Option<String>,

    /// Take so many bytes of early data (TLS 1.3 0-RTT) as if they had come after the handshake; each ticket is good once then,
    /// so that nobody can send early data a second time
    #[arg(long, value_name = "BYTES", default_value_t = 0, help_heading = "Sessions")]
    pub(crate) early_data: u32,

    #[command(flatten)]
    pub(crate) shared: SharedArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ConnectArgs {
    /// The server; an IPv6 address stands in brackets
    #[arg(value_name = "HOST:PORT")]
    pub(crate) target: String,
    /// Begin in the clear, as this protocol does, and then ask for TLS [default: none]
    #[arg(long, value_name = "PROTOCOL", value_enum)]
    pub(crate) starttls: Option<StartTls>,
    /// Name to ask for (SNI), which the certificate must be for [default: HOST, unless it is an IP address]
    #[arg(long, value_name = "NAME", conflicts_with = "no_servername")]
    pub(crate) servername: Option<String>,
    /// Ask for no name
    #[arg(long)]
    pub(crate) no_servername: bool,
    /// Name that the certificate must be for [default: --servername, or HOST]
    #[arg(long, value_name = "NAME")]
    pub(crate) verify_name: Option<String>,
    /// Report a server that cannot be verified, and go on: anybody on the way can read and change what is sent
    #[arg(long)]
    pub(crate) insecure: bool,
    /// Ask for an OCSP response, and report what it says, and whether it is to be believed; what that is worth is not
    /// enforced
    #[arg(long)]
    pub(crate) request_ocsp: bool,
    /// Smallest Diffie-Hellman parameters of the server, in bits [default: 1024]
    #[arg(long, value_name = "BITS")]
    pub(crate) min_dh_size: Option<u32>,
    /// Engine that answers servers which ask for a certificate [default: none]
    #[arg(long, value_name = "ID", help_heading = "Identity")]
    pub(crate) client_cert_engine: Option<String>,

    /// Show the certificate also when the server asks for it after the handshake (TLS 1.3)
    #[arg(long, help_heading = "Identity")]
    pub(crate) post_handshake_auth: bool,

    /// Send TEXT as it is, instead of stdin
    #[arg(long, value_name = "TEXT")]
    pub(crate) send: Option<String>,
    /// Close after the handshake and its post-handshake messages (and --send), without reading stdin
    #[arg(long)]
    pub(crate) quit: bool,

    /// Session to resume, as DER or PEM [default: none]
    #[arg(long, value_name = "FILE", help_heading = "Sessions")]
    pub(crate) session_in: Option<PathBuf>,
    /// Where to write the session, as PEM, or as DER if the name ends in .der [default: nowhere]
    #[arg(long, value_name = "FILE", help_heading = "Sessions")]
    pub(crate) session_out: Option<PathBuf>,
    /// Connect N times more, each time resuming the session; the last connection gets stdin
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = "Sessions")]
    pub(crate) reconnect: u32,
    /// Send this, or what is in this file, with the first message (TLS 1.3 0-RTT), if the session is good for that; else, and
    /// if the server does not take it, after the handshake. Whoever has seen it can send it again. With --reconnect it is for
    /// the last connection
    #[arg(long, value_name = "FILE|TEXT", help_heading = "Sessions")]
    pub(crate) early_data: Option<OsString>,

    #[command(flatten)]
    pub(crate) shared: SharedArgs,
}

/// How cipher suites are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Columns
    Table,
    /// One OpenSSL name a line
    Names,
    /// One object a line
    Json,
}

/// Who evaluates a cipher string.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Evaluator {
    /// The crate patina-ciphers, in Rust
    Pure,
    /// The libssl that this program uses
    Libssl,
    /// Both: exit 1 where they differ
    Both,
}

#[derive(Debug, Args)]
pub(crate) struct CiphersArgs {
    /// A string in OpenSSL's cipher-string language [default: libssl's DEFAULT]
    #[arg(value_name = "STRING")]
    pub(crate) string: Option<String>,
    /// Suites of TLS 1.3, joined by colons [default: libssl's]
    #[arg(long, value_name = "STRING")]
    pub(crate) ciphersuites: Option<String>,
    /// A known list in place of STRING: mozilla-modern, mozilla-intermediate, mozilla-old, node-default or
    /// libssl-default [default: none]
    #[arg(long, value_name = "NAME", conflicts_with_all = ["string", "ciphersuites"])]
    pub(crate) profile: Option<String>,
    /// How the suites are listed
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
    /// Same as --format json
    #[arg(long, conflicts_with = "format")]
    pub(crate) json: bool,
    /// Who evaluates the string
    #[arg(long, value_enum, default_value_t = Evaluator::Libssl)]
    pub(crate) evaluator: Evaluator,
    /// Say of every suite why it is in or out: which part of the string put it there or removed it
    #[arg(long)]
    pub(crate) explain: bool,
    /// List every suite that this program knows, whatever libssl has
    #[arg(long, conflicts_with_all = ["string", "ciphersuites", "profile", "explain", "evaluator"])]
    pub(crate) table: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ProbeArgs {
    /// The server; an IPv6 address stands in brackets
    #[arg(value_name = "HOST:PORT")]
    pub(crate) target: String,
    /// One JSON object instead of tables
    #[arg(long)]
    pub(crate) json: bool,
    /// Name to ask for (SNI), which the certificate must be for [default: HOST, unless it is an IP address]
    #[arg(long, value_name = "NAME")]
    pub(crate) servername: Option<String>,
    /// Certificates of the authorities by which the server's is judged (PEM); repeats [default: the system's]
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Vec<PathBuf>,
    /// Begin in the clear, as this protocol does, and then ask for TLS [default: none]
    #[arg(long, value_name = "PROTOCOL", value_enum)]
    pub(crate) starttls: Option<StartTls>,
    /// How long each connection may take, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 5000, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) timeout: u64,
    /// How many connections are open at a time
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(crate) parallel: u16,
}

#[derive(Debug, Args)]
pub(crate) struct VersionArgs {
    /// One JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// What is to be done instead of a command.
pub(crate) enum Instead {
    /// Text for stdout: help or the version.
    Print(String),
    /// One line on what is wrong.
    Refuse(String),
}

/// Reads the command line.
pub(crate) fn parse() -> Result<Cli, Instead> {
    let command = Cli::command().version(VERSION.as_str());
    let matches = command.try_get_matches().map_err(|error| instead(&error))?;
    Cli::from_arg_matches(&matches).map_err(|error| instead(&error))
}

fn instead(error: &clap::Error) -> Instead {
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Instead::Print(error.render().to_string()),
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand => {
            Instead::Refuse(
                "no command; there are serve, connect, ciphers, probe and version, see patina --help"
                    .to_owned(),
            )
        }
        ErrorKind::UnknownArgument => {
            let name = context(ContextKind::InvalidArg).unwrap_or("an argument");
            let near = context(ContextKind::SuggestedArg).map(|near| format!("; did you mean {near}?"));
            Instead::Refuse(format!("{name} is unknown{}", near.unwrap_or_default()))
        }
        ErrorKind::InvalidSubcommand => {
            let name = context(ContextKind::InvalidSubcommand).unwrap_or_default();
            Instead::Refuse(format!(
                "{name} is no command; there are serve, connect, ciphers, probe and version"
            ))
        }
        _ => Instead::Refuse(one_line(&error.render().to_string())),
    }
}

/// The first paragraph of clap's text.
fn one_line(text: &str) -> String {
    let text = text.strip_prefix("error: ").unwrap_or(text);
    let end = ["\n\nUsage", "\n\nFor more", "\n\n  tip"].iter().filter_map(|mark| text.find(mark)).min();
    let lines = text[..end.unwrap_or(text.len())].lines().map(str::trim);
    lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_of_the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
