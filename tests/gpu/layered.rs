//! The layered path: golden cases, random models against the float64 oracle and against the fused path, tiles.

use crate::adapter;
use crate::common::mlp_cases;
use crate::errors::largest_error;
use fastweights::backend::gpu::LayeredTuning;
use fastweights::backend::gpu::{Device, GpuBackend, Path};
use fastweights::backend::oracle;
use fastweights::case::relative_error;
use fastweights::losses::Truth;
use fastweights::meta::{Adapt, Backend as _, Loss, MetaGradient, Plan, RateShape, Rates};
use fastweights::model::Model;
use fastweights::task::{Philox, Purpose, TaskBatch};
use fastweights::wgsl::Library;
use rand::RngExt as _;

const TOLERANCE: f64 = 2e-5;

fn layered(device: Device) -> GpuBackend {
    GpuBackend::new(device).with_path(Path::Layered)
}

#[test]
fn golden_cases_to_2e_5() {
    let Some(device) = adapter::device("golden_cases_to_2e_5") else { return };
    let gpu = layered(device);
    let cases = mlp_cases();
    assert_eq!(cases.len(), 14, "the chains of linear layers and functions");
    let mut worst = 0.0_f64;
    for (name, case) in cases {
        let params: Vec<f32> = case.params.iter().map(|&v| v as f32).collect();
        let out = gpu.meta_gradient(&case.plan, &params, &case.tasks.map(|v| v as f32)).unwrap();
        for (tensor, error) in case.compare(&out.widen()) {
            assert!(error <= TOLERANCE, "{name}: {tensor}: {error:e}");
            worst = worst.max(error);
        }
    }
}

/// A plan with its parameters and tasks, all seeded.
struct Random {
    name: &'static str,
    plan: Plan,
    params: Vec<f32>,
    tasks: TaskBatch,
}

fn random(
    name: &'static str,
    widths: &[usize],
    loss: Loss,
    points: [usize; 2],
    tasks: usize,
    change: impl FnOnce(&mut Plan),
) -> Random {
    let mut rng = Philox::stream(7, Purpose::Data, 0, name.len() as u32);
    let (inputs, outputs) = (widths[0], widths[widths.len() - 1]);
    let model = Model::mlp(inputs, &widths[1..widths.len() - 1], outputs, false).unwrap();
    let mut plan = Plan::new(model, loss, points[0], points[1], 1, Rates::fixed(0.05)).unwrap();
    change(&mut plan);
    if plan.loss_weights.len() != plan.steps + 1 {
        plan.loss_weights = vec![0.0; plan.steps + 1];
        plan.loss_weights[plan.steps] = 1.0;
    }
    plan.rates.values = (0..plan.rate_count()).map(|_| 0.02 + 0.06 * rng.random::<f64>()).collect();
    plan.track_all = true;
    plan.check().unwrap();
    let mut uniform = |scale: f32| scale * (2.0 * rng.random::<f32>() - 1.0);
    let mut theta = vec![0.0; plan.model.param_count()];
    for dense in plan.model.chain() {
        let scale = (3.0 / dense.inputs as f32).sqrt();
        for w in &mut theta[dense.range()] {
            *w = uniform(scale);
        }
    }
    let mut batch = TaskBatch::zeros(tasks, plan.support, plan.query, inputs, plan.targets());
    let (support_y, query_y) = (batch.support_y.len(), batch.query_y.len());
    for x in batch.support_x.iter_mut().chain(&mut batch.query_x) {
        *x = uniform(1.0);
    }
    let mut target = || match loss.truth() {
        Truth::Numbers => uniform(1.5),
        Truth::Shares => uniform(0.5) + 0.5,
        Truth::Class => ((uniform(0.5) + 0.5) * outputs as f32).floor().min(outputs as f32 - 1.0),
    };
    batch.support_y = (0..support_y).map(|_| target()).collect();
    batch.query_y = (0..query_y).map(|_| target()).collect();
    Random { name, params: plan.meta_params(&theta), plan, tasks: batch }
}

fn learned(plan: &mut Plan, shape: RateShape, steps: usize) {
    plan.steps = steps;
    plan.rates = Rates { shape, learned: true, values: Vec::new(), range: None };
}

fn models() -> Vec<Random> {
    const MSE: Loss = Loss::mse();
    const CLASSES: Loss = Loss::cross_entropy();
    vec![
        random("wide", &[784, 256, 128, 64, 64, 5], CLASSES, [5, 5], 2, |_| {}),
        random("one of everything", &[1, 1], MSE, [1, 1], 1, |_| {}),
        random("odd sizes", &[3, 17, 35, 2], MSE, [7, 9], 3, |p| p.steps = 2),
        random("pretraining", &[5, 33, 4], CLASSES, [3, 6], 3, |p| p.steps = 0),
        random("multi-step", &[4, 20, 20, 3], CLASSES, [6, 5], 3, |p| {
            p.steps = 3;
            p.loss_weights = vec![0.1, 0.0, 0.3, 0.6];
        }),
        random("multi-step, none at the end", &[4, 9, 1], MSE, [6, 5], 2, |p| {
            p.steps = 2;
            p.loss_weights = vec![0.4, 0.6, 0.0];
        }),
        random("first order, several losses", &[4, 20, 3], MSE, [6, 5], 3, |p| {
            p.steps = 3;
            p.order = MetaGradient::FirstOrder;
            p.loss_weights = vec![0.1, 0.2, 0.3, 0.4];
        }),
        random("head", &[6, 24, 24, 5], CLASSES, [5, 10], 3, |p| {
            p.steps = 3;
            *p = p.clone().adapt(&Adapt::Head).unwrap();
        }),
        random("body", &[6, 24, 24, 5], CLASSES, [5, 10], 3, |p| {
            p.steps = 2;
            *p = p.clone().adapt(&Adapt::Body).unwrap();
        }),
        random("nothing adapted", &[6, 5], MSE, [5, 4], 3, |p| {
            learned(p, RateShape::PerParameterStep, 2);
            *p = p.clone().adapt(&Adapt::Body).unwrap();
        }),
        random("the middle adapted", &[6, 12, 10, 5], MSE, [5, 4], 3, |p| {
            learned(p, RateShape::PerLayerStep, 2);
            *p = p.clone().adapt_blocks(&[false, true, false]);
        }),
        random("one learned rate", &[6, 40, 2], MSE, [5, 4], 3, |p| learned(p, RateShape::One, 3)),
        random("rates of layers and steps", &[6, 40, 20, 2], MSE, [5, 4], 3, |p| {
            learned(p, RateShape::PerLayerStep, 3);
        }),
        random("rates of parameters", &[6, 40, 20, 2], MSE, [5, 4], 3, |p| {
            learned(p, RateShape::PerParameter, 3);
        }),
        random("rates of parameters, head", &[6, 40, 20, 2], CLASSES, [5, 4], 3, |p| {
            learned(p, RateShape::PerParameter, 3);
            *p = p.clone().adapt(&Adapt::Head).unwrap();
        }),
        random("rates of parameters and steps", &[6, 30, 3], CLASSES, [5, 4], 3, |p| {
            learned(p, RateShape::PerParameterStep, 3);
        }),
        random("rates, first order", &[6, 30, 3], CLASSES, [5, 4], 3, |p| {
            learned(p, RateShape::PerParameterStep, 3);
            p.order = MetaGradient::FirstOrder;
        }),
        random("layer rates, first order", &[6, 30, 3], CLASSES, [5, 4], 3, |p| {
            learned(p, RateShape::PerLayerStep, 2);
            p.order = MetaGradient::FirstOrder;
        }),
        random("many points", &[2, 10, 1], MSE, [70, 130], 2, |p| p.steps = 2),
        random("output relu", &[2, 10, 6], MSE, [8, 8], 2, |p| {
            p.steps = 2;
            p.model = Model::mlp(2, &[10], 6, true).unwrap();
        }),
    ]
}

#[test]
fn random_models_agree_with_the_oracle() {
    let Some(device) = adapter::device("random_models_agree_with_the_oracle") else { return };
    let gpu = layered(device);
    for Random { name, plan, params, tasks } in models() {
        let mut plan64 = plan.clone();
        // The oracle takes the same float32 rates.
        plan64.rates.values = plan.rates.values.iter().map(|&r| f64::from(r as f32)).collect();
        let params64: Vec<f64> = params.iter().map(|&v| f64::from(v)).collect();
        let reference = oracle::meta_gradient(&plan64, &params64, &tasks.map(f64::from)).unwrap();
        let out = gpu.meta_gradient(&plan, &params, &tasks).unwrap().widen();
        let error = largest_error(&plan, &out, &reference);
        assert!(error <= TOLERANCE, "{name}: {error:e}");
    }
}

#[test]
fn the_fused_path_agrees() {
    let Some(device) = adapter::device("the_fused_path_agrees") else { return };
    let mut gpu = GpuBackend::new(device);
    let mut seen = 0;
    for Random { name, plan, params, tasks } in models() {
        if plan.per_parameter_rates() || name == "wide" {
            continue;
        }
        gpu = gpu.with_path(Path::Fused);
        let fused = gpu.meta_gradient(&plan, &params, &tasks).unwrap().widen();
        gpu = gpu.with_path(Path::Layered);
        let layered = gpu.meta_gradient(&plan, &params, &tasks).unwrap().widen();
        let error = largest_error(&plan, &layered, &fused);
        assert!(error <= TOLERANCE, "{name}: {error:e}");
        seen += 1;
    }
    assert!(seen > 10);
}

/// The tests above would notice: each of these mistakes changes one term of the second order.
#[test]
fn wrong_kernels_are_caught() {
    let Some(device) = adapter::device("wrong_kernels_are_caught") else { return };
    let mut gpu = layered(device);
    let Random { plan, params, tasks, .. } =
        random("wrong", &[3, 12, 9, 2], Loss::cross_entropy(), [4, 5], 3, |p| p.steps = 2);
    let right = gpu.meta_gradient(&plan, &params, &tasks).unwrap().widen();
    let library = Library::default();
    for (shader, term, wrong) in [
        ("product_tangent", "a.x * b_dot", "a.y * b_dot"),
        ("linear_tangent", "select(0.0, z_dot, open)", "z_dot"),
        ("linear_update_tangent", "vec2<f32>(1.0, 0.0)", "vec2<f32>(0.0, 0.0)"),
        ("loss_tangent", "(dy_dot - lead - mean)", "(dy_dot - lead)"),
    ] {
        let text = library.text(shader).unwrap();
        assert!(text.contains(term), "{shader}");
        gpu = gpu.with_shaders(library.clone().with(shader, text.replace(term, wrong)));
        let out = gpu.meta_gradient(&plan, &params, &tasks).unwrap().widen();
        let error = relative_error(&out.gradient, &right.gradient);
        assert!(error > 10.0 * TOLERANCE, "{shader} without its `{term}` is off by {error:e} only");
    }
}

#[test]
fn tiles_of_tasks_change_no_bit() {
    let Some(device) = adapter::device("tiles_of_tasks_change_no_bit") else { return };
    let mut gpu = layered(device);
    let rates = |p: &mut Plan| learned(p, RateShape::PerLayerStep, 2);
    let Random { plan, params, tasks, .. } = random("tiles", &[3, 12, 2], Loss::mse(), [4, 5], 23, rates);
    // Groups of one task and of several: then tiles cut through groups.
    for groups in [1024, 5] {
        let mut whole = None;
        for tile in [usize::MAX, 1, 4, 7, 22] {
            gpu = gpu.with_layered_tuning(LayeredTuning { tile, groups, ..LayeredTuning::default() });
            let out = gpu.meta_gradient(&plan, &params, &tasks).unwrap();
            let bits = |v: &[f32]| v.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
            let out = [&out.gradient, &out.query_loss, &out.support_loss, &out.fast, &vec![out.meta_loss]]
                .map(|v| bits(v));
            assert_eq!(&out, whole.get_or_insert(out.clone()), "{groups} groups, tiles of {tile}");
        }
    }
}

#[test]
fn evaluation_agrees_with_the_oracle_and_the_fused_path() {
    let Some(device) = adapter::device("evaluation_agrees") else { return };
    let mut gpu = layered(device);
    for (name, shape) in [("one", RateShape::One), ("each", RateShape::PerParameterStep)] {
        let rates = |p: &mut Plan| learned(p, shape, 2);
        let Random { plan, params, tasks, .. } = random(name, &[3, 12, 9, 2], Loss::mse(), [4, 5], 7, rates);
        let evaluated = plan.for_evaluation(&params, 4, 5, 3, None);
        let theta = &params[..plan.model.param_count()];
        let layered = gpu.evaluate(&evaluated, theta, &tasks, true).unwrap();
        let theta64: Vec<f64> = theta.iter().map(|&v| f64::from(v)).collect();
        let reference = oracle::meta_gradient(&evaluated, &theta64, &tasks.map(f64::from)).unwrap();
        let wide = |v: &[f32]| v.iter().map(|&v| f64::from(v)).collect::<Vec<_>>();
        let error = relative_error(&wide(&layered.query_loss), &reference.query_loss);
        assert!(error <= TOLERANCE, "{name}: {error:e}");
        if shape == RateShape::One {
            gpu = gpu.with_path(Path::Fused);
            let fused = gpu.evaluate(&evaluated, theta, &tasks, true).unwrap();
            gpu = gpu.with_path(Path::Layered);
            let (layered, fused) = (layered.predictions.unwrap(), fused.predictions.unwrap());
            assert_eq!(layered.len(), 4 * 7 * 5 * 2);
            assert!(relative_error(&wide(&layered), &wide(&fused)) <= TOLERANCE, "{name}: predictions");
        }
    }
}
