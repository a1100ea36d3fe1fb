//! Sweeps of many sessions: nobody who logs in waits for them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use jwtauth::store::codec::encode_session;
use jwtauth::{SessionId, StorageConfig, testing};
use tests::app::{START, TestApp};
use tests::bounded_by;
use tests::postgres::Postgres;
use tests::tab::Tab;
use tokio::task::JoinSet;
use tokio_postgres::Client;

use super::{client, open};

/// How many sessions have expired. `JWTAUTH_TEST_SESSIONS` says another number.
const SESSIONS: u64 = 10_000;

/// How many people log in all the time.
const PEOPLE: usize = 4;

/// An odd number, so that no two ids are the same.
const SCATTER: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;

/// How long a login may take beside a sweep, on a machine that does other things too.
const BOUND: Duration = Duration::from_secs(2);

/// Fills the tables with sessions that have expired, as their logins would have.
async fn fill(owner: &Client, sessions: u64) {
    let sql = "INSERT INTO jwtauth.sessions (id, subject, expires_at, record)
               SELECT id, subject, expires_at, record FROM UNNEST($1::bytea[], $2::bytea[], $3::bigint[], $4::bytea[])
               AS s (id, subject, expires_at, record)";
    let all: Vec<u64> = (0..sessions).collect();
    for some in all.chunks(5_000) {
        let (mut ids, mut subjects, mut ends, mut records) = (vec![], vec![], vec![], vec![]);
        for number in some {
            // In no order, as real ones.
            let id = SessionId::from_bytes(u128::from(*number).wrapping_mul(SCATTER).to_be_bytes());
            let mut session = testing::session(1, &format!("user {}", number / 3));
            session.id = id;
            let key = [b"s", &id.as_bytes()[..]].concat();
            records.push(encode_session(&key, &session).unwrap());
            ids.push(id.as_bytes().to_vec());
            subjects.push(session.subject.as_bytes().to_vec());
            ends.push(i64::try_from(session.expires_at).unwrap());
        }
        assert_eq!(owner.execute(sql, &[&ids, &subjects, &ends, &records]).await.unwrap(), some.len() as u64);
    }
    let rest = "INSERT INTO jwtauth.subjects SELECT DISTINCT subject FROM jwtauth.sessions; ANALYZE";
    owner.batch_execute(rest).await.unwrap();
}

/// Logs people in until it is enough. Returns how long each login took, the shortest first.
async fn logins(tab: &Arc<Tab>, enough: &Arc<AtomicBool>) -> JoinSet<Vec<Duration>> {
    let mut people = JoinSet::new();
    enough.store(false, Ordering::Relaxed);
    for person in 0..PEOPLE {
        let (tab, enough) = (Arc::clone(tab), Arc::clone(enough));
        people.spawn(async move {
            let mut took = Vec::new();
            for number in 0.. {
                if enough.load(Ordering::Relaxed) {
                    break;
                }
                let since = Instant::now();
                tab.login(&format!("person {person} {number}")).await;
                took.push(since.elapsed());
            }
            took
        });
    }
    people
}

/// Returns the median, the 99th of a hundred, and the longest.
async fn times(enough: &AtomicBool, people: JoinSet<Vec<Duration>>) -> [Duration; 3] {
    enough.store(true, Ordering::Relaxed);
    let mut all = people.join_all().await.concat();
    all.sort();
    assert!(all.len() > PEOPLE, "they logged in");
    [all[all.len() / 2], all[all.len() * 99 / 100], all[all.len() - 1]]
}

/// S-13: expired sessions go in batches, and logins go on meanwhile.
#[test]
fn s_13_a_sweep_of_many_sessions_holds_up_no_login() {
    // One that waits for the disk.
    let Some(server) = Postgres::start(&[]) else { return };
    let sessions = std::env::var("JWTAUTH_TEST_SESSIONS").map_or(SESSIONS, |number| number.parse().unwrap());
    bounded_by(Duration::from_secs(120 + sessions / 100), async {
        let config = server.config().schema("jwtauth");
        // By nobody but this test.
        let storage = StorageConfig::default().sweep_interval(Duration::from_secs(24 * 60 * 60));
        let app = |store| TestApp::with(store, |builder| builder.storage(storage.clone()));
        let sweeper = app(open(&config).await);
        let tab = Arc::new(Tab::new(&app(open(&config).await)));
        let owner = client(&server).await;
        fill(&owner, sessions).await;
        let enough = Arc::default();
        let people = logins(&tab, &enough).await;
        tokio::time::sleep(Duration::from_secs(3)).await;
        let alone = times(&enough, people).await;
        let people = logins(&tab, &enough).await;
        let since = Instant::now();
        let swept = sweeper.jwtauth.sessions().sweep().await.unwrap();
        let took = since.elapsed();
        let beside = times(&enough, people).await;
        println!(
            "{swept} sessions swept in {took:?}; logins (median, 99 %, longest): alone {alone:?}, beside it {beside:?}"
        );
        assert_eq!(swept as u64, sessions);
        assert!(beside[1] < BOUND, "{beside:?}");
        let left = "SELECT count(*) FROM jwtauth.sessions WHERE expires_at < $1";
        assert_eq!(owner.query_one(left, &[&(START as i64)]).await.unwrap().get::<_, i64>(0), 0);
        let left = "SELECT count(*) FROM jwtauth.subjects WHERE convert_from(subject, 'UTF8') LIKE 'user %'";
        assert_eq!(owner.query_one(left, &[]).await.unwrap().get::<_, i64>(0), 0, "nor their subjects");
    });
}
