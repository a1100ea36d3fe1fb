//! The rules of a sweep.

use super::{logout, presented, put, session};
use crate::id::SessionId;
use crate::record::Session;
use crate::store::requests::Swept;
use crate::store::session_store::SessionStore;

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
