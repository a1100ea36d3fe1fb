//! Two stores on one database that take turns, so that no operation is done by the store that did the one before it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use jwtauth::clock::TimeMark;
use jwtauth::store::{
    AccountStore, Counter, CounterKey, CounterRule, CounterStore, EventStore, LoginEffects, NewValue,
    Revocation, Rotation, RotationRequest, SessionPages, SessionStore, StoreFuture, StoredAccount,
    SubjectRevocation, Swept, TokenRevocation, TokenStore, UserUpdate, ValueKey, ValueStore, WholeStore,
};
use jwtauth::{AccountId, PostgresConfig, PostgresStore, Session, SessionId, TokenRecord};

use super::open;

#[derive(Debug)]
pub(super) struct Alternating {
    stores: [PostgresStore; 2],
    turn: AtomicUsize,
}

impl Alternating {
    pub(super) async fn open(config: &PostgresConfig) -> Self {
        Self { stores: [open(config).await, open(config).await], turn: AtomicUsize::new(0) }
    }

    fn next(&self) -> &PostgresStore {
        &self.stores[self.turn.fetch_add(1, Ordering::Relaxed) % 2]
    }
}

impl SessionStore for Alternating {
    fn insert(&self, session: Session, effects: LoginEffects) -> StoreFuture<'_, ()> {
        self.next().insert(session, effects)
    }

    fn hand_out(&self, session: Session, effects: LoginEffects) -> StoreFuture<'_, Option<Arc<Session>>> {
        self.next().hand_out(session, effects)
    }

    fn load(&self, id: SessionId) -> StoreFuture<'_, Option<Arc<Session>>> {
        self.next().load(id)
    }

    fn rotate(&self, request: RotationRequest) -> StoreFuture<'_, Option<(Rotation, Session)>> {
        self.next().rotate(request)
    }

    fn confirm(&self, id: SessionId, generation: u64) {
        self.next().confirm(id, generation);
    }

    fn revoke(&self, id: SessionId, revocation: Revocation) -> StoreFuture<'_, bool> {
        self.next().revoke(id, revocation)
    }

    fn revoke_subject(&self, subject: String, revocation: SubjectRevocation) -> StoreFuture<'_, usize> {
        self.next().revoke_subject(subject, revocation)
    }

    fn revoke_token(&self, revocation: TokenRevocation) -> StoreFuture<'_, bool> {
        self.next().revoke_token(revocation)
    }

    fn sessions_of(&self, subject: String) -> StoreFuture<'_, Vec<Session>> {
        self.next().sessions_of(subject)
    }

    fn update_user(&self, subject: String, update: UserUpdate) -> StoreFuture<'_, usize> {
        self.next().update_user(subject, update)
    }

    fn sweep(&self, now: u64, limit: usize) -> StoreFuture<'_, Swept> {
        self.next().sweep(now, limit)
    }

    /// What nobody waits for is written by the store that was told of it.
    fn flush(&self) -> StoreFuture<'_, ()> {
        Box::pin(async {
            self.stores[0].flush().await?;
            self.stores[1].flush().await
        })
    }

    fn time_mark(&self) -> Arc<TimeMark> {
        SessionStore::time_mark(&self.stores[0])
    }

    fn account_store(self: Arc<Self>) -> Option<Arc<dyn AccountStore>> {
        Some(self)
    }

    fn counter_store(self: Arc<Self>) -> Option<Arc<dyn CounterStore>> {
        Some(self)
    }

    fn event_store(self: Arc<Self>) -> Option<Arc<dyn EventStore>> {
        Arc::new(self.next().clone()).event_store()
    }

    fn session_pages(self: Arc<Self>) -> Option<Arc<dyn SessionPages>> {
        Arc::new(self.next().clone()).session_pages()
    }

    fn token_store(self: Arc<Self>) -> Option<Arc<dyn TokenStore>> {
        Some(self)
    }

    fn value_store(self: Arc<Self>) -> Option<Arc<dyn ValueStore>> {
        Some(self)
    }

    fn whole_store(self: Arc<Self>) -> Option<Arc<dyn WholeStore>> {
        Arc::new(self.next().clone()).whole_store()
    }
}

impl TokenStore for Alternating {
    fn tokens_of(&self, session: SessionId) -> StoreFuture<'_, Vec<TokenRecord>> {
        self.next().tokens_of(session)
    }

    fn archive(&self, before: u64, limit: usize) -> StoreFuture<'_, Swept> {
        self.next().archive(before, limit)
    }
}

impl ValueStore for Alternating {
    fn load_value(&self, key: ValueKey, now: u64) -> StoreFuture<'_, Option<Vec<u8>>> {
        self.next().load_value(key, now)
    }

    fn save_value(&self, value: NewValue) -> StoreFuture<'_, bool> {
        self.next().save_value(value)
    }

    fn remove_value(&self, key: ValueKey, now: u64) -> StoreFuture<'_, bool> {
        self.next().remove_value(key, now)
    }

    fn insert_with_value(
        &self,
        session: Session,
        effects: LoginEffects,
        value: NewValue,
    ) -> StoreFuture<'_, Option<Vec<u8>>> {
        self.next().insert_with_value(session, effects, value)
    }
}

impl CounterStore for Alternating {
    fn change_counters(
        &self,
        keys: Vec<CounterKey>,
        now: u64,
        rule: CounterRule,
    ) -> StoreFuture<'_, Vec<Option<Counter>>> {
        self.next().change_counters(keys, now, rule)
    }
}

impl AccountStore for Alternating {
    fn create_account(&self, account: StoredAccount) -> StoreFuture<'_, bool> {
        self.next().create_account(account)
    }

    fn account(&self, id: AccountId) -> StoreFuture<'_, Option<StoredAccount>> {
        self.next().account(id)
    }

    fn account_by_key(&self, key: String) -> StoreFuture<'_, Option<StoredAccount>> {
        self.next().account_by_key(key)
    }

    fn change_account(
        &self,
        account: StoredAccount,
        expected: u64,
        revocation: Option<SubjectRevocation>,
    ) -> StoreFuture<'_, Option<usize>> {
        self.next().change_account(account, expected, revocation)
    }

    fn remove_account(&self, id: AccountId, revocation: SubjectRevocation) -> StoreFuture<'_, Option<usize>> {
        self.next().remove_account(id, revocation)
    }

    fn accounts(&self, after: Option<String>, limit: usize) -> StoreFuture<'_, Vec<StoredAccount>> {
        self.next().accounts(after, limit)
    }
}
