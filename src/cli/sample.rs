//! `sample`: a field at any resolution, or at given places.

use super::device::DeviceArguments;
use super::failure::{Outcome, note, warn};
use super::out::{Out, check_writable};
use super::source::Source;
use fastweights::adapted::{Adapted, FieldForm, Inputs, Signature};
use fastweights::meta::Backend;
use fastweights::run::{Models, fit, png, ready, write_atomic};
use fastweights::{Error, Result};
use std::path::PathBuf;

/// Draw a field at any resolution, or evaluate it at given places: the start that a run of fields has learned, a held-out field that it
/// is adapted to first, or an adapted model.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The run's directory, or the file of an adapted model
    model: PathBuf,
    /// Of a run, adapt to this held-out field first, counted from 0 [default: none, the meta-learned start as it is]
    #[arg(long, value_name = "N")]
    task: Option<usize>,
    /// Steps of adaptation to it [default: inner.steps of the recipe]
    #[arg(long, value_name = "K", requires = "task")]
    steps: Option<usize>,
    /// Pixels of a row and of a column of the picture
    #[arg(long, value_name = "S", default_value_t = 512, conflicts_with = "csv")]
    size: usize,
    /// Evaluate at the places of this file instead, whose columns are the coordinates (of images x and y, −1 to 1, y down)
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// The PNG or, with --csv, the CSV to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// The directory of image sets [default: FASTWEIGHTS_DATA, or the user's own]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    #[command(flatten)]
    device: DeviceArguments,
}

/// The largest picture.
const MOST: usize = 16_384;

pub(super) fn run(arguments: &Arguments, out: &mut Out) -> Outcome {
    if !(1..=MOST).contains(&arguments.size) {
        let reason = format!("is {}; allowed are 1 to {MOST}", arguments.size);
        return Err(Error::recipe("--size", reason).into());
    }
    let read = [&arguments.model].into_iter().chain(&arguments.csv);
    check_writable(&arguments.out, &read.map(PathBuf::as_path).collect::<Vec<_>>())?;
    let source = Source::open(&arguments.model)?;
    let signature = match &source {
        Source::Run(_, _, start) => &start.signature,
        Source::Adapted(adapted) => adapted.signature(),
    };
    let Signature::Field(form) = signature.clone() else {
        let reason = format!("is of {}, not of fields; nothing can be drawn of it", signature.kind());
        return Err(Error::file(&arguments.model, reason).into());
    };
    let places = match &arguments.csv {
        Some(path) => Places::Given(signature.inputs(path)?),
        None => Places::Grid(form.inputs_of(&form.grid(arguments.size)?)),
    };
    let device = arguments.device.open(source.memory())?;
    let adapted = arguments.model(source, &*device.backend)?;
    match places {
        Places::Grid(x) => arguments.draw(&form, &adapted.outputs(&*device.backend, &x)?, out),
        Places::Given(inputs) => {
            let answers = adapted.predict(&*device.backend, &inputs, 0)?;
            answers.write(&arguments.out)?;
            let Inputs::Examples { examples, .. } = &inputs else {
                return Err(Error::failed("places are no series").into());
            };
            let path = arguments.out.display();
            out.line(&format!("{path}: {} at {} places", form.values.join(", "), examples.len()))
        }
    }
}

/// Where the field is asked for.
enum Places {
    Grid(Vec<f32>),
    Given(Inputs),
}

impl Arguments {
    /// What is drawn.
    fn model(&self, source: Source, device: &dyn Backend) -> Result<Adapted> {
        match (source, self.task) {
            (Source::Adapted(adapted), None) => Ok(*adapted),
            (Source::Adapted(_), Some(_)) => {
                Err(Error::recipe("--task", "is for a run; this model is adapted already"))
            }
            (Source::Run(_, recipe, start), None) => ready(&recipe, &start, device, 0),
            (Source::Run(dir, mut recipe, mut start), Some(task)) => {
                recipe.load_data(self.data.as_deref())?;
                let models = Models::load(&dir, &recipe, &mut warn)?;
                let steps = self.steps.unwrap_or(recipe.inner.settings.steps);
                let theta = fit(&recipe, &models, device, (task, steps))?;
                start.params.splice(..theta.len(), theta);
                ready(&recipe, &start, device, 0)
            }
        }
    }

    fn draw(&self, form: &FieldForm, values: &[f32], out: &mut Out) -> Outcome {
        let (names, size) = (&form.values, self.size);
        if !matches!(names.len(), 1 | 3) {
            note(&format!("{} values at a place: `{}` is drawn", names.len(), names[0]));
        }
        write_atomic(&self.out, &png(values, size, names.len())?)?;
        out.line(&format!("{}: {size} × {size} pixels", self.out.display()))
    }
}
