//! Numbers and texts as sled writes them (`serialization.rs` of sled 0.34.7). Reads never go beyond the end.

/// Bytes that are read from the front.
#[derive(Clone, Copy, Debug)]
pub(super) struct LogBytes<'a>(&'a [u8]);

impl<'a> LogBytes<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) const fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*array)
    }

    /// A number of one to nine bytes.
    pub(super) fn number(&mut self) -> Option<u64> {
        let first = self.byte()?;
        Some(match first {
            0..=240 => first.into(),
            241..=248 => 240 + 256 * (u64::from(first) - 241) + u64::from(self.byte()?),
            249 => {
                let [high, low] = self.array()?;
                2288 + 256 * u64::from(high) + u64::from(low)
            }
            250.. => {
                let (bytes, rest) = self.0.split_at_checked(usize::from(first) - 247)?;
                self.0 = rest;
                let mut number = [0; 8];
                number[..bytes.len()].copy_from_slice(bytes);
                u64::from_le_bytes(number)
            }
        })
    }

    /// A length, and as many bytes.
    pub(super) fn text(&mut self) -> Option<&'a [u8]> {
        let len = usize::try_from(self.number()?).ok()?;
        let (text, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_up_to_the_last_byte_and_no_further() {
        for (bytes, number) in [
            (&[0][..], 0),
            (&[240], 240),
            (&[241, 0], 240),
            (&[248, 255], 2287),
            (&[249, 0, 0], 2288),
            (&[249, 255, 255], 67_823),
            (&[250, 0xf0, 8, 1], 67_824),
            (&[251, 0, 0, 0, 1], 1 << 24),
            (&[255, 255, 255, 255, 255, 255, 255, 255, 255], u64::MAX),
        ] {
            assert_eq!(LogBytes::new(bytes).number(), Some(number), "{bytes:?}");
            assert_eq!(LogBytes::new(&bytes[..bytes.len() - 1]).number(), None, "{bytes:?}");
        }
    }

    #[test]
    fn a_text_that_says_it_is_longer_than_the_rest_is_none() {
        assert_eq!(LogBytes::new(&[2, b'a', b'b', b'c']).text(), Some(&b"ab"[..]));
        assert_eq!(LogBytes::new(&[3, b'a', b'b']).text(), None);
        assert_eq!(LogBytes::new(&[255; 9]).text(), None);
    }
}
