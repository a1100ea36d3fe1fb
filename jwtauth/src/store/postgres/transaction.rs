//! One operation as one transaction: begun, decided, committed, and tried again where the server asks for it.
//!
//! # Invariants
//!
//! 1. A step runs to its end on a task of its own, whoever stops waiting for it: a commit is never cut off.
//! 2. A step that is tried again begins anew, with what stands in the database then. It is not tried again
//!    once its commit was sent, unless the server says that it undid it.
//! 3. The commit of a transaction in which something failed undoes it.
//! 4. The number of attempts, and the time they take, are bounded.
//! 5. A step may be decided by a record as it was read before. Nothing of it is committed unless the record
//!    stands like that: if not, the step begins anew, with its row locked.
//! 6. Whoever stands still in the middle gives its locks back after a while, before those who wait for them
//!    give up. So does whoever waits too long.

use std::future::Future;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_postgres::Row;

use super::Database;
use super::connections::{Connection, Param, Request};
use super::freshness::Touched;
use super::postgres_config::{Isolation, SynchronousCommit};
use super::statements::{SqlStatement, Statements};
use super::step_error::StepError;
use crate::clock::TimeMark;
use crate::error::{PostgresError, StoreError};
use crate::id::SessionId;
use crate::record::Session;

/// How often a step is tried that runs into others.
const ATTEMPTS: u32 = 100;

/// How often a step is tried whose connection breaks.
const CONNECTIONS: u32 = 3;

/// The longest pause before another attempt, in milliseconds.
const LONGEST_PAUSE: u64 = 64;

/// How long a busy process may take between two statements of a transaction at least.
const LEAST_IDLE: Duration = Duration::from_secs(1);

/// How long a commit may take: it may wait for a standby, and it is not stopped.
const COMMIT: Duration = Duration::from_secs(60);

/// What is decided and written in one transaction.
pub(super) trait DatabaseStep: Send + Sync + 'static {
    /// What it returns.
    type Outcome: Send + 'static;

    /// Says which records of sessions it may change.
    fn touches(&self) -> Touched {
        Touched::Any
    }

    /// Reads, decides, and says what is to be written. May be called more than once, in transactions of which
    /// one is committed.
    fn run(
        &self,
        transaction: &mut Transaction<'_>,
    ) -> impl Future<Output = Result<Self::Outcome, StepError>> + Send;
}

/// A record that was read before the transaction.
#[derive(Default)]
enum Guess {
    #[default]
    None,
    /// A step may decide by it.
    Offered(Arc<Session>),
    /// A step has decided by it.
    Unproven(Arc<Session>),
    /// If this one of the statements that wait returns a row, it was right.
    Waiting(usize),
}

/// A transaction that is under way.
pub(super) struct Transaction<'c> {
    database: &'c Database,
    connection: Connection,
    /// What is to be sent before anything else, or with the commit. Begins with BEGIN.
    queue: Vec<Request<'c>>,
    limit: Duration,
    has_begun: bool,
    is_undone: bool,
    is_over: bool,
    guess: Guess,
}

impl<'c> Transaction<'c> {
    pub(super) async fn begin(database: &'c Database, begin: String) -> Result<Self, StepError> {
        let connection = database.connections.take().await?;
        let queue = vec![Request::Plain(begin)];
        Ok(Self {
            database,
            connection,
            queue,
            limit: database.timeout,
            has_begun: false,
            is_undone: false,
            is_over: false,
            guess: Guess::None,
        })
    }

    pub(super) const fn statements(&self) -> &'c Statements {
        &self.database.statements
    }

    pub(super) fn time(&self) -> &'c TimeMark {
        &self.database.time
    }

    /// Sends a statement with the next one whose rows are asked for, or with the commit.
    pub(super) fn write(&mut self, statement: &'c SqlStatement, params: Vec<Param>) {
        self.queue.push(Request::Statement(statement, params));
    }

    /// Sends what waits, and this. Returns its rows.
    pub(super) async fn query(
        &mut self,
        statement: &'c SqlStatement,
        params: Vec<Param>,
    ) -> Result<Vec<Row>, StepError> {
        self.write(statement, params);
        Ok(self.send().await?.pop().unwrap_or_default())
    }

    /// Sends what waits. Returns the rows of each of the statements in it, and none for BEGIN.
    pub(super) async fn send(&mut self) -> Result<Vec<Vec<Row>>, StepError> {
        let requests = std::mem::take(&mut self.queue);
        self.has_begun = true;
        let rows = self.connection.send(&requests, self.limit).await;
        self.connection.hold();
        self.judge(rows?)
    }

    /// Returns the session as it was read before, to be decided by.
    pub(super) fn guess(&mut self, id: SessionId) -> Option<Session> {
        let Guess::Offered(seen) = &self.guess else { return None };
        let guess = (seen.id == id).then(|| Arc::clone(seen))?;
        self.guess = Guess::Unproven(Arc::clone(&guess));
        Some(Session::clone(&guess))
    }

    /// Returns the session as it was read before, if it was decided by.
    pub(super) fn unproven(&self, id: SessionId) -> Option<Arc<Session>> {
        match &self.guess {
            Guess::Unproven(seen) if seen.id == id => Some(Arc::clone(seen)),
            _ => None,
        }
    }

    /// Sends with the next one a statement that returns a row if what was decided by stands.
    pub(super) fn write_as_proof(&mut self, statement: &'c SqlStatement, params: Vec<Param>) {
        self.guess = Guess::Waiting(self.queue.len());
        self.write(statement, params);
    }

    /// Passes these rows on, unless they say that what was decided by does not stand.
    fn judge(&mut self, rows: Vec<Vec<Row>>) -> Result<Vec<Vec<Row>>, StepError> {
        match self.guess {
            Guess::Waiting(proof) if rows.get(proof).is_none_or(Vec::is_empty) => Err(StepError::Overtaken),
            Guess::Waiting(_) => {
                self.guess = Guess::None;
                Ok(rows)
            }
            _ => Ok(rows),
        }
    }

    /// Sees to it that nothing is committed of what was decided by a record that does not stand.
    async fn prove(&mut self) -> Result<(), StepError> {
        let is_alone = !self.has_begun && self.queue.len() == 2;
        match self.guess {
            Guess::Unproven(_) => Err(StepError::Overtaken),
            // With the commit. If it changes nothing, nothing is committed.
            Guess::Waiting(_) if !is_alone => self.send().await.map(drop),
            _ => Ok(()),
        }
    }

    /// Has everything undone at the end, in the place of a commit.
    pub(super) const fn undo(&mut self) {
        self.is_undone = true;
    }

    /// Sends what waits, and this, and commits. Returns its rows. The last that a step does.
    pub(super) async fn query_and_commit(
        &mut self,
        statement: &'c SqlStatement,
        params: Vec<Param>,
    ) -> Result<Vec<Row>, StepError> {
        self.write(statement, params);
        let mut rows = self.send_with_commit().await?;
        // The last one is of the commit.
        rows.truncate(rows.len().saturating_sub(1));
        Ok(rows.pop().unwrap_or_default())
    }

    /// Sends what waits, then commits.
    async fn commit(mut self) -> Result<(), StepError> {
        if self.is_undone {
            self.roll_back().await;
            return Ok(());
        }
        if self.is_over || (!self.has_begun && self.queue.len() == 1) {
            return Ok(());
        }
        self.send_with_commit().await.map(drop)
    }

    async fn send_with_commit(&mut self) -> Result<Vec<Vec<Row>>, StepError> {
        // More than one statement, and only if all of them were fine: the server commits what did not fail.
        // If one fails, COMMIT undoes the transaction.
        self.queue.push(Request::Plain(self.database.commit.clone()));
        let requests = std::mem::take(&mut self.queue);
        self.is_over = true;
        self.connection.will_commit();
        match self.connection.send(&requests, COMMIT).await {
            Ok(rows) => self.judge(rows),
            Err(failure) if failure.is_of_connection() && !failure.has_undone() => match failure {
                StepError::Driver(error) => Err(PostgresError::Uncertain(error.into()).into()),
                failure => Err(failure),
            },
            Err(failure) => Err(failure),
        }
    }

    /// Undoes it.
    pub(super) async fn roll_back(mut self) {
        if self.has_begun && !self.is_over {
            // If that fails, the connection is closed, which undoes it too.
            let roll_back = Request::Plain(self.database.roll_back.clone());
            drop(self.connection.send(&[roll_back], self.limit).await);
        }
    }
}

impl Database {
    /// Returns what a transaction begins with.
    pub(super) fn begin(&self) -> String {
        let isolation = match self.isolation {
            Isolation::ReadCommitted => "READ COMMITTED",
            Isolation::Serializable => "SERIALIZABLE",
        };
        // Before this side gives up: what it gives up on may be the network.
        let timeout = (self.timeout * 3 / 4).as_millis();
        let durable = self.synchronous_commit.map_or("", SynchronousCommit::name);
        let durable = match durable {
            "" => String::new(),
            name => format!("; SET LOCAL synchronous_commit = {name}"),
        };
        let idle = match self.ends_idle_transactions {
            true => format!(
                "; SET LOCAL idle_in_transaction_session_timeout = {}",
                idle_limit(self.timeout).as_millis()
            ),
            false => String::new(),
        };
        // Not for the session: behind a pooler, statements of one client go to many sessions.
        format!("BEGIN ISOLATION LEVEL {isolation}; SET LOCAL statement_timeout = {timeout}{idle}{durable}")
    }

    /// Carries out a step, on the task of the caller.
    pub(super) async fn carry_out<S: DatabaseStep>(&self, step: &S) -> Result<S::Outcome, StoreError> {
        let done = self.repeat(step).await;
        // What failed may have happened.
        self.freshness.changed(step.touches());
        done
    }

    /// Makes attempts until one is committed, or it is of no use.
    async fn repeat<S: DatabaseStep>(&self, step: &S) -> Result<S::Outcome, StoreError> {
        let until = Instant::now() + 2 * self.timeout;
        let (mut attempts, mut connections) = (1, 1);
        let mut seen = match step.touches() {
            Touched::One(id) => self.seen.of(id),
            Touched::Nothing | Touched::Any => None,
        };
        loop {
            let failure = match self.attempt(step, seen.clone()).await {
                Ok(outcome) => return Ok(outcome),
                Err(failure) => failure,
            };
            if failure.is_conflict() && seen.take().is_some() {
                // By what stands there now.
                continue;
            }
            if failure.is_conflict() {
                if attempts == ATTEMPTS || Instant::now() > until {
                    return Err(PostgresError::Conflict { attempts }.into());
                }
                tokio::time::sleep(pause_before(attempts)).await;
                attempts += 1;
            } else if failure.is_of_connection() && connections < CONNECTIONS {
                connections += 1;
            } else {
                return Err(failure.into());
            }
        }
    }

    async fn attempt<S: DatabaseStep>(
        &self,
        step: &S,
        seen: Option<Arc<Session>>,
    ) -> Result<S::Outcome, StepError> {
        let mut transaction = Transaction::begin(self, self.begin()).await?;
        transaction.guess = seen.map_or(Guess::None, Guess::Offered);
        let done = match step.run(&mut transaction).await {
            Ok(outcome) => transaction.prove().await.map(|()| outcome),
            Err(failure) => Err(failure),
        };
        match done {
            Ok(outcome) => transaction.commit().await.map(|()| outcome),
            Err(failure) => {
                if !failure.is_of_connection() {
                    transaction.roll_back().await;
                }
                Err(failure)
            }
        }
    }

    /// Carries out a step on a task of its own, and waits for it as long as anybody should.
    pub(super) async fn change<S: DatabaseStep>(self: &Arc<Self>, step: S) -> Result<S::Outcome, StoreError> {
        let database = Arc::clone(self);
        let task = tokio::spawn(async move { database.carry_out(&step).await });
        match tokio::time::timeout(self.timeout, task).await {
            Ok(Ok(done)) => done,
            // It panicked, or the runtime ends.
            Ok(Err(_)) => Err(StoreError::Closed),
            Err(_) => Err(StoreError::TimedOut { after: self.timeout }),
        }
    }

    /// Asks one question outside of a transaction: one round trip.
    pub(super) async fn read(
        &self,
        statement: &SqlStatement,
        params: Vec<Param>,
    ) -> Result<Vec<Row>, StoreError> {
        let requests = [Request::Statement(statement, params)];
        let until = Instant::now() + self.timeout;
        let mut connections = 1;
        loop {
            let asked = async {
                let mut connection = self.connections.take().await?;
                connection.send(&requests, until.saturating_duration_since(Instant::now())).await
            };
            match asked.await {
                Ok(mut rows) => return Ok(rows.pop().unwrap_or_default()),
                Err(StepError::Store(StoreError::TimedOut { .. })) => {
                    return Err(StoreError::TimedOut { after: self.timeout });
                }
                Err(failure)
                    if failure.is_of_connection() && connections < CONNECTIONS && Instant::now() < until =>
                {
                    connections += 1;
                }
                Err(failure) => return Err(failure.into()),
            }
        }
    }
}

/// Returns how long the server waits for the next statement of a transaction, before it undoes it. A process
/// that was paused, or whose machine is gone, would keep its locks for hours.
fn idle_limit(timeout: Duration) -> Duration {
    (timeout / 2).max(LEAST_IDLE)
}

/// Returns how long to wait before the next attempt: longer each time, and not as long as others do.
fn pause_before(attempt: u32) -> Duration {
    let longest = 1_u64.checked_shl(attempt).unwrap_or(LONGEST_PAUSE).min(LONGEST_PAUSE);
    // Each state is a random one.
    Duration::from_micros(RandomState::new().build_hasher().finish() % (longest * 1_000))
}
