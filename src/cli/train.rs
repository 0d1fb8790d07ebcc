//! `train`: a whole run, from a recipe to pictures.

use super::device::{DeviceArguments, Opened};
use super::failure::{Failure, Outcome, note};
use super::memory;
use super::out::Out;
use super::progress::{Meter, time};
use super::series::SeriesArguments;
use super::table;
use super::tabular::TableArguments;
use fastweights::meta::{Backend, Schedule};
use fastweights::recipe::{ControlVisit, Recipe, parse_setting};
use fastweights::run::{Ending, Experiment, Models, Report, RunDir, Seconds, draw_all, judge};
use fastweights::{Error, Result};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Meta-train a recipe and its control, compare both on new tasks, draw pictures.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// A recipe's name (see `recipes`) or a TOML file [default: sinusoid]
    recipe: Option<String>,
    /// Change a setting, e.g. --set inner.steps=5; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// The seed of all draws
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    #[arg(value_parser = clap::value_parser!(u64).range(..=i64::MAX as u64))]
    seed: Option<u64>,
    /// Meta-iterations; with --resume, how many in all
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    steps: Option<u64>,
    /// The run's directory, which must not exist [default: runs/<recipe>-<n>]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    table: TableArguments,
    #[command(flatten)]
    device: DeviceArguments,
    /// Most memory to take, e.g. 2GB: what does not fit is computed again, or in parts (run.max_memory)
    #[arg(long, value_name = "SIZE", conflicts_with = "resume")]
    max_memory: Option<String>,
    /// Go on with a run from its newest checkpoint
    #[arg(long, value_name = "RUN", conflicts_with_all = ["recipe", "set", "seed", "out"])]
    resume: Option<PathBuf>,
    /// Stop after this many meta-iterations, for --resume to go on
    #[arg(long, value_name = "N")]
    stop_at: Option<u64>,
    /// The directory of image sets [default: FASTWEIGHTS_DATA, or the user's own]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    #[command(flatten)]
    series: SeriesArguments,
    /// Print the result as one JSON object
    #[arg(long)]
    json: bool,
    /// No progress
    #[arg(long, short)]
    quiet: bool,
}

pub(super) fn run(arguments: &Arguments, out: &mut Out) -> Outcome {
    let (mut recipe, resumed) = arguments.recipe()?;
    if let Some(path) = &arguments.out {
        RunDir::check_free(path)?;
    }
    recipe.load_data(arguments.data.as_deref())?;
    arguments.table.check(&recipe)?;
    if let Some(dir) = &resumed
        && dir.is_finished(recipe.outer.iterations)?
    {
        return arguments.finished(&recipe, dir, out);
    }
    let memory = recipe.run.max_memory.map(|size| size.as_u64());
    let device = arguments.device.open(memory)?;
    arguments.say(format!("device: {} ({})", device.backend.name(), device.why));
    let cpu = arguments.device.cpu(memory);
    let mut experiment = arguments.set_up(&recipe, resumed.as_ref(), &device, &cpu)?;
    // Nothing was written up to here.
    let dir = match (resumed, &arguments.out) {
        (Some(dir), _) => dir,
        (None, Some(path)) => RunDir::create(path)?,
        (None, None) => RunDir::numbered("runs", &recipe.name)?,
    };
    dir.write_recipe(&recipe)?;
    let from = match experiment.iteration() {
        0 => String::new(),
        done => format!(", from meta-iteration {done}"),
    };
    arguments.say(format!("run: {} ({}, seed {}{from})", dir.path().display(), recipe.name, recipe.seed));
    match arguments.train(&mut experiment, &dir, &*device.backend)? {
        Ending::Stopped => arguments.stopped(&experiment, &dir, out),
        Ending::Finished => arguments.report(&mut experiment, &dir, &device, out),
    }
}

impl Arguments {
    /// A line of what goes on.
    fn say(&self, line: String) {
        if !self.quiet {
            note(&line);
        }
    }

    /// The training, once all is known to fit.
    fn set_up<'a>(
        &self,
        recipe: &Recipe,
        resumed: Option<&RunDir>,
        device: &'a Opened,
        cpu: &'a dyn Backend,
    ) -> Result<Experiment<'a>> {
        let forecast = device.backend.forecast(&recipe.train_plan()?)?;
        let mebibytes = forecast.bytes.div_ceil(1 << 20);
        self.say(format!(
            "memory: {mebibytes} MiB for training, as counted before allocation ({})",
            forecast.layout
        ));
        let control_device = self.control_device(recipe, device, cpu);
        memory::check(recipe, &forecast, &*device.backend, control_device)?;
        let experiment = match resumed {
            Some(dir) => Experiment::resume(recipe.clone(), dir, &*device.backend, control_device)?,
            None => Experiment::new(recipe.clone(), &*device.backend, control_device)?,
        };
        let (done, total) = (experiment.iteration(), recipe.outer.iterations);
        if done > total {
            let reason = format!("is {total}, but the run has done {done} meta-iterations already");
            return Err(Error::recipe("--steps", reason));
        }
        Ok(experiment)
    }

    /// The control's updates on half a task are too small for a GPU.
    fn control_device<'a>(
        &self,
        recipe: &Recipe,
        device: &'a Opened,
        cpu: &'a dyn Backend,
    ) -> &'a dyn Backend {
        if recipe.control.enabled && recipe.control.visit == ControlVisit::Halves && !device.is_cpu {
            let points = recipe.task.support;
            self.say(format!(
                "control: {} (one update looks at {points} points, which cannot fill a GPU)",
                cpu.name()
            ));
            cpu
        } else {
            &*device.backend
        }
    }

    fn train(&self, experiment: &mut Experiment, dir: &RunDir, device: &dyn Backend) -> Result<Ending> {
        let interrupted = interruption()?;
        let total = experiment.recipe().outer.iterations;
        let mut meter = Meter::new(total, experiment.iteration(), self.quiet);
        let ending = experiment.run(dir, device, self.stop_at, &mut |progress| {
            meter.show(progress);
            if interrupted.load(Ordering::Relaxed) {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        meter.finish();
        ending
    }

    /// Says how to go on.
    fn stopped(&self, experiment: &Experiment, dir: &RunDir, out: &mut Out) -> Outcome {
        let (recipe, done, path) = (experiment.recipe(), experiment.iteration(), dir.path().display());
        let total = recipe.outer.iterations;
        note(&format!("stopped after {done} of {total}; go on with: fastweights train --resume {path}"));
        if self.json {
            let stopped =
                serde_json::json!({ "stopped_at": done, "iterations": total, "recipe": recipe.name });
            out.text(&json(stopped, dir)?)?;
            out.finish()?;
        }
        let asked = self.stop_at.is_some_and(|stop| done >= stop);
        if asked { Ok(()) } else { Err(Failure::Interrupted) }
    }

    /// Judges, draws and prints.
    fn report(&self, experiment: &mut Experiment, dir: &RunDir, device: &Opened, out: &mut Out) -> Outcome {
        let report = conclude(experiment, dir, device, &self.table)?;
        let Seconds { train, control, evaluation } = report.seconds;
        let control = match experiment.recipe().control.enabled {
            true => format!("control in {}, ", time(control)),
            false => String::new(),
        };
        self.say(format!("trained in {}, {control}evaluated in {}", time(train), time(evaluation)));
        if self.json {
            let report = serde_json::to_value(&report).map_err(|e| Error::failed(e.to_string()))?;
            return out.text(&json(report, dir)?);
        }
        table::print(&report, out)?;
        let path = dir.path().display();
        out.line(&format!("{path}: recipe, metrics, checkpoints, evaluation.json, plots/"))
    }

    /// The resolved recipe, and the run to go on with.
    fn recipe(&self) -> Result<(Recipe, Option<RunDir>)> {
        let mut settings = Vec::new();
        settings.extend(self.series.settings());
        for text in &self.set {
            settings.push(parse_setting(text)?);
        }
        for (key, value) in [("seed", self.seed), ("outer.iterations", self.steps)] {
            if let Some(value) = value {
                settings.push(parse_setting(&format!("{key}={value}"))?);
            }
        }
        if let Some(size) = &self.max_memory {
            settings.push(parse_setting(&format!("run.max_memory=\"{size}\""))?);
        }
        settings.extend(self.table.settings());
        let Some(path) = &self.resume else {
            return Ok((Recipe::load(self.recipe.as_deref().unwrap_or("sinusoid"), &settings)?, None));
        };
        let dir = RunDir::open(path)?;
        let before = dir.recipe()?;
        let recipe = Recipe::read(dir.path().join("recipe.toml"), &settings)?;
        let longer = recipe.outer.iterations != before.outer.iterations;
        if longer && recipe.outer.schedule != Schedule::Constant {
            let reason = format!(
                "cannot change a run whose outer.schedule runs down to zero at {} meta-iterations",
                before.outer.iterations
            );
            return Err(Error::recipe("--steps", reason));
        }
        Ok((recipe, Some(dir)))
    }

    /// A run that is through is left as it is.
    fn finished(&self, recipe: &Recipe, dir: &RunDir, out: &mut Out) -> Outcome {
        let (path, done) = (dir.path().display(), recipe.outer.iterations);
        self.table.check_finished(&path.to_string())?;
        if !self.quiet {
            note(&format!(
                "{path} is finished, after {done} meta-iterations; --steps N goes on to more, and `eval {path}` \
                 judges it anew"
            ));
        }
        if !self.json {
            return Ok(());
        }
        let file = dir.evaluation();
        let text =
            std::fs::read_to_string(&file).map_err(|e| Error::file_caused(&file, "cannot be read", e))?;
        let report =
            serde_json::from_str(&text).map_err(|e| Error::file_caused(&file, "is not as expected", e))?;
        out.text(&json(report, dir)?)
    }
}

/// Evaluates and draws a finished training.
fn conclude(
    experiment: &mut Experiment,
    dir: &RunDir,
    device: &Opened,
    table: &TableArguments,
) -> Result<Report> {
    let recipe = experiment.recipe().clone();
    // Where there are trials, the best checkpoint is judged, else the last.
    let models =
        if recipe.validation.every > 0 { Models::load(dir, &recipe)? } else { experiment.models()? };
    let mut judged = judge(&recipe, &recipe.evaluation, &models, &*device.backend, None)?;
    let (train, control) = experiment.times();
    (judged.report.seconds.train, judged.report.seconds.control) = (train, control);
    dir.write_report(&judged.report)?;
    table.write_predictions(dir, &recipe, &models, &*device.backend)?;
    draw_all(dir, &recipe, &models, &judged, &*device.backend)?;
    dir.finish(experiment)?;
    Ok(judged.report)
}

/// A result with the run's place, as one line.
fn json(mut value: serde_json::Value, dir: &RunDir) -> Result<String> {
    value["run"] = serde_json::Value::String(dir.path().display().to_string());
    Ok(serde_json::to_string(&value).map_err(|e| Error::failed(e.to_string()))? + "\n")
}

/// Set when the user presses Ctrl-C, so that a checkpoint can still be written; a second one ends at once.
fn interruption() -> Result<Arc<AtomicBool>> {
    let flag = Arc::new(AtomicBool::new(false));
    let set = Arc::clone(&flag);
    ctrlc::set_handler(move || {
        if set.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
    })
    .map_err(|e| Error::failed(format!("Ctrl-C cannot be handled: {e}")))?;
    Ok(flag)
}
