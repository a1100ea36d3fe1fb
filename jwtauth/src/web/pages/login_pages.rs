//! The pages for those who are not logged in: log in, register.

use askama::Template;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use poem::error::ResponseError as _;
use poem::http::{StatusCode, header};
use poem::web::Query;
use poem::{FromRequest, Request, Response, Result};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::page_shell::{Shell, is_told, see_other, shown, with_headers_of};
use super::sent_forms::SentForms;
use super::{PageSettings, PageTexts};
use crate::accounts::Accounts;
use crate::error::{AccountError, SessionError};
use crate::web::answer::rejection::{FailedLogin, Rejection};
use crate::web::extract::auth::Auth;
use crate::web::guard::local_path::{MAX_NEXT, local_path};
use crate::web::routes::form::Form;

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage<'p> {
    shell: Shell<'p>,
    username: &'p str,
    next: &'p str,
    query: String,
    can_register: bool,
    /// Names the form: of one that is sent twice one session is left.
    once: String,
}

#[derive(Template)]
#[template(path = "register.html")]
struct RegisterPage<'p> {
    shell: Shell<'p>,
    username: &'p str,
    next: &'p str,
    query: String,
    name_problem: &'p str,
    password_problem: &'p str,
    /// As on the login page.
    once: String,
}

/// Where to go after the login. Whoever made the link has written it.
#[derive(Default, Deserialize)]
#[serde(default)]
struct WayBack {
    next: String,
}

impl WayBack {
    /// Reads it. What cannot be read asks for nothing.
    async fn of(request: &Request) -> Self {
        let asked = Query::<Self>::from_request_without_body(request).await;
        let Self { next } = asked.map(|Query(asked)| asked).unwrap_or_default();
        Self { next: local(next) }
    }
}

/// Returns a path on this site that is no longer than what is sent along, or nothing.
fn local(next: String) -> String {
    if next.len() <= MAX_NEXT && local_path(&next).is_some() { next } else { String::new() }
}

/// Carries the way back from one page to the other.
fn query(next: &str) -> String {
    if next.is_empty() {
        return String::new();
    }
    format!("?next={}", utf8_percent_encode(next, NON_ALPHANUMERIC))
}

/// `GET login`.
pub(super) async fn show_login(look: &PageSettings, request: Request) -> Result<Response> {
    let (texts, asked) = (look.texts(&request), WayBack::of(&request).await);
    let auth = Auth::from_request(&request, &mut poem::RequestBody::default()).await?;
    let mut shell = Shell::new(look, &texts, &texts.log_in);
    // Whatever is wrong with the cookies, a login mends it.
    if matches!(auth.session().await, Ok(Some(_))) {
        shell.home = look.home.as_deref();
        // A page may want a recent login.
        shell.notice = Some(if asked.next.is_empty() { &texts.is_logged_in } else { &texts.log_in_again });
    } else if auth.loses_cookies(&request) && was_http_here(&request) {
        shell.problem = Some(&texts.needs_https);
    } else if is_told(&request, "out") {
        shell.notice = Some(&texts.logged_out);
    }
    login_page(StatusCode::OK, look, shell, "", &asked.next)
}

/// Tells whether the browser has come from a page of this host that it has opened over plain http. A server
/// behind a proxy may see plain http where the browser does not.
fn was_http_here(request: &Request) -> bool {
    let path = || {
        let from = request.header(header::REFERER)?.strip_prefix("http://")?;
        from.strip_prefix(request.header(header::HOST)?)
    };
    path().is_some_and(|path| path.starts_with('/'))
}

fn login_page(
    status: StatusCode,
    look: &PageSettings,
    mut shell: Shell<'_>,
    username: &str,
    next: &str,
) -> Result<Response> {
    let query = query(next);
    shell.is_wrong = status != StatusCode::OK;
    let (can_register, once) = (look.has("/register"), SentForms::name().map_err(SessionError::from)?);
    shown(status, &LoginPage { shell, username, next, query, can_register, once })
}

/// `POST login`.
pub(super) async fn log_in(look: &PageSettings, request: Request) -> Result<Response> {
    let (request, mut body) = request.split();
    let texts = look.texts(&request);
    // Before the form is read: it refuses what another site caused.
    let auth = Auth::from_request(&request, &mut body).await?;
    let mut form = Form::read(request.headers(), &mut body).await?;
    let (username, next) = (form.text("username"), local(form.text("next")));
    let password = Zeroizing::new(form.text("password"));
    let mut shell = Shell::new(look, &texts, &texts.log_in);
    if username.is_empty() || password.is_empty() {
        shell.problem = Some(&texts.wrong_credentials);
        return login_page(StatusCode::UNPROCESSABLE_ENTITY, look, shell, &username, &next);
    }
    let accounts = <&Accounts>::from_request_without_body(&request).await?;
    let account = match accounts.verify(&username, &password, auth.client_address()).await {
        Ok(account) => account,
        Err(error) => {
            let (status, problem) = match delayed(&texts, &error) {
                Some(delayed) => delayed,
                None if matches!(error, AccountError::InvalidCredentials) => {
                    (StatusCode::UNAUTHORIZED, &*texts.wrong_credentials)
                }
                None => return Err(error.into()),
            };
            shell.problem = Some(problem);
            let page = login_page(status, look, shell, &username, &next)?;
            let mut page = with_headers_of(&error.as_response(), page);
            if status == StatusCode::UNAUTHORIZED {
                auth.report_failed_login(&username).await;
                // The middleware logs it, because it knows the address.
                page.extensions_mut().insert(FailedLogin);
            }
            return Ok(page);
        }
    };
    match look.sent_forms.log_in(&auth, &account, form.text("once")).await {
        Ok(()) => Ok(arrived(look, &next)),
        // Disabled meanwhile, or refused by a hook.
        Err(error) => match Rejection::from(&error) {
            Rejection::InvalidCredentials | Rejection::PermissionDenied => {
                shell.problem = Some(&texts.wrong_credentials);
                let page = login_page(StatusCode::UNAUTHORIZED, look, shell, &username, &next)?;
                Ok(with_headers_of(&Rejection::InvalidCredentials.as_response(), page))
            }
            _ => Err(error.into()),
        },
    }
}

/// Goes to the page that was asked for, or home.
fn arrived(look: &PageSettings, next: &str) -> Response {
    let usual = if look.has("/devices") { "devices" } else { "/" };
    see_other(local_path(next).or(look.home.as_deref()).unwrap_or(usual))
}

/// Says that it is not the time for a password, if so.
fn delayed<'t>(texts: &'t PageTexts, error: &AccountError) -> Option<(StatusCode, &'t str)> {
    match error {
        AccountError::Busy => Some((StatusCode::SERVICE_UNAVAILABLE, &texts.busy)),
        AccountError::RateLimited { .. } => Some((StatusCode::TOO_MANY_REQUESTS, &texts.too_many)),
        _ => None,
    }
}

/// `GET register`.
pub(super) async fn show_register(look: &PageSettings, request: Request) -> Result<Response> {
    let (texts, asked) = (look.texts(&request), WayBack::of(&request).await);
    let shell = Shell::new(look, &texts, &texts.register);
    register_page(StatusCode::OK, shell, "", &asked.next, ["", ""])
}

fn register_page(
    status: StatusCode,
    mut shell: Shell<'_>,
    username: &str,
    next: &str,
    [name_problem, password_problem]: [&str; 2],
) -> Result<Response> {
    let query = query(next);
    shell.is_wrong = status != StatusCode::OK;
    let once = SentForms::name().map_err(SessionError::from)?;
    shown(status, &RegisterPage { shell, username, next, query, name_problem, password_problem, once })
}

/// `POST register`: opens an account, and logs it in.
pub(super) async fn register(look: &PageSettings, request: Request) -> Result<Response> {
    let (request, mut body) = request.split();
    let texts = look.texts(&request);
    let auth = Auth::from_request(&request, &mut body).await?;
    // The account is logged in at once, and no API key is a login: so it is not made either.
    auth.refuse_api_key()?;
    let mut form = Form::read(request.headers(), &mut body).await?;
    let (username, next) = (form.text("username"), local(form.text("next")));
    let password = Zeroizing::new(form.text("password"));
    let mut shell = Shell::new(look, &texts, &texts.register);
    let empty = |text: &str| if text.is_empty() { &*texts.required } else { "" };
    if username.is_empty() || password.is_empty() {
        let problems = [empty(&username), empty(&password)];
        return register_page(StatusCode::UNPROCESSABLE_ENTITY, shell, &username, &next, problems);
    }
    let accounts = <&Accounts>::from_request_without_body(&request).await?;
    let once = form.text("once");
    let account = match accounts.register_from(&username, &password, auth.client_address()).await {
        Ok(account) => account,
        Err(error) => {
            if let Some((status, problem)) = delayed(&texts, &error) {
                shell.problem = Some(problem);
                let page = register_page(status, shell, &username, &next, ["", ""])?;
                return Ok(with_headers_of(&error.as_response(), page));
            }
            if matches!(error, AccountError::NameTaken) {
                let made = made_before(look, &auth, accounts, [&username, &password], once).await?;
                if made == TakenName::LoggedIn {
                    return Ok(arrived(look, &next));
                }
                let problems = [&*texts.name_taken, ""];
                let mut page = register_page(StatusCode::CONFLICT, shell, &username, &next, problems)?;
                if made == TakenName::Refused {
                    // The middleware logs it, as it does for a login.
                    page.extensions_mut().insert(FailedLogin);
                }
                return Ok(page);
            }
            let [of_name, of_password] = match &error {
                AccountError::Name { problem } => [texts.of_name(*problem), String::new()],
                AccountError::Password { problem } => [String::new(), texts.of_password(*problem)],
                _ => return Err(error.into()),
            };
            let problems = [&*of_name, &*of_password];
            return register_page(StatusCode::UNPROCESSABLE_ENTITY, shell, &username, &next, problems);
        }
    };
    look.sent_forms.log_in(&auth, &account, once).await?;
    Ok(arrived(look, &next))
}

/// What has become of a registration whose name is taken.
#[derive(PartialEq, Eq)]
enum TakenName {
    LoggedIn,
    /// The password was tried, and is another one.
    Refused,
    /// It could not be tried now.
    Untried,
}

/// Logs somebody in whose name is taken, if the password is that of the account: a second click on a slow
/// line, or an account that was forgotten. It is a login, with the same brakes. Of everybody else the page
/// says that the name is taken, and no more.
async fn made_before(
    look: &PageSettings,
    auth: &Auth,
    accounts: &Accounts,
    [username, password]: [&str; 2],
    form: String,
) -> Result<TakenName> {
    let account = match accounts.verify(username, password, auth.client_address()).await {
        Ok(account) => account,
        Err(AccountError::InvalidCredentials) => {
            auth.report_failed_login(username).await;
            return Ok(TakenName::Refused);
        }
        Err(AccountError::Busy | AccountError::RateLimited { .. }) => return Ok(TakenName::Untried),
        Err(error) => return Err(error.into()),
    };
    match look.sent_forms.log_in(auth, &account, form).await {
        Ok(()) => Ok(TakenName::LoggedIn),
        // Disabled meanwhile, or refused by a hook.
        Err(error) => match Rejection::from(&error) {
            Rejection::InvalidCredentials | Rejection::PermissionDenied => Ok(TakenName::Refused),
            _ => Err(error.into()),
        },
    }
}
