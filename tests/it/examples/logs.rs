//! What the log of an example shows to somebody who has set nothing: every warning.

use reqwest::Client;
use tests::bounded;
use tests::program::Program;

use super::{PROGRAMS, address, program};

/// Sends what a wrong script sends, which is warned of. Returns the log.
async fn warned(program: &Program, name: &str) -> String {
    let server = program.start();
    let path = match name {
        "openapi" => "/api/me",
        "roles" => "/posts/1",
        "pages" => "/notes",
        "deny_by_default" => "/drafts",
        "notes" | "spa" => "/notes",
        _ => "/me",
    };
    // `verifier` is met at the service that logs in, where a refresh needs no token.
    let url = match name {
        "verifier" => format!("http://{}/auth/sessions", address(&server)),
        _ => format!("http://{}{path}", address(&server)),
    };
    let client = Client::builder().no_proxy().build().unwrap();
    let answer = client.get(url).header("authorization", "Bearer undefined").send().await.unwrap();
    assert_eq!(answer.status(), 401, "{name}");
    server.terminate().1
}

/// M-16: every example shows what is warned of, with nothing set and with any `RUST_LOG` that does not switch it off.
#[test]
fn m_16_every_example_shows_warnings() {
    bounded(async {
        for (name, binary) in PROGRAMS {
            for filter in [None, Some(""), Some("poem=error")] {
                let data = tempfile::tempdir().unwrap();
                let program = program(binary, data.path());
                let program = filter.map_or(program.clone(), |filter| program.env("RUST_LOG", filter));
                let log = warned(&program, name).await;
                assert!(log.contains("WARN") && log.contains("undefined"), "{name}: {filter:?}: {log}");
            }
        }
    });
}

/// M-16: and `RUST_LOG` still decides.
#[test]
fn m_16_the_environment_decides_what_is_shown() {
    bounded(async {
        let data = tempfile::tempdir().unwrap();
        let program = program(env!("CARGO_BIN_EXE_minimal"), data.path());
        assert_eq!(warned(&program.clone().env("RUST_LOG", "off"), "minimal").await, "");
        let log = warned(&program.env("RUST_LOG", "error"), "minimal").await;
        assert!(!log.contains("undefined"), "{log}");
    });
}

/// M-16: README's programs set their log up as the examples do, and its dependencies have what that needs.
#[test]
fn m_16_the_programs_of_readme_show_warnings() {
    let readme = crate::readme::readme();
    for program in crate::readme::programs() {
        assert!(
            program.contains(r#"format!("info,{}", env::var("RUST_LOG").unwrap_or_default())"#),
            "{program}"
        );
        assert!(!program.contains("fmt::init()"), "with `env-filter` it shows errors only");
    }
    assert!(readme.contains(r#"tracing-subscriber = { version = "0.3", features = ["env-filter"] }"#));
}
