//! The rules of single tokens: which are recorded, which end alone, and what an archive removes.

use std::time::Duration;

use super::{load, presented, put, session};
use crate::id::{SessionId, TokenId};
use crate::record::{RevokedToken, Session, SessionState};
use crate::registry::TokenKind;
use crate::store::{LoginEffects, RotationRequest, SessionStore, TokenRevocation};

pub(super) async fn a_token_ends_alone_and_the_session_remembers_it(store: &impl SessionStore) {
    let session = session(1, "a");
    put(store, &session).await;
    let end = TokenRevocation {
        session: session.id,
        token: TokenId::from_bytes([0xac; 16]),
        expires_at: 400,
        now: 200,
    };
    assert!(store.revoke_token(end).await.expect("revoke_token"), "a token that was good");
    assert!(!store.revoke_token(end).await.expect("revoke_token"), "the same token again");
    let kept = load(store, session.id).await.expect("the session is there");
    assert_eq!(
        kept.revoked_tokens,
        [RevokedToken { id: end.token, expires_at: 400 }],
        "what the session remembers"
    );
    assert_eq!(kept.state_at(200), SessionState::Live, "the session of an ended token");
    let nowhere = TokenRevocation { session: SessionId::from_bytes([9; 16]), ..end };
    assert!(!store.revoke_token(nowhere).await.expect("revoke_token"), "a token of no session");
}

pub(super) async fn tokens_are_recorded_in_the_tree_of_their_session(store: &impl SessionStore) {
    let (session, other) = (session(1, "a"), session(2, "a"));
    let register = Some(Duration::from_secs(300));
    let opening = LoginEffects { register, ..LoginEffects::default() };
    store.insert(session.clone(), opening).await.expect("insert");
    put(store, &other).await;
    let rotation = RotationRequest { register, ..presented(&session, 0, 200) };
    store.rotate(rotation).await.expect("rotate");
    // Inside the grace window nothing new is issued.
    store.rotate(rotation).await.expect("rotate");
    let successor = rotation.successor;
    let end = TokenRevocation { session: session.id, token: successor.access, expires_at: 500, now: 250 };
    store.revoke_token(end).await.expect("revoke_token");
    let tokens = store.tokens_of(session.id).await.expect("tokens_of");
    let found: Vec<_> = tokens
        .iter()
        .map(|it| (it.id, it.kind, it.parent, it.issued_at, it.expires_at, it.revoked_at))
        .collect();
    let (refresh, access) = (session.refresh_id, session.access_id);
    assert_eq!(
        found,
        [
            (refresh, TokenKind::Refresh, None, 100, 1_100, Some(200)),
            (access, TokenKind::Access, Some(refresh), 100, 400, None),
            (successor.refresh, TokenKind::Refresh, Some(refresh), 200, 1_200, None),
            (successor.access, TokenKind::Access, Some(successor.refresh), 200, 500, Some(250)),
        ],
        "the tree of a session"
    );
    assert!(tokens.iter().all(|token| token.session == session.id), "each knows its session");
    assert_eq!(store.tokens_of(other.id).await.expect("tokens_of"), [], "a session that is not registered");
    store.sweep(1_200, 10).await.expect("sweep");
    assert_eq!(
        store.tokens_of(session.id).await.expect("tokens_of"),
        [],
        "the records go with their session"
    );
}

pub(super) async fn a_sliding_token_is_recorded_once_in_each_generation(store: &impl SessionStore) {
    let first = TokenId::from_bytes([1; 16]);
    let session = Session { access_id: first, ..session(1, "a") };
    let register = Some(Duration::from_secs(300));
    store
        .insert(session.clone(), LoginEffects { register, ..LoginEffects::default() })
        .await
        .expect("insert");
    let next = TokenId::from_bytes([0xee; 16]);
    let mut rotation = RotationRequest { register, ..presented(&session, 0, 200) };
    rotation.successor.access = next;
    store.rotate(rotation).await.expect("rotate");
    let after = load(store, session.id).await.expect("the session is there");
    assert!(after.is_sliding() && after.refresh_id == next, "a session of sliding tokens stays one");
    let found: Vec<_> = store
        .tokens_of(session.id)
        .await
        .expect("tokens_of")
        .iter()
        .map(|it| (it.id, it.kind, it.parent, it.issued_at, it.expires_at, it.revoked_at))
        .collect();
    assert_eq!(
        found,
        [
            (first, TokenKind::Sliding, None, 100, 1_100, Some(200)),
            (next, TokenKind::Sliding, Some(first), 200, 1_200, None),
        ],
        "one token for each generation, good for as long as it can be renewed"
    );
    let end = TokenRevocation { session: session.id, token: next, expires_at: 1_200, now: 250 };
    assert!(store.revoke_token(end).await.expect("revoke_token"), "a sliding token that was good");
    let ended = store.tokens_of(session.id).await.expect("tokens_of");
    assert_eq!(ended[1].revoked_at, Some(250), "the record of a sliding token that was ended");
    store.sweep(1_200, 10).await.expect("sweep");
    assert_eq!(store.tokens_of(session.id).await.expect("tokens_of"), [], "they go with their session");
}

pub(super) async fn an_archive_removes_what_has_expired_by_itself(store: &impl SessionStore) {
    let register = Some(Duration::from_secs(300));
    for number in 0..20 {
        let opening = LoginEffects { register, ..LoginEffects::default() };
        store.insert(session(number, "a"), opening).await.expect("insert");
    }
    let archived = async |before| {
        let mut removed = 0;
        loop {
            let swept = store.archive(before, 3).await.expect("archive");
            assert!(swept.removed <= 3, "a batch keeps to its limit");
            removed += swept.removed;
            if !swept.more {
                return removed;
            }
        }
    };
    assert_eq!(archived(400).await, 0, "access tokens expire at 400, and that is not before 400");
    assert_eq!(archived(401).await, 20, "each session has one access token");
    assert_eq!(archived(401).await, 0, "they are gone");
    let left = store.tokens_of(session(7, "a").id).await.expect("tokens_of");
    assert!(left.len() == 1 && left[0].kind == TokenKind::Refresh, "refresh tokens live longer");
}
