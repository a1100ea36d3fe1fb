//! Where a token may stand, and how the `Cookie` header is read.

use super::refusals::is_refusal;
use super::*;

#[test]
fn h_5_the_bearer_scheme_in_any_case_and_on_one_line() {
    bounded(async {
        let site = Site::new().await;
        let bob = site.login("bob").await;
        let token = &bob.access;
        for (line, expected) in [
            (format!("Bearer {token}"), 200),
            (format!("bearer {token}"), 200),
            (format!("BEARER {token}"), 200),
            (format!("bEaReR   {token}"), 200),
            (format!("Bearer{token}"), 401),
            (format!("Bearer: {token}"), 401),
            (format!("Bearer \"{token}\""), 401),
            (format!("Bearer {token},"), 401),
            (format!("Bearer {token} {token}"), 401),
            (format!("Bearer {}", bob.refresh), 401),
            (format!("Token {token}"), 401),
            (format!("JWT {token}"), 401),
            (format!("Basic {token}"), 401),
            (token.clone(), 401),
        ] {
            let answer = site.get("/me", &[("authorization", &line)]).await;
            assert_eq!(answer.status(), expected, "{line}");
        }
        let line = bob.bearer();
        let twice = site.get("/me", &[("authorization", &line), ("authorization", &line)]).await;
        is_refusal(twice, Rejection::InvalidRequest, "two lines").await;
    });
}

#[test]
fn h_6_a_bearer_token_decides_alone() {
    bounded(async {
        let site = Site::new().await;
        let (alice, bob) = (site.login("alice").await, site.login("bob").await);
        let name = async |headers: Headers<'_>| {
            let answer = site.get("/me", headers).await;
            match answer.status().as_u16() {
                200 => answer.json::<User>().await.unwrap().name,
                status => status.to_string(),
            }
        };
        let alice_cookies = alice.cookies();
        let with = ("cookie", &*alice_cookies);
        assert_eq!(name(&[with]).await, "alice");
        assert_eq!(name(&[with, ("authorization", &bob.bearer())]).await, "bob");
        for bad in ["Bearer x", "bearer a b", "Bearer a.b.c"] {
            assert_eq!(name(&[with, ("authorization", bad)]).await, "401", "{bad}");
        }
        // Another scheme is not ours, so the cookies speak.
        assert_eq!(name(&[with, ("authorization", "Basic dTpw")]).await, "alice");
        // A bearer token never makes cookies: neither a rotation nor a deletion.
        site.app.clock.advance(std::time::Duration::from_secs(301));
        let headers = [("cookie", &*bob.cookies()), ("authorization", &*bob.bearer())];
        let expired = site.get("/me", &headers).await;
        assert_eq!(set_cookies(expired.headers()), Vec::<String>::new());
        is_refusal(expired, Rejection::TokenExpired, "expired bearer, good refresh cookie").await;
        assert_eq!(site.generation("bob").await, 0);
    });
}

#[test]
fn h_5_a_token_anywhere_else_is_not_looked_at() {
    bounded(async {
        let site = Site::new().await;
        let token = site.login("bob").await.access;
        for query in ["access_token", "token", "jwt", "auth", ACCESS] {
            let answer = site.get(&format!("/me?{query}={token}"), &[]).await;
            assert_eq!(answer.status(), 401, "{query}");
        }
        for name in ["x-access-token", "x-auth-token", "proxy-authorization", "token", ACCESS, "cookie2"] {
            for value in [token.clone(), format!("Bearer {token}"), format!("{ACCESS}={token}")] {
                let answer = site.get("/me", &[(name, &value)]).await;
                assert_eq!(answer.status(), 401, "{name}: {value}");
            }
        }
        for (kind, body) in [
            ("application/x-www-form-urlencoded", format!("access_token={token}")),
            ("application/json", json!({"access_token": token}).to_string()),
        ] {
            let answer = site.ask_with(Method::POST, "/change", &[("content-type", kind)], &body).await;
            assert_eq!(answer.status(), 401, "{kind}");
        }
    });
}

#[test]
fn h_3_h_4_cookies_are_read_as_raw_bytes() {
    bounded(async {
        let site = Site::new().await;
        let (bob, eve) = (site.login("bob").await, site.login("eve").await);
        let (a, e) = (&bob.access, &eve.access);
        let cases: [(String, u16); 22] = [
            (format!("{ACCESS}={a}"), 200),
            (format!("x=1;{ACCESS}={a};y=2"), 200),
            (format!("x=1;\t {ACCESS}={a}\t ; y"), 200),
            (format!("{ACCESS}={a}; {ACCESS}={a}"), 200),
            (format!("{ACCESS}={a}; {ACCESS}={e}"), 401),
            (format!("{ACCESS}={e}; {ACCESS}={a}"), 401),
            (format!("{ACCESS}={a}; {ACCESS}="), 200),
            (format!("{ACCESS}="), 401),
            (ACCESS.to_owned(), 401),
            (format!("{ACCESS}=\"{a}\""), 200),
            (format!("{ACCESS}={a}%20"), 401),
            (format!("{ACCESS} ={a}"), 401),
            (format!("{ACCESS}= {a}"), 401),
            (format!("__%48ost-access_token={a}"), 401),
            (format!("__%48ost-access_token={e}; {ACCESS}={a}"), 200),
            (format!("access_token={a}"), 401),
            (format!("__host-access_token={a}"), 401),
            (format!("__Secure-access_token={a}"), 401),
            (format!("={ACCESS}={a}"), 401),
            (format!("$Version=1, {ACCESS}={a}"), 401),
            (format!("x=\"; {ACCESS}={a}; y=\""), 200),
            (format!("{REFRESH}=junk; {ACCESS}={a}"), 200),
        ];
        for (cookie, expected) in cases {
            assert_eq!(site.me_with_cookie_bytes(cookie.as_bytes()).await, expected, "{cookie}");
        }
        let binary: [(&[u8], &[u8], u16); 5] = [
            (b"x=\xff\xfe; ", b"; y=\x80", 200),
            (b"\xe2\x98\x83=\xc3\x28; ", b"", 200),
            (b"", b"\xff", 401),
            (b"\xc2\xa0", b"", 401),
            (b"x=1\xff;", b"; \xff", 200),
        ];
        for (before, after, expected) in binary {
            let cookie = [before, format!("{ACCESS}={a}").as_bytes(), after].concat();
            let got = site.me_with_cookie_bytes(&cookie).await;
            assert_eq!(got, expected, "{}", String::from_utf8_lossy(&cookie));
        }
        // A forged cookie beside a good bearer token does no harm.
        let answer = site.get("/me", &[("authorization", &bob.bearer()), ("cookie", "a=b")]).await;
        assert_eq!(answer.status(), 200);
    });
}

#[test]
fn h_4_two_refresh_cookies_rotate_nothing() {
    bounded(async {
        let site = Site::new().await;
        let (bob, eve) = (site.login("bob").await, site.login("eve").await);
        let both = format!("{REFRESH}={}; {REFRESH}={}", bob.refresh, eve.refresh);
        for (method, path) in [(Method::GET, "/me"), (Method::GET, "/hello"), (Method::POST, "/refresh")] {
            let answer = site.ask(method, path, &[("cookie", &both)]).await;
            is_refusal(answer, Rejection::TokenNotValid, path).await;
        }
        assert_eq!((site.generation("bob").await, site.generation("eve").await), (0, 0));
    });
}

#[test]
fn h_3_many_and_huge_cookies() {
    bounded(async {
        let site = Site::new().await;
        let bob = site.login("bob").await;
        let many: String = (0..600).map(|n| format!("c{n}=v; ")).collect();
        let cookie = format!("{many}{ACCESS}={}", bob.access);
        assert_eq!(site.me_with_cookie_bytes(cookie.as_bytes()).await, 200);
        let long = format!("{ACCESS}={}", "a".repeat(100_000));
        assert_eq!(site.me_with_cookie_bytes(long.as_bytes()).await, 401);

        let mut huge = b"GET /me HTTP/1.1\r\nHost: localhost\r\nCookie: x=".to_vec();
        huge.resize(huge.len() + 1_000_000, b'a');
        huge.extend_from_slice(b"\r\n\r\n");
        // The server may close the connection before it has read everything.
        if let Ok(answer) = send(&site.served.url, &huge, true).await
            && !answer.is_empty()
        {
            assert!([400, 431].contains(&status(&answer)), "{}", String::from_utf8_lossy(&answer));
        }
        assert_eq!(site.get("/me", &[("cookie", &bob.cookies())]).await.status(), 200, "still alive");
    });
}
