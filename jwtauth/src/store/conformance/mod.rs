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
//! What a store keeps beside sessions is found by [`SessionStore::token_store`],
//! [`SessionStore::event_store`], [`SessionStore::counter_store`] and [`SessionStore::value_store`], and has
//! rules of its own, and so has a copy of it all ([`SessionStore::whole_store`]). Run `run_accounts` too if
//! it keeps accounts. Durability is not among the rules: what survives a crash is each store's own promise.

mod account_rules;
mod api_key_rules;
mod counter_rules;
mod page_rules;
mod pending_rules;
mod stamp_rules;
mod sweep_rules;
mod token_rules;
mod trail_rules;
mod value_rules;
mod whole_rules;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

pub use self::account_rules::run_accounts;
pub use self::counter_rules::run_counters;
use super::requests::{LoginEffects, RotationRequest, SubjectRevocation, TokenRevocation, UserUpdate};
use super::sample::session;
use super::session_store::SessionStore;
use crate::id::{SessionId, TokenId};
use crate::record::{
    Revocation, RevocationReason, RevokedToken, Rotation, RotationPolicy, Session, SessionState, Successor,
};

const POLICY: RotationPolicy = RotationPolicy::new(Duration::from_secs(30), Duration::from_secs(1_000));

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
    pending_rules::run(&empty).await;
    rotation_follows_the_record(&empty().await).await;
    a_token_is_revoked_alone_and_the_session_remembers_it(&empty().await).await;
    nothing_happens_to_a_session_that_is_not_there(&empty().await).await;
    a_subject_is_revoked_as_a_whole_but_one(&empty().await).await;
    subjects_do_not_run_into_each_other(&empty().await).await;
    the_user_is_renewed_in_all_sessions_that_were_not_revoked(&empty().await).await;
    sweep_rules::a_login_forgets_what_is_over_for_everybody(&empty().await).await;
    sweep_rules::a_sweep_removes_what_is_expired_and_nothing_else(&empty().await).await;
    of_many_rotations_at_once_one_wins(Arc::new(empty().await)).await;
    api_key_rules::an_api_key_is_a_session_without_tokens(&empty().await).await;
    api_key_rules::api_keys_that_are_over_are_forgotten(&empty().await).await;
    a_revocation_is_final_whatever_races_with_it(&|| async { Arc::new(empty().await) }).await;
    counter_rules::run(&Arc::new(empty().await)).await;
    page_rules::sessions_are_listed_in_pages(&Arc::new(empty().await)).await;
    stamp_rules::a_stamp_changes_with_its_record(&empty().await).await;
    token_rules::run(&empty).await;
    trail_rules::run(&Arc::new(empty().await)).await;
    value_rules::run(&empty).await;
    whole_rules::a_copy_has_everything(&Arc::new(empty().await)).await;
    whole_rules::a_copy_is_of_one_moment_while_the_store_changes(&Arc::new(empty().await)).await;
}

fn presented(session: &Session, generation: u64, now: u64) -> RotationRequest {
    let successor = Successor {
        refresh: TokenId::from_bytes([0xee; 16]),
        access: TokenId::from_bytes([0xef; 16]),
        address: Some([203, 0, 113, 7].into()),
        agent: Some(7),
    };
    RotationRequest::new(session.id, generation, now, POLICY, successor)
}

fn logout(at: u64) -> Revocation {
    Revocation { at, reason: RevocationReason::Logout }
}

async fn put(store: &impl SessionStore, session: &Session) {
    store.insert(session.clone(), LoginEffects::default()).await.expect("insert");
}

async fn load(store: &impl SessionStore, id: SessionId) -> Option<Session> {
    store.load(id).await.expect("load").map(Arc::unwrap_or_clone)
}

async fn state(store: &impl SessionStore, session: &Session, now: u64) -> Option<SessionState> {
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
        .insert(new.clone(), LoginEffects { replaces: vec![old.id, unknown], ..LoginEffects::default() })
        .await
        .expect("insert");
    assert_eq!(
        state(store, &old, 200).await,
        Some(SessionState::Revoked(RevocationReason::Replaced)),
        "the session replaced"
    );
    assert_eq!(state(store, &other, 200).await, Some(SessionState::Live), "another session");
    assert_eq!(state(store, &new, 200).await, Some(SessionState::Live), "the new session");
}

async fn a_login_crowds_out_the_sessions_that_were_idle_the_longest(store: &impl SessionStore) {
    for number in 1..=3 {
        put(store, &session(number, "a")).await;
    }
    put(store, &Session { expires_at: 50, ..session(4, "a") }).await;
    put(store, &session(5, "b")).await;
    store.rotate(presented(&session(1, "a"), 0, 150)).await.expect("rotate");
    let effects = LoginEffects { max_sessions: Some(2), ..LoginEffects::default() };
    store.insert(Session { created_at: 200, ..session(6, "a") }, effects).await.expect("insert");
    let evicted = SessionState::Revoked(RevocationReason::Evicted);
    for (number, subject, want) in [
        (1, "a", SessionState::Live),
        (2, "a", evicted),
        (3, "a", evicted),
        (4, "a", SessionState::Expired),
        (5, "b", SessionState::Live),
        (6, "a", SessionState::Live),
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
        let effects = LoginEffects { max_sessions: Some(2), ..LoginEffects::default() };
        let now = 100 + u64::from(number);
        let new = Session { created_at: now, rotated_at: now, ..session(number, "a") };
        store.insert(new.clone(), effects).await.expect("insert");
        store.revoke(new.id, logout(now)).await.expect("revoke");
    }
    put(store, &session(201, "b")).await;
    let left = store.sessions_of("a".into()).await.expect("sessions_of");
    assert!(left.len() <= 10, "{} sessions that are over are kept where 2 may be alive", left.len());
    assert!(left.iter().any(|session| session.id == SessionId::from_bytes([199; 16])), "the newest is kept");
    assert_eq!(load(store, SessionId::from_bytes([0; 16])).await, None, "the oldest is forgotten");
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
    assert_eq!(rotate(0, 300).await.0, Rotation::Repeated, "and after it, as long as nobody has used it");
    store.confirm(session.id, 0);
    assert_eq!(rotate(0, 300).await.0, Rotation::Repeated, "a token of another generation");
    assert_eq!(rotate(1, 300).await.0, Rotation::Rotated, "second rotation");
    store.confirm(session.id, 2);
    store.flush().await.expect("flush");
    let confirmed = load(store, session.id).await.map(|session| session.confirmed);
    assert_eq!(confirmed, Some(true), "a token of the newest generation was presented");
    assert_eq!(rotate(1, 329).await.0, Rotation::Repeated, "inside the grace window");
    assert_eq!(rotate(1, 330).await.0, Rotation::Reused, "an old token comes back");
    let revoked = SessionState::Revoked(RevocationReason::Reused);
    assert_eq!(state(store, &session, 331).await, Some(revoked), "reuse is kept");
    assert_eq!(rotate(2, 331).await.0, Rotation::Over(revoked), "rotation after revocation");
}

async fn a_token_is_revoked_alone_and_the_session_remembers_it(store: &impl SessionStore) {
    let session = session(1, "a");
    put(store, &session).await;
    let end = TokenRevocation::new(session.id, TokenId::from_bytes([0xac; 16]), 400, 200);
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

async fn nothing_happens_to_a_session_that_is_not_there(store: &impl SessionStore) {
    let ghost = session(1, "a");
    assert_eq!(store.rotate(presented(&ghost, 0, 200)).await.expect("rotate"), None, "rotate");
    assert!(!store.revoke(ghost.id, logout(200)).await.expect("revoke"), "revoke");
    assert_eq!(
        store.revoke_subject("a".into(), SubjectRevocation::all(logout(200))).await.expect("revoke_subject"),
        0,
        "revoke_subject"
    );
    assert_eq!(
        store.update_user("a".into(), UserUpdate::default()).await.expect("update_user"),
        0,
        "update_user"
    );
    store.confirm(ghost.id, 0);
    assert_eq!(load(store, ghost.id).await, None, "no write makes a session");
}

async fn a_subject_is_revoked_as_a_whole_but_one(store: &impl SessionStore) {
    let sessions = [session(1, "a"), session(2, "a"), session(3, "a")];
    for session in &sessions {
        put(store, session).await;
    }
    assert!(store.revoke(sessions[0].id, logout(200)).await.expect("revoke"), "first revocation");
    assert!(!store.revoke(sessions[0].id, logout(201)).await.expect("revoke"), "second revocation");
    let revocation = Revocation { at: 300, reason: RevocationReason::LogoutAll };
    let others = SubjectRevocation::all_except(sessions[1].id, revocation);
    let revoked = store.revoke_subject("a".into(), others).await.expect("revoke_subject");
    assert_eq!(revoked, 1, "revoked before and excepted do not count");
    let first = load(store, sessions[0].id).await.and_then(|session| session.revoked);
    assert_eq!(first, Some(logout(200)), "the first revocation stands");
    assert_eq!(state(store, &sessions[1], 300).await, Some(SessionState::Live), "the one excepted");
    assert_eq!(
        state(store, &sessions[2], 300).await,
        Some(SessionState::Revoked(RevocationReason::LogoutAll)),
        "the rest"
    );
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
        store.revoke_subject("a".into(), SubjectRevocation::all(logout(200))).await.expect("revoke_subject"),
        1,
        "only their own"
    );
}

async fn the_user_is_renewed_in_all_sessions_that_were_not_revoked(store: &impl SessionStore) {
    let (live, revoked, expired) =
        (session(1, "a"), session(2, "a"), Session { expires_at: 150, ..session(3, "a") });
    let other = Session { user_kind: Some("Other".into()), ..session(4, "a") };
    for session in [&live, &revoked, &expired, &other] {
        put(store, session).await;
    }
    store.revoke(revoked.id, logout(150)).await.expect("revoke");
    let (scopes, user, user_kind) = (vec!["new".to_owned()], Some(b"{}".to_vec()), Some("User".to_owned()));
    let update = UserUpdate { roles: Vec::new(), scopes, user, user_kind };
    let renewed = Session {
        roles: Vec::new(),
        scopes: update.scopes.clone(),
        user: update.user.clone(),
        user_kind: update.user_kind.clone(),
        access_issued_at: 0,
        ..live
    };
    assert_eq!(store.update_user("a".into(), update).await.expect("update_user"), 3, "sessions");
    assert_eq!(load(store, renewed.id).await.as_ref(), Some(&renewed), "only the user changes");
    let kept = load(store, expired.id).await;
    let changed = Session {
        id: expired.id,
        expires_at: expired.expires_at,
        refresh_id: expired.refresh_id,
        access_id: expired.access_id,
        ..renewed.clone()
    };
    assert_eq!(kept, Some(changed), "an expired session may be live for another process");
    let kept = load(store, revoked.id).await.expect("it is there");
    assert_eq!((&kept.scopes, &kept.user), (&revoked.scopes, &revoked.user), "a revoked one stays as it was");
    let kept = load(store, other.id).await.expect("it is there");
    assert_eq!((&kept.roles, &kept.scopes), (&renewed.roles, &renewed.scopes), "roles belong to the subject");
    let copy = |session: &Session| (session.user.clone(), session.user_kind.clone());
    assert_eq!(copy(&kept), copy(&other), "a copy of another kind of user stays as it was");
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
            let (presented, update) = (presented(&session, 0, 200), UserUpdate::default());
            tasks.spawn(async move {
                match number {
                    4 => drop(store.revoke(id, logout(200)).await.expect("revoke")),
                    5 => drop(store.update_user("a".into(), update).await.expect("update_user")),
                    _ => drop(store.rotate(presented).await.expect("rotate")),
                }
            });
        }
        tasks.join_all().await;
        assert_eq!(
            state(&*store, &session, 200).await,
            Some(SessionState::Revoked(RevocationReason::Logout)),
            "revoked after the race"
        );
    }
}
