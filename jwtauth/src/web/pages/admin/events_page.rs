//! The page `events`: the audit trail, the newest event first, a page at a time.
//!
//! The numbers of the trail have no gap, so a page is read from its end on, without those before.

use std::collections::HashMap;
use std::sync::Arc;

use askama::Template;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use poem::http::{HeaderValue, StatusCode, header};
use poem::{Response, Result};
use serde::Deserialize;
use tokio::task::yield_now;

use super::super::page_shell::{Shell, shown, times};
use super::admin_visit::AdminVisit;
use super::session_page::query_of;
use crate::events::EventRecord;
use crate::id::{AccountId, SessionId};
use crate::store::EventStore;

/// How many events stand on a page.
const ROWS: usize = 50;

/// How many events are read for a page at most, where few of them are what is looked for.
const LOOKED_AT: u64 = 4_096;

/// How many events are read at once.
const AT_ONCE: u64 = 256;

/// After how many seconds a page that is to follow what happens is asked for again.
const FOLLOW: HeaderValue = HeaderValue::from_static("5");

#[derive(Template)]
#[template(path = "admin/events.html")]
struct EventsPage<'p> {
    shell: Shell<'p>,
    keeps: bool,
    person: &'p str,
    event: &'p str,
    rows: Vec<EventRow>,
    /// The query of the newest page with the same filter.
    first: String,
    /// The query of the next page, with older events.
    next: Option<String>,
    is_first: bool,
    /// Whether more events were found than stand here.
    is_full: bool,
    /// Among how many of the newest none was found.
    looked_at: u64,
    follows: bool,
}

/// An event of the list.
struct EventRow {
    number: u64,
    at: (String, String),
    event: String,
    subject: Option<Person>,
    /// The query of the session's page.
    session: Option<String>,
    address: Option<String>,
    details: Vec<String>,
    by: Option<Person>,
}

/// Who is named by an id.
#[derive(Clone)]
struct Person {
    name: String,
    /// The id, if it is that of an account.
    account: Option<String>,
}

/// What is looked for.
#[derive(Default, Deserialize)]
#[serde(default)]
struct EventsQuery {
    /// The name or id of the person that events are about.
    person: String,
    /// The name of the events.
    event: String,
    /// Only events with a lower number.
    before: Option<String>,
    /// Whether the page follows what happens.
    follow: Option<String>,
}

/// `GET events`.
pub(super) async fn show(visit: &AdminVisit<'_>) -> Result<Response> {
    let asked: EventsQuery = visit.query().await;
    let (person, event) = (asked.person.trim(), asked.event.trim());
    let trail = Arc::clone(visit.sessions().store()).event_store();
    // What is no number asks for the newest.
    let before: Option<u64> = asked.before.as_deref().and_then(|before| before.parse().ok());
    let (found, older, looked_at) = match trail {
        Some(trail) => {
            let subject = subject(visit, person).await?;
            read(&*trail, subject.as_deref(), event, before).await?
        }
        None => (Vec::new(), None, 0),
    };
    let is_full = found.len() == ROWS;
    let encoded = |text| utf8_percent_encode(text, NON_ALPHANUMERIC);
    let first = format!("person={}&event={}", encoded(person), encoded(event));
    let (mut rows, mut known) = (Vec::new(), HashMap::new());
    for record in found {
        rows.push(row(visit, record, &mut known).await?);
    }
    let follows = asked.follow.is_some() && before.is_none();
    let page = EventsPage {
        shell: visit.shell(&visit.own.texts.admin.events, "events"),
        keeps: visit.sessions().keeps_events(),
        person,
        event,
        rows,
        next: older.map(|before| format!("{first}&before={before}")),
        first,
        is_first: before.is_none(),
        is_full,
        looked_at,
        follows,
    };
    let mut response = shown(StatusCode::OK, &page)?;
    if follows {
        response.headers_mut().insert(header::REFRESH, FOLLOW);
    }
    Ok(response)
}

/// Returns the subject that is meant by a name or an id. `None` if nobody is.
async fn subject(visit: &AdminVisit<'_>, person: &str) -> Result<Option<String>> {
    if person.is_empty() {
        return Ok(None);
    }
    // An id first: somebody may take the id of another account as a name.
    if let Ok(id) = person.parse::<AccountId>()
        && visit.accounts.by_id(id).await?.is_some()
    {
        return Ok(Some(person.to_owned()));
    }
    let found = visit.accounts.by_name(person).await?;
    Ok(Some(found.map_or_else(|| person.to_owned(), |account| account.id.to_string())))
}

/// Reads a page from its end on. Returns the number that the next page ends before, if there may be more, and
/// how many of the newest events lie behind this page then.
async fn read(
    trail: &dyn EventStore,
    subject: Option<&str>,
    event: &str,
    before: Option<u64>,
) -> Result<(Vec<EventRecord>, Option<u64>, u64)> {
    let Some(head) = trail.trail_head().await.map_err(AdminVisit::failed)? else {
        return Ok((Vec::new(), None, 0));
    };
    let newest = head.last.saturating_add(1);
    let mut end = before.unwrap_or(newest).min(newest);
    let stop = end.saturating_sub(LOOKED_AT).max(head.first);
    let mut found = Vec::new();
    while end > stop {
        let start = end.saturating_sub(AT_ONCE).max(stop);
        let count = usize::try_from(end - start).unwrap_or(usize::MAX);
        let records = trail.events_after(start.saturating_sub(1), count).await.map_err(AdminVisit::failed)?;
        for record in records.into_iter().rev().filter(|record| record.number < end) {
            if found.len() == ROWS {
                return Ok((found, Some(record.number + 1), newest - record.number - 1));
            }
            let is_wanted = subject.is_none_or(|it| record.event.subject.as_deref() == Some(it))
                && (event.is_empty() || record.event.event == event);
            found.extend(is_wanted.then_some(record));
        }
        end = start;
        // Reading never waits, and requests want their turn.
        yield_now().await;
    }
    Ok((found, (stop > head.first).then_some(stop), newest.saturating_sub(stop)))
}

async fn row(
    visit: &AdminVisit<'_>,
    record: EventRecord,
    known: &mut HashMap<String, Person>,
) -> Result<EventRow> {
    let EventRecord { number, event, .. } = record;
    let mut by = None;
    let mut details = Vec::new();
    for (name, value) in event.details {
        match value.parse::<SessionId>() {
            _ if name == "by" => by = Some(value),
            _ if value.is_empty() => {}
            // In short, as in the log.
            Ok(session) if matches!(&*name, "except" | "login") => {
                details.push(format!("{name}: {}", session.log_id()))
            }
            _ => details.push(format!("{name}: {value}")),
        }
    }
    let session = match (&event.subject, event.session) {
        (Some(subject), Some(session)) => Some(query_of(subject, session)),
        _ => None,
    };
    let subject = match event.subject {
        Some(subject) => Some(named(visit, subject, known).await?),
        None => None,
    };
    let by = match by {
        Some(by) => Some(named(visit, by, known).await?),
        None => None,
    };
    Ok(EventRow {
        number,
        at: times(event.at),
        event: event.event,
        subject,
        session,
        address: event.address.map(|address| address.to_string()),
        details,
        by,
    })
}

/// Says who an id is, as far as accounts know. Each id is looked up once for a page.
async fn named(visit: &AdminVisit<'_>, id: String, known: &mut HashMap<String, Person>) -> Result<Person> {
    if let Some(person) = known.get(&id) {
        return Ok(person.clone());
    }
    let account = match id.parse::<AccountId>() {
        Ok(account) => visit.accounts.by_id(account).await?,
        Err(_) => None,
    };
    let person = match account {
        Some(account) => Person { name: account.name, account: Some(id.clone()) },
        None => Person { name: id.clone(), account: None },
    };
    known.insert(id, person.clone());
    Ok(person)
}
