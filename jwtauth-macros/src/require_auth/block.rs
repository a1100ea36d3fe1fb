//! `#[require_auth]` on an `impl Endpoint`: puts the guard at the start of `call`.
//!
//! Nothing else in the block changes. No type is added, and nothing is renamed. The block goes into a
//! constant with the items of the guard, and the user's statements into a block of their own, so that no name
//! of the one is seen by the other.

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::{ToTokens, quote_spanned};
use syn::spanned::Spanned;
use syn::{FnArg, ImplItem, ImplItemFn, ItemImpl, Pat, PatIdent, Stmt};

use super::args::Args;
use super::guard;
use crate::errors::Errors;
use crate::spans::blame;

/// Puts the guard into the block. A block that cannot be guarded is returned unchanged, with the error.
pub(super) fn guarded(mut block: ItemImpl, args: &Args) -> (TokenStream, Errors) {
    let name = block.self_ty.to_token_stream().to_string().replace(' ', "");
    let mut errors = Errors::default();
    if let Err(error) = is_endpoint(&block) {
        errors.push(error);
        return (block.into_token_stream(), errors);
    }
    let keyword = block.impl_token.span;
    let is_guarded = names_a_guard(block.to_token_stream());
    let mut calls = 0;
    let mut place = keyword;
    for item in &mut block.items {
        // There can be several, each with its own `#[cfg]`.
        let result = match item {
            ImplItem::Fn(method) if method.sig.ident == "call" => {
                calls += 1;
                place = if calls == 1 { method.sig.ident.span() } else { place };
                put_guard(method, args)
            }
            ImplItem::Fn(method) => Err(syn::Error::new(
                method.sig.ident.span(),
                format!(
                    "`{}` would answer requests without the guard: \
                     remove it, the default method uses `call`",
                    method.sig.ident
                ),
            )),
            ImplItem::Macro(item) => Err(syn::Error::new(
                item.mac.path.span(),
                "a macro could add methods that answer without the guard: write the methods out",
            )),
            _ => Ok(()),
        };
        if let Err(error) = result {
            errors.push(error);
        }
    }
    if calls == 0 && errors.is_empty() {
        errors.add(keyword, "found no `async fn call` in this `impl Endpoint` to guard");
    }
    if is_guarded {
        // Under another name, or written by a macro. Both guards would have the conditions of the inner one.
        errors.add(keyword, "second `#[require_auth]` on one handler: put all conditions in one");
    }
    let span = blame(place);
    let items = guard::items(&name, span, args);
    let output = quote_spanned! {span=>
        const _: () = {
            #items

            #block
        };
    };
    (output, errors)
}

/// Tells whether tokens have the name of a policy, as a guard writes it.
fn names_a_guard(tokens: TokenStream) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(name) => name == "__JWTAUTH_POLICY",
        TokenTree::Group(group) => names_a_guard(group.stream()),
        TokenTree::Punct(_) | TokenTree::Literal(_) => false,
    })
}

/// Refuses a block that is not an `impl Endpoint`.
fn is_endpoint(block: &ItemImpl) -> syn::Result<()> {
    let Some((of_trait, _)) = &block.trait_ else {
        return Err(syn::Error::new(
            block.impl_token.span,
            "cannot guard the methods of a type: \
             put `#[require_auth]` on a handler `fn`, or on an `impl Endpoint for ..`\n\
             help: on a poem-openapi API, put it above `#[OpenApi]`",
        ));
    };
    let last = of_trait.segments.last().map(|segment| segment.ident.to_string()).unwrap_or_default();
    if last == "Endpoint" {
        return Ok(());
    }
    let message = format!(
        "cannot guard an impl of `{last}`: \
         put `#[require_auth]` on a handler `fn`, or on an `impl Endpoint for ..`"
    );
    Err(syn::Error::new(of_trait.span(), message))
}

/// Makes the guard the first statement of the method.
fn put_guard(call: &mut ImplItemFn, args: &Args) -> syn::Result<()> {
    if call.sig.asyncness.is_none() {
        let message = "write `async fn call`: the guard is awaited before the body starts";
        return Err(syn::Error::new(call.sig.fn_token.span, message));
    }
    let span = blame(call.sig.ident.span());
    let mut params = call.sig.inputs.iter_mut().filter_map(|input| match input {
        FnArg::Typed(param) => Some(param),
        FnArg::Receiver(_) => None,
    });
    let (Some(param), None) = (params.next(), params.next()) else {
        let message = "`call` of an `Endpoint` takes `&self` and the request";
        return Err(syn::Error::new(call.sig.ident.span(), message));
    };
    // If the request has a name, it stays: other attributes of the method may use it.
    let (request, bind) = match &*param.pat {
        Pat::Ident(PatIdent { by_ref: None, subpat: None, ident, .. }) => (ident.clone(), None),
        _ => {
            let request = Ident::new("__req", span);
            let pattern = std::mem::replace(&mut *param.pat, syn::parse_quote!(#request));
            let bind = quote_spanned!(span=> let #pattern = #request;);
            (request, Some(bind))
        }
    };
    let guard = guard::guard(&request, span, args);
    let statements: Vec<Stmt> = std::mem::take(&mut call.block.stmts);
    call.block = syn::parse_quote!({
        #guard
        #bind
        { #(#statements)* }
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(block: &str) -> (String, Vec<String>) {
        let (args, _) = Args::parse("role = \"a\", check = b".parse().expect("tokens"));
        let (tokens, errors) = guarded(syn::parse_str(block).expect("a block"), &args);
        (tokens.to_string(), errors.messages())
    }

    /// N-15: `#[require_auth]` under another name. Its guard would have the conditions of the first.
    #[test]
    fn n_15_a_second_guard_of_another_name_is_refused() {
        let block = "impl Endpoint for A { type Output = (); async fn call(&self, req: Request) -> R { b } }";
        let (first, errors) = expanded(block);
        assert_eq!(errors, Vec::<String>::new());
        let start = first.find("impl Endpoint").unwrap();
        let end = first.rfind('}').unwrap();
        let (_, errors) = expanded(&first[start..end]);
        assert!(errors.len() == 1 && errors[0].starts_with("second `#[require_auth]`"), "{errors:?}");
    }

    #[test]
    fn the_guard_is_the_first_statement_of_call() {
        let (text, errors) = expanded(
            "#[cfg(all())] impl<T: A> poem::Endpoint for B<T> where T: C { type Output = (); \
             async fn call(&self, mut req: Request) -> Result<()> { let a = req; b } }",
        );
        assert_eq!(errors, Vec::<String>::new());
        let start = "# [cfg (all ())] impl < T : A > poem :: Endpoint for B < T > where T : C { type Output = () ; \
                     async fn call (& self , mut req : Request) -> Result < () > { :: jwtauth";
        let order = [
            "const _ : () = { static __JWTAUTH_POLICY",
            "\"B<T>\"",
            ":: check (__req , b)",
            start,
            ":: guard (& req , & __JWTAUTH_POLICY) . await ? ;",
            "__jwtauth_check_0 (& req) . await ? ;",
            "{ let a = req ; b }",
        ];
        let places: Vec<_> =
            order.iter().map(|what| text.find(what).unwrap_or_else(|| panic!("{what}: {text}"))).collect();
        assert!(places.is_sorted(), "{text}");
    }

    #[test]
    fn a_request_without_a_name_gets_one() {
        let (text, errors) = expanded("impl Endpoint for A { async fn call(&self, _: Request) -> B { c } }");
        assert_eq!(errors, Vec::<String>::new());
        let order = ["__req : Request", ":: guard (& __req ,", "check_0 (& __req)", "let _ = __req ;", "c }"];
        let places: Vec<_> = order.iter().map(|what| text.find(what).expect(what)).collect();
        assert!(places.is_sorted(), "{text}");
    }

    #[test]
    fn every_call_is_guarded() {
        let (text, errors) = expanded(
            "impl Endpoint for A { #[cfg(a)] async fn call(&self, b: C) -> D { e } \
             #[cfg(not(a))] async fn call(&self, b: C) -> D { f } }",
        );
        assert_eq!(errors, Vec::<String>::new());
        assert_eq!(text.matches(":: guard (& b ,").count(), 2, "{text}");
    }

    /// The guard in `call` does not protect another method that answers requests.
    #[test]
    fn a_method_beside_call_is_refused() {
        let call = "async fn call(&self, b: C) -> D { e }";
        let (text, errors) =
            expanded(&format!("impl Endpoint for A {{ {call} async fn get_response(&self, b: C) {{}} }}"));
        let want = "`get_response` would answer requests without the guard: \
                    remove it, the default method uses `call`";
        assert_eq!(errors, [want]);
        assert_eq!(text.matches(":: guard (").count(), 1, "{text}");
        let (_, errors) = expanded(&format!("impl Endpoint for A {{ {call} more!{{}} }}"));
        assert_eq!(
            errors,
            ["a macro could add methods that answer without the guard: write the methods out"]
        );
    }

    #[test]
    fn every_other_block_has_its_sentence() {
        let elsewhere = "put `#[require_auth]` on a handler `fn`, or on an `impl Endpoint for ..`";
        for (block, want) in [
            (
                "impl A { fn b() {} }",
                format!(
                    "cannot guard the methods of a type: {elsewhere}\n\
                     help: on a poem-openapi API, put it above `#[OpenApi]`"
                ),
            ),
            ("unsafe impl Send for A {}", format!("cannot guard an impl of `Send`: {elsewhere}")),
            ("impl Endpoint for A {}", "found no `async fn call` in this `impl Endpoint` to guard".into()),
            (
                "impl Endpoint for A { fn call(&self, r: Request) -> impl Future {} }",
                "write `async fn call`: the guard is awaited before the body starts".into(),
            ),
            (
                "impl Endpoint for A { async fn call(&self) {} }",
                "`call` of an `Endpoint` takes `&self` and the request".into(),
            ),
        ] {
            let (text, errors) = expanded(block);
            assert_eq!(errors, [want], "{block}");
            let came: TokenStream = block.parse().expect("tokens");
            assert!(text.replace(' ', "").contains(&came.to_string().replace(' ', "")), "the block is kept");
        }
    }
}
