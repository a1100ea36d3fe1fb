//! What a text that names a store is meant as: a directory, the address of a database, or an address that is
//! written for another program.
//!
//! # Invariants
//!
//! 1. What looks like an address is never a directory: its password would be the name of one, on a disk and
//!    in messages (O-15). Only what begins with `/` or `.` always is one.
//! 2. Nothing of what may be a password is in a refusal.

/// What a text is meant as.
#[derive(Debug)]
pub(super) enum AddressForm {
    Directory,
    /// The address of a database. What is wrong with it, the driver says.
    Database(String),
    /// An address that nothing here opens: what it begins with, and what to write instead.
    Refused(String, &'static str),
}

/// The words by which a text of the form `host=.. user=..` is known.
const DATABASE_WORDS: [&str; 6] = ["host", "hostaddr", "user", "dbname", "password", "port"];

const OTHER_SCHEME: &str =
    "URLs are not supported: name a directory, or a database as in `postgres://user@host/database`";
const OTHER_PROGRAM: &str = "is for another program: write `postgres://user@host/database`";
const IN_FRONT: &str =
    "stands in front of an address: write the address alone, as in `postgres://user@host/database`";
const NO_SCHEME: &str = "is an address without `postgres://` in front: write `postgres://user@host/database`";
const NO_URL: &str =
    "stands in a text that is no URL: write `postgres://user@host/database`, and nothing else";

impl AddressForm {
    /// Spaces and quotes around the text are [off](unquoted).
    pub(super) fn of(text: &str) -> Self {
        let refused = |start: &str, advice| Self::Refused(start.to_owned(), advice);
        if text.starts_with(['/', '.']) {
            return Self::Directory;
        }
        if is_command(text) {
            return refused("psql", IN_FRONT);
        }
        if begins_with_database_word(text) {
            return Self::Database(text.to_owned());
        }
        if let Some(name) = name_in_front(text) {
            return refused(&name, IN_FRONT);
        }
        if let Some(start) = other_form_of(text) {
            return refused(&start, OTHER_PROGRAM);
        }
        if is_cut_short(text) {
            return Self::Database(text.to_owned());
        }
        if let Some((scheme, rest)) = scheme_of(text) {
            let scheme = scheme.to_ascii_lowercase();
            return match scheme.split_once('+').map_or(&*scheme, |(database, _)| database) {
                database if !is_database(database) => refused(&format!("{scheme}://"), OTHER_SCHEME),
                database if database != scheme => refused(&format!("{scheme}://"), OTHER_PROGRAM),
                _ => Self::Database(format!("{scheme}://{rest}")),
            };
        }
        if has_database_words(text) {
            return Self::Database(text.to_owned());
        }
        if has_password_in_front(text) {
            return refused("user:password@host", NO_SCHEME);
        }
        // A drive of Windows has one letter, and a path may have anything.
        match text.split_once("://") {
            Some((front, _)) if front.len() > 1 && !front.contains(['/', '\\']) => refused("://", NO_URL),
            _ => Self::Directory,
        }
    }
}

fn is_database(scheme: &str) -> bool {
    ["postgres", "postgresql"].contains(&scheme)
}

/// Tells whether it is a command with an address, as managed services show it. Variables may be in front.
fn is_command(text: &str) -> bool {
    let mut words = text.split_whitespace().skip_while(|word| word.contains('='));
    words.next() == Some("psql") && words.next().is_some()
}

/// Returns what stands between quotes that `docker run --env-file` keeps.
pub(super) fn unquoted(text: &str) -> &str {
    let between = |quote| text.strip_prefix(quote)?.strip_suffix(quote);
    between('"').or_else(|| between('\'')).unwrap_or(text).trim()
}

/// Returns the name of a variable in front of an address, as it stands in a file: `NAME=` or `NAME:`.
fn name_in_front(text: &str) -> Option<String> {
    let at = text.find(['=', ':'])?;
    let (name, rest) = text.split_at(at);
    let (sign, rest) = rest.split_at(1);
    let name = name.strip_prefix("export ").unwrap_or(name).trim();
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    // Without a space it may be anything, such as the end of a scheme.
    let is_assigned = sign == "=" || rest.starts_with(char::is_whitespace);
    let rest = rest.trim().trim_start_matches(['"', '\'']);
    let is_address = begins_with_database_word(rest)
        || other_form_of(rest).is_some()
        || scheme_of(rest).is_some()
        || has_password_in_front(rest);
    (is_name && is_assigned && is_address).then(|| format!("{name}{sign}"))
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
/// `jdbc:postgresql:`.
fn other_form_of(text: &str) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    let mut words = lower.split(':');
    let (program, database) = (words.next()?, words.next()?);
    let is_name = !program.is_empty() && program.chars().all(|c| c.is_ascii_alphanumeric());
    let is_form = is_name && is_database(database) && words.next().is_some();
    is_form.then(|| format!("{program}:{database}:"))
}

/// Tells whether a text is the address of a database in which a `/` or the `:` is missing.
fn is_cut_short(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let starts = ["postgres:", "postgresql:", "postgres//", "postgresql//"];
    let mut rests = starts.iter().filter_map(|start| lower.strip_prefix(start));
    rests.any(|rest| !rest.is_empty() && !rest.starts_with("//"))
}

/// Tells whether it is `user:password@host/database`. A drive of Windows is no user.
fn has_password_in_front(text: &str) -> bool {
    let Some((user, rest)) = text.split_once(':') else { return false };
    let is_drive = user.len() == 1 && rest.starts_with(['/', '\\']);
    let is_user = !user.is_empty() && !user.contains(|c: char| c.is_whitespace() || "/\\=".contains(c));
    is_user && !is_drive && !rest.starts_with("//") && rest.contains('@')
}

fn is_database_word(word: &str) -> bool {
    DATABASE_WORDS.iter().any(|known| word.eq_ignore_ascii_case(known))
}

/// Tells whether a text begins as `host=.. user=..` does. There may be spaces around `=`.
fn begins_with_database_word(text: &str) -> bool {
    text.split_once('=').is_some_and(|(word, _)| is_database_word(word.trim_end()))
}

/// Likewise, and other settings may stand in front.
fn has_database_words(text: &str) -> bool {
    let Some((word, _)) = text.split_once('=') else { return false };
    let word = word.trim_end();
    let is_setting = !word.is_empty() && word.chars().all(|c| c.is_ascii_alphabetic() || c == '_');
    is_setting
        && text.match_indices('=').skip(1).any(|(place, _)| {
            let before = text.get(..place).unwrap_or_default().trim_end();
            before.rsplit(char::is_whitespace).next().is_some_and(is_database_word)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn o_15_an_address_for_another_program_is_refused_by_what_it_begins_with() {
        for (text, start) in [
            ("psql 'postgresql://app:s3cret@db/app'", "psql"),
            ("psql \"host=db user=app password=s3cret\"", "psql"),
            ("PGPASSWORD=s3cret psql -h db app", "psql"),
            ("DATABASE_URL: postgres://app:s3cret@db/app", "DATABASE_URL:"),
            ("DATABASE_URL=postgres://app:s3cret@db/app", "DATABASE_URL="),
            ("DATABASE_URL = \"postgres://app:s3cret@db/app\"", "DATABASE_URL="),
            ("export URL='PostgreSQL://app:s3cret@db/app'", "URL="),
            ("URL=app:s3cret@db/app", "URL="),
            ("URL=host=db password=s3cret", "URL="),
            ("url: \"jdbc:postgresql://db/app?password=s3cret\"", "url:"),
            ("jdbc:postgresql://db/app?user=app&password=s3cret", "jdbc:postgresql:"),
            ("JDBC:Postgres:app:s3cret", "jdbc:postgres:"),
            ("postgresql+asyncpg://app:s3cret@db/app", "postgresql+asyncpg://"),
            ("postgress://app:s3cret@db/app", "postgress://"),
            ("mysql://app:s3cret@db/app", "mysql://"),
            ("mysql+pymysql://app:s3cret@db/app", "mysql+pymysql://"),
            ("HTTPS://app:s3cret@db/app", "https://"),
            ("app:s3cret@db/app", "user:password@host"),
            ("app:s3/cr:et@db", "user:password@host"),
            ("a:s3cret@db", "user:password@host"),
            ("Postgres ://app:s3cret@db/app", "://"),
            ("\"postgres://app:s3cret@db/app", "://"),
            ("- DATABASE_URL=postgres://app:s3cret@db/app", "://"),
            ("<postgres://app:s3cret@db/app>", "://"),
        ] {
            let form = AddressForm::of(text);
            let AddressForm::Refused(found, advice) = &form else { panic!("{text}: {form:?}") };
            assert_eq!(found, start, "{text}");
            assert!(advice.contains("postgres://user@host/database"), "{text}: {advice}");
        }
    }

    #[test]
    fn o_15_what_the_driver_reads_goes_to_it() {
        for text in [
            "postgres://app@db/app",
            "POSTGRES://app@db/app",
            "host=db user=app password=a:b@c",
            "dbname=app",
            "sslmode=require host=db password=a:b@c",
            "sslmode=require host=db password=a://b",
            "postgres:/app:s3cret@db/app",
            "postgres//app:s3cret@db/app",
        ] {
            assert!(matches!(AddressForm::of(text), AddressForm::Database(_)), "{text}");
        }
    }

    #[test]
    fn a_directory_may_have_any_name() {
        for path in [
            "me@home",
            "at 10:30",
            "c:\\data\\me@home",
            "c:/data/me@home",
            "data/a:b@c",
            "./app:s3cret@db",
            "./psql data",
            "./x://y",
            "psql",
            "my psql data",
            "colour=red",
            "store=a b",
        ] {
            assert!(matches!(AddressForm::of(path), AddressForm::Directory), "{path}");
        }
    }
}
