use super::norm::slope;
use super::{Numbers, adapter, check, run};
use fastweights::backend::gpu::kernels::rooms::fourier::{BACKWARD, FORWARD, TANGENT, WORKGROUP};
use fastweights::wgsl::LayerPass;
use std::f64::consts::TAU;

/// Points, inputs, features; tasks.
const SHAPES: [([usize; 3], usize); 4] = [([1, 1, 1], 1), ([5, 3, 2], 2), ([7, 2, 70], 3), ([40, 33, 5], 2)];

/// `2πBx`, `[points, features]`.
fn angles([_, inputs, _]: [usize; 3], b: &[f64], x: &[f64]) -> Vec<f64> {
    let angle = |x: &[f64], b: &[f64]| TAU * x.iter().zip(b).map(|(x, b)| x * b).sum::<f64>();
    x.chunks(inputs).flat_map(|x| b.chunks(inputs).map(move |b| angle(x, b))).collect()
}

fn forward(shape: [usize; 3], b: &[f64], x: &[f64]) -> Vec<f64> {
    let row = |z: &[f64]| z.iter().map(|z| z.sin()).chain(z.iter().map(|z| z.cos())).collect::<Vec<_>>();
    angles(shape, b, x).chunks(shape[2]).flat_map(row).collect()
}

fn backward(shape: [usize; 3], b: &[f64], x: &[f64], dy: &[f64]) -> Vec<f64> {
    let [points, inputs, n] = shape;
    let z = angles(shape, b, x);
    let mut dx = vec![0.0; points * inputs];
    for (at, z) in z.iter().enumerate() {
        let (p, k) = (at / n, at % n);
        let turn = dy[2 * p * n + k] * z.cos() - dy[2 * p * n + n + k] * z.sin();
        (0..inputs).for_each(|i| dx[p * inputs + i] += TAU * b[k * inputs + i] * turn);
    }
    dx
}

#[test]
fn fourier_features_and_their_tangents_are_their_formulas() {
    let Some(device) = adapter::device("fourier_features_and_their_tangents_are_their_formulas") else {
        return;
    };
    for (shape, tasks) in SHAPES {
        let [points, inputs, features] = shape;
        let numbers = |words: usize, stream: u32| Numbers::new(tasks, words, stream);
        let (x, x_dot) = (numbers(points * inputs, 1), numbers(points * inputs, 2));
        let mut b = Numbers::shared(features * inputs, 3);
        // Many turns: a sum that is rounded before its whole turns are taken away would show.
        b.all.iter_mut().for_each(|b| *b *= 20.0);
        let words = 2 * points * features;
        let (dy, dy_dot) = (numbers(words, 4), numbers(words, 5));
        let (y, y_dot) = (Numbers::poisoned(tasks, words), Numbers::poisoned(tasks, words));
        let mut layer = LayerPass {
            points: points as u32,
            inputs: inputs as u32,
            outputs: features as u32,
            x: x.place,
            y: y.place,
            x_dot: x_dot.place,
            y_dot: y_dot.place,
            dz: dy.place,
            dz_dot: dy_dot.place,
            weight: b.place,
            ..LayerPass::default()
        };
        let across = |items: usize| [(items as u32).div_ceil(WORKGROUP), tasks as u32, 1];
        let each = |of: &dyn Fn(usize) -> Vec<f64>| (0..tasks).map(of).collect::<Vec<_>>();
        let matrix = b.task(0);
        let after = run(&device, &FORWARD, &[], &layer, &[&x, &b, &y], across(points * features));
        check(&format!("{shape:?}"), &y.all, &after[2], &each(&|t| forward(shape, &matrix, &x.task(t))));
        let waves = after[2].clone();
        let buffers = [&x_dot, &b, &waves, &y_dot];
        let after = run(&device, &TANGENT, &[], &layer, &buffers, across(points * features));
        let expected =
            each(&|t| slope(&[&x.task(t)], &[&x_dot.task(t)], |at| forward(shape, &matrix, &at[0])));
        check(&format!("tangent {shape:?}"), &y_dot.all, &after[3], &expected);
        let wave_tangents = after[3].clone();
        for (relu_below, adds) in [(0, 0), (1, 0), (1, 1)] {
            let dx = match adds {
                1 => numbers(points * inputs, 6),
                _ => Numbers::poisoned(tasks, points * inputs),
            };
            (layer.relu_below, layer.adds, layer.dx) = (relu_below, adds, dx.place);
            let open = |t: usize, all: Vec<f64>| -> Vec<f64> {
                let (x, before) = (x.task(t), dx.task(t));
                let one = |(e, d): (usize, f64)| {
                    let d = if relu_below == 1 && x[e] <= 0.0 { 0.0 } else { d };
                    if adds == 1 { before[e] + d } else { d }
                };
                all.into_iter().enumerate().map(one).collect()
            };
            let back = |turns: f64, cotangents: &Numbers, expected: &[Vec<f64>]| {
                let buffers = [&x, &b, &waves, &wave_tangents, cotangents, &dy, &dx];
                let constants = [("TURNS", turns)];
                let after = run(&device, &BACKWARD, &constants, &layer, &buffers, across(points * inputs));
                check(&format!("backward, {turns}, {shape:?}"), &dx.all, &after[6], expected);
            };
            back(0.0, &dy, &each(&|t| open(t, backward(shape, &matrix, &x.task(t), &dy.task(t)))));
            let turned = |t: usize| {
                let along = [&x_dot.task(t)[..], &dy_dot.task(t)[..]];
                slope(&[&x.task(t), &dy.task(t)], &along, |at| backward(shape, &matrix, &at[0], &at[1]))
            };
            back(1.0, &dy_dot, &each(&|t| open(t, turned(t))));
        }
    }
}
