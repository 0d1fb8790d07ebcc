//! What the parity tests of batch norms share: shapes, and the layer in plain loops. Tangents are central differences of
//! these, in float64.

use super::{Numbers, check, run};
use fastweights::backend::gpu::Device;
use fastweights::backend::gpu::kernels::rooms::batch_norm::NormCut;
use fastweights::wgsl::Declaration;
use fastweights::wgsl::LayerPass;

/// Points, channels, pixels, tasks.
pub(super) const SHAPES: [[usize; 4]; 5] =
    [[1, 1, 1, 1], [5, 3, 1, 2], [3, 17, 6, 2], [2, 5, 35, 3], [7, 2, 90, 2]];

/// ε; large, so that a channel of one element has moderate tangents.
pub(super) const EPSILON: f64 = 0.25;

pub(super) fn layer([points, channels, pixels, _]: [usize; 4]) -> LayerPass {
    LayerPass {
        points: points as u32,
        inputs: 1,
        outputs: channels as u32,
        channels: channels as u32,
        height: 1,
        width: pixels as u32,
        kernel: 1,
        stride: 1,
        epsilon: EPSILON as f32,
        adapted: 3,
        ..LayerPass::default()
    }
}

/// Elements of each channel.
pub(super) fn elements([points, channels, pixels, _]: [usize; 4]) -> Vec<Vec<usize>> {
    let of = |c| (0..points * pixels).map(move |i| (i / pixels * channels + c) * pixels + i % pixels);
    (0..channels).map(|c| of(c).collect()).collect()
}

/// x̂, and for each channel mean and 1/√(σ² + ε).
pub(super) fn normalise(shape: [usize; 4], x: &[f64]) -> (Vec<f64>, Vec<[f64; 2]>) {
    let (mut normal, mut stats) = (vec![0.0; x.len()], Vec::new());
    for elements in elements(shape) {
        let n = elements.len() as f64;
        let mean = elements.iter().map(|&e| x[e]).sum::<f64>() / n;
        let variance = elements.iter().map(|&e| (x[e] - mean).powi(2)).sum::<f64>() / n;
        let root = 1.0 / (variance + EPSILON).sqrt();
        elements.iter().for_each(|&e| normal[e] = (x[e] - mean) * root);
        stats.push([mean, root]);
    }
    (normal, stats)
}

/// γ x̂ + β; γ and β follow each other in `w`.
pub(super) fn forward(shape: [usize; 4], w: &[f64], x: &[f64]) -> Vec<f64> {
    let (mut y, _) = normalise(shape, x);
    for (c, elements) in elements(shape).into_iter().enumerate() {
        elements.iter().for_each(|&e| y[e] = w[c] * y[e] + w[shape[1] + c]);
    }
    y
}

/// The cotangents of x and of γ and β.
pub(super) fn backward(shape: [usize; 4], w: &[f64], x: &[f64], dy: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let (normal, stats) = normalise(shape, x);
    let (mut dx, mut dw) = (vec![0.0; x.len()], vec![0.0; 2 * shape[1]]);
    for (c, elements) in elements(shape).into_iter().enumerate() {
        let sum: f64 = elements.iter().map(|&e| dy[e]).sum();
        let dot: f64 = elements.iter().map(|&e| dy[e] * normal[e]).sum();
        let n = elements.len() as f64;
        elements.iter().for_each(|&e| dx[e] = w[c] * stats[c][1] * (dy[e] - sum / n - normal[e] * dot / n));
        (dw[c], dw[shape[1] + c]) = (dot, sum);
    }
    (dx, dw)
}

/// The tangent of `f` at `at` in a direction.
pub(super) fn slope(at: &[&[f64]], direction: &[&[f64]], f: impl Fn(&[Vec<f64>]) -> Vec<f64>) -> Vec<f64> {
    let h = 1e-5;
    let moved = |h: f64| {
        let one = |(a, d): (&&[f64], &&[f64])| a.iter().zip(*d).map(|(a, d)| a + h * d).collect();
        f(&at.iter().zip(direction).map(one).collect::<Vec<_>>())
    };
    moved(h).iter().zip(moved(-h)).map(|(up, down)| (up - down) / (2.0 * h)).collect()
}

/// Statistics as the forward pass leaves them, at an odd place.
pub(super) fn stats(shape: [usize; 4], x: &Numbers, w: &Numbers) -> Numbers {
    let [_, channels, _, tasks] = shape;
    let mut stats = Numbers::poisoned(tasks, 4 * channels);
    for task in 0..tasks {
        let at = (stats.place.offset + task as u32 * stats.place.stride) as usize;
        for (c, [mean, root]) in normalise(shape, &x.task(task)).1.into_iter().enumerate() {
            let all = [mean, root, w.task(task)[c], w.task(task)[channels + c]].map(|v| v as f32);
            stats.all[at + 4 * c..][..4].copy_from_slice(&all);
        }
    }
    stats
}

/// Runs a kernel with every cut; checks the buffers `results` after each.
pub(super) fn check_norm(
    device: &Device,
    declaration: &'static Declaration,
    constants: &[(&'static str, f64)],
    layer: &LayerPass,
    buffers: &[&Numbers],
    results: &[(usize, &[Vec<f64>])],
) {
    for cut in NormCut::ALL {
        let mut all = cut.constants().to_vec();
        all.extend_from_slice(constants);
        let workgroups = [cut.workgroups(layer.channels), results[0].1.len() as u32, 1];
        let after = run(device, declaration, &all, layer, buffers, workgroups);
        for &(result, expected) in results {
            let what = format!("{} {cut:?} {layer:?}, buffer {result}", declaration.shader);
            check(&what, &buffers[result].all, &after[result], expected);
        }
    }
}
