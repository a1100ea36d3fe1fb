//! Accounts in the stores: the conformance suite, restarts, kills, and files that were tampered with.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use jwtauth::error::StoreError;
use jwtauth::store::{AccountStore, SessionStore, conformance};
use jwtauth::{AccountsConfig, MemoryStore, SessionId, SledStore};
use tests::numbers::{Numbers, spread};
use tests::{bounded, bounded_by};

use super::{PASSWORD, accounts, register, sled, verify, with};

#[test]
fn memory_conforms() {
    bounded(conformance::run_accounts(async || MemoryStore::new()));
}

#[test]
fn sled_conforms() {
    let dir = tempfile::tempdir().unwrap();
    let opened = AtomicUsize::new(0);
    bounded(conformance::run_accounts(|| {
        let number = opened.fetch_add(1, Ordering::Relaxed);
        let path = dir.path().join(number.to_string());
        async move { sled(&path).await }
    }));
    assert!(opened.into_inner() >= 9, "each rule has a store of its own");
}

#[test]
fn r_1_a_reopened_store_holds_the_same_accounts() {
    bounded(async {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store");
        let mut expected = Vec::new();
        for round in 0..3 {
            let app = with(sled(&path).await, AccountsConfig::default());
            for account in &expected {
                let account: &jwtauth::Account = account;
                assert_eq!(accounts(&app).by_id(account.id).await.unwrap().as_ref(), Some(account));
                assert_eq!(accounts(&app).by_name(&account.name).await.unwrap().as_ref(), Some(account));
            }
            let named = format!("Name-{round}");
            register(&app, &named).await;
            let on = verify(&app, &named, PASSWORD).await.unwrap();
            expected.push(accounts(&app).set_roles(on.id, ["admin"]).await.unwrap());
            let off = register(&app, &format!("off-{round}")).await;
            expected.push(accounts(&app).disable(off.id).await.unwrap());
        }
        let app = with(sled(&path).await, AccountsConfig::default());
        assert_eq!(accounts(&app).list(None, 100).await.unwrap().len(), 6);
        assert!(verify(&app, "NAME-0", PASSWORD).await.is_ok());
        assert!(verify(&app, "off-0", PASSWORD).await.is_err());
    });
}

/// R-1, S-11: what was said to be done survives kill -9, and an account that is off never has a live session.
#[test]
fn r_1_s_11_accounts_survive_kill_9_as_a_whole() {
    bounded_by(Duration::from_secs(120), async {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store");
        let mut random = Numbers::seeded(5);
        let (mut first, mut done) = (0_u64, Vec::new());
        for kill in 0..15 {
            let mut probe = Command::new(env!("CARGO_BIN_EXE_account_probe"))
                .arg(&path)
                .arg(first.to_string())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let mut said = BufReader::new(probe.stdout.take().unwrap()).lines();
            let lines = 5 + random.below(60);
            for _ in 0..lines {
                done.push(said.next().unwrap().unwrap());
            }
            probe.kill().unwrap();
            // What it said before it died counts too.
            done.extend(said.map_while(Result::ok).filter(|line| line.split(' ').count() == 2));
            probe.wait().unwrap();

            let store = sled(&path).await;
            let all = store.accounts(None, 10_000).await.unwrap();
            for account in &all {
                let session = store.sessions_of(account.id.to_string()).await.unwrap().remove(0);
                assert_eq!(session.revoked.is_none(), account.active, "kill {kill}: {account:?}");
            }
            for line in &done {
                let (what, number) = line.split_once(' ').unwrap();
                let number: u64 = number.parse().unwrap();
                // The one that was on its way has nothing more to it than what was said.
                first = first.max(number + 2);
                let account = store.account_by_key(format!("name-{number}")).await.unwrap();
                let session = store.load(SessionId::from_bytes(spread(number))).await.unwrap().unwrap();
                match (what, account) {
                    ("GONE", gone) => assert!(gone.is_none(), "kill {kill}: {line} was lost"),
                    (_, Some(account)) => {
                        assert!(what == "ADD" || !account.active, "kill {kill}: {line} was lost")
                    }
                    // Removed as a whole, though it was not said any more.
                    (_, None) => {
                        assert!(
                            number.is_multiple_of(3) && session.revoked.is_some(),
                            "kill {kill}: {line} was lost"
                        );
                    }
                }
                assert!(
                    what == "ADD" || session.revoked.is_some(),
                    "kill {kill}: {line} left its session alive"
                );
            }
        }
        println!("{} answers survived 15 kills", done.len());
        assert!(done.len() > 300 && done.iter().any(|line| line.starts_with("GONE")));
    });
}

/// an account that is gone, or as it was before a change, is noticed when the store is opened.
#[test]
fn r_7_an_account_that_was_tampered_with_is_noticed() {
    type Tamper = fn(&::sled::Db, (::sled::IVec, ::sled::IVec), (::sled::IVec, ::sled::IVec));
    let cases: [(&str, Tamper); 5] = [
        ("record does not match its checksum", |db, (key, _), (_, other)| {
            drop(db.insert(key, other).unwrap())
        }),
        ("accounts should be there", |db, (key, _), _| drop(db.remove(key).unwrap())),
        ("before a change", |db, (key, old), _| drop(db.insert(key, old).unwrap())),
        ("names in the index", |db, _, _| {
            let name = db.scan_prefix(b"n").keys().next().unwrap().unwrap();
            db.remove(name).unwrap();
        }),
        ("names in the index", |db, _, _| drop(db.insert(b"nmallory\0aaaaaaaaaaaaaaaa", b"").unwrap())),
    ];
    bounded(async move {
        for (expected, tamper) in cases {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("store");
            let app = with(sled(&path).await, AccountsConfig::default());
            let account = register(&app, "alice").await;
            register(&app, "bob").await;
            drop(app);
            let record = |db: &::sled::Db, id: jwtauth::AccountId| {
                let key = [b"a", &id.as_bytes()[..]].concat();
                (::sled::IVec::from(&key[..]), db.get(&key).unwrap().unwrap())
            };
            let old = record(&tests::raw::open(&path), account.id);
            let app = with(sled(&path).await, AccountsConfig::default());
            accounts(&app).disable(account.id).await.unwrap();
            let bob = accounts(&app).by_name("bob").await.unwrap().unwrap();
            drop(app);
            let db = tests::raw::open(&path);
            let other = record(&db, bob.id);
            tamper(&db, old, other);
            db.flush().unwrap();
            drop(db);
            let refused = SledStore::open(&path).await;
            let Err(StoreError::Corrupt { problem, .. }) = refused else { panic!("{expected}: {refused:?}") };
            assert!(problem.contains(expected), "{expected}: {problem}");
        }
    });
}
