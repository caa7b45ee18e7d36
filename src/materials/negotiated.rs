//! What two sides agreed on, and who the peer is.

use std::fmt;
use std::sync::Arc;

use openssl::nid::Nid;
use openssl::pkey::{Id, PKey, Public};
use openssl::ssl::{NameType, SslCipherRef, SslRef, SslVersion};

use super::certificate::Certificate;
use super::session::Session;
use super::verify::Verdict;
use crate::sys::queue::stack_error;
use crate::sys::{compat, early_data, npn, ssl as sys};
use crate::values::early_data::EarlyDataStatus;
use crate::values::error::{Error, ErrorKind};
use crate::values::verify_code::VerifyCode;
use crate::values::version::ProtocolVersion;

/// A view of the facts of an established connection: what Node's `TLSSocket` can be asked.
///
/// It is cheap: each answer is read from libssl when it is asked for, so that after a renegotiation it is that of the
/// newest handshake.
///
/// # Examples
///
/// ```no_run
/// # async fn example(tls: patina_tls::TlsStream<tokio::net::TcpStream>) {
/// let facts = tls.negotiated();
/// println!("{} {}", facts.version(), facts.cipher_suite());
/// # }
/// ```
pub struct Negotiated<'a> {
    ssl: &'a SslRef,
    facts: Facts,
}

/// What the connection knows and libssl does not.
#[derive(Debug, Clone, Default)]
pub(crate) struct Facts {
    pub(crate) server_name: Option<String>,
    pub(crate) verdict: Verdict,
    /// The identity of the key of TLS 1.3.
    pub(crate) psk_identity: Option<Arc<[u8]>>,
    /// How many handshakes have followed the first one.
    pub(crate) renegotiations: u64,
}

/// A cipher suite: Node's `getCipher()`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct CipherSuite {
    #[cfg_attr(feature = "serde", serde(skip))]
    id: u16,
    name: &'static str,
    standard_name: &'static str,
    version: &'static str,
    #[cfg_attr(feature = "serde", serde(skip))]
    bits: u32,
}

impl CipherSuite {
    pub(crate) fn of(cipher: &SslCipherRef) -> CipherSuite {
        CipherSuite {
            id: u16::from_be_bytes(cipher.protocol_id()),
            name: cipher.name(),
            standard_name: cipher.standard_name().unwrap_or(cipher.name()),
            version: cipher.version(),
            bits: cipher.bits().secret.unsigned_abs(),
        }
    }

    /// The number that IANA gave it.
    pub const fn id(&self) -> u16 {
        self.id
    }

    /// OpenSSL's name, such as `ECDHE-RSA-AES128-GCM-SHA256`.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// IANA's name, such as `TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256`.
    pub const fn standard_name(&self) -> &'static str {
        self.standard_name
    }

    /// The lowest protocol version that the suite is for, such as `TLSv1.2`, `TLSv1.0` or `SSLv3`.
    pub const fn version(&self) -> &'static str {
        self.version
    }

    /// The strength of its encryption, in bits.
    pub const fn bits(&self) -> u32 {
        self.bits
    }
}

impl fmt::Display for CipherSuite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// The one-time key of a key exchange: Node's `getEphemeralKeyInfo()`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct EphemeralKey {
    #[cfg_attr(feature = "serde", serde(rename = "type"))]
    kind: &'static str,
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    name: Option<String>,
    size: u32,
}

impl EphemeralKey {
    /// `DH` or `ECDH`, as in Node, or `KEM` for ML-KEM, alone or with an elliptic curve.
    pub const fn kind(&self) -> &'static str {
        self.kind
    }

    /// The group, such as `prime256v1` or `X25519`; none for `DH`.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The size in bits: 253 for X25519, as libssl counts. For `KEM` the number in the name of ML-KEM, such as 768.
    pub const fn size(&self) -> u32 {
        self.size
    }

    fn of(key: &PKey<Public>) -> Option<EphemeralKey> {
        let id = key.id();
        let kind = match id {
            Id::DH | Id::DHX => "DH",
            Id::EC | Id::X25519 | Id::X448 => "ECDH",
            _ => return None,
        };
        let name = match id {
            Id::EC => key
                .ec_key()
                .ok()
                .and_then(|key| key.group().curve_name())
                .and_then(|nid| nid.short_name().ok()),
            Id::X25519 => Some("X25519"),
            Id::X448 => Some("X448"),
            _ => None,
        };
        Some(EphemeralKey { kind, name: name.map(str::to_owned), size: key.bits() })
    }

    /// That of a group with ML-KEM, such as `X25519MLKEM768`.
    fn encapsulated(group: String) -> Option<EphemeralKey> {
        let size = group.rsplit_once("MLKEM")?.1.parse().ok()?;
        Some(EphemeralKey { kind: "KEM", name: Some(group), size })
    }
}

impl<'a> Negotiated<'a> {
    pub(crate) fn new(ssl: &'a SslRef, facts: Facts) -> Negotiated<'a> {
        Negotiated { ssl, facts }
    }

    /// The protocol version: Node's `getProtocol()`.
    ///
    /// # OpenSSL
    /// `SSL_version`.
    #[doc(alias = "getProtocol")]
    pub fn version(&self) -> ProtocolVersion {
        match self.ssl.version2() {
            Some(SslVersion::SSL3) => ProtocolVersion::SSLv3,
            Some(SslVersion::TLS1) => ProtocolVersion::TLSv1_0,
            Some(SslVersion::TLS1_1) => ProtocolVersion::TLSv1_1,
            Some(SslVersion::TLS1_2) => ProtocolVersion::TLSv1_2,
            _ => ProtocolVersion::TLSv1_3,
        }
    }

    /// The cipher suite: Node's `getCipher()`.
    ///
    /// # OpenSSL
    /// `SSL_get_current_cipher`.
    #[doc(alias = "getCipher")]
    pub fn cipher_suite(&self) -> CipherSuite {
        match self.ssl.current_cipher() {
            Some(cipher) => CipherSuite::of(cipher),
            // An established connection always has a suite; one that libssl has closed may have lost it.
            None => CipherSuite {
                id: 0,
                name: "(NONE)",
                standard_name: "TLS_NULL_WITH_NULL_NULL",
                version: "unknown",
                bits: 0,
            },
        }
    }

    /// The application protocol that was agreed on (RFC 7301).
    ///
    /// # OpenSSL
    /// `SSL_get0_alpn_selected`.
    #[doc(alias = "alpnProtocol")]
    pub fn alpn(&self) -> Option<&'a [u8]> {
        self.ssl.selected_alpn_protocol()
    }

    /// The application protocol that NPN came to, the extension before ALPN; only up to TLS 1.2.
    ///
    /// # OpenSSL
    /// `SSL_get0_next_proto_negotiated`.
    #[doc(alias = "NPNProtocols")]
    pub fn npn(&self) -> Option<&'a [u8]> {
        npn::negotiated(self.ssl)
    }

    /// The name that the client asked for (SNI, RFC 6066).
    #[doc(alias = "servername")]
    pub fn server_name(&self) -> Option<&str> {
        self.facts.server_name.as_deref().or_else(|| self.ssl.servername(NameType::HOST_NAME))
    }

    /// What became of early data: of that which [`ConnectOptions::early_data`](crate::ConnectOptions::early_data) was given on a
    /// client, or the client has announced on a server.
    ///
    /// # OpenSSL
    /// `SSL_get_early_data_status`.
    #[doc(alias = "SSL_get_early_data_status")]
    pub fn early_data_status(&self) -> EarlyDataStatus {
        early_data::status(self.ssl)
    }

    /// Whether the peer has proved who it is: by a certificate that was verified, or by a shared key.
    ///
    /// On a server that asks for no certificate it is false.
    pub fn authorized(&self) -> bool {
        self.facts.verdict.is_good()
    }

    /// Why the peer is not authorized: Node's code, such as `CERT_HAS_EXPIRED` or `ERR_TLS_CERT_ALTNAME_INVALID`.
    /// `None` when it is, or when nobody asked.
    #[doc(alias = "authorizationError")]
    pub fn authorization_error(&self) -> Option<&str> {
        self.facts.verdict.code()
    }

    /// What libssl's verification of the chain came to; `None` when nothing was verified.
    pub fn verify_code(&self) -> Option<VerifyCode> {
        self.facts.verdict.chain
    }

    /// The peer's certificate: Node's `getPeerCertificate()`.
    ///
    /// # OpenSSL
    /// `SSL_get1_peer_certificate`.
    #[doc(alias = "getPeerCertificate")]
    pub fn peer_certificate(&self) -> Option<Certificate> {
        self.ssl.peer_certificate().map(Certificate::from_x509)
    }

    /// The certificates that the peer sent, its own first, and nothing added. Empty on a resumed connection.
    ///
    /// # OpenSSL
    /// `SSL_get_peer_cert_chain`.
    pub fn peer_chain(&self) -> Vec<Certificate> {
        let sent = self.ssl.peer_cert_chain();
        let mut chain: Vec<Certificate> =
            sent.into_iter().flatten().map(|c| Certificate::from_x509(c.to_owned())).collect();
        if self.ssl.is_server() {
            // On a server libssl keeps the client's own certificate apart from the chain.
            chain.splice(0..0, self.peer_certificate());
        }
        chain
    }

    /// The chain that was verified, from the peer's certificate to the root; empty where nothing was verified.
    ///
    /// # OpenSSL
    /// `SSL_get0_verified_chain`.
    pub fn verified_chain(&self) -> Vec<Certificate> {
        let chain = self.ssl.verified_chain();
        chain.into_iter().flatten().map(|c| Certificate::from_x509(c.to_owned())).collect()
    }

    /// This side's certificate, if it sent or would send one: Node's `getCertificate()`.
    ///
    /// # OpenSSL
    /// `SSL_get_certificate`.
    #[doc(alias = "getCertificate")]
    pub fn own_certificate(&self) -> Option<Certificate> {
        self.ssl.certificate().map(|c| Certificate::from_x509(c.to_owned()))
    }

    /// The peer's one-time key: Node's `getEphemeralKeyInfo()`; on a server it is the client's, under
    /// TLS 1.3 alone: older handshakes do not keep it.
    ///
    /// `None` for static RSA, plain PSK, and key kinds that Node has no word for.
    ///
    /// # OpenSSL
    /// `SSL_get_peer_tmp_key`.
    #[doc(alias = "getEphemeralKeyInfo")]
    pub fn ephemeral_key(&self) -> Option<EphemeralKey> {
        sys::peer_tmp_key(self.ssl).as_ref().and_then(EphemeralKey::of).or_else(|| {
            // Of a key that was encapsulated libssl keeps the group alone.
            compat::negotiated_group(self.ssl).flatten().and_then(EphemeralKey::encapsulated)
        })
    }

    /// The OCSP response that the server has stapled, in DER and not verified: Node's event `OCSPResponse`. On a server, what
    /// its source has found to staple.
    ///
    /// `None` when there is none: the client has not [asked](crate::ConfigBuilder::request_ocsp), the server has nothing to
    /// say, or a session was resumed.
    ///
    /// # Security
    /// Whoever answers the connection can send any response: [`OcspVerifier::judge`](crate::OcspVerifier::judge) tells what
    /// it is worth. From OpenSSL 3.6 on, bytes that are no response fail the client's handshake.
    ///
    /// # OpenSSL
    /// `SSL_get_tlsext_status_ocsp_resp`; from 3.6 on `SSL_get0_tlsext_status_ocsp_resp_ex`, the first of them.
    #[doc(alias = "OCSPResponse")]
    pub fn ocsp_response(&self) -> Option<Vec<u8>> {
        compat::stapled_response(self.ssl)
    }

    /// The signature algorithms that both sides have, in order, such as `RSA-PSS+SHA256`: Node's `getSharedSigalgs()`.
    ///
    /// Empty on a client.
    ///
    /// # OpenSSL
    /// `SSL_get_shared_sigalgs`.
    #[doc(alias = "getSharedSigalgs")]
    pub fn shared_sigalgs(&self) -> Vec<String> {
        shared_sigalgs(self.ssl)
    }

    /// This side's Finished message: Node's `getFinished()`. The base of `tls-unique` (RFC 5929), not in TLS 1.3.
    ///
    /// # OpenSSL
    /// `SSL_get_finished`.
    #[doc(alias = "getFinished")]
    pub fn finished(&self) -> Vec<u8> {
        let mut buf = [0; 64];
        let len = self.ssl.finished(&mut buf).min(buf.len());
        buf[..len].to_vec()
    }

    /// The peer's Finished message: Node's `getPeerFinished()`.
    ///
    /// # OpenSSL
    /// `SSL_get_peer_finished`.
    #[doc(alias = "getPeerFinished")]
    pub fn peer_finished(&self) -> Vec<u8> {
        sys::peer_finished(self.ssl)
    }

    /// Derives `length` bytes of keying material for `label` (RFC 5705, RFC 8446 section 7.5).
    ///
    /// In TLS 1.2 no context and an empty one give different bytes; in TLS 1.3 the same.
    ///
    /// # Errors
    /// [`ErrorKind::State`](crate::ErrorKind::State) before the handshake;
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) for a length of 0; libssl's error for a label that is reserved
    /// (`TLS_ILLEGAL_EXPORTER_LABEL`).
    ///
    /// # OpenSSL
    /// `SSL_export_keying_material`.
    #[doc(alias = "exportKeyingMaterial")]
    pub fn export_keying_material(
        &self,
        length: usize,
        label: &str,
        context: Option<&[u8]>,
    ) -> Result<Vec<u8>, Error> {
        if !self.ssl.is_init_finished() {
            return Err(Error::new(
                ErrorKind::State,
                "there is no keying material before the handshake is complete",
            ));
        }
        if length == 0 {
            return Err(Error::config("length", "0 bytes of keying material").with_code("ERR_OUT_OF_RANGE"));
        }
        let mut out = vec![0; length];
        self.ssl
            .export_keying_material(&mut out, label, context)
            .map_err(|e| stack_error(ErrorKind::Protocol, &e).context(format_args!("label {label:?}")))?;
        Ok(out)
    }

    /// The session: Node's `getSession()`. Under TLS 1.3 it can be resumed only once a ticket has come.
    ///
    /// # OpenSSL
    /// `SSL_get1_session`.
    #[doc(alias = "getSession")]
    pub fn session(&self) -> Option<Session> {
        self.ssl.session().map(|session| Session::new(session.to_owned()))
    }

    /// Whether an earlier session was resumed: Node's `isSessionReused()`.
    ///
    /// # OpenSSL
    /// `SSL_session_reused`.
    #[doc(alias = "isSessionReused")]
    pub fn session_reused(&self) -> bool {
        self.ssl.session_reused()
    }

    /// How many handshakes have followed the first one, whoever asked for them (TLS 1.2 and older).
    pub fn renegotiations(&self) -> u64 {
        self.facts.renegotiations
    }

    /// Whether the peer supports secure renegotiation (RFC 5746). TLS 1.3 has no renegotiation: false.
    ///
    /// # OpenSSL
    /// `SSL_get_secure_renegotiation_support`.
    pub fn secure_renegotiation(&self) -> bool {
        // Versions of libssl differ on TLS 1.3: before 4.0 they say yes.
        self.version() < ProtocolVersion::TLSv1_3 && sys::secure_renegotiation(self.ssl)
    }

    /// Whether the master secret is bound to the handshake (RFC 7627). In TLS 1.3 it always is.
    ///
    /// # OpenSSL
    /// `SSL_get_extms_support`.
    pub fn extended_master_secret(&self) -> bool {
        self.version() >= ProtocolVersion::TLSv1_3 || self.ssl.extms_support() == Some(true)
    }

    /// The identity of the pre-shared key that was used, on both sides.
    ///
    /// # OpenSSL
    /// `SSL_get_psk_identity`, under TLS 1.2 and older.
    pub fn psk_identity(&self) -> Option<&[u8]> {
        match self.version() {
            ProtocolVersion::TLSv1_3 if !self.session_reused() => None,
            ProtocolVersion::TLSv1_3 => self.facts.psk_identity.as_deref(),
            _ => self.ssl.psk_identity(),
        }
    }

    /// libssl's own object, to read from.
    pub fn as_openssl(&self) -> &'a SslRef {
        self.ssl
    }
}

impl fmt::Debug for Negotiated<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Negotiated")
            .field("version", &self.version())
            .field("cipher_suite", &self.cipher_suite().name())
            .field("server_name", &self.server_name())
            .field("authorized", &self.authorized())
            .finish_non_exhaustive()
    }
}

/// `RSA-PSS+SHA256`, as Node puts it together (src/crypto/crypto_tls.cc, `GetSharedSigalgs`).
pub(crate) fn shared_sigalgs(ssl: &SslRef) -> Vec<String> {
    sys::shared_sigalgs(ssl).into_iter().map(|(sign, hash)| sigalg_name(sign, hash)).collect()
}

fn sigalg_name(sign: Nid, hash: Nid) -> String {
    let sign = match Id::from_raw(sign.as_raw()) {
        Id::RSA => "RSA",
        Id::RSA_PSS => "RSA-PSS",
        Id::DSA => "DSA",
        Id::EC => "ECDSA",
        Id::ED25519 => "Ed25519",
        Id::ED448 => "Ed448",
        _ => sign.short_name().unwrap_or("UNDEF"),
    };
    let hash = match hash {
        Nid::UNDEF => "UNDEF",
        other => other.short_name().unwrap_or("UNDEF"),
    };
    format!("{sign}+{hash}")
}
