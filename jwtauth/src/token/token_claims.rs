//! What a token says by itself, where no session is looked up: roles, scopes and the claims of the
//! application.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::parse::Object;
use crate::error::TokenError;
use crate::id::SessionId;
use crate::right_name::scopes_in;
use crate::user::{TokenUser, VerifiedClaims};

/// Reads what a token says, of which is known already whom it is about and of which session it is.
pub(super) fn read(json: &str, subject: Arc<str>, session: SessionId) -> Result<TokenUser, TokenError> {
    let claims: Map<String, Value> = serde_json::from_str(json).map_err(|_| TokenError::Malformed)?;
    let object = Object::parse(json)?;
    let text = |value: &Value| value.as_str().map(str::to_owned).ok_or(TokenError::Claim("roles"));
    let roles = match claims.get("roles") {
        None => Vec::new(),
        Some(Value::Array(roles)) => roles.iter().map(text).collect::<Result<_, _>>()?,
        Some(_) => return Err(TokenError::Claim("roles")),
    };
    let scope = object.text("scope").map_err(|_| TokenError::Claim("scope"))?.unwrap_or_default();
    // Only another library leaves it out: then nothing is fresh enough.
    let auth_time = object.time("auth_time", f64::floor).map_err(|_| TokenError::Claim("auth_time"))?;
    Ok(TokenUser::new(VerifiedClaims {
        subject,
        session,
        roles,
        scopes: scopes_in(scope).map(str::to_owned).collect(),
        auth_time: auth_time.unwrap_or(0),
        expires_at: super::required(object.time("exp", f64::floor), "exp")?,
        claims,
    }))
}
