//! The audit trail: who appends to it locks its head, so that its chain has no gap and no fork, however many
//! processes write.

use super::super::codec;
use super::super::event_store::EventStore;
use super::super::requests::StoreFuture;
use super::super::rules;
use super::super::whole_store::{RecordKey, StoreRecord};
use super::connections::{Param, StepError};
use super::transaction::{DatabaseStep, Transaction};
use super::{PostgresStore, rows};
use crate::events::{EventDetails, EventRecord, TrailHead};

/// Reads a row with an event: number, record.
pub(super) fn event(row: &tokio_postgres::Row) -> Result<EventRecord, StepError> {
    let number: i64 = row.try_get(0)?;
    let number = number.try_into().map_err(|_| rows::is_damaged())?;
    let key = codec::encode_key(&RecordKey::Event(number));
    Ok(codec::decode_event(&key, number, rows::bytes(row, 1)?)?)
}

/// Reads a row with the head of the trail; there is one without a record before the first event.
pub(super) fn head(row: &tokio_postgres::Row) -> Result<Option<TrailHead>, StepError> {
    let Some(record): Option<&[u8]> = row.try_get(0)? else { return Ok(None) };
    let key = codec::encode_key(&RecordKey::TrailHead);
    Ok(Some(codec::decode_trail_head(&key, record)?))
}

struct AppendEvents {
    events: Vec<EventDetails>,
    keep: u64,
}

impl DatabaseStep for AppendEvents {
    type Outcome = ();

    async fn run(&self, transaction: &mut Transaction<'_>) -> Result<(), StepError> {
        let statements = transaction.statements();
        let found = transaction.query(&statements.lock_trail, Vec::new()).await?;
        let before = head(found.first().ok_or_else(rows::is_damaged)?)?;
        let change = rules::append_events(before, self.events.clone(), self.keep);
        for record in change.added {
            let number = record.number;
            let (_, record) = codec::encode_record(&StoreRecord::Event(record))?;
            transaction.write(&statements.add_event, vec![number.into(), record.into()]);
        }
        if !change.removed.is_empty() {
            let params = vec![change.removed.start.into(), change.removed.end.into()];
            transaction.write(&statements.remove_events, params);
        }
        let (_, record) = codec::encode_record(&StoreRecord::TrailHead(change.head))?;
        transaction.write(&statements.change_trail, vec![record.into()]);
        Ok(())
    }
}

impl EventStore for PostgresStore {
    fn append_events(&self, events: Vec<EventDetails>, keep: u64) -> StoreFuture<'_, ()> {
        Box::pin(self.database.change(AppendEvents { events, keep }))
    }

    fn events_after(&self, after: u64, limit: usize) -> StoreFuture<'_, Vec<EventRecord>> {
        Box::pin(async move {
            let params = vec![after.into(), Param::from(limit as u64)];
            let found = self.database.read(&self.database.statements.events_behind, params).await?;
            Ok(found.iter().map(event).collect::<Result<_, _>>()?)
        })
    }

    fn trail_head(&self) -> StoreFuture<'_, Option<TrailHead>> {
        Box::pin(async move {
            let found = self.database.read(&self.database.statements.trail, Vec::new()).await?;
            Ok(found.first().map(head).transpose()?.flatten())
        })
    }
}
