//! The float64 oracle against answers from elsewhere, finite differences, and what a Hessian must obey.

mod common;

use common::golden_cases;
use fastweights::backend::oracle::{self, Dual};
use fastweights::case::relative_error;
use fastweights::meta::{Loss, MetaGradient, Plan, Rates};
use fastweights::model::{Model, Op, Shape};
use fastweights::ops::avg_pool2d::AvgPool2d;
use fastweights::ops::batch_norm::BatchNorm;
use fastweights::ops::conv2d::Conv2d;
use fastweights::ops::elementwise::Function;
use fastweights::ops::flatten::Flatten;
use fastweights::ops::group_norm::{GroupNorm, Groups};
use fastweights::ops::linear::Linear;
use fastweights::ops::window::Window;
use fastweights::task::{PointWeights, TaskBatch};

#[test]
fn golden_cases_to_1e_9() {
    let cases = golden_cases();
    assert_eq!(cases.len(), 30);
    for (name, case) in cases {
        let out = oracle::meta_gradient(&case.plan, &case.params, &case.tasks).unwrap();
        let errors = case.compare(&out);
        assert!(errors.len() > 8, "{name} has answers to compare with");
        for (tensor, error) in errors {
            assert!(error <= 1e-9, "{name}: {tensor}: {error:e}");
        }
    }
}

/// Central differences of the meta-loss. Few tasks and a small step: with ReLU a larger one crosses kinks.
#[test]
fn the_meta_gradient_is_the_derivative_of_the_meta_loss() {
    for (name, case) in golden_cases() {
        if case.plan.order == MetaGradient::FirstOrder {
            continue;
        }
        let tasks = case.tasks.slice(0..1);
        let loss = |params: &[f64]| oracle::meta_gradient(&case.plan, params, &tasks).unwrap().meta_loss;
        let gradient = oracle::meta_gradient(&case.plan, &case.params, &tasks).unwrap().gradient;
        let scale = gradient.iter().fold(0.0_f64, |m, g| m.max(g.abs()));
        let h = 1e-6;
        // Images take their time in a debug build.
        let elements = if case.plan.model.is_chain() { 60 } else { 10 };
        let fixed = fixed_elements(&case.plan.model);
        let all = (0..gradient.len()).step_by(gradient.len() / elements + 1);
        for element in all.filter(|element| !fixed.contains(element)) {
            let mut params = case.params.clone();
            params[element] += h;
            let above = loss(&params);
            params[element] -= 2.0 * h;
            let difference = (above - loss(&params)) / (2.0 * h);
            let error = (difference - gradient[element]).abs();
            assert!(
                error <= 1e-6 * scale,
                "{name}: element {element}: {difference} is not {}",
                gradient[element]
            );
        }
    }
}

/// The elements of the flat vector that are fixed.
fn fixed_elements(model: &Model) -> Vec<usize> {
    model.params().iter().filter(|param| param.is_fixed()).flat_map(|param| param.range()).collect()
}

/// `H` from dual numbers is symmetric, `⟨u, H w⟩ = ⟨w, H u⟩`, and linear.
#[test]
fn the_hessian_is_symmetric_and_linear() {
    for (name, case) in golden_cases() {
        let p = case.plan.model.param_count();
        let one = case.tasks.slice(0..1);
        let hessian = |u: &[f64]| -> Vec<f64> {
            let dual: Vec<_> =
                case.params[..p].iter().zip(u).map(|(&value, &tangent)| Dual { value, tangent }).collect();
            let pass = oracle::gradient(&case.plan, 0, &dual, oracle::Points::support(&one));
            pass.gradient.iter().map(|g| g.tangent).collect()
        };
        let fixed = fixed_elements(&case.plan.model);
        // Directions in which nothing moves that is fixed.
        let wave = |f: f64| {
            let one = |i: usize| if fixed.contains(&i) { 0.0 } else { (f * (i + 1) as f64).sin() };
            (0..p).map(one).collect::<Vec<_>>()
        };
        let (u, w) = (wave(1.1), wave(2.3));
        let (hu, hw) = (hessian(&u), hessian(&w));
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let (left, right) = (dot(&u, &hw), dot(&w, &hu));
        assert!((left - right).abs() <= 1e-10 * left.abs().max(1.0), "{name}: {left} is not {right}");
        let mix: Vec<f64> = u.iter().zip(&w).map(|(u, w)| 2.0 * u - 3.0 * w).collect();
        let sum: Vec<f64> = hu.iter().zip(&hw).map(|(u, w)| 2.0 * u - 3.0 * w).collect();
        assert!(relative_error(&hessian(&mix), &sum) <= 1e-12, "{name}");
    }
}

/// Ops alone behind a product, and between smooth functions.
fn small_models() -> Vec<Model> {
    let image = Shape::Image { channels: 2, height: 4, width: 5 };
    let (conv, tanh, sine) =
        (Conv2d::square(4, 2, 1, 0).into(), Function::Tanh {}.into(), Function::Sine { omega: 1.5 }.into());
    let norm = |groups| Op::GroupNorm(GroupNorm { groups, eps: 0.01, affine: true });
    let window = Window { kernel: [2, 3], stride: [1, 2] };
    let mut all = Vec::new();
    for op in [
        norm(Groups::Count(2)),
        norm(Groups::Count(1)),
        norm(Groups::Channels),
        Op::avg_pool2d(2, 0),
        AvgPool2d(window).into(),
    ] {
        let flat = Op::flatten();
        all.push(Model::sequential(image, &[conv, op]).unwrap());
        all.push(Model::sequential(image, &[conv, tanh, op, sine, flat, Op::linear(2)]).unwrap());
    }
    let plain = Op::GroupNorm(GroupNorm { groups: Groups::Count(2), eps: 0.01, affine: false });
    for op in [norm(Groups::Count(2)), plain, Op::fourier(3, 0.4)] {
        let vector = Shape::Vector(3);
        all.push(Model::sequential(vector, &[Op::linear(6), op]).unwrap());
        all.push(Model::sequential(vector, &[Op::linear(6), tanh, op, sine, Op::linear(2)]).unwrap());
    }
    all.push(Model::sequential(Shape::Vector(2), &[Op::fourier(4, 1.0), tanh, Op::linear(2)]).unwrap());
    all
}

#[test]
fn norms_pools_and_features_are_their_derivatives() {
    for model in small_models() {
        let ops: Vec<_> = model.nodes().iter().map(|node| node.op.to_string()).collect();
        let what = ops.join(", ");
        let plan = Plan::new(model, Loss::mse(), 3, 4, 2, Rates::fixed(0.02)).unwrap();
        let tasks = common::random_tasks(&plan, 2, 5).map(f64::from);
        let wave = |f: f64| (0..plan.model.param_count()).map(|i| (f * (i + 1) as f64).sin()).collect();
        let all: Vec<f64> = wave(1.9);
        // Small, so that the loss is smooth at the scale of differences.
        let mut params: Vec<f64> = all.iter().map(|w| 0.4 * w).collect();
        let out = oracle::meta_gradient(&plan, &params, &tasks).unwrap().gradient;
        let fixed = fixed_elements(&plan.model);
        let scale = out.iter().fold(0.0_f64, |m, g| m.max(g.abs()));
        assert!(scale > 1e-3, "{what}: nothing is learned");
        for e in 0..params.len() {
            if fixed.contains(&e) {
                assert!(out[e] == 0.0, "{what}: element {e} is fixed");
                continue;
            }
            let mut loss = |by: f64| {
                let before = params[e];
                params[e] += by;
                let loss = oracle::meta_gradient(&plan, &params, &tasks).unwrap().meta_loss;
                params[e] = before;
                loss
            };
            let difference = (loss(1e-6) - loss(-1e-6)) / 2e-6;
            assert!((difference - out[e]).abs() <= 1e-6 * scale, "{what}: {e}: {difference}, {}", out[e]);
        }
        // H u of the support loss, along a direction in which nothing moves that is fixed.
        let one = tasks.slice(0..1);
        let mut u: Vec<f64> = wave(0.7);
        fixed.iter().for_each(|&e| u[e] = 0.0);
        let dual: Vec<_> = params.iter().zip(&u).map(|(&value, &tangent)| Dual { value, tangent }).collect();
        let turned = oracle::gradient(&plan, 0, &dual, oracle::Points::support(&one)).gradient;
        let moved = |by: f64| {
            let at: Vec<f64> = params.iter().zip(&u).map(|(p, u)| p + by * u).collect();
            oracle::gradient(&plan, 0, &at, oracle::Points::support(&one)).gradient
        };
        let slope: Vec<f64> = moved(1e-5).iter().zip(moved(-1e-5)).map(|(a, b)| (a - b) / 2e-5).collect();
        let turned: Vec<f64> = turned.iter().map(|g| g.tangent).collect();
        assert!(relative_error(&turned, &slope) <= 1e-6, "{what}: H u");
    }
}

/// A batch in which tasks have fewer points than it holds: the mean of the tasks alone, whatever fills the rest.
#[test]
fn unequal_tasks_in_one_batch_equal_the_tasks_alone() {
    let ops: [Op; 5] = [
        Conv2d::square(3, 3, 1, 1).into(),
        BatchNorm::default().into(),
        Function::Tanh {}.into(),
        Flatten {}.into(),
        Linear::to(3).into(),
    ];
    let model = Model::sequential(Shape::Image { channels: 1, height: 3, width: 3 }, &ops).unwrap();
    let params: Vec<f64> = (0..model.param_count()).map(|i| (1.7 * i as f64).sin() * 0.5).collect();
    let counts = [(5, 4), (3, 6), (2, 1)];
    let (support, query) = (5, 6);
    let mut plan = Plan::new(model, Loss::cross_entropy(), support, query, 2, Rates::fixed(0.1)).unwrap();
    plan.track_all = true;
    let mut batch = TaskBatch::<f64>::zeros(counts.len(), support, query, 9, 1);
    let fill = |all: &mut [f64], f: f64| {
        all.iter_mut().enumerate().for_each(|(i, x)| *x = (f * (i + 1) as f64).sin() * 2.0);
    };
    fill(&mut batch.support_x, 1.1);
    fill(&mut batch.query_x, 2.3);
    batch.support_y.iter_mut().chain(&mut batch.query_y).enumerate().for_each(|(i, y)| *y = (i % 3) as f64);
    let mask = |points: usize, of: fn(&(usize, usize)) -> usize| {
        let row = |count: &(usize, usize)| {
            let valid = of(count);
            (0..points).map(move |p| if p < valid { 1.0 } else { 0.0 })
        };
        counts.iter().flat_map(row).collect::<Vec<f64>>()
    };
    batch.weights =
        Some(PointWeights { support: mask(support, |c| c.0).into(), query: mask(query, |c| c.1).into() });
    let all = oracle::meta_gradient(&plan, &params, &batch).unwrap();
    let mut mean = vec![0.0; params.len()];
    for (t, &(s, q)) in counts.iter().enumerate() {
        let one = batch.slice(t..t + 1);
        let alone = TaskBatch {
            support: s,
            query: q,
            support_x: one.support_x[..s * 9].to_vec().into(),
            support_y: one.support_y[..s].to_vec().into(),
            query_x: one.query_x[..q * 9].to_vec().into(),
            query_y: one.query_y[..q].to_vec().into(),
            weights: None,
            ..one
        };
        let out =
            oracle::meta_gradient(&Plan { support: s, query: q, ..plan.clone() }, &params, &alone).unwrap();
        assert!(relative_error(&all.query_loss[t * 3..][..3], &out.query_loss) <= 1e-13);
        mean.iter_mut().zip(&out.gradient).for_each(|(sum, g)| *sum += g / 3.0);
    }
    assert!(relative_error(&all.gradient, &mean) <= 1e-13);
    batch.weights.as_mut().unwrap().query[..query].fill(0.0);
    let refused = oracle::meta_gradient(&plan, &params, &batch).unwrap_err().to_string();
    assert!(refused.contains("query weights of task 0"), "{refused}");
}
