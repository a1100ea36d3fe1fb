//! Logins, in two steps: the session first, and when that is on disk what it does to other sessions.
//!
//! A commit that hangs cannot be stopped, and its callers are answered 503 meanwhile. So nothing may be in it
//! that throws anybody out. Other sessions are revoked when the new one is on disk and its caller still
//! waits. With a login that is put off, they are revoked when its answer leaves.
//!
//! # Invariants
//!
//! 1. Readers do not see a session before it stands: it is on disk, and its caller waited then.
//! 2. A session whose caller was gone or heard an error is removed, and readers never saw it. If the disk
//!    fails, it is removed when the disk is back.

use std::sync::Arc;

use super::super::requests::LoginEffects;
use super::super::rules;
use super::super::value_store::NewValue;
use super::disk::Disk;
use super::disk_record::DiskRecord;
use super::reader::StoreReader;
use super::tree_change::Change;
use super::tree_keys;
use super::writer::{Settled, TwoSteps};
use crate::error::StoreError;
use crate::id::SessionId;
use crate::record::Session;

/// How many sessions are remembered whose removal has failed. What is forgotten stays, and nobody has its
/// tokens.
const MAX_DISOWNED: usize = 10_000;

/// A login.
pub(super) struct LoginChange {
    pub(super) session: Session,
    pub(super) effects: LoginEffects,
}

impl TwoSteps<Disk> for LoginChange {
    type Outcome = ();

    fn begin(&mut self, disk: &mut Disk) -> Result<(), StoreError> {
        disk.ready()?;
        let mut change = Change::default();
        disk.add_session(&mut change, &self.session, &self.effects)?;
        disk.reader.hide(self.session.id);
        disk.apply(change);
        Ok(())
    }

    fn settle(&mut self, disk: &mut Disk, (): &(), waits: &dyn Fn() -> bool) -> Result<Settled, StoreError> {
        if !disk.reveal_if(self.session.id, waits) {
            return Ok(Settled::Abandoned);
        }
        if self.effects.put_off {
            return Ok(Settled::Done);
        }
        disk.evict(&self.session, &self.effects)
    }

    fn undo(&mut self, disk: &mut Disk) {
        disk.disown(self.session.id);
    }
}

/// A login in exchange for what a value stands for.
pub(super) struct LoginWithValue {
    pub(super) login: LoginChange,
    pub(super) value: NewValue,
}

impl TwoSteps<Disk> for LoginWithValue {
    /// The bytes that were there before, if there were any: then nothing happens.
    type Outcome = Option<Vec<u8>>;

    fn begin(&mut self, disk: &mut Disk) -> Result<Self::Outcome, StoreError> {
        let LoginChange { session, effects } = &self.login;
        disk.insert_with_value(session, effects, self.value.clone())
    }

    fn settle(
        &mut self,
        disk: &mut Disk,
        outcome: &Self::Outcome,
        waits: &dyn Fn() -> bool,
    ) -> Result<Settled, StoreError> {
        if outcome.is_some() || self.login.effects.put_off || !waits() {
            return Ok(Settled::Done);
        }
        disk.evict(&self.login.session, &self.login.effects)
    }

    /// Does nothing: a client that asks again with the same value gets this session.
    fn undo(&mut self, _: &mut Disk) {}
}

/// What is found when the answer to a login leaves.
pub(super) enum LookRound {
    /// Nothing happens to others. The session, if it stands.
    Alone(Option<Arc<Session>>),
    /// Others are to be revoked or forgotten.
    Crowded,
}

impl StoreReader {
    /// Looks whether a login that was put off does anything to others, so that most need not wait for the
    /// writer.
    pub(super) fn look_round(
        &self,
        session: &Session,
        effects: &LoginEffects,
    ) -> Result<LookRound, StoreError> {
        let own = self.find(session.id)?.filter(|own| own.revoked.is_none());
        let stands = own.is_some();
        let is_crowded = stands
            && (!effects.replaces.is_empty()
                || match effects.max_sessions {
                    Some(max) if !self.has_at_most(&session.subject, max)? => {
                        let theirs = self.sessions_of(&session.subject)?;
                        let outcome = rules::login(session, &theirs, effects);
                        !outcome.revoked.is_empty() || !outcome.forgotten.is_empty()
                    }
                    _ => false,
                });
        Ok(if is_crowded { LookRound::Crowded } else { LookRound::Alone(own) })
    }
}

impl Disk {
    /// Adds a new session to a change.
    pub(super) fn add_session(
        &self,
        change: &mut Change,
        session: &Session,
        effects: &LoginEffects,
    ) -> Result<(), StoreError> {
        match self.load(session.id)? {
            // Never with random ids; but counted twice, it would make the store look damaged for ever.
            Some(before) => change.overwrite(&before, session)?,
            None => change.add(session)?,
        }
        if let Some(access_ttl) = effects.register {
            change.register(session, &rules::first_tokens(session, access_ttl));
        }
        Ok(())
    }

    /// Does to other sessions what a login does.
    fn evict(&mut self, session: &Session, effects: &LoginEffects) -> Result<Settled, StoreError> {
        self.ready()?;
        let (change, revokes) = self.room_for(session, effects)?;
        if change.is_empty() {
            return Ok(Settled::Done);
        }
        // Nobody needs a removal to be durable.
        self.group.add(change);
        self.awaited |= revokes;
        Ok(Settled::More { awaited: revokes })
    }

    /// Likewise, when the answer to the login leaves. Returns the session, if it stands.
    pub(super) fn hand_out(
        &mut self,
        session: &Session,
        effects: &LoginEffects,
    ) -> Result<Option<Arc<Session>>, StoreError> {
        self.ready()?;
        let Some(own) = self.load(session.id)?.filter(|own| own.record.revoked.is_none()) else {
            return Ok(None);
        };
        let (change, revokes) = self.room_for(session, effects)?;
        if !change.is_empty() {
            // Nobody needs a removal to be durable.
            self.group.add(change);
            self.awaited |= revokes;
        }
        Ok(Some(Arc::new(own.record)))
    }

    /// Returns what a login does to other sessions, and whether it revokes any.
    fn room_for(&self, session: &Session, effects: &LoginEffects) -> Result<(Change, bool), StoreError> {
        let mut change = Change::default();
        let mut others = match effects.max_sessions {
            Some(max) => self.crowd_of(session, max)?,
            None => Vec::new(),
        };
        // Those that do not stand crowd nobody out. One that stands later looks at this one then.
        self.reader.keep_visible(&mut others, |other| other.record.id);
        let outcome = rules::login(session, others.iter().map(|other| &other.record), effects);
        for gone in others.iter().filter(|other| outcome.forgotten.contains(&other.record.id)) {
            self.forget(&mut change, gone)?;
        }
        let mut revokes = false;
        for (id, revocation) in outcome.revoked {
            if let Some(before) = self.load(id)? {
                revokes |= change.alter(&before, |session| session.revoke(revocation))?;
            }
        }
        Ok((change, revokes))
    }

    /// Returns the sessions of the subject of a new one. None if even all of them are not too many: then
    /// [`rules::login`] decides the same without them, and they need not be read.
    fn crowd_of(&self, new: &Session, max: usize) -> Result<Vec<DiskRecord<Session>>, StoreError> {
        let keys = self.keys_in(tree_keys::subject_range(&new.subject), usize::MAX)?;
        let others = keys.iter().filter(|key| tree_keys::id_of(key) != Some(new.id)).count();
        if others < max { Ok(Vec::new()) } else { self.sessions_of(&new.subject) }
    }

    /// Removes the session of a login that came to nothing, now or when the disk is back.
    fn disown(&mut self, id: SessionId) {
        if self.disowned.len() < MAX_DISOWNED {
            self.disowned.push(id);
        }
        self.remove_disowned();
    }

    /// Puts the removal of sessions that nobody has into the group.
    pub(super) fn remove_disowned(&mut self) {
        if self.has_failed() {
            return;
        }
        for id in std::mem::take(&mut self.disowned) {
            let mut change = Change::default();
            match self.load(id) {
                Ok(Some(session)) if self.forget(&mut change, &session).is_ok() => {
                    self.removing.push(id);
                    self.apply(change);
                }
                Ok(None) => self.reader.forget_hidden(&[id]),
                _ => self.disowned.push(id),
            }
        }
    }
}
