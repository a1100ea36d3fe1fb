//! Each call of the system that changes a file is, once, the last one that a process makes.

use std::ffi::OsString;

use super::*;

const CALLS: &str = "?mkdir,?mkdirat,openat,write,pwrite64,?rename,?renameat,?renameat2,?unlink,?unlinkat,\
                     ?rmdir,fsync,fdatasync,?chmod,?fchmod,?fchmodat,ftruncate,flock,sync_file_range";

/// Runs a program again and again, killed at another call each time, and checks what it has left. Returns how
/// often it was killed; `None` where the system cannot do that.
///
/// `prepare` makes a directory of its own for each run, `arguments` are those of the program for it. Counting
/// starts with the first call that names `store`.
pub(super) async fn at_any_call(
    program: &str,
    arguments: impl Fn(&Path) -> Vec<OsString>,
    prepare: impl Fn() -> tempfile::TempDir,
    check: impl AsyncFn(&Path, &str),
) -> Option<usize> {
    if !Command::new("strace").args(["-f", "true"]).output().is_ok_and(|output| output.status.success()) {
        println!("skipped: needs strace");
        return None;
    }
    let traced = |dir: &Path, what: &str| {
        let log = tempfile::NamedTempFile::new().unwrap();
        let mut command = Command::new("strace");
        command.args(["-f", "-qq", "-e", what, "-o"]).arg(log.path()).arg(program).args(arguments(dir));
        let output = command.output().unwrap();
        (output, String::from_utf8_lossy(&fs::read(log.path()).unwrap_or_default()).into_owned())
    };
    let dir = prepare();
    let (output, log) = traced(dir.path(), &format!("trace={CALLS}"));
    // It may fail, too: then it is killed on the way there.
    let usual = output.status.code();
    assert!(usual.is_some(), "{output:?}");
    // Calls are counted by thread.
    let (mut calls, mut first) = (BTreeMap::<(&str, &str), usize>::new(), BTreeMap::new());
    for line in log.lines() {
        let Some((thread, call)) = line.split_once(' ') else { continue };
        let Some((name, _)) = call.trim().split_once('(') else { continue };
        let counted = calls.entry((thread, name)).or_default();
        *counted += 1;
        if call.contains("store") {
            first.entry(name).or_insert(*counted);
        }
    }
    let mut kills = 0;
    for name in calls.keys().map(|(_, name)| *name).collect::<std::collections::BTreeSet<_>>() {
        let most = calls.iter().filter(|((_, called), _)| *called == name).map(|(_, n)| *n).max();
        for number in first.get(name).copied().unwrap_or(1)..=most.unwrap() {
            let dir = prepare();
            let (output, _) = traced(dir.path(), &format!("inject={name}:signal=KILL:when={number}"));
            kills += usize::from(output.status.code() != usual);
            check(dir.path(), &format!("killed at {name} {number}")).await;
        }
    }
    println!("{kills} kills");
    Some(kills)
}
