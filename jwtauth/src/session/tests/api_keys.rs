//! API keys: how long what is known of them is kept, and what is not removed with them.

use super::shared_store::SharedStore;
use super::*;
use crate::config::ApiKeyRules;
use crate::session::{ApiKeyRequest, CompanionToken};
use crate::user::Identity;

fn setup() -> Setup {
    let mut setup = Setup::new();
    setup.config.api_keys = Some(ApiKeyRules::default());
    setup
}

/// `Debug` ends up in logs.
#[tokio::test]
async fn debug_of_a_new_key_shows_its_session_and_not_the_key() {
    let key = setup().in_memory().0.create_api_key(&alice(), ApiKeyRequest::new("of Alice")).await.unwrap();
    let shown = format!("{key:?}");
    assert!(shown.starts_with("IssuedApiKey { session: Session {"), "{shown}");
    let own_part = key.secret().rsplit('_').next().unwrap();
    for secret in [key.secret(), own_part, "alice", "of Alice"] {
        assert!(!shown.contains(secret), "{secret}: {shown}");
    }
}

/// The settings of the last server with API keys are there for programs that run without one, for 100 years.
#[tokio::test]
async fn the_rules_of_api_keys_are_kept_for_a_hundred_years() {
    let store = Arc::new(MemoryStore::new());
    let (sessions, _) = setup().over(Arc::clone(&store) as _);
    sessions.keep_api_key_rules().await.unwrap();
    let at = async |now| kept_api_key_rules(Arc::clone(&store) as _, now).await.unwrap().is_some();
    let over = START + 100 * 366 * 86_400;
    assert!(at(START).await && at(over - 1).await);
    assert!(!at(over).await);
}

/// K-6: a key is looked up again when the application is to be asked for its owner. Where nobody can be
/// asked, it is looked up when its record has changed.
#[tokio::test]
async fn k_6_a_key_is_known_until_its_owner_is_to_be_asked_for() {
    for is_asked in [false, true] {
        let mut setup = setup();
        setup.config.access_ttl = 10 * SECOND;
        if is_asked {
            setup.hooks.before_refresh(|_| true, |_: Identity| async { Ok(Some(alice())) });
        }
        let (sessions, clock) = setup.in_memory();
        let key = sessions.create_api_key(&alice(), ApiKeyRequest::new("ci")).await.unwrap();
        // The first use is noted, and not remembered.
        for _ in 0..2 {
            sessions.check_api_key(key.session().id, key.secret()).await.unwrap();
        }
        let is_known = || sessions.known_caller(key.secret().as_bytes(), CompanionToken::Any).is_some();
        clock.advance(9 * SECOND);
        assert!(is_known());
        clock.advance(SECOND);
        assert_eq!(is_known(), !is_asked);
    }
}

/// N-8: of a store that others use too, a new key removes no older one that has expired only by a clock that
/// may be ahead.
#[tokio::test]
async fn n_8_a_clock_that_is_ahead_removes_no_api_key_of_others() {
    let store = Arc::new(SharedStore::new());
    let mut setup = setup();
    setup.config.api_keys = Some(ApiKeyRules { max_keys: 1, ..ApiKeyRules::default() });
    let (sessions, clock) = setup.over(Arc::clone(&store) as _);
    let mut keys = Vec::new();
    for number in 0..3 {
        clock.set(START + number * 100);
        let request = ApiKeyRequest::new("ci").ttl(60 * SECOND);
        keys.push(sessions.create_api_key(&alice(), request).await.unwrap().session().id);
    }
    for id in keys {
        assert!(store.load(id).await.unwrap().is_some(), "it is good when the clock is right");
    }
}

/// A form that is sent again makes no second key, for a week.
#[cfg(feature = "pages")]
#[tokio::test]
async fn a_form_makes_one_key_in_a_week() {
    let (sessions, clock) = setup().in_memory();
    let form = || ApiKeyRequest::new("ci").of_form("the same form".into());
    let sent = async || sessions.create_api_key(&alice(), form()).await;
    let _ = sent().await.unwrap();
    clock.advance(Duration::from_secs(7 * 24 * 60 * 60 - 1));
    assert!(matches!(sent().await, Err(crate::error::ApiKeyError::FormSent)));
    clock.advance(SECOND);
    let _ = sent().await.unwrap();
}
