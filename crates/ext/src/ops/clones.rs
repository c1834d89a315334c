//! What is cloned: values in the form that V8 gives them on their way.

use deno_core::op2;

use super::{Panicked, contained};

/// Kinds of objects that scripts write and read in their own way. Each is in front of what
/// was written of it.
const KINDS: [&str; 8] = [
    "Blob",
    "CryptoKey",
    "DOMException",
    "EventLoopDelayHistogram",
    "File",
    "NodeCryptoKeyObject",
    "RecordableHistogram",
    "X509Certificate",
];

/// How such an object begins: V8's tag, and the greatest number as deno_core writes it.
const HOST_OBJECT: [u8; 6] = [b'\\', 0xff, 0xff, 0xff, 0xff, 0x0f];

/// What follows: an object whose first property is its kind, a text of one byte a character.
const KIND: &[u8] = b"o\"\x04type\"";

/// Whether every object of a kind of its own in a serialized value is of a known kind.
/// Anybody can name another one, and native code panics, or ends the process, when it reads
/// that. Called by runtime-js/00_ceilings.js.
#[op2(fast)]
pub(crate) fn op_edgehost_is_sound_clone(#[buffer] bytes: &[u8]) -> Result<bool, Panicked> {
    contained(|| is_sound(bytes))
}

fn is_sound(mut bytes: &[u8]) -> bool {
    // Data may look like the beginning of an object; then it is held against the same.
    while let Some(at) = bytes.iter().position(|byte| *byte == HOST_OBJECT[0]) {
        bytes = &bytes[at..];
        match bytes.strip_prefix(&HOST_OBJECT) {
            Some(object) if !is_known(object) => return false,
            _ => bytes = &bytes[1..],
        }
    }
    true
}

fn is_known(object: &[u8]) -> bool {
    let Some((length, name)) = object.strip_prefix(KIND).and_then(|rest| rest.split_first()) else {
        return false;
    };
    name.get(..usize::from(*length)).is_some_and(|name| KINDS.iter().any(|kind| kind.as_bytes() == name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_of_unknown_kinds_are_found() {
        let object = |rest: &[u8]| [b"\xff\x0fo\"\x01a\\\xff" as &[u8], &HOST_OBJECT, rest].concat();
        assert!(is_sound(b"") && is_sound(b"\\") && is_sound(b"\\\xff\xff\xff\xff"));
        assert!(is_sound(&object(b"o\"\x04type\"\x04Blob\"\x05parts")));
        for wrong in [
            b"" as &[u8],
            b"o\"\x04type\"\x04Blo",
            b"o\"\x04type\"\x05Bloby",
            b"o\"\x04type\"\x03Blob",
            b"o\"\x04kind\"\x04Blob",
            b"o\"\x04typeo{\x00",
            b"I\x0a",
        ] {
            assert!(!is_sound(&object(wrong)), "{wrong:?}");
        }
        // One that is known does not hide the next.
        let both = [object(b"o\"\x04type\"\x04Blob"), object(b"o\"\x04type\"\x01x")].concat();
        assert!(!is_sound(&both));
    }
}
