//! Damage in many places: what the doctor says against what really opens, and what a repair brings back
//! against what is on the disk.

use jwtauth::store::codec;

use super::*;

const SESSIONS: u8 = 80;

/// What sled reads of a whole store.
pub(super) type Content = BTreeMap<Vec<u8>, Vec<u8>>;

pub(super) fn content(path: &Path) -> Content {
    let raw = tests::raw::open(path);
    raw.iter().map(|entry| entry.map(|(key, value)| (key.to_vec(), value.to_vec())).unwrap()).collect()
}

/// Tells whether a record was brought back. A repair revokes sessions, and disables accounts that may have been removed.
fn is_back(key: &[u8], found: &[u8], value: &[u8]) -> bool {
    let as_it_was = || {
        let id = jwtauth::AccountId::from_bytes(key[1..].try_into().ok()?);
        let mut account = codec::decode_account(key, id, found).ok()?;
        account.active = true;
        codec::encode_account(key, &account).ok()
    };
    found == value || key[0] == b's' || key[0] == b'a' && as_it_was().is_some_and(|bytes| bytes == value)
}

/// Damages copies of one store, and checks each.
pub(super) struct Trials {
    folder: tempfile::TempDir,
    pub(super) pristine: PathBuf,
    content: Content,
    live: Vec<jwtauth::SessionId>,
    trials: u32,
    pub(super) refused: u32,
    repaired: u32,
    pub(super) complete: u32,
    lost: usize,
    /// Records that are whole in a message that is not.
    whole: usize,
    /// Those of them that are accounts.
    pub(super) whole_accounts: usize,
}

impl Trials {
    pub(super) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let pristine = folder.path().join("pristine");
        make(&pristine, SESSIONS).await;
        let mut trials = Self {
            pristine,
            folder,
            content: Content::new(),
            live: Vec::new(),
            trials: 0,
            refused: 0,
            repaired: 0,
            complete: 0,
            lost: 0,
            whole: 0,
            whole_accounts: 0,
        };
        let raw = trials.folder.path().join("raw");
        copy(&trials.pristine, &raw);
        trials.content = content(&raw);
        trials.live = (0..SESSIONS)
            .filter(|number| number % 5 > 0)
            .map(|n| jwtauth::SessionId::from_bytes([n; 16]))
            .collect();
        trials
    }

    /// Ends sessions in the store that is damaged later.
    async fn log_out<const N: usize>(&mut self, numbers: [u8; N]) {
        let store = SledStore::open(&self.pristine).await.unwrap();
        for id in numbers.map(|number| jwtauth::SessionId::from_bytes([number; 16])) {
            let logout = Revocation { at: 300, reason: RevocationReason::Logout };
            assert!(store.revoke(id, logout).await.unwrap());
            self.live.retain(|live| *live != id);
        }
        drop(store);
        let raw = self.folder.path().join("raw");
        copy(&self.pristine, &raw);
        self.content = content(&raw);
    }

    /// Damages a copy, and holds what must be true of it, whatever the damage is.
    pub(super) async fn run(&mut self, what: &str, damage: impl FnOnce(&Path)) {
        let (path, opened) = (self.folder.path().join("damaged"), self.folder.path().join("opened"));
        copy(&self.pristine, &path);
        damage(&path);
        copy(&path, &opened);
        let opens = SledStore::open(&opened).await.map(drop);
        self.trials += 1;
        let before = fs::read(path.join("db")).unwrap_or_default();
        let diagnosis = doctor(&path);
        assert!(
            fs::read(path.join("db")).unwrap_or_default() == before,
            "{what}: the doctor changes nothing"
        );
        let right = if opens.is_ok() { Condition::Whole } else { Condition::Damaged };
        assert_eq!(diagnosis.condition, right, "{what}: {opens:?} {diagnosis:#?}");
        if opens.is_ok() {
            let all = doctor(&self.pristine);
            assert_eq!(diagnosis.readable, all.readable, "{what}: what sled reads is read");
            return;
        }
        self.refused += 1;
        // A start that fails takes nothing away. Half a message at the end may go.
        assert!(what.starts_with("cut") || doctor(&opened).readable == diagnosis.readable, "{what}");
        if diagnosis.readable == RecordCounts::default() {
            self.count(&Content::new(), &path, &before);
            return;
        }
        let repaired = repair(&path);
        self.repaired += 1;
        assert!(repaired.aside.is_some(), "{what}: {repaired:#?}");
        self.complete += u32::from(!repaired.sessions_revoked);
        self.check(what, &path, &before, &repaired).await;
    }

    /// Prints a row of the table: `cargo test -p tests --test it -- rescue::flips --nocapture`. The doctor was right in all
    /// trials, or the test has failed.
    pub(super) fn print(&self, what: &str) {
        let Self { trials, refused, repaired, complete, lost, whole, .. } = self;
        println!(
            "| damage | trials | do not open | repaired | nothing lost | records lost | of these whole on disk |"
        );
        println!("| {what} | {trials} | {refused} | {repaired} | {complete} | {lost} | {whole} |");
    }

    /// Counts the records that were not brought back, and those of them whose bytes stand in the damaged files: as one
    /// finds them who knows nothing of pages. `data` was the data file.
    fn count(&mut self, found: &Content, path: &Path, data: &[u8]) {
        let mut disk = vec![data.to_vec()];
        for folder in [path.join("blobs"), path.join("aside/damaged/blobs")] {
            let files = fs::read_dir(folder).into_iter().flatten().flatten();
            disk.extend(files.filter_map(|entry| fs::read(entry.path()).ok()));
        }
        for (key, value) in self.content.iter().filter(|(key, _)| matches!(key[0], b'a' | b's' | b't')) {
            if found.get(key).is_some_and(|found| is_back(key, found, value)) {
                continue;
            }
            self.lost += 1;
            let stands_in = |bytes: &Vec<u8>| bytes.windows(value.len()).any(|window| window == &value[..]);
            let is_whole = disk.iter().any(stands_in);
            self.whole += usize::from(is_whole);
            self.whole_accounts += usize::from(is_whole && key[0] == b'a');
        }
    }

    /// Compares what was brought back with what was whole on the disk.
    async fn check(&mut self, what: &str, path: &Path, disk: &[u8], repaired: &Repaired) {
        let store = SledStore::open(path).await.unwrap();
        for number in 0..SESSIONS {
            let id = jwtauth::SessionId::from_bytes([number; 16]);
            let state = store.load(id).await.unwrap().map(|session| session.state_at(1_000));
            let was_live = self.live.contains(&id);
            let is_live = state == Some(SessionState::Live);
            assert!(
                !is_live || was_live && !repaired.sessions_revoked,
                "{what}: session {number} is {state:?}"
            );
            assert!(
                is_live || !was_live || repaired.sessions_revoked,
                "{what}: session {number} is {state:?}"
            );
        }
        drop(store);
        let found = content(path);
        self.count(&found, path, disk);
        // Every name stays taken.
        for key in self.content.keys().filter(|key| key[0] == b'n') {
            let record = [b"a", &key[key.len() - 16..]].concat();
            assert!(found.contains_key(key) || !found.contains_key(&record), "{what}");
        }
    }
}

#[test]
fn a_bit_that_flipped_is_found_and_all_comes_back() {
    bounded_by(std::time::Duration::from_secs(240), async {
        let mut trials = Trials::new().await;
        let db = fs::read(trials.pristine.join("db")).unwrap();
        let used: Vec<usize> = (0..db.len()).filter(|at| db[*at] != 0).collect();
        let mut random = Numbers::seeded(41);
        for _ in 0..100 {
            let at = used[random.below(used.len() as u64) as usize] as u64;
            let bit = random.below(8) as u32;
            trials.run(&format!("bit {bit} of byte {at}"), |path| flip(&path.join("db"), at, bit)).await;
        }
        trials.print("one bit");
        let Trials { refused, complete, lost, whole, .. } = trials;
        // The checksum of the message says which bit it was.
        assert!(refused > 20 && complete == refused && lost == 0, "{refused} {complete} {lost} {whole}");
    });
}

#[test]
fn of_a_byte_that_is_wrong_what_is_whole_comes_back() {
    bounded_by(std::time::Duration::from_secs(240), async {
        let mut trials = Trials::new().await;
        let db = fs::read(trials.pristine.join("db")).unwrap();
        let used: Vec<usize> = (0..db.len()).filter(|at| db[*at] != 0).collect();
        let mut random = Numbers::seeded(43);
        for _ in 0..40 {
            let at = used[random.below(used.len() as u64) as usize] as u64;
            let damage = |path: &Path| [0, 4].into_iter().for_each(|bit| flip(&path.join("db"), at, bit));
            trials.run(&format!("two bits of byte {at}"), damage).await;
        }
        trials.print("two bits of a byte");
        let Trials { refused, complete, lost, whole, .. } = trials;
        assert!(refused > 10 && whole == 0, "{refused} {complete} {lost} {whole}");
    });
}

#[test]
fn a_file_that_was_cut_gives_what_is_left() {
    bounded_by(std::time::Duration::from_secs(240), async {
        let mut trials = Trials::new().await;
        let len = fs::metadata(trials.pristine.join("db")).unwrap().len();
        let mut random = Numbers::seeded(42);
        for _ in 0..25 {
            let end = random.below(len);
            let cut = |path: &Path| {
                OpenOptions::new().write(true).open(path.join("db")).unwrap().set_len(end).unwrap();
            };
            trials.run(&format!("cut at {end}"), cut).await;
        }
        trials.print("cut");
        let Trials { refused, lost, whole, .. } = trials;
        assert!(refused > 5 && lost > 100 && whole == 0, "{refused} {lost} {whole}");
    });
}

/// Writes into a data file.
fn write(path: &Path, at: usize, bytes: &[u8]) {
    let file = OpenOptions::new().write(true).open(path.join("db")).unwrap();
    file.write_all_at(bytes, at as u64).unwrap();
}

/// What a disk writes at once, mostly.
pub(super) const PAGE: usize = 4_096;

/// Returns where the pages of a data file are that hold something.
fn used_pages(db: &[u8]) -> Vec<usize> {
    let starts = (0..db.len() / PAGE).map(|number| number * PAGE);
    starts.filter(|at| db[*at..][..PAGE].iter().any(|byte| *byte != 0)).collect()
}

#[test]
fn of_a_page_with_zeros_or_garbage_what_stands_elsewhere_comes_back() {
    bounded_by(std::time::Duration::from_secs(240), async {
        let mut trials = Trials::new().await;
        let db = fs::read(trials.pristine.join("db")).unwrap();
        let used = used_pages(&db);
        let mut random = Numbers::seeded(44);
        for _ in 0..15 {
            let at = used[random.below(used.len() as u64) as usize];
            trials.run(&format!("zeros at {at}"), |path| write(path, at, &[0; PAGE])).await;
            let page = db[at..][..PAGE].iter().zip((0_u8..=255).cycle());
            let garbage: Vec<u8> = page.map(|(byte, n)| byte ^ n.wrapping_mul(167) ^ 0x5a).collect();
            trials.run(&format!("garbage at {at}"), |path| write(path, at, &garbage)).await;
        }
        trials.print("zeros or garbage in 4 kB");
        let Trials { refused, complete, lost, .. } = trials;
        // Of a record whose key or whose message begins in the page, a value alone is left.
        assert!(refused > 20 && complete > 20 && lost < 30, "{refused} {complete} {lost}");
    });
}

/// Nobody is let in, and it is found. Of records in these pages some bytes are elsewhere than their message says.
#[test]
fn two_pages_that_have_changed_places_are_found() {
    bounded_by(std::time::Duration::from_secs(240), async {
        let mut trials = Trials::new().await;
        let db = fs::read(trials.pristine.join("db")).unwrap();
        let used = used_pages(&db);
        let mut random = Numbers::seeded(45);
        for _ in 0..15 {
            let mut any = || used[random.below(used.len() as u64) as usize];
            let (at, other) = (any(), any());
            let swap = |path: &Path| {
                write(path, at, &db[other..][..PAGE]);
                write(path, other, &db[at..][..PAGE]);
            };
            trials.run(&format!("{at} and {other} swapped"), swap).await;
        }
        trials.print("two pages of 4 kB swapped");
        assert!(trials.refused > 7 && trials.complete > 0, "{} {}", trials.refused, trials.complete);
    });
}

/// Each file is missing, empty, that of another store, or as it was before.
#[test]
fn a_file_that_is_missing_or_of_another_store_is_found() {
    bounded_by(std::time::Duration::from_secs(240), async {
        let mut trials = Trials::new().await;
        let other = trials.folder.path().join("other");
        make(&other, 40).await;
        // The same store, before its last changes.
        let older = trials.folder.path().join("older");
        copy(&trials.pristine, &older);
        trials.log_out([1, 2, 3]).await;
        let files: Vec<PathBuf> = fs::read_dir(&trials.pristine)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.is_file())
            .map(|path| path.file_name().unwrap().into())
            .collect();
        assert!(files.len() >= 4, "{files:?}");
        for file in &files {
            if older.join(file).is_file() {
                let before = |path: &Path| {
                    fs::copy(older.join(file), path.join(file)).unwrap();
                };
                trials.run(&format!("{file:?} is older"), before).await;
            }
            let missing = |path: &Path| fs::remove_file(path.join(file)).unwrap();
            trials.run(&format!("{file:?} is missing"), missing).await;
            let empty = |path: &Path| fs::write(path.join(file), "").unwrap();
            trials.run(&format!("{file:?} is empty"), empty).await;
            let theirs = fs::read(other.join(file));
            let mixed = |path: &Path| match theirs {
                Ok(theirs) => fs::write(path.join(file), theirs).unwrap(),
                // Its name is that of a moment of this store.
                Err(_) => fs::write(path.join(file), [7; 100]).unwrap(),
            };
            trials.run(&format!("{file:?} is of another store"), mixed).await;
        }
        trials.print("a file is missing, empty, older or of another store");
        assert!(trials.refused > 4 && trials.whole == 0, "{} {}", trials.refused, trials.whole);
    });
}

/// Where a value stands in the data file, in each message that has it.
pub(super) fn places_of(db: &[u8], value: &[u8]) -> Vec<usize> {
    (0..db.len().saturating_sub(value.len())).filter(|at| db[*at..].starts_with(value)).collect()
}

/// Of a message in which several bits are wrong, all other records are found, and it is said whose are lost.
#[test]
fn it_is_said_whose_sessions_are_lost_and_nothing_around_them_is() {
    bounded_by(std::time::Duration::from_secs(120), async {
        let trials = Trials::new().await;
        let path = trials.folder.path().join("damaged");
        let whole = doctor(&trials.pristine);
        for number in [1_u8, 22, 79] {
            copy(&trials.pristine, &path);
            let key = [&b"s"[..], &[number; 16]].concat();
            let db = fs::read(path.join("db")).unwrap();
            let places = places_of(&db, &trials.content[&key]);
            assert!(!places.is_empty());
            for at in places {
                // Five wrong bits, all in this record.
                [7, 9, 20, 31, 33].into_iter().for_each(|byte| flip(&path.join("db"), (at + byte) as u64, 3));
            }
            let found = doctor(&path);
            assert_eq!(found.condition, Condition::Damaged);
            let counts = |of: &Diagnosis| (of.readable.sessions, of.readable.accounts, of.readable.values);
            let (sessions, accounts, values) = counts(&whole);
            assert_eq!(counts(&found), (sessions - 1, accounts, values), "{number}: {found:#?}");
            let [lost] = &found.lost_sessions[..] else { panic!("{:?}", found.lost_sessions) };
            assert_eq!((&*lost.subject, lost.sessions), (&*format!("user {}", number % 7), 1));
            let said = run(&path, "", &["doctor"]).out;
            assert!(said.contains("Sessions that cannot be read: 1. They were of:"), "{said}");
            let repaired = run(&path, "", &["repair", "--yes"]);
            let named = format!("  user {}    1 session", number % 7);
            assert!(repaired.code == 0 && repaired.out.contains(&named), "{repaired:?}");
        }
        // Of an account its name is said too.
        copy(&trials.pristine, &path);
        let account = jwtauth_on(SledStore::open(&path).await.unwrap());
        let bob = account.accounts().unwrap().by_name("bob").await.unwrap().unwrap();
        let of_bob = account.sessions().list(&bob.id.to_string()).await.unwrap();
        drop(account);
        let raw = trials.folder.path().join("raw");
        copy(&path, &raw);
        let value = content(&raw)[&[&b"s"[..], of_bob[0].id.as_bytes()].concat()].clone();
        let db = fs::read(path.join("db")).unwrap();
        for at in places_of(&db, &value) {
            [8, 12, 40].into_iter().for_each(|byte| flip(&path.join("db"), (at + byte) as u64, 1));
        }
        let found = doctor(&path);
        assert_eq!(found.lost_sessions[0].name.as_deref(), Some("bob"), "{found:#?}");
    });
}
