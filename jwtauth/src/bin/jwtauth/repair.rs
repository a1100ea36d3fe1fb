//! `jwtauth repair`.

use jwtauth::store::operate::{self, Condition, RepairOptions, Repaired};
use serde_json::json;

use super::arguments::RepairArguments;
use super::database::StoreName;
use super::meter::Meter;
use super::output::{self, Output, counted};
use super::{Done, Failure, ask, damaged_rows, doctor, store};

pub(crate) async fn run(name: StoreName<'_>, arguments: RepairArguments, output: Output, yes: bool) -> Done {
    if let Some(database) = name.database()? {
        if arguments.from_aside.is_some() {
            return Err(Failure::refused("a database has no older files: leave --from-aside out"));
        }
        return damaged_rows::run(database, arguments, output, yes).await;
    }
    if arguments.aside.is_some() {
        let what = "the old files of a directory stay in it: --aside is for a database";
        return Err(Failure::refused(what));
    }
    let keep_accounts = arguments.keep_accounts;
    let config = store::damaged(name, arguments.counter, "")?;
    let mut options = RepairOptions::default().keep_accounts(keep_accounts);
    if let Some(older) = arguments.from_aside {
        let accounts = if keep_accounts {
            "and keep accounts as they were then"
        } else {
            "and disable all accounts (--keep-accounts keeps them)"
        };
        ask::before(
            &format!("make the store of the older files {older:?}, log everybody out, {accounts}"),
            yes,
        )?;
        options = options.from_aside(older);
    } else if !yes {
        let meter = Meter::begin("reading");
        let diagnosis = operate::doctor(config.clone(), &|progress| meter.look(progress));
        drop(meter);
        let mut diagnosis = diagnosis.map_err(store::not_repaired)?;
        // This is what comes next.
        diagnosis.next.clear();
        for line in doctor::lines(&diagnosis) {
            output::show(&line);
        }
        if diagnosis.condition != Condition::Whole {
            let what = match (diagnosis.is_complete, keep_accounts || diagnosis.accounts_are_complete) {
                (true, _) => "write the store anew",
                (false, false) => {
                    "write the store anew, log everybody out, and disable all accounts (--keep-accounts keeps them)"
                }
                (false, true) => {
                    "write the store anew, log everybody out, and keep accounts as they can be read"
                }
            };
            ask::before(what, yes)?;
        }
    }
    let meter = Meter::begin("writing");
    let repaired = operate::repair(config, options, &|progress| meter.look(progress));
    drop(meter);
    let repaired = repaired.map_err(store::not_repaired)?;
    output.text(&lines(&repaired), &json!(repaired));
    Ok(())
}

fn lines(repaired: &Repaired) -> Vec<String> {
    if repaired.before.condition == Condition::Whole {
        return vec!["The store is whole: nothing was done.".into()];
    }
    let kept = &repaired.kept;
    let mut lines = vec![
        format!("The store {:?} was written anew.", repaired.before.path),
        format!(
            "Kept: {}, {}, {}, {}.",
            counted(kept.sessions, "session"),
            counted(kept.accounts, "account"),
            counted(kept.tokens, "token"),
            counted(kept.values, "value")
        ),
    ];
    if repaired.sessions_revoked {
        lines.push("Everybody was logged out, because something is missing.".into());
    }
    doctor::lost_accounts(&mut lines, &repaired.before);
    doctor::whose_sessions(&mut lines, &repaired.before.lost_sessions);
    if repaired.values_left_out > 0 {
        lines.push(format!(
            "Left out: {}, which could have let somebody in.",
            counted(repaired.values_left_out, "value")
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
    lines.extend(repaired.aside.as_ref().map(|aside| {
        format!("The old files are in {aside:?}: remove them when nobody needs them any more.")
    }));
    let in_doubt = &repaired.in_doubt;
    doctor::named(
        &mut lines,
        "Accounts that are disabled now, because they may be as they were before their last change, with an older password or older roles, and because who was disabled or removed may be back",
        in_doubt,
    );
    if !in_doubt.is_empty() {
        let [enable, password] = &repaired.next[..] else { return lines };
        lines.push(format!("Next, for each one who may log in: {enable}"));
        lines.push(format!("  and before that, where an older password must not be good: {password}"));
    } else {
        doctor::named(
            &mut lines,
            "Accounts that were kept and may be as they were before their last change: an older password may be good again, and who was disabled or removed may be back",
            &repaired.before.doubtful_accounts,
        );
    }
    lines
}
