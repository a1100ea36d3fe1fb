//! The pages of somebody who is logged in: sessions, password, logout.

use askama::Template;
use poem::http::StatusCode;
use poem::{FromRequest, Request, RequestBody, Response, Result};
use zeroize::Zeroizing;

use super::PageSettings;
use super::device_row::DeviceRow;
use super::page_shell::{Shell, is_told, logged_out, see_other, sentence, shown, to_login};
use crate::accounts::{Account, Accounts};
use crate::error::AccountError;
use crate::id::SessionId;
use crate::web::extract::auth::Auth;
use crate::web::extract::user::person;
use crate::web::request::wiring;
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
}

#[derive(Template)]
#[template(path = "logout.html")]
struct LogoutPage<'p> {
    shell: Shell<'p>,
}

/// Who is logged in, with the session.
pub(super) struct LoggedIn {
    pub(super) account: Account,
    pub(super) session: SessionId,
}

impl LoggedIn {
    /// Fails if nobody is logged in, or if another site caused the request. An API key is nobody here.
    pub(super) async fn of(request: &Request, body: &mut RequestBody) -> Result<Self> {
        let account = Account::from_request(request, body).await?;
        let session = person(request).await?.session_id();
        Ok(Self { account, session })
    }
}

/// `GET /`.
pub(super) async fn to_devices(request: Request) -> Result<Response> {
    // Nested at `/account`, that is the whole path: a relative one would begin beside it.
    let here = crate::web::headers::pattern::asked_uri(&request).path();
    Ok(see_other(&format!("{}/devices", here.trim_end_matches('/'))))
}

/// `GET devices`.
pub(super) async fn show_devices(look: &PageSettings, request: Request) -> Result<Response> {
    let texts = look.texts(&request);
    let caller = match LoggedIn::of(&request, &mut RequestBody::default()).await {
        Ok(caller) => caller,
        Err(refusal) => return to_login(&request, refusal),
    };
    let sessions = &wiring::state(&request, "the page `devices`")?.sessions;
    let mut own = sessions.list(&caller.account.id.to_string()).await?;
    // They have a page of their own.
    own.retain(|session| session.api_key.is_none() || !look.has("/api-keys"));
    let mut rows: Vec<_> = own.iter().map(|session| DeviceRow::of(session, caller.session, &texts)).collect();
    // This one first; the others stay in their order.
    rows.sort_by_key(|row| !row.is_this);
    let mut shell = Shell::new(look, &texts, &texts.devices);
    shell.belongs_to(&caller.account.name, "devices");
    if is_told(&request, "ended") {
        shell.notice = Some(&texts.device_logged_out);
    }
    shown(StatusCode::OK, &DevicesPage { shell, rows })
}

/// `POST devices`: ends a session of one's own, all others, or all.
pub(super) async fn end_sessions(request: Request) -> Result<Response> {
    let (request, mut body) = request.split();
    let caller = match LoggedIn::of(&request, &mut body).await {
        Ok(caller) => caller,
        Err(refusal) => return to_login(&request, refusal),
    };
    let mut form = Form::read(request.headers(), &mut body).await?;
    let auth = Auth::from_request(&request, &mut RequestBody::default()).await?;
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
            Ok(id) if id == caller.session => {
                auth.logout().await?;
                Ok(logged_out())
            }
            Ok(id) => {
                let sessions = &wiring::state(&request, "the page `devices`")?.sessions;
                // Of somebody else's session nobody learns whether it exists.
                let has_ended = sessions.revoke_of(&caller.account.id.to_string(), id).await?;
                Ok(see_other(if has_ended { "devices?ended" } else { "devices" }))
            }
            Err(_) => Ok(see_other("devices")),
        },
    }
}

/// `GET password`.
pub(super) async fn show_password(look: &PageSettings, request: Request) -> Result<Response> {
    let texts = look.texts(&request);
    match LoggedIn::of(&request, &mut RequestBody::default()).await {
        Ok(caller) => {
            let mut shell = Shell::new(look, &texts, &texts.change_password);
            if is_told(&request, "changed") {
                shell.notice = Some(&texts.password_changed);
            }
            password_page(StatusCode::OK, shell, &caller, ["", ""])
        }
        Err(refusal) => to_login(&request, refusal),
    }
}

fn password_page<'p>(
    status: StatusCode,
    mut shell: Shell<'p>,
    caller: &'p LoggedIn,
    [old_problem, new_problem]: [&'p str; 2],
) -> Result<Response> {
    shell.belongs_to(&caller.account.name, "password");
    shown(status, &PasswordPage { shell, username: &caller.account.name, old_problem, new_problem })
}

/// `POST password`.
pub(super) async fn change_password(look: &PageSettings, request: Request) -> Result<Response> {
    let (request, mut body) = request.split();
    let texts = look.texts(&request);
    let caller = match LoggedIn::of(&request, &mut body).await {
        Ok(caller) => caller,
        Err(refusal) => return to_login(&request, refusal),
    };
    let mut form = Form::read(request.headers(), &mut body).await?;
    let [old, new] = ["old_password", "new_password"].map(|field| Zeroizing::new(form.text(field)));
    let mut shell = Shell::new(look, &texts, &texts.change_password);
    let empty = |text: &str| if text.is_empty() { &*texts.required } else { "" };
    if old.is_empty() || new.is_empty() {
        let problems = [empty(&old), empty(&new)];
        return password_page(StatusCode::UNPROCESSABLE_ENTITY, shell, &caller, problems);
    }
    let accounts = <&Accounts>::from_request_without_body(&request).await?;
    let changed = accounts.change_password(caller.account.id, &old, &new, Some(caller.session)).await;
    let Err(error) = changed else { return Ok(see_other("password?changed")) };
    let said = sentence(&error);
    let (status, problems) = match &error {
        AccountError::InvalidCredentials => (StatusCode::UNPROCESSABLE_ENTITY, [&*texts.wrong_password, ""]),
        AccountError::Password { .. } => {
            (StatusCode::UNPROCESSABLE_ENTITY, ["", texts.password_refused.as_deref().unwrap_or(&said)])
        }
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
    password_page(status, shell, &caller, problems)
}

/// `GET logout`.
pub(super) async fn show_logout(look: &PageSettings, request: Request) -> Result<Response> {
    let texts = look.texts(&request);
    match LoggedIn::of(&request, &mut RequestBody::default()).await {
        Ok(caller) => {
            let mut shell = Shell::new(look, &texts, &texts.log_out);
            shell.belongs_to(&caller.account.name, "logout");
            shown(StatusCode::OK, &LogoutPage { shell })
        }
        Err(refusal) => to_login(&request, refusal),
    }
}

/// `POST logout`.
pub(super) async fn log_out(request: Request) -> Result<Response> {
    let auth = Auth::from_request(&request, &mut RequestBody::default()).await?;
    auth.logout().await?;
    Ok(logged_out())
}
