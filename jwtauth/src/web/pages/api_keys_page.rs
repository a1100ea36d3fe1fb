//! The page on which people list, make and end their API keys.
//!
//! A new key stands in the answer to the form that made it, and nowhere else. So that answer is no redirect.

use std::time::Duration;

use askama::Template;
use poem::http::StatusCode;
use poem::{Response, Result};

use super::PageTexts;
use super::own_visit::OwnVisit;
use super::page_shell::{Shell, see_other, shown, times};
use crate::error::{ApiKeyError, SessionError};
use crate::id::{SessionId, TokenId};
use crate::record::Session;
use crate::session::{ApiKeyRequest, IssuedApiKey};
use crate::web::guard::local_path::login_url;
use crate::web::routes::form::Form;

const DAY: u64 = 24 * 60 * 60;

/// For how many days a key is good, unless somebody says another number.
const DAYS: u64 = 90;

#[derive(Template)]
#[template(path = "api_keys.html")]
struct ApiKeysPage<'p> {
    shell: Shell<'p>,
    rows: Vec<ApiKeyRow>,
    /// The key that was just made.
    secret: Option<&'p str>,
    roles: &'p [String],
    scopes: &'p [String],
    name: &'p str,
    days: &'p str,
    /// For how many days a key may be good.
    most_days: u64,
    chosen: &'p [String],
    chosen_scopes: &'p [String],
    name_problem: &'p str,
    roles_problem: &'p str,
    days_problem: &'p str,
    /// Names the key that the form makes: a form that is sent twice makes one.
    once: String,
    /// Where to log in again, if the login is too old to make one.
    login: Option<String>,
}

/// A key of the list.
struct ApiKeyRow {
    id: String,
    name: String,
    rights: String,
    last_used: (String, String),
    made: (String, String),
    ends: (String, String),
}

impl ApiKeyRow {
    fn of(key: &Session, texts: &PageTexts) -> Self {
        let never = || (String::new(), texts.admin.never.to_string());
        let rights: Vec<&str> = key.roles.iter().chain(&key.scopes).map(String::as_str).collect();
        Self {
            id: key.id.to_string(),
            name: key.api_key.as_ref().map(|key| key.name.clone()).unwrap_or_default(),
            rights: rights.join(", "),
            last_used: key.last_used_at().map_or_else(never, times),
            made: times(key.created_at),
            ends: times(key.expires_at),
        }
    }
}

/// What was typed into the form, and what is wrong with it.
#[derive(Default)]
struct ApiKeyForm {
    name: String,
    days: String,
    roles: Vec<String>,
    scopes: Vec<String>,
    name_problem: String,
    roles_problem: String,
    days_problem: String,
}

/// `GET api-keys`.
pub(super) async fn show(visit: &OwnVisit<'_>) -> Result<Response> {
    let mut shell = visit.shell(&visit.texts.api_keys, "api-keys");
    if visit.is_told("ended") {
        shell.notice = Some(&visit.texts.api_key_ended);
    }
    page(StatusCode::OK, shell, visit, &ApiKeyForm::default(), None).await
}

/// `POST api-keys`: makes a key, or ends one.
pub(super) async fn change(visit: &OwnVisit<'_>, mut form: Form) -> Result<Response> {
    let (texts, auth) = (visit.texts, visit.auth().await?);
    let ends = form.text("end");
    if !ends.is_empty() {
        // Of somebody else's key nobody learns whether it exists.
        let has_ended = match ends.parse::<SessionId>() {
            Ok(id) => auth.api_keys().revoke(id).await?,
            Err(_) => false,
        };
        return Ok(see_other(if has_ended { "api-keys?ended" } else { "api-keys" }));
    }
    let (roles, scopes) = (form.list("roles")?, form.list("scopes")?);
    let once = form.text("once");
    let mut typed = ApiKeyForm {
        name: form.text("name"),
        days: form.text("days"),
        roles: roles.clone(),
        scopes: scopes.clone(),
        ..ApiKeyForm::default()
    };
    let mut shell = visit.shell(&texts.api_keys, "api-keys");
    if typed.name.trim().is_empty() {
        typed.name_problem = texts.required.to_string();
        return page(StatusCode::UNPROCESSABLE_ENTITY, shell, visit, &typed, None).await;
    }
    // Of what is no number the store of keys says that it is not allowed.
    let days: u64 = typed.days.trim().parse().unwrap_or_default();
    let longest = visit.sessions().longest_api_key();
    // Where none may live for a day, there is one choice.
    let ttl = if longest < DAY && days == 1 { longest } else { days.saturating_mul(DAY) };
    let wanted = roles.into_iter().fold(ApiKeyRequest::new(&*typed.name), ApiKeyRequest::role);
    let wanted = scopes.into_iter().fold(wanted, ApiKeyRequest::scope);
    let wanted = wanted.ttl(Duration::from_secs(ttl)).of_form(once);
    let refusal = match auth.api_keys().create_as(wanted).await {
        Ok(key) => {
            return page(StatusCode::OK, shell, visit, &ApiKeyForm::default(), Some(&key)).await;
        }
        Err(refusal) => refusal,
    };
    let status = match refusal.downcast_ref::<ApiKeyError>() {
        Some(ApiKeyError::FormSent) => {
            shell.problem = Some(&texts.api_key_form_sent);
            // What is in the list is not to be made again.
            typed = ApiKeyForm::default();
            StatusCode::CONFLICT
        }
        Some(ApiKeyError::Name { problem }) => {
            typed.name_problem = texts.of_api_key_name(*problem);
            StatusCode::UNPROCESSABLE_ENTITY
        }
        Some(ApiKeyError::Right { .. }) => {
            typed.roles_problem = texts.api_key_roles_refused.to_string();
            StatusCode::UNPROCESSABLE_ENTITY
        }
        Some(ApiKeyError::Ttl { .. }) => {
            typed.days_problem = format!("{} {}.", texts.api_key_days_refused, most_days(visit));
            StatusCode::UNPROCESSABLE_ENTITY
        }
        Some(ApiKeyError::TooMany { .. }) => {
            shell.problem = Some(&texts.too_many_api_keys);
            StatusCode::CONFLICT
        }
        // The login is too old, for example.
        _ => return Err(refusal),
    };
    page(status, shell, visit, &typed, None).await
}

/// For how many days a key may be good. Where none may live for a day, one is as long as it may.
fn most_days(visit: &OwnVisit<'_>) -> u64 {
    (visit.sessions().longest_api_key() / DAY).max(1)
}

async fn page<'p>(
    status: StatusCode,
    mut shell: Shell<'p>,
    visit: &'p OwnVisit<'_>,
    typed: &ApiKeyForm,
    made: Option<&IssuedApiKey>,
) -> Result<Response> {
    let sessions = visit.sessions();
    let keys = match (sessions.api_keys(&visit.subject()).await, made) {
        (Ok(keys), _) => keys,
        // It is shown once: so it is shown, without the others.
        (Err(error), Some(made)) => {
            tracing::warn!(target: "jwtauth", error = &error as &dyn std::error::Error, "an API key was made, and the others of its owner cannot be listed");
            vec![made.session().clone()]
        }
        (Err(error), None) => return Err(error.into()),
    };
    let most_days = most_days(visit);
    let usual = most_days.min(DAYS).to_string();
    shell.is_wrong = status != StatusCode::OK;
    let page = ApiKeysPage {
        rows: keys.iter().map(|key| ApiKeyRow::of(key, shell.texts)).collect(),
        shell,
        secret: made.map(IssuedApiKey::secret),
        roles: &visit.account.roles,
        scopes: &visit.account.scopes,
        name: &typed.name,
        days: if typed.days.is_empty() { &usual } else { &typed.days },
        most_days,
        chosen: &typed.roles,
        chosen_scopes: &typed.scopes,
        name_problem: &typed.name_problem,
        roles_problem: &typed.roles_problem,
        days_problem: &typed.days_problem,
        once: TokenId::random().map_err(SessionError::from)?.to_string(),
        login: login_url("login", visit.request).filter(|_| visit.age > sessions.login_age_for_keys()),
    };
    shown(status, &page)
}
