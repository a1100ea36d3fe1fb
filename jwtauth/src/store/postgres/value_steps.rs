//! What happens to values.

use super::super::rules;
use super::super::value_store::{NewValue, ValueKey};
use super::connections::StepError;
use super::freshness::Touched;
use super::rows;
use super::transaction::{DatabaseStep, Transaction};

pub(super) struct SaveValue(pub(super) NewValue);

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

pub(super) struct RemoveValue {
    pub(super) key: ValueKey,
    pub(super) now: u64,
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
