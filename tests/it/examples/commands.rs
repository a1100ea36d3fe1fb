//! How the examples are started: each header names the command that works, and no example builds what another one needs.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use serde_json::Value;
use tests::cargo::{cargo, crates};
use tests::stranger::Stranger;

use crate::tidy::{root, sources};

/// Returns what cargo knows of a package of this workspace.
fn package(name: &str) -> Value {
    let metadata =
        cargo(&root(), &["metadata", "--no-deps", "--locked", "--offline", "--format-version=1"]).unwrap();
    let metadata: Value = serde_json::from_str(&metadata).unwrap();
    metadata["packages"].as_array().unwrap().iter().find(|package| package["name"] == name).unwrap().clone()
}

/// Returns the programs of a package: the file of each, with the features it cannot be built without.
fn programs(package: &Value, kind: &str) -> BTreeMap<PathBuf, Vec<String>> {
    let programs = package["targets"].as_array().unwrap().iter().filter(|target| target["kind"][0] == kind);
    let path = |target: &Value| PathBuf::from(target["src_path"].as_str().unwrap()).canonicalize().unwrap();
    programs.map(|target| (path(target), texts(&target["required-features"]))).collect()
}

fn texts(list: &Value) -> Vec<String> {
    let list = list.as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

/// Returns the examples by name, each with its text.
fn examples() -> BTreeMap<String, String> {
    let examples = sources("examples").into_iter().filter(|(path, _)| !path.ends_with("src/lib.rs"));
    let examples: BTreeMap<_, _> =
        examples.map(|(path, text)| (path.file_stem().unwrap().to_str().unwrap().to_owned(), text)).collect();
    assert!(examples.len() >= 11, "{:?}", examples.keys());
    examples
}

fn command(example: &str) -> String {
    match example {
        "minimal" => "cargo run -p examples --example minimal".into(),
        other => format!("cargo run -p examples --example {other} --features {other}"),
    }
}

/// Returns the commands of a text that start a program with cargo. They stand in backquotes or alone on a line.
fn commands(text: &str) -> Vec<&str> {
    let starts = text.match_indices("cargo run").map(|(at, _)| &text[at..]);
    starts.map(|rest| rest.split(['`', '\n']).next().unwrap().trim_end()).collect()
}

#[test]
fn each_header_names_the_command_with_the_features_that_cargo_asks_for() {
    let mut built = programs(&package("examples"), "example");
    let mut tested = programs(&package("tests"), "bin");
    for (name, text) in examples() {
        let path = root().join(format!("examples/{name}.rs")).canonicalize().unwrap();
        let features = built.remove(&path).unwrap_or_else(|| panic!("{name} is no [[example]]"));
        let expected = if name == "minimal" { vec![] } else { vec![name.clone()] };
        assert_eq!(features, expected, "{name}");
        let header: String = text.split_inclusive('\n').take_while(|line| line.starts_with("//!")).collect();
        let (commands, command) = (commands(&header), command(&name));
        // The first one needs nothing beside. Others may add features, such as another store.
        assert_eq!(commands.first(), Some(&&*command), "{name}");
        let are_like_it = commands.iter().all(|other| other.starts_with(&command));
        assert!(are_like_it, "{name}: {commands:?}");
        assert!(tested.remove(&path).is_some(), "{name} is no [[bin]] of the tests");
    }
    assert!(built.is_empty(), "{built:?}");
}

#[test]
fn readme_has_the_same_commands() {
    let known: BTreeSet<_> =
        examples().into_keys().chain(["NAME".into()]).map(|name| command(&name)).collect();
    for (file, examples) in
        [("README.md", &["minimal", "quickstart", "NAME"][..]), ("CONTRIBUTING.md", &["minimal"])]
    {
        let text = fs::read_to_string(root().join(file)).unwrap();
        let named: BTreeSet<_> = commands(&text).into_iter().map(str::to_owned).collect();
        assert!(named.is_subset(&known), "{file}: {:?}", &named - &known);
        assert!(examples.iter().all(|example| named.contains(&command(example))), "{file}: {named:?}");
    }
}

/// A crate is built for those examples that use it. `serde` costs nothing: the library needs it.
#[test]
fn a_feature_brings_the_crates_that_its_example_uses() {
    let package = package("examples");
    let dependencies = package["dependencies"].as_array().unwrap().iter();
    let (optional, always): (Vec<_>, Vec<_>) = dependencies.partition(|one| one["optional"] == true);
    assert!(optional.len() >= 3 && always.len() >= 5, "{optional:?} {always:?}");
    let name = |dependency: &Value| dependency["name"].as_str().unwrap().to_owned();
    let uses = |text: &str, name: &str| text.contains(&format!("{}::", name.replace('-', "_")));
    let examples = examples();
    for dependency in always.into_iter().map(name) {
        assert!(dependency == "serde" || uses(&examples["minimal"], &dependency), "minimal: {dependency}");
    }
    for (example, text) in &examples {
        let brings = texts(&package["features"][example]);
        for dependency in optional.iter().copied().map(name) {
            let brought = brings.contains(&format!("dep:{dependency}"));
            assert_eq!(brought, uses(text, &dependency), "{example}: {dependency}");
        }
    }
}

/// What README tells a newcomer to start first takes no longer to build than a project of the newcomer's own.
#[test]
fn the_first_example_builds_no_more_than_a_project_of_ones_own() {
    let own = Stranger::new().program("first", "fn main() {}").crates();
    let mut first = crates(&root(), &["-p", "examples", "--locked"]);
    assert!(first.remove(concat!("examples v", env!("CARGO_PKG_VERSION"))).is_some(), "{first:?}");
    assert!(first.len() >= 100 && first.keys().any(|name| name.starts_with("jwtauth v")), "{first:?}");
    for (name, features) in &first {
        let known = own.get(name).unwrap_or_else(|| panic!("{name} is not needed"));
        assert!(features.is_subset(known), "{name} with {:?}", features - known);
    }
}
