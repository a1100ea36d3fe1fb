//! Counters of one process: in bounded memory, and gone with the process. For stores that one process has
//! open, and for those that keep no counters.
//!
//! To push out a counter, others that expire as late must fill seven eighths of the room.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::counter_store::{Counter, CounterKey, CounterKind, CounterRule, CounterStore};
use super::requests::StoreFuture;

/// How many counters of each kind there may be.
pub(crate) const ROOM: usize = 16 * 1024;

type Table = HashMap<[u8; CounterKey::NAME], Counter>;

#[derive(Debug, Default)]
pub(crate) struct ProcessCounters(Mutex<HashMap<CounterKind, Table>>);

impl CounterStore for ProcessCounters {
    fn change_counters(
        &self,
        keys: Vec<CounterKey>,
        now: u64,
        rule: CounterRule,
    ) -> StoreFuture<'_, Vec<Option<Counter>>> {
        // OK to go on after a panic, because no change here can stop half-way.
        let mut tables = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = |key: &CounterKey| tables.get(&key.kind).and_then(|table| table.get(&key.name)).cloned();
        let before: Vec<_> = keys.iter().map(found).collect();
        let after = rule(&before);
        for ((key, before), after) in keys.iter().zip(&before).zip(after) {
            if *before == after {
                continue;
            }
            let table = tables.entry(key.kind).or_default();
            match after {
                Some(counter) => {
                    if before.is_none() {
                        make_room(table, now);
                    }
                    table.insert(key.name, counter);
                }
                None => drop(table.remove(&key.name)),
            }
        }
        Box::pin(std::future::ready(Ok(before)))
    }
}

/// When a table is full, drops what has expired, or else the eighth that expires first.
fn make_room(table: &mut Table, now: u64) {
    if table.len() < ROOM {
        return;
    }
    table.retain(|_, counter| counter.expires_at > now);
    if table.len() >= ROOM {
        let mut first: Vec<_> = table.iter().map(|(name, counter)| (counter.expires_at, *name)).collect();
        first.select_nth_unstable(ROOM / 8);
        for (_, name) in &first[..ROOM / 8] {
            table.remove(name);
        }
    }
}

#[cfg(test)]
impl ProcessCounters {
    /// Returns how many of a kind there are.
    pub(crate) fn len(&self, kind: CounterKind) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&kind).map_or(0, HashMap::len)
    }
}

#[cfg(all(test, feature = "testing"))]
mod tests {
    use super::*;

    #[tokio::test]
    async fn counters_of_a_process_conform() {
        super::super::conformance::run_counters(std::sync::Arc::new(ProcessCounters::default())).await;
    }
}
