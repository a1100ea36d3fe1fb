//! The page `keys`: which keys sign and verify access tokens. Never a secret.

use askama::Template;
use poem::http::StatusCode;
use poem::{Response, Result};

use super::super::page_shell::{Shell, shown, times};
use super::admin_visit::AdminVisit;

#[derive(Template)]
#[template(path = "admin/keys.html")]
struct KeysPage<'p> {
    shell: Shell<'p>,
    rows: Vec<KeyRow>,
}

struct KeyRow {
    kid: String,
    algorithm: String,
    signs: bool,
    expires: Option<(String, String)>,
}

/// `GET keys`.
pub(super) fn show(visit: &AdminVisit<'_>) -> Result<Response> {
    let rows = visit.sessions().keys().list().into_iter().map(|key| KeyRow {
        kid: key.kid,
        algorithm: key.algorithm.name().into(),
        signs: key.signs,
        expires: key.expires_at.map(times),
    });
    let page = KeysPage { shell: visit.shell(&visit.own.texts.admin.keys, "keys"), rows: rows.collect() };
    shown(StatusCode::OK, &page)
}
