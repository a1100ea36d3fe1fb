//! The routes that hand tokens out and take them back.

use poem::http::StatusCode;
use poem::{FromRequest, IntoResponse, Request, Response, Result};
use serde_json::json;

use super::authenticate::{Authenticate, LoginAttempt, LoginError};
use super::form::Form;
use super::{Transport, json};
use crate::error::SessionError;
use crate::event::Event;
use crate::record::RevocationReason;
use crate::session::{SlidingToken, Tokens};
use crate::web::answer::rejection::Rejection;
use crate::web::extract::auth::Auth;
use crate::web::request::wiring;

/// `POST /obtain`: name and password for a pair of tokens, or a sliding one.
pub(super) async fn obtain<A: Authenticate>(
    who: &A,
    transport: Transport,
    request: Request,
) -> Result<Response> {
    let (request, mut body) = request.split();
    // Before the body is read: a page of another site must not log its visitors in as somebody else.
    let auth = match transport {
        Transport::Cookies => Some(Auth::from_request(&request, &mut body).await?),
        Transport::Body | Transport::Sliding => None,
    };
    let mut form = Form::read(request.headers(), &mut body).await?;
    let [username, password] = form.take(["username", "password"])?;
    let shared = wiring::state(&request, "the route `/obtain`")?;
    let (client, sessions) = (shared.clients.see(&request), &shared.sessions);
    let (peer, device_id) = (client.address, form.said("device_id").unwrap_or_default());
    let attempt = LoginAttempt { username, password: password.into(), peer, fields: form.rest() };
    let typed = attempt.username.clone();
    let user = match who.authenticate(attempt).await {
        Ok(user) => user,
        Err(error) => {
            if let LoginError::InvalidCredentials = error {
                sessions.emit(Event::LoginFailed { username: typed, peer }).await;
            }
            return Err(Rejection::from(error).into());
        }
    };
    if let Some(auth) = auth {
        return Ok(lifetimes(sessions.left(&auth.with_device_id(&device_id).login(&user).await?)));
    }
    let device = client.named(&device_id).device();
    Ok(if transport == Transport::Sliding {
        sliding(&sessions.login_sliding(&user, device).await?)
    } else {
        pair(&sessions.login(&user, device).await?)
    })
}

/// `POST /refresh`: a refresh token for a new pair, or a sliding one for the next.
pub(super) async fn refresh(transport: Transport, request: Request) -> Result<Response> {
    let (request, mut body) = request.split();
    let shared = wiring::state(&request, "the route `/refresh`")?;
    let sessions = &shared.sessions;
    match transport {
        Transport::Cookies => {
            let auth = Auth::from_request(&request, &mut body).await?;
            Ok(lifetimes(sessions.left(&auth.refresh().await?)))
        }
        Transport::Body => {
            let [token] = Form::read(request.headers(), &mut body).await?.take(["refresh"])?;
            Ok(pair(&sessions.refresh(&token, &shared.clients.see(&request).device()).await?))
        }
        Transport::Sliding => {
            let [token] = Form::read(request.headers(), &mut body).await?.take(["token"])?;
            Ok(sliding(&sessions.refresh_sliding(&token, &shared.clients.see(&request).device()).await?))
        }
    }
}

/// `POST /verify`: whether a token, of any kind, is good and its session alive.
pub(super) async fn verify(request: Request) -> Result<Response> {
    let (request, mut body) = request.split();
    let [token] = Form::read(request.headers(), &mut body).await?.take(["token"])?;
    let sessions = &wiring::state(&request, "the route `/verify`")?.sessions;
    let token = sessions.read_any(&token).map_err(SessionError::from)?;
    sessions.good_token(&token).await?;
    Ok(json(json!({})))
}

/// `POST /expire`: ends a token, of any kind, alone or with everything of its session.
pub(super) async fn revoke_any(request: Request) -> Result<Response> {
    let (request, mut body) = request.split();
    let mut form = Form::read(request.headers(), &mut body).await?;
    let ([token], affect_tree) = (form.take(["token"])?, form.flag("affect_tree")?);
    let sessions = &wiring::state(&request, "the route `/expire`")?.sessions;
    sessions.revoke_jwt(&token, affect_tree).await?;
    Ok(json(json!({})))
}

/// `POST /revoke`: ends the session of a refresh or sliding token, also of one that was just spent.
pub(super) async fn revoke(transport: Transport, request: Request) -> Result<Response> {
    let (request, mut body) = request.split();
    let is_sliding = transport == Transport::Sliding;
    let field = if is_sliding { "token" } else { "refresh" };
    let [token] = Form::read(request.headers(), &mut body).await?.take([field])?;
    let sessions = &wiring::state(&request, "the route `/revoke`")?.sessions;
    let revoked = if is_sliding {
        sessions.revoke(sessions.read_sliding(&token)?.said().session).await?
    } else {
        sessions.revoke_refresh(&sessions.read_refresh(&token)?, RevocationReason::Requested).await?
    };
    if revoked { Ok(json(json!({}))) } else { Err(SessionError::Expired.into()) }
}

/// The answer when tokens ride in cookies: how long they are good for.
fn lifetimes((access, refresh): (u64, u64)) -> Response {
    json(json!({ "expires_in": access, "refresh_expires_in": refresh }))
}

fn pair(tokens: &Tokens) -> Response {
    json(json!({
        "access": tokens.access(),
        "refresh": tokens.refresh(),
        "expires_in": tokens.expires_in,
        "refresh_expires_in": tokens.refresh_expires_in,
    }))
}

fn sliding(token: &SlidingToken) -> Response {
    json(json!({
        "token": token.as_str(),
        "expires_in": token.expires_in,
        "refresh_expires_in": token.refresh_expires_in,
    }))
}

/// Answers 204: there is nothing to say.
pub(super) fn done() -> Response {
    StatusCode::NO_CONTENT.into_response()
}
