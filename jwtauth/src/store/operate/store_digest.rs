//! All that is in a store as a few numbers, so that two stores are compared.

use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;

use serde::Serialize;

use super::super::codec;
use super::super::session_store::SessionStore;
use super::super::whole_store::{CopiedRecord, StoreRecord};
use super::walk::{OperateError, Progress, begin_copy};
use crate::error::StoreError;
use crate::key::sha256;

/// How many records of each kind there are, and a checksum of all of them with their keys: a sum, so that
/// their order does not count. It finds accidents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct StoreDigest {
    /// Accounts.
    pub accounts: u64,
    /// Sessions, dead or alive.
    pub sessions: u64,
    /// Records of tokens.
    pub tokens: u64,
    /// Values, and marks of removed ones.
    pub values: u64,
    /// Events of the audit trail.
    pub events: u64,
    /// The checksum.
    #[serde(serialize_with = "as_hex")]
    pub checksum: u128,
}

fn as_hex<S: serde::Serializer>(checksum: &u128, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{checksum:032x}"))
}

impl StoreDigest {
    /// Counts a record.
    pub(super) fn add(&mut self, record: &StoreRecord) -> Result<(), StoreError> {
        let (key, bytes) = codec::encode_record(record)?;
        let (mut sum, hash) = ([0; 16], sha256(&[key, bytes].concat()));
        sum.copy_from_slice(&hash[..16]);
        self.checksum = self.checksum.wrapping_add(u128::from_be_bytes(sum));
        let count = match record {
            StoreRecord::Account(_) => &mut self.accounts,
            StoreRecord::Event(_) => &mut self.events,
            StoreRecord::Session(_) => &mut self.sessions,
            StoreRecord::Token { .. } => &mut self.tokens,
            StoreRecord::Value { .. } => &mut self.values,
            StoreRecord::TrailHead(_) => return Ok(()),
        };
        *count += 1;
        Ok(())
    }

    /// Returns how many records there are.
    #[must_use]
    pub const fn records(&self) -> u64 {
        self.accounts + self.sessions + self.tokens + self.values + self.events
    }

    /// Reads all of a store that nobody changes.
    pub(super) async fn of(
        store: &Arc<dyn SessionStore>,
        of: Option<u64>,
        progress: &(dyn Fn(Progress) -> ControlFlow<()> + Send + Sync),
    ) -> Result<Self, OperateError> {
        let (mut copy, _) = begin_copy(store, progress).await?;
        let mut digest = Self::default();
        loop {
            let page = copy.next().await?;
            for record in &page.records {
                match record {
                    CopiedRecord::Kept(record) => digest.add(record)?,
                    // It has changed meanwhile, and the sums differ.
                    CopiedRecord::Removed(_) => digest.checksum = digest.checksum.wrapping_add(1),
                }
            }
            if progress(Progress { done: digest.records(), of, bytes: 0 }).is_break() {
                return Err(OperateError::Stopped);
            }
            if page.end.is_some() {
                return Ok(digest);
            }
        }
    }
}

impl fmt::Display for StoreDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { accounts, sessions, tokens, values, events, checksum } = self;
        write!(
            f,
            "{accounts} accounts, {sessions} sessions, {tokens} records of tokens, {values} values, {events} events, checksum {checksum:032x}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::sample;
    use super::*;
    use crate::record::Session;

    #[test]
    fn the_order_does_not_count_and_each_change_does() {
        let sessions: Vec<Session> = (1..4).map(|number| sample::session(number, "alice")).collect();
        let digest = |sessions: &[&Session]| {
            let mut digest = StoreDigest::default();
            for session in sessions {
                digest.add(&StoreRecord::Session((*session).clone().into())).unwrap();
            }
            digest
        };
        let [one, two, three] = &sessions[..] else { unreachable!() };
        let all = digest(&[one, two, three]);
        assert_eq!(all, digest(&[three, one, two]));
        let changed = Session { confirmed: !one.confirmed, ..one.clone() };
        for other in [digest(&[one, two]), digest(&[one, two, two]), digest(&[&changed, two, three])] {
            assert_ne!(other, all);
        }
        assert_eq!(serde_json::to_value(all).unwrap()["checksum"].as_str().unwrap().len(), 32);
    }
}
