//! The rules of a store that keeps an audit trail.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::super::event_store::EventStore;
use super::super::session_store::SessionStore;
use crate::events::{EventDetails, EventRecord, TrailCheck, TrailFault};

fn event(at: u64) -> EventDetails {
    EventDetails::new("login", at).with("device", "a phone")
}

async fn faults(trail: &dyn EventStore) -> Vec<TrailFault> {
    let mut check = TrailCheck::new(trail.trail_head().await.expect("trail_head"));
    all(trail).await.iter().for_each(|record| check.take(record));
    check.faults()
}

async fn all(trail: &dyn EventStore) -> Vec<EventRecord> {
    trail.events_after(0, usize::MAX).await.expect("events_after")
}

fn numbers(records: &[EventRecord]) -> Vec<u64> {
    records.iter().map(|record| record.number).collect()
}

pub(super) async fn run<S: SessionStore>(store: &Arc<S>) {
    let Some(trail) = Arc::clone(store).event_store() else { return };
    assert_eq!(trail.trail_head().await.expect("trail_head"), None, "the head of no trail");
    assert_eq!(all(&*trail).await, [], "the events of no trail");
    let events = vec![event(1), event(2), event(3)];
    trail.append_events(events.clone(), 5).await.expect("append_events");
    let kept = all(&*trail).await;
    let said: Vec<_> = kept.iter().map(|record| record.event.clone()).collect();
    assert_eq!((numbers(&kept), said), (vec![1, 2, 3], events), "events come back as they were");
    assert_eq!(faults(&*trail).await, [], "the chain of the first events");
    let page = trail.events_after(1, 1).await.expect("events_after");
    assert_eq!(numbers(&page), [2], "a page of the trail");

    for at in 4..=20 {
        trail.append_events(vec![event(at)], 5).await.expect("append_events");
    }
    assert_eq!(numbers(&all(&*trail).await), [16, 17, 18, 19, 20], "the newest events stay");
    assert_eq!(faults(&*trail).await, [], "the chain after old events were removed");
    let head = trail.trail_head().await.expect("trail_head").expect("a trail");
    assert_eq!((head.first, head.last, head.keep), (16, 20, 5), "the head");

    trail.append_events((21..=30).map(event).collect(), 2).await.expect("append_events");
    assert_eq!(numbers(&all(&*trail).await), [29, 30], "more events at once than are kept");
    assert_eq!(faults(&*trail).await, [], "the chain after that");
    trail.append_events(vec![event(31)], 100).await.expect("append_events");
    assert_eq!(numbers(&all(&*trail).await), [29, 30, 31], "more are kept from now on");

    let mut running = JoinSet::new();
    for at in 32..64 {
        let trail = Arc::clone(&trail);
        running.spawn(async move { trail.append_events(vec![event(at)], 100).await });
    }
    while let Some(done) = running.join_next().await {
        done.expect("a task").expect("append_events");
    }
    assert_eq!(numbers(&all(&*trail).await), (29..=63).collect::<Vec<_>>(), "events that come together");
    assert_eq!(faults(&*trail).await, [], "their chain");
}
