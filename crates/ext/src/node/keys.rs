//! Keys that were made elsewhere.
//!
//! Native code divides by the prime of a key whatever it is, and looks for numbers that there
//! are not, or works on some that are longer than anybody's patience: such keys are refused
//! when they are read, before it computes with them.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use deno_core::op2;
use deno_error::JsErrorBox;
use deno_node_crypto::keys::{AsymmetricPrivateKey, AsymmetricPublicKey, KeyObjectHandle};

use crate::ops::contained;

/// Most bits of a modulus, as OpenSSL has it.
const MOST_BITS: usize = 10_000;

/// Bits of the divisor of a DSA key: FIPS 186-4 has 160 to 256.
const DIVISOR: std::ops::RangeInclusive<usize> = 160..=512;

/// Longest DSA key: four numbers of [`MOST_BITS`] and one more. Reading it is computing already.
const LONGEST_DSA: usize = 5 * 1024;

/// How a DSA key in DER names its kind.
const DSA: [u8; 9] = [6, 7, 0x2a, 0x86, 0x48, 0xce, 0x38, 4, 1];

/// What is wrong with a key.
#[derive(Debug, thiserror::Error, deno_error::JsError)]
#[class(generic)]
enum Unsound {
    #[error("error:028000C1:Diffie-Hellman routines::bad ffc parameters")]
    #[property("code" = "ERR_OSSL_DH_BAD_FFC_PARAMETERS")]
    DiffieHellman,
    #[error("error:050000C6:dsa routines::bad ffc parameters")]
    #[property("code" = "ERR_OSSL_DSA_BAD_FFC_PARAMETERS")]
    Dsa,
}

/// The bits of a number, the highest byte first.
fn bits(bytes: &[u8]) -> usize {
    bytes.iter().skip_while(|byte| **byte == 0).count() * 8
}

fn is_group(prime: &[u8], others: &[&[u8]]) -> bool {
    (1..=MOST_BITS).contains(&bits(prime)) && others.iter().all(|other| bits(other) <= MOST_BITS)
}

fn check(handle: &KeyObjectHandle) -> Result<(), Unsound> {
    let dsa = |modulus: usize, divisor: usize| {
        if modulus <= MOST_BITS && DIVISOR.contains(&divisor) { Ok(()) } else { Err(Unsound::Dsa) }
    };
    let diffie_hellman = |is_sound: bool| if is_sound { Ok(()) } else { Err(Unsound::DiffieHellman) };
    match handle {
        KeyObjectHandle::AsymmetricPrivate(AsymmetricPrivateKey::Dh(key)) => {
            let private = key.key.clone().into_vec();
            let prime = key.params.prime.as_bytes();
            diffie_hellman(is_group(prime, &[key.params.base.as_bytes(), &private]))
        }
        KeyObjectHandle::AsymmetricPublic(AsymmetricPublicKey::Dh(key)) => {
            let public = key.key.clone().into_vec();
            let prime = key.params.prime.as_bytes();
            diffie_hellman(is_group(prime, &[key.params.base.as_bytes(), &public]))
        }
        KeyObjectHandle::AsymmetricPrivate(AsymmetricPrivateKey::Dsa(key)) => {
            let components = key.verifying_key().components();
            dsa(components.p().bits(), components.q().bits())
        }
        KeyObjectHandle::AsymmetricPublic(AsymmetricPublicKey::Dsa(key)) => {
            dsa(key.components().p().bits(), key.components().q().bits())
        }
        _ => Ok(()),
    }
}

/// Refuses DSA keys by their length. Those that are encrypted are not seen.
fn check_length(key: &[u8], format: &str) -> Result<(), Unsound> {
    if key.len() <= LONGEST_DSA {
        return Ok(());
    }
    let is_dsa = |der: &[u8]| der.windows(DSA.len()).any(|window| window == DSA);
    let is_long = match format {
        "pem" => std::str::from_utf8(key).is_ok_and(|text| {
            let lines = || text.lines().filter(|line| !line.contains('-') && !line.contains(':'));
            let der = BASE64_STANDARD.decode(lines().map(str::trim).collect::<String>()).unwrap_or_default();
            text.contains("DSA PRIVATE KEY") || der.len() > LONGEST_DSA && is_dsa(&der)
        }),
        _ => is_dsa(key),
    };
    if is_long { Err(Unsound::Dsa) } else { Ok(()) }
}

fn private(
    key: &[u8],
    format: &str,
    kind: &str,
    passphrase: Option<&[u8]>,
) -> Result<KeyObjectHandle, JsErrorBox> {
    check_length(key, format).map_err(JsErrorBox::from_err)?;
    let handle = KeyObjectHandle::new_asymmetric_private_key_from_js(key, format, kind, passphrase)
        .map_err(JsErrorBox::from_err)?;
    check(&handle).map_err(JsErrorBox::from_err)?;
    Ok(handle)
}

/// Reads a private key.
#[op2]
#[cppgc]
pub(super) fn op_app_create_private_key(
    #[buffer] key: &[u8],
    #[string] format: &str,
    #[string] kind: &str,
    #[buffer] passphrase: Option<&[u8]>,
) -> Result<KeyObjectHandle, JsErrorBox> {
    contained(|| private(key, format, kind, passphrase))?
}

/// Reads a public key, or makes that of a private one.
#[op2]
#[cppgc]
pub(super) fn op_app_create_public_key(
    #[buffer] key: &[u8],
    #[string] format: &str,
    #[string] kind: &str,
    #[buffer] passphrase: Option<&[u8]>,
) -> Result<KeyObjectHandle, JsErrorBox> {
    contained(|| {
        check_length(key, format).map_err(JsErrorBox::from_err)?;
        // Making it is computing already.
        let names_private = std::str::from_utf8(key).is_ok_and(|text| text.contains("PRIVATE KEY-----"));
        if format == "pem"
            && names_private
            && let Ok(handle) =
                KeyObjectHandle::new_asymmetric_private_key_from_js(key, format, kind, passphrase)
        {
            check(&handle).map_err(JsErrorBox::from_err)?;
        }
        let handle = KeyObjectHandle::new_asymmetric_public_key_from_js(key, format, kind, passphrase)
            .map_err(JsErrorBox::from_err)?;
        check(&handle).map_err(JsErrorBox::from_err)?;
        Ok(handle)
    })?
}

/// Throws for a key that native code cannot compute with. Called by
/// runtime-js/node/02_natives.js for keys of certificates.
#[op2(fast)]
pub(crate) fn op_edgehost_check_key(#[cppgc] handle: &KeyObjectHandle) -> Result<(), JsErrorBox> {
    check(handle).map_err(JsErrorBox::from_err)
}
