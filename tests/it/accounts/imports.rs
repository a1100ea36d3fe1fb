//! Accounts that come from another program, with the hashes that it has made.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use jwtauth::error::AccountError;
use jwtauth::{AccountsConfig, ImportedAccount, JwtAuth};
use serde_json::json;
use tests::app::START;
use tests::bounded;
use tests::test_store::TestStore;

use super::{accounts, app, live, open, register, verify, with};

const TYPED: &str = "correct hörse battery";

/// Made by Django 5.2, and bcrypt 4 of Python.
const HASHES: [&str; 5] = [
    "pbkdf2_sha256$1000$seasalt2seasalt2$G+SvyRwHDBjfgRMmSd0gjfnKCb38ZA19lwAJCgHaNQE=",
    "scrypt$16384$seasalt2seasalt2$8$5$E0RN2ek/JGVtqje6fWki7BKOGkB3M4fJIhlh+CjMnEr4ceEJi7MDY/d0lEdmr1qenAUReORCWy1Kp4DzIFoK2g==",
    "bcrypt_sha256$$2b$04$abcdefghijklmnopqrstuuMOf7e1dLJ//Adx1/1Pyllb0elCPR6sa",
    "$2b$04$abcdefghijklmnopqrstuuggvDF5/Fs0xARLwV.PWjAL8GNew2.p2",
    "argon2$argon2id$v=19$m=102400,t=2,p=8$NVA5VHVIV2RxRHp0dVh1Q01jUm9RQw$3knx48tQDBK3Y1kXp5Q9caQSWgd7M+Rash1db97B/yM",
];

#[test]
fn m_20_imported_users_log_in_with_the_password_that_they_have() {
    bounded(async {
        let app = with(TestStore::new(), AccountsConfig::default().hashers(1));
        let accounts = accounts(&app);
        for (number, hash) in HASHES.into_iter().enumerate() {
            let name = format!("User{number}");
            let described = ImportedAccount::new(&name, hash).roles(["editor", "editor"]).created_at(1_000);
            assert!(!format!("{described:?}").contains("seasalt"), "hashes are in no log");
            let account = accounts.import(described).await.unwrap();
            assert_eq!(
                (&*account.name, &*account.roles, account.created_at),
                (&*name, &["editor".into()][..], 1_000)
            );
            assert_eq!(account.last_login, None);
            let typed_name = name.to_lowercase();
            for wrong in ["", "correct horse battery", hash] {
                let refused = verify(&app, &typed_name, wrong).await;
                assert!(matches!(refused, Err(AccountError::InvalidCredentials)), "{hash} {wrong:?}");
            }
            // The first login renews the hash, and the second is one of Argon2.
            for hashes in [2, 1] {
                let before = accounts.hashes_computed();
                let logged_in = verify(&app, &typed_name, TYPED).await.unwrap();
                assert_eq!(logged_in.last_login, Some(START), "{hash}");
                assert_eq!(accounts.hashes_computed() - before, hashes, "{hash}");
            }
            open(&app.jwtauth, &accounts.by_id(account.id).await.unwrap().unwrap()).await;
            assert_eq!(live(&app.jwtauth, &account).await.len(), 1);
        }
    });
}

/// Other programs hash what was typed, in whichever form of Unicode that was.
/// M-20: a hash of Argon2 that names no version is of version 16, as in the reference and in passlib.
#[test]
fn m_20_a_hash_of_argon2_without_a_version_is_of_the_first_one() {
    bounded(async {
        let app = with(TestStore::new(), AccountsConfig::default().hashers(1));
        let accounts = accounts(&app);
        let rest = "$m=19456,t=2,p=1$c29tZXNhbHQxMjM0NTY3OA$EEeMG+mWEBnEyeONflR/tQBEUfRAJcZp/vb/jw0in7o";
        for (name, version, matches) in [("ann", "", true), ("bob", "$v=16", true), ("cy", "$v=19", false)] {
            let hash = format!("$argon2id{version}{rest}");
            accounts.import(ImportedAccount::new(name, &hash)).await.unwrap();
            let verified = verify(&app, name, "correct horse battery").await;
            assert_eq!(verified.is_ok(), matches, "{name}: {verified:?}");
        }
        // The first login has renewed it.
        let before = accounts.hashes_computed();
        verify(&app, "ann", "correct horse battery").await.unwrap();
        assert_eq!(accounts.hashes_computed() - before, 1);
    });
}

#[test]
fn m_20_an_imported_hash_is_of_what_was_typed() {
    bounded(async {
        let app = app();
        let hash = "pbkdf2_sha256$1000$seasalt2seasalt2$fy48zKLqwCKH080Qs9LTFmOo+ss/RuBJn0GIySTFcDk=";
        accounts(&app).import(ImportedAccount::new("ann", hash)).await.unwrap();
        verify(&app, "ann", "correct horse caf\u{e9}").await.unwrap_err();
        for typed in ["correct horse\u{a0}cafe\u{301}", "correct horse caf\u{e9}"] {
            verify(&app, "ann", typed).await.unwrap();
        }
    });
}

#[test]
fn m_20_what_cannot_be_imported_is_refused_with_the_reason() {
    bounded(async {
        let app = app();
        let accounts = accounts(&app);
        register(&app, "taken").await;
        let refused = async |account| accounts.import(account).await.unwrap_err().to_string();
        for (account, said) in [
            (ImportedAccount::new("TAKEN", HASHES[0]), "taken"),
            (ImportedAccount::new("with space", HASHES[0]), "space"),
            (ImportedAccount::new("ann", "md5$salt$e7bf9fcebb772443b8c4b817e1d2ae92"), "too weak"),
            (ImportedAccount::new("ann", "!unusable"), "no known form"),
            (ImportedAccount::new("ann", &HASHES[0][..60]), "cut"),
            (ImportedAccount::new("ann", &HASHES[4][..60]), "no known form"),
            (
                ImportedAccount::new(
                    "ann",
                    "$argon2id$v=19$m=2097152,t=2,p=1$c29tZXNhbHRzb21l$MTIzNDU2Nzg5MDEyMzQ1Ng",
                ),
                "256 MiB",
            ),
            (ImportedAccount::new("ann", HASHES[0]).roles(["a\nb"]), "control character"),
        ] {
            let error = refused(account).await;
            assert!(error.contains(said) && !error.contains("salt2"), "{error}");
        }
        assert!(accounts.by_name("ann").await.unwrap().is_none());
        // Nobody logs in to one that is disabled, or that has no password yet.
        accounts.import(ImportedAccount::new("old", HASHES[0]).active(false)).await.unwrap();
        let new = accounts.import(ImportedAccount::without_password("new")).await.unwrap();
        for (name, typed) in [("old", TYPED), ("new", TYPED), ("new", "")] {
            let refused = verify(&app, name, typed).await;
            assert!(matches!(refused, Err(AccountError::InvalidCredentials)), "{name}");
        }
        accounts.set_password(new.id, TYPED).await.unwrap();
        verify(&app, "new", TYPED).await.unwrap();
    });
}

fn import(store: &Path, file: &str, input: &str) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jwtauth_program"));
    command.args(["accounts", "import", file]).env("JWTAUTH_STORE", store);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A program that reads nothing may be gone by now.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn m_20_the_program_imports_a_file_once_and_tells_each_line_that_is_wrong() {
    bounded(async {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        let open = async || {
            let builder = JwtAuth::builder().secret(tests::app::SECRET).accounts(AccountsConfig::default());
            builder.open(&path).await.unwrap()
        };
        drop(open().await);
        let line = |name: &str, hash: &str| json!({ "name": name, "hash": hash }).to_string();
        let good: Vec<_> =
            HASHES.iter().enumerate().map(|(number, hash)| line(&format!("User{number}"), hash)).collect();
        let good = format!("{}\n\n{{\"name\":\"carol\",\"active\":false}}\n", good.join("\n"));

        // Nothing of a file that has a line which is none.
        for (wrong, said) in [
            ("{\"name\":\"dora\",\"password\":\"seasalt\"}", "unknown field `password`"),
            ("{\"name\":\"dora\",\"active\":\"seasalt\"}", "from column"),
            ("{\"hash\":\"seasalt\"}", "missing field `name`"),
            ("seasalt", "from column"),
            (&format!("{{\"name\":\"{}\"}}", "x".repeat(70_000)), "longer than 64 kB"),
        ] {
            let (code, out, err) = import(&path, "-", &format!("{good}{wrong}\n"));
            assert_eq!((code, &*out), (Some(1), ""), "{err}");
            assert!(err.contains("line 8 ") && err.contains(said) && !err.contains("seasalt"), "{err}");
        }
        let file = folder.path().join("users");
        std::fs::write(&file, &good).unwrap();
        let file = file.to_str().unwrap();
        let (code, out, err) = import(&path, file, "");
        assert_eq!((code, &*out), (Some(0), "6 imported, 0 were there already, 0 refused\n"), "{err}");
        let (code, out, err) = import(&path, file, "");
        assert_eq!((code, &*out), (Some(0), "0 imported, 6 were there already, 0 refused\n"), "{err}");
        assert!(err.contains("line 7: \"carol\" is there already"), "{err}");
        let odd = format!(
            "{}\n{}\n{}\n",
            line("eve", "md5$seasalt$0"),
            line("a\tb", HASHES[0]),
            line("fred", HASHES[0])
        );
        let (code, out, err) = import(&path, "-", &odd);
        assert_eq!((code, &*out), (Some(1), "1 imported, 0 were there already, 2 refused\n"), "{err}");
        assert!(err.contains("line 1: \"eve\" is refused") && !err.contains("seasalt"), "{err}");
        assert_eq!(import(&path, "/nowhere", "").0, Some(1));

        let jwtauth = open().await;
        let accounts = jwtauth.accounts().unwrap();
        for name in ["user0", "user1", "user2", "user3", "user4", "fred"] {
            accounts.verify(name, TYPED, None).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        }
        let carol = accounts.by_name("carol").await.unwrap().unwrap();
        assert!(!carol.active);
    });
}
