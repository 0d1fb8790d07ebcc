//! `train`: a whole run, from a recipe to pictures.

use super::device::DeviceArguments;
use super::failing;
use super::failure::{Failure, Outcome, note, warn};
use super::fields::FieldArguments;
use super::flags::{as_typed, of_setting};
use super::memory;
use super::numbers::number;
use super::out::Out;
use super::progress::{Meter, best_trial, time};
use super::series::SeriesArguments;
use super::signals::Signals;
use super::table;
use super::tabular::TableArguments;
use super::training::TrainingArguments;
use super::way_on::{Place, remove, resume, took_no_step, way_on};
use fastweights::backend::Opened;
use fastweights::meta::{Backend, Schedule};
use fastweights::recipe::{ControlVisit, Recipe, parse_setting};
use fastweights::run::{Ending, EventFile, Experiment, Recovery, RunDir, Seconds, conclude};
use fastweights::{Error, Result};
use std::ops::ControlFlow;
use std::path::PathBuf;

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
    #[command(flatten)]
    training: TrainingArguments,
    /// Where the device fails, open it anew and go on from the newest checkpoint
    #[arg(long)]
    recover: bool,
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
    #[command(flatten)]
    fields: FieldArguments,
    /// Print the result as one JSON object
    #[arg(long)]
    json: bool,
    /// No progress
    #[arg(long, short)]
    quiet: bool,
}

pub(super) fn run(arguments: &Arguments, out: &mut Out) -> Outcome {
    let flags = arguments.flags();
    let (mut recipe, resumed) = arguments.recipe().map_err(|error| as_typed(error, &flags))?;
    if let Some(path) = &arguments.out {
        RunDir::check_free(path)?;
    }
    recipe.load_data(arguments.data.as_deref()).map_err(|error| as_typed(error, &flags))?;
    arguments.table.check(&recipe)?;
    if arguments.data.is_some() && recipe.data().is_none() && recipe.field().is_none() {
        let reason =
            format!("is the directory of image sets; the tasks of `{}` are made of none", recipe.name);
        return Err(Error::recipe("--data", reason).into());
    }
    // Said also where progress is not: what was made of a file may not be what was meant.
    recipe.notes().iter().for_each(|line| note(line));
    let mut place = match resumed {
        Some(dir) => match dir.finished(&recipe)? {
            Some(done) => return arguments.finished(done, &dir, out),
            None => Some(Place { _lock: dir.lock()?, dir }),
        },
        None => None,
    };
    let is_new = place.is_none();
    let signals = Signals::take()?;
    let mut recovery = Recovery::default();
    loop {
        let ended = arguments.attempt(&recipe, &mut place, &signals, out);
        // Before there is a directory nothing was written.
        let (Err(Failure::Error(error)), Some(Place { dir, .. })) = (&ended, &place) else { return ended };
        let newest = dir.resumable(&recipe).ok().and_then(|steps| steps.last().copied());
        if took_no_step(error, is_new, newest) {
            return ended.map_err(|failure| failure.of_run(remove(place)));
        }
        if !(arguments.recover && recovery.takes(error, newest)) {
            let way_on = way_on(error, dir, newest);
            return ended.map_err(|failure| failure.of_run(way_on));
        }
        warn(error);
        note(&format!("the device is opened anew, to go on from meta-iteration {}", newest.unwrap_or(0)));
    }
}

impl Arguments {
    /// Settings that were given by flags.
    fn flags(&self) -> Vec<(String, String)> {
        let settings = [self.series.settings(), self.table.settings()].concat();
        let mut flags: Vec<_> = settings.iter().map(|(key, _)| of_setting(key)).collect();
        flags.extend(self.fields.settings().into_iter().map(|(flag, key, _)| (key, flag.to_owned())));
        for (key, flag, given) in
            [("seed", "--seed", self.seed.is_some()), ("outer.iterations", "--steps", self.steps.is_some())]
        {
            flags.extend(given.then(|| (key.to_owned(), flag.to_owned())));
        }
        flags
    }

    /// A line of what goes on.
    fn say(&self, line: String) {
        if !self.quiet {
            note(&line);
        }
    }

    /// Trains from the start or from the newest checkpoint, as far as the device goes.
    fn attempt(
        &self,
        recipe: &Recipe,
        place: &mut Option<Place>,
        signals: &Signals,
        out: &mut Out,
    ) -> Outcome {
        let memory = recipe.run.max_memory.map(|size| size.as_u64());
        let asked = || signals.asked();
        let mut device = self.device.open(memory)?;
        device.backend = failing::as_asked(device.backend);
        self.say(format!("device: {} ({})", device.backend.name(), device.why));
        let cpu = self.device.cpu(memory);
        let before = place.as_ref().map(|place| &place.dir);
        let mut experiment = self.set_up(recipe, before, &device, &cpu)?;
        experiment.listen(&asked);
        // Of a new run nothing was written up to here.
        let place = match place {
            Some(place) => place,
            None => {
                let dir = match &self.out {
                    Some(path) => RunDir::create(path)?,
                    None => RunDir::numbered("runs", &recipe.name)?,
                };
                place.insert(Place { _lock: dir.lock()?, dir })
            }
        };
        let dir = &place.dir;
        dir.begin(recipe, device.backend.name(), experiment.iteration())?;
        signals.set_way_on(resume(dir));
        let from = match experiment.iteration() {
            0 => String::new(),
            done => format!(", from meta-iteration {done}"),
        };
        self.say(format!("run: {} ({}, seed {}{from})", dir.path().display(), recipe.name, recipe.seed));
        match self.train(&mut experiment, dir, &*device.backend, signals)? {
            Ending::Stopped => return self.stopped(&experiment, dir, out),
            Ending::Early => self.say(format!(
                "no better trial for {} meta-iterations: training ends after {}",
                recipe.validation.patience,
                experiment.iteration()
            )),
            Ending::Finished => {}
        }
        self.report(&mut experiment, dir, &device, out)
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
            Some(dir) => {
                Experiment::resume(recipe.clone(), dir, &*device.backend, control_device, &mut warn)?
            }
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

    fn train(
        &self,
        experiment: &mut Experiment,
        dir: &RunDir,
        device: &dyn Backend,
        signals: &Signals,
    ) -> Result<Ending> {
        let total = experiment.recipe().outer.iterations;
        let mut meter = Meter::new(total, experiment.iteration(), self.quiet);
        let mut events = match experiment.recipe().run.tensorboard {
            true => Some(EventFile::resume(dir, experiment.iteration())?),
            false => None,
        };
        let mut unwritten = None;
        let ending = signals.watched(|| {
            experiment.run(dir, device, self.stop_at, &mut |progress| {
                meter.show(progress);
                unwritten = events.as_mut().and_then(|events| events.add(progress).err());
                let end = signals.asked() || unwritten.is_some();
                if end { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })
        });
        meter.finish();
        if let Some(error) = unwritten {
            return Err(error);
        }
        let ending = ending?;
        events.map_or(Ok(()), |events| events.close(dir))?;
        Ok(ending)
    }

    /// Says how to go on.
    fn stopped(&self, experiment: &Experiment, dir: &RunDir, out: &mut Out) -> Outcome {
        let (recipe, done) = (experiment.recipe(), experiment.iteration());
        let total = recipe.outer.iterations;
        note(&format!("stopped after {done} of {total}; go on with: {}", resume(dir)));
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
        let (report, predictions) = conclude(experiment, dir, &*device.backend, &mut warn)?;
        self.table.write_predictions(predictions.as_ref())?;
        let Seconds { train, control, evaluation } = report.seconds;
        let control = match experiment.recipe().control.enabled {
            true => format!("control in {}, ", time(control)),
            false => String::new(),
        };
        self.say(format!("trained in {}, {control}evaluated in {}", time(train), time(evaluation)));
        best_trial(dir)?.into_iter().for_each(|line| self.say(line));
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
        settings.extend(self.fields.settings().into_iter().map(|(_, key, value)| (key, value)));
        for text in &self.set {
            settings.push(parse_setting(text)?);
        }
        for (key, value) in [("seed", self.seed), ("outer.iterations", self.steps)] {
            if let Some(value) = value {
                settings.push(parse_setting(&format!("{key}={value}"))?);
            }
        }
        settings.extend(self.training.settings()?);
        settings.extend(self.table.settings());
        let Some(path) = &self.resume else {
            return Ok((Recipe::load(self.recipe.as_deref().unwrap_or("sinusoid"), &settings)?, None));
        };
        let dir = RunDir::open(path)?;
        let before = dir.recipe()?;
        let recipe = dir.recipe_with(&settings)?;
        if recipe.trials_cost() && (before.validation.every > 0) != (recipe.validation.every > 0) {
            let [was, is] = [&before, &recipe].map(|recipe| recipe.validation.every);
            let reason = format!(
                "was {was}, is {is}: trials take away from what is learned from, so a run has them from its start or never; \
                 train it as a new run: fastweights train {} --validate-every {is}",
                dir.recipe_file().display()
            );
            return Err(Error::recipe("--validate-every", reason));
        }
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
    fn finished(&self, done: u64, dir: &RunDir, out: &mut Out) -> Outcome {
        let path = dir.path().display();
        self.table.check_finished(&path.to_string())?;
        if !self.quiet {
            note(&format!(
                "{path} is finished, after {done} meta-iterations; --steps N goes on to more, and `eval {path}` \
                 judges it anew"
            ));
        }
        let file = dir.evaluation();
        let text =
            std::fs::read_to_string(&file).map_err(|e| Error::file_caused(&file, "cannot be read", e))?;
        let report: serde_json::Value =
            serde_json::from_str(&text).map_err(|e| Error::file_caused(&file, "is not as expected", e))?;
        if self.json {
            return out.text(&json(report, dir)?);
        }
        let last =
            |key: &str| report["learners"]["maml"][key].as_array().and_then(|values| values.last()?.as_f64());
        let (metric, steps) =
            (report["metric"].as_str().unwrap_or("result"), report["steps"].as_array().map_or(0, Vec::len));
        let mean = last("mean").map_or_else(|| "not finite".to_owned(), number);
        out.line(&format!(
            "{path}: finished after {done} meta-iterations; {metric} {mean} after {} steps (evaluation.json)",
            steps.saturating_sub(1)
        ))
    }
}

/// A result with the run's place, as one line.
fn json(mut value: serde_json::Value, dir: &RunDir) -> Result<String> {
    value["run"] = serde_json::Value::String(dir.path().display().to_string());
    Ok(serde_json::to_string(&value).map_err(|e| Error::failed(e.to_string()))? + "\n")
}
