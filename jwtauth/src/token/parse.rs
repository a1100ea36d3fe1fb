//! Strict reading of JSON: one object, UTF-8, nothing after it, nesting of at most 16, no member twice (J-11,
//! J-12).
//!
//! A member must have exactly its type. A wrong type, such as `null`, is refused and never counts as absent
//! (J-13). Unknown members are parsed and ignored (RFC 7519, section 4).

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::clock::LAST_SECOND;
use crate::error::TokenError;

const MAX_DEPTH: usize = 16;

/// The members of one JSON object, as they stood in the token.
pub(super) struct Object<'t>(Vec<(Text<'t>, ParsedValue<'t>)>);

enum ParsedValue<'t> {
    Text(Text<'t>),
    Texts(Vec<Text<'t>>),
    Integer(u64),
    Fraction(f64),
    Other,
}

/// A JSON string, borrowed from the token where it holds no escape.
struct Text<'t>(Cow<'t, str>);

impl<'t> Object<'t> {
    pub(super) fn parse(json: &'t str) -> Result<Self, TokenError> {
        if !is_shallow(json) {
            return Err(TokenError::Malformed);
        }
        serde_json::from_str(json).map_err(|_| TokenError::Malformed)
    }

    fn get(&self, name: &str) -> Option<&ParsedValue<'t>> {
        self.0.iter().find(|(known, _)| known.0 == name).map(|(_, value)| value)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Returns a string, or `None` if the member is absent.
    pub(super) fn text(&self, name: &str) -> Result<Option<&str>, WrongType> {
        match self.get(name) {
            None => Ok(None),
            Some(ParsedValue::Text(text)) => Ok(Some(&text.0)),
            Some(_) => Err(WrongType),
        }
    }

    /// Tells whether a string, or an array of strings, names `wanted` (`aud`, RFC 7519, section 4.1.3).
    pub(super) fn names(&self, name: &str, wanted: &str) -> Result<bool, WrongType> {
        match self.get(name) {
            None => Ok(false),
            Some(ParsedValue::Text(text)) => Ok(text.0 == wanted),
            Some(ParsedValue::Texts(texts)) => Ok(texts.iter().any(|text| text.0 == wanted)),
            Some(_) => Err(WrongType),
        }
    }

    pub(super) fn integer(&self, name: &str) -> Result<Option<u64>, WrongType> {
        match self.get(name) {
            None => Ok(None),
            Some(ParsedValue::Integer(number)) => Ok(Some(*number)),
            Some(_) => Err(WrongType),
        }
    }

    /// Returns a NumericDate: seconds since the epoch, possibly with a fraction (RFC 7519, section 2).
    /// `round` brings it to whole seconds.
    pub(super) fn time(&self, name: &str, round: fn(f64) -> f64) -> Result<Option<u64>, WrongType> {
        match self.get(name) {
            None => Ok(None),
            Some(ParsedValue::Integer(seconds)) => Ok(Some(*seconds)),
            Some(ParsedValue::Fraction(seconds)) if (0.0..=LAST_SECOND as f64).contains(seconds) => {
                Ok(Some(round(*seconds) as u64))
            }
            Some(_) => Err(WrongType),
        }
    }
}

pub(super) struct WrongType;

/// Tells whether brackets outside strings nest at most [`MAX_DEPTH`] deep.
fn is_shallow(json: &str) -> bool {
    // Nearly all have fewer brackets than may be nested, and counting them is quicker.
    if json.bytes().filter(|byte| matches!(byte, b'{' | b'[')).count() <= MAX_DEPTH {
        return true;
    }
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_DEPTH {
            return false;
        }
    }
    true
}

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("one JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<'de>, A::Error> {
                let mut members: Vec<(Text<'de>, ParsedValue<'de>)> = Vec::with_capacity(12);
                while let Some((name, value)) = map.next_entry::<Text<'de>, ParsedValue<'de>>()? {
                    if members.iter().any(|(known, _)| known.0 == name.0) {
                        return Err(de::Error::custom("a member stands twice"));
                    }
                    members.push((name, value));
                }
                Ok(Object(members))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match ParsedValue::deserialize(deserializer)? {
            ParsedValue::Text(text) => Ok(text),
            _ => Err(de::Error::custom("not a string")),
        }
    }
}

impl<'de> Deserialize<'de> for ParsedValue<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = ParsedValue<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON value")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<ParsedValue<'de>, E> {
                Ok(ParsedValue::Text(Text(Cow::Borrowed(text))))
            }

            fn visit_str<E>(self, text: &str) -> Result<ParsedValue<'de>, E> {
                Ok(ParsedValue::Text(Text(Cow::Owned(text.to_owned()))))
            }

            fn visit_u64<E>(self, number: u64) -> Result<ParsedValue<'de>, E> {
                Ok(ParsedValue::Integer(number))
            }

            fn visit_i64<E>(self, _: i64) -> Result<ParsedValue<'de>, E> {
                Ok(ParsedValue::Other)
            }

            fn visit_f64<E>(self, number: f64) -> Result<ParsedValue<'de>, E> {
                Ok(ParsedValue::Fraction(number))
            }

            fn visit_bool<E>(self, _: bool) -> Result<ParsedValue<'de>, E> {
                Ok(ParsedValue::Other)
            }

            fn visit_unit<E>(self) -> Result<ParsedValue<'de>, E> {
                Ok(ParsedValue::Other)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<ParsedValue<'de>, A::Error> {
                let mut texts = Some(Vec::new());
                while let Some(item) = seq.next_element()? {
                    match (item, &mut texts) {
                        (ParsedValue::Text(text), Some(texts)) => texts.push(text),
                        _ => texts = None,
                    }
                }
                Ok(texts.map_or(ParsedValue::Other, ParsedValue::Texts))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ParsedValue<'de>, A::Error> {
                let mut names: Vec<Text<'de>> = Vec::new();
                while let Some((name, _)) = map.next_entry::<Text<'de>, ParsedValue<'de>>()? {
                    if names.iter().any(|known| known.0 == name.0) {
                        return Err(de::Error::custom("a member stands twice"));
                    }
                    names.push(name);
                }
                Ok(ParsedValue::Other)
            }
        }
        deserializer.deserialize_any(Any)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// J-12, also when one of the two is written with an escape.
    #[test]
    fn j_12_a_member_that_stands_twice_is_refused() {
        for json in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"\u0061":1}"#,
            r#"{"x":[],"y":1,"x":null}"#,
            r#"{"x":{"a":1,"a":2}}"#,
            r#"{"x":[{"y":{"a":1,"a":1}}]}"#,
        ] {
            assert!(Object::parse(json).is_err(), "{json}");
        }
    }

    /// J-11, with the deepest good and the shallowest bad nesting.
    #[test]
    fn j_11_one_object_of_bounded_depth() {
        let nested = |depth: usize| format!(r#"{{"a":{}{}}}"#, "[".repeat(depth - 1), "]".repeat(depth - 1));
        assert!(Object::parse(&nested(16)).is_ok());
        assert!(Object::parse(&nested(17)).is_err());
        assert!(Object::parse(r#"{"a":"[[[[[[[[[[[[[[[[[[\"[[["}"#).is_ok());
        // Beside one another, before and behind strings that look like brackets.
        let beside =
            |deep: &str| format!(r#"{{"a":[{}[]],"b":"]\\","c":"\"]]","d":{deep}}}"#, "[],".repeat(20));
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth - 1), "]".repeat(depth - 1));
        assert!(Object::parse(&beside(&nested(16))).is_ok());
        assert!(Object::parse(&beside(&nested(17))).is_err());
        for json in
            ["", "[]", "1", "null", "{}{}", "{} x", "\u{feff}{}", r#"{"a":NaN}"#, r#"{"a":1,}"#, "{'a':1}"]
        {
            assert!(Object::parse(json).is_err(), "{json}");
        }
    }

    /// J-18: any of several audiences, and no other.
    #[test]
    fn j_18_each_text_of_a_list_is_a_name() {
        let object = Object::parse(r#"{"aud":["x","y"]}"#).unwrap_or_else(|e| panic!("{e}"));
        let names = |wanted| object.names("aud", wanted).ok();
        assert_eq!((names("x"), names("y"), names("z")), (Some(true), Some(true), Some(false)));
    }

    #[test]
    fn a_wrong_type_is_never_absent() {
        let object = Object::parse(r#"{"n":null,"s":"1","a":["x",1],"f":1.5,"i":-1}"#)
            .unwrap_or_else(|e| panic!("{e}"));
        assert!(
            object.text("n").is_err()
                && object.integer("n").is_err()
                && object.time("n", f64::floor).is_err()
        );
        assert!(object.integer("s").is_err() && object.integer("f").is_err() && object.integer("i").is_err());
        assert!(object.names("a", "x").is_err());
        assert!(
            matches!(object.time("f", f64::floor), Ok(Some(1)))
                && matches!(object.time("f", f64::ceil), Ok(Some(2)))
        );
        assert!(matches!(object.text("absent"), Ok(None)));
    }
}
