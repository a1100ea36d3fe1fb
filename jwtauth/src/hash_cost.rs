//! What it may cost to check a password against a hash, whoever has made it (feature `accounts`).
//!
//! A hash says itself how long it takes. One that takes hours would hold a hasher for as long, with the first
//! login that somebody tries. So what is above these bounds is not taken in, and never checked.

use argon2::password_hash::phc::PasswordHash as Phc;
use argon2::{Algorithm, Params, Version};

#[cfg(feature = "import")]
use crate::foreign_hash::ForeignHash;

/// The most that settings allow too: memory in KiB, passes and lanes of Argon2.
const MAX_KIB: u32 = 1024 * 1024;
const MAX_PASSES: u32 = 16;
const MAX_LANES: u32 = 16;

/// What hashes of other programs begin with. Others that are no Argon2 are none that anybody computes.
#[cfg(feature = "import")]
const FOREIGN: [&str; 6] = ["pbkdf2", "$pbkdf2", "scrypt$", "$scrypt$", "bcrypt", "$2"];

/// Returns the parameters of a hash of Argon2 that is whole; `None` if it is none. The error says that it
/// costs too much.
pub(crate) fn argon2_params(text: &str) -> Result<Option<Params>, &'static str> {
    let params = Phc::new(text).ok().and_then(|hash| {
        Algorithm::try_from(hash.algorithm.as_str()).ok()?;
        version_of(&hash)?;
        let is_whole = hash.salt.is_some() && hash.hash.is_some();
        Params::try_from(&hash).ok().filter(|_| is_whole)
    });
    match params {
        Some(params)
            if params.m_cost() > MAX_KIB || params.t_cost() > MAX_PASSES || params.p_cost() > MAX_LANES =>
        {
            Err("it needs more than 1 GiB of memory, 16 passes or 16 lanes of Argon2")
        }
        params => Ok(params),
    }
}

/// Returns the version of Argon2. A hash that names none is older than the second version (PHC string format;
/// `decode_string` of the reference).
pub(crate) fn version_of(hash: &Phc) -> Option<Version> {
    hash.version.map_or(Ok(Version::V0x10), Version::try_from).ok()
}

/// Says why a hash that was kept elsewhere is not taken in: nobody would check it.
pub(crate) fn refusal(text: &str) -> Option<&'static str> {
    #[cfg(feature = "import")]
    if FOREIGN.iter().any(|start| text.starts_with(start)) {
        return ForeignHash::parse(text).err();
    }
    argon2_params(text).err()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// M-20: with one pass for each microsecond of an hour, two logins would stop all others.
    #[test]
    fn m_20_a_hash_that_takes_hours_is_refused_and_a_weak_one_is_not() {
        let argon2 = |of: &str| format!("$argon2id$v=19${of}$c29tZXNhbHRzb21lc2FsdA$MTIzNDU2Nzg5MDEyMzQ1Ng");
        for (of, is_taken) in [
            ("m=8,t=1,p=1", true),
            ("m=1048576,t=16,p=16", true),
            ("m=1048577,t=1,p=1", false),
            ("m=8,t=17,p=1", false),
            ("m=136,t=1,p=17", false),
            ("m=8,t=4294967295,p=1", false),
        ] {
            assert_eq!(refusal(&argon2(of)).is_none(), is_taken, "{of}");
        }
        // Of an account that no password fits.
        for none in ["", "lost", "!unusable", "$argon2id$cut"] {
            assert_eq!(refusal(none), None, "{none}");
        }
        let foreign = [
            "$2b$31$abcdefghijklmnopqrstuuggvDF5/Fs0xARLwV.PWjAL8GNew2.p2",
            "pbkdf2_sha256$4000000000$seasalt2seasalt2$G+SvyRwHDBjfgRMmSd0gjfnKCb38ZA19lwAJCgHaNQE=",
            "$pbkdf2-sha512$i=4000000000$c2FsdA$AAAA",
            "scrypt$1099511627776$seasalt2$8$5$AAAA",
            "$scrypt$ln=40,r=8,p=1$Q2gthbCWMsaY0xrjPKcUIg$8xhZNH+D/P3qvP/qKblJtk9yVHzoncfMJ6LsaRCYlf0",
        ];
        for hash in foreign {
            assert_eq!(refusal(hash).is_some(), cfg!(feature = "import"), "{hash}");
        }
    }
}
