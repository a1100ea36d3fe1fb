//! The rules of sessions that stand for tokens of another service: what was ended stays ended.

use std::future::Future;
use std::sync::Arc;

use tokio::task::JoinSet;

use super::{all, load, logout, presented, put, session, state};
use crate::id::SessionId;
use crate::record::{RevocationReason, Session, SessionState};
use crate::store::{LoginEffects, NotBefore, SessionStore, SubjectRevocation};

pub(super) async fn run<S, F, Fut>(empty: F)
where
    S: SessionStore,
    F: Fn() -> Fut,
    Fut: Future<Output = S>,
{
    a_token_opens_one_session(&empty().await).await;
    an_adopted_session_counts_among_the_others(&empty().await).await;
    tokens_that_were_ended_unseen_open_none(&empty().await).await;
    what_is_refused_is_forgotten_in_time(&empty().await).await;
    no_ended_token_is_new_again_however_many_there_are(&empty().await).await;
    an_end_is_final_whatever_is_adopted_at_the_same_time(Arc::new(empty().await)).await;
}

/// The session of a token that was issued at 100 s and expires at 1,100 s.
fn adopted(number: u8) -> Session {
    Session { adopted: true, ..session(number, "a") }
}

async fn adopt(store: &impl SessionStore, session: &Session, now: u64) -> Option<Session> {
    let opening = LoginEffects { max_sessions: Some(32), ..LoginEffects::default() };
    store.adopt(session.clone(), opening, now).await.expect("adopt").map(Arc::unwrap_or_clone)
}

/// Ends all sessions of the subject `a`, and refuses tokens that were issued up to `at`.
fn refusing(at: u64, until: u64) -> SubjectRevocation {
    SubjectRevocation { not_before: Some(NotBefore { at, until }), ..all(logout(200)) }
}

async fn a_token_opens_one_session(store: &impl SessionStore) {
    let new = adopted(1);
    assert_eq!(adopt(store, &new, 200).await, Some(new.clone()), "a token that is new");
    assert_eq!(load(store, new.id).await, Some(new.clone()), "it is kept");
    let listed = store.sessions_of("a".into()).await.expect("sessions_of");
    assert_eq!(listed, std::slice::from_ref(&new), "and listed");
    let again = Session { access_id: crate::TokenId::from_bytes([7; 16]), ..new.clone() };
    assert_eq!(adopt(store, &again, 201).await, Some(new.clone()), "the first draft stands");
    store.rotate(presented(&new, 0, 300)).await.expect("rotate");
    let rotated = load(store, new.id).await;
    assert_eq!(adopt(store, &new, 301).await, rotated, "after a rotation");
    assert_eq!(rotated.map(|session| session.generation), Some(1), "it was rotated");
    store.revoke(new.id, logout(400)).await.expect("revoke");
    let known = adopt(store, &new, 401).await;
    assert_eq!(known.and_then(|session| session.revoked), Some(logout(400)), "what was ended stays ended");
    let own = session(2, "a");
    put(store, &own).await;
    assert_eq!(
        adopt(store, &Session { adopted: true, ..own.clone() }, 200).await,
        Some(own),
        "never replaced"
    );
}

async fn an_adopted_session_counts_among_the_others(store: &impl SessionStore) {
    let opening = LoginEffects { max_sessions: Some(2), ..LoginEffects::default() };
    for number in 1..=3 {
        let rotated_at = 100 + u64::from(number);
        let new = Session { rotated_at, ..adopted(number) };
        store.adopt(new, opening.clone(), 200).await.expect("adopt");
    }
    let evicted = SessionState::Revoked(RevocationReason::Evicted);
    for (number, want) in [(1, evicted), (2, SessionState::Live), (3, SessionState::Live)] {
        assert_eq!(state(store, &adopted(number), 200).await, Some(want), "session {number} of 2 allowed");
    }
    let over = Session { revoked: Some(logout(200)), ..adopted(4) };
    store.adopt(over, opening, 200).await.expect("adopt");
    assert_eq!(
        state(store, &adopted(2), 200).await,
        Some(SessionState::Live),
        "one that is over needs no room"
    );
}

async fn tokens_that_were_ended_unseen_open_none(store: &impl SessionStore) {
    let (seen, other) = (adopted(1), Session { subject: "b".into(), ..adopted(2) });
    adopt(store, &seen, 150).await;
    let ended = store.revoke_subject("a".into(), refusing(200, 5_000)).await.expect("revoke_subject");
    assert_eq!(ended, 1, "the session that there was");
    let issued = |number, created_at| Session { created_at, ..adopted(number) };
    for (created_at, opens) in [(100, false), (200, false), (201, true)] {
        let new = issued(created_at as u8, created_at);
        let found = adopt(store, &new, 300).await;
        assert_eq!(found.is_some(), opens, "a token that was issued at {created_at}");
        assert_eq!(load(store, new.id).await.is_some(), opens, "issued at {created_at}: what is kept");
    }
    assert!(adopt(store, &other, 300).await.is_some(), "another subject");
    let known = adopt(store, &seen, 300).await.and_then(|session| session.revoked);
    assert_eq!(known, Some(logout(200)), "one that was seen is known");
    store.revoke_subject("a".into(), refusing(150, 6_000)).await.expect("revoke_subject");
    assert_eq!(adopt(store, &issued(3, 180), 300).await, None, "an earlier instant takes nothing back");
    store.revoke_subject("a".into(), all(logout(300))).await.expect("revoke_subject");
    assert_eq!(adopt(store, &issued(4, 180), 300).await, None, "nor does an end that says nothing of it");
    // A login of our own is refused nothing.
    put(store, &session(5, "a")).await;
    assert_eq!(state(store, &session(5, "a"), 300).await, Some(SessionState::Live), "a login");
    let before = SessionId::from_bytes([6; 16]);
    let nobody = SubjectRevocation { except: Some(before), ..refusing(200, 5_000) };
    assert_eq!(
        store.revoke_subject("c".into(), nobody).await.expect("revoke_subject"),
        0,
        "no session at all"
    );
    let unseen = Session { subject: "c".into(), ..adopted(6) };
    assert_eq!(adopt(store, &unseen, 300).await, None, "a subject that had no session then");
}

async fn what_is_refused_is_forgotten_in_time(store: &impl SessionStore) {
    store.revoke_subject("a".into(), refusing(200, 1_000)).await.expect("revoke_subject");
    store.sweep(999, 10).await.expect("sweep");
    assert_eq!(adopt(store, &adopted(1), 999).await, None, "a token that may still be good");
    store.sweep(1_000, 10).await.expect("sweep");
    assert!(adopt(store, &adopted(1), 1_000).await.is_some(), "none of them can be good any more");
    // What was forgotten says nothing of a token that is good for longer.
    store.revoke_subject("b".into(), refusing(200, 500)).await.expect("revoke_subject");
    let ended = Session { subject: "b".into(), revoked: Some(logout(300)), ..adopted(2) };
    assert_eq!(adopt(store, &ended, 300).await, Some(ended.clone()), "one that is ended while it is refused");
    let known = adopt(store, &Session { revoked: None, ..ended.clone() }, 500).await;
    assert_eq!(known, Some(ended), "is remembered when it would not be refused any more");
}

async fn no_ended_token_is_new_again_however_many_there_are(store: &impl SessionStore) {
    let numbered = |number: u16| Session {
        id: SessionId::from_bytes([number.to_be_bytes(); 8].concat().try_into().expect("16 bytes")),
        created_at: 100 + u64::from(number),
        ..adopted(0)
    };
    let live = Session { rotated_at: 900, ..numbered(5_000) };
    adopt(store, &live, 200).await;
    for number in 0..400 {
        let new = numbered(number);
        assert!(adopt(store, &new, 800).await.is_some(), "token {number} is new");
        store.revoke(new.id, logout(800)).await.expect("revoke");
    }
    let kept = store.sessions_of("a".into()).await.expect("sessions_of").len();
    assert!(kept <= 300, "{kept} sessions that are over are kept, and each login looks at them");
    for number in 0..400 {
        let known = adopt(store, &numbered(number), 801).await;
        assert!(known.is_none_or(|session| session.revoked.is_some()), "token {number} is good again");
    }
    for number in 0..150 {
        // As the logins of a user at this very service, which forget others that are over.
        let opening = LoginEffects { max_sessions: Some(2), ..LoginEffects::default() };
        let new = Session { id: numbered(1_000 + number).id, created_at: 802, ..session(0, "a") };
        store.insert(new.clone(), opening).await.expect("insert");
        store.revoke(new.id, logout(802)).await.expect("revoke");
    }
    for number in 0..400 {
        let known = adopt(store, &numbered(number), 803).await;
        assert!(known.is_none_or(|session| session.revoked.is_some()), "token {number} is good after logins");
    }
    assert_eq!(state(store, &live, 803).await, Some(SessionState::Live), "one that was not ended");
}

async fn an_end_is_final_whatever_is_adopted_at_the_same_time<S: SessionStore>(store: Arc<S>) {
    for round in 0..20 {
        let new = adopted(round);
        let ended = Session { revoked: Some(logout(200)), ..new.clone() };
        let mut tasks = JoinSet::new();
        for number in 0..16 {
            let (store, new, ended) = (Arc::clone(&store), new.clone(), ended.clone());
            tasks.spawn(async move {
                if number == 7 {
                    // As a logout does: known or not, it has ended after this.
                    adopt(&*store, &ended, 200).await;
                    store.revoke(ended.id, logout(200)).await.expect("revoke");
                } else {
                    adopt(&*store, &new, 200).await;
                }
            });
        }
        tasks.join_all().await;
        let ended = Some(SessionState::Revoked(RevocationReason::Logout));
        assert_eq!(state(&*store, &new, 200).await, ended, "ended after the race");
        adopt(&*store, &new, 200).await;
        assert_eq!(state(&*store, &new, 200).await, ended, "ended for good");
    }
}
