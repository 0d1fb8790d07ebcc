//! The meta-gradient of given tasks: chunks on threads, put together in their order.

use crate::meta::{Losses, MetaOutput, Plan};
use crate::model::Operations;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Operations of all tasks from which on it is worth it to start threads, which takes some ten microseconds each.
const WORTH: u64 = 4_000_000;

/// What a chunk comes to, its tasks in their order.
#[derive(Default)]
pub(super) struct Part {
    pub(super) losses: Losses,
    /// The gradient's sum over its tasks.
    pub(super) gradient: Vec<f32>,
    pub(super) query_loss: Vec<f32>,
    pub(super) support_loss: Vec<f32>,
    pub(super) fast: Vec<f32>,
}

/// Threads for so many tasks in so many chunks.
pub(super) fn threads(plan: &Plan, tasks: usize, chunks: usize, threads: usize) -> usize {
    let each = Operations::meta_gradient(&plan.model, plan.support, plan.query, plan.steps, true).per_task;
    if each.saturating_mul(tasks as u64) < WORTH { 1 } else { threads.min(chunks).max(1) }
}

/// Adds up what chunks come to. Each of the workers runs on a thread; whoever ends a chunk adds those whose turn it is, so
/// the order of the sums is that of the chunks.
pub(super) fn gather<W: Send>(
    (chunks, tasks): (usize, usize),
    workers: &mut [W],
    run: impl Fn(&mut W, usize) -> Part + Sync,
) -> MetaOutput {
    let share = 1.0 / tasks as f32;
    let add = |out: &mut MetaOutput, mut part: Part| {
        out.meta_loss += part.losses.query * share;
        out.gradient.resize(part.gradient.len(), 0.0);
        for (sum, g) in out.gradient.iter_mut().zip(&part.gradient) {
            *sum += g * share;
        }
        out.query_loss.append(&mut part.query_loss);
        out.support_loss.append(&mut part.support_loss);
        out.fast.append(&mut part.fast);
    };
    if let [worker] = workers {
        let mut out = MetaOutput::default();
        (0..chunks).for_each(|chunk| add(&mut out, run(worker, chunk)));
        return out;
    }
    let next = AtomicUsize::new(0);
    let done = Mutex::new((MetaOutput::default(), 0, BTreeMap::new()));
    let work = |worker: &mut W| {
        loop {
            let chunk = next.fetch_add(1, Ordering::Relaxed);
            if chunk >= chunks {
                return;
            }
            let part = run(worker, chunk);
            // A poisoned lock means that another thread panicked, and this one's results are not wanted.
            let Ok(mut done) = done.lock() else { return };
            let (out, turn, waiting) = &mut *done;
            waiting.insert(chunk, part);
            while let Some(part) = waiting.remove(turn) {
                add(out, part);
                *turn += 1;
            }
        }
    };
    std::thread::scope(|scope| {
        let work = &work;
        let (first, others) = workers.split_first_mut().expect("a worker at least");
        for worker in others {
            scope.spawn(move || work(worker));
        }
        work(first);
    });
    done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner).0
}
