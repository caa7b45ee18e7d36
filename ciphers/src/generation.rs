//! The generations of libssl whose cipher-string language differs.

use std::fmt;

/// A generation of libssl: versions that read a cipher string alike.
///
/// Which suites one build has is a separate matter, see [`Library`](crate::Library).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Generation {
    /// 1.1.1.
    V1_1_1,
    /// 3.0 and 3.1.
    V3_0,
    /// 3.2 to 3.6: standard names (`TLS_RSA_WITH_...`) are words, CCM8 is `MEDIUM`, RC4 counts 80 bits.
    ///
    /// Compared with 3.6; the versions between 3.0 and 3.5 are taken to be like it.
    V3_5,
    /// 4.0: case does not matter, `SSLv3` and `FIPS` are no longer words.
    V4_0,
}

impl Generation {
    /// All of them, oldest first.
    pub const ALL: [Generation; 4] = [Self::V1_1_1, Self::V3_0, Self::V3_5, Self::V4_0];

    /// The generation of a version number as `OpenSSL_version_num()` returns it, such as `0x3000_0130`.
    ///
    /// A version newer than 4.0 is taken for 4.0; one older than 1.1.1 is `None`.
    ///
    /// ```
    /// use patina_ciphers::Generation;
    /// assert_eq!(Generation::from_version_number(0x1010_117F), Some(Generation::V1_1_1));
    /// assert_eq!(Generation::from_version_number(0x3000_0130), Some(Generation::V3_0));
    /// assert_eq!(Generation::from_version_number(0x3060_0030), Some(Generation::V3_5));
    /// assert_eq!(Generation::from_version_number(0x1010_0000), None);
    /// ```
    ///
    /// # OpenSSL
    /// `OpenSSL_version_num(3)`.
    #[must_use]
    pub fn from_version_number(number: u64) -> Option<Self> {
        match number {
            0..0x1010_1000 => None,
            0x1010_1000..0x3000_0000 => Some(Self::V1_1_1),
            0x3000_0000..0x3020_0000 => Some(Self::V3_0),
            0x3020_0000..0x4000_0000 => Some(Self::V3_5),
            _ => Some(Self::V4_0),
        }
    }

    /// The name: `1.1.1`, `3.0`, `3.5` or `4.0`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::V1_1_1 => "1.1.1",
            Self::V3_0 => "3.0",
            Self::V3_5 => "3.5",
            Self::V4_0 => "4.0",
        }
    }

    /// The generation with this name; `3.6` is accepted for `3.5`, of which it is a part.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        if name == "3.6" {
            return Some(Self::V3_5);
        }
        Self::ALL.into_iter().find(|generation| generation.name() == name)
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
