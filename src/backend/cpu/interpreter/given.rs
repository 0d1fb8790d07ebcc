//! Given tasks: their meta-gradient with all its parts.

use super::super::cut::Cut;
use super::super::given::{self, Part};
use super::engine::{SHARED, Worker, points};
use super::task::Lowerings;
use crate::error::Result;
use crate::meta::{MetaOutput, Plan, Prepared};
use crate::program::Wanted;
use crate::simd::Isa;
use crate::task::TaskBatch;
use std::sync::Arc;

/// The meta-gradient of given tasks, through the chunks that training runs.
pub(in super::super) struct Given<I> {
    shared: Arc<Lowerings<I>>,
    cut: Cut,
    workers: Vec<Worker<I>>,
    /// Calls so far.
    calls: u64,
}

impl<I: Isa> Given<I> {
    /// For so many tasks, on so many threads that may take so many bytes together.
    pub(in super::super) fn new(
        plan: &Plan,
        (tasks, weighted): (usize, bool),
        threads: usize,
        memory: Option<u64>,
    ) -> Self {
        let cut = Cut::of_tasks(tasks);
        let wanted =
            Wanted { gradient: true, all_losses: plan.track_all, predictions: false, fast: plan.track_all };
        let workers = given::threads(plan, tasks, cut.chunks, threads);
        let with = |threads: usize| {
            let bytes = memory.map(|all| all / workers as u64);
            Lowerings::new(plan, wanted, weighted, bytes, threads)
        };
        let mut shared = with(1);
        let each = threads / workers;
        if each > 1 && workers == cut.chunks && shared.memory.len >= SHARED {
            shared = with(each);
        }
        let shared = Arc::new(shared);
        Self { workers: (0..workers).map(|_| Worker::new(&shared, 0)).collect(), shared, cut, calls: 0 }
    }
}

impl<I: Isa> Prepared for Given<I> {
    fn meta_gradient(&mut self, params: &[f32], tasks: &TaskBatch) -> Result<MetaOutput> {
        let Self { shared, cut, workers, calls } = self;
        let (graph, plan) = (&shared.graph, &shared.graph.plan);
        plan.check_inputs(params.len(), tasks)?;
        *calls += 1;
        let (packed, p) = (graph.pack(params), plan.model.param_count());
        let mut out = given::gather((cut.chunks, tasks.tasks), workers, |worker, chunk| {
            worker.begin(&packed, *calls);
            let mut part = Part { gradient: vec![0.0; graph.meta_len()], ..Part::default() };
            for (n, (task, _)) in cut.groups(chunk).enumerate() {
                worker.task.run(points(tasks, task));
                worker.collect(&mut part.gradient, n == 0, &mut part.losses);
                part.query_loss.extend(worker.task.query_losses());
                part.support_loss.extend(worker.task.support_losses());
                if plan.track_all {
                    let start = part.fast.len();
                    part.fast.resize(start + p, 0.0);
                    worker.task.fast_weights(&mut part.fast[start..]);
                }
            }
            part
        });
        out.gradient = graph.unpack(&out.gradient);
        Ok(out)
    }
}
