//! From a recipe as typed to a resolved one: defaults, and checks across keys.

use super::settings::{
    Control, ControlVisit, EvaluationSettings, Family, Inner, LearnedRate, ModelSettings, Outer, Recipe,
    RunSettings, Tasks,
};
use super::typed::{self, Kind};
use crate::error::{Error, Result};
use crate::meta::{Loss, OuterKind, Schedule};
use std::fmt::Display;
use std::ops::RangeInclusive;

/// More points, tasks or values than this is a slip of the finger, and would end in a failed allocation.
const MANY: usize = 1 << 20;

/// Refuses a number outside a range.
fn within<T: PartialOrd + Display + Copy>(key: &str, value: T, allowed: RangeInclusive<T>) -> Result<T> {
    if allowed.contains(&value) {
        Ok(value)
    } else {
        let (low, high) = (allowed.start(), allowed.end());
        Err(Error::recipe(key, format!("is {value}; allowed are {low} to {high}")))
    }
}

/// Refuses a number that is not finite and positive (or zero, where that is allowed).
fn positive(key: &str, value: f64, zero: bool) -> Result<f64> {
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
        let name = self.name.unwrap_or_else(|| fallback_name.to_owned());
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if name.is_empty() || name.len() > 100 || name.starts_with('.') || !name.chars().all(plain) {
            let reason = format!(
                "is `{name}`; allowed are letters, digits, `-`, `_` and `.`, since it names a directory"
            );
            return Err(Error::recipe("name", reason));
        }
        let seed = within("seed", self.seed.unwrap_or(0), 0..=i64::MAX as u64)?;
        let task = self.task.resolve()?;
        let model = self.model.resolve(&task)?;
        let inner = self.inner.resolve(&task)?;
        let outer = self.outer.resolve()?;
        let control = self.control.resolve(&task, &inner, &outer)?;
        let evaluation = self.evaluation.resolve(&task)?;
        let run = RunSettings {
            checkpoint_every: self.run.checkpoint_every.unwrap_or(10_000),
            report_every: within("run.report_every", self.run.report_every.unwrap_or(100), 1..=u64::MAX)?,
        };
        let description = self.description.unwrap_or_default();
        let recipe = Recipe { name, description, seed, task, model, inner, outer, control, evaluation, run };
        // Whatever a plan refuses is refused here, before anything else happens.
        recipe.train_plan()?;
        recipe.control_plan()?;
        Ok(recipe)
    }
}

impl typed::Task {
    fn resolve(self) -> Result<Tasks> {
        let kind = self.kind.unwrap_or_default();
        let foreign: &[(&str, bool)] = match kind {
            Kind::Sinusoid => &[
                ("series", self.series.is_some()),
                ("length", self.length.is_some()),
                ("window", self.window.is_some()),
            ],
            Kind::Series => &[
                ("amplitude", self.amplitude.is_some()),
                ("phase", self.phase.is_some()),
                ("x", self.x.is_some()),
                ("pool", self.pool.is_some()),
            ],
        };
        if let Some((key, _)) = foreign.iter().find(|(_, given)| *given) {
            let kind = if kind == Kind::Sinusoid { "sinusoid" } else { "series" };
            return Err(Error::recipe(
                format!("task.{key}"),
                format!("is not a setting of task.kind = \"{kind}\""),
            ));
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
            Kind::Series => {
                let window = within("task.window", self.window.unwrap_or(30), 1..=MANY)?;
                let least = window + support + query;
                Family::Series {
                    series: within("task.series", self.series.unwrap_or(3000), 1..=MANY)?,
                    length: within("task.length", self.length.unwrap_or(200), least..=MANY.max(least))?,
                    window,
                }
            }
        };
        if let Family::Series { series, length, .. } = family {
            within("task.series × task.length", series.saturating_mul(length), 1..=1 << 28)?;
        }
        Ok(Tasks { support, query, family })
    }
}

impl typed::Model {
    fn resolve(self, task: &Tasks) -> Result<ModelSettings> {
        let hidden = self.hidden.unwrap_or_else(|| vec![40, 40]);
        within("model.hidden (its length)", hidden.len(), 0..=64)?;
        for &width in &hidden {
            within("model.hidden", width, 1..=65_536)?;
        }
        let loss = self.loss.unwrap_or_default();
        if loss == Loss::CrossEntropy {
            let kind = match task.family {
                Family::Sinusoid { .. } => "sinusoid",
                Family::Series { .. } => "series",
            };
            let reason = format!(
                "is cross_entropy, but the targets of task.kind = \"{kind}\" are numbers, not classes; use mse"
            );
            return Err(Error::recipe("model.loss", reason));
        }
        Ok(ModelSettings {
            hidden,
            output_relu: self.output_relu.unwrap_or(false),
            init: self.init.unwrap_or_default(),
            loss,
        })
    }
}

impl typed::Inner {
    fn resolve(self, task: &Tasks) -> Result<Inner> {
        let steps = within("inner.steps", self.steps.unwrap_or(1), 0..=1000)?;
        if steps > 0 && task.support == 0 {
            let reason = format!("is 0, but inner.steps is {steps}; adaptation needs support points");
            return Err(Error::recipe("task.support", reason));
        }
        let learned_lr = self.learned_lr.unwrap_or_default();
        if steps == 0 && learned_lr != LearnedRate::None {
            return Err(Error::recipe(
                "inner.learned_lr",
                "needs inner.steps of at least 1; there is no rate to learn",
            ));
        }
        let loss_weights = self.loss_weights.unwrap_or_else(|| {
            let mut weights = vec![0.0; steps + 1];
            weights[steps] = 1.0;
            weights
        });
        if loss_weights.len() != steps + 1 {
            let reason = format!(
                "has {} numbers, but inner.steps is {steps}: {} are needed, for the losses after 0 … {steps} steps",
                loss_weights.len(),
                steps + 1
            );
            return Err(Error::recipe("inner.loss_weights", reason));
        }
        for &weight in &loss_weights {
            positive("inner.loss_weights", weight, true)?;
        }
        if loss_weights.iter().all(|&w| w == 0.0) {
            return Err(Error::recipe("inner.loss_weights", "are all 0; nothing would be learned"));
        }
        Ok(Inner {
            steps,
            lr: positive("inner.lr", self.lr.unwrap_or(0.01), true)?,
            order: self.order.unwrap_or_default(),
            adapt: self.adapt.unwrap_or_default(),
            learned_lr,
            loss_weights,
        })
    }
}

impl typed::Outer {
    fn resolve(self) -> Result<Outer> {
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
                self.iterations.unwrap_or(50_000),
                1..=u64::from(u32::MAX),
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
        let equal = task.support == task.query;
        let visit = self.visit.unwrap_or(if equal { ControlVisit::Halves } else { ControlVisit::Joint });
        if visit == ControlVisit::Halves && !equal {
            let (support, query) = (task.support, task.query);
            let reason = format!(
                "is halves, which needs as many support as query points; task.support is {support}, task.query {query}: \
                 make them equal or use joint"
            );
            return Err(Error::recipe("control.visit", reason));
        }
        Ok(Control {
            enabled: self.enabled.unwrap_or(true),
            visit,
            meta_lr: positive("control.meta_lr", self.meta_lr.unwrap_or(outer.meta_lr), false)?,
            lr: positive("control.lr", self.lr.unwrap_or(inner.lr), true)?,
        })
    }
}

impl typed::Evaluation {
    fn resolve(self, task: &Tasks) -> Result<EvaluationSettings> {
        let settings = EvaluationSettings {
            tasks: self.tasks.unwrap_or(600),
            points: self.points.unwrap_or(task.support.max(1)),
            dense: self.dense.unwrap_or(200),
            steps: self.steps.unwrap_or(10),
        };
        settings.check(task)?;
        Ok(settings)
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
        let most = match task.family {
            Family::Sinusoid { .. } => MANY,
            Family::Series { length, window, .. } => length - window - task.query,
        };
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
