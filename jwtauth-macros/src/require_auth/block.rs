//! `#[require_auth]` on an impl block: a guard at the start of the `call` of an `impl Endpoint`.
//!
//! The block stays what it is, with one statement more; nothing is renamed and no type is made.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::spanned::Spanned;
use syn::{FnArg, ImplItem, ImplItemFn, ItemImpl, Stmt};

use super::args::Args;
use super::expand;
use crate::errors::Errors;
use crate::library::blame;

/// Puts the guard into the block. One that cannot be guarded comes back as it was, with the error.
pub(crate) fn guarded(mut block: ItemImpl, args: &Args) -> (TokenStream, Errors) {
    let mut errors = Errors::default();
    let name = block.self_ty.to_token_stream().to_string().replace(' ', "");
    match endpoint_call(&mut block) {
        Ok(call) => {
            if let Err(error) = put_guard(call, &name, args) {
                errors.push(error);
            }
        }
        Err(error) => errors.push(error),
    }
    (block.into_token_stream(), errors)
}

/// Finds the method that every request comes to.
fn endpoint_call(block: &mut ItemImpl) -> syn::Result<&mut ImplItemFn> {
    let keyword = block.impl_token.span;
    let Some((of_trait, _)) = &block.trait_ else {
        return Err(syn::Error::new(
            keyword,
            "cannot guard the methods of a type: put `#[require_auth]` on a handler `fn`, or on an `impl Endpoint for ..`\n\
             help: on a poem-openapi API it goes above `#[OpenApi]`, not below it",
        ));
    };
    let last = of_trait.segments.last().map(|segment| segment.ident.to_string()).unwrap_or_default();
    if last != "Endpoint" {
        let message = format!(
            "cannot guard an impl of `{last}`: put `#[require_auth]` on a handler `fn`, or on an `impl Endpoint for ..`"
        );
        return Err(syn::Error::new(of_trait.span(), message));
    }
    let call = block.items.iter_mut().find_map(|item| match item {
        ImplItem::Fn(method) if method.sig.ident == "call" => Some(method),
        _ => None,
    });
    call.ok_or_else(|| syn::Error::new(keyword, "found no `async fn call` in this `impl Endpoint` to guard"))
}

/// Makes the guard the first statement, before the name under which the body knows the request.
fn put_guard(call: &mut ImplItemFn, name: &str, args: &Args) -> syn::Result<()> {
    if call.sig.asyncness.is_none() {
        let message = "write `async fn call`: the guard is awaited before the body starts";
        return Err(syn::Error::new(call.sig.fn_token.span, message));
    }
    let span = blame(call.sig.ident.span());
    let request = Ident::new("__req", span);
    let mut params = call.sig.inputs.iter_mut().filter_map(|input| match input {
        FnArg::Typed(param) => Some(param),
        FnArg::Receiver(_) => None,
    });
    let (Some(param), None) = (params.next(), params.next()) else {
        let message = "`call` of an `Endpoint` takes `&self` and the request";
        return Err(syn::Error::new(call.sig.ident.span(), message));
    };
    let pattern = std::mem::replace(&mut *param.pat, syn::parse_quote!(#request));
    let policy = expand::policy(name, span, args);
    let guard = expand::guard(span, args);
    let statements: Vec<Stmt> = std::mem::take(&mut call.block.stmts);
    let bind = quote_spanned!(span=> let #pattern = #request;);
    call.block = syn::parse_quote!({
        #policy
        #guard
        #bind
        #(#statements)*
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

    #[test]
    fn the_guard_is_the_first_statement_of_call() {
        let (text, errors) = expanded(
            "#[cfg(all())] impl<T: A> poem::Endpoint for B<T> where T: C { type Output = (); \
             async fn call(&self, mut req: Request) -> Result<()> { let a = req; b } }",
        );
        assert_eq!(errors, Vec::<String>::new());
        let start = "# [cfg (all ())] impl < T : A > poem :: Endpoint for B < T > where T : C { type Output = () ; \
                     async fn call (& self , __req : Request) -> Result < () > { static __JWTAUTH_POLICY";
        assert!(text.starts_with(start), "{text}");
        let order = [
            "\"B<T>\"",
            ":: guard (& __req , & __JWTAUTH_POLICY) . await ? ;",
            ":: check (& __req , b) . await ? ;",
            "let mut req = __req ;",
            "let a = req ; b",
        ];
        let places: Vec<_> =
            order.iter().map(|what| text.find(what).unwrap_or_else(|| panic!("{what}: {text}"))).collect();
        assert!(places.is_sorted(), "{text}");
    }

    #[test]
    fn every_other_block_has_its_sentence() {
        let elsewhere = "put `#[require_auth]` on a handler `fn`, or on an `impl Endpoint for ..`";
        for (block, want) in [
            (
                "impl A { fn b() {} }",
                format!(
                    "cannot guard the methods of a type: {elsewhere}\n\
                     help: on a poem-openapi API it goes above `#[OpenApi]`, not below it"
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
            assert_eq!(text.replace(' ', ""), came.to_string().replace(' ', ""), "the block is kept");
        }
    }
}
