//! The numbers that are true of a [`SledStore`](crate::SledStore) as a whole.

use std::num::NonZeroU64;

use super::field::{read_whole, write};
use super::frame;

/// Totals of a store without accounts, as they were before there were accounts.
const WITHOUT_ACCOUNTS: u8 = 1;
/// Totals that count accounts.
const WITH_ACCOUNTS: u8 = 2;
/// Totals that keep the time too.
const WITH_TIME: u8 = 3;
/// Totals that sum up accounts apart.
const WITH_SUM_OF_ACCOUNTS: u8 = 4;
/// Totals that sum up values apart too.
const WITH_SUM_OF_VALUES: u8 = 5;
/// Totals that say which store they are of.
const WITH_IDENTITY: u8 = 6;

/// Numbers that are true of the store as a whole; written with every change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) struct Totals {
    /// How many changes were ever made.
    pub(in crate::store) changes: u64,
    /// How many sessions are kept.
    pub(in crate::store) sessions: u64,
    /// How many accounts are kept.
    pub(in crate::store) accounts: u64,
    /// The latest time that anything was decided by, in Unix seconds.
    pub(in crate::store) latest: u64,
    /// How far that time is ahead of the clock, in seconds.
    pub(in crate::store) ahead: u64,
    /// The sum of the checksums of all these records, so that an older state of one is noticed: a damaged
    /// page may come back as it was some changes ago, every record in it well-formed.
    pub(in crate::store) sum: u64,
    /// The part of it that is of accounts, so that these are known to be whole when other records are not.
    /// Earlier layouts do not have it.
    pub(in crate::store) sum_of_accounts: Option<u64>,
    /// The part of it that is of values, likewise. What is left is of sessions.
    pub(in crate::store) sum_of_values: Option<u64>,
    /// Which store they are of: a random number, so that files of two stores are told apart. Earlier layouts
    /// do not have it.
    pub(in crate::store) identity: Option<NonZeroU64>,
}

impl Totals {
    /// How many records are counted.
    pub(in crate::store) const fn records(self) -> u64 {
        self.sessions.saturating_add(self.accounts)
    }

    /// Tells whether it says what each kind of records adds up to.
    pub(in crate::store) const fn sums_are_apart(&self) -> bool {
        self.sum_of_accounts.is_some() && self.sum_of_values.is_some()
    }
}

/// Those of an empty store.
impl Default for Totals {
    fn default() -> Self {
        let nothing = Some(0);
        Self {
            changes: 0,
            sessions: 0,
            accounts: 0,
            latest: 0,
            ahead: 0,
            sum: 0,
            sum_of_accounts: nothing,
            sum_of_values: nothing,
            identity: None,
        }
    }
}

pub(in crate::store) fn encode_totals(key: &[u8], totals: Totals) -> Vec<u8> {
    let Totals { changes, sessions, accounts, latest, ahead, sum, sum_of_accounts, sum_of_values, identity } =
        totals;
    let known = (changes, sessions, accounts, latest, ahead, sum);
    match (sum_of_accounts, sum_of_values, identity) {
        (Some(of_accounts), Some(of_values), Some(identity)) => {
            frame::close(WITH_IDENTITY, key, |out| write((known, of_accounts, of_values, identity), out))
        }
        (Some(of_accounts), Some(of_values), None) => {
            frame::close(WITH_SUM_OF_VALUES, key, |out| write((known, of_accounts, of_values), out))
        }
        (Some(of_accounts), None, _) => {
            frame::close(WITH_SUM_OF_ACCOUNTS, key, |out| write((known, of_accounts), out))
        }
        (None, ..) => frame::close(WITH_TIME, key, |out| write(known, out)),
    }
}

pub(in crate::store) fn decode_totals(key: &[u8], bytes: &[u8]) -> Option<Totals> {
    let (layout, body) = frame::open(WITH_IDENTITY, key, bytes).ok()?;
    let earlier = Totals { sum_of_accounts: None, sum_of_values: None, ..Totals::default() };
    let totals = match layout {
        WITHOUT_ACCOUNTS => {
            let (changes, sessions, sum) = read_whole(body)?;
            Totals { changes, sessions, sum, ..earlier }
        }
        WITH_ACCOUNTS => {
            let (changes, sessions, accounts, sum) = read_whole(body)?;
            Totals { changes, sessions, accounts, sum, ..earlier }
        }
        WITH_TIME => {
            let (changes, sessions, accounts, latest, ahead, sum) = read_whole(body)?;
            Totals { changes, sessions, accounts, latest, ahead, sum, ..earlier }
        }
        WITH_SUM_OF_ACCOUNTS => {
            let ((changes, sessions, accounts, latest, ahead, sum), of_accounts) = read_whole(body)?;
            let sum_of_accounts = Some(of_accounts);
            Totals { changes, sessions, accounts, latest, ahead, sum, sum_of_accounts, ..earlier }
        }
        WITH_SUM_OF_VALUES => {
            let (known, of_accounts, of_values) = read_whole(body)?;
            with_sums(known, of_accounts, of_values)
        }
        _ => {
            let (known, of_accounts, of_values, identity) = read_whole(body)?;
            Totals { identity: Some(identity), ..with_sums(known, of_accounts, of_values) }
        }
    };
    Some(totals)
}

fn with_sums(known: (u64, u64, u64, u64, u64, u64), of_accounts: u64, of_values: u64) -> Totals {
    let (changes, sessions, accounts, latest, ahead, sum) = known;
    let (sum_of_accounts, sum_of_values) = (Some(of_accounts), Some(of_values));
    let identity = None;
    Totals { changes, sessions, accounts, latest, ahead, sum, sum_of_accounts, sum_of_values, identity }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_of_every_layout_are_read_and_damaged_ones_are_not() {
        let (sum_of_accounts, sum_of_values) = (Some(7), Some(8));
        let (changes, sessions, accounts, latest, ahead, sum) = (1, 2, 3, 4, 5, 6);
        let identity = NonZeroU64::new(9);
        let all = Totals {
            changes,
            sessions,
            accounts,
            latest,
            ahead,
            sum,
            sum_of_accounts,
            sum_of_values,
            identity,
        };
        let with_values = Totals { identity: None, ..all };
        let with_accounts = Totals { sum_of_values: None, ..with_values };
        let with_time = Totals { sum_of_accounts: None, ..with_accounts };
        let without_time = Totals { latest: 0, ahead: 0, ..with_time };
        for (bytes, totals) in [
            (encode_totals(b"m", all), all),
            (encode_totals(b"m", with_values), with_values),
            (encode_totals(b"m", with_accounts), with_accounts),
            (encode_totals(b"m", with_time), with_time),
            (frame::close(WITH_ACCOUNTS, b"m", |out| write((1_u64, 2_u64, 3_u64, 6_u64), out)), without_time),
            (
                frame::close(WITHOUT_ACCOUNTS, b"m", |out| write((1_u64, 2_u64, 6_u64), out)),
                Totals { accounts: 0, ..without_time },
            ),
        ] {
            assert_eq!(decode_totals(b"m", &bytes), Some(totals));
            for at in 0..bytes.len() {
                let mut damaged = bytes.clone();
                damaged[at] ^= 1;
                assert_eq!(decode_totals(b"m", &damaged), None, "byte {at}");
            }
        }
    }
}
