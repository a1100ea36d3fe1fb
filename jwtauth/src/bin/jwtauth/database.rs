//! The store that the command line names: a directory or a database, and what that needs beside its URL.
//!
//! The password of a database stands in `PGPASSWORD`, in the URL, or in the file of PostgreSQL's own
//! programs.

use std::path::Path;

use jwtauth::error::StoreError;
use jwtauth::store::StorePlace;

use super::arguments::DatabaseArguments;
use super::{Failure, output};

/// A store that is named, or none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StoreName<'a> {
    named: Option<&'a Path>,
    database: &'a DatabaseArguments,
}

impl<'a> StoreName<'a> {
    pub(crate) const fn new(named: Option<&'a Path>, database: &'a DatabaseArguments) -> Self {
        Self { named, database }
    }

    /// Returns what is named.
    fn named(self) -> Result<&'a Path, Failure> {
        self.named
            .ok_or_else(|| Failure::refused("no store was named: write --store PATH, or set JWTAUTH_STORE"))
    }

    /// Returns the database, if it is one.
    pub(crate) fn database(self) -> Result<Option<StorePlace>, Failure> {
        let named = self.named()?;
        let place = place(named, self.database, self.database.schema.as_deref())?;
        Ok(Some(place).filter(StorePlace::is_database))
    }

    /// Returns the directory. For what is not done to a database; `instead` says what is.
    pub(crate) fn directory(self, instead: &str) -> Result<&'a Path, Failure> {
        let named = self.named()?;
        if known(named)?.is_database() {
            return Err(Failure::refused(format!("the store is a database: {instead}")));
        }
        Ok(named)
    }
}

/// Returns the store that a word names. An address of something else is refused before it is shown.
fn known(named: &Path) -> Result<StorePlace, Failure> {
    match StorePlace::from(named) {
        // Whoever opens one says if this build cannot.
        place if place.is_database() => Ok(place),
        StorePlace::OtherAddress { start, advice } => {
            Err(Failure::refused(StoreError::OtherAddress { start, advice }.to_string()))
        }
        place => Ok(place),
    }
}

/// Returns the store that somebody means by a word, with what a database needs.
pub(crate) fn place(
    named: &Path,
    database: &DatabaseArguments,
    schema: Option<&str>,
) -> Result<StorePlace, Failure> {
    let mut place = known(named)?;
    if !place.is_database() {
        return Ok(place);
    }
    if let Some(schema) = schema {
        place = place.schema(schema);
    }
    if let Some(certificates) = &database.root_certificates {
        place = place.root_certificates(certificates);
    }
    if database.allow_fsync_off {
        place = place.allow_fsync_off();
    }
    if place.has_password() {
        if std::env::args_os().any(|word| word.as_os_str() == named || is_option_with(&word, named)) {
            output::say(
                "others on this machine see the password in the URL: leave it out there, and set PGPASSWORD",
            );
        }
        return Ok(place);
    }
    Ok(match std::env::var("PGPASSWORD") {
        Ok(password) if !password.is_empty() => place.password(password),
        _ => place,
    })
}

/// Tells whether it is `--store=URL`.
fn is_option_with(word: &std::ffi::OsStr, named: &Path) -> bool {
    word.to_str().zip(named.to_str()).is_some_and(|(word, named)| word == format!("--store={named}"))
}
