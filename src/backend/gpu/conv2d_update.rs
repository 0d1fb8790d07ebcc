//! The gradient of a convolution's parameters, and the inner step (`shaders/conv2d_update.wgsl`).

use super::conv_product::{ConvCut, declared};
use super::kernel::{Binding, Declaration};
use super::layer::LayerPass;

/// The kernel.
pub const DECLARATION: Declaration = Declaration {
    shader: "conv2d_update",
    bindings: &[Binding::Uniform, Binding::Read, Binding::Read, Binding::Read, Binding::Read, Binding::Write],
    constants: &declared::<10>(false, &[("STEP", 1.0), ("ADD", 0.0)]),
    workgroup_bytes: ConvCut::DEFAULT.workgroup_bytes(false),
};

/// Rows and columns of the product, and how many stretches of its terms there are.
#[must_use]
pub fn shape(layer: &LayerPass) -> [u32; 3] {
    [layer.outputs, layer.inputs + 1, layer.stretches]
}
