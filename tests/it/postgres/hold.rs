//! Holds a program up in the middle of its work: when it comes to the rows of a table, and not before.

use tokio_postgres::Client;

/// Has whoever comes there wait until [`let_go`].
pub(super) async fn hold(holder: &Client, schema: &str) {
    let sql = format!("SELECT pg_advisory_lock(hashtext('{schema}'))");
    holder.batch_execute(&sql).await.unwrap();
}

/// Lets it go on.
pub(super) async fn let_go(holder: &Client) {
    holder.batch_execute("SELECT pg_advisory_unlock_all()").await.unwrap();
}

async fn make_waiting(owner: &Client, schema: &str) {
    let sql = format!(
        "CREATE OR REPLACE FUNCTION \"{schema}\".waits() RETURNS boolean LANGUAGE sql VOLATILE AS
             $$ SELECT pg_advisory_xact_lock_shared(hashtext('{schema}')) IS NOT NULL $$"
    );
    owner.batch_execute(&sql).await.unwrap();
}

/// Where it waits: at each row that it adds to a table.
pub(super) async fn at_new_rows(owner: &Client, schema: &str, table: &str) {
    make_waiting(owner, schema).await;
    let sql = format!(
        "CREATE FUNCTION \"{schema}\".waits_first() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN PERFORM \"{schema}\".waits(); RETURN NEW; END $$;
         CREATE TRIGGER waits BEFORE INSERT ON \"{schema}\".{table}
             FOR EACH ROW EXECUTE FUNCTION \"{schema}\".waits_first()"
    );
    owner.batch_execute(&sql).await.unwrap();
}

/// Where it waits: at each row of a table that it reads. Nobody can write to the table any more.
pub(super) async fn at_rows(owner: &Client, schema: &str, table: &str) {
    make_waiting(owner, schema).await;
    let sql = format!(
        "ALTER TABLE \"{schema}\".{table} RENAME TO behind_{table};
         CREATE VIEW \"{schema}\".{table} AS
             SELECT * FROM \"{schema}\".behind_{table} WHERE \"{schema}\".waits()"
    );
    owner.batch_execute(&sql).await.unwrap();
}
