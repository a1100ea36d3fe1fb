//! The rules that every [`AccountStore`] keeps.

use std::future::Future;
use std::sync::Arc;

use tokio::task::JoinSet;

use super::super::account_store::{AccountStore, PasswordHash, StoredAccount};
use super::super::requests::SubjectRevocation;
use super::super::sample::account;
use super::super::session_store::SessionStore;
use super::{put, session, state};
use crate::id::{AccountId, SessionId};
use crate::record::{Revocation, RevocationReason, Session, SessionState};

/// Runs every rule of accounts, each against a store of its own that `empty` makes. Run [`run`](super::run)
/// too.
///
/// # Panics
///
/// If the store breaks a rule; the message says which.
pub async fn run_accounts<S, F, Fut>(empty: F)
where
    S: SessionStore + AccountStore,
    F: Fn() -> Fut,
    Fut: Future<Output = S>,
{
    an_account_comes_back_as_it_was_put_in(&empty().await).await;
    an_id_and_a_key_are_taken_once(&empty().await).await;
    a_change_needs_the_revision_it_was_made_on(&empty().await).await;
    a_change_ends_the_sessions_it_names_and_no_others(&empty().await).await;
    a_removed_account_is_gone_with_its_sessions(&empty().await).await;
    accounts_are_listed_in_the_order_of_their_keys(&empty().await).await;
    a_sweep_leaves_accounts_alone(&empty().await).await;
    of_many_registrations_of_a_key_one_wins(Arc::new(empty().await)).await;
    of_many_changes_of_a_revision_one_wins(Arc::new(empty().await)).await;
}

async fn create(store: &impl AccountStore, account: &StoredAccount) -> bool {
    store.create_account(account.clone()).await.expect("create_account")
}

async fn change(
    store: &impl AccountStore,
    after: &StoredAccount,
    expected: u64,
    revocation: Option<SubjectRevocation>,
) -> Option<usize> {
    store.change_account(after.clone(), expected, revocation).await.expect("change_account")
}

async fn by_id(store: &impl AccountStore, id: AccountId) -> Option<StoredAccount> {
    store.account(id).await.expect("account")
}

async fn by_key(store: &impl AccountStore, key: &str) -> Option<StoredAccount> {
    store.account_by_key(key.into()).await.expect("account_by_key")
}

async fn an_account_comes_back_as_it_was_put_in(store: &impl AccountStore) {
    let full = StoredAccount { active: false, last_login: Some(7), ..account(1, "änne.o'hara@example.com") };
    assert!(create(store, &full).await, "create_account");
    assert_eq!(by_id(store, full.id).await, Some(full.clone()), "account after create_account");
    assert_eq!(by_key(store, &full.key).await, Some(full.clone()), "account_by_key after create_account");
    for unknown in ["änne", "Änne.O'Hara@example.com", "", "änne.o'hara@example.comx"] {
        assert_eq!(by_key(store, unknown).await, None, "account_by_key of {unknown:?}");
    }
    assert_eq!(by_id(store, AccountId::from_bytes([9; 16])).await, None, "account of an unknown id");
}

async fn an_id_and_a_key_are_taken_once(store: &impl AccountStore) {
    let first = account(1, "a");
    assert!(create(store, &first).await, "the first");
    assert!(!create(store, &account(2, "a")).await, "a key that is taken");
    assert!(!create(store, &account(1, "b")).await, "an id that is taken");
    assert_eq!(by_key(store, "b").await, None, "a refused account is not there");
    assert_eq!(by_id(store, account(2, "a").id).await, None, "a refused account is not there");
    assert_eq!(by_id(store, first.id).await, Some(first), "the first stays as it was");
    for (number, key) in (2..).zip(["aa", "a!", "b", "1", "10", "a\u{301}"]) {
        assert!(create(store, &account(number, key)).await, "the key {key:?} is another one");
    }
}

async fn a_change_needs_the_revision_it_was_made_on(store: &impl AccountStore) {
    let before = account(1, "a");
    assert!(create(store, &before).await, "create_account");
    let hash = PasswordHash::from_phc("$other".into());
    let after = StoredAccount { hash, roles: Vec::new(), active: false, revision: 1, ..before.clone() };
    assert_eq!(change(store, &after, 1, None).await, None, "another revision is expected");
    assert_eq!(by_id(store, before.id).await, Some(before.clone()), "nothing has happened");
    assert_eq!(change(store, &after, 0, None).await, Some(0), "the right revision is expected");
    assert_eq!(by_id(store, before.id).await, Some(after.clone()), "the change is kept");
    assert_eq!(by_key(store, "a").await, Some(after.clone()), "and found by the key");
    assert_eq!(change(store, &before, 0, None).await, None, "the old revision is expected");
    let login = StoredAccount { last_login: Some(8), ..after.clone() };
    assert_eq!(change(store, &login, 1, None).await, Some(0), "a change may leave the revision as it is");
    assert_eq!(change(store, &account(2, "b"), 0, None).await, None, "an account that is not there");
    assert_eq!(by_id(store, account(2, "b").id).await, None, "no change makes an account");
    let renamed = StoredAccount { key: "b".into(), ..login.clone() };
    assert_eq!(change(store, &renamed, 1, None).await, None, "another key");
    assert_eq!(by_id(store, before.id).await, Some(login), "nothing has happened");
}

async fn a_change_ends_the_sessions_it_names_and_no_others(store: &(impl SessionStore + AccountStore)) {
    let account = account(1, "a");
    assert!(create(store, &account).await, "create_account");
    let subject = account.id.to_string();
    let (kept, ended, other) = (session(1, &subject), session(2, &subject), session(3, "a"));
    for session in [&kept, &ended, &other] {
        put(store, session).await;
    }
    let revocation = Revocation { at: 200, reason: RevocationReason::Requested };
    let ends = SubjectRevocation::all_except(kept.id, revocation);
    let after = StoredAccount { revision: 1, ..account.clone() };
    assert_eq!(change(store, &after, 7, Some(ends)).await, None, "another revision is expected");
    assert_eq!(state(store, &ended, 200).await, Some(SessionState::Live), "a refused change ends nothing");
    assert_eq!(change(store, &after, 0, Some(ends)).await, Some(1), "change_account");
    assert_eq!(state(store, &kept, 200).await, Some(SessionState::Live), "the one excepted");
    assert_eq!(
        state(store, &ended, 200).await,
        Some(SessionState::Revoked(RevocationReason::Requested)),
        "the other one"
    );
    assert_eq!(state(store, &other, 200).await, Some(SessionState::Live), "another subject");
    let last = StoredAccount { revision: 2, ..after };
    let all = SubjectRevocation::all(revocation);
    assert_eq!(change(store, &last, 1, Some(all)).await, Some(1), "an ended one does not count");
    assert_eq!(
        state(store, &kept, 200).await,
        Some(SessionState::Revoked(RevocationReason::Requested)),
        "all of them"
    );
}

async fn a_removed_account_is_gone_with_its_sessions(store: &(impl SessionStore + AccountStore)) {
    let (first, other) = (account(1, "a"), account(2, "b"));
    for account in [&first, &other] {
        assert!(create(store, account).await, "create_account");
    }
    let (own, foreign) = (session(1, &first.id.to_string()), session(2, &other.id.to_string()));
    for session in [&own, &foreign] {
        put(store, session).await;
    }
    let revocation = Revocation { at: 200, reason: RevocationReason::Inactive };
    let ends = SubjectRevocation::all(revocation);
    let remove = async |id| store.remove_account(id, ends).await.expect("remove_account");
    assert_eq!(remove(account(9, "z").id).await, None, "an unknown id");
    assert_eq!(remove(first.id).await, Some(1), "remove_account");
    assert_eq!(remove(first.id).await, None, "a second time");
    assert_eq!(by_id(store, first.id).await, None, "account after remove_account");
    assert_eq!(by_key(store, "a").await, None, "account_by_key after remove_account");
    assert_eq!(
        state(store, &own, 200).await,
        Some(SessionState::Revoked(RevocationReason::Inactive)),
        "its session"
    );
    assert_eq!(state(store, &foreign, 200).await, Some(SessionState::Live), "the session of another one");
    assert_eq!(by_id(store, other.id).await, Some(other.clone()), "another one");
    let listed = store.accounts(None, 10).await.expect("accounts");
    assert_eq!(listed, [other], "the list");
    let late = StoredAccount { revision: 1, ..first.clone() };
    assert_eq!(change(store, &late, 0, None).await, None, "a change that comes too late");
    let next = account(3, "a");
    assert!(create(store, &next).await, "the key is free");
    assert_eq!(change(store, &late, 0, None).await, None, "a change of who had the key before");
    assert_eq!(by_key(store, "a").await, Some(next), "the new one has it");
}

async fn accounts_are_listed_in_the_order_of_their_keys(store: &(impl SessionStore + AccountStore)) {
    assert!(store.accounts(None, 10).await.expect("accounts").is_empty(), "an empty store");
    let mut keys = ["b", "a", "aa", "ab", "z", "é", "a-b", "日本", "~"];
    for (number, key) in (1..).zip(keys) {
        assert!(create(store, &account(number, key)).await, "create_account");
    }
    put(store, &session(1, "a")).await;
    keys.sort_unstable();
    for limit in [1, 2, 4, 100] {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = store.accounts(after.clone(), limit).await.expect("accounts");
            assert!(page.len() <= limit, "a page keeps to its limit");
            let Some(last) = page.last() else { break };
            after = Some(last.key.clone());
            found.extend(page.into_iter().map(|account| account.key));
        }
        assert_eq!(found, keys, "pages of {limit}");
    }
    let before = async |key: &str, limit| -> Option<Vec<String>> {
        let page = store.accounts_before(key.into(), limit).await.expect("accounts_before");
        page.map(|page| page.into_iter().map(|account| account.key).collect())
    };
    if before("b", 1).await.is_some() {
        for (at, key) in keys.iter().enumerate() {
            for limit in [1, 3, 100] {
                let expected = keys[at.saturating_sub(limit)..at].to_vec();
                assert_eq!(before(key, limit).await.unwrap_or_default(), expected, "{limit} before {key:?}");
            }
        }
        assert_eq!(before("ac", 1).await.unwrap_or_default(), ["ab"], "before a key that is not there");
        assert_eq!(before("", 9).await.unwrap_or_default().len(), 0, "before all");
    }
    let behind = store.accounts(Some("ac".into()), 1).await.expect("accounts");
    assert_eq!(behind[0].key, "b", "behind a key that is not there");
}

async fn a_sweep_leaves_accounts_alone(store: &(impl SessionStore + AccountStore)) {
    let account = account(1, "a");
    assert!(create(store, &account).await, "create_account");
    put(store, &Session { expires_at: 200, ..session(1, &account.id.to_string()) }).await;
    let swept = store.sweep(u64::MAX, 100).await.expect("sweep");
    assert_eq!((swept.removed, swept.more), (1, false), "the session");
    assert_eq!(by_id(store, account.id).await, Some(account), "the account");
    assert_eq!(store.load(SessionId::from_bytes([1; 16])).await.expect("load"), None, "the session is gone");
}

async fn of_many_registrations_of_a_key_one_wins<S: AccountStore>(store: Arc<S>) {
    for round in 0..10 {
        let key = format!("name-{round}");
        let mut tasks = JoinSet::new();
        for number in 0..16 {
            let (store, account) = (Arc::clone(&store), account(round * 16 + number, &key));
            tasks.spawn(async move { create(&*store, &account).await.then_some(account) });
        }
        let winners: Vec<_> = tasks.join_all().await.into_iter().flatten().collect();
        assert_eq!(winners.len(), 1, "registrations of one name");
        assert_eq!(by_key(&*store, &key).await.as_ref(), winners.first(), "the winner has it");
    }
}

async fn of_many_changes_of_a_revision_one_wins<S: AccountStore>(store: Arc<S>) {
    let first = account(1, "a");
    assert!(create(&*store, &first).await, "create_account");
    for revision in 0..10 {
        let mut tasks = JoinSet::new();
        for number in 0..16 {
            let store = Arc::clone(&store);
            let roles = vec![format!("role-{number}")];
            let after = StoredAccount { revision: revision + 1, roles, ..first.clone() };
            tasks.spawn(async move { change(&*store, &after, revision, None).await.map(|_| after) });
        }
        let winners: Vec<_> = tasks.join_all().await.into_iter().flatten().collect();
        assert_eq!(winners.len(), 1, "changes on top of one revision");
        assert_eq!(by_id(&*store, first.id).await.as_ref(), winners.first(), "the winner's is kept");
    }
}
