//! The groups of RFC 7919 and RFC 3526, which have names.

use openssl::bn::{BigNum, BigNumRef};
use openssl::dh::Dh;
use openssl::error::ErrorStack;
use openssl::nid::Nid;
use openssl::pkey::Params;

use crate::sys::dh as sys;

/// A group whose prime is safe: p = 2q + 1 with q prime.
#[derive(Debug, Clone, Copy)]
pub(super) struct DhGroup {
    /// libcrypto's name.
    pub(super) name: &'static str,
    bits: i32,
    /// How long private keys need to be: RFC 7919 appendix A. For the primes of RFC 3526 what the same size has there, and
    /// 200 for the smallest; all as in libcrypto (crypto/ffc/ffc_dh.c).
    ///
    /// A shorter key is found in the square root of 2 to its length: 225 bits hold as long as a group of 2048 bits itself
    /// does. That is true of safe primes alone: other groups have small subgroups, which give a part of the key away.
    pub(super) private_bits: u16,
    prime: Prime,
}

/// Where the prime comes from.
#[derive(Debug, Clone, Copy)]
enum Prime {
    /// `DH_new_by_nid`. OpenSSL 1.1.1 knows those of RFC 7919 only.
    Nid(i32),
    /// A function of its own, everywhere.
    Rfc3526(fn() -> Result<BigNum, ErrorStack>),
}

const fn ffdhe(name: &'static str, bits: i32, private_bits: u16, nid: i32) -> DhGroup {
    DhGroup { name, bits, private_bits, prime: Prime::Nid(nid) }
}

const fn modp(
    name: &'static str,
    bits: i32,
    private_bits: u16,
    prime: fn() -> Result<BigNum, ErrorStack>,
) -> DhGroup {
    DhGroup { name, bits, private_bits, prime: Prime::Rfc3526(prime) }
}

/// All of them. The numbers are those of obj_mac.h.
pub(super) const GROUPS: [DhGroup; 11] = [
    ffdhe("ffdhe2048", 2048, 225, 1126),
    ffdhe("ffdhe3072", 3072, 275, 1127),
    ffdhe("ffdhe4096", 4096, 325, 1128),
    ffdhe("ffdhe6144", 6144, 375, 1129),
    ffdhe("ffdhe8192", 8192, 400, 1130),
    modp("modp_1536", 1536, 200, BigNum::get_rfc3526_prime_1536),
    modp("modp_2048", 2048, 225, BigNum::get_rfc3526_prime_2048),
    modp("modp_3072", 3072, 275, BigNum::get_rfc3526_prime_3072),
    modp("modp_4096", 4096, 325, BigNum::get_rfc3526_prime_4096),
    modp("modp_6144", 6144, 375, BigNum::get_rfc3526_prime_6144),
    modp("modp_8192", 8192, 400, BigNum::get_rfc3526_prime_8192),
];

impl DhGroup {
    /// The group of this name, in any case.
    pub(super) fn named(name: &str) -> Option<&'static DhGroup> {
        GROUPS.iter().find(|group| group.name.eq_ignore_ascii_case(name))
    }

    /// The group that parameters are of.
    pub(super) fn of(dh: &Dh<Params>) -> Result<Option<&'static DhGroup>, ErrorStack> {
        let two = BigNum::from_u32(2)?;
        if dh.generator() != &*two {
            return Ok(None);
        }
        for group in GROUPS.iter().filter(|group| group.bits == dh.prime_p().num_bits()) {
            if group.has_prime(dh.prime_p())? {
                return Ok(Some(group));
            }
        }
        Ok(None)
    }

    /// Its parameters.
    pub(super) fn parameters(&self) -> Result<Dh<Params>, ErrorStack> {
        match self.prime {
            Prime::Nid(nid) => sys::by_nid(Nid::from_raw(nid)),
            Prime::Rfc3526(prime) => Dh::from_pqg(prime()?, None, BigNum::from_u32(2)?),
        }
    }

    fn has_prime(&self, prime: &BigNumRef) -> Result<bool, ErrorStack> {
        Ok(self.parameters()?.prime_p() == prime)
    }
}
