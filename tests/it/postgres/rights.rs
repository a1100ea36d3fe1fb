//! Tables that are not all there, and roles that may not do what a store does: named at the start, with what to write.

use jwtauth::error::{PostgresError, StoreError};
use jwtauth::store::{
    CounterKey, CounterKind, CounterRule, CounterStore as _, SessionStore as _, conformance,
};
use jwtauth::{PostgresConfig, PostgresStore, testing};
use tests::postgres::{self, Postgres};
use tests::{bounded, bounded_by};
use tokio_postgres::Client;

use super::{client, open};
use crate::operate::{Run, run};

/// What a store does with the rows of each table. The guide `scaling` grants more, in fewer words.
const NEEDED: [(&str, &str); 10] = [
    ("schema_state", "SELECT, UPDATE"),
    ("subjects", "SELECT, INSERT, UPDATE, DELETE"),
    ("sessions", "SELECT, INSERT, UPDATE, DELETE"),
    ("tokens", "SELECT, INSERT, UPDATE, DELETE"),
    ("kept_values", "SELECT, INSERT, UPDATE, DELETE"),
    ("accounts", "SELECT, INSERT, UPDATE, DELETE"),
    ("events", "SELECT, INSERT, DELETE"),
    ("trail_head", "SELECT, UPDATE"),
    ("store_mark", "SELECT"),
    ("counters", "SELECT, INSERT, UPDATE, DELETE"),
];

/// Returns why no store opens.
async fn refused(config: PostgresConfig) -> PostgresError {
    match PostgresStore::connect(config).await {
        Err(StoreError::Backend(cause)) => *cause.downcast().expect("an error of this store"),
        other => panic!("{other:?}"),
    }
}

/// Makes a role, once.
async fn role(owner: &Client, name: &str) {
    let sql = format!("DO $$ BEGIN CREATE ROLE {name} LOGIN; EXCEPTION WHEN duplicate_object THEN END $$");
    owner.batch_execute(&sql).await.unwrap();
}

/// Makes tables, and returns the settings of the role that is to use them. It may do nothing yet.
async fn tables_for(server: &Postgres, owner: &Client, name: &str) -> (String, PostgresConfig) {
    let schema = server.schema();
    open(&server.config().schema(&schema)).await.close();
    role(owner, name).await;
    let url = server.url().replace("tests@", &format!("{name}@"));
    (schema.clone(), PostgresConfig::new(url).schema(schema).allow_fsync_off())
}

/// Grants what is needed and no more.
async fn grant_needed(owner: &Client, schema: &str, name: &str) {
    let mut sql = format!("GRANT USAGE ON SCHEMA \"{schema}\" TO {name};");
    for (table, rights) in NEEDED {
        sql += &format!("GRANT {rights} ON \"{schema}\".{table} TO {name};");
    }
    owner.batch_execute(&sql).await.unwrap();
}

/// a start is refused, and not each login after it. What to write is in the error, and helps.
#[test]
fn r_5_a_role_that_lacks_a_right_is_refused_at_the_start() {
    let Some(server) = postgres::shared() else { return };
    bounded_by(std::time::Duration::from_secs(120), async {
        let owner = client(&server).await;
        let (schema, config) = tables_for(&server, &owner, "lacking").await;
        let heals = async |error: PostgresError, table: &str, what: &str| {
            let PostgresError::Rights { schema: of, role, refused, remedy, .. } = &error else {
                panic!("{what}: {error:?}")
            };
            assert_eq!((of, role.as_str()), (&schema, "lacking"), "{what}");
            assert!(refused.contains(table), "{what}: {error}");
            assert!(format!("{error:?}").contains("permission denied"), "{what}: {error:?}");
            let (_, sql) = remedy.split_once("write ").unwrap();
            owner.batch_execute(sql).await.unwrap();
            open(&config).await.close();
        };
        heals(refused(config.clone()).await, "schema_state", "nothing is granted").await;
        let reads =
            format!("REVOKE INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA \"{schema}\" FROM lacking",);
        owner.batch_execute(&reads).await.unwrap();
        heals(refused(config.clone()).await, "sessions", "it may only read").await;
        for (table, needed) in NEEDED {
            for right in ["SELECT", "INSERT", "UPDATE", "DELETE"] {
                let what = format!("{right} on {table}");
                owner
                    .batch_execute(&format!("REVOKE {right} ON \"{schema}\".{table} FROM lacking"))
                    .await
                    .unwrap();
                if needed.contains(right) {
                    heals(refused(config.clone()).await, table, &what).await;
                } else {
                    open(&config).await.close();
                }
            }
        }
    });
}

/// What is asked for at the start is enough for everything later.
#[test]
fn a_role_with_the_rights_that_are_asked_for_can_do_all() {
    let Some(server) = postgres::shared() else { return };
    bounded_by(std::time::Duration::from_secs(120), async {
        let store = async || {
            let owner = client(&server).await;
            let (schema, config) = tables_for(&server, &owner, "sparing").await;
            grant_needed(&owner, &schema, "sparing").await;
            open(&config).await
        };
        conformance::run(store).await;
        conformance::run_accounts(store).await;
    });
}

#[test]
fn a_role_that_may_make_no_tables_is_told_who_makes_them() {
    let Some(server) = postgres::shared() else { return };
    bounded(async {
        let owner = client(&server).await;
        let (schema, config) = tables_for(&server, &owner, "tenant").await;
        let none = refused(config.clone().schema(server.schema())).await;
        assert!(none.to_string().contains("may not make or change the tables"), "{none}");
        // Tables of the release before, which somebody else owns.
        let grant = format!(
            "GRANT USAGE ON SCHEMA \"{schema}\" TO tenant;
             GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA \"{schema}\" TO tenant;
             DROP TABLE \"{schema}\".counters; UPDATE \"{schema}\".schema_state SET version = 2"
        );
        owner.batch_execute(&grant).await.unwrap();
        let earlier = refused(config).await;
        assert!(matches!(&earlier, PostgresError::Rights { role, .. } if role == "tenant"), "{earlier:?}");
        assert!(earlier.to_string().contains("owner of the database and the tables"), "{earlier}");
    });
}

/// a dump that was restored in part, or a table that somebody has removed.
#[test]
fn r_5_tables_that_are_not_all_there_are_refused_at_the_start() {
    let Some(server) = postgres::shared() else { return };
    bounded_by(std::time::Duration::from_secs(120), async {
        let owner = client(&server).await;
        let cases = NEEDED.map(|(table, _)| (format!("DROP TABLE @{table}"), table));
        let others = [
            ("ALTER TABLE @tokens DROP COLUMN expires_at", "expires_at"),
            ("ALTER TABLE @accounts DROP CONSTRAINT accounts_key_key", "ON CONFLICT"),
            ("ALTER TABLE @sessions DROP CONSTRAINT sessions_pkey", "ON CONFLICT"),
            ("DELETE FROM @trail_head", "the row of trail_head"),
            ("DELETE FROM @store_mark", "the row of store_mark"),
            ("DELETE FROM @schema_state", "the row of schema_state"),
            ("UPDATE @schema_state SET version = 0", "already exists"),
        ];
        let others = others.map(|(sql, said)| (sql.to_owned(), said));
        for (sql, said) in cases.into_iter().chain(others) {
            let schema = server.schema();
            let config = server.config().schema(&schema);
            let store = open(&config).await;
            store.insert(testing::session(1, "a"), Default::default()).await.unwrap();
            store.close();
            owner.batch_execute(&sql.replace('@', &format!("\"{schema}\"."))).await.unwrap();
            for _ in 0..2 {
                let error = refused(config.clone()).await;
                let PostgresError::Incomplete { schema: of, missing } = &error else {
                    panic!("{sql}: {error:?}")
                };
                let of_state = sql.contains("DROP TABLE @schema_state");
                assert!(*of == schema && (missing.contains(said) || of_state), "{sql}: {error}");
            }
            // As it says.
            owner.batch_execute(&format!("DROP SCHEMA \"{schema}\" CASCADE")).await.unwrap();
            open(&config).await.close();
        }
    });
}

/// with row-level security a server hides rows in silence: whoever is logged in is nobody then, and a logout ends
/// nothing. It is refused by name, and nothing is said of rows that are missing.
#[test]
fn r_5_tables_that_hide_rows_are_refused_at_the_start() {
    let Some(server) = postgres::shared() else { return };
    bounded_by(std::time::Duration::from_secs(60), async {
        let owner = client(&server).await;
        let (schema, config) = tables_for(&server, &owner, "shadowed").await;
        grant_needed(&owner, &schema, "shadowed").await;
        open(&config).await.close();
        for (table, _) in NEEDED {
            let hide = format!("ALTER TABLE \"{schema}\".{table} ENABLE ROW LEVEL SECURITY");
            owner.batch_execute(&hide).await.unwrap();
            let error = refused(config.clone()).await;
            let PostgresError::Rights { remedy, refused, .. } = &error else { panic!("{table}: {error:?}") };
            assert!(refused.contains(table) && refused.contains("row-level security"), "{table}: {error}");
            let url = server.url().replace("tests@", "shadowed@");
            let looked = run(std::path::Path::new(&url), "", &["--schema", &schema, "doctor"]);
            assert!(looked.code != 0 && looked.err.contains("row-level security"), "{table}: {looked:?}");
            assert!(!looked.err.contains("DROP SCHEMA"), "{table}: {looked:?}");
            let (_, sql) = remedy.split_once("write ").unwrap();
            owner.batch_execute(sql.split_once(", and").unwrap().0).await.unwrap();
            open(&config).await.close();
        }
    });
}

/// A server that takes no changes now may take them later: it is no fault of a role.
#[test]
fn a_start_on_a_server_that_takes_no_changes_now_goes_on() {
    let Some(server) = Postgres::start(&[]) else { return };
    bounded(async {
        open(&PostgresConfig::new(server.url())).await.close();
        let owner = client(&server).await;
        owner.batch_execute("ALTER ROLE tests SET default_transaction_read_only = on").await.unwrap();
        let store = open(&PostgresConfig::new(server.url())).await;
        store.insert(testing::session(1, "a"), Default::default()).await.unwrap_err();
        owner.batch_execute("SET default_transaction_read_only = off").await.unwrap();
        owner.batch_execute("ALTER ROLE tests RESET default_transaction_read_only").await.unwrap();
        store.insert(testing::session(1, "a"), Default::default()).await.unwrap();
    });
}

/// `doctor` and `status` say the same, and one who only looks needs no more than to look.
#[test]
fn the_program_names_missing_tables_and_rights() {
    let Some(server) = postgres::shared() else { return };
    bounded_by(std::time::Duration::from_secs(60), async {
        let owner = client(&server).await;
        let (schema, _) = tables_for(&server, &owner, "watching").await;
        let reads = format!(
            "GRANT USAGE ON SCHEMA \"{schema}\" TO watching;
             GRANT SELECT ON ALL TABLES IN SCHEMA \"{schema}\" TO watching"
        );
        owner.batch_execute(&reads).await.unwrap();
        let url = server.url().replace("tests@", "watching@");
        let program = |arguments: &[&str]| -> Run {
            run(std::path::Path::new(&url), "", &[&["--schema", &schema], arguments].concat())
        };
        assert_eq!(program(&["status"]).code, 0);
        let looked = program(&["doctor", "--json"]);
        assert_eq!(looked.code, 0, "{looked:?}");
        let finding = looked.json()[0]["findings"].to_string();
        assert!(finding.contains("may not read and write all rows of"), "{finding}");
        assert!(finding.contains("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES"), "{finding}");

        owner.batch_execute(&format!("DROP TABLE \"{schema}\".tokens")).await.unwrap();
        for (command, code) in [("status", 3), ("doctor", 2)] {
            let said = program(&[command]);
            assert_eq!((said.code, said.err.contains("it lacks")), (code, true), "{said:?}");
            assert!(said.err.contains("tokens"), "{said:?}");
        }
    });
}

/// O-14: whoever migrates may not see what servers of another role ask, and a server may have asked for nothing last.
#[test]
fn o_14_servers_are_noticed_whose_questions_are_hidden() {
    let Some(server) = postgres::shared() else { return };
    bounded_by(std::time::Duration::from_secs(60), async {
        let owner = client(&server).await;
        let (schema, _) = tables_for(&server, &owner, "moving").await;
        grant_needed(&owner, &schema, "moving").await;
        role(&owner, "shopping").await;
        grant_needed(&owner, &schema, "shopping").await;
        role(&owner, "elsewhere").await;
        let url = |role: &str| server.url().replace("tests@", &format!("{role}@"));
        let folder = tempfile::tempdir().unwrap();
        let to = folder.path().join("to");
        let migrate = || {
            let (from, to) = (url("moving"), to.to_str().unwrap().to_owned());
            let said = run(std::path::Path::new("."), "", &["migrate", &from, &to, "--schema", &schema]);
            assert_eq!(said.code, 1, "{said:?}");
            said.err.contains("connections of servers")
        };
        // Somebody else's program in the same database.
        let (other, connection) =
            tokio_postgres::connect(&url("elsewhere"), tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        other.batch_execute("SET application_name = 'reports'; SELECT 1").await.unwrap();
        for (role, undoes) in [("shopping", false), ("moving", true)] {
            let config = PostgresConfig::new(url(role)).schema(&schema).application_name("shop-web");
            let store = open(&config.pool_size(1).allow_fsync_off()).await;
            store.sessions_of("a".into()).await.unwrap();
            if undoes {
                // As a login that is refused: nothing is changed.
                let rule: CounterRule = std::sync::Arc::new(|found| found.to_vec());
                let key = CounterKey::new(CounterKind::ALL[0], [7; 16]);
                store.change_counters(vec![key], 160, rule).await.unwrap();
            }
            assert!(migrate(), "{role}");
            assert!(!to.exists(), "{role}");
            store.close();
        }
    });
}
