//! `#[require_auth]`: turns a handler function into a guarded poem endpoint, and guards endpoints and APIs
//! that are impl blocks.
//!
//! `args` parses the arguments and `item` the item below the attribute; `signature` says what a handler's
//! cannot have. `guard` writes the guard. `endpoint` writes the endpoint of a function, `block` puts the
//! guard into an `impl Endpoint`, and `openapi` puts it around each operation of an API.
//!
//! # Invariants
//!
//! 1. The guard is awaited before the first extractor, and so before the body is read.
//! 2. Every order of `#[require_auth]` and `#[handler]` is guarded or does not compile.
//! 3. The tokens of the user's function pass through with their spans. What it borrows, returns, documents or
//!    allows stays the same.

mod args;
mod attributes;
mod block;
mod endpoint;
mod generics;
mod guard;
mod item;
mod openapi;
mod order;
mod signature;
mod surroundings;

use proc_macro2::{Span, TokenStream};
use quote::quote;

use self::args::Args;
use self::item::Item;

pub(crate) use self::order::source_before;

/// Expands the attribute. `before` is the source above it, as far as it is known.
///
/// After a mistake in the arguments or in the order, the rest of the endpoint is still written. After a
/// mistake in the function, an endpoint is written that never runs. Either one stands beside the errors.
pub(crate) fn expand(args: TokenStream, item: TokenStream, before: &str) -> TokenStream {
    let (args, mut errors) = Args::parse(args);
    if order::ends_in_handler(before) {
        errors.add(
            Span::call_site(),
            "`#[require_auth]` must be above `#[handler]`\n\
             help: below it, `#[handler]` reads the request before the login is checked\n\
             help: swap the two lines, or remove `#[handler]`",
        );
    }
    let as_it_came = item.clone();
    let (item, more) = item::parse(item);
    errors.extend(more);
    let output = match item {
        Item::Handler(handler) | Item::Refused(handler) if surroundings::ends_in_block(before) => {
            errors.add(
                handler.sig.ident.span(),
                "cannot guard a function of a type or a trait, because an endpoint is a type of its own: \
                 put the `fn` outside of the block\n\
                 help: on a poem-openapi API, put `#[require_auth]` on the block, above `#[OpenApi]`; \
                 an operation takes `&self`",
            );
            as_it_came
        }
        Item::Handler(handler) => endpoint::endpoint(&handler, &args),
        Item::Refused(handler) => endpoint::stub(&handler, &args),
        Item::Block(block) => {
            let guarded = if openapi::is_api(&block) { openapi::guarded } else { block::guarded };
            let (output, more) = guarded(*block, &args);
            errors.extend(more);
            output
        }
        Item::Other(tokens) => tokens,
    };
    quote!(#errors #output)
}

#[cfg(test)]
mod tests {
    use quote::ToTokens;
    use syn::{File, ImplItem, Item, LitStr, Stmt};

    use super::*;

    fn expanded(args: &str, item: &str) -> File {
        let (args, item) = (args.parse().expect("tokens"), item.parse().expect("tokens"));
        syn::parse2(expand(args, item, "")).expect("items")
    }

    fn messages(file: &File) -> Vec<String> {
        let macros = file.items.iter().filter_map(|item| match item {
            Item::Macro(item) => item.mac.parse_body::<LitStr>().ok(),
            _ => None,
        });
        macros.map(|text| text.value()).collect()
    }

    /// Returns the items in the constant: those of the guard, and the impls.
    fn inside(file: &File) -> Vec<Item> {
        let constant = file.items.iter().find_map(|item| match item {
            Item::Const(item) => Some(&*item.expr),
            _ => None,
        });
        let Some(syn::Expr::Block(block)) = constant else { panic!("no constant") };
        let items = block.block.stmts.iter().map(|statement| match statement {
            Stmt::Item(item) => item.clone(),
            other => panic!("no item: {}", other.to_token_stream()),
        });
        items.collect()
    }

    /// Returns the statements of `Endpoint::call`, as text.
    fn call(file: &File) -> Vec<String> {
        let items = inside(file);
        let endpoint = items.iter().find_map(|item| match item {
            Item::Impl(item) if item.to_token_stream().to_string().contains(":: Endpoint for") => {
                item.items.iter().find_map(|item| match item {
                    ImplItem::Fn(call) => Some(call),
                    _ => None,
                })
            }
            _ => None,
        });
        let statements = endpoint.expect("an endpoint").block.stmts.iter();
        statements.map(|statement: &Stmt| statement.to_token_stream().to_string()).collect()
    }

    fn position(statements: &[String], what: &str) -> usize {
        let found: Vec<_> = (0..statements.len()).filter(|at| statements[*at].contains(what)).collect();
        assert_eq!(found.len(), 1, "{what}: {statements:#?}");
        found[0]
    }

    #[test]
    fn the_guard_comes_before_every_extractor() {
        let file = expanded(
            "role = \"admin\"",
            "pub async fn create(user: User, Json(p): Json<Post>) -> Json<u32> { Json(p.id) }",
        );
        assert_eq!(messages(&file), Vec::<String>::new());
        let call = call(&file);
        let order = [
            "async fn create",
            "Argument < User > > :: NEEDS_OPTIONAL",
            "Argument < Json < Post > > > :: NEEDS_OPTIONAL",
            ". split ()",
            ":: guard (& __req , & __JWTAUTH_POLICY) . await ?",
            "Argument < Json < Post > > > :: early (& __req) . await",
            ":: settled (& __req) ?",
            "let __p0 = :: jwtauth :: __private :: extract :: < User >",
            "extract :: < Json < Post > >",
            ":: settled (& __req) ?",
            ":: answer (create (__p0 , __p1) . await)",
        ];
        assert_eq!(call.len(), order.len(), "{call:#?}");
        for (statement, what) in call.iter().zip(order) {
            assert!(statement.contains(what), "{what}: {statement}");
        }
    }

    #[test]
    fn n_14_what_reads_the_body_is_extracted_last_and_arguments_keep_their_places() {
        let call = call(&expanded("", "fn a(b: poem::web::Json<B>, c: Bytes, d: Admin, e: E) {}"));
        let places = [
            "let __p2 = match",
            "let __p3 = match",
            "let __p0 =",
            "let __p1 = match",
            "a (__p0 , __p1 , __p2 , __p3)",
        ]
        .map(|what| position(&call, what));
        assert!(places.is_sorted(), "{call:#?}");
    }

    #[test]
    fn without_parameters_there_is_only_the_guard() {
        let call = call(&expanded("", "fn ping() -> &'static str { \"pong\" }"));
        assert_eq!(call.len(), 3, "{call:#?}");
        assert_eq!(position(&call, ":: guard (& __req , & __JWTAUTH_POLICY) . await ?"), 1);
        assert_eq!(position(&call, ":: answer (ping ())"), 2);
    }

    #[test]
    fn above_handler_the_endpoint_is_the_same() {
        let alone = call(&expanded("", "async fn old(user: User) {}"));
        let mut above = call(&expanded("", "/// Docs.\n #[poem::handler] pub async fn old(user: User) {}"));
        let replaced = above.remove(0);
        assert!(replaced.contains("# [poem :: handler] fn __replaced () { }"), "{replaced}");
        assert_eq!(above, alone);
    }

    #[test]
    fn conditions_reach_the_policy() {
        let cases = [
            ("", "line ! () , } , & [] ,)"),
            ("role = roles::ADMIN", "& [:: jwtauth :: __private :: Need :: role (roles :: ADMIN)] ,)"),
            ("all_scopes(A, B)", "& [:: jwtauth :: __private :: Need :: all_scopes (& [A , B])] ,)"),
            ("optional", "Policy :: optional (:: jwtauth"),
            ("fresh = \"5m\"", ", 300u64)"),
            ("no_api_keys", "Policy :: no_api_keys (:: jwtauth"),
            ("redirect = \"/login\"", ", \"/login\")"),
            ("csrf = false", "Policy :: any_site (:: jwtauth"),
        ];
        for (args, want) in cases {
            let policy = inside(&expanded(args, "fn r#type() {}")).remove(0).to_token_stream().to_string();
            assert!(
                policy.starts_with("static __JWTAUTH_POLICY") && policy.contains(want),
                "{args}: {policy}"
            );
            assert!(policy.contains("\"::\" , \"type\""), "{policy}");
        }
    }

    #[test]
    fn only_structs_that_cannot_be_called_are_written() {
        let cases = [
            ("fn a() {}", "struct a ;"),
            ("fn a<'a>(b: &'a B) {}", "struct a ;"),
            (
                "pub(crate) fn a<T>(b: T) {}",
                "pub (crate) struct a < T : ? :: jwtauth :: __private :: Sized > { write_the_types",
            ),
            ("fn a<const N: usize>() {}", "struct a < const N : usize > { write_the_types"),
        ];
        for (item, want) in cases {
            // With another name, and under the handler's own one what is no type or is not callable either.
            let deprecated = expanded("", &format!("#[deprecated] {item}"));
            let shown = deprecated.items[1].to_token_stream().to_string();
            assert!(
                deprecated.items[0].to_token_stream().to_string().contains("struct __jwtauth_a"),
                "{shown}"
            );
            assert!(shown.contains("const a : __jwtauth_a") || shown.contains("type a <"), "{shown}");
            let text = expanded("", item).items[0].to_token_stream().to_string();
            assert!(text.contains(want), "{text}");
        }
    }

    /// Outside of the endpoint and its generics, so that no name in there can be meant.
    #[test]
    fn n_12_what_the_attribute_names_stands_outside_of_the_endpoint() {
        let all = "role = ADMIN, any_role(ADMIN), scope = ADMIN, check = ADMIN::rule, redirect = ADMIN";
        for item in [
            "async fn a<ADMIN, const B: usize>(b: ADMIN) { use legacy::*; }",
            "#[handler] fn a() {}",
            "impl<ADMIN> poem::Endpoint for A { async fn call(&self, b: C) -> D { use legacy::*; } }",
        ] {
            let items = inside(&expanded(all, item));
            let text = |item: &Item| item.to_token_stream().to_string();
            let named: usize = items.iter().take(2).map(|item| text(item).matches("ADMIN").count()).sum();
            assert_eq!(named, 5, "{item}");
            assert!(
                text(&items[0]).starts_with("static")
                    && text(&items[1]).starts_with("fn __jwtauth_check_0 (")
            );
            let call = call(&expanded(all, item)).concat().replace("b : ADMIN", "").replace("< ADMIN", "");
            assert!(!call.contains("ADMIN"), "{call}");
        }
    }

    #[test]
    fn generics_are_named_in_the_call() {
        let file = expanded("", "async fn a<T: B, const N: usize>(b: T) where T: C {}");
        let call = call(&file);
        position(&call, "a :: < T , N > (__p0)");
    }

    #[test]
    fn a_wrong_argument_leaves_the_whole_endpoint() {
        let file = expanded("rolle = \"a\", \"b\"", "async fn a(user: User) {}");
        assert_eq!(messages(&file).len(), 2);
        position(&call(&file), ":: guard (");
    }

    #[test]
    fn a_wrong_signature_leaves_a_stub() {
        let file = expanded("rolle = \"a\"", "unsafe fn a(user: User) {}");
        assert_eq!(messages(&file).len(), 2);
        assert_eq!(call(&file), ["loop { }"]);
    }

    #[test]
    fn the_wrong_order_is_an_error_beside_the_endpoint() {
        let expanded = expand(
            quote!(),
            quote!(
                fn a() {}
            ),
            "#[handler]\n",
        );
        let file: File = syn::parse2(expanded).expect("items");
        let want = "`#[require_auth]` must be above `#[handler]`\n\
                    help: below it, `#[handler]` reads the request before the login is checked\n\
                    help: swap the two lines, or remove `#[handler]`";
        assert_eq!(messages(&file), [want]);
        position(&call(&file), ":: guard (");
    }

    /// N-16: the compiler would say that a struct is not supported there.
    #[test]
    fn n_16_a_function_of_a_type_is_one_error_and_stays() {
        let item = "async fn a(user: User) {}".parse().expect("tokens");
        let file: File = syn::parse2(expand(quote!(), item, "impl A { ")).expect("items");
        let messages = messages(&file);
        assert!(messages.len() == 1 && messages[0].contains("outside of the block"), "{messages:?}");
        assert!(matches!(&file.items[1..], [Item::Fn(_)]));
    }

    #[test]
    fn another_name_of_the_library_is_used_everywhere() {
        let item = quote! {
            #[deprecated]
            pub async fn a<T: B, const N: usize>(b: T) -> C {}
        };
        let text = expand(quote!(crate = ::renamed, role = R), item, "").to_string();
        assert!(!text.replace("__jwtauth_a", "").contains("jwtauth"), "{text}");
    }
}
