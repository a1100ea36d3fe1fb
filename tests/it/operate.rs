//! The program `jwtauth`, as somebody uses it at a terminal and in a script.

mod backups;
mod exports;
mod mistakes;
mod odd_inputs;
mod wrong_files;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use jwtauth::{AccountsConfig, Device, JwtAuth, MemoryStore, StorageConfig};
use serde_json::{Value, json};
use tests::bounded;

/// What a run of the program said, and its exit code.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Run {
    /// The lines of its answer, as JSON.
    pub(crate) fn json(&self) -> Vec<Value> {
        self.json_with(0)
    }

    /// Likewise, if it has ended with this code.
    pub(crate) fn json_with(&self, code: i32) -> Vec<Value> {
        assert_eq!(self.code, code, "{self:?}");
        self.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

pub(crate) fn run(store: &Path, input: &str, arguments: &[&str]) -> Run {
    run_in(&[], store, input, arguments)
}

/// Likewise, with some variables set.
pub(crate) fn run_in(env: &[(&str, String)], store: &Path, input: &str, arguments: &[&str]) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jwtauth_program"));
    command.args(arguments).env("JWTAUTH_STORE", store).env("RUST_BACKTRACE", "0");
    command.envs(env.iter().map(|(name, value)| (name, value)));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A program that reads nothing may be gone by now.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Run { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}

/// Makes a store with two accounts, each of which is logged in twice.
async fn store(folder: &Path) -> PathBuf {
    let path = folder.join("store");
    let builder = JwtAuth::builder().secret(tests::app::SECRET).accounts(AccountsConfig::default());
    let jwtauth = builder.open(&path).await.unwrap();
    for name in ["alice", "bob"] {
        let account = jwtauth.accounts().unwrap().register(name, "through the looking glass").await.unwrap();
        for _ in 0..2 {
            jwtauth.sessions().login(&account, Device::default()).await.unwrap();
        }
    }
    path
}

fn count(store: &Path, what: &str) -> Value {
    run(store, "", &["status", "--json"]).json()[0][what].clone()
}

#[test]
fn an_operator_looks_and_ends_sessions() {
    bounded(async {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path()).await;
        let status = run(&store, "", &["status"]);
        assert!(status.out.starts_with("live sessions           4\n"), "{status:?}");
        assert_eq!((count(&store, "live_subjects"), count(&store, "accounts")), (json!(2), json!(2)));
        let all = run(&store, "", &["sessions", "list", "--json"]).json();
        let of_alice = run(&store, "", &["--json", "sessions", "list", "--of", "alice"]).json();
        assert_eq!((all.len(), of_alice.len()), (4, 2));
        let subject = of_alice[0]["subject"].as_str().unwrap();
        let table = run(&store, "", &["sessions", "list", "--of", subject]).out;
        assert_eq!(table.lines().count(), 3, "{table}");
        assert!(table.lines().next().unwrap().trim_start().starts_with("ID "), "{table}");

        // Somebody whose name is the id of another account does not take the place of that account.
        assert_eq!(run(&store, "through the looking glass\n", &["accounts", "add", subject]).code, 0);
        assert_eq!(run(&store, "", &["sessions", "list", "--json", "--of", subject]).json(), of_alice);
        // An id may begin with a hyphen.
        let odd = run(&store, "", &["sessions", "show", "-AAAAAAAAAAAAAAAAAAAAA"]);
        assert_eq!((odd.code, odd.err.contains("there is no session -AAAA")), (1, true), "{odd:?}");

        // One, then all of a user, then all.
        let id = of_alice[0]["id"].as_str().unwrap();
        let unknown = "AAAAAAAAAAAAAAAAAAAAAA";
        let mistyped = run(&store, "", &["sessions", "revoke", id, unknown]);
        assert_eq!(mistyped.code, 1);
        assert!(mistyped.err.contains(unknown) && mistyped.out.is_empty(), "{mistyped:?}");
        assert_eq!(count(&store, "live_sessions"), json!(4), "all or nothing");
        assert_eq!(run(&store, "", &["sessions", "revoke", id]).out, "1 session revoked\n");
        let shown = run(&store, "", &["sessions", "show", id]).out;
        assert!(shown.contains("state      revoked\n") && shown.contains(", requested\n"), "{shown}");
        let revoked = run(&store, "", &["sessions", "revoke", "--all-of", "bob", "--json"]).json();
        assert_eq!(revoked, [json!({"revoked": 2})]);
        let asked = run(&store, "", &["sessions", "revoke", "--all"]);
        assert_eq!((asked.code, asked.err.contains("add --yes")), (1, true), "{asked:?}");
        assert_eq!(count(&store, "live_sessions"), json!(1));
        assert_eq!(run(&store, "", &["sessions", "revoke", "--all", "--yes"]).out, "1 session revoked\n");
        assert_eq!((count(&store, "live_sessions"), count(&store, "sessions_over")), (json!(0), json!(4)));
    });
}

#[test]
fn an_operator_changes_accounts() {
    bounded(async {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path()).await;
        let names = || -> Vec<Value> {
            let all = run(&store, "", &["accounts", "list", "--json"]).json();
            all.iter().map(|account| json!([account["name"], account["roles"], account["active"]])).collect()
        };
        let added = run(&store, "a long new password\n", &["accounts", "add", "carol", "--role", "admin"]);
        assert_eq!(added.code, 0, "{added:?}");
        let all = [json!(["alice", [], true]), json!(["bob", [], true]), json!(["carol", ["admin"], true])];
        assert_eq!(names(), all);
        for (input, arguments, said) in [
            ("short\n", &["accounts", "add", "dora"][..], "fewer than 8"),
            ("\n", &["accounts", "add", "dora"], "fewer than 8"),
            ("", &["accounts", "add", "dora"], "standard input is empty"),
            ("a long new password\n", &["accounts", "add", "CAROL"], "taken"),
            ("a long new password\n", &["accounts", "add", "dora", "--role", "a\u{1}b"], "control character"),
            ("a long new password\n", &["accounts", "password", "nobody"], "there is no account \"nobody\""),
            ("", &["accounts", "remove", "carol"], "add --yes"),
        ] {
            let refused = run(&store, input, arguments);
            assert_eq!((refused.code, &*refused.out), (1, ""), "{arguments:?} {refused:?}");
            assert!(refused.err.contains(said) && !refused.err.contains("a long new"), "{refused:?}");
        }
        assert_eq!(names(), all, "nothing was changed");
        assert_eq!(run(&store, "another long one\n", &["accounts", "password", "alice"]).code, 0);
        assert_eq!(run(&store, "", &["accounts", "disable", "bob"]).code, 0);
        assert_eq!(run(&store, "", &["accounts", "roles", "alice", "editor", "admin"]).code, 0);
        assert_eq!(run(&store, "", &["accounts", "roles", "carol"]).code, 1, "that takes all away");
        assert_eq!(run(&store, "", &["accounts", "roles", "carol", "--yes"]).code, 0);
        assert_eq!(count(&store, "live_sessions"), json!(0), "both had theirs ended");
        assert_eq!(run(&store, "", &["accounts", "remove", "carol", "--yes"]).code, 0);
        assert_eq!(names(), [json!(["alice", ["editor", "admin"], true]), json!(["bob", [], false])]);
        assert_eq!(run(&store, "", &["accounts", "enable", "bob"]).code, 0);

        // As the server sees it.
        let builder = JwtAuth::builder().secret(tests::app::SECRET).accounts(AccountsConfig::default());
        let jwtauth = builder.open(&store).await.unwrap();
        let accounts = jwtauth.accounts().unwrap();
        accounts.verify("alice", "through the looking glass", None).await.unwrap_err();
        accounts.verify("alice", "another long one", None).await.unwrap();
        accounts.verify("bob", "through the looking glass", None).await.unwrap();
        drop(jwtauth);
        // One without a socket is running, so the program says what to do.
        let builder = JwtAuth::builder()
            .secret(tests::app::SECRET)
            .storage(StorageConfig::default().operator_socket(false));
        let _server = builder.open(&store).await.unwrap();
        let locked = run(&store, "", &["status"]);
        assert_eq!((locked.code, locked.err.contains("or stop it")), (3, true), "{locked:?}");
    });
}

#[test]
fn what_is_no_store_is_not_made_one() {
    bounded(async {
        let folder = tempfile::tempdir().unwrap();
        let missing = run(&folder.path().join("none"), "", &["status"]);
        assert_eq!((missing.code, missing.err.contains("there is no store")), (1, true), "{missing:?}");
        let empty = folder.path().join("empty");
        std::fs::create_dir(&empty).unwrap();
        let refused = run(&empty, "", &["status"]);
        assert_eq!((refused.code, refused.err.contains("there is no store")), (1, true), "{refused:?}");
        assert_eq!(std::fs::read_dir(&empty).unwrap().count(), 0);
        assert_eq!(run(&empty, "", &["sessions", "revoke"]).code, 2);
        let secret = run(&empty, "", &["keys", "new"]).out;
        assert_eq!(secret.trim().len(), 64);
        JwtAuth::builder().secret(secret.trim()).build(MemoryStore::new()).unwrap();
    });
}
