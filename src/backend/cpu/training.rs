//! A training resident on the CPU: threads that meet twice a meta-iteration and never allocate.

use super::engine::{Cut, Worker};
use super::kernels::{AdamStep, Isa};
use super::layout::Layout;
use super::sample::Source;
use super::threads::{Meeting, Parts};
use crate::error::{Error, Result};
use crate::meta::{Losses, OuterKind, Plan, TrainPlan, TrainState, Training};
use crate::task::Visit;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Parameters that a thread updates at a time; also the unit in which the gradient's norm is summed.
const BLOCK: usize = 256;
/// Query points a lane, at most, where the points of a task are spread over lanes.
const POINTS_A_LANE: usize = 5;

/// See the module.
pub(super) struct CpuTraining<I> {
    train: TrainPlan,
    /// The plan of a lane: that of a task, or of the part of a task's points that a lane has.
    plan: Plan,
    lanes_a_task: usize,
    state: TrainState,
    threads: usize,
    isa: std::marker::PhantomData<I>,
}

/// What the threads share during one call of `advance`.
struct Shared {
    params: Parts<f32>,
    m: Parts<f32>,
    v: Parts<f32>,
    /// `[chunks, P + R]`.
    partial: Parts<f32>,
    partial_losses: Parts<Losses>,
    gradient: Parts<f32>,
    block_norm: Parts<f64>,
    losses: Parts<Losses>,
    next_chunk: [AtomicUsize; 2],
}

impl<I: Isa> CpuTraining<I> {
    pub(super) fn new(train: &TrainPlan, state: TrainState, threads: usize) -> Result<Self> {
        train.check()?;
        let len = train.plan.meta_len();
        for (name, found) in
            [("meta-parameters", &state.params), ("Adam's m", &state.m), ("Adam's v", &state.v)]
        {
            if found.len() != len {
                return Err(Error::shape(name, &[len], &[found.len()]));
            }
        }
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
        tracing::debug!(lanes = I::LANES, threads, lanes_a_task, ?modes, "a training on the CPU");
        Ok(Self { train: train.clone(), plan, lanes_a_task, state, threads, isa: std::marker::PhantomData })
    }
}

impl<I: Isa> Training for CpuTraining<I> {
    fn advance(&mut self, iterations: u64) -> Result<Vec<Losses>> {
        let tasks = self.train.sampler.tasks() * self.lanes_a_task;
        let cut = Cut::new(tasks, I::LANES);
        let len = self.train.plan.meta_len();
        let threads = self.threads.min(cut.chunks);
        let mut state = std::mem::take(&mut self.state);
        let shared = Shared {
            params: Parts::new(std::mem::take(&mut state.params)),
            m: Parts::new(std::mem::take(&mut state.m)),
            v: Parts::new(std::mem::take(&mut state.v)),
            partial: Parts::new(vec![0.0; cut.chunks * len]),
            partial_losses: Parts::new(vec![Losses::default(); cut.chunks]),
            gradient: Parts::new(vec![0.0; len]),
            block_norm: Parts::new(vec![0.0; len.div_ceil(BLOCK)]),
            losses: Parts::new(vec![Losses::default(); iterations as usize]),
            next_chunk: [AtomicUsize::new(0), AtomicUsize::new(0)],
        };
        let meeting = Meeting::new(threads);
        let first = state.iteration;
        std::thread::scope(|scope| {
            for thread in 1..threads {
                let (shared, meeting, this) = (&shared, &meeting, &*self);
                scope.spawn(move || this.work(shared, meeting, cut, first, thread, threads));
            }
            self.work(&shared, &meeting, cut, first, 0, threads);
        });
        state.iteration += iterations;
        state.params = shared.params.into_inner();
        state.m = shared.m.into_inner();
        state.v = shared.v.into_inner();
        self.state = state;
        let losses = shared.losses.into_inner();
        if let Some(bad) = losses.iter().position(|l| !(l.query.is_finite() && l.support.is_finite())) {
            let iteration = first + bad as u64 + 1;
            return Err(Error::not_finite(format!(
                "the loss is not finite at meta-iteration {iteration}; a smaller inner.lr or outer.meta_lr, \
                 outer.clip_norm, or a gentler model.init (torch) may help"
            )));
        }
        Ok(losses)
    }

    fn state(&mut self) -> Result<TrainState> {
        Ok(self.state.clone())
    }
}

impl<I: Isa> CpuTraining<I> {
    /// What each thread does: chunks, then a share of the outer update, for every meta-iteration.
    fn work(&self, shared: &Shared, meeting: &Meeting, cut: Cut, first: u64, thread: usize, threads: usize) {
        let _attendance = meeting.attend();
        let (sampler, outer) = (&self.train.sampler, &self.train.outer);
        let len = self.train.plan.meta_len();
        let mut worker = Worker::<I>::new(&self.plan, sampler.support + sampler.query);
        let share = 1.0 / (sampler.tasks() * self.lanes_a_task) as f32;
        let blocks = || (thread..len.div_ceil(BLOCK)).step_by(threads);
        for n in 0..shared.losses.len() {
            let iteration = first + n as u64;
            let source = Source::Sampled { sampler, iteration, lanes_a_task: self.lanes_a_task };
            let next = &shared.next_chunk[n % 2];
            loop {
                let chunk = next.fetch_add(1, Ordering::Relaxed);
                if chunk >= cut.chunks {
                    break;
                }
                // SAFETY: parameters change only between the meetings; a chunk belongs to who drew its number.
                let (params, gradient, losses) = unsafe {
                    (
                        shared.params.read(0..len),
                        shared.partial.write(chunk * len..(chunk + 1) * len),
                        shared.partial_losses.write(chunk..chunk + 1),
                    )
                };
                losses[0] = worker.chunk(params, source, cut, chunk, gradient, |_, _, _| {});
            }
            meeting.wait();
            next.store(0, Ordering::Relaxed);
            for block in blocks() {
                let range = block * BLOCK..len.min((block + 1) * BLOCK);
                // SAFETY: chunks are complete; a block belongs to one thread.
                unsafe {
                    let gradient = shared.gradient.write(range.clone());
                    gradient.copy_from_slice(shared.partial.read(range.clone()));
                    for chunk in 1..cut.chunks {
                        let partial = shared.partial.read(chunk * len + range.start..chunk * len + range.end);
                        for (g, p) in gradient.iter_mut().zip(partial) {
                            *g += p;
                        }
                    }
                    gradient.iter_mut().for_each(|g| *g *= share);
                    if let Some(clip) = outer.clip_value {
                        gradient.iter_mut().for_each(|g| *g = g.clamp(-clip, clip));
                    }
                    if outer.clip_norm.is_some() {
                        let norm = gradient.iter().map(|&g| f64::from(g) * f64::from(g)).sum();
                        shared.block_norm.write(block..block + 1)[0] = norm;
                    }
                }
            }
            if let Some(clip) = outer.clip_norm {
                meeting.wait();
                // SAFETY: all norms are in; each thread scales its own blocks.
                let norm =
                    unsafe { shared.block_norm.read(0..len.div_ceil(BLOCK)) }.iter().sum::<f64>().sqrt()
                        as f32;
                if norm > clip {
                    for block in blocks() {
                        // SAFETY: as above.
                        let gradient =
                            unsafe { shared.gradient.write(block * BLOCK..len.min((block + 1) * BLOCK)) };
                        gradient.iter_mut().for_each(|g| *g *= clip / norm);
                    }
                }
            }
            let scalars = outer.scalars(iteration);
            for block in blocks() {
                let range = block * BLOCK..len.min((block + 1) * BLOCK);
                // SAFETY: a block belongs to one thread.
                unsafe {
                    let gradient = shared.gradient.read(range.clone());
                    let params = shared.params.write(range.clone());
                    match outer.kind {
                        OuterKind::Sgd => {
                            for (p, g) in params.iter_mut().zip(gradient) {
                                *p -= scalars.step * g;
                            }
                        }
                        OuterKind::Adam => I::adam(&mut AdamStep {
                            params,
                            m: shared.m.write(range.clone()),
                            v: shared.v.write(range),
                            gradient,
                            step: scalars.step,
                            root: scalars.root,
                            beta1: (outer.beta1 as f32, (1.0 - outer.beta1) as f32),
                            beta2: (outer.beta2 as f32, (1.0 - outer.beta2) as f32),
                            epsilon: outer.epsilon as f32,
                        }),
                    }
                }
            }
            if thread == 0 {
                // SAFETY: chunks are complete and not touched before the next meeting.
                unsafe {
                    let sum = &mut shared.losses.write(n..n + 1)[0];
                    for losses in shared.partial_losses.read(0..cut.chunks) {
                        sum.query += losses.query * share;
                        sum.support += losses.support * share;
                    }
                }
            }
            meeting.wait();
        }
    }
}
