//! From the way a call ended to the error that the application sees.

use super::state::{Refusal, State};
use super::transport::TransportEnd;
use crate::config::side::Role;
use crate::sys::hook::Direction;
use crate::values::alert::Alert;
use crate::values::error::{Error, ErrorKind};

/// `SSL_R_CERTIFICATE_VERIFY_FAILED`.
const CERTIFICATE_VERIFY_FAILED: i32 = 134;

/// A failure of TLS: with the verdict where that is the cause, and the alert that told the peer.
pub(crate) fn of_protocol(error: Error, state: &State) -> Error {
    if let Some(error) = state.take_hook_error() {
        return with_alert(error, state);
    }
    let error = match error.reason_number() {
        Some((crate::sys::queue::LIB_SSL, CERTIFICATE_VERIFY_FAILED)) => {
            state.verdict().error().unwrap_or(error)
        }
        Some(_) => state.refusal().map_or(error, of_refusal),
        None => error,
    };
    with_alert(error, state)
}

/// A peer that renegotiates though it must not; it was told so.
pub(crate) fn of_refusal(refusal: Refusal) -> Error {
    let (text, code) = match refusal {
        Refusal::OverLimit => {
            ("the peer renegotiates more often than its policy allows", "ERR_TLS_SESSION_ATTACK")
        }
        Refusal::Disabled => {
            ("the peer renegotiates, which is disabled on this connection", "ERR_TLS_RENEGOTIATION_DISABLED")
        }
    };
    Error::new(ErrorKind::Protocol, text).with_code(code).with_alert(Alert::NO_RENEGOTIATION)
}

fn with_alert(error: Error, state: &State) -> Error {
    match (error.alert(), state.fatal_alert()) {
        (None, Some((Direction::Sent, alert))) => error.with_alert(alert),
        _ => error,
    }
}

/// A transport that ended in the middle of a handshake.
pub(crate) fn of_handshake(end: Option<TransportEnd>, state: &State) -> Error {
    match end {
        Some(TransportEnd::Error(error)) => Error::io(error),
        Some(TransportEnd::Eof) | None => {
            let text = match state.role() {
                Role::Client => {
                    "Client network socket disconnected before secure TLS connection was established"
                }
                Role::Server => "socket hang up: the client disconnected before the handshake was complete",
            };
            Error::new(ErrorKind::Truncated, text)
        }
    }
}

/// A transport that ended after the handshake, without close_notify.
pub(crate) fn of_transport(end: Option<TransportEnd>) -> Error {
    match end {
        Some(TransportEnd::Error(error)) => Error::io(error),
        Some(TransportEnd::Eof) | None => Error::new(
            ErrorKind::Truncated,
            "the transport ended without a close_notify: data may be missing",
        ),
    }
}

/// A call after the connection has failed.
pub(crate) fn of_earlier(first: &Error) -> Error {
    Error::new(ErrorKind::Closed, format!("the connection has failed before: {first}"))
}
