//! Why a body cannot be used, and the answer that says so.

use poem::http::StatusCode;

use crate::web::answer::problem::{problem, problem_error};

/// Why a body cannot be used. It says nothing of the body's content.
#[derive(Debug, thiserror::Error)]
pub(in crate::web) enum FormError {
    #[error("the text is in another charset: send UTF-8")]
    Charset,
    /// The missing or wrong fields, each with its problem.
    #[error("some fields are missing or wrong")]
    Fields(Vec<(&'static str, &'static str)>),
    #[error("a part of the form is no text field")]
    File,
    #[error("the body is no JSON object and no form")]
    Malformed,
    #[error("the body has bytes that are no UTF-8: send UTF-8")]
    NotUtf8,
    #[error("a member of the JSON object stands twice")]
    Repeated,
    #[error("the body is larger than 64 KiB")]
    TooLarge,
    #[error("the body has more than 64 fields")]
    TooMany,
    #[error("send `application/json`, `application/x-www-form-urlencoded` or `multipart/form-data`")]
    Unsupported,
}

impl FormError {
    const fn status(&self) -> StatusCode {
        match self {
            Self::Fields(_) | Self::File | Self::Malformed | Self::NotUtf8 | Self::Repeated => {
                StatusCode::BAD_REQUEST
            }
            Self::TooLarge | Self::TooMany => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Charset | Self::Unsupported => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        }
    }
}

/// A problem with a member for each field, as Django's clients know it.
impl From<FormError> for poem::Error {
    fn from(error: FormError) -> Self {
        let fields: &[_] = if let FormError::Fields(fields) = &error { fields } else { &[] };
        let members = fields.iter().map(|(name, problem)| ((*name).to_owned(), serde_json::json!([problem])));
        problem_error(problem(error.status(), &error.to_string(), "invalid_request", members.collect()))
    }
}
