//! The ways to say who is calling, for a document: the cookie, the header, and API keys if there are any.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use poem_openapi::registry::{MetaSecurityScheme, Registry};

use crate::web::guard::policy::Policy;
use crate::web::headers::token_header::TokenHeader;

const COOKIE: &str = "cookie";
const BEARER: &str = "bearer";
const API_KEY: &str = "api_key";

/// Where access tokens are, for documents that are written later.
static PLACES: Mutex<Places> = Mutex::new(Places {
    cookie: "__Host-access_token",
    header: "authorization",
    scheme: "bearer",
    has_api_keys: false,
});

/// Where access tokens are, and API keys if there are any.
#[derive(Clone, Copy)]
pub(super) struct Places {
    cookie: &'static str,
    header: &'static str,
    scheme: &'static str,
    has_api_keys: bool,
}

impl Places {
    pub(super) fn now() -> Self {
        *PLACES.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the ways to say who is calling an operation.
    pub(super) fn schemes(self, policy: &Policy) -> Vec<&'static str> {
        let takes_api_keys = self.has_api_keys && !policy.no_api_keys;
        [COOKIE, BEARER].into_iter().chain(takes_api_keys.then_some(API_KEY)).collect()
    }

    /// Describes these ways.
    pub(super) fn register(self, policy: &Policy, registry: &mut Registry) {
        let Self { cookie, header, scheme, has_api_keys: _ } = self;
        let by_cookie = MetaSecurityScheme {
            ty: "apiKey",
            description: Some("The access token, in the cookie that a login sets."),
            name: Some(cookie),
            key_in: Some("cookie"),
            scheme: None,
            bearer_format: None,
            flows: None,
            openid_connect_url: None,
        };
        registry.create_security_scheme(COOKIE, by_cookie);
        registry.create_security_scheme(BEARER, by_header(header, scheme, ACCESS_TOKEN));
        if self.schemes(policy).contains(&API_KEY) {
            registry.create_security_scheme(API_KEY, by_header(header, scheme, API_KEYS));
        }
    }
}

/// Sets where access tokens are. Documents are made by functions without a value, so this cannot be part of
/// one: the last call counts.
pub(crate) fn name_places(cookie: &str, header: &TokenHeader, has_api_keys: bool) {
    let places = Places {
        has_api_keys,
        cookie: interned(cookie.into()),
        header: interned(header.name().as_str().into()),
        scheme: header.other_scheme().map_or("bearer", |scheme| interned(scheme.into())),
    };
    *PLACES.lock().unwrap_or_else(PoisonError::into_inner) = places;
}

/// Describes the header of access tokens or of API keys.
fn by_header(header: &'static str, scheme: &'static str, holds: HeaderValueKind) -> MetaSecurityScheme {
    let HeaderValueKind { description, bearer_format } = holds;
    let common = MetaSecurityScheme {
        ty: "http",
        description: Some(description),
        name: None,
        key_in: None,
        scheme: Some(scheme),
        bearer_format,
        flows: None,
        openid_connect_url: None,
    };
    if header == "authorization" {
        return common;
    }
    let description = format!("`{scheme}`, a space and the value. {description}");
    MetaSecurityScheme {
        ty: "apiKey",
        description: Some(interned(description)),
        name: Some(header),
        key_in: Some("header"),
        scheme: None,
        bearer_format: None,
        ..common
    }
}

/// What a header holds, for a document.
#[derive(Clone, Copy)]
struct HeaderValueKind {
    description: &'static str,
    bearer_format: Option<&'static str>,
}

const ACCESS_TOKEN: HeaderValueKind = HeaderValueKind {
    description: "The access token, for clients that keep no cookies.",
    bearer_format: Some("JWT"),
};
const API_KEYS: HeaderValueKind =
    HeaderValueKind { description: "An API key, for programs of a user.", bearer_format: None };

/// Keeps each text once, for ever: documents take `&'static str`.
pub(super) fn interned(text: String) -> &'static str {
    static TEXTS: Mutex<BTreeSet<&str>> = Mutex::new(BTreeSet::new());
    let mut texts = TEXTS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = texts.get(text.as_str()) {
        return known;
    }
    let kept: &'static str = text.leak();
    texts.insert(kept);
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_of_tokens_is_described_as_it_is() {
        let usual = by_header("authorization", "bearer", ACCESS_TOKEN);
        assert_eq!((usual.ty, usual.scheme, usual.name), ("http", Some("bearer"), None));
        let other = by_header("x-access-token", "bearer", ACCESS_TOKEN);
        assert_eq!((other.ty, other.key_in, other.name), ("apiKey", Some("header"), Some("x-access-token")));
        assert!(other.description.is_some_and(|says| says.starts_with("`bearer`, a space")), "{other:?}");
        assert_eq!((other.scheme, other.bearer_format), (None, None));
        let key = by_header("authorization", "bearer", API_KEYS);
        assert_eq!((key.scheme, key.bearer_format), (Some("bearer"), None));
    }

    /// K-3: a document names API keys where there are any, and where the guard takes them.
    #[test]
    fn k_3_a_document_names_api_keys_where_they_are_taken() {
        let off = Places { cookie: "c", header: "authorization", scheme: "bearer", has_api_keys: false };
        let on = Places { has_api_keys: true, ..off };
        let guarded = Policy::new(crate::web::guard::policy::Site { handler: "x", file: "", line: 0 }, &[]);
        assert_eq!(off.schemes(&guarded), [COOKIE, BEARER]);
        assert_eq!(on.schemes(&guarded), [COOKIE, BEARER, API_KEY]);
        assert_eq!(on.schemes(&guarded.no_api_keys()), [COOKIE, BEARER]);
    }
}
