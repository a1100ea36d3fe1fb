//! The bodies of requests: JSON objects and forms, of bounded size.
//!
//! # Invariants
//!
//! 1. No byte is replaced: what is no UTF-8 is refused, so two passwords never become one (N-20).
//! 2. Of two values of one field none counts.

use poem::RequestBody;
use poem::error::ReadBodyError;
use poem::http::{HeaderMap, header};
use serde::de::{self, Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::form_error::FormError;
use super::multipart;
use crate::byte_order_mark::without_mark;
use crate::web::headers::parameters::{self, Parameters};

/// The largest body that is read, in bytes: two tokens and some fields of the application's own.
const MAX_BODY: usize = 64 * 1024;

const MAX_FIELDS: usize = 64;

/// The field in which browsers name the charset of a form (HTML, section 4.10.21.5).
const CHARSET_FIELD: &str = "_charset_";

/// The fields of a body.
#[derive(Default)]
pub(in crate::web) struct Form(Map<String, Value>);

const REQUIRED: &str = "This field is required.";
const BLANK: &str = "This field may not be blank.";
const NO_FLAG: &str = "Must be a valid boolean.";
const NO_LIST: &str = "Expected a list of texts.";
const NO_NUMBER: &str = "A valid integer is required.";
const NO_TEXT: &str = "Not a valid string.";

impl Form {
    /// Reads the body. An empty one has no fields.
    pub(in crate::web) async fn read(headers: &HeaderMap, body: &mut RequestBody) -> Result<Self, FormError> {
        let body = body.take().map_err(|_| FormError::Malformed)?;
        let bytes = body.into_bytes_limit(MAX_BODY).await.map_err(|error| match error {
            ReadBodyError::PayloadTooLarge => FormError::TooLarge,
            _ => FormError::Malformed,
        })?;
        if bytes.is_empty() {
            return Ok(Self::default());
        }
        let mut kinds = headers.get_all(header::CONTENT_TYPE).iter();
        // A proxy may have looked at the other one.
        let kind = kinds.next().filter(|_| kinds.next().is_none());
        let kind = kind.and_then(|kind| Parameters::parse(kind.to_str().ok()?));
        let kind = kind.ok_or(FormError::Unsupported)?;
        if !kind.is_utf8() {
            return Err(FormError::Charset);
        }
        match kind.value.as_str() {
            "application/json" => {
                let text = std::str::from_utf8(&bytes).map_err(|_| FormError::NotUtf8)?;
                // Writers of .NET put a mark in front of UTF-8 (RFC 8259, section 8.1).
                let BodyMembers(members) =
                    serde_json::from_str(without_mark(text)).map_err(|_| FormError::Malformed)?;
                Self::of_members(members)
            }
            "application/x-www-form-urlencoded" => {
                let pairs = bytes.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty());
                let decoded = pairs.map(|pair| {
                    let end = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
                    Ok((decoded(&pair[..end])?, decoded(pair.get(end + 1..).unwrap_or_default())?))
                });
                Self::of_fields(decoded.collect::<Result<_, _>>()?)
            }
            "multipart/form-data" => {
                let boundary = kind.get("boundary").ok_or(FormError::Malformed)?;
                Self::of_fields(multipart::fields(&bytes, boundary)?)
            }
            _ => Err(FormError::Unsupported),
        }
    }

    /// Takes the members of a JSON object.
    fn of_members(members: Vec<(String, Value)>) -> Result<Self, FormError> {
        let mut form = Self::default();
        for (name, value) in members {
            if form.0.insert(name, value).is_some() {
                return Err(FormError::Repeated);
            }
        }
        form.of_few()
    }

    /// Takes the fields of a form. One that stands twice becomes an array: it is refused where one is
    /// expected.
    fn of_fields(fields: Vec<(String, String)>) -> Result<Self, FormError> {
        let mut form = Self::default();
        for (name, value) in fields {
            if name == CHARSET_FIELD && !parameters::is_utf8(&value) {
                return Err(FormError::Charset);
            }
            let value = Value::from(value);
            match form.0.get_mut(&name) {
                // Which of two counts is not for us to guess (RFC 6749, section 3.2).
                Some(Value::Array(values)) => values.push(value),
                Some(first) => *first = Value::Array(vec![first.take(), value]),
                None => drop(form.0.insert(name, value)),
            }
        }
        form.of_few()
    }

    /// Refuses too many names. One of them may have many values, as the boxes of a page.
    fn of_few(self) -> Result<Self, FormError> {
        if self.0.len() > MAX_FIELDS { Err(FormError::TooMany) } else { Ok(self) }
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

    /// Takes out a text field that may be missing.
    pub(super) fn optional(&mut self, name: &'static str) -> Result<Option<String>, FormError> {
        self.take_optional(name).map_err(|problem| FormError::Fields(vec![(name, problem)]))
    }

    /// Returns an optional field, if it is text or a number.
    pub(super) fn said(&self, name: &str) -> Option<String> {
        match self.0.get(name)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }

    /// Takes out a text field: an empty text if it is missing, or no text.
    #[cfg(feature = "pages")]
    pub(in crate::web) fn text(&mut self, name: &'static str) -> String {
        self.take_optional(name).ok().flatten().unwrap_or_default()
    }

    /// Tells whether a field is there.
    #[cfg(feature = "pages")]
    pub(in crate::web) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
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

    /// Takes out a list of texts: an array, a field that stands several times, or one text. It is empty if it
    /// is missing.
    pub(in crate::web) fn list(&mut self, name: &'static str) -> Result<Vec<String>, FormError> {
        let values = match self.0.remove(name) {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(values)) => values,
            Some(value) => vec![value],
        };
        let texts = values.into_iter().map(|value| match value {
            Value::String(text) => Ok(text),
            _ => Err(FormError::Fields(vec![(name, NO_LIST)])),
        });
        texts.filter(|text| !text.as_ref().is_ok_and(String::is_empty)).collect()
    }

    /// Takes out a number that is not negative. `None` if it is missing or blank.
    pub(super) fn number(&mut self, name: &'static str) -> Result<Option<u64>, FormError> {
        let wrong = || FormError::Fields(vec![(name, NO_NUMBER)]);
        match self.0.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if text.is_empty() => Ok(None),
            Some(Value::String(text)) => text.parse().map(Some).map_err(|_| wrong()),
            Some(value) => value.as_u64().map(Some).ok_or_else(wrong),
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

/// Decodes a name or value of a form (URL, section 5.1), except that nothing is replaced.
fn decoded(text: &[u8]) -> Result<String, FormError> {
    let spaced: Vec<_> = text.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
    let bytes = percent_encoding::percent_decode(&spaced).collect();
    String::from_utf8(bytes).map_err(|_| FormError::NotUtf8)
}

/// The members of a JSON object as they stand there.
struct BodyMembers(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for BodyMembers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> de::Visitor<'de> for Collect {
            type Value = BodyMembers;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<BodyMembers, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(BodyMembers(members))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}
