//! Whether a request has waited for anything since: if not, what a store has answered it is as new as what
//! the store would answer now.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::pin;
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
pub(crate) async fn in_moments<T>(part: impl Future<Output = T>) -> T {
    let (mut part, mut has_waited) = (pin!(part), false);
    poll_fn(|cx| {
        if has_waited {
            GONE_ON.set(GONE_ON.get().wrapping_add(1));
        }
        has_waited = true;
        part.as_mut().poll(cx)
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_moment_lasts_until_the_request_waits() {
        let request = async || {
            let first = in_moments(async {
                let before = Moment::now();
                tokio::task::yield_now().await;
                assert_ne!(Moment::now(), before);
                Moment::now()
            })
            .await;
            // The next part of the request.
            in_moments(async {
                assert_eq!((async { 1 }.await, Moment::now()), (1, first));
                tokio::task::yield_now().await;
                assert_ne!(Moment::now(), first);
            })
            .await;
        };
        tokio::join!(request(), request());
    }
}
