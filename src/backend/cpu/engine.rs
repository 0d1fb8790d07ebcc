//! A batch of tasks cut into chunks of groups, and what one thread does with a chunk.
//!
//! The cut depends on the batch and the instruction set alone, and every sum has a fixed order, so results do
//! not depend on the number of threads.

use super::arena::Arena;
use super::group::Group;
use super::kernels::Isa;
use super::sample::{Points, Source};
use crate::meta::{Losses, Plan};

/// Groups a chunk has at most: beyond that, threads would run out of chunks to share.
const GROUPS_A_CHUNK: usize = 8;
/// Chunks there should be before a chunk takes a second group.
const CHUNKS: usize = 16;

/// How a batch is cut.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cut {
    /// Tasks, as lanes count them.
    tasks: usize,
    lanes: usize,
    groups_a_chunk: usize,
    pub(super) chunks: usize,
}

impl Cut {
    pub(super) fn new(tasks: usize, lanes: usize) -> Self {
        let groups = tasks.div_ceil(lanes);
        let groups_a_chunk = (groups / CHUNKS).clamp(1, GROUPS_A_CHUNK);
        Self { tasks, lanes, groups_a_chunk, chunks: groups.div_ceil(groups_a_chunk) }
    }

    /// First task and number of tasks of each group of a chunk.
    fn groups(self, chunk: usize) -> impl Iterator<Item = (usize, usize)> {
        let first = chunk * self.groups_a_chunk * self.lanes;
        let end = self.tasks.min(first + self.groups_a_chunk * self.lanes);
        (first..end).step_by(self.lanes).map(move |at| (at, self.lanes.min(end - at)))
    }
}

/// What one thread owns: a group's memory, and gradients in lanes.
pub(super) struct Worker<'p, I> {
    pub(super) group: Group<'p, I>,
    lanes_out: Arena,
    room: Points,
}

impl<'p, I: Isa> Worker<'p, I> {
    /// `points` is the number of points that a task of the source is drawn with.
    pub(super) fn new(plan: &'p Plan, points: usize) -> Self {
        let group = Group::new(plan, true);
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
        mut look: impl FnMut(&Group<'p, I>, usize, usize),
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
