//! Handshakes in memory by a description, in the shape of OpenSSL's `ssl-tests`.
//!
//! A case names the commands of both sides (`SSL_CONF_cmd(3)`, read by [`patina_tls::compat::SslConf`]), what no command
//! says (`server_extra`, `client_extra`: see [`extra`]), and a mode. The answer tells what was observed, under the names
//! that the suite gives to what it expects; what it expects is not read.

mod extra;
mod link;
mod observation;
mod plan;
mod setup;

use serde_json::{Value, json};

use crate::trouble::{Result, Trouble};
use plan::Plan;

/// Why a case is not run, or that it cannot be read.
enum Refusal {
    /// The library, or this libssl, has no such thing.
    Skip(String),
    /// The line is no case.
    Broken(Trouble),
}

impl From<Trouble> for Refusal {
    fn from(trouble: Trouble) -> Refusal {
        Refusal::Broken(trouble)
    }
}

fn skip<T>(reason: impl Into<String>) -> std::result::Result<T, Refusal> {
    Err(Refusal::Skip(reason.into()))
}

/// Runs the case in `line` and gives the line of the answer.
///
/// # Errors
/// When the line is no case.
///
/// # Examples
/// ```
/// let case = r#"{"id": "dtls", "mode": "Simple", "method": "DTLS", "server": {}, "client": {}}"#;
/// let answer = patina_interop::ssl_case::answer(case).unwrap();
/// assert_eq!(answer, r#"{"id":"dtls","skip":"the library has no DTLS"}"#);
/// ```
pub fn answer(line: &str) -> Result<String> {
    let case: Value =
        serde_json::from_str(line).map_err(|error| Trouble::new(format!("not JSON: {error}")))?;
    let id = case.get("id").cloned().ok_or_else(|| Trouble::new("no id"))?;
    let answer = match Plan::read(&case).and_then(|plan| link::run(&plan)) {
        Ok(observed) => json!({"id": id, "observed": observed, "cannot": observation::CANNOT}),
        Err(Refusal::Skip(reason)) => json!({"id": id, "skip": reason}),
        Err(Refusal::Broken(trouble)) => return Err(trouble),
    };
    Ok(answer.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{self, Identity};

    fn server(name: &str) -> Value {
        let identity = Identity::named(name, false).unwrap();
        json!({"Certificate": identity.certificate, "PrivateKey": identity.key, "CipherString": "DEFAULT"})
    }

    fn client() -> Value {
        json!({"VerifyCAFile": fixture::pem("root").unwrap(), "VerifyMode": "Peer", "CipherString": "DEFAULT"})
    }

    fn case(changes: Value) -> Value {
        let mut case = json!({
            "id": 1, "mode": "Simple", "method": "TLS", "server": server("server-rsa"), "client": client(),
            "server_extra": {}, "client_extra": {}, "test": {},
        });
        for (field, value) in changes.as_object().unwrap() {
            case[field] = value.clone();
        }
        case
    }

    fn run(changes: Value) -> Value {
        serde_json::from_str(&answer(&case(changes).to_string()).unwrap()).unwrap()
    }

    fn observed(changes: Value) -> Value {
        let answer = run(changes);
        answer.get("observed").unwrap_or_else(|| panic!("{answer}")).clone()
    }

    /// The case's client or server with more commands.
    fn with(mut side: Value, more: Value) -> Value {
        for (command, value) in more.as_object().unwrap() {
            side[command] = value.clone();
        }
        side
    }

    #[test]
    fn a_plain_handshake_is_observed_from_both_sides() {
        let seen = observed(json!({
            "server": with(server("server-rsa"), json!({"MaxProtocol": "TLSv1.2", "Groups": "P-256"})),
            "client_extra": {"ALPNProtocols": "foo,bar"}, "server_extra": {"ALPNProtocols": "bar"},
        }));
        for (key, value) in [
            ("ExpectedResult", json!("Success")),
            ("ExpectedProtocol", json!("TLSv1.2")),
            ("ExpectedALPNProtocol", json!("bar")),
            ("ExpectedNPNProtocol", Value::Null),
            ("ExpectedTmpKeyType", json!("P-256")),
            ("ExpectedServerCertType", json!("RSA")),
            ("ExpectedServerSignType", json!("RSA-PSS")),
            ("ExpectedServerSignHash", json!("SHA256")),
            ("ResumptionExpected", json!("No")),
            ("SessionTicketExpected", json!("Yes")),
        ] {
            assert_eq!(seen[key], value, "{key} in {seen}");
        }
    }

    #[test]
    fn the_side_that_fails_and_its_alert_are_told() {
        let seen = observed(
            json!({"client": with(client(), json!({"VerifyCAFile": fixture::pem("other-root").unwrap()}))}),
        );
        assert_eq!(seen["ExpectedResult"], "ClientFail");
        assert_eq!(seen["ExpectedClientAlert"], "UnknownCA");

        let seen = observed(json!({
            "server": with(server("server-rsa"), json!({"MinProtocol": "TLSv1.3"})),
            "client": with(client(), json!({"MaxProtocol": "TLSv1.2"})),
        }));
        assert_eq!(seen["ExpectedResult"], "ServerFail");
        assert_eq!(seen["ExpectedServerAlert"], "ProtocolVersion");
    }

    #[test]
    fn sessions_are_resumed_by_ticket_and_by_id() {
        for version in ["TLSv1.2", "TLSv1.3"] {
            for options in ["SessionTicket", "-SessionTicket"] {
                let side = |side: Value| with(side, json!({"MaxProtocol": version, "Options": options}));
                let (server, client) = (side(server("server-rsa")), side(client()));
                let seen = observed(json!({
                    "mode": "Resume", "server": server, "client": client, "resume_server": server,
                    "resume_client": client,
                }));
                assert_eq!(seen["ResumptionExpected"], "Yes", "{version} {options}: {seen}");
                assert_eq!(seen["ExpectedResult"], "Success");
            }
        }
    }

    #[test]
    fn the_name_chooses_the_context() {
        for (callback, name, chosen) in [
            ("IgnoreMismatch", "server2", json!("server2")),
            ("IgnoreMismatch", "server1", json!("server1")),
            ("ClientHelloIgnoreMismatch", "invalid", json!("server1")),
            ("RejectMismatch", "server2", json!("server2")),
        ] {
            let seen = observed(json!({
                "server2": server("server-p256"), "server_extra": {"ServerNameCallback": callback},
                "client_extra": {"ServerName": name, "VerifyCallback": "AcceptAll"},
            }));
            assert_eq!(seen["ExpectedServerName"], chosen, "{callback} {name}: {seen}");
            assert_eq!(seen["ExpectedServerCertType"], if chosen == "server2" { "P-256" } else { "RSA" });
        }
        let seen = observed(json!({
            "server2": server("server-p256"), "server_extra": {"ServerNameCallback": "RejectMismatch"},
            "client_extra": {"ServerName": "invalid"},
        }));
        assert_eq!(
            (&seen["ExpectedResult"], &seen["ExpectedServerAlert"]),
            (&json!("ServerFail"), &json!("UnrecognizedName"))
        );
    }

    #[test]
    fn open_connections_get_new_handshakes_and_new_keys() {
        let side = |side: Value, more: Value| with(side, more);
        for mode in ["RenegotiateServer", "RenegotiateClient"] {
            let options = json!({"MaxProtocol": "TLSv1.2", "Options": "ClientRenegotiation"});
            let seen = observed(json!({"mode": mode, "server": side(server("server-rsa"), options)}));
            assert_eq!(seen["ExpectedResult"], "Success", "{mode}: {seen}");
        }
        let options = json!({"MaxProtocol": "TLSv1.2", "Options": "-ClientRenegotiation"});
        let seen =
            observed(json!({"mode": "RenegotiateClient", "server": side(server("server-rsa"), options)}));
        assert_eq!(
            (&seen["ExpectedResult"], &seen["ExpectedServerAlert"]),
            (&json!("ClientFail"), &json!("NoRenegotiation"))
        );
        for mode in ["KeyUpdateServer", "KeyUpdateClient"] {
            for kind in ["KeyUpdateRequested", "KeyUpdateNotRequested"] {
                let seen = observed(json!({"mode": mode, "test": {"KeyUpdateType": kind}}));
                assert_eq!(seen["ExpectedResult"], "Success", "{mode} {kind}: {seen}");
            }
        }
        let ca = fixture::pem("root").unwrap();
        let asking =
            side(server("server-rsa"), json!({"VerifyCAFile": ca, "VerifyMode": "RequirePostHandshake"}));
        let bearing = Identity::named("client-rsa", false).unwrap();
        let bearing = json!({"Certificate": bearing.certificate, "PrivateKey": bearing.key});
        let seen = observed(json!({
            "mode": "PostHandshakeAuth", "server": asking, "client": side(client(), bearing),
            "client_extra": {"EnablePHA": "Yes"},
        }));
        assert_eq!(
            (&seen["ExpectedResult"], &seen["ExpectedClientCertType"]),
            (&json!("Success"), &json!("RSA"))
        );
        let seen = observed(json!({"mode": "PostHandshakeAuth", "server": asking}));
        assert_eq!(seen["ExpectedResult"], "ServerFail", "the client has not offered it");
    }

    #[test]
    fn what_the_library_has_not_is_skipped_with_the_reason() {
        for changes in [
            json!({"client_extra": {"SRPUser": "u"}}),
            json!({"client_extra": {"CTValidation": "Strict"}}),
            json!({"server": with(server("server-rsa"), json!({"ServerInfoFile": "x"}))}),
            json!({"test": {"UseSCTP": "Yes"}}),
        ] {
            let answer = run(changes);
            assert!(answer["skip"].as_str().is_some_and(|reason| reason.len() > 10), "{answer}");
        }
    }

    #[test]
    fn a_line_that_is_no_case_is_an_error() {
        for line in ["", "{}", r#"{"id": 1}"#, r#"{"id": 1, "server": [], "client": {}}"#] {
            assert!(answer(line).is_err(), "{line}");
        }
        assert!(answer(&case(json!({"mode": "Backwards"})).to_string()).is_err());
        assert!(answer(&case(json!({"client_extra": {"Unheard": "of"}})).to_string()).is_err());
        assert!(answer(&case(json!({"client": {"Unheard": "of"}})).to_string()).is_err());
    }
}
