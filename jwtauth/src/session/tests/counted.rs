//! What the pages of admins show of this process.

use super::*;
use crate::store::LoginEffects;

/// M-24: what the last sweep has removed, and when that was.
#[tokio::test]
async fn m_24_the_last_sweep_is_known() {
    let store = Arc::new(MemoryStore::new());
    let (sessions, clock) = Setup::new().over(Arc::clone(&store) as _);
    assert_eq!(sessions.since_start().last_sweep(), None);
    for number in 1..=2 {
        let session = Session { expires_at: START + 60, ..sample::session(number, "alice") };
        store.insert(session, LoginEffects::default()).await.unwrap();
    }
    clock.advance(60 * SECOND);
    sessions.sweep().await.unwrap();
    assert_eq!(sessions.since_start().last_sweep(), Some((START + 60, 2)));
}

/// M-24: after a restart the charts go on with what the audit trail has, where one is kept.
#[tokio::test]
async fn m_24_the_charts_go_on_after_a_restart() {
    for keep_events in [None, Some(1_000)] {
        let store = Arc::new(MemoryStore::new());
        let logins = async |at: u64| {
            let mut setup = Setup { clock: ManualClock::at(at), ..Setup::new() };
            setup.config.storage.keep_events = keep_events;
            let (sessions, _) = setup.over(Arc::clone(&store) as _);
            sessions.count_from_trail().await.unwrap();
            sessions.login(&alice(), Device::default()).await.unwrap();
            assert_eq!(sessions.keeps_events(), keep_events.is_some());
            let hours = sessions.since_start().stretches(12, 2, at);
            [hours[0].count(CountedEvent::Login), hours[1].count(CountedEvent::Login)]
        };
        assert_eq!(logins(START).await[1], Some(1));
        assert_eq!(logins(START + 3_600).await, [keep_events.map(|_| 1), Some(1)]);
    }
}

/// The page of a session lists its tokens where there is a record of each.
#[tokio::test]
async fn tokens_are_listed_where_they_are_recorded() {
    for token_registry in [false, true] {
        let mut setup = Setup::new();
        setup.config.storage.token_registry = token_registry;
        let (sessions, _) = setup.in_memory();
        let session = sessions.login(&alice(), Device::default()).await.unwrap().session.id;
        assert_eq!(sessions.tokens(session).await.unwrap().is_empty(), !token_registry);
        assert_eq!(sessions.keeps_tokens(), token_registry);
    }
}

/// The task of a server ends with the server, though others still have its sessions.
#[tokio::test]
async fn the_counter_stops_when_it_is_dropped() {
    let (sessions, _) = Setup::new().in_memory();
    let counter = LiveCounter::start(&sessions);
    settle().await;
    assert_eq!(Arc::weak_count(&sessions), 1);
    drop(counter);
    settle().await;
    assert_eq!(Arc::weak_count(&sessions), 0);
}
