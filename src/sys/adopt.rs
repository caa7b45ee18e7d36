//! An SSL_CTX that the application has made, and the connections of it: only setters of the SSL are used.
//!
//! A context of this library guards renegotiation in its ClientHello callback. That slot is the application's here, and
//! the SSL has none. The message callback has a setter on the SSL, but libssl has no getter for it, so that the
//! application's own would be lost. The info callback has both: [`info`] stands in the SSL's slot and calls whom
//! libssl would have called without it.
//!
//! The start of a handshake is told before its first message is looked at, so that a refusal costs no key work. It is also
//! told of handshakes that this side has asked for (twice: once for the HelloRequest), of those that libssl refuses by
//! itself, and of the first one. `SSL_renegotiate_pending` marks the first sort, the options of the SSL the second, and the
//! connection knows the third: what is left is the peer's.

use std::ffi::{c_int, c_long};
use std::fmt;
use std::ptr;
use std::sync::OnceLock;

use foreign_types::ForeignTypeRef;
use openssl::error::ErrorStack;
use openssl::ex_data::Index;
use openssl::ssl::{Ssl, SslContext, SslContextRef, SslOptions, SslRef};
use openssl::x509::verify::X509CheckFlags;
use openssl_sys as ffi;

use super::hook;
use super::{compat, decl};
use crate::values::address;
use crate::values::error::Error;

/// An `SSL_CTX` that the application has made, with its own callbacks, to be served by
/// [`TlsAcceptor::adopt`](crate::TlsAcceptor::adopt) or [`TlsConnector::adopt`](crate::TlsConnector::adopt).
///
/// It is never written to. What a connection needs is set on its own `SSL`, so that other users of the context, in C
/// or in Rust, notice nothing.
///
/// # Examples
///
/// From the `openssl` crate's types no unsafe code is needed:
///
/// ```
/// use openssl::ssl::{SslContext, SslMethod};
/// use patina_tls::AdoptedContext;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let context = SslContext::builder(SslMethod::tls_server())?.build();
/// let adopted = AdoptedContext::from(&*context);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "SSL_CTX")]
#[derive(Clone)]
pub struct AdoptedContext {
    context: SslContext,
}

impl AdoptedContext {
    /// Adopts a context by its address, as a C program has it. Takes a reference of its own.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) with the option `context` when the address is null.
    ///
    /// # Safety
    /// `ctx` must be null or point to a live `SSL_CTX` of the very libssl that this library is linked with; the
    /// context must not be written to while connections of it are made, which is libssl's own rule
    /// (openssl-threads(7)); its callbacks must be safe to call from every thread that drives such a connection.
    ///
    /// # OpenSSL
    /// `SSL_CTX_up_ref`.
    #[doc(alias = "SSL_CTX_up_ref")]
    pub unsafe fn from_raw(ctx: *mut ffi::SSL_CTX) -> Result<AdoptedContext, Error> {
        if ctx.is_null() {
            return Err(Error::config("context", "the SSL_CTX is NULL"));
        }
        // SAFETY: the caller's contract; the borrow ends with this call.
        let context = unsafe { SslContextRef::from_ptr(ctx) };
        Ok(AdoptedContext::from(context))
    }

    /// The context, to read from.
    pub fn as_openssl(&self) -> &SslContextRef {
        &self.context
    }

    pub(crate) fn into_openssl(self) -> SslContext {
        self.context
    }
}

impl From<&SslContextRef> for AdoptedContext {
    fn from(context: &SslContextRef) -> AdoptedContext {
        AdoptedContext { context: context.to_owned() }
    }
}

impl From<SslContext> for AdoptedContext {
    fn from(context: SslContext) -> AdoptedContext {
        AdoptedContext { context }
    }
}

impl fmt::Debug for AdoptedContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdoptedContext").finish_non_exhaustive()
    }
}

/// Why a context cannot be the one of a side; `None` when it can.
pub(crate) fn obstacle(context: &SslContextRef, server: bool) -> Result<Option<&'static str>, ErrorStack> {
    let ssl = Ssl::new(context)?;
    // SAFETY: both are alive; the methods are static.
    let (datagrams, client_only, server_only) = unsafe {
        let method = decl::SSL_CTX_get_ssl_method(context.as_ptr());
        (
            decl::SSL_is_dtls(ssl_ptr(&ssl)) == 1,
            ptr::eq(method, ffi::TLS_client_method()),
            ptr::eq(method, ffi::TLS_server_method()),
        )
    };
    Ok(match (datagrams, server) {
        (true, _) => Some("the SSL_CTX is for DTLS; a byte stream needs one for TLS"),
        (false, true) if client_only => Some("the SSL_CTX is for clients alone (TLS_client_method)"),
        (false, false) if server_only => Some("the SSL_CTX is for servers alone (TLS_server_method)"),
        _ => None,
    })
}

fn ssl_ptr(ssl: &SslRef) -> *mut ffi::SSL {
    ssl.as_ptr()
}

/// Makes an SSL of an adopted context ready for a connection of this library.
pub(crate) fn prepare(ssl: &mut SslRef, renegotiation_allowed: bool) -> Result<(), ErrorStack> {
    let chain = chained()?;
    let modes = ffi::SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER
        | ffi::SSL_MODE_ENABLE_PARTIAL_WRITE
        | ffi::SSL_MODE_RELEASE_BUFFERS
        | ffi::SSL_MODE_AUTO_RETRY;
    // SAFETY: the SSL is alive; the commands take numbers alone. A callback of the SSL itself, which the application may
    // have set in an ex_data callback, has libssl's type for it.
    unsafe {
        if let Some(before) = decl::SSL_get_info_callback(ssl.as_ptr())
            && !ptr::fn_addr_eq(before, info as decl::InfoCallback)
        {
            ssl.set_ex_data(chain, before);
        }
        decl::SSL_set_info_callback(ssl.as_ptr(), Some(info));
        ffi::SSL_ctrl(ssl.as_ptr(), decl::SSL_CTRL_MODE, modes as c_long, ptr::null_mut());
        // A job of libssl must go on in the thread that began it, which nobody promises here.
        ffi::SSL_ctrl(ssl.as_ptr(), decl::SSL_CTRL_CLEAR_MODE, decl::SSL_MODE_ASYNC, ptr::null_mut());
    }
    let (set, clear) = match renegotiation_allowed {
        true => (compat::ALLOW_CLIENT_RENEGOTIATION, SslOptions::NO_RENEGOTIATION),
        false => (SslOptions::NO_RENEGOTIATION, compat::ALLOW_CLIENT_RENEGOTIATION),
    };
    compat::clear_options(ssl, clear);
    compat::set_options(ssl, set);
    Ok(())
}

/// Has libssl compare the certificate with `host`, in its own verification: `SSL_set1_host`.
pub(crate) fn expect_host(ssl: &mut SslRef, host: &str) -> Result<(), ErrorStack> {
    let param = ssl.param_mut();
    param.set_hostflags(X509CheckFlags::NO_PARTIAL_WILDCARDS);
    match address::parse(host) {
        Some(address) => param.set_ip(address),
        None => param.set_host(host),
    }
}

/// The ex_data slot for the callback that was on the SSL before ours.
fn chained() -> Result<Index<Ssl, decl::InfoCallback>, ErrorStack> {
    static INDEX: OnceLock<Index<Ssl, decl::InfoCallback>> = OnceLock::new();
    if let Some(index) = INDEX.get() {
        return Ok(*index);
    }
    let made = Ssl::new_ex_index()?;
    Ok(*INDEX.get_or_init(|| made))
}

unsafe extern "C" fn info(ssl: *const ffi::SSL, place: c_int, value: c_int) {
    // SAFETY: libssl calls this with a live SSL. The callbacks have libssl's type, and are called as libssl would.
    unsafe {
        hook::info(ssl, place, value);
        if let Some(next) = next_info(ssl) {
            next(ssl, place, value);
        }
    }
}

/// Whom libssl would have called: the SSL's callback, or else that of its context, which a server name may have
/// changed.
///
/// # Safety
/// `ssl` must be alive.
unsafe fn next_info(ssl: *const ffi::SSL) -> Option<decl::InfoCallback> {
    // SAFETY: the caller's contract; the SSL holds its context.
    unsafe {
        let before =
            chained().ok().and_then(|index| SslRef::from_ptr(ssl.cast_mut()).ex_data(index).copied());
        before.or_else(|| decl::SSL_CTX_get_info_callback(ffi::SSL_get_SSL_CTX(ssl)))
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Read, Write};
    use std::sync::atomic::{AtomicUsize, Ordering};

    use openssl::ssl::{SslMethod, SslStream};

    use super::*;

    static OF_CONTEXT: AtomicUsize = AtomicUsize::new(0);
    static OF_SSL: AtomicUsize = AtomicUsize::new(0);

    unsafe extern "C" fn of_context(_: *const ffi::SSL, place: c_int, _: c_int) {
        OF_CONTEXT.fetch_add(usize::from(place & decl::SSL_CB_HANDSHAKE_START != 0), Ordering::SeqCst);
    }

    unsafe extern "C" fn of_ssl(_: *const ffi::SSL, place: c_int, _: c_int) {
        OF_SSL.fetch_add(usize::from(place & decl::SSL_CB_HANDSHAKE_START != 0), Ordering::SeqCst);
    }

    /// A peer that says nothing.
    #[derive(Debug)]
    struct Silence;

    impl Read for Silence {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::WouldBlock.into())
        }
    }

    impl Write for Silence {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn the_applications_info_callback_is_called_from_where_libssl_would_have() {
        let builder = SslContext::builder(SslMethod::tls()).unwrap();
        // SAFETY: the context is alive; the function has the type of the slot.
        unsafe { decl::SSL_CTX_set_info_callback(builder.as_ptr(), Some(of_context)) };
        let context = builder.build();

        let mut ssl = Ssl::new(&context).unwrap();
        prepare(&mut ssl, false).unwrap();
        SslStream::new(ssl, Silence).unwrap().accept().unwrap_err();
        assert_eq!((OF_CONTEXT.load(Ordering::SeqCst), OF_SSL.load(Ordering::SeqCst)), (1, 0));

        let mut ssl = Ssl::new(&context).unwrap();
        // SAFETY: as above.
        unsafe { decl::SSL_set_info_callback(ssl.as_ptr(), Some(of_ssl)) };
        // Twice does no harm.
        prepare(&mut ssl, false).unwrap();
        prepare(&mut ssl, true).unwrap();
        SslStream::new(ssl, Silence).unwrap().accept().unwrap_err();
        assert_eq!((OF_CONTEXT.load(Ordering::SeqCst), OF_SSL.load(Ordering::SeqCst)), (1, 1));
    }

    #[test]
    fn nothing_is_no_context() {
        // SAFETY: null is allowed.
        let error = unsafe { AdoptedContext::from_raw(ptr::null_mut()) }.unwrap_err();
        assert_eq!(error.option(), Some("context"));
    }

    #[test]
    fn an_adopted_context_outlives_the_reference_that_it_was_made_from() {
        let context = SslContext::builder(SslMethod::tls()).unwrap().build();
        // SAFETY: the context is alive.
        let adopted = unsafe { AdoptedContext::from_raw(context.as_ptr()) }.unwrap();
        drop(context);
        assert!(Ssl::new(adopted.as_openssl()).is_ok());
    }

    #[test]
    fn what_a_job_would_spoil_is_off() {
        let builder = SslContext::builder(SslMethod::tls()).unwrap();
        // SAFETY: the context is alive; the command takes a number.
        unsafe {
            ffi::SSL_CTX_ctrl(builder.as_ptr(), decl::SSL_CTRL_MODE, decl::SSL_MODE_ASYNC, ptr::null_mut())
        };
        let context = builder.build();
        let mut ssl = Ssl::new(&context).unwrap();
        prepare(&mut ssl, false).unwrap();
        // SAFETY: the objects are alive; the command adds nothing, and gives a number.
        let (of_ssl, of_context) = unsafe {
            (
                ffi::SSL_ctrl(ssl.as_ptr(), decl::SSL_CTRL_MODE, 0, ptr::null_mut()),
                ffi::SSL_CTX_ctrl(context.as_ptr(), decl::SSL_CTRL_MODE, 0, ptr::null_mut()),
            )
        };
        assert_eq!(of_ssl & (decl::SSL_MODE_ASYNC | 0x17), 0x17);
        assert_ne!(of_context & decl::SSL_MODE_ASYNC, 0, "the context keeps it");
    }
}
