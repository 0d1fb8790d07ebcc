//! Meta-learning on tasks of one's own: a generator in a few lines, trained and judged.
//!
//!     cargo run --release --example own_tasks
#![allow(clippy::print_stdout, reason = "an example prints")]

use fastweights::backend::cpu::CpuBackend;
use fastweights::meta::{
    Backend as _, Curve, Loss, OuterOptimizer, Plan, Rates, TrainPlan, TrainState, Trainer,
};
use fastweights::model::{Init, Model};
use fastweights::task::{Philox, Sampler, TaskFamily, TaskSource, Visit, unit};
use std::sync::Arc;

/// Damped oscillations `y = exp(−d x) · cos(w x)`: every task has a damping and a frequency of its own.
#[derive(Debug)]
struct Oscillations;

impl TaskFamily for Oscillations {
    fn name(&self) -> &str {
        "damped oscillations"
    }

    fn inputs(&self) -> usize {
        1
    }

    fn draw(&self, words: &mut Philox, _support: usize, _query: usize, x: &mut [f32], y: &mut [f32]) {
        // All randomness comes from the words, so that a run can be repeated.
        let mut uniform = |low: f32, high: f32| low + (high - low) * unit(words.word());
        let (damping, frequency) = (uniform(0.1, 1.0), uniform(1.0, 3.0));
        for (x, y) in x.iter_mut().zip(y) {
            *x = uniform(0.0, 4.0);
            *y = (-damping * *x).exp() * (frequency * *x).cos();
        }
    }
}

fn main() -> fastweights::Result<()> {
    let family = Arc::new(Oscillations);
    let (support, query, steps) = (10, 10, 3);
    let source = TaskSource::Custom(family.clone());
    let sampler = Sampler { source, seed: 0, meta_batch: 16, support, query, visit: Visit::Split };
    let plan = Plan::new(
        Model::mlp(1, &[40, 40], 1, false)?,
        Loss::mse(),
        support,
        query,
        steps,
        Rates::fixed(0.02),
    )?;
    let start = TrainState::start(Init::Torch.draw(&plan.model, 0));
    let train = TrainPlan { plan, sampler, outer: OuterOptimizer::adam(1e-3, 5000) };

    let device = CpuBackend::new(None);
    let mut trainer = Trainer::new(&device, &train, start)?;
    trainer.set_block_len(1000);
    for block in trainer.by_ref() {
        let block = block?;
        println!("{:>5} meta-iterations: query loss {:.4}", block.end(), block.mean().query);
    }

    let params = trainer.state()?.params;
    let plan = train.plan.for_evaluation(&params, support, query, 2 * steps, None);
    let new_tasks = train.sampler.family_evaluation(&*family, 0, 0..600);
    let curve = Curve::of(&device.evaluate(&plan, &params, &new_tasks, false)?, 2 * steps);
    for step in [0, 1, steps, 2 * steps] {
        println!(
            "loss on 600 new tasks after {step} steps: {:.4} ± {:.4}",
            curve.mean[step], curve.ci95[step]
        );
    }
    Ok(())
}
