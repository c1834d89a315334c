//! The integration tests: one binary, so that V8 is linked once.

#![allow(clippy::print_stderr, reason = "skipped tests say so")]

mod it;
