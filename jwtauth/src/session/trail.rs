//! The audit trail: which events are kept, and how much of what comes in masses.
//!
//! # Invariants
//!
//! 1. An event that is kept is on disk before the request that caused it is answered. A trail that cannot be
//!    written fails no request: the events are counted, and a record says how many were lost (O-8).
//! 2. Nobody can push the events of others out of the trail: in a minute at most [`FAILED_LOGINS`] logins
//!    that failed are kept, and of each other event at most [`OF_ONE_KIND`] about one subject or session. The
//!    others are counted, and a record says how many there were (O-10). Of what an operator or admin does it
//!    is [`OF_ONE_CAUSE`], so that no change of theirs hides behind others, and that record names them.
//! 3. Memory is bounded: at most [`MAX_COUNTED`] kinds are told apart in a minute.

use std::collections::HashMap;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tracing::Instrument as _;

use crate::config::Config;
use crate::error::{ConfigError, StoreError};
use crate::events::{Event, EventDetails};
use crate::notice::OnceAMinute;
use crate::store::{EventStore, SessionStore};

/// How many logins that failed are kept in a minute, one by one.
const FAILED_LOGINS: u64 = 20;
/// How many events of one kind about one subject or session are kept in a minute, one by one.
const OF_ONE_KIND: u64 = 10;
/// How many of those are kept that one operator or admin causes: more than a person does in a minute.
const OF_ONE_CAUSE: u64 = 100;
/// How many kinds are told apart in a minute. The others are one kind together.
const MAX_COUNTED: usize = 16_384;

/// The name of the record that says how many events were not kept, because the store failed.
const LOST: &str = "events_lost";
/// The name of the record that says how many events of one kind were not kept, because there were too many.
pub(super) const LEFT_OUT: &str = "events_left_out";

/// The name of the detail that says who has caused an event.
const BY: &str = "by";

tokio::task_local! {
    /// Who causes the events of this task.
    static CAUSE: Arc<str>;
}

/// Does something in the name of somebody: the events of it say by whom they were caused.
pub(crate) fn caused_by<F: Future>(cause: impl Into<Arc<str>>, done: F) -> impl Future<Output = F::Output> {
    CAUSE.scope(cause.into(), done)
}

/// Takes over who causes the events of this task, for what goes on in another one.
pub(super) fn same_cause<F: Future>(done: F) -> impl Future<Output = F::Output> {
    let cause = CAUSE.try_with(Arc::clone).ok();
    async move {
        match cause {
            Some(cause) => caused_by(cause, done).await,
            None => done.await,
        }
    }
}

/// Writes events into the audit trail of a store.
#[derive(Debug)]
pub(super) struct Trail {
    store: Arc<dyn EventStore>,
    /// The same store, which knows whose a session is.
    sessions: Arc<dyn SessionStore>,
    keep: u64,
    timeout: Duration,
    minute: Mutex<Minute>,
    lost: AtomicU64,
    told: Mutex<OnceAMinute>,
}

/// What came in this minute.
#[derive(Debug, Default)]
struct Minute {
    number: u64,
    counts: HashMap<Kind, u64>,
}

/// An event, whom it is about, and who has caused it in the place of that one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Kind {
    event: String,
    about: Option<String>,
    by: Option<String>,
}

impl Kind {
    fn of(event: &EventDetails) -> Self {
        let session = || event.session.map(|session| session.to_string());
        let by = event.details.iter().find(|(name, _)| name == BY).map(|(_, by)| by.clone());
        Self { event: event.event.clone(), about: event.subject.clone().or_else(session), by }
    }

    const fn most(&self) -> u64 {
        match self {
            Self { by: Some(_), .. } => OF_ONE_CAUSE,
            Self { about: None, .. } => FAILED_LOGINS,
            Self { .. } => OF_ONE_KIND,
        }
    }
}

impl Minute {
    /// Takes an event in. Returns what is to be kept: what the last minute has left out, and the event unless
    /// there were too many.
    fn take(&mut self, event: EventDetails) -> Vec<EventDetails> {
        let mut kept = self.begin(event.at / 60, event.at);
        let mut kind = Kind::of(&event);
        if self.counts.len() >= MAX_COUNTED && !self.counts.contains_key(&kind) {
            kind.about = None;
        }
        let most = kind.most();
        let count = self.counts.entry(kind).or_default();
        *count += 1;
        if *count <= most {
            kept.push(event);
        }
        kept
    }

    /// Begins another minute. Returns what is to be said about the one before.
    fn begin(&mut self, number: u64, now: u64) -> Vec<EventDetails> {
        if number == self.number {
            return Vec::new();
        }
        self.number = number;
        let over = self.settle(now);
        self.counts.clear();
        over
    }

    /// Returns what is to be said about this minute so far, and was not said.
    fn settle(&mut self, now: u64) -> Vec<EventDetails> {
        let mut over: Vec<(u64, Kind)> = Vec::new();
        for (kind, count) in &mut self.counts {
            let most = kind.most();
            if *count > most {
                over.push((*count - most, kind.clone()));
                *count = most;
            }
        }
        over.sort_by(|(one, a), (other, b)| other.cmp(one).then_with(|| a.event.cmp(&b.event)));
        over.into_iter().map(|(count, kind)| left_out(kind, count, now)).collect()
    }
}

fn left_out(kind: Kind, count: u64, now: u64) -> EventDetails {
    let mut event = EventDetails::new(LEFT_OUT, now).with("event", kind.event).with("count", count);
    event.subject = kind.about;
    match kind.by {
        Some(by) => event.with(BY, by),
        None => event,
    }
}

impl Trail {
    /// Returns the trail that the settings ask for.
    pub(super) fn of(
        config: &Config,
        store: &Arc<dyn SessionStore>,
    ) -> Result<Option<Arc<Self>>, ConfigError> {
        let Some(keep) = config.storage.keep_events else { return Ok(None) };
        let sessions = Arc::clone(store);
        let store = Arc::clone(store).event_store().ok_or(ConfigError::NotKept {
            what: "audit trail",
            needed_by: "StorageConfig::keep_events",
            method: "event_store",
        })?;
        Ok(Some(Arc::new(Self {
            store,
            sessions,
            keep,
            timeout: config.storage.timeout,
            minute: Mutex::default(),
            lost: AtomicU64::new(0),
            told: Mutex::default(),
        })))
    }

    /// Keeps an event that happened at `now`, in Unix seconds.
    pub(super) async fn keep(self: &Arc<Self>, event: &Event, now: u64) {
        let Some(mut event) = EventDetails::of(event, now) else { return };
        if let (None, Some(session)) = (&event.subject, event.session) {
            // Whose it is counts below, and whoever looks for a user finds it. It may be swept by now.
            let found = tokio::time::timeout(self.timeout, self.sessions.load(session)).await;
            event.subject = found.ok().and_then(Result::ok).flatten().map(|found| found.subject.clone());
        }
        if let Ok(cause) = CAUSE.try_with(Arc::clone) {
            event = event.with(BY, cause);
        }
        let kept = self.minute().take(event);
        self.append(kept, now).await;
    }

    /// Writes what is not written yet, at `now`: what the minutes before this one have left out.
    pub(super) async fn catch_up(self: &Arc<Self>, now: u64) {
        let kept = self.minute().begin(now / 60, now);
        self.append(kept, now).await;
    }

    /// Likewise, and what this minute has left out: nothing may follow.
    pub(super) async fn settle(self: &Arc<Self>, now: u64) {
        let kept = self.minute().settle(now);
        self.append(kept, now).await;
    }

    /// Writes events, and waits for that no longer than for a change of the store. What takes longer goes on
    /// in a task of its own, also if the request is dropped.
    async fn append(self: &Arc<Self>, events: Vec<EventDetails>, now: u64) {
        if events.is_empty() {
            return;
        }
        let trail = Arc::clone(self);
        let writing = tokio::spawn(async move { trail.write(events, now).await }.in_current_span());
        if tokio::time::timeout(self.timeout, writing).await.is_err() {
            let error = StoreError::TimedOut { after: self.timeout };
            self.tell(&error);
        }
    }

    async fn write(&self, mut events: Vec<EventDetails>, now: u64) {
        let lost = self.lost.swap(0, Ordering::Relaxed);
        let count = events.len() as u64;
        if lost > 0 {
            events.insert(0, EventDetails::new(LOST, now).with("count", lost));
        }
        if let Err(error) = self.store.append_events(events, self.keep).await {
            self.lost.fetch_add(lost + count, Ordering::Relaxed);
            self.tell(&error);
        }
    }

    fn tell(&self, error: &StoreError) {
        if self.told.lock().unwrap_or_else(PoisonError::into_inner).is_due() {
            tracing::error!(target: "jwtauth", error = error as &dyn std::error::Error, "events are missing in the audit trail: the store cannot write them");
        }
    }

    fn minute(&self) -> std::sync::MutexGuard<'_, Minute> {
        // OK because no part of it is left half-changed.
        self.minute.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::SessionId;

    fn failed(at: u64) -> EventDetails {
        EventDetails::new("login_failed", at)
    }

    fn login(subject: &str, at: u64) -> EventDetails {
        let mut event = EventDetails::new("login", at);
        event.subject = Some(subject.into());
        event
    }

    #[test]
    fn a_mass_of_failed_logins_is_counted_and_does_not_push_others_out() {
        let mut minute = Minute::default();
        let kept: usize = (0..1_000).map(|_| minute.take(failed(120)).len()).sum();
        assert_eq!(kept as u64, FAILED_LOGINS);
        assert_eq!(minute.take(login("ann", 179)).len(), 1);
        let next = minute.take(failed(180));
        assert_eq!(next.len(), 2, "{next:?}");
        assert_eq!(next[0].event, LEFT_OUT);
        let expected = [("event", "login_failed"), ("count", "980")];
        assert_eq!(next[0].details, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn one_subject_does_not_push_others_out() {
        let mut minute = Minute::default();
        let kept: usize = (0..100).map(|_| minute.take(login("eve", 60)).len()).sum();
        assert_eq!(kept as u64, OF_ONE_KIND);
        assert_eq!(minute.take(login("ann", 61)).len(), 1);
        let said = minute.begin(2, 120);
        assert_eq!(said.len(), 1, "{said:?}");
        assert_eq!((said[0].subject.as_deref(), &*said[0].details[1].1), (Some("eve"), "90"));
        assert!(minute.begin(2, 121).is_empty());
    }

    #[test]
    fn o_11_no_change_of_an_admin_hides_behind_others() {
        let mut minute = Minute::default();
        let mut kept = 0;
        for by in ["ada", "bea"] {
            kept += (0..200).map(|_| minute.take(login("eve", 60).with(BY, by)).len()).sum::<usize>();
        }
        assert_eq!(kept as u64, 2 * OF_ONE_CAUSE);
        let said = minute.settle(61);
        let by: Vec<_> = said.iter().map(|it| it.details.last().cloned()).collect();
        let named = |name: &str| Some((BY.to_owned(), name.to_owned()));
        assert!(by.contains(&named("ada")) && by.contains(&named("bea")), "{said:?}");
    }

    #[test]
    fn many_subjects_cost_no_memory_without_end() {
        let mut minute = Minute::default();
        for number in 0..20_000_u64 {
            let mut event = EventDetails::new("session_revoked", 60);
            event.session = Some(SessionId::from_bytes(u128::from(number).to_be_bytes()));
            minute.take(event);
        }
        assert!(minute.counts.len() <= MAX_COUNTED + 1, "{}", minute.counts.len());
    }
}
