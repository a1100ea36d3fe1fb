//! Hashes passwords beside the async workers, a few at a time, in memory that is kept.
//!
//! A hash takes tens of milliseconds and megabytes by design. So there are a few hashers, and each keeps the
//! memory of one hash: memory that is allocated anew for each hash stays with the allocator, many times.
//! Those who wait stand in [lines](Line) of bounded length, and the lines take turns.
//!
//! # Invariants
//!
//! 1. All hashes together never have more memory than `hashers` times that of one, except for a single hash
//!    of another program that needs more alone. It has at most half of what the process may use (M-1).
//! 2. A flood in one line holds up another one by at most one hash for each line and hasher (M-3).
//! 3. An abandoned attempt still holds its place until its hash is done, because the hash continues.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use super::AccountsConfig;
use super::hash::{Checked, HashMemory, HashMethod, HashNeed};
use super::memory_limit;
use super::password::Password;
use crate::error::{AccountError, RandomError};
use crate::notice::OnceAMinute;
use crate::store::PasswordHash;

/// What part of the memory that the process may use is for hashes, unless a setting says more.
const SHARE: u64 = 4;

const MAX_HASHERS: usize = 256;

/// Who waits with whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// Logins to accounts that have logged in from the same address before.
    Known = 0,
    Login = 1,
    /// Logins from an address that may be a proxy, and where many have failed.
    Crowd = 2,
    Registration = 3,
    /// Changes by those who are logged in.
    Change = 4,
    /// What operators and the program itself ask for.
    Operator = 5,
}

/// The places of one line.
#[derive(Debug)]
struct LinePlaces {
    /// Those that hash now, and those that wait.
    all: Arc<Semaphore>,
    /// The first of those that wait: it alone waits for a hasher, so each line has one in the queue of turns.
    front: Semaphore,
    /// When it was last told that no place is free.
    told: Mutex<OnceAMinute>,
}

impl LinePlaces {
    /// Says that somebody was sent away, but not for each one.
    fn tell_full(&self, line: Line) {
        if self.told.lock().unwrap_or_else(PoisonError::into_inner).is_due() {
            tracing::warn!(target: "jwtauth", line = ?line, "too many passwords wait to be hashed, so some requests are answered 503");
        }
    }
}

/// Hashes passwords, a few at a time.
pub(super) struct Hasher {
    method: Arc<HashMethod>,
    hashers: usize,
    /// How many bytes of memory the process may use, if the system says so.
    memory: Option<u64>,
    /// Hashers that are free. First come, first served.
    turns: Arc<Semaphore>,
    lines: [LinePlaces; 6],
    /// The memory of hashers that are free and have worked before.
    kept: Arc<Mutex<Vec<HashMemory>>>,
    computed: Arc<AtomicU64>,
    /// How long the last hash took, in microseconds.
    last_took: Arc<AtomicU64>,
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hasher").field("hashers", &self.hashers).finish_non_exhaustive()
    }
}

impl Hasher {
    pub(super) fn new(config: &AccountsConfig) -> Result<Self, RandomError> {
        let method = HashMethod::new(config)?;
        let memory = memory_limit::of_this_process();
        let hashers = config.hashers.unwrap_or_else(|| {
            let cores = std::thread::available_parallelism().map_or(1, Into::into);
            default_hashers(cores, memory, method.blocks())
        });
        tracing::debug!(target: "jwtauth", hashers, memory_kib = method.blocks(), "passwords are hashed");
        let line = || LinePlaces {
            all: Arc::new(Semaphore::new(hashers + config.waiting)),
            front: Semaphore::new(1),
            told: Mutex::default(),
        };
        Ok(Self {
            method: Arc::new(method),
            hashers,
            memory,
            turns: Arc::new(Semaphore::new(hashers)),
            lines: std::array::from_fn(|_| line()),
            kept: Arc::default(),
            computed: Arc::default(),
            last_took: Arc::default(),
        })
    }

    #[cfg(any(test, feature = "testing"))]
    pub(super) fn computed(&self) -> u64 {
        self.computed.load(Ordering::Relaxed)
    }

    pub(super) fn adopt(&self, hash: &str) -> Result<PasswordHash, AccountError> {
        let adopted = self.method.adopt(hash)?;
        if self.is_too_much(self.method.need_of(Some(&adopted))?) {
            return Err(too_much());
        }
        Ok(adopted)
    }

    pub(super) fn of_nobody(&self) -> PasswordHash {
        self.method.of_nobody()
    }

    pub(super) fn is_stale(&self, hash: &str) -> bool {
        self.method.is_stale_text(hash)
    }

    pub(super) async fn hash(&self, line: Line, password: Password) -> Result<PasswordHash, AccountError> {
        let method = Arc::clone(&self.method);
        self.run(line, HashNeed::of(method.blocks()), move |memory| method.hash(&password, memory)).await
    }

    /// Checks a password against a hash, or against that of nobody, which takes as long.
    pub(super) async fn check(
        &self,
        line: Line,
        password: Password,
        hash: Option<PasswordHash>,
    ) -> Result<Checked, AccountError> {
        let method = Arc::clone(&self.method);
        let need = method.need_of(hash.as_ref())?;
        if self.is_too_much(need) {
            tracing::error!(target: "jwtauth", "the hash of an account needs more memory than this process may use: set its password again, or allow more");
            return Err(too_much());
        }
        self.run(line, need, move |memory| method.check(&password, hash.as_ref(), memory)).await
    }

    /// Tells whether a hash of another program needs more than half of the memory that the process may use.
    fn is_too_much(&self, need: HashNeed) -> bool {
        let bytes = u64::try_from(need.kib).unwrap_or(u64::MAX).saturating_mul(1024);
        need.is_foreign && self.memory.is_some_and(|limit| bytes > limit / 2)
    }

    /// Waits as long as the last hash took: for an answer that must look like one behind a hash.
    pub(super) async fn wait_as_for_a_hash(&self) {
        let micros = self.last_took.load(Ordering::Relaxed);
        tokio::time::sleep(Duration::from_micros(micros)).await;
    }

    async fn run<T: Send + 'static>(
        &self,
        line: Line,
        need: HashNeed,
        work: impl FnOnce(&mut HashMemory) -> Result<T, AccountError> + Send + 'static,
    ) -> Result<T, AccountError> {
        let places = &self.lines[line as usize];
        let place = Arc::clone(&places.all).try_acquire_owned().map_err(|_| {
            places.tell_full(line);
            AccountError::Busy
        })?;
        // OK because nobody closes them.
        let first = places.front.acquire().await.map_err(|_| AccountError::Busy)?;
        // A hash that needs the memory of several hashers takes their turns.
        let usual = self.method.blocks();
        let is_foreign = need.is_foreign;
        let needed = need.kib.div_ceil(usual).clamp(1, self.hashers);
        let turns = u32::try_from(needed).unwrap_or(u32::MAX);
        let turn = Arc::clone(&self.turns).acquire_many_owned(turns).await.map_err(|_| AccountError::Busy)?;
        drop(first);
        let (computed, kept) = (Arc::clone(&self.computed), Arc::clone(&self.kept));
        let last_took = Arc::clone(&self.last_took);
        let working = beside(is_foreign, move || {
            let _until_done = (place, turn);
            computed.fetch_add(1, Ordering::Relaxed);
            let mut memory = take(&kept, need.blocks, usual, needed)?;
            let started = Instant::now();
            let done = work(&mut memory);
            let micros = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
            last_took.store(micros, Ordering::Relaxed);
            if memory.blocks() == usual {
                kept.lock().unwrap_or_else(PoisonError::into_inner).push(memory);
            }
            done
        });
        // It panicked, or the runtime is going down.
        working.await.unwrap_or_else(|| Err(AccountError::Hashing { problem: "it was given up".into() }))
    }
}

/// Runs something long beside the async workers. `None`: it has panicked, or could not begin.
///
/// A hash of another program may take minutes, and a runtime that ends waits for its own threads. So it gets
/// a thread of its own, which ends with the process.
async fn beside<T: Send + 'static>(is_foreign: bool, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    if !is_foreign {
        return tokio::task::spawn_blocking(work).await.ok();
    }
    let (done, result) = tokio::sync::oneshot::channel();
    let run = move || {
        // OK because nobody may wait any more.
        let _ = done.send(work());
    };
    std::thread::Builder::new().name("jwtauth hash".into()).spawn(run).ok()?;
    result.await.ok()
}

fn too_much() -> AccountError {
    let problem = "the hash needs more than half of the memory that this process may use";
    AccountError::Hashing { problem: problem.into() }
}

/// Takes memory for a hash: kept memory, or new one. `hashers` says how many turns it has.
fn take(
    kept: &Mutex<Vec<HashMemory>>,
    blocks: usize,
    usual: usize,
    hashers: usize,
) -> Result<HashMemory, AccountError> {
    let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
    let will_do = blocks <= usual;
    let own = if will_do { kept.pop() } else { None };
    // What the other hashers keep whose turns it has is given back first.
    let rest = kept.len().saturating_sub(hashers - usize::from(will_do));
    kept.truncate(rest);
    drop(kept);
    own.map_or_else(|| HashMemory::new(blocks.max(usual)), Ok)
}

/// Returns how many hashers there are by default: one for each core, as long as they need no more than a
/// quarter of the memory. `blocks` is what one needs, in KiB.
fn default_hashers(cores: usize, memory: Option<u64>, blocks: usize) -> usize {
    let one = u64::try_from(blocks).unwrap_or(u64::MAX).saturating_mul(1024).max(1);
    let fit = memory.map_or(usize::MAX, |memory| usize::try_from(memory / SHARE / one).unwrap_or(usize::MAX));
    cores.min(fit).clamp(1, MAX_HASHERS)
}

#[cfg(test)]
impl Hasher {
    pub(super) fn last_took(&self) -> Duration {
        Duration::from_micros(self.last_took.load(Ordering::Relaxed))
    }

    /// Takes all places of a line, as a flood does.
    pub(super) fn fill(&self, line: Line) -> tokio::sync::OwnedSemaphorePermit {
        let all = &self.lines[line as usize].all;
        let places = u32::try_from(all.available_permits()).expect("they are few");
        Arc::clone(all).try_acquire_many_owned(places).expect("nobody else takes them")
    }
}

#[cfg(test)]
mod tests;
