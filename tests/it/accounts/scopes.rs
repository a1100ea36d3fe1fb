//! The scopes of accounts, which come from their roles: in logins, guards and API keys, and when a role goes.

use std::sync::Arc;

use jwtauth::api_keys::ApiKeyRequest;
use jwtauth::error::ApiKeyError;
use jwtauth::{ApiKeyConfig, JwtAuthBuilder, require_auth};
use poem::test::TestClient;
use poem::{EndpointExt as _, Route, get, post};
use tests::bounded;
use tests::wire::claims;

use super::*;

#[require_auth(scope = "notes:read")]
async fn read(account: Account) -> String {
    account.scopes.join(" ")
}

#[require_auth(scope = "notes:write")]
async fn write(account: Account) -> String {
    account.name
}

fn scopes() -> AccountsConfig {
    let config = AccountsConfig::default().hashers(1);
    config.scopes_of("reader", ["notes:read"]).scopes_of("editor", ["notes:read", "notes:write"])
}

fn set(builder: JwtAuthBuilder) -> JwtAuthBuilder {
    builder.accounts(scopes()).api_keys(ApiKeyConfig::default())
}

/// What a bearer is answered by both.
async fn status(app: &TestApp, token: &str) -> [u16; 2] {
    let routes = Route::new().at("/read", get(read)).at("/write", post(write));
    let client = TestClient::new(routes.with(app.jwtauth.clone()));
    let token = format!("Bearer {token}");
    let reading = client.get("/read").header("authorization", &token).send().await.0.status();
    let writing = client.post("/write").header("authorization", &token).send().await.0.status();
    [reading.as_u16(), writing.as_u16()]
}

/// K-9: a login carries the scopes of its roles, and they go and come with the role, in the same login.
#[test]
fn k_9_a_login_has_the_scopes_of_its_roles() {
    bounded(async {
        let app = TestApp::with(TestStore::new(), set);
        let account = register(&app, "ann").await;
        assert!(account.scopes.is_empty());
        let account = accounts(&app).set_roles(account.id, ["editor", "reader", "admin"]).await.unwrap();
        assert_eq!(account.scopes, ["notes:read", "notes:write"]);
        let account = verify(&app, "ann", PASSWORD).await.unwrap();
        let login = app.jwtauth.sessions().login(&account, Device::default()).await.unwrap();
        assert_eq!(claims(login.access())["scope"], "notes:read notes:write");
        assert_eq!(status(&app, login.access()).await, [200, 200]);
        accounts(&app).remove_role(account.id, "editor").await.unwrap();
        assert_eq!(status(&app, login.access()).await, [200, 403], "`reader` has the one still");
        accounts(&app).set_roles(account.id, Vec::<String>::new()).await.unwrap();
        assert_eq!(status(&app, login.access()).await, [403, 403]);
        let again = accounts(&app).add_role(account.id, "editor").await.unwrap();
        assert_eq!((again.scopes.len(), status(&app, login.access()).await), (2, [200, 200]));
        assert_eq!(accounts(&app).by_name("ann").await.unwrap().unwrap(), again);
        assert_eq!(accounts(&app).list(None, 9).await.unwrap(), [again]);
    });
}

/// K-9: the ready-made routes show them, with those of a role that was given since the login.
#[test]
fn k_9_the_routes_show_the_scopes_of_an_account() {
    bounded(async {
        let app = TestApp::with(TestStore::new(), set);
        let routes = Route::new().nest("/auth", app.jwtauth.account_routes().unwrap());
        let client = TestClient::new(routes.with(app.jwtauth.clone()));
        let form = serde_json::json!({"username": "ann", "password": PASSWORD});
        let made = client.post("/auth/register").body_json(&form).send().await.json().await;
        assert!(made.value().object().get("scopes").string_array().is_empty());
        let account = accounts(&app).by_name("ann").await.unwrap().unwrap();
        accounts(&app).set_roles(account.id, ["reader"]).await.unwrap();
        let login = client.post("/auth/obtain").body_json(&form).send().await.json().await;
        let user = login.value().object().get("user").object();
        assert_eq!(user.get("scopes").string_array(), ["notes:read"]);
        let account = accounts(&app).by_name("ann").await.unwrap().unwrap();
        let login = app.jwtauth.sessions().login(&account, Device::default()).await.unwrap();
        accounts(&app).set_roles(account.id, ["editor"]).await.unwrap();
        let bearer = format!("Bearer {}", login.access());
        let me = client.get("/auth/me").header("authorization", bearer).send().await.json().await;
        assert_eq!(me.value().object().get("scopes").string_array(), ["notes:read", "notes:write"]);
    });
}

/// K-9, K-4: a key has the scopes that it was given, no other ones, and never more than its owner.
#[test]
fn k_9_k_4_keys_have_some_of_the_scopes_of_an_account() {
    bounded(async {
        let app = TestApp::with(TestStore::new(), set);
        let account = register(&app, "ann").await;
        let account = accounts(&app).set_roles(account.id, ["editor"]).await.unwrap();
        let make = async |account: &Account, scopes: &[&str]| {
            let request =
                scopes.iter().fold(ApiKeyRequest::new("ci"), |request, scope| request.scope(*scope));
            app.jwtauth.sessions().create_api_key(account, request).await
        };
        let reads = make(&account, &["notes:read"]).await.unwrap();
        let both = make(&account, &["notes:read", "notes:write"]).await.unwrap();
        let nothing = make(&account, &[]).await.unwrap();
        let refused = make(&account, &["notes:delete"]).await.unwrap_err();
        assert!(matches!(refused, ApiKeyError::Right { kind: "scope", .. }), "{refused}");
        let answers = async || {
            let [reads, both, nothing] = [&reads, &both, &nothing].map(|key| status(&app, key.secret()));
            [reads.await, both.await, nothing.await]
        };
        assert_eq!(answers().await, [[200, 403], [200, 200], [403, 403]]);
        accounts(&app).set_roles(account.id, ["reader"]).await.unwrap();
        assert_eq!(answers().await, [[200, 403], [200, 403], [403, 403]]);
        accounts(&app).set_roles(account.id, ["editor"]).await.unwrap();
        assert_eq!(answers().await, [[200, 403], [200, 200], [403, 403]]);
        // One who had the role a moment ago makes no key with it.
        let before = accounts(&app).by_name("ann").await.unwrap().unwrap();
        accounts(&app).set_roles(account.id, ["reader"]).await.unwrap();
        assert!(make(&before, &["notes:write"]).await.is_err());
    });
}

/// K-9, K-7: who changes accounts without the server takes no scopes away, and gives those of the server.
#[test]
fn k_9_k_7_the_scopes_of_the_server_stand_in_the_store() {
    bounded(async {
        let store: Arc<dyn SessionStore> = Arc::new(TestStore::new());
        let build = |config: AccountsConfig| {
            let builder = JwtAuth::builder().secret(tests::app::SECRET).accounts(config);
            builder.build_on(Arc::clone(&store)).unwrap()
        };
        let server = build(scopes());
        let kept = async || AccountsConfig::default().scopes_kept_in(Arc::clone(&store)).await.unwrap();
        let account = server.accounts().unwrap().register("ann", PASSWORD).await.unwrap();
        let account = server.accounts().unwrap().set_roles(account.id, ["editor"]).await.unwrap();
        let login = server.sessions().login(&account, Device::default()).await.unwrap();
        let mut config = kept().await;
        while format!("{config:?}").contains("RoleScopes({})") {
            tokio::time::sleep(Duration::from_millis(2)).await;
            config = kept().await;
        }
        drop(server);
        let program = build(config);
        let changed = program.accounts().unwrap().add_role(account.id, "guest").await.unwrap();
        assert_eq!(changed.scopes, ["notes:read", "notes:write"]);
        let session = program.sessions().find(login.session.id).await.unwrap().unwrap();
        assert_eq!(session.scopes, ["notes:read", "notes:write"]);
    });
}

#[test]
fn k_9_what_is_no_scope_is_refused_at_the_start() {
    let build =
        |config| JwtAuth::builder().secret(tests::app::SECRET).accounts(config).build(TestStore::new());
    let refused = build(AccountsConfig::default().scopes_of("editor", ["notes:read, notes:write"]));
    let text = refused.unwrap_err().to_string();
    assert!(text.contains("AccountsConfig::scopes_of") && text.contains("notes:read, notes:write"), "{text}");
    assert!(build(AccountsConfig::default().scopes_of("a,b", ["notes:read"])).is_err());
}
