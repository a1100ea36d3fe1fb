//! What the methods of a user type read: the fields, and the table of the marks that choose them.
//!
//! A new mark is one row here. If a method reads the marked field, it has a place in [`Sources`], and `impls`
//! writes the method.

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
}

/// What the derive does with the field under a mark.
pub(super) enum Mark {
    /// The field is put at this place. Without the mark, a field whose name is the word is put there.
    Source(fn(&mut Sources) -> &mut Option<Source>),
    /// The field is put at this place. A name alone is not enough, because it may mean many things.
    SourceIfMarked(fn(&mut Sources) -> &mut Option<Source>),
    /// The field is not read.
    Skip,
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
            aliases: &["enabled", "is_active"],
            docs: ["a `bool`: whether the user may be logged in (`AuthUser::is_active`)", "every user may"],
            meaning: Mark::SourceIfMarked(|sources| &mut sources.active),
        },
        Word {
            name: "skip",
            example: "#[auth(skip)]",
            aliases: &[],
            docs: [
                "not read: for a field `role` or `scope` that has nothing to do with access",
                "such a field is an error, unless another field has the roles or scopes",
            ],
            meaning: Mark::Skip,
        },
    ],
};

/// The words that `#[auth(..)]` takes on the type.
pub(super) const ON_TYPE: Words<()> = Words {
    place: "`#[auth]` on a type",
    columns: ["argument", "meaning", "without it"],
    rows: &[Word {
        name: "crate",
        example: "#[auth(crate = ::path::to::jwtauth)]",
        aliases: &[],
        docs: ["the path of this crate, if it was renamed", "`::jwtauth`"],
        meaning: (),
    }],
};

impl Source {
    pub(super) fn new(index: usize, field: &Field) -> Self {
        let member = match &field.ident {
            Some(name) => Member::Named(name.clone()),
            None => Member::Unnamed(Index::from(index)),
        };
        Self { member, ty: field.ty.clone() }
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
