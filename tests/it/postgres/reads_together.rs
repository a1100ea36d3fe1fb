//! Requests that come at the same time: they share questions to the database, and nothing else.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jwtauth::store::{LoginEffects, Revocation, SessionStore as _};
use jwtauth::{PostgresConfig, PostgresStore, RevocationReason, SessionId, testing};
use tests::{bounded, postgres};
use tokio::task::JoinSet;

use super::open;
use super::round_trips::{ROUND_TRIP, far_away};

/// Opens sessions.
async fn sessions(store: &PostgresStore, count: u8) -> Vec<SessionId> {
    let mut ids = Vec::new();
    for number in 0..count {
        let session = testing::session(number, &format!("user {number}"));
        ids.push(session.id);
        store.insert(session, LoginEffects::default()).await.unwrap();
    }
    ids
}

/// Begins to read each of these, all at once.
fn reads(store: &PostgresStore, ids: &[SessionId]) -> JoinSet<(SessionId, Option<SessionId>)> {
    let mut reads = JoinSet::new();
    for id in ids {
        let (id, store) = (*id, store.clone());
        reads.spawn(async move {
            let found = store.load(id).await.unwrap();
            (id, found.map(|session| session.id))
        });
    }
    reads
}

/// Two connections to a database that is far away, and 160 requests: one after the other takes 80 round trips.
#[test]
fn requests_at_the_same_time_share_their_questions() {
    let Some(server) = postgres::shared() else { return };
    bounded(async {
        let schema = server.schema();
        let near = open(&server.config().schema(&schema)).await;
        let there = sessions(&near, 150).await;
        let mut ids = there.clone();
        // Some of them are not there, and some ask for the same.
        ids.extend((250..255).map(|number| testing::session(number, "nobody").id));
        ids.extend_from_within(..5);
        let url = format!("postgres://tests@127.0.0.1:{}/postgres", far_away(server.port()));
        let config = PostgresConfig::new(url).schema(&schema).pool_size(2).allow_fsync_off();
        for config in [config.clone(), config.prepared_statements(false)] {
            let far = PostgresStore::connect(config).await.unwrap();
            let mut least = Duration::MAX;
            for _ in 0..4 {
                let since = Instant::now();
                for (id, found) in reads(&far, &ids).join_all().await {
                    assert_eq!(found, there.contains(&id).then_some(id), "each gets what it has asked for");
                }
                least = least.min(since.elapsed());
            }
            println!("160 requests took {least:?}");
            assert!(
                least < ROUND_TRIP * 16,
                "160 requests took {least:?}, where a round trip takes {ROUND_TRIP:?}"
            );
        }
    });
}

/// while many ask all the time, what was revoked elsewhere is revoked for whoever asks after that.
#[test]
fn r_20_nobody_gets_the_answer_to_an_earlier_question() {
    let Some(server) = postgres::shared() else { return };
    bounded(async {
        let config = server.config().schema(server.schema()).pool_size(2);
        let (here, there) = (open(&config).await, open(&config).await);
        let ids: Arc<[_]> = sessions(&here, 200).await.into();
        let mut others = JoinSet::new();
        for start in 0..24 {
            let (store, ids) = (here.clone(), Arc::clone(&ids));
            others.spawn(async move {
                for id in ids.iter().cycle().skip(start * 8) {
                    store.load(*id).await.unwrap();
                }
            });
        }
        for id in ids.iter() {
            let revocation = Revocation { at: 200, reason: RevocationReason::Logout };
            assert!(there.revoke(*id, revocation).await.unwrap());
            let found = here.load(*id).await.unwrap().unwrap();
            assert_eq!(found.revoked, Some(revocation));
        }
        others.shutdown().await;
    });
}

/// Whoever goes in the middle takes nothing from those who wait for the same answer.
#[test]
fn those_who_go_take_no_answer_along() {
    let Some(server) = postgres::shared() else { return };
    bounded(async {
        let store = open(&server.config().schema(server.schema()).pool_size(2)).await;
        let ids = sessions(&store, 40).await;
        for round in 0..50 {
            let mut going = reads(&store, &ids[..20]);
            let staying = reads(&store, &ids);
            for _ in 0..round % 5 {
                tokio::task::yield_now().await;
            }
            going.abort_all();
            assert!(staying.join_all().await.iter().all(|(id, found)| *found == Some(*id)));
            while going.join_next().await.is_some() {}
        }
    });
}

/// A runtime that ends in the middle does not stop the reads of another one.
#[test]
fn a_runtime_that_ends_leaves_the_others_their_answers() {
    let Some(server) = postgres::shared() else { return };
    bounded(async {
        let store = open(&server.config().schema(server.schema()).pool_size(1)).await;
        let ids = sessions(&store, 40).await;
        for _ in 0..20 {
            let (there, asked) = (store.clone(), ids.clone());
            let ended = std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(async move {
                    let going = reads(&there, &asked);
                    tokio::task::yield_now().await;
                    drop(going);
                });
            });
            assert!(reads(&store, &ids).join_all().await.iter().all(|(id, found)| *found == Some(*id)));
            ended.join().unwrap();
        }
    });
}

#[test]
fn a_failure_is_told_to_everybody_who_waits() {
    let Some(server) = postgres::shared() else { return };
    bounded(async {
        let store = open(&server.config().schema(server.schema()).pool_size(2)).await;
        let ids = sessions(&store, 3).await;
        let mut failed = JoinSet::new();
        store.close();
        for number in 0..64 {
            let (store, id) = (store.clone(), ids[number % 3]);
            failed.spawn(async move { store.load(id).await.unwrap_err() });
        }
        for error in failed.join_all().await {
            let error = format!("{error:?}");
            assert!(error.contains("cannot connect to PostgreSQL") && error.contains("closed"), "{error}");
        }
    });
}
