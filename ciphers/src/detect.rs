//! Finding out what a libssl has by the answers that it gives.

use std::collections::HashSet;

use crate::library::{Disabled, Library};
use crate::suite::{Authentication, BuildOption, Encryption, KeyExchange, Mac};

/// A word that libssl knows exactly when one of the bits of one mask is enabled.
const PROBES: &[(&str, Mask, u32)] = &[
    ("kRSA", Mask::Kx, KeyExchange::Rsa.bit()),
    ("kDHE", Mask::Kx, KeyExchange::Dhe.bit()),
    ("kECDHE", Mask::Kx, KeyExchange::Ecdhe.bit()),
    ("kPSK", Mask::Kx, KeyExchange::Psk.bit()),
    ("kRSAPSK", Mask::Kx, KeyExchange::RsaPsk.bit()),
    ("kECDHEPSK", Mask::Kx, KeyExchange::EcdhePsk.bit()),
    ("kDHEPSK", Mask::Kx, KeyExchange::DhePsk.bit()),
    ("kSRP", Mask::Kx, KeyExchange::Srp.bit()),
    ("kGOST", Mask::Kx, KeyExchange::Gost.bit()),
    ("kGOST18", Mask::Kx, KeyExchange::Gost18.bit()),
    ("aRSA", Mask::Auth, Authentication::Rsa.bit()),
    ("aDSS", Mask::Auth, Authentication::Dss.bit()),
    ("aNULL", Mask::Auth, Authentication::Null.bit()),
    ("aECDSA", Mask::Auth, Authentication::Ecdsa.bit()),
    ("aPSK", Mask::Auth, Authentication::Psk.bit()),
    ("aGOST01", Mask::Auth, Authentication::Gost01.bit()),
    ("aGOST12", Mask::Auth, Authentication::Gost12.bit()),
    ("aSRP", Mask::Auth, Authentication::Srp.bit()),
    ("3DES", Mask::Enc, Encryption::TripleDes.bit()),
    ("RC4", Mask::Enc, Encryption::Rc4.bit()),
    ("RC2", Mask::Enc, Encryption::Rc2.bit()),
    ("IDEA", Mask::Enc, Encryption::Idea.bit()),
    ("SEED", Mask::Enc, Encryption::Seed.bit()),
    ("eNULL", Mask::Enc, Encryption::Null.bit()),
    ("CAMELLIA128", Mask::Enc, Encryption::Camellia128.bit()),
    ("CAMELLIA256", Mask::Enc, Encryption::Camellia256.bit()),
    ("CHACHA20", Mask::Enc, Encryption::ChaCha20.bit()),
    ("ARIA128", Mask::Enc, Encryption::Aria128Gcm.bit()),
    ("ARIA256", Mask::Enc, Encryption::Aria256Gcm.bit()),
    (
        "GOST",
        Mask::Enc,
        Encryption::Gost89.bit()
            | Encryption::Gost8912.bit()
            | Encryption::Magma.bit()
            | Encryption::Kuznyechik.bit(),
    ),
    ("MD5", Mask::Mac, Mac::Md5.bit()),
    ("SHA1", Mask::Mac, Mac::Sha1.bit()),
    ("GOST94", Mask::Mac, Mac::Gost94.bit()),
    ("GOST89MAC", Mask::Mac, Mac::Gost89Mac.bit() | Mac::Gost89Mac12.bit()),
    ("SHA256", Mask::Mac, Mac::Sha256.bit()),
    ("SHA384", Mask::Mac, Mac::Sha384.bit()),
    ("GOST12", Mask::Mac, Mac::Gost12_256.bit()),
];

/// AES has words for pairs of ciphers only, so the suites of the complete list say which of them are there.
const BY_SUITE: &[Encryption] = &[
    Encryption::Aes128,
    Encryption::Aes256,
    Encryption::Aes128Gcm,
    Encryption::Aes256Gcm,
    Encryption::Aes128Ccm,
    Encryption::Aes256Ccm,
    Encryption::Aes128Ccm8,
    Encryption::Aes256Ccm8,
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mask {
    Kx,
    Auth,
    Enc,
    Mac,
}

/// Fills in what the library has.
pub(crate) fn detect(library: &mut Library, mut ask: impl FnMut(&str) -> Option<Vec<String>>) {
    let names: HashSet<String> = ask("ALL:COMPLEMENTOFALL").unwrap_or_default().into_iter().collect();
    let generation = library.generation();
    let listed = |suite: &crate::Suite| names.contains(suite.openssl_name_in(generation));

    let mut disabled = Disabled::default();
    for (word, mask, bits) in PROBES {
        // Where the word is known, "!ALL" and its twin kill everything and libssl refuses; where it is not, they are part
        // of what an unknown word swallows.
        if ask(&format!("{word}!ALL!COMPLEMENTOFALL:ALL:COMPLEMENTOFALL")).is_some() {
            *match mask {
                Mask::Kx => &mut disabled.kx,
                Mask::Auth => &mut disabled.auth,
                Mask::Enc => &mut disabled.enc,
                Mask::Mac => &mut disabled.mac,
            } |= bits;
        }
    }
    for encryption in BY_SUITE {
        if !crate::suites().iter().any(|suite| suite.encryption() == *encryption && listed(suite)) {
            disabled.enc |= encryption.bit();
        }
    }
    // Single DES has no suite; it goes where RC2 goes, into the legacy provider.
    if disabled.enc & Encryption::Rc2.bit() != 0 {
        disabled.enc |= Encryption::Des.bit();
    }
    // A list below TLS 1.3 says nothing of TLS 1.3's suites: they are taken to follow their ciphers, and those without
    // encryption to be there when the others without encryption are. A suite whose algorithms are disabled may still be in
    // libssl's table, where the list of TLS 1.3 suites finds it.
    let null = names.contains("NULL-SHA256");
    let weak = names.contains("DES-CBC3-SHA");
    library.set_contents(disabled, |suite| {
        if suite.is_tls13() {
            suite.encryption() == Encryption::Null && !null
        } else {
            !listed(suite)
                && (!disabled.covers(suite) || (suite.option == Some(BuildOption::WeakSslCiphers) && !weak))
        }
    });
}
