//! How every argument is read, and the message for every mistake.

use quote::ToTokens;

use super::*;

/// The rule of the library, which judges constants.
#[expect(dead_code, reason = "the library has more to ask about names")]
#[path = "../../../../jwtauth/src/right_name.rs"]
mod right_name;

/// What that rule needs.
#[expect(unreachable_pub, reason = "the operator's program uses it, too")]
#[path = "../../../../jwtauth/src/plain_text.rs"]
mod plain_text;

fn errors(args: &str) -> Vec<String> {
    Args::parse(args.parse().expect("tokens")).1.messages()
}

/// Returns the arguments that were read, in one line.
fn read(args: &str) -> String {
    let (args, errors) = Args::parse(args.parse().expect("tokens"));
    assert_eq!(errors.messages(), Vec::<String>::new());
    let mut words = Vec::new();
    for Need { word, values } in &args.needs {
        words.push(match values {
            Values::One(value) => format!("{word} {}", value.to_token_stream()),
            Values::List(values) => {
                let values: Vec<_> = values.iter().map(|value| value.to_token_stream().to_string()).collect();
                format!("{word}({})", values.join(" "))
            }
        });
    }
    words.extend(args.optional.map(|_| "optional".into()));
    words.extend(args.fresh.map(|fresh| format!("fresh {}", fresh.seconds)));
    words.extend(args.no_api_keys.map(|_| "no_api_keys".into()));
    words.extend(args.redirect.map(|page| format!("redirect {}", page.to_token_stream())));
    words.extend(args.csrf.map(|check| format!("csrf {}", check.value)));
    words.extend(args.checks.iter().map(|check| format!("check {}", check.to_token_stream())));
    words.join(", ")
}

#[test]
fn n_16_self_is_no_type_here() {
    for args in ["role = Self::ADMIN", "any_role(\"a\", Self::B), optional", "check = Self::may"] {
        let [message] = &errors(args)[..] else { panic!("{args}") };
        assert!(message.contains("`Self` is not known"), "{message}");
    }
}

#[test]
fn reads_what_it_knows() {
    for (text, want) in [
        ("", ""),
        ("role = \"admin\"", "role \"admin\""),
        ("role = roles::ADMIN,", "role roles :: ADMIN"),
        ("any_role(\"a\", B,)", "any_role(\"a\" B)"),
        ("all_roles(\"a\")", "all_roles(\"a\")"),
        ("scope = \"posts:write\", any_scope(A, B)", "scope \"posts:write\", any_scope(A B)"),
        ("role = A, any_role(B), all_scopes(C, D)", "role A, any_role(B), all_scopes(C D)"),
        ("role = \"Site Admin\"", "role \"Site Admin\""),
        ("role = \"CN=admins,OU=groups\"", "role \"CN=admins,OU=groups\""),
        ("optional", "optional"),
        ("optional, csrf = false, check = a", "optional, csrf false, check a"),
        ("csrf = true", "csrf true"),
        ("no_api_keys", "no_api_keys"),
        ("no_api_keys, role = A", "role A, no_api_keys"),
        ("no_api_keys, optional", "optional, no_api_keys"),
        ("fresh = \"30s\"", "fresh 30"),
        ("fresh = \"5m\"", "fresh 300"),
        ("fresh = \"2h\"", "fresh 7200"),
        ("fresh = \"1d\"", "fresh 86400"),
        ("redirect = \"/login?a=b\"", "redirect \"/login?a=b\""),
        ("redirect = LOGIN", "redirect LOGIN"),
        ("check = a, check = b::c", "check a, check b :: c"),
        ("optional, crate = ::renamed::jwtauth", "optional"),
        ("crate = \"renamed::jwtauth\", role = ADMIN", "role ADMIN"),
    ] {
        assert_eq!(read(text), want, "{text}");
    }
}

#[test]
fn every_mistake_has_its_sentence() {
    let help = WORDS.help();
    let unknown = |word: &str, meant: &str| format!("unknown argument `{word}`{meant}\n{help}");
    let duration = "expected a duration such as \"30s\", \"5m\", \"2h\" or \"1d\"";
    let page = "`redirect` must be a path on this site and start with exactly one `/`";
    let rule = |hint| format!("`check` takes the path of a function, {hint}: write `check = path::to::rule`");
    let scope = "a scope is one word of visible ASCII characters without `\"` and `\\`: \
                 write several scopes as `all_scopes(..)` or `any_scope(..)`";
    let csrf =
        "the `csrf` check is on by default: write `csrf = false` to accept requests that other sites caused";
    let one_of = |word, any, all, names| {
        format!(
            "`{word}` takes one name: write `{any}({names})` if one of them is enough, \
             or `{all}({names})` if all are needed"
        )
    };
    let needs_user = |word| {
        format!(
            "`{word}` needs a logged-in user, but `optional` allows anonymous users: remove one of the two"
        )
    };
    let cases: Vec<(&str, String)> = vec![
        ("rolle = \"a\"", unknown("rolle", ", did you mean `role`?")),
        ("optonal", unknown("optonal", ", did you mean `optional`?")),
        ("admin", unknown("admin", ": to ask for a role write `role = \"admin\"`")),
        ("editors, role = A", unknown("editors", ": to ask for a role write `role = \"editors\"`")),
        ("banana(1, 2)", unknown("banana", "")),
        ("permission = \"a\"", unknown("permission", ", did you mean `scope`?")),
        ("any_roles(\"a\")", unknown("any_roles", ", did you mean `any_role`?")),
        ("all_scope(\"a\")", unknown("all_scope", ", did you mean `all_scopes`?")),
        ("login_url = \"/a\"", unknown("login_url", ", did you mean `redirect`?")),
        ("guard = a", unknown("guard", ", did you mean `check`?")),
        ("\"admin\"", "unexpected literal: to ask for a role write `role = \"admin\"`".into()),
        ("5", format!("unexpected literal\n{help}")),
        (
            "roles(\"a\", \"b\")",
            "`roles` does not say whether one is enough or all are needed: write `any_role(..)` or `all_roles(..)`".into(),
        ),
        (
            "scopes = \"a\"",
            "`scopes` does not say whether one is enough or all are needed: write `any_scope(..)` or `all_scopes(..)`".into(),
        ),
        ("role", "`role` needs a value: write `role = \"admin\"`".into()),
        ("scope =", "`scope` needs a value: write `scope = \"posts:write\"`".into()),
        ("role(\"a\")", "`role` takes its value after `=`: write `role = \"admin\"`".into()),
        ("role == \"a\"", "`role` takes its value after `=`: write `role = \"admin\"`".into()),
        ("role = \"\"", "`role` must not be empty: name the role, or remove the argument".into()),
        ("role = (\" \")", "`role` must not be empty: name the role, or remove the argument".into()),
        ("any_scope(\"a\", \"\")", "`any_scope` must not be empty: name the scope, or remove the argument".into()),
        ("scope = \"a b\"", scope.into()),
        ("all_scopes(\"a\\\"\")", scope.into()),
        ("role = \"admin,editor\"", one_of("role", "any_role", "all_roles", "\"admin\", \"editor\"")),
        ("role = \"admin & editor\"", one_of("role", "any_role", "all_roles", "\"admin\", \"editor\"")),
        ("role = \"admin && editor\"", one_of("role", "any_role", "all_roles", "\"admin\", \"editor\"")),
        ("role = \" admin | editor;ops \"", one_of("role", "any_role", "all_roles", "\"admin\", \"editor\", \"ops\"")),
        ("role = [\"a\", B]", one_of("role", "any_role", "all_roles", "\"a\", B")),
        ("role = &[\"a\", \"b\"]", one_of("role", "any_role", "all_roles", "\"a\", \"b\"")),
        ("role = (\"a\", \"b\")", one_of("role", "any_role", "all_roles", "\"a\", \"b\"")),
        ("role = \"a\" | \"b\" | C", one_of("role", "any_role", "all_roles", "\"a\", \"b\", C")),
        ("role = \"a\" || \"b\"", one_of("role", "any_role", "all_roles", "\"a\", \"b\"")),
        ("role = \"a\" & \"b\"", one_of("role", "any_role", "all_roles", "\"a\", \"b\"")),
        ("role = (\"a\" && \"b\")", one_of("role", "any_role", "all_roles", "\"a\", \"b\"")),
        ("scope = \"a:r,b:w\"", one_of("scope", "any_scope", "all_scopes", "\"a:r\", \"b:w\"")),
        ("scope = [\"a\", \"b\"]", one_of("scope", "any_scope", "all_scopes", "\"a\", \"b\"")),
        ("role = [\"a\"]", "`role` takes one name: write `role = \"a\"`".into()),
        ("role = \"admin,\"", "`role` takes one name: write `role = \"admin\"`".into()),
        ("any_role(\"a,b\")", "`any_role` takes each name by itself: write `any_role(\"a\", \"b\")`".into()),
        ("all_roles([\"a\", \"b\"])", "`all_roles` takes each name by itself: write `all_roles(\"a\", \"b\")`".into()),
        ("any_scope(\"a\" | \"b\")", "`any_scope` takes each name by itself: write `any_scope(\"a\", \"b\")`".into()),
        ("role = \" admin\"", "a role has no white space around it: write `role = \"admin\"`".into()),
        ("role = \"admin\\n\"", "a role has no white space around it: write `role = \"admin\"`".into()),
        ("role = \"\\u{a0}admin\"", "a role has no white space around it: write `role = \"admin\"`".into()),
        ("any_role(A, \"admin \")", "a role has no white space around it: write `\"admin\"`".into()),
        ("scope = \" a\"", "a scope has no white space around it: write `scope = \"a\"`".into()),
        ("any_role", "`any_role` takes its values in parentheses: write `any_role(\"editor\", \"admin\")`".into()),
        (
            "all_scopes = \"a\"",
            "`all_scopes` takes its values in parentheses: write `all_scopes(\"posts:read\", \"posts:write\")`".into(),
        ),
        ("all_roles()", "`all_roles` needs at least one value: write `all_roles(\"ops\", \"oncall\")`".into()),
        (
            "role = \"a\", role = \"b\"",
            "`role` is given twice: write `all_roles(..)` or `any_role(..)`".into(),
        ),
        (
            "scope = \"a\", scope = \"b\"",
            "`scope` is given twice: write `all_scopes(..)` or `any_scope(..)`".into(),
        ),
        ("any_role(\"a\"), any_role(\"b\")", "`any_role` is given twice: put all names into one list".into()),
        ("optional, optional", "`optional` is given twice: keep one of the two".into()),
        ("csrf = false, csrf = false", "`csrf` is given twice: keep one of the two".into()),
        ("no_keys", unknown("no_keys", ", did you mean `no_api_keys`?")),
        ("login_only", unknown("login_only", ", did you mean `no_api_keys`?")),
        ("no_api_keys = true", "`no_api_keys` takes no value: write `no_api_keys` alone".into()),
        ("no_api_keys = false", "`no_api_keys` takes no value: leave it out".into()),
        ("no_api_keys(false)", "`no_api_keys` takes no value: leave it out".into()),
        ("no_api_keys, no_api_keys", "`no_api_keys` is given twice: keep one of the two".into()),
        ("optional = true", "`optional` takes no value: write `optional` alone".into()),
        ("optional(true)", "`optional` takes no value: write `optional` alone".into()),
        ("optional = false", "`optional` takes no value: leave it out".into()),
        ("optional(false)", "`optional` takes no value: leave it out".into()),
        ("optional = OPEN", "`optional` takes no value: write `optional` alone, or leave it out".into()),
        ("optional = false || true", "`optional` takes no value: write `optional` alone, or leave it out".into()),
        ("public = false", unknown("public", ": the word is `optional`, and it takes no value: leave it out")),
        ("no_keys = false", unknown("no_keys", ": the word is `no_api_keys`, and it takes no value: leave it out")),
        ("public = true", unknown("public", ", did you mean `optional`?")),
        ("api_keys = false", unknown("api_keys", ": API keys are accepted, unless `no_api_keys` stands here")),
        ("api_keys", unknown("api_keys", ": API keys are accepted, unless `no_api_keys` stands here")),
        (
            "csrf_exempt = false",
            unknown(
                "csrf_exempt",
                ": requests that other sites caused are refused, unless `csrf = false` stands here",
            ),
        ),
        ("required = false", unknown("required", ": a login is required, unless `optional` stands here")),
        ("ADMIN", unknown("ADMIN", ": to ask for a role write `role = ADMIN`")),
        ("check = a, b", "`check` takes one function: write `check = a, check = b`".into()),
        ("check = a::b, c::d", "`check` takes one function: write `check = a::b, check = c::d`".into()),
        ("check = (a, b::c)", "`check` takes one function: write `check = a, check = b::c`".into()),
        ("check = [a, b]", "`check` takes one function: write `check = a, check = b`".into()),
        ("check = a && b", "`check` takes one function: write `check = a, check = b`".into()),
        ("check = a || b", rule("and nothing else")),
        ("role = \"a\", \"b\"", one_of("role", "any_role", "all_roles", "\"a\", \"b\"")),
        ("role = a::B, C", one_of("role", "any_role", "all_roles", "a::B, C")),
        ("scope = \"a\", \"b\"", one_of("scope", "any_scope", "all_scopes", "\"a\", \"b\"")),
        ("role = \"a\", optional", needs_user("role")),
        ("optional, any_scope(\"a\")", needs_user("any_scope")),
        ("optional, fresh = \"5m\"", needs_user("fresh")),
        ("optional, redirect = \"/a\"", needs_user("redirect")),
        ("fresh", "`fresh` needs a value: write `fresh = \"5m\"`".into()),
        ("fresh = 300", duration.into()),
        ("fresh = \"\"", duration.into()),
        ("fresh = \"5\"", duration.into()),
        ("fresh = \"m\"", duration.into()),
        ("fresh = \"0s\"", duration.into()),
        ("fresh = \"+5m\"", duration.into()),
        ("fresh = \"5min\"", duration.into()),
        ("fresh = \"5é\"", duration.into()),
        ("fresh = \"999999999999999999d\"", duration.into()),
        ("redirect", "`redirect` needs a value: write `redirect = \"/login\"`".into()),
        ("redirect = \"login\"", page.into()),
        ("redirect = \"//evil.example\"", page.into()),
        ("redirect = \"/\\\\evil.example\"", page.into()),
        ("redirect = \"https://evil.example\"", page.into()),
        ("csrf", "`csrf` needs a value: write `csrf = false`".into()),
        ("csrf = no", csrf.into()),
        ("csrf = 0", csrf.into()),
        ("check", "`check` needs a value: write `check = path::to::rule`".into()),
        ("check = \"a\"", rule("without quotes")),
        ("check = a()", rule("without parentheses")),
        ("check = || true", rule("not a closure")),
        ("check = a + b", rule("and nothing else")),
        ("role = \"a\" optional", "expected `,` between two arguments".into()),
        ("crate = 5", "`crate` takes the path of the library: write `crate = ::path::to::jwtauth`".into()),
        ("crate = \"a b\"", "`crate` takes the path of the library: write `crate = ::path::to::jwtauth`".into()),
        ("crate", "`crate` needs a value: write `crate = ::path::to::jwtauth`".into()),
    ];
    for (text, want) in cases {
        assert_eq!(errors(text), [want], "{text}");
    }
}

#[test]
fn one_build_shows_all_mistakes() {
    let all =
        errors("rolle = \"a\", \"admin\", optional(1), ??, crate = 5, role = \"\", fresh = 1, any_role()");
    assert_eq!(all.len(), 8, "{all:#?}");
}

#[test]
fn a_mistake_leaves_the_other_arguments() {
    let (args, errors) =
        Args::parse("rolle = 1, role = \"a\", check = ||, csrf = false".parse().expect("tokens"));
    assert_eq!((args.needs.len(), args.csrf.is_some()), (1, true));
    assert_eq!(errors.messages().len(), 2);
}

/// The example of each row is accepted, and changes one field.
#[test]
fn the_table_is_complete() {
    for row in WORDS.rows {
        let (args, errors) = Args::parse(row.example.parse().expect("tokens"));
        assert_eq!(errors.messages(), Vec::<String>::new(), "{}", row.example);
        let changed = [
            args.library.root(Span::call_site()).to_string() != ":: jwtauth",
            !args.needs.is_empty(),
            args.optional.is_some(),
            args.fresh.is_some(),
            args.no_api_keys.is_some(),
            args.redirect.is_some(),
            args.csrf.is_some(),
            !args.checks.is_empty(),
        ];
        let count = changed.iter().filter(|it| **it).count();
        assert_eq!(count, 1, "`{}` changes one of the listed fields", row.example);
    }
    WORDS.assert_distinct();
}

#[test]
fn the_documentation_shows_the_table() {
    WORDS.assert_documented_in("arguments.md");
}

/// N-15: what a literal may be called a constant may be called too, and nothing else. Each text of up to four
/// of these.
#[test]
fn n_15_the_macro_and_the_library_have_one_rule_of_names() {
    let letters = [
        "", "a", " ", ",", ";", "|", "&", "=", "\t", "\u{a0}", "\u{7f}", "\u{85}", "\u{202e}", "ü", "\"",
        "\\", "/", "界",
    ];
    let longer = |texts: Vec<String>| -> Vec<String> {
        let with = |text: &String| letters.map(|letter| format!("{text}{letter}"));
        let mut all: Vec<_> = texts.iter().flat_map(with).collect();
        all.sort();
        all.dedup();
        all
    };
    let mut texts = vec![String::new()];
    for _ in 0..4 {
        texts = longer(texts);
    }
    let known = ["admin", "Team Lead", "cn=ops,dc=example", "a & b", "https://a.b/c?d=e&f=g", "posts:read"];
    texts.extend(known.map(str::to_owned));
    let (mut good, mut bad) = (0, 0);
    for text in &texts {
        let takes = |word: &str, parse: fn(&Ident, Expr) -> syn::Result<Expr>| {
            let word = Ident::new(word, Span::call_site());
            parse(&word, syn::parse_quote!(#text)).is_ok()
        };
        let (is_role, is_scope) = (right_name::is_role(text), right_name::is_scope(text));
        assert_eq!(takes("role", values::role), is_role, "role {text:?}");
        assert_eq!(takes("any_role", values::role), is_role, "any_role {text:?}");
        assert_eq!(takes("scope", values::scope), is_scope, "scope {text:?}");
        (good, bad) = if is_role { (good + 1, bad) } else { (good, bad + 1) };
    }
    assert!(good > 1_000 && bad > 1_000, "{good} and {bad}: both answers were asked for");
}
