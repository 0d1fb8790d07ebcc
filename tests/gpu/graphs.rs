//! The layered path on random graphs and on points with weights, against the float64 oracle.

/// The library's names, as random graphs take them.
mod names {
    pub(crate) use fastweights::model::{Graph, Model, Value};
    pub(crate) use fastweights::ops::add::Add;
    pub(crate) use fastweights::ops::avg_pool2d::AvgPool2d;
    pub(crate) use fastweights::ops::batch_norm::BatchNorm;
    pub(crate) use fastweights::ops::concat::Concat;
    pub(crate) use fastweights::ops::conv2d::Conv2d;
    pub(crate) use fastweights::ops::elementwise::Function;
    pub(crate) use fastweights::ops::flatten::Flatten;
    pub(crate) use fastweights::ops::fourier::Fourier;
    pub(crate) use fastweights::ops::global_avg_pool2d::GlobalAvgPool2d;
    pub(crate) use fastweights::ops::group_norm::{GroupNorm, Groups};
    pub(crate) use fastweights::ops::latent::Latent;
    pub(crate) use fastweights::ops::layer_norm::LayerNorm;
    pub(crate) use fastweights::ops::linear::Linear;
    pub(crate) use fastweights::ops::max_pool2d::MaxPool2d;
    pub(crate) use fastweights::ops::mul::Mul;
    pub(crate) use fastweights::ops::window::Window;
    pub(crate) use fastweights::ops::{Arity, Op, Shape};
}

#[path = "../common/graphs.rs"]
mod random;

use crate::adapter;
use fastweights::backend::gpu::{GpuBackend, Path};
use fastweights::backend::oracle;
use fastweights::case::relative_error;
use fastweights::losses::Truth;
use fastweights::meta::{Backend as _, InnerRule, Loss, MetaGradient, Plan, RateShape, Rates};
use fastweights::task::{PointWeights, TaskBatch};
use names::{BatchNorm, Conv2d, Flatten, Function, Linear, Model, Shape};
use random::random_model;

const TOLERANCE: f64 = 2e-5;

fn wave(count: usize, frequency: f32) -> Vec<f32> {
    (0..count).map(|i| (frequency * (i + 1) as f32).sin()).collect()
}

fn tasks(plan: &Plan, tasks: usize) -> TaskBatch {
    let mut batch = TaskBatch::zeros(tasks, plan.support, plan.query, plan.model.inputs(), plan.targets());
    batch.support_x = wave(batch.support_x.len(), 1.3).into();
    batch.query_x = wave(batch.query_x.len(), 2.1).into();
    let classes = plan.model.outputs();
    for y in batch.support_y.iter_mut().chain(&mut batch.query_y).enumerate() {
        *y.1 = match plan.loss.truth() {
            Truth::Numbers => (0.7 * y.0 as f32).sin(),
            Truth::Shares => (0.7 * y.0 as f32).sin().abs(),
            Truth::Class => (y.0 * 7 % 5 % classes) as f32,
        };
    }
    batch
}

fn check(gpu: &GpuBackend, what: &str, plan: &Plan, tasks: &TaskBatch) {
    let theta: Vec<f32> = wave(plan.model.param_count(), 3.7).iter().map(|w| 0.6 * w).collect();
    let params = plan.meta_params(&theta);
    let wide: Vec<f64> = params.iter().map(|&p| p.into()).collect();
    let expected = oracle::meta_gradient(plan, &wide, &tasks.map(f64::from)).unwrap();
    let found = gpu.meta_gradient(plan, &params, tasks).unwrap().widen();
    for (name, found, expected) in [
        ("gradient", &found.gradient, &expected.gradient),
        ("support losses", &found.support_loss, &expected.support_loss),
        ("fast weights", &found.fast, &expected.fast),
    ] {
        let error = relative_error(found, expected);
        assert!(error <= TOLERANCE, "{what}: {name}: {error:e}");
    }
}

#[test]
fn random_graphs_agree_with_the_oracle() {
    let Some(device) = adapter::device("random_graphs_agree_with_the_oracle") else { return };
    let gpu = GpuBackend::new(device).with_path(Path::Layered);
    for seed in 0..14_u64 {
        let model = random_model(seed, 7, 3);
        let nodes: Vec<_> = model.nodes().iter().map(|node| format!("{} = {}", node.name, node.op)).collect();
        let loss = [Loss::mse(), Loss::cross_entropy(), Loss::huber(0.4), Loss::bce_with_logits()]
            [seed as usize % 4];
        let mut plan = Plan::new(model, loss, 4, 5, 1 + seed as usize % 2, Rates::fixed(0.05)).unwrap();
        plan.track_all = true;
        match seed % 7 {
            0 | 1 => {}
            2 => plan.order = MetaGradient::FirstOrder,
            // A weight without its bias, and the other way round.
            3 | 4 => plan.adapted.iter_mut().skip(seed as usize % 2).step_by(2).for_each(|a| *a = false),
            5 => plan.inner = InnerRule::Adam { betas: [0.8, 0.9], epsilon: 0.1 }.into(),
            _ => {
                let shape = if seed == 6 { RateShape::PerLayerStep } else { RateShape::PerParameter };
                plan.rates = Rates { shape, learned: true, values: Vec::new(), range: None };
                plan.rates.values = vec![0.05; plan.rate_count()];
            }
        }
        let what = format!("seed {seed}: {}; {}", plan.model.input(), nodes.join(", "));
        check(&gpu, &what, &plan, &tasks(&plan, 2));
    }
}

#[test]
fn points_of_weight_zero_count_nowhere() {
    let Some(device) = adapter::device("points_of_weight_zero_count_nowhere") else { return };
    let gpu = GpuBackend::new(device);
    let image = Shape::Image { channels: 2, height: 4, width: 3 };
    let ops = [
        Conv2d::square(3, 3, 1, 1).into(),
        BatchNorm { eps: 0.1, affine: true }.into(),
        Function::Relu {}.into(),
        Flatten {}.into(),
        Linear::to(4).into(),
        BatchNorm { eps: 0.1, affine: false }.into(),
        Function::Tanh {}.into(),
        Linear::to(3).into(),
    ];
    for (loss, steps) in [(Loss::mse(), 1), (Loss::cross_entropy(), 2)] {
        let model = Model::sequential(image, &ops).unwrap();
        let mut plan = Plan::new(model, loss, 5, 7, steps, Rates::fixed(0.05)).unwrap();
        plan.track_all = true;
        let mut tasks = tasks(&plan, 3);
        let weight = |e: usize| [1.0, 0.5, 0.0, 3.0, 1.0, 1.5][e % 6];
        tasks.weights = Some(PointWeights {
            support: (0..15).map(weight).collect(),
            query: (0..21).map(|e| weight(e + 1)).collect(),
        });
        check(&gpu, &format!("{loss:?}"), &plan, &tasks);
    }
}
