//! Names that stand for something in a store and reveal nothing of it: nobody can compute one, or try which
//! one it is, without the signing secret.

use super::backend;
use crate::secret::Secret;

/// Makes such names, with a key of its own.
#[derive(Clone, Debug)]
pub(crate) struct KeyedNames(Secret);

impl KeyedNames {
    /// Derives the key from a secret.
    pub(crate) fn derived(secret: &Secret, label: &[u8]) -> Self {
        backend::install();
        Self(Secret::new(backend::derive(secret.expose(), label)))
    }

    /// Returns 16 bytes that stand for these parts: the same for the same parts.
    pub(crate) fn of(&self, parts: &[&[u8]]) -> [u8; 16] {
        // With their lengths, so that two lists never make one text.
        let text: Vec<u8> = parts
            .iter()
            .flat_map(|part| (part.len() as u64).to_be_bytes().into_iter().chain(part.iter().copied()))
            .collect();
        let mac = backend::derive(self.0.expose(), &text);
        mac.first_chunk().copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_of_its_parts_and_of_its_secret() {
        let names = |secret: &[u8]| KeyedNames::derived(&Secret::new(secret.into()), b"names");
        let first = names(b"one").of(&[b"ab", b"c"]);
        assert_eq!(first, names(b"one").of(&[b"ab", b"c"]));
        assert!(
            [names(b"two").of(&[b"ab", b"c"]), names(b"one").of(&[b"a", b"bc"])]
                .iter()
                .all(|name| *name != first)
        );
    }
}
