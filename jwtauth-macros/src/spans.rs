//! The spans of generated code: where the compiler points, and which names the code can see.
//!
//! One generated expression must have one location. If its tokens have two, rustc points at the whole
//! attribute and repeats the error.

use proc_macro2::{Group, Ident, Span, TokenStream, TokenTree};

/// Returns the span for generated code whose errors belong to the user's code at `span`.
///
/// A local variable with this span is invisible to the user's code. The user's variables are invisible to
/// the generated code.
pub(crate) fn blame(span: Span) -> Span {
    Span::mixed_site().located_at(span)
}

/// Moves tokens to `span`. Their names still mean the same: a `$crate` stays one.
pub(crate) fn relocate(tokens: TokenStream, span: Span) -> TokenStream {
    tokens
        .into_iter()
        .map(|mut token| {
            if let TokenTree::Group(group) = &token {
                token = Group::new(group.delimiter(), relocate(group.stream(), span)).into();
            }
            token.set_span(span.resolved_at(token.span()));
            token
        })
        .collect()
}

/// Moves a name to `span`. It still means the same.
pub(crate) fn relocate_name(name: &Ident, span: Span) -> Ident {
    let mut name = name.clone();
    name.set_span(span.resolved_at(name.span()));
    name
}

/// Gives a type or a path the span of the expression that it is part of. The tokens inside groups keep their
/// spans.
///
/// With spans of its own, rustc reports twice that the type is not an extractor. A `$crate` keeps its span,
/// because the span is its meaning.
pub(crate) fn at_one_place(tokens: TokenStream, span: Span) -> TokenStream {
    tokens
        .into_iter()
        .map(|mut token| {
            if !matches!(&token, TokenTree::Ident(name) if name == "$crate") {
                token.set_span(span);
            }
            token
        })
        .collect()
}
