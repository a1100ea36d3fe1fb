//! The routes for other services: whether a token is good (RFC 7662), and to revoke one (RFC 7009).
//!
//! A service authenticates with its own HTTP Basic credentials (RFC 6749, section 2.3.1). Without any service
//! these routes do not exist.
//!
//! # Invariants
//!
//! 1. A refresh token is active only for a service that asks for one, so that no service takes it for an
//!    access token (J-10; RFC 7662, section 4). The answer names its kind, and has no scope and no roles.
//! 2. Every refusal has the member `error` (RFC 6749, section 5.2).

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD as BASE64, URL_SAFE_NO_PAD as BASE64URL};
use poem::endpoint::make;
use poem::http::{HeaderMap, Method, StatusCode, header};
use poem::{EndpointExt as _, IntoResponse as _, Request, Response};
use serde_json::{Map, Value, json};

use super::form::Form;
use super::{Choices, ReadyRoute, json};
use crate::error::{ConfigError, SessionError};
use crate::record::RevocationReason;
use crate::registry::TokenKind;
use crate::right_name::scope_text;
use crate::secret::{Secret, alike};
use crate::session::{AnyToken, GoodToken};
use crate::web::answer::problem::{problem, problem_error};
use crate::web::answer::rejection::Rejection;
use crate::web::request::wiring;

/// Shortest secret of a service, in bytes.
const MIN_SECRET: usize = 32;

/// Services that may ask, with name and secret.
#[derive(Default)]
pub(super) struct Services(Vec<(String, Secret)>);

impl Services {
    pub(super) fn add(&mut self, name: String, secret: String) -> Result<(), ConfigError> {
        if name.is_empty() || name.contains(':') {
            let problem = "it needs one character at least, and no colon";
            return Err(ConfigError::setting("the name of a service", name, problem));
        }
        if secret.len() < MIN_SECRET {
            return Err(ConfigError::WeakServiceSecret { name });
        }
        self.0.push((name, Secret::new(secret.into_bytes())));
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Refuses a request without the name and secret of a service.
    fn check(&self, headers: &HeaderMap) -> poem::Result<()> {
        // All are compared, and the time does not show how far they agree.
        let known = basic(headers).iter().fold(false, |known, [name, secret]| {
            self.0.iter().fold(known, |known, (own_name, own_secret)| {
                known | (alike(name, own_name.as_bytes()) & alike(secret, own_secret.expose()))
            })
        });
        if known {
            return Ok(());
        }
        let mut response = problem(
            StatusCode::UNAUTHORIZED,
            "This is for services that are known here",
            "invalid_client",
            Map::new(),
        );
        let challenge = header::HeaderValue::from_static(r#"Basic realm="services", charset="UTF-8""#);
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        Err(problem_error(response))
    }
}

/// Reads name and secret from `Authorization: Basic`, in each form that they may have been sent in: as they
/// are, as most clients do (curl, requests, authlib), and encoded as in a form (RFC 6749, section 2.3.1).
fn basic(headers: &HeaderMap) -> Vec<[Vec<u8>; 2]> {
    let read = || {
        let mut values = headers.get_all(header::AUTHORIZATION).iter();
        let (Some(value), None) = (values.next(), values.next()) else { return None };
        let (scheme, encoded) = value.to_str().ok()?.split_once(' ')?;
        let bytes = BASE64.decode(encoded.trim()).ok()?;
        // Clients that know no UTF-8 send Latin-1.
        let text = String::from_utf8(bytes)
            .unwrap_or_else(|bytes| bytes.into_bytes().into_iter().map(char::from).collect());
        let (name, secret) = text.split_once(':')?;
        scheme.eq_ignore_ascii_case("basic").then(|| [name.to_owned(), secret.to_owned()])
    };
    let Some(raw) = read() else { return Vec::new() };
    let decoded = raw.each_ref().map(|part| {
        let part = part.replace('+', " ");
        percent_encoding::percent_decode_str(&part).collect()
    });
    vec![raw.map(String::into_bytes), decoded]
}

pub(super) fn table() -> [ReadyRoute; 2] {
    [route("/oauth/introspect", introspect), route("/oauth/revoke", revoke)]
}

fn route<F, R>(path: &str, handler: F) -> ReadyRoute
where
    F: Fn(Arc<Services>, Request) -> R + Copy + Send + Sync + 'static,
    R: Future<Output = poem::Result<Response>> + Send,
{
    let make = Box::new(move |choices: &Choices| {
        let services = Arc::clone(&choices.services);
        let answer = make(move |request: Request| {
            let services = Arc::clone(&services);
            async move {
                if request.method() != Method::POST {
                    return with_error(only_post()).await;
                }
                match handler(services, request).await {
                    Ok(response) => response,
                    Err(error) => with_error(error.into_response()).await,
                }
            }
        });
        answer.boxed()
    });
    ReadyRoute { path: path.into(), make }
}

fn only_post() -> Response {
    let refused = problem(StatusCode::METHOD_NOT_ALLOWED, "Use POST", "invalid_request", Map::new());
    refused.with_header(header::ALLOW, "POST").into_response()
}

/// Adds the member that clients of OAuth read to a refusal (RFC 6749, sections 4.1.2.1 and 5.2).
async fn with_error(mut refused: Response) -> Response {
    let error = match refused.status().as_u16() {
        401 => "invalid_client",
        503 => "temporarily_unavailable",
        500.. => "server_error",
        _ => "invalid_request",
    };
    if let Ok(Value::Object(mut members)) = refused.take_body().into_json().await {
        members.insert("error".into(), error.into());
        refused.set_body(Value::from(members).to_string());
    }
    refused
}

/// `POST /oauth/introspect`: what is true of a token now.
async fn introspect(services: Arc<Services>, request: Request) -> poem::Result<Response> {
    let (request, mut body) = request.split();
    services.check(request.headers())?;
    let mut form = Form::read(request.headers(), &mut body).await?;
    let [token] = form.take(["token"])?;
    let of_refresh = form.said("token_type_hint").is_some_and(|hint| hint == "refresh_token");
    let sessions = &wiring::state(&request, "the route `/oauth/introspect`")?.sessions;
    let inactive = || Ok(json(json!({ "active": false })));
    // The same answer for every reason (RFC 7662, section 2.2).
    let (Ok(read), Some(claims)) = (sessions.read_any(&token), claims(&token)) else { return inactive() };
    let is_refresh = matches!(read, AnyToken::Refresh(_));
    if is_refresh && !of_refresh {
        return inactive();
    }
    let good = match sessions.good_token(&read).await {
        Ok(good) => good,
        Err(error) if Rejection::from(&error).is_outage() => return Err(error.into()),
        Err(_) => return inactive(),
    };
    let (subject, roles, scopes) = match &good {
        GoodToken::Session(session) => (&*session.subject, &session.roles[..], &session.scopes[..]),
        GoodToken::Sessionless { subject, user: Some(user) } => (&**subject, user.roles(), user.scopes()),
        GoodToken::Sessionless { subject, user: None } => (&**subject, &[][..], &[][..]),
    };
    let mut said = Map::from_iter([("active".to_owned(), true.into()), ("sub".to_owned(), subject.into())]);
    let names: &[&str] = if is_refresh {
        said.insert("token_type".into(), "refresh_token".into());
        &["iss", "exp", "iat", "jti", "sid"]
    } else {
        said.insert("token_type".into(), "Bearer".into());
        said.insert("scope".into(), scope_text(scopes).into());
        said.insert("roles".into(), roles.into());
        &["iss", "aud", "client_id", "exp", "iat", "jti", "sid", "auth_time"]
    };
    for name in names {
        if let Some(value) = claims.get(*name) {
            said.insert((*name).into(), value.clone());
        }
    }
    Ok(json(said.into()))
}

/// Reads the claims of a token that was verified.
fn claims(token: &str) -> Option<Map<String, Value>> {
    let claims = BASE64URL.decode(token.split('.').nth(1)?).ok()?;
    serde_json::from_slice(&claims).ok()
}

/// `POST /oauth/revoke`: revokes an access token alone, a refresh or sliding token with its session, and an
/// API key.
async fn revoke(services: Arc<Services>, request: Request) -> poem::Result<Response> {
    let (request, mut body) = request.split();
    services.check(request.headers())?;
    let [token] = Form::read(request.headers(), &mut body).await?.take(["token"])?;
    let sessions = &wiring::state(&request, "the route `/oauth/revoke`")?.sessions;
    let revoked = match sessions.read_api_key(&token) {
        Some(Ok(id)) => sessions.revoke_api_key(id, &token).await.map(drop),
        Some(Err(error)) => Err(error.into()),
        None => match sessions.name_any(&token) {
            Ok(access) if access.kind == TokenKind::Access => sessions.revoke_alone(&access).await,
            Ok(named) => sessions.revoke_named(&named, RevocationReason::Requested).await.map(drop),
            Err(error) => Err(error.into()),
        },
    };
    match revoked {
        Err(error) if Rejection::from(&error).is_outage() => Err(error.into()),
        // An unknown token, or one that is not good any more, counts as revoked (RFC 7009, section 2.2).
        Ok(())
        | Err(
            SessionError::Token(_)
            | SessionError::TokenRevoked
            | SessionError::Expired
            | SessionError::Replaced
            | SessionError::Revoked,
        ) => Ok(StatusCode::OK.into_response()),
        Err(error) => Err(error.into()),
    }
}
