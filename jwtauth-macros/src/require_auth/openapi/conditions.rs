//! What an operation asks of the user: the conditions of its block and its own, both.

use crate::errors::Errors;

use super::super::args::Args;

/// Joins an operation's own arguments with those of its block.
///
/// Conditions of both hold. Settings, which are what happens to whom they refuse and whose requests are taken,
/// are the operation's own where it has them. Its `optional`, or the lack of it, replaces the block's: who
/// writes an attribute for one operation writes it for that operation.
pub(super) fn joined(own: Args, block: &Args, errors: &mut Errors) -> Args {
    let condition = block.needs.first().map(|need| need.word.to_string());
    let condition = condition.or(block.fresh.as_ref().map(|_| "fresh".into()));
    if let (Some(optional), Some(condition)) = (own.optional, &condition) {
        errors.add(
            optional,
            format!(
                "`{condition}` on the impl block needs a logged-in user in every operation, \
                 but `optional` lets everyone in: remove one of the two\n\
                 help: a condition of some operations goes on each of them"
            ),
        );
    }
    // Beside the error: an expansion that asks for more is better than one that asks for less.
    let optional = own.optional.filter(|_| condition.is_none());
    let redirect = own.redirect.or_else(|| block.redirect.clone()).filter(|_| optional.is_none());
    let fresh = match (own.fresh, &block.fresh) {
        (Some(own), Some(block)) if block.seconds < own.seconds => Some(block.clone()),
        (own, block) => own.or_else(|| block.clone()),
    };
    Args {
        library: block.library.clone(),
        needs: block.needs.iter().cloned().chain(own.needs).collect(),
        optional,
        fresh,
        redirect,
        csrf: own.csrf.or_else(|| block.csrf.clone()),
        checks: block.checks.iter().cloned().chain(own.checks).collect(),
    }
}
