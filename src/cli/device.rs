//! `--device`: which one is meant, and why; `devices`: what there is.

use super::failure::Outcome;
use super::out::Out;
use fastweights::backend::cpu::CpuBackend;
use fastweights::backend::gpu::adapter::{self, AdapterKind, AdapterReport};
use fastweights::backend::gpu::kernels;
use fastweights::backend::{Opened, open};
use fastweights::meta::Backend as _;
use fastweights::{Error, Result};

/// Where to compute.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct DeviceArguments {
    /// auto, cpu, gpu, an adapter's index or part of its name (see `devices`); auto takes a real GPU, else the CPU; any takes
    /// software adapters too
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    pub(super) device: String,
    /// Threads of the CPU [default: one a core]; results do not depend on it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(super) threads: Option<u16>,
}

impl DeviceArguments {
    /// The name of the device that was asked for.
    pub(super) fn name(&self) -> Result<&str> {
        match self.device.as_str() {
            "cpu-f64" => Err(Error::recipe("--device", "is cpu-f64, which only gradcheck takes; use cpu")),
            "" => Err(Error::recipe(
                "--device",
                "is empty; allowed are auto, cpu, gpu, any, an index or a name",
            )),
            device => Ok(device),
        }
    }

    /// Opens the device that was asked for, to take at most so many bytes of memory.
    pub(super) fn open(&self, memory: Option<u64>) -> Result<Opened> {
        open(self.name()?, self.threads.map(usize::from), memory)
    }
}

/// Prints the devices.
pub(super) fn list(out: &mut Out) -> Outcome {
    out.line(&CpuBackend::new(None).name())?;
    out.line("  runs everything; chosen by `--device cpu`, and by `auto` where there is no real GPU")?;
    let adapters = adapter::list();
    if adapters.is_empty() {
        out.line("no GPU adapter: no graphics driver with compute shaders answers")?;
    }
    for report in &adapters {
        describe(report, out)?;
    }
    Ok(())
}

fn describe(report: &AdapterReport, out: &mut Out) -> Outcome {
    let limits = &report.capacity;
    out.line(&format!("{}: {}", report.index, report.name))?;
    out.line(&format!("  {}, through {}; driver {}", report.kind, report.backend, report.driver))?;
    out.line(&format!(
        "  limits: {} KiB workgroup memory, {} invocations a workgroup, {} storage buffers a kernel,",
        limits.workgroup_bytes / 1024,
        limits.invocations,
        limits.storage_buffers
    ))?;
    out.line(&format!(
        "    {} MiB a storage binding, {} MiB a buffer, {} workgroups a dimension",
        limits.storage_binding_bytes >> 20,
        limits.buffer_bytes >> 20,
        limits.workgroups
    ))?;
    let subgroups = report
        .subgroups
        .map_or_else(|| "no subgroups".to_owned(), |(low, high)| format!("subgroups of {low} to {high}"));
    let timestamps = if report.timestamps { "timestamps" } else { "no timestamps" };
    out.line(&format!("  features: {subgroups}, {timestamps}"))?;
    let (runs, not): (Vec<_>, Vec<_>) =
        kernels::ALL.iter().map(|k| (k.shader, limits.takes(k))).partition(|(_, check)| check.is_ok());
    let names: Vec<_> = runs.iter().map(|(name, _)| *name).collect();
    out.line(&format!("  kernels: {} of {} run: {}", runs.len(), kernels::ALL.len(), names.join(", ")))?;
    for (name, check) in not {
        if let Err(error) = check {
            out.line(&format!("  not {name}: {error}"))?;
        }
    }
    if report.kind == AdapterKind::Software {
        out.line("  a program on the CPU, for tests: `auto` does not take it, and it is probed when opened")?;
    }
    Ok(())
}
