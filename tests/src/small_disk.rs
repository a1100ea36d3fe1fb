//! A small file system in memory, for a disk that is full.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A file system in memory, unmounted when dropped.
#[derive(Debug)]
pub struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts one of so many MiB at a directory. `None`, and a line that says so, if nothing can be mounted here.
    #[must_use]
    pub fn mount(at: &Path, mebibytes: u32) -> Option<Self> {
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={mebibytes}m"), "tmpfs"]).arg(at);
        if !mount.output().is_ok_and(|output| output.status.success()) {
            println!("skipped: needs root and a tmpfs to mount");
            return None;
        }
        Some(Self(at.into()))
    }

    /// Returns where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Takes all the room that there is, and gives so many bytes back.
    ///
    /// # Panics
    ///
    /// If no file can be made.
    pub fn fill(&self, left: u64) {
        let mut ballast = fs::File::create(self.ballast()).expect("a file is made");
        let mut taken: u64 = 0;
        while let Ok(count @ 1..) = ballast.write(&[1; 4096]) {
            taken += count as u64;
        }
        ballast.set_len(taken.saturating_sub(left)).expect("a file gets shorter");
    }

    /// Gives all of it back.
    ///
    /// # Panics
    ///
    /// If it was not filled.
    pub fn empty(&self) {
        fs::remove_file(self.ballast()).expect("it was filled");
    }

    fn ballast(&self) -> PathBuf {
        self.0.join("ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}
