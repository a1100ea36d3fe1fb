//! The rules of values, for a store that keeps any: what was removed stays so, and one value comes with one
//! session.

use std::future::Future;
use std::sync::Arc;

use tokio::task::JoinSet;

use super::{load, logout, put, session, state};
use crate::id::SessionId;
use crate::record::{RevocationReason, Session, SessionState};
use crate::store::requests::LoginEffects;
use crate::store::session_store::SessionStore;
use crate::store::value_store::{NewValue, REMEMBERED, ValueKey, ValueStore};

pub(super) async fn run<S, F, Fut>(empty: &F)
where
    S: SessionStore,
    F: Fn() -> Fut,
    Fut: Future<Output = S>,
{
    let Some(values) = kept(&Arc::new(empty().await)) else { return };
    a_value_is_there_until_it_expires(&*values).await;
    what_was_removed_stays_removed(&*values).await;
    a_session_comes_with_its_value_once(&Arc::new(empty().await)).await;
    a_session_that_comes_with_a_value_does_what_a_login_does(&Arc::new(empty().await)).await;
    of_many_sessions_with_one_value_one_is_added(&Arc::new(empty().await)).await;
}

fn kept<S: SessionStore>(store: &Arc<S>) -> Option<Arc<dyn ValueStore>> {
    Arc::clone(store).value_store()
}

fn values<S: SessionStore>(store: &Arc<S>) -> Arc<dyn ValueStore> {
    kept(store).expect("a store keeps values or it does not")
}

fn value(number: u8, now: u64, expires_at: u64) -> NewValue {
    let bytes = vec![number, now as u8];
    NewValue::new(ValueKey::from_bytes([number; ValueKey::LEN]), bytes, now, expires_at)
}

async fn find(values: &dyn ValueStore, number: u8, now: u64) -> Option<Vec<u8>> {
    values.load_value(ValueKey::from_bytes([number; ValueKey::LEN]), now).await.expect("load_value")
}

async fn save(values: &dyn ValueStore, new: &NewValue) -> bool {
    values.save_value(new.clone()).await.expect("save_value")
}

async fn open(values: &dyn ValueStore, session: &Session, new: &NewValue) -> Option<Vec<u8>> {
    let effects = LoginEffects { max_sessions: Some(2), ..LoginEffects::default() };
    values.insert_with_value(session.clone(), effects, new.clone()).await.expect("insert_with_value")
}

async fn a_value_is_there_until_it_expires(values: &dyn ValueStore) {
    let (first, second) = (value(1, 100, 200), value(1, 150, 300));
    assert_eq!(find(values, 1, 100).await, None, "nothing was saved");
    assert!(save(values, &first).await, "save_value");
    assert_eq!(find(values, 1, 199).await, Some(first.bytes), "until it expires");
    assert_eq!(find(values, 1, 200).await, None, "it has expired");
    assert!(save(values, &second).await, "in the place of the one before it");
    assert_eq!(find(values, 1, 299).await, Some(second.bytes), "the newer one");
    assert_eq!(find(values, 2, 100).await, None, "another key");
}

async fn what_was_removed_stays_removed(values: &dyn ValueStore) {
    let (old, late) = (value(5, 100, 200), value(5, 100 + REMEMBERED.as_secs(), 50_000));
    assert!(save(values, &old).await, "save_value");
    assert!(values.remove_value(old.key, 100).await.expect("remove_value"), "it was live");
    assert!(!values.remove_value(old.key, 100).await.expect("remove_value"), "a second time");
    assert_eq!(find(values, 5, 100).await, None, "it is gone");
    assert!(!save(values, &old).await, "it does not come back");
    let refused = open(values, &session(1, "a"), &old).await;
    assert_eq!(refused, Some(Vec::new()), "no session comes with it");
    assert!(save(values, &late).await, "long after that");
}

async fn a_session_comes_with_its_value_once<S: SessionStore>(store: &Arc<S>) {
    let values = values(store);
    let (first, second) = (session(1, "a"), Session { created_at: 150, ..session(2, "a") });
    assert_eq!(open(&*values, &first, &value(1, 100, 200)).await, None, "a new value");
    assert_eq!(load(&**store, first.id).await, Some(first.clone()), "its session is kept");
    assert_eq!(store.sessions_of("a".into()).await.expect("sessions_of").len(), 1, "and listed");
    assert_eq!(find(&*values, 1, 100).await, Some(value(1, 100, 200).bytes), "with the value");
    let known = open(&*values, &second, &value(1, 150, 300)).await;
    assert_eq!(known, Some(value(1, 100, 200).bytes), "the value that is live is returned");
    assert_eq!(load(&**store, second.id).await, None, "no session is added to it");
    assert_eq!(find(&*values, 1, 200).await, None, "the value is as it was");
    assert_eq!(open(&*values, &second, &value(1, 200, 300)).await, None, "the first value has expired");
    assert!(load(&**store, second.id).await.is_some(), "another session comes with another value");
    assert!(save(&*values, &value(3, 100, 200)).await, "save_value");
    let third = session(3, "b");
    assert_eq!(
        open(&*values, &third, &value(3, 150, 300)).await,
        Some(value(3, 100, 200).bytes),
        "a plain value"
    );
    assert_eq!(load(&**store, third.id).await, None, "no session is added to a plain value");
}

async fn a_session_that_comes_with_a_value_does_what_a_login_does<S: SessionStore>(store: &Arc<S>) {
    let values = values(store);
    for number in 1..=2 {
        put(&**store, &Session { rotated_at: 100 + u64::from(number), ..session(number, "a") }).await;
    }
    let new = Session { created_at: 200, rotated_at: 200, ..session(3, "a") };
    assert_eq!(open(&*values, &new, &value(1, 200, 300)).await, None, "a new value");
    let evicted = SessionState::Revoked(RevocationReason::Evicted);
    for (number, want) in [(1, evicted), (2, SessionState::Live), (3, SessionState::Live)] {
        assert_eq!(
            state(&**store, &session(number, "a"), 200).await,
            Some(want),
            "session {number} of 2 allowed"
        );
    }
    store.revoke(new.id, logout(250)).await.expect("revoke");
    let known = open(&*values, &Session { created_at: 250, ..session(4, "a") }, &value(1, 250, 300)).await;
    assert_eq!(known, Some(value(1, 200, 300).bytes), "the value outlives its session");
}

async fn of_many_sessions_with_one_value_one_is_added<S: SessionStore>(store: &Arc<S>) {
    for round in 0..10_u8 {
        let mut tasks = JoinSet::new();
        for number in 0..16_u8 {
            let values = values(store);
            tasks.spawn(async move {
                let id = SessionId::from_bytes([round * 16 + number; 16]);
                let new = NewValue { bytes: id.as_bytes().to_vec(), ..value(round, 100, 1_000) };
                let effects = LoginEffects::default();
                let session = Session { id, ..session(number, &format!("subject {round}")) };
                values.insert_with_value(session, effects, new).await.expect("insert_with_value")
            });
        }
        let answers = tasks.join_all().await;
        let winners = answers.iter().filter(|answer| answer.is_none()).count();
        let sessions = store.sessions_of(format!("subject {round}")).await.expect("sessions_of");
        assert_eq!((winners, sessions.len()), (1, 1), "round {round}: one of many is added");
        let id = sessions[0].id.as_bytes().to_vec();
        let told = answers.into_iter().flatten().all(|bytes| bytes == id);
        assert!(told, "round {round}: all others are told that one's value");
    }
}
