//! The numbers of libssl that are values of the library's types.

use patina_tls::{Alert, SecureOptions, VerifyCode};

use super::defined;

/// The values that the library gives to names of libssl, with their checks: options with the version that has them first,
/// verdicts, alerts.
pub fn names() -> impl Iterator<Item = (String, String)> {
    let mut seen = SecureOptions::empty();
    let options = SecureOptions::names().filter(|(_, option)| option.bits().count_ones() == 1).map(move |(name, option)| {
        // Other names for the same bit come later, and not every version has them.
        let must = if seen.contains(option) { "0 && " } else { "" };
        seen |= option;
        let name = format!("SSL_OP_{name}");
        let since = hexadecimal(option.since().unwrap_or("1.1.1"));
        let text = format!(
            "#ifdef {name}\nstruct abi_constant_{name};\n_Static_assert({name} == {bits}ULL && OPENSSL_VERSION_NUMBER >= {since}, \
             \"{name} is not {bits:#x}, or is older than {since}\");\n#elif {must}OPENSSL_VERSION_NUMBER >= {since}\n_Static_assert(0, \
             \"{name} is not in this version\");\n#endif\n",
            bits = option.bits(),
        );
        (name, text)
    });
    let verdicts = VerifyCode::NAMED.iter().filter(|code| !code.is_ok()).filter_map(|code| {
        let name = format!("X509_V_ERR_{}", code.symbol()?);
        let old = (0..=79).find(|old| VerifyCode::from_openssl_1_1_1(*old) == *code).unwrap_or(-1);
        let text = format!(
            "#ifdef {name}\nstruct abi_constant_{name};\n_Static_assert({name} == (OPENSSL_VERSION_NUMBER >= 0x30000000L ? {new} : \
             {old}), \"{name} is not {new}\");\n#endif\n",
            new = code.number(),
        );
        Some((name, text))
    });
    let alerts = Alert::NAMED.iter().filter_map(|alert| {
        // OpenSSL spells this one in another way than RFC 8446.
        let name = format!(
            "SSL_AD_{}",
            alert.name()?.to_ascii_uppercase().replace("USER_CANCELED", "USER_CANCELLED")
        );
        let text = defined(&name, &alert.code().to_string(), &name, false);
        Some((name, text))
    });
    options.chain(verdicts).chain(alerts)
}

/// `3.2` -> `0x30200000L`.
fn hexadecimal(version: &str) -> String {
    let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let (major, minor) = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    format!("{:#x}L", major << 28 | minor << 20)
}
