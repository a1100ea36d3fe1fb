//! The page `people`: accounts in the order of their names, a page at a time.

use askama::Template;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
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
}

/// `GET people`.
pub(super) async fn show(visit: &AdminVisit<'_>) -> Result<Response> {
    let asked: PeopleQuery = visit.query().await;
    let prefix = asked.q.trim();
    let found = visit.accounts.list_by_prefix(prefix, asked.after.as_deref(), ROWS + 1).await;
    let mut found = match found {
        Ok(found) => found,
        // A name that cannot be one comes behind all others.
        Err(AccountError::Name { .. }) => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    let has_more = found.len() > ROWS;
    found.truncate(ROWS);
    let encoded = |text| utf8_percent_encode(text, NON_ALPHANUMERIC);
    let first = format!("q={}", encoded(prefix));
    let next = found.last().filter(|_| has_more);
    let next = next.map(|last| format!("{first}&after={}", encoded(&last.name)));
    let first = asked.after.is_some().then_some(first);
    let shell = visit.shell(&visit.texts.admin.people, "people");
    let rows = found.into_iter().map(PersonRow::from).collect();
    shown(StatusCode::OK, &PeoplePage { shell, prefix, rows, first, next })
}
