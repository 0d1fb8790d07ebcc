//! What several test files share.
#![allow(dead_code, reason = "each test file uses its part")]

use fastweights::case::Case;
use fastweights::losses::Truth;
use fastweights::meta::Plan;
use fastweights::task::{Philox, Purpose, TaskBatch};
use rand::RngExt as _;

/// The golden cases, in the order of their names.
pub(crate) fn golden_cases() -> Vec<(String, Case)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
    let mut cases = Vec::new();
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|f| f.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|e| e == "safetensors"));
    files.sort();
    assert_eq!(files.len(), 30);
    for path in files {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let case = Case::read(&path).unwrap_or_else(|e| panic!("{name}: {e}"));
        cases.push((name, case));
    }
    cases
}

/// Those of them that are multi-layer perceptrons.
pub(crate) fn mlp_cases() -> Vec<(String, Case)> {
    let mut cases = golden_cases();
    cases.retain(|(_, case)| case.plan.model.is_chain());
    assert_eq!(cases.len(), 14);
    cases
}

/// Tasks in the plan's shapes, drawn from a seed; labels where the loss wants them.
pub(crate) fn random_tasks(plan: &Plan, tasks: usize, seed: u64) -> TaskBatch {
    let mut batch = TaskBatch::zeros(tasks, plan.support, plan.query, plan.model.inputs(), plan.targets());
    let mut rng = Philox::stream(seed, Purpose::Data, 7, 7);
    for x in batch.support_x.iter_mut().chain(&mut batch.query_x) {
        *x = 4.0 * rng.random::<f32>() - 2.0;
    }
    for y in batch.support_y.iter_mut().chain(&mut batch.query_y) {
        *y = match plan.loss.truth() {
            Truth::Numbers => 2.0 * rng.random::<f32>() - 1.0,
            Truth::Shares => rng.random::<f32>(),
            Truth::Class => rng.random_range(0..plan.model.outputs() as u32) as f32,
        };
    }
    batch
}
