//! Writes the guard that handlers, impl blocks and APIs share: the policy, the checks, and the calls of both.
//!
//! Policy and checks are items of their own, outside of everything that the user has written. There the names
//! in the attribute mean what they mean where the attribute stands. Inside, a generic parameter or an item of
//! a body could have the same name.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote_spanned};
use syn::Expr;
use syn::spanned::Spanned;

use super::args::{Args, Need, PolicyStep, Values, without_group};
use super::generics::names_any;
use crate::library::Library;
use crate::spans::{at_one_place, blame, relocate_name};

/// Returns the policy as constant data. `name` is the handler's name in the log.
pub(super) fn policy(name: &str, span: Span, args: &Args) -> TokenStream {
    let private = args.library.private(span);
    let needs = args.needs.iter().map(|Need { word, values }| {
        let span = blame(word.span());
        let private = args.library.private(span);
        let word = Ident::new(&word.to_string(), span);
        match values {
            Values::One(value) => quote_spanned!(span=> #private::Need::#word(#value)),
            Values::List(values) => {
                let values = array(quote_spanned!(span=> [#(#values),*]), values.iter());
                quote_spanned!(span=> #private::Need::#word(&#values))
            }
        }
    });
    let needs = array(quote_spanned!(span=> [#(#needs),*]), args.needs.iter().flat_map(Need::values));
    let mut policy = quote_spanned! {span=>
        #private::Policy::new(
            #private::Site {
                handler: #private::concat!(#private::module_path!(), "::", #name),
                file: #private::file!(),
                line: #private::line!(),
            },
            &#needs,
        )
    };
    // Each call is around the policy, not after it: an error then points at the refused value alone.
    for PolicyStep { span, method, value } in args.policy_steps() {
        let span = blame(span);
        let private = args.library.private(span);
        let method = Ident::new(method, span);
        let value = value.map(|value| quote_spanned!(span=> , #value));
        policy = quote_spanned!(span=> #private::Policy::#method(#policy #value));
    }
    quote_spanned!(span=> static __JWTAUTH_POLICY: #private::Policy = #policy;)
}

/// Returns an array that can be borrowed for ever. The compiler sees to that itself, unless a value has a
/// branch in it, as in `role = if cfg!(debug_assertions) { "tester" } else { "admin" }`. A block for all
/// values would make its messages longer.
fn array<'v>(array: TokenStream, mut values: impl Iterator<Item = &'v Expr>) -> TokenStream {
    let is_simple = |value: &Expr| matches!(without_group(value), Expr::Lit(_) | Expr::Path(_));
    if values.all(is_simple) {
        return array;
    }
    let span = array.span();
    quote_spanned!(span=> const { #array })
}

/// Returns the items that [`guard`] uses: the policy, and a function for each check.
pub(super) fn items(name: &str, span: Span, args: &Args) -> TokenStream {
    let policy = policy(name, span, args);
    let checks = args.checks.iter().enumerate().map(|(index, rule)| {
        let span = blame(rule.span());
        let private = args.library.private(span);
        let rule = at_one_place(rule.to_token_stream(), span);
        let name = check_name(index, span);
        quote_spanned! {span=>
            fn #name(__req: &#private::Request) -> #private::Pending<'_> {
                #private::check(__req, #rule)
            }
        }
    });
    quote_spanned!(span=> #policy #(#checks)*)
}

fn check_name(index: usize, span: Span) -> Ident {
    format_ident!("__jwtauth_check_{index}", span = span)
}

/// Returns the guard of `request`, and after it the application's own checks.
pub(super) fn guard(request: &Ident, span: Span, args: &Args) -> TokenStream {
    let private = args.library.private(span);
    let checks = args.checks.iter().enumerate().map(|(index, rule)| {
        let span = blame(rule.span());
        let request = relocate_name(request, span);
        let name = check_name(index, span);
        let asked = quote_spanned!(span=> #name(&#request).await);
        let asked = or_redirected(args, &request, span, asked);
        quote_spanned!(span=> #asked?;)
    });
    quote_spanned! {span=>
        #private::guard(&#request, &__JWTAUTH_POLICY).await?;
        #(#checks)*
    }
}

/// If `result` is an error because nobody is logged in, redirects to the login page instead.
///
/// The guard cannot see that if the session is valid, but its user does not exist any more.
pub(super) fn or_redirected(args: &Args, request: &Ident, span: Span, result: TokenStream) -> TokenStream {
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

/// Makes the compiler refuse a parameter that does not go with the arguments: with `optional`, one that
/// anonymous users have no value for; without it, an `Option` that is never `None`.
///
/// What names one of the `generics` is known where these are known: when the handler is used.
pub(super) fn assert_fit(
    types: impl Iterator<Item = TokenStream>,
    generics: &[Ident],
    args: &Args,
) -> TokenStream {
    let is_optional = args.optional.is_some();
    let types = types.map(|ty| {
        let span = blame(ty.span());
        let private = args.library.private(span);
        let is_known = !names_any(ty.clone(), generics);
        let ty = at_one_place(ty, span);
        let fits = if is_optional {
            quote_spanned!(span=> #private::allows_anonymous(<#private::Argument<#ty>>::ALLOWS_ANONYMOUS))
        } else {
            quote_spanned!(span=> #private::is_none_at_times(<#private::Argument<#ty>>::NEEDS_OPTIONAL))
        };
        let asserted = quote_spanned! {span=>
            {
                use #private::AnyArgument as _;
                #fits
            }
        };
        if is_known {
            quote_spanned!(span=> const _: () = #asserted;)
        } else {
            quote_spanned!(span=> let () = const #asserted;)
        }
    });
    types.collect()
}

/// Extracts a parameter ahead of the others if it is the caller, who may be refused. The result is an
/// `Option`, in a `Result`.
pub(super) fn extract_early(ty: &TokenStream, request: &Ident, library: &Library) -> TokenStream {
    let span = blame(ty.span());
    let private = library.private(span);
    let (ty, request) = (at_one_place(ty.clone(), span), relocate_name(request, span));
    quote_spanned! {span=>
        {
            use #private::AnyArgument as _;
            <#private::Argument<#ty>>::early(&#request).await
        }
    }
}

/// Returns whether a type names the user in brackets. Then poem's own trait extracts it, because its error
/// points at that user.
pub(super) fn names_user(ty: &TokenStream) -> bool {
    let names =
        |token| matches!(token, TokenTree::Ident(name) if name == "CurrentUser" || name == "MaybeUser");
    ty.clone().into_iter().any(names)
}
