//! `jwtauth repair`.

use std::path::Path;

use jwtauth::store::operate::{self, Condition, OperateError, Repaired};
use serde_json::json;

use super::arguments::CounterArgument;
use super::meter::Meter;
use super::output::Output;
use super::{Done, Failure, ask, doctor, store};

pub(crate) fn run(path: Option<&Path>, counter: CounterArgument, output: Output, yes: bool) -> Done {
    let config = store::damaged(path, counter)?;
    if !yes {
        let meter = Meter::begin("reading");
        let diagnosis = operate::doctor(config.clone(), &|progress| meter.look(progress));
        drop(meter);
        let diagnosis = diagnosis.map_err(failed)?;
        for line in doctor::lines(&diagnosis) {
            eprintln!("{line}");
        }
        if diagnosis.condition != Condition::Whole {
            let what = if diagnosis.is_complete {
                "write the store anew"
            } else {
                "write the store anew and log everybody out"
            };
            ask::before(what, yes)?;
        }
    }
    let meter = Meter::begin("writing");
    let repaired = operate::repair(config, &|progress| meter.look(progress));
    drop(meter);
    let repaired = repaired.map_err(failed)?;
    output.text(&lines(&repaired), &json!(repaired));
    Ok(())
}

fn failed(error: OperateError) -> Failure {
    match error {
        OperateError::Store(error) => store::not_opened(error),
        error => Failure::store("nothing was changed", error),
    }
}

fn lines(repaired: &Repaired) -> Vec<String> {
    let Some(aside) = &repaired.aside else {
        return vec!["The store is whole: nothing was done.".into()];
    };
    let kept = &repaired.kept;
    let mut lines = vec![
        format!("The store {:?} was written anew.", repaired.before.path),
        format!(
            "Kept: {} sessions, {} accounts, {} tokens, {} values.",
            kept.sessions, kept.accounts, kept.tokens, kept.values
        ),
    ];
    if repaired.sessions_ended {
        lines.push("Everybody was logged out, because something is missing.".into());
    }
    if repaired.values_left_out > 0 {
        lines.push(format!(
            "{} values were left out: they could have let somebody in.",
            repaired.values_left_out
        ));
    }
    doctor::named(
        &mut lines,
        "Accounts that are disabled now (set a password, then enable them)",
        &repaired.disabled,
    );
    doctor::named(
        &mut lines,
        "Accounts that were left out, because another one has their name",
        &repaired.left_out,
    );
    let doubtful = &repaired.before.doubtful_accounts;
    doctor::named(
        &mut lines,
        "Accounts that may be as they were before their last change: an older password may be good again, and who was disabled or removed may be back",
        doubtful,
    );
    lines.push(format!("The old files are in {aside:?}: remove them when nobody needs them any more."));
    lines
}
