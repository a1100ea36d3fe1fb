//! `csrf = false`, and who still refuses what another site caused.

use jwtauth::{Auth, MaybeUser, RequireAuth};

use super::*;

const FOREIGN: (&str, &str) = ("sec-fetch-site", "cross-site");

#[require_auth(csrf = false)]
async fn webhook() -> &'static str {
    "taken"
}

#[require_auth(csrf = true)]
async fn own() -> &'static str {
    "taken"
}

/// Extractors that refuse a foreign request by themselves in a plain handler.
#[require_auth(csrf = false)]
async fn webhook_with_everything(
    _: Auth,
    _: User,
    _: CurrentUser,
    _: MaybeUser<User>,
    _: &Identity,
    _: &Session,
) -> &'static str {
    "taken"
}

#[require_auth(csrf = false, optional)]
async fn webhook_of_anybody(_: Auth, user: Option<User>) -> &'static str {
    if user.is_some() { "taken" } else { "taken of nobody" }
}

#[require_auth(csrf = false)]
#[handler]
async fn webhook_above_handler(_: Auth) -> &'static str {
    "taken"
}

struct Block;

#[require_auth(csrf = false)]
impl Endpoint for Block {
    type Output = &'static str;

    async fn call(&self, _: Request) -> Result<&'static str> {
        Ok("taken")
    }
}

#[handler]
fn unguarded() -> &'static str {
    "taken"
}

#[handler]
async fn unguarded_with_auth(_: Auth) -> &'static str {
    "taken"
}

/// Posts from another site's page and returns the status.
async fn foreign<E: Endpoint>(client: &TestClient<E>, path: &str, cookies: Option<&str>) -> u16 {
    answer(client.post(path).header(FOREIGN.0, FOREIGN.1), cookies).await.status().as_u16()
}

#[test]
fn h_10_exactly_the_handler_that_says_so_takes_requests_of_other_sites() {
    bounded(async {
        let app = TestApp::new();
        let alice = login(&app, "alice").await.cookies();
        let routes = Route::new()
            .at("/webhook", webhook)
            .at("/everything", webhook_with_everything)
            .at("/anybody", webhook_of_anybody)
            .at("/above", webhook_above_handler)
            .at("/block", Block)
            .at("/own", own)
            .at("/plain", unguarded_with_auth);
        let client = client(&app, routes);
        for (path, expected) in [
            ("/webhook", 200),
            ("/everything", 200),
            ("/anybody", 200),
            ("/above", 200),
            ("/block", 200),
            ("/own", 403),
            ("/plain", 403),
        ] {
            assert_eq!(foreign(&client, path, Some(&alice)).await, expected, "{path}");
            // It is a guard all the same.
            let stranger = foreign(&client, path, None).await;
            let expected = match path {
                "/anybody" => 200,
                "/plain" => 403,
                _ => 401,
            };
            assert_eq!(stranger, expected, "{path}, a stranger");
            // An upgrade opens a channel, whatever its method (H-12).
            let upgrade = client.get(path).header(FOREIGN.0, FOREIGN.1).header("upgrade", "websocket");
            let refused = matches!(path, "/own" | "/plain");
            let status = answer(upgrade, Some(&alice)).await.status();
            assert_eq!(status, if refused { 403 } else { 200 }, "{path}, an upgrade");
        }
    });
}

/// Each guard on the way decides for itself; what only asks takes the word of the guard in front of it.
#[test]
fn h_10_each_guard_on_the_way_must_say_so() {
    bounded(async {
        let app = TestApp::new();
        let alice = login(&app, "alice").await.cookies();
        let tree = || {
            Route::new()
                .at("/webhook", webhook)
                .at("/own", own)
                .at("/unguarded", unguarded)
                .at("/auth", unguarded_with_auth)
        };
        let routes = Route::new()
            .nest("/strict", tree().with(RequireAuth::new()))
            .nest("/said", tree().with(RequireAuth::new().csrf(true)))
            .nest("/open", tree().with(RequireAuth::new().csrf(false)))
            .nest("/strict-outside", tree().with(RequireAuth::new().csrf(false)).with(RequireAuth::new()))
            .nest("/strict-inside", tree().with(RequireAuth::new()).with(RequireAuth::new().csrf(false)));
        let client = client(&app, routes);
        let leaves = ["webhook", "own", "unguarded", "auth"];
        for (tree, expected) in [
            ("/strict", [403, 403, 403, 403]),
            ("/said", [403, 403, 403, 403]),
            ("/open", [200, 403, 200, 200]),
            ("/strict-outside", [403, 403, 403, 403]),
            ("/strict-inside", [403, 403, 403, 403]),
        ] {
            for (leaf, expected) in leaves.into_iter().zip(expected) {
                let path = format!("{tree}/{leaf}");
                assert_eq!(foreign(&client, &path, Some(&alice)).await, expected, "{path}");
                let own_site = answer(client.post(&path), Some(&alice)).await;
                assert_eq!(own_site.status(), 200, "{path} from our own site");
            }
        }
    });
}

#[require_auth(optional)]
async fn login_behind_optional(auth: Auth) -> Result<()> {
    Ok(auth.login(&User::named("mallory")).await.map(drop)?)
}

#[handler]
async fn login_behind_maybe(_: MaybeUser, auth: Auth) -> Result<()> {
    Ok(auth.login(&User::named("mallory")).await.map(drop)?)
}

#[handler]
async fn login_behind_option(_: Option<&Identity>, auth: Auth) -> Result<()> {
    Ok(auth.login(&User::named("mallory")).await.map(drop)?)
}

/// Another site logs a browser in as somebody of its choice. The browser has no cookies, or sends none along,
/// so whoever only asks who is calling finds nothing at stake; the login must look for itself.
#[test]
fn h_10_a_login_is_checked_for_itself_whoever_asked_before() {
    bounded(async {
        let app = TestApp::new();
        let alice = login(&app, "alice").await;
        let routes = Route::new()
            .at("/optional", login_behind_optional)
            .at("/maybe", login_behind_maybe)
            .at("/option", login_behind_option);
        let client = client(&app, routes);
        for path in ["/optional", "/maybe", "/option"] {
            assert_eq!(foreign(&client, path, None).await, 403, "{path}");
            assert_eq!(foreign(&client, path, Some(&alice.cookies())).await, 403, "{path}, with cookies");
            // A bearer token is for who is calling; the cookies beside it are what the login would replace.
            let both = client.post(path).header(FOREIGN.0, FOREIGN.1).header("authorization", alice.bearer());
            let answered = answer(both, Some(&alice.cookies())).await;
            assert_eq!(answered.status(), 403, "{path}, with a bearer token and cookies");
            assert_eq!(answer(client.post(path), None).await.status(), 200, "{path} from our own site");
        }
        let sessions = app.jwtauth.sessions();
        assert_eq!(sessions.list("mallory").await.unwrap().len(), 3, "our own site's logins");
        assert_eq!(sessions.list("alice").await.unwrap().len(), 1);
    });
}
