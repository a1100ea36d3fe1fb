//! The body of a refusal: a problem for programs (RFC 9457), and a page for a browser that is opening one.
//!
//! A refusal is made where nobody knows the request, so it is a problem first. The middleware turns it into a
//! page when the answer leaves. Firefox shows an error page of its own in place of a body that it cannot
//! show.

use poem::http::{HeaderName, HeaderValue, StatusCode, header};
use poem::{Body, Error, Response, Result};
use serde_json::{Map, Value};

use super::language::direction;

/// The kind of its body (RFC 9457, section 3).
const PROBLEM: &str = "application/problem+json";

/// The language of this crate's own texts.
const ENGLISH: &str = "en";

/// The headers of a page, which loads nothing, has no form, and is shown in no frame.
const HEADERS: [(HeaderName, &str); 4] = [
    (header::CONTENT_TYPE, "text/html; charset=utf-8"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'",
    ),
    (header::REFERRER_POLICY, "same-origin"),
    (header::X_FRAME_OPTIONS, "DENY"),
];

/// On the response of a problem: what its page says.
#[derive(Clone)]
struct Detail {
    detail: String,
    code: String,
    /// The language of `detail`.
    lang: String,
}

/// Returns a problem: the two members that simplejwt's clients know, `detail` and `code`, and others.
pub(crate) fn problem(status: StatusCode, detail: &str, code: &str, others: Map<String, Value>) -> Response {
    let mut response = Response::builder()
        .status(status)
        .content_type(PROBLEM)
        .header(header::CACHE_CONTROL, "no-store")
        .header(header::X_CONTENT_TYPE_OPTIONS, "nosniff")
        .finish();
    say(&mut response, detail, code, others);
    response
}

/// Writes the body of a problem anew.
pub(super) fn say(response: &mut Response, detail: &str, code: &str, others: Map<String, Value>) {
    say_in(ENGLISH, response, detail, code, others);
}

/// Does so in another language.
pub(super) fn say_in(
    lang: &str,
    response: &mut Response,
    detail: &str,
    code: &str,
    others: Map<String, Value>,
) {
    let status = response.status();
    let mut body = serde_json::json!({
        "type": "about:blank",
        "title": status.canonical_reason().unwrap_or_default(),
        "status": status.as_u16(),
        "detail": detail,
        "code": code,
    });
    if let Value::Object(members) = &mut body {
        // No other member has one of the names above, or they would be lost.
        members.extend(others);
    }
    response.set_body(Body::from_string(body.to_string()));
    response.extensions_mut().insert(Detail { detail: detail.into(), code: code.into(), lang: lang.into() });
}

/// Returns the error that is answered with a problem. The response of any other error of poem forgets that it
/// is one.
pub(crate) fn problem_error(response: Response) -> Error {
    let detail = response.data::<Detail>().cloned();
    let mut error = Error::from_response(response);
    if let Some(detail) = detail {
        error.set_data(detail);
    }
    error
}

/// Turns a problem into a page, also one that is still an error. A middleware further out may wait for any
/// other error.
pub(crate) fn as_page(result: Result<Response>) -> Result<Response> {
    made(result).map(page)
}

/// Returns the response of a problem, also of one that is still an error.
fn made(result: Result<Response>) -> Result<Response> {
    match result {
        Err(error) if error.data::<Detail>().is_none() => Err(error),
        result => Ok(result.unwrap_or_else(Error::into_response)),
    }
}

/// Returns the code of a problem for whoever makes a page of it, and then nobody else does. `None`: the
/// response is another one.
#[cfg(feature = "pages")]
pub(crate) fn take_code(result: Result<Response>) -> Result<(Response, Option<String>)> {
    let mut response = made(result)?;
    let said: Option<Detail> = response.extensions_mut().remove();
    let code = said.filter(|_| response.content_type() == Some(PROBLEM)).map(|said| said.code);
    Ok((response, code))
}

/// Turns a problem into a page. Every other response stays as it is.
pub(crate) fn page(mut response: Response) -> Response {
    let Some(Detail { detail, code, lang }) = response.extensions_mut().remove() else { return response };
    if response.content_type() != Some(PROBLEM) {
        // Something in between has put another body there.
        return response;
    }
    let (detail, code, lang) = (escaped(&detail), escaped(&code), escaped(&lang));
    // The reason phrases are English.
    let title = match &*lang {
        ENGLISH => response.status().to_string(),
        _ => response.status().as_str().to_owned(),
    };
    let dir = direction(&lang);
    response.set_body(format!(
        "<!doctype html><html lang=\"{lang}\" dir={dir}><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
         <meta name=color-scheme content=\"light dark\"><title>{title}</title>\
         <main><h1>{title}</h1><p>{detail}</p><p><code>{code}</code></p></main>\n"
    ));
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.append(header::VARY, HeaderValue::from_static("Accept, Sec-Fetch-Mode"));
    response
}

/// Makes text harmless in a page: a translation is the application's own.
fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('"', "&quot;").replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn n_24_a_page_is_made_of_a_problem_only_and_once() {
        let made = problem(StatusCode::FORBIDDEN, "<b>\"a\" & 'b'</b>", "a_code", Map::new());
        let mut once = page(page(made));
        let text = once.take_body().into_string().await.unwrap();
        let said = "<p>&lt;b&gt;&quot;a&quot; &amp; &#39;b&#39;&lt;/b&gt;</p><p><code>a_code</code></p>";
        assert!(text.contains(said) && text.contains("<title>403 Forbidden</title>"), "{text}");
        assert!(text.contains("<html lang=\"en\" dir=ltr>"), "{text}");
        assert_eq!(once.headers().get_all(header::VARY).iter().count(), 1);
        assert_eq!(once.headers()[header::X_FRAME_OPTIONS], "DENY");
        let policy = once.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        for part in ["default-src 'none'", "form-action 'none'", "frame-ancestors 'none'", "base-uri 'none'"]
        {
            assert!(policy.contains(part), "{policy}");
        }
        let mut arabic = problem(StatusCode::FORBIDDEN, "no", "a_code", Map::new());
        say_in("ar-EG", &mut arabic, "لا", "a_code", Map::new());
        let text = page(arabic).into_body().into_string().await.unwrap();
        assert!(text.contains("<html lang=\"ar-EG\" dir=rtl>") && text.contains("<h1>403</h1>"), "{text}");
        let mut own = problem(StatusCode::FORBIDDEN, "no", "a_code", Map::new());
        own.set_body("<h1>ours</h1>");
        own.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html"));
        assert_eq!(page(own).into_body().into_string().await.unwrap(), "<h1>ours</h1>");
        let mut other = page(Response::builder().content_type("application/problem+json").body("{}"));
        assert_eq!(other.content_type(), Some("application/problem+json"));
        assert_eq!(other.take_body().into_string().await.unwrap(), "{}");
    }
}
