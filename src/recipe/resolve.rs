//! From a recipe as typed to a resolved one: defaults, and checks across keys.

use super::evaluation::EvaluationSettings;
use super::limits::{MANY, positive, within};
use super::settings::{
    Control, ControlVisit, Inner, ModelSettings, Network, Outer, Recipe, RunSettings, Validation,
};
use super::tasks::{Family, Tasks};
use super::typed;
use crate::error::{Error, Result};
use crate::losses::{Loss, Truth};
use crate::meta::{MetaGradient, OuterKind, Schedule};
use crate::model::Init;
use crate::task::QueryPoints;

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
        let task = Tasks::resolve(self.task)?;
        let inner = self.inner.resolve(&task)?;
        let model = self.model.resolve(&task, inner.settings.steps)?;
        let outer = self.outer.resolve(&task)?;
        let control = self.control.resolve(&task, &inner, &outer)?;
        let evaluation = self.evaluation.resolve(&task)?;
        let validation = self.validation.resolve(&task, &evaluation)?;
        let run = RunSettings {
            checkpoint_every: self.run.checkpoint_every.unwrap_or(10_000),
            report_every: within("run.report_every", self.run.report_every.unwrap_or(100), 1..=u64::MAX)?,
            keep: self.run.keep.unwrap_or(0),
            on_nonfinite: self.run.on_nonfinite.unwrap_or_default(),
            tensorboard: self.run.tensorboard.unwrap_or(false),
            max_memory: self.run.max_memory,
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
        };
        // Whatever a plan refuses is refused here, before anything else happens. Only what depends on data waits until they
        // are loaded.
        if recipe.task.family.as_kind().shape().is_ok() {
            recipe.plan()?;
        }
        if !recipe.needs_data() {
            recipe.check_plans()?;
        }
        Ok(recipe)
    }
}

impl typed::Model {
    fn resolve(self, task: &Tasks, steps: usize) -> Result<ModelSettings> {
        let (input, init, asked) = (self.input, self.init, self.loss);
        let network = self.network()?;
        let classes = task.family.is_classification();
        let loss = asked.unwrap_or(if classes { Loss::cross_entropy() } else { Loss::mse() });
        if (loss.truth() == Truth::Class) != classes {
            let (kind, asked) = (task.family.kind(), loss.name());
            let (what, fitting) = match classes {
                true => ("classes, not numbers", "cross_entropy"),
                false => ("numbers, not classes", "mse, huber or, from 0 to 1, bce_with_logits"),
            };
            let reason =
                format!("is {asked}, but the targets of task.kind = \"{kind}\" are {what}; use {fitting}");
            return Err(Error::recipe("model.loss", reason));
        }
        if matches!(task.family, Family::Field(_)) && loss != Loss::mse() {
            let reason = format!(
                "is {}, but how well a field fits is told by the mean squared error; use mse",
                loss.name()
            );
            return Err(Error::recipe("model.loss", reason));
        }
        loss.check()?;
        // With `he` the sinusoid is learned best by one step, but several steps of the same rate run away.
        let usual = match &network {
            Network::Preset(preset) => preset.init(),
            Network::Layers { .. } => None,
        };
        let init = init.or(usual).unwrap_or(if steps > 1 { Init::Torch } else { Init::He });
        Ok(ModelSettings { input, network, init, loss })
    }
}

impl typed::Outer {
    fn resolve(self, task: &Tasks) -> Result<Outer> {
        let by_epochs = task.family.as_kind().counts_epochs();
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
        let classes = task.family.is_classification() || task.family.as_kind().counts_epochs();
        let equal = task.support == task.query;
        let usual = match &task.family {
            Family::Field(field) => match field.query_points {
                QueryPoints::Same => ControlVisit::Query,
                QueryPoints::Others => ControlVisit::Joint,
            },
            Family::Sinusoid(_) | Family::Series(_) | Family::Images(_) | Family::Table(_) => {
                if equal && !classes { ControlVisit::Halves } else { ControlVisit::Joint }
            }
        };
        let visit = self.visit.unwrap_or(usual);
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
        let reptile = inner.settings.order == MetaGradient::Displacement;
        let optimizer = self.optimizer.unwrap_or(if reptile { OuterKind::Adam } else { outer.optimizer });
        let same = !reptile && optimizer == outer.optimizer;
        let meta_lr = self.meta_lr.unwrap_or(if same { outer.meta_lr } else { 1e-3 });
        Ok(Control {
            enabled,
            visit,
            optimizer,
            meta_lr: positive("control.meta_lr", meta_lr, false)?,
            lr: positive("control.lr", self.lr.unwrap_or(inner.settings.lr), true)?,
        })
    }
}

impl typed::Evaluation {
    fn resolve(self, task: &Tasks) -> Result<EvaluationSettings> {
        let usual = task.family.as_kind().usual(task.support);
        let settings = EvaluationSettings {
            tasks: self.tasks.unwrap_or(usual.tasks),
            points: self.points.unwrap_or(usual.points),
            dense: self.dense.unwrap_or(200),
            queries: self.queries.or(usual.queries),
            protocol: self.protocol.or(usual.protocol),
            steps: self.steps.unwrap_or(10),
        };
        task.check_evaluation(&settings)?;
        Ok(settings)
    }
}

impl typed::Validation {
    fn resolve(self, task: &Tasks, evaluation: &EvaluationSettings) -> Result<Validation> {
        let few_shot = task.family.is_few_shot();
        let every = self.every.unwrap_or(if few_shot { 500 } else { 0 });
        let tasks = if few_shot { 200 } else { evaluation.tasks.min(200) };
        let rows = !task.family.as_kind().holds_out_tasks();
        // A table predicts as it was meta-trained, unless it is told to adapt first.
        let steps = if rows { 0 } else { evaluation.steps };
        let patience = self.patience.unwrap_or(0);
        if patience > 0 && every == 0 {
            let reason = format!(
                "is {patience}, but without trials (validation.every = 0) nothing can be waited for; use 0"
            );
            return Err(Error::recipe("validation.patience", reason));
        }
        Ok(Validation {
            every,
            patience,
            tasks: within("validation.tasks", self.tasks.unwrap_or(tasks), 1..=MANY)?,
            steps: within("validation.steps", self.steps.unwrap_or(steps), 0..=1000)?,
        })
    }
}
