//! Whether the tables are all there, and whether this role may do with their rows what the statements do.
//!
//! Each kind of statement is carried out on each table, for no row. So what a server answers is what it will
//! answer later, also where it keeps its rights in another way than PostgreSQL.
//!
//! # Invariants
//!
//! 1. It changes nothing, and asks for no right that no statement needs.
//! 2. What is not known, such as on a server that takes no changes now, is no fault.

use std::sync::Arc;
use std::time::Duration;

use tokio_postgres::Error;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;

use super::connections::{Connection, Connections, Request};
use super::rows;
use super::schema_name::quoted;
use super::statements::SqlStatement;
use super::step_error::StepError;
use crate::error::PostgresError;

/// What is done with the rows of one table.
struct TableUse {
    name: &'static str,
    columns: &'static str,
    /// The columns that no two rows share. None for a table that has one row, which is never added.
    unique: &'static [&'static str],
    /// The columns that are changed.
    changed: &'static [&'static str],
}

const TABLES: [TableUse; 10] = [
    TableUse { name: "schema_state", columns: "the_row, version, latest", unique: &[], changed: &["latest"] },
    TableUse { name: "subjects", columns: "subject", unique: &["subject"], changed: &["subject"] },
    TableUse {
        name: "sessions",
        columns: "id, subject, expires_at, record",
        unique: &["id"],
        changed: &["subject", "expires_at", "record"],
    },
    TableUse {
        name: "tokens",
        columns: "session, place, expires_at, record",
        unique: &["session, place"],
        changed: &["expires_at", "record"],
    },
    TableUse {
        name: "kept_values",
        columns: "name, expires_at, record",
        unique: &["name"],
        changed: &["expires_at", "record"],
    },
    TableUse { name: "accounts", columns: "id, key, record", unique: &["id", "key"], changed: &["record"] },
    TableUse { name: "events", columns: "number, record", unique: &["number"], changed: &[] },
    TableUse { name: "trail_head", columns: "the_row, record", unique: &[], changed: &["record"] },
    TableUse { name: "store_mark", columns: "the_row, mark", unique: &[], changed: &[] },
    TableUse {
        name: "counters",
        columns: "name, kind, expires_at, record",
        unique: &["name"],
        changed: &["expires_at", "record"],
    },
];

impl TableUse {
    /// Returns what shows whether it can be used. `table` is its whole name.
    fn probe(&self, table: &str, is_served: bool) -> String {
        let Self { columns, unique, changed, .. } = self;
        let mut sql = format!("SELECT {columns} FROM {table} WHERE false");
        if !is_served {
            return sql;
        }
        if !changed.is_empty() {
            let same: Vec<_> = changed.iter().map(|column| format!("{column} = {column}")).collect();
            sql += &format!(" FOR UPDATE; UPDATE {table} SET {} WHERE false", same.join(", "));
        }
        for columns_of_one in *unique {
            sql += &format!(
                "; INSERT INTO {table} ({columns}) SELECT {columns} FROM {table} WHERE false
                 ON CONFLICT ({columns_of_one}) DO NOTHING"
            );
        }
        if !unique.is_empty() {
            sql += &format!("; DELETE FROM {table} WHERE false");
        }
        sql
    }
}

/// What a role may not do.
pub(super) enum Refused {
    /// Read and write the rows of these tables.
    Rows(Vec<&'static str>),
    /// Make and change tables.
    Tables,
}

/// What cannot be used.
#[derive(Default)]
pub(super) struct TableFaults {
    /// What is not there, in words.
    missing: Vec<String>,
    /// Which tables this role may not use.
    refused: Vec<&'static str>,
    /// What the server has said of one of them.
    cause: Option<Error>,
}

/// Looks at the tables of one schema.
pub(super) struct TableCheck<'a> {
    pub(super) schema: &'a str,
    pub(super) connections: &'a Arc<Connections>,
    /// How long to wait for an answer. Somebody may have locked a table.
    pub(super) limit: Duration,
}

impl TableCheck<'_> {
    /// Tells what is missing, and with `is_served` also what this role may not do. Of one who only looks, it
    /// is said when he looks.
    ///
    /// # Errors
    ///
    /// [`PostgresError::Incomplete`], [`PostgresError::Rights`], or that the server could not be asked.
    pub(super) async fn run(&self, is_served: bool) -> Result<(), StepError> {
        let mut connection = self.connections.take().await?;
        self.refuse_hidden_rows(&mut connection).await?;
        let faults = match self.probe(&mut connection, &TABLES, is_served).await {
            Ok(()) => return self.look_for_rows(&mut connection, is_served).await,
            Err(failure) if failure.is_read_only() => return Ok(()),
            Err(StepError::Driver(error)) if is_refusal(&error) || is_missing(&error) => {
                self.faults(&mut connection, is_served).await?
            }
            Err(failure) => return Err(failure),
        };
        if !faults.missing.is_empty() {
            return Err(self.incomplete(faults.missing.join("; ")).into());
        }
        match faults.cause {
            Some(cause) if is_served => Err(self.refusal(Refused::Rows(faults.refused), cause).await),
            _ => Ok(()),
        }
    }

    /// Refuses tables of which the server shows this role some rows only: a session that is hidden is one
    /// that nobody can end.
    pub(super) async fn refuse_hidden_rows(&self, connection: &mut Connection) -> Result<(), StepError> {
        let asked = SqlStatement { sql: hidden_rows("convert_from($1, 'UTF8')"), types: vec![Type::BYTEA] };
        let request = Request::Statement(&asked, vec![self.schema.as_bytes().into()]);
        let found = match connection.send(&[request], self.limit).await {
            // An engine without it.
            Err(failure @ StepError::Driver(_)) if !failure.is_of_connection() => return Ok(()),
            found => found?,
        };
        let said = found.iter().flatten().next().and_then(|row| row.try_get::<_, Option<&str>>(0).ok());
        match said.flatten().and_then(|said| refusal_of_hidden(self.schema, said)) {
            Some(refusal) => Err(refusal.into()),
            None => Ok(()),
        }
    }

    /// Asks for several tables at once.
    async fn probe(
        &self,
        connection: &mut Connection,
        tables: &[TableUse],
        is_served: bool,
    ) -> Result<(), StepError> {
        let schema = quoted(self.schema);
        let probes = tables.iter().map(|table| table.probe(&format!("{schema}.{}", table.name), is_served));
        let requests: Vec<_> = probes.map(Request::Plain).collect();
        connection.send(&requests, self.limit).await.map(|_| ())
    }

    /// Asks for one table after the other.
    async fn faults(&self, connection: &mut Connection, is_served: bool) -> Result<TableFaults, StepError> {
        let mut faults = TableFaults::default();
        for table in &TABLES {
            match self.probe(connection, std::slice::from_ref(table), is_served).await {
                Ok(()) => {}
                Err(failure) if failure.is_read_only() => break,
                Err(StepError::Driver(error)) if is_refusal(&error) => {
                    faults.refused.push(table.name);
                    faults.cause.get_or_insert(error);
                }
                Err(StepError::Driver(error)) if is_missing(&error) => {
                    faults.missing.push(error.as_db_error().map_or(table.name, |said| said.message()).into());
                }
                Err(failure) => return Err(failure),
            }
        }
        Ok(faults)
    }

    /// Looks for the rows that are always there.
    async fn look_for_rows(&self, connection: &mut Connection, is_served: bool) -> Result<(), StepError> {
        let schema = quoted(self.schema);
        for table in ["store_mark", "trail_head"] {
            let sql = format!("SELECT count(*) FROM {schema}.{table}");
            let asked = SqlStatement { sql, types: Vec::new() };
            let found = match connection.send(&[Request::Statement(&asked, Vec::new())], self.limit).await {
                Err(StepError::Driver(error)) if is_refusal(&error) && !is_served => return Ok(()),
                found => found?,
            };
            if rows::number(found.first().map_or(&[], Vec::as_slice))? == 0 {
                return Err(self.incomplete(format!("the row of {table}")).into());
            }
        }
        Ok(())
    }

    /// What somebody hears whose schema lacks something.
    pub(super) fn incomplete(&self, missing: String) -> PostgresError {
        PostgresError::Incomplete { schema: self.schema.to_owned(), missing }
    }

    /// What somebody hears whose role may not do something.
    pub(super) async fn refusal(&self, what: Refused, cause: Error) -> StepError {
        let role = self.role().await.unwrap_or_default();
        let schema = quoted(self.schema);
        let (refused, remedy) = match what {
            Refused::Rows(tables) => {
                let to = quoted(&role);
                let remedy = format!(
                    "as the owner of the tables write GRANT USAGE ON SCHEMA {schema} TO {to}; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {to}"
                );
                (format!("read and write all rows of {}", tables.join(", ")), remedy)
            }
            Refused::Tables => {
                let remedy = "start the server once as the owner of the database and the tables. After that a role that may read and write their rows is enough";
                ("make or change the tables".into(), remedy.into())
            }
        };
        let (schema, source) = (self.schema.to_owned(), cause.into());
        PostgresError::Rights { schema, role, refused, remedy, source }.into()
    }

    /// Returns who this is for the server.
    async fn role(&self) -> Option<String> {
        let asked = SqlStatement { sql: "SELECT current_user::text".into(), types: Vec::new() };
        let mut connection = self.connections.take().await.ok()?;
        let found = connection.send(&[Request::Statement(&asked, Vec::new())], self.limit).await.ok()?;
        found.first()?.first()?.try_get(0).ok()
    }
}

/// What begins the answer that rows are hidden.
const HIDDEN: &str = "row-level security ";

/// Asks whether the server hides rows of a schema from this role, and of which tables. `schema` is an
/// expression. The answer is NULL, or a text for [`refusal_of_hidden`].
pub(super) fn hidden_rows(schema: &str) -> String {
    format!(
        "SELECT concat('{HIDDEN}', string_agg(c.relname::text, ', ' ORDER BY c.relname), ': ', current_user::text)
         FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
         WHERE n.nspname = {schema} AND c.relkind IN ('r', 'p') AND row_security_active(c.oid)
         HAVING count(*) > 0"
    )
}

/// What somebody hears from whom rows are hidden, if that is the answer.
pub(super) fn refusal_of_hidden(schema: &str, said: &str) -> Option<PostgresError> {
    let (tables, role) = said.strip_prefix(HIDDEN)?.split_once(": ")?;
    let (first, named) = (tables.split(", ").next().unwrap_or_default(), quoted(schema));
    let remedy = format!(
        "as the owner of the tables write ALTER TABLE {named}.{first} DISABLE ROW LEVEL SECURITY, and so for each of them"
    );
    let refused = format!("see all rows of {tables}: row-level security hides some");
    let (role, schema) = (role.to_owned(), schema.to_owned());
    let source = "row_security_active() says so".into();
    Some(PostgresError::Rights { schema, role, refused, remedy, source })
}

/// Tells whether the role lacks a right.
pub(super) fn is_refusal(error: &Error) -> bool {
    error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE)
}

/// Tells whether a table is not there, or not as it was made.
fn is_missing(error: &Error) -> bool {
    let missing = [
        SqlState::INVALID_COLUMN_REFERENCE,
        SqlState::INVALID_SCHEMA_NAME,
        SqlState::UNDEFINED_COLUMN,
        SqlState::UNDEFINED_TABLE,
    ];
    error.code().is_some_and(|code| missing.contains(code))
}
