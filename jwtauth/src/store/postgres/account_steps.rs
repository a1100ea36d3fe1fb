//! What happens to accounts. The database decides who has an id and a key, not a look before.

use tokio_postgres::Row;

use super::super::account_store::{AccountStore, StoredAccount};
use super::super::codec;
use super::super::requests::{StoreFuture, SubjectRevocation};
use super::super::rules;
use super::super::whole_store::RecordKey;
use super::connections::Param;
use super::freshness::Touched;
use super::statements::{SqlStatement, Statements};
use super::step_error::StepError;
use super::transaction::{DatabaseStep, Transaction};
use super::{PostgresStore, rows};
use crate::error::StoreError;
use crate::id::AccountId;

/// Reads a row with an account: id, key, record. `None` if it is damaged, or its key is not that of its
/// record.
pub(super) fn readable_account(row: &Row) -> Result<Option<StoredAccount>, StepError> {
    let Ok(id) = rows::bytes(row, 0)?.try_into().map(AccountId::from_bytes) else { return Ok(None) };
    let key = codec::encode_key(&RecordKey::Account(id));
    let account = rows::readable(codec::decode_account(&key, id, rows::bytes(row, 2)?))?;
    let found = rows::bytes(row, 1)?;
    Ok(account.filter(|account| account.key.as_bytes() == found))
}

/// The same, of one that is needed.
fn account(row: &Row) -> Result<StoredAccount, StepError> {
    match readable_account(row)? {
        Some(account) => Ok(account),
        None => Err(rows::damaged_row("accounts", &[b"a", rows::bytes(row, 0)?].concat())),
    }
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

    pub(super) async fn revoke_all(
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
            let Statements { accounts_behind, accounts_from_first, .. } = &self.database.statements;
            let after = after.map(String::into_bytes);
            self.list([accounts_from_first, accounts_behind], after, limit).await
        })
    }

    fn accounts_before(&self, before: String, limit: usize) -> StoreFuture<'_, Option<Vec<StoredAccount>>> {
        Box::pin(async move {
            let backwards = &self.database.statements.accounts_before;
            let before = Some(before.into_bytes());
            let mut accounts = self.list([backwards; 2], before, limit).await?;
            accounts.reverse();
            Ok(Some(accounts))
        })
    }
}

impl PostgresStore {
    /// Returns up to `limit` accounts that can be read, from the first one on or behind a key.
    async fn list(
        &self,
        [first, behind]: [&SqlStatement; 2],
        mut after: Option<Vec<u8>>,
        limit: usize,
    ) -> Result<Vec<StoredAccount>, StoreError> {
        let mut accounts = Vec::new();
        loop {
            let wanted = limit - accounts.len();
            let count = Param::from(wanted as u64);
            let found = match after {
                Some(key) => self.database.read(behind, vec![key.into(), count]).await?,
                None => self.database.read(first, vec![count]).await?,
            };
            for row in &found {
                accounts.extend(readable_account(row)?);
            }
            // What is not shown is no end of the list.
            if found.len() < wanted || accounts.len() == limit {
                return Ok(accounts);
            }
            after = found.last().map(|row| rows::bytes(row, 1)).transpose()?.map(<[u8]>::to_vec);
        }
    }
}
