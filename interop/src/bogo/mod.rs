//! The program under test of BoringSSL's runner, "BoGo".
//!
//! The runner starts it once a test, with flags that say what to be and what to expect; it connects back. What its flags
//! mean is in ssl/test/test_config.cc of BoringSSL's source, and what it does then in ssl/test/bssl_shim.cc.

mod algorithm;
mod check;
mod flag;
mod setup;
mod socket;
mod talk;

use std::fmt;

use patina_tls::{EarlyDataStatus, Error, ErrorKind, Session};

use flag::{Flags, Parameters};
use setup::{Config, Seen};
use talk::{GREETING, Talk};

/// Why a test does not go well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// As the test may expect.
    Failed(String),
    /// The library cannot do what the flags ask for.
    Unimplemented(String),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Failed(reason) => f.write_str(reason),
            Refusal::Unimplemented(reason) => write!(f, "not implemented: {reason}"),
        }
    }
}

impl From<Error> for Refusal {
    /// libssl's symbol stands between colons, which is how the runner looks for it.
    fn from(error: Error) -> Refusal {
        if error.kind() == ErrorKind::Unsupported {
            return Refusal::Unimplemented(error.to_string());
        }
        let alert = error.alert().map(|alert| format!(", alert {alert}")).unwrap_or_default();
        let reason = error.reason().unwrap_or_else(|| error.code());
        Refusal::Failed(format!(":{reason}: {error} ({:?}{alert})", error.kind()))
    }
}

impl From<std::io::Error> for Refusal {
    fn from(error: std::io::Error) -> Refusal {
        Refusal::Failed(format!("the socket: {error}"))
    }
}

type Result<T> = std::result::Result<T, Refusal>;

fn failed<T>(reason: impl Into<String>) -> Result<T> {
    Err(Refusal::Failed(reason.into()))
}

fn unimplemented<T>(reason: impl Into<String>) -> Result<T> {
    Err(Refusal::Unimplemented(reason.into()))
}

/// Runs the test that the words of the command line describe.
///
/// # Errors
/// As the [`Refusal`] says.
///
/// # Examples
/// ```
/// use patina_interop::bogo::{Refusal, run};
///
/// assert!(matches!(run(vec![b"-no-such-flag".to_vec()]), Err(Refusal::Unimplemented(_))));
/// ```
pub fn run(words: Vec<Vec<u8>>) -> Result<()> {
    let tests = flag::Tests::parse(words)?;
    if tests.initial.asks_for_handshaker {
        println!("No");
        return Ok(());
    }
    let seen = Seen::default();
    let mut config: Option<(&Parameters, Config)> = None;
    let mut session: Option<Session> = None;
    for number in 0..=tests.initial.resume_count {
        let is_resume = number > 0;
        let flags = if is_resume { &tests.resume } else { &tests.initial };
        let parameters = &flags.parameters;
        if is_resume && !parameters.server && session.is_none() {
            return failed("there is no session to offer");
        }
        // A server keeps its sessions as long as its configuration stays the same.
        let current = match config.take().filter(|(made_for, _)| *made_for == parameters) {
            Some((_, config)) => config,
            None => Config::make(parameters, &seen)?,
        };
        seen.clear();
        let outcome = connect(flags, &tests.retry, &current, &seen, is_resume, session.take());
        session = outcome.map_err(|refusal| match refusal {
            Refusal::Failed(reason) => Refusal::Failed(format!("{reason}\nconnection {} failed", number + 1)),
            other => other,
        })?;
        current.age_tickets()?;
        config = Some((parameters, current));
    }
    Ok(())
}

/// One connection; the answer is the session that it has given.
fn connect(
    flags: &Flags,
    retry: &Flags,
    config: &Config,
    seen: &Seen,
    is_resume: bool,
    offered: Option<Session>,
) -> Result<Option<Session>> {
    let ticket = offered.as_ref().and_then(|session| session.ticket().map(<[u8]>::to_vec));
    // What is too much of it is written after the handshake.
    let room = offered.as_ref().map_or(0, Session::max_early_data);
    let early = if flags.shim_writes_first { &GREETING[..GREETING.len().min(room)] } else { &[] };
    let mut talk = Talk::new(flags, config.engine(&flags.parameters, offered, early)?, early.len())?;
    if flags.parameters.server && flags.parameters.enable_early_data {
        talk.answer_early()?;
    }
    if !flags.implicit_handshake {
        talk.shake()?;
        check::early_data(flags, talk.engine())?;
        // BoringSSL begins anew then.
        let rejected = talk.engine().negotiated().early_data_status() == EarlyDataStatus::Rejected;
        let flags = if rejected && !flags.parameters.server { retry } else { flags };
        check::handshake(flags, talk.engine(), seen, is_resume, ticket.as_deref())?;
        talk.go_on(flags);
    }
    talk.exchange()?;
    let session = check::new_session(flags, talk.engine(), ticket.as_deref())?;
    talk.close()?;
    check::end(flags, talk.engine())?;
    Ok(session)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_told_with_libssl_s_symbol_between_colons() {
        let error = patina_tls::ClientConfig::builder().cipher_list("NONSENSE").build().unwrap_err();
        let Refusal::Failed(text) = Refusal::from(error) else {
            panic!("a wrong string is no missing ability")
        };
        assert!(text.starts_with(":NO_CIPHER_MATCH: "), "{text}");
    }
}
