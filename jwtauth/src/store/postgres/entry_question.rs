//! What a new connection is asked before anything else: whether its server may be served from.
//!
//! # Invariants
//!
//! 1. No answer but a good one lets a connection in. An engine that does not know a question has nothing that
//!    it asks for.

use tokio_postgres::error::SqlState;
use tokio_postgres::{Error, SimpleQueryMessage, SimpleQueryRow};

use crate::error::PostgresError;

/// Why a connection is not let in.
pub(super) enum NoEntry {
    /// It could not be asked.
    Failed(Error),
    /// What it answered, in words.
    Refused(String),
}

/// What each new connection asks, and what the answer means.
pub(super) struct EntryQuestion {
    /// Gives one row with a text, or with NULL if all is well.
    pub(super) question: String,
    pub(super) refusal: Box<dyn Fn(&str) -> PostgresError + Send + Sync>,
}

impl EntryQuestion {
    pub(super) async fn ask(&self, client: &tokio_postgres::Client) -> Result<(), NoEntry> {
        let answers = client.simple_query(&self.question).await.map_err(NoEntry::Failed)?;
        match answers.iter().find_map(row_of) {
            Some(row) => match row.get(0) {
                Some(mark) => Err(NoEntry::Refused((self.refusal)(mark).to_string())),
                None => Ok(()),
            },
            None => Err(NoEntry::Refused("the row of store_mark is not there, or row-level security hides it: `jwtauth doctor` says which".into())),
        }
    }
}

fn row_of(answer: &SimpleQueryMessage) -> Option<&SimpleQueryRow> {
    if let SimpleQueryMessage::Row(row) = answer { Some(row) } else { None }
}

/// Refuses a server that repeats what another one does, and later. Engines that have none do not know the
/// question.
pub(super) async fn refuse_standby(client: &tokio_postgres::Client) -> Result<(), NoEntry> {
    let answers = match client.simple_query("SELECT pg_catalog.pg_is_in_recovery()").await {
        Ok(answers) => answers,
        Err(error) if error.code() == Some(&SqlState::UNDEFINED_FUNCTION) => return Ok(()),
        Err(error) => return Err(NoEntry::Failed(error)),
    };
    match answers.iter().find_map(row_of).and_then(|row| row.get(0)) {
        Some("t") => Err(NoEntry::Refused("this server is a standby, so it does not know yet who was logged out a moment ago: name the primary, or all hosts of the cluster".into())),
        _ => Ok(()),
    }
}
