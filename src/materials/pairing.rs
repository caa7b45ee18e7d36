//! Certificates and private keys that are given apart, paired by their kind.

use openssl::pkey::{Id, PKey, Private};
use openssl::x509::X509;

use super::identity::{Identity, OPTION, failed};
use super::pem::{self, Block};
use super::pkcs12;
use super::private_key;
use super::public_key::PublicKeyType;
use crate::sys::{pem as reader, queue};
use crate::values::error::Error;
use crate::values::secret::Secret;

/// Collects certificates and keys as an `SSL_CTX` does: one place for each kind of key, the later replaces the earlier.
#[derive(Default)]
pub(crate) struct Pairing {
    places: Vec<Place>,
}

struct Place {
    kind: Id,
    chain: Option<(X509, Vec<X509>)>,
    key: Option<PKey<Private>>,
}

impl Pairing {
    /// Adds the certificate at the head of a PEM text, with the others of the text as its chain.
    pub(crate) fn add_certificates(&mut self, text: &[u8]) -> Result<(), Error> {
        queue::clear();
        let blocks = blocks(text)?;
        let read = |block: &Block<'_>| {
            reader::certificate(block.text)
                .map_err(|e| failed(&e).context(format_args!("PEM block {} is no certificate", block.number)))
        };
        let mut found =
            blocks.iter().filter(|block| block.is_certificate()).map(read).collect::<Result<Vec<_>, _>>()?;
        if found.is_empty() {
            let error = Error::config(OPTION, "there is no certificate in the PEM text");
            return Err(error.with_code("ERR_OSSL_PEM_NO_START_LINE"));
        }
        let leaf = found.remove(0);
        self.put_chain(leaf, found)
    }

    /// Adds the first private key of a PEM text.
    ///
    /// It must be the key of the certificate that is in its place, if there is one.
    pub(crate) fn add_key(&mut self, text: &[u8], passphrase: Option<&Secret>) -> Result<(), Error> {
        let key = private_key::from_pem(&blocks(text)?, passphrase)?;
        let place = self.place(key.id());
        if let Some((leaf, _)) = &place.chain {
            check_pair(leaf, &key)?;
        }
        place.key = Some(key);
        Ok(())
    }

    /// Adds key and certificates of a PKCS#12 archive; the answer is its chain.
    pub(crate) fn add_archive(&mut self, der: &[u8], passphrase: &Secret) -> Result<Vec<X509>, Error> {
        let (leaf, key, chain) = pkcs12::read(der, passphrase)?;
        check_pair(&leaf, &key)?;
        self.put_chain(leaf, chain.clone())?;
        let kind = key.id();
        self.place(kind).key = Some(key);
        Ok(chain)
    }

    /// What is complete, and what is to be said about the rest.
    pub(crate) fn finish(&self) -> Result<(Vec<Identity>, Vec<String>), Error> {
        let (mut identities, mut notes) = (Vec::new(), Vec::new());
        for place in &self.places {
            match (&place.chain, &place.key) {
                (Some((leaf, chain)), Some(key)) => {
                    identities.push(Identity::from_openssl(leaf.clone(), key.clone(), chain.clone())?);
                }
                (Some((leaf, _)), None) => {
                    let kind = PublicKeyType::of(leaf);
                    notes.push(format!("a certificate of kind {kind:?} has no private key and is not used"));
                }
                (None, Some(key)) => {
                    notes.push(format!(
                        "a private key of {} bits has no certificate and is not used",
                        key.bits()
                    ));
                }
                (None, None) => {}
            }
        }
        Ok((identities, notes))
    }

    fn put_chain(&mut self, leaf: X509, chain: Vec<X509>) -> Result<(), Error> {
        let public = leaf.public_key().map_err(|e| failed(&e).context("the certificate's key"))?;
        let place = self.place(public.id());
        // libssl drops a key that the new certificate is not for.
        place.key.take_if(|key| !public.public_eq(key));
        place.chain = Some((leaf, chain));
        queue::clear();
        Ok(())
    }

    fn place(&mut self, kind: Id) -> &mut Place {
        let index = self.places.iter().position(|place| place.kind == kind).unwrap_or_else(|| {
            self.places.push(Place { kind, chain: None, key: None });
            self.places.len() - 1
        });
        &mut self.places[index]
    }
}

/// Reads the certificates at the head of a PEM text, up to the first block that cannot be read: Node's way with `ca`.
///
/// Beside the certificates, the number of the block that ended the reading.
pub(crate) fn certificates_until_unreadable(text: &[u8]) -> (Vec<X509>, Option<usize>) {
    let mut found = Vec::new();
    let (blocks, unfinished) = match pem::blocks(text) {
        Ok(blocks) => (blocks, None),
        // What stands before the block that does not end is complete.
        Err(number) => {
            let end = nth_begin(text, number);
            (pem::blocks(&text[..end]).unwrap_or_default(), Some(number))
        }
    };
    for block in blocks.iter().filter(|block| block.is_certificate()) {
        match reader::certificate(block.text) {
            Ok(certificate) => found.push(certificate),
            Err(_) => {
                queue::clear();
                return (found, Some(block.number));
            }
        }
    }
    (found, unfinished)
}

/// Where the `number`th block begins, counted from 1.
fn nth_begin(text: &[u8], number: usize) -> usize {
    let marker = b"-----BEGIN ";
    let mut begins = text.windows(marker.len()).enumerate().filter(|(_, window)| window == marker);
    begins.nth(number - 1).map_or(text.len(), |(at, _)| at)
}

fn blocks(text: &[u8]) -> Result<Vec<Block<'_>>, Error> {
    pem::blocks(text).map_err(|number| pem::unterminated(OPTION, number))
}

fn check_pair(leaf: &X509, key: &PKey<Private>) -> Result<(), Error> {
    let public = leaf.public_key().map_err(|e| failed(&e).context("the certificate's key"))?;
    let matches = public.id() == key.id() && public.public_eq(key);
    queue::clear();
    if matches {
        return Ok(());
    }
    let error = Error::config(OPTION, "key values mismatch: the private key is not the certificate's");
    Err(error.with_code("ERR_OSSL_X509_KEY_VALUES_MISMATCH"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(name: &str) -> Vec<u8> {
        std::fs::read(format!("{}/fixtures/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
    }

    #[test]
    fn keys_find_the_certificate_of_their_kind_in_any_order() {
        let mut pairing = Pairing::default();
        pairing.add_certificates(&text("pki/server-rsa.pem")).unwrap();
        pairing.add_certificates(&text("pki/server-p384-chain.pem")).unwrap();
        pairing.add_key(&text("pki/server-p384.key"), None).unwrap();
        pairing.add_key(&text("pki/server-rsa.key"), None).unwrap();
        let (identities, notes) = pairing.finish().unwrap();
        let kinds: Vec<_> = identities.iter().map(Identity::key_type).collect();
        assert_eq!(kinds, [PublicKeyType::Rsa, PublicKeyType::Ec]);
        assert_eq!(identities[1].chain().len(), 1, "the text's other certificate is the chain");
        assert_eq!(notes, Vec::<String>::new());
    }

    #[test]
    fn a_key_of_another_certificate_is_refused_and_one_of_another_kind_waits() {
        let mut pairing = Pairing::default();
        pairing.add_certificates(&text("pki/server-rsa.pem")).unwrap();
        let error = pairing.add_key(&text("pki/other.key"), None).unwrap_err();
        assert_eq!(error.code(), "ERR_OSSL_X509_KEY_VALUES_MISMATCH");
        pairing.add_key(&text("pki/server-ed25519.key"), None).unwrap();
        let (identities, notes) = pairing.finish().unwrap();
        assert!(identities.is_empty());
        assert_eq!(notes.len(), 2, "{notes:?}");
    }

    #[test]
    fn a_later_certificate_of_a_kind_drops_the_key_of_the_earlier() {
        let mut pairing = Pairing::default();
        pairing.add_certificates(&text("pki/server-rsa.pem")).unwrap();
        pairing.add_key(&text("pki/server-rsa.key"), None).unwrap();
        pairing.add_certificates(&text("pki/other.pem")).unwrap();
        assert!(pairing.finish().unwrap().0.is_empty());
    }

    #[test]
    fn reading_stops_at_the_first_block_that_is_no_certificate() {
        let mut all = text("pki/root.pem");
        all.extend(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
        all.extend(text("pki/other-root.pem"));
        let (found, stopped) = certificates_until_unreadable(&all);
        assert_eq!((found.len(), stopped), (1, Some(2)));

        let mut cut = text("pki/root.pem");
        cut.extend(b"-----BEGIN CERTIFICATE-----\nAAAA\n");
        let (found, stopped) = certificates_until_unreadable(&cut);
        assert_eq!((found.len(), stopped), (1, Some(2)));
        assert_eq!(certificates_until_unreadable(b"no PEM").1, None);
    }
}
