//! Parses the values of arguments, and refuses those that cannot be meant.
//!
//! A value that is a literal is checked here. A constant is checked by the library, with the same rules, when
//! the user's program is compiled.

use proc_macro2::Span;
use quote::ToTokens;
use syn::parse::ParseStream;
use syn::spanned::Spanned;
use syn::{BinOp, Expr, ExprBinary, ExprLit, Ident, Lit, LitBool, LitStr, Path};

/// The greatest age of a login.
#[derive(Clone)]
pub(crate) struct LoginAge {
    pub(super) span: Span,
    pub(super) seconds: u64,
}

/// Returns the name of a role.
pub(super) fn role(word: &Ident, value: Expr) -> syn::Result<Expr> {
    one_name(word, "role", ["any_role", "all_roles"], &value)?;
    Ok(value)
}

/// Returns the name of a scope.
pub(super) fn scope(word: &Ident, value: Expr) -> syn::Result<Expr> {
    one_name(word, "scope", ["any_scope", "all_scopes"], &value)?;
    match literal_of(&value) {
        Some(Lit::Str(text)) if !text.value().bytes().all(is_scope_byte) => {
            let message = "a scope is one word of visible ASCII characters without `\"` and `\\`: \
                           write several scopes as `all_scopes(..)` or `any_scope(..)`";
            Err(syn::Error::new(value.span(), message))
        }
        _ => Ok(value),
    }
}

/// Refuses what is not one name. No user has a role such as `admin,editor`, so everyone would be refused. An
/// empty name would match the empty entry that splitting a string leaves in a user's list.
fn one_name(word: &Ident, what: &str, [any, all]: [&str; 2], value: &Expr) -> syn::Result<()> {
    let text = match literal_of(value) {
        Some(Lit::Str(text)) => Some(text.value()),
        _ => None,
    };
    let is_single = word == what;
    let message = match (&names(value)[..], text) {
        (_, Some(text)) if has_no_name(&text) => {
            format!("`{word}` must not be empty: name the {what}, or remove the argument")
        }
        ([], Some(text)) if text.trim() != text || text.contains(is_for_terminals) => {
            let name = text.split(is_for_terminals).collect::<String>();
            let name = name.trim();
            let right = if is_single { format!("{word} = {name:?}") } else { format!("{name:?}") };
            format!("a {what} has no white space around it: write `{right}`")
        }
        ([], _) => return Ok(()),
        ([name], _) if is_single => format!("`{word}` takes one name: write `{word} = {name}`"),
        (names, _) if is_single => one_of_several(word, [any, all], names),
        (names, _) => {
            format!("`{word}` takes each name by itself: write `{word}({})`", names.join(", "))
        }
    };
    Err(syn::Error::new(value.span(), message))
}

fn one_of_several(word: &Ident, [any, all]: [&str; 2], names: &[String]) -> String {
    let names = names.join(", ");
    format!(
        "`{word}` takes one name: write `{any}({names})` if one of them is enough, \
         or `{all}({names})` if all are needed"
    )
}

/// Says what to write for `role = first, second`, or returns `None` if the second one can be no name.
pub(super) fn several(word: &Ident, first: &Expr, second: &Expr) -> Option<String> {
    let lists = if word == "role" { ["any_role", "all_roles"] } else { ["any_scope", "all_scopes"] };
    let is_name = matches!(second, Expr::Lit(ExprLit { lit: Lit::Str(_), .. }) | Expr::Path(_));
    let names = [first, second].map(plain_text);
    is_name.then(|| one_of_several(word, lists, &names))
}

/// Returns an expression or a path as people write it.
pub(super) fn plain_text(value: &impl ToTokens) -> String {
    value.to_token_stream().to_string().replace(" :: ", "::")
}

/// Returns the names that a value wants to be, as they are written, if it is none by itself: a list, an
/// expression with `|` or `&`, a text with separators.
///
/// A text with `=` is the distinguished name of a directory, where commas belong into the name.
fn names(value: &Expr) -> Vec<String> {
    let each = |value: &Expr| match &names(value)[..] {
        [] => vec![value.to_token_stream().to_string()],
        names => names.to_vec(),
    };
    match without_group(value) {
        Expr::Array(list) => list.elems.iter().flat_map(each).collect(),
        Expr::Tuple(list) => list.elems.iter().flat_map(each).collect(),
        Expr::Reference(list) if matches!(*list.expr, Expr::Array(_)) => names(&list.expr),
        Expr::Paren(inner) => names(&inner.expr),
        Expr::Binary(ExprBinary {
            left,
            op: BinOp::BitOr(_) | BinOp::Or(_) | BinOp::BitAnd(_) | BinOp::And(_),
            right,
            ..
        }) => each(left).into_iter().chain(each(right)).collect(),
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => {
            let text = text.value();
            if text.contains('=') || !is_several(&text) {
                return Vec::new();
            }
            let parts = text.split(SEPARATORS).map(str::trim).filter(|part| !part.is_empty());
            parts.map(|part| format!("{part:?}")).collect()
        }
        _ => Vec::new(),
    }
}

/// What stands between two names.
const SEPARATORS: [char; 4] = [',', ';', '|', '&'];

/// Whether a text has nothing but white space and what stands between names.
fn has_no_name(text: &str) -> bool {
    let is_between = |c: char| c.is_whitespace() || SEPARATORS.contains(&c);
    text.trim().is_empty() || (is_several(text) && text.chars().all(is_between))
}

/// Whether a text is several names, as in the library's `right_name`, which judges constants: `R&D` is one
/// name, `a && b` and `a & b` are two.
fn is_several(text: &str) -> bool {
    // Nothing stands in front of the first one.
    let mut before = '\0';
    let mut ands = text.trim().chars().map(|c| (std::mem::replace(&mut before, c), c));
    text.contains([',', ';', '|'])
        || ands.any(|(before, c)| match (before, c) {
            ('&', c) => c == '&' || c.is_whitespace(),
            (before, '&') => before.is_whitespace(),
            _ => false,
        })
}

/// Whether a character is a control, or changes how other text is shown, as in the library's `plain_text`.
fn is_for_terminals(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
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
        Expr::Array(_) | Expr::Tuple(_) | Expr::Reference(_) | Expr::Binary(_) => {
            let functions = names(&value);
            if functions.len() > 1 && !is_either(&value) {
                let each: Vec<_> =
                    functions.iter().map(|name| format!("check = {}", name.replace(" :: ", "::"))).collect();
                let message = format!("`check` takes one function: write `{}`", each.join(", "));
                return Err(syn::Error::new(value.span(), message));
            }
            "and nothing else"
        }
        _ => "and nothing else",
    };
    let message = format!("`check` takes the path of a function, {hint}: write `check = path::to::rule`");
    Err(syn::Error::new(value.span(), message))
}

/// Whether one of several rules is enough. Checks that stand beside each other must all agree.
fn is_either(value: &Expr) -> bool {
    matches!(value, Expr::Binary(ExprBinary { op: BinOp::BitOr(_) | BinOp::Or(_), .. }))
}

/// Removes the invisible group around a `$rule:path` of a `macro_rules!`.
pub(in crate::require_auth) fn without_group(expr: &Expr) -> &Expr {
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
