//! Writes the endpoint that replaces a handler function.
//!
//! # Invariants
//!
//! 1. Before the guard, `call` has only items and the split of the request, which does not read the body.
//!    After it the caller is extracted first, and what reads the body last.
//! 2. The endpoint is a struct that cannot be called like a function. `#[handler]` above the attribute would
//!    call it, with a request that was not checked (see `order`).
//! 3. Local variables are hygienic, so that a handler can have the name `req` or `body`.
//! 4. The code compiles under every lint level. An `allow` would be an error under `forbid`.
//! 5. All tokens of a generated expression have one span (see `spans`): that of the user's code that is wrong
//!    if the expression does not compile.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{GenericParam, ReturnType, Type};

use super::args::Args;
use super::generics;
use super::guard::{assert_fit, extract_early, guard, items, names_user, or_redirected};
use super::item::{Handler, is_lint_level};
use crate::library::Library;
use crate::spans::{at_one_place, blame, relocate_name};

/// Returns the endpoint: its struct, and `Endpoint` with the guard in front of the handler.
pub(crate) fn endpoint(handler: &Handler, args: &Args) -> TokenStream {
    let name = &handler.sig.ident;
    let items = items(&name.unraw().to_string(), blame(name.span()), args);
    let function = function(handler, &args.library);
    let guarded = run_function(handler, args);
    frame(handler, &args.library, &items, &quote!(#function #guarded))
}

/// Returns an endpoint for a function that cannot be one.
///
/// Routes that name it compile, so there is only the error about the function. It never runs, because that
/// error stands beside it.
pub(crate) fn stub(handler: &Handler, args: &Args) -> TokenStream {
    frame(handler, &args.library, &TokenStream::new(), &quote!(loop {}))
}

fn frame(handler: &Handler, library: &Library, items: &TokenStream, body: &TokenStream) -> TokenStream {
    let name = type_name(handler);
    let span = blame(name.span());
    let private = library.private(span);
    let definition = definition(handler, library);
    let impls = impls(handler, library);
    let (impl_generics, ty_generics, where_clause) = handler.generics.split_for_impl();
    let lint_levels = handler.endpoint_attrs.iter().filter(|attr| is_lint_level(attr));
    quote_spanned! {span=>
        #definition

        #(#lint_levels)*
        const _: () = {
            #items

            #impls

            impl #impl_generics #private::Endpoint for #name #ty_generics #where_clause {
                type Output = #private::Response;

                async fn call(
                    &self,
                    __req: #private::Request,
                ) -> #private::PoemResult<Self::Output> {
                    #body
                }
            }
        };
    }
}

/// Returns the name of the struct: that of the handler. The struct of a deprecated handler has another one,
/// because its impls name it, and only the user's uses are to be warned of.
fn type_name(handler: &Handler) -> Ident {
    let name = &handler.sig.ident;
    if is_deprecated(handler) {
        format_ident!("__jwtauth_{}", name.unraw(), span = blame(name.span()))
    } else {
        name.clone()
    }
}

fn is_deprecated(handler: &Handler) -> bool {
    handler.endpoint_attrs.iter().any(|attr| attr.path().is_ident("deprecated"))
}

/// Returns the struct. If it has type parameters, it has braces, because a tuple struct could be called.
///
/// It has the name of a function, and no lint says so: types of C have the names that they have. An alias is
/// at a place of the macro, where the lints about names do not look.
fn definition(handler: &Handler, library: &Library) -> TokenStream {
    let Handler { endpoint_attrs, generics, vis, sig, .. } = handler;
    let name = type_name(handler);
    let span = blame(name.span());
    let private = library.private(span);
    let mut attrs = quote_spanned! {span=>
        #(#endpoint_attrs)*
        #[repr(C)]
    };
    let mut alias = None;
    if is_deprecated(handler) {
        let mut shown = sig.ident.clone();
        shown.set_span(span);
        let (_, types, _) = generics.split_for_impl();
        alias = Some(if generics.params.is_empty() {
            quote_spanned! {span=>
                #(#endpoint_attrs)*
                #vis const #shown: #name = #name;
            }
        } else {
            quote_spanned!(span=> #(#endpoint_attrs)* #vis type #shown #types = #name #types;)
        });
        attrs = quote_spanned!(span=> #[doc(hidden)] #[repr(C)]);
    }
    if generics.params.is_empty() {
        return quote_spanned!(span=> #attrs #vis struct #name; #alias);
    }

    let types: Vec<_> = generics.type_params().map(|param| &param.ident).collect();
    let field = field(span);
    let params = unbound(handler, library);
    // `Endpoint` needs `Send` and `Sync`. With `fn() -> ..` the struct has both, whatever the types are,
    // because it holds no value of them.
    quote_spanned! {span=>
        #attrs
        #vis struct #name<#(#params),*> {
            #field: #private::PhantomData<fn() -> (#(#private::PhantomData<#types>,)*)>,
        }

        #alias
    }
}

/// Returns the field of a generic endpoint. Its name is part of what the compiler says if somebody takes the
/// type for a value.
fn field(span: Span) -> Ident {
    Ident::new("write_the_types_and_default_behind_it", span)
}

/// Returns the generic parameters without the bounds. These are on the impl of `Endpoint`, where the compiler
/// names the bound that is not met.
fn unbound(handler: &Handler, library: &Library) -> Vec<TokenStream> {
    let span = blame(handler.sig.ident.span());
    let private = library.private(span);
    let params = handler.generics.params.iter().map(|param| match param {
        GenericParam::Type(param) => {
            let name = &param.ident;
            quote_spanned!(span=> #name: ?#private::Sized)
        }
        other => quote!(#other),
    });
    params.collect()
}

/// Returns what every endpoint implements beside `Endpoint`, and `Default` for a generic one.
fn impls(handler: &Handler, library: &Library) -> TokenStream {
    let Handler { generics, sig, .. } = handler;
    let name = type_name(handler);
    let span = blame(name.span());
    let private = library.private(span);
    let params = unbound(handler, library);
    let (_, ty_generics, _) = generics.split_for_impl();
    let text = sig.ident.unraw().to_string();
    let default = (!generics.params.is_empty()).then(|| {
        let field = field(span);
        quote_spanned! {span=>
            impl<#(#params),*> #private::Default for #name #ty_generics {
                fn default() -> Self {
                    Self { #field: #private::PhantomData }
                }
            }
        }
    });
    quote_spanned! {span=>
        impl<#(#params),*> #private::Debug for #name #ty_generics {
            fn fmt(&self, __f: &mut #private::Formatter<'_>) -> #private::FmtResult {
                __f.write_str(#text)
            }
        }

        impl<#(#params),*> #private::Deref for #name #ty_generics {
            type Target = #private::NotAFunction;

            fn deref(&self) -> &Self::Target {
                &#private::NOT_A_FUNCTION
            }
        }

        #default
    }
}

/// Returns the user's function. It is inside `call`, where no other code can reach it.
///
/// A `#[handler]` on it is moved to an unused function, so that its import is still used. Its own endpoint is
/// not good enough: during an outage an `Option<..>` parameter is `None`, and that endpoint would call the
/// function as if nobody was logged in.
///
/// Another macro of that name is refused: what it does would be lost.
fn function(handler: &Handler, library: &Library) -> TokenStream {
    let Handler { fn_attrs, sig, body, handler_attr, .. } = handler;
    let replaced = handler_attr.as_ref().map(|attr| {
        let span = blame(attr.path().span());
        let private = library.private(span);
        let name = Ident::new("__replaced", span);
        quote_spanned! {span=>
            const _: fn() = || {
                #attr
                fn #name() {}

                #private::is_poems_handler(&#name)
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

    let variables = variables(handler);
    // The first one is early in any case.
    let early = handler.extractors.iter().zip(&variables).skip(1).map(|(ty, variable)| {
        let span = variable.span();
        let name = format_ident!("{variable}_early", span = span);
        let extracted = extract_early(ty, &request, library);
        let extracted = or_redirected(args, &relocate_name(&request, span), span, extracted);
        quote_spanned!(span=> let #name = #extracted?;)
    });
    let mut order: Vec<_> = handler.extractors.iter().zip(&variables).enumerate().collect();
    order.sort_by_key(|(_, (ty, _))| reads_body(ty));
    let extract = order.into_iter().map(|(index, (ty, variable))| {
        let span = variable.span();
        let private = library.private(span);
        let names_user = names_user(ty);
        let ty = at_one_place(ty.clone(), span);
        let extracted = if names_user {
            quote_spanned!(span=> <#ty as #private::FromRequest<'_>>::from_request(&__req, &mut __body).await)
        } else {
            quote_spanned!(span=> #private::extract::<#ty>(&__req, &mut __body).await)
        };
        let extracted = or_redirected(args, &relocate_name(&request, span), span, extracted);
        if index == 0 {
            return quote_spanned!(span=> let #variable = #extracted?;);
        }
        let early = format_ident!("{variable}_early", span = span);
        quote_spanned! {span=>
            let #variable = match #early {
                #private::Option::Some(__early) => __early,
                #private::Option::None => #extracted?,
            };
        }
    });
    let fit = assert_fit(handler.extractors.iter().cloned(), &generics::unknown(&handler.generics), args);
    let settled = (variables.len() > 1).then(|| quote_spanned!(span=> #private::settled(&__req)?;));
    // The split comes first, so that the future holds one request and not two while it awaits the guard.
    quote_spanned! {span=>
        #fit
        let (__req, mut __body) = __req.split();
        #guard
        #(#early)*
        #settled
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
        #private::HandlerAnswer::answer(#name #turbofish (#(#variables),*) #wait)
    }
}

/// Returns whether an extractor takes the body, as far as the name of its type tells. With another name it is
/// extracted in its place.
fn reads_body(ty: &TokenStream) -> bool {
    const NAMES: [&str; 9] = ["Body", "Bytes", "Form", "Json", "Multipart", "String", "Vec", "Xml", "Yaml"];
    let last = match syn::parse2(ty.clone()) {
        Ok(Type::Path(path)) => path.path.segments.last().map(|segment| segment.ident.to_string()),
        _ => None,
    };
    last.is_some_and(|name| NAMES.contains(&name.as_str()))
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
