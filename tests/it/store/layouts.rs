//! a store in an older layout opens, is used, and takes the newest layout record by record. One of a newer release is
//! refused by name.

use std::collections::BTreeMap;

use jwtauth::clock::ManualClock;
use jwtauth::error::SessionError;
use jwtauth::store::{ValueKey, ValueStore as _};
use jwtauth::{AccountsConfig, Device, JwtAuth, StorageConfig};
use tempfile::TempDir;

use super::*;

const WRITTEN_AT: u64 = 1_800_000_000;

/// Copies a store of the fixtures, since opening one changes it.
fn fixture(layout: u8) -> (TempDir, PathBuf, BTreeMap<String, [String; 3]>) {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("fixtures/layout_{layout}"));
    let to = tempfile::tempdir().unwrap();
    copy(&from, to.path());
    let tokens = fs::read_to_string(from.join("tokens.txt")).unwrap();
    let tokens = tokens.lines().map(|line| {
        let mut words = line.split(' ').map(str::to_owned);
        (words.next().unwrap(), [(); 3].map(|()| words.next().unwrap()))
    });
    let (path, tokens) = (to.path().join("store"), tokens.collect());
    (to, path, tokens)
}

/// How many session records are in each layout. Nobody may have the store open.
fn layouts(path: &Path) -> BTreeMap<u8, usize> {
    let mut found = BTreeMap::new();
    for record in tests::raw::open(path).scan_prefix("s").values() {
        *found.entry(record.unwrap()[0]).or_default() += 1;
    }
    found
}

#[test]
fn r_19_a_store_in_layout_3_is_used_as_it_is() {
    bounded(async {
        let (_dir, path, tokens) = fixture(3);
        let id = |name: &str| tokens[name][0].parse::<SessionId>().unwrap();
        assert_eq!(layouts(&path), [(3, 3)].into());
        let start = async || {
            let store = open(&path).await;
            let builder = JwtAuth::builder()
                .secret(*b"a secret of the tests, 32 bytes.")
                .storage(StorageConfig::default().token_registry());
            let builder = builder.clock(ManualClock::at(WRITTEN_AT + 60));
            let builder = builder.accounts(AccountsConfig::default());
            (store.clone(), builder.build(store).unwrap())
        };
        let (store, jwtauth) = start().await;
        let sessions = jwtauth.sessions();
        assert_eq!(sessions.tokens(id("out")).await.unwrap().len(), 2, "the registry is there");
        let out = sessions.find(id("out")).await.unwrap().unwrap();
        assert_eq!((&*out.subject, out.device.to_string()), ("1", "Firefox on Linux".into()));
        assert!(sessions.revoke(id("out")).await.unwrap(), "a logout");
        let renewed = sessions.refresh(&tokens["refresh"][2], &Device::default()).await.unwrap();
        assert_eq!((renewed.session.id, renewed.session.generation), (id("refresh"), 1));
        let refused = sessions.refresh(&tokens["revoked"][2], &Device::default()).await;
        assert!(matches!(refused, Err(SessionError::Revoked)), "{refused:?}");
        drop((jwtauth, store));
        let now = layouts(&path);
        assert_eq!(now[&3], 1, "what was not changed is as it was: {now:?}");
        assert_eq!(now.range(4..).map(|(_, count)| count).sum::<usize>(), 2, "the rest is newer: {now:?}");

        // Opening counts all records and adds up their checksums.
        let (store, jwtauth) = start().await;
        let live = async |name: &str| jwtauth.sessions().find(id(name)).await.unwrap().is_some();
        assert!(!live("out").await && !live("revoked").await && live("refresh").await);
        assert_eq!(jwtauth.sessions().tokens(id("refresh")).await.unwrap().len(), 4);
        let accounts = jwtauth.accounts().unwrap();
        let carol = accounts.by_name("carol").await.unwrap().unwrap();
        assert_eq!(accounts.disable(carol.id).await.unwrap().name, "Carol");
        let value = store.load_value(ValueKey::from_bytes([7; 32]), WRITTEN_AT).await.unwrap();
        assert_eq!(value.as_deref(), Some(&b"a cart"[..]));
        assert!(store.remove_value(ValueKey::from_bytes([7; 32]), WRITTEN_AT).await.unwrap());
        drop((jwtauth, store));
        let store = open(&path).await;
        let swept = store.sweep(u64::MAX, 100).await.unwrap();
        assert_eq!((swept.removed, swept.more), (4, false), "three sessions in two layouts, and a mark");
        drop(store);
        open(&path).await;
    });
}

#[test]
fn r_19_a_store_of_a_newer_release_is_refused_and_left_as_it_is() {
    bounded(async {
        let (_dir, path, tokens) = fixture(3);
        let key = [b"s", &tokens["out"][0].parse::<SessionId>().unwrap().as_bytes()[..]].concat();
        let raw = tests::raw::open(&path);
        let mut bytes = raw.get(&key).unwrap().unwrap().to_vec();
        bytes[0] = 200;
        let sum = crc_32(&[&[200], &key[..], &bytes[5..]].concat());
        bytes[1..5].copy_from_slice(&sum.to_le_bytes());
        raw.insert(&key, bytes.clone()).unwrap();
        raw.flush().unwrap();
        drop(raw);
        let refused = SledStore::open(&path).await.unwrap_err();
        let StoreError::NewerLayout { path: named, found: 200, .. } = &refused else { panic!("{refused:?}") };
        assert_eq!(named.as_ref(), Some(&path));
        assert!(refused.to_string().contains("written by a newer release"), "{refused}");
        assert_eq!(tests::raw::open(&path).get(&key).unwrap().unwrap(), bytes, "it is as it was");
    });
}

/// The checksum of ISO 3309, bit by bit.
pub(crate) fn crc_32(bytes: &[u8]) -> u32 {
    let mut sum = u32::MAX;
    for byte in bytes {
        sum ^= u32::from(*byte);
        for _ in 0..8 {
            sum = if sum & 1 == 1 { sum >> 1 ^ 0xedb8_8320 } else { sum >> 1 };
        }
    }
    !sum
}
