//! The type under `#[derive(AuthUser)]`: which of its fields each method reads.

use proc_macro2::TokenStream;
use syn::parse::ParseStream;
use syn::spanned::Spanned;
use syn::{
    Attribute, Data, DeriveInput, Expr, Field, Fields, Ident, LitStr, Meta, Path, Token, parenthesized, token,
};

use super::access_names::near_miss;
use super::sources::{Mark, ON_FIELD, ON_TYPE, Setting, Source, Sources};
use crate::errors::Errors;
use crate::library::Library;
use crate::words::{self, Words};

/// What `#[auth(..)]` on the type says.
#[derive(Default)]
pub(super) struct TypeSettings {
    pub(super) library: Library,
    /// The name of the type in sessions. The default is that of the struct.
    pub(super) kind: Option<String>,
}

/// Reads the attributes of the type.
pub(super) fn settings(attrs: &[Attribute]) -> (TypeSettings, Errors) {
    let (mut library, mut kind) = (None, None);
    let errors = for_each_word(attrs, &ON_TYPE, |word, input| {
        if ON_FIELD.find(word).is_ok() {
            let message = format!("`{word}` marks a field: put `#[auth({word})]` on one");
            return Err(syn::Error::new(word.span(), message));
        }
        let row = ON_TYPE.find(word)?;
        let is_repeated = match row.meaning {
            Setting::Crate => library.replace(row.value(input, word, Library::parse)?).is_some(),
            Setting::Kind => kind.replace(row.value(input, word, parse_kind)?).is_some(),
        };
        if is_repeated {
            return Err(syn::Error::new(word.span(), format!("`{word}` is set twice: keep one of the two")));
        }
        Ok(())
    });
    (TypeSettings { library: library.unwrap_or_default(), kind }, errors)
}

/// Parses the value of `kind = ..`.
fn parse_kind(input: ParseStream<'_>) -> syn::Result<String> {
    let start = input.span();
    let kind = input.parse::<LitStr>().map(|literal| literal.value()).unwrap_or_default();
    if kind.trim() != kind || kind.is_empty() || kind.contains(|c: char| c == ':' || c.is_control()) {
        let message = "`kind` takes a name in quotes, without colons and without white space around it: \
                       write `kind = \"customer\"`";
        return Err(syn::Error::new(start, message));
    }
    Ok(kind)
}

/// Finds the field of each method: the marked one, or else the one with the expected name and no mark.
pub(super) fn sources(input: &DeriveInput) -> (Sources, Errors) {
    let mut errors = Errors::default();
    let fields = match &input.data {
        Data::Struct(data) => &data.fields,
        Data::Enum(data) => {
            errors.add(data.enum_token.span, only_structs("an enum"));
            return (Sources::default(), errors);
        }
        Data::Union(data) => {
            errors.add(data.union_token.span, only_structs("a union"));
            return (Sources::default(), errors);
        }
    };

    let mut sources = Sources::default();
    for (index, field) in fields.iter().enumerate() {
        let (mut is_read, mut is_skipped) = (false, false);
        errors.extend(for_each_word(&field.attrs, &ON_FIELD, |word, input| {
            if ON_TYPE.find(word).is_ok() {
                let message = format!("`{word}` belongs on the type: move it there");
                return Err(syn::Error::new(word.span(), message));
            }
            let row = ON_FIELD.find(word)?;
            row.no_value(input, word)?;
            match row.meaning {
                Mark::Source(place) => {
                    is_read = true;
                    if place(&mut sources).replace(Source::new(index, field)).is_some() {
                        let message = format!("`#[auth({word})]` marks two fields: keep one of the two");
                        return Err(syn::Error::new(word.span(), message));
                    }
                }
                Mark::Skip => is_skipped = true,
            }
            if is_read && is_skipped {
                return Err(syn::Error::new(
                    word.span(),
                    "a field is read or skipped: keep one of the marks",
                ));
            }
            Ok(())
        }));
        if is_flattened(field) {
            sources.flattened.push(Source::new(index, field).name());
        }
    }
    let unmarked = || fields.iter().enumerate().filter(|(_, field)| !field.attrs.iter().any(is_mark));
    for (index, field) in unmarked() {
        let source = Source::new(index, field);
        if let Some(row) = ON_FIELD.rows.iter().find(|row| source.name() == row.name)
            && let Mark::Source(place) = row.meaning
        {
            place(&mut sources).get_or_insert(source);
        }
    }
    for (index, field) in unmarked() {
        let name = Source::new(index, field).name();
        if let Some(message) = near_miss(&name, &sources) {
            errors.add(field.ident.span(), message);
        }
    }
    check_default(input, fields, &sources, &mut errors);
    // If there is another error, a misspelt mark is the likely reason.
    if sources.id.is_none() && errors.is_empty() {
        errors.add(
            input.ident.span(),
            "no field is named `id`: mark the field that names the user with `#[auth(id)]`",
        );
    }
    (sources, errors)
}

/// Refuses a default that is `false` for the field that says who may be logged in.
fn check_default(input: &DeriveInput, fields: &Fields, sources: &Sources, errors: &mut Errors) {
    let Some(active) = &sources.active else { return };
    let Some(field) = fields.iter().enumerate().find_map(|(index, field)| {
        let source = Source::new(index, field);
        (source.member == active.member).then_some(field)
    }) else {
        return;
    };
    let words = serde_words(&field.attrs);
    let own: Vec<_> = words.iter().filter(|word| word.path.is_ident("default")).collect();
    let of_type = serde_words(&input.attrs);
    let mut bare = own.iter().copied().chain(of_type.iter().filter(|_| own.is_empty()));
    if let Some(bare) = bare.find(|word| word.path.is_ident("default") && !word.has_value) {
        let name = active.name();
        errors.add(
            bare.path.span(),
            format!(
                "`{name}` would be `false` in sessions that do not have it, so their users would be refused\n\
                 help: put `#[serde(default = \"yes\")]` on `{name}`, and write `fn yes() -> bool {{ true }}`"
            ),
        );
    }
}

/// Tells whether an attribute is `#[auth(..)]`.
fn is_mark(attr: &Attribute) -> bool {
    attr.path().is_ident("auth")
}

/// Tells whether serde writes the members of a field among those of the struct.
fn is_flattened(field: &Field) -> bool {
    serde_words(&field.attrs).iter().any(|word| word.path.is_ident("flatten"))
}

/// A word in `#[serde(..)]`.
struct SerdeWord {
    path: Path,
    has_value: bool,
}

/// Returns the words in the `#[serde(..)]` among the attributes.
fn serde_words(attrs: &[Attribute]) -> Vec<SerdeWord> {
    let mut found = Vec::new();
    for attr in attrs.iter().filter(|attr| attr.path().is_ident("serde")) {
        // Serde itself reports what it does not understand.
        let _ = attr.parse_nested_meta(|meta| {
            let has_value = meta.input.peek(Token![=]);
            if has_value {
                meta.value()?.parse::<Expr>()?;
            } else if meta.input.peek(token::Paren) {
                let inside;
                parenthesized!(inside in meta.input);
                inside.parse::<TokenStream>()?;
            }
            found.push(SerdeWord { path: meta.path, has_value });
            Ok(())
        });
    }
    found
}

fn only_structs(kind: &str) -> String {
    format!("`AuthUser` cannot be derived for {kind}: make it a struct, or implement the trait by hand")
}

/// Calls `read` with each word in the `#[auth(..)]` among the attributes, and collects the errors.
fn for_each_word<M>(
    attrs: &[Attribute],
    words: &Words<M>,
    mut read: impl FnMut(&Ident, ParseStream<'_>) -> syn::Result<()>,
) -> Errors {
    let mut errors = Errors::default();
    for attr in attrs.iter().filter(|attr| is_mark(attr)) {
        match &attr.meta {
            Meta::List(list) => {
                errors.extend(words::for_each_argument(list.tokens.clone(), |input| {
                    let word = words::word(input)?;
                    read(&word, input)
                }));
            }
            Meta::NameValue(_) | Meta::Path(_) => {
                errors.add(attr.path().span(), format!("`#[auth]` needs an argument\n{}", words.help()));
            }
        }
    }
    errors
}

#[cfg(test)]
mod tests {
    use syn::Member;

    use super::*;

    /// Returns `[subject, roles, scopes, is_active]`: what each method reads of `self`.
    fn reads(input: &str) -> [Option<String>; 4] {
        let input = syn::parse_str(input).expect("a type");
        let (sources, errors) = sources(&input);
        assert_eq!(errors.messages(), Vec::<String>::new());
        [sources.id, sources.roles, sources.scopes, sources.active].map(|source| {
            source.map(|source| match source.member {
                Member::Named(name) => name.to_string(),
                Member::Unnamed(index) => index.index.to_string(),
            })
        })
    }

    #[test]
    fn fields_are_found_by_name_and_by_mark() {
        let cases = [
            ("struct U { id: u64, name: String }", ["id", "", "", ""]),
            ("struct U { id: u64, roles: R, scopes: S }", ["id", "roles", "scopes", ""]),
            ("struct U { id: u64, #[auth(id)] email: String }", ["email", "", "", ""]),
            ("struct U { id: u64, #[auth(roles)] groups: G, roles: R }", ["id", "groups", "", ""]),
            ("struct U(String, #[auth(id)] u64, #[auth(roles, scopes)] R);", ["1", "2", "2", ""]),
            ("struct U { id: u64, active: bool }", ["id", "", "", "active"]),
            ("struct U { id: u64, r#active: bool }", ["id", "", "", "r#active"]),
            ("struct U { id: u64, #[auth(skip)] active: u8, #[auth(skip)] roles: u8 }", ["id", "", "", ""]),
            ("struct U { id: u64, #[auth(scopes)] roles: S }", ["id", "", "roles", ""]),
            ("struct U { id: u64, active: bool, #[auth(skip)] blocked: bool }", ["id", "", "", "active"]),
            (
                "struct U { id: u64, locked_doors: u8, blocked_users: U, last_active_at: T }",
                ["id", "", "", ""],
            ),
            (
                "struct U { id: u64, #[auth(roles)] groups: G, permissions: S, scopes: S }",
                ["id", "groups", "scopes", ""],
            ),
            ("struct U { id: u64, #[serde(default = \"yes\")] active: bool }", ["id", "", "", "active"]),
            ("#[serde(default = \"u\")] struct U { id: u64, active: bool }", ["id", "", "", "active"]),
            (
                "#[serde(default)] struct U { id: u64, #[serde(default = \"yes\")] active: bool }",
                ["id", "", "", "active"],
            ),
            ("#[serde(default)] struct U { id: u64, #[serde(default)] roles: R }", ["id", "roles", "", ""]),
            ("struct U { id: u64, #[auth(active)] is_active: bool }", ["id", "", "", "is_active"]),
            ("struct U { id: u64, active: u8, #[auth(active)] on: bool }", ["id", "", "", "on"]),
            ("struct U { id: u64, #[auth(skip)] role: String }", ["id", "", "", ""]),
            ("struct U { id: u64, role: String, roles: R }", ["id", "roles", "", ""]),
            ("struct U { #[auth(id)] role: String }", ["role", "", "", ""]),
        ];
        for (input, want) in cases {
            let want = want.map(|name| (!name.is_empty()).then(|| name.to_owned()));
            assert_eq!(reads(input), want, "{input}");
        }
    }

    #[test]
    fn a_field_that_looks_as_if_it_were_read_is_refused() {
        for (input, name) in [
            ("struct U { id: u64, role: String }", "`role` is not read"),
            ("struct U { id: u64, roles: R, scope: Option<String> }", "`scope` is not read"),
            ("struct U { id: u64, is_active: bool }", "mark it with `#[auth(active)]`"),
            (
                "struct U { id: u64, enabled: Option<bool> }",
                "`enabled` is not read, so everyone could log in",
            ),
            ("struct U { id: u64, is_enabled: bool }", "`is_enabled` is not read"),
            (
                "struct U { id: u64, is_blocked: bool }",
                "`is_blocked` is not read, so such users could log in",
            ),
            ("struct U { id: u64, disabled: bool }", "keep the opposite, `active: bool`"),
            ("struct U { id: u64, #[serde(default)] r#banned: bool }", "`banned` is not read"),
            ("struct U { id: u64, locked: bool }", "`locked` is not read, so such users could log in"),
            ("struct U { id: u64, is_deleted: bool }", "`is_deleted` is not read"),
            ("struct U { id: u64, archived: bool }", "`archived` is not read"),
            ("struct U { id: u64, is_locked_out: bool }", "`is_locked_out` is not read"),
            ("struct U { id: u64, disabled_at: Option<T> }", "`disabled_at` is not read"),
            ("struct U { id: u64, deleted_at: Option<T> }", "keep the opposite, `active: bool`"),
            ("struct U { id: u64, banned_until: Option<T> }", "`banned_until` is not read"),
            ("struct U { id: u64, account_blocked_by: Option<T> }", "`account_blocked_by` is not read"),
            ("struct U { id: u64, locked_until: Option<T> }", "`locked_until` is not read"),
            ("struct U { id: u64, active: bool, banned: bool }", "let `active` say it too"),
            (
                "struct U { id: u64, #[auth(active)] ok: bool, active_until: T }",
                "only `ok` says who can log in",
            ),
            (
                "struct U { id: u64, permissions: S }",
                "`#[require_auth(scope = \"..\")]` would refuse everyone",
            ),
            ("struct U { id: u64, groups: R }", "`#[require_auth(role = \"..\")]` would refuse everyone"),
        ] {
            let (_, errors) = sources(&syn::parse_str(input).expect("a type"));
            let messages = errors.messages();
            assert!(messages.len() == 1 && messages[0].contains(name), "{input}: {messages:?}");
        }
    }

    #[test]
    fn n_10_a_default_that_refuses_every_user_is_refused() {
        for input in [
            "struct U { id: u64, #[serde(default)] active: bool }",
            "struct U { id: u64, #[serde(rename = \"on\", default)] #[auth(active)] is_active: bool }",
            "#[serde(default)] struct U { id: u64, active: bool }",
            "#[serde(deny_unknown_fields, default)] struct U { id: u64, #[serde(rename = \"on\")] active: bool }",
        ] {
            let (_, errors) = sources(&syn::parse_str(input).expect("a type"));
            let messages = errors.messages();
            let says = |part| messages[0].contains(part);
            assert!(messages.len() == 1 && says("would be `false`"), "{input}: {messages:?}");
            assert!(says("active` would be") && says("#[serde(default = \"yes\")]"), "{input}: {messages:?}");
        }
    }

    #[test]
    fn flattened_fields_are_known_by_name() {
        let input = syn::parse_str(
            "struct U { id: u64, #[serde(default = \"f\", flatten)] a: A, #[serde(rename(serialize = \"f\"))] b: B, \
             #[serde(rename(serialize = \"f\"), flatten)] c: C, #[serde = \"flatten\"] d: D }",
        );
        assert_eq!(sources(&input.expect("a type")).0.flattened, ["a", "c"]);
    }
}
