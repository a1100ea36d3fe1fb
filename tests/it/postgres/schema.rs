//! The tables: who makes them, who may use them, and what is never in them.

use std::path::Path;
use std::sync::Arc;

use jwtauth::error::{PostgresError, StoreError};
use jwtauth::store::{
    AccountStore as _, Counter, CounterKey, CounterKind, CounterRule, CounterStore as _, SessionStore as _,
    SynchronousCommit,
};
use jwtauth::{AccountsConfig, PostgresConfig, PostgresStore, SledStore, StorageConfig, testing};
use tests::bounded;
use tests::postgres::{self, Postgres};
use tokio::task::JoinSet;

use super::{TwoNodes, client, open};
use crate::operate::run;

/// Returns why no store opens.
async fn refused(config: PostgresConfig) -> PostgresError {
    match PostgresStore::connect(config).await {
        Err(StoreError::Backend(cause)) => *cause.downcast().expect("an error of this store"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn many_programs_that_start_at_once_make_the_tables_once() {
    let Some(server) = postgres::shared() else { return };
    bounded(async {
        for round in 0..5 {
            let config = server.config();
            let mut starts = JoinSet::new();
            for _ in 0..8 {
                let config = config.clone();
                starts.spawn(async move { open(&config).await });
            }
            let stores = starts.join_all().await;
            stores[0].insert(testing::session(1, "a"), Default::default()).await.unwrap();
            assert!(stores[7].load(testing::session(1, "a").id).await.unwrap().is_some(), "round {round}");
            assert!(open(&config).await.load(testing::session(1, "a").id).await.unwrap().is_some());
        }
    });
}

/// tables of a newer release are refused by name, and left as they are.
#[test]
fn r_19_tables_of_a_newer_release_are_refused() {
    let Some(server) = postgres::shared() else { return };
    bounded(async {
        let config = server.config().schema("newer");
        open(&config).await;
        let owner = client(&server).await;
        let before: i64 =
            owner.query_one("SELECT version FROM newer.schema_state", &[]).await.unwrap().get(0);
        owner.execute("UPDATE newer.schema_state SET version = 1000", &[]).await.unwrap();
        let error = refused(config.clone()).await;
        assert!(
            matches!(&error, PostgresError::NewerSchema { schema, found: 1000, .. } if schema == "newer"),
            "{error:?}"
        );
        owner.execute("UPDATE newer.schema_state SET version = $1", &[&before]).await.unwrap();
        open(&config).await;
    });
}

/// tables of each earlier release are brought up, once, by whoever starts first, and what is in them stays.
#[test]
fn r_19_tables_of_an_earlier_release_are_brought_up() {
    let Some(server) = postgres::shared() else { return };
    bounded(async {
        let config = server.config().schema("earlier");
        let session = testing::session(1, "a");
        let first = open(&config).await;
        first.insert(session.clone(), Default::default()).await.unwrap();
        first.close();
        let owner = client(&server).await;
        let version = async || -> i64 {
            owner.query_one("SELECT version FROM earlier.schema_state", &[]).await.unwrap().get(0)
        };
        let newest = version().await;
        for (earlier, added) in [(2, "counters"), (1, "counters, earlier.store_mark")] {
            let back =
                format!("DROP TABLE earlier.{added}; UPDATE earlier.schema_state SET version = {earlier}");
            owner.batch_execute(&back).await.unwrap();
            let error = refused(config.clone().makes_tables(false)).await;
            assert!(matches!(error, PostgresError::OldSchema { .. }), "{error:?}");
            let mut starts = JoinSet::new();
            for _ in 0..4 {
                let config = config.clone();
                starts.spawn(async move { open(&config).await });
            }
            for store in starts.join_all().await {
                let kept = store.load(session.id).await.unwrap();
                assert_eq!(kept.as_deref(), Some(&session), "from {earlier}");
                let rule: CounterRule = Arc::new(|_| vec![Some(Counter::new(2_000, vec![1]))]);
                let key = CounterKey::new(CounterKind::Account, [1; CounterKey::NAME]);
                store.change_counters(vec![key], 1_000, rule).await.unwrap();
                store.close();
            }
            assert_eq!(version().await, newest, "from {earlier}");
        }
    });
}

/// Who serves needs no right to make or change tables.
#[test]
fn a_role_that_may_only_read_and_write_rows_is_enough() {
    let Some(server) = postgres::shared() else { return };
    bounded(async {
        let config = server.config().schema("least");
        open(&config).await;
        let owner = client(&server).await;
        owner
            .batch_execute(
                "CREATE ROLE serving LOGIN;
                 GRANT USAGE ON SCHEMA least TO serving;
                 GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA least TO serving;
                 ALTER DEFAULT PRIVILEGES IN SCHEMA least
                     GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO serving;
                 DROP TABLE least.counters; UPDATE least.schema_state SET version = 2",
            )
            .await
            .unwrap();
        // A release that adds a table, started once by its owner.
        open(&config).await;
        let url = server.url().replace("tests@", "serving@");
        let store = open(&PostgresConfig::new(&url).schema("least").allow_fsync_off()).await;
        store.insert(testing::session(1, "a"), Default::default()).await.unwrap();
        let rule: CounterRule = Arc::new(|_| vec![Some(Counter::new(2_000, vec![1]))]);
        let key = CounterKey::new(CounterKind::Account, [1; CounterKey::NAME]);
        store.change_counters(vec![key], 1_000, rule).await.unwrap();
        store.sweep(2_000, 16).await.unwrap();
        assert_eq!(store.load(testing::session(1, "a").id).await.unwrap(), None);
        let error = refused(PostgresConfig::new(&url).schema("other").allow_fsync_off()).await;
        assert!(format!("{error:?}").contains("permission denied"), "{error:?}");
    });
}

/// what was acknowledged must survive a crash, so a server that does not promise that is refused.
#[test]
fn r_1_a_server_that_loses_what_it_has_acknowledged_is_refused() {
    let Some(server) = Postgres::start(&["fsync=off", "synchronous_commit=off"]) else { return };
    bounded(async {
        let config = PostgresConfig::new(server.url());
        let error = refused(config.clone()).await;
        assert!(matches!(error, PostgresError::Durability { setting: "fsync", .. }), "{error:?}");
        let error = refused(config.clone().allow_fsync_off()).await;
        assert!(
            matches!(error, PostgresError::Durability { setting: "synchronous_commit", .. }),
            "{error:?}"
        );
        for when in [SynchronousCommit::On, SynchronousCommit::Off] {
            open(&config.clone().allow_fsync_off().synchronous_commit(when)).await;
        }
    });
}

/// no token, no password and no secret is in any column of any table.
#[test]
fn r_3_no_token_is_ever_in_the_tables() {
    bounded(async {
        let set = |builder: jwtauth::JwtAuthBuilder| {
            builder.storage(StorageConfig::default().token_registry()).accounts(AccountsConfig::default())
        };
        let Some(nodes) = TwoNodes::start(set).await else { return };
        let accounts = nodes.apps[0].jwtauth.accounts().unwrap();
        accounts.register("carol", "a good long password").await.unwrap();
        let first = nodes.tabs[0].login("alice").await;
        let second = nodes.tabs[1].post("/refresh", &first.cookies()).await.pair();
        let mut secrets = vec!["a good long password".to_owned(), "Z8mQ1rXc0vB7nL4kT2wY6uE9pA3sD5fG".into()];
        for token in [&first.access, &first.refresh, &second.access, &second.refresh] {
            secrets.extend(token.split('.').map(str::to_owned));
        }
        let reader = client(&nodes.server).await;
        let name = nodes.schema.clone();
        let tables = reader
            .query("SELECT tablename::text FROM pg_tables WHERE schemaname = $1", &[&name])
            .await
            .unwrap();
        let mut cells = 0;
        for table in tables.iter().map(|row| row.get::<_, String>(0)) {
            for row in reader.query(&format!("SELECT * FROM \"{name}\".{table}"), &[]).await.unwrap() {
                for column in 0..row.len() {
                    let Ok(bytes) = row.try_get::<_, Vec<u8>>(column) else { continue };
                    cells += 1;
                    for secret in &secrets {
                        let found = bytes.windows(secret.len()).any(|part| part == secret.as_bytes());
                        assert!(!found, "{table}: {secret}");
                    }
                }
            }
        }
        assert!(tables.len() >= 6 && cells > 10, "{} tables, {cells} cells", tables.len());
    });
}

/// O-13: one that was killed before there are tables. A server would begin with nothing, so what is said is to do it again.
#[test]
fn o_13_a_migration_or_restore_that_was_killed_before_there_are_tables_is_done_again() {
    let Some(server) = postgres::durable() else { return };
    bounded(async {
        let folder = tempfile::tempdir().unwrap();
        let (path, backup) = (folder.path().join("old"), folder.path().join("backup"));
        let (from, backup) = (path.to_str().unwrap(), backup.to_str().unwrap());
        let account = testing::account(1, "alice");
        let store = SledStore::open(&path).await.unwrap();
        assert!(store.create_account(account.clone()).await.unwrap());
        drop(store);
        assert_eq!(run(&path, "", &["backup", backup]).code, 0);
        let (url, owner) = (server.url(), client(&server).await);
        for command in [&["restore", backup][..], &["migrate", from, &url]] {
            let schema = server.schema();
            // What it makes first.
            let state = format!(
                "CREATE SCHEMA \"{schema}\"; CREATE TABLE \"{schema}\".schema_state (
                     the_row boolean PRIMARY KEY DEFAULT true CHECK (the_row), version bigint NOT NULL,
                     latest bigint NOT NULL);
                 INSERT INTO \"{schema}\".schema_state (version, latest) VALUES (0, 0)"
            );
            owner.batch_execute(&state).await.unwrap();
            let program =
                |words: &[&str]| run(Path::new(&url), "", &[&["--schema", &schema], words].concat());
            let status = program(&["status"]);
            assert_eq!(
                (status.code, status.err.contains("was stopped, do that again")),
                (3, true),
                "{status:?}"
            );
            let done = program(command);
            assert_eq!(done.code, 0, "{done:?}");
            let store = PostgresStore::connect(PostgresConfig::new(&url).schema(&schema)).await.unwrap();
            assert_eq!(store.account(account.id).await.unwrap().as_ref(), Some(&account));
        }
    });
}
