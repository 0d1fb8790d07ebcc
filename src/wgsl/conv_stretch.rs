//! How the sum of a convolution's weight gradient, over all pixels of all points, is shared by workgroups
//! (`shaders/conv_stretch.wgsl`).

use super::conv_product::ConvCut;
use super::layer_pass::LayerPass;

/// Workgroups a task of a product whose sums are not shared.
const ENOUGH: u32 = 8;
/// Workgroups a task that sharing may make of a product.
const MOST: u32 = 32;
/// Slices in a row from which on sharing pays for the dispatch that adds up the stretches.
const MANY: u32 = 16;
/// Slices that a stretch has at least.
const LEAST: u32 = 4;

/// A cut of the product, and the stretches of its terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretches {
    /// Rows and columns.
    pub cut: ConvCut,
    /// Stretches, each a workgroup's; 1 where a sum is not shared.
    pub count: u32,
    /// Terms of each but the last.
    pub terms: u32,
}

impl Stretches {
    /// The stretches of a layer's pass over `tasks`. They follow from the cut and the shape alone.
    #[must_use]
    pub fn of(layer: &LayerPass, tasks: u32, tangents: bool) -> Self {
        let sharing = |cut| Self::with(cut, layer, tangents).count;
        let cut = ConvCut::shared(Self::shape(layer), &ConvCut::NARROW_SUMS, tasks, sharing);
        Self::with(cut, layer, tangents)
    }

    /// Rows and columns of the gradient of a group's parameters, and groups.
    fn shape(layer: &LayerPass) -> [u32; 3] {
        [layer.group_outputs, layer.inputs + layer.bias, layer.outputs / layer.group_outputs.max(1)]
    }

    /// The same with a given cut.
    #[must_use]
    pub fn with(cut: ConvCut, layer: &LayerPass, tangents: bool) -> Self {
        let [rows, columns, groups] = Self::shape(layer);
        let (tiles, depth) = (groups * cut.workgroups(rows, columns), cut.depth(tangents));
        let all = layer.points * layer.out_height * layer.out_width;
        let slices = all.div_ceil(depth);
        if tiles >= ENOUGH || slices < MANY {
            return Self { cut, count: 1, terms: all };
        }
        let each = slices.div_ceil((slices / LEAST).min(MOST / tiles));
        Self { cut, count: slices.div_ceil(each), terms: each * depth }
    }

    /// A layer whose sum is shared so.
    #[must_use]
    pub fn share(self, layer: LayerPass) -> LayerPass {
        LayerPass { stretches: self.count, stretch: self.terms, ..layer }
    }

    /// Floats that all stretches of a task leave.
    #[must_use]
    pub fn words(self, layer: &LayerPass, tangents: bool) -> usize {
        let numbers = if tangents { 2 } else { 1 };
        match self.count {
            1 => 0,
            count => (count * numbers * layer.outputs * (layer.inputs + layer.bias)) as usize,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Points, channels, rows and columns of the output, of 64 filters of 3 × 3.
    fn layer(points: u32, channels: u32, side: u32) -> LayerPass {
        LayerPass {
            points,
            inputs: 9 * channels,
            outputs: 64,
            group_outputs: 64,
            out_height: side,
            out_width: side,
            stretches: 1,
            bias: 1,
            ..LayerPass::default()
        }
    }

    #[test]
    fn long_sums_of_few_elements_are_shared() {
        // 28 × 28 images, stride 2: the four layers at 5 and at 75 points, of 32 tasks.
        // Stretches of values and of tangents with their terms.
        for (points, channels, side, cut, stretches) in [
            (5, 1, 14, (64, 16), [(13, 80), (25, 40)]),
            (75, 1, 14, (64, 16), [(32, 464); 2]),
            (5, 64, 7, (64, 64), [(1, 245); 2]),
            (75, 64, 7, (64, 64), [(1, 3675); 2]),
            (5, 64, 4, (64, 64), [(1, 80); 2]),
            (75, 64, 2, (64, 64), [(1, 300); 2]),
            (1, 1, 2, (16, 16), [(1, 4); 2]),
        ] {
            let layer = layer(points, channels, side);
            for (tangents, expected) in [false, true].into_iter().zip(stretches) {
                let Stretches { cut: chosen, count, terms } = Stretches::of(&layer, 32, tangents);
                let what = format!("{points} points of {channels} channels, {side} × {side}, {tangents}");
                assert_eq!((chosen.rows, chosen.columns), cut, "{what}");
                assert_eq!((count, terms), expected, "{what}");
            }
        }
    }

    #[test]
    fn stretches_are_the_whole_sum_and_none_is_empty() {
        for cut in ConvCut::ALL {
            for pixels in [1, 15, 16, 255, 256, 257, 511, 513, 1000, 14_700, 1_000_000] {
                for tangents in [false, true] {
                    let layer = layer(pixels, 1, 1);
                    let Stretches { count, terms, .. } = Stretches::with(cut, &layer, tangents);
                    assert!(count * terms >= pixels && (count - 1) * terms < pixels, "{cut:?} {pixels}");
                    assert!(count == 1 || terms % cut.depth(tangents) == 0, "{cut:?} {pixels}");
                    assert!(count * cut.workgroups(64, 10) <= MOST, "{cut:?} {pixels}");
                }
            }
        }
    }
}
