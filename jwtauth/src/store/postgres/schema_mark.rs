//! What says that tables may not be served: they are not full yet, or another store has their records now.
//!
//! A server reads the mark when it starts, with each connection that it makes later, and with each question
//! (`statement_guard`). [`clients`](PostgresStore::clients) looks for servers before anything is moved.

use tokio_postgres::Row;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;

use super::connections::{Param, Request};
use super::postgres_config::{OPERATOR, PostgresConfig};
use super::schema_name::quoted;
use super::statements::SqlStatement;
use super::step_error::StepError;
use super::table_check::{hidden_rows, refusal_of_hidden};
use super::transaction::{DatabaseStep, Transaction};
use super::{Database, PostgresStore, rows};
use crate::error::{PostgresError, StoreError};

const FILLING: &str = "filling ";
const MOVED: &str = "moved ";

/// Why tables may not be served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::store) enum SchemaMark {
    /// Records are being put into them, by one who has this name.
    Filling(String),
    /// Their records were moved there.
    Moved(String),
}

impl SchemaMark {
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let (word, rest) = match self {
            Self::Filling(who) => (FILLING, who),
            Self::Moved(to) => (MOVED, to),
        };
        [word, rest].concat().into_bytes()
    }

    /// Reads one. What nobody here has written is left alone.
    fn of(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        match (text.strip_prefix(FILLING), text.strip_prefix(MOVED)) {
            (Some(who), _) => Self::Filling(who.into()),
            (None, Some(to)) => Self::Moved(to.into()),
            (None, None) => Self::Moved("another place, by a newer release".into()),
        }
    }

    /// What somebody hears who wants to serve the tables.
    pub(super) fn refusal(&self, schema: &str) -> PostgresError {
        let schema = schema.to_owned();
        match self {
            Self::Filling(_) => PostgresError::Unfinished { schema },
            Self::Moved(to) => PostgresError::Moved { schema, to: to.clone() },
        }
    }
}

/// Reads the row with the mark.
pub(super) fn mark_in(rows: &[Row]) -> Result<Option<SchemaMark>, StepError> {
    let row = rows.first().ok_or_else(rows::is_damaged)?;
    Ok(row.try_get::<_, Option<&[u8]>>(0)?.map(SchemaMark::of))
}

/// Sets the mark, or removes it.
struct ChangeMark(Option<SchemaMark>);

impl DatabaseStep for ChangeMark {
    type Outcome = ();

    async fn run(&self, transaction: &mut Transaction<'_>) -> Result<(), StepError> {
        transaction.put_mark(self.0.as_ref());
        Ok(())
    }
}

impl Transaction<'_> {
    pub(super) fn put_mark(&mut self, mark: Option<&SchemaMark>) {
        let statements = self.statements();
        match mark {
            Some(mark) => self.write(&statements.change_mark, vec![mark.to_bytes().into()]),
            None => self.write(&statements.clear_mark, Vec::new()),
        }
    }
}

impl PostgresStore {
    /// Returns why the tables may not be served.
    pub(in crate::store) async fn mark(&self) -> Result<Option<SchemaMark>, StoreError> {
        let found = self.database.read(&self.database.statements.mark, Vec::new()).await?;
        Ok(mark_in(&found)?)
    }

    /// What somebody hears who wants to serve tables with this mark.
    pub(in crate::store) fn refusal(&self, mark: &SchemaMark) -> StoreError {
        mark.refusal(&self.database.schema).into()
    }

    /// Lets no connection be made from now on while the tables have a mark, or hide rows.
    pub(super) fn ask_for_mark(&self) {
        let schema = self.database.schema.clone();
        let hidden = match self.database.knows_hidden_rows {
            true => format!("({})", hidden_rows(&format!("'{}'", schema.replace('\'', "''")))),
            false => "NULL".into(),
        };
        let table = quoted(&schema);
        let question =
            format!("SELECT COALESCE(convert_from(mark, 'UTF8'), {hidden}) FROM {table}.store_mark");
        self.database.connections.ask_each(question, move |said| {
            let refused = SchemaMark::of(said.as_bytes()).refusal(&schema);
            refusal_of_hidden(&schema, said).unwrap_or(refused)
        });
    }

    /// Says where the records were moved to, or that they were not. After that nobody changes any: who had
    /// begun has ended, and who begins now sees the mark.
    pub(in crate::store) async fn set_moved_to(&self, to: Option<&str>) -> Result<(), StoreError> {
        let mark = to.map(|to| SchemaMark::Moved(to.into()));
        let is_moved = mark.is_some();
        self.database.carry_out(&ChangeMark(mark)).await?;
        if is_moved { self.outlast_changes().await } else { Ok(()) }
    }

    /// Waits for those who have changed something and not committed it, table by table: nobody waits in a
    /// circle. An engine that locks no tables is not waited for.
    async fn outlast_changes(&self) -> Result<(), StoreError> {
        let Database { connections, schema, timeout, .. } = &*self.database;
        let schema = quoted(schema);
        for table in ["subjects", "accounts", "events", "kept_values", "sessions", "tokens", "trail_head"] {
            let lock = format!("BEGIN; LOCK TABLE {schema}.{table} IN EXCLUSIVE MODE; ROLLBACK");
            match connections.take().await?.send(&[Request::Plain(lock)], 2 * *timeout).await {
                Err(StepError::Driver(error)) if error.code().is_some_and(locks_no_tables) => return Ok(()),
                locked => drop(locked?),
            }
        }
        Ok(())
    }

    /// Tells whether another address leads to these tables: this side locks the row with the mark, and the
    /// other one looks whether it is locked. What cannot be told is no.
    pub(in crate::store) async fn is_also(&self, there: PostgresConfig) -> bool {
        let Ok(there) = Self::connect_anyway(there.for_operator()).await else { return false };
        let (here, there) = (&self.database, &there.database);
        let Ok(mut locked) = Transaction::begin(here, here.begin()).await else { return false };
        let is_locked = locked.query(&here.statements.lock_mark, Vec::new()).await.is_ok();
        let is_free = async || {
            let found = there.read(&there.statements.free_mark, Vec::new()).await;
            found.is_ok_and(|found| !found.is_empty())
        };
        let was_free = is_free().await;
        locked.roll_back().await;
        // Others may lock it too.
        is_locked && !was_free && is_free().await
    }

    /// Counts connections that use these tables, and are none of [`OPERATOR`]: by their name, or by what they
    /// have asked last, unless that is somebody at a terminal. Where the server hides from this role what
    /// another one has asked, that one counts if it may change sessions. A server that has no such list
    /// says 0.
    pub(in crate::store) async fn clients(&self) -> Result<u64, StoreError> {
        let database = &self.database;
        let sql = "SELECT count(*) FROM pg_catalog.pg_stat_activity
            WHERE datname = current_database() AND application_name <> convert_from($1, 'UTF8')
            AND (application_name = convert_from($2, 'UTF8')
                OR application_name NOT IN ('', 'psql', 'pg_dump')
                AND (position(convert_from($3, 'UTF8') IN query) > 0
                    OR query = '<insufficient privilege>'
                    AND has_table_privilege(usesysid, convert_from($4, 'UTF8'), 'UPDATE')))";
        let asked = SqlStatement { sql: sql.into(), types: vec![Type::BYTEA; 4] };
        let name = PostgresConfig::usual_name(&database.schema);
        let table = format!("{}.", quoted(&database.schema));
        let sessions = format!("{table}sessions");
        let params = [OPERATOR, &name, &table, &sessions].map(|text| Param::from(text.as_bytes()));
        let mut connection = database.connections.take().await?;
        match connection.send(&[Request::Statement(&asked, params.into())], database.timeout).await {
            Ok(counted) => Ok(rows::number(counted.first().map_or(&[], Vec::as_slice))?),
            Err(StepError::Driver(error)) if error.code().is_some_and(has_no_list) => Ok(0),
            Err(failure) => Err(failure.into()),
        }
    }
}

/// Tells whether an engine knows no such lock, or grants none.
fn locks_no_tables(code: &SqlState) -> bool {
    let refused = [SqlState::FEATURE_NOT_SUPPORTED, SqlState::INSUFFICIENT_PRIVILEGE, SqlState::SYNTAX_ERROR];
    refused.contains(code)
}

/// Tells whether an engine has no such list, or a shorter one.
fn has_no_list(code: &SqlState) -> bool {
    let unknown = [SqlState::UNDEFINED_TABLE, SqlState::UNDEFINED_COLUMN, SqlState::UNDEFINED_FUNCTION];
    unknown.contains(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_comes_back_and_a_strange_one_is_never_taken_for_unfinished() {
        for mark in [SchemaMark::Filling("a".into()), SchemaMark::Moved("\"data/ü\"".into())] {
            assert_eq!(SchemaMark::of(&mark.to_bytes()), mark);
        }
        assert!(matches!(SchemaMark::of(b"FILLING a"), SchemaMark::Moved(_)));
        assert!(matches!(SchemaMark::of(&[0xff]), SchemaMark::Moved(_)));
    }
}
