//! API keys in a document: as credentials, and their own operations.

use jwtauth::api_keys::ApiKeysApi;
use jwtauth::{ApiKeyConfig, JwtAuthBuilder, MemoryStore};
use poem::http::Method;
use serde_json::json;

use super::*;

fn keyed(builder: JwtAuthBuilder) -> JwtAuthBuilder {
    builder.api_keys(ApiKeyConfig::default())
}

struct Api;

#[require_auth]
#[OpenApi]
impl Api {
    #[oai(path = "/posts", method = "get")]
    async fn posts(&self) -> PlainText<String> {
        PlainText("posts".into())
    }

    #[require_auth(no_api_keys)]
    #[oai(path = "/password", method = "post")]
    async fn password(&self) -> PlainText<String> {
        PlainText("changed".into())
    }
}

/// Returns the document of a service with API keys.
///
/// Documents are made without a value, so another test may have built a `JwtAuth` without keys in between.
fn document<A: OpenApi + 'static>(api: impl Fn() -> A) -> Value {
    let made = || {
        let _app = TestApp::with(MemoryStore::new(), keyed);
        let document: Value = serde_json::from_str(&OpenApiService::new(api(), "Test", "1").spec()).ok()?;
        let text = document.to_string();
        text.contains("API key, for programs").then_some(document)
    };
    std::iter::repeat_with(made).take(100).flatten().next().expect("a document with API keys")
}

/// K-3: what takes a key says so, and what refuses it.
#[test]
fn k_3_a_document_says_where_api_keys_are_taken() {
    let document = document(|| (Api, ApiKeysApi));
    let security = |path: &str, method: &str| document["paths"][path][method]["security"].clone();
    assert_eq!(security("/posts", "get"), json!([{"cookie": []}, {"bearer": []}, {"api_key": []}]));
    let people = json!([{"cookie": []}, {"bearer": []}]);
    for (path, method) in
        [("/password", "post"), ("/api-keys", "get"), ("/api-keys", "post"), ("/api-keys/{id}", "delete")]
    {
        assert_eq!(security(path, method), people, "{method} {path}");
        let refusal = document["paths"][path][method]["responses"]["403"]["description"].to_string();
        assert!(refusal.contains("API keys are refused."), "{method} {path}: {refusal}");
    }
    let scheme = &document["components"]["securitySchemes"]["api_key"];
    assert_eq!(
        (&scheme["type"], &scheme["scheme"], &scheme["bearerFormat"]),
        (&json!("http"), &json!("bearer"), &Value::Null)
    );
    for (path, method, statuses) in [
        ("/api-keys", "get", &["200", "401", "403", "503"][..]),
        ("/api-keys", "post", &["201", "400", "401", "403", "409", "503"]),
        ("/api-keys/{id}", "delete", &["204", "401", "403", "404", "503"]),
    ] {
        let responses = document["paths"][path][method]["responses"].as_object().unwrap();
        assert_eq!(responses.keys().collect::<Vec<_>>(), statuses, "{method} {path}");
    }
}

/// K-7: the operations answer what the ready-made routes answer.
#[test]
fn k_7_the_operations_of_keys_are_the_routes() {
    bounded(async {
        let app = TestApp::with(MemoryStore::new(), keyed);
        let tokens = login(&app, "olga").await;
        let routes = app
            .jwtauth
            .routes(async |_: jwtauth::LoginAttempt| Err::<User, _>(jwtauth::LoginError::InvalidCredentials));
        let api = OpenApiService::new(ApiKeysApi, "Test", "1");
        let client =
            TestClient::new(Route::new().nest("/routes", routes).nest("/api", api).with(app.jwtauth.clone()));
        let send = async |method: Method, path: String, body: Option<Value>, known: bool| {
            let request = client.request(method, path).header("sec-fetch-site", "same-origin");
            let request = match body {
                Some(body) => request.body_json(&body),
                None => request,
            };
            let answer = answer(request, known.then_some(&tokens)).await;
            let cached = answer.headers().get(header::CACHE_CONTROL).cloned();
            (
                answer.status().as_u16(),
                cached,
                serde_json::from_str(&text(answer).await).unwrap_or(Value::Null),
            )
        };
        for (wanted, status) in [
            (json!({"name": "ci", "expires_in": 60}), 201),
            (json!({"name": " "}), 400),
            (json!({"name": "ci", "roles": ["root"]}), 400),
            (json!({"name": "ci", "expires_in": 0}), 400),
        ] {
            let mut answers = Vec::new();
            for base in ["/routes", "/api"] {
                let (got, cached, mut body) =
                    send(Method::POST, format!("{base}/api-keys"), Some(wanted.clone()), true).await;
                assert_eq!(got, status, "{base} {wanted}: {body}");
                for member in ["id", "secret"] {
                    body[member] = Value::Null;
                }
                answers.push((cached, body));
            }
            assert_eq!(answers[0], answers[1], "{wanted}");
        }
        let listed = send(Method::GET, "/routes/api-keys".into(), None, true).await;
        assert_eq!(send(Method::GET, "/api/api-keys".into(), None, true).await, listed);
        let keys = listed.2.as_array().unwrap().clone();
        assert_eq!(keys.len(), 2, "{keys:?}");
        for (base, key) in ["/routes", "/api"].iter().zip(&keys) {
            let one = format!("{base}/api-keys/{}", key["id"].as_str().unwrap());
            assert_eq!(send(Method::DELETE, one.clone(), None, false).await.0, 401, "{base}");
            assert_eq!(send(Method::DELETE, one.clone(), None, true).await.0, 204, "{base}");
            assert_eq!(send(Method::DELETE, one, None, true).await.0, 404, "{base}");
            assert_eq!(send(Method::DELETE, format!("{base}/api-keys/x"), None, true).await.0, 404, "{base}");
        }
    });
}
