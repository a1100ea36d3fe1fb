//! What a power cut may leave of the files that a program writes: all that it has brought to disk, and of the rest
//! nothing, or any part.
//!
//! A run is recorded with `strace`. For a moment in it an image is made: a write counts if its file was synced since, and
//! a name that was made, changed or removed if its directory was. That is harsher than most file systems are, which bring
//! names to disk in the order in which they were changed. `sync_file_range` brings nothing to disk, as its manual says.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;

use super::*;

const CALLS: &str = "trace=openat,?open,?mkdir,?mkdirat,write,pwrite64,ftruncate,fsync,fdatasync,?rename,?renameat,\
                     ?renameat2,?unlink,?unlinkat,?rmdir";

/// How many moments of a run are looked at.
const MOMENTS: usize = 40;

/// What is done to files, which have numbers, and names, which are relative to the directory.
#[derive(Debug)]
enum Step {
    Make(PathBuf, Entry),
    Write(usize, usize, Vec<u8>),
    Cut(usize, usize),
    Sync(usize),
    SyncNames(PathBuf),
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Entry {
    Directory,
    File(usize),
}

/// The names in a directory, and what was written into files.
#[derive(Clone, Debug, Default)]
struct Files {
    names: BTreeMap<PathBuf, Entry>,
    bytes: Vec<Vec<u8>>,
}

impl Files {
    fn read(dir: &Path) -> Self {
        let mut all = Self::default();
        for (path, (bytes, _)) in files(dir) {
            let name = path.strip_prefix(dir).unwrap().to_owned();
            let entry = if path.is_dir() { Entry::Directory } else { Entry::File(all.bytes.len()) };
            if entry != Entry::Directory {
                all.bytes.push(bytes);
            }
            all.names.insert(name, entry);
        }
        all
    }

    fn file(&self, name: &Path) -> Option<usize> {
        match self.names.get(name)? {
            Entry::File(number) => Some(*number),
            Entry::Directory => None,
        }
    }

    fn take(&mut self, step: &Step) {
        let has_place = |names: &BTreeMap<PathBuf, Entry>, name: &Path| {
            let parent = name.parent().unwrap();
            parent.as_os_str().is_empty() || names.get(parent) == Some(&Entry::Directory)
        };
        match step {
            Step::Make(name, entry) if has_place(&self.names, name) => {
                self.names.insert(name.clone(), *entry);
            }
            Step::Rename(from, to) if self.names.contains_key(from) && has_place(&self.names, to) => {
                let moved: Vec<_> =
                    self.names.keys().filter(|name| name.starts_with(from)).cloned().collect();
                self.names.retain(|name, _| !name.starts_with(to) || name.starts_with(from));
                for name in moved {
                    let entry = self.names.remove(&name).unwrap();
                    let rest = name.strip_prefix(from).unwrap();
                    let name = if rest.as_os_str().is_empty() { to.clone() } else { to.join(rest) };
                    self.names.insert(name, entry);
                }
            }
            Step::Remove(name) => self.names.retain(|other, _| !other.starts_with(name)),
            Step::Write(file, at, bytes) => {
                let content = &mut self.bytes[*file];
                content.resize(content.len().max(at + bytes.len()), 0);
                content[*at..at + bytes.len()].copy_from_slice(bytes);
            }
            Step::Cut(file, len) => self.bytes[*file].resize(*len, 0),
            _ => {}
        }
    }

    fn write(&self, dir: &Path) {
        for (name, entry) in &self.names {
            match entry {
                Entry::Directory => fs::create_dir_all(dir.join(name)).unwrap(),
                Entry::File(number) => fs::write(dir.join(name), &self.bytes[*number]).unwrap(),
            }
        }
    }
}

/// A run of a program, as the system saw it.
struct Recording {
    before: Files,
    steps: Vec<Step>,
}

impl Recording {
    /// `None` where the system cannot do that.
    fn of(program: &str, arguments: Vec<OsString>, dir: &Path) -> Option<Self> {
        if !Command::new("strace").args(["-f", "true"]).output().is_ok_and(|output| output.status.success()) {
            println!("skipped: needs strace");
            return None;
        }
        let before = Files::read(dir);
        let log = tempfile::NamedTempFile::new().unwrap();
        let mut command = Command::new("strace");
        command.args(["-f", "-qq", "-y", "-xx", "-s", "4000000", "-e", CALLS, "-o"]).arg(log.path());
        let output = command.arg(program).args(arguments).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let mut recording = Self { before: before.clone(), steps: Vec::new() };
        let (mut now, mut unfinished) = (before, BTreeMap::new());
        for line in fs::read_to_string(log.path()).unwrap().lines() {
            let Some((thread, text)) = line.split_once(' ') else { continue };
            let text = text.trim_start();
            if let Some(start) = text.strip_suffix("<unfinished ...>") {
                unfinished.insert(thread.to_owned(), start.to_owned());
                continue;
            }
            let whole = match text.strip_prefix("<... ").and_then(|rest| rest.split_once(" resumed>")) {
                Some((_, rest)) => unfinished.remove(thread).unwrap_or_default() + rest,
                None => text.to_owned(),
            };
            recording.note(&whole, dir, &mut now);
        }
        // What was recorded is what has happened.
        let after = Files::read(dir);
        let texts = |files: &Files| -> BTreeMap<PathBuf, Option<Vec<u8>>> {
            let text = |entry: &Entry| match entry {
                Entry::Directory => None,
                Entry::File(number) => Some(files.bytes[*number].clone()),
            };
            files.names.iter().map(|(name, entry)| (name.clone(), text(entry))).collect()
        };
        let (recorded, real) = (texts(&now), texts(&after));
        for name in recorded.keys().chain(real.keys()) {
            assert!(recorded.get(name) == real.get(name), "{name:?} is not as it was recorded");
        }
        Some(recording)
    }

    fn note(&mut self, call: &str, dir: &Path, now: &mut Files) {
        let Some((name, rest)) = call.split_once('(') else { return };
        let Some((arguments, result)) = rest.rsplit_once(" = ") else { return };
        let Some(arguments) = arguments.trim_end().strip_suffix(')') else { return };
        if result.starts_with(['-', '?']) {
            return;
        }
        let within = |path: &Path| path.strip_prefix(dir).ok().map(Path::to_owned);
        // Paths of descriptors stand in angle brackets, texts in quotes.
        let opened = arguments
            .split_once('<')
            .and_then(|(_, rest)| rest.split_once('>'))
            .map(|(path, _)| bytes_of(path));
        let opened = opened.map(|path| PathBuf::from(OsStr::from_bytes(&path)));
        let texts: Vec<&str> = arguments.split('"').skip(1).step_by(2).collect();
        let path = |text: &str| -> Option<PathBuf> {
            let path = PathBuf::from(OsStr::from_bytes(&bytes_of(text)));
            within(&if path.is_absolute() { path } else { opened.as_ref()?.join(path) })
        };
        let held = || opened.as_deref().and_then(within).and_then(|name| now.file(&name));
        let number = |text: &str| text.trim_matches([',', ' ']).rsplit(' ').next()?.parse::<usize>().ok();
        let step = match name {
            "open" | "openat" => {
                let Some(path) = texts.first().and_then(|text| path(text)) else { return };
                let flags = arguments.rsplit('"').next().unwrap();
                match now.file(&path) {
                    Some(file) if flags.contains("O_TRUNC") => Some(Step::Cut(file, 0)),
                    None if flags.contains("O_CREAT") => {
                        now.bytes.push(Vec::new());
                        self.before.bytes.push(Vec::new());
                        Some(Step::Make(path, Entry::File(now.bytes.len() - 1)))
                    }
                    _ => None,
                }
            }
            "mkdir" | "mkdirat" => {
                texts.first().and_then(|text| path(text)).map(|path| Step::Make(path, Entry::Directory))
            }
            "write" | "pwrite64" => held().map(|file| {
                let mut bytes = bytes_of(texts[0]);
                bytes.truncate(result.split(' ').next().unwrap().parse().unwrap());
                let at = if name == "write" { now.bytes[file].len() } else { number(arguments).unwrap() };
                Step::Write(file, at, bytes)
            }),
            "ftruncate" => held().map(|file| Step::Cut(file, number(arguments).unwrap())),
            "fsync" | "fdatasync" => match held() {
                Some(file) => Some(Step::Sync(file)),
                None => opened.as_deref().and_then(within).map(Step::SyncNames),
            },
            "rename" | "renameat" | "renameat2" => match &texts[..] {
                [from, to] => path(from).zip(path(to)).map(|(from, to)| Step::Rename(from, to)),
                _ => None,
            },
            "unlink" | "unlinkat" | "rmdir" => texts.first().and_then(|text| path(text)).map(Step::Remove),
            _ => None,
        };
        if let Some(step) = step {
            now.take(&step);
            self.steps.push(step);
        }
    }

    /// Returns what is on disk when the power goes after so many steps. What was not synced is there by chance,
    /// `unsynced` times of 100.
    fn image(&self, steps: usize, unsynced: u64, random: &mut Numbers) -> Files {
        let done = &self.steps[..steps];
        let mut image = self.before.clone();
        for (at, step) in done.iter().enumerate() {
            let later = &done[at..];
            let synced =
                |file: usize| later.iter().any(|step| matches!(step, Step::Sync(other) if *other == file));
            let named = |name: &Path| {
                let parent = name.parent().unwrap();
                later.iter().any(|step| matches!(step, Step::SyncNames(other) if other == parent))
            };
            let is_kept = match step {
                Step::Write(file, ..) | Step::Cut(file, _) => synced(*file),
                Step::Make(name, _) | Step::Remove(name) => named(name),
                // One change of the file system.
                Step::Rename(from, to) => named(from) || named(to),
                Step::Sync(_) | Step::SyncNames(_) => false,
            };
            if is_kept || random.below(100) < unsynced {
                image.take(step);
            }
        }
        image
    }
}

/// Reads `\x2f\x74`.
fn bytes_of(text: &str) -> Vec<u8> {
    let digits = text.split("\\x").skip(1);
    digits.map(|digits| u8::from_str_radix(digits, 16).unwrap_or_else(|_| panic!("{text}"))).collect()
}

/// Runs a program once, and checks what a power cut at many moments of it leaves. `check` hears whether the program had
/// come to its end. Returns how many images there were; `None` where the system cannot do that.
pub(super) async fn cut_at_many_moments(
    program: &str,
    arguments: impl Fn(&Path) -> Vec<OsString>,
    prepare: impl Fn() -> tempfile::TempDir,
    check: impl AsyncFn(&Path, &str, bool),
) -> Option<usize> {
    let dir = prepare();
    // As the system names it.
    let path = dir.path().canonicalize().unwrap();
    let recording = Recording::of(program, arguments(&path), &path)?;
    let all = recording.steps.len();
    // Between changes of names most can go wrong.
    let is_of_names =
        |at: &usize| !matches!(recording.steps[at - 1], Step::Write(..) | Step::Cut(..) | Step::Sync(_));
    let mut moments: Vec<usize> = (1..all).filter(is_of_names).collect();
    let mut random = Numbers::seeded(11);
    while moments.len() > MOMENTS * 3 / 4 {
        moments.remove(random.below(moments.len() as u64) as usize);
    }
    while moments.len() < MOMENTS {
        moments.push(random.below(all as u64) as usize);
    }
    moments.push(all);
    let mut images = 0;
    for steps in moments {
        for unsynced in [0, 50] {
            // Where the program ran, because files may name others by their paths.
            fs::remove_dir_all(&path).unwrap();
            fs::create_dir(&path).unwrap();
            recording.image(steps, unsynced, &mut random).write(&path);
            check(&path, &format!("after {steps} of {all} steps, {unsynced}%"), steps == all).await;
            images += 1;
        }
    }
    println!("{images} images of {all} steps");
    Some(images)
}
