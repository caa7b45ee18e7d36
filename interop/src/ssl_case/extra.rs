//! What a side does that no configuration command says.

use serde_json::{Map, Value};

use super::plan::word;
use super::{Refusal, skip};
use crate::trouble::Trouble;

/// Which certificates a client takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum VerifyCallback {
    #[default]
    None,
    AcceptAll,
    RejectAll,
    /// Accepts all, when asked again.
    RetryOnce,
}

/// How a server goes by the name that a client asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum NameCallback {
    #[default]
    None,
    /// An unknown name is served by the first context.
    Ignore,
    /// An unknown name is refused.
    Reject,
    /// As `Ignore` and `Reject`, and a client without a name is refused.
    HelloIgnore,
    HelloReject,
    /// As `HelloReject`, without TLS 1.2 and newer.
    HelloNoV12,
}

/// The extras of one side.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Extra {
    /// The name that the client sends.
    pub(super) server_name: Option<String>,
    pub(super) name_callback: NameCallback,
    pub(super) verify_callback: VerifyCallback,
    pub(super) alpn: Option<Vec<String>>,
    pub(super) npn: Option<Vec<String>>,
    /// The server staples a response; the client asks for one, and must get it.
    pub(super) cert_status: bool,
    /// The client offers to show a certificate later.
    pub(super) enable_pha: bool,
}

impl Extra {
    pub(super) fn read(map: &Map<String, Value>) -> Result<Extra, Refusal> {
        let mut extra = Extra::default();
        for (key, value) in map {
            let value = word(key, value)?;
            match (key.as_str(), value.as_str()) {
                (
                    "SRPUser"
                    | "SRPPassword"
                    | "CTValidation"
                    | "MaxFragmentLenExt"
                    | "BrokenSessionTicket"
                    | "SessionTicketAppData"
                    | "ForcePHA"
                    | "RenegotiateNoExtms",
                    "None" | "No" | "",
                ) => {}
                ("ServerName", "None") | ("ServerNameCallback" | "VerifyCallback" | "CertStatus", "None") => {
                }
                ("ServerName", name) => extra.server_name = Some(name.to_owned()),
                ("ServerNameCallback", callback) => extra.name_callback = name_callback(callback)?,
                ("VerifyCallback", "AcceptAll") => extra.verify_callback = VerifyCallback::AcceptAll,
                ("VerifyCallback", "RejectAll") => extra.verify_callback = VerifyCallback::RejectAll,
                ("VerifyCallback", "RetryOnce") => extra.verify_callback = VerifyCallback::RetryOnce,
                ("ALPNProtocols", list) => extra.alpn = Some(protocols(list)),
                ("NPNProtocols", list) => extra.npn = Some(protocols(list)),
                ("EnablePHA", answer) => extra.enable_pha = answer == "Yes",
                ("RenegotiateCiphers", _) => {
                    return skip("the library changes no suites before a renegotiation");
                }
                ("SRPUser" | "SRPPassword", _) => return skip("the library has no SRP"),
                ("CTValidation", _) => return skip("the library checks no certificate transparency"),
                ("CertStatus", "GoodResponse") => extra.cert_status = true,
                ("CertStatus", _) => {
                    return skip("the library's client judges an OCSP response when the handshake is over");
                }
                ("MaxFragmentLenExt", _) => {
                    return skip("the library does not send the extension max_fragment_length");
                }
                ("BrokenSessionTicket", _) => return skip("the library has no callback for ticket keys"),
                ("SessionTicketAppData", _) => {
                    return skip("the library puts no data of its own into tickets");
                }
                ("ForcePHA", _) => return skip("the library asks only clients that have offered to answer"),
                ("RenegotiateNoExtms", _) => {
                    return skip("the library changes no options before a renegotiation");
                }
                _ => return Err(Trouble::new(format!("{key} = {value} is unknown")).into()),
            }
        }
        Ok(extra)
    }
}

fn name_callback(word: &str) -> Result<NameCallback, Refusal> {
    Ok(match word {
        "IgnoreMismatch" => NameCallback::Ignore,
        "RejectMismatch" => NameCallback::Reject,
        "ClientHelloIgnoreMismatch" => NameCallback::HelloIgnore,
        "ClientHelloRejectMismatch" => NameCallback::HelloReject,
        "ClientHelloNoV12" => NameCallback::HelloNoV12,
        other => return Err(Trouble::new(format!("ServerNameCallback {other}")).into()),
    })
}

fn protocols(list: &str) -> Vec<String> {
    list.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}
