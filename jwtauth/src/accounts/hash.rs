//! Hashes of passwords, and the memory that they are made in. What one may cost is in `hash_cost`.
//!
//! # Invariants
//!
//! 1. A hash is made in memory that the caller keeps. It is overwritten after each use.
//! 2. Each check costs one hash, even if no account has the name (S-16).
//! 3. A check takes the parameters in the hash, not the current ones.

use argon2::password_hash::phc::{Output, Salt};
use argon2::{ARGON2ID_IDENT, Algorithm, Argon2, Block, Params, PasswordHash as Phc, Version};
use zeroize::Zeroize as _;

use super::AccountsConfig;
use super::password::Password;
use crate::error::{AccountError, RandomError};
#[cfg(feature = "import")]
use crate::foreign_hash::ForeignHash;
use crate::hash_cost::{argon2_params, version_of};
use crate::secret;
use crate::store::PasswordHash;

const SALT_LEN: usize = 16;
const HASH_LEN: usize = 32;

/// The most memory that a hash of another program may need, if it comes as an account, in KiB.
const MAX_ADOPTED_KIB: u32 = 256 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Checked {
    pub(super) matches: bool,
    /// The hash was made with other parameters than are used now.
    pub(super) stale: bool,
}

/// The memory that a hash takes, in KiB.
#[derive(Clone, Copy, Debug)]
pub(super) struct HashNeed {
    /// What Argon2 is given.
    pub(super) blocks: usize,
    /// All of it.
    pub(super) kib: usize,
    /// Whether the hash was made with other parameters, or by another program.
    pub(super) is_foreign: bool,
}

impl HashNeed {
    /// A hash by Argon2, as it is made here.
    pub(super) const fn of(blocks: usize) -> Self {
        Self { blocks, kib: blocks, is_foreign: false }
    }
}

/// Memory that hashes are made in, one after the other.
pub(super) struct HashMemory(Vec<Block>);

impl HashMemory {
    /// Allocates so many blocks of 1 KiB.
    pub(super) fn new(blocks: usize) -> Result<Self, AccountError> {
        let mut memory = Vec::new();
        memory.try_reserve_exact(blocks).map_err(|_| failed("there is too little memory"))?;
        memory.resize(blocks, Block::new());
        Ok(Self(memory))
    }

    pub(super) fn blocks(&self) -> usize {
        self.0.len()
    }

    /// Computes a hash, and leaves nothing of it behind.
    fn compute(
        &mut self,
        argon2: &Argon2<'_>,
        password: &[u8],
        salt: &[u8],
        hash: &mut [u8],
    ) -> Result<(), AccountError> {
        let blocks = argon2.params().block_count();
        let memory = self.0.get_mut(..blocks).ok_or_else(|| failed("it was given too little memory"))?;
        let computed = argon2.hash_password_into_with_memory(password, salt, hash, &mut *memory);
        memory.iter_mut().for_each(|block| block.zeroize());
        computed.map_err(|error| failed(&error.to_string()))
    }
}

/// The current parameters of hashes.
#[derive(Debug)]
pub(super) struct HashMethod {
    params: Params,
    /// The hash that is checked for unknown names.
    nobody: PasswordHash,
}

impl HashMethod {
    pub(super) fn new(config: &AccountsConfig) -> Result<Self, RandomError> {
        // OK because `AccountsConfig::check` has refused other values.
        let params = Params::new(config.memory, config.passes, config.lanes, Some(HASH_LEN))
            .expect("the bounds of the settings are within those of Argon2");
        // A hash that belongs to no password costs as much to compare with as any other.
        let (salt, hash) = (base64(&secret::random::<SALT_LEN>()?), base64(&secret::random::<HASH_LEN>()?));
        let (memory, passes, lanes) = (config.memory, config.passes, config.lanes);
        let nobody = format!("$argon2id$v=19$m={memory},t={passes},p={lanes}${salt}${hash}");
        Ok(Self { params, nobody: PasswordHash::from_phc(nobody) })
    }

    /// Returns how many blocks of memory a new hash takes.
    pub(super) fn blocks(&self) -> usize {
        self.params.block_count()
    }

    /// Returns what it takes to check a password against a hash.
    pub(super) fn need_of(&self, hash: Option<&PasswordHash>) -> Result<HashNeed, AccountError> {
        #[cfg(feature = "import")]
        if let Some(foreign) = hash.and_then(|hash| ForeignHash::parse(hash.as_phc()).ok()) {
            // It has memory of its own beside that of the hasher.
            let blocks = self.blocks();
            return Ok(HashNeed { blocks, kib: blocks + foreign.kib(), is_foreign: true });
        }
        let is_foreign = hash.is_some_and(|hash| self.is_stale_text(hash.as_phc()));
        self.blocks_of(hash).map(|blocks| HashNeed { is_foreign, ..HashNeed::of(blocks) })
    }

    /// Returns how many blocks it takes to check a password against a hash of Argon2.
    fn blocks_of(&self, hash: Option<&PasswordHash>) -> Result<usize, AccountError> {
        let params = hash.map_or(Ok(None), |hash| argon2_params(hash.as_phc()));
        let params = params.map_err(|problem| {
            failed(&format!("the hash of an account is not checked: {problem}. Set its password again"))
        })?;
        Ok(params.map_or(self.blocks(), |params| params.block_count()))
    }

    pub(super) fn hash(
        &self,
        password: &Password,
        memory: &mut HashMemory,
    ) -> Result<PasswordHash, AccountError> {
        self.hash_of(password.as_bytes(), memory)
    }

    fn hash_of(&self, password: &[u8], memory: &mut HashMemory) -> Result<PasswordHash, AccountError> {
        let salt = secret::random::<SALT_LEN>()?;
        let mut hash = [0; HASH_LEN];
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, self.params.clone());
        memory.compute(&argon2, password, &salt, &mut hash)?;
        let (m, t, p) = (self.params.m_cost(), self.params.t_cost(), self.params.p_cost());
        let (salt, hash) = (base64(&salt), base64(&hash));
        Ok(PasswordHash::from_phc(format!("$argon2id$v=19$m={m},t={t},p={p}${salt}${hash}")))
    }

    /// Checks a password against a hash, or against that of nobody, which takes as long.
    pub(super) fn check(
        &self,
        password: &Password,
        hash: Option<&PasswordHash>,
        memory: &mut HashMemory,
    ) -> Result<Checked, AccountError> {
        #[cfg(feature = "import")]
        if let Some(foreign) = hash.and_then(|hash| ForeignHash::parse(hash.as_phc()).ok()) {
            let typed = password.as_typed().unwrap_or(password.as_bytes());
            return Ok(Checked { matches: foreign.is_of(typed), stale: true });
        }
        let found = hash.and_then(|hash| Phc::new(hash.as_phc()).ok());
        if hash.is_some() && found.is_none() {
            tracing::error!(target: "jwtauth", "the hash of an account is malformed: set its password again");
        }
        let is_somebody = found.is_some();
        let Some(hash) = found.or_else(|| Phc::new(self.nobody.as_phc()).ok()) else {
            return Err(failed("the hash of nobody is malformed"));
        };
        let mut is_of = |password: &[u8]| matches(password, &hash, memory).unwrap_or(false);
        if is_of(password.as_bytes()) {
            return Ok(Checked { matches: is_somebody, stale: self.is_stale(&hash) });
        }
        // The hash of another program, which does not normalise. It costs nobody's hash the same.
        let matches = password.as_typed().is_some_and(is_of);
        Ok(Checked { matches: matches && is_somebody, stale: matches || self.is_stale(&hash) })
    }

    /// Returns a hash of no password that asks for so much memory, in KiB.
    #[cfg(test)]
    pub(super) fn nobody_with_memory(&self, memory: u32) -> PasswordHash {
        let own = format!("m={}", self.params.m_cost());
        PasswordHash::from_phc(self.nobody.as_phc().replace(&own, &format!("m={memory}")))
    }

    /// Takes the hash of another program, or tells what is wrong with it.
    pub(super) fn adopt(&self, text: &str) -> Result<PasswordHash, AccountError> {
        // Django writes a PHC string behind the name of the method.
        let text = text.strip_prefix("argon2").filter(|rest| rest.starts_with("$argon2")).unwrap_or(text);
        let hash = PasswordHash::from_phc(text.into());
        match argon2_params(text) {
            Ok(Some(params)) if params.m_cost() <= MAX_ADOPTED_KIB => return Ok(hash),
            Ok(None) => {}
            Ok(Some(_)) | Err(_) => {
                return Err(failed("the hash needs more than 256 MiB of memory, 16 passes or 16 lanes"));
            }
        }
        #[cfg(feature = "import")]
        return ForeignHash::parse(text)
            .map(|_| hash)
            .map_err(|problem| failed(&format!("the hash is refused: {problem}")));
        #[cfg(not(feature = "import"))]
        Err(failed(
            "it is no whole hash of Argon2 in the PHC form: for bcrypt, PBKDF2 and scrypt switch on the feature `import`",
        ))
    }

    /// Returns a hash of no password.
    pub(super) fn of_nobody(&self) -> PasswordHash {
        self.nobody.clone()
    }

    /// Tells whether a hash was made with other parameters than these, or is none.
    pub(super) fn is_stale_text(&self, hash: &str) -> bool {
        Phc::new(hash).map_or(true, |hash| self.is_stale(&hash))
    }

    fn is_stale(&self, hash: &Phc) -> bool {
        let is_like = |found: Params| {
            found.m_cost() == self.params.m_cost()
                && found.t_cost() == self.params.t_cost()
                && found.p_cost() == self.params.p_cost()
        };
        hash.algorithm != ARGON2ID_IDENT
            || hash.version != Some(Version::V0x13.into())
            || hash.hash.is_none_or(|hash| hash.len() != HASH_LEN)
            || !Params::try_from(hash).is_ok_and(is_like)
    }
}

/// Compares in constant time. `None`: the hash has parts that are missing or unknown.
fn matches(password: &[u8], hash: &Phc, memory: &mut HashMemory) -> Option<bool> {
    let (salt, expected): (Salt, Output) = (hash.salt?, hash.hash?);
    let algorithm = Algorithm::try_from(hash.algorithm.as_str()).ok()?;
    let argon2 = Argon2::new(algorithm, version_of(hash)?, Params::try_from(hash).ok()?);
    let mut computed = [0; Output::MAX_LENGTH];
    let computed = computed.get_mut(..expected.len())?;
    memory.compute(&argon2, password, &salt, computed).ok()?;
    Some(Output::new(computed).ok()? == expected)
}

fn failed(problem: &str) -> AccountError {
    AccountError::Hashing { problem: problem.into() }
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One method with its memory.
    struct Bench(HashMethod, HashMemory);

    impl Bench {
        fn new(config: AccountsConfig) -> Self {
            let method = HashMethod::new(&config).unwrap();
            let memory = HashMemory::new(method.blocks()).unwrap();
            Self(method, memory)
        }

        fn hash(&mut self, text: &str) -> PasswordHash {
            self.0.hash(&password(text), &mut self.1).unwrap()
        }

        fn check(&mut self, text: &str, hash: Option<&PasswordHash>) -> Checked {
            let blocks = self.0.need_of(hash).unwrap().blocks;
            if blocks > self.1.blocks() {
                self.1 = HashMemory::new(blocks).unwrap();
            }
            let checked = self.0.check(&password(text), hash, &mut self.1).unwrap();
            assert!(self.1.0.iter().all(|block| block.as_ref().iter().all(|word| *word == 0)), "overwritten");
            checked
        }
    }

    fn password(text: &str) -> Password {
        Password::typed(text).unwrap()
    }

    /// S-16: Argon2id with OWASP's parameters, and every check costs one hash.
    #[test]
    fn s_16_a_hash_is_checked_and_nobody_costs_the_same() {
        let mut bench = Bench::new(AccountsConfig::default());
        let hash = bench.hash("correct horse");
        assert!(hash.as_phc().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", hash.as_phc());
        assert_eq!(hash.as_phc().len(), bench.0.nobody.as_phc().len());
        let other = bench.hash("correct horse");
        assert_ne!(hash, other, "a salt each");
        for (typed, hash, matches) in [
            ("correct horse", Some(&hash), true),
            ("correct\u{a0}horse", Some(&hash), true),
            ("correct hors", Some(&hash), false),
            ("", Some(&hash), false),
            ("correct horse", None, false),
        ] {
            assert_eq!(bench.check(typed, hash), Checked { matches, stale: false }, "{typed:?}");
        }
        assert!(!bench.check("x", Some(&PasswordHash::from_phc("broken".into()))).matches);
    }

    /// Accounts outlive releases: this hash was made by argon2 0.5.
    #[test]
    fn a_hash_of_an_earlier_release_matches_and_is_not_stale() {
        let hash = "$argon2id$v=19$m=19456,t=2,p=1$L6UCGWcIXlErHlTzjWCLWQ$ed5iOkQpuDM0QUMq55Wgghz8Ik1UrMcusaC2uyTeUGc";
        let mut bench = Bench::new(AccountsConfig::default());
        for (typed, matches) in [("builder", true), ("Builder", false)] {
            let checked = bench.check(typed, Some(&PasswordHash::from_phc(hash.into())));
            assert_eq!(checked, Checked { matches, stale: false }, "{typed:?}");
        }
    }

    /// M-20: other programs hash a password as it was typed. A hash of our own follows when it was right.
    #[test]
    fn m_20_a_hash_of_a_password_as_it_was_typed_matches_and_is_renewed() {
        let mut bench = Bench::new(AccountsConfig::default());
        for typed in [
            "correct\u{a0}horse",
            "correct\u{3000}horse",
            "cafe\u{301} au lait",
            "\u{1112}\u{1161}\u{11ab} horse",
        ] {
            let hash = bench.0.hash_of(typed.as_bytes(), &mut bench.1).unwrap();
            assert_eq!(bench.check(typed, Some(&hash)), Checked { matches: true, stale: true }, "{typed:?}");
            for wrong in ["correct hors\u{a0}", "correct horse", ""] {
                assert!(!bench.check(wrong, Some(&hash)).matches, "{typed:?} {wrong:?}");
            }
            let renewed = bench.hash(typed);
            assert_eq!(
                bench.check(typed, Some(&renewed)),
                Checked { matches: true, stale: false },
                "{typed:?}"
            );
        }
        assert!(!bench.check("correct\u{a0}horse", None).matches, "nobody has it");
    }

    /// M-20: a hash that was in the store already is bound by the same rule as one that comes in.
    #[test]
    fn m_20_a_hash_that_takes_hours_is_not_checked_and_a_weak_one_is_renewed() {
        let mut bench = Bench::new(AccountsConfig::default());
        let nobody = bench.0.of_nobody();
        for (cost, is_checked) in [("t=2,p=1", true), ("t=16,p=16", true), ("t=4294967295,p=1", false)] {
            let hash = PasswordHash::from_phc(nobody.as_phc().replace("t=2,p=1", cost));
            assert_eq!(bench.0.need_of(Some(&hash)).is_ok(), is_checked, "{cost}");
            assert_eq!(bench.0.adopt(hash.as_phc()).is_ok(), is_checked, "{cost}");
        }
        let weak = HashMethod { params: Params::new(8, 1, 1, Some(HASH_LEN)).unwrap(), nobody };
        let hash = weak.hash(&password("correct horse"), &mut bench.1).unwrap();
        assert!(hash.as_phc().contains("$m=8,t=1,p=1$"), "{}", hash.as_phc());
        let hash = bench.0.adopt(hash.as_phc()).unwrap();
        assert_eq!(bench.check("correct horse", Some(&hash)), Checked { matches: true, stale: true });
        assert_eq!(bench.check("correct hors", Some(&hash)), Checked { matches: false, stale: true });
    }

    #[test]
    fn other_parameters_are_noticed() {
        let hash = Bench::new(AccountsConfig::default()).hash("correct horse");
        for (memory, passes, lanes) in [(19_457, 2, 1), (19_456, 3, 1), (19_456, 2, 2)] {
            let mut bench = Bench::new(AccountsConfig::default().argon2(memory, passes, lanes));
            let checked = bench.check("correct horse", Some(&hash));
            assert_eq!(checked, Checked { matches: true, stale: true }, "{memory} {passes} {lanes}");
        }
        // Of other kinds, as another program may have made them.
        let short = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$MTIzNDU2Nzg5MDEyMzQ1Ng";
        let dependent = hash.as_phc().replace("argon2id", "argon2i");
        let old = hash.as_phc().replace("v=19", "v=16");
        for other in [short, &dependent, &old] {
            let method = HashMethod::new(&AccountsConfig::default()).unwrap();
            assert!(method.is_stale_text(other), "{other}");
        }
    }
}
