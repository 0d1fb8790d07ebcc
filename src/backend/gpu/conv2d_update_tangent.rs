//! An inner step of a convolution, backwards (`shaders/conv2d_update_tangent.wgsl`).

use super::conv_product::{ConvCut, declared};
use super::kernel::{Binding, Declaration};

/// The kernel. Its product is as large as that of [`conv2d_update`](super::conv2d_update::shape).
pub const DECLARATION: Declaration = Declaration {
    shader: "conv2d_update_tangent",
    bindings: &[
        Binding::Uniform,
        Binding::Read,
        Binding::Read,
        Binding::Read,
        Binding::Read,
        Binding::Write,
        Binding::Write,
    ],
    constants: &declared::<11>(true, &[("VALUE", 0.0), ("SECOND", 1.0), ("RATES", 0.0)]),
    workgroup_bytes: ConvCut::DEFAULT.workgroup_bytes(true) + 256 * 4,
};
