//! The CPU's engine of models of any layers, against the oracle: odd shapes, every setting, random stacks.

mod graphs;
mod stacks;

#[path = "../common/mod.rs"]
mod common;

use common::random_tasks;
use fastweights::backend::cpu::{CpuBackend, Instructions};
use fastweights::backend::oracle;
use fastweights::case::relative_error;
use fastweights::meta::{Adapt, Backend, Loss, MetaGradient, MetaOutput, Plan, RateShape, Rates};
use fastweights::model::{Graph, Init, Model, Op, Rows, Shape, Value};
use fastweights::ops::add::Add;
use fastweights::ops::avg_pool2d::AvgPool2d;
use fastweights::ops::batch_norm::BatchNorm;
use fastweights::ops::concat::Concat;
use fastweights::ops::conv2d::Conv2d;
use fastweights::ops::elementwise::Function;
use fastweights::ops::flatten::Flatten;
use fastweights::ops::fourier::Fourier;
use fastweights::ops::group_norm::{GroupNorm, Groups};
use fastweights::ops::latent::Latent;
use fastweights::ops::layer_norm::LayerNorm;
use fastweights::ops::linear::Linear;
use fastweights::ops::mul::Mul;
use fastweights::ops::window::Window;
use fastweights::task::{Philox, PointWeights, Purpose, TaskBatch};
use rand::RngExt as _;

const NORM: Op = Op::batch_norm(1e-5, true);
const PLAIN_NORM: Op = Op::batch_norm(1e-3, false);

const SOFT_NORM: Op = Op::batch_norm(0.1, true);
fn conv(outputs: usize, kernel: usize, stride: usize, padding: usize) -> Op {
    Op::conv2d(outputs, kernel, stride, padding)
}

fn pool(kernel: usize, stride: usize) -> Op {
    Op::max_pool2d(kernel, stride)
}

fn linear(outputs: usize) -> Op {
    Op::linear(outputs)
}

fn image(channels: usize, height: usize, width: usize) -> Shape {
    Shape::Image { channels, height, width }
}

fn widen(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&v| f64::from(v)).collect()
}

fn outcome_errors(
    plan: &Plan,
    found: &MetaOutput<f64>,
    expected: &MetaOutput<f64>,
) -> Vec<(&'static str, f64)> {
    let loss = |out: &MetaOutput<f64>| [out.meta_loss];
    let mut errors = vec![
        ("gradient", relative_error(&found.gradient, &expected.gradient)),
        ("meta loss", relative_error(&loss(found), &loss(expected))),
        ("support losses", relative_error(&found.support_loss, &expected.support_loss)),
    ];
    if plan.track_all {
        errors.push(("query losses", relative_error(&found.query_loss, &expected.query_loss)));
        errors.push(("fast weights", relative_error(&found.fast, &expected.fast)));
    }
    errors
}

/// Compares one meta-gradient on every instruction set with the oracle's.
fn check(name: &str, plan: &Plan, tasks: usize, seed: u64) {
    check_tasks(name, plan, &random_tasks(plan, tasks, seed), seed);
}

fn check_tasks(name: &str, plan: &Plan, tasks: &TaskBatch, seed: u64) {
    let mut theta = Init::Torch.draw(&plan.model, seed);
    // Away from γ = 1 and β = 0, where a forgotten factor would not be seen.
    for (i, block) in plan.model.blocks().iter().enumerate() {
        let op = &plan.model.nodes()[block.layer].op;
        if matches!(op, Op::BatchNorm(_) | Op::LayerNorm(_) | Op::GroupNorm(_) | Op::Latent(_)) {
            theta[block.range()].iter_mut().enumerate().for_each(|(e, t)| *t += 0.1 * ((e + i) % 5) as f32);
        }
    }
    let params = plan.meta_params(&theta);
    let expected = oracle::meta_gradient(plan, &widen(&params), &tasks.map(f64::from)).unwrap();
    for instructions in Instructions::available() {
        let cpu = CpuBackend::new(Some(1)).with_instructions(instructions).unwrap();
        let found = cpu.meta_gradient(plan, &params, tasks).unwrap().widen();
        for (what, error) in outcome_errors(plan, &found, &expected) {
            assert!(error <= 2e-5, "{name} on {}: {what}: {error:e}", instructions.name());
        }
    }
}

fn base(model: &Model, loss: Loss, support: usize, query: usize, steps: usize) -> Plan {
    let mut plan = Plan::new(model.clone(), loss, support, query, steps, Rates::fixed(0.05)).unwrap();
    plan.track_all = true;
    plan
}

/// Stacks that are odd in one way or another.
fn stacks() -> Vec<(Shape, Vec<Op>)> {
    const RELU: Op = Op::relu();
    const MEAN: Op = Op::global_avg_pool2d();
    const FLAT: Op = Op::flatten();
    vec![
        (Shape::Vector(5), vec![linear(9), NORM, RELU, linear(19), PLAIN_NORM, RELU, linear(3)]),
        (Shape::Vector(5), vec![RELU, linear(9), RELU, RELU, linear(2)]),
        (Shape::Vector(6), vec![NORM, linear(3)]),
        (image(1, 1, 1), vec![conv(3, 1, 1, 0), RELU, FLAT, linear(2)]),
        (image(1, 9, 7), vec![conv(17, 3, 2, 1), NORM, RELU, conv(33, 3, 2, 1), NORM, RELU, MEAN, linear(5)]),
        (image(3, 8, 8), vec![conv(5, 5, 3, 2), NORM, RELU, FLAT, linear(4)]),
        (image(2, 7, 5), vec![RELU, conv(6, 3, 1, 0), RELU, conv(4, 1, 1, 0), FLAT]),
        (image(20, 6, 5), vec![conv(7, 3, 3, 0), NORM, conv(3, 2, 1, 1), NORM, RELU, MEAN]),
        (
            image(1, 11, 11),
            vec![
                conv(4, 3, 1, 1),
                NORM,
                RELU,
                pool(3, 2),
                conv(6, 3, 1, 1),
                PLAIN_NORM,
                RELU,
                pool(2, 3),
                FLAT,
                linear(3),
            ],
        ),
        (
            image(2, 6, 6),
            vec![pool(2, 1), conv(3, 3, 1, 3), RELU, pool(2, 2), FLAT, SOFT_NORM, linear(4), NORM],
        ),
        (image(3, 4, 4), vec![FLAT, linear(7), NORM, RELU, RELU, linear(3)]),
        (image(3, 5, 4), vec![NORM, conv(4, 3, 1, 1), NORM, NORM, RELU, NORM, MEAN, linear(2), RELU]),
        (
            image(3, 9, 7),
            vec![
                conv(12, 3, 1, 1),
                Op::group_norm(3),
                RELU,
                Op::avg_pool2d(3, 2),
                conv(20, 2, 1, 0),
                MEAN,
                linear(3),
            ],
        ),
        (image(3, 4, 5), vec![FLAT, Op::group_norm(5), linear(40), Op::group_norm(4), RELU, linear(3)]),
        (
            image(5, 3, 4),
            vec![Op::instance_norm(), conv(34, 1, 1, 0), Op::instance_norm(), RELU, FLAT, linear(2)],
        ),
        (Shape::Vector(2), vec![Op::fourier(19, 1.0), linear(24), RELU, Op::fourier(3, 0.05), linear(2)]),
        (image(2, 4, 3), vec![conv(80, 3, 1, 1), NORM, RELU, conv(50, 3, 1, 1), RELU, conv(3, 1, 2, 1)]),
    ]
}
