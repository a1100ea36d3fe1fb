//! What happens to accounts. The database decides who has an id and a key, not a look before.

use tokio_postgres::Row;

use super::super::account_store::{AccountStore, StoredAccount};
use super::super::codec;
use super::super::requests::{StoreFuture, SubjectRevocation};
use super::super::rules;
use super::super::whole_store::RecordKey;
use super::connections::Param;
use super::freshness::Touched;
use super::step_error::StepError;
use super::transaction::{DatabaseStep, Transaction};
use super::{PostgresStore, rows};
use crate::error::StoreError;
use crate::id::AccountId;

/// Reads a row with an account: id, record.
pub(super) fn account(row: &Row) -> Result<StoredAccount, StepError> {
    let id = AccountId::from_bytes(rows::bytes(row, 0)?.try_into().map_err(|_| rows::is_damaged())?);
    let key = codec::encode_key(&RecordKey::Account(id));
    Ok(codec::decode_account(&key, id, rows::bytes(row, 1)?)?)
}

fn record(account: &StoredAccount) -> Result<Vec<u8>, StoreError> {
    codec::encode_account(&codec::encode_key(&RecordKey::Account(account.id)), account)
}

fn id_param(id: AccountId) -> Param {
    id.as_bytes()[..].into()
}

/// Returns the parameters of `add_account`.
pub(super) fn account_params(account: &StoredAccount) -> Result<Vec<Param>, StoreError> {
    Ok(vec![id_param(account.id), account.key.as_bytes().into(), record(account)?.into()])
}

struct CreateAccount(StoredAccount);

impl DatabaseStep for CreateAccount {
    type Outcome = bool;

    fn touches(&self) -> Touched {
        Touched::Nothing
    }

    async fn run(&self, transaction: &mut Transaction<'_>) -> Result<bool, StepError> {
        let params = account_params(&self.0)?;
        transaction.found(&transaction.statements().add_account, params).await
    }
}

struct ChangeAccount {
    after: StoredAccount,
    expected: u64,
    revocation: Option<SubjectRevocation>,
}

impl DatabaseStep for ChangeAccount {
    type Outcome = Option<usize>;

    fn touches(&self) -> Touched {
        if self.revocation.is_some() { Touched::Any } else { Touched::Nothing }
    }

    async fn run(&self, transaction: &mut Transaction<'_>) -> Result<Self::Outcome, StepError> {
        let Self { after, expected, revocation } = self;
        let kept = transaction.lock_account(after.id).await?;
        if !kept.is_some_and(|kept| rules::may_change(&kept, after, *expected)) {
            return Ok(None);
        }
        let params = vec![id_param(after.id), record(after)?.into()];
        transaction.write(&transaction.statements().change_account, params);
        match revocation {
            Some(revocation) => transaction.revoke_all(after.id, revocation).await.map(Some),
            None => Ok(Some(0)),
        }
    }
}

struct RemoveAccount(AccountId, SubjectRevocation);

impl DatabaseStep for RemoveAccount {
    type Outcome = Option<usize>;

    async fn run(&self, transaction: &mut Transaction<'_>) -> Result<Self::Outcome, StepError> {
        if transaction.lock_account(self.0).await?.is_none() {
            return Ok(None);
        }
        transaction.write(&transaction.statements().remove_account, vec![id_param(self.0)]);
        transaction.revoke_all(self.0, &self.1).await.map(Some)
    }
}

impl Transaction<'_> {
    async fn lock_account(&mut self, id: AccountId) -> Result<Option<StoredAccount>, StepError> {
        let found = self.query(&self.statements().lock_account, vec![id_param(id)]).await?;
        found.first().map(account).transpose()
    }

    async fn revoke_all(
        &mut self,
        id: AccountId,
        revocation: &SubjectRevocation,
    ) -> Result<usize, StepError> {
        self.alter_all(&id.to_string(), |session| rules::revoke_subject(session, revocation)).await
    }
}

impl AccountStore for PostgresStore {
    fn create_account(&self, account: StoredAccount) -> StoreFuture<'_, bool> {
        Box::pin(self.database.change(CreateAccount(account)))
    }

    fn account(&self, id: AccountId) -> StoreFuture<'_, Option<StoredAccount>> {
        Box::pin(async move {
            let found = self.database.read(&self.database.statements.account, vec![id_param(id)]).await?;
            Ok(found.first().map(account).transpose()?)
        })
    }

    fn account_by_key(&self, key: String) -> StoreFuture<'_, Option<StoredAccount>> {
        Box::pin(async move {
            let params = vec![key.into_bytes().into()];
            let found = self.database.read(&self.database.statements.account_by_key, params).await?;
            Ok(found.first().map(account).transpose()?)
        })
    }

    fn change_account(
        &self,
        account: StoredAccount,
        expected: u64,
        revocation: Option<SubjectRevocation>,
    ) -> StoreFuture<'_, Option<usize>> {
        Box::pin(self.database.change(ChangeAccount { after: account, expected, revocation }))
    }

    fn remove_account(&self, id: AccountId, revocation: SubjectRevocation) -> StoreFuture<'_, Option<usize>> {
        Box::pin(self.database.change(RemoveAccount(id, revocation)))
    }

    fn accounts(&self, after: Option<String>, limit: usize) -> StoreFuture<'_, Vec<StoredAccount>> {
        Box::pin(async move {
            let statements = &self.database.statements;
            let limit = Param::from(limit as u64);
            let found = match after {
                Some(after) => {
                    let params = vec![after.into_bytes().into(), limit];
                    self.database.read(&statements.accounts_behind, params).await?
                }
                None => self.database.read(&statements.accounts_from_first, vec![limit]).await?,
            };
            Ok(found.iter().map(account).collect::<Result<_, _>>()?)
        })
    }

    fn accounts_before(&self, before: String, limit: usize) -> StoreFuture<'_, Option<Vec<StoredAccount>>> {
        Box::pin(async move {
            let params = vec![before.into_bytes().into(), Param::from(limit as u64)];
            let found = self.database.read(&self.database.statements.accounts_before, params).await?;
            Ok(Some(found.iter().rev().map(account).collect::<Result<_, _>>()?))
        })
    }
}
