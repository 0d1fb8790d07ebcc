//! The tangent of the cotangent of a convolution's input (`shaders/conv2d_backward_tangent.wgsl`).

use super::conv_product::{ConvCut, declared};
use super::kernel::{Binding, Declaration};

/// The kernel. Its product is as large as that of [`conv2d_backward`](super::conv2d_backward::shape).
pub const DECLARATION: Declaration = Declaration {
    shader: "conv2d_backward_tangent",
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
