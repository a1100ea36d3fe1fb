//! The table of all arguments.
//!
//! A new argument is one row here. If it needs a field in [`Args`], the methods of `Args` say what the field
//! means. Tests then ask for the documentation and for the messages that list all arguments.

use proc_macro2::Span;
use syn::parse::ParseStream;
use syn::{Expr, Ident};

use super::values;
use super::{Args, Need, Values};
use crate::library::Library;
use crate::words::{Word, Words};

/// What the macro does with an argument.
pub(super) struct Meaning {
    pub(super) form: Form,
    /// What to do instead of writing the argument twice. `None` if it may be repeated.
    pub(super) twice: Option<&'static str>,
}

/// How an argument is written, and the function that puts it into the model.
pub(super) enum Form {
    /// The word alone.
    Flag(fn(&mut Args, Span)),
    /// `word = value`. The function parses the value.
    Value(fn(&mut Args, &Ident, ParseStream<'_>) -> syn::Result<()>),
    /// `word(value, ..)`.
    List(fn(&mut Args, &Ident, Vec<Expr>) -> syn::Result<()>),
}

pub(super) const WORDS: Words<Meaning> = Words {
    place: "`#[require_auth]`",
    columns: ["argument", "meaning", "answer if it is not met"],
    rows: &[
        Word {
            name: "role",
            example: "role = \"admin\"",
            aliases: &["group", "has_role", "hasrole"],
            docs: ["the user has this role", LOGIN_OR_FORBIDDEN],
            meaning: Meaning {
                form: Form::Value(|args, word, input| need(args, word, input, values::role)),
                twice: Some("write `all_roles(..)` or `any_role(..)`"),
            },
        },
        Word {
            name: "any_role",
            example: "any_role(\"editor\", \"admin\")",
            aliases: &["has_any_role", "hasanyrole"],
            docs: ["the user has at least one of these roles", LOGIN_OR_FORBIDDEN],
            meaning: Meaning {
                form: Form::List(|args, word, names| needs(args, word, names, values::role)),
                twice: Some(ONE_LIST),
            },
        },
        Word {
            name: "all_roles",
            example: "all_roles(\"ops\", \"oncall\")",
            aliases: &["has_all_roles"],
            docs: ["the user has all of these roles", LOGIN_OR_FORBIDDEN],
            meaning: Meaning {
                form: Form::List(|args, word, names| needs(args, word, names, values::role)),
                twice: Some(ONE_LIST),
            },
        },
        Word {
            name: "scope",
            example: "scope = \"posts:write\"",
            aliases: &["permission"],
            docs: ["the user has this scope", LOGIN_OR_FORBIDDEN],
            meaning: Meaning {
                form: Form::Value(|args, word, input| need(args, word, input, values::scope)),
                twice: Some("write `all_scopes(..)` or `any_scope(..)`"),
            },
        },
        Word {
            name: "any_scope",
            example: "any_scope(\"posts:read\", \"posts:write\")",
            aliases: &[],
            docs: ["the user has at least one of these scopes", LOGIN_OR_FORBIDDEN],
            meaning: Meaning {
                form: Form::List(|args, word, names| needs(args, word, names, values::scope)),
                twice: Some(ONE_LIST),
            },
        },
        Word {
            name: "all_scopes",
            example: "all_scopes(\"posts:read\", \"posts:write\")",
            aliases: &[],
            docs: ["the user has all of these scopes", LOGIN_OR_FORBIDDEN],
            meaning: Meaning {
                form: Form::List(|args, word, names| needs(args, word, names, values::scope)),
                twice: Some(ONE_LIST),
            },
        },
        Word {
            name: "fresh",
            example: "fresh = \"5m\"",
            aliases: &["max_age", "recent"],
            docs: [
                "the login is at most this old, in seconds, minutes, hours or days: `30s`, `5m`, `2h`, `1d`",
                "401; if only the login is too old, with the code `fresh_login_required` (RFC 9470); 403 for an API key",
            ],
            meaning: Meaning {
                form: Form::Value(|args, _, input| {
                    values::login_age(input).map(|age| args.fresh = Some(age))
                }),
                twice: Some(KEEP_ONE),
            },
        },
        Word {
            name: "no_api_keys",
            example: "no_api_keys",
            aliases: &["no_api_key", "no_keys", "no_key", "login_only", "interactive"],
            docs: [
                "the user is logged in; an API key of theirs is not enough",
                "401 without a login; 403 for an API key, with the code `api_key_refused`",
            ],
            meaning: Meaning {
                form: Form::Flag(|args, place| args.no_api_keys = Some(place)),
                twice: Some(KEEP_ONE),
            },
        },
        Word {
            name: "check",
            example: "check = path::to::rule",
            aliases: &["authorize", "condition", "guard", "policy", "require", "rule"],
            docs: ["this function of the application agrees", "403, or the error of the function"],
            meaning: Meaning {
                form: Form::Value(|args, _, input| {
                    values::function(input).map(|rule| args.checks.push(rule))
                }),
                twice: None,
            },
        },
        Word {
            name: "optional",
            example: "optional",
            aliases: &["anonymous", "guest", "maybe", "opt", "public"],
            docs: [
                "anonymous users are allowed too; every parameter must accept them, as `Option<User>` does",
                "401, only for a bearer token that is refused",
            ],
            meaning: Meaning {
                form: Form::Flag(|args, place| args.optional = Some(place)),
                twice: Some(KEEP_ONE),
            },
        },
        Word {
            name: "redirect",
            example: "redirect = \"/login\"",
            aliases: &["login", "login_url", "redirect_to"],
            docs: [
                "a browser that opens a page without a login is sent here; `next` is the page it asked for",
                "303 to a browser that opens a page, else 401",
            ],
            meaning: Meaning {
                form: Form::Value(|args, _, input| {
                    values::local_page(input).map(|page| args.redirect = Some(page))
                }),
                twice: Some(KEEP_ONE),
            },
        },
        Word {
            name: "csrf",
            example: "csrf = false",
            aliases: &["cors", "xsrf"],
            docs: ["requests that other sites caused are accepted", ""],
            meaning: Meaning {
                form: Form::Value(|args, _, input| values::csrf(input).map(|check| args.csrf = Some(check))),
                twice: Some(KEEP_ONE),
            },
        },
        Word {
            name: "crate",
            example: "crate = ::path::to::jwtauth",
            aliases: &[],
            docs: ["the path of this crate, if it was renamed", ""],
            meaning: Meaning {
                form: Form::Value(|args, _, input| {
                    Library::parse(input).map(|library| args.library = library)
                }),
                twice: Some(KEEP_ONE),
            },
        },
    ],
};

/// Words that have two readings, and are refused for that reason.
pub(super) const AMBIGUOUS: [(&str, &str); 2] = [
    (
        "roles",
        "does not say whether one is enough or all are needed: write `any_role(..)` or `all_roles(..)`",
    ),
    (
        "scopes",
        "does not say whether one is enough or all are needed: write `any_scope(..)` or `all_scopes(..)`",
    ),
];

/// Words that say the opposite of an argument. To suggest that argument would turn the meaning round.
pub(super) const OPPOSITE: [(&str, &str); 10] = [
    ("api_key", API_KEYS),
    ("api_keys", API_KEYS),
    ("allow_api_keys", API_KEYS),
    ("csrf_exempt", CSRF),
    ("csrf_disable", CSRF),
    ("no_csrf", CSRF),
    ("skip_csrf", CSRF),
    ("required", REQUIRED),
    ("mandatory", REQUIRED),
    ("private", REQUIRED),
];

const API_KEYS: &str = "API keys are accepted, unless `no_api_keys` stands here";
const CSRF: &str = "requests that other sites caused are refused, unless `csrf = false` stands here";
const REQUIRED: &str = "a login is required, unless `optional` stands here";
const LOGIN_OR_FORBIDDEN: &str = "401 without a login, 403 to other users";
const KEEP_ONE: &str = "keep one of the two";
const ONE_LIST: &str = "put all names into one list";

/// Puts one role or scope into the model.
fn need(args: &mut Args, word: &Ident, input: ParseStream<'_>, check: Check) -> syn::Result<()> {
    let name = check(word, input.parse()?)?;
    args.needs.push(Need { word: word.clone(), values: Values::One(Box::new(name)) });
    Ok(())
}

/// Puts a list of roles or scopes into the model.
fn needs(args: &mut Args, word: &Ident, names: Vec<Expr>, check: Check) -> syn::Result<()> {
    let names = names.into_iter().map(|name| check(word, name)).collect::<syn::Result<_>>()?;
    args.needs.push(Need { word: word.clone(), values: Values::List(names) });
    Ok(())
}

/// Returns a name if it can be one.
type Check = fn(&Ident, Expr) -> syn::Result<Expr>;
