//! Refusals in the words that the application's clients know: another language, another scheme in challenges,
//! and the codes of djangorestframework-simplejwt ([`Compat`](crate::Compat)).
//!
//! A [`Rejection`] knows no settings: any handler may turn it into a response. So it is reworded when the
//! answer leaves. The application's own answers stay as they are.

use std::fmt;

use poem::error::ResponseError;
use poem::http::{HeaderValue, header};
use poem::{Body, Request, Response};
use serde_json::{Map, Value, json};

use super::rejection::{self, Rejection};
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

    /// Puts refusals of this crate into these words.
    pub(crate) fn apply(
        &self,
        result: poem::Result<Response>,
        languages: Option<&str>,
    ) -> poem::Result<Response> {
        if self.scheme.is_none() && self.translate.is_none() && !self.simplejwt {
            return result;
        }
        let mut response = match result {
            Ok(response) => response,
            Err(error) => match why(&error) {
                Some(why) => self.reword(why, error.into_response(), languages),
                // A middleware further out may wait for this error.
                None => return Err(error),
            },
        };
        if let Some(scheme) = &self.scheme {
            name_scheme(&mut response, scheme);
        }
        Ok(response)
    }

    fn reword(&self, why: Rejection, mut response: Response, languages: Option<&str>) -> Response {
        let translated = languages.and_then(|languages| self.translate.as_ref()?(why, languages));
        let messages = if self.simplejwt { messages(why) } else { None };
        if translated.is_some() || messages.is_some() {
            response.set_body(reworded(why, translated, messages));
        }
        response
    }
}

/// Returns the body of a refusal in other words.
fn reworded(why: Rejection, detail: Option<String>, messages: Option<Value>) -> Body {
    let detail = detail.unwrap_or_else(|| why.to_string());
    match messages {
        None => rejection::body(why.status(), &detail, why.code(), Map::new()),
        Some(messages) => {
            let others = Map::from_iter([("messages".to_owned(), messages)]);
            rejection::body(why.status(), &detail, Rejection::TokenNotValid.code(), others)
        }
    }
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
fn why(error: &poem::Error) -> Option<Rejection> {
    let session = || error.downcast_ref::<SessionError>().map(Rejection::from);
    let token =
        || error.downcast_ref::<TokenError>().map(|error| Rejection::from(&SessionError::Token(*error)));
    let why = error.downcast_ref::<Rejection>().copied().or_else(session).or_else(token);
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
