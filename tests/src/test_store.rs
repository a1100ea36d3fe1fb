//! The store of a test of behaviour: in memory, or where [`STORE`] says, so that the same test runs over each.

use std::env;
use std::future::Future;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;

use jwtauth::clock::TimeMark;
use jwtauth::store::{
    AccountStore, CompactStore, CounterStore, EventStore, LoginEffects, Revocation, Rotation,
    RotationRequest, SessionPages, SessionStore, StoreFuture, StoreSize, SubjectRevocation, Swept,
    TokenRevocation, TokenStore, UserUpdate, ValueStore, WholeStore,
};
use jwtauth::{MemoryStore, PostgresConfig, PostgresStore, Session, SessionId, SledStore};
use tokio::runtime::Runtime;

/// Names a directory, where each store gets one of its own, or the URL of a PostgreSQL database, where each gets a
/// schema of its own.
pub const STORE: &str = "JWTAUTH_TEST_STORE";

/// Where the stores of this process are.
enum Place {
    Memory,
    Directory(PathBuf),
    Database(String),
}

impl Place {
    fn named() -> Self {
        match env::var(STORE) {
            Err(_) => Self::Memory,
            Ok(url) if url.starts_with("postgres://") => Self::Database(url),
            Ok(path) => Self::Directory(path.into()),
        }
    }
}

/// Tells whether the stores of this process are in memory. Others answer when their disk has.
#[must_use]
pub fn is_in_memory() -> bool {
    matches!(Place::named(), Place::Memory)
}

/// An empty store that nobody else uses.
#[derive(Clone, Debug)]
pub struct TestStore(Arc<dyn SessionStore>);

impl TestStore {
    /// Opens one.
    ///
    /// # Panics
    ///
    /// If that fails.
    #[must_use]
    pub fn new() -> Self {
        static OPENED: AtomicUsize = AtomicUsize::new(0);
        let name = format!("test {}", OPENED.fetch_add(1, Ordering::Relaxed));
        match Place::named() {
            Place::Memory => Self(Arc::new(MemoryStore::new())),
            Place::Directory(path) => Self(Arc::new(wait(SledStore::open(path.join(name))))),
            Place::Database(url) => {
                let config = PostgresConfig::new(url).schema(name).allow_fsync_off().pool_size(4);
                Self(Arc::new(wait(PostgresStore::connect(config))))
            }
        }
    }
}

impl Default for TestStore {
    fn default() -> Self {
        Self::new()
    }
}

/// Waits for a store, in a test that may be on a runtime. What the store begins goes on when the test is over.
fn wait<T: Send, E: std::fmt::Debug + Send>(opened: impl Future<Output = Result<T, E>> + Send) -> T {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    let runtime = RUNTIME.get_or_init(|| Runtime::new().expect("a runtime starts"));
    let opened = thread::scope(|scope| scope.spawn(|| runtime.block_on(opened)).join());
    opened.expect("no panic").expect("the store opens")
}

impl SessionStore for TestStore {
    fn insert(&self, session: Session, effects: LoginEffects) -> StoreFuture<'_, ()> {
        self.0.insert(session, effects)
    }

    fn hand_out(&self, session: Session, effects: LoginEffects) -> StoreFuture<'_, Option<Arc<Session>>> {
        self.0.hand_out(session, effects)
    }

    fn stands(&self, id: SessionId) -> bool {
        self.0.stands(id)
    }

    fn load(&self, id: SessionId) -> StoreFuture<'_, Option<Arc<Session>>> {
        self.0.load(id)
    }

    fn is_shared(&self) -> bool {
        self.0.is_shared()
    }

    fn over(&self, ids: Vec<SessionId>, now: u64) -> StoreFuture<'_, Vec<SessionId>> {
        self.0.over(ids, now)
    }

    fn stamp(&self, id: SessionId) -> Option<u64> {
        self.0.stamp(id)
    }

    fn rotate(&self, request: RotationRequest) -> StoreFuture<'_, Option<(Rotation, Session)>> {
        self.0.rotate(request)
    }

    fn confirm(&self, id: SessionId, generation: u64) {
        self.0.confirm(id, generation);
    }

    fn revoke(&self, id: SessionId, revocation: Revocation) -> StoreFuture<'_, bool> {
        self.0.revoke(id, revocation)
    }

    fn revoke_subject(&self, subject: String, revocation: SubjectRevocation) -> StoreFuture<'_, usize> {
        self.0.revoke_subject(subject, revocation)
    }

    fn revoke_token(&self, revocation: TokenRevocation) -> StoreFuture<'_, bool> {
        self.0.revoke_token(revocation)
    }

    fn sessions_of(&self, subject: String) -> StoreFuture<'_, Vec<Session>> {
        self.0.sessions_of(subject)
    }

    fn update_user(&self, subject: String, update: UserUpdate) -> StoreFuture<'_, usize> {
        self.0.update_user(subject, update)
    }

    fn sweep(&self, now: u64, limit: usize) -> StoreFuture<'_, Swept> {
        self.0.sweep(now, limit)
    }

    fn flush(&self) -> StoreFuture<'_, ()> {
        self.0.flush()
    }

    fn size(&self) -> StoreFuture<'_, Option<StoreSize>> {
        self.0.size()
    }

    fn time_mark(&self) -> Arc<TimeMark> {
        self.0.time_mark()
    }

    fn operator_socket(&self) -> Option<PathBuf> {
        self.0.operator_socket()
    }

    fn account_store(self: Arc<Self>) -> Option<Arc<dyn AccountStore>> {
        Arc::clone(&self.0).account_store()
    }

    fn counter_store(self: Arc<Self>) -> Option<Arc<dyn CounterStore>> {
        Arc::clone(&self.0).counter_store()
    }

    fn event_store(self: Arc<Self>) -> Option<Arc<dyn EventStore>> {
        Arc::clone(&self.0).event_store()
    }

    fn session_pages(self: Arc<Self>) -> Option<Arc<dyn SessionPages>> {
        Arc::clone(&self.0).session_pages()
    }

    fn compact_store(self: Arc<Self>) -> Option<Arc<dyn CompactStore>> {
        Arc::clone(&self.0).compact_store()
    }

    fn token_store(self: Arc<Self>) -> Option<Arc<dyn TokenStore>> {
        Arc::clone(&self.0).token_store()
    }

    fn value_store(self: Arc<Self>) -> Option<Arc<dyn ValueStore>> {
        Arc::clone(&self.0).value_store()
    }

    fn whole_store(self: Arc<Self>) -> Option<Arc<dyn WholeStore>> {
        Arc::clone(&self.0).whole_store()
    }
}
