//! The page `overview`: charts of what happens, and how the store is.

use askama::Template;
use poem::http::StatusCode;
use poem::{Response, Result};
use serde::Deserialize;

use super::super::page_shell::{Shell, shown, times};
use super::admin_visit::AdminVisit;
use super::chart::Chart;
use crate::session::CountedEvent;
use crate::store::operate::last_backup;

/// The stretches of time that can be looked at: the name, how many slots of five minutes a bar has, and how
/// many bars there are.
const SPANS: [(&str, u64, u64); 3] = [("hour", 1, 12), ("day", 12, 24), ("week", 72, 28)];

#[derive(Template)]
#[template(path = "admin/overview.html")]
struct OverviewPage<'p> {
    shell: Shell<'p>,
    version: &'static str,
    since: (String, String),
    /// `None` if it is unknown, like those below.
    live: Option<u64>,
    is_estimate: bool,
    sessions: Option<u64>,
    accounts: Option<u64>,
    bytes: Option<String>,
    /// When sessions, accounts and bytes were counted.
    counted: Option<(String, String)>,
    swept: Option<(String, String)>,
    removed: usize,
    backed_up: Option<(String, String)>,
    /// The spans, each with its words.
    spans: Vec<(&'static str, &'p str)>,
    span: &'static str,
    charts: Vec<Chart>,
}

/// Which time is looked at.
#[derive(Default, Deserialize)]
#[serde(default)]
struct OverviewQuery {
    span: String,
}

/// `GET overview`.
pub(super) async fn show(visit: &AdminVisit<'_>) -> Result<Response> {
    let asked: OverviewQuery = visit.query().await;
    let (words, sessions) = (&visit.own.texts.admin, visit.sessions());
    let (span, slots, bars) = SPANS.into_iter().find(|(name, ..)| *name == asked.span).unwrap_or(SPANS[1]);
    // Before the charts: the last bar has it.
    let live = sessions.count_live().await.unwrap_or_else(|error| {
        tracing::debug!(target: "jwtauth", error = &error as &dyn std::error::Error, "live sessions were not counted");
        None
    });
    let backed_up = last_backup(sessions.store(), sessions.now()).await.unwrap_or_else(|error| {
        tracing::debug!(target: "jwtauth", error = &error as &dyn std::error::Error, "the time of the last backup was not read");
        None
    });
    let since = sessions.since_start();
    // To count what a store keeps may take long: that is done beside the pages.
    let (counted, size) = since.last_size().unzip();
    let stretches = since.stretches(slots, bars, sessions.now());
    let events = [
        ("logins", &words.logins, CountedEvent::Login),
        ("failed", &words.failed_logins, CountedEvent::LoginFailed),
        ("refreshes", &words.refreshes, CountedEvent::Refresh),
        ("reuse", &words.reuse, CountedEvent::Reuse),
    ];
    let mut charts: Vec<_> = events
        .into_iter()
        .map(|(id, title, event)| {
            Chart::of(id, title, &stretches, |it| it.count(event), |counts| counts.iter().sum())
        })
        .collect();
    let last = |counts: &[u64]| counts.last().copied().unwrap_or(0);
    charts.push(Chart::of("live", &words.live_sessions, &stretches, |it| it.live, last));
    let page = OverviewPage {
        shell: visit.shell(&words.overview, "overview"),
        version: env!("CARGO_PKG_VERSION"),
        since: times(since.at),
        live: live.map(|live| live.live),
        is_estimate: live.is_some_and(|live| live.is_estimate),
        sessions: size.map(|size| size.sessions),
        accounts: size.map(|size| size.accounts),
        bytes: size.and_then(|size| size.bytes).map(megabytes),
        counted: counted.map(times),
        swept: since.last_sweep().map(|(at, _)| times(at)),
        removed: since.last_sweep().map_or(0, |(_, removed)| removed),
        backed_up: backed_up.map(times),
        spans: SPANS.into_iter().map(|(name, ..)| name).zip(words.spans()).collect(),
        span,
        charts,
    };
    shown(StatusCode::OK, &page)
}

/// A size in MB, with one digit behind the point.
fn megabytes(bytes: u64) -> String {
    let tenths = bytes.saturating_add(50_000) / 100_000;
    format!("{}.{} MB", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_rounded_to_a_tenth() {
        for (bytes, shown) in [(0, "0.0 MB"), (49_999, "0.0 MB"), (50_000, "0.1 MB"), (12_345_678, "12.3 MB")]
        {
            assert_eq!(megabytes(bytes), shown);
        }
    }
}
