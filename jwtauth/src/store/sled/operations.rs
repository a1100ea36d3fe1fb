//! The operations of the store: what each one reads, decides and changes, on the one writer's thread.
//!
//! Each is one [`Change`], so it is on disk as a whole or not at all. How changes get there is in `disk`.

use super::super::effects::Consequences;
use super::super::{
    LoginEffects, RotationRequest, SubjectRevocation, Swept, TokenRevocation, UserUpdate, keys,
};
use super::Shared;
use super::change::Change;
use super::disk::Disk;
use crate::error::StoreError;
use crate::id::SessionId;
use crate::record::{Revocation, Rotation, Session};
use crate::registry::{self, TokenRecord};

impl Disk {
    pub(super) fn insert(&mut self, session: &Session, opening: &LoginEffects) -> Result<(), StoreError> {
        // What is revoked below must be read from the handle that it is written to.
        self.ready()?;
        let mut change = Change::default();
        self.open(&mut change, session, opening)?;
        self.apply(change);
        Ok(())
    }

    /// Adds to a change a new session, and what it does to the others of its subject.
    pub(super) fn open(
        &self,
        change: &mut Change,
        session: &Session,
        opening: &LoginEffects,
    ) -> Result<(), StoreError> {
        match self.load(session.id)? {
            // Never with random ids; but counted twice, it would make the store look damaged for ever.
            Some(before) => change.overwrite(&before, session)?,
            None => change.add(session)?,
        }
        let now = session.created_at;
        let others = match opening.max_sessions {
            Some(_) => self.sessions_of(&session.subject)?,
            None => Vec::new(),
        };
        let Consequences { mut ends, forgotten } = opening.consequences(session, &others, now);
        for gone in others.iter().filter(|other| forgotten.contains(&other.id)) {
            self.forget(change, gone)?;
        }
        ends.sort_unstable_by_key(|(id, _)| *id);
        ends.dedup_by_key(|(id, _)| *id);
        for (id, reason) in ends.into_iter().filter(|(id, _)| *id != session.id) {
            if let Some(before) = self.load(id)? {
                change.revoke(before, Revocation { at: now, reason })?;
            }
        }
        if let Some(access_ttl) = opening.register {
            change.register(None, session, access_ttl);
        }
        Ok(())
    }

    /// Removes a session, and what was recorded of its tokens.
    fn forget(&self, change: &mut Change, session: &Session) -> Result<(), StoreError> {
        change.remove(session)?;
        for key in self.keys_in(keys::tokens_of(session.id), usize::MAX)? {
            change.remove_key(key);
        }
        Ok(())
    }

    pub(super) fn rotate(
        &mut self,
        presented: RotationRequest,
    ) -> Result<Option<(Rotation, Session)>, StoreError> {
        // What was decided on a handle that failed might never have been written.
        self.ready()?;
        let Some(before) = self.load(presented.session)? else { return Ok(None) };
        let mut after = before.clone();
        let rotation =
            after.rotate(presented.generation, presented.now, presented.policy, presented.successor);
        if rotation.is_change() {
            let mut change = Change::default();
            change.replace(&before, &after)?;
            if let Some(access_ttl) = presented.register
                && rotation.issues()
            {
                let spent = keys::token(before.id, before.generation, registry::spendable(&before));
                self.spend(&mut change, spent, presented.now)?;
                change.register(Some(&before), &after, access_ttl);
            }
            self.apply(change);
        }
        Ok(Some((rotation, after)))
    }

    pub(super) fn revoke_token(&mut self, end: TokenRevocation) -> Result<bool, StoreError> {
        self.ready()?;
        let Some(before) = self.load(end.session)? else { return Ok(false) };
        let mut after = before.clone();
        let ended = after.revoke_token(end.token, end.expires_at, end.now);
        if ended {
            let mut change = Change::default();
            change.replace(&before, &after)?;
            for key in self.keys_in(keys::tokens_of(end.session), usize::MAX)? {
                if self.token(&key)?.is_some_and(|token| token.id == end.token) {
                    self.spend(&mut change, key, end.now)?;
                }
            }
            self.apply(change);
        }
        Ok(ended)
    }

    /// Notes in the record of a token, if there is one, that it is not good any more.
    fn spend(&self, change: &mut Change, key: Vec<u8>, now: u64) -> Result<(), StoreError> {
        if let Some(mut token) = self.token(&key)? {
            token.revoked_at.get_or_insert(now);
            change.put_token(key, &token);
        }
        Ok(())
    }

    /// Returns the record of a token as it will be after this group.
    fn token(&self, key: &[u8]) -> Result<Option<TokenRecord>, StoreError> {
        match self.group.get(key) {
            Some(bytes) => Ok(bytes.and_then(|bytes| Shared::decode_token(key, bytes))),
            None => self.shared.token(key),
        }
    }

    pub(super) fn archive(&mut self, before: u64, limit: usize) -> Result<Swept, StoreError> {
        self.ready()?;
        // As many as are looked through at once; others wait for the disk meanwhile.
        let looked = limit.saturating_mul(8).max(1);
        let keys = self.keys_in(keys::tokens_behind(self.archived.as_deref()), looked)?;
        let mut swept = Swept { more: keys.len() == looked, ..Swept::default() };
        let mut change = Change::default();
        for key in keys {
            if self.token(&key)?.is_some_and(|token| token.expires_at < before) {
                if swept.removed == limit {
                    swept.more = true;
                    break;
                }
                change.remove_key(key.clone());
                swept.removed += 1;
            }
            self.archived = Some(key);
        }
        if !swept.more {
            self.archived = None;
        }
        if !change.is_empty() {
            // As with a sweep: what comes back is removed another time.
            self.group.add(change);
        }
        Ok(swept)
    }

    pub(super) fn revoke(&mut self, id: SessionId, revocation: Revocation) -> Result<bool, StoreError> {
        self.ready()?;
        let Some(session) = self.load(id)? else { return Ok(false) };
        let mut change = Change::default();
        let revoked = change.revoke(session, revocation)?;
        if revoked {
            self.apply(change);
        }
        Ok(revoked)
    }

    pub(super) fn revoke_subject(
        &mut self,
        subject: &str,
        ends: SubjectRevocation,
    ) -> Result<usize, StoreError> {
        self.ready()?;
        let mut change = Change::default();
        let revoked = self.end_sessions(&mut change, subject, ends)?;
        if !change.is_empty() {
            self.apply(change);
        }
        Ok(revoked)
    }

    /// Adds to a change that sessions of a subject end. Returns how many do.
    pub(super) fn end_sessions(
        &self,
        change: &mut Change,
        subject: &str,
        ends: SubjectRevocation,
    ) -> Result<usize, StoreError> {
        let mut ended = 0;
        for session in self.sessions_of(subject)? {
            if Some(session.id) != ends.except {
                ended += usize::from(change.revoke(session, ends.revocation)?);
            }
        }
        Ok(ended)
    }

    pub(super) fn update_user(
        &mut self,
        subject: &str,
        update: &UserUpdate,
        now: u64,
    ) -> Result<usize, StoreError> {
        self.ready()?;
        let mut change = Change::default();
        let mut updated = 0;
        for before in self.sessions_of(subject)? {
            if before.is_live_at(now) {
                let mut after = before.clone();
                update.apply(&mut after);
                change.replace(&before, &after)?;
                updated += 1;
            }
        }
        if updated > 0 {
            self.apply(change);
        }
        Ok(updated)
    }

    pub(super) fn sweep(&mut self, now: u64, limit: usize) -> Result<Swept, StoreError> {
        self.ready()?;
        let range = keys::EXPIRIES.to_vec()..keys::expired_until(now);
        let mut entries = self.keys_in(range, limit.saturating_add(1))?;
        let more = entries.len() > limit;
        entries.truncate(limit);
        let mut change = Change::default();
        let mut removed = 0;
        let mut expired = Vec::new();
        for entry in entries {
            let session = match keys::id_of(&entry) {
                Some(id) => self.load(id)?,
                None => None,
            };
            match session {
                Some(session) if session.expires_at <= now => {
                    self.forget(&mut change, &session)?;
                    removed += 1;
                    if session.revoked.is_none() {
                        expired.push(session);
                    }
                }
                _ => change.remove_key(entry),
            }
        }
        let values = self.sweep_values(&mut change, now, limit - removed, None)?;
        let (removed, more) = (removed + values.removed, more || values.more);
        if !change.is_empty() {
            // Nobody needs a removal to be durable: what comes back has expired all the same.
            self.group.add(change);
        }
        self.tidy |= !more;
        Ok(Swept { expired, removed, more })
    }

    pub(super) fn flush(&mut self) -> Result<(), StoreError> {
        // A handle that failed may say that all is saved.
        self.ready()?;
        self.awaited = true;
        Ok(())
    }
}
