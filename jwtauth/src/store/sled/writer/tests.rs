//! Groups, failures, and callers who go away.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Sender;

use super::*;

/// Counts commits. The first ones wait, each until it is let go.
struct Disk {
    commits: Arc<AtomicUsize>,
    gate: Receiver<()>,
    waiting: usize,
    /// How many commits succeed before the rest fails.
    good: usize,
}

impl Commit for Disk {
    fn commit(&mut self) -> Result<(), StoreError> {
        let number = self.commits.fetch_add(1, Ordering::SeqCst);
        if number < self.waiting {
            let _ = self.gate.recv();
        }
        if number >= self.good {
            Err(StoreError::Unavailable { path: "p".into(), cause: None })
        } else {
            Ok(())
        }
    }

    fn is_awaited(&self) -> bool {
        true
    }

    fn panicked(&mut self) -> StoreError {
        StoreError::Unavailable { path: "panicked".into(), cause: None }
    }

    fn close(self) {}
}

fn disk(fails: bool) -> (Writer<Disk>, Arc<AtomicUsize>, Sender<()>) {
    start(1, if fails { 0 } else { usize::MAX })
}

fn start(waiting: usize, good: usize) -> (Writer<Disk>, Arc<AtomicUsize>, Sender<()>) {
    let commits = Arc::new(AtomicUsize::new(0));
    let (open, gate) = mpsc::channel();
    let writer = Writer::start(Disk { commits: Arc::clone(&commits), gate, waiting, good }).unwrap();
    (writer, commits, open)
}

#[tokio::test]
async fn all_that_wait_share_one_commit() {
    let (writer, commits, open) = disk(false);
    let first = writer.submit(|_| Ok(0));
    until_committing(&commits, 1);
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
    let bad =
        writer.submit(|_| -> Result<(), StoreError> { panic!("on purpose: this line belongs to a test") });
    let good = writer.submit(|_| Ok(()));
    assert!(matches!(bad.await, Err(StoreError::Unavailable { .. })));
    good.await.unwrap();
}

/// N-2: what nobody waits for any more is not begun, except the end of a session.
#[tokio::test]
async fn n_2_a_change_is_not_begun_for_a_caller_who_is_gone() {
    let (writer, commits, open) = disk(false);
    let first = writer.submit(|_| Ok(()));
    until_committing(&commits, 1);
    let done = Arc::new(AtomicUsize::new(0));
    let count = || {
        let done = Arc::clone(&done);
        move |_: &mut Disk| Ok(done.fetch_add(1, Ordering::SeqCst))
    };
    for _ in 0..40 {
        drop(writer.submit(count()));
        drop(writer.submit_in_two(Counted { done: Arc::clone(&done) }));
    }
    let waits = writer.submit(count());
    drop(writer.insist(count()));
    open.send(()).unwrap();
    first.await.unwrap();
    waits.await.unwrap();
    drop(writer);
    assert_eq!(done.load(Ordering::SeqCst), 2);
}

/// N-2: what was begun for a caller who leaves then is undone, and goes no further.
#[tokio::test]
async fn n_2_a_change_that_was_begun_is_undone_if_its_caller_leaves() {
    for (leaves, fails, done) in [(false, false, 1 + 10), (true, false, 1 - 1), (false, true, 1 - 1)] {
        let (writer, commits, open) = disk(fails);
        let counter = Arc::new(AtomicUsize::new(0));
        let change = writer.submit_in_two(Counted { done: Arc::clone(&counter) });
        until_committing(&commits, 1);
        let outcome = if leaves {
            drop(change);
            open.send(()).unwrap();
            None
        } else {
            open.send(()).unwrap();
            Some(change.await)
        };
        drop(writer);
        assert_eq!(counter.load(Ordering::SeqCst), done, "leaves: {leaves}, fails: {fails}");
        assert!(outcome.is_none_or(|outcome| outcome.is_err() == fails));
        // The second step, and the undoing, are committed too.
        assert_eq!(commits.load(Ordering::SeqCst), 2);
    }
}

/// N-2: a caller who gives up in the second step was told that the change stands. It stands if that step
/// fails.
#[tokio::test]
async fn n_2_a_change_that_its_caller_has_seen_is_not_undone() {
    for (leaves, done) in [(true, 1 + 10), (false, 10)] {
        let (writer, commits, open) = start(2, 1);
        let counter = Arc::new(AtomicUsize::new(0));
        let change = writer.submit_in_two(Counted { done: Arc::clone(&counter) });
        open.send(()).unwrap();
        until_committing(&commits, 2);
        let change = (!leaves).then_some(change);
        open.send(()).unwrap();
        if let Some(change) = change {
            assert!(change.await.is_err());
        }
        drop(writer);
        assert_eq!(counter.load(Ordering::SeqCst), done, "leaves: {leaves}");
    }
}

/// N-2: so many wait, and no more.
#[tokio::test]
async fn n_2_a_full_queue_says_so_at_once() {
    let (writer, commits, open) = disk(false);
    let first = writer.submit(|_| Ok(()));
    until_committing(&commits, 1);
    let waiting: Vec<_> = (0..MAX_WAITING).map(|n| writer.submit(move |_| Ok(n))).collect();
    let refused = writer.submit(|_| Ok(0)).await;
    assert!(matches!(refused, Err(StoreError::Busy { waiting: MAX_WAITING })), "{refused:?}");
    open.send(()).unwrap();
    first.await.unwrap();
    for (n, outcome) in waiting.into_iter().enumerate() {
        assert_eq!(outcome.await.unwrap(), n);
    }
    writer.submit(|_| Ok(())).await.unwrap();
}

/// Adds 1, then 10; or takes the 1 back.
struct Counted {
    done: Arc<AtomicUsize>,
}

impl TwoSteps<Disk> for Counted {
    type Outcome = ();

    fn begin(&mut self, _: &mut Disk) -> Result<(), StoreError> {
        self.done.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    fn settle(&mut self, _: &mut Disk, (): &(), waits: &dyn Fn() -> bool) -> Result<Settled, StoreError> {
        if !waits() {
            return Ok(Settled::Abandoned);
        }
        self.done.fetch_add(10, Ordering::SeqCst);
        Ok(Settled::More { awaited: true })
    }

    fn undo(&mut self, _: &mut Disk) {
        self.done.fetch_sub(1, Ordering::SeqCst);
    }
}

fn until_committing(commits: &AtomicUsize, number: usize) {
    while commits.load(Ordering::SeqCst) < number {
        thread::yield_now();
    }
}
