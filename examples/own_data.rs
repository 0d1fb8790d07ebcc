//! Few-shot classification of a data set of one's own: vectors in memory, a label each.
//!
//!     cargo run --release --example own_data
#![allow(clippy::print_stdout, reason = "an example prints")]

use fastweights::backend::cpu::CpuBackend;
use fastweights::meta::{
    Backend as _, Curve, Loss, OuterOptimizer, Plan, Rates, TrainPlan, TrainState, Trainer, accuracy,
};
use fastweights::model::{Init, Model};
use fastweights::task::{Philox, Purpose, Rows, Sampler, TaskSource, Visit, unit};
use std::sync::Arc;

/// Stands in for a file of measurements: 60 kinds of 30 samples, each a noisy copy of the kind's 12 numbers.
fn measurements() -> (Vec<f32>, Vec<String>) {
    let mut words = Philox::stream(1, Purpose::Data, 0, 0);
    let mut number = |scale: f32| scale * (2.0 * unit(words.word()) - 1.0);
    let (mut values, mut labels) = (Vec::new(), Vec::new());
    for kind in 0..60 {
        let centre: Vec<_> = (0..12).map(|_| number(1.0)).collect();
        for _ in 0..30 {
            values.extend(centre.iter().map(|c| c + number(0.9)));
            labels.push(format!("kind {kind:02}"));
        }
    }
    (values, labels)
}

fn main() -> fastweights::Result<()> {
    let (ways, shots, queries, steps) = (5, 1, 5, 3);
    let (values, labels) = measurements();
    // Forty kinds to learn from; the other twenty are never seen before the end.
    let [train, _, test] = Rows::new(values, 12, &labels, ways)?.split(0, [40, 0, 20])?;
    let (Some(train), Some(test)) = (train, test) else { return Ok(()) };

    let (support, query) = (ways * shots, ways * queries);
    let source = TaskSource::Custom(Arc::new(train));
    let sampler = Sampler { source, seed: 0, meta_batch: 16, support, query, visit: Visit::Split };
    let model = Model::mlp(12, &[64, 64], ways, false)?;
    let plan = Plan::new(model, Loss::cross_entropy(), support, query, steps, Rates::fixed(0.2))?;
    let start = TrainState::start(Init::He.draw(&plan.model, 0));
    let train = TrainPlan { plan, sampler, outer: OuterOptimizer::adam(1e-3, 2000) };

    let device = CpuBackend::new(None);
    let mut trainer = Trainer::new(&device, &train, start)?;
    trainer.set_block_len(500);
    for block in trainer.by_ref() {
        let block = block?;
        println!("{:>5} meta-iterations: query loss {:.4}", block.end(), block.mean().query);
    }

    let params = trainer.state()?.params;
    let plan = train.plan.for_evaluation(&params, support, query, steps, None);
    let tasks = train.sampler.family_evaluation(&test, 0, 0..600);
    let shares = accuracy(plan.loss, &device.evaluate(&plan, &params, &tasks, true)?, &tasks);
    let curve = Curve::of_values(&shares, steps);
    for step in 0..=steps {
        let (mean, ci95) = (100.0 * curve.mean[step], 100.0 * curve.ci95[step]);
        println!("accuracy on 600 tasks of new kinds after {step} steps: {mean:.1} ± {ci95:.1} %");
    }
    Ok(())
}
