//! `jwtauth new`: a project to begin with.
//!
//! The files are in `template`, with `my_api` where the name of the package belongs.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use serde_json::json;

use super::output::Output;
use super::{Done, Failure, store};

/// The name of the package in the template.
const NAME: &str = "my_api";

/// The longest name that crates.io takes.
const MAX_NAME: usize = 64;

/// Words of Rust, names that cargo gives to programs and crates of its own, and crates that the template
/// names. What it imports is free: it names its own crate with `::` in front.
const TAKEN: &str = "\
    abstract alloc argon2 as async await become bin blake2 box break build const continue core crate deps do dyn \
    else enum examples extern false final fn for gen if impl in incremental jwtauth let loop macro \
    match mod move mut override poem priv proc_macro pub ref regex_automata \
    regex_filtered regex_syntax return self serde_json static std \
    struct super test tokio tracing_subscriber trait true try type typeof unsafe unsized use \
    virtual where while yield";

const FILES: &[(&str, &str)] = &[
    ("Cargo.toml", include_str!("template/manifest.toml")),
    ("src/lib.rs", include_str!("template/lib.rs.txt")),
    ("src/main.rs", include_str!("template/main.rs.txt")),
    ("tests/logins.rs", include_str!("template/logins.rs.txt")),
    ("Dockerfile", include_str!("template/Dockerfile")),
    (".dockerignore", include_str!("template/dockerignore")),
    (".gitignore", include_str!("template/gitignore")),
    ("README.md", include_str!("template/README.md")),
];

/// Makes a project in a directory that is not there yet, or empty.
pub(crate) fn make(path: &Path, name: Option<&str>, output: Output) -> Done {
    store::outside_of_stores(path)?;
    // `.` and `..` have no name of their own, and are there.
    let folder = if path.file_name().is_some() { Ok(path.into()) } else { fs::canonicalize(path) };
    let folder = folder.unwrap_or_else(|_| path.into());
    let own = folder.file_name().unwrap_or_default().to_string_lossy();
    let name = package(name.unwrap_or(&own))?;
    let failed = |error: io::Error| Failure::refused(format!("{path:?} cannot be made: {error}"));
    let is_empty = match fs::read_dir(path) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => true,
        Err(error) => return Err(failed(error)),
    };
    if !is_empty {
        return Err(Failure::refused(format!(
            "{path:?} holds something: name a directory that is not there yet, or an empty one"
        )));
    }
    for (file, text) in FILES {
        let file = path.join(file);
        fs::create_dir_all(file.parent().unwrap_or(path)).map_err(failed)?;
        let made = OpenOptions::new().write(true).create_new(true).open(&file);
        made.and_then(|mut made| made.write_all(filled(text, &name).as_bytes())).map_err(failed)?;
    }
    let text = format!("{name} is in {}: `cd` there, and `cargo run` or `cargo test`", folder.display());
    output.line(&text, &json!({ "name": name, "path": path.to_string_lossy() }));
    Ok(())
}

/// Puts the name of the package into a file.
fn filled(text: &str, name: &str) -> String {
    let named = text.replace(&format!("::{NAME}::"), &format!("::{}::", name.replace('-', "_")));
    named.replace(NAME, name)
}

/// Checks the name of a package.
fn package(name: &str) -> Result<String, Failure> {
    let refused = |why: &str| {
        let what = format!(
            "{name:?} is no name for a package, because it {why}: write another one, such as --name my-api"
        );
        Err(Failure::refused(what))
    };
    let is_word = |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_';
    if !name.starts_with(|first: char| first.is_ascii_alphabetic()) {
        return refused("does not begin with a letter from a to z");
    }
    if !name.chars().all(is_word) {
        return refused("has other characters than letters from a to z, digits, `-` and `_`");
    }
    if name.len() > MAX_NAME {
        return refused("is longer than 64 characters");
    }
    let rust_name = name.to_ascii_lowercase().replace('-', "_");
    if TAKEN.split_whitespace().any(|taken| taken == rust_name) {
        return refused("means something else to Rust or cargo");
    }
    Ok(name.into())
}
