//! Bodies in every form that clients send, and no two passwords that become one.

use std::process::Command;

use jwtauth::error::{AccountError, PasswordProblem};
use jwtauth::{Accounts, AccountsConfig};
use poem::endpoint::BoxEndpoint;
use tests::serve::serve;
use tests::test_store::TestStore;

use super::*;

const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";
const PARTS: &str = "multipart/form-data; boundary=x";

fn accounts_app() -> (TestApp, BoxEndpoint<'static>) {
    let config = AccountsConfig::default();
    let app = TestApp::with(TestStore::new(), |builder| builder.accounts(config));
    let routes = Route::new().nest("/auth", app.jwtauth.account_routes().unwrap());
    (app, routes.boxed())
}

async fn send<E: Endpoint>(client: &TestClient<E>, path: &str, kind: &str, body: &[u8]) -> (u16, Value) {
    let answer = client.post(path).content_type(kind).body(body.to_vec()).send().await.0;
    let (status, _, body) = parts(answer).await;
    (status, body)
}

/// A form of text fields, as Django's test client writes it.
fn multipart(fields: &[(&str, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, value) in fields {
        body.extend_from_slice(
            format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n").as_bytes(),
        );
        body.extend_from_slice(value);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--x--\r\n");
    body
}

/// `grünes` and `gränes` in Latin-1 are two passwords, and none of them is one here.
#[test]
fn n_20_bytes_that_are_no_utf_8_are_no_password() {
    bounded(async {
        let (_app, endpoint) = accounts_app();
        let client = TestClient::new(endpoint);
        let bodies: [(&str, Vec<u8>); 9] = [
            (FORM, b"username=alice&password=gr%FCnesGras".into()),
            (FORM, b"username=alice&password=gr%E4nesGras".into()),
            (FORM, b"username=alice&password=gr\xfcnesGras".into()),
            (FORM, b"username=alice&password=gr%C3%28nesGras".into()),
            (FORM, b"username=al%FFice&password=wonderland".into()),
            (FORM, b"username=alice&password=wonderland&%FF=1".into()),
            (PARTS, multipart(&[("username", b"alice"), ("password", b"gr\xfcnesGras")])),
            (JSON, b"{\"username\":\"alice\",\"password\":\"gr\xfcnesGras\"}".into()),
            (JSON, br#"{"username":"alice","password":"gr\udcfcnesGras"}"#.into()),
        ];
        for path in ["/auth/register", "/auth/obtain"] {
            for (kind, body) in &bodies {
                let (status, answer) = send(&client, path, kind, body).await;
                let shown = String::from_utf8_lossy(body);
                assert_eq!(
                    (status, &answer["code"]),
                    (400, &json!("invalid_request")),
                    "{path} {kind} {shown}"
                );
                assert!(!answer.to_string().contains("nes"), "{answer}");
            }
        }
        // In UTF-8 they are two passwords.
        for (path, kind, body, expected) in [
            ("/auth/register", FORM, &b"username=alice&password=gr%C3%BCnesGras"[..], 201),
            ("/auth/obtain", FORM, b"username=alice&password=gr%C3%A4nesGras", 401),
            ("/auth/obtain", FORM, b"username=alice&password=gr%FCnesGras", 400),
            ("/auth/obtain", FORM, "username=alice&password=grünesGras".as_bytes(), 200),
            ("/auth/obtain", JSON, br#"{"username":"alice","password":"gr\u00fcnesGras"}"#, 200),
        ] {
            assert_eq!(send(&client, path, kind, body).await.0, expected, "{path} {body:?}");
        }
    });
}

/// A handler of the application's own may read forms with poem, which replaces such bytes.
#[test]
fn n_20_a_password_of_which_parts_were_replaced_is_none() {
    bounded(async {
        let (app, _) = accounts_app();
        let accounts: &Accounts = app.jwtauth.accounts().unwrap();
        let replaced = "gr\u{fffd}nesGras";
        let refused = accounts.register("alice", replaced).await.unwrap_err();
        assert!(
            matches!(&refused, AccountError::Password { problem: PasswordProblem::Charset }),
            "{refused}"
        );
        assert!(accounts.register("al\u{fffd}ce", "wonderland").await.is_err());
        let alice = accounts.register("alice", "grünesGras").await.unwrap();
        for typed in [replaced, "grünesGras\u{fffd}", "\u{fffd}"] {
            let refused = accounts.verify("alice", typed, None).await.unwrap_err();
            assert!(matches!(refused, AccountError::InvalidCredentials), "{refused}");
        }
        assert!(accounts.set_password(alice.id, replaced).await.is_err());
        assert!(accounts.verify("alice", "grünesGras", None).await.is_ok());
    });
}

#[test]
fn n_20_other_charsets_are_refused_by_their_name() {
    bounded(async {
        let app = TestApp::new();
        let client = body_app(&app);
        let form = b"username=bob&password=right";
        let json = br#"{"username":"bob","password":"right"}"#;
        let parts = multipart(&[("username", b"bob"), ("password", b"right")]);
        let marked = [b"\xef\xbb\xbf", &json[..]].concat();
        let marked_twice = [b"\xef\xbb\xbf", &marked[..]].concat();
        let cases: [(String, &[u8], u16); 22] = [
            // .NET writes a mark in front.
            (JSON.into(), &marked, 200),
            (JSON.into(), &marked_twice, 400),
            (format!("{FORM}; charset=utf-8"), form, 200),
            (format!("{FORM};charset=\"UTF-8\""), form, 200),
            (format!("{FORM}; charset=UTF8; a=b"), form, 200),
            (format!("{JSON}; charset=Utf-8"), json, 200),
            (format!("{PARTS}; charset=utf-8"), &parts, 200),
            (format!("{FORM}; charset=iso-8859-1"), form, 415),
            (format!("{FORM}; CHARSET=\"windows-1252\""), form, 415),
            (format!("{FORM}; charset="), form, 415),
            (format!("{FORM}; charset=utf-8; charset=latin1"), form, 415),
            (format!("{FORM}; charset=latin1; charset=utf-8"), form, 415),
            (format!("{JSON}; charset=utf-8; Charset=\"utf-16\""), json, 415),
            (format!("{FORM}; charset=utf-8; charset=UTF-8"), form, 200),
            (format!("{PARTS}; charset=utf-8; charset=utf-8; charset=latin1"), &parts, 415),
            (format!("{JSON}; charset=utf-16"), json, 415),
            (format!("{JSON}; charset=iso-8859-1"), json, 415),
            (format!("{PARTS}; charset=iso-8859-15"), &parts, 415),
            ("application/xml".into(), form, 415),
            (FORM.into(), b"username=bob&password=right&_charset_=UTF-8", 200),
            (FORM.into(), b"username=bob&password=right&_charset_=windows-1252", 415),
            ("multipart/form-data".into(), &parts, 400),
        ];
        for (kind, body, expected) in cases {
            let (status, answer) = send(&client, "/auth/obtain", &kind, body).await;
            assert_eq!(status, expected, "{kind} {answer}");
            let names_one = kind.to_ascii_lowercase().contains("charset=") && !kind.ends_with('=');
            if status == 415 && (names_one || body.ends_with(b"1252")) {
                assert!(answer.to_string().contains("another charset: send UTF-8"), "{kind} {answer}");
            }
        }
    });
}

#[test]
fn n_20_a_field_stands_once_and_there_are_few() {
    bounded(async {
        let app = TestApp::new();
        let client = body_app(&app);
        let many: String = (0..63).map(|n| format!("&f{n}=v")).collect();
        let cases: [(&str, Vec<u8>, u16); 10] = [
            (FORM, b"username=bob&password=right&password=wrong".into(), 400),
            (FORM, b"username=bob&user%6Eame=eve&password=right".into(), 400),
            (FORM, b"&username=bob&&password=right&".into(), 200),
            (FORM, format!("username=bob&password=right{many}").into(), 413),
            (FORM, format!("username=bob&password=right{}", &many[..many.len() - 6]).into(), 200),
            // Boxes of one name, as a page with many roles has.
            (FORM, format!("username=bob&password=right{}", "&roles=v".repeat(100)).into(), 200),
            (JSON, br#"{"username":"bob","password":"right","password":"wrong"}"#.into(), 400),
            (JSON, br#"{"username":"bob","password":"right","pass\u0077ord":"right"}"#.into(), 400),
            (PARTS, multipart(&[("username", b"bob"), ("password", b"a"), ("password", b"b")]), 400),
            (PARTS, multipart(&[("username", b"bob"), ("password", &[b'a'; 70_000])]), 413),
        ];
        for (kind, body, expected) in cases {
            let (status, answer) = send(&client, "/auth/obtain", kind, &body).await;
            assert_eq!(status, expected, "{kind} {answer}");
        }
    });
}

/// Each route that takes a form takes it in parts too: logins, tokens, a change of password, services.
#[test]
fn n_20_forms_come_in_parts() {
    bounded(async {
        let (app, endpoint) = accounts_app();
        let client = TestClient::new(endpoint.with(app.jwtauth.clone()));
        let alice = multipart(&[("username", b"alice"), ("password", "grünesGras".as_bytes())]);
        assert_eq!(send(&client, "/auth/register", PARTS, &alice).await.0, 201);
        let login = client.post("/auth/obtain").content_type(PARTS).body(alice).send().await.0;
        let cookies = Tokens::of(login.headers()).cookies();
        let change =
            multipart(&[("old_password", "grünesGras".as_bytes()), ("new_password", b"bluebluesky")]);
        let changed = client.post("/auth/change-password").content_type(PARTS).header("cookie", cookies);
        assert_eq!(changed.body(change).send().await.0.status(), 204);

        let app = TestApp::new();
        let client = body_app(&app);
        let bob = multipart(&[("username", b"bob"), ("password", b"right"), ("device_id", b"phone")]);
        let (status, tokens) = send(&client, "/auth/obtain", PARTS, &bob).await;
        assert_eq!(status, 200);
        let field = |name| tokens[name].as_str().unwrap().as_bytes();
        for (path, name, token) in [
            ("verify", "token", "access"),
            ("refresh", "refresh", "refresh"),
            ("expire", "token", "access"),
            ("revoke", "refresh", "refresh"),
        ] {
            let (status, answer) =
                send(&client, &format!("/auth/{path}"), PARTS, &multipart(&[(name, field(token))])).await;
            // The refresh has issued another access token; this one is good until it expires.
            assert_eq!(status, 200, "{path} {answer}");
        }
    });
}

/// The real thing: `curl -F`.
#[test]
fn n_20_curl_sends_a_form_in_parts() {
    bounded(async {
        let app = TestApp::new();
        let auth = app.jwtauth.routes(authenticate).body_tokens();
        let served = serve(Route::new().nest("/auth", auth).with(app.jwtauth.clone())).await;
        for (fields, expected) in [
            (&["username=bob", "password=right"][..], "200"),
            (&["username=bob", "password=right;type=text/plain"], "200"),
            (&["username=bob", "password=right;filename=password.txt"], "400"),
        ] {
            let mut curl = Command::new("curl");
            curl.args(["-s", "-m", "10", "--noproxy", "*", "-o", "/dev/null", "-w", "%{http_code}"]);
            fields.iter().for_each(|field| {
                curl.args(["-F", field]);
            });
            curl.arg(served.at("/auth/obtain"));
            let output = tokio::task::spawn_blocking(move || curl.output()).await.unwrap().unwrap();
            assert_eq!(String::from_utf8_lossy(&output.stdout), expected, "{fields:?}");
        }
    });
}

#[test]
fn bad_bodies_are_refused_field_by_field() {
    bounded(async {
        let app = TestApp::new();
        let client = body_app(&app);
        let required = json!(["This field is required."]);
        let (status, headers, body) = post(&client, "/auth/obtain", json!({})).await;
        assert_eq!((status, &body["code"]), (400, &json!("invalid_request")));
        assert_eq!((&body["username"], &body["password"]), (&required, &required));
        assert_eq!(headers[header::CONTENT_TYPE], "application/problem+json");
        let (status, _, body) = post(&client, "/auth/obtain", json!({"username": "", "password": 5})).await;
        assert_eq!(status, 400);
        assert_eq!(body["username"], json!(["This field may not be blank."]));
        assert_eq!(body["password"], json!(["Not a valid string."]));
        for (path, field) in [("refresh", "refresh"), ("revoke", "refresh"), ("verify", "token")] {
            let (status, _, body) = post(&client, &format!("/auth/{path}"), Value::Null).await;
            assert_eq!((status, &body[field]), (400, &required), "{path}");
        }
        let large = "x".repeat(70_000);
        for (kind, text, expected) in [
            ("application/json", "{", 400),
            ("application/json", "[]", 400),
            ("application/json", "\"\"", 400),
            ("text/plain", "username=bob", 415),
            ("application/json", &large, 413),
            ("application/json; charset=utf-8", r#"{"username":"bob","password":"right"}"#, 200),
            ("application/x-www-form-urlencoded", "username=bob&password=right", 200),
        ] {
            let answer = client.post("/auth/obtain").content_type(kind).body(text.to_owned()).send().await.0;
            assert_eq!(answer.status(), expected, "{kind}: {}", &text[..text.len().min(40)]);
        }
    });
}

/// N-20: of two kinds of body none counts. A proxy may have looked at the other one.
#[test]
fn n_20_a_body_has_one_kind() {
    bounded(async {
        let app = TestApp::new();
        let served = serve(
            Route::new()
                .nest("/auth", app.jwtauth.routes(authenticate).body_tokens())
                .with(app.jwtauth.clone())
                .map_to_response(),
        )
        .await;
        let body = r#"{"username": "bob", "password": "right"}"#;
        for (kinds, status) in [(&[JSON][..], "200"), (&[JSON, JSON], "415"), (&[FORM, JSON], "415")] {
            let kinds: String = kinds.iter().map(|kind| format!("content-type: {kind}\r\n")).collect();
            let len = body.len();
            let request = format!(
                "POST /auth/obtain HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{kinds}content-length: {len}\r\n\r\n{body}"
            );
            let answer = tests::wire::send(&served.url, request.as_bytes(), false).await.unwrap();
            assert_eq!(String::from_utf8_lossy(&answer).split(' ').nth(1), Some(status), "{kinds}");
        }
    });
}

#[derive(serde::Deserialize)]
struct Own {
    password: String,
}

#[poem::handler]
fn by_form(poem::web::Form(own): poem::web::Form<Own>) -> String {
    own.password
}

#[poem::handler]
fn by_json(Json(own): Json<Own>) -> String {
    own.password
}

/// N-20: what the guide says of login forms of one's own.
#[test]
fn n_20_form_of_poem_makes_one_password_of_two_and_its_json_makes_none() {
    bounded(async {
        let routes = Route::new().at("/form", poem::post(by_form)).at("/json", poem::post(by_json));
        let client = TestClient::new(routes);
        let read = async |path: &str, kind: &str, body: &[u8]| {
            let answer = client.post(path).content_type(kind).body(body.to_vec()).send().await.0;
            (answer.status().as_u16(), answer.into_body().into_string().await.unwrap())
        };
        let two = [b"password=gr%FCn".as_slice(), b"password=gr%E4n"];
        let [one, other] = [read("/form", FORM, two[0]).await, read("/form", FORM, two[1]).await];
        assert_eq!((one.0, &one.1), (200, &other.1));
        assert_eq!(read("/json", JSON, b"{\"password\":\"gr\xfcn\"}").await.0, 400);
    });
}
