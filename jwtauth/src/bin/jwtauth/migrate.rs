//! `jwtauth migrate`.

use std::ops::ControlFlow;
use std::sync::Mutex;

use jwtauth::SledConfig;
use jwtauth::store::StorePlace;
use jwtauth::store::operate::{
    self, Migrated, MigrationOptions, MigrationPhase, OperateError, Progress, StoreDigest,
};
use serde_json::json;

use super::arguments::{DatabaseArguments, MigrateArguments};
use super::meter::Meter;
use super::output::{Output, counted};
use super::{Done, Failure, database, store};

pub(crate) async fn run(what: &MigrateArguments, database: &DatabaseArguments, output: Output) -> Done {
    let schema = database.schema.as_deref();
    let from = database::place(&what.from, database, schema)?;
    let to = database::place(&what.to, database, what.to_schema.as_deref().or(schema))?;
    if let StorePlace::Sled(_) = from {
        store::of_this_user(&what.from)?;
    }
    let to = match (to, &what.rollback_counter) {
        (StorePlace::Sled(_), counter) => {
            store::new_directory(&what.to)?;
            let config = SledConfig::new(&what.to);
            StorePlace::Sled(match counter {
                Some(counter) => config.rollback_counter(counter),
                None => config,
            })
        }
        (_, Some(_)) => {
            return Err(Failure::refused("a database has no rollback counter: leave --rollback-counter out"));
        }
        (to, None) => to,
    };
    let options = MigrationOptions::default().keep_source(what.keep_source).is_stopped(what.stopped);
    let meter = Mutex::new(None);
    let migrated =
        operate::migrate(from, to, options, &|phase, progress| look(&meter, phase, progress)).await;
    drop(meter);
    let migrated = migrated.map_err(failed)?;
    output.text(&lines(&migrated, what), &json!(migrated));
    Ok(())
}

/// Shows how far each phase is, one after the other.
fn look(
    meter: &Mutex<Option<(MigrationPhase, Meter)>>,
    phase: MigrationPhase,
    progress: Progress,
) -> ControlFlow<()> {
    // OK because nobody panics with the lock.
    let Ok(mut meter) = meter.lock() else { return ControlFlow::Break(()) };
    if meter.as_ref().is_none_or(|(shown, _)| *shown != phase) {
        *meter = None;
        let name = match phase {
            MigrationPhase::Copy => "copying",
            MigrationPhase::ReadBack => "reading back",
            _ => "comparing",
        };
        *meter = Some((phase, Meter::begin(name)));
    }
    meter.as_ref().map_or(ControlFlow::Break(()), |(_, meter)| meter.look(progress))
}

fn failed(error: OperateError) -> Failure {
    match error {
        OperateError::Store(error) => store::not_opened(error),
        error @ OperateError::InUse { .. } => Failure::refused(format!(
            "nothing was changed: {error} (if they are those of a pooler, and all servers are stopped: add --stopped)"
        )),
        error @ (OperateError::MovedBefore { .. }
        | OperateError::MovedAlready { .. }
        | OperateError::NoStore { .. }
        | OperateError::SameStore { .. }
        | OperateError::Unreadable { .. }
        | OperateError::Occupied { .. }) => Failure::refused(format!("nothing was changed: {error}")),
        OperateError::Stopped => Failure::store(
            "the old store is as it was, and the new one is none yet: to go on, write the same command again",
            OperateError::Stopped,
        ),
        error @ OperateError::HalfMoved { .. } => {
            Failure::store("the last steps failed, so perhaps neither store opens", error)
        }
        error => Failure::store("the old store is as it was, and the new one is not served", error),
    }
}

fn lines(migrated: &Migrated, what: &MigrateArguments) -> Vec<String> {
    let Migrated { records, is_source_closed, .. } = migrated;
    let [from, to] = [&migrated.from, &migrated.to].map(|place| {
        if StorePlace::from(place).is_database() { place.clone() } else { format!("{place:?}") }
    });
    let StoreDigest { accounts, sessions, tokens, values, events, checksum, .. } = records;
    let mut lines = vec![
        format!(
            "{}, {}, {}, {} and {} are in {to} now.",
            counted(*accounts, "account"),
            counted(*sessions, "session"),
            if *tokens == 1 { "1 record of a token".into() } else { format!("{tokens} records of tokens") },
            counted(*values, "value"),
            counted(*events, "event"),
        ),
        format!("They were read back, and are the same in both: checksum {checksum:032x}."),
        format!(
            "Start the server there, with the same secret: it passes {} to `open`.",
            if StorePlace::from(&what.to).is_database() {
                "the URL of the database"
            } else {
                "that directory"
            }
        ),
    ];
    lines.push(if *is_source_closed {
        format!(
            "{from} does not open any more, because a logout in one of the two would not be known in the other. Keep it until you trust the new one, then remove it."
        )
    } else {
        format!(
            "{from} was left as it is. Never serve both to the same users: whoever logs out of one stays logged in with the other."
        )
    });
    lines
}
