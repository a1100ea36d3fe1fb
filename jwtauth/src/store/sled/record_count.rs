//! Reads a tree before anybody may rely on it: all of it, or what must be known before the first answer.
//!
//! What must be known first is how many changes were made, so that nothing was rolled back, and that all
//! accounts, names and values are there and none is as it was before a change: an account says who is let in,
//! and a value may say that something was revoked. A session that is missing only logs somebody out. So
//! sessions, with their tokens and index entries, may be read while the store is used (`record_checker`).

use std::path::Path;

use ::sled::Db;

use super::super::codec::{self, Totals};
use super::explain::{damaged, explain, unreadable};
use super::record_tally::{RecordTally, Uncounted};
use super::tree_keys;
use crate::error::StoreError;

/// How many keys are read before it is asked once more whether to go on.
const ASKED_EACH: usize = 1_024;

/// What was found in a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Counted {
    pub(super) totals: Totals,
    /// How many bytes keys and values have that were read.
    pub(super) payload: u64,
    /// What was counted, if sessions are still to be read.
    pub(super) first: Option<RecordTally>,
}

/// Reads every key and compares what is there with what should be. `None` says that there is nothing at all.
///
/// Fails with [`StoreError::Closed`] soon after `goes_on` has said no.
pub(super) fn count(
    path: &Path,
    tree: &Db,
    goes_on: &dyn Fn() -> bool,
) -> Result<Option<Counted>, StoreError> {
    let (mut tally, mut totals) = (RecordTally::default(), None);
    for (number, entry) in tree.iter().enumerate() {
        if number.is_multiple_of(ASKED_EACH) && !goes_on() {
            return Err(StoreError::Closed);
        }
        let (key, value) = entry.map_err(|error| explain(path, "read", error))?;
        tally.take(&key, &value).map_err(|error| uncounted(path, error))?;
        if key.starts_with(tree_keys::TOTALS) {
            totals = codec::decode_totals(&key, &value);
        }
    }
    let payload = tally.payload();
    match totals {
        None if tally.is_empty() => Ok(None),
        None => Err(damaged(path, "its totals are missing".into())),
        Some(totals) => match tally.fault(totals) {
            Some(problem) => Err(damaged(path, problem)),
            None => Ok(Some(Counted { totals: tally.complete(totals), payload, first: None })),
        },
    }
}

/// Reads what must be known before the first answer. All of it, if the totals are missing, or of an earlier
/// release, which did not sum up each kind of records apart.
pub(super) fn count_first(path: &Path, tree: &Db) -> Result<Option<Counted>, StoreError> {
    let failed = |error| explain(path, "read", error);
    let totals = tree.get(tree_keys::TOTALS).map_err(failed)?;
    let totals = totals.and_then(|bytes| codec::decode_totals(tree_keys::TOTALS, &bytes));
    let Some(totals) = totals.filter(|totals| totals.sums_are_apart()) else {
        return count(path, tree, &|| true);
    };
    for gap in tree_keys::gaps() {
        if tree.range(gap).next().transpose().map_err(failed)?.is_some() {
            return Err(uncounted(path, Uncounted::Foreign));
        }
    }
    let mut tally = RecordTally::default();
    for entry in tree_keys::read_first().into_iter().flat_map(|range| tree.range(range)) {
        let (key, value) = entry.map_err(failed)?;
        tally.take(&key, &value).map_err(|error| uncounted(path, error))?;
    }
    match tally.fault_of_first(totals) {
        Some(problem) => Err(damaged(path, problem)),
        None => Ok(Some(Counted { totals, payload: tally.payload(), first: Some(tally) })),
    }
}

/// Says why a key cannot be counted.
pub(super) fn uncounted(path: &Path, error: Uncounted) -> StoreError {
    match error {
        Uncounted::Foreign => {
            StoreError::NotAStore { path: path.into(), found: "another sled database".into() }
        }
        Uncounted::Record(error) => unreadable(path, error),
    }
}
