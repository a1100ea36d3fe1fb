//! The audit trail: who appends to it locks its head, so that its chain has no gap and no fork, however many
//! processes write.

use tokio_postgres::Row;

use super::super::codec;
use super::super::event_store::EventStore;
use super::super::requests::StoreFuture;
use super::super::rules;
use super::super::whole_store::{RecordKey, StoreRecord};
use super::connections::Param;
use super::freshness::Touched;
use super::step_error::StepError;
use super::transaction::{DatabaseStep, Transaction};
use super::{PostgresStore, rows};
use crate::error::StoreError;
use crate::events::{EventDetails, EventRecord, TrailHead};

/// How many events a trail keeps whose head does not say it.
const MOST_KEPT: u64 = 10_000_000;

/// Reads a row with an event: number, record. `None` if the record is damaged.
pub(super) fn event(row: &Row) -> Result<Option<EventRecord>, StepError> {
    let number = number(row)?;
    let key = codec::encode_key(&RecordKey::Event(number));
    rows::readable(codec::decode_event(&key, number, rows::bytes(row, 1)?))
}

/// Reads the number of the event in a row.
pub(super) fn number(row: &Row) -> Result<u64, StepError> {
    let number: i64 = row.try_get(0)?;
    number.try_into().map_err(|_| rows::is_damaged())
}

/// Reads a row with the head of the trail; there is one without a record before the first event. `None` also
/// if the record is damaged.
pub(super) fn head(row: &Row) -> Result<Option<TrailHead>, StepError> {
    let Some(record): Option<&[u8]> = row.try_get(0)? else { return Ok(None) };
    let key = codec::encode_key(&RecordKey::TrailHead);
    rows::readable(codec::decode_trail_head(&key, record))
}

/// Returns the parameters of `add_event`.
pub(super) fn event_params(event: EventRecord) -> Result<Vec<Param>, StoreError> {
    let number = event.number;
    let (_, record) = codec::encode_record(&StoreRecord::Event(event))?;
    Ok(vec![number.into(), record.into()])
}

struct AppendEvents {
    events: Vec<EventDetails>,
    keep: u64,
}

impl DatabaseStep for AppendEvents {
    type Outcome = ();

    fn touches(&self) -> Touched {
        Touched::Nothing
    }

    async fn run(&self, transaction: &mut Transaction<'_>) -> Result<(), StepError> {
        append(transaction, self.events.clone(), |_| self.keep).await
    }
}

/// Notes a repair in a trail.
pub(super) struct TrailRepair(pub(super) EventDetails);

impl DatabaseStep for TrailRepair {
    type Outcome = ();

    fn touches(&self) -> Touched {
        Touched::Nothing
    }

    async fn run(&self, transaction: &mut Transaction<'_>) -> Result<(), StepError> {
        // The server says anew how many are kept.
        append(transaction, vec![self.0.clone()], |head| head.map_or(MOST_KEPT, |head| head.keep)).await
    }
}

/// Appends events to the trail. `keep` says how many stay, if the trail has this head.
async fn append(
    transaction: &mut Transaction<'_>,
    events: Vec<EventDetails>,
    keep: impl FnOnce(Option<TrailHead>) -> u64 + Send,
) -> Result<(), StepError> {
    let statements = transaction.statements();
    let found = transaction.query(&statements.lock_trail, Vec::new()).await?;
    let before = head(found.first().ok_or_else(rows::is_damaged)?)?;
    let found = transaction.query(&statements.last_event, Vec::new()).await?;
    let last = match found.first() {
        Some(row) => {
            Some(event(row)?.unwrap_or(EventRecord::new(number(row)?, [0; 32], EventDetails::default())))
        }
        None => None,
    };
    let change = rules::append_events(before, last.as_ref(), events, keep(before));
    for record in change.added {
        transaction.write(&statements.add_event, event_params(record)?);
    }
    if !change.removed.is_empty() {
        let params = vec![change.removed.start.into(), change.removed.end.into()];
        transaction.write(&statements.remove_events, params);
    }
    let (_, record) = codec::encode_record(&StoreRecord::TrailHead(change.head))?;
    transaction.write(&statements.change_trail, vec![record.into()]);
    Ok(())
}

impl PostgresStore {
    /// Tells whether there is a head of the trail that cannot be read.
    pub(super) async fn is_head_damaged(&self) -> Result<bool, StoreError> {
        Ok(self.damaged_head().await?.is_some())
    }

    /// Tells whether there is a trail.
    pub(super) async fn has_trail(&self) -> Result<bool, StoreError> {
        let params = vec![Param::from(1)];
        Ok(!self.database.read(&self.database.statements.trail_row, params).await?.is_empty())
    }

    /// Returns the head of the trail, if it cannot be read.
    pub(super) async fn damaged_head(&self) -> Result<Option<Vec<u8>>, StoreError> {
        let found = self.database.read(&self.database.statements.trail, Vec::new()).await?;
        let Some(row) = found.first() else { return Ok(None) };
        let bytes: Option<&[u8]> = row.try_get(0).map_err(StepError::from)?;
        let is_damaged = bytes.is_some() && head(row)?.is_none();
        Ok(bytes.filter(|_| is_damaged).map(<[u8]>::to_vec))
    }
}

impl EventStore for PostgresStore {
    fn append_events(&self, events: Vec<EventDetails>, keep: u64) -> StoreFuture<'_, ()> {
        Box::pin(self.database.change(AppendEvents { events, keep }))
    }

    fn events_after(&self, after: u64, limit: usize) -> StoreFuture<'_, Vec<EventRecord>> {
        Box::pin(async move {
            let (mut records, mut after) = (Vec::new(), after);
            while records.len() < limit {
                let wanted = limit - records.len();
                let params = vec![after.into(), Param::from(wanted as u64)];
                let found = self.database.read(&self.database.statements.events_behind, params).await?;
                for row in &found {
                    after = number(row)?;
                    records.extend(event(row)?);
                }
                if found.len() < wanted {
                    break;
                }
            }
            Ok(records)
        })
    }

    fn trail_head(&self) -> StoreFuture<'_, Option<TrailHead>> {
        Box::pin(async move {
            let found = self.database.read(&self.database.statements.trail, Vec::new()).await?;
            Ok(found.first().map(head).transpose()?.flatten())
        })
    }
}
