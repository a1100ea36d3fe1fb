//! Who is refused by the routes for services, in the words that clients of OAuth read (RFC 6749, section 5.2).

use poem::http::Method;

use super::*;

/// Sends anything, and returns the answer with its body.
async fn send(
    client: &TestClient<impl Endpoint>,
    request: (Method, &str),
    authorization: &str,
    content_type: &str,
    body: String,
) -> (poem::Response, Value) {
    let (method, path) = request;
    let request = client.request(method, path).header(header::AUTHORIZATION, authorization);
    let mut answer = request.content_type(content_type).body(body).send().await.0;
    let text = answer.take_body().into_string().await.unwrap();
    (answer, serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}")))
}

/// N-29: each refusal has the member `error`, beside those of every other refusal.
#[test]
fn n_29_a_refusal_says_its_error_as_rfc_6749_has_it() {
    const FORM: &str = "application/x-www-form-urlencoded";
    bounded(async {
        let store = Faulty::default();
        let app = TestApp::with(store.clone(), |builder| builder);
        let client = client(&app);
        let token = obtain(&client).await["access"].as_str().unwrap().to_owned();
        let (good, bad) = (basic("billing", SECRET), basic("billing", "wrong"));
        let whole = format!("token={token}");
        let json_of = |body: Value| body.to_string();
        for path in ["/auth/oauth/introspect", "/auth/oauth/revoke"] {
            for (who, kind, body, status, error, code) in [
                (&bad, FORM, whole.clone(), 401, "invalid_client", "invalid_client"),
                (&bad, FORM, String::new(), 401, "invalid_client", "invalid_client"),
                (&good, FORM, String::new(), 400, "invalid_request", "invalid_request"),
                (&good, FORM, "token=".into(), 400, "invalid_request", "invalid_request"),
                (&good, FORM, "tokens=x".into(), 400, "invalid_request", "invalid_request"),
                (&good, FORM, format!("{whole}&{whole}"), 400, "invalid_request", "invalid_request"),
                (&good, FORM, format!("token=x&a=b&{whole}"), 400, "invalid_request", "invalid_request"),
                (&good, "application/json", json_of(json!([])), 400, "invalid_request", "invalid_request"),
                (
                    &good,
                    "application/json",
                    json_of(json!({"token": 1})),
                    400,
                    "invalid_request",
                    "invalid_request",
                ),
                (&good, "text/plain", whole.clone(), 415, "invalid_request", "invalid_request"),
                (&good, FORM, "x".repeat(65 * 1024), 413, "invalid_request", "invalid_request"),
            ] {
                let (answer, said) = send(&client, (Method::POST, path), who, kind, body).await;
                let case = format!("{path} {kind} {status}: {said}");
                assert_eq!(answer.status().as_u16(), status, "{case}");
                assert_eq!((&said["error"], &said["code"]), (&json!(error), &json!(code)), "{case}");
                assert_eq!((&said["status"], said["detail"].is_string()), (&json!(status), true), "{case}");
                let challenge = answer.headers().get("www-authenticate").map(|value| value.to_str().unwrap());
                assert_eq!(
                    challenge.is_some_and(|value| value.starts_with("Basic ")),
                    status == 401,
                    "{case}"
                );
                assert_eq!(answer.headers()["cache-control"], "no-store", "{case}");
                assert!(!said.to_string().contains(&token) && !said.to_string().contains(SECRET), "{case}");
            }
            let (answer, said) = send(&client, (Method::GET, path), &good, FORM, String::new()).await;
            assert_eq!(
                (answer.status().as_u16(), &said["error"]),
                (405, &json!("invalid_request")),
                "{path}"
            );
            assert_eq!(answer.headers()["allow"], "POST", "{path}");
        }
        store.set(Fault::Error, Fault::Error);
        for path in ["/auth/oauth/introspect", "/auth/oauth/revoke"] {
            let (answer, said) = send(&client, (Method::POST, path), &good, FORM, whole.clone()).await;
            assert_eq!((answer.status().as_u16(), &said["error"]), (503, &json!("temporarily_unavailable")));
            assert_eq!(
                (said["code"].as_str(), answer.headers()["retry-after"].as_bytes()),
                (Some("store_unavailable"), &b"1"[..])
            );
        }
    });
}

/// N-26: whoever has the secret is let in, in each way that clients send it, and nobody else.
#[test]
fn n_26_a_secret_is_taken_raw_and_encoded_as_in_a_form() {
    let secrets = [
        SECRET,
        "+/+/+/0123456789abcdefghijklmnopqrstu",
        "100%25 of the secret %zz%2B + % and more",
        "with spaces and a : colon: in it!",
        "p\u{e4}ssw\u{f6}rter sind l\u{e4}nger als das hier",
        "\u{20ac}uro+%20 0123456789 0123456789 01234",
        "ends with an escape that is cut %2",
    ];
    // As browsers and the standard encode it, and with %20 for the space.
    let form = |text: &str| -> String {
        text.bytes()
            .map(|byte| match byte {
                b' ' => "+".into(),
                byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
                byte => format!("%{byte:02X}"),
            })
            .collect()
    };
    let percent = |text: &str| form(text).replace('+', "%20");
    bounded(async {
        let app = TestApp::new();
        for secret in secrets {
            for name in ["billing", "the+billing %41 service"] {
                let auth = app.jwtauth.routes(authenticate).body_tokens().service(name, secret).unwrap();
                let client = TestClient::new(Route::new().nest("/auth", auth).with(app.jwtauth.clone()));
                let status = async |pair: Vec<u8>| {
                    let authorization = raw_basic(pair);
                    ask_with(&client, "/auth/oauth/introspect", &authorization, "token=x").await.0
                };
                let pair = |name: &str, secret: &str| format!("{name}:{secret}").into_bytes();
                assert_eq!(status(pair(name, secret)).await, 200, "raw: {secret}");
                assert_eq!(status(pair(&form(name), &form(secret))).await, 200, "as in a form: {secret}");
                assert_eq!(status(pair(&percent(name), &percent(secret))).await, 200, "escaped: {secret}");
                if secret.chars().all(|c| u32::from(c) < 256) {
                    let latin = pair(name, secret);
                    let latin = String::from_utf8(latin).unwrap();
                    assert_eq!(
                        status(latin.chars().map(|c| c as u8).collect()).await,
                        200,
                        "Latin-1: {secret}"
                    );
                }
                let mut others = vec![
                    pair(name, ""),
                    pair(name, &secret[..secret.len() - 1]),
                    pair(name, &format!("{secret}x")),
                    pair(name, &secret.to_uppercase()),
                    pair("other", secret),
                    pair("", secret),
                    name.into(),
                ];
                others.push(pair(name, &form(&form(secret))));
                for wrong in others {
                    let shown = String::from_utf8_lossy(&wrong).into_owned();
                    assert_eq!(status(wrong).await, 401, "{shown} for {secret}");
                }
            }
        }
    });
}
