//! The tables that hold records: how all rows of one are read, and what is wrong with a row.
//!
//! # Invariants
//!
//! 1. A row that is damaged stops nobody who reads others.

use tokio_postgres::Row;

use super::super::codec::{self, RecordError};
use super::super::whole_store::{RecordKind, StoreRecord};
use super::account_steps::account_params;
use super::connections::Param;
use super::event_steps::event_params;
use super::statements::{SqlStatement, Statements};
use super::step_error::StepError;
use super::{Database, rows};
use crate::error::StoreError;

/// How many rows are read at once.
pub(super) const PAGE: u64 = 256;

/// A table that holds records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RowTable {
    Accounts,
    Events,
    Sessions,
    Tokens,
    Values,
}

/// Why a row is not as a store has written it.
pub(super) enum RowFault {
    /// Its record cannot be read.
    Record(RecordError),
    /// Its record is whole, and a column beside it says something else.
    Columns(Box<StoreRecord>),
}

impl RowTable {
    pub(super) const ALL: [Self; 5] =
        [Self::Accounts, Self::Sessions, Self::Tokens, Self::Values, Self::Events];

    pub(super) const fn of(kind: RecordKind) -> Self {
        match kind {
            RecordKind::Account => Self::Accounts,
            RecordKind::Event => Self::Events,
            RecordKind::Session => Self::Sessions,
            RecordKind::Token => Self::Tokens,
            RecordKind::Value => Self::Values,
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Accounts => "accounts",
            Self::Events => "events",
            Self::Sessions => "sessions",
            Self::Tokens => "tokens",
            Self::Values => "kept_values",
        }
    }

    /// Returns its columns, in their order. The last one is the record.
    pub(super) const fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Accounts => &["id", "key", "record"],
            Self::Events => &["number", "record"],
            Self::Sessions => &["id", "subject", "expires_at", "record"],
            Self::Tokens => &["session", "place", "expires_at", "record"],
            Self::Values => &["name", "expires_at", "record"],
        }
    }

    /// Returns the statements for the first page, and for one behind a [place](Self::place).
    pub(super) const fn pages(self, statements: &Statements) -> [&SqlStatement; 2] {
        match self {
            Self::Accounts => [&statements.accounts_from_first, &statements.accounts_behind],
            Self::Events => [&statements.events_from_first, &statements.events_behind],
            Self::Sessions => [&statements.sessions_from_first, &statements.sessions_behind],
            Self::Tokens => [&statements.tokens_from_first, &statements.tokens_behind],
            Self::Values => [&statements.values_from_first, &statements.values_behind],
        }
    }

    /// Returns where a row stands among the others.
    pub(super) fn place(self, row: &Row) -> Result<Vec<Param>, StepError> {
        Ok(match self {
            // In the order of names.
            Self::Accounts => vec![rows::bytes(row, 1)?.into()],
            Self::Events => vec![Param::Number(row.try_get(0)?)],
            Self::Sessions | Self::Values => vec![rows::bytes(row, 0)?.into()],
            Self::Tokens => vec![rows::bytes(row, 0)?.into(), rows::bytes(row, 1)?.into()],
        })
    }

    /// Returns the key that the record of a row has in a store.
    pub(super) fn key(self, row: &Row) -> Result<Vec<u8>, StepError> {
        Ok(match self {
            Self::Accounts => [b"a", rows::bytes(row, 0)?].concat(),
            Self::Events => [b"e", &row.try_get::<_, i64>(0)?.to_be_bytes()[..]].concat(),
            Self::Sessions => [b"s", rows::bytes(row, 0)?].concat(),
            Self::Tokens => [b"t", rows::bytes(row, 0)?, rows::bytes(row, 1)?].concat(),
            Self::Values => [b"v", rows::bytes(row, 0)?].concat(),
        })
    }

    /// Returns the record of a row that is as a store has written it.
    pub(super) fn record(self, row: &Row) -> Result<StoreRecord, RowFault> {
        let damaged = |_| RowFault::Record(RecordError::Damaged);
        let bytes = rows::bytes(row, self.columns().len() - 1).map_err(damaged)?;
        let record = codec::decode_record(&self.key(row).map_err(damaged)?, bytes);
        let record = record.map_err(RowFault::Record)?;
        let written = params(&record).map_err(|_| RowFault::Record(RecordError::Damaged))?;
        let fits = |(column, written): (usize, &Param)| match written {
            Param::Bytes(bytes) => row.try_get::<_, &[u8]>(column).is_ok_and(|found| found == bytes),
            Param::Number(number) => row.try_get::<_, i64>(column).is_ok_and(|found| found == *number),
            Param::Many(_) | Param::Numbers(_) => false,
        };
        // The record itself may be of an earlier layout.
        let columns = &written[..written.len() - 1];
        if columns.iter().enumerate().all(fits) { Ok(record) } else { Err(RowFault::Columns(record.into())) }
    }
}

/// Returns the columns that a store writes for a record.
pub(super) fn params(record: &StoreRecord) -> Result<Vec<Param>, StoreError> {
    match record {
        StoreRecord::Account(account) => account_params(account),
        StoreRecord::Event(event) => event_params(event.clone()),
        StoreRecord::Session(session) => rows::session_params(session),
        StoreRecord::Token { generation, token } => rows::token_params(*generation, *token),
        StoreRecord::Value { key, value } => rows::value_params(*key, value),
        // It has no columns beside it.
        StoreRecord::TrailHead(_) => Ok(vec![Param::Bytes(Vec::new())]),
    }
}

/// Reads all rows of a table, a page at a time.
pub(super) struct RowPages<'d> {
    database: &'d Database,
    pub(super) table: RowTable,
    after: Option<Vec<Param>>,
    is_over: bool,
}

impl<'d> RowPages<'d> {
    pub(super) const fn new(database: &'d Database, table: RowTable) -> Self {
        Self { database, table, after: None, is_over: false }
    }

    /// Returns the next page. `None` behind the last one.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<Row>>, StoreError> {
        if self.is_over {
            return Ok(None);
        }
        let [first, behind] = self.table.pages(&self.database.statements);
        let page = match self.after.take() {
            Some(mut params) => {
                params.push(PAGE.into());
                self.database.read(behind, params).await?
            }
            None => self.database.read(first, vec![PAGE.into()]).await?,
        };
        self.is_over = (page.len() as u64) < PAGE;
        self.after = page.last().map(|row| self.table.place(row)).transpose()?;
        Ok(Some(page))
    }
}
