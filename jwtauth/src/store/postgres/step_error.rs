//! Why a step did not happen, and whether to try again: by what an error of the driver means.

use tokio_postgres::Error;
use tokio_postgres::error::{Severity, SqlState};

use crate::error::{PostgresError, StoreError};

/// Why a step did not happen.
#[derive(Debug)]
pub(super) enum StepError {
    /// The driver, or the server, said so.
    Driver(Error),
    /// Something else happened in between: try again.
    Overtaken,
    /// Trying again is of no use.
    Store(StoreError),
}

impl StepError {
    /// Tells whether the server undid the transaction because of others, so that it can be tried again.
    pub(super) fn is_conflict(&self) -> bool {
        match self {
            Self::Driver(error) => matches!(
                error.code(),
                Some(&SqlState::T_R_SERIALIZATION_FAILURE | &SqlState::T_R_DEADLOCK_DETECTED)
            ),
            Self::Overtaken => true,
            Self::Store(_) => false,
        }
    }

    /// Tells whether the server takes no changes now.
    pub(super) fn is_read_only(&self) -> bool {
        matches!(self, Self::Driver(error) if error.code() == Some(&SqlState::READ_ONLY_SQL_TRANSACTION))
    }

    /// Tells whether the server has surely undone the transaction: it refused a statement, and goes on.
    pub(super) fn has_undone(&self) -> bool {
        let Self::Driver(error) = self else { return false };
        let refused = error.as_db_error();
        // Of class 08 are those of a pooler that has lost its server.
        refused.is_some_and(|it| {
            it.parsed_severity() == Some(Severity::Error) && !it.code().code().starts_with("08")
        })
    }

    /// Tells whether another connection may do better: this one is broken, or leads to a server that ends,
    /// starts, or takes no changes. Or the tables may not be served any more (`statement_guard`), and a new
    /// one says why.
    pub(super) fn is_of_connection(&self) -> bool {
        let Self::Driver(error) = self else { return false };
        let Some(code) = error.code() else { return true };
        let of_server = [
            SqlState::ADMIN_SHUTDOWN,
            SqlState::CANNOT_CONNECT_NOW,
            SqlState::CRASH_SHUTDOWN,
            SqlState::DIVISION_BY_ZERO,
            SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
            SqlState::READ_ONLY_SQL_TRANSACTION,
            SqlState::TOO_MANY_CONNECTIONS,
        ];
        code.code().starts_with("08") || of_server.contains(code) || is_of_pooler(code)
    }
}

/// Tells whether a prepared statement is not there, or another one is: statements of one client go to many
/// sessions of the server.
pub(super) fn is_of_pooler(code: &SqlState) -> bool {
    [SqlState::INVALID_SQL_STATEMENT_NAME, SqlState::DUPLICATE_PSTATEMENT].contains(code)
}

impl From<Error> for StepError {
    fn from(error: Error) -> Self {
        Self::Driver(error)
    }
}

impl From<StoreError> for StepError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<PostgresError> for StepError {
    fn from(error: PostgresError) -> Self {
        Self::Store(error.into())
    }
}

impl From<super::super::codec::RecordError> for StepError {
    fn from(error: super::super::codec::RecordError) -> Self {
        Self::Store(error.into())
    }
}

impl From<StepError> for StoreError {
    fn from(failure: StepError) -> Self {
        match failure {
            StepError::Store(error) => error,
            StepError::Overtaken => PostgresError::Conflict { attempts: 1 }.into(),
            failure if failure.is_of_connection() => match failure {
                StepError::Driver(error) => PostgresError::Connect(error.into()).into(),
                _ => Self::Closed,
            },
            StepError::Driver(error) => PostgresError::Statement(error.into()).into(),
        }
    }
}
