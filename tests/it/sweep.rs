//! A hundred thousand sessions, swept by a clock that is moved by hand.

use std::collections::BTreeMap;
use std::time::Duration;

use jwtauth::store::{LoginEffects, SessionStore as _};
use jwtauth::{Session, SessionId, SledStore, testing};
use tests::bounded_by;
use tests::numbers::{Numbers, spread};

const SESSIONS: u64 = 100_000;
const START: u64 = 1_800_000_000;

fn session(number: u64, ttl: u64) -> Session {
    let mut session = testing::session(0, &(number % 1_000).to_string());
    session.id = SessionId::from_bytes(spread(number));
    (session.expires_at, session.absolute_expires_at) = (START + ttl, START + 1_000_000);
    session
}

/// Exactly the expired sessions go, from the records and from both indexes: what opens again is
/// counted record by record and entry by entry.
#[test]
fn exactly_the_expired_sessions_are_gone() {
    bounded_by(Duration::from_secs(240), async {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sessions");
        let store = SledStore::open(&path).await.unwrap();
        let mut numbers = Numbers::seeded(42);
        let mut expected = BTreeMap::new();
        for chunk in 0..SESSIONS / 1_000 {
            let sessions: Vec<_> =
                (0..1_000).map(|n| session(chunk * 1_000 + n, 1 + numbers.below(86_400))).collect();
            for session in &sessions {
                expected.insert(session.id, session.expires_at);
            }
            let inserts = sessions.into_iter().map(|session| store.insert(session, LoginEffects::default()));
            for inserted in futures_util::future::join_all(inserts).await {
                inserted.unwrap();
            }
        }
        for hours in [0, 6, 12, 24] {
            let now = START + hours * 3_600;
            let before = expected.len();
            expected.retain(|_, expires_at| *expires_at > now);
            let mut removed = 0;
            loop {
                let swept = store.sweep(now, 64).await.unwrap();
                assert!(swept.removed <= 64);
                removed += swept.removed;
                if !swept.more {
                    break;
                }
            }
            assert_eq!(removed, before - expected.len(), "after {hours} h");
            let mut kept = 0;
            for subject in 0..1_000 {
                for session in store.sessions_of(subject.to_string()).await.unwrap() {
                    assert_eq!(expected.get(&session.id), Some(&session.expires_at), "after {hours} h");
                    kept += 1;
                }
            }
            assert_eq!(kept, expected.len(), "after {hours} h");
        }
        assert!(expected.is_empty(), "all have expired at the end");
        drop(store);
        // Opening counts records and both indexes against each other, and refuses a difference.
        SledStore::open(&path).await.unwrap();
    });
}
