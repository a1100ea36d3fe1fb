//! Cookies that a browser has kept from other settings: under other names, or of a wider path.

use tests::faulty::Faulty;

use super::twins::{Jar, Kept, Set, Visit};
use super::*;

/// N-4: the default names begin with another prefix under some settings. What came under a safer name still
/// counts. Any other one names what a login and a logout revoke, and lets nobody in.
#[test]
fn n_4_a_change_of_the_prefix_logs_nobody_out_and_leaves_no_session_behind() {
    bounded(async {
        let changes: [(&str, Set, Set, bool); 4] = [
            ("a domain", |c| c, |c| c.domain("example.com"), true),
            ("a path of both", |c| c, |c| c.path("/"), true),
            ("no domain", |c| c.domain("example.com"), |c| c, false),
            ("a refresh path", |c| c, |c| c.refresh_path("/refresh"), true),
        ];
        for (change, before, after, is_in) in changes {
            for way in ["stay", "login", "logout", "refresh"] {
                let store = Faulty::default();
                let mut visit = Visit::new(&store, Jar::default(), before, true);
                assert_eq!(visit.login("alice").await, 200);
                let (case, mut visit) = (format!("{change}, {way}"), visit.later(&store, after));
                match way {
                    "stay" => {
                        assert_eq!(visit.get("/me").await, if is_in { 200 } else { 401 }, "{case}");
                        if is_in {
                            assert_eq!(visit.jar.0.len(), 2, "{case}: {:?}", visit.jar);
                            for _ in 0..3 {
                                visit.wait(300);
                                assert_eq!(visit.post("/refresh").await, 200, "{case}");
                                assert_eq!(visit.get("/me").await, 200, "{case}");
                                assert_eq!((visit.jar.0.len(), visit.live("alice").await), (2, 1), "{case}");
                            }
                        }
                    }
                    "refresh" => {
                        visit.wait(300);
                        assert_eq!(visit.post("/refresh").await, if is_in { 200 } else { 401 }, "{case}");
                        assert_eq!(visit.jar.0.len(), 2, "{case}: {:?}", visit.jar);
                    }
                    "login" => {
                        assert_eq!(visit.login("alice").await, 200, "{case}");
                        assert_eq!((visit.jar.0.len(), visit.live("alice").await), (2, 1), "{case}");
                        assert_eq!(visit.get("/me").await, 200, "{case}");
                    }
                    _ => {
                        assert_eq!(visit.post("/logout").await, 200, "{case}");
                        assert_eq!((visit.jar.0.len(), visit.live("alice").await), (0, 0), "{case}");
                    }
                }
            }
        }
    });
}

/// N-4: after the application has chosen names, the browser keeps its login under the default ones. They let nobody in,
/// and a login and a logout end what they name.
#[test]
fn n_4_names_of_the_application_leave_no_session_under_the_default_ones() {
    bounded(async {
        let changes: [(&str, Set, Set, bool); 4] = [
            ("safe names", |c| c, |c| c.names("__Host-a", "__Host-r"), false),
            ("plain names", |c| c, |c| c.names("a", "r"), false),
            ("after a domain", |c| c.domain("example.com"), |c| c.names("a", "r"), false),
            ("one new name", |c| c, |c| c.names("__Host-access_token", "r"), true),
        ];
        for (change, before, after, is_in) in changes {
            for way in ["stay", "login", "logout"] {
                let store = Faulty::default();
                let mut visit = Visit::new(&store, Jar::default(), before, true);
                assert_eq!(visit.login("alice").await, 200);
                let foreign = ("refresh_token".to_owned(), None, "/".to_owned(), false);
                visit.jar.0.push(Kept { form: foreign, value: "of-another-program".into() });
                let (case, mut visit) = (format!("{change}, {way}"), visit.later(&store, after));
                let jar = visit.jar.clone();
                match way {
                    "stay" => {
                        assert_eq!(visit.get("/me").await, if is_in { 200 } else { 401 }, "{case}");
                        assert_eq!((&visit.jar, visit.live("alice").await), (&jar, 1), "{case}");
                    }
                    "login" => {
                        assert_eq!(visit.login("alice").await, 200, "{case}");
                        assert_eq!((visit.jar.0.len(), visit.live("alice").await), (3, 1), "{case}");
                        for _ in 0..2 {
                            visit.wait(300);
                            assert_eq!(visit.get("/me").await, 200, "{case}");
                        }
                        assert_eq!(visit.post("/logout").await, 200, "{case}");
                        assert_eq!((visit.jar.0.len(), visit.live("alice").await), (1, 0), "{case}");
                    }
                    _ => {
                        assert_eq!(visit.post("/logout").await, 200, "{case}");
                        assert_eq!((visit.jar.0.len(), visit.live("alice").await), (1, 0), "{case}");
                    }
                }
                assert!(visit.jar.0.iter().any(|kept| kept.value == "of-another-program"), "{case}");
            }
        }
    });
}

/// N-4: of a browser that has kept a login under both names, the present one counts. A cookie under a former
/// name that is no token of this service belongs to somebody else.
#[test]
fn n_4_a_former_name_stands_back_and_foreign_cookies_stay() {
    bounded(async {
        let store = Faulty::default();
        let mut old = Visit::new(&store, Jar::default(), |c| c, true);
        assert_eq!(old.login("alice").await, 200);
        let mut visit = Visit::new(&store, Jar::default(), |c| c.domain("example.com"), true);
        assert_eq!(visit.login("bob").await, 200);
        visit.jar.0.extend(old.jar.0);
        let form = |name: &str| (name.to_owned(), None, "/".to_owned(), false);
        visit.jar.0.push(Kept { form: form("access_token"), value: "of-another-program".into() });
        assert_eq!((visit.get("/me").await, visit.jar.0.len()), (200, 5));
        assert_eq!(visit.login("carol").await, 200);
        assert_eq!(
            (visit.live("alice").await, visit.live("bob").await, visit.live("carol").await),
            (0, 0, 1)
        );
        assert_eq!(visit.jar.0.len(), 3, "{:?}", visit.jar);
        assert_eq!(visit.post("/logout").await, 200);
        assert_eq!(visit.jar.0.len(), 1, "{:?}", visit.jar);
    });
}

/// N-4: a refresh cookie that comes to a URL to which it is not sent today has the form of before. It is
/// brought into that of today, and deleted, before its token is a spent one.
#[test]
fn n_4_a_refresh_path_leaves_no_older_refresh_cookie_behind() {
    const NARROW: Set = |c| c.names("__Secure-a", "__Secure-r").refresh_path("/refresh");
    bounded(async {
        for way in ["at once", "expired", "refresh", "login", "logout", "dead"] {
            let store = Faulty::default();
            let wide: Set = |c| c.names("__Secure-a", "__Secure-r");
            let mut visit = Visit::new(&store, Jar::default(), wide, true);
            assert_eq!(visit.login("alice").await, 200);
            let mut visit = visit.later(&store, NARROW);
            match way {
                "expired" => visit.wait(300),
                "refresh" => {
                    visit.wait(300);
                    assert_eq!(visit.post("/refresh").await, 200);
                    assert_eq!(visit.jar.0.len(), 3, "nothing says yet that it came in an older form");
                }
                "login" => {
                    assert_eq!(visit.login("alice").await, 200);
                    assert_eq!(visit.jar.0.len(), 2, "{:?}", visit.jar);
                }
                "logout" => {
                    assert_eq!(visit.post("/logout").await, 200);
                    assert_eq!((visit.jar.0.len(), visit.live("alice").await), (0, 0));
                    continue;
                }
                "dead" => {
                    let older = visit.jar.0.iter().find(|it| it.form.0 == "__Secure-r").unwrap().clone();
                    assert_eq!(visit.login("alice").await, 200);
                    visit.jar.0.push(older);
                }
                _ => {}
            }
            assert_eq!(visit.get("/me").await, 200, "{way}");
            assert_eq!(visit.jar.0.len(), 2, "{way}: {:?}", visit.jar);
            for _ in 0..3 {
                visit.wait(300);
                assert_eq!(visit.get("/me").await, 401, "{way}: there is no silent refresh");
                assert_eq!(visit.post("/refresh").await, 200, "{way}");
                assert_eq!(visit.get("/me").await, 200, "{way}");
                assert_eq!((visit.jar.0.len(), visit.live("alice").await), (2, 1), "{way}");
            }
        }
    });
}

/// N-4, B: the browser was not told to delete its older refresh cookie, and its newer one was used. The older one is
/// sent where it always was, after the access token has expired. That is no theft.
#[test]
fn n_4_an_older_refresh_cookie_is_never_spent_where_the_newer_one_is_not_sent() {
    bounded(async {
        let named: Set = |c| c.names("__Secure-a", "__Secure-r");
        let narrow: Set = |c| c.names("__Secure-a", "__Secure-r").refresh_path("/refresh");
        let changes: [(&str, Set, Set); 2] =
            [("same names", named, narrow), ("default names", |c| c, |c| c.refresh_path("/refresh"))];
        for (change, before, after) in changes {
            let store = Faulty::default();
            let mut visit = Visit::new(&store, Jar::default(), before, true);
            assert_eq!(visit.login("alice").await, 200);
            let is_refresh = |it: &&Kept| it.form.0.ends_with("-r") || it.form.0.contains("refresh");
            let older = visit.jar.0.iter().find(is_refresh).unwrap().clone();
            let mut visit = visit.later(&store, after);
            visit.wait(300);
            assert_eq!(visit.post("/refresh").await, 200, "{change}");
            // It is still there, and the new tokens are used elsewhere.
            if !visit.jar.0.contains(&older) {
                visit.jar.0.push(older);
            }
            let access = visit.jar.0.iter().find(|it| !is_refresh(it)).unwrap();
            let access = format!("{}={}", access.form.0, access.value);
            assert_eq!(visit.tab.get("/me", &access).await.status, 200, "{change}");
            visit.wait(300);
            assert_eq!(visit.get("/me").await, 401, "{change}: there is no silent refresh");
            assert_eq!(visit.live("alice").await, 1, "{change}: nothing was taken for stolen");
            assert_eq!((visit.post("/refresh").await, visit.get("/me").await), (200, 200), "{change}");
            assert_eq!((visit.jar.0.len(), visit.live("alice").await), (2, 1), "{change}: {:?}", visit.jar);
        }
    });
}
