//! The type under `#[derive(AuthUser)]`: which of its fields is what.

use proc_macro2::Ident;
use syn::parse::ParseStream;
use syn::spanned::Spanned;
use syn::{Attribute, Data, DeriveInput, Field, Fields, Index, Member, Meta, Type};

use crate::errors::Errors;
use crate::library::Library;
use crate::suggest::did_you_mean;
use crate::words;

const ON_FIELDS: [&str; 5] = ["id", "roles", "scopes", "active", "skip"];

/// Other names of the same things, as user types and other libraries have them.
const ALIASES: [(&str, &str); 13] = [
    ("enabled", "active"),
    ("group", "roles"),
    ("groups", "roles"),
    ("is_active", "active"),
    ("key", "id"),
    ("permission", "scopes"),
    ("permissions", "scopes"),
    ("pk", "id"),
    ("role", "roles"),
    ("sub", "id"),
    ("subject", "id"),
    ("user_id", "id"),
    ("uuid", "id"),
];

const HELP: &str = "help: a field can be `#[auth(id)]`, `#[auth(roles)]`, `#[auth(scopes)]`, `#[auth(active)]` or `#[auth(skip)]`";

/// Names that look as if they were read, and what is.
const SINGULAR: [(&str, &str); 2] = [("role", "roles"), ("scope", "scopes")];

/// A field that one of the trait's methods reads.
pub(super) struct Source {
    pub(super) member: Member,
    pub(super) ty: Type,
}

/// What the methods read. What no field is for is left to the trait's default.
#[derive(Default)]
pub(super) struct Sources {
    pub(super) id: Option<Source>,
    pub(super) roles: Option<Source>,
    pub(super) scopes: Option<Source>,
    /// Only by its mark: a field of such a name may mean many things.
    pub(super) active: Option<Source>,
}

/// Reads the attributes of the type, which only `crate` goes on.
pub(super) fn library(attrs: &[Attribute]) -> (Library, Errors) {
    let mut library = Library::default();
    let errors = for_each_word(attrs, |word, input| {
        if word == "crate" {
            let example = "crate = ::path::to::jwtauth";
            library = words::value(input, word, example, Library::parse)?;
            return Ok(());
        }
        let name = word.to_string();
        let message = if ON_FIELDS.contains(&name.as_str()) {
            format!("`{name}` marks a field: put `#[auth({name})]` on one")
        } else {
            format!("unknown argument `{name}`\nhelp: a type knows `#[auth(crate = ::path)]`\n{HELP}")
        };
        Err(syn::Error::new(word.span(), message))
    });
    (library, errors)
}

/// Finds the field behind each method: the marked one, or else the one of the expected name.
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
        errors.extend(for_each_word(&field.attrs, |word, input| {
            if word == "skip" {
                return words::no_value(input, word);
            }
            let place = sources.place(word)?;
            words::no_value(input, word)?;
            if place.replace(Source::new(index, field)).is_some() {
                let message = format!("`#[auth({word})]` marks two fields: keep one of the two");
                return Err(syn::Error::new(word.span(), message));
            }
            Ok(())
        }));
    }
    if let Fields::Named(fields) = fields {
        for (index, field) in fields.named.iter().enumerate() {
            let name = field.ident.as_ref().filter(|name| *name != "active");
            if let Some(Ok(place)) = name.map(|name| sources.place(name)) {
                place.get_or_insert_with(|| Source::new(index, field));
            }
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
                    "`{name}` is not read, so `#[require_auth({name} = \"..\")]` would refuse everybody\n\
                     help: make it `{plural}: Vec<String>`, or mark a collection with `#[auth({plural})]`; write \
                     `#[auth(skip)]` if it has nothing to do with access"
                ),
            );
        }
    }
    // A misspelt mark explains the missing one.
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

impl Source {
    fn new(index: usize, field: &Field) -> Self {
        let member = match &field.ident {
            Some(name) => Member::Named(name.clone()),
            None => Member::Unnamed(Index::from(index)),
        };
        Self { member, ty: field.ty.clone() }
    }
}

impl Sources {
    fn place(&mut self, word: &Ident) -> syn::Result<&mut Option<Source>> {
        match word.to_string().as_str() {
            "id" => Ok(&mut self.id),
            "roles" => Ok(&mut self.roles),
            "scopes" => Ok(&mut self.scopes),
            "active" => Ok(&mut self.active),
            "crate" => {
                let message = "`crate` is said once, on the type: move it there";
                Err(syn::Error::new(word.span(), message))
            }
            other => {
                let meant = did_you_mean(other, &ON_FIELDS, &ALIASES);
                let message = format!("unknown argument `{other}`{meant}\n{HELP}");
                Err(syn::Error::new(word.span(), message))
            }
        }
    }
}

/// Calls `argument` with each word in the `#[auth(..)]` among the attributes.
fn for_each_word(
    attrs: &[Attribute],
    mut argument: impl FnMut(&Ident, ParseStream<'_>) -> syn::Result<()>,
) -> Errors {
    let mut errors = Errors::default();
    for attr in attrs.iter().filter(|attr| attr.path().is_ident("auth")) {
        match &attr.meta {
            Meta::List(list) => {
                let words = list.tokens.clone();
                errors.extend(words::for_each(words, |input| {
                    let word = words::word(input)?;
                    argument(&word, input)
                }));
            }
            Meta::NameValue(_) | Meta::Path(_) => {
                errors.add(attr.path().span(), format!("`#[auth]` needs an argument\n{HELP}"));
            }
        }
    }
    errors
}

#[cfg(test)]
mod tests {
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
