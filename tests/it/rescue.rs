//! What becomes of a store that is damaged: `jwtauth doctor` and `jwtauth repair`.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use jwtauth::store::operate::{self, Condition, Diagnosis, RecordCounts, RepairOptions, Repaired};
use jwtauth::store::{
    AccountStore as _, LoginEffects, NewValue, PasswordHash, Revocation, SessionState, SessionStore as _,
    StoredAccount, ValueKey, ValueStore as _,
};
use jwtauth::{AccountsConfig, Device, JwtAuth, RevocationReason, SledStore};
use tests::numbers::Numbers;
use tests::{bounded, bounded_by};

use crate::operate::{Run, run, run_in};

mod bad_sectors;
mod copies;
mod cut_files;
mod dead_ends;
mod doubt;
mod flips;
mod lost_accounts;
mod moved_blocks;
mod no_dead_end;
mod no_room;
mod wrong_kinds;

const PASSWORD: &str = "through the looking glass";
const OLD_PASSWORD: &str = "down the rabbit hole";

fn jwtauth_on(store: SledStore) -> JwtAuth {
    let builder =
        JwtAuth::builder().secret(tests::app::SECRET).accounts(AccountsConfig::default().hashers(1));
    builder.build(store).unwrap()
}

fn doctor(path: &Path) -> Diagnosis {
    operate::doctor(path, &|_| ControlFlow::Continue(())).unwrap()
}

/// Accounts stay as they can be read, so that they can be compared.
fn repair(path: &Path) -> Repaired {
    let options = RepairOptions::default().keep_accounts(true);
    operate::repair(path, options, &|_| ControlFlow::Continue(())).unwrap()
}

/// Types a command as it was said, in a shell, with `--yes`, which the program leaves to whoever reads it.
fn typed(command: &str) -> Run {
    typed_as_it_is(&format!("{command} --yes"))
}

/// Types a command as it was said, in a shell.
fn typed_as_it_is(command: &str) -> Run {
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_jwtauth_program"), folder.path().join("jwtauth")).unwrap();
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
    let output = std::process::Command::new("sh")
        .args(["-c", command])
        .env("PATH", path)
        .env_remove("JWTAUTH_STORE")
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Run { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}

/// Returns the command in backquotes that begins so in what was said.
fn command_in<'a>(said: &'a str, start: &str) -> &'a str {
    let from = said.find(&format!("`{start}")).unwrap_or_else(|| panic!("{start}: {said}"));
    said[from + 1..].split('`').next().unwrap()
}

/// Makes a store with sessions, accounts and values. Alice has changed her password and logged out once.
async fn make(path: &Path, sessions: u8) {
    let store = SledStore::open(path).await.unwrap();
    let jwtauth = jwtauth_on(store.clone());
    let accounts = jwtauth.accounts().unwrap();
    let alice = accounts.register("alice", OLD_PASSWORD).await.unwrap();
    jwtauth.sessions().login(&alice, Device::default()).await.unwrap();
    accounts.set_password(alice.id, PASSWORD).await.unwrap();
    let bob = accounts.register("bob", PASSWORD).await.unwrap();
    jwtauth.sessions().login(&bob, Device::default()).await.unwrap();
    for number in 0..sessions {
        let mut session = jwtauth::testing::session(number, &format!("user {}", number % 7));
        (session.expires_at, session.absolute_expires_at) = (u64::MAX / 4, u64::MAX / 4);
        store.insert(session.clone(), LoginEffects::default()).await.unwrap();
        if number % 5 == 0 {
            let logout = Revocation { at: 200, reason: RevocationReason::Logout };
            assert!(store.revoke(session.id, logout).await.unwrap());
        }
        let key = ValueKey::from_bytes([number; ValueKey::LEN]);
        let value = if number % 2 == 0 { Vec::new() } else { format!("{{\"user\":{number}}}").into_bytes() };
        assert!(store.save_value(NewValue::new(key, value, 100, u64::MAX / 4)).await.unwrap());
        let hash = PasswordHash::from_phc("$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA".into());
        let (id, name) = (jwtauth::AccountId::from_bytes([number; 16]), format!("user {number:03}"));
        let account = StoredAccount::new(id, name.clone(), name, hash, 100);
        assert!(store.create_account(account).await.unwrap());
    }
    drop(jwtauth);
}

/// Copies a store into the place of another one.
fn copy(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    tests::raw::copy(from, to);
}

/// Flips one bit of a file.
fn flip(path: &Path, at: u64, bit: u32) {
    let file = OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ (1 << bit)], at).unwrap();
}

async fn logs_in(path: &Path, name: &str, password: &str) -> bool {
    let jwtauth = jwtauth_on(SledStore::open(path).await.unwrap());
    jwtauth.accounts().unwrap().verify(name, password, None).await.is_ok()
}

/// As somebody does it at night who knows only what the program says.
#[test]
fn a_damaged_store_is_brought_back_at_a_terminal() {
    bounded_by(std::time::Duration::from_secs(120), async {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        make(&path, 40).await;
        let whole = run(&path, "", &["doctor"]);
        assert_eq!((whole.code, whole.out.contains("is whole")), (0, true), "{whole:?}");
        assert!(run(&path, "", &["repair", "--yes"]).out.contains("nothing was done"));

        // A bit of the record of an account.
        let bytes = fs::read(path.join("db")).unwrap();
        let at = bytes.windows(8).rposition(|window| window == b"user 007").unwrap();
        flip(&path.join("db"), at as u64, 0);
        let refused = run(&path, "", &["status"]);
        assert_eq!((refused.code, refused.err.contains("panicked")), (3, false), "{refused:?}");
        let damaged = run(&path, "", &["doctor", "--json"]);
        assert_eq!(damaged.code, 1, "{damaged:?}");
        let json: serde_json::Value = serde_json::from_str(damaged.out.trim()).unwrap();
        assert_eq!(json["condition"], "damaged", "{json}");
        assert!(json["next"][0].as_str().unwrap().starts_with("jwtauth repair --store "), "{json}");
        let asked = run(&path, "", &["repair"]);
        assert_eq!((asked.code, asked.err.contains("add --yes")), (1, true), "{asked:?}");
        let Run { code, out, err } = run(&path, "", &["repair", "--yes"]);
        assert_eq!((code, out.contains("was written anew")), (0, true), "{out}{err}");
        assert_eq!(run(&path, "", &["doctor"]).code, 0);
        assert!(path.join("aside").join("damaged").join("db").is_file(), "{out}");
        assert!(logs_in(&path, "alice", PASSWORD).await);
        assert!(!logs_in(&path, "alice", OLD_PASSWORD).await);
    });
}

#[test]
fn a_store_that_is_open_or_not_there_cannot_be_looked_at() {
    bounded(async {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        let missing = run(&path, "", &["doctor"]);
        assert_eq!((missing.code, path.exists()), (2, false), "{missing:?}");
        make(&path, 1).await;
        let store = SledStore::open(&path).await.unwrap();
        let open = run(&path, "", &["doctor"]);
        assert_eq!((open.code, open.out.contains("stop the server")), (2, true), "{open:?}");
        assert_eq!(run(&path, "", &["repair", "--yes"]).code, 3);
        drop(store);
    });
}
