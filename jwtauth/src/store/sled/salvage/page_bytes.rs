//! A page of sled's tree and a change of one, as bytes (`serialization.rs` and `node.rs` of sled 0.34.7).
//!
//! A page holds the keys from `lo` on and below `hi`; an empty `hi` says that there is no end. Its keys stand
//! without the beginning that all of them have: the first `prefix` bytes of `lo`. So do those of its changes.

use super::log_bytes::LogBytes;

/// The kind of a page that holds keys and values.
const LEAF: u8 = 0;

/// Which keys a page holds.
#[derive(Clone, Debug)]
pub(super) struct PageRange {
    pub(super) lo: Vec<u8>,
    pub(super) hi: Vec<u8>,
    pub(super) prefix: usize,
}

/// What a page holds.
#[derive(Debug)]
pub(super) enum PageItems<'a> {
    /// Keys, without their beginning, and values.
    Leaf(Vec<(&'a [u8], &'a [u8])>),
    /// Keys, without their beginning, and the pages that start with them.
    Index(Vec<(&'a [u8], u64)>),
}

/// The beginning of a page, up to its keys.
#[derive(Debug)]
struct PageHead<'a> {
    range: PageRange,
    kind: u8,
    /// How many keys it has.
    count: usize,
    rest: LogBytes<'a>,
}

fn head(bytes: &[u8]) -> Option<PageHead<'_>> {
    let mut rest = LogBytes::new(bytes);
    // The next page, and one that is being merged with it, and whether it is itself.
    rest.number()?;
    rest.number()?;
    rest.byte()?;
    let prefix = usize::from(rest.byte()?);
    let (lo, hi) = (rest.text()?, rest.text()?);
    if prefix > lo.len() {
        return None;
    }
    let kind = rest.byte()?;
    let count = usize::try_from(rest.number()?).ok()?;
    Some(PageHead { range: PageRange { lo: lo.into(), hi: hi.into(), prefix }, kind, count, rest })
}

/// Reads a page.
pub(super) fn page(bytes: &[u8]) -> Option<(PageRange, PageItems<'_>)> {
    let PageHead { range, kind, count, mut rest } = head(bytes)?;
    // Each key takes a byte at least.
    if count > rest.len() {
        return None;
    }
    let mut keys = Vec::with_capacity(count);
    for _ in 0..count {
        keys.push(rest.text()?);
    }
    let items = match kind {
        LEAF => {
            let values = keys.into_iter().map(|key| Some((key, rest.text()?)));
            PageItems::Leaf(values.collect::<Option<_>>()?)
        }
        1 => {
            let pages = keys.into_iter().map(|key| Some((key, rest.number()?)));
            PageItems::Index(pages.collect::<Option<_>>()?)
        }
        _ => return None,
    };
    Some((range, items))
}

/// Reads the keys of a leaf of which bytes are wrong or missing, as far as that goes. Returns them with where
/// their values begin.
pub(super) fn torn_leaf(bytes: &[u8]) -> Option<(PageRange, Vec<&[u8]>, usize)> {
    let PageHead { range, kind, count, mut rest } = head(bytes)?;
    let keys: Vec<_> = std::iter::from_fn(|| rest.text()).take(count).collect();
    (kind == LEAF).then_some((range, keys, bytes.len() - rest.len()))
}

/// Returns the keys of a leaf of which bytes are wrong or missing, as far as that goes.
pub(super) fn torn_keys(bytes: &[u8]) -> Vec<Vec<u8>> {
    let found =
        torn_leaf(bytes).map(|(range, keys, _)| keys.into_iter().map(|rest| range.key(rest)).collect());
    found.unwrap_or_default()
}

/// A change of a leaf: a key without its beginning, and its value, or nothing if it goes.
pub(super) fn change(bytes: &[u8]) -> Option<(&[u8], Option<&[u8]>)> {
    let mut rest = LogBytes::new(bytes);
    match rest.byte()? {
        0 => Some((rest.text()?, Some(rest.text()?))),
        1 => Some((rest.text()?, None)),
        _ => None,
    }
}

/// The range of a page of which only the first key is known.
impl From<Vec<u8>> for PageRange {
    fn from(lo: Vec<u8>) -> Self {
        Self { lo, hi: Vec::new(), prefix: 0 }
    }
}

impl PageRange {
    /// Returns a key as a whole.
    pub(super) fn key(&self, rest: &[u8]) -> Vec<u8> {
        self.key_with(self.prefix, rest)
    }

    pub(super) fn key_with(&self, prefix: usize, rest: &[u8]) -> Vec<u8> {
        [&self.lo[..prefix], rest].concat()
    }

    /// Returns the whole key under which a value proves itself. A page may have had another prefix in a state
    /// that is lost, so that its changes leave out more or less.
    pub(super) fn proven_key(&self, rest: &[u8], proves: impl Fn(&[u8]) -> bool) -> Option<Vec<u8>> {
        let first = std::iter::once(self.prefix);
        let others = (0..=self.lo.len()).filter(|prefix| *prefix != self.prefix);
        first.chain(others).map(|prefix| self.key_with(prefix, rest)).find(|key| proves(key))
    }
}
