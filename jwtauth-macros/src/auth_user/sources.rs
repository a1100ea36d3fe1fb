//! What the methods of a user type read: the fields, and the table of the marks that choose them.
//!
//! A new mark is one row here. If a method reads the marked field, it has a place in [`Sources`], and `impls`
//! writes the method.

use syn::ext::IdentExt;
use syn::{Field, Index, Member, Type};

use crate::words::{Word, Words};

/// A field that a method reads.
pub(super) struct Source {
    pub(super) member: Member,
    pub(super) ty: Type,
}

/// The field of each method. Without a field, the method keeps the trait's default.
#[derive(Default)]
pub(super) struct Sources {
    pub(super) id: Option<Source>,
    pub(super) roles: Option<Source>,
    pub(super) scopes: Option<Source>,
    pub(super) active: Option<Source>,
    /// The names of fields with `#[serde(flatten)]`.
    pub(super) flattened: Vec<String>,
}

/// What the derive does with the field under a mark.
pub(super) enum Mark {
    /// The field is put at this place. Without any mark, a field whose name is the word is put there.
    Source(fn(&mut Sources) -> &mut Option<Source>),
    /// The field is not read.
    Skip,
}

/// What an argument on the type sets.
pub(super) enum Setting {
    Crate,
    Kind,
}

/// The words that `#[auth(..)]` takes on a field.
pub(super) const ON_FIELD: Words<Mark> = Words {
    place: "`#[auth]` on a field",
    columns: ["mark", "the field is", "without the mark"],
    rows: &[
        Word {
            name: "id",
            example: "#[auth(id)]",
            aliases: &["key", "pk", "sub", "subject", "user_id", "uuid"],
            docs: ["the subject, by its `Display`; required", "the field `id`"],
            meaning: Mark::Source(|sources| &mut sources.id),
        },
        Word {
            name: "roles",
            example: "#[auth(roles)]",
            aliases: &["group", "groups", "role"],
            docs: ["a collection of roles", "the field `roles`"],
            meaning: Mark::Source(|sources| &mut sources.roles),
        },
        Word {
            name: "scopes",
            example: "#[auth(scopes)]",
            aliases: &["permission", "permissions"],
            docs: ["a collection of scopes", "the field `scopes`"],
            meaning: Mark::Source(|sources| &mut sources.scopes),
        },
        Word {
            name: "active",
            example: "#[auth(active)]",
            aliases: &["enabled", "is_active", "is_enabled"],
            docs: [
                "a `bool`: whether the user may be logged in (`AuthUser::is_active`)",
                "the field `active`; without one, every user may",
            ],
            meaning: Mark::Source(|sources| &mut sources.active),
        },
        Word {
            name: "skip",
            example: "#[auth(skip)]",
            aliases: &[],
            docs: [
                "not read: for a field whose name only looks as if it decided about access",
                "a name from this table is read; `role`, `isAdmin`, `perms`, `is_active`, `status`, `disabled` and the like are an error",
            ],
            meaning: Mark::Skip,
        },
    ],
};

/// The words that `#[auth(..)]` takes on the type.
pub(super) const ON_TYPE: Words<Setting> = Words {
    place: "`#[auth]` on a type",
    columns: ["argument", "meaning", "without it"],
    rows: &[
        Word {
            name: "kind",
            example: "#[auth(kind = \"customer\")]",
            aliases: &["name", "rename", "tag"],
            docs: [
                "the name of the type in sessions (`AuthUser::KIND`). Sessions of another kind are refused",
                "the name of the struct",
            ],
            meaning: Setting::Kind,
        },
        Word {
            name: "crate",
            example: "#[auth(crate = ::path::to::jwtauth)]",
            aliases: &[],
            docs: ["the path of this crate, if it was renamed", "`::jwtauth`"],
            meaning: Setting::Crate,
        },
    ],
};

impl Source {
    pub(super) fn new(index: usize, field: &Field) -> Self {
        let member = match &field.ident {
            Some(name) => Member::Named(name.clone()),
            None => Member::Unnamed(Index::from(index)),
        };
        Self { member, ty: field.ty.clone() }
    }

    /// Returns the name of the field, as serde and an error name it.
    pub(super) fn name(&self) -> String {
        match &self.member {
            Member::Named(name) => name.unraw().to_string(),
            Member::Unnamed(index) => index.index.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documentation_shows_the_tables() {
        ON_FIELD.assert_documented_in("field_marks.md");
        ON_TYPE.assert_documented_in("type_arguments.md");
    }

    #[test]
    fn no_word_stands_twice() {
        ON_TYPE.assert_distinct();
        ON_FIELD.assert_distinct();
    }
}
