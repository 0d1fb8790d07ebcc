//! `bench`: meta-iterations a second, sampling included.

use super::bench_report::GpuReport;
use super::device::DeviceArguments;
use super::failure::Outcome;
use super::out::{Out, check_writable};
use fastweights::backend::gpu::{Choice, Device, GpuBackend};
use fastweights::meta::{Backend, Block, KernelTime, MetaGradient, Trainer};
use fastweights::model::Operations;
use fastweights::run::write_atomic;
use fastweights::workloads::{WORKLOADS, Workload};
use fastweights::{Error, Result};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Measure meta-iterations a second.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    device: DeviceArguments,
    // Its help lists the workloads that there are.
    #[arg(long, value_name = "NAME", help = workload_help())]
    workload: Vec<String>,
    /// Tasks a meta-iteration; may be repeated [default: the workload's own]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1 << 20))]
    meta_batch: Vec<u32>,
    /// Timed blocks, of which the median counts
    #[arg(long, value_name = "N", default_value_t = 7, value_parser = clap::value_parser!(u16).range(5..))]
    blocks: u16,
    /// Seconds a block
    #[arg(long, value_name = "X", default_value_t = 0.3)]
    seconds: f64,
    /// Print also what each kernel of a meta-iteration takes, by a GPU's own clock
    #[arg(long)]
    profile: bool,
    /// Write the results to this file, as an array; `-` is standard output
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write to this file all that is wanted of a GPU: limits, meta-gradients beside the CPU's, rates, kernels; whatever
    /// fails is noted
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    report: Option<PathBuf>,
}

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

pub(super) fn run(arguments: &Arguments, out: &mut Out) -> Outcome {
    let workloads = choose(&arguments.workload)?;
    if !(arguments.seconds > 0.0 && arguments.seconds <= 600.0) {
        let reason = format!("is {}; allowed are numbers above 0, up to 600", arguments.seconds);
        return Err(Error::recipe("--seconds", reason).into());
    }
    let workloads: Vec<_> = workloads
        .into_iter()
        .map(|workload| {
            let own = arguments.meta_batch.is_empty();
            (workload, if own { workload.meta_batches.to_vec() } else { arguments.meta_batch.clone() })
        })
        .collect();
    let timing = Timing { blocks: arguments.blocks, seconds: arguments.seconds, profile: arguments.profile };
    if let Some(path) = &arguments.report {
        return report(path, &workloads, &timing, arguments.device.name()?, out);
    }
    let device = arguments.device.open(None)?;
    let to_stdout = arguments.json.as_deref() == Some(Path::new("-"));
    if !to_stdout {
        head(&*device.backend, &device.why, out)?;
    }
    let mut rows = Vec::new();
    for (workload, meta_batches) in workloads {
        for meta_batch in meta_batches {
            let row = measure(workload, meta_batch, &timing, &*device.backend)?;
            if !to_stdout {
                row.print(out)?;
            }
            rows.push(row);
        }
    }
    match &arguments.json {
        Some(_) if to_stdout => out.text(&pretty(&rows)?),
        Some(path) => Ok(write_atomic(path, pretty(&rows)?.as_bytes())?),
        None => Ok(()),
    }
}

/// Checks and measures a GPU, and writes what was found even where something failed.
fn report(
    path: &Path,
    workloads: &[(&'static Workload, Vec<u32>)],
    timing: &Timing,
    device: &str,
    out: &mut Out,
) -> Outcome {
    check_writable(path, &[])?;
    if device == "cpu" {
        let reason = "is of a GPU, and --device is cpu; `devices` lists what there is";
        return Err(Error::recipe("--report", reason).into());
    }
    let Ok(choice) = device.parse::<Choice>();
    let gpu = GpuBackend::new(Device::open(&choice)?);
    head(&gpu, &gpu.device().report().driver, out)?;
    let mut report = GpuReport::new(gpu.device());
    for (workload, meta_batches) in workloads {
        report.add(workload, meta_batches, timing, &gpu, out)?;
    }
    write_atomic(path, pretty(&report)?.as_bytes())?;
    out.line(&format!("{}: all of this, limits and other workgroups", path.display()))?;
    Ok(report.verdict()?)
}

fn head(device: &dyn Backend, about: &str, out: &mut Out) -> Outcome {
    out.line(&format!("{} ({about})", device.name()))?;
    out.line(&format!(
        "{:<22} {:>10} {:>5} {:>6} {:>12} {:>7} {:>12} {:>9}",
        "workload", "meta-batch", "steps", "order", "iterations/s", "± %", "tasks/s", "GFLOP/s"
    ))
}

fn pretty(value: &impl Serialize) -> Result<String> {
    Ok(serde_json::to_string_pretty(value).map_err(|e| Error::failed(e.to_string()))? + "\n")
}

fn workload_help() -> String {
    let names: Vec<_> = WORKLOADS.iter().map(|w| w.name).collect();
    format!("One of {}; may be repeated [default: all]", names.join(", "))
}

fn choose(names: &[String]) -> Result<Vec<&'static Workload>> {
    if names.is_empty() {
        return Ok(WORKLOADS.iter().collect());
    }
    names
        .iter()
        .map(|name| {
            WORKLOADS.iter().find(|w| w.name == name).ok_or_else(|| {
                let all: Vec<_> = WORKLOADS.iter().map(|w| w.name).collect();
                Error::recipe("--workload", format!("is {name}; allowed are {}", all.join(", ")))
            })
        })
        .collect()
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
