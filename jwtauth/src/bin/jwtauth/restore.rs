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

pub(crate) async fn run(
    store: StoreName<'_>,
    arguments: &RestoreArguments,
    output: Output,
    yes: bool,
) -> Done {
    let (place, path) = match store.database()? {
        Some(_) if arguments.rollback_counter.is_some() => {
            return Err(Failure::refused("a database has no rollback counter: leave --rollback-counter out"));
        }
        Some(database) => (database, None),
        None => {
            let path = store::new_directory(store.directory("")?)?;
            let config = store::with_counter(SledConfig::new(path), arguments.rollback_counter.as_deref())?;
            (config.into(), Some(path))
        }
    };
    let replaced = path.filter(|path| store::is_there(path));
    let name = &arguments.file;
    if name == Path::new("-")
        && !yes
        && let Some(path) = replaced
    {
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
        "the backup was taken {}, {}, and has {} and {}",
        shown(summary.taken_at),
        when(summary.taken_at, now),
        counted(summary.accounts, "account"),
        counted(summary.sessions, "session"),
    ));
    if summary.unreadable > 0 {
        output::say(&format!(
            "{} of the store could not be read when it was taken, and it lacks them. If accounts are among these, their names are free",
            counted(summary.unreadable, "record")
        ));
    }
    output::say("accounts and passwords will be those of that time; what was changed since is not in it");
    output::say(if arguments.keep_sessions {
        "--keep-sessions: whoever has logged out since, or was logged out, is logged in again"
    } else {
        "all sessions end: everybody logs in again"
    });
    if let Some(path) = replaced {
        ask::before(
            &format!("replace the store in {path:?}, whose files go to its directory \"aside\""),
            yes,
        )?;
    }
    let options =
        RestoreOptions::default().keep_sessions(arguments.keep_sessions).replace(replaced.is_some());
    let writing = Meter::begin("writing");
    let restored =
        operate::restore_into(backup, place, options, now, &|progress| writing.look(progress)).await;
    drop(writing);
    let restored = restored.map_err(failed)?;
    output.line(&text(&restored), &json!(restored));
    Ok(())
}

fn failed(error: OperateError) -> Failure {
    match error {
        OperateError::Store(error) => store::not_opened(error),
        error @ (OperateError::InUse { .. } | OperateError::Occupied { .. }) => {
            Failure::refused(format!("nothing was changed: {error}"))
        }
        error @ (OperateError::NotABackup { .. } | OperateError::NewerBackup { .. }) => {
            Failure::refused(format!("nothing was changed: {error}"))
        }
        error => Failure::store("nothing was changed", error),
    }
}

fn text(restored: &Restored) -> String {
    let Restored { accounts, sessions, sessions_revoked, values_ended, aside, .. } = restored;
    let mut text = format!(
        "{} and {} restored, {sessions_revoked} of them ended",
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

/// How long ago that was. What is ahead was taken by a clock that was wrong, or this one is.
fn when(taken_at: u64, now: u64) -> String {
    if taken_at > now.saturating_add(SLACK) {
        let ahead = age(taken_at - now);
        return format!(
            "which is {ahead} after what the clock of this machine shows, so its age is not known (look at both clocks)"
        );
    }
    format!("{} ago", age(now.saturating_sub(taken_at)))
}

/// By how many seconds clocks of two machines may differ.
const SLACK: u64 = 60;

/// How long something is ago, in the largest unit that fits.
fn age(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} seconds"),
        120..7_200 => format!("{} minutes", seconds / 60),
        7_200..172_800 => format!("{} hours", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}
