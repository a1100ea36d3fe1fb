//! The routes that issue, refresh, verify and revoke tokens, and say whose they are.

use poem::http::StatusCode;
use poem::{FromRequest, IntoResponse, Request, RequestBody, Response, Result};
use serde_json::{Value, json};

use super::authenticate::{Authenticate, LoginAttempt, LoginError};
use super::form::Form;
use super::{Transport, json};
use crate::error::SessionError;
use crate::session::{Sessions, Tokens};
use crate::web::answer::rejection::Rejection;
use crate::web::extract::auth::Auth;
use crate::web::extract::user::current_user;
use crate::web::request::wiring;

/// `POST /obtain`: name and password for a pair of tokens, or a sliding one.
pub(super) async fn obtain<A: Authenticate>(
    who: &A,
    transport: Transport,
    request: Request,
) -> Result<Response> {
    let (request, mut body) = request.split();
    // Before the body is read: a page of another site must not log its visitors in.
    let auth = auth(transport, &request, &mut body).await?;
    let mut form = Form::read(request.headers(), &mut body).await?;
    let [username, password] = form.take(["username", "password"])?;
    let auth = auth.with_device_id(&form.said("device_id").unwrap_or_default());
    let attempt = LoginAttempt {
        username,
        password: password.into(),
        client_address: auth.client_address(),
        fields: form.rest(),
    };
    let typed = attempt.username.clone();
    let user = match who.authenticate(attempt).await {
        Ok(user) => user,
        Err(error) => {
            if let LoginError::InvalidCredentials = error {
                auth.report_failed_login(&typed).await;
            }
            return Err(Rejection::from(error).into());
        }
    };
    let sessions = <&Sessions>::from_request_without_body(&request).await?;
    let mut answer = match transport {
        Transport::Cookies => lifetimes(sessions.left(&auth.login(&user).await?)),
        Transport::Body => shown(&auth.issue_tokens(&user).await?),
        Transport::Sliding => shown(&auth.issue_sliding_token(&user).await?),
    };
    answer["user"] = who.shown(&user);
    Ok(json(answer))
}

/// `GET /me`: the user who is logged in.
pub(super) async fn me<A: Authenticate>(who: &A, request: Request) -> Result<Response> {
    let user: A::User = current_user(&request).await?;
    Ok(json(who.shown(&user)))
}

/// `POST /refresh`: a refresh token for a new pair, or a sliding one for the next.
pub(super) async fn refresh(transport: Transport, request: Request) -> Result<Response> {
    let (request, mut body) = request.split();
    let auth = auth(transport, &request, &mut body).await?;
    let sessions = <&Sessions>::from_request_without_body(&request).await?;
    Ok(json(match transport {
        Transport::Cookies => lifetimes(sessions.left(&auth.refresh().await?)),
        Transport::Body => {
            let [token] = Form::read(request.headers(), &mut body).await?.take(["refresh"])?;
            shown(&auth.refresh_tokens(&token).await?)
        }
        Transport::Sliding => {
            let [token] = Form::read(request.headers(), &mut body).await?.take(["token"])?;
            shown(&sessions.refresh_sliding(&token, &auth.device()).await?)
        }
    }))
}

/// Returns the `Auth` of a request. If cookies are used, checks which site caused the request first.
async fn auth(transport: Transport, request: &Request, body: &mut RequestBody) -> Result<Auth> {
    match transport {
        Transport::Cookies => Auth::from_request(request, body).await,
        Transport::Body | Transport::Sliding => Auth::for_bodies(request),
    }
}

/// `POST /verify`: whether a token of any kind is good and its session live.
pub(super) async fn verify(request: Request) -> Result<Response> {
    let (request, mut body) = request.split();
    let [token] = Form::read(request.headers(), &mut body).await?.take(["token"])?;
    let sessions = &wiring::state(&request, "the route `/verify`")?.sessions;
    let token = sessions.read_any(&token).map_err(SessionError::from)?;
    sessions.good_token(&token).await?;
    Ok(json(json!({})))
}

/// `POST /expire`, as wc-django-jwt calls it: revokes a token of any kind, alone or with its whole session.
pub(super) async fn revoke_token(request: Request) -> Result<Response> {
    let (request, mut body) = request.split();
    let mut form = Form::read(request.headers(), &mut body).await?;
    let ([token], affect_tree) = (form.take(["token"])?, form.flag("affect_tree")?);
    let sessions = &wiring::state(&request, "the route `/expire`")?.sessions;
    match affect_tree {
        true => sessions.revoke_jwt_tree(&token).await?,
        false => sessions.revoke_jwt(&token).await?,
    }
    Ok(json(json!({})))
}

/// `POST /revoke`, and `/blacklist` as simplejwt calls it: revokes the session of a refresh or sliding token,
/// even if the token was spent, or is not good now.
pub(super) async fn revoke_session(transport: Transport, request: Request) -> Result<Response> {
    let (request, mut body) = request.split();
    let is_sliding = transport == Transport::Sliding;
    let field = if is_sliding { "token" } else { "refresh" };
    let [token] = Form::read(request.headers(), &mut body).await?.take([field])?;
    let sessions = &wiring::state(&request, "the route `/revoke`")?.sessions;
    let named = if is_sliding { sessions.name_sliding(&token) } else { sessions.name_refresh(&token) };
    sessions.revoke_live(&named.map_err(SessionError::from)?).await?;
    Ok(json(json!({})))
}

/// The answer when tokens are in cookies: their lifetimes.
fn lifetimes((access, refresh): (u64, u64)) -> Value {
    json!({ "expires_in": access, "refresh_expires_in": refresh })
}

/// The answer when tokens are in its body.
fn shown(tokens: &Tokens) -> Value {
    let Tokens { expires_in, refresh_expires_in, .. } = tokens;
    match tokens.refresh() {
        Some(refresh) => json!({
            "access": tokens.access(),
            "refresh": refresh,
            "expires_in": expires_in,
            "refresh_expires_in": refresh_expires_in,
        }),
        None => json!({
            "token": tokens.access(),
            "expires_in": expires_in,
            "refresh_expires_in": refresh_expires_in,
        }),
    }
}

pub(super) fn done() -> Response {
    StatusCode::NO_CONTENT.into_response()
}
