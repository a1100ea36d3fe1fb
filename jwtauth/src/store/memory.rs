//! A store that lives and dies with its process: for tests and throwaway programs.

#[cfg(feature = "accounts")]
mod accounts;
mod values;

use std::collections::HashMap;
use std::fmt;
use std::future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use self::values::KeptValue;
use super::values::ValueKey;
use super::{
    LoginEffects, RotationRequest, SessionStore, StoreFuture, SubjectRevocation, Swept, TokenRevocation,
    UserUpdate,
};
use crate::id::{SessionId, TokenId};
use crate::record::{Revocation, Rotation, Session};
use crate::registry::{self, TokenRecord};

/// Keeps sessions in memory. Nothing survives the process.
///
/// One lock over one map: each operation is atomic because it is alone. A sweep looks at every
/// session, so this is no store for many of them.
#[derive(Default)]
pub struct MemoryStore {
    kept: Mutex<Kept>,
    #[cfg(feature = "accounts")]
    accounts: accounts::Accounts,
}

#[derive(Default)]
struct Kept {
    sessions: HashMap<SessionId, Session>,
    /// In the order in which they were issued.
    tokens: HashMap<SessionId, Vec<TokenRecord>>,
    values: HashMap<ValueKey, KeptValue>,
}

impl Kept {
    fn open(&mut self, session: Session, opening: &LoginEffects) {
        let now = session.created_at;
        // Only for who is capped: it looks at every session.
        let others: Vec<_> = match opening.max_sessions {
            Some(_) => {
                self.sessions.values().filter(|other| other.subject == session.subject).cloned().collect()
            }
            None => Vec::new(),
        };
        let consequences = opening.consequences(&session, &others, now);
        for id in consequences.forgotten {
            self.sessions.remove(&id);
            self.tokens.remove(&id);
        }
        for (id, reason) in consequences.ends {
            if let Some(ended) = self.sessions.get_mut(&id) {
                ended.revoke(Revocation { at: now, reason });
            }
        }
        if let Some(access_ttl) = opening.register {
            self.register(None, &session, access_ttl);
        }
        self.sessions.insert(session.id, session);
    }

    fn end(&mut self, subject: &str, ends: SubjectRevocation) -> usize {
        let theirs = self.sessions.values_mut();
        let theirs = theirs.filter(|session| session.subject == subject && Some(session.id) != ends.except);
        theirs.filter_map(|session| session.revoke(ends.revocation).then_some(())).count()
    }

    fn register(&mut self, before: Option<&Session>, after: &Session, access_ttl: Duration) {
        let tokens = self.tokens.entry(after.id).or_default();
        if let Some(before) = before {
            spend(tokens, before.refresh_id, after.rotated_at);
        }
        tokens.extend(registry::issued(before, after, access_ttl));
    }
}

impl MemoryStore {
    /// Makes an empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        // OK because nothing in an operation can panic half-way.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Notes that a token is not good any more.
fn spend(tokens: &mut [TokenRecord], id: TokenId, now: u64) {
    if let Some(token) = tokens.iter_mut().find(|token| token.id == id) {
        token.revoked_at.get_or_insert(now);
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").field("sessions", &self.lock().sessions.len()).finish()
    }
}

fn ready<T: Send + 'static>(value: T) -> StoreFuture<'static, T> {
    Box::pin(future::ready(Ok(value)))
}

impl SessionStore for MemoryStore {
    fn insert(&self, session: Session, opening: LoginEffects) -> StoreFuture<'_, ()> {
        self.lock().open(session, &opening);
        ready(())
    }

    fn load(&self, id: SessionId) -> StoreFuture<'_, Option<Arc<Session>>> {
        ready(self.lock().sessions.get(&id).cloned().map(Arc::new))
    }

    fn rotate(&self, presented: RotationRequest) -> StoreFuture<'_, Option<(Rotation, Session)>> {
        let mut kept = self.lock();
        let Some(session) = kept.sessions.get_mut(&presented.session) else { return ready(None) };
        let before = session.clone();
        let rotation =
            session.rotate(presented.generation, presented.now, presented.policy, presented.successor);
        let after = session.clone();
        if let Some(access_ttl) = presented.register
            && rotation.issues()
        {
            kept.register(Some(&before), &after, access_ttl);
        }
        ready(Some((rotation, after)))
    }

    fn revoke(&self, id: SessionId, revocation: Revocation) -> StoreFuture<'_, bool> {
        ready(self.lock().sessions.get_mut(&id).is_some_and(|session| session.revoke(revocation)))
    }

    fn revoke_subject(&self, subject: String, ends: SubjectRevocation) -> StoreFuture<'_, usize> {
        ready(self.lock().end(&subject, ends))
    }

    fn revoke_token(&self, end: TokenRevocation) -> StoreFuture<'_, bool> {
        let kept = &mut *self.lock();
        let ended = kept
            .sessions
            .get_mut(&end.session)
            .is_some_and(|session| session.revoke_token(end.token, end.expires_at, end.now));
        if let Some(tokens) = kept.tokens.get_mut(&end.session)
            && ended
        {
            spend(tokens, end.token, end.now);
        }
        ready(ended)
    }

    fn tokens_of(&self, session: SessionId) -> StoreFuture<'_, Vec<TokenRecord>> {
        ready(self.lock().tokens.get(&session).cloned().unwrap_or_default())
    }

    fn archive(&self, before: u64, limit: usize) -> StoreFuture<'_, Swept> {
        let mut kept = self.lock();
        let mut swept = Swept::default();
        for tokens in kept.tokens.values_mut() {
            tokens.retain(|token| {
                let is_old = token.expires_at < before;
                let full = swept.removed == limit;
                swept.more |= is_old && full;
                swept.removed += usize::from(is_old && !full);
                !is_old || full
            });
        }
        kept.tokens.retain(|_, tokens| !tokens.is_empty());
        ready(swept)
    }

    fn sessions_of(&self, subject: String) -> StoreFuture<'_, Vec<Session>> {
        ready(self.lock().sessions.values().filter(|session| session.subject == subject).cloned().collect())
    }

    fn update_user(&self, subject: String, update: UserUpdate, now: u64) -> StoreFuture<'_, usize> {
        let sessions = &mut self.lock().sessions;
        let theirs =
            sessions.values_mut().filter(|session| session.subject == subject && session.is_live_at(now));
        ready(theirs.map(|session| update.apply(session)).count())
    }

    fn sweep(&self, now: u64, limit: usize) -> StoreFuture<'_, Swept> {
        let mut kept = self.lock();
        let mut expired: Vec<_> =
            kept.sessions.values().filter(|session| session.expires_at <= now).map(|s| s.id).collect();
        let more = expired.len() > limit;
        expired.truncate(limit);
        let mut swept = Swept { removed: expired.len(), more, ..Swept::default() };
        for id in &expired {
            kept.tokens.remove(id);
            swept.expired.extend(kept.sessions.remove(id).filter(|session| session.revoked.is_none()));
        }
        kept.sweep_values(now, limit, &mut swept);
        ready(swept)
    }

    fn flush(&self) -> StoreFuture<'_, ()> {
        ready(())
    }

    #[cfg(feature = "accounts")]
    fn account_store(self: Arc<Self>) -> Option<Arc<dyn super::AccountStore>> {
        Some(self)
    }

    fn value_store(self: Arc<Self>) -> Option<Arc<dyn super::ValueStore>> {
        Some(self)
    }
}
