//! What the statements of a server ask beside their own question: whether the tables may still be served, and
//! whether this role sees all of their rows.
//!
//! A start asks that too, and so does each new connection. But a server that has its connections already may
//! be one that nobody sees who moves the records elsewhere, and rows can be hidden at any time. Then who was
//! logged out would be let in, and a logout would end nothing and say that it did. A read by its key takes 4
//! microseconds longer for it (`pgbench` with one client: 22 in place of 18; PostgreSQL 15).
//!
//! # Invariants
//!
//! 1. Each statement of a server that finds rows by what is in them, or adds one, has the guard. So has a
//!    change of a row that was not locked before. The guard costs no round trip. Where it does not hold, the
//!    whole statement fails: the database divides by zero, as in no other one. The next connection hears why.
//!    Sweeps have it too, so a server that nobody asks says it in its log.
//! 2. What those use who look at tables that were moved, or fill them, has none.

/// What statements ask.
#[derive(Clone, Copy, Debug)]
pub(super) struct StatementGuard {
    /// Whether the tables are served.
    pub(super) is_served: bool,
    /// Whether the server can say that it hides rows. Engines that cannot have no such thing.
    pub(super) knows_hidden_rows: bool,
}

impl StatementGuard {
    /// Returns a statement for one schema, which is quoted, with the guard if there is room for it.
    pub(super) fn put_into(self, sql: &str, schema: &str) -> String {
        let in_schema = |sql: &str| sql.replace('@', &format!("{schema}."));
        let room = if self.is_served { room_in(sql) } else { None };
        match room {
            Some([before, after]) => {
                format!("{}{}{}", in_schema(&before), self.condition(sql, schema), in_schema(&after))
            }
            None => in_schema(sql),
        }
    }

    /// Returns what is true of tables that may be served, and an error of others.
    fn condition(self, sql: &str, schema: &str) -> String {
        let mut is_whole = format!("SELECT 1 FROM {schema}.store_mark WHERE mark IS NULL");
        if self.knows_hidden_rows {
            let mut tables: Vec<_> = sql.split('@').skip(1).map(word).collect();
            tables.dedup();
            for table in tables {
                let name = format!("{schema}.{table}").replace('\'', "''");
                is_whole += &format!(" AND NOT row_security_active('{name}'::regclass)");
            }
        }
        format!("1 / EXISTS ({is_whole})::int = 1")
    }
}

fn word(text: &str) -> &str {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or_default()
}

/// Returns what stands before a condition and behind it.
fn room_in(sql: &str) -> Option<[String; 2]> {
    let starts_with = |word: &str| sql.starts_with(word);
    // A change that says whether it has found its row is a question too.
    if starts_with("SELECT") || starts_with("WITH") || starts_with("UPDATE") && sql.contains("RETURNING") {
        let (before, after) = sql.split_once(" WHERE ")?;
        return Some([format!("{before} WHERE "), format!(" AND {after}")]);
    }
    let (before, rest) = sql.split_once("VALUES (")?;
    let (values, after) = rest.split_once(')')?;
    Some([format!("{before}SELECT {values} WHERE "), after.to_owned()])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guarded(sql: &str) -> String {
        StatementGuard { is_served: true, knows_hidden_rows: true }.put_into(sql, "\"it's\"")
    }

    #[test]
    fn a_guard_stands_before_what_is_asked() {
        let condition = |table: &str| {
            format!(
                "1 / EXISTS (SELECT 1 FROM \"it's\".store_mark WHERE mark IS NULL AND NOT row_security_active('\"it''s\".{table}'::regclass))::int = 1"
            )
        };
        assert_eq!(
            guarded("SELECT a FROM @values WHERE name = $1 FOR UPDATE"),
            format!("SELECT a FROM \"it's\".values WHERE {} AND name = $1 FOR UPDATE", condition("values"))
        );
        assert_eq!(
            guarded("INSERT INTO @tokens (a, b) VALUES ($1, $2)\n ON CONFLICT (a) DO NOTHING"),
            format!(
                "INSERT INTO \"it's\".tokens (a, b) SELECT $1, $2 WHERE {}\n ON CONFLICT (a) DO NOTHING",
                condition("tokens")
            )
        );
        assert_eq!(
            guarded("UPDATE @values SET a = $2 WHERE name = $1 RETURNING 1"),
            format!(
                "UPDATE \"it's\".values SET a = $2 WHERE {} AND name = $1 RETURNING 1",
                condition("values")
            )
        );
        let change = "UPDATE @values SET a = $2 WHERE name = $1";
        assert_eq!(guarded(change), change.replace('@', "\"it's\"."));
        let mark = "SELECT mark FROM @store_mark";
        assert_eq!(guarded(mark), "SELECT mark FROM \"it's\".store_mark");
        let operator = StatementGuard { is_served: false, knows_hidden_rows: true };
        assert_eq!(operator.put_into("SELECT a FROM @b WHERE c", "s"), "SELECT a FROM s.b WHERE c");
    }
}
