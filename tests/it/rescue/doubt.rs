//! After a repair that lost the newest changes nobody is let in whom nobody has let in since: not with an older
//! password, not who was disabled, and not who was removed.

use std::time::Duration;

use super::*;

const NEWEST: &str = "and what alice found there";

/// Makes a store whose data file is older than what it has acknowledged: since then alice has another password,
/// bob was disabled, and carol was removed.
async fn older(folder: &Path) -> PathBuf {
    let (path, older) = (folder.join("store"), folder.join("older"));
    make(&path, 5).await;
    {
        let jwtauth = jwtauth_on(SledStore::open(&path).await.unwrap());
        jwtauth.accounts().unwrap().register("carol", PASSWORD).await.unwrap();
    }
    copy(&path, &older);
    let jwtauth = jwtauth_on(SledStore::open(&path).await.unwrap());
    let accounts = jwtauth.accounts().unwrap();
    let id = async |name: &str| accounts.by_name(name).await.unwrap().unwrap().id;
    accounts.set_password(id("alice").await, NEWEST).await.unwrap();
    accounts.disable(id("bob").await).await.unwrap();
    accounts.remove(id("carol").await).await.unwrap();
    drop(jwtauth);
    fs::copy(older.join("db"), path.join("db")).unwrap();
    path
}

async fn who_logs_in(path: &Path) -> Vec<&'static str> {
    let mut all = Vec::new();
    for (who, name, password) in [
        ("alice", "alice", NEWEST),
        ("alice, older", "alice", PASSWORD),
        ("bob", "bob", PASSWORD),
        ("carol", "carol", PASSWORD),
    ] {
        if logs_in(path, name, password).await {
            all.push(who);
        }
    }
    all
}

#[test]
fn nobody_logs_in_who_may_have_been_shut_out_before_an_operator_says_so() {
    bounded_by(Duration::from_secs(120), async {
        let folder = tempfile::tempdir().unwrap();
        let path = older(folder.path()).await;
        let said = SledStore::open(&path).await.unwrap_err().to_string();
        let looked = run(&path, "", &["doctor"]);
        assert!(looked.out.contains("disables accounts"), "{looked:?}");
        let asked = run(&path, "", &["repair"]);
        assert!(asked.err.contains("disable all accounts"), "{asked:?}");
        let done = typed(command_in(&said, "jwtauth repair"));
        assert_eq!(done.code, 0, "{done:?}");
        assert_eq!(who_logs_in(&path).await, [""; 0]);

        // The owner is not locked out.
        let next: Vec<&str> =
            done.out.lines().filter_map(|line| line.split_once(": jwtauth ")).map(|(_, c)| c).collect();
        let [enable, password] = &next[..] else { panic!("{done:?}") };
        assert!(enable.starts_with("accounts enable NAME") && password.starts_with("accounts password NAME"));
        assert_eq!(run(&path, &format!("{NEWEST}\n"), &["accounts", "password", "alice"]).code, 0);
        assert_eq!(typed(&format!("jwtauth {}", enable.replace("NAME", "alice"))).code, 0);
        assert_eq!(who_logs_in(&path).await, ["alice"]);
        assert_eq!(run(&path, "", &["accounts", "enable", "bob", "nobody"]).code, 1);
        assert_eq!(who_logs_in(&path).await, ["alice"], "all or none");
    });
}

/// Programs find the names, so that all of them are enabled again with one line.
#[test]
fn accounts_are_kept_if_an_operator_says_so_before_or_after() {
    bounded_by(Duration::from_secs(120), async {
        let folder = tempfile::tempdir().unwrap();
        let path = older(folder.path()).await;
        let kept = folder.path().join("kept");
        copy(&path, &kept);
        let repaired = run(&path, "", &["repair", "--yes", "--json"]).json();
        let names: Vec<&str> = repaired[0]["in_doubt"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["name"].as_str().unwrap())
            .collect();
        assert_eq!(names.len(), 5 + 3, "{names:?}");
        let all: Vec<&str> = ["accounts", "enable", "--"]
            .into_iter()
            // No name of an account has a space, except in this store.
            .chain(names.into_iter().filter(|name| !name.contains(' ')))
            .collect();
        assert_eq!(run(&path, "", &all).code, 0);
        let back = ["alice, older", "bob", "carol"];
        assert_eq!(who_logs_in(&path).await, back);

        let done = run(&kept, "", &["repair", "--yes", "--keep-accounts"]);
        assert!(done.out.contains("Accounts that were kept"), "{done:?}");
        assert_eq!(who_logs_in(&kept).await, back);
    });
}

/// Who was disabled before stays so, and is not named among those whom the repair has disabled.
#[test]
fn who_was_disabled_stays_so() {
    bounded_by(Duration::from_secs(120), async {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        make(&path, 2).await;
        {
            let jwtauth = jwtauth_on(SledStore::open(&path).await.unwrap());
            let accounts = jwtauth.accounts().unwrap();
            let bob = accounts.by_name("bob").await.unwrap().unwrap();
            accounts.disable(bob.id).await.unwrap();
        }
        let older = folder.path().join("older");
        copy(&path, &older);
        drop(
            jwtauth_on(SledStore::open(&path).await.unwrap())
                .accounts()
                .unwrap()
                .register("dora", PASSWORD)
                .await,
        );
        fs::copy(older.join("db"), path.join("db")).unwrap();
        let repaired =
            operate::repair(&*path, RepairOptions::default(), &|_| ControlFlow::Continue(())).unwrap();
        let named: Vec<&str> = repaired.in_doubt.iter().map(|account| &*account.name).collect();
        assert_eq!(named, ["alice", "user 000", "user 001"]);
        assert!(!logs_in(&path, "bob", PASSWORD).await);
    });
}

/// Only a session is damaged, and the totals say that no account is: nobody has to enable anything.
#[test]
fn accounts_are_not_in_doubt_if_they_are_seen_to_be_whole() {
    bounded_by(Duration::from_secs(120), async {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        make(&path, 5).await;
        // The last message of a session of its own, and two bits of it, so that nobody can tell which.
        let store = SledStore::open(&path).await.unwrap();
        let mut session = jwtauth::testing::session(200, "somebody else");
        session.user = Some(format!("{{\"x\":\"{}\"}}", "quite long ".repeat(500)).into_bytes());
        (session.expires_at, session.absolute_expires_at) = (u64::MAX / 4, u64::MAX / 4);
        store.insert(session, LoginEffects::default()).await.unwrap();
        drop(store);
        let bytes = fs::read(path.join("db")).unwrap();
        let mut damaged = 0;
        for at in (0..bytes.len() - 11).filter(|at| &bytes[*at..at + 11] == b"quite long ") {
            for bit in [0, 4] {
                flip(&path.join("db"), at as u64, bit);
            }
            damaged += 1;
        }
        assert!(damaged >= 500, "{damaged}");
        let looked = doctor(&path);
        println!("{looked:#?}");
        if looked.accounts_are_complete {
            let done = run(&path, "", &["repair", "--yes"]);
            assert!(
                done.out.contains("Everybody was logged out") && !done.out.contains("disabled"),
                "{done:?}"
            );
            assert!(logs_in(&path, "alice", PASSWORD).await && !logs_in(&path, "alice", OLD_PASSWORD).await);
        } else {
            panic!("{looked:#?}");
        }
    });
}

/// A restore has set older files aside, and the newer ones are gone. Whole as they are, they know nothing of what has
/// ended since.
#[test]
fn older_files_let_nobody_in_whom_nobody_has_let_in_since() {
    bounded_by(Duration::from_secs(120), async {
        let folder = tempfile::tempdir().unwrap();
        let (path, backup) = (folder.path().join("store"), folder.path().join("backup"));
        make(&path, 5).await;
        drop(
            jwtauth_on(SledStore::open(&path).await.unwrap())
                .accounts()
                .unwrap()
                .register("carol", PASSWORD)
                .await,
        );
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        assert_eq!(run(&path, "", &["backup", &text(&backup)]).code, 0);
        assert_eq!(run(&path, "", &["restore", &text(&backup), "--yes"]).code, 0);
        assert_eq!(run(&path, &format!("{NEWEST}\n"), &["accounts", "password", "alice"]).code, 0);
        assert_eq!(run(&path, "", &["accounts", "disable", "bob"]).code, 0);
        assert_eq!(run(&path, "", &["accounts", "remove", "carol", "--yes"]).code, 0);
        let pristine = folder.path().join("pristine");
        fs::remove_file(path.join("db")).unwrap();
        copy(&path, &pristine);
        for keep in [false, true] {
            copy(&pristine, &path);
            let looked = run(&path, "", &["doctor", "--json"]);
            let found: serde_json::Value = serde_json::from_str(looked.out.trim()).unwrap();
            let next = found["next"].as_array().unwrap().iter().filter_map(|next| next.as_str());
            let next = next.filter(|next| next.contains("--from-aside")).collect::<Vec<_>>();
            let [next] = next[..] else { panic!("{found}") };
            assert!(!found.to_string().contains("cp -a"), "{found}");
            let asked = run(&path, "", &["repair", "--from-aside", "restored"]);
            assert_eq!((asked.code, asked.err.contains("disable all accounts")), (1, true), "{asked:?}");
            let wrong = run(&path, "", &["repair", "--yes", "--from-aside", "../aside/restored"]);
            assert_eq!((wrong.code, wrong.err.contains("restored")), (3, true), "{wrong:?}");
            let done = typed(&format!("{next}{}", if keep { " --keep-accounts" } else { "" }));
            assert_eq!(done.code, 0, "{done:?}");
            let expected = if keep { &["alice, older", "bob", "carol"][..] } else { &[] };
            assert_eq!(who_logs_in(&path).await, expected);
            let store: std::sync::Arc<dyn jwtauth::store::SessionStore> =
                std::sync::Arc::new(SledStore::open(&path).await.unwrap());
            let found = operate::status(&store, 300, &|_| ControlFlow::Continue(())).await.unwrap();
            assert_eq!(found.live_sessions, 0);
        }
    });
}
