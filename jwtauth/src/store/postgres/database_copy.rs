//! A copy of everything, by one transaction that sees the database as it was at one moment.
//!
//! A transaction that is open for long keeps the server from reclaiming space. So a copy is to be taken
//! without long pauses.

use std::sync::Arc;

use tokio_postgres::Row;

use super::super::requests::StoreFuture;
use super::super::whole_store::{
    CopiedRecord, CopyPage, CopyTotals, StoreCopy, StoreRecord, WholeStore, is_over,
};
use super::account_steps;
use super::connections::{Connection, Param, Request};
use super::statements::SqlStatement;
use super::step_error::StepError;
use super::{Database, PostgresStore, event_steps, rows};

/// How many records a page has.
const PAGE: u64 = 256;

/// What a copy reads, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CopyPart {
    Accounts,
    Events,
    Sessions,
    Tokens,
    Trail,
    Values,
    Over,
}

struct DatabaseCopy {
    database: Arc<Database>,
    connection: Connection,
    totals: CopyTotals,
    part: CopyPart,
    /// The key of the last record of this part.
    after: Option<Vec<Param>>,
}

impl WholeStore for PostgresStore {
    fn copy(&self) -> StoreFuture<'_, Box<dyn StoreCopy>> {
        Box::pin(async move {
            let database = Arc::clone(&self.database);
            let mut connection = database.connections.take().await?;
            let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY";
            let statements = &database.statements;
            let requests = [
                Request::Plain(begin.into()),
                Request::Statement(&statements.count_sessions, Vec::new()),
                Request::Statement(&statements.count_accounts, Vec::new()),
            ];
            let counted = connection.send(&requests, database.copy_timeout()).await?;
            connection.hold();
            let count = |at: usize| rows::number(counted.get(at).map_or(&[], Vec::as_slice));
            let totals = CopyTotals {
                latest: database.time.latest(),
                ahead: database.time.ahead(),
                ..CopyTotals::new(count(1)?, count(2)?)
            };
            let part = CopyPart::Accounts;
            let copy = DatabaseCopy { database, connection, totals, part, after: None };
            Ok(Box::new(copy) as Box<dyn StoreCopy>)
        })
    }
}

impl DatabaseCopy {
    async fn page(&mut self) -> Result<CopyPage, StepError> {
        let statements = &self.database.statements;
        let (first, behind, next) = match self.part {
            CopyPart::Accounts => {
                (&statements.accounts_from_first, &statements.accounts_behind, CopyPart::Trail)
            }
            CopyPart::Trail => (&statements.trail_row, &statements.trail_row, CopyPart::Events),
            CopyPart::Events => {
                (&statements.events_from_first, &statements.events_behind, CopyPart::Sessions)
            }
            CopyPart::Sessions => {
                (&statements.sessions_from_first, &statements.sessions_behind, CopyPart::Tokens)
            }
            CopyPart::Tokens => (&statements.tokens_from_first, &statements.tokens_behind, CopyPart::Values),
            CopyPart::Values => (&statements.values_from_first, &statements.values_behind, CopyPart::Over),
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
            let (record, after) = self.read(row)?;
            records.extend(record.map(CopiedRecord::Kept));
            self.after = Some(after);
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

    /// Returns the record in a row, and the key to go on behind. `None` for a damaged part of the trail,
    /// whose hashes show that it is missing: it keeps nobody from a copy.
    fn read(&self, row: &Row) -> Result<(Option<StoreRecord>, Vec<Param>), StepError> {
        let record = match self.part {
            CopyPart::Accounts => {
                let account = account_steps::account(row)?;
                let key = vec![account.key.as_bytes().into()];
                return Ok((Some(StoreRecord::Account(account)), key));
            }
            // The part has no more than this row.
            CopyPart::Trail => return Ok((event_steps::head(row)?.map(StoreRecord::TrailHead), Vec::new())),
            CopyPart::Events => {
                let event = event_steps::event(row)?.map(StoreRecord::Event);
                return Ok((event, vec![event_steps::number(row)?.into()]));
            }
            CopyPart::Sessions => StoreRecord::Session(rows::session(row)?.into()),
            CopyPart::Tokens => {
                let (generation, token) = rows::token(row)?;
                let key = vec![rows::bytes(row, 0)?.into(), rows::bytes(row, 1)?.into()];
                return Ok((Some(StoreRecord::Token { generation, token }), key));
            }
            CopyPart::Values | CopyPart::Over => {
                let (key, value) = rows::value(row)?;
                StoreRecord::Value { key, value }
            }
        };
        Ok((Some(record), vec![rows::bytes(row, 0)?.into()]))
    }
}

impl std::fmt::Debug for DatabaseCopy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DatabaseCopy").field("part", &self.part).finish_non_exhaustive()
    }
}

impl StoreCopy for DatabaseCopy {
    fn expected(&self) -> CopyTotals {
        self.totals
    }

    fn next(&mut self) -> StoreFuture<'_, CopyPage> {
        Box::pin(async move { Ok(self.page().await?) })
    }
}
