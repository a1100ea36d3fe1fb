//! Several hosts of which one says nothing, tables that somebody has locked, and poolers that lose statements.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use jwtauth::{PostgresConfig, PostgresStore, StorageConfig};
use tests::app::TestApp;
use tests::bounded_by;
use tests::pooler::Pooler;
use tests::postgres::Postgres;
use tests::tab::Tab;

use super::{client, open};

/// a host that takes connections and never says a word, as a frozen machine does, costs a part of the time.
#[test]
fn r_5_a_host_that_says_nothing_is_left_for_the_next_one() {
    let Some(server) = Postgres::start(&[]) else { return };
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let (hole, port) = (silent.local_addr().unwrap().port(), server.port());
    bounded_by(Duration::from_secs(60), async {
        let schema = server.schema();
        let url = format!("postgres://tests@127.0.0.1:{hole},127.0.0.1:{port}/postgres");
        let config =
            PostgresConfig::new(&url).schema(&schema).allow_fsync_off().timeout(Duration::from_secs(8));
        let store = PostgresStore::connect(config).await.unwrap();
        let app = TestApp::with(store, |builder| {
            builder.storage(StorageConfig::default().timeout(Duration::from_secs(10)))
        });
        let tab = Tab::new(&app);
        let pair = tab.login("alice").await;
        // The one that lets in is asked first from now on, also after its connections were lost.
        server.stop();
        server.start_again();
        let since = Instant::now();
        assert_eq!(tab.get("/me", &pair.cookies()).await.status, 200);
        assert!(since.elapsed() < Duration::from_secs(4), "{:?}", since.elapsed());

        // Alone, it is named.
        let url = format!("postgres://tests:pa55word@127.0.0.1:{hole}/postgres");
        let alone = PostgresConfig::new(&url).timeout(Duration::from_secs(1));
        let shown = format!("{:?}", PostgresStore::connect(alone).await.unwrap_err());
        let said = format!("no answer from postgres://127.0.0.1:{hole}/postgres");
        assert!(shown.contains(&said) && shown.contains("within 1s"), "{shown}");
        assert!(!shown.contains("pa55word"), "{shown}");
        // What the URL says of the time counts.
        let url = format!("postgres://tests@127.0.0.1:{hole},127.0.0.1:{port}/postgres?connect_timeout=1");
        let config =
            PostgresConfig::new(&url).schema(&schema).allow_fsync_off().timeout(Duration::from_secs(30));
        let since = Instant::now();
        drop(PostgresStore::connect(config).await.unwrap());
        assert!(since.elapsed() < Duration::from_secs(10), "{:?}", since.elapsed());
    });
}

/// While a table is locked, as by `VACUUM FULL`, requests are 503, and the server keeps no connection of those
/// that nobody waits for any more.
#[test]
fn a_locked_table_takes_no_more_connections_than_there_may_be() {
    let Some(server) = Postgres::start(&[]) else { return };
    bounded_by(Duration::from_secs(120), async {
        let schema = server.schema();
        let config = server.config().schema(&schema).pool_size(4).timeout(Duration::from_millis(500));
        let store = PostgresStore::connect(config).await.unwrap();
        let app = TestApp::with(store, |builder| {
            builder.storage(StorageConfig::default().timeout(Duration::from_secs(1)))
        });
        let tab = Tab::new(&app);
        let pair = tab.login("alice").await;
        let operator = client(&server).await;
        operator
            .batch_execute(&format!("BEGIN; LOCK TABLE \"{schema}\".sessions IN ACCESS EXCLUSIVE MODE"))
            .await
            .unwrap();
        let watcher = client(&server).await;
        // Without these two.
        let question = "SELECT count(*) - 2 FROM pg_stat_activity WHERE backend_type = 'client backend'";
        let count = async || -> i64 { watcher.query_one(question, &[]).await.unwrap().get(0) };
        assert!(count().await > 0, "that of the login is seen");
        let (mut most, cookies) = (0, pair.cookies());
        for _ in 0..10 {
            let asked = (0..6).map(|_| tab.get("/me", &cookies));
            for answer in futures_util::future::join_all(asked).await {
                assert_eq!(answer.status, 503);
            }
            most = most.max(count().await);
        }
        // Those of the last round may still be there while they are cancelled.
        assert!(most <= 8, "{most} connections");
        operator.batch_execute("ROLLBACK").await.unwrap();
        assert_eq!(tab.get("/me", &pair.cookies()).await.status, 200);
        assert_eq!(tab.post("/logout", &pair.cookies()).await.status, 200);
    });
}

/// a commit that waits for a standby is not given up on the server: others would see what may be lost with the
/// primary, and be told that it holds.
#[test]
fn r_5_a_commit_that_waits_for_its_standby_is_seen_by_nobody() {
    let Some(server) = Postgres::start(&[]) else { return };
    bounded_by(Duration::from_secs(200), async {
        let config = server.config().timeout(Duration::from_millis(500));
        let app = TestApp::with(open(&config).await, |builder| {
            builder.storage(StorageConfig::default().timeout(Duration::from_secs(1)))
        });
        let tab = Tab::new(&app);
        let pair = tab.login("alice").await;
        let operator = client(&server).await;
        let standbys = async |names: &str| {
            operator
                .batch_execute(&format!("ALTER SYSTEM SET synchronous_standby_names = '{names}'"))
                .await
                .unwrap();
            operator.batch_execute("SELECT pg_reload_conf()").await.unwrap();
            let shown = async || -> String {
                operator.query_one("SHOW synchronous_standby_names", &[]).await.unwrap().get(0)
            };
            while shown().await != names {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        // Time for all servers to read it: each does so before its next statement.
        standbys("nobody").await;
        for _ in 0..2 {
            assert_eq!(tab.post("/logout", &pair.cookies()).await.status, 503);
        }
        // A commit is waited for for a minute, by a task of its own, and given up then. The server waits on.
        tokio::time::sleep(Duration::from_secs(65)).await;
        assert_eq!(tab.get("/me", &pair.cookies()).await.status, 200, "it does not count yet");
        standbys("").await;
        while tab.get("/me", &pair.cookies()).await.status == 200 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(tab.get("/me", &pair.cookies()).await.status, 401);
    });
}

/// A pooler that knows no prepared statements, with the usual settings: no request fails for it.
#[test]
fn a_pooler_that_loses_statements_is_noticed() {
    let Some(server) = Postgres::start(&[]) else { return };
    let Some(pooler) = Pooler::start(&server) else { return };
    bounded_by(Duration::from_secs(60), async {
        let store = open(&PostgresConfig::new(pooler.url()).schema(server.schema()).allow_fsync_off()).await;
        let app = TestApp::with(store, |builder| builder);
        let tab = Tab::new(&app);
        let pair = tab.login("alice").await;
        let cookies = pair.cookies();
        for _ in 0..20 {
            let asked = (0..8).map(|_| tab.get("/me", &cookies));
            for answer in futures_util::future::join_all(asked).await {
                assert_eq!(answer.status, 200, "{}", answer.code());
            }
        }
        assert_eq!(tab.post("/logout", &pair.cookies()).await.status, 200);
    });
}
