//! Writes a new store from all that can be read of a damaged one.
//!
//! # What is let through
//!
//! If the records are exactly those that were acknowledged ([`Evidence::is_complete`]), they are all kept as
//! they are. If not, something is missing or older than it was, and nobody knows what. Then every record is
//! in [`doubt`](super::super::doubt), and nobody is let in by the repair:
//!
//! - All sessions are revoked, values go that could log somebody in, and accounts are disabled, unless they
//!   are to be kept. Their newest whole record may have an older password, and roles that were taken away;
//!   and who was disabled or removed may be back. The totals sum up accounts apart: if it is seen that they
//!   are exactly those that were acknowledged, no account is in doubt.
//! - A name whose account cannot be read stays taken: by an account with the same id that is disabled and
//!   that no password fits. An operator gives it a password and enables it.
//! - Events of the audit trail stay that can be read. What is missing stays missing, and a check shows it.
//! - Of older files, which a compaction, a repair or a restore has set aside, every record is in doubt,
//!   however whole they are: what has changed since is not in them.
//! - An account that is in no index, while there are more accounts than there should be, may have been
//!   removed: it is disabled. Of two accounts with one name that one is kept which the index names, or else
//!   the newer one.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

use super::super::account_store::{PasswordHash, StoredAccount};
use super::super::codec::{self, RecordError, Totals};
use super::super::doubt::Doubt;
use super::diagnosis::{AccountRef, Condition, Diagnosis, RecordCounts};
use super::evidence::{Evidence, Look};
use super::examine::{Examined, Read, examine_locked, examine_older, is_there};
use super::files::counter_form::check_counter;
use super::files::journal::{self, Count};
use super::files::keepsake::Keepsake;
use super::files::store_lock::{Patience, StoreLock};
use super::files::swap::{self, OldFiles};
use super::files::{self, DATA, kinds, moved};
use super::rebuild::Rebuild;
use super::sled_config::SledConfig;
use super::startup::{count_of, finish_swap};
use super::surroundings::quoted;
use super::tree_change::Change;
use super::tree_keys;
use crate::clock::{Clock as _, SystemClock};
use crate::error::StoreError;
use crate::events::EventDetails;
use crate::id::AccountId;

/// What the password is checked against of an account that cannot be read: no password fits.
const NO_PASSWORD: &str = "lost";

/// What a repair has done.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Repaired {
    /// What was found before. If the store was whole, nothing was done.
    pub before: Diagnosis,
    /// Where the files are now that were there before. `None` if nothing was done, or nothing was there.
    #[serde(serialize_with = "crate::store::path_text::one_or_none")]
    pub aside: Option<PathBuf>,
    /// What is in the new store.
    pub kept: RecordCounts,
    /// Whether all sessions were ended, because something is missing.
    pub sessions_revoked: bool,
    /// Values that were left out, because they could log somebody in.
    pub values_left_out: u64,
    /// Accounts that are disabled now: their record is lost, or they may have been removed.
    pub disabled: Vec<AccountRef>,
    /// Accounts that were active and are disabled now, because they may be as they were before their last
    /// change.
    pub in_doubt: Vec<AccountRef>,
    /// Accounts that were left out: another account has their name.
    pub left_out: Vec<AccountRef>,
    /// If there are accounts in [`in_doubt`](Self::in_doubt): the command that enables one, and the one that
    /// sets another password before that.
    pub next: Vec<String>,
}

/// Repairs a store, or makes one of the older files that have a name in its directory `aside`. `None` if
/// `look` says that it is enough, and then nothing was changed.
pub(in crate::store) fn repair(
    config: SledConfig,
    keep_accounts: bool,
    from_aside: Option<&str>,
    look: &mut Look<'_>,
) -> Result<Option<Repaired>, StoreError> {
    let config = config.absolute()?;
    let path = config.path.clone();
    is_there(&path)?;
    kinds::check(&path)?;
    let lock = Arc::new(StoreLock::acquire(&path, &mut Patience::new(config.lock_timeout))?);
    if files::has_swap(&path) {
        swap::mend(&path)?;
        finish_swap(&path, &lock)?;
    }
    moved::check(&path)?;
    check_counter(&config)?;
    if let Some(name) = from_aside {
        let Some(older) = examine_older(&config, name, look)? else { return Ok(None) };
        return write_anew(config, lock, older, keep_accounts, look);
    }
    if !path.join(DATA).is_file()
        && let Some(keepsake) = Keepsake::left(&path)
    {
        keepsake.put_back();
    }
    let Some(examined) = examine_locked(&config, look)? else { return Ok(None) };
    let diagnosis = &examined.diagnosis;
    // What a start that was killed may have cut off. Nobody needs it for files that are whole: these may have
    // been put in the place of the others since.
    if let Some(keepsake) = Keepsake::left(&path) {
        match diagnosis.condition {
            Condition::Whole => keepsake.discard(),
            Condition::Damaged => keepsake.put_back(),
            _ => {}
        }
    }
    if diagnosis.condition == Condition::Whole {
        let before = examined.diagnosis;
        return Ok(Some(Repaired { kept: before.readable, before, ..Repaired::default() }));
    }
    if diagnosis.condition == Condition::Unknown {
        return Err(StoreError::Backend(not_known(diagnosis).into()));
    }
    write_anew(config, lock, examined, keep_accounts, look)
}

/// Writes a store of what was read.
fn write_anew(
    config: SledConfig,
    lock: Arc<StoreLock>,
    examined: Examined,
    keep_accounts: bool,
    look: &mut Look<'_>,
) -> Result<Option<Repaired>, StoreError> {
    let path = config.path.clone();
    let Examined { diagnosis, read, highest } = examined;
    let Some(mut read) = read.filter(|_| diagnosis.readable != RecordCounts::default()) else {
        let text = format!(
            "nothing in {path:?} can be read: restore a backup (`jwtauth restore BACKUP --store {path:?}`), or move the directory away to start empty"
        );
        return Err(StoreError::Backend(text.into()));
    };
    if let Some(RecordError::NewerLayout { found, newest }) = read.evidence.newer {
        return Err(StoreError::NewerLayout { path: Some(path), found, newest });
    }
    let totals = read.evidence.totals;
    let doubt = Doubt { keep_sessions: false, keep_accounts, now: SystemClock.now() };
    let mut rescue = Rescue::new(&diagnosis, &mut read.evidence, doubt);
    let mut rebuild = Rebuild::begin_locked(path.clone(), lock)?;
    if !write(&mut read, &mut rescue, &mut rebuild, look)? {
        return Ok(None);
    }
    let now = doubt.now;
    if let Some(head) = read.evidence.trail.whole_head() {
        let repaired = EventDetails::new("store_repaired", now);
        let repaired = repaired.with("sessions_revoked", rescue.report.sessions_revoked);
        let repaired = repaired.with("accounts_disabled", rescue.report.in_doubt.len());
        let mut change = Change::default();
        change.append_events(Some(head), None, vec![repaired], head.keep)?;
        rebuild.add(change)?;
        rescue.report.kept.events += 1;
    }
    // One more than anybody knows of: no journal is ahead, and no copy of the damaged store passes for this
    // one.
    let changes = highest.max(totals.map_or(0, |totals| totals.changes)).saturating_add(1);
    let begin = |written: Totals| match totals {
        Some(Totals { latest, ahead, .. }) => Totals { changes, latest, ahead, ..written },
        None => Totals { changes, latest: now, ahead: 0, ..written },
    };
    let count = Count { changes, ..count_of(rebuild.counted()) };
    let aside = rebuild.finish("damaged", OldFiles::Kept, begin)?;
    if let Some(counter) = config.rollback_counter.filter(|counter| counter.is_file()) {
        journal::renew(&counter, count)?;
    }
    let mut report = rescue.report;
    report.disabled.sort();
    report.in_doubt.sort();
    if !report.in_doubt.is_empty() {
        let command = |what| format!("jwtauth accounts {what} NAME --store {}", quoted(&path));
        report.next = vec![command("enable"), command("password")];
    }
    Ok(Some(Repaired { before: diagnosis, aside, ..report }))
}

/// Says why nothing is done to a store that may be whole.
fn not_known(diagnosis: &Diagnosis) -> String {
    let path = &diagnosis.path;
    let why = diagnosis.findings.iter().map(|finding| &*finding.what).collect::<Vec<_>>().join("; ");
    format!("nobody knows whether the store in {path:?} is damaged, so it was left alone ({why})")
}

fn write(
    read: &mut Read,
    rescue: &mut Rescue,
    rebuild: &mut Rebuild,
    look: &mut Look<'_>,
) -> Result<bool, StoreError> {
    let (mut written, mut failed, mut is_enough) = (0_u64, None, false);
    let of = Some(read.evidence.keys);
    let each = read.salvage.each(read.reach, |key, value| {
        let added =
            rescue.change(key, value).and_then(|change| change.map_or(Ok(()), |change| rebuild.add(change)));
        written += 1;
        if let Err(error) = added {
            failed = Some(error);
            return ControlFlow::Break(());
        }
        is_enough = written.is_multiple_of(1_024) && look(written, of, 0).is_break();
        if is_enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    each.map_err(|source| files::refused(&rebuild.path().join(DATA), "read the data file", source))?;
    match failed {
        Some(error) => Err(error),
        None => Ok(!is_enough),
    }
}

/// Decides about each record.
struct Rescue {
    is_complete: bool,
    accounts_are_complete: bool,
    doubt: Doubt,
    /// Which account keeps a name that several have.
    holders: HashMap<String, AccountId>,
    /// Accounts that may have been removed.
    removed: Vec<AccountId>,
    lost: Vec<AccountId>,
    report: Repaired,
}

impl Rescue {
    fn new(diagnosis: &Diagnosis, evidence: &mut Evidence, doubt: Doubt) -> Self {
        let Diagnosis { is_complete, accounts_are_complete, .. } = *diagnosis;
        let lost: Vec<_> = std::mem::take(&mut evidence.lost_accounts).into_iter().collect();
        let there = evidence.readable.accounts + lost.len() as u64;
        // How many of them must have been removed.
        let excess = evidence.totals.map(|totals| there.saturating_sub(totals.accounts));
        let mut removed: Vec<AccountId> = Vec::new();
        if !accounts_are_complete && excess != Some(0) {
            let is_in_doubt = |id: &&AccountId| !evidence.indexed.contains(id);
            removed = evidence.accounts.keys().filter(is_in_doubt).copied().collect();
            if excess.is_some_and(|excess| excess > removed.len() as u64) {
                // The index is as old as they are, so it may be anyone.
                removed = evidence.accounts.keys().copied().collect();
            }
        }
        // A name has one holder only: one that the index names, readable or lost, before any other.
        let (indexed, others): (Vec<_>, Vec<_>) =
            evidence.accounts.iter().partition(|(id, _)| evidence.indexed.contains(id));
        let lost_names = lost.iter().map(|(id, name)| (id, name));
        let mut holders: HashMap<String, AccountId> = HashMap::new();
        for (id, name) in indexed.into_iter().chain(lost_names).chain(others) {
            holders.entry(name.clone()).or_insert(*id);
        }
        let lost = lost.into_iter().filter(|(id, name)| holders.get(name) == Some(id));
        let lost = if accounts_are_complete { Vec::new() } else { lost.map(|(id, _)| id).collect() };
        let report = Repaired { sessions_revoked: !is_complete, ..Repaired::default() };
        Self { is_complete, accounts_are_complete, doubt, holders, removed, lost, report }
    }

    /// What is to be written for what stands under a key in the old store.
    fn change(&mut self, key: &[u8], value: &[u8]) -> Result<Option<Change>, StoreError> {
        let mut change = Change::default();
        let kept = &mut self.report.kept;
        match key.get(..1).unwrap_or_default() {
            tree_keys::SESSIONS => {
                let session = tree_keys::id_of(key).and_then(|id| codec::decode_session(key, id, value).ok());
                let Some(mut session) = session else { return Ok(None) };
                if !self.is_complete {
                    self.doubt.settle_session(&mut session);
                }
                change.add(&session)?;
                kept.sessions += 1;
            }
            tree_keys::TOKENS => {
                let Some((session, kind)) = tree_keys::parts_of_token(key) else { return Ok(None) };
                let Ok(token) = codec::decode_token(key, session, kind, value) else { return Ok(None) };
                change.put_token(key.into(), &token);
                kept.tokens += 1;
            }
            tree_keys::EVENTS => {
                let Some(number) = tree_keys::number_of_event(key) else { return Ok(None) };
                if codec::decode_event(key, number, value).is_err() {
                    return Ok(None);
                }
                change.put_uncounted(key.into(), value.into());
                kept.events += 1;
            }
            tree_keys::VALUES => {
                let Ok(stored) = codec::decode_value(key, value) else { return Ok(None) };
                if !self.is_complete && !self.doubt.keeps_value(&stored) {
                    self.report.values_left_out += 1;
                    return Ok(None);
                }
                let Some(name) = tree_keys::key_of_value(key) else { return Ok(None) };
                change.put_value(name, None, &stored)?;
                kept.values += 1;
            }
            tree_keys::ACCOUNTS => {
                let account =
                    tree_keys::account_of(key).and_then(|id| codec::decode_account(key, id, value).ok());
                let Some(account) = account else { return Ok(None) };
                return self.account(account);
            }
            tree_keys::NAMES => {
                let Some((name, id)) = tree_keys::parts_of_name(key) else { return Ok(None) };
                if !self.lost.contains(&id) {
                    return Ok(None);
                }
                let hash = PasswordHash::from_phc(NO_PASSWORD.into());
                let lost = StoredAccount::new(id, name.into(), name.into(), hash, self.doubt.now);
                self.report.disabled.push(reference(&lost));
                change.add_account(&StoredAccount { active: false, ..lost })?;
                self.report.kept.accounts += 1;
            }
            _ => return Ok(None),
        }
        Ok(Some(change))
    }

    fn account(&mut self, mut account: StoredAccount) -> Result<Option<Change>, StoreError> {
        if self.holders.get(&account.key) != Some(&account.id) {
            self.report.left_out.push(reference(&account));
            return Ok(None);
        }
        if self.removed.contains(&account.id) {
            account.active = false;
            self.report.disabled.push(reference(&account));
        } else if !self.accounts_are_complete && self.doubt.settle_account(&mut account) {
            self.report.in_doubt.push(reference(&account));
        }
        let mut change = Change::default();
        change.add_account(&account)?;
        self.report.kept.accounts += 1;
        Ok(Some(change))
    }
}

fn reference(account: &StoredAccount) -> AccountRef {
    AccountRef { name: account.key.clone(), id: account.id.to_string() }
}
