//! A training resident on the CPU: threads with two barriers a meta-iteration, which never allocate. Where members of an exchange
//! share the chunks, two more barriers stand around their sums.

use super::adam::AdamStep;
use super::engine::Engine;
use super::pace::{Pace, ThreadCount};
use super::threads::{Barrier, Parts};
use crate::clock::Instant;
use crate::error::{Error, Result};
use crate::meta::{Exchange, Losses, OuterKind, OuterOptimizer, Shares, TrainPlan, TrainState, Training};
use crate::simd::Isa;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

/// Parameters that a thread updates at a time; also the unit in which the gradient's norm is summed.
const BLOCK: usize = 256;

/// See the module.
pub(super) struct CpuTraining<E> {
    engine: E,
    outer: OuterOptimizer,
    state: TrainState,
    shares: Shares,
    /// Seconds that the own chunks took in the last call, where they are shared.
    computing: Option<f64>,
    threads: usize,
    pace: Pace,
}

/// Numbers behind a chunk's gradient: its losses.
const LOSSES: usize = 2;

/// What the threads share during one call of `advance`.
struct Shared {
    params: Parts<f32>,
    m: Parts<f32>,
    v: Parts<f32>,
    /// Sums of chunks, `[chunks, parameters + LOSSES]`; the leaves of a tree, and the nodes above them.
    partial: Parts<f32>,
    gradient: Parts<f32>,
    block_norm: Parts<f64>,
    losses: Parts<Losses>,
    next_chunk: [AtomicUsize; 2],
    /// Nanoseconds that the own chunks took.
    computing: AtomicU64,
    /// Why the sums of others did not come.
    failed: OnceLock<Error>,
}

impl<E: Engine> CpuTraining<E> {
    /// Checks plan and state before it makes the engine, which is run on so many threads; the members of an exchange share
    /// the chunks.
    pub(super) fn new(
        train: &TrainPlan,
        state: TrainState,
        exchange: Option<&Arc<dyn Exchange>>,
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
        let shares = Shares::new(engine.chunks(), exchange);
        tracing::debug!(leaves = engine.chunks(), own = ?shares.own(), "a training's leaves");
        Ok(Self { engine, outer: train.outer, state, shares, computing: None, threads, pace: Pace::new() })
    }
}

impl<E: Engine> Training for CpuTraining<E> {
    fn advance(&mut self, iterations: u64) -> Result<Vec<Losses>> {
        let threads = self.threads.min(self.shares.own().len()).max(1);
        // Others wait for every meta-iteration, so all stop at the same one, however fast each is.
        if self.shares.are_shared() {
            let seconds = self.computing.take();
            self.shares.balance(seconds.unwrap_or(f64::NAN))?;
            return self.run(iterations, threads);
        }
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
            partial: Parts::new(vec![0.0; chunks * (len + LOSSES)]),
            gradient: Parts::new(vec![0.0; len]),
            block_norm: Parts::new(vec![0.0; len.div_ceil(BLOCK)]),
            losses: Parts::new(vec![Losses::default(); iterations as usize]),
            next_chunk: [AtomicUsize::new(0), AtomicUsize::new(0)],
            computing: AtomicU64::new(0),
            failed: OnceLock::new(),
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
        let nanoseconds = shared.computing.into_inner();
        self.computing = self.shares.are_shared().then_some(1e-9 * nanoseconds as f64);
        if let Some(error) = shared.failed.into_inner() {
            return Err(error);
        }
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
                let start = Instant::now();
                self.run_chunks(shared, &mut worker, next, iteration);
                barrier.wait();
                if thread == 0 {
                    shared.computing.fetch_add(start.elapsed().as_nanos() as u64, Ordering::Relaxed);
                }
                next.store(0, Ordering::Relaxed);
                blocks().for_each(|block| self.fold_block(shared, block));
                if self.shares.are_shared() {
                    barrier.wait();
                    if thread == 0 {
                        self.join(shared);
                    }
                    barrier.wait();
                    if shared.failed.get().is_some() {
                        break;
                    }
                }
                blocks().for_each(|block| self.clip_block(shared, block));
                if let Some(clip) = self.outer.clip_norm {
                    barrier.wait();
                    shared.clip_blocks(clip, blocks());
                }
                blocks().for_each(|block| self.update_block(shared, iteration, block));
                // Behind the gradient, they are summed with the last block.
                if blocks().any(|block| shared.block(block).end == shared.params.len()) {
                    self.note_losses(shared, n);
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
        let (len, own) = (shared.params.len(), self.shares.own());
        loop {
            let chunk = own.start + next.fetch_add(1, Ordering::Relaxed);
            if chunk >= own.end {
                return;
            }
            // SAFETY: promised by the caller.
            let (params, sums) = unsafe {
                let row = chunk * (len + LOSSES);
                (shared.params.read(0..len), shared.partial.write(row..row + len + LOSSES))
            };
            let (gradient, losses) = sums.split_at_mut(len);
            let Losses { query, support } = self.engine.chunk(worker, params, iteration, chunk, gradient);
            losses.copy_from_slice(&[query, support]);
        }
    }

    /// Adds up the own chunks in a block of parameters; the losses belong to the last block.
    ///
    /// # Safety
    /// All chunks must be complete; the block must be this thread's.
    unsafe fn fold_block(&self, shared: &Shared, block: usize) {
        let len = shared.params.len();
        let mut range = shared.block(block);
        range.end += if range.end == len { LOSSES } else { 0 };
        let of = |row: usize| row * (len + LOSSES) + range.start..row * (len + LOSSES) + range.end;
        self.shares.tree().fold(&self.shares.own(), |to, from| {
            // SAFETY: promised by the caller; the rows are two.
            let (sums, others) = unsafe { (shared.partial.write(of(to)), shared.partial.read(of(from))) };
            for (sum, other) in sums.iter_mut().zip(others) {
                *sum += other;
            }
        });
    }

    /// Adds what others have computed to the own sums, in the first row.
    ///
    /// # Safety
    /// No other thread may touch the sums meanwhile.
    unsafe fn join(&self, shared: &Shared) {
        // SAFETY: promised by the caller.
        let rows = unsafe { shared.partial.write(0..shared.partial.len()) };
        if let Err(error) = self.shares.join(rows, shared.params.len() + LOSSES) {
            let _ = shared.failed.set(error);
        }
    }

    /// The gradient of a block of parameters, clipped by value, and its square.
    ///
    /// # Safety
    /// The sum over all chunks must be there; the block must be this thread's.
    unsafe fn clip_block(&self, shared: &Shared, block: usize) {
        let (range, outer) = (shared.block(block), &self.outer);
        // SAFETY: promised by the caller.
        unsafe {
            let gradient = shared.gradient.write(range.clone());
            let share = self.engine.share();
            for (g, sum) in gradient.iter_mut().zip(shared.partial.read(range)) {
                *g = sum * share;
            }
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
    /// As [`CpuTraining::clip_block`], behind it.
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
    /// The last block must be summed by this thread, or for all; sums must not be touched before the next barrier.
    unsafe fn note_losses(&self, shared: &Shared, n: usize) {
        let (len, share) = (shared.params.len(), self.engine.share());
        // SAFETY: promised by the caller.
        unsafe {
            let sums = shared.partial.read(len..len + LOSSES);
            shared.losses.write(n..n + 1)[0] = Losses { query: sums[0] * share, support: sums[1] * share };
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
