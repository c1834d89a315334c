//! The command line: argv, progress, exit codes. The only place that prints.
//!
//! Purpose: turn flags, environment and `edgehost.toml` into settings, show what
//! happens, and serve.
//! Where to look: `args` for every flag, `config` for the file, `apps` for which apps there
//! are, `serve`, `dev`, `routes`, `build`, `types` and `check` for the commands, `dev_log` for the lines of `dev`,
//! `listeners` for addresses, `reload` for SIGHUP, `output` for what people see.
//! Never: anything that an embedder would want too; that belongs to the library.

mod apps;
mod args;
mod build;
mod check;
mod config;
mod dev;
mod dev_log;
mod listeners;
mod output;
mod reload;
mod routes;
mod serve;
mod types;

use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command};

/// Something went wrong.
const FAILURE: u8 = 1;
/// The user's files or flags are not in order.
const BAD_INPUT: u8 = 2;
/// A thread does not come back: start the process afresh (`EX_TEMPFAIL` of sysexits.h).
const WEDGED: u8 = 75;

/// What the user gave cannot be used; anything else is a failure of ours or of the system.
#[derive(Debug)]
struct BadInput(String);

impl std::fmt::Display for BadInput {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadInput {}

/// Ends the process without its destructors: a thread that does not come back may be
/// using what they would take away.
#[allow(unsafe_code, reason = "std has no exit without destructors but abort")]
fn end_at_once(code: u8) -> ! {
    // SAFETY: no memory is involved.
    unsafe { libc::_exit(i32::from(code)) }
}

/// Runs the program.
pub(crate) fn main() -> ExitCode {
    if output::asks_for_json() {
        output::use_json();
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() && output::asks_for_json() => {
            output::failure(error.to_string().trim_start_matches("error: ").trim_end());
            return ExitCode::from(BAD_INPUT);
        }
        Err(error) => error.exit(),
    };
    let code = run(cli);
    output::flush();
    code
}

fn run(cli: Cli) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            output::error(&anyhow::Error::new(error).context("cannot start"));
            return ExitCode::from(FAILURE);
        }
    };
    let result = runtime.block_on(async {
        match cli.command {
            Command::Serve(args) => serve::run(*args).await,
            Command::Dev(args) => dev::run(*args).await,
            Command::Routes(args) => routes::run(&args).await,
            Command::Types(args) => types::run(&args),
            Command::Check(args) => check::run(&args).await,
            Command::Build(args) => build::run(&args).await,
        }
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::error(&error);
            if matches!(error.downcast_ref(), Some(edgehost::Error::Wedged { .. })) {
                output::flush();
                end_at_once(WEDGED);
            }
            let is_input = error.is::<BadInput>()
                || matches!(
                    error.downcast_ref(),
                    Some(
                        edgehost::Error::Project(_)
                            | edgehost::Error::Bundle(_)
                            | edgehost::Error::Settings(_)
                            | edgehost::Error::Permissions(_)
                            | edgehost::Error::Artefact(_)
                    )
                );
            ExitCode::from(if is_input { BAD_INPUT } else { FAILURE })
        }
    }
}
