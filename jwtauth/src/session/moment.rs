//! Whether a request has waited for anything since: if not, what a store has answered it is as new as what
//! the store would answer now.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::thread::{self, ThreadId};

thread_local! {
    /// How often a request has gone on in this thread.
    static GONE_ON: Cell<u64> = const { Cell::new(0) };
}

/// The time from where a request goes on to where it waits again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    thread: ThreadId,
    number: u64,
}

impl Moment {
    /// Returns the present one. Of one request, [`in_moments`] makes none come again.
    pub(crate) fn now() -> Self {
        Self { thread: thread::current().id(), number: GONE_ON.get() }
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
                assert_ne!(Moment::now(), before);
                Moment::now()
            }))
            .await;
            // The next part of the request.
            in_moments(pin!(async {
                assert_eq!((async { 1 }.await, Moment::now()), (1, first));
                tokio::task::yield_now().await;
                assert_ne!(Moment::now(), first);
            }))
            .await;
        };
        tokio::join!(request(), request());
    }
}
