//! The program `jwtauth` over a database, beside the servers that use it.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use jwtauth::store::SessionStore as _;
use jwtauth::{
    AccountsConfig, JwtAuthBuilder, PostgresConfig, PostgresStore, SledStore, StorageConfig, testing,
};
use serde_json::json;
use tests::app::TestApp;
use tests::postgres::{self, Postgres};
use tests::tab::Tab;
use tests::{bounded, bounded_by};

use super::client;
use crate::operate::{Run, run};

const PASSWORD: &str = "through the looking glass";

/// Runs the program on a schema.
fn program(server: &Postgres, schema: &str, input: &str, arguments: &[&str]) -> Run {
    run(Path::new(&server.url()), input, &[&["--schema", schema], arguments].concat())
}

fn set(builder: JwtAuthBuilder) -> JwtAuthBuilder {
    builder.accounts(AccountsConfig::default()).storage(StorageConfig::default().keep_events(1_000))
}

/// A server on a schema of its own.
async fn served(server: &Arc<Postgres>) -> (String, PostgresStore, TestApp) {
    let schema = server.schema();
    let store = PostgresStore::connect(server.config().schema(&schema)).await.unwrap();
    (schema, store.clone(), TestApp::with(store, set))
}

/// What the program does is true for the very next request of every server.
#[test]
fn an_operator_works_beside_the_servers_of_a_database() {
    let Some(server) = postgres::shared() else { return };
    bounded_by(Duration::from_secs(120), async {
        let (schema, _store, app) = served(&server).await;
        let tab = Tab::new(&app);
        let said = |input: &str, arguments: &[&str]| program(&server, &schema, input, arguments);
        for _ in 0..5 {
            let pair = tab.login("alice").await;
            assert_eq!(tab.get("/me", &pair.cookies()).await.status, 200);
            let id = pair.session().to_string();
            let revoked = said("", &["sessions", "revoke", "--json", "--", &id]).json();
            assert_eq!(revoked, [json!({"revoked": 1})]);
            assert_eq!(tab.get("/me", &pair.cookies()).await.status, 401, "the very next request");
        }
        let [one, two] = [tab.login("alice").await, tab.login("bob").await];
        assert_eq!(said("", &["sessions", "revoke", "--all-of", "alice"]).out, "1 session revoked\n");
        assert_eq!(tab.get("/me", &one.cookies()).await.status, 401);
        assert_eq!(tab.get("/me", &two.cookies()).await.status, 200);

        let accounts = app.jwtauth.accounts().unwrap();
        let input = format!("{PASSWORD}\n");
        assert_eq!(said(&input, &["accounts", "add", "carol", "--role", "admin"]).code, 0);
        accounts.verify("carol", PASSWORD, None).await.unwrap();
        assert_eq!(said("", &["accounts", "disable", "carol"]).code, 0);
        accounts.verify("carol", PASSWORD, None).await.unwrap_err();
        assert_eq!(said("", &["accounts", "enable", "carol"]).code, 0);
        let status = said("", &["status", "--json"]).json();
        assert_eq!((&status[0]["accounts"], &status[0]["server"]), (&json!(1), &json!(null)), "{status:?}");
        let events = said("", &["events", "--json", "--event", "account_disabled"]).json();
        assert_eq!(events[0]["details"], json!([["by", "operator"]]), "{events:?}");
        assert_eq!(said("", &["events", "--check"]).code, 0);
        let refused = said("", &["compact"]);
        assert_eq!((refused.code, refused.err.contains("VACUUM")), (1, true), "{refused:?}");
        let whole = said("", &["repair"]);
        assert_eq!((whole.code, whole.out.contains("nothing was done")), (0, true), "{whole:?}");
    });
}

/// A backup of a database becomes a database or a directory, and what an export has comes in beside the servers.
#[test]
fn backups_and_exports_go_into_a_database_and_come_out_of_it() {
    let Some(server) = postgres::durable() else { return };
    bounded_by(Duration::from_secs(120), async {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let (schema, store, app) = served(&server).await;
        let tab = Tab::new(&app);
        let pair = tab.login("alice").await;
        app.jwtauth.accounts().unwrap().register("carol", PASSWORD).await.unwrap();
        let (backup, export) = (file("backup"), file("export"));
        assert_eq!(program(&server, &schema, "", &["backup", &backup]).code, 0);
        assert_eq!(program(&server, &schema, "", &["export", &export]).code, 0);

        // What is there already stays.
        let refused = program(&server, &schema, "", &["restore", &backup, "--yes"]);
        assert_eq!((refused.code, refused.err.contains("nothing was changed")), (1, true), "{refused:?}");
        let other = server.schema();
        let restored = program(&server, &other, "", &["restore", &backup, "--json"]).json();
        assert_eq!(
            (&restored[0]["accounts"], &restored[0]["sessions"]),
            (&json!(1), &json!(1)),
            "{restored:?}"
        );
        let store_of = async |schema: &str| {
            PostgresStore::connect(PostgresConfig::new(server.url()).schema(schema)).await.unwrap()
        };
        let second = TestApp::with(store_of(&other).await, set);
        assert_eq!(
            Tab::new(&second).get("/me", &pair.cookies()).await.status,
            401,
            "all sessions have ended"
        );
        second.jwtauth.accounts().unwrap().verify("carol", PASSWORD, None).await.unwrap();
        let events = program(&server, &other, "", &["events", "--json", "--event", "store_restored"]).json();
        assert_eq!(events.len(), 1);
        assert_eq!(program(&server, &other, "", &["events", "--check"]).code, 0);
        let kept = server.schema();
        assert_eq!(program(&server, &kept, "", &["restore", &backup, "--keep-sessions"]).code, 0);
        let third = TestApp::with(store_of(&kept).await, set);
        assert_eq!(Tab::new(&third).get("/me", &pair.cookies()).await.status, 200);

        // Into a database that has nothing, and once more into the one that it is of.
        let empty = server.schema();
        let fourth = TestApp::with(store_of(&empty).await, set);
        let imported = program(&server, &empty, "", &["import", &export, "--keep-sessions", "--json"]).json();
        assert_eq!(imported[0]["sessions"], 1, "{imported:?}");
        assert_eq!(Tab::new(&fourth).get("/me", &pair.cookies()).await.status, 200);
        let again = program(&server, &schema, "", &["import", &export, "--keep-sessions", "--json"]).json();
        assert_eq!(again[0]["sessions"], 0, "{again:?}");
        drop(store);
    });
}

/// As a service says of itself whose storage is elsewhere. Whoever knows that says it by name.
#[test]
fn a_server_with_fsync_off_becomes_a_store_if_that_is_asked_for() {
    let Some(server) = postgres::shared() else { return };
    bounded_by(Duration::from_secs(120), async {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let (store, backup) = (file("store"), file("backup"));
        let app = TestApp::with(SledStore::open(&store).await.unwrap(), set);
        app.jwtauth.accounts().unwrap().register("carol", PASSWORD).await.unwrap();
        drop(app);
        assert_eq!(run(Path::new(&store), "", &["backup", &backup]).code, 0);
        for words in [&["restore", &backup][..], &["migrate", &store, &server.url(), "--keep-source"]] {
            let schema = server.schema();
            let refused = program(&server, &schema, "", words);
            assert_eq!((refused.code, refused.err.contains("`--allow-fsync-off`")), (3, true), "{refused:?}");
            let done = program(&server, &schema, "", &[words, &["--allow-fsync-off"]].concat());
            assert_eq!(done.code, 0, "{done:?}");
            let status = program(&server, &schema, "", &["status", "--json"]).json();
            assert_eq!(status[0]["accounts"], 1, "{status:?}");
        }
    });
}

#[test]
fn a_doctor_of_a_database_names_rows_that_are_not_as_they_were_written() {
    let Some(server) = postgres::shared() else { return };
    bounded(async {
        let (schema, store, _app) = served(&server).await;
        for number in 1..=3 {
            store.insert(testing::session(number, "alice"), Default::default()).await.unwrap();
        }
        let doctor = || program(&server, &schema, "", &["doctor", "--json"]);
        let whole = doctor();
        assert_eq!(whole.code, 0, "{whole:?}");
        let said = whole.json();
        assert_eq!((&said[0]["condition"], &said[0]["readable"]["sessions"]), (&json!("whole"), &json!(3)));
        let settings = said[0]["settings"].as_array().unwrap();
        assert!(settings.contains(&json!(["fsync", "off"])), "{settings:?}");
        assert!(said[0]["findings"].to_string().contains("fsync = off"), "{said:?}");

        // A byte of one record, the subject beside another one, and nothing else.
        let owner = client(&server).await;
        let id = |number| format!("id = decode('{}', 'hex')", format!("{number:02x}").repeat(16));
        for (number, change) in
            [(1_u8, "record = set_byte(record, 20, get_byte(record, 20) # 1)"), (2, "subject = 'mallory'")]
        {
            let sql = format!("UPDATE \"{schema}\".sessions SET {change} WHERE {}", id(number));
            assert_eq!(owner.execute(&sql, &[]).await.unwrap(), 1);
        }
        let damaged = doctor();
        assert_eq!(damaged.code, 1, "{damaged:?}");
        let said: serde_json::Value = serde_json::from_str(&damaged.out).unwrap();
        let keys: Vec<_> = said["unreadable"].as_array().unwrap().iter().map(|row| &row["key"]).collect();
        assert_eq!(keys, ["01".repeat(16).as_str(), "02".repeat(16).as_str()], "{said}");
        assert_eq!((&said["unreadable_rows"], &said["readable"]["sessions"]), (&json!(2), &json!(1)));
        let none = program(&server, "none", "", &["doctor"]);
        assert_eq!((none.code, none.err.contains("0: none")), (2, true), "{none:?}");
    });
}

/// O-15: whatever is asked for, and whatever goes wrong.
#[test]
fn o_15_the_password_of_a_database_is_never_shown() {
    let Some(server) = postgres::durable() else { return };
    bounded_by(Duration::from_secs(120), async {
        const SECRET: &str = "pa55w0rd";
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        let text = path.to_str().unwrap();
        drop(SledStore::open(&path).await.unwrap());
        let schema = server.schema();
        let url = server.url().replace("tests@", &format!("tests:{SECRET}@"));
        let closed = format!("postgres://tests:{SECRET}@127.0.0.1:1/app");
        let odd = format!("postgres://tests:x@{SECRET}@127.0.0.1:1/app");
        let wrong = format!("postgres://tests:{SECRET}@127.0.0.1:port/app");
        for (store, arguments) in [
            (&*url, &["migrate", text, &url, "--schema", &schema][..]),
            (&url, &["--schema", &schema, "status"]),
            (&url, &["--schema", &schema, "doctor"]),
            (&url, &["--schema", &schema, "doctor", "--json"]),
            (&url, &["--schema", &schema, "compact"]),
            (&url, &["--help"]),
            (&url, &["status", "--help"]),
            (&url, &["nothing"]),
            (&closed, &["status"]),
            (&closed, &["doctor"]),
            (&odd, &["status"]),
            (&odd, &["migrate", &odd, &wrong]),
            (&wrong, &["doctor", "--json"]),
            (text, &["status"]),
        ] {
            let said = run(Path::new(store), "", arguments);
            assert!(!format!("{said:?}").contains(SECRET), "{arguments:?}: {said:?}");
        }
        assert!(!fs::read_to_string(path.join("moved")).unwrap().contains(SECRET));
        let odd = run(Path::new(&odd), "", &["status"]);
        assert!(odd.err.contains("write %40 for it"), "{odd:?}");
        let named = run(Path::new("unused"), "", &["status", "--schema", &schema, "--store", &url]);
        assert_eq!((named.code, named.err.contains("set PGPASSWORD")), (0, true), "{named:?}");
    });
}

/// The password stands in the environment, as with the tools of PostgreSQL.
#[test]
fn the_password_comes_from_the_environment() {
    let Some(server) = Postgres::start(&["password_encryption=scram-sha-256"]) else { return };
    bounded(async {
        PostgresStore::connect(server.url()).await.unwrap().close();
        let owner = client(&server).await;
        owner.batch_execute("ALTER ROLE tests PASSWORD 'through the looking glass'").await.unwrap();
        let rules = server.directory().join("data/pg_hba.conf");
        fs::write(rules, "local all all scram-sha-256\n").unwrap();
        owner.batch_execute("SELECT pg_reload_conf()").await.unwrap();
        let file = server.directory().join("passwords");
        let status = |password: Option<&str>| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_jwtauth_program"));
            command.args(["status"]).env("JWTAUTH_STORE", server.url()).env_remove("PGPASSWORD");
            command.envs(password.map(|password| ("PGPASSWORD", password))).env("PGPASSFILE", &file);
            let output = command.output().unwrap();
            (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
        };
        // The server reads its rules anew when it likes.
        for _ in 0..200 {
            if status(None).0 != 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let (code, said) = status(None);
        assert_eq!((code, said.contains("PGPASSWORD")), (3, true), "{said}");
        assert_eq!(status(Some("another one")).0, 3);
        assert_eq!(status(Some(PASSWORD)).0, 0);

        // Or in the file that the tools of PostgreSQL read, unless others can read it too.
        fs::write(&file, format!("elsewhere:*:*:tests:no\n*:*:postgres:tests:{PASSWORD}\n")).unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
        assert_eq!(status(None).0, 3);
        fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
        assert_eq!(status(None).0, 0);
        assert_eq!(status(Some("another one")).0, 3, "what is named for this program comes first");
    });
}
