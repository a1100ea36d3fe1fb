//! Writes paths for programs. One that is not UTF-8 is shown as well as it can be, because an answer without
//! it would be worse.

use std::path::{Path, PathBuf};

use serde::{Serialize as _, Serializer};

pub(super) fn one<S: Serializer>(path: &Path, out: S) -> Result<S::Ok, S::Error> {
    path.to_string_lossy().serialize(out)
}

#[expect(clippy::ref_option, reason = "serde calls it so")]
pub(super) fn one_or_none<S: Serializer>(path: &Option<PathBuf>, out: S) -> Result<S::Ok, S::Error> {
    path.as_deref().map(Path::to_string_lossy).serialize(out)
}
