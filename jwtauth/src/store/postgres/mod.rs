//! Sessions in a PostgreSQL database that many processes use. The only folder that names the driver.
//!
//! The database keeps records as bytes ([`codec`](super::codec)), beside the columns that they are looked for
//! by. What an operation decides is in [`rules`](super::rules). No token is in the database, and nothing that
//! one could be made of (R-3).
//!
//! # Invariants
//!
//! 1. Each operation is one transaction; a login that throws others out, or forgets some that are over, has a
//!    second one. What is decided on a record is decided with its row locked, or written only if the row is
//!    as it was read.
//! 2. Who opens a session of a subject, or changes all of them, locks the row of the subject first. So no
//!    login slips past a revocation of all, and the limit of sessions holds on any number of machines. Rows
//!    of sessions are locked after that, in the order of their ids.
//! 3. No request gets what was read before it came, unless the application allows it (`freshness`): what
//!    another process has ended is over with the next request here.
//! 4. No statement is left under way on a connection that another operation gets.
//! 5. Each operation ends in a bounded time, whatever the network does.
//!
//! `statements` has all SQL, `statement_guard` what is added to it, `schema` the tables, `connections` the
//! wire and `flight` what goes over it at once, `entry_question` who is let in, `step_error` what its errors
//! mean, `host_choice` where a new one leads to, `transaction` how an operation is committed and tried again,
//! `rows` which bytes stand where, and `row_table` what is damaged of them. `database_copy` and
//! `database_check` read all of it, `row_repair` takes rows out that are damaged, `database_fill` puts all of
//! a store into it, `schema_mark` says when it may not be served, and `table_check` who may not serve it.
//! `session_steps`, `login_steps`, `value_steps`, `account_steps`, `counter_steps` and `event_steps` are the
//! operations. `shared_reads` makes one question of reads that come at the same time, `seen_records` keeps
//! what a change is decided by without another look, `confirmations` gathers what nobody waits for, and
//! `counter_line` keeps attempts of strangers from taking all connections.

mod account_steps;
mod confirmations;
mod connections;
mod counter_line;
mod counter_steps;
mod damaged_row;
mod database_check;
mod database_copy;
mod database_fill;
mod database_url;
mod entry_question;
mod event_steps;
mod flight;
mod freshness;
mod host_choice;
mod login_steps;
mod password_file;
mod postgres_config;
mod row_repair;
mod row_table;
mod rows;
mod schema;
mod schema_mark;
mod schema_name;
mod seen_records;
mod server_settings;
mod session_steps;
mod shared_reads;
mod statement_guard;
mod statements;
mod step_error;
mod table_check;
mod tls;
mod transaction;
mod value_steps;

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use self::confirmations::Confirmations;
use self::connections::Connections;
use self::counter_line::CounterLine;
pub(in crate::store) use self::database_fill::DatabaseFill;
use self::freshness::Freshness;
use self::login_steps::Unsettled;
pub(in crate::store) use self::postgres_config::OPERATOR;
pub use self::postgres_config::{Isolation, PostgresConfig, SynchronousCommit};
use self::schema::Schema;
pub(in crate::store) use self::schema_mark::SchemaMark;
use self::schema_name::{commented, quoted};
use self::seen_records::SeenRecords;
use self::server_settings::{ServerSettings, server_settings};
use self::session_steps::{Archive, Revoke, RevokeSubject, Rotate, Sweep, UpdateUser};
use self::shared_reads::SharedReads;
use self::statement_guard::StatementGuard;
use self::statements::Statements;
use self::tls::Tls;
use super::account_store::AccountStore;
use super::counter_store::CounterStore;
use super::event_store::EventStore;
use super::requests::{
    LoginEffects, RotationRequest, StoreFuture, StoreSize, SubjectRevocation, Swept, TokenRevocation,
    UserUpdate,
};
use super::session_pages::SessionPages;
use super::session_store::SessionStore;
use super::token_store::TokenStore;
use super::value_store::ValueStore;
use super::whole_store::WholeStore;
use crate::clock::TimeMark;
use crate::error::StoreError;
use crate::id::SessionId;
use crate::record::{Revocation, Rotation, Session};
use crate::registry::TokenRecord;

/// Keeps sessions, accounts and all else in a PostgreSQL database, for programs that run more than once at a
/// time: on two machines, or during a rolling update.
///
/// Handlers, attribute and routes stay as they are. The guide `scaling` says when to move and how.
///
/// ```no_run
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// use jwtauth::{JwtAuth, PostgresStore};
///
/// let store = PostgresStore::connect("postgres://app:password@db.example.com/app").await?;
/// let jwtauth = JwtAuth::builder().secret_from_env("JWTAUTH_SECRET").build(store)?;
/// # Ok(())
/// # }
/// ```
///
/// All programs that share a database have the same secret, and clocks that agree to a second or so.
#[derive(Clone)]
pub struct PostgresStore {
    database: Arc<Database>,
}

/// What all clones of a store share.
struct Database {
    connections: Arc<Connections>,
    statements: Statements,
    schema: String,
    /// COMMIT, with the name of the schema: it is the last that an idle connection has asked, and
    /// `schema_mark` finds the tables in it.
    commit: String,
    /// Likewise ROLLBACK.
    roll_back: String,
    timeout: Duration,
    isolation: Isolation,
    /// `None` where the server knows no such setting.
    synchronous_commit: Option<SynchronousCommit>,
    /// Whether the server knows the setting for it.
    ends_idle_transactions: bool,
    knows_hidden_rows: bool,
    unsettled: Arc<Unsettled>,
    confirmations: Confirmations,
    reads: Arc<SharedReads>,
    seen: SeenRecords,
    freshness: Freshness,
    /// How many changes of counters were made by this process.
    counter_changes: AtomicU64,
    counter_line: CounterLine,
    time: Arc<TimeMark>,
}

impl Database {
    /// A copy counts all rows.
    const fn copy_timeout(&self) -> Duration {
        Duration::from_secs(600)
    }
}

impl PostgresStore {
    /// Connects to a database, and makes the tables if they are not there. Takes a URL, or a
    /// [`PostgresConfig`] with settings.
    ///
    /// # Errors
    ///
    /// [`StoreError::Backend`] with a [`PostgresError`](crate::error::PostgresError) as its source: a setting
    /// that is refused, a database that cannot be reached or that loses what it has acknowledged, tables of a
    /// newer release, tables that are not all there or that its role may not write, tables that a migration
    /// or a restore has not filled to its end, or whose records were moved elsewhere.
    pub async fn connect(config: impl Into<PostgresConfig>) -> Result<Self, StoreError> {
        let store = Self::connect_as(config.into(), true).await?;
        match store.mark().await? {
            Some(mark) => Err(store.refusal(&mark)),
            None => {
                store.ask_for_mark();
                Ok(store)
            }
        }
    }

    /// Connects to a database that may be [marked](SchemaMark).
    pub(in crate::store) async fn connect_anyway(config: PostgresConfig) -> Result<Self, StoreError> {
        Self::connect_as(config, false).await
    }

    /// With `is_served`, nothing is read any more once they have a mark.
    async fn connect_as(config: PostgresConfig, is_served: bool) -> Result<Self, StoreError> {
        let tls = Tls::new(config.root_certificates.as_deref())?;
        let PostgresConfig { pool_size, timeout, makes_tables, is_lenient, .. } = config;
        let connections = Arc::new(Connections::new(config.check()?, &config, tls)?);
        let ServerSettings { synchronous_commit, ends_idle_transactions, knows_hidden_rows } =
            server_settings(&connections, &config).await?;
        let guard = StatementGuard { is_served, knows_hidden_rows };
        let (name, is_served) = (&config.schema, !is_lenient);
        let schema = Schema { name, connections: &connections, timeout, makes_tables, is_served };
        let latest = schema.prepare_in_turn().await?;
        let time = Arc::new(TimeMark::of_many());
        time.raise(latest, 0);
        Ok(Self {
            database: Arc::new(Database {
                statements: Statements::new(&quoted(&config.schema), guard),
                commit: format!("COMMIT /* {}. */", commented(&config.schema)),
                roll_back: format!("ROLLBACK /* {}. */", commented(&config.schema)),
                connections,
                schema: config.schema,
                timeout,
                isolation: config.isolation,
                synchronous_commit,
                ends_idle_transactions,
                knows_hidden_rows,
                counter_line: CounterLine::new(pool_size),
                unsettled: Arc::default(),
                confirmations: Confirmations::default(),
                reads: Arc::new(SharedReads::new(pool_size)),
                seen: SeenRecords::default(),
                freshness: Freshness::new(config.max_staleness, Arc::clone(&time)),
                counter_changes: AtomicU64::new(0),
                time,
            }),
        })
    }

    /// Closes all connections, when what is under way has ended. Everything fails after that.
    pub fn close(&self) {
        self.database.connections.close();
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore").field("schema", &self.database.schema).finish_non_exhaustive()
    }
}

impl SessionStore for PostgresStore {
    fn insert(&self, session: Session, effects: LoginEffects) -> StoreFuture<'_, ()> {
        Box::pin(self.database.login(session, effects))
    }

    fn hand_out(&self, session: Session, effects: LoginEffects) -> StoreFuture<'_, Option<Arc<Session>>> {
        Box::pin(self.database.hand_out(session, effects))
    }

    fn stands(&self, id: SessionId) -> bool {
        self.database.unsettled.stands(id)
    }

    fn load(&self, id: SessionId) -> StoreFuture<'_, Option<Arc<Session>>> {
        Box::pin(async move {
            let session = self.database.load_session(id).await?;
            Ok(session.filter(|_| !self.database.unsettled.hides(id)))
        })
    }

    fn over(&self, ids: Vec<SessionId>, now: u64) -> StoreFuture<'_, Vec<SessionId>> {
        Box::pin(async move {
            let params = vec![rows::ids(ids.iter().copied())];
            let found = self.database.read(&self.database.statements.sessions, params).await?;
            let live = rows::sessions(&found)?.into_iter().filter(|session| session.is_live_at(now));
            let live: HashSet<_> = live.map(|session| session.id).collect();
            Ok(ids.into_iter().filter(|id| !live.contains(id)).collect())
        })
    }

    fn stamp(&self, id: SessionId) -> Option<u64> {
        self.database.freshness.stamp(id)
    }

    fn rotate(&self, request: RotationRequest) -> StoreFuture<'_, Option<(Rotation, Session)>> {
        let confirmed = self.database.confirmations.of(request.session);
        let rotate = Rotate { request, confirmed };
        let keeps_it = |rotated: &Option<(Rotation, _)>| rotated.as_ref().is_some_and(|it| it.0.is_change());
        Box::pin(self.database.change_shown(request.session, confirmed, rotate, keeps_it))
    }

    fn confirm(&self, id: SessionId, generation: u64) {
        self.database.confirm(id, generation);
    }

    fn revoke(&self, id: SessionId, revocation: Revocation) -> StoreFuture<'_, bool> {
        let confirmed = self.database.confirmations.of(id);
        Box::pin(self.database.change_shown(id, confirmed, Revoke(id, revocation), |_| true))
    }

    fn revoke_subject(&self, subject: String, revocation: SubjectRevocation) -> StoreFuture<'_, usize> {
        Box::pin(self.database.change(RevokeSubject(subject, revocation)))
    }

    fn revoke_token(&self, revocation: TokenRevocation) -> StoreFuture<'_, bool> {
        Box::pin(self.database.change(revocation))
    }

    fn sessions_of(&self, subject: String) -> StoreFuture<'_, Vec<Session>> {
        Box::pin(async move {
            let params = vec![subject.into_bytes().into()];
            let found = self.database.read(&self.database.statements.sessions_of, params).await?;
            let mut sessions = rows::sessions(&found)?;
            self.database.unsettled.keep_visible(&mut sessions);
            Ok(sessions)
        })
    }

    fn update_user(&self, subject: String, update: UserUpdate) -> StoreFuture<'_, usize> {
        Box::pin(self.database.change(UpdateUser { subject, update }))
    }

    fn sweep(&self, now: u64, limit: usize) -> StoreFuture<'_, Swept> {
        Box::pin(async move {
            let swept = self.database.change(Sweep { now, limit }).await?;
            if !swept.more {
                self.database.sweep_counters(now).await;
            }
            Ok(swept)
        })
    }

    fn flush(&self) -> StoreFuture<'_, ()> {
        Box::pin(self.database.flush_confirmations())
    }

    fn size(&self) -> StoreFuture<'_, Option<StoreSize>> {
        Box::pin(async move {
            let Statements { count_sessions, count_accounts, .. } = &self.database.statements;
            let sessions = rows::number(&self.database.read(count_sessions, Vec::new()).await?)?;
            let accounts = rows::number(&self.database.read(count_accounts, Vec::new()).await?)?;
            Ok(Some(StoreSize::new(sessions, accounts)))
        })
    }

    fn time_mark(&self) -> Arc<TimeMark> {
        Arc::clone(&self.database.time)
    }

    fn account_store(self: Arc<Self>) -> Option<Arc<dyn AccountStore>> {
        Some(self)
    }

    fn counter_store(self: Arc<Self>) -> Option<Arc<dyn CounterStore>> {
        Some(self)
    }

    fn event_store(self: Arc<Self>) -> Option<Arc<dyn EventStore>> {
        Some(self)
    }

    fn session_pages(self: Arc<Self>) -> Option<Arc<dyn SessionPages>> {
        Some(self)
    }

    fn token_store(self: Arc<Self>) -> Option<Arc<dyn TokenStore>> {
        Some(self)
    }

    fn value_store(self: Arc<Self>) -> Option<Arc<dyn ValueStore>> {
        Some(self)
    }

    fn whole_store(self: Arc<Self>) -> Option<Arc<dyn WholeStore>> {
        Some(self)
    }
}

impl SessionPages for PostgresStore {
    fn sessions_after(&self, after: Option<SessionId>, limit: usize) -> StoreFuture<'_, Vec<Session>> {
        Box::pin(async move {
            let Statements { sessions_behind, sessions_from_first, .. } = &self.database.statements;
            let (mut sessions, mut after) = (Vec::new(), after.map(|id| id.as_bytes().to_vec()));
            loop {
                let wanted = limit - sessions.len();
                let found = match after {
                    Some(id) => {
                        let params = vec![id.into(), (wanted as u64).into()];
                        self.database.read(sessions_behind, params).await?
                    }
                    None => self.database.read(sessions_from_first, vec![(wanted as u64).into()]).await?,
                };
                let mut page = rows::sessions(&found)?;
                self.database.unsettled.keep_visible(&mut page);
                sessions.append(&mut page);
                // What is not shown is no end of the list.
                if found.len() < wanted || sessions.len() == limit {
                    return Ok(sessions);
                }
                after = found.last().map(|row| rows::bytes(row, 0)).transpose()?.map(<[u8]>::to_vec);
            }
        })
    }
}

impl TokenStore for PostgresStore {
    fn tokens_of(&self, session: SessionId) -> StoreFuture<'_, Vec<TokenRecord>> {
        Box::pin(async move {
            let params = vec![session.as_bytes()[..].into()];
            let found = self.database.read(&self.database.statements.tokens_of, params).await?;
            let tokens = found.iter().filter_map(|row| rows::readable_token(row).transpose());
            Ok(tokens.map(|token| token.map(|(_, token)| token)).collect::<Result<_, _>>()?)
        })
    }

    fn archive(&self, before: u64, limit: usize) -> StoreFuture<'_, Swept> {
        Box::pin(self.database.change(Archive { before, limit }))
    }
}
