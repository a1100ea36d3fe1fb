//! `jwtauth new`: what it makes is built, tested and served, as its README says.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tests::cargo::cargo;
use tests::program::Program;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

fn new(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jwtauth_program"));
    command.arg("new").args(arguments).env_remove("JWTAUTH_STORE").output().unwrap()
}

#[test]
fn a_new_project_is_built_tested_and_served() {
    let folder = tempfile::tempdir().unwrap();
    let project = folder.path().join("my-shop");
    let made = new(&[project.to_str().unwrap()]);
    assert!(made.status.success(), "{made:?}");
    let manifest = fs::read_to_string(project.join("Cargo.toml")).unwrap();
    let source = r#"git = "https://github.com/jwtauth/jwtauth""#;
    assert_eq!(manifest.matches(source).count(), 1);
    let manifest = manifest.replace(source, &format!("path = {:?}", root().join("jwtauth")));
    fs::write(project.join("Cargo.toml"), manifest).unwrap();
    fs::copy(root().join("Cargo.lock"), project.join("Cargo.lock")).unwrap();
    let target = root().join("target/stranger");
    let run = |command: &str| {
        cargo(&project, &[command, "--target-dir", target.to_str().unwrap()])
            .unwrap_or_else(|said| panic!("{said}"))
    };
    let tested = run("test");
    assert!(tested.contains("3 passed"), "{tested}");
    run("build");
    let data = folder.path().join("data");
    let server = Program::new(target.join("debug/my-shop")).data(&data).start();

    // The commands of its README, and the one that makes an admin.
    let readme = fs::read_to_string(project.join("README.md")).unwrap();
    let mut last = String::new();
    for line in readme.lines().filter(|line| line.starts_with("curl ")) {
        let command = line.replace("http://127.0.0.1:3000", &server.url);
        let output = Command::new("sh").args(["-c", &command]).current_dir(&project).output().unwrap();
        last = String::from_utf8(output.stdout).unwrap();
    }
    assert_eq!(last, r#"{"hello":"alice"}"#);
    let (status, _) = server.terminate();
    assert_eq!(status.code(), Some(0));
    let admin = readme.lines().find(|line| line.starts_with("jwtauth --store data/store ")).unwrap();
    let words = admin.split_whitespace().skip(3);
    let store = data.join("store");
    let mut command = Command::new(env!("CARGO_BIN_EXE_jwtauth_program"));
    let output = command.args(["--store", store.to_str().unwrap()]).args(words).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn its_files_are_those_of_the_guide_and_of_readme() {
    let folder = tempfile::tempdir().unwrap();
    let project = folder.path().join("shop");
    assert!(new(&[project.to_str().unwrap()]).status.success());
    let guide = fs::read_to_string(root().join("jwtauth/src/docs/deployment.md")).unwrap();
    for file in ["Dockerfile", ".dockerignore"] {
        let text = fs::read_to_string(project.join(file)).unwrap();
        assert!(guide.contains(&format!("\n{text}```\n")), "{file} is another one:\n{text}");
    }
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let manifest = fs::read_to_string(project.join("Cargo.toml")).unwrap();
    let optimised = |text: &str| text.split("[profile.dev]\n").nth(1).unwrap().to_owned();
    assert_eq!(optimised(&manifest), optimised(&readme).split("```").next().unwrap());
    let version = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let version = version.lines().find(|line| line.starts_with("rust-version")).unwrap();
    assert!(manifest.contains(version), "{manifest}");
}

/// The image has the program `jwtauth` of the release that the server is built with, so that they speak to each other.
#[test]
fn the_image_has_the_program_of_the_locked_release() {
    let folder = tempfile::tempdir().unwrap();
    let project = folder.path().join("shop");
    assert!(new(&[project.to_str().unwrap()]).status.success());
    let text = fs::read_to_string(project.join("Dockerfile")).unwrap();
    let (_, from) = text.split_once("--rev \"$(").unwrap();
    let (command, rest) = from.split_once(")\" jwtauth\n").unwrap();
    assert!(rest.contains("COPY --from=build /tools/bin/jwtauth "), "{text}");
    let lock = "[[package]]\nname = \"jwtauth\"\nversion = \"0.1.0\"\n\
                source = \"git+https://github.com/jwtauth/jwtauth#0123abc\"\n\n\
                [[package]]\nname = \"jwtauth-macros\"\nversion = \"0.1.0\"\n\
                source = \"git+https://github.com/jwtauth/jwtauth#0123abc\"\n";
    fs::write(project.join("Cargo.lock"), lock).unwrap();
    let found = Command::new("sh").args(["-c", command]).current_dir(&project).output().unwrap();
    assert_eq!(String::from_utf8(found.stdout).unwrap(), "0123abc\n", "{command}");
}

/// A crate whose name something in the template has too is named so that it is not taken for that.
#[test]
fn a_name_that_the_template_imports_is_no_other_thing() {
    let folder = tempfile::tempdir().unwrap();
    let template = root().join("jwtauth/src/bin/jwtauth/project/template");
    let mut names = std::collections::BTreeSet::new();
    for file in ["main.rs.txt", "logins.rs.txt"] {
        let text = fs::read_to_string(template.join(file)).unwrap();
        for import in text.lines().filter_map(|line| line.strip_prefix("use ")) {
            let words = import.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
            names.extend(words.filter(|word| !word.is_empty()).map(str::to_owned));
        }
    }
    assert!(names.contains("env") && names.contains("Duration") && names.contains("header"), "{names:?}");
    let mut made = 0;
    for name in names {
        let project = folder.path().join(&name);
        let output = new(&[project.to_str().unwrap()]);
        if !output.status.success() {
            assert!(!project.exists() && output.status.code() == Some(1), "{name}: {output:?}");
            continue;
        }
        made += 1;
        for file in ["src/main.rs", "tests/logins.rs"] {
            let text = fs::read_to_string(project.join(file)).unwrap();
            assert!(text.contains(&format!("\nuse ::{name}::app;\n")), "{name}: {text}");
        }
    }
    assert!(made > 10, "{made}");
    // `[profile.dev.package]` names them.
    for name in ["argon2", "blake2"] {
        assert_eq!(new(&[folder.path().join(name).to_str().unwrap()]).status.code(), Some(1), "{name}");
    }
}

/// As with `cargo init`.
#[test]
fn an_empty_directory_that_one_is_in_gives_the_project_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let new_in = |folder: &Path, path: &str| {
        fs::create_dir_all(folder).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_jwtauth_program"));
        command.args(["new", path]).current_dir(folder).env_remove("JWTAUTH_STORE").output().unwrap()
    };
    for (place, path, project) in [("shop", ".", "shop"), ("deep/inner", "..", ""), ("stall", "./", "stall")]
    {
        let output = new_in(&folder.path().join(place), path);
        if project.is_empty() {
            assert_eq!(output.status.code(), Some(1), "{output:?}");
            assert!(String::from_utf8_lossy(&output.stderr).contains("holds something"), "{output:?}");
            continue;
        }
        assert!(output.status.success(), "{output:?}");
        let project = folder.path().join(project).canonicalize().unwrap();
        let manifest = fs::read_to_string(project.join("Cargo.toml")).unwrap();
        assert!(manifest.contains(&format!("name = {place:?}")), "{manifest}");
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(said.contains(project.to_str().unwrap()), "{said}");
    }
    // One that has no name for a crate.
    let refused = new_in(&folder.path().join("2nd shop"), ".");
    let said = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains("\"2nd shop\"") && said.contains("--name my-api"), "{said}");
    assert_eq!(fs::read_dir(folder.path().join("2nd shop")).unwrap().count(), 0);
}

#[test]
fn a_name_that_is_none_is_refused_and_nothing_is_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    for name in
        ["", "1a", "a b", "é", "a/b", "test", "Self", "serde-json", "jwtauth", &"a".repeat(65), "-a", "a.b"]
    {
        let path = folder.path().join("project");
        let refused = new(&[path.to_str().unwrap(), &format!("--name={name}")]);
        assert_eq!(refused.status.code(), Some(1), "{name:?} {refused:?}");
        assert!(String::from_utf8_lossy(&refused.stderr).contains("--name"), "{refused:?}");
        assert!(!path.exists());
    }
    fs::write(folder.path().join("note"), "mine").unwrap();
    let refused = new(&[folder.path().to_str().unwrap(), "--name=shop"]);
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}
