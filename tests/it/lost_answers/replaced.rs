//! Requests that a browser sends late with the cookies of a session that it has left itself.

use tests::tab::cookies;
use tests::wire::{ACCESS, REFRESH, set_cookies};

use super::*;

/// Each set of cookies that a late request can have.
fn late_cookies(old: &Tokens) -> [String; 3] {
    [old.cookies(), old.only_access(), old.only_refresh()]
}

/// Asserts that the old cookies open nothing, and that the browser keeps the new ones, whose names are the same.
async fn assert_kept(tab: &Tab, old: &[String], new: &Tokens) {
    for late in old {
        let asked = [(Method::GET, "/me"), (Method::GET, "/plain"), (Method::POST, "/refresh")];
        for (method, path) in asked {
            let answer = tab.send(method, path, &[("cookie", late)]).await;
            let got = (answer.status.as_u16(), answer.cookies());
            assert_eq!(got, (401, Cookies::None), "{path} with {late}");
        }
        let answer = tab.get("/hello", late).await;
        assert_eq!((&*answer.body, answer.cookies()), ("nobody", Cookies::None));
    }
    assert_eq!(tab.get("/me", &new.cookies()).await.status, 200, "the new login");
}

/// N-31: a browser logs in anew, and a request with its old cookies comes after that.
#[test]
fn n_31_a_late_request_leaves_the_cookies_of_a_newer_login() {
    bounded(async {
        for waits in [Duration::ZERO, LATER] {
            let app = app();
            let tab = Tab::new(&app);
            let old = tab.login("alice").await;
            let new = tab.login_with("alice", &old.cookies()).await.pair();
            app.clock.advance(waits);
            let late = late_cookies(&old);
            // An expired token says nothing of its session.
            let late = if waits.is_zero() { late.to_vec() } else { vec![late[0].clone(), late[2].clone()] };
            assert_kept(&tab, &late, &new).await;
            // A logout deletes them for whoever has them still.
            let old = tab.login("alice").await;
            assert_eq!(tab.post("/logout", &old.cookies()).await.cookies(), Cookies::Deleted);
            let answer = tab.get("/me", &old.cookies()).await;
            assert_eq!((answer.status.as_u16(), answer.cookies()), (401, Cookies::Deleted));
        }
    });
}

/// N-31: a login heals a browser that keeps two pairs, and a late request brings both.
#[test]
fn n_31_a_late_request_with_twins_leaves_the_cookies_of_the_login_that_healed_them() {
    bounded(async {
        let app = app();
        let tab = Tab::new(&app);
        let (one, other) = (tab.login("alice").await, tab.login("alice").await);
        let twins = format!("{}; {}", one.cookies(), other.cookies());
        let answer = tab.login_with("alice", &twins).await;
        let lines = set_cookies(&answer.headers);
        // After the deletions of other forms.
        let set = |name: &str| {
            let lines = lines.iter().filter(|line| !line.contains("Max-Age=0;"));
            let mut values =
                lines.filter_map(|line| line.strip_prefix(name)?.strip_prefix('=')?.split(';').next());
            values.next().unwrap()
        };
        let new = cookies(Some(set(ACCESS)), Some(set(REFRESH)));
        let answer = tab.get("/me", &twins).await;
        assert_eq!((answer.status.as_u16(), answer.cookies()), (401, Cookies::None));
        assert_eq!(tab.get("/me", &new).await.status, 200);
        // Somebody else has ended both: nothing newer is known.
        let (one, other) = (tab.login("bob").await, tab.login("bob").await);
        let twins = format!("{}; {}", one.cookies(), other.cookies());
        for pair in [&one, &other] {
            assert!(app.jwtauth.sessions().revoke(pair.session()).await.unwrap());
        }
        let answer = tab.get("/me", &twins).await;
        let lines = set_cookies(&answer.headers);
        assert_eq!(answer.status, 401);
        assert!(!lines.is_empty() && lines.iter().all(|line| line.contains("Max-Age=0;")), "{lines:?}");
    });
}
