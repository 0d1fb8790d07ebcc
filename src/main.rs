//! The command line of `fastweights`.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
