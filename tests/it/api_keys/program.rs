//! Keys at a terminal: the program `jwtauth`, and curl.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use jwtauth::{AccountsConfig, Device, SledStore, StorageConfig};
use tests::serve::serve;

use super::*;
use crate::operate::{Run, run};

const PASSWORD: &str = "through the looking glass";

/// A server with an account, and keys that begin with `acme_`.
async fn server(path: &Path) -> (JwtAuth, tests::serve::Served) {
    let builder =
        JwtAuth::builder().secret(tests::app::SECRET).accounts(AccountsConfig::default().hashers(1));
    let builder = builder
        .api_keys(ApiKeyConfig::default().prefix("acme").max_ttl(90 * DAY).max_keys(3))
        .storage(StorageConfig::default().keep_events(100));
    let opened: Arc<dyn SessionStore> = Arc::new(SledStore::open(path).await.unwrap());
    let jwtauth = builder.build_on(Arc::clone(&opened)).unwrap();
    written(opened, true).await;
    if jwtauth.accounts().unwrap().by_name("ann").await.unwrap().is_none() {
        let account = jwtauth.accounts().unwrap().register("ann", PASSWORD).await.unwrap();
        jwtauth.accounts().unwrap().set_roles(account.id, ["admin", "editor"]).await.unwrap();
    }
    let app = Route::new()
        .nest("/auth", jwtauth.account_routes().unwrap().body_tokens())
        .at("/who", get(whose))
        .at("/admin", get(admin))
        .with(jwtauth.clone());
    let served = serve(app).await;
    (jwtauth, served)
}

/// Waits until a server has written whether it has API keys.
async fn written(store: Arc<dyn SessionStore>, has_api_keys: bool) {
    while ApiKeyConfig::kept_in(Arc::clone(&store)).await.unwrap().is_some() != has_api_keys {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Runs the program beside the runtime of the test, in which the server is.
async fn ask(store: &Path, arguments: &[&str]) -> Run {
    let (store, arguments) =
        (store.to_owned(), arguments.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>());
    let asked = move || run(&store, "", &arguments.iter().map(String::as_str).collect::<Vec<_>>());
    tokio::task::spawn_blocking(asked).await.unwrap()
}

/// Returns status and body.
async fn curl(arguments: &[&str]) -> (String, String) {
    let arguments: Vec<_> = arguments.iter().map(|it| (*it).to_owned()).collect();
    let asked = move || {
        let mut curl = Command::new("curl");
        curl.args(["-s", "--max-time", "20", "--noproxy", "*", "-w", "\n%{http_code}"]).args(arguments);
        curl.output().unwrap()
    };
    let output = tokio::task::spawn_blocking(asked).await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let (body, status) = text.rsplit_once('\n').unwrap();
    (status.to_owned(), body.to_owned())
}

/// K-1: a key from its making to its end, by curl alone.
#[test]
fn k_1_curl_uses_a_key() {
    bounded(async {
        let folder = tempfile::tempdir().unwrap();
        let (_jwtauth, served) = server(&folder.path().join("store")).await;
        let form = format!(r#"{{"username":"ann","password":"{PASSWORD}"}}"#);
        let kind = "content-type: application/json";
        let (status, body) = curl(&["-H", kind, "-d", &form, &served.at("/auth/obtain")]).await;
        assert_eq!(status, "200", "{body}");
        let tokens: Value = serde_json::from_str(&body).unwrap();
        let login = format!("authorization: Bearer {}", tokens["access"].as_str().unwrap());
        let wanted = r#"{"name":"ci","roles":["editor"],"expires_in":3600}"#;
        let (status, body) =
            curl(&["-H", kind, "-H", &login, "-d", wanted, &served.at("/auth/api-keys")]).await;
        assert_eq!(status, "201", "{body}");
        let made: Value = serde_json::from_str(&body).unwrap();
        let key = format!("authorization: Bearer {}", made["secret"].as_str().unwrap());
        let (status, body) = curl(&["-H", &key, &served.at("/who")]).await;
        assert!(status == "200" && body.ends_with(" by ci"), "{status} {body}");
        assert_eq!(curl(&["-H", &key, &served.at("/admin")]).await.0, "403");
        let one = served.at(&format!("/auth/api-keys/{}", made["id"].as_str().unwrap()));
        assert_eq!(curl(&["-X", "DELETE", "-H", &key, &one]).await.0, "403");
        assert_eq!(curl(&["-X", "DELETE", "-H", &login, &one]).await.0, "204");
        assert_eq!(curl(&["-H", &key, &served.at("/who")]).await.0, "401");
    });
}

/// K-7: an operator makes, lists and ends keys while the server runs: its settings count, and the next request sees it.
#[test]
fn k_7_the_program_makes_and_ends_keys_in_a_running_server() {
    bounded(async {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("store");
        let (jwtauth, served) = server(&store).await;
        let made =
            ask(&store, &["api-keys", "create", "ci", "--of", "ann", "--role", "admin", "--days", "30"])
                .await;
        assert_eq!(made.code, 0, "{made:?}");
        let key = made.out.trim_end();
        assert!(key.starts_with("acme_") && key.len() == 66 && made.out.lines().count() == 1, "{made:?}");
        assert!(made.err.contains("cannot be had again") && !made.err.contains(key), "{made:?}");
        let status = async || {
            let request = reqwest::Client::builder().no_proxy().build().unwrap().get(served.at("/admin"));
            request.bearer_auth(key).send().await.unwrap().status().as_u16()
        };
        assert_eq!(status().await, 200);

        let account = jwtauth.accounts().unwrap().by_name("ann").await.unwrap().unwrap();
        jwtauth.sessions().login(&account, Device::default()).await.unwrap();
        let keys = ask(&store, &["api-keys", "list", "--json"]).await.json();
        assert_eq!(
            (keys.len(), &keys[0]["api_key"], &keys[0]["roles"]),
            (1, &json!("ci"), &json!(["admin"]))
        );
        assert!(keys[0]["last_used_at"].is_u64(), "{keys:?}");
        let table = ask(&store, &["api-keys", "list", "--of", "ann"]).await.out;
        assert!(table.contains(" ci ") && !table.contains(key), "{table}");
        let all = ask(&store, &["sessions", "list", "--json"]).await.json();
        let login = all.iter().find(|row| row["api_key"].is_null()).unwrap()["id"].as_str().unwrap();
        assert!(all.iter().any(|row| row["device"] == "API key ci"), "{all:?}");

        let refused = ask(&store, &["api-keys", "revoke", login]).await;
        assert!(refused.code == 1 && refused.err.contains("is a login"), "{refused:?}");
        for (arguments, says) in [
            (&["--of", "ann", "--role", "root"][..], r#""ann" does not have the role "root""#),
            TOO_LONG,
            (&["--of", "nobody"], "nobody is known"),
        ] {
            let refused = ask(&store, &[&["api-keys", "create", "x"], arguments].concat()).await;
            assert!(refused.code == 1 && refused.err.contains(says) && refused.out.is_empty(), "{refused:?}");
        }

        let id = keys[0]["id"].as_str().unwrap();
        let ended = ask(&store, &["api-keys", "revoke", id]).await;
        assert_eq!((ended.code, &*ended.out), (0, "1 API key revoked\n"), "{ended:?}");
        assert_eq!(status().await, 401);
        let events = ask(&store, &["events", "--json"]).await.json();
        let created = events.iter().find(|event| event["event"] == "api_key_created").unwrap();
        assert!(created["details"].to_string().contains("operator"), "{created}");
    });
}

/// More days than the server allows, and what is said of them.
const TOO_LONG: (&[&str], &str) = (&["--of", "ann", "--days", "91"], "1 day at least, and 90 days at most");

/// Waits until the server has closed its store.
async fn once_closed(store: &Path, command: &[&str]) -> Run {
    loop {
        let run = ask(store, command).await;
        if run.code != 3 {
            return run;
        }
    }
}

/// K-7: without a server the program makes the key itself, by the rules of the server that was there last.
#[test]
fn k_7_the_program_makes_a_key_without_a_server() {
    bounded(async {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("store");
        drop(server(&store).await);
        let made = once_closed(&store, &["api-keys", "create", "ci", "--of", "ann", "--json"]).await;
        assert_eq!(made.code, 0, "{made:?}");
        let made = made.json().remove(0);
        assert!(made["secret"].as_str().unwrap().starts_with("acme_"), "the prefix of the server");
        let lasts = made["expires_at"].as_u64().unwrap() - made["created_at"].as_u64().unwrap();
        assert_eq!(lasts, 90 * 24 * 60 * 60, "as long as the server allows");
        let refused = ask(&store, &[&["api-keys", "create", "x"], TOO_LONG.0].concat()).await;
        assert!(refused.code == 1 && refused.err.contains(TOO_LONG.1), "{refused:?}");
        for number in 2..=3 {
            let made = ask(&store, &["api-keys", "create", "x", "--of", "ann"]).await;
            assert_eq!(made.code, 0, "{number}: {made:?}");
        }
        let refused = ask(&store, &["api-keys", "create", "x", "--of", "ann"]).await;
        assert!(refused.code == 1 && refused.err.contains("there are 3 keys already"), "{refused:?}");
        let (_jwtauth, served) = server(&store).await;
        let key = format!("authorization: Bearer {}", made["secret"].as_str().unwrap());
        let (status, body) = curl(&["-H", &key, &served.at("/who")]).await;
        assert!(status == "200" && body.ends_with(" by ci"), "{status} {body}");
    });
}

/// K-7: where the server has no API keys, the program makes none, also if the server once had some.
#[test]
fn k_7_the_program_makes_no_key_that_no_server_takes() {
    bounded(async {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("store");
        let command = ["api-keys", "create", "ci", "--of", "ann"];
        drop(server(&store).await);
        let builder =
            JwtAuth::builder().secret(tests::app::SECRET).accounts(AccountsConfig::default().hashers(1));
        let opened: Arc<dyn SessionStore> = Arc::new(SledStore::open(&store).await.unwrap());
        let without = builder.build_on(Arc::clone(&opened)).unwrap();
        let refused = ask(&store, &command).await;
        assert!(refused.code == 1 && refused.err.contains("turn them on"), "{refused:?}");
        written(opened, false).await;
        drop(without);
        let refused = once_closed(&store, &command).await;
        assert!(refused.code == 1 && refused.err.contains("start it once"), "{refused:?}");
    });
}
