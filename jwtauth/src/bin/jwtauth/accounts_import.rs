//! `jwtauth accounts import`: accounts of another program, a JSON object on each line.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use jwtauth::__private::bytes_without_mark;
use jwtauth::ImportedAccount;
use jwtauth::operator::{Operator, OperatorAnswer, OperatorError, OperatorRequest};
use jwtauth::store::operate::Progress;
use serde_json::json;

use super::meter::Meter;
use super::output::{Output, show};
use super::{Done, Failure, unexpected};

/// The longest line, in bytes: more than any account that is taken.
const MAX_LINE: usize = 64 * 1024;

/// How many lines are printed about names that are there already.
const TOLD: u64 = 20;

/// What has become of the lines.
#[derive(Debug, Default)]
struct Counts {
    imported: u64,
    there: u64,
    refused: u64,
}

/// Imports all accounts of a file. All of it is read before the first one is imported.
pub(crate) async fn run(operator: &Operator, file: &Path, output: Output) -> Done {
    let accounts = if file == Path::new("-") {
        read(io::stdin().lock())
    } else {
        let opened = File::open(file);
        read(BufReader::new(
            opened.map_err(|error| Failure::refused(format!("{file:?} cannot be read: {error}")))?,
        ))
    }?;
    let mut counts = Counts::default();
    let meter = Meter::begin("importing");
    let all = accounts.len() as u64;
    for (done, (line, account)) in (0..).zip(accounts) {
        let mut progress = Progress::default();
        (progress.done, progress.of) = (done, Some(all));
        if meter.look(progress).is_break() {
            let what = format!(
                "it was stopped: {} of {all} were imported. Do the same again to go on",
                counts.imported
            );
            return Err(Failure::Store { what, source: None });
        }
        let name = account.name().to_owned();
        match operator.ask(OperatorRequest::FindAccount { name: name.clone() }).await? {
            OperatorAnswer::NotFound => {}
            OperatorAnswer::Account(_) => {
                counts.there += 1;
                if counts.there <= TOLD {
                    show(&format!("line {line}: {name:?} is there already"));
                }
                continue;
            }
            _ => return Err(unexpected()),
        }
        match operator.ask(OperatorRequest::ImportAccount { account: account.into() }).await {
            Ok(OperatorAnswer::Account(_)) => counts.imported += 1,
            Ok(_) => return Err(unexpected()),
            Err(OperatorError::Refused(why)) => {
                counts.refused += 1;
                show(&format!("line {line}: {name:?} is refused: {why}"));
            }
            Err(error) => {
                show(&format!(
                    "{} accounts were imported before that; do the same again to go on",
                    counts.imported
                ));
                return Err(error.into());
            }
        }
    }
    drop(meter);
    let Counts { imported, there, refused } = counts;
    if there > TOLD {
        show(&format!("and {} others are there already", there - TOLD));
    }
    let text = format!("{imported} imported, {there} were there already, {refused} refused");
    output.line(&text, &json!({ "imported": imported, "there": there, "refused": refused }));
    if refused > 0 { Err(Failure::refused("some accounts were refused: see above")) } else { Ok(()) }
}

/// Reads accounts, with the numbers of their lines.
fn read(mut file: impl BufRead) -> Result<Vec<(u64, ImportedAccount)>, Failure> {
    let (mut accounts, mut number, mut text) = (Vec::new(), 0, Vec::new());
    loop {
        text.clear();
        let mut limited = io::Read::take(&mut file, MAX_LINE as u64 + 1);
        let len = limited.read_until(b'\n', &mut text);
        number += 1;
        let wrong = |what: &str| Failure::refused(format!("line {number} {what}: nothing was imported"));
        match len {
            Ok(0) => return Ok(accounts),
            Ok(len) if len > MAX_LINE => return Err(wrong("is longer than 64 kB")),
            Ok(_) if text.trim_ascii().is_empty() => continue,
            Ok(_) => {}
            Err(error) => return Err(wrong(&format!("cannot be read: {error}"))),
        }
        let line = if number == 1 { bytes_without_mark(&text) } else { &text };
        match serde_json::from_slice(line) {
            Ok(account) => accounts.push((number, account)),
            Err(_) if line.starts_with(b"{\"kind\":\"jwtauth\"") => {
                return Err(wrong("is that of an export, which `jwtauth import` reads"));
            }
            Err(error) => return Err(wrong(&told(&error))),
        }
    }
}

/// Says what is wrong with a line, without what stands in it: that may be a hash.
fn told(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let names_a_member = ["unknown field", "missing field", "duplicate field", "a time is later"];
    if names_a_member.iter().any(|start| text.starts_with(start)) {
        return format!("is no account: {text}");
    }
    format!(
        "is no account, from column {} on: write a JSON object such as {{\"name\": \"ann\", \"hash\": \"$argon2id$..\"}}",
        error.column()
    )
}
