//! Logins that a slow database holds up: what was answered with 200 stays, what was not leaves nothing (N-2).

use std::slice;
use std::time::Duration;

use jwtauth::store::{LoginEffects, SessionPages as _, SessionStore as _};
use jwtauth::{PostgresConfig, PostgresStore, StorageConfig, testing};
use tests::app::TestApp;
use tests::bounded;
use tests::postgres::{self, Postgres};
use tests::tab::Tab;
use tokio_postgres::Client;

use super::client;

/// Opens a store that is given up before a request of its users is, or after.
async fn app(
    server: &Postgres,
    schema: &str,
    connections: usize,
    store: u64,
    request: u64,
) -> (TestApp, Tab) {
    let config = PostgresConfig::new(server.url()).schema(schema).allow_fsync_off();
    let config = config.pool_size(connections).timeout(Duration::from_millis(store));
    let timeout = StorageConfig::default().timeout(Duration::from_millis(request));
    let app =
        TestApp::with(PostgresStore::connect(config).await.unwrap(), |builder| builder.storage(timeout));
    let tab = Tab::new(&app);
    (app, tab)
}

/// The session stands, and only the end of the one before it waits. That fails later.
#[test]
fn n_2_a_login_that_was_answered_200_stays_though_the_rest_of_it_fails() {
    let Some(server) = postgres::shared() else { return };
    bounded(async {
        let schema = server.schema();
        let (_app, tab) = app(&server, &schema, 4, 4_000, 1_500).await;
        let first = tab.login("alice").await;
        let mut other = client(&server).await;
        let hold = other.transaction().await.unwrap();
        hold.execute(&format!("SELECT 1 FROM \"{schema}\".sessions FOR UPDATE"), &[]).await.unwrap();
        let second = tab.login_with("alice", &first.cookies()).await.pair();
        tokio::time::sleep(Duration::from_millis(7_000)).await;
        hold.rollback().await.unwrap();
        assert_eq!(tab.get("/me", &second.cookies()).await.status, 200);
    });
}

/// Likewise, when nothing can be read meanwhile. Then the session before it is over.
#[test]
fn n_2_a_login_that_stands_is_answered_200_though_nothing_can_be_read() {
    let Some(server) = postgres::shared() else { return };
    bounded(async {
        let schema = server.schema();
        let (app, tab) = app(&server, &schema, 1, 10_000, 2_000).await;
        let first = tab.login("alice").await;
        let mut other = client(&server).await;
        let hold = other.transaction().await.unwrap();
        hold.execute(&format!("SELECT 1 FROM \"{schema}\".sessions FOR UPDATE"), &[]).await.unwrap();
        let second = tab.login_with("alice", &first.cookies()).await.pair();
        hold.rollback().await.unwrap();
        let mut left = app.jwtauth.sessions().list("alice").await.unwrap();
        while left.len() != 1 {
            tokio::time::sleep(Duration::from_millis(20)).await;
            left = app.jwtauth.sessions().list("alice").await.unwrap();
        }
        assert_eq!(tab.get("/me", &second.cookies()).await.status, 200);
    });
}

/// It is logged out, and can log in again and log out everywhere.
#[test]
fn a_record_that_cannot_be_read_is_gone_and_keeps_nobody_out() {
    let Some(server) = postgres::shared() else { return };
    bounded(async {
        let schema = server.schema();
        let (app, tab) = app(&server, &schema, 4, 2_000, 5_000).await;
        let (lost, kept) = (tab.login("alice").await, tab.login("alice").await);
        let rows = format!("UPDATE \"{schema}\".sessions SET record = $1 WHERE id = $2");
        let id = lost.session().as_bytes().to_vec();
        assert_eq!(client(&server).await.execute(&rows, &[&vec![0_u8], &id]).await.unwrap(), 1);
        assert_eq!(tab.get("/me", &lost.cookies()).await.status, 401);
        assert_eq!(tab.get("/me", &kept.cookies()).await.status, 200);
        let again = tab.login_with("alice", &lost.cookies()).await.pair();
        assert_eq!(tab.get("/me", &again.cookies()).await.status, 200);
        assert_eq!(app.jwtauth.sessions().list("alice").await.unwrap().len(), 2);
        assert_eq!(tab.post("/logout/all", &again.cookies()).await.status, 200);
        assert_eq!(tab.get("/me", &kept.cookies()).await.status, 401);
    });
}

/// Waits until so many statements wait for a lock.
async fn until_waiting(asked: &Client, wanted: i64) {
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE $1";
    while asked.query_one(sql, &[&"%page of hidden%"]).await.unwrap().get::<_, i64>(0) < wanted {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// N-2: a session whose caller was gone is in the table until it is removed, and in no list.
#[test]
fn n_2_a_page_of_sessions_shows_none_that_nobody_has() {
    let Some(server) = postgres::shared() else { return };
    bounded(async {
        let schema = format!("{} page of hidden", server.schema());
        let store = super::open(&server.config().schema(&schema).timeout(Duration::from_secs(20))).await;
        let (hidden, shown) = (testing::session(1, "alice"), testing::session(2, "alice"));
        store.insert(shown.clone(), LoginEffects::default()).await.unwrap();
        let lock = format!("SELECT 1 FROM \"{schema}\".subjects FOR UPDATE");
        let asked = client(&server).await;
        let (mut first, mut second) = (client(&server).await, client(&server).await);
        let held = first.transaction().await.unwrap();
        held.execute(&lock, &[]).await.unwrap();
        let login = store.insert(hidden.clone(), LoginEffects::default());
        tokio::time::timeout(Duration::from_millis(300), login).await.unwrap_err();
        until_waiting(&asked, 1).await;
        // Behind the login, and before its removal: whoever waits for a table gets it before those who come later, and
        // for a row that was changed meanwhile the faster one does.
        let whole = format!("LOCK TABLE \"{schema}\".subjects IN SHARE ROW EXCLUSIVE MODE");
        let next = second.transaction().await.unwrap();
        let waits = next.execute(&whole, &[]);
        let (_, ()) = tokio::join!(async { waits.await.unwrap() }, async {
            until_waiting(&asked, 2).await;
            held.rollback().await.unwrap();
        });
        let count = async || {
            let sql = format!("SELECT count(*) FROM \"{schema}\".sessions");
            asked.query_one(&sql, &[]).await.unwrap().get::<_, i64>(0)
        };
        assert_eq!(count().await, 2);
        for limit in [1, 2, 10] {
            assert_eq!(store.sessions_after(None, limit).await.unwrap(), slice::from_ref(&shown), "{limit}");
        }
        assert_eq!(store.sessions_after(Some(hidden.id), 1).await.unwrap(), slice::from_ref(&shown));
        assert_eq!(store.sessions_of("alice".into()).await.unwrap(), slice::from_ref(&shown));
        assert_eq!(store.load(hidden.id).await.unwrap(), None);
        next.rollback().await.unwrap();
        while count().await != 1 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(store.sessions_after(None, 10).await.unwrap(), [shown]);
    });
}
