//! What the macros' output names. Not for people: it changes with any release.

pub use std::concat;
pub use std::default::Default;
pub use std::file;
pub use std::future::Future;
pub use std::iter::{IntoIterator, Iterator};
pub use std::line;
pub use std::marker::{PhantomData, Send};
pub use std::module_path;
pub use std::option::Option;
pub use std::result::Result;
pub use std::string::{String, ToString};
pub use std::vec::Vec;

pub use poem::error::IntoResult;
pub use poem::{Endpoint, FromRequest, IntoResponse, Request, RequestBody, Response, Result as PoemResult};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use crate::error::BoxError;
use crate::user::Identity;
pub use crate::web::extract::current_user;
pub use crate::web::guard::{Policy, Site, guard, settled};

/// Writes the copy of a user that goes into the session.
///
/// # Errors
///
/// What the type's own `Serialize` reports.
pub fn copy_of<T: Serialize>(user: &T) -> Result<Option<Vec<u8>>, BoxError> {
    Ok(Some(serde_json::to_vec(user)?))
}

/// Reads the copy of a user from the session.
///
/// # Errors
///
/// What the type's own `Deserialize` reports: the type has changed and cannot read its older form.
pub fn load_copy<T: DeserializeOwned>(who: &Identity) -> Result<Option<T>, BoxError> {
    match &who.session().user {
        Some(json) => Ok(Some(serde_json::from_slice(json)?)),
        None => Ok(None),
    }
}
