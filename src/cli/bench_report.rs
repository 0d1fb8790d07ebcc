//! `bench --report`: what a GPU is, whether it is right and how fast it is, in one file to send to those who tune the kernels.

use super::check::words;
use super::failure::Outcome;
use super::out::Out;
use super::rates::{Row, Timing, measure};
use fastweights::backend::cpu::CpuBackend;
use fastweights::backend::gpu::adapter::AdapterKind;
use fastweights::backend::gpu::{AdapterReport, Device, GpuBackend, Path, Tuning};
use fastweights::meta::Backend as _;
use fastweights::workloads::Workload;
use fastweights::{Error, Result};
use serde::Serialize;

/// Largest difference from the CPU's meta-gradient, as a part of its largest element. A judgement, not a measured bound: at a
/// tie of a ReLU or a pool float32 may fall on either side. Golden cases are held to 2e-5, by `gradcheck`.
const AGREES: f64 = 1e-3;
/// Invocations of a workgroup that are tried where a meta-batch is one fused pass. The first is enough for software, which
/// compiles for seconds.
const WORKGROUPS: [u32; 4] = [32, 64, 128, 256];

/// All that is known of a GPU.
#[derive(Serialize)]
pub(super) struct GpuReport {
    fastweights: &'static str,
    system: String,
    cpu: String,
    adapter: AdapterReport,
    checks: Vec<Check>,
    rows: Vec<Row>,
    /// Rates with other workgroups than the one that is taken by itself.
    workgroups: Vec<Tried>,
    failures: Vec<Failure>,
}

/// A workload's meta-gradient beside the CPU's.
#[derive(Serialize)]
struct Check {
    workload: &'static str,
    tasks: u32,
    /// Largest difference, as a part of the largest element.
    gradient_error: f64,
    /// Difference of the meta-loss, as a part of it.
    loss_error: f64,
    agrees: bool,
}

/// A rate with another workgroup of the fused pass.
#[derive(Serialize)]
struct Tried {
    workload: &'static str,
    meta_batch: u32,
    workgroup: u32,
    iterations_per_s: f64,
}

/// What could not be computed.
#[derive(Serialize)]
struct Failure {
    workload: &'static str,
    /// Nothing where it was the check.
    meta_batch: Option<u32>,
    error: String,
}

impl GpuReport {
    pub(super) fn new(device: &Device) -> Self {
        Self {
            fastweights: env!("CARGO_PKG_VERSION"),
            system: format!("{} on {}", std::env::consts::OS, std::env::consts::ARCH),
            cpu: CpuBackend::new(None).name(),
            adapter: device.report().clone(),
            checks: Vec::new(),
            rows: Vec::new(),
            workgroups: Vec::new(),
            failures: Vec::new(),
        }
    }

    /// Checks and measures a workload with some meta-batches: what fails is noted, and the next goes on.
    pub(super) fn add(
        &mut self,
        workload: &'static Workload,
        meta_batches: &[u32],
        timing: &Timing,
        gpu: &GpuBackend,
        out: &mut Out,
    ) -> Outcome {
        match Check::of(workload, gpu) {
            Ok(check) => {
                out.line(&check.line())?;
                self.checks.push(check);
            }
            Err(error) => self.failed(workload, None, &error, out)?,
        }
        let timing = Timing { profile: self.adapter.timestamps, ..*timing };
        for &meta_batch in meta_batches {
            match measure(workload, meta_batch, &timing, gpu) {
                Ok(row) => {
                    row.print(out)?;
                    self.rows.push(row);
                }
                Err(error) => {
                    self.failed(workload, Some(meta_batch), &error, out)?;
                    continue;
                }
            }
            if let Err(error) = self.try_workgroups(workload, meta_batch, &timing, gpu) {
                self.failed(workload, Some(meta_batch), &error, out)?;
            }
        }
        out.finish()
    }

    fn try_workgroups(
        &mut self,
        workload: &'static Workload,
        meta_batch: u32,
        timing: &Timing,
        gpu: &GpuBackend,
    ) -> Result<()> {
        if gpu.footprint(&workload.recipe(meta_batch)?.train_plan()?)?.path != Path::Fused {
            return Ok(());
        }
        let timing = Timing { profile: false, ..*timing };
        let (own, most) = (gpu.tuning(), self.adapter.capacity.invocations);
        let tried = if self.adapter.kind == AdapterKind::Software { &WORKGROUPS[..1] } else { &WORKGROUPS };
        for &workgroup in tried.iter().filter(|&&tried| tried <= most && tried != own.workgroup) {
            let other = gpu.clone().with_tuning(Tuning { workgroup, ..own });
            let iterations_per_s = measure(workload, meta_batch, &timing, &other)?.iterations_per_s();
            self.workgroups.push(Tried { workload: workload.name, meta_batch, workgroup, iterations_per_s });
        }
        Ok(())
    }

    fn failed(
        &mut self,
        workload: &Workload,
        meta_batch: Option<u32>,
        error: &Error,
        out: &mut Out,
    ) -> Outcome {
        let error = words(error);
        out.line(&format!("{}: FAILED: {error}", workload.name))?;
        self.failures.push(Failure { workload: workload.name, meta_batch, error });
        Ok(())
    }

    /// Fails with a count of what differs or failed, if anything.
    pub(super) fn verdict(&self) -> Result<()> {
        let differing = self.checks.iter().filter(|check| !check.agrees).count();
        match (differing, self.failures.len()) {
            (0, 0) => Ok(()),
            (differing, failed) => Err(Error::failed(format!(
                "meta-gradients that differ from the CPU's: {differing} of {}; failures: {failed}; the report names them",
                self.checks.len()
            ))),
        }
    }
}

impl Check {
    fn of(workload: &'static Workload, gpu: &GpuBackend) -> Result<Self> {
        // What is measured on few tasks takes the CPU seconds a task.
        let checked = if workload.meta_batches.iter().any(|&tasks| tasks > 4) { 2 } else { 1 };
        let recipe = workload.recipe(checked)?;
        let (plan, start) = (recipe.train_plan()?, recipe.start()?);
        let tasks = plan.sampler.batch(0);
        let expected = CpuBackend::new(None).meta_gradient(&plan.plan, &start.params, &tasks)?;
        let found = gpu.meta_gradient(&plan.plan, &start.params, &tasks)?;
        let largest = expected.gradient.iter().fold(0.0_f64, |largest, g| largest.max(f64::from(g.abs())));
        // A NaN stays one, and agrees with nothing.
        let worst = |worst: f64, other: f64| if other <= worst { worst } else { other };
        let gradient_error = (expected.gradient.iter().zip(&found.gradient))
            .map(|(&a, &b)| (f64::from(a) - f64::from(b)).abs())
            .fold(0.0, worst)
            / largest;
        let (a, b) = (f64::from(expected.meta_loss), f64::from(found.meta_loss));
        let loss_error = ((a - b) / a).abs();
        let agrees = gradient_error <= AGREES && loss_error <= AGREES;
        Ok(Self { workload: workload.name, tasks: checked, gradient_error, loss_error, agrees })
    }

    fn line(&self) -> String {
        let Self { workload, gradient_error, loss_error, agrees, .. } = self;
        let verdict = if *agrees { "agrees with" } else { "DIFFERS from" };
        format!(
            "{workload}: {verdict} the CPU, meta-gradient to {gradient_error:.0e}, loss to {loss_error:.0e}"
        )
    }
}
