//! The TLS flags of Node's command line.

use std::path::{Path, PathBuf};

use crate::values::error::Error;
use crate::values::version::ProtocolVersion;

/// Where the default roots come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum RootSource {
    #[default]
    Bundled,
    OpenSsl,
    BundledAndSystem,
}

/// The switches, by their names.
const SWITCHES: &[&str] =
    &[MIN[0].0, MIN[1].0, MIN[2].0, MIN[3].0, MAX[0].0, MAX[1].0, BUNDLED, OPENSSL, SYSTEM, TRACE];
const BUNDLED: &str = "--use-bundled-ca";
const OPENSSL: &str = "--use-openssl-ca";
const SYSTEM: &str = "--use-system-ca";
const TRACE: &str = "--trace-tls";
const CIPHERS: &str = "--tls-cipher-list";
const KEY_LOG: &str = "--tls-keylog";

/// The first that is given counts.
const MIN: [(&str, ProtocolVersion); 4] = [
    ("--tls-min-v1.0", ProtocolVersion::TLSv1_0),
    ("--tls-min-v1.1", ProtocolVersion::TLSv1_1),
    ("--tls-min-v1.2", ProtocolVersion::TLSv1_2),
    ("--tls-min-v1.3", ProtocolVersion::TLSv1_3),
];

/// The first that is given counts.
const MAX: [(&str, ProtocolVersion); 2] =
    [("--tls-max-v1.3", ProtocolVersion::TLSv1_3), ("--tls-max-v1.2", ProtocolVersion::TLSv1_2)];

/// What a command line says.
#[derive(Debug, Default)]
pub(super) struct Flags {
    on: Vec<&'static str>,
    ciphers: Option<String>,
    key_log: Option<PathBuf>,
}

impl Flags {
    pub(super) fn parse<I>(arguments: I) -> Result<Flags, Error>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let mut flags = Flags::default();
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let argument = argument.as_ref();
            let (name, value) = match argument.split_once('=') {
                Some((name, value)) => (name.replace('_', "-"), Some(value.to_owned())),
                None => (argument.replace('_', "-"), None),
            };
            if let Some(option) = [CIPHERS, KEY_LOG].into_iter().find(|known| *known == name) {
                let value = value.or_else(|| arguments.next().map(|next| next.as_ref().to_owned()));
                let value =
                    value.ok_or_else(|| Error::config(option, format!("{option} requires an argument")))?;
                match option {
                    CIPHERS => flags.ciphers = Some(value),
                    _ => flags.key_log = Some(value.into()),
                }
                continue;
            }
            let (wanted, is_on) = match name.strip_prefix("--no-") {
                Some(rest) => (format!("--{rest}"), false),
                None => (name, true),
            };
            let Some(known) = SWITCHES.iter().copied().find(|known| *known == wanted) else {
                let text = format!("{argument:?} is no flag of Node that is about TLS");
                return Err(Error::config("flags", text));
            };
            if value.is_some() {
                return Err(Error::config(known, format!("{known} does not take an argument")));
            }
            flags.on.retain(|other| *other != known);
            if is_on {
                flags.on.push(known);
            }
        }
        Ok(flags)
    }

    /// # Errors
    /// Node does not start with both flags.
    pub(super) fn min_version(&self) -> Result<Option<ProtocolVersion>, Error> {
        if self.is_on(MIN[3].0) && self.is_on(MAX[1].0) {
            let text = "either --tls-min-v1.3 or --tls-max-v1.2 can be used, not both";
            return Err(Error::config(MIN[3].0, text));
        }
        Ok(self.first(&MIN))
    }

    pub(super) fn max_version(&self) -> Option<ProtocolVersion> {
        self.first(&MAX)
    }

    /// # Errors
    /// Node does not start with several sources of roots, but for its own and the system's.
    pub(super) fn root_source(&self) -> Result<RootSource, Error> {
        for other in [BUNDLED, SYSTEM] {
            if self.is_on(OPENSSL) && self.is_on(other) {
                let text = format!("either --use-openssl-ca or {other} can be used, not both");
                return Err(Error::config(OPENSSL, text));
            }
        }
        Ok(match (self.is_on(OPENSSL), self.is_on(SYSTEM)) {
            (true, _) => RootSource::OpenSsl,
            (false, true) => RootSource::BundledAndSystem,
            (false, false) => RootSource::Bundled,
        })
    }

    pub(super) fn ciphers(&self) -> Option<&str> {
        self.ciphers.as_deref()
    }

    pub(super) fn key_log(&self) -> Option<&Path> {
        self.key_log.as_deref()
    }

    pub(super) fn trace(&self) -> bool {
        self.is_on(TRACE)
    }

    fn is_on(&self, flag: &str) -> bool {
        self.on.contains(&flag)
    }

    fn first(&self, table: &[(&str, ProtocolVersion)]) -> Option<ProtocolVersion> {
        table.iter().find(|(flag, _)| self.is_on(flag)).map(|(_, version)| *version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ProtocolVersion::{TLSv1_0, TLSv1_1, TLSv1_2, TLSv1_3};

    #[test]
    fn of_several_the_lowest_minimum_and_the_highest_maximum_count() {
        let flags =
            Flags::parse(["--tls-min-v1.2", "--tls-min-v1.1", "--tls-max-v1.2", "--tls-max-v1.3"]).unwrap();
        assert_eq!((flags.min_version().unwrap(), flags.max_version()), (Some(TLSv1_1), Some(TLSv1_3)));
        let flags = Flags::parse(["--tls-min-v1.0", "--tls-max-v1.2"]).unwrap();
        assert_eq!((flags.min_version().unwrap(), flags.max_version()), (Some(TLSv1_0), Some(TLSv1_2)));
    }

    #[test]
    fn flags_that_exclude_each_other_have_nodes_text() {
        let both = Flags::parse(["--tls-min-v1.3", "--tls-max-v1.2"]).unwrap();
        let text = "either --tls-min-v1.3 or --tls-max-v1.2 can be used, not both";
        assert_eq!(both.min_version().unwrap_err().message(), text);
        let both = Flags::parse(["--use-bundled-ca", "--use-openssl-ca"]).unwrap();
        let text = "either --use-openssl-ca or --use-bundled-ca can be used, not both";
        assert_eq!(both.root_source().unwrap_err().message(), text);
    }

    #[test]
    fn values_may_follow_and_negations_take_back() {
        let flags =
            Flags::parse(["--tls_cipher_list", "HIGH", "--tls-min-v1.0", "--no-tls-min-v1.0", "--trace-tls"])
                .unwrap();
        assert_eq!(flags.ciphers(), Some("HIGH"));
        assert_eq!(flags.min_version().unwrap(), None);
        assert!(flags.trace());
    }

    #[test]
    fn an_unknown_flag_and_a_missing_value_are_errors() {
        assert!(Flags::parse(["--tls-min-v1.4"]).unwrap_err().message().contains("--tls-min-v1.4"));
        assert_eq!(Flags::parse(["--tls-keylog"]).unwrap_err().option(), Some(KEY_LOG));
        assert_eq!(Flags::parse(["--trace-tls=1"]).unwrap_err().option(), Some(TRACE));
    }
}
