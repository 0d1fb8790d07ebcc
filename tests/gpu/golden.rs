//! Whole meta-gradients on the GPU, against answers from elsewhere and against the float64 oracle.

use crate::adapter;
use crate::common::golden_cases;
use fastweights::backend::gpu::GpuBackend;
use fastweights::meta::Backend as _;

const TOLERANCE: f64 = 2e-5;

#[test]
fn golden_cases_to_2e_5() {
    let Some(device) = adapter::device("golden_cases_to_2e_5") else { return };
    let gpu = GpuBackend::new(device);
    for (name, case) in golden_cases() {
        let params: Vec<f32> = case.params.iter().map(|&v| v as f32).collect();
        let out = gpu.meta_gradient(&case.plan, &params, &case.tasks.map(|v| v as f32)).unwrap();
        for (tensor, error) in case.compare(&out.widen()) {
            println!("{name}: {tensor}: {error:e}");
            assert!(error <= TOLERANCE, "{name}: {tensor}: {error:e}");
        }
    }
}
