//! Rows of a database that are damaged: what is whole is served, counted and copied, what is not is named, and each row
//! of the table in the guide `operating` ends with a server that serves.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jwtauth::store::{NewValue, ValueKey, ValueStore as _};
use jwtauth::{AccountsConfig, JwtAuthBuilder, PostgresStore, SledStore, StorageConfig};
use serde_json::{Value, json};
use tests::app::{START, TestApp};
use tests::bounded_by;
use tests::postgres::{self, Postgres};
use tests::tab::Tab;
use tests::wire::Tokens;
use tokio_postgres::Client;

use super::client;
use crate::operate::{Run, run};

pub(super) const PASSWORD: &str = "through the looking glass";
pub(super) const LIMIT: Duration = Duration::from_secs(240);

/// Changes a bit of the record in a row.
pub(super) const FLIP: &str = "record = set_byte(record, 9, get_byte(record, 9) # 1)";

fn set(builder: JwtAuthBuilder) -> JwtAuthBuilder {
    let storage = StorageConfig::default().token_registry().keep_events(1_000);
    builder.accounts(AccountsConfig::default().hashers(1)).storage(storage)
}

/// A store in a schema of its own, with two users and two accounts, and a server on it.
pub(super) struct Damaged {
    pub(super) server: Arc<Postgres>,
    pub(super) schema: String,
    pub(super) owner: Client,
    pub(super) app: TestApp,
    pub(super) store: PostgresStore,
    pub(super) folder: tempfile::TempDir,
    alice: Tokens,
    bob: Tokens,
}

impl Damaged {
    pub(super) async fn new(server: &Arc<Postgres>) -> Self {
        let schema = server.schema();
        let store = PostgresStore::connect(server.config().schema(&schema)).await.unwrap();
        let app = TestApp::with(store.clone(), set);
        let tab = Tab::new(&app);
        let accounts = app.jwtauth.accounts().unwrap();
        for name in ["ann", "ben"] {
            accounts.register(name, PASSWORD).await.unwrap();
        }
        let (alice, bob) = (tab.login("alice").await, tab.login("bob").await);
        let value = NewValue::new(ValueKey::from_bytes([7; 32]), vec![1], START, START + 9_000);
        assert!(store.save_value(value).await.unwrap());
        let (owner, folder) = (client(server).await, tempfile::tempdir().unwrap());
        Self { server: Arc::clone(server), schema, owner, app, store, folder, alice, bob }
    }

    /// Changes rows. Returns how many.
    pub(super) async fn change(&self, table: &str, set: &str, which: &str) -> u64 {
        let sql = format!("UPDATE \"{}\".{table} SET {set} WHERE {which}", self.schema);
        self.owner.execute(&sql, &[]).await.unwrap()
    }

    pub(super) fn run(&self, input: &str, arguments: &[&str]) -> Run {
        run(Path::new(&self.server.url()), input, &[&["--schema", &self.schema], arguments].concat())
    }

    pub(super) fn file(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    pub(super) fn repair(&self, aside: &str) -> Run {
        self.run("", &["repair", "--yes", "--aside", &self.file(aside)])
    }

    pub(super) fn doctor(&self) -> Value {
        let said = self.run("", &["doctor", "--json"]);
        serde_json::from_str(&said.out).unwrap_or_else(|_| panic!("{said:?}"))
    }

    /// A server that starts now serves: who was logged in stays so, who logs in does, and accounts too.
    pub(super) async fn serves(&self, accounts: &[&str]) {
        let store = PostgresStore::connect(self.server.config().schema(&self.schema)).await.unwrap();
        let app = TestApp::with(store.clone(), set);
        let tab = Tab::new(&app);
        assert_eq!(tab.get("/me", &self.bob.cookies()).await.status, 200);
        let pair = tab.login("carol").await;
        assert_eq!(tab.post("/refresh", &pair.cookies()).await.status, 200);
        for name in accounts {
            app.jwtauth.accounts().unwrap().verify(name, PASSWORD, None).await.unwrap();
        }
        store.close();
    }
}

/// What is damaged, and how many rows that are.
struct Case {
    what: &'static str,
    table: &'static str,
    set: String,
    which: String,
    /// Whether the record itself can be read.
    is_whole: bool,
}

fn cases(damaged: &Damaged) -> Vec<Case> {
    let session = format!(
        "id = decode('{}', 'hex')",
        damaged.alice.session().as_bytes().iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    );
    let token = format!(
        "(session, place) IN (SELECT session, place FROM \"{}\".tokens WHERE session = (SELECT id FROM \"{}\".sessions WHERE {session}) LIMIT 1)",
        damaged.schema, damaged.schema
    );
    let case = |what, table, set: &str, which: &str, is_whole| Case {
        what,
        table,
        set: set.into(),
        which: which.into(),
        is_whole,
    };
    vec![
        case("a session", "sessions", FLIP, &session, false),
        case("the subject of a session", "sessions", "subject = 'bob'", &session, true),
        case("the expiry of a session", "sessions", "expires_at = expires_at + 9", &session, true),
        case("an account", "accounts", FLIP, "key = 'ben'", false),
        case("the name of an account", "accounts", "key = 'bem'", "key = 'ben'", true),
        case("a value", "kept_values", FLIP, "name = decode(repeat('07', 32), 'hex')", false),
        case(
            "the expiry of a value",
            "kept_values",
            "expires_at = 9",
            "name = decode(repeat('07', 32), 'hex')",
            true,
        ),
        case("a token", "tokens", FLIP, &token, false),
        case("the expiry of a token", "tokens", "expires_at = 9", &token, true),
        case("an event", "events", FLIP, "number = 2", false),
    ]
}

/// O-17: for each kind of row: before the repair all that is whole is served and copied, and after it all is whole.
#[test]
fn o_17_a_damaged_row_stops_nothing_else_and_a_repair_goes_on_from_there() {
    let Some(server) = postgres::shared() else { return };
    bounded_by(LIMIT, async {
        let count = cases(&Damaged::new(&server).await).len();
        for number in 0..count {
            let damaged = Damaged::new(&server).await;
            let case = cases(&damaged).remove(number);
            let what = case.what;
            assert_eq!(damaged.change(case.table, &case.set, &case.which).await, 1, "{what}");
            before(&damaged, &case).await;

            let asked = damaged.run("", &["repair"]);
            assert_eq!((asked.code, asked.err.contains("add --yes")), (1, true), "{what}: {asked:?}");
            let done = damaged.repair("rows");
            assert_eq!(done.code, 0, "{what}: {done:?}");
            let kept = fs::read_to_string(damaged.file("rows")).unwrap();
            let line: Value = serde_json::from_str(kept.trim()).unwrap();
            assert_eq!(line["table"], case.table, "{what}: {kept}");
            let record = line["columns"]["record"].as_str().unwrap();
            assert!(record.starts_with("\\x") && record.len() > 20, "{what}: {kept}");
            let mode = fs::metadata(damaged.file("rows")).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{what}");

            let looked = damaged.doctor();
            assert_eq!(
                (&looked["condition"], &looked["unreadable_rows"]),
                (&json!("whole"), &json!(0)),
                "{what}"
            );
            let again = damaged.repair("again");
            assert!(
                again.out.contains("nothing was done") && !Path::new(&damaged.file("again")).exists(),
                "{what}"
            );
            assert_eq!(damaged.run("", &["backup", &damaged.file("whole")]).code, 0, "{what}");
            let tab = Tab::new(&damaged.app);
            let is_in = !what.ends_with("session");
            let status = tab.get("/me", &damaged.alice.cookies()).await.status;
            assert_eq!(status == 200, is_in, "{what}: {status}");
            let everybody: &[&str] = if what == "an account" { &["ann"] } else { &["ann", "ben"] };
            damaged.serves(everybody).await;
        }
    });
}

/// What is true while the row is damaged.
async fn before(damaged: &Damaged, case: &Case) {
    let what = case.what;
    let is_of = |table: &str| case.table == table;
    damaged.serves(&["ann"]).await;
    // Whoever watches a store reads the code only.
    let status = damaged.run("", &["status", "--json"]).json_with(4);
    assert_eq!(status[0]["unreadable"], 1, "{what}: {status:?}");
    let said = damaged.run("", &["status"]);
    assert!(said.out.contains("1 record damaged") && said.out.contains("jwtauth doctor"), "{what}: {said:?}");
    for (list, table, all) in [("accounts", "accounts", 2), ("sessions", "sessions", 3)] {
        let listed = damaged.run("", &[list, "list", "--json"]);
        let shown = listed.json_with(if is_of(table) { 4 } else { 0 }).len();
        assert_eq!(listed.err.contains("damaged, and not in this list"), is_of(table), "{what}: {listed:?}");
        assert_eq!(shown, if is_of(table) { all - 1 } else { all }, "{what}: {listed:?}");
    }
    let looked = damaged.run("", &["doctor", "--json"]);
    assert_eq!(looked.code, 1, "{what}: {looked:?}");
    let json = damaged.doctor();
    assert_eq!(
        (&json["condition"], &json["unreadable_rows"]),
        (&json!("damaged"), &json!(1)),
        "{what}: {json}"
    );
    assert_eq!(json["unreadable"][0]["table"], case.table, "{what}: {json}");
    assert!(json["next"][0].as_str().unwrap().starts_with("jwtauth repair"), "{what}: {json}");

    // A copy has all that is whole, and says what it lacks. It takes the place of none that may have more.
    let is_copied = case.is_whole && (is_of("kept_values") || is_of("tokens"));
    let (backup, export) = (damaged.file("backup"), damaged.file("export"));
    fs::write(&backup, "the one of yesterday").unwrap();
    let taken = damaged.run("", &["backup", "--yes", "--json", &backup]);
    let exported = damaged.run("", &["export", "--json", &export]);
    for (done, of) in [(&taken, "backup"), (&exported, "export")] {
        let code = if is_copied { 0 } else { 4 };
        assert_eq!(
            (done.code, done.err.contains("1 record of the store cannot be read")),
            (code, code == 4),
            "{what}: {of} {done:?}"
        );
        let json: Value = serde_json::from_str(&done.out).unwrap();
        assert_eq!(json["unreadable"], u64::from(!is_copied), "{what}: {of}");
    }
    let (whole, incomplete) = (fs::read(&backup).unwrap(), format!("{backup}.incomplete"));
    assert_eq!(
        (whole == b"the one of yesterday", Path::new(&incomplete).exists()),
        (!is_copied, !is_copied),
        "{what}"
    );
    let copy = if is_copied { backup } else { incomplete };
    let path = damaged.folder.path().join("restored");
    let restored = run(&path, "", &["restore", &copy]);
    assert_eq!(
        (restored.code, restored.err.contains("it lacks them")),
        (0, !is_copied),
        "{what}: {restored:?}"
    );
    let imported = damaged.folder.path().join("imported");
    drop(SledStore::open(&imported).await.unwrap());
    let came = run(&imported, "", &["import", &export]);
    assert_eq!(came.code, 0, "{what}: {came:?}");
    for path in [path, imported] {
        let app = TestApp::with(SledStore::open(&path).await.unwrap(), set);
        app.jwtauth.accounts().unwrap().verify("ann", PASSWORD, None).await.unwrap();
    }

    // Nothing of it is left behind by a migration without a word.
    let target = damaged.file("elsewhere");
    let moved = damaged.run("", &["migrate", &damaged.server.url(), &target, "--stopped", "--keep-source"]);
    let (code, says) = if is_copied { (0, false) } else { (1, true) };
    assert_eq!((moved.code, moved.err.contains("jwtauth repair")), (code, says), "{what}: {moved:?}");
    assert_eq!(Path::new(&target).join("db").exists(), is_copied, "{what}: there is no store without them");
}
