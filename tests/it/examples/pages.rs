//! The example with ready-made pages: what people do there, and what another site cannot do.
//!
//! The pages themselves are in `tests/it/pages.rs`; this is the way between them and the application's own page.

use reqwest::{Method, Response};
use tests::bounded;
use tests::program::{Program, Running};

use super::forms::{Browser, encoded, sent_to};
use super::start;

fn pages() -> Running {
    start(env!("CARGO_BIN_EXE_pages"))
}

const PASSWORD: &str = "through the looking glass";

async fn send(browser: &Browser<'_>, page: &str, name: &str, next: &str) -> Response {
    let fields = [("username", name), ("password", PASSWORD), ("next", next)];
    browser.submit(page, "same-origin", &fields).await
}

async fn register(browser: &Browser<'_>, name: &str) {
    let answer = send(browser, "/account/register", name, "/notes").await;
    assert_eq!(sent_to(&answer), (303, "/notes"));
}

#[test]
fn h_13_the_way_to_the_login_leads_back_to_the_page() {
    bounded(async {
        let server = pages();
        register(&Browser::new(&server), "alice").await;
        let browser = Browser::new(&server);
        let refused = browser.open("/notes?page=2").await;
        assert_eq!(sent_to(&refused), (303, "/account/login?next=/notes%3Fpage%3D2"));
        let form = browser.open(sent_to(&refused).1).await;
        assert_eq!(form.status(), 200);
        let form = form.text().await.unwrap();
        assert!(form.contains("<form method=\"post\" action=\"login\">"), "{form}");
        assert!(form.contains("name=\"next\" value=\"/notes?page=2\""), "{form}");
        let answer = send(&browser, "/account/login", "alice", "/notes?page=2").await;
        assert_eq!(sent_to(&answer), (303, "/notes?page=2"));
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
        register(&Browser::new(&server), "alice").await;
        for next in
            ["//evil.example", "https://evil.example", "/\\evil.example", "/\t/evil.example", "", "notes"]
        {
            let browser = Browser::new(&server);
            let answer = send(&browser, "/account/login", "alice", next).await;
            assert_eq!(sent_to(&answer), (303, "/notes"), "{next:?}");
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
        let form = browser.open(&format!("/account/login?next=/{}", encoded(script))).await;
        let form = form.text().await.unwrap();
        assert!(!form.contains("<script"), "{form}");
        register(&browser, "alice").await;
        let added = browser.submit("/notes", "same-origin", &[("text", script)]).await;
        assert_eq!(sent_to(&added), (303, "/notes"));
        let notes = browser.open("/notes").await.text().await.unwrap();
        let safe = "&quot;&#39;&gt;&lt;script&gt;alert(1)&lt;/script&gt;&amp;";
        assert!(notes.contains(&format!("<li>alice: {safe}")) && !notes.contains("<script"), "{notes}");
    });
}

#[test]
fn h_10_another_site_logs_nobody_in_or_out() {
    bounded(async {
        let server = pages();
        register(&Browser::new(&server), "bob").await;
        let browser = Browser::new(&server);
        let form = [("username", "bob"), ("password", PASSWORD)];
        assert_eq!(browser.submit("/account/login", "cross-site", &form).await.status(), 403);
        assert_eq!(browser.open("/notes").await.status(), 303, "still a stranger");
        register(&browser, "alice").await;
        let passwords = [("old_password", PASSWORD), ("new_password", "another long password")];
        for (path, fields) in [
            ("/account/logout", &[][..]),
            ("/notes", &[("text", "spam")]),
            ("/account/login", &form),
            ("/account/register", &[("username", "eve"), ("password", PASSWORD)]),
            ("/account/devices", &[("end", "all")]),
            ("/account/password", &passwords),
        ] {
            for site in ["cross-site", "same-site"] {
                assert_eq!(browser.submit(path, site, fields).await.status(), 403, "{path} {site}");
            }
        }
        let notes = browser.open("/notes").await.text().await.unwrap();
        assert!(notes.contains("Hello, alice!") && !notes.contains("spam"), "{notes}");
        assert_eq!(browser.open("/account/logout").await.status(), 200, "H-9: a link shows a button");
        assert_eq!(browser.open("/notes").await.status(), 200, "and logs nobody out");
        let answer = browser.submit("/account/logout", "same-origin", &[]).await;
        assert_eq!(sent_to(&answer), (303, "login?out"));
        assert_eq!(sent_to(&browser.open("/notes").await).0, 303);
    });
}

#[test]
fn m_23_the_admin_of_the_environment_looks_after_people() {
    bounded(async {
        let program = Program::new(env!("CARGO_BIN_EXE_pages")).env("JWTAUTH_ALLOW_DEV", "1");
        let server = program.env("JWTAUTH_ADMIN", "ada").env("JWTAUTH_ADMIN_PASSWORD", PASSWORD).start();
        let (alice, ada) = (Browser::new(&server), Browser::new(&server));
        register(&alice, "alice").await;
        assert_eq!(alice.open("/admin/people").await.status(), 403);
        let refused = ada.open("/admin/people").await;
        assert_eq!(sent_to(&refused), (303, "/account/login?next=/admin/people"));
        assert_eq!(
            sent_to(&send(&ada, "/account/login", "ada", "/admin/people").await),
            (303, "/admin/people")
        );
        let people = ada.open("/admin/people").await.text().await.unwrap();
        let id = people.split("person?id=").nth(2).unwrap().split('"').next().unwrap();
        let page = format!("/admin/person?id={id}");
        let ended = ada.submit(&page, "same-origin", &[("do", "end_all")]).await;
        assert_eq!(sent_to(&ended).0, 303);
        assert_eq!(alice.open("/notes").await.status(), 303, "alice is logged out");
        let events = ada.open("/admin/events?event=all_revoked").await.text().await.unwrap();
        assert!(events.contains(">alice</a>") && events.contains(">ada</a>"), "{events}");
    });
}
