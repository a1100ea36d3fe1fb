//! `MaybeUser` in a plain `#[handler]`: a stranger is nobody, and nothing else is.

use super::*;
use jwtauth::MaybeUser;

#[handler]
async fn hello(MaybeUser(user): MaybeUser<User>) -> String {
    user.map_or("nobody".into(), |user| user.name)
}

#[handler]
async fn hello_identity(who: MaybeUser) -> String {
    who.as_ref().map_or("nobody".into(), |who| who.subject().to_owned())
}

fn routes() -> Route {
    Route::new().at("/user", get(hello).post(hello)).at("/identity", get(hello_identity).post(hello_identity))
}

#[test]
fn a_stranger_is_nobody_and_a_refused_bearer_token_is_not() {
    bounded(async {
        let app = TestApp::new();
        let bob = login(&app, "bob").await;
        let ended = login(&app, "carl").await;
        app.jwtauth.sessions().revoke_all("carl").await.unwrap();
        let client = client(&app, routes());
        for path in ["/user", "/identity"] {
            for (cookies, name) in
                [(None, "nobody"), (Some(bob.cookies()), "bob"), (Some(ended.cookies()), "nobody")]
            {
                let answered = answer(client.get(path), cookies.as_deref()).await;
                assert_eq!(text(answered).await, name, "{path}");
            }
            for (bearer, expected) in [(bob.bearer(), 200), (ended.bearer(), 401), ("Bearer a b".into(), 401)]
            {
                let request = client.get(path).header(header::AUTHORIZATION, bearer);
                assert_eq!(answer(request, None).await.status(), expected, "{path}");
            }
            // H-10: a request that another site caused is not the user's.
            let foreign = client.post(path).header("sec-fetch-site", "cross-site");
            assert_eq!(answer(foreign, Some(&bob.cookies())).await.status(), 403, "{path}");
        }
    });
}

#[test]
fn r_5_an_outage_is_not_nobody() {
    bounded(async {
        let store = Faulty::default();
        let app = TestApp::with(store.clone(), |builder| builder);
        let bob = login(&app, "bob").await;
        let client = client(&app, routes());
        store.set(Fault::Error, Fault::Error);
        for path in ["/user", "/identity"] {
            assert_eq!(answer(client.get(path), Some(&bob.cookies())).await.status(), 503, "{path}");
            assert_eq!(answer(client.get(path), None).await.status(), 200, "{path}");
        }
    });
}

#[test]
fn h_11_without_the_middleware_it_is_an_error() {
    bounded(async {
        let client = TestClient::new(routes());
        assert_eq!(answer(client.get("/user"), None).await.status(), 500);
    });
}

#[require_auth(optional)]
async fn of_any_type<U: AuthUser + Sync>(user: Option<CurrentUser<U>>, all: Data<&Vec<u8>>) -> String {
    format!("{} {}", user.map_or("nobody".into(), |user| user.subject()), all.len())
}

/// A handler with type parameters takes an `Option` of the user as any other does.
#[test]
fn an_optional_login_of_a_generic_handler() {
    bounded(async {
        let app = TestApp::new();
        let route = of_any_type::<User>::default().data(vec![1_u8]);
        let client = client(&app, Route::new().at("/", get(route)));
        let bob = login(&app, "bob").await.cookies();
        assert_eq!(text(answer(client.get("/"), None).await).await, "nobody 1");
        assert_eq!(text(answer(client.get("/"), Some(&bob)).await).await, "bob 1");
    });
}
