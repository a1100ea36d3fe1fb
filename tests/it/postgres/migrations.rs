//! `jwtauth migrate`: all that a store keeps goes into another one, and nobody notices.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jwtauth::error::{PostgresError, StoreError};
use jwtauth::store::{
    AccountStore as _, EventStore as _, NewValue, PostgresConfig, ValueKey, ValueStore as _,
};
use jwtauth::{AccountsConfig, JwtAuthBuilder, PostgresStore, SessionStore, SledStore};
use tests::app::{START, TestApp};
use tests::bounded_by;
use tests::postgres::{self, Postgres};
use tests::tab::Tab;
use tests::wire::Tokens;

use super::client;
use crate::operate::{Run, run};

const LIMIT: Duration = Duration::from_secs(180);
const PASSWORD: &str = "through the looking glass";

/// Moves a store, by the program.
fn migrate(from: &str, to: &str, options: &[&str]) -> Run {
    run(Path::new("unused"), "", &[&["migrate", from, to], options].concat())
}

fn set(builder: JwtAuthBuilder) -> JwtAuthBuilder {
    builder.accounts(AccountsConfig::default()).token_registry().keep_events(1_000)
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
    for number in 0..300 {
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
        assert_eq!(moved[0]["records"]["accounts"], 1, "{moved:?}");
        assert_eq!(moved[0]["records"]["sessions"], 303, "{moved:?}");
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
