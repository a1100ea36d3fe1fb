//! What a service can do with the API key of somebody.

use std::time::Duration;

use jwtauth::api_keys::ApiKeyRequest;
use jwtauth::store::EventStore as _;
use jwtauth::{ApiKeyConfig, Auth, Identity, StorageConfig, require_auth};
use poem::{get, handler, post};

use super::*;

#[handler]
async fn create(auth: Auth) -> poem::Result<String> {
    let request = ApiKeyRequest::new("ci").ttl(Duration::from_secs(3_600));
    Ok(auth.api_keys().create_as(request).await?.secret().to_owned())
}

#[require_auth]
async fn whose(who: &Identity) -> String {
    who.subject().to_owned()
}

/// K-8: a service revokes an API key, by its text and by nothing less. Introspection does not know keys.
#[test]
fn k_8_a_service_revokes_an_api_key() {
    bounded(async {
        let store = Faulty::default();
        let app = TestApp::with(store.clone(), |builder| {
            builder.api_keys(ApiKeyConfig::default()).storage(StorageConfig::default().keep_events(100))
        });
        let auth = app.jwtauth.routes(authenticate).body_tokens().service("billing", SECRET).unwrap();
        let route = Route::new().nest("/auth", auth).at("/keys", post(create)).at("/who", get(whose));
        let client = TestClient::new(route.with(app.jwtauth.clone()));
        let tokens = obtain(&client).await;
        let send = async |method: poem::http::Method, path: &str, bearer: &str| {
            let request = client.request(method, path).header("authorization", format!("Bearer {bearer}"));
            let answer = request.send().await.0;
            (answer.status().as_u16(), answer.into_body().into_string().await.unwrap())
        };
        let make = async || {
            let (status, key) =
                send(poem::http::Method::POST, "/keys", tokens["access"].as_str().unwrap()).await;
            assert_eq!(status, 200, "{key}");
            key
        };
        let who = async |key: &str| send(poem::http::Method::GET, "/who", key).await.0;
        let (key, other) = (make().await, make().await);
        assert_eq!(who(&key).await, 200);
        let billing = basic("billing", SECRET);
        let introspected = ask(&client, "/auth/oauth/introspect", &billing, &json!(key)).await;
        assert_eq!(introspected, (200, json!({"active": false})), "keys are for this application");
        // A key that names the same session, with another secret and its right checksum.
        let mut forged = key[..key.len() - 7].to_owned();
        forged.push(if key.as_bytes()[key.len() - 7] == b'a' { 'b' } else { 'a' });
        let mut sum = !forged.bytes().fold(u32::MAX, |sum, byte| {
            (0..8).fold(sum ^ u32::from(byte), |sum, _| sum >> 1 ^ (0xEDB8_8320 & (sum & 1).wrapping_neg()))
        });
        let digits = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        let mut checksum = [b'0'; 6];
        for digit in checksum.iter_mut().rev() {
            *digit = digits[(sum % 62) as usize];
            sum /= 62;
        }
        forged.push_str(std::str::from_utf8(&checksum).unwrap());
        for wrong in [&*forged, &key[..key.len() - 1], "jwtauth_x"] {
            assert_eq!(ask(&client, "/auth/oauth/revoke", &billing, &json!(wrong)).await.0, 200, "{wrong}");
            assert_eq!(who(&key).await, 200, "{wrong}");
        }
        for _ in 0..2 {
            assert_eq!(ask(&client, "/auth/oauth/revoke", &billing, &json!(key)).await.0, 200);
            assert_eq!((who(&key).await, who(&other).await), (401, 200), "revoked, and no other");
        }
        let events = store.events_after(0, usize::MAX).await.unwrap();
        let revoked = events.iter().filter(|record| record.event.event == "session_revoked").count();
        assert_eq!(revoked, 1, "told once");
        assert_eq!(who(tokens["access"].as_str().unwrap()).await, 200, "the login goes on");
    });
}

/// K-8: an outage is not taken for a success.
#[test]
fn k_8_a_key_that_cannot_be_revoked_now_is_an_outage() {
    bounded(async {
        let store = Faulty::default();
        let app = TestApp::with(store.clone(), |builder| builder.api_keys(ApiKeyConfig::default()));
        let auth = app.jwtauth.routes(authenticate).body_tokens().service("billing", SECRET).unwrap();
        let route = Route::new().nest("/auth", auth).at("/keys", post(create)).at("/who", get(whose));
        let client = TestClient::new(route.with(app.jwtauth.clone()));
        let login = obtain(&client).await;
        let header = format!("Bearer {}", login["access"].as_str().unwrap());
        let answer = client.post("/keys").header("authorization", header).send().await.0;
        let key = answer.into_body().into_string().await.unwrap();
        store.set(Fault::Error, Fault::Error);
        let (status, said) = ask(&client, "/auth/oauth/revoke", &basic("billing", SECRET), &json!(key)).await;
        assert_eq!((status, &said["error"]), (503, &json!("temporarily_unavailable")));
    });
}
