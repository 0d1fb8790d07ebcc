//! From a recipe as typed to a resolved one: defaults, and checks across keys.

use super::data::GLYPHS;
use super::series::SeriesSource;
use super::settings::{
    Control, ControlVisit, EvaluationSettings, Family, Images, Inner, ModelSettings, Network, Outer, Recipe,
    RunSettings, Tasks, Validation,
};
use super::table::{TableSettings, TableTasks};
use super::table_rows::Loaded;
use super::typed::{self, Kind};
use crate::data::check_name;
use crate::error::{Error, Result};
use crate::meta::{Loss, MetaGradient, OuterKind, Schedule};
use crate::model::Init;
use std::fmt::Display;
use std::ops::RangeInclusive;

/// More points, tasks or values than this is a slip of the finger, and would end in a failed allocation.
pub(super) const MANY: usize = 1 << 20;

/// Refuses a number outside a range.
pub(super) fn within<T: PartialOrd + Display + Copy>(
    key: &str,
    value: T,
    allowed: RangeInclusive<T>,
) -> Result<T> {
    if allowed.contains(&value) {
        Ok(value)
    } else {
        let (low, high) = (allowed.start(), allowed.end());
        Err(Error::recipe(key, format!("is {value}; allowed are {low} to {high}")))
    }
}

/// Refuses a number that is not finite and positive (or zero, where that is allowed).
pub(super) fn positive(key: &str, value: f64, zero: bool) -> Result<f64> {
    // Compared as float32, since that is what devices compute in.
    if (value as f32).is_finite() && (value as f32 > 0.0 || (zero && value == 0.0)) {
        Ok(value)
    } else {
        let or_zero = if zero { " or 0" } else { "" };
        Err(Error::recipe(key, format!("is {value}; a finite number above 0{or_zero} is needed")))
    }
}

fn range(key: &str, [low, high]: [f64; 2]) -> Result<[f64; 2]> {
    if low <= high && low.abs() <= 1e4 && high.abs() <= 1e4 {
        Ok([low, high])
    } else {
        let reason =
            format!("is [{low}, {high}]; [low, high] with low ≤ high, both within ±10000, is needed");
        Err(Error::recipe(key, reason))
    }
}

impl typed::Recipe {
    pub(super) fn resolve(self, fallback_name: &str) -> Result<Recipe> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        // A file may be called anything.
        let safe = || -> String {
            let name = fallback_name.trim_start_matches('.').chars().take(100);
            let name: String = name.map(|c| if plain(c) { c } else { '-' }).collect();
            if name.is_empty() { "recipe".to_owned() } else { name }
        };
        let name = self.name.unwrap_or_else(safe);
        if name.is_empty() || name.len() > 100 || name.starts_with('.') || !name.chars().all(plain) {
            let reason = format!(
                "is `{name}`; allowed are letters, digits, `-`, `_` and `.`, since it names a directory"
            );
            return Err(Error::recipe("name", reason));
        }
        let seed = within("seed", self.seed.unwrap_or(0), 0..=i64::MAX as u64)?;
        let task = self.task.resolve()?;
        let inner = self.inner.resolve(&task)?;
        let model = self.model.resolve(&task, inner.steps)?;
        let outer = self.outer.resolve(&task)?;
        let control = self.control.resolve(&task, &inner, &outer)?;
        let evaluation = self.evaluation.resolve(&task)?;
        let validation = self.validation.resolve(&task, &evaluation)?;
        let run = RunSettings {
            checkpoint_every: self.run.checkpoint_every.unwrap_or(10_000),
            report_every: within("run.report_every", self.run.report_every.unwrap_or(100), 1..=u64::MAX)?,
        };
        let description = self.description.unwrap_or_default();
        let recipe = Recipe {
            name,
            description,
            seed,
            task,
            model,
            inner,
            outer,
            control,
            validation,
            evaluation,
            run,
            images: Images::default(),
            table: Loaded::default(),
            series: Default::default(),
        };
        // Whatever a plan refuses is refused here, before anything else happens. Only what depends on imported
        // images waits until they are loaded.
        if !matches!(&recipe.task.family, Family::Table(table) if table.shape().is_err()) {
            recipe.plan()?;
        }
        if !recipe.needs_data() {
            recipe.train_plan()?;
            recipe.control_plan()?;
        }
        Ok(recipe)
    }
}

impl typed::Task {
    fn resolve(self) -> Result<Tasks> {
        let kind = self.kind.unwrap_or_default();
        let of = |owner: Kind, keys: &[(&'static str, bool)]| {
            let foreign = keys.iter().find(|(_, given)| *given && owner != kind);
            foreign.map(|(key, _)| *key)
        };
        if kind == Kind::Table
            && let Some(key) = self.not_of_tables()
        {
            let reason = "is not a setting of task.kind = \"table\"";
            return Err(Error::recipe(format!("task.{key}"), reason));
        }
        if kind == Kind::Table {
            return self.resolve_table();
        }
        let foreign = of(
            Kind::Sinusoid,
            &[
                ("amplitude", self.amplitude.is_some()),
                ("phase", self.phase.is_some()),
                ("x", self.x.is_some()),
                ("pool", self.pool.is_some()),
            ],
        );
        let foreign = foreign.or(of(Kind::Series, &self.series_keys()));
        let foreign = foreign.or(of(
            Kind::Images,
            &[
                ("data", self.data.is_some()),
                ("data_sha256", self.data_sha256.is_some()),
                ("ways", self.ways.is_some()),
                ("shots", self.shots.is_some()),
                ("queries", self.queries.is_some()),
                ("rotations", self.rotations.is_some()),
                ("channels", self.channels.is_some()),
                ("side", self.side.is_some()),
            ],
        ));
        if let Some(key) = foreign.or(of(Kind::Table, &self.of_tables())) {
            let hint = if key == "csv" {
                "; only recipes of series read one, e.g. train series --csv FILE"
            } else {
                ""
            };
            let reason = format!("is not a setting of task.kind = \"{}\"{hint}", kind.name());
            return Err(Error::recipe(format!("task.{key}"), reason));
        }
        let support = within("task.support", self.support.unwrap_or(5), 0..=MANY)?;
        let query = within("task.query", self.query.unwrap_or(5), 1..=MANY)?;
        let family = match kind {
            Kind::Sinusoid => Family::Sinusoid {
                amplitude: range("task.amplitude", self.amplitude.unwrap_or([0.1, 5.0]))?,
                phase: range("task.phase", self.phase.unwrap_or([0.0, std::f64::consts::TAU]))?,
                x: range("task.x", self.x.unwrap_or([-5.0, 5.0]))?,
                pool: self.pool.unwrap_or(0),
            },
            Kind::Series => self.resolve_series(support + query)?,
            Kind::Images => return self.resolve_images(),
            Kind::Table => return self.resolve_table(),
        };
        Ok(Tasks { support, query, family })
    }

    fn resolve_images(self) -> Result<Tasks> {
        for (key, given) in [("support", self.support.is_some()), ("query", self.query.is_some())] {
            if given {
                let reason = "is not a setting of task.kind = \"images\", which has ways, shots and queries";
                return Err(Error::recipe(format!("task.{key}"), reason));
            }
        }
        let data = self.data.unwrap_or_else(|| GLYPHS.to_owned());
        check_name(&data).map_err(|e| Error::recipe("task.data", e.to_string()))?;
        let ways = within("task.ways", self.ways.unwrap_or(5), 2..=1024)?;
        let shots = within("task.shots", self.shots.unwrap_or(1), 1..=1024)?;
        let queries = within("task.queries", self.queries.unwrap_or(1), 1..=1024)?;
        let family = Family::Images {
            data,
            data_sha256: self.data_sha256,
            ways,
            shots,
            queries,
            rotations: self.rotations.unwrap_or(false),
            channels: within("task.channels", self.channels.unwrap_or(1), 1..=16)?,
            side: within("task.side", self.side.unwrap_or(28), 1..=1024)?,
        };
        Ok(Tasks { support: ways * shots, query: ways * queries, family })
    }
}

impl typed::Model {
    fn resolve(self, task: &Tasks, steps: usize) -> Result<ModelSettings> {
        let network = match self.layers {
            Some(_) if self.hidden.is_some() || self.output_relu.is_some() => {
                let reason = "and model.hidden or model.output_relu are two ways to say the same; keep one";
                return Err(Error::recipe("model.layers", reason));
            }
            Some(layers) => {
                within("model.layers (its length)", layers.len(), 0..=256)?;
                Network::Layers { layers }
            }
            None => {
                let hidden = self.hidden.unwrap_or_else(|| vec![40, 40]);
                within("model.hidden (its length)", hidden.len(), 0..=64)?;
                for &width in &hidden {
                    within("model.hidden", width, 1..=65_536)?;
                }
                Network::Mlp { hidden, output_relu: self.output_relu.unwrap_or(false) }
            }
        };
        let classes = task.family.is_classification();
        let natural = if classes { Loss::CrossEntropy } else { Loss::Mse };
        let loss = self.loss.unwrap_or(natural);
        if loss != natural {
            let (kind, asked, natural, what) = match classes {
                true => (task.family.kind(), "mse", "cross_entropy", "classes, not numbers"),
                false => (task.family.kind(), "cross_entropy", "mse", "numbers, not classes"),
            };
            let reason =
                format!("is {asked}, but the targets of task.kind = \"{kind}\" are {what}; use {natural}");
            return Err(Error::recipe("model.loss", reason));
        }
        // With `he` the sinusoid is learned best by one step, but several steps of the same rate run away.
        let init = self.init.unwrap_or(if steps > 1 { Init::Torch } else { Init::He });
        Ok(ModelSettings { network, init, loss })
    }
}

impl typed::Outer {
    fn resolve(self, task: &Tasks) -> Result<Outer> {
        let by_epochs = task.family.is_classification() && !task.family.is_few_shot();
        let betas = self.betas.unwrap_or([0.9, 0.999]);
        if !betas.iter().all(|b| (0.0..1.0).contains(b)) {
            let [b1, b2] = betas;
            return Err(Error::recipe("outer.betas", format!("are [{b1}, {b2}]; both must be in [0, 1)")));
        }
        Ok(Outer {
            meta_batch: within("outer.meta_batch", self.meta_batch.unwrap_or(10), 1..=MANY)?,
            // Draws are keyed by the meta-iteration in 32 bits.
            iterations: within(
                "outer.iterations",
                self.iterations.unwrap_or(if by_epochs { 0 } else { 50_000 }),
                u64::from(!by_epochs)..=u64::from(u32::MAX),
            )?,
            optimizer: self.optimizer.unwrap_or(OuterKind::Adam),
            meta_lr: positive("outer.meta_lr", self.meta_lr.unwrap_or(1e-3), false)?,
            schedule: self.schedule.unwrap_or(Schedule::Constant),
            betas,
            eps: positive("outer.eps", self.eps.unwrap_or(1e-8), false)?,
            clip_value: positive("outer.clip_value", self.clip_value.unwrap_or(0.0), true)?,
            clip_norm: positive("outer.clip_norm", self.clip_norm.unwrap_or(0.0), true)?,
        })
    }
}

impl typed::Control {
    fn resolve(self, task: &Tasks, inner: &Inner, outer: &Outer) -> Result<Control> {
        let classes = task.family.is_classification();
        let equal = task.support == task.query;
        let visit =
            self.visit.unwrap_or(if equal && !classes { ControlVisit::Halves } else { ControlVisit::Joint });
        if visit == ControlVisit::Halves && !equal {
            let (support, query) = (task.support, task.query);
            let reason = format!(
                "is halves, which needs as many support as query points; task.support is {support}, task.query {query}: \
                 make them equal or use joint"
            );
            return Err(Error::recipe("control.visit", reason));
        }
        let few_shot = task.family.is_few_shot();
        let enabled = self.enabled.unwrap_or(!few_shot);
        if few_shot && enabled {
            let reason = "is true, but a label means another class in every task: no plain network can learn them all; use false";
            return Err(Error::recipe("control.enabled", reason));
        }
        // Reptile's outer rate is a share of the way that adaptation went; no gradient can be followed at such a rate.
        let reptile = inner.order == MetaGradient::Displacement;
        let optimizer = self.optimizer.unwrap_or(if reptile { OuterKind::Adam } else { outer.optimizer });
        let same = !reptile && optimizer == outer.optimizer;
        let meta_lr = self.meta_lr.unwrap_or(if same { outer.meta_lr } else { 1e-3 });
        Ok(Control {
            enabled,
            visit,
            optimizer,
            meta_lr: positive("control.meta_lr", meta_lr, false)?,
            lr: positive("control.lr", self.lr.unwrap_or(inner.lr), true)?,
        })
    }
}

impl typed::Evaluation {
    fn resolve(self, task: &Tasks) -> Result<EvaluationSettings> {
        let by_rows = task.family.is_classification() && !task.family.is_few_shot();
        let settings = EvaluationSettings {
            tasks: self.tasks.unwrap_or(if by_rows { 1 } else { 600 }),
            points: self.points.unwrap_or(if by_rows { 1024 } else { task.support.max(1) }),
            dense: self.dense.unwrap_or(200),
            queries: match task.family {
                Family::Images { queries, .. }
                | Family::Table(TableSettings { tasks: TableTasks::FewShot { queries, .. }, .. }) => {
                    Some(self.queries.unwrap_or(queries))
                }
                _ => self.queries,
            },
            protocol: match task.family {
                Family::Series { .. } => Some(self.protocol.unwrap_or_default()),
                _ => self.protocol,
            },
            steps: self.steps.unwrap_or(10),
        };
        settings.check(task)?;
        Ok(settings)
    }
}

impl typed::Validation {
    fn resolve(self, task: &Tasks, evaluation: &EvaluationSettings) -> Result<Validation> {
        let few_shot = task.family.is_few_shot();
        let every = self.every.unwrap_or(if few_shot { 500 } else { 0 });
        if every > 0 && !few_shot {
            let reason = format!(
                "is {every}, but task.kind = \"{}\" has no validation tasks; use 0",
                task.family.kind()
            );
            return Err(Error::recipe("validation.every", reason));
        }
        Ok(Validation {
            every,
            tasks: within("validation.tasks", self.tasks.unwrap_or(200), 1..=MANY)?,
            steps: within("validation.steps", self.steps.unwrap_or(evaluation.steps), 0..=1000)?,
        })
    }
}

impl EvaluationSettings {
    /// Checks the counts, against the family of tasks as well.
    ///
    /// # Errors
    /// [`Recipe`](crate::ErrorKind::Recipe) naming the key.
    pub fn check(&self, task: &Tasks) -> Result<()> {
        within("evaluation.tasks", self.tasks, 1..=MANY)?;
        within("evaluation.dense", self.dense, 2..=100_000)?;
        within("evaluation.steps", self.steps, 0..=1000)?;
        if self.protocol.is_some() && !matches!(task.family, Family::Series { .. }) {
            let reason = format!("is not a setting of task.kind = \"{}\"", task.family.kind());
            return Err(Error::recipe("evaluation.protocol", reason));
        }
        let most = match task.family {
            Family::Sinusoid { .. } => MANY,
            Family::Series { window, source: SeriesSource::Generated { length, .. }, .. } => {
                self.most_points(task, length, window)
            }
            // What a file's series have room for is seen when they are loaded.
            Family::Series { .. } => MANY,
            Family::Table(TableSettings { tasks: TableTasks::Batches { .. }, .. }) => {
                within("evaluation.tasks", self.tasks, 1..=1)?;
                MANY
            }
            Family::Images { ways, .. }
            | Family::Table(TableSettings { tasks: TableTasks::FewShot { ways, .. }, .. }) => {
                if self.points != task.support {
                    let reason = format!(
                        "is {}, but tasks of classes are adapted on task.ways × task.shots = {}",
                        self.points, task.support
                    );
                    return Err(Error::recipe("evaluation.points", reason));
                }
                let queries = within("evaluation.queries", self.queries.unwrap_or(1), 1..=1024)?;
                // Images are drawn a few tasks at a time.
                return within(
                    "evaluation.tasks × points",
                    self.tasks.saturating_mul(ways * queries),
                    1..=1 << 28,
                )
                .map(drop);
            }
        };
        if self.queries.is_some() {
            let reason = format!("is not a setting of task.kind = \"{}\"", task.family.kind());
            return Err(Error::recipe("evaluation.queries", reason));
        }
        within("evaluation.points", self.points, 1..=most)?;
        let values = (self.tasks as u128) * (self.dense + self.points) as u128;
        if values > 1 << 28 {
            return Err(Error::recipe(
                "evaluation.tasks",
                format!("times the points a task is {values}; at most {} fit", 1 << 28),
            ));
        }
        Ok(())
    }
}
