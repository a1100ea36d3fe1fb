//! `jwtauth api-keys`.

use jwtauth::SessionId;
use jwtauth::operator::{Operator, OperatorAnswer, OperatorRequest, SessionRow};
use serde_json::json;

use super::arguments::{ApiKeysCommand, NewApiKey};
use super::database::StoreName;
use super::output::{Output, counted, say, shown, used};
use super::sessions::each_page;
use super::{Done, Failure, store, unexpected};

pub(crate) async fn run(name: StoreName<'_>, command: ApiKeysCommand, output: Output) -> Done {
    match command {
        ApiKeysCommand::List { of, over } => list(&store::operator(name).await?, of, over, output).await,
        ApiKeysCommand::Create(new) => create(&store::operator(name).await?, new, output).await,
        ApiKeysCommand::Revoke { ids } => revoke(&store::operator(name).await?, ids, output).await,
    }
}

async fn list(operator: &Operator, of: Option<String>, over: bool, output: Output) -> Done {
    let list = output.list(&["id", "name", "subject", "state", "last used", "expires", "roles", "scopes"]);
    let cells = |row: &SessionRow| {
        [
            row.id.to_string(),
            row.api_key.clone().unwrap_or_default(),
            row.subject.clone(),
            row.state.clone(),
            used(row.last_used_at),
            shown(row.expires_at),
            row.roles.join(", "),
            row.scopes.join(", "),
        ]
    };
    let request = |after| OperatorRequest::ListSessions { of: of.clone(), over, only_api_keys: true, after };
    each_page(operator, request, list, cells).await
}

async fn create(operator: &Operator, new: NewApiKey, output: Output) -> Done {
    let NewApiKey { name, of: owner, scopes, roles, days } = new;
    let ttl = days.map(|days| u64::from(days) * 24 * 60 * 60);
    let (row, secret) =
        match operator.ask(OperatorRequest::CreateApiKey { owner, name, roles, scopes, ttl }).await? {
            OperatorAnswer::ApiKey { row, secret } => (row, secret),
            _ => return Err(unexpected()),
        };
    say(&format!(
        "the API key {} ({}) is good until {}. Keep it now: it cannot be had again",
        row.api_key.as_deref().unwrap_or_default(),
        row.id,
        shown(row.expires_at)
    ));
    let mut answer = json!(row);
    answer["secret"] = secret.expose().into();
    output.line(secret.expose(), &answer);
    Ok(())
}

async fn revoke(operator: &Operator, ids: Vec<SessionId>, output: Output) -> Done {
    // A mistyped id must not log somebody out.
    for id in &ids {
        match operator.ask(OperatorRequest::ShowSession { id: *id }).await? {
            OperatorAnswer::Session(row) if row.api_key.is_some() => {}
            OperatorAnswer::Session(_) => {
                let what = format!("{id} is a login and no API key: see `jwtauth sessions revoke`");
                return Err(Failure::refused(what));
            }
            _ => return Err(unexpected()),
        }
    }
    match operator.ask(OperatorRequest::RevokeSessions { ids }).await? {
        OperatorAnswer::Revoked { count } => {
            output.line(&format!("{} revoked", counted(count, "API key")), &json!({ "revoked": count }));
            Ok(())
        }
        _ => Err(unexpected()),
    }
}
