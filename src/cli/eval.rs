//! `eval`: a finished run on new tasks, with other settings.

use super::device::DeviceArguments;
use super::failure::{Outcome, note, warn};
use super::flags::inner_rate;
use super::out::{Out, check_writable};
use super::passport::Passport;
use super::sharing::SharingArguments;
use super::table;
use super::team::Team;
use fastweights::recipe::{EvaluationSettings, Family, Protocol, Recipe};
use fastweights::run::{Models, RunDir, judge, told_models, write_atomic};
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
    #[command(flatten)]
    sharing: SharingArguments,
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
    let team = Team::join(arguments.sharing.mpi)?;
    let outcome = arguments.evaluate(&team, out);
    team.end(outcome)
}

impl Arguments {
    fn evaluate(&self, team: &Team, out: &mut Out) -> Outcome {
        let (dir, recipe, settings) = team.agree(self.loaded(team))?;
        for line in recipe.notes() {
            note(&line);
        }
        let rate = team.agree(inner_rate(self.inner_lr))?;
        let models = team.agree(dir.as_ref().map(|dir| Models::load(dir, &recipe, &mut warn)).transpose())?;
        let memory = recipe.run.max_memory.map(|size| size.as_u64());
        let opened = self.sharing.cpu(&self.device, memory, team).and_then(|cpu| {
            let (device, kind) = self.sharing.open(&self.device, &cpu, memory, team)?;
            Ok((device, Passport::of_run(&recipe, kind)?.with("--inner-lr", rate)))
        });
        let (device, passport) = team.agree(opened)?;
        team.meet(&passport)?;
        let models = told_models(models, &recipe, team.exchange().as_deref())?;
        let judged = judge(&recipe, &settings, &models, &*device.backend, rate)?;
        let Some(dir) = dir else { return Ok(()) };
        let json = judged.report.to_json()?;
        match self.json.as_deref() {
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

    /// The run, which only the first process looks into, its recipe with the data to judge on, and what is asked for.
    fn loaded(&self, team: &Team) -> Result<(Option<RunDir>, Recipe, EvaluationSettings)> {
        let open = || RunDir::open(&self.run).and_then(|dir| Ok((dir.recipe()?, dir)));
        let own = team.agree(team.is_first().then(open).transpose())?;
        let text = own.as_ref().map_or_else(|| Ok(String::new()), |(recipe, _)| recipe.to_toml())?;
        let text = team.of_first(text.as_bytes())?;
        let (mut recipe, dir) = match own {
            Some((recipe, dir)) => (recipe, Some(dir)),
            None => (Recipe::parse(&String::from_utf8_lossy(&text), "the run's recipe", &[])?, None),
        };
        self.check(&recipe)?;
        let settings = self.settings(&recipe)?;
        if team.is_first() {
            self.check_json()?;
        }
        match (&self.csv, &self.rows, &self.images) {
            (Some(csv), ..) => recipe.judge_series(csv)?,
            (_, Some(rows), _) => recipe.judge_rows(rows)?,
            (.., Some(set)) => recipe.judge_images(&set.display().to_string(), self.data.as_deref())?,
            (None, None, None) => recipe.load_data(self.data.as_deref())?,
        }
        let (tasks, ranks) = (recipe.evaluation_count(&settings), team.members());
        if ranks > tasks && ranks > 1 {
            let reason = format!("has {ranks} processes for an evaluation of {tasks} tasks; start fewer");
            return Err(Error::recipe("--mpi", reason));
        }
        // What is said of small classes is of the queries that are asked for here.
        recipe.evaluation = settings.clone();
        Ok((dir, recipe, settings))
    }

    /// The evaluation that is asked for.
    fn settings(&self, recipe: &Recipe) -> Result<EvaluationSettings> {
        let mut settings = recipe.evaluation.clone();
        for (setting, value) in [
            (&mut settings.tasks, self.tasks),
            (&mut settings.steps, self.steps),
            (&mut settings.points, self.points),
            (&mut settings.dense, self.dense),
        ] {
            *setting = value.unwrap_or(*setting);
        }
        settings.queries = self.queries.or(settings.queries);
        let protocol = self.protocol.as_deref();
        let protocol = protocol.map(|name| if name == "same" { Protocol::Same } else { Protocol::Ahead });
        settings.protocol = protocol.or(settings.protocol);
        recipe.task.check_evaluation(&settings)?;
        Ok(settings)
    }
}

impl Arguments {
    /// Refuses a file for the result that cannot be written.
    fn check_json(&self) -> Result<()> {
        let Some(path) = self.json.as_deref().filter(|path| *path != Path::new("-")) else { return Ok(()) };
        let read = [&self.csv, &self.rows].into_iter().flatten().map(PathBuf::as_path);
        check_writable(path, &read.collect::<Vec<_>>())
    }
}
