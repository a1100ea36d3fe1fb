//! What a handler's signature cannot have, each with its sentence.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::spanned::Spanned;
use syn::{FnArg, GenericArgument, PatType, PathArguments, ReturnType, Safety, Signature, Type};

use crate::errors::Errors;

/// Returns an error for everything in a signature that an endpoint cannot have.
pub(super) fn refusals(sig: &Signature) -> Errors {
    let mut errors = Errors::default();
    if let Safety::Unsafe(keyword) = &sig.safety {
        errors.add(
            keyword.span,
            "an `unsafe fn` cannot be a handler, because poem calls handlers from safe code: \
             remove `unsafe`, and use an `unsafe` block inside",
        );
    }
    if let Some(abi) = &sig.abi {
        errors.add(
            abi.extern_token.span,
            "an `extern fn` cannot be a handler, because only Rust calls handlers: remove `extern`",
        );
    }
    if let ReturnType::Type(_, ty) = &sig.output
        && let Some(span) = borrowed(ty)
    {
        errors.add(
            span,
            "the answer of a handler cannot borrow, because the request ends before it is sent: \
             return an owned value such as `String`, or a `&'static str`",
        );
    }
    for param in typed(sig) {
        if let Some(cfg) = param.attrs.iter().find(|attr| attr.path().is_ident("cfg")) {
            errors.add(
                cfg.path().span(),
                "`#[cfg]` cannot be on a parameter of a handler: \
                 write the handler twice, each with its `#[cfg]`",
            );
        }
        if let Some(span) = find_impl(param.ty.to_token_stream()) {
            errors.add(
                span,
                "a parameter of a handler cannot be an `impl Trait`: \
                 name the extractor, or write `fn name<T: Trait>(..)`",
            );
        }
    }
    errors
}

pub(super) fn typed(sig: &Signature) -> impl Iterator<Item = &PatType> {
    sig.inputs.iter().filter_map(|input| match input {
        FnArg::Typed(param) => Some(param),
        FnArg::Receiver(_) => None,
    })
}

/// Returns the place of a reference that is not `'static`, as an answer or as what a `Result` has of one.
///
/// Inside other types it is good, as in `Json<&str>`: poem writes these into the response at once.
fn borrowed(ty: &Type) -> Option<Span> {
    match ty {
        Type::Reference(ty) => {
            let is_static = ty.lifetime.as_ref().is_some_and(|lifetime| lifetime.ident == "static");
            (!is_static).then(|| ty.and_token.span)
        }
        Type::Group(ty) => borrowed(&ty.elem),
        Type::Paren(ty) => borrowed(&ty.elem),
        Type::Tuple(ty) => ty.elems.iter().find_map(borrowed),
        Type::Path(path) => {
            let last = path.path.segments.last().filter(|last| last.ident == "Result")?;
            let PathArguments::AngleBracketed(of) = &last.arguments else { return None };
            of.args.iter().find_map(|of| match of {
                GenericArgument::Type(ty) => Some(borrowed(ty)),
                _ => None,
            })?
        }
        _ => None,
    }
}

/// Returns the place of an `impl` in a type, at any depth.
fn find_impl(ty: TokenStream) -> Option<Span> {
    ty.into_iter().find_map(|token| match token {
        TokenTree::Ident(word) if word == "impl" => Some(word.span()),
        TokenTree::Group(group) => find_impl(group.stream()),
        _ => None,
    })
}
