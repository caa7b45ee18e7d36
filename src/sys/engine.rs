//! Engines: what libcrypto had before providers, in 1.1.1 to 3.6. Where there are none, nothing here succeeds.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ptr;
use std::sync::{Mutex, MutexGuard};

use foreign_types::ForeignType;
use openssl::error::ErrorStack;
use openssl::pkey::{PKey, Private};
use openssl::ssl::SslContextBuilder;
use openssl::x509::X509;
use openssl_sys as ffi;

use super::compat::engine as c;
use super::passphrase::{self, Prompt};
use super::queue;
use crate::values::secret::Secret;

pub(crate) use super::compat::HAS_ENGINES;

/// An engine that is initialised, for the rest of the process: keys that it made call it whenever they are used.
pub(crate) struct Engine {
    id: CString,
    pointer: *mut ffi::ENGINE,
    /// Held while a secret of one caller answers.
    work: Mutex<()>,
    /// Also asked after loading, by keys that need the PIN for each signature.
    prompt: Prompt,
}

// SAFETY: the pointer never changes; libcrypto locks what it counts, and the engines' functions may be called from any
// thread, as keys of theirs are.
unsafe impl Send for Engine {}
// SAFETY: as above.
unsafe impl Sync for Engine {}

/// Why an engine gave nothing.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) stack: ErrorStack,
    /// Whether it asked for a PIN.
    pub(crate) asked: bool,
}

static ENGINES: Mutex<Vec<&'static Engine>> = Mutex::new(Vec::new());

/// The engine of this name, loaded and initialised when it was not yet. A name that is no engine's is taken for the file
/// of one, as Node does.
pub(crate) fn open(id: &CStr) -> Result<&'static Engine, ErrorStack> {
    openssl::init();
    let mut engines = lock(&ENGINES);
    if let Some(known) = engines.iter().find(|engine| *engine.id == *id) {
        return Ok(known);
    }
    queue::clear();
    let method = passphrase::method()?;
    // SAFETY: texts end with NUL; each reference that is taken here is given back unless the engine is kept. Commands
    // that an engine does not have are skipped. The method and the prompt live for ever.
    let engine = unsafe {
        c::ENGINE_load_builtin_engines();
        let pointer = find(id)?;
        if c::ENGINE_init(pointer) != 1 {
            let stack = ErrorStack::get();
            c::ENGINE_free(pointer);
            return Err(stack);
        }
        let engine: &'static Engine = Box::leak(Box::new(Engine {
            id: id.to_owned(),
            pointer,
            work: Mutex::new(()),
            prompt: Prompt::default(),
        }));
        engine.command(c"QUIET", ptr::null_mut());
        engine.command(c"SET_USER_INTERFACE", method.cast());
        engine.command(c"SET_CALLBACK_DATA", engine.prompt.as_data());
        engine
    };
    queue::clear();
    engines.push(engine);
    Ok(engine)
}

/// # Safety
/// `id` must be good for the call, which any `CStr` is; engines run their own code when they are loaded.
unsafe fn find(id: &CStr) -> Result<*mut ffi::ENGINE, ErrorStack> {
    // SAFETY: as in `open`.
    unsafe {
        let known = c::ENGINE_by_id(id.as_ptr());
        if !known.is_null() {
            return Ok(known);
        }
        // What went wrong with the name tells more than what does with the file.
        let stack = ErrorStack::get();
        let dynamic = c::ENGINE_by_id(c"dynamic".as_ptr());
        if dynamic.is_null() {
            return Err(stack);
        }
        if c::ENGINE_ctrl_cmd_string(dynamic, c"SO_PATH".as_ptr(), id.as_ptr(), 0) == 1
            && c::ENGINE_ctrl_cmd_string(dynamic, c"LOAD".as_ptr(), ptr::null(), 0) == 1
        {
            return Ok(dynamic);
        }
        c::ENGINE_free(dynamic);
        queue::clear();
        Err(stack)
    }
}

impl Engine {
    /// A private key that stays where it is: `ENGINE_load_private_key`.
    pub(crate) fn private_key(&self, id: &CStr, pin: Option<Secret>) -> Result<PKey<Private>, Refusal> {
        self.with_pin(pin, |data| {
            let method = passphrase::method()?;
            // SAFETY: the engine is initialised, the texts end with NUL, the method and its data live for ever; the key
            // is null or ours.
            unsafe {
                let key = c::ENGINE_load_private_key(self.pointer, id.as_ptr(), method.cast(), data);
                if key.is_null() { Err(ErrorStack::get()) } else { Ok(PKey::from_ptr(key)) }
            }
        })
    }

    /// A certificate, by the command that the engines for PKCS#11 have for it (libp11, `LOAD_CERT_CTRL`).
    pub(crate) fn certificate(&self, id: &CStr, pin: Option<Secret>) -> Result<X509, Refusal> {
        /// What the command reads and writes.
        #[repr(C)]
        struct Wanted {
            id: *const c_char,
            certificate: *mut ffi::X509,
        }
        self.with_pin(pin, |_| {
            let mut wanted = Wanted { id: id.as_ptr(), certificate: ptr::null_mut() };
            // SAFETY: the engine is initialised; one that has the command reads the text and stores null or a
            // certificate that is ours.
            unsafe {
                let done = c::ENGINE_ctrl_cmd(
                    self.pointer,
                    c"LOAD_CERT_CTRL".as_ptr(),
                    0,
                    (&raw mut wanted).cast(),
                    None,
                    0,
                );
                if done != 1 || wanted.certificate.is_null() {
                    return Err(ErrorStack::get());
                }
                Ok(X509::from_ptr(wanted.certificate))
            }
        })
    }

    /// Lets the engine answer a server that asks for a certificate: `SSL_CTX_set_client_cert_engine`.
    pub(crate) fn answer_for_client(&self, context: &mut SslContextBuilder) -> Result<(), ErrorStack> {
        // SAFETY: both are alive; the context takes a reference of its own.
        let done = unsafe { c::SSL_CTX_set_client_cert_engine(context.as_ptr(), self.pointer) };
        if done == 1 { Ok(()) } else { Err(ErrorStack::get()) }
    }

    /// Runs `body` while exactly this PIN answers. A PIN that was given stays for keys that ask again.
    fn with_pin<T>(
        &self,
        pin: Option<Secret>,
        body: impl FnOnce(*mut c_void) -> Result<T, ErrorStack>,
    ) -> Result<T, Refusal> {
        let _work = lock(&self.work);
        queue::clear();
        let given = pin.is_some();
        let before = self.prompt.replace(pin);
        let outcome = body(self.prompt.as_data());
        let asked = self.prompt.was_asked();
        if !given || outcome.is_err() {
            self.prompt.replace(before);
        }
        outcome.map_err(|stack| Refusal { stack, asked })
    }

    /// Gives a command that the engine may lack.
    fn command(&self, name: &CStr, pointer: *mut c_void) -> c_int {
        // SAFETY: the engine is alive, and the pointer is what the command takes; both callers' live for ever.
        unsafe { c::ENGINE_ctrl_cmd(self.pointer, name.as_ptr(), 0, pointer, None, 1) }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|e| e.into_inner())
}
