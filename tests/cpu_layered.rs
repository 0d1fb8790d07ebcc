//! The CPU's engine of models of any layers, against the oracle: odd shapes, every setting, random stacks.

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

#[test]
fn odd_stacks_agree_with_the_oracle() {
    for (i, (shape, layers)) in stacks().into_iter().enumerate() {
        let model = Model::sequential(shape, &layers).unwrap();
        for loss in [Loss::mse(), Loss::cross_entropy(), Loss::huber(0.4), Loss::bce_with_logits()] {
            for (support, query, steps) in [(4, 3, 1), (5, 7, 2), (0, 6, 0)] {
                check(
                    &format!("stack {i} {loss:?} {support}+{query} ×{steps}"),
                    &base(&model, loss, support, query, steps),
                    3,
                    i as u64,
                );
            }
        }
    }
}

#[test]
fn one_point_is_enough() {
    for (shape, layers) in [
        (image(1, 1, 1), vec![conv(3, 1, 1, 0), Op::relu(), Op::flatten(), linear(2)]),
        (image(3, 7, 7), vec![conv(8, 3, 2, 1), NORM, Op::relu(), Op::global_avg_pool2d(), linear(2)]),
    ] {
        let model = Model::sequential(shape, &layers).unwrap();
        check("one point", &base(&model, Loss::cross_entropy(), 1, 1, 2), 1, 3);
    }
}

#[test]
fn every_setting_agrees_with_the_oracle() {
    let relu = Op::relu();
    let layers =
        [conv(6, 3, 2, 1), NORM, relu, conv(5, 3, 1, 1), NORM, relu, Op::global_avg_pool2d(), linear(4)];
    let convolutional = Model::sequential(image(2, 7, 6), &layers).unwrap();
    let dense = Model::sequential(Shape::Vector(7), &[linear(9), NORM, relu, linear(3)]).unwrap();
    for (model, steps) in [(&convolutional, 3), (&dense, 2), (&convolutional, 1)] {
        let plan = base(model, Loss::cross_entropy(), 5, 4, steps);
        let weights: Vec<f64> = (0..=steps).map(|j| [0.5, 0.0, 0.3, 1.0][j % 4]).collect();
        let mut early = vec![0.0; steps + 1];
        early[steps - 1] = 1.0;
        check("keeps batch norm", &plan.clone().keep_batch_norm(), 3, 1);
        check("first order", &Plan { order: MetaGradient::FirstOrder, ..plan.clone() }, 3, 2);
        check("multi-step loss", &Plan { loss_weights: weights.clone(), ..plan.clone() }, 3, 3);
        check("no last loss", &Plan { loss_weights: early, ..plan.clone() }, 3, 4);
        for adapt in [Adapt::Head, Adapt::Body] {
            check(&format!("{adapt:?}"), &plan.clone().adapt(&adapt).unwrap(), 3, 5);
        }
        let mut norms = plan.clone();
        for (adapted, block) in norms.adapted.iter_mut().zip(norms.model.blocks()) {
            *adapted = matches!(norms.model.nodes()[block.layer].op, Op::BatchNorm(_));
        }
        check("batch norm alone", &norms, 3, 6);
        let none = vec![false; plan.adapted.len()];
        check("nothing adapted", &Plan { adapted: none, ..plan.clone() }, 3, 6);
        let shapes =
            [RateShape::One, RateShape::PerLayerStep, RateShape::PerParameter, RateShape::PerParameterStep];
        for shape in shapes {
            for learned in [false, true] {
                for order in [MetaGradient::FirstOrder, MetaGradient::SecondOrder] {
                    for adapt in [Adapt::All, Adapt::Head] {
                        let mut plan = Plan { order, loss_weights: weights.clone(), ..plan.clone() }
                            .adapt(&adapt)
                            .unwrap();
                        plan.rates = Rates { shape, learned, values: vec![], range: None };
                        plan.rates.values =
                            (0..plan.rate_count()).map(|i| 0.01 + 0.01 * (i % 5) as f64).collect();
                        check(&format!("{shape:?} learned {learned} {order:?} {adapt:?}"), &plan, 3, 7);
                    }
                }
            }
        }
    }
}

/// A random stack of layers that fit one another.
fn random_stack(seed: u64) -> Model {
    let mut rng = Philox::stream(seed, Purpose::Data, 1, 1);
    let mut draw = |low: usize, high: usize| rng.random_range(low as u32..=high as u32) as usize;
    loop {
        let shape = image(draw(1, 18), draw(1, 9), draw(1, 9));
        let mut layers = Vec::new();
        for _ in 0..draw(1, 7) {
            layers.push(match draw(0, 9) {
                0..=3 => conv(draw(1, 20), draw(1, 4), draw(1, 3), draw(0, 2)),
                4..=5 => NORM,
                6..=7 => Op::relu(),
                8 => pool(draw(1, 3), draw(1, 3)),
                _ => PLAIN_NORM,
            });
        }
        let ends = [
            vec![Op::flatten(), linear(4)],
            vec![Op::global_avg_pool2d(), linear(3)],
            vec![Op::flatten()],
            vec![],
        ];
        layers.extend(&ends[draw(0, 3)]);
        // Odd settings of one layer leave nothing for the next: draw again.
        if let Ok(model) = Model::sequential(shape, &layers)
            && !model.is_chain()
        {
            return model;
        }
    }
}

#[test]
fn random_stacks_agree_with_the_oracle() {
    for seed in 0..60 {
        let model = random_stack(seed);
        let steps = (seed % 3) as usize;
        let support = if steps == 0 { 0 } else { 3 + (seed % 4) as usize };
        let loss = [Loss::mse(), Loss::cross_entropy(), Loss::huber(0.4), Loss::bce_with_logits()]
            [seed as usize % 4];
        let plan = base(&model, loss, support, 3 + (seed % 5) as usize, steps);
        let layers: Vec<_> = model.nodes().iter().map(|node| node.op.to_string()).collect();
        check(&format!("seed {seed}: {} → {}", model.input(), layers.join(", ")), &plan, 2, seed);
    }
}

/// A value of a random graph: where it comes from, its shape, its rows.
#[derive(Clone, Copy)]
struct Known {
    value: Value,
    shape: Shape,
    rows: Rows,
}

/// A random graph under construction.
struct Growing {
    graph: Graph,
    all: Vec<Known>,
    used: Vec<bool>,
}

impl Growing {
    fn new(shape: Shape) -> Self {
        let known = Known { value: Value::INPUT, shape, rows: Rows::Point };
        Self { graph: Graph::new(shape).unwrap(), all: vec![known], used: vec![true] }
    }

    /// Adds an op, if it fits.
    fn add(&mut self, op: impl Into<Op>, inputs: &[usize]) -> Option<usize> {
        let op = op.into().resolved();
        let shapes: Vec<Shape> = inputs.iter().map(|&i| self.all[i].shape).collect();
        let shape = op.output(&shapes).ok().filter(|shape| shape.len() < 2000)?;
        let values: Vec<Value> = inputs.iter().map(|&i| self.all[i].value).collect();
        let value = self.graph.add(format!("n{}", self.all.len()), op, &values).ok()?;
        let points = inputs.iter().any(|&i| self.all[i].rows == Rows::Point);
        inputs.iter().for_each(|&i| self.used[i] = true);
        self.all.push(Known { value, shape, rows: if points { Rows::Point } else { Rows::Task } });
        self.used.push(false);
        Some(self.all.len() - 1)
    }
}

/// A random graph: values used several times, latents, every op and function.
fn random_graph(seed: u64) -> Model {
    let mut rng = Philox::stream(seed, Purpose::Data, 2, 2);
    let mut draw = |low: usize, high: usize| rng.random_range(low as u32..=high as u32) as usize;
    let shape =
        if draw(0, 1) == 0 { Shape::Vector(draw(1, 9)) } else { image(draw(1, 6), draw(2, 6), draw(2, 6)) };
    let mut growing = Growing::new(shape);
    for _ in 0..draw(3, 10) {
        let at = draw(0, growing.all.len() - 1);
        let Known { shape, rows, .. } = growing.all[at];
        let same: Vec<usize> = (0..growing.all.len()).filter(|&i| growing.all[i].shape == shape).collect();
        let other = same[draw(0, same.len() - 1)];
        let third = same[draw(0, same.len() - 1)];
        let groups = [1, 1, 2, 3][draw(0, 3)];
        match draw(0, 15) {
            0..=2 => {
                let function = [
                    Function::Relu {},
                    Function::Tanh {},
                    Function::Sine { omega: 2.0 },
                    Function::Silu {},
                    Function::Gelu {},
                    Function::Softplus {},
                    Function::Sigmoid {},
                    Function::Elu { alpha: 1.0 },
                ][draw(0, 7)];
                growing.add(function, &[at]);
            }
            3..=4 if matches!(shape, Shape::Image { .. }) => {
                let (kernel, padding) = ([draw(1, 3), draw(1, 3)], [draw(0, 1), draw(0, 2)]);
                let (stride, dilation, bias) = (draw(1, 2), draw(1, 2), draw(0, 1) == 0);
                let conv =
                    Conv2d { outputs: 6 * draw(1, 3), kernel, stride, padding, dilation, groups, bias };
                growing.add(conv, &[at]);
            }
            3..=4 => {
                growing.add(Linear { outputs: draw(1, 19), bias: draw(0, 1) == 0 }, &[at]);
            }
            // Two numbers normalised are signs, whose gradients float32 loses.
            5 if shape.len() > 2 => {
                growing.add(LayerNorm { eps: 0.1, affine: draw(0, 1) == 0 }, &[at]);
            }
            6 if rows == Rows::Point => {
                growing.add(BatchNorm { eps: 0.1, affine: true }, &[at]);
            }
            7..=8 => {
                growing.add(Add {}, &[at, other]);
            }
            9 => {
                growing.add(Mul {}, &[at, other, third]);
            }
            10 => {
                growing.add(Concat {}, &[at, other]);
            }
            12 => {
                // A group of one number is none: it has no variance.
                let each = matches!(shape, Shape::Image { .. }) && draw(0, 1) == 0;
                let groups = if each { Groups::Channels } else { Groups::Count(groups) };
                growing.add(GroupNorm { groups, eps: 0.1, affine: draw(0, 2) > 0 }, &[at]);
            }
            13 => {
                let (kernel, stride) = ([draw(1, 3), draw(1, 2)], [draw(1, 2), draw(1, 3)]);
                growing.add(AvgPool2d(Window { kernel, stride }), &[at]);
            }
            14 => {
                growing.add(Fourier { features: draw(1, 17), scale: 0.1 }, &[at]);
            }
            11 => {
                growing.add(Latent { size: draw(1, 9) }, &[]);
            }
            _ => {
                growing.add(Flatten {}, &[at]);
            }
        }
    }
    // Everything that nobody uses goes into one vector, the input too, so that the output has a row a point.
    let mut ends = vec![0];
    ends.extend((1..growing.all.len()).filter(|&i| !growing.used[i]));
    let flat: Vec<usize> = ends
        .into_iter()
        .map(|i| match growing.all[i].shape {
            Shape::Vector(_) => i,
            Shape::Image { .. } => growing.add(Flatten {}, &[i]).unwrap(),
        })
        .collect();
    let joined = if flat.len() == 1 { flat[0] } else { growing.add(Concat {}, &flat).unwrap() };
    growing.add(Linear::to(3), &[joined]).unwrap();
    growing.graph.finish().unwrap()
}

#[test]
fn random_graphs_agree_with_the_oracle() {
    for seed in 0..120 {
        let model = random_graph(seed);
        let steps = (seed % 3) as usize;
        let support = if steps == 0 { 0 } else { 3 + (seed % 4) as usize };
        let loss = [Loss::mse(), Loss::cross_entropy(), Loss::huber(0.4), Loss::bce_with_logits()]
            [seed as usize % 4];
        let mut plan = base(&model, loss, support, 3 + (seed % 5) as usize, steps);
        // Some parameters without the others of their node.
        if seed % 4 == 1 {
            let mut rng = Philox::stream(seed, Purpose::Data, 3, 3);
            plan.adapted.iter_mut().for_each(|adapted| *adapted &= rng.random_range(0..2_u32) == 0);
        }
        if seed % 5 == 2 && steps > 0 {
            plan.rates = Rates { shape: RateShape::PerLayerStep, learned: true, values: vec![], range: None };
            plan.rates.values = vec![0.03; plan.rate_count()];
        }
        let ops: Vec<_> = model.nodes().iter().map(|node| format!("{} = {}", node.name, node.op)).collect();
        check(&format!("seed {seed}: {}; {}", model.input(), ops.join(", ")), &plan, 2, seed);
    }
}

#[test]
fn points_of_weight_zero_count_nowhere() {
    for (i, (shape, layers)) in stacks().into_iter().enumerate() {
        let model = Model::sequential(shape, &layers).unwrap();
        let loss = if i % 2 == 0 { Loss::mse() } else { Loss::cross_entropy() };
        let plan = base(&model, loss, 5, 7, 1 + i % 2);
        let mut tasks = random_tasks(&plan, 3, i as u64);
        // At most two of a task's points do not count; the others by half or three times as much.
        let weight = |e: usize| [1.0, 0.5, 0.0, 3.0, 1.0, 1.5][(e + i) % 6];
        tasks.weights = Some(PointWeights {
            support: (0..15).map(weight).collect(),
            query: (0..21).map(|e| weight(e + 1)).collect(),
        });
        check_tasks(&format!("weighted stack {i}"), &plan, &tasks, i as u64);
    }
}

#[test]
fn evaluation_gives_the_losses_that_the_oracle_gives() {
    let layers = [conv(9, 3, 2, 1), NORM, Op::relu(), Op::flatten(), linear(3)];
    let model = Model::sequential(image(1, 8, 8), &layers).unwrap();
    let theta = Init::Torch.draw(&model, 3);
    let plan = Plan::new(model, Loss::cross_entropy(), 5, 5, 1, Rates::fixed(0.1)).unwrap();
    let plan = plan.for_evaluation(&theta, 5, 12, 4, None);
    let tasks = random_tasks(&plan, 7, 9);
    let expected = oracle::meta_gradient(&plan, &widen(&theta), &tasks.map(f64::from)).unwrap();
    for instructions in Instructions::available() {
        let cpu = CpuBackend::new(Some(2)).with_instructions(instructions).unwrap();
        let found = cpu.evaluate(&plan, &theta, &tasks, true).unwrap();
        assert!(relative_error(&widen(&found.query_loss), &expected.query_loss) <= 2e-5);
        // The predictions give the losses.
        let predictions = found.predictions.unwrap();
        for (task, losses) in found.query_loss.chunks(5).enumerate() {
            for (j, &loss) in losses.iter().enumerate() {
                let out = predictions[(j * 7 + task) * 36..][..36].chunks(3);
                let y = &tasks.query_y[task * 12..][..12];
                let point = |(out, y): (&[f32], &f32)| {
                    out.iter().map(|o| o.exp()).sum::<f32>().ln() - out[*y as usize]
                };
                let mean = out.zip(y).map(point).sum::<f32>() / 12.0;
                assert!((mean - loss).abs() <= 1e-5 * loss, "task {task}, step {j}: {mean} is not {loss}");
            }
        }
    }
}

#[test]
fn given_tasks_give_the_same_bits_on_any_number_of_threads_and_again() {
    let images = [conv(12, 3, 1, 1), NORM, Op::relu(), pool(2, 0), Op::flatten(), linear(3)];
    for (name, model, loss, count) in [
        ("lanes", Model::mlp(2, &[24, 24], 3, false).unwrap(), Loss::mse(), 203),
        ("a task at a time", Model::sequential(image(2, 9, 8), &images).unwrap(), Loss::cross_entropy(), 43),
    ] {
        let mut plan = Plan::new(model, loss, 4, 5, 2, Rates::fixed(0.05)).unwrap();
        plan.track_all = true;
        let (params, tasks) = (Init::Torch.draw(&plan.model, 3), random_tasks(&plan, count, 1));
        let one = CpuBackend::new(Some(1)).meta_gradient(&plan, &params, &tasks).unwrap();
        for threads in [2, 3, 8] {
            let cpu = CpuBackend::new(Some(threads));
            let mut prepared = cpu.prepare(&plan, count, false).unwrap();
            // What another batch left behind must not be seen.
            let other = random_tasks(&plan, count, 2);
            assert!(prepared.meta_gradient(&vec![0.1; params.len()], &other).unwrap() != one);
            assert!(prepared.meta_gradient(&params, &tasks).unwrap() == one, "{name}, {threads} threads");
        }
    }
}
