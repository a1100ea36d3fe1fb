//! `#[require_auth]` on a poem-openapi API: guards every operation of the block.
//!
//! The user's block stays what it is, without the attributes that are read here. For each operation there
//! is a method more, which calls the user's, in a block of its own; only that block is under `#[OpenApi]`.
//!
//! # Invariants
//!
//! 1. What is routed was written here: an operation that is not recognised is none at all, not an open one.
//! 2. `#[public]` is the only way out of the block's conditions; a method's own only add to them.
//! 3. poem-openapi runs the `transform` of an operation around the extraction of its arguments, so the guard
//!    stands there, around the user's own `transform` too.

mod api;
mod methods;
mod oai;

use proc_macro2::TokenStream;
use syn::ItemImpl;

use self::api::Api;
use super::args::Args;
use super::attributes::has_name;
use crate::errors::Errors;

/// Whether a block is one of poem-openapi: it has the attribute, or a method with what the attribute reads.
pub(super) fn is_api(block: &ItemImpl) -> bool {
    block.trait_.is_none()
        && (block.attrs.iter().any(|attr| has_name(attr, "OpenApi")) || api::has_operation(block))
}

/// Guards every operation of an API.
pub(super) fn guarded(block: ItemImpl, args: &Args) -> (TokenStream, Errors) {
    let (api, errors) = Api::parse(block, args);
    (methods::api(&api, args), errors)
}

#[cfg(test)]
mod tests;
