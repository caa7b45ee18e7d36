//! Verifying a chain apart from any connection: an `X509_STORE_CTX` of our own.

use std::ffi::{CStr, c_int, c_void};
use std::ptr;
use std::sync::Arc;

use foreign_types::{ForeignType, ForeignTypeRef};
use openssl::error::ErrorStack;
use openssl::stack::Stack;
use openssl::x509::verify::{X509VerifyFlags, X509VerifyParamRef};
use openssl::x509::{X509, X509Crl, X509Ref, X509StoreContext, X509StoreContextRef};
use openssl_sys as ffi;

use super::decl;
use super::store::SharedStore;

/// The ex_data slot that libcrypto keeps for whoever made the object (`CRYPTO_get_ex_new_index(3)`, NOTES).
const APPLICATION_DATA: c_int = 0;

/// What a verification came to.
#[derive(Debug)]
pub(crate) struct Judged {
    /// The last finding, 0 for none.
    pub(crate) code: c_int,
    /// From the certificate to its root, as far as one was found.
    pub(crate) chain: Vec<X509>,
}

/// Verifies `leaf`. `lists` are looked through beside those of the store. `default` names the parameters that libssl
/// begins with (`ssl_server` for a server's certificate); `prepare` adds to them.
pub(crate) fn judge(
    store: &SharedStore,
    leaf: &X509Ref,
    between: impl IntoIterator<Item = X509>,
    lists: &[Arc<X509Crl>],
    default: Option<&CStr>,
    prepare: impl FnOnce(&mut X509VerifyParamRef) -> Result<(), ErrorStack>,
) -> Result<Judged, ErrorStack> {
    let mut untrusted = Stack::new()?;
    for certificate in between {
        untrusted.push(certificate)?;
    }
    let mut context = X509StoreContext::new()?;
    context.init(store.as_openssl(), leaf, &untrusted, |context| {
        if let Some(name) = default {
            // SAFETY: the context is alive and initialised; the name is a C string that is looked up.
            let found = unsafe { decl::X509_STORE_CTX_set_default(context.as_ptr(), name.as_ptr()) };
            if found != 1 {
                return Err(ErrorStack::get());
            }
        }
        // SAFETY: an initialised context owns its parameters, and nobody else borrows them here.
        prepare(unsafe {
            X509VerifyParamRef::from_ptr_mut(decl::X509_STORE_CTX_get0_param(context.as_ptr()))
        })?;
        with_lists(context, lists, run)
    })
}

/// Runs `body`, a verification, with revocation lists at hand whoever has issued them, where indirect ones are allowed:
/// libcrypto looks in the store only for lists of the certificate's own issuer (`get_crl_delta` in x509_vfy.c).
pub(crate) fn with_lists<T>(
    context: &mut X509StoreContextRef,
    lists: &[Arc<X509Crl>],
    body: impl FnOnce(&mut X509StoreContextRef) -> Result<T, ErrorStack>,
) -> Result<T, ErrorStack> {
    // SAFETY: an initialised context owns its parameters, and nobody else borrows them here.
    let flags = unsafe {
        X509VerifyParamRef::from_ptr_mut(decl::X509_STORE_CTX_get0_param(context.as_ptr())).flags()
    };
    if lists.is_empty() || !flags.contains(X509VerifyFlags::EXTENDED_CRL_SUPPORT) {
        return body(context);
    }
    let borrowed = BorrowedLists::new(lists)?;
    // SAFETY: the context is alive. It borrows the stack, which outlives the verification and is taken back after it.
    unsafe { decl::X509_STORE_CTX_set0_crls(context.as_ptr(), borrowed.0.cast()) };
    let outcome = body(context);
    // SAFETY: as above.
    unsafe { decl::X509_STORE_CTX_set0_crls(context.as_ptr(), ptr::null_mut()) };
    outcome
}

/// A stack of lists that somebody else keeps alive.
struct BorrowedLists(*mut ffi::OPENSSL_STACK);

impl BorrowedLists {
    fn new(lists: &[Arc<X509Crl>]) -> Result<BorrowedLists, ErrorStack> {
        // SAFETY: the stack is new and gets addresses; `drop` frees it without what they point to.
        unsafe {
            let stack = BorrowedLists(ffi::OPENSSL_sk_new_null());
            let complete = !stack.0.is_null()
                && lists.iter().all(|list| ffi::OPENSSL_sk_push(stack.0, list.as_ptr().cast()) > 0);
            if complete { Ok(stack) } else { Err(ErrorStack::get()) }
        }
    }
}

impl Drop for BorrowedLists {
    fn drop(&mut self) {
        // SAFETY: the stack is ours, and nobody borrows it any more; NULL may be freed.
        unsafe { ffi::OPENSSL_sk_free(self.0) };
    }
}

/// Runs the verification past every finding, as that of a handshake does.
fn run(context: &mut X509StoreContextRef) -> Result<Judged, ErrorStack> {
    let mut code: c_int = ffi::X509_V_OK;
    // SAFETY: the context is alive. It has the address of `code`, which outlives the one call that uses it, and is
    // taken back after it; `code` is not touched meanwhile.
    let ran = unsafe {
        let place = (&raw mut code).cast::<c_void>();
        if decl::X509_STORE_CTX_set_ex_data(context.as_ptr(), APPLICATION_DATA, place) != 1 {
            return Err(ErrorStack::get());
        }
        decl::X509_STORE_CTX_set_verify_cb(context.as_ptr(), Some(note_finding));
        let ran = context.verify_cert();
        decl::X509_STORE_CTX_set_ex_data(context.as_ptr(), APPLICATION_DATA, ptr::null_mut());
        // An error of its own is no answer: the chain is then not good.
        ran.unwrap_or(false)
    };
    if !ran && code == ffi::X509_V_OK {
        code = match context.error().as_raw() {
            ffi::X509_V_OK => ffi::X509_V_ERR_UNSPECIFIED,
            other => other,
        };
    }
    let chain = context.chain().into_iter().flatten().map(ToOwned::to_owned).collect();
    Ok(Judged { code, chain })
}

unsafe extern "C" fn note_finding(ok: c_int, context: *mut ffi::X509_STORE_CTX) -> c_int {
    if ok == 1 {
        return 1;
    }
    // SAFETY: `run` calls the verification and has put the address of its number there.
    unsafe {
        let place = ffi::X509_STORE_CTX_get_ex_data(context, APPLICATION_DATA).cast::<c_int>();
        if place.is_null() {
            // The path of a revocation list has a context of its own: its findings are not passed over.
            return ok;
        }
        *place = ffi::X509_STORE_CTX_get_error(context);
    }
    1
}

/// `X509_VERIFY_PARAM_add0_policy`: a certificate policy, as a dotted number, that the chain may be good for. False is
/// a text that is no number.
pub(crate) fn add_policy(param: &mut X509VerifyParamRef, oid: &CStr) -> bool {
    // SAFETY: the parameters are alive. The object is new; on success they own it, else it is freed here.
    unsafe {
        let object = ffi::OBJ_txt2obj(oid.as_ptr(), 1);
        if object.is_null() {
            return false;
        }
        let added = decl::X509_VERIFY_PARAM_add0_policy(param.as_ptr(), object) == 1;
        if !added {
            ffi::ASN1_OBJECT_free(object);
        }
        added
    }
}
