//! The reader against sled itself: over stores that sled wrote, whole and damaged.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use super::super::super::codec;
use super::super::super::value_store::StoredValue;
use super::*;

type Content = BTreeMap<Vec<u8>, Vec<u8>>;

/// A directory that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("jwtauth-salvage-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Repeatable numbers.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

/// Opens a database. Threads of sled's may have the file locked for a moment after the last one was closed.
fn open(path: &Path) -> ::sled::Db {
    let opened = (0..100).find_map(|_| match ::sled::Config::new().path(path).open() {
        Err(::sled::Error::Io(error)) if error.to_string().contains("acquire lock") => {
            thread::sleep(Duration::from_millis(100));
            None
        }
        opened => Some(opened.unwrap()),
    });
    opened.expect("the lock is free within 10 s")
}

/// A record, or an index entry, under a key that is like ours.
fn entry(random: &mut Random, keys: u64, longest: u64) -> (Vec<u8>, Vec<u8>) {
    let number = random.below(keys);
    let id = [number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes(), number.to_be_bytes()].concat();
    let kind = [&b"s"[..], b"v", b"x\0\0\0\0\x01\x02\x03\x04", b"u\0\x05alice"][random.below(4) as usize];
    let key = [kind, &id].concat();
    if matches!(kind, [b'x' | b'u', ..]) {
        return (key, Vec::new());
    }
    let value = StoredValue {
        // No two are alike.
        expires_at: random.below(u64::MAX),
        bytes: Some(vec![7; random.below(longest) as usize]),
        ..StoredValue::default()
    };
    let bytes = codec::encode_value(&key, &value).unwrap();
    (key, bytes)
}

/// Lets sled write for a while: batches that add and remove, so that pages split, merge and move.
fn churn(path: &Path, content: &mut Content, random: &mut Random, batches: u64, keys: u64, longest: u64) {
    let tree = open(path);
    for round in 0..batches {
        let mut batch = ::sled::Batch::default();
        for _ in 0..=random.below(20) {
            let (key, value) = entry(random, keys, longest);
            if random.below(3) == 0 {
                batch.remove(&key[..]);
                content.remove(&key);
            } else {
                batch.insert(&key[..], &value[..]);
                content.insert(key, value);
            }
        }
        tree.apply_batch(batch).unwrap();
        if round % 8 == 0 {
            tree.flush().unwrap();
        }
    }
    tree.flush().unwrap();
}

fn read(path: &Path) -> (Content, FileDamage) {
    read_as(path, SalvageReach::default())
}

fn read_as(path: &Path, reach: SalvageReach) -> (Content, FileDamage) {
    let mut salvage =
        Salvage::scan(path, &path.join(DATA), |_, _| ControlFlow::Continue(())).unwrap().unwrap();
    let (mut content, mut last) = (Content::new(), Vec::new());
    salvage
        .each(reach, |key, value| {
            assert!(last.is_empty() || *last < *key, "keys come in order");
            last = key.to_vec();
            content.insert(key.into(), value.into());
            ControlFlow::Continue(())
        })
        .unwrap();
    (content, salvage.damage)
}

#[test]
fn a_whole_store_reads_as_sled_reads_it() {
    for (name, batches, keys, longest) in [("many", 400, 4_000, 300), ("long", 60, 200, 60_000)] {
        let folder = Folder::new(name);
        let (mut content, mut random) = (Content::new(), Random(11));
        for _ in 0..5 {
            churn(&folder.0, &mut content, &mut random, batches, keys, longest);
            let (found, damage) = read(&folder.0);
            assert!(found == content, "{name}: {} keys of {}", found.len(), content.len());
            assert!(!damage.is_any() && !damage.is_cut, "{name}: {damage:?}");
        }
        // Nearly all goes, so that pages merge.
        let tree = open(&folder.0);
        for key in content.keys().skip(3) {
            tree.remove(key).unwrap();
        }
        drop(tree);
        let left: Content = content.into_iter().take(3).collect();
        assert!(read(&folder.0).0 == left, "{name}");
    }
}

/// Flips bits of one byte in each round, and reads what is left.
fn flip_each(
    name: &str,
    bits: impl Fn(&mut Random) -> u8,
    mut look: impl FnMut(&Content, &Content, &FileDamage, &str),
) {
    let folder = Folder::new(name);
    let (mut content, mut random) = (Content::new(), Random(5));
    churn(&folder.0, &mut content, &mut random, 300, 2_000, 300);
    let file = OpenOptions::new().read(true).write(true).open(folder.0.join(DATA)).unwrap();
    let len = file.metadata().unwrap().len();
    for round in 0..150 {
        let at = random.below(len);
        let mut byte = [0];
        file.read_exact_at(&mut byte, at).unwrap();
        file.write_all_at(&[byte[0] ^ bits(&mut random)], at).unwrap();
        let (found, damage) = read(&folder.0);
        file.write_all_at(&byte, at).unwrap();
        look(&content, &found, &damage, &format!("round {round}, byte {at}"));
    }
}

/// One bit, wherever it is: it is noticed where it matters, and all that was there is.
#[test]
fn a_flipped_bit_costs_nothing() {
    let mut noticed = 0;
    flip_each(
        "flips",
        |random| 1 << random.below(8),
        |content, found, damage, when| {
            noticed += u32::from(damage.is_any());
            assert!(found == content, "{when}: {} of {}, {damage:?}", found.len(), content.len());
        },
    );
    assert!(noticed > 10, "{noticed}");
}

/// Several bits: what the damaged message does not say is there, and nothing else.
#[test]
fn a_byte_costs_no_more_than_its_message() {
    let (mut noticed, mut changed) = (0, 0);
    flip_each(
        "bytes",
        |random| 0x81 | (random.below(64) << 1) as u8,
        |content, found, damage, when| {
            noticed += u32::from(damage.is_any());
            let wrong = found.iter().filter(|(key, value)| content.get(*key) != Some(*value)).count();
            let missing = content.keys().filter(|key| !found.contains_key(*key)).count();
            changed += u32::from(wrong + missing > 0);
            assert!(wrong + missing < 400, "{when}: {wrong} wrong, {missing} missing: {damage:?}");
            assert!(found == content || damage.is_any() || damage.is_cut, "{when}");
        },
    );
    assert!(noticed > 10 && changed > 5, "{noticed} {changed}");
}

/// Returns all that is whole of some records in the files of a store, as one finds it who looks for their
/// bytes, and knows nothing of pages.
fn whole_on_disk<'a>(path: &Path, content: &'a Content) -> Vec<(&'a Vec<u8>, &'a Vec<u8>)> {
    let mut disk = fs::read(path.join(DATA)).unwrap();
    for entry in fs::read_dir(path.join("blobs")).unwrap() {
        disk.extend(fs::read(entry.unwrap().path()).unwrap());
    }
    // The checksum of a record covers its key, so that no other record has these bytes.
    let mut wanted: HashMap<&[u8], Vec<_>> = HashMap::new();
    for (key, value) in content.iter().filter(|(_, value)| value.len() >= 8) {
        wanted.entry(&value[..8]).or_default().push((key, value));
    }
    let mut whole = Vec::new();
    let layouts: BTreeSet<u8> = wanted.keys().map(|start| start[0]).collect();
    for (at, start) in disk.windows(8).enumerate().filter(|(_, start)| layouts.contains(&start[0])) {
        let records = wanted.get(start).into_iter().flatten();
        whole.extend(records.filter(|(_, value)| disk[at..].starts_with(value)));
    }
    whole.sort();
    whole.dedup();
    whole
}

type Damage = fn(&mut Vec<u8>, &mut Random);

/// A place in a file, at the beginning of a block of the disk in half of the cases.
fn place(bytes: &[u8], random: &mut Random) -> usize {
    let at = random.below(bytes.len() as u64) as usize;
    if random.below(2) == 0 { at } else { at / 4_096 * 4_096 }
}

fn block(bytes: &[u8], random: &mut Random) -> std::ops::Range<usize> {
    let start = place(bytes, random);
    start..(start + 4_096).min(bytes.len())
}

const ROUNDS: usize = 6;

/// What happens to files, and of how many whole records of a thousand the key may be lost by it.
const DAMAGES: [(&str, usize, Damage); 10] = [
    ("cut", 1, |bytes, random| bytes.truncate(place(bytes, random))),
    ("zeros up to the end", 1, |bytes, random| {
        let start = place(bytes, random);
        bytes[start..].fill(0);
    }),
    ("a block of zeros", 1, |bytes, random| {
        let block = block(bytes, random);
        bytes[block].fill(0);
    }),
    ("a block of anything", 1, |bytes, random| {
        let block = block(bytes, random);
        bytes[block].fill_with(|| random.below(256) as u8);
    }),
    ("a byte", 1, |bytes, random| {
        let at = random.below(bytes.len() as u64) as usize;
        bytes[at] ^= 0x81 | (random.below(64) << 1) as u8;
    }),
    ("two blocks of 32 kB change places", 100, |bytes, random| exchange(bytes, random, 32 * 1024)),
    ("two segments change places", 1, |bytes, random| exchange(bytes, random, 512 * 1024)),
    ("a block of 32 kB over another", 100, |bytes, random| {
        let blocks = bytes.len() as u64 / 32_768;
        let [from, to] = [(); 2].map(|()| random.below(blocks) as usize * 32_768);
        bytes.copy_within(from..from + 32_768, to);
    }),
    ("all behind a block is a sector further", 100, |bytes, random| {
        let at = random.below(bytes.len() as u64 / 4_096) as usize * 4_096;
        bytes.splice(at..at, [0; 512]);
    }),
    ("nothing", 0, |_, _| {}),
];

fn exchange(bytes: &mut [u8], random: &mut Random, len: usize) {
    let blocks = (bytes.len() / len) as u64;
    let [one, two] = [(); 2].map(|()| random.below(blocks) as usize * len);
    (0..len).for_each(|at| bytes.swap(one + at, two + at));
}

/// Whatever is damaged: each record of which the newest state is still there, anywhere, is found.
#[test]
fn each_record_that_is_whole_on_disk_is_found() {
    println!("| store | damage | times | whole on disk | of these not found | by what stands in its place |");
    let mut by_moved = 0;
    for (name, batches, keys, longest) in [("whole", 100, 800, 300), ("whole-long", 10, 40, 40_000)] {
        let folder = Folder::new(name);
        let (mut content, mut random) = (Content::new(), Random(17));
        for _ in 0..3 {
            churn(&folder.0, &mut content, &mut random, batches, keys, longest);
        }
        let data = folder.0.join(DATA);
        let bytes = fs::read(&data).unwrap();
        for (what, most, damage) in DAMAGES {
            let (mut lost, mut in_place, mut all) = (0, 0, 0);
            for _ in 0..ROUNDS {
                let mut damaged = bytes.clone();
                damage(&mut damaged, &mut random);
                fs::write(&data, damaged).unwrap();
                let whole = whole_on_disk(&folder.0, &content);
                let lost_if = |moved| {
                    let reach = SalvageReach { cut_batch: true, older_states: true, moved };
                    let (found, _) = read_as(&folder.0, reach);
                    whole.iter().filter(|(key, value)| found.get(*key) != Some(*value)).count()
                };
                lost += lost_if(true);
                in_place += lost_if(false);
                all += whole.len();
            }
            println!("| {name} | {what} | {ROUNDS} | {all} | {lost} | {in_place} |");
            assert!(lost <= in_place, "{name}, {what}");
            by_moved += in_place - lost;
            // What is damaged may be the key of a value that is whole, or hold keys of values behind it.
            let most = all * most / 1_000;
            assert!(all > 100 && lost <= most, "{name}, {what}: {lost} of {all} are not found");
        }
    }
    assert!(by_moved > 0, "what was moved is found");
}

/// Any bytes: no panic, no end that does not come.
#[test]
fn damage_of_any_kind_gives_an_answer() {
    let folder = Folder::new("garbage");
    let mut random = Random(3);
    churn(&folder.0, &mut Content::new(), &mut random, 150, 300, 20_000);
    let data = folder.0.join(DATA);
    let whole = fs::read(&data).unwrap();
    for round in 0..30 {
        let mut bytes = whole.clone();
        for _ in 0..=random.below(40) {
            let start = random.below(bytes.len() as u64) as usize;
            let end = (start + random.below(9_000) as usize).min(bytes.len());
            let kind = random.below(3);
            for byte in &mut bytes[start..end] {
                *byte = [0, 0xff, random.below(256) as u8][kind as usize];
            }
        }
        bytes.truncate(if round % 3 == 0 { random.below(bytes.len() as u64) as usize } else { bytes.len() });
        fs::write(&data, &bytes).unwrap();
        read(&folder.0);
    }
    for bytes in [Vec::new(), vec![0; 10], vec![0xff; 3 * 512 * 1024], vec![8; 512 * 1024 + 7]] {
        fs::write(&data, &bytes).unwrap();
        assert_eq!(read(&folder.0).0, Content::new());
    }
}

/// A message whose page is as a user would have it, in the text of another message.
#[test]
fn a_text_that_looks_like_a_message_is_none() {
    let folder = Folder::new("planted");
    let (key, value) = entry(&mut Random(9), 10, 20);
    let tree = open(&folder.0);
    tree.insert(&key, value.clone()).unwrap();
    drop(tree);
    let whole = fs::read(folder.0.join(DATA)).unwrap();
    let link = whole.windows(value.len()).position(|window| *window == value[..]).unwrap();
    let start = (0..link).rev().find(|at| LogMessage::at(&whole, *at, &mut 0).is_some()).unwrap();
    let message = LogMessage::at(&whole, start, &mut 0).unwrap();
    let mut planted = whole[start..start + message.len].to_vec();
    // As the text of a longer value, with something behind it.
    planted.extend([0x55; 60]);
    let text = StoredValue { expires_at: 5, bytes: Some(planted.clone()), ..StoredValue::default() };
    let other = [b"v", &[9; 32][..]].concat();
    let tree = open(&folder.0);
    tree.remove(&key).unwrap();
    tree.insert(&other[..], codec::encode_value(&other, &text).unwrap()).unwrap();
    drop(tree);
    let mut damaged = fs::read(folder.0.join(DATA)).unwrap();
    let at = damaged.windows(planted.len()).rposition(|window| *window == planted[..]).unwrap();
    // The frame in front of the text: the message that holds it is not whole.
    damaged[at - 6] ^= 0x11;
    fs::write(folder.0.join(DATA), &damaged).unwrap();
    let (found, damage) = read(&folder.0);
    assert_eq!((found.contains_key(&key), found.contains_key(&other)), (false, false), "{damage:?}");
    // Nor against what stands in its place and says that the key went.
    let reach = SalvageReach { cut_batch: true, older_states: true, moved: true };
    assert!(!read_as(&folder.0, reach).0.contains_key(&key));
}

use super::log_message::LogMessage;
