//! The CPU backend against golden cases and the oracle.

mod common;

use common::golden_cases;
use fastweights::backend::cpu::{CpuBackend, Instructions};
use fastweights::meta::Backend;

#[test]
fn golden_cases_on_every_instruction_set() {
    for instructions in Instructions::available() {
        let cpu = CpuBackend::new(Some(2)).with_instructions(instructions).unwrap();
        for (name, case) in golden_cases() {
            let params: Vec<f32> = case.params.iter().map(|&v| v as f32).collect();
            let tasks = case.tasks.map(|v| v as f32);
            let out = cpu.meta_gradient(&case.plan, &params, &tasks).unwrap();
            for (tensor, error) in case.compare(&out.widen()) {
                assert!(error <= 2e-5, "{name} on {}: {tensor}: {error:e}", instructions.name());
            }
        }
    }
}
