//! MAML, ANIL and Reptile on sinusoids through one trait, each trained for a moment and then adapted to a new task.
//!
//!     cargo run --release --example learner

#![allow(clippy::print_stdout, reason = "an example prints")]

use fastweights::backend::cpu::CpuBackend;
use fastweights::learner::{Algorithm, Maml, MetaLearner, Points, Reptile};
use fastweights::meta::{Loss, OuterOptimizer};
use fastweights::model::{Init, Model};
use fastweights::task::{Sampler, Sinusoid, TaskSource, Visit};
use std::ops::ControlFlow;

fn main() -> fastweights::Result<()> {
    let cpu = CpuBackend::new(None);
    let model = Model::mlp(1, &[40, 40], 1, false)?;
    let source = TaskSource::Sinusoid { family: Sinusoid::default(), pool: None };
    let tasks = Sampler { source, seed: 1, meta_batch: 25, support: 10, query: 10, visit: Visit::Split };

    let outer = OuterOptimizer::adam(1e-3, 5_000);
    let maml = Algorithm { outer, ..Algorithm::maml(model.clone(), Loss::mse()) };
    let anil = Algorithm { outer, ..Algorithm::anil(model.clone(), Loss::mse()) };
    let mut reptile = Algorithm::reptile(model, Loss::mse(), 16, 0.5);
    (reptile.init, reptile.outer.iterations) = (Init::Torch, 1_000);
    let learners: [(&str, Box<dyn MetaLearner + '_>); 3] = [
        ("MAML", Box::new(Maml::new(maml, &cpu)?)),
        ("ANIL", Box::new(Maml::new(anil, &cpu)?)),
        ("Reptile", Box::new(Reptile::new(reptile, &cpu)?)),
    ];

    for (name, mut learner) in learners {
        let mut last = f32::NAN;
        learner.train(&tasks, &mut |block| {
            last = block.mean().query;
            ControlFlow::Continue(())
        })?;
        println!("{name}: query loss {last:.3} at the end of training");

        // One new task, step by step.
        let new = tasks.batch(1_000_000);
        let (support, query) = (Points::support_of(&new, 0), Points::query_of(&new, 0));
        let mut one = learner.learner();
        print!("    a new task:");
        for _ in 0..5 {
            print!(" {:.3}", one.evaluate(&query)?.loss);
            one.adapt(&support, 1)?;
        }
        println!(" {:.3}", one.evaluate(&query)?.loss);

        // Many at once.
        let many = Sampler { meta_batch: 500, ..tasks.clone() }.batch(1_000_001);
        let losses = learner.evaluate(&many, 5, false)?.query_loss;
        let mean = |step: usize| losses.iter().skip(step).step_by(6).sum::<f32>() / 500.0;
        println!(
            "    500 new tasks: {:.3} before, {:.3} after 1 step, {:.3} after 5",
            mean(0),
            mean(1),
            mean(5)
        );
    }
    Ok(())
}
