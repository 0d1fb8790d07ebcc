//! `eval`: a finished run on new tasks, with other settings.

use super::device::DeviceArguments;
use super::failure::{Outcome, note, warn};
use super::flags::inner_rate;
use super::out::{Out, check_writable};
use super::table;
use fastweights::recipe::{Family, Protocol, Recipe};
use fastweights::run::{Models, RunDir, judge, write_atomic};
use fastweights::{Error, Result};
use std::path::{Path, PathBuf};

/// Evaluate a run anew, with other tasks, steps, points or rate.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The run's directory
    run: PathBuf,
    /// New tasks [default: the recipe's]
    #[arg(long, value_name = "N")]
    tasks: Option<usize>,
    /// Steps of adaptation [default: the recipe's]
    #[arg(long, value_name = "K")]
    steps: Option<usize>,
    /// Points that each task is adapted on [default: the recipe's]
    #[arg(long, value_name = "N")]
    points: Option<usize>,
    /// Points, evenly spread, that a sinusoid is judged on [default: the recipe's]
    #[arg(long, value_name = "N")]
    dense: Option<usize>,
    /// Query images a class, of a classification [default: the recipe's]
    #[arg(long, value_name = "N")]
    queries: Option<usize>,
    /// What series are judged on: the windows that follow those adapted on, or the same ones [default: the recipe's]
    #[arg(long, value_name = "PROTOCOL", value_parser = ["ahead", "same"])]
    protocol: Option<String>,
    /// Inner rate, for both learners [default: the trained one]
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    inner_lr: Option<f64>,
    /// The directory of image sets [default: FASTWEIGHTS_DATA, or the user's own]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Judge a run of series on this file instead; with the file of training, which may have moved, on its held-out series
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Judge a run of a table on the rows of this file, which need their labels, instead of the held-out ones
    #[arg(long, value_name = "FILE")]
    rows: Option<PathBuf>,
    /// Judge a run of images on this set instead, see `data list`: on the classes that it has for testing
    #[arg(long, value_name = "SET")]
    images: Option<PathBuf>,
    #[command(flatten)]
    device: DeviceArguments,
    /// Write the result to this file, in the format of evaluation.json; `-` is standard output
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

impl Arguments {
    /// Refuses what a recipe has no use for.
    fn check(&self, recipe: &Recipe) -> Result<()> {
        let family = &recipe.task.family;
        let of_rows = matches!(family, Family::Table(table) if !table.is_few_shot());
        for (flag, given, fits) in [
            ("--csv", self.csv.is_some(), matches!(family, Family::Series(_))),
            ("--rows", self.rows.is_some(), of_rows),
            ("--data", self.data.is_some(), matches!(family, Family::Images(_) | Family::Field(_))),
            ("--images", self.images.is_some(), matches!(family, Family::Images(_))),
            ("--dense", self.dense.is_some(), matches!(family, Family::Sinusoid(_))),
            ("--tasks", self.tasks.is_some(), !of_rows),
        ] {
            if given && !fits {
                return Err(Error::recipe(flag, format!("is not for a run of `{}`", recipe.name)));
            }
        }
        Ok(())
    }
}

pub(super) fn run(arguments: &Arguments, out: &mut Out) -> Outcome {
    let dir = RunDir::open(&arguments.run)?;
    let mut recipe = dir.recipe()?;
    arguments.check(&recipe)?;
    let mut settings = recipe.evaluation.clone();
    for (setting, value) in [
        (&mut settings.tasks, arguments.tasks),
        (&mut settings.steps, arguments.steps),
        (&mut settings.points, arguments.points),
        (&mut settings.dense, arguments.dense),
    ] {
        *setting = value.unwrap_or(*setting);
    }
    settings.queries = arguments.queries.or(settings.queries);
    let protocol = arguments.protocol.as_deref();
    let protocol = protocol.map(|name| if name == "same" { Protocol::Same } else { Protocol::Ahead });
    settings.protocol = protocol.or(settings.protocol);
    recipe.task.check_evaluation(&settings)?;
    arguments.check_json()?;
    match (&arguments.csv, &arguments.rows, &arguments.images) {
        (Some(csv), ..) => recipe.judge_series(csv)?,
        (_, Some(rows), _) => recipe.judge_rows(rows)?,
        (.., Some(set)) => {
            recipe.judge_images(&set.display().to_string(), arguments.data.as_deref())?;
        }
        (None, None, None) => recipe.load_data(arguments.data.as_deref())?,
    }
    // What is said of small classes is of the queries that are asked for here.
    recipe.evaluation.queries = settings.queries;
    for line in recipe.notes() {
        note(&line);
    }
    let rate = inner_rate(arguments.inner_lr)?;
    let models = Models::load(&dir, &recipe, &mut warn)?;
    let device = arguments.device.open(recipe.run.max_memory.map(|size| size.as_u64()))?;
    let judged = judge(&recipe, &settings, &models, &*device.backend, rate)?;
    let json = judged.report.to_json()?;
    match arguments.json.as_deref() {
        Some(path) if path == Path::new("-") => return out.text(&json),
        Some(path) => write_atomic(path, json.as_bytes())?,
        None => {}
    }
    out.line(&format!(
        "{} after {} meta-iterations, on {}",
        dir.path().display(),
        models.iterations,
        judged.report.device
    ))?;
    table::print(&judged.report, out)
}

impl Arguments {
    /// Refuses a file for the result that cannot be written.
    fn check_json(&self) -> Result<()> {
        let Some(path) = self.json.as_deref().filter(|path| *path != Path::new("-")) else { return Ok(()) };
        let read = [&self.csv, &self.rows].into_iter().flatten().map(PathBuf::as_path);
        check_writable(path, &read.collect::<Vec<_>>())
    }
}
