//! Parses the values of arguments, and refuses those that cannot be meant.
//!
//! A value that is a literal is checked here. A constant is checked by the library, with the same rules, when
//! the user's program is compiled.

use proc_macro2::Span;
use syn::parse::ParseStream;
use syn::spanned::Spanned;
use syn::{Expr, ExprLit, Ident, Lit, LitBool, LitStr, Path};

/// The greatest age of a login.
#[derive(Clone)]
pub(crate) struct LoginAge {
    pub(super) span: Span,
    pub(super) seconds: u64,
}

/// Returns the name of a role.
pub(super) fn role(word: &Ident, value: Expr) -> syn::Result<Expr> {
    not_empty(word, "role", &value)?;
    Ok(value)
}

/// Returns the name of a scope.
pub(super) fn scope(word: &Ident, value: Expr) -> syn::Result<Expr> {
    not_empty(word, "scope", &value)?;
    match literal_of(&value) {
        Some(Lit::Str(text)) if !text.value().bytes().all(is_scope_byte) => {
            let message = "a scope is one word of visible ASCII characters without `\"` and `\\`: \
                           write several scopes as `all_scopes(..)` or `any_scope(..)`";
            Err(syn::Error::new(value.span(), message))
        }
        _ => Ok(value),
    }
}

/// Refuses an empty name. It would match the empty entry that splitting a string leaves in a user's list.
fn not_empty(word: &Ident, what: &str, value: &Expr) -> syn::Result<()> {
    match literal_of(value) {
        Some(Lit::Str(text)) if text.value().trim().is_empty() => {
            let message = format!("`{word}` must not be empty: name the {what}, or remove the argument");
            Err(syn::Error::new(value.span(), message))
        }
        _ => Ok(()),
    }
}

/// Whether a scope may have this byte (RFC 6749, section 3.3).
fn is_scope_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && byte != b'"' && byte != b'\\'
}

/// Parses a duration such as `"5m"`. It is at least one second.
pub(super) fn login_age(input: ParseStream<'_>) -> syn::Result<LoginAge> {
    let wrong = |span| {
        let message = "expected a duration such as \"30s\", \"5m\", \"2h\" or \"1d\"";
        syn::Error::new(span, message)
    };
    // The error for a literal of another kind points at the literal.
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
        Some(seconds @ 1..) => Ok(LoginAge { span: text.span(), seconds }),
        _ => Err(wrong(text.span())),
    }
}

/// Parses the path of a page on this site.
pub(super) fn local_page(input: ParseStream<'_>) -> syn::Result<Expr> {
    let page: Expr = input.parse()?;
    match literal_of(&page) {
        Some(Lit::Str(text)) if !is_local(&text.value()) => {
            let message = "`redirect` must be a path on this site and start with exactly one `/`";
            Err(syn::Error::new(text.span(), message))
        }
        _ => Ok(page),
    }
}

/// The rule of the library's `local_path`.
fn is_local(path: &str) -> bool {
    path.starts_with('/')
        && !path.starts_with("//")
        && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')
}

/// Parses whether the check for requests of other sites is on.
pub(super) fn csrf(input: ParseStream<'_>) -> syn::Result<LitBool> {
    let start = input.span();
    let message =
        "the `csrf` check is on by default: write `csrf = false` to accept requests that other sites caused";
    input.parse().map_err(|_| syn::Error::new(start, message))
}

/// Parses the path of a function.
pub(super) fn function(input: ParseStream<'_>) -> syn::Result<Path> {
    let value: Expr = input.parse()?;
    let hint = match without_group(&value) {
        Expr::Path(path) if path.attrs.is_empty() && path.qself.is_none() => return Ok(path.path.clone()),
        Expr::Call(_) => "without parentheses",
        Expr::Closure(_) => "not a closure",
        Expr::Lit(_) => "without quotes",
        _ => "and nothing else",
    };
    let message = format!("`check` takes the path of a function, {hint}: write `check = path::to::rule`");
    Err(syn::Error::new(value.span(), message))
}

/// Removes the invisible group around a `$rule:path` of a `macro_rules!`.
fn without_group(expr: &Expr) -> &Expr {
    match expr {
        Expr::Group(group) => without_group(&group.expr),
        other => other,
    }
}

/// Returns the literal that an expression is, with or without parentheses.
fn literal_of(expr: &Expr) -> Option<&Lit> {
    match without_group(expr) {
        Expr::Lit(ExprLit { lit, .. }) => Some(lit),
        Expr::Paren(paren) => literal_of(&paren.expr),
        _ => None,
    }
}
