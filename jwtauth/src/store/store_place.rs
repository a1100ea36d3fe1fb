//! Where a store is, as one word: a directory, or the URL of a database.

use std::path::Path;

#[cfg(feature = "postgres")]
use super::postgres::PostgresConfig;
use super::sled::SledConfig;

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
