//! Where a store is, as one word: a directory, or the URL of a database. Which of them a text is meant as is
//! in `address_form`.

use std::fmt;
use std::path::{Path, PathBuf};

use super::address_form::{AddressForm, unquoted};
#[cfg(feature = "postgres")]
use super::postgres::PostgresConfig;
use super::sled::SledConfig;
use crate::byte_order_mark::without_mark;
use crate::error::StoreError;

/// What [`JwtAuthBuilder::open`](crate::JwtAuthBuilder::open) opens: the embedded store in a directory, or a
/// PostgreSQL database (feature `postgres`) if the text begins with `postgres://` or `postgresql://`, or is
/// of the form `host=.. user=..`. Another `scheme://` is refused, and so is what looks like an address for
/// another program, such as `user:password@host/database`. A text that begins with `/` or `.` is always a
/// directory.
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
    /// An address that this build does not open: a refusal to come, and no directory of that name.
    OtherAddress {
        /// What it begins with, such as `mysql://`; `postgres://` without the feature `postgres`. Of the rest
        /// nothing is kept, because a password may be in it.
        start: String,
        /// What to write instead.
        advice: &'static str,
    },
}

/// What a database needs beside its URL. A directory stays as it is.
impl StorePlace {
    /// Tells whether it is a database.
    #[must_use]
    pub fn is_database(&self) -> bool {
        match self {
            Self::Sled(_) => false,
            Self::OtherAddress { start, .. } => start == "postgres://",
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => true,
        }
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

    #[cfg(feature = "postgres")]
    fn database(url: String) -> Self {
        Self::Postgres(url.into())
    }

    #[cfg(not(feature = "postgres"))]
    fn database(_: String) -> Self {
        Self::OtherAddress { start: "postgres://".into(), advice: "" }
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

    /// Takes a server with `fsync = off`: see `PostgresConfig::allow_fsync_off`.
    #[must_use]
    pub fn allow_fsync_off(self) -> Self {
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgres(config) => Self::Postgres(config.allow_fsync_off()),
            other => other,
        }
    }

    /// Returns it for programs, as it is written: a path has no quotes here. No password is in it.
    pub(super) fn plain(&self) -> String {
        match self {
            Self::Sled(config) => config.path().to_string_lossy().into_owned(),
            other => other.to_string(),
        }
    }

    /// Makes a path absolute: it may be read by a process in another directory.
    pub(super) fn absolute(self) -> Result<Self, StoreError> {
        match self {
            Self::Sled(config) => config.absolute().map(Self::Sled),
            Self::OtherAddress { start, advice } => Err(StoreError::of_address(start, advice)),
            #[cfg(feature = "postgres")]
            other @ Self::Postgres(_) => Ok(other),
        }
    }
}

impl<P: AsRef<Path>> From<P> for StorePlace {
    fn from(path: P) -> Self {
        let text = path.as_ref().to_string_lossy();
        // Spaces, ends of lines, marks and quotes come from files and environments.
        let text = unquoted(without_mark(text.trim()));
        match AddressForm::of(text) {
            AddressForm::Directory => Self::Sled(path.into()),
            AddressForm::Database(url) => Self::database(url),
            AddressForm::Refused(start, advice) => Self::OtherAddress { start, advice },
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
            Self::OtherAddress { start, .. } => write!(f, "{start}.."),
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
    fn what_looks_like_a_database_is_one_and_all_else_is_a_directory() {
        for text in [
            "postgres://app@db/app",
            "postgresql://app@db/app",
            "POSTGRES://app@db/app",
            " PostgreSQL://app@db/app\n",
            "\"postgres://app:s3cret@db/app\"",
            "' host=db user=app password=s3cret'",
            "\u{feff}postgres://app@db/app\r\n",
            "host=db user=app password=s3cret dbname=app",
            "password = s3cret host = db",
            "sslmode=require host=db password=s3cret",
            "HOST=db password=s3cret",
            "postgres:/app:s3cret@db/app",
        ] {
            assert!(StorePlace::from(text).is_database(), "{text}");
        }
        for path in [
            "data/store",
            "/postgres",
            "./postgres://x",
            "/data/https://x",
            "./host=db user=app",
            "/srv/host=db",
            "data/host=db",
            "colour=red",
            "c://data",
            "data/x://y",
            " spaced",
            "postgres:",
            "/srv/jdbc:postgresql:5432",
            "./jdbc:postgresql://db/app",
            "a:postgres",
            "\"data/store\"",
            "\"",
            "://",
            "=",
            "",
        ] {
            let place = StorePlace::from(path);
            assert!(matches!(place, StorePlace::Sled(config) if config == SledConfig::new(path)), "{path}");
        }
        for text in [
            "postgress://app:s3cret@db/app",
            "mysql://app:s3cret@db/app",
            "HTTPS://app:s3cret@db/app",
            "jdbc:postgresql://db/app?user=app&password=s3cret",
            "JDBC:Postgres:app:s3cret",
            "JWTAUTH_STORE=postgres://app:s3cret@db/app",
            "export DATABASE_URL=\"PostgreSQL://app:s3cret@db/app\"",
            " psql 'postgresql://app:s3cret@db/app'\n",
            "'app:s3cret@db/app'",
            "Postgres ://app:s3cret@db/app",
        ] {
            let place = StorePlace::from(text);
            assert!(matches!(place, StorePlace::OtherAddress { .. }) && !place.is_database(), "{text}");
            let error = place.clone().absolute().unwrap_err();
            assert!(!format!("{place:?} {place} {error:?}").contains("s3cret"), "{error}");
        }
    }

    #[cfg(feature = "postgres")]
    #[test]
    fn the_driver_reads_what_is_taken_for_a_database() {
        for text in [
            "POSTGRES://app:s3cret@db/app",
            " host=db user=app password=s3cret dbname=app\n",
            "\u{feff}\"postgres://app:s3cret@db/app\"\n",
        ] {
            let place = StorePlace::from(text);
            assert_eq!(place.to_string().replace(":5432", ""), "postgres://db/app (schema \"jwtauth\")");
            assert!(place.has_password());
        }
    }
}
