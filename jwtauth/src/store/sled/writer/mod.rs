//! One thread that makes all changes, and one fsync for all that wait at the same time.
//!
//! Changes arrive as jobs. The thread runs every job that is waiting or about to come (`last_group`), makes
//! the lot durable with one [`Commit::commit`], and only then answers. So changes take place one after the
//! other without a lock, no async worker ever waits for the disk, and a hundred logins cost one fsync
//! (group commit).
//!
//! # Invariants
//!
//! 1. No answer leaves before the commit that covers it has succeeded.
//! 2. A job that panics fails alone; the thread lives on.
//! 3. A job that nobody waits for any more is not begun, except those of [`Writer::insist`].
//! 4. At most [`MAX_WAITING`] jobs wait. One more is refused at once.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender, TrySendError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use self::last_group::LastGroup;
use crate::error::StoreError;

/// How many jobs share a commit at most, so that the first does not wait for ever.
const MAX_GROUP: usize = 256;

/// How many jobs wait at most. A disk that keeps up has never so many; one that hangs must not cost memory
/// without end.
const MAX_WAITING: usize = 4_096;

/// How long the thread waits each time for jobs that may come.
const PAUSE: Duration = Duration::from_micros(100);

/// What the thread works on.
pub(super) trait Commit: Send + 'static {
    /// Makes all changes so far durable.
    fn commit(&mut self) -> Result<(), StoreError>;

    /// Tells whether somebody waits until the changes so far are durable.
    fn is_awaited(&self) -> bool;

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

/// A change of two steps: what harms nobody, and, if the caller still waits when that is durable, the rest.
pub(super) trait TwoSteps<D>: Send + 'static {
    /// What the caller is told.
    type Outcome: Send + 'static;

    /// Makes the first step.
    fn begin(&mut self, disk: &mut D) -> Result<Self::Outcome, StoreError>;

    /// The first step is durable: makes the rest if `waits` says that the caller does. An error undoes the
    /// change.
    fn settle(
        &mut self,
        disk: &mut D,
        outcome: &Self::Outcome,
        waits: &dyn Fn() -> bool,
    ) -> Result<Settled, StoreError>;

    /// The caller is gone or hears an error: takes the first step back.
    fn undo(&mut self, disk: &mut D);
}

/// What came of the second step of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Settled {
    /// The change stands, and nothing more is to be written.
    Done,
    /// The change stands. More was put into the next commit, for which the caller waits or not.
    More { awaited: bool },
    /// The caller is gone: the change is undone.
    Abandoned,
}

type Job<D> = Box<dyn FnOnce(&mut D) -> Option<Step<D>> + Send>;
type Committed = Result<(), StoreError>;

/// What follows the commit that covers a job. It may put more into the next commit; then another step follows
/// that.
struct Step<D>(NextStep<D>);

type NextStep<D> = Box<dyn FnOnce(&mut D, &Committed) -> Option<Step<D>> + Send>;

impl<D: Commit> Step<D> {
    fn new(step: impl FnOnce(&mut D, &Committed) -> Option<Self> + Send + 'static) -> Self {
        Self(Box::new(step))
    }

    /// Answers.
    fn answer<T: Send + 'static>(
        sender: oneshot::Sender<Result<T, StoreError>>,
        done: Result<T, StoreError>,
    ) -> Self {
        Self::new(move |_, committed| {
            // A caller that went away has no use for the answer.
            let _ = sender.send(match committed {
                Ok(()) => done,
                Err(error) => Err(error.again()),
            });
            None
        })
    }

    /// Only sees to it that a commit follows.
    fn wait() -> Self {
        Self::new(|_, _| None)
    }
}

/// The handle of the thread. Dropping it finishes the jobs that were handed in and waits for the end.
#[derive(Debug)]
pub(super) struct Writer<D> {
    jobs: Option<SyncSender<Job<D>>>,
    thread: Option<JoinHandle<()>>,
}

impl<D: Commit> Writer<D> {
    pub(super) fn start(disk: D) -> std::io::Result<Self> {
        let (jobs, queue) = mpsc::sync_channel(MAX_WAITING);
        let thread = thread::Builder::new().name("jwtauth-store".into()).spawn(move || run(disk, &queue))?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread) })
    }

    /// Returns a handle for a thread that is to end before this is dropped.
    pub(super) fn job_sender(&self) -> Option<JobSender<D>> {
        self.jobs.clone().map(JobSender)
    }

    /// Runs `change` on the thread; resolves when its outcome is durable.
    ///
    /// The job is handed in before this returns. If the future is dropped before the job has begun, nothing
    /// happens.
    pub(super) fn submit<T, F>(
        &self,
        change: F,
    ) -> impl Future<Output = Result<T, StoreError>> + Send + use<T, F, D>
    where
        T: Send + 'static,
        F: FnOnce(&mut D) -> Result<T, StoreError> + Send + 'static,
    {
        self.hand_in_if(change, |sender| !sender.is_closed())
    }

    /// Likewise, for what is right to happen also if nobody waits for it any more: the end of a session.
    pub(super) fn insist<T, F>(
        &self,
        change: F,
    ) -> impl Future<Output = Result<T, StoreError>> + Send + use<T, F, D>
    where
        T: Send + 'static,
        F: FnOnce(&mut D) -> Result<T, StoreError> + Send + 'static,
    {
        self.hand_in_if(change, |_| true)
    }

    /// Likewise, in two steps. If the future is dropped after the first has begun, the change is undone, and
    /// the second step is not made.
    pub(super) fn submit_in_two<C: TwoSteps<D>>(
        &self,
        mut change: C,
    ) -> impl Future<Output = Result<C::Outcome, StoreError>> + Send + use<C, D> {
        let (sender, receiver) = oneshot::channel::<Result<C::Outcome, StoreError>>();
        let job = move |disk: &mut D| {
            if sender.is_closed() {
                return None;
            }
            Some(match guarded(disk, |disk| change.begin(disk)) {
                Ok(outcome) => {
                    Step::new(move |disk, committed| settle(disk, committed, change, outcome, sender))
                }
                refused => Step::answer(sender, refused),
            })
        };
        self.hand_in(Box::new(job), receiver)
    }

    fn hand_in_if<T, F>(
        &self,
        change: F,
        is_wanted: fn(&oneshot::Sender<Result<T, StoreError>>) -> bool,
    ) -> impl Future<Output = Result<T, StoreError>> + Send + use<T, F, D>
    where
        T: Send + 'static,
        F: FnOnce(&mut D) -> Result<T, StoreError> + Send + 'static,
    {
        let (sender, outcome) = oneshot::channel();
        let job = move |disk: &mut D| {
            is_wanted(&sender).then(|| {
                let done = guarded(disk, change);
                Step::answer(sender, done)
            })
        };
        self.hand_in(Box::new(job), outcome)
    }

    fn hand_in<T: Send + 'static>(
        &self,
        job: Job<D>,
        outcome: oneshot::Receiver<Result<T, StoreError>>,
    ) -> impl Future<Output = Result<T, StoreError>> + Send + use<T, D> {
        let sent = self.jobs.as_ref().map(|jobs| jobs.try_send(job));
        let is_full = matches!(sent, Some(Err(TrySendError::Full(_))));
        async move {
            if is_full {
                return Err(StoreError::Busy { waiting: MAX_WAITING });
            }
            // A thread that is gone drops the job and with it the sender, which this hears.
            outcome.await.unwrap_or(Err(StoreError::Closed))
        }
    }
}

/// Hands jobs in from another thread, which waits for each.
pub(super) struct JobSender<D>(SyncSender<Job<D>>);

impl<D: Commit> JobSender<D> {
    /// Runs `change` on the thread of the writer, and returns when its outcome is durable.
    pub(super) fn run<T, F>(&self, change: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut D) -> Result<T, StoreError> + Send + 'static,
    {
        let (sender, outcome) = oneshot::channel();
        let job = move |disk: &mut D| {
            let done = guarded(disk, change);
            Some(Step::answer(sender, done))
        };
        self.0.send(Box::new(job)).map_err(|_| StoreError::Closed)?;
        outcome.blocking_recv().unwrap_or(Err(StoreError::Closed))
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

/// Runs a part of a job.
fn guarded<D: Commit, T>(
    disk: &mut D,
    part: impl FnOnce(&mut D) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    match catch_unwind(AssertUnwindSafe(|| part(disk))) {
        Ok(done) => done,
        Err(_) => Err(disk.panicked()),
    }
}

/// Follows the commit of the first step of a change.
fn settle<D: Commit, C: TwoSteps<D>>(
    disk: &mut D,
    committed: &Committed,
    mut change: C,
    outcome: C::Outcome,
    sender: oneshot::Sender<Result<C::Outcome, StoreError>>,
) -> Option<Step<D>> {
    let settled = match committed {
        Ok(()) => guarded(disk, |disk| change.settle(disk, &outcome, &|| !sender.is_closed())),
        Err(error) => Err(error.again()),
    };
    match settled {
        Ok(Settled::More { awaited: true }) => Some(Step::new(move |disk, committed| {
            let failed = committed.as_ref().err().map(StoreError::again);
            let has_failed = failed.is_some();
            // A caller who has gone meanwhile may have seen the change, and been told that it stands.
            let is_told = sender.send(failed.map_or(Ok(outcome), Err)).is_ok();
            if has_failed && is_told {
                change.undo(disk);
            }
            None
        })),
        Ok(settled @ (Settled::Done | Settled::More { .. })) => {
            let _ = sender.send(Ok(outcome));
            (settled != Settled::Done).then(Step::wait)
        }
        Ok(Settled::Abandoned) => {
            change.undo(disk);
            Some(Step::wait())
        }
        Err(error) => {
            change.undo(disk);
            let _ = sender.send(Err(error));
            Some(Step::wait())
        }
    }
}

fn run<D: Commit>(mut disk: D, queue: &Receiver<Job<D>>) {
    let (mut steps, mut last) = (Vec::new(), LastGroup::default());
    loop {
        if steps.is_empty() {
            match next(&mut disk, queue) {
                Some(job) => steps.extend(job(&mut disk)),
                None => break,
            }
        }
        gather(&mut disk, queue, &mut steps);
        let mut before = 0;
        while disk.is_awaited() && last.comes_back(before, steps.len(), Instant::now()) {
            before = steps.len();
            thread::sleep(PAUSE);
            gather(&mut disk, queue, &mut steps);
        }
        if steps.is_empty() {
            continue;
        }
        let (begun, count) = (Instant::now(), steps.len());
        let committed = guarded(&mut disk, D::commit);
        last.took = begun.elapsed();
        for step in std::mem::take(&mut steps) {
            steps.extend((step.0)(&mut disk, &committed));
        }
        gather(&mut disk, queue, &mut steps);
        last.about = count + steps.len();
        last.answered = Some(Instant::now());
    }
    disk.close();
}

/// Runs the jobs that wait, but no more than share a commit.
fn gather<D: Commit>(disk: &mut D, queue: &Receiver<Job<D>>, steps: &mut Vec<Step<D>>) {
    while steps.len() < MAX_GROUP
        && let Ok(job) = queue.try_recv()
    {
        steps.extend(job(disk));
    }
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
    pub(super) fn again(&self) -> Self {
        match self {
            Self::Io { path, action, source } => Self::Io {
                path: path.clone(),
                action,
                source: std::io::Error::new(source.kind(), source.to_string()),
            },
            Self::Corrupt { path, problem } => Self::Corrupt { path: path.clone(), problem: problem.clone() },
            Self::Lost { path, problem } => Self::Lost { path: path.clone(), problem: problem.clone() },
            Self::Unavailable { path, cause } => {
                Self::Unavailable { path: path.clone(), cause: cause.clone() }
            }
            other => Self::Backend(other.to_string().into()),
        }
    }
}

mod last_group;
#[cfg(test)]
mod tests;
