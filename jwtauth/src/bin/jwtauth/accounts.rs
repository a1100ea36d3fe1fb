//! `jwtauth accounts`.

use jwtauth::error::AccountError;
use jwtauth::operator::{Operator, OperatorAnswer, OperatorRequest};
use jwtauth::store::RecordKind;
use jwtauth::{Account, AccountId};
use serde_json::json;

use super::arguments::AccountsCommand;
use super::output::{Output, counted, shown};
use super::{Done, Failure, accounts_import, ask, unexpected};

pub(crate) async fn run(operator: &Operator, command: AccountsCommand, output: Output, yes: bool) -> Done {
    match command {
        AccountsCommand::List => list(operator, output).await,
        AccountsCommand::Add { name, roles } => {
            // Before somebody has typed a password for nothing.
            if look_up(operator, name.clone()).await?.is_some() {
                return Err(Failure::refused(AccountError::NameTaken.to_string()));
            }
            let password = ask::new_password()?;
            change(operator, OperatorRequest::AddAccount { name, password, roles }, "is added", output).await
        }
        AccountsCommand::Import { file } => accounts_import::run(operator, &file, output).await,
        AccountsCommand::Password { name } => {
            let id = find(operator, name).await?.id;
            let password = ask::new_password()?;
            let what = "has a new password, and its sessions are over";
            change(operator, OperatorRequest::SetPassword { id, password }, what, output).await
        }
        AccountsCommand::Roles { name, roles } => {
            if roles.is_empty() {
                ask::before(&format!("take all roles away from {name}"), yes)?;
            }
            let id = find(operator, name).await?.id;
            let set = changed(operator, OperatorRequest::SetRoles { id, roles }).await?;
            done(&format!("has the roles [{}]", set.roles.join(", ")), &set, output)
        }
        AccountsCommand::Disable { name } => {
            let id = find(operator, name).await?.id;
            let what = "is disabled, and its sessions are over";
            change(operator, OperatorRequest::DisableAccount { id }, what, output).await
        }
        AccountsCommand::Enable { names } => {
            // All or none of them: a mistyped name must not leave half of it done.
            let mut ids = Vec::new();
            for name in names {
                ids.push(find(operator, name).await?.id);
            }
            for id in ids {
                change(operator, OperatorRequest::EnableAccount { id }, "is enabled", output).await?;
            }
            Ok(())
        }
        AccountsCommand::Remove { name } => {
            let account = find(operator, name).await?;
            ask::before(&format!("remove the account {:?} for good", account.name), yes)?;
            remove(operator, account.id).await?;
            done("is removed", &account, output)
        }
    }
}

async fn look_up(operator: &Operator, name: String) -> Result<Option<Account>, Failure> {
    match operator.ask(OperatorRequest::FindAccount { name }).await? {
        OperatorAnswer::Account(account) => Ok(Some(account)),
        OperatorAnswer::NotFound => Ok(None),
        _ => Err(unexpected()),
    }
}

async fn find(operator: &Operator, name: String) -> Result<Account, Failure> {
    let found = look_up(operator, name.clone()).await?;
    found.ok_or_else(|| Failure::refused(format!("there is no account {name:?}")))
}

/// Asks for what is answered with an account.
async fn changed(operator: &Operator, operation: OperatorRequest) -> Result<Account, Failure> {
    match operator.ask(operation).await? {
        OperatorAnswer::Account(account) => Ok(account),
        _ => Err(unexpected()),
    }
}

async fn change(operator: &Operator, operation: OperatorRequest, what: &str, output: Output) -> Done {
    done(what, &changed(operator, operation).await?, output)
}

async fn remove(operator: &Operator, id: AccountId) -> Done {
    match operator.ask(OperatorRequest::RemoveAccount { id }).await? {
        OperatorAnswer::Done => Ok(()),
        _ => Err(unexpected()),
    }
}

fn done(what: &str, account: &Account, output: Output) -> Done {
    output.line(&format!("{} {what} ({})", account.name, account.id), &json!(account));
    Ok(())
}

async fn list(operator: &Operator, output: Output) -> Done {
    let mut list = output.list(&["name", "id", "state", "roles", "registered", "last login"]);
    let mut after = None;
    loop {
        let (rows, next) = match operator.ask(OperatorRequest::ListAccounts { after }).await? {
            OperatorAnswer::Accounts { rows, next } => (rows, next),
            _ => return Err(unexpected()),
        };
        for account in &rows {
            let cells = [
                account.name.clone(),
                account.id.to_string(),
                if account.active { "active" } else { "disabled" }.into(),
                account.roles.join(", "),
                shown(account.created_at),
                account.last_login.map(shown).unwrap_or_default(),
            ];
            list.row(&cells, &json!(account));
        }
        after = next;
        if after.is_none() {
            break;
        }
    }
    list.end();
    check_readable(operator, RecordKind::Account, "account").await
}

/// Fails if records are not in a list because they are damaged. Only of a store in a database some may be.
pub(crate) async fn check_readable(operator: &Operator, kind: RecordKind, what: &str) -> Done {
    if operator.is_remote() {
        return Ok(());
    }
    match operator.ask(OperatorRequest::CountUnreadable { kind }).await? {
        OperatorAnswer::Unreadable { count: 0 } => Ok(()),
        OperatorAnswer::Unreadable { count } => Err(Failure::incomplete(format!(
            "{} damaged, and not in this list: `jwtauth doctor` says more, and `jwtauth repair` goes on from there",
            counted(count, what)
        ))),
        _ => Err(unexpected()),
    }
}
