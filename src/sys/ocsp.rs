//! OCSP: responses, requests, and who is to be asked about. What the `openssl` crate has of it cannot tell which
//! certificates a response is about, nor who signed it.

use std::ffi::{c_int, c_long, c_ulong, c_void};
use std::ptr;

use foreign_types::{ForeignType, ForeignTypeRef};
use openssl::asn1::{Asn1IntegerRef, Asn1ObjectRef, Asn1TimeRef};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::ssl::{SslContextBuilder, SslRef};
use openssl::stack::{Stack, StackRef};
use openssl::x509::{X509, X509Ref, X509StoreContext, X509VerifyResult};
use openssl_sys as ffi;

use super::compat::ocsp as api;
use super::hook::with;
use super::{decl, queue};

/// The numbers of ssl.h and tls1.h that `openssl-sys` lacks, the same in 1.1.1 to 4.0.
const SSL_CTRL_GET_CHAIN_CERTS: c_int = 115;
const SSL_CTRL_SELECT_CURRENT_CERT: c_int = 116;
const SSL_CTRL_SET_CURRENT_CERT: c_int = 117;
const SSL_CTRL_GET_TLSEXT_STATUS_REQ_TYPE: c_int = 127;
const SSL_CERT_SET_FIRST: c_long = 1;
const SSL_CERT_SET_NEXT: c_long = 2;

/// `OCSP_NOVERIFY` of ocsp.h: the signer's own chain is not looked at.
const OCSP_NOVERIFY: c_ulong = 0x10;

/// A response that was read.
pub(crate) enum Response {
    /// The responder has something to say.
    Basic(BasicResponse),
    /// The responder has not answered the question, and says why by a number of RFC 6960 section 4.2.1.
    Refused(c_int),
}

/// The signed part of a response.
pub(crate) struct BasicResponse(*mut ffi::OCSP_BASICRESP);

// SAFETY: the response is owned, and after it was decoded it is only read.
unsafe impl Send for BasicResponse {}
// SAFETY: as above.
unsafe impl Sync for BasicResponse {}

/// What a response says of one certificate.
pub(crate) struct Single<'a> {
    /// 0 is good, 1 revoked, everything else unknown.
    pub(crate) status: c_int,
    /// The reason of the revocation, negative for none.
    pub(crate) reason: c_int,
    pub(crate) revoked: Option<&'a Asn1TimeRef>,
    pub(crate) this_update: Option<&'a Asn1TimeRef>,
    pub(crate) next_update: Option<&'a Asn1TimeRef>,
}

/// Reads a response in DER, which must be all of the bytes.
pub(crate) fn parse(der: &[u8]) -> Result<Response, ErrorStack> {
    let length = c_long::try_from(der.len()).map_err(|_| ErrorStack::get())?;
    let mut place = der.as_ptr();
    // SAFETY: `place` is good for `length` bytes; the call moves it and gives a new response or NULL. The response is
    // freed here; its basic part is a new object.
    unsafe {
        let response = api::d2i_OCSP_RESPONSE(ptr::null_mut(), &raw mut place, length);
        if response.is_null() {
            return Err(ErrorStack::get());
        }
        let whole = place.offset_from(der.as_ptr()) == length as isize;
        let status = api::OCSP_response_status(response);
        let read = match (whole, status) {
            (false, _) => Err(ErrorStack::get()),
            (true, 0) => {
                let basic = api::OCSP_response_get1_basic(response);
                match basic.is_null() {
                    true => Err(ErrorStack::get()),
                    false => Ok(Response::Basic(BasicResponse(basic))),
                }
            }
            (true, status) => Ok(Response::Refused(status)),
        };
        api::OCSP_RESPONSE_free(response);
        read
    }
}

impl BasicResponse {
    /// When it was signed.
    pub(crate) fn produced_at(&self) -> Option<&Asn1TimeRef> {
        // SAFETY: the response is alive and owns the time.
        unsafe { time(api::OCSP_resp_get0_produced_at(self.0)) }
    }

    /// How many certificates it tells of.
    pub(crate) fn len(&self) -> usize {
        // SAFETY: the response is alive.
        usize::try_from(unsafe { api::OCSP_resp_count(self.0) }).unwrap_or_default()
    }

    fn at(&self, index: usize) -> *mut api::OCSP_SINGLERESP {
        // SAFETY: the response is alive and owns what is found; a place that is none gives NULL.
        unsafe { api::OCSP_resp_get0(self.0, c_int::try_from(index).unwrap_or(-1)) }
    }

    /// What it says of the certificate at a place below [`len`](Self::len).
    pub(crate) fn single(&self, index: usize) -> Single<'_> {
        let (mut revoked, mut this_update, mut next_update) =
            (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
        let mut reason = -1;
        // SAFETY: the response is alive and owns the entry and its times; NULL is answered by -1.
        unsafe {
            let status = api::OCSP_single_get0_status(
                self.at(index),
                &raw mut reason,
                &raw mut revoked,
                &raw mut this_update,
                &raw mut next_update,
            );
            Single {
                status,
                reason,
                revoked: time(revoked),
                this_update: time(this_update),
                next_update: time(next_update),
            }
        }
    }

    /// Whether the entry is about this certificate: by its serial number and, where it is known, by its issuer.
    pub(crate) fn is_about(&self, index: usize, certificate: &X509Ref, issuer: Option<&X509Ref>) -> bool {
        let about = self.matches(index, certificate, issuer);
        queue::clear();
        about
    }

    fn matches(&self, index: usize, certificate: &X509Ref, issuer: Option<&X509Ref>) -> bool {
        let single = self.at(index);
        if single.is_null() {
            return false;
        }
        let (mut digest, mut serial) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: the response is alive and owns the id, its digest and its number, which are read although the type
        // of the function says that it may write; the id that is made is freed.
        unsafe {
            let id = api::OCSP_SINGLERESP_get0_id(single);
            let read = api::OCSP_id_get0_info(
                ptr::null_mut(),
                &raw mut digest,
                ptr::null_mut(),
                &raw mut serial,
                id.cast_mut(),
            );
            if read != 1 || digest.is_null() || serial.is_null() {
                return false;
            }
            let Some(issuer) = issuer else {
                let number = Asn1IntegerRef::from_ptr(serial).to_bn();
                return match (number, certificate.serial_number().to_bn()) {
                    (Ok(number), Ok(own)) => number == own,
                    _ => false,
                };
            };
            // The responder chooses the digest of its ids (RFC 6960 section 4.1.1).
            let Some(digest) = MessageDigest::from_nid(Asn1ObjectRef::from_ptr(digest).nid()) else {
                return false;
            };
            let own = api::OCSP_cert_to_id(digest.as_ptr(), certificate.as_ptr(), issuer.as_ptr());
            let same = !own.is_null() && api::OCSP_id_cmp(own, id) == 0;
            api::OCSP_CERTID_free(own);
            same
        }
    }

    /// Who says to have signed it: among `candidates`, then among the certificates that came with it.
    pub(crate) fn signer(&self, candidates: &Stack<X509>) -> Option<X509> {
        let mut signer = ptr::null_mut();
        // SAFETY: all are alive; the signer belongs to one of them, and the answer is a reference of its own.
        unsafe {
            let found = api::OCSP_resp_get0_signer(self.0, &raw mut signer, candidates.as_ptr());
            (found == 1 && !signer.is_null()).then(|| X509Ref::from_ptr(signer).to_owned())
        }
    }

    /// Checks the signature by the key of the [`signer`](Self::signer).
    pub(crate) fn check_signature(&self, candidates: &Stack<X509>) -> Result<(), ErrorStack> {
        // SAFETY: all are alive. With this flag no store is looked at (OCSP_basic_verify(3)).
        let good = unsafe {
            api::OCSP_basic_verify(self.0, candidates.as_ptr(), ptr::null_mut(), OCSP_NOVERIFY) == 1
        };
        if good { Ok(()) } else { Err(ErrorStack::get()) }
    }
}

impl Drop for BasicResponse {
    fn drop(&mut self) {
        // SAFETY: it is owned, and this is the end of it.
        unsafe { api::OCSP_BASICRESP_free(self.0) };
    }
}

/// # Safety
/// `time` must be NULL or live as long as `'a`.
unsafe fn time<'a>(time: *const ffi::ASN1_GENERALIZEDTIME) -> Option<&'a Asn1TimeRef> {
    // SAFETY: the caller's contract. An `ASN1_TIME` is a string of either kind of time (asn1.h).
    (!time.is_null()).then(|| unsafe { Asn1TimeRef::from_ptr(time.cast_mut().cast()) })
}

/// A request for the status of one certificate, in DER, without nonce and signature.
pub(crate) fn request(certificate: &X509Ref, issuer: &X509Ref) -> Result<Vec<u8>, ErrorStack> {
    // SAFETY: both certificates are alive. The request is made and freed here and owns the id once it has it.
    unsafe {
        let request = api::OCSP_REQUEST_new();
        if request.is_null() {
            return Err(ErrorStack::get());
        }
        // SHA-1 is what every responder knows (RFC 5019 section 2.1.1); it names a certificate and protects nothing.
        let id = api::OCSP_cert_to_id(MessageDigest::sha1().as_ptr(), certificate.as_ptr(), issuer.as_ptr());
        if id.is_null() || api::OCSP_request_add0_id(request, id).is_null() {
            let stack = ErrorStack::get();
            api::OCSP_CERTID_free(id);
            api::OCSP_REQUEST_free(request);
            return Err(stack);
        }
        let length = api::i2d_OCSP_REQUEST(request, ptr::null_mut());
        let mut der = vec![0u8; usize::try_from(length).unwrap_or_default()];
        let mut place = der.as_mut_ptr();
        let written = if der.is_empty() { -1 } else { api::i2d_OCSP_REQUEST(request, &raw mut place) };
        api::OCSP_REQUEST_free(request);
        if written == length { Ok(der) } else { Err(ErrorStack::get()) }
    }
}

/// Makes the clients of a context ask for a stapled response: `SSL_CTX_set_tlsext_status_type`.
pub(crate) fn ask_for_staple(context: &mut SslContextBuilder) -> Result<(), ErrorStack> {
    // SAFETY: the context is alive; the command takes a number.
    let done = unsafe {
        ffi::SSL_CTX_ctrl(
            context.as_ptr(),
            ffi::SSL_CTRL_SET_TLSEXT_STATUS_REQ_TYPE,
            c_long::from(ffi::TLSEXT_STATUSTYPE_ocsp),
            ptr::null_mut(),
        )
    };
    if done == 1 { Ok(()) } else { Err(ErrorStack::get()) }
}

/// Whether the client of this connection has asked for a stapled response: `SSL_get_tlsext_status_type`.
pub(crate) fn is_staple_wanted(ssl: &SslRef) -> bool {
    // SAFETY: the SSL is alive; the command takes nothing and reads.
    let kind =
        unsafe { ffi::SSL_ctrl(ssl.as_ptr(), SSL_CTRL_GET_TLSEXT_STATUS_REQ_TYPE, 0, ptr::null_mut()) };
    kind == c_long::from(ffi::TLSEXT_STATUSTYPE_ocsp)
}

/// Fills the slot for staples: `SSL_CTX_set_tlsext_status_cb`.
pub(super) fn fill(ctx: *mut ffi::SSL_CTX) {
    // SAFETY: the caller's context is alive; the function has the type that the setter asks for and no argument.
    unsafe { ffi::SSL_CTX_set_tlsext_status_cb(ctx, Some(staple)) };
}

unsafe extern "C" fn staple(ssl: *mut ffi::SSL, _: *mut c_void) -> c_int {
    // SAFETY: libssl calls this with a live SSL. It takes the buffer over, which is its own allocator's.
    unsafe {
        with(ssl, ffi::SSL_TLSEXT_ERR_NOACK, ffi::SSL_TLSEXT_ERR_ALERT_FATAL, |ssl, hooks| {
            let Some(response) = hooks.staple(ssl) else { return ffi::SSL_TLSEXT_ERR_NOACK };
            let Ok(length) = c_long::try_from(response.len()) else { return ffi::SSL_TLSEXT_ERR_NOACK };
            let buffer = ffi::OPENSSL_malloc(response.len()).cast::<u8>();
            if buffer.is_null() {
                return ffi::SSL_TLSEXT_ERR_NOACK;
            }
            ptr::copy_nonoverlapping(response.as_ptr(), buffer, response.len());
            if ffi::SSL_set_tlsext_status_ocsp_resp(ssl.as_ptr(), buffer, length) == 1 {
                return ffi::SSL_TLSEXT_ERR_OK;
            }
            ffi::OPENSSL_free(buffer.cast());
            ffi::SSL_TLSEXT_ERR_NOACK
        })
    }
}

/// The certificates that this side may show, one for each type of key, each with its issuer: out of its chain, or else out
/// of the context's roots.
pub(crate) fn own_certificates(ssl: &mut SslRef) -> Vec<(X509, Option<X509>)> {
    let control = |command, number: c_long, pointer| {
        // SAFETY: the SSL is alive; each command below takes what its man page says (SSL_CTX_add1_chain_cert(3)).
        unsafe { ffi::SSL_ctrl(ssl.as_ptr(), command, number, pointer) }
    };
    let Some(before) = ssl.certificate().map(ToOwned::to_owned) else { return Vec::new() };
    let mut found = Vec::new();
    let mut step = SSL_CERT_SET_FIRST;
    while control(SSL_CTRL_SET_CURRENT_CERT, step, ptr::null_mut()) == 1 {
        step = SSL_CERT_SET_NEXT;
        if let Some(certificate) = ssl.certificate() {
            found.push((certificate.to_owned(), issuer(ssl, certificate)));
        }
    }
    control(SSL_CTRL_SELECT_CURRENT_CERT, 0, before.as_ptr().cast());
    queue::clear();
    found
}

/// The issuer of the SSL's current certificate.
fn issuer(ssl: &SslRef, certificate: &X509Ref) -> Option<X509> {
    let is_issuer = |candidate: &X509Ref| candidate.issued(certificate) == X509VerifyResult::OK;
    let mut chain: *mut ffi::stack_st_X509 = ptr::null_mut();
    // SAFETY: the SSL is alive and keeps the chain, which is NULL when there is none; it is not touched while it is borrowed.
    let sent = unsafe {
        ffi::SSL_ctrl(ssl.as_ptr(), SSL_CTRL_GET_CHAIN_CERTS, 0, (&raw mut chain).cast());
        (!chain.is_null()).then(|| StackRef::<X509>::from_ptr(chain))
    };
    let from_chain = sent.into_iter().flatten().find(|candidate| is_issuer(candidate));
    if let Some(issuer) = from_chain {
        return Some(issuer.to_owned());
    }
    if is_issuer(certificate) {
        return Some(certificate.to_owned());
    }
    let mut chain = X509StoreContext::new().ok()?;
    let nothing = Stack::new().ok()?;
    let mut issuer = ptr::null_mut();
    chain
        .init(ssl.ssl_context().cert_store(), certificate, &nothing, |context| {
            // SAFETY: the context is alive and initialised; on success the issuer is a reference of ours.
            Ok(unsafe {
                let found =
                    decl::X509_STORE_CTX_get1_issuer(&raw mut issuer, context.as_ptr(), certificate.as_ptr());
                (found == 1 && !issuer.is_null()).then(|| X509::from_ptr(issuer))
            })
        })
        .ok()
        .flatten()
}
