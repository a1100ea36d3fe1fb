//! Finds the one bit that is wrong, from a checksum that does not fit.
//!
//! A CRC-32 is linear: which bit was flipped decides by what the sum is off, and up to 500 MB no two bits do
//! it alike. Damage of another kind looks like one flipped bit by chance only: once in 130,000 for a message
//! of 4 kB. Our own records have checksums of their own, so even then none is believed.

use super::log_message::{LogMessage, MAX_COST};

/// A header is not longer.
const HEADER: usize = 4 + 1 + 3 * 9;

/// By what a sum changes with each byte (the reflected polynomial of CRC-32, as in gzip).
const TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut sum = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            sum = if sum & 1 == 1 { (sum >> 1) ^ 0xedb8_8320 } else { sum >> 1 };
            bit += 1;
        }
        table[byte] = sum;
        byte += 1;
    }
    table
};

/// A bit, by the byte that it is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BitPlace {
    pub(super) at: usize,
    pub(super) mask: u8,
}

/// Returns the bit among `len` bytes whose flip makes a sum be off by `off`, if there is one. `behind` is how
/// many bytes were summed up after them.
pub(super) fn flipped(off: u32, len: usize, behind: usize) -> Option<BitPlace> {
    let mut by_bit: [u32; 8] = std::array::from_fn(|bit| TABLE[1 << bit]);
    for from_end in 0..behind + len {
        if from_end >= behind
            && let Some(bit) = by_bit.iter().position(|change| *change == off)
        {
            return Some(BitPlace { at: behind + len - 1 - from_end, mask: 1 << bit });
        }
        for change in &mut by_bit {
            *change = TABLE[(*change & 0xff) as usize] ^ (*change >> 8);
        }
    }
    None
}

/// Finds the flipped bit of the message that begins at a place in a segment. The segment is as it was when
/// this returns. `cost` grows by the bytes that were looked at, and ends the search when it is too much.
pub(super) fn of_message(segment: &mut [u8], at: usize, cost: &mut usize) -> Option<BitPlace> {
    let end = segment.len().min(at + HEADER);
    // The header, its sum included: it says how long the message is, so each bit is tried.
    for place in at..end {
        for bit in 0..8 {
            if *cost > MAX_COST {
                return None;
            }
            let mask = 1 << bit;
            segment[place] ^= mask;
            let is_whole = LogMessage::at(segment, at, cost).is_some();
            segment[place] ^= mask;
            if is_whole {
                return Some(BitPlace { at: place, mask });
            }
        }
    }
    let (off, body) = LogMessage::off_by(segment, at)?;
    *cost += 8 * body.len();
    let head = body.start - at - 4;
    // The header was summed up behind the body.
    let found = flipped(off, body.len(), head)?;
    Some(BitPlace { at: body.start + found.at, ..found })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_flipped_bit_is_found_and_two_are_not_taken_for_one() {
        let bytes: Vec<u8> = (0..200_u8).map(|number| number.wrapping_mul(37)).collect();
        let sum = crc32fast::hash(&bytes);
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut damaged = bytes.clone();
                damaged[at] ^= 1 << bit;
                let off = crc32fast::hash(&damaged) ^ sum;
                for behind in [0, bytes.len() - 1 - at] {
                    let found = flipped(off, bytes.len() - behind, behind);
                    assert_eq!(found, Some(BitPlace { at, mask: 1 << bit }), "{at} {bit} {behind}");
                }
                damaged[(at + 50) % bytes.len()] ^= 4;
                assert_eq!(flipped(crc32fast::hash(&damaged) ^ sum, bytes.len(), 0), None);
            }
        }
        assert_eq!(flipped(0, bytes.len(), 0), None, "nothing is wrong");
    }
}
