//! Access tokens of somebody else's issuer, read as its [`IssuerProfile`] says.
//!
//! # Invariants
//!
//! 1. Form, signature and times are checked as in every other token. A profile says only which claims mean
//!    what, and which further ones are asked for.
//! 2. `iss` is equal to the configured one, and the audience is always checked (J-17, J-18).
//! 3. A token that says that it is of another kind is refused, whatever its `typ` (J-10).

use std::ops::Range;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::parse::Object;
use super::{Expected, required};
use crate::error::TokenError;
use crate::id::SessionId;
use crate::issuer_profile::{ClaimPath, IssuerProfile, RequiredClaim};
use crate::key;
use crate::right_name::scopes_in;
use crate::user::{TokenUser, VerifiedClaims};

/// What issuers write into tokens of other kinds, and where.
const OTHER_KINDS: [(&str, &[&str]); 3] = [
    ("token_type", &["refresh", "refresh_token", "sliding"]),
    ("token_use", &["refresh"]),
    ("typ", &["Logout", "Offline", "Refresh"]),
];

/// The same for ID tokens.
const ID_TOKENS: [(&str, &[&str]); 3] =
    [("token_type", &["id", "id_token"]), ("token_use", &["id"]), ("typ", &["ID"])];

/// Claims that only ID tokens have (OpenID Connect Core 1.0, section 3.3.2.11; JARM, section 4.2).
const HASHES: [&str; 3] = ["at_hash", "c_hash", "s_hash"];

/// Checks the type in a header.
pub(super) fn check_type(header: &Object<'_>, profile: &IssuerProfile) -> Result<(), TokenError> {
    let found = header.text("typ").map_err(|_| TokenError::Header("typ"))?;
    match found {
        _ if profile.accepts_typ(found.map(super::short_type)) => Ok(()),
        None => Err(TokenError::Header("typ")),
        Some(_) => Err(TokenError::WrongKind),
    }
}

/// Reads a token whose signature is good, and checks each of its claims.
pub(super) fn read(
    json: &str,
    profile: &IssuerProfile,
    expected: &Expected<'_>,
) -> Result<(TokenUser, Range<u64>), TokenError> {
    let object = Object::parse(json)?;
    let claims: Map<String, Value> = serde_json::from_str(json).map_err(|_| TokenError::Malformed)?;
    if object.text("iss").ok().flatten() != Some(expected.issuer) {
        return Err(TokenError::WrongIssuer);
    }
    let good = super::unless_expired(super::check_times(&object, expected, false))?;
    let expires_at = required(object.time("exp", f64::floor), "exp")?;
    if good.is_none() && expected.now < expires_at {
        // It lives too long. To say that it is expired would hide that.
        return Err(TokenError::Claim("exp"));
    }
    check_kind(&claims, profile)?;
    check_audience(&claims, &object, profile, expected)?;
    if let Some(unmet) = profile.required.iter().find(|required| !is_met(&claims, required)) {
        tracing::debug!(target: "jwtauth", claim = unmet.path.0.join("."), "a required claim is missing or has another value");
        return Err(TokenError::RequiredClaim);
    }
    let auth_time = object.time("auth_time", f64::floor).map_err(|_| TokenError::Claim("auth_time"))?;
    if auth_time.is_some_and(|at| at > expected.now.saturating_add(expected.leeway)) {
        return Err(TokenError::Claim("auth_time"));
    }
    let subject = match find(&claims, &profile.subject) {
        Ok(Some(Value::String(subject))) if !subject.is_empty() => Arc::from(&**subject),
        _ => return Err(TokenError::Claim("sub")),
    };
    let user = TokenUser::new(VerifiedClaims {
        subject,
        session: session(json),
        roles: names(&claims, &profile.roles, "roles", |role| vec![role.to_owned()])?,
        scopes: names(&claims, &profile.scopes, "scope", |scope| {
            scopes_in(scope).map(str::to_owned).collect()
        })?,
        // Without it, nothing is fresh enough.
        auth_time: auth_time.unwrap_or(0),
        expires_at,
        claims,
    });
    Ok((user, good.ok_or(TokenError::Expired)?))
}

/// Returns a text, or the texts of a list: some issuers write a list where there is one.
fn texts(value: &Value) -> impl Iterator<Item = &str> {
    let list = value.as_array().map(Vec::as_slice).unwrap_or_default();
    value.as_str().into_iter().chain(list.iter().filter_map(Value::as_str))
}

/// Refuses what says of itself that it is no access token.
fn check_kind(claims: &Map<String, Value>, profile: &IssuerProfile) -> Result<(), TokenError> {
    let says = |kinds: &[(&str, &[&str])]| {
        kinds.iter().any(|(name, kinds)| {
            let mut said = claims.get(*name).into_iter().flat_map(texts);
            said.any(|said| kinds.iter().any(|kind| kind.eq_ignore_ascii_case(said)))
        })
    };
    // A security event or a logout token (RFC 8417, section 2.2).
    let is_other = says(&OTHER_KINDS) || claims.contains_key("events");
    let is_id_token = says(&ID_TOKENS)
        || HASHES.iter().any(|name| claims.contains_key(*name))
        // Some issuers write it into access tokens too, so it counts only where no claim says the kind.
        || claims.contains_key("nonce") && !profile.knows_kind();
    if is_other || is_id_token && !profile.id_tokens { Err(TokenError::WrongKind) } else { Ok(()) }
}

/// Checks the audience, in the claim that the issuer has for it, and in `aud` (RFC 7519, section 4.1.3).
fn check_audience(
    claims: &Map<String, Value>,
    object: &Object<'_>,
    profile: &IssuerProfile,
    expected: &Expected<'_>,
) -> Result<(), TokenError> {
    let named = names(claims, &profile.audience, "aud", |audience| vec![audience.to_owned()])?;
    if !named.iter().any(|audience| audience == expected.audience) {
        return Err(TokenError::WrongAudience);
    }
    if object.has("aud") { super::check_audience(object, expected) } else { Ok(()) }
}

fn is_met(claims: &Map<String, Value>, required: &RequiredClaim) -> bool {
    let is_one = |said: &str| required.values.iter().any(|value| value == said);
    match find(claims, &required.path) {
        Ok(Some(Value::String(said))) if required.values.is_empty() => !said.is_empty(),
        Ok(Some(Value::String(said))) => is_one(said),
        Ok(Some(Value::Bool(said))) => is_one(&said.to_string()),
        Ok(Some(Value::Array(said))) => said.iter().filter_map(Value::as_str).any(is_one),
        _ => false,
    }
}

/// Finds a claim. What should be an object and is none is an error, and never counts as absent (J-13).
fn find<'c>(claims: &'c Map<String, Value>, path: &ClaimPath) -> Result<Option<&'c Value>, ()> {
    let (last, objects) = path.0.split_last().ok_or(())?;
    let mut inner = claims;
    for name in objects {
        match inner.get(name) {
            None => return Ok(None),
            Some(Value::Object(members)) => inner = members,
            Some(_) => return Err(()),
        }
    }
    Ok(inner.get(last))
}

/// Returns the names in a list of texts, or in one text as `read` takes it.
fn names(
    claims: &Map<String, Value>,
    path: &ClaimPath,
    claim: &'static str,
    read: impl FnOnce(&str) -> Vec<String>,
) -> Result<Vec<String>, TokenError> {
    match find(claims, path) {
        Ok(None) => Ok(Vec::new()),
        Ok(Some(Value::String(text))) if text.is_empty() => Ok(Vec::new()),
        Ok(Some(Value::String(text))) => Ok(read(text)),
        Ok(Some(Value::Array(items))) => {
            let text = |item: &Value| item.as_str().map(str::to_owned).ok_or(TokenError::Claim(claim));
            items.iter().map(text).collect()
        }
        _ => Err(TokenError::Claim(claim)),
    }
}

/// Returns an id that only this token has.
fn session(json: &str) -> SessionId {
    let hash = key::digest("jwtauth token of another issuer v1", json);
    SessionId::from_bytes(std::array::from_fn(|at| hash[at]))
}
