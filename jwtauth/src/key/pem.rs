//! The text form of DER (RFC 7468): one key between two lines, unencrypted.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use zeroize::Zeroizing;

use super::der;
use super::parts::Material;
use crate::error::KeyError;

/// Reads the one key in a text. Skips `EC PARAMETERS`, which openssl writes before a key.
pub(super) fn read(text: &str) -> Result<Material, KeyError> {
    let refused = |problem| Err(KeyError::Malformed { problem });
    let mut found = None;
    let mut rest = text;
    while let Some((_, begun)) = rest.split_once("-----BEGIN ") {
        let block = begun.split_once("-----").and_then(|(label, body)| {
            let (body, behind) = body.split_once(&format!("-----END {label}-----"))?;
            Some((label, body, behind))
        });
        let Some((label, body, behind)) = block else { return refused("its PEM does not end as it began") };
        rest = behind;
        if label == "EC PARAMETERS" {
            continue;
        }
        if found.replace((label, body)).is_some() {
            return refused("its PEM holds more than one key");
        }
    }
    let Some((label, body)) = found else { return refused("it is no PEM") };
    let private = match label {
        "PRIVATE KEY" | "EC PRIVATE KEY" | "RSA PRIVATE KEY" => true,
        "PUBLIC KEY" | "RSA PUBLIC KEY" => false,
        "CERTIFICATE" => {
            return refused("it is a certificate: take its key out with `openssl x509 -noout -pubkey`");
        }
        "ENCRYPTED PRIVATE KEY" => return refused("it is encrypted: decrypt it with `openssl pkey`"),
        _ => return refused("its PEM label is not that of a key"),
    };
    if body.contains(':') {
        return refused("it is encrypted: decrypt it with `openssl pkey`");
    }
    let mut compact = Zeroizing::new(Vec::with_capacity(body.len()));
    compact.extend(body.bytes().filter(|byte| !byte.is_ascii_whitespace()));
    let der = Zeroizing::new(
        BASE64
            .decode(&*compact)
            .map_err(|_| KeyError::Malformed { problem: "its PEM is no canonical base64" })?,
    );
    let key = der::read(&der)?;
    if key.is_private() != private {
        return refused("its PEM label says private where the key is public, or the other way round");
    }
    Ok(key)
}
