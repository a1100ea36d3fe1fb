//! `jwtauth backup`.

use std::fs;
use std::io::{self, IsTerminal as _, Write};
use std::path::Path;

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
        let summary = write(&store::operator(name).await?, &mut io::stdout()).await?;
        output::say(&text(&summary));
        return Ok(());
    }
    // Before the store is opened: that may take a while.
    let mut new = begin(&file, yes)?;
    let summary = write(&store::operator(name).await?, &mut new).await?;
    new.finish().map_err(|error| unwritten(&file, error))?;
    output.line(&text(&summary), &json!(summary));
    Ok(())
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

async fn write(operator: &Operator, sink: &mut (dyn Write + Send)) -> Result<BackupSummary, Failure> {
    let meter = Meter::begin("copying");
    match operator.ask_into(OperatorRequest::Backup, sink, &|progress| meter.look(progress)).await? {
        OperatorAnswer::BackedUp(summary) => Ok(summary),
        _ => Err(unexpected()),
    }
}

fn text(summary: &BackupSummary) -> String {
    let BackupSummary { sessions, accounts, bytes, .. } = summary;
    format!("{} and {} in {}", counted(*accounts, "account"), counted(*sessions, "session"), size(*bytes))
}
