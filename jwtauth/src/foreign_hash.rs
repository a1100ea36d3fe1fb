//! Hashes that other programs have made: PBKDF2, scrypt and bcrypt, as Django and others write them (feature
//! `import`). Each is checked until its owner has logged in once, and is an Argon2 hash after that.
//!
//! | form | who writes it |
//! |---|---|
//! | `pbkdf2_sha256$ROUNDS$SALT$HASH`, `pbkdf2_sha1$..` | Django |
//! | `scrypt$N$SALT$R$P$HASH` | Django |
//! | `bcrypt_sha256$$2b$..`, `bcrypt$$2b$..` | Django |
//! | `argon2$argon2id$..` | Django: a PHC string behind its name |
//! | `$2a$..`, `$2b$..`, `$2y$..` | bcrypt everywhere else |
//! | `$pbkdf2-sha256$i=ROUNDS,l=..$SALT$HASH`, `$pbkdf2-sha512$..` | the PHC form |
//! | `$pbkdf2-sha256$ROUNDS$SALT$HASH`, `$pbkdf2-sha512$..` | passlib |
//! | `$scrypt$ln=..,r=..,p=..$SALT$HASH` | the PHC form, passlib |
//!
//! # Invariants
//!
//! 1. A hash that is taken can be checked in bounded time and memory, and is whole.
//! 2. Hashes are compared in constant time, as Argon2's type for them does it.

use argon2::password_hash::phc::Output;
use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha512};
use zeroize::Zeroizing;

/// With or without padding: Django writes it, the PHC form has none.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The least that RFC 8018, section 4.2, takes for enough.
const MIN_ROUNDS: u32 = 1_000;

/// The least `N` of scrypt, as a power of two: 1,024.
const MIN_SCRYPT_LOG_N: u32 = 10;

/// More than any program uses today, and about ten seconds.
const MAX_ROUNDS: u32 = 20_000_000;

/// 2 to this power rounds of bcrypt: about five seconds.
const MAX_BCRYPT_COST: u32 = 16;

/// The memory that scrypt may take, in KiB: what OWASP recommends.
const MAX_SCRYPT_KIB: u64 = 128 * 1024;

/// The lanes of scrypt, which are computed one after the other.
const MAX_LANES: u32 = 16;

/// A hash that another program has made.
#[derive(Debug)]
pub(crate) enum ForeignHash {
    Pbkdf2 {
        digest: Digest,
        rounds: u32,
        salt: Vec<u8>,
        hash: Output,
    },
    Scrypt {
        params: scrypt::Params,
        kib: u64,
        salt: Vec<u8>,
        hash: Output,
    },
    /// As bcrypt writes it. `of_sha256`: of the SHA-256 of the password, in hexadecimal digits.
    Bcrypt {
        hash: String,
        of_sha256: bool,
    },
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Digest {
    Sha1,
    Sha256,
    Sha512,
}

impl ForeignHash {
    /// Reads a hash. The error says what is wrong with it, and has no part of it.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let parts: Vec<&str> = text.split('$').collect();
        match parts[..] {
            ["pbkdf2_sha1", rounds, salt, hash] => pbkdf2(Digest::Sha1, number(rounds)?, salt.into(), hash),
            ["pbkdf2_sha256", rounds, salt, hash] => {
                pbkdf2(Digest::Sha256, number(rounds)?, salt.into(), hash)
            }
            ["", "pbkdf2-sha256", of, salt, hash] => pbkdf2(Digest::Sha256, rounds(of)?, bytes(salt)?, hash),
            ["", "pbkdf2-sha512", of, salt, hash] => pbkdf2(Digest::Sha512, rounds(of)?, bytes(salt)?, hash),
            ["scrypt", n, salt, r, p, hash] => {
                let n = number(n)?;
                if !n.is_power_of_two() {
                    return Err("its N is no power of two");
                }
                scrypt(n.ilog2(), number(r)?, number(p)?, salt.into(), hash)
            }
            ["", "scrypt", of, salt, hash] => {
                let of = |name| setting(of, name);
                scrypt(of("ln")?, of("r")?, of("p")?, bytes(salt)?, hash)
            }
            ["bcrypt_sha256", "", "2a" | "2b" | "2y", cost, _] => {
                bcrypt(cost, &text["bcrypt_sha256$".len()..], true)
            }
            ["bcrypt", "", "2a" | "2b" | "2y", cost, _] => bcrypt(cost, &text["bcrypt$".len()..], false),
            ["", "2a" | "2b" | "2y", cost, _] => bcrypt(cost, text, false),
            ["md5" | "unsalted_md5" | "unsalted_sha1" | "crypt" | "sha1", ..] | ["", "1" | "5" | "6", ..] => {
                Err("it is of a kind that is too weak: let its owner choose a new password")
            }
            _ => Err("it is in no known form: PBKDF2, scrypt, bcrypt and Argon2 are, of Django or PHC"),
        }
    }

    /// Returns how much memory it takes to check a password, in KiB. What is less than a few is none.
    pub(crate) fn kib(&self) -> usize {
        match self {
            Self::Scrypt { kib, .. } => usize::try_from(*kib).unwrap_or(usize::MAX),
            Self::Pbkdf2 { .. } | Self::Bcrypt { .. } => 0,
        }
    }

    /// Tells whether this is the hash of a password.
    pub(crate) fn is_of(&self, password: &[u8]) -> bool {
        let mut computed = Zeroizing::new([0; Output::MAX_LENGTH]);
        match self {
            Self::Pbkdf2 { digest, rounds, salt, hash } => {
                let of = match digest {
                    Digest::Sha1 => pbkdf2::pbkdf2_hmac::<Sha1>,
                    Digest::Sha256 => pbkdf2::pbkdf2_hmac::<Sha256>,
                    Digest::Sha512 => pbkdf2::pbkdf2_hmac::<Sha512>,
                };
                let computed = &mut computed[..hash.len()];
                of(password, salt, *rounds, computed);
                Output::new(computed).is_ok_and(|computed| computed == *hash)
            }
            Self::Scrypt { params, salt, hash, .. } => {
                let computed = &mut computed[..hash.len()];
                scrypt::scrypt(password, salt, params, computed).is_ok()
                    && Output::new(computed).is_ok_and(|computed| computed == *hash)
            }
            Self::Bcrypt { hash, of_sha256: false } => bcrypt::verify(password, hash).unwrap_or(false),
            Self::Bcrypt { hash, of_sha256: true } => {
                let digest = Zeroizing::new(<[u8; 32]>::from(Sha256::digest(password)));
                let digits = Zeroizing::new(hexadecimal(&*digest));
                bcrypt::verify(digits.as_bytes(), hash).unwrap_or(false)
            }
        }
    }
}

const NO_NUMBER: &str = "a number in it is none, or too large";

fn number(text: &str) -> Result<u32, &'static str> {
    text.parse().map_err(|_| NO_NUMBER)
}

/// Reads one of settings like `ln=14,r=8,p=1`.
fn setting(settings: &str, name: &str) -> Result<u32, &'static str> {
    let mut all = settings.split(',').filter_map(|setting| setting.split_once('='));
    number(all.find(|(of, _)| *of == name).ok_or("a setting is missing in it")?.1)
}

/// Reads the number of rounds: `i=29000,l=32` in the PHC form, `29000` of passlib.
fn rounds(settings: &str) -> Result<u32, &'static str> {
    if settings.contains('=') { setting(settings, "i") } else { number(settings) }
}

fn bytes(text: &str) -> Result<Vec<u8>, &'static str> {
    // passlib writes a dot for the plus.
    BASE64.decode(text.replace('.', "+")).map_err(|_| "its salt or hash is not in base64")
}

/// Reads a hash of one of these lengths, in bytes: a column that was too short may have cut it.
fn output(text: &str, lens: &[usize]) -> Result<Output, &'static str> {
    let output = Output::new(&bytes(text)?).ok().filter(|output| lens.contains(&output.len()));
    output.ok_or("it is longer or shorter than such a hash is: it may have been cut")
}

fn pbkdf2(digest: Digest, rounds: u32, salt: Vec<u8>, hash: &str) -> Result<ForeignHash, &'static str> {
    if !(MIN_ROUNDS..=MAX_ROUNDS).contains(&rounds) {
        return Err("it has fewer than 1,000 rounds, which is too weak, or more than 20,000,000");
    }
    has_salt(&salt)?;
    let len = match digest {
        Digest::Sha1 => 20,
        Digest::Sha256 => 32,
        Digest::Sha512 => 64,
    };
    Ok(ForeignHash::Pbkdf2 { digest, rounds, salt, hash: output(hash, &[len])? })
}

fn scrypt(log_n: u32, r: u32, p: u32, salt: Vec<u8>, hash: &str) -> Result<ForeignHash, &'static str> {
    if log_n < MIN_SCRYPT_LOG_N {
        return Err("its N is below 1,024, which is too weak");
    }
    has_salt(&salt)?;
    let kib = 1_u64.checked_shl(log_n).unwrap_or(u64::MAX).saturating_mul(r.into()) / 8;
    let log_n = u8::try_from(log_n).unwrap_or(u8::MAX);
    match scrypt::Params::new(log_n, r, p) {
        Ok(params) if kib <= MAX_SCRYPT_KIB && p <= MAX_LANES => {
            Ok(ForeignHash::Scrypt { params, kib, salt, hash: output(hash, &[32, 64])? })
        }
        Ok(_) => Err("it needs more than 128 MiB of memory, or has more than 16 lanes"),
        Err(_) => Err("its settings are none of scrypt"),
    }
}

/// Without a salt, equal passwords have equal hashes.
const fn has_salt(salt: &[u8]) -> Result<(), &'static str> {
    if salt.is_empty() { Err("it has no salt, which is too weak") } else { Ok(()) }
}

fn bcrypt(cost: &str, hash: &str, of_sha256: bool) -> Result<ForeignHash, &'static str> {
    if !(4..=MAX_BCRYPT_COST).contains(&number(cost)?) {
        return Err("its cost is not between 4 and 16");
    }
    if hash.parse::<bcrypt::HashParts>().is_err() {
        return Err("it is no hash of bcrypt: a part of it is missing");
    }
    Ok(ForeignHash::Bcrypt { hash: hash.into(), of_sha256 })
}

fn hexadecimal(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut digits, byte| {
        // OK because writing to a string cannot fail.
        let _ = write!(digits, "{byte:02x}");
        digits
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWORD: &str = "correct hörse battery";

    /// Made by Django 5.2, passlib 1.7 and bcrypt 4 of Python.
    const GOOD: [&str; 10] = [
        "pbkdf2_sha256$1000$seasalt2seasalt2$G+SvyRwHDBjfgRMmSd0gjfnKCb38ZA19lwAJCgHaNQE=",
        "pbkdf2_sha1$1000$seasalt2seasalt2$nHEsN9+M/BxtGKRK+5K+1Nx4yI4=",
        "scrypt$1024$seasalt2seasalt2$8$5$QJoi+qxn8xmQWm4vRaB2Uxn9NrE3r4qfu+MhMPYMt5365McZyV2z531tvalybeZ6yBskXfIwl+UJ4ets41GO7A==",
        "bcrypt_sha256$$2b$04$abcdefghijklmnopqrstuuMOf7e1dLJ//Adx1/1Pyllb0elCPR6sa",
        "bcrypt$$2b$04$abcdefghijklmnopqrstuuggvDF5/Fs0xARLwV.PWjAL8GNew2.p2",
        "$2b$04$abcdefghijklmnopqrstuuggvDF5/Fs0xARLwV.PWjAL8GNew2.p2",
        "$2y$04$abcdefghijklmnopqrstuuggvDF5/Fs0xARLwV.PWjAL8GNew2.p2",
        "$pbkdf2-sha256$1000$TYlxjlEqhXCuFYJwrjWmNA$X26K75o8xwucacctJvZ3V3Bqbk5Kxl5Bl5NIf/dsUEk",
        "$pbkdf2-sha512$1000$.987B8C4lxLiXAvhnNOasw$f2KrBsiNNgDxw1Vyva3PMkWrtWheIDP5DdHbZHiWTwKYPryRKygOGo7OLB8MYsHaJwXQhJZVBBGmsO9FYlOM2A",
        "$scrypt$ln=10,r=8,p=1$Q2gthbCWMsaY0xrjPKcUIg$8xhZNH+D/P3qvP/qKblJtk9yVHzoncfMJ6LsaRCYlf0",
    ];

    #[test]
    fn m_20_hashes_of_other_programs_match_their_password_only() {
        let phc = GOOD[7].replace("$1000$", "$i=1000,l=32$");
        for hash in GOOD.into_iter().chain([&*phc]) {
            let read = ForeignHash::parse(hash).unwrap_or_else(|problem| panic!("{hash}: {problem}"));
            assert!(read.is_of(PASSWORD.as_bytes()), "{hash}");
            for wrong in ["", "correct horse battery", "correct hörse batter", "correct hörse battery "] {
                assert!(!read.is_of(wrong.as_bytes()), "{hash} {wrong:?}");
            }
            assert!(read.kib() <= 1_024, "{hash}");
        }
    }

    /// Each that is cut, at any place, is refused or matches nothing.
    #[test]
    fn m_20_a_hash_that_is_cut_lets_nobody_in() {
        for hash in GOOD {
            // Padding is no part of it.
            for end in 0..hash.trim_end_matches('=').len() {
                if let Ok(read) = ForeignHash::parse(&hash[..end]) {
                    assert!(!read.is_of(PASSWORD.as_bytes()), "{}", &hash[..end]);
                }
            }
        }
    }

    #[test]
    fn m_20_what_costs_too_much_or_is_too_weak_is_refused() {
        let hash = "G+SvyRwHDBjfgRMmSd0gjfnKCb38ZA19lwAJCgHaNQE=";
        for (bad, said) in [
            (format!("pbkdf2_sha256$20000001$salt${hash}"), "rounds"),
            (format!("pbkdf2_sha256$0$salt${hash}"), "rounds"),
            (format!("pbkdf2_sha256$999$salt${hash}"), "too weak"),
            (format!("pbkdf2_sha1$1$salt${hash}"), "too weak"),
            (format!("pbkdf2_sha256$1000$${hash}"), "salt"),
            (format!("$pbkdf2-sha512$i=999$c2FsdA${hash}"), "too weak"),
            (format!("scrypt$512$salt$8$1${hash}"), "too weak"),
            (format!("scrypt$1024$$8$1${hash}"), "salt"),
            (format!("$scrypt$ln=9,r=8,p=1$c2FsdA${hash}"), "too weak"),
            (format!("pbkdf2_sha256$99999999999$salt${hash}"), "too large"),
            (format!("pbkdf2_sha256$-1$salt${hash}"), "number"),
            ("pbkdf2_sha256$1000$salt$AAAA".into(), "cut"),
            (format!("pbkdf2_sha256$1000$salt${}", &GOOD[1][34..]), "cut"),
            (format!("pbkdf2_sha256$1000$salt${}", "A".repeat(100)), "cut"),
            (format!("scrypt$262144$salt$8$1${hash}"), "128 MiB"),
            (format!("scrypt$1000$salt$8$1${hash}"), "power of two"),
            (format!("scrypt$0$salt$8$1${hash}"), "power of two"),
            (format!("scrypt$2147483648$salt$4294967295$1${hash}"), "scrypt"),
            (format!("$scrypt$ln=99,r=8,p=1$c2FsdA${hash}"), "scrypt"),
            (format!("$scrypt$ln=10,r=0,p=1$c2FsdA${hash}"), "scrypt"),
            (format!("$scrypt$ln=10,r=8,p=17$c2FsdA${hash}"), "lanes"),
            (format!("$scrypt$ln=10,r=8$c2FsdA${hash}"), "missing"),
            (format!("$pbkdf2-sha256$l=32$c2FsdA${hash}"), "missing"),
            (format!("$pbkdf2-sha256$1000$not base64!${hash}"), "base64"),
            (GOOD[5].replace("$04$", "$17$"), "cost"),
            (GOOD[5].replace("$04$", "$03$"), "cost"),
            ("$2b$04$short".into(), "bcrypt"),
            ("md5$tzq58HzkqnmlYA3t2Iw2v8$e7bf9fcebb772443b8c4b817e1d2ae92".into(), "too weak"),
            ("!EMYqeUYzsHsk5BnZOq7QFj5XocCeYEo6pVf20lTl".into(), "no known form"),
            ("".into(), "no known form"),
            ("wonderland".into(), "no known form"),
        ] {
            let problem = ForeignHash::parse(&bad).map(|_| ()).expect_err(&bad);
            assert!(problem.contains(said), "{bad}: {problem}");
        }
    }
}
