//! The rules of [`SessionStore::stamp`]: who keeps a record hears of each change to it.

use super::super::requests::{SubjectRevocation, TokenRevocation, UserUpdate};
use super::super::sample::session;
use super::super::session_store::SessionStore;
use super::{load, logout, presented, put};
use crate::id::TokenId;

pub(super) async fn a_stamp_changes_with_its_record(store: &impl SessionStore) {
    let session = session(1, "a");
    put(store, &session).await;
    let mut seen = Vec::new();
    let mut check = |what: &str| {
        if let Some(stamp) = store.stamp(session.id) {
            assert!(!seen.contains(&stamp), "the stamp of a record after {what}: it was seen before");
            seen.push(stamp);
        }
    };
    check("a login");
    store.rotate(presented(&session, 0, 200)).await.expect("rotate");
    check("a rotation");
    store.confirm(session.id, 1);
    store.flush().await.expect("flush");
    if load(store, session.id).await.is_some_and(|session| session.confirmed) {
        check("a confirmation");
    }
    let token = TokenRevocation::new(session.id, TokenId::from_bytes([0xac; 16]), 400, 200);
    store.revoke_token(token).await.expect("revoke_token");
    check("the revocation of a token");
    let update =
        UserUpdate { roles: vec!["new".to_owned()], scopes: Vec::new(), user: None, user_kind: None };
    store.update_user("a".into(), update).await.expect("update_user");
    check("an update of the user");
    let all = SubjectRevocation::all(logout(200));
    store.revoke_subject("a".into(), all).await.expect("revoke_subject");
    check("a revocation of all sessions");
    let now = session.absolute_expires_at.saturating_add(1_000_000);
    assert_eq!(store.sweep(now, 10).await.expect("sweep").removed, 1);
    store.flush().await.expect("flush");
    check("a sweep");
}
