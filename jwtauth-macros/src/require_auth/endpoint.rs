//! Writes the endpoint that replaces a handler function.
//!
//! # Invariants
//!
//! 1. Before the guard, `call` has only items and the split of the request, which does not read the body.
//! 2. The endpoint is a struct that cannot be called like a function. `#[handler]` above the attribute would
//!    call it, with a request that was not checked (see `order`).
//! 3. Local variables are hygienic, so that a handler can have the name `req` or `body`.
//! 4. All tokens of a generated expression have one span (see `spans`): that of the user's code that is wrong
//!    if the expression does not compile.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{GenericParam, ReturnType};

use super::args::Args;
use super::guard::{assert_accepts_anonymous, guard, or_redirected, policy};
use super::item::Handler;
use crate::library::Library;
use crate::spans::{at_one_place, blame, relocate_name};

/// Returns the endpoint: its struct, and `Endpoint` with the guard in front of the handler.
pub(crate) fn endpoint(handler: &Handler, args: &Args) -> TokenStream {
    let name = &handler.sig.ident;
    let policy = policy(&name.unraw().to_string(), blame(name.span()), args);
    let function = function(handler);
    let guarded = run_function(handler, args);
    frame(handler, &args.library, &quote!(#policy #function #guarded))
}

/// Returns an endpoint for a function that cannot be one.
///
/// Routes that name it compile, so there is only the error about the function. It never runs, because that
/// error stands beside it.
pub(crate) fn stub(handler: &Handler, args: &Args) -> TokenStream {
    frame(handler, &args.library, &quote!(loop {}))
}

fn frame(handler: &Handler, library: &Library, body: &TokenStream) -> TokenStream {
    let name = &handler.sig.ident;
    let span = blame(name.span());
    let private = library.private(span);
    let definition = definition(handler, library);
    let (impl_generics, ty_generics, where_clause) = handler.generics.split_for_impl();
    let allow = allow_deprecated(handler);
    quote_spanned! {span=>
        #definition

        #allow
        impl #impl_generics #private::Endpoint for #name #ty_generics #where_clause {
            type Output = #private::Response;

            async fn call(
                &self,
                __req: #private::Request,
            ) -> #private::PoemResult<Self::Output> {
                #body
            }
        }
    }
}

/// Returns the struct. If it has type parameters, it has braces, because a tuple struct could be called.
fn definition(handler: &Handler, library: &Library) -> TokenStream {
    let Handler { endpoint_attrs, generics, vis, sig, .. } = handler;
    let name = &sig.ident;
    let span = blame(name.span());
    let private = library.private(span);
    let attrs = quote_spanned! {span=>
        #(#endpoint_attrs)*
        #[allow(missing_debug_implementations, non_camel_case_types)]
    };
    if generics.params.is_empty() {
        return quote_spanned!(span=> #attrs #vis struct #name;);
    }

    let types: Vec<_> = generics.type_params().map(|param| &param.ident).collect();
    // The bounds are on the impl of `Endpoint`. There, the compiler names the bound that is not met.
    let params: Vec<_> = generics
        .params
        .iter()
        .map(|param| match param {
            GenericParam::Type(param) => {
                let name = &param.ident;
                quote_spanned!(span=> #name: ?Sized)
            }
            other => quote!(#other),
        })
        .collect();
    let (_, ty_generics, _) = generics.split_for_impl();
    let allow = allow_deprecated(handler);
    // `Endpoint` needs `Send` and `Sync`. With `fn() -> ..` the struct has both, whatever the types are,
    // because it holds no value of them.
    quote_spanned! {span=>
        #attrs
        #vis struct #name<#(#params),*> {
            __types: #private::PhantomData<fn() -> (#(#private::PhantomData<#types>,)*)>,
        }

        #allow
        impl<#(#params),*> #private::Default for #name #ty_generics {
            fn default() -> Self {
                Self { __types: #private::PhantomData }
            }
        }
    }
}

/// Silences the lint for a deprecated endpoint, which its own impls use.
///
/// Other endpoints keep the lint, because silencing it in the impl also silences it in the user's body.
fn allow_deprecated(handler: &Handler) -> Option<TokenStream> {
    handler.is_deprecated.then(|| quote!(#[allow(deprecated)]))
}

/// Returns the user's function. It is inside `call`, where no other code can reach it.
///
/// A `#[handler]` on it is moved to an unused function, so that its import is still used. Its own endpoint is
/// not good enough: during an outage an `Option<..>` parameter is `None`, and that endpoint would call the
/// function as if nobody was logged in.
fn function(handler: &Handler) -> TokenStream {
    let Handler { fn_attrs, sig, body, handler_attr, .. } = handler;
    let replaced = handler_attr.as_ref().map(|attr| {
        quote! {
            #[allow(dead_code)]
            const _: () = {
                #attr
                fn __replaced() {}
            };
        }
    });
    quote!(#replaced #(#fn_attrs)* #sig #body)
}

/// Returns the statements that run the guard, the extractors and the function, in this order.
fn run_function(handler: &Handler, args: &Args) -> TokenStream {
    let library = &args.library;
    let span = blame(handler.sig.ident.span());
    let private = library.private(span);
    let request = Ident::new("__req", span);
    let guard = guard(&request, span, args);
    let call = call_function(handler, library);
    if handler.extractors.is_empty() {
        return quote!(#guard #call);
    }

    let extract = handler.extractors.iter().zip(variables(handler)).map(|(ty, variable)| {
        let span = variable.span();
        let private = library.private(span);
        let ty = at_one_place(ty.clone(), span);
        let extracted = quote_spanned! {span=>
            <#ty as #private::FromRequest<'_>>::from_request(&__req, &mut __body).await
        };
        let extracted = or_redirected(args, &relocate_name(&request, span), span, extracted);
        quote_spanned!(span=> let #variable = #extracted?;)
    });
    // Not with generics: a type that names a parameter of the function is not known here.
    let known = handler.generics.params.is_empty();
    let optional = args
        .optional
        .filter(|_| known)
        .map(|_| assert_accepts_anonymous(handler.extractors.iter().cloned(), library));
    // The split comes first, so that the future holds one request and not two while it awaits the guard.
    quote_spanned! {span=>
        #optional
        let (__req, mut __body) = __req.split();
        #guard
        #(#extract)*
        #private::settled(&__req)?;
        #call
    }
}

/// Calls the function, and turns its result into a response. If that is impossible, the error points at the
/// return type.
fn call_function(handler: &Handler, library: &Library) -> TokenStream {
    let sig = &handler.sig;
    let span = blame(match &sig.output {
        ReturnType::Type(_, ty) => ty.span(),
        ReturnType::Default => sig.ident.span(),
    });
    let private = library.private(span);
    let name = relocate_name(&sig.ident, span);
    let (_, ty_generics, _) = handler.generics.split_for_impl();
    let turbofish = ty_generics.as_turbofish();
    let variables = variables(handler);
    let wait = sig.asyncness.map(|_| quote_spanned!(span=> .await));
    quote_spanned! {span=>
        let __res = #private::IntoResult::into_result(#name #turbofish (#(#variables),*) #wait);
        #private::Result::map(__res, #private::IntoResponse::into_response)
    }
}

/// Returns a variable for each extracted parameter, at the place of its type.
fn variables(handler: &Handler) -> Vec<Ident> {
    handler
        .extractors
        .iter()
        .enumerate()
        .map(|(index, ty)| format_ident!("__p{index}", span = blame(ty.span())))
        .collect()
}
