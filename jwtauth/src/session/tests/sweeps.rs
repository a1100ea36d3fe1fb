//! The sweep: what it holds in memory, its task, and what it writes of the audit trail.

use super::*;
use crate::id::SessionId;
use crate::store::{EventStore as _, LoginEffects};

/// A sweep tells of 4 MiB of users at most at once, and not of each batch, which would cost an fsync.
#[tokio::test]
async fn expired_sessions_are_told_of_by_four_mebibytes() {
    const USER: usize = 60 * 1024;
    let store = Arc::new(MemoryStore::new());
    for number in 0..128_u128 {
        let id = SessionId::from_bytes(number.to_be_bytes());
        let user = Some(vec![b'x'; USER]);
        let session = Session { id, user, expires_at: START + 1, ..sample::session(1, "alice") };
        store.insert(session, LoginEffects::default()).await.unwrap();
    }
    let left = Arc::<Mutex<Vec<u64>>>::default();
    let (noted, kept) = (Arc::clone(&left), Arc::clone(&store));
    let mut setup = Setup::new();
    setup.hooks.on_event(move |_| {
        let (noted, kept) = (Arc::clone(&noted), Arc::clone(&kept));
        async move {
            let size = kept.size().await.unwrap().unwrap();
            noted.lock().unwrap().push(size.sessions);
        }
    });
    let (sessions, clock) = setup.over(store);
    clock.advance(SECOND);
    assert_eq!(sessions.sweep().await.unwrap(), 128);
    // Three batches of 32 have more than 4 MiB.
    assert_eq!(*left.lock().unwrap(), [vec![32; 96], vec![0; 32]].concat());
}

/// The task of a server ends with the server, though others still have its sessions.
#[tokio::test]
async fn the_sweeper_stops_when_it_is_dropped() {
    let (sessions, _) = Setup::new().in_memory();
    let sweeper = Sweeper::start(&sessions);
    settle().await;
    assert_eq!(Arc::weak_count(&sessions), 1);
    drop(sweeper);
    settle().await;
    assert_eq!(Arc::weak_count(&sessions), 0);
}

/// O-10: a sweep does not begin the minute anew, in which a user has room for so many events only.
#[tokio::test]
async fn o_10_a_sweep_gives_nobody_more_room_in_the_trail() {
    let store = Arc::new(MemoryStore::new());
    let mut setup = Setup::new();
    setup.config.storage.keep_events = Some(1_000);
    let (sessions, clock) = setup.over(Arc::clone(&store) as _);
    let kept = async || store.events_after(0, usize::MAX).await.unwrap();
    for _ in 0..3 {
        for _ in 0..8 {
            sessions.login(&alice(), Device::default()).await.unwrap();
        }
        sessions.sweep().await.unwrap();
        clock.advance(SECOND);
    }
    assert_eq!(kept().await.len(), 10);
    clock.advance(60 * SECOND);
    sessions.sweep().await.unwrap();
    let last = kept().await.pop().unwrap().event;
    assert_eq!((&*last.event, &*last.details[1].1), ("events_left_out", "14"));
}
