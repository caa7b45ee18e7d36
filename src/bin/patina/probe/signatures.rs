//! The algorithms that a server signs handshakes with.

use patina_tls::{ClientConfig, ProtocolVersion};

use super::dialer::Dialer;
use crate::failure::Report;

/// IANA's numbers and names, which libssl takes; later ones are for TLS 1.3 alone.
const ALGORITHMS: &[(u16, &str)] = &[
    (0x0403, "ecdsa_secp256r1_sha256"),
    (0x0503, "ecdsa_secp384r1_sha384"),
    (0x0603, "ecdsa_secp521r1_sha512"),
    (0x0807, "ed25519"),
    (0x0808, "ed448"),
    (0x0804, "rsa_pss_rsae_sha256"),
    (0x0805, "rsa_pss_rsae_sha384"),
    (0x0806, "rsa_pss_rsae_sha512"),
    (0x0809, "rsa_pss_pss_sha256"),
    (0x080a, "rsa_pss_pss_sha384"),
    (0x080b, "rsa_pss_pss_sha512"),
    (0x0401, "rsa_pkcs1_sha256"),
    (0x0501, "rsa_pkcs1_sha384"),
    (0x0601, "rsa_pkcs1_sha512"),
    (0x0301, "rsa_pkcs1_sha224"),
    (0x0303, "ecdsa_sha224"),
    (0x0201, "rsa_pkcs1_sha1"),
    (0x0203, "ecdsa_sha1"),
    (0x0202, "dsa_sha1"),
    (0x0302, "dsa_sha224"),
    (0x0402, "dsa_sha256"),
    (0x0904, "mldsa44"),
    (0x0905, "mldsa65"),
    (0x0906, "mldsa87"),
];

/// Asks for each algorithm alone.
///
/// # Errors
/// A server that stops answering.
pub(super) async fn explore(dialer: &Dialer, version: ProtocolVersion) -> Result<Vec<&'static str>, Report> {
    let mut found = Vec::new();
    for (id, name) in ALGORITHMS.iter().filter(|(id, _)| is_for(*id, version)) {
        dialer.progress.asking("signatures");
        let builder = dialer.builder(version).sigalgs(*name);
        let builder = match version {
            ProtocolVersion::TLSv1_3 => builder,
            // With static RSA nothing is signed.
            _ => builder.cipher_list("kECDHE:kDHE:!aNULL:@SECLEVEL=0"),
        };
        let Ok(config) = builder.build() else { continue };
        if takes(dialer, version, &config, *id).await? {
            found.push(*name);
        }
    }
    dialer.progress.answered();
    Ok(found)
}

async fn takes(
    dialer: &Dialer,
    version: ProtocolVersion,
    config: &ClientConfig,
    id: u16,
) -> Result<bool, Report> {
    let attempt = dialer.attempt(config).await?;
    let takes = match version {
        // The signature is encrypted, and libssl has looked at it.
        ProtocolVersion::TLSv1_3 => attempt.outcome.is_ok(),
        _ => attempt.flight.exchange.and_then(|exchange| exchange.signature) == Some(id),
    };
    attempt.close().await;
    Ok(takes)
}

/// TLS 1.3 has no PKCS#1, DSA, SHA-224 and SHA-1 in handshakes (RFC 8446 section 4.2.3); ML-DSA is for it alone.
fn is_for(id: u16, version: ProtocolVersion) -> bool {
    let (hash, scheme) = (id >> 8, id & 0xff);
    match version {
        ProtocolVersion::TLSv1_3 => hash >= 8 || (scheme == 3 && hash >= 4),
        _ => hash <= 8,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_version_has_its_algorithms() {
        let of =
            |version| ALGORITHMS.iter().filter(move |(id, _)| is_for(*id, version)).map(|(_, name)| *name);
        let newest: Vec<_> = of(ProtocolVersion::TLSv1_3).collect();
        assert_eq!(newest.len(), 14, "{newest:?}");
        assert!(newest.iter().all(|name| !name.contains("pkcs1") && !name.ends_with("sha1")));
        assert!(of(ProtocolVersion::TLSv1_2).all(|name| !name.starts_with("mldsa")));
    }
}
