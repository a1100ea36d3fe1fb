//! The house from inside: no circle among the files of a crate, rooms of `web` that use lower rooms only, one name for
//! one file and one type, and one style of modules. Floors and names of other crates are in `tidy`.
//!
//! Imports are read from the text: paths that begin with `crate::`, `super::` or `self::`, braces included. Code for tests
//! may look everywhere.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::tidy::{root, sources};

/// The files of one crate: the path of each module, such as `web::guard::admit`, with its text.
struct House {
    files: BTreeMap<String, String>,
}

impl House {
    fn of(folder: &str) -> Self {
        let base = root().join(folder);
        let files = sources(folder)
            .into_iter()
            .map(|(path, text)| (path.strip_prefix(&base).unwrap().to_owned(), code(&text)));
        let files = files.filter(|(path, _)| !is_for_tests(path));
        Self { files: files.map(|(path, text)| (module(&path), text)).collect() }
    }

    /// Returns the file that a path of a module or item is in: that of the longest known prefix.
    fn file_of(&self, path: &[String]) -> Option<String> {
        (0..=path.len()).rev().map(|end| path[..end].join("::")).find(|known| self.files.contains_key(known))
    }

    /// Returns the files that a file imports from, without its own parents: a child may name items of its `mod.rs`.
    fn imports(&self, file: &str) -> BTreeSet<String> {
        let own: Vec<String> = file.split("::").filter(|part| !part.is_empty()).map(Into::into).collect();
        let mut found = BTreeSet::new();
        for path in paths(&self.files[file], &own) {
            found.extend(self.file_of(&path).filter(|to| to != file && !is_parent(to, file)));
        }
        found
    }

    fn graph(&self) -> BTreeMap<&str, BTreeSet<String>> {
        self.files.keys().map(|file| (file.as_str(), self.imports(file))).collect()
    }
}

fn is_for_tests(path: &Path) -> bool {
    path.ends_with("tests.rs") || path.iter().any(|part| part == "tests")
}

fn is_parent(of: &str, file: &str) -> bool {
    of.is_empty() || file.strip_prefix(of).is_some_and(|rest| rest.starts_with("::"))
}

/// Returns the path of a module: `web/guard/mod.rs` is `web::guard`, `lib.rs` is empty.
fn module(file: &Path) -> String {
    let parts: Vec<_> =
        file.with_extension("").iter().map(|part| part.to_str().unwrap().to_owned()).collect();
    let parts = match parts.last().map(String::as_str) {
        Some("mod" | "lib") => &parts[..parts.len() - 1],
        _ => &parts[..],
    };
    parts.join("::")
}

/// Returns the text without comments, and without its tests.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap();
    let text = text.split("#[cfg(test)]\npub(crate) mod tests").next().unwrap();
    text.lines().map(|line| line.split("//").next().unwrap()).collect::<Vec<_>>().join("\n")
}

/// Returns each path that the code names, from the root of its crate. `own` is the module that the code is in.
fn paths(code: &str, own: &[String]) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for start in ["crate::", "self::", "super::"] {
        for (at, _) in code.match_indices(start) {
            let before = code[..at].chars().next_back();
            if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
                continue;
            }
            let mut prefix = match start {
                "crate::" => Vec::new(),
                _ => own.to_vec(),
            };
            let mut rest = &code[at..];
            if start != "super::" {
                rest = &rest[start.len()..];
            }
            while let Some(up) = rest.strip_prefix("super::") {
                prefix.pop();
                rest = up;
            }
            tree(rest, &prefix, &mut found);
        }
    }
    found
}

/// Reads what may stand behind a path's start: `a::b`, `a::{b, c::d}`. Returns the rest of the text.
fn tree<'t>(mut text: &'t str, prefix: &[String], found: &mut Vec<Vec<String>>) -> &'t str {
    let mut path = prefix.to_vec();
    loop {
        text = text.trim_start();
        if let Some(mut inner) = text.strip_prefix('{') {
            loop {
                inner = tree(inner, &path, found).trim_start();
                match inner.strip_prefix(',') {
                    Some(next) if !next.trim_start().starts_with('}') => inner = next,
                    next => return next.unwrap_or(inner).trim_start().strip_prefix('}').unwrap_or(""),
                }
            }
        }
        let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
        let (name, rest) = text.split_at(end);
        if !name.is_empty() && name != "self" {
            path.push(name.into());
        }
        text = rest;
        match text.strip_prefix("::") {
            Some(next) if !name.is_empty() => text = next,
            _ => break,
        }
    }
    found.push(path);
    // Another name for it: `as _`.
    let renamed = text.trim_start().strip_prefix("as ");
    renamed.map_or(text, |rest| rest.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_'))
}

/// Returns a circle of files, if there is one: the way back to the first.
fn circle(graph: &BTreeMap<&str, BTreeSet<String>>) -> Option<Vec<String>> {
    fn visit(
        at: &str,
        graph: &BTreeMap<&str, BTreeSet<String>>,
        way: &mut Vec<String>,
        done: &mut BTreeSet<String>,
    ) -> Option<Vec<String>> {
        if let Some(start) = way.iter().position(|file| file == at) {
            return Some([&way[start..], &[at.to_owned()]].concat());
        }
        if !done.contains(at) {
            way.push(at.into());
            for next in &graph[at] {
                if let Some(circle) = visit(next, graph, way, done) {
                    return Some(circle);
                }
            }
            way.pop();
            done.insert(at.into());
        }
        None
    }
    let mut done = BTreeSet::new();
    graph.keys().find_map(|start| visit(start, graph, &mut Vec::new(), &mut done))
}

#[test]
fn no_file_imports_itself_through_others() {
    for folder in ["jwtauth/src", "jwtauth-macros/src"] {
        let house = House::of(folder);
        let graph = house.graph();
        let arrows: usize = graph.values().map(BTreeSet::len).sum();
        assert!(arrows > 30, "{folder}: the test reads what it should, and found {arrows} imports");
        assert_eq!(circle(&graph), None, "{folder}: a circle of files");
    }
}

/// The rooms of `web` from the bottom up: each imports from those before it.
const ROOMS: [&str; 16] = [
    "answer",
    "headers",
    "client",
    "jwks",
    "local_only",
    "state",
    "request",
    "guard",
    "extract",
    "middleware",
    "openapi",
    "routes",
    "pages",
    "settings",
    "testing",
    "poem_session",
];

#[test]
fn a_room_of_web_uses_lower_rooms_only() {
    let house = House::of("jwtauth/src");
    let room =
        |file: &str| file.strip_prefix("web::").map(|rest| rest.split("::").next().unwrap().to_owned());
    let floor = |room: &str| {
        ROOMS
            .iter()
            .position(|known| *known == room)
            .unwrap_or_else(|| panic!("{room} is no room in the table"))
    };
    let mut arrows = 0;
    for (file, imports) in house.graph() {
        for to in &imports {
            let (Some(from), Some(to)) = (room(file), room(to)) else { continue };
            arrows += usize::from(from != to);
            assert!(floor(&to) <= floor(&from), "{file}: {from} uses {to}, which stands above it");
        }
    }
    assert!(arrows > 30, "the test reads what it should, and found {arrows} arrows between rooms");
}

#[test]
fn no_two_files_of_a_crate_have_one_name() {
    for folder in ["jwtauth/src", "jwtauth-macros/src"] {
        let mut seen = BTreeMap::new();
        let mut twice = Vec::new();
        for (path, _) in sources(folder) {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            let counts = name != "mod.rs" && !is_for_tests(path.strip_prefix(root().join(folder)).unwrap());
            if counts && let Some(other) = seen.insert(name, path.clone()) {
                twice.push((other, path));
            }
        }
        assert!(twice.is_empty(), "{folder}: files of one name: {twice:#?}");
    }
}

#[test]
fn no_two_types_of_a_crate_have_one_name() {
    for folder in ["jwtauth/src", "jwtauth-macros/src"] {
        let mut seen: BTreeMap<String, String> = BTreeMap::new();
        let mut twice = Vec::new();
        for (file, text) in House::of(folder).files {
            for kind in ["struct ", "enum ", "trait ", "type "] {
                for line in text.lines() {
                    let item = line
                        .trim_start_matches("pub")
                        .trim_start_matches("(crate)")
                        .trim_start_matches("(super)");
                    // Associated types stand further in.
                    let Some(item) = item.trim_start_matches(' ').strip_prefix(kind) else { continue };
                    if line.starts_with(' ') {
                        continue;
                    }
                    let name: String =
                        item.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                    if let Some(other) = seen.insert(name.clone(), file.clone()) {
                        twice.push(format!("{name} in {other} and in {file}"));
                    }
                }
            }
        }
        assert!(twice.is_empty(), "{folder}: types of one name: {twice:#?}");
    }
}

#[test]
fn a_module_with_children_is_a_folder_with_a_mod_rs() {
    for folder in ["jwtauth/src", "jwtauth-macros/src"] {
        let odd: Vec<_> = sources(folder).into_iter().map(|(path, _)| path).collect();
        let odd: Vec<_> = odd.iter().filter(|path| path.with_extension("").is_dir()).collect();
        assert!(odd.is_empty(), "{folder}: move these to mod.rs in their folder: {odd:#?}");
    }
}

#[test]
fn imports_are_read_with_their_braces() {
    let own = ["a".to_owned(), "b".to_owned()];
    let read =
        |text: &str| -> Vec<String> { paths(text, &own).into_iter().map(|path| path.join("::")).collect() };
    assert_eq!(read("use crate::x::{self, Y as Z, v::{W, U}};"), ["x", "x::Y", "x::v::W", "x::v::U"]);
    assert_eq!(read("use super::c::D; super::super::E"), ["a::c::D", "E"]);
    assert_eq!(read("f(self::g::h()) not_crate::x"), ["a::b::g::h"]);
}
