//! What a doctor says of a store in a database: plain data, for people and programs.

use serde::Serialize;

use super::super::sled::{Condition, Finding, RecordCounts};
use crate::events::TrailFault;

/// A row that is not as a store has written it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct UnreadableRow {
    /// Its table.
    pub table: &'static str,
    /// Its key, in hexadecimal digits.
    pub key: String,
    /// What is wrong.
    pub problem: String,
}

impl UnreadableRow {
    #[cfg(feature = "postgres")]
    pub(in crate::store) fn new(table: &'static str, key: String, problem: impl Into<String>) -> Self {
        Self { table, key, problem: problem.into() }
    }
}

/// What was found of a store in a database.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct DatabaseDiagnosis {
    /// Where it is. No password is in it.
    pub place: String,
    /// Whether it is whole.
    pub condition: Condition,
    /// Why it is not.
    pub problem: Option<String>,
    /// Settings of the server with their values, its version among them. `None` is not known there.
    pub settings: Vec<(&'static str, Option<String>)>,
    /// What can be read.
    pub readable: RecordCounts,
    /// Rows that are not as a store has written them: the first 100.
    pub unreadable: Vec<UnreadableRow>,
    /// How many there are.
    pub unreadable_rows: u64,
    /// The layout of a record that a newer release has written, and the newest that is read here.
    #[serde(skip)]
    pub(in crate::store) newer: Option<(u8, u8)>,
    /// What is wrong with the audit trail, at most 100 faults.
    pub trail_faults: Vec<TrailFault>,
    /// What else somebody should know.
    pub findings: Vec<Finding>,
    /// What to do next.
    pub next: Vec<String>,
}
