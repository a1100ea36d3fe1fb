//! What somebody gets wrong at the command line, and what a store may hold that is not for a terminal.

use std::fs;
use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use jwtauth::store::{AccountStore as _, SessionStore as _};
use jwtauth::{SledStore, testing};

use super::*;

#[test]
fn who_mistypes_a_name_hears_it() {
    bounded(async {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path()).await;
        let revoke = |who: &str| run(&store, "", &["sessions", "revoke", "--all-of", who]);
        let mistyped = revoke("alcie");
        assert_eq!(
            (mistyped.code, mistyped.err.contains("nobody is known as \"alcie\"")),
            (1, true),
            "{mistyped:?}"
        );
        assert_eq!(
            (revoke("alice").code, revoke("alice").out),
            (0, "0 sessions revoked\n".into()),
            "she is known"
        );
        assert_eq!(count(&store, "live_sessions"), json!(2));
    });
}

#[test]
fn options_may_stand_behind_ids() {
    bounded(async {
        let folder = tempfile::tempdir().unwrap();
        let path = store(folder.path()).await;
        let odd = "-AAAAAAAAAAAAAAAAAAAAA";
        let mut session = testing::session(1, "odd");
        session.id = odd.parse().unwrap();
        (session.expires_at, session.absolute_expires_at) = (u64::MAX / 4, u64::MAX / 4);
        {
            let store = SledStore::open(&path).await.unwrap();
            store.insert(session, jwtauth::store::LoginEffects::default()).await.unwrap();
        }
        let all = run(&path, "", &["sessions", "list", "--json"]).json();
        let id = all.iter().map(|one| one["id"].as_str().unwrap()).find(|id| !id.starts_with('-')).unwrap();
        assert_eq!(run(&path, "", &["sessions", "show", odd, "--json"]).json()[0]["subject"], "odd");
        let revoked = run(&path, "", &["sessions", "revoke", id, odd, "--json"]).json();
        assert_eq!(revoked, [json!({"revoked": 2})]);
        let listed = run(&path, "", &["sessions", "list", "--of", odd, "--json"]);
        assert_eq!((listed.code, &*listed.out), (0, ""), "the value of an option stays there: {listed:?}");
    });
}

/// Escapes, the controls of eight bits, and marks that turn text around.
const WILD: &str = "a\u{1b}]0;x\u{7}b\u{9b}2Jc\u{202e}d\u{2066}e\u{7f}";

fn is_wild(text: &str) -> bool {
    text.chars().any(|c| c != '\n' && jwtauth::__private::is_for_terminals(c))
}

#[test]
fn nothing_that_is_printed_is_obeyed_by_a_terminal() {
    bounded(async {
        let folder = tempfile::tempdir().unwrap();
        let path = store(folder.path()).await;
        {
            let store = SledStore::open(&path).await.unwrap();
            let mut account = testing::account(7, "wild");
            (account.name, account.key) = (WILD.into(), WILD.into());
            account.roles = vec![WILD.into()];
            assert!(store.create_account(account).await.unwrap());
            let mut session = testing::session(7, WILD);
            (session.expires_at, session.absolute_expires_at) = (u64::MAX / 4, u64::MAX / 4);
            session.device.app = Some(WILD.into());
            store.insert(session, jwtauth::store::LoginEffects::default()).await.unwrap();
        }
        let names = run(&path, "", &["accounts", "list", "--json"]).json();
        assert!(names.iter().any(|account| account["name"] == WILD), "JSON is the same: {names:?}");
        let export = run(&path, "", &["export"]).out;
        let file = folder.path().join("export");
        fs::write(&file, &export).unwrap();
        let empty = folder.path().join("empty");
        drop(SledStore::open(&empty).await.unwrap());
        let refused = run(&empty, "", &["import", file.to_str().unwrap()]);
        assert_eq!(
            (refused.code, refused.err.contains("a name has 1 to 255 bytes")),
            (1, true),
            "{refused:?}"
        );
        fs::write(path.join("jwtauth"), WILD.repeat(5)).unwrap();
        let said = [
            run(&path, "", &["doctor"]),
            run(&path, "", &["repair"]),
            run(&path, "", &["repair", "--yes"]),
            run(&path, "", &["accounts", "list"]),
            run(&path, "", &["accounts", "list", "--json"]),
            run(&path, "", &["accounts", "disable", WILD]),
            run(&path, "", &["sessions", "list"]),
            run(&path, "", &["sessions", "list", "--json"]),
            run(&path, "", &["sessions", "show", &testing::session(7, "").id.to_string()]),
            run(&folder.path().join(WILD), "", &["status"]),
            run(&path, "", &["import", WILD]),
            run(&path, &format!("{{\"name\": \"{WILD}\"}}\n"), &["accounts", "import", "-"]),
        ];
        for Run { out, err, .. } in said {
            assert!(!is_wild(&out) && !is_wild(&err), "{out:?} {err:?}");
        }
    });
}

/// A copy of a store that a killed doctor has left goes with the next one. What is somebody else's stays.
#[test]
fn a_doctor_removes_the_copies_of_those_that_were_killed() {
    bounded(async {
        let folder = tempfile::tempdir().unwrap();
        let path = store(folder.path()).await;
        let temporary = folder.path().join("tmp");
        let left = |name: &str, mode: u32| {
            let copy = temporary.join(name);
            fs::create_dir_all(copy.join("store")).unwrap();
            fs::write(copy.join("in-use"), "").unwrap();
            fs::write(copy.join("store/db"), "hashes").unwrap();
            fs::set_permissions(&copy, Permissions::from_mode(mode)).unwrap();
            copy
        };
        let killed = left("jwtauth-doctor-1-0", 0o700);
        let (open, held, other) =
            (left("jwtauth-doctor-2-0", 0o755), left("jwtauth-doctor-3-0", 0o700), left("mine", 0o700));
        let link = temporary.join("jwtauth-doctor-4-0");
        symlink(&other, &link).unwrap();
        let lock = fs::File::open(held.join("in-use")).unwrap();
        lock.lock().unwrap();
        let looked = Command::new(env!("CARGO_BIN_EXE_jwtauth_program"))
            .args(["doctor", "--store"])
            .arg(&path)
            .env("TMPDIR", &temporary)
            .output()
            .unwrap();
        assert!(looked.status.success(), "{looked:?}");
        assert!(!killed.exists());
        assert!([&open, &held, &other].iter().all(|copy| copy.join("store/db").is_file()) && link.exists());
        let names = fs::read_dir(&temporary).unwrap().count();
        assert_eq!(names, 4, "its own is gone too");
    });
}

/// From another machine, by way of a pipe.
#[test]
fn a_backup_and_an_export_come_from_standard_input() {
    bounded(async {
        let folder = tempfile::tempdir().unwrap();
        let path = store(folder.path()).await;
        let program = env!("CARGO_BIN_EXE_jwtauth_program");
        let shell = |script: &str| {
            let output = Command::new("sh")
                .args(["-c", script, program])
                .args([&path, &folder.path().join("restored"), &folder.path().join("imported")])
                .output()
                .unwrap();
            (output.status.code(), String::from_utf8(output.stderr).unwrap())
        };
        let (code, said) = shell("$0 --store $1 backup - | $0 --store $2 restore -");
        assert_eq!(code, Some(0), "{said}");
        assert_eq!(count(&folder.path().join("restored"), "accounts"), json!(2));
        let (code, said) = shell("$0 --store $1 backup - | $0 --store $2 restore -");
        assert_eq!((code, said.contains("add --yes")), (Some(1), true), "{said}");
        assert_eq!(shell("$0 --store $1 backup - | $0 --yes --store $2 restore -").0, Some(0));
        let (code, said) = shell("$0 --store $1 backup - | head -c 100 | $0 --yes --store $2 restore -");
        assert_eq!((code, said.contains("nothing was changed")), (Some(1), true), "{said}");
        drop(SledStore::open(folder.path().join("imported")).await.unwrap());
        let (code, said) = shell("$0 --store $1 export | $0 --store $3 import -");
        assert_eq!(code, Some(0), "{said}");
        assert_eq!(count(&folder.path().join("imported"), "accounts"), json!(2));
    });
}

/// An account that is left out leaves its sessions out, one that has changed here brings none alive, and one that may have
/// been removed here comes disabled.
#[test]
fn an_import_lets_nobody_in_who_was_shut_out_here() {
    bounded(async {
        let folder = tempfile::tempdir().unwrap();
        let (path, file) = (store(folder.path()).await, folder.path().join("export"));
        assert_eq!(run(&path, "", &["export", file.to_str().unwrap()]).code, 0);
        assert_eq!(run(&path, "", &["accounts", "remove", "bob", "--yes"]).code, 0);
        let other = folder.path().join("other");
        let import = |to: &Path, keep: &[&str]| {
            let words = [&["import", file.to_str().unwrap(), "--json"][..], keep].concat();
            run(to, "", &words)
        };
        let active = |to: &Path| -> Vec<Value> {
            let all = run(to, "", &["accounts", "list", "--json"]).json();
            all.iter().map(|account| json!([account["name"], account["active"]])).collect()
        };
        let kept = folder.path().join("kept");
        tests::raw::copy(&path, &kept);

        // Removed here.
        let done = import(&path, &["--keep-sessions"]);
        assert_eq!(
            (&done.json()[0]["accounts"], &done.json()[0]["accounts_disabled"]),
            (&json!(1), &json!(1))
        );
        assert!(done.err.contains("may have been removed here"), "{done:?}");
        assert_eq!(active(&path), [json!(["alice", true]), json!(["bob", false])]);
        assert_eq!(count(&path, "live_sessions"), json!(2), "those of alice");
        assert_eq!(import(&kept, &["--keep-accounts"]).json()[0]["accounts_disabled"], json!(0));
        assert_eq!(active(&kept)[1], json!(["bob", true]));

        // Another bob is here, and alice is not.
        let builder = JwtAuth::builder().secret(tests::app::SECRET).accounts(AccountsConfig::default());
        let jwtauth = builder.open(&other).await.unwrap();
        jwtauth.accounts().unwrap().register("bob", "through the looking glass").await.unwrap();
        drop(jwtauth);
        let done = import(&other, &["--keep-sessions", "--keep-accounts"]);
        assert_eq!(
            (&done.json()[0]["accounts"], &done.json()[0]["sessions"]),
            (&json!(1), &json!(2)),
            "{done:?}"
        );
        assert!(done.err.contains("2 other records: its account is left out"), "{done:?}");

        // Changed here since the export.
        let changed = folder.path().join("changed");
        drop(SledStore::open(&changed).await.unwrap());
        let without = folder.path().join("without sessions");
        let lines = fs::read_to_string(&file).unwrap();
        let mut lines: Vec<String> =
            lines.lines().filter(|line| !line.contains("\"kind\":\"session\"")).map(str::to_owned).collect();
        let end = lines.len() - 1;
        lines[end] = format!("{{\"kind\":\"end\",\"lines\":{end}}}");
        fs::write(&without, lines.join("\n") + "\n").unwrap();
        let first = run(&changed, "", &["import", without.to_str().unwrap()]);
        assert_eq!(first.code, 0, "{first:?}");
        assert_eq!(run(&changed, "a long new password\n", &["accounts", "password", "alice"]).code, 0);
        assert_eq!(import(&changed, &["--keep-sessions"]).code, 0);
        assert_eq!(count(&changed, "live_sessions"), json!(2), "those of bob");
    });
}

/// What looks like a database becomes no directory, whose name would have the password in it.
#[test]
fn o_15_no_directory_is_made_of_what_looks_like_a_database() {
    bounded(async {
        let folder = tempfile::tempdir().unwrap();
        let path = store(folder.path()).await;
        let from = path.to_str().unwrap();
        let words = "host=127.0.0.1 port=1 user=app password=s3cret dbname=app";
        let other = "postgress://app:s3cret@127.0.0.1:1/app";
        for (text, said) in [
            (words, "cannot connect to PostgreSQL"),
            ("POSTGRES://app:s3cret@127.0.0.1:1/app", "cannot connect to PostgreSQL"),
            (other, "`postgress://` URLs are not supported"),
            ("psql 'postgresql://app:s3cret@127.0.0.1:1/app'", "`psql` stands in front of an address"),
            ("app:s3cret@127.0.0.1/app", "`user:password@host` is an address without `postgres://`"),
            ("DATABASE_URL: postgres://app:s3cret@127.0.0.1:1/app", "`DATABASE_URL:` stands in front"),
            ("DATABASE_URL=postgres://app:s3cret@127.0.0.1:1/app", "`DATABASE_URL=` stands in front"),
            (
                "jdbc:postgresql://127.0.0.1:1/app?password=s3cret",
                "`jdbc:postgresql:` is for another program",
            ),
            ("postgresql+asyncpg://app:s3cret@127.0.0.1:1/app", "is for another program"),
            ("Postgres ://app:s3cret@127.0.0.1:1/app", "`://` stands in a text that is no URL"),
            ("mysql://app:s3cret@127.0.0.1:1/app", "`mysql://` URLs are not supported"),
        ] {
            for arguments in [
                &["status"][..],
                &["doctor"],
                &["backup", "-"],
                &["compact"],
                &["repair", "--yes"],
                &["migrate", from, text],
                &["migrate", text, from],
            ] {
                let run = run(Path::new(text), "", arguments);
                assert!(run.code > 0 && !format!("{run:?}").contains("s3cret"), "{arguments:?}: {run:?}");
                let is_opened = said.starts_with("cannot connect");
                let is_for_directories = ["compact", "repair"].contains(&arguments[0]) && is_opened;
                assert!(is_for_directories || run.err.contains(said), "{arguments:?}: {run:?}");
            }
            let builder = JwtAuth::builder().secret(tests::app::SECRET);
            let error = builder.open(text).await.unwrap_err();
            assert!(!format!("{error:?} {error}").contains("s3cret"), "{error:?}");
            let is_opened = said.starts_with("cannot connect");
            assert!(is_opened || error.to_string().contains(said), "{error:?}");
            // Nor by the call that takes directories only.
            let error = SledStore::open(text).await.map(drop).unwrap_err();
            let said = if is_opened { "call `PostgresStore::connect`" } else { said };
            assert!(
                error.to_string().contains(said) && !format!("{error:?}").contains("s3cret"),
                "{error:?}"
            );
            assert!(!Path::new(text).exists() && !Path::new(text.split('/').next().unwrap()).exists());
        }
        drop(SledStore::open(&path).await.unwrap());
        // Whoever means a directory says so.
        for name in ["host=db", "app:me@home"] {
            let odd = format!("{}/{name}", folder.path().display());
            drop(JwtAuth::builder().secret(tests::app::SECRET).open(&*odd).await.unwrap());
            assert!(Path::new(&odd).join("jwtauth").is_file());
        }
    });
}
