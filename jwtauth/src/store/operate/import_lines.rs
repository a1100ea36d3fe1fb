//! Reads the lines of an export, and finds out whether all of them are there.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::io::{BufRead, Read as _, Seek, SeekFrom};

use super::super::codec::{self, MAX_RECORD};
use super::super::whole_store::{CopiedRecord, StoreRecord};
use super::backup_file::MAGIC;
use super::export_lines::{AnyLine, EndLine, FirstLine, LineKind, VERSION, record_of};
use super::walk::OperateError;
#[cfg(feature = "accounts")]
use crate::account_key;
use crate::byte_order_mark::bytes_without_mark;
use crate::clock::LAST_SECOND;
#[cfg(feature = "accounts")]
use crate::hash_cost;
use crate::plain_text::is_for_terminals;
use crate::record::{ApiKey, Session};
use crate::right_name::{NO_ROLE, NO_SCOPE, is_role, is_scope};

/// The longest line: a record, its bytes in base64url or escaped, and the names of its members.
const MAX_LINE: u64 = 8 * MAX_RECORD as u64;

/// The longest hash of a password, in bytes. Those that are made here have some hundred.
const MAX_HASH: usize = 1_024;

/// Which line is the last one about each record, by a hash of its key.
pub(super) type LastLines = HashMap<u64, u64>;

/// Reads all lines. Returns the last one about each record.
pub(super) fn check<F: BufRead + Seek>(
    file: &mut F,
    hasher: &RandomState,
) -> Result<LastLines, OperateError> {
    let mut reader = LineReader::begin(file)?;
    let (mut last, mut lines, mut has_end) = (LastLines::new(), 0, false);
    while let Some((number, line)) = reader.next()? {
        lines = number;
        if has_end {
            return Err(wrong(number, "something follows the end"));
        }
        match reader.record(number, &line)? {
            Some((_, key)) => drop(last.insert(hasher.hash_one(&key), number)),
            None => has_end = number > 1,
        }
    }
    match lines {
        _ if has_end => Ok(last),
        0 => Err(wrong(1, "it is missing, because nothing is there")),
        _ => Err(wrong(lines, "the end is missing behind it")),
    }
}

/// Reads lines of bounded length.
pub(super) struct LineReader<F> {
    file: F,
    number: u64,
    pub(super) bytes: u64,
}

impl<F: BufRead + Seek> LineReader<F> {
    pub(super) fn begin(mut file: F) -> Result<Self, OperateError> {
        file.seek(SeekFrom::Start(0)).map_err(OperateError::Read)?;
        Ok(Self { file, number: 0, bytes: 0 })
    }

    pub(super) fn next(&mut self) -> Result<Option<(u64, Vec<u8>)>, OperateError> {
        let mut line = Vec::new();
        let read =
            (&mut self.file).take(MAX_LINE).read_until(b'\n', &mut line).map_err(OperateError::Read)?;
        if read == 0 {
            return Ok(None);
        }
        self.number += 1;
        self.bytes += read as u64;
        if line.pop() != Some(b'\n') {
            return Err(wrong(self.number, "the line is cut, or too long"));
        }
        if self.number == 1 {
            line = bytes_without_mark(&line).to_owned();
        }
        Ok(Some((self.number, line)))
    }

    /// Returns the record of a line with its key. `None` for the first line and the last one.
    #[expect(clippy::unused_self, reason = "it belongs to the lines of this reader")]
    pub(super) fn record(
        &self,
        number: u64,
        line: &[u8],
    ) -> Result<Option<(CopiedRecord, Vec<u8>)>, OperateError> {
        // What serde says of a line may quote it.
        let unread = |error: serde_json::Error| match line {
            _ if number > 1 => wrong(number, &format!("it cannot be read, at column {}", error.column())),
            line if line.starts_with(MAGIC.trim_ascii_end()) => {
                wrong(1, "the file is a backup, which `jwtauth restore` reads")
            }
            [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => wrong(1, "the file is UTF-16: write it anew as UTF-8"),
            _ => wrong(1, "it is no first line of an export"),
        };
        let kind = serde_json::from_slice::<AnyLine>(line).map_err(unread)?.kind;
        match (kind, number) {
            (LineKind::Jwtauth, 1) => {
                let first: FirstLine = serde_json::from_slice(line).map_err(unread)?;
                if first.version != VERSION {
                    return Err(OperateError::NewerBackup { found: first.version, newest: VERSION });
                }
                Ok(None)
            }
            (_, 1) => Err(wrong(1, "it is no first line of an export")),
            (LineKind::End, _) => {
                let end: EndLine = serde_json::from_slice(line).map_err(unread)?;
                if end.lines + 1 == number {
                    Ok(None)
                } else {
                    Err(wrong(number, "lines before it are missing"))
                }
            }
            _ => {
                let record = record_of(kind, line).map_err(unread)?;
                let record = record.ok_or_else(|| wrong(number, "it has no record for this store"))?;
                if let CopiedRecord::Kept(record) = &record {
                    check_record(record).map_err(|problem| wrong(number, &problem))?;
                }
                let key = match &record {
                    CopiedRecord::Kept(record) => record.key(),
                    CopiedRecord::Removed(key) => *key,
                };
                Ok(Some((record, codec::encode_key(&key))))
            }
        }
    }
}

/// Says what is wrong with a record that this crate could not have written, or that a store does not take. It
/// shows no part of it.
fn check_record(record: &StoreRecord) -> Result<(), String> {
    match record {
        StoreRecord::Account(account) => {
            let has_name =
                |name: &String| (1..=255).contains(&name.len()) && !name.contains(is_for_terminals);
            if ![&account.name, &account.key].into_iter().all(has_name) {
                return Err(
                    "a name has 1 to 255 bytes, without control characters and marks of bidirectional text"
                        .into(),
                );
            }
            if !is_key_of(&account.key, &account.name) {
                return Err(
                    "its key is not that of its name, so nobody could log in by it, or another one could"
                        .into(),
                );
            }
            if !account.roles.iter().all(|role| is_role(role)) {
                return Err(NO_ROLE.into());
            }
            let hash = account.hash.as_phc();
            if hash.len() > MAX_HASH || !hash.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') {
                return Err(format!("the hash of a password is ASCII, and has at most {MAX_HASH} bytes"));
            }
            #[cfg(feature = "accounts")]
            if let Some(problem) = hash_cost::refusal(hash) {
                return Err(format!("the hash of its password is refused: {problem}"));
            }
            let times = [account.created_at, account.password_changed_at, account.last_login.unwrap_or(0)];
            check_numbers(&times, account.revision)?;
        }
        StoreRecord::Session(session) => {
            if !(1..=255).contains(&session.subject.len()) {
                return Err("a subject has 1 to 255 bytes".into());
            }
            check_rights(&session.roles, &session.scopes)?;
            let Session { created_at, auth_time, rotated_at, expires_at, absolute_expires_at, .. } =
                **session;
            let revoked_at = session.revoked.map_or(0, |revocation| revocation.at);
            let issued_at = session.access_issued_at;
            let times =
                [created_at, auth_time, rotated_at, expires_at, absolute_expires_at, revoked_at, issued_at];
            check_numbers(&times, session.generation)?;
            if expires_at > absolute_expires_at || created_at > absolute_expires_at {
                return Err("it lasts longer than `absolute_expires_at` allows".into());
            }
            if let Some(key) = &session.api_key {
                check_rights(&key.roles, &key.scopes)?;
                let length = key.name.chars().count();
                if !(1..=ApiKey::MAX_NAME).contains(&length) || key.name.contains(is_for_terminals) {
                    return Err(format!(
                        "the name of an API key has 1 to {} characters, without control characters",
                        ApiKey::MAX_NAME
                    ));
                }
            }
        }
        _ => {}
    }
    codec::encode_record(record).map(drop).map_err(|error| error.to_string())
}

/// Refuses times that are none, and a number that no column of a database holds.
fn check_numbers(times: &[u64], number: u64) -> Result<(), String> {
    if times.iter().all(|time| *time <= LAST_SECOND) && i64::try_from(number).is_ok() {
        return Ok(());
    }
    Err("a number in it is too large: times are Unix seconds, up to the year 9999".into())
}

/// Tells whether it is the key by which a name is found.
#[cfg(feature = "accounts")]
fn is_key_of(key: &str, name: &str) -> bool {
    account_key::key_of(&account_key::shown(name)) == key
}

/// Without accounts none can come in.
#[cfg(not(feature = "accounts"))]
const fn is_key_of(_: &str, _: &str) -> bool {
    true
}

fn check_rights(roles: &[String], scopes: &[String]) -> Result<(), String> {
    if !roles.iter().all(|role| is_role(role)) {
        return Err(NO_ROLE.into());
    }
    if scopes.iter().all(|scope| is_scope(scope)) { Ok(()) } else { Err(NO_SCOPE.into()) }
}

fn wrong(line: u64, problem: &str) -> OperateError {
    OperateError::NotAnExport { line, problem: problem.into() }
}
