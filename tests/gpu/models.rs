//! The layered path on models of any layers: random ones against the float64 oracle, tiles, evaluation, wrong kernels.

use crate::adapter;
use crate::errors::largest_error;
use fastweights::backend::gpu::LayeredTuning;
use fastweights::backend::gpu::{GpuBackend, Path};
use fastweights::backend::oracle;
use fastweights::case::relative_error;
use fastweights::data::{Split, glyphs};
use fastweights::losses::Truth;
use fastweights::meta::{
    Adapt, Backend as _, Loss, MetaGradient, OuterOptimizer, Plan, RateShape, Rates, TrainPlan,
};
use fastweights::model::{Model, Op, Shape};
use fastweights::ops::conv2d::Conv2d;
use fastweights::ops::elementwise::Function;
use fastweights::task::{ImageTasks, Philox, Purpose, Sampler, TaskBatch, TaskSource, Visit};
use fastweights::wgsl::Library;
use rand::RngExt as _;
use std::sync::Arc;

const TOLERANCE: f64 = 2e-5;

const RELU: Op = Op::relu();
const FLATTEN: Op = Op::flatten();
const MEAN: Op = Op::global_avg_pool2d();
const NORM: Op = Op::batch_norm(1e-3, true);
const PLAIN_NORM: Op = Op::batch_norm(1e-3, false);

fn linear(outputs: usize) -> Op {
    Op::linear(outputs)
}

fn conv(outputs: usize, [kernel, stride, padding]: [usize; 3]) -> Op {
    Op::conv2d(outputs, kernel, stride, padding)
}

fn pool(kernel: usize, stride: usize) -> Op {
    Op::max_pool2d(kernel, stride)
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
    [channels, height, width]: [usize; 3],
    layers: &[Op],
    loss: Loss,
    [support, query, steps, tasks]: [usize; 4],
    change: impl FnOnce(&mut Plan),
) -> Random {
    let mut rng = Philox::stream(17, Purpose::Data, 0, name.len() as u32);
    let model = Model::sequential(Shape::Image { channels, height, width }, layers).unwrap();
    let mut plan = Plan::new(model, loss, support, query, steps, Rates::fixed(0.1)).unwrap();
    change(&mut plan);
    plan.rates.values = (0..plan.rate_count()).map(|_| 0.02 + 0.06 * rng.random::<f64>()).collect();
    plan.track_all = true;
    plan.check().unwrap();
    let mut uniform = |scale: f32| scale * (2.0 * rng.random::<f32>() - 1.0);
    let mut theta = vec![0.0; plan.model.param_count()];
    for block in plan.model.blocks() {
        let inputs = (block.bias - block.weight) / block.outputs.max(1);
        let norm = matches!(plan.model.nodes()[block.layer].op, Op::BatchNorm(_));
        for (i, w) in theta[block.range()].iter_mut().enumerate() {
            *w = match norm {
                true => uniform(0.4) + if i < block.outputs { 1.0 } else { 0.0 },
                false => uniform((3.0 / inputs as f32).sqrt()),
            };
        }
    }
    let mut batch = TaskBatch::zeros(tasks, support, query, plan.model.inputs(), plan.targets());
    batch.support_x.iter_mut().chain(&mut batch.query_x).for_each(|x| *x = uniform(1.0));
    let outputs = plan.model.outputs() as f32;
    batch.support_y.iter_mut().chain(&mut batch.query_y).for_each(|y| {
        *y = match loss.truth() {
            Truth::Numbers => uniform(1.5),
            Truth::Shares => uniform(0.5) + 0.5,
            Truth::Class => ((uniform(0.5) + 0.5) * outputs).floor().min(outputs - 1.0),
        }
    });
    Random { name, params: plan.meta_params(&theta), plan, tasks: batch }
}

fn learned(plan: &mut Plan, shape: RateShape) {
    plan.rates = Rates { shape, learned: true, values: Vec::new(), range: None };
}

fn models() -> Vec<Random> {
    const MSE: Loss = Loss::mse();
    const CLASSES: Loss = Loss::cross_entropy();
    let small = [conv(5, [3, 1, 1]), NORM, RELU, pool(2, 2), FLATTEN, linear(3)];
    let deep =
        [conv(7, [3, 2, 1]), NORM, RELU, conv(6, [3, 2, 1]), NORM, RELU, conv(4, [1, 1, 0]), MEAN, linear(3)];
    let odd = [conv(9, [5, 3, 2]), RELU, conv(3, [3, 1, 0]), RELU, FLATTEN, linear(4)];
    let relu_first =
        [RELU, pool(3, 2), conv(4, [1, 1, 0]), PLAIN_NORM, RELU, pool(2, 3), RELU, FLATTEN, linear(2)];
    vec![
        random("odd channels", [3, 7, 5], &small, CLASSES, [4, 6, 2, 3], |_| {}),
        random("deep and strided", [2, 9, 8], &deep, CLASSES, [5, 4, 2, 2], |_| {}),
        random("kernel 5, stride 3, no norm", [1, 13, 11], &odd, CLASSES, [3, 5, 2, 2], |_| {}),
        random("relu first, windows apart", [3, 12, 11], &relu_first, CLASSES, [3, 5, 2, 2], |_| {}),
        random(
            "one pixel, one example",
            [2, 1, 1],
            &[conv(3, [1, 1, 0]), NORM, RELU, FLATTEN, linear(2)],
            MSE,
            [1, 1, 1, 1],
            |_| {},
        ),
        random(
            "an image comes out",
            [2, 5, 5],
            &[conv(4, [3, 1, 1]), NORM, RELU, conv(2, [3, 2, 0]), RELU],
            MSE,
            [2, 3, 2, 2],
            |_| {},
        ),
        random(
            "norms of vectors",
            [1, 3, 3],
            &[FLATTEN, NORM, linear(7), NORM, RELU, linear(3), PLAIN_NORM],
            MSE,
            [6, 5, 2, 2],
            |_| {},
        ),
        random(
            "norm of an image, and of its mean",
            [3, 4, 4],
            &[NORM, RELU, conv(4, [3, 1, 0]), MEAN, NORM, linear(2)],
            MSE,
            [4, 3, 2, 2],
            |_| {},
        ),
        random("long sums", [2, 17, 15], &small, CLASSES, [4, 6, 2, 2], |_| {}),
        random("long sums, one rate", [2, 17, 15], &small, CLASSES, [4, 6, 2, 2], |p| {
            learned(p, RateShape::One)
        }),
        random("long sums, a rate a parameter", [2, 17, 15], &small, CLASSES, [4, 6, 2, 2], |p| {
            learned(p, RateShape::PerParameter)
        }),
        random("pretraining of images", [3, 7, 5], &small, CLASSES, [0, 6, 0, 3], |_| {}),
        random("first order, images", [3, 7, 5], &small, CLASSES, [4, 6, 3, 2], |p| {
            p.order = MetaGradient::FirstOrder;
        }),
        random("several losses of images", [3, 7, 5], &small, CLASSES, [4, 6, 2, 3], |p| {
            p.loss_weights = vec![0.2, 0.3, 0.5];
        }),
        random("head of images", [2, 9, 8], &deep, CLASSES, [5, 4, 2, 2], |p| {
            *p = p.clone().adapt(&Adapt::Head).unwrap()
        }),
        random("body of images", [2, 9, 8], &deep, CLASSES, [5, 4, 2, 2], |p| {
            *p = p.clone().adapt(&Adapt::Body).unwrap()
        }),
        random("norms kept", [2, 9, 8], &deep, CLASSES, [5, 4, 2, 2], |p| *p = p.clone().keep_batch_norm()),
        random("norms alone adapted, rates", [2, 9, 8], &deep, CLASSES, [5, 4, 2, 2], |p| {
            learned(p, RateShape::PerLayerStep);
            *p = p.clone().adapt_blocks(&[false, true, false, true, false, false]);
        }),
        random("one rate, images", [3, 7, 5], &small, CLASSES, [4, 6, 2, 3], |p| learned(p, RateShape::One)),
        random("a rate a layer and step, images", [2, 9, 8], &deep, CLASSES, [5, 4, 2, 2], |p| {
            learned(p, RateShape::PerLayerStep)
        }),
        random("a rate a parameter, body of images", [2, 9, 8], &deep, CLASSES, [5, 4, 2, 2], |p| {
            learned(p, RateShape::PerParameter);
            *p = p.clone().adapt(&Adapt::Body).unwrap();
        }),
        random("a rate a parameter and step, first order", [3, 7, 5], &small, CLASSES, [4, 6, 2, 3], |p| {
            learned(p, RateShape::PerParameterStep);
            p.order = MetaGradient::FirstOrder;
        }),
    ]
}

/// The largest error over the parts of a result, each against its own norm.
/// Convolutions of groups, from few channels to one each, with dilations and rows for kernels, between smooth functions.
fn grouped() -> Vec<Random> {
    let tanh: Op = Function::Tanh {}.into();
    let conv = |outputs, kernel, [stride, dilation, groups]: [usize; 3], padding| -> Op {
        Conv2d { outputs, kernel, stride, padding, dilation, groups, bias: groups != 3 }.into()
    };
    let rows = [
        conv(6, [3, 3], [1, 1, 3], [1, 1]),
        tanh,
        conv(4, [1, 3], [1, 2, 2], [0, 2]),
        tanh,
        conv(8, [5, 1], [2, 1, 4], [1, 0]),
        MEAN,
        linear(3),
    ];
    let separable = [
        conv(4, [3, 3], [2, 2, 4], [2, 2]),
        NORM,
        RELU,
        conv(34, [1, 1], [1, 1, 1], [0, 0]),
        tanh,
        conv(34, [3, 3], [1, 3, 2], [3, 2]),
        RELU,
        MEAN,
        linear(2),
    ];
    vec![
        random("groups and rows", [3, 7, 6], &rows, Loss::mse(), [3, 4, 2, 3], |plan| {
            learned(plan, RateShape::PerLayerStep);
        }),
        random("groups, a rate each", [3, 5, 6], &rows, Loss::cross_entropy(), [2, 3, 2, 2], |plan| {
            learned(plan, RateShape::PerParameterStep);
        }),
        random("depthwise and dilated", [4, 9, 8], &separable, Loss::cross_entropy(), [3, 5, 2, 2], |plan| {
            learned(plan, RateShape::PerLayerStep);
        }),
    ]
}

#[test]
fn random_models_agree_with_the_oracle() {
    let Some(device) = adapter::device("random_models_agree_with_the_oracle") else { return };
    check_all(&GpuBackend::new(device), models());
}

#[test]
fn groups_and_dilations_agree_with_the_oracle() {
    let Some(device) = adapter::device("groups_and_dilations_agree_with_the_oracle") else { return };
    check_all(&GpuBackend::new(device), grouped());
}

fn check_all(gpu: &GpuBackend, models: Vec<Random>) {
    let mut failed = Vec::new();
    for Random { name, plan, params, tasks } in models {
        let mut plan64 = plan.clone();
        // The oracle takes the same float32 rates.
        plan64.rates.values = plan.rates.values.iter().map(|&r| f64::from(r as f32)).collect();
        let params64: Vec<f64> = params.iter().map(|&v| f64::from(v)).collect();
        let reference = oracle::meta_gradient(&plan64, &params64, &tasks.map(f64::from)).unwrap();
        let out = gpu.meta_gradient(&plan, &params, &tasks).unwrap().widen();
        let error = largest_error(&plan, &out, &reference);
        // So that NaN fails.
        match error <= TOLERANCE {
            true => println!("{name}: {error:e}"),
            false => failed.push(format!("{name}: {error:e}")),
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
fn tiles_of_tasks_change_no_bit() {
    let Some(device) = adapter::device("tiles_of_tasks_change_no_bit") else { return };
    let mut gpu = GpuBackend::new(device);
    let layers = [conv(5, [3, 2, 1]), NORM, RELU, FLATTEN, linear(3)];
    let Random { plan, params, tasks, .. } =
        random("tiles", [1, 21, 20], &layers, Loss::cross_entropy(), [3, 4, 2, 11], |p| {
            learned(p, RateShape::PerLayerStep)
        });
    // Groups of one task and of several: then tiles cut through groups. Weights that do not adapt are one matrix for a tile.
    let head = plan.clone().adapt(&Adapt::Head).unwrap();
    for (plan, groups) in [(&plan, 1024), (&plan, 4), (&head, 4)] {
        let mut whole = None;
        for tile in [usize::MAX, 1, 4, 10] {
            gpu = gpu.with_layered_tuning(LayeredTuning { tile, groups, ..LayeredTuning::default() });
            let out = gpu.meta_gradient(plan, &params, &tasks).unwrap();
            let bits = |v: &[f32]| v.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
            let out = [&out.gradient, &out.query_loss, &out.support_loss, &out.fast, &vec![out.meta_loss]]
                .map(|v| bits(v));
            assert_eq!(&out, whole.get_or_insert(out.clone()), "{groups} groups, tiles of {tile}");
        }
    }
}

#[test]
fn evaluation_of_images_agrees_with_the_oracle() {
    let Some(device) = adapter::device("evaluation_of_images_agrees_with_the_oracle") else { return };
    let gpu = GpuBackend::new(device);
    let layers = [conv(5, [3, 2, 1]), NORM, RELU, FLATTEN, linear(3)];
    let Random { plan, params, tasks, .. } =
        random("judged", [1, 6, 6], &layers, Loss::cross_entropy(), [3, 4, 2, 5], |p| {
            learned(p, RateShape::PerParameterStep)
        });
    let evaluated = plan.for_evaluation(&params, 3, 4, 3, None);
    let theta = &params[..plan.model.param_count()];
    let found = gpu.evaluate(&evaluated, theta, &tasks, true).unwrap();
    let wide = |v: &[f32]| v.iter().map(|&v| f64::from(v)).collect::<Vec<_>>();
    let reference = oracle::meta_gradient(&evaluated, &wide(theta), &tasks.map(f64::from)).unwrap();
    let error = relative_error(&wide(&found.query_loss), &reference.query_loss);
    assert!(error <= TOLERANCE, "{error:e}");
    let predictions = found.predictions.unwrap();
    assert_eq!(predictions.len(), 4 * 5 * 4 * 3);
    // Of the last step, with the weights that the oracle arrived at.
    for task in 0..5 {
        let one = tasks.slice(task..task + 1).map(f64::from);
        let p = theta.len();
        let pass = oracle::gradient(
            &evaluated,
            evaluated.steps,
            &reference.fast[task * p..][..p],
            oracle::Points::query(&one),
        );
        let error = relative_error(&wide(&predictions[(3 * 5 + task) * 12..][..12]), &pass.outputs);
        assert!(error <= TOLERANCE, "task {task}: {error:e}");
    }
}

#[test]
fn a_forecast_follows_the_memory_that_there_is() {
    let Some(device) = adapter::device("a_forecast_follows_the_memory_that_there_is") else { return };
    let set = Arc::new(glyphs::generate(3, 30, 4, 6));
    let source = TaskSource::Images(ImageTasks::new(set, Split::Train, 3, true).unwrap());
    let sampler = Sampler { source, seed: 1, meta_batch: 11, support: 3, query: 6, visit: Visit::Split };
    let layers = [conv(5, [3, 2, 1]), NORM, RELU, FLATTEN, linear(3)];
    let Random { plan, .. } =
        random("forecast", [1, 6, 6], &layers, Loss::cross_entropy(), [3, 6, 2, 1], |_| {});
    let plan = TrainPlan { plan, sampler, outer: OuterOptimizer::adam(0.1, 8) };
    let mut gpu = GpuBackend::new(device);
    let whole = gpu.footprint(&plan).unwrap();
    assert_eq!((whole.path, whole.tiles), (Path::Layered, 1));
    // Draw and reduce; three passes with their gradient, and two tangent passes with their way back, of eight each.
    assert_eq!(whole.dispatches, 2 + 3 * (2 + 1 + 1 + 2 + 1 + 1) + 2 * 8);
    gpu = gpu.with_layered_tuning(LayeredTuning { tile: 4, ..LayeredTuning::default() });
    let cut = gpu.footprint(&plan).unwrap();
    assert_eq!((cut.tiles, cut.dispatches), (3, 3 * (whole.dispatches - 1) + 1));
    assert!(cut.bytes < whole.bytes, "{} is not less than {}", cut.bytes, whole.bytes);
}

/// The tests above would notice: each of these mistakes changes one term of the second order.
#[test]
fn wrong_kernels_are_caught() {
    let Some(device) = adapter::device("wrong_kernels_are_caught") else { return };
    let mut gpu = GpuBackend::new(device);
    let layers = [conv(5, [3, 1, 1]), NORM, RELU, pool(2, 2), conv(4, [3, 1, 1]), RELU, MEAN, linear(3)];
    let Random { plan, params, tasks, .. } =
        random("wrong", [2, 6, 6], &layers, Loss::cross_entropy(), [3, 4, 2, 2], |_| {});
    let right = gpu.meta_gradient(&plan, &params, &tasks).unwrap().widen();
    let library = Library::default();
    for (shader, term, wrong) in [
        ("conv_product_tangent", "multiplied.y + behind.y", "multiplied.y"),
        ("conv2d_tangent", "select(0.0, z_dot, open)", "z_dot"),
        ("conv2d_backward_tangent", "return cotangents", "return 0.0 * cotangents"),
        ("batch_norm_tangent", "- normal * means.y", "- normal"),
        ("batch_norm_backward_tangent", "+ channel.gamma * root_dot", ""),
        ("largest_of_window", "value > top", "value < top"),
    ] {
        let text = library.text(shader).unwrap();
        assert!(text.contains(term), "{shader}");
        gpu = gpu.with_shaders(library.clone().with(shader, text.replace(term, wrong)));
        let out = gpu.meta_gradient(&plan, &params, &tasks).unwrap().widen();
        let error = relative_error(&out.gradient, &right.gradient);
        assert!(error > 10.0 * TOLERANCE, "{shader} without its `{term}` is off by {error:e} only");
    }
}
