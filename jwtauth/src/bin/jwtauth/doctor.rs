//! `jwtauth doctor`.

use jwtauth::store::operate::{
    self, AccountRef, Condition, DatabaseDiagnosis, Diagnosis, Finding, LostSessions,
};
use serde_json::json;

use super::arguments::CounterArgument;
use super::database::StoreName;
use super::meter::Meter;
use super::output::{self, Output, counted};
use super::{Done, Failure, store};

/// How many accounts are named.
const NAMED: usize = 20;

pub(crate) async fn run(name: StoreName<'_>, counter: CounterArgument, output: Output) -> Done {
    let not_seen = |what: String| Failure::Found { code: 2, what };
    match name.database().map_err(|failure| not_seen(failure.to_string()))? {
        Some(database) => {
            let meter = Meter::begin("reading");
            let diagnosis = operate::examine_database(database, &|progress| meter.look(progress)).await;
            drop(meter);
            let diagnosis = diagnosis.map_err(|error| not_seen(super::with_causes(&error)))?;
            let done = judge(diagnosis.condition, diagnosis.trail_faults.is_empty());
            output::will_end_with(&done);
            output.text(&database_lines(&diagnosis), &json!(diagnosis));
            done
        }
        None => {
            let config =
                store::damaged(name, counter, "").map_err(|failure| not_seen(failure.to_string()))?;
            let meter = Meter::begin("reading");
            let diagnosis = operate::doctor(config, &|progress| meter.look(progress));
            drop(meter);
            let diagnosis = diagnosis.map_err(|error| not_seen(super::with_causes(&error)))?;
            let done = judge(diagnosis.condition, diagnosis.trail_faults.is_empty());
            output::will_end_with(&done);
            output.text(&lines(&diagnosis), &json!(diagnosis));
            done
        }
    }
}

fn judge(condition: Condition, has_whole_trail: bool) -> Done {
    let found = |code, what: &str| Err(Failure::Found { code, what: what.into() });
    match condition {
        Condition::Whole if !has_whole_trail => found(1, "the audit trail is not as it was written"),
        Condition::Whole => Ok(()),
        Condition::Damaged => found(1, "the store is damaged"),
        Condition::Moved => found(1, "the store was moved, and does not open"),
        _ => found(2, "the store could not be looked at"),
    }
}

/// The same of a database.
pub(crate) fn database_lines(diagnosis: &DatabaseDiagnosis) -> Vec<String> {
    let mut lines = vec![format!("The store {} is {}.", diagnosis.place, diagnosis.condition)];
    lines.extend(diagnosis.problem.iter().map(|problem| format!("  {problem}")));
    let known = diagnosis.settings.iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
    let settings: Vec<_> = known
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("{name} = {value}"))
        .collect();
    lines.push(format!("The server says: {}.", settings.join(", ")));
    let readable = &diagnosis.readable;
    lines.push(format!(
        "Readable: {} sessions, {} accounts, {} tokens, {} values, {} events.",
        readable.sessions, readable.accounts, readable.tokens, readable.values, readable.events,
    ));
    if diagnosis.unreadable_rows > 0 {
        lines.push(format!("Rows that are not as they were written: {}.", diagnosis.unreadable_rows));
        for row in diagnosis.unreadable.iter().take(NAMED) {
            let key = if row.key.is_empty() { String::new() } else { format!(" {}", row.key) };
            lines.push(format!("  {}{key}: {}", row.table, row.problem));
        }
        if diagnosis.unreadable_rows > NAMED as u64 {
            lines.push("  and others: --json names up to 100".into());
        }
    }
    if !diagnosis.trail_faults.is_empty() {
        lines.push("The audit trail is not as it was written:".into());
        lines.extend(diagnosis.trail_faults.iter().map(|fault| format!("  {fault}")));
    }
    note(&mut lines, &diagnosis.findings, &diagnosis.next);
    lines
}

/// What else there is to say, and what to do.
fn note(lines: &mut Vec<String>, findings: &[Finding], next: &[String]) {
    lines.extend(findings.iter().map(|finding| format!("Note: {}: {}", finding.what, finding.advice)));
    for (number, next) in next.iter().enumerate() {
        lines.push(format!("{}{next}", if number == 0 { "Next: " } else { "  or: " }));
    }
}

/// Says for a person what was found.
pub(crate) fn lines(diagnosis: &Diagnosis) -> Vec<String> {
    let mut lines = vec![format!(
        "The store {:?} is {}.",
        diagnosis.path,
        match diagnosis.condition {
            Condition::Whole => "whole",
            Condition::Damaged => "damaged",
            Condition::Moved => "moved away",
            _ => "in a state that is not known",
        }
    )];
    lines.extend(diagnosis.problem.iter().map(|problem| format!("  {problem}")));
    let damage = &diagnosis.damage;
    if damage.is_any() {
        lines.push(format!(
            "Damaged in its files: {} places in the log, {} of {} segments, {} of {} pages.",
            damage.damaged_places,
            damage.damaged_segments,
            damage.segments,
            damage.damaged_pages,
            damage.pages
        ));
    }
    if damage.unreadable_blocks > 0 {
        lines.push(format!(
            "Not given back by the disk: {} of 4 KiB.",
            counted(damage.unreadable_blocks, "block")
        ));
    }
    let of = |readable: u64, expected: Option<u64>, what| match expected {
        Some(expected) if expected != readable => format!("{readable} of {}", counted(expected, what)),
        _ => counted(readable, what),
    };
    let readable = &diagnosis.readable;
    if diagnosis.condition != Condition::Unknown {
        lines.push(format!(
            "Readable: {}, {}, {}, {}, {}.",
            of(readable.sessions, diagnosis.sessions_expected, "session"),
            of(readable.accounts, diagnosis.accounts_expected, "account"),
            counted(readable.tokens, "token"),
            counted(readable.values, "value"),
            counted(readable.events, "event"),
        ));
    }
    if let Some(lost) = diagnosis.lost_changes.filter(|lost| *lost > 0) {
        lines.push(format!("At least the last {lost} changes are missing."));
    }
    if diagnosis.condition == Condition::Damaged && diagnosis.is_complete {
        lines.push(
            "Every record is there as it was: a repair loses nothing, and nobody is logged out.".into(),
        );
    } else if diagnosis.condition == Condition::Damaged {
        lines.push("Records are missing or may be older than they were: a repair logs everybody out.".into());
        lines.push(if diagnosis.accounts_are_complete {
            "All accounts are there as they were: a repair leaves them as they are.".into()
        } else {
            "So it may be with accounts: a repair disables accounts until you enable them.".into()
        });
    }
    lost_accounts(&mut lines, diagnosis);
    named(
        &mut lines,
        "Accounts that may be as they were before their last change, disabled and removed ones among them",
        &diagnosis.doubtful_accounts,
    );
    whose_sessions(&mut lines, &diagnosis.lost_sessions);
    if !diagnosis.trail_faults.is_empty() {
        lines.push("The audit trail is not as it was written:".into());
        lines.extend(diagnosis.trail_faults.iter().map(|fault| format!("  {fault}")));
    }
    note(&mut lines, &diagnosis.findings, &diagnosis.next);
    lines
}

/// Says how many accounts are lost, and whose names are known of them.
pub(crate) fn lost_accounts(lines: &mut Vec<String>, diagnosis: &Diagnosis) {
    named(
        lines,
        "Accounts that cannot be read (their names stay taken, and nobody can log in by them)",
        &diagnosis.lost_accounts,
    );
    if let Some(nameless) = diagnosis.nameless_accounts.filter(|nameless| *nameless > 0) {
        lines.push(format!(
            "Accounts that cannot be read, and whose names are not known either: {nameless}. After a repair anybody may register under their names."
        ));
    }
}

/// Says whose sessions are lost, not of too many.
pub(crate) fn whose_sessions(lines: &mut Vec<String>, lost: &[LostSessions]) {
    if lost.is_empty() {
        return;
    }
    let all: u64 = lost.iter().map(|lost| lost.sessions).sum();
    lines.push(format!("Sessions that cannot be read: {all}. They were of:"));
    lines.extend(lost.iter().take(NAMED).map(|LostSessions { subject, name, sessions, .. }| {
        let name = name.as_deref().unwrap_or_default();
        format!("  {subject}  {name}  {}", counted(*sessions, "session"))
    }));
    if lost.len() > NAMED {
        lines.push("  and others: --json names all".into());
    }
}

/// Names accounts, not too many.
pub(crate) fn named(lines: &mut Vec<String>, what: &str, accounts: &[AccountRef]) {
    if accounts.is_empty() {
        return;
    }
    lines.push(format!("{what}: {}.", accounts.len()));
    lines.extend(accounts.iter().take(NAMED).map(|account| format!("  {}  {}", account.id, account.name)));
    if accounts.len() > NAMED {
        lines.push("  and others: --json names all".into());
    }
}
