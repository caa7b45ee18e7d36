//! The order of a chain.

use openssl::error::ErrorStack;
use openssl::x509::{X509, X509VerifyResult};

use crate::sys::queue;

/// Sorts a chain so that each certificate is issued by the next; what belongs to no place stays at the end, in
/// its order. Repetitions go.
pub(super) fn in_order(leaf: &X509, mut rest: Vec<X509>) -> Result<Vec<X509>, ErrorStack> {
    let mut known = vec![leaf.to_der()?];
    let mut encodings = rest.iter().map(|c| c.to_der()).collect::<Result<Vec<_>, _>>()?.into_iter();
    rest.retain(|_| match encodings.next() {
        Some(der) if !known.contains(&der) => {
            known.push(der);
            true
        }
        _ => false,
    });
    let mut ordered: Vec<X509> = Vec::with_capacity(rest.len());
    loop {
        let last = ordered.last().unwrap_or(leaf);
        let Some(place) = rest.iter().position(|issuer| issuer.issued(last) == X509VerifyResult::OK) else {
            break;
        };
        let issuer = rest.remove(place);
        ordered.push(issuer);
    }
    ordered.extend(rest);
    queue::clear();
    Ok(ordered)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(name: &str) -> X509 {
        let path = format!("{}/fixtures/pki/{name}.pem", env!("CARGO_MANIFEST_DIR"));
        X509::from_pem(&std::fs::read(path).unwrap()).unwrap()
    }

    fn sorted(leaf: &str, rest: &[&str]) -> Vec<Vec<u8>> {
        let rest = rest.iter().map(|name| certificate(name)).collect();
        in_order(&certificate(leaf), rest).unwrap().iter().map(|c| c.to_der().unwrap()).collect()
    }

    fn encodings(names: &[&str]) -> Vec<Vec<u8>> {
        names.iter().map(|name| certificate(name).to_der().unwrap()).collect()
    }

    #[test]
    fn each_certificate_is_issued_by_the_next() {
        let sorted = sorted("server-rsa-chain", &["root", "other-root", "intermediate", "root-ec"]);
        assert_eq!(sorted, encodings(&["intermediate", "root", "other-root", "root-ec"]));
    }

    #[test]
    fn repetitions_go_and_a_root_ends_the_chain() {
        assert_eq!(sorted("root", &["root", "root"]), encodings(&[]));
        assert_eq!(sorted("server-rsa", &["root", "server-rsa", "root"]), encodings(&["root"]));
    }
}
