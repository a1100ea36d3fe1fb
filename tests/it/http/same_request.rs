//! A login, and what the same handler asks afterwards.

use super::*;
use poem::web::Path;

#[handler]
async fn log_in_and_ask(auth: Auth, Path(name): Path<String>) -> Result<String> {
    let before = auth.session().await?.map(|session| session.subject);
    auth.login(&User::named(&name)).await?;
    let after = auth.session().await?.map(|session| session.subject);
    Ok(format!("{before:?} {after:?}"))
}

#[handler]
async fn log_in_and_out_elsewhere(auth: Auth, Path(name): Path<String>) -> Result<String> {
    auth.login(&User::named(&name)).await?;
    Ok(auth.logout_others().await?.to_string())
}

#[handler]
async fn log_out_and_ask(auth: Auth) -> Result<String> {
    let before = auth.session().await?.map(|session| session.subject);
    auth.logout().await?;
    let after = auth.session().await?.map(|session| session.subject);
    Ok(format!("{before:?} {after:?}"))
}

#[handler]
async fn log_in_and_out(auth: Auth, Path(name): Path<String>) -> Result<String> {
    auth.login(&User::named(&name)).await?;
    let ended = auth.logout_all().await?;
    Ok(format!("{ended} {:?}", auth.session().await?.map(|session| session.subject)))
}

/// Seeds, defect 9: after a login the request is its user's, and after a logout nobody's.
#[test]
fn defect_9_a_request_is_whose_its_handler_has_made_it() {
    bounded(async {
        let app = TestApp::new();
        let routes = Route::new()
            .at("/in/:name", post(log_in_and_ask))
            .at("/only/:name", post(log_in_and_out_elsewhere))
            .at("/out", post(log_out_and_ask))
            .at("/in-and-out/:name", post(log_in_and_out))
            .nest("/", app.endpoint())
            .with(app.jwtauth.clone());
        let site = Site::serving(app, routes).await;
        let sessions = site.app.jwtauth.sessions();
        let live = async |name| sessions.of(name).await.unwrap().len();
        let ask = async |path: &str, cookies: &str| {
            let headers = [("cookie", cookies)];
            let answer = site.ask(Method::POST, path, if cookies.is_empty() { &[] } else { &headers }).await;
            let pair = (set_cookies(answer.headers()).len() == 2).then(|| Tokens::of(answer.headers()));
            (answer.status().as_u16(), pair, answer.text().await.unwrap())
        };
        let (status, bob, said) = ask("/in/bob", "").await;
        assert_eq!((status, &*said), (200, r#"None Some("bob")"#));
        let bob = bob.unwrap();
        let (_, carol, said) = ask("/in/carol", &bob.cookies()).await;
        assert_eq!(said, r#"Some("bob") Some("carol")"#);
        assert_eq!((live("bob").await, live("carol").await), (0, 1), "it took the place of the first");

        // "Log in here, and out everywhere else."
        site.login("dave").await;
        site.login("dave").await;
        let (status, dave, said) = ask("/only/dave", &carol.unwrap().cookies()).await;
        assert_eq!((status, &*said, live("dave").await, live("carol").await), (200, "2", 1, 0));
        let dave = dave.unwrap();
        assert_eq!(site.get("/me", &[("cookie", &dave.cookies())]).await.status(), 200);

        let (_, gone, said) = ask("/out", &dave.cookies()).await;
        assert_eq!(said, r#"Some("dave") None"#);
        assert_eq!((gone.unwrap().access, live("dave").await), (String::new(), 0));
        // With a bearer token, which is no cookie to be deleted.
        let erin = site.login("erin").await;
        let answer = site.ask(Method::POST, "/out", &[("authorization", &erin.bearer())]).await;
        assert_eq!(answer.text().await.unwrap(), r#"Some("erin") None"#);

        let (_, gone, said) = ask("/in-and-out/frank", "").await;
        assert_eq!((&*said, gone.unwrap().refresh), ("1 None", String::new()));
    });
}
