//! Notices two types of user that have one kind because their structs have one name.
//!
//! A session of one then passes for a session of the other: a customer for a member of staff, if both modules
//! call their struct `User`. The compiler cannot tell, so the log does, once for each kind. Types that were
//! given a kind on purpose may stand for one user: they are only named where a copy does not fit.

use std::any::{TypeId, type_name};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use super::AuthUser;

/// The types of this process that have a kind, as far as one of their sessions was written or read.
static NAMED: Mutex<Vec<NamedKind>> = Mutex::new(Vec::new());

struct NamedKind {
    kind: &'static str,
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
            let (Some(kind), ty, path) = (U::KIND, TypeId::of::<U>(), type_name::<U>()) else { return };
            let mut named = named();
            if named.iter().any(|known| known.ty == ty) {
                return;
            }
            let is_twin = |known: &&NamedKind| known.kind == kind && !known.is_chosen && !self.is_chosen;
            let twins: Vec<_> = named.iter().filter(is_twin).map(|known| known.path).collect();
            named.push(NamedKind { kind, ty, path, is_chosen: self.is_chosen });
            drop(named);
            // With a third one the log has said it.
            if let [other] = twins[..] {
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

/// Returns the path of another type of the same kind, if this process has met one.
pub(super) fn twin_of<U: AuthUser>() -> Option<&'static str> {
    let (kind, ty) = (U::KIND?, TypeId::of::<U>());
    named().iter().find(|known| known.kind == kind && known.ty != ty).map(|known| known.path)
}

fn named() -> MutexGuard<'static, Vec<NamedKind>> {
    // OK because no change can stop half-way.
    NAMED.lock().unwrap_or_else(PoisonError::into_inner)
}
