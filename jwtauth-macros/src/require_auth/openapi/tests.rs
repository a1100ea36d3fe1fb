//! The expansion of an API, and every message about a mistake in one.

use quote::ToTokens;
use syn::{File, Item, Stmt};

use super::*;

fn expanded(args: &str, block: &str) -> (File, Vec<String>) {
    let (args, errors) = Args::parse(args.parse().expect("tokens"));
    assert_eq!(errors.messages(), Vec::<String>::new(), "the block's arguments are right");
    let block: ItemImpl = syn::parse_str(block).expect("a block");
    assert!(is_api(&block));
    let (tokens, errors) = guarded(block, &args);
    (syn::parse2(tokens).expect("items"), errors.messages())
}

fn good(args: &str, block: &str) -> File {
    let (file, errors) = expanded(args, block);
    assert_eq!(errors, Vec::<String>::new(), "{block}");
    file
}

fn text(tokens: impl ToTokens) -> String {
    tokens.to_token_stream().to_string()
}

/// Returns the items in the constant: for each operation its type and its guard, and the routed block.
fn routed(file: &File) -> (Vec<String>, ItemImpl) {
    let Some(Item::Macro(item)) = file.items.get(1) else { panic!("no macro: {}", text(file)) };
    let constant: syn::ItemConst = item.mac.parse_body().expect("a constant");
    let syn::Expr::Block(block) = *constant.expr else { panic!("no block") };
    let mut items: Vec<Item> = block
        .block
        .stmts
        .into_iter()
        .map(|statement| match statement {
            Stmt::Item(item) => item,
            other => panic!("no item: {}", text(other)),
        })
        .collect();
    let Some(Item::Impl(api)) = items.pop() else { panic!("no block is routed") };
    (items.iter().skip(1).map(text).collect(), api)
}

const API: &str = "
    /// Posts.
    #[cfg(all())] #[OpenApi(prefix_path = \"/a\")]
    impl<T: B> Api<T> where T: C {
        const LIMIT: u32 = 1;
        /// Reads.
        #[instrument] #[oai(path = \"/:id\", method = \"get\", tag = \"D::E\")]
        pub async fn read(&self, #[oai(default)] Path(id): Path<u64>, user: User) -> Result<Json<Post>> { id }
        #[require_auth(role = \"b\", check = c)]
        #[oai(path = \"/\", method = \"post\", transform = \"limited\", actual_type = \"Json<u8>\")]
        async fn r#type(&self, mut body: Json<New>) { body }
        #[public] #[oai(path = \"/\", method = \"get\", transform = \"cached\")]
        async fn open(&self) -> PlainText<String> { text }
        async fn helper(&self) {}
    }";

#[test]
fn the_users_block_stays_without_the_attributes() {
    let file = good("role = \"a\"", API);
    let want = "#[doc=\" Posts.\"]#[cfg(all())]impl<T:B>Api<T>whereT:C{\
                constLIMIT:u32=1;\
                #[doc=\" Reads.\"]#[instrument]pubasyncfnread(&self,Path(id):Path<u64>,user:User)->Result<Json<Post>>{id}\
                asyncfnr#type(&self,mutbody:Json<New>){body}\
                asyncfnopen(&self)->PlainText<String>{text}\
                asyncfnhelper(&self){}}";
    assert_eq!(text(&file.items[0]).replace(' ', ""), want.replace(' ', ""));
    assert_eq!(file.items.len(), 2);
}

#[test]
fn a_method_is_routed_for_each_operation() {
    let (_, api) = routed(&good("role = \"a\"", API));
    let methods: Vec<_> = api.items.iter().map(|item| text(item).replace(' ', "")).collect();
    let want = [
        "#[doc=\"Reads.\"]\
         #[oai(transform=\"__jwtauth_read_guard\",path=\"/:id\",method=\"get\",tag=\"D::E\")]\
         asyncfn__jwtauth_read(&self,#[oai(default)]id:Path<u64>,user:User,\
         __jwtauth:::jwtauth::__private::openapi::Scheme<__jwtauth_read_operation>,)\
         ->__JwtauthAnswer<Result<Json<Post>>,__jwtauth_read_operation>\
         {__JwtauthAnswer::new(Self::read(self,id,user).await)}",
        "#[oai(transform=\"__jwtauth_type_guard\",\
         actual_type=\"__JwtauthAnswer<Json<u8>,__jwtauth_type_operation>\",path=\"/\",method=\"post\")]\
         asyncfn__jwtauth_type(&self,body:Json<New>,\
         __jwtauth:::jwtauth::__private::openapi::Scheme<__jwtauth_type_operation>,)\
         ->__JwtauthAnswer<(),__jwtauth_type_operation>\
         {__JwtauthAnswer::new(Self::r#type(self,body).await)}",
        "#[oai(transform=\"cached\",path=\"/\",method=\"get\")]\
         asyncfn__jwtauth_open(&self,\
         __jwtauth:::jwtauth::__private::openapi::Scheme<__jwtauth_open_operation>,)\
         ->__JwtauthAnswer<PlainText<String>,__jwtauth_open_operation>\
         {__JwtauthAnswer::new(Self::open(self).await)}",
    ];
    assert_eq!(methods, want.map(|method| method.replace(' ', "")));
    let header = text(ItemImpl { items: Vec::new(), ..api });
    assert_eq!(
        header.replace(' ', ""),
        "#[OpenApi(prefix_path=\"/a\")]impl<T:B>Api<T>whereT:C{}".replace(' ', "")
    );
}

#[test]
fn the_guard_stands_around_the_users_transform() {
    let (items, _) = routed(&good("role = \"a\"", API));
    let guards: Vec<_> = items.iter().filter(|item| item.starts_with("fn ")).collect();
    let [read, guard] = guards[..] else { panic!("a public operation has no guard: {items:#?}") };
    let order = [
        "fn __jwtauth_type_guard",
        "let __ep = limited (__ep) ;",
        ":: before (__ep , | __req | async move {",
        ":: openapi :: guard :: < __jwtauth_type_operation > (& __req) . await ? ;",
        ":: openapi :: checked :: < __jwtauth_type_operation > (& __req , :: jwtauth :: __private :: check (& __req , c)",
        "Ok (__req)",
    ];
    let places: Vec<_> =
        order.iter().map(|what| guard.find(what).unwrap_or_else(|| panic!("{what}: {guard}"))).collect();
    assert!(places.is_sorted(), "{guard}");
    assert!(!read.contains("let __ep"), "{read}");
}

#[test]
fn every_operation_has_its_policy() {
    let (items, _) = routed(&good("role = \"a\"", API));
    let items: Vec<_> = items.iter().filter(|item| item.starts_with("impl ")).collect();
    let need = |word: &str, name: &str| format!(":: jwtauth :: __private :: Need :: {word} (\"{name}\")");
    let (a, b) = (need("role", "a"), need("role", "b"));
    for (item, parts) in [
        (
            0,
            vec![
                "\"Api<T>::read\"".into(),
                format!("& [{a}]"),
                "IS_CHECKED : :: jwtauth :: __private :: bool = false".into(),
                "IS_UNSAFE : :: jwtauth :: __private :: bool = false".into(),
            ],
        ),
        (
            1,
            vec![
                "\"Api<T>::type\"".into(),
                format!("& [{a} , {b}]"),
                "IS_CHECKED : :: jwtauth :: __private :: bool = true".into(),
                "IS_UNSAFE : :: jwtauth :: __private :: bool = true".into(),
            ],
        ),
        (2, vec![":: Option :: None".into()]),
    ] {
        for part in parts {
            assert!(items[item].contains(&part), "{part}: {}", items[item]);
        }
    }
}

#[test]
fn methods_that_change_nothing_are_safe() {
    for (arguments, want) in [
        ("method = \"get\"", false),
        ("method = \"head\", method = \"options\"", false),
        ("method = \"get\", method = \"put\"", true),
        ("method = \"GET\"", true),
    ] {
        let block =
            format!("#[OpenApi] impl A {{ #[oai(path = \"/\", {arguments})] async fn a(&self) {{}} }}");
        let (items, _) = routed(&good("", &block));
        assert!(
            items[1].contains(&format!("IS_UNSAFE : :: jwtauth :: __private :: bool = {want}")),
            "{arguments}: {}",
            items[1]
        );
    }
}

#[test]
fn with_optional_every_parameter_must_accept_anonymous_users() {
    for (block, operation, want) in [
        ("impl A", "async fn a(&self, b: B, c: Option<Self>)", 1),
        ("impl A", "async fn a<'a>(&self, b: &'a B)", 1),
        ("impl<B> A<B>", "async fn a<C>(&self, b: Option<B>, c: C, d: D)", 1),
        ("impl<B> A<B>", "async fn a(&self, b: B)", 0),
    ] {
        let oai = "#[oai(path = \"/\", method = \"get\")]";
        let text = |own: &str| {
            let file = good("", &format!("#[OpenApi] {block} {{ {own} {oai} {operation} {{}} }}"));
            routed(&file).0.concat().matches("allows_anonymous").count()
        };
        assert_eq!(
            (text("#[require_auth(optional)]"), text(""), text("#[public]")),
            (want, 0, 0),
            "{operation}"
        );
    }
}

/// Returns the policy of an operation with its own arguments and those of its block, and the errors.
fn joined(block: &str, own: &str) -> (String, Vec<String>) {
    let api = format!(
        "#[OpenApi] impl A {{ #[require_auth({own})] #[oai(path = \"/\", method = \"get\")] async fn a(&self) {{}} }}"
    );
    let (file, errors) = expanded(block, &api);
    let item = routed(&file).0.swap_remove(1).replace(' ', "");
    let policy = item.split_once("JWTAUTH_POLICY:").and_then(|(_, rest)| rest.split_once('='));
    let policy = policy.and_then(|(_, rest)| rest.split_once(';')).expect("a policy").0;
    let policy = policy.replace("::jwtauth::__private::", "").replace("Policy::", "").replace("Need::", "");
    let (start, site) = policy.split_once("Site{").expect("a place");
    let policy = format!("{start}{}", site.split_once("},").expect("the end of it").1);
    (policy, errors)
}

#[test]
fn conditions_of_block_and_operation_both_hold() {
    for (block, own, want) in [
        ("", "", "new(&[],)"),
        ("role = \"a\"", "scope = \"b\"", "new(&[role(\"a\"),scope(\"b\")],)"),
        ("fresh = \"1m\"", "fresh = \"1h\"", "fresh(new(&[],),60u64)"),
        ("fresh = \"1h\"", "fresh = \"1m\"", "fresh(new(&[],),60u64)"),
        ("fresh = \"1h\"", "", "fresh(new(&[],),3600u64)"),
        ("optional", "", "new(&[],)"), // the attribute of an operation is about that operation
        ("optional", "role = \"a\"", "new(&[role(\"a\")],)"),
        ("", "optional", "optional(new(&[],))"),
        ("redirect = \"/a\"", "optional", "optional(new(&[],))"),
        ("redirect = \"/a\"", "", "redirect(new(&[],),\"/a\")"),
        ("redirect = \"/a\"", "redirect = \"/b\"", "redirect(new(&[],),\"/b\")"),
        ("no_api_keys", "", "no_api_keys(new(&[],))"),
        ("", "no_api_keys", "no_api_keys(new(&[],))"),
        ("no_api_keys", "no_api_keys", "no_api_keys(new(&[],))"),
        ("no_api_keys", "optional", "no_api_keys(optional(new(&[],)))"),
        ("csrf = false", "", "any_site(new(&[],))"),
        ("", "csrf = false", "any_site(new(&[],))"),
        ("csrf = false", "csrf = true", "new(&[],)"),
    ] {
        let (policy, errors) = joined(block, own);
        assert_eq!((policy.as_str(), errors), (want, Vec::new()), "{block} and {own}");
    }
}

#[test]
fn an_operation_cannot_take_back_a_condition_of_its_block() {
    for (block, word) in
        [("role = \"a\"", "role"), ("any_scope(\"a\")", "any_scope"), ("fresh = \"1m\"", "fresh")]
    {
        let (policy, errors) = joined(block, "optional");
        let want = format!(
            "`{word}` on the impl block needs a logged-in user in every operation, \
             but `optional` allows anonymous users: remove one of the two\n\
             help: to ask for it in some operations only, put it on each of them"
        );
        assert_eq!(errors, [want]);
        assert!(!policy.contains("optional"), "{policy}");
    }
}

#[test]
fn every_mistake_has_its_sentence() {
    let oai = "#[oai(path = \"/\", method = \"get\")]";
    let operation = |attrs: &str| format!("#[OpenApi] impl A {{ {attrs} {oai} async fn a(&self) {{}} }}");
    let other = |item: &str| format!("#[OpenApi] impl A {{ {oai} async fn a(&self) {{}} {item} }}");
    let param = |param: &str| format!("#[OpenApi] impl A {{ {oai} async fn a(&self, {param}) {{}} }}");
    let no_operation = "found no `#[oai]` method to protect\n\
                        help: each operation of the API is a method with `#[oai(path = \"..\", method = \"..\")]`";
    let is_none =
        "is for operations, and this is not one: it has no `#[oai(path = \"..\", method = \"..\")]`";
    for (block, want) in [
        ("#[OpenApi] impl A { async fn a(&self) {} }".into(), no_operation.to_owned()),
        (
            format!("impl A {{ {oai} async fn a(&self) {{}} }}"),
            "found no `#[OpenApi]` on this block of `#[oai]` methods\n\
             help: put it right below `#[require_auth]`"
                .into(),
        ),
        (
            format!("#[require_auth(role = \"a\")] {}", operation("")),
            "second `#[require_auth]` on one block: put all conditions in one".into(),
        ),
        (
            operation("#[require_auth] #[require_auth]"),
            "second `#[require_auth]` on one operation: put all conditions in one".into(),
        ),
        (
            operation("#[public] #[require_auth]"),
            "`#[public]` allows everyone, but `#[require_auth]` needs a user: remove one of the two".into(),
        ),
        (
            operation("#[public = false]"),
            "`#[public]` takes no arguments: write it alone, or leave it out to guard the operation".into(),
        ),
        (operation("#[require_auth = 1]"), "`#[require_auth]` takes its arguments in parentheses".into()),
        (operation("#[require_auth(banana)]"), "unknown argument `banana`".into()),
        (operation(oai), "second `#[oai]` on one operation: put all arguments in one".into()),
        (other("#[require_auth] async fn b(&self) {}"), format!("`#[require_auth]` {is_none}")),
        (other("#[public] const B: u8 = 1;"), format!("`#[public]` {is_none}")),
        (
            operation("#[oai(path = \"/\", transform = 5)]").replacen(oai, "", 1),
            "`transform` takes the name of a function: write `transform = \"name\"`".into(),
        ),
        (
            param("#[cfg(test)] b: B"),
            "`#[cfg]` cannot be on a parameter of an operation: poem-openapi reads".into(),
        ),
        (operation("#[cfg(test)]"), "`#[cfg]` cannot be on an operation: poem-openapi reads".into()),
        (
            param("(b, c): B"),
            "a parameter of an operation needs a name, because the document shows it: \
             write `name: Type` or `Path(name): Path<Type>`"
                .into(),
        ),
    ] {
        let (file, errors) = expanded("", &block);
        let [error] = &errors[..] else { panic!("{block}: {errors:#?}") };
        assert!(error.starts_with(&want), "{error}");
        // With any mistake, nothing may be left that would be routed without a guard.
        let left = text(&file.items[0]);
        for attribute in ["OpenApi", "oai", "require_auth", "public"] {
            assert!(!left.contains(attribute), "{attribute}: {left}");
        }
    }
}

/// N-14: the caller is asked for ahead, also behind a parameter whose type is not known outside of the block.
#[test]
fn n_14_the_caller_behind_an_unknown_type_is_extracted_early() {
    let block = |first: &str| {
        format!(
            "#[OpenApi] impl<T: B> Api<T> {{ #[oai(path = \"/\", method = \"post\")] \
             async fn a(&self, body: Json<{first}>, user: User) {{}} }}"
        )
    };
    for first in ["T", "Self", "Post"] {
        let (items, _) = routed(&good("", &block(first)));
        assert_eq!(items.concat().matches(":: early (").count(), 1, "{first}: {items:#?}");
    }
}

/// Only `#[public]` itself opens an operation. Another one stays, for the compiler to find or to refuse.
#[test]
fn n_15_an_attribute_of_another_crate_opens_nothing() {
    for public in ["no_such_crate::public", "jwtauth::public", "public::public", "cfg_attr(all(), public)"] {
        let block = format!(
            "#[OpenApi] impl A {{ #[{public}] #[oai(path = \"/\", method = \"get\")] async fn a(&self) {{}} \
             #[{public}] fn b() {{}} }}"
        );
        let file = good("", &block);
        let (items, _) = routed(&file);
        assert!(items.iter().any(|item| item.starts_with("fn __jwtauth_a_guard")), "{public}: {items:#?}");
        let kept = text(&file.items[0]).replace(' ', "");
        assert_eq!(kept.matches(&format!("#[{public}]").replace(' ', "")).count(), 2, "{kept}");
    }
}

/// The path of an attribute that is read here stays too, on something that does nothing.
#[test]
fn n_15_a_path_that_does_not_exist_is_found_by_the_compiler() {
    let block = |path: &str| {
        let oai = "#[oai(path = \"/\", method = \"get\")]";
        text(good("", &format!("#[OpenApi] impl A {{ #[{path}] {oai} async fn a(&self) {{}} }}")))
    };
    assert!(block("b::require_auth").contains("# [b :: require_auth] fn __written () { }"));
    assert!(!block("require_auth").contains("__written"));
}

#[test]
fn another_name_of_the_library_is_used_everywhere() {
    let file = good("crate = ::renamed, check = d", API);
    let names = text(&file).replace("__jwtauth", "").replace("__Jwtauth", "").replace("__JWTAUTH", "");
    assert!(!names.to_lowercase().contains("jwtauth"), "{names}");
}
