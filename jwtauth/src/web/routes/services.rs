//! The routes for other services: whether a token is good (RFC 7662), and to revoke one (RFC 7009).
//!
//! A service authenticates with its own HTTP Basic credentials (RFC 6749, section 2.3.1). Without any service
//! these routes do not exist.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD as BASE64, URL_SAFE_NO_PAD as BASE64URL};
use poem::endpoint::make;
use poem::http::{HeaderMap, StatusCode, header};
use poem::{IntoResponse, Request, Response, post};
use serde_json::{Map, Value, json};

use super::form::Form;
use super::{Choices, ReadyRoute, json};
use crate::error::{ConfigError, SessionError};
use crate::record::RevocationReason;
use crate::secret::Secret;
use crate::session::{AnyToken, GoodToken};
use crate::web::answer::rejection::{Rejection, problem};
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
            return Err(ConfigError::Setting {
                name: "the name of a service",
                got: name,
                problem: problem.into(),
            });
        }
        if secret.len() < MIN_SECRET {
            let which = format!("the secret of the service {name:?}");
            return Err(ConfigError::WeakSecret { which, problem: "it has less than 32 bytes" });
        }
        self.0.push((name, Secret::new(secret.into_bytes())));
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Refuses a request without the name and secret of a service.
    fn check(&self, headers: &HeaderMap) -> poem::Result<()> {
        let known = basic(headers).is_some_and(|(name, secret)| {
            // All are compared, and the time does not show how far they agree.
            self.0.iter().fold(false, |known, (own_name, own_secret)| {
                known
                    | (alike(name.as_bytes(), own_name.as_bytes())
                        & alike(secret.as_bytes(), own_secret.expose()))
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
        let challenge = header::HeaderValue::from_static(r#"Basic realm="services""#);
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        Err(poem::Error::from_response(response))
    }
}

/// Reads `Authorization: Basic`, whose two parts are encoded as in a form.
fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let (scheme, encoded) = value.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(BASE64.decode(encoded.trim()).ok()?).ok()?;
    let (name, secret) = text.split_once(':')?;
    let plain = |text: &str| {
        let text = text.replace('+', " ");
        percent_encoding::percent_decode_str(&text).decode_utf8().ok().map(std::borrow::Cow::into_owned)
    };
    Some((plain(name)?, plain(secret)?))
}

/// Compares in a time that depends on the lengths only.
fn alike(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
}

pub(super) fn table() -> [ReadyRoute; 2] {
    let introspect = |choices: &Choices| {
        let services = Arc::clone(&choices.services);
        post(make(move |request| {
            let services = Arc::clone(&services);
            async move { introspect(&services, request).await }
        }))
    };
    let revoke = |choices: &Choices| {
        let services = Arc::clone(&choices.services);
        post(make(move |request| {
            let services = Arc::clone(&services);
            async move { revoke(&services, request).await }
        }))
    };
    [ReadyRoute::new("/oauth/introspect", introspect), ReadyRoute::new("/oauth/revoke", revoke)]
}

/// `POST /oauth/introspect`: what is true of a token now.
pub(super) async fn introspect(services: &Services, request: Request) -> poem::Result<Response> {
    let (request, mut body) = request.split();
    services.check(request.headers())?;
    let [token] = Form::read(request.headers(), &mut body).await?.take(["token"])?;
    let sessions = &wiring::state(&request, "the route `/oauth/introspect`")?.sessions;
    let inactive = || Ok(json(json!({ "active": false })));
    // The same answer for every reason (RFC 7662, section 2.2).
    let (Ok(read), Some(claims)) = (sessions.read_any(&token), claims(&token)) else { return inactive() };
    let good = match sessions.good_token(&read).await {
        Ok(good) => good,
        Err(error) if Rejection::from(&error).is_outage() => return Err(error.into()),
        Err(_) => return inactive(),
    };
    let (subject, roles, scopes) = match &good {
        GoodToken::Session(session, _) => (&*session.subject, &session.roles[..], &session.scopes[..]),
        GoodToken::Sessionless { subject, user: Some(user) } => (&**subject, user.roles(), user.scopes()),
        GoodToken::Sessionless { subject, user: None } => (&**subject, &[][..], &[][..]),
    };
    let mut said = Map::from_iter([
        ("active".to_owned(), true.into()),
        ("sub".to_owned(), subject.into()),
        ("scope".to_owned(), scopes.join(" ").into()),
        ("roles".to_owned(), roles.into()),
    ]);
    if claims.get("token_type").is_some_and(|kind| kind == "access" || kind == "sliding") {
        said.insert("token_type".into(), "Bearer".into());
    }
    for name in ["iss", "aud", "exp", "iat", "jti", "sid", "auth_time"] {
        if let Some(value) = claims.get(name) {
            said.insert(name.into(), value.clone());
        }
    }
    Ok(json(said.into()))
}

/// Reads the claims of a token that was verified.
fn claims(token: &str) -> Option<Map<String, Value>> {
    let claims = BASE64URL.decode(token.split('.').nth(1)?).ok()?;
    serde_json::from_slice(&claims).ok()
}

/// `POST /oauth/revoke`: revokes an access token alone, a refresh or sliding token with its session.
pub(super) async fn revoke(services: &Services, request: Request) -> poem::Result<Response> {
    let (request, mut body) = request.split();
    services.check(request.headers())?;
    let [token] = Form::read(request.headers(), &mut body).await?.take(["token"])?;
    let sessions = &wiring::state(&request, "the route `/oauth/revoke`")?.sessions;
    let revoked = match sessions.read_any(&token) {
        Ok(AnyToken::Refresh(refresh)) => {
            sessions.revoke_refresh(&refresh, RevocationReason::Requested).await.map(drop)
        }
        Ok(AnyToken::Sliding(sliding)) => sessions.revoke(sliding.said().session).await.map(drop),
        Ok(access) => sessions.revoke_any(&access, false).await,
        Err(error) => Err(error.into()),
    };
    match revoked {
        Err(error) if Rejection::from(&error).is_outage() => Err(error.into()),
        // An unknown token, or one that is not good any more, counts as revoked (RFC 7009, section 2.2).
        Ok(()) | Err(SessionError::Token(_) | SessionError::Expired | SessionError::Revoked) => {
            Ok(StatusCode::OK.into_response())
        }
        Err(error) => Err(error.into()),
    }
}
