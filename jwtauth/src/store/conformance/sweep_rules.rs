//! The rules of a sweep.

use super::{logout, presented, put, session};
use crate::id::SessionId;
use crate::record::Session;
use crate::store::requests::{LoginEffects, Swept};
use crate::store::session_store::SessionStore;

/// A login whose clock is ahead removes nothing that is live by the time that is right.
pub(super) async fn a_login_forgets_what_is_over_for_everybody(store: &impl SessionStore) {
    for number in 1..=6 {
        put(store, &session(number, "a")).await;
    }
    let new = |number, now: u64| Session {
        created_at: now,
        rotated_at: now,
        expires_at: now + 1_000,
        absolute_expires_at: now + 1_000,
        ..session(number, "a")
    };
    let ended = session(1, "a").absolute_expires_at;
    let effects = LoginEffects { max_sessions: Some(2), settled: Some(200), ..LoginEffects::default() };
    store.insert(new(7, ended + 86_400), effects.clone()).await.expect("insert");
    let kept = store.sessions_of("a".into()).await.expect("sessions_of");
    assert_eq!(kept.len(), 7, "by the right time all are live");
    // Later that time has come. Not before the login itself.
    let effects = LoginEffects { settled: Some(u64::MAX), ..effects };
    store.insert(new(8, ended + 86_401), effects).await.expect("insert");
    // Nobody waits for what is removed.
    put(store, &session(9, "b")).await;
    let kept = store.sessions_of("a".into()).await.expect("sessions_of");
    assert_eq!(kept.len(), 4, "two that are over are kept");
}

pub(super) async fn a_sweep_removes_what_is_expired_and_nothing_else(store: &impl SessionStore) {
    for number in 0..100 {
        let expires_at = 1_000 + u64::from(number);
        put(store, &Session { expires_at, ..session(number, "a") }).await;
    }
    // One that expires later by now, and a revoked one.
    store.rotate(presented(&session(0, "a"), 0, 900)).await.expect("rotate");
    store.revoke(SessionId::from_bytes([1; 16]), logout(900)).await.expect("revoke");
    assert_eq!(store.sweep(999, 10).await.expect("sweep"), Swept::default(), "nothing is expired yet");
    let (mut removed, mut expired) = (0, Vec::new());
    loop {
        let swept = store.sweep(1_049, 20).await.expect("sweep");
        assert!(swept.removed <= 20, "a batch keeps to its limit");
        removed += swept.removed;
        expired.extend(swept.expired);
        if !swept.more {
            break;
        }
    }
    assert_eq!(removed, 49, "numbers 1 to 49 have expired");
    expired.sort_unstable_by_key(|session| session.id);
    let want =
        (2..50).map(|number| Session { expires_at: 1_000 + u64::from(number), ..session(number, "a") });
    assert_eq!(expired, want.collect::<Vec<_>>(), "all of them but the revoked one were live until then");
    let left = store.sessions_of("a".into()).await.expect("sessions_of");
    assert!(left.len() == 51 && left.iter().all(|session| session.expires_at > 1_049), "the rest is there");
}
