//! The page `people`: accounts in the order of their names, a page at a time.

use askama::Template;
use percent_encoding::{NON_ALPHANUMERIC, PercentEncode, utf8_percent_encode};
use poem::http::StatusCode;
use poem::{Response, Result};
use serde::Deserialize;

use super::super::page_shell::{Shell, shown, times};
use super::admin_visit::AdminVisit;
use crate::accounts::Account;
use crate::error::AccountError;

/// How many accounts stand on a page.
const ROWS: usize = 50;

#[derive(Template)]
#[template(path = "admin/people.html")]
struct PeoplePage<'p> {
    shell: Shell<'p>,
    prefix: &'p str,
    rows: Vec<PersonRow>,
    /// The query of the first page, if this is another one.
    first: Option<String>,
    /// The query of the page before this, if there is one.
    previous: Option<String>,
    /// The query of the next page, if there is one.
    next: Option<String>,
}

/// An account of the list.
struct PersonRow {
    id: String,
    name: String,
    roles: String,
    active: bool,
    last_login: Option<(String, String)>,
}

impl From<Account> for PersonRow {
    fn from(account: Account) -> Self {
        Self {
            id: account.id.to_string(),
            name: account.name,
            roles: account.roles.join(", "),
            active: account.active,
            last_login: account.last_login.map(times),
        }
    }
}

/// What is looked for.
#[derive(Default, Deserialize)]
#[serde(default)]
struct PeopleQuery {
    /// How the names begin.
    q: String,
    /// The last name of the page before.
    after: Option<String>,
    /// The first name of the page behind.
    before: Option<String>,
}

/// The accounts of a page, and whether there are more on both sides.
struct FoundAccounts {
    accounts: Vec<Account>,
    has_before: bool,
    has_behind: bool,
}

/// `GET people`.
pub(super) async fn show(visit: &AdminVisit<'_>) -> Result<Response> {
    let asked: PeopleQuery = visit.query().await;
    let prefix = asked.q.trim();
    let found = match find(visit, prefix, &asked).await {
        Ok(found) => found,
        // No name is like this.
        Err(AccountError::Name { .. }) => {
            FoundAccounts { accounts: Vec::new(), has_before: false, has_behind: false }
        }
        Err(error) => return Err(error.into()),
    };
    let first = format!("q={}", encoded(prefix));
    let link = |to: &str, account: Option<&Account>, is_there: bool| {
        account.filter(|_| is_there).map(|account| format!("{first}&{to}={}", encoded(&account.name)))
    };
    let previous = link("before", found.accounts.first(), found.has_before);
    let next = link("after", found.accounts.last(), found.has_behind);
    let is_first = asked.after.is_none() && asked.before.is_none();
    let page = PeoplePage {
        shell: visit.shell(&visit.own.texts.admin.people, "people"),
        prefix,
        rows: found.accounts.into_iter().map(PersonRow::from).collect(),
        first: (!is_first).then_some(first),
        previous,
        next,
    };
    shown(StatusCode::OK, &page)
}

fn encoded(text: &str) -> PercentEncode<'_> {
    utf8_percent_encode(text, NON_ALPHANUMERIC)
}

/// Reads one account more than stand on a page, to know whether there is another page.
async fn find(
    visit: &AdminVisit<'_>,
    prefix: &str,
    asked: &PeopleQuery,
) -> std::result::Result<FoundAccounts, AccountError> {
    if let Some(before) = &asked.before
        && let Some(mut accounts) = visit.accounts.list_before(prefix, before, ROWS + 1).await?
    {
        let has_before = accounts.len() > ROWS;
        accounts.drain(..accounts.len().saturating_sub(ROWS));
        return Ok(FoundAccounts { accounts, has_before, has_behind: true });
    }
    let mut accounts = visit.accounts.list_by_prefix(prefix, asked.after.as_deref(), ROWS + 1).await?;
    let has_behind = accounts.len() > ROWS;
    accounts.truncate(ROWS);
    Ok(FoundAccounts { accounts, has_before: asked.after.is_some(), has_behind })
}
