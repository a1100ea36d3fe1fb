//! Connections: the pool, and what goes over the wire (`flight`). What an error of the driver means
//! is in `step_error`, and what a new connection is asked in `entry_question`.
//!
//! # Invariants
//!
//! 1. A connection goes back to the pool only when nothing is under way on it: no transaction, and no answer
//!    that nobody waited for. Any other is closed.
//! 2. When one connection proves broken, the idle ones are closed too: after a restart of the server all of
//!    them are dead.
//! 3. What nobody waits for any more is cancelled: a server does not notice that a client is gone as long as
//!    a statement waits for a lock, and would keep the connection. A commit is never cancelled: the server
//!    would show to others what no standby has. Nor is anything behind a pooler that loses statements: such
//!    versions of PgBouncer end when a client that cancels is gone before its answer.
//! 4. Each new connection of a program that serves asks whether the tables may still be served. So one that
//!    had none for a while does not go on with tables whose records were moved.
//! 5. No program that serves reads from a standby: it lags, and would let in who was logged out.

use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use deadpool_postgres::{
    ClientWrapper, Hook, HookError, Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime,
};
use tokio::time::error::Elapsed;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_postgres::{Config, Error, Row, Statement};

use super::entry_question::{EntryQuestion, NoEntry, refuse_standby};
use super::flight::InOrder;
pub(super) use super::flight::{Param, Request};
use super::host_choice::HostChoice;
use super::postgres_config::PostgresConfig;
use super::statements::SqlStatement;
use super::step_error::{StepError, is_of_pooler};
use super::tls::Tls;
use crate::error::{PostgresError, StoreError};

impl From<NoEntry> for HookError {
    fn from(why: NoEntry) -> Self {
        match why {
            NoEntry::Failed(error) => Self::Backend(error),
            NoEntry::Refused(text) => Self::message(text),
        }
    }
}

/// Why not all requests were answered.
enum Unanswered {
    Failed(Error),
    Late,
}

impl From<Error> for Unanswered {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<Elapsed> for Unanswered {
    fn from(_: Elapsed) -> Self {
        Self::Late
    }
}

/// Opens connections, and keeps them.
pub(super) struct Connections {
    pool: Pool,
    tls: Tls,
    /// Which database it is, without user and password.
    place: String,
    entry: Arc<OnceLock<EntryQuestion>>,
    size: usize,
    timeout: Duration,
    prepares: AtomicBool,
}

impl Connections {
    /// `config` is what the driver takes of `settings`.
    pub(super) fn new(config: Config, settings: &PostgresConfig, tls: Tls) -> Result<Self, PostgresError> {
        let (size, timeout, is_served) = (settings.pool_size, settings.timeout, !settings.is_lenient);
        // Which database it is, for errors.
        let (place, prepares) = (settings.place(), settings.prepared_statements);
        let entry = Arc::<OnceLock<EntryQuestion>>::default();
        let asked = Arc::clone(&entry);
        let on_entry = Hook::async_fn(move |client: &mut ClientWrapper, _| {
            let asked = Arc::clone(&asked);
            Box::pin(async move {
                let questions = async {
                    if is_served {
                        refuse_standby(client).await?;
                    }
                    // The last one: it has the name of the schema, which `schema_mark` looks for.
                    match asked.get() {
                        Some(entry) => Ok(entry.ask(client).await?),
                        None => Ok(()),
                    }
                };
                // The pool has no limit for this, and a pooler may let in whom its server does not answer.
                tokio::time::timeout(timeout, questions).await.unwrap_or_else(|_| {
                    Err(HookError::message(format!("it did not answer within {timeout:?}")))
                })
            })
        });
        let recycling_method = RecyclingMethod::Fast;
        let choice = HostChoice::new(&config, tls.clone(), timeout);
        let manager = Manager::from_connect(config, choice, ManagerConfig { recycling_method });
        let pool = Pool::builder(manager)
            .max_size(size)
            .runtime(Runtime::Tokio1)
            .post_create(on_entry)
            .wait_timeout(Some(timeout))
            .create_timeout(Some(timeout))
            .recycle_timeout(Some(timeout))
            .build()
            .map_err(|error| PostgresError::Setting { setting: "pool_size", problem: error.to_string() })?;
        Ok(Self { pool, tls, place, entry, size, timeout, prepares: AtomicBool::new(prepares) })
    }

    /// Lets no new connection in whose `question` has another answer than NULL.
    pub(super) fn ask_each(
        &self,
        question: String,
        refusal: impl Fn(&str) -> PostgresError + Send + Sync + 'static,
    ) {
        // Asked once, by the one who connects.
        let _ = self.entry.set(EntryQuestion { question, refusal: Box::new(refusal) });
    }

    /// Takes a connection that nothing is under way on.
    pub(super) async fn take(self: &Arc<Self>) -> Result<Connection, StepError> {
        let client = self.pool.get().await.map_err(|error| match error {
            PoolError::Timeout(deadpool_postgres::TimeoutType::Wait) => {
                PostgresError::Busy { size: self.size, after: self.timeout }
            }
            PoolError::Timeout(deadpool_postgres::TimeoutType::Create) => {
                let problem = format!("no answer from {} within {:?}", self.place, self.timeout);
                PostgresError::Connect(problem.into())
            }
            PoolError::Backend(error) => PostgresError::Connect(error.into()),
            error => PostgresError::Connect(error.into()),
        })?;
        Ok(Connection {
            connections: Arc::clone(self),
            client: Some(client),
            is_idle: true,
            is_committing: false,
        })
    }

    /// Asks once, outside of a transaction. Once more if a pooler has another statement of that name: then
    /// none is prepared any more.
    pub(super) async fn ask(
        self: &Arc<Self>,
        requests: &[Request<'_>],
        limit: Duration,
    ) -> Result<Vec<Vec<Row>>, StepError> {
        let asked = self.take().await?.send(requests, limit).await;
        match asked {
            Err(StepError::Driver(error)) if error.code().is_some_and(is_of_pooler) => {
                self.take().await?.send(requests, limit).await
            }
            asked => asked,
        }
    }

    /// Sends whole statements from now on.
    fn prepare_no_more(&self) {
        if self.prepares.swap(false, Ordering::Relaxed) {
            tracing::warn!(target: "jwtauth", "a pooler has lost a prepared statement: none is prepared from now on. PostgresConfig::prepared_statements(false) says so from the start");
        }
    }

    /// Closes all connections that nobody uses.
    fn close_idle(&self) {
        self.pool.retain(|_, _| false);
    }

    pub(super) fn close(&self) {
        self.pool.close();
    }
}

/// A connection, for one transaction or one query.
pub(super) struct Connection {
    connections: Arc<Connections>,
    /// `None` when it was closed.
    client: Option<Object>,
    is_idle: bool,
    is_committing: bool,
}

impl Connection {
    /// Sends requests at once, and waits for the answers of all of them: one round trip.
    ///
    /// Returns the rows of each. If one fails, its error is returned when all are answered.
    pub(super) async fn send(
        &mut self,
        requests: &[Request<'_>],
        limit: Duration,
    ) -> Result<Vec<Vec<Row>>, StepError> {
        let Some(client) = &self.client else { return Err(StoreError::Closed.into()) };
        self.is_idle = false;
        let prepares = self.connections.prepares.load(Ordering::Relaxed);
        // A commit may take long. What comes before it is answered soon, or nobody is there any more.
        let soon = if self.is_committing && requests.len() > 1 { self.connections.timeout } else { limit };
        let soon = Instant::now() + soon;
        let sent = timeout(limit, async {
            let prepared = timeout_at(soon, prepared(client, requests, prepares)).await??;
            let mut answers = InOrder::new(client, requests, &prepared);
            timeout_at(soon, poll_fn(|cx| answers.poll_first(cx))).await?;
            poll_fn(|cx| answers.poll_all(cx)).await;
            Ok(answers.into_rows())
        });
        let error = match sent.await.unwrap_or_else(|late| Err(late.into())) {
            Ok(Ok(rows)) => {
                (self.is_idle, self.is_committing) = (true, false);
                return Ok(rows);
            }
            Ok(Err(error)) => {
                // All were answered. If a commit was among them, no transaction is under way.
                self.is_idle = std::mem::take(&mut self.is_committing);
                error
            }
            Err(Unanswered::Failed(error)) => error,
            Err(Unanswered::Late) => {
                self.discard();
                return Err(StoreError::TimedOut { after: limit }.into());
            }
        };
        if error.code().is_some_and(is_of_pooler) {
            self.connections.prepare_no_more();
        }
        let failure = StepError::Driver(error);
        if failure.is_of_connection() {
            // Its server has answered, so nothing is under way.
            drop(self.client.take().map(Object::take));
            self.connections.close_idle();
        }
        Err(failure)
    }

    /// Notes that what is sent next ends with a commit.
    pub(super) const fn will_commit(&mut self) {
        self.is_committing = true;
    }

    /// Notes that a transaction is under way.
    pub(super) const fn hold(&mut self) {
        self.is_idle = false;
    }

    fn discard(&mut self) {
        self.close();
        self.connections.close_idle();
    }

    /// Closes it, and has the server undo what is under way.
    fn close(&mut self) {
        let Some(client) = self.client.take().map(Object::take) else { return };
        if client.is_closed() || self.is_committing || !self.connections.prepares.load(Ordering::Relaxed) {
            return;
        }
        let (cancel, tls, limit) =
            (client.cancel_token(), self.connections.tls.clone(), self.connections.timeout);
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                // A pooler knows what to cancel as long as its client is there.
                let _ = timeout(limit, cancel.cancel_query(tls)).await;
                drop(client);
            });
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if !self.is_idle {
            self.close();
        }
    }
}

/// Returns the statement of each request that is to be prepared.
async fn prepared(
    client: &Object,
    requests: &[Request<'_>],
    prepares: bool,
) -> Result<Vec<Option<Statement>>, Error> {
    let mut prepared = Vec::with_capacity(requests.len());
    for request in requests {
        prepared.push(match request {
            // Only the first time on each connection does this send anything.
            Request::Statement(SqlStatement { sql, types }, _) if prepares => {
                Some(client.prepare_typed_cached(sql, types).await?)
            }
            _ => None,
        });
    }
    Ok(prepared)
}
