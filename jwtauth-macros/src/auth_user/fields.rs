//! The type under `#[derive(AuthUser)]`: which of its fields each method reads.

use syn::parse::ParseStream;
use syn::spanned::Spanned;
use syn::{Attribute, Data, DeriveInput, Ident, Meta};

use super::sources::{Mark, ON_FIELD, ON_TYPE, Source, Sources};
use crate::errors::Errors;
use crate::library::Library;
use crate::words::{self, Words};

/// Names of fields that look as if they were read, and the names that are.
const SINGULAR: [(&str, &str); 2] = [("role", "roles"), ("scope", "scopes")];

/// Reads the attributes of the type.
pub(super) fn library(attrs: &[Attribute]) -> (Library, Errors) {
    let mut library = Library::default();
    let errors = for_each_word(attrs, &ON_TYPE, |word, input| {
        if ON_FIELD.find(word).is_ok() {
            let message = format!("`{word}` marks a field: put `#[auth({word})]` on one");
            return Err(syn::Error::new(word.span(), message));
        }
        library = ON_TYPE.find(word)?.value(input, word, Library::parse)?;
        Ok(())
    });
    (library, errors)
}

/// Finds the field of each method: the marked one, or else the one with the expected name.
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
        errors.extend(for_each_word(&field.attrs, &ON_FIELD, |word, input| {
            if word == "crate" {
                let message = "`crate` belongs on the type: move it there";
                return Err(syn::Error::new(word.span(), message));
            }
            let row = ON_FIELD.find(word)?;
            row.no_value(input, word)?;
            let (Mark::Source(place) | Mark::SourceIfMarked(place)) = row.meaning else { return Ok(()) };
            if place(&mut sources).replace(Source::new(index, field)).is_some() {
                let message = format!("`#[auth({word})]` marks two fields: keep one of the two");
                return Err(syn::Error::new(word.span(), message));
            }
            Ok(())
        }));
    }
    for (index, field) in fields.iter().enumerate() {
        let Some(name) = &field.ident else { continue };
        if let Some(row) = ON_FIELD.rows.iter().find(|row| name == row.name)
            && let Mark::Source(place) = row.meaning
        {
            place(&mut sources).get_or_insert_with(|| Source::new(index, field));
        }
    }
    for field in fields {
        let Some(name) = &field.ident else { continue };
        let Some((_, plural)) = SINGULAR.iter().find(|(singular, _)| name == singular) else { continue };
        let is_read = if *plural == "roles" { &sources.roles } else { &sources.scopes };
        if is_read.is_none() && !field.attrs.iter().any(|attr| attr.path().is_ident("auth")) {
            errors.add(
                name.span(),
                format!(
                    "`{name}` is not read, so `#[require_auth({name} = \"..\")]` would refuse everyone\n\
                     help: make it `{plural}: Vec<String>`, or mark a collection with `#[auth({plural})]`\n\
                     help: if it has nothing to do with access, mark it with `#[auth(skip)]`"
                ),
            );
        }
    }
    // If there is another error, a misspelt mark is the likely reason.
    if sources.id.is_none() && errors.is_empty() {
        errors.add(
            input.ident.span(),
            "no field is named `id`: mark the field that names the user with `#[auth(id)]`",
        );
    }
    (sources, errors)
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
    for attr in attrs.iter().filter(|attr| attr.path().is_ident("auth")) {
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
            ("struct U { id: u64, active: bool }", ["id", "", "", ""]),
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
        ] {
            let (_, errors) = sources(&syn::parse_str(input).expect("a type"));
            let messages = errors.messages();
            assert!(messages.len() == 1 && messages[0].contains(name), "{input}: {messages:?}");
        }
    }
}
