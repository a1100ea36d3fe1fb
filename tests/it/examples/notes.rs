//! The example `notes`: a whole life, with two browsers' worth of cookies.

use reqwest::Method;
use serde_json::{Value, json};
use tests::bounded;
use tests::browser::{self, Browser};
use tests::program::Program;

const CHROME: &str =
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36";
const FIREFOX: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:127.0) Gecko/20100101 Firefox/127.0";

/// A browser that says which one it is.
struct Client(Browser, &'static str);

impl Client {
    async fn ask(&self, method: Method, path: &str, body: Value) -> (u16, Value) {
        let mut request = self.0.request(method, path).header("user-agent", self.1);
        if !body.is_null() {
            request = request.json(&body);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        (status, serde_json::from_str(&answer.text().await.unwrap()).unwrap_or(Value::Null))
    }

    async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        self.ask(Method::POST, path, body).await
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        self.ask(Method::GET, path, Value::Null).await
    }

    async fn obtain(&self, name: &str, password: &str) -> u16 {
        self.post("/auth/obtain", json!({"username": name, "password": password})).await.0
    }
}

#[test]
fn a_life_of_registering_losing_and_ending() {
    bounded(async {
        let data = tempfile::tempdir().unwrap();
        let server = Program::new(env!("CARGO_BIN_EXE_notes")).data(data.path()).start();
        let client = |agent| Client(Browser::new(&server.url), agent);
        let (laptop, phone, bob) = (client(CHROME), client(FIREFOX), client(CHROME));

        // Register, and log in twice.
        for (who, name) in [(&laptop, "alice"), (&bob, "bob")] {
            let (status, _) =
                who.post("/auth/register", json!({"username": name, "password": "wonderland"})).await;
            assert_eq!(status, 201);
        }
        assert_eq!(laptop.get("/notes").await.0, 401, "closed by default");
        for (who, name) in [(&laptop, "alice"), (&phone, "alice"), (&bob, "bob")] {
            assert_eq!(who.obtain(name, "wonderland").await, 200);
        }

        // Notes of one's own, on both devices, and of nobody else.
        assert_eq!(laptop.post("/notes", json!("buy a looking glass")).await, (201, json!(0)));
        assert_eq!(phone.get("/notes").await, (200, json!(["buy a looking glass"])));
        assert_eq!(phone.get("/notes/0").await, (200, json!("buy a looking glass")));
        assert_eq!(bob.get("/notes").await, (200, json!([])));
        assert_eq!(bob.get("/notes/0").await.0, 404);

        // List the devices, and end one.
        let (_, sessions) = laptop.get("/auth/sessions").await;
        let shown: Vec<_> =
            sessions.as_array().unwrap().iter().map(|it| it["summary"].as_str().unwrap()).collect();
        assert!(
            shown.iter().any(|line| line.starts_with("Chrome 126 on Linux, 127.0.0.1, last seen ")),
            "{shown:?}"
        );
        assert!(shown.iter().any(|line| line.starts_with("Firefox 127 on Windows, 127.0.0.1")), "{shown:?}");
        let other = sessions.as_array().unwrap().iter().find(|it| it["current"] == false).unwrap();
        let path = format!("/auth/sessions/{}", other["id"].as_str().unwrap());
        assert_eq!(bob.ask(Method::DELETE, &path, Value::Null).await.0, 404, "not bob's to end");
        assert_eq!(laptop.ask(Method::DELETE, &path, Value::Null).await.0, 204);
        assert_eq!(phone.get("/notes").await.0, 401);

        // A new password ends the others.
        assert_eq!(phone.obtain("alice", "wonderland").await, 200);
        let change = json!({"old_password": "wonderland", "new_password": "looking-glass"});
        assert_eq!(laptop.post("/auth/change-password", change).await.0, 204);
        assert_eq!((laptop.get("/notes").await.0, phone.get("/notes").await.0), (200, 401));
        assert_eq!(phone.obtain("alice", "wonderland").await, 401);
        assert_eq!(phone.obtain("alice", "looking-glass").await, 200);

        // A refresh token that somebody stole, and uses after the owner has gone on.
        let stolen = laptop.0.cookie("refresh_token").unwrap();
        for _ in 0..2 {
            assert_eq!(laptop.post("/auth/refresh", Value::Null).await.0, 200);
        }
        let thief = client(CHROME);
        thief.0.set_cookie(&format!("__Host-refresh_token={stolen}; Secure; Path=/"));
        assert_eq!(thief.post("/auth/refresh", Value::Null).await.0, 401);
        assert_eq!(laptop.get("/notes").await.0, 401, "thief and owner are both out");
        assert_eq!(phone.get("/notes").await.0, 200, "another login is not touched");

        // What was issued in this session, a page at a time: ids, no tokens.
        for _ in 0..60 {
            assert_eq!(phone.post("/auth/refresh", Value::Null).await.0, 200);
        }
        let (status, first) = phone.get("/tokens").await;
        let mut tokens = first.as_array().unwrap().clone();
        assert_eq!((status, tokens.len()), (200, 100));
        let last = tokens[99]["id"].as_str().unwrap();
        let (_, second) = phone.get(&format!("/tokens?after={last}")).await;
        tokens.extend(second.as_array().unwrap().clone());
        assert_eq!(tokens.len(), 122, "a login and 60 refreshes, two tokens each");
        let roots = tokens.iter().filter(|token| token["parent"].is_null()).count();
        assert_eq!((roots, &tokens[121]["revoked_at"]), (1, &Value::Null));
        let secret = phone.0.cookie("refresh_token").unwrap();
        assert!(!format!("{tokens:?}").contains(secret.rsplit('.').next().unwrap()));
        assert_eq!(laptop.obtain("alice", "looking-glass").await, 200);
        assert_eq!(phone.post("/auth/logout_all", Value::Null).await, (200, json!({"revoked": 2})));
        for gone in [&laptop, &phone] {
            assert_eq!(gone.get("/notes").await.0, 401);
        }
        assert_eq!(bob.get("/notes").await.0, 200);
        let health = browser::json(bob.0.get("/auth/.well-known/jwks.json").await).await;
        assert_eq!(health, json!({"keys": []}), "an HMAC key is not published");
    });
}

#[test]
fn m_21_the_first_admin_comes_from_the_environment() {
    bounded(async {
        let data = tempfile::tempdir().unwrap();
        let program = || Program::new(env!("CARGO_BIN_EXE_notes")).data(data.path());
        let (code, said) = program().env("JWTAUTH_ADMIN", "ann").fail();
        assert!(code != Some(0) && said.contains("JWTAUTH_ADMIN_PASSWORD"), "{said}");
        let file = data.path().join("password");
        std::fs::write(&file, "through the looking glass\n").unwrap();
        let with_file =
            program().env("JWTAUTH_ADMIN", "ann").env("JWTAUTH_ADMIN_PASSWORD_FILE", file.to_str().unwrap());
        let server = with_file.start();
        let (admin, bob) = (Browser::new(&server.url), Browser::new(&server.url));
        let (admin, bob) = (Client(admin, CHROME), Client(bob, FIREFOX));
        bob.post("/auth/register", json!({"username": "bob", "password": "wonderland"})).await;
        let (status, of_bob) =
            bob.post("/auth/obtain", json!({"username": "bob", "password": "wonderland"})).await;
        assert_eq!((status, &of_bob["user"]["roles"]), (200, &json!([])));
        assert_eq!(bob.get("/accounts").await.0, 403);
        assert_eq!(admin.obtain("ann", "through the looking glass").await, 200);
        let (_, me) = admin.get("/auth/me").await;
        assert_eq!((&me["name"], &me["roles"]), (&json!("ann"), &json!(["admin"])));
        let (_, all) = admin.get("/accounts").await;
        let names: Vec<_> = all.as_array().unwrap().iter().map(|account| &account["name"]).collect();
        assert_eq!(names, ["ann", "bob"]);
    });
}
