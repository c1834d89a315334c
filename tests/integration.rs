//! The integration tests: one binary, so that V8 is linked once.

mod it;
