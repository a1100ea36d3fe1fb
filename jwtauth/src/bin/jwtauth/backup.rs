//! `jwtauth backup`.

use std::ffi::OsString;
use std::fs;
use std::io::{self, IsTerminal as _, Write};
use std::path::{Path, PathBuf};

use jwtauth::operator::{Operator, OperatorAnswer, OperatorRequest};
use jwtauth::store::operate::{BackupSummary, NewFile};
use serde_json::json;

use super::arguments::BackupArguments;
use super::database::StoreName;
use super::meter::{Meter, size};
use super::output::{self, Output, counted};
use super::{Done, Failure, store, unexpected};

pub(crate) async fn run(name: StoreName<'_>, arguments: BackupArguments, output: Output, yes: bool) -> Done {
    let file = arguments.file;
    if file.as_os_str() == "-" {
        if io::stdout().is_terminal() {
            return Err(Failure::refused("a backup is nothing to read: name a file, or send it elsewhere"));
        }
        output::goes_somewhere()?;
        let operator = store::operator(name).await?;
        let summary = write(&operator, &mut io::stdout(), Meter::begin("copying")).await?;
        io::stdout().flush().map_err(|error| unwritten(&file, error))?;
        note(&operator, &summary).await;
        output::say(&text(&summary));
        return judge(summary.unreadable, "standard output");
    }
    // Before the store is opened, which may take a while. It is begun after that: a signal ends the program
    // at once until then, and would leave it.
    drop(begin(&file, yes)?);
    let operator = store::operator(name).await?;
    let meter = Meter::begin("copying");
    let mut new = begin(&file, yes)?;
    let summary = write(&operator, &mut new, meter).await?;
    let file = finish(new, file, summary.unreadable)?;
    note(&operator, &summary).await;
    let done = judge(summary.unreadable, &format!("{file:?}"));
    output::will_end_with(&done);
    output.line(&text(&summary), &json!(summary));
    done
}

/// Gives a file its name. One that lacks records takes the place of no other: that one may have them. Returns
/// where it is.
pub(crate) fn finish(new: NewFile, file: PathBuf, unreadable: u64) -> Result<PathBuf, Failure> {
    let path = match file.file_name() {
        Some(name) if unreadable > 0 && file.exists() => {
            file.with_file_name([name, ".incomplete".as_ref()].into_iter().collect::<OsString>())
        }
        _ => file,
    };
    new.finish_as(&path).map_err(|error| unwritten(&path, error))?;
    Ok(path)
}

/// Says what is missing in a copy of a store.
pub(crate) fn judge(unreadable: u64, place: &str) -> Done {
    if unreadable == 0 {
        return Ok(());
    }
    let records = counted(unreadable, "record");
    let what = format!(
        "{records} of the store cannot be read, and what is in {place} lacks them: `jwtauth doctor` names them. Keep the copies that you have, let `jwtauth repair` take them out, and do this again"
    );
    Err(Failure::incomplete(what))
}

/// Notes in the store that there is a backup: of one that is nowhere nobody must think that it is there.
async fn note(operator: &Operator, summary: &BackupSummary) {
    // One that lacks records is none to rely on.
    if summary.unreadable > 0 {
        return;
    }
    let taken_at = summary.taken_at;
    if let Err(error) = operator.ask(OperatorRequest::NoteBackup { taken_at }).await {
        let error = super::with_causes(&error);
        output::say(&format!("the backup is there, and its time could not be noted in the store: {error}"));
    }
}

/// Begins to write a file that is there as a whole or not at all.
pub(crate) fn begin(file: &Path, yes: bool) -> Result<NewFile, Failure> {
    store::outside_of_stores(file)?;
    NewFile::begin(file, yes).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists if !is_plain(file) => Failure::refused(format!(
            "{file:?} is there already, and only a plain file is replaced: name another one"
        )),
        io::ErrorKind::ResourceBusy => Failure::refused(format!(
            "somebody else writes {file:?} at this moment: wait until that is done, or name another file"
        )),
        io::ErrorKind::AlreadyExists if !yes => {
            Failure::refused(format!("{file:?} is there already: add --yes to replace it"))
        }
        _ => unwritten(file, error),
    })
}

/// A link is none.
fn is_plain(file: &Path) -> bool {
    fs::symlink_metadata(file).is_ok_and(|found| found.is_file())
}

pub(crate) fn unwritten(file: &Path, error: io::Error) -> Failure {
    Failure::store(format!("{file:?} cannot be written"), error)
}

async fn write(
    operator: &Operator,
    sink: &mut (dyn Write + Send),
    meter: Meter,
) -> Result<BackupSummary, Failure> {
    match operator.ask_into(OperatorRequest::Backup, sink, &|progress| meter.look(progress)).await? {
        OperatorAnswer::BackedUp(summary) => Ok(summary),
        _ => Err(unexpected()),
    }
}

fn text(summary: &BackupSummary) -> String {
    let BackupSummary { sessions, accounts, bytes, .. } = summary;
    format!("{} and {} in {}", counted(*accounts, "account"), counted(*sessions, "session"), size(*bytes))
}
