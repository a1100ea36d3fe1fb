//! The numbers that are true of a [`SledStore`](crate::SledStore) as a whole.

use super::field::{read_whole, write};
use super::frame;

/// Totals of a store without accounts, as they were before there were accounts.
const WITHOUT_ACCOUNTS: u8 = 1;
/// Totals that count accounts.
const WITH_ACCOUNTS: u8 = 2;

/// Numbers that are true of the store as a whole; written with every change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::store) struct Totals {
    /// How many changes were ever made.
    pub(in crate::store) changes: u64,
    /// How many sessions are kept.
    pub(in crate::store) sessions: u64,
    /// How many accounts are kept.
    pub(in crate::store) accounts: u64,
    /// The sum of the checksums of all these records, so that an older state of one is noticed: a damaged page
    /// may come back as it was some changes ago, every record in it well-formed.
    pub(in crate::store) sum: u64,
}

pub(in crate::store) fn encode_totals(key: &[u8], totals: Totals) -> Vec<u8> {
    let Totals { changes, sessions, accounts, sum } = totals;
    match accounts {
        0 => frame::close(WITHOUT_ACCOUNTS, key, |out| write((changes, sessions, sum), out)),
        _ => frame::close(WITH_ACCOUNTS, key, |out| write((changes, sessions, accounts, sum), out)),
    }
}

pub(in crate::store) fn decode_totals(key: &[u8], bytes: &[u8]) -> Option<Totals> {
    let (layout, body) = frame::open(WITH_ACCOUNTS, key, bytes).ok()?;
    if layout == WITHOUT_ACCOUNTS {
        let (changes, sessions, sum) = read_whole(body)?;
        return Some(Totals { changes, sessions, accounts: 0, sum });
    }
    let (changes, sessions, accounts, sum) = read_whole(body)?;
    Some(Totals { changes, sessions, accounts, sum })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A store without accounts stays what it was, so it can be opened by what wrote it.
    #[test]
    fn totals_are_written_as_before_until_there_is_an_account() {
        for accounts in [0, 1, u64::MAX] {
            let totals = Totals { changes: 1, sessions: 2, accounts, sum: 3 };
            let bytes = encode_totals(b"m", totals);
            assert_eq!(bytes[0], if accounts == 0 { WITHOUT_ACCOUNTS } else { WITH_ACCOUNTS });
            assert_eq!(decode_totals(b"m", &bytes), Some(totals));
            for at in 0..bytes.len() {
                let mut damaged = bytes.clone();
                damaged[at] ^= 1;
                assert_eq!(decode_totals(b"m", &damaged), None, "byte {at}");
            }
        }
    }
}
