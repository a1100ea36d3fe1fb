//! A token that ends alone, and the browser that has it.

use super::*;

/// W13: the session of a token that was revoked alone goes on, so its browser keeps the cookies, and gets the next pair as for
/// an access token that has expired.
#[test]
fn w_13_an_access_token_that_ends_alone_logs_nobody_out() {
    bounded(async {
        for is_expired in [false, true] {
            let app = app(tests::app::with_registry);
            let (sessions, tab) = (app.jwtauth.sessions(), Tab::new(&app));
            let pair = tab.login("bob").await;
            let id = claims(&pair.access)["jti"].as_str().unwrap().parse().unwrap();
            assert!(sessions.revoke_token(pair.session(), id).await.unwrap());
            if is_expired {
                app.clock.advance(Duration::from_secs(300));
            }
            let code = if is_expired { "token_expired" } else { "token_not_valid" };
            let bearer = tab.bearer("/me", &pair.access).await;
            assert_eq!((bearer.status.as_u16(), &*bearer.code()), (401, code));
            let alone = tab.get("/me", &pair.only_access()).await;
            assert_eq!((alone.status.as_u16(), &*alone.code(), alone.cookies()), (401, code, Cookies::None));
            let optional = tab.get("/hello", &pair.only_access()).await;
            assert_eq!((&*optional.body, optional.cookies()), ("nobody", Cookies::None));
            let next = tab.get("/me", &pair.cookies()).await.pair();
            assert_eq!(next.session(), pair.session());
            assert_eq!(tab.get("/me", &next.cookies()).await.status, 200);
            assert_eq!(tab.bearer("/me", &pair.access).await.status, 401, "it stays revoked");
            // Two of one session, in two forms of a cookie.
            let again = tab.post("/refresh", &next.cookies()).await.pair();
            for pair in [&next, &again] {
                sessions.revoke_jwt(&pair.access).await.unwrap();
            }
            let twins = format!("{}; {}", next.only_access(), again.only_access());
            let answer = tab.get("/me", &twins).await;
            assert_eq!((answer.status.as_u16(), answer.cookies()), (401, Cookies::None));
            assert_eq!(tab.get("/me", &again.cookies()).await.pair().session(), pair.session());
        }
    });
}
