//! What a repair of a database makes of damaged rows: names come back to whom they belong, values keep out, and what has
//! changed meanwhile is left alone.

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use jwtauth::store::{SessionStore as _, ValueKey, ValueStore as _, operate};
use serde_json::{Value, json};
use tests::app::START;
use tests::bounded_by;
use tests::postgres;

use super::damaged_rows::{Damaged, FLIP, LIMIT, PASSWORD};

/// O-17: nobody gets the name of an account that is damaged, and its owner gets it back.
#[test]
fn o_17_the_name_of_a_damaged_account_stays_taken_until_its_owner_has_it_back() {
    let Some(server) = postgres::shared() else { return };
    bounded_by(LIMIT, async {
        let damaged = Damaged::new(&server).await;
        let accounts = damaged.app.jwtauth.accounts().unwrap();
        let ben = accounts.by_name("ben").await.unwrap().unwrap();
        damaged.app.jwtauth.sessions().login(&ben, Default::default()).await.unwrap();
        damaged.change("accounts", FLIP, "key = 'ben'").await;
        accounts.register("ben", PASSWORD).await.unwrap_err();
        let error = accounts.verify("ben", PASSWORD, None).await.unwrap_err();
        assert!(format!("{error:?}").contains("jwtauth doctor"), "{error:?}");
        // Others are removed and added meanwhile.
        let input = format!("{PASSWORD}\n");
        assert_eq!(damaged.run(&input, &["accounts", "add", "cora"]).code, 0);
        assert_eq!(damaged.run("", &["accounts", "remove", "cora", "--yes"]).code, 0);
        let needed = damaged.run("", &["accounts", "remove", "ben", "--yes"]);
        assert_eq!((needed.code, needed.err.contains("jwtauth repair")), (3, true), "{needed:?}");

        let done = damaged.repair("rows");
        assert!(
            done.out.contains("Accounts that are disabled now") && done.out.contains("  ben"),
            "{done:?}"
        );
        accounts.register("ben", PASSWORD).await.unwrap_err();
        accounts.verify("ben", PASSWORD, None).await.unwrap_err();
        let his = damaged.store.sessions_of(ben.id.to_string()).await.unwrap();
        assert!(his.len() == 1 && his[0].revoked.is_some(), "{his:?}");
        let next: Vec<_> = done.out.lines().filter_map(|line| line.split_once(": jwtauth ")).collect();
        let [(_, password), (_, enable)] = &next[..] else { panic!("{done:?}") };
        for (command, input) in [(password, "and what he found there\n"), (enable, "")] {
            let command = command.replace("NAME", "ben");
            let words: Vec<_> = command.split(' ').collect();
            assert_eq!(damaged.run(input, &words).code, 0, "{command}");
        }
        let back = accounts.verify("ben", "and what he found there", None).await.unwrap();
        assert_eq!(back.id, ben.id);
    });
}

/// O-17: two accounts have each other's names, a third one lost its own to somebody, a fourth has none.
#[test]
fn o_17_accounts_whose_names_do_not_fit_get_theirs_back() {
    let Some(server) = postgres::shared() else { return };
    bounded_by(LIMIT, async {
        let damaged = Damaged::new(&server).await;
        let accounts = damaged.app.jwtauth.accounts().unwrap();
        for name in ["cid", "dan"] {
            accounts.register(name, PASSWORD).await.unwrap();
        }
        for (from, to) in [("ann", "x"), ("ben", "ann"), ("x", "ben"), ("cid", "somebody"), ("dan", "\\x80")]
        {
            let set = if to.starts_with('\\') {
                format!("key = '\\{to}', {FLIP}")
            } else {
                format!("key = '{to}'")
            };
            let set = set.replace("\\\\", "\\");
            assert_eq!(damaged.change("accounts", &set, &format!("key = '{from}'")).await, 1);
        }
        // Nobody logs in by the name of another one, and the name of the third one was free.
        for name in ["ann", "ben", "somebody"] {
            accounts.verify(name, PASSWORD, None).await.unwrap_err();
        }
        accounts.register("cid", "another password").await.unwrap();
        assert_eq!(damaged.doctor()["unreadable_rows"], 4);
        let done = damaged.run("", &["repair", "--yes", "--json", "--aside", &damaged.file("rows")]);
        let repaired: Value = serde_json::from_str(&done.out).unwrap_or_else(|_| panic!("{done:?}"));
        let repairs = &repaired["repairs"];
        assert_eq!((&repairs["rows"], &repairs["mended"]), (&json!(4), &json!(2)), "{repairs}");
        let names: Vec<_> = repairs["left_out"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
        assert_eq!(names, [&json!("cid"), &json!("80")], "{repairs}");
        accounts.verify("cid", "another password", None).await.unwrap();
        damaged.serves(&["ann", "ben"]).await;
        assert_eq!(fs::read_to_string(damaged.file("rows")).unwrap().lines().count(), 4);
    });
}

/// O-17: of a token of another service that was revoked, nobody forgets it.
#[test]
fn o_17_a_damaged_value_keeps_out_whom_it_kept_out() {
    let Some(server) = postgres::shared() else { return };
    bounded_by(LIMIT, async {
        let damaged = Damaged::new(&server).await;
        let key = ValueKey::from_bytes([7; 32]);
        damaged.change("kept_values", FLIP, "name = decode(repeat('07', 32), 'hex')").await;
        let error = damaged.store.load_value(key, START).await.unwrap_err();
        assert!(format!("{error:?}").contains("jwtauth repair"), "{error:?}");
        assert_eq!(damaged.repair("rows").code, 0);
        assert_eq!(damaged.store.load_value(key, START).await.unwrap(), Some(Vec::new()));
        assert_eq!(damaged.store.load_value(key, START + 9_000).await.unwrap(), None);
    });
}

/// O-17: a counter of failed logins that makes no sense counts as none, so nobody is locked out by it.
#[test]
fn o_17_a_damaged_counter_stops_no_login() {
    let Some(server) = postgres::shared() else { return };
    bounded_by(LIMIT, async {
        let damaged = Damaged::new(&server).await;
        let accounts = damaged.app.jwtauth.accounts().unwrap();
        for _ in 0..3 {
            accounts.verify("ann", "not her password", None).await.unwrap_err();
        }
        let changed =
            damaged.change("counters", "record = '\\xff', expires_at = 9223372036854775807", "true").await;
        assert!(changed > 0);
        damaged.serves(&["ann", "ben"]).await;
        assert_eq!(damaged.run("", &["status"]).code, 0);
        assert_eq!(damaged.run("", &["backup", &damaged.file("backup")]).code, 0);
    });
}

/// O-17: what a server has changed meanwhile is not overwritten, and what is kept was kept before.
#[test]
fn o_17_a_repair_leaves_a_row_alone_that_has_changed_and_overwrites_no_file() {
    let Some(server) = postgres::shared() else { return };
    bounded_by(LIMIT, async {
        let damaged = Damaged::new(&server).await;
        damaged.change("accounts", FLIP, "key = 'ben'").await;
        fs::write(damaged.file("rows"), "somebody's").unwrap();
        let refused = damaged.repair("rows");
        assert_eq!((refused.code, refused.err.contains("cannot be written")), (3, true), "{refused:?}");
        assert_eq!(fs::read_to_string(damaged.file("rows")).unwrap(), "somebody's");
        assert_eq!(damaged.doctor()["unreadable_rows"], 1, "nothing was changed");
        let stopped = operate::repair_database(
            damaged.server.config().schema(&damaged.schema),
            &damaged.folder.path().join("stopped"),
            START,
            &|_| ControlFlow::Break(()),
        )
        .await;
        assert!(matches!(stopped, Err(operate::OperateError::Stopped)), "{stopped:?}");
        assert_eq!(damaged.doctor()["unreadable_rows"], 1);
        // A record of a newer release is not damaged.
        damaged.change("accounts", FLIP, "key = 'ben'").await;
        let select = format!("SELECT id, record FROM \"{}\".accounts WHERE key = 'ben'", damaged.schema);
        let row = damaged.owner.query_one(&select, &[]).await.unwrap();
        let (id, mut record): (Vec<u8>, Vec<u8>) = (row.get(0), row.get(1));
        record[0] = 200;
        let sum = crate::store::crc_32(&[&[200], &b"a"[..], &id, &record[5..]].concat());
        record[1..5].copy_from_slice(&sum.to_le_bytes());
        let update = format!("UPDATE \"{}\".accounts SET record = $1 WHERE id = $2", damaged.schema);
        damaged.owner.execute(&update, &[&record, &id]).await.unwrap();
        let looked = damaged.doctor();
        assert_eq!(looked["next"], json!(["use the release of jwtauth that wrote it"]), "{looked}");
        let refused = damaged.repair("newer");
        assert_eq!((refused.code, refused.err.contains("newer release")), (3, true), "{refused:?}");
        assert!(!Path::new(&damaged.file("newer")).exists());
    });
}

/// O-17: what says where the audit trail ends. The next event would set it right, a repair does so too.
#[test]
fn o_17_the_damaged_end_of_a_trail_is_named_and_set_right() {
    let Some(server) = postgres::shared() else { return };
    bounded_by(LIMIT, async {
        let damaged = Damaged::new(&server).await;
        assert_eq!(damaged.change("trail_head", FLIP, "true").await, 1);
        let looked = damaged.doctor();
        assert_eq!(
            (&looked["condition"], &looked["unreadable"][0]["table"]),
            (&json!("damaged"), &json!("trail_head"))
        );
        assert_eq!(damaged.run("", &["status", "--json"]).json_with(4)[0]["unreadable"], 1);
        assert_eq!(damaged.repair("rows").code, 0);
        assert!(fs::read_to_string(damaged.file("rows")).unwrap().contains("trail_head"));
        assert_eq!(damaged.run("", &["doctor"]).code, 0);
        let events = damaged.run("", &["events", "--json", "--all"]).json();
        let names: Vec<_> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
        assert_eq!(names[names.len() - 2..], ["trail_broken", "store_repaired"], "{names:?}");
        damaged.serves(&["ann", "ben"]).await;
    });
}
