//! The generics and the types of an endpoint: those of the function, without its lifetimes.

use proc_macro2::{Group, Ident, Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{GenericParam, Generics, WherePredicate};

use crate::errors::Errors;

/// Returns the generics without the lifetimes. A bound that needs one of them is an error.
///
/// An endpoint lives as long as the app, and each request has its own lifetime.
pub(super) fn of_endpoint(of_fn: &Generics) -> (Generics, Errors) {
    let names = lifetimes(of_fn);
    let mut errors = Errors::default();
    let mut is_free = |bound: TokenStream| match find_lifetime(bound, &names) {
        Some(span) => {
            errors.add(
                span,
                "a bound on a handler's type parameter cannot name a lifetime of the handler: \
                 write `for<'a> ..`, or `'static`",
            );
            false
        }
        None => true,
    };
    let mut generics = of_fn.clone();
    generics.params =
        of_fn.params.iter().filter(|it| !matches!(it, GenericParam::Lifetime(_))).cloned().collect();
    for param in generics.type_params_mut() {
        if !is_free(param.bounds.to_token_stream()) {
            param.bounds.clear();
        }
    }
    if let Some(clause) = &mut generics.where_clause {
        let predicates = std::mem::take(&mut clause.predicates);
        clause.predicates = predicates
            .into_iter()
            .filter(|it| !matches!(it, WherePredicate::Lifetime(_)) && is_free(it.to_token_stream()))
            .collect();
    }
    (generics, errors)
}

/// Returns the names of the function's lifetimes.
pub(super) fn lifetimes(generics: &Generics) -> Vec<Ident> {
    generics.lifetimes().map(|param| param.lifetime.ident.clone()).collect()
}

/// Returns the names of type parameters and constants.
pub(super) fn unknown(generics: &Generics) -> Vec<Ident> {
    let names = generics.params.iter().filter_map(|param| match param {
        GenericParam::Type(param) => Some(param.ident.clone()),
        GenericParam::Const(param) => Some(param.ident.clone()),
        GenericParam::Lifetime(_) => None,
    });
    names.collect()
}

/// Tells whether a type names one of these, or `Self`.
pub(super) fn names_any(ty: TokenStream, names: &[Ident]) -> bool {
    ty.into_iter().any(|token| match token {
        TokenTree::Ident(name) => name == "Self" || names.contains(&name),
        TokenTree::Group(group) => names_any(group.stream(), names),
        _ => false,
    })
}

/// Replaces each of the lifetimes by `'_`. The compiler finds the right one for each extraction.
pub(super) fn anonymous(tokens: TokenStream, names: &[Ident]) -> TokenStream {
    let mut after_quote = false;
    tokens
        .into_iter()
        .map(|token| {
            let is_name = std::mem::replace(&mut after_quote, is_quote(&token));
            match token {
                TokenTree::Ident(name) if is_name && names.contains(&name) => {
                    Ident::new("_", name.span()).into()
                }
                TokenTree::Group(group) => regroup(&group, anonymous(group.stream(), names)),
                other => other,
            }
        })
        .collect()
}

fn regroup(group: &Group, stream: TokenStream) -> TokenTree {
    let mut changed = Group::new(group.delimiter(), stream);
    changed.set_span(group.span());
    changed.into()
}

/// Returns where one of the lifetimes is used.
fn find_lifetime(tokens: TokenStream, names: &[Ident]) -> Option<Span> {
    let mut after_quote = false;
    tokens.into_iter().find_map(|token| {
        let is_name = std::mem::replace(&mut after_quote, is_quote(&token));
        match token {
            TokenTree::Ident(name) if is_name && names.contains(&name) => Some(name.span()),
            TokenTree::Group(group) => find_lifetime(group.stream(), names),
            _ => None,
        }
    })
}

fn is_quote(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == '\'')
}

#[cfg(test)]
mod tests {
    use super::*;

    const FUNCTION: &str = "fn a<'a, 'b: 'a, T: 'static, const N: usize>() \
                            where 'b: 'a, T: for<'c> D<'c> {}";

    fn generics(function: &str) -> Generics {
        syn::parse_str::<syn::ItemFn>(function).expect("a function").sig.generics
    }

    #[test]
    fn lifetimes_leave_the_generics() {
        let (generics, errors) = of_endpoint(&generics(FUNCTION));
        assert_eq!(errors.messages(), Vec::<String>::new());
        let (params, bounds) = (generics.to_token_stream(), generics.where_clause.to_token_stream());
        assert_eq!(params.to_string(), "< T : 'static , const N : usize >");
        assert_eq!(bounds.to_string(), "where T : for < 'c > D < 'c >");
    }

    #[test]
    fn lifetimes_leave_the_types() {
        let names = lifetimes(&generics(FUNCTION));
        for (ty, want) in [
            ("Data<&'a [&'b T; N]>", "Data<&'_[&'_T;N]>"),
            ("&'static a", "&'statica"),
            ("for<'c> fn(&'c a, &'a b)", "for<'c>fn(&'ca,&'_b)"),
        ] {
            let ty = anonymous(ty.parse().expect("tokens"), &names);
            assert_eq!(ty.to_string().replace(' ', ""), want);
        }
    }

    #[test]
    fn a_bound_that_needs_a_lifetime_is_left_out() {
        let (generics, errors) = of_endpoint(&generics("fn a<'a, T: B<'a>, U>() where U: 'a, U: C {}"));
        assert_eq!(errors.messages().len(), 2);
        let (params, bounds) = (generics.to_token_stream(), generics.where_clause.to_token_stream());
        assert_eq!(params.to_string().replace(" :", ""), "< T , U >");
        assert_eq!(bounds.to_string(), "where U : C");
    }
}
