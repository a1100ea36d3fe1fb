//! `jwtauth sessions`.

use std::ops::ControlFlow;

use jwtauth::store::operate;
use jwtauth::{Session, SessionId};
use serde_json::{Value, json};

use super::arguments::{Revoked, SessionsCommand};
use super::output::{Output, shown};
use super::store::Operated;
use super::{Done, Failure, ask};

pub(crate) async fn run(operated: &Operated, command: SessionsCommand, output: Output, yes: bool) -> Done {
    match command {
        SessionsCommand::List { of, over } => list(operated, of.as_deref(), over, output).await,
        SessionsCommand::Show { id } => show(operated, id, output).await,
        SessionsCommand::Revoke(which) => revoke(operated, which, output, yes).await,
    }
}

fn failed(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Failure {
    Failure::store("the store failed", error)
}

/// Calls `look` with each session, or with those of one subject.
async fn each(operated: &Operated, of: Option<&str>, mut look: impl FnMut(Session) + Send) -> Done {
    match of {
        Some(subject) => {
            let subject = operated.subject(subject).await?;
            let own = operated.store.sessions_of(subject).await.map_err(failed)?;
            own.into_iter().for_each(look);
        }
        None => {
            let go_on = |_| ControlFlow::Continue(());
            operate::each_session(&operated.store, &mut look, &go_on).await.map_err(failed)?;
        }
    }
    Ok(())
}

fn state(session: &Session, now: u64) -> &'static str {
    if session.revoked.is_some() {
        "revoked"
    } else if session.is_live_at(now) {
        "live"
    } else {
        "expired"
    }
}

fn document(session: &Session, now: u64) -> Value {
    let device = &session.device;
    json!({
        "id": session.id.to_string(),
        "subject": session.subject,
        "state": state(session, now),
        "created_at": session.created_at,
        "last_used_at": session.rotated_at,
        "expires_at": session.expires_at,
        "revoked_at": session.revoked.map(|revocation| revocation.at),
        "reason": session.revoked.map(|revocation| format!("{:?}", revocation.reason)),
        "roles": session.roles,
        "scopes": session.scopes,
        "device": device.to_string(),
        "address": session.last_seen_from(),
    })
}

async fn list(operated: &Operated, of: Option<&str>, over: bool, output: Output) -> Done {
    let now = operated.sessions().now();
    let mut list = output.list(&["id", "subject", "state", "last used", "device", "address"]);
    each(operated, of, |session| {
        if over || session.is_live_at(now) {
            let address = session.last_seen_from().map(|address| address.to_string());
            let cells = [
                session.id.to_string(),
                session.subject.clone(),
                state(&session, now).into(),
                shown(session.rotated_at),
                session.device.to_string(),
                address.unwrap_or_default(),
            ];
            list.row(&cells, &document(&session, now));
        }
    })
    .await?;
    list.end();
    Ok(())
}

fn missing(id: SessionId) -> Failure {
    Failure::refused(format!("there is no session {id}: it may have expired and been swept"))
}

async fn show(operated: &Operated, id: SessionId, output: Output) -> Done {
    let found = operated.store.load(id).await.map_err(failed)?;
    let session = found.ok_or_else(|| missing(id))?;
    let now = operated.sessions().now();
    let mut fields = vec![
        ("id", id.to_string()),
        ("subject", session.subject.clone()),
        ("state", state(&session, now).into()),
        ("opened", shown(session.created_at)),
        ("last used", shown(session.rotated_at)),
        ("expires", shown(session.expires_at)),
        ("device", session.device.to_string()),
        ("address", session.last_seen_from().map(|address| address.to_string()).unwrap_or_default()),
        ("roles", session.roles.join(", ")),
        ("scopes", session.scopes.join(", ")),
    ];
    if let Some(revocation) = session.revoked {
        fields.push(("revoked", format!("{}, {:?}", shown(revocation.at), revocation.reason)));
    }
    output.fields(&fields, &document(&session, now));
    Ok(())
}

async fn revoke(operated: &Operated, which: Revoked, output: Output, yes: bool) -> Done {
    let sessions = operated.sessions();
    let revoked = if let Some(subject) = &which.all_of {
        sessions.revoke_all(&operated.subject(subject).await?).await.map_err(failed)?
    } else if which.all {
        ask::before("log everybody out", yes)?;
        let (now, mut live) = (sessions.now(), Vec::new());
        let note = |session: Session| live.extend(session.is_live_at(now).then_some(session.id));
        each(operated, None, note).await?;
        revoke_each(operated, &live).await?
    } else {
        // All or none of them: a mistyped id must not leave half of it done.
        for id in &which.ids {
            operated.store.load(*id).await.map_err(failed)?.ok_or_else(|| missing(*id))?;
        }
        revoke_each(operated, &which.ids).await?
    };
    sessions.flush().await.map_err(failed)?;
    output.line(&format!("{revoked} sessions revoked"), &json!({ "revoked": revoked }));
    Ok(())
}

async fn revoke_each(operated: &Operated, ids: &[SessionId]) -> Result<usize, Failure> {
    let mut revoked = 0;
    for id in ids {
        revoked += usize::from(operated.sessions().revoke(*id).await.map_err(failed)?);
    }
    Ok(revoked)
}
