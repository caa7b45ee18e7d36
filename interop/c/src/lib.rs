//! Serves the `SSL_CTX` of a C program: `patina_adopt.h` describes the one function of it.
//!
//! The boundary to C takes unsafe code, which the library itself has in `src/sys` alone: an application that passes an
//! `SSL_CTX*` has to vouch for it.

use std::ffi::{CString, c_char, c_int, c_uint, c_void};
use std::net::TcpListener as StdListener;
use std::os::fd::BorrowedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};

use patina_tls::{AdoptedContext, Error, Negotiated, RenegotiationPolicy, TlsAcceptor, TlsStream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Told a line about what goes on.
pub type Report = unsafe extern "C" fn(argument: *mut c_void, line: *const c_char);

/// Accepts connections and sends back what they send.
///
/// # Safety
/// `ctx` must be a live `SSL_CTX`, `listener` an open listening socket, and `report` must be callable with `argument`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn patina_serve(
    ctx: *mut openssl_sys::SSL_CTX,
    listener: c_int,
    connections: c_uint,
    renegotiations: c_uint,
    report: Report,
    argument: *mut c_void,
) -> c_int {
    let tell = |line: String| {
        let Ok(line) = CString::new(line) else { return };
        // SAFETY: the caller's contract; the line is a C string that lives during the call.
        unsafe { report(argument, line.as_ptr()) };
    };
    // A panic must not reach C.
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: the caller's contract; a reference to the context is taken.
        let context = unsafe { AdoptedContext::from_raw(ctx) }?;
        let acceptor =
            TlsAcceptor::adopt(context).renegotiation(RenegotiationPolicy::limit(renegotiations)).build()?;
        // SAFETY: the caller's contract; the socket is duplicated, so that the caller's stays open.
        let listener = unsafe { BorrowedFd::borrow_raw(listener) }.try_clone_to_owned()?;
        serve(acceptor, listener.into(), connections, &tell)
    }));
    match outcome {
        Ok(Ok(())) => 0,
        Ok(Err(error)) => {
            tell(format!("error {error}"));
            -1
        }
        Err(_) => -1,
    }
}

fn serve(
    acceptor: TlsAcceptor,
    listener: StdListener,
    connections: c_uint,
    tell: &dyn Fn(String),
) -> Result<(), Box<dyn std::error::Error>> {
    listener.set_nonblocking(true)?;
    // One thread, the caller's own: the callbacks of the context run in it.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::from_std(listener)?;
        for _ in 0..connections {
            let (tcp, _) = listener.accept().await?;
            match acceptor.accept(tcp).await {
                Ok(mut tls) => {
                    tell(format!("patina secure {}", describe(&tls.negotiated())));
                    match echo(&mut tls).await {
                        Ok(()) => tell("patina closed".to_owned()),
                        Err(error) => tell(format!("patina failed {}", describe_error(&error))),
                    }
                }
                Err(error) => tell(format!("patina refused {}", describe_error(&error))),
            }
        }
        Ok(())
    })
}

async fn echo(tls: &mut TlsStream<TcpStream>) -> std::io::Result<()> {
    let mut buf = vec![0; 4096];
    loop {
        let count = tls.read(&mut buf).await?;
        if count == 0 {
            return tls.shutdown().await;
        }
        tls.write_all(&buf[..count]).await?;
        tls.flush().await?;
    }
}

fn describe(facts: &Negotiated<'_>) -> String {
    let authorized = if facts.authorized() { "authorized" } else { "not authorized" };
    let name = facts.server_name().unwrap_or("no name");
    format!("{} {} {name} {authorized}", facts.version(), facts.cipher_suite())
}

/// The library's code where it has one.
fn describe_error(error: &(dyn std::error::Error + 'static)) -> String {
    let io = error.downcast_ref::<std::io::Error>().and_then(Error::from_io);
    match io.or_else(|| error.downcast_ref()) {
        Some(error) => format!("{}: {}", error.code(), error.message()),
        None => error.to_string(),
    }
}
