//! What every store must decide, as pure functions: no clock, no I/O. A store brings the records, runs one of
//! these where nobody can interfere, and keeps the result in one atomic step.
//!
//! | operation | rules |
//! |---|---|
//! | `insert` | [`login`], and [`first_tokens`] if a record of each token is kept |
//! | `hand_out` | [`login`], if the session stands |
//! | `rotate` | [`rotate`]; [`spend`] the record of [`RotationOutcome::spent`]; [`surplus`] |
//! | `confirm` | [`Session::confirm`] |
//! | `revoke` | [`Session::revoke`] |
//! | `revoke_subject` | [`revoke_subject`] for each session of the subject |
//! | `revoke_token` | [`revoke_token`]; [`spend`] the record of the token |
//! | `update_user` | [`update_user`] for each session of the subject |
//! | `sweep` | [`has_expired`], [`is_reported`], [`value_has_expired`] |
//! | `archive` | [`is_archived`] |
//! | `append_events` | [`append_events`] |
//! | `load_value` | [`live_value`] |
//! | `save_value`, `remove_value`, `insert_with_value` | [`takes_value`], [`remove_value`], [`occupant`] |
//! | `change_account` | `may_change` |

use std::ops::Range;
use std::time::Duration;

use super::account_store::StoredAccount;
use super::requests::{LoginEffects, RotationRequest, SubjectRevocation, TokenRevocation, UserUpdate};
use super::value_store::{REMEMBERED, StoredValue, ValueUse};
use crate::events::{EventDetails, EventRecord, TrailHead};
use crate::id::{SessionId, TokenId};
use crate::record::{Revocation, RevocationReason, Rotation, Session};
use crate::registry::{TokenKind, TokenRecord};

/// How many records of the tokens of a session are kept, the newest. A client that refreshes all day must not
/// fill the disk.
pub const TOKENS_KEPT: usize = 512;

/// The most sessions that one login forgets.
const FORGOTTEN_AT_ONCE: usize = 100;

/// How many old events are removed at once beyond those that are added: a change stays small when fewer are
/// to be kept than before.
const REMOVED_AT_ONCE: u64 = 256;

/// What appending events does to an audit trail.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TrailChange {
    /// Records to add.
    pub added: Vec<EventRecord>,
    /// The numbers of records to remove.
    pub removed: Range<u64>,
    /// The head after that.
    pub head: TrailHead,
}

/// Decides what appending `events` does to the trail with this head; `None` if there is none, or it cannot be
/// read. `last` is the record with the highest number that there is. One that cannot be read has its number,
/// and nothing else.
///
/// Records are never overwritten, whatever has become of the head: behind a record that it does not know, the
/// trail goes on with an event `trail_broken`.
///
/// The newest `keep` records stay. Where far fewer are to be kept than before, the rest goes step by step,
/// with the next events.
#[must_use]
pub fn append_events(
    head: Option<TrailHead>,
    last: Option<&EventRecord>,
    events: Vec<EventDetails>,
    keep: u64,
) -> TrailChange {
    let mut broken = None;
    let mut head = TrailHead { keep, ..head.unwrap_or(TrailHead::new(keep)) };
    if let Some(last) = last.filter(|last| head.last < last.number) {
        let at = events.first().map_or(0, |event| event.at);
        broken = Some(EventDetails::new("trail_broken", at).with("head", head.last));
        (head.last, head.hash) = (last.number, last.hash());
    }
    let mut added = Vec::with_capacity(events.len());
    for event in broken.into_iter().chain(events) {
        let record = EventRecord::new(head.last.saturating_add(1), head.hash, event);
        (head.last, head.hash) = (record.number, record.hash());
        added.push(record);
    }
    let surplus = head.len().saturating_sub(keep).min(added.len() as u64 + REMOVED_AT_ONCE);
    let removed = head.first..head.first + surplus;
    head.first = removed.end;
    // What would be removed again is not added.
    added.retain(|record| !removed.contains(&record.number));
    TrailChange { added, removed, head }
}

/// What a login does to other sessions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoginOutcome {
    /// Sessions to revoke, each once, if they are still there.
    pub revoked: Vec<(SessionId, Revocation)>,
    /// Sessions to remove, with the records of their tokens. They are among the others that were given.
    pub forgotten: Vec<SessionId>,
}

/// Decides what adding the session `new` does to other sessions: all of it, or what is left with
/// [`LoginEffects::put_off`]. The rest is decided here too, when the answer to the login leaves.
///
/// `others` are those of its subject, dead or alive; without [`LoginEffects::max_sessions`] nobody looks at
/// them, and they may be left out. All is done at [`Session::created_at`].
///
/// Logins do nothing to API keys, and keys nothing to logins. Those that are over are forgotten beyond
/// `max_sessions` of their kind. A login looks at all sessions of its
/// subject, so somebody who logs in and out all day must not make that slow. What is not kept is refused all
/// the same. What has expired is over by [`LoginEffects::settled`]: it may be live for others.
#[must_use]
pub fn login<'s>(
    new: &Session,
    others: impl IntoIterator<Item = &'s Session>,
    effects: &LoginEffects,
) -> LoginOutcome {
    let now = new.created_at;
    let revocation = |reason| Revocation { at: now, reason };
    let mut replaced = effects.replaces.clone();
    replaced.retain(|id| *id != new.id);
    replaced.sort_unstable();
    replaced.dedup();
    let mut revoked: Vec<_> =
        replaced.iter().map(|id| (*id, revocation(RevocationReason::Replaced))).collect();
    if effects.put_off {
        revoked.clear();
    }
    let Some(max) = effects.max_sessions else { return LoginOutcome { revoked, forgotten: Vec::new() } };
    // Logins and API keys are counted apart, and of keys none is crowded out: who makes them counts them.
    let is_key = new.api_key.is_some();
    let others = others.into_iter().filter(|other| other.api_key.is_some() == is_key);
    let others = others.filter(|other| other.id != new.id && !replaced.contains(&other.id));
    let others = others.filter(|other| !effects.uncounted.contains(&other.id));
    let (mut live, mut over): (Vec<_>, Vec<_>) = others.partition(|other| other.is_live_at(now));
    live.sort_unstable_by_key(|session| (session.rotated_at, session.id));
    let crowded_out = if is_key || effects.put_off { 0 } else { (live.len() + 1).saturating_sub(max.max(1)) };
    let evicted = live[..crowded_out].iter();
    revoked.extend(evicted.map(|session| (session.id, revocation(RevocationReason::Evicted))));
    let settled = effects.settled.map_or(now, |settled| settled.min(now));
    over.retain(|session| !session.is_live_at(settled));
    over.sort_unstable_by_key(|session| (session.rotated_at, session.id));
    over.truncate(over.len().saturating_sub(max).min(FORGOTTEN_AT_ONCE));
    LoginOutcome { revoked, forgotten: over.iter().map(|session| session.id).collect() }
}

/// Returns the records of the tokens that a login issues. `access_ttl` is [`LoginEffects::register`].
#[must_use]
pub fn first_tokens(session: &Session, access_ttl: Duration) -> Vec<TokenRecord> {
    issued(None, session, access_ttl)
}

/// What a refresh token that was presented does.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RotationOutcome {
    /// What happened. The session is to be written if [`Rotation::is_change`].
    pub rotation: Rotation,
    /// The session after it.
    pub session: Session,
    /// The token whose record, if there is one, is [spent](spend) at [`RotationRequest::now`].
    pub spent: Option<(TokenKind, TokenId)>,
    /// The records to add. Empty without [`RotationRequest::register`], and if no new tokens were issued. A
    /// generation may have more than one access or sliding token.
    pub issued: Vec<TokenRecord>,
}

/// Decides what a rotation does to a session and to the records of its tokens: see [`Session::rotate`].
#[must_use]
pub fn rotate(before: &Session, request: &RotationRequest) -> RotationOutcome {
    let mut session = before.clone();
    let rotation = session.rotate(request.generation, request.now, request.policy, request.successor);
    let (spent, issued) = match request.register {
        Some(access_ttl) if rotation.issues() => {
            (Some((spendable(before), before.refresh_id)), issued(Some(before), &session, access_ttl))
        }
        Some(access_ttl) if rotation == Rotation::Reissued => {
            (None, vec![reissued(before, &session, request.now, access_ttl)])
        }
        _ => (None, Vec::new()),
    };
    RotationOutcome { rotation, session, spent, issued }
}

/// Notes in the record of a token that it is not good any more. The first time stands.
pub fn spend(token: &mut TokenRecord, now: u64) {
    token.revoked_at.get_or_insert(now);
}

/// Returns how many of the oldest records of the tokens of a session are to be removed, if it has `recorded`.
///
/// A store that looks after each rotation that issues tokens keeps [`TOKENS_KEPT`]. It may look at every
/// sixty-fourth [generation](Session::generation) only, and when an answer is
/// [repeated with a new token](Rotation::Reissued): so there are never more than twice as many. A token
/// without a record is as good as before, and can be revoked by its id.
#[must_use]
pub const fn surplus(recorded: usize) -> usize {
    recorded.saturating_sub(TOKENS_KEPT)
}

/// Revokes a session, unless it stays as it is. Returns whether it was not revoked before.
///
/// Where one session stays, API keys stay too: a user ends the logins on other devices. Where none stays,
/// keys end like everything else: nobody keeps a way in.
pub fn revoke_subject(session: &mut Session, revocation: &SubjectRevocation) -> bool {
    let stays = revocation.except.is_some_and(|kept| kept == session.id || session.api_key.is_some());
    !stays && session.revoke(revocation.revocation)
}

/// Revokes one token of a session: see [`Session::revoke_token`]. If it returns `true`, the session is to be
/// written and the record of the token, if there is one, is [spent](spend) at [`TokenRevocation::now`].
pub fn revoke_token(session: &mut Session, revocation: &TokenRevocation) -> bool {
    session.revoke_token(revocation.token, revocation.expires_at, revocation.now)
}

/// Puts the new user into a session that was not revoked. Returns whether it was not. A session of another
/// [kind](Session::user_kind) of user keeps its copy, and so does each one if the update has none: it comes
/// from a type that keeps none, and another type of the same user may read the copy. The roles and scopes are
/// set by [`Session::set_rights`].
///
/// Nobody asks whether the session has expired: it may be live for a process whose clock is behind.
pub fn update_user(session: &mut Session, update: &UserUpdate) -> bool {
    let is_there = session.revoked.is_none();
    if is_there {
        session.set_rights(&update.roles, &update.scopes);
        let is_of_another_kind = match (&update.user_kind, &session.user_kind) {
            (Some(update), Some(session)) => update != session,
            _ => false,
        };
        let has_news = update.user.is_some() || session.user.is_none();
        if has_news && !is_of_another_kind {
            session.user.clone_from(&update.user);
            session.user_kind.clone_from(&update.user_kind);
        }
        // A repeated answer gets an access token that says this.
        session.access_issued_at = 0;
    }
    is_there
}

/// Tells whether a sweep at `now` removes a session. The records of its tokens go with it.
#[must_use]
pub const fn has_expired(session: &Session, now: u64) -> bool {
    session.expires_at <= now
}

/// Tells whether a session that a sweep removes is in [`Swept::expired`](super::Swept::expired): one that was
/// revoked had its end before.
#[must_use]
pub const fn is_reported(session: &Session) -> bool {
    session.revoked.is_none()
}

/// Tells whether an archive removes the record of a token.
#[must_use]
pub const fn is_archived(token: &TokenRecord, before: u64) -> bool {
    token.expires_at < before
}

/// Tells whether a value, or the mark of one that was removed, has expired at `now`: a sweep removes it.
#[must_use]
pub const fn value_has_expired(value: &StoredValue, now: u64) -> bool {
    value.expires_at <= now
}

/// Returns the bytes of a value that is live at `now`.
#[must_use]
pub fn live_value(value: StoredValue, now: u64) -> Option<Vec<u8>> {
    if value_has_expired(&value, now) { None } else { value.bytes }
}

/// Tells whether a key takes a new value at `now`: not if its value was removed no longer than [`REMEMBERED`]
/// ago.
#[must_use]
pub fn takes_value(before: Option<&StoredValue>, now: u64) -> bool {
    before.is_none_or(|before| before.bytes.is_some() || value_has_expired(before, now))
}

/// Returns the bytes that keep [`insert_with_value`](super::ValueStore::insert_with_value) from adding
/// anything at `now`, if some do. They are empty if the value was removed no longer than [`REMEMBERED`] ago.
#[must_use]
pub fn occupant(before: Option<&StoredValue>, now: u64) -> Option<Vec<u8>> {
    let live = before.filter(|before| !value_has_expired(before, now))?;
    Some(live.bytes.clone().unwrap_or_default())
}

/// Decides what removing a value does. Returns the mark to keep in its place and whether the value was live
/// at `now`; `None` if it was removed before, and nothing is to be written.
#[must_use]
pub fn remove_value(before: &StoredValue, now: u64) -> Option<(StoredValue, bool)> {
    before.bytes.as_ref()?;
    let mark = StoredValue {
        expires_at: now.saturating_add(REMEMBERED.as_secs()),
        bytes: None,
        value_use: before.value_use,
    };
    Some((mark, !value_has_expired(before, now)))
}

/// Tells whether a value stays when a backup is restored, or a store repaired, and nobody may be let in: what
/// happened since is unknown.
///
/// What was revoked of tokens of another service stays, and so does the mark of a value that was removed.
/// Everything else ends: a session of poem may be logged in, and so may be what an application keeps.
///
/// A value of an earlier layout does not say what it is. Those of [`Compat`](crate::Compat) are empty,
/// the id of a session (16 bytes), or a time (8 bytes) with or without one. Those of poem are JSON.
#[must_use]
pub fn outlives_restore(value: &StoredValue) -> bool {
    let Some(bytes) = &value.bytes else { return true };
    match value.value_use {
        ValueUse::KeepsOut => true,
        ValueUse::MayLetIn => false,
        ValueUse::Unsaid => {
            let has_the_length = matches!(bytes.len(), 0 | 8 | 16 | 24);
            has_the_length && serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_err()
        }
    }
}

/// Tells whether an account may take the place of the one that is kept: that one is at revision `expected`,
/// and id and key stay the same.
#[must_use]
pub fn may_change(kept: &StoredAccount, after: &StoredAccount, expected: u64) -> bool {
    kept.id == after.id && kept.key == after.key && kept.revision == expected
}

/// Returns the kind of the token that is spent for the next one in a session.
fn spendable(session: &Session) -> TokenKind {
    if session.is_sliding() { TokenKind::Sliding } else { TokenKind::Refresh }
}

/// Returns what a login issues (`before` is `None`), or a rotation: the new pair of tokens, or the new
/// sliding token.
fn issued(before: Option<&Session>, after: &Session, access_ttl: Duration) -> Vec<TokenRecord> {
    let refresh = TokenRecord {
        parent: before.map(|before| before.refresh_id),
        ..TokenRecord::new(after.refresh_id, after.id, spendable(after), after.rotated_at, after.expires_at)
    };
    let access = TokenRecord {
        id: after.access_id,
        kind: TokenKind::Access,
        parent: Some(after.refresh_id),
        expires_at: after.rotated_at.saturating_add(access_ttl.as_secs()).min(after.expires_at),
        ..refresh
    };
    if after.is_sliding() { vec![refresh] } else { vec![refresh, access] }
}

/// Returns the record of the access token, or sliding token, with which an answer is repeated.
fn reissued(before: &Session, after: &Session, now: u64, access_ttl: Duration) -> TokenRecord {
    let (kind, expires_at) = match spendable(after) {
        TokenKind::Sliding => (TokenKind::Sliding, after.expires_at),
        _ => (TokenKind::Access, now.saturating_add(access_ttl.as_secs()).min(after.expires_at)),
    };
    let parent = Some(before.refresh_id);
    TokenRecord { parent, ..TokenRecord::new(after.access_id, after.id, kind, now, expires_at) }
}
