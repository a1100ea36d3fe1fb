//! The arguments of `#[require_auth(..)]`: the model that they are read into.
//!
//! `table` has one row for each argument, and `values` parses what stands after a word. The methods of
//! [`Args`] say what the arguments mean: beside each other, under the block of an API, and in the policy.
//!
//! # Invariants
//!
//! 1. An unknown argument is an error. If it were ignored, a handler could lose a condition.
//! 2. A word with two readings is refused: `roles` may mean "one of" or "all of".

mod table;
mod values;

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::parse::ParseStream;
use syn::spanned::Spanned;
use syn::{Expr, Ident, Lit, LitBool, Path};

use self::table::{AMBIGUOUS, Form, OPPOSITE, WORDS};
use self::values::LoginAge;
pub(super) use self::values::without_group;
use crate::errors::Errors;
use crate::library::Library;
use crate::words;

/// What a handler asks of its user.
///
/// Three methods say what each field means: [`Self::condition`], [`Self::under_block`] and
/// [`Self::policy_steps`]. They name all fields, so the compiler asks for a new one.
#[derive(Clone, Default)]
pub(crate) struct Args {
    pub(crate) library: Library,
    /// Roles and scopes. All of them must be met.
    pub(crate) needs: Vec<Need>,
    /// The place of `optional`, which allows anonymous users.
    pub(crate) optional: Option<Span>,
    /// The greatest age of the login.
    pub(crate) fresh: Option<LoginAge>,
    /// The place of `no_api_keys`, which refuses API keys. Anonymous users may be allowed all the same.
    pub(crate) no_api_keys: Option<Span>,
    /// The login page: a constant expression of type `&'static str`.
    pub(crate) redirect: Option<Expr>,
    /// Whether requests that other sites caused are refused. `None` is the default: yes.
    pub(crate) csrf: Option<LitBool>,
    /// The application's own rules. All of them must agree.
    pub(crate) checks: Vec<Path>,
}

/// One argument about roles or scopes.
#[derive(Clone)]
pub(crate) struct Need {
    /// The name of the argument. The library's constructor has the same name.
    pub(crate) word: Ident,
    /// Constant expressions of type `&'static str`.
    pub(crate) values: Values,
}

#[derive(Clone)]
pub(crate) enum Values {
    /// After `=`.
    One(Box<Expr>),
    /// In parentheses. There is at least one.
    List(Vec<Expr>),
}

/// A call of the library that changes the policy: `Policy::method(policy, value)`.
pub(crate) struct PolicyStep {
    /// The argument, at which an error in the call points.
    pub(crate) span: Span,
    pub(crate) method: &'static str,
    pub(crate) value: Option<TokenStream>,
}

impl Need {
    /// Returns each value.
    pub(super) fn values(&self) -> impl Iterator<Item = &Expr> {
        match &self.values {
            Values::One(value) => std::slice::from_ref(&**value),
            Values::List(values) => values,
        }
        .iter()
    }
}

impl Args {
    /// Parses the arguments. An argument with a mistake is left out; the errors tell about it.
    pub(crate) fn parse(tokens: TokenStream) -> (Self, Errors) {
        if let Some(word) = word_self(tokens.clone()) {
            let mut errors = Errors::default();
            errors.add(
                word,
                "`Self` is not known where the conditions stand, which is outside of the block: \
                 write the name of the type, as in `role = Api::ADMIN`",
            );
            return (Self::default(), errors);
        }
        let mut args = Self::default();
        let mut seen = Vec::new();
        let mut errors = words::for_each_argument(tokens, |input| args.read(input, &mut seen));
        let needs_user = args.condition().or(args.redirect.as_ref().map(|_| "redirect".into()));
        if let Some(word) = needs_user
            && let Some(optional) = args.optional.take()
        {
            errors.add(
                optional,
                format!(
                    "`{word}` needs a logged-in user, but `optional` allows anonymous users: \
                     remove one of the two"
                ),
            );
        }
        (args, errors)
    }

    /// Reads one argument, as its row in the table says.
    fn read(&mut self, input: ParseStream<'_>, seen: &mut Vec<Ident>) -> syn::Result<()> {
        if let Some(error) = self.second_value(input, seen.last()) {
            return Err(error);
        }
        if input.peek(Lit) {
            return Err(bare_literal(&input.parse()?));
        }
        let word = words::word(input)?;
        if let Some((name, problem)) = AMBIGUOUS.iter().find(|(name, _)| word == name) {
            return Err(syn::Error::new(word.span(), format!("`{name}` {problem}")));
        }
        let row = WORDS.find(&word).map_err(|error| unknown(&word, input).unwrap_or(error))?;
        if let Some(instead) = row.meaning.twice
            && seen.contains(&word)
        {
            return Err(syn::Error::new(word.span(), format!("`{word}` is given twice: {instead}")));
        }
        seen.push(word.clone());
        match row.meaning.form {
            Form::Flag(put) => {
                row.no_value(input, &word)?;
                put(self, word.span());
                Ok(())
            }
            Form::Value(put) => row.value(input, &word, |input| put(self, &word, input)),
            Form::List(put) => put(self, &word, row.list(input, &word)?),
        }
    }

    /// Refuses a second value behind the first one, as in `check = a, b`: it belongs to the word before.
    fn second_value(&self, input: ParseStream<'_>, before: Option<&Ident>) -> Option<syn::Error> {
        let ahead = input.fork();
        let value: Expr = ahead.parse().ok().filter(|_| words::is_alone(&ahead))?;
        if matches!(&value, Expr::Path(path) if path.path.get_ident().is_some_and(is_word)) {
            return None;
        }
        let before = before?;
        let message = match (self.checks.last(), self.needs.last()) {
            (Some(check), _) if before == "check" && matches!(value, Expr::Path(_)) => {
                let [first, second] = [values::plain_text(check), values::plain_text(&value)];
                format!("`check` takes one function: write `check = {first}, check = {second}`")
            }
            (_, Some(Need { word, values: Values::One(first) })) if word == before => {
                values::several(word, first, &value)?
            }
            _ => return None,
        };
        Some(syn::Error::new(value.span(), message))
    }

    /// Returns the name of a condition that an anonymous user can never meet.
    ///
    /// A check may agree without a user, so it is no such condition. A redirect needs a user too, but it is a
    /// setting: an operation can replace its block's.
    fn condition(&self) -> Option<String> {
        let Self { library: _, needs, optional: _, fresh, no_api_keys: _, redirect: _, csrf: _, checks: _ } =
            self;
        let need = needs.first().map(|need| need.word.to_string());
        need.or(fresh.as_ref().map(|_| "fresh".into()))
    }

    /// Joins the arguments of an API's operation with those of its block.
    ///
    /// The conditions of both hold. The settings `redirect` and `csrf` of the operation replace those of the
    /// block. Only the operation decides whether anonymous users are allowed, since its attribute is about it
    /// alone.
    pub(crate) fn under_block(self, block: &Self, errors: &mut Errors) -> Self {
        let condition = block.condition();
        if let (Some(optional), Some(condition)) = (self.optional, &condition) {
            errors.add(
                optional,
                format!(
                    "`{condition}` on the impl block needs a logged-in user in every operation, \
                     but `optional` allows anonymous users: remove one of the two\n\
                     help: to ask for it in some operations only, put it on each of them"
                ),
            );
        }
        // The error stands beside the expansion, which had better be too strict than too open.
        let optional = self.optional.filter(|_| condition.is_none());
        let redirect = self.redirect.or_else(|| block.redirect.clone()).filter(|_| optional.is_none());
        let fresh = match (self.fresh, &block.fresh) {
            (Some(own), Some(block)) if block.seconds < own.seconds => Some(block.clone()),
            (own, block) => own.or_else(|| block.clone()),
        };
        Self {
            library: block.library.clone(),
            needs: block.needs.iter().cloned().chain(self.needs).collect(),
            optional,
            fresh,
            no_api_keys: self.no_api_keys.or(block.no_api_keys),
            redirect,
            csrf: self.csrf.or_else(|| block.csrf.clone()),
            checks: block.checks.iter().cloned().chain(self.checks).collect(),
        }
    }

    /// Returns what the arguments change in a policy that has the roles and scopes.
    ///
    /// Checks are not part of the policy: the guard calls them (see `guard`).
    pub(crate) fn policy_steps(&self) -> impl Iterator<Item = PolicyStep> {
        let Self { library: _, needs: _, optional, fresh, no_api_keys, redirect, csrf, checks: _ } = self;
        let flag = |method| move |span| PolicyStep { span, method, value: None };
        let optional = optional.map(flag("optional"));
        let no_api_keys = no_api_keys.map(flag("no_api_keys"));
        let fresh = fresh.as_ref().map(|LoginAge { span, seconds }| PolicyStep {
            span: *span,
            method: "fresh",
            value: Some(seconds.to_token_stream()),
        });
        let redirect = redirect.as_ref().map(|page| PolicyStep {
            span: page.span(),
            method: "redirect",
            value: Some(page.to_token_stream()),
        });
        let csrf = csrf.as_ref().filter(|check| !check.value).map(|check| PolicyStep {
            span: check.span,
            method: "any_site",
            value: None,
        });
        [optional, fresh, no_api_keys, redirect, csrf].into_iter().flatten()
    }
}

/// Finds the word `Self`.
fn word_self(tokens: TokenStream) -> Option<Span> {
    tokens.into_iter().find_map(|token| match token {
        TokenTree::Ident(word) if word == "Self" => Some(word.span()),
        TokenTree::Group(group) => word_self(group.stream()),
        _ => None,
    })
}

/// Whether a word stands in one of the tables.
fn is_word(word: &Ident) -> bool {
    let of_tables = AMBIGUOUS.iter().chain(&OPPOSITE).map(|(name, _)| *name);
    of_tables.chain(WORDS.rows.iter().map(|row| row.name)).any(|name| word == name)
}

/// Refuses `#[require_auth("admin")]`, which could be a role, a scope, a realm or a page.
fn bare_literal(literal: &Lit) -> syn::Error {
    let message = match literal {
        Lit::Str(text) => format!("unexpected literal: to ask for a role write `role = {:?}`", text.value()),
        _ => format!("unexpected literal\n{}", WORDS.help()),
    };
    syn::Error::new(literal.span(), message)
}

/// Returns the error for a word that is no argument, if there is more to say than which one it is like.
fn unknown(word: &Ident, input: ParseStream<'_>) -> Option<syn::Error> {
    if let Some((_, instead)) = OPPOSITE.iter().find(|(known, _)| word == known) {
        return Some(WORDS.unknown(word, &format!(": {instead}")));
    }
    match WORDS.meant(word) {
        // A flag that is switched off: the word that it is like would switch it on.
        Some(row) if matches!(row.meaning.form, Form::Flag(_)) && words::switch(input) == Some(false) => {
            let name = row.name;
            Some(WORDS.unknown(word, &format!(": the word is `{name}`, and it takes no value: leave it out")))
        }
        // `#[require_auth(admin)]` could be a role, a scope, a realm or a page.
        None if words::is_alone(input) => {
            let is_constant = word.to_string().chars().all(|c| !c.is_lowercase());
            let name = if is_constant { word.to_string() } else { format!("\"{word}\"") };
            Some(WORDS.unknown(word, &format!(": to ask for a role write `role = {name}`")))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
