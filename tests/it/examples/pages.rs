//! The example with pages: the way to the login and back, and what another site cannot do.

use reqwest::{Method, Response};
use tests::bounded;
use tests::program::Running;

use super::forms::{Browser, encoded, sent_to};
use super::start;

fn pages() -> Running {
    start(env!("CARGO_BIN_EXE_pages"))
}

async fn log_in(browser: &Browser<'_>, next: &str) -> Response {
    let fields = [("name", "alice"), ("password", "alice"), ("next", next)];
    browser.submit("/login", "same-origin", &fields).await
}

#[test]
fn h_13_the_way_to_the_login_leads_back_to_the_page() {
    bounded(async {
        let server = pages();
        let browser = Browser::new(&server);
        let refused = browser.open("/notes?page=2").await;
        assert_eq!(sent_to(&refused), (303, "/login?next=/notes%3Fpage%3D2"));
        let form = browser.open(sent_to(&refused).1).await;
        assert_eq!(form.status(), 200);
        let form = form.text().await.unwrap();
        assert!(form.contains("content=\"default-src 'none'; form-action 'self'\">"), "{form}");
        assert!(form.contains("<form method=post action=/login>"), "{form}");
        assert!(form.contains("name=next value=\"/notes?page=2\""), "{form}");
        assert_eq!(sent_to(&log_in(&browser, "/notes?page=2").await), (303, "/notes?page=2"));
        let notes = browser.open("/notes?page=2").await;
        assert_eq!(
            (notes.status().as_u16(), &notes.headers()["cache-control"]),
            (200, &"no-store".parse().unwrap())
        );
        assert!(notes.text().await.unwrap().contains("Hello, alice!"));
        // A script is told, and not sent anywhere.
        let script = Browser::new(&server).request(Method::GET, "/notes").send().await.unwrap();
        assert_eq!(script.status(), 401);
    });
}

#[test]
fn h_13_the_way_back_never_leaves_the_site() {
    bounded(async {
        let server = pages();
        for next in
            ["//evil.example", "https://evil.example", "/\\evil.example", "/\t/evil.example", "", "notes"]
        {
            let browser = Browser::new(&server);
            assert_eq!(sent_to(&log_in(&browser, next).await), (303, "/notes"), "{next:?}");
            assert_eq!(browser.open("/notes").await.status(), 200);
        }
    });
}

#[test]
fn what_users_write_is_text_in_a_page() {
    bounded(async {
        let server = pages();
        let browser = Browser::new(&server);
        let script = "\"'><script>alert(1)</script>&";
        let safe = "&quot;&#39;&gt;&lt;script&gt;alert(1)&lt;/script&gt;&amp;";
        let form =
            browser.open(&format!("/login?next=/{0}&name={0}", encoded(script))).await.text().await.unwrap();
        assert!(form.contains(&format!("value=\"/{safe}\"")) && !form.contains("<script"), "{form}");
        let fields = [("name", script), ("password", "wrong"), ("next", script)];
        let refused = browser.submit("/login", "same-origin", &fields).await;
        assert_eq!(refused.status(), 401);
        assert_eq!(refused.headers().get("set-cookie"), None);
        let refused = refused.text().await.unwrap();
        assert!(refused.contains("No active account") && !refused.contains("<script"), "{refused}");
        log_in(&browser, "").await;
        let added = browser.submit("/notes", "same-origin", &[("text", script)]).await;
        assert_eq!(sent_to(&added), (303, "/notes"));
        let notes = browser.open("/notes").await.text().await.unwrap();
        assert!(notes.contains(&format!("<li>alice: {safe}")) && !notes.contains("<script"), "{notes}");
    });
}

#[test]
fn h_10_another_site_logs_nobody_in_or_out() {
    bounded(async {
        let server = pages();
        let browser = Browser::new(&server);
        let form = [("name", "bob"), ("password", "bob")];
        assert_eq!(browser.submit("/login", "cross-site", &form).await.status(), 403);
        assert_eq!(browser.open("/notes").await.status(), 303, "still a stranger");
        log_in(&browser, "").await;
        for (path, fields) in [("/logout", &[][..]), ("/notes", &[("text", "spam")]), ("/login", &form)] {
            for site in ["cross-site", "same-site"] {
                assert_eq!(browser.submit(path, site, fields).await.status(), 403, "{path} {site}");
            }
        }
        let notes = browser.open("/notes").await.text().await.unwrap();
        assert!(notes.contains("Hello, alice!") && !notes.contains("spam"), "{notes}");
        assert_eq!(browser.open("/logout").await.status(), 405, "H-9: a link logs nobody out");
        assert_eq!(sent_to(&browser.submit("/logout", "same-origin", &[]).await), (303, "/login"));
        assert_eq!(sent_to(&browser.open("/notes").await).0, 303);
    });
}
