//! Names of fields that look as if they decided about access.
//!
//! A field of such a name is read, or has a mark, or is an error (`fields` decides). The lists say what
//! people call such fields. A name that is missing here is a field that is left out without a word.

use super::sources::{ON_FIELD, Source, Sources};

/// Names of fields that look as if they had roles or scopes, and the names that are read.
const NEAR: [(&str, &str); 6] = [
    ("role", "roles"),
    ("group", "roles"),
    ("groups", "roles"),
    ("scope", "scopes"),
    ("permission", "scopes"),
    ("permissions", "scopes"),
];

/// Words that say who may log in.
const ACTIVE: [&str; 3] = ["active", "enabled", "activated"];

/// What may stand beside such a word, and the field still says the same: `is_active`, `account_enabled`.
const BESIDE_ACTIVE: [&str; 5] = ["is", "was", "until", "account", "user"];

/// Words that say who may not.
const OPPOSITE: [&str; 13] = [
    "inactive",
    "disabled",
    "deactivated",
    "blocked",
    "banned",
    "suspended",
    "locked",
    "frozen",
    "deleted",
    "removed",
    "archived",
    "revoked",
    "terminated",
];

/// What may stand beside those: `is_locked_out`, `banned_until`, `deleted_at`, `account_disabled_by`.
const BESIDE_OPPOSITE: [&str; 14] = [
    "is", "was", "out", "at", "on", "since", "from", "until", "till", "by", "date", "time", "account", "user",
];

/// Returns what to say of a field that is not read and looks as if it were. What it says would have no
/// effect.
pub(super) fn near_miss(name: &str, sources: &Sources) -> Option<String> {
    let skip = "help: if it has nothing to do with access, mark it with `#[auth(skip)]`";
    let by_hand = "or implement `AuthUser` by hand with an `is_active` of its own";
    let read = sources.active.as_ref().map(Source::name);
    if is_about(name, &OPPOSITE, &BESIDE_OPPOSITE) {
        let keep = match read {
            Some(active) => format!("let `{active}` say it too"),
            None => "keep the opposite, `active: bool`".to_owned(),
        };
        return Some(format!(
            "`{name}` is not read, so such users could log in\nhelp: {keep}, {by_hand}\n{skip}"
        ));
    }
    // Another field is marked in its place.
    let is_replaced = ON_FIELD.rows.iter().any(|row| row.name == name);
    if !is_replaced && is_about(name, &ACTIVE, &BESIDE_ACTIVE) {
        return Some(match read {
            Some(active) => format!(
                "`{name}` is not read, so only `{active}` says who can log in\n\
                 help: let `{active}` say it too, {by_hand}\n{skip}"
            ),
            None => format!(
                "`{name}` is not read, so everyone could log in\n\
                 help: make it `active: bool`, or mark it with `#[auth(active)]`\n{skip}"
            ),
        });
    }
    let (_, word) = NEAR.iter().find(|(near, _)| *near == name)?;
    let (source, argument) =
        if *word == "roles" { (&sources.roles, "role") } else { (&sources.scopes, "scope") };
    source.is_none().then(|| {
        format!(
            "`{name}` is not read, so `#[require_auth({argument} = \"..\")]` would refuse everyone\n\
             help: make it `{word}: Vec<String>`, or mark a collection with `#[auth({word})]`\n{skip}"
        )
    })
}

/// Tells whether a name is one of these words, with nothing beside it that makes it say something else.
fn is_about(name: &str, words: &[&str], beside: &[&str]) -> bool {
    name.split('_').any(|part| words.contains(&part))
        && name.split('_').all(|part| words.contains(&part) || beside.contains(&part))
}
