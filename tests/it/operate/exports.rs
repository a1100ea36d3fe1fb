//! Exports and imports: lines of JSON that carry a store to another one, and never bring a session back.

use std::fs;
use std::io::Cursor;
use std::ops::ControlFlow;
use std::sync::Arc;

use jwtauth::store::operate::{self, ExportOptions, ImportCounts, ImportOptions, OperateError, SkipReason};
use jwtauth::store::{
    EventDetails, EventStore as _, LoginEffects, NewValue, PasswordHash, Revocation, SessionStore, ValueKey,
};
use jwtauth::{RevocationReason, Session, SledStore, testing};

use super::*;

const NOW: u64 = 300;

async fn exported(store: &Arc<dyn SessionStore>, options: ExportOptions) -> String {
    let mut bytes = Vec::new();
    let go_on = |_| ControlFlow::Continue(());
    operate::export(store, &mut bytes, options, NOW, &go_on).await.unwrap();
    String::from_utf8(bytes).unwrap()
}

async fn imported(
    store: &Arc<dyn SessionStore>,
    text: &str,
    keep: bool,
) -> Result<(ImportCounts, Vec<(String, SkipReason)>), OperateError> {
    let mut all = Vec::new();
    let mut skipped = |record: operate::SkippedRecord| all.push((record.what, record.reason));
    let options = ImportOptions::default().keep_sessions(keep);
    let go_on = |_| ControlFlow::Continue(());
    let counts = operate::import(store, Cursor::new(text), options, NOW, &mut skipped, &go_on).await?;
    all.sort_by(|a, b| a.0.cmp(&b.0));
    Ok((counts, all))
}

fn long(number: u8, subject: &str) -> Session {
    let mut session = testing::session(number, subject);
    session.user = Some(br#"{"id":18446744073709551615,"x":"\u00e9 \"q\""}"#.to_vec());
    session
}

fn logout() -> Revocation {
    Revocation { at: 200, reason: RevocationReason::LogoutAll }
}

/// Each record comes back as it was, in another kind of store and back.
#[test]
fn an_export_carries_everything_to_another_store() {
    bounded(async {
        let folder = tempfile::tempdir().unwrap();
        let from: Arc<dyn SessionStore> = Arc::new(SledStore::open(folder.path().join("a")).await.unwrap());
        let accounts = Arc::clone(&from).account_store().unwrap();
        let mut alice = testing::account(1, "alice");
        (alice.last_login, alice.revision, alice.active) = (Some(250), 3, false);
        assert!(accounts.create_account(alice.clone()).await.unwrap());
        let mut odd = long(1, "al\"ice\n");
        odd.device.user_agent = Some("curl".into());
        odd.last_address = Some([203, 0, 113, 7].into());
        from.insert(odd.clone(), LoginEffects::default()).await.unwrap();
        from.insert(long(2, "bob"), LoginEffects::default()).await.unwrap();
        from.revoke(long(2, "bob").id, logout()).await.unwrap();
        let values = Arc::clone(&from).value_store().unwrap();
        let key = |number| ValueKey::from_bytes([number; 32]);
        for (number, bytes) in [(1, vec![7; 16]), (2, b"{}".to_vec())] {
            assert!(values.save_value(NewValue::new(key(number), bytes, 100, 9_000)).await.unwrap());
        }
        let text = exported(&from, ExportOptions::default()).await;
        assert_eq!(text.lines().count(), 1 + 1 + 2 + 2 + 1, "{text}");

        let memory: Arc<dyn SessionStore> = Arc::new(MemoryStore::new());
        let (counts, skipped) = imported(&memory, &text, true).await.unwrap();
        assert_eq!((counts.accounts, counts.sessions, counts.values, skipped.len()), (1, 2, 2, 0));
        let accounts = Arc::clone(&memory).account_store().unwrap();
        assert_eq!(accounts.account(alice.id).await.unwrap().as_ref(), Some(&alice));
        assert_eq!(memory.load(odd.id).await.unwrap().as_deref(), Some(&odd));
        let dead = memory.load(long(2, "bob").id).await.unwrap().unwrap();
        assert_eq!(dead.revoked, Some(logout()));
        assert_eq!(exported(&memory, ExportOptions::default()).await, text, "the same again");

        // Again: nothing changes.
        let (counts, skipped) = imported(&memory, &text, true).await.unwrap();
        assert_eq!((counts.accounts, counts.sessions, counts.values, counts.skipped), (0, 0, 0, 5));
        assert_eq!(
            skipped.iter().filter(|(_, reason)| *reason == SkipReason::IsHere).count(),
            4,
            "{skipped:?}"
        );
        assert_eq!(exported(&memory, ExportOptions::default()).await, text);
    });
}

#[test]
fn an_import_brings_nobody_back() {
    bounded(async {
        let from: Arc<dyn SessionStore> = Arc::new(MemoryStore::new());
        for number in 1..=3 {
            from.insert(long(number, "alice"), LoginEffects::default()).await.unwrap();
        }
        let mut expired = long(4, "alice");
        (expired.expires_at, expired.absolute_expires_at) = (NOW, NOW);
        from.insert(expired, LoginEffects::default()).await.unwrap();
        let accounts = Arc::clone(&from).account_store().unwrap();
        accounts.create_account(testing::account(1, "alice")).await.unwrap();
        accounts.create_account(testing::account(2, "bob")).await.unwrap();
        let values = Arc::clone(&from).value_store().unwrap();
        let cart = NewValue::new(ValueKey::from_bytes([1; 32]), br#"{"user":1}"#.to_vec(), 100, 9_000);
        values.save_value(cart).await.unwrap();
        let text = exported(&from, ExportOptions::default()).await;

        for keep in [false, true] {
            let to: Arc<dyn SessionStore> = Arc::new(MemoryStore::new());
            // One was logged out here, and somebody else has the name.
            to.insert(long(1, "alice"), LoginEffects::default()).await.unwrap();
            to.revoke(long(1, "alice").id, logout()).await.unwrap();
            let taken = Arc::clone(&to).account_store().unwrap();
            taken.create_account(testing::account(9, "bob")).await.unwrap();
            let (counts, skipped) = imported(&to, &text, keep).await.unwrap();
            assert_eq!((counts.accounts, counts.sessions), (1, 2));
            let reasons: Vec<_> = skipped.iter().map(|(_, reason)| *reason).collect();
            let value = (!keep).then_some(SkipReason::LetsIn);
            let mut want = vec![SkipReason::NameTaken, SkipReason::IsOverHere, SkipReason::Expired];
            want.extend(value);
            assert_eq!(reasons, want, "{skipped:?}");
            assert!(skipped[0].0.contains("BOB"), "it is named: {skipped:?}");
            let bob = taken.account_by_key("bob".into()).await.unwrap().unwrap();
            assert_eq!(bob.id, testing::account(9, "bob").id);
            for (number, is_live) in [(1, false), (2, keep), (3, keep), (4, false)] {
                let found = to.load(long(number, "alice").id).await.unwrap();
                assert_eq!(found.is_some_and(|found| found.is_live_at(NOW)), is_live, "{number} {keep}");
            }
        }
    });
}

#[test]
fn lines_that_are_no_whole_export_change_nothing() {
    bounded(async {
        let from: Arc<dyn SessionStore> = Arc::new(MemoryStore::new());
        from.insert(long(1, "alice"), LoginEffects::default()).await.unwrap();
        let accounts = Arc::clone(&from).account_store().unwrap();
        accounts.create_account(testing::account(1, "alice")).await.unwrap();
        let text = exported(&from, ExportOptions::default()).await;
        let lines: Vec<&str> = text.lines().collect();
        let joined = |lines: &[&str]| lines.iter().map(|line| format!("{line}\n")).collect::<String>();
        let no_name = lines[1].replace("\"key\":\"alice\"", "\"key\":\"\\u0000alice\"");
        assert_ne!(no_name, lines[1]);
        let hash = lines[1].replace("\"active\":true", "\"active\":\"$argon2id$\"");
        assert_ne!(hash, lines[1]);
        // What the store does not take later is said before anything is changed.
        let account = |from: &str, to: &str| {
            let changed = lines[1].replace(from, to);
            assert_ne!(changed, lines[1]);
            joined(&[lines[0], &changed, lines[2], lines[3]])
        };
        let hash_of_alice = testing::account(1, "alice").hash.as_phc().to_owned();
        let long_value = format!("\"user\":\"{}\"", "x".repeat(100_000));
        let (start, end) = lines[2].split_once("\"user\":{").unwrap();
        let large = format!("{start}{long_value}{}", end.split_once('}').unwrap().1);
        let session = |from: &str, to: &str| {
            let changed = lines[2].replace(from, to);
            assert_ne!(changed, lines[2]);
            joined(&[lines[0], lines[1], &changed, lines[3]])
        };
        let key = |name: &str, roles: &str| {
            let key = format!("\"api_key\":{{\"name\":\"{name}\",\"roles\":[{roles}],\"scopes\":[]}}");
            let (start, _) = lines[2].rsplit_once('}').unwrap();
            joined(&[lines[0], lines[1], &format!("{start},{key}}}"), lines[3]])
        };
        for (damaged, said) in [
            (account("\"key\":\"alice\"", "\"key\":\"bob\""), "line 2: its key is not that of its name"),
            (account("\"name\":\"ALICE\"", "\"name\":\"Bob\""), "line 2: its key is not that of its name"),
            (account("\"hash\":\"", "\"hash\":\"\\u0007"), "line 2: the hash of a password"),
            (
                account(&hash_of_alice, "$2b$31$abcdefghijklmnopqrstuuggvDF5/Fs0xARLwV.PWjAL8GNew2.p2"),
                "line 2: the hash of its password",
            ),
            (
                account(
                    &hash_of_alice,
                    "$argon2id$v=19$m=8,t=4294967295,p=1$c29tZXNhbHRzb21lc2FsdA$MTIzNDU2Nzg5MDEyMzQ1Ng",
                ),
                "line 2: the hash of its password",
            ),
            (
                account("\"hash\":\"", &format!("\"hash\":\"{}", "x".repeat(2_000))),
                "line 2: the hash of a password",
            ),
            (
                account("\"password_changed_at\":100", "\"password_changed_at\":18446744073709551615"),
                "line 2: a number in it",
            ),
            (account("\"created_at\":100", "\"created_at\":253402300800"), "line 2: a number in it"),
            (session("\"auth_time\":100", "\"auth_time\":253402300800"), "line 3: a number in it"),
            (session("\"admin\"", "\"a,b\""), "line 3: a role is one name"),
            (session("\"posts:write\"", "\"posts write\""), "line 3: a scope is one name"),
            (
                session("\"absolute_expires_at\":2500", "\"absolute_expires_at\":1000"),
                "line 3: it lasts longer",
            ),
            (session("\"auth_time\":100", "\"auth_time\":18446744073709551615"), "line 3: a number in it"),
            (session("\"subject\":\"alice\"", "\"subject\":\"\""), "line 3: a subject has 1 to 255 bytes"),
            (key("", ""), "line 3: the name of an API key"),
            (key("a\\u202eb", ""), "line 3: the name of an API key"),
            (key("ci", "\"\""), "line 3: a role is one name"),
            (account("\"admin\"", "\"a\\u001b[2J\""), "line 2: a role is one name"),
            (account("\"admin\"", "\"x,admin\""), "line 2: a role is one name"),
            (account("\"admin\"", "\"\""), "line 2: a role is one name"),
            (account("\"revision\":0", "\"revision\":18446744073709551615"), "line 2: a number in it"),
            (account("\"created_at\":100", "\"created_at\":18446744073709551615"), "line 2: a number in it"),
            (joined(&[lines[0], lines[1], &large, lines[3]]), "line 3: record has"),
            (String::new(), "line 1: it is missing"),
            (joined(&lines[..3]), "the end is missing"),
            (joined(&[lines[0], lines[2], lines[3]]), "lines before it are missing"),
            (joined(&lines[1..]), "no first line"),
            (text[..text.len() - 1].to_owned(), "cut, or too long"),
            (joined(&[lines[0], &no_name, lines[2], lines[3]]), "a name has 1 to 255 bytes"),
            (joined(&[lines[0], &hash, lines[2], lines[3]]), "cannot be read, at column"),
            (format!("{text}{{}}\n"), "cannot be read"),
            (text.replace("\"version\":1", "\"version\":2"), "version 2"),
        ] {
            let to: Arc<dyn SessionStore> = Arc::new(MemoryStore::new());
            let refused = imported(&to, &damaged, true).await.unwrap_err().to_string();
            // What follows the end is told as that if it is a line at all.
            let follows = damaged.ends_with("{}\n") && refused.contains("follows");
            assert!(refused.contains(said) || follows, "{refused} for {damaged}");
            assert!(!refused.contains("argon2"), "{refused}");
            assert!(to.load(long(1, "alice").id).await.unwrap().is_none());
        }
    });
}

/// People look at an export with `less`, and others chose the texts in it.
#[test]
fn an_export_has_nothing_that_a_terminal_obeys_and_comes_back_as_it_was() {
    bounded(async {
        let from: Arc<dyn SessionStore> = Arc::new(MemoryStore::new());
        let mut odd = testing::session(1, "\u{202e}eve\u{7f}");
        odd.user = Some("{\t\"x\":\r\n \"\u{202e}\u{9b}31m\"}".as_bytes().to_vec());
        odd.device.user_agent = Some("\u{2066}curl\u{1b}[2J".into());
        from.insert(odd.clone(), LoginEffects::default()).await.unwrap();
        let text = exported(&from, ExportOptions::default()).await;
        let obeyed = text.chars().find(|c| *c != '\n' && jwtauth::__private::is_for_terminals(*c));
        assert_eq!(obeyed, None, "{text:?}");
        let to: Arc<dyn SessionStore> = Arc::new(MemoryStore::new());
        imported(&to, &text, true).await.unwrap();
        let back = to.load(odd.id).await.unwrap().unwrap();
        assert_eq!((&back.subject, &back.device), (&odd.subject, &odd.device));
        let user = |session: &Session| -> Value {
            serde_json::from_slice(session.user.as_deref().unwrap()).unwrap()
        };
        assert_eq!(user(&back), user(&odd));
    });
}

/// A record that is taken in is read again: many short texts take more memory than bytes.
#[test]
fn many_short_roles_are_read_again() {
    bounded(async {
        let from: Arc<dyn SessionStore> = Arc::new(MemoryStore::new());
        let accounts = Arc::clone(&from).account_store().unwrap();
        let mut account = testing::account(1, "alice");
        account.roles = (0..5_000).map(|_| "r".to_owned()).collect();
        assert!(accounts.create_account(account.clone()).await.unwrap());
        let text = exported(&from, ExportOptions::default()).await;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        let store: Arc<dyn SessionStore> = Arc::new(SledStore::open(&path).await.unwrap());
        assert_eq!(imported(&store, &text, true).await.unwrap().0.accounts, 1);
        drop(store);
        let store = Arc::new(SledStore::open(&path).await.unwrap());
        let kept = store.account_store().unwrap().account(account.id).await.unwrap().unwrap();
        assert_eq!(kept.roles.len(), 5_000);
    });
}

/// When another store was backed up says nothing of this one.
#[test]
fn an_import_brings_no_time_of_a_backup() {
    bounded(async {
        let folder = tempfile::tempdir().unwrap();
        let path = store(folder.path()).await;
        let [backup, export, other] = ["backup", "export", "other"].map(|name| folder.path().join(name));
        assert_eq!(run(&path, "", &["backup", backup.to_str().unwrap()]).code, 0);
        assert_eq!(run(&path, "", &["export", export.to_str().unwrap()]).code, 0);
        assert!(count(&path, "last_backup").is_u64());
        drop(SledStore::open(&other).await.unwrap());
        assert_eq!(run(&other, "", &["import", export.to_str().unwrap()]).code, 0);
        assert_eq!((count(&other, "accounts"), count(&other, "last_backup")), (json!(2), Value::Null));
    });
}

/// Nor does what the server of another store says of API keys.
#[test]
fn an_import_brings_no_rules_of_api_keys() {
    bounded(async {
        let folder = tempfile::tempdir().unwrap();
        let (path, export) = (folder.path().join("store"), folder.path().join("export"));
        let builder = JwtAuth::builder().secret(tests::app::SECRET).accounts(AccountsConfig::default());
        let rules =
            async |store: SledStore| jwtauth::ApiKeyConfig::kept_in(Arc::new(store)).await.unwrap().is_some();
        let served = SledStore::open(&path).await.unwrap();
        let server = builder.api_keys(jwtauth::ApiKeyConfig::default()).build(served.clone()).unwrap();
        // A task of the server writes them when it has started.
        while !rules(served.clone()).await {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        drop((server, served));
        assert_eq!(run(&path, "", &["export", export.to_str().unwrap()]).code, 0);
        let other = folder.path().join("other");
        drop(SledStore::open(&other).await.unwrap());
        let done = run(&other, "", &["import", export.to_str().unwrap()]);
        assert_eq!(done.code, 0, "{done:?}");
        assert!(!rules(SledStore::open(&other).await.unwrap()).await);
    });
}

/// Editors put a mark in front, and who took records in stands in the audit trail.
#[test]
fn an_import_is_told_in_the_audit_trail() {
    bounded(async {
        let from: Arc<dyn SessionStore> = Arc::new(MemoryStore::new());
        let accounts = Arc::clone(&from).account_store().unwrap();
        accounts.create_account(testing::account(1, "alice")).await.unwrap();
        let text = exported(&from, ExportOptions::default()).await;
        let store = Arc::new(MemoryStore::new());
        store.append_events(vec![EventDetails::new("login", 100)], 1_000).await.unwrap();
        let to: Arc<dyn SessionStore> = store.clone();
        imported(&to, &format!("{text}cut"), false).await.unwrap_err();
        assert_eq!(store.trail_head().await.unwrap().unwrap().last, 1, "nothing was changed");
        let (counts, _) = imported(&to, &format!("\u{feff}{text}"), true).await.unwrap();
        assert_eq!(counts.accounts, 1);
        let told = store.events_after(1, 10).await.unwrap();
        let details = ["records", "keep_sessions", "keep_accounts"].map(str::to_owned);
        let values = ["1", "true", "false"].map(str::to_owned);
        assert_eq!((told.len(), &*told[0].event.event, told[0].event.at), (1, "records_imported", NOW));
        assert_eq!(told[0].event.details, Vec::from_iter(details.into_iter().zip(values)));
    });
}

#[test]
fn an_operator_moves_a_store() {
    bounded(async {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path()).await;
        let file = folder.path().join("export");
        let name = file.to_str().unwrap();
        assert_eq!(run(&store, "", &["export", name]).out, "8 lines\n");
        assert_eq!(run(&store, "", &["export", name]).code, 1, "it is there");
        let bare = run(&store, "", &["export", "--no-hashes"]);
        assert!(bare.code == 0 && !bare.out.contains("argon2"), "{bare:?}");
        assert!(fs::read_to_string(&file).unwrap().contains("argon2"));

        let other = folder.path().join("other");
        drop(SledStore::open(&other).await.unwrap());
        let done = run(&other, "", &["import", name]);
        assert_eq!(done.out, "2 accounts, 4 sessions and 0 values added, 0 records left out\n", "{done:?}");
        assert_eq!(count(&other, "live_sessions"), json!(0));
        let again = run(&other, "", &["import", name]);
        assert!(again.out.ends_with("6 records left out\n") && again.err.contains("\"alice\""), "{again:?}");
        let jwtauth = JwtAuth::builder().secret(tests::app::SECRET).accounts(AccountsConfig::default());
        let jwtauth = jwtauth.open(&other).await.unwrap();
        jwtauth.accounts().unwrap().verify("bob", "through the looking glass", None).await.unwrap();
        drop(jwtauth);

        // Without hashes nobody has a password until one is set.
        let (third, bare_file) = (folder.path().join("third"), folder.path().join("bare"));
        drop(SledStore::open(&third).await.unwrap());
        fs::write(&bare_file, bare.out).unwrap();
        assert_eq!(run(&third, "", &["import", bare_file.to_str().unwrap()]).code, 0);
        assert_eq!(run(&third, "a long new password\n", &["accounts", "password", "bob"]).code, 0);
        let jwtauth = JwtAuth::builder().secret(tests::app::SECRET).accounts(AccountsConfig::default());
        let jwtauth = jwtauth.open(&third).await.unwrap();
        let accounts = jwtauth.accounts().unwrap();
        accounts.verify("alice", "through the looking glass", None).await.unwrap_err();
        accounts.verify("alice", "", None).await.unwrap_err();
        accounts.verify("bob", "a long new password", None).await.unwrap();
    });
}

/// Both have changed the same account as often since a backup: a thief who knew its password, and an operator.
#[test]
fn a_session_comes_over_if_its_account_was_changed_here_or_nobody_knows() {
    bounded(async {
        let accounts = |store: &Arc<dyn SessionStore>| Arc::clone(store).account_store().unwrap();
        let account = testing::account(1, "alice");
        for what in ["password", "time of the password", "roles", "nothing"] {
            for has_line in [true, false] {
                let from: Arc<dyn SessionStore> = Arc::new(MemoryStore::new());
                let session = long(1, &account.id.to_string());
                from.insert(session.clone(), LoginEffects::default()).await.unwrap();
                if has_line {
                    accounts(&from).create_account(account.clone()).await.unwrap();
                }
                let text = exported(&from, ExportOptions::default()).await;
                let to: Arc<dyn SessionStore> = Arc::new(MemoryStore::new());
                let mut here = account.clone();
                match what {
                    "password" => here.hash = PasswordHash::from_phc("$argon2id$other".into()),
                    "time of the password" => here.password_changed_at += 1,
                    "roles" => here.roles = vec!["another".into()],
                    _ => {}
                }
                accounts(&to).create_account(here).await.unwrap();
                imported(&to, &text, true).await.unwrap();
                let found = to.load(session.id).await.unwrap().unwrap();
                let is_live = found.revoked.is_none();
                assert_eq!(is_live, what == "nothing" && has_line, "{what}, line: {has_line}");
            }
        }
        // It was removed here: there are accounts, and not this one.
        let from: Arc<dyn SessionStore> = Arc::new(MemoryStore::new());
        let session = long(1, &account.id.to_string());
        from.insert(session.clone(), LoginEffects::default()).await.unwrap();
        let text = exported(&from, ExportOptions::default()).await;
        let to: Arc<dyn SessionStore> = Arc::new(MemoryStore::new());
        accounts(&to).create_account(testing::account(2, "bob")).await.unwrap();
        imported(&to, &text, true).await.unwrap();
        assert!(to.load(session.id).await.unwrap().unwrap().revoked.is_some());
    });
}
