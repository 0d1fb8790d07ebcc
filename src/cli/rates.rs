//! How fast a workload is trained.

use super::failure::Outcome;
use super::out::Out;
use fastweights::meta::{Backend, Block, KernelTime, MetaGradient, Trainer};
use fastweights::model::Operations;
use fastweights::workloads::Workload;
use fastweights::{Error, Result};
use serde::Serialize;

/// How a workload is timed.
#[derive(Clone, Copy)]
pub(super) struct Timing {
    pub(super) blocks: u16,
    pub(super) seconds: f64,
    /// Kernels by themselves, too.
    pub(super) profile: bool,
}

#[derive(Serialize)]
pub(super) struct Row {
    workload: &'static str,
    meta_batch: usize,
    inner_steps: usize,
    order: MetaGradient,
    device: String,
    iterations_per_s: f64,
    tasks_per_s: f64,
    gflops: f64,
    /// Every timed block.
    samples_per_s: Vec<f64>,
    /// With `--profile`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    kernels: Vec<KernelRow>,
}

/// What dispatches of one kernel and size take in a meta-iteration.
#[derive(Serialize)]
struct KernelRow {
    kernel: &'static str,
    workgroups: [u32; 3],
    dispatches: usize,
    microseconds: f64,
}

/// Trains as `train` does, without the control, and times it.
pub(super) fn measure(
    workload: &'static Workload,
    meta_batch: u32,
    timing: &Timing,
    device: &dyn Backend,
) -> Result<Row> {
    let recipe = workload.recipe(meta_batch)?;
    let plan = recipe.train_plan()?;
    let mut trainer = Trainer::new(device, &plan, recipe.start()?)?;
    // The first block is the check as well: its losses must be numbers.
    let first = finite(trainer.advance(1)?, workload.name)?;
    let (mut len, mut took) = (1, first.time.as_secs_f64());
    while took < timing.seconds {
        let wanted = (len as f64 * timing.seconds / took.max(1e-9)).ceil() as u64;
        len = wanted.clamp(len + 1, 16 * len);
        took = finite(trainer.advance(len)?, workload.name)?.time.as_secs_f64();
        if took >= 0.7 * timing.seconds {
            break;
        }
    }
    let mut samples = Vec::new();
    for _ in 0..timing.blocks {
        samples.push(finite(trainer.advance(len)?, workload.name)?.rate());
    }
    let mut sorted = samples.clone();
    sorted.sort_by(f64::total_cmp);
    let median = 0.5 * (sorted[(sorted.len() - 1) / 2] + sorted[sorted.len() / 2]);
    let kernels = match timing.profile {
        true => device.profile(&plan, trainer.state()?)?,
        false => Vec::new(),
    };
    let (task, inner, meta) = (&recipe.task, &recipe.inner.settings, &plan.plan);
    let second = inner.order == MetaGradient::SecondOrder;
    let operations =
        Operations::adapting(&meta.model, &meta.adapted, (task.support, task.query), inner.steps, second)
            .per_task;
    let tasks = median * f64::from(meta_batch);
    Ok(Row {
        workload: workload.name,
        meta_batch: meta_batch as usize,
        inner_steps: inner.steps,
        order: inner.order,
        device: device.name(),
        iterations_per_s: median,
        tasks_per_s: tasks,
        gflops: tasks * operations as f64 * 1e-9,
        samples_per_s: samples,
        kernels: kernels.into_iter().map(KernelRow::from).collect(),
    })
}

fn finite(block: Block, workload: &str) -> Result<Block> {
    match block.losses.iter().position(|l| !(l.query.is_finite() && l.support.is_finite())) {
        None => Ok(block),
        Some(at) => Err(Error::not_finite(format!(
            "{workload}: the loss of meta-iteration {} is not a finite number, so its speed means nothing",
            block.first + at as u64 + 1
        ))),
    }
}

impl From<KernelTime> for KernelRow {
    fn from(time: KernelTime) -> Self {
        let KernelTime { kernel, workgroups, dispatches, seconds } = time;
        Self { kernel, workgroups, dispatches, microseconds: 1e6 * seconds }
    }
}

impl KernelRow {
    fn line(&self, all: f64) -> String {
        let [x, y, z] = self.workgroups;
        format!(
            "    {:>8.1} µs {:>5.1} %  {} × {} ({x} × {y} × {z} workgroups)",
            self.microseconds,
            1e-4 * self.microseconds / all.max(1e-12),
            self.dispatches,
            self.kernel
        )
    }
}

impl Row {
    pub(super) fn print(&self, out: &mut Out) -> Outcome {
        out.line(&self.line())?;
        self.kernels.iter().try_for_each(|kernel| out.line(&kernel.line(self.seconds_of_kernels())))?;
        out.finish()
    }

    pub(super) fn iterations_per_s(&self) -> f64 {
        self.iterations_per_s
    }

    fn seconds_of_kernels(&self) -> f64 {
        self.kernels.iter().map(|k| 1e-6 * k.microseconds).sum()
    }

    /// Standard deviation of the blocks, in percent of their mean.
    fn spread(&self) -> f64 {
        let n = self.samples_per_s.len() as f64;
        let mean = self.samples_per_s.iter().sum::<f64>() / n;
        let squares = self.samples_per_s.iter().map(|rate| (rate - mean).powi(2)).sum::<f64>();
        100.0 * (squares / (n - 1.0).max(1.0)).sqrt() / mean
    }

    fn line(&self) -> String {
        let order = if self.order == MetaGradient::SecondOrder { "second" } else { "first" };
        format!(
            "{:<22} {:>10} {:>5} {:>6} {:>12.1} {:>7.1} {:>12.0} {:>9.1}",
            self.workload,
            self.meta_batch,
            self.inner_steps,
            order,
            self.iterations_per_s,
            self.spread(),
            self.tasks_per_s,
            self.gflops
        )
    }
}
