//! The guide of troubleshooting has every code of an answer, and every line of the log at WARN and ERROR.

use std::collections::BTreeSet;
use std::path::Path;

use super::guide;
use crate::tidy::{root, sources};

/// Lines whose text is made elsewhere: the file, and the texts that the guide has in their place. Each text is in a source.
const ELSEWHERE: [(&str, &[&str]); 8] = [
    ("notice.rs", &[]), // each call is read
    (
        "key/initial_keys.rs",
        &["tokens are signed with RSA by RustCrypto, whose timing may tell something of the key"],
    ),
    (
        "session/key_ring.rs",
        &["tokens are signed with RSA by RustCrypto, whose timing may tell something of the key"],
    ),
    (
        "web/request/wiring.rs",
        &[
            "`JwtAuth` was added with `.data(auth)`; it is a middleware",
            "`Verifier` was added with `.data(verifier)`; it is a middleware",
            "no `JwtAuth` and no `Verifier` in front of this route",
        ],
    ),
    ("web/guard/admit.rs", &["no `JwtAuth` and no `Verifier` in front of this route"]),
    (
        "web/extract/account_argument.rs",
        &["`&Accounts` needs accounts: call `.accounts(AccountsConfig::default())`"],
    ),
    ("web/state.rs", &["403: "]),
    ("user/copy.rs", &["Its user must log in again"]),
];

/// A piece of a message shorter than this proves nothing.
const SHORT: usize = 16;
/// So much of a message the guide must have, so that somebody finds it.
const ENOUGH: usize = 48;

/// Returns the sources of the library without comments and tests.
fn library() -> Vec<(String, String)> {
    let own = root().join("jwtauth/src");
    let is_test = |path: &Path| path.ends_with("tests.rs") || path.iter().any(|part| part == "tests");
    let files = sources("jwtauth/src")
        .into_iter()
        .map(|(path, text)| (path.strip_prefix(&own).unwrap().to_owned(), text));
    let read = files.filter(|(path, _)| !is_test(path)).map(|(path, text)| {
        let code = text.split("mod tests {").next().unwrap();
        let code = code.lines().filter(|line| !line.trim_start().starts_with("//"));
        (path.to_str().unwrap().to_owned(), code.collect::<Vec<_>>().join("\n"))
    });
    read.collect()
}

/// Returns the arguments of a call, up to its closing bracket, and the texts in it.
fn call(text: &str) -> (&str, Vec<String>) {
    let (mut depth, mut texts) = (1, Vec::new());
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            '"' => {
                let mut literal = String::new();
                while let Some((_, c)) = chars.next() {
                    match c {
                        '"' => break,
                        '\\' => match chars.next() {
                            // A line that goes on without the white space.
                            Some((_, '\n')) => {
                                let rest = chars.as_str();
                                let blank = rest.len() - rest.trim_start().len();
                                if blank > 0 {
                                    chars.nth(blank - 1);
                                }
                            }
                            other => literal.extend(other.map(|(_, c)| c)),
                        },
                        c => literal.push(c),
                    }
                }
                texts.push(literal);
            }
            _ => {}
        }
        if depth == 0 {
            return (&text[..at], texts);
        }
    }
    panic!("a call without an end: {}", &text[..text.len().min(80)]);
}

/// Returns what the guide must have of a line: its event, or the start of the longest piece without values.
fn wanted(arguments: &str, texts: &[String]) -> Option<String> {
    let event = arguments.split("event = \"").nth(1).map(|rest| rest.split('"').next().unwrap());
    if let Some(event) = event {
        return Some(format!("`{event}`"));
    }
    let message = texts.iter().rfind(|text| *text != "jwtauth")?;
    let pieces = message.split('{').map(|piece| piece.split_once('}').map_or(piece, |(_, rest)| rest));
    let longest = pieces.max_by_key(|piece| piece.len())?.trim();
    let end = (0..=longest.len().min(ENOUGH)).rfind(|end| longest.is_char_boundary(*end)).unwrap_or(0);
    (end >= SHORT).then(|| longest[..end].trim_end().to_owned())
}

/// M-19: the house is complete.
#[test]
fn m_19_house_every_line_of_the_log_is_in_the_guide() {
    let (guide, library) = (guide("troubleshooting"), library());
    let (mut count, mut missing) = (0, Vec::new());
    for (file, code) in &library {
        for name in ["warn!(", "error!(", "misconfigured("] {
            for (at, _) in code.match_indices(name) {
                let is_other = code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_')
                    || code[..at].ends_with("fn ");
                if is_other || code[..at].ends_with("compile_") {
                    continue;
                }
                let (arguments, texts) = call(&code[at + name.len()..]);
                count += 1;
                let elsewhere = ELSEWHERE.iter().find(|(known, _)| known == file);
                match (wanted(arguments, &texts), elsewhere) {
                    (Some(text), _) if guide.contains(&text) => {}
                    (_, Some((_, texts))) if texts.iter().all(|text| guide.contains(text)) => {}
                    (Some(text), _) => missing.push(format!("{file}: {text}")),
                    (None, _) => missing.push(format!("{file}: a text that is made elsewhere: {arguments}")),
                }
            }
        }
    }
    assert!(count > 45, "the lines are found: {count}");
    assert!(missing.is_empty(), "explain them in jwtauth/src/docs/troubleshooting.md: {missing:#?}");
    // What is said to be made elsewhere is made.
    let all: String = library.into_iter().map(|(_, code)| code).collect();
    for text in ELSEWHERE.iter().flat_map(|(_, texts)| *texts) {
        assert!(all.contains(text), "no source has {text}");
    }
}

fn is_code(text: &str) -> bool {
    text.contains('_') && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

/// M-19: and so are the codes, with their statuses.
#[test]
fn m_19_house_every_code_of_an_answer_is_in_the_guide() {
    let mut codes = BTreeSet::new();
    for (_, code) in library() {
        // Rows of the table of refusals: `=> 403, "code", ..`.
        for row in code.split("=> ").skip(1) {
            let Some((status, rest)) = row.split_once(", \"") else { continue };
            let found = rest.split('"').next().unwrap();
            if status.parse::<u16>().is_ok() && is_code(found) {
                codes.insert((found.to_owned(), Some(status.to_owned())));
            }
        }
        for name in ["problem(", "Own("] {
            for (at, _) in code.match_indices(name) {
                if !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_')
                    && !code[..at].ends_with("fn ")
                {
                    let (_, texts) = call(&code[at + name.len()..]);
                    codes.extend(texts.into_iter().filter(|text| is_code(text)).map(|text| (text, None)));
                }
            }
        }
    }
    assert!(codes.len() >= 18, "the codes are found: {codes:?}");
    let guide = guide("troubleshooting");
    for (code, status) in codes {
        let row = guide.lines().find(|line| line.starts_with(&format!("| `{code}` |")));
        let row = row.unwrap_or_else(|| panic!("{code} is not in jwtauth/src/docs/troubleshooting.md"));
        assert!(status.is_none_or(|status| row.contains(&status)), "{row}");
    }
}

/// M-19, M-16: the log is set up there as in README and in the examples.
#[test]
fn m_19_m_16_the_guide_sets_the_log_up_as_readme_does() {
    let set_up = r#"format!("info,{}", std::env::var("RUST_LOG").unwrap_or_default())"#;
    assert!(guide("troubleshooting").contains(set_up));
    assert!(crate::readme::programs().iter().all(|program| program.contains(&set_up.replace("std::", ""))));
}

#[test]
fn calls_are_read_with_their_texts() {
    let (arguments, texts) =
        call("target: \"jwtauth\", %a, \"it (is) {b}: \\\"c\\\", and \\\n     goes on\"); f(\"d\")");
    assert!(arguments.ends_with("goes on\""), "{arguments}");
    assert_eq!(texts, ["jwtauth", "it (is) {b}: \"c\", and goes on"]);
    assert_eq!(wanted(arguments, &texts).unwrap(), ": \"c\", and goes on");
    assert_eq!(wanted("event = \"x\", y", &[]).unwrap(), "`x`");
    assert_eq!(wanted("\"{a}\"", &["{a}".into()]), None);
}
