//! Accounts of which only the name is left, or nothing: it is said how many they are, and what becomes of their names.

use super::flips::{content, places_of};
use super::*;

const LOST: u8 = 7;
const WITHOUT_NAME: u8 = 22;
const SESSION: u8 = 200;

fn id(number: u8) -> jwtauth::AccountId {
    jwtauth::AccountId::from_bytes([number; 16])
}

/// O-18: the record of an account and the row of its name are two, and each may be damaged alone.
#[test]
fn o_18_it_is_said_which_accounts_are_lost_and_a_known_name_stays_taken() {
    bounded_by(std::time::Duration::from_secs(120), async {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        make(&path, 40).await;
        let store = SledStore::open(&path).await.unwrap();
        let mut session = jwtauth::testing::session(SESSION, &id(LOST).to_string());
        (session.expires_at, session.absolute_expires_at) = (u64::MAX / 4, u64::MAX / 4);
        store.insert(session, LoginEffects::default()).await.unwrap();
        drop(store);
        let raw = folder.path().join("raw");
        copy(&path, &raw);
        let content = content(&raw);
        let record = |kind: &[u8], number: u8| content[&[kind, &[number; 16]].concat()].clone();
        // The end of the key of a name. What it begins with may be left out.
        let row = |number: u8| [&[0][..], &[number; 16]].concat();
        for (bytes, wrong) in [
            (record(b"a", LOST), [6, 8, 11, 13, 20]),
            (record(b"s", SESSION), [6, 8, 11, 13, 20]),
            (record(b"a", WITHOUT_NAME), [6, 8, 11, 13, 20]),
            (row(WITHOUT_NAME), [2, 4, 7, 9, 12]),
        ] {
            let places = places_of(&fs::read(path.join("db")).unwrap(), &bytes);
            assert!(!places.is_empty(), "{bytes:?}");
            for at in places {
                wrong.into_iter().for_each(|byte| flip(&path.join("db"), (at + byte) as u64, 3));
            }
        }

        let found = doctor(&path);
        assert_eq!((found.readable.accounts, found.accounts_expected), (40, Some(42)), "{found:#?}");
        let lost: Vec<&str> = found.lost_accounts.iter().map(|account| &*account.name).collect();
        assert_eq!((&lost[..], found.nameless_accounts), (&["user 007"][..], Some(1)), "{found:#?}");
        // Of others there may be some: their keys end as that of the name does.
        let mut named = found.lost_sessions.iter().filter_map(|lost| lost.name.as_deref());
        assert_eq!((named.next(), named.next()), (Some("user 007"), None), "{found:#?}");
        for arguments in [&["doctor"][..], &["repair", "--yes"]] {
            let said = run(&path, "", arguments).out;
            for part in [
                "(their names stay taken, and nobody can log in by them): 1.",
                &format!("  {}  user 007\n", id(LOST)),
                "whose names are not known either: 1. After a repair anybody may register",
                &format!("  {}  user 007  1 session\n", id(LOST)),
            ] {
                assert!(said.contains(part), "{arguments:?}: {part}: {said}");
            }
        }

        let store = SledStore::open(&path).await.unwrap();
        for (name, is_free) in [("user 007", false), ("user 022", true)] {
            let hash = PasswordHash::from_phc("another's".into());
            let account = StoredAccount::new(id(250), name.into(), name.into(), hash, 100);
            assert_eq!(store.create_account(account).await.unwrap(), is_free, "{name}");
        }
        let kept = store.account(id(LOST)).await.unwrap().unwrap();
        assert_eq!((&*kept.name, kept.active), ("user 007", false));
    });
}

/// The totals are as old as the data, and the journal is not.
#[test]
fn o_18_accounts_that_were_added_since_are_counted_by_the_journal() {
    bounded(async {
        let folder = tempfile::tempdir().unwrap();
        let (path, older) = (folder.path().join("store"), folder.path().join("older"));
        make(&path, 3).await;
        copy(&path, &older);
        let jwtauth = jwtauth_on(SledStore::open(&path).await.unwrap());
        for name in ["carol", "dora"] {
            jwtauth.accounts().unwrap().register(name, PASSWORD).await.unwrap();
        }
        drop(jwtauth);
        fs::copy(older.join("db"), path.join("db")).unwrap();
        let found = doctor(&path);
        assert_eq!((found.accounts_expected, found.nameless_accounts), (Some(7), Some(2)), "{found:#?}");
    });
}
