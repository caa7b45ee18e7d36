//! What the integration tests share.

pub(crate) mod fixtures;
#[cfg(any(feature = "cli", feature = "redis"))]
pub(crate) mod folder;
pub(crate) mod libssl;
pub(crate) mod ocsp;
pub(crate) mod own_openssl;
pub(crate) mod pair;
#[cfg(feature = "cli")]
pub(crate) mod program;
#[cfg(feature = "redis")]
pub(crate) mod redis;
#[cfg(feature = "cli")]
pub(crate) mod s_client;
pub(crate) mod script;
pub(crate) mod sides;
pub(crate) mod waker;
pub(crate) mod wire;

/// How many random cases a property is tried with: `PATINA_SCRIPTS`, else `PROPTEST_CASES`, else `otherwise`.
#[allow(dead_code, reason = "each test program uses some of these")]
pub(crate) fn cases(otherwise: u32) -> u32 {
    let set = |name| std::env::var(name).ok().and_then(|count| count.parse().ok());
    set("PATINA_SCRIPTS").or_else(|| set("PROPTEST_CASES")).unwrap_or(otherwise)
}
