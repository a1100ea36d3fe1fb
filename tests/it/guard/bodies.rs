//! Strangers are refused before anything of the body is read.

use super::*;

/// A body that never comes to an end, and counts how often somebody asks for more of it.
pub(super) fn endless(polls: &Arc<AtomicUsize>) -> Body {
    let polls = Arc::clone(polls);
    Body::from_bytes_stream(stream::poll_fn(move |context| {
        polls.fetch_add(1, Ordering::SeqCst);
        context.waker().wake_by_ref();
        Poll::Ready(Some(Ok::<_, std::io::Error>(&b"["[..])))
    }))
}

#[require_auth]
async fn takes_json(Json(body): Json<String>) -> String {
    body
}

#[require_auth]
#[handler]
async fn takes_json_above_handler(Json(body): Json<String>) -> String {
    body
}

#[require_auth(role = "admin")]
async fn takes_json_of_admins(user: User, Json(body): Json<String>) -> String {
    format!("{} {body}", user.name)
}

#[require_auth]
#[handler]
async fn takes_text(body: String) -> String {
    body
}

/// A user who is gone.
#[derive(Clone)]
struct Gone;

impl AuthUser for Gone {
    type Store = ();

    fn subject(&self) -> String {
        "gone".into()
    }

    async fn load((): &(), _: &Identity) -> std::result::Result<Option<Self>, BoxError> {
        Ok(None)
    }
}

/// An argument of the application's own that refuses.
struct Never;

impl<'a> poem::FromRequest<'a> for Never {
    async fn from_request(_: &'a Request, _: &mut poem::RequestBody) -> Result<Self> {
        Err(poem::Error::from_status(StatusCode::FORBIDDEN))
    }
}

type Somebody = CurrentUser<Gone>;

#[require_auth]
async fn body_then_user(Json(_): Json<String>, _: CurrentUser<Gone>) {}

#[require_auth]
async fn text_then_alias(_: String, _: Data<&u8>, _: Somebody) {}

#[require_auth(redirect = "/login")]
#[handler]
async fn result_then_user(_: Result<Json<String>>, CurrentUser(_): CurrentUser<Gone>) {}

#[require_auth]
async fn generic_then_user<T: for<'a> poem::FromRequest<'a> + Send + Sync + 'static>(
    _: T,
    _: CurrentUser<Gone>,
) {
}

#[require_auth]
async fn body_then_own(_: Json<String>, _: Never) {}

#[require_auth]
async fn body_then_caller(
    body: Json<String>,
    who: &Identity,
    session: &Session,
    user: User,
    id: CurrentUser,
) -> String {
    format!("{} {} {} {} {}", body.0, who.subject(), session.subject, user.name, id.subject())
}

/// Whoever refuses is asked first, wherever it stands among the arguments.
#[test]
fn n_14_a_caller_who_is_gone_is_refused_before_the_body_is_read() {
    bounded(async {
        let app = TestApp::new();
        let bob = login(&app, "bob").await.cookies();
        let routes = Route::new()
            .at("/json", post(body_then_user))
            .at("/text", post(text_then_alias))
            .at("/result", post(result_then_user))
            .at("/generic", post(generic_then_user::<Json<String>>::default()))
            .at("/own", post(body_then_own))
            .at("/caller", post(body_then_caller))
            .data(7_u8);
        let client = TestClient::new(routes.with(app.jwtauth.clone()));
        let cases = [("/json", 401), ("/text", 401), ("/result", 401), ("/generic", 401), ("/own", 403)];
        for (path, status) in cases {
            let polls = Arc::new(AtomicUsize::new(0));
            let request = client.post(path).content_type("application/json").body(endless(&polls));
            assert_eq!(answer(request, Some(&bob)).await.status(), status, "{path}");
            assert_eq!(polls.load(Ordering::SeqCst), 0, "{path}: the body was read");
        }
        let request = client.post("/caller").content_type("application/json").body("\"hello\"");
        assert_eq!(text(answer(request, Some(&bob)).await).await, "hello bob bob bob bob");
    });
}

fn bodies() -> Route {
    Route::new()
        .at("/alone", post(takes_json))
        .at("/above", post(takes_json_above_handler))
        .at("/admin", post(takes_json_of_admins))
        .at("/text", post(takes_text))
}

#[test]
fn h_11_a_stranger_is_refused_before_the_body_is_read() {
    bounded(async {
        let app = TestApp::new();
        let bob = login(&app, "bob").await;
        let client = client(&app, bodies());
        for path in ["/alone", "/above", "/admin", "/text"] {
            for body in ["{ no json", ""] {
                let request = client.post(path).content_type("application/json").body(body);
                assert_eq!(answer(request, None).await.status(), 401, "{path} {body}");
            }
            let polls = Arc::new(AtomicUsize::new(0));
            let request = client.post(path).content_type("application/json").body(endless(&polls));
            assert_eq!(answer(request, None).await.status(), 401, "{path}");
            assert_eq!(polls.load(Ordering::SeqCst), 0, "{path}: the body was read");
        }
        // Nor is it read for somebody without the role.
        let polls = Arc::new(AtomicUsize::new(0));
        let request = client.post("/admin").content_type("application/json").body(endless(&polls));
        assert_eq!(answer(request, Some(&bob.cookies())).await.status(), 403);
        assert_eq!(polls.load(Ordering::SeqCst), 0);
    });
}

/// The other half of the test above: the body is one that a handler reads, and cannot parse.
#[test]
fn h_11_a_user_has_the_body_read() {
    bounded(async {
        let app = TestApp::new();
        let bob = login(&app, "bob").await;
        let client = client(&app, bodies());
        let request = client.post("/alone").content_type("application/json").body("{ no json");
        assert_eq!(answer(request, Some(&bob.cookies())).await.status(), 400);
        let polls = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&polls);
        let once = stream::poll_fn(move |_| {
            let first = counted.fetch_add(1, Ordering::SeqCst) == 0;
            Poll::Ready(first.then_some(Ok::<_, std::io::Error>(&b"\"hello\""[..])))
        });
        let request =
            client.post("/alone").content_type("application/json").body(Body::from_bytes_stream(once));
        let answered = answer(request, Some(&bob.cookies())).await;
        assert_eq!(text(answered).await, "hello");
        assert!(polls.load(Ordering::SeqCst) > 0);
    });
}

#[test]
fn h_11_over_http_a_stranger_is_refused_while_the_body_is_still_to_come() {
    bounded(async {
        let app = TestApp::new();
        let bob = login(&app, "bob").await;
        let served = serve(bodies().with(app.jwtauth.clone())).await;
        let head = |cookies: &str| {
            format!(
                "POST /text HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\n\
                 Content-Length: 1000000000\r\n{cookies}\r\n"
            )
        };
        let refused = send(&served.url, head("").as_bytes(), true).await.unwrap();
        assert_eq!(status(&refused), 401);
        // A user's body is waited for.
        let cookies = format!("Cookie: {}\r\n", bob.cookies());
        let head = head(&cookies);
        let waits = send(&served.url, head.as_bytes(), true);
        let waited = tokio::time::timeout(std::time::Duration::from_millis(300), waits).await;
        assert!(waited.is_err(), "{waited:?}");
    });
}
