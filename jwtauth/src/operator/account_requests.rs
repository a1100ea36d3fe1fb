//! Carries out the requests on accounts.

use super::carry_out::{PAGE, Rows};
use super::messages::{OperatorAnswer, OperatorRequest};
use super::{OperatorError, OperatorTarget};
use crate::accounts::{Account, Accounts};
use crate::error::AccountError;

impl OperatorTarget {
    /// The rest of [`carry_out`](Self::carry_out).
    pub(super) async fn carry_out_on_accounts(
        &self,
        request: OperatorRequest,
    ) -> Result<OperatorAnswer, OperatorError> {
        let accounts = self.accounts.as_ref().ok_or_else(|| {
            OperatorError::refused("the server keeps no accounts: its builder does not call `accounts`")
        })?;
        let changed = match request {
            OperatorRequest::ListAccounts { after } => return list(accounts, after).await,
            OperatorRequest::RemoveAccount { id } => {
                accounts.remove(id).await.map_err(failed)?;
                return Ok(OperatorAnswer::Done);
            }
            OperatorRequest::FindAccount { name } => {
                let found = accounts.by_name(&name).await.map_err(failed)?;
                return Ok(found.map_or(OperatorAnswer::NotFound, OperatorAnswer::Account));
            }
            OperatorRequest::AddAccount { name, password, roles } => {
                add(accounts, &name, password.expose(), roles).await
            }
            OperatorRequest::ImportAccount { account } => accounts.import(*account).await,
            OperatorRequest::SetPassword { id, password } => {
                accounts.set_password(id, password.expose()).await
            }
            OperatorRequest::SetRoles { id, roles } => accounts.set_roles(id, roles).await,
            OperatorRequest::DisableAccount { id } => accounts.disable(id).await,
            OperatorRequest::EnableAccount { id } => accounts.enable(id).await,
            // OK because `carry_out` knows all the others.
            other => return Err(OperatorError::Refused(format!("{other:?} is no request on accounts"))),
        };
        changed.map(OperatorAnswer::Account).map_err(failed)
    }
}

/// What the store says is a failure, and what the account says a refusal.
fn failed(error: AccountError) -> OperatorError {
    match error {
        AccountError::Store(_) => OperatorError::of_store(error),
        error => OperatorError::Refused(error.to_string()),
    }
}

async fn add(
    accounts: &Accounts,
    name: &str,
    password: &str,
    roles: Vec<String>,
) -> Result<Account, AccountError> {
    let added = accounts.register(name, password).await?;
    if roles.is_empty() {
        return Ok(added);
    }
    match accounts.set_roles(added.id, roles).await {
        Ok(added) => Ok(added),
        Err(error) => {
            // Not without the roles that were asked for.
            accounts.remove(added.id).await?;
            Err(error)
        }
    }
}

async fn list(accounts: &Accounts, after: Option<String>) -> Result<OperatorAnswer, OperatorError> {
    let found = accounts.list(after.as_deref(), PAGE).await.map_err(failed)?;
    let (count, mut page) = (found.len(), Rows::new());
    for account in found {
        if page.is_full() {
            break;
        }
        page.push(account);
    }
    let more = page.rows.len() < count || count == PAGE;
    let next = page.rows.last().filter(|_| more).map(|account: &Account| account.name.clone());
    Ok(OperatorAnswer::Accounts { rows: page.rows, next })
}
