//! One thread that makes all changes, and one fsync for all that wait at the same time.
//!
//! Changes arrive as jobs. The thread runs every job that is waiting, makes the lot durable with one
//! [`Commit::commit`], and only then answers. So changes take place one after the other without a
//! lock, no async worker ever waits for the disk, and a hundred logins cost one fsync (group commit).
//!
//! # Invariants
//!
//! 1. No answer leaves before the commit that covers it has succeeded.
//! 2. A job that panics fails alone; the thread lives on.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::error::StoreError;

/// How many jobs share a commit at most, so that the first does not wait for ever.
const MAX_GROUP: usize = 256;

/// What the thread works on.
pub(super) trait Commit: Send + 'static {
    /// Makes all changes so far durable.
    fn commit(&mut self) -> Result<(), StoreError>;

    /// Hears that a job panicked, and returns what its caller is told.
    fn panicked(&mut self) -> StoreError;

    /// How long to wait for a job before [`Self::retry`] is called; `None` if all is well.
    fn retry_in(&self) -> Option<Duration> {
        None
    }

    /// Tries to recover from an earlier failure.
    fn retry(&mut self) {}

    /// Closes in an orderly way.
    fn close(self);
}

type JobAnswer = Box<dyn FnOnce(&Result<(), StoreError>) + Send>;
type Job<D> = Box<dyn FnOnce(&mut D) -> JobAnswer + Send>;

/// The handle of the thread. Dropping it finishes the jobs that were handed in and waits for the end.
#[derive(Debug)]
pub(super) struct Writer<D> {
    jobs: Option<Sender<Job<D>>>,
    thread: Option<JoinHandle<()>>,
}

impl<D: Commit> Writer<D> {
    pub(super) fn start(disk: D) -> std::io::Result<Self> {
        let (jobs, queue) = mpsc::channel();
        let thread = thread::Builder::new().name("jwtauth-store".into()).spawn(move || run(disk, &queue))?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread) })
    }

    /// Runs `change` on the thread; resolves when its outcome is durable.
    ///
    /// The job is handed in before this returns: a future that is dropped does not take it back.
    pub(super) fn submit<T, F>(
        &self,
        change: F,
    ) -> impl Future<Output = Result<T, StoreError>> + Send + use<T, F, D>
    where
        T: Send + 'static,
        F: FnOnce(&mut D) -> Result<T, StoreError> + Send + 'static,
    {
        let (sender, outcome) = oneshot::channel();
        let job: Job<D> = Box::new(move |disk| {
            let done = match catch_unwind(AssertUnwindSafe(|| change(disk))) {
                Ok(done) => done,
                Err(_) => Err(disk.panicked()),
            };
            Box::new(move |committed| {
                // A caller that went away has no use for the answer.
                let _ = sender.send(match committed {
                    Ok(()) => done,
                    Err(error) => Err(error.again()),
                });
            })
        });
        if let Some(jobs) = &self.jobs {
            // A thread that is gone drops the job and with it the sender, which the receiver hears.
            let _ = jobs.send(job);
        }
        async move { outcome.await.unwrap_or(Err(StoreError::Closed)) }
    }
}

impl<D> Drop for Writer<D> {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            // An error says that it panicked while closing, which sled reported itself.
            let _ = thread.join();
        }
    }
}

fn run<D: Commit>(mut disk: D, queue: &Receiver<Job<D>>) {
    let mut answers = Vec::new();
    while let Some(job) = next(&mut disk, queue) {
        answers.push(job(&mut disk));
        while answers.len() < MAX_GROUP {
            match queue.try_recv() {
                Ok(job) => answers.push(job(&mut disk)),
                Err(_) => break,
            }
        }
        let committed = match catch_unwind(AssertUnwindSafe(|| disk.commit())) {
            Ok(committed) => committed,
            Err(_) => Err(disk.panicked()),
        };
        for answer in answers.drain(..) {
            answer(&committed);
        }
    }
    disk.close();
}

/// Waits for a job, and meanwhile helps a disk that failed: readers need it back even if nobody writes.
fn next<D: Commit>(disk: &mut D, queue: &Receiver<Job<D>>) -> Option<Job<D>> {
    while let Some(wait) = disk.retry_in() {
        match queue.recv_timeout(wait) {
            Ok(job) => return Some(job),
            Err(RecvTimeoutError::Disconnected) => return None,
            Err(RecvTimeoutError::Timeout) => {
                if catch_unwind(AssertUnwindSafe(|| disk.retry())).is_err() {
                    // The error is for callers, and there is none; it is what the next one gets.
                    let _ = disk.panicked();
                }
            }
        }
    }
    queue.recv().ok()
}

impl StoreError {
    /// Says the same to one more of those who waited for the same commit.
    fn again(&self) -> Self {
        match self {
            Self::Io { path, action, source } => Self::Io {
                path: path.clone(),
                action,
                source: std::io::Error::new(source.kind(), source.to_string()),
            },
            Self::Corrupt { path, problem } => Self::Corrupt { path: path.clone(), problem: problem.clone() },
            Self::Unavailable { path } => Self::Unavailable { path: path.clone() },
            other => Self::Backend(other.to_string().into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Counts commits; the first one waits until it is let go.
    struct Disk {
        commits: Arc<AtomicUsize>,
        gate: Receiver<()>,
        fails: bool,
    }

    impl Commit for Disk {
        fn commit(&mut self) -> Result<(), StoreError> {
            if self.commits.fetch_add(1, Ordering::SeqCst) == 0 {
                let _ = self.gate.recv();
            }
            if self.fails { Err(StoreError::Unavailable { path: "p".into() }) } else { Ok(()) }
        }

        fn panicked(&mut self) -> StoreError {
            StoreError::Unavailable { path: "panicked".into() }
        }

        fn close(self) {}
    }

    fn disk(fails: bool) -> (Writer<Disk>, Arc<AtomicUsize>, Sender<()>) {
        let commits = Arc::new(AtomicUsize::new(0));
        let (open, gate) = mpsc::channel();
        let writer = Writer::start(Disk { commits: Arc::clone(&commits), gate, fails }).unwrap();
        (writer, commits, open)
    }

    #[tokio::test]
    async fn all_that_wait_share_one_commit() {
        let (writer, commits, open) = disk(false);
        let first = writer.submit(|_| Ok(0));
        while commits.load(Ordering::SeqCst) == 0 {
            thread::yield_now();
        }
        let rest: Vec<_> = (1..=100).map(|n| writer.submit(move |_| Ok(n))).collect();
        open.send(()).unwrap();
        assert_eq!(first.await.unwrap(), 0);
        for (n, outcome) in (1..).zip(rest) {
            assert_eq!(outcome.await.unwrap(), n);
        }
        assert_eq!(commits.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn nobody_hears_ok_when_the_commit_failed() {
        let (writer, _, open) = disk(true);
        let outcomes: Vec<_> = (0..2).map(|n| writer.submit(move |_| Ok(n))).collect();
        open.send(()).unwrap();
        for outcome in outcomes {
            assert!(matches!(outcome.await, Err(StoreError::Unavailable { .. })));
        }
    }

    /// a panic stays with the job that caused it.
    #[tokio::test]
    async fn r_6_a_panic_fails_one_job_only() {
        let (writer, _, open) = disk(false);
        open.send(()).unwrap();
        let bad = writer
            .submit(|_| -> Result<(), StoreError> { panic!("on purpose: this line belongs to a test") });
        let good = writer.submit(|_| Ok(()));
        assert!(matches!(bad.await, Err(StoreError::Unavailable { .. })));
        good.await.unwrap();
    }

    /// what was handed in is done even if nobody waits for it any more.
    #[tokio::test]
    async fn r_1_a_dropped_future_does_not_take_its_change_back() {
        let (writer, _, open) = disk(false);
        open.send(()).unwrap();
        let done = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&done);
        drop(writer.submit(move |_| Ok(counter.fetch_add(1, Ordering::SeqCst))));
        drop(writer);
        assert_eq!(done.load(Ordering::SeqCst), 1);
    }
}
