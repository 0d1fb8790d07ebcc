//! The sums of a share of every meta-batch where the leaves are tasks, as on devices of other kinds.

use crate::error::Result;
use crate::meta::{Plan, Prepared, SumTree, TaskSums, TrainPlan};
use std::collections::BTreeMap;
use std::ops::Range;

/// Sets up the meta-gradient of so many given tasks, weighted or not.
type Given = Box<dyn Fn(&Plan, usize, bool) -> Result<Box<dyn Prepared>> + Send>;

/// Each root of the share is one batch.
pub(super) struct Share {
    given: Given,
    plan: TrainPlan,
    /// By the number of tasks.
    batches: BTreeMap<usize, Box<dyn Prepared>>,
}

impl Share {
    pub(super) fn new(plan: &TrainPlan, given: Given) -> Self {
        Self { given, plan: plan.clone(), batches: BTreeMap::new() }
    }
}

impl TaskSums for Share {
    fn prepare(&mut self, _: &Range<usize>) -> Result<()> {
        self.batches.clear();
        Ok(())
    }

    fn sums(
        &mut self,
        iteration: u64,
        params: &[f32],
        own: &Range<usize>,
        tree: SumTree,
        rows: &mut [f32],
    ) -> Result<()> {
        let (plan, columns) = (&self.plan.plan, self.plan.plan.meta_len() + 2);
        let roots = tree.roots(own);
        let ends = roots.iter().skip(1).copied().chain([own.end]);
        for (first, end) in roots.iter().copied().zip(ends) {
            let tasks = self.plan.sampler.some(iteration, first..end);
            let batch = match self.batches.entry(tasks.tasks) {
                std::collections::btree_map::Entry::Occupied(there) => there.into_mut(),
                std::collections::btree_map::Entry::Vacant(place) => {
                    place.insert((self.given)(plan, tasks.tasks, tasks.weights.is_some())?)
                }
            };
            let out = batch.meta_gradient(params, &tasks)?;
            let count = tasks.tasks as f32;
            let row = &mut rows[first * columns..][..columns];
            for (sum, mean) in row.iter_mut().zip(out.gradient.iter().chain([&out.meta_loss])) {
                *sum = mean * count;
            }
            row[columns - 1] = out.support_loss.iter().step_by(plan.steps.max(1)).sum();
        }
        Ok(())
    }
}
