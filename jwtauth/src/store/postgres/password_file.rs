//! The file of passwords that PostgreSQL's own programs read: `PGPASSFILE`, or `.pgpass` in the home of the
//! user.
//!
//! A line is `host:port:database:user:password`. A field may be `*`, and `\` stands before a `:` or `\` in
//! one. The first line that fits counts. A file that others can read is left alone, as those programs do.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use tokio_postgres::config::{Config, Host};
use zeroize::Zeroizing;

use crate::byte_order_mark::bytes_without_mark;

/// The port of a server that names none.
const PORT: u16 = 5432;

/// Returns the password that the file has for this database: of several hosts, that of the first which has
/// one.
pub(super) fn password_of(config: &Config) -> Option<Zeroizing<String>> {
    let path = path_of(std::env::var_os("PGPASSFILE"), std::env::var_os("HOME"))?;
    let text = read(&path)?;
    let user = config.get_user()?;
    let database = config.get_dbname().unwrap_or(user);
    let ports = config.get_ports();
    config.get_hosts().iter().enumerate().find_map(|(number, host)| {
        let host = match host {
            Host::Tcp(name) => name.clone(),
            #[cfg(unix)]
            Host::Unix(path) => path.to_string_lossy().into_owned(),
        };
        let port = ports.get(number).or(ports.first()).copied().unwrap_or(PORT).to_string();
        find(&text, [&host, &port, database, user])
    })
}

fn path_of(named: Option<OsString>, home: Option<OsString>) -> Option<PathBuf> {
    match named.filter(|named| !named.is_empty()) {
        Some(named) => Some(named.into()),
        None => home.map(|home| Path::new(&home).join(".pgpass")),
    }
}

/// Reads the file, if it is there and private.
fn read(path: &Path) -> Option<Zeroizing<String>> {
    let found = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = found.permissions().mode();
        if mode & 0o077 != 0 {
            let mode = format!("{:o}", mode & 0o777);
            tracing::warn!(target: "jwtauth", ?path, %mode, "the file of passwords for PostgreSQL is left alone, because others can read it");
            return None;
        }
    }
    #[cfg(not(unix))]
    let _ = found;
    let bytes = Zeroizing::new(fs::read(path).ok()?);
    let Ok(text) = std::str::from_utf8(bytes_without_mark(&bytes)) else {
        tracing::warn!(target: "jwtauth", ?path, "the file of passwords for PostgreSQL is left alone, because it is not UTF-8");
        return None;
    };
    Some(Zeroizing::new(text.to_owned()))
}

/// Returns the password of the first line whose fields are these.
fn find(text: &str, wanted: [&str; 4]) -> Option<Zeroizing<String>> {
    text.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
        let mut rest = line;
        for wanted in wanted {
            let (field, behind) = field(rest);
            if rest.len() == field.len() || (field != "*" && plain(field) != wanted) {
                return None;
            }
            rest = behind;
        }
        Some(Zeroizing::new(plain(field(rest).0))).filter(|password| !password.is_empty())
    })
}

/// Splits a line behind its first field.
fn field(line: &str) -> (&str, &str) {
    let mut escaped = false;
    for (at, letter) in line.char_indices() {
        match letter {
            ':' if !escaped => return (&line[..at], &line[at + 1..]),
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    (line, "")
}

/// Returns a field without the marks before its letters.
fn plain(field: &str) -> String {
    let mut letters = field.chars();
    let mut plain = String::new();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => plain.extend(letters.next()),
            letter => plain.push(letter),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_fits_counts() {
        let text = "# a comment:5432:*:*:no\nshort:line\nother:5432:shop:app:no\ndb:5433:*:app:no\n\
                    db:5432:shop:app:pa\\:ss\\\\word\ndb:*:*:*:any\n/run/pg:5432:shop:app:socket\nempty:*:*:*:\n\
                    a\\:b:*:*:*:odd";
        let find = |wanted| find(text, wanted).map(|password| password.to_string());
        assert_eq!(find(["db", "5432", "shop", "app"]).as_deref(), Some("pa:ss\\word"));
        assert_eq!(find(["db", "5432", "shop", "eve"]).as_deref(), Some("any"));
        assert_eq!(find(["/run/pg", "5432", "shop", "app"]).as_deref(), Some("socket"));
        assert_eq!(find(["a:b", "1", "c", "d"]).as_deref(), Some("odd"));
        for nobody in ["nobody", "short", "empty", "# a comment", "*"] {
            assert_eq!(find([nobody, "5432", "shop", "app"]), None, "{nobody}");
        }
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_first_line() {
        let file = std::env::temp_dir().join(format!("jwtauth-pgpass-{}", std::process::id()));
        for (bytes, expected) in
            [(&b"\xef\xbb\xbfdb:*:*:*:word\n"[..], Some("word")), (b"db:*:*:*:w\xf6rd\n", None)]
        {
            fs::write(&file, bytes).unwrap();
            crate::private_file::set_mode(&file, 0o600).unwrap();
            let found = read(&file).and_then(|text| find(&text, ["db", "5432", "shop", "app"]));
            assert_eq!(found.as_ref().map(|password| password.as_str()), expected);
        }
        fs::remove_file(file).unwrap();
    }

    #[test]
    fn the_file_is_named_or_at_home() {
        let path = |named: &str, home: Option<&str>| path_of(Some(named.into()), home.map(Into::into));
        assert_eq!(path("/a", Some("/home/b")), Some("/a".into()));
        assert_eq!(path("", Some("/home/b")), Some("/home/b/.pgpass".into()));
        assert_eq!(path("", None), None);
    }
}
