//! `jwtauth accounts`.

use jwtauth::error::AccountError;
use jwtauth::{Account, Accounts};
use serde_json::json;

use super::arguments::AccountsCommand;
use super::output::{Output, shown};
use super::store::Operated;
use super::{Done, Failure, ask};

/// How many accounts are read at once.
const PAGE: usize = 256;

pub(crate) async fn run(operated: &Operated, command: AccountsCommand, output: Output, yes: bool) -> Done {
    let accounts = operated.accounts()?;
    match command {
        AccountsCommand::List => list(accounts, output).await,
        AccountsCommand::Add { name, roles } => {
            if accounts.by_name(&name).await.map_err(failed)?.is_some() {
                return Err(failed(AccountError::NameTaken));
            }
            let added = accounts.register(&name, &ask::new_password()?).await.map_err(failed)?;
            if roles.is_empty() {
                return done("is added", &added, output);
            }
            match accounts.set_roles(added.id, roles).await {
                Ok(added) => done("is added", &added, output),
                Err(error) => {
                    // Not without the roles that were asked for.
                    accounts.remove(added.id).await.map_err(failed)?;
                    Err(failed(error))
                }
            }
        }
        AccountsCommand::Password { name } => {
            let account = find(accounts, &name).await?;
            let set = accounts.set_password(account.id, &ask::new_password()?).await.map_err(failed)?;
            done("has a new password, and its sessions are over", &set, output)
        }
        AccountsCommand::Roles { name, roles } => {
            let account = find(accounts, &name).await?;
            let set = accounts.set_roles(account.id, roles).await.map_err(failed)?;
            done(&format!("has the roles [{}]", set.roles.join(", ")), &set, output)
        }
        AccountsCommand::Disable { name } => {
            let account = find(accounts, &name).await?;
            let disabled = accounts.disable(account.id).await.map_err(failed)?;
            done("is disabled, and its sessions are over", &disabled, output)
        }
        AccountsCommand::Enable { name } => {
            let account = find(accounts, &name).await?;
            let enabled = accounts.enable(account.id).await.map_err(failed)?;
            done("is enabled", &enabled, output)
        }
        AccountsCommand::Remove { name } => {
            let account = find(accounts, &name).await?;
            ask::before(&format!("remove the account {:?} for good", account.name), yes)?;
            accounts.remove(account.id).await.map_err(failed)?;
            done("is removed", &account, output)
        }
    }
}

/// What the store says is exit code 3, and what the account says is 1.
fn failed(error: AccountError) -> Failure {
    match error {
        AccountError::Store(_) => Failure::store("the store failed", error),
        error => Failure::refused(error.to_string()),
    }
}

async fn find(accounts: &Accounts, name: &str) -> Result<Account, Failure> {
    let found = accounts.by_name(name).await.map_err(failed)?;
    found.ok_or_else(|| Failure::refused(format!("there is no account {name:?}")))
}

fn done(what: &str, account: &Account, output: Output) -> Done {
    output.line(&format!("{} {what} ({})", account.name, account.id), &json!(account));
    Ok(())
}

async fn list(accounts: &Accounts, output: Output) -> Done {
    let mut list = output.list(&["name", "id", "state", "roles", "registered", "last login"]);
    let mut after: Option<String> = None;
    loop {
        let page = accounts.list(after.as_deref(), PAGE).await.map_err(failed)?;
        for account in &page {
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
        after = page.last().map(|account| account.name.clone());
        if page.len() < PAGE {
            break;
        }
    }
    list.end();
    Ok(())
}
