//! The learner API: what each algorithm does against formulas of its own, one task against many, files, trainings.

mod fixed;
mod steps;
mod trainings;

#[path = "../adapter/mod.rs"]
mod adapter;

use fastweights::backend::cpu::CpuBackend;
use fastweights::backend::gpu::GpuBackend;
use fastweights::backend::oracle;
use fastweights::case::relative_error;
use fastweights::learner::{Algorithm, Learner, Maml, MetaLearner, Points, Reptile};
use fastweights::meta::{
    Adapt, Backend, InnerOptimizer, InnerRule, Loss, MetaGradient, OuterKind, OuterOptimizer, Plan,
    RateShape, Rates,
};
use fastweights::model::{Model, Op, Shape};
use fastweights::task::{Sampler, Sinusoid, TaskBatch, TaskSource, Visit};
use std::ops::ControlFlow;

fn mlp() -> Model {
    Model::mlp(1, &[8, 7], 1, false).unwrap()
}

fn normed() -> Model {
    let norm = Op::batch_norm(1e-3, true);
    Model::sequential(Shape::Vector(1), &[Op::linear(6), norm, Op::relu(), Op::linear(1)]).unwrap()
}

fn sampler(meta_batch: usize) -> Sampler {
    let source = TaskSource::Sinusoid { family: Sinusoid::default(), pool: None };
    Sampler { source, seed: 9, meta_batch, support: 5, query: 6, visit: Visit::Split }
}

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&v| v.into()).collect()
}

fn close(a: &[f32], b: &[f32], tolerance: f64, what: &str) {
    let error = relative_error(&wide(a), &wide(b));
    assert!(error <= tolerance, "{what}: {error:e}");
}

/// θ ← θ − 0.1 g, so that a step shows the gradient.
fn by_gradient(algorithm: Algorithm) -> Algorithm {
    let outer = OuterOptimizer { kind: OuterKind::Sgd, ..OuterOptimizer::adam(0.1, 1000) };
    Algorithm { outer, ..algorithm }
}
