//! What is said of a file or a directory that this user may not use: whose it is, and the way out.

use std::path::Path;

/// Says whose a file is that cannot be read, and how it can be handed over.
#[cfg(unix)]
pub(crate) fn of_file(path: &Path) -> String {
    let Found { path: found, owner, mode, user } = look(path);
    if found != path {
        return format!(
            "{found:?} belongs to the user with the id {owner} and has mode {mode:o}, and this program runs as {user}: send what is in it with `sudo cat {path:?}`, and write `-` in the place of the file"
        );
    }
    let way = match owner == user {
        true => format!("run `chmod u+r {path:?}`"),
        false => format!(
            "run `sudo chown {user} {path:?} && sudo chmod u+r {path:?}`, or send what is in it with `sudo cat {path:?}`, and write `-` in the place of the file"
        ),
    };
    format!(
        "it belongs to the user with the id {owner} and has mode {mode:o}, and this program runs as {user}: {way}"
    )
}

/// The same of the directory of a store, or of a file in it.
#[cfg(unix)]
pub(crate) fn of_store(path: &Path) -> String {
    let Found { path: found, owner, mode, user } = look(path);
    let what = if found == path { "it".into() } else { format!("{found:?}") };
    let state = format!(
        "{what} belongs to the user with the id {owner} and has mode {mode:o}, and this program runs as {user}"
    );
    if owner == user {
        return format!("{state}: run `chmod -R u+rwX {found:?}`");
    }
    format!(
        "{state}: if the server runs as {owner}, run this as that user, such as with `sudo -u '#{owner}'`. If the server runs as {user}, somebody else has put files there: `sudo chown -R {user} {path:?}`"
    )
}

/// What can be seen of a path, or of what is above it.
#[cfg(unix)]
struct Found<'p> {
    path: &'p Path,
    owner: u32,
    mode: u32,
    user: u32,
}

#[cfg(unix)]
fn look(path: &Path) -> Found<'_> {
    use std::os::unix::fs::MetadataExt as _;

    let user = nix::unistd::geteuid().as_raw();
    // Of what is in a directory that nobody may search nothing is known.
    let found = path.ancestors().find_map(|path| Some((path, std::fs::metadata(path).ok()?)));
    let (path, owner, mode) =
        found.map_or((path, 0, 0), |(path, found)| (path, found.uid(), found.mode() & 0o7777));
    Found { path, owner, mode, user }
}

#[cfg(not(unix))]
pub(crate) fn of_file(_: &Path) -> String {
    "let this user read it".into()
}

#[cfg(not(unix))]
pub(crate) fn of_store(_: &Path) -> String {
    "run this as the user whom the server runs as".into()
}
