//! An inner step of a linear layer, backwards (`shaders/linear_update_tangent.wgsl`).

use super::kernel::{Binding, Declaration};
use super::layer::LayerPass;

/// The kernel.
pub const DECLARATION: Declaration = Declaration {
    shader: "linear_update_tangent",
    bindings: &[
        Binding::Uniform,
        Binding::Read,
        Binding::Read,
        Binding::Read,
        Binding::Read,
        Binding::Write,
        Binding::Write,
    ],
    constants: &[
        ("WORKGROUP", 64.0),
        ("ROWS", 16.0),
        ("COLUMNS", 64.0),
        ("DEPTH", 8.0),
        ("LEFT_TILE", 64.0),
        ("RIGHT_TILE", 256.0),
        ("VALUE", 0.0),
        ("SECOND", 1.0),
        ("RATES", 0.0),
    ],
    workgroup_bytes: (64 + 256) * 16 + 64 * 4,
};

/// Rows and columns of the product.
#[must_use]
pub fn shape(layer: &LayerPass) -> (u32, u32) {
    (layer.outputs, layer.inputs + 1)
}
