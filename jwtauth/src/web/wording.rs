//! Our refusals in the words that the application's clients know: another scheme in challenges.
//!
//! A [`Rejection`](super::reject::Rejection) speaks for itself, wherever a handler turns it into a response, and knows
//! no settings. So it is reworded when the answer leaves. What the application says itself is left alone.

use poem::http::{HeaderValue, header};
use poem::{IntoResponse, Response};

/// With what each challenge of ours begins, after its scheme.
const REALM: &str = r#" realm="api""#;

/// How answers differ from the usual.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wording {
    /// The scheme that stands in challenges; `None` for `Bearer`.
    pub(super) scheme: Option<String>,
}

impl Wording {
    /// Puts refusals of ours into these words.
    pub(super) fn apply<T: IntoResponse>(&self, result: poem::Result<T>) -> poem::Result<Response> {
        let Some(scheme) = &self.scheme else { return result.map(IntoResponse::into_response) };
        let mut response = result.map_or_else(poem::Error::into_response, IntoResponse::into_response);
        if let Some(challenge) = response.headers_mut().get_mut(header::WWW_AUTHENTICATE) {
            let ours = challenge.to_str().ok().and_then(|challenge| challenge.strip_prefix("Bearer"));
            let ours = ours.filter(|rest| rest.starts_with(REALM));
            let reworded = ours.and_then(|rest| HeaderValue::try_from(format!("{scheme}{rest}")).ok());
            if let Some(reworded) = reworded {
                *challenge = reworded;
            }
        }
        Ok(response)
    }
}
