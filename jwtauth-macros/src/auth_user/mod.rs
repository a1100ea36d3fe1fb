//! `#[derive(AuthUser)]`: a user type whose values jwtauth keeps with the session.
//!
//! The fields say who the user is, and what the user may do. The session keeps a copy of the whole value, so
//! nothing has to be loaded. The type also gets `FromRequest`, so that a handler can take `user: User`.
//!
//! `sources` is the table of the marks on fields, `fields` finds the field of each method, `access_names`
//! knows which names look like one, and `impls` writes the impls.
//!
//! # Invariants
//!
//! 1. The subject is one field, with the name `id` or the mark `#[auth(id)]`. It is never guessed.
//! 2. If the type of a field does not fit, the error points at that type.
//! 3. A field that looks as if it decided about access is read, or is an error, or has a mark. It is never
//!    left out without a word.

mod access_names;
mod fields;
mod impls;
mod sources;

use proc_macro2::TokenStream;
use quote::quote;
use syn::DeriveInput;
use syn::spanned::Spanned;

/// Expands the derive. With errors, it still writes the impls, so that handlers of the type compile.
pub(crate) fn expand(input: TokenStream) -> TokenStream {
    let input: DeriveInput = match syn::parse2(input) {
        Ok(input) => input,
        Err(error) => return error.to_compile_error(),
    };
    let (settings, mut errors) = fields::settings(&input.attrs);
    let (sources, more) = fields::sources(&input);
    errors.extend(more);
    if !input.generics.params.is_empty() {
        errors.add(
            input.generics.span(),
            "`AuthUser` cannot be derived for a type with parameters: \
             name the types, or implement the trait by hand",
        );
        // No impl here: each bound that it lacks would be one more error.
        return quote!(#errors);
    }
    let output = impls::impls(&input.ident, &settings, &sources);
    quote!(#errors #output)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(input: &str) -> Vec<String> {
        let expanded = syn::parse2::<syn::File>(expand(input.parse().expect("tokens")));
        let items = expanded.expect("items").items;
        let texts = items.into_iter().filter_map(|item| match item {
            syn::Item::Macro(error) => error.mac.parse_body::<syn::LitStr>().ok(),
            _ => None,
        });
        texts.map(|text| text.value()).collect()
    }

    #[test]
    fn every_mistake_has_its_sentence() {
        let help = "\nhelp: `#[auth]` on a field takes `id`, `roles`, `scopes`, `active` and `skip`";
        let mark = "no field is named `id`: mark the field that names the user with `#[auth(id)]`";
        let kind = "make it a struct, or implement the trait by hand";
        let generic = "`AuthUser` cannot be derived for a type with parameters: \
                       name the types, or implement the trait by hand";
        let name = "`kind` takes a name in quotes, without colons and without white space around it: \
                    write `kind = \"customer\"`";
        let cases = [
            ("struct U { name: String }", mark.to_owned()),
            ("struct U(u64);", mark.to_owned()),
            ("struct U;", mark.to_owned()),
            ("enum U { A }", format!("`AuthUser` cannot be derived for an enum: {kind}")),
            ("union U { id: u64 }", format!("`AuthUser` cannot be derived for a union: {kind}")),
            ("struct U<T> { id: T }", generic.to_owned()),
            ("struct U<'a> { id: &'a str }", generic.to_owned()),
            (
                "struct U { #[auth(id)] a: u64, #[auth(id)] b: u64 }",
                "`#[auth(id)]` marks two fields: keep one of the two".to_owned(),
            ),
            (
                "struct U { #[auth(user_id)] a: u64 }",
                format!("unknown argument `user_id`, did you mean `id`?{help}"),
            ),
            (
                "struct U { id: u64, #[auth(rolse)] a: Vec<String> }",
                format!("unknown argument `rolse`, did you mean `roles`?{help}"),
            ),
            ("struct U { #[auth] id: u64 }", format!("`#[auth]` needs an argument{help}")),
            ("struct U { #[auth = 1] id: u64 }", format!("`#[auth]` needs an argument{help}")),
            (
                "struct U { #[auth(id = 1)] id: u64 }",
                "`id` takes no value: write `#[auth(id)]` alone, or leave it out".to_owned(),
            ),
            (
                "struct U { id: u64, #[auth(skip = false)] a: u64 }",
                "`skip` takes no value: leave it out".to_owned(),
            ),
            (
                "struct U { #[auth(crate = ::a)] id: u64 }",
                "`crate` belongs on the type: move it there".to_owned(),
            ),
            (
                "struct U { #[auth(kind = \"a\")] id: u64 }",
                "`kind` belongs on the type: move it there".to_owned(),
            ),
            (
                "#[auth(crate = a, crate = b)] struct U { id: u64 }",
                "`crate` is set twice: keep one of the two".to_owned(),
            ),
            (
                "#[auth(kind = \"a\")] #[auth(kind = \"a\")] struct U { id: u64 }",
                "`kind` is set twice: keep one of the two".to_owned(),
            ),
            (
                "#[auth(kind)] struct U { id: u64 }",
                "`kind` needs a value: write `#[auth(kind = \"customer\")]`".to_owned(),
            ),
            ("#[auth(kind = customer)] struct U { id: u64 }", name.to_owned()),
            ("#[auth(kind = \" \")] struct U { id: u64 }", name.to_owned()),
            ("#[auth(kind = \"jwtauth::Account\")] struct U { id: u64 }", name.to_owned()),
            (
                "struct U { #[auth(id, skip)] id: u64 }",
                "a field is read or skipped: keep one of the marks".to_owned(),
            ),
            ("#[auth(id)] struct U { id: u64 }", "`id` marks a field: put `#[auth(id)]` on one".to_owned()),
            (
                "#[auth(banana)] struct U { id: u64 }",
                "unknown argument `banana`\nhelp: `#[auth]` on a type takes `kind` and `crate`".to_owned(),
            ),
        ];
        for (input, want) in cases {
            assert_eq!(errors(input), [want], "{input}");
        }
    }

    #[test]
    fn an_error_leaves_the_impls() {
        let expanded = expand(quote!(
            enum U {
                A,
            }
        ));
        let file: syn::File = syn::parse2(expanded).expect("items");
        let impls = file.items.iter().filter(|item| matches!(item, syn::Item::Impl(_)));
        assert_eq!(impls.count(), 3);
    }

    #[test]
    fn another_name_of_the_library_is_used_everywhere() {
        let expanded = expand(quote! {
            #[auth(crate = ::renamed)]
            struct U { id: u64, roles: Vec<String> }
        });
        let text = expanded.to_string();
        assert!(text.contains("renamed :: AuthUser"), "{text}");
        assert!(!text.contains("jwtauth"), "{text}");
    }
}
