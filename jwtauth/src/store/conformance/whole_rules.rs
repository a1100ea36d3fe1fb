//! The rules of a store that gives all that it keeps.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::{logout, presented, put, session};
use crate::id::SessionId;
use crate::record::Session;
use crate::store::sample::account;
use crate::store::session_store::SessionStore;
use crate::store::whole_store::{CopiedRecord, CopyTotals, RecordKey, StoreCopy, StoreRecord};
use crate::store::{LoginEffects, NewValue, SubjectRevocation, ValueKey, codec};

/// A copy as it is at its end, by the bytes of the keys.
#[derive(Default)]
struct Copied(BTreeMap<Vec<u8>, StoreRecord>);

impl Copied {
    fn take(&mut self, records: Vec<CopiedRecord>) {
        for record in records {
            match record {
                CopiedRecord::Kept(record) => self.0.insert(codec::encode_key(&record.key()), record),
                CopiedRecord::Removed(key) => self.0.remove(&codec::encode_key(&key)),
            };
        }
    }

    /// Takes all that is left, and returns what is said at the end.
    async fn finish(&mut self, mut copy: Box<dyn StoreCopy>) -> CopyTotals {
        loop {
            let page = copy.next().await.expect("a page");
            self.take(page.records);
            if let Some(totals) = page.end {
                assert!(copy.next().await.is_err(), "nothing follows the last page");
                return totals;
            }
        }
    }

    fn get(&self, key: RecordKey) -> Option<&StoreRecord> {
        self.0.get(&codec::encode_key(&key))
    }

    fn count(&self, letter: u8) -> u64 {
        self.0.keys().filter(|key| key[0] == letter).count() as u64
    }
}

/// A session of one of two subjects, with an id of its own.
fn numbered(number: u16) -> Session {
    let mut id = [0; 16];
    // The lower half changes first, so that numbers that follow each other are not neighbours.
    id[..2].copy_from_slice(&number.swap_bytes().to_be_bytes());
    Session { id: SessionId::from_bytes(id), ..session(1, if number.is_multiple_of(2) { "a" } else { "b" }) }
}

pub(super) async fn a_copy_has_everything<S: SessionStore>(store: &Arc<S>) {
    let Some(whole) = Arc::clone(store).whole_store() else { return };
    let register = Some(Duration::from_secs(300));
    let effects = LoginEffects { register, ..LoginEffects::default() };
    let keeps_tokens = Arc::clone(store).token_store().is_some();
    let first = session(1, "a");
    let effects = if keeps_tokens { effects } else { LoginEffects::default() };
    store.insert(first.clone(), effects).await.expect("insert");
    let mut request = presented(&first, 0, 150);
    request.register = register.filter(|_| keeps_tokens);
    let (_, first) = store.rotate(request).await.expect("rotate").expect("it is there");
    put(&**store, &session(2, "b")).await;
    store.revoke(session(2, "b").id, logout(200)).await.expect("revoke");
    let values = Arc::clone(store).value_store();
    if let Some(values) = &values {
        for number in [1, 2] {
            let value = NewValue::new(ValueKey::from_bytes([number; 32]), vec![number], 100, 9_000);
            assert!(values.save_value(value).await.expect("save_value"));
        }
        values.remove_value(ValueKey::from_bytes([2; 32]), 200).await.expect("remove_value");
    }
    let accounts = Arc::clone(store).account_store();
    if let Some(accounts) = &accounts {
        assert!(accounts.create_account(account(1, "alice")).await.expect("create_account"));
    }

    let mut copied = Copied::default();
    let totals = copied.finish(whole.copy().await.expect("copy")).await;
    assert_eq!((totals.sessions, copied.count(b's')), (2, 2));
    assert_eq!((totals.accounts, copied.count(b'a')), (copied.count(b'a'), totals.accounts));
    assert_eq!(copied.get(RecordKey::Session(first.id)), Some(&StoreRecord::Session(first.clone().into())));
    let dead = copied.get(RecordKey::Session(session(2, "b").id));
    assert!(matches!(dead, Some(StoreRecord::Session(dead)) if dead.revoked == Some(logout(200))));
    if let Some(tokens) = Arc::clone(store).token_store() {
        let mut kept: Vec<_> = tokens.tokens_of(first.id).await.expect("tokens_of");
        assert_eq!(kept.len(), 4, "a pair of the login and one of the rotation");
        let of_copy = copied.0.values().filter_map(|record| match record {
            StoreRecord::Token { generation, token } => Some((*generation, *token)),
            _ => None,
        });
        let mut of_copy: Vec<_> = of_copy.collect();
        assert!(of_copy.iter().all(|(generation, token)| (*generation == 0) == (token.issued_at == 100)));
        of_copy.sort_unstable_by_key(|(_, token)| token.id);
        kept.sort_unstable_by_key(|token| token.id);
        assert_eq!(of_copy.into_iter().map(|(_, token)| token).collect::<Vec<_>>(), kept);
    }
    if values.is_some() {
        let bytes = |number| match copied.get(RecordKey::Value(ValueKey::from_bytes([number; 32]))) {
            Some(StoreRecord::Value { value, .. }) => value.bytes.clone(),
            other => panic!("no value: {other:?}"),
        };
        assert_eq!((bytes(1), bytes(2)), (Some(vec![1]), None), "a value, and the mark of one");
    }
    if accounts.is_some() {
        let alice = account(1, "alice");
        assert_eq!(copied.get(RecordKey::Account(alice.id)), Some(&StoreRecord::Account(alice)));
    }
}

pub(super) async fn a_copy_is_of_one_moment_while_the_store_changes<S: SessionStore>(store: &Arc<S>) {
    /// So many that no store returns all of them at once.
    const SESSIONS: u16 = 1_000;
    let Some(whole) = Arc::clone(store).whole_store() else { return };
    let mut logins = JoinSet::new();
    for number in 0..SESSIONS {
        let store = Arc::clone(store);
        logins.spawn(async move { put(&*store, &numbered(number)).await });
    }
    logins.join_all().await;
    let mut copy = whole.copy().await.expect("copy");
    assert_eq!(copy.expected().sessions, u64::from(SESSIONS));
    let (mut copied, mut changed) = (Copied::default(), 0_u16);
    let totals = loop {
        let page = copy.next().await.expect("a page");
        copied.take(page.records);
        if let Some(totals) = page.end {
            break totals;
        }
        // One after the other, so those that are in the copy are the first ones.
        for _ in 0..10 {
            assert!(store.revoke(numbered(2 * changed).id, logout(200)).await.expect("revoke"));
            put(&**store, &numbered(SESSIONS + changed)).await;
            changed += 1;
        }
        // All of a subject at once.
        if changed == 20 {
            store
                .revoke_subject("b".into(), SubjectRevocation::all(logout(300)))
                .await
                .expect("revoke_subject");
        }
    };
    assert!(changed > 20, "it came in pages: {changed}");
    assert_eq!(copied.count(b's'), totals.sessions);
    let found = |number| copied.get(RecordKey::Session(numbered(number).id));
    let revoked = |number| match found(number) {
        Some(StoreRecord::Session(session)) => session.revoked,
        _ => None,
    };
    let added = (0..changed).take_while(|number| found(SESSIONS + number).is_some()).count();
    let of_that_moment = u16::try_from(added).expect("not more than were added");
    assert_eq!(totals.sessions, u64::from(SESSIONS + of_that_moment), "the first ones of those added");
    let is_b_revoked = of_that_moment > 20 || revoked(SESSIONS - 1).is_some();
    for number in 0..SESSIONS {
        let is_revoked = revoked(number).is_some();
        if number.is_multiple_of(2) {
            // Each was revoked before another one was added.
            let may_be = number / 2 == of_that_moment;
            assert!(may_be || is_revoked == (number / 2 < of_that_moment), "{number} of {of_that_moment}");
        } else {
            assert_eq!(is_revoked, is_b_revoked, "{number} of {of_that_moment}");
        }
    }
}
