//! The page `person`: one account with its roles and sessions, and what an admin does to them.

use std::cmp::Reverse;

use askama::Template;
use poem::http::StatusCode;
use poem::{Response, Result};
use serde::Deserialize;
use tokio::sync::Mutex;
use tracing::Instrument as _;

use super::super::device_row::DeviceRow;
use super::super::page_shell::{Shell, see_other, sentence, shown, times};
use super::admin_visit::AdminVisit;
use super::session_page::state_of;
use crate::accounts::Account;
use crate::error::{AccountError, StoreError};
use crate::id::{AccountId, SessionId};
use crate::session::caused_by;
use crate::web::answer::rejection::Rejection;
use crate::web::routes::form::Form;

/// How many sessions stand on a page, the newest first.
const SESSIONS: usize = 50;

/// Held by each change that takes something away: two admins could remove each other at once.
static TAKES: Mutex<()> = Mutex::const_new(());

#[derive(Template)]
#[template(path = "admin/person.html")]
struct PersonPage<'p> {
    shell: Shell<'p>,
    id: String,
    account: &'p Account,
    created: (String, String),
    password_changed: (String, String),
    last_login: Option<(String, String)>,
    /// Sessions, each with its state if it is over.
    rows: Vec<(DeviceRow, Option<String>)>,
    with_ended: bool,
    /// Where the next page begins.
    next: Option<usize>,
    is_first: bool,
    role_problem: &'p str,
    /// The role that was not added.
    role: &'p str,
}

/// Whose page it is.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct PersonQuery {
    id: String,
    /// What was done.
    done: String,
    /// The short form of the id of the one session that was ended. Empty if all were.
    mark: String,
    /// Whether sessions that are over are shown, too.
    all: Option<String>,
    /// How many sessions stand before this page.
    from: String,
}

/// What is wrong with a change.
#[derive(Default)]
struct PersonProblem<'p> {
    of_page: Option<&'p str>,
    of_role: &'p str,
    role: &'p str,
}

/// Finds the account that a request is about.
async fn asked(visit: &AdminVisit<'_>, id: &str) -> Result<Option<Account>> {
    match id.parse::<AccountId>() {
        Ok(id) => Ok(visit.accounts.by_id(id).await?),
        Err(_) => Ok(None),
    }
}

/// `GET person?id=`.
pub(super) async fn show(visit: &AdminVisit<'_>) -> Result<Response> {
    let query: PersonQuery = visit.query().await;
    let Some(account) = asked(visit, &query.id).await? else { return Ok(see_other("people")) };
    page(visit, StatusCode::OK, &account, &query, PersonProblem::default()).await
}

async fn page(
    visit: &AdminVisit<'_>,
    status: StatusCode,
    account: &Account,
    query: &PersonQuery,
    problem: PersonProblem<'_>,
) -> Result<Response> {
    let words = &visit.own.texts.admin;
    let (subject, now) = (account.id.to_string(), visit.sessions().now());
    let mut sessions = visit.sessions().store().sessions_of(subject).await.map_err(AdminVisit::failed)?;
    let is_ended = match &*query.mark {
        "" => sessions.iter().all(|session| !session.is_live_at(now)),
        mark => sessions.iter().any(|session| session.id.log_id() == mark && !session.is_live_at(now)),
    };
    sessions.retain(|session| query.all.is_some() || session.is_live_at(now));
    sessions.sort_by_key(|session| Reverse((session.created_at, session.id)));
    // What is no number asks for the newest.
    let from: usize = query.from.parse().unwrap_or(0);
    let on_page: Vec<_> = sessions.iter().skip(from).take(SESSIONS).collect();
    let behind = from.saturating_add(on_page.len());
    let mut shell = visit.shell(&account.name, "person");
    // What is told has happened, as far as the account shows.
    shell.notice = match &*query.done {
        _ if !visit.own.is_from_here() => None,
        "" => shell.notice,
        "disabled" if !account.active => Some(&words.was_disabled),
        "enabled" if account.active => Some(&words.was_enabled),
        "ended" if is_ended => Some(&words.sessions_ended),
        "roles" => Some(&words.roles_changed),
        _ => None,
    };
    shell.problem = problem.of_page.or(shell.problem);
    shell.is_wrong = status != StatusCode::OK;
    let page = PersonPage {
        shell,
        id: account.id.to_string(),
        account,
        created: times(account.created_at),
        password_changed: times(account.password_changed_at),
        last_login: account.last_login.map(times),
        rows: on_page
            .into_iter()
            .map(|session| {
                let over = (!session.is_live_at(now)).then(|| state_of(session, now, visit.own.texts));
                (DeviceRow::of(session, visit.own.session, visit.own.texts), over)
            })
            .collect(),
        with_ended: query.all.is_some(),
        next: (behind < sessions.len()).then_some(behind),
        is_first: from == 0,
        role_problem: problem.of_role,
        role: problem.role,
    };
    shown(status, &page)
}

/// `POST person?id=`: one change, named by the field `do`.
pub(super) async fn change(visit: &AdminVisit<'_>, mut form: Form) -> Result<Response> {
    let query: PersonQuery = visit.query().await;
    let Some(account) = asked(visit, &query.id).await? else { return Ok(see_other("people")) };
    let (words, id) = (&visit.own.texts.admin, account.id);
    let is_self = id == visit.own.account.id;
    let (what, role) = (form.text("do"), form.text("role"));
    // What an account has is taken away as it is.
    let role = if what == "add_role" { role.trim() } else { &role };
    let takes_own = what == "disable" || (what == "remove_role" && role == visit.gate.role);
    if is_self && takes_own {
        let problem = PersonProblem { of_page: Some(&words.not_yourself), ..PersonProblem::default() };
        return page(visit, StatusCode::UNPROCESSABLE_ENTITY, &account, &PersonQuery::default(), problem)
            .await;
    }
    let here = format!("person?id={id}");
    // A change that changes nothing is no event.
    let told = |now: &Account| if now.roles == account.roles { "" } else { "roles" };
    let done = match &*what {
        "disable" => take(visit, id, None).await?.map(|_| if account.active { "disabled" } else { "" }),
        "enable" => {
            let enabled = visit.by_admin(visit.accounts.enable(id)).await;
            enabled.map(|_| if account.active { "" } else { "enabled" })
        }
        "add_role" => visit.by_admin(visit.accounts.add_role(id, role)).await.map(|now| told(&now)),
        "remove_role" => take(visit, id, Some(role)).await?.map(|now| told(&now)),
        "end_all" => {
            let ended = visit.by_admin(visit.sessions().revoke_all(&id.to_string())).await?;
            Ok(if ended == 0 { "" } else { "ended" })
        }
        "end" => {
            let Ok(session) = form.text("session").parse::<SessionId>() else { return Ok(see_other(&here)) };
            // Of this account, and of no other one.
            if !visit.by_admin(visit.sessions().revoke_of(&id.to_string(), session)).await? {
                return Ok(see_other(&here));
            }
            return Ok(see_other(&format!("{here}&done=ended&mark={}", session.log_id())));
        }
        _ => return Ok(see_other(&here)),
    };
    match done {
        Ok("") => Ok(see_other(&here)),
        Ok(done) => Ok(see_other(&format!("{here}&done={done}"))),
        Err(AccountError::NotFound) => Ok(see_other("people")),
        Err(error @ (AccountError::Role { .. } | AccountError::Session(_))) => {
            let said = match (&error, &words.role_refused) {
                (AccountError::Role { .. }, Some(said)) => said.to_string(),
                _ => sentence(&error),
            };
            let problem = PersonProblem { of_role: &said, role, ..PersonProblem::default() };
            page(visit, StatusCode::UNPROCESSABLE_ENTITY, &account, &PersonQuery::default(), problem).await
        }
        Err(error) => Err(error.into()),
    }
}

/// Takes a role away, or disables the account. Fails unless whoever asks is still an admin when all changes
/// before this one are done (M-25).
async fn take(
    visit: &AdminVisit<'_>,
    id: AccountId,
    role: Option<&str>,
) -> Result<Result<Account, AccountError>> {
    let (accounts, admin, role) = (visit.accounts.clone(), visit.own.account.id, role.map(str::to_owned));
    let needed = visit.gate.role.clone();
    let change = async move {
        let _alone = TAKES.lock().await;
        let asks = accounts.by_id(admin).await?;
        if !asks.is_some_and(|asks| asks.active && asks.roles.contains(&needed)) {
            return Ok(None);
        }
        match role {
            Some(role) => accounts.remove_role(id, &role).await.map(Some),
            None => accounts.disable(id).await.map(Some),
        }
    };
    // A task of its own: if the browser is gone, the next change still waits for this one.
    let done = tokio::spawn(caused_by(admin.to_string(), change).in_current_span()).await;
    match done.unwrap_or(Err(AccountError::Store(StoreError::Closed))) {
        Ok(None) => Err(Rejection::PermissionDenied.into()),
        Ok(Some(account)) => Ok(Ok(account)),
        Err(error) => Ok(Err(error)),
    }
}
