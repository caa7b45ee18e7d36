//! The key of session tickets, from the command line or from a file.

use std::fs;
use std::path::Path;

use patina_tls::TicketKey;

use crate::failure::Failure;

/// A key of 48 bytes: as 96 hexadecimal digits, or in a file, there as digits or as they are.
pub(crate) fn key(text: &str) -> Result<TicketKey, Failure> {
    if let Some(bytes) = digits(text.as_bytes()) {
        return TicketKey::from_bytes(bytes).map_err(|error| Failure::option("--ticket-keys", &error));
    }
    let file = Path::new(text);
    let bytes = fs::read(file).map_err(|error| match looks_secret(text) {
        // Digits that are too few or too many are no name of a file, and must not be shown.
        true => Failure::Usage(format!("--ticket-keys: {} digits; 48 bytes have 96", text.len())),
        false => Failure::unreadable("--ticket-keys", file, &error),
    })?;
    let bytes = digits(bytes.trim_ascii()).unwrap_or(bytes);
    TicketKey::from_bytes(bytes)
        .map_err(|error| Failure::option(&format!("--ticket-keys: {}", file.display()), &error))
}

/// The bytes of 96 hexadecimal digits.
fn digits(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let digits: Vec<u8> = text.iter().map(digit).collect::<Option<_>>()?;
    (digits.len() == 96).then(|| digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

fn looks_secret(text: &str) -> bool {
    text.len() > 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}
