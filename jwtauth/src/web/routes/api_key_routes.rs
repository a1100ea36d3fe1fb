//! The routes with which users list, make and revoke their API keys. There are none without
//! [`api_keys`](crate::JwtAuthBuilder::api_keys).

use std::time::Duration;

use poem::http::StatusCode;
use poem::{FromRequest, IntoResponse, Request, RequestBody, Response, Result};
use serde_json::{Value, json};

use super::form::Form;
use super::json;
use super::token_routes::done;
use crate::id::SessionId;
use crate::record::Session;
use crate::right_name::scopes_in;
use crate::session::ApiKeyRequest;
use crate::web::answer::rejection::Rejection;
use crate::web::extract::auth::Auth;
use crate::web::extract::user::person;

/// `GET /api-keys`.
pub(super) async fn list(request: Request) -> Result<Response> {
    // First of all: nobody else's cookies are looked at.
    person(&request).await?;
    let auth = Auth::from_request(&request, &mut RequestBody::default()).await?;
    Ok(json(auth.api_keys().list().await?.iter().map(shown).collect()))
}

/// `POST /api-keys`: the one answer that has the key.
pub(super) async fn create(request: Request) -> Result<Response> {
    let (request, mut body) = request.split();
    // Before the body is read.
    person(&request).await?;
    let auth = Auth::from_request(&request, &mut body).await?;
    let mut form = Form::read(request.headers(), &mut body).await?;
    let ([name], roles, scopes) = (form.take(["name"])?, form.list("roles")?, form.list("scopes")?);
    let wanted = ApiKeyRequest::new(name);
    let wanted = roles.into_iter().fold(wanted, ApiKeyRequest::role);
    // As in OAuth (RFC 6749, section 3.3), one text may have several.
    let scopes = scopes.iter().flat_map(|text| scopes_in(text));
    let wanted = scopes.fold(wanted, ApiKeyRequest::scope);
    let wanted = match form.number("expires_in")? {
        Some(seconds) => wanted.ttl(Duration::from_secs(seconds)),
        None => wanted,
    };
    let key = auth.api_keys().create_as(wanted).await?;
    let mut answer = shown(key.session());
    answer["secret"] = key.secret().into();
    Ok(json(answer).with_status(StatusCode::CREATED).into_response())
}

/// `DELETE /api-keys/{id}`.
pub(super) async fn revoke(request: Request) -> Result<Response> {
    person(&request).await?;
    let auth = Auth::from_request(&request, &mut RequestBody::default()).await?;
    let id = request.path_params::<String>().ok().and_then(|id| id.parse::<SessionId>().ok());
    let revoked = match id {
        Some(id) => auth.api_keys().revoke(id).await?,
        None => false,
    };
    // Another user's key is answered like one that does not exist.
    if revoked { Ok(done()) } else { Err(Rejection::SessionNotFound.into()) }
}

/// What a user sees of a key: nothing that gives access.
fn shown(session: &Session) -> Value {
    json!({
        "id": session.id.to_string(),
        "name": session.api_key.as_ref().map(|key| &key.name),
        "roles": session.roles,
        "scopes": session.scopes,
        "created_at": session.created_at,
        "expires_at": session.expires_at,
        "last_used_at": session.last_used_at(),
    })
}
