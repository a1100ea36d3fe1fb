//! `#[require_auth]` on a poem-openapi API: guards every operation of the block.
//!
//! The user's block stays, without the attributes that are read here. A second block has one method for each
//! operation, which calls the user's method. Only the second block is below `#[OpenApi]`.
//!
//! `api` takes the user's block apart, with the help of `oai`. `methods` writes the second block.
//!
//! # Invariants
//!
//! 1. Only generated methods are routed. An operation that is not recognised has no route. It is never open.
//! 2. Only `#[public]` removes the conditions of the block. The conditions of a method are added to them.
//! 3. poem-openapi extracts the parameters of an operation inside its `transform`. The guard is such a
//!    `transform`, around the user's own.

mod api;
mod methods;
mod oai;

use proc_macro2::TokenStream;
use syn::ItemImpl;

use self::api::Api;
use super::args::Args;
use super::attributes::has_name;
use crate::errors::Errors;

/// Whether a block is an API of poem-openapi: it has `#[OpenApi]`, or a method with `#[oai]`.
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
