//! Reads the files of the guides into settings: one line each, so that they can be looked up.

/// Returns each setting of a unit of systemd: section, name, value.
pub(super) fn unit(text: &str) -> Vec<(String, String, String)> {
    let mut section = String::new();
    let mut settings = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']').into();
        } else {
            let (name, value) = line.split_once('=').unwrap_or_else(|| panic!("{line}"));
            settings.push((section.clone(), name.into(), value.into()));
        }
    }
    settings
}

/// Returns each value of one document of YAML with its path: `spec.replicas`, `containers.0.name`.
///
/// For the part of YAML that the guides use: maps, lists, values of one line, lists in brackets as text.
pub(super) fn yaml(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    // The maps and lists that a line is in: how far each is indented, its path, and how many entries it has.
    let mut open: Vec<(usize, String, usize)> = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#')) {
        let mut indent = line.len() - line.trim_start().len();
        let mut rest = line.trim();
        while let Some((own, ..)) = open.last()
            && (*own > indent
                || *own == indent && !rest.starts_with("- ") && open.last().unwrap().1.ends_with('-'))
        {
            open.pop();
        }
        while let Some(entry) = rest.strip_prefix("- ") {
            let list = open.iter().rposition(|(own, path, _)| *own == indent && path.ends_with('-'));
            let number = if let Some(at) = list {
                open.truncate(at + 1);
                open[at].2 += 1;
                open[at].2
            } else {
                let path = parent(&open, indent + 1);
                open.push((indent, format!("{path}-"), 0));
                0
            };
            let path = open.last().unwrap().1.trim_end_matches('-').to_owned();
            indent += 2;
            open.push((indent, format!("{path}{number}."), 0));
            rest = entry.trim_start();
        }
        let Some((name, value)) = rest.split_once(':').filter(|(name, _)| !name.contains(['"', ' '])) else {
            found.push((parent(&open, indent).trim_end_matches('.').into(), unquoted(rest)));
            continue;
        };
        let path = parent(&open, indent);
        if value.trim().is_empty() {
            open.push((indent + 1, format!("{path}{name}."), 0));
        } else {
            found.push((format!("{path}{name}"), unquoted(value)));
        }
    }
    found
}

/// Returns the path of the innermost map that a line with this indentation is in.
fn parent(open: &[(usize, String, usize)], indent: usize) -> String {
    let within = open.iter().rfind(|(own, path, _)| *own <= indent && !path.ends_with('-'));
    within.map_or_else(String::new, |(_, path, _)| path.clone())
}

fn unquoted(value: &str) -> String {
    value.trim().trim_matches('"').to_owned()
}

#[test]
fn yaml_is_read_with_its_paths() {
    let text = "a: 1\nb:\n  c: \"x:y\"\n  d:\n    - name: e\n      f: [\"g\"]\n    - name: h\n      i:\n        j: 2\n  k: 3\nl:\n  - m\n";
    let read: Vec<_> = yaml(text).into_iter().map(|(path, value)| format!("{path}={value}")).collect();
    assert_eq!(
        read,
        [
            "a=1",
            "b.c=x:y",
            "b.d.0.name=e",
            "b.d.0.f=[\"g\"]",
            "b.d.1.name=h",
            "b.d.1.i.j=2",
            "b.k=3",
            "l.0=m"
        ]
    );
}
