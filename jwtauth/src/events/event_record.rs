//! What an audit trail keeps of an event: a record in a chain.
//!
//! # Invariants
//!
//! 1. A record has no name that somebody typed and no password, not even that of a login that failed. It has
//!    ids, addresses and what a client says of its device (O-9).
//! 2. The hash of a record covers all of it, and with [`EventRecord::previous`] all records before it.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{CopyKind, Event, TrailMark};
use crate::id::{SessionId, TokenId};
use crate::key::sha256;
use crate::record::Session;

/// How long a detail is at most, in bytes. A longer one is cut.
const MAX_DETAIL: usize = 512;

/// What is known of an event, for an audit trail.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct EventDetails {
    /// When it happened, in Unix seconds.
    pub at: u64,
    /// The [name](Event::name) of the event.
    pub event: String,
    /// The subject that it is about. For an account that is its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The session that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    /// The token that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<TokenId>,
    /// The address of the client that caused it, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// What else is known, each with its name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<(String, String)>,
}

impl EventDetails {
    /// Describes an event of this name that happened at `at`, in Unix seconds.
    #[must_use]
    pub fn new(event: impl Into<String>, at: u64) -> Self {
        Self { event: event.into(), at, ..Self::default() }
    }

    /// Adds a detail. More than 512 bytes of it are cut.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl ToString) -> Self {
        let mut value = value.to_string();
        let end = (0..=MAX_DETAIL.min(value.len())).rev().find(|end| value.is_char_boundary(*end));
        value.truncate(end.unwrap_or_default());
        self.details.push((name.into(), value));
        self
    }

    /// Describes an event that happened at `at`. `None` for what is no event of security: a refresh, and a
    /// session that has expired.
    pub(crate) fn of(event: &Event, at: u64) -> Option<Self> {
        let is = Self::new(event.name(), at);
        Some(match event {
            Event::Refresh { .. } | Event::SessionExpired { .. } => return None,
            Event::AccountDisabled { account }
            | Event::AccountEnabled { account }
            | Event::AccountRegistered { account, .. }
            | Event::AccountRemoved { account }
            | Event::PasswordChanged { account }
            | Event::PasswordSet { account } => is.about(account.to_string()),
            Event::RolesSet { account, roles } => is.about(account.to_string()).with("roles", listed(roles)),
            Event::AllRevoked { subject, except, count, reason } => {
                let is = is.about(subject.clone()).with("revoked", count).with("reason", reason.name());
                match except {
                    Some(except) => is.with("except", except),
                    None => is,
                }
            }
            // Its name is of its owner's choice: it is in no record.
            Event::ApiKeyCreated { session, login, client_address } => {
                let is = is.of_session(session).from(*client_address);
                let is = is.with("roles", listed(&session.roles)).with("scopes", listed(&session.scopes));
                match login {
                    Some(login) => is.with("login", login),
                    None => is,
                }
            }
            Event::ClockJumpedAhead { by } | Event::ClockSetBack { by } => is.with("seconds", by.as_secs()),
            Event::DeviceChanged { session, device } => {
                is.of_session(session).with("from", &session.device).with("to", device)
            }
            Event::Exchanged { session } => is.of_session(session).from(session.device.address),
            Event::Login { session, replaced } => {
                let is = is.of_session(session).from(session.device.address).with("device", &session.device);
                if *replaced > 0 { is.with("replaced", replaced) } else { is }
            }
            Event::LoginFailed { client_address, .. } => is.from(*client_address),
            Event::RepeatedElsewhere { session, client_address, refused } => {
                is.of_session(session).from(*client_address).with("refused", refused)
            }
            Event::ReuseDetected { session } | Event::StoreBehind { session } => is.of_session(session),
            Event::SessionRevoked { session, reason } => {
                Self { session: Some(*session), ..is }.with("reason", reason.name())
            }
            Event::StoreCopied { copy: CopyKind::Backup } => is.with("copy", "backup").with("hashes", true),
            Event::StoreCopied { copy: CopyKind::Export { hashes } } => {
                is.with("copy", "export").with("hashes", hashes)
            }
            Event::TokenRevoked { session, token } => {
                Self { session: Some(*session), token: Some(*token), ..is }
            }
        })
    }

    fn about(self, subject: String) -> Self {
        Self { subject: Some(subject), ..self }
    }

    fn of_session(self, session: &Session) -> Self {
        Self { session: Some(session.id), ..self.about(session.subject.clone()) }
    }

    fn from(self, address: Option<IpAddr>) -> Self {
        Self { address, ..self }
    }
}

/// Writes names as a JSON list: a role may have spaces, and commas too.
fn listed(names: &[String]) -> String {
    serde_json::Value::from(names).to_string()
}

/// An event in an audit trail.
///
/// Each record has the hash of the one before it, so that a record which was changed or removed is noticed:
/// see [`TrailCheck`](super::TrailCheck).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct EventRecord {
    /// Its place in the trail. The first record that a store has ever kept has 1, and no number is left out.
    pub number: u64,
    /// The hash of the record before it. That before the first one is all zeros.
    #[serde(with = "super::hex")]
    pub previous: [u8; 32],
    /// What happened.
    #[serde(flatten)]
    pub event: EventDetails,
}

impl EventRecord {
    /// Puts an event into a trail.
    #[must_use]
    pub const fn new(number: u64, previous: [u8; 32], event: EventDetails) -> Self {
        Self { number, previous, event }
    }

    /// Returns the SHA-256 of the record: of its number (8 bytes, big-endian), the hash of the one before it,
    /// and the event as JSON with its fields in the order that [`EventDetails`] has, those left out that are
    /// empty.
    #[must_use]
    #[expect(clippy::missing_panics_doc, reason = "texts and numbers can be written as JSON")]
    pub fn hash(&self) -> [u8; 32] {
        // OK because no field is a map, or writes itself.
        let event = serde_json::to_vec(&self.event).expect("texts and numbers can be written as JSON");
        let text = [&b"jwtauth event\0"[..], &self.number.to_be_bytes(), &self.previous, &event].concat();
        sha256(&text)
    }
}

/// Where an audit trail begins and ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TrailHead {
    /// The number of its first record: those before it were removed, because only [`keep`](Self::keep) are
    /// kept.
    pub first: u64,
    /// The number of its last record; 0 if there has never been one.
    pub last: u64,
    /// The hash of its last record, all zeros if there has never been one.
    #[serde(with = "super::hex")]
    pub hash: [u8; 32],
    /// How many records are kept.
    pub keep: u64,
}

impl TrailHead {
    /// Returns the head of a trail that has no record yet.
    #[must_use]
    pub const fn new(keep: u64) -> Self {
        Self { first: 1, last: 0, hash: [0; 32], keep }
    }

    /// Returns how many records the trail has.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.last.saturating_add(1).saturating_sub(self.first)
    }

    /// Returns the end of the trail, to be kept elsewhere.
    #[must_use]
    pub const fn mark(&self) -> TrailMark {
        TrailMark { number: self.last, hash: self.hash }
    }

    /// Tells whether the trail has no record.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::RevocationReason;

    #[test]
    fn a_failed_login_is_kept_without_what_was_typed() {
        let event = Event::LoginFailed { username: "hunter2".into(), client_address: "::1".parse().ok() };
        let kept = EventDetails::of(&event, 7).unwrap();
        assert_eq!((kept.at, &*kept.event, kept.address), (7, "login_failed", "::1".parse().ok()));
        assert!(!format!("{kept:?}").contains("hunter2"));
    }

    /// O-9: what an account may do can be read from the trail, whatever its roles are called.
    #[test]
    fn o_9_roles_are_told_apart() {
        let account = crate::id::AccountId::from_bytes([1; 16]);
        for (roles, kept) in
            [(&["a b"][..], r#"["a b"]"#), (&["a", "b"], r#"["a","b"]"#), (&["cn=a, b"], r#"["cn=a, b"]"#)]
        {
            let roles = roles.iter().map(|role| (*role).to_owned()).collect();
            let event = EventDetails::of(&Event::RolesSet { account, roles }, 7).unwrap();
            assert_eq!(event.details, [("roles".to_owned(), kept.to_owned())]);
        }
    }

    #[test]
    fn every_part_of_a_record_is_in_its_hash() {
        let session = SessionId::from_bytes([1; 16]);
        let event = Event::SessionRevoked { session, reason: RevocationReason::Logout };
        let record = EventRecord::new(3, [4; 32], EventDetails::of(&event, 5).unwrap());
        let mut others = vec![record.clone(); 8];
        others[0].number = 4;
        others[1].previous[31] = 5;
        others[2].event.at = 6;
        others[3].event.event = "login".into();
        others[4].event.subject = Some(String::new());
        others[5].event.session = None;
        others[6].event.address = "::1".parse().ok();
        others[7].event.details[0].1 = "requested".into();
        for other in &others {
            assert_ne!(other.hash(), record.hash(), "{other:?}");
        }
        assert_eq!(record.clone().hash(), record.hash());
    }

    #[test]
    fn a_long_detail_is_cut_between_characters() {
        let kept = EventDetails::new("login", 1).with("device", "ü".repeat(400));
        assert_eq!(kept.details[0].1, "ü".repeat(256));
        let odd = EventDetails::new("login", 1).with("device", format!("a{}", "ü".repeat(400)));
        assert_eq!(odd.details[0].1.len(), 511);
    }
}
