//! The bodies of requests: JSON objects and forms, of bounded size.

use poem::error::{ReadBodyError, ResponseError};
use poem::http::{HeaderMap, StatusCode, header};
use poem::{RequestBody, Response};
use serde_json::{Map, Value};

use crate::web::answer::rejection::problem;

/// The largest body that is read, in bytes: two tokens and some fields of the application's own.
const MAX_BODY: usize = 64 * 1024;

/// The fields of a body.
pub(super) struct Form(Map<String, Value>);

/// Why a body cannot be used. It says nothing of the body's content.
#[derive(Debug, thiserror::Error)]
pub(super) enum FormError {
    /// The missing or wrong fields, each with its problem.
    #[error("some fields are missing or wrong")]
    Fields(Vec<(&'static str, &'static str)>),
    #[error("the body is no JSON object and no form")]
    Malformed,
    #[error("the body is larger than 64 KiB")]
    TooLarge,
    #[error("send `application/json` or `application/x-www-form-urlencoded`")]
    Unsupported,
}

const REQUIRED: &str = "This field is required.";
const BLANK: &str = "This field may not be blank.";
const NO_FLAG: &str = "Must be a valid boolean.";
const NO_TEXT: &str = "Not a valid string.";

impl Form {
    /// Reads the body. An empty one has no fields.
    pub(super) async fn read(headers: &HeaderMap, body: &mut RequestBody) -> Result<Self, FormError> {
        let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let body = body.take().map_err(|_| FormError::Malformed)?;
        let bytes = body.into_bytes_limit(MAX_BODY).await.map_err(|error| match error {
            ReadBodyError::PayloadTooLarge => FormError::TooLarge,
            _ => FormError::Malformed,
        })?;
        if bytes.is_empty() {
            return Ok(Self(Map::new()));
        }
        match kind.as_str() {
            "application/json" => serde_json::from_slice(&bytes).map(Self).map_err(|_| FormError::Malformed),
            "application/x-www-form-urlencoded" => {
                let mut fields = Map::new();
                for (name, value) in form_urlencoded::parse(&bytes) {
                    let value = Value::from(value);
                    match fields.get_mut(&*name) {
                        // Which of two counts is not for us to guess (RFC 6749, section 3.2).
                        Some(Value::Array(values)) => values.push(value),
                        Some(first) => *first = Value::Array(vec![first.take(), value]),
                        None => drop(fields.insert(name.into_owned(), value)),
                    }
                }
                Ok(Self(fields))
            }
            _ => Err(FormError::Unsupported),
        }
    }

    /// Takes out text fields. All must be there and not empty.
    pub(super) fn take<const N: usize>(
        &mut self,
        names: [&'static str; N],
    ) -> Result<[String; N], FormError> {
        let mut wrong = Vec::new();
        let values = names.map(|name| {
            let value = self.take_optional(name).and_then(|value| value.ok_or(REQUIRED));
            value.unwrap_or_else(|problem| {
                wrong.push((name, problem));
                String::new()
            })
        });
        if wrong.is_empty() { Ok(values) } else { Err(FormError::Fields(wrong)) }
    }

    /// Returns an optional field, if it is text or a number.
    pub(super) fn said(&self, name: &str) -> Option<String> {
        match self.0.get(name)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }

    /// Takes out a flag. It is off if it is missing.
    pub(super) fn flag(&mut self, name: &'static str) -> Result<bool, FormError> {
        match self.0.remove(name) {
            None | Some(Value::Null) => Ok(false),
            Some(Value::Bool(flag)) => Ok(flag),
            Some(Value::String(text)) if text == "true" || text == "false" => Ok(text == "true"),
            Some(_) => Err(FormError::Fields(vec![(name, NO_FLAG)])),
        }
    }

    fn take_optional(&mut self, name: &'static str) -> Result<Option<String>, &'static str> {
        match self.0.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if text.is_empty() => Err(BLANK),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(NO_TEXT),
        }
    }

    /// Returns what is left.
    pub(super) fn rest(self) -> Map<String, Value> {
        self.0
    }
}

impl ResponseError for FormError {
    fn status(&self) -> StatusCode {
        match self {
            Self::Fields(_) | Self::Malformed => StatusCode::BAD_REQUEST,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Unsupported => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        }
    }

    /// A problem with a member for each field, as Django's clients know it.
    fn as_response(&self) -> Response {
        let fields: &[_] = if let Self::Fields(fields) = self { fields } else { &[] };
        let members = fields.iter().map(|(name, problem)| ((*name).to_owned(), serde_json::json!([problem])));
        problem(self.status(), &self.to_string(), "invalid_request", members.collect())
    }
}
