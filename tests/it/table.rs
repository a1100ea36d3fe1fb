//! The outcome table, row by row: which cookies let whom in, and what goes back.
//!
//! Access tokens live 300 s here and refresh tokens a day, so after 300 s the access token is
//! expired and the session is not.

use std::time::Duration;

use jwtauth::store::SessionStore as _;
use tests::app::TestApp;
use tests::bounded;
use tests::faulty::Faulty;
use tests::tab::{Answer, Cookies, Tab, cookies};
use tests::wire::Tokens;

/// How old the access token is in a row of the table.
#[derive(Clone, Copy, Debug)]
enum Age {
    Fresh,
    Expired,
}

/// Whom a row lets in, and what happens to the cookies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Kept,
    Rotated,
    /// 401 with a code.
    Anonymous(&'static str),
    AnonymousAndDeleted(&'static str),
    /// 401 even where a login is optional.
    Refused(&'static str),
}

fn check(row: &str, tab_answer: &Answer, outcome: Outcome, path: &str) {
    let cookies = tab_answer.cookies();
    let status = tab_answer.status.as_u16();
    match outcome {
        Outcome::Kept => assert_eq!((status, cookies), (200, Cookies::None), "{row}, {path}"),
        Outcome::Rotated => assert!(
            status == 200 && matches!(cookies, Cookies::Set(_)),
            "{row}, {path}: {status} {cookies:?}"
        ),
        Outcome::Anonymous(code) | Outcome::AnonymousAndDeleted(code) | Outcome::Refused(code) => {
            let deleted = matches!(outcome, Outcome::AnonymousAndDeleted(_));
            let expected = if deleted { Cookies::Deleted } else { Cookies::None };
            assert_eq!(cookies, expected, "{row}, {path}");
            if path == "/hello" && !matches!(outcome, Outcome::Refused(_)) {
                assert_eq!((status, tab_answer.body.as_str()), (200, "nobody"), "{row}, {path}");
            } else {
                assert_eq!((status, tab_answer.code().as_str()), (401, code), "{row}, {path}");
            }
        }
    }
}

/// Rows that need nothing done to the session: S-8, H-3, H-4, J-10 among them.
#[test]
fn the_table_of_cookies() {
    use Age::{Expired, Fresh};
    use Outcome::{Anonymous, Kept, Refused, Rotated};

    type Header = fn(&Tokens, &Tokens) -> String;
    const INVALID: Outcome = Anonymous("token_not_valid");
    let rows: [(&str, Age, Header, Outcome); 28] = [
        ("live, same session", Fresh, |a, _| a.cookies(), Kept),
        ("live, no refresh", Fresh, |a, _| a.only_access(), Kept),
        ("live, refresh is garbage", Fresh, |a, _| cookies(Some(&a.access), Some("garbage")), Kept),
        ("live, refresh is empty", Fresh, |a, _| cookies(Some(&a.access), Some("")), Kept),
        ("live, refresh is an access token", Fresh, |a, _| cookies(Some(&a.access), Some(&a.access)), Kept),
        ("expired, same session", Expired, |a, _| a.cookies(), Rotated),
        ("absent, refresh valid", Fresh, |a, _| a.only_refresh(), Rotated),
        ("absent, refresh valid, later", Expired, |a, _| a.only_refresh(), Rotated),
        ("expired, no refresh", Expired, |a, _| a.only_access(), Anonymous("token_expired")),
        (
            "expired, refresh is garbage",
            Expired,
            |a, _| cookies(Some(&a.access), Some("x.y.z")),
            Anonymous("token_expired"),
        ),
        ("nothing", Fresh, |_, _| String::new(), Anonymous("not_authenticated")),
        (
            "only foreign cookies",
            Fresh,
            |_, _| "a=b; access_token=x; __Host-other=1".into(),
            Anonymous("not_authenticated"),
        ),
        ("absent, refresh is garbage", Fresh, |_, _| cookies(None, Some("garbage")), INVALID),
        ("absent, refresh is empty", Fresh, |_, _| cookies(None, Some("")), INVALID),
        ("live of A, refresh of B", Fresh, |a, b| cookies(Some(&a.access), Some(&b.refresh)), INVALID),
        ("expired of A, refresh of B", Expired, |a, b| cookies(Some(&a.access), Some(&b.refresh)), INVALID),
        ("empty, refresh valid", Fresh, |a, _| cookies(Some(""), Some(&a.refresh)), INVALID),
        ("garbage, refresh valid", Fresh, |a, _| cookies(Some("garbage"), Some(&a.refresh)), INVALID),
        (
            "bad signature, refresh valid",
            Fresh,
            |a, _| cookies(Some(&a.access[..a.access.len() - 4]), Some(&a.refresh)),
            INVALID,
        ),
        (
            "bad signature, expired",
            Expired,
            |a, _| cookies(Some(&a.access.replace("eyJ", "eyK")), Some(&a.refresh)),
            INVALID,
        ),
        (
            "a refresh token as access token",
            Fresh,
            |a, _| cookies(Some(&a.refresh), Some(&a.refresh)),
            INVALID,
        ),
        ("a refresh token as access token, alone", Fresh, |a, _| cookies(Some(&a.refresh), None), INVALID),
        ("an access token as refresh token", Fresh, |a, _| cookies(None, Some(&a.access)), INVALID),
        ("quoted", Fresh, |a, _| cookies(Some(&format!("\"{}\"", a.access)), None), Kept),
        ("the same twice", Fresh, |a, _| format!("{}; {}", a.cookies(), a.cookies()), Kept),
        (
            "two access tokens, both live",
            Fresh,
            |a, b| format!("{}; {}", a.only_access(), b.only_access()),
            Refused("token_not_valid"),
        ),
        (
            "two refresh tokens, both live",
            Fresh,
            |a, b| format!("{}; {}", a.cookies(), b.only_refresh()),
            Refused("token_not_valid"),
        ),
        ("foreign neighbours", Fresh, |a, _| format!("x=\"; y=%00; {}; =z; w", a.cookies()), Kept),
    ];
    bounded(async {
        for ((row, age, header, outcome), path) in
            rows.iter().flat_map(|row| ["/me", "/hello", "/plain"].map(|path| (*row, path)))
        {
            let app = TestApp::new();
            let tab = Tab::new(&app);
            let (a, b) = (tab.login("alice").await, tab.login("bob").await);
            if matches!(age, Expired) {
                app.clock.advance(Duration::from_secs(300));
            }
            let header = header(&a, &b);
            let answer = tab.get(path, &header).await;
            check(row, &answer, outcome, path);
            if answer.status == 200 && answer.body != "nobody" {
                assert!(answer.body.contains("alice"), "{row}, {path}: {}", answer.body);
            }
            if let Cookies::Set(pair) = answer.cookies() {
                assert_eq!(tab.get("/me", &pair.cookies()).await.status, 200, "{row}: the new pair works");
                assert_eq!(pair.session(), a.session(), "{row}: the session stays");
            }
        }
    });
}

/// What the two tokens are worth once their session has ended.
#[test]
fn the_table_after_the_end_of_a_session() {
    use Outcome::{Anonymous, AnonymousAndDeleted};

    const GONE: Outcome = AnonymousAndDeleted("token_not_valid");
    bounded(async {
        for path in ["/me", "/hello"] {
            // Revoked.
            let app = TestApp::new();
            let tab = Tab::new(&app);
            let pair = tab.login("alice").await;
            assert!(app.jwtauth.sessions().revoke(pair.session()).await.unwrap());
            check("revoked, both", &tab.get(path, &pair.cookies()).await, GONE, path);
            check("revoked, access alone", &tab.get(path, &pair.only_access()).await, GONE, path);
            check("revoked, refresh alone", &tab.get(path, &pair.only_refresh()).await, GONE, path);
            app.clock.advance(Duration::from_secs(300));
            check("revoked, access expired", &tab.get(path, &pair.cookies()).await, GONE, path);
            let expired = Anonymous("token_expired");
            check("revoked, expired access alone", &tab.get(path, &pair.only_access()).await, expired, path);

            // Swept.
            let app = TestApp::new();
            let tab = Tab::new(&app);
            let pair = tab.login("alice").await;
            app.clock.advance(Duration::from_secs(24 * 60 * 60));
            assert!(tests::sweep(app.jwtauth.sessions()).await >= 1);
            check("both expired", &tab.get(path, &pair.cookies()).await, expired, path);
            check("refresh expired", &tab.get(path, &pair.only_refresh()).await, expired, path);

            // The record is lost.
            let store = Faulty::default();
            let tab = Tab::new(&TestApp::with(store.clone(), |builder| builder));
            let pair = tab.login("alice").await;
            assert_eq!(store.inner.sweep(u64::MAX, 10).await.unwrap().removed, 1);
            check("record gone", &tab.get(path, &pair.cookies()).await, GONE, path);
        }
    });
}

/// H-6: with a bearer token the cookies are not looked at.
#[test]
fn h_6_bearer_tokens_are_never_mixed_with_cookies() {
    bounded(async {
        let app = TestApp::new();
        let tab = Tab::new(&app);
        let (a, b) = (tab.login("alice").await, tab.login("bob").await);
        let ask = async |path, bearer: &str, cookie: &str| {
            tab.send(poem::http::Method::GET, path, &[("authorization", bearer), ("cookie", cookie)]).await
        };
        let good = format!("Bearer {}", b.access);
        assert_eq!(ask("/hello", &good, &a.cookies()).await.body, "bob", "the bearer wins");
        for bad in ["Bearer x", &format!("Bearer {}", a.refresh), "bearer a b"] {
            for path in ["/me", "/hello", "/plain"] {
                let answer = ask(path, bad, &a.cookies()).await;
                assert_eq!(
                    (answer.status.as_u16(), answer.code().as_str()),
                    (401, "token_not_valid"),
                    "{bad} {path}"
                );
                assert_eq!(answer.cookies(), Cookies::None, "{bad} {path}");
            }
        }
        assert_eq!(
            ask("/hello", "Basic dTpw", &a.cookies()).await.body,
            "alice",
            "another scheme is not ours"
        );
        app.clock.advance(Duration::from_secs(300));
        for path in ["/me", "/hello"] {
            let answer = ask(path, &good, &a.cookies()).await;
            assert_eq!((answer.status.as_u16(), answer.code().as_str()), (401, "token_expired"), "{path}");
            assert_eq!(answer.cookies(), Cookies::None, "no silent refresh for bearers");
        }
    });
}
