//! The operations of the store: what each one reads, and what it makes of the rules, on the one writer's
//! thread.
//!
//! Each is one [`Change`], so it is on disk as a whole or not at all. How changes get there is in `disk`.

use super::super::requests::{RotationRequest, SubjectRevocation, Swept, TokenRevocation, UserUpdate};
use super::super::rules::{self, RotationOutcome};
use super::disk::Disk;
use super::disk_record::DiskRecord;
use super::tree_change::Change;
use super::{reader, tree_keys};
use crate::error::StoreError;
use crate::id::SessionId;
use crate::record::{Revocation, Rotation, Session};
use crate::registry::TokenRecord;

/// Surplus records of tokens are looked for in each generation that is a multiple of this.
const LOOKS_EACH: u64 = 64;

/// How many keys of records of tokens are read at once.
const LOOKED_AT: usize = 4_096;

impl Disk {
    /// Removes a session, and what was recorded of its tokens.
    pub(super) fn forget(
        &self,
        change: &mut Change,
        session: &DiskRecord<Session>,
    ) -> Result<(), StoreError> {
        change.remove(session);
        for key in self.keys_in(tree_keys::tokens_of(session.record.id), usize::MAX)? {
            change.remove_key(key);
        }
        Ok(())
    }

    pub(super) fn rotate(
        &mut self,
        request: &RotationRequest,
    ) -> Result<Option<(Rotation, Session)>, StoreError> {
        // What was decided on a handle that failed might never have been written.
        self.ready()?;
        let Some(before) = self.load(request.session)? else { return Ok(None) };
        let outcome = rules::rotate(&before.record, request);
        if outcome.rotation.is_change() {
            let mut change = Change::default();
            change.replace(&before, &outcome.session)?;
            self.forget_tokens(&mut change, &outcome)?;
            if let Some((kind, id)) = outcome.spent {
                let key = tree_keys::token(&before.record, kind, id);
                self.spend(&mut change, tree_keys::former_token(key.clone()), request.now)?;
                self.spend(&mut change, key, request.now)?;
            }
            change.register(&outcome.session, &outcome.issued);
            self.apply(change);
        }
        Ok(Some((outcome.rotation, outcome.session)))
    }

    pub(super) fn revoke_token(&mut self, revocation: &TokenRevocation) -> Result<bool, StoreError> {
        self.ready()?;
        let Some(before) = self.load(revocation.session)? else { return Ok(false) };
        let mut change = Change::default();
        let revoked = change.alter(&before, |session| rules::revoke_token(session, revocation))?;
        if revoked {
            for key in self.keys_in(tree_keys::tokens_of(revocation.session), usize::MAX)? {
                if self.token(&key)?.is_some_and(|token| token.id == revocation.token) {
                    self.spend(&mut change, key, revocation.now)?;
                }
            }
            self.apply(change);
        }
        Ok(revoked)
    }

    /// Removes the oldest records of the tokens of a session, if there are too many. Looks seldom, because
    /// that reads all their keys.
    fn forget_tokens(&self, change: &mut Change, outcome: &RotationOutcome) -> Result<(), StoreError> {
        let session = &outcome.session;
        let is_due = session.generation.is_multiple_of(LOOKS_EACH) || outcome.rotation == Rotation::Reissued;
        if is_due && !outcome.issued.is_empty() {
            // The newest are behind those that are looked at, or among the last of them.
            let keys = self.keys_in(tree_keys::tokens_of(session.id), LOOKED_AT)?;
            let surplus = rules::surplus(keys.len());
            keys.into_iter().take(surplus).for_each(|key| change.remove_key(key));
        }
        Ok(())
    }

    /// Notes in the record of a token, if there is one, that it is not good any more.
    fn spend(&self, change: &mut Change, key: Vec<u8>, now: u64) -> Result<(), StoreError> {
        if let Some(mut token) = self.token(&key)? {
            rules::spend(&mut token, now);
            change.put_token(key, &token);
        }
        Ok(())
    }

    /// Returns the record of a token as it will be after this group.
    fn token(&self, key: &[u8]) -> Result<Option<TokenRecord>, StoreError> {
        match self.group.get(key) {
            Some(bytes) => Ok(bytes.and_then(|bytes| reader::token(key, bytes))),
            None => {
                let bytes = self.reader.read(|tree| tree.get(key))?;
                Ok(bytes.and_then(|bytes| reader::token(key, &bytes)))
            }
        }
    }

    pub(super) fn archive(&mut self, before: u64, limit: usize) -> Result<Swept, StoreError> {
        self.ready()?;
        // As many as are looked through at once; others wait for the disk meanwhile.
        let looked = limit.saturating_mul(8).max(1);
        let keys = self.keys_in(tree_keys::tokens_behind(self.archived.as_deref()), looked)?;
        let mut swept = Swept { more: keys.len() == looked, ..Swept::default() };
        let mut change = Change::default();
        for key in keys {
            if self.token(&key)?.is_some_and(|token| rules::is_archived(&token, before)) {
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
        self.alter(id, |session| session.revoke(revocation))
    }

    pub(super) fn confirm(&mut self, id: SessionId, generation: u64) -> Result<bool, StoreError> {
        self.alter(id, |session| session.confirm(generation))
    }

    /// Runs a rule on a session, and keeps the session if the rule returns `true`. Returns what it returned.
    fn alter(&mut self, id: SessionId, rule: impl FnOnce(&mut Session) -> bool) -> Result<bool, StoreError> {
        self.ready()?;
        let Some(before) = self.load(id)? else { return Ok(false) };
        let mut change = Change::default();
        let altered = change.alter(&before, rule)?;
        if altered {
            self.apply(change);
        }
        Ok(altered)
    }

    pub(super) fn revoke_subject(
        &mut self,
        subject: &str,
        revocation: &SubjectRevocation,
    ) -> Result<usize, StoreError> {
        self.ready()?;
        let mut change = Change::default();
        let revoked = self.revoke_sessions(&mut change, subject, revocation)?;
        if revoked > 0 {
            self.apply(change);
        }
        Ok(revoked)
    }

    /// Adds to a change that sessions of a subject are revoked. Returns how many.
    pub(super) fn revoke_sessions(
        &self,
        change: &mut Change,
        subject: &str,
        revocation: &SubjectRevocation,
    ) -> Result<usize, StoreError> {
        self.alter_all(change, subject, |session| rules::revoke_subject(session, revocation))
    }

    pub(super) fn update_user(&mut self, subject: &str, update: &UserUpdate) -> Result<usize, StoreError> {
        self.ready()?;
        let mut change = Change::default();
        let updated = self.alter_all(&mut change, subject, |session| rules::update_user(session, update))?;
        if updated > 0 {
            self.apply(change);
        }
        Ok(updated)
    }

    /// Runs a rule on each session of a subject. Returns how many it has changed.
    fn alter_all(
        &self,
        change: &mut Change,
        subject: &str,
        rule: impl Fn(&mut Session) -> bool,
    ) -> Result<usize, StoreError> {
        let mut altered = 0;
        for before in self.sessions_of(subject)? {
            altered += usize::from(change.alter(&before, &rule)?);
        }
        Ok(altered)
    }

    pub(super) fn sweep(&mut self, now: u64, limit: usize) -> Result<Swept, StoreError> {
        self.ready()?;
        let range = tree_keys::EXPIRIES.to_vec()..tree_keys::expired_until(now);
        let mut entries = self.keys_in(range, limit.saturating_add(1))?;
        let more = entries.len() > limit;
        entries.truncate(limit);
        let mut change = Change::default();
        let mut removed = 0;
        let mut expired = Vec::new();
        // Most stores keep none: then they are not looked for with each session.
        let has_tokens = !self.keys_in(tree_keys::tokens_behind(None), 1)?.is_empty();
        for entry in entries {
            let session = match tree_keys::id_of(&entry) {
                Some(id) => self.load(id)?,
                None => None,
            };
            match session {
                Some(session) if rules::has_expired(&session.record, now) => {
                    if has_tokens {
                        self.forget(&mut change, &session)?;
                    } else {
                        change.remove(&session);
                    }
                    removed += 1;
                    expired.extend(Some(session.record).filter(rules::is_reported));
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
        self.is_swept = more;
        Ok(Swept { expired, removed, more })
    }

    pub(super) fn flush(&mut self) -> Result<(), StoreError> {
        // A handle that failed may say that all is saved.
        self.ready()?;
        self.awaited = true;
        Ok(())
    }
}
