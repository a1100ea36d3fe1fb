//! The page `session`: one session, with the tree of its tokens and what has ended each.

use std::collections::HashMap;

use askama::Template;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use poem::http::StatusCode;
use poem::{Response, Result};
use serde::Deserialize;

use super::super::PageTexts;
use super::super::device_row::DeviceRow;
use super::super::page_shell::{Shell, see_other, shown, times};
use super::admin_visit::AdminVisit;
use crate::id::{AccountId, SessionId, TokenId};
use crate::record::{RevocationReason, Session, SessionState};
use crate::registry::{TokenKind, TokenRecord};
use crate::web::routes::form::Form;

/// What stands in a query as it is, among what ids of accounts have.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_');

/// How many tokens stand on a page.
const ROWS: usize = 50;

#[derive(Template)]
#[template(path = "admin/session.html")]
struct SessionPage<'p> {
    shell: Shell<'p>,
    /// The query of this page.
    query: String,
    person: &'p str,
    person_id: String,
    row: DeviceRow,
    state: String,
    is_live: bool,
    revoked: Option<(String, String)>,
    expires: (String, String),
    /// `None` for an API key, which has no tokens.
    generation: Option<u64>,
    agent: Option<&'p str>,
    keeps_tokens: bool,
    tokens: Vec<TokenRow>,
    /// Where the next page begins.
    next: Option<usize>,
    is_first: bool,
}

/// A token of the tree.
struct TokenRow {
    number: usize,
    kind: String,
    /// The number of the token that it was issued for.
    parent: Option<usize>,
    issued: (String, String),
    ended: Option<(String, String)>,
    state: String,
}

/// Which session is asked for.
#[derive(Default, Deserialize)]
#[serde(default)]
struct SessionQuery {
    /// The account.
    of: String,
    /// The short form of the id.
    mark: String,
    /// How many tokens stand before this page.
    from: String,
    done: String,
}

/// Returns the query that asks for a session. It has the short form of its id: addresses of pages are in many
/// logs.
pub(super) fn query_of(subject: &str, session: SessionId) -> String {
    format!("of={}&mark={}", utf8_percent_encode(subject, QUERY), session.log_id())
}

/// Returns the words for what a session is worth.
pub(super) fn state_of(session: &Session, now: u64, texts: &PageTexts) -> String {
    let words = &texts.admin;
    match session.state_at(now) {
        SessionState::Live => words.live.to_string(),
        SessionState::Expired => words.expired.to_string(),
        SessionState::Revoked(reason) => format!("{}: {}", words.revoked, reason_of(reason, texts)),
    }
}

fn reason_of(reason: RevocationReason, texts: &PageTexts) -> &str {
    let words = &texts.admin;
    match reason {
        RevocationReason::Evicted => &words.evicted,
        RevocationReason::Inactive => &words.inactive,
        RevocationReason::Logout => &words.logout,
        RevocationReason::LogoutAll => &words.logout_all,
        RevocationReason::Replaced => &words.replaced,
        RevocationReason::Requested => &words.requested,
        RevocationReason::Reused => &words.reused,
    }
}

/// Finds the session that a request is about, among those of the account.
async fn asked(visit: &AdminVisit<'_>, query: &SessionQuery) -> Result<Option<Session>> {
    let own = visit.sessions().store().sessions_of(query.of.clone()).await.map_err(AdminVisit::failed)?;
    Ok(own.into_iter().find(|session| session.id.log_id() == query.mark))
}

/// `GET session?of=&mark=`.
pub(super) async fn show(visit: &AdminVisit<'_>) -> Result<Response> {
    let query: SessionQuery = visit.query().await;
    let Some(session) = asked(visit, &query).await? else { return Ok(see_other("people")) };
    let account = match query.of.parse::<AccountId>() {
        Ok(id) => visit.accounts.by_id(id).await?,
        Err(_) => None,
    };
    let (words, now) = (&visit.own.texts.admin, visit.sessions().now());
    let mut shell = visit.shell(&words.session, "session");
    // A link can say anything: what is told has happened.
    let is_ended = query.done == "ended" && !session.is_live_at(now);
    shell.notice = is_ended.then_some(&*words.sessions_ended).or(shell.notice);
    // What is no number asks for the newest.
    let from: usize = query.from.parse().unwrap_or(0);
    let tokens = visit.sessions().tokens(session.id).await?;
    let rows = rows(&tokens, &session, now, visit.own.texts);
    // The newest first.
    let on_page: Vec<_> = rows.into_iter().rev().skip(from).take(ROWS).collect();
    let behind = from.saturating_add(on_page.len());
    let page = SessionPage {
        shell,
        query: query_of(&session.subject, session.id),
        person: account.as_ref().map_or(&session.subject, |account| &account.name),
        person_id: session.subject.clone(),
        row: DeviceRow::of(&session, visit.own.session, visit.own.texts),
        state: state_of(&session, now, visit.own.texts),
        is_live: session.is_live_at(now),
        revoked: session.revoked.map(|revocation| times(revocation.at)),
        expires: times(session.expires_at),
        generation: session.api_key.is_none().then_some(session.generation),
        agent: session.device.user_agent.as_deref(),
        keeps_tokens: visit.sessions().keeps_tokens(),
        next: (behind < tokens.len()).then_some(behind),
        is_first: from == 0,
        tokens: on_page,
    };
    shown(StatusCode::OK, &page)
}

/// Numbers the tokens in the order in which they were issued, and says what has become of each.
fn rows(tokens: &[TokenRecord], session: &Session, now: u64, texts: &PageTexts) -> Vec<TokenRow> {
    let numbers: HashMap<TokenId, usize> = tokens.iter().map(|token| token.id).zip(1..).collect();
    let spendable = tokens.iter().filter(|token| token.kind != TokenKind::Access);
    let spent_for: HashMap<TokenId, usize> =
        spendable.filter_map(|token| Some((token.parent?, *numbers.get(&token.id)?))).collect();
    let row = |token: &TokenRecord| TokenRow {
        number: numbers.get(&token.id).copied().unwrap_or_default(),
        kind: match token.kind {
            TokenKind::Access => texts.admin.access_token.to_string(),
            TokenKind::Refresh => texts.admin.refresh_token.to_string(),
            TokenKind::Sliding => texts.admin.sliding_token.to_string(),
        },
        parent: token.parent.and_then(|parent| numbers.get(&parent).copied()),
        issued: times(token.issued_at),
        ended: (!token.is_active_at(now)).then(|| times(token.ends_at())),
        state: fate(token, spent_for.get(&token.id).copied(), session, now, texts),
    };
    tokens.iter().map(row).collect()
}

/// Says what has ended a token, if it is over. `spent_for` is the number of the one that it was spent for.
fn fate(
    token: &TokenRecord,
    spent_for: Option<usize>,
    session: &Session,
    now: u64,
    texts: &PageTexts,
) -> String {
    let words = &texts.admin;
    if token.is_active_at(now) {
        return words.good.to_string();
    }
    let Some(revoked_at) = token.revoked_at else { return words.expired.to_string() };
    match (spent_for, session.revoked) {
        _ if session.has_revoked(token.id) => words.revoked_alone.to_string(),
        (Some(number), _) if token.kind != TokenKind::Access => format!("{} {number}", words.spent_for),
        (_, Some(with)) if with.at <= revoked_at => {
            format!("{} {}", words.ended_with_session, reason_of(with.reason, texts))
        }
        _ => words.replaced_by_refresh.to_string(),
    }
}

/// `POST session?of=&mark=`: ends it.
pub(super) async fn change(visit: &AdminVisit<'_>, mut form: Form) -> Result<Response> {
    let query: SessionQuery = visit.query().await;
    let Some(session) = asked(visit, &query).await? else { return Ok(see_other("people")) };
    let page = format!("session?{}", query_of(&session.subject, session.id));
    // A session that has ended is no event again.
    if form.text("do") != "end" || !session.is_live_at(visit.sessions().now()) {
        return Ok(see_other(&page));
    }
    visit.by_admin(visit.sessions().revoke(session.id)).await?;
    Ok(see_other(&format!("{page}&done=ended")))
}
