//! Pre-shared keys, from the command line and from files.

use std::error::Error as StdError;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use patina_tls::{Client, ConfigBuilder, PreSharedKey, PskHash, PskIdentity, Server};

use crate::args_shared::SharedArgs;
use crate::failure::Failure;

/// Keys by their identities, in the order in which they were given. A clone shares them.
#[derive(Debug, Clone)]
pub(crate) struct Keys(Arc<[(PskIdentity, PreSharedKey)]>);

impl Keys {
    /// The keys of `--psk` and then those of `--psk-file`; `None` when there are none.
    pub(crate) fn read(args: &SharedArgs) -> Result<Option<Keys>, Failure> {
        let mut keys = Vec::new();
        for text in &args.psk {
            let key = parse(text).map_err(|why| Failure::Usage(format!("--psk: {why}")))?;
            add(&mut keys, key).map_err(|why| Failure::Usage(format!("--psk: {why}")))?;
        }
        for file in &args.psk_file {
            read_file(file, &mut keys)?;
        }
        Ok((!keys.is_empty()).then(|| Keys(keys.into())))
    }

    /// Lets a client offer the key that the server's hint names, and otherwise the first.
    pub(crate) fn offer(&self, builder: ConfigBuilder<Client>) -> ConfigBuilder<Client> {
        let keys = self.clone();
        builder.psk_source(move |hint: Option<&[u8]>| {
            let named = hint.and_then(|hint| keys.0.iter().find(|(identity, _)| identity.as_bytes() == hint));
            Ok(named.or_else(|| keys.0.first()).cloned())
        })
    }

    /// Lets a server find the keys of its clients.
    pub(crate) fn serve(&self, builder: ConfigBuilder<Server>) -> ConfigBuilder<Server> {
        let keys = self.clone();
        builder.psk_resolver(move |asked: PskIdentity| {
            let found = keys.0.iter().find(|(identity, _)| *identity == asked).map(|(_, key)| key.clone());
            async move { Ok::<_, Box<dyn StdError + Send + Sync>>(found) }
        })
    }
}

/// One key a line; empty lines and lines that begin with `#` say nothing.
fn read_file(file: &Path, keys: &mut Vec<(PskIdentity, PreSharedKey)>) -> Result<(), Failure> {
    let refuse = |why: &str| Failure::Usage(format!("--psk-file: {}: {why}", file.display()));
    let bytes = fs::read(file).map_err(|error| Failure::unreadable("--psk-file", file, &error))?;
    let before = keys.len();
    for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let line = line.trim_ascii();
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        let text = std::str::from_utf8(line).map_err(|_| "it is not UTF-8".to_owned());
        text.and_then(parse)
            .and_then(|key| add(keys, key))
            .map_err(|why| refuse(&format!("line {}: {why}", index + 1)))?;
    }
    if keys.len() == before { Err(refuse("there is no key in it")) } else { Ok(()) }
}

fn add(keys: &mut Vec<(PskIdentity, PreSharedKey)>, key: (PskIdentity, PreSharedKey)) -> Result<(), String> {
    if keys.iter().any(|(identity, _)| *identity == key.0) {
        return Err(format!("the identity {} stands there twice", key.0));
    }
    keys.push(key);
    Ok(())
}

/// `IDENTITY:HEX` or `IDENTITY:HEX:HASH`. The identity may have colons. No text tells the key.
fn parse(text: &str) -> Result<(PskIdentity, PreSharedKey), String> {
    let (text, hash) = match text.rsplit_once(':') {
        Some((rest, "sha256")) => (rest, PskHash::Sha256),
        Some((rest, "sha384")) => (rest, PskHash::Sha384),
        _ => (text, PskHash::default()),
    };
    let form = "the form is IDENTITY:HEX, IDENTITY:HEX:sha256 or IDENTITY:HEX:sha384";
    let (identity, key) = text.rsplit_once(':').ok_or(form)?;
    let identity = PskIdentity::new(identity).map_err(|error| error.message().to_owned())?;
    let key = PreSharedKey::from_hex(key).map_err(|error| format!("{identity}: {}", error.message()))?;
    Ok((identity, key.with_hash(hash)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_an_identity_hexadecimal_digits_and_perhaps_a_hash() {
        for (text, identity, hash) in [
            ("pump:00ff", "pump", PskHash::Sha256),
            ("pump:00ff:sha256", "pump", PskHash::Sha256),
            ("a:b:00ff:sha384", "a:b", PskHash::Sha384),
            ("sha384:00ff", "sha384", PskHash::Sha256),
        ] {
            let (read, key) = parse(text).unwrap();
            assert_eq!((read.as_str(), key.hash()), (Some(identity), hash), "{text}");
        }
        for bad in ["", "pump", "pump:", ":00", "pump:0", "pump:0g", "pump:00ff:sha512", "pump:sha384"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        assert_eq!(
            parse("pump:00f").unwrap_err(),
            "pump: the key is no hexadecimal text: it needs two digits a byte"
        );
    }
}
