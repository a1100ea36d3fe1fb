//! The pages of somebody who is logged in: sessions, password, logout.

use askama::Template;
use poem::error::ResponseError as _;
use poem::http::StatusCode;
use poem::{FromRequest, Request, RequestBody, Response, Result};
use zeroize::Zeroizing;

use super::device_row::DeviceRow;
use super::own_visit::OwnVisit;
use super::page_shell::{LOGGED_OUT, Shell, anew, from_index, logged_out, see_other, shown, with_headers_of};
use super::sent_forms::SentForms;
use super::{PageSettings, PageTexts};
use crate::accounts::Accounts;
use crate::clock::seconds_since;
use crate::error::{AccountError, SessionError};
use crate::id::SessionId;
use crate::web::answer::rejection::Rejection;
use crate::web::extract::auth::Auth;
use crate::web::routes::form::Form;

#[derive(Template)]
#[template(path = "devices.html")]
struct DevicesPage<'p> {
    shell: Shell<'p>,
    rows: Vec<DeviceRow>,
}

#[derive(Template)]
#[template(path = "password.html")]
struct PasswordPage<'p> {
    shell: Shell<'p>,
    username: &'p str,
    old_problem: &'p str,
    new_problem: &'p str,
    /// Names the form: the second answer to the same form says that it is done.
    once: String,
}

/// For how long after a change a form that was sent twice is known, in seconds: a slow line and a second
/// click.
const SENT_TWICE: u64 = 10 * 60;

#[derive(Template)]
#[template(path = "logout.html")]
struct LogoutPage<'p> {
    shell: Shell<'p>,
}

/// `GET /`.
pub(super) fn to_devices(request: &Request) -> Result<Response> {
    Ok(from_index(request, "devices"))
}

/// `GET devices`.
pub(super) async fn show_devices(visit: &OwnVisit<'_>) -> Result<Response> {
    let texts = visit.texts;
    let mut own = visit.sessions().list(&visit.subject()).await?;
    // They have a page of their own.
    own.retain(|session| session.api_key.is_none() || !visit.look.has("/api-keys"));
    let mut rows: Vec<_> = own.iter().map(|session| DeviceRow::of(session, visit.session, texts)).collect();
    // This one first; the others stay in their order.
    rows.sort_by_key(|row| !row.is_this);
    let mut shell = visit.shell(&texts.devices, "devices");
    if visit.is_told("ended") {
        shell.notice = Some(&texts.device_logged_out);
    }
    shown(StatusCode::OK, &DevicesPage { shell, rows })
}

/// `POST devices`: ends a session of one's own, all others, or all.
pub(super) async fn end_sessions(visit: &OwnVisit<'_>, mut form: Form) -> Result<Response> {
    let auth = visit.auth().await?;
    match &*form.text("end") {
        "all" => {
            auth.logout_all().await?;
            Ok(logged_out())
        }
        "others" => {
            auth.logout_others().await?;
            Ok(see_other("devices"))
        }
        id => match id.parse::<SessionId>() {
            Ok(id) if id == visit.session => {
                auth.logout().await?;
                Ok(logged_out())
            }
            Ok(id) => {
                // Of somebody else's session nobody learns whether it exists.
                let has_ended = visit.sessions().revoke_of(&visit.subject(), id).await?;
                Ok(see_other(if has_ended { "devices?ended" } else { "devices" }))
            }
            Err(_) => Ok(see_other("devices")),
        },
    }
}

/// `GET password`.
pub(super) async fn show_password(visit: &OwnVisit<'_>) -> Result<Response> {
    let mut shell = visit.shell(&visit.texts.change_password, "password");
    if visit.is_told("changed") {
        shell.notice = Some(&visit.texts.password_changed);
    }
    password_page(StatusCode::OK, shell, visit, ["", ""])
}

fn password_page<'p>(
    status: StatusCode,
    mut shell: Shell<'p>,
    visit: &'p OwnVisit<'_>,
    [old_problem, new_problem]: [&'p str; 2],
) -> Result<Response> {
    shell.is_wrong = status != StatusCode::OK;
    let (username, once) = (&*visit.account.name, SentForms::name().map_err(SessionError::from)?);
    shown(status, &PasswordPage { shell, username, old_problem, new_problem, once })
}

/// `POST password`.
pub(super) async fn change_password(visit: &OwnVisit<'_>, mut form: Form) -> Result<Response> {
    let texts = visit.texts;
    let [old, new] = ["old_password", "new_password"].map(|field| Zeroizing::new(form.text(field)));
    let mut shell = visit.shell(&texts.change_password, "password");
    let empty = |text: &str| if text.is_empty() { &*texts.required } else { "" };
    if old.is_empty() || new.is_empty() {
        let problems = [empty(&old), empty(&new)];
        return password_page(StatusCode::UNPROCESSABLE_ENTITY, shell, visit, problems);
    }
    let accounts = <&Accounts>::from_request_without_body(visit.request).await?;
    let mut changed_since = visit.look.password_forms.turn(visit.account.id, form.text("once")).await;
    let earlier = *changed_since;
    // It stays so if this request ends before it knows: at a time limit, for example.
    *changed_since = earlier.or(Some(visit.sessions().now()));
    let changed = accounts.change_password(visit.account.id, &old, &new, Some(visit.session)).await;
    let Err(error) = changed else { return Ok(see_other("password?changed")) };
    if let (Some(since), AccountError::InvalidCredentials) = (earlier, &error)
        && was_changed(visit, accounts, &new, since).await?
    {
        return Ok(see_other("password?changed"));
    }
    *changed_since = earlier;
    let said = match &error {
        AccountError::Password { problem } => texts.of_password(*problem),
        _ => String::new(),
    };
    let (status, problems) = match &error {
        AccountError::InvalidCredentials => (StatusCode::UNPROCESSABLE_ENTITY, [&*texts.wrong_password, ""]),
        AccountError::Password { .. } => (StatusCode::UNPROCESSABLE_ENTITY, ["", &*said]),
        AccountError::Busy => {
            shell.problem = Some(&texts.busy);
            (StatusCode::SERVICE_UNAVAILABLE, ["", ""])
        }
        AccountError::RateLimited { .. } => {
            shell.problem = Some(&texts.too_many);
            (StatusCode::TOO_MANY_REQUESTS, ["", ""])
        }
        _ => return Err(error.into()),
    };
    let page = password_page(status, shell, visit, problems)?;
    Ok(with_headers_of(&error.as_response(), page))
}

/// Tells whether a form that came before, at `since`, has made the new password that of the account, a short
/// while ago. To ask is an attempt like one with the old password.
async fn was_changed(visit: &OwnVisit<'_>, accounts: &Accounts, new: &str, since: u64) -> Result<bool> {
    let Some(account) = accounts.by_id(visit.account.id).await? else { return Ok(false) };
    let age = seconds_since(account.password_changed_at, visit.sessions().now());
    if account.password_changed_at < since || age.is_none_or(|age| age > SENT_TWICE) {
        return Ok(false);
    }
    match accounts.has_password(account.id, new).await {
        Ok(()) => Ok(true),
        // What was wrong first is what matters.
        Err(_) => Ok(false),
    }
}

/// `GET logout`.
pub(super) fn show_logout(visit: &OwnVisit<'_>) -> Result<Response> {
    shown(StatusCode::OK, &LogoutPage { shell: visit.shell(&visit.texts.log_out, "logout") })
}

/// `GET logout` of somebody whom the page does not know. There may be a session to end all the same: one of
/// two in twin cookies, or one whose tokens are not good now. Otherwise a logout is done.
pub(super) async fn show_logout_of_nobody(
    look: &PageSettings,
    texts: &PageTexts,
    request: &Request,
) -> Result<Response> {
    let auth = Auth::from_request(request, &mut RequestBody::default()).await?;
    if !auth.has_session_to_end().await? {
        // An image in a page of another site must not empty this one's cache: its request has no cookies.
        let site = request.headers().get("sec-fetch-site").map(|site| site.as_bytes());
        let is_own = matches!(site, None | Some(b"same-origin" | b"none"));
        return Ok(if is_own { logged_out() } else { see_other(LOGGED_OUT) });
    }
    shown(StatusCode::OK, &LogoutPage { shell: Shell::new(look, texts, &texts.log_out) })
}

/// Tells whether a page is refused because nobody is logged in.
pub(super) fn is_logged_out(refusal: &poem::Error) -> bool {
    refusal.downcast_ref::<Rejection>().is_some_and(|why| why.status() == StatusCode::UNAUTHORIZED)
}

/// `POST logout`: also of somebody who is logged out already.
pub(super) async fn log_out(look: &PageSettings, request: Request) -> Result<Response> {
    let (request, mut body) = request.split();
    // Before the form is read: it refuses what another site caused.
    let auth = Auth::from_request(&request, &mut RequestBody::default()).await?;
    // A form of the application's own has no fields, and may be anything.
    let mut form = Form::read(request.headers(), &mut body).await.unwrap_or_default();
    let texts = look.texts(&request);
    if form.has("for")
        && let Ok(mut visit) = OwnVisit::of(look, &texts, &request, &mut RequestBody::default()).await
        && !visit.is_for_me(&mut form)?
    {
        return anew(show_logout(&visit));
    }
    auth.logout().await?;
    Ok(logged_out())
}
