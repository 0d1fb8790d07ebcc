//! `bench`: meta-iterations a second, sampling included.

use super::bench_report::GpuReport;
use super::device::DeviceArguments;
use super::failure::Outcome;
use super::out::{Out, check_writable};
use super::rates::{Timing, measure};
use fastweights::backend::gpu::{Choice, Device, GpuBackend};
use fastweights::meta::Backend;
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
        // After each, so that what is cut off loses one.
        write_atomic(path, pretty(&report)?.as_bytes())?;
    }
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
