//! Checks that an audit trail is as it was written.

use serde::{Deserialize, Serialize};

use super::{EventRecord, TrailHead, TrailMark};

/// How many faults are told one by one.
const TOLD: usize = 100;

/// Something that is wrong with an audit trail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TrailFault {
    /// A record is not what it was when it was written, or the one behind it is not.
    #[error("event {number} was changed, or the one behind it")]
    Changed {
        /// The number of the record.
        number: u64,
    },
    /// Records are missing, or cannot be read.
    #[error("events {first} to {last} are missing or cannot be read")]
    Missing {
        /// The number of the first of them.
        first: u64,
        /// The number of the last of them.
        last: u64,
    },
    /// There are records behind the end of the trail or before its beginning.
    #[error("event {number} is outside the trail")]
    Outside {
        /// The number of the record.
        number: u64,
    },
    /// A mark is of an event behind the end: events at the end are missing, or an older copy was put back.
    #[error(
        "the trail ends with event {last}, and the mark is of event {mark}: events at its end are missing, or an older copy was put back"
    )]
    Shortened {
        /// The number of the last record.
        last: u64,
        /// The number of the mark.
        mark: u64,
    },
    /// There are records, and the record that says where the trail ends is missing or cannot be read.
    #[error("what says where the trail ends is missing or cannot be read")]
    NoHead,
}

/// A check of an audit trail, record after record.
///
/// It notices damage, and each change by somebody who neither writes the chain anew behind it nor changes
/// what says where the trail begins and ends. Whoever may write the store can do both. Only a
/// [mark](TrailHead::mark) that was kept elsewhere shows it then: see [`Self::with_mark`].
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), jwtauth::error::StoreError> {
/// use jwtauth::MemoryStore;
/// use jwtauth::store::{EventDetails, EventStore as _, TrailCheck};
///
/// let store = MemoryStore::new();
/// store.append_events(vec![EventDetails::new("login", 100), EventDetails::new("login", 101)], 1_000).await?;
///
/// let mut check = TrailCheck::new(store.trail_head().await?);
/// for record in store.events_after(0, 100).await? {
///     check.take(&record);
/// }
/// assert!(check.faults().is_empty());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct TrailCheck {
    head: Option<TrailHead>,
    /// The number and the hash of the last record that was taken.
    last: Option<(u64, [u8; 32])>,
    records: u64,
    faults: Vec<TrailFault>,
    mark: Option<TrailMark>,
    is_as_marked: Option<bool>,
}

impl TrailCheck {
    /// Begins to check the trail with this head; `None` if the store has none.
    #[must_use]
    pub const fn new(head: Option<TrailHead>) -> Self {
        Self { head, last: None, records: 0, faults: Vec::new(), mark: None, is_as_marked: None }
    }

    /// Also looks whether the record of this mark has that hash. What came of it is said by
    /// [`Self::is_as_marked`].
    #[must_use]
    pub const fn with_mark(mut self, mark: TrailMark) -> Self {
        self.mark = Some(mark);
        self
    }

    /// Takes the next record, in the order of their numbers.
    pub fn take(&mut self, record: &EventRecord) {
        let hash = record.hash();
        self.records += 1;
        if let Some(mark) = self.mark.filter(|mark| mark.number == record.number) {
            self.is_as_marked = Some(mark.hash == hash);
        }
        if let Some(head) = self.head
            && !(head.first..=head.last).contains(&record.number)
        {
            self.fault(TrailFault::Outside { number: record.number });
            return;
        }
        let expected = match (self.last, self.head) {
            (Some((number, _)), _) => number.saturating_add(1),
            (None, Some(head)) => head.first,
            (None, None) => record.number,
        };
        if expected < record.number {
            self.fault(TrailFault::Missing { first: expected, last: record.number - 1 });
        } else if let Some((number, hash)) = self.last
            && hash != record.previous
        {
            self.fault(TrailFault::Changed { number });
        }
        self.last = Some((record.number, hash));
    }

    /// Returns how many records were taken.
    #[must_use]
    pub const fn records(&self) -> u64 {
        self.records
    }

    /// Tells whether the record of the mark has its hash. `None` if it was not among the records, or there
    /// is no mark.
    #[must_use]
    pub const fn is_as_marked(&self) -> Option<bool> {
        self.is_as_marked
    }

    /// Returns what is wrong, when all records were taken. At most 100 faults are told.
    #[must_use]
    pub fn faults(mut self) -> Vec<TrailFault> {
        let last = self.head.map_or(0, |head| head.last);
        if let Some(mark) = self.mark.filter(|mark| mark.number > last) {
            self.fault(TrailFault::Shortened { last, mark: mark.number });
        }
        match self.head {
            None if self.records > 0 => self.fault(TrailFault::NoHead),
            None => {}
            Some(head) => {
                let (number, hash) = self.last.unwrap_or((head.first.saturating_sub(1), head.hash));
                if number < head.last {
                    self.fault(TrailFault::Missing { first: number + 1, last: head.last });
                } else if hash != head.hash {
                    self.fault(TrailFault::Changed { number });
                }
            }
        }
        self.faults
    }

    fn fault(&mut self, fault: TrailFault) {
        if self.faults.len() < TOLD {
            self.faults.push(fault);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::EventDetails;
    use super::*;

    /// The records 3 to 9 of a trail, and its head.
    fn trail() -> (TrailHead, Vec<EventRecord>) {
        let (mut hash, mut records) = ([7; 32], Vec::new());
        for number in 3..=9 {
            let record = EventRecord::new(number, hash, EventDetails::new("login", number));
            hash = record.hash();
            records.push(record);
        }
        (TrailHead { first: 3, last: 9, hash, keep: 7 }, records)
    }

    fn faults(head: Option<TrailHead>, records: &[EventRecord]) -> Vec<TrailFault> {
        let mut check = TrailCheck::new(head);
        records.iter().for_each(|record| check.take(record));
        check.faults()
    }

    #[test]
    fn a_trail_as_it_was_written_has_no_fault() {
        let (head, records) = trail();
        assert_eq!(faults(Some(head), &records), []);
        assert_eq!(faults(None, &[]), []);
        assert_eq!(faults(Some(TrailHead::new(5)), &[]), []);
    }

    #[test]
    fn each_change_and_each_missing_record_is_found() {
        let (head, records) = trail();
        for at in 0..records.len() {
            let number = records[at].number;
            let mut changed = records.clone();
            changed[at].event.at += 1;
            assert_eq!(faults(Some(head), &changed), [TrailFault::Changed { number }]);
            let mut missing = records.clone();
            missing.remove(at);
            assert_eq!(faults(Some(head), &missing), [TrailFault::Missing { first: number, last: number }]);
        }
        assert_eq!(faults(Some(head), &[]), [TrailFault::Missing { first: 3, last: 9 }]);
        assert_eq!(faults(None, &records), [TrailFault::NoHead]);
        let outside = TrailHead { first: 4, ..head };
        assert_eq!(faults(Some(outside), &records), [TrailFault::Outside { number: 3 }]);
    }

    #[test]
    fn a_chain_that_was_written_anew_is_found_by_a_hash_that_was_kept_elsewhere() {
        let (head, records) = trail();
        let (mut hash, mut forged) = (records[0].previous, records.clone());
        forged[2].event.event = "logout".into();
        for record in &mut forged {
            record.previous = hash;
            hash = record.hash();
        }
        assert_eq!(faults(Some(TrailHead { hash, ..head }), &forged), []);
        let look = |records: &[EventRecord], number| {
            let mut check = TrailCheck::new(Some(head)).with_mark(TrailMark::new(number, head.hash));
            records.iter().for_each(|record| check.take(record));
            check.is_as_marked()
        };
        assert_eq!(look(&records, 9), Some(true));
        assert_eq!(look(&forged, 9), Some(false));
        assert_eq!(look(&records, 2), None, "it is not kept any more");
        let mut cut = TrailCheck::new(Some(head)).with_mark(TrailMark::new(10, head.hash));
        records.iter().for_each(|record| cut.take(record));
        assert_eq!(cut.faults(), [TrailFault::Shortened { last: 9, mark: 10 }]);
    }
}
