//! A device whose evaluations are shared out among the members of an exchange.

use crate::error::{Error, Result};
use crate::meta::{
    Backend, Evaluation, Exchange, Forecast, KernelTime, Plan, Prepared, SumTree, TrainPlan, TrainState,
    Training,
};
use crate::task::TaskBatch;
use std::ops::Range;
use std::sync::Arc;

/// Tasks that stay together, so that vectors are full.
const TOGETHER: usize = 16;

/// The tasks of each of `members`.
pub(super) fn shares(tasks: usize, members: usize) -> Vec<Range<usize>> {
    let groups = SumTree::new(tasks.div_ceil(TOGETHER)).shares(members);
    let at = |group: usize| tasks.min(group * TOGETHER);
    groups.into_iter().map(|share| at(share.start)..at(share.end)).collect()
}

/// Puts evaluations of some tasks one behind the other, `steps + 1` losses a task.
pub(super) fn joined(parts: &[Evaluation], steps: usize, predictions: bool) -> Evaluation {
    let query_loss = parts.iter().flat_map(|part| &part.query_loss).copied().collect();
    let of_step = |step: usize| {
        parts.iter().filter_map(move |part| {
            let all = part.predictions.as_deref()?;
            all.chunks_exact((all.len() / (steps + 1)).max(1)).nth(step)
        })
    };
    let predictions = predictions.then(|| (0..=steps).flat_map(of_step).flatten().copied().collect());
    Evaluation { query_loss, predictions }
}

/// See the module. Every member evaluates the same tasks, and has the results of all.
#[derive(Debug)]
pub struct Sharing<B> {
    /// Shares the meta-batches of trainings.
    training: B,
    /// The same device by itself.
    alone: B,
    exchange: Arc<dyn Exchange>,
}

impl<B: Backend> Sharing<B> {
    /// Trains on `training`, which shares by itself, and evaluates a share of the tasks on `alone`.
    #[must_use]
    pub fn new(training: B, alone: B, exchange: Arc<dyn Exchange>) -> Self {
        Self { training, alone, exchange }
    }
}

impl<B: Backend> Backend for Sharing<B> {
    fn name(&self) -> String {
        format!("{} × {}", self.exchange.members(), self.alone.name())
    }

    fn alone(&self) -> Option<&dyn Backend> {
        Some(&self.alone)
    }

    fn training(&self, plan: &TrainPlan, state: TrainState) -> Result<Box<dyn Training>> {
        self.training.training(plan, state)
    }

    fn forecast(&self, plan: &TrainPlan) -> Result<Forecast> {
        self.training.forecast(plan)
    }

    fn forecast_evaluation(&self, plan: &Plan, tasks: usize) -> u64 {
        self.alone.forecast_evaluation(plan, tasks.div_ceil(self.exchange.members()))
    }

    fn prepare<'a>(&'a self, plan: &Plan, tasks: usize, weighted: bool) -> Result<Box<dyn Prepared + 'a>> {
        self.alone.prepare(plan, tasks, weighted)
    }

    fn profile(&self, plan: &TrainPlan, state: TrainState) -> Result<Vec<KernelTime>> {
        self.alone.profile(plan, state)
    }

    fn adapt(&self, plan: &Plan, theta: &[f32], tasks: &TaskBatch) -> Result<Vec<f32>> {
        self.alone.adapt(plan, theta, tasks)
    }

    fn evaluate(
        &self,
        plan: &Plan,
        theta: &[f32],
        tasks: &TaskBatch,
        predictions: bool,
    ) -> Result<Evaluation> {
        let shares = shares(tasks.tasks, self.exchange.members());
        let own = shares[self.exchange.member()].clone();
        let part = match own.is_empty() {
            true => Evaluation { query_loss: Vec::new(), predictions: predictions.then(Vec::new) },
            false => self.alone.evaluate(plan, theta, &tasks.slice(own), predictions)?,
        };
        let row = plan.steps + 1;
        let lens = |each: usize| shares.iter().map(|share| share.len() * each).collect::<Vec<_>>();
        let all = |own: &[f32], each: usize| {
            let mut all = vec![0.0; tasks.tasks * each];
            self.exchange.gather(own, &lens(each), &mut all)?;
            Ok::<_, Error>(all)
        };
        let query_loss = all(&part.query_loss, row)?;
        let Some(own) = part.predictions.filter(|_| predictions) else {
            return Ok(Evaluation { query_loss, predictions: None });
        };
        let each = row * tasks.query * plan.model.outputs();
        let predicted = all(&own, each)?;
        let mut rest = &predicted[..];
        let mut parts = Vec::new();
        for share in &shares {
            let (part, behind) = rest.split_at(share.len() * each);
            rest = behind;
            parts.push(Evaluation { query_loss: Vec::new(), predictions: Some(part.to_vec()) });
        }
        Ok(Evaluation { query_loss, ..joined(&parts, plan.steps, true) })
    }
}
