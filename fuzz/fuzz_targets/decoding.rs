#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| edgehost_fuzz::decoding::check(bytes));
