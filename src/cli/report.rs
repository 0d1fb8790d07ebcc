//! `report`: one page of HTML about runs.

use super::failure::Outcome;
use super::out::Out;
use fastweights::Error;
use fastweights::run::{RunDir, write_page};
use std::path::PathBuf;

/// Write one page of HTML about runs, side by side: results, curves, pictures, settings, commands.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Directories of runs; one that is still being trained is shown as far as it is
    #[arg(required = true)]
    runs: Vec<PathBuf>,
    /// The page, which needs no other file and no network; one that is there is replaced
    #[arg(long, value_name = "FILE", default_value = "report.html")]
    out: PathBuf,
}

pub(super) fn run(arguments: &Arguments, out: &mut Out) -> Outcome {
    let runs = arguments.runs.iter().map(RunDir::open).collect::<Result<Vec<_>, Error>>()?;
    write_page(&runs, &arguments.out)?;
    let runs = if runs.len() == 1 { "one run".to_owned() } else { format!("{} runs", runs.len()) };
    out.line(&format!("{}: a page about {runs}", arguments.out.display()))
}
