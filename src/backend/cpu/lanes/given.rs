//! Given tasks: their meta-gradient with all its parts.

use super::super::cut::Cut;
use super::super::given::{self, Part};
use super::engine::Worker;
use super::group::Group;
use super::sample::Source;
use crate::error::Result;
use crate::meta::{MetaOutput, Plan, Prepared};
use crate::simd::Isa;
use crate::task::TaskBatch;
use std::sync::Arc;

/// The meta-gradient of given tasks, through the chunks that training runs.
pub(in super::super) struct Given<I> {
    plan: Arc<Plan>,
    cut: Cut,
    workers: Vec<Worker<I>>,
}

impl<I: Isa> Given<I> {
    pub(in super::super) fn new(plan: &Plan, tasks: usize, threads: usize) -> Self {
        let (plan, cut) = (Arc::new(plan.clone()), Cut::new(tasks, I::LANES));
        let threads = given::threads(&plan, tasks, cut.chunks, threads);
        Self { workers: (0..threads).map(|_| Worker::new(&plan, 0)).collect(), plan, cut }
    }
}

impl<I: Isa> Prepared for Given<I> {
    fn meta_gradient(&mut self, params: &[f32], tasks: &TaskBatch) -> Result<MetaOutput> {
        self.plan.check_inputs(params.len(), tasks)?;
        let Self { plan, cut, workers } = self;
        Ok(given::gather((cut.chunks, tasks.tasks), workers, |worker, chunk| {
            let (mut part, mut gradient) = (Part::default(), vec![0.0; plan.meta_len()]);
            let losses =
                worker.chunk(params, Source::Given(tasks), *cut, chunk, &mut gradient, |group, _, valid| {
                    report(plan, group, valid, &mut part);
                });
            Part { losses, gradient, ..part }
        }))
    }
}

/// Losses and, where the plan tracks, fast weights of the first `valid` lanes of a group that ran.
fn report<I: Isa>(plan: &Plan, group: &Group<I>, valid: usize, part: &mut Part) {
    let (layout, steps, p) = (&group.layout, plan.steps, plan.model.param_count());
    let losses = |at: usize, lane: usize| group.arena.slice(at * I::LANES, valid)[lane];
    for lane in 0..valid {
        for (j, &weight) in plan.loss_weights.iter().enumerate() {
            let asked = plan.track_all || weight != 0.0;
            part.query_loss.push(if asked { losses(layout.query_loss + j, lane) } else { 0.0 });
        }
        part.support_loss.extend((0..steps).map(|j| losses(layout.support_loss + j, lane)));
    }
    if plan.track_all {
        let start = part.fast.len();
        part.fast.resize(start + valid * p, 0.0);
        group.fast_weights(&mut part.fast[start..], valid);
    }
}
