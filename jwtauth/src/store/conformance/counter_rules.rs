//! The rules of a store that keeps counters of attempts.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::super::counter_store::{Counter, CounterKey, CounterKind, CounterRule, CounterStore};
use super::super::session_store::SessionStore;

fn key(kind: CounterKind, name: u8) -> CounterKey {
    CounterKey::new(kind, [name; CounterKey::NAME])
}

fn counter(expires_at: u64, bytes: &[u8]) -> Option<Counter> {
    Some(Counter::new(expires_at, bytes.to_vec()))
}

/// A rule with the same result for everything.
fn put(counters: Vec<Option<Counter>>) -> CounterRule {
    Arc::new(move |_| counters.clone())
}

/// A rule that changes nothing.
fn look() -> CounterRule {
    Arc::new(<[Option<Counter>]>::to_vec)
}

/// A rule that counts one more of each.
fn count() -> CounterRule {
    let next = |found: &Option<Counter>| {
        let number = found.as_ref().map_or(0, |found| u16::from_be_bytes([found.bytes[0], found.bytes[1]]));
        counter(5_000, &(number + 1).to_be_bytes())
    };
    Arc::new(move |found| found.iter().map(next).collect())
}

async fn change(store: &dyn CounterStore, keys: &[CounterKey], rule: CounterRule) -> Vec<Option<Counter>> {
    store.change_counters(keys.to_vec(), 1_000, rule).await.expect("change_counters")
}

pub(super) async fn run<S: SessionStore>(store: &Arc<S>) {
    if let Some(counters) = Arc::clone(store).counter_store() {
        run_counters(counters).await;
    }
}

/// Runs the rules for a store that keeps counters, against an empty one.
///
/// # Panics
///
/// If the store breaks a rule; the message says which.
pub async fn run_counters(store: Arc<dyn CounterStore>) {
    counters_come_back_and_go(&*store).await;
    no_change_is_lost(&store).await;
    changes_that_meet_do_not_wait_in_a_circle(&store).await;
}

async fn counters_come_back_and_go(store: &dyn CounterStore) {
    let pair = [key(CounterKind::Account, 1), key(CounterKind::Address, 1)];
    assert_eq!(change(store, &pair, look()).await, [None, None], "counters that nobody has made");
    assert_eq!(change(store, &pair, look()).await, [None, None], "a look makes none");
    let first = vec![counter(2_000, b"one"), counter(3_000, b"")];
    assert_eq!(change(store, &pair, put(first.clone())).await, [None, None], "the counters before");
    assert_eq!(change(store, &pair, look()).await, first, "the counters after, also one without bytes");
    let other = [key(CounterKind::AccountAtAddress, 1), key(CounterKind::Account, 2)];
    assert_eq!(change(store, &other, look()).await, [None, None], "other kinds and other names");
    let mixed = [key(CounterKind::Account, 1), key(CounterKind::Account, 3)];
    let long = vec![counter(2_000, b"one"), counter(4_000, &[0xab; 512])];
    assert_eq!(change(store, &mixed, put(long.clone())).await, [first[0].clone(), None], "one of both");
    assert_eq!(change(store, &mixed, look()).await, long, "one stays, one is new");
    assert_eq!(change(store, &mixed, put(vec![None, None])).await, long, "the counters that go");
    assert_eq!(change(store, &mixed, look()).await, [None, None], "both are gone");
    assert_eq!(change(store, &pair[1..], look()).await, first[1..], "another one is left");
    let far = vec![counter(u64::MAX >> 1, b"x")];
    change(store, &pair[..1], put(far.clone())).await;
    assert_eq!(change(store, &pair[..1], look()).await, far, "a time far ahead");
}

async fn no_change_is_lost(store: &Arc<dyn CounterStore>) {
    let pair = [key(CounterKind::AccountAtAddress, 9), key(CounterKind::KnownAddresses, 9)];
    let mut running = JoinSet::new();
    for _ in 0..64 {
        let store = Arc::clone(store);
        running.spawn(async move { change(&*store, &pair, count()).await });
    }
    let mut seen = Vec::new();
    while let Some(found) = running.join_next().await {
        let found = found.expect("a task");
        assert_eq!(found[0], found[1], "both change in one step");
        seen.push(found[0].as_ref().map_or(0, |found| found.bytes[1]));
    }
    seen.sort_unstable();
    assert_eq!(seen, (0..64).collect::<Vec<u8>>(), "of changes that come together each sees the one before");
    assert_eq!(change(&**store, &pair, look()).await, vec![counter(5_000, &[0, 64]); 2], "all of them count");
}

/// Some counters are made, and others go, while others have a part of them in common.
async fn changes_that_meet_do_not_wait_in_a_circle(store: &Arc<dyn CounterStore>) {
    let keys = CounterKind::ALL.map(|kind| key(kind, 20));
    let mut running = JoinSet::new();
    for number in 0..60 {
        let store = Arc::clone(store);
        running.spawn(async move {
            let from = number % keys.len();
            let keys = &keys[from..keys.len().min(from + 3)];
            let rule = if number % 4 == 3 { put(vec![None; keys.len()]) } else { count() };
            change(&*store, keys, rule).await;
        });
    }
    while let Some(done) = running.join_next().await {
        done.expect("all changes come to an end");
    }
    change(&**store, &keys, put(vec![None; keys.len()])).await;
    assert_eq!(change(&**store, &keys, look()).await, vec![None; keys.len()], "nothing is left");
}
