//! Whether a request has waited for anything since: if not, what a store has answered it is as new as what
//! the store would answer now.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

/// How long a moment lasts at most: a handler that blocks its thread does not wait for anything either, and
/// meanwhile others log out. An answer on its way is not newer than this.
const LONGEST: Duration = Duration::from_millis(100);

thread_local! {
    /// How often a request has gone on in this thread.
    static GONE_ON: Cell<u64> = const { Cell::new(0) };
}

/// The time from where a request goes on to where it waits again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    thread: ThreadId,
    number: u64,
    at: Instant,
}

impl Moment {
    /// Returns the present one. Of one request, [`in_moments`] makes none come again.
    pub(crate) fn now() -> Self {
        Self { thread: thread::current().id(), number: GONE_ON.get(), at: Instant::now() }
    }

    /// Tells whether it is not over.
    pub(crate) fn lasts(self) -> bool {
        let now = Self::now();
        (self.thread, self.number) == (now.thread, now.number) && now.at.duration_since(self.at) < LONGEST
    }
}

/// Carries out a part of a request. A new moment begins each time that it has waited.
///
/// Takes it where it stands: what a request calls is large, and would be moved for each one.
pub(crate) const fn in_moments<F>(part: Pin<&mut F>) -> Moments<'_, F> {
    Moments { part, has_waited: false }
}

/// See [`in_moments`].
pub(crate) struct Moments<'p, F> {
    part: Pin<&'p mut F>,
    has_waited: bool,
}

impl<F: Future> Future for Moments<'_, F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        if self.has_waited {
            GONE_ON.set(GONE_ON.get().wrapping_add(1));
        }
        self.has_waited = true;
        self.part.as_mut().poll(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use super::*;

    #[tokio::test]
    async fn a_moment_lasts_until_the_request_waits() {
        let request = async || {
            let first = in_moments(pin!(async {
                let before = Moment::now();
                tokio::task::yield_now().await;
                assert!(!before.lasts());
                Moment::now()
            }))
            .await;
            // The next part of the request.
            in_moments(pin!(async {
                let soon = Moment { at: Instant::now(), ..first };
                assert_eq!((async { 1 }.await, soon.lasts()), (1, true));
                tokio::task::yield_now().await;
                assert!(!first.lasts());
            }))
            .await;
        };
        tokio::join!(request(), request());
    }

    /// S-8: a handler that blocks does not wait, and others log out meanwhile.
    #[test]
    fn s_8_a_moment_is_over_after_a_while() {
        let now = Moment::now();
        let before =
            |by| Moment { at: now.at.checked_sub(by).expect("the machine has run for longer"), ..now };
        assert!(!before(LONGEST).lasts() && (0..100).any(|_| Moment::now().lasts()));
    }
}
