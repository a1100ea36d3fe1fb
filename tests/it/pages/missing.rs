//! What is not there, or not so: a page for people, and a way out of it.

use jwtauth::pages::AdminTexts;

use super::admins::{Office, open};
use super::*;

/// What everybody reads on a refusal: its language, what is wrong, and where to go.
async fn refused(answer: Response, status: u16, way_out: &str) -> String {
    assert_eq!(answer.status(), status);
    assert_eq!(answer.headers()["content-type"], "text/html; charset=utf-8");
    let policy = answer.headers()["content-security-policy"].to_str().unwrap().to_owned();
    for part in ["default-src 'none'", "form-action 'self'", "frame-ancestors 'none'", "base-uri 'none'"] {
        assert!(policy.contains(part), "{policy}");
    }
    assert_eq!(answer.headers()["x-frame-options"], "DENY");
    assert_eq!(answer.headers()["referrer-policy"], "same-origin");
    let page = text(answer).await;
    for part in ["<html lang=\"", "<title>", "<main>", "<h1>", "role=\"alert\"", way_out] {
        assert!(page.contains(part), "{part}: {page}");
    }
    page
}

/// N-24: RFC 9110, section 15.5.6: 405 says which methods there are.
#[test]
fn n_24_what_is_not_there_is_a_page_too() {
    bounded(async {
        let office = Office::open().await;
        let (ann, _) = office.person("ann", &[]).await;
        let nothing = refused(ann.open("nothing").await, 404, "<a href=\"devices\">").await;
        assert!(nothing.contains("There is no such page."), "{nothing}");
        let deep = refused(ann.open("a/b/c").await, 404, "<a href=\"../../devices\">").await;
        assert!(deep.contains("href=\"../../style.css\""), "{deep}");
        // What has more slashes is no page either, and its links lead to those that there are.
        for path in ["/", "/login", "login/", "/devices", "devices/"] {
            let page = refused(ann.open(path).await, 404, "<a href=\"../devices\">").await;
            assert!(page.contains("href=\"../style.css\""), "{path}: {page}");
        }
        for path in ["/", "/overview", "people/"] {
            refused(open(&ann, path).await, 404, "<a href=\"../overview\">").await;
        }
        refused(open(&ann, "nothing").await, 404, "<a href=\"overview\">").await;
        let denied = refused(open(&ann, "people").await, 403, "<a href=\"/account/login\">").await;
        assert!(denied.contains("You may not do this.") && denied.contains("permission_denied"), "{denied}");
        for (method, path, allow) in [
            (Method::PUT, "/account/devices", "GET, HEAD, POST"),
            (Method::DELETE, "/account/login", "GET, HEAD, POST"),
            (Method::POST, "/account/style.css", "GET, HEAD"),
            (Method::POST, "/account/", "GET, HEAD"),
            (Method::POST, "/admin/", "GET, HEAD"),
            (Method::PUT, "/admin/style.css", "GET, HEAD"),
        ] {
            let ask = |accept: &str| {
                let request =
                    ann.client.request(method.clone(), office.site.at(path)).header("accept", accept);
                request.header("sec-fetch-site", "same-origin").send()
            };
            let answer = ask("text/html").await.unwrap();
            assert_eq!(answer.headers()["allow"], allow, "{method} {path}");
            refused(answer, 405, "<a href=").await;
            let problem = ask("application/json").await.unwrap();
            assert_eq!(
                (problem.status().as_u16(), &problem.headers()["allow"]),
                (405, &allow.parse().unwrap())
            );
            assert!(text(problem).await.contains("\"code\":\"method_not_allowed\""));
        }
        // Without the last `/` a relative path begins one level higher.
        for folder in ["account", "admin"] {
            let request =
                ann.client.post(office.site.at(&format!("/{folder}"))).header("accept", "text/html");
            let answer = request.header("sec-fetch-site", "same-origin").send().await.unwrap();
            let page = refused(answer, 405, &format!("<a href=\"./{folder}/")).await;
            assert!(page.contains(&format!("href=\"./{folder}/style.css\"")), "{page}");
        }
        let (ada, _) = office.person("ada", &["admin"]).await;
        for (page, allow) in [("people", "GET, HEAD"), ("person", "GET, HEAD, POST")] {
            let request = ada.client.put(office.site.at(&format!("/admin/{page}")));
            let answer = request.header("sec-fetch-site", "same-origin").send().await.unwrap();
            assert_eq!(
                (answer.status().as_u16(), &answer.headers()["allow"]),
                (405, &allow.parse().unwrap())
            );
        }
        let head = ann.client.head(office.site.at("/account/login")).send().await.unwrap();
        assert_eq!(head.status(), 200);
    });
}

/// N-24: in the language of the pages, which may be written from right to left.
#[test]
fn n_24_pages_and_refusals_are_in_one_language() {
    bounded(async {
        let arabic = || {
            let mut arabic = PageTexts::default();
            (arabic.lang, arabic.error) = ("ar".into(), "خطأ".into());
            (arabic.refused, arabic.no_such_page) = ("لم ينجح".into(), "لا توجد صفحة".into());
            arabic.from_elsewhere = "موقع آخر".into();
            arabic
        };
        let site = site(|pages| pages.texts(arabic()).home("/start").unwrap()).await;
        let person = Person::new(&site, FIREFOX);
        assert!(text(person.open("login").await).await.contains("<html lang=\"ar\" dir=\"rtl\">"));
        let page = refused(person.open("nothing").await, 404, "<a href=\"/start\">").await;
        for part in ["<html lang=\"ar\" dir=\"rtl\">", "<h1>لم ينجح</h1>", "لا توجد صفحة", "<title>خطأ: "]
        {
            assert!(page.contains(part), "{part}: {page}");
        }
        let request = person.client.post(site.at("/account/login")).header("sec-fetch-site", "cross-site");
        let answer = request.header("sec-fetch-mode", "navigate").send().await.unwrap();
        assert!(refused(answer, 403, "<a href=\"/start\">").await.contains("موقع آخر"));
        // Firefox on Linux, in other words.
        let mut german = PageTexts::default();
        (german.lang, german.device_on) = ("de".into(), "auf".into());
        let mut admin = AdminTexts::default();
        admin.access_token = "Zugriff".into();
        german.admin = admin;
        let site = super::site(|pages| pages.texts(german)).await;
        let ann = Person::new(&site, FIREFOX);
        ann.register("ann").await;
        let devices = text(ann.open("devices").await).await;
        assert!(devices.contains("Firefox 128 auf Linux") && devices.contains("dir=\"ltr\""), "{devices}");
    });
}
