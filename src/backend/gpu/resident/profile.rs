//! What each dispatch of a meta-iteration takes, by the device's own clock.

use super::pass::Pass;
use super::training::Resident;
use crate::backend::gpu::device::Device;
use crate::backend::gpu::device::recording::Recording;
use crate::error::{Error, Result};
use crate::meta::KernelTime;

/// Dispatches of one query set: each has two time stamps.
const CHUNK: usize = wgpu::QUERY_SET_MAX_QUERIES as usize / 2;
/// Meta-iterations, of which each dispatch's median counts.
const ROUNDS: usize = 9;

impl Resident {
    /// Times of the dispatches, by kernel and number of workgroups, in the order in which they first run. Every
    /// dispatch stands in a pass of its own, so that what it waits for is not counted: the sum is what the device
    /// computes, without what launches and barriers cost.
    ///
    /// # Errors
    /// [`Unsupported`](crate::ErrorKind::Unsupported) without time stamps, and failures of the device.
    pub(crate) fn profile(&mut self) -> Result<Vec<KernelTime>> {
        let rounds = (0..ROUNDS)
            .map(|_| {
                let pass = self.next();
                timed(pass.device(), pass)
            })
            .collect::<Result<Vec<_>>>()?;
        let recording = self.pass().recording();
        let mut times = Vec::<KernelTime>::new();
        for step in 0..recording.len() {
            let mut samples: Vec<f64> = rounds.iter().map(|round| round[step]).collect();
            samples.sort_by(f64::total_cmp);
            let (kernel, workgroups) = recording.describe(step);
            let known = times.iter_mut().find(|t| t.kernel == kernel && t.workgroups == workgroups);
            match known {
                Some(time) => {
                    time.dispatches += 1;
                    time.seconds += samples[ROUNDS / 2];
                }
                None => {
                    times.push(KernelTime { kernel, workgroups, dispatches: 1, seconds: samples[ROUNDS / 2] })
                }
            }
        }
        Ok(times)
    }
}

/// Runs the first slot's meta-iteration with each dispatch between two time stamps; seconds of each.
fn timed(device: &Device, pass: &Pass) -> Result<Vec<f64>> {
    if !device.raw().features().contains(wgpu::Features::TIMESTAMP_QUERY) {
        let reason = format!("{} has no time stamps, which a profile needs", device.report());
        return Err(Error::unsupported(reason));
    }
    let recording = pass.recording();
    let usage = wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC;
    let mut seconds = Vec::with_capacity(recording.len());
    for first in (0..recording.len()).step_by(CHUNK) {
        let steps = first..recording.len().min(first + CHUNK);
        let stamps = device.buffer("time stamps", 16 * steps.len() as u64, usage)?;
        encode(device, recording, steps.clone(), &stamps)?;
        let read: Vec<u64> = device.read(&stamps, 0, 2 * steps.len())?;
        let period = 1e-9 * f64::from(device.queue().get_timestamp_period());
        seconds.extend(read.chunks_exact(2).map(|s| s[1].saturating_sub(s[0]) as f64 * period));
    }
    Ok(seconds)
}

fn encode(
    device: &Device,
    recording: &Recording,
    steps: std::ops::Range<usize>,
    stamps: &wgpu::Buffer,
) -> Result<()> {
    let count = 2 * steps.len() as u32;
    let set = device.scoped("time stamps", || {
        let (label, ty) = (Some("time stamps"), wgpu::QueryType::Timestamp);
        device.raw().create_query_set(&wgpu::QuerySetDescriptor { label, ty, count })
    })?;
    let mut encoder = device.raw().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    for (at, step) in steps.enumerate() {
        let writes = wgpu::ComputePassTimestampWrites {
            query_set: &set,
            beginning_of_pass_write_index: Some(2 * at as u32),
            end_of_pass_write_index: Some(2 * at as u32 + 1),
        };
        let mut pass = encoder
            .begin_compute_pass(&wgpu::ComputePassDescriptor { label: None, timestamp_writes: Some(writes) });
        recording.encode_one(step, &mut pass, 0);
    }
    encoder.resolve_query_set(&set, 0..count, stamps, 0);
    device.queue().submit([encoder.finish()]);
    Ok(())
}
