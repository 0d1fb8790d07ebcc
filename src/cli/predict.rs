//! `predict`: the classes of new rows, by a run of a table.

use super::device::DeviceArguments;
use super::failure::{Outcome, warn};
use super::out::Out;
use fastweights::Error;
use fastweights::data::{Columns, RowTable};
use fastweights::recipe::{Family, LabelledRows};
use fastweights::run::{Models, RunDir, predict_rows};
use std::path::PathBuf;

/// Predict the classes of new rows with a run of a table.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The run's directory
    run: PathBuf,
    /// A CSV file with the columns of the training rows, in any order; a column of classes is not looked at
    #[arg(long, value_name = "FILE")]
    rows: PathBuf,
    /// Write row, class and probabilities to this CSV file
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Steps of adaptation on training rows before; more than 0 needs the training file
    #[arg(long, value_name = "K", default_value_t = 0)]
    steps: usize,
    #[command(flatten)]
    device: DeviceArguments,
}

pub(super) fn run(arguments: &Arguments, out: &mut Out) -> Outcome {
    let dir = RunDir::open(&arguments.run)?;
    let mut recipe = dir.recipe()?;
    let of_rows = matches!(&recipe.task.family, Family::Table(table) if !table.is_few_shot());
    if !of_rows {
        let reason = format!("is a run of `{}`, whose tasks are not mini-batches of a table", recipe.name);
        return Err(Error::file(dir.path(), reason).into());
    }
    if arguments.steps > 0 {
        recipe.load_data(None)?;
    }
    let columns = Columns::read(&dir.columns())?;
    let table = RowTable::read(&arguments.rows, &columns.label, false, &columns.ignore)?;
    let numbers: Vec<_> = (1..=table.len()).collect();
    let rows = LabelledRows { x: columns.inputs(&table)?, y: None, numbers };
    // The control is not asked, and to know it would take the training file.
    recipe.control.enabled = false;
    let models = Models::load(&dir, &recipe, &mut warn)?;
    let device = arguments.device.open(recipe.run.max_memory.map(|size| size.as_u64()))?;
    let how = (arguments.steps, None);
    predict_rows(&recipe, &columns, &models, &*device.backend, how, &rows)?.write(&arguments.out)?;
    let count = table.len();
    out.line(&format!("{}: classes and probabilities of {count} rows", arguments.out.display()))
}
