//! The tables, and how they come to be what this release needs.
//!
//! # Invariants
//!
//! 1. Of many programs that start at once one changes the tables, and the others wait for it: they lock the
//!    row with the version.
//! 2. Tables of the right version are not touched, so a role that may only read and write rows will do.
//! 3. Tables of a newer version are not touched either, and refused.
//! 4. No store opens on tables that are not all there, or that its role may not use as it must.
//! 5. A change of the tables is one transaction, so a program that is killed leaves the version before it.

use std::sync::Arc;
use std::time::Duration;

use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;

use super::connections::{Connection, Connections, Request};
use super::rows;
use super::schema_name::quoted;
use super::statements::SqlStatement;
use super::step_error::StepError;
use super::table_check::{Refused, TableCheck, is_refusal};
use crate::error::{PostgresError, StoreError};
use crate::shutdown::is_asked;

/// How long it waits without a word.
const SILENCE: Duration = Duration::from_millis(500);

/// How long a change of the tables may take.
const LIMIT: Duration = Duration::from_secs(600);

/// How often it is tried to make what others make at the same time.
const ATTEMPTS: u32 = 20;

/// The steps from each version to the next one. Never change one that was released.
const MIGRATIONS: [&str; 3] = [
    "
    CREATE TABLE @subjects (subject bytea PRIMARY KEY);
    CREATE TABLE @sessions (
        id bytea PRIMARY KEY, subject bytea NOT NULL, expires_at bigint NOT NULL, record bytea NOT NULL);
    CREATE INDEX sessions_by_subject ON @sessions (subject);
    CREATE INDEX sessions_by_expiry ON @sessions (expires_at);
    CREATE TABLE @tokens (
        session bytea, place bytea, expires_at bigint NOT NULL, record bytea NOT NULL,
        PRIMARY KEY (session, place));
    CREATE INDEX tokens_by_expiry ON @tokens (expires_at);
    CREATE TABLE @kept_values (name bytea PRIMARY KEY, expires_at bigint NOT NULL, record bytea NOT NULL);
    CREATE INDEX values_by_expiry ON @kept_values (expires_at);
    CREATE TABLE @accounts (id bytea PRIMARY KEY, key bytea NOT NULL UNIQUE, record bytea NOT NULL);
    CREATE TABLE @events (number bigint PRIMARY KEY, record bytea NOT NULL);
    CREATE TABLE @trail_head (the_row boolean PRIMARY KEY DEFAULT true CHECK (the_row), record bytea);
    INSERT INTO @trail_head (record) VALUES (NULL);
",
    // What `schema_mark` says.
    "CREATE TABLE @store_mark (the_row boolean PRIMARY KEY DEFAULT true CHECK (the_row), mark bytea);
    INSERT INTO @store_mark (mark) VALUES (NULL)",
    "CREATE TABLE @counters (
        name bytea PRIMARY KEY, kind bigint NOT NULL, expires_at bigint NOT NULL, record bytea);
    CREATE INDEX counters_by_expiry ON @counters (kind, expires_at)",
];

/// The version that this release reads and writes.
const NEWEST: u64 = MIGRATIONS.len() as u64;

/// The tables of one store.
pub(super) struct Schema<'a> {
    pub(super) name: &'a str,
    pub(super) connections: &'a Arc<Connections>,
    pub(super) timeout: Duration,
    /// Whether they may be made and changed.
    pub(super) makes_tables: bool,
    /// Whether their rows will be written.
    pub(super) is_served: bool,
}

impl Schema<'_> {
    /// Brings the tables to the newest version, and says so if it has to wait. Returns the latest time that
    /// anything was decided by.
    pub(super) async fn prepare_in_turn(&self) -> Result<u64, StoreError> {
        let mut prepared = std::pin::pin!(self.prepare());
        let mut is_told = false;
        loop {
            match tokio::time::timeout(SILENCE, &mut prepared).await {
                Ok(done) => return done,
                Err(_) if is_asked() => return Err(StoreError::ToldToEnd),
                Err(_) if is_told => {}
                Err(_) => {
                    is_told = true;
                    tracing::warn!(target: "jwtauth", schema = self.name, "waiting for the tables of the store: another program changes or locks them, or the database is slow");
                }
            }
        }
    }

    /// Brings the tables to the newest version. Returns the latest time that anything was decided by.
    async fn prepare(&self) -> Result<u64, StoreError> {
        let mut attempts = 1;
        loop {
            match self.bring_up().await {
                Ok(latest) => return Ok(latest),
                // Another program makes the same.
                Err(failure) if is_of_others(&failure) && attempts < ATTEMPTS => {
                    attempts += 1;
                    tokio::time::sleep(Duration::from_millis(25)).await;
                }
                Err(StepError::Driver(error)) if error.code() == Some(&SqlState::DUPLICATE_TABLE) => {
                    let said = error.as_db_error().map_or("a table is there", |said| said.message());
                    return Err(self.tables().incomplete(format!("its row in schema_state: {said}")).into());
                }
                Err(failure) => return Err(failure.into()),
            }
        }
    }

    const fn tables(&self) -> TableCheck<'_> {
        TableCheck { schema: self.name, connections: self.connections, limit: LIMIT }
    }

    async fn bring_up(&self) -> Result<u64, StepError> {
        let found = match self.version().await {
            Err(StepError::Driver(error)) if is_refusal(&error) => {
                return Err(self.tables().refusal(Refused::Rows(vec!["schema_state"]), error).await);
            }
            found => self.check(found?)?,
        };
        if found < NEWEST {
            match self.make(found).await {
                Err(StepError::Driver(error)) if is_refusal(&error) => {
                    return Err(self.tables().refusal(Refused::Tables, error).await);
                }
                made => made?,
            }
        }
        self.tables().run(self.is_served).await?;
        self.latest().await
    }

    /// Makes or changes the tables of an earlier version.
    async fn make(&self, found: u64) -> Result<(), StepError> {
        match found {
            found if !self.makes_tables => {
                let (found, newest) = (found.cast_signed(), NEWEST.cast_signed());
                return Err(PostgresError::OldSchema { schema: self.name.to_owned(), found, newest }.into());
            }
            0 => self.make_state().await?,
            _ => {}
        }
        self.migrate().await
    }

    /// Returns what a version means for this release, if it knows it.
    fn check(&self, found: u64) -> Result<u64, StepError> {
        if found <= NEWEST {
            return Ok(found);
        }
        let (found, newest) = (found.cast_signed(), NEWEST.cast_signed());
        Err(PostgresError::NewerSchema { schema: self.name.to_owned(), found, newest }.into())
    }

    /// Returns the version of the tables; 0 if there are none.
    async fn version(&self) -> Result<u64, StepError> {
        let mut connection = self.connections.take().await?;
        let state = "FROM pg_catalog.pg_tables WHERE tablename = 'schema_state' AND schemaname";
        if self.is_there(&mut connection, state).await? {
            // Before a row that is not seen is taken for one that is not there.
            self.tables().refuse_hidden_rows(&mut connection).await?;
            self.ask(&mut connection, "SELECT version FROM @schema_state").await
        } else {
            Ok(0)
        }
    }

    /// Asks the catalog for something that has the name of the schema.
    async fn is_there(&self, connection: &mut Connection, from: &str) -> Result<bool, StepError> {
        let sql = format!("SELECT 1 {from} = convert_from($1, 'UTF8')");
        let asked = SqlStatement { sql, types: vec![Type::BYTEA] };
        let request = Request::Statement(&asked, vec![self.name.as_bytes().into()]);
        Ok(!connection.send(&[request], self.timeout).await?.iter().all(Vec::is_empty))
    }

    async fn latest(&self) -> Result<u64, StepError> {
        let mut connection = self.connections.take().await?;
        self.ask(&mut connection, "SELECT latest FROM @schema_state").await
    }

    /// Makes the row that is locked.
    async fn make_state(&self) -> Result<(), StepError> {
        let mut connection = self.connections.take().await?;
        // Who may not make schemas may find one.
        if !self.is_there(&mut connection, "FROM pg_catalog.pg_namespace WHERE nspname").await? {
            self.run(&mut connection, "CREATE SCHEMA IF NOT EXISTS @").await?;
        }
        let state = "CREATE TABLE IF NOT EXISTS @schema_state (
                the_row boolean PRIMARY KEY DEFAULT true CHECK (the_row), version bigint NOT NULL,
                latest bigint NOT NULL);
            INSERT INTO @schema_state (version, latest) VALUES (0, 0) ON CONFLICT DO NOTHING";
        self.run(&mut connection, state).await
    }

    async fn migrate(&self) -> Result<(), StepError> {
        let mut connection = self.connections.take().await?;
        self.run(&mut connection, "BEGIN").await?;
        connection.hold();
        let found = self.ask(&mut connection, "SELECT version FROM @schema_state FOR UPDATE").await?;
        connection.hold();
        let found = self.check(found)?;
        for migration in MIGRATIONS.iter().skip(found.try_into().unwrap_or(usize::MAX)) {
            self.run(&mut connection, migration).await?;
            connection.hold();
        }
        let state = format!("UPDATE @schema_state SET version = {NEWEST}; COMMIT");
        connection.will_commit();
        self.run(&mut connection, &state).await?;
        // Of many programs that start at once, one has made it.
        if found == 0 {
            tracing::info!(target: "jwtauth", schema = self.name, "a new session store was made, because none was there");
        }
        Ok(())
    }

    async fn ask(&self, connection: &mut Connection, sql: &str) -> Result<u64, StepError> {
        let statement = SqlStatement { sql: self.in_schema(sql), types: Vec::new() };
        let asked = connection.send(&[Request::Statement(&statement, Vec::new())], LIMIT).await?;
        match asked.first() {
            Some(found) if !found.is_empty() => rows::number(found),
            _ => Err(self.tables().incomplete("the row of schema_state".into()).into()),
        }
    }

    async fn run(&self, connection: &mut Connection, sql: &str) -> Result<(), StepError> {
        connection.send(&[Request::Plain(self.in_schema(sql))], LIMIT).await.map(|_| ())
    }

    fn in_schema(&self, sql: &str) -> String {
        let name = quoted(self.name);
        match sql.strip_suffix('@') {
            Some(sql) => format!("{sql}{name}"),
            None => sql.replace('@', &format!("{name}.")),
        }
    }
}

/// Tells whether another program was faster, or is.
fn is_of_others(failure: &StepError) -> bool {
    let StepError::Driver(error) = failure else { return failure.is_conflict() };
    let of_others = [
        SqlState::DUPLICATE_OBJECT,
        SqlState::DUPLICATE_SCHEMA,
        SqlState::DUPLICATE_TABLE,
        SqlState::UNIQUE_VIOLATION,
    ];
    failure.is_conflict() || error.code().is_some_and(|code| of_others.contains(code))
}
