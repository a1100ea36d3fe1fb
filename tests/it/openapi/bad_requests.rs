//! An application's handler of bad requests answers to those, and to none of our refusals.

use super::*;

#[derive(ApiResponse)]
#[oai(bad_request_handler = "unprocessable")]
enum Answer {
    #[oai(status = 200)]
    Done,
    #[oai(status = 422)]
    Unprocessable(PlainText<String>),
}

fn unprocessable(error: poem::Error) -> Answer {
    Answer::Unprocessable(PlainText(error.to_string()))
}

struct Api;

#[require_auth]
#[OpenApi]
impl Api {
    #[oai(path = "/user", method = "post")]
    async fn user(&self, _user: User, _body: Json<u64>) -> Answer {
        Answer::Done
    }

    #[oai(path = "/member", method = "post")]
    async fn member(&self, _member: CurrentUser<Member>, _body: Json<u64>) -> Result<Answer> {
        Ok(Answer::Done)
    }

    #[require_auth(optional)]
    #[oai(path = "/maybe", method = "post")]
    async fn maybe(&self, _member: Option<CurrentUser<Member>>, _body: Json<u64>) -> Answer {
        Answer::Done
    }
}

#[test]
fn a_refusal_is_no_bad_request() {
    bounded(async {
        let app = TestApp::new();
        let bob = login(&app, "bob").await;
        let with = |members: Members| {
            let routes = Route::new().nest("/", OpenApiService::new(Api, "Test", "1"));
            TestClient::new(routes.data(members).with(app.jwtauth.clone()))
        };
        for (path, members, tokens, body, status) in [
            ("/user", Members::Gone, None, "no json", 401),
            ("/user", Members::Gone, Some(&bob), "no json", 422),
            ("/user", Members::Gone, Some(&bob), "1", 200),
            ("/member", Members::Gone, Some(&bob), "1", 401),
            ("/member", Members::OutOfReach, Some(&bob), "1", 503),
            ("/maybe", Members::Gone, Some(&bob), "1", 200),
            ("/maybe", Members::OutOfReach, Some(&bob), "1", 503),
        ] {
            let client = with(members);
            let request = client.post(path).content_type("application/json").body(body);
            let answered = answer(request, tokens).await;
            assert_eq!(answered.status(), status, "{path} {body}");
            let is_problem = answered.content_type() == Some("application/problem+json");
            assert_eq!(is_problem, matches!(status, 401 | 503), "{path} {body}");
        }
    });
}
