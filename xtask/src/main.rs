//! Set-up, tests and benchmarks of edgehost.

fn main(){}
