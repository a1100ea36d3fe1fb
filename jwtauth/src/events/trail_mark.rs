//! The end of an audit trail, as somebody keeps it elsewhere.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::hex;

/// A record of an audit trail and its hash. As text: the number, `:`, and 64 hexadecimal digits.
///
/// Whoever may write a store can write its whole trail anew, hashes included. A mark that was kept on another
/// machine shows it: the record has another hash then.
///
/// ```
/// use jwtauth::store::TrailMark;
///
/// let text = format!("17:{}", "0a".repeat(32));
/// let mark: TrailMark = text.parse().unwrap();
/// assert_eq!((mark.number, mark.hash, mark.to_string()), (17, [10; 32], text));
/// assert!("17:0a".parse::<TrailMark>().is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TrailMark {
    /// The number of the record.
    pub number: u64,
    /// Its hash.
    #[serde(with = "super::hex")]
    pub hash: [u8; 32],
}

impl TrailMark {
    /// Returns the mark of the record with this number and this hash.
    #[must_use]
    pub const fn new(number: u64, hash: [u8; 32]) -> Self {
        Self { number, hash }
    }
}

impl fmt::Display for TrailMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.number, hex::encode(&self.hash))
    }
}

/// A text is no mark of an audit trail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a mark is the number of an event, `:`, and 64 hexadecimal digits, as `jwtauth events --check` prints it"
)]
pub struct NoTrailMark;

impl FromStr for TrailMark {
    type Err = NoTrailMark;

    fn from_str(text: &str) -> Result<Self, NoTrailMark> {
        let (number, hash) = text.trim().split_once(':').ok_or(NoTrailMark)?;
        let number = number.parse().map_err(|_| NoTrailMark)?;
        hex::decode(hash).map(|hash| Self::new(number, hash)).ok_or(NoTrailMark)
    }
}
