//! Notices two types of user that have one kind because their structs have one name.
//!
//! A session of one then passes for a session of the other: a customer for a member of staff, if both modules
//! call their struct `User`. The compiler cannot tell, so the log does, once for each kind. Types that were
//! given a kind on purpose are not looked at: they may stand for one user.

use std::any::{TypeId, type_name};
use std::sync::{Mutex, Once, PoisonError};

use super::AuthUser;

/// The types whose kind is the name of their struct, and whether the log has named their kind.
static NAMED: Mutex<Vec<NamedKind>> = Mutex::new(Vec::new());

struct NamedKind {
    kind: &'static str,
    ty: TypeId,
    path: &'static str,
    is_told: bool,
}

/// Whether one type was noted. Afterwards it costs a load of one atomic.
#[derive(Debug)]
pub struct KindNote(Once);

impl KindNote {
    /// Returns the note of a type that was not noted.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "it is for statics")]
    pub const fn new() -> Self {
        Self(Once::new())
    }

    /// Notes a type whose kind is the name of its struct.
    pub fn note<U: AuthUser>(&self) {
        self.0.call_once(|| {
            if let Some(kind) = U::KIND
                && let Some(other) = twin_of::<U>(kind)
            {
                tracing::warn!(
                    target: "jwtauth",
                    event = "kind_shared",
                    kind,
                    "`{}` and `{other}` are one kind of user, because their structs have one name: a session of one is \
                     taken for a session of the other. Give one of them a kind of its own, such as \
                     `#[auth(kind = \"staff\")]`; or if both stand for one user, give both `#[auth(kind = \"{kind}\")]`",
                    type_name::<U>(),
                );
            }
        });
    }
}

/// Adds a type, and returns the path of another one of its kind, the first time that there is one.
fn twin_of<U: AuthUser>(kind: &'static str) -> Option<&'static str> {
    let (ty, path) = (TypeId::of::<U>(), type_name::<U>());
    // OK because no change can stop half-way.
    let mut named = NAMED.lock().unwrap_or_else(PoisonError::into_inner);
    match named.iter_mut().find(|known| known.kind == kind) {
        None => {
            named.push(NamedKind { kind, ty, path, is_told: false });
            None
        }
        Some(known) if known.ty == ty || known.is_told => None,
        Some(known) => {
            known.is_told = true;
            Some(known.path)
        }
    }
}
