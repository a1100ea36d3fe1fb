//! Refusals in the words that the application's clients know: another language, another scheme in challenges,
//! and the codes of djangorestframework-simplejwt ([`Compat`](crate::Compat)).
//!
//! A [`Rejection`] knows no settings: any handler may turn it into a response. So it is reworded when the
//! answer leaves, and becomes a page for a browser that opens one. The application's own answers stay as they
//! are.

use std::fmt;

use poem::http::{HeaderValue, header};
use poem::{Request, Response};
use serde_json::{Map, Value, json};

use super::api_key_answer;
use super::language::first_language;
use super::problem::{say, say_in};
use super::rejection::Rejection;
use crate::error::{SessionError, TokenError};

/// The start of each challenge, after its scheme.
const REALM: &str = r#" realm="api""#;

type Translate = Box<dyn Fn(Rejection, &str) -> Option<String> + Send + Sync>;

/// How answers differ from the usual.
#[derive(Default)]
pub(crate) struct Wording {
    /// The scheme in challenges; `None` for `Bearer`.
    pub(crate) scheme: Option<String>,
    /// Whether clients know the codes of djangorestframework-simplejwt, one for every refused token.
    pub(crate) simplejwt: bool,
    /// Says the member `detail` in another language.
    pub(crate) translate: Option<Translate>,
}

impl fmt::Debug for Wording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wording").field("scheme", &self.scheme).finish_non_exhaustive()
    }
}

impl Wording {
    /// Returns the languages that a client understands, if they matter.
    pub(crate) fn languages(&self, request: &Request) -> Option<String> {
        let _ = self.translate.as_ref()?;
        Some(request.header(header::ACCEPT_LANGUAGE).unwrap_or_default().into())
    }

    /// Puts refusals of this crate into these words. A client that wants a page gets none for an error that
    /// has not become a response here.
    pub(crate) fn apply(
        &self,
        result: poem::Result<Response>,
        languages: Option<&str>,
        wants_page: bool,
    ) -> poem::Result<Response> {
        if self.scheme.is_none() && self.translate.is_none() && !self.simplejwt && !wants_page {
            return result;
        }
        let mut response = match result {
            Ok(response) => response,
            Err(error) => self.reword(error, languages)?,
        };
        if let Some(scheme) = &self.scheme {
            name_scheme(&mut response, scheme);
        }
        Ok(response)
    }

    /// Answers an error of this crate. A middleware further out may wait for any other.
    fn reword(&self, error: poem::Error, languages: Option<&str>) -> poem::Result<Response> {
        let Some(why) = why(&error) else {
            if let Some((detail, code)) = explained(&error) {
                let mut response = error.into_response();
                say(&mut response, &detail, code, Map::new());
                return Ok(response);
            }
            return Err(error);
        };
        let translated = languages.and_then(|languages| self.translate.as_ref()?(why, languages));
        // It was made for the languages that the client names. The first one is the best guess.
        let lang = translated.as_ref().and(languages).and_then(first_language).unwrap_or("en");
        let detail = translated.clone().unwrap_or_else(|| why.to_string());
        let mut response = error.into_response();
        match messages(why).filter(|_| self.simplejwt) {
            None => say_in(lang, &mut response, &detail, why.code(), Map::new()),
            Some(messages) => {
                let others = Map::from_iter([("messages".to_owned(), messages)]);
                say_in(lang, &mut response, &detail, Rejection::TokenNotValid.code(), others);
            }
        }
        Ok(response)
    }
}

/// Returns sentence and code of an error that the client can correct, if it is one.
fn explained(error: &poem::Error) -> Option<(String, &'static str)> {
    let of_key = || error.downcast_ref().and_then(api_key_answer::explained);
    #[cfg(feature = "accounts")]
    let of_account = error.downcast_ref().and_then(super::account_answer::explained);
    #[cfg(not(feature = "accounts"))]
    let of_account = None;
    of_account.or_else(of_key)
}

/// Returns simplejwt's message for each kind of token; `None` if the refusal is not about a token.
fn messages(why: Rejection) -> Option<Value> {
    let message = match why {
        Rejection::TokenExpired => "Token is expired",
        Rejection::TokenNotValid => "Token is invalid",
        _ => return None,
    };
    Some(json!([{ "token_class": "AccessToken", "token_type": "access", "message": message }]))
}

/// Returns the refusal of this crate in an error, if any.
pub(crate) fn why(error: &poem::Error) -> Option<Rejection> {
    let session = || error.downcast_ref::<SessionError>().map(Rejection::from);
    let token =
        || error.downcast_ref::<TokenError>().map(|error| Rejection::from(&SessionError::Token(*error)));
    let key = || error.downcast_ref().and_then(api_key_answer::refusal);
    let why = error.downcast_ref::<Rejection>().copied().or_else(session).or_else(token).or_else(key);
    #[cfg(feature = "accounts")]
    let why = why.or_else(|| super::account_answer::refusal(error.downcast_ref()?));
    why
}

fn name_scheme(response: &mut Response, scheme: &str) {
    let Some(challenge) = response.headers_mut().get_mut(header::WWW_AUTHENTICATE) else { return };
    let ours = challenge.to_str().ok().and_then(|challenge| challenge.strip_prefix("Bearer"));
    let ours = ours.filter(|rest| rest.starts_with(REALM));
    if let Some(reworded) = ours.and_then(|rest| HeaderValue::try_from(format!("{scheme}{rest}")).ok()) {
        *challenge = reworded;
    }
}
