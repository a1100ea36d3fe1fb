//! The copy of a user that a session keeps: written and read back at login, read again at each request.
//!
//! # Invariants
//!
//! 1. A copy is kept only if its own type reads it, with the same subject, roles, scopes and state. So nobody
//!    logs in and is then refused by every request.
//! 2. A copy is read only as the [kind](AuthUser::KIND) of user that logged in, and only if it is about the
//!    subject of its session. That its fields fit another type proves nothing. That they do not fit proves
//!    nothing against the session: another type of its kind may have written them.
//! 3. A value that was read is used again only with the record that it was read from. Each handler gets a
//!    clone.
//! 4. No error here quotes a value: it may be a secret.

use std::any::{Any, type_name};
use std::fmt;
use std::sync::OnceLock;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::json_path::path_at;
use super::kind_names::{note_copies_of, twins_of};
use super::{AuthUser, Identity, Known, Unfit};
use crate::error::BoxError;
use crate::record::Session;

/// The names of the fields that the methods of a user type read, for errors. Empty where there is none.
#[derive(Clone, Copy, Debug, Default)]
pub struct CopyFields {
    /// The field of the subject.
    pub id: &'static str,
    /// The field of the roles.
    pub roles: &'static str,
    /// The field of the scopes.
    pub scopes: &'static str,
    /// The field that says whether the user may be logged in.
    pub active: &'static str,
    /// Fields with `#[serde(flatten)]`.
    pub flattened: &'static [&'static str],
}

/// A type whose values can be kept in a session.
#[diagnostic::on_unimplemented(
    message = "a copy of `{Self}` cannot be kept in the session: it lacks `Serialize` or `Deserialize`",
    label = "not serializable",
    note = "write `#[derive(Clone, Serialize, Deserialize, AuthUser)]`, with `use serde::{{Deserialize, Serialize}};`"
)]
pub trait Keepable: AuthUser {
    /// Writes a value.
    #[doc(hidden)]
    fn to_json(&self, out: &mut Vec<u8>) -> serde_json::Result<()>;

    /// Reads a value.
    #[doc(hidden)]
    fn from_json(json: &[u8]) -> serde_json::Result<Self>;
}

#[diagnostic::do_not_recommend]
impl<U: AuthUser + Serialize + DeserializeOwned> Keepable for U {
    fn to_json(&self, out: &mut Vec<u8>) -> serde_json::Result<()> {
        serde_json::to_writer(out, self)
    }

    fn from_json(json: &[u8]) -> serde_json::Result<Self> {
        serde_json::from_slice(json)
    }
}

/// A copy that its type does not read, or reads as something else.
#[derive(Debug, thiserror::Error)]
#[error("the copy of `{user}` in the session {problem}")]
struct BadCopy {
    user: &'static str,
    problem: String,
}

/// A session of one kind of user is asked for another kind, or for a type that does not read its copy.
#[derive(Debug, thiserror::Error)]
#[error("the session is one of a `{held}`, and a `{asked}` is asked for{why}")]
pub(crate) struct OtherKind {
    pub(crate) held: String,
    pub(crate) asked: &'static str,
    why: String,
}

/// Returns what a session notes of the type of its user.
pub(crate) fn kind_of<U: AuthUser>() -> &'static str {
    U::KIND.unwrap_or_else(type_name::<U>)
}

/// Refuses a session of another kind of user. One that does not know its kind is of an earlier layout,
/// or has no user value.
pub(crate) fn check_kind<U: AuthUser>(session: &Session) -> Result<(), OtherKind> {
    match (U::KIND, &session.user_kind) {
        (Some(asked), Some(held)) if held != asked => Err(OtherKind {
            held: held.clone(),
            asked,
            why: ". If both types stand for one user, give both the same `#[auth(kind = \"..\")]`, or `AuthUser::KIND`"
                .into(),
        }),
        _ => Ok(()),
    }
}

/// Writes the copy of a user that goes into the session, and reads it back.
///
/// # Errors
///
/// If it cannot be written or read, or reads as another user. The error names the field.
pub fn copy_of<U: Keepable>(user: &U, fields: &CopyFields) -> Result<Option<Vec<u8>>, BoxError> {
    let mut json = Vec::new();
    if let Err(error) = user.to_json(&mut json) {
        let problem = format!("cannot be written: field `{}`: {error}", path_at(&json, json.len()));
        return Err(bad::<U>(problem));
    }
    let back = U::from_json(&json).map_err(|error| {
        let what = explain::<U>(&json, &error, fields.flattened);
        bad::<U>(format!("could not be read again: {what}. Check the serde attributes of the field"))
    })?;
    let changed = [
        (fields.id, back.subject() != user.subject()),
        (fields.roles, sorted(back.roles()) != sorted(user.roles())),
        (fields.scopes, sorted(back.scopes()) != sorted(user.scopes())),
        (fields.active, back.is_active() != user.is_active()),
    ];
    match changed.into_iter().find(|(_, changed)| *changed) {
        Some((field, _)) => Err(bad::<U>(format!(
            "has another value of field `{field}` when it is read again. Remove `#[serde(skip)]` and what else changes it"
        ))),
        None => Ok(Some(json)),
    }
}

/// The user value that was read from a copy.
#[derive(Default)]
pub(super) struct UserCopy(OnceLock<Box<dyn Any + Send + Sync>>);

impl UserCopy {
    pub(super) fn get<U: AuthUser>(&self) -> Option<&U> {
        self.0.get()?.downcast_ref()
    }

    /// Keeps a value for later requests, if there is none of another type.
    fn keep<U: AuthUser>(&self, user: &U) {
        self.0.get_or_init(|| Box::new(user.clone()));
    }
}

impl fmt::Debug for UserCopy {
    /// Shows no value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserCopy").finish_non_exhaustive()
    }
}

/// Reads the copy of the user from the session.
///
/// A copy of an earlier layout, which does not say its kind, counts as missing if the type cannot read it,
/// or if it is about somebody else: the user must log in again, which writes a new one. The log says what to
/// fix.
///
/// # Errors
///
/// If there is no session, behind a [`Verifier`](crate::Verifier), or one of another kind of user, or one
/// whose copy is not of this type.
pub fn load_copy<U: Keepable>(who: &Identity) -> Result<Option<U>, BoxError> {
    let session = who.session().ok_or(Unfit::NO_SESSION)?;
    check_kind::<U>(session)?;
    let user = match (read(session), &session.user_kind) {
        // A type that keeps copies did not open it.
        (Ok(None), Some(_)) => return Err(misread::<U>(session, "is missing".into())),
        (Err(error), None) => {
            tracing::error!(target: "jwtauth", session = session.id.log_id(), "{error}. Its user must log in again");
            None
        }
        (read, _) => read?,
    };
    if let (Known::Shared(shared), Some(user)) = (&who.known, &user) {
        shared.user.keep(user);
    }
    Ok(user)
}

impl Session {
    /// Reads the copy of the user that is kept in the session, or `None` if none is kept.
    ///
    /// # Errors
    ///
    /// If the session is one of another kind of user ([`AuthUser::KIND`]), if the type cannot read the copy,
    /// or if the copy is about another subject. From [`AuthUser::load`] such an error is answered with 403
    /// if the session says its kind.
    pub fn user_as<U: AuthUser + Serialize + DeserializeOwned>(&self) -> Result<Option<U>, BoxError> {
        check_kind::<U>(self)?;
        note_copies_of::<U>();
        read(self)
    }
}

fn read<U: Keepable>(session: &Session) -> Result<Option<U>, BoxError> {
    let Some(json) = &session.user else { return Ok(None) };
    let user = U::from_json(json).map_err(|error| {
        let what = explain::<U>(json, &error, &[]);
        misread::<U>(session, format!("is one that it cannot read any more: {what}. Give new fields `#[serde(default)]`, and `active` a `#[serde(default = \"yes\")]` with `fn yes() -> bool {{ true }}`"))
    })?;
    if user.subject() != session.subject {
        return Err(misread::<U>(session, "is about another subject than the session".into()));
    }
    Ok(Some(user))
}

/// The error for a copy that is not one of this type. If the session says its kind, another type of that kind
/// may have written it.
fn misread<U: AuthUser>(session: &Session, problem: String) -> BoxError {
    let error = bad::<U>(problem);
    let Some(held) = session.user_kind.clone() else { return error };
    let twins = match twins_of::<U>() {
        twins if twins.is_empty() => "of another type".to_owned(),
        twins => format!("one of `{}`", twins.join("` or `")),
    };
    let why = format!(
        ", which has the same kind: {error}. Or the session is {twins}: then give one of the types a kind of its own, \
         such as `#[auth(kind = \"staff\")]`"
    );
    OtherKind { held, asked: type_name::<U>(), why }.into()
}

fn bad<U>(problem: String) -> BoxError {
    BadCopy { user: type_name::<U>(), problem }.into()
}

fn sorted(mut names: Vec<String>) -> Vec<String> {
    names.sort_unstable();
    names.dedup();
    names
}

/// Says which field could not be read and why, in words that never quote a value.
fn explain<U: Keepable>(json: &[u8], error: &serde_json::Error, flattened: &[&str]) -> String {
    let text = error.to_string();
    let text = text.rsplit_once(" at line ").map_or(&*text, |(what, _)| what);
    let mut path = place_of::<U>(json, error);
    let missing = text.strip_prefix("missing field `").and_then(|name| name.strip_suffix('`'));
    let expected = text.strip_prefix("invalid type: ").and_then(|text| text.rsplit_once(", expected "));
    if let Some(name) = missing {
        path = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    } else if path.is_empty() {
        path = flattened.join("` or `");
    }
    let why = match (missing, expected) {
        (Some(_), _) => "it is missing".to_owned(),
        (_, Some((_, expected))) => format!("expected {expected}"),
        _ => "its type does not take what stands there".to_owned(),
    };
    if path.is_empty() { why } else { format!("field `{path}`: {why}") }
}

/// Returns the path of the value that an error is about.
fn place_of<U: Keepable>(json: &[u8], error: &serde_json::Error) -> String {
    let end = offset_of(json, error);
    // An error of the last member of an object is told behind the object, like one of the object as a whole.
    // With a comma behind the member, it is told before the comma. Likewise for an array.
    if let Some((rest, before)) = json[..end].split_last()
        && matches!(rest, b'}' | b']')
    {
        let probe = [before, b",", &json[before.len()..]].concat();
        if let Err(error) = U::from_json(&probe)
            && error.is_data()
        {
            return path_at(&probe, offset_of(&probe, &error));
        }
    }
    path_at(json, end)
}

/// Returns how many bytes were read before the error.
fn offset_of(json: &[u8], error: &serde_json::Error) -> usize {
    let lines = json.split_inclusive(|byte| *byte == b'\n');
    let before: usize = lines.take(error.line().saturating_sub(1)).map(<[u8]>::len).sum();
    before.saturating_add(error.column()).min(json.len())
}
