//! Every statement of the store, and what it takes. Plain SQL: no functions of one's own, no advisory locks,
//! no LISTEN, so that engines with PostgreSQL's protocol run it too.
//!
//! Records are bytes, as [`codec`](super::super::codec) writes them. What is looked for stands beside them in
//! columns. Text is bytes too: a subject may hold a zero byte, and keys are in the order of their bytes. What
//! reads records reads all columns of their table, in its order: a column that does not fit its record shows.
//!
//! What one statement finds and removes goes by `ANY(ARRAY(..))`, not by a join: a server joins by reading
//! all of a table where it thinks that this is cheaper, and the table grows before it notices.

use tokio_postgres::types::Type;

use super::statement_guard::StatementGuard;

/// A statement with the types of its parameters.
pub(super) struct SqlStatement {
    pub(super) sql: String,
    pub(super) types: Vec<Type>,
}

macro_rules! statements {
    ($($(#[$when:meta])* $name:ident($($type:ident),*) = $sql:literal;)*) => {
        /// All statements, for one schema.
        pub(super) struct Statements {
            $($(#[$when])* pub(super) $name: SqlStatement,)*
        }

        impl Statements {
            /// `schema` is quoted.
            pub(super) fn new(schema: &str, guard: StatementGuard) -> Self {
                let in_schema = |sql: &str| guard.put_into(sql, schema);
                Self {
                    $($(#[$when])* $name: SqlStatement { sql: in_schema($sql), types: vec![$(Type::$type),*] },)*
                }
            }

            /// Returns each with its name.
            #[cfg(any(test, feature = "testing"))]
            pub(super) fn all(&self) -> Vec<(&'static str, &SqlStatement)> {
                vec![$($(#[$when])* (stringify!($name), &self.$name),)*]
            }
        }
    };
}

statements! {
    // Makes everybody else who changes sessions of the subject wait.
    lock_subject(BYTEA) =
        "INSERT INTO @subjects AS s (subject) VALUES ($1)
         ON CONFLICT (subject) DO UPDATE SET subject = excluded.subject";
    // Removes subjects that have no session, unless somebody is busy with them.
    forget_subjects(BYTEA_ARRAY) =
        "WITH free AS MATERIALIZED (
             SELECT subject FROM @subjects WHERE subject = ANY($1) FOR UPDATE SKIP LOCKED)
         DELETE FROM @subjects AS s WHERE s.subject = ANY(ARRAY(SELECT subject FROM free))
         AND NOT EXISTS (SELECT 1 FROM @sessions AS x WHERE x.subject = s.subject)";

    session(BYTEA) = "SELECT id, subject, expires_at, record FROM @sessions WHERE id = $1";
    // Not by an array: for one the server makes a new plan each time, because it cannot know how long it is.
    some_sessions(
        BYTEA, BYTEA, BYTEA, BYTEA, BYTEA, BYTEA, BYTEA, BYTEA,
        BYTEA, BYTEA, BYTEA, BYTEA, BYTEA, BYTEA, BYTEA, BYTEA
    ) = "SELECT id, subject, expires_at, record FROM @sessions WHERE id IN
         ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)";
    sessions(BYTEA_ARRAY) = "SELECT id, subject, expires_at, record FROM @sessions WHERE id = ANY($1)";
    lock_session(BYTEA) = "SELECT id, subject, expires_at, record FROM @sessions WHERE id = $1 FOR UPDATE";
    lock_sessions(BYTEA_ARRAY) =
        "SELECT id, subject, expires_at, record FROM @sessions WHERE id = ANY($1) ORDER BY id FOR UPDATE";
    sessions_of(BYTEA) = "SELECT id, subject, expires_at, record FROM @sessions WHERE subject = $1";
    lock_sessions_of(BYTEA) = "SELECT id, subject, expires_at, record FROM @sessions WHERE subject = $1 ORDER BY id FOR UPDATE";
    sessions_behind(BYTEA, INT8) = "SELECT id, subject, expires_at, record FROM @sessions WHERE id > $1 ORDER BY id LIMIT $2";
    sessions_from_first(INT8) = "SELECT id, subject, expires_at, record FROM @sessions ORDER BY id LIMIT $1";
    put_session(BYTEA, BYTEA, INT8, BYTEA) =
        "INSERT INTO @sessions (id, subject, expires_at, record) VALUES ($1, $2, $3, $4)
         ON CONFLICT (id) DO UPDATE
         SET subject = excluded.subject, expires_at = excluded.expires_at, record = excluded.record";
    change_session(BYTEA, INT8, BYTEA) =
        "UPDATE @sessions SET expires_at = $2, record = $3 WHERE id = $1";
    // Likewise, if it stands as it was read. Returns a row then.
    replace_session(BYTEA, INT8, BYTEA, BYTEA) =
        "UPDATE @sessions SET expires_at = $2, record = $3 WHERE id = $1 AND record = $4 RETURNING 1";
    remove_sessions(BYTEA_ARRAY) = "DELETE FROM @sessions WHERE id = ANY($1)";
    sweep_sessions(INT8, INT8) =
        "WITH over AS MATERIALIZED (
             SELECT id FROM @sessions WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2
             FOR UPDATE SKIP LOCKED)
         DELETE FROM @sessions WHERE id = ANY(ARRAY(SELECT id FROM over)) RETURNING id, subject, expires_at, record";
    count_sessions() = "SELECT count(*) FROM @sessions";

    tokens_of(BYTEA) = "SELECT session, place, expires_at, record FROM @tokens WHERE session = $1 ORDER BY place";
    lock_tokens(BYTEA, BYTEA, BYTEA) =
        "SELECT session, place, expires_at, record FROM @tokens WHERE session = $1 AND place >= $2 AND place < $3
         FOR UPDATE";
    put_token(BYTEA, BYTEA, INT8, BYTEA) =
        "INSERT INTO @tokens (session, place, expires_at, record) VALUES ($1, $2, $3, $4)
         ON CONFLICT (session, place) DO UPDATE
         SET expires_at = excluded.expires_at, record = excluded.record";
    remove_tokens_of(BYTEA_ARRAY) = "DELETE FROM @tokens WHERE session = ANY($1)";
    // Keeps the newest ones, one more than `$2`.
    forget_tokens(BYTEA, INT8) =
        "DELETE FROM @tokens WHERE session = $1 AND place < (
             SELECT place FROM @tokens WHERE session = $1 ORDER BY place DESC OFFSET $2 LIMIT 1)";
    archive_tokens(INT8, INT8) =
        "WITH old AS MATERIALIZED (
             SELECT session, place FROM @tokens WHERE expires_at < $1 ORDER BY expires_at LIMIT $2
             FOR UPDATE SKIP LOCKED)
         DELETE FROM @tokens AS t USING old WHERE t.session = old.session AND t.place = old.place
         RETURNING t.session, t.place, t.record";
    tokens_behind(BYTEA, BYTEA, INT8) =
        "SELECT session, place, expires_at, record FROM @tokens WHERE (session, place) > ($1, $2)
         ORDER BY session, place LIMIT $3";
    tokens_from_first(INT8) =
        "SELECT session, place, expires_at, record FROM @tokens ORDER BY session, place LIMIT $1";

    value(BYTEA) = "SELECT name, expires_at, record FROM @kept_values WHERE name = $1";
    lock_value(BYTEA) = "SELECT name, expires_at, record FROM @kept_values WHERE name = $1 FOR UPDATE";
    // Returns a row if there was none.
    add_value(BYTEA, INT8, BYTEA) =
        "INSERT INTO @kept_values (name, expires_at, record) VALUES ($1, $2, $3)
         ON CONFLICT (name) DO NOTHING RETURNING 1";
    change_value(BYTEA, INT8, BYTEA) =
        "UPDATE @kept_values SET expires_at = $2, record = $3 WHERE name = $1";
    sweep_values(INT8, INT8) =
        "WITH over AS MATERIALIZED (
             SELECT name FROM @kept_values WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2
             FOR UPDATE SKIP LOCKED)
         DELETE FROM @kept_values WHERE name = ANY(ARRAY(SELECT name FROM over)) RETURNING 1";
    values_behind(BYTEA, INT8) =
        "SELECT name, expires_at, record FROM @kept_values WHERE name > $1 ORDER BY name LIMIT $2";
    values_from_first(INT8) = "SELECT name, expires_at, record FROM @kept_values ORDER BY name LIMIT $1";

    // Leaves those alone that are there. What has no record is no counter yet.
    make_counters(BYTEA_ARRAY, INT8_ARRAY) =
        "INSERT INTO @counters (name, kind, expires_at) SELECT name, kind, 0 FROM UNNEST($1, $2) AS n (name, kind)
         ON CONFLICT (name) DO NOTHING";
    lock_counters(BYTEA_ARRAY) =
        "SELECT name, expires_at, record FROM @counters WHERE name = ANY($1) ORDER BY name FOR UPDATE";
    change_counters(BYTEA_ARRAY, INT8_ARRAY, BYTEA_ARRAY) =
        "UPDATE @counters AS c SET expires_at = n.expires_at, record = n.record
         FROM UNNEST($1, $2, $3) AS n (name, expires_at, record) WHERE c.name = n.name";
    remove_counters(BYTEA_ARRAY) = "DELETE FROM @counters WHERE name = ANY($1)";
    // Of one kind: what has expired, and what is more than `$3`. What expires first goes first.
    sweep_counters(INT8, INT8, INT8, INT8) =
        "WITH over AS MATERIALIZED (
             SELECT name FROM @counters WHERE kind = $1 AND expires_at <= GREATEST($2, (
                 SELECT expires_at FROM @counters WHERE kind = $1
                 ORDER BY kind DESC, expires_at DESC OFFSET $3 LIMIT 1))
             ORDER BY kind, expires_at LIMIT $4 FOR UPDATE SKIP LOCKED)
         DELETE FROM @counters WHERE name = ANY(ARRAY(SELECT name FROM over))";

    account(BYTEA) = "SELECT id, key, record FROM @accounts WHERE id = $1";
    account_by_key(BYTEA) = "SELECT id, key, record FROM @accounts WHERE key = $1";
    lock_account(BYTEA) = "SELECT id, key, record FROM @accounts WHERE id = $1 FOR UPDATE";
    // Returns a row if neither id nor key was taken.
    add_account(BYTEA, BYTEA, BYTEA) =
        "INSERT INTO @accounts (id, key, record) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING RETURNING 1";
    change_account(BYTEA, BYTEA) = "UPDATE @accounts SET record = $2 WHERE id = $1";
    remove_account(BYTEA) = "DELETE FROM @accounts WHERE id = $1";
    accounts_behind(BYTEA, INT8) =
        "SELECT id, key, record FROM @accounts WHERE key > $1 ORDER BY key LIMIT $2";
    accounts_before(BYTEA, INT8) =
        "SELECT id, key, record FROM @accounts WHERE key < $1 ORDER BY key DESC LIMIT $2";
    accounts_from_first(INT8) = "SELECT id, key, record FROM @accounts ORDER BY key LIMIT $1";
    count_accounts() = "SELECT count(*) FROM @accounts";

    events_behind(INT8, INT8) =
        "SELECT number, record FROM @events WHERE number > $1 ORDER BY number LIMIT $2";
    last_event() = "SELECT number, record FROM @events ORDER BY number DESC LIMIT 1";
    events_from_first(INT8) = "SELECT number, record FROM @events ORDER BY number LIMIT $1";
    add_event(INT8, BYTEA) = "INSERT INTO @events (number, record) VALUES ($1, $2)";
    remove_events(INT8, INT8) = "DELETE FROM @events WHERE number >= $1 AND number < $2";
    trail() = "SELECT record FROM @trail_head";
    trail_row(INT8) = "SELECT record FROM @trail_head WHERE record IS NOT NULL LIMIT $1";
    lock_trail() = "SELECT record FROM @trail_head FOR UPDATE";
    change_trail(BYTEA) = "UPDATE @trail_head SET record = $1";

    // What says that the tables may not be served.
    mark() = "SELECT mark FROM @store_mark";
    lock_mark() = "SELECT mark FROM @store_mark FOR UPDATE";
    free_mark() = "SELECT mark FROM @store_mark FOR UPDATE SKIP LOCKED";
    change_mark(BYTEA) = "UPDATE @store_mark SET mark = $1";
    clear_mark() = "UPDATE @store_mark SET mark = NULL";

    // One row that is damaged, and what takes its place.
    lock_token(BYTEA, BYTEA) =
        "SELECT session, place, expires_at, record FROM @tokens WHERE session = $1 AND place = $2 FOR UPDATE";
    lock_event(INT8) = "SELECT number, record FROM @events WHERE number = $1 FOR UPDATE";
    remove_event(INT8) = "DELETE FROM @events WHERE number = $1";

    // Many rows at once, in the place of those with the same key.
    fill_accounts(BYTEA_ARRAY, BYTEA_ARRAY, BYTEA_ARRAY) =
        "INSERT INTO @accounts (id, key, record) SELECT * FROM UNNEST($1, $2, $3)
         ON CONFLICT (id) DO UPDATE SET key = excluded.key, record = excluded.record";
    // Of a name that another account has had while a copy was made.
    free_names(BYTEA_ARRAY, BYTEA_ARRAY) =
        "DELETE FROM @accounts WHERE key = ANY($2) AND NOT (id = ANY($1))";
    fill_events(INT8_ARRAY, BYTEA_ARRAY) =
        "INSERT INTO @events (number, record) SELECT * FROM UNNEST($1, $2)
         ON CONFLICT (number) DO UPDATE SET record = excluded.record";
    fill_sessions(BYTEA_ARRAY, BYTEA_ARRAY, INT8_ARRAY, BYTEA_ARRAY) =
        "INSERT INTO @sessions (id, subject, expires_at, record) SELECT * FROM UNNEST($1, $2, $3, $4)
         ON CONFLICT (id) DO UPDATE
         SET subject = excluded.subject, expires_at = excluded.expires_at, record = excluded.record";
    fill_subjects(BYTEA_ARRAY) =
        "INSERT INTO @subjects (subject) SELECT DISTINCT given.subject FROM UNNEST($1) AS given (subject)
         ON CONFLICT DO NOTHING";
    fill_tokens(BYTEA_ARRAY, BYTEA_ARRAY, INT8_ARRAY, BYTEA_ARRAY) =
        "INSERT INTO @tokens (session, place, expires_at, record) SELECT * FROM UNNEST($1, $2, $3, $4)
         ON CONFLICT (session, place) DO UPDATE
         SET expires_at = excluded.expires_at, record = excluded.record";
    fill_values(BYTEA_ARRAY, INT8_ARRAY, BYTEA_ARRAY) =
        "INSERT INTO @kept_values (name, expires_at, record) SELECT * FROM UNNEST($1, $2, $3)
         ON CONFLICT (name) DO UPDATE SET expires_at = excluded.expires_at, record = excluded.record";
    remove_token(BYTEA, BYTEA) = "DELETE FROM @tokens WHERE session = $1 AND place = $2";
    remove_value(BYTEA) = "DELETE FROM @kept_values WHERE name = $1";
    clear_trail() = "UPDATE @trail_head SET record = NULL";
    // A row if there is anything.
    holds_anything() =
        "SELECT 1 FROM @sessions UNION ALL SELECT 1 FROM @accounts UNION ALL SELECT 1 FROM @kept_values
         UNION ALL SELECT 1 FROM @tokens UNION ALL SELECT 1 FROM @events
         UNION ALL SELECT 1 FROM @trail_head WHERE record IS NOT NULL LIMIT 1";
    // Some rows at once.
    empty_accounts(INT8) =
        "DELETE FROM @accounts WHERE id IN (SELECT id FROM @accounts LIMIT $1) RETURNING 1";
    empty_events(INT8) =
        "DELETE FROM @events WHERE number IN (SELECT number FROM @events LIMIT $1) RETURNING 1";
    empty_sessions(INT8) =
        "DELETE FROM @sessions WHERE id IN (SELECT id FROM @sessions LIMIT $1) RETURNING 1";
    empty_subjects(INT8) =
        "DELETE FROM @subjects WHERE subject IN (SELECT subject FROM @subjects LIMIT $1) RETURNING 1";
    empty_tokens(INT8) =
        "DELETE FROM @tokens WHERE (session, place) IN (SELECT session, place FROM @tokens LIMIT $1)
         RETURNING 1";
    empty_values(INT8) =
        "DELETE FROM @kept_values WHERE name IN (SELECT name FROM @kept_values LIMIT $1) RETURNING 1";

    // Keeps the latest time that anything was decided by.
    latest_time() = "SELECT latest FROM @schema_state";
    keep_time(INT8) = "UPDATE @schema_state SET latest = $1 WHERE latest < $1";
}

#[cfg(feature = "testing")]
impl super::PostgresStore {
    /// Returns every statement of the store: its name, its text, and the types of its parameters. For tests
    /// that ask a server how it carries out each.
    #[must_use]
    pub fn statements(&self) -> Vec<(&'static str, String, Vec<String>)> {
        let types = |types: &[Type]| types.iter().map(|of| of.name().to_owned()).collect();
        let all = self.database.statements.all().into_iter();
        all.map(|(name, of)| (name, of.sql.clone(), types(&of.types))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_statement_names_its_schema_and_has_a_type_for_each_parameter() {
        let guard = StatementGuard { is_served: true, knows_hidden_rows: true };
        let statements = Statements::new("\"a schema\"", guard);
        for (name, SqlStatement { sql, types }) in statements.all() {
            let parameters = (1..20).take_while(|number| sql.contains(&format!("${number}"))).count();
            assert_eq!(parameters, types.len(), "{name}");
            assert!(sql.contains("\"a schema\".") && !sql.contains('@'), "{name}: {sql}");
        }
    }

    /// O-12, R-5: what a request relies on is not read from tables that were moved, or that hide rows.
    #[test]
    fn what_a_server_reads_or_adds_has_a_guard() {
        let guard = StatementGuard { is_served: true, knows_hidden_rows: true };
        let (mut with, mut without) = (Vec::new(), Vec::new());
        let statements = Statements::new("s", guard);
        for (name, SqlStatement { sql, .. }) in statements.all() {
            let has_guard = sql.contains(" / EXISTS (");
            if has_guard {
                with.push(name)
            } else {
                without.push(name)
            }
            assert!(!has_guard || sql.contains("row_security_active('s."), "{name}: {sql}");
        }
        for name in without {
            // What changes rows that were read before, or all rows, or is of no use to a request.
            let may = ["change_", "clear_", "count_", "empty_", "fill_", "keep_", "remove_"];
            let others =
                ["forget_tokens", "free_mark", "free_names", "last_event", "latest_time", "lock_mark"];
            let more = ["lock_trail", "make_counters", "mark", "trail"];
            let is_listed = others.contains(&name) || more.contains(&name) || name.ends_with("_from_first");
            assert!(is_listed || may.iter().any(|start| name.starts_with(start)), "{name} has no guard");
        }
        assert!(with.len() > 25, "{with:?}");
    }
}
