//! What a repair has done to the rows of a database: plain data, for people and programs.

use std::path::PathBuf;

use serde::Serialize;

use super::super::sled::AccountRef;
use super::database_diagnosis::DatabaseDiagnosis;

/// What was done to damaged rows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RowRepairs {
    /// How many rows were taken out or set right.
    pub rows: u64,
    /// Sessions that have ended, because their row was damaged.
    pub sessions_ended: u64,
    /// Accounts whose record is lost. Their names stay taken, and they are disabled.
    pub disabled: Vec<AccountRef>,
    /// Accounts that are gone, because another account has their name, or they have none. One without a name
    /// is shown as hexadecimal digits.
    pub left_out: Vec<AccountRef>,
    /// Values in whose place an empty one stands that keeps out.
    pub values_replaced: u64,
    /// Records of tokens that are gone.
    pub tokens_removed: u64,
    /// Events of the audit trail that are gone. A check names them.
    pub events_removed: u64,
    /// Rows whose record is whole, and whose other columns were set right. A session among these is ended.
    pub mended: u64,
}

impl RowRepairs {
    #[cfg(feature = "postgres")]
    pub(in crate::store) fn add(&mut self, more: Self) {
        self.rows += more.rows;
        self.sessions_ended += more.sessions_ended;
        self.disabled.extend(more.disabled);
        self.left_out.extend(more.left_out);
        self.values_replaced += more.values_replaced;
        self.tokens_removed += more.tokens_removed;
        self.events_removed += more.events_removed;
        self.mended += more.mended;
    }
}

/// What a repair of a database has done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RepairedDatabase {
    /// What was found before. If no row was damaged, nothing was done.
    pub before: DatabaseDiagnosis,
    /// The file that holds the rows as they were. `None` if nothing was done.
    #[serde(serialize_with = "crate::store::path_text::one_or_none")]
    pub aside: Option<PathBuf>,
    /// What was done.
    pub repairs: RowRepairs,
    /// If accounts are disabled now: the command that sets a password, and the one that enables an account.
    pub next: Vec<String>,
}
