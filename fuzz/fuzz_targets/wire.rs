#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| edgehost_fuzz::wire::check(bytes));
