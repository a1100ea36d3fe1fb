//! The arguments of `#[require_auth(..)]`.
//!
//! # Invariants
//!
//! 1. A word that is not known is an error: a condition that is read as none would open a
//!    handler.
//! 2. No word that could be read in two ways is taken: `roles` may mean "all of" or "one of".

use proc_macro2::{Span, TokenStream};
use syn::parse::ParseStream;
use syn::{Expr, ExprLit, Ident, Lit};

use crate::errors::Errors;
use crate::library::Library;
use crate::suggest::did_you_mean;
use crate::words;

const KNOWN: [&str; 2] = ["role", "optional"];

/// Words of other libraries, and habits, beside the argument that does the same here.
const ALIASES: [(&str, &str); 9] = [
    ("anonymous", "optional"),
    ("group", "role"),
    ("guest", "optional"),
    ("has_role", "role"),
    ("hasrole", "role"),
    ("maybe", "optional"),
    ("opt", "optional"),
    ("permission", "role"),
    ("public", "optional"),
];

const HELP: &str = "help: `#[require_auth]` knows `role = \"..\"` and `optional`";

/// What a handler asks of the user.
#[derive(Default)]
pub(crate) struct Args {
    pub(crate) library: Library,
    /// A constant expression of type `&'static str`.
    pub(crate) role: Option<Expr>,
    /// Where `optional` stands, if it does: nobody needs to be logged in.
    pub(crate) optional: Option<Span>,
}

impl Args {
    /// Parses the arguments. What is wrong is left out of them and told by the errors.
    pub(crate) fn parse(tokens: TokenStream) -> (Self, Errors) {
        let mut args = Self::default();
        let mut seen = Vec::new();
        let mut errors = words::for_each(tokens, |input| args.argument(input, &mut seen));
        if args.role.is_some()
            && let Some(optional) = args.optional.take()
        {
            errors.add(
                optional,
                "`role` needs a logged-in user, but `optional` lets everyone in: \
                 remove one of the two",
            );
        }
        (args, errors)
    }

    fn argument(&mut self, input: ParseStream<'_>, seen: &mut Vec<Ident>) -> syn::Result<()> {
        if input.peek(Lit) {
            return Err(bare_literal(&input.parse()?));
        }
        let word = words::word(input)?;
        if seen.contains(&word) {
            let message = format!("`{word}` is asked for twice: keep one of the two");
            return Err(syn::Error::new(word.span(), message));
        }
        seen.push(word.clone());
        match word.to_string().as_str() {
            "role" => {
                let role = words::value(input, &word, "role = \"admin\"", |input| input.parse())?;
                self.role = Some(not_empty(role)?);
            }
            "optional" => {
                words::no_value(input, &word)?;
                self.optional = Some(word.span());
            }
            "crate" => {
                let example = "crate = ::path::to::jwtauth";
                self.library = words::value(input, &word, example, Library::parse)?;
            }
            "roles" => {
                return Err(syn::Error::new(
                    word.span(),
                    "`roles` does not say whether one of them is enough: \
                     ask for one with `role = \"admin\"`",
                ));
            }
            other => {
                let meant = did_you_mean(other, &KNOWN, &ALIASES);
                let message = format!("unknown argument `{other}`{meant}\n{HELP}");
                return Err(syn::Error::new(word.span(), message));
            }
        }
        Ok(())
    }
}

/// Refuses `#[require_auth("admin")]`: it reads as a role, a scope, a realm or a page.
fn bare_literal(literal: &Lit) -> syn::Error {
    let message = match literal {
        Lit::Str(text) => {
            let role = text.value();
            format!("unexpected literal: to ask for a role write `role = {role:?}`")
        }
        _ => format!("unexpected literal\n{HELP}"),
    };
    syn::Error::new(literal.span(), message)
}

/// Refuses a role that is written as an empty literal: an empty entry in a user's list of
/// roles, as splitting a string leaves behind, would match it.
fn not_empty(role: Expr) -> syn::Result<Expr> {
    match literal_of(&role) {
        Some(Lit::Str(text)) if text.value().trim().is_empty() => {
            let message = "`role` must not be empty: name the role, or leave the argument out";
            Err(syn::Error::new(text.span(), message))
        }
        _ => Ok(role),
    }
}

/// Returns the literal that an expression consists of, through parentheses and through the
/// invisible group that a `$role:expr` of a `macro_rules!` comes in.
fn literal_of(expr: &Expr) -> Option<&Lit> {
    match expr {
        Expr::Lit(ExprLit { lit, .. }) => Some(lit),
        Expr::Group(group) => literal_of(&group.expr),
        Expr::Paren(paren) => literal_of(&paren.expr),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(args: &str) -> Vec<String> {
        Args::parse(args.parse().expect("tokens")).1.messages()
    }

    #[test]
    fn reads_what_it_knows() {
        let good = [
            ("", false, false),
            ("role = \"admin\"", true, false),
            ("role = roles::ADMIN,", true, false),
            ("optional", false, true),
            ("optional, crate = ::renamed::jwtauth", false, true),
            ("crate = \"renamed::jwtauth\", role = ADMIN", true, false),
        ];
        for (text, role, optional) in good {
            let (args, errors) = Args::parse(text.parse().expect("tokens"));
            assert_eq!(errors.messages(), Vec::<String>::new(), "{text}");
            assert_eq!((args.role.is_some(), args.optional.is_some()), (role, optional), "{text}");
        }
    }

    #[test]
    fn every_mistake_has_its_sentence() {
        let cases = [
            (
                "rolle = \"a\"",
                "unknown argument `rolle`, did you mean `role`?\n\
                 help: `#[require_auth]` knows `role = \"..\"` and `optional`",
            ),
            (
                "banana(1, 2)",
                "unknown argument `banana`\n\
                 help: `#[require_auth]` knows `role = \"..\"` and `optional`",
            ),
            (
                "permission = \"a\"",
                "unknown argument `permission`, did you mean `role`?\n\
                 help: `#[require_auth]` knows `role = \"..\"` and `optional`",
            ),
            ("\"admin\"", "unexpected literal: to ask for a role write `role = \"admin\"`"),
            (
                "5",
                "unexpected literal\n\
                 help: `#[require_auth]` knows `role = \"..\"` and `optional`",
            ),
            (
                "roles(\"a\", \"b\")",
                "`roles` does not say whether one of them is enough: \
                 ask for one with `role = \"admin\"`",
            ),
            ("role", "`role` needs a value: write `role = \"admin\"`"),
            ("role =", "`role` needs a value: write `role = \"admin\"`"),
            ("role(\"a\")", "`role` takes its value behind an `=`: write `role = \"admin\"`"),
            ("role == \"a\"", "`role` takes its value behind an `=`: write `role = \"admin\"`"),
            ("role = \"\"", "`role` must not be empty: name the role, or leave the argument out"),
            ("role = (\" \")", "`role` must not be empty: name the role, or leave the argument out"),
            ("role = \"a\", role = \"b\"", "`role` is asked for twice: keep one of the two"),
            ("optional, optional", "`optional` is asked for twice: keep one of the two"),
            ("optional = true", "`optional` takes no value: write `optional`"),
            (
                "role = \"a\", optional",
                "`role` needs a logged-in user, but `optional` lets everyone in: \
                 remove one of the two",
            ),
            ("role = \"a\" optional", "expected `,` between two arguments"),
            ("crate = 5", "`crate` takes the path of the library: write `crate = ::path::to::jwtauth`"),
            ("crate = \"a b\"", "`crate` takes the path of the library: write `crate = ::path::to::jwtauth`"),
            ("crate", "`crate` needs a value: write `crate = ::path::to::jwtauth`"),
        ];
        for (text, want) in cases {
            assert_eq!(errors(text), [want], "{text}");
        }
    }

    #[test]
    fn one_build_shows_all_mistakes() {
        let all = errors("rolle = \"a\", \"admin\", optional(1), ??, crate = 5, role = \"\"");
        assert_eq!(all.len(), 6, "{all:#?}");
    }

    #[test]
    fn a_mistake_leaves_the_other_arguments() {
        let (args, errors) = Args::parse("rolle = 1, role = \"a\"".parse().expect("tokens"));
        assert!(args.role.is_some());
        assert_eq!(errors.messages().len(), 1);
    }
}
