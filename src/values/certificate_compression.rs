//! The algorithms that certificates are compressed with.

use std::fmt;
use std::str::FromStr;

use super::error::Error;

/// An algorithm for the compression of certificates (RFC 8879), with its number there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u16)]
#[non_exhaustive]
pub enum CertificateCompression {
    /// zlib (RFC 1950).
    Zlib = 0x0001,
    /// Brotli (RFC 7932).
    Brotli = 0x0002,
    /// Zstandard (RFC 8878).
    Zstd = 0x0003,
}

impl CertificateCompression {
    /// All of them, by their numbers.
    pub const ALL: &'static [CertificateCompression] =
        &[CertificateCompression::Zlib, CertificateCompression::Brotli, CertificateCompression::Zstd];

    /// The name: `zlib`, `brotli` or `zstd`.
    pub const fn name(self) -> &'static str {
        match self {
            CertificateCompression::Zlib => "zlib",
            CertificateCompression::Brotli => "brotli",
            CertificateCompression::Zstd => "zstd",
        }
    }

    /// The number on the wire (RFC 8879 section 7.3).
    pub const fn number(self) -> u16 {
        self as u16
    }
}

impl fmt::Display for CertificateCompression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for CertificateCompression {
    type Err = Error;

    /// Reads one of the names that [`name`](CertificateCompression::name) gives, in any case.
    ///
    /// # Errors
    ///
    /// Any other text is [`ErrorKind::Config`](crate::ErrorKind::Config) with the option `certificate_compression`.
    fn from_str(text: &str) -> Result<CertificateCompression, Error> {
        let known = CertificateCompression::ALL.iter().find(|it| text.eq_ignore_ascii_case(it.name()));
        known.copied().ok_or_else(|| {
            let message = format!("{text:?} compresses no certificates; the names are zlib, brotli and zstd");
            Error::config("certificate_compression", message)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values::error::ErrorKind;

    #[test]
    fn names_are_read_back_in_any_case_and_numbers_are_those_of_the_rfc() {
        let numbers: Vec<u16> = CertificateCompression::ALL.iter().map(|it| it.number()).collect();
        assert_eq!(numbers, [1, 2, 3]);
        for algorithm in CertificateCompression::ALL {
            assert_eq!(algorithm.to_string().parse::<CertificateCompression>().unwrap(), *algorithm);
            let loud = algorithm.name().to_uppercase();
            assert_eq!(loud.parse::<CertificateCompression>().unwrap(), *algorithm);
        }
    }

    #[test]
    fn another_name_is_told_with_those_that_there_are() {
        for text in ["", "gzip", "zlib ", "zlib,zstd", "1"] {
            let error = text.parse::<CertificateCompression>().unwrap_err();
            assert_eq!(
                (error.kind(), error.option()),
                (ErrorKind::Config, Some("certificate_compression")),
                "{text}"
            );
            assert!(error.message().ends_with("the names are zlib, brotli and zstd"), "{error}");
        }
    }
}
