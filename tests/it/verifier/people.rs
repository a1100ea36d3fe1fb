//! Who is calling, as every argument that a service which only verifies may take.

use super::*;

/// A customer of the shop, found by the subject of the issuer.
#[derive(Clone)]
struct Customer {
    id: u64,
    name: &'static str,
}

/// The table of the shop, and how often it was asked.
#[derive(Clone, Default)]
pub(super) struct Customers(Arc<AtomicUsize>);

impl AuthUser for Customer {
    type Store = Customers;

    fn subject(&self) -> String {
        self.id.to_string()
    }

    fn is_active(&self) -> bool {
        self.name != "blocked"
    }

    async fn load(customers: &Customers, who: &Identity) -> Result<Option<Self>, BoxError> {
        customers.0.fetch_add(1, SeqCst);
        // What the token says is at hand as well.
        assert_eq!(who.token().unwrap().subject(), who.subject());
        let name = match who.parse_subject()? {
            1 => "Alice of the shop",
            2 => "blocked",
            3 => return Err("the database said: no route".into()),
            _ => return Ok(None),
        };
        Ok(Some(Self { id: who.parse_subject()?, name }))
    }
}

#[require_auth]
async fn token(user: TokenUser) -> String {
    format!("{} {:?}", user.subject(), user.roles())
}

#[handler]
async fn maybe_token(MaybeUser(user): MaybeUser<TokenUser>) -> String {
    user.map_or("nobody".into(), |user| user.subject().to_owned())
}

#[handler]
async fn maybe_anybody(MaybeUser(who): MaybeUser) -> String {
    who.map_or("nobody".into(), |who| who.subject().to_owned())
}

#[require_auth(optional)]
async fn optional_token(user: Option<TokenUser>) -> String {
    user.map_or("nobody".into(), |user| user.subject().to_owned())
}

#[require_auth]
async fn as_identity(who: &Identity) -> String {
    assert_eq!((who.token_source(), who.session()), (TokenSource::Bearer, None));
    format!("{} {:?} {:?} {}", who.subject(), who.roles(), who.scopes(), who.auth_time())
}

#[require_auth]
async fn member(customer: CurrentUser<Customer>, again: CurrentUser<Customer>, user: TokenUser) -> String {
    assert_eq!((customer.id.to_string(), again.name), (user.subject().to_owned(), customer.name));
    customer.name.to_owned()
}

#[require_auth(optional)]
async fn optional_member(customer: Option<CurrentUser<Customer>>) -> &'static str {
    customer.map_or("nobody", |customer| customer.name)
}

#[handler]
async fn maybe_member(MaybeUser(customer): MaybeUser<Customer>) -> &'static str {
    customer.map_or("nobody", |customer| customer.name)
}

async fn is_customer(customer: CurrentUser<Customer>, who: &Identity, user: TokenUser) -> bool {
    customer.name.starts_with("Alice") && who.session_id() == user.session_id()
}

#[require_auth(check = is_customer)]
async fn checked() -> &'static str {
    "for customers"
}

#[handler]
async fn above(user: TokenUser, who: &Identity) -> String {
    format!("{} {}", user.subject(), who.subject())
}

pub(super) fn routes() -> Route {
    Route::new()
        .at("/token", get(token))
        .at("/maybe-token", get(maybe_token))
        .at("/maybe", get(maybe_anybody))
        .at("/optional-token", get(optional_token))
        .at("/identity", get(as_identity))
        .at("/member", get(member))
        .at("/optional-member", get(optional_member))
        .at("/maybe-member", get(maybe_member))
        .at("/checked", get(checked))
        .at("/plain-handler", get(above))
        .at("/claims", get(reads_claims))
}

#[test]
fn s_52_s_53_who_is_calling_comes_in_every_form_behind_a_verifier() {
    bounded(async {
        let issuer = issuer();
        let customers = Customers::default();
        let alice = bearer(&issuer, 1, &["admin"], &["stock:read", "stock:write"]).await;
        let app = routes().data(customers.clone()).with(verifier(&issuer)).boxed();
        let service = Service::new(app);
        let identity = format!(r#"1 ["admin"] ["stock:read", "stock:write"] {}"#, tests::app::START);
        for (path, as_alice, as_stranger) in [
            ("/token", r#"1 ["admin"]"#, None),
            ("/maybe-token", "1", Some("nobody")),
            ("/maybe", "1", Some("nobody")),
            ("/optional-token", "1", Some("nobody")),
            ("/identity", &*identity, None),
            ("/member", "Alice of the shop", None),
            ("/optional-member", "Alice of the shop", Some("nobody")),
            ("/maybe-member", "Alice of the shop", Some("nobody")),
            ("/checked", "for customers", None),
            ("/plain-handler", "1 1", None),
        ] {
            let before = customers.0.load(SeqCst);
            let answer = service.get(path, &alice).await;
            assert_eq!((answer.status, &*answer.body), (200, as_alice), "{path}");
            assert!(customers.0.load(SeqCst) - before <= 1, "{path}: loaded once");
            let answer = service.get(path, "").await;
            match as_stranger {
                Some(body) => assert_eq!((answer.status, &*answer.body), (200, body), "{path}"),
                None => assert_eq!((answer.status, &*answer.code()), (401, "not_authenticated"), "{path}"),
            }
            assert_eq!(service.get(path, "Bearer x").await.status, 401, "{path}");
        }
        // Not active, out of reach, unknown to the shop.
        for (id, expected, maybe) in [
            (2, (401, "user_inactive"), Ok("nobody")),
            (3, (503, "store_unavailable"), Err(503)),
            (4, (401, "user_not_found"), Ok("nobody")),
        ] {
            let somebody = bearer(&issuer, id, &[], &[]).await;
            for path in ["/member", "/checked"] {
                let answer = service.get(path, &somebody).await;
                assert_eq!((answer.status, &*answer.code()), expected, "{path} {id}");
                assert_eq!(answer.header("set-cookie"), None, "{path} {id}");
            }
            for path in ["/optional-member", "/maybe-member"] {
                let answer = service.get(path, &somebody).await;
                match maybe {
                    Ok(body) => assert_eq!((answer.status, &*answer.body), (200, body), "{path} {id}"),
                    Err(status) => assert_eq!(answer.status, status, "{path} {id}"),
                }
            }
        }
    });
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    token_type: String,
    sid: String,
    exp: u64,
    shelf: u32,
    nickname: Option<String>,
}

#[derive(Debug, Deserialize)]
struct OtherClaims {
    #[expect(dead_code, reason = "no token has it")]
    tenant: String,
}

#[require_auth]
async fn reads_claims(user: TokenUser) -> Result<String> {
    let OtherClaims { .. } = user.claims_as()?;
    Ok("never".into())
}

/// Claims come as a type of the application's own, and one that does not fit is the token's fault, not the server's.
#[test]
fn s_54_claims_come_as_a_type_of_the_applications_own() {
    logged(async |log| {
        let issuer = TestApp::with(MemoryStore::new(), |builder| {
            builder
                .key(Key::from_pem(P256).unwrap())
                .access_claims(|_| async { Ok::<_, BoxError>(serde_json::json!({"shelf": 7})) })
        });
        let alice = bearer(&issuer, 1, &[], &[]).await;
        let user = verifier(&issuer).verify(alice.strip_prefix("Bearer ").unwrap()).await.unwrap();
        let claims: Claims = user.claims_as().unwrap();
        assert_eq!((&*claims.sub, &*claims.token_type), ("1", "access"));
        assert_eq!((claims.shelf, claims.nickname), (7, None));
        assert_eq!((claims.sid, claims.exp), (user.session_id().to_string(), user.expires_at()));
        let expected = std::any::type_name::<OtherClaims>();
        assert_eq!(user.claims_as::<OtherClaims>().unwrap_err(), TokenError::Claims { expected });

        let service = Service::new(routes().with(verifier(&issuer)).boxed());
        let answer = service.get("/claims", &alice).await;
        assert_eq!((answer.status, &*answer.code()), (401, "token_not_valid"));
        assert!(!answer.body.contains("tenant") && !answer.body.contains("Claims"), "{}", answer.body);
        let log = log.text();
        assert!(log.contains("missing field `tenant`") && log.contains("OtherClaims"), "{log}");
    });
}
