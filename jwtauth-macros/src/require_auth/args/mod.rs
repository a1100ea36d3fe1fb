//! The arguments of `#[require_auth(..)]`.
//!
//! # Invariants
//!
//! 1. A word that is not known is an error: a condition that is read as none would open a
//!    handler.
//! 2. No word that could be read in two ways is taken: `roles` may mean "all of" or "one of".

use proc_macro2::{Span, TokenStream};
use syn::parse::ParseStream;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Expr, ExprLit, Ident, Lit, LitBool, LitStr, Path, Token, parenthesized, token};

use crate::errors::Errors;
use crate::library::Library;
use crate::suggest::did_you_mean;
use crate::words;

const KNOWN: [&str; 11] = [
    "role",
    "any_role",
    "all_roles",
    "scope",
    "any_scope",
    "all_scopes",
    "optional",
    "fresh",
    "redirect",
    "csrf",
    "check",
];

/// Words of other libraries, and habits, beside the argument that does the same here.
const ALIASES: [(&str, &str); 26] = [
    ("anonymous", "optional"),
    ("authorize", "check"),
    ("condition", "check"),
    ("cors", "csrf"),
    ("csrf_exempt", "csrf"),
    ("group", "role"),
    ("guard", "check"),
    ("guest", "optional"),
    ("has_all_roles", "all_roles"),
    ("has_any_role", "any_role"),
    ("has_role", "role"),
    ("hasanyrole", "any_role"),
    ("hasrole", "role"),
    ("login", "redirect"),
    ("login_url", "redirect"),
    ("max_age", "fresh"),
    ("maybe", "optional"),
    ("opt", "optional"),
    ("permission", "scope"),
    ("policy", "check"),
    ("public", "optional"),
    ("recent", "fresh"),
    ("redirect_to", "redirect"),
    ("require", "check"),
    ("rule", "check"),
    ("xsrf", "csrf"),
];

const HELP: &str = "help: `#[require_auth]` knows `role`, `any_role`, `all_roles`, `scope`, `any_scope`, \
                    `all_scopes`, `optional`, `fresh`, `redirect`, `csrf` and `check`";

/// What a handler asks of the user.
#[derive(Clone, Default)]
pub(crate) struct Args {
    pub(crate) library: Library,
    /// Roles and scopes. All of them must be met.
    pub(crate) needs: Vec<Need>,
    /// Where `optional` stands, if it does: nobody needs to be logged in.
    pub(crate) optional: Option<Span>,
    /// How long ago the login may be, in seconds.
    pub(crate) fresh: Option<Fresh>,
    /// The login page: a constant expression of type `&'static str`.
    pub(crate) redirect: Option<Expr>,
    /// Whether requests that another site caused are refused, if it is said.
    pub(crate) csrf: Option<LitBool>,
    /// The application's own rules.
    pub(crate) checks: Vec<Path>,
}

/// One argument about roles or scopes.
#[derive(Clone)]
pub(crate) struct Need {
    /// The argument's name, which is that of its constructor in the library.
    pub(crate) word: Ident,
    /// Constant expressions of type `&'static str`.
    pub(crate) values: Values,
}

#[derive(Clone)]
pub(crate) enum Values {
    /// Behind an `=`.
    One(Box<Expr>),
    /// In parentheses; at least one.
    List(Vec<Expr>),
}

/// The age that a login may have.
#[derive(Clone)]
pub(crate) struct Fresh {
    pub(crate) span: Span,
    pub(crate) seconds: u64,
}

impl Args {
    /// Parses the arguments. What is wrong is left out of them and told by the errors.
    pub(crate) fn parse(tokens: TokenStream) -> (Self, Errors) {
        let mut args = Self::default();
        let mut seen = Vec::new();
        let mut errors = words::for_each(tokens, |input| args.argument(input, &mut seen));
        if let Some(word) = args.needs_a_user()
            && let Some(optional) = args.optional.take()
        {
            errors.add(
                optional,
                format!(
                    "`{word}` needs a logged-in user, but `optional` lets everyone in: \
                     remove one of the two"
                ),
            );
        }
        (args, errors)
    }

    /// Returns the first word that has no meaning for a stranger.
    pub(crate) fn needs_a_user(&self) -> Option<String> {
        let need = self.needs.first().map(|need| need.word.to_string());
        need.or(self.fresh.as_ref().map(|_| "fresh".into()))
            .or(self.redirect.as_ref().map(|_| "redirect".into()))
    }

    fn argument(&mut self, input: ParseStream<'_>, seen: &mut Vec<Ident>) -> syn::Result<()> {
        if input.peek(Lit) {
            return Err(bare_literal(&input.parse()?));
        }
        let word = words::word(input)?;
        let name = word.to_string();
        if name != "check" && seen.contains(&word) {
            return Err(syn::Error::new(word.span(), twice(&name)));
        }
        seen.push(word.clone());
        match name.as_str() {
            "role" | "scope" => {
                let example = format!("{name} = {:?}", example_of(&name));
                let value = words::value(input, &word, &example, |input| input.parse())?;
                let value = named(&word, value)?;
                self.needs.push(Need { word, values: Values::One(Box::new(value)) });
            }
            "any_role" | "all_roles" | "any_scope" | "all_scopes" => {
                let values = list(input, &word)?;
                self.needs.push(Need { word, values: Values::List(values) });
            }
            "optional" => {
                words::no_value(input, &word)?;
                self.optional = Some(word.span());
            }
            "fresh" => self.fresh = Some(words::value(input, &word, "fresh = \"5m\"", duration)?),
            "redirect" => {
                self.redirect = Some(words::value(input, &word, "redirect = \"/login\"", login_page)?)
            }
            "csrf" => {
                let value: LitBool = words::value(input, &word, "csrf = false", |input| {
                    let start = input.span();
                    let message = "`csrf` is on unless told otherwise: write `csrf = false` to take requests that another site caused";
                    input.parse().map_err(|_| syn::Error::new(start, message))
                })?;
                self.csrf = Some(value);
            }
            "check" => self.checks.push(words::value(input, &word, "check = path::to::rule", rule)?),
            "crate" => {
                let example = "crate = ::path::to::jwtauth";
                self.library = words::value(input, &word, example, Library::parse)?;
            }
            "roles" | "scopes" => {
                let one = name.trim_end_matches('s');
                let message = format!(
                    "`{name}` does not say whether one of them is enough: \
                     write `any_{one}(..)` or `all_{name}(..)`"
                );
                return Err(syn::Error::new(word.span(), message));
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

/// What is meant by a word that stands there twice depends on the word.
fn twice(word: &str) -> String {
    let instead = match word {
        "role" | "scope" => format!("write `all_{word}s(..)` or `any_{word}(..)`"),
        "any_role" | "all_roles" | "any_scope" | "all_scopes" => "put all names into one list".into(),
        _ => "keep one of the two".into(),
    };
    format!("`{word}` is asked for twice: {instead}")
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

/// Parses the names in parentheses behind `word`.
fn list(input: ParseStream<'_>, word: &Ident) -> syn::Result<Vec<Expr>> {
    let example = match word.to_string() {
        name if name.ends_with("scope") || name.ends_with("scopes") => {
            format!("`{name}(\"posts:read\", \"posts:write\")`")
        }
        name => format!("`{name}(\"editor\", \"admin\")`"),
    };
    if !input.peek(token::Paren) {
        let message = format!("`{word}` takes its values in parentheses: write {example}");
        return Err(syn::Error::new(word.span(), message));
    }
    let inside;
    parenthesized!(inside in input);
    let values = Punctuated::<Expr, Token![,]>::parse_terminated(&inside)?;
    if values.is_empty() {
        let message = format!("`{word}` needs at least one value: write {example}");
        return Err(syn::Error::new(word.span(), message));
    }
    values.into_iter().map(|value| named(word, value)).collect()
}

/// Refuses a name that is written as an empty literal: an empty entry in a user's list of
/// roles, as splitting a string leaves behind, would match it.
fn named(word: &Ident, value: Expr) -> syn::Result<Expr> {
    let is_scope = word.to_string().contains("scope");
    let what = if is_scope { "scope" } else { "role" };
    let message = match literal_of(&value) {
        Some(Lit::Str(text)) if text.value().trim().is_empty() => {
            format!("`{word}` must not be empty: name the {what}, or leave the argument out")
        }
        Some(Lit::Str(text)) if is_scope && !text.value().bytes().all(is_scope_byte) => {
            "a scope is one word of visible ASCII without `\"` and `\\`: \
             several go into `all_scopes(..)` or `any_scope(..)`"
                .into()
        }
        _ => return Ok(value),
    };
    Err(syn::Error::new(value.span(), message))
}

/// Whether a scope may have this byte (RFC 6749, section 3.3).
fn is_scope_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && byte != b'"' && byte != b'\\'
}

fn example_of(word: &str) -> &'static str {
    if word == "scope" { "posts:write" } else { "admin" }
}

/// Parses `"5m"`.
fn duration(input: ParseStream<'_>) -> syn::Result<Fresh> {
    let wrong = |span| {
        let message = "expected a duration such as \"30s\", \"5m\", \"2h\" or \"1d\"";
        syn::Error::new(span, message)
    };
    // A literal of another kind is taken from the input before it is refused.
    let start = input.span();
    let text: LitStr = input.parse().map_err(|_| wrong(start))?;
    let value = text.value();
    let (number, unit) = value.split_at_checked(value.len().saturating_sub(1)).unwrap_or_default();
    let scale = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        _ => return Err(wrong(text.span())),
    };
    let is_number = number.bytes().all(|byte| byte.is_ascii_digit());
    let seconds =
        number.parse::<u64>().ok().filter(|_| is_number).and_then(|number| number.checked_mul(scale));
    match seconds {
        Some(seconds @ 1..) => Ok(Fresh { span: text.span(), seconds }),
        _ => Err(wrong(text.span())),
    }
}

/// Parses the path of a login page.
fn login_page(input: ParseStream<'_>) -> syn::Result<Expr> {
    let page: Expr = input.parse()?;
    match literal_of(&page) {
        Some(Lit::Str(text)) if !is_local(&text.value()) => {
            let message = "`redirect` must be a path on this site and start with one `/`";
            Err(syn::Error::new(text.span(), message))
        }
        _ => Ok(page),
    }
}

/// The rule of the library's `local_path`, which a constant meets there.
fn is_local(path: &str) -> bool {
    path.starts_with('/')
        && !path.starts_with("//")
        && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')
}

/// Parses the path of a function.
fn rule(input: ParseStream<'_>) -> syn::Result<Path> {
    let value: Expr = input.parse()?;
    let hint = match without_group(&value) {
        Expr::Path(path) if path.attrs.is_empty() && path.qself.is_none() => return Ok(path.path.clone()),
        Expr::Call(_) => "without parentheses",
        Expr::Closure(_) => "instead of a closure",
        Expr::Lit(_) => "without quotes",
        _ => "and nothing else",
    };
    let message = format!("`check` takes the path of a function, {hint}: write `check = path::to::rule`");
    Err(syn::Error::new(value.span(), message))
}

/// Returns an expression without the invisible group that a `$rule:path` of a `macro_rules!` comes in.
fn without_group(expr: &Expr) -> &Expr {
    match expr {
        Expr::Group(group) => without_group(&group.expr),
        other => other,
    }
}

/// Returns the literal that an expression consists of, through parentheses.
fn literal_of(expr: &Expr) -> Option<&Lit> {
    match without_group(expr) {
        Expr::Lit(ExprLit { lit, .. }) => Some(lit),
        Expr::Paren(paren) => literal_of(&paren.expr),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
