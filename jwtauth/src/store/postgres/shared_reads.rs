//! Reads of sessions that come at the same time: they are one question to the database, and one round trip.
//!
//! A question costs both sides far more than what it asks for: a message each way, a transaction, a snapshot.
//! So whoever comes while a question is under way waits for the next one, with all others who wait.
//!
//! # Invariants
//!
//! 1. A question is sent after all have come who share it. Nobody gets a record that was read before.
//! 2. A question runs on a task of its own: whoever stops waiting takes nothing from the others.
//! 3. Nobody waits longer than [`PATIENCE`] for an answer to others, as long as there are fewer questions
//!    than connections.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use super::Database;
use super::connections::Param;
use super::rows;
use crate::error::{PostgresError, StoreError, in_one_line};
use crate::id::SessionId;
use crate::record::Session;

/// How many sessions one question asks for. A statement has so many parameters.
const BATCH: usize = 16;

/// How long others wait while a question is under way. A database that is near answers before that.
const PATIENCE: Duration = Duration::from_millis(2);

/// What was read for one. What failed is told to all who shared the question.
type SharedAnswer = Result<Option<Arc<Session>>, Arc<StoreError>>;

/// Those who wait, and how many questions are under way.
pub(super) struct SharedReads {
    line: Mutex<ReadLine>,
    /// How many questions there may be at a time.
    max: usize,
}

#[derive(Default)]
struct ReadLine {
    waiting: VecDeque<WaitingRead>,
    asking: usize,
}

struct WaitingRead {
    id: SessionId,
    answer: oneshot::Sender<SharedAnswer>,
}

impl SharedReads {
    pub(super) fn new(max: usize) -> Self {
        Self { line: Mutex::default(), max }
    }

    fn lock(&self) -> MutexGuard<'_, ReadLine> {
        // OK because nothing under the lock can panic half-way, except an allocation, which aborts.
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits in line. Returns a turn if somebody has to ask now.
    fn join(self: &Arc<Self>, one: WaitingRead) -> Option<ReadTurn> {
        let mut line = self.lock();
        line.waiting.push_back(one);
        let is_due = line.asking == 0 || line.waiting.len() >= BATCH;
        self.turn(&mut line, is_due)
    }

    /// Returns a turn if somebody waits.
    fn another(self: &Arc<Self>) -> Option<ReadTurn> {
        let mut line = self.lock();
        let is_due = !line.waiting.is_empty();
        self.turn(&mut line, is_due)
    }

    fn turn(self: &Arc<Self>, line: &mut ReadLine, is_due: bool) -> Option<ReadTurn> {
        if !is_due || line.asking == self.max {
            return None;
        }
        line.asking += 1;
        Some(ReadTurn { reads: Arc::clone(self), is_over: false })
    }
}

/// The right to ask until nobody waits.
struct ReadTurn {
    reads: Arc<SharedReads>,
    is_over: bool,
}

impl ReadTurn {
    /// Returns who is asked for next. Ends the turn if nobody waits.
    fn batch(&mut self) -> Option<Vec<WaitingRead>> {
        let mut line = self.reads.lock();
        let count = line.waiting.len().min(BATCH);
        if count == 0 {
            line.asking -= 1;
            self.is_over = true;
            return None;
        }
        Some(line.waiting.drain(..count).collect())
    }
}

impl Drop for ReadTurn {
    fn drop(&mut self) {
        if !self.is_over {
            // The runtime ends, or something has panicked. Those who wait join the line again.
            let mut line = self.reads.lock();
            line.asking -= 1;
            line.waiting.clear();
        }
    }
}

impl Database {
    /// Reads a session. One that is damaged is none.
    pub(super) async fn load_session(
        self: &Arc<Self>,
        id: SessionId,
    ) -> Result<Option<Arc<Session>>, StoreError> {
        for _ in 0..2 {
            let (answer, answered) = oneshot::channel();
            if let Some(turn) = self.reads.join(WaitingRead { id, answer }) {
                self.ask_in_turn(turn);
            }
            if let Ok(answer) = answered.await {
                let session = answer.map_err(told_to_each)?;
                session.iter().for_each(|session| self.seen.note(session));
                return Ok(session);
            }
        }
        Err(StoreError::Closed)
    }

    fn ask_in_turn(self: &Arc<Self>, mut turn: ReadTurn) {
        let database = Arc::clone(self);
        tokio::spawn(async move {
            while let Some(batch) = turn.batch() {
                database.answer(batch).await;
            }
        });
    }

    /// Asks for these, and lets others ask meanwhile if that takes long.
    async fn answer(self: &Arc<Self>, batch: Vec<WaitingRead>) {
        let mut ids: Vec<_> = batch.iter().map(|one| one.id).collect();
        ids.sort_unstable();
        ids.dedup();
        let mut question = std::pin::pin!(self.ask(&ids));
        let answers = loop {
            match tokio::time::timeout(PATIENCE, &mut question).await {
                Ok(answers) => break answers,
                Err(_) => {
                    if let Some(turn) = self.reads.another() {
                        self.ask_in_turn(turn);
                    }
                }
            }
        };
        let answers = answers.map_err(Arc::new);
        for WaitingRead { id, answer } in batch {
            let found = answers.as_ref().map_err(Arc::clone);
            let found = found.and_then(|found| match found.iter().find(|(of, _)| *of == id) {
                Some((_, session)) => session.clone(),
                None => Ok(None),
            });
            // Whoever does not wait any more needs none.
            let _ = answer.send(found);
        }
    }

    /// Asks for sessions, which are all different.
    async fn ask(&self, ids: &[SessionId]) -> Result<Vec<(SessionId, SharedAnswer)>, StoreError> {
        let mut params: Vec<_> = ids.iter().map(|id| Param::from(&id.as_bytes()[..])).collect();
        let statement = if ids.len() == 1 {
            &self.statements.session
        } else {
            // The last one is asked for as often as it takes.
            params.resize_with(BATCH, || {
                ids.last().map_or(Param::Bytes(Vec::new()), |id| id.as_bytes()[..].into())
            });
            &self.statements.some_sessions
        };
        let found = self.read(statement, params).await?;
        let answers = found.iter().map(|row| {
            let session = rows::readable_session(row).map_err(|failure| Arc::new(failure.into()));
            Ok((rows::session_id(row)?, session.map(|session| session.map(Arc::new))))
        });
        answers.collect()
    }
}

/// Returns what failed as an error of one of those who shared the question.
fn told_to_each(shared: Arc<StoreError>) -> StoreError {
    let error = match Arc::try_unwrap(shared) {
        Ok(error) => return error,
        Err(shared) => shared,
    };
    match &*error {
        StoreError::Closed => StoreError::Closed,
        StoreError::TimedOut { after } => StoreError::TimedOut { after: *after },
        StoreError::Backend(source) => match source.downcast_ref() {
            Some(PostgresError::Busy { size, after }) => {
                PostgresError::Busy { size: *size, after: *after }.into()
            }
            Some(PostgresError::Connect(cause)) => {
                PostgresError::Connect(in_one_line(&**cause).into()).into()
            }
            Some(PostgresError::Statement(cause)) => {
                PostgresError::Statement(in_one_line(&**cause).into()).into()
            }
            _ => StoreError::Backend(in_one_line(&**source).into()),
        },
        error => StoreError::Backend(in_one_line(error).into()),
    }
}
