//! Methods on [`SslRef`].

use openssl::nid::Nid;
use openssl::ssl::{SslCipherRef, SslOptions, SslRef};
use openssl::stack::StackRef;
use openssl::x509::{X509Name, X509VerifyResult};

use super::sealed::Sealed;
use super::{Switch, c_string, impossible, refused};
use crate::sys::{compat, extra, queue, renegotiation, ssl as sys};
use crate::values::error::{Error, ErrorKind};

/// Whose keys change (RFC 8446 section 4.6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum KeyUpdate {
    /// This side's alone.
    #[default]
    NotRequested,
    /// Those of both sides: the peer is asked to follow.
    Requested,
}

/// What [`SslRef`] lacks.
pub trait SslRefExt: Sealed {
    /// The signature algorithms that both sides have, in order, as (signature, hash). Empty on a client.
    ///
    /// # OpenSSL
    /// `SSL_get_shared_sigalgs`.
    #[doc(alias = "SSL_get_shared_sigalgs")]
    fn shared_sigalgs(&self) -> Vec<(Nid, Nid)>;

    /// Whether the peer supports secure renegotiation (RFC 5746).
    ///
    /// TLS 1.3 has no renegotiation; what libssl answers there differs between its versions.
    ///
    /// # OpenSSL
    /// `SSL_get_secure_renegotiation_support`.
    #[doc(alias = "SSL_get_secure_renegotiation_support")]
    fn secure_renegotiation(&self) -> bool;

    /// Sets the largest plaintext of the records that are sent; false outside of 512 to 16384 bytes.
    ///
    /// # OpenSSL
    /// `SSL_set_max_send_fragment`.
    #[doc(alias = "SSL_set_max_send_fragment")]
    fn set_max_send_fragment(&mut self, bytes: usize) -> bool;

    /// The body of an extension of the ClientHello; only inside the ClientHello callback.
    ///
    /// # OpenSSL
    /// `SSL_client_hello_get0_ext`.
    #[doc(alias = "SSL_client_hello_get0_ext")]
    fn client_hello_extension(&self, extension: u16) -> Option<&[u8]>;

    /// The types of the ClientHello's extensions, in their order; only inside the ClientHello callback.
    ///
    /// # OpenSSL
    /// `SSL_client_hello_get1_extensions_present`.
    #[doc(alias = "SSL_client_hello_get1_extensions_present")]
    fn client_hello_extensions(&self) -> Vec<u16>;

    /// The options of the connection.
    ///
    /// # OpenSSL
    /// `SSL_get_options`.
    #[doc(alias = "SSL_get_options")]
    fn options(&self) -> SslOptions;

    /// Adds options, and gives all that are set then.
    ///
    /// # OpenSSL
    /// `SSL_set_options`.
    #[doc(alias = "SSL_set_options")]
    fn set_options(&mut self, options: SslOptions) -> SslOptions;

    /// Takes options away, and gives those that are left.
    ///
    /// # OpenSSL
    /// `SSL_clear_options`.
    #[doc(alias = "SSL_clear_options")]
    fn clear_options(&mut self, options: SslOptions) -> SslOptions;

    /// Asks for a full new handshake, which the next handshake call, read or write begins. A server sends a HelloRequest, and
    /// the handshake goes on while it reads. TLS 1.2 and older.
    ///
    /// # Errors
    /// [`ErrorKind::Protocol`] in TLS 1.3, with `NO_RENEGOTIATION` set, and during a handshake.
    ///
    /// # OpenSSL
    /// `SSL_renegotiate`.
    #[doc(alias = "SSL_renegotiate")]
    fn renegotiate(&mut self) -> Result<(), Error>;

    /// Asks for a new handshake that resumes the session; see [`renegotiate`](SslRefExt::renegotiate).
    ///
    /// # Errors
    /// As [`renegotiate`](SslRefExt::renegotiate).
    ///
    /// # OpenSSL
    /// `SSL_renegotiate_abbreviated`.
    #[doc(alias = "SSL_renegotiate_abbreviated")]
    fn renegotiate_abbreviated(&mut self) -> Result<(), Error>;

    /// Whether a handshake that this side asked for is not done yet.
    ///
    /// # OpenSSL
    /// `SSL_renegotiate_pending`.
    #[doc(alias = "SSL_renegotiate_pending")]
    fn renegotiate_pending(&self) -> bool;

    /// How many renegotiations this side has begun.
    ///
    /// # OpenSSL
    /// `SSL_total_renegotiations`.
    #[doc(alias = "SSL_total_renegotiations")]
    fn total_renegotiations(&self) -> usize;

    /// Whether a handshake goes on, the first or a later one.
    ///
    /// # OpenSSL
    /// `SSL_in_init`.
    #[doc(alias = "SSL_in_init")]
    fn is_in_handshake(&self) -> bool;

    /// Changes the keys with the next handshake call, read or write. TLS 1.3.
    ///
    /// # Errors
    /// [`ErrorKind::Protocol`] in TLS 1.2 and older, during a handshake, and while a record is half written.
    ///
    /// # OpenSSL
    /// `SSL_key_update`.
    #[doc(alias = "SSL_key_update")]
    fn key_update(&mut self, kind: KeyUpdate) -> Result<(), Error>;

    /// The change of keys that waits for the next call.
    ///
    /// # OpenSSL
    /// `SSL_get_key_update_type`.
    #[doc(alias = "SSL_get_key_update_type")]
    fn pending_key_update(&self) -> Option<KeyUpdate>;

    /// Asks a client of TLS 1.3 for a certificate, with the next handshake call or write. The verify mode must be
    /// [`PEER`](openssl::ssl::SslVerifyMode::PEER).
    ///
    /// # Errors
    /// [`ErrorKind::Protocol`] on a client, in TLS 1.2 and older, when the client has not offered it, and while an earlier request
    /// is open.
    ///
    /// # OpenSSL
    /// `SSL_verify_client_post_handshake`.
    #[doc(alias = "SSL_verify_client_post_handshake")]
    fn verify_client_post_handshake(&mut self) -> Result<(), Error>;

    /// Sets whether a client of TLS 1.3 offers to show a certificate after the handshake; before the handshake only.
    ///
    /// # OpenSSL
    /// `SSL_set_post_handshake_auth`.
    #[doc(alias = "SSL_set_post_handshake_auth")]
    fn set_post_handshake_auth(&mut self, offer: Switch);

    /// Has a server of TLS 1.3 send one more ticket, with the next handshake call or write.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] before OpenSSL 3.0; [`ErrorKind::Protocol`] on a client, during a handshake, and in TLS 1.2 and
    /// older.
    ///
    /// # OpenSSL
    /// `SSL_new_session_ticket`.
    #[doc(alias = "SSL_new_session_ticket")]
    fn new_session_ticket(&mut self) -> Result<(), Error>;

    /// Sets what [`verify_result`](SslRef::verify_result) tells, and what a session made from here on says of its peer.
    ///
    /// # OpenSSL
    /// `SSL_set_verify_result`.
    #[doc(alias = "SSL_set_verify_result")]
    fn set_verify_result(&mut self, result: X509VerifyResult);

    /// The authorities that the peer has named: on a client those of the CertificateRequest, on a server those of a ClientHello of
    /// TLS 1.3.
    ///
    /// # OpenSSL
    /// `SSL_get0_peer_CA_list`.
    #[doc(alias = "SSL_get0_peer_CA_list")]
    fn peer_ca_list(&self) -> Option<&StackRef<X509Name>>;

    /// The suites that this connection would offer or accept now, in order.
    ///
    /// # OpenSSL
    /// `SSL_get1_supported_ciphers`.
    #[doc(alias = "SSL_get1_supported_ciphers")]
    fn supported_ciphers(&mut self) -> Vec<&'static SslCipherRef>;

    /// The suites that the client has offered, in its order, as far as libssl knows them; on a server, during or after a full
    /// handshake.
    ///
    /// # OpenSSL
    /// `SSL_get_client_ciphers`.
    #[doc(alias = "SSL_get_client_ciphers")]
    fn client_ciphers(&self) -> Vec<&'static SslCipherRef>;

    /// The names of the suites that both sides have, in the client's order; on a server, after a full handshake.
    ///
    /// # OpenSSL
    /// `SSL_get_shared_ciphers`.
    #[doc(alias = "SSL_get_shared_ciphers")]
    fn shared_ciphers(&self) -> Vec<String>;

    /// The name of the group of the key exchange, such as `x25519`; `None` when there was none.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] before OpenSSL 3.0.
    ///
    /// # OpenSSL
    /// `SSL_get_negotiated_group`.
    #[doc(alias = "SSL_get_negotiated_group")]
    fn negotiated_group(&self) -> Result<Option<String>, Error>;

    /// Sets the groups of this connection, separated by colons.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] with the option `groups` when a name is unknown.
    ///
    /// # OpenSSL
    /// `SSL_set1_groups_list`.
    #[doc(alias = "SSL_set1_groups_list")]
    fn set_groups_list(&mut self, list: &str) -> Result<(), Error>;

    /// Sets the signature algorithms of this connection, separated by colons.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] with the option `sigalgs` when a name is unknown.
    ///
    /// # OpenSSL
    /// `SSL_set1_sigalgs_list`.
    #[doc(alias = "SSL_set1_sigalgs_list")]
    fn set_sigalgs_list(&mut self, list: &str) -> Result<(), Error>;

    /// The hash of the signature by which this side has proved itself.
    ///
    /// # OpenSSL
    /// `SSL_get_signature_nid`.
    #[doc(alias = "SSL_get_signature_nid")]
    fn signature_digest(&self) -> Option<Nid>;

    /// The hash of the signature by which the peer has proved itself.
    ///
    /// # OpenSSL
    /// `SSL_get_peer_signature_nid`.
    #[doc(alias = "SSL_get_peer_signature_nid")]
    fn peer_signature_digest(&self) -> Option<Nid>;

    /// The algorithm of the signature by which the peer has proved itself, such as `rsassaPss`.
    ///
    /// # OpenSSL
    /// `SSL_get_peer_signature_type_nid`.
    #[doc(alias = "SSL_get_peer_signature_type_nid")]
    fn peer_signature_type(&self) -> Option<Nid>;

    /// Whether the connection closes without close_notify.
    ///
    /// # OpenSSL
    /// `SSL_get_quiet_shutdown`.
    #[doc(alias = "SSL_get_quiet_shutdown")]
    fn quiet_shutdown(&self) -> Switch;

    /// Sets whether the connection closes without close_notify: the peer cannot tell that from a cut.
    ///
    /// # OpenSSL
    /// `SSL_set_quiet_shutdown`.
    #[doc(alias = "SSL_set_quiet_shutdown")]
    fn set_quiet_shutdown(&mut self, quiet: Switch);

    /// Sets the context that sessions of this connection belong to, at most 32 bytes.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] with the option `session_id_context` when it is longer.
    ///
    /// # OpenSSL
    /// `SSL_set_session_id_context`.
    #[doc(alias = "SSL_set_session_id_context")]
    fn set_session_id_context(&mut self, id: &[u8]) -> Result<(), Error>;

    /// Sets the hint that a server gives to a client with a pre-shared key, up to TLS 1.2.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] with the option `psk_hint` when it is longer than libssl takes (128 bytes in
    /// 1.1.1, 256 from 3.0 on) or has a NUL byte in it.
    ///
    /// # OpenSSL
    /// `SSL_use_psk_identity_hint`.
    #[doc(alias = "SSL_use_psk_identity_hint")]
    fn use_psk_identity_hint(&mut self, hint: &str) -> Result<(), Error>;

    /// The most bytes of certificates that the peer may send.
    ///
    /// # OpenSSL
    /// `SSL_get_max_cert_list`.
    #[doc(alias = "SSL_get_max_cert_list")]
    fn max_cert_list(&self) -> usize;

    /// Sets the most bytes of certificates that the peer may send.
    ///
    /// # OpenSSL
    /// `SSL_set_max_cert_list`.
    #[doc(alias = "SSL_set_max_cert_list")]
    fn set_max_cert_list(&mut self, bytes: usize);

    /// Whether libssl reads more from the transport than the record that it needs.
    ///
    /// # OpenSSL
    /// `SSL_get_read_ahead`.
    #[doc(alias = "SSL_get_read_ahead")]
    fn read_ahead(&self) -> Switch;

    /// Sets whether libssl reads more from the transport than the record that it needs.
    ///
    /// # OpenSSL
    /// `SSL_set_read_ahead`.
    #[doc(alias = "SSL_set_read_ahead")]
    fn set_read_ahead(&mut self, ahead: Switch);

    /// Whether libssl holds bytes of the transport, read or not; unlike [`pending`](SslRef::pending) also such as are no whole
    /// record.
    ///
    /// # OpenSSL
    /// `SSL_has_pending`.
    #[doc(alias = "SSL_has_pending")]
    fn has_pending(&self) -> bool;
}

impl SslRefExt for SslRef {
    fn shared_sigalgs(&self) -> Vec<(Nid, Nid)> {
        sys::shared_sigalgs(self)
    }

    fn secure_renegotiation(&self) -> bool {
        sys::secure_renegotiation(self)
    }

    fn set_max_send_fragment(&mut self, bytes: usize) -> bool {
        sys::set_max_send_fragment(self, bytes)
    }

    fn client_hello_extension(&self, extension: u16) -> Option<&[u8]> {
        sys::hello_extension(self, extension)
    }

    fn client_hello_extensions(&self) -> Vec<u16> {
        sys::hello_extension_types(self)
    }

    fn options(&self) -> SslOptions {
        compat::options(self)
    }

    fn set_options(&mut self, options: SslOptions) -> SslOptions {
        compat::set_options(self, options)
    }

    fn clear_options(&mut self, options: SslOptions) -> SslOptions {
        compat::clear_options(self, options)
    }

    fn renegotiate(&mut self) -> Result<(), Error> {
        renegotiation::renegotiate(self, false).map_err(impossible)
    }

    fn renegotiate_abbreviated(&mut self) -> Result<(), Error> {
        renegotiation::renegotiate(self, true).map_err(impossible)
    }

    fn renegotiate_pending(&self) -> bool {
        renegotiation::renegotiate_pending(self)
    }

    fn total_renegotiations(&self) -> usize {
        extra::total_renegotiations(self)
    }

    fn is_in_handshake(&self) -> bool {
        renegotiation::in_init(self)
    }

    fn key_update(&mut self, kind: KeyUpdate) -> Result<(), Error> {
        renegotiation::key_update(self, kind == KeyUpdate::Requested).map_err(impossible)
    }

    fn pending_key_update(&self) -> Option<KeyUpdate> {
        extra::key_update_type(self)
            .map(|both| if both { KeyUpdate::Requested } else { KeyUpdate::NotRequested })
    }

    fn verify_client_post_handshake(&mut self) -> Result<(), Error> {
        renegotiation::verify_client_post_handshake(self).map_err(impossible)
    }

    fn set_post_handshake_auth(&mut self, offer: Switch) {
        renegotiation::set_post_handshake_auth(self, offer.is_on());
    }

    fn new_session_ticket(&mut self) -> Result<(), Error> {
        match compat::new_session_ticket(self) {
            Some(true) => Ok(()),
            // libssl gives no reason.
            Some(false) => {
                queue::clear();
                Err(Error::new(
                    ErrorKind::Protocol,
                    "a ticket can be sent by a server of TLS 1.3, outside of handshakes",
                ))
            }
            None => Err(Error::unsupported("SSL_new_session_ticket needs OpenSSL 3.0")),
        }
    }

    fn set_verify_result(&mut self, result: X509VerifyResult) {
        extra::set_verify_result(self, result);
    }

    fn peer_ca_list(&self) -> Option<&StackRef<X509Name>> {
        extra::peer_ca_list(self)
    }

    fn supported_ciphers(&mut self) -> Vec<&'static SslCipherRef> {
        extra::supported_ciphers(self)
    }

    fn client_ciphers(&self) -> Vec<&'static SslCipherRef> {
        extra::client_ciphers(self)
    }

    fn shared_ciphers(&self) -> Vec<String> {
        extra::shared_ciphers(self)
    }

    fn negotiated_group(&self) -> Result<Option<String>, Error> {
        compat::negotiated_group(self)
            .ok_or_else(|| Error::unsupported("the name of the group needs OpenSSL 3.0"))
    }

    fn set_groups_list(&mut self, list: &str) -> Result<(), Error> {
        extra::set_groups_list(self, &c_string("groups", list)?).map_err(refused("groups"))
    }

    fn set_sigalgs_list(&mut self, list: &str) -> Result<(), Error> {
        extra::set_sigalgs_list(self, &c_string("sigalgs", list)?).map_err(refused("sigalgs"))
    }

    fn signature_digest(&self) -> Option<Nid> {
        extra::signature_digest(self, false)
    }

    fn peer_signature_digest(&self) -> Option<Nid> {
        extra::signature_digest(self, true)
    }

    fn peer_signature_type(&self) -> Option<Nid> {
        extra::peer_signature_type(self)
    }

    fn quiet_shutdown(&self) -> Switch {
        extra::quiet_shutdown(self).into()
    }

    fn set_quiet_shutdown(&mut self, quiet: Switch) {
        extra::set_quiet_shutdown(self, quiet.is_on());
    }

    fn set_session_id_context(&mut self, id: &[u8]) -> Result<(), Error> {
        extra::set_session_id_context(self, id).map_err(refused("session_id_context"))
    }

    fn use_psk_identity_hint(&mut self, hint: &str) -> Result<(), Error> {
        extra::use_psk_identity_hint(self, &c_string("psk_hint", hint)?).map_err(refused("psk_hint"))
    }

    fn max_cert_list(&self) -> usize {
        extra::max_cert_list(self)
    }

    fn set_max_cert_list(&mut self, bytes: usize) {
        extra::set_max_cert_list(self, bytes);
    }

    fn read_ahead(&self) -> Switch {
        extra::read_ahead(self).into()
    }

    fn set_read_ahead(&mut self, ahead: Switch) {
        extra::set_read_ahead(self, ahead.is_on());
    }

    fn has_pending(&self) -> bool {
        extra::has_pending(self)
    }
}
