//! Logins whose tokens go into a body of the application's own shape, under its own paths.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::*;
use jwtauth::{Event, Tokens as Issued, Veto};
use poem::web::Json;
use tests::test_store::TestStore;

fn shown(tokens: &Issued) -> Json<Value> {
    Json(json!({
        "accessToken": tokens.access(),
        "refreshToken": tokens.refresh(),
        "seconds": [tokens.expires_in, tokens.refresh_expires_in],
    }))
}

#[handler]
async fn sign_in(auth: Auth, Json(name): Json<String>) -> Result<Json<Value>> {
    Ok(shown(&auth.issue_tokens(&User::named(&name)).await?))
}

#[handler]
async fn renew(auth: Auth, Json(token): Json<String>) -> Result<Json<Value>> {
    Ok(shown(&auth.refresh_tokens(&token).await?))
}

const AGENT: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0";

async fn post_json(site: &Site, path: &str, body: &str, headers: Headers<'_>) -> (u16, HeaderMap, Value) {
    let headers = [headers, &[("content-type", "application/json"), ("user-agent", AGENT)]].concat();
    let answer = site.ask_with(Method::POST, path, &headers, &json!(body).to_string()).await;
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    (status, headers, answer.json().await.unwrap())
}

/// A site, and the names of the events that were told.
async fn site() -> (Site, Arc<Mutex<Vec<&'static str>>>) {
    let told = Arc::<Mutex<Vec<&'static str>>>::default();
    let hook = Arc::clone(&told);
    let app = TestApp::with(TestStore::new(), |builder| {
        let builder = builder.on_event(move |event: Event| {
            hook.lock().unwrap().push(event.name());
            async {}
        });
        builder.before_login(async |session| match &*session.subject {
            "mallory" => Err(Veto::new("not today")),
            _ => Ok(()),
        })
    });
    let routes =
        Route::new().nest("/", app.endpoint()).at("/sign-in", post(sign_in)).at("/renew", post(renew));
    let routes = routes.with(app.jwtauth.clone());
    (Site::serving(app, routes).await, told)
}

#[test]
fn a_handler_logs_in_and_refreshes_with_a_body_of_its_own() {
    bounded(async {
        let (site, told) = site().await;
        let (status, headers, first) = post_json(&site, "/sign-in", "bob", &[]).await;
        assert_eq!((status, &first["seconds"]), (200, &json!([300, 86_400])));
        assert_eq!(headers[header::CACHE_CONTROL], "no-store");
        assert_eq!(set_cookies(&headers), Vec::<String>::new());
        let bearer = format!("Bearer {}", first["accessToken"].as_str().unwrap());
        assert_eq!(site.get("/me", &[("authorization", &bearer)]).await.status(), StatusCode::OK);
        let sessions = site.app.jwtauth.sessions();
        let session = sessions.list("bob").await.unwrap().remove(0);
        assert_eq!(session.device.user_agent.as_deref(), Some(AGENT), "the device of the request");
        assert_eq!(session.device.address, Some([127, 0, 0, 1].into()));
        let refresh = first["refreshToken"].as_str().unwrap();
        let (status, headers, second) = post_json(&site, "/renew", refresh, &[]).await;
        assert_eq!(status, 200);
        assert_eq!(set_cookies(&headers), Vec::<String>::new());
        assert_ne!(second["refreshToken"], first["refreshToken"]);
        assert_eq!(std::mem::take(&mut *told.lock().unwrap()), ["login", "refresh"]);
        // It has arrived, so the token before it is reuse later.
        let bearer = format!("Bearer {}", second["accessToken"].as_str().unwrap());
        assert_eq!(site.get("/me", &[("authorization", &bearer)]).await.status(), StatusCode::OK);
        site.app.clock.advance(Duration::from_secs(31));
        let (status, _, refused) = post_json(&site, "/renew", refresh, &[]).await;
        assert_eq!((status, &refused["code"]), (401, &json!("token_not_valid")));
        assert!(sessions.list("bob").await.unwrap().is_empty());
    });
}

/// What refuses a login with cookies refuses these too, and a login ends nothing.
#[test]
fn h_10_a_body_of_ones_own_is_guarded_like_any_login() {
    bounded(async {
        let (site, _) = site().await;
        let foreign = [("sec-fetch-site", "cross-site")];
        let (status, _, refused) = post_json(&site, "/sign-in", "bob", &foreign).await;
        assert_eq!((status, &refused["code"]), (403, &json!("cross_origin")));
        let (status, _, refused) = post_json(&site, "/sign-in", "mallory", &[]).await;
        assert_eq!((status, &refused["code"]), (403, &json!("permission_denied")));
        let cookies = site.login("bob").await.cookies();
        let (status, headers, _) = post_json(&site, "/sign-in", "bob", &[("cookie", &cookies)]).await;
        assert_eq!((status, set_cookies(&headers).len()), (200, 0));
        assert_eq!(site.get("/me", &[("cookie", &cookies)]).await.status(), StatusCode::OK);
        assert_eq!(site.app.jwtauth.sessions().list("bob").await.unwrap().len(), 2);
    });
}
