//! The `Cookie` headers of all sessions, in a file: a million of them would be most of the memory of the
//! process.

use std::fs::File;
use std::io::{BufWriter, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

/// More bytes than any header has.
const WIDTH: usize = 1_536;

/// Headers by the number of their session.
pub(crate) struct CookieFile(File);

impl CookieFile {
    /// Writes all headers, which come in the order of their sessions.
    pub(crate) fn write(path: &Path, headers: impl Iterator<Item = String>) {
        let mut file = BufWriter::new(File::create(path).expect("a file"));
        for header in headers {
            assert!(header.len() < WIDTH, "a header of {} bytes", header.len());
            write!(file, "{header:WIDTH$}").expect("space on the disk");
        }
        file.flush().expect("space on the disk");
    }

    pub(crate) fn open(path: &Path) -> Self {
        Self(File::open(path).expect("it was written"))
    }

    pub(crate) fn get(&mut self, number: usize) -> String {
        let mut bytes = vec![0; WIDTH];
        self.0.seek(SeekFrom::Start((number * WIDTH) as u64)).expect("it is in the file");
        self.0.read_exact(&mut bytes).expect("it is in the file");
        String::from_utf8(bytes).expect("ASCII").trim_end().to_owned()
    }
}
