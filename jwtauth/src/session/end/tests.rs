//! Entering, finding and leaving: no entry stays behind.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use super::*;
use crate::clock::ManualClock;
use crate::record::Revocation;
use crate::store::{LoginEffects, MemoryStore, sample};

const SECOND: Duration = Duration::from_secs(1);

fn ends() -> Arc<Ends> {
    Arc::new(Ends::new(Arc::new(MemoryStore::new()), Arc::new(ManualClock::at(200)), SECOND))
}

fn session(number: u128, subject: &str) -> Session {
    Session {
        id: SessionId::from_bytes(number.to_be_bytes()),
        subject: subject.into(),
        ..sample::session(1, "1")
    }
}

fn end(ends: &Arc<Ends>, session: &Session, is_named: bool) -> SessionEnd {
    let subject = is_named.then(|| session.subject.as_str().into());
    SessionEnd { ends: Arc::downgrade(ends), session: session.id, subject, until: None }
}

/// Begins to wait.
fn begin(end: &SessionEnd) -> Pin<Box<dyn Future<Output = EndReason> + Send>> {
    let mut wait: Pin<Box<dyn Future<Output = EndReason> + Send>> = Box::pin(end.wait());
    assert_eq!(wait.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Pending);
    wait
}

/// Returns how many sessions, and how many subjects, somebody waits for.
fn entries(ends: &Ends) -> (usize, usize) {
    let waiting = ends.lock();
    (waiting.sessions.len(), waiting.subjects.len())
}

#[tokio::test]
async fn a_hundred_thousand_connections_leave_nothing_behind() {
    const CONNECTIONS: usize = 100_000;
    let ends = ends();
    let mut waits = Vec::new();
    for number in 0..CONNECTIONS {
        let session = session(number as u128, &format!("user {}", number % 1_000));
        let end = end(&ends, &session, number % 2 == 0);
        ends.store.insert(session, LoginEffects::default()).await.unwrap();
        waits.push(begin(&end));
    }
    assert_eq!(entries(&ends), (CONNECTIONS, 1_000));
    let theirs = ends.lock().find(&MayEnd::Of { subject: "user 7", except: None });
    assert_eq!(theirs.len(), CONNECTIONS / 1_000);
    let stays = waits.split_off(CONNECTIONS - 1);
    drop(waits);
    assert_eq!(entries(&ends), (1, 1));
    drop(stays);
    assert_eq!(entries(&ends), (0, 0));
}

#[tokio::test]
async fn a_session_has_one_entry_for_all_who_wait_until_the_last_one_goes() {
    let ends = ends();
    let session = session(1, "alice");
    ends.store.insert(session.clone(), LoginEffects::default()).await.unwrap();
    let [named, nameless] = [true, false].map(|is_named| end(&ends, &session, is_named));
    for order in [[&named, &nameless], [&nameless, &named]] {
        let [first, second] = order.map(begin);
        let last = begin(order[0]);
        drop(first);
        drop(second);
        for found in [MayEnd::These(&[session.id]), MayEnd::Of { subject: "alice", except: None }] {
            assert_eq!(ends.lock().find(&found).len(), 1, "{found:?}");
        }
        drop(last);
        assert_eq!(entries(&ends), (0, 0));
    }
}

#[tokio::test]
async fn who_learns_of_an_end_leaves_too() {
    let ends = ends();
    let session = session(1, "alice");
    let end = end(&ends, &session, false);
    assert_eq!(end.wait().await, EndReason::Expired, "there is no such session");
    ends.store.insert(session.clone(), LoginEffects::default()).await.unwrap();
    let wait = begin(&end);
    let revocation = Revocation { at: 200, reason: RevocationReason::Requested };
    {
        let ids = [session.id];
        let _following = ends.follow(MayEnd::These(&ids));
        ends.store.revoke(session.id, revocation).await.unwrap();
    }
    assert_eq!(wait.await, EndReason::Revoked(RevocationReason::Requested));
    assert_eq!(entries(&ends), (0, 0));
}

#[test]
fn only_those_who_are_meant_are_found() {
    let ends = ends();
    let ids = [1, 2, 3, 4].map(|number: u128| SessionId::from_bytes(number.to_be_bytes()));
    let [alice, bob]: [Arc<str>; 2] = ["alice".into(), "bob".into()];
    let waiting = [(ids[0], Some(&alice)), (ids[1], Some(&alice)), (ids[2], Some(&bob)), (ids[3], None)];
    let woken = waiting.map(|(id, subject)| ends.enter(id, subject));
    for (sessions, expected) in [
        (MayEnd::These(&ids[1..3]), &woken[1..3]),
        (MayEnd::These(&ids[3..]), &woken[3..]),
        (MayEnd::These(&[]), &[]),
        (MayEnd::Of { subject: "alice", except: None }, &woken[..2]),
        (MayEnd::Of { subject: "alice", except: Some(ids[1]) }, &woken[..1]),
        (MayEnd::Of { subject: "bob", except: Some(ids[1]) }, &woken[2..3]),
        (MayEnd::Of { subject: "carol", except: None }, &[]),
    ] {
        let found = ends.lock().find(&sessions);
        let all = expected.iter().all(|expected| found.iter().any(|found| Arc::ptr_eq(found, expected)));
        assert!(all && found.len() == expected.len(), "{sessions:?}");
    }
    ends.name(ids[3], bob);
    assert_eq!(ends.lock().find(&MayEnd::Of { subject: "bob", except: None }).len(), 2);
}

/// N-22: what a late request has opened is over when an access token would have expired. The session goes on.
#[tokio::test]
async fn n_22_what_a_late_request_has_opened_ends_with_its_time() {
    let clock = Arc::new(ManualClock::at(200));
    let ends = Arc::new(Ends::new(Arc::new(MemoryStore::new()), Arc::clone(&clock) as _, SECOND));
    let session = session(1, "7");
    ends.store.insert(session.clone(), LoginEffects::default()).await.unwrap();
    for is_named in [true, false] {
        let late = SessionEnd { until: Some(clock.now() + 100), ..end(&ends, &session, is_named) };
        drop(begin(&late));
        clock.advance(99 * SECOND);
        drop(begin(&late));
        clock.advance(SECOND);
        assert_eq!(late.wait().await, EndReason::Expired);
        drop(begin(&end(&ends, &session, is_named)));
    }
}

/// `Debug` ends up in logs.
#[test]
fn debug_shows_a_part_of_the_id_only() {
    let (ends, session) = (ends(), session(7, "alice"));
    let shown = format!("{:?}", end(&ends, &session, true));
    assert!(shown.starts_with("SessionEnd { session: "), "{shown}");
    assert!(!shown.contains("alice") && !shown.contains(&session.id.to_string()), "{shown}");
}
