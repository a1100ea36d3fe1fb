//! How many keys of each kind there are and what their records add up to, to be compared with the totals of
//! the store. Pure.
//!
//! # Invariants
//!
//! 1. Two tallies are equal if the same keys stand in the tree with the same records, in whatever order they
//!    were counted, and whatever was added and taken away meanwhile.
//! 2. A record that is as it was before a change gives another sum, and one that is missing another count.

use super::super::codec::{self, RecordError, Totals};
use super::tree_keys;

/// What was counted. All sums wrap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct RecordTally {
    sessions: u64,
    subjects: u64,
    expiries: u64,
    accounts: u64,
    names: u64,
    values: u64,
    value_expiries: u64,
    sum_of_sessions: u64,
    sum_of_accounts: u64,
    sum_of_values: u64,
    /// How many bytes keys and values have.
    payload: u64,
}

/// Why a key cannot be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Uncounted {
    /// None of our stores has such a key.
    Foreign,
    Record(RecordError),
}

impl From<RecordError> for Uncounted {
    fn from(error: RecordError) -> Self {
        Self::Record(error)
    }
}

impl RecordTally {
    /// Counts what stands under a key, if it is whole. The totals are not counted.
    pub(super) fn take(&mut self, key: &[u8], value: &[u8]) -> Result<(), Uncounted> {
        check(key, value)?;
        self.add(key, value);
        Ok(())
    }

    /// Counts what stands under a key.
    pub(super) fn add(&mut self, key: &[u8], value: &[u8]) {
        self.payload = self.payload.wrapping_add((key.len() + value.len()) as u64);
        self.change(key, value, 1, u64::wrapping_add);
    }

    /// Takes away what stood under a key and was counted before.
    pub(super) fn subtract(&mut self, key: &[u8], value: &[u8]) {
        self.payload = self.payload.wrapping_sub((key.len() + value.len()) as u64);
        self.change(key, value, 1_u64.wrapping_neg(), u64::wrapping_sub);
    }

    /// Adds what was counted elsewhere, of other keys.
    pub(super) fn merge(&mut self, other: &Self) {
        let Self { sessions, subjects, expiries, accounts, names, values, value_expiries, .. } = self;
        for (count, more) in [
            (sessions, other.sessions),
            (subjects, other.subjects),
            (expiries, other.expiries),
            (accounts, other.accounts),
            (names, other.names),
            (values, other.values),
            (value_expiries, other.value_expiries),
            (&mut self.sum_of_sessions, other.sum_of_sessions),
            (&mut self.sum_of_accounts, other.sum_of_accounts),
            (&mut self.sum_of_values, other.sum_of_values),
            (&mut self.payload, other.payload),
        ] {
            *count = count.wrapping_add(more);
        }
    }

    fn change(&mut self, key: &[u8], value: &[u8], by: u64, sum: fn(u64, u64) -> u64) {
        let (count, of_kind) = match key.get(..1).unwrap_or_default() {
            tree_keys::SESSIONS => (&mut self.sessions, Some(&mut self.sum_of_sessions)),
            tree_keys::ACCOUNTS => (&mut self.accounts, Some(&mut self.sum_of_accounts)),
            tree_keys::VALUES => (&mut self.values, Some(&mut self.sum_of_values)),
            tree_keys::SUBJECTS => (&mut self.subjects, None),
            tree_keys::EXPIRIES => (&mut self.expiries, None),
            tree_keys::NAMES => (&mut self.names, None),
            tree_keys::VALUE_EXPIRIES => (&mut self.value_expiries, None),
            _ => return,
        };
        *count = count.wrapping_add(by);
        if let Some(of_kind) = of_kind {
            *of_kind = sum(*of_kind, codec::checksum_of(value));
        }
    }

    /// Tells whether there is nothing that is counted.
    pub(super) fn is_empty(&self) -> bool {
        *self == Self { payload: self.payload, ..Self::default() }
    }

    /// Returns how many bytes keys and values have that were counted.
    pub(super) const fn payload(&self) -> u64 {
        self.payload
    }

    /// Completes totals of an earlier release, which summed up less, if they are those of all that was
    /// counted.
    pub(super) const fn complete(&self, totals: Totals) -> Totals {
        let (of_accounts, of_values) = (Some(self.sum_of_accounts), Some(self.sum_of_values));
        Totals { sum_of_accounts: of_accounts, sum_of_values: of_values, ..totals }
    }

    /// Says what is wrong, if this is not what the totals say of accounts and values.
    pub(super) fn fault_of_first(&self, totals: Totals) -> Option<String> {
        let differs = |known: Option<u64>, sum: u64| known.is_some_and(|known| known != sum);
        if [self.accounts, self.names] != [totals.accounts; 2] {
            return Some(format!(
                "{} accounts should be there, {} are, with {} names in the index",
                totals.accounts, self.accounts, self.names
            ));
        }
        if self.values != self.value_expiries {
            return Some(format!(
                "it holds {} values, with {} index entries",
                self.values, self.value_expiries
            ));
        }
        if differs(totals.sum_of_accounts, self.sum_of_accounts) {
            return Some("every account is there, but one is as it was before a change".into());
        }
        if differs(totals.sum_of_values, self.sum_of_values) {
            return Some("a value is missing, or as it was before a change".into());
        }
        None
    }

    /// Says what is wrong, if this is not what the totals say.
    pub(super) fn fault(&self, totals: Totals) -> Option<String> {
        if [self.sessions, self.subjects, self.expiries] != [totals.sessions; 3] {
            return Some(format!(
                "{} sessions should be there, {} are, with {} and {} index entries",
                totals.sessions, self.sessions, self.subjects, self.expiries
            ));
        }
        let sums = [self.sum_of_sessions, self.sum_of_accounts, self.sum_of_values];
        let is_sum = sums.into_iter().fold(0, u64::wrapping_add) == totals.sum;
        self.fault_of_first(totals).or_else(|| {
            (!is_sum).then(|| {
                "every session is there, but a record is as it was before a change, or a value is missing"
                    .into()
            })
        })
    }
}

/// Tells whether the record under a key is whole.
pub(super) fn check(key: &[u8], value: &[u8]) -> Result<(), Uncounted> {
    match key.get(..1).unwrap_or_default() {
        tree_keys::SESSIONS => {
            let id = tree_keys::id_of(key).ok_or(RecordError::Damaged)?;
            codec::decode_session(key, id, value).map(drop)?;
        }
        tree_keys::TOKENS => {
            let (session, kind) = tree_keys::parts_of_token(key).ok_or(RecordError::Damaged)?;
            codec::decode_token(key, session, kind, value).map(drop)?;
        }
        tree_keys::VALUES => codec::decode_value(key, value).map(drop)?,
        tree_keys::ACCOUNTS => {
            let id = tree_keys::account_of(key).ok_or(RecordError::Damaged)?;
            codec::decode_account(key, id, value).map(drop)?;
        }
        // The hashes show what is wrong with an event, and it must log nobody out.
        tree_keys::EVENTS | tree_keys::TOTALS => {}
        tree_keys::SUBJECTS | tree_keys::EXPIRIES | tree_keys::NAMES | tree_keys::VALUE_EXPIRIES => {}
        _ => return Err(Uncounted::Foreign),
    }
    Ok(())
}
