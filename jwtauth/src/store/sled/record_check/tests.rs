//! Random interleavings of a writer and a reader of pages, over a plain map in the place of the tree. Groups
//! are written key by key and pages are read key by key, which is worse than what sled does.

use std::collections::BTreeMap;

use super::super::super::codec;
use super::super::super::sample;
use super::super::super::value_store::StoredValue;
use super::super::disk_record::DiskRecord;
use super::super::tree_change::Change;
use super::*;
use crate::id::SessionId;
use crate::record::Session;

/// How many interleavings there are of each kind of fault.
const ROUNDS: u64 = 2_000;

/// How many sessions there may be.
const SESSIONS: u64 = 12;

type Tree = BTreeMap<Vec<u8>, Vec<u8>>;

/// Numbers from a seed (xorshift).
struct Seeded(u64);

impl Seeded {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

/// A writer that stands in the middle of a group.
struct Writing {
    left: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    totals: Totals,
}

/// A page that is being read.
struct Reading {
    start: PageStart,
    end: Vec<u8>,
    /// Keys that are not read yet, the first one last.
    left: Vec<Vec<u8>>,
    tally: RecordTally,
}

struct Model {
    random: Seeded,
    tree: Tree,
    totals: Totals,
    check: RecordCheck,
    writing: Option<Writing>,
    reading: Option<Reading>,
}

fn session(number: u64, expires_at: u64, generation: u64) -> Session {
    let mut id = [0; 16];
    id[0] = (number * 20) as u8;
    let subject = format!("subject-{}", number % 3);
    Session { id: SessionId::from_bytes(id), expires_at, generation, ..sample::session(1, &subject) }
}

/// Counts what is read before a store is opened.
fn first(tree: &Tree) -> RecordTally {
    let mut tally = RecordTally::default();
    for (key, value) in tree.iter().filter(|(key, _)| tree_keys::is_read_first(key)) {
        tally.take(key, value).unwrap();
    }
    tally
}

impl Model {
    fn new(seed: u64) -> Self {
        let mut random = Seeded(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        for _ in 0..4 {
            random.below(2);
        }
        let check = RecordCheck::new(None, Totals::default());
        let mut model = Self {
            random,
            tree: Tree::new(),
            totals: Totals::default(),
            check,
            writing: None,
            reading: None,
        };
        for _ in 0..SESSIONS {
            model.write_all();
        }
        model
    }

    /// Opens it, with what is wrong in it.
    fn open(&mut self) {
        self.check = RecordCheck::new(Some(first(&self.tree)), self.totals);
    }

    fn load(&self, number: u64) -> Option<DiskRecord<Session>> {
        let id = session(number, 0, 0).id;
        let key = tree_keys::session(id);
        self.tree.get(&key).and_then(|bytes| DiskRecord::session(&key, id, bytes).ok())
    }

    /// One to three changes of different sessions, with records of tokens, and a value.
    fn group(&mut self) -> Group {
        let mut group = Group::new(self.totals);
        let first = self.random.below(SESSIONS);
        for number in first..=first + self.random.below(3) {
            let mut change = Change::default();
            let after = session(number, 1_000 + self.random.below(5), self.random.below(1_000));
            match self.load(number) {
                None => change.add(&after).unwrap(),
                Some(before) if self.random.below(3) == 0 => change.remove(&before),
                Some(before) => change.replace(&before, &after).unwrap(),
            }
            group.add(change);
        }
        if self.random.below(3) == 0 {
            let key = [tree_keys::VALUES, &[self.random.below(3) as u8; 32]].concat();
            let before = self.tree.get(&key).map(|bytes| codec::checksum_of(bytes));
            let index = [tree_keys::VALUE_EXPIRIES, &[0; 8], &key[1..]].concat();
            let mut change = Change::default();
            if before.is_some() && self.random.below(2) == 0 {
                change.put_record(key, before, None);
                change.remove_key(index);
            } else {
                let value = StoredValue {
                    expires_at: self.random.below(1_000),
                    bytes: Some(b"a value".to_vec()),
                    ..Default::default()
                };
                let bytes = codec::encode_value(&key, &value).unwrap();
                change.put_record(key, before, Some(bytes));
                change.add_key(index);
            }
            group.add(change);
        }
        group
    }

    fn begin_writing(&mut self) {
        let group = self.group();
        let tree = &self.tree;
        self.check.group_begins(&group, |key| Ok(tree.get(key).map(|bytes| (&**bytes).into()))).unwrap();
        let mut left: Vec<_> =
            group.entries().map(|(key, value)| (key.clone(), value.map(<[u8]>::to_vec))).collect();
        for at in (1..left.len()).rev() {
            let other = self.random.below(at as u64 + 1) as usize;
            left.swap(at, other);
        }
        self.writing = Some(Writing { left, totals: group.totals() });
    }

    /// Makes one step of a group. Returns whether it was the last.
    fn write_some(&mut self) -> bool {
        let Some(writing) = &mut self.writing else {
            self.begin_writing();
            return false;
        };
        if let Some((key, value)) = writing.left.pop() {
            match value {
                Some(value) => drop(self.tree.insert(key, value)),
                None => drop(self.tree.remove(&key)),
            }
            return false;
        }
        self.totals = writing.totals;
        self.check.group_ends();
        self.writing = None;
        true
    }

    fn write_all(&mut self) {
        while !self.write_some() {}
    }

    /// Makes one step of a page. Returns what was concluded when all was read.
    fn read_some(&mut self) -> Option<Result<(), String>> {
        let Some(mut reading) = self.reading.take() else {
            let start = self.check.next_page().unwrap();
            let Some(range) = start.range.clone() else {
                return Some(self.check.conclude(&start).unwrap());
            };
            let len = 1 + self.random.below(6) as usize;
            let keys: Vec<_> = self.tree.range(range.clone()).take(len).map(|(key, _)| key.clone()).collect();
            let end = match keys.last() {
                Some(last) if keys.len() == len => [&last[..], &[0]].concat(),
                _ => range.end,
            };
            let left = keys.into_iter().rev().collect();
            self.reading = Some(Reading { start, end, left, tally: RecordTally::default() });
            return None;
        };
        match reading.left.pop() {
            Some(key) => {
                // It may be gone by now.
                if let Some(value) = self.tree.get(&key) {
                    reading.tally.take(&key, value).unwrap();
                }
                self.reading = Some(reading);
            }
            None => {
                self.check.take_page(&reading.start, reading.end, &reading.tally);
            }
        }
        None
    }

    /// Lets both go on in a random order until all was read.
    fn conclude(&mut self) -> Result<(), String> {
        let writes = 1 + self.random.below(3);
        for step in 0.. {
            assert!(step < 100_000, "it comes to an end");
            // Late enough nobody writes any more, or a page might never be read in peace.
            if step < 20_000 && self.random.below(1 + writes) > 0 {
                self.write_some();
            } else if let Some(concluded) = self.read_some() {
                return concluded;
            }
        }
        unreachable!()
    }
}

/// No interleaving is taken for a fault, also if all is read twice.
#[test]
fn r_7_a_store_that_changes_while_it_is_read_is_whole() {
    for seed in 1..=ROUNDS {
        let mut model = Model::new(seed);
        model.open();
        if seed % 3 == 0 {
            // Some of it was read, and then all of it is read once more.
            for _ in 0..seed % 200 {
                if model.random.below(2) == 0 {
                    model.write_some();
                } else if model.read_some().is_some() {
                    model.open();
                }
            }
            let start = model.check.next_page().unwrap();
            model.reading = None;
            model.check.read_again(&start);
        }
        let concluded = model.conclude();
        assert_eq!(concluded, Ok(()), "seed {seed}");
        assert_eq!(model.check.stage(), CheckStage::Verified);
    }
}

/// Each kind of fault is found, unless what is wrong was replaced or removed as a whole meanwhile: then the
/// store is whole again.
#[test]
fn r_7_what_is_wrong_before_is_found_whatever_changes_meanwhile() {
    let mut found = BTreeMap::new();
    for seed in 1..=ROUNDS {
        let mut model = Model::new(seed);
        let kinds = [tree_keys::SESSIONS, tree_keys::SUBJECTS, tree_keys::EXPIRIES];
        let kind = kinds[(seed % 3) as usize];
        let keys: Vec<_> = model.tree.keys().filter(|key| key.starts_with(kind)).cloned().collect();
        let Some(key) = keys.get(model.random.below(1 + keys.len() as u64) as usize) else { continue };
        let is_stale = kind == tree_keys::SESSIONS && seed % 2 == 0;
        if is_stale {
            let id = tree_keys::id_of(key).unwrap();
            let older = DiskRecord::session(key, id, &model.tree[key]).unwrap().record;
            let older = Session { auth_time: older.auth_time + 1, ..older };
            model.tree.insert(key.clone(), codec::encode_session(key, &older).unwrap());
        } else {
            model.tree.remove(key);
        }
        model.open();
        let concluded = model.conclude();
        // What a whole look at the tree says once nobody writes.
        while model.writing.is_some() {
            model.write_some();
        }
        let mut tally = RecordTally::default();
        model.tree.iter().for_each(|(key, value)| tally.take(key, value).unwrap());
        let (is_found, is_there) = (concluded.is_err(), tally.fault(model.totals).is_some());
        assert_eq!(is_found, is_there, "seed {seed}: {concluded:?}");
        *found.entry((kind[0] as char, is_stale, is_found)).or_insert(0) += 1;
    }
    for fault in [('s', true), ('s', false), ('u', false), ('x', false)] {
        assert!(found[&(fault.0, fault.1, true)] > 10, "{found:?}");
    }
}

#[test]
fn a_store_that_is_opened_anew_is_read_anew() {
    let mut model = Model::new(7);
    model.open();
    while model.check.lock().cursor.is_empty() {
        model.read_some();
    }
    let before = model.check.next_page().unwrap();
    model.check.begin(Some(first(&model.tree)), model.totals);
    assert!(!model.check.take_page(&before, b"t".to_vec(), &RecordTally::default()));
    assert!(model.check.conclude(&before).is_none());
    let start = model.check.next_page().unwrap();
    assert!(!start.is_of(&before) && start.range.as_ref().unwrap().start == tree_keys::SESSIONS);
    model.reading = None;
    assert_eq!(model.conclude(), Ok(()));
    assert!(model.check.take_payload().is_some_and(|payload| payload > 0));
    assert_eq!(model.check.take_payload(), None);
}

#[test]
fn closing_ends_a_rest_and_a_wait_at_once() {
    let model = Model::new(1);
    std::thread::scope(|scope| {
        let rest = scope.spawn(|| model.check.rest(Duration::from_secs(600)));
        let wait = scope.spawn(|| model.check.next_page().is_some());
        model.check.end();
        assert!(!rest.join().unwrap() && !wait.join().unwrap());
    });
}
