//! libssl's error queue: one per thread, cleared before each I/O call and drained before each return.

use openssl::error::ErrorStack;

use crate::values::alert::Alert;
use crate::values::error::{Error, ErrorKind, Reason};

/// `ERR_LIB_SSL`.
pub(crate) const LIB_SSL: i32 = 20;

/// What libssl adds to an alert's code to make the reason of an error: `SSL_AD_REASON_OFFSET`.
pub(crate) const ALERT_REASON_OFFSET: i32 = 1000;

const SSL_R_DATA_LENGTH_TOO_LONG: i32 = 146;
const SSL_R_PACKET_LENGTH_TOO_LONG: i32 = 198;

/// Throws away what earlier calls, of anybody on this thread, left in the queue.
pub(crate) fn clear() {
    // It goes through all places of the queue, also of an empty one, which is what it nearly always is: a look is a twentieth of
    // a record cheaper.
    // SAFETY: these have no precondition; they touch the calling thread's queue only.
    unsafe {
        if openssl_sys::ERR_peek_last_error() != 0 {
            openssl_sys::ERR_clear_error();
        }
    }
}

/// An error with the code that Node gives to the same failure.
///
/// For a configuration the first entry counts, as in Node: it is the cause, what follows are consequences. For
/// a protocol failure it is the first entry of the SSL library.
pub(crate) fn stack_error(kind: ErrorKind, stack: &ErrorStack) -> Error {
    let entries = stack.errors();
    let chosen = match kind {
        ErrorKind::Protocol | ErrorKind::PeerAlert => {
            entries.iter().find(|e| e.library_code() == LIB_SSL).or_else(|| entries.first())
        }
        _ => entries.first(),
    };
    let Some(entry) = chosen else {
        return Error::new(kind, "libssl failed without a reason");
    };
    let (library, mut number) = (entry.library_code(), entry.reason_code());
    let mut text = entry.reason().unwrap_or("unknown reason").to_owned();
    // From 3.2 on, the records before the version is known are judged apart from the others.
    if (library, number) == (LIB_SSL, SSL_R_DATA_LENGTH_TOO_LONG) && entry.file().ends_with("tlsany_meth.c") {
        (number, text) = (SSL_R_PACKET_LENGTH_TOO_LONG, "packet length too long".to_owned());
    }
    let symbol = match alert_reason(library, number) {
        Some(symbol) => symbol.into(),
        None => symbol_of(&text).into(),
    };
    let reason = Reason { symbol, text: text.clone(), library, number };
    let code = format!("{}{}", code_prefix(library), reason.symbol);
    let message = match entry.data() {
        Some(data) if !data.is_empty() => format!("{text} ({data})"),
        _ => text,
    };
    Error::new(kind, message).with_code(code).with_reason(reason)
}

/// A failure of the protocol: an alert of the peer, or a failure of our own.
pub(crate) fn protocol_error(stack: &ErrorStack) -> Error {
    let error = stack_error(ErrorKind::Protocol, stack);
    match error.reason_number() {
        Some((LIB_SSL, number)) => match u8::try_from(number - ALERT_REASON_OFFSET) {
            Ok(alert) if alert > 0 => error.into_peer_alert(Alert::new(alert)),
            _ => error,
        },
        _ => error,
    }
}

/// `no shared cipher` -> `NO_SHARED_CIPHER`.
fn symbol_of(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect()
}

/// The prefix that Node puts before the reason (src/crypto/crypto_util.cc, `OSSL_ERROR_CODES_MAP`).
fn code_prefix(library: i32) -> &'static str {
    match library {
        LIB_SSL => "ERR_SSL_",
        3 => "ERR_OSSL_BN_",
        4 => "ERR_OSSL_RSA_",
        5 => "ERR_OSSL_DH_",
        6 => "ERR_OSSL_EVP_",
        8 => "ERR_OSSL_OBJ_",
        9 => "ERR_OSSL_PEM_",
        10 => "ERR_OSSL_DSA_",
        11 => "ERR_OSSL_X509_",
        13 => "ERR_OSSL_ASN1_",
        14 => "ERR_OSSL_CONF_",
        15 => "ERR_OSSL_CRYPTO_",
        16 => "ERR_OSSL_EC_",
        32 => "ERR_OSSL_BIO_",
        33 => "ERR_OSSL_PKCS7_",
        34 => "ERR_OSSL_X509V3_",
        35 => "ERR_OSSL_PKCS12_",
        36 => "ERR_OSSL_RAND_",
        37 => "ERR_OSSL_DSO_",
        38 => "ERR_OSSL_ENGINE_",
        39 => "ERR_OSSL_OCSP_",
        40 => "ERR_OSSL_UI_",
        44 => "ERR_OSSL_OSSL_STORE_",
        _ => "ERR_OSSL_",
    }
}

/// The symbol of a reason that stands for a received alert, by its number: the texts changed in OpenSSL 3.2
/// (`ssl/tls alert ...`) and again in 4.0 (`tls alert ...`).
fn alert_reason(library: i32, number: i32) -> Option<&'static str> {
    if library != LIB_SSL {
        return None;
    }
    Some(match number - ALERT_REASON_OFFSET {
        10 => "SSLV3_ALERT_UNEXPECTED_MESSAGE",
        20 => "SSLV3_ALERT_BAD_RECORD_MAC",
        21 => "TLSV1_ALERT_DECRYPTION_FAILED",
        22 => "TLSV1_ALERT_RECORD_OVERFLOW",
        30 => "SSLV3_ALERT_DECOMPRESSION_FAILURE",
        40 => "SSLV3_ALERT_HANDSHAKE_FAILURE",
        41 => "SSLV3_ALERT_NO_CERTIFICATE",
        42 => "SSLV3_ALERT_BAD_CERTIFICATE",
        43 => "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE",
        44 => "SSLV3_ALERT_CERTIFICATE_REVOKED",
        45 => "SSLV3_ALERT_CERTIFICATE_EXPIRED",
        46 => "SSLV3_ALERT_CERTIFICATE_UNKNOWN",
        47 => "SSLV3_ALERT_ILLEGAL_PARAMETER",
        48 => "TLSV1_ALERT_UNKNOWN_CA",
        49 => "TLSV1_ALERT_ACCESS_DENIED",
        50 => "TLSV1_ALERT_DECODE_ERROR",
        51 => "TLSV1_ALERT_DECRYPT_ERROR",
        60 => "TLSV1_ALERT_EXPORT_RESTRICTION",
        70 => "TLSV1_ALERT_PROTOCOL_VERSION",
        71 => "TLSV1_ALERT_INSUFFICIENT_SECURITY",
        80 => "TLSV1_ALERT_INTERNAL_ERROR",
        86 => "TLSV1_ALERT_INAPPROPRIATE_FALLBACK",
        90 => "TLSV1_ALERT_USER_CANCELLED",
        100 => "TLSV1_ALERT_NO_RENEGOTIATION",
        109 => "TLSV13_ALERT_MISSING_EXTENSION",
        110 => "TLSV1_UNSUPPORTED_EXTENSION",
        111 => "TLSV1_CERTIFICATE_UNOBTAINABLE",
        112 => "TLSV1_UNRECOGNIZED_NAME",
        113 => "TLSV1_BAD_CERTIFICATE_STATUS_RESPONSE",
        114 => "TLSV1_BAD_CERTIFICATE_HASH_VALUE",
        115 => "TLSV1_ALERT_UNKNOWN_PSK_IDENTITY",
        116 => "TLSV13_ALERT_CERTIFICATE_REQUIRED",
        120 => "TLSV1_ALERT_NO_APPLICATION_PROTOCOL",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_entry_becomes_node_s_code() {
        let stack = openssl::x509::X509::from_pem(b"no pem").unwrap_err();
        let error = stack_error(ErrorKind::Config, &stack);
        assert_eq!(error.code(), "ERR_OSSL_PEM_NO_START_LINE");
        assert_eq!(error.reason(), Some("NO_START_LINE"));
    }

    #[test]
    fn received_alerts_have_the_names_of_openssl_3_0_on_every_version() {
        assert_eq!(alert_reason(LIB_SSL, 1040), Some("SSLV3_ALERT_HANDSHAKE_FAILURE"));
        assert_eq!(alert_reason(LIB_SSL, 193), None);
        assert_eq!(symbol_of("ssl/tls alert x"), "SSL_TLS_ALERT_X");
    }
}
