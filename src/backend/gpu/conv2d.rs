//! A convolution forward (`shaders/conv2d.wgsl`).

use super::conv_product::{ConvCut, declared};
use super::kernel::{Binding, Declaration};
use super::layer::LayerPass;

/// The kernel.
pub const DECLARATION: Declaration = Declaration {
    shader: "conv2d",
    bindings: &[Binding::Uniform, Binding::Read, Binding::Read, Binding::Write],
    constants: &declared::<8>(false, &[]),
    workgroup_bytes: ConvCut::DEFAULT.workgroup_bytes(false),
};

/// Rows and columns of the product, and how many products there are.
#[must_use]
pub fn shape(layer: &LayerPass) -> [u32; 3] {
    [layer.outputs, layer.points * layer.out_height * layer.out_width, 1]
}
