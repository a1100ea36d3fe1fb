//! Parses the item below `#[require_auth]`: what it is, and whether it can be guarded.
//!
//! The body of a function is not parsed. It passes through unchanged, so that an editor can complete a
//! half-typed line in it, and so that it is not parsed twice.

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::spanned::Spanned;
use syn::{Attribute, Generics, ItemImpl, LitStr, Signature, Visibility, token};

use super::attributes::{HANDLER, has_name, may_be_poems};
use super::generics;
use super::signature::{refusals, typed};
use crate::errors::Errors;

/// A function that becomes an endpoint.
pub(crate) struct Handler {
    /// The attributes of the endpoint: docs, deprecation, and lint levels. The function keeps the lint levels
    /// too.
    pub(crate) endpoint_attrs: Vec<Attribute>,
    /// The attributes of the function: all others.
    pub(crate) fn_attrs: Vec<Attribute>,
    /// The `#[handler]` among the attributes. The guarded endpoint replaces it.
    pub(crate) handler_attr: Option<Attribute>,
    pub(crate) vis: Visibility,
    pub(crate) sig: Signature,
    /// The generics of the endpoint: those of the function, without its lifetimes.
    pub(crate) generics: Generics,
    /// The type of each parameter, with `'_` in place of named lifetimes.
    pub(crate) extractors: Vec<TokenStream>,
    pub(crate) body: TokenTree,
}

/// The item below the attribute.
pub(crate) enum Item {
    Handler(Handler),
    /// A function that cannot be a handler; the errors say why.
    Refused(Handler),
    Block(Box<ItemImpl>),
    /// Anything else, unchanged.
    Other(TokenStream),
}

/// Parses the tokens below the attribute.
pub(crate) fn parse(tokens: TokenStream) -> (Item, Errors) {
    let as_it_came = tokens.clone();
    match item.parse2(tokens) {
        Ok(parsed) => parsed,
        Err(error) => {
            let mut errors = Errors::default();
            errors.push(error);
            (Item::Other(as_it_came), errors)
        }
    }
}

fn item(input: ParseStream<'_>) -> syn::Result<(Item, Errors)> {
    let attrs = input.call(Attribute::parse_outer)?;
    let vis = input.parse()?;
    let (mut attrs, mut errors) = without_second(attrs);
    if !is_block(input)? {
        return function(input, attrs, vis, errors);
    }
    attrs.retain(|attr| {
        let is_handler = has_name(attr, HANDLER);
        if is_handler {
            let message =
                "`#[handler]` turns a function into an endpoint, and this block is one already: remove `#[handler]`";
            errors.add(attr.path().span(), message);
        }
        !is_handler
    });
    let mut block: ItemImpl = input.parse()?;
    block.attrs = attrs;
    Ok((Item::Block(Box::new(block)), errors))
}

/// Refuses and removes a second `#[require_auth]`. The endpoint of one would hide that of the other.
fn without_second(mut attrs: Vec<Attribute>) -> (Vec<Attribute>, Errors) {
    let mut errors = Errors::default();
    attrs.retain(|attr| {
        let second = has_name(attr, "require_auth");
        if second {
            errors.add(
                attr.path().span(),
                "second `#[require_auth]` on one handler: put all conditions in one",
            );
        }
        !second
    });
    (attrs, errors)
}

/// Refuses and removes a `#[handler]` of another crate: the endpoint would take its place, and what it does
/// would not be done.
fn without_foreign_handler(mut attrs: Vec<Attribute>) -> (Vec<Attribute>, Errors) {
    let mut errors = Errors::default();
    attrs.retain(|attr| {
        let is_foreign = has_name(attr, HANDLER) && !may_be_poems(attr);
        if is_foreign {
            errors.add(
                attr.path().span(),
                "this `#[handler]` need not be poem's, and nothing would be left of what it does\n\
                 help: remove it, because `#[require_auth]` makes the endpoint by itself, or write `#[poem::handler]`",
            );
        }
        !is_foreign
    });
    (attrs, errors)
}

fn function(
    input: ParseStream<'_>,
    attrs: Vec<Attribute>,
    vis: Visibility,
    mut errors: Errors,
) -> syn::Result<(Item, Errors)> {
    let sig: Signature = input.parse()?;
    if let Some(receiver) = sig.receiver() {
        return Err(syn::Error::new(
            receiver.self_token.span,
            "cannot guard a method on its own: put `#[require_auth]` on its `impl Endpoint` block, \
             or on a free `fn` that calls it\n\
             help: on a poem-openapi API, put it on the block, above `#[OpenApi]`; \
             then a method can have one too, or `#[public]`",
        ));
    }
    if !input.peek(token::Brace) {
        return Err(syn::Error::new(
            sig.ident.span(),
            "cannot guard a function without a body: put `#[require_auth]` on a handler `fn`",
        ));
    }
    let body = input.parse()?;

    let (attrs, foreign) = without_foreign_handler(attrs);
    errors.extend(foreign);
    let refusals = refusals(&sig);
    let (generics, unbound) = generics::of_endpoint(&sig.generics);
    let refused = !refusals.is_empty() || !unbound.is_empty();
    errors.extend(refusals);
    errors.extend(unbound);

    let names = generics::lifetimes(&sig.generics);
    let extractors =
        typed(&sig).map(|param| generics::anonymous(param.ty.to_token_stream(), &names)).collect();
    let handler = Handler {
        endpoint_attrs: attrs.iter().filter(|attr| is_for_endpoint(attr)).cloned().collect(),
        handler_attr: attrs.iter().find(|attr| has_name(attr, HANDLER)).cloned(),
        fn_attrs: attrs.into_iter().filter(is_for_fn).collect(),
        vis,
        sig,
        generics,
        extractors,
        body,
    };
    let item = if refused { Item::Refused(handler) } else { Item::Handler(handler) };
    Ok((item, errors))
}

/// Whether an impl block follows. The alternative is a `fn`. The error for another item names its kind.
fn is_block(input: ParseStream<'_>) -> syn::Result<bool> {
    let ahead = input.fork();
    let mut word = None;
    while let Ok(next) = ahead.call(Ident::parse_any) {
        let qualifies = ["async", "auto", "const", "extern", "unsafe"].iter().any(|known| next == known);
        word = Some(next);
        if !qualifies {
            break;
        }
        ahead.parse::<Option<LitStr>>()?; // the ABI behind `extern`
    }
    let (kind, span) = match word {
        Some(word) => (word.to_string(), word.span()),
        None => (String::new(), input.span()),
    };
    let message = match kind.as_str() {
        "fn" => return Ok(false),
        "impl" => return Ok(true),
        "enum" | "struct" | "union" => "cannot guard a type: put `#[require_auth]` on a handler `fn`",
        "mod" => "cannot guard a module: put `#[require_auth]` on each handler `fn` in it",
        "trait" => "cannot guard a trait: put `#[require_auth]` on a handler `fn`",
        _ => "cannot guard this item: put `#[require_auth]` on a handler `fn`",
    };
    Err(syn::Error::new(span, message))
}

/// Whether an attribute sets the level of a lint.
pub(super) fn is_lint_level(attr: &Attribute) -> bool {
    ["allow", "deny", "forbid", "warn"].iter().any(|level| attr.path().is_ident(level))
}

/// Whether an attribute goes on the endpoint, which is what the user sees of the item.
///
/// An `#[expect]` does not. It would stand twice, and one of the two would not be fulfilled.
fn is_for_endpoint(attr: &Attribute) -> bool {
    is_lint_level(attr) || is_only_for_endpoint(attr)
}

fn is_for_fn(attr: &Attribute) -> bool {
    !is_only_for_endpoint(attr) && !has_name(attr, HANDLER)
}

fn is_only_for_endpoint(attr: &Attribute) -> bool {
    attr.path().is_ident("doc") || attr.path().is_ident("deprecated")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(item: &str) -> (Item, Errors) {
        parse(item.parse().expect("tokens"))
    }

    fn handler(text: &str) -> Handler {
        let (item, errors) = parsed(text);
        assert_eq!(errors.messages(), Vec::<String>::new(), "{text}");
        match item {
            Item::Handler(handler) => handler,
            Item::Block(_) | Item::Refused(_) | Item::Other(_) => panic!("no handler: {text}"),
        }
    }

    #[test]
    fn every_other_item_has_its_sentence() {
        let ty = "cannot guard a type: put `#[require_auth]` on a handler `fn`";
        let item = "cannot guard this item: put `#[require_auth]` on a handler `fn`";
        let cases = [
            ("pub struct A;", ty),
            ("enum A {}", ty),
            ("union A { b: u8 }", ty),
            ("mod a {}", "cannot guard a module: put `#[require_auth]` on each handler `fn` in it"),
            ("pub trait A {}", "cannot guard a trait: put `#[require_auth]` on a handler `fn`"),
            ("unsafe trait A {}", "cannot guard a trait: put `#[require_auth]` on a handler `fn`"),
            ("const A: u8 = 1;", item),
            ("static A: u8 = 1;", item),
            ("extern \"C\" {}", item),
            ("extern crate a;", item),
            ("use a;", item),
            ("a! {}", item),
            (
                "async fn a(&self) {}",
                "cannot guard a method on its own: put `#[require_auth]` on its `impl Endpoint` block, \
             or on a free `fn` that calls it\n\
             help: on a poem-openapi API, put it on the block, above `#[OpenApi]`; \
             then a method can have one too, or `#[public]`",
            ),
            ("fn a();", "cannot guard a function without a body: put `#[require_auth]` on a handler `fn`"),
        ];
        for (text, want) in cases {
            let (item, errors) = parsed(text);
            assert_eq!(errors.messages(), [want], "{text}");
            let Item::Other(tokens) = item else { panic!("taken for a handler: {text}") };
            let came: TokenStream = text.parse().expect("tokens");
            assert_eq!(tokens.to_string(), came.to_string(), "the item is unchanged");
        }
    }

    #[test]
    fn every_refused_signature_has_its_sentence() {
        let bound = "a bound on a handler's type parameter cannot name a lifetime of the handler: \
                     write `for<'a> ..`, or `'static`";
        let borrow = "the answer of a handler cannot borrow, because the request ends before it is sent: \
                      return an owned value such as `String`, or a `&'static str`";
        let trait_type = "a parameter of a handler cannot be an `impl Trait`: \
                          name the extractor, or write `fn name<T: Trait>(..)`";
        let cases = [
            (
                "unsafe fn a() {}",
                "an `unsafe fn` cannot be a handler, because poem calls handlers from safe code: \
                 remove `unsafe`, and use an `unsafe` block inside",
            ),
            (
                "extern \"C\" fn a() {}",
                "an `extern fn` cannot be a handler, because only Rust calls handlers: remove `extern`",
            ),
            ("fn a(b: impl B) {}", trait_type),
            ("fn a(b: Json<Vec<impl B>>) {}", trait_type),
            (
                "fn a(#[cfg(test)] b: B) {}",
                "`#[cfg]` cannot be on a parameter of a handler: \
                 write the handler twice, each with its `#[cfg]`",
            ),
            ("fn a(b: &B) -> &str {}", borrow),
            ("fn a<'a>(b: &'a B) -> poem::Result<&'a [u8]> {}", borrow),
            ("fn a(b: &B) -> (StatusCode, &str) {}", borrow),
            ("fn a<'a, T: B<'a>>(b: T) {}", bound),
            ("fn a<'a, T>(b: T) where T: B + 'a {}", bound),
        ];
        for (text, want) in cases {
            let (item, errors) = parsed(text);
            assert_eq!(errors.messages(), [want], "{text}");
            assert!(matches!(item, Item::Refused(_)), "{text}");
        }
        let all = parsed("unsafe extern fn a(#[cfg(test)] b: impl B) {}").1.messages();
        assert_eq!(all.len(), 4, "{all:#?}");
    }

    #[test]
    fn answers_that_own_what_they_say_are_good() {
        for answer in ["&'static str", "Result<&'static str, E<&str>>", "Json<&str>", "Html<Cow<'_, str>>"] {
            handler(&format!("fn a(b: &B) -> {answer} {{}}"));
        }
    }

    #[test]
    fn a_second_attribute_is_refused_and_removed() {
        let (item, errors) = parsed("#[jwtauth::require_auth(optional)] fn a() {}");
        let want = "second `#[require_auth]` on one handler: put all conditions in one";
        assert_eq!(errors.messages(), [want]);
        let Item::Handler(handler) = item else { panic!("no handler") };
        assert!(handler.fn_attrs.is_empty());
    }

    #[test]
    fn a_handler_on_a_block_is_refused_and_removed() {
        let (item, errors) = parsed("#[a] #[poem::handler] impl Endpoint for A {}");
        let want = "`#[handler]` turns a function into an endpoint, and this block is one already: remove `#[handler]`";
        assert_eq!(errors.messages(), [want]);
        let Item::Block(block) = item else { panic!("no block") };
        assert_eq!(block.attrs.len(), 1);
    }

    #[test]
    fn attributes_go_where_they_are_meant() {
        let handler = handler(
            "/// Docs.\n #[deprecated] #[allow(dead_code)] #[expect(unused)] #[poem::handler] \
             #[must_use] pub fn a() {}",
        );
        let names = |attrs: &[Attribute]| {
            let names = attrs.iter().map(|attr| attr.path().to_token_stream().to_string());
            names.collect::<Vec<_>>().join(", ")
        };
        assert_eq!(names(&handler.endpoint_attrs), "doc, deprecated, allow");
        assert_eq!(names(&handler.fn_attrs), "allow, expect, must_use");
        assert_eq!(names(handler.handler_attr.as_slice()), "poem :: handler");
    }

    #[test]
    fn n_15_a_handler_of_another_crate_is_refused() {
        for attr in ["#[a::handler]", "#[::a::b::handler]", "#[poem::a::handler(b)]", "#[poems::handler]"] {
            let (item, errors) = parsed(&format!("{attr} #[b] fn a() {{}}"));
            let [message] = &errors.messages()[..] else { panic!("{attr}") };
            assert!(message.contains("need not be poem's"), "{message}");
            let Item::Handler(handler) = item else { panic!("no handler") };
            assert!(handler.handler_attr.is_none() && handler.fn_attrs.len() == 1, "{attr}");
        }
    }

    #[test]
    fn only_a_path_that_ends_in_handler_is_one() {
        for (attr, want) in [
            ("#[handler]", true),
            ("#[handler(internal)]", true),
            ("#[::poem::handler]", true),
            ("#[a::poem::handler]", true),
            ("#[handler::a]", false),
            ("#[handlers]", false),
            ("#[my_handler]", false),
        ] {
            assert_eq!(handler(&format!("{attr} fn a() {{}}")).handler_attr.is_some(), want, "{attr}");
        }
    }

    #[test]
    fn a_half_typed_body_passes() {
        let handler = handler("async fn a(user: User) { let b = user. }");
        assert_eq!(handler.body.to_string(), "{ let b = user . }");
    }
}
