//! A physical field of one's own: heat that spreads in a rod, measured at scattered places and times. A network of sines learns to
//! fit any such field in three steps.
//!
//!     cargo run --release --example own_field
#![allow(clippy::print_stdout, reason = "an example prints")]

use fastweights::backend::cpu::CpuBackend;
use fastweights::meta::{
    Backend as _, Curve, Loss, OuterOptimizer, Plan, Rates, TrainPlan, TrainState, Trainer,
};
use fastweights::model::{Init, Preset, Shape, Siren};
use fastweights::task::{Philox, Sampler, TaskFamily, TaskSource, Visit, unit};
use std::f32::consts::PI;
use std::sync::Arc;

/// Solutions of `∂u/∂t = ∂²u/∂z² / 40` between two cold ends: `u = Σ_k a_k · exp(−(kπ)² t / 40) · sin(kπ z)`. A point is a place
/// `x = 2z − 1` and a time `2t − 1`; each task draws its own `a_1 … a_4`, the state that it begins with.
#[derive(Debug)]
struct Heat;

impl TaskFamily for Heat {
    fn name(&self) -> &str {
        "heat in a rod"
    }

    fn inputs(&self) -> usize {
        2
    }

    fn draw(&self, words: &mut Philox, _support: usize, _query: usize, x: &mut [f32], y: &mut [f32]) {
        let mut even = || 2.0 * unit(words.word()) - 1.0;
        let amplitudes = [even(), even(), even(), even()];
        for (x, u) in x.chunks_exact_mut(2).zip(y) {
            (x[0], x[1]) = (even(), even());
            let [z, t] = [0.5 * (x[0] + 1.0), 0.5 * (x[1] + 1.0)];
            let mode = |(k, a): (f32, f32)| a * (-(k * PI).powi(2) * t / 40.0).exp() * (k * PI * z).sin();
            *u = [1.0, 2.0, 3.0, 4.0].into_iter().zip(amplitudes).map(mode).sum();
        }
    }
}

fn main() -> fastweights::Result<()> {
    let family = Arc::new(Heat);
    let (support, query, steps) = (64, 64, 3);
    let source = TaskSource::Custom(family.clone());
    let sampler = Sampler { source, seed: 0, meta_batch: 8, support, query, visit: Visit::Split };
    let siren = Siren { hidden: vec![64, 64], omega: 10.0, first_omega: 10.0, ..Siren::default() };
    let model = Preset::Siren(siren).graph(Shape::Vector(2), 1)?.finish()?;
    let plan = Plan::new(model, Loss::mse(), support, query, steps, Rates::fixed(0.02))?;
    let drawn = Init::Siren.draw(&plan.model, 0);
    let train = TrainPlan { plan, sampler, outer: OuterOptimizer::adam(3e-4, 1000) };

    let device = CpuBackend::new(None);
    let mut trainer = Trainer::new(&device, &train, TrainState::start(drawn.clone()))?;
    trainer.set_block_len(200);
    for block in trainer.by_ref() {
        let block = block?;
        println!("{:>5} meta-iterations: query loss {:.5}", block.end(), block.mean().query);
    }

    let params = trainer.state()?.params;
    let new_fields = train.sampler.family_evaluation(&*family, 0, 0..200);
    for (start, theta) in [("meta-learned", &params), ("drawn", &drawn)] {
        let plan = train.plan.for_evaluation(theta, support, query, steps, None);
        let curve = Curve::of(&device.evaluate(&plan, theta, &new_fields, false)?, steps);
        println!(
            "{start} start, mean squared error on 200 new fields: {:.4}, after {steps} steps {:.4} ± {:.4}",
            curve.mean[0], curve.mean[steps], curve.ci95[steps]
        );
    }
    Ok(())
}
