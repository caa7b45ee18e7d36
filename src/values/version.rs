//! Protocol versions and ranges of them.

use std::fmt;
use std::ops::{RangeFrom, RangeFull, RangeInclusive, RangeToInclusive};
use std::str::FromStr;

use super::error::{Error, ErrorKind};

/// A version of the SSL/TLS protocol.
///
/// Versions are ordered by age: `SSLv3 < TLSv1_0 < ... < TLSv1_3`. Which of them can be used depends on the
/// libssl in use and on the security level: TLS 1.0 and 1.1 need `@SECLEVEL=0` in the cipher list from
/// OpenSSL 3.0 on, and SSL 3.0 needs a libssl that was built with it.
///
/// # Examples
///
/// ```
/// use patina_tls::ProtocolVersion;
///
/// # fn main() -> Result<(), patina_tls::Error> {
/// let version: ProtocolVersion = "TLSv1.2".parse()?;
/// assert_eq!(version, ProtocolVersion::TLSv1_2);
/// assert_eq!(version.code(), 0x0303);
/// assert_eq!(ProtocolVersion::TLSv1_0.to_string(), "TLSv1");
/// # Ok(())
/// # }
/// ```
#[allow(non_camel_case_types)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ProtocolVersion {
    /// SSL 3.0 (RFC 6101). Broken (POODLE) and forbidden by RFC 7568; for machines that know nothing else.
    SSLv3,
    /// TLS 1.0 (RFC 2246), forbidden by RFC 8996; for old machines only.
    TLSv1_0,
    /// TLS 1.1 (RFC 4346), forbidden by RFC 8996; for old machines only.
    TLSv1_1,
    /// TLS 1.2 (RFC 5246).
    TLSv1_2,
    /// TLS 1.3 (RFC 8446).
    TLSv1_3,
}

impl ProtocolVersion {
    /// Every version, the oldest first.
    pub const ALL: &'static [ProtocolVersion] = &[
        ProtocolVersion::SSLv3,
        ProtocolVersion::TLSv1_0,
        ProtocolVersion::TLSv1_1,
        ProtocolVersion::TLSv1_2,
        ProtocolVersion::TLSv1_3,
    ];

    /// The number on the wire: 0x0300 for SSL 3.0 up to 0x0304 for TLS 1.3.
    pub const fn code(self) -> u16 {
        match self {
            ProtocolVersion::SSLv3 => 0x0300,
            ProtocolVersion::TLSv1_0 => 0x0301,
            ProtocolVersion::TLSv1_1 => 0x0302,
            ProtocolVersion::TLSv1_2 => 0x0303,
            ProtocolVersion::TLSv1_3 => 0x0304,
        }
    }

    /// The version with this number on the wire, or `None` for any other number (DTLS, drafts, GREASE).
    pub const fn from_code(code: u16) -> Option<ProtocolVersion> {
        match code {
            0x0300 => Some(ProtocolVersion::SSLv3),
            0x0301 => Some(ProtocolVersion::TLSv1_0),
            0x0302 => Some(ProtocolVersion::TLSv1_1),
            0x0303 => Some(ProtocolVersion::TLSv1_2),
            0x0304 => Some(ProtocolVersion::TLSv1_3),
            _ => None,
        }
    }

    /// The name that libssl and Node print: `SSLv3`, `TLSv1`, `TLSv1.1`, `TLSv1.2` or `TLSv1.3`.
    ///
    /// # OpenSSL
    ///
    /// `SSL_get_version`.
    pub const fn name(self) -> &'static str {
        match self {
            ProtocolVersion::SSLv3 => "SSLv3",
            ProtocolVersion::TLSv1_0 => "TLSv1",
            ProtocolVersion::TLSv1_1 => "TLSv1.1",
            ProtocolVersion::TLSv1_2 => "TLSv1.2",
            ProtocolVersion::TLSv1_3 => "TLSv1.3",
        }
    }
}

impl fmt::Display for ProtocolVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for ProtocolVersion {
    type Err = Error;

    /// Reads one of the names that [`name`](ProtocolVersion::name) gives, or `TLSv1.0`, in any case.
    ///
    /// # Errors
    ///
    /// Any other text is [`ErrorKind::Config`] with the code `ERR_TLS_INVALID_PROTOCOL_VERSION`.
    fn from_str(text: &str) -> Result<ProtocolVersion, Error> {
        if text.eq_ignore_ascii_case("TLSv1.0") {
            return Ok(ProtocolVersion::TLSv1_0);
        }
        let known = ProtocolVersion::ALL.iter().find(|v| text.eq_ignore_ascii_case(v.name()));
        known.copied().ok_or_else(|| {
            let message = format!(
                "{text:?} is not a protocol version; the names are SSLv3, TLSv1 (or TLSv1.0), TLSv1.1, TLSv1.2 \
                 and TLSv1.3"
            );
            Error::new(ErrorKind::Config, message).with_code("ERR_TLS_INVALID_PROTOCOL_VERSION")
        })
    }
}

/// The protocol versions from a lowest to a highest one, each of which may be left open.
///
/// Made from Rust's ranges or from one version. An open end leaves libssl's own bound. A reversed range, such
/// as `TLSv1_3..=TLSv1_0`, can be made and [is empty](VersionRange::is_empty); a configuration with it fails
/// to build.
///
/// # Examples
///
/// ```
/// use patina_tls::{ProtocolVersion, VersionRange};
///
/// let range: VersionRange = (ProtocolVersion::TLSv1_0..=ProtocolVersion::TLSv1_2).into();
/// assert!(range.contains(ProtocolVersion::TLSv1_1));
/// assert_eq!(range.to_string(), "TLSv1..=TLSv1.2");
///
/// let only = VersionRange::from(ProtocolVersion::TLSv1_2);
/// assert_eq!((only.min(), only.max()), (Some(ProtocolVersion::TLSv1_2), Some(ProtocolVersion::TLSv1_2)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct VersionRange {
    min: Option<ProtocolVersion>,
    max: Option<ProtocolVersion>,
}

impl VersionRange {
    /// The range between two bounds; `None` leaves an end open.
    pub const fn new(min: Option<ProtocolVersion>, max: Option<ProtocolVersion>) -> VersionRange {
        VersionRange { min, max }
    }

    /// The lowest version, or `None` for the lowest that libssl allows.
    pub const fn min(self) -> Option<ProtocolVersion> {
        self.min
    }

    /// The highest version, or `None` for the highest that libssl has.
    pub const fn max(self) -> Option<ProtocolVersion> {
        self.max
    }

    /// Whether the version lies between the bounds.
    pub fn contains(self, version: ProtocolVersion) -> bool {
        self.min.is_none_or(|min| min <= version) && self.max.is_none_or(|max| version <= max)
    }

    /// Whether the lowest version is above the highest, so that nothing is left.
    pub fn is_empty(self) -> bool {
        matches!((self.min, self.max), (Some(min), Some(max)) if min > max)
    }
}

impl fmt::Display for VersionRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.min, self.max) {
            (Some(min), Some(max)) if min == max => write!(f, "{min}"),
            (Some(min), Some(max)) => write!(f, "{min}..={max}"),
            (Some(min), None) => write!(f, "{min}.."),
            (None, Some(max)) => write!(f, "..={max}"),
            (None, None) => f.write_str(".."),
        }
    }
}

impl From<RangeInclusive<ProtocolVersion>> for VersionRange {
    fn from(range: RangeInclusive<ProtocolVersion>) -> VersionRange {
        VersionRange::new(Some(*range.start()), Some(*range.end()))
    }
}

impl From<RangeFrom<ProtocolVersion>> for VersionRange {
    fn from(range: RangeFrom<ProtocolVersion>) -> VersionRange {
        VersionRange::new(Some(range.start), None)
    }
}

impl From<RangeToInclusive<ProtocolVersion>> for VersionRange {
    fn from(range: RangeToInclusive<ProtocolVersion>) -> VersionRange {
        VersionRange::new(None, Some(range.end))
    }
}

impl From<RangeFull> for VersionRange {
    fn from(_: RangeFull) -> VersionRange {
        VersionRange::default()
    }
}

impl From<ProtocolVersion> for VersionRange {
    /// Exactly this version.
    fn from(version: ProtocolVersion) -> VersionRange {
        VersionRange::new(Some(version), Some(version))
    }
}

#[cfg(test)]
mod tests {
    use super::ProtocolVersion::{SSLv3, TLSv1_0, TLSv1_1, TLSv1_2, TLSv1_3};
    use super::*;

    #[test]
    fn codes_and_names_lead_back_to_the_version() {
        for &version in ProtocolVersion::ALL {
            assert_eq!(ProtocolVersion::from_code(version.code()), Some(version));
            assert_eq!(version.to_string().parse::<ProtocolVersion>().unwrap(), version);
        }
        assert_eq!(ProtocolVersion::from_code(0x0305), None);
        assert_eq!(ProtocolVersion::from_code(0xfefd), None, "DTLS 1.2 is not a version of TLS");
        assert!(ProtocolVersion::ALL.windows(2).all(|w| w[0] < w[1] && w[0].code() + 1 == w[1].code()));
    }

    #[test]
    fn names_are_read_in_any_case_and_with_the_long_name_of_tls_1_0() {
        assert_eq!("tlsV1.0".parse::<ProtocolVersion>().unwrap(), TLSv1_0);
        assert_eq!("TLSV1".parse::<ProtocolVersion>().unwrap(), TLSv1_0);
        assert_eq!("sslv3".parse::<ProtocolVersion>().unwrap(), SSLv3);
    }

    #[test]
    fn an_unknown_name_is_named_in_the_error_with_those_that_are_known() {
        for text in ["", "TLS1.2", "TLSv1.4", " TLSv1.2", "TLSv1_2"] {
            let error = text.parse::<ProtocolVersion>().unwrap_err();
            assert_eq!((error.kind(), error.code()), (ErrorKind::Config, "ERR_TLS_INVALID_PROTOCOL_VERSION"));
            assert_eq!(error.option(), None, "the option is the caller's to name");
            assert!(error.message().contains(&format!("{text:?}")), "{error}");
            for version in ProtocolVersion::ALL {
                assert!(error.message().contains(version.name()), "{error}");
            }
        }
    }

    #[test]
    fn every_kind_of_range_keeps_its_bounds() {
        let bounds = |range: VersionRange| (range.min(), range.max(), range.to_string());
        assert_eq!(
            bounds((TLSv1_0..=TLSv1_2).into()),
            (Some(TLSv1_0), Some(TLSv1_2), "TLSv1..=TLSv1.2".to_owned())
        );
        assert_eq!(bounds((TLSv1_2..).into()), (Some(TLSv1_2), None, "TLSv1.2..".to_owned()));
        assert_eq!(bounds((..=TLSv1_1).into()), (None, Some(TLSv1_1), "..=TLSv1.1".to_owned()));
        assert_eq!(bounds((..).into()), (None, None, "..".to_owned()));
        assert_eq!(bounds(TLSv1_3.into()), (Some(TLSv1_3), Some(TLSv1_3), "TLSv1.3".to_owned()));
    }

    #[test]
    fn a_range_contains_both_its_ends_and_nothing_outside() {
        let range = VersionRange::from(TLSv1_1..=TLSv1_2);
        let inside: Vec<_> = ProtocolVersion::ALL.iter().copied().filter(|&v| range.contains(v)).collect();
        assert_eq!(inside, [TLSv1_1, TLSv1_2]);
        assert!(ProtocolVersion::ALL.iter().all(|&v| VersionRange::from(..).contains(v)));
        assert!(!VersionRange::from(TLSv1_2..).contains(TLSv1_1));
        assert!(!VersionRange::from(..=TLSv1_2).contains(TLSv1_3));
    }

    #[test]
    fn a_reversed_range_is_kept_and_is_empty() {
        let range = VersionRange::from(TLSv1_3..=TLSv1_0);
        assert!(range.is_empty());
        assert_eq!((range.min(), range.max()), (Some(TLSv1_3), Some(TLSv1_0)));
        assert!(ProtocolVersion::ALL.iter().all(|&v| !range.contains(v)));
        assert!(!VersionRange::from(TLSv1_3).is_empty());
        assert!(!VersionRange::from(..).is_empty());
    }
}
