//! Failures of a store in PostgreSQL, as the cause of a [`StoreError`](super::StoreError).

use std::time::Duration;

use super::BoxError;

/// Why a [`PostgresStore`](crate::PostgresStore) failed: the source of
/// [`StoreError::Backend`](super::StoreError::Backend).
///
/// The text of the server may be in it, the address of the database, and names of its objects. No password.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum PostgresError {
    /// No connection was free in time. Nothing has happened.
    #[error(
        "all {size} connections to PostgreSQL were in use for {after:?}: the database is slow, or `pool_size` is too small"
    )]
    Busy {
        /// How many connections there may be.
        size: usize,
        /// The time limit.
        after: Duration,
    },
    /// There is no connection, and none could be opened. Nothing has happened.
    #[error("cannot connect to PostgreSQL")]
    Connect(#[source] BoxError),
    /// A change ran into other changes again and again. Nothing has happened.
    #[error("PostgreSQL undid a change because of others at the same time, {attempts} times")]
    Conflict {
        /// How often it was tried.
        attempts: u32,
    },
    /// A row is needed whose record cannot be read, or is not the one that its other columns speak of.
    /// Nothing has happened.
    #[error(
        "a row of {table} is damaged (its key in hexadecimal digits is {key}): `jwtauth doctor` names all such rows, and `jwtauth repair` takes them out"
    )]
    DamagedRow {
        /// The table.
        table: &'static str,
        /// The key of the row, in hexadecimal digits.
        key: String,
    },
    /// The server would lose what it has acknowledged.
    #[error(
        "PostgreSQL runs with `{setting} = off`, so a crash loses logouts that were acknowledged: {remedy}"
    )]
    Durability {
        /// The setting of the server.
        setting: &'static str,
        /// What to do.
        remedy: &'static str,
    },
    /// Tables, columns or rows are not there that every store has. Nothing was changed.
    #[error(
        "schema {schema:?} is not whole, it lacks {missing}: somebody has removed it, or a dump was restored in part. Restore the whole dump. To start with nothing: DROP SCHEMA {schema:?} CASCADE, and the next start makes all tables"
    )]
    Incomplete {
        /// The name of the schema.
        schema: String,
        /// What is missing.
        missing: String,
    },
    /// The tables were made by a newer release of this crate. Nothing was changed.
    #[error(
        "schema {schema:?} has version {found}, made by a newer release of jwtauth, and this one knows versions up to {newest}: use that release, or name another schema"
    )]
    NewerSchema {
        /// The name of the schema.
        schema: String,
        /// Its version.
        found: i64,
        /// The newest version that is known.
        newest: i64,
    },
    /// The records in the tables were moved into another store by a migration. What is ended there is not
    /// known here.
    #[error(
        "what was in schema {schema:?} was moved to {to}: start the server there. It must not serve both, because who logs out there would be let in here. To serve this one all the same, and never again that one: UPDATE {schema:?}.store_mark SET mark = NULL"
    )]
    Moved {
        /// The name of the schema.
        schema: String,
        /// Where they are now. No password is in it.
        to: String,
    },
    /// There are no tables, or those of an earlier release, and they were not to be made or changed.
    #[error(
        "schema {schema:?} has version {found} of the tables of jwtauth (0: none), and this release needs version {newest}: start the server on it once, which makes them. If a migration or a restore into it was stopped, do that again instead: a server would begin with nothing"
    )]
    OldSchema {
        /// The name of the schema.
        schema: String,
        /// Its version; 0 if there are no tables.
        found: i64,
        /// The version that is needed.
        newest: i64,
    },
    /// The role that is named in the URL may not do what a store does. Nothing was changed.
    #[error("role {role:?} may not {refused} in schema {schema:?}: {remedy}")]
    Rights {
        /// The name of the schema.
        schema: String,
        /// The role.
        role: String,
        /// What it may not do.
        refused: String,
        /// What to write.
        remedy: String,
        /// What the server says.
        source: BoxError,
    },
    /// A setting was refused.
    #[error("{setting} of the PostgreSQL store is refused: {problem}")]
    Setting {
        /// The name of the setting.
        setting: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// The server refused a statement.
    #[error("PostgreSQL refused a statement")]
    Statement(#[source] BoxError),
    /// A migration or a restore into the tables did not come to its end.
    #[error(
        "schema {schema:?} is not whole: a migration or a restore into it did not come to its end. Do it again, such as with `jwtauth migrate FROM TO`. To start without all of it: DROP SCHEMA {schema:?} CASCADE"
    )]
    Unfinished {
        /// The name of the schema.
        schema: String,
    },
    /// The connection broke while a change was being committed. The change may have happened.
    #[error("the connection to PostgreSQL broke during a commit, and the change may have happened")]
    Uncertain(#[source] BoxError),
}

debug_with_causes!(PostgresError);

impl From<PostgresError> for super::StoreError {
    fn from(error: PostgresError) -> Self {
        Self::Backend(error.into())
    }
}
