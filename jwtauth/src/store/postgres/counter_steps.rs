//! What happens to counters: those that an attempt touches are locked, in the order of their names, from the
//! look at them to the commit.
//!
//! A counter that is not there yet is made first, without a record, so that there is something to lock.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::super::counter_store::{
    COUNTERS_KEPT, Counter, CounterKey, CounterKind, CounterRule, CounterStore,
};
use super::super::requests::StoreFuture;
use super::connections::Param;
use super::counter_line::CounterPlace;
use super::freshness::Touched;
use super::step_error::StepError;
use super::transaction::{DatabaseStep, Transaction};
use super::{Database, PostgresStore};

/// Surplus counters are looked for with each change whose number is a multiple of this.
const LOOKS_EACH: u64 = 512;

/// How many counters of each kind go at once: more than so many changes make.
const SWEPT_AT_ONCE: u64 = 4_096;

/// How many of each kind there may be: so many that there are enough after those at once have gone.
const ROOM: u64 = COUNTERS_KEPT as u64 + SWEPT_AT_ONCE;

struct ChangeCounters {
    /// In ascending order, as they are locked.
    keys: Vec<CounterKey>,
    rule: CounterRule,
    /// Held until the step has ended, whoever stops waiting for it.
    _place: CounterPlace,
}

impl DatabaseStep for ChangeCounters {
    /// The counters as they were before.
    type Outcome = Vec<Option<Counter>>;

    fn touches(&self) -> Touched {
        Touched::Nothing
    }

    async fn run(&self, transaction: &mut Transaction<'_>) -> Result<Self::Outcome, StepError> {
        let statements = transaction.statements();
        let names: Vec<_> = self.keys.iter().map(CounterKey::to_bytes).collect();
        let kinds = self.keys.iter().map(|key| key.kind.number().into()).collect();
        transaction.write(&statements.make_counters, vec![names.clone().into(), Param::Numbers(kinds)]);
        let found = transaction.query(&statements.lock_counters, vec![names.clone().into()]).await?;
        if found.len() != names.len() {
            // Somebody has removed one between the two statements.
            return Err(StepError::Overtaken);
        }
        let mut before = Vec::with_capacity(found.len());
        for row in &found {
            let expires_at: i64 = row.try_get(1)?;
            let bytes: Option<&[u8]> = row.try_get(2)?;
            before.push(bytes.map(|bytes| Counter::new(expires_at.unsigned_abs(), bytes.to_vec())));
        }
        let after = (self.rule)(&before);
        if after == before {
            // Nothing to keep, so no disk is waited for.
            transaction.undo();
            return Ok(before);
        }
        let (mut kept, mut expiries, mut records, mut gone) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for ((name, before), after) in names.into_iter().zip(&before).zip(after) {
            match after {
                Some(counter) if Some(&counter) != before.as_ref() => {
                    kept.push(name);
                    expiries.push(i64::try_from(counter.expires_at).unwrap_or(i64::MAX));
                    records.push(counter.bytes);
                }
                Some(_) => {}
                None => gone.push(name),
            }
        }
        if !kept.is_empty() {
            let params = vec![kept.into(), Param::Numbers(expiries), records.into()];
            transaction.write(&statements.change_counters, params);
        }
        if !gone.is_empty() {
            transaction.write(&statements.remove_counters, vec![gone.into()]);
        }
        Ok(before)
    }
}

/// Removes counters that have expired, and those that are too many.
struct SweepCounters(u64);

impl DatabaseStep for SweepCounters {
    type Outcome = ();

    fn touches(&self) -> Touched {
        Touched::Nothing
    }

    async fn run(&self, transaction: &mut Transaction<'_>) -> Result<(), StepError> {
        let statement = &transaction.statements().sweep_counters;
        for kind in CounterKind::ALL {
            let numbers = [u64::from(kind.number()), self.0, ROOM, SWEPT_AT_ONCE];
            transaction.write(statement, numbers.map(Param::from).into());
        }
        Ok(())
    }
}

impl Database {
    /// In a transaction of its own: it reads as many entries of an index as there are counters, and no
    /// sessions stay because that takes too long. If it fails, the next sweep does it.
    pub(super) async fn sweep_counters(self: &Arc<Self>, now: u64) {
        drop(self.change(SweepCounters(now)).await);
    }
}

impl CounterStore for PostgresStore {
    fn change_counters(
        &self,
        keys: Vec<CounterKey>,
        now: u64,
        rule: CounterRule,
    ) -> StoreFuture<'_, Vec<Option<Counter>>> {
        Box::pin(async move {
            let place = self.database.counter_line.wait(self.database.timeout).await?;
            let before = self.database.change(ChangeCounters { keys, rule, _place: place }).await?;
            let changes = self.database.counter_changes.fetch_add(1, Ordering::Relaxed);
            if changes % LOOKS_EACH == LOOKS_EACH - 1 {
                let database = Arc::clone(&self.database);
                tokio::spawn(async move { database.sweep_counters(now).await });
            }
            Ok(before)
        })
    }
}
