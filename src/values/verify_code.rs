//! The verdicts of libssl about a certificate chain.

use std::fmt;

/// The outcome of verifying a certificate chain: one of OpenSSL's `X509_V_OK` and `X509_V_ERR_*`.
///
/// Any number is a value; the constants name those that OpenSSL 1.1.1 to 4.0 have, under OpenSSL's names
/// without the prefix. The numbers are those of OpenSSL 3.0 and later on every libssl.
///
/// # Examples
///
/// ```
/// use patina_tls::VerifyCode;
///
/// let code = VerifyCode::EE_KEY_TOO_SMALL;
/// assert_eq!(code.symbol(), Some("EE_KEY_TOO_SMALL"));
/// assert_eq!(code.code(), "UNSPECIFIED", "Node has no name for it");
/// assert_eq!(code.to_string(), "EE certificate key too weak");
/// assert_eq!(VerifyCode::from(10).code(), "CERT_HAS_EXPIRED");
/// ```
///
/// # OpenSSL
///
/// `X509_STORE_CTX_get_error`, `SSL_get_verify_result`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VerifyCode(i32);

macro_rules! verify_codes {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $text:literal;)*) => {
        impl VerifyCode {
            $($(#[$doc])* pub const $name: VerifyCode = VerifyCode($number);)*

            /// Every code that has a name, in the order of their numbers.
            pub const NAMED: &'static [VerifyCode] = &[$(VerifyCode($number)),*];

            /// OpenSSL's name without `X509_V_ERR_`, such as `EE_KEY_TOO_SMALL`, or `None` for a number that
            /// no supported OpenSSL uses.
            pub const fn symbol(self) -> Option<&'static str> {
                match self.0 {
                    $($number => Some(stringify!($name)),)*
                    _ => None,
                }
            }

            /// OpenSSL's text, in the words of the newest version that is supported.
            ///
            /// # OpenSSL
            ///
            /// `X509_verify_cert_error_string`.
            pub const fn text(self) -> &'static str {
                match self.0 {
                    $($number => $text,)*
                    _ => "unknown certificate verification error",
                }
            }
        }
    };
}

verify_codes! {
    /// The chain is good (0).
    OK = 0, "ok";
    /// Unspecified certificate verification error (1).
    UNSPECIFIED = 1, "unspecified certificate verification error";
    /// Unable to get issuer certificate (2).
    UNABLE_TO_GET_ISSUER_CERT = 2, "unable to get issuer certificate";
    /// Unable to get certificate CRL (3).
    UNABLE_TO_GET_CRL = 3, "unable to get certificate CRL";
    /// Unable to decrypt certificate's signature (4).
    UNABLE_TO_DECRYPT_CERT_SIGNATURE = 4, "unable to decrypt certificate's signature";
    /// Unable to decrypt CRL's signature (5).
    UNABLE_TO_DECRYPT_CRL_SIGNATURE = 5, "unable to decrypt CRL's signature";
    /// Unable to decode issuer public key (6).
    UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY = 6, "unable to decode issuer public key";
    /// Certificate signature failure (7).
    CERT_SIGNATURE_FAILURE = 7, "certificate signature failure";
    /// CRL signature failure (8).
    CRL_SIGNATURE_FAILURE = 8, "CRL signature failure";
    /// Certificate is not yet valid or the system clock is incorrect (9).
    CERT_NOT_YET_VALID = 9, "certificate is not yet valid or the system clock is incorrect";
    /// Certificate has expired (10).
    CERT_HAS_EXPIRED = 10, "certificate has expired";
    /// CRL is not yet valid (11).
    CRL_NOT_YET_VALID = 11, "CRL is not yet valid";
    /// CRL has expired (12).
    CRL_HAS_EXPIRED = 12, "CRL has expired";
    /// Format error in certificate's notBefore field (13).
    ERROR_IN_CERT_NOT_BEFORE_FIELD = 13, "format error in certificate's notBefore field";
    /// Format error in certificate's notAfter field (14).
    ERROR_IN_CERT_NOT_AFTER_FIELD = 14, "format error in certificate's notAfter field";
    /// Format error in CRL's lastUpdate field (15).
    ERROR_IN_CRL_LAST_UPDATE_FIELD = 15, "format error in CRL's lastUpdate field";
    /// Format error in CRL's nextUpdate field (16).
    ERROR_IN_CRL_NEXT_UPDATE_FIELD = 16, "format error in CRL's nextUpdate field";
    /// Out of memory (17).
    OUT_OF_MEM = 17, "out of memory";
    /// Self-signed certificate (18).
    DEPTH_ZERO_SELF_SIGNED_CERT = 18, "self-signed certificate";
    /// Self-signed certificate in certificate chain (19).
    SELF_SIGNED_CERT_IN_CHAIN = 19, "self-signed certificate in certificate chain";
    /// Unable to get local issuer certificate (20).
    UNABLE_TO_GET_ISSUER_CERT_LOCALLY = 20, "unable to get local issuer certificate";
    /// Unable to verify the first certificate (21).
    UNABLE_TO_VERIFY_LEAF_SIGNATURE = 21, "unable to verify the first certificate";
    /// Certificate chain too long (22).
    CERT_CHAIN_TOO_LONG = 22, "certificate chain too long";
    /// Certificate revoked (23).
    CERT_REVOKED = 23, "certificate revoked";
    /// Issuer certificate doesn't have a public key (24).
    NO_ISSUER_PUBLIC_KEY = 24, "issuer certificate doesn't have a public key";
    /// Path length constraint exceeded (25).
    PATH_LENGTH_EXCEEDED = 25, "path length constraint exceeded";
    /// Unsuitable certificate purpose (26).
    INVALID_PURPOSE = 26, "unsuitable certificate purpose";
    /// Certificate not trusted (27).
    CERT_UNTRUSTED = 27, "certificate not trusted";
    /// Certificate rejected (28).
    CERT_REJECTED = 28, "certificate rejected";
    /// Subject issuer mismatch (29).
    SUBJECT_ISSUER_MISMATCH = 29, "subject issuer mismatch";
    /// Authority and subject key identifier mismatch (30).
    AKID_SKID_MISMATCH = 30, "authority and subject key identifier mismatch";
    /// Authority and issuer serial number mismatch (31).
    AKID_ISSUER_SERIAL_MISMATCH = 31, "authority and issuer serial number mismatch";
    /// Key usage does not include certificate signing (32).
    KEYUSAGE_NO_CERTSIGN = 32, "key usage does not include certificate signing";
    /// Unable to get CRL issuer certificate (33).
    UNABLE_TO_GET_CRL_ISSUER = 33, "unable to get CRL issuer certificate";
    /// Unhandled critical extension (34).
    UNHANDLED_CRITICAL_EXTENSION = 34, "unhandled critical extension";
    /// Key usage does not include CRL signing (35).
    KEYUSAGE_NO_CRL_SIGN = 35, "key usage does not include CRL signing";
    /// Unhandled critical CRL extension (36).
    UNHANDLED_CRITICAL_CRL_EXTENSION = 36, "unhandled critical CRL extension";
    /// Invalid non-CA certificate (has CA markings) (37).
    INVALID_NON_CA = 37, "invalid non-CA certificate (has CA markings)";
    /// Proxy path length constraint exceeded (38).
    PROXY_PATH_LENGTH_EXCEEDED = 38, "proxy path length constraint exceeded";
    /// Key usage does not include digital signature (39).
    KEYUSAGE_NO_DIGITAL_SIGNATURE = 39, "key usage does not include digital signature";
    /// Proxy certificates not allowed, please set the appropriate flag (40).
    PROXY_CERTIFICATES_NOT_ALLOWED = 40, "proxy certificates not allowed, please set the appropriate flag";
    /// Invalid or inconsistent certificate extension (41).
    INVALID_EXTENSION = 41, "invalid or inconsistent certificate extension";
    /// Invalid or inconsistent certificate policy extension (42).
    INVALID_POLICY_EXTENSION = 42, "invalid or inconsistent certificate policy extension";
    /// No explicit policy (43).
    NO_EXPLICIT_POLICY = 43, "no explicit policy";
    /// Different CRL scope (44).
    DIFFERENT_CRL_SCOPE = 44, "different CRL scope";
    /// Unsupported extension feature (45).
    UNSUPPORTED_EXTENSION_FEATURE = 45, "unsupported extension feature";
    /// RFC 3779 resource not subset of parent's resources (46).
    UNNESTED_RESOURCE = 46, "RFC 3779 resource not subset of parent's resources";
    /// Permitted subtree violation (47).
    PERMITTED_VIOLATION = 47, "permitted subtree violation";
    /// Excluded subtree violation (48).
    EXCLUDED_VIOLATION = 48, "excluded subtree violation";
    /// Name constraints minimum and maximum not supported (49).
    SUBTREE_MINMAX = 49, "name constraints minimum and maximum not supported";
    /// Application verification failure (50).
    APPLICATION_VERIFICATION = 50, "application verification failure";
    /// Unsupported name constraint type (51).
    UNSUPPORTED_CONSTRAINT_TYPE = 51, "unsupported name constraint type";
    /// Unsupported or invalid name constraint syntax (52).
    UNSUPPORTED_CONSTRAINT_SYNTAX = 52, "unsupported or invalid name constraint syntax";
    /// Unsupported or invalid name syntax (53).
    UNSUPPORTED_NAME_SYNTAX = 53, "unsupported or invalid name syntax";
    /// CRL path validation error (54).
    CRL_PATH_VALIDATION_ERROR = 54, "CRL path validation error";
    /// Path loop (55).
    PATH_LOOP = 55, "path loop";
    /// Suite B: certificate version invalid (56).
    SUITE_B_INVALID_VERSION = 56, "Suite B: certificate version invalid";
    /// Suite B: invalid public key algorithm (57).
    SUITE_B_INVALID_ALGORITHM = 57, "Suite B: invalid public key algorithm";
    /// Suite B: invalid ECC curve (58).
    SUITE_B_INVALID_CURVE = 58, "Suite B: invalid ECC curve";
    /// Suite B: invalid signature algorithm (59).
    SUITE_B_INVALID_SIGNATURE_ALGORITHM = 59, "Suite B: invalid signature algorithm";
    /// Suite B: curve not allowed for this LOS (60).
    SUITE_B_LOS_NOT_ALLOWED = 60, "Suite B: curve not allowed for this LOS";
    /// Suite B: cannot sign P-384 with P-256 (61).
    SUITE_B_CANNOT_SIGN_P_384_WITH_P_256 = 61, "Suite B: cannot sign P-384 with P-256";
    /// Hostname mismatch (62).
    HOSTNAME_MISMATCH = 62, "hostname mismatch";
    /// Email address mismatch (63).
    EMAIL_MISMATCH = 63, "email address mismatch";
    /// IP address mismatch (64).
    IP_ADDRESS_MISMATCH = 64, "IP address mismatch";
    /// No matching DANE TLSA records (65).
    DANE_NO_MATCH = 65, "no matching DANE TLSA records";
    /// EE certificate key too weak (66).
    EE_KEY_TOO_SMALL = 66, "EE certificate key too weak";
    /// CA certificate key too weak (67).
    CA_KEY_TOO_SMALL = 67, "CA certificate key too weak";
    /// CA signature digest algorithm too weak (68).
    CA_MD_TOO_WEAK = 68, "CA signature digest algorithm too weak";
    /// Invalid certificate verification context (69).
    INVALID_CALL = 69, "invalid certificate verification context";
    /// Issuer certificate lookup error (70).
    STORE_LOOKUP = 70, "issuer certificate lookup error";
    /// Certificate Transparency required, but no valid SCTs found (71).
    NO_VALID_SCTS = 71, "Certificate Transparency required, but no valid SCTs found";
    /// Proxy subject name violation (72).
    PROXY_SUBJECT_NAME_VIOLATION = 72, "proxy subject name violation";
    /// OCSP verification needed (73).
    OCSP_VERIFY_NEEDED = 73, "OCSP verification needed";
    /// OCSP verification failed (74).
    OCSP_VERIFY_FAILED = 74, "OCSP verification failed";
    /// OCSP unknown cert (75).
    OCSP_CERT_UNKNOWN = 75, "OCSP unknown cert";
    /// Cannot find certificate signature algorithm (76, OpenSSL 3.0).
    UNSUPPORTED_SIGNATURE_ALGORITHM = 76, "Cannot find certificate signature algorithm";
    /// Subject signature algorithm and issuer public key algorithm mismatch (77, OpenSSL 3.0).
    SIGNATURE_ALGORITHM_MISMATCH = 77, "subject signature algorithm and issuer public key algorithm mismatch";
    /// Cert info signature and signature algorithm mismatch (78, OpenSSL 3.0).
    SIGNATURE_ALGORITHM_INCONSISTENCY = 78, "cert info signature and signature algorithm mismatch";
    /// Invalid CA certificate (79, OpenSSL 3.0).
    INVALID_CA = 79, "invalid CA certificate";
    /// Path length invalid for non-CA cert (80, OpenSSL 3.0).
    PATHLEN_INVALID_FOR_NON_CA = 80, "Path length invalid for non-CA cert";
    /// Path length given without key usage keyCertSign (81, OpenSSL 3.0).
    PATHLEN_WITHOUT_KU_KEY_CERT_SIGN = 81, "Path length given without key usage keyCertSign";
    /// Key usage keyCertSign invalid for non-CA cert (82, OpenSSL 3.0).
    KU_KEY_CERT_SIGN_INVALID_FOR_NON_CA = 82, "Key usage keyCertSign invalid for non-CA cert";
    /// Issuer name empty (83, OpenSSL 3.0).
    ISSUER_NAME_EMPTY = 83, "Issuer name empty";
    /// Subject name empty (84, OpenSSL 3.0).
    SUBJECT_NAME_EMPTY = 84, "Subject name empty";
    /// Missing Authority Key Identifier (85, OpenSSL 3.0).
    MISSING_AUTHORITY_KEY_IDENTIFIER = 85, "Missing Authority Key Identifier";
    /// Missing Subject Key Identifier (86, OpenSSL 3.0).
    MISSING_SUBJECT_KEY_IDENTIFIER = 86, "Missing Subject Key Identifier";
    /// Empty Subject Alternative Name extension (87, OpenSSL 3.0).
    EMPTY_SUBJECT_ALT_NAME = 87, "Empty Subject Alternative Name extension";
    /// Subject empty and Subject Alt Name extension not critical (88, OpenSSL 3.0).
    EMPTY_SUBJECT_SAN_NOT_CRITICAL = 88, "Subject empty and Subject Alt Name extension not critical";
    /// Basic Constraints of CA cert not marked critical (89, OpenSSL 3.0).
    CA_BCONS_NOT_CRITICAL = 89, "Basic Constraints of CA cert not marked critical";
    /// Authority Key Identifier marked critical (90, OpenSSL 3.0).
    AUTHORITY_KEY_IDENTIFIER_CRITICAL = 90, "Authority Key Identifier marked critical";
    /// Subject Key Identifier marked critical (91, OpenSSL 3.0).
    SUBJECT_KEY_IDENTIFIER_CRITICAL = 91, "Subject Key Identifier marked critical";
    /// CA cert does not include key usage extension (92, OpenSSL 3.0).
    CA_CERT_MISSING_KEY_USAGE = 92, "CA cert does not include key usage extension";
    /// Using cert extension requires at least X509v3 (93, OpenSSL 3.0).
    EXTENSIONS_REQUIRE_VERSION_3 = 93, "Using cert extension requires at least X509v3";
    /// Certificate public key has explicit ECC parameters (94, OpenSSL 3.0).
    EC_KEY_EXPLICIT_PARAMS = 94, "Certificate public key has explicit ECC parameters";
    /// Raw public key untrusted, no trusted keys configured (95, OpenSSL 3.2).
    RPK_UNTRUSTED = 95, "Raw public key untrusted, no trusted keys configured";
    /// OCSP response(s) invalid (96, newer than OpenSSL 3.5).
    OCSP_RESP_INVALID = 96, "OCSP response(s) invalid";
    /// OCSP response signature verification failure (97, newer than OpenSSL 3.5).
    OCSP_SIGNATURE_FAILURE = 97, "OCSP response signature verification failure";
    /// OCSP response not yet valid (contains a date in the future) (98, newer than OpenSSL 3.5).
    OCSP_NOT_YET_VALID = 98, "OCSP response not yet valid (contains a date in the future)";
    /// OCSP response has expired (99, newer than OpenSSL 3.5).
    OCSP_HAS_EXPIRED = 99, "OCSP response has expired";
    /// No OCSP response available for certificate (100, newer than OpenSSL 3.5).
    OCSP_NO_RESPONSE = 100, "no OCSP response available for certificate";
    /// A CRL could not be verified (101, newer than OpenSSL 3.5).
    CRL_VERIFY_FAILED = 101, "unknown certificate verification error";
    /// Empty Authority Key Identifier (102, newer than OpenSSL 3.5).
    EMPTY_AUTHORITY_KEY_IDENTIFIER = 102, "Empty Authority Key Identifier";
    /// Authority Key Identifier issuer and serial number must be paired (103, newer than OpenSSL 3.5).
    AKID_ISSUER_SERIAL_NOT_PAIRED = 103, "Authority Key Identifier issuer and serial number must be paired";
}

impl VerifyCode {
    /// The code for a number of OpenSSL 1.1.1, which uses a few numbers for something else than 3.0 does.
    pub const fn from_openssl_1_1_1(number: i32) -> VerifyCode {
        match number {
            24 => VerifyCode::INVALID_CA,
            76 => VerifyCode::SIGNATURE_ALGORITHM_MISMATCH,
            77 => VerifyCode::NO_ISSUER_PUBLIC_KEY,
            78 => VerifyCode::UNSUPPORTED_SIGNATURE_ALGORITHM,
            79 => VerifyCode::EC_KEY_EXPLICIT_PARAMS,
            other => VerifyCode(other),
        }
    }

    /// The number of OpenSSL 3.0 and later.
    pub const fn number(self) -> i32 {
        self.0
    }

    /// Whether the chain is good.
    pub const fn is_ok(self) -> bool {
        self.0 == VerifyCode::OK.0
    }

    /// The name under which Node reports the verdict in `authorizationError` and `err.code`.
    ///
    /// Node knows 28 of the errors, the others are `UNSPECIFIED`; see [`symbol`](VerifyCode::symbol) for the
    /// exact one. A good chain, for which Node reports nothing, is `OK`.
    pub fn code(self) -> &'static str {
        match self {
            VerifyCode::OK
            | VerifyCode::UNABLE_TO_GET_ISSUER_CERT
            | VerifyCode::UNABLE_TO_GET_CRL
            | VerifyCode::UNABLE_TO_DECRYPT_CERT_SIGNATURE
            | VerifyCode::UNABLE_TO_DECRYPT_CRL_SIGNATURE
            | VerifyCode::UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY
            | VerifyCode::CERT_SIGNATURE_FAILURE
            | VerifyCode::CRL_SIGNATURE_FAILURE
            | VerifyCode::CERT_NOT_YET_VALID
            | VerifyCode::CERT_HAS_EXPIRED
            | VerifyCode::CRL_NOT_YET_VALID
            | VerifyCode::CRL_HAS_EXPIRED
            | VerifyCode::ERROR_IN_CERT_NOT_BEFORE_FIELD
            | VerifyCode::ERROR_IN_CERT_NOT_AFTER_FIELD
            | VerifyCode::ERROR_IN_CRL_LAST_UPDATE_FIELD
            | VerifyCode::ERROR_IN_CRL_NEXT_UPDATE_FIELD
            | VerifyCode::OUT_OF_MEM
            | VerifyCode::DEPTH_ZERO_SELF_SIGNED_CERT
            | VerifyCode::SELF_SIGNED_CERT_IN_CHAIN
            | VerifyCode::UNABLE_TO_GET_ISSUER_CERT_LOCALLY
            | VerifyCode::UNABLE_TO_VERIFY_LEAF_SIGNATURE
            | VerifyCode::CERT_CHAIN_TOO_LONG
            | VerifyCode::CERT_REVOKED
            | VerifyCode::INVALID_CA
            | VerifyCode::PATH_LENGTH_EXCEEDED
            | VerifyCode::INVALID_PURPOSE
            | VerifyCode::CERT_UNTRUSTED
            | VerifyCode::CERT_REJECTED
            | VerifyCode::HOSTNAME_MISMATCH => self.symbol().unwrap_or("UNSPECIFIED"),
            _ => "UNSPECIFIED",
        }
    }
}

impl fmt::Display for VerifyCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.text())
    }
}

/// So that a [`PeerVerifier`](crate::PeerVerifier) can answer with one.
impl std::error::Error for VerifyCode {}

impl fmt::Debug for VerifyCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyCode({} {})", self.0, self.symbol().unwrap_or("unnamed"))
    }
}

impl From<i32> for VerifyCode {
    fn from(number: i32) -> VerifyCode {
        VerifyCode(number)
    }
}

impl From<VerifyCode> for i32 {
    fn from(code: VerifyCode) -> i32 {
        code.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_every_number_once_and_in_order() {
        let numbers: Vec<i32> = VerifyCode::NAMED.iter().map(|c| c.number()).collect();
        assert_eq!(numbers, (0..=103).collect::<Vec<_>>());
    }

    #[test]
    fn node_has_28_names_and_calls_the_rest_unspecified() {
        let (named, rest): (Vec<_>, Vec<_>) =
            VerifyCode::NAMED.iter().filter(|c| !c.is_ok()).partition(|c| Some(c.code()) == c.symbol());
        // X509_V_ERR_UNSPECIFIED is the one code whose own name is the name of the rest.
        assert_eq!(named.iter().filter(|&&&c| c != VerifyCode::UNSPECIFIED).count(), 28);
        assert!(rest.iter().all(|c| c.code() == "UNSPECIFIED"));
        assert_eq!(VerifyCode::INVALID_CA.code(), "INVALID_CA");
        assert_eq!(VerifyCode::HOSTNAME_MISMATCH.code(), "HOSTNAME_MISMATCH");
        assert_eq!(VerifyCode::NO_ISSUER_PUBLIC_KEY.code(), "UNSPECIFIED");
        assert_eq!(VerifyCode::from(-1).code(), "UNSPECIFIED");
    }

    #[test]
    fn texts_and_symbols_are_openssls() {
        assert_eq!(VerifyCode::from(18).text(), "self-signed certificate");
        assert_eq!(VerifyCode::from(20).symbol(), Some("UNABLE_TO_GET_ISSUER_CERT_LOCALLY"));
        assert_eq!(VerifyCode::from(68).symbol(), Some("CA_MD_TOO_WEAK"));
        assert_eq!(VerifyCode::from(95).symbol(), Some("RPK_UNTRUSTED"));
        assert_eq!(VerifyCode::from(0).to_string(), "ok");
        assert!(VerifyCode::OK.is_ok() && !VerifyCode::from(1).is_ok());
    }

    #[test]
    fn an_unlisted_number_is_kept() {
        let code = VerifyCode::from(4711);
        assert_eq!((code.number(), code.symbol()), (4711, None));
        assert_eq!(
            format!("{code:?}: {code}"),
            "VerifyCode(4711 unnamed): unknown certificate verification error"
        );
    }

    #[test]
    fn numbers_of_1_1_1_become_those_of_3_0() {
        assert_eq!(VerifyCode::from_openssl_1_1_1(24), VerifyCode::INVALID_CA);
        assert_eq!(VerifyCode::from_openssl_1_1_1(77), VerifyCode::NO_ISSUER_PUBLIC_KEY);
        assert_eq!(VerifyCode::from_openssl_1_1_1(79), VerifyCode::EC_KEY_EXPLICIT_PARAMS);
        for number in (0..=75).filter(|&n| n != 24) {
            assert_eq!(VerifyCode::from_openssl_1_1_1(number), VerifyCode::from(number));
        }
    }
}
