//! A case as it was read.

use patina_tls::ClientAuth;
use serde_json::{Map, Value};

use super::extra::Extra;
use super::{Refusal, skip};
use crate::trouble::{Result, Trouble};

/// What the two sides do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Simple,
    Resume,
    RenegotiateServer,
    RenegotiateClient,
    KeyUpdateServer,
    KeyUpdateClient,
    PostHandshakeAuth,
}

/// One side's commands and extras.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Side {
    pub(super) commands: Vec<(String, String)>,
    pub(super) extra: Extra,
    /// What the server asks of a client after the handshake.
    pub(super) post_handshake: ClientAuth,
}

impl Side {
    /// Whether one of the commands `Options` has this word.
    pub(super) fn has_option(&self, word: &str) -> bool {
        let options = self.commands.iter().filter(|(command, _)| command.eq_ignore_ascii_case("Options"));
        options.flat_map(|(_, value)| value.split(',')).any(|known| known.trim().eq_ignore_ascii_case(word))
    }

    /// Whether there is a command `VerifyMode`.
    pub(super) fn verifies(&self) -> bool {
        self.commands
            .iter()
            .any(|(command, value)| command.eq_ignore_ascii_case("VerifyMode") && !value.is_empty())
    }

    /// Whether a server's sessions are in their tickets.
    pub(super) fn gives_tickets(&self) -> bool {
        !self.has_option("-SessionTicket")
    }
}

/// The sides of one handshake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sides {
    pub(super) server: Side,
    pub(super) server2: Option<Side>,
    pub(super) client: Side,
}

/// A whole case.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) mode: Mode,
    pub(super) first: Sides,
    /// The sides of the second handshake of [`Mode::Resume`].
    pub(super) second: Sides,
    /// Bytes that each side sends.
    pub(super) application_data: usize,
    pub(super) max_fragment: usize,
    /// Whether a key update asks the peer for one.
    pub(super) key_update_requested: bool,
}

impl Plan {
    pub(super) fn read(case: &Value) -> std::result::Result<Plan, Refusal> {
        match case.get("method").map(|method| method.as_str().unwrap_or_default()) {
            None | Some("TLS") => {}
            Some("DTLS") => return skip("the library has no DTLS"),
            Some(other) => return Err(Trouble::new(format!("the method {other:?} is unknown")).into()),
        }
        let test = object(case, "test")?;
        let switched = |key: &str| matches!(test.get(key).and_then(Value::as_str), Some("Yes"));
        if switched("UseSCTP") || switched("EnableClientSCTPLabelBug") || switched("EnableServerSCTPLabelBug")
        {
            return skip("the library has no SCTP");
        }
        let server = side(case, "server", "server_extra")?;
        let client = side(case, "client", "client_extra")?;
        let server2 = optional(case, "server2", "server2_extra")?;
        let second = Sides {
            server: optional(case, "resume_server", "resume_server_extra")?.unwrap_or_else(|| server.clone()),
            // The suite has no names on a second handshake.
            server2: None,
            client: optional(case, "resume_client", "resume_client_extra")?.unwrap_or_else(|| client.clone()),
        };
        Ok(Plan {
            mode: mode(case)?,
            first: Sides { server, server2, client },
            second,
            application_data: number(&test, "ApplicationData", 256)?,
            max_fragment: number(&test, "MaxFragmentSize", 512)?,
            key_update_requested: match test.get("KeyUpdateType").and_then(Value::as_str) {
                None | Some("KeyUpdateNotRequested") => false,
                Some("KeyUpdateRequested") => true,
                Some(other) => return Err(Trouble::new(format!("KeyUpdateType {other}")).into()),
            },
        })
    }
}

fn mode(case: &Value) -> Result<Mode> {
    Ok(match case.get("mode").and_then(Value::as_str).unwrap_or("Simple") {
        "Simple" => Mode::Simple,
        "Resume" => Mode::Resume,
        "RenegotiateServer" => Mode::RenegotiateServer,
        "RenegotiateClient" => Mode::RenegotiateClient,
        "KeyUpdateServer" => Mode::KeyUpdateServer,
        "KeyUpdateClient" => Mode::KeyUpdateClient,
        "PostHandshakeAuth" => Mode::PostHandshakeAuth,
        other => return Err(Trouble::new(format!("the mode {other} is unknown"))),
    })
}

fn optional(case: &Value, commands: &str, extra: &str) -> std::result::Result<Option<Side>, Refusal> {
    match case.get(commands) {
        None | Some(Value::Null) => Ok(None),
        Some(_) => side(case, commands, extra).map(Some),
    }
}

fn side(case: &Value, commands: &str, extra: &str) -> std::result::Result<Side, Refusal> {
    if case.get(commands).is_none() {
        return Err(Trouble::new(format!("{commands} is missing")).into());
    }
    let mut list = Vec::new();
    let mut post_handshake = ClientAuth::None;
    for (command, value) in object(case, commands)? {
        let mut value = word(&command, &value)?;
        if command.eq_ignore_ascii_case("VerifyMode") {
            (value, post_handshake) = without_post_handshake(&value);
        }
        list.push((command, value));
    }
    Ok(Side { commands: list, extra: Extra::read(&object(case, extra)?)?, post_handshake })
}

/// Takes the words for later from a `VerifyMode`: the library is asked for that when the time has come.
fn without_post_handshake(value: &str) -> (String, ClientAuth) {
    let mut auth = ClientAuth::None;
    let rest: Vec<&str> = value
        .split(',')
        .map(str::trim)
        .filter(|word| match *word {
            "RequestPostHandshake" if auth == ClientAuth::None => {
                auth = ClientAuth::Optional;
                false
            }
            "RequirePostHandshake" => {
                auth = ClientAuth::Require;
                false
            }
            other => other != "RequestPostHandshake",
        })
        .collect();
    (rest.join(","), auth)
}

fn object(case: &Value, field: &str) -> Result<Map<String, Value>> {
    match case.get(field) {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(Value::Object(map)) => Ok(map.clone()),
        Some(_) => Err(Trouble::new(format!("{field} is no object"))),
    }
}

/// A value as the text that stands in a configuration file.
pub(super) fn word(key: &str, value: &Value) -> Result<String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        _ => Err(Trouble::new(format!("{key} is {value}"))),
    }
}

fn number(map: &Map<String, Value>, key: &str, default: usize) -> Result<usize> {
    let Some(value) = map.get(key) else { return Ok(default) };
    word(key, value)?.parse().map_err(|_| Trouble::new(format!("{key} is {value}")))
}
