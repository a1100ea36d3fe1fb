//! Records as rows: which bytes stand in which column.
//!
//! A record has the same bytes as in a [`SledStore`](crate::SledStore), because its checksum covers the key
//! that it has there. So records are moved from one to the other as they are.

use tokio_postgres::Row;

use super::super::codec::{self, RecordError};
use super::super::rules;
use super::super::value_store::{StoredValue, ValueKey};
use super::super::whole_store::{RecordKey, StoreRecord};
use super::connections::Param;
use super::statements::SqlStatement;
use super::step_error::StepError;
use super::transaction::Transaction;
use crate::error::{PostgresError, StoreError};
use crate::id::{SessionId, TokenId};
use crate::record::Session;
use crate::registry::{TokenKind, TokenRecord};

/// Where the place of a token begins in its key: behind a letter and the id of its session.
const PLACE: usize = 17;

/// Returns the bytes of a column.
pub(super) fn bytes(row: &Row, column: usize) -> Result<&[u8], StepError> {
    Ok(row.try_get(column)?)
}

/// Returns the only number of the only row.
pub(super) fn number(rows: &[Row]) -> Result<u64, StepError> {
    let number: i64 = rows.first().ok_or_else(is_damaged)?.try_get(0)?;
    Ok(number.try_into().unwrap_or(0))
}

/// A row that is no record: somebody else has written it.
pub(super) fn is_damaged() -> StepError {
    RecordError::Damaged.into()
}

/// Returns the id in a row with a session.
pub(super) fn session_id(row: &Row) -> Result<SessionId, StepError> {
    Ok(SessionId::from_bytes(bytes(row, 0)?.try_into().map_err(|_| is_damaged())?))
}

/// What somebody hears who needs a row that is damaged. `key` is what its record stands under in a store.
pub(super) fn damaged_row(table: &'static str, key: &[u8]) -> StepError {
    PostgresError::DamagedRow { table, key: hex(key.get(1..).unwrap_or_default()) }.into()
}

/// Returns bytes as hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Tells whether a column has this number.
fn is_number(row: &Row, column: usize, number: u64) -> bool {
    // As it was written: what is too large stands there as the largest number.
    matches!(Param::from(number), Param::Number(written) if row.try_get(column).is_ok_and(|found: i64| found == written))
}

/// Reads a row with a session: id, subject, expires_at, record. By its columns others find it, so one whose
/// columns are not those of its record is damaged: a revocation of all sessions of its subject misses it.
pub(super) fn session(row: &Row) -> Result<Session, RecordError> {
    let id = bytes(row, 0).ok().and_then(|id| id.try_into().ok()).ok_or(RecordError::Damaged)?;
    let (id, record) = (SessionId::from_bytes(id), bytes(row, 3).map_err(|_| RecordError::Damaged)?);
    let session = codec::decode_session(&codec::encode_key(&RecordKey::Session(id)), id, record)?;
    let fits = bytes(row, 1).is_ok_and(|subject| subject == session.subject.as_bytes())
        && is_number(row, 2, session.expires_at);
    if fits { Ok(session) } else { Err(RecordError::Damaged) }
}

/// Reads a row with a session. One that is damaged is gone: it lets nobody in, and keeps nobody out.
pub(super) fn readable_session(row: &Row) -> Result<Option<Session>, StepError> {
    let session = readable(session(row))?;
    if session.is_none() {
        let id = bytes(row, 0)?;
        let id = <[u8; 16]>::try_from(id).map_or_else(|_| hex(id), |id| SessionId::from_bytes(id).log_id());
        tracing::error!(target: "jwtauth", session = id, "a session record cannot be read and is treated as gone");
    }
    Ok(session)
}

/// Reads all of these that can be read.
pub(super) fn sessions(rows: &[Row]) -> Result<Vec<Session>, StepError> {
    rows.iter().filter_map(|row| readable_session(row).transpose()).collect()
}

/// Returns a record, and `None` if it is damaged.
pub(super) fn readable<T>(record: Result<T, RecordError>) -> Result<Option<T>, StepError> {
    match record {
        Ok(record) => Ok(Some(record)),
        Err(RecordError::Damaged) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Returns the record of a session as bytes.
fn session_record(session: &Session) -> Result<Vec<u8>, StoreError> {
    codec::encode_session(&codec::encode_key(&RecordKey::Session(session.id)), session)
}

/// Returns the parameters of `put_session`.
pub(super) fn session_params(session: &Session) -> Result<Vec<Param>, StoreError> {
    let id = Param::from(&session.id.as_bytes()[..]);
    let record = session_record(session)?.into();
    Ok(vec![id, session.subject.as_bytes().into(), session.expires_at.into(), record])
}

pub(super) fn ids(sessions: impl IntoIterator<Item = SessionId>) -> Param {
    sessions.into_iter().map(|id| id.as_bytes().to_vec()).collect::<Vec<_>>().into()
}

/// Reads a row with the record of a token: session, place, expires_at, record. Returns its generation too.
/// `None` if it is damaged: such a record says what was, and decides nothing.
pub(super) fn readable_token(row: &Row) -> Result<Option<(u64, TokenRecord)>, StepError> {
    let key = [b"t", bytes(row, 0)?, bytes(row, 1)?].concat();
    let record = codec::decode_record(&key, bytes(row, 3)?);
    Ok(readable(record)?.and_then(|record| match record {
        StoreRecord::Token { generation, token } => Some((generation, token)),
        _ => None,
    }))
}

/// Returns where the record of a token stands among those of its session: generation, kind, id.
pub(super) fn place(generation: u64, kind: TokenKind, token: TokenId) -> Vec<u8> {
    let session = SessionId::from_bytes([0; 16]);
    let id = (kind != TokenKind::Refresh).then_some(token);
    codec::encode_key(&RecordKey::Token { session, generation, kind, id }).split_off(PLACE)
}

/// Reads a row with a value: name, expires_at, record.
pub(super) fn value(row: &Row) -> Result<(ValueKey, StoredValue), StepError> {
    let key = [b"v", bytes(row, 0)?].concat();
    let damaged = || damaged_row("kept_values", &key);
    let name = ValueKey::from_bytes(bytes(row, 0)?.try_into().map_err(|_| damaged())?);
    let value = readable(codec::decode_value(&key, bytes(row, 2)?))?;
    Ok((name, value.ok_or_else(damaged)?))
}

/// Returns the parameters of `add_value` and `change_value`.
pub(super) fn value_params(name: ValueKey, value: &StoredValue) -> Result<Vec<Param>, StoreError> {
    let record = codec::encode_value(&codec::encode_key(&RecordKey::Value(name)), value)?;
    Ok(vec![name.as_bytes()[..].into(), value.expires_at.into(), record.into()])
}

/// Returns the parameters of `put_token`.
pub(super) fn token_params(generation: u64, token: TokenRecord) -> Result<Vec<Param>, StoreError> {
    let (mut key, record) = codec::encode_record(&StoreRecord::Token { generation, token })?;
    let place = key.split_off(PLACE);
    let session = token.session.as_bytes()[..].into();
    Ok(vec![session, place.into(), token.expires_at.into(), record.into()])
}

impl<'c> Transaction<'c> {
    /// Returns a session that nobody else changes before this transaction ends, or as it was read before.
    /// Then the transaction is undone if it does not stand like that.
    pub(super) async fn lock_session(&mut self, id: SessionId) -> Result<Option<Session>, StepError> {
        if let Some(seen) = self.guess(id) {
            return Ok(Some(seen));
        }
        let rows = self.query(&self.statements().lock_session, vec![id.as_bytes()[..].into()]).await?;
        rows.first().map_or(Ok(None), readable_session)
    }

    /// Makes everybody wait who opens sessions of a subject or changes all of them.
    pub(super) fn lock_subject(&mut self, subject: &str) {
        self.write(&self.statements().lock_subject, vec![subject.as_bytes().into()]);
    }

    /// Writes a session that was there.
    pub(super) fn change_session(&mut self, session: &Session) -> Result<(), StepError> {
        let id = session.id.as_bytes()[..].into();
        let mut params = vec![id, session.expires_at.into(), session_record(session)?.into()];
        let Some(seen) = self.unproven(session.id) else {
            self.write(&self.statements().change_session, params);
            return Ok(());
        };
        params.push(session_record(&seen)?.into());
        self.write_as_proof(&self.statements().replace_session, params);
        Ok(())
    }

    /// Runs a rule on each session of a subject. Returns how many it has changed.
    pub(super) async fn alter_all(
        &mut self,
        subject: &str,
        rule: impl Fn(&mut Session) -> bool + Send,
    ) -> Result<usize, StepError> {
        self.lock_subject(subject);
        let params = vec![subject.as_bytes().into()];
        let mut altered = 0;
        let rows = self.query(&self.statements().lock_sessions_of, params).await?;
        for mut session in sessions(&rows)? {
            if rule(&mut session) {
                self.change_session(&session)?;
                altered += 1;
            }
        }
        if rows.is_empty() {
            // The lock has made it.
            self.forget_subjects(vec![subject.as_bytes().to_vec()]);
        }
        Ok(altered)
    }

    /// Removes those of these subjects that have no session.
    pub(super) fn forget_subjects(&mut self, subjects: Vec<Vec<u8>>) {
        self.write(&self.statements().forget_subjects, vec![subjects.into()]);
    }

    /// Removes sessions, and what was recorded of their tokens.
    pub(super) fn remove_sessions(&mut self, gone: &[SessionId]) {
        if !gone.is_empty() {
            self.write(&self.statements().remove_sessions, vec![ids(gone.iter().copied())]);
            self.write(&self.statements().remove_tokens_of, vec![ids(gone.iter().copied())]);
        }
    }

    /// Writes the record of a token.
    pub(super) fn put_token(&mut self, generation: u64, token: TokenRecord) -> Result<(), StepError> {
        self.write(&self.statements().put_token, token_params(generation, token)?);
        Ok(())
    }

    /// Removes the oldest records of the tokens of a session, if there are too many.
    pub(super) fn forget_tokens(&mut self, session: SessionId) {
        let kept = rules::TOKENS_KEPT as u64 - 1;
        let params = vec![session.as_bytes()[..].into(), kept.into()];
        self.write(&self.statements().forget_tokens, params);
    }

    /// Asks with a statement, and tells whether it has returned a row.
    pub(super) async fn found(
        &mut self,
        statement: &'c SqlStatement,
        params: Vec<Param>,
    ) -> Result<bool, StepError> {
        Ok(!self.query(statement, params).await?.is_empty())
    }
}
