//! The name of a schema, and of all else that somebody has named, as it stands in SQL.

/// Returns a name as it stands in statements.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Returns a name as it stands in a comment, which it neither ends nor nests.
pub(super) fn commented(name: &str) -> String {
    quoted(name).replace("*/", "* /").replace("/*", "/ *")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_neither_ends_nor_nests_a_comment() {
        for (name, expected) in
            [("shop", "\"shop\""), ("a\"b", "\"a\"\"b\""), ("*/ DROP", "\"* / DROP\""), ("/*/", "\"/ * /\"")]
        {
            assert_eq!(commented(name), expected);
        }
    }
}
