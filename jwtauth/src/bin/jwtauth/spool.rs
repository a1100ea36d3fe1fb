//! A file to read from that a command names, or what comes from standard input.

use std::fs::{self, File, OpenOptions};
use std::io::{self, IsTerminal as _, Seek as _};
use std::path::Path;

use super::{Failure, rights};

/// Opens a file. `-` is standard input, all of which is written into a file without a name first, like what
/// a pipe has: it is read more than once. `what` says what the file should be.
pub(crate) fn open(file: &Path, what: &str) -> Result<File, Failure> {
    if file != Path::new("-") {
        let opened = File::open(file).and_then(|opened| {
            let kind = opened.metadata()?.file_type();
            match kind.is_dir() {
                true => Err(io::ErrorKind::IsADirectory.into()),
                false => Ok((opened, kind.is_file())),
            }
        });
        let name = format!("{what} {file:?}");
        return match opened {
            Ok((opened, true)) => Ok(opened),
            // A pipe with a name, such as `<(..)` of a shell, is read once.
            Ok((mut opened, false)) => spooled(&mut opened, &name),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(Failure::refused(format!(
                "{name} cannot be read by this user: {}",
                rights::of_file(file)
            ))),
            Err(error) => Err(unread(&name, &error)),
        };
    }
    if io::stdin().is_terminal() {
        return Err(Failure::refused(format!(
            "{what} is nothing to type: name a file, or send it from elsewhere"
        )));
    }
    spooled(&mut io::stdin().lock(), &format!("{what} from standard input"))
}

/// Writes what can be read once into a file.
fn spooled(from: &mut dyn io::Read, what: &str) -> Result<File, Failure> {
    let folder = std::env::temp_dir();
    let spooled = nameless(&folder).and_then(|mut spool| {
        io::copy(from, &mut spool)?;
        spool.rewind()?;
        Ok(spool)
    });
    spooled.map_err(|error| {
        let room = "another directory is named by TMPDIR";
        unread(&format!("{what}, by way of {folder:?} ({room}),"), &error)
    })
}

fn unread(what: &str, error: &io::Error) -> Failure {
    Failure::refused(format!("{what} cannot be read: {error}"))
}

/// Makes a file that only this process can read. It is gone with the process, where the system lets a name go
/// while the file is open.
fn nameless(folder: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    for number in 0..u32::MAX {
        let path = folder.join(format!("jwtauth-input-{}-{number}", std::process::id()));
        match options.open(&path) {
            Ok(file) => {
                let _ = fs::remove_file(&path);
                return Ok(file);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}
