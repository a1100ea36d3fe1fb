//! What a doctor says of a store: plain data, for people and programs.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use crate::events::TrailFault;

/// Whether a store is whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Condition {
    /// It opens, and nothing is missing.
    Whole,
    /// It does not open, or something is missing.
    Damaged,
    /// It is whole, and does not open: its records were moved into another store, which counts from there on.
    Moved,
    /// It could not be looked at.
    #[default]
    Unknown,
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Whole => "whole",
            Self::Damaged => "damaged",
            Self::Moved => "moved away",
            Self::Unknown => "unknown",
        })
    }
}

/// Numbers of records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RecordCounts {
    /// Sessions, live or over.
    pub sessions: u64,
    /// Accounts.
    pub accounts: u64,
    /// What is kept of tokens.
    pub tokens: u64,
    /// Events of the audit trail.
    pub events: u64,
    /// Opaque values, and marks of those that were removed.
    pub values: u64,
}

/// What is damaged in the files of a store. Some of it may be in places that nothing needs any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct FileDamage {
    /// Segments of the log that hold something.
    pub segments: u64,
    /// Those of them whose header is damaged.
    pub damaged_segments: u64,
    /// Places in the log where messages are missing or damaged.
    pub damaged_places: u64,
    /// Blocks of 4 KiB of the data file that the disk cannot read.
    pub unreadable_blocks: u64,
    /// Pages of the tree.
    pub pages: u64,
    /// Pages whose newest state is damaged, as far as that shows.
    pub damaged_pages: u64,
    /// Changes that are whole, and nobody knows any more what they change.
    pub lost_changes: u64,
    /// Whether the last changes are incomplete. They were not acknowledged, or what was is cut off.
    pub is_cut: bool,
}

impl FileDamage {
    /// Tells whether something is damaged.
    #[must_use]
    pub const fn is_any(&self) -> bool {
        self.damaged_segments
            + self.damaged_places
            + self.unreadable_blocks
            + self.damaged_pages
            + self.lost_changes
            > 0
    }
}

/// Something beside the records that somebody should know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// What was found.
    pub what: String,
    /// What to do about it.
    pub advice: String,
}

impl Finding {
    pub(in crate::store) fn new(what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { what: what.into(), advice: advice.into() }
    }
}

/// An account, by name and id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[non_exhaustive]
pub struct AccountRef {
    /// Its name, as it is compared.
    pub name: String,
    /// Its id.
    pub id: String,
}

/// Sessions of one subject that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[non_exhaustive]
pub struct LostSessions {
    /// The subject. For an account that is its id.
    pub subject: String,
    /// The name of the account, if it is one whose name is still known.
    pub name: Option<String>,
    /// How many there were.
    pub sessions: u64,
}

/// What was found of a store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Diagnosis {
    /// Its directory.
    #[serde(serialize_with = "crate::store::path_text::one")]
    pub path: PathBuf,
    /// Whether it is whole.
    pub condition: Condition,
    /// Why it is not, or why nobody could look.
    pub problem: Option<String>,
    /// What is damaged in its files.
    pub damage: FileDamage,
    /// What can be read.
    pub readable: RecordCounts,
    /// How many sessions there should be, if that is known.
    pub sessions_expected: Option<u64>,
    /// How many accounts there should be, by the totals of the store or its journal, if that is known.
    pub accounts_expected: Option<u64>,
    /// How many acknowledged changes are missing at least, if that is known.
    pub lost_changes: Option<u64>,
    /// Whether the records are exactly those that were acknowledged. Then a repair loses nothing.
    pub is_complete: bool,
    /// Whether the accounts are exactly those that were acknowledged, whatever else is missing. Then a repair
    /// leaves them as they are.
    pub accounts_are_complete: bool,
    /// Accounts whose record cannot be read, and whose name is still known.
    pub lost_accounts: Vec<AccountRef>,
    /// How many more accounts there should be, of which neither the record nor the name can be read. After a
    /// repair anybody may register under their names. `None` if nobody knows how many there should be.
    pub nameless_accounts: Option<u64>,
    /// Sessions whose record cannot be read, by subject, as far as the index still has them.
    pub lost_sessions: Vec<LostSessions>,
    /// Accounts that may be as they were before their last change: an older password, other roles, or removed
    /// since.
    pub doubtful_accounts: Vec<AccountRef>,
    /// What is wrong with the audit trail, at most 100 faults. A repair cannot mend it.
    pub trail_faults: Vec<TrailFault>,
    /// What else somebody should know.
    pub findings: Vec<Finding>,
    /// Commands to type next, the best one first.
    pub next: Vec<String>,
}
