//! What has to hold for bytes of any kind. A `check` panics where it does not.
//!
//! Fuzz targets look for exceptions for as long as they are let (`cargo xtask fuzz`); the tests of
//! `crates/message` check the seeds and some thousand inputs that are made of them.

pub mod answers;
pub mod authority;
pub mod chunked;
pub mod decoding;
pub mod headers;
mod parts;
pub mod wire;
