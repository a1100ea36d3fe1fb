//! Keys of accounts: what happens to them when their owner changes.

use jwtauth::{Account, Accounts, AccountsConfig};

use super::*;

const PASSWORD: &str = "through the looking glass";

struct Owned {
    jwtauth: JwtAuth,
    client: TestClient<BoxEndpoint<'static, Response>>,
    account: Account,
    login: String,
    key: String,
}

impl Owned {
    /// An account with two roles that is logged in, and has a key with one of them.
    async fn new(store: impl SessionStore) -> Self {
        let set = |builder: JwtAuthBuilder| {
            builder.api_keys(ApiKeyConfig::default()).accounts(AccountsConfig::default().hashers(1))
        };
        let TestApp { jwtauth, .. } = TestApp::with(store, set);
        let accounts = jwtauth.accounts().unwrap();
        let account = accounts.register("olga", PASSWORD).await.unwrap();
        let account = accounts.set_roles(account.id, ["admin", "editor"]).await.unwrap();
        let app = Route::new()
            .nest("/auth", jwtauth.account_routes().unwrap().body_tokens())
            .nest("/account", jwtauth.pages().unwrap())
            .nest("/admin-pages", jwtauth.admin_pages().unwrap())
            .at("/who", get(whose))
            .at("/admin", get(admin))
            .with(jwtauth.clone())
            .boxed();
        let client = TestClient::new(app);
        let mut owned = Self { jwtauth, client, account, login: String::new(), key: String::new() };
        let form = json!({ "username": "olga", "password": PASSWORD });
        owned.login = owned.post("/auth/obtain", "", form).await.1["access"].as_str().unwrap().into();
        let wanted = json!({ "name": "ci", "roles": ["admin"] });
        let (status, made) = owned.post("/auth/api-keys", &owned.login, wanted).await;
        assert_eq!(status, 201, "{made}");
        owned.key = made["secret"].as_str().unwrap().into();
        assert_eq!((owned.status("/who").await, owned.status("/admin").await), (200, 200));
        owned
    }

    fn accounts(&self) -> &Accounts {
        self.jwtauth.accounts().unwrap()
    }

    async fn post(&self, path: &str, bearer: &str, body: Value) -> (u16, Value) {
        let request = self.client.post(path).body_json(&body);
        let request = match bearer {
            "" => request,
            bearer => request.header("authorization", format!("Bearer {bearer}")),
        };
        let answer = request.send().await.0;
        let status = answer.status().as_u16();
        let body = answer.into_body().into_string().await.unwrap();
        (status, serde_json::from_str(&body).unwrap_or_default())
    }

    /// Gets a page with the key.
    async fn status(&self, path: &str) -> u16 {
        let header = format!("Bearer {}", self.key);
        self.client.get(path).header("authorization", header).send().await.0.status().as_u16()
    }
}

/// K-6: a key ends with its account, and with a password that an operator sets.
#[test]
fn k_6_a_key_ends_with_its_account() {
    bounded(async {
        let owned = Owned::new(TestStore::new()).await;
        owned.accounts().disable(owned.account.id).await.unwrap();
        assert_eq!(owned.status("/who").await, 401);
        owned.accounts().enable(owned.account.id).await.unwrap();
        assert_eq!(owned.status("/who").await, 401, "it does not come back");
        assert!(
            owned.jwtauth.sessions().create_api_key(&owned.account, ApiKeyRequest::new("ci")).await.is_err()
        );

        let owned = Owned::new(TestStore::new()).await;
        owned.accounts().remove(owned.account.id).await.unwrap();
        assert_eq!(owned.status("/who").await, 401);

        let owned = Owned::new(TestStore::new()).await;
        owned.accounts().set_password(owned.account.id, "curiouser and curiouser").await.unwrap();
        assert_eq!(owned.status("/who").await, 401);
    });
}

/// K-6: as with other services, programs go on when their user changes the password.
#[test]
fn k_6_a_key_outlives_a_new_password_of_its_owner() {
    bounded(async {
        let owned = Owned::new(TestStore::new()).await;
        let wanted = json!({ "old_password": PASSWORD, "new_password": "curiouser and curiouser" });
        let (status, refused) = owned.post("/auth/change-password", &owned.key, wanted.clone()).await;
        assert_eq!((status, &refused["code"]), (403, &json!("api_key_refused")));
        assert_eq!(owned.post("/auth/change-password", &owned.login, wanted).await.0, 204);
        assert_eq!((owned.status("/who").await, owned.status("/admin").await), (200, 200));
        assert_eq!(owned.post("/auth/logout_all", &owned.login, json!({})).await.0, 200);
        assert_eq!(owned.status("/who").await, 401);
    });
}

/// K-3: an account is made by a person, or by a program that is nobody.
#[test]
fn k_3_a_key_registers_nobody() {
    bounded(async {
        let owned = Owned::new(TestStore::new()).await;
        let form = json!({ "username": "eve", "password": PASSWORD });
        let (status, refused) = owned.post("/auth/register", &owned.key, form.clone()).await;
        assert_eq!((status, &refused["code"]), (403, &json!("api_key_refused")));
        assert_eq!(owned.post("/auth/register", &owned.login, form).await.0, 201, "the name is free");
    });
}

/// K-4: a role that the account loses, the key loses, on a disk too.
#[test]
fn k_4_a_key_loses_a_role_with_its_account() {
    bounded(async {
        let directory = tempfile::tempdir().unwrap();
        let store = jwtauth::SledStore::open(directory.path()).await.unwrap();
        let owned = Owned::new(store).await;
        let accounts = owned.accounts();
        for (roles, status) in [(&["editor"][..], 403), (&["editor", "admin", "root"], 200), (&[], 403)] {
            accounts.set_roles(owned.account.id, roles.iter().copied()).await.unwrap();
            assert_eq!(owned.status("/admin").await, status, "{roles:?}");
            assert_eq!(owned.status("/who").await, 200);
        }
    });
}

/// K-3: the pages are for people. With the role of an admin, a key is no admin there either.
#[test]
fn k_3_the_pages_refuse_keys() {
    bounded(async {
        let owned = Owned::new(TestStore::new()).await;
        for page in ["devices", "password", "logout"] {
            assert_eq!(owned.status(&format!("/account/{page}")).await, 403, "{page}");
            let (status, _) =
                owned.post(&format!("/account/{page}"), &owned.key, json!({ "end": "all" })).await;
            assert_eq!(status, 403, "{page}");
        }
        // An account that could not be logged in is not made.
        let form = json!({ "username": "newcomer", "password": "a new long password" });
        let (status, _) = owned.post("/account/register", &owned.key, form).await;
        assert_eq!(status, 403);
        assert!(owned.accounts().by_name("newcomer").await.unwrap().is_none());
        let people = owned.status("/admin-pages/people").await;
        assert!(people == 303 || people == 403 || people == 401, "{people}");
        assert_eq!(owned.status("/who").await, 200);
    });
}
