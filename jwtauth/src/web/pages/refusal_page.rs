//! A refusal as a page of the site: what is wrong, in the language of the pages, and a way out.
//!
//! Programs get the problem that it is (RFC 9457). What the pages do not know as a refusal stays as it is.

use std::sync::Arc;

use askama::Template;
use poem::error::{MethodNotAllowedError, NotFoundError};
use poem::http::{HeaderValue, StatusCode, header};
use poem::{Request, Response, Result};
use serde_json::Map;

use super::page_shell::{Shell, into_folder, shown};
use super::{PageSettings, PageTexts, is_index};
use crate::web::answer::problem::{problem, problem_error, take_code};
use crate::web::answer::wording::Wording;
use crate::web::headers::navigation::wants_page;

#[derive(Template)]
#[template(path = "refused.html")]
struct RefusalPage<'p> {
    shell: Shell<'p>,
    said: &'p str,
    status: StatusCode,
    code: &'p str,
    way_out: WayOut<'p>,
}

/// A link to where one goes on.
struct WayOut<'p> {
    path: String,
    label: &'p str,
}

/// The ways out of some pages.
pub(super) struct WaysOut<'p> {
    /// The first page, beside the others, and its title. `None` if there is none.
    pub(super) first: Option<(&'p str, &'p str)>,
    /// The login page.
    pub(super) login: &'p str,
}

/// What an answer has to know of its request, which is gone by then.
pub(super) struct AnsweredRequest {
    pub(super) texts: Arc<PageTexts>,
    /// The way to the folder of the pages.
    up: String,
    wants_page: bool,
}

impl AnsweredRequest {
    pub(super) fn of(look: &PageSettings, request: &Request) -> Self {
        // A page that does not exist may be deeper than those that do.
        let depth = request.uri().path().matches('/').count().saturating_sub(1);
        let up = if is_index(request) { into_folder(request) } else { "../".repeat(depth) };
        Self { texts: look.texts(request), up, wants_page: wants_page(request.headers()) }
    }

    /// Makes a page of a refusal, for a browser that opens one. `allow` are the methods that the page has
    /// (RFC 9110, section 15.5.6).
    pub(super) fn answered(
        &self,
        look: &PageSettings,
        ways_out: WaysOut<'_>,
        allow: &'static str,
        result: Result<Response>,
    ) -> Result<Response> {
        let result = match result {
            Err(error) if error.is::<MethodNotAllowedError>() => Err(problem_error(not_allowed(allow))),
            Err(error) if error.is::<NotFoundError>() && self.wants_page => {
                let none = "There is no such page";
                Err(problem_error(problem(StatusCode::NOT_FOUND, none, "not_found", Map::new())))
            }
            result => result,
        };
        if !self.wants_page {
            return result;
        }
        let (mut refusal, code) = take_code(Wording::default().apply(result, None, true))?;
        let Some(code) = code else { return Ok(refusal) };
        let (texts, status) = (&*self.texts, refusal.status());
        let mut shell = Shell::new(look, texts, &texts.refused);
        (shell.up, shell.home, shell.is_wrong) = (&self.up, look.home.as_deref(), true);
        let (said, way_out) = (said(texts, status, &code), self.way_out(look, ways_out, status));
        let page = shown(status, &RefusalPage { shell, said, status, code: &code, way_out })?;
        let (parts, body) = page.into_parts();
        refusal.set_body(body);
        let headers = refusal.headers_mut();
        for (name, value) in &parts.headers {
            if name == header::VARY {
                headers.append(name, value.clone());
            } else {
                headers.insert(name, value.clone());
            }
        }
        headers.append(header::VARY, HeaderValue::from_static("Accept, Sec-Fetch-Mode"));
        Ok(refusal)
    }

    fn way_out<'p>(&'p self, look: &'p PageSettings, ways: WaysOut<'p>, status: StatusCode) -> WayOut<'p> {
        let texts = &self.texts;
        let is_nobody = matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
        match (&look.home, ways.first) {
            (Some(home), _) => WayOut { path: home.clone(), label: &texts.home },
            (None, Some((page, label))) if !is_nobody => WayOut { path: format!("{}{page}", self.up), label },
            _ if ways.login.starts_with('/') => WayOut { path: ways.login.into(), label: &texts.log_in },
            _ => WayOut { path: format!("{}{}", self.up, ways.login), label: &texts.log_in },
        }
    }
}

fn not_allowed(allow: &'static str) -> Response {
    let said = "This page is not asked for with this method";
    let mut refusal = problem(StatusCode::METHOD_NOT_ALLOWED, said, "method_not_allowed", Map::new());
    refusal.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
    refusal
}

/// Says to people what is wrong.
fn said<'t>(texts: &'t PageTexts, status: StatusCode, code: &str) -> &'t str {
    match (status.as_u16(), code) {
        (403, "cross_origin") => &texts.from_elsewhere,
        (401 | 403, _) => &texts.not_allowed,
        (404, _) => &texts.no_such_page,
        (429, _) => &texts.too_many,
        (500.., _) => &texts.unavailable,
        _ => &texts.not_understood,
    }
}
