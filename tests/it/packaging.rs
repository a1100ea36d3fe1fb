//! What is published: the files of a package, its features as they are documented, and one list of versions.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde::Deserialize;

use crate::tidy::root;

/// What `cargo metadata` says about this workspace.
#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    manifest_path: PathBuf,
    /// An empty list stands for `publish = false`.
    publish: Option<Vec<String>>,
    features: BTreeMap<String, Vec<String>>,
}

fn cargo(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO")).args(arguments).current_dir(root()).output().unwrap()
}

fn stdout(output: Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn members() -> Vec<Package> {
    let text = stdout(cargo(&["metadata", "--no-deps", "--offline", "--format-version", "1"]));
    serde_json::from_str::<Metadata>(&text).unwrap().packages
}

fn published() -> Vec<Package> {
    let published: Vec<_> = members().into_iter().filter(|package| package.publish.is_none()).collect();
    let names: Vec<_> = published.iter().map(|package| package.name.as_str()).collect();
    assert_eq!(names, ["jwtauth", "jwtauth-macros"]);
    published
}

#[test]
fn a_package_holds_both_licences_and_a_readme() {
    for package in published() {
        let name = &package.name;
        let list = stdout(cargo(&["package", "--list", "--allow-dirty", "--offline", "--package", name]));
        for file in ["LICENSE-APACHE", "LICENSE-MIT", "README.md"] {
            assert!(list.lines().any(|line| line == file), "{name}: no {file} in\n{list}");
        }
        for file in ["LICENSE-APACHE", "LICENSE-MIT"] {
            let copy = fs::read_to_string(package.manifest_path.with_file_name(file)).unwrap();
            assert!(copy == fs::read_to_string(root().join(file)).unwrap(), "{name}: another {file}");
        }
    }
}

/// Returns the dependencies of a manifest that state a version, a path or a repository themselves.
fn stated(manifest: &str) -> Vec<&str> {
    let mut is_list = false;
    let mut found = Vec::new();
    for line in manifest.lines().map(str::trim) {
        if let Some(section) = line.strip_prefix('[') {
            is_list = section.trim_end_matches(']').ends_with("dependencies");
            if section.contains("dependencies.") {
                found.push(line);
            }
        } else if is_list
            && line.contains('=')
            && !line.starts_with('#')
            && !line.contains("workspace = true")
        {
            found.push(line);
        }
    }
    found
}

#[test]
fn the_workspace_states_the_version_of_every_dependency() {
    for package in members() {
        let manifest = fs::read_to_string(&package.manifest_path).unwrap();
        assert_eq!(stated(&manifest), [""; 0], "{}", package.manifest_path.display());
    }
    let wrong = "[dependencies]\na.workspace = true\nb = \"1\"\n\n[dev-dependencies.c]\nversion = \"1\"\n";
    assert_eq!(stated(wrong), ["b = \"1\"", "[dev-dependencies.c]"]);
}

/// Finds the features that a text lists, each with whether it says that the feature is a default one.
fn listed<'a>(text: &'a str, bullet: &str) -> BTreeMap<&'a str, bool> {
    let names = text.lines().filter_map(|line| line.strip_prefix(bullet)?.split_once('`'));
    names.map(|(name, rest)| (name, rest.starts_with(" (default)"))).collect()
}

#[test]
fn every_feature_is_documented() {
    let jwtauth = published().remove(0);
    let default = &jwtauth.features["default"];
    let features = jwtauth.features.keys().filter(|name| *name != "default");
    let features: BTreeMap<_, _> = features.map(|name| (name.as_str(), default.contains(name))).collect();
    assert!(features.len() > 5 && features["rust_crypto"], "{features:?}");

    let section = |file: &Path, from: &str, to: &str| -> String {
        let text = fs::read_to_string(root().join(file)).unwrap();
        let (_, text) = text.split_once(from).unwrap_or_else(|| panic!("{}: no {from:?}", file.display()));
        text.split(to).next().unwrap_or_default().to_owned()
    };
    let documentation = section(Path::new("jwtauth/src/docs/crate.md"), "# Features\n", "\n\nPanics");
    assert_eq!(listed(&documentation, "- `"), features, "crate.md");
    let readme = section(Path::new("README.md"), "| feature | gives | costs |\n", "\n\n");
    assert_eq!(listed(&readme, "| `"), features, "README.md");
}
