//! All records of a store that can be read, and whether they are what its totals say.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::io::{self, BufRead as _};
use std::ops::ControlFlow;
use std::path::Path;

use super::super::codec::{self, RecordError, Totals};
use super::diagnosis::{AccountRef, LostSessions, RecordCounts};
use super::files::{self, DATA};
use super::found_trail::FoundTrail;
use super::salvage::{Salvage, SalvageReach};
use super::tree_keys;
use crate::error::StoreError;
use crate::id::{AccountId, SessionId};

/// Hears how many keys were read or written, of how many if that is known, and how many bytes were looked
/// through where there are no keys yet. It may say that it is enough.
pub(in crate::store) type Look<'l> = dyn FnMut(u64, Option<u64>, u64) -> ControlFlow<()> + 'l;

/// What was read.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    pub(super) totals: Option<Totals>,
    pub(super) readable: RecordCounts,
    /// Keys under which there is no record that can be read.
    pub(super) unreadable: u64,
    /// A record of a layout that a newer release has written.
    pub(super) newer: Option<RecordError>,
    /// Whether there are keys that none of our stores has.
    pub(super) is_foreign: bool,
    /// The name of each account.
    pub(super) accounts: HashMap<AccountId, String>,
    /// Names in the index whose account cannot be read.
    pub(super) lost_accounts: Vec<(AccountId, String)>,
    /// Accounts that are in the index.
    pub(super) indexed: HashSet<AccountId>,
    /// The sessions that were read.
    sessions: HashSet<SessionId>,
    /// How many sessions of each subject are in the index and cannot be read.
    lost_sessions: BTreeMap<String, u64>,
    /// What was read of the audit trail.
    pub(super) trail: FoundTrail,
    /// How many keys there are.
    pub(super) keys: u64,
    /// How long all keys and values are together.
    pub(super) bytes: u64,
    sum: u64,
    sum_of_accounts: u64,
    subjects: u64,
    expiries: u64,
    names: u64,
    value_expiries: u64,
}

/// Returns how many changes a data file has seen, as far as it can be read below sled: at least one if it has
/// any record, or bytes that are no log. `None` if nothing was written into it but what sled begins with.
pub(super) fn changes_in(path: &Path) -> Result<Option<u64>, StoreError> {
    let failed = |source| files::refused(&path.join(DATA), "read the data file", source);
    let go_on = &mut |_, _, _| ControlFlow::Continue(());
    let scanned = Salvage::scan(path, &path.join(DATA), |_, _| ControlFlow::Continue(())).map_err(failed)?;
    let Some(mut salvage) = scanned else { return Ok(None) };
    if salvage.ends_before_snapshot(path).map_err(failed)? {
        // There was more than sled begins with.
        return Ok(Some(1));
    }
    if salvage.damage.segments == 0 {
        return if has_bytes(path).map_err(failed)? { Ok(Some(1)) } else { Ok(None) };
    }
    let gathered = Evidence::gather(&mut salvage, 0, go_on).map_err(failed)?;
    Ok(gathered.and_then(|(evidence, _)| {
        let has_records = evidence.readable != RecordCounts::default() || evidence.unreadable > 0;
        let changes = evidence.totals.map_or(0, |totals| totals.changes);
        (has_records || changes > 0).then_some(changes.max(1))
    }))
}

/// Tells whether a data file has anything but zeros.
fn has_bytes(path: &Path) -> io::Result<bool> {
    let mut file = io::BufReader::new(File::open(path.join(DATA))?);
    loop {
        let part = file.fill_buf()?;
        if part.is_empty() {
            return Ok(false);
        }
        if part.iter().any(|byte| *byte != 0) {
            return Ok(true);
        }
        let len = part.len();
        file.consume(len);
    }
}

impl Evidence {
    /// Reads all. `None` if `look` says that it is enough.
    ///
    /// `acknowledged` says how many changes the store must have. If some of these are missing, an
    /// incomplete batch at the end of the log counts too. If anything is still missing, older states of
    /// pages count. Of a damaged store in which nothing is missing, they count only if it stays complete
    /// with them: otherwise they would bring back what was removed. Last counts what stands elsewhere than it
    /// was written, and what is whole of accounts whose names are all that is left else.
    pub(super) fn gather(
        salvage: &mut Salvage,
        acknowledged: u64,
        look: &mut Look<'_>,
    ) -> io::Result<Option<(Self, SalvageReach)>> {
        let mut reach = SalvageReach::default();
        let Some(mut evidence) = Self::read(salvage, reach, None, look)? else { return Ok(None) };
        let is_enough = evidence.totals.is_some_and(|totals| totals.changes >= acknowledged);
        if !is_enough && salvage.damage.is_cut {
            reach.cut_batch = true;
            let Some(longer) = Self::read(salvage, reach, Some(evidence.keys), look)? else {
                return Ok(None);
            };
            evidence = longer;
        }
        let is_complete = evidence.is_complete(Some(acknowledged));
        if is_complete && !salvage.damage.is_any() {
            return Ok(Some((evidence, reach)));
        }
        let older = SalvageReach { older_states: true, ..reach };
        let Some(deeper) = Self::read(salvage, older, Some(evidence.keys), look)? else { return Ok(None) };
        if deeper.is_complete(Some(acknowledged)) {
            return Ok(Some((deeper, older)));
        }
        if is_complete {
            return Ok(Some((evidence, reach)));
        }
        let widest = SalvageReach { moved: true, ..older };
        // Both searches go through all bytes.
        let mut search = |bytes| look(deeper.keys, None, bytes);
        if salvage.find_moved(&mut search)?.is_break() {
            return Ok(None);
        }
        let Some(mut found) = Self::read(salvage, widest, Some(deeper.keys), look)? else { return Ok(None) };
        let is_known = |id: &AccountId| found.accounts.contains_key(id);
        let mut search = |bytes| look(found.keys, None, bytes);
        let ControlFlow::Continue(has_more) =
            salvage.find_accounts(&found.lost_accounts, is_known, &mut search)?
        else {
            return Ok(None);
        };
        if has_more {
            let Some(more) = Self::read(salvage, widest, Some(found.keys), look)? else { return Ok(None) };
            found = more;
        }
        Ok(Some((found, widest)))
    }

    fn read(
        salvage: &mut Salvage,
        reach: SalvageReach,
        of: Option<u64>,
        look: &mut Look<'_>,
    ) -> io::Result<Option<Self>> {
        let (mut evidence, mut is_enough) = (Self::default(), false);
        salvage.each(reach, |key, value| {
            evidence.take(key, value);
            let read = evidence.keys;
            if read.is_multiple_of(1_024) && look(read, of.filter(|of| read <= *of), 0).is_break() {
                is_enough = true;
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        })?;
        Ok((!is_enough).then_some(evidence))
    }

    fn take(&mut self, key: &[u8], value: &[u8]) {
        self.keys += 1;
        self.bytes += (key.len() + value.len()) as u64;
        let counted = match key.get(..1).unwrap_or_default() {
            tree_keys::SESSIONS => {
                let id = tree_keys::id_of(key).ok_or(RecordError::Damaged);
                let session = id.and_then(|id| codec::decode_session(key, id, value));
                session.map(|session| {
                    self.sessions.insert(session.id);
                    (&mut self.readable.sessions, true)
                })
            }
            tree_keys::ACCOUNTS => {
                let id = tree_keys::account_of(key).ok_or(RecordError::Damaged);
                id.and_then(|id| codec::decode_account(key, id, value)).map(|account| {
                    self.sum_of_accounts = self.sum_of_accounts.wrapping_add(codec::checksum_of(value));
                    self.accounts.insert(account.id, account.key);
                    (&mut self.readable.accounts, true)
                })
            }
            tree_keys::VALUES => codec::decode_value(key, value).map(|_| (&mut self.readable.values, true)),
            tree_keys::TOKENS => {
                let token = tree_keys::parts_of_token(key).ok_or(RecordError::Damaged);
                let token = token.and_then(|(session, kind)| codec::decode_token(key, session, kind, value));
                token.map(|_| (&mut self.readable.tokens, false))
            }
            tree_keys::EVENTS => {
                match self.trail.take(key, value) {
                    // The head is no record that anybody counts.
                    Ok(false) => return,
                    taken => taken.map(|_| (&mut self.readable.events, false)),
                }
            }
            tree_keys::TOTALS => {
                self.totals = codec::decode_totals(key, value);
                return;
            }
            tree_keys::NAMES => {
                self.take_name(key);
                return;
            }
            tree_keys::SUBJECTS => {
                // Sessions come before the index.
                if let Some((subject, id)) = tree_keys::parts_of_subject(key)
                    && !self.sessions.contains(&id)
                {
                    *self.lost_sessions.entry(subject.to_owned()).or_default() += 1;
                }
                Ok((&mut self.subjects, false))
            }
            tree_keys::EXPIRIES => Ok((&mut self.expiries, false)),
            tree_keys::VALUE_EXPIRIES => Ok((&mut self.value_expiries, false)),
            _ => {
                self.is_foreign = true;
                return;
            }
        };
        match counted {
            Ok((count, in_sum)) => {
                *count += 1;
                if in_sum {
                    self.sum = self.sum.wrapping_add(codec::checksum_of(value));
                }
            }
            Err(error @ RecordError::NewerLayout { .. }) => self.newer = Some(error),
            Err(RecordError::Damaged) => self.unreadable += 1,
        }
    }

    /// Accounts come before names.
    fn take_name(&mut self, key: &[u8]) {
        self.names += 1;
        match tree_keys::parts_of_name(key) {
            Some((_, id)) if self.accounts.contains_key(&id) => drop(self.indexed.insert(id)),
            Some((name, id)) => self.lost_accounts.push((id, name.to_owned())),
            None => self.unreadable += 1,
        }
    }

    /// Tells whether the records are exactly those that were acknowledged: as many as the totals say, with
    /// the sum that they say, after at least as many changes as are known of.
    pub(super) fn is_complete(&self, acknowledged: Option<u64>) -> bool {
        let (Some(totals), Some(acknowledged)) = (self.totals, acknowledged) else { return false };
        totals.changes >= acknowledged
            && [totals.sessions, totals.accounts] == [self.readable.sessions, self.readable.accounts]
            && totals.sum == self.sum
            && self.newer.is_none()
    }

    /// Tells whether the accounts are exactly those that were acknowledged, whatever else is missing.
    pub(super) fn has_all_accounts(&self, acknowledged: Option<u64>) -> bool {
        let (Some(totals), Some(acknowledged)) = (self.totals, acknowledged) else { return false };
        totals.changes >= acknowledged
            && totals.accounts == self.readable.accounts
            && totals.sum_of_accounts == Some(self.sum_of_accounts)
            && self.lost_accounts.is_empty()
            && self.newer.is_none()
    }

    /// Tells whether the index is that of the records too.
    pub(super) fn has_whole_index(&self) -> bool {
        [self.subjects, self.expiries] == [self.readable.sessions; 2]
            && self.names == self.readable.accounts
            && self.value_expiries == self.readable.values
            && self.lost_accounts.is_empty()
            && self.unreadable == 0
            && !self.is_foreign
    }

    /// The accounts that may be older than their last change, in the order of their names.
    pub(super) fn all_accounts(&self) -> Vec<AccountRef> {
        sorted(self.accounts.iter().map(|(id, name)| (*id, name.as_str())))
    }

    /// The accounts that cannot be read, in the order of their names.
    pub(super) fn all_lost(&self) -> Vec<AccountRef> {
        sorted(self.lost_accounts.iter().map(|(id, name)| (*id, name.as_str())))
    }
}

impl Evidence {
    /// The sessions that cannot be read, by subject.
    pub(super) fn all_lost_sessions(&self) -> Vec<LostSessions> {
        let lost: HashMap<_, _> = self.lost_accounts.iter().map(|(id, name)| (*id, name)).collect();
        let name = |subject: &str| {
            let id = subject.parse::<AccountId>().ok()?;
            self.accounts.get(&id).or_else(|| lost.get(&id).copied()).cloned()
        };
        let each = self.lost_sessions.iter().map(|(subject, sessions)| LostSessions {
            name: name(subject),
            subject: subject.clone(),
            sessions: *sessions,
        });
        each.collect()
    }
}

fn sorted<'a>(accounts: impl Iterator<Item = (AccountId, &'a str)>) -> Vec<AccountRef> {
    let mut all: Vec<_> =
        accounts.map(|(id, name)| AccountRef { name: name.into(), id: id.to_string() }).collect();
    all.sort();
    all
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::super::account_store::AccountStore as _;
    use super::super::super::sample;
    use super::super::SledStore;
    use super::*;

    /// What is looked for byte by byte in a large file takes minutes: somebody sees how far it is, and may
    /// stop it at any moment.
    #[tokio::test]
    async fn each_step_of_a_search_tells_how_far_it_is_and_may_be_the_last() {
        let dir = tempfile::tempdir().unwrap();
        let store = SledStore::open(dir.path()).await.unwrap();
        for (number, name) in [(1, "alice"), (2, "bob"), (3, "carol")] {
            assert!(store.create_account(sample::account(number, name)).await.unwrap());
        }
        drop(store);
        // Two bits of each record of one account, so that nobody can tell which.
        let (data, shown) = (dir.path().join(DATA), b"BOB");
        let mut bytes = fs::read(&data).unwrap();
        for at in (0..bytes.len() - shown.len()).rev() {
            if bytes[at..].starts_with(shown) {
                bytes[at] ^= 0x11;
            }
        }
        fs::write(&data, &bytes).unwrap();
        let gather = |look: &mut Look<'_>| {
            let scanned = Salvage::scan(dir.path(), &data, |bytes, _| look(0, None, bytes)).unwrap();
            scanned.and_then(|mut salvage| Evidence::gather(&mut salvage, u64::MAX, look).unwrap())
        };
        let mut told = Vec::new();
        let found = gather(&mut |done, _, bytes| {
            told.push((done, bytes));
            ControlFlow::Continue(())
        });
        let (evidence, _) = found.unwrap();
        assert_eq!((evidence.readable.accounts, evidence.lost_accounts.len()), (2, 1));
        let searched = told.iter().filter(|(done, at)| *done > 0 && *at == bytes.len() as u64).count();
        assert!(searched >= 2, "the search for what was moved, and that for accounts: {told:?}");
        for last in 0..told.len() {
            let mut left = last;
            let stopped = gather(&mut |_, _, _| {
                assert!(left < usize::MAX, "it was to be the last one");
                if left == 0 {
                    left = usize::MAX;
                    return ControlFlow::Break(());
                }
                left -= 1;
                ControlFlow::Continue(())
            });
            assert!(stopped.is_none(), "{last} of {told:?}");
        }
    }
}
