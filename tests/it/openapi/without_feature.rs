//! Without the feature `openapi` the compiler says what is missing, and nothing else.

use tests::stranger::Stranger;

const API: &str = r#"
use jwtauth::require_auth;

struct Api;

#[require_auth(role = "staff")]
#[OpenApi]
impl Api {
    #[oai(path = "/", method = "get")]
    async fn index(&self) {}

    #[public]
    #[oai(path = "/health", method = "get")]
    async fn health(&self) {}
}

fn main() {}
"#;

#[test]
fn the_missing_feature_is_named_in_one_error() {
    let said = Stranger::new().program("api", API).check().unwrap_err();
    let errors: Vec<_> = said.lines().filter(|line| line.starts_with("error")).collect();
    let [error, last] = errors[..] else { panic!("{said}") };
    assert_eq!(error, "error: `#[require_auth]` above `#[OpenApi]` needs the feature `openapi` of jwtauth");
    assert!(last.starts_with("error: could not compile"), "{said}");
    assert!(said.contains("features = [\"openapi\"]"), "{said}");
}
