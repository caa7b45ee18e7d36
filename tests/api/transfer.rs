//! Bytes under all circumstances: every one arrives, once and in order, and nobody sleeps past his wake-up.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use patina_tls::{
    ClientAuth, ClientConfig, Error, ErrorKind, ProtocolVersion, RecordSizing, ServerConfig, TlsAcceptor,
    TlsConnector, TlsStream,
};
use proptest::prelude::*;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};

use crate::support::cases;
use crate::support::pair::{client, identity, trust};
use crate::support::script::{self, Script, Scripted};
use crate::support::waker::{Dice, Task, poll_checked, run};

fn configs(version: ProtocolVersion) -> (ClientConfig, ServerConfig) {
    let client = ClientConfig::builder().trust(trust("root-ec")).versions(version).build().unwrap();
    (client, ServerConfig::builder().identity(identity("server-p256")).build().unwrap())
}

type Side = TlsStream<Scripted>;

/// Both ends after a handshake that followed the scripts.
///
/// The pipe has room for the server's last flight: its tickets go out before `accept` is done, and the client, done
/// before, reads nothing yet.
fn shaken(
    version: ProtocolVersion,
    seed: u64,
    near: Script,
    far: Script,
) -> (Result<Side, Error>, Result<Side, Error>) {
    shake(configs(version), seed, near, far)
}

fn shake(
    (client, server): (ClientConfig, ServerConfig),
    seed: u64,
    near: Script,
    far: Script,
) -> (Result<Side, Error>, Result<Side, Error>) {
    // The handshake timeout needs a clock; it is paused, and nothing waits for it.
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let _entered = runtime.enter();
    let (mut narrow, mut narrower) = (near, far);
    (narrow.capacity, narrower.capacity) = (near.capacity.max(8192), far.capacity.max(8192));
    let (broad, broader) = script::pair(narrow, narrower);
    let (mut a, mut b) = (None, None);
    run(
        seed,
        vec![
            Box::pin(async { a = Some(TlsConnector::new(client).connect("localhost", broad).await) }),
            Box::pin(async { b = Some(TlsAcceptor::new(server).accept(broader).await) }),
        ],
    );
    let (mut a, mut b) = (a.unwrap(), b.unwrap());
    if let (Ok(a), Ok(b)) = (&mut a, &mut b) {
        a.get_mut().follow(near);
        b.get_mut().follow(far);
    }
    (a, b)
}

/// What a writer does, one after the other.
#[derive(Debug, Clone)]
enum Step {
    Write(usize),
    Vectored(Vec<usize>),
    Flush,
    /// A write that is given up if it is not done at once.
    Cancelled(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let size = || prop_oneof![0_usize..10, 1_usize..2000, 16_380_usize..16_390, 1_usize..40_000];
    prop_oneof![
        4 => size().prop_map(Step::Write),
        2 => proptest::collection::vec(prop_oneof![0_usize..100, 0_usize..9000], 0..6).prop_map(Step::Vectored),
        1 => Just(Step::Flush),
        2 => size().prop_map(Step::Cancelled),
    ]
}

fn behaviour() -> impl Strategy<Value = Script> {
    let piece = prop_oneof![Just(1_usize), 2_usize..2000, Just(usize::MAX)];
    let capacity = prop_oneof![1_usize..50, 1000_usize..30_000, Just(usize::MAX)];
    let choices = (any::<u64>(), piece, capacity, any::<bool>(), 0_usize..40);
    choices.prop_map(|(seed, piece, capacity, vectored, spurious)| {
        // Byte by byte through a narrow pipe costs time and shows nothing more than through a wide one.
        let piece = if capacity < 50 { piece.max(2) } else { piece };
        Script { seed, piece, capacity, vectored, spurious, ..Script::plain() }
    })
}

/// How a side sends: what it keeps back, in which records, and whether it gathers them.
fn sending() -> impl Strategy<Value = (usize, RecordSizing, bool)> {
    let buffer =
        prop_oneof![3 => Just(0_usize), 1 => 1_usize..3000, 1 => Just(16 * 1024), 1 => 1_usize..100_000];
    let gathering = prop_oneof![3 => Just(true), 1 => Just(false)];
    (buffer, prop_oneof![Just(RecordSizing::Full), Just(RecordSizing::Dynamic)], gathering)
}

fn set(side: &mut Side, (buffer, sizing, gathering): (usize, RecordSizing, bool)) {
    side.set_write_buffering(buffer);
    side.set_record_sizing(sizing);
    side.set_record_gathering(gathering);
}

/// Bytes that never repeat in step with anything.
struct Source(Dice);

impl Source {
    fn bytes(&mut self, count: usize) -> Vec<u8> {
        let words = (0..count.div_ceil(4)).flat_map(|_| (self.0.below(1 << 31) as u32).to_le_bytes());
        words.take(count).collect()
    }
}

async fn write_all<W: AsyncWrite + Unpin>(
    io: &mut W,
    steps: &[Step],
    seed: u64,
    sent: &RefCell<Vec<u8>>,
) -> io::Result<()> {
    let mut source = Source(Dice::new(seed));
    for step in steps {
        match step {
            Step::Write(size) => {
                let bytes = source.bytes(*size);
                let mut rest = &bytes[..];
                while !rest.is_empty() {
                    let count = io.write(rest).await?;
                    assert!(count > 0 && count <= rest.len());
                    sent.borrow_mut().extend(&rest[..count]);
                    rest = &rest[count..];
                }
            }
            Step::Vectored(sizes) => {
                let parts: Vec<Vec<u8>> = sizes.iter().map(|size| source.bytes(*size)).collect();
                let slices: Vec<IoSlice<'_>> = parts.iter().map(|part| IoSlice::new(part)).collect();
                let count = io.write_vectored(&slices).await?;
                let all = parts.concat();
                assert!(count <= all.len() && (count > 0 || all.is_empty()));
                sent.borrow_mut().extend(&all[..count]);
            }
            Step::Flush => io.flush().await?,
            Step::Cancelled(size) => {
                let bytes = source.bytes(*size);
                let done = poll_fn(|cx| Poll::Ready(Pin::new(&mut *io).poll_write(cx, &bytes))).await;
                if let Poll::Ready(count) = done {
                    sent.borrow_mut().extend(&bytes[..count?]);
                }
            }
        }
    }
    io.shutdown().await
}

async fn read_all<R: AsyncRead + Unpin>(io: &mut R, seed: u64, heard: &RefCell<Vec<u8>>) -> io::Result<()> {
    let mut dice = Dice::new(seed);
    loop {
        let size = [1, 7, 1000, 16 * 1024, 100_000][dice.below(5)];
        let mut buf = vec![0; size];
        match io.read(&mut buf).await? {
            0 => return Ok(()),
            count => heard.borrow_mut().extend(&buf[..count]),
        }
    }
}

#[derive(Default)]
struct Log {
    sent: RefCell<Vec<u8>>,
    heard: RefCell<Vec<u8>>,
}

/// Reads and writes on both sides at once; what each operation came to.
fn exchange(
    seed: u64,
    near: Side,
    far: Side,
    steps: [&[Step]; 2],
) -> [(Log, io::Result<()>, io::Result<()>); 2] {
    let logs = [Log::default(), Log::default()];
    let outcomes: Rc<RefCell<Vec<Option<io::Result<()>>>>> =
        Rc::new(RefCell::new((0..4).map(|_| None).collect()));
    {
        let mut tasks: Vec<Task<'_>> = Vec::new();
        for (side, stream) in [near, far].into_iter().enumerate() {
            let (mut read, mut write) = tokio::io::split(stream);
            let (log, steps) = (&logs[side], steps[side]);
            let (done, also) = (Rc::clone(&outcomes), Rc::clone(&outcomes));
            tasks.push(Box::pin(async move {
                let outcome = write_all(&mut write, steps, seed ^ side as u64, &log.sent).await;
                done.borrow_mut()[2 * side] = Some(outcome);
            }));
            tasks.push(Box::pin(async move {
                let outcome = read_all(&mut read, seed ^ 77, &log.heard).await;
                also.borrow_mut()[2 * side + 1] = Some(outcome);
            }));
        }
        run(seed, tasks);
    }
    let mut outcomes = outcomes.borrow_mut();
    let mut take = |i: usize| outcomes[i].take().unwrap();
    let [a, b] = logs;
    let (a0, a1, b0, b1) = (take(0), take(1), take(2), take(3));
    [(a, a0, a1), (b, b0, b1)]
}

fn version(old: bool) -> ProtocolVersion {
    if old { ProtocolVersion::TLSv1_2 } else { ProtocolVersion::TLSv1_3 }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(300), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_script_moves_every_byte_and_never_stalls(
        old: bool,
        seed: u64,
        near in behaviour(),
        far in behaviour(),
        ours in proptest::collection::vec(step(), 0..6),
        theirs in proptest::collection::vec(step(), 0..6),
        sending in (sending(), sending()),
    ) {
        let (a, b) = shaken(version(old), seed, near, far);
        let (mut a, mut b) = (a.unwrap(), b.unwrap());
        set(&mut a, sending.0);
        set(&mut b, sending.1);
        let [(a, a_wrote, a_read), (b, b_wrote, b_read)] = exchange(seed, a, b, [&ours, &theirs]);
        for outcome in [a_wrote, a_read, b_wrote, b_read] {
            prop_assert!(outcome.is_ok(), "{outcome:?}");
        }
        prop_assert!(a.sent == b.heard && b.sent == a.heard, "the bytes differ");
    }

    #[test]
    fn any_script_that_breaks_ends_in_errors_and_never_in_a_stall(
        old: bool,
        seed: u64,
        near in behaviour(),
        far in behaviour(),
        steps in proptest::collection::vec(step(), 1..6),
        at in 0_usize..60_000,
        kind in 0_usize..3,
        sending in (sending(), sending()),
    ) {
        let (a, b) = shaken(version(old), seed, near, far);
        let (mut a, mut b) = (a.unwrap(), b.unwrap());
        set(&mut a, sending.0);
        set(&mut b, sending.1);
        let broken = match kind {
            0 => Script { write_error_at: Some(at), ..near },
            1 => Script { read_error_at: Some(at), ..near },
            _ => Script { end_at: Some(at), ..near },
        };
        a.get_mut().follow(broken);
        let [(a, _, _), (b, _, b_read)] = exchange(seed, a, b, [&steps, &steps]);
        let (a_sent, b_heard) = (a.sent.borrow(), b.heard.borrow());
        let (b_sent, a_heard) = (b.sent.borrow(), a.heard.borrow());
        prop_assert!(a_sent.starts_with(&b_heard) && b_sent.starts_with(&a_heard), "what arrives is a beginning");
        if b_read.is_ok() {
            // Only a close_notify ends a stream well, and it stands behind everything that was written.
            prop_assert!(*a_sent == *b_heard);
        }
    }

    #[test]
    fn whoever_reads_the_answer_need_not_flush_the_question(
        old: bool,
        seed: u64,
        near in behaviour(),
        far in behaviour(),
        sending in (sending(), sending()),
        words in proptest::collection::vec(1_usize..20_000, 1..6),
    ) {
        let (a, b) = shaken(version(old), seed, near, far);
        let (mut a, mut b) = (a.unwrap(), b.unwrap());
        set(&mut a, sending.0);
        set(&mut b, sending.1);
        let heard = RefCell::new(Vec::new());
        let (asked, heard_by) = (&words, &heard);
        run(seed, vec![
            Box::pin(async move {
                for (number, size) in asked.iter().enumerate() {
                    a.write_all(&vec![number as u8; *size]).await.unwrap();
                    let mut answer = vec![0; *size];
                    a.read_exact(&mut answer).await.unwrap();
                    heard_by.borrow_mut().push(answer);
                }
            }),
            Box::pin(async move {
                for size in asked {
                    let mut word = vec![0; *size];
                    b.read_exact(&mut word).await.unwrap();
                    b.write_all(&word).await.unwrap();
                }
                // The last answer goes out while it waits for the next question; the client just goes.
                assert!(b.read(&mut [0]).await.is_err());
            }),
        ]);
        for (number, (answer, size)) in heard.borrow().iter().zip(&words).enumerate() {
            prop_assert!(answer.len() == *size && answer.iter().all(|byte| *byte == number as u8));
        }
        prop_assert_eq!(heard.borrow().len(), words.len());
    }

    #[test]
    fn any_script_that_breaks_in_the_handshake_ends_in_errors(
        old: bool,
        seed: u64,
        near in behaviour(),
        at in 0_usize..3000,
        kind in 0_usize..3,
    ) {
        let broken = match kind {
            0 => Script { write_error_at: Some(at), ..near },
            1 => Script { read_error_at: Some(at), ..near },
            _ => Script { end_at: Some(at), ..near },
        };
        let (a, b) = shaken(version(old), seed, broken, Script::plain());
        for outcome in [a.map(drop), b.map(drop)] {
            if let Err(error) = outcome {
                prop_assert!(!error.code().is_empty());
                prop_assert!(matches!(error.kind(), ErrorKind::Io | ErrorKind::Truncated), "{error:?}");
            }
        }
    }
}

#[test]
fn what_the_peer_has_sent_can_be_read_when_nothing_can_be_written_any_more() {
    for old in [true, false] {
        for seed in 0..20 {
            let (a, b) =
                shaken(version(old), seed, Script::plain(), Script { piece: 5000, ..Script::plain() });
            let (mut a, mut b) = (a.unwrap(), b.unwrap());
            a.get_mut().follow(Script { write_error_at: Some(0), ..Script::plain() });
            let sent: Vec<u8> = (0..100_000_u32).map(|at| (at % 251) as u8).collect();
            let answer = sent.clone();
            run(
                seed,
                vec![
                    Box::pin(async move {
                        b.write_all(&answer).await.unwrap();
                        b.shutdown().await.unwrap();
                    }),
                    Box::pin(async move {
                        let told = match a.write_all(b"much").await {
                            Ok(()) => a.flush().await.unwrap_err(),
                            Err(error) => error,
                        };
                        assert_eq!(told.kind(), io::ErrorKind::BrokenPipe);
                        let mut heard = Vec::new();
                        a.read_to_end(&mut heard).await.unwrap();
                        assert!(heard == sent, "{} bytes of {}", heard.len(), sent.len());
                        assert_eq!(a.write(b"more").await.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
                    }),
                ],
            );
        }
    }
}

#[test]
fn a_reader_is_told_once_of_a_write_that_failed_behind_the_writer_s_back() {
    for old in [true, false] {
        let (a, b) = shaken(version(old), 5, Script { capacity: 4000, ..Script::plain() }, Script::plain());
        let (mut a, mut b) = (a.unwrap(), b.unwrap());
        // The socket takes a part of it, and the rest waits.
        let (taken, _) = poll_checked(|cx| Pin::new(&mut a).poll_write(cx, &[7; 40_000]));
        assert!(matches!(taken, Poll::Ready(Ok(40_000))), "{taken:?}");
        a.get_mut().follow(Script { write_error_at: Some(0), ..Script::plain() });
        let mut room = [0; 10];
        let mut read = |a: &mut Side| {
            let mut buf = ReadBuf::new(&mut room);
            let (answer, _) = poll_checked(|cx| Pin::new(&mut *a).poll_read(cx, &mut buf));
            answer.map_ok(|()| buf.filled().to_vec())
        };
        let told = read(&mut a);
        assert!(
            matches!(&told, Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::BrokenPipe),
            "{told:?}"
        );
        assert!(read(&mut a).is_pending());
        let (wrote, _) = poll_checked(|cx| Pin::new(&mut b).poll_write(cx, b"answer"));
        assert!(matches!(wrote, Poll::Ready(Ok(6))), "{wrote:?}");
        let heard = read(&mut a);
        assert!(matches!(&heard, Poll::Ready(Ok(heard)) if heard == b"answer"), "{heard:?}");
        // Neither the buffer for small writes takes anything.
        a.set_write_buffering(1000);
        let (more, _) = poll_checked(|cx| Pin::new(&mut a).poll_write(cx, b"more"));
        assert!(matches!(more, Poll::Ready(Err(_))), "{more:?}");
    }
}

#[test]
fn byte_by_byte_with_hesitation_is_no_trouble() {
    for old in [true, false] {
        let slow = Script { spurious: 30, ..Script::byte_by_byte() };
        let (a, b) = shaken(version(old), 3, slow, slow);
        let steps = [Step::Write(20_000), Step::Flush, Step::Vectored(vec![10, 0, 500, 5000])];
        let [(a, ..), (b, ..)] = exchange(3, a.unwrap(), b.unwrap(), [&steps, &steps]);
        assert_eq!((a.sent, b.sent), (b.heard, a.heard));
    }
}

#[test]
fn small_slices_leave_together_in_one_record() {
    let (a, b) = shaken(version(false), 5, Script::plain(), Script::plain());
    let (mut a, mut b) = (a.unwrap(), b.unwrap());
    let slices = [
        IoSlice::new(b"HTTP/1.1 200 OK\r\n"),
        IoSlice::new(b""),
        IoSlice::new(b"\r\n"),
        IoSlice::new(b"hello"),
    ];
    let (count, _) = poll_checked(|cx| Pin::new(&mut a).poll_write_vectored(cx, &slices));
    assert!(matches!(count, Poll::Ready(Ok(24))), "{count:?}");
    let raw = a.get_mut().take_unread();
    assert_eq!(raw[0], 23);
    assert_eq!(usize::from(u16::from_be_bytes([raw[3], raw[4]])), raw.len() - 5, "one record");
    b.get_mut().inject(&raw);
    let mut buf = [0; 100];
    let mut buf = ReadBuf::new(&mut buf);
    assert!(poll_checked(|cx| Pin::new(&mut b).poll_read(cx, &mut buf)).0.is_ready());
    assert_eq!(buf.filled(), b"HTTP/1.1 200 OK\r\n\r\nhello");
}

/// The lengths of the records in these bytes.
fn records(mut raw: &[u8]) -> Vec<usize> {
    let mut lengths = Vec::new();
    while let [23, 3, 3, high, low, rest @ ..] = raw {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        lengths.push(length);
        raw = &rest[length..];
    }
    assert!(raw.is_empty());
    lengths
}

/// What a record of TLS 1.3 has beside the plaintext: its type and the tag.
const TLS13_OVERHEAD: usize = 17;

#[test]
fn small_writes_are_kept_back_until_they_fill_records_or_are_flushed() {
    let (a, _b) = shaken(version(false), 5, Script::plain(), Script::plain());
    let mut a = a.unwrap();
    a.set_write_buffering(1000);
    for _ in 0..10 {
        assert!(matches!(
            poll_checked(|cx| Pin::new(&mut a).poll_write(cx, &[7; 300])).0,
            Poll::Ready(Ok(1..))
        ));
    }
    assert_eq!(records(&a.get_mut().take_unread()), [1000 + TLS13_OVERHEAD; 2]);
    assert!(matches!(poll_checked(|cx| Pin::new(&mut a).poll_flush(cx)).0, Poll::Ready(Ok(()))));
    // The fourth write of each buffer has found room for a third of it.
    assert_eq!(records(&a.get_mut().take_unread()), [600 + TLS13_OVERHEAD]);
    // What would fill the buffer goes past it.
    assert!(matches!(
        poll_checked(|cx| Pin::new(&mut a).poll_write(cx, &[7; 5000])).0,
        Poll::Ready(Ok(5000))
    ));
    assert_eq!(records(&a.get_mut().take_unread()), [5000 + TLS13_OVERHEAD]);
}

#[test]
fn what_is_kept_back_goes_out_before_close_notify_and_is_refused_after() {
    let (a, b) = shaken(version(false), 5, Script::plain(), Script::plain());
    let (mut a, mut b) = (a.unwrap(), b.unwrap());
    a.set_write_buffering(1000);
    assert!(matches!(
        poll_checked(|cx| Pin::new(&mut a).poll_write(cx, b"last words")).0,
        Poll::Ready(Ok(10))
    ));
    assert!(matches!(poll_checked(|cx| Pin::new(&mut a).poll_shutdown(cx)).0, Poll::Ready(Ok(()))));
    let mut space = [0; 100];
    let mut buf = ReadBuf::new(&mut space);
    assert!(poll_checked(|cx| Pin::new(&mut b).poll_read(cx, &mut buf)).0.is_ready());
    assert_eq!(buf.filled(), b"last words");
    assert!(matches!(poll_checked(|cx| Pin::new(&mut a).poll_write(cx, b"more")).0, Poll::Ready(Err(_))));
}

#[test]
fn records_that_are_not_gathered_are_read_and_written_by_themselves() {
    let open = || {
        let (a, b) = shaken(version(false), 5, Script::plain(), Script::plain());
        (a.unwrap(), b.unwrap())
    };
    let write = |a: &mut Side| {
        let before = a.get_ref().writes();
        let written = poll_checked(|cx| Pin::new(&mut *a).poll_write(cx, &[7; 40_000])).0;
        assert!(matches!(written, Poll::Ready(Ok(40_000))));
        a.get_ref().writes() - before
    };
    let read = |b: &mut Side, most: usize| {
        let mut space = vec![0; most];
        let mut buf = ReadBuf::new(&mut space);
        assert!(matches!(
            poll_checked(|cx| Pin::new(&mut *b).poll_read(cx, &mut buf)).0,
            Poll::Ready(Ok(()))
        ));
        buf.filled().len()
    };
    let record = |plaintext: usize| 5 + plaintext + TLS13_OVERHEAD;
    let rest = 40_000 - 2 * 16 * 1024;

    let (mut a, mut b) = open();
    assert_eq!(write(&mut a), 1);
    assert_eq!(read(&mut b, 10), 10);
    assert_eq!(a.get_mut().take_unread().len(), 0, "all that has arrived is read");

    let (mut a, mut b) = open();
    a.set_record_gathering(false);
    b.set_record_gathering(false);
    assert_eq!(write(&mut a), 3);
    assert_eq!(read(&mut b, 10), 10);
    assert_eq!(read(&mut b, 40_000), 16 * 1024 - 10);
    let unread = a.get_mut().take_unread();
    assert_eq!(unread.len(), record(16 * 1024) + record(rest), "nothing is read beyond the record");
    b.get_mut().inject(&unread);
    // Some of the next record is read ahead now.
    b.set_record_gathering(true);
    assert_eq!(read(&mut b, 10), 10);
    b.set_record_gathering(false);
    assert_eq!((read(&mut b, 40_000), read(&mut b, 40_000)), (16 * 1024 - 10, rest));
    let (_, unread) = b.into_parts();
    assert!(unread.is_empty());
}

#[test]
fn dynamic_records_are_small_first_then_full_and_small_again_after_a_pause() {
    let (a, _b) = shaken(version(false), 5, Script::plain(), Script::plain());
    let mut a = a.unwrap();
    a.set_record_sizing(RecordSizing::Dynamic);
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let small = 1369 + TLS13_OVERHEAD;
    runtime.block_on(async {
        let mut write = |size: usize| {
            let bytes = vec![7; size];
            assert!(matches!(
                poll_checked(|cx| Pin::new(&mut a).poll_write(cx, &bytes)).0,
                Poll::Ready(Ok(count)) if count == size
            ));
            records(&a.get_mut().take_unread())
        };
        assert_eq!(write(10_000), [[small; 7].as_slice(), &[10_000 - 7 * 1369 + TLS13_OVERHEAD]].concat());
        write(60_000);
        assert_eq!(write(40_000), [16_384, 16_384, 7232].map(|size| size + TLS13_OVERHEAD));
        tokio::time::advance(Duration::from_millis(999)).await;
        assert_eq!(write(2000), [2000 + TLS13_OVERHEAD]);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(write(2000), [small, 631 + TLS13_OVERHEAD]);
    });
}

#[test]
fn one_read_takes_all_records_that_have_arrived() {
    let (a, b) = shaken(version(false), 5, Script::plain(), Script::plain());
    let (mut a, mut b) = (a.unwrap(), b.unwrap());
    for word in [&b"one "[..], b"two ", b"three"] {
        assert!(poll_checked(|cx| Pin::new(&mut a).poll_write(cx, word)).0.is_ready());
    }
    let mut space = [0; 100];
    let mut buf = ReadBuf::new(&mut space);
    assert!(poll_checked(|cx| Pin::new(&mut b).poll_read(cx, &mut buf)).0.is_ready());
    assert_eq!(buf.filled(), b"one two three");
}

#[test]
fn a_write_that_was_given_up_leaves_nothing_half_done() {
    let (a, b) = shaken(version(true), 5, Script { capacity: 4000, ..Script::plain() }, Script::plain());
    let (mut a, mut b) = (a.unwrap(), b.unwrap());
    // More than the socket takes: accepted, and kept for the socket.
    let first = vec![b'a'; 10_000];
    assert!(matches!(poll_checked(|cx| Pin::new(&mut a).poll_write(cx, &first)).0, Poll::Ready(Ok(10_000))));
    // Not accepted, since the first is still on its way; another, of another size, follows.
    let (polled, bell) = poll_checked(|cx| Pin::new(&mut a).poll_write(cx, b"never sent"));
    assert!(polled.is_pending() && !bell.rang());
    a.get_mut().follow(Script::plain());
    assert!(bell.rang(), "the socket wakes the writer");
    assert!(matches!(poll_checked(|cx| Pin::new(&mut a).poll_write(cx, b"z")).0, Poll::Ready(Ok(1))));
    let mut heard: Vec<u8> = Vec::new();
    while heard.len() < 10_001 {
        let mut space = [0; 4096];
        let mut buf = ReadBuf::new(&mut space);
        assert!(poll_checked(|cx| Pin::new(&mut b).poll_read(cx, &mut buf)).0.is_ready());
        heard.extend(buf.filled());
    }
    assert_eq!(heard, [&first[..], b"z"].concat());
}

#[test]
fn a_reader_that_fails_does_not_take_the_writer_s_waker() {
    for old in [true, false] {
        let (a, b) = shaken(version(old), 5, Script { capacity: 4000, ..Script::plain() }, Script::plain());
        let (mut a, _b) = (a.unwrap(), b.unwrap());
        assert!(poll_checked(|cx| Pin::new(&mut a).poll_write(cx, &[1; 10_000])).0.is_ready());
        let (polled, writer) = poll_checked(|cx| Pin::new(&mut a).poll_write(cx, &[2; 10]));
        assert!(polled.is_pending());

        // The reader finds garbage, and cannot even send the alert.
        a.get_mut().inject(&[&[23, 3, 3, 0, 32][..], &[0xAA; 32]].concat());
        let mut space = [0; 100];
        let _ = poll_checked(|cx| Pin::new(&mut a).poll_read(cx, &mut ReadBuf::new(&mut space)));
        assert!(!writer.rang());

        a.get_mut().follow(Script::plain());
        assert!(writer.rang(), "the socket takes bytes again: the writer must hear of it");
        let mut space = [0; 100];
        let (read, _) = poll_checked(|cx| Pin::new(&mut a).poll_read(cx, &mut ReadBuf::new(&mut space)));
        assert!(matches!(read, Poll::Ready(Err(_))));
        let (wrote, _) = poll_checked(|cx| Pin::new(&mut a).poll_write(cx, &[2; 10]));
        assert!(matches!(wrote, Poll::Ready(Err(_))));
    }
}

#[test]
fn what_was_read_and_not_used_is_given_back_with_the_stream() {
    for old in [true, false] {
        let (a, b) = shaken(version(old), 5, Script::plain(), Script::plain());
        let (mut a, mut b) = (a.unwrap(), b.unwrap());
        assert!(poll_checked(|cx| Pin::new(&mut a).poll_write(cx, b"last")).0.is_ready());
        assert!(poll_checked(|cx| Pin::new(&mut a).poll_shutdown(cx)).0.is_ready());
        // The other protocol that follows arrives together with the end of TLS.
        b.get_mut().inject(b"220 plain again\r\n");
        let mut space = [0; 100];
        let mut buf = ReadBuf::new(&mut space);
        assert!(poll_checked(|cx| Pin::new(&mut b).poll_read(cx, &mut buf)).0.is_ready());
        assert_eq!(buf.filled(), b"last");
        let mut buf = ReadBuf::new(&mut space);
        assert!(matches!(poll_checked(|cx| Pin::new(&mut b).poll_read(cx, &mut buf)).0, Poll::Ready(Ok(()))));
        assert!(buf.filled().is_empty() && b.is_closed_by_peer());
        let (_io, unread) = b.into_parts();
        assert_eq!(unread, b"220 plain again\r\n");
    }
}

#[test]
fn a_read_into_no_space_and_a_write_of_nothing_are_done_at_once() {
    let (a, b) = shaken(version(false), 5, Script::plain(), Script::plain());
    let (mut a, _b) = (a.unwrap(), b.unwrap());
    assert!(matches!(
        poll_checked(|cx| Pin::new(&mut a).poll_read(cx, &mut ReadBuf::new(&mut []))).0,
        Poll::Ready(Ok(()))
    ));
    assert!(matches!(poll_checked(|cx| Pin::new(&mut a).poll_write(cx, b"")).0, Poll::Ready(Ok(0))));
    assert!(matches!(poll_checked(|cx| Pin::new(&mut a).poll_write_vectored(cx, &[])).0, Poll::Ready(Ok(0))));
    assert!(a.get_mut().take_unread().is_empty());
}

#[tokio::test]
async fn megabytes_pass_both_ways_at_once_over_loopback() {
    const SIZE: usize = 4 * 1024 * 1024;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    for old in [true, false] {
        let (client, server) = configs(version(old));
        let (near, far) =
            tokio::join!(tokio::net::TcpStream::connect(listener.local_addr().unwrap()), async {
                listener.accept().await.map(|(tcp, _)| tcp)
            });
        let (connector, acceptor) = (TlsConnector::new(client), TlsAcceptor::new(server));
        let (near, far) =
            tokio::join!(connector.connect("localhost", near.unwrap()), acceptor.accept(far.unwrap()));
        let mut tasks = tokio::task::JoinSet::new();
        for (seed, stream) in [(1, near.unwrap()), (2, far.unwrap())] {
            let (mut read, mut write) = tokio::io::split(stream);
            tasks.spawn(async move {
                write.write_all(&Source(Dice::new(seed)).bytes(SIZE)).await.unwrap();
                write.shutdown().await.unwrap();
            });
            tasks.spawn(async move {
                let mut heard = Vec::with_capacity(SIZE);
                read.read_to_end(&mut heard).await.unwrap();
                assert!(heard == Source(Dice::new(3 - seed)).bytes(SIZE), "the bytes differ");
            });
        }
        while let Some(done) = tasks.join_next().await {
            done.unwrap();
        }
    }
}

#[tokio::test]
async fn the_size_of_records_can_change_while_the_connection_is_open() {
    let (near, far) = crate::support::pair::pair(
        &client().build().unwrap(),
        &crate::support::pair::server().build().unwrap(),
    )
    .await;
    let (mut near, mut far) = (near, far);
    for bytes in [511, 16385, usize::MAX] {
        let error = far.set_max_send_fragment(bytes).unwrap_err();
        assert_eq!((error.option(), error.code()), (Some("max_send_fragment"), "ERR_OUT_OF_RANGE"));
    }
    far.set_max_send_fragment(512).unwrap();
    far.write_all(&[9; 5000]).await.unwrap();
    let mut heard = vec![0; 5000];
    near.read_exact(&mut heard).await.unwrap();
    assert_eq!(heard, [9; 5000]);
}

/// The buffer with the front of a record is not given back while its rest is awaited: 1.1.1, and 3.0 before 3.0.14, would
/// (CVE-2024-4741), and another connection would get it.
#[tokio::test]
async fn records_that_come_in_parts_on_several_connections_do_not_mix() {
    for version in [ProtocolVersion::TLSv1_2, ProtocolVersion::TLSv1_3] {
        let (client, server) = configs(version);
        let mut all = Vec::new();
        for _ in 0..4 {
            let mut both = crate::support::pair::engines(&client, "localhost", &server);
            both.shake().unwrap();
            both.client.receive(&both.server.take_output());
            assert_eq!(both.client.read(&mut [0; 10]).unwrap(), None);
            all.push(both);
        }
        for round in 0..3_u8 {
            let records: Vec<Vec<u8>> = (0..4_u8)
                .map(|at| {
                    let server = &mut all[usize::from(at)].server;
                    assert_eq!(server.write(&[0x10 * round + at; 10_000]).unwrap(), 10_000);
                    server.take_output()
                })
                .collect();
            // Headers alone, and on every other connection a byte more; then the rest.
            let cut = |at: usize| 5 + at % 2;
            let mut buf = vec![0; 10_000];
            for (at, both) in all.iter_mut().enumerate() {
                both.client.receive(&records[at][..cut(at)]);
                assert_eq!(both.client.read(&mut buf).unwrap(), None);
            }
            for (at, both) in all.iter_mut().enumerate() {
                both.client.receive(&records[at][cut(at)..]);
                assert_eq!(both.client.read(&mut buf).unwrap(), Some(10_000), "{version} {round} {at}");
                assert!(buf.iter().all(|byte| *byte == 0x10 * round + at as u8));
            }
        }
    }
}

/// A client that is done, before the server finds that it has no certificate and goes; the alert is there, unread.
fn unwanted_client() -> Side {
    let (client, _) = configs(ProtocolVersion::TLSv1_3);
    let server = ServerConfig::builder().identity(identity("server-p256"));
    let server = server.client_auth(ClientAuth::Require).trust(trust("root")).build().unwrap();
    let (a, b) = shake((client, server), 1, Script::plain(), Script::plain());
    assert!(b.is_err());
    a.unwrap()
}

#[test]
fn a_writer_learns_why_the_peer_has_gone() {
    for size in [1, 100_000] {
        let mut a = unwanted_client();
        let code = RefCell::new(None);
        run(
            1,
            vec![Box::pin(async {
                // A write that was taken already fails with the next one.
                let first = a.write_all(&vec![7; size]).await;
                let failed = match first {
                    Ok(()) => a.write_all(b"more").await,
                    failed => failed,
                };
                let error = failed.unwrap_err();
                *code.borrow_mut() = Error::from_io(&error).map(|error| error.code().to_owned());
            })],
        );
        assert_eq!(code.into_inner().as_deref(), Some("ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED"), "{size}");
    }
}

#[test]
fn a_reader_learns_why_the_peer_has_gone_after_a_close_that_failed() {
    let mut a = unwanted_client();
    let code = RefCell::new(None);
    run(
        1,
        vec![Box::pin(async {
            // Nobody takes the close_notify.
            let _ = a.shutdown().await;
            let error = a.read(&mut [0; 10]).await.unwrap_err();
            *code.borrow_mut() = Error::from_io(&error).map(|error| error.code().to_owned());
        })],
    );
    assert_eq!(code.into_inner().as_deref(), Some("ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED"));
}
