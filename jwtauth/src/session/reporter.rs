//! Who hears of an event: the log, the metrics, the audit trail and the hooks, in this order.
//!
//! # Invariants
//!
//! 1. What was changed is reported, also if its request was dropped meanwhile, or was answered because the
//!    change took too long. So nobody hides what they do by closing the connection (O-8).
//! 2. An event is on disk before a hook hears of it. No hook can undo it or make the request fail.
//! 3. A change whose request waits is answered after its event was reported.
//! 4. Lines of the log stand in the span of the request, also if another task writes them.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tracing::Instrument as _;

use super::Sessions;
use super::hooks::Hooks;
#[cfg(feature = "pages")]
use super::since_start::SinceStart;
use super::trail::{Trail, same_cause};
use crate::clock::TimeMark;
use crate::error::{SessionError, StoreError};
use crate::events::Event;

/// Reports events. A clone reports to the same.
#[derive(Clone, Debug)]
pub(super) struct Reporter {
    pub(super) hooks: Arc<Hooks>,
    pub(super) trail: Option<Arc<Trail>>,
    /// How long a request waits for hooks.
    pub(super) patience: Duration,
    #[cfg(feature = "pages")]
    pub(super) since_start: Arc<SinceStart>,
}

impl Reporter {
    /// Reports an event that happened at `now`, in Unix seconds.
    pub(super) async fn emit(&self, event: Event, now: u64) {
        note(&event);
        #[cfg(feature = "pages")]
        self.since_start.note(&event, now);
        if self.trail.is_none() && !self.hooks.hear_events() {
            return;
        }
        let this = self.clone();
        let told = async move {
            if let Some(trail) = &this.trail {
                trail.keep(&event, now).await;
            }
            this.tell(event).await;
        };
        // Neither of them panics: hooks have tasks of their own.
        let _ = tokio::spawn(same_cause(told).in_current_span()).await;
    }

    /// Reports an event to the hooks only. Returns whether they finished.
    pub(super) async fn tell(&self, event: Event) -> bool {
        !self.hooks.hear_events() || Arc::clone(&self.hooks).tell(event, self.patience).await
    }

    /// Returns what reports that the clock was set back. Times of the store go on from `mark`.
    pub(super) fn tell_set_back(&self, mark: &Arc<TimeMark>) -> impl Fn(u64) + Send + Sync + 'static {
        let (this, mark) = (self.clone(), Arc::clone(mark));
        move |seconds| {
            let event = Event::ClockSetBack { by: Duration::from_secs(seconds) };
            match tokio::runtime::Handle::try_current() {
                Ok(runtime) => {
                    let (this, now) = (this.clone(), mark.latest());
                    runtime.spawn(async move { this.emit(event, now).await });
                }
                Err(_) => note(&event),
            }
        }
    }
}

impl Sessions {
    /// Reports an event to the log, the metrics, the audit trail and the hooks.
    pub(crate) async fn emit(&self, event: Event) {
        self.reporter.emit(event, self.clock.now()).await;
    }

    /// Makes a change of the store, and reports what came of it. Waits as long as [`Self::within`] does.
    pub(crate) async fn report_after<T: Send + 'static, E: IntoIterator<Item = Event>>(
        &self,
        change: impl Future<Output = Result<T, StoreError>> + Send + 'static,
        events: impl FnOnce(&T) -> E + Send + 'static,
    ) -> Result<T, SessionError> {
        let (reporter, clock) = (self.reporter.clone(), Arc::clone(&self.clock));
        let (sender, outcome) = oneshot::channel();
        let reported = async move {
            let outcome = change.await;
            let events: Vec<Event> = outcome.as_ref().ok().map(events).into_iter().flatten().collect();
            // Nobody may wait any more.
            let _ = sender.send(outcome);
            for event in events {
                reporter.emit(event, clock.now()).await;
            }
        };
        let reported = tokio::spawn(same_cause(reported).in_current_span());
        // It panicked, or the runtime is going down.
        let outcome = async { outcome.await.unwrap_or(Err(StoreError::Closed)) };
        let outcome = self.within(Box::pin(outcome)).await?;
        let _ = reported.await;
        Ok(outcome)
    }
}

pub(super) fn note(event: &Event) {
    event.log();
    #[cfg(feature = "metrics")]
    metrics::counter!("jwtauth_events_total", "event" => event.name()).increment(1);
}
