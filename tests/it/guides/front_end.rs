//! The guide of front ends: what a browser sends from another port, and what it may read.

use jwtauth::{Auth, AuthUser, JwtAuth, MemoryStore, require_auth};
use poem::http::{Method, StatusCode, header};
use poem::middleware::Cors;
use poem::test::{TestClient, TestResponse};
use poem::{Endpoint, EndpointExt, Result, Route, get, handler, post};
use serde::{Deserialize, Serialize};
use tests::app::SECRET;
use tests::bounded;

use super::guide;

const FRONT_END: &str = "http://localhost:5173";
const OWN: &str = "http://localhost:3000";
const EVIL: &str = "http://evil.example";

#[derive(Clone, Serialize, Deserialize, AuthUser)]
struct User {
    id: u64,
}

#[handler]
async fn login(auth: Auth) -> Result<()> {
    auth.login(&User { id: 1 }).await?;
    Ok(())
}

#[require_auth]
async fn me(user: User) -> String {
    user.id.to_string()
}

/// The app of the guide, behind a list of origins.
fn app(trusts: bool, cors: Cors) -> TestClient<impl Endpoint> {
    let builder = JwtAuth::builder().secret(SECRET).insecure_cookies();
    let builder = if trusts { builder.trusted_origin(FRONT_END) } else { builder };
    let auth = builder.build(MemoryStore::new()).unwrap();
    TestClient::new(Route::new().at("/login", post(login)).at("/me", get(me).post(me)).with(auth).with(cors))
}

fn of_the_guide() -> Cors {
    Cors::new().allow_origin(FRONT_END).allow_origin(OWN).allow_credentials(true)
}

/// Sends a request as a browser does from a page of `origin`.
async fn send(
    client: &TestClient<impl Endpoint>,
    method: Method,
    path: &str,
    origin: &str,
    cookies: &str,
) -> TestResponse {
    let site = match origin {
        OWN => "same-origin",
        FRONT_END => "same-site",
        _ => "cross-site",
    };
    let request = client.request(method, path).header("host", "localhost:3000").header("origin", origin);
    let request = request.header("sec-fetch-site", site).content_type("application/json");
    let request = if cookies.is_empty() { request } else { request.header("cookie", cookies) };
    request.body("{}").send().await
}

fn header_of(response: &TestResponse, name: header::HeaderName) -> &str {
    response.0.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

fn cookies(response: &TestResponse) -> String {
    let set = response.0.headers().get_all(header::SET_COOKIE).iter();
    let pairs = set.map(|cookie| cookie.to_str().unwrap().split(';').next().unwrap().to_owned());
    pairs.collect::<Vec<_>>().join("; ")
}

/// M-19: a browser asks first, then logs in, then reads, and the page may read a refusal too.
#[test]
fn m_19_a_front_end_on_another_port_logs_in_and_reads() {
    bounded(async {
        let client = app(true, of_the_guide());
        let asked = client
            .request(Method::OPTIONS, "/login")
            .header("host", "localhost:3000")
            .header("origin", FRONT_END)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "content-type")
            .send()
            .await;
        assert_eq!(asked.0.status(), StatusCode::OK);
        let may_read = |response: &TestResponse| {
            header_of(response, header::ACCESS_CONTROL_ALLOW_ORIGIN) == FRONT_END
                && header_of(response, header::ACCESS_CONTROL_ALLOW_CREDENTIALS) == "true"
        };
        assert!(may_read(&asked));
        assert!(header_of(&asked, header::ACCESS_CONTROL_ALLOW_HEADERS).contains("content-type"));

        let logged_in = send(&client, Method::POST, "/login", FRONT_END, "").await;
        assert!(logged_in.0.status() == StatusCode::OK && may_read(&logged_in));
        let cookies = cookies(&logged_in);
        assert_eq!(cookies.split("; ").count(), 2, "{cookies}");
        for method in [Method::GET, Method::POST] {
            let read = send(&client, method, "/me", FRONT_END, &cookies).await;
            assert!(read.0.status() == StatusCode::OK && may_read(&read));
        }
        let refused = send(&client, Method::GET, "/me", FRONT_END, "").await;
        assert!(refused.0.status() == StatusCode::UNAUTHORIZED && may_read(&refused), "with its code");
        // Its own pages go on working, and nobody else's do.
        assert_eq!(send(&client, Method::POST, "/me", OWN, &cookies).await.0.status(), StatusCode::OK);
        assert_eq!(
            send(&client, Method::POST, "/me", EVIL, &cookies).await.0.status(),
            StatusCode::FORBIDDEN
        );
    });
}

/// M-19: what the guide says of each part that is left out.
#[test]
fn m_19_each_part_of_a_front_end_is_needed() {
    bounded(async {
        // Only the front end in the list: the app's own forms are refused by poem, before jwtauth is asked.
        let listed = app(true, Cors::new().allow_origin(FRONT_END).allow_credentials(true));
        let mut refused = send(&listed, Method::POST, "/login", OWN, "").await;
        assert_eq!(refused.0.status(), StatusCode::FORBIDDEN);
        let body = refused.0.take_body().into_string().await.unwrap();
        assert!(!body.contains("cross_origin"), "it is not ours: {body}");
        assert!(guide("front_end").contains("List the app's own origin too."));

        // Without `trusted_origin` it is a forgery.
        let untrusted = app(false, of_the_guide());
        let mut refused = send(&untrusted, Method::POST, "/login", FRONT_END, "").await;
        assert_eq!(refused.0.status(), StatusCode::FORBIDDEN);
        assert!(refused.0.take_body().into_string().await.unwrap().contains("cross_origin"));

        // Without credentials the browser hides the answer.
        let hidden = app(true, Cors::new().allow_origin(FRONT_END));
        let read = send(&hidden, Method::POST, "/login", FRONT_END, "").await;
        assert_eq!(header_of(&read, header::ACCESS_CONTROL_ALLOW_CREDENTIALS), "");

        // Without a list everybody may read, and `trusted_origin` still guards.
        let open = app(true, Cors::new());
        let read = send(&open, Method::POST, "/login", EVIL, "").await;
        assert_eq!(read.0.status(), StatusCode::FORBIDDEN);
    });
}

/// M-19: the program and the page of the guide have each of these parts.
#[test]
fn m_19_the_guide_of_front_ends_has_each_part() {
    let guide = guide("front_end");
    for part in [
        ".trusted_origin(FRONT_END)",
        ".with(Cors::new().allow_origin(FRONT_END).allow_origin(OWN).allow_credentials(true)); // outermost",
        r#"credentials: "include""#,
    ] {
        assert!(guide.contains(part), "{part}");
    }
}
