//! What the thread that compacts a store has to do: what an operator asks for, and what the writer sees.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::super::compact_store::Compaction;
use crate::error::StoreError;

/// Where the outcome goes. Whoever has asked and is gone does not want it any more.
pub(super) type Asker = oneshot::Sender<Result<Compaction, StoreError>>;

/// One compaction.
#[derive(Debug)]
pub(super) enum Order {
    /// Somebody waits for it.
    Asked(Asker),
    /// The files seem to be too large.
    Due,
}

/// At most one order waits, and one is carried out.
#[derive(Debug, Default)]
pub(super) struct CompactionOrders {
    board: Mutex<Board>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Board {
    waiting: Option<Order>,
    is_busy: bool,
    is_over: bool,
    /// How many there were.
    done: u64,
    last: Option<Compaction>,
}

impl CompactionOrders {
    fn lock(&self) -> MutexGuard<'_, Board> {
        // OK because every change under the lock leaves it whole.
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says that the files seem to be too large.
    pub(super) fn due(&self) {
        let mut board = self.lock();
        if !board.is_busy && board.waiting.is_none() {
            board.waiting = Some(Order::Due);
            self.changed.notify_one();
        }
    }

    /// Asks for a compaction. `None` if there is one already.
    pub(super) fn ask(&self) -> Option<oneshot::Receiver<Result<Compaction, StoreError>>> {
        let mut board = self.lock();
        if board.is_busy || matches!(board.waiting, Some(Order::Asked(_))) {
            return None;
        }
        let (sender, outcome) = oneshot::channel();
        board.waiting = Some(Order::Asked(sender));
        self.changed.notify_one();
        Some(outcome)
    }

    /// Waits for the next one, and takes it. `None` if there will be none.
    pub(super) fn next(&self) -> Option<Order> {
        let mut board = self.lock();
        loop {
            if board.is_over {
                return None;
            }
            if let Some(order) = board.waiting.take() {
                board.is_busy = true;
                return Some(order);
            }
            board = self.changed.wait(board).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Says that the one that was taken last is over.
    pub(super) fn free(&self) {
        self.lock().is_busy = false;
    }

    /// Notes what one has done.
    pub(super) fn note(&self, compaction: Compaction) {
        let mut board = self.lock();
        board.done += 1;
        board.last = Some(compaction);
    }

    /// Returns how many there were, and what the last one has done.
    pub(super) fn done(&self) -> (u64, Option<Compaction>) {
        let board = self.lock();
        (board.done, board.last)
    }

    /// Ends all of it.
    pub(super) fn end(&self) {
        self.lock().is_over = true;
        self.changed.notify_all();
    }

    pub(super) fn is_over(&self) -> bool {
        self.lock().is_over
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn one_at_a_time_and_what_is_asked_for_comes_first() {
        let orders = Arc::new(CompactionOrders::default());
        orders.due();
        let asked = orders.ask();
        assert!(asked.is_some() && orders.ask().is_none());
        assert!(matches!(orders.next(), Some(Order::Asked(_))));
        orders.due();
        assert!(orders.ask().is_none(), "it is busy");
        orders.free();
        assert!(orders.ask().is_some());
        orders.end();
        assert!(orders.is_over() && orders.next().is_none());
    }

    #[test]
    fn the_end_wakes_whoever_waits() {
        let orders = Arc::new(CompactionOrders::default());
        let waiting = std::thread::spawn({
            let orders = Arc::clone(&orders);
            move || orders.next().is_none()
        });
        orders.end();
        assert!(waiting.join().unwrap());
    }
}
