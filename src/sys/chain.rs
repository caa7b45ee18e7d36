//! Verifying a chain apart from any connection: an `X509_STORE_CTX` of our own.

use std::ffi::{CStr, c_int, c_void};
use std::ptr;

use foreign_types::ForeignTypeRef;
use openssl::error::ErrorStack;
use openssl::stack::Stack;
use openssl::x509::verify::X509VerifyParamRef;
use openssl::x509::{X509, X509Ref, X509StoreContext, X509StoreContextRef};
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

/// Verifies `leaf`. `default` names the parameters that libssl begins with (`ssl_server` for a server's certificate);
/// `prepare` adds to them.
pub(crate) fn judge(
    store: &SharedStore,
    leaf: &X509Ref,
    between: impl IntoIterator<Item = X509>,
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
        run(context)
    })
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
