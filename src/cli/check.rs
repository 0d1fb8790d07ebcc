//! `gradcheck`: known meta-gradients, computed by the code that trains.

use super::device::DeviceArguments;
use super::failure::Outcome;
use super::out::Out;
use fastweights::backend::oracle;
use fastweights::case::Case;
use fastweights::meta::{Backend, MetaOutput};
use fastweights::run::write_atomic;
use fastweights::{Error, Result};
use std::path::{Path, PathBuf};

/// Compute known meta-gradients on a device and compare: a check of hardware and driver.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Cases with their answers, as safetensors
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    device: DeviceArguments,
    /// Write what was computed, under the names of the answers; for a single case
    #[arg(long, value_name = "OUT.safetensors")]
    out: Option<PathBuf>,
}

/// The device under test.
enum Subject {
    Oracle,
    Device(Box<dyn Backend>),
}

impl Subject {
    /// Largest error of a tensor: of float64, or of float32 with room over what it reaches.
    fn tolerance(&self) -> f64 {
        match self {
            Self::Oracle => 1e-9,
            Self::Device(_) => 2e-5,
        }
    }

    fn name(&self) -> String {
        match self {
            Self::Oracle => "cpu-f64".to_owned(),
            Self::Device(backend) => backend.name(),
        }
    }

    fn compute(&self, case: &Case) -> Result<MetaOutput<f64>> {
        match self {
            Self::Oracle => oracle::meta_gradient(&case.plan, &case.params, &case.tasks),
            Self::Device(backend) => {
                let params: Vec<f32> = case.params.iter().map(|&v| v as f32).collect();
                let tasks = case.tasks.map(|v| v as f32);
                Ok(backend.meta_gradient(&case.plan, &params, &tasks)?.widen())
            }
        }
    }
}

pub(super) fn run(arguments: &Arguments, out: &mut Out) -> Outcome {
    if let (Some(path), [_, _, ..]) = (&arguments.out, &arguments.files[..]) {
        let reason = format!("{} holds one case, but {} are given", path.display(), arguments.files.len());
        return Err(Error::recipe("--out", reason).into());
    }
    let subject = if arguments.device.device == "cpu-f64" {
        Subject::Oracle
    } else {
        Subject::Device(arguments.device.open(None)?.backend)
    };
    let tolerance = subject.tolerance();
    out.line(&format!("{}, tolerance {tolerance:e}", subject.name()))?;
    let (mut failed, mut worst) = (0, 0.0_f64);
    for path in &arguments.files {
        // A case that cannot be computed fails, but does not hide the ones after it.
        match check(path, &subject, arguments.out.as_deref()) {
            Ok(errors) => {
                failed += usize::from(!print(path, &errors, tolerance, out)?);
                worst = errors.iter().fold(worst, |worst, (_, error)| worst.max(*error));
            }
            Err(error) => {
                let (path, words) = (path.display().to_string(), words(&error));
                // Errors of files name them already.
                let words = words.strip_prefix(&path).unwrap_or(&words).trim_start_matches([':', ' ']);
                out.line(&format!("{path}: {words}"))?;
                failed += 1;
            }
        }
    }
    match (failed, arguments.files.len()) {
        (0, all) => out.line(&format!("{all} of {all} ok, worst error {worst:.1e}")),
        (failed, all) => Err(Error::failed(format!("{failed} of {all} cases failed")).into()),
    }
}

/// An error with its causes on one line.
pub(super) fn words(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    text
}

fn check(path: &Path, subject: &Subject, save: Option<&Path>) -> Result<Vec<(String, f64)>> {
    let case = Case::read(path)?;
    let output = subject.compute(&case)?;
    if let Some(save) = save {
        write_atomic(save, &serialize(&case, &output)?)?;
    }
    Ok(case.compare(&output))
}

/// Prints a case's errors; returns whether all are within the tolerance.
fn print(path: &Path, errors: &[(String, f64)], tolerance: f64, out: &mut Out) -> Outcome<bool> {
    // Written so that NaN is not within.
    let within = |error: f64| error <= tolerance;
    let passed = !errors.is_empty() && errors.iter().all(|(_, error)| within(*error));
    out.line(&format!("{}: {}", path.display(), if passed { "ok" } else { "FAILED" }))?;
    if errors.is_empty() {
        out.line("  has no answers to compare with")?;
    }
    let width = errors.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    for (name, error) in errors {
        let mark = if within(*error) { "" } else { "  beyond" };
        out.line(&format!("  {name:width$}  {error:.1e}{mark}"))?;
    }
    Ok(passed)
}

fn serialize(case: &Case, output: &MetaOutput<f64>) -> Result<Vec<u8>> {
    use safetensors::tensor::{Dtype, TensorView};
    let failed = |e: safetensors::SafeTensorError| Error::failed(format!("--out: {e}"));
    let tensors: Vec<_> = (case.outputs(output).into_iter())
        .map(|t| (t.name, t.shape, t.values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>()))
        .collect();
    let views = (tensors.iter())
        .map(|(name, shape, bytes)| Ok((name, TensorView::new(Dtype::F64, shape.clone(), bytes)?)))
        .collect::<Result<Vec<_>, _>>()
        .map_err(failed)?;
    safetensors::serialize(views, None).map_err(failed)
}
