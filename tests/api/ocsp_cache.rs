//! The cache of OCSP responses: what it staples, when it asks, and what it does with a source that fails.

use std::future::pending;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use patina_tls::{HookResult, OcspCache, OcspRequest, OcspResponse, OcspSource};
use tokio::sync::oneshot;

use crate::support::ocsp::{Said, certificate, response};

/// 2020-01-01.
const BEGIN: u64 = 1_577_836_800;
const DAY: u64 = 86_400;

/// A clock that a test sets.
#[derive(Clone)]
struct Clock(Arc<AtomicU64>);

impl Clock {
    fn new() -> Clock {
        Clock(Arc::new(AtomicU64::new(BEGIN)))
    }

    fn set(&self, days: f64) {
        self.0.store(BEGIN + (days * DAY as f64) as u64, Ordering::SeqCst);
    }

    fn read(&self) -> impl Fn() -> SystemTime + Send + Sync + 'static {
        let seconds = Arc::clone(&self.0);
        move || UNIX_EPOCH + Duration::from_secs(seconds.load(Ordering::SeqCst))
    }
}

/// What a source answers next, and how often it was asked.
#[derive(Clone, Default)]
struct Script {
    asked: Arc<AtomicUsize>,
    answer: Arc<Mutex<Option<Scripted>>>,
}

type Scripted = Result<Vec<u8>, &'static str>;

impl Script {
    fn answering(answer: Scripted) -> Script {
        let script = Script::default();
        script.set(Some(answer));
        script
    }

    fn set(&self, answer: Option<Scripted>) {
        *self.answer.lock().unwrap() = answer;
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl OcspSource for Script {
    fn staple(&self, _: OcspRequest) -> patina_tls::HookFuture<HookResult<Option<Vec<u8>>>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let answer = self.answer.lock().unwrap().clone();
        Box::pin(async move {
            tokio::task::yield_now().await;
            answer.transpose().map_err(Into::into)
        })
    }
}

/// A response about `server-rsa` for these days of 2020.
fn from_to(first: u32, end: Option<u32>) -> Vec<u8> {
    let day = |day| format!("202001{day:02}000000Z");
    let end = end.map(day);
    response("server-rsa", "root").times(&day(first), end.as_deref()).der()
}

fn request(name: &str) -> OcspRequest {
    OcspRequest::new(certificate(name), Some(certificate("root")))
}

async fn staple(cache: &OcspCache) -> Option<Vec<u8>> {
    cache.staple(request("server-rsa")).await.unwrap()
}

#[tokio::test]
async fn a_response_is_kept_and_asked_for_anew_at_half_of_its_time() {
    let (clock, week) = (Clock::new(), from_to(1, Some(8)));
    let source = Script::answering(Ok(week.clone()));
    let cache = OcspCache::new(source.clone()).clock(clock.read()).max_age(Duration::from_secs(30 * DAY));
    for day in [0.0, 0.0, 1.0, 3.4] {
        clock.set(day);
        assert_eq!(staple(&cache).await.as_ref(), Some(&week), "{day}");
        assert_eq!(source.asked(), 1, "{day}");
    }
    let next = from_to(4, Some(11));
    source.set(Some(Ok(next.clone())));
    clock.set(3.5);
    assert_eq!(staple(&cache).await.as_ref(), Some(&next));
    clock.set(6.0);
    assert_eq!(staple(&cache).await.as_ref(), Some(&next));
    assert_eq!(source.asked(), 2);
}

#[tokio::test]
async fn the_greatest_age_goes_before_what_the_response_says() {
    let (clock, long) = (Clock::new(), from_to(1, Some(31)));
    let source = Script::answering(Ok(long.clone()));
    let cache = OcspCache::new(source.clone()).clock(clock.read());
    for (day, asked) in [(0.0, 1), (0.49, 1), (0.5, 2), (0.9, 2), (1.0, 3)] {
        clock.set(day);
        assert_eq!(staple(&cache).await.as_ref(), Some(&long));
        assert_eq!(source.asked(), asked, "{day}");
    }
}

#[tokio::test]
async fn a_source_that_fails_leaves_what_still_counts_and_is_asked_again_later() {
    let (clock, week) = (Clock::new(), from_to(1, Some(8)));
    let source = Script::answering(Ok(week.clone()));
    let cache = OcspCache::new(source.clone()).clock(clock.read()).retry_after(Duration::from_secs(DAY / 2));
    assert_eq!(staple(&cache).await.as_ref(), Some(&week));
    source.set(Some(Err("no network")));
    for (day, asked) in [(4.0, 2), (4.4, 2), (4.5, 3), (6.9, 4)] {
        clock.set(day);
        assert_eq!(staple(&cache).await.as_ref(), Some(&week), "{day}");
        assert_eq!(source.asked(), asked, "{day}");
    }
    // Its time is over: it is not stapled any more, whether the source may be asked or not.
    clock.set(7.0);
    assert_eq!(staple(&cache).await, None);
    assert_eq!(source.asked(), 4);
    clock.set(8.0);
    assert_eq!(staple(&cache).await, None);
    assert_eq!(source.asked(), 5);
    let next = from_to(9, Some(16));
    source.set(Some(Ok(next.clone())));
    assert_eq!(staple(&cache).await, None, "too early");
    clock.set(8.5);
    assert_eq!(staple(&cache).await, Some(next));
    assert_eq!(source.asked(), 6);
}

#[tokio::test]
async fn what_is_no_good_response_is_not_stapled() {
    for (what, answer) in [
        ("nothing", None),
        ("an error", Some(Err("no"))),
        ("garbage", Some(Ok(b"garbage".to_vec()))),
        (
            "expired",
            Some(Ok(response("server-rsa", "root").times("20190101000000Z", Some("20191231000000Z")).der())),
        ),
        ("not in force yet", Some(Ok(from_to(2, Some(9))))),
        ("about another", Some(Ok(response("server-pss", "root").der()))),
        ("of another issuer", Some(Ok(response("server-p256", "root-ec").der()))),
    ] {
        let (clock, source) = (Clock::new(), Script::default());
        source.set(answer);
        let cache = OcspCache::new(source.clone()).clock(clock.read());
        assert_eq!(staple(&cache).await, None, "{what}");
        assert_eq!(staple(&cache).await, None, "{what}");
        assert_eq!(source.asked(), 1, "{what}: not again within a minute");
        clock.set(60.0 / DAY as f64);
        assert_eq!(staple(&cache).await, None, "{what}");
        assert_eq!(source.asked(), 2, "{what}");
    }
}

#[tokio::test]
async fn revoked_is_an_answer_like_any_other() {
    let der = response("server-rsa", "root").says(Said::Revoked("20191201000000Z", None)).der();
    let cache = OcspCache::new(Script::answering(Ok(der.clone()))).clock(Clock::new().read());
    assert_eq!(staple(&cache).await, Some(der));
}

#[tokio::test]
async fn without_an_end_a_response_is_kept_for_the_greatest_age() {
    let (clock, open) = (Clock::new(), from_to(1, None));
    let source = Script::answering(Ok(open.clone()));
    let cache = OcspCache::new(source.clone()).clock(clock.read()).max_age(Duration::from_secs(DAY));
    for (day, asked) in [(0.0, 1), (0.9, 1), (1.0, 2)] {
        clock.set(day);
        assert_eq!(staple(&cache).await.as_ref(), Some(&open));
        assert_eq!(source.asked(), asked, "{day}");
    }
    source.set(None);
    clock.set(2.0);
    assert_eq!(staple(&cache).await, None);
}

#[tokio::test]
async fn without_an_issuer_the_serial_number_counts() {
    let der = from_to(1, Some(8));
    let cache = OcspCache::new(Script::answering(Ok(der.clone()))).clock(Clock::new().read());
    let alone = |name: &str| OcspRequest::new(certificate(name), None);
    assert_eq!(cache.staple(alone("server-rsa")).await.unwrap(), Some(der));
    assert_eq!(cache.staple(alone("server-pss")).await.unwrap(), None);
}

#[tokio::test]
async fn handshakes_that_come_together_wait_for_one_question() {
    let (send, receive) = oneshot::channel::<Vec<u8>>();
    let (asked, receive) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Some(receive))));
    let count = Arc::clone(&asked);
    let cache = Arc::new(
        OcspCache::new(move |_: OcspRequest| {
            count.fetch_add(1, Ordering::SeqCst);
            let receive = receive.lock().unwrap().take();
            async move { Ok(Some(receive.ok_or("asked twice")?.await?)) }
        })
        .clock(Clock::new().read()),
    );
    let waiting: Vec<_> = (0..8)
        .map(|_| {
            let cache = Arc::clone(&cache);
            tokio::spawn(async move { staple(&cache).await })
        })
        .collect();
    while asked.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    let der = from_to(1, Some(8));
    send.send(der.clone()).unwrap();
    for one in waiting {
        assert_eq!(one.await.unwrap().as_ref(), Some(&der));
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_question_goes_on_when_the_handshake_that_began_it_is_gone() {
    let (send, receive) = oneshot::channel::<Vec<u8>>();
    let receive = Mutex::new(Some(receive));
    let cache = OcspCache::new(move |_: OcspRequest| {
        let receive = receive.lock().unwrap().take();
        async move { Ok(Some(receive.ok_or("asked twice")?.await?)) }
    })
    .clock(Clock::new().read());
    let mut first = cache.staple(request("server-rsa"));
    assert!(first.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    drop(first);
    let der = from_to(1, Some(8));
    send.send(der.clone()).unwrap();
    assert_eq!(staple(&cache).await, Some(der));
}

#[tokio::test]
async fn while_one_asks_anew_the_others_take_what_is_there() {
    let (clock, week) = (Clock::new(), from_to(1, Some(8)));
    let first = Mutex::new(Some(week.clone()));
    let cache = OcspCache::new(move |_: OcspRequest| {
        let first = first.lock().unwrap().take();
        async move {
            match first {
                Some(der) => Ok(Some(der)),
                None => pending().await,
            }
        }
    })
    .clock(clock.read());
    assert_eq!(staple(&cache).await.as_ref(), Some(&week));
    clock.set(5.0);
    let mut asking = cache.staple(request("server-rsa"));
    assert!(asking.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    assert_eq!(staple(&cache).await, Some(week));
}

#[tokio::test]
async fn a_question_that_hangs_is_given_up() {
    let (clock, asked) = (Clock::new(), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&asked);
    let der = from_to(1, Some(8));
    let answer = der.clone();
    let cache = OcspCache::new(move |_: OcspRequest| {
        let hangs = count.fetch_add(1, Ordering::SeqCst) == 0;
        let answer = answer.clone();
        async move {
            match hangs {
                true => pending().await,
                false => Ok(Some(answer)),
            }
        }
    })
    .clock(clock.read());
    let poll = || cache.staple(request("server-rsa")).as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(poll().is_pending());
    assert!(poll().is_pending(), "still the same question");
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    clock.set(60.0 / DAY as f64);
    assert!(matches!(poll(), Poll::Ready(Ok(Some(found))) if found == der));
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_source_that_panics_is_left_alone_for_a_while() {
    for at_once in [true, false] {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let cache = OcspCache::new(move |_: OcspRequest| {
            count.fetch_add(1, Ordering::SeqCst);
            assert!(!at_once, "the source panics");
            async move { panic!("the answer panics") }
        })
        .clock(Clock::new().read());
        let mut future = cache.staple(request("server-rsa"));
        let poll = || future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(std::panic::catch_unwind(AssertUnwindSafe(poll)).is_err());
        drop(future);
        assert_eq!(staple(&cache).await, None);
        assert_eq!(asked.load(Ordering::SeqCst), 1);
    }
}

#[tokio::test]
async fn only_so_many_certificates_are_kept() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&asked);
    let cache = OcspCache::new(move |request: OcspRequest| {
        let name = request.certificate().subject_common_names().remove(0);
        // The first ends first.
        let end = if name == "server-rsa" { "20200105000000Z" } else { "20200109000000Z" };
        let der = response(&name, "root").times("20200101000000Z", Some(end)).der();
        log.lock().unwrap().push(name);
        async move { Ok(Some(der)) }
    })
    .clock(Clock::new().read())
    .capacity(2);
    for name in ["server-rsa", "shop", "other", "shop", "other", "server-rsa"] {
        assert!(cache.staple(request(name)).await.unwrap().is_some(), "{name}");
    }
    assert_eq!(*asked.lock().unwrap(), ["server-rsa", "shop", "other", "server-rsa"]);
    assert!(format!("{cache:?}").contains("certificates: 2"), "{cache:?}");
}

#[tokio::test]
async fn a_fixed_response_is_stapled_to_the_certificates_that_it_speaks_of() {
    let der = response("server-rsa", "root").times("20200101000000Z", Some("20200108000000Z")).der();
    let fixed = OcspResponse::from_der(&der).unwrap();
    assert_eq!(fixed.staple(request("server-rsa")).await.unwrap().as_ref(), Some(&der), "expired or not");
    assert_eq!(fixed.staple(request("shop")).await.unwrap(), None);
    // Behind a cache it is not, once it has expired.
    let clock = Clock::new();
    let cache = OcspCache::new(fixed).clock(clock.read());
    assert_eq!(staple(&cache).await, Some(der));
    clock.set(7.0);
    assert_eq!(staple(&cache).await, None);
}
