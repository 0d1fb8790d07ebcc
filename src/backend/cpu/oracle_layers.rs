//! The oracle's layers: forward and backward of each, in the plainest loops, generic over the number.
//!
//! Arrays are `[points, channels, height, width]` (`[points, features]` for vectors), row-major. A backward
//! takes the cotangent of the output, adds the layer's parameter gradients, and returns the cotangent of the input.

use super::scalar::Scalar;
use crate::model::{Layer, Shape, Stage};

/// One layer applied to all points of a set.
pub(super) struct Applied<'a, S> {
    pub(super) stage: Stage,
    /// Weight and bias (γ and β); empty where the layer has none.
    pub(super) weight: &'a [S],
    pub(super) bias: &'a [S],
    pub(super) points: usize,
}

/// Height and width; a vector is one pixel.
fn sides(shape: Shape) -> (usize, usize) {
    match shape {
        Shape::Vector(_) => (1, 1),
        Shape::Image { height, width, .. } => (height, width),
    }
}

impl<S: Scalar> Applied<'_, S> {
    pub(super) fn forward(&self, x: &[S]) -> Vec<S> {
        let zero = S::constant(0.0);
        let mut y = vec![zero; self.points * self.stage.output.len()];
        match self.stage.layer {
            Layer::Linear { .. } | Layer::Conv2d { .. } => {
                let channels = self.stage.output.features();
                let pixels = self.stage.output.pixels();
                for (i, y) in y.iter_mut().enumerate() {
                    *y = self.bias[i / pixels % channels];
                }
                self.taps(|out, w, input| y[out] = y[out] + self.weight[w] * x[input]);
            }
            Layer::BatchNorm { eps, .. } => {
                for (c, elements) in self.channels().into_iter().enumerate() {
                    let (normal, _) = normalise(&elements, x, eps);
                    let (gamma, beta) = self.scale_and_shift(c);
                    for (&e, &n) in elements.iter().zip(&normal) {
                        y[e] = gamma * n + beta;
                    }
                }
            }
            Layer::Relu => {
                for (y, &x) in y.iter_mut().zip(x) {
                    *y = if x.value() > 0.0 { x } else { zero };
                }
            }
            Layer::MaxPool2d { .. } => {
                for (y, source) in y.iter_mut().zip(self.winners(x)) {
                    *y = x[source];
                }
            }
            Layer::GlobalAvgPool2d => {
                let pixels = self.stage.input.pixels();
                let share = S::constant(1.0 / pixels as f64);
                for (i, &x) in x.iter().enumerate() {
                    y[i / pixels] = y[i / pixels] + x * share;
                }
            }
            Layer::Flatten => y.copy_from_slice(x),
        }
        y
    }

    pub(super) fn backward(&self, x: &[S], y: &[S], dy: &[S], dweight: &mut [S], dbias: &mut [S]) -> Vec<S> {
        let zero = S::constant(0.0);
        let mut dx = vec![zero; x.len()];
        match self.stage.layer {
            Layer::Linear { .. } | Layer::Conv2d { .. } => {
                let (channels, pixels) = (self.stage.output.features(), self.stage.output.pixels());
                for (i, &dy) in dy.iter().enumerate() {
                    let c = i / pixels % channels;
                    dbias[c] = dbias[c] + dy;
                }
                self.taps(|out, w, input| {
                    dweight[w] = dweight[w] + dy[out] * x[input];
                    dx[input] = dx[input] + self.weight[w] * dy[out];
                });
            }
            Layer::BatchNorm { eps, affine } => {
                for (c, elements) in self.channels().into_iter().enumerate() {
                    let (normal, root) = normalise(&elements, x, eps);
                    let (gamma, _) = self.scale_and_shift(c);
                    let sum = elements.iter().fold(zero, |sum, &e| sum + dy[e]);
                    let dot = elements.iter().zip(&normal).fold(zero, |sum, (&e, &n)| sum + dy[e] * n);
                    if affine {
                        dweight[c] = dweight[c] + dot;
                        dbias[c] = dbias[c] + sum;
                    }
                    let share = S::constant(1.0 / elements.len() as f64);
                    for (&e, &n) in elements.iter().zip(&normal) {
                        dx[e] = gamma / root * (dy[e] - sum * share - n * dot * share);
                    }
                }
            }
            Layer::Relu => {
                for ((dx, y), &dy) in dx.iter_mut().zip(y).zip(dy) {
                    *dx = if y.value() > 0.0 { dy } else { zero };
                }
            }
            Layer::MaxPool2d { .. } => {
                for (&dy, source) in dy.iter().zip(self.winners(x)) {
                    dx[source] = dx[source] + dy;
                }
            }
            Layer::GlobalAvgPool2d => {
                let pixels = self.stage.input.pixels();
                let share = S::constant(1.0 / pixels as f64);
                for (i, dx) in dx.iter_mut().enumerate() {
                    *dx = dy[i / pixels] * share;
                }
            }
            Layer::Flatten => dx.copy_from_slice(dy),
        }
        dx
    }

    /// Calls `tap(output element, weight, input element)` for every product of a linear or convolutional layer.
    fn taps(&self, mut tap: impl FnMut(usize, usize, usize)) {
        let (inputs, outputs) = (self.stage.input.features(), self.stage.output.features());
        let ((h, w), (oh, ow)) = (sides(self.stage.input), sides(self.stage.output));
        let (kernel, stride, padding) = match self.stage.layer {
            Layer::Conv2d { kernel, stride, padding, .. } => (kernel, stride, padding),
            _ => (1, 1, 0),
        };
        for (p, o, c) in triples(self.points, outputs, inputs) {
            for (oy, ox, k) in triples(oh, ow, kernel * kernel) {
                let (y, x) = (oy * stride + k / kernel, ox * stride + k % kernel);
                if (padding..padding + h).contains(&y) && (padding..padding + w).contains(&x) {
                    let out = ((p * outputs + o) * oh + oy) * ow + ox;
                    let input = ((p * inputs + c) * h + y - padding) * w + x - padding;
                    tap(out, (o * inputs + c) * kernel * kernel + k, input);
                }
            }
        }
    }

    /// For each feature or channel, the elements of all points that belong to it.
    fn channels(&self) -> Vec<Vec<usize>> {
        let (channels, pixels) = (self.stage.input.features(), self.stage.input.pixels());
        let of = |c| {
            triples(self.points, 1, pixels).map(move |(p, _, i)| (p * channels + c) * pixels + i).collect()
        };
        (0..channels).map(of).collect()
    }

    fn scale_and_shift(&self, c: usize) -> (S, S) {
        let or = |values: &[S], otherwise| values.get(c).copied().unwrap_or(S::constant(otherwise));
        (or(self.weight, 1.0), or(self.bias, 0.0))
    }

    /// For each output of a max-pool, the input that it takes.
    fn winners(&self, x: &[S]) -> Vec<usize> {
        let Layer::MaxPool2d { kernel, stride } = self.stage.layer else { return Vec::new() };
        let ((h, w), (oh, ow)) = (sides(self.stage.input), sides(self.stage.output));
        let mut all = Vec::new();
        for (image, oy, ox) in triples(self.points * self.stage.input.features(), oh, ow) {
            let at = |k: usize| (image * h + oy * stride + k / kernel) * w + ox * stride + k % kernel;
            let best = (0..kernel * kernel).map(at);
            all.extend(best.reduce(|best, e| if x[e].value() > x[best].value() { e } else { best }));
        }
        all
    }
}

fn triples(a: usize, b: usize, c: usize) -> impl Iterator<Item = (usize, usize, usize)> {
    (0..a).flat_map(move |i| (0..b).flat_map(move |j| (0..c).map(move |k| (i, j, k))))
}

/// `(x − μ) / √(σ² + ε)` of the elements, and the root.
fn normalise<S: Scalar>(elements: &[usize], x: &[S], eps: f64) -> (Vec<S>, S) {
    let (zero, share) = (S::constant(0.0), S::constant(1.0 / elements.len() as f64));
    let mean = elements.iter().fold(zero, |sum, &e| sum + x[e]) * share;
    let variance = elements.iter().fold(zero, |sum, &e| sum + (x[e] - mean) * (x[e] - mean)) * share;
    let root = (variance + S::constant(eps)).sqrt();
    (elements.iter().map(|&e| (x[e] - mean) / root).collect(), root)
}
