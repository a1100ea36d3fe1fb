//! The rules that every [`SessionStore`] keeps, as tests to run against any implementation.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! use jwtauth::MemoryStore;
//!
//! jwtauth::store::conformance::run(async || MemoryStore::new()).await;
//! # }
//! ```
//!
//! Durability is not among them: what survives a crash is each store's own promise.

#[cfg(feature = "accounts")]
mod accounts;
mod adoption;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

#[cfg(feature = "accounts")]
pub use self::accounts::run_accounts;
use super::{EndSessions, EndToken, Opening, Presented, SessionStore, Swept, UserUpdate};
use crate::device::Device;
use crate::id::{SessionId, TokenId};
use crate::record::{EndedToken, Reason, Revocation, Rotation, RotationPolicy, Session, State, Successor};
use crate::registry::TokenKind;

const POLICY: RotationPolicy =
    RotationPolicy { grace: Duration::from_secs(30), refresh_ttl: Duration::from_secs(1_000) };

/// Runs every rule, each against a store of its own that `empty` makes.
///
/// # Panics
///
/// If the store breaks a rule; the message says which.
pub async fn run<S, F, Fut>(empty: F)
where
    S: SessionStore,
    F: Fn() -> Fut,
    Fut: Future<Output = S>,
{
    a_session_comes_back_as_it_was_put_in(&empty().await).await;
    a_login_revokes_what_it_replaces_in_one_step(&empty().await).await;
    a_login_crowds_out_the_sessions_that_were_idle_the_longest(&empty().await).await;
    a_login_does_not_look_at_ever_more_sessions(&empty().await).await;
    rotation_follows_the_record(&empty().await).await;
    a_token_ends_alone_and_the_session_remembers_it(&empty().await).await;
    tokens_are_recorded_in_the_tree_of_their_session(&empty().await).await;
    a_sliding_token_is_recorded_once_in_each_generation(&empty().await).await;
    an_archive_removes_what_has_expired_by_itself(&empty().await).await;
    nothing_happens_to_a_session_that_is_not_there(&empty().await).await;
    a_subject_is_revoked_as_a_whole_but_one(&empty().await).await;
    subjects_do_not_run_into_each_other(&empty().await).await;
    the_user_is_renewed_in_live_sessions_only(&empty().await).await;
    a_sweep_removes_what_is_expired_and_nothing_else(&empty().await).await;
    of_many_rotations_at_once_one_wins(Arc::new(empty().await)).await;
    a_revocation_is_final_whatever_races_with_it(&|| async { Arc::new(empty().await) }).await;
    adoption::run(empty).await;
}

fn session(number: u8, subject: &str) -> Session {
    Session {
        id: SessionId::from_bytes([number; 16]),
        subject: subject.into(),
        roles: vec!["admin".into()],
        scopes: vec!["posts:write".into()],
        user: Some(br#"{"id":1}"#.to_vec()),
        created_at: 100,
        auth_time: 100,
        ends_at: 5_000,
        expires_at: 1_100,
        generation: 0,
        rotated_at: 100,
        refresh_id: TokenId::from_bytes([number; 16]),
        access_id: TokenId::from_bytes([0xac; 16]),
        ended: Vec::new(),
        device: Device::default(),
        last_address: None,
        adopted: false,
        revoked: None,
    }
}

fn presented(session: &Session, generation: u64, now: u64) -> Presented {
    let successor = Successor {
        refresh: TokenId::from_bytes([0xee; 16]),
        access: TokenId::from_bytes([0xef; 16]),
        address: Some([203, 0, 113, 7].into()),
    };
    Presented { session: session.id, generation, now, policy: POLICY, successor, register: None }
}

fn logout(at: u64) -> Revocation {
    Revocation { at, reason: Reason::Logout }
}

fn all(revocation: Revocation) -> EndSessions {
    EndSessions { except: None, revocation, not_before: None }
}

async fn put(store: &impl SessionStore, session: &Session) {
    store.insert(session.clone(), Opening::default()).await.expect("insert");
}

async fn load(store: &impl SessionStore, id: SessionId) -> Option<Session> {
    store.load(id).await.expect("load").map(Arc::unwrap_or_clone)
}

async fn state(store: &impl SessionStore, session: &Session, now: u64) -> Option<State> {
    load(store, session.id).await.map(|session| session.state_at(now))
}

async fn a_session_comes_back_as_it_was_put_in(store: &impl SessionStore) {
    let session = session(1, "a");
    put(store, &session).await;
    assert_eq!(load(store, session.id).await, Some(session.clone()), "load after insert");
    assert_eq!(
        store.sessions_of("a".into()).await.expect("sessions_of"),
        [session],
        "sessions_of after insert"
    );
    assert_eq!(
        store.load(SessionId::from_bytes([9; 16])).await.expect("load"),
        None,
        "load of an unknown id"
    );
    store.flush().await.expect("flush");
}

async fn a_login_revokes_what_it_replaces_in_one_step(store: &impl SessionStore) {
    let (old, other, new) = (session(1, "a"), session(2, "b"), session(3, "a"));
    put(store, &old).await;
    put(store, &other).await;
    let unknown = SessionId::from_bytes([9; 16]);
    store
        .insert(new.clone(), Opening { replaces: vec![old.id, unknown], ..Opening::default() })
        .await
        .expect("insert");
    assert_eq!(state(store, &old, 200).await, Some(State::Revoked(Reason::Replaced)), "the session replaced");
    assert_eq!(state(store, &other, 200).await, Some(State::Live), "another session");
    assert_eq!(state(store, &new, 200).await, Some(State::Live), "the new session");
}

async fn a_login_crowds_out_the_sessions_that_were_idle_the_longest(store: &impl SessionStore) {
    for number in 1..=3 {
        put(store, &session(number, "a")).await;
    }
    put(store, &Session { expires_at: 50, ..session(4, "a") }).await;
    put(store, &session(5, "b")).await;
    store.rotate(presented(&session(1, "a"), 0, 150)).await.expect("rotate");
    let opening = Opening { max_sessions: Some(2), ..Opening::default() };
    store.insert(Session { created_at: 200, ..session(6, "a") }, opening).await.expect("insert");
    let evicted = State::Revoked(Reason::Evicted);
    for (number, subject, want) in [
        (1, "a", State::Live),
        (2, "a", evicted),
        (3, "a", evicted),
        (4, "a", State::Expired),
        (5, "b", State::Live),
        (6, "a", State::Live),
    ] {
        assert_eq!(
            state(store, &session(number, subject), 200).await,
            Some(want),
            "session {number} of 2 allowed"
        );
    }
}

async fn a_login_does_not_look_at_ever_more_sessions(store: &impl SessionStore) {
    for number in 0..200 {
        let opening =
            Opening { max_sessions: Some(2), register: Some(Duration::from_secs(300)), ..Opening::default() };
        let now = 100 + u64::from(number);
        let new = Session { created_at: now, rotated_at: now, ..session(number, "a") };
        store.insert(new.clone(), opening).await.expect("insert");
        store.revoke(new.id, logout(now)).await.expect("revoke");
    }
    put(store, &session(201, "b")).await;
    let left = store.sessions_of("a".into()).await.expect("sessions_of");
    assert!(left.len() <= 10, "{} sessions that are over are kept where 2 may be alive", left.len());
    assert!(left.iter().any(|session| session.id == SessionId::from_bytes([199; 16])), "the newest is kept");
    assert_eq!(load(store, SessionId::from_bytes([0; 16])).await, None, "the oldest is forgotten");
    assert_eq!(
        store.tokens_of(SessionId::from_bytes([0; 16])).await.expect("tokens_of"),
        [],
        "with its tokens"
    );
}

async fn a_token_ends_alone_and_the_session_remembers_it(store: &impl SessionStore) {
    let session = session(1, "a");
    put(store, &session).await;
    let end = EndToken { session: session.id, token: TokenId::from_bytes([0xac; 16]), until: 400, now: 200 };
    assert!(store.end_token(end).await.expect("end_token"), "a token that was good");
    assert!(!store.end_token(end).await.expect("end_token"), "the same token again");
    let kept = load(store, session.id).await.expect("the session is there");
    assert_eq!(kept.ended, [EndedToken { id: end.token, until: 400 }], "what the session remembers");
    assert_eq!(kept.state_at(200), State::Live, "the session of an ended token");
    let nowhere = EndToken { session: SessionId::from_bytes([9; 16]), ..end };
    assert!(!store.end_token(nowhere).await.expect("end_token"), "a token of no session");
}

async fn tokens_are_recorded_in_the_tree_of_their_session(store: &impl SessionStore) {
    let (session, other) = (session(1, "a"), session(2, "a"));
    let register = Some(Duration::from_secs(300));
    let opening = Opening { register, ..Opening::default() };
    store.insert(session.clone(), opening).await.expect("insert");
    put(store, &other).await;
    let rotation = Presented { register, ..presented(&session, 0, 200) };
    store.rotate(rotation).await.expect("rotate");
    // Inside the grace window nothing new is issued.
    store.rotate(rotation).await.expect("rotate");
    let successor = rotation.successor;
    let end = EndToken { session: session.id, token: successor.access, until: 500, now: 250 };
    store.end_token(end).await.expect("end_token");
    let tokens = store.tokens_of(session.id).await.expect("tokens_of");
    let found: Vec<_> = tokens
        .iter()
        .map(|it| (it.id, it.kind, it.parent, it.issued_at, it.expires_at, it.ended_at))
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

async fn a_sliding_token_is_recorded_once_in_each_generation(store: &impl SessionStore) {
    let first = TokenId::from_bytes([1; 16]);
    let session = Session { access_id: first, ..session(1, "a") };
    let register = Some(Duration::from_secs(300));
    store.insert(session.clone(), Opening { register, ..Opening::default() }).await.expect("insert");
    let next = TokenId::from_bytes([0xee; 16]);
    let mut rotation = Presented { register, ..presented(&session, 0, 200) };
    rotation.successor.access = next;
    store.rotate(rotation).await.expect("rotate");
    let after = load(store, session.id).await.expect("the session is there");
    assert!(after.is_sliding() && after.refresh_id == next, "a session of sliding tokens stays one");
    let found: Vec<_> = store
        .tokens_of(session.id)
        .await
        .expect("tokens_of")
        .iter()
        .map(|it| (it.id, it.kind, it.parent, it.issued_at, it.expires_at, it.ended_at))
        .collect();
    assert_eq!(
        found,
        [
            (first, TokenKind::Sliding, None, 100, 1_100, Some(200)),
            (next, TokenKind::Sliding, Some(first), 200, 1_200, None),
        ],
        "one token for each generation, good for as long as it can be renewed"
    );
    let end = EndToken { session: session.id, token: next, until: 1_200, now: 250 };
    assert!(store.end_token(end).await.expect("end_token"), "a sliding token that was good");
    let ended = store.tokens_of(session.id).await.expect("tokens_of");
    assert_eq!(ended[1].ended_at, Some(250), "the record of a sliding token that was ended");
    store.sweep(1_200, 10).await.expect("sweep");
    assert_eq!(store.tokens_of(session.id).await.expect("tokens_of"), [], "they go with their session");
}

async fn an_archive_removes_what_has_expired_by_itself(store: &impl SessionStore) {
    let register = Some(Duration::from_secs(300));
    for number in 0..20 {
        let opening = Opening { register, ..Opening::default() };
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

async fn rotation_follows_the_record(store: &impl SessionStore) {
    let session = session(1, "a");
    put(store, &session).await;
    let rotate = async |generation, now| {
        let rotated = store.rotate(presented(&session, generation, now)).await.expect("rotate");
        rotated.expect("the session is there")
    };
    let (rotation, rotated) = rotate(0, 200).await;
    assert_eq!(
        (rotation, rotated.generation, rotated.expires_at),
        (Rotation::Rotated, 1, 1_200),
        "first rotation"
    );
    assert_eq!(load(store, session.id).await, Some(rotated.clone()), "the rotation is kept");
    assert_eq!(
        rotate(0, 229).await,
        (Rotation::Repeated, rotated),
        "the same successor inside the grace window"
    );
    assert_eq!(rotate(1, 230).await.0, Rotation::Rotated, "second rotation");
    assert_eq!(rotate(0, 231).await.0, Rotation::Reused, "an old token comes back");
    let revoked = State::Revoked(Reason::Reused);
    assert_eq!(state(store, &session, 232).await, Some(revoked), "reuse is kept");
    assert_eq!(rotate(2, 232).await.0, Rotation::Over(revoked), "rotation after revocation");
}

async fn nothing_happens_to_a_session_that_is_not_there(store: &impl SessionStore) {
    let ghost = session(1, "a");
    assert_eq!(store.rotate(presented(&ghost, 0, 200)).await.expect("rotate"), None, "rotate");
    assert!(!store.revoke(ghost.id, logout(200)).await.expect("revoke"), "revoke");
    assert_eq!(
        store.revoke_subject("a".into(), all(logout(200))).await.expect("revoke_subject"),
        0,
        "revoke_subject"
    );
    assert_eq!(
        store.update_user("a".into(), UserUpdate::default(), 200).await.expect("update_user"),
        0,
        "update_user"
    );
    assert_eq!(load(store, ghost.id).await, None, "no write makes a session");
}

async fn a_subject_is_revoked_as_a_whole_but_one(store: &impl SessionStore) {
    let sessions = [session(1, "a"), session(2, "a"), session(3, "a")];
    for session in &sessions {
        put(store, session).await;
    }
    assert!(store.revoke(sessions[0].id, logout(200)).await.expect("revoke"), "first revocation");
    assert!(!store.revoke(sessions[0].id, logout(201)).await.expect("revoke"), "second revocation");
    let revocation = Revocation { at: 300, reason: Reason::LogoutAll };
    let others = EndSessions { except: Some(sessions[1].id), ..all(revocation) };
    let revoked = store.revoke_subject("a".into(), others).await.expect("revoke_subject");
    assert_eq!(revoked, 1, "revoked before and excepted do not count");
    let first = load(store, sessions[0].id).await.and_then(|session| session.revoked);
    assert_eq!(first, Some(logout(200)), "the first revocation stands");
    assert_eq!(state(store, &sessions[1], 300).await, Some(State::Live), "the one excepted");
    assert_eq!(state(store, &sessions[2], 300).await, Some(State::Revoked(Reason::LogoutAll)), "the rest");
}

async fn subjects_do_not_run_into_each_other(store: &impl SessionStore) {
    let subjects = ["a", "aa", "a\0", "\0a", "a/b", "ä", "1", "10"];
    for (number, subject) in (1..).zip(subjects) {
        put(store, &session(number, subject)).await;
    }
    for subject in subjects {
        let theirs = store.sessions_of(subject.into()).await.expect("sessions_of");
        assert!(theirs.len() == 1 && theirs[0].subject == subject, "sessions of {subject:?}");
    }
    assert_eq!(
        store.revoke_subject("a".into(), all(logout(200))).await.expect("revoke_subject"),
        1,
        "only their own"
    );
}

async fn the_user_is_renewed_in_live_sessions_only(store: &impl SessionStore) {
    let (live, revoked, expired) =
        (session(1, "a"), session(2, "a"), Session { expires_at: 150, ..session(3, "a") });
    for session in [&live, &revoked, &expired] {
        put(store, session).await;
    }
    store.revoke(revoked.id, logout(150)).await.expect("revoke");
    let update = UserUpdate { roles: Vec::new(), scopes: vec!["new".into()], user: Some(b"{}".to_vec()) };
    assert_eq!(store.update_user("a".into(), update, 200).await.expect("update_user"), 1, "live sessions");
    let renewed =
        Session { roles: Vec::new(), scopes: vec!["new".into()], user: Some(b"{}".to_vec()), ..live };
    assert_eq!(load(store, renewed.id).await, Some(renewed), "only the user changes");
    let kept = load(store, expired.id).await;
    assert_eq!(kept, Some(expired), "an expired session stays as it was");
}

async fn a_sweep_removes_what_is_expired_and_nothing_else(store: &impl SessionStore) {
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

async fn of_many_rotations_at_once_one_wins<S: SessionStore>(store: Arc<S>) {
    for round in 0..20 {
        let session = session(round, "a");
        put(&*store, &session).await;
        let mut tasks = JoinSet::new();
        for number in 0..16 {
            let store = Arc::clone(&store);
            let mut presented = presented(&session, 0, 200);
            presented.successor.refresh = TokenId::from_bytes([number; 16]);
            tasks.spawn(async move {
                store.rotate(presented).await.expect("rotate").expect("the session is there")
            });
        }
        let outcomes = tasks.join_all().await;
        let winners = outcomes.iter().filter(|(rotation, _)| *rotation == Rotation::Rotated).count();
        assert_eq!(winners, 1, "rotations of one token");
        let successor = outcomes[0].1.refresh_id;
        assert!(
            outcomes.iter().all(|(_, after)| after.generation == 1 && after.refresh_id == successor),
            "one successor for all"
        );
    }
}

async fn a_revocation_is_final_whatever_races_with_it<S, F, Fut>(empty: &F)
where
    S: SessionStore,
    F: Fn() -> Fut,
    Fut: Future<Output = Arc<S>>,
{
    let store = empty().await;
    for round in 0..20 {
        let session = session(round, "a");
        put(&*store, &session).await;
        let mut tasks = JoinSet::new();
        for number in 0..8 {
            let store = Arc::clone(&store);
            let id = session.id;
            let presented = presented(&session, 0, 200);
            tasks.spawn(async move {
                match number {
                    4 => drop(store.revoke(id, logout(200)).await.expect("revoke")),
                    5 => drop(
                        store.update_user("a".into(), UserUpdate::default(), 200).await.expect("update_user"),
                    ),
                    _ => drop(store.rotate(presented).await.expect("rotate")),
                }
            });
        }
        tasks.join_all().await;
        assert_eq!(
            state(&*store, &session, 200).await,
            Some(State::Revoked(Reason::Logout)),
            "revoked after the race"
        );
    }
}
