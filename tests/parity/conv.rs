//! What the parity tests of convolutions share: shapes, and the layer in plain loops.

use super::{Numbers, check, run};
use fastweights::backend::gpu::Device;
use fastweights::backend::gpu::kernels::rooms::conv2d::{Products, tap_period};
use fastweights::wgsl::Declaration;
use fastweights::wgsl::LayerPass;
use fastweights::wgsl::conv_product::ConvCut;

/// One convolution over the points of some tasks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Conv {
    pub(super) points: usize,
    pub(super) channels: usize,
    pub(super) height: usize,
    pub(super) width: usize,
    pub(super) outputs: usize,
    pub(super) groups: usize,
    pub(super) kernel: [usize; 2],
    pub(super) stride: usize,
    pub(super) padding: [usize; 2],
    pub(super) dilation: usize,
    pub(super) tasks: usize,
}

impl Conv {
    /// Kernels of 1, 3 and 5, strides beyond the kernel, images of one pixel, paddings that leave rows out; then groups of
    /// few channels and of many, one for each channel, dilations with and without a common factor with the stride, rows.
    pub(super) const ALL: [Self; 15] = [
        Self::new([1, 1, 1, 1, 1], [1, 1, 0], 1),
        Self::new([2, 3, 7, 5, 5], [3, 2, 1], 3),
        Self::new([1, 2, 9, 8, 17], [5, 3, 2], 2),
        Self::new([3, 35, 4, 4, 66], [3, 1, 1], 2),
        Self::new([2, 3, 7, 6, 2], [1, 3, 0], 1),
        Self::new([33, 2, 2, 2, 3], [2, 1, 0], 2),
        Self::new([2, 6, 5, 7, 9], [3, 2, 1], 2).grouped(3, 1),
        Self::new([3, 5, 6, 5, 5], [3, 1, 1], 2).grouped(5, 1),
        Self::new([2, 3, 9, 11, 6], [3, 2, 2], 3).grouped(3, 2),
        Self::new([2, 38, 5, 4, 34], [3, 1, 2], 2).grouped(2, 2),
        Self::new([1, 4, 11, 9, 2], [3, 2, 3], 1).grouped(2, 3),
        Self::new([2, 2, 8, 9, 3], [2, 3, 1], 2).grouped(1, 3),
        Self::new([1, 3, 10, 7, 2], [3, 4, 4], 2).grouped(1, 2),
        Self::new([2, 4, 3, 9, 4], [1, 1, 0], 2).grouped(4, 2).rows([1, 3], [0, 2]),
        Self::new([2, 2, 9, 3, 4], [1, 2, 0], 1).grouped(2, 1).rows([5, 1], [1, 0]),
    ];

    const fn new(
        [points, channels, height, width, outputs]: [usize; 5],
        [kernel, stride, padding]: [usize; 3],
        tasks: usize,
    ) -> Self {
        let (kernel, padding) = ([kernel; 2], [padding; 2]);
        Self {
            points,
            channels,
            height,
            width,
            outputs,
            groups: 1,
            kernel,
            stride,
            padding,
            dilation: 1,
            tasks,
        }
    }

    const fn grouped(self, groups: usize, dilation: usize) -> Self {
        Self { groups, dilation, ..self }
    }

    const fn rows(self, kernel: [usize; 2], padding: [usize; 2]) -> Self {
        Self { kernel, padding, ..self }
    }

    pub(super) fn out(&self) -> [usize; 2] {
        let side = |side: usize, i: usize| {
            let span = (self.kernel[i] - 1) * self.dilation + 1;
            (side + 2 * self.padding[i] - span) / self.stride + 1
        };
        [side(self.height, 0), side(self.width, 1)]
    }

    /// Weights of an output.
    pub(super) fn inputs(&self) -> usize {
        self.channels / self.groups * self.kernel[0] * self.kernel[1]
    }

    pub(super) fn words(&self) -> usize {
        self.outputs * (self.inputs() + 1)
    }

    pub(super) fn x(&self) -> usize {
        self.points * self.channels * self.height * self.width
    }

    pub(super) fn y(&self) -> usize {
        self.points * self.outputs * self.out()[0] * self.out()[1]
    }

    pub(super) fn layer(&self) -> LayerPass {
        LayerPass {
            points: self.points as u32,
            inputs: self.inputs() as u32,
            outputs: self.outputs as u32,
            channels: self.channels as u32,
            height: self.height as u32,
            width: self.width as u32,
            out_height: self.out()[0] as u32,
            out_width: self.out()[1] as u32,
            kernel: self.kernel[0] as u32,
            kernel_width: self.kernel[1] as u32,
            padding: self.padding[0] as u32,
            padding_width: self.padding[1] as u32,
            bias: 1,
            adapted: 3,
            stride: self.stride as u32,
            stretches: 1,
            stretch: (self.points * self.out()[0] * self.out()[1]) as u32,
            group_channels: (self.channels / self.groups) as u32,
            group_outputs: (self.outputs / self.groups) as u32,
            dilation: self.dilation as u32,
            tap_period: tap_period(self.stride as u32, self.dilation as u32),
            ..LayerPass::default()
        }
    }

    /// Calls `tap(element of y, weight, element of x)` for every product.
    pub(super) fn taps(&self, mut tap: impl FnMut(usize, usize, usize)) {
        let [oh, ow] = self.out();
        let area = self.kernel[0] * self.kernel[1];
        let (deep, wide) = (self.channels / self.groups, self.outputs / self.groups);
        for out in 0..self.y() {
            let (p, o) = (out / (self.outputs * oh * ow), out / (oh * ow) % self.outputs);
            let (oy, ox) = (out / ow % oh, out % ow);
            for weight in 0..self.inputs() {
                let c = o / wide * deep + weight / area;
                let (ky, kx) = (weight % area / self.kernel[1], weight % self.kernel[1]);
                let (y, x) = (oy * self.stride + ky * self.dilation, ox * self.stride + kx * self.dilation);
                let inside = |at: usize, padding: usize, side: usize| (padding..padding + side).contains(&at);
                if inside(y, self.padding[0], self.height) && inside(x, self.padding[1], self.width) {
                    let row = (p * self.channels + c) * self.height + y - self.padding[0];
                    tap(out, o * self.inputs() + weight, row * self.width + x - self.padding[1]);
                }
            }
        }
    }

    /// Without the bias.
    pub(super) fn forward(&self, w: &[f64], x: &[f64]) -> Vec<f64> {
        let mut y = vec![0.0; self.y()];
        self.taps(|out, weight, input| y[out] += w[weight] * x[input]);
        y
    }

    pub(super) fn backward(&self, w: &[f64], dz: &[f64]) -> Vec<f64> {
        let mut dx = vec![0.0; self.x()];
        self.taps(|out, weight, input| dx[input] += w[weight] * dz[out]);
        dx
    }

    /// Of the weights, then of the biases.
    pub(super) fn gradient(&self, dz: &[f64], x: &[f64]) -> Vec<f64> {
        let mut g = vec![0.0; self.words()];
        self.taps(|out, weight, input| g[weight] += dz[out] * x[input]);
        for (out, dz) in dz.iter().enumerate() {
            g[self.outputs * self.inputs() + self.channel_of(out)] += dz;
        }
        g
    }

    /// What is left of cotangents over each of `count` stretches of the terms, pixels of all points, and terms of each.
    pub(super) fn stretches(&self, dz: &[f64], count: usize) -> (Vec<Vec<f64>>, usize) {
        let area = self.out()[0] * self.out()[1];
        let each = (self.points * area).div_ceil(count);
        let of = |out: usize| (out / (self.outputs * area) * area + out % area) / each;
        let within = |z: usize| dz.iter().enumerate().map(move |(i, &v)| if of(i) == z { v } else { 0.0 });
        ((0..count).map(|z| within(z).collect()).collect(), each)
    }

    /// The channel of an element of y.
    pub(super) fn channel_of(&self, out: usize) -> usize {
        out / (self.out()[0] * self.out()[1]) % self.outputs
    }
}

/// Runs a kernel with the cut that its product gets, or with every cut; checks the buffer `result` after each.
#[expect(clippy::too_many_arguments, reason = "a table's row")]
pub(super) fn check_conv(
    device: &Device,
    declaration: &'static Declaration,
    constants: &[(&'static str, f64)],
    layer: &LayerPass,
    [rows, columns, groups, products]: Products,
    every_cut: bool,
    buffers: &[&Numbers],
    result: usize,
    expected: &[Vec<f64>],
) {
    let sums = declaration.shader.contains("update");
    let narrow = if sums { &ConvCut::NARROW_SUMS[..] } else { &ConvCut::NARROW };
    let mut cuts = vec![ConvCut::of(rows, columns, groups, expected.len() as u32)];
    if every_cut {
        cuts.extend(ConvCut::ALL);
        cuts.extend(narrow);
    } else if groups > 1 {
        // One of those of few rows, each shape another: any is right for any shape.
        cuts.push(narrow[(rows + columns + groups) as usize % narrow.len()]);
    }
    let tangents = declaration.constants.iter().any(|(name, _)| *name == "VALUE");
    for cut in cuts {
        let mut all = cut.constants(tangents).to_vec();
        all.extend_from_slice(constants);
        let workgroups = [cut.workgroups(rows, columns), expected.len() as u32, groups * products];
        let after = run(device, declaration, &all, layer, buffers, workgroups);
        let what = format!("{} {cut:?} {layer:?}", declaration.shader);
        check(&what, &buffers[result].all, &after[result], expected);
    }
}
