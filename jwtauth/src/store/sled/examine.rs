//! Looks at a store as a doctor: what is in it, what is damaged, and whether it would open. Writes nothing
//! into it but the lock that keeps others out meanwhile.
//!
//! Whether a store is whole is decided by opening a copy of it. What it holds is read below sled, so that it
//! is found also if sled refuses.

use std::io;
use std::path::Path;
use std::time::Duration;

use super::diagnosis::{Condition, Diagnosis, Finding};
use super::evidence::{Evidence, Look};
use super::files::counter_form::check_counter;
use super::files::journal::{self, Count, Counts};
use super::files::store_lock::{Patience, StoreLock};
use super::files::{self, ASIDE, DATA, doubt_mark, keepsake, kinds, moved, swap};
use super::salvage::{Salvage, SalvageReach};
use super::sled_config::SledConfig;
use super::surroundings::{self, quoted};
use super::trial::{self, Trial};
use crate::clock::{Clock as _, SystemClock};
use crate::error::{StoreError, in_one_line};

/// What was found, for one who goes on from there.
pub(super) struct Examined {
    pub(super) diagnosis: Diagnosis,
    pub(super) read: Option<Read>,
    /// The highest number of changes that any journal knows of.
    pub(super) highest: u64,
}

/// What was read below sled.
pub(super) struct Read {
    pub(super) salvage: Salvage,
    pub(super) evidence: Evidence,
    /// What counts of what was found.
    pub(super) reach: SalvageReach,
}

/// Looks at a store. `None` if `look` says that it is enough.
pub(in crate::store) fn examine(
    config: SledConfig,
    look: &mut Look<'_>,
) -> Result<Option<Diagnosis>, StoreError> {
    let config = config.absolute()?;
    let path = &*config.path;
    is_there(path)?;
    if let Err(error) = kinds::check(path) {
        return wrong_kind(path, error).map(Some);
    }
    check_counter(&config)?;
    let lock = match StoreLock::acquire(path, &mut Patience::new(Duration::ZERO)) {
        Ok(lock) => lock,
        Err(error) => return Ok(Some(from_outside(path, &error))),
    };
    let examined = examine_locked(&config, look)?;
    drop(lock);
    Ok(examined.map(|examined| examined.diagnosis))
}

/// What is to be said of a store in which something else is in the place of a file.
fn wrong_kind(path: &Path, error: StoreError) -> Result<Diagnosis, StoreError> {
    let StoreError::WrongKind { path: named, .. } = &error else { return Err(error) };
    let name = named.file_name().unwrap_or_default();
    let mut beside = path.as_os_str().to_owned();
    beside.push(".");
    beside.push(name);
    let (from, to, store) = (quoted(named), quoted(Path::new(&beside)), quoted(path));
    Ok(Diagnosis {
        path: path.into(),
        condition: Condition::Damaged,
        next: vec![format!("mv {from} {to} && jwtauth doctor --store {store}")],
        problem: Some(in_one_line(&error)),
        ..Diagnosis::default()
    })
}

/// Fails if there is no directory. Taking the lock would make one.
pub(super) fn is_there(path: &Path) -> Result<(), StoreError> {
    let found = std::fs::read_dir(path).map(drop);
    found.map_err(|source| files::refused(path, "read the directory", source))
}

/// What can be said of a store that cannot be locked.
fn from_outside(path: &Path, error: &StoreError) -> Diagnosis {
    let is_locked = matches!(error, StoreError::Locked { .. });
    let next = if is_locked {
        vec![format!("stop the server, then: jwtauth doctor --store {}", quoted(path))]
    } else {
        Vec::new()
    };
    Diagnosis {
        path: path.into(),
        condition: Condition::Unknown,
        problem: Some(if is_locked {
            "a process has it open, so nobody else can read it".into()
        } else {
            in_one_line(error)
        }),
        findings: surroundings::outside(path),
        next,
        ..Diagnosis::default()
    }
}

/// The same, for one who has the lock.
pub(super) fn examine_locked(
    config: &SledConfig,
    look: &mut Look<'_>,
) -> Result<Option<Examined>, StoreError> {
    let path = &*config.path;
    let mut diagnosis =
        Diagnosis { path: path.into(), findings: surroundings::outside(path), ..Diagnosis::default() };
    let (acknowledged, highest) = journals(config, &mut diagnosis.findings);
    if let Some(problem) = doubt_mark::read(path) {
        let what = format!("a server has found while it used the store that something is wrong: {problem}");
        diagnosis.findings.push(Finding::new(
            what,
            "the next start reads every record before it serves, and forgets this if all is well",
        ));
    }
    let moved_to = moved::read(path)?;
    if let Some(to) = &moved_to {
        let what = format!("what is in it was moved to {to}, so it does not open");
        diagnosis.findings.push(Finding::new(what, "start the server there"));
    }
    if files::has_swap(path) {
        exchange(&mut diagnosis);
        return Ok(Some(Examined { diagnosis, read: None, highest: highest.changes }));
    }
    if !files::has_any(path) {
        gone(&mut diagnosis, config);
        return Ok(Some(Examined { diagnosis, read: None, highest: highest.changes }));
    }
    let trial = trial::run(config);
    // What opens is read, and not what a start has left.
    let data = if let Trial::Opened(_) = trial { path.join(DATA) } else { keepsake::data_file(path) };
    let read = match read(path, &data, highest.changes, look) {
        Ok(Some(read)) => Some(read),
        Ok(None) => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(source) => return Err(files::refused(&path.join(DATA), "read the data file", source)),
    };
    // Damaged journals are told already.
    let mix = |read: &Read| Counts::read(config).ok()?.mixture(read.evidence.totals?.identity);
    let mixture = read.as_ref().and_then(mix).filter(|_| !matches!(trial, Trial::Opened(_)));
    if let Some(read) = &read {
        describe(&mut diagnosis, read, acknowledged.filter(|_| mixture.is_none()), highest);
    }
    if let Some(mixture) = mixture {
        let what = format!("{mixture}, so nobody knows whose sessions and accounts these are");
        diagnosis.findings.push(Finding::new(what, "put the file back that belongs here, and do this again: a repair ends all sessions and disables all accounts"));
    }
    match trial {
        Trial::Opened(trail_faults) => {
            diagnosis.condition = Condition::Whole;
            // Below sled an older record may stand in the place of one that cannot be read.
            diagnosis.trail_faults = trail_faults;
        }
        Trial::Refused { error, places } => {
            diagnosis.condition = Condition::Damaged;
            diagnosis.problem = Some(places.rename(problem(error)));
        }
        Trial::NotTried(why) => {
            let is_whole = read.as_ref().is_some_and(|read| {
                diagnosis.is_complete && read.evidence.has_whole_index() && !diagnosis.damage.is_any()
            });
            // Without a journal nobody knows what was acknowledged, so all may be there.
            let is_damaged = diagnosis.damage.is_any() || read.is_none() || acknowledged.is_some();
            diagnosis.condition = match (is_whole, is_damaged) {
                (true, _) => Condition::Whole,
                (false, true) => Condition::Damaged,
                (false, false) => Condition::Unknown,
            };
            diagnosis
                .findings
                .push(Finding::new(format!("it was not tried to open a copy: {why}"), "do this again"));
            diagnosis.problem = match diagnosis.condition {
                Condition::Whole | Condition::Moved => None,
                Condition::Damaged => Some("what can be read is not what was acknowledged".into()),
                Condition::Unknown => {
                    Some("without that it cannot be said whether all of it is there".into())
                }
            };
        }
    }
    conclude(&mut diagnosis, read.as_ref(), config);
    if moved_to.is_some() && diagnosis.condition == Condition::Whole {
        diagnosis.condition = Condition::Moved;
    }
    Ok(Some(Examined { diagnosis, read, highest: highest.changes }))
}

/// What is to be said of a store whose files were being replaced.
fn exchange(diagnosis: &mut Diagnosis) {
    let store = quoted(&diagnosis.path);
    if let Err(error) = swap::check(&diagnosis.path) {
        diagnosis.condition = Condition::Damaged;
        diagnosis.problem = Some(problem(error));
        diagnosis.next = vec![format!("jwtauth repair --store {store}")];
    } else {
        diagnosis.problem =
            Some("new files are being put in the place of the old ones, and that was stopped".into());
        diagnosis.next = vec![format!("jwtauth status --store {store} (which ends it first)")];
    }
}

/// What is to be said of a directory in which nothing of a store is left but old files.
fn gone(diagnosis: &mut Diagnosis, config: &SledConfig) {
    let path = &config.path;
    diagnosis.condition = Condition::Damaged;
    diagnosis.problem = Some("its files are gone".into());
    if keepsake::data_file(path).is_file() {
        diagnosis.next = vec![format!("jwtauth repair --store {}", quoted(path))];
        return;
    }
    let counter = counter_argument(config);
    diagnosis.next = vec![format!("jwtauth restore BACKUP --store {}{counter}", quoted(path))];
    take_older(diagnosis, &counter);
}

/// Says how old files are taken that stand in the directory `aside`. Nobody knows what has changed since, and
/// whoever only moves them back lets people in whose sessions, accounts and passwords have ended.
fn take_older(diagnosis: &mut Diagnosis, counter: &str) {
    let store = quoted(&diagnosis.path);
    for name in files::older(&diagnosis.path) {
        let name = quoted(Path::new(&name));
        diagnosis.next.push(format!("jwtauth repair --store {store}{counter} --from-aside {name}"));
    }
}

/// What a command needs that is to renew the rollback counter too.
fn counter_argument(config: &SledConfig) -> String {
    let counter = config.rollback_counter.as_deref().map(quoted);
    counter.map(|counter| format!(" --rollback-counter {counter}")).unwrap_or_default()
}

/// Reads older files of a store, in the directory `aside`, for one who has the lock. Whether all of it is
/// there does not matter: what has changed since is not in them, so every record of them is in doubt.
pub(super) fn examine_older(
    config: &SledConfig,
    name: &str,
    look: &mut Look<'_>,
) -> Result<Option<Examined>, StoreError> {
    let path = &*config.path;
    let older = files::older(path);
    if !older.iter().any(|known| known == name) {
        let text = format!(
            "there are no old files {name:?} of the store in {path:?}: its directory `aside` has {older:?}"
        );
        return Err(StoreError::Backend(text.into()));
    }
    let folder = path.join(ASIDE).join(name);
    let data = folder.join(DATA);
    let mut diagnosis = Diagnosis {
        path: path.into(),
        condition: Condition::Damaged,
        problem: Some(format!("older files are taken: {name:?}")),
        ..Diagnosis::default()
    };
    let (_, highest) = journals(config, &mut diagnosis.findings);
    let read = read(&folder, &data, 0, look)
        .map_err(|source| files::refused(&data, "read the data file", source))?;
    let Some(read) = read else { return Ok(None) };
    describe(&mut diagnosis, &read, None, highest);
    (diagnosis.is_complete, diagnosis.accounts_are_complete) = (false, false);
    diagnosis.doubtful_accounts = read.evidence.all_accounts();
    Ok(Some(Examined { diagnosis, read: Some(read), highest: highest.changes }))
}

fn read(path: &Path, data: &Path, highest: u64, look: &mut Look<'_>) -> io::Result<Option<Read>> {
    let Some(mut salvage) = Salvage::scan(path, data, |bytes, _| look(0, None, bytes))? else {
        return Ok(None);
    };
    let evidence = Evidence::gather(&mut salvage, highest, look)?;
    Ok(evidence.map(|(evidence, reach)| Read { salvage, evidence, reach }))
}

/// Says what the records tell.
fn describe(diagnosis: &mut Diagnosis, read: &Read, acknowledged: Option<u64>, highest: Count) {
    let evidence = &read.evidence;
    diagnosis.damage = read.salvage.damage;
    if diagnosis.damage.unreadable_blocks > 0 {
        diagnosis.findings.push(Finding::new(
            "the disk cannot read a part of the data file",
            "copy the directory of the store to another disk, as far as it goes, before anything else is done with this one",
        ));
    }
    diagnosis.readable = evidence.readable;
    diagnosis.sessions_expected = evidence.totals.map(|totals| totals.sessions);
    // Of the two that one which has seen more changes.
    let newest =
        evidence.totals.filter(|totals| totals.changes >= highest.changes || highest.accounts.is_none());
    diagnosis.accounts_expected = newest.map(|totals| totals.accounts).or(highest.accounts);
    diagnosis.lost_changes = evidence.totals.map(|totals| highest.changes.saturating_sub(totals.changes));
    diagnosis.is_complete = evidence.is_complete(acknowledged);
    diagnosis.accounts_are_complete = diagnosis.is_complete || evidence.has_all_accounts(acknowledged);
    // Names that are left of accounts that were removed are none of lost ones.
    diagnosis.lost_accounts = if diagnosis.accounts_are_complete { Vec::new() } else { evidence.all_lost() };
    let known = evidence.readable.accounts + diagnosis.lost_accounts.len() as u64;
    diagnosis.nameless_accounts = diagnosis.accounts_expected.map(|expected| expected.saturating_sub(known));
    diagnosis.lost_sessions = evidence.all_lost_sessions();
    diagnosis.trail_faults = evidence.trail.faults();
    let now = SystemClock.now();
    diagnosis.findings.extend(surroundings::inside(&diagnosis.path, evidence.totals, evidence.bytes, now));
}

/// Says what to do.
fn conclude(diagnosis: &mut Diagnosis, read: Option<&Read>, config: &SledConfig) {
    let store = quoted(&diagnosis.path);
    let counter = counter_argument(config);
    match diagnosis.condition {
        Condition::Whole => {
            // What is damaged then is in a place that nothing needs.
            diagnosis.lost_accounts.clear();
            diagnosis.nameless_accounts = Some(0);
            diagnosis.lost_sessions.clear();
            if diagnosis.damage.is_any() {
                diagnosis.findings.push(Finding::new(
                    "bytes are damaged in places that are not in use",
                    format!("look after the disk, and write the store anew: jwtauth compact --store {store}"),
                ));
            }
        }
        Condition::Damaged => {
            let newer = read.and_then(|read| read.evidence.newer);
            let has_records = diagnosis.readable != super::diagnosis::RecordCounts::default();
            if let Some(newer) = newer {
                diagnosis.problem = Some(newer.to_string());
                diagnosis.next = vec!["use the release of jwtauth that wrote it".into()];
                return;
            }
            if !diagnosis.accounts_are_complete
                && let Some(read) = read
            {
                diagnosis.doubtful_accounts = read.evidence.all_accounts();
            }
            let restore = format!("jwtauth restore BACKUP --store {store}{counter}");
            let repair = format!("jwtauth repair --store {store}{counter}");
            diagnosis.next = if has_records { vec![repair, restore] } else { vec![restore] };
            if !diagnosis.path.join(DATA).exists() {
                take_older(diagnosis, &counter);
            }
        }
        Condition::Moved | Condition::Unknown => {}
    }
}

/// Returns how many changes were acknowledged, if that is known, and what the journal says that has seen the
/// most.
fn journals(config: &SledConfig, findings: &mut Vec<Finding>) -> (Option<u64>, Count) {
    let (mut acknowledged, mut highest) = (Some(0), Count::default());
    for (number, (path, count)) in journal::read_each(config).into_iter().enumerate() {
        match count {
            Ok(Some(count)) => {
                if (count.changes, count.accounts) > (highest.changes, highest.accounts) {
                    highest = count;
                }
                acknowledged = acknowledged.map(|changes: u64| changes.max(count.changes));
            }
            // A counter that was not there yet says nothing.
            Ok(None) if number > 0 => {
                let what = format!("there is no rollback counter in {path:?}");
                findings.push(Finding::new(what, "name the file that the server passes to `rollback_counter`: an older copy of the store is not noticed without it"));
            }
            Ok(None) => {
                acknowledged = None;
                let what = format!("{path:?} is not there, which counts the changes of the store");
                findings.push(Finding::new(what, "it is made anew with the next start, and until then an older data file would not be noticed"));
            }
            Err(error) => {
                acknowledged = None;
                findings.push(Finding::new(
                    format!("{path:?} cannot be read: {}", problem(error)),
                    "a repair makes it anew",
                ));
            }
        }
    }
    (acknowledged, highest)
}

/// What a refusal says, without the path of the copy that was refused.
fn problem(error: StoreError) -> String {
    match error {
        StoreError::Corrupt { problem, .. } => problem,
        StoreError::MixedFiles { problem, .. } => format!("its files are of two stores: {problem}"),
        StoreError::RolledBack { lost, .. } => format!("its last {lost} changes are missing"),
        StoreError::Unreadable { blocks, .. } => {
            format!(
                "the disk cannot read all of its data file (blocks of 4 KiB that fail: {blocks}), so it is not opened"
            )
        }
        StoreError::NotAStore { found, .. } => format!("it holds {found:?}, which is no part of a store"),
        StoreError::NewerLayout { found, newest, .. } => {
            format!("it holds records of layout {found}, and this release reads layouts up to {newest}")
        }
        other => in_one_line(&other),
    }
}
