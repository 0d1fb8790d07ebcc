//! The tangent of a convolution (`shaders/conv2d_tangent.wgsl`).

use super::conv_product::{ConvCut, declared};
use super::kernel::{Binding, Declaration};

/// The kernel. Its product is as large as that of [`conv2d`](super::conv2d::shape).
pub const DECLARATION: Declaration = Declaration {
    shader: "conv2d_tangent",
    bindings: &[
        Binding::Uniform,
        Binding::Read,
        Binding::Read,
        Binding::Read,
        Binding::Read,
        Binding::Read,
        Binding::Read,
        Binding::Write,
    ],
    constants: &declared::<9>(true, &[("VALUE", 0.0)]),
    workgroup_bytes: ConvCut::DEFAULT.workgroup_bytes(true),
};
