//! What this process knows of itself since its start, for the pages of admins: how many events there were in
//! the last week, when the store was swept, and how much it keeps.
//!
//! In memory: it begins anew with the program, and says since when it counts. What was before comes from the
//! audit trail, as far as that has it.
//!
//! # Invariants
//!
//! 1. Memory is bounded: a week in slots of five minutes, 64 kB.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::task::yield_now;

use super::Sessions;
use super::trail::LEFT_OUT;
use crate::error::SessionError;
use crate::events::{Event, EventDetails, EventRecord};
use crate::store::StoreSize;

/// The length of a slot, in seconds.
pub(crate) const SLOT: u64 = 300;

/// How many slots are kept: those of a week, and of the six hours that the first bar of it may need.
const SLOTS: usize = 7 * 24 * 12 + 72;

/// How many records of the audit trail are looked at, and how many are read at once.
const LOOKED_AT: u64 = 100_000;
const AT_ONCE: u64 = 256;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CountedEvent {
    Login,
    LoginFailed,
    Refresh,
    Reuse,
}

impl CountedEvent {
    /// Returns what an event of this [name](Event::name) counts.
    fn named(event: &str) -> Option<Self> {
        match event {
            "login" | "exchanged" => Some(Self::Login),
            "login_failed" => Some(Self::LoginFailed),
            "refresh" => Some(Self::Refresh),
            "reuse_detected" => Some(Self::Reuse),
            _ => None,
        }
    }

    /// Returns what a record of the audit trail counts, and how many of it. Refreshes are in none.
    fn of_kept(event: &EventDetails) -> Option<(Self, u32)> {
        let detail =
            |name: &str| event.details.iter().find(|(known, _)| known == name).map(|(_, value)| &**value);
        let (name, count) = match &*event.event {
            LEFT_OUT => (detail("event")?, detail("count")?.parse().ok()?),
            name => (name, 1),
        };
        Some((Self::named(name)?, count))
    }
}

/// What happened in a stretch of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stretch {
    /// When it began, in Unix seconds.
    pub(crate) at: u64,
    /// Whether it was counted at all.
    pub(crate) is_counted: bool,
    /// Whether the audit trail had it.
    pub(crate) is_in_trail: bool,
    /// How many of each [`CountedEvent`].
    pub(crate) counts: [u32; 4],
    /// How many sessions were live when they were last counted in it.
    pub(crate) live: Option<u64>,
}

impl Stretch {
    /// Returns how many there were. `None` if nobody knows.
    pub(crate) fn count(&self, event: CountedEvent) -> Option<u64> {
        let is_known = self.is_counted || (self.is_in_trail && event != CountedEvent::Refresh);
        is_known.then(|| u64::from(self.counts[event as usize]))
    }
}

#[derive(Debug)]
pub(crate) struct SinceStart {
    /// When it began, in Unix seconds.
    pub(crate) at: u64,
    kept: Mutex<KeptCounts>,
}

#[derive(Debug)]
struct KeptCounts {
    /// The number of the newest slot.
    newest: u64,
    /// The newest first.
    slots: VecDeque<Stretch>,
    /// From when on the audit trail was read, in Unix seconds.
    in_trail_from: Option<u64>,
    /// When the last sweep ended, and how many records it removed.
    swept: Option<(u64, usize)>,
    /// How much the store kept when that was last counted, and when that was.
    size: Option<(u64, StoreSize)>,
}

impl KeptCounts {
    /// Returns the slot of `now`.
    fn slot(&mut self, now: u64) -> Option<&mut Stretch> {
        let ahead = (now / SLOT).saturating_sub(self.newest);
        for _ in 0..ahead.min(SLOTS as u64) {
            self.slots.push_front(Stretch::default());
        }
        self.newest += ahead;
        self.slots.truncate(SLOTS);
        self.slots.front_mut()
    }
}

impl SinceStart {
    /// Begins to count at `now`, in Unix seconds.
    pub(super) fn new(now: u64) -> Self {
        let slots = VecDeque::from([Stretch::default()]);
        let kept = KeptCounts { newest: now / SLOT, slots, in_trail_from: None, swept: None, size: None };
        Self { at: now, kept: Mutex::new(kept) }
    }

    fn lock(&self) -> MutexGuard<'_, KeptCounts> {
        // OK because each change is whole after each line.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn note(&self, event: &Event, now: u64) {
        let Some(event) = CountedEvent::named(event.name()) else { return };
        if let Some(slot) = self.lock().slot(now) {
            let count = &mut slot.counts[event as usize];
            *count = count.saturating_add(1);
        }
    }

    /// Notes what the audit trail has of the time before the start.
    fn note_kept(&self, records: &[EventRecord]) {
        let mut kept = self.lock();
        for event in records.iter().map(|record| &record.event).filter(|event| event.at < self.at) {
            kept.in_trail_from = Some(kept.in_trail_from.unwrap_or(event.at).min(event.at));
            let Some((counted, count)) = CountedEvent::of_kept(event) else { continue };
            let back = kept.newest.checked_sub(event.at / SLOT).and_then(|back| usize::try_from(back).ok());
            let Some(back) = back.filter(|back| *back < SLOTS) else { continue };
            if kept.slots.len() <= back {
                kept.slots.resize(back + 1, Stretch::default());
            }
            let sum = &mut kept.slots[back].counts[counted as usize];
            *sum = sum.saturating_add(count);
        }
    }

    pub(super) fn note_live(&self, live: u64, now: u64) {
        if let Some(slot) = self.lock().slot(now) {
            slot.live = Some(live);
        }
    }

    pub(super) fn note_sweep(&self, removed: usize, now: u64) {
        self.lock().swept = Some((now, removed));
    }

    pub(super) fn note_size(&self, size: StoreSize, now: u64) {
        self.lock().size = Some((now, size));
    }

    /// Returns when it was last counted how much the store keeps, in Unix seconds, and how much it was.
    pub(crate) fn last_size(&self) -> Option<(u64, StoreSize)> {
        self.lock().size
    }

    /// Returns when the last sweep ended, in Unix seconds, and how many records it removed.
    pub(crate) fn last_sweep(&self) -> Option<(u64, usize)> {
        self.lock().swept
    }

    /// Returns the last `count` stretches of time, each of so many slots, the oldest first. The last one is
    /// not over at `now`.
    pub(crate) fn stretches(&self, slots: u64, count: u64, now: u64) -> Vec<Stretch> {
        let mut kept = self.lock();
        kept.slot(now);
        let slots = slots.max(1);
        let last = kept.newest / slots;
        (last.saturating_sub(count.saturating_sub(1))..=last)
            .map(|number| {
                let from = number * slots;
                let to = from.saturating_add(slots);
                let is_counted = to.saturating_mul(SLOT) > self.at;
                let is_in_trail = kept.in_trail_from.is_some_and(|since| to.saturating_mul(SLOT) > since);
                let at = from.saturating_mul(SLOT);
                let mut whole = Stretch { at, is_counted, is_in_trail, ..Stretch::default() };
                for slot in from..to {
                    let back = kept.newest.checked_sub(slot).and_then(|back| usize::try_from(back).ok());
                    let Some(slot) = back.and_then(|back| kept.slots.get(back)) else { continue };
                    for (sum, count) in whole.counts.iter_mut().zip(slot.counts) {
                        *sum = sum.saturating_add(count);
                    }
                    whole.live = slot.live.or(whole.live);
                }
                whole
            })
            .collect()
    }
}

impl Sessions {
    /// Returns what is known of this process since its start.
    pub(crate) fn since_start(&self) -> &SinceStart {
        &self.reporter.since_start
    }

    /// Notes what the audit trail has of the week before the start, the newest records first.
    pub(super) async fn count_from_trail(&self) -> Result<(), SessionError> {
        let trail = self.keeps_events().then(|| Arc::clone(&self.store).event_store()).flatten();
        let Some(trail) = trail else { return Ok(()) };
        let Some(head) = self.within(trail.trail_head()).await? else { return Ok(()) };
        let since = self.since_start();
        let oldest = since.at.saturating_sub(SLOTS as u64 * SLOT);
        let mut end = head.last.saturating_add(1);
        let stop = end.saturating_sub(LOOKED_AT).max(head.first);
        while end > stop {
            let start = end.saturating_sub(AT_ONCE).max(stop);
            let count = usize::try_from(end - start).unwrap_or(usize::MAX);
            let mut records = self.within(trail.events_after(start.saturating_sub(1), count)).await?;
            // Behind what is damaged stand others.
            records.retain(|record| record.number < end);
            since.note_kept(&records);
            if records.first().is_some_and(|record| record.event.at < oldest) {
                break;
            }
            end = start;
            yield_now().await;
        }
        Ok(())
    }

    /// Tells whether an audit trail is kept.
    pub(crate) const fn keeps_events(&self) -> bool {
        self.reporter.trail.is_some()
    }

    /// Tells whether a record of each token is kept.
    pub(crate) const fn keeps_tokens(&self) -> bool {
        self.config.storage.token_registry
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed() -> Event {
        Event::LoginFailed { username: String::new(), client_address: None }
    }

    fn counts(stretches: &[Stretch]) -> Vec<u64> {
        stretches.iter().map(|it| u64::from(it.counts[CountedEvent::LoginFailed as usize])).collect()
    }

    #[test]
    fn events_are_counted_where_they_happen() {
        let start = 3_600 * 100;
        let since = SinceStart::new(start);
        for at in [0, 299, 300, 3_599, 3_600, 7_200 + 5] {
            since.note(&failed(), start + at);
        }
        let now = start + 7_200 + 10;
        let hours = since.stretches(12, 4, now);
        assert_eq!(counts(&hours), [0, 4, 1, 1]);
        assert_eq!(
            hours.iter().map(|it| it.at).collect::<Vec<_>>(),
            [start - 3_600, start, start + 3_600, start + 7_200]
        );
        assert_eq!(hours.iter().map(|it| it.is_counted).collect::<Vec<_>>(), [false, true, true, true]);
        assert_eq!(counts(&since.stretches(1, 2, now)), [0, 1]);
    }

    /// M-24: what was before the start is known as far as the trail has it, and of refreshes nothing is.
    #[test]
    fn m_24_the_trail_has_what_was_before_the_start() {
        let start = 3_600 * 1_000;
        let since = SinceStart::new(start);
        let at = |hours: u64| start - hours * 3_600;
        let records: Vec<_> = [
            ("login_failed", at(24 * 30)),
            ("login_failed", at(5)),
            ("roles_set", at(4)),
            ("login", at(3)),
            ("exchanged", at(3) + 1),
            ("reuse_detected", at(1)),
            ("login", start),
        ]
        .into_iter()
        .map(|(name, at)| EventRecord::new(1, [0; 32], EventDetails::new(name, at)))
        .chain([("login_failed", "40"), ("password_set", "9"), ("login", "many")].map(|(event, count)| {
            let event = EventDetails::new(LEFT_OUT, at(2)).with("event", event).with("count", count);
            EventRecord::new(1, [0; 32], event)
        }))
        .collect();
        since.note_kept(&records[1..]);
        let shown = |event: CountedEvent| -> Vec<Option<u64>> {
            since.stretches(12, 7, start).iter().map(|it| it.count(event)).collect()
        };
        let [none, zero] = [None, Some(0)];
        assert_eq!(shown(CountedEvent::Login), [none, zero, zero, Some(2), zero, zero, zero]);
        assert_eq!(shown(CountedEvent::LoginFailed), [none, Some(1), zero, zero, Some(40), zero, zero]);
        assert_eq!(shown(CountedEvent::Reuse), [none, zero, zero, zero, zero, Some(1), zero]);
        assert_eq!(shown(CountedEvent::Refresh), [none, none, none, none, none, none, zero]);
        // However old it is.
        since.note_kept(&records);
        assert!(since.lock().slots.len() <= SLOTS);
    }

    #[test]
    fn each_event_is_counted_as_what_it_is() {
        let session = Arc::new(crate::store::sample::session(1, "1"));
        let (since, of) = (SinceStart::new(0), || Arc::clone(&session));
        for (event, counted) in [
            (Event::Login { session: of(), replaced: 0 }, [1, 0, 0, 0]),
            (Event::Exchanged { session: of() }, [2, 0, 0, 0]),
            (failed(), [2, 1, 0, 0]),
            (Event::Refresh { session: of() }, [2, 1, 1, 0]),
            (Event::ReuseDetected { session: of() }, [2, 1, 1, 1]),
            (Event::SessionExpired { session: of() }, [2, 1, 1, 1]),
        ] {
            since.note(&event, 10);
            assert_eq!(since.stretches(1, 1, 10)[0].counts, counted, "{}", event.name());
        }
    }

    #[test]
    fn a_week_is_kept_and_no_more() {
        let since = SinceStart::new(0);
        since.note(&failed(), 0);
        since.note_live(7, 10);
        let week = 7 * 24 * 3_600;
        let last = since.stretches(72, 28, week - 1);
        assert_eq!((counts(&last)[0], last[0].live, last.len()), (1, Some(7), 28));
        // However far the clock jumps.
        assert_eq!(counts(&since.stretches(72, 28, u64::MAX)), [0; 28]);
        assert_eq!(since.lock().slots.len(), 7 * 24 * 12 + 72);
    }
}
