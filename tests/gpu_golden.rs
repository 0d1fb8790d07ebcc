//! Whole meta-gradients on the GPU, against answers from elsewhere and against the float64 oracle.
#![allow(clippy::print_stdout, reason = "a test may say what it saw")]

mod adapter;
mod common;

use common::golden_cases;
use fastweights::ErrorKind;
use fastweights::backend::gpu::{GpuBackend, Path};
use fastweights::meta::Backend as _;

const TOLERANCE: f64 = 2e-5;

#[test]
fn golden_cases_to_2e_5() {
    let Some(device) = adapter::device("golden_cases_to_2e_5") else { return };
    let mut gpu = GpuBackend::new(device);
    for (name, case) in golden_cases() {
        // Chains of linear layers and ReLU alone go the fused path.
        let path = if case.plan.model.is_mlp() { Path::Auto } else { Path::Layered };
        gpu = gpu.with_path(path);
        let params: Vec<f32> = case.params.iter().map(|&v| v as f32).collect();
        let out = gpu.meta_gradient(&case.plan, &params, &case.tasks.map(|v| v as f32));
        let out = match out {
            // Its convolution has groups and a dilation; what kernels cannot compute is refused by name.
            Err(e) if name == "group_norm_conv_k2" && matches!(e.kind(), ErrorKind::Unsupported(_)) => {
                println!("{name}: skipped: {e}");
                continue;
            }
            out => out.unwrap(),
        };
        for (tensor, error) in case.compare(&out.widen()) {
            println!("{name}: {tensor}: {error:e}");
            assert!(error <= TOLERANCE, "{name}: {tensor}: {error:e}");
        }
    }
}
