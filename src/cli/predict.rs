//! `predict`: answers of a run or of an adapted model to new inputs.

use super::device::DeviceArguments;
use super::failure::{Outcome, note, warn};
use super::out::{Out, check_writable};
use super::source::{Source, model_of_run};
use fastweights::adapted::{Answers, Inputs, Predicted, Signature};
use fastweights::data::{counted, listed, shown};
use fastweights::meta::Backend;
use fastweights::recipe::Family;
use fastweights::run::{Models, forecast};
use fastweights::{Error, Result};
use std::path::PathBuf;

/// Predict new points, rows, pictures or series with a run or an adapted model.
///
/// Each input is predicted by itself: one is enough. Answers are CSV: a class with a probability for each class, a number, or the values that follow a series.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The run's directory, or the file of an adapted model
    model: PathBuf,
    /// What to predict. Points and rows of a table: a file of text with the columns of training, in any order, among others; what is
    /// predicted need not be there. Series: such a file, or a folder of them. Pictures: a folder of them, at any depth, or one.
    /// Fields: a file of places
    #[arg(long, value_name = "INPUT", aliases = ["rows", "csv"])]
    input: PathBuf,
    /// Write the answers to this CSV file [default: standard output]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Of a run of a table, steps of adaptation on training rows before, which need the training file [default: 0]; of series the
    /// same as --ahead
    #[arg(long, value_name = "K")]
    steps: Option<usize>,
    /// Of series, values to forecast [default: task.query of the recipe]
    #[arg(long, value_name = "N")]
    ahead: Option<usize>,
    #[command(flatten)]
    device: DeviceArguments,
}

pub(super) fn run(arguments: &Arguments, out: &mut Out) -> Outcome {
    if let Some(path) = &arguments.out {
        check_writable(path, &[&arguments.model, &arguments.input])?;
    }
    let source = Source::open(&arguments.model)?;
    let signature = match &source {
        Source::Run(_, _, start) => &start.signature,
        Source::Adapted(adapted) => adapted.signature(),
    };
    let ahead = arguments.ahead(signature)?;
    arguments.check_steps(&source)?;
    let device = arguments.device.open(source.memory())?;
    let (answers, inputs) = arguments.answers(source, ahead, &*device.backend)?;
    for line in inputs.notes() {
        note(&format!("{}: {line}", arguments.input.display()));
    }
    if let Answers::Ahead(found) = &answers
        && !found.short.is_empty()
    {
        note(&format!("left out as too short: {}", listed(&found.short)));
    }
    match &arguments.out {
        None => out.text(&answers.to_csv()),
        Some(path) => {
            answers.write(path)?;
            out.line(&format!("{}: {}", path.display(), summary(&answers, &inputs)))
        }
    }
}

/// What was answered, in words.
fn summary(answers: &Answers, inputs: &Inputs) -> String {
    match (answers, inputs) {
        (Answers::Ahead(found), _) => {
            let horizon = found.series.first().map_or(0, |(_, values)| values.len());
            format!("{} of each of {}", counted(horizon, "value"), counted(found.series.len(), "series"))
        }
        (Answers::Examples(found), inputs) => {
            let what = match &found.of {
                Predicted::Classes { .. } => "classes and probabilities".to_owned(),
                Predicted::Numbers { targets, .. } => {
                    let names: Vec<_> = targets.iter().map(|name| format!("`{}`", shown(name))).collect();
                    format!("numbers of {}", names.join(", "))
                }
            };
            let one = match inputs {
                Inputs::Examples { head, .. } if head.len() == 1 && head[0] == "picture" => "picture",
                Inputs::Examples { head, .. } if head.len() == 1 && head[0] == "row" => "row",
                Inputs::Examples { .. } | Inputs::Series(_) => "point",
            };
            format!("{what} of {}", counted(found.len(), one))
        }
    }
}

impl Arguments {
    /// Values to forecast; of anything but series none.
    fn ahead(&self, signature: &Signature) -> Result<usize> {
        let usual = match signature {
            Signature::Series(series) => Some(series.ahead),
            Signature::Points(_) | Signature::Images(_) | Signature::Table(_) | Signature::Field(_) => None,
        };
        let steps = self.steps.filter(|_| usual.is_some());
        if let (Some(_), Some(_)) = (steps, self.ahead) {
            let reason = "says of series what --ahead says; give one of them";
            return Err(Error::recipe("--steps", reason));
        }
        match (self.ahead.or(steps), usual) {
            (Some(_), None) => {
                Err(Error::recipe("--ahead", format!("is for series, not for {}", signature.kind())))
            }
            (given, usual) => {
                let ahead = given.or(usual).unwrap_or(0);
                match usual.is_none() || (1..=100_000).contains(&ahead) {
                    true => Ok(ahead),
                    false => {
                        let reason = format!("is {ahead}; allowed are 1 to 100000 values");
                        let flag = if self.ahead.is_some() { "--ahead" } else { "--steps" };
                        Err(Error::recipe(flag, reason))
                    }
                }
            }
        }
    }

    /// Refuses steps of what is adapted already, or by its inputs alone.
    fn check_steps(&self, source: &Source) -> Result<()> {
        let reason = match source {
            _ if self.steps.is_none() => return Ok(()),
            Source::Adapted(adapted) if matches!(adapted.signature(), Signature::Series(_)) => return Ok(()),
            Source::Adapted(_) => "is for a run; this model is adapted already",
            Source::Run(_, recipe, _) => match &recipe.task.family {
                Family::Table(_) | Family::Series(_) => return Ok(()),
                Family::Sinusoid(_) | Family::Images(_) | Family::Field(_) => {
                    "is for runs of tables; adapt the run to points of its own first: fastweights adapt RUN --support INPUT --out FILE"
                }
            },
        };
        Err(Error::recipe("--steps", reason))
    }

    /// The answers, and what they are answers to.
    fn answers(&self, source: Source, ahead: usize, device: &dyn Backend) -> Result<(Answers, Inputs)> {
        let adapted = match source {
            Source::Adapted(adapted) => *adapted,
            Source::Run(dir, mut recipe, start) => {
                // Each series is a task of its own.
                if let Family::Series(_) = &recipe.task.family {
                    let inputs = start.signature.inputs(&self.input)?;
                    let Inputs::Series(set) = &inputs else {
                        return Err(Error::failed("inputs are no series"));
                    };
                    let models = Models::load(&dir, &recipe, &mut warn)?;
                    let found = forecast(&recipe, &models, device, set, (ahead, recipe.evaluation.steps))?;
                    return Ok((Answers::Ahead(found), inputs));
                }
                model_of_run((&dir, &mut recipe, &start), device, self.steps.unwrap_or(0))?
            }
        };
        let inputs = adapted.signature().inputs(&self.input)?;
        Ok((adapted.predict(device, &inputs, ahead)?, inputs))
    }
}
