//! What an implementation must be able to do to take part.

use std::future::Future;
use std::pin::Pin;

use crate::case::{Case, Side};
use crate::seen::{Fact, Report};
use crate::trouble::Result;

/// A future in a box, so that peers can be objects.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

/// An implementation of TLS, as client and as server.
///
/// A failed handshake is no error of these methods but part of the [`Report`]; errors are of the harness.
pub trait Peer: Send + Sync {
    /// Its name in the table.
    fn name(&self) -> &'static str;

    /// Its name for people.
    fn title(&self) -> &'static str;

    /// The sides that it can take.
    fn sides(&self) -> &'static [Side] {
        &Side::BOTH
    }

    /// Its version, in its own words.
    ///
    /// # Errors
    /// When it is not there: a missing peer is an error, never a skip.
    fn version(&self) -> Pending<'_, String>;

    /// Starts a server on a port of the system's choice, for as many connections as the case has.
    ///
    /// # Errors
    /// When it does not start, or refuses a setting.
    fn serve<'a>(&'a self, case: &'a Case) -> Pending<'a, Box<dyn Serving>>;

    /// Connects to a port of 127.0.0.1, as often as the case says.
    ///
    /// # Errors
    /// When it does not start, or refuses a setting.
    fn connect<'a>(&'a self, case: &'a Case, port: u16) -> Pending<'a, Report>;

    /// What it always tells of an established connection on that side. A fact that is promised here and not told is
    /// an error.
    fn tells(&self, side: Side, case: &Case) -> Vec<Fact>;

    /// What its errors say.
    fn errors(&self) -> Errors {
        Errors::Codes
    }

    /// What it cannot do as that side, so that the case is not run with it; `None` when it can.
    fn lacks(&self, _side: Side, _case: &Case) -> Option<String> {
        None
    }

    /// Whether as a server it staples the OCSP response that it is given, and not one that it has made itself.
    fn staples_what_it_is_given(&self) -> bool {
        true
    }

    /// Changes what is said in the case to what this program as that side can say.
    fn adapt(&self, _side: Side, _case: &mut Case) {}
}

/// What the errors of an implementation say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Errors {
    /// Node's or libssl's names, and always the alert that ended a connection, the ones it sent included.
    CodesAndAlerts,
    /// Node's or libssl's names.
    Codes,
    /// libssl's names, which has one for all certificates that are not good: `ERR_SSL_CERTIFICATE_VERIFY_FAILED`.
    LibsslCodes,
    /// Something of its own: only whether there is one is compared, and the alert where it tells it.
    OwnWords,
}

/// A server that runs. Dropping it ends it.
pub trait Serving: Send {
    /// Where it listens.
    fn port(&self) -> u16;

    /// Whether it can tell only after the client has ended.
    fn waits_for_client(&self) -> bool {
        false
    }

    /// Waits until all connections of the case have ended.
    ///
    /// # Errors
    /// When they do not.
    fn report(self: Box<Self>) -> Pending<'static, Report>;
}
