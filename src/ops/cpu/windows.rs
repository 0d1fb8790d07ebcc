//! Windows of images as the CPU goes over them.

use super::{Layout, Site};
use crate::ops::window::Window;

/// The windows of `images` images: the input's layout and the output's.
#[derive(Clone, Copy)]
pub(crate) struct Windows {
    pub(crate) window: Window,
    pub(crate) from: Layout,
    pub(crate) to: Layout,
    pub(crate) images: usize,
}

impl Windows {
    pub(crate) fn new(window: Window, site: &Site<'_>) -> Self {
        Self { window, from: site.node.inputs[0], to: site.node.output, images: site.rows() }
    }

    /// How many there are.
    #[inline(always)]
    pub(crate) fn count(&self) -> usize {
        self.images * self.to.pixels()
    }

    /// The first float of a window's first pixel in the input, and that of its result.
    #[inline(always)]
    pub(crate) fn place(&self, index: usize) -> (usize, usize) {
        let (image, out) = (index / self.to.pixels(), index % self.to.pixels());
        let (oy, ox) = (out / self.to.sides[1], out % self.to.sides[1]);
        let corner = oy * self.window.stride[0] * self.from.sides[1] + ox * self.window.stride[1];
        (image * self.from.len() + corner * self.from.pitch, index * self.to.pitch)
    }

    /// Floats from the first pixel of a window to that in a row and column of it.
    #[inline(always)]
    pub(crate) fn tap(&self, row: usize, column: usize) -> usize {
        (row * self.from.sides[1] + column) * self.from.pitch
    }

    /// Whether no pixel lies in two windows.
    pub(crate) fn apart(&self) -> bool {
        (0..2).all(|i| self.window.stride[i] >= self.window.kernel[i])
    }

    /// Zeroes what windows will be added to, or what none covers.
    ///
    /// # Safety
    /// `x` must be the input.
    pub(crate) unsafe fn clear(&self, x: *mut f32) {
        let whole = (0..2).all(|i| {
            self.window.stride[i] == self.window.kernel[i]
                && self.to.sides[i] * self.window.stride[i] == self.from.sides[i]
        });
        if !whole {
            // SAFETY: promised by the caller.
            unsafe { std::ptr::write_bytes(x, 0, self.images * self.from.len()) };
        }
    }
}
