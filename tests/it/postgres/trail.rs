//! An audit trail whose rows somebody has changed.

use std::ops::ControlFlow;
use std::sync::Arc;

use jwtauth::PostgresStore;
use jwtauth::store::{EventDetails, EventStore as _, SessionStore, operate};
use tests::bounded;
use tests::postgres;

use super::{client, open};

async fn append(store: &PostgresStore, name: &str) {
    store.append_events(vec![EventDetails::new(name, 100)], 1_000).await.unwrap();
}

async fn faults(store: &PostgresStore) -> Vec<String> {
    let store: Arc<dyn SessionStore> = Arc::new(store.clone());
    let checked = operate::check_trail(&store, None, &|_| ControlFlow::Continue(())).await.unwrap();
    checked.faults.iter().map(ToString::to_string).collect()
}

async fn numbers(store: &PostgresStore) -> Vec<u64> {
    store.events_after(0, 1_000).await.unwrap().iter().map(|record| record.number).collect()
}

#[test]
fn o_8_a_trail_goes_on_behind_its_last_event_whatever_its_head_says() {
    let Some(server) = postgres::shared() else { return };
    bounded(async {
        let store = open(&server.config().schema("set_back")).await;
        let owner = client(&server).await;
        for _ in 0..3 {
            append(&store, "login").await;
        }
        let row = owner.query_one("SELECT record FROM set_back.trail_head", &[]).await.unwrap();
        let old: Vec<u8> = row.get(0);
        append(&store, "login").await;
        append(&store, "login").await;
        owner.execute("UPDATE set_back.trail_head SET record = $1", &[&old]).await.unwrap();
        assert_eq!(faults(&store).await, ["event 4 is outside the trail"]);
        append(&store, "logout").await;
        assert_eq!(numbers(&store).await, (1..=7).collect::<Vec<_>>());
        let all = store.events_after(5, 10).await.unwrap();
        assert_eq!((&*all[0].event.event, &*all[1].event.event), ("trail_broken", "logout"));
        assert_eq!(faults(&store).await, [""; 0]);
    });
}

#[test]
fn o_8_a_damaged_row_of_the_trail_stops_nothing_and_is_found() {
    let Some(server) = postgres::shared() else { return };
    bounded(async {
        let store = open(&server.config().schema("damaged_trail")).await;
        let owner = client(&server).await;
        for _ in 0..5 {
            append(&store, "login").await;
        }
        let damage = "UPDATE damaged_trail.events SET record = '\\x00' WHERE number IN (2, 5)";
        owner.execute(damage, &[]).await.unwrap();
        assert_eq!(numbers(&store).await, [1, 3, 4]);
        let page = store.events_after(1, 2).await.unwrap();
        assert_eq!(page.iter().map(|record| record.number).collect::<Vec<_>>(), [3, 4], "a full page");
        let missing = |number| format!("events {number} to {number} are missing or cannot be read");
        assert_eq!(faults(&store).await, [missing(2), missing(5)]);
        append(&store, "logout").await;
        assert_eq!(numbers(&store).await, [1, 3, 4, 6]);
        assert_eq!(faults(&store).await, [missing(2), missing(5)]);

        owner.execute("UPDATE damaged_trail.trail_head SET record = '\\x00'", &[]).await.unwrap();
        let no_head = "what says where the trail ends is missing or cannot be read";
        assert!(faults(&store).await.contains(&no_head.to_owned()));
        let folder = tempfile::tempdir().unwrap();
        let mut file = std::fs::File::create(folder.path().join("backup")).unwrap();
        let copied: Arc<dyn SessionStore> = Arc::new(store.clone());
        operate::backup(&copied, &mut file, 100, &|_| ControlFlow::Continue(())).await.unwrap();
        append(&store, "login").await;
        assert_eq!(numbers(&store).await, [1, 3, 4, 6, 7, 8]);
    });
}
