//! WebCrypto that deno_crypto does not have: AES-GCM with initialization vectors and tags of any
//! length, Ed448, and ECDSA with a hash that is much shorter than the curve is wide. Called by runtime-js/00_webcrypto.js, which has checked the sizes of
//! what it gives.

use std::cell::RefCell;
use std::rc::Rc;

use aes::cipher::consts::U16;
use aes::cipher::{
    Block, BlockCipher, BlockEncrypt, BlockSizeUser, InnerIvInit, KeyInit, StreamCipher, Unsigned,
};
use aes::{Aes128, Aes192, Aes256};
use ctr::{Ctr32BE, CtrCore};
use deno_core::convert::Uint8Array;
use deno_core::{JsBuffer, OpState, op2};
use deno_error::JsErrorBox;
use ed448_goldilocks::pkcs8::PrivateKeyInfoRef;
use ed448_goldilocks::pkcs8::spki::SubjectPublicKeyInfoRef;
use ed448_goldilocks::subtle::ConstantTimeEq;
use ed448_goldilocks::{ALGORITHM_OID, PUBLIC_KEY_LENGTH, Signature, SigningKey, VerifyingKey};
use ghash::GHash;
use ghash::universal_hash::UniversalHash;
use p384::ecdsa::signature::hazmat::{PrehashSigner, PrehashVerifier};
use p384::pkcs8::{DecodePrivateKey, DecodePublicKey};

use super::{Panicked, contained};
use crate::held::Held;

fn failed(what: &str) -> JsErrorBox {
    JsErrorBox::new("DOMExceptionOperationError", what.to_owned())
}

/// Runs work that takes as long as its data is large on another thread.
async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, JsErrorBox> + Send + 'static,
) -> Result<T, JsErrorBox> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        // Told on the thread of the isolate, which is not used again.
        Err(_) => contained(|| panic!("cryptography panicked"))
            .unwrap_or_else(|panicked: Panicked| Err(panicked.into())),
    }
}

/// AES-GCM (NIST SP 800-38D): seals, or opens what is data and tag. The tag has `tag` bytes.
#[op2]
pub(crate) async fn op_edgehost_gcm(
    state: Rc<RefCell<OpState>>,
    is_sealing: bool,
    #[buffer] key: JsBuffer,
    #[buffer] iv: JsBuffer,
    #[buffer] additional: JsBuffer,
    #[smi] tag: u32,
    #[buffer] data: JsBuffer,
) -> Result<Uint8Array, JsErrorBox> {
    let charge = state.borrow().borrow::<Held>().charge(data.len());
    aside(move || {
        let _charge = charge;
        let task = Gcm { is_sealing, iv: &iv, additional: &additional, tag: tag as usize };
        match key.len() {
            16 => task.run::<Aes128>(&key, data.to_vec()),
            24 => task.run::<Aes192>(&key, data.to_vec()),
            32 => task.run::<Aes256>(&key, data.to_vec()),
            _ => Err(failed("The key is none of AES")),
        }
    })
    .await
    .map(Uint8Array::from)
}

struct Gcm<'a> {
    is_sealing: bool,
    iv: &'a [u8],
    additional: &'a [u8],
    tag: usize,
}

impl Gcm<'_> {
    fn run<C>(&self, key: &[u8], mut data: Vec<u8>) -> Result<Vec<u8>, JsErrorBox>
    where
        C: BlockCipher + BlockEncrypt + BlockSizeUser<BlockSize = U16> + KeyInit,
    {
        let cipher = C::new_from_slice(key).map_err(|_| failed("The key is none of AES"))?;
        let mut hash_key = Block::<C>::default();
        cipher.encrypt_block(&mut hash_key);
        let hash = GHash::new(&hash_key);

        let mut start = Block::<C>::default();
        if self.iv.len() == 12 {
            start[..12].copy_from_slice(self.iv);
            start[15] = 1;
        } else {
            start = hashed(hash.clone(), &[], self.iv);
        }
        let mut stream = Ctr32BE::<C>::from_core(CtrCore::inner_iv_init(cipher, &start));
        let mut mask = Block::<C>::default();
        stream.apply_keystream(&mut mask);
        let tag_of = |sealed: &[u8]| {
            let mut tag = hashed(hash, self.additional, sealed);
            tag.iter_mut().zip(&mask).for_each(|(byte, mask)| *byte ^= mask);
            tag
        };

        if self.is_sealing {
            stream.apply_keystream(&mut data);
            let tag = tag_of(&data);
            data.extend_from_slice(tag.get(..self.tag).ok_or_else(|| failed("The tag is too long"))?);
        } else {
            let length =
                data.len().checked_sub(self.tag).ok_or_else(|| failed("The data is shorter than its tag"))?;
            let given = data.split_off(length);
            let tag = tag_of(&data);
            if !tag.get(..self.tag).is_some_and(|tag| bool::from(tag.ct_eq(&given))) {
                return Err(failed("The data is not what was sealed"));
            }
            stream.apply_keystream(&mut data);
        }
        Ok(data)
    }
}

/// The hash of both, and of their lengths; of the second alone, as for an initialization vector,
/// if the first is empty.
fn hashed(mut hash: GHash, first: &[u8], second: &[u8]) -> ghash::Block {
    const BITS: u64 = 8;
    hash.update_padded(first);
    hash.update_padded(second);
    let mut lengths = ghash::Block::default();
    debug_assert_eq!(lengths.len(), U16::USIZE);
    lengths[..8].copy_from_slice(&(first.len() as u64 * BITS).to_be_bytes());
    lengths[8..].copy_from_slice(&(second.len() as u64 * BITS).to_be_bytes());
    hash.update(&[lengths]);
    hash.finalize()
}

fn signing_key(seed: &[u8]) -> Result<SigningKey, JsErrorBox> {
    SigningKey::try_from(seed).map_err(|_| wrong("The private key has another length"))
}

fn wrong(what: &str) -> JsErrorBox {
    JsErrorBox::new("DOMExceptionDataError", what.to_owned())
}

/// The public key of an Ed448 private key.
#[op2]
pub(crate) fn op_edgehost_ed448_public(#[buffer] seed: &[u8]) -> Result<Uint8Array, JsErrorBox> {
    contained(|| Ok(signing_key(seed)?.verifying_key().as_bytes().to_vec().into()))?
}

/// The key that a PKCS #8 or SPKI structure holds (RFC 8410).
#[op2]
pub(crate) fn op_edgehost_ed448_import(
    is_private: bool,
    #[buffer] der: &[u8],
) -> Result<Uint8Array, JsErrorBox> {
    contained(|| {
        if is_private {
            let info = PrivateKeyInfoRef::try_from(der).map_err(|_| wrong("This is no PKCS #8 structure"))?;
            let key = SigningKey::try_from(info).map_err(|_| wrong("This is no private key of Ed448"))?;
            return Ok(key.as_bytes().to_vec().into());
        }
        let info = SubjectPublicKeyInfoRef::try_from(der).map_err(|_| wrong("This is no SPKI structure"))?;
        let key = info.subject_public_key.as_bytes().filter(|key| key.len() == PUBLIC_KEY_LENGTH);
        match key {
            Some(key) if info.algorithm.oid == ALGORITHM_OID && info.algorithm.parameters.is_none() => {
                Ok(key.to_vec().into())
            }
            _ => Err(wrong("This is no public key of Ed448")),
        }
    })?
}

/// Signs (RFC 8032, section 5.2.6).
#[op2]
pub(crate) async fn op_edgehost_ed448_sign(
    #[buffer] seed: JsBuffer,
    #[buffer] context: JsBuffer,
    #[buffer] data: JsBuffer,
) -> Result<Uint8Array, JsErrorBox> {
    aside(move || {
        let signature =
            signing_key(&seed)?.sign_ctx(&context, &data).map_err(|_| failed("The context is too long"))?;
        Ok(signature.to_bytes().to_vec().into())
    })
    .await
}

/// Whether a signature is one of the data (RFC 8032, section 5.2.7).
#[op2]
pub(crate) async fn op_edgehost_ed448_verify(
    #[buffer] key: JsBuffer,
    #[buffer] signature: JsBuffer,
    #[buffer] context: JsBuffer,
    #[buffer] data: JsBuffer,
) -> Result<bool, JsErrorBox> {
    aside(move || Ok(is_signature(&key, &signature, &context, &data))).await
}

fn is_signature(key: &[u8], signature: &[u8], context: &[u8], data: &[u8]) -> bool {
    let Some(key) = key.try_into().ok().and_then(|key| VerifyingKey::from_bytes(&key).ok()) else {
        return false;
    };
    Signature::try_from(signature).is_ok_and(|signature| key.verify_ctx(&signature, context, data).is_ok())
}

/// The hash as a number of the width of P-384, where the crate refuses a shorter one.
fn widened(hash: &[u8]) -> Option<[u8; 48]> {
    let mut wide = [0; 48];
    wide.get_mut(48_usize.checked_sub(hash.len())?..)?.copy_from_slice(hash);
    Some(wide)
}

/// Signs a hash with a key of P-384, given as PKCS #8 (FIPS 186-5, section 6.4).
#[op2]
pub(crate) fn op_edgehost_p384_sign(
    #[buffer] key: &[u8],
    #[buffer] hash: &[u8],
) -> Result<Uint8Array, JsErrorBox> {
    contained(|| {
        let key =
            p384::ecdsa::SigningKey::from_pkcs8_der(key).map_err(|_| failed("This is no key of P-384"))?;
        let hash = widened(hash).ok_or_else(|| failed("The hash is too long"))?;
        let signature: p384::ecdsa::Signature =
            key.sign_prehash(&hash).map_err(|_| failed("The hash cannot be signed"))?;
        Ok(signature.to_bytes().to_vec().into())
    })?
}

/// Whether a signature is one of the hash. The key is given as SPKI.
#[op2(fast)]
pub(crate) fn op_edgehost_p384_verify(
    #[buffer] key: &[u8],
    #[buffer] signature: &[u8],
    #[buffer] hash: &[u8],
) -> Result<bool, Panicked> {
    contained(|| {
        let Ok(key) = p384::ecdsa::VerifyingKey::from_public_key_der(key) else { return false };
        let Ok(signature) = p384::ecdsa::Signature::from_slice(signature) else { return false };
        widened(hash).is_some_and(|hash| key.verify_prehash(&hash, &signature).is_ok())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex")).collect()
    }

    /// Test cases 4, 5 and 6 of "The Galois/Counter Mode of Operation (GCM)", appendix B.
    #[test]
    fn gcm_with_vectors_of_any_length() {
        let key = bytes("feffe9928665731c6d6a8f9467308308");
        let additional = bytes("feedfacedeadbeeffeedfacedeadbeefabaddad2");
        let plain = bytes(
            "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
        );
        let long = "9313225df88406e555909c5aff5269aa6a7a9538534f7da1e4c303d2a318a728c3c0c95156809539fcf0e2429a6b525416aedbf5a0de6a57a637b39b";
        for (iv, tag) in [
            ("cafebabefacedbaddecaf888", "5bc94fbc3221a5db94fae95ae7121a47"),
            ("cafebabefacedbad", "3612d2e79e3b0785561be14aaca2fccb"),
            (long, "619cc5aefffe0bfa462af43c1699d050"),
        ] {
            let (iv, tag) = (bytes(iv), bytes(tag));
            for length in [4, 8, 12, 16] {
                let seal = Gcm { is_sealing: true, iv: &iv, additional: &additional, tag: length };
                let open = Gcm { is_sealing: false, ..seal };
                let mut sealed = seal.run::<Aes128>(&key, plain.clone()).expect("sealed");
                assert_eq!(sealed[plain.len()..], tag[..length]);
                assert_eq!(open.run::<Aes128>(&key, sealed.clone()).expect("opened"), plain);
                sealed[0] ^= 1;
                assert!(open.run::<Aes128>(&key, sealed).is_err());
                assert!(open.run::<Aes128>(&key, vec![0; length - 1]).is_err());
            }
        }
    }

    /// RFC 8032, section 7.4, "1 octet (with context)".
    #[test]
    fn ed448_signs_with_a_context() {
        let seed = bytes(
            "c4eab05d357007c632f3dbb48489924d552b08fe0c353a0d4a1f00acda2c463afbea67c5e8d2877c5e3bc397a659949ef8021e954e0a12274e",
        );
        let public = bytes(
            "43ba28f430cdff456ae531545f7ecd0ac834a55d9358c0372bfa0c6c6798c0866aea01eb00742802b8438ea4cb82169c235160627b4c3a9480",
        );
        let key = signing_key(&seed).expect("a key");
        assert_eq!(key.verifying_key().as_bytes().to_vec(), public);
        let signature = key.sign_ctx(b"foo", &[3]).expect("a signature").to_bytes();
        assert_eq!(
            signature.to_vec(),
            bytes(
                "d4f8f6131770dd46f40867d6fd5d5055de43541f8c5e35abbcd001b32a89f7d2151f7647f11d8ca2ae279fb842d607217fce6e042f6815ea000c85741de5c8da1144a6a1aba7f96de42505d7a7298524fda538fccbbb754f578c1cad10d54d0d5428407e85dcbc98a49155c13764e66c3c00"
            )
        );
        assert!(is_signature(&public, &signature, b"foo", &[3]));
        assert!(!is_signature(&public, &signature, b"", &[3]));
        assert!(!is_signature(&public, &signature[1..], b"foo", &[3]));
        assert!(!is_signature(&[0xff; 57], &signature, b"foo", &[3]));
    }
}
