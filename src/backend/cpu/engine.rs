//! What an engine is to the resident training, and what a training takes.

use crate::meta::{Forecast, Losses, Rates};
use crate::simd::Isa;
use std::ops::Range;

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

/// Bytes that threads share: parameters, two moments and the gradient, and a row of sums for each chunk of tasks.
pub(super) fn shared_bytes(chunks: usize, len: usize) -> u64 {
    4 * ((4 + chunks) * len) as u64
}

/// What a training of `len` meta-parameters takes of each of so many members that share it.
pub(super) fn forecast(engine: &impl Engine, len: usize, threads: usize, members: usize) -> Forecast {
    let (chunks, worker) = (engine.chunks(), 4 * engine.worker_len() as u64);
    let threads = threads.min(chunks.div_ceil(members)) as u64;
    let shared = shared_bytes(chunks, len);
    let mut layout =
        format!("{threads} × {:.1} MiB for tasks in progress", worker as f64 / f64::from(1 << 20));
    if members > chunks {
        layout +=
            &format!("; {chunks} of {members} processes have work, a larger outer.meta_batch has for more");
    }
    Forecast { bytes: threads * worker + shared, host: true, layout }
}
