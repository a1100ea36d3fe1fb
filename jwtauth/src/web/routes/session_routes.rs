//! The routes with which users list and revoke their sessions.

use poem::{FromRequest, Request, RequestBody, Response, Result};
use serde_json::json;

use super::form::Form;
use super::token_routes::done;
use super::{Transport, json};
use crate::error::SessionError;
use crate::id::SessionId;
use crate::record::{RevocationReason, Session};
use crate::user::Identity;
use crate::web::answer::rejection::Rejection;
use crate::web::extract::auth::Auth;
use crate::web::extract::user::person;
use crate::web::request::wiring;

/// The fields in which tokens are handed out, and sent back; and what OAuth calls them (RFC 6749, section
/// 5.1).
const TOKEN_FIELDS: [&str; 5] = ["refresh", "token", "access", "refresh_token", "access_token"];

/// `POST /logout`. Where tokens are in bodies, those in the body end their sessions too, as simplejwt's
/// clients send one to `/blacklist`. If one of them names nothing, nothing is ended.
pub(super) async fn logout(transport: Transport, request: Request) -> Result<Response> {
    let (request, mut body) = request.split();
    let auth = Auth::from_request(&request, &mut body).await?;
    if transport != Transport::Cookies {
        let mut form = Form::read(request.headers(), &mut body).await?;
        let sessions = &wiring::state(&request, "the route `/logout`")?.sessions;
        let mut named = Vec::new();
        for field in TOKEN_FIELDS {
            if let Some(token) = form.optional(field)? {
                named.push(sessions.name_any(&token).map_err(SessionError::from)?);
            }
        }
        for token in &named {
            sessions.revoke_named(token, RevocationReason::Logout).await?;
        }
    }
    auth.logout().await?;
    Ok(done())
}

/// `POST /logout_all`.
pub(super) async fn logout_all(request: Request) -> Result<Response> {
    let revoked = Auth::from_request(&request, &mut RequestBody::default()).await?.logout_all().await?;
    Ok(json(json!({ "revoked": revoked })))
}

/// `GET /sessions`.
pub(super) async fn list(request: Request) -> Result<Response> {
    let who = person(&request).await?;
    let sessions = &wiring::state(&request, "the route `/sessions`")?.sessions;
    let (own, now) = (sessions.list(who.subject()).await?, sessions.now());
    Ok(json(own.iter().map(|session| shown(session, who, now)).collect()))
}

/// `DELETE /sessions`.
pub(super) async fn revoke_others(request: Request) -> Result<Response> {
    let revoked = Auth::from_request(&request, &mut RequestBody::default()).await?.logout_others().await?;
    Ok(json(json!({ "revoked": revoked })))
}

/// `DELETE /sessions/{id}`.
pub(super) async fn revoke_one(request: Request) -> Result<Response> {
    let who = person(&request).await?;
    let sessions = &wiring::state(&request, "the route `/sessions/{id}`")?.sessions;
    let id = request.path_params::<String>().ok().and_then(|id| id.parse::<SessionId>().ok());
    let id = id.ok_or(Rejection::SessionNotFound)?;
    if id == who.session_id() {
        Auth::from_request(&request, &mut RequestBody::default()).await?.logout().await?;
    } else if !sessions.revoke_of(who.subject(), id).await? {
        // Another user's session is answered like one that does not exist.
        return Err(Rejection::SessionNotFound.into());
    }
    Ok(done())
}

/// What a user sees of a session: nothing that gives access.
fn shown(session: &Session, who: &Identity, now: u64) -> serde_json::Value {
    let device = &session.device;
    json!({
        "id": session.id.to_string(),
        "created_at": session.created_at,
        "last_used_at": session.last_used_at(),
        "summary": session.summary_at(now),
        "device": device.to_string(),
        "app": device.app,
        "app_version": device.app_version,
        "os": device.os,
        "os_version": device.os_version,
        "model": device.model,
        "device_id": device.id,
        "address": session.last_seen_from(),
        "expires_at": session.expires_at,
        "current": session.id == who.session_id(),
        "api_key": session.api_key.as_ref().map(|key| &key.name),
    })
}
