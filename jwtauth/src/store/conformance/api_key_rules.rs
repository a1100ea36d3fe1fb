//! The rules of sessions that belong to API keys.

use super::super::requests::{LoginEffects, SubjectRevocation, UserUpdate};
use super::super::sample::session;
use super::super::session_store::SessionStore;
use super::{load, logout, presented, put, state};
use crate::record::{ApiKey, Rotation, Session, SessionState};

pub(super) async fn an_api_key_is_a_session_without_tokens(store: &impl SessionStore) {
    let roles = ["admin", "editor"].map(str::to_owned).to_vec();
    let api_key = ApiKey { roles: roles.clone(), ..ApiKey::new("ci", [7; 32]) };
    let key = Session { roles, scopes: Vec::new(), api_key: Some(api_key), ..session(1, "a") };
    put(store, &key).await;
    assert_eq!(load(store, key.id).await, Some(key.clone()), "a key after insert");

    let login = Session { rotated_at: 150, created_at: 150, ..session(2, "a") };
    let effects = LoginEffects { max_sessions: Some(1), ..LoginEffects::default() };
    store.insert(login.clone(), effects).await.expect("insert");
    assert_eq!(state(store, &key, 200).await, Some(SessionState::Live), "no login crowds a key out");

    let rotated = store.rotate(presented(&key, 0, 200)).await.expect("rotate");
    assert_eq!(
        rotated.map(|(rotation, _)| rotation),
        Some(Rotation::Over(SessionState::Expired)),
        "no refresh token continues a key"
    );

    for (used_at, noted) in [(200, 200), (259, 200), (260, 260)] {
        store.confirm(key.id, used_at);
        store.flush().await.expect("flush");
        let kept = load(store, key.id).await.expect("it is there");
        assert_eq!(kept.last_used_at(), Some(noted), "the use of a key at {used_at}");
    }

    for (has, keeps) in [(&["editor", "other"][..], &["editor"][..]), (&[], &[]), (&["admin"], &["admin"])] {
        let roles = has.iter().map(|role| (*role).to_owned()).collect();
        let update = UserUpdate { roles, ..UserUpdate::default() };
        store.update_user("a".into(), update).await.expect("update_user");
        let kept = load(store, key.id).await.expect("it is there");
        assert_eq!(kept.roles, keeps, "a key of a user who has {has:?}");
    }

    let second =
        Session { api_key: Some(ApiKey::new("second", [8; 32])), created_at: 300, ..session(3, "a") };
    let effects = LoginEffects { max_sessions: Some(1), ..LoginEffects::default() };
    store.insert(second.clone(), effects).await.expect("insert");
    for session in [&key, &login] {
        assert_eq!(state(store, session, 300).await, Some(SessionState::Live), "a new key crowds nobody out");
    }
    assert!(store.revoke(second.id, logout(300)).await.expect("revoke"), "one key");

    let others = SubjectRevocation::all_except(login.id, logout(400));
    assert_eq!(store.revoke_subject("a".into(), others).await.expect("revoke_subject"), 0, "a key stays");
    let all = SubjectRevocation::all(logout(400));
    assert_eq!(store.revoke_subject("a".into(), all).await.expect("revoke_subject"), 2, "a key ends");
    store.confirm(key.id, 500);
    store.flush().await.expect("flush");
    let kept = load(store, key.id).await.expect("it is there");
    assert_eq!(kept.revoked, Some(logout(400)), "no use brings a key back");
}

/// Somebody who makes keys and ends them all day does not make each login of theirs slow.
pub(super) async fn api_keys_that_are_over_are_forgotten(store: &impl SessionStore) {
    let key = |number: u8| {
        let at = 100 + u64::from(number);
        let api_key = Some(ApiKey::new("ci", [number; 32]));
        Session { api_key, created_at: at, rotated_at: at, ..session(number, "a") }
    };
    let login = session(200, "a");
    put(store, &login).await;
    for number in 1..=20 {
        let effects = LoginEffects { max_sessions: Some(3), ..LoginEffects::default() };
        store.insert(key(number), effects).await.expect("insert");
        if number > 2 {
            store.revoke(key(number).id, logout(300)).await.expect("revoke");
        }
    }
    let kept = store.sessions_of("a".into()).await.expect("sessions_of");
    let over = kept.iter().filter(|session| session.revoked.is_some()).count();
    assert!((3..=4).contains(&over), "{over} keys that are over are kept");
    for live in [login.id, key(1).id, key(2).id] {
        assert!(
            kept.iter().any(|session| session.id == live && session.revoked.is_none()),
            "what is live stays"
        );
    }
}
