//! Which requests a public route covers: what an attacker would try to make of it.

use super::super::require_auth::RequireAuth;
use super::*;

fn public(routes: &[&str]) -> DefaultGuard {
    let routes = routes.iter().map(ToString::to_string).collect();
    DefaultGuard::new(Some(RequireAuth::new().into_guard()), routes).unwrap().unwrap()
}

#[test]
fn h_11_a_public_route_covers_what_it_says_and_no_more() {
    for (route, covered, others) in [
        (
            "/login",
            &["GET /login", "HEAD /login", "POST /login", "OPTIONS /login", "BREW /login"][..],
            &[
                "GET /login/",
                "GET //login",
                "GET /login//",
                "GET /Login",
                "GET /%6Cogin",
                "GET /login%2F",
                "GET /login%00",
                "GET /login;a=b",
                "GET /login/x",
                "GET /x/login",
                "GET /logi",
                "GET /login2",
                "GET /",
                "OPTIONS *",
            ][..],
        ),
        (
            "GET /posts/{id}",
            &["GET /posts/1", "HEAD /posts/1", "GET /posts/%20", "GET /posts/a;b", "GET /posts/..."],
            &[
                "POST /posts/1",
                "OPTIONS /posts/1",
                "get /posts/1",
                "GET /posts",
                "GET /posts/",
                "GET /posts/1/",
                "GET /posts/1/edit",
                "GET /posts//1",
                "GET /posts/..",
                "GET /posts/%2e%2E",
                "GET /posts/.%2e;a=b",
                "GET /posts/1%2fedit",
                "GET /posts/..%5Cadmin",
                "GET /posts/..\\admin",
            ],
        ),
        (
            "/assets/",
            &["GET /assets/", "GET /assets/a", "POST /assets/a/b.css", "GET /assets//a", "GET /assets/a/"],
            &[
                "GET /assets",
                "GET /assetsx/a",
                "GET //assets/a",
                "GET /x/assets/a",
                "GET /assets/../admin",
                "GET /assets/%2e%2e/admin",
                "GET /assets/%2E./admin",
                "GET /assets/./a",
                "GET /assets/..%2fadmin",
                "GET /assets/..%2Fadmin",
                "GET /assets/a%5c..%5cadmin",
                "GET /assets/..;/admin",
                "GET /assets/..;x=y/admin",
                "GET /assets/..%3B/admin",
            ],
        ),
        ("/", &["GET /", "POST /"], &["GET //", "GET /a", "GET /.", "OPTIONS *"]),
        ("POST /a", &["POST /a"], &["GET /a", "HEAD /a", "PUT /a"]),
        ("HEAD /a", &["HEAD /a"], &["GET /a"]),
    ] {
        let guard = public(&[route]);
        for (requests, expected) in [(covered, true), (others, false)] {
            for request in requests {
                let (method, path) = request.split_once(' ').unwrap();
                let method = Method::from_bytes(method.as_bytes()).unwrap();
                assert_eq!(guard.covers(&method, path), expected, "{route}: {request}");
            }
        }
        // CONNECT names a host and has no path at all.
        assert!(!guard.covers(&Method::CONNECT, ""), "{route}");
    }
}

#[test]
fn a_public_route_that_would_cover_nothing_or_too_much_is_refused() {
    for (route, says) in [
        ("", "starts with a slash"),
        ("login", "starts with a slash"),
        ("GET", "starts with a slash"),
        ("GET login", "starts with a slash"),
        ("GET  /login", "starts with a slash"),
        ("https://example.com/login", "starts with a slash"),
        ("get /login", "capitals"),
        ("Post /login", "capitals"),
        ("FETCH /login", "capitals"),
        (" /login", "capitals"),
        ("GET,POST /login", "capitals"),
        ("get login", "starts with a slash"),
        ("/login ", "white space"),
        ("/log in", "white space"),
        ("/login?next=/", "without a query"),
        ("/login#top", "without a query"),
        ("/caf\u{e9}", "percent-encoded"),
        ("/posts/:id", "{name}"),
        ("/assets/*", "a slash at the end"),
        ("/posts/<\\d+>", "{name}"),
        ("//", "plain path"),
        ("//login", "plain path"),
        ("/a//b", "plain path"),
        ("/a//", "plain path"),
        ("/a/../b", "plain path"),
        ("/a/.", "plain path"),
        ("/a/%2e%2e/b", "plain path"),
        ("/a%2Fb", "plain path"),
        ("/a\\b", "plain path"),
        ("/{}", "with a name"),
        ("/a/{id", "whole segment"),
        ("/a/{id}.json", "whole segment"),
        ("/a/{x}{y}", "whole segment"),
        ("/{any}/", "nearly everything"),
        ("/{any}/{thing}/", "nearly everything"),
    ] {
        let refused = PublicRoute::parse(route.into()).map(drop).unwrap_err().to_string();
        assert!(refused.contains(says) && refused.contains(&format!("{route:?}")), "{route:?}: {refused}");
    }
    for good in [
        "/",
        "GET /",
        "/{user}",
        "/a/{id}/",
        "/{lang}/login",
        "/a/",
        "CONNECT /tunnel",
        "/%C3%A9",
        "/a-b_c~d.e",
    ] {
        assert!(PublicRoute::parse(good.into()).is_ok(), "{good}");
    }
}

#[test]
fn public_routes_need_something_that_is_denied() {
    let alone = DefaultGuard::new(None, vec!["/login".into()]).unwrap_err().to_string();
    assert!(alone.contains("/login") && alone.contains(".deny_by_default(RequireAuth::new())"), "{alone}");
    assert!(DefaultGuard::new(None, Vec::new()).unwrap().is_none());
}

#[test]
fn the_login_page_must_be_public() {
    let with = |routes: &[&str]| {
        let guard = RequireAuth::new().redirect("/login?theme=dark").into_guard();
        DefaultGuard::new(Some(guard), routes.iter().map(ToString::to_string).collect())
    };
    for routes in [&[][..], &["POST /login"], &["/login/"]] {
        let refused = with(routes).unwrap_err().to_string();
        assert!(refused.contains(".public(\"GET /login\")"), "{routes:?}: {refused}");
    }
    for routes in [&["GET /login"][..], &["/login"], &["/{page}"]] {
        assert!(with(routes).is_ok(), "{routes:?}");
    }
}

/// A middleware further out may have changed the path that the router uses.
#[test]
fn h_11_a_path_that_was_rewritten_must_be_public_in_both_forms() {
    let guard = public(&["/login", "/assets/"]);
    for (asked, seen, expected) in [
        ("/login", "/login", true),
        // The end of a nested route.
        ("/assets/site/a.css", "/a.css", true),
        ("/login", "/admin", false),
        ("/admin", "/login", false),
        ("/assets/", "/assets", false),
        ("/assets//a", "/assets/a", true),
        ("/assets/a", "/login", true),
        ("/login/", "/login", false),
    ] {
        let parts: poem::http::request::Parts =
            poem::http::Request::get(asked).body(()).unwrap().into_parts().0;
        let scheme = poem::http::uri::Scheme::HTTP;
        let addresses = (poem::web::LocalAddr::default(), poem::web::RemoteAddr::default());
        let parts = poem::RequestParts::from((parts, addresses.0, addresses.1, scheme));
        let mut request = Request::from_parts(parts, poem::Body::empty());
        *request.uri_mut() = seen.parse().unwrap();
        assert_eq!(guard.is_public(&request), expected, "{asked} {seen}");
    }
}
