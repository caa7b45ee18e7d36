//! The words of the language: suite names, and aliases for groups of suites.

use std::collections::HashMap;
use std::sync::OnceLock;

use crate::generation::Generation;
use crate::suite::{Authentication, Encryption, KeyExchange, Mac, Protocol, StrengthClass, Suite};
use crate::table::SUITES;

/// The bit that libssl keeps beside the strength classes for the word `FIPS`.
pub(crate) const FIPS: u32 = 0x10;
/// The bit for `COMPLEMENTOFDEFAULT`.
pub(crate) const NOT_DEFAULT: u32 = 0x20;
/// The strength classes and [`FIPS`].
pub(crate) const STRONG_MASK: u32 = 0x1F;

/// What a suite must have to be meant: one bit of each mask that is not zero (`ssl_cipher_apply_rule`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Criteria {
    pub(crate) id: Option<u16>,
    pub(crate) kx: u32,
    pub(crate) auth: u32,
    pub(crate) enc: u32,
    pub(crate) mac: u32,
    pub(crate) first: Option<Protocol>,
    pub(crate) strength: u32,
}

impl Criteria {
    /// What the name of a suite means.
    pub(crate) fn of(suite: &Suite, generation: Generation) -> Self {
        Self {
            id: Some(suite.id),
            kx: suite.kx.bit(),
            auth: suite.auth.bit(),
            enc: suite.enc.bit(),
            mac: suite.mac.bit(),
            first: None,
            strength: strength(suite, generation),
        }
    }

    /// Whether the suite is meant.
    pub(crate) fn matches(&self, suite: &Suite, generation: Generation) -> bool {
        let any_of = |wanted: u32, has: u32| wanted == 0 || wanted & has != 0;
        self.id.is_none_or(|id| id == suite.id)
            && any_of(self.kx, suite.kx.bit())
            && any_of(self.auth, suite.auth.bit())
            && any_of(self.enc, suite.enc.bit())
            && any_of(self.mac, suite.mac.bit())
            && self.first.is_none_or(|first| first == suite.protocols.0)
            && (self.strength == 0 || {
                let has = strength(suite, generation);
                any_of(self.strength & STRONG_MASK, has) && any_of(self.strength & NOT_DEFAULT, has)
            })
    }

    /// Adds the next word of a conjunction; `None` when no suite can be both.
    ///
    /// This follows `ssl_cipher_process_rulestr` to the letter, its oddities too: only the last word's own name counts
    /// (`id`), and a strength class drops a `COMPLEMENTOFDEFAULT` that stood before it.
    pub(crate) fn and(mut self, word: &Criteria) -> Option<Self> {
        for (mine, theirs) in [
            (&mut self.kx, word.kx),
            (&mut self.auth, word.auth),
            (&mut self.enc, word.enc),
            (&mut self.mac, word.mac),
        ] {
            if theirs != 0 {
                if *mine == 0 {
                    *mine = theirs;
                } else {
                    *mine &= theirs;
                    if *mine == 0 {
                        return None;
                    }
                }
            }
        }
        let strong = word.strength & STRONG_MASK;
        if strong != 0 {
            if self.strength & STRONG_MASK != 0 {
                self.strength &= strong | !STRONG_MASK;
                if self.strength & STRONG_MASK == 0 {
                    return None;
                }
            } else {
                self.strength = strong;
            }
        }
        self.strength |= word.strength & NOT_DEFAULT;
        self.id = word.id;
        if word.id.is_none() && word.first.is_some() {
            if self.first.is_some_and(|first| Some(first) != word.first) {
                return None;
            }
            self.first = word.first;
        }
        Some(self)
    }
}

/// libssl's `algo_strength` of a suite.
fn strength(suite: &Suite, generation: Generation) -> u32 {
    suite.class_in(generation).bit()
        | if suite.is_fips_in(generation) { FIPS } else { 0 }
        | if suite.default { 0 } else { NOT_DEFAULT }
}

/// A word for a group of suites.
#[derive(Debug)]
pub(crate) struct Alias {
    pub(crate) name: &'static str,
    pub(crate) criteria: Criteria,
    generations: (Generation, Generation),
}

impl Alias {
    pub(crate) fn is_in(&self, generation: Generation) -> bool {
        self.generations.0 <= generation && generation <= self.generations.1
    }
}

const NONE: Criteria = Criteria { id: None, kx: 0, auth: 0, enc: 0, mac: 0, first: None, strength: 0 };
const ALWAYS: (Generation, Generation) = (Generation::V1_1_1, Generation::V4_0);
const SINCE_3_0: (Generation, Generation) = (Generation::V3_0, Generation::V4_0);
const UNTIL_3_6: (Generation, Generation) = (Generation::V1_1_1, Generation::V3_5);

const PSK: u32 = KeyExchange::Psk.bit()
    | KeyExchange::RsaPsk.bit()
    | KeyExchange::EcdhePsk.bit()
    | KeyExchange::DhePsk.bit();
pub(crate) const AES_GCM: u32 = Encryption::Aes128Gcm.bit() | Encryption::Aes256Gcm.bit();
const AES_CCM_8: u32 = Encryption::Aes128Ccm8.bit() | Encryption::Aes256Ccm8.bit();
const AES_CCM: u32 = Encryption::Aes128Ccm.bit() | Encryption::Aes256Ccm.bit() | AES_CCM_8;
pub(crate) const AES: u32 = Encryption::Aes128.bit() | Encryption::Aes256.bit() | AES_GCM | AES_CCM;
const AES_128: u32 = Encryption::Aes128.bit()
    | Encryption::Aes128Gcm.bit()
    | Encryption::Aes128Ccm.bit()
    | Encryption::Aes128Ccm8.bit();
const AES_256: u32 = Encryption::Aes256.bit()
    | Encryption::Aes256Gcm.bit()
    | Encryption::Aes256Ccm.bit()
    | Encryption::Aes256Ccm8.bit();
const CAMELLIA: u32 = Encryption::Camellia128.bit() | Encryption::Camellia256.bit();
const ARIA: u32 = Encryption::Aria128Gcm.bit() | Encryption::Aria256Gcm.bit();
const GOST_ENC_1_1_1: u32 = Encryption::Gost89.bit() | Encryption::Gost8912.bit();
const GOST_ENC: u32 = GOST_ENC_1_1_1 | Encryption::Magma.bit() | Encryption::Kuznyechik.bit();
const CBC: u32 = Encryption::Des.bit()
    | Encryption::TripleDes.bit()
    | Encryption::Rc2.bit()
    | Encryption::Idea.bit()
    | Encryption::Aes128.bit()
    | Encryption::Aes256.bit()
    | CAMELLIA
    | Encryption::Seed.bit();
const NOT_ANONYMOUS: u32 = !Authentication::Null.bit();
const ENCRYPTED: u32 = !Encryption::Null.bit();

const fn kx(name: &'static str, kx: u32) -> Alias {
    Alias { name, criteria: Criteria { kx, ..NONE }, generations: ALWAYS }
}

const fn auth(name: &'static str, auth: u32) -> Alias {
    Alias { name, criteria: Criteria { auth, ..NONE }, generations: ALWAYS }
}

const fn both(name: &'static str, kx: u32, auth: u32) -> Alias {
    Alias { name, criteria: Criteria { kx, auth, ..NONE }, generations: ALWAYS }
}

const fn enc(name: &'static str, enc: u32) -> Alias {
    Alias { name, criteria: Criteria { enc, ..NONE }, generations: ALWAYS }
}

const fn mac(name: &'static str, mac: u32) -> Alias {
    Alias { name, criteria: Criteria { mac, ..NONE }, generations: ALWAYS }
}

const fn first(name: &'static str, first: Protocol) -> Alias {
    Alias { name, criteria: Criteria { first: Some(first), ..NONE }, generations: ALWAYS }
}

const fn class(name: &'static str, strength: u32) -> Alias {
    Alias { name, criteria: Criteria { strength, ..NONE }, generations: ALWAYS }
}

const fn only(generations: (Generation, Generation), alias: Alias) -> Alias {
    Alias { generations, ..alias }
}

/// The old names of two 3DES suites, which stand for their parts and not for the suite's number.
const fn old_name(
    name: &'static str,
    auth: Authentication,
    strength: u32,
    generations: (Generation, Generation),
) -> Alias {
    Alias {
        name,
        criteria: Criteria {
            kx: KeyExchange::Dhe.bit(),
            auth: auth.bit(),
            enc: Encryption::TripleDes.bit(),
            mac: Mac::Sha1.bit(),
            strength,
            ..NONE
        },
        generations,
    }
}

/// `cipher_aliases[]` of `ssl/ssl_ciph.c`.
pub(crate) static ALIASES: &[Alias] = &[
    enc("ALL", ENCRYPTED),
    enc("COMPLEMENTOFALL", Encryption::Null.bit()),
    class("COMPLEMENTOFDEFAULT", NOT_DEFAULT),
    kx("kRSA", KeyExchange::Rsa.bit()),
    kx("kEDH", KeyExchange::Dhe.bit()),
    kx("kDHE", KeyExchange::Dhe.bit()),
    kx("DH", KeyExchange::Dhe.bit()),
    kx("kEECDH", KeyExchange::Ecdhe.bit()),
    kx("kECDHE", KeyExchange::Ecdhe.bit()),
    kx("ECDH", KeyExchange::Ecdhe.bit()),
    kx("kPSK", KeyExchange::Psk.bit()),
    kx("kRSAPSK", KeyExchange::RsaPsk.bit()),
    kx("kECDHEPSK", KeyExchange::EcdhePsk.bit()),
    kx("kDHEPSK", KeyExchange::DhePsk.bit()),
    kx("kSRP", KeyExchange::Srp.bit()),
    kx("kGOST", KeyExchange::Gost.bit()),
    only(SINCE_3_0, kx("kGOST18", KeyExchange::Gost18.bit())),
    auth("aRSA", Authentication::Rsa.bit()),
    auth("aDSS", Authentication::Dss.bit()),
    auth("DSS", Authentication::Dss.bit()),
    auth("aNULL", Authentication::Null.bit()),
    auth("aECDSA", Authentication::Ecdsa.bit()),
    auth("ECDSA", Authentication::Ecdsa.bit()),
    auth("aPSK", Authentication::Psk.bit()),
    auth("aGOST01", Authentication::Gost01.bit()),
    auth("aGOST12", Authentication::Gost12.bit()),
    auth("aGOST", Authentication::AnyGost.bit()),
    auth("aSRP", Authentication::Srp.bit()),
    both("EDH", KeyExchange::Dhe.bit(), NOT_ANONYMOUS),
    both("DHE", KeyExchange::Dhe.bit(), NOT_ANONYMOUS),
    both("EECDH", KeyExchange::Ecdhe.bit(), NOT_ANONYMOUS),
    both("ECDHE", KeyExchange::Ecdhe.bit(), NOT_ANONYMOUS),
    enc("NULL", Encryption::Null.bit()),
    both("RSA", KeyExchange::Rsa.bit(), Authentication::Rsa.bit()),
    both("ADH", KeyExchange::Dhe.bit(), Authentication::Null.bit()),
    both("AECDH", KeyExchange::Ecdhe.bit(), Authentication::Null.bit()),
    kx("PSK", PSK),
    kx("SRP", KeyExchange::Srp.bit()),
    enc("3DES", Encryption::TripleDes.bit()),
    enc("RC4", Encryption::Rc4.bit()),
    enc("RC2", Encryption::Rc2.bit()),
    enc("IDEA", Encryption::Idea.bit()),
    enc("SEED", Encryption::Seed.bit()),
    enc("eNULL", Encryption::Null.bit()),
    only((Generation::V1_1_1, Generation::V1_1_1), enc("GOST", GOST_ENC_1_1_1)),
    only(SINCE_3_0, enc("GOST", GOST_ENC)),
    enc("AES128", AES_128),
    enc("AES256", AES_256),
    enc("AES", AES),
    enc("AESGCM", AES_GCM),
    enc("AESCCM", AES_CCM),
    enc("AESCCM8", AES_CCM_8),
    enc("CAMELLIA128", Encryption::Camellia128.bit()),
    enc("CAMELLIA256", Encryption::Camellia256.bit()),
    enc("CAMELLIA", CAMELLIA),
    enc("CHACHA20", Encryption::ChaCha20.bit()),
    only(SINCE_3_0, enc("GOST2012-GOST8912-GOST8912", Encryption::Gost8912.bit())),
    enc("ARIA", ARIA),
    enc("ARIAGCM", ARIA),
    enc("ARIA128", Encryption::Aria128Gcm.bit()),
    enc("ARIA256", Encryption::Aria256Gcm.bit()),
    only(SINCE_3_0, enc("CBC", CBC)),
    mac("MD5", Mac::Md5.bit()),
    mac("SHA1", Mac::Sha1.bit()),
    mac("SHA", Mac::Sha1.bit()),
    mac("GOST94", Mac::Gost94.bit()),
    mac("GOST89MAC", Mac::Gost89Mac.bit() | Mac::Gost89Mac12.bit()),
    mac("SHA256", Mac::Sha256.bit()),
    mac("SHA384", Mac::Sha384.bit()),
    mac("GOST12", Mac::Gost12_256.bit()),
    only(UNTIL_3_6, first("SSLv3", Protocol::SSLv3)),
    first("TLSv1", Protocol::TLSv1_0),
    first("TLSv1.0", Protocol::TLSv1_0),
    first("TLSv1.2", Protocol::TLSv1_2),
    class("LOW", StrengthClass::Low.bit()),
    class("MEDIUM", StrengthClass::Medium.bit()),
    class("HIGH", StrengthClass::High.bit()),
    only(
        UNTIL_3_6,
        Alias {
            name: "FIPS",
            criteria: Criteria { enc: ENCRYPTED, strength: FIPS, ..NONE },
            generations: ALWAYS,
        },
    ),
    old_name("EDH-DSS-DES-CBC3-SHA", Authentication::Dss, StrengthClass::High.bit() | FIPS, UNTIL_3_6),
    old_name("EDH-RSA-DES-CBC3-SHA", Authentication::Rsa, StrengthClass::High.bit() | FIPS, UNTIL_3_6),
    old_name(
        "EDH-DSS-DES-CBC3-SHA",
        Authentication::Dss,
        StrengthClass::High.bit(),
        (Generation::V4_0, Generation::V4_0),
    ),
    old_name(
        "EDH-RSA-DES-CBC3-SHA",
        Authentication::Rsa,
        StrengthClass::High.bit(),
        (Generation::V4_0, Generation::V4_0),
    ),
];

/// What a word stands for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Entry {
    /// A suite, by its place in the table.
    Suite(u8),
    /// A group.
    Alias(&'static Alias),
}

/// The words of one generation.
pub(crate) struct Vocabulary {
    generation: Generation,
    entries: HashMap<Box<str>, Entry>,
}

impl Vocabulary {
    /// The words that this generation can know; whether one build does is for its `Library` to say.
    pub(crate) fn of(generation: Generation) -> &'static Self {
        static ALL: [OnceLock<Vocabulary>; 4] = [const { OnceLock::new() }; 4];
        ALL[generation as usize].get_or_init(|| Self::new(generation))
    }

    fn new(generation: Generation) -> Self {
        let mut entries = HashMap::new();
        let mut add = |name: &'static str, entry| {
            // The first of two equal names wins, as in libssl's linear search; a unit test says that there are none.
            entries.entry(fold(name, generation)).or_insert(entry);
        };
        for (index, suite) in SUITES.iter().enumerate() {
            if suite.since > generation || suite.is_tls13() {
                continue;
            }
            let entry = Entry::Suite(index as u8);
            add(suite.openssl_name_in(generation), entry);
            if let Some(iana) = libssl_standard_name(suite, generation) {
                add(iana, entry);
            }
        }
        for alias in ALIASES.iter().filter(|alias| alias.is_in(generation)) {
            add(alias.name, Entry::Alias(alias));
        }
        Self { generation, entries }
    }

    /// What the word stands for in this generation.
    pub(crate) fn get(&self, word: &str) -> Option<Entry> {
        if self.generation < Generation::V4_0 {
            self.entries.get(word).copied()
        } else {
            self.entries.get(&*fold(word, self.generation)).copied()
        }
    }
}

/// The standard name where libssl accepts it as a word.
pub(crate) fn libssl_standard_name(suite: &Suite, generation: Generation) -> Option<&'static str> {
    // The table has IANA's names for the three GOST suites of RFC 9189; libssl's own has none there.
    if generation < Generation::V3_5 || (0xC100..=0xC102).contains(&suite.id) { None } else { suite.iana }
}

/// 4.0 compares without regard to case.
fn fold(word: &str, generation: Generation) -> Box<str> {
    if generation < Generation::V4_0 { word.into() } else { word.to_ascii_lowercase().into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_words_of_a_generation_are_alike() {
        for generation in Generation::ALL {
            let mut expected = ALIASES.iter().filter(|alias| alias.is_in(generation)).count();
            for suite in SUITES.iter().filter(|suite| suite.since <= generation && !suite.is_tls13()) {
                expected += 1 + usize::from(libssl_standard_name(suite, generation).is_some());
            }
            assert_eq!(Vocabulary::of(generation).entries.len(), expected, "{generation}");
        }
    }

    #[test]
    fn a_strength_class_drops_the_complement_before_it() {
        let complement = Criteria { strength: NOT_DEFAULT, ..NONE };
        let high = Criteria { strength: StrengthClass::High.bit(), ..NONE };
        assert_eq!(complement.and(&high), Some(high));
        assert_eq!(high.and(&complement).map(|both| both.strength), Some(high.strength | NOT_DEFAULT));
    }
}
