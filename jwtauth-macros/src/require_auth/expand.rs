//! Writes the endpoint that takes the place of a handler function.
//!
//! # Invariants
//!
//! 1. In `call`, nothing but items and the split of the request, which reads no body, comes
//!    before the guard.
//! 2. The endpoint's name is a struct that cannot be called as a function. `#[handler]` above
//!    the attribute would call it, with a request that nobody has checked (see `order`).
//! 3. Local variables are hygienic, so that a handler may be named `req` or `body`.
//! 4. The tokens of one generated expression have one span: that of the user's code that is to
//!    be blamed if the expression does not compile.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{GenericParam, ReturnType};

use super::args::{Args, Fresh, Need, Values};
use super::model::Handler;
use crate::library::{Library, blame};

/// Returns the endpoint: its struct, and `Endpoint` with the guard in front of the handler.
pub(crate) fn endpoint(handler: &Handler, args: &Args) -> TokenStream {
    let name = &handler.sig.ident;
    let policy = policy(&name.unraw().to_string(), blame(name.span()), args);
    let function = function(handler);
    let guarded = run_function(handler, args);
    frame(handler, &args.library, &quote!(#policy #function #guarded))
}

/// Returns an endpoint for a function that cannot be one. It lets routes that name it compile,
/// so that the error stays alone; it can never run, because the error stands beside it.
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

/// Returns the struct. With parameters it has braces: a tuple struct could be called.
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
    // The bounds stay with `Endpoint`, where the compiler names them if a type breaks one.
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
    // `fn() -> ..` keeps the endpoint `Send` and `Sync`, which `Endpoint` asks for, whatever
    // the types are: it holds none of them.
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

/// A deprecated endpoint is used by its own impls. Only then is the lint silenced: in the impl,
/// it is silent in the user's body as well.
fn allow_deprecated(handler: &Handler) -> Option<TokenStream> {
    handler.is_deprecated.then(|| quote!(#[allow(deprecated)]))
}

/// Returns the conditions as constant data. `name` is what the log calls the handler.
pub(super) fn policy(name: &str, span: Span, args: &Args) -> TokenStream {
    let private = args.library.private(span);
    let needs = args.needs.iter().map(|Need { word, values }| {
        let span = blame(word.span());
        let private = args.library.private(span);
        let word = Ident::new(&word.to_string(), span);
        match values {
            Values::One(value) => quote_spanned!(span=> #private::Need::#word(#value)),
            Values::List(values) => quote_spanned!(span=> #private::Need::#word(&[#(#values),*])),
        }
    });
    let mut policy = quote_spanned! {span=>
        #private::Policy::new(
            #private::Site {
                handler: #private::concat!(#private::module_path!(), "::", #name),
                file: #private::file!(),
                line: #private::line!(),
            },
            &[#(#needs),*],
        )
    };
    // Around and not behind it: a value that the compiler refuses is then blamed alone.
    if let Some(word) = args.optional {
        let span = blame(word);
        let private = args.library.private(span);
        policy = quote_spanned!(span=> #private::Policy::optional(#policy));
    }
    if let Some(Fresh { span, seconds }) = &args.fresh {
        let span = blame(*span);
        let private = args.library.private(span);
        policy = quote_spanned!(span=> #private::Policy::fresh(#policy, #seconds));
    }
    if let Some(page) = &args.redirect {
        let span = blame(page.span());
        let private = args.library.private(span);
        policy = quote_spanned!(span=> #private::Policy::redirect(#policy, #page));
    }
    if let Some(check) = args.csrf.as_ref().filter(|check| !check.value) {
        let span = blame(check.span);
        let private = args.library.private(span);
        policy = quote_spanned!(span=> #private::Policy::any_site(#policy));
    }
    quote_spanned!(span=> static __JWTAUTH_POLICY: #private::Policy = #policy;)
}

/// Returns the user's function, inside `call`, where nothing else can reach it.
///
/// A `#[handler]` on it is not run: the endpoint it makes would take an outage that an `Option<..>`
/// argument hides for "nobody is logged in", and call the function. It goes on a function of no
/// use, so that its import has one.
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

/// Returns the guard of `request` and the application's own rules, which come right behind it.
pub(super) fn guard(request: &Ident, span: Span, args: &Args) -> TokenStream {
    let private = args.library.private(span);
    let checks = args.checks.iter().map(|rule| {
        let span = blame(rule.span());
        let private = args.library.private(span);
        let rule = at_one_place(rule.to_token_stream(), span);
        let request = relocated(request, span);
        let asked = quote_spanned!(span=> #private::check(&#request, #rule).await);
        let asked = or_redirected(args, &request, span, asked);
        quote_spanned!(span=> #asked?;)
    });
    quote_spanned! {span=>
        #private::guard(&#request, &__JWTAUTH_POLICY).await?;
        #(#checks)*
    }
}

/// Sends a stranger to the login page whom only `result` has found out to be one: a user who is gone.
fn or_redirected(args: &Args, request: &Ident, span: Span, result: TokenStream) -> TokenStream {
    if args.redirect.is_none() {
        return result;
    }
    let private = args.library.private(span);
    quote_spanned! {span=>
        #private::Result::map_err(
            #result,
            |__error| #private::redirected(&#request, &__JWTAUTH_POLICY, __error),
        )
    }
}

/// Guard, extractors, handler.
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
        let extracted = or_redirected(args, &relocated(&request, span), span, extracted);
        quote_spanned!(span=> let #variable = #extracted?;)
    });
    // Left alone are handlers with generics: a type that names one is not known here.
    let known = handler.generics.params.is_empty();
    let optional =
        args.optional.filter(|_| known).map(|_| takes_strangers(handler.extractors.iter().cloned(), library));
    // Split first: then the future holds one request and not two across the guard's await.
    quote_spanned! {span=>
        #optional
        let (__req, mut __body) = __req.split();
        #guard
        #(#extract)*
        #private::settled(&__req)?;
        #call
    }
}

/// Has the compiler refuse an argument that refuses strangers, whom `optional` is for.
pub(super) fn takes_strangers(types: impl Iterator<Item = TokenStream>, library: &Library) -> TokenStream {
    let types = types.map(|ty| {
        let span = blame(ty.span());
        let private = library.private(span);
        let ty = at_one_place(ty, span);
        quote_spanned! {span=>
            const _: () = {
                use #private::AnyArgument as _;
                #private::takes_strangers(<#private::Argument<#ty>>::TAKES_STRANGERS)
            };
        }
    });
    types.collect()
}

/// Returns the name at another place, where it means the same.
pub(super) fn relocated(name: &Ident, span: Span) -> Ident {
    let mut name = name.clone();
    name.set_span(span.resolved_at(name.span()));
    name
}

/// Gives a type the span of the expression it is part of (invariant 4): with its own, rustc
/// says twice that it is no extractor. `$crate` stays, for its span is what it means.
fn at_one_place(ty: TokenStream, span: Span) -> TokenStream {
    ty.into_iter()
        .map(|mut token| {
            if !matches!(&token, TokenTree::Ident(name) if name == "$crate") {
                token.set_span(span);
            }
            token
        })
        .collect()
}

/// Calls the function and makes a response of what it returns, which is to blame if that
/// cannot be done.
fn call_function(handler: &Handler, library: &Library) -> TokenStream {
    let sig = &handler.sig;
    let span = blame(match &sig.output {
        ReturnType::Type(_, ty) => ty.span(),
        ReturnType::Default => sig.ident.span(),
    });
    let private = library.private(span);
    let name = relocated(&sig.ident, span);
    let (_, ty_generics, _) = handler.generics.split_for_impl();
    let turbofish = ty_generics.as_turbofish();
    let variables = variables(handler);
    let wait = sig.asyncness.map(|_| quote_spanned!(span=> .await));
    quote_spanned! {span=>
        let __res = #private::IntoResult::into_result(#name #turbofish (#(#variables),*) #wait);
        #private::Result::map(__res, #private::IntoResponse::into_response)
    }
}

/// The variable that holds each extracted parameter, at the place of its type.
fn variables(handler: &Handler) -> Vec<Ident> {
    handler
        .extractors
        .iter()
        .enumerate()
        .map(|(index, ty)| format_ident!("__p{index}", span = blame(ty.span())))
        .collect()
}
