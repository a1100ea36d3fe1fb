//! How much memory it takes to remember what a token says, so that a table of tokens has a bound in bytes.
//!
//! Counts rather too much than too little: what the allocator adds, and the empty places of maps and lists.

use serde_json::{Map, Value};

use super::simplejwt::Foreign;
use crate::user::TokenUser;

/// What an allocation takes beside its bytes.
const ALLOCATION: usize = 16;

/// What a map takes that has an entry, and what each entry adds: a node of a B-tree is half full at least.
const MAP: usize = 11 * (size_of::<String>() + size_of::<Value>()) + 4 * ALLOCATION;

/// Something that a token says.
pub(crate) trait Weighed {
    /// Returns how many bytes it takes beside its own size.
    fn heap_bytes(&self) -> usize;
}

impl Weighed for TokenUser {
    fn heap_bytes(&self) -> usize {
        let names = self.roles().iter().chain(self.scopes());
        let names: usize = names.map(|name| size_of::<String>() + text(name)).sum();
        // What all of it is in comes on top: its fixed fields, twice, for the claims and the identity.
        2 * size_of::<Self>() + 16 * ALLOCATION + text(self.subject()) + names + map(self.claims())
    }
}

/// Returns what a text takes.
pub(super) fn text(text: &str) -> usize {
    text.len() + 2 * ALLOCATION
}

/// Returns what a token takes that another service has issued on its own.
pub(super) fn foreign(foreign: Option<&Foreign>) -> usize {
    foreign.map_or(0, |foreign| size_of::<Foreign>() + text(&foreign.name))
}

fn map(map: &Map<String, Value>) -> usize {
    if map.is_empty() {
        return 0;
    }
    let entries = map.iter().map(|(name, value)| MAP / 4 + text(name) + json(value));
    MAP + entries.sum::<usize>()
}

fn json(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(value) => text(value),
        Value::Array(values) if values.is_empty() => 0,
        Value::Array(values) => {
            let places = values.capacity().max(4) * size_of::<Value>() + ALLOCATION;
            places + values.iter().map(json).sum::<usize>()
        }
        Value::Object(values) => map(values),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::id::{SessionId, TokenId};
    use crate::token::access::Access;
    use crate::token::refresh::Refresh;
    use crate::token::sliding::Sliding;
    use crate::token::token_claims;

    /// Each character of a name or a text takes a byte. What is empty takes nothing.
    #[test]
    fn each_text_weighs_its_length_and_its_allocation() {
        let weight = |text: &str| json(&serde_json::from_str(text).unwrap());
        assert_eq!((text(""), text("four")), (2 * ALLOCATION, 2 * ALLOCATION + 4));
        assert_eq!((weight("[]"), weight("{}"), weight("null")), (0, 0, 0));
        assert_eq!(weight(r#""four""#), text("four"));
        assert_eq!(weight("[0]"), 4 * size_of::<Value>() + ALLOCATION, "the least places that a list has");
        assert_eq!(weight(r#"["four"]"#), weight("[0]") + text("four"));
        assert_eq!(MAP, 11 * (24 + 32) + 4 * 16, "a node has eleven places");
        assert_eq!(weight(r#"{"":0}"#), MAP + MAP / 4 + text(""));
        assert_eq!(weight(r#"{"four":0}"#), weight(r#"{"":0}"#) + 4);
        assert_eq!(weight(r#"{"four":"five"}"#), weight(r#"{"":0}"#) + 4 + text("five"));
    }

    /// What a token of any kind says: its subject, the user of another service, and the token of that one.
    #[test]
    fn what_each_kind_of_token_says_is_weighed() {
        let foreign = || {
            let name = "access four".to_owned();
            let token = TokenId::from_bytes([1; 16]);
            Some(Arc::new(Foreign { name, token, issued_at: 0, expires_at: 1, auth_time: None }))
        };
        let of_foreign = size_of::<Foreign>() + text("access four");
        let (session, token) = (SessionId::from_bytes([2; 16]), TokenId::from_bytes([3; 16]));
        let sliding = |subject: &str| Sliding { subject: subject.into(), session, generation: 1, token };
        assert_eq!(sliding("alice").heap_bytes(), text("alice"));
        let refresh = |foreign| Refresh { subject: "alice".into(), session, generation: 1, foreign };
        assert_eq!(refresh(None).heap_bytes(), text("alice"));
        assert_eq!(refresh(foreign()).heap_bytes(), text("alice") + of_foreign);
        let access = |foreign, user| {
            let subject = "alice".into();
            Access { subject, session, token, issued_at: 0, foreign, user, origin: None }
        };
        assert_eq!(access(None, None).heap_bytes(), text("alice"));
        assert_eq!(access(foreign(), None).heap_bytes(), text("alice") + of_foreign);
        let user = token_claims::read(r#"{"exp":1}"#, "alice".into(), session).unwrap();
        let of_user = user.heap_bytes();
        assert_eq!(
            of_user,
            2 * size_of::<TokenUser>() + 16 * ALLOCATION + text("alice") + map(user.claims())
        );
        let more = r#"{"exp":1,"roles":["four"],"scope":"a b"}"#;
        let more = token_claims::read(more, "alice".into(), session).unwrap();
        let names = 3 * size_of::<String>() + text("four") + 2 * text("a");
        let claims = map(more.claims()) - map(user.claims());
        assert_eq!(more.heap_bytes(), of_user + names + claims, "and the names of what its user may do");
        assert_eq!(access(foreign(), Some(user)).heap_bytes(), text("alice") + of_foreign + of_user);
    }

    /// A token of 8 kB may say what takes much more memory than its text.
    #[test]
    fn what_is_nested_weighs_what_it_takes() {
        let weight = |text: &str| json(&serde_json::from_str(text).unwrap());
        assert_eq!(weight("17"), 0);
        let (flat, nested) = ("[0,0,0,0,0,0,0,0]", "[[0],[0],[0],[0]]");
        assert!(weight(flat) >= 8 * size_of::<Value>(), "{}", weight(flat));
        assert!(weight(nested) >= 5 * 4 * size_of::<Value>(), "{}", weight(nested));
        assert!(weight(r#"{"":0}"#) >= 11 * 56, "a node has eleven places");
        let many: String = (0..100).map(|number| format!(r#""{number}":0,"#)).collect();
        let many = weight(&format!("{{{}}}", many.trim_end_matches(',')));
        assert!(many > 100 * 2 * 56 && many < 100 * 10 * 56, "{many}");
    }
}
