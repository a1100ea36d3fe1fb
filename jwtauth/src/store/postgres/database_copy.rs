//! A copy of everything, by one transaction that sees the database as it was at one moment.
//!
//! A transaction that is open for long keeps the server from reclaiming space. So a copy is to be taken
//! without long pauses.
//!
//! # Invariants
//!
//! 1. What cannot be read is not in it, and is counted.

use std::sync::Arc;

use tokio_postgres::Row;

use super::super::requests::StoreFuture;
use super::super::whole_store::{
    CopiedRecord, CopyPage, CopyTotals, RecordKind, StoreCopy, StoreRecord, WholeStore, is_over,
};
use super::connections::{Connection, Param, Request};
use super::row_table::{PAGE, RowFault, RowTable};
use super::statements::SqlStatement;
use super::step_error::StepError;
use super::{Database, PostgresStore, event_steps, rows};

/// What a copy reads, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CopyPart {
    Table(RowTable),
    Trail,
    Over,
}

struct DatabaseCopy {
    database: Arc<Database>,
    connection: Connection,
    /// What is to be expected.
    expected: CopyTotals,
    /// What was read.
    totals: CopyTotals,
    part: CopyPart,
    /// The place of the last row of this part.
    after: Option<Vec<Param>>,
}

impl WholeStore for PostgresStore {
    fn copy(&self) -> StoreFuture<'_, Box<dyn StoreCopy>> {
        Box::pin(async move {
            let database = Arc::clone(&self.database);
            let mut connection = database.connections.take().await?;
            // Whoever takes the copy may be slow, and a role may have limits for requests.
            let idle = if database.ends_idle_transactions {
                "; SET LOCAL idle_in_transaction_session_timeout = 0"
            } else {
                ""
            };
            let begin = format!(
                "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY; SET LOCAL statement_timeout = 0{idle}"
            );
            let statements = &database.statements;
            let requests = [
                Request::Plain(begin),
                Request::Statement(&statements.count_sessions, Vec::new()),
                Request::Statement(&statements.count_accounts, Vec::new()),
            ];
            let counted = connection.send(&requests, database.copy_timeout()).await?;
            connection.hold();
            let count = |at: usize| rows::number(counted.get(at).map_or(&[], Vec::as_slice));
            let (latest, ahead) = (database.time.latest(), database.time.ahead());
            let totals = CopyTotals { latest, ahead, ..CopyTotals::default() };
            let (sessions, accounts) = (count(1)?, count(2)?);
            let expected = CopyTotals { sessions, accounts, ..totals };
            let part = CopyPart::Table(RowTable::Accounts);
            let copy = DatabaseCopy { database, connection, expected, totals, part, after: None };
            Ok(Box::new(copy) as Box<dyn StoreCopy>)
        })
    }

    fn unreadable(&self, kind: RecordKind) -> StoreFuture<'_, u64> {
        Box::pin(self.count_damaged(RowTable::of(kind)))
    }
}

impl DatabaseCopy {
    async fn page(&mut self) -> Result<CopyPage, StepError> {
        let statements = &self.database.statements;
        let ([first, behind], next) = match self.part {
            CopyPart::Table(table) => {
                let next = match table {
                    RowTable::Accounts => CopyPart::Trail,
                    RowTable::Events => CopyPart::Table(RowTable::Sessions),
                    RowTable::Sessions => CopyPart::Table(RowTable::Tokens),
                    RowTable::Tokens => CopyPart::Table(RowTable::Values),
                    RowTable::Values => CopyPart::Over,
                };
                (table.pages(statements), next)
            }
            CopyPart::Trail => ([&statements.trail_row; 2], CopyPart::Table(RowTable::Events)),
            CopyPart::Over => return Err(is_over().into()),
        };
        let (statement, mut params): (&SqlStatement, _) = match self.after.take() {
            Some(after) => (behind, after),
            None => (first, Vec::new()),
        };
        params.push(PAGE.into());
        let mut found = self
            .connection
            .send(&[Request::Statement(statement, params)], self.database.copy_timeout())
            .await?;
        self.connection.hold();
        let found = found.pop().unwrap_or_default();
        let mut records = Vec::new();
        for row in &found {
            records.extend(self.read(row)?.map(CopiedRecord::Kept));
        }
        if let (CopyPart::Table(table), Some(last)) = (self.part, found.last()) {
            self.after = Some(table.place(last)?);
        }
        if (found.len() as u64) < PAGE {
            (self.part, self.after) = (next, None);
        }
        let is_last = self.part == CopyPart::Over;
        if is_last {
            self.connection.send(&[Request::Plain("COMMIT".into())], self.database.timeout).await?;
        }
        Ok(CopyPage::new(records, is_last.then_some(self.totals)))
    }

    /// Returns the record in a row, and counts it. `None` if it cannot be read: that keeps nobody from a copy
    /// of the others.
    fn read(&mut self, row: &Row) -> Result<Option<StoreRecord>, StepError> {
        let record = match self.part {
            CopyPart::Table(table) => match table.record(row) {
                Ok(record) => Some(record),
                // These are found by their keys alone.
                Err(RowFault::Columns(record)) if is_found_by_key(table) => Some(*record),
                Err(RowFault::Record(error)) => rows::readable(Err(error))?,
                Err(RowFault::Columns(_)) => None,
            },
            CopyPart::Trail => event_steps::head(row)?.map(StoreRecord::TrailHead),
            CopyPart::Over => return Err(is_over().into()),
        };
        match record {
            None => self.totals.unreadable += 1,
            Some(StoreRecord::Account(_)) => self.totals.accounts += 1,
            Some(StoreRecord::Session(_)) => self.totals.sessions += 1,
            Some(_) => {}
        }
        Ok(record)
    }
}

/// Tells whether a column beside the records of a table only says when they expire.
const fn is_found_by_key(table: RowTable) -> bool {
    matches!(table, RowTable::Tokens | RowTable::Values)
}

impl std::fmt::Debug for DatabaseCopy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DatabaseCopy").field("part", &self.part).finish_non_exhaustive()
    }
}

impl StoreCopy for DatabaseCopy {
    fn expected(&self) -> CopyTotals {
        self.expected
    }

    fn next(&mut self) -> StoreFuture<'_, CopyPage> {
        Box::pin(async move { Ok(self.page().await?) })
    }
}
