//! The sums of a share of every meta-batch, whose tasks the host draws.

use super::pass::Pass;
use super::request::Now;
use crate::backend::gpu::device::wait::wait;
use crate::error::Result;
use crate::meta::{SumTree, TaskSums, TrainPlan};
use std::ops::Range;

/// Makes a pass over so many given tasks.
type MakePass = Box<dyn Fn(usize) -> Result<Pass> + Send>;

/// See the module.
pub(crate) struct Share {
    plan: TrainPlan,
    make: MakePass,
    /// The pass, over as many tasks as it has; none where the share is empty.
    pass: Option<(usize, Pass)>,
}

impl Share {
    pub(crate) fn new(plan: &TrainPlan, make: MakePass) -> Self {
        Self { plan: plan.clone(), make, pass: None }
    }
}

impl TaskSums for Share {
    /// Makes the pass over as many tasks at once as each leave a row of their own.
    fn prepare(&mut self, own: &Range<usize>) -> Result<()> {
        let mut tasks = own.len();
        self.pass = None;
        while tasks > 0 {
            let pass = (self.make)(tasks)?;
            if pass.rows() == tasks {
                self.pass = Some((tasks, pass));
                return Ok(());
            }
            tasks = tasks.div_ceil(2).min(tasks - 1);
        }
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
        let Some((at_once, pass)) = &self.pass else { return Ok(()) };
        let plan = &self.plan.plan;
        pass.set_params(plan, params)?;
        for first in own.clone().step_by(*at_once) {
            let end = own.end.min(first + at_once);
            // A last turn of fewer tasks has some of the turn before once more.
            let tasks = self.plan.sampler.some(iteration, end - at_once..end);
            plan.check_inputs(plan.meta_len(), &tasks)?;
            pass.upload(&tasks)?;
            pass.set_now(0, &[Now::default()]);
            pass.submit(0..1, None, None);
            let sums = wait(pass.sums())?;
            let columns = sums.len() / at_once;
            rows[first * columns..end * columns]
                .copy_from_slice(&sums[sums.len() - (end - first) * columns..]);
        }
        let columns = plan.meta_len() + 2;
        tree.fold(own, |to, from| {
            let (before, behind) = rows.split_at_mut(from * columns);
            for (sum, value) in before[to * columns..][..columns].iter_mut().zip(&behind[..columns]) {
                *sum += value;
            }
        });
        Ok(())
    }
}
