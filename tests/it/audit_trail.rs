//! The audit trail: what stands in it, that strangers cannot fill it, and that a change of it is found.

mod damaged;
mod dropped;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jwtauth::store::operate::{self, CheckedTrail};
use jwtauth::store::{EventRecord, EventStore as _, SessionStore, TrailHead, codec};
use jwtauth::{AccountsConfig, Device, JwtAuth, SledStore, StorageConfig};
use serde_json::{Value, json};
use tests::app::{SECRET, START, TestApp};
use tests::bounded;
use tests::faulty::{Fault, Faulty};
use tests::log::logged;
use tests::tab::Tab;

use crate::operate::run;

const KEEP: u64 = 1_000;

async fn kept(store: &Faulty) -> Vec<EventRecord> {
    store.events_after(0, usize::MAX).await.unwrap()
}

fn names(records: &[EventRecord]) -> Vec<&str> {
    records.iter().map(|record| &*record.event.event).collect()
}

async fn check(store: &Arc<dyn SessionStore>) -> CheckedTrail {
    operate::check_trail(store, None, &|_| std::ops::ControlFlow::Continue(())).await.unwrap()
}

#[test]
fn o_8_each_event_stands_in_the_trail_when_its_request_is_answered() {
    bounded(async {
        let store = Faulty::default();
        let app = TestApp::with(store.clone(), |builder| {
            builder.storage(StorageConfig::default().keep_events(KEEP))
        });
        let tab = Tab::new(&app);
        let pair = tab.login("bob").await;
        assert_eq!(names(&kept(&store).await), ["login"]);
        app.clock.advance(Duration::from_secs(301));
        let renewed = tab.get("/me", &pair.cookies()).await.pair();
        assert_eq!(tab.get("/me", &renewed.cookies()).await.status, 200);
        assert_eq!(names(&kept(&store).await), ["login"], "a refresh is no event of security");
        app.clock.advance(Duration::from_secs(60));
        assert_eq!(tab.post("/refresh", &pair.only_refresh()).await.status, 401);
        assert_eq!(names(&kept(&store).await), ["login", "reuse_detected"]);
        let pair = tab.login("bob").await;
        assert_eq!(tab.post("/logout", &pair.cookies()).await.status, 200);
        app.jwtauth.sessions().revoke_all("bob").await.unwrap();
        let all = kept(&store).await;
        let expected = ["login", "reuse_detected", "login", "session_revoked", "all_revoked"];
        assert_eq!(names(&all), expected);
        assert_eq!(all[0].event.at, START);
        assert_eq!(all[0].event.subject.as_deref(), Some("bob"));
        assert_eq!(
            (all[0].event.session, all[3].event.session),
            (all[1].event.session, all[2].event.session)
        );
        assert_eq!(all[3].event.details, [("reason".to_owned(), "logout".to_owned())]);
        let checked = check(&(Arc::new(store) as Arc<dyn SessionStore>)).await;
        assert_eq!((checked.events, checked.faults), (5, Vec::new()));
    });
}

#[test]
fn o_8_a_trail_that_cannot_be_written_fails_no_login_and_says_what_is_missing() {
    logged(async |log| {
        let store = Faulty::default();
        let app = TestApp::with(store.clone(), |builder| {
            builder.storage(StorageConfig::default().keep_events(KEEP))
        });
        let tab = Tab::new(&app);
        drop(tab.login("ann").await);
        store.set_trail(Fault::Error);
        drop(tab.login("bob").await);
        drop(tab.login("bob").await);
        store.set_trail(Fault::None);
        drop(tab.login("eve").await);
        let all = kept(&store).await;
        assert_eq!(names(&all), ["login", "events_lost", "login"]);
        assert_eq!(all[1].event.details, [("count".to_owned(), "2".to_owned())]);
        let text = log.text();
        assert_eq!(text.matches("events are missing in the audit trail").count(), 1, "{text}");
    });
}

#[test]
fn o_9_the_trail_has_no_names_and_no_passwords() {
    bounded(async {
        let folder = tempfile::tempdir().unwrap();
        let store = SledStore::open(folder.path().join("store")).await.unwrap();
        let builder = JwtAuth::builder().secret(SECRET).accounts(AccountsConfig::default().hashers(1));
        let jwtauth =
            builder.storage(StorageConfig::default().keep_events(KEEP)).build(store.clone()).unwrap();
        let accounts = jwtauth.accounts().unwrap();
        let account = accounts.register("marie.curie", "through the looking glass").await.unwrap();
        accounts.set_password(account.id, "a new long password").await.unwrap();
        accounts.set_roles(account.id, ["admin"]).await.unwrap();
        accounts.remove(account.id).await.unwrap();
        let all = store.events_after(0, usize::MAX).await.unwrap();
        let of_accounts = names(&all).into_iter().filter(|name| *name != "all_revoked");
        let expected = ["account_registered", "password_set", "roles_set", "account_removed"];
        assert_eq!(of_accounts.collect::<Vec<_>>(), expected);
        assert!(all.iter().all(|it| it.event.subject.as_deref() == Some(&*account.id.to_string())));
        let text = serde_json::to_string(&all).unwrap();
        for secret in ["marie", "curie", "looking", "long password"] {
            assert!(!text.contains(secret), "{secret}: {text}");
        }
    });
}

#[test]
fn o_10_nobody_can_push_the_events_of_others_out_of_the_trail() {
    bounded(async {
        let store = Faulty::default();
        let app = TestApp::with(store.clone(), |builder| {
            builder.storage(StorageConfig::default().keep_events(100))
        });
        let sessions = app.jwtauth.sessions();
        let tokens = sessions.login(&tests::app::User::named("ann"), Device::default()).await.unwrap();
        for _ in 0..500 {
            sessions.login(&tests::app::User::named("eve"), Device::default()).await.unwrap();
        }
        app.clock.advance(Duration::from_secs(60));
        sessions.sweep().await.unwrap();
        let all = kept(&store).await;
        assert_eq!(all.len(), 12, "{:?}", names(&all));
        assert_eq!(all[0].event.session, Some(tokens.session.id));
        let last = &all[11].event;
        let said = [("event", "login"), ("count", "490")].map(|(name, value)| (name.into(), value.into()));
        assert_eq!((&*last.event, last.subject.as_deref()), ("events_left_out", Some("eve")));
        assert_eq!(last.details, said);
    });
}

#[test]
fn o_10_logouts_are_counted_by_the_user_too() {
    bounded(async {
        let store = Faulty::default();
        let app = TestApp::with(store.clone(), |builder| {
            builder.storage(StorageConfig::default().keep_events(100))
        });
        let sessions = app.jwtauth.sessions();
        for _ in 0..60 {
            let eve = sessions.login(&tests::app::User::named("eve"), Device::default()).await.unwrap();
            sessions.revoke(eve.session.id).await.unwrap();
        }
        sessions.login(&tests::app::User::named("ann"), Device::default()).await.unwrap();
        let all = kept(&store).await;
        assert_eq!(all.len(), 21, "ten logins and ten logouts of Eve, and Ann: {:?}", names(&all));
        assert!(all.iter().all(|it| it.event.subject.is_some()), "each says whose it is");
        // What was counted is written before the end, and once.
        for _ in 0..2 {
            sessions.flush().await.unwrap();
        }
        let all = kept(&store).await;
        let counted: Vec<_> = all[21..].iter().map(|it| it.event.details[1].1.as_str()).collect();
        assert_eq!((names(&all[21..]), counted), (vec!["events_left_out"; 2], vec!["50"; 2]));
    });
}

/// Makes a store with a trail of some events.
async fn store_with_trail(path: &Path) -> TrailHead {
    let builder = JwtAuth::builder().secret(SECRET).accounts(AccountsConfig::default().hashers(1));
    let jwtauth = builder.storage(StorageConfig::default().keep_events(KEEP)).open(path).await.unwrap();
    let account = jwtauth.accounts().unwrap().register("alice", "through the looking glass").await.unwrap();
    for _ in 0..6 {
        jwtauth.sessions().login(&account, Device::default()).await.unwrap();
    }
    drop(jwtauth);
    SledStore::open(path).await.unwrap().trail_head().await.unwrap().unwrap()
}

#[test]
fn o_8_the_program_shows_the_trail_and_goes_on_with_it() {
    bounded(async {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("store");
        let head = store_with_trail(&store).await;
        assert_eq!((head.first, head.last, head.keep), (1, 7, KEEP));
        let all = run(&store, "", &["events", "--json"]).json();
        assert_eq!(all.len(), 7);
        assert_eq!((&all[0]["event"], &all[6]["event"]), (&json!("account_registered"), &json!("login")));
        let some = |arguments: &[&str]| -> Vec<Value> {
            let all = run(&store, "", &[&["events", "--json"], arguments].concat()).json();
            all.iter().map(|event| event["number"].clone()).collect()
        };
        assert_eq!(some(&["--last", "2"]), [6, 7]);
        assert_eq!(some(&["--event", "account_registered"]), [1]);
        assert_eq!(some(&["--of", "alice", "--last", "3"]), [5, 6, 7]);
        assert_eq!(some(&["--of", "nobody"]), Vec::<Value>::new());
        let table = run(&store, "", &["events"]);
        assert!(table.out.contains("account_registered") && table.out.contains("2"), "{table:?}");

        // What is done without a server stands there too, with who did it.
        assert_eq!(run(&store, "", &["accounts", "disable", "alice"]).code, 0);
        let last = run(&store, "", &["events", "--json", "--event", "account_disabled"]).json();
        assert_eq!(last[0]["details"], json!([["by", "operator"]]));

        let checked = run(&store, "", &["events", "--check", "--json"]).json();
        let mark = checked[0]["mark"].as_str().unwrap();
        assert!(mark.starts_with("9:"), "{checked:?}");
        assert_eq!(checked[0]["faults"], json!([]));
        let again = run(&store, "", &["events", "--check", "--mark", mark]);
        assert!(again.out.contains("Event 9 is as it was"), "{again:?}");
        let other = run(&store, "", &["events", "--check", "--mark", &format!("9:{}", "00".repeat(32))]);
        assert_eq!((other.code, other.out.contains("is not what it was")), (1, true), "{other:?}");
        let bad = run(&store, "", &["events", "--check", "--mark", "9:xyz"]);
        assert_eq!((bad.code, bad.err.contains("64 hexadecimal digits")), (2, true), "{bad:?}");
        assert_eq!(run(&store, "", &["doctor"]).code, 0);
    });
}

#[test]
fn o_8_while_a_server_runs_it_shows_its_trail() {
    bounded(async {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        let builder = JwtAuth::builder().secret(SECRET).accounts(AccountsConfig::default().hashers(1));
        let jwtauth = builder.storage(StorageConfig::default().keep_events(KEEP)).open(&path).await.unwrap();
        let account = jwtauth.accounts().unwrap().register("bob", "through the looking glass").await.unwrap();
        jwtauth.sessions().login(&account, Device::default()).await.unwrap();
        let ask = |arguments: &'static [&str]| {
            let path = path.clone();
            tokio::task::spawn_blocking(move || run(&path, "", arguments))
        };
        assert_eq!(ask(&["sessions", "revoke", "--all", "--yes"]).await.unwrap().code, 0);
        let said = ask(&["events", "--json"]).await.unwrap().json();
        let last = said.last().unwrap();
        assert_eq!((&last["number"], &last["event"]), (&json!(3), &json!("session_revoked")));
        assert_eq!(last["details"], json!([["reason", "requested"], ["by", "operator"]]));
        assert_eq!(ask(&["events", "--check"]).await.unwrap().code, 0);
    });
}

#[test]
fn a_store_without_a_trail_says_how_to_have_one() {
    bounded(async {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        drop(SledStore::open(&path).await.unwrap());
        for arguments in [&["events"][..], &["events", "--check"]] {
            let said = run(&path, "", arguments);
            assert_eq!((said.code, said.err.contains("keep_events")), (1, true), "{said:?}");
        }
    });
}

/// Changes the records of a closed store, checksums included, as somebody who may write its files can.
fn change(path: &Path, change: impl FnOnce(&sled::Db)) {
    let tree = sled::open(path).unwrap();
    change(&tree);
    tree.flush().unwrap();
}

fn key(number: u64) -> Vec<u8> {
    [b"e", &number.to_be_bytes()[..]].concat()
}

#[test]
fn o_8_a_changed_or_missing_event_is_found_by_the_check_and_by_doctor() {
    bounded(async {
        let found = async |what: fn(&sled::Db), said: &str| {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("store");
            store_with_trail(&path).await;
            change(&path, what);
            let doctor = run(&path, "", &["doctor"]);
            assert_eq!((doctor.code, doctor.out.contains(said)), (1, true), "{said}: {doctor:?}");
            assert!(doctor.out.contains("is whole"), "the store itself opens: {doctor:?}");
            let check = run(&path, "", &["events", "--check"]);
            assert_eq!((check.code, check.out.contains(said)), (1, true), "{said}: {check:?}");
            // Logins go on.
            assert_eq!(run(&path, "", &["status"]).code, 0);
        };
        found(
            |tree| {
                let bytes = tree.get(key(3)).unwrap().unwrap();
                let mut event = codec::decode_event(&key(3), 3, &bytes).unwrap();
                event.event.subject = Some("somebody else".into());
                tree.insert(key(3), codec::encode_event(&key(3), &event).unwrap()).unwrap();
            },
            "event 3 was changed",
        )
        .await;
        found(|tree| drop(tree.remove(key(4)).unwrap()), "events 4 to 4 are missing").await;
        found(|tree| drop(tree.remove(key(7)).unwrap()), "events 7 to 7 are missing").await;
        found(|tree| drop(tree.remove(key(1)).unwrap()), "events 1 to 1 are missing").await;
        found(|tree| drop(tree.remove(b"e").unwrap()), "what says where the trail ends is missing").await;
    });
}

#[test]
fn o_8_events_are_never_overwritten_and_a_mark_shows_an_end_that_is_gone() {
    bounded(async {
        for lose_head in [(|tree| drop(tree.remove(b"e").unwrap())) as fn(&sled::Db), |tree| {
            let bytes = tree.get(b"e").unwrap().unwrap();
            let mut head = codec::decode_trail_head(b"e", &bytes).unwrap();
            head.last = 3;
            tree.insert(b"e", codec::encode_trail_head(b"e", &head)).unwrap();
        }] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("store");
            let mark = store_with_trail(&path).await.mark();
            change(&path, lose_head);
            let check = run(&path, "", &["events", "--check"]);
            assert_eq!(check.code, 1, "{check:?}");
            let builder = JwtAuth::builder().secret(SECRET).accounts(AccountsConfig::default().hashers(1));
            let jwtauth =
                builder.storage(StorageConfig::default().keep_events(KEEP)).open(&path).await.unwrap();
            jwtauth.accounts().unwrap().register("bob", "through the looking glass").await.unwrap();
            drop(jwtauth);
            let store = SledStore::open(&path).await.unwrap();
            let all = store.events_after(0, usize::MAX).await.unwrap();
            let numbers: Vec<_> = all.iter().map(|record| record.number).collect();
            assert_eq!(numbers, (1..=9).collect::<Vec<_>>());
            assert_eq!(names(&all[7..]), ["trail_broken", "account_registered"]);
            drop(store);
            let check = run(&path, "", &["events", "--check", "--mark", &mark.to_string()]);
            assert_eq!((check.code, check.out.contains("Event 7 is as it was")), (0, true), "{check:?}");
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        let mark = store_with_trail(&path).await.mark();
        change(&path, |tree| {
            let bytes = tree.get(b"e").unwrap().unwrap();
            let mut head = codec::decode_trail_head(b"e", &bytes).unwrap();
            let third = tree.get(key(3)).unwrap().unwrap();
            (head.last, head.hash) = (3, codec::decode_event(&key(3), 3, &third).unwrap().hash());
            tree.insert(b"e", codec::encode_trail_head(b"e", &head)).unwrap();
            (4..=7).for_each(|number| drop(tree.remove(key(number)).unwrap()));
        });
        let check = run(&path, "", &["events", "--check", "--mark", &mark.to_string()]);
        assert_eq!((check.code, check.out.contains("events at its end are missing")), (1, true), "{check:?}");
    });
}

#[test]
fn o_8_a_trail_goes_through_a_backup_and_goes_on_after_a_restore() {
    bounded(async {
        let folder = tempfile::tempdir().unwrap();
        let (path, restored) = (folder.path().join("store"), folder.path().join("restored"));
        store_with_trail(&path).await;
        let file = folder.path().join("backup");
        let file = file.to_str().unwrap();
        assert_eq!(run(&path, "", &["backup", file]).code, 0);
        assert_eq!(run(&restored, "", &["restore", file]).code, 0);
        let all = run(&restored, "", &["events", "--json"]).json();
        let [before, last] = [&all[7], &all[8]];
        assert_eq!(before["event"], json!("store_copied"), "the copy has who took it");
        assert_eq!((all.len(), &last["event"]), (9, &json!("store_restored")));
        assert_eq!(last["details"][0][0], "backup_taken_at");
        assert_eq!(run(&restored, "", &["events", "--check"]).code, 0);
        assert_eq!(run(&restored, "", &["compact"]).code, 0);
        assert_eq!(run(&restored, "", &["events", "--check"]).code, 0);

        // An export shows it. An import leaves it where it is.
        let lines = run(&restored, "", &["export"]).out;
        let events = lines.lines().filter(|line| line.contains("\"kind\":\"event\"")).count();
        assert_eq!(events, 10, "{lines}");
        assert!(lines.contains("\"kind\":\"trail_head\""), "{lines}");
        let export = folder.path().join("export");
        std::fs::write(&export, lines).unwrap();
        let other = folder.path().join("other");
        drop(SledStore::open(&other).await.unwrap());
        let imported = run(&other, "", &["import", export.to_str().unwrap()]);
        assert_eq!(imported.code, 0, "{imported:?}");
        assert_eq!(run(&other, "", &["events"]).code, 1);
    });
}
