//! TLS alerts: the one-byte verdicts that peers send each other.

use std::fmt;

/// A TLS alert description (RFC 8446 section 6, IANA "TLS Alerts").
///
/// Any byte is a value; the constants name those that IANA lists. Use it to say how a hook refuses a
/// handshake, and read it from [`Error::alert`](crate::Error::alert).
///
/// # Examples
///
/// ```
/// use patina_tls::Alert;
///
/// assert_eq!(Alert::HANDSHAKE_FAILURE.code(), 40);
/// assert_eq!(Alert::UNKNOWN_PSK_IDENTITY.to_string(), "unknown_psk_identity");
/// assert_eq!(Alert::new(200).to_string(), "alert(200)");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Alert(u8);

macro_rules! alerts {
    ($($(#[$doc:meta])* $konst:ident = $code:literal, $name:literal;)*) => {
        impl Alert {
            $($(#[$doc])* pub const $konst: Alert = Alert($code);)*

            /// The name that the RFCs give it, or `None` for a byte that IANA does not list.
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($code => Some($name),)*
                    _ => None,
                }
            }

            /// Every alert that has a name, in the order of their codes.
            pub const NAMED: &'static [Alert] = &[$(Alert($code)),*];
        }
    };
}

alerts! {
    /// The sender will send no more data (0).
    CLOSE_NOTIFY = 0x00, "close_notify";
    /// A message that does not belong here (10).
    UNEXPECTED_MESSAGE = 0x0a, "unexpected_message";
    /// A record could not be deprotected (20).
    BAD_RECORD_MAC = 0x14, "bad_record_mac";
    /// Decryption failed, TLS 1.0 only (21).
    DECRYPTION_FAILED = 0x15, "decryption_failed";
    /// A record is too long (22).
    RECORD_OVERFLOW = 0x16, "record_overflow";
    /// Decompression failed, TLS 1.2 and older (30).
    DECOMPRESSION_FAILURE = 0x1e, "decompression_failure";
    /// No acceptable set of parameters (40).
    HANDSHAKE_FAILURE = 0x28, "handshake_failure";
    /// No certificate was given, SSL 3.0 only (41).
    NO_CERTIFICATE = 0x29, "no_certificate";
    /// A certificate is corrupt or its signature is wrong (42).
    BAD_CERTIFICATE = 0x2a, "bad_certificate";
    /// A certificate of a kind that is not supported (43).
    UNSUPPORTED_CERTIFICATE = 0x2b, "unsupported_certificate";
    /// A certificate was revoked (44).
    CERTIFICATE_REVOKED = 0x2c, "certificate_revoked";
    /// A certificate is outside its validity (45).
    CERTIFICATE_EXPIRED = 0x2d, "certificate_expired";
    /// Some other problem with a certificate (46).
    CERTIFICATE_UNKNOWN = 0x2e, "certificate_unknown";
    /// A field is out of range or contradicts another (47).
    ILLEGAL_PARAMETER = 0x2f, "illegal_parameter";
    /// The issuer of the chain is not known or not trusted (48).
    UNKNOWN_CA = 0x30, "unknown_ca";
    /// Access is denied by policy (49).
    ACCESS_DENIED = 0x31, "access_denied";
    /// A message could not be decoded (50).
    DECODE_ERROR = 0x32, "decode_error";
    /// A signature, a Finished or a PSK binder is wrong (51).
    DECRYPT_ERROR = 0x33, "decrypt_error";
    /// Export restriction, TLS 1.0 only (60).
    EXPORT_RESTRICTION = 0x3c, "export_restriction";
    /// The protocol version is not supported (70).
    PROTOCOL_VERSION = 0x46, "protocol_version";
    /// The parameters offered are not secure enough (71).
    INSUFFICIENT_SECURITY = 0x47, "insufficient_security";
    /// An error of the sender itself (80).
    INTERNAL_ERROR = 0x50, "internal_error";
    /// A version fallback was detected, RFC 7507 (86).
    INAPPROPRIATE_FALLBACK = 0x56, "inappropriate_fallback";
    /// The user gave up (90).
    USER_CANCELED = 0x5a, "user_canceled";
    /// The sender will not renegotiate, TLS 1.2 and older (100).
    NO_RENEGOTIATION = 0x64, "no_renegotiation";
    /// A needed extension is missing, TLS 1.3 (109).
    MISSING_EXTENSION = 0x6d, "missing_extension";
    /// An extension that must not be there (110).
    UNSUPPORTED_EXTENSION = 0x6e, "unsupported_extension";
    /// A certificate URL could not be fetched, RFC 6066 (111).
    CERTIFICATE_UNOBTAINABLE = 0x6f, "certificate_unobtainable";
    /// The server does not know the name of the SNI extension, RFC 6066 (112).
    UNRECOGNIZED_NAME = 0x70, "unrecognized_name";
    /// The stapled OCSP response is not acceptable, RFC 6066 (113).
    BAD_CERTIFICATE_STATUS_RESPONSE = 0x71, "bad_certificate_status_response";
    /// A certificate hash does not match, RFC 6066 (114).
    BAD_CERTIFICATE_HASH_VALUE = 0x72, "bad_certificate_hash_value";
    /// No such PSK identity, RFC 4279 (115).
    UNKNOWN_PSK_IDENTITY = 0x73, "unknown_psk_identity";
    /// A client certificate is required, TLS 1.3 (116).
    CERTIFICATE_REQUIRED = 0x74, "certificate_required";
    /// No common application protocol, RFC 7301 (120).
    NO_APPLICATION_PROTOCOL = 0x78, "no_application_protocol";
    /// Encrypted Client Hello is required, RFC 9849 (121).
    ECH_REQUIRED = 0x79, "ech_required";
}

impl Alert {
    /// The alert with this code.
    pub const fn new(code: u8) -> Alert {
        Alert(code)
    }

    /// The byte on the wire.
    pub const fn code(self) -> u8 {
        self.0
    }
}

impl fmt::Display for Alert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "alert({})", self.0),
        }
    }
}

impl fmt::Debug for Alert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Alert({} {})", self.0, self.name().unwrap_or("unnamed"))
    }
}

impl From<u8> for Alert {
    fn from(code: u8) -> Alert {
        Alert(code)
    }
}

impl From<Alert> for u8 {
    fn from(alert: Alert) -> u8 {
        alert.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_codes_are_those_of_the_registry() {
        assert_eq!(Alert::CLOSE_NOTIFY.code(), 0);
        assert_eq!(Alert::NO_RENEGOTIATION.code(), 100);
        assert_eq!(Alert::UNRECOGNIZED_NAME.code(), 112);
        assert_eq!(Alert::UNKNOWN_PSK_IDENTITY.code(), 115);
        assert_eq!(Alert::CERTIFICATE_REQUIRED.code(), 116);
        assert_eq!(Alert::NO_APPLICATION_PROTOCOL.code(), 120);
        let codes: Vec<u8> = Alert::NAMED.iter().map(|a| a.code()).collect();
        assert!(codes.windows(2).all(|w| w[0] < w[1]), "the table is sorted and without duplicates");
    }

    #[test]
    fn an_unlisted_byte_is_kept_and_shown_as_a_number() {
        assert_eq!(Alert::new(253).name(), None);
        assert_eq!(format!("{} {:?}", Alert::new(253), Alert::new(253)), "alert(253) Alert(253 unnamed)");
    }
}
