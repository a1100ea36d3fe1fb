//! The threads of a store: whether the system gives as many as one needs, with memory for them, and the one
//! that opens it.
//!
//! sled waits for ever for a pool in which no thread was started, and a thread or memory that it was not
//! given looks like a fault of its files. So it is seen first that there is enough, and its database is
//! opened by a thread that nobody has to wait for.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, Builder};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::error::StoreError;
use crate::shutdown::is_asked;

/// How many threads sled starts for all its databases, with the first one of the process
/// (`DESIRED_WAITING_THREADS` in its `threadpool.rs`).
const OF_POOL: usize = 7;
/// How many a store has beside them: sled's flusher, the writer, the compactor and the checker.
const OF_STORE: usize = 4;
/// How many are left for the work of a server, such as password hashes.
const OF_SERVER: usize = 4;

/// How much memory there is at least when a store is opened, in bytes.
const MEMORY: usize = 32 * 1024 * 1024;

/// How often an opening is looked after.
const INTERVAL: Duration = Duration::from_millis(50);

/// How long an opening that was told to end may take to say why it has not come to its end.
const LAST_WORD: Duration = Duration::from_millis(250);

/// Whether sled has its pool.
static HAS_POOL: AtomicBool = AtomicBool::new(false);

/// Says that a database was opened.
pub(super) fn has_pool() {
    HAS_POOL.store(true, Ordering::Relaxed);
}

/// Refuses to go on where the system does not give as many threads as a store needs: all of them are started
/// for a moment.
pub(super) fn are_enough(path: &Path) -> Result<(), StoreError> {
    let of_pool = if HAS_POOL.load(Ordering::Relaxed) { 0 } else { OF_POOL };
    start_at_once(of_pool + OF_STORE + OF_SERVER).map_err(|source| too_few(path, source))?;
    match is_memory_left() {
        true => Ok(()),
        false => Err(too_few(path, io::ErrorKind::OutOfMemory.into())),
    }
}

/// Tells whether the system would give some memory. It is not touched, so it costs nothing.
pub(super) fn is_memory_left() -> bool {
    Vec::<u8>::new().try_reserve_exact(MEMORY).is_ok()
}

fn start_at_once(count: usize) -> io::Result<()> {
    let gate = Mutex::new(());
    let shut = gate.lock().unwrap_or_else(PoisonError::into_inner);
    thread::scope(|scope| {
        let wait = || drop(gate.lock());
        let started = (0..count).try_for_each(|_| Builder::new().spawn_scoped(scope, wait).map(drop));
        drop(shut);
        started
    })
}

/// What somebody hears who has no threads, or no memory for them.
pub(super) fn too_few(path: &Path, source: io::Error) -> StoreError {
    let action = "have the threads and the memory that it needs. The number of processes and threads, or the memory, is limited too low: by `ulimit -u` or `ulimit -v`, by `TasksMax` of a service, or by the limits of pids and memory of a container";
    StoreError::Io { path: path.into(), action, source }
}

/// Opens a store on a thread of its own, and waits for it until the process is told to end. What hangs then,
/// such as a disk of the network, hangs on without anybody.
pub(super) async fn open<T: Send + 'static>(
    path: &Path,
    opening: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let (sender, mut opened) = oneshot::channel();
    let runtime = Handle::current();
    let work = move || {
        let _inside = runtime.enter();
        // Nobody may wait for it any more: then it is closed.
        drop(sender.send(opening()));
    };
    Builder::new().name("jwtauth-open".into()).spawn(work).map_err(|source| too_few(path, source))?;
    loop {
        match tokio::time::timeout(INTERVAL, &mut opened).await {
            Ok(done) => return done.unwrap_or(Err(StoreError::Closed)),
            Err(_) if is_asked() => {
                // What waits for a lock ends by itself, and says for what it waited.
                let last = tokio::time::timeout(LAST_WORD, &mut opened).await;
                return last
                    .map_or(Err(StoreError::ToldToEnd), |done| done.unwrap_or(Err(StoreError::Closed)));
            }
            Err(_) => {}
        }
    }
}
