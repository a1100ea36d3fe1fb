//! Counters whose store makes room by a time that is right: a clock that is ahead of others deletes no
//! failures that they have counted.

use std::sync::Arc;

use crate::session::Sessions;
use crate::store::{Counter, CounterKey, CounterRule, CounterStore, StoreFuture};

/// See the module.
#[derive(Debug)]
pub(super) struct SettledCounters {
    pub(super) counters: Arc<dyn CounterStore>,
    pub(super) sessions: Arc<Sessions>,
}

impl CounterStore for SettledCounters {
    fn change_counters(
        &self,
        keys: Vec<CounterKey>,
        now: u64,
        rule: CounterRule,
    ) -> StoreFuture<'_, Vec<Option<Counter>>> {
        self.counters.change_counters(keys, now.min(self.sessions.settled()), rule)
    }
}
