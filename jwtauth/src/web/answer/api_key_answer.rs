//! The answer to each [`ApiKeyError`]: a [`Rejection`], or the text of the error under a code of its own.

use poem::Response;
use poem::error::ResponseError;
use poem::http::StatusCode;
use serde_json::Map;

use super::problem::problem;
use super::rejection::Rejection;
use crate::error::ApiKeyError;
use crate::notice::misconfigured;

/// Returns status and code of an error that the client can correct, or the rejection that answers it.
fn answer(error: &ApiKeyError) -> Result<(StatusCode, &'static str), Rejection> {
    Ok(match error {
        ApiKeyError::FormSent => (StatusCode::CONFLICT, "form_sent"),
        ApiKeyError::Name { .. } => (StatusCode::BAD_REQUEST, "invalid_name"),
        // RFC 6749, section 5.2, says it of scopes.
        ApiKeyError::Right { kind: "scope", .. } => (StatusCode::BAD_REQUEST, "invalid_scope"),
        ApiKeyError::Right { .. } => (StatusCode::BAD_REQUEST, "invalid_role"),
        ApiKeyError::Ttl { .. } => (StatusCode::BAD_REQUEST, "invalid_ttl"),
        ApiKeyError::TooMany { .. } => (StatusCode::CONFLICT, "too_many_api_keys"),
        ApiKeyError::Off => return Err(Rejection::Misconfigured),
        ApiKeyError::Session(error) => return Err(error.into()),
    })
}

/// Returns the rejection that answers an error, if any.
pub(super) fn refusal(error: &ApiKeyError) -> Option<Rejection> {
    answer(error).err()
}

/// Returns sentence and code of an error that the client can correct.
pub(super) fn explained(error: &ApiKeyError) -> Option<(String, &'static str)> {
    answer(error).ok().map(|(_, code)| (error.to_string(), code))
}

impl ResponseError for ApiKeyError {
    fn status(&self) -> StatusCode {
        answer(self).map_or_else(|rejection| rejection.status(), |(status, _)| status)
    }

    fn as_response(&self) -> Response {
        match answer(self) {
            Ok((status, code)) => problem(status, &self.to_string(), code, Map::new()),
            Err(rejection) => {
                if let Self::Off = self {
                    misconfigured(
                        "API keys",
                        format_args!(
                            "there are no API keys here: call `.api_keys(ApiKeyConfig::default())` on the builder"
                        ),
                    );
                }
                if rejection == Rejection::StoreUnavailable {
                    tracing::error!(target: "jwtauth", error = self as &dyn std::error::Error, "an API key could not be made");
                }
                rejection.as_response()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::SessionError;
    use crate::web::answer::problem::as_page;
    use crate::web::answer::wording::Wording;

    /// N-24: in a browser a refused key is a page.
    #[tokio::test]
    async fn n_24_a_refused_api_key_is_a_page() {
        for (error, status, code) in [
            (ApiKeyError::TooMany { max: 7 }, 409, "too_many_api_keys"),
            (ApiKeyError::FormSent, 409, "form_sent"),
            (ApiKeyError::Session(SessionError::Revoked), 401, "token_not_valid"),
        ] {
            let mut page = as_page(Wording::default().apply(Err(error.into()), None, true)).unwrap();
            assert_eq!(
                (page.status().as_u16(), page.content_type()),
                (status, Some("text/html; charset=utf-8"))
            );
            let text = page.take_body().into_string().await.unwrap();
            assert!(text.contains(&format!("<code>{code}</code>")), "{text}");
        }
    }
}
