//! A disk that cannot read one place of a file any more, by a library in front of the system's calls.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A file with a bad place. Only programs that are started with its variables see it.
#[derive(Debug)]
pub struct BadSector {
    library: PathBuf,
    file: PathBuf,
    control: PathBuf,
}

impl BadSector {
    /// Prepares one in a folder. `None`, and a line that says so, if it cannot be built here.
    ///
    /// # Panics
    ///
    /// If the folder cannot be written.
    #[must_use]
    pub fn of(file: &Path, folder: &Path) -> Option<Self> {
        let (source, library) = (folder.join("bad_sector.c"), folder.join("bad_sector.so"));
        fs::write(&source, include_str!("bad_sector.c")).expect("the folder can be written");
        let mut build = Command::new("cc");
        build.args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).arg("-ldl");
        if !cfg!(target_os = "linux") || !build.output().is_ok_and(|output| output.status.success()) {
            println!("skipped: needs Linux and a C compiler");
            return None;
        }
        let folder_of_file =
            file.parent().expect("it is in a folder").canonicalize().expect("the folder is there");
        let file = folder_of_file.join(file.file_name().expect("it has a name"));
        Some(Self { library, file, control: folder.join("bad_sector.control") })
    }

    /// The variables of programs that are to see it.
    #[must_use]
    pub fn env(&self) -> [(&'static str, String); 3] {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        [
            ("LD_PRELOAD", text(&self.library)),
            ("BAD_FILE", text(&self.file)),
            ("BAD_CONTROL", text(&self.control)),
        ]
    }

    /// From now on 4 KiB from this place on cannot be read, and the file cannot be synced if `refuses_sync`.
    ///
    /// # Panics
    ///
    /// If the folder cannot be written.
    pub fn set(&self, from: u64, refuses_sync: bool) {
        fs::write(&self.control, format!("{from} 4096 {}", u8::from(refuses_sync)))
            .expect("it can be written");
    }

    /// From now on no read of the file ends.
    ///
    /// # Panics
    ///
    /// If the folder cannot be written.
    pub fn hang(&self) {
        fs::write(&self.control, "0 0 2").expect("it can be written");
    }

    /// All is well again.
    ///
    /// # Panics
    ///
    /// If the folder cannot be written.
    pub fn heal(&self) {
        fs::write(&self.control, "").expect("it can be written");
    }
}
