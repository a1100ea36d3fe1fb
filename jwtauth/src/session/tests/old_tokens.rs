//! Tokens that were replaced or revoked: what they still say, and what they do not bring about.

use super::shared_store::SharedStore;
use super::*;
use crate::id::TokenId;
use crate::session::Renewal;

async fn issued(sessions: &Sessions) -> IssuedTokens {
    sessions.open(&alice(), Device::default(), Vec::new(), Eviction::AtOnce).await.unwrap()
}

async fn rotated(sessions: &Sessions, spent: &Token) -> IssuedTokens {
    let spent = sessions.read_refresh(spent.expose()).unwrap();
    sessions.refresh_pair(spent, &Device::default()).await.unwrap()
}

#[tokio::test]
async fn tokens_of_one_session_name_the_same() {
    let (sessions, _) = Setup::new().in_memory();
    let (one, other) = (issued(&sessions).await, issued(&sessions).await);
    let access = |of: &IssuedTokens| sessions.name_access(of.access.expose()).unwrap();
    let refresh = sessions.name_refresh(one.refresh.expose()).unwrap();
    assert!(refresh.names_the_same(&access(&one)) && access(&one).names_the_same(&refresh));
    assert!(!refresh.names_the_same(&access(&other)), "another session of the same user");
}

/// N-6: only a token of the newest generation proves that the answer to the last refresh has arrived. One of
/// before, as a slow logout has it, proves nothing: whoever has lost the answer may ask again.
#[tokio::test]
async fn n_6_an_older_access_token_confirms_no_rotation() {
    let (sessions, clock) = Setup::new().in_memory();
    let first = issued(&sessions).await;
    clock.advance(SECOND);
    let second = rotated(&sessions, &first.refresh).await;
    let presented = async |access: &Token| {
        let named = sessions.name_access(access.expose()).unwrap();
        assert!(sessions.record_of(&named).await.unwrap().is_some());
    };
    presented(&first.access).await;
    clock.advance(600 * SECOND);
    let again = rotated(&sessions, &first.refresh).await;
    assert_eq!(again.refresh.expose(), second.refresh.expose());
    presented(&again.access).await;
    let spent = sessions.read_refresh(first.refresh.expose()).unwrap();
    let reused = sessions.refresh_pair(spent, &Device::default()).await;
    assert!(matches!(reused, Err(SessionError::Reused)));
}

#[tokio::test]
async fn a_token_that_was_revoked_alone_names_no_live_session() {
    let (sessions, _) = Setup::new().in_memory();
    let tokens = issued(&sessions).await;
    assert!(sessions.revoke_token(tokens.session.id, tokens.session.access_id).await.unwrap());
    let access = sessions.name_access(tokens.access.expose()).unwrap();
    let refused = sessions.live_session_of(&access).await.unwrap();
    assert!(matches!(refused, Err(SessionError::TokenRevoked)), "{refused:?}");
    let refresh = sessions.name_refresh(tokens.refresh.expose()).unwrap();
    assert!(sessions.live_session_of(&refresh).await.unwrap().is_ok());
}

/// A session remembers 64 tokens that were revoked alone, and forgets those that are over by themselves. A
/// refresh token is not, for as long as its session lives.
#[tokio::test]
async fn a_revoked_refresh_token_is_remembered_longer_than_access_tokens() {
    let (sessions, clock) = Setup::new().in_memory();
    let tokens = issued(&sessions).await;
    let id = tokens.session.id;
    assert!(sessions.revoke_token(id, tokens.session.refresh_id).await.unwrap());
    for number in 1..=63 {
        assert!(sessions.revoke_token(id, TokenId::from_bytes([number; 16])).await.unwrap());
    }
    clock.advance(300 * SECOND + Config::MAX_LEEWAY);
    assert!(sessions.revoke_token(id, TokenId::from_bytes([64; 16])).await.unwrap());
    let session = sessions.load(id).await.unwrap().unwrap();
    assert_eq!((session.revoked, session.revoked_tokens.len()), (None, 2), "there is room again");
    let spent = sessions.read_refresh(tokens.refresh.expose()).unwrap();
    assert!(sessions.refresh_pair(spent, &Device::default()).await.is_err());
}

/// A slow answer brings no old cookies back: not after a later refresh, and not after a logout.
#[tokio::test]
async fn tokens_are_current_until_the_next_refresh_or_the_end() {
    let (sessions, clock) = Setup::new().in_memory();
    let first = issued(&sessions).await;
    assert!(sessions.is_current(&first).await.unwrap());
    clock.advance(SECOND);
    let second = rotated(&sessions, &first.refresh).await;
    assert!(!sessions.is_current(&first).await.unwrap(), "its session lives");
    assert!(sessions.is_current(&second).await.unwrap());
    sessions.revoke(second.session.id).await.unwrap();
    assert!(!sessions.is_current(&second).await.unwrap(), "it is the newest");
}

/// S-8: a store that others use too is asked whether tokens are current, except right after it has made the
/// rotation that has brought them.
#[tokio::test]
async fn s_8_a_shared_store_is_asked_unless_it_has_just_said_so() {
    let store = Arc::new(SharedStore::new());
    let (sessions, clock) = Setup::new().over(Arc::clone(&store) as _);
    let is_asked = async |issued: &IssuedTokens| {
        let before = store.loads();
        assert!(sessions.is_current(issued).await.unwrap());
        store.loads() > before
    };
    let mut newest = issued(&sessions).await;
    assert!(is_asked(&newest).await, "of a login it is asked");
    // A machine that is busy may take longer than a moment.
    let mut is_trusted = false;
    for _ in 0..50 {
        clock.advance(SECOND);
        let next = rotated(&sessions, &newest.refresh).await;
        is_trusted |= !is_asked(&next).await;
        let repeated = rotated(&sessions, &newest.refresh).await;
        assert!(is_asked(&repeated).await, "another request may have been answered long ago");
        newest = next;
    }
    assert!(is_trusted);
}

/// N-28: what a refresh has brought is written again as it was. Of a login there was one request, so its
/// tokens are written again with what has changed, and stay those of the login.
#[tokio::test]
async fn n_28_tokens_are_written_again_as_they_were() {
    let mut setup = Setup::new();
    let role = Arc::new(Mutex::new("first"));
    let claimed = Arc::clone(&role);
    setup.hooks.access_claims(move |_| {
        let claims = serde_json::json!({ "plan": *claimed.lock().unwrap() });
        async move { Ok(claims) }
    });
    let (sessions, clock) = setup.in_memory();
    let again = async |of: &IssuedTokens| {
        sessions.issue_again(of.session.id, of.access.expose(), &Device::default()).await.unwrap()
    };
    let login = issued(&sessions).await;
    *role.lock().unwrap() = "second";
    let changed = again(&login).await;
    assert_ne!(changed.access.expose(), login.access.expose());
    assert_eq!(changed.session.access_id, login.session.access_id);
    clock.advance(SECOND);
    let spent = sessions.read_refresh(login.refresh.expose()).unwrap();
    let renewal = sessions.refresh_silently(None, spent, &Device::default()).await.unwrap();
    let Renewal::Issued(refreshed) = renewal else { panic!("nobody is late") };
    assert_eq!(again(&refreshed).await.access.expose(), refreshed.access.expose());
}
