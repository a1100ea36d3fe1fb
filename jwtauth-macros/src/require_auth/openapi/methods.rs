//! Writes the routed methods, each with its guard.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::ReturnType;
use syn::ext::IdentExt;
use syn::spanned::Spanned;

use super::super::args::Args;
use super::super::generics;
use super::super::guard::{assert_fit, extract_early, names_user, policy};
use super::api::{Api, Operation, Param};
use crate::library::Library;
use crate::spans::{at_one_place, blame, relocate_name};

/// Returns the user's block and, below `#[OpenApi]`, the methods that call the user's.
pub(super) fn api(api: &Api, args: &Args) -> TokenStream {
    let block = &api.block;
    let Some(openapi) = &api.openapi else {
        return block.to_token_stream();
    };
    let span = blame(openapi.path().span());
    let library = &args.library;
    let private = library.private(span);
    let guards: Vec<_> = api.operations.iter().map(|operation| guard(operation, api, library)).collect();
    let cfg: Vec<_> = block.attrs.iter().filter(|attr| attr.path().is_ident("cfg")).collect();
    // The routed methods call the user's. An `allow` is an error under `forbid`, so it stands only where it
    // has to.
    let deprecated = api.has_deprecated.then(|| quote_spanned!(span=> #[allow(deprecated)]));
    let (generics, _, where_clause) = block.generics.split_for_impl();
    let self_ty = &block.self_ty;
    // A macro of the library, so that the library can report that the feature `openapi` is off.
    let routed = |when: Option<TokenStream>, has_scheme: bool| {
        let methods = api.operations.iter().map(|operation| method(operation, library, has_scheme));
        quote_spanned! {span=>
            #private::with_openapi! {
                #(#cfg)*
                #when
                #deprecated
                const _: () = {
                    use #private::openapi::Answer as __JwtauthAnswer;

                    #(#guards)*

                    #openapi
                    impl #generics #self_ty #where_clause {
                        #(#methods)*
                    }
                };
            }
        }
    };
    // A routed method has one parameter more than the user's, which may have the most that clippy allows. An
    // `allow` is an error under `forbid`, so clippy looks at methods without it. It runs none.
    let routed = if api.operations.iter().any(Operation::is_full) {
        let real = routed(Some(quote_spanned!(span=> #[cfg(not(clippy))])), true);
        let for_clippy = routed(Some(quote_spanned!(span=> #[cfg(clippy)])), false);
        quote!(#real #for_clippy)
    } else {
        routed(None, true)
    };
    quote!(#block #routed)
}

/// The names of the generated items for one operation.
struct Names {
    /// The type that stands for the operation in other types.
    operation: Ident,
    /// The function that puts the guard around its endpoint.
    guard: Ident,
    /// The method that is routed.
    method: Ident,
}

impl Names {
    fn of(operation: &Operation) -> Self {
        let method = operation.name.unraw();
        let span = blame(operation.name.span());
        Self {
            operation: format_ident!("__jwtauth_{method}_operation", span = span),
            guard: format_ident!("__jwtauth_{method}_guard", span = span),
            method: format_ident!("__jwtauth_{method}", span = span),
        }
    }
}

/// Returns the type that has the policy of an operation, and the function that puts the guard around it.
fn guard(operation: &Operation, api: &Api, library: &Library) -> TokenStream {
    let Names { operation: name, guard, .. } = Names::of(operation);
    let span = blame(operation.name.span());
    let private = library.private(span);
    let is_unsafe = operation.oai.is_unsafe();
    let is_checked = operation.args.as_ref().is_some_and(|args| !args.checks.is_empty());
    let policy = match &operation.args {
        Some(args) => {
            let ty = api.block.self_ty.to_token_stream().to_string().replace(' ', "");
            let policy = policy(&format!("{ty}::{}", operation.name.unraw()), span, args);
            quote_spanned!(span=> { #policy #private::Option::Some(&__JWTAUTH_POLICY) })
        }
        None => quote_spanned!(span=> #private::Option::None),
    };
    let guard = operation.args.as_ref().map(|args| {
        let transform = operation.oai.transform.as_ref().map(|transform| {
            let span = blame(transform.span());
            quote_spanned!(span=> let __ep = #transform(__ep);)
        });
        let checks = args.checks.iter().map(|rule| {
            let span = blame(rule.span());
            let private = library.private(span);
            quote_spanned! {span=>
                #private::openapi::checked::<#name>(&__req, #private::check(&__req, #rule).await)?;
            }
        });
        let fit = assert_fit(known_types(operation, api).map(|(_, ty)| ty), &[], args);
        // The caller comes before what reads the body. What was loaded is kept for the extraction itself. The
        // first one is early in any case.
        let early = known_types(operation, api).filter(|(index, _)| *index > 0).map(|(_, ty)| {
            let span = blame(ty.span());
            let private = library.private(span);
            let request = Ident::new("__req", span);
            let extracted = extract_early(&ty, &request, library);
            quote_spanned! {span=>
                #private::openapi::checked::<#name>(&__req, #private::Result::map(#extracted, |_| ()))?;
            }
        });
        // Of a user in brackets the compiler says it already.
        let types = known_types(operation, api).map(|(_, ty)| ty).filter(|ty| !names_user(ty));
        let asked = types.map(|ty| {
            let span = blame(ty.span());
            let private = library.private(span);
            let ty = at_one_place(ty, span);
            quote_spanned!(span=> const _: fn() = || #private::openapi::is_argument::<#ty>();)
        });
        quote_spanned! {span=>
            #fit

            #(#asked)*

            fn #guard(
                __ep: impl #private::Endpoint<Output = #private::Response> + 'static,
            ) -> impl #private::Endpoint {
                #transform
                #private::openapi::EndpointExt::before(__ep, |__req| async move {
                    #private::openapi::guard::<#name>(&__req).await?;
                    #(#checks)*
                    #(#early)*
                    #private::Result::Ok(__req)
                })
            }
        }
    });
    // The compiler finds out whether the path exists.
    let written = operation.written.as_ref().map(|path| {
        quote_spanned! {span=>
            const _: () = {
                #[#path]
                fn __written() {}
            };
        }
    });
    quote_spanned! {span=>
        #written

        struct #name;

        impl #private::openapi::Operation for #name {
            const POLICY: #private::Option<&'static #private::Policy> = #policy;
            const IS_CHECKED: #private::bool = #is_checked;
            const IS_UNSAFE: #private::bool = #is_unsafe;
        }

        #guard
    }
}

/// Returns the types of the parameters that mean the same outside the block: those that name no type
/// parameter, no constant and no `Self`. Each with its number. A lifetime of the method or the block is found
/// by the compiler.
fn known_types(operation: &Operation, api: &Api) -> impl Iterator<Item = (usize, TokenStream)> {
    let all = [&api.block.generics, &operation.sig.generics];
    let lifetimes: Vec<_> = all.into_iter().flat_map(generics::lifetimes).collect();
    let unknown: Vec<_> = all.into_iter().flat_map(generics::unknown).collect();
    let types = operation.params.iter().map(|param| param.ty.to_token_stream()).enumerate();
    types
        .filter(move |(_, ty)| !generics::names_any(ty.clone(), &unknown))
        .map(move |(index, ty)| (index, generics::anonymous(ty, &lifetimes)))
}

/// Returns the routed method: the user's, with one more parameter and another return type for the document.
/// Without `has_scheme` the parameter is left out.
fn method(operation: &Operation, library: &Library, has_scheme: bool) -> TokenStream {
    let Operation { attrs, oai, name, sig, receiver, params, .. } = operation;
    let names = Names::of(operation);
    let marker = &names.operation;
    let span = blame(name.span());
    let private = library.private(span);

    let transform = if operation.args.is_some() { Some(&names.guard) } else { oai.transform.as_ref() };
    let oai = oai.rewritten(transform, |ty| quote!(__JwtauthAnswer<#ty, #marker>));
    let arguments = receiver.iter().map(|receiver| receiver.self_token.to_token_stream());
    let arguments = arguments.chain(params.iter().map(|param| param.name.to_token_stream()));
    let params = params.iter().map(|Param { attrs, name, ty }| quote!(#(#attrs)* #name: #ty,));
    let receiver = receiver.as_ref().map(|receiver| quote!(#receiver,));
    let answer = match &sig.output {
        // The error for a type that is not a response points at the type.
        ReturnType::Type(_, ty) => quote_spanned!(blame(ty.span())=> __JwtauthAnswer<#ty, #marker>),
        ReturnType::Default => quote_spanned!(span=> __JwtauthAnswer<(), #marker>),
    };
    let (generics, _, where_clause) = sig.generics.split_for_impl();
    let (asyncness, wait) = match &sig.asyncness {
        Some(asyncness) => (Some(asyncness), Some(quote_spanned!(span=> .await))),
        None => (None, None), // poem-openapi reports it
    };
    let method = &names.method;
    let fn_token = &sig.fn_token;
    let call = relocate_name(name, span);
    let scheme = has_scheme.then(|| quote_spanned!(span=> __jwtauth: #private::openapi::Scheme<#marker>,));
    quote_spanned! {span=>
        #(#attrs)*
        #oai
        #asyncness #fn_token #method #generics (
            #receiver
            #(#params)*
            #scheme
        ) -> #answer #where_clause {
            __JwtauthAnswer::new(Self::#call(#(#arguments),*) #wait)
        }
    }
}
