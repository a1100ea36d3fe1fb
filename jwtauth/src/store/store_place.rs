//! Where a store is, as one word: a directory, or the URL of a database.
//!
//! What looks like the address of a database is never taken for a directory: its password would be the name
//! of one, on a disk and in messages (O-15).

use std::fmt;
use std::path::{Path, PathBuf};

#[cfg(feature = "postgres")]
use super::postgres::PostgresConfig;
use super::sled::SledConfig;
use crate::byte_order_mark::without_mark;
use crate::error::StoreError;

/// What [`JwtAuthBuilder::open`](crate::JwtAuthBuilder::open) opens: the embedded store in a directory, or a
/// PostgreSQL database (feature `postgres`) if the text begins with `postgres://` or `postgresql://`, or is
/// of the form `host=.. user=..`. Another `scheme://` is refused. A text that begins with `/` or `.` is
/// always a directory.
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
    /// A URL of something that this build does not open: a refusal to come, and no directory of that name.
    OtherScheme {
        /// What stands in front of `://`; `postgres` without the feature `postgres`. Of the rest nothing is
        /// kept, because a password may be in it.
        scheme: String,
    },
}

/// The words by which a text of the form `host=.. user=..` is known.
const DATABASE_WORDS: [&str; 6] = ["host", "hostaddr", "user", "dbname", "password", "port"];

/// What a database needs beside its URL. A directory stays as it is.
impl StorePlace {
    /// Tells whether it is a database.
    #[must_use]
    pub fn is_database(&self) -> bool {
        match self {
            Self::Sled(_) => false,
            Self::OtherScheme { scheme } => scheme == "postgres",
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
        Self::OtherScheme { scheme: "postgres".into() }
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
            Self::OtherScheme { scheme } => Err(StoreError::of_scheme(scheme)),
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
        if let Some(scheme) = other_form_of(text).or_else(|| named_in_front(text)) {
            return Self::OtherScheme { scheme };
        }
        if is_cut_short(text) {
            return Self::database(text.into());
        }
        if let Some((scheme, rest)) = scheme_of(text) {
            let scheme = scheme.to_ascii_lowercase();
            if scheme != "postgres" && scheme != "postgresql" {
                return Self::OtherScheme { scheme };
            }
            return Self::database(format!("{scheme}://{rest}"));
        }
        if has_database_words(text) { Self::database(text.into()) } else { Self::Sled(path.into()) }
    }
}

/// Returns what stands between quotes that `docker run --env-file` keeps.
fn unquoted(text: &str) -> &str {
    let between = |quote| text.strip_prefix(quote)?.strip_suffix(quote);
    between('"').or_else(|| between('\'')).unwrap_or(text).trim()
}

/// Returns what stands in front of the address of a database if that begins with the name of a variable.
fn named_in_front(text: &str) -> Option<String> {
    let front = text.split_once("://")?.0;
    let (name, scheme) = front.split_once('=')?;
    let scheme = scheme.trim_start_matches(['"', '\'']);
    let is_database = ["postgres", "postgresql"].iter().any(|known| scheme.eq_ignore_ascii_case(known));
    let name = name.strip_prefix("export ").unwrap_or(name);
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    (is_database && is_name).then(|| front.to_owned())
}

/// Takes a URL apart, if it is one. A drive of Windows has one letter, and is no scheme.
fn scheme_of(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once("://")?;
    let is_scheme = scheme.len() > 1
        && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    is_scheme.then_some((scheme, rest))
}

/// Returns what the address of a database begins with that is written as for another program, such as
/// `jdbc:postgresql`. A directory of that name would have a password in it.
fn other_form_of(text: &str) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    let mut words = lower.split(':');
    let (program, database) = (words.next()?, words.next()?);
    let is_name = !program.is_empty() && program.chars().all(|c| c.is_ascii_alphanumeric());
    let is_form = is_name && ["postgres", "postgresql"].contains(&database) && words.next().is_some();
    is_form.then(|| format!("{program}:{database}"))
}

/// Tells whether a text is the address of a database in which a `/` is missing.
fn is_cut_short(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let mut rests = ["postgres:", "postgresql:"].iter().filter_map(|word| lower.strip_prefix(word));
    rests.any(|rest| !rest.is_empty() && !rest.starts_with("//"))
}

/// Tells whether a text begins as `host=.. user=..` does. There may be spaces around `=`.
fn has_database_words(text: &str) -> bool {
    let Some((word, _)) = text.split_once('=') else { return false };
    let word = word.trim_end();
    if DATABASE_WORDS.iter().any(|known| word.eq_ignore_ascii_case(known)) {
        return true;
    }
    // Other settings may stand in front.
    let is_setting = !word.is_empty() && word.chars().all(|c| c.is_ascii_alphabetic() || c == '_');
    let is_known = |part: &str| DATABASE_WORDS.iter().any(|known| part.eq_ignore_ascii_case(known));
    is_setting
        && text.match_indices('=').skip(1).any(|(place, _)| {
            let before = text.get(..place).unwrap_or_default().trim_end();
            before.rsplit(char::is_whitespace).next().is_some_and(is_known)
        })
}

/// Without what a URL has of user and password (O-15).
impl fmt::Display for StorePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sled(config) => write!(f, "{:?}", config.path()),
            #[cfg(feature = "postgres")]
            Self::Postgres(config) => f.write_str(&config.place()),
            Self::OtherScheme { scheme } => write!(f, "{scheme}://.."),
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
        ] {
            let place = StorePlace::from(text);
            assert!(matches!(place, StorePlace::OtherScheme { .. }) && !place.is_database(), "{text}");
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
