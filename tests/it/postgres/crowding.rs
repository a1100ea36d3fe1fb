//! Nodes that stand still with a lock, and attempts of strangers that wait for one: what they take from everybody
//! else.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use jwtauth::store::{Counter, CounterKey, CounterKind, CounterRule, CounterStore as _};
use jwtauth::{AccountsConfig, JwtAuthBuilder};
use tests::app::{START, TestApp};
use tests::bounded;
use tests::postgres;
use tests::tab::Tab;
use tokio::task::JoinSet;

use super::{TwoNodes, client, open};

/// a node that was paused, or vanished, between a look at a row and the commit. The others go on, and do what it
/// has begun.
#[test]
fn r_21_a_node_that_stands_still_gives_its_locks_back() {
    bounded(async {
        let Some(nodes) = TwoNodes::start(|builder| builder).await else { return };
        let pair = nodes.tabs[1].login("ann").await;
        let key = CounterKey::new(CounterKind::Address, [7; CounterKey::NAME]);
        let count = |found: &[Option<Counter>]| {
            let before = found[0].as_ref().map_or(0, |counter| counter.bytes[0]);
            vec![Some(Counter::new(START + 999, vec![before + 1]))]
        };
        let (locked, is_locked) = mpsc::channel();
        let (wake, sleeps) = mpsc::channel::<()>();
        let sleeps = Mutex::new(sleeps);
        let still: CounterRule = Arc::new(move |found: &[Option<Counter>]| {
            let _ = locked.send(());
            // Until somebody wakes it, and never again.
            let _ = sleeps.lock().unwrap().recv();
            count(found)
        });
        let first = nodes.stores[0].clone();
        let paused = tokio::spawn(async move { first.change_counters(vec![key], START, still).await });
        tokio::task::spawn_blocking(move || is_locked.recv().unwrap()).await.unwrap();
        let since = Instant::now();
        let mut others = JoinSet::new();
        for _ in 0..24 {
            let store = nodes.stores[1].clone();
            others.spawn(async move { store.change_counters(vec![key], START, Arc::new(count)).await });
        }
        while let Some(done) = others.join_next().await {
            done.unwrap().unwrap();
            assert_eq!(nodes.tabs[1].get("/me", &pair.cookies()).await.status, 200);
        }
        assert!(since.elapsed() < Duration::from_secs(20), "{:?}", since.elapsed());
        drop(wake);
        // What it had begun was undone, and is done anew if somebody still waits for it.
        drop(paused.await.unwrap());
        let look: CounterRule = Arc::new(|found: &[Option<Counter>]| found.to_vec());
        let found = nodes.stores[1].change_counters(vec![key], START, look).await.unwrap();
        let counted = found[0].as_ref().unwrap().bytes[0];
        assert!((24..=25).contains(&counted), "{counted}");
    });
}

/// all of them wait for one row, which somebody else has. Who is logged in needs none of it.
#[test]
fn r_21_attempts_that_wait_leave_connections_for_guarded_requests() {
    let Some(server) = postgres::shared() else { return };
    bounded(async {
        let schema = server.schema();
        let store = open(&server.config().schema(&schema).pool_size(8)).await;
        let set = |builder: JwtAuthBuilder| builder.accounts(AccountsConfig::default());
        let app = TestApp::with(store, set);
        let tab = Tab::new(&app);
        let pair = tab.login("bob").await;
        let mut other = client(&server).await;
        let hold = other.transaction().await.unwrap();
        hold.batch_execute(&format!("LOCK TABLE \"{schema}\".counters")).await.unwrap();
        let mut attempts = JoinSet::new();
        for number in 0..64_u8 {
            let accounts = app.jwtauth.accounts().unwrap().clone();
            let from = Some(IpAddr::from([192, 0, 2, number % 2]));
            attempts.spawn(async move { accounts.verify("ann", "not her password", from).await.is_ok() });
        }
        let watch = client(&server).await;
        let waiting = "SELECT count(*) FROM pg_stat_activity
                       WHERE wait_event_type = 'Lock' AND position($1 IN query) > 0";
        while watch.query_one(waiting, &[&schema]).await.unwrap().get::<_, i64>(0) < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        for number in 0..20 {
            let since = Instant::now();
            let status = tab.get("/me", &pair.cookies()).await.status;
            assert_eq!(status, 200, "request {number}");
            assert!(since.elapsed() < Duration::from_secs(2), "request {number}: {:?}", since.elapsed());
        }
        hold.rollback().await.unwrap();
        assert!(attempts.join_all().await.into_iter().all(|is_in| !is_in));
        assert_eq!(tab.get("/me", &pair.cookies()).await.status, 200);
    });
}
