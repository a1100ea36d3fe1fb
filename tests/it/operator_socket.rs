//! The program `jwtauth` beside a running server: the socket in the directory of the store, and who may use it.
//!
//! `attacks` has what a foreign program may do to the server, and `whole_files` what is about all
//! that the store keeps.

mod attacks;
mod copies;
mod limits;
mod whole_files;

use std::fs::{self, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use jwtauth::{AccountsConfig, Device, JwtAuth, JwtAuthBuilder, SledConfig, SledStore, StorageConfig};
use serde_json::{Value, json};
use tests::app::{SECRET, START, TestApp};
use tests::bounded;
use tests::tab::Tab;

/// What a run of the program said, and its exit code.
#[derive(Debug)]
struct Said {
    code: i32,
    out: String,
    err: String,
}

impl Said {
    /// The lines of its answer, as JSON.
    fn json(&self) -> Vec<Value> {
        assert_eq!(self.code, 0, "{self:?}");
        self.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

fn ask(store: &Path, input: &str, arguments: &[&str]) -> Said {
    ask_as(None, store, input, arguments)
}

fn ask_as(user: Option<u32>, store: &Path, input: &str, arguments: &[&str]) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jwtauth_program"));
    command.args(arguments).env("JWTAUTH_STORE", store).env("RUST_BACKTRACE", "0");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    if let Some(user) = user {
        command.uid(user).gid(user);
    }
    let mut child = command.spawn().unwrap();
    // A program that reads nothing may be gone by now.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Said { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}

async fn app(path: &Path, set: impl FnOnce(JwtAuthBuilder) -> JwtAuthBuilder) -> TestApp {
    TestApp::with(SledStore::open(path).await.unwrap(), set)
}

fn builder() -> JwtAuthBuilder {
    JwtAuth::builder().secret(SECRET).accounts(AccountsConfig::default())
}

/// What the socket of a store is called.
fn socket_of(store: &Path) -> std::path::PathBuf {
    store.join("socket")
}

fn is_socket(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket())
}

/// O-6: what the program does is done in the server.
#[test]
fn o_6_a_revocation_is_seen_by_the_next_request() {
    bounded(async {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        let app = app(&path, |builder| builder).await;
        let tab = Tab::new(&app);
        let (one, other) = (tab.login("alice").await, tab.login("bob").await);
        assert_eq!(tab.get("/me", &one.cookies()).await.status, 200);

        let id = one.session().to_string();
        let revoked = ask(&path, "", &["sessions", "revoke", &id]);
        assert_eq!((revoked.code, &*revoked.out), (0, "1 session revoked\n"), "{revoked:?}");
        assert_eq!(tab.get("/me", &one.cookies()).await.status, 401);
        assert_eq!(tab.get("/me", &other.cookies()).await.status, 200);

        let revoked = ask(&path, "", &["sessions", "revoke", "--all-of", "bob"]);
        assert_eq!(revoked.out, "1 session revoked\n", "{revoked:?}");
        assert_eq!(tab.get("/me", &other.cookies()).await.status, 401);
    });
}

/// O-6: the settings of the server count, its hooks hear of it, and its counter counts.
#[test]
fn o_6_the_settings_of_the_server_count() {
    bounded(async {
        let folder = tempfile::tempdir().unwrap();
        let (path, counter) = (folder.path().join("store"), folder.path().join("elsewhere/counter"));
        let heard = Arc::new(Mutex::new(Vec::new()));
        let hear = Arc::clone(&heard);
        let config = AccountsConfig::default().min_password(12);
        let builder = JwtAuth::builder().secret(SECRET).accounts(config).on_event(move |event| {
            hear.lock().unwrap().push(event.name());
            async {}
        });
        let server = builder.open(SledConfig::new(&path).rollback_counter(&counter)).await.unwrap();

        let refused = ask(&path, "elevenchars\n", &["accounts", "add", "ann"]);
        assert_eq!((refused.code, refused.err.contains("fewer than 12")), (1, true), "{refused:?}");
        let before = fs::read(&counter).unwrap();
        let added = ask(&path, "twelve chars\n", &["accounts", "add", "ann", "--role", "admin", "--json"]);
        assert_eq!(added.json()[0]["roles"], json!(["admin"]), "{added:?}");
        assert_ne!(fs::read(&counter).unwrap(), before, "the change is counted");
        let taken = ask(&path, "", &["accounts", "add", "ANN"]);
        assert_eq!((taken.code, taken.err.contains("taken")), (1, true), "{taken:?}");

        let accounts = server.accounts().unwrap();
        let ann = accounts.verify("ann", "twelve chars", None).await.unwrap();
        server.sessions().login(&ann, Device::default()).await.unwrap();
        assert_eq!(ask(&path, "another one 123\n", &["accounts", "password", "ann"]).code, 0);
        accounts.verify("ann", "twelve chars", None).await.unwrap_err();
        accounts.verify("ann", "another one 123", None).await.unwrap();
        assert!(server.sessions().list(&ann.id.to_string()).await.unwrap().is_empty());
        assert_eq!(ask(&path, "", &["accounts", "roles", "ann", "editor"]).code, 0);
        assert_eq!(ask(&path, "", &["accounts", "disable", "ann"]).code, 0);
        assert_eq!(ask(&path, "", &["accounts", "enable", "ann"]).code, 0);
        let gone = ask(&path, "", &["accounts", "password", "nobody"]);
        assert_eq!((gone.code, gone.err.contains("there is no account \"nobody\"")), (1, true), "{gone:?}");
        assert_eq!(ask(&path, "", &["accounts", "remove", "ann", "--yes"]).code, 0);
        assert!(accounts.list(None, 10).await.unwrap().is_empty());
        let heard = heard.lock().unwrap();
        for name in [
            "account_registered",
            "password_set",
            "roles_set",
            "account_disabled",
            "account_enabled",
            "account_removed",
        ] {
            assert!(heard.contains(&name), "{name} in {heard:?}");
        }
    });
}

/// O-6: who answers is said, and lists are whole, however long.
#[test]
fn o_6_status_and_long_lists_come_from_the_server() {
    bounded(async {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        let server = builder().max_sessions(1_000).open(&path).await.unwrap();
        let mut logins = tokio::task::JoinSet::new();
        for number in 0..600 {
            let server = server.clone();
            // One of them has more sessions than a page; the others have one each.
            let user = if number < 300 { "many".to_owned() } else { format!("user-{number}") };
            logins.spawn(async move {
                let user = tests::app::User { name: user, roles: vec!["x".repeat(1_000)] };
                server.sessions().login(&user, Device::default()).await.unwrap().session.id.to_string()
            });
        }
        let mut opened = logins.join_all().await;
        opened.sort();
        let ids = |said: &Said| {
            let mut ids: Vec<_> =
                said.json().iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect();
            ids.sort();
            ids
        };
        let all = ids(&ask(&path, "", &["sessions", "list", "--over", "--json"]));
        assert!(all == opened, "each of them once: {} of {}", all.len(), opened.len());
        let live = ids(&ask(&path, "", &["sessions", "list", "--json"]));
        let many = ids(&ask(&path, "", &["sessions", "list", "--over", "--of", "many", "--json"]));
        assert_eq!((live.len(), many.len()), (600, 300));

        let status = ask(&path, "", &["status", "--json"]).json().remove(0);
        assert_eq!((&status["live_sessions"], &status["accounts"]), (&json!(600), &json!(0)));
        assert_eq!(status["server"]["pid"], json!(std::process::id()));
        let shown = ask(&path, "", &["status"]).out;
        assert!(shown.contains(&format!("process {}, up for", std::process::id())), "{shown}");

        assert_eq!(ask(&path, "", &["sessions", "revoke", "--all", "--yes"]).out, "600 sessions revoked\n");
        assert!(server.sessions().list("many").await.unwrap().is_empty());
        drop(server);
        let status = ask(&path, "", &["status", "--json"]).json().remove(0);
        assert_eq!((&status["live_sessions"], &status["server"]), (&json!(0), &Value::Null));
    });
}

/// O-5: the socket is gone before the store is closed, and keeps it open for nobody.
#[test]
fn o_5_the_socket_keeps_no_store_open() {
    bounded(async {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        let socket = socket_of(&path);
        let at_once = || SledConfig::new(&path).lock_timeout(Duration::ZERO);
        let server = builder().open(at_once()).await.unwrap();
        assert!(is_socket(&socket));
        assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
        // It says nothing, and stays.
        let idle = UnixStream::connect(&socket).unwrap();
        assert_eq!(ask(&path, "", &["status"]).code, 0);
        drop(server);
        assert!(!socket.exists());
        let server = builder().open(at_once()).await.expect("the lock is free at once");
        drop(idle);

        // A second server that cannot open the store leaves the socket alone.
        let locked = builder().open(at_once()).await.unwrap_err().to_string();
        assert!(locked.contains("session store"), "{locked}");
        assert_eq!(ask(&path, "", &["status"]).code, 0);

        // Two values on one store: the first has the socket, for as long as it lives.
        let store = reopened(server, &path).await;
        let (first, second) = (builder().build(store.clone()), builder().build(store.clone()));
        drop(second);
        assert!(is_socket(&socket));
        assert_eq!(ask(&path, "", &["status"]).code, 0);
        drop(first);
        assert!(!socket.exists());

        // What somebody else has put there stays.
        let server = builder().build(store.clone()).unwrap();
        fs::rename(&socket, path.join("aside-socket")).unwrap();
        fs::write(&socket, "mine").unwrap();
        drop(server);
        assert_eq!(fs::read_to_string(&socket).unwrap(), "mine");
        fs::remove_file(&socket).unwrap();
        fs::remove_file(path.join("aside-socket")).unwrap();

        // Switched off.
        let server =
            builder().storage(StorageConfig::default().operator_socket(false)).build(store.clone()).unwrap();
        assert!(!socket.exists());
        drop((server, store));

        // The socket of a server that was killed: the program opens the store, and the next server takes its place.
        drop(UnixListener::bind(&socket).unwrap());
        assert!(is_socket(&socket));
        let status = ask(&path, "", &["status", "--json"]).json();
        assert_eq!(status[0]["server"], Value::Null);
        let server = builder().open(at_once()).await.unwrap();
        let status = ask(&path, "", &["status", "--json"]).json();
        assert_eq!(status[0]["server"]["pid"], json!(std::process::id()));
        drop(server);
    });
}

/// Closes a server and opens its store again.
async fn reopened(server: JwtAuth, path: &Path) -> SledStore {
    drop(server);
    SledStore::open(path).await.unwrap()
}

/// O-4: a path that is too long for a socket is none for the program.
#[test]
fn o_4_a_long_path_will_do() {
    bounded(async {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("long".repeat(30)).join("names".repeat(30)).join("store");
        let server = builder().open(&path).await.unwrap();
        let status = ask(&path, "", &["status", "--json"]).json();
        assert_eq!(status[0]["server"]["pid"], json!(std::process::id()));
        drop(server);
        assert!(!socket_of(&path).exists());
    });
}

/// O-4: what is in the way of the socket is not in the way of the server.
#[test]
fn o_4_what_is_in_the_way_of_the_socket_is_left_alone() {
    type Put = fn(&Path);
    let cases: [(&str, Put); 3] = [
        ("a directory", |socket| fs::create_dir(socket).unwrap()),
        ("a file", |socket| fs::write(socket, "of somebody").unwrap()),
        ("a link", |socket| std::os::unix::fs::symlink("/nowhere", socket).unwrap()),
    ];
    for (name, put) in cases {
        tests::log::logged(async |log| {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("store");
            drop(SledStore::open(&path).await.unwrap());
            put(&socket_of(&path));
            let server = builder().open(&path).await.unwrap_or_else(|error| panic!("{name}: {error}"));
            server.sessions().login(&tests::app::User::named("alice"), Device::default()).await.unwrap();
            let said = log.text();
            assert!(
                said.contains("cannot be opened, so that works only while this server is stopped"),
                "{said}"
            );
            assert!(said.contains("something else has its name"), "{said}");
            let before = fs::symlink_metadata(socket_of(&path)).unwrap().file_type();
            let asked = path.clone();
            let refused = tokio::task::spawn_blocking(move || ask(&asked, "", &["status"])).await.unwrap();
            assert_eq!((refused.code, refused.err.contains("offers no socket")), (3, true), "{refused:?}");
            drop(server);
            assert_eq!(fs::symlink_metadata(socket_of(&path)).unwrap().file_type(), before, "{name}");
        });
    }
}

/// O-4: a runtime without an I/O driver cannot listen, and serves all the same.
#[test]
fn o_4_a_runtime_that_cannot_listen_serves() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    runtime.block_on(async {
        let server = builder().open(&path).await.unwrap();
        let alice = tests::app::User::named("alice");
        server.sessions().login(&alice, Device::default()).await.unwrap();
        assert_eq!(server.sessions().list("alice").await.unwrap().len(), 1);
    });
    assert!(!socket_of(&path).exists());
}

/// O-7: a server that hangs is reported, within a few seconds. Nothing else is tried.
#[test]
fn o_7_a_server_that_hangs_is_told_of() {
    bounded(async {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        drop(builder().open(&path).await.unwrap());
        // It takes connections, and answers nothing.
        let hanging = UnixListener::bind(socket_of(&path)).unwrap();
        let start = Instant::now();
        let said = ask(&path, "", &["sessions", "revoke", "--all", "--yes"]);
        assert_eq!(said.code, 3, "{said:?}");
        assert!(said.err.contains("does not answer within 5s") && said.err.contains("stop it"), "{said:?}");
        assert!((5..15).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
        drop(hanging);
        assert_eq!(ask(&path, "", &["status"]).code, 0, "the next one opens the store");
    });
}

/// O-5, O-7: a server of its own process, stopped and killed.
#[test]
fn o_5_o_7_a_server_that_is_stopped_or_killed() {
    bounded(async {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sessions");
        let server = crate::quickstart().data(folder.path()).start();
        let browser = tests::browser::Browser::new(&server.url);
        assert_eq!(browser.login("alice", "wonderland").await.status(), 200);
        let status = || ask(&path, "", &["status", "--json"]);
        let first = status().json().remove(0);
        assert_eq!((&first["server"]["pid"], &first["live_sessions"]), (&json!(server.id()), &json!(1)));

        tests::program::send("STOP", server.id());
        let stopped = ask(&path, "", &["sessions", "revoke", "--all", "--yes"]);
        tests::program::send("CONT", server.id());
        assert!(stopped.code == 3 && stopped.err.contains("does not answer within 5s"), "{stopped:?}");
        assert_eq!(ask(&path, "", &["sessions", "revoke", "--all", "--yes"]).code, 0);
        assert_eq!(browser.get("/me").await.status(), 401);

        server.kill();
        assert!(is_socket(&socket_of(&path)), "nobody has removed it");
        let alone = status().json().remove(0);
        assert_eq!((&alone["server"], &alone["live_sessions"]), (&Value::Null, &json!(0)));
        let server = crate::quickstart().data(folder.path()).start();
        assert_eq!(status().json()[0]["server"]["pid"], json!(server.id()));
        assert!(server.terminate().0.success());
        assert!(!socket_of(&path).exists(), "it was removed in order");
    });
}

/// O-7: what takes longer than the program waits for a sign of life is waited for, because there is one.
#[test]
fn o_7_a_slow_request_is_waited_for() {
    bounded(async {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        let slow = |_| tokio::time::sleep(Duration::from_secs(7));
        let server = builder().on_event(slow).open(&path).await.unwrap();
        let alice = tests::app::User::named("alice");
        server.sessions().login(&alice, Device::default()).await.unwrap();
        let start = Instant::now();
        let said = ask(&path, "", &["sessions", "revoke", "--all-of", "alice"]);
        assert_eq!((said.code, &*said.out), (0, "1 session revoked\n"), "{said:?}");
        assert!(start.elapsed() >= Duration::from_secs(7), "{:?}", start.elapsed());
    });
}
