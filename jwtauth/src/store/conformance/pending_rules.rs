//! The rules of logins whose answer leaves later.

use std::sync::Arc;

use super::{put, state};
use crate::record::{Revocation, RevocationReason, Session, SessionState};
use crate::store::requests::LoginEffects;
use crate::store::sample::session;
use crate::store::session_store::SessionStore;

const LIVE: Option<SessionState> = Some(SessionState::Live);
const EVICTED: Option<SessionState> = Some(SessionState::Revoked(RevocationReason::Evicted));
const REPLACED: Option<SessionState> = Some(SessionState::Revoked(RevocationReason::Replaced));

/// Adds a session whose login is put off. Returns what it does when its answer leaves.
async fn begin(store: &impl SessionStore, new: &Session, effects: LoginEffects) -> LoginEffects {
    let begun = LoginEffects { put_off: true, ..effects.clone() };
    store.insert(new.clone(), begun).await.expect("insert");
    effects
}

/// Runs them, each against a store of its own.
pub(super) async fn run<S, F, Fut>(empty: F)
where
    S: SessionStore,
    F: Fn() -> Fut,
    Fut: Future<Output = S>,
{
    a_login_revokes_others_when_its_answer_leaves(&empty().await).await;
    a_login_that_has_ended_revokes_nobody(&empty().await).await;
    a_login_whose_answer_has_not_left_does_not_count(&empty().await).await;
    the_limit_holds_for_answers_that_leave_at_once(&Arc::new(empty().await)).await;
}

async fn a_login_revokes_others_when_its_answer_leaves(store: &impl SessionStore) {
    let [oldest, kept, elsewhere] = [session(1, "a"), session(2, "a"), session(3, "b")];
    for other in [&oldest, &kept, &elsewhere] {
        put(store, other).await;
    }
    let new = Session { created_at: 200, rotated_at: 200, ..session(4, "a") };
    let effects =
        LoginEffects { replaces: vec![elsewhere.id], max_sessions: Some(2), ..LoginEffects::default() };
    let effects = begin(store, &new, effects).await;
    for other in [&oldest, &kept, &elsewhere, &new] {
        assert_eq!(state(store, other, 200).await, LIVE, "before its answer leaves");
    }
    // It may be asked for more than once.
    for _ in 0..2 {
        let own = store.hand_out(new.clone(), effects.clone()).await.expect("hand_out");
        assert_eq!(own.as_deref(), Some(&new));
        let states = [&oldest, &kept, &elsewhere, &new].map(|it| async { state(store, it, 200).await });
        let [oldest, kept, elsewhere, new] = states;
        assert_eq!((oldest.await, kept.await, elsewhere.await, new.await), (EVICTED, LIVE, REPLACED, LIVE));
    }
}

async fn a_login_that_has_ended_revokes_nobody(store: &impl SessionStore) {
    let (other, new) = (session(1, "a"), session(2, "a"));
    put(store, &other).await;
    let effects = LoginEffects { replaces: vec![other.id], max_sessions: Some(1), ..LoginEffects::default() };
    let effects = begin(store, &new, effects).await;
    let revocation = Revocation { at: 150, reason: RevocationReason::LogoutAll };
    assert!(store.revoke(new.id, revocation).await.expect("revoke"));
    assert_eq!(store.hand_out(new, effects.clone()).await.expect("hand_out"), None);
    let unknown = session(3, "a");
    assert_eq!(store.hand_out(unknown, effects).await.expect("hand_out"), None, "one that was never added");
    assert_eq!(state(store, &other, 200).await, LIVE);
}

async fn a_login_whose_answer_has_not_left_does_not_count(store: &impl SessionStore) {
    let (device, waits, leaves) = (session(1, "a"), session(2, "a"), session(3, "a"));
    put(store, &device).await;
    let limit = LoginEffects { max_sessions: Some(2), ..LoginEffects::default() };
    let _ = begin(store, &waits, limit.clone()).await;
    let effects = begin(store, &leaves, limit.clone()).await;
    let effects = LoginEffects { uncounted: vec![waits.id], ..effects };
    store.hand_out(leaves.clone(), effects).await.expect("hand_out");
    for session in [&device, &waits, &leaves] {
        assert_eq!(state(store, session, 200).await, LIVE, "three with one that does not count, of two");
    }
    store.hand_out(waits.clone(), limit).await.expect("hand_out");
    let live = [&device, &waits, &leaves].map(|it| async { state(store, it, 200).await });
    let [device, waits, leaves] = live;
    assert_eq!((device.await, waits.await, leaves.await), (EVICTED, LIVE, LIVE));
}

async fn the_limit_holds_for_answers_that_leave_at_once(store: &Arc<impl SessionStore>) {
    let limit = LoginEffects { max_sessions: Some(3), ..LoginEffects::default() };
    let new: Vec<_> = (1..=20).map(|number| session(number, "a")).collect();
    for session in &new {
        let _ = begin(&**store, session, limit.clone()).await;
    }
    let mut leaving = tokio::task::JoinSet::new();
    for session in new {
        let (store, limit) = (Arc::clone(store), limit.clone());
        leaving.spawn(async move { store.hand_out(session, limit).await.expect("hand_out").is_some() });
    }
    leaving.join_all().await;
    let all = store.sessions_of("a".into()).await.expect("sessions_of");
    assert_eq!(all.iter().filter(|session| session.is_live_at(200)).count(), 3);
}
