//! `jwtauth export` and `jwtauth import`.

use std::collections::HashMap;
use std::io::{BufReader, Write};

use jwtauth::clock::{Clock as _, SystemClock};
use jwtauth::operator::{Operator, OperatorAnswer, OperatorRequest};
use jwtauth::store::operate::{self, ExportSummary, ImportOptions, OperateError, SkippedRecord};
use serde_json::json;

use super::arguments::{ExportArguments, ImportArguments};
use super::database::StoreName;
use super::meter::Meter;
use super::output::{self, Output, Reader, counted};
use super::{Done, Failure, backup, spool, store, unexpected};

pub(crate) async fn export(
    name: StoreName<'_>,
    arguments: ExportArguments,
    output: Output,
    yes: bool,
) -> Done {
    let request = OperatorRequest::Export { hashes: !arguments.no_hashes };
    let Some(file) = arguments.file.filter(|file| file.as_os_str() != "-") else {
        output::goes_somewhere()?;
        let operator = store::operator(name).await?;
        let mut reader = Reader::default();
        let written = write(&operator, request, &mut reader, Meter::begin("exporting")).await;
        if reader.has_gone {
            return Ok(());
        }
        let summary = written?;
        output::say(&counted(summary.lines, "line"));
        return backup::judge(summary.unreadable, "standard output");
    };
    // As with a backup.
    drop(backup::begin(&file, yes)?);
    let operator = store::operator(name).await?;
    let meter = Meter::begin("exporting");
    let mut new = backup::begin(&file, yes)?;
    let summary = write(&operator, request, &mut new, meter).await?;
    let file = backup::finish(new, file, summary.unreadable)?;
    let done = backup::judge(summary.unreadable, &format!("{file:?}"));
    output::will_end_with(&done);
    output.line(&counted(summary.lines, "line"), &json!(summary));
    done
}

async fn write(
    operator: &Operator,
    request: OperatorRequest,
    sink: &mut (dyn Write + Send),
    meter: Meter,
) -> Result<ExportSummary, Failure> {
    match operator.ask_into(request, sink, &|progress| meter.look(progress)).await? {
        OperatorAnswer::Exported(summary) => Ok(summary),
        _ => Err(unexpected()),
    }
}

pub(crate) async fn import(name: StoreName<'_>, arguments: ImportArguments, output: Output) -> Done {
    let file = spool::open(&arguments.file, "the export")?;
    let store = store::opened(name).await?;
    let options = ImportOptions::default()
        .keep_sessions(arguments.keep_sessions)
        .keep_accounts(arguments.keep_accounts);
    let (mut others, mut accounts) = (HashMap::new(), Vec::new());
    let mut skipped = |record: SkippedRecord| {
        if record.what.starts_with("account ") {
            accounts.push(format!("line {}: {}: {}", record.line, record.what, record.reason));
        } else {
            *others.entry(record.reason).or_insert(0_u64) += 1;
        }
    };
    let meter = Meter::begin("importing");
    let progress = |progress| meter.look(progress);
    let imported =
        operate::import(&store, BufReader::new(file), options, SystemClock.now(), &mut skipped, &progress)
            .await;
    drop(meter);
    for account in accounts {
        output::say(&format!("left out: {account}"));
    }
    for (reason, count) in others {
        output::say(&format!("left out: {}: {reason}", counted(count, "other record")));
    }
    let counts = imported.map_err(|error| match error {
        error @ (OperateError::NotAnExport { .. } | OperateError::NewerBackup { .. }) => {
            Failure::refused(format!("nothing was changed: {error}"))
        }
        error => Failure::store(
            "not everything was imported: do it again, with --keep-accounts if no account was there before",
            error,
        ),
    })?;
    let text = format!(
        "{}, {} and {} added, {} left out",
        counted(counts.accounts, "account"),
        counted(counts.sessions, "session"),
        counted(counts.values, "value"),
        counted(counts.skipped, "record"),
    );
    output.line(&text, &json!(counts));
    if counts.accounts_disabled > 0 {
        output::say(&format!(
            "{} of the accounts are disabled, because they may have been removed here: see `jwtauth accounts list`, and enable whom you know (--keep-accounts takes them in as they are)",
            counts.accounts_disabled
        ));
    }
    Ok(())
}
