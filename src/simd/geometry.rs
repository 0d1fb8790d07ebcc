//! Where a product of a convolutional or linear layer finds its operands: offsets, worked out once a layer.
//!
//! Images are kept pixel by pixel with the channels innermost, without a border of zeros. So pixels are sorted
//! into classes that have the same taps of the kernel inside the image (the interior, edges, corners; for a
//! stride, its phases as well): within a class all pixels read the same stretches of memory relative to their
//! own place, and taps on the padding cost nothing. A linear layer is a kernel as large as its image.

use std::sync::Arc;

/// What a layer multiplies: one of its groups of channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Geometry {
    /// Height and width in, and channels of a group.
    pub(crate) input: [usize; 2],
    pub(crate) inputs: usize,
    /// Floats from one pixel of the input to the next.
    pub(crate) pitch: usize,
    /// Height and width out, and channels of a group.
    pub(crate) output: [usize; 2],
    pub(crate) outputs: usize,
    /// Floats from one pixel of the output to the next.
    pub(crate) wide: usize,
    /// Floats from one row of weights to the next, and of transposed ones.
    pub(crate) row: usize,
    pub(crate) back_row: usize,
    /// Height and width of the kernel.
    pub(crate) kernel: [usize; 2],
    pub(crate) stride: usize,
    pub(crate) padding: [usize; 2],
    /// Pixels from tap to tap.
    pub(crate) dilation: usize,
}

/// One stretch of a reduction: `len` neighbouring floats of the left operand from `a` on, relative to the
/// pixel's place, and as many rows of the right operand from `b` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) a: u32,
    pub(crate) b: u32,
    pub(crate) len: u32,
}

/// Offsets into a point's left operand and into its result (or its right operand).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pair {
    pub(crate) a: u32,
    pub(crate) c: u32,
}

/// Pixels of a result that read the same stretches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Class {
    pub(crate) pixels: Vec<Pair>,
    pub(crate) runs: Vec<Run>,
}

/// A product's geometry, worked out once.
#[derive(Clone, Debug)]
pub(crate) struct Tables {
    pub(crate) geometry: Geometry,
    pub(crate) groups: usize,
    pub(crate) forward: Arc<[Class]>,
    pub(crate) backward: Arc<[Class]>,
    pub(crate) pairs: Arc<[Vec<Pair>]>,
}

impl Tables {
    pub(crate) fn new(geometry: Geometry, groups: usize) -> Self {
        let (forward, backward) = (geometry.forward().into(), geometry.backward().into());
        Self { geometry, groups, forward, backward, pairs: geometry.weight_pairs().into() }
    }
}

/// Along one side: the taps that a set of positions has, each with its place relative to the first.
struct Side {
    taps: Vec<(usize, usize)>,
    /// Position, and the place of its first tap.
    positions: Vec<(usize, usize)>,
}

/// Sorts the positions of a side by their taps: `taps(position)` gives tap and place, places ascending.
fn sides(length: usize, taps: impl Fn(usize) -> Vec<(usize, usize)>) -> Vec<Side> {
    let mut all = Vec::<Side>::new();
    for position in 0..length {
        let mut taps = taps(position);
        let first = taps.first().map_or(0, |tap| tap.1);
        taps.iter_mut().for_each(|tap| tap.1 -= first);
        match all.iter_mut().find(|side| side.taps == taps) {
            Some(side) => side.positions.push((position, first)),
            None => all.push(Side { taps, positions: vec![(position, first)] }),
        }
    }
    all
}

impl Geometry {
    /// Classes of output pixels: what the forward product reads of the input and of the weights `[tap, input, row]`.
    pub(crate) fn forward(&self) -> Vec<Class> {
        let taps = |side: usize| {
            sides(self.output[side], |position| {
                let place =
                    |k: usize| (position * self.stride + k * self.dilation).checked_sub(self.padding[side]);
                let inside = |k| place(k).filter(|&at| at < self.input[side]).map(|at| (k, at));
                (0..self.kernel[side]).filter_map(inside).collect()
            })
        };
        let weights = [self.kernel[1] * self.inputs, self.inputs].map(|rows| rows * self.row);
        self.classes(
            [taps(0), taps(1)],
            (self.input[1], self.pitch),
            weights,
            (self.output[1], self.wide),
            self.inputs,
            self.row,
        )
    }

    /// Classes of input pixels: what the product for the input's cotangent reads of the output's cotangent and
    /// of the transposed weights `[tap, output, back_row]`.
    pub(crate) fn backward(&self) -> Vec<Class> {
        let taps = |side: usize| {
            sides(self.input[side], |position| {
                let place = |k: usize| {
                    let at = (position + self.padding[side]).checked_sub(k * self.dilation);
                    at.filter(|at| at % self.stride == 0)
                };
                let inside = |k| {
                    place(k).map(|at| at / self.stride).filter(|&at| at < self.output[side]).map(|at| (k, at))
                };
                (0..self.kernel[side]).rev().filter_map(inside).collect()
            })
        };
        let weights = [self.kernel[1] * self.outputs, self.outputs].map(|rows| rows * self.back_row);
        self.classes(
            [taps(0), taps(1)],
            (self.output[1], self.wide),
            weights,
            (self.input[1], self.pitch),
            self.outputs,
            self.back_row,
        )
    }

    /// For each tap, the pairs of an input pixel and the output pixel that it reaches.
    pub(crate) fn weight_pairs(&self) -> Vec<Vec<Pair>> {
        let tap = |tap: usize| {
            let tap = [tap / self.kernel[1], tap % self.kernel[1]];
            let inside = |side: usize| {
                let place = move |at: usize| {
                    (at * self.stride + tap[side] * self.dilation).checked_sub(self.padding[side])
                };
                (0..self.output[side])
                    .filter_map(move |at| place(at).filter(|&i| i < self.input[side]).map(|i| (i, at)))
            };
            let pairs = inside(0).flat_map(|(y, oy)| {
                inside(1).map(move |(x, ox)| Pair {
                    a: ((y * self.input[1] + x) * self.pitch) as u32,
                    c: ((oy * self.output[1] + ox) * self.wide) as u32,
                })
            });
            pairs.collect()
        };
        (0..self.kernel[0] * self.kernel[1]).map(tap).collect()
    }

    /// Classes from the sides' taps. An operand is given by its pixels a row and floats a pixel; `weights` are
    /// the floats from tap to tap along each side.
    fn classes(
        &self,
        [ys, xs]: [Vec<Side>; 2],
        (a_row, a_pixel): (usize, usize),
        weights: [usize; 2],
        (c_row, c_pixel): (usize, usize),
        len: usize,
        b_row: usize,
    ) -> Vec<Class> {
        let mut all = Vec::new();
        for y in &ys {
            for x in &xs {
                let mut runs = Vec::<Run>::new();
                for &(ky, dy) in &y.taps {
                    for &(kx, dx) in &x.taps {
                        let a = ((dy * a_row + dx) * a_pixel) as u32;
                        let b = (ky * weights[0] + kx * weights[1]) as u32;
                        match runs.last_mut() {
                            // Neighbours in both operands are one stretch.
                            Some(run) if run.a + run.len == a && run.b + run.len * b_row as u32 == b => {
                                run.len += len as u32;
                            }
                            _ => runs.push(Run { a, b, len: len as u32 }),
                        }
                    }
                }
                let place = |&(oy, iy): &(usize, usize)| {
                    x.positions.iter().map(move |&(ox, ix)| Pair {
                        a: ((iy * a_row + ix) * a_pixel) as u32,
                        c: ((oy * c_row + ox) * c_pixel) as u32,
                    })
                };
                all.push(Class { pixels: y.positions.iter().flat_map(place).collect(), runs });
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every product of output pixel and tap, as (input pixel, tap, output pixel), from the definition.
    fn products(g: &Geometry) -> Vec<[usize; 3]> {
        let mut all = Vec::new();
        for out in 0..g.output[0] * g.output[1] {
            for tap in 0..g.kernel[0] * g.kernel[1] {
                let y = out / g.output[1] * g.stride + tap / g.kernel[1] * g.dilation;
                let x = out % g.output[1] * g.stride + tap % g.kernel[1] * g.dilation;
                let inside =
                    |at: usize, side: usize| (g.padding[side]..g.padding[side] + g.input[side]).contains(&at);
                if inside(y, 0) && inside(x, 1) {
                    all.push([(y - g.padding[0]) * g.input[1] + x - g.padding[1], tap, out]);
                }
            }
        }
        all.sort_unstable();
        all
    }

    /// The products that classes stand for, as (left pixel, tap, result pixel); `rows` are those of a tap.
    fn walked(
        classes: &[Class],
        a_pixel: usize,
        c_pixel: usize,
        rows: usize,
        b_row: usize,
    ) -> Vec<[usize; 3]> {
        let mut all = Vec::new();
        for class in classes {
            for (pixel, run) in class.pixels.iter().flat_map(|p| class.runs.iter().map(move |run| (p, run))) {
                for k in (0..run.len as usize).step_by(rows) {
                    let (a, b) = ((pixel.a + run.a) as usize + k, run.b as usize / b_row + k);
                    assert_eq!((a % a_pixel, b % rows), (0, 0));
                    all.push([a / a_pixel, b / rows, pixel.c as usize / c_pixel]);
                }
            }
        }
        all.sort_unstable();
        all
    }

    #[test]
    fn classes_and_pairs_hold_every_product_once() {
        let mut count = 0;
        for (kernel, stride, padding, dilation) in [
            ([1_usize, 1_usize], 1_usize, [0_usize, 0_usize], 1_usize),
            ([3, 3], 1, [1, 1], 1),
            ([3, 3], 2, [1, 1], 1),
            ([5, 5], 3, [2, 2], 1),
            ([2, 2], 3, [1, 1], 1),
            ([4, 4], 2, [3, 3], 1),
            ([3, 2], 1, [2, 0], 2),
            ([2, 3], 2, [1, 3], 3),
        ] {
            for input in [[1_usize, 1], [7, 4], [6, 9]] {
                let side = |i: usize| {
                    let room = (input[i] + 2 * padding[i]).checked_sub((kernel[i] - 1) * dilation + 1);
                    room.map(|room| room / stride + 1)
                };
                let (Some(h), Some(w)) = (side(0), side(1)) else { continue };
                let (inputs, pitch, outputs, wide) = (4, 4, 3, 8);
                let output = [h, w];
                let g = Geometry {
                    input,
                    inputs,
                    pitch,
                    output,
                    outputs,
                    wide,
                    row: wide,
                    back_row: pitch,
                    kernel,
                    stride,
                    padding,
                    dilation,
                };
                let expected = products(&g);
                assert_eq!(walked(&g.forward(), pitch, wide, inputs, wide), expected);
                let mut back = walked(&g.backward(), wide, pitch, outputs, pitch);
                back.iter_mut().for_each(|product| product.swap(0, 2));
                back.sort_unstable();
                assert_eq!(back, expected);
                let pairs = g.weight_pairs().into_iter().enumerate();
                let pairs = pairs.flat_map(|(tap, pairs)| pairs.into_iter().map(move |pair| (tap, pair)));
                let mut pairs: Vec<_> =
                    pairs.map(|(tap, p)| [p.a as usize / pitch, tap, p.c as usize / wide]).collect();
                pairs.sort_unstable();
                assert_eq!(pairs, expected);
                count += 1;
            }
        }
        assert!(count > 12);
    }
}
