//! The guard of an operation: before everything, with the conditions of block and method.

use super::*;
use futures_util::stream;
use poem::Request;
use std::task::Poll;

/// Counts how often an operation, and how often a middleware of an application's own, has run.
#[derive(Default)]
struct Counts {
    operations: AtomicUsize,
    middleware: AtomicUsize,
}

struct Api {
    counts: Arc<Counts>,
}

fn counted(endpoint: impl Endpoint) -> impl Endpoint {
    endpoint.before(|request: Request| async {
        if let Some(counts) = request.data::<Arc<Counts>>() {
            counts.middleware.fetch_add(1, Ordering::SeqCst);
        }
        Ok(request)
    })
}

fn knows_the_word(request: &Request) -> bool {
    request.header("x-word") == Some("sesame")
}

fn word(word: TheWord) -> bool {
    word.0
}

struct TheWord(bool);

impl<'a> poem::FromRequest<'a> for TheWord {
    async fn from_request(request: &'a Request, _: &mut poem::RequestBody) -> Result<Self> {
        Ok(Self(knows_the_word(request)))
    }
}

#[require_auth(role = "admin")]
#[OpenApi]
impl Api {
    fn ran(&self) -> PlainText<String> {
        PlainText(self.counts.operations.fetch_add(1, Ordering::SeqCst).to_string())
    }

    #[oai(path = "/body-first/:id", method = "post")]
    async fn body_first(&self, _body: Json<Vec<u64>>, _id: Path<u64>, _user: User) -> PlainText<String> {
        self.ran()
    }

    #[oai(path = "/user-first/:id", method = "post", transform = "counted")]
    async fn user_first(&self, _user: User, _id: Path<u64>, _body: Json<Vec<u64>>) -> PlainText<String> {
        self.ran()
    }

    #[require_auth(role = "night")]
    #[oai(path = "/both", method = "get")]
    async fn both(&self) -> PlainText<String> {
        self.ran()
    }

    #[require_auth(check = word)]
    #[oai(path = "/word", method = "get")]
    async fn word(&self) -> PlainText<String> {
        self.ran()
    }

    #[require_auth(fresh = "5m")]
    #[oai(path = "/fresh", method = "get")]
    async fn fresh(&self) -> PlainText<String> {
        self.ran()
    }

    #[require_auth(csrf = false)]
    #[oai(path = "/hook", method = "post")]
    async fn hook(&self) -> PlainText<String> {
        self.ran()
    }

    #[public]
    #[oai(path = "/public", method = "get", method = "post", transform = "counted")]
    async fn public(&self) -> PlainText<String> {
        self.ran()
    }
}

fn api() -> (Arc<Counts>, Api) {
    let counts = Arc::new(Counts::default());
    (Arc::clone(&counts), Api { counts })
}

/// A body that never comes to an end, and counts how often somebody asks for more of it.
fn endless(polls: &Arc<AtomicUsize>) -> Body {
    let polls = Arc::clone(polls);
    Body::from_bytes_stream(stream::poll_fn(move |context| {
        polls.fetch_add(1, Ordering::SeqCst);
        context.waker().wake_by_ref();
        Poll::Ready(Some(Ok::<_, std::io::Error>(&b"["[..])))
    }))
}

#[test]
fn h_11_nobody_is_refused_after_a_parameter_or_the_body_was_read() {
    bounded(async {
        let app = TestApp::new();
        let (alice, bob) = (login(&app, "alice").await, login(&app, "bob").await);
        let (counts, api) = api();
        let client = client(&app, api);
        for order in ["body-first", "user-first"] {
            for (tokens, status) in [(None, 401), (Some(&bob), 403)] {
                // Neither a body that is no JSON, nor none, nor a parameter that is no number is looked at.
                for (id, body) in [("1", "{ no json"), ("1", ""), ("one", "[1]"), ("1", "[1]")] {
                    let request = client.post(format!("/{order}/{id}")).content_type("application/json");
                    let answered = answer(request.body(body), tokens).await;
                    assert_eq!(answered.status(), status, "{order} {id} {body}");
                }
                let polls = Arc::new(AtomicUsize::new(0));
                let request = client.post(format!("/{order}/1")).content_type("application/json");
                let answered = answer(request.body(endless(&polls)), tokens).await;
                assert_eq!(answered.status(), status, "{order}");
                assert_eq!(polls.load(Ordering::SeqCst), 0, "{order}: the body was read");
            }
            // The other half: these are what the operation reads.
            for (id, body, status) in [("1", "{ no json", 400), ("one", "[1]", 400), ("1", "[1]", 200)] {
                let request = client.post(format!("/{order}/{id}")).content_type("application/json");
                assert_eq!(
                    answer(request.body(body), Some(&alice)).await.status(),
                    status,
                    "{order} {id} {body}"
                );
            }
        }
        assert_eq!(counts.operations.load(Ordering::SeqCst), 2);
    });
}

#[test]
fn conditions_of_block_and_method_both_hold() {
    bounded(async {
        let app = TestApp::new();
        let tokens = login(&app, "bob").await;
        let client = client(&app, api().1);
        for (roles, both, word) in [
            (&[][..], 403, 403),
            (&["admin"], 403, 200),
            (&["night"], 403, 403),
            (&["admin", "night"], 200, 200),
        ] {
            let roles = roles.iter().map(ToString::to_string).collect();
            app.jwtauth.sessions().update_user(&User { name: "bob".into(), roles }).await.unwrap();
            assert_eq!(answer(client.get("/both"), Some(&tokens)).await.status(), both);
            let asked = client.get("/word").header("x-word", "sesame");
            assert_eq!(answer(asked, Some(&tokens)).await.status(), word);
            assert_eq!(answer(client.get("/word"), Some(&tokens)).await.status(), 403, "the check holds too");
        }
        for path in ["/both", "/word", "/fresh"] {
            assert_eq!(answer(client.get(path), None).await.status(), 401, "{path}");
        }
    });
}

#[test]
fn a_fresh_login_is_asked_for() {
    bounded(async {
        let app = TestApp::new();
        let alice = login(&app, "alice").await;
        let client = client(&app, api().1);
        for (seconds, expected) in [(300, 200), (301, 401)] {
            app.clock.set(START + seconds);
            let answered = answer(client.get("/fresh"), Some(&alice)).await;
            assert_eq!(answered.status(), expected, "after {seconds} seconds");
        }
    });
}

#[test]
fn public_is_open_and_nothing_else_is() {
    bounded(async {
        let app = TestApp::new();
        let (counts, api) = api();
        let client = client(&app, api);
        assert_eq!(answer(client.get("/public"), None).await.status(), 200);
        assert_eq!(
            answer(client.post("/public").header("sec-fetch-site", "cross-site"), None).await.status(),
            200
        );
        assert_eq!(counts.operations.load(Ordering::SeqCst), 2);
        for path in ["/both", "/word", "/fresh"] {
            assert_eq!(answer(client.get(path), None).await.status(), 401, "{path}");
            assert_eq!(answer(client.head(path), None).await.status(), 401, "{path}");
        }
        assert_eq!(counts.operations.load(Ordering::SeqCst), 2);
    });
}

#[test]
fn a_transform_of_the_applications_own_runs_behind_the_guard() {
    bounded(async {
        let app = TestApp::new();
        let alice = login(&app, "alice").await;
        let (counts, api) = api();
        let routes = Route::new().nest("/", OpenApiService::new(api, "Test", "1"));
        let client = TestClient::new(routes.data(Arc::clone(&counts)).with(app.jwtauth.clone()));
        let ran = || counts.middleware.load(Ordering::SeqCst);
        let post = || client.post("/user-first/1").content_type("application/json").body("[1]");
        assert_eq!(answer(post(), None).await.status(), 401);
        assert_eq!(ran(), 0, "the guard is outermost");
        assert_eq!(answer(post(), Some(&alice)).await.status(), 200);
        assert_eq!(ran(), 1);
        assert_eq!(answer(client.get("/public"), None).await.status(), 200);
        assert_eq!(ran(), 2);
    });
}

#[test]
fn h_10_requests_of_other_sites_are_refused_unless_the_operation_takes_them() {
    bounded(async {
        let app = TestApp::new();
        let alice = login(&app, "alice").await;
        let client = client(&app, api().1);
        for (path, expected) in [("/user-first/1", 403), ("/hook", 200)] {
            let request =
                client.post(path).header("sec-fetch-site", "cross-site").content_type("application/json");
            assert_eq!(answer(request.body("[1]"), Some(&alice)).await.status(), expected, "{path}");
        }
    });
}

#[test]
fn h_11_without_the_middleware_there_is_an_error_and_no_pass() {
    logged(async |log| {
        let app = TestApp::new();
        let alice = login(&app, "alice").await;
        let (counts, api) = api();
        let client = TestClient::new(Route::new().nest("/", OpenApiService::new(api, "Test", "1")));
        for tokens in [None, Some(&alice)] {
            let answered = answer(client.get("/both"), tokens).await;
            assert_eq!(answered.status(), 500);
            assert_eq!(code(answered).await, "server_error");
        }
        assert_eq!(counts.operations.load(Ordering::SeqCst), 0);
        let log = log.text();
        let place = "`#[require_auth]` on `it::openapi::access::Api::both` (tests/it/openapi/access.rs:";
        assert!(log.contains(place) && log.contains("add `.with(auth)`"), "{log}");
    });
}

/// The block is the user's own: what is routed are other methods, which call these.
#[test]
fn a_method_can_still_be_called() {
    bounded(async {
        let (counts, api) = api();
        assert_eq!(api.both().await.0, "0");
        assert_eq!(api.public().await.0, "1");
        assert_eq!(counts.operations.load(Ordering::SeqCst), 2);
    });
}
