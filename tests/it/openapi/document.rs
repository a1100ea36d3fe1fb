//! What the document says of each operation: how to say who is calling, and how it may refuse.

use super::*;
use serde_json::json;

mod roles {
    pub(super) const EDITOR: &str = "editor";
}

fn weekdays_only() -> bool {
    true
}

#[derive(ApiResponse)]
enum Own {
    /// Done.
    #[oai(status = 200)]
    Done,
    /// Not with these credentials.
    #[oai(status = 401)]
    Unauthorized(PlainText<String>),
}

pub(super) struct Api;

#[require_auth]
#[OpenApi]
impl Api {
    /// Reads a post.
    ///
    /// For everybody who is logged in.
    #[oai(path = "/posts/:id", method = "get")]
    async fn read(
        &self,
        /** The post. */
        id: Path<u64>,
        who: &Identity,
    ) -> Result<Json<u64>> {
        let _ = who;
        Ok(Json(id.0))
    }

    #[require_auth(any_role(roles::EDITOR, "admin"), scope = "posts:write", check = weekdays_only)]
    #[oai(path = "/posts", method = "post")]
    async fn write(&self, user: User, post: Json<String>) -> Json<String> {
        let _ = user;
        post
    }

    #[require_auth(all_scopes("posts:write", "posts:delete"), fresh = "5m", csrf = false)]
    #[oai(path = "/posts", method = "delete", actual_type = "Json<u64>")]
    async fn delete(&self) -> Binary<String> {
        Binary("1".into())
    }

    #[require_auth(optional)]
    #[oai(path = "/hello", method = "get")]
    async fn hello(&self, user: Option<User>) -> PlainText<String> {
        PlainText(user.map_or("nobody".into(), |user| user.name))
    }

    #[require_auth(redirect = "/login")]
    #[oai(path = "/own", method = "get", deprecated)]
    async fn own(&self) -> Own {
        Own::Done
    }

    #[public]
    #[oai(path = "/health", method = "get", method = "post")]
    async fn health(&self) -> PlainText<String> {
        PlainText("ok".into())
    }

    #[oai(path = "/hidden", method = "get", hidden)]
    async fn hidden(&self) -> Own {
        Own::Unauthorized(PlainText(String::new()))
    }
}

/// Returns the document as it is served.
pub(super) fn document() -> String {
    OpenApiService::new(Api, "Test", "1").spec()
}

fn parsed() -> Value {
    serde_json::from_str(&document()).expect("JSON")
}

#[test]
fn guarded_operations_say_how_to_say_who_is_calling() {
    let paths = &parsed()["paths"];
    let required = json!([{"cookie": []}, {"bearer": []}]);
    for (path, method, want) in [
        ("/posts/{id}", "get", required.clone()),
        ("/posts", "post", required.clone()),
        ("/posts", "delete", required.clone()),
        ("/hello", "get", json!([{"cookie": []}, {"bearer": []}, {}])),
        ("/own", "get", required),
        ("/health", "get", Value::Null),
        ("/health", "post", Value::Null),
    ] {
        assert!(paths[path][method].is_object(), "{method} {path}");
        let mut security = paths[path][method]["security"].clone();
        // Another test may have API keys at this moment.
        if let Some(schemes) = security.as_array_mut() {
            schemes.retain(|scheme| scheme["api_key"].is_null());
        }
        assert_eq!(security, want, "{method} {path}");
    }
    assert_eq!(paths["/hidden"], Value::Null);
}

#[test]
fn both_schemes_are_described_once() {
    // Another test may build a `JwtAuth` with another header in between: what was said last counts.
    let usual = || {
        let _ = TestApp::new();
        let document = parsed();
        let schemes = document["components"]["securitySchemes"].clone();
        let is_usual = schemes["bearer"]["type"] == "http" && schemes["bearer"]["scheme"] == "bearer";
        (is_usual && schemes["api_key"].is_null()).then_some(schemes)
    };
    let schemes = &std::iter::repeat_with(usual).take(100).flatten().next().expect("the usual header");
    assert_eq!(schemes.as_object().expect("schemes").len(), 2);
    assert_eq!(
        schemes["bearer"],
        json!({"type": "http", "scheme": "bearer", "bearerFormat": "JWT",
               "description": "The access token, for clients that keep no cookies."})
    );
    let cookie = &schemes["cookie"];
    assert_eq!((&cookie["type"], &cookie["in"]), (&json!("apiKey"), &json!("cookie")));
    // Another test may have made a `JwtAuth` with another name meanwhile. The example has none beside it.
    assert!(cookie["name"].as_str().expect("a name").ends_with("access_token"), "{cookie}");
}

#[test]
fn refusals_are_documented_with_what_is_needed() {
    let paths = &parsed()["paths"];
    let other_sites = "Requests of other sites are refused.";
    for (path, method, want) in [
        ("/posts/{id}", "get", json!({"401": "Nobody is logged in."})),
        (
            "/posts",
            "post",
            json!({"401": "Nobody is logged in.",
                   "403": format!("This needs one of the roles `editor`, `admin` and the scope `posts:write` and \
                                   the consent of the application's own checks. {other_sites}")}),
        ),
        (
            "/posts",
            "delete",
            json!({"401": "Nobody is logged in, or the login was more than 300 seconds ago.",
                   "403": "This needs all of the scopes `posts:write`, `posts:delete`."}),
        ),
        ("/hello", "get", json!({"401": "The credentials are refused."})),
    ] {
        let responses = paths[path][method]["responses"].as_object().expect("responses");
        let mut want = want;
        want["200"] = json!("");
        want["503"] = json!("Sessions are not available at the moment.");
        let found: Value = responses
            .iter()
            .map(|(status, response)| (status.clone(), response["description"].clone()))
            .collect::<serde_json::Map<_, _>>()
            .into();
        assert_eq!(found, want, "{method} {path}");
        for (status, response) in responses {
            let content = &response["content"]["application/problem+json"]["schema"]["$ref"];
            let is_problem = *content == json!("#/components/schemas/JwtauthProblem");
            assert_eq!(is_problem, status != "200", "{method} {path} {status}: {response}");
        }
        assert!(responses["401"]["headers"]["WWW-Authenticate"].is_object());
        assert!(responses["503"]["headers"]["Retry-After"].is_object());
    }
    let public = paths["/health"]["get"]["responses"].as_object().expect("responses");
    assert_eq!(public.keys().collect::<Vec<_>>(), ["200"]);
}

/// What clients get is what the document says.
#[test]
fn the_schema_of_a_problem_is_that_of_the_body() {
    bounded(async {
        let document = parsed();
        let schema = &document["components"]["schemas"]["JwtauthProblem"];
        let client = client(&TestApp::new(), Api);
        assert_eq!(answer(client.get("/hidden"), None).await.status(), 401, "hidden is not open");
        let answered = answer(client.get("/own"), None).await;
        assert_eq!(answered.content_type(), Some("application/problem+json"));
        let problem: Value = serde_json::from_str(&text(answered).await).expect("JSON");
        let mut names: Vec<_> = problem.as_object().expect("an object").keys().cloned().collect();
        let mut required: Vec<String> = serde_json::from_value(schema["required"].clone()).expect("names");
        names.sort();
        required.sort();
        assert_eq!(names, required);
        for (name, value) in problem.as_object().expect("an object") {
            let kind = if value.is_string() { "string" } else { "integer" };
            assert_eq!(schema["properties"][name]["type"], kind, "{name}");
        }
    });
}

#[test]
fn what_the_application_says_stays() {
    let document = parsed();
    let read = &document["paths"]["/posts/{id}"]["get"];
    assert_eq!(read["summary"], "Reads a post.");
    assert_eq!(read["description"], "For everybody who is logged in.");
    let parameters = read["parameters"].as_array().expect("parameters");
    let [id] = &parameters[..] else { panic!("{parameters:?}") };
    assert_eq!((&id["name"], &id["description"]), (&json!("id"), &json!("The post.")));
    let own = &document["paths"]["/own"]["get"];
    assert_eq!(own["deprecated"], true);
    // One status, both bodies.
    let refused = &own["responses"]["401"];
    assert_eq!(refused["description"], "Not with these credentials.");
    let content: Vec<_> = refused["content"].as_object().expect("content").keys().collect();
    assert_eq!(content, ["application/problem+json", "text/plain; charset=utf-8"]);
    assert_eq!(refused["headers"]["WWW-Authenticate"]["required"], Value::Null, "theirs has none");
    assert!(own["responses"]["303"]["headers"]["Location"].is_object());
    let actual = &document["paths"]["/posts"]["delete"]["responses"]["200"]["content"];
    assert!(actual["application/json; charset=utf-8"].is_object(), "{actual}");
}

/// Most parsers keep one of two entries of the same name, and say nothing.
#[test]
fn no_name_is_there_twice() {
    let document = document();
    let parsed: Value = serde_json::from_str(&document).expect("JSON");
    let compact = |text: &str| text.chars().filter(|c| !c.is_whitespace()).count();
    assert_eq!(compact(&document), compact(&parsed.to_string()));
}

struct Open;

#[require_auth]
#[OpenApi]
impl Open {
    #[public]
    #[oai(path = "/logout", method = "post")]
    async fn leave(&self, auth: jwtauth::Auth) -> Result<()> {
        Ok(auth.logout().await?)
    }
}

/// `Auth` needs no login, so an operation that is open documents what its return type says. Another site is refused all
/// the same.
#[test]
fn an_open_operation_with_auth_documents_no_refusals_of_its_own() {
    bounded(async {
        let spec = OpenApiService::new(Open, "Test", "1").spec();
        let spec: Value = serde_json::from_str(&spec).unwrap();
        let leave = &spec["paths"]["/logout"]["post"];
        assert_eq!(leave["responses"].as_object().unwrap().keys().collect::<Vec<_>>(), ["200"], "{leave}");
        assert!(leave["security"].is_null(), "{leave}");
        let app = TestApp::new();
        let client = client(&app, Open);
        assert_eq!(
            answer(client.post("/logout"), None).await.status(),
            StatusCode::OK,
            "nobody is logged in"
        );
        let other = client.post("/logout").header(header::HOST, "a.example");
        let other = answer(other.header(header::ORIGIN, "https://b.example"), None).await;
        assert_eq!(other.status(), StatusCode::FORBIDDEN);
        assert_eq!(code(other).await, "cross_origin");
    });
}
