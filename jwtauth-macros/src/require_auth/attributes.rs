//! The attributes of the user's items, known by the last segment of their paths.
//!
//! The module in front is mostly not looked at: `#[jwtauth::require_auth]`, and `#[require_auth]` after an
//! import, are the same. `#[handler]` takes another's place, so with a module in front it must be poem's.
//! `#[public]`, which is no real attribute, is known by its name alone.

use syn::Attribute;

/// The name of poem's attribute that turns a function into an endpoint.
pub(super) const HANDLER: &str = "handler";

/// Whether the path of an attribute ends in `name`.
pub(super) fn has_name(attr: &Attribute, name: &str) -> bool {
    attr.path().segments.last().is_some_and(|segment| segment.ident == name)
}

/// Whether a `#[handler]` can be poem's: it stands alone, after an import, or behind `poem`.
pub(super) fn may_be_poems(attr: &Attribute) -> bool {
    let mut before = attr.path().segments.iter().rev().skip(1);
    before.next().is_none_or(|segment| segment.ident == "poem")
}

/// Removes the first attribute whose path ends in `name`.
///
/// Code that removes one keeps its path in the expansion, so that the compiler checks that it exists.
pub(super) fn take(attrs: &mut Vec<Attribute>, name: &str) -> Option<Attribute> {
    let at = attrs.iter().position(|attr| has_name(attr, name))?;
    Some(attrs.remove(at))
}

/// Removes the first `#[public]`. With a module in front it is the attribute of another crate, and stays.
pub(super) fn take_public(attrs: &mut Vec<Attribute>) -> Option<Attribute> {
    let at = attrs.iter().position(|attr| attr.path().is_ident("public"))?;
    Some(attrs.remove(at))
}
