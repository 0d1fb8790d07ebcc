//! The layered path within less memory than a plan would take whole: passes computed again, points in chunks; and what is
//! said beforehand against what the device allocates.

use crate::adapter;
use fastweights::backend::gpu::{GpuBackend, LayeredTuning, Path, portable_evaluation, portable_footprint};
use fastweights::backend::oracle;
use fastweights::case::relative_error;
use fastweights::meta::{
    Backend as _, InnerRule, Loss, MetaGradient, MetaOutput, OuterOptimizer, Plan, RateShape, Rates,
    TrainPlan, TrainState,
};
use fastweights::model::{Graph, Init, Model, Op, Shape, Value};
use fastweights::ops::elementwise::Function;
use fastweights::ops::latent::Latent;
use fastweights::ops::layer_norm::LayerNorm;
use fastweights::ops::linear::Linear;
use fastweights::ops::mul::Mul;
use fastweights::recipe::{Family, Recipe};
use fastweights::task::{PointWeights, Sampler, Sinusoid, TaskBatch, TaskSource, Visit};

const TOLERANCE: f64 = 2e-5;
const SUPPORT: usize = 37;
const QUERY: usize = 50;

/// A layer norm, a latent that modulates, smooth functions; nothing that couples points.
fn model() -> Model {
    let mut graph = Graph::new(Shape::Vector(1)).unwrap();
    let x = graph.add("in", Op::linear(9), &[Value::INPUT]).unwrap();
    let x = graph.add("sine", Function::Sine { omega: 2.0 }, &[x]).unwrap();
    let z = graph.add("z", Latent { size: 9 }, &[]).unwrap();
    let x = graph.add("gate", Mul {}, &[x, z]).unwrap();
    let x = graph.add("norm", LayerNorm { eps: 0.1, affine: true }, &[x]).unwrap();
    let y = graph.add("hidden", Linear { outputs: 9, bias: false }, &[x]).unwrap();
    let y = graph.add("tanh", Function::Tanh {}, &[y]).unwrap();
    graph.add("out", Op::linear(1), &[y]).unwrap();
    graph.finish().unwrap()
}

fn plans() -> Vec<(&'static str, Plan)> {
    let plan = || {
        let mut plan = Plan::new(model(), Loss::mse(), SUPPORT, QUERY, 3, Rates::fixed(0.05)).unwrap();
        plan.track_all = true;
        plan.loss_weights = vec![0.0, 0.5, 0.0, 1.0];
        plan
    };
    let learned = |shape| {
        let mut plan = plan();
        plan.rates = Rates { shape, learned: true, values: Vec::new(), range: None };
        plan.rates.values = vec![0.05; plan.rate_count()];
        plan
    };
    let mut adam = plan();
    adam.inner = InnerRule::Adam { betas: [0.8, 0.9], epsilon: 0.1 }.into();
    let mut first = learned(RateShape::PerLayerStep);
    first.order = MetaGradient::FirstOrder;
    vec![
        ("second order", plan()),
        ("a rate for each layer and step", learned(RateShape::PerLayerStep)),
        ("a rate for each parameter", learned(RateShape::PerParameter)),
        ("inner Adam", adam),
        ("first order, learned rates", first),
    ]
}

fn wave(count: usize, frequency: f32) -> Vec<f32> {
    (0..count).map(|i| (frequency * (i + 1) as f32).sin()).collect()
}

fn tasks(count: usize) -> TaskBatch {
    let mut batch = TaskBatch::zeros(count, SUPPORT, QUERY, 1, 1);
    batch.support_x = wave(count * SUPPORT, 1.3).into();
    batch.support_y = wave(count * SUPPORT, 0.7).into();
    batch.query_x = wave(count * QUERY, 2.1).into();
    batch.query_y = wave(count * QUERY, 0.9).into();
    batch
}

fn largest_error(out: &MetaOutput<f64>, reference: &MetaOutput<f64>) -> f64 {
    [
        relative_error(&[out.meta_loss], &[reference.meta_loss]),
        relative_error(&out.gradient, &reference.gradient),
        relative_error(&out.query_loss, &reference.query_loss),
        relative_error(&out.support_loss, &reference.support_loss),
        relative_error(&out.fast, &reference.fast),
    ]
    .into_iter()
    // So that NaN is the largest.
    .fold(0.0, |worst: f64, error| if error <= worst { worst } else { error })
}

fn train(plan: Plan) -> TrainPlan {
    let source = TaskSource::Sinusoid { family: Sinusoid::default(), pool: None };
    let sampler =
        Sampler { source, seed: 1, meta_batch: 2, support: SUPPORT, query: QUERY, visit: Visit::Split };
    TrainPlan { plan, sampler, outer: OuterOptimizer::adam(1e-3, 8) }
}

#[test]
fn short_memory_changes_nothing_but_rounding() {
    let Some(device) = adapter::device("short_memory_changes_nothing_but_rounding") else { return };
    let mut gpu = GpuBackend::new(device).with_path(Path::Layered);
    for (name, plan) in plans() {
        let theta: Vec<f32> = wave(plan.model.param_count(), 3.7).iter().map(|w| 0.6 * w).collect();
        let params = plan.meta_params(&theta);
        let wide: Vec<f64> = params.iter().map(|&p| p.into()).collect();
        let mut batch = tasks(2);
        for weighted in [false, true] {
            let weight = |e: usize| [1.0, 0.5, 0.0, 3.0, 1.0, 1.5][e % 6];
            batch.weights = weighted.then(|| PointWeights {
                support: (0..2 * SUPPORT).map(weight).collect(),
                query: (0..2 * QUERY).map(|e| weight(e + 1)).collect(),
            });
            let reference = oracle::meta_gradient(&plan, &wide, &batch.map(f64::from)).unwrap();
            // None at all asks for the smallest chunks.
            gpu = gpu.with_layered_tuning(LayeredTuning { memory: 0, ..LayeredTuning::default() });
            let out = gpu.meta_gradient(&plan, &params, &batch).unwrap().widen();
            let error = largest_error(&out, &reference);
            assert!(error <= TOLERANCE, "{name}, weighted {weighted}: {error:e}");
        }
    }
}

#[test]
fn passes_computed_again_change_no_bit() {
    let Some(device) = adapter::device("passes_computed_again_change_no_bit") else { return };
    let mut gpu = GpuBackend::new(device);
    let ops = [
        Op::linear(7),
        Op::batch_norm(0.1, true),
        Op::relu(),
        Op::linear(5),
        Function::Tanh {}.into(),
        Op::linear(1),
    ];
    let model = Model::sequential(Shape::Vector(1), &ops).unwrap();
    let mut plan = Plan::new(model, Loss::mse(), SUPPORT, QUERY, 4, Rates::fixed(0.05)).unwrap();
    plan.track_all = true;
    let params = plan.meta_params(&Init::Torch.draw(&plan.model, 3));
    let whole = gpu.meta_gradient(&plan, &params, &tasks(3)).unwrap();
    let least = gpu.footprint(&train(plan.clone())).unwrap();
    assert!(!least.recomputes && least.chunk.is_none());
    // Its norm couples points, so that there are no chunks.
    gpu = gpu.with_layered_tuning(LayeredTuning { memory: 0, ..LayeredTuning::default() });
    let small = gpu.footprint(&train(plan.clone())).unwrap();
    assert!(small.recomputes && small.chunk.is_none() && small.bytes < least.bytes, "{small:?} {least:?}");
    let again = gpu.meta_gradient(&plan, &params, &tasks(3)).unwrap();
    assert_eq!(again, whole);
}

#[test]
fn memory_is_kept_to_and_what_is_said_is_what_is_allocated() {
    let Some(device) = adapter::device("memory_is_kept_to_and_what_is_said_is_what_is_allocated") else {
        return;
    };
    let mut gpu = GpuBackend::new(device).with_path(Path::Layered);
    let ops =
        [Op::linear(60), Function::Silu {}.into(), Op::linear(60), Function::Silu {}.into(), Op::linear(1)];
    let model = Model::sequential(Shape::Vector(1), &ops).unwrap();
    let mut plan = train(Plan::new(model, Loss::mse(), 2400, 4800, 3, Rates::fixed(0.01)).unwrap());
    (plan.sampler.support, plan.sampler.query, plan.sampler.meta_batch) = (2400, 4800, 6);
    let allocated = |gpu: &GpuBackend| {
        gpu.device().raw().generate_allocator_report().map(|report| report.total_allocated_bytes)
    };
    let whole = gpu.footprint(&plan).unwrap();
    let mut cuts = Vec::new();
    for share in [1, 3, 10, 25] {
        let most = whole.others + (whole.bytes - whole.others) / share + 4096;
        gpu = gpu.with_memory(most);
        let said = gpu.footprint(&plan).unwrap();
        assert!(said.bytes <= most, "{} of {most}", said.bytes);
        cuts.push((said.tiles > 1, said.recomputes, said.chunk.is_some()));
        let start = TrainState::start(plan.plan.meta_params(&Init::Torch.draw(&plan.plan.model, 1)));
        let Some(before) = allocated(&gpu) else { continue };
        let training = gpu.training(&plan, start).unwrap();
        let taken = allocated(&gpu).unwrap() - before;
        let off = (taken as f64 - said.bytes as f64).abs() / taken as f64;
        assert!(off < 0.1, "{} said, {taken} taken, a share of {share}", said.bytes);
        drop(training);
    }
    assert_eq!(cuts[0], (false, false, false));
    assert!(cuts.iter().any(|cut| cut.2), "{cuts:?}");
    let error = gpu.with_memory(1 << 10).footprint(&plan).unwrap_err().to_string();
    assert!(error.contains("run.max_memory") && error.contains("1024 available"), "{error}");
}

/// Planned without a device, by the limits that every implementation of WebGPU has.
#[test]
fn every_recipe_starts_on_any_adapter() {
    let drawn = |channels, side| {
        let set = fastweights::data::glyphs::generate(1, 420, 20, side);
        std::sync::Arc::new(set.in_channels(channels).unwrap())
    };
    let (small, large) = (drawn(1, 28), drawn(3, 84));
    let mut planned = 0;
    for known in fastweights::recipe::builtins() {
        let mut recipe = Recipe::load(known.name, &[]).unwrap();
        let loaded = match &recipe.task.family {
            Family::Images(images) if images.side == Some(84) => {
                recipe.set_data(std::sync::Arc::clone(&large))
            }
            Family::Images(_) => recipe.set_data(std::sync::Arc::clone(&small)),
            _ => recipe.load_data(None),
        };
        loaded.unwrap_or_else(|e| panic!("{}: {e}", known.name));
        let plan = recipe.train_plan().unwrap();
        portable_footprint(&plan).unwrap_or_else(|e| panic!("{}: {e}", known.name));
        if let Some(control) = recipe.control_plan().unwrap() {
            portable_footprint(&control).unwrap_or_else(|e| panic!("control of {}: {e}", known.name));
        }
        let settings = &recipe.evaluation;
        let params = vec![0.01; plan.plan.meta_len()];
        let support = recipe.evaluation_support(settings);
        let one = recipe.evaluation_tasks(settings, 0..1).map_or(recipe.task.query, |task| task.query);
        let judged = plan.plan.for_evaluation(&params, support, one, settings.steps, None);
        portable_evaluation(&judged, 8).unwrap_or_else(|e| panic!("evaluation of {}: {e}", known.name));
        planned += 1;
    }
    assert!(planned >= 30, "{planned}");
}
