//! Where in a JSON text a place is: `address.lines[2]`. For errors about the copy of a user.

/// Returns the path of the value that the first `end` bytes of a JSON text lead to. Empty for the whole text.
pub(super) fn path_at(json: &[u8], end: usize) -> String {
    // Of each array and object that is open: the member or item that was begun last.
    let mut open: Vec<PathStep> = Vec::new();
    let (mut text, mut is_escaped) = (None::<Vec<u8>>, false);
    for byte in &json[..end.min(json.len())] {
        if let Some(read) = &mut text {
            match byte {
                b'"' if !is_escaped => {
                    if let (Some(PathStep::Member { name, has_value: false }), Some(read)) =
                        (open.last_mut(), text.take())
                    {
                        *name = String::from_utf8_lossy(&read).into_owned();
                    }
                }
                _ => read.push(*byte),
            }
            is_escaped = *byte == b'\\' && !is_escaped;
            continue;
        }
        match (byte, open.last_mut()) {
            (b'"', _) => text = Some(Vec::new()),
            (b'{', _) => open.push(PathStep::Member { name: String::new(), has_value: false }),
            (b'[', _) => open.push(PathStep::Item(0)),
            (b'}' | b']', _) => drop(open.pop()),
            (b':', Some(PathStep::Member { has_value, .. })) => *has_value = true,
            (b',', Some(PathStep::Member { name, has_value })) => {
                (*name, *has_value) = (String::new(), false)
            }
            (b',', Some(PathStep::Item(number))) => *number += 1,
            _ => {}
        }
    }
    let mut path = String::new();
    for step in open {
        match step {
            PathStep::Item(number) => path += &format!("[{number}]"),
            PathStep::Member { name, .. } if name.is_empty() || path.is_empty() => path += &name,
            PathStep::Member { name, .. } => path += &format!(".{name}"),
        }
    }
    path
}

enum PathStep {
    Member { name: String, has_value: bool },
    Item(usize),
}

#[cfg(test)]
mod tests {
    use super::path_at;

    #[test]
    fn a_path_leads_to_the_value_at_a_place() {
        let json = r#"{"id":1,"a":{"b c":[0,{"d":null}],"q\"":"}"},"e":"x\\","f":[]}"#;
        let cases = [
            ("{", ""),
            (r#"{"id""#, "id"),
            (r#"{"id":1"#, "id"),
            (r#"{"id":1,"#, ""),
            (r#""b c":["#, "a.b c[0]"),
            (r#"{"d":null"#, "a.b c[1].d"),
            (r#"{"d":null}"#, "a.b c[1]"),
            (r#"{"d":null}]"#, "a.b c"),
            (r#""q\"":"}"#, r#"a.q\""#),
            (r#""q\"":"}"}"#, "a"),
            (r#""e":"x\\""#, "e"),
            (r#""f":["#, "f[0]"),
            (r#""f":[]"#, "f"),
            (r#""f":[]}"#, ""),
        ];
        for (until, want) in cases {
            let end = json.find(until).expect("it is there") + until.len();
            assert_eq!(path_at(json.as_bytes(), end), want, "{until}");
        }
        assert_eq!(path_at(b"[1,2", 99), "[1]");
        assert_eq!(path_at(b"", 1), "");
    }
}
