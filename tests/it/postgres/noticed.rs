//! What a server notices with its next question, though it keeps its connections: its records were moved elsewhere by
//! somebody who did not see it, or the database hides rows from it.

use std::path::Path;
use std::time::Duration;

use jwtauth::store::{NewValue, SessionStore as _, ValueKey, ValueStore as _};
use jwtauth::{AccountsConfig, JwtAuthBuilder, PostgresConfig, PostgresStore, testing};
use tests::app::{START, TestApp};
use tests::bounded_by;
use tests::pooler::Pooler;
use tests::postgres;
use tests::tab::Tab;
use tests::wire::Tokens;

use super::client;
use crate::operate::run;

const LIMIT: Duration = Duration::from_secs(120);
const PASSWORD: &str = "through the looking glass";

fn set(builder: JwtAuthBuilder) -> JwtAuthBuilder {
    builder.accounts(AccountsConfig::default().hashers(1))
}

/// A server that goes on.
struct Server {
    store: PostgresStore,
    app: TestApp,
    tab: Tab,
    pair: Tokens,
}

impl Server {
    async fn on(config: PostgresConfig) -> Self {
        let store = PostgresStore::connect(config).await.unwrap();
        let app = TestApp::with(store.clone(), set);
        let tab = Tab::new(&app);
        app.jwtauth.accounts().unwrap().register("carol", PASSWORD).await.unwrap();
        let pair = tab.login("alice").await;
        Self { store, app, tab, pair }
    }

    /// What a user hears who looks, refreshes and logs out.
    async fn answers(&self, cookies: &str) -> [u16; 3] {
        let look = self.tab.get("/me", cookies).await.status.as_u16();
        let refresh = self.tab.post("/refresh", cookies).await.status.as_u16();
        [look, refresh, self.tab.post("/logout", cookies).await.status.as_u16()]
    }

    /// Nothing is answered from the tables, and nothing is added to them.
    async fn answers_nothing(&self, said: &str) {
        assert_eq!(self.answers(&self.pair.cookies()).await, [503; 3], "{said}");
        assert_eq!(self.tab.login_with("bob", "").await.status, 503, "{said}");
        let accounts = self.app.jwtauth.accounts().unwrap();
        assert!(accounts.verify("carol", PASSWORD, None).await.is_err(), "{said}");
        assert!(accounts.register("dora", PASSWORD).await.is_err(), "{said}");
        let value = NewValue::new(ValueKey::from_bytes([7; 32]), vec![1], START, START + 9_000);
        assert!(self.store.save_value(value).await.is_err(), "{said}");
        assert!(self.store.sweep(START, 16).await.is_err(), "{said}");
        let error = self.store.load(testing::session(1, "a").id).await.unwrap_err();
        assert!(format!("{error:?}").contains(said), "{said}: {error:?}");
    }

    /// It serves again, and what was refused has not happened.
    async fn serves_again(&self) {
        let accounts = self.app.jwtauth.accounts().unwrap();
        accounts.verify("carol", PASSWORD, None).await.unwrap();
        accounts.verify("dora", PASSWORD, None).await.unwrap_err();
        assert_eq!(self.tab.get("/me", &self.pair.cookies()).await.status, 200);
        let sessions = self.store.sessions_of("bob".into()).await.unwrap();
        assert!(sessions.is_empty(), "{sessions:?}");
    }
}

/// O-12, O-14: behind a pooler its connections are those of the pooler, and have whatever name somebody gave them.
#[test]
fn o_12_a_server_that_nobody_saw_answers_nothing_from_tables_that_were_moved() {
    let Some(database) = postgres::durable() else { return };
    let Some(pooler) = Pooler::start(&database) else { return };
    bounded_by(LIMIT, async {
        let folder = tempfile::tempdir().unwrap();
        let owner = client(&database).await;
        let pooled = || PostgresConfig::new(pooler.url()).application_name("").prepared_statements(false);
        for (way, config) in [
            ("a pooler", pooled()),
            ("a pooler, and records that are used again", pooled().max_staleness(Duration::from_secs(1))),
            ("another name", PostgresConfig::new(database.url()).application_name("psql")),
        ] {
            let schema = database.schema();
            let server = Server::on(config.schema(&schema)).await;
            assert_eq!(server.tab.get("/me", &server.pair.cookies()).await.status, 200, "{way}");
            // What nobody waits for is written now, and not while the records are moved.
            server.app.jwtauth.sessions().flush().await.unwrap();
            let to = folder.path().join(&schema);
            let arguments =
                ["migrate", &database.url(), to.to_str().unwrap(), "--schema", &schema, "--stopped"];
            let moved = run(Path::new("unused"), "", &arguments);
            assert_eq!(moved.code, 0, "{way}: {moved:?}");
            server.app.clock.advance(Duration::from_secs(2));
            server.answers_nothing("was moved to").await;
            // As the error says.
            let clear = format!("UPDATE \"{schema}\".store_mark SET mark = NULL");
            owner.execute(&clear, &[]).await.unwrap();
            server.serves_again().await;
            assert_eq!(server.answers(&server.pair.cookies()).await, [200; 3], "{way}");
            server.store.close();
        }
    });
}

/// a logout that ends nothing is no success. It was one: the row was not found, so nobody was logged in.
#[test]
fn r_5_rows_that_are_hidden_while_a_server_runs_are_an_outage() {
    let Some(database) = postgres::shared() else { return };
    bounded_by(LIMIT, async {
        let owner = client(&database).await;
        let schema = database.schema();
        PostgresStore::connect(database.config().schema(&schema)).await.unwrap().close();
        let role = "DO $$ BEGIN CREATE ROLE shaded LOGIN; EXCEPTION WHEN duplicate_object THEN END $$";
        let grant = format!(
            "{role}; GRANT USAGE ON SCHEMA \"{schema}\" TO shaded;
             GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA \"{schema}\" TO shaded"
        );
        owner.batch_execute(&grant).await.unwrap();
        let url = database.url().replace("tests@", "shaded@");
        let server = Server::on(PostgresConfig::new(url).schema(&schema).allow_fsync_off()).await;
        let hide = async |tables: &[&str], how: &str| {
            for table in tables {
                let sql = format!("ALTER TABLE \"{schema}\".{table} {how} ROW LEVEL SECURITY");
                owner.batch_execute(&sql).await.unwrap();
            }
        };
        for tables in [&["sessions", "accounts", "kept_values"][..], &["store_mark"]] {
            hide(tables, "ENABLE").await;
            server.answers_nothing("row-level security").await;
            hide(tables, "DISABLE").await;
            server.serves_again().await;
        }
        // Each table that a request relies on, by itself.
        for table in ["sessions", "subjects", "counters", "accounts", "kept_values"] {
            hide(&[table], "ENABLE").await;
            let login = server.tab.login_with("bob", "").await.status.as_u16();
            let verified = server.app.jwtauth.accounts().unwrap().verify("carol", PASSWORD, None).await;
            let value = server.store.load_value(ValueKey::from_bytes([7; 32]), START).await;
            let has_failed = match table {
                "sessions" | "subjects" => login == 503,
                "kept_values" => value.is_err(),
                _ => verified.is_err(),
            };
            assert!(has_failed, "{table}: {login}, {verified:?}, {value:?}");
            hide(&[table], "DISABLE").await;
        }
        assert_eq!(server.answers(&server.pair.cookies()).await, [200; 3]);
        assert_eq!(server.tab.get("/me", &server.pair.cookies()).await.status, 401, "it is over");
    });
}

/// O-12: a logout has begun before the records are marked as moved, and is committed after that. It would be undone.
#[test]
fn o_12_a_change_that_is_under_way_while_records_are_moved_is_not_lost() {
    let Some(database) = postgres::durable() else { return };
    bounded_by(LIMIT, async {
        let folder = tempfile::tempdir().unwrap();
        let (schema, url, to) = (database.schema(), database.url(), folder.path().join("to"));
        let open = async || PostgresStore::connect(PostgresConfig::new(&url).schema(&schema)).await.unwrap();
        let store = open().await;
        for number in [1, 2] {
            store.insert(testing::session(number, "a"), Default::default()).await.unwrap();
        }
        store.close();
        let (other, looks) = (client(&database).await, client(&database).await);
        let end = format!("BEGIN; DELETE FROM \"{schema}\".sessions WHERE id = $id");
        let id: String =
            testing::session(1, "a").id.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        other.batch_execute(&end.replace("$id", &format!("'\\x{id}'"))).await.unwrap();
        let arguments = ["migrate", &url, to.to_str().unwrap(), "--schema", &schema, "--stopped"];
        let arguments = arguments.map(str::to_owned);
        let moving = tokio::task::spawn_blocking(move || {
            run(Path::new("unused"), "", &arguments.each_ref().map(String::as_str))
        });
        let waits = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'jwtauth program'
            AND wait_event_type = 'Lock' AND position($1 IN query) > 0";
        while !moving.is_finished() {
            if looks.query_one(waits, &[&schema]).await.unwrap().get::<_, i64>(0) > 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        other.batch_execute("COMMIT").await.unwrap();
        let said = moving.await.unwrap();
        assert_eq!((said.code, said.err.contains("stop all servers")), (3, true), "{said:?}");
        assert!(!to.join("db").exists(), "there is no second store");
        let store = open().await;
        assert!(store.load(testing::session(1, "a").id).await.unwrap().is_none());
        assert!(store.load(testing::session(2, "a").id).await.unwrap().is_some());
    });
}
