//! The resident loop: many meta-iterations in one submission, the host two submissions ahead of what it reads.

use super::pass::Pass;
use super::request::{BLOCK, DEPTH, Now};
use super::staged::Staged;
use crate::backend::gpu::device::wait::wait;
use crate::clock::Instant;
use crate::error::{Error, Result};
use crate::meta::{Losses, TrainPlan, TrainState, Training};
use crate::task::{TaskSource, Visit};
use std::collections::VecDeque;
use std::time::Duration;

/// How long one submission should take: far below the two seconds after which a driver resets a device that does not
/// answer, far above what a submission costs. In a browser the page itself waits for the same device.
const TARGET: Duration = Duration::from_millis(if cfg!(target_arch = "wasm32") { 25 } else { 60 });

/// A training whose state stays on the device.
#[derive(Debug)]
pub struct Resident {
    pass: Pass,
    plan: TrainPlan,
    iteration: u64,
    block: usize,
    /// Most meta-iterations of a submission.
    most: usize,
    staging: Vec<wgpu::Buffer>,
    /// For each submission under way, the tasks that the host draws; none where the device does.
    staged: Vec<Staged>,
}

/// One submission that has not been read yet.
struct Flight {
    index: wgpu::SubmissionIndex,
    half: usize,
    iterations: usize,
    submitted: Instant,
}

impl Resident {
    pub(crate) fn new(pass: Pass, plan: &TrainPlan, state: &TrainState) -> Result<Self> {
        pass.set_params(&plan.plan, &state.params)?;
        pass.set_moments(&state.m, &state.v)?;
        let usage = wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ;
        let staging = (0..DEPTH)
            .map(|_| pass.device().buffer("losses read back", 8 * BLOCK as u64, usage))
            .collect::<Result<_>>()?;
        let staged = match pass.given() {
            Some(to) => (0..DEPTH).map(|_| Staged::new(pass.device(), to)).collect::<Result<Vec<_>>>()?,
            None => Vec::new(),
        };
        let most = staged.first().map_or(BLOCK, Staged::len);
        Ok(Self { pass, plan: plan.clone(), iteration: state.iteration, block: 1, most, staging, staged })
    }

    /// What the device needs to know of one meta-iteration.
    fn now(&self, iteration: u64, slot: usize) -> Now {
        let sampler = &self.plan.sampler;
        let meta_batch = sampler.meta_batch as u64;
        let (key, first_task, query_first) = match sampler.visit {
            Visit::Split => (iteration, 0, sampler.support),
            Visit::Joint => (iteration, 0, 0),
            Visit::Query => (iteration, 0, sampler.support),
            Visit::Halves => {
                let visit = iteration / 2;
                (visit / meta_batch, visit % meta_batch, (iteration % 2) as usize * sampler.support)
            }
        };
        let first_visit = match &sampler.source {
            TaskSource::Sinusoid { pool: Some(pool), .. } => {
                (key.wrapping_mul(meta_batch).wrapping_add(first_task) % u64::from(*pool)) as u32
            }
            TaskSource::Sinusoid { pool: None, .. }
            | TaskSource::Series(_)
            | TaskSource::Images(_)
            | TaskSource::Custom(_) => 0,
        };
        let scalars = self.plan.outer.scalars(iteration);
        Now {
            iteration: key as u32,
            first_task: first_task as u32,
            query_first: query_first as u32,
            first_visit,
            step: scalars.step,
            root: scalars.root,
            slot: slot as u32,
            unused: 0,
        }
    }

    pub(crate) fn pass(&self) -> &Pass {
        &self.pass
    }

    /// Writes what the next meta-iteration needs into the first slot; the caller runs it.
    pub(crate) fn next(&mut self) -> &Pass {
        self.pass.set_now(0, &[self.now(self.iteration, 0)]);
        self.iteration += 1;
        &self.pass
    }

    fn submit(&mut self, half: usize, iterations: usize) -> Result<Flight> {
        let first = half * BLOCK;
        let nows: Vec<_> = (0..iterations).map(|i| self.now(self.iteration + i as u64, first + i)).collect();
        let staged = self.staged.get(half);
        if let Some(staged) = staged {
            staged.fill(self.pass.device(), &self.plan, self.iteration, iterations)?;
        }
        self.pass.set_now(first, &nows);
        let submitted = Instant::now();
        let index = self.pass.submit(first..first + iterations, Some(&self.staging[half]), staged);
        self.iteration += iterations as u64;
        Ok(Flight { index, half, iterations, submitted })
    }

    /// Awaits a submission and takes its losses.
    async fn land(&self, flight: Flight, first: u64, losses: &mut Vec<Losses>) -> Result<()> {
        let staging = &self.staging[flight.half];
        let bytes = 8 * flight.iterations as u64;
        let values: Vec<f32> = self.pass.device().read_mapped(staging, bytes, Some(flight.index)).await?;
        for pair in values.chunks_exact(2) {
            if !(pair[0].is_finite() && pair[1].is_finite()) {
                return Err(Error::not_finite(format!(
                    "the query loss of meta-iteration {} is {} (support {}); use smaller rates or clip the \
                     meta-gradient",
                    first + losses.len() as u64 + 1,
                    pair[0],
                    pair[1]
                )));
            }
            losses.push(Losses { query: pair[0], support: pair[1] });
        }
        Ok(())
    }
}

impl Training for Resident {
    fn advance(&mut self, iterations: u64) -> Result<Vec<Losses>> {
        wait(self.advance_async(iterations))
    }

    fn state(&mut self) -> Result<TrainState> {
        wait(self.state_async())
    }
}

impl Resident {
    /// [`Training::advance`] where waiting is not allowed.
    ///
    /// # Errors
    /// As there.
    pub async fn advance_async(&mut self, iterations: u64) -> Result<Vec<Losses>> {
        let first = self.iteration;
        let end = first + iterations;
        let mut losses = Vec::with_capacity(iterations as usize);
        let mut flights = VecDeque::with_capacity(DEPTH);
        let mut landed = Instant::now();
        let mut half = 0;
        while self.iteration < end || !flights.is_empty() {
            if self.iteration < end && flights.len() < DEPTH {
                let count = (end - self.iteration).min(self.block as u64) as usize;
                flights.push_back(self.submit(half, count)?);
                half = (half + 1) % DEPTH;
                continue;
            }
            let Some(flight) = flights.pop_front() else { break };
            let (count, submitted) = (flight.iterations, flight.submitted);
            self.land(flight, first, &mut losses).await?;
            // A submission starts when the one before it is done.
            let taken = submitted.max(landed).elapsed();
            landed = Instant::now();
            if taken > 2 * TARGET {
                // A single meta-iteration goes in parts; a part of it is no shorter than its longest dispatch.
                let part = taken / self.pass.parts() as u32;
                if self.block == 1 && count == 1 && part > 2 * TARGET {
                    self.pass.cut();
                }
                self.block = (self.block / 2).max(1);
            } else if taken < TARGET / 2 && count == self.block {
                self.block = (self.block * 2).min(self.most);
            }
        }
        Ok(losses)
    }

    /// [`Training::state`] where waiting is not allowed.
    ///
    /// # Errors
    /// As there.
    pub async fn state_async(&self) -> Result<TrainState> {
        let [params, m, v] = self.pass.read_state().await?;
        Ok(TrainState { iteration: self.iteration, params, m, v })
    }
}
