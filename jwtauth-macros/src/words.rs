//! Reads the arguments of an attribute: words parted by commas, each perhaps with a value.
//!
//! A mistake costs the argument it is in and no other, so that the user sees all of them.

use proc_macro2::{TokenStream, TokenTree};
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::{Ident, Token};

use crate::errors::Errors;

/// Calls `argument` at the start of each argument and collects the errors it returns.
pub(crate) fn for_each(
    tokens: TokenStream,
    mut argument: impl FnMut(ParseStream<'_>) -> syn::Result<()>,
) -> Errors {
    let mut errors = Errors::default();
    let read = |input: ParseStream<'_>| {
        while !input.is_empty() {
            if let Err(error) = argument(input) {
                errors.push(error);
                skip_argument(input);
            } else if !at_end(input) {
                errors.push(input.error("expected `,` between two arguments"));
                skip_argument(input);
            }
            input.parse::<Option<Token![,]>>()?;
        }
        Ok(())
    };
    if let Err(error) = read.parse2(tokens) {
        errors.push(error);
    }
    errors
}

/// Parses the word that an argument begins with; `crate` is one too.
pub(crate) fn word(input: ParseStream<'_>) -> syn::Result<Ident> {
    Ident::parse_any(input)
}

/// Whether nothing is left of the argument that `input` stands in.
pub(crate) fn at_end(input: ParseStream<'_>) -> bool {
    input.is_empty() || input.peek(Token![,])
}

/// Parses the `=` and the value behind `word`; `example` shows how to write them.
pub(crate) fn value<T>(
    input: ParseStream<'_>,
    word: &Ident,
    example: &str,
    parse: impl FnOnce(ParseStream<'_>) -> syn::Result<T>,
) -> syn::Result<T> {
    let wrong = |what: &str| {
        let message = format!("`{word}` {what}: write `{example}`");
        Err(syn::Error::new(word.span(), message))
    };
    if at_end(input) {
        return wrong("needs a value");
    }
    if !input.peek(Token![=]) || input.peek(Token![==]) {
        return wrong("takes its value behind an `=`");
    }
    input.parse::<Token![=]>()?;
    if at_end(input) {
        return wrong("needs a value");
    }
    parse(input)
}

/// Refuses whatever stands behind `word`, which is a whole argument by itself.
pub(crate) fn no_value(input: ParseStream<'_>, word: &Ident) -> syn::Result<()> {
    if at_end(input) {
        return Ok(());
    }
    let message = format!("`{word}` takes no value: write `{word}`");
    Err(syn::Error::new(word.span(), message))
}

/// Stops in front of the comma that ends the argument, or at the end of the input.
fn skip_argument(input: ParseStream<'_>) {
    while !at_end(input) && input.parse::<TokenTree>().is_ok() {}
}
