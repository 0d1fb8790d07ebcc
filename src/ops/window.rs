//! Windows of images: what pools have in common.

use super::named::{read_sides, write_sides};
use super::{Shape, Site, scalar::Scalar};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The windows of a pool: all that lie within the image, from its first corner on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// Rows and columns, pixels.
    #[serde(serialize_with = "write_sides", deserialize_with = "read_sides")]
    pub kernel: [usize; 2],
    /// Pixels from one window to the next, down and to the right (default: its rows and columns).
    #[serde(default, serialize_with = "write_sides", deserialize_with = "read_sides")]
    pub stride: [usize; 2],
}

impl Window {
    /// A square one; with a step of 0, windows side by side.
    #[must_use]
    pub const fn square(kernel: usize, stride: usize) -> Self {
        Self { kernel: [kernel; 2], stride: [stride; 2] }
    }

    /// The window that is the whole image.
    pub(super) fn whole(image: [usize; 2]) -> Self {
        Self { kernel: image, stride: image }
    }

    /// The same with its default spelled out.
    pub(super) fn resolved(self) -> Self {
        if self.stride == [0; 2] { Self { stride: self.kernel, ..self } } else { self }
    }

    /// The shape of a row that comes out where rows of `input` go in, or why nothing can.
    pub(super) fn output(self, input: Shape) -> Result<Shape, String> {
        let Shape::Image { channels, height, width } = input else {
            return Err("it takes an image, not a vector".to_owned());
        };
        if self.kernel.contains(&0) || self.stride.contains(&0) {
            return Err("kernel and stride must be at least 1".to_owned());
        }
        let side = |i: usize, length: usize| match length.checked_sub(self.kernel[i]) {
            Some(room) => Ok(room / self.stride[i] + 1),
            None => Err(format!("a kernel of {} does not fit {length} pixels", self.kernel[i])),
        };
        Ok(Shape::Image { channels, height: side(0, height)?, width: side(1, width)? })
    }

    /// Pixels of a window.
    pub(crate) fn pixels(self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    /// For each element of the output, the elements of the input in its window.
    fn elements<'a>(self, site: &'a Site<'_>) -> impl Iterator<Item = impl Iterator<Item = usize> + 'a> + 'a {
        let ([h, w], [oh, ow]) = (site.inputs[0].sides(), site.output.sides());
        (0..site.count() * site.output.len()).map(move |at| {
            let (ox, oy, image) = (at % ow, at / ow % oh, at / ow / oh);
            let corner = (image * h + oy * self.stride[0]) * w + ox * self.stride[1];
            (0..self.pixels()).map(move |k| corner + k / self.kernel[1] * w + k % self.kernel[1])
        })
    }

    /// For each element of the output, the element of the input that is the largest; the first of equal ones.
    pub(super) fn winners<S: Scalar>(self, site: &Site<'_>, x: &[S]) -> Vec<usize> {
        let larger = |best: usize, e: usize| if x[e].value() > x[best].value() { e } else { best };
        self.elements(site).filter_map(|window| window.reduce(larger)).collect()
    }

    /// The mean of each window.
    pub(super) fn means<S: Scalar>(self, site: &Site<'_>, x: &[S]) -> Vec<S> {
        let share = S::constant(1.0 / self.pixels() as f64);
        let mean = |window: &mut dyn Iterator<Item = usize>| {
            window.fold(S::constant(0.0), |sum, e| sum + x[e]) * share
        };
        self.elements(site).map(|mut window| mean(&mut window)).collect()
    }

    /// The cotangent of the input from that of the means.
    pub(super) fn spread<S: Scalar>(self, site: &Site<'_>, dy: &[S]) -> Vec<S> {
        let share = S::constant(1.0 / self.pixels() as f64);
        let mut dx = vec![S::constant(0.0); site.input_count(0) * site.inputs[0].len()];
        for (window, &dy) in self.elements(site).zip(dy) {
            window.for_each(|e| dx[e] = dx[e] + dy * share);
        }
        dx
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ([rows, columns], [down, right]) = (self.kernel, self.stride);
        write!(f, "{rows}×{columns}, stride {down}")?;
        if down == right { Ok(()) } else { write!(f, "×{right}") }
    }
}
