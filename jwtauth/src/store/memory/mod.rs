//! A store that lives and dies with its process: for tests and throwaway programs.

mod account_table;
mod memory_copy;
mod memory_trail;
mod value_table;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::account_store::AccountStore;
use super::event_store::EventStore;
use super::requests::{
    LoginEffects, RotationRequest, StoreFuture, StoreSize, SubjectRevocation, Swept, TokenRevocation,
    UserUpdate,
};
use super::rules::{self, LoginOutcome};
use super::session_pages::SessionPages;
use super::session_store::SessionStore;
use super::token_store::TokenStore;
use super::value_store::{StoredValue, ValueKey, ValueStore};
use super::whole_store::WholeStore;
use crate::clock::TimeMark;
use crate::events::{EventRecord, TrailHead};
use crate::id::{SessionId, TokenId};
use crate::record::{Revocation, Rotation, Session};
use crate::registry::TokenRecord;

/// Keeps sessions in memory. Nothing survives the process.
///
/// One lock over one map: each operation is atomic because it is alone. A sweep looks at every
/// session, so this is no store for many of them.
#[derive(Default)]
pub struct MemoryStore {
    kept: Mutex<MemoryTables>,
    /// How many changes have begun. A reader waits for the one that is under way.
    changes: AtomicU64,
    time: Arc<TimeMark>,
    accounts: account_table::AccountTable,
}

#[derive(Default)]
struct MemoryTables {
    sessions: HashMap<SessionId, Session>,
    /// In the order in which they were issued, each with the generation that it was issued for.
    tokens: HashMap<SessionId, Vec<(u64, TokenRecord)>>,
    values: HashMap<ValueKey, StoredValue>,
    events: BTreeMap<u64, EventRecord>,
    trail: Option<TrailHead>,
}

impl MemoryTables {
    fn open(&mut self, session: Session, effects: &LoginEffects) {
        // Lazy: it looks at every session, and only where sessions are limited.
        let theirs = self.sessions.values().filter(|other| other.subject == session.subject);
        let outcome = rules::login(&session, theirs, effects);
        self.make_room(outcome);
        if let Some(access_ttl) = effects.register {
            let tokens = rules::first_tokens(&session, access_ttl).into_iter();
            self.tokens.insert(session.id, tokens.map(|token| (session.generation, token)).collect());
        }
        self.sessions.insert(session.id, session);
    }

    /// Does what a login does to other sessions, if it stands.
    fn hand_out(&mut self, session: &Session, effects: &LoginEffects) -> Option<Session> {
        let own = self.sessions.get(&session.id).filter(|own| own.revoked.is_none())?.clone();
        let theirs = self.sessions.values().filter(|other| other.subject == session.subject);
        let outcome = rules::login(session, theirs, effects);
        self.make_room(outcome);
        Some(own)
    }

    fn make_room(&mut self, outcome: LoginOutcome) {
        for id in outcome.forgotten {
            self.sessions.remove(&id);
            self.tokens.remove(&id);
        }
        for (id, revocation) in outcome.revoked {
            if let Some(session) = self.sessions.get_mut(&id) {
                session.revoke(revocation);
            }
        }
    }

    /// Runs a rule on each session of a subject. Returns how many it has changed.
    fn alter_all(&mut self, subject: &str, rule: impl Fn(&mut Session) -> bool) -> usize {
        let theirs = self.sessions.values_mut().filter(|session| session.subject == subject);
        theirs.filter_map(|session| rule(session).then_some(())).count()
    }

    fn spend(&mut self, session: SessionId, token: TokenId, now: u64) {
        let mut tokens = self.tokens.get_mut(&session).into_iter().flatten();
        if let Some((_, token)) = tokens.find(|(_, record)| record.id == token) {
            rules::spend(token, now);
        }
    }
}

impl MemoryStore {
    /// Makes an empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Locks it to read.
    fn read(&self) -> MutexGuard<'_, MemoryTables> {
        // OK because nothing in an operation can panic half-way.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Locks it for a change.
    fn lock(&self) -> MutexGuard<'_, MemoryTables> {
        let kept = self.read();
        self.changes.fetch_add(1, Ordering::SeqCst);
        kept
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").field("sessions", &self.read().sessions.len()).finish()
    }
}

fn ready<T: Send + 'static>(value: T) -> StoreFuture<'static, T> {
    Box::pin(future::ready(Ok(value)))
}

impl SessionStore for MemoryStore {
    fn insert(&self, session: Session, effects: LoginEffects) -> StoreFuture<'_, ()> {
        self.lock().open(session, &effects);
        ready(())
    }

    fn hand_out(&self, session: Session, effects: LoginEffects) -> StoreFuture<'_, Option<Arc<Session>>> {
        ready(self.lock().hand_out(&session, &effects).map(Arc::new))
    }

    fn load(&self, id: SessionId) -> StoreFuture<'_, Option<Arc<Session>>> {
        ready(self.read().sessions.get(&id).cloned().map(Arc::new))
    }

    fn stamp(&self, _: SessionId) -> Option<u64> {
        Some(self.changes.load(Ordering::SeqCst))
    }

    fn is_shared(&self) -> bool {
        false
    }

    fn rotate(&self, request: RotationRequest) -> StoreFuture<'_, Option<(Rotation, Session)>> {
        let mut kept = self.lock();
        let Some(session) = kept.sessions.get_mut(&request.session) else { return ready(None) };
        let outcome = rules::rotate(session, &request);
        session.clone_from(&outcome.session);
        if let Some((_, token)) = outcome.spent {
            kept.spend(request.session, token, request.now);
        }
        if !outcome.issued.is_empty() {
            let tokens = kept.tokens.entry(request.session).or_default();
            let generation = outcome.session.generation;
            tokens.extend(outcome.issued.into_iter().map(|token| (generation, token)));
            tokens.drain(..rules::surplus(tokens.len()));
        }
        ready(Some((outcome.rotation, outcome.session)))
    }

    fn confirm(&self, id: SessionId, generation: u64) {
        if let Some(session) = self.lock().sessions.get_mut(&id) {
            session.confirm(generation);
        }
    }

    fn revoke(&self, id: SessionId, revocation: Revocation) -> StoreFuture<'_, bool> {
        ready(self.lock().sessions.get_mut(&id).is_some_and(|session| session.revoke(revocation)))
    }

    fn revoke_subject(&self, subject: String, revocation: SubjectRevocation) -> StoreFuture<'_, usize> {
        ready(self.lock().alter_all(&subject, |session| rules::revoke_subject(session, &revocation)))
    }

    fn revoke_token(&self, revocation: TokenRevocation) -> StoreFuture<'_, bool> {
        let mut kept = self.lock();
        let session = kept.sessions.get_mut(&revocation.session);
        let revoked = session.is_some_and(|session| rules::revoke_token(session, &revocation));
        if revoked {
            kept.spend(revocation.session, revocation.token, revocation.now);
        }
        ready(revoked)
    }

    fn sessions_of(&self, subject: String) -> StoreFuture<'_, Vec<Session>> {
        ready(self.read().sessions.values().filter(|session| session.subject == subject).cloned().collect())
    }

    fn update_user(&self, subject: String, update: UserUpdate) -> StoreFuture<'_, usize> {
        ready(self.lock().alter_all(&subject, |session| rules::update_user(session, &update)))
    }

    fn sweep(&self, now: u64, limit: usize) -> StoreFuture<'_, Swept> {
        let mut kept = self.lock();
        let mut expired: Vec<_> =
            kept.sessions.values().filter(|session| rules::has_expired(session, now)).map(|s| s.id).collect();
        let more = expired.len() > limit;
        expired.truncate(limit);
        let mut swept = Swept { removed: expired.len(), more, ..Swept::default() };
        for id in &expired {
            kept.tokens.remove(id);
            swept.expired.extend(kept.sessions.remove(id).filter(rules::is_reported));
        }
        kept.sweep_values(now, limit, &mut swept);
        ready(swept)
    }

    fn flush(&self) -> StoreFuture<'_, ()> {
        ready(())
    }

    fn size(&self) -> StoreFuture<'_, Option<StoreSize>> {
        let accounts = self.lock_accounts().len() as u64;
        ready(Some(StoreSize::new(self.read().sessions.len() as u64, accounts)))
    }

    fn time_mark(&self) -> Arc<TimeMark> {
        Arc::clone(&self.time)
    }

    fn account_store(self: Arc<Self>) -> Option<Arc<dyn AccountStore>> {
        Some(self)
    }

    fn event_store(self: Arc<Self>) -> Option<Arc<dyn EventStore>> {
        Some(self)
    }

    fn session_pages(self: Arc<Self>) -> Option<Arc<dyn SessionPages>> {
        Some(self)
    }

    fn token_store(self: Arc<Self>) -> Option<Arc<dyn TokenStore>> {
        Some(self)
    }

    fn value_store(self: Arc<Self>) -> Option<Arc<dyn ValueStore>> {
        Some(self)
    }

    fn whole_store(self: Arc<Self>) -> Option<Arc<dyn WholeStore>> {
        Some(self)
    }
}

impl SessionPages for MemoryStore {
    fn sessions_after(&self, after: Option<SessionId>, limit: usize) -> StoreFuture<'_, Vec<Session>> {
        let kept = self.read();
        let mut behind: Vec<_> =
            kept.sessions.values().filter(|it| after.is_none_or(|id| it.id > id)).collect();
        behind.sort_unstable_by_key(|session| session.id);
        ready(behind.into_iter().take(limit).cloned().collect())
    }
}

impl TokenStore for MemoryStore {
    fn tokens_of(&self, session: SessionId) -> StoreFuture<'_, Vec<TokenRecord>> {
        let kept = self.read();
        ready(kept.tokens.get(&session).into_iter().flatten().map(|(_, token)| *token).collect())
    }

    fn archive(&self, before: u64, limit: usize) -> StoreFuture<'_, Swept> {
        let mut kept = self.lock();
        let mut swept = Swept::default();
        for tokens in kept.tokens.values_mut() {
            tokens.retain(|(_, token)| {
                let is_old = rules::is_archived(token, before);
                let full = swept.removed == limit;
                swept.more |= is_old && full;
                swept.removed += usize::from(is_old && !full);
                !is_old || full
            });
        }
        kept.tokens.retain(|_, tokens| !tokens.is_empty());
        ready(swept)
    }
}
