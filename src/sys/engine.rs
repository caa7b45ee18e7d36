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

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;
    use std::sync::Once;

    use openssl::ssl::{Ssl, SslContext, SslFiletype, SslMethod, SslVerifyMode, SslVersion};

    use crate::sys::decl;

    const TRIAL: &CStr = c"patina-trial";

    fn path(name: &str) -> String {
        format!("{}/fixtures/pki/{name}", env!("CARGO_MANIFEST_DIR"))
    }

    fn key_id(name: &str) -> CString {
        CString::new(path(name)).unwrap()
    }

    /// An engine whose keys are files, and which asks for a PIN where a key is encrypted; nothing where there are no
    /// engines.
    fn trial() -> Option<&'static Engine> {
        static REGISTER: Once = Once::new();
        if !HAS_ENGINES {
            assert!(open(TRIAL).is_err());
            return None;
        }
        openssl::init();
        // SAFETY: the engine is new; the list of engines takes a reference, and ours stays for ever.
        REGISTER.call_once(|| unsafe {
            let engine = c::ENGINE_new();
            assert_eq!(c::ENGINE_set_id(engine, TRIAL.as_ptr()), 1);
            assert_eq!(c::ENGINE_set_name(engine, c"an engine for tests".as_ptr()), 1);
            assert_eq!(c::ENGINE_set_load_privkey_function(engine, Some(load_key)), 1);
            assert_eq!(c::ENGINE_set_load_ssl_client_cert_function(engine, Some(answer_for_client)), 1);
            assert_eq!(c::ENGINE_add(engine), 1);
        });
        Some(open(TRIAL).unwrap())
    }

    unsafe extern "C" fn load_key(
        _: *mut ffi::ENGINE,
        id: *const c_char,
        method: *mut decl::UI_METHOD,
        data: *mut c_void,
    ) -> *mut ffi::EVP_PKEY {
        // SAFETY: libcrypto hands on what `private_key` gave: a path, and a method with its data.
        unsafe {
            let store = decl::OSSL_STORE_open(id, method, data, None, ptr::null_mut());
            if store.is_null() {
                return ptr::null_mut();
            }
            let object = decl::OSSL_STORE_load(store);
            let key =
                if object.is_null() { ptr::null_mut() } else { decl::OSSL_STORE_INFO_get1_PKEY(object) };
            decl::OSSL_STORE_INFO_free(object);
            decl::OSSL_STORE_close(store);
            key
        }
    }

    unsafe extern "C" fn answer_for_client(
        _: *mut ffi::ENGINE,
        _: *mut ffi::SSL,
        _: *mut ffi::stack_st_X509_NAME,
        certificate: *mut *mut ffi::X509,
        key: *mut *mut ffi::EVP_PKEY,
        _: *mut *mut ffi::stack_st_X509,
        _: *mut decl::UI_METHOD,
        _: *mut c_void,
    ) -> c_int {
        let read = |name: &str| std::fs::read(path(name)).unwrap();
        let leaf = X509::from_pem(&read("client-rsa.pem")).unwrap();
        let own = PKey::private_key_from_pem(&read("client-rsa.key")).unwrap();
        // SAFETY: libssl gives places for the answer and takes over what is stored there.
        unsafe {
            *certificate = leaf.as_ptr();
            *key = own.as_ptr();
        }
        std::mem::forget((leaf, own));
        1
    }

    #[test]
    fn a_key_comes_with_the_pin_of_this_call_and_no_other() {
        let Some(engine) = trial() else { return };
        let id = key_id("server-rsa-encrypted.key");
        let load = |pin: Option<&str>| engine.private_key(&id, pin.map(Secret::from));
        let expected = PKey::private_key_from_pem(&std::fs::read(path("server-rsa.key")).unwrap()).unwrap();
        assert!(load(Some("patina")).unwrap().public_eq(&expected));
        for pin in [None, Some("wrong"), Some("")] {
            let refusal = load(pin).unwrap_err();
            assert!(refusal.asked, "{pin:?}: {refusal:?}");
        }
        let plain = engine.private_key(&key_id("server-rsa.key"), None).unwrap();
        assert!(plain.public_eq(&expected));
        let absent = engine.private_key(&key_id("absent.key"), Some("patina".into())).unwrap_err();
        assert!(!absent.asked);
        assert!(engine.certificate(&key_id("server-rsa.pem"), None).is_err(), "it has no such command");
    }

    #[test]
    fn an_engine_is_opened_once() {
        let Some(engine) = trial() else { return };
        assert!(ptr::eq(engine, open(TRIAL).unwrap()));
        assert!(open(c"no-such-engine").is_err());
        assert!(open(c"/no/such/engine.so").is_err());
    }

    #[test]
    fn an_engine_answers_for_a_client() {
        let Some(engine) = trial() else { return };
        let mut client = SslContext::builder(SslMethod::tls_client()).unwrap();
        engine.answer_for_client(&mut client).unwrap();
        let mut server = SslContext::builder(SslMethod::tls_server()).unwrap();
        server.set_certificate_file(path("server-rsa.pem"), SslFiletype::PEM).unwrap();
        server.set_private_key_file(path("server-rsa.key"), SslFiletype::PEM).unwrap();
        server.set_verify_callback(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT, |_, _| true);
        server.set_max_proto_version(Some(SslVersion::TLS1_2)).unwrap();
        let (near, far) = UnixStream::pair().unwrap();
        let (client, server) = (client.build(), server.build());
        let name = std::thread::scope(|scope| {
            scope.spawn(|| Ssl::new(&client).unwrap().connect(near).map(drop).unwrap());
            let stream = Ssl::new(&server).unwrap().accept(far).unwrap();
            stream.ssl().peer_certificate().unwrap().subject_name().to_der().unwrap()
        });
        let expected = X509::from_pem(&std::fs::read(path("client-rsa.pem")).unwrap()).unwrap();
        assert_eq!(name, expected.subject_name().to_der().unwrap());
    }
}
