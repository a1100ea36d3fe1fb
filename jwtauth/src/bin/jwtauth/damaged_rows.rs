//! `jwtauth repair` of a store in a database.

use std::path::{Path, PathBuf};

use jwtauth::clock::{Clock as _, SystemClock};
use jwtauth::store::StorePlace;
use jwtauth::store::operate::{self, DatabaseDiagnosis, OperateError, RepairedDatabase, RowRepairs};
use serde_json::json;

use super::arguments::RepairArguments;
use super::meter::Meter;
use super::output::{self, Output, counted};
use super::{Done, Failure, ask, backup, doctor, store};

pub(crate) async fn run(place: StorePlace, arguments: RepairArguments, output: Output, yes: bool) -> Done {
    if arguments.counter.rollback_counter.is_some() {
        return Err(Failure::refused("a database has no rollback counter: leave --rollback-counter out"));
    }
    let now = SystemClock.now();
    let aside = arguments.aside.unwrap_or_else(|| PathBuf::from(format!("jwtauth-damaged-rows-{now}.jsonl")));
    store::outside_of_stores(&aside)?;
    if !yes {
        let meter = Meter::begin("reading");
        let diagnosis = operate::examine_database(place.clone(), &|progress| meter.look(progress)).await;
        drop(meter);
        let mut diagnosis = diagnosis.map_err(store::not_repaired)?;
        // This is what comes next.
        diagnosis.next.clear();
        doctor::database_lines(&diagnosis).iter().for_each(|line| output::show(line));
        if diagnosis.unreadable_rows > 0 {
            ask::before(&question(&diagnosis, &aside), yes)?;
        }
    }
    let meter = Meter::begin("repairing");
    let repaired = operate::repair_database(place, &aside, now, &|progress| meter.look(progress)).await;
    drop(meter);
    let repaired = repaired.map_err(|error| match error {
        OperateError::Write(error) => backup::unwritten(&aside, error),
        OperateError::Stopped => {
            Failure::store(format!("some rows may be repaired, and are in {aside:?}"), OperateError::Stopped)
        }
        error => store::not_repaired(error),
    })?;
    output.text(&lines(&repaired), &json!(repaired));
    Ok(())
}

fn question(diagnosis: &DatabaseDiagnosis, aside: &Path) -> String {
    format!(
        "take {} out of the tables and keep what stood there in {aside:?}: their sessions end, and their accounts are disabled",
        counted(diagnosis.unreadable_rows, "damaged row")
    )
}

fn lines(repaired: &RepairedDatabase) -> Vec<String> {
    let Some(aside) = &repaired.aside else {
        return vec!["No row is damaged: nothing was done.".into()];
    };
    let RowRepairs { rows, sessions_ended, disabled, left_out, mended, .. } = &repaired.repairs;
    let mut lines =
        vec![format!("The store {} was repaired: {}.", repaired.before.place, counted(*rows, "row"))];
    let gone = [
        (*sessions_ended, "session", "ended"),
        (repaired.repairs.values_replaced, "value", "replaced by one that keeps out"),
        (repaired.repairs.tokens_removed, "record", "of tokens taken out"),
        (repaired.repairs.events_removed, "event", "taken out: `jwtauth events --check` names it as missing"),
        (*mended, "row", "set right, because its record is whole"),
    ];
    let gone = gone.iter().filter(|(count, ..)| *count > 0);
    lines.extend(gone.map(|(count, what, done)| format!("  {} {done}", counted(*count, what))));
    doctor::named(&mut lines, "Accounts that are disabled now (set a password, then enable them)", disabled);
    doctor::named(
        &mut lines,
        "Accounts that were left out, because another one has their name or they have none",
        left_out,
    );
    lines.push(format!(
        "What stood in these rows is in {aside:?}: it is as secret as the store. Remove it when nobody needs it any more."
    ));
    if let [password, enable] = &repaired.next[..] {
        lines.push(format!("Next, for each account that may log in: {password}"));
        lines.push(format!("  and then: {enable}"));
    }
    lines
}
