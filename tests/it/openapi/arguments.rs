//! Who is calling, as an argument of an operation; and blocks of unusual shape.

use super::*;
use jwtauth::Session;
use poem::web::Data;
use poem_openapi::types::{ParseFromJSON, ToJSON};

struct Api;

#[require_auth]
#[OpenApi]
impl Api {
    #[oai(path = "/every", method = "get")]
    async fn every(
        &self,
        user: User,
        current: CurrentUser<User>,
        CurrentUser(inner): CurrentUser<User>,
        identity: CurrentUser,
        who: &Identity,
        session: &Session,
    ) -> PlainText<String> {
        let names =
            [&user.name, &current.name, &inner.name, identity.subject(), who.subject(), &session.subject];
        PlainText(names.join(" "))
    }

    #[oai(path = "/lifetimes", method = "get")]
    async fn lifetimes<'a>(&'a self, who: &'a Identity) -> PlainText<&'static str> {
        PlainText(if who.subject() == "bob" { "bob" } else { "nobody" })
    }

    #[require_auth(optional)]
    #[oai(path = "/option", method = "get")]
    async fn option(
        &self,
        user: Option<User>,
        current: Option<CurrentUser<User>>,
        who: Option<&Identity>,
    ) -> PlainText<String> {
        let names = [
            user.map(|user| user.name),
            current.map(|user| user.0.name),
            who.map(|who| who.subject().into()),
        ];
        PlainText(names.map(|name| name.unwrap_or("nobody".into())).join(" "))
    }

    #[require_auth(optional)]
    #[oai(path = "/member", method = "get")]
    async fn member(
        &self,
        member: Option<CurrentUser<Member>>,
        ran: Data<&Arc<AtomicUsize>>,
    ) -> PlainText<String> {
        ran.fetch_add(1, Ordering::SeqCst);
        PlainText(member.map_or("nobody", |_| "member").into())
    }

    #[public]
    #[oai(path = "/public/member", method = "get")]
    async fn public_member(
        &self,
        ran: Data<&Arc<AtomicUsize>>,
        member: Option<CurrentUser<Member>>,
    ) -> PlainText<String> {
        self.member(member, ran).await
    }
}

#[test]
fn who_is_calling_comes_in_every_form() {
    bounded(async {
        let app = TestApp::new();
        let bob = login(&app, "bob").await;
        let client = client(&app, Api);
        assert_eq!(text(answer(client.get("/every"), Some(&bob)).await).await, "bob bob bob bob bob bob");
        assert_eq!(text(answer(client.get("/option"), Some(&bob)).await).await, "bob bob bob");
        assert_eq!(text(answer(client.get("/lifetimes"), Some(&bob)).await).await, "bob");
        assert_eq!(answer(client.get("/every"), None).await.status(), 401);
        assert_eq!(text(answer(client.get("/option"), None).await).await, "nobody nobody nobody");
        let refused = client.get("/option").header(header::AUTHORIZATION, "Bearer forged");
        assert_eq!(answer(refused, None).await.status(), 401);
    });
}

#[test]
fn r_5_an_outage_never_passes_for_nobody() {
    bounded(async {
        let store = Faulty::default();
        let app = TestApp::with(store.clone(), |builder| builder);
        let bob = login(&app, "bob").await;
        let ran = Arc::new(AtomicUsize::new(0));
        let routes = Route::new().nest("/", OpenApiService::new(Api, "Test", "1"));
        let routes = routes.data(Members::OutOfReach).data(Arc::clone(&ran)).with(app.jwtauth.clone());
        let client = TestClient::new(routes);
        for path in ["/member", "/public/member"] {
            let answered = answer(client.get(path), Some(&bob)).await;
            assert_eq!(answered.status(), 503, "{path}");
            assert_eq!(code(answered).await, "store_unavailable", "{path}");
        }
        store.set(Fault::Error, Fault::Error);
        for path in ["/every", "/option", "/member", "/public/member"] {
            assert_eq!(answer(client.get(path), Some(&bob)).await.status(), 503, "{path}");
        }
        assert_eq!(ran.load(Ordering::SeqCst), 0, "an operation ran for nobody");
        // Nobody is nobody.
        for path in ["/member", "/public/member"] {
            assert_eq!(text(answer(client.get(path), None).await).await, "nobody", "{path}");
        }
    });
}

/// A block with parameters, in a function, with a type that the document shows in place of the real one.
#[test]
fn blocks_of_every_shape_are_guarded() {
    struct Echo<T>(T);

    #[require_auth]
    #[OpenApi(prefix_path = "/v1")]
    impl<T> Echo<T>
    where
        T: ParseFromJSON + ToJSON + Clone + Send + Sync + 'static,
    {
        const WORD: &str = "moved ";

        #[oai(path = "/echo", method = "put", actual_type = "PlainText<String>")]
        async fn r#move(&self, Json(value): Json<T>) -> Binary<String> {
            Binary(format!("{}{}", Self::WORD, value.to_json_string()))
        }

        #[oai(path = "/value", method = "get")]
        async fn value(&self) -> Result<Json<T>, poem::Error> {
            Ok(Json(self.0.clone()))
        }

        #[oai(path = "/nothing", method = "delete")]
        async fn nothing(&self) {}
    }

    bounded(async {
        let app = TestApp::new();
        let bob = login(&app, "bob").await;
        let client = client(&app, Echo(7_u32));
        let put = || client.put("/v1/echo").content_type("application/json").body("5");
        assert_eq!(answer(put(), None).await.status(), 401);
        let put = answer(put(), Some(&bob)).await;
        assert_eq!(put.status(), 200);
        assert_eq!(put.headers()[header::CONTENT_TYPE], "text/plain; charset=utf-8");
        assert_eq!(text(put).await, "moved 5");
        assert_eq!(text(answer(client.get("/v1/value"), Some(&bob)).await).await, "7");
        assert_eq!(answer(client.delete("/v1/nothing"), None).await.status(), 401);
        assert_eq!(answer(client.delete("/v1/nothing"), Some(&bob)).await.status(), 200);
    });
}

struct Bodies;

#[require_auth]
#[OpenApi]
impl Bodies {
    #[oai(path = "/body-first", method = "post")]
    async fn body_first(&self, body: Json<Vec<u8>>, member: CurrentUser<Member>) {
        let _ = (body, member);
    }

    #[oai(path = "/of-request", method = "post")]
    async fn of_request<'a>(&'a self, body: Json<Vec<u8>>, who: &'a Identity, member: CurrentUser<Member>) {
        let _ = (self, body, who, member);
    }
}

struct Boxes<T, const N: usize>([T; N]);

#[require_auth]
#[OpenApi]
impl<T: Clone + Send + Sync + 'static, const N: usize> Boxes<T, N> {
    #[oai(path = "/of-box", method = "post")]
    async fn of_box(&self, body: Json<Vec<u8>>, count: Data<&[T; N]>, member: CurrentUser<Member>) {
        let _ = (&self.0, body, count, member);
    }
}

#[test]
fn n_14_a_caller_who_is_gone_is_refused_before_an_operation_reads_the_body() {
    bounded(async {
        let app = TestApp::new();
        let bob = login(&app, "bob").await;
        let routes = Route::new()
            .nest("/", OpenApiService::new((Bodies, Boxes([1_u8; 2])), "Test", "1"))
            .data(Members::Gone);
        let client = TestClient::new(routes.with(app.jwtauth.clone()));
        for path in ["/body-first", "/of-request", "/of-box"] {
            let request = client.post(path).content_type("application/json").body("no json");
            let answered = answer(request, Some(&bob)).await;
            assert_eq!(
                (answered.status().as_u16(), &*code(answered).await),
                (401, "user_not_found"),
                "{path}"
            );
        }
    });
}
