//! The one BIO of the library: a method made once, that hands libssl's reads and writes to a [`ByteIo`].

use std::ffi::{c_char, c_int, c_long, c_void};
use std::mem::MaybeUninit;
use std::ptr::{self, NonNull};
use std::slice;
use std::sync::{Arc, OnceLock};

use openssl::error::ErrorStack;
use openssl_sys as ffi;
use tokio::io::ReadBuf;

use super::decl;
use super::guard::{Parked, guard};
use super::hook::Hooks;
use crate::values::record_edge::RecordEdge;

/// What a transport answers to libssl.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IoStep {
    /// So many bytes were read or written; more than none.
    Bytes(usize),
    /// Not now: libssl returns WANT_READ or WANT_WRITE.
    Retry,
    /// The peer ended the transport. Only for reads.
    End,
    /// The transport failed; it keeps the error for its owner.
    Failed,
}

/// The bytes below the TLS records.
pub(crate) trait ByteIo {
    /// Feeds libssl. [`IoStep::Bytes`] is what it was fed in all.
    fn read(&mut self, feed: &mut Feed<'_>) -> IoStep;
    /// Writes some of `bytes`, which is not empty.
    fn write(&mut self, bytes: &[u8]) -> IoStep;
    /// Pushes on what was written: libssl asks for it at the end of each flight. `Bytes` means done.
    fn flush(&mut self) -> IoStep;
}

/// libssl's room for what it reads, and the only way into it: no bytes of a second record get there before libssl asks again.
pub(crate) struct Feed<'a> {
    room: ReadBuf<'a>,
    edge: RecordEdge,
}

impl<'a> Feed<'a> {
    /// Room behind what `edge` has followed.
    pub(crate) fn new(room: &'a mut [MaybeUninit<u8>], edge: RecordEdge) -> Feed<'a> {
        Feed { room: ReadBuf::uninit(room), edge }
    }

    /// How many bytes there is room for.
    pub(crate) fn remaining(&self) -> usize {
        self.room.remaining()
    }

    /// How many bytes of the record are still to come, once its header has been fed.
    pub(crate) fn left(&self) -> usize {
        self.edge.left()
    }

    /// How many bytes are missing from the record, or from its header where that is not whole.
    pub(crate) fn missing(&self) -> usize {
        self.edge.missing()
    }

    /// Feeds what belongs to one record, and what there is room for; how many of `bytes` that was.
    pub(crate) fn put(&mut self, bytes: &[u8]) -> usize {
        let count = self.edge.advance(&bytes[..bytes.len().min(self.remaining())]);
        self.room.put_slice(&bytes[..count]);
        count
    }

    /// Has `read` read up to `most` bytes into the room. What is there beyond one record is for `beyond`, and not for libssl.
    /// Gives the answer of `read`, and how many bytes libssl was fed.
    ///
    /// # Panics
    /// When `read` puts another buffer in the place of the room.
    pub(crate) fn read_with<T>(
        &mut self,
        most: usize,
        read: impl FnOnce(&mut ReadBuf<'_>) -> T,
        beyond: impl FnOnce(&[u8]),
    ) -> (T, usize) {
        let mut room = self.room.take(most);
        let start = room.filled().as_ptr();
        let answer = read(&mut room);
        assert!(ptr::eq(room.filled().as_ptr(), start), "the stream has read into a buffer of its own");
        let fresh = room.filled();
        let count = self.edge.advance(fresh);
        if count < fresh.len() {
            beyond(&fresh[count..]);
        }
        // SAFETY: `fresh` has at least so many bytes, and it is the beginning of the room that is not filled.
        unsafe { self.room.assume_init(count) };
        self.room.advance(count);
        (answer, count)
    }

    /// How many bytes libssl was fed, and where its records end now.
    pub(crate) fn end(self) -> (usize, RecordEdge) {
        (self.room.filled().len(), self.edge)
    }
}

/// What a BIO of ours points to: a `ByteIo` of whatever type behind three plain functions, so that the functions
/// which C calls are not generic.
struct Link {
    functions: &'static Functions,
    parked: Parked,
    /// What libssl has been given.
    edge: RecordEdge,
    /// What answers libssl otherwise.
    hooks: Option<Arc<dyn Hooks>>,
}

/// The functions of one type of `ByteIo`.
struct Functions {
    read: unsafe fn(*mut Link, &mut Feed<'_>) -> IoStep,
    write: unsafe fn(*mut Link, &[u8]) -> IoStep,
    flush: unsafe fn(*mut Link) -> IoStep,
}

/// A `ByteIo` and the link to it, in one allocation. `link` is first: a pointer to it is a pointer to the whole.
#[repr(C)]
struct Linked<T> {
    link: Link,
    io: T,
}

impl<T: ByteIo> Linked<T> {
    const FUNCTIONS: Functions =
        Functions { read: read_through::<T>, write: write_through::<T>, flush: flush_through::<T> };
}

/// The owner of a `ByteIo` that a BIO points to.
pub(crate) struct BioOwner<T> {
    linked: NonNull<Linked<T>>,
    bio: NonNull<ffi::BIO>,
}

// SAFETY: the owner is the only way to the `ByteIo` but for the BIO, and the BIO is used only by calls on the SSL
// that the same connection owns; so the pair moves between threads as its parts do.
unsafe impl<T: Send> Send for BioOwner<T> {}
// SAFETY: a shared reference gives out only `&T`.
unsafe impl<T: Sync> Sync for BioOwner<T> {}

impl<T: ByteIo> BioOwner<T> {
    /// Makes a BIO over `io` and gives it to `ssl`, for both directions. By the BIO the SSL's callbacks find `hooks`: an ex_data
    /// slot, as other SSLs need, costs more than all other things that are done for a connection.
    pub(super) fn attach(
        io: T,
        ssl: *mut ffi::SSL,
        hooks: Option<Arc<dyn Hooks>>,
    ) -> Result<BioOwner<T>, ErrorStack> {
        let method = method()?.method;
        // SAFETY: the method lives for ever.
        let bio = NonNull::new(unsafe { ffi::BIO_new(method) }).ok_or_else(ErrorStack::get)?;
        let link = Link {
            functions: &Linked::<T>::FUNCTIONS,
            parked: Parked::default(),
            edge: RecordEdge::default(),
            hooks,
        };
        let linked = NonNull::from(Box::leak(Box::new(Linked { link, io })));
        // SAFETY: the BIO is fresh and ours; its data outlives it, or is taken from it, by `drop` of the owner. The
        // SSL takes over the one reference that BIO_new made, for reading and writing both (SSL_set_bio(3)).
        unsafe {
            ffi::BIO_set_data(bio.as_ptr(), linked.as_ptr().cast());
            ffi::BIO_set_init(bio.as_ptr(), 1);
            ffi::SSL_set_bio(ssl, bio.as_ptr(), bio.as_ptr());
        }
        // The owner keeps a reference of its own, so that `drop` can cut the link whoever else holds the BIO.
        // SAFETY: the BIO is alive: the SSL holds it.
        unsafe { decl::BIO_up_ref(bio.as_ptr()) };
        Ok(BioOwner { linked, bio })
    }
}

impl<T> BioOwner<T> {
    pub(super) fn io(&self) -> &T {
        // SAFETY: `linked` is alive until `drop`; no call of libssl runs while we are borrowed.
        unsafe { &(*self.linked.as_ptr()).io }
    }

    pub(super) fn io_mut(&mut self) -> &mut T {
        // SAFETY: as in `io`, and the borrow is exclusive.
        unsafe { &mut (*self.linked.as_ptr()).io }
    }

    pub(super) fn hooks(&self) -> Option<&dyn Hooks> {
        // SAFETY: as in `io`.
        unsafe { (*self.linked.as_ptr()).link.hooks.as_deref() }
    }

    /// Whether libssl has been given whole records only.
    pub(super) fn is_between_records(&self) -> bool {
        // SAFETY: as in `io`.
        unsafe { (*self.linked.as_ptr()).link.edge.is_between() }
    }

    /// Throws on what the `ByteIo` threw inside the last call of libssl.
    pub(super) fn resume_panic(&self) {
        // SAFETY: as in `io`.
        unsafe { (*self.linked.as_ptr()).link.parked.resume() }
    }

    /// Cuts the link and takes the `ByteIo` out.
    pub(super) fn into_io(self) -> T {
        let linked = self.linked;
        self.cut();
        std::mem::forget(self);
        // SAFETY: `linked` came from a box; the link is cut and the owner forgotten, so this is the last pointer.
        unsafe { Box::from_raw(linked.as_ptr()) }.io
    }

    fn cut(&self) {
        // SAFETY: the BIO is alive by our own reference, which is given back here, once.
        unsafe {
            ffi::BIO_set_data(self.bio.as_ptr(), ptr::null_mut());
            ffi::BIO_free_all(self.bio.as_ptr());
        }
    }
}

impl<T> Drop for BioOwner<T> {
    fn drop(&mut self) {
        self.cut();
        // SAFETY: `linked` came from a box and the BIO no longer points to it.
        drop(unsafe { Box::from_raw(self.linked.as_ptr()) });
    }
}

/// # Safety
/// `link` must be the `link` of a live `Linked<T>` that nobody else borrows.
unsafe fn read_through<T: ByteIo>(link: *mut Link, feed: &mut Feed<'_>) -> IoStep {
    // SAFETY: the caller's contract; `Linked` is repr(C) and `link` its first field.
    unsafe { &mut (*link.cast::<Linked<T>>()).io }.read(feed)
}

/// # Safety
/// As [`read_through`].
unsafe fn write_through<T: ByteIo>(link: *mut Link, bytes: &[u8]) -> IoStep {
    // SAFETY: as in `read_through`.
    unsafe { &mut (*link.cast::<Linked<T>>()).io }.write(bytes)
}

/// # Safety
/// As [`read_through`].
unsafe fn flush_through<T: ByteIo>(link: *mut Link) -> IoStep {
    // SAFETY: as in `read_through`.
    unsafe { &mut (*link.cast::<Linked<T>>()).io }.flush()
}

struct Method {
    method: *const ffi::BIO_METHOD,
    /// The method's own copy of its name, by which its BIOs are known.
    name: *const c_char,
}
// SAFETY: a BIO_METHOD is read-only once its functions are set, and its name always.
unsafe impl Send for Method {}
// SAFETY: as above.
unsafe impl Sync for Method {}

/// The method, made at the first use and never freed.
static METHOD: OnceLock<Method> = OnceLock::new();

fn method() -> Result<&'static Method, ErrorStack> {
    if let Some(method) = METHOD.get() {
        return Ok(method);
    }
    ffi::init();
    // SAFETY: the name is a C string that lives for ever; the functions have the types that BIO_meth_new(3) asks
    // for. Two threads may both get here: one method is then left unused, and not freed.
    let made = unsafe {
        let method = ffi::BIO_meth_new(ffi::BIO_TYPE_NONE, c"patina-tls".as_ptr());
        if method.is_null() {
            return Err(ErrorStack::get());
        }
        ffi::BIO_meth_set_write__fixed_rust(method, Some(bio_write));
        ffi::BIO_meth_set_read__fixed_rust(method, Some(bio_read));
        ffi::BIO_meth_set_ctrl__fixed_rust(method, Some(bio_ctrl));
        // A method does not tell its name, its BIOs do.
        let bio = ffi::BIO_new(method);
        if bio.is_null() {
            return Err(ErrorStack::get());
        }
        let name = decl::BIO_method_name(bio);
        ffi::BIO_free_all(bio);
        Method { method, name }
    };
    Ok(METHOD.get_or_init(|| made))
}

/// The hooks of a connection of this library, by the BIO that its SSL reads from.
///
/// # Safety
/// `ssl` must be alive, and the hooks must not be used any more when its [`BioOwner`] goes.
pub(super) unsafe fn hooks_of<'a>(ssl: *const ffi::SSL) -> Option<&'a dyn Hooks> {
    let ours = METHOD.get()?;
    // SAFETY: the SSL is alive, and its BIO with it. Only BIOs of our method have its name, at that address; their data is a link
    // that is alive, or null. Nobody writes to the place of the hooks.
    unsafe {
        let bio = ffi::SSL_get_rbio(ssl);
        if bio.is_null() || decl::BIO_method_name(bio) != ours.name {
            return None;
        }
        let link = link_of(bio);
        if link.is_null() { None } else { (*link).hooks.as_deref() }
    }
}

/// The link of a BIO of ours, or null when its owner is gone.
///
/// # Safety
/// `bio` must be a live BIO of our method.
unsafe fn link_of(bio: *mut ffi::BIO) -> *mut Link {
    // SAFETY: the caller's contract.
    unsafe { ffi::BIO_get_data(bio).cast() }
}

/// Sets the retry flags and gives the number that a read or write function of a BIO returns.
///
/// # Safety
/// `bio` must be a live BIO of our method.
unsafe fn answer(bio: *mut ffi::BIO, step: IoStep, direction: c_int) -> c_int {
    match step {
        IoStep::Bytes(n) => c_int::try_from(n).unwrap_or(c_int::MAX),
        IoStep::Retry => {
            // SAFETY: the caller's contract.
            unsafe { ffi::BIO_set_flags(bio, direction | ffi::BIO_FLAGS_SHOULD_RETRY) };
            -1
        }
        // Not 0 for the end: OpenSSL 4.0 takes that for a violation of TLS, and answers it with an alert. Without the retry
        // flag, -1 is SSL_ERROR_SYSCALL on every version, and the transport knows whether it ended or failed.
        IoStep::End | IoStep::Failed => -1,
    }
}

unsafe extern "C" fn bio_read(bio: *mut ffi::BIO, buf: *mut c_char, len: c_int) -> c_int {
    // SAFETY: libssl calls this with a live BIO of our method; the link is null or alive while its owner is.
    let link = unsafe { link_of(bio) };
    if link.is_null() {
        return -1;
    }
    // SAFETY: the link is alive; `parked` is not touched by the functions behind the link.
    let parked = unsafe { &(*link).parked };
    guard(Some(parked), -1, || {
        let len = usize::try_from(len).unwrap_or(0);
        // SAFETY: libssl gives `len` writable bytes at `buf`, which it may not have initialised; the functions of
        // the link match its type, and nobody borrows the ByteIo while libssl runs.
        unsafe {
            ffi::BIO_clear_flags(bio, ffi::BIO_FLAGS_RWS | ffi::BIO_FLAGS_SHOULD_RETRY);
            let space: &mut [MaybeUninit<u8>] = match len {
                0 => &mut [],
                _ => slice::from_raw_parts_mut(buf.cast(), len),
            };
            let mut feed = Feed::new(space, (*link).edge);
            let step = ((*link).functions.read)(link, &mut feed);
            // What counts is what is in the room, whatever the ByteIo says of it.
            let (count, edge) = feed.end();
            let step = match step {
                _ if count > 0 => {
                    (*link).edge = edge;
                    IoStep::Bytes(count)
                }
                IoStep::Bytes(_) => IoStep::Failed,
                other => other,
            };
            answer(bio, step, ffi::BIO_FLAGS_READ)
        }
    })
}

unsafe extern "C" fn bio_write(bio: *mut ffi::BIO, buf: *const c_char, len: c_int) -> c_int {
    // SAFETY: as in bio_read.
    let link = unsafe { link_of(bio) };
    if link.is_null() {
        return -1;
    }
    // SAFETY: as in bio_read.
    let parked = unsafe { &(*link).parked };
    guard(Some(parked), -1, || {
        let len = usize::try_from(len).unwrap_or(0);
        // SAFETY: libssl gives `len` readable bytes at `buf`; the rest as in bio_read.
        unsafe {
            ffi::BIO_clear_flags(bio, ffi::BIO_FLAGS_RWS | ffi::BIO_FLAGS_SHOULD_RETRY);
            if len == 0 {
                return 0;
            }
            let bytes = slice::from_raw_parts(buf.cast(), len);
            let step = match ((*link).functions.write)(link, bytes) {
                IoStep::Bytes(n) => IoStep::Bytes(n.min(len)),
                other => other,
            };
            answer(bio, step, ffi::BIO_FLAGS_WRITE)
        }
    })
}

unsafe extern "C" fn bio_ctrl(bio: *mut ffi::BIO, command: c_int, _num: c_long, _ptr: *mut c_void) -> c_long {
    // Unknown commands answer 0: another number breaks callers that probe for kernel TLS. BIO_CTRL_EOF is one of them, so that
    // every version of libssl reports SSL_ERROR_SYSCALL for the end of the transport; see `answer`.
    if command != ffi::BIO_CTRL_FLUSH {
        return 0;
    }
    // SAFETY: libssl calls this with a live BIO of our method.
    unsafe { bio_flush(bio) }
}

/// Not within `bio_ctrl`, which libssl calls for other things far more often.
///
/// # Safety
/// `bio` must be a live BIO of our method.
#[inline(never)]
unsafe fn bio_flush(bio: *mut ffi::BIO) -> c_long {
    // SAFETY: as in bio_read.
    let link = unsafe { link_of(bio) };
    if link.is_null() {
        return 0;
    }
    // SAFETY: as in bio_read.
    let parked = unsafe { &(*link).parked };
    guard(Some(parked), -1, || {
        // SAFETY: as in bio_read.
        unsafe {
            ffi::BIO_clear_flags(bio, ffi::BIO_FLAGS_RWS | ffi::BIO_FLAGS_SHOULD_RETRY);
            match ((*link).functions.flush)(link) {
                IoStep::Bytes(_) => 1,
                other => c_long::from(answer(bio, other, ffi::BIO_FLAGS_WRITE).min(-1)),
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use foreign_types::ForeignType;
    use openssl::ssl::{Ssl, SslContext, SslMethod};

    /// Gives these bytes, and then nothing.
    struct Piece(&'static [u8]);

    impl ByteIo for Piece {
        fn read(&mut self, feed: &mut Feed<'_>) -> IoStep {
            let count = feed.put(self.0);
            self.0 = &self.0[count..];
            if count > 0 { IoStep::Bytes(count) } else { IoStep::Retry }
        }

        fn write(&mut self, bytes: &[u8]) -> IoStep {
            IoStep::Bytes(bytes.len())
        }

        fn flush(&mut self) -> IoStep {
            IoStep::Bytes(1)
        }
    }

    #[test]
    fn half_a_record_is_not_between_records() {
        let hello: &[u8] = &[22, 3, 1, 0, 50, 1, 0, 0, 46, 3, 3];
        for (piece, is_between) in
            [(&hello[..0], true), (&hello[..3], false), (&hello[..5], false), (hello, false)]
        {
            let context = SslContext::builder(SslMethod::tls_server()).unwrap().build();
            let mut ssl = Ssl::new(&context).unwrap();
            ssl.set_accept_state();
            let owner = BioOwner::attach(Piece(piece), ssl.as_ptr(), None).unwrap();
            // SAFETY: the SSL is alive.
            assert_eq!(unsafe { ffi::SSL_do_handshake(ssl.as_ptr()) }, -1);
            assert_eq!(owner.is_between_records(), is_between, "{piece:?}");
        }
    }
}
