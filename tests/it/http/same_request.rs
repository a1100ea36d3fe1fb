//! A login, and what the same handler asks afterwards.

use super::*;
use jwtauth::Sessions;
use poem::web::Path;
use std::time::Duration;
use tests::test_store::TestStore;
use tests::wire::claims;

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

#[handler]
async fn log_in_and_straight_out(auth: Auth, Path(name): Path<String>) -> Result<String> {
    auth.login(&User::named(&name)).await?;
    auth.logout().await?;
    Ok(format!("{:?}", auth.session().await?.map(|session| session.subject)))
}

#[handler]
async fn log_in_and_refresh(auth: Auth, Path(name): Path<String>) -> Result<String> {
    let opened = auth.login(&User::named(&name)).await?;
    let refreshed = auth.refresh().await?;
    Ok((opened.id == refreshed.id).to_string())
}

#[require_auth]
async fn refresh_behind_a_guard(auth: Auth, sessions: &Sessions, user: User) -> Result<String> {
    sessions.update_user(&User { roles: vec!["clerk".into()], ..user }).await?;
    Ok(auth.refresh().await?.subject)
}

/// While it runs, another request of the same browser gets its answer.
#[require_auth]
async fn refresh_beside_another(
    auth: Auth,
    request: &poem::Request,
    sessions: &Sessions,
    user: User,
) -> Result<String> {
    let spent = request.header("cookie").and_then(|line| line.rsplit_once(&format!("{REFRESH}=")));
    let (_, spent) = spent.expect("both cookies, in this order");
    let other = sessions.refresh(spent, &auth.device()).await?;
    sessions.update_user(&User { roles: vec!["clerk".into()], ..user }).await?;
    auth.refresh().await?;
    Ok(other.access().to_owned())
}

/// Defect 9: after a login the request is its user's, and after a logout nobody's.
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
        let live = async |name| sessions.list(name).await.unwrap().len();
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

/// S-8: a session that its own handler has opened ends with a logout too, whatever the request came with.
#[test]
fn s_8_a_logout_ends_the_session_that_the_same_handler_has_opened() {
    bounded(async {
        let app = TestApp::new();
        let routes = Route::new()
            .at("/in-and-out/:name", post(log_in_and_straight_out))
            .nest("/", app.endpoint())
            .with(app.jwtauth.clone());
        let site = Site::serving(app, routes).await;
        let sessions = site.app.jwtauth.sessions();
        let (bob, carol) = (site.login("bob").await, site.login("carol").await);
        let two = format!("{ACCESS}=x; {ACCESS}=y");
        for (name, headers) in [
            ("nothing", &[][..]),
            ("cookies", &[("cookie", &*bob.cookies())][..]),
            ("bearer", &[("authorization", &*carol.bearer())][..]),
            ("two cookies of a name", &[("cookie", &*two)][..]),
        ] {
            let answer = site.ask(Method::POST, "/in-and-out/dave", headers).await;
            let set = set_cookies(answer.headers());
            assert!(set.iter().all(|line| line.contains("Max-Age=0")), "{name}: {set:?}");
            assert_eq!(set.is_empty(), name == "bearer", "{name}");
            assert_eq!(answer.text().await.unwrap(), "None", "{name}");
            assert_eq!(sessions.list("dave").await.unwrap().len(), 0, "{name}");
        }
        assert_eq!(sessions.list("bob").await.unwrap().len(), 0, "the login took its place");
        assert_eq!(sessions.list("carol").await.unwrap().len(), 0, "what the bearer token is of");
    });
}

/// S-2: tokens that this request has brought about are its tokens: they are written anew, and no older one is spent.
#[test]
fn s_2_a_refresh_in_the_request_of_a_login_or_refresh_costs_nobody_the_session() {
    bounded(async {
        for grace in [0, 30] {
            let app =
                TestApp::with(TestStore::new(), |builder| builder.refresh_grace(Duration::from_secs(grace)));
            let routes = Route::new()
                .at("/in/:name", post(log_in_and_refresh))
                .at("/again", post(refresh_behind_a_guard))
                .nest("/", app.endpoint())
                .with(app.jwtauth.clone());
            let site = Site::serving(app, routes).await;
            let before = site.login("bob").await;
            for cookies in [String::new(), before.cookies()] {
                let headers = [("cookie", &*cookies)];
                let answer =
                    site.ask(Method::POST, "/in/carol", if cookies.is_empty() { &[] } else { &headers });
                let answer = answer.await;
                assert_eq!(answer.status(), StatusCode::OK, "grace {grace}, {cookies}");
                let pair = Tokens::of(answer.headers());
                assert_eq!(answer.text().await.unwrap(), "true");
                assert_eq!(site.get("/me", &[("cookie", &pair.cookies())]).await.status(), 200);
            }
            let pair = site.login("dave").await;
            site.app.clock.advance(Duration::from_secs(301));
            let answer = site.ask(Method::POST, "/again", &[("cookie", &pair.cookies())]).await;
            assert_eq!(answer.status(), StatusCode::OK, "grace {grace}");
            let next = Tokens::of(answer.headers());
            assert_eq!(site.generation("dave").await, 1, "spent once");
            assert_eq!(claims(&next.access)["roles"], json!(["clerk"]), "as the user is by now");
            assert_eq!(site.get("/me", &[("cookie", &next.cookies())]).await.status(), 200);
            // The answer has left, and its window closes like any other.
            site.app.clock.advance(Duration::from_secs(31));
            let spent = site.ask(Method::POST, "/refresh", &[("cookie", &pair.only_refresh())]).await;
            assert_eq!(spent.status(), StatusCode::UNAUTHORIZED, "grace {grace}");
        }
    });
}

/// N-28: what a refresh has brought may have left with another answer, so what says something else has an id and a
/// record of its own.
#[test]
fn n_28_tokens_that_another_request_has_are_not_written_again_under_their_id() {
    bounded(async {
        let app = TestApp::with(TestStore::new(), tests::app::with_registry);
        let routes = Route::new()
            .at("/beside", post(refresh_beside_another))
            .nest("/", app.endpoint())
            .with(app.jwtauth.clone());
        let site = Site::serving(app, routes).await;
        let pair = site.login("dave").await;
        site.app.clock.advance(Duration::from_secs(301));
        let answer = site.ask(Method::POST, "/beside", &[("cookie", &pair.cookies())]).await;
        assert_eq!(answer.status(), StatusCode::OK);
        let own = Tokens::of(answer.headers());
        let other = answer.text().await.unwrap();
        assert_ne!(own.access, other);
        let ids = [&other, &own.access].map(|token| claims(token)["jti"].clone());
        assert_ne!(ids[0], ids[1]);
        assert_eq!(claims(&own.access)["roles"], json!(["clerk"]));
        assert_eq!(site.generation("dave").await, 1, "nothing was spent for it");
        let sessions = site.app.jwtauth.sessions();
        let mut recorded = sessions.tokens(own.session()).await.unwrap();
        recorded.retain(|token| token.is_active_at(sessions.now()));
        for (id, token) in ids.iter().zip([&other, &own.access]) {
            assert!(recorded.iter().any(|token| json!(token.id.to_string()) == *id), "{id}");
            let bearer = format!("Bearer {token}");
            assert_eq!(site.get("/me", &[("authorization", &bearer)]).await.status(), 200);
        }
        assert_eq!(site.get("/me", &[("cookie", &own.cookies())]).await.status(), 200);
    });
}
