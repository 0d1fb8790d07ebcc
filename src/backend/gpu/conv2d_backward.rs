//! The cotangent of a convolution's input (`shaders/conv2d_backward.wgsl`).

use super::conv_product::{ConvCut, declared};
use super::kernel::{Binding, Declaration};
use super::layer::LayerPass;

/// The kernel.
pub const DECLARATION: Declaration = Declaration {
    shader: "conv2d_backward",
    bindings: &[Binding::Uniform, Binding::Read, Binding::Read, Binding::Read, Binding::Write],
    constants: &declared::<8>(false, &[]),
    workgroup_bytes: ConvCut::DEFAULT.workgroup_bytes(false),
};

/// Rows and columns of the largest product, and how many there are: one for each remainder of rows and columns of
/// pixels by the stride.
#[must_use]
pub fn shape(layer: &LayerPass) -> [u32; 3] {
    let pixels = layer.height.div_ceil(layer.stride) * layer.width.div_ceil(layer.stride);
    [layer.channels, layer.points * pixels, layer.stride * layer.stride]
}
