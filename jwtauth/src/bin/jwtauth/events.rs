//! `jwtauth events`.

use std::collections::VecDeque;

use jwtauth::operator::{Operator, OperatorAnswer, OperatorRequest};
use jwtauth::store::{EventRecord, TrailHead, TrailMark};
use serde_json::json;

use super::arguments::EventsArguments;
use super::output::{self, List, Output, shown};
use super::{Done, Failure, unexpected};

pub(crate) async fn run(operator: &Operator, what: EventsArguments, output: Output) -> Done {
    if what.check {
        return check(operator, what.mark, output).await;
    }
    let mut list = output.list(&["no.", "time", "event", "subject", "session", "address", "details"]);
    // Nothing is behind the last one but the head.
    let (_, _, head) = page(operator, &what, u64::MAX).await?;
    let has_filter = what.of.is_some() || what.event.is_some();
    let most = what.last;
    // A trail whose head is lost is read from its beginning.
    let newest = head.filter(|_| !what.all && !has_filter);
    let mut after = newest.map_or(0, |head| head.last.saturating_sub(most as u64));
    let mut last: VecDeque<EventRecord> = VecDeque::new();
    let mut is_there = head.is_some();
    loop {
        let (rows, next, _) = page(operator, &what, after).await?;
        is_there |= !rows.is_empty();
        if what.all {
            rows.iter().for_each(|event| row(&mut list, event));
        } else {
            last.extend(rows);
            last.drain(..last.len().saturating_sub(most));
        }
        match next {
            Some(next) => after = next,
            None => break,
        }
    }
    if !is_there {
        return Err(none());
    }
    last.iter().for_each(|event| row(&mut list, event));
    list.end();
    Ok(())
}

async fn page(
    operator: &Operator,
    what: &EventsArguments,
    after: u64,
) -> Result<(Vec<EventRecord>, Option<u64>, Option<TrailHead>), Failure> {
    let page = OperatorRequest::ListEvents { of: what.of.clone(), event: what.event.clone(), after };
    match operator.ask(page).await? {
        OperatorAnswer::Events { rows, next, head } => Ok((rows, next, head)),
        _ => Err(unexpected()),
    }
}

fn row(list: &mut List, record: &EventRecord) {
    let event = &record.event;
    let details: Vec<_> = event.details.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    let cells = [
        record.number.to_string(),
        shown(event.at),
        event.event.clone(),
        event.subject.clone().unwrap_or_default(),
        event.session.map(|session| session.to_string()).unwrap_or_default(),
        event.address.map(|address| address.to_string()).unwrap_or_default(),
        details.join(", "),
    ];
    list.row(&cells, &json!(record));
}

async fn check(operator: &Operator, mark: Option<TrailMark>, output: Output) -> Done {
    let checked = match operator.ask(OperatorRequest::CheckEvents { mark }).await? {
        OperatorAnswer::EventsChecked(checked) => checked,
        _ => return Err(unexpected()),
    };
    if checked.head.is_none() && checked.faults.is_empty() {
        return Err(none());
    }
    let mut lines: Vec<_> = checked.faults.iter().map(ToString::to_string).collect();
    let is_other = checked.is_as_marked == Some(false);
    if let Some(mark) = mark {
        lines.extend(match checked.is_as_marked {
            Some(true) => Some(format!("Event {} is as it was when its mark was written down.", mark.number)),
            Some(false) => {
                Some(format!("Event {} is not what it was when its mark was written down.", mark.number))
            }
            None if checked.head.is_some_and(|head| mark.number < head.first) => Some(format!(
                "Event {} is not kept any more, so nobody knows whether it was changed.",
                mark.number
            )),
            // Among the faults.
            None => None,
        });
    }
    let new_mark = checked.head.filter(|_| checked.faults.is_empty() && !is_other).map(|head| head.mark());
    if let (Some(head), Some(mark)) = (checked.head, new_mark) {
        lines.push(format!("Events {} to {} are as they were written.", head.first, head.last));
        lines.push(format!("Keep this mark on another machine, and compare with --mark: {mark}"));
    }
    let mut json = json!(checked);
    json["mark"] = json!(new_mark.map(|mark| mark.to_string()));
    let is_whole = checked.faults.is_empty() && !is_other;
    let what = "the audit trail is not as it was written";
    let done = if is_whole { Ok(()) } else { Err(Failure::refused(what)) };
    output::will_end_with(&done);
    output.text(&lines, &json);
    done
}

fn none() -> Failure {
    Failure::refused(
        "this store has no audit trail: the server keeps one with `.storage(StorageConfig::default().keep_events(100_000))`",
    )
}
