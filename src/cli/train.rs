//! `train`: a whole run, from a recipe to pictures.

use super::device::DeviceArguments;
use super::failing;
use super::failure::{Failure, Outcome, note, warn};
use super::fields::FieldArguments;
use super::flags::{as_typed, of_setting};
use super::memory;
use super::out::Out;
use super::passport::Passport;
use super::progress::{Meter, best_trial, time};
use super::series::SeriesArguments;
use super::sharing::SharingArguments;
use super::signals::Signals;
use super::table;
use super::tabular::TableArguments;
use super::team::Team;
use super::training::TrainingArguments;
use super::way_on::{Place, finished, json, remove, resume, took_no_step, way_on};
use fastweights::backend::Opened;
use fastweights::meta::{Backend, Schedule};
use fastweights::recipe::{ControlVisit, Recipe, parse_setting};
use fastweights::run::{Ending, EventFile, Experiment, Recovery, RunDir, Seconds, conclude};
use fastweights::{Error, Result};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// Meta-train a recipe and its control, compare both on new tasks, draw pictures.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Arguments {
    /// A recipe's name (see `recipes`) or a TOML file [default: sinusoid]
    recipe: Option<String>,
    /// Change a setting, e.g. --set inner.steps=5; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// The seed of all draws
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    #[arg(value_parser = clap::value_parser!(u64).range(..=i64::MAX as u64))]
    pub(super) seed: Option<u64>,
    /// Meta-iterations; with --resume, how many in all
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    steps: Option<u64>,
    /// The run's directory, which must not exist [default: runs/<recipe>-<n>]
    #[arg(long, value_name = "DIR")]
    pub(super) out: Option<PathBuf>,
    #[command(flatten)]
    table: TableArguments,
    #[command(flatten)]
    pub(super) device: DeviceArguments,
    #[command(flatten)]
    pub(super) sharing: SharingArguments,
    /// Train a run for each of these seeds, e.g. 0..9, one after the other or shared out among processes, and sum them up
    #[arg(long, value_name = "SEEDS", conflicts_with_all = ["seed", "resume", "stop_at"])]
    pub(super) seeds: Option<String>,
    #[command(flatten)]
    training: TrainingArguments,
    /// Where the device fails, open it anew and go on from the newest checkpoint
    #[arg(long, conflicts_with = "mpi")]
    recover: bool,
    /// Go on with a run from its newest checkpoint
    #[arg(long, value_name = "RUN", conflicts_with_all = ["recipe", "set", "seed", "out"])]
    pub(super) resume: Option<PathBuf>,
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
    pub(super) json: bool,
    /// No progress
    #[arg(long, short)]
    quiet: bool,
}

/// One run.
pub(super) fn one(arguments: &Arguments, (team, signals): (&Team, &Signals), out: &mut Out) -> Outcome {
    let (recipe, resumed) = team.agree(arguments.loaded(team))?;
    // Said also where progress is not: what was made of a file may not be what was meant.
    recipe.notes().iter().for_each(|line| note(line));
    let done = resumed.as_ref().map_or(Ok(None), |dir| dir.finished(&recipe));
    let done = team.agree(done)?;
    if !team.of_first(&[u8::from(done.is_some())])?.contains(&0) {
        return match (done, &resumed) {
            (Some(done), Some(dir)) => {
                arguments.table.check_finished(&dir.path().display().to_string())?;
                finished(done, dir, (arguments.json, arguments.quiet), out)
            }
            _ => Ok(()),
        };
    }
    let place = resumed.map(|dir| Ok(Place { _lock: dir.lock()?, dir })).transpose();
    let mut place = team.agree(place)?;
    let is_new = place.is_none();
    let mut recovery = Recovery::default();
    loop {
        let ended = arguments.attempt(&recipe, &mut place, (team, signals), out);
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
    /// The recipe with its data, and the run to go on with. Only the first process looks into a run's directory.
    fn loaded(&self, team: &Team) -> Result<(Recipe, Option<RunDir>)> {
        let flags = self.flags();
        let typed = |error| as_typed(error, &flags);
        let (mut recipe, resumed) = match &self.resume {
            Some(_) if team.members() > 1 => {
                let own = if team.is_first() { self.recipe().map(Some) } else { Ok(None) };
                let own = team.agree(own.map_err(typed))?;
                let text = own.as_ref().map_or_else(|| Ok(String::new()), |(recipe, _)| recipe.to_toml())?;
                let text = team.of_first(text.as_bytes())?;
                match own {
                    Some(own) => own,
                    None => (Recipe::parse(&String::from_utf8_lossy(&text), "the run's recipe", &[])?, None),
                }
            }
            _ => self.recipe().map_err(typed)?,
        };
        if let Some(path) = self.out.as_ref().filter(|_| team.is_first()) {
            RunDir::check_free(path)?;
        }
        recipe.load_data(self.data.as_deref()).map_err(typed)?;
        self.table.check(&recipe)?;
        if self.data.is_some() && recipe.data().is_none() && recipe.field().is_none() {
            let reason =
                format!("is the directory of image sets; the tasks of `{}` are made of none", recipe.name);
            return Err(Error::recipe("--data", reason));
        }
        self.sharing.check(&recipe, team)?;
        Ok((recipe, resumed))
    }

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
        (team, signals): (&Team, &Signals),
        out: &mut Out,
    ) -> Outcome {
        let memory = recipe.run.max_memory.map(|size| size.as_u64());
        let asked = || signals.asked();
        let opened = self.sharing.cpu(&self.device, memory, team).and_then(|cpu| {
            let (device, kind) = self.sharing.open(&self.device, &cpu, memory, team)?;
            Ok((cpu, device, Passport::of_run(recipe, kind)?))
        });
        let (cpu, mut device, passport) = team.agree(opened)?;
        team.meet(&passport)?;
        device.backend = failing::as_asked(device.backend);
        self.say(format!("device: {} ({})", device.backend.name(), device.why));
        let before = place.as_ref().map(|place| &place.dir);
        let mut experiment = team.agree(self.set_up(recipe, before, &device, &cpu))?;
        experiment.listen(&asked);
        if let Some(exchange) = team.exchange() {
            experiment.join(exchange)?;
        }
        // Of a new run nothing was written up to here.
        if place.is_none() && team.is_first() {
            *place = Some(self.place(recipe)?);
        }
        let dir = place.as_ref().map(|place| &place.dir);
        if let Some(dir) = dir {
            self.begin(recipe, dir, &device, experiment.iteration())?;
            signals.set_way_on(resume(dir));
        }
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

    /// The directory of a new run.
    fn place(&self, recipe: &Recipe) -> Result<Place> {
        let dir = match &self.out {
            Some(path) => RunDir::create(path)?,
            None => RunDir::numbered("runs", &recipe.name)?,
        };
        Ok(Place { _lock: dir.lock()?, dir })
    }

    fn begin(&self, recipe: &Recipe, dir: &RunDir, device: &Opened, done: u64) -> Result<()> {
        dir.begin(recipe, device.backend.name(), done)?;
        let from = if done == 0 { String::new() } else { format!(", from meta-iteration {done}") };
        self.say(format!("run: {} ({}, seed {}{from})", dir.path().display(), recipe.name, recipe.seed));
        Ok(())
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
        dir: Option<&RunDir>,
        device: &dyn Backend,
        signals: &Signals,
    ) -> Result<Ending> {
        let total = experiment.recipe().outer.iterations;
        let mut meter = Meter::new(total, experiment.iteration(), self.quiet || dir.is_none());
        let mut events = match dir.filter(|_| experiment.recipe().run.tensorboard) {
            Some(dir) => Some(EventFile::resume(dir, experiment.iteration())?),
            None => None,
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
        let ending = unwritten.map_or(ending, Err)?;
        if let (Some(events), Some(dir)) = (events, dir) {
            events.close(dir)?;
        }
        Ok(ending)
    }

    /// Says how to go on.
    fn stopped(&self, experiment: &Experiment, dir: Option<&RunDir>, out: &mut Out) -> Outcome {
        let (recipe, done) = (experiment.recipe(), experiment.iteration());
        let total = recipe.outer.iterations;
        if let Some(dir) = dir {
            note(&format!("stopped after {done} of {total}; go on with: {}", resume(dir)));
        }
        if let Some(dir) = dir.filter(|_| self.json) {
            let stopped =
                serde_json::json!({ "stopped_at": done, "iterations": total, "recipe": recipe.name });
            out.text(&json(stopped, dir)?)?;
            out.finish()?;
        }
        let asked = self.stop_at.is_some_and(|stop| done >= stop);
        if asked { Ok(()) } else { Err(Failure::Interrupted) }
    }

    /// Judges, draws and prints.
    fn report(
        &self,
        experiment: &mut Experiment,
        dir: Option<&RunDir>,
        device: &Opened,
        out: &mut Out,
    ) -> Outcome {
        let (report, predictions) = conclude(experiment, dir, &*device.backend, &mut warn)?;
        let Some(dir) = dir else { return Ok(()) };
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

    /// Has it go on with a run.
    pub(super) fn go_on(&mut self, run: &Path) {
        (self.resume, self.recipe, self.seed, self.out) = (Some(run.to_owned()), None, None, None);
        self.set.clear();
    }

    /// The resolved recipe, and the run to go on with.
    pub(super) fn recipe(&self) -> Result<(Recipe, Option<RunDir>)> {
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
}
