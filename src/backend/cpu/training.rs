//! A training resident on the CPU: threads with two barriers a meta-iteration, which never allocate.

use super::adam::AdamStep;
use super::pace::{Pace, ThreadCount};
use super::threads::{Barrier, Parts};
use crate::clock::Instant;
use crate::error::{Error, Result};
use crate::meta::{Forecast, Losses, OuterKind, OuterOptimizer, Rates, TrainPlan, TrainState, Training};
use crate::simd::Isa;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Parameters that a thread updates at a time; also the unit in which the gradient's norm is summed.
const BLOCK: usize = 256;

/// How a meta-iteration is computed, chunk by chunk. An engine may keep meta-parameters in an order of its own,
/// with zeros between them.
pub(super) trait Engine: Send + Sync {
    /// The instruction set of the outer update.
    type Isa: Isa;
    /// What one thread owns.
    type Worker;

    /// Chunks of a meta-iteration; the same for any number of threads.
    fn chunks(&self) -> usize;
    /// What the sums over all chunks are multiplied by.
    fn share(&self) -> f32;
    fn worker(&self) -> Self::Worker;
    /// Floats of what one thread owns.
    fn worker_len(&self) -> usize;
    /// Takes back what a thread owned, for the next call.
    fn give_back(&self, _worker: Self::Worker) {}
    /// Runs a chunk: the gradient's sum over its tasks into `gradient`; returns the losses' sums.
    fn chunk(
        &self,
        worker: &mut Self::Worker,
        params: &[f32],
        iteration: u64,
        chunk: usize,
        gradient: &mut [f32],
    ) -> Losses;
    /// Meta-parameters, or moments, in the engine's order.
    fn pack(&self, params: Vec<f32>) -> Vec<f32> {
        params
    }
    /// Where learned rates lie among the packed meta-parameters, if they are held in a range.
    fn held_rates(&self) -> Option<(Range<usize>, &Rates)>;
    /// And back.
    fn unpack(&self, packed: Vec<f32>) -> Vec<f32> {
        packed
    }
}

/// See the module.
pub(super) struct CpuTraining<E> {
    engine: E,
    outer: OuterOptimizer,
    state: TrainState,
    threads: usize,
    pace: Pace,
}

/// What the threads share during one call of `advance`.
struct Shared {
    params: Parts<f32>,
    m: Parts<f32>,
    v: Parts<f32>,
    /// `[chunks, parameters]`.
    partial: Parts<f32>,
    partial_losses: Parts<Losses>,
    gradient: Parts<f32>,
    block_norm: Parts<f64>,
    losses: Parts<Losses>,
    next_chunk: [AtomicUsize; 2],
}

impl<E: Engine> CpuTraining<E> {
    /// Checks plan and state before it makes the engine, which is run on so many threads.
    pub(super) fn new(
        train: &TrainPlan,
        state: TrainState,
        threads: impl FnOnce(&E) -> usize,
        engine: impl FnOnce() -> E,
    ) -> Result<Self> {
        train.check()?;
        let len = train.plan.meta_len();
        for (name, found) in
            [("meta-parameters", &state.params), ("Adam's m", &state.m), ("Adam's v", &state.v)]
        {
            if found.len() != len {
                return Err(Error::shape(name, &[len], &[found.len()]));
            }
        }
        let engine = engine();
        let threads = threads(&engine);
        Ok(Self { engine, outer: train.outer, state, threads, pace: Pace::new() })
    }
}

/// Bytes that threads share: parameters, two moments and the gradient, and a row of sums for each chunk of tasks.
pub(super) fn shared_bytes(chunks: usize, len: usize) -> u64 {
    4 * ((4 + chunks) * len) as u64
}

/// What a training of `len` meta-parameters takes.
pub(super) fn forecast(engine: &impl Engine, len: usize, threads: usize) -> Forecast {
    let (chunks, worker) = (engine.chunks(), 4 * engine.worker_len() as u64);
    let threads = threads.min(chunks) as u64;
    let shared = shared_bytes(chunks, len);
    let layout = format!("{threads} × {:.1} MiB for tasks in progress", worker as f64 / f64::from(1 << 20));
    Forecast { bytes: threads * worker + shared, host: true, layout }
}

impl<E: Engine> Training for CpuTraining<E> {
    fn advance(&mut self, iterations: u64) -> Result<Vec<Losses>> {
        let threads = self.threads.min(self.engine.chunks());
        if threads == 1 {
            return self.run(iterations, 1);
        }
        let mut losses = Vec::with_capacity(iterations as usize);
        while (losses.len() as u64) < iterations {
            let (which, count) = self.pace.next_run(iterations - losses.len() as u64);
            let start = Instant::now();
            losses.extend(self.run(count, if which == ThreadCount::All { threads } else { 1 })?);
            self.pace.ran(which, count, start.elapsed().as_secs_f64());
        }
        Ok(losses)
    }

    fn state(&mut self) -> Result<TrainState> {
        Ok(self.state.clone())
    }
}

impl<E: Engine> CpuTraining<E> {
    /// Some meta-iterations on so many threads, which stay together meanwhile.
    fn run(&mut self, iterations: u64, threads: usize) -> Result<Vec<Losses>> {
        let (engine, chunks) = (&self.engine, self.engine.chunks());
        let mut state = std::mem::take(&mut self.state);
        let params = engine.pack(std::mem::take(&mut state.params));
        let len = params.len();
        let shared = Shared {
            params: Parts::new(params),
            m: Parts::new(engine.pack(std::mem::take(&mut state.m))),
            v: Parts::new(engine.pack(std::mem::take(&mut state.v))),
            partial: Parts::new(vec![0.0; chunks * len]),
            partial_losses: Parts::new(vec![Losses::default(); chunks]),
            gradient: Parts::new(vec![0.0; len]),
            block_norm: Parts::new(vec![0.0; len.div_ceil(BLOCK)]),
            losses: Parts::new(vec![Losses::default(); iterations as usize]),
            next_chunk: [AtomicUsize::new(0), AtomicUsize::new(0)],
        };
        let barrier = Barrier::new(threads);
        let first = state.iteration;
        std::thread::scope(|scope| {
            for thread in 1..threads {
                let (shared, barrier, this) = (&shared, &barrier, &*self);
                scope.spawn(move || this.work(shared, barrier, first, (thread, threads)));
            }
            self.work(&shared, &barrier, first, (0, threads));
        });
        state.iteration += iterations;
        state.params = self.engine.unpack(shared.params.into_inner());
        state.m = self.engine.unpack(shared.m.into_inner());
        state.v = self.engine.unpack(shared.v.into_inner());
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

    /// What each thread does: chunks, then a share of the outer update, for every meta-iteration.
    fn work(&self, shared: &Shared, barrier: &Barrier, first: u64, (thread, threads): (usize, usize)) {
        let _guard = barrier.guard();
        let mut worker = self.engine.worker();
        let blocks = || shared.blocks(thread, threads);
        for n in 0..shared.losses.len() {
            let iteration = first + n as u64;
            let next = &shared.next_chunk[n % 2];
            // SAFETY: between barriers, as each asks for; blocks belong to one thread.
            unsafe {
                self.run_chunks(shared, &mut worker, next, iteration);
                barrier.wait();
                next.store(0, Ordering::Relaxed);
                blocks().for_each(|block| self.sum_block(shared, block));
                if let Some(clip) = self.outer.clip_norm {
                    barrier.wait();
                    shared.clip_blocks(clip, blocks());
                }
                blocks().for_each(|block| self.update_block(shared, iteration, block));
                if thread == 0 {
                    self.sum_losses(shared, n);
                }
            }
            barrier.wait();
        }
        self.engine.give_back(worker);
    }

    /// Runs chunks as long as there are some.
    ///
    /// # Safety
    /// Parameters must not change meanwhile; a chunk belongs to who draws its number.
    unsafe fn run_chunks(&self, shared: &Shared, worker: &mut E::Worker, next: &AtomicUsize, iteration: u64) {
        let (len, chunks) = (shared.params.len(), self.engine.chunks());
        loop {
            let chunk = next.fetch_add(1, Ordering::Relaxed);
            if chunk >= chunks {
                return;
            }
            // SAFETY: promised by the caller.
            let (params, gradient, losses) = unsafe {
                (
                    shared.params.read(0..len),
                    shared.partial.write(chunk * len..(chunk + 1) * len),
                    shared.partial_losses.write(chunk..chunk + 1),
                )
            };
            losses[0] = self.engine.chunk(worker, params, iteration, chunk, gradient);
        }
    }

    /// The gradient of a block of parameters, clipped by value, and its square.
    ///
    /// # Safety
    /// All chunks must be complete; the block must be this thread's.
    unsafe fn sum_block(&self, shared: &Shared, block: usize) {
        let (range, len, outer) = (shared.block(block), shared.params.len(), &self.outer);
        // SAFETY: promised by the caller.
        unsafe {
            let gradient = shared.gradient.write(range.clone());
            gradient.copy_from_slice(shared.partial.read(range.clone()));
            for chunk in 1..self.engine.chunks() {
                let partial = shared.partial.read(chunk * len + range.start..chunk * len + range.end);
                for (g, p) in gradient.iter_mut().zip(partial) {
                    *g += p;
                }
            }
            let share = self.engine.share();
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

    /// The outer update of a block of parameters.
    ///
    /// # Safety
    /// As [`CpuTraining::sum_block`], behind it.
    unsafe fn update_block(&self, shared: &Shared, iteration: u64, block: usize) {
        let (range, outer) = (shared.block(block), &self.outer);
        let scalars = outer.scalars(iteration);
        // SAFETY: promised by the caller.
        unsafe {
            let gradient = shared.gradient.read(range.clone());
            let params = shared.params.write(range.clone());
            match outer.kind {
                OuterKind::Sgd => {
                    for (p, g) in params.iter_mut().zip(gradient) {
                        *p -= scalars.step * g;
                    }
                }
                OuterKind::Adam => E::Isa::run(AdamStep {
                    params,
                    m: shared.m.write(range.clone()),
                    v: shared.v.write(range.clone()),
                    gradient,
                    step: scalars.step,
                    root: scalars.root,
                    beta1: (outer.beta1 as f32, (1.0 - outer.beta1) as f32),
                    beta2: (outer.beta2 as f32, (1.0 - outer.beta2) as f32),
                    epsilon: outer.epsilon as f32,
                }),
            }
            if let Some((held, rates)) = self.engine.held_rates() {
                let (from, to) = (held.start.max(range.start), held.end.min(range.end));
                if from < to {
                    rates.hold(shared.params.write(from..to));
                }
            }
        }
    }

    /// The losses of the `n`-th meta-iteration.
    ///
    /// # Safety
    /// Chunks must be complete and not touched before the next barrier.
    unsafe fn sum_losses(&self, shared: &Shared, n: usize) {
        let share = self.engine.share();
        // SAFETY: promised by the caller.
        unsafe {
            let sum = &mut shared.losses.write(n..n + 1)[0];
            for losses in shared.partial_losses.read(0..self.engine.chunks()) {
                sum.query += losses.query * share;
                sum.support += losses.support * share;
            }
        }
    }
}

impl Shared {
    /// The blocks of a thread.
    fn blocks(&self, thread: usize, threads: usize) -> impl Iterator<Item = usize> + use<> {
        (thread..self.params.len().div_ceil(BLOCK)).step_by(threads)
    }

    /// The parameters of a block.
    fn block(&self, block: usize) -> Range<usize> {
        block * BLOCK..self.params.len().min((block + 1) * BLOCK)
    }

    /// Scales the gradient down to a norm, in some blocks.
    ///
    /// # Safety
    /// All blocks' squares must be there; these blocks must be this thread's.
    unsafe fn clip_blocks(&self, clip: f32, blocks: impl Iterator<Item = usize>) {
        // SAFETY: promised by the caller.
        unsafe {
            let squares = self.block_norm.read(0..self.params.len().div_ceil(BLOCK));
            let norm = squares.iter().sum::<f64>().sqrt() as f32;
            if norm > clip {
                for block in blocks {
                    self.gradient.write(self.block(block)).iter_mut().for_each(|g| *g *= clip / norm);
                }
            }
        }
    }
}
