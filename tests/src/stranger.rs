//! A package outside of the workspace, as somebody has it who depends on this library.
//!
//! All of them share what cargo has built for one: the versions of `Cargo.lock`, in `target/stranger`.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::cargo::{Crates, cargo, crates};

/// Where README has the library from. Here it is the one that is tested.
const SOURCE: &str = r#"git = "https://github.com/jwtauth/jwtauth""#;

/// A package with dependencies and programs of its own. Removed when dropped.
#[derive(Debug)]
pub struct Stranger {
    directory: TempDir,
    project: PathBuf,
}

impl Stranger {
    /// Makes one with the `[dependencies]` that README names.
    ///
    /// # Panics
    ///
    /// If the disk refuses, or README does not name each once.
    #[must_use]
    pub fn new() -> Self {
        let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("a project");
        let readme = fs::read_to_string(project.join("README.md")).expect("a README");
        let blocks: Vec<_> = readme.split("```toml\n").skip(1).collect();
        let [block] = blocks[..] else { panic!("one list of dependencies, not {}", blocks.len()) };
        let dependencies = block.split("```").next().unwrap_or_default();
        assert_eq!(dependencies.matches(SOURCE).count(), 1, "{dependencies}");
        let dependencies = dependencies.replace(SOURCE, &format!("path = {:?}", project.join("jwtauth")));
        let package = "[package]\nname = \"stranger\"\nedition = \"2024\"\n\n[workspace]\n\n";
        let stranger = Self { directory: tempfile::tempdir().expect("a directory"), project };
        stranger.write("Cargo.toml", &format!("{package}{dependencies}"));
        let lock = fs::read_to_string(stranger.project.join("Cargo.lock")).expect("a lock file");
        stranger.write("Cargo.lock", &lock);
        stranger
    }

    /// Adds a program.
    #[must_use]
    pub fn program(self, name: &str, text: &str) -> Self {
        self.write(&format!("src/bin/{name}.rs"), text);
        self
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.directory.path().join(path);
        fs::create_dir_all(path.parent().expect("it is in the directory")).expect("a directory");
        fs::write(path, text).expect("a file");
    }

    /// Runs `cargo check`.
    ///
    /// # Errors
    ///
    /// If a program does not compile: with what cargo said.
    pub fn check(&self) -> Result<String, String> {
        let target = self.project.join("target/stranger");
        cargo(self.directory.path(), &["check", "--quiet", "--target-dir", &target.to_string_lossy()])
    }

    /// Returns the crates that cargo builds for its programs.
    #[must_use]
    pub fn crates(&self) -> Crates {
        crates(self.directory.path(), &[])
    }
}

impl Default for Stranger {
    fn default() -> Self {
        Self::new()
    }
}
