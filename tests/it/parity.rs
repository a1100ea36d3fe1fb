//! `tests/PARITY.md`: complete, and true as far as a list of names can be.

use std::collections::BTreeSet;
use std::fs;

use crate::tidy::{root, sources};

/// Returns the names of all tests.
pub(crate) fn tests() -> BTreeSet<String> {
    let mut known = BTreeSet::new();
    for folder in ["tests/it", "jwtauth/src", "jwtauth-macros/src"] {
        tests_in(folder, &mut known);
    }
    assert!(known.len() > 200, "the tests are found: {}", known.len());
    known
}

/// Returns the names of all functions under a `#[test]` in a folder of the project.
fn tests_in(folder: &str, found: &mut BTreeSet<String>) {
    for (_, text) in sources(folder) {
        // Behind the attribute comes the first `fn`.
        for (_, behind) in attributes(&text) {
            let name = behind.split("fn ").nth(1).unwrap_or_default();
            found.insert(name.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect());
        }
    }
}

/// Returns the cells of each row of all tables of a text, without the rows of titles, which start with `title`.
pub(crate) fn rows<'t>(text: &'t str, title: &str) -> Vec<Vec<&'t str>> {
    let rows = text.lines().filter_map(|line| line.strip_prefix("| "));
    rows.filter(|row| row.split(" |").next() != Some(title))
        .map(|row| row.trim_end_matches('|').split(" | ").map(str::trim).collect())
        .collect()
}

/// Returns the names in ticks that could be those of functions.
pub(crate) fn named(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2).filter(|name| name.contains('_') && !name.contains(':'))
}

/// Reads the table.
pub(crate) fn table() -> String {
    fs::read_to_string(root().join("tests/PARITY.md")).unwrap()
}

fn attributes(text: &str) -> impl Iterator<Item = (usize, &str)> {
    ["#[test]", "#[tokio::test"].into_iter().flat_map(move |attribute| {
        text.match_indices(attribute).map(move |(at, found)| (at, &text[at + found.len()..]))
    })
}

/// The rows that there must be, in their order.
fn expected() -> Vec<String> {
    let rows = |name: &'static str, last: usize| (1..=last).map(move |number| format!("{name}{number}"));
    rows("L", 27)
        .chain(rows("W", 16))
        .chain(rows("D", 9))
        .chain(rows("S", 97))
        .chain(rows("defect ", 31))
        .collect()
}

#[test]
fn every_row_is_there_and_names_tests_that_exist() {
    let (text, known) = (table(), tests());
    let rows = rows(&text, "row");
    let ids: Vec<_> = rows.iter().map(|row| row[0].to_owned()).collect();
    assert_eq!(ids, expected());
    for row in &rows {
        let [id, what, shown] = row[..] else { panic!("three cells: {row:?}") };
        assert!(!what.is_empty(), "{id}");
        // What stands in ticks and could be a function's name is one.
        let named: Vec<_> = named(shown).collect();
        for name in &named {
            assert!(known.contains(*name), "{id} names {name}, which is no test");
        }
        assert!(!shown.contains("open: "), "{id} is open: every row has its tests, or says why it has none");
        assert!(!named.is_empty() || shown.starts_with("n/a: "), "{id} says nothing");
    }
}
