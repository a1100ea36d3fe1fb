//! sled's file of settings, `conf`: sled makes it anew where there is none.
//!
//! sled only warns of a wrong checksum, and then refuses the database for what it reads. jwtauth always opens
//! with the same settings, so a broken file says nothing that is not known.

use std::fs;
use std::path::Path;

use super::CONF;
use super::snapshots::set_aside;
use crate::error::StoreError;

/// sled writes the CRC-32 of the content behind it.
const TAIL: usize = 4;

/// Sets the file aside if it is broken. To be called before sled opens.
pub(in crate::store::sled) fn set_broken_aside(path: &Path) -> Result<(), StoreError> {
    // sled says what it cannot read.
    let Ok(bytes) = fs::read(path.join(CONF)) else { return Ok(()) };
    let is_whole = bytes.split_last_chunk::<TAIL>().is_some_and(|(content, tail)| {
        !content.is_empty() && u32::from_le_bytes(*tail) == crc32fast::hash(content)
    });
    if is_whole {
        return Ok(());
    }
    tracing::warn!(target: "jwtauth", ?path, file = CONF, "the settings of sled in the session store are broken: the file is kept in its directory `aside`, and made anew");
    set_aside(path, &[CONF.to_owned()]).map(drop)
}
