//! Passphrases and PINs that libcrypto asks for: answered from what the caller gave, never at the terminal.
//!
//! A loader that is given no UI_METHOD takes the process's default one, which prompts (UI_new_method(3)). So all of them
//! are given ours.

use std::ffi::{c_char, c_int, c_void};
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock};

use openssl::error::ErrorStack;

use super::decl;
use super::guard::guard;
use crate::values::secret::Secret;

/// What answers, and whether it was asked.
#[derive(Default)]
pub(super) struct Prompt {
    secret: Mutex<Option<Secret>>,
    asked: AtomicBool,
}

impl Prompt {
    pub(super) fn new(secret: Option<Secret>) -> Prompt {
        Prompt { secret: Mutex::new(secret), asked: AtomicBool::new(false) }
    }

    /// Answers with another secret from now on, as if it had not been asked yet; gives the one before.
    pub(super) fn replace(&self, secret: Option<Secret>) -> Option<Secret> {
        self.asked.store(false, Ordering::Relaxed);
        std::mem::replace(&mut *self.lock(), secret)
    }

    pub(super) fn was_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    /// As the argument that libcrypto hands back to [`method`]. Good as long as the borrow.
    pub(super) fn as_data(&self) -> *mut c_void {
        ptr::from_ref(self).cast_mut().cast()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Secret>> {
        self.secret.lock().unwrap_or_else(|e| e.into_inner())
    }
}

/// The UI_METHOD whose user data is a [`Prompt`]; null user data is nobody who could answer. It lives as long as the
/// process.
pub(super) fn method() -> Result<*mut decl::UI_METHOD, ErrorStack> {
    struct Method(*mut decl::UI_METHOD);
    // SAFETY: libcrypto only reads a finished method.
    unsafe impl Send for Method {}
    // SAFETY: as above.
    unsafe impl Sync for Method {}
    static METHOD: OnceLock<Method> = OnceLock::new();
    if let Some(method) = METHOD.get() {
        return Ok(method.0);
    }
    // SAFETY: `answer` is a pem_password_cb; the method that is made for it is ours.
    let made = unsafe { decl::UI_UTIL_wrap_read_pem_callback(Some(answer), 0) };
    if made.is_null() {
        return Err(ErrorStack::get());
    }
    let kept = METHOD.get_or_init(|| Method(made)).0;
    if !ptr::eq(kept, made) {
        // SAFETY: another thread was faster; nobody knows of this one.
        unsafe { decl::UI_destroy_method(made) };
    }
    Ok(kept)
}

unsafe extern "C" fn answer(buffer: *mut c_char, size: c_int, _writing: c_int, data: *mut c_void) -> c_int {
    guard(None, -1, || {
        // SAFETY: the user data is null or a Prompt that lives during the call which asks.
        let Some(prompt) = (unsafe { data.cast::<Prompt>().as_ref() }) else { return -1 };
        prompt.asked.store(true, Ordering::Relaxed);
        let secret = prompt.lock();
        let (Some(secret), Ok(size)) = (secret.as_ref(), usize::try_from(size)) else { return -1 };
        let bytes = secret.as_bytes();
        if bytes.len() > size {
            return -1;
        }
        // SAFETY: libcrypto gives `size` writable bytes, and the secret is not longer.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), buffer.cast(), bytes.len()) };
        bytes.len() as c_int
    })
}
