//! What makes a secret too weak to sign with.

use super::algorithm::Algorithm;

/// Secrets of 32 bytes and more from documentation, so in every word list.
const PUBLISHED: [&[u8]; 4] = [
    b"a-string-secret-at-least-256-bits-long",
    b"a-valid-string-secret-that-is-at-least-384-bits-long-and-then-some",
    b"a-valid-string-secret-that-is-at-least-512-bits-long-which-is-very-long",
    b"your-256-bit-secret-your-256-bit-secret",
];

/// Refuses secrets that are too short for their algorithm (J-21).
pub(super) fn check_len(algorithm: Algorithm, secret: &[u8]) -> Result<(), &'static str> {
    match (algorithm, algorithm.min_secret_len()) {
        (_, Some(min)) if secret.len() >= min => Ok(()),
        (_, Some(_)) if secret.is_empty() => Err("it is empty"),
        (Algorithm::HS256, _) => Err("HS256 needs at least 32 bytes"),
        (Algorithm::HS384, _) => Err("HS384 needs at least 48 bytes"),
        (Algorithm::HS512, _) => Err("HS512 needs at least 64 bytes"),
        _ => Err("it is a secret, and the algorithm wants a key pair"),
    }
}

/// Refuses secrets that can be guessed from one token, offline (J-4, J-21, J-22).
pub(super) fn check_secret(algorithm: Algorithm, secret: &[u8]) -> Result<(), &'static str> {
    check_len(algorithm, secret)?;
    if looks_like_a_key_file(secret) {
        return Err("it looks like a PEM, DER, JWK or SSH key, whose public half others may know");
    }
    if PUBLISHED.contains(&secret) {
        return Err("it is a published example");
    }
    if secret.starts_with(b"django-insecure-") {
        return Err("Django made it for development; where Django shares it, set the new one there too");
    }
    let mut seen = [false; 256];
    secret.iter().for_each(|byte| seen[usize::from(*byte)] = true);
    if seen.iter().filter(|seen| **seen).count() < 10 {
        return Err("it has fewer than 10 different bytes");
    }
    if (1..=secret.len() / 2).any(|period| secret[period..] == secret[..secret.len() - period]) {
        return Err("it repeats itself");
    }
    let steps = secret.windows(2).filter(|pair| pair[0].abs_diff(pair[1]) <= 1).count();
    if steps * 4 >= secret.len() * 3 {
        return Err("it is a run of consecutive characters");
    }
    Ok(())
}

fn looks_like_a_key_file(secret: &[u8]) -> bool {
    let text = secret.trim_ascii_start();
    let der = match *secret {
        // SEQUENCE with its length in one, two or three bytes, and nothing behind it
        [0x30, len, ref rest @ ..] if len < 0x80 => rest.len() == usize::from(len),
        [0x30, 0x81, len, ref rest @ ..] => rest.len() == usize::from(len),
        [0x30, 0x82, high, low, ref rest @ ..] => rest.len() == usize::from(high) << 8 | usize::from(low),
        _ => false,
    };
    let jwk = text.starts_with(b"{") && text.windows(5).any(|part| part == b"\"kty\"");
    der || jwk
        || text.starts_with(b"-----BEGIN")
        || [&b"ssh-"[..], b"ecdsa-sha2-"].iter().any(|start| text.starts_with(start))
}
