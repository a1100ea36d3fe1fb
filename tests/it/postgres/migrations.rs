//! `jwtauth migrate`: all that a store keeps goes into another one, and nobody notices.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use jwtauth::error::{PostgresError, StoreError};
use jwtauth::store::{EventStore as _, NewValue, SessionStore, ValueKey};
use jwtauth::{
    AccountsConfig, JwtAuthBuilder, PostgresConfig, PostgresStore, SledStore, StorageConfig, testing,
};
use tests::app::{START, TestApp};
use tests::bounded_by;
use tests::postgres::{self, Postgres};
use tests::tab::Tab;
use tests::wire::Tokens;

use super::{client, hold, open};
use crate::operate::{Run, run};

const LIMIT: Duration = Duration::from_secs(180);
const PASSWORD: &str = "through the looking glass";

/// Moves a store, by the program.
fn migrate(from: &str, to: &str, options: &[&str]) -> Run {
    run(Path::new("unused"), "", &[&["migrate", from, to], options].concat())
}

fn set(builder: JwtAuthBuilder) -> JwtAuthBuilder {
    builder
        .accounts(AccountsConfig::default())
        .storage(StorageConfig::default().token_registry().keep_events(1_000))
}

/// Who is logged in, and who was.
struct Users {
    stays: Tokens,
    logged_out: Tokens,
    account: Tokens,
}

/// Fills a store by a server, as users do.
async fn fill<S: SessionStore + Clone + jwtauth::store::ValueStore>(store: &S) -> Users {
    let app = TestApp::with(store.clone(), set);
    let tab = Tab::new(&app);
    let accounts = app.jwtauth.accounts().unwrap();
    accounts.register("carol", PASSWORD).await.unwrap();
    let (stays, logged_out) = (tab.login("alice").await, tab.login("bob").await);
    assert_eq!(tab.post("/logout", &logged_out.cookies()).await.status, 200);
    // More records than are written at once.
    for number in 0..400 {
        tab.login(&format!("user {number}")).await;
    }
    for number in [1, 2] {
        let value = NewValue::new(ValueKey::from_bytes([number; 32]), vec![number], START, START + 9_000);
        assert!(store.save_value(value).await.unwrap());
    }
    store.remove_value(ValueKey::from_bytes([2; 32]), START).await.unwrap();
    let account = tab.login("anna").await;
    Users { stays, logged_out, account }
}

/// A server on the new store lets in who was in, and nobody else.
async fn serves<S: SessionStore + Clone + jwtauth::store::ValueStore>(store: &S, users: &Users) {
    let app = TestApp::with(store.clone(), set);
    let tab = Tab::new(&app);
    assert_eq!(tab.get("/me", &users.stays.cookies()).await.status, 200);
    assert_eq!(tab.get("/me", &users.account.cookies()).await.status, 200);
    assert_eq!(tab.get("/me", &users.logged_out.cookies()).await.status, 401, "who was logged out stays so");
    assert_eq!(tab.post("/refresh", &users.logged_out.cookies()).await.status, 401);
    let accounts = app.jwtauth.accounts().unwrap();
    accounts.verify("carol", PASSWORD, None).await.unwrap();
    accounts.verify("carol", "another password", None).await.unwrap_err();
    let value = |number| store.load_value(ValueKey::from_bytes([number; 32]), START);
    assert_eq!((value(1).await.unwrap(), value(2).await.unwrap()), (Some(vec![1]), None));
    let again = NewValue::new(ValueKey::from_bytes([2; 32]), vec![2], START, START + 9_000);
    assert!(!store.save_value(again).await.unwrap(), "a value that was removed stays removed");
    let tokens = app.jwtauth.sessions().tokens(users.stays.session()).await.unwrap();
    assert_eq!(tokens.len(), 2, "the registry came too");
}

fn database(server: &Postgres, schema: &str) -> PostgresConfig {
    PostgresConfig::new(server.url()).schema(schema)
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

async fn sled(folder: &Path, name: &str) -> (PathBuf, Users) {
    let path = folder.join(name);
    let store = SledStore::open(&path).await.unwrap();
    let users = fill(&store).await;
    (path, users)
}

#[test]
fn o_12_users_stay_logged_in_when_a_store_moves_to_a_database_and_back() {
    let Some(server) = postgres::durable() else { return };
    bounded_by(LIMIT, async {
        let folder = tempfile::tempdir().unwrap();
        let (path, users) = sled(folder.path(), "old").await;
        let (url, schema) = (server.url(), server.schema());
        let moved = migrate(text(&path), &url, &["--schema", &schema, "--json"]).json();
        // It is for programs: no quotes are around it.
        assert_eq!(moved[0]["from"], text(&path));
        assert_eq!(moved[0]["records"]["accounts"], 1, "{moved:?}");
        assert_eq!(moved[0]["records"]["sessions"], 403, "{moved:?}");
        assert_eq!(moved[0]["is_source_closed"], true, "{moved:?}");

        // The old one is closed, and says where the new one is.
        let error = SledStore::open(&path).await.unwrap_err();
        assert!(matches!(&error, StoreError::Moved { to, .. } if to.contains(&schema)), "{error:?}");
        let status = run(&path, "", &["status"]);
        assert_eq!((status.code, status.err.contains("was moved to postgres://")), (3, true), "{status:?}");
        let store = PostgresStore::connect(database(&server, &schema)).await.unwrap();
        serves(&store, &users).await;
        let events = store.events_after(0, 10_000).await.unwrap();
        assert!(events.iter().any(|record| record.event.event == "account_registered"), "the trail came too");
        let check = run(Path::new(&url), "", &["events", "--check", "--schema", &schema]);
        assert_eq!(check.code, 0, "its chain goes on: {check:?}");

        // While a server is on the database, it does not move.
        let back = folder.path().join("back");
        let refused = migrate(&url, text(&back), &["--schema", &schema]);
        assert_eq!((refused.code, refused.err.contains("connections of servers")), (1, true), "{refused:?}");
        assert!(!back.exists());
        store.close();
        drop(store);
        until_alone(&server, &schema).await;
        let returned = migrate(&url, text(&back), &["--schema", &schema]);
        assert_eq!(returned.code, 0, "{returned:?}");
        assert!(returned.out.contains("the same in both: checksum "), "{returned:?}");
        let error = PostgresStore::connect(database(&server, &schema)).await.unwrap_err();
        assert!(of(&error, |it| matches!(it, PostgresError::Moved { .. })), "{error:?}");
        let store = SledStore::open(&back).await.unwrap();
        serves(&store, &users).await;
    });
}

/// Begins a migration, and returns when it has come to a point where the test holds it up.
fn begin(from: &str, to: &str, schema: &str) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jwtauth_program"));
    command.args(["migrate", from, to, "--schema", schema]).env_remove("JWTAUTH_STORE");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap()
}

/// Waits until it is true.
async fn until(what: &str, mut is_true: impl AsyncFnMut() -> bool) {
    for _ in 0..4_000 {
        if is_true().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("{what}");
}

/// Killed when some of the records are in the tables: these are no store, and the same command ends it.
#[test]
fn o_13_a_migration_into_a_database_that_was_killed_is_no_store_and_goes_on() {
    let Some(server) = postgres::durable() else { return };
    bounded_by(LIMIT, async {
        let folder = tempfile::tempdir().unwrap();
        let (path, users) = sled(folder.path(), "old").await;
        let (url, schema) = (server.url(), server.schema());
        PostgresStore::connect(database(&server, &schema)).await.unwrap().close();
        until_alone(&server, &schema).await;
        let holder = client(&server).await;
        // Values come last, and one of them fits in no batch before.
        hold::at_new_rows(&holder, &schema, "kept_values").await;
        for _ in 0..2 {
            hold::hold(&holder, &schema).await;
            let mut child = begin(text(&path), &url, &schema);
            let looks = client(&server).await;
            until("records are there", async || {
                let count = format!("SELECT count(*) FROM \"{schema}\".sessions");
                looks.query_one(&count, &[]).await.unwrap().get::<_, i64>(0) > 100
            })
            .await;
            child.kill().unwrap();
            child.wait().unwrap();
            hold::let_go(&holder).await;
            let error = PostgresStore::connect(database(&server, &schema)).await.unwrap_err();
            assert!(of(&error, |it| matches!(it, PostgresError::Unfinished { .. })), "{error:?}");
            let status = run(Path::new(&url), "", &["status", "--schema", &schema]);
            assert_eq!(
                (status.code, status.err.contains("`jwtauth migrate FROM TO`")),
                (3, true),
                "{status:?}"
            );
            drop(SledStore::open(&path).await.unwrap());
        }
        let done = migrate(text(&path), &url, &["--schema", &schema]);
        assert_eq!(done.code, 0, "{done:?}");
        let store = PostgresStore::connect(database(&server, &schema)).await.unwrap();
        serves(&store, &users).await;
        store.close();
        drop(store);
        until_alone(&server, &schema).await;

        // As if it had been killed between its last two steps: neither is a store, until it is done again.
        let owner = client(&server).await;
        let mark = format!("UPDATE \"{schema}\".store_mark SET mark = 'filling x'");
        owner.execute(&mark, &[]).await.unwrap();
        assert!(matches!(SledStore::open(&path).await, Err(StoreError::Moved { .. })));
        let elsewhere = migrate(text(&path), text(&folder.path().join("third")), &[]);
        assert_eq!(
            (elsewhere.code, elsewhere.err.contains("if that was not finished, do that again")),
            (1, true),
            "{elsewhere:?}"
        );
        let done = migrate(text(&path), &url, &["--schema", &schema]);
        assert_eq!(done.code, 0, "{done:?}");
        let store = PostgresStore::connect(database(&server, &schema)).await.unwrap();
        serves(&store, &users).await;
    });
}

/// The last step fails: neither is a store, and the program says so, and what ends it.
#[test]
fn o_13_a_migration_that_fails_in_its_last_step_says_that_neither_store_opens() {
    let Some(server) = postgres::durable() else { return };
    bounded_by(LIMIT, async {
        let folder = tempfile::tempdir().unwrap();
        let (path, users) = sled(folder.path(), "old").await;
        let (url, schema) = (server.url(), server.schema());
        PostgresStore::connect(database(&server, &schema)).await.unwrap().close();
        until_alone(&server, &schema).await;
        let owner = client(&server).await;
        let fails = format!(
            "CREATE FUNCTION \"{schema}\".fails() RETURNS trigger LANGUAGE plpgsql AS
                 $$ BEGIN RAISE EXCEPTION 'no room'; END $$;
             CREATE TRIGGER fails BEFORE UPDATE ON \"{schema}\".store_mark FOR EACH ROW
                 WHEN (NEW.mark IS NULL) EXECUTE FUNCTION \"{schema}\".fails()"
        );
        owner.batch_execute(&fails).await.unwrap();
        for keep in [&["--keep-source"][..], &[]] {
            let failed = migrate(text(&path), &url, &[&["--schema", &schema], keep].concat());
            assert_eq!((failed.code, failed.err.contains("no room")), (3, true), "{failed:?}");
            let opens = SledStore::open(&path).await.is_ok();
            assert_eq!(opens, !keep.is_empty(), "{failed:?}");
            assert_ne!(opens, failed.err.contains("do the same again"), "{failed:?}");
            let error = PostgresStore::connect(database(&server, &schema)).await.unwrap_err();
            assert!(of(&error, |it| matches!(it, PostgresError::Unfinished { .. })), "{error:?}");
        }
        owner.batch_execute(&format!("DROP TRIGGER fails ON \"{schema}\".store_mark")).await.unwrap();
        assert_eq!(migrate(text(&path), &url, &["--schema", &schema]).code, 0);
        serves(&PostgresStore::connect(database(&server, &schema)).await.unwrap(), &users).await;
    });
}

/// The same the other way: what is in the directory is no store.
#[test]
fn o_13_a_migration_into_a_directory_that_was_killed_is_no_store_and_goes_on() {
    let Some(server) = postgres::durable() else { return };
    bounded_by(LIMIT, async {
        let folder = tempfile::tempdir().unwrap();
        let (url, schema, path) = (server.url(), server.schema(), folder.path().join("new store"));
        let store = PostgresStore::connect(database(&server, &schema)).await.unwrap();
        let users = fill(&store).await;
        store.close();
        drop(store);
        until_alone(&server, &schema).await;
        let holder = client(&server).await;
        hold::at_rows(&holder, &schema, "kept_values").await;
        hold::hold(&holder, &schema).await;
        let mut child = begin(&url, text(&path), &schema);
        let looks = client(&server).await;
        until("it waits", async || {
            let waits = "SELECT count(*) FROM pg_stat_activity
                WHERE application_name = 'jwtauth program' AND wait_event_type = 'Lock' AND position($1 IN query) > 0";
            looks.query_one(waits, &[&schema]).await.unwrap().get::<_, i64>(0) > 0
        })
        .await;
        child.kill().unwrap();
        child.wait().unwrap();
        hold::let_go(&holder).await;
        assert!(path.join("new").is_dir(), "it had begun");
        let error = SledStore::open(&path).await.unwrap_err();
        assert!(matches!(error, StoreError::Unfinished { .. }), "{error:?}");
        assert!(error.to_string().contains("jwtauth migrate FROM"), "{error}");
        let done = migrate(&url, text(&path), &["--schema", &schema]);
        assert_eq!(done.code, 0, "{done:?}");
        serves(&SledStore::open(&path).await.unwrap(), &users).await;
    });
}

/// What is there stays, and what is not there is not made.
#[test]
fn o_14_a_migration_overwrites_nothing_and_moves_no_store_that_is_in_use() {
    let Some(server) = postgres::durable() else { return };
    bounded_by(LIMIT, async {
        let folder = tempfile::tempdir().unwrap();
        let (path, users) = sled(folder.path(), "old").await;
        let (url, schema) = (server.url(), server.schema());
        let full = |run: Run, said: &str| assert!(run.code > 0 && run.err.contains(said), "{said}: {run:?}");

        // A server has it open.
        let open = SledStore::open(&path).await.unwrap();
        full(migrate(text(&path), &url, &["--schema", &schema]), "stop the server, and do this again");
        drop(open);

        // There is none.
        full(migrate(text(&folder.path().join("none")), &url, &[]), "there is no store in");
        let other = server.schema();
        full(
            migrate(&url, text(&folder.path().join("to")), &["--schema", &other]),
            "start the server on it once",
        );
        let owner = client(&server).await;
        let made = owner.query("SELECT 1 FROM pg_namespace WHERE nspname = $1", &[&other]).await.unwrap();
        assert!(made.is_empty() && !folder.path().join("to").exists());

        // Something is there: one session is enough, and so is a server that has opened the tables.
        let occupied = PostgresStore::connect(database(&server, &schema)).await.unwrap();
        full(migrate(text(&path), &url, &["--schema", &schema]), "connections of servers");
        let session = testing::session(1, "somebody");
        occupied.insert(session.clone(), Default::default()).await.unwrap();
        full(migrate(text(&path), &url, &["--schema", &schema, "--stopped"]), "holds something already");
        assert_eq!(occupied.load(session.id).await.unwrap().as_deref(), Some(&session));
        let (second, _) = sled(folder.path(), "second").await;
        full(migrate(text(&path), text(&second), &[]), "holds something already");
        full(migrate(text(&path), text(&path), &[]), "holds something already");

        // Between directories, and for a trial.
        let copy = folder.path().join("copy");
        let done = migrate(text(&path), text(&copy), &["--keep-source"]);
        assert_eq!((done.code, done.out.contains("Never serve both")), (0, true), "{done:?}");
        serves(&SledStore::open(&copy).await.unwrap(), &users).await;
        serves(&SledStore::open(&path).await.unwrap(), &users).await;

        // A repair does not bring a store back that was moved, and a doctor says where it is.
        let next = folder.path().join("next");
        assert_eq!(migrate(text(&path), text(&next), &[]).code, 0);
        let doctor = run(&path, "", &["doctor"]);
        assert_eq!((doctor.code, doctor.out.contains("was moved to")), (1, true), "{doctor:?}");
        full(run(&path, "", &["repair", "--yes"]), "was moved to");
        full(run(&path, "", &["backup", text(&folder.path().join("backup"))]), "was moved to");
        std::fs::remove_file(path.join("moved")).unwrap();
        drop(SledStore::open(&path).await.unwrap());
    });
}

fn of(error: &StoreError, is: impl Fn(&PostgresError) -> bool) -> bool {
    matches!(error, StoreError::Backend(cause) if cause.downcast_ref().is_some_and(is))
}

/// Waits until no server has a connection to a schema.
async fn until_alone(server: &Arc<Postgres>, schema: &str) {
    let asked = client(server).await;
    let name = format!("jwtauth: {schema}");
    loop {
        let found = asked
            .query_one("SELECT count(*) FROM pg_stat_activity WHERE application_name = $1", &[&name])
            .await
            .unwrap();
        if found.get::<_, i64>(0) == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// O-12: a server that had no connection while its records were moved does not go on with the old ones.
#[test]
fn o_12_a_server_that_reconnects_does_not_serve_tables_that_were_moved() {
    let Some(server) = postgres::shared() else { return };
    bounded_by(LIMIT, async {
        let store = open(&server.config().schema("reconnects")).await;
        let owner = client(&server).await;
        store.insert(testing::session(1, "a"), Default::default()).await.unwrap();
        owner.execute("UPDATE reconnects.store_mark SET mark = 'moved elsewhere'", &[]).await.unwrap();
        let idle = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE pid <> pg_backend_pid() AND position('\"reconnects\".' IN query) > 0";
        assert!(!owner.query(idle, &[]).await.unwrap().is_empty(), "its idle connection is seen");
        let error = store.load(testing::session(1, "a").id).await.unwrap_err();
        assert!(jwtauth_says(&error).contains("elsewhere"), "{error:?}");
        owner.execute("UPDATE reconnects.store_mark SET mark = NULL", &[]).await.unwrap();
        assert!(store.load(testing::session(1, "a").id).await.unwrap().is_some());
    });
}

/// What an error says, with its causes.
fn jwtauth_says(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
