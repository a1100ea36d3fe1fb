//! `jwtauth sessions`.

use jwtauth::SessionId;
use jwtauth::operator::{Operator, OperatorAnswer, OperatorRequest, SessionRow};
use jwtauth::store::RecordKind;
use serde_json::json;

use super::arguments::{Revoked, SessionsCommand};
use super::output::{List, Output, counted, shown, used};
use super::{Done, accounts, ask, unexpected};

pub(crate) async fn run(operator: &Operator, command: SessionsCommand, output: Output, yes: bool) -> Done {
    match command {
        SessionsCommand::List { of, over } => list(operator, of, over, output).await,
        SessionsCommand::Show { id } => match operator.ask(OperatorRequest::ShowSession { id }).await? {
            OperatorAnswer::Session(session) => show(&session, output),
            _ => Err(unexpected()),
        },
        SessionsCommand::Revoke(which) => revoke(operator, which, output, yes).await,
    }
}

async fn list(operator: &Operator, of: Option<String>, over: bool, output: Output) -> Done {
    let list = output.list(&["id", "subject", "state", "last used", "device", "address"]);
    let cells = |row: &SessionRow| {
        [
            row.id.to_string(),
            row.subject.clone(),
            row.state.clone(),
            used(row.last_used_at),
            row.device.clone(),
            row.address.map(|address| address.to_string()).unwrap_or_default(),
        ]
    };
    let request = |after| OperatorRequest::ListSessions { of: of.clone(), over, only_api_keys: false, after };
    each_page(operator, request, list, cells).await
}

/// Shows the sessions of each page that is asked for.
pub(crate) async fn each_page<const N: usize>(
    operator: &Operator,
    request: impl Fn(Option<SessionId>) -> OperatorRequest,
    mut list: List,
    cells: impl Fn(&SessionRow) -> [String; N],
) -> Done {
    let mut after = None;
    loop {
        let OperatorAnswer::Sessions { rows, next } = operator.ask(request(after)).await? else {
            return Err(unexpected());
        };
        rows.iter().for_each(|row| list.row(&cells(row), &json!(row)));
        after = next;
        if after.is_none() {
            list.end();
            return accounts::check_readable(operator, RecordKind::Session, "session").await;
        }
    }
}

fn show(session: &SessionRow, output: Output) -> Done {
    let mut fields = vec![
        ("id", session.id.to_string()),
        ("subject", session.subject.clone()),
        ("state", session.state.clone()),
        ("opened", shown(session.created_at)),
        ("last used", used(session.last_used_at)),
        ("expires", shown(session.expires_at)),
        ("device", session.device.clone()),
        ("address", session.address.map(|address| address.to_string()).unwrap_or_default()),
        ("roles", session.roles.join(", ")),
        ("scopes", session.scopes.join(", ")),
    ];
    if let (Some(at), Some(reason)) = (session.revoked_at, &session.reason) {
        fields.push(("revoked", format!("{}, {reason}", shown(at))));
    }
    output.fields(&fields, &json!(session));
    Ok(())
}

async fn revoke(operator: &Operator, which: Revoked, output: Output, yes: bool) -> Done {
    let revocation = if let Some(user) = which.all_of {
        OperatorRequest::RevokeAllOf { user }
    } else if which.all {
        ask::before("log everybody out", yes)?;
        OperatorRequest::RevokeAll
    } else {
        OperatorRequest::RevokeSessions { ids: which.ids }
    };
    match operator.ask(revocation).await? {
        OperatorAnswer::Revoked { count } => {
            output.line(&format!("{} revoked", counted(count, "session")), &json!({ "revoked": count }));
            Ok(())
        }
        _ => Err(unexpected()),
    }
}
