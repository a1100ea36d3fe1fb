//! `jwtauth doctor`.

use jwtauth::store::operate::{self, AccountRef, Condition, Diagnosis};
use serde_json::json;

use super::arguments::CounterArgument;
use super::database::StoreName;
use super::meter::Meter;
use super::output::Output;
use super::{Done, Failure, store};

/// How many accounts are named.
const NAMED: usize = 20;

pub(crate) fn run(name: StoreName<'_>, counter: CounterArgument, output: Output) -> Done {
    let not_seen = |what: String| Failure::Found { code: 2, what };
    let config = store::damaged(
        name,
        counter,
        "`jwtauth status` and `jwtauth events --check` look at it, and pg_amcheck at its tables",
    )
    .map_err(|failure| not_seen(failure.to_string()))?;
    let meter = Meter::begin("reading");
    let diagnosis = operate::doctor(config, &|progress| meter.look(progress));
    drop(meter);
    let diagnosis = diagnosis.map_err(|error| not_seen(super::with_causes(&error)))?;
    output.text(&lines(&diagnosis), &json!(diagnosis));
    match diagnosis.condition {
        Condition::Whole if !diagnosis.trail_faults.is_empty() => {
            Err(Failure::Found { code: 1, what: "the audit trail is not as it was written".into() })
        }
        Condition::Whole => Ok(()),
        Condition::Damaged => Err(Failure::Found { code: 1, what: "the store is damaged".into() }),
        _ => Err(not_seen("the store could not be looked at".into())),
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
    let counted = |readable: u64, expected: Option<u64>| match expected {
        Some(expected) if expected != readable => format!("{readable} of {expected}"),
        _ => readable.to_string(),
    };
    let readable = &diagnosis.readable;
    if diagnosis.condition != Condition::Unknown {
        lines.push(format!(
            "Readable: {} sessions, {} accounts, {} tokens, {} values, {} events.",
            counted(readable.sessions, diagnosis.sessions_expected),
            counted(readable.accounts, diagnosis.accounts_expected),
            readable.tokens,
            readable.values,
            readable.events,
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
    named(&mut lines, "Accounts that cannot be read (their names stay taken)", &diagnosis.lost_accounts);
    named(
        &mut lines,
        "Accounts that may be as they were before their last change, disabled and removed ones among them",
        &diagnosis.doubtful_accounts,
    );
    if !diagnosis.trail_faults.is_empty() {
        lines.push("The audit trail is not as it was written:".into());
        lines.extend(diagnosis.trail_faults.iter().map(|fault| format!("  {fault}")));
    }
    for finding in &diagnosis.findings {
        lines.push(format!("Note: {}: {}", finding.what, finding.advice));
    }
    for (number, next) in diagnosis.next.iter().enumerate() {
        lines.push(format!("{}{next}", if number == 0 { "Next: " } else { "  or: " }));
    }
    lines
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
