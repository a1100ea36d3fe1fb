//! How long a file is that counts changes, and whether one that is named as the rollback counter may be such
//! a file, or is somebody's.

use std::fs;
use std::io;

use super::super::sled_config::SledConfig;
use super::refused;
use crate::error::StoreError;

/// `changes (8) ‖ accounts (8) ‖ identity of the store (8) ‖ CRC-32 of all (4)`, little endian. Earlier
/// layouts have fewer numbers in front of the checksum.
pub(super) const LENGTHS: [usize; 3] = [12, 20, LEN];
pub(super) const LEN: usize = 28;

/// No counter has been as long as this, in bytes. A damaged one may have another length.
const MAX_COUNTER: u64 = 64;

/// Where the bytes of a number of changes begin that are zero in every counter: there are not so many.
const HIGH: usize = 5;

/// Tells whether a file may be a counter that is damaged or was cut, and not somebody's: it is as long as one
/// at most, and no text. A power cut may leave zeros, of any length.
fn may_be_counter(bytes: &[u8]) -> bool {
    let (start, rest) = bytes.split_at(bytes.len().min(LEN));
    let is_text = std::str::from_utf8(start).is_ok_and(|text| !text.contains(is_no_text));
    let is_cut = || start.iter().skip(HIGH).take(8 - HIGH).all(|byte| *byte == 0);
    let has_length = LENGTHS.contains(&start.len()) || is_cut();
    bytes.is_empty() || (!is_text && has_length && rest.iter().all(|byte| *byte == 0))
}

/// Texts have no such character.
const fn is_no_text(c: char) -> bool {
    c.is_ascii_control() && !matches!(c, '\t' | '\n' | '\r')
}

/// Refuses a rollback counter that is somebody's file, before anything is done: a number would take its
/// place.
pub(in crate::store::sled) fn check_counter(config: &SledConfig) -> Result<(), StoreError> {
    let Some(path) = &config.rollback_counter else { return Ok(()) };
    let is_none = match fs::metadata(path) {
        Ok(found) if !found.is_file() || found.len() > MAX_COUNTER => true,
        // What cannot be read is said where it is needed.
        Ok(_) => fs::read(path).is_ok_and(|bytes| !may_be_counter(&bytes)),
        Err(_) => false,
    };
    if is_none {
        let action = "use this as the rollback counter: it is none. Name the file that the server passes to `rollback_counter`, or remove a damaged one";
        return Err(refused(path, action, io::ErrorKind::InvalidData.into()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn somebodys_file_is_no_counter_and_a_damaged_one_may_be() {
        let whole =
            [&1_234_567_u64.to_le_bytes()[..], &41_u64.to_le_bytes(), &[0x9d, 0x3c, 0xa1, 0x77]].concat();
        let newest = [&whole[..16], &[0xa7; 8], &whole[16..]].concat();
        for mine in [&[][..], &[0; 20], &[0; 64], &[7; 20], &[1; 12], &[5, 0, 0], &whole, &newest] {
            assert!(may_be_counter(mine), "{mine:?}");
        }
        for len in 0..whole.len() {
            assert!(may_be_counter(&whole[..len]), "cut to {len}");
            let flipped: Vec<u8> =
                whole.iter().enumerate().map(|(at, byte)| byte ^ u8::from(at == len)).collect();
            assert!(may_be_counter(&flipped), "{len}");
        }
        for others in ["x", "a note\n", "exactly 12 by", "exactly 12 b", "and exactly 20 bytes", "größer\r\n"]
        {
            assert!(!may_be_counter(others.as_bytes()), "{others:?}");
        }
        // Keys of 16, 32 and 64 bytes.
        for others in [&[0xa5; 16][..], &[0x81; 32], &[0xff; 64]] {
            assert!(!may_be_counter(others), "{others:?}");
        }
    }
}
