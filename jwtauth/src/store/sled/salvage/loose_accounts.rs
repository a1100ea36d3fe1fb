//! Finds the records of accounts of which only the names or the keys are known, byte by byte: in a message of
//! which a part is elsewhere, nothing says any more which record belongs to which key.
//!
//! Such a record proves itself: its checksum covers the id of the account, which stands beside the name, and
//! among the keys at the beginning of a page. Of several the one counts that was changed most often. It may
//! be older than the last change all the same.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::ops::ControlFlow;

use super::super::super::codec::{self, MAX_RECORD};
use super::super::tree_keys;
use super::log_bytes::LogBytes;
use super::page_state::BodyReader;
use crate::id::AccountId;

/// How many accounts are looked for whose names are not known: each record is compared with each of them.
pub(super) const MAX_NAMELESS: usize = 1_024;

/// A search.
pub(super) struct LooseAccounts<'a> {
    wanted: HashMap<&'a str, Vec<AccountId>>,
    /// Those whose names are not known.
    nameless: &'a [AccountId],
    /// How often each one was changed, and its record, by its key.
    found: BTreeMap<Vec<u8>, (u64, Vec<u8>)>,
}

/// Returns the records that were found of some accounts, by their keys. `progress` hears how many bytes were
/// looked through; `None` if it says that it is enough.
pub(super) fn find(
    reader: &mut BodyReader,
    lost: &[(AccountId, String)],
    nameless: &[AccountId],
    progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
) -> io::Result<Option<BTreeMap<Vec<u8>, Vec<u8>>>> {
    let mut search = LooseAccounts { wanted: HashMap::new(), nameless, found: BTreeMap::new() };
    for (id, name) in lost {
        search.wanted.entry(name).or_default().push(*id);
    }
    let searched = reader.each_part(MAX_RECORD, |bytes, read| {
        search.look(bytes);
        progress(read)
    })?;
    let found = search.found.into_iter().map(|(key, (_, record))| (key, record)).collect();
    Ok(searched.is_continue().then_some(found))
}

impl LooseAccounts<'_> {
    fn look(&mut self, bytes: &[u8]) {
        for at in 0..bytes.len() {
            let Some(value) = LogBytes::new(&bytes[at..]).text() else { continue };
            let Some(name) = codec::name_in(value) else { continue };
            for id in self.wanted.get(&*name).into_iter().flatten().chain(self.nameless) {
                let key = tree_keys::account(*id);
                let Ok(account) = codec::decode_account(&key, *id, value) else { continue };
                let before = self.found.get(&key).map(|(revision, _)| *revision);
                if before.is_none_or(|before| before < account.revision) {
                    self.found.insert(key, (account.revision, value.to_vec()));
                }
            }
        }
    }
}
