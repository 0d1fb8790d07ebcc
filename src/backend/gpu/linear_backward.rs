//! The cotangent of a linear layer's input (`shaders/linear_backward.wgsl`).

use super::kernel::{Binding, Declaration};
use super::layer::LayerPass;

/// The kernel.
pub const DECLARATION: Declaration = Declaration {
    shader: "linear_backward",
    bindings: &[Binding::Uniform, Binding::Read, Binding::Read, Binding::Read, Binding::Write],
    constants: &[
        ("WORKGROUP", 64.0),
        ("ROWS", 16.0),
        ("COLUMNS", 64.0),
        ("DEPTH", 16.0),
        ("LEFT_TILE", 64.0),
        ("RIGHT_TILE", 256.0),
    ],
    workgroup_bytes: (64 + 256) * 16,
};

/// Rows and columns of the product.
#[must_use]
pub fn shape(layer: &LayerPass) -> (u32, u32) {
    (layer.points, layer.inputs)
}
