//! What happens to values.

use std::sync::Arc;

use super::super::requests::{LoginEffects, StoreFuture};
use super::super::rules;
use super::super::value_store::{NewValue, ValueKey, ValueStore};
use super::freshness::Touched;
use super::step_error::StepError;
use super::transaction::{DatabaseStep, Transaction};
use super::{PostgresStore, rows};
use crate::clock::TimeMark;
use crate::record::Session;

struct SaveValue(NewValue);

impl DatabaseStep for SaveValue {
    type Outcome = bool;

    fn touches(&self) -> Touched {
        Touched::Nothing
    }

    async fn run(&self, transaction: &mut Transaction<'_>) -> Result<bool, StepError> {
        let new = &self.0;
        let Some(before) = transaction.take_place(new).await? else { return Ok(true) };
        let takes = rules::takes_value(Some(&before), new.now);
        if takes {
            let params = rows::value_params(new.key, &new.clone().into())?;
            transaction.write(&transaction.statements().change_value, params);
        }
        Ok(takes)
    }
}

struct RemoveValue {
    key: ValueKey,
    now: u64,
}

impl DatabaseStep for RemoveValue {
    type Outcome = bool;

    fn touches(&self) -> Touched {
        Touched::Nothing
    }

    async fn run(&self, transaction: &mut Transaction<'_>) -> Result<bool, StepError> {
        let params = vec![self.key.as_bytes()[..].into()];
        let found = transaction.query(&transaction.statements().lock_value, params).await?;
        let Some(row) = found.first() else { return Ok(false) };
        let (_, before) = rows::value(row)?;
        let Some((mark, was_live)) = rules::remove_value(&before, self.now) else { return Ok(false) };
        let params = rows::value_params(self.key, &mark)?;
        transaction.write(&transaction.statements().change_value, params);
        Ok(was_live)
    }
}

impl ValueStore for PostgresStore {
    fn load_value(&self, key: ValueKey, now: u64) -> StoreFuture<'_, Option<Vec<u8>>> {
        Box::pin(async move {
            let params = vec![key.as_bytes()[..].into()];
            let found = self.database.read(&self.database.statements.value, params).await?;
            let value = found.first().map(rows::value).transpose()?;
            Ok(value.and_then(|(_, value)| rules::live_value(value, now)))
        })
    }

    fn save_value(&self, value: NewValue) -> StoreFuture<'_, bool> {
        Box::pin(self.database.change(SaveValue(value)))
    }

    fn remove_value(&self, key: ValueKey, now: u64) -> StoreFuture<'_, bool> {
        Box::pin(self.database.change(RemoveValue { key, now }))
    }

    fn insert_with_value(
        &self,
        session: Session,
        effects: LoginEffects,
        value: NewValue,
    ) -> StoreFuture<'_, Option<Vec<u8>>> {
        Box::pin(self.database.login_with_value(session, effects, value))
    }

    fn time_mark(&self) -> Arc<TimeMark> {
        Arc::clone(&self.database.time)
    }
}
