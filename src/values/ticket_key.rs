//! The key that session tickets are sealed with.

use std::fmt;
use std::sync::Arc;

use super::error::Error;
use super::secret::Secret;

/// How many bytes a key has: name 16, HMAC key 16, AES key 16.
const LENGTH: usize = 48;

/// A part of the key: its name, the HMAC key, the AES key.
const PART: usize = 16;

/// A key that seals session tickets: Node's 48 bytes. Overwritten when the last clone is dropped; never shown.
///
/// The first 16 bytes are the key's name, which stands at the head of every ticket in the clear; the next 16 are the key of
/// HMAC-SHA256, the last 16 that of AES-128-CBC. Servers with the same 48 bytes open each other's tickets, those of Node
/// included.
///
/// # Examples
///
/// ```
/// use patina_tls::TicketKey;
///
/// # fn main() -> Result<(), patina_tls::Error> {
/// let key = TicketKey::from_bytes([7; 48])?;
/// assert_eq!(format!("{key:?}"), "TicketKey(07070707070707070707070707070707, ..)");
/// assert_eq!(TicketKey::from_bytes([7; 32]).unwrap_err().code(), "ERR_INVALID_ARG_VALUE");
/// # Ok(())
/// # }
/// ```
///
/// # Security
/// Whoever has the key can decrypt recorded connections whose tickets it has sealed, up to TLS 1.2 all of them and from TLS 1.3
/// on those that resume without a new key exchange, and can make tickets of clients that have shown a certificate. Take the
/// bytes from a good random source, as [`TicketKey::random`] does, and change them often: see
/// [`TicketRotation`](crate::TicketRotation).
#[derive(Clone)]
#[doc(alias = "ticketKeys")]
pub struct TicketKey(Arc<Secret>);

impl TicketKey {
    /// A key of Node's 48 bytes.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) with the option `ticket_keys` and the code `ERR_INVALID_ARG_VALUE`
    /// when it is another number of bytes.
    pub fn from_bytes(bytes: impl AsRef<[u8]>) -> Result<TicketKey, Error> {
        let bytes = bytes.as_ref();
        if bytes.len() != LENGTH {
            let text =
                format!("{LENGTH} bytes are needed: name 16, HMAC key 16, AES key 16; not {}", bytes.len());
            return Err(Error::config("ticket_keys", text).with_code("ERR_INVALID_ARG_VALUE"));
        }
        Ok(TicketKey(Arc::new(Secret::from(bytes))))
    }

    /// The 48 bytes: Node's `getTicketKeys()`.
    ///
    /// They are for another server, or for the next process; the copy is the caller's to keep and to clear.
    #[doc(alias = "getTicketKeys")]
    pub fn to_bytes(&self) -> [u8; 48] {
        let mut bytes = [0; LENGTH];
        for (to, from) in bytes.iter_mut().zip(self.0.as_bytes()) {
            *to = *from;
        }
        bytes
    }

    /// The name, which tickets carry in the clear.
    pub fn name(&self) -> &[u8] {
        &self.0.as_bytes()[..PART]
    }

    /// The key of HMAC-SHA256.
    pub(crate) fn hmac_key(&self) -> &[u8] {
        &self.0.as_bytes()[PART..2 * PART]
    }

    /// The key of AES-128-CBC.
    pub(crate) fn aes_key(&self) -> &[u8] {
        &self.0.as_bytes()[2 * PART..]
    }
}

impl fmt::Debug for TicketKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name: String = self.name().iter().map(|byte| format!("{byte:02x}")).collect();
        write!(f, "TicketKey({name}, ..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_key_is_48_bytes_in_three_parts() {
        let bytes: Vec<u8> = (0..48).collect();
        let key = TicketKey::from_bytes(&bytes).unwrap();
        assert_eq!((key.name(), key.hmac_key(), key.aes_key()), (&bytes[..16], &bytes[16..32], &bytes[32..]));
        assert_eq!(key.to_bytes()[..], bytes);
        for wrong in [0, 47, 49, 80] {
            let error = TicketKey::from_bytes(vec![1; wrong]).unwrap_err();
            assert_eq!((error.option(), error.code()), (Some("ticket_keys"), "ERR_INVALID_ARG_VALUE"));
        }
    }

    #[test]
    fn the_debug_form_of_a_ticket_key_shows_its_name_alone() {
        let bytes: Vec<u8> = (0..48).collect();
        let key = TicketKey::from_bytes(bytes).unwrap();
        assert_eq!(format!("{key:?}"), "TicketKey(000102030405060708090a0b0c0d0e0f, ..)");
    }
}
