//! Registration and logins: names are unique, nobody learns who exists, guessing is slow, and no password is seen.

use std::collections::HashSet;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jwtauth::error::AccountError;
use jwtauth::store::{AccountStore, SessionStore};
use jwtauth::{AccountsConfig, Device};
use tests::app::{START, TestApp};
use tests::bounded;
use tests::log::logged;
use tests::test_store::TestStore;

use super::{OTHER, PASSWORD, accounts, app, register, sled, verify, with};

fn address(last: u8) -> Option<IpAddr> {
    Some(IpAddr::from([192, 0, 2, last]))
}

/// Returns how long to wait, in seconds.
fn throttled(outcome: Result<jwtauth::Account, AccountError>) -> u64 {
    match outcome {
        Err(AccountError::RateLimited { retry_after }) => retry_after.as_secs(),
        other => panic!("not throttled: {other:?}"),
    }
}

async fn fifty_registrations(store: impl SessionStore) {
    let app = with(store, AccountsConfig::default());
    let spellings = ["Straße", "STRASSE", "strasse", " Strasse", "ｓｔｒａſſｅ"];
    let tasks: Vec<_> = (0..50)
        .map(|number| {
            let accounts = accounts(&app).clone();
            tokio::spawn(
                async move { accounts.register(spellings[number % spellings.len()], PASSWORD).await },
            )
        })
        .collect();
    let (mut won, mut taken) = (Vec::new(), 0);
    for task in tasks {
        match task.await.unwrap() {
            Ok(account) => won.push(account),
            Err(AccountError::NameTaken) => taken += 1,
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!((won.len(), taken), (1, 49));
    for spelling in spellings {
        assert_eq!(accounts(&app).by_name(spelling).await.unwrap().as_ref(), won.first(), "{spelling}");
    }
    assert_eq!(accounts(&app).list(None, 10).await.unwrap(), won);
}

#[test]
fn of_fifty_registrations_of_a_name_one_wins() {
    bounded(async {
        fifty_registrations(TestStore::new()).await;
        let dir = tempfile::tempdir().unwrap();
        fifty_registrations(sled(&dir.path().join("store")).await).await;
    });
}

#[test]
fn a_registration_says_what_is_wrong() {
    bounded(async {
        let app = app();
        for (name, password, wanted) in [
            ("", PASSWORD, "the name is refused: it is empty"),
            (
                "a b",
                PASSWORD,
                "the name is refused: it has a space: use letters, digits and ASCII punctuation",
            ),
            (
                "alice",
                "short",
                "the password is refused: it has fewer than 8 characters: a few words make a good one",
            ),
            (
                "alice@example.com",
                "Alice@Example.com",
                "the password is refused: it is the name: choose another one",
            ),
        ] {
            let error = accounts(&app).register(name, password).await.unwrap_err();
            assert_eq!(error.to_string(), wanted);
        }
        assert_eq!(accounts(&app).hashes_computed(), 0, "nothing was hashed for them");
        let account = register(&app, "  Alice ").await;
        assert_eq!((&*account.name, account.created_at, account.last_login), ("Alice", START, None));
        assert!(account.active && account.roles.is_empty());
        let taken = accounts(&app).register("ALICE", OTHER).await;
        assert!(matches!(taken, Err(AccountError::NameTaken)), "{taken:?}");
        assert_eq!(accounts(&app).by_name("a b").await.unwrap(), None);
    });
}

#[test]
fn accounts_are_listed_by_name() {
    bounded(async {
        let app = app();
        for name in ["carol", "Bob", "alice"] {
            register(&app, name).await;
        }
        let mut names = Vec::new();
        let mut page = accounts(&app).list(None, 2).await.unwrap();
        while let Some(last) = page.last() {
            let after = last.name.clone();
            names.extend(page.into_iter().map(|account| account.name));
            page = accounts(&app).list(Some(&after), 2).await.unwrap();
        }
        assert_eq!(names, ["alice", "Bob", "carol"]);
    });
}

/// S-16: the same answer and the same work, whatever the reason. Time is only printed.
#[test]
fn s_16_unknown_and_wrong_cost_the_same() {
    bounded(async {
        let app = app();
        register(&app, "alice").await;
        let off = register(&app, "off").await;
        accounts(&app).disable(off.id).await.unwrap();
        let cases = [
            ("alice", OTHER, "wrong password"),
            ("nobody", PASSWORD, "unknown name"),
            ("off", PASSWORD, "disabled"),
            ("off", OTHER, "disabled, wrong password"),
            ("a b", PASSWORD, "no name at all"),
            ("alice", "", "empty password"),
        ];
        let mut texts = HashSet::new();
        for (name, password, what) in cases {
            let (before, start) = (accounts(&app).hashes_computed(), Instant::now());
            let refused = verify(&app, name, password).await.unwrap_err();
            println!("{what}: {:?}", start.elapsed());
            assert_eq!(accounts(&app).hashes_computed() - before, 1, "{what}");
            assert!(matches!(refused, AccountError::InvalidCredentials), "{what}: {refused:?}");
            texts.insert(format!("{refused} {refused:?}"));
        }
        assert_eq!(texts.len(), 1, "{texts:?}");
        // Too long for anybody: nothing is hashed, for a name that exists and for one that does not.
        let before = accounts(&app).hashes_computed();
        for name in ["alice", "nobody"] {
            let refused = verify(&app, name, &"x".repeat(1025)).await;
            assert!(matches!(refused, Err(AccountError::InvalidCredentials)));
        }
        assert_eq!(accounts(&app).hashes_computed(), before);
    });
}

#[test]
fn a_login_is_noted() {
    bounded(async {
        let app = app();
        let account = register(&app, "alice").await;
        app.clock.advance(Duration::from_secs(60));
        let logged_in = verify(&app, "ALICE", PASSWORD).await.unwrap();
        assert_eq!(logged_in.last_login, Some(START + 60));
        assert_eq!(logged_in.revision, account.revision, "a login is no change");
        app.clock.advance(Duration::from_secs(60));
        verify(&app, "alice", OTHER).await.unwrap_err();
        assert_eq!(accounts(&app).by_id(account.id).await.unwrap(), Some(logged_in));
    });
}

/// S-16, ASVS 6.3.1: slower and slower, the right password too, and the same for a name that does not exist.
#[test]
fn s_16_failures_are_slowed_down_by_account() {
    bounded(async {
        let app = TestApp::with(TestStore::new(), |set| set.accounts(AccountsConfig::default()));
        register(&app, "alice").await;
        register(&app, "bob").await;
        for name in ["Alice", "nobody"] {
            for _ in 0..5 {
                let refused = verify(&app, name, OTHER).await;
                assert!(matches!(refused, Err(AccountError::InvalidCredentials)), "{refused:?}");
            }
            let before = accounts(&app).hashes_computed();
            assert_eq!(throttled(verify(&app, &name.to_uppercase(), PASSWORD).await), 1, "{name}");
            assert_eq!(accounts(&app).hashes_computed(), before, "nothing was hashed");
        }
        verify(&app, "bob", PASSWORD).await.unwrap();
        app.clock.advance(Duration::from_secs(1));
        verify(&app, "alice", OTHER).await.unwrap_err();
        assert_eq!(throttled(verify(&app, "alice", PASSWORD).await), 2);
        app.clock.advance(Duration::from_secs(2));
        verify(&app, "alice", PASSWORD).await.unwrap();
        for _ in 0..4 {
            verify(&app, "alice", OTHER).await.unwrap_err();
        }
        verify(&app, "alice", PASSWORD).await.unwrap();
    });
}

#[test]
fn s_16_failures_are_slowed_down_by_address() {
    bounded(async {
        let app = TestApp::with(TestStore::new(), |set| {
            set.accounts(AccountsConfig::default().free_failures(5, 3))
        });
        register(&app, "alice").await;
        for number in 0..3 {
            let guess = accounts(&app).verify(&format!("name-{number}"), OTHER, address(1)).await;
            assert!(matches!(guess, Err(AccountError::InvalidCredentials)));
        }
        assert_eq!(throttled(accounts(&app).verify("alice", PASSWORD, address(1)).await), 1);
        accounts(&app).verify("alice", PASSWORD, address(2)).await.unwrap();
        accounts(&app).verify("alice", PASSWORD, None).await.unwrap();
    });
}

/// The owner is let in at home while an attacker fails elsewhere.
#[test]
fn s_16_an_attacker_does_not_lock_the_owner_out() {
    bounded(async {
        let app = TestApp::with(TestStore::new(), |set| set.accounts(AccountsConfig::default()));
        register(&app, "alice").await;
        accounts(&app).verify("alice", PASSWORD, address(1)).await.unwrap();
        for attacker in 2..22 {
            accounts(&app).verify("alice", OTHER, address(attacker)).await.unwrap_err();
        }
        assert_eq!(throttled(accounts(&app).verify("alice", PASSWORD, address(99)).await), 1);
        accounts(&app).verify("alice", PASSWORD, address(1)).await.unwrap();
    });
}

/// What could not be told is no failure: the store is down, or too many wait.
#[test]
fn an_outage_is_no_failure() {
    bounded(async {
        let app = TestApp::with(TestStore::new(), |set| {
            set.accounts(AccountsConfig::default().hashers(1).waiting(0))
        });
        register(&app, "alice").await;
        let (mut busy, mut rounds) = (0, 0);
        // On a busy machine some come one after the other.
        while busy < 20 && rounds < 100 {
            rounds += 1;
            let at_once = (0..4).map(|_| verify(&app, "alice", PASSWORD));
            for outcome in futures_util::future::join_all(at_once).await {
                match outcome {
                    Ok(_) => {}
                    Err(AccountError::Busy) => busy += 1,
                    Err(error) => panic!("{error}"),
                }
            }
        }
        assert!(busy >= 20, "{busy} in {rounds} rounds");
    });
}

async fn hash_of(path: &Path) -> String {
    let store = sled(path).await;
    store.account_by_key("alice".into()).await.unwrap().unwrap().hash.as_phc().to_owned()
}

/// S-16: with other parameters the hash is renewed by a login, and by nothing else.
#[test]
fn s_16_a_hash_is_renewed_when_parameters_change() {
    bounded(async {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store");
        let open = async |config| with(sled(&path).await, config);
        let app = open(AccountsConfig::default()).await;
        let account = register(&app, "alice").await;
        drop(app);
        let first = hash_of(&path).await;
        assert!(first.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{first}");

        let app = open(AccountsConfig::default().argon2(12_288, 3, 1)).await;
        verify(&app, "alice", OTHER).await.unwrap_err();
        let before = accounts(&app).hashes_computed();
        let logged_in = verify(&app, "alice", PASSWORD).await.unwrap();
        assert_eq!(accounts(&app).hashes_computed() - before, 2, "checked and made anew");
        assert_eq!(logged_in.revision, account.revision, "no session ends by it");
        assert_eq!(logged_in.password_changed_at, account.password_changed_at);
        verify(&app, "alice", PASSWORD).await.unwrap();
        assert_eq!(accounts(&app).hashes_computed() - before, 3, "once");
        drop(app);
        let second = hash_of(&path).await;
        assert!(second.starts_with("$argon2id$v=19$m=12288,t=3,p=1$"), "{second}");
    });
}

fn files(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push((path.clone(), fs::read(&path).unwrap()));
        }
    }
    found
}

/// no password in a file, no password and no hash in a log line, in `Debug` or in JSON.
#[test]
fn r_3_r_11_no_password_is_seen_anywhere() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    logged(async |log| {
        let store = sled(&path).await;
        let app: TestApp = with(store, AccountsConfig::default());
        let account = register(&app, "alice").await;
        let logged_in = verify(&app, "alice", PASSWORD).await.unwrap();
        let session = app.jwtauth.sessions().login(&logged_in, Device::default()).await.unwrap().session;
        let refused = verify(&app, "alice", "wrong wrong wrong").await.unwrap_err();
        verify(&app, "typed into the wrong field", PASSWORD).await.unwrap_err();
        accounts(&app).change_password(account.id, PASSWORD, OTHER, Some(session.id)).await.unwrap();
        let short = accounts(&app).set_password(account.id, "sesame").await.unwrap_err();
        let json = serde_json::to_string(&logged_in).unwrap();
        let shown = format!(
            "{account:?} {refused:?} {short:?} {short} {json} {:?} {:?}",
            app.jwtauth,
            accounts(&app)
        );
        drop(app);
        let hash = hash_of(&path).await;
        let store = sled(&path).await;
        let stored = format!("{:?}", store.account(account.id).await.unwrap());
        drop(store);
        assert!(stored.contains("[redacted]") && json.contains("\"name\":\"alice\""), "{stored} {json}");
        let seen = format!("{shown} {stored} {}", log.text());
        for event in ["account_registered", "password_accepted", "password_refused", "password_changed"] {
            assert!(seen.contains(event), "{event} was not logged: {seen}");
        }
        let secret = hash.rsplit('$').next().unwrap();
        for hidden in [PASSWORD, OTHER, "wrong wrong", "wrong field", "sesame", secret, "$argon2", "alice@"] {
            assert!(!seen.contains(hidden), "{hidden:?} was seen: {seen}");
        }
        let kept = files(dir.path());
        let holds = |needle: &str| {
            kept.iter()
                .any(|(_, bytes)| bytes.windows(needle.len()).any(|window| window == needle.as_bytes()))
        };
        assert!(holds("$argon2id$"), "the search finds what is there");
        for hidden in [PASSWORD, OTHER, "wrong wrong", "wrong field"] {
            assert!(!holds(hidden), "{hidden:?} is in a file");
        }
    });
}
