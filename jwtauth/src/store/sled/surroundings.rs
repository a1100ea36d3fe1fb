//! What else is to be checked when a store is looked at: whose its files are, room, time, and files of
//! others.

use std::fs;
use std::path::Path;

use super::super::codec::Totals;
use super::diagnosis::Finding;
use super::files;
use crate::private_file::mode;
#[cfg(unix)]
use crate::private_file::owner_of_store;

/// By how much the time that the store knows may be ahead of the clock, in seconds.
const CLOCK_IS_WRONG: u64 = 60;
/// Files that are smaller are not worth a compaction, in bytes.
const SMALL: u64 = 16 * 1024 * 1024;
/// How many times what is live the files may be.
const LARGE: u64 = 3;

/// How a path is written in a command.
pub(in crate::store) fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%,=".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// Checks what can be seen without reading the store.
pub(super) fn outside(path: &Path) -> Vec<Finding> {
    let mut findings = modes(path);
    if let Ok(strange) = files::strange(path)
        && !strange.is_empty()
    {
        let names = strange.iter().take(5).map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ");
        findings.push(Finding::new(
            format!("the directory holds {} files that are no part of a store: {names}", strange.len()),
            "move them somewhere else if nobody needs them there",
        ));
    }
    if let Ok(free) = fs2::available_space(path)
        && free < files::occupied(path)
    {
        findings.push(Finding::new(
            format!("the file system has {free} bytes free, less than the store takes"),
            "make room: a full disk stops logins, and a compaction or a repair needs room for a second copy",
        ));
    }
    findings
}

/// Checks what only the content tells. `live` is the number of bytes of all keys and records.
pub(super) fn inside(path: &Path, totals: Option<Totals>, live: u64, now: u64) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(totals) = totals
        && totals.latest > now.saturating_add(CLOCK_IS_WRONG)
    {
        findings.push(Finding::new(
            format!(
                "the store has seen a time that is {} s ahead of the clock of this machine",
                totals.latest - now
            ),
            "set the clock (NTP): what has expired stays expired until then",
        ));
    }
    let occupied = files::occupied(path);
    if occupied > SMALL && occupied > live.saturating_mul(LARGE) {
        findings.push(Finding::new(
            format!("its files take {occupied} bytes for {live} bytes of records"),
            format!("jwtauth compact --store {}", quoted(path)),
        ));
    }
    findings
}

fn modes(path: &Path) -> Vec<Finding> {
    let mut findings = Vec::new();
    let Ok(directory) = fs::metadata(path) else { return findings };
    let wide = |metadata: &fs::Metadata| mode(metadata) & 0o077 != 0;
    // It need not have them for root.
    if cfg!(unix) && mode(&directory) & 0o700 != 0o700 {
        findings.push(Finding::new(
            format!("the owner of the directory may not write into it (mode {:o})", mode(&directory)),
            format!("chmod -R u+rwX {}", quoted(path)),
        ));
    }
    if wide(&directory) {
        findings.push(Finding::new(
            format!("others can look into the directory (mode {:o})", mode(&directory)),
            format!("chmod 700 {}", quoted(path)),
        ));
    }
    for name in files::ours(path).unwrap_or_default() {
        let file = path.join(&name);
        let Ok(metadata) = fs::symlink_metadata(&file) else { continue };
        if metadata.is_file() && wide(&metadata) {
            let private = format!("chmod 600 {}", quoted(&file));
            findings.push(Finding::new(
                format!("others can read {name:?} (mode {:o})", mode(&metadata)),
                private,
            ));
        }
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt as _;
            let owner = owner_of_store(path).unwrap_or_else(|_| directory.uid());
            if metadata.uid() != owner {
                findings.push(Finding::new(
                    format!("{name:?} belongs to the user {}, and the store to {owner}", metadata.uid()),
                    format!("chown -R {owner} {}", quoted(path)),
                ));
            }
        }
    }
    findings
}
