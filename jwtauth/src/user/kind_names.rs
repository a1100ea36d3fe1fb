//! Notices two types of user that have one kind because their structs have one name.
//!
//! A session of one then passes for a session of the other: a customer for a member of staff, if both modules
//! call their struct `User`. The compiler cannot tell, so the log does, once for each kind. Types that were
//! given a kind on purpose may stand for one user: they are only named where a copy does not fit.
//!
//! A type that is written by hand, keeps copies and has no kind is reported too: nothing but the fields of a
//! copy says that it is one of that type.

use std::any::{TypeId, type_name};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use super::AuthUser;

/// The types of this process that keep copies, as far as one of their sessions was written or read.
static NAMED: Mutex<Vec<NamedKind>> = Mutex::new(Vec::new());

struct NamedKind {
    kind: Option<&'static str>,
    ty: TypeId,
    path: &'static str,
    /// Whether the kind was given on purpose.
    is_chosen: bool,
}

/// Whether one type was noted. Afterwards it costs a load of one atomic.
#[derive(Debug)]
pub struct KindNote {
    once: Once,
    is_chosen: bool,
}

impl KindNote {
    /// Returns the note of a type that was not noted. `is_chosen`: its kind is not just the name of its
    /// struct.
    #[must_use]
    pub const fn new(is_chosen: bool) -> Self {
        Self { once: Once::new(), is_chosen }
    }

    /// Notes a type.
    pub fn note<U: AuthUser>(&self) {
        self.once.call_once(|| {
            let Some(twins) = add::<U>(self.is_chosen) else { return };
            let path = type_name::<U>();
            // With a third one the log has said it.
            if let ([other], Some(kind)) = (&twins[..], U::KIND) {
                tracing::warn!(
                    target: "jwtauth",
                    event = "kind_shared",
                    kind,
                    "`{path}` and `{other}` are one kind of user, because their structs have one name: a session of one is \
                     taken for a session of the other. Give one of them a kind of its own, such as \
                     `#[auth(kind = \"staff\")]`; or if both stand for one user, give both `#[auth(kind = \"{kind}\")]`",
                );
            }
        });
    }
}

/// Notes a type that keeps copies, and logs once that it has no kind, if that is so.
pub(crate) fn note_copies_of<U: AuthUser>() {
    if U::KIND.is_none() && add::<U>(true).is_some() {
        tracing::warn!(
            target: "jwtauth",
            event = "kind_missing",
            "`{}` is kept in sessions and has no kind, so a copy of any other type whose fields fit is taken for one of \
             it: write `const KIND: Option<&'static str> = Some(\"..\");` into its `AuthUser`",
            type_name::<U>(),
        );
    }
}

/// Adds a type, unless it is there. Returns the paths of those that have its kind by the name of their struct
/// too.
fn add<U: AuthUser>(is_chosen: bool) -> Option<Vec<&'static str>> {
    let (kind, ty, path) = (U::KIND, TypeId::of::<U>(), type_name::<U>());
    let mut named = named();
    if named.iter().any(|known| known.ty == ty) {
        return None;
    }
    let is_twin = |known: &&NamedKind| known.kind == kind && !known.is_chosen && !is_chosen;
    let twins = named.iter().filter(is_twin).map(|known| known.path).collect();
    named.push(NamedKind { kind, ty, path, is_chosen });
    Some(twins)
}

/// Returns the paths of the other types of the same kind, as far as this process has met them.
pub(super) fn twins_of<U: AuthUser>() -> Vec<&'static str> {
    let Some(kind) = U::KIND else { return Vec::new() };
    let is_twin = |known: &&NamedKind| known.kind == Some(kind) && known.ty != TypeId::of::<U>();
    named().iter().filter(is_twin).map(|known| known.path).collect()
}

fn named() -> MutexGuard<'static, Vec<NamedKind>> {
    // OK because no change can stop half-way.
    NAMED.lock().unwrap_or_else(PoisonError::into_inner)
}
