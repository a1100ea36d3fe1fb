//! The house: which module may use which, and where the names of other crates may stand.

use std::fs;
use std::path::{Path, PathBuf};

/// Each module with its floor, from the ground up. A module uses lower floors only; `error` may be used by all.
const FLOORS: [(&str, u8); 35] = [
    ("account_key", 0),
    ("byte_order_mark", 0),
    ("clock", 0),
    ("error", 0),
    ("foreign_hash", 0),
    ("guide", 0),
    ("host", 0),
    ("notice", 0),
    ("plain_text", 0),
    ("private_file", 0),
    ("right_name", 0),
    ("shutdown", 0),
    ("hash_cost", 1),
    ("secret", 1),
    ("id", 2),
    ("claims", 3),
    ("device", 3),
    ("key", 3),
    ("compat", 4),
    ("issuer_profile", 4),
    ("record", 4),
    ("config", 5),
    ("events", 5),
    ("registry", 5),
    ("user", 5),
    ("store", 6),
    ("token", 6),
    ("session", 7),
    ("verifier", 7),
    ("accounts", 8),
    ("operator", 9),
    ("web", 10),
    ("private", 11),
    ("lib", 12),
    ("bin", 13),
];

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Returns each source file below a folder of the project, with its text.
pub(crate) fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    files(folder, &["rs"])
}

/// Returns each file with one of these extensions below a folder of the project, with its text.
pub(crate) fn files(folder: &str, extensions: &[&str]) -> Vec<(PathBuf, String)> {
    let mut folders = vec![root().join(folder)];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|found| extensions.iter().any(|known| found == *known)) {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    assert!(!found.is_empty(), "{folder} has sources");
    found
}

fn module_of(path: &Path) -> String {
    let inside = path.strip_prefix(root().join("jwtauth/src")).unwrap();
    inside.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs").to_owned()
}

#[test]
fn a_module_uses_lower_floors_only() {
    let floor = |module: &str| FLOORS.iter().find(|(known, _)| *known == module).map(|(_, floor)| *floor);
    let mut uses = 0;
    for (path, text) in sources("jwtauth/src") {
        let module = module_of(&path);
        let own = floor(&module).unwrap_or_else(|| panic!("{module} has no floor in the table"));
        // Tests may look everywhere.
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        if path.ends_with("tests.rs") {
            continue;
        }
        for used in code.split("crate::").skip(1) {
            let used: String = used.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
            let Some(below) = floor(&used) else { continue };
            uses += 1;
            let allowed = used == module || used == "error" || below < own;
            assert!(allowed, "{}: {module} (floor {own}) uses {used} (floor {below})", path.display());
        }
    }
    assert!(uses > 50, "the test reads what it should: {uses} uses found");
}

#[test]
fn other_crates_are_named_in_their_rooms_only() {
    let rooms: [(&str, &[&str]); 21] = [
        ("argon2::", &["accounts/hash.rs", "foreign_hash.rs", "hash_cost.rs"]),
        ("bcrypt::", &["foreign_hash.rs"]),
        ("scrypt::", &["foreign_hash.rs"]),
        ("unicode_normalization::", &["account_key.rs", "accounts/"]),
        ("use ::sled", &["store/sled"]),
        ("deadpool_postgres::", &["store/postgres/connections.rs", "store/postgres/host_choice.rs"]),
        ("tokio_postgres::", &["store/postgres/"]),
        ("rustls::", &["store/postgres/tls.rs"]),
        ("bincode::", &["store/codec"]),
        ("poem::", &["web/", "private.rs", "user/", "lib.rs"]),
        ("poem::session", &["web/poem_session.rs"]),
        ("poem_openapi", &["web/openapi/"]),
        ("jsonwebtoken::", &["key/backend.rs"]),
        ("aws_lc_rs::", &["key/backend.rs", "key/es512.rs", "store/postgres/tls.rs"]),
        ("p521::", &["key/es512.rs"]),
        ("getrandom::", &["secret/mod.rs"]),
        ("reqwest", &["verifier/fetch.rs"]),
        ("tokio::signal", &["shutdown.rs"]),
        ("sfv::", &["web/client/hints.rs"]),
        ("ua_parser::", &["web/client/agent.rs"]),
        ("SystemTime::", &["clock/mod.rs"]),
    ];
    for (path, text) in sources("jwtauth/src") {
        let shown = path.display().to_string();
        let code: String = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        for (name, allowed) in rooms {
            let inside = allowed.iter().any(|room| shown.contains(&format!("src/{room}")));
            assert!(inside || !code.contains(name), "{shown} names {name}");
        }
    }
}

/// Who verifies with a key, or does not verify for others at all, builds no HTTP client.
#[test]
fn the_http_client_comes_with_its_feature_only() {
    let manifest = fs::read_to_string(root().join("jwtauth/Cargo.toml")).unwrap();
    let naming = |word: &str| -> Vec<_> { manifest.lines().filter(|line| line.contains(word)).collect() };
    assert_eq!(
        naming("reqwest").into_iter().filter(|line| !line.starts_with('#')).collect::<Vec<_>>(),
        [r#"fetch = ["dep:reqwest", "reqwest/rustls"]"#, "reqwest = { workspace = true, optional = true }"]
    );
    assert!(naming("default = ").iter().all(|line| !line.contains("fetch")));
}

#[test]
fn every_file_says_what_it_is_for() {
    for folder in ["jwtauth/src", "jwtauth-macros/src", "tests/src", "tests/it", "examples"] {
        for (path, text) in sources(folder) {
            assert!(text.starts_with("//!"), "{} has no header", path.display());
        }
    }
}

/// Comments of the library fit the width of its code. Tables and code in comments are as wide as they are.
#[test]
fn comments_fit_the_width_of_the_code() {
    for (path, text) in sources("jwtauth/src").into_iter().chain(sources("jwtauth-macros/src")) {
        let mut is_code = false;
        for (number, line) in text.lines().enumerate() {
            let Some(comment) = line.trim_start().strip_prefix("//") else { continue };
            let comment = comment.trim_start_matches(['/', '!']).trim_start();
            is_code ^= comment.starts_with("```");
            let is_wide = line.chars().count() > 110 && comment.contains(' ');
            assert!(
                !is_wide || is_code || comment.starts_with('|'),
                "{}:{}: a comment of more than 110 columns",
                path.display(),
                number + 1
            );
        }
    }
}

/// Examples are for reading: 30 to 140 lines. `quickstart` is the program that README is about.
#[test]
fn an_example_is_read_in_one_go() {
    for (path, text) in sources("examples") {
        let name = path.file_stem().unwrap().to_str().unwrap();
        let lines = text.lines().count();
        if name != "lib" && name != "quickstart" {
            assert!((30..=140).contains(&lines), "{} has {lines} lines", path.display());
        }
    }
}
