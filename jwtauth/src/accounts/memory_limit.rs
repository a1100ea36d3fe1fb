//! How much memory the system leaves to this process: the smallest limit of its control groups, or what the
//! machine has.
//!
//! Everything is read from files below a root, so that a test can give others.

use std::fs;
use std::path::{Path, PathBuf};

/// Returns how many bytes this process can use. `None` where the system does not say.
pub(super) fn of_this_process() -> Option<u64> {
    below(Path::new("/"))
}

fn below(root: &Path) -> Option<u64> {
    let own = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let mounts = fs::read_to_string(root.join("proc/self/mountinfo")).unwrap_or_default();
    let groups = mounts.lines().filter_map(Hierarchy::parse).flat_map(|hierarchy| {
        hierarchy.own_groups(&own).into_iter().filter_map(|group| limit_of(&rooted(root, &group)))
    });
    groups.chain(machine(root)).min()
}

/// Where a hierarchy of control groups with memory limits is mounted.
struct Hierarchy {
    is_v2: bool,
    /// The group that is mounted there: that of a container, for example.
    root: PathBuf,
    at: PathBuf,
}

impl Hierarchy {
    /// Reads a line of `mountinfo` (proc(5)).
    fn parse(line: &str) -> Option<Self> {
        let (mount, kind) = line.split_once(" - ")?;
        let mut mount = mount.split(' ').skip(3).map(unescaped);
        let (root, at) = (mount.next()?, mount.next()?);
        let mut kind = kind.split(' ');
        let (kind, options) = (kind.next()?, kind.nth(1).unwrap_or_default());
        let is_v2 = kind == "cgroup2";
        let is_v1 = kind == "cgroup" && options.split(',').any(|option| option == "memory");
        (is_v2 || is_v1).then_some(Self { is_v2, root, at })
    }

    /// Returns the folders of the group that this process is in and of all above it, as far as they can be
    /// seen.
    fn own_groups(&self, own: &str) -> Vec<PathBuf> {
        let path = own.lines().find_map(|line| {
            let mut parts = line.splitn(3, ':');
            let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
            let is_this = match self.is_v2 {
                true => controllers.is_empty(),
                false => controllers.split(',').any(|controller| controller == "memory"),
            };
            is_this.then_some(Path::new(path))
        });
        let Some(path) = path else { return Vec::new() };
        // Without a namespace of its own, a container sees its group mounted as if it were the root.
        let inside = path.strip_prefix(&self.root).or_else(|_| path.strip_prefix("/")).unwrap_or(path);
        inside.ancestors().map(|group| self.at.join(group)).collect()
    }
}

/// Undoes how `mountinfo` writes spaces.
fn unescaped(text: &str) -> PathBuf {
    text.replace("\\040", " ").into()
}

fn rooted(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

/// Reads the limit of one group. `max`, or a number near the largest one, is none.
fn limit_of(group: &Path) -> Option<u64> {
    let read = |name: &str| fs::read_to_string(group.join(name)).ok();
    let number = |text: String| text.trim().parse::<u64>().ok();
    // Groups above that are not visible here count in `memory.stat`.
    let hierarchical = |text: String| {
        let line = text.lines().find_map(|line| line.strip_prefix("hierarchical_memory_limit "));
        line.and_then(|limit| limit.trim().parse().ok())
    };
    let limits = [
        read("memory.max").and_then(number),
        read("memory.limit_in_bytes").and_then(number),
        read("memory.stat").and_then(hierarchical),
    ];
    limits.into_iter().flatten().filter(|limit| *limit < 1 << 60).min()
}

/// Returns the memory of the machine.
fn machine(root: &Path) -> Option<u64> {
    let info = fs::read_to_string(root.join("proc/meminfo")).ok()?;
    let total = info.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    total.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1024 * 1024;
    const V2: &str = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
    const V1: &str = "35 31 0:32 / /sys/fs/cgroup/memory rw shared:9 - cgroup cgroup rw,memory\n\
        36 31 0:33 / /sys/fs/cgroup/cpu rw shared:10 - cgroup cgroup rw,cpu\n";

    /// Writes files below a folder, and reads the limit from them.
    fn limit(files: &[(&str, &str)]) -> Option<u64> {
        static NUMBER: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let root = std::env::temp_dir().join(format!("jwtauth-limit-{}-{number}", std::process::id()));
        for (name, text) in files {
            let path = root.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let found = below(&root);
        let _ = fs::remove_dir_all(&root);
        found
    }

    /// M-1: the smallest limit on the way up counts, in both versions of control groups.
    #[test]
    fn m_1_the_memory_limit_is_read_where_the_system_writes_it() {
        let meminfo = ("proc/meminfo", "MemTotal:        4194304 kB\nMemFree: 1 kB\n");
        assert_eq!(limit(&[]), None, "no Linux");
        assert_eq!(limit(&[meminfo]), Some(4096 * MIB), "no limit but what there is");

        // In a container of today: its group looks like the root.
        let v2 = [("proc/self/cgroup", "0::/\n"), ("proc/self/mountinfo", V2), meminfo];
        assert_eq!(
            limit(&[&v2[..], &[("sys/fs/cgroup/memory.max", "268435456\n")]].concat()),
            Some(256 * MIB)
        );
        assert_eq!(limit(&[&v2[..], &[("sys/fs/cgroup/memory.max", "max\n")]].concat()), Some(4096 * MIB));
        assert_eq!(limit(&[&v2[..], &[("sys/fs/cgroup/memory.max", "?")]].concat()), Some(4096 * MIB));
        // A service of systemd: the limit may be its own, or that of the slice.
        let service = [("proc/self/cgroup", "0::/system.slice/app.service\n"), ("proc/self/mountinfo", V2)];
        let at = |own, slice| {
            let groups = [
                ("sys/fs/cgroup/system.slice/app.service/memory.max", own),
                ("sys/fs/cgroup/system.slice/memory.max", slice),
            ];
            limit(&[&service[..], &groups, &[meminfo]].concat())
        };
        assert_eq!(at("134217728", "max"), Some(128 * MIB));
        assert_eq!(at("max", "134217728"), Some(128 * MIB));
        assert_eq!(at("536870912", "268435456"), Some(256 * MIB));

        // Version 1: no limit is a number near the largest one.
        let v1 = [
            ("proc/self/cgroup", "4:cpu:/\n3:memory,hugetlb:/docker/abc\n0::/\n"),
            ("proc/self/mountinfo", V1),
        ];
        let at = |limit_in_bytes| {
            let group = ("sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes", limit_in_bytes);
            limit(&[&v1[..], &[group, meminfo]].concat())
        };
        assert_eq!(at("536870912\n"), Some(512 * MIB));
        assert_eq!(at("9223372036854771712\n"), Some(4096 * MIB));
        // Without a namespace of its own: the group of the container is mounted as the root.
        let mounted = V1.replace("0:32 / ", "0:32 /docker/abc ");
        let inside =
            [("proc/self/cgroup", "3:memory:/docker/abc/below\n"), ("proc/self/mountinfo", &mounted)];
        let own = ("sys/fs/cgroup/memory/below/memory.limit_in_bytes", "67108864");
        assert_eq!(limit(&[&inside[..], &[own]].concat()), Some(64 * MIB));
        let top = ("sys/fs/cgroup/memory/memory.limit_in_bytes", "67108864");
        assert_eq!(limit(&[&inside[..], &[top]].concat()), Some(64 * MIB));
        let stat = ("sys/fs/cgroup/memory/memory.stat", "cache 1\nhierarchical_memory_limit 33554432\n");
        assert_eq!(limit(&[&inside[..], &[top, stat]].concat()), Some(32 * MIB));
        // A path with a space in it.
        let spaced = V2.replace("/sys/fs/cgroup", "/sys/fs/c\\040group");
        let files = [
            ("proc/self/cgroup", "0::/\n"),
            ("proc/self/mountinfo", &*spaced),
            ("sys/fs/c group/memory.max", "1024"),
        ];
        assert_eq!(limit(&files), Some(1024));
    }
}
