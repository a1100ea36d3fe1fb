//! Accounts that come from another program, with the hashes that it has made.

use jwtauth::error::AccountError;
use jwtauth::{AccountsConfig, ImportedAccount, MemoryStore};
use tests::app::START;
use tests::bounded;

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
        let app = with(MemoryStore::new(), AccountsConfig::default().hashers(1));
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
