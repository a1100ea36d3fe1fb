//! The ids of requirements: each one that the project names is defined in the guide, used, and proven.
//!
//! The guide is `jwtauth/src/docs/requirements.md`. How ids are written, in prose and in names of tests, is said there.
//!
//! Whether a test proves what the guide says of it is for people to read. That the table of parity and the guide name
//! the same tests is checked here.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use crate::parity;
use crate::tidy::{files, root};

const GUIDE: &str = "jwtauth/src/docs/requirements.md";

/// Where ids may stand, beside the files at the root.
const FOLDERS: [&str; 4] = ["examples", "jwtauth", "jwtauth-macros", "tests"];
const EXTENSIONS: [&str; 4] = ["md", "py", "rs", "toml"];

/// What looks like an id and is none, with what it is.
const OTHERS: [(&str, &str); 1] = [("D147", "a definition of the Unicode Standard")];

/// Letters in front of a hyphen and a number, and letters right in front of a number.
const WITH_HYPHEN: [char; 9] = ['F', 'H', 'J', 'K', 'M', 'N', 'O', 'R', 'S'];
const WITHOUT: [char; 5] = ['D', 'I', 'L', 'S', 'W'];

/// The last number of the family `S-`. In the name of a test, a higher one is of the family `S`.
const LAST_OF_SESSIONS: u32 = 16;

/// A family and a number in it.
type Id = (String, u32);

fn shown((family, number): &Id) -> String {
    format!("{family}{number}")
}

/// Reads the number that a text starts with, if it ends where a word may end. Returns what is behind it too.
fn number(text: &str) -> Option<(u32, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    let is_whole = !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_');
    Some((digits.parse().ok().filter(|_| is_whole)?, rest))
}

/// Reads the id that a text starts with.
fn id(text: &str) -> Option<(Id, &str)> {
    for word in ["defect ", "Defect "] {
        if let Some((number, rest)) = text.strip_prefix(word).and_then(number) {
            return Some((("defect ".into(), number), rest));
        }
    }
    let letter = text.chars().next()?;
    let rest = text.strip_prefix(letter)?;
    let (hyphen, digits) = match rest.strip_prefix('-') {
        Some(digits) if WITH_HYPHEN.contains(&letter) => ("-", digits),
        None if WITHOUT.contains(&letter) => ("", rest),
        _ => return None,
    };
    let (number, rest) = number(digits)?;
    Some(((format!("{letter}{hyphen}"), number), rest))
}

/// Adds an id, or all from `first` to the one that follows behind a `to`.
fn add(first: &Id, last: Option<&Id>, found: &mut BTreeSet<Id>) {
    let last = last.filter(|last| last.0 == first.0).map_or(first.1, |last| last.1);
    found.extend((first.1..=last).map(|number| (first.0.clone(), number)));
}

/// Finds the ids in any text: in comments, in messages, in tables.
fn in_prose(text: &str, found: &mut BTreeSet<Id>) {
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        let starts = !before.is_alphanumeric() && !['_', '-', '%'].contains(&before);
        before = c;
        let Some((first, rest)) = id(&text[at..]).filter(|_| starts) else { continue };
        let last = rest.strip_prefix(" to ").and_then(id).map(|(last, _)| last);
        add(&first, last.as_ref(), found);
    }
}

/// Reads the id at the start of a name: `j_19_..`, `defect_21_..`.
fn id_of_name(name: &str) -> Option<(Id, &str)> {
    let (family, rest) = name.split_once('_')?;
    let digits = rest.split('_').next()?;
    let number: u32 = digits.parse().ok()?;
    let family = match family {
        "f" | "h" | "j" | "k" | "m" | "n" | "r" => format!("{}-", family.to_uppercase()),
        "s" if number <= LAST_OF_SESSIONS => "S-".into(),
        "d" | "i" | "l" | "s" | "w" => family.to_uppercase(),
        "defect" => "defect ".into(),
        _ => return None,
    };
    let rest = &rest[digits.len()..];
    Some(((family, number), rest.strip_prefix('_').unwrap_or(rest)))
}

/// Finds the ids that the name of a function starts with.
fn in_name(name: &str, found: &mut BTreeSet<Id>) {
    let mut rest = name;
    while let Some((first, behind)) = id_of_name(rest) {
        let range = behind.strip_prefix("to_").and_then(id_of_name);
        rest = range.as_ref().map_or(behind, |(_, behind)| behind);
        add(&first, range.as_ref().map(|(last, _)| last), found);
    }
}

/// Returns each id that is used, with a file that uses it.
fn used() -> BTreeMap<Id, PathBuf> {
    let mut sources: Vec<_> = FOLDERS.iter().flat_map(|folder| files(folder, &EXTENSIONS)).collect();
    for entry in fs::read_dir(root()).unwrap() {
        let path = entry.unwrap().path();
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        if path.is_file() && EXTENSIONS.contains(&extension) {
            let text = fs::read_to_string(&path).unwrap();
            sources.push((path, text));
        }
    }
    let mut used = BTreeMap::new();
    for (path, text) in sources {
        // What defines ids does not use them, and this file shows how they are written.
        if path.ends_with(GUIDE) || path.ends_with("it/requirements.rs") {
            continue;
        }
        let mut found = BTreeSet::new();
        in_prose(&text, &mut found);
        for behind in text.split("fn ").skip(1) {
            let end = behind.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(behind.len());
            in_name(&behind[..end], &mut found);
        }
        found.retain(|id| !OTHERS.iter().any(|(other, _)| shown(id) == *other));
        used.extend(found.into_iter().map(|id| (id, path.clone())));
    }
    assert!(used.len() > 200, "ids are found: {}", used.len());
    used
}

fn guide() -> String {
    fs::read_to_string(root().join(GUIDE)).unwrap()
}

/// Returns the ids that the guide defines, in its order.
fn defined(guide: &str) -> Vec<Id> {
    let ids = parity::rows(guide, "id").into_iter().map(|row| match id(row[0]) {
        Some((id, "")) => id,
        _ => panic!("{:?} is no id", row[0]),
    });
    ids.collect()
}

#[test]
fn ids_are_found_in_every_spelling() {
    let prose = |text: &str| -> Vec<String> {
        let mut found = BTreeSet::new();
        in_prose(text, &mut found);
        found.iter().map(shown).collect()
    };
    let text =
        "//! S-4, (J-19; R-7): Defect 22 and simplejwt's defect 24. W7/D9, \"H-9: {path}\" | L2 | F-18.";
    let all = ["D9", "F-18", "H-9", "J-19", "L2", "R-7", "S-4", "W7", "defect 22", "defect 24"];
    assert_eq!(prose(text), all);
    assert_eq!(prose("J-1 to J-3, I2 to the end, I4 to I5"), ["I2", "I4", "I5", "J-1", "J-2", "J-3"]);
    let others = "P-256 HS256 S2x R-x AES-S-1 A_S-1 %D8 S-1_2 J1 W-1 defect, x-L4";
    assert_eq!(prose(others), Vec::<String>::new());
    let name = |name: &str| -> Vec<String> {
        let mut found = BTreeSet::new();
        in_name(name, &mut found);
        found.iter().map(shown).collect()
    };
    for (function, ids) in [
        ("j_13_to_j_15_claims", &["J-13", "J-14", "J-15"][..]),
        ("s_12_h_14_no_header_fails_a_login", &["H-14", "S-12"]),
        ("s_16_s_17_border", &["S17", "S-16"]),
        ("d_8_h_14_defect_22_an_address", &["D8", "H-14", "defect 22"]),
        ("w_7_tokens", &["W7"]),
        ("s_5_of_64_parallel_refreshes", &["S-5"]),
        ("text_form_is_22_characters", &[]),
        ("a_file_of_j_1", &[]),
    ] {
        assert_eq!(name(function), ids, "{function}");
    }
}

#[test]
fn every_id_that_is_used_is_defined() {
    let defined: BTreeSet<_> = defined(&guide()).into_iter().collect();
    let missing: Vec<_> = used().into_iter().filter(|(id, _)| !defined.contains(id)).collect();
    let missing: Vec<_> =
        missing.iter().map(|(id, path)| format!("{} in {}", shown(id), path.display())).collect();
    assert!(missing.is_empty(), "define them in {GUIDE}, or say in OTHERS what they are: {missing:#?}");
}

#[test]
fn every_id_that_is_defined_is_used() {
    let used = used();
    let unused: Vec<_> = defined(&guide()).iter().filter(|id| !used.contains_key(id)).map(shown).collect();
    assert!(unused.is_empty(), "nobody uses them, so remove them from {GUIDE}: {unused:?}");
}

/// A family is one table, sorted by number, so an id is found at a glance and defined once.
#[test]
fn the_guide_is_sorted() {
    let guide = guide();
    let ids = defined(&guide);
    let mut families: Vec<_> = ids.iter().map(|(family, _)| family).collect();
    families.dedup();
    let distinct: BTreeSet<_> = families.iter().collect();
    assert_eq!(families.len(), distinct.len(), "a family is in one place: {families:?}");
    for pair in ids.windows(2) {
        assert!(
            pair[0].0 != pair[1].0 || pair[0].1 < pair[1].1,
            "{} is before {}",
            shown(&pair[0]),
            shown(&pair[1])
        );
    }
}

#[test]
fn every_proof_exists() {
    let (guide, parity, tests) = (guide(), parity::table(), parity::tests());
    let parity: BTreeMap<_, _> =
        parity::rows(&parity, "row").into_iter().map(|row| (row[0], (row[1], row[2]))).collect();
    for row in parity::rows(&guide, "id") {
        let [id, rule, source, proof] = row[..] else { panic!("four cells: {row:?}") };
        assert!(rule.ends_with('.') && !source.is_empty(), "{id} has a sentence and a source");
        if let Some(file) = proof.strip_prefix("by construction: ") {
            let path = root().join(file.trim_matches('`'));
            let text = fs::read_to_string(&path).unwrap_or_else(|_| panic!("{id} names {file}: no file"));
            assert!(text.contains(id), "{id} names {file}, which does not name {id}");
        } else if proof == "no counterpart" {
            let shown = parity.get(id).map(|(_, shown)| *shown).unwrap_or_default();
            assert!(shown.starts_with("n/a: "), "{id} has a counterpart: {shown}");
        } else {
            let name = proof.trim_matches('`');
            assert!(proof == format!("`{name}`") && tests.contains(name), "{id} names {proof}: no test");
            if let Some((_, shown)) = parity.get(id) {
                assert!(
                    parity::named(shown).any(|other| other == name),
                    "{id} names {name}, PARITY.md {shown}"
                );
            }
        }
    }
}
