//! Where a store is, as one word: a directory, or the URL of a database.

use std::fmt;
use std::path::{Path, PathBuf};

#[cfg(feature = "postgres")]
use super::postgres::PostgresConfig;
use super::sled::SledConfig;
use crate::error::StoreError;

/// What [`JwtAuthBuilder::open`](crate::JwtAuthBuilder::open) opens: the embedded store in a directory, or a
/// PostgreSQL database if the text begins with `postgres://` or `postgresql://` (feature `postgres`).
///
/// Made of a path, a URL, a [`SledConfig`] or a `PostgresConfig`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum StorePlace {
    /// A directory.
    Sled(SledConfig),
    /// A database.
    #[cfg(feature = "postgres")]
    Postgres(PostgresConfig),
    /// A database, in a build without the feature `postgres`: a refusal to come, and no directory of that
    /// name.
    #[cfg(not(feature = "postgres"))]
    NoPostgres,
}

/// What a database needs beside its URL. A directory stays as it is.
impl StorePlace {
    /// Tells whether it is a database.
    #[must_use]
    pub const fn is_database(&self) -> bool {
        !matches!(self, Self::Sled(_))
    }

    /// Tells whether a password is in it.
    #[must_use]
    pub fn has_password(&self) -> bool {
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgres(config) => config.has_password(),
            _ => false,
        }
    }

    /// Sets the schema: see `PostgresConfig::schema`.
    #[must_use]
    pub fn schema(self, schema: impl Into<String>) -> Self {
        #[cfg(not(feature = "postgres"))]
        let _: String = schema.into();
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgres(config) => Self::Postgres(config.schema(schema)),
            other => other,
        }
    }

    /// Sets the password: see `PostgresConfig::password`.
    #[must_use]
    pub fn password(self, password: impl Into<String>) -> Self {
        #[cfg(not(feature = "postgres"))]
        let _: String = password.into();
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgres(config) => Self::Postgres(config.password(password)),
            other => other,
        }
    }

    /// Names the certificates to trust: see `PostgresConfig::root_certificates`.
    #[must_use]
    pub fn root_certificates(self, path: impl Into<PathBuf>) -> Self {
        #[cfg(not(feature = "postgres"))]
        let _: PathBuf = path.into();
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgres(config) => Self::Postgres(config.root_certificates(path)),
            other => other,
        }
    }

    /// Makes a path absolute: it may be read by a process in another directory.
    pub(super) fn absolute(self) -> Result<Self, StoreError> {
        match self {
            Self::Sled(config) => config.absolute().map(Self::Sled),
            #[cfg(feature = "postgres")]
            other => Ok(other),
            #[cfg(not(feature = "postgres"))]
            Self::NoPostgres => Ok(Self::NoPostgres),
        }
    }
}

impl<P: AsRef<Path>> From<P> for StorePlace {
    fn from(path: P) -> Self {
        match path.as_ref().to_str() {
            Some(url) if url.starts_with("postgres://") || url.starts_with("postgresql://") => {
                #[cfg(feature = "postgres")]
                return Self::Postgres(url.into());
                #[cfg(not(feature = "postgres"))]
                Self::NoPostgres
            }
            _ => Self::Sled(path.into()),
        }
    }
}

/// Without what a URL has of user and password (O-15).
impl fmt::Display for StorePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sled(config) => write!(f, "{:?}", config.path()),
            #[cfg(feature = "postgres")]
            Self::Postgres(config) => f.write_str(&config.place()),
            #[cfg(not(feature = "postgres"))]
            Self::NoPostgres => f.write_str("a PostgreSQL database"),
        }
    }
}

impl From<SledConfig> for StorePlace {
    fn from(config: SledConfig) -> Self {
        Self::Sled(config)
    }
}

#[cfg(feature = "postgres")]
impl From<PostgresConfig> for StorePlace {
    fn from(config: PostgresConfig) -> Self {
        Self::Postgres(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_a_database_and_all_else_is_a_directory() {
        for url in ["postgres://app@db/app", "postgresql://app@db/app"] {
            assert!(!matches!(url.into(), StorePlace::Sled(_)), "{url}");
        }
        for path in ["data/store", "/postgres", "./postgres://x", "postgres:", ""] {
            assert!(
                matches!(path.into(), StorePlace::Sled(config) if config == SledConfig::new(path)),
                "{path}"
            );
        }
    }
}
