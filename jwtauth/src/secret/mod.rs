//! Secret bytes, the file they are kept in, and the only caller of the random number generator.
//!
//! `secret_file` decides whether a file is good enough for a secret.
//!
//! # Invariants
//!
//! 1. A [`Secret`] never prints itself and is overwritten when dropped.
//! 2. There is one source of randomness, the operating system's, and no fallback: a failure is an error.

pub(crate) mod secret_file;

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use zeroize::Zeroizing;

use self::secret_file::{Exposed, SecretFile};
use crate::error::{ConfigError, RandomError};
use crate::private_file::{
    create_dir, is_refused, of_lost_target, parent, private, remedy_of_directory, sync_dir,
};

/// Bytes that sign tokens. Redacted in `Debug`, overwritten on drop.
#[derive(Clone)]
pub(crate) struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    pub(crate) fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret([redacted])")
    }
}

/// Returns `N` bytes from the operating system's random number generator.
#[expect(clippy::disallowed_methods, reason = "the one place that asks for randomness")]
pub(crate) fn random<const N: usize>() -> Result<[u8; N], RandomError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| RandomError)?;
    Ok(bytes)
}

/// Compares in a time that depends on the lengths only.
pub(crate) fn alike(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
}

/// How long an empty file is waited for: another process may be about to write it.
const WRITING: Duration = Duration::from_millis(500);

/// Returns a new signing secret: 384 random bits in base64, as `openssl rand -base64 48` makes it. For
/// [`secret_from_env`](crate::JwtAuthBuilder::secret_from_env) and
/// [`secret_file`](crate::JwtAuthBuilder::secret_file). Overwrite it after use, and show it to nobody.
///
/// # Errors
///
/// [`RandomError`] if the operating system has no randomness to give.
pub fn new_secret() -> Result<String, RandomError> {
    Ok(BASE64.encode(random::<48>()?))
}

/// Reads a secret from a file, or makes a file with a new one of 384 bits.
///
/// Two processes that start together get the same secret: the file appears complete, and only once.
pub(crate) fn read_or_make(path: &Path) -> Result<Secret, ConfigError> {
    let failed = |source| ConfigError::SecretFile { path: path.into(), source };
    let start = Instant::now();
    while fs::metadata(path).is_ok_and(|found| found.is_file() && found.len() == 0)
        && start.elapsed() < WRITING
    {
        thread::sleep(WRITING / 20);
    }
    match read(path) {
        Err(ConfigError::SecretFile { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            let secret = Zeroizing::new(new_secret()?);
            if make(path, secret.as_bytes()).map_err(|error| failed(advised(path, error)))? {
                tell_of_new(path);
            }
            // Its name may be taken by a link to nowhere.
            read(path).map_err(|error| match error {
                ConfigError::SecretFile { source, .. } => failed(of_lost_target(path, source)),
                other => other,
            })
        }
        // Its maker was killed in between, or somebody only made room for it.
        Ok(secret) if secret.expose().is_empty() && start.elapsed() >= WRITING => {
            let secret = Zeroizing::new(new_secret()?);
            let file = OpenOptions::new().write(true).truncate(true).open(path);
            file.and_then(|file| write_whole(file, secret.as_bytes())).map_err(|error| {
                let empty = format!("it is empty, and no new secret can be written into it: {error}");
                failed(io::Error::new(error.kind(), empty))
            })?;
            tell_of_new(path);
            read(path)
        }
        other => other,
    }
}

/// Tokens that another secret has signed are refused from now on.
fn tell_of_new(path: &Path) {
    tracing::info!(target: "jwtauth", ?path, "a new secret was made, because none was there");
}

fn read(path: &Path) -> Result<Secret, ConfigError> {
    let failed = |source| ConfigError::SecretFile { path: path.into(), source };
    let mut file = SecretFile::open(path).map_err(failed)?;
    file.protect().map_err(|exposed| match exposed {
        Exposed::File { mode } => ConfigError::SecretFileMode { path: path.into(), mode },
        Exposed::Directory { directory, mode } => {
            ConfigError::SecretFileDirectory { path: path.into(), directory, mode }
        }
    })?;
    let bytes = file.read(u64::MAX).map_err(failed)?;
    let bytes = bytes.trim_ascii();
    as_written(bytes.to_vec()).map_err(|problem| failed(io::Error::new(io::ErrorKind::InvalidData, problem)))
}

/// Takes a secret that somebody has written into a file or a variable. An error says what stands around it.
pub(crate) fn as_written(bytes: Vec<u8>) -> Result<Secret, &'static str> {
    let secret = Secret::new(bytes);
    written_around(secret.expose()).map_or(Ok(secret), Err)
}

/// Tells what stands around a secret that is none of it. It would be a part of it here, and not where another
/// program reads the same text.
fn written_around(bytes: &[u8]) -> Option<&'static str> {
    // In UTF-16 each second byte of such a text is 0.
    if matches!(bytes, [0xef, 0xbb, 0xbf, ..] | [0xff, 0xfe, _, 0, ..] | [0xfe, 0xff, 0, ..]) {
        return Some("it begins with a byte order mark: write it as UTF-8 without one");
    }
    // Random bytes may look like anything.
    let text = std::str::from_utf8(bytes).ok()?;
    if text.starts_with('#') && text.contains('\n') {
        return Some("it begins with a comment: write the secret alone");
    }
    if text.starts_with('{') && text.ends_with('}') && text.to_ascii_lowercase().contains("secret") {
        return Some("it is JSON with a member for the secret: write the secret alone");
    }
    if stands_in_quotes(text) {
        return Some("it stands in quotes: remove them");
    }
    let text = text.strip_prefix("export ").unwrap_or(text);
    // A name in YAML has white space behind its `:`, so a secret may have a `:` in it.
    let is_end =
        |at: &(usize, char)| at.1 == '=' || (at.1 == ':' && text[at.0 + 1..].starts_with([' ', '\t']));
    let (end, _) = text.char_indices().find(is_end)?;
    let (name, secret) = (text[..end].trim().to_ascii_lowercase(), &text[end + 1..]);
    let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    // What a secret in base64 ends with is none.
    let is_there = !secret.trim_matches(['=', ' ']).is_empty();
    (is_name && is_there && name.contains("secret"))
        .then_some("it begins with a name and `=` or `:`: write the secret alone")
}

/// Tells whether quotes stand around a text, as `docker run --env-file` leaves them.
pub(crate) fn stands_in_quotes(text: &str) -> bool {
    ['"', '\''].into_iter().any(|quote| text.len() > 1 && text.starts_with(quote) && text.ends_with(quote))
}

/// Adds to a refusal what to do.
fn advised(path: &Path, refusal: io::Error) -> io::Error {
    if !is_refused(&refusal) {
        return of_lost_target(path, refusal);
    }
    let directory = parent(path);
    let advice = format!(
        "{refusal}: no file can be made in {directory:?}: {}",
        remedy_of_directory(directory, &refusal)
    );
    io::Error::new(refusal.kind(), advice)
}

/// Writes the file under another name first, then renames it, unless the file exists by now. Returns whether
/// this file is the new one.
fn make(path: &Path, secret: &[u8]) -> io::Result<bool> {
    let directory = parent(path);
    create_dir(directory)?;
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    // A process in another container may have the same id.
    let number = u64::from_ne_bytes(random().map_err(io::Error::other)?);
    name.push(format!(".{number:016x}.new"));
    let unfinished = directory.join(name);
    let written = private(OpenOptions::new().write(true).create_new(true))
        .open(&unfinished)
        .and_then(|mut file| {
            file.write_all(secret).and_then(|()| file.write_all(b"\n")).and_then(|()| file.sync_all())
        })
        .and_then(|()| match fs::hard_link(&unfinished, path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            // exFAT and some file systems over a network have no hard links, and say so in many ways.
            Err(_) => write_new(path, secret),
            Ok(()) => Ok(true),
        })
        .and_then(|is_new| sync_dir(directory).map(|()| is_new));
    let removed = fs::remove_file(&unfinished);
    written.and_then(|is_new| removed.map(|()| is_new))
}

/// Writes the file in its place. One who is quicker wins.
fn write_new(path: &Path, secret: &[u8]) -> io::Result<bool> {
    match private(OpenOptions::new().write(true).create_new(true)).open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
        Ok(file) => write_whole(file, secret).map(|()| true),
    }
}

/// One write: nobody reads a part of it, and an empty file is waited for.
fn write_whole(mut file: File, secret: &[u8]) -> io::Result<()> {
    file.write_all(&Zeroizing::new([secret, b"\n"].concat())).and_then(|()| file.sync_all())
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::private_file::{mode, set_mode};

    /// What an editor or a shell has put around a secret is named, and never shown.
    #[test]
    fn m_7_what_stands_around_a_secret_is_no_part_of_it() {
        let directory = std::env::temp_dir().join(format!("jwtauth-around-{}", std::process::id()));
        let path = directory.join("secret");
        let secret = "wonderland-wonderland-wonderland==";
        read_or_make(&path).unwrap();
        for (text, says) in [
            (format!("\u{feff}{secret}\n"), "byte order mark"),
            (format!("\"{secret}\"\r\n"), "quotes"),
            (format!("'{secret}'"), "quotes"),
            (format!("JWTAUTH_SECRET={secret}"), "`=`"),
            (format!("secret={secret}"), "`=`"),
            (format!("export JWTAUTH_SECRET={secret}"), "`=`"),
            (format!("JWTAUTH_SECRET = {secret}"), "`=`"),
            (format!("SECRET_KEY={secret}"), "`=`"),
            (format!("secret: {secret}"), "`:`"),
            (format!("my_secret:\t{secret}"), "`:`"),
            (format!("{{\"secret\":\"{secret}\"}}"), "JSON"),
            (format!("# of the shop\n{secret}\n"), "comment"),
        ] {
            fs::write(&path, &text).unwrap();
            let error = read_or_make(&path).unwrap_err();
            let shown = format!("{error:?}");
            assert!(shown.contains(says) && !shown.contains("wonderland"), "{text}: {shown}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text, "it is left as it is");
        }
        for text in [
            secret.to_owned(),
            format!(" {secret}\r\n"),
            format!("a\"{secret}\""),
            format!("{secret}="),
            "a_secret_of_thirty_two_bytes_at_least==".into(),
            format!("#{secret}"),
            format!("over:{secret}"),
            format!("my_secret:{secret}"),
            format!("secret:{secret}"),
            format!("secret:{secret}=="),
        ] {
            fs::write(&path, &text).unwrap();
            assert_eq!(read_or_make(&path).unwrap().expose(), text.trim().as_bytes(), "{text}");
        }
        // PowerShell writes UTF-16, and random bytes begin in any way.
        let wide = [0xfeff].into_iter().chain(secret.encode_utf16());
        for bytes in [u16::to_le_bytes, u16::to_be_bytes] {
            fs::write(&path, wide.clone().flat_map(bytes).collect::<Vec<_>>()).unwrap();
            assert!(format!("{:?}", read_or_make(&path).unwrap_err()).contains("byte order mark"));
        }
        for start in [&b"\xff\xfe"[..], b"\xfe\xff", b"\""] {
            let random = [start, &[0x9c; 40], b"\""].concat();
            fs::write(&path, &random).unwrap();
            assert_eq!(read_or_make(&path).unwrap().expose(), random);
        }
        fs::remove_dir_all(&directory).unwrap();
        // It is not read at all: a pipe is waited for.
        let error = read_or_make(Path::new("/dev/zero")).unwrap_err();
        assert!(format!("{error:?}").contains("a device"), "{error:?}");
    }

    /// M-7: a file that somebody has made room with, or a link to a volume that is not there.
    #[test]
    fn m_7_an_empty_file_and_a_lost_link_are_named() {
        let directory = std::env::temp_dir().join(format!("jwtauth-empty-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let path = directory.join("secret");
        std::os::unix::fs::symlink("/nowhere/jwtauth/secret", &path).unwrap();
        let shown = format!("{:?}", read_or_make(&path).unwrap_err());
        assert!(shown.contains("symbolic link") && shown.contains("/nowhere/jwtauth/secret"), "{shown}");
        fs::remove_file(&path).unwrap();
        fs::write(&path, "").unwrap();
        set_mode(&path, 0o400).unwrap();
        if nix::unistd::geteuid().is_root() {
            println!("skipped: root may write into every file");
        } else {
            let shown = format!("{:?}", read_or_make(&path).unwrap_err());
            assert!(shown.contains("it is empty, and no new secret can be written into it"), "{shown}");
        }
        fs::remove_dir_all(&directory).unwrap();
    }

    /// R-13, M-7: made once, private, and read back; made private again when others can read it, and refused
    /// when others can write it.
    #[test]
    fn r_13_m_7_a_secret_file_is_made_once_and_is_private() {
        let directory = std::env::temp_dir().join(format!("jwtauth-secret-{}", std::process::id()));
        let path = directory.join("secret");
        let made = read_or_make(&path).unwrap();
        assert_eq!(made.expose().len(), 64, "48 bytes in base64");
        let is_private = || mode(&fs::metadata(&path).unwrap()) == 0o600;
        assert!(is_private());
        assert_eq!(mode(&fs::metadata(&directory).unwrap()), 0o700);
        assert_eq!(read_or_make(&path).unwrap().expose(), made.expose());
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 1, "nothing is left over");

        for wide in [0o640, 0o644, 0o660, 0o664, 0o755, 0o440] {
            set_mode(&path, wide).unwrap();
            assert_eq!(read_or_make(&path).unwrap().expose(), made.expose(), "{wide:o}");
            assert!(is_private(), "{wide:o}");
        }
        for open in [0o602, 0o606, 0o666, 0o777, 0o646] {
            set_mode(&path, open).unwrap();
            let refused = read_or_make(&path);
            assert!(matches!(refused, Err(ConfigError::SecretFileMode { mode, .. }) if mode == open));
        }
        // `fsGroup` of Kubernetes widens a volume that anybody can write.
        set_mode(&directory, 0o777).unwrap();
        for wide in [0o660, 0o640] {
            set_mode(&path, wide).unwrap();
            assert_eq!(read_or_make(&path).unwrap().expose(), made.expose(), "{wide:o}");
            assert!(is_private(), "{wide:o}");
        }
        set_mode(&path, 0o644).unwrap();
        let refused = read_or_make(&path);
        assert!(matches!(refused, Err(ConfigError::SecretFileDirectory { mode: 0o777, .. })), "{refused:?}");
        fs::remove_dir_all(&directory).unwrap();
    }
}
