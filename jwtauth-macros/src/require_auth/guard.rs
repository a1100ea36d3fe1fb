//! Writes the guard that handlers, impl blocks and APIs share: the policy, the calls, the checks.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::spanned::Spanned;

use super::args::{Args, Need, PolicyStep, Values};
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

/// Returns the guard of `request`, and after it the application's own checks.
pub(super) fn guard(request: &Ident, span: Span, args: &Args) -> TokenStream {
    let private = args.library.private(span);
    let checks = args.checks.iter().map(|rule| {
        let span = blame(rule.span());
        let private = args.library.private(span);
        let rule = at_one_place(rule.to_token_stream(), span);
        let request = relocate_name(request, span);
        let asked = quote_spanned!(span=> #private::check(&#request, #rule).await);
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

/// Makes the compiler refuse a parameter that does not accept anonymous users. `optional` allows them.
pub(super) fn assert_accepts_anonymous(
    types: impl Iterator<Item = TokenStream>,
    library: &Library,
) -> TokenStream {
    let types = types.map(|ty| {
        let span = blame(ty.span());
        let private = library.private(span);
        let ty = at_one_place(ty, span);
        quote_spanned! {span=>
            const _: () = {
                use #private::AnyArgument as _;
                #private::allows_anonymous(<#private::Argument<#ty>>::ALLOWS_ANONYMOUS)
            };
        }
    });
    types.collect()
}
