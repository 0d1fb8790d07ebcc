//! `predict`: classes or numbers of new rows, by a run of a table; what follows in new series, by a run of series.

use super::device::DeviceArguments;
use super::failure::{Outcome, note, warn};
use super::out::Out;
use super::tabular::check_writable;
use fastweights::data::{Columns, SeriesSet, Sheet, Target, listed, shown};
use fastweights::recipe::{Family, LabelledRows, Recipe};
use fastweights::run::{Models, RunDir, forecast, predict_rows};
use fastweights::{Error, Result};
use std::path::{Path, PathBuf};

/// Predict new rows with a run of a table, or what follows in new series with a run of series.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The run's directory
    run: PathBuf,
    /// Of a table: a file with the columns of the training rows, in any order, among others; what is predicted need not be there
    #[arg(long, value_name = "FILE", conflicts_with = "csv")]
    rows: Option<PathBuf>,
    /// Of series: a file, or a folder of files, of series like those of training
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Write the predictions to this CSV file [default: standard output]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Of a table, steps of adaptation on training rows before, which need the training file [default: 0];
    /// of series, values to forecast [default: task.query of the recipe]
    #[arg(long, value_name = "N")]
    steps: Option<usize>,
    #[command(flatten)]
    device: DeviceArguments,
}

pub(super) fn run(arguments: &Arguments, out: &mut Out) -> Outcome {
    let dir = RunDir::open(&arguments.run)?;
    let recipe = dir.recipe()?;
    if let Some(path) = &arguments.out {
        check_writable(path)?;
    }
    match &recipe.task.family {
        Family::Table(table) if !table.is_few_shot() => {
            refuse(&recipe, "--csv", arguments.csv.as_deref(), "--rows FILE")?;
            let rows = needed(&recipe, "--rows", arguments.rows.as_deref())?;
            arguments.predict_rows(&dir, recipe.clone(), rows, out)
        }
        Family::Series(_) => {
            refuse(&recipe, "--rows", arguments.rows.as_deref(), "--csv FILE")?;
            let csv = needed(&recipe, "--csv", arguments.csv.as_deref())?;
            arguments.forecast(&dir, recipe.clone(), csv, out)
        }
        Family::Sinusoid(_) | Family::Images(_) | Family::Table(_) => {
            let reason = format!(
                "is a run of `{}`, whose tasks are neither mini-batches of a table nor series; nothing is predicted by it",
                recipe.name
            );
            Err(Error::file(dir.path(), reason).into())
        }
    }
}

/// Refuses a flag of another kind of run.
fn refuse(recipe: &Recipe, flag: &str, given: Option<&Path>, instead: &str) -> Result<()> {
    match given {
        None => Ok(()),
        Some(_) => Err(Error::recipe(flag, format!("is not for a run of `{}`; give {instead}", recipe.name))),
    }
}

fn needed<'a>(recipe: &Recipe, flag: &str, given: Option<&'a Path>) -> Result<&'a Path> {
    given.ok_or_else(|| {
        Error::recipe(
            flag,
            format!("is needed for a run of `{}`: the file that is to be predicted", recipe.name),
        )
    })
}

impl Arguments {
    fn predict_rows(&self, dir: &RunDir, mut recipe: Recipe, path: &Path, out: &mut Out) -> Outcome {
        let steps = self.steps.unwrap_or(0);
        if steps > 0 {
            recipe.load_data(None)?;
        }
        let columns = Columns::read(&dir.columns())?;
        let sheet = Sheet::read(path, &columns.dialect(), &columns.names(), None)?;
        let coded = columns.code(&sheet, 0..sheet.len())?;
        if coded.numbers.is_empty() {
            return Err(Error::file(path, "has no row without a missing value").into());
        }
        for (column, value) in &coded.unknown {
            note(&format!(
                "{}: `{}` has values that no training row had, e.g. `{}`: they count as none of its values",
                sheet.name(),
                shown(column),
                shown(value)
            ));
        }
        let rows = LabelledRows { x: coded.x, y: None, numbers: coded.numbers };
        // The control is not asked, and to know it would take the training file.
        recipe.control.enabled = false;
        let models = Models::load(dir, &recipe, &mut warn)?;
        let device = self.device.open(recipe.run.max_memory.map(|size| size.as_u64()))?;
        let predictions = predict_rows(&recipe, &columns, &models, &*device.backend, (steps, None), &rows)?;
        let what = match &columns.target {
            Target::Classes { .. } => "classes and probabilities".to_owned(),
            Target::Number { .. } => format!("numbers of `{}`", shown(&columns.label)),
        };
        let left_out = match coded.dropped {
            0 => String::new(),
            n => format!("; {n} left out since a value is missing"),
        };
        match &self.out {
            None => out.text(&predictions.to_csv()),
            Some(path) => {
                predictions.write(path)?;
                out.line(&format!("{}: {what} of {} rows{left_out}", path.display(), rows.numbers.len()))
            }
        }
    }

    fn forecast(&self, dir: &RunDir, mut recipe: Recipe, path: &Path, out: &mut Out) -> Outcome {
        let horizon = self.steps.unwrap_or(recipe.task.query);
        if !(1..=100_000).contains(&horizon) {
            return Err(
                Error::recipe("--steps", format!("is {horizon}; allowed are 1 to 100000 values")).into()
            );
        }
        let (columns, dialect) = recipe.task.family.csv().map_or_else(Default::default, |csv| {
            let columns = fastweights::data::SeriesColumns { pieces: 1, ..csv.columns() };
            (columns, csv.dialect.clone())
        });
        let set = SeriesSet::read(path, &columns, &dialect, None)?;
        for line in &set.notes {
            note(&format!("{}: {line}", set.name()));
        }
        recipe.control.enabled = false;
        let models = Models::load(dir, &recipe, &mut warn)?;
        let device = self.device.open(recipe.run.max_memory.map(|size| size.as_u64()))?;
        let found = forecast(&recipe, &models, &*device.backend, &set, (horizon, recipe.evaluation.steps))?;
        if !found.short.is_empty() {
            note(&format!("left out as too short: {}", listed(&found.short)));
        }
        match &self.out {
            None => out.text(&found.to_csv()),
            Some(path) => {
                found.write(path)?;
                out.line(&format!("{}: {horizon} values of {} series", path.display(), found.series.len()))
            }
        }
    }
}
