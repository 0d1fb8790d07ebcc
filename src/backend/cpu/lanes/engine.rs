//! What one thread does with a chunk of tasks, and the engine of a training.

use super::super::arena::Arena;
use super::super::cut::Cut;
use super::super::engine::Engine;
use super::group::Group;
use super::kernels::Kernels as _;
use super::layout::Layout;
use super::sample::{Points, Source};
use crate::meta::{Losses, Plan, Rates, TrainPlan};
use crate::simd::Isa;
use crate::task::{Sampler, Visit};
use std::ops::Range;
use std::sync::Arc;

/// Query points a lane, at most, where the points of a task are spread over lanes.
const POINTS_A_LANE: usize = 5;

/// What one thread owns: a group's memory, and gradients in lanes.
pub(super) struct Worker<I> {
    pub(super) group: Group<I>,
    lanes_out: Arena,
    room: Points,
}

impl<I: Isa> Worker<I> {
    /// `points` is the number of points that a task of the source is drawn with.
    pub(super) fn new(plan: &Arc<Plan>, points: usize) -> Self {
        let group = Group::new(Arc::clone(plan), true);
        let room = points.max(plan.support + plan.query);
        let room = Points::new(room, plan.model.inputs(), plan.targets(), I::LANES);
        Self { group, lanes_out: Arena::zeros(plan.meta_len() * I::LANES), room }
    }

    /// Runs a chunk: the gradient's sum over its tasks into `gradient`, `[P + R]`; returns the losses' sums.
    /// `look` sees each group after it ran, with its first task and number of tasks.
    pub(super) fn chunk(
        &mut self,
        params: &[f32],
        source: Source<'_>,
        cut: Cut,
        chunk: usize,
        gradient: &mut [f32],
        mut look: impl FnMut(&Group<I>, usize, usize),
    ) -> Losses {
        let mut losses = Losses::default();
        for (n, (first, valid)) in cut.groups(chunk).enumerate() {
            self.group.fill(source, first, valid, &mut self.room);
            self.group.run(params, valid, self.lanes_out.ptr(0), n == 0);
            let sum = |at: usize| self.group.arena.slice(at * I::LANES, valid).iter().sum::<f32>();
            let layout = &self.group.layout;
            for (j, weight) in self.group.plan.loss_weights.iter().enumerate() {
                if *weight != 0.0 {
                    losses.query += *weight as f32 * sum(layout.query_loss + j);
                }
            }
            if layout.steps > 0 {
                losses.support += sum(layout.support_loss);
            }
            look(&self.group, first, valid);
        }
        // SAFETY: `P + R` vectors in lanes, as many floats in the gradient.
        unsafe { I::sum_lanes(self.lanes_out.ptr(0), gradient.as_mut_ptr(), gradient.len()) };
        losses
    }
}

/// The engine of multi-layer perceptrons: a lane a task.
pub(super) struct Lanes<I> {
    sampler: Sampler,
    /// The plan of a lane: that of a task, or of the part of a task's points that a lane has.
    plan: Arc<Plan>,
    lanes_a_task: usize,
    cut: Cut,
    isa: std::marker::PhantomData<I>,
}

impl<I: Isa> Lanes<I> {
    pub(super) fn new(train: &TrainPlan) -> Self {
        let mut plan = Plan { track_all: false, ..train.plan.clone() };
        let mut lanes_a_task = 1;
        if plan.steps == 0 && train.sampler.visit != Visit::Split {
            // Weights are shared by all points, so a lane need not be a whole task.
            let points = (1..=POINTS_A_LANE).rev().find(|&n| plan.query.is_multiple_of(n)).unwrap_or(1);
            let points = if train.sampler.tasks() * plan.query < 4 * I::LANES { 1 } else { points };
            lanes_a_task = plan.query / points;
            plan.query = points;
        }
        let modes: Vec<_> = Layout::new(&plan, true).layers.iter().map(|layer| layer.mode).collect();
        tracing::debug!(lanes = I::LANES, lanes_a_task, ?modes, "a training on the CPU");
        let cut = Cut::new(train.sampler.tasks() * lanes_a_task, I::LANES);
        let (sampler, plan) = (train.sampler.clone(), Arc::new(plan));
        Self { sampler, plan, lanes_a_task, cut, isa: std::marker::PhantomData }
    }
}

impl<I: Isa> Engine for Lanes<I> {
    type Isa = I;
    type Worker = Worker<I>;

    fn chunks(&self) -> usize {
        self.cut.chunks
    }

    fn held_rates(&self) -> Option<(Range<usize>, &Rates)> {
        let (first, rates) = (self.plan.model.param_count(), &self.plan.rates);
        rates.held().map(|_| (first..self.plan.meta_len(), rates))
    }

    fn share(&self) -> f32 {
        1.0 / (self.sampler.tasks() * self.lanes_a_task) as f32
    }

    fn worker_len(&self) -> usize {
        (Layout::new(&self.plan, true).len + self.plan.meta_len()) * I::LANES
    }

    fn worker(&self) -> Worker<I> {
        Worker::new(&self.plan, self.sampler.support + self.sampler.query)
    }

    fn chunk(
        &self,
        worker: &mut Worker<I>,
        params: &[f32],
        iteration: u64,
        chunk: usize,
        gradient: &mut [f32],
    ) -> Losses {
        let source = Source::Sampled { sampler: &self.sampler, iteration, lanes_a_task: self.lanes_a_task };
        worker.chunk(params, source, self.cut, chunk, gradient, |_, _, _| {})
    }
}
