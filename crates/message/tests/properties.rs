//! The properties that fuzz targets check, on their seeds and on what is made of them.

#[path = "../../../fuzz/src/lib.rs"]
#[allow(unreachable_pub, reason = "a library where it comes from")]
mod checks;

use std::path::Path;

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::TestRunner;

/// Pieces that mean something to one of the parsers.
const PIECES: [&[u8]; 30] = [
    b"\r\n",
    b"\n",
    b"\r",
    b"\0",
    b":",
    b";",
    b",",
    b"=",
    b"@",
    b"/",
    b"\\",
    b"?",
    b"#",
    b"[",
    b"]",
    b"%",
    b" ",
    b"\t",
    b"0",
    b"f",
    b"\xff",
    b"\xc3\xbc",
    b"xn--",
    b"Host: a\r\n",
    b"X-Forwarded-Host: b\r\n",
    b"0\r\n\r\n",
    b"1\r\nx\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Content-Length: 3\r\n",
    b"GET / HTTP/1.1\r\n",
];

/// One change of an input.
#[derive(Debug, Clone)]
enum Edit {
    Insert(Index, Index),
    Remove(Index, usize),
    Replace(Index, u8),
    Repeat(Index, usize),
}

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        (any::<Index>(), any::<Index>()).prop_map(|(at, piece)| Edit::Insert(at, piece)),
        (any::<Index>(), 1..8_usize).prop_map(|(at, length)| Edit::Remove(at, length)),
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Edit::Replace(at, byte)),
        (any::<Index>(), 1..32_usize).prop_map(|(at, length)| Edit::Repeat(at, length)),
    ]
}

fn changed(mut bytes: Vec<u8>, edits: &[Edit]) -> Vec<u8> {
    for edit in edits {
        let length = bytes.len();
        let at = |index: &Index| index.index(length + 1);
        match edit {
            Edit::Insert(index, piece) => {
                let place = at(index);
                bytes.splice(place..place, piece.get(&PIECES).iter().copied());
            }
            Edit::Remove(index, count) => {
                let place = at(index);
                bytes.drain(place..length.min(place + count));
            }
            Edit::Replace(index, byte) => {
                if let Some(found) = bytes.get_mut(at(index)) {
                    *found = *byte;
                }
            }
            Edit::Repeat(index, count) => {
                let place = at(index);
                let piece = bytes[place..length.min(place + count)].to_vec();
                bytes.splice(place..place, piece);
            }
        }
    }
    bytes
}

/// Checks the seeds of a target, and others that begin as one of them.
fn holds(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds").join(target);
    let files = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut seeds: Vec<Vec<u8>> =
        files.map(|file| std::fs::read(file.expect("listed").path()).expect("readable")).collect();
    seeds.sort();
    assert!(!seeds.is_empty(), "{target} has no seeds");
    for seed in &seeds {
        check(seed);
    }
    let config = ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() };
    let inputs = (prop::sample::select(seeds), prop::collection::vec(edit(), 0..6))
        .prop_map(|(seed, edits)| changed(seed, &edits));
    TestRunner::new(config)
        .run(&inputs, |bytes| {
            check(&bytes);
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{target}: {error}"));
}

#[test]
fn authorities_reach_no_further_than_they_may() {
    holds("authority", checks::authority::check);
}

#[test]
fn handlers_see_headers_as_they_were_sent_and_none_that_are_lies() {
    holds("headers", checks::headers::check);
}

#[test]
fn headers_of_answers_are_sent_as_they_are_or_refused() {
    holds("answers", checks::answers::check);
}

#[test]
fn bodies_in_chunks_end_where_the_next_request_begins() {
    holds("chunked", checks::chunked::check);
}

#[test]
fn requests_are_read_in_one_way_in_whatever_pieces_they_come() {
    holds("wire", checks::wire::check);
}

#[test]
fn decoding_ends() {
    holds("decoding", checks::decoding::check);
}
