//! The `#[oai(..)]` of an operation: reads and rewrites two of its arguments. The others stay unchanged.

use proc_macro2::{Span, TokenStream};
use quote::quote_spanned;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Attribute, Expr, ExprLit, Ident, Lit, LitStr, Meta, MetaNameValue, Token, Type};

use crate::errors::Errors;
use crate::spans::blame;

/// The arguments of an operation's `#[oai(..)]`.
pub(super) struct Oai {
    span: Span,
    /// The user's own middleware for this operation: the name of a function.
    pub(super) transform: Option<Ident>,
    /// The type that the document shows in place of the return type.
    actual_type: Option<Type>,
    /// All other arguments.
    rest: Vec<Meta>,
}

impl Oai {
    pub(super) fn parse(attr: &Attribute, errors: &mut Errors) -> Self {
        let mut oai = Self { span: attr.path().span(), transform: None, actual_type: None, rest: Vec::new() };
        let arguments = match &attr.meta {
            Meta::List(list) => list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated),
            Meta::Path(_) | Meta::NameValue(_) => Ok(Punctuated::new()), // poem-openapi reports it
        };
        match arguments {
            Ok(arguments) => arguments.into_iter().for_each(|argument| oai.argument(argument, errors)),
            Err(error) => errors.push(error),
        }
        oai
    }

    fn argument(&mut self, argument: Meta, errors: &mut Errors) {
        match &argument {
            // A second one stays. poem-openapi reports it.
            Meta::NameValue(MetaNameValue { path, value, .. })
                if path.is_ident("transform") && self.transform.is_none() =>
            {
                match name(value) {
                    Some(name) => self.transform = Some(name),
                    None => errors.add(
                        value.span(),
                        "`transform` takes the name of a function: write `transform = \"name\"`",
                    ),
                }
            }
            Meta::NameValue(MetaNameValue { path, value, .. })
                if path.is_ident("actual_type") && self.actual_type.is_none() =>
            {
                self.actual_type = text(value).and_then(|text| text.parse().ok());
                if self.actual_type.is_none() {
                    self.rest.push(argument);
                }
            }
            _ => self.rest.push(argument),
        }
    }

    /// Whether one of its HTTP methods may change something.
    pub(super) fn is_unsafe(&self) -> bool {
        let mut methods = self.rest.iter().filter_map(|argument| match argument {
            Meta::NameValue(MetaNameValue { path, value, .. }) if path.is_ident("method") => Some(value),
            _ => None,
        });
        methods.any(|method| {
            let method = text(method).map(|text| text.value());
            !matches!(method.as_deref(), Some("get" | "head" | "options"))
        })
    }

    /// Writes the attribute with another `transform`. `documented` adds the refusals to the type that the
    /// document shows.
    pub(super) fn rewritten(
        &self,
        transform: Option<&Ident>,
        documented: impl FnOnce(&Type) -> TokenStream,
    ) -> TokenStream {
        let span = blame(self.span);
        let transform = transform.map(|name| {
            let name = LitStr::new(&name.to_string(), span);
            quote_spanned!(span=> transform = #name,)
        });
        let actual_type = self.actual_type.as_ref().map(|ty| {
            let ty = LitStr::new(&documented(ty).to_string(), ty.span());
            quote_spanned!(span=> actual_type = #ty,)
        });
        let rest = &self.rest;
        quote_spanned!(span=> #[oai(#transform #actual_type #(#rest),*)])
    }
}

/// Returns the name in a value, with or without quotes.
fn name(value: &Expr) -> Option<Ident> {
    match value {
        Expr::Path(path) if path.qself.is_none() => path.path.get_ident().cloned(),
        other => text(other)?.parse().ok(),
    }
}

fn text(value: &Expr) -> Option<&LitStr> {
    match value {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text),
        Expr::Group(group) => text(&group.expr),
        _ => None,
    }
}
