//! Delays, who shares one, and how much is kept.

mod large_networks;

use std::net::Ipv6Addr;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::*;
use crate::secret::Secret;
use crate::store::{PROCESS_ROOM as ROOM, ProcessCounters};

const NOW: u64 = 1_000_000;
const HOME: Option<IpAddr> = Some(IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 0, 0, 0, 1)));

/// A throttle over counters of this process, which answer at once.
struct InProcess {
    throttle: Throttle,
    counters: Arc<ProcessCounters>,
}

fn throttle() -> InProcess {
    InProcess::new(&AccountsConfig::default())
}

/// Returns what a future has that never waits.
fn at_once<T>(future: impl Future<Output = Result<T, StoreError>>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => done.expect("nothing can fail"),
        Poll::Pending => panic!("counters of a process are waited for"),
    }
}

impl InProcess {
    fn new(config: &AccountsConfig) -> Self {
        let counters = Arc::new(ProcessCounters::default());
        let names = KeyedNames::derived(&Secret::new(vec![7; 32]), b"tests");
        Self { throttle: Throttle::new(config, names, Arc::clone(&counters) as _), counters }
    }

    fn begin(&self, who: Who<'_>, peer: Option<IpAddr>, now: u64) -> Result<Attempt, Wait> {
        at_once(self.throttle.begin(who, peer, now))
    }

    fn succeeded(&self, attempt: &Attempt, now: u64) {
        at_once(self.throttle.succeeded(*attempt, now));
    }

    fn undone(&self, attempt: &Attempt) {
        at_once(self.throttle.undone(*attempt, NOW));
    }

    fn register(&self, peer: IpAddr, now: u64) -> Result<Registered, Wait> {
        at_once(self.throttle.register(Some(peer), now))
    }

    fn undo_registration(&self, registered: &Registered) {
        at_once(self.throttle.undo_registration(registered.clone(), NOW));
    }

    /// Returns how many failures are kept: by pair, by account and by address.
    fn kept(&self) -> [usize; 3] {
        [CounterKind::AccountAtAddress, CounterKind::Account, CounterKind::Address]
            .map(|kind| self.counters.len(kind))
    }
}

/// Fails once, and returns how long the next attempt has to wait.
fn fail(throttle: &InProcess, name: &str, peer: Option<IpAddr>, now: u64) -> u64 {
    let _charged = throttle.begin(Who::Login(name), peer, now).expect("an attempt is let through");
    wait(throttle, name, peer, now)
}

/// Returns how long an attempt has to wait, and takes it back.
fn wait(throttle: &InProcess, name: &str, peer: Option<IpAddr>, now: u64) -> u64 {
    match throttle.begin(Who::Login(name), peer, now) {
        Ok(attempt) => {
            throttle.undone(&attempt);
            0
        }
        Err(wait) => wait.seconds,
    }
}

fn address(number: u32) -> Option<IpAddr> {
    Some(IpAddr::V4(number.to_be_bytes().into()))
}

/// S-16, ASVS 6.3.1: free failures, then delays that double, up to the longest.
#[test]
fn s_16_delays_double_up_to_the_longest() {
    let throttle = throttle();
    let mut now = NOW;
    let mut delays = Vec::new();
    for _ in 0..18 {
        let delay = fail(&throttle, "a", None, now);
        if delay > 0 {
            assert_eq!(wait(&throttle, "a", None, now + delay - 1), 1, "to its last second");
        }
        now += delay;
        delays.push(delay);
    }
    assert_eq!(delays[..15], [0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900]);
    assert_eq!(delays[15..], [900; 3]);
    assert_eq!(wait(&throttle, "b", None, NOW), 0, "another account");
}

/// NIST SP 800-63B, 3.2.2: how often an account can be tried by somebody who never stops.
#[test]
fn s_16_a_day_has_about_a_hundred_attempts() {
    let throttle = throttle();
    let (mut now, mut attempts) = (NOW, Vec::new());
    while now < NOW + 3 * 86_400 {
        attempts.push(now);
        // From anywhere: the account is what counts.
        now += fail(&throttle, "a", address(u32::try_from(attempts.len()).unwrap()), now).max(1);
    }
    let days: Vec<_> =
        (0..3).map(|day| attempts.iter().filter(|at| (*at - NOW) / 86_400 == day).count()).collect();
    println!("attempts on the first three days: {days:?}");
    assert!(days[0] <= 130 && days[1..].iter().all(|day| *day <= 96), "{days:?}");
}

/// M-4: an office, or a provider, has one address, and somebody logs in there all the time.
#[test]
fn m_4_an_address_is_forgiven_while_its_people_log_in() {
    let (throttle, office, mut now) = (throttle(), address(0xcb00_7107), NOW);
    for hour in 0..200 {
        // One in twelve mistypes.
        let typo = throttle.begin(Who::Login(&format!("{hour}")), office, now);
        assert!(typo.is_ok(), "hour {hour}: {typo:?}");
        for person in 0..12 {
            now += 50;
            let login = throttle.begin(Who::Login(&format!("{hour} {person}")), office, now).unwrap();
            throttle.succeeded(&login, now);
        }
    }
    // Whoever guesses all the time waits: 20 are free, and about one a minute.
    let guesses = (0..3_600).filter(|second| {
        let name = format!("guess {second}");
        throttle.begin(Who::Login(&name), office, now + second).is_ok()
    });
    let guesses = guesses.count();
    assert!((20..=90).contains(&guesses), "{guesses} in an hour");
}

#[test]
fn a_failure_is_forgiven_in_time_and_all_by_a_success() {
    let throttle = throttle();
    for _ in 0..4 {
        assert_eq!(fail(&throttle, "a", None, NOW), 0);
    }
    // Each quarter of an hour without a failure forgives one of the four.
    for later in 1..10 {
        assert_eq!(fail(&throttle, "a", None, NOW + later * 900), 0, "{later}");
    }
    assert_eq!(fail(&throttle, "a", None, NOW + 9 * 900), 1);
    assert_eq!(fail(&throttle, "a", None, NOW + 9 * 900 + 899), 2, "a second too early");
    let again = NOW + 9 * 900 + 901;
    let attempt = throttle.begin(Who::Login("a"), None, again).unwrap();
    throttle.succeeded(&attempt, again);
    for _ in 0..4 {
        assert_eq!(fail(&throttle, "a", None, again), 0, "as at the beginning");
    }
}

/// Attempts are counted when they begin: many at once get no further than one after the other.
#[test]
fn s_16_many_at_once_are_counted_before_any_has_failed() {
    let throttle = throttle();
    let begun = (0..1000).filter(|_| throttle.begin(Who::Login("a"), None, NOW).is_ok()).count();
    assert_eq!(begun, 5);
    assert_eq!(wait(&throttle, "a", None, NOW), 1, "and those that were refused cost nothing");
}

#[test]
fn what_came_to_nothing_is_no_failure() {
    let throttle = throttle();
    for _ in 0..100 {
        let attempt = throttle.begin(Who::Login("a"), HOME, NOW).unwrap();
        throttle.undone(&attempt);
    }
    assert_eq!(throttle.kept(), [0; 3]);
}

/// The owner, who was here before, does not wait for what others do elsewhere; elsewhere the owner does.
#[test]
fn s_16_an_attacker_elsewhere_does_not_lock_the_owner_out() {
    let throttle = throttle();
    let attempt = throttle.begin(Who::Login("a"), HOME, NOW).unwrap();
    throttle.succeeded(&attempt, NOW);
    let mut now = NOW;
    for number in 0..30 {
        now += fail(&throttle, "a", address(number), now);
    }
    now -= 1;
    assert_eq!(wait(&throttle, "a", HOME, now), 0, "where the owner was before");
    assert_eq!(wait(&throttle, "a", address(99), now), 1, "where nobody was before");
    assert_eq!(wait(&throttle, "b", HOME, now), 0);
    // At home there are limits too, and a success there does not help the attacker.
    for _ in 0..4 {
        assert_eq!(fail(&throttle, "a", HOME, now), 0);
    }
    assert_eq!(fail(&throttle, "a", HOME, now), 1);
    let attempt = throttle.begin(Who::Login("a"), HOME, now + 1).unwrap();
    throttle.succeeded(&attempt, now + 1);
    assert!(fail(&throttle, "a", address(98), now + 1) > 100);
}

/// M-4: a stranger at one address delays nobody who is elsewhere, and a slow brake holds all strangers
/// together.
#[test]
fn m_4_one_stranger_delays_the_owner_nowhere_else() {
    let throttle = throttle();
    let mut now = NOW;
    let day = now + 86_400;
    while now < day {
        now += fail(&throttle, "a", address(1), now).max(1);
        assert_eq!(wait(&throttle, "a", address(2), now), 0, "at {}", now - NOW);
    }
    let others = (2..).take_while(|number| fail(&throttle, "a", address(*number), now) == 0).count();
    assert!(others < 20, "{others} addresses more, and all wait");
    assert!(wait(&throttle, "a", address(99), now) > 0);
}

/// M-4: behind a proxy that was not configured, all clients have its address.
#[test]
fn m_4_an_address_that_may_be_a_proxy_locks_nobody_out() {
    for proxy in ["127.0.0.1", "::1", "172.17.0.1", "::ffff:10.0.0.1", "fd00::1"] {
        let proxy = Some(proxy.parse().unwrap());
        let throttle = throttle();
        for number in 0..2000 {
            let name = format!("invented-{number}");
            assert_eq!(fail(&throttle, &name, proxy, NOW), 0, "{number}");
        }
        let attempt = throttle.begin(Who::Login("a"), proxy, NOW).unwrap();
        assert!(attempt.is_crowded() && !attempt.is_known());
        throttle.undone(&attempt);
        let attempt = throttle.begin(Who::Login("a"), address(1), NOW).unwrap();
        assert!(!attempt.is_crowded(), "elsewhere");
        throttle.undone(&attempt);
        // Others are let in, also after they have mistyped once.
        for name in ["a", "b"] {
            assert_eq!(wait(&throttle, name, proxy, NOW), 0);
            assert_eq!(fail(&throttle, name, proxy, NOW), 0);
            let attempt = throttle.begin(Who::Login(name), proxy, NOW).unwrap();
            throttle.succeeded(&attempt, NOW);
        }
        // One guess for each account, and then each waits.
        assert_eq!(fail(&throttle, "c", proxy, NOW), 0);
        assert_eq!(fail(&throttle, "c", proxy, NOW), 1);
        assert_eq!(fail(&throttle, "c", proxy, NOW + 1), 2);
        let attempt = throttle.begin(Who::Login("a"), proxy, NOW).unwrap();
        assert!(attempt.is_known() && attempt.is_crowded());
        throttle.undone(&attempt);
        // Those who were here before have no more: that would tell which names exist (S-16).
        assert_eq!(fail(&throttle, "a", proxy, NOW), 0);
        assert_eq!(fail(&throttle, "a", proxy, NOW), 1);
        assert_eq!(wait(&throttle, "b", proxy, NOW), 0);
    }
}

/// One address that tries many accounts: each attempt is of another name.
#[test]
fn s_16_an_address_waits_whatever_the_names() {
    let throttle = throttle();
    for number in 0..19 {
        assert_eq!(fail(&throttle, &format!("name-{number}"), HOME, NOW), 0);
    }
    assert_eq!(fail(&throttle, "name-19", HOME, NOW), 1);
    assert_eq!(fail(&throttle, "name-20", HOME, NOW + 1), 2);
    assert_eq!(wait(&throttle, "name-21", address(1), NOW + 1), 0, "another address");
    // A success of its own account takes nothing off but itself.
    let attempt = throttle.begin(Who::Login("own"), HOME, NOW + 3).unwrap();
    throttle.succeeded(&attempt, NOW + 3);
    assert_eq!(fail(&throttle, "name-22", HOME, NOW + 3), 4);
    assert_eq!(fail(&throttle, "name-23", HOME, NOW + 3 + 22 * 60), 0, "a minute forgives one");
}

#[test]
fn a_clock_that_was_set_back_makes_nobody_wait_longer() {
    let throttle = throttle();
    let mut now = NOW;
    for _ in 0..20 {
        now += fail(&throttle, "a", None, now);
    }
    assert!(wait(&throttle, "a", None, 5) <= 900);
    assert!(wait(&throttle, "a", None, u64::MAX) == 0, "nor one that was set far ahead");
}

#[test]
fn a_long_delay_is_no_overflow() {
    let day = Duration::from_secs(86_400);
    let throttle = InProcess::new(&AccountsConfig::default().max_delay(day).free_failures(1, 100));
    let mut now = NOW;
    for _ in 0..200 {
        let delay = fail(&throttle, "a", None, now);
        assert!(delay <= 86_400);
        now += delay;
    }
    assert_eq!(Limit { free: 0, forgiven: 1, max_delay: 900 }.delay(u32::MAX), 900);
}

/// Memory is bounded, and a flood of other names does not free one that has failed more often.
#[test]
fn s_16_a_flood_of_names_fills_no_memory_and_frees_nobody() {
    let throttle = throttle();
    for _ in 0..5 {
        let _charged = throttle.begin(Who::Login("victim"), None, NOW).unwrap();
    }
    for number in 0..2 * u32::try_from(ROOM).unwrap() {
        let name = format!("name-{number}");
        let _charged = throttle.begin(Who::Login(&name), address(number), NOW + 1).unwrap();
    }
    let kept = |count: usize| (ROOM * 7 / 8..=ROOM).contains(&count);
    assert!(throttle.kept().into_iter().all(kept), "{:?}", throttle.kept());
    let victim = throttle.begin(Who::Login("victim"), None, NOW).expect_err("it still waits");
    assert_eq!(victim.seconds, 1);
    // What is forgiven goes first: then there is room for as many again, and the victim is still there.
    for number in 0..ROOM {
        let _charged = throttle.begin(Who::Login(&format!("late-{number}")), None, NOW + 1 + 900).unwrap();
    }
    assert!(kept(throttle.counters.len(CounterKind::Account)));
    assert!(wait(&throttle, "victim", None, NOW) > 0);
}

/// One line in the log for each delay, however often somebody asks.
#[test]
fn a_delay_is_news_once() {
    let throttle = throttle();
    for _ in 0..5 {
        let _charged = throttle.begin(Who::Login("a"), HOME, NOW).unwrap();
    }
    let news = |now| throttle.begin(Who::Login("a"), HOME, now).map(drop).unwrap_err().is_news;
    assert_eq!((0..50).filter(|_| news(NOW)).count(), 1);
    let _charged = throttle.begin(Who::Login("a"), HOME, NOW + 1).unwrap();
    assert_eq!((0..50).filter(|_| news(NOW + 1)).count(), 1, "the next delay");

    let peer = HOME.unwrap();
    let refused: Vec<_> = (0..80).filter_map(|_| throttle.register(peer, NOW).err()).collect();
    assert_eq!((refused.len(), refused.iter().filter(|wait| wait.is_news).count()), (50, 1));
}
