//! What the program prints: JSON lines for programs, text for people.

use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::sync::Mutex;

use serde_json::{Map, Value, json};

use crate::facts::Facts;
use crate::failure::{Failure, Report};

/// Where texts for people go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Stdout,
    Stderr,
}

/// The writer of all that is not payload.
#[derive(Debug)]
pub(crate) struct Output {
    json: bool,
    place: Place,
    colour: bool,
    /// Lines of two threads never mix.
    writing: Mutex<()>,
}

/// Bytes of payload that went through a connection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) read: u64,
    pub(crate) written: u64,
}

impl Output {
    pub(crate) fn new(json: bool, place: Place) -> Output {
        let terminal = match place {
            Place::Stdout => std::io::stdout().is_terminal(),
            Place::Stderr => std::io::stderr().is_terminal(),
        };
        Output { json, place, colour: !json && terminal && wants_colour(), writing: Mutex::new(()) }
    }

    /// Whether events are printed as JSON, so that stdout is not for payload.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    pub(crate) fn listening(&self, address: SocketAddr, self_signed: Option<&str>) {
        if self.json {
            let mut event = event("listening");
            event.insert("address".into(), json!(address.to_string()));
            if let Some(fingerprint) = self_signed {
                event.insert("fingerprint256".into(), json!(fingerprint));
            }
            return self.event(event);
        }
        if let Some(fingerprint) = self_signed {
            self.text(&format!("self-signed certificate for localhost, SHA-256 {fingerprint}"));
        }
        self.text(&format!("listening on {}", self.bold(&address.to_string())));
    }

    pub(crate) fn secure(&self, facts: &Facts) {
        match self.json {
            true => {
                let mut event = event("secure");
                event.extend(facts.to_json());
                self.event(event);
            }
            false => self.text(&self.facts(facts)),
        }
    }

    /// A handshake that followed the first one, by its number.
    pub(crate) fn renegotiated(&self, peer: SocketAddr, count: u64) {
        self.counted("renegotiated", peer, count);
    }

    /// Keys of TLS 1.3 that this side has changed.
    pub(crate) fn keys_updated(&self, peer: SocketAddr, count: u32) {
        self.counted("keys_updated", peer, count.into());
    }

    fn counted(&self, name: &str, peer: SocketAddr, count: u64) {
        if self.json {
            let mut event = event(name);
            event.insert("peer".into(), json!(peer.to_string()));
            event.insert("count".into(), json!(count));
            return self.event(event);
        }
        self.text(&format!("{} {peer}: {count}", name.replace('_', " ")));
    }

    /// A certificate that the client was asked for later.
    pub(crate) fn authenticated(&self, facts: &Facts) {
        if self.json {
            let mut event = event("authenticated");
            let all = facts.to_json();
            for field in ["peer", "authorized", "authorization_error", "peer_certificate"] {
                event.extend(all.get(field).map(|value| (field.to_owned(), value.clone())));
            }
            return self.event(event);
        }
        let verdict = facts.authorization_text().unwrap_or_else(|| "no certificate".to_owned());
        self.text(&format!("authenticated {}: {}", facts.peer, printable(&verdict)));
    }

    pub(crate) fn session(&self) {
        match self.json {
            true => {
                let mut event = event("session");
                event.insert("new".into(), json!(true));
                self.event(event);
            }
            false => tracing::debug!("a new session has come"),
        }
    }

    pub(crate) fn keylog(&self, line: &str) {
        if self.json {
            let mut event = event("keylog");
            event.insert("line".into(), json!(line));
            self.event(event);
        }
    }

    /// A handshake that failed on a server.
    pub(crate) fn client_error(&self, peer: SocketAddr, report: &Report) {
        self.trouble("client_error", Some(peer), report);
    }

    /// A connection that failed.
    pub(crate) fn error(&self, peer: Option<SocketAddr>, report: &Report) {
        self.trouble("error", peer, report);
    }

    fn trouble(&self, name: &str, peer: Option<SocketAddr>, report: &Report) {
        if self.json {
            let mut event = event(name);
            event.extend(peer.map(|peer| ("peer".to_owned(), json!(peer.to_string()))));
            event.extend(report.fields().map(|(key, value)| (key.to_owned(), value)));
            return self.event(event);
        }
        let peer = peer.map(|peer| format!("{peer}: ")).unwrap_or_default();
        self.note(&format!("{peer}{}", printable(&report.line())));
    }

    pub(crate) fn closed(&self, peer: SocketAddr, counts: Counts, clean: bool) {
        if self.json {
            let mut event = event("closed");
            event.insert("peer".into(), json!(peer.to_string()));
            event.insert("read".into(), json!(counts.read));
            event.insert("written".into(), json!(counts.written));
            event.insert("clean".into(), json!(clean));
            return self.event(event);
        }
        let manner = if clean { "" } else { ", without close_notify" };
        self.text(&format!("closed {peer}: {} bytes read, {} written{manner}", counts.read, counts.written));
    }

    /// A text on stderr, in either form of output.
    pub(crate) fn note(&self, text: &str) {
        note(text);
    }

    fn facts(&self, facts: &Facts) -> String {
        let rows = facts.rows();
        let width = rows.iter().map(|(label, _)| label.len()).max().unwrap_or_default();
        let mut text = format!("secure {}", self.bold(&facts.peer));
        for (label, value) in rows {
            let value = match (label, facts.authorized) {
                ("authorized", true) => self.paint("32", &value),
                ("authorized", false) if facts.authorization_error.is_some() => self.paint("31", &value),
                ("protocol" | "cipher", _) => self.bold(&value),
                _ => value,
            };
            text.push_str(&format!("\n  {}  {value}", self.paint("2", &format!("{label:width$}"))));
        }
        text
    }

    fn bold(&self, text: &str) -> String {
        self.paint("1", text)
    }

    fn paint(&self, style: &str, text: &str) -> String {
        match self.colour {
            true => format!("\x1b[{style}m{text}\x1b[0m"),
            false => text.to_owned(),
        }
    }

    fn event(&self, event: Map<String, Value>) {
        self.write(Place::Stdout, &Value::Object(event).to_string());
    }

    fn text(&self, text: &str) {
        if !self.json {
            self.write(self.place, text);
        }
    }

    fn write(&self, place: Place, line: &str) {
        let _alone = self.writing.lock();
        let line = format!("{line}\n");
        // Whoever reads may have gone, as `head` does; connections go on.
        let _ = match place {
            Place::Stdout => {
                let mut out = std::io::stdout().lock();
                out.write_all(line.as_bytes()).and_then(|()| out.flush())
            }
            Place::Stderr => std::io::stderr().lock().write_all(line.as_bytes()),
        };
    }
}

/// Writes to stdout; a reader that has gone, as `head` does, is no failure.
pub(crate) fn write(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::Other(format!("stdout: {error}")))
        }
        _ => Ok(()),
    }
}

/// A text on stderr that says who speaks.
pub(crate) fn note(text: &str) {
    let _ = std::io::stderr().lock().write_all(format!("patina: {text}\n").as_bytes());
}

/// Whether colour is wanted: <https://no-color.org>.
pub(crate) fn wants_colour() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Text of a peer for a terminal: what would steer the terminal is written as an escape.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\n' => "\\n".to_owned(),
            c if c.is_control() || is_invisible(c) => c.escape_unicode().to_string(),
            c => c.to_string(),
        })
        .collect()
}

/// Marks that turn the direction of text round, or are not seen.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

fn event(name: &str) -> Map<String, Value> {
    let mut event = Map::new();
    event.insert("event".into(), json!(name));
    event
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_cannot_steer_the_terminal() {
        assert_eq!(printable("a\x1b[31mb\u{202e}c\u{9b}"), "a\\u{1b}[31mb\\u{202e}c\\u{9b}");
        assert_eq!(printable("Zürich *.example"), "Zürich *.example");
    }
}
