//! Sessions that stand for tokens of another service: added once, and not at all where the token is refused.
//!
//! What is refused of a subject is kept as a value, under a key of its own: so it is in the sum of the totals, is changed in
//! one batch with the sessions that end, and is swept when it expires.

use super::super::codec::Value;
use super::super::values::ValueKey;
use super::super::{LoginEffects, NotBefore, keys};
use super::change::Change;
use super::disk::Disk;
use crate::error::StoreError;
use crate::key;
use crate::record::Session;

/// The key of what is refused of a subject. A hash, because the subject may be long; nobody's value has it by chance.
fn key_of(subject: &str) -> ValueKey {
    ValueKey::from_bytes(key::digest("jwtauth not before v1", subject))
}

impl Disk {
    pub(super) fn adopt(
        &mut self,
        session: &Session,
        opening: &LoginEffects,
        now: u64,
    ) -> Result<Option<Session>, StoreError> {
        // What is decided on a handle that failed might never be written.
        self.ready()?;
        if let Some(known) = self.load(session.id)? {
            return Ok(Some(known));
        }
        // What cannot be read any more may have been ended.
        let is_damaged = !self.keys_in(keys::one(keys::session(session.id)), 1)?.is_empty();
        let refused = self.not_before(&session.subject)?.is_some_and(|it| it.refuses(session, now));
        if is_damaged || refused {
            return Ok(None);
        }
        let mut change = Change::default();
        change.add(session)?;
        self.make_room(&mut change, session, opening, now)?;
        self.apply(change);
        Ok(Some(session.clone()))
    }

    /// Adds to a change which tokens are refused of a subject, beside those that are already.
    pub(super) fn refuse(
        &self,
        change: &mut Change,
        subject: &str,
        not_before: Option<NotBefore>,
    ) -> Result<(), StoreError> {
        let Some(new) = not_before else { return Ok(()) };
        let key = key_of(subject);
        let before = self.whole(self.find_value(key)?)?;
        let old = before.as_ref().and_then(|(_, value)| read(value));
        let NotBefore { at, until } = old.map_or(new, |old| old.max(new));
        let after = Value { expires_at: until, bytes: Some(at.to_be_bytes().to_vec()) };
        change.put_value(key, before, &after)
    }

    fn not_before(&self, subject: &str) -> Result<Option<NotBefore>, StoreError> {
        let value = self.whole(self.find_value(key_of(subject))?)?;
        Ok(value.and_then(|(_, value)| read(&value)))
    }
}

fn read(value: &Value) -> Option<NotBefore> {
    let at = value.bytes.as_deref()?.try_into().ok().map(u64::from_be_bytes)?;
    Some(NotBefore { at, until: value.expires_at })
}
