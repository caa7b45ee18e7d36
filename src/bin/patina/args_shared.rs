//! The options that `serve` and `connect` share: those of Node's `createSecureContext`, and more.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use patina_tls::{CertificateCompression, ProtocolVersion};

/// `yes` or `no`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum YesNo {
    Yes,
    No,
}

/// How much of a chain is looked up in the revocation lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum CrlScope {
    /// The peer's own certificate
    Leaf,
    /// Every certificate of the chain
    Chain,
}

/// A label, a length and a context of keying material.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Export {
    pub(crate) label: String,
    pub(crate) length: usize,
    pub(crate) context: Option<Vec<u8>>,
}

/// Algorithms, perhaps none of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Compressions(pub(crate) Vec<CertificateCompression>);

#[derive(Debug, Args)]
pub(crate) struct SharedArgs {
    /// Certificate with its chain (PEM), or a URI such as pkcs11:...; repeat it for several identities. It may hold the
    /// key, too
    #[arg(long, value_name = "FILE|URI", help_heading = "Identity")]
    pub(crate) cert: Vec<String>,
    /// Private key (PEM), or its URI, of the certificate in the same place of the order [default: where --cert is]
    #[arg(long, value_name = "FILE|URI", help_heading = "Identity")]
    pub(crate) key: Vec<String>,
    /// Certificate, chain and key as PKCS#12; repeats
    #[arg(long, value_name = "FILE", help_heading = "Identity")]
    pub(crate) pfx: Vec<PathBuf>,
    /// Passphrase of encrypted keys and PKCS#12 files, or PIN of a token [default: empty]
    #[arg(long, value_name = "TEXT", help_heading = "Identity")]
    pub(crate) passphrase: Option<String>,
    /// Engine that has the private key of --cert; engines are obsolete, and gone from OpenSSL 4.0 [default: none]
    #[arg(
        long,
        value_name = "ID",
        requires = "private_key_identifier",
        requires = "cert",
        conflicts_with = "key",
        help_heading = "Identity"
    )]
    pub(crate) private_key_engine: Option<String>,
    /// The key's name in the engine
    #[arg(long, value_name = "ID", requires = "private_key_engine", help_heading = "Identity")]
    pub(crate) private_key_identifier: Option<String>,
    /// Provider to load beside the default one, such as legacy or pkcs11; repeats [default: none]
    #[arg(long, value_name = "NAME", help_heading = "Identity")]
    pub(crate) provider: Vec<String>,

    /// Pre-shared key in hexadecimal digits; for TLS 1.3 its hash may follow, ":sha256" or ":sha384" [default: none;
    /// sha256]. Repeats: connect offers the one that the server's hint names, else the first. Other users of this machine
    /// can see it: --psk-file is better
    #[arg(long, value_name = "IDENTITY:HEX", help_heading = "Pre-shared keys")]
    pub(crate) psk: Vec<String>,
    /// Pre-shared keys, one IDENTITY:HEX a line; repeats [default: none]
    #[arg(long, value_name = "FILE", help_heading = "Pre-shared keys")]
    pub(crate) psk_file: Vec<PathBuf>,

    /// Certificates of trusted authorities (PEM); repeats [default: connect trusts the system's, serve nobody]
    #[arg(long, value_name = "FILE", help_heading = "Trust")]
    pub(crate) ca: Vec<PathBuf>,
    /// Trust the system's authorities, also beside --ca
    #[arg(long, help_heading = "Trust")]
    pub(crate) system_ca: bool,
    /// Trust Mozilla's authorities, which are compiled in, also beside --ca
    #[arg(long, help_heading = "Trust")]
    pub(crate) mozilla_ca: bool,
    /// Certificate revocation lists (PEM); repeats [default: none]
    #[arg(long, value_name = "FILE", help_heading = "Trust")]
    pub(crate) crl: Vec<PathBuf>,
    /// What the revocation lists are asked about [default: chain, once there is a --crl]
    #[arg(long, value_name = "SCOPE", requires = "crl", help_heading = "Trust")]
    pub(crate) crl_check: Option<CrlScope>,

    /// Cipher suites in OpenSSL's cipher-string language; names of TLS 1.3 suites may be mixed in [default: libssl's]
    #[arg(long, value_name = "STRING", help_heading = "Protocol")]
    pub(crate) ciphers: Option<String>,
    /// Cipher suites of TLS 1.3, joined by colons [default: libssl's]
    #[arg(long, value_name = "STRING", help_heading = "Protocol")]
    pub(crate) ciphersuites: Option<String>,
    /// Lowest version: SSLv3, TLSv1, TLSv1.1, TLSv1.2 or TLSv1.3 [default: TLSv1.2]
    #[arg(long, value_name = "VERSION", help_heading = "Protocol")]
    pub(crate) min_version: Option<ProtocolVersion>,
    /// Highest version: SSLv3, TLSv1, TLSv1.1, TLSv1.2 or TLSv1.3 [default: TLSv1.3]
    #[arg(long, value_name = "VERSION", help_heading = "Protocol")]
    pub(crate) max_version: Option<ProtocolVersion>,
    /// Versions by the name of one of OpenSSL's methods, such as TLSv1_2_method; not together with --min-version or
    /// --max-version [default: none]
    #[arg(long, value_name = "NAME", help_heading = "Protocol")]
    pub(crate) secure_protocol: Option<String>,
    /// Options of libssl: names with or without SSL_OP_, numbers, 0x numbers, joined by "," or "|" [default: none]
    #[arg(long, value_name = "LIST", help_heading = "Protocol")]
    pub(crate) secure_options: Vec<String>,
    /// Security level, 0 (everything goes) to 5 [default: libssl's]
    #[arg(long, value_name = "LEVEL", value_parser = clap::value_parser!(u8).range(0..=5), help_heading = "Protocol")]
    pub(crate) security_level: Option<u8>,
    /// Groups of the key exchange, joined by colons, such as X25519:P-256 [default: libssl's]
    #[arg(long, alias = "ecdh-curve", value_name = "LIST", help_heading = "Protocol")]
    pub(crate) groups: Option<String>,
    /// Signature algorithms, joined by colons, such as ECDSA+SHA256:rsa_pss_rsae_sha256 [default: libssl's]
    #[arg(long, value_name = "LIST", help_heading = "Protocol")]
    pub(crate) sigalgs: Option<String>,
    /// Signature algorithms of client certificates [default: as --sigalgs]
    #[arg(long, value_name = "LIST", help_heading = "Protocol")]
    pub(crate) client_sigalgs: Option<String>,
    /// Application protocols, the preferred first [default: none; serve --mode http: http/1.1]
    #[arg(long, value_name = "NAME,NAME", value_delimiter = ',', help_heading = "Protocol")]
    pub(crate) alpn: Vec<String>,
    /// Application protocols as they were agreed on before ALPN, up to TLS 1.2; the client chooses the first of its own
    /// that the server has, or else its first [default: none]
    #[arg(long, value_name = "NAME,NAME", value_delimiter = ',', help_heading = "Protocol")]
    pub(crate) npn: Vec<String>,
    /// Compress certificates (TLS 1.3) with zlib, brotli or zstd, the preferred first, or with "none" [default: libssl's;
    /// serve sends none]
    #[arg(long, value_name = "NAME,NAME", value_parser = parse_compressions, help_heading = "Protocol")]
    pub(crate) cert_compression: Option<Compressions>,
    /// How long a session can be resumed, in seconds [default: 7200]
    #[arg(long, value_name = "SECONDS", help_heading = "Protocol")]
    pub(crate) session_timeout: Option<u64>,
    /// Largest plaintext of a record, 512 to 16384 bytes [default: 16384]
    #[arg(long, value_name = "BYTES", help_heading = "Protocol")]
    pub(crate) max_send_fragment: Option<usize>,

    /// Append the connections' secrets to a file, for Wireshark; with --json they are also printed as events
    /// [default: none]
    #[arg(long, value_name = "FILE", help_heading = "Report")]
    pub(crate) keylog: Option<PathBuf>,
    /// Describe every protocol message on stderr
    #[arg(long, help_heading = "Report")]
    pub(crate) trace: bool,
    /// Derive keying material (RFC 5705) and report it; repeats [default: none]
    #[arg(long, value_name = "LABEL:LENGTH[:CONTEXTHEX]", value_parser = parse_export, help_heading = "Report")]
    pub(crate) export: Vec<Export>,
    /// Print one JSON object a line on stdout, and nothing else there [default: text]
    #[arg(long, help_heading = "Report")]
    pub(crate) json: bool,
    /// How often the peer may renegotiate within the window; 0 is --no-renegotiation
    #[arg(long, value_name = "N", default_value_t = 3, help_heading = "Sessions")]
    pub(crate) reneg_limit: u32,
    /// The window of --reneg-limit, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 600, help_heading = "Sessions")]
    pub(crate) reneg_window: u64,
    /// Refuse every renegotiation that the peer begins
    #[arg(long, help_heading = "Sessions")]
    pub(crate) no_renegotiation: bool,
    /// Renegotiate N times once the handshake is over (up to TLS 1.2)
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = "Sessions")]
    pub(crate) renegotiate: u32,
    /// Change the keys N times once the handshake is over (TLS 1.3)
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = "Sessions")]
    pub(crate) key_update: u32,
    /// How long a handshake may take, in milliseconds [default: 120000]
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..), help_heading = "Protocol")]
    pub(crate) handshake_timeout: Option<u64>,
    /// Options of Node's tls module as a JSON object, with Node's defaults; flags win over it [default: none]
    #[arg(long, value_name = "FILE", help_heading = "Protocol")]
    pub(crate) options: Option<PathBuf>,
}

fn parse_export(text: &str) -> Result<Export, String> {
    let form = || "the form is LABEL:LENGTH or LABEL:LENGTH:CONTEXTHEX".to_owned();
    let mut parts = text.split(':');
    let (Some(label), Some(length), context, None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(form());
    };
    let length = length.parse().ok().filter(|length| (1..=65_535).contains(length));
    let length = length.ok_or_else(|| format!("{}; LENGTH is 1 to 65535 bytes", form()))?;
    let context =
        context.map(|hex| unhex(hex).ok_or_else(|| format!("{hex:?} is not hexadecimal"))).transpose()?;
    Ok(Export { label: label.to_owned(), length, context })
}

fn parse_compressions(text: &str) -> Result<Compressions, String> {
    if text.eq_ignore_ascii_case("none") {
        return Ok(Compressions(Vec::new()));
    }
    let names = text.split(',').map(|name| name.trim().parse());
    names.collect::<Result<_, patina_tls::Error>>().map(Compressions).map_err(|e| e.message().to_owned())
}

/// The bytes of hexadecimal text.
fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> =
        text.chars().map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0)?;
    Some(digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn algorithms_are_a_list_of_names_or_none() {
        use CertificateCompression as C;
        let list = |text| parse_compressions(text).map(|list| list.0);
        assert_eq!(list("zlib"), Ok(vec![C::Zlib]));
        assert_eq!(list("Brotli, zlib,zstd"), Ok(vec![C::Brotli, C::Zlib, C::Zstd]));
        assert_eq!(list("none"), Ok(vec![]));
        for (bad, shown) in
            [("", "\"\""), ("zlib,", "\"\""), ("zlib,gzip", "\"gzip\""), ("none,zlib", "\"none\"")]
        {
            assert!(list(bad).unwrap_err().starts_with(shown), "{bad}");
        }
    }

    #[test]
    fn an_export_has_a_label_a_length_and_perhaps_a_context() {
        let plain = parse_export("EXPORTER-a:32").unwrap();
        assert_eq!((plain.label.as_str(), plain.length, plain.context), ("EXPORTER-a", 32, None));
        assert_eq!(parse_export("a:1:").unwrap().context, Some(vec![]), "an empty context is a context");
        assert_eq!(parse_export("a:1:00fF").unwrap().context, Some(vec![0, 255]));
        for bad in ["", "a", "a:", "a:0", "a:x", "a:65536", "a:1:0", "a:1:zz", "a:1:00:1"] {
            assert!(parse_export(bad).is_err(), "{bad}");
        }
    }
}
