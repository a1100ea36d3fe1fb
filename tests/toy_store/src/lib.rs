//! A store outside of jwtauth, made of [`rules`], [`codec`] and one lock around a map of bytes. For reading, and as a proof
//! that the public items are enough; it forgets all when its process ends.
//!
//! Each step works on a copy of the map, and the copy takes the map's place if the step succeeds. That makes a step atomic.
//! A store on a network would use a transaction.

mod accounts;
mod rows;

use std::sync::{Arc, Mutex, PoisonError};

use jwtauth::clock::TimeMark;
use jwtauth::error::StoreError;
use jwtauth::store::{
    AccountStore, LoginEffects, NewValue, Revocation, Rotation, RotationRequest, SessionStore, StoreFuture,
    StoredValue, SubjectRevocation, Swept, TokenRevocation, TokenStore, UserUpdate, ValueKey, ValueStore,
    codec, rules,
};
use jwtauth::{Session, SessionId, TokenRecord};

use crate::rows::{Rows, session_key, value_key};

/// Keeps sessions, records of tokens, values and accounts, as bytes.
#[derive(Debug, Default)]
pub struct ToyStore {
    rows: Mutex<Rows>,
    /// A store on a disk writes it with each step, and reads it when it is opened.
    time: Arc<TimeMark>,
}

impl ToyStore {
    /// Makes one step of everything that `step` does, or of nothing.
    fn step<T: Send + 'static>(
        &self,
        step: impl FnOnce(&mut Rows) -> Result<T, StoreError>,
    ) -> StoreFuture<'_, T> {
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        let mut copy = rows.clone();
        let done = step(&mut copy);
        if done.is_ok() {
            *rows = copy;
        }
        Box::pin(std::future::ready(done))
    }
}

/// What `insert` and `insert_with_value` have in common.
fn login(rows: &mut Rows, session: &Session, effects: &LoginEffects) -> Result<(), StoreError> {
    make_room(rows, session, effects)?;
    if let Some(access_ttl) = effects.register {
        rows.add_tokens(session, &rules::first_tokens(session, access_ttl));
    }
    rows.put_session(session)
}

/// Does to other sessions what a login does.
fn make_room(rows: &mut Rows, session: &Session, effects: &LoginEffects) -> Result<(), StoreError> {
    let outcome = rules::login(session, &rows.sessions_of(&session.subject)?, effects);
    for id in outcome.forgotten {
        rows.remove_session(id);
    }
    for (id, revocation) in outcome.revoked {
        rows.alter(id, |session| session.revoke(revocation))?;
    }
    Ok(())
}

impl SessionStore for ToyStore {
    fn insert(&self, session: Session, effects: LoginEffects) -> StoreFuture<'_, ()> {
        self.step(|rows| login(rows, &session, &effects))
    }

    fn hand_out(&self, session: Session, effects: LoginEffects) -> StoreFuture<'_, Option<Arc<Session>>> {
        self.step(|rows| {
            let own = rows.session(session.id)?.filter(|own| own.revoked.is_none());
            if own.is_some() {
                make_room(rows, &session, &effects)?;
            }
            Ok(own.map(Arc::new))
        })
    }

    fn load(&self, id: SessionId) -> StoreFuture<'_, Option<Arc<Session>>> {
        self.step(|rows| Ok(rows.session(id)?.map(Arc::new)))
    }

    fn rotate(&self, request: RotationRequest) -> StoreFuture<'_, Option<(Rotation, Session)>> {
        self.step(|rows| {
            let Some(before) = rows.session(request.session)? else { return Ok(None) };
            let outcome = rules::rotate(&before, &request);
            if outcome.rotation.is_change() {
                rows.put_session(&outcome.session)?;
            }
            if let Some((_, token)) = outcome.spent {
                rows.spend(before.id, token, request.now)?;
            }
            rows.add_tokens(&outcome.session, &outcome.issued);
            rows.forget_surplus(request.session)?;
            Ok(Some((outcome.rotation, outcome.session)))
        })
    }

    fn confirm(&self, id: SessionId, generation: u64) {
        // A record that cannot be read says so to the next operation.
        drop(self.step(|rows| rows.alter(id, |session| session.confirm(generation))));
    }

    fn revoke(&self, id: SessionId, revocation: Revocation) -> StoreFuture<'_, bool> {
        self.step(|rows| rows.alter(id, |session| session.revoke(revocation)))
    }

    fn revoke_subject(&self, subject: String, revocation: SubjectRevocation) -> StoreFuture<'_, usize> {
        self.step(|rows| rows.alter_all(&subject, |session| rules::revoke_subject(session, &revocation)))
    }

    fn revoke_token(&self, revocation: TokenRevocation) -> StoreFuture<'_, bool> {
        self.step(|rows| {
            let rule = |session: &mut Session| rules::revoke_token(session, &revocation);
            let revoked = rows.alter(revocation.session, rule)?;
            if revoked {
                rows.spend(revocation.session, revocation.token, revocation.now)?;
            }
            Ok(revoked)
        })
    }

    fn sessions_of(&self, subject: String) -> StoreFuture<'_, Vec<Session>> {
        self.step(|rows| rows.sessions_of(&subject))
    }

    fn update_user(&self, subject: String, update: UserUpdate) -> StoreFuture<'_, usize> {
        self.step(|rows| rows.alter_all(&subject, |session| rules::update_user(session, &update)))
    }

    fn sweep(&self, now: u64, limit: usize) -> StoreFuture<'_, Swept> {
        self.step(|rows| {
            let mut swept = Swept::default();
            let sessions = rows.sessions()?.into_iter().filter(|session| rules::has_expired(session, now));
            let values = rows.values()?.into_iter().filter(|(_, value)| rules::value_has_expired(value, now));
            let values: Vec<_> = values.map(|(key, _)| key).collect();
            for session in sessions {
                if swept.removed == limit {
                    swept.more = true;
                    break;
                }
                rows.remove_session(session.id);
                swept.removed += 1;
                swept.expired.extend(Some(session).filter(rules::is_reported));
            }
            for key in values {
                if swept.removed == limit {
                    swept.more = true;
                    break;
                }
                rows.remove(&key);
                swept.removed += 1;
            }
            Ok(swept)
        })
    }

    fn flush(&self) -> StoreFuture<'_, ()> {
        self.step(|_| Ok(()))
    }

    fn time_mark(&self) -> Arc<TimeMark> {
        Arc::clone(&self.time)
    }

    fn account_store(self: Arc<Self>) -> Option<Arc<dyn AccountStore>> {
        Some(self)
    }

    fn token_store(self: Arc<Self>) -> Option<Arc<dyn TokenStore>> {
        Some(self)
    }

    fn value_store(self: Arc<Self>) -> Option<Arc<dyn ValueStore>> {
        Some(self)
    }
}

impl TokenStore for ToyStore {
    fn tokens_of(&self, session: SessionId) -> StoreFuture<'_, Vec<TokenRecord>> {
        self.step(|rows| Ok(rows.tokens_of(session)?.into_iter().map(|(_, token)| token).collect()))
    }

    fn archive(&self, before: u64, limit: usize) -> StoreFuture<'_, Swept> {
        self.step(|rows| {
            let mut old = rows.tokens()?;
            old.retain(|(_, token)| rules::is_archived(token, before));
            let mut swept = Swept::default();
            swept.more = old.len() > limit;
            for (key, _) in old.iter().take(limit) {
                rows.remove(key);
                swept.removed += 1;
            }
            Ok(swept)
        })
    }
}

impl ValueStore for ToyStore {
    fn load_value(&self, key: ValueKey, now: u64) -> StoreFuture<'_, Option<Vec<u8>>> {
        self.step(|rows| Ok(rows.value(key)?.and_then(|value| rules::live_value(value, now))))
    }

    fn save_value(&self, value: NewValue) -> StoreFuture<'_, bool> {
        self.step(|rows| {
            let takes = rules::takes_value(rows.value(value.key)?.as_ref(), value.now);
            if takes {
                rows.put_value(value.key, &value.into())?;
            }
            Ok(takes)
        })
    }

    fn remove_value(&self, key: ValueKey, now: u64) -> StoreFuture<'_, bool> {
        self.step(|rows| {
            let Some(before) = rows.value(key)? else { return Ok(false) };
            let Some((mark, was_live)) = rules::remove_value(&before, now) else { return Ok(false) };
            rows.put_value(key, &mark)?;
            Ok(was_live)
        })
    }

    fn insert_with_value(
        &self,
        session: Session,
        effects: LoginEffects,
        value: NewValue,
    ) -> StoreFuture<'_, Option<Vec<u8>>> {
        self.step(|rows| {
            let occupant = rules::occupant(rows.value(value.key)?.as_ref(), value.now);
            if occupant.is_none() {
                login(rows, &session, &effects)?;
                rows.put_value(value.key, &value.into())?;
            }
            Ok(occupant)
        })
    }
}

/// Where sessions and values are among the rows.
impl Rows {
    fn session(&self, id: SessionId) -> Result<Option<Session>, StoreError> {
        let key = session_key(id);
        Ok(self.get(&key).map(|bytes| codec::decode_session(&key, id, bytes)).transpose()?)
    }

    fn put_session(&mut self, session: &Session) -> Result<(), StoreError> {
        let key = session_key(session.id);
        let bytes = codec::encode_session(&key, session)?;
        self.put(key, bytes);
        Ok(())
    }

    fn value(&self, key: ValueKey) -> Result<Option<StoredValue>, StoreError> {
        let key = value_key(key);
        Ok(self.get(&key).map(|bytes| codec::decode_value(&key, bytes)).transpose()?)
    }

    fn put_value(&mut self, key: ValueKey, value: &StoredValue) -> Result<(), StoreError> {
        let key = value_key(key);
        let bytes = codec::encode_value(&key, value)?;
        self.put(key, bytes);
        Ok(())
    }

    /// Runs a rule on a session, and keeps the session if the rule returns `true`.
    fn alter(&mut self, id: SessionId, rule: impl FnOnce(&mut Session) -> bool) -> Result<bool, StoreError> {
        let Some(mut session) = self.session(id)? else { return Ok(false) };
        let is_change = rule(&mut session);
        if is_change {
            self.put_session(&session)?;
        }
        Ok(is_change)
    }

    /// Runs a rule on each session of a subject. Returns how many it has changed.
    fn alter_all(&mut self, subject: &str, rule: impl Fn(&mut Session) -> bool) -> Result<usize, StoreError> {
        let mut altered = 0;
        for session in self.sessions_of(subject)? {
            altered += usize::from(self.alter(session.id, &rule)?);
        }
        Ok(altered)
    }

    fn sessions_of(&self, subject: &str) -> Result<Vec<Session>, StoreError> {
        let mut sessions = self.sessions()?;
        sessions.retain(|session| session.subject == subject);
        Ok(sessions)
    }
}
