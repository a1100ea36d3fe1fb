//! Backups: taken while the store changes, cut, changed, killed half-way, and restored on an empty machine.

use std::fs;
use std::io::{BufRead as _, BufReader, Cursor};
use std::ops::ControlFlow;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use jwtauth::store::operate::{self, BackupFile, OperateError, Progress, RestoreOptions};
use jwtauth::store::{NewValue, SessionStore, ValueKey};
use jwtauth::{SessionId, SledConfig, SledStore};
use tests::bounded_by;
use tests::numbers::spread;

use super::*;

const PASSWORD: &str = "through the looking glass";
const GO_ON: &(dyn Fn(Progress) -> ControlFlow<()> + Send + Sync) = &|_| ControlFlow::Continue(());

fn builder() -> jwtauth::JwtAuthBuilder {
    JwtAuth::builder().secret(tests::app::SECRET).accounts(AccountsConfig::default())
}

async fn is_live(store: &SledStore, id: SessionId, now: u64) -> bool {
    store.load(id).await.unwrap().is_some_and(|session| session.is_live_at(now))
}

async fn taken(store: &SledStore, now: u64) -> Vec<u8> {
    let store: Arc<dyn SessionStore> = Arc::new(store.clone());
    let mut bytes = Vec::new();
    operate::backup(&store, &mut bytes, now, GO_ON).await.unwrap();
    bytes
}

fn restored(
    bytes: &[u8],
    config: impl Into<SledConfig>,
    options: RestoreOptions,
    now: u64,
) -> Result<operate::Restored, OperateError> {
    let file = BackupFile::check(Cursor::new(bytes), GO_ON)?;
    operate::restore(file, config, options, now, GO_ON)
}

/// Logins and logouts go on, and the backup is of one moment: what was answered before it is in it.
#[test]
fn a_backup_under_load_is_of_one_moment() {
    bounded(async {
        let folder = tempfile::tempdir().unwrap();
        let store = SledStore::open(folder.path().join("store")).await.unwrap();
        let jwtauth = builder().max_sessions(1_000).build(store.clone()).unwrap();
        let (accounts, sessions) = (jwtauth.accounts().unwrap(), jwtauth.sessions());
        let alice = accounts.register("alice", PASSWORD).await.unwrap();
        let mut logins = tokio::task::JoinSet::new();
        for _ in 0..600 {
            let (jwtauth, alice) = (jwtauth.clone(), alice.clone());
            logins.spawn(async move {
                jwtauth.sessions().login(&alice, Device::default()).await.unwrap().session.id
            });
        }
        let mut ids = logins.join_all().await;
        let out = ids.split_off(300);
        for id in &out[..20] {
            assert!(sessions.revoke(*id).await.unwrap());
        }

        let (stop, changes) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let load = tokio::spawn({
            let (stop, changes, jwtauth) = (Arc::clone(&stop), Arc::clone(&changes), jwtauth.clone());
            async move {
                for id in out[20..].iter().cycle() {
                    jwtauth.sessions().revoke(*id).await.unwrap();
                    jwtauth.sessions().login(&alice, Device::default()).await.unwrap();
                    changes.fetch_add(1, Ordering::Release);
                    if stop.load(Ordering::Acquire) {
                        return out;
                    }
                }
                unreachable!("a cycle has no end")
            }
        });
        let looked = AtomicU64::new(0);
        let wait = |progress: Progress| {
            looked.fetch_add(1, Ordering::Relaxed);
            assert!(progress.bytes > 0);
            let seen = changes.load(Ordering::Acquire);
            while changes.load(Ordering::Acquire) < seen + 20 {
                std::thread::yield_now();
            }
            ControlFlow::Continue(())
        };
        let now = sessions.now();
        let whole: Arc<dyn SessionStore> = Arc::new(store.clone());
        let mut bytes = Vec::new();
        let summary = operate::backup(&whole, &mut bytes, now, &wait).await.unwrap();
        stop.store(true, Ordering::Release);
        let out = load.await.unwrap();
        assert!(looked.into_inner() > 2 && changes.load(Ordering::Acquire) > 40, "there was load");
        assert_eq!((summary.accounts, summary.bytes), (1, bytes.len() as u64));
        assert!(summary.sessions > 640, "logins since are in it: {summary:?}");

        // Nobody is let in.
        let path = folder.path().join("restored");
        let done = restored(&bytes, &path, RestoreOptions::default(), now).unwrap();
        assert_eq!((done.accounts, done.sessions), (1, summary.sessions));
        // One may have been revoked whose successor has not logged in yet.
        assert!(done.sessions_revoked >= 579 && done.sessions_revoked <= summary.sessions - 20, "{done:?}");
        let copy = SledStore::open(&path).await.unwrap();
        for id in ids.iter().chain(&out) {
            assert!(copy.load(*id).await.unwrap().is_some_and(|session| !session.is_live_at(now)));
        }
        builder().build(copy).unwrap().accounts().unwrap().verify("alice", PASSWORD, None).await.unwrap();

        // Or they are as they were at that moment.
        let path = folder.path().join("kept");
        let done = restored(&bytes, &path, RestoreOptions::default().keep_sessions(true), now).unwrap();
        assert_eq!(done.sessions_revoked, 0);
        let copy = SledStore::open(&path).await.unwrap();
        for id in &ids {
            assert!(is_live(&copy, *id, now).await);
        }
        for id in &out[..20] {
            assert!(!is_live(&copy, *id, now).await, "logged out before");
        }
        let of_alice =
            copy.sessions_of(accounts.by_name("alice").await.unwrap().unwrap().id.to_string()).await;
        assert_eq!(of_alice.unwrap().len() as u64, summary.sessions, "its indexes are whole");
    });
}

#[test]
fn what_revokes_stays_and_what_lets_in_ends() {
    bounded(async {
        let folder = tempfile::tempdir().unwrap();
        let store = SledStore::open(folder.path().join("store")).await.unwrap();
        let values = Arc::new(store.clone()).value_store().unwrap();
        let key = |number| ValueKey::from_bytes([number; 32]);
        // The first ones are what `Compat` keeps of tokens of another service.
        let not_before = [&1_000_u64.to_be_bytes()[..], &[7; 16]].concat();
        let stay = [vec![], vec![7; 16], not_before[..8].to_vec(), not_before];
        let end = [
            br#"{"user":1}"#.to_vec(),
            br#"{"u":12345678}"#.to_vec(),
            br#"{"user":1234567}"#.to_vec(),
            // As long as the id of a session, and nobody has said what it is.
            vec![1; 16],
        ];
        for (number, bytes) in (0..).zip(stay.iter().chain(&end)) {
            let value = NewValue::new(key(number), bytes.clone(), 100, 9_000);
            let value = if number < 4 { value.keeps_out() } else { value };
            assert!(values.save_value(value).await.unwrap());
        }
        values.save_value(NewValue::new(key(9), vec![1], 100, 9_000)).await.unwrap();
        values.remove_value(key(9), 150).await.unwrap();
        let bytes = taken(&store, 200).await;
        let path = folder.path().join("restored");
        assert_eq!(restored(&bytes, &path, RestoreOptions::default(), 300).unwrap().values_ended, 4);
        let copy = Arc::new(SledStore::open(&path).await.unwrap()).value_store().unwrap();
        for (number, bytes) in (0..).zip(&stay) {
            assert_eq!(copy.load_value(key(number), 300).await.unwrap().as_ref(), Some(bytes));
        }
        for number in 4..8 {
            assert_eq!(copy.load_value(key(number), 300).await.unwrap(), None);
            let late = NewValue::new(key(number), b"{}".to_vec(), 300, 9_000);
            assert!(!copy.save_value(late).await.unwrap(), "a slow request brings nothing back");
        }
        assert!(!copy.save_value(NewValue::new(key(9), vec![2], 300, 9_000)).await.unwrap());

        let path = folder.path().join("kept");
        restored(&bytes, &path, RestoreOptions::default().keep_sessions(true), 300).unwrap();
        let copy = Arc::new(SledStore::open(&path).await.unwrap()).value_store().unwrap();
        assert_eq!(copy.load_value(key(4), 300).await.unwrap().as_ref(), Some(&end[0]));
    });
}

/// The counter elsewhere refuses each older copy, and takes the one that was restored deliberately.
#[test]
fn a_restore_renews_the_rollback_counter() {
    bounded(async {
        let folder = tempfile::tempdir().unwrap();
        let (path, counter) = (folder.path().join("store"), folder.path().join("elsewhere/counter"));
        let config = SledConfig::new(&path).rollback_counter(&counter);
        let store = SledStore::open(config.clone()).await.unwrap();
        store.insert(jwtauth::testing::session(1, "a"), Default::default()).await.unwrap();
        let bytes = taken(&store, 200).await;
        for number in 2..10 {
            store.insert(jwtauth::testing::session(number, "a"), Default::default()).await.unwrap();
        }
        drop(store);
        let refused = restored(&bytes, config.clone(), RestoreOptions::default(), 300);
        assert!(matches!(refused, Err(OperateError::Exists)), "{refused:?}");
        let newest = fs::read(&counter).unwrap();
        let options = RestoreOptions::default().replace(true);
        let done = restored(&bytes, config.clone(), options, 300).unwrap();
        assert!(fs::read(&counter).unwrap() > newest, "little endian, and small");
        let store = SledStore::open(config.clone()).await.unwrap();
        assert!(store.load(SessionId::from_bytes([9; 16])).await.unwrap().is_none());
        drop(store);

        // The files that were there before, put back, are an older copy.
        let aside = done.aside.unwrap();
        assert!(aside.join("db").is_file());
        for name in ["db", "journal"] {
            fs::copy(aside.join(name), path.join(name)).unwrap();
        }
        let refused = SledStore::open(config.clone()).await.unwrap_err();
        assert!(refused.to_string().contains("has lost its last"), "{refused}");
        // A damaged counter is replaced too.
        fs::write(&counter, [7; 20]).unwrap();
        restored(&bytes, config.clone(), options, 300).unwrap();
        SledStore::open(config).await.unwrap();
    });
}

#[test]
fn an_operator_backs_up_and_restores() {
    bounded(async {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path()).await;
        let file = folder.path().join("backup");
        let name = file.to_str().unwrap();
        let done = run(&store, "", &["backup", name, "--json"]).json();
        assert_eq!((&done[0]["accounts"], &done[0]["sessions"]), (&json!(2), &json!(4)));
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let bytes = fs::read(&file).unwrap();
        let again = run(&store, "", &["backup", name]);
        assert_eq!((again.code, again.err.contains("add --yes")), (1, true), "{again:?}");
        assert_eq!(fs::read(&file).unwrap(), bytes);
        assert_eq!(run(&store, "", &["backup", name, "--yes"]).code, 0);
        let mut command = Command::new(env!("CARGO_BIN_EXE_jwtauth_program"));
        let output = command.args(["backup", "-", "--store"]).arg(&store).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        BackupFile::check(Cursor::new(output.stdout), GO_ON).unwrap();

        // On another machine.
        let elsewhere = folder.path().join("elsewhere/store");
        let done = run(&elsewhere, "", &["restore", name]);
        assert_eq!(done.code, 0, "{done:?}");
        assert!(done.err.contains("seconds ago, and has 2 accounts and 4 sessions"), "{done:?}");
        assert_eq!(done.out, "2 accounts and 4 sessions restored, 4 of them ended\n");
        let jwtauth = builder().open(&elsewhere).await.unwrap();
        jwtauth.accounts().unwrap().verify("bob", PASSWORD, None).await.unwrap();
        jwtauth.accounts().unwrap().verify("bob", "another", None).await.unwrap_err();
        drop(jwtauth);
        assert_eq!(
            (count(&elsewhere, "live_sessions"), count(&elsewhere, "sessions_over")),
            (json!(0), json!(4))
        );

        // In the place of what is there.
        assert_eq!(run(&store, "", &["accounts", "remove", "bob", "--yes"]).code, 0);
        let asked = run(&store, "", &["restore", name]);
        assert_eq!((asked.code, asked.err.contains("add --yes")), (1, true), "{asked:?}");
        assert_eq!(count(&store, "accounts"), json!(1));
        let done = run(&store, "", &["restore", name, "--yes", "--keep-sessions"]);
        assert_eq!(done.code, 0, "{done:?}");
        assert!(done.err.contains("is logged in again") && done.out.contains("aside"), "{done:?}");
        assert_eq!((count(&store, "accounts"), count(&store, "live_sessions")), (json!(2), json!(4)));

        // Nothing is changed by a file that is not whole.
        for (damaged, said) in [
            (bytes[..bytes.len() - 1].to_vec(), "its end is missing"),
            (bytes[..10].to_vec(), "does not begin as one"),
            ([&bytes[..100], &[bytes[100] ^ 1], &bytes[101..]].concat(), "changed or cut at byte"),
        ] {
            fs::write(&file, damaged).unwrap();
            let refused = run(&store, "", &["restore", name, "--yes"]);
            assert_eq!((refused.code, refused.err.contains(said)), (1, true), "{refused:?}");
        }
        assert_eq!((count(&store, "accounts"), count(&store, "live_sessions")), (json!(2), json!(4)));
        let jwtauth = builder().open(&store).await.unwrap();
        let locked = run(&store, "", &["restore", name, "--yes"]);
        assert_eq!(locked.code, 1, "{locked:?}");
        fs::write(&file, &bytes).unwrap();
        let locked = run(&store, "", &["restore", name, "--yes"]);
        assert_eq!((locked.code, locked.err.contains("stop the server")), (3, true), "{locked:?}");
        drop(jwtauth);
    });
}

/// The process that serves is killed, its machine is gone, and all that is left is a backup.
#[test]
fn ten_rounds_of_load_backup_kill_and_restore_lose_no_account() {
    bounded_by(std::time::Duration::from_secs(240), async {
        for round in 0..10 {
            let folder = tempfile::tempdir().unwrap();
            let (store, file) = (folder.path().join("store"), folder.path().join("backup"));
            drop(super::store(folder.path()).await);
            let mut probe = Command::new(env!("CARGO_BIN_EXE_backup_probe"))
                .args([&store, &file])
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let (mut before, mut after, mut began) = (0_u64, 0_u64, false);
            let mut done = false;
            for line in BufReader::new(probe.stdout.take().unwrap()).lines() {
                let line = line.unwrap();
                match line.strip_prefix("ADD ") {
                    Some(number) if !began => before = number.parse().unwrap(),
                    Some(_) => after += 1,
                    None => (began, done) = (true, line == "DONE"),
                }
                // Each round a little later.
                if done && after > 5 * round {
                    break;
                }
            }
            probe.kill().unwrap();
            probe.wait().unwrap();
            assert!(done && before >= 200 && after >= 5, "{before} {after}");
            fs::remove_dir_all(&store).unwrap();

            let mut arguments = vec!["restore", file.to_str().unwrap()];
            let keeps = round % 2 == 1;
            arguments.extend(keeps.then_some("--keep-sessions"));
            let run = run(&store, "", &arguments);
            assert_eq!(run.code, 0, "{run:?}");
            let kept = SledStore::open(&store).await.unwrap();
            let jwtauth = builder().build(kept.clone()).unwrap();
            let accounts = jwtauth.accounts().unwrap();
            for name in ["alice", "bob"] {
                accounts.verify(name, PASSWORD, None).await.unwrap();
            }
            for number in 1..=before {
                let found = accounts.by_name(&format!("name-{number}")).await.unwrap();
                assert!(found.is_some(), "round {round}: account {number} of {before} was lost");
                let live = [2 * number, 2 * number + 1].map(|number| SessionId::from_bytes(spread(number)));
                assert!(!is_live(&kept, live[0], 300).await, "round {round}: {number} had logged out");
                assert_eq!(is_live(&kept, live[1], 300).await, keeps, "round {round}: session {number}");
            }
        }
    });
}

/// Nobody must think that there is a backup which never came to its end.
#[test]
fn a_backup_that_is_nowhere_is_not_noted() {
    bounded(async {
        let folder = tempfile::tempdir().unwrap();
        let path = store(folder.path()).await;
        let program = env!("CARGO_BIN_EXE_jwtauth_program");
        let closed = Command::new("sh")
            .args(["-c", &format!("exec '{program}' backup - >&-")])
            .env("JWTAUTH_STORE", &path)
            .output()
            .unwrap();
        assert!(!closed.status.success(), "{closed:?}");
        assert_eq!(count(&path, "last_backup"), Value::Null);
        let file = folder.path().join("backup");
        assert_eq!(run(&path, "", &["backup", file.to_str().unwrap()]).code, 0);
        assert!(count(&path, "last_backup").is_u64());
    });
}

/// The signal that comes with the error would end the program without a word.
#[test]
fn f_6_a_limit_on_the_size_of_files_is_told_of() {
    bounded(async {
        let folder = tempfile::tempdir().unwrap();
        let path = store(folder.path()).await;
        let limited = Command::new("prlimit")
            .args(["--fsize=1000", env!("CARGO_BIN_EXE_jwtauth_program"), "compact"])
            .env("JWTAUTH_STORE", &path)
            .output();
        let Ok(limited) = limited else {
            println!("skipped: needs prlimit");
            return;
        };
        let said = String::from_utf8_lossy(&limited.stderr);
        assert_eq!((limited.status.code(), said.contains("too large")), (Some(3), true), "{limited:?}");
        assert_eq!(run(&path, "", &["compact"]).code, 0);
    });
}
