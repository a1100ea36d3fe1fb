//! `jwtauth restore`.

use std::path::Path;

use jwtauth::SledConfig;
use jwtauth::clock::{Clock as _, SystemClock};
use jwtauth::store::operate::{self, BackupFile, OperateError, RestoreOptions, Restored};
use serde_json::json;

use super::arguments::RestoreArguments;
use super::database::StoreName;
use super::meter::Meter;
use super::output::{self, Output, counted, shown};
use super::{Done, Failure, ask, spool, store};

pub(crate) fn run(store: StoreName<'_>, arguments: &RestoreArguments, output: Output, yes: bool) -> Done {
    let path =
        store::new_directory(store.directory("restore into a directory, and `jwtauth migrate` that")?)?;
    let name = &arguments.file;
    let is_there = store::is_there(path);
    if name == Path::new("-") && is_there && !yes {
        // Nobody can answer a question there.
        return Err(Failure::refused(format!(
            "this would replace the store in {path:?}: add --yes if you mean it"
        )));
    }
    let file = spool::open(name, "the backup")?;
    let checking = Meter::begin("checking");
    let backup = BackupFile::check(file, &|progress| checking.look(progress)).map_err(failed)?;
    drop(checking);
    let summary = backup.summary();
    let now = SystemClock.now();
    output::say(&format!(
        "the backup was taken {}, {} ago, and has {} and {}",
        shown(summary.taken_at),
        age(now.saturating_sub(summary.taken_at)),
        counted(summary.accounts, "account"),
        counted(summary.sessions, "session"),
    ));
    output::say("accounts and passwords will be those of that time; what was changed since is not in it");
    output::say(if arguments.keep_sessions {
        "--keep-sessions: whoever has logged out since, or was logged out, is logged in again"
    } else {
        "all sessions end: everybody logs in again"
    });
    let mut config = SledConfig::new(path);
    if let Some(counter) = &arguments.rollback_counter {
        config = config.rollback_counter(counter);
    }
    if is_there {
        ask::before(
            &format!("replace the store in {path:?}, whose files go to its directory \"aside\""),
            yes,
        )?;
    }
    let options = RestoreOptions::default().keep_sessions(arguments.keep_sessions).replace(is_there);
    let writing = Meter::begin("writing");
    let restored = operate::restore(backup, config, options, now, &|progress| writing.look(progress));
    drop(writing);
    let restored = restored.map_err(failed)?;
    output.line(&text(&restored), &json!(restored));
    Ok(())
}

fn failed(error: OperateError) -> Failure {
    match error {
        OperateError::Store(error) => store::not_opened(error),
        error @ (OperateError::NotABackup { .. } | OperateError::NewerBackup { .. }) => {
            Failure::refused(format!("nothing was changed: {error}"))
        }
        error => Failure::store("nothing was changed", error),
    }
}

fn text(restored: &Restored) -> String {
    let Restored { accounts, sessions, sessions_ended, values_ended, aside, .. } = restored;
    let mut text = format!(
        "{} and {} restored, {sessions_ended} of them ended",
        counted(*accounts, "account"),
        counted(*sessions, "session")
    );
    if *values_ended > 0 {
        text += &format!("\n{values_ended} sessions of poem, or values of the application, ended");
    }
    if let Some(aside) = aside {
        text += &format!("\nthe files that were there before are in {}", aside.display());
    }
    text
}

/// How long something is ago, in the largest unit that fits.
fn age(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} seconds"),
        120..7_200 => format!("{} minutes", seconds / 60),
        7_200..172_800 => format!("{} hours", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}
