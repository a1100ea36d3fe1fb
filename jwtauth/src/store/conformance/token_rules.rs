//! The rules of the registry, for a store that keeps it: which tokens are recorded, and what an archive
//! removes.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use super::{load, logout, presented, put, session};
use crate::id::TokenId;
use crate::record::Session;
use crate::registry::{TokenKind, TokenRecord};
use crate::store::requests::{LoginEffects, RotationRequest, TokenRevocation};
use crate::store::rules;
use crate::store::session_store::SessionStore;
use crate::store::token_store::TokenStore;

const ACCESS_TTL: Duration = Duration::from_secs(300);

pub(super) async fn run<S, F, Fut>(empty: &F)
where
    S: SessionStore,
    F: Fn() -> Fut,
    Fut: Future<Output = S>,
{
    if Arc::new(empty().await).token_store().is_none() {
        return;
    }
    tokens_are_recorded_in_the_tree_of_their_session(&Arc::new(empty().await)).await;
    a_sliding_token_is_recorded_once_in_each_generation(&Arc::new(empty().await)).await;
    an_archive_removes_what_has_expired_by_itself(&Arc::new(empty().await)).await;
    records_go_with_a_session_that_is_forgotten(&Arc::new(empty().await)).await;
    the_newest_records_of_a_session_are_kept(&Arc::new(empty().await)).await;
}

async fn the_newest_records_of_a_session_are_kept<S: SessionStore>(store: &Arc<S>) {
    let session = session(1, "a");
    store.insert(session.clone(), registered()).await.expect("insert");
    let mut issued = vec![session.refresh_id, session.access_id];
    let many = 2 * rules::TOKENS_KEPT as u64;
    for generation in 0..many {
        let mut rotation =
            RotationRequest { register: Some(ACCESS_TTL), ..presented(&session, generation, 200) };
        let id = |kind: u8| {
            let mut bytes = [kind; 16];
            bytes[..8].copy_from_slice(&generation.to_be_bytes());
            TokenId::from_bytes(bytes)
        };
        (rotation.successor.refresh, rotation.successor.access) = (id(0xee), id(0xff));
        store.rotate(rotation).await.expect("rotate");
        issued.extend([rotation.successor.refresh, rotation.successor.access]);
    }
    let kept: Vec<_> = tokens_of(store, &session).await.iter().map(|token| token.id).collect();
    assert!(kept.len() >= rules::TOKENS_KEPT, "the newest records are kept: {}", kept.len());
    assert!(kept.len() <= 2 * rules::TOKENS_KEPT, "there are never many more: {}", kept.len());
    assert_eq!(kept, issued[issued.len() - kept.len()..], "what is kept is the newest");
}

fn tokens<S: SessionStore>(store: &Arc<S>) -> Arc<dyn TokenStore> {
    Arc::clone(store).token_store().expect("a store keeps records of tokens or it does not")
}

async fn tokens_of<S: SessionStore>(store: &Arc<S>, session: &Session) -> Vec<TokenRecord> {
    tokens(store).tokens_of(session.id).await.expect("tokens_of")
}

fn registered() -> LoginEffects {
    LoginEffects { register: Some(ACCESS_TTL), ..LoginEffects::default() }
}

async fn records_go_with_a_session_that_is_forgotten<S: SessionStore>(store: &Arc<S>) {
    for number in 0..10 {
        let effects = LoginEffects { max_sessions: Some(2), ..registered() };
        let now = 100 + u64::from(number);
        let new = Session { created_at: now, rotated_at: now, ..session(number, "a") };
        store.insert(new.clone(), effects).await.expect("insert");
        store.revoke(new.id, logout(now)).await.expect("revoke");
    }
    for (number, want) in [(0, 0), (9, 2)] {
        let session = session(number, "a");
        let kept = load(&**store, session.id).await.is_some();
        let records = tokens_of(store, &session).await.len();
        assert_eq!((kept, records), (want > 0, want), "session {number} and the records of its tokens");
    }
}

async fn tokens_are_recorded_in_the_tree_of_their_session<S: SessionStore>(store: &Arc<S>) {
    let (session, other) = (session(1, "a"), session(2, "a"));
    store.insert(session.clone(), registered()).await.expect("insert");
    put(&**store, &other).await;
    let rotation = RotationRequest { register: Some(ACCESS_TTL), ..presented(&session, 0, 200) };
    store.rotate(rotation).await.expect("rotate");
    // Inside the grace window nothing new is issued.
    store.rotate(rotation).await.expect("rotate");
    let successor = rotation.successor;
    let end = TokenRevocation::new(session.id, successor.access, 500, 250);
    store.revoke_token(end).await.expect("revoke_token");
    let tokens = tokens_of(store, &session).await;
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
    assert_eq!(tokens_of(store, &other).await, [], "a session that is not registered");
    // An answer that is repeated later has an access token of its own, beside the first.
    let mut again = rotation;
    (again.now, again.policy.rewrite) = (300, Duration::ZERO);
    again.successor.access = TokenId::from_bytes([0xf0; 16]);
    store.rotate(again).await.expect("rotate");
    let reissued = tokens_of(store, &session).await;
    let last = reissued.last().expect("there are some");
    assert_eq!((reissued.len(), last.id, last.parent), (5, again.successor.access, Some(successor.refresh)));
    assert_eq!((last.kind, last.issued_at, last.expires_at), (TokenKind::Access, 300, 600));
    store.sweep(1_200, 10).await.expect("sweep");
    assert_eq!(tokens_of(store, &session).await, [], "the records go with their session");
}

async fn a_sliding_token_is_recorded_once_in_each_generation<S: SessionStore>(store: &Arc<S>) {
    let first = TokenId::from_bytes([1; 16]);
    let session = Session { access_id: first, ..session(1, "a") };
    store.insert(session.clone(), registered()).await.expect("insert");
    let next = TokenId::from_bytes([0xee; 16]);
    let mut rotation = RotationRequest { register: Some(ACCESS_TTL), ..presented(&session, 0, 200) };
    rotation.successor.access = next;
    store.rotate(rotation).await.expect("rotate");
    let after = load(&**store, session.id).await.expect("the session is there");
    assert!(after.is_sliding() && after.refresh_id == next, "a session of sliding tokens stays one");
    let found: Vec<_> = tokens_of(store, &session)
        .await
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
    let end = TokenRevocation::new(session.id, next, 1_200, 250);
    assert!(store.revoke_token(end).await.expect("revoke_token"), "a sliding token that was good");
    let ended = tokens_of(store, &session).await;
    assert_eq!(ended[1].revoked_at, Some(250), "the record of a sliding token that was ended");
    store.sweep(1_200, 10).await.expect("sweep");
    assert_eq!(tokens_of(store, &session).await, [], "they go with their session");
}

async fn an_archive_removes_what_has_expired_by_itself<S: SessionStore>(store: &Arc<S>) {
    for number in 0..20 {
        store.insert(session(number, "a"), registered()).await.expect("insert");
    }
    let archived = async |before| {
        let mut removed = 0;
        loop {
            let swept = tokens(store).archive(before, 3).await.expect("archive");
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
    let left = tokens_of(store, &session(7, "a")).await;
    assert!(left.len() == 1 && left[0].kind == TokenKind::Refresh, "refresh tokens live longer");
}
