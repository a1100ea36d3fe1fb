//! `jwtauth status`.

use jwtauth::operator::{Operator, OperatorAnswer, OperatorRequest, OperatorStatus};
use jwtauth::store::operate::StoreStatus;

use super::meter::size;
use super::output::{self, Output, counted, shown};
use super::{Done, Failure, unexpected};

pub(crate) async fn show(operator: &Operator, output: Output) -> Done {
    let OperatorStatus { store, server, .. } = match operator.ask(OperatorRequest::Status).await? {
        OperatorAnswer::Status(status) => status,
        _ => return Err(unexpected()),
    };
    let number = |number: Option<u64>| number.map_or("-".into(), |number| number.to_string());
    let time = |at: Option<u64>| at.map_or("-".into(), shown);
    let answered = match &server {
        Some(server) => format!(
            "answers: jwtauth {}, process {}, up for {}",
            server.version,
            server.pid,
            length(server.uptime)
        ),
        None => "none: this program has opened the store".into(),
    };
    let fields = [
        ("live sessions", store.live_sessions.to_string()),
        ("of subjects", store.live_subjects.to_string()),
        ("sessions that are over", store.sessions_over.to_string()),
        ("oldest login", time(store.oldest_login)),
        ("last used", time(store.last_used)),
        ("accounts", number(store.accounts)),
        ("disabled accounts", number(store.disabled_accounts)),
        ("records", records(&store)),
        ("changes", store.failure.as_ref().map_or("taken".into(), |why| format!("NOT taken: {why}"))),
        ("files", store.file_bytes.map_or("-".into(), size)),
        ("last backup", time(store.last_backup)),
        ("written anew", written_anew(&store)),
        ("server", answered),
    ];
    let mut json = serde_json::json!(store);
    json["server"] = serde_json::json!(server);
    let done = match store.unreadable {
        0 => Ok(()),
        count => {
            let records = counted(count, "record");
            Err(Failure::incomplete(format!("{records} damaged: `jwtauth doctor` says which")))
        }
    };
    output::will_end_with(&done);
    output.fields(&fields, &json);
    done
}

/// Says whether every record was read, and is whole.
fn records(store: &StoreStatus) -> String {
    match store.verified {
        _ if store.unreadable > 0 => {
            format!("{} damaged, and not counted above: jwtauth doctor", counted(store.unreadable, "record"))
        }
        Some(true) => "every one was read and is whole".into(),
        Some(false) => "not every one was read yet".into(),
        None => "-".into(),
    }
}

/// Says how often the server has made the files smaller.
fn written_anew(store: &StoreStatus) -> String {
    match store.last_compaction {
        Some(last) => {
            let (before, after) = (size(last.before), size(last.after));
            format!(
                "{} since the start, the last one from {before} to {after}",
                counted(store.compactions, "time")
            )
        }
        None => "-".into(),
    }
}

/// Writes a length of time in its largest unit, and the next one.
fn length(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    if days > 0 {
        format!("{days} d {} h", hours % 24)
    } else if hours > 0 {
        format!("{hours} h {} min", minutes % 60)
    } else if minutes > 0 {
        format!("{minutes} min {} s", seconds % 60)
    } else {
        format!("{seconds} s")
    }
}
