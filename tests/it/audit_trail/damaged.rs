//! Records of the trail that cannot be read: they stop nothing, and are found.

use tests::bounded;

use super::{KEEP, SECRET, change, key, run, store_with_trail};
use jwtauth::store::EventStore as _;
use jwtauth::{AccountsConfig, JwtAuth, SledStore, StorageConfig};

type Damage = fn(&sled::Db);

fn garbage(tree: &sled::Db, key: &[u8]) {
    let mut bytes = tree.get(key).unwrap().unwrap().to_vec();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    tree.insert(key, bytes).unwrap();
}

/// What is damaged, what is said of it, how many events can be read, and the number that the next event gets. An export
/// and a backup are events before that.
const CASES: [(Damage, &str, usize, u64); 3] = [
    (|tree| garbage(tree, &key(3)), "events 3 to 3 are missing or cannot be read", 6, 10),
    (|tree| garbage(tree, &key(7)), "events 7 to 7 are missing or cannot be read", 6, 10),
    // An event `trail_broken` comes first.
    (|tree| garbage(tree, b"e"), "what says where the trail ends is missing or cannot be read", 7, 11),
];

#[test]
fn o_8_a_damaged_event_stops_nothing_and_is_found() {
    bounded(async {
        for (damage, said, readable, next) in CASES {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("store");
            store_with_trail(&path).await;
            change(&path, damage);
            let check = run(&path, "", &["events", "--check"]);
            assert_eq!((check.code, check.out.contains(said)), (1, true), "{said}: {check:?}");
            let doctor = run(&path, "", &["doctor"]);
            assert_eq!((doctor.code, doctor.out.contains(said)), (1, true), "{said}: {doctor:?}");
            assert_eq!(run(&path, "", &["events", "--json"]).json().len(), readable, "{said}");
            let export = run(&path, "", &["export"]);
            assert_eq!(export.code, 0, "{said}: {export:?}");

            let file = folder.path().join("backup");
            let file = file.to_str().unwrap();
            let backup = run(&path, "", &["backup", file]);
            assert_eq!(backup.code, 0, "{said}: {backup:?}");
            let restored = folder.path().join("restored");
            let restore = run(&restored, "", &["restore", file]);
            assert_eq!(restore.code, 0, "{said}: {restore:?}");
            assert_eq!(run(&restored, "", &["compact"]).code, 0, "{said}");

            // The program has gone on with the trail. So does who serves the store, and overwrites nothing.
            let builder = JwtAuth::builder().secret(SECRET).accounts(AccountsConfig::default().hashers(1));
            let jwtauth =
                builder.storage(StorageConfig::default().keep_events(KEEP)).open(&path).await.unwrap();
            jwtauth.accounts().unwrap().register("bob", "through the looking glass").await.unwrap();
            drop(jwtauth);
            let store = SledStore::open(&path).await.unwrap();
            let last = store.events_after(0, usize::MAX).await.unwrap().pop().unwrap();
            assert_eq!((&*last.event.event, last.number), ("account_registered", next), "{said}");
        }
    });
}
