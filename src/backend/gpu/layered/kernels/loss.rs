//! The kernels of losses (`shaders/loss`).

use crate::wgsl::Binding::{Read, Uniform, Write};
use crate::wgsl::{Declaration, Place};
use bytemuck::{Pod, Zeroable};

/// `loss.wgsl`: the loss of a set of points and its gradient.
pub const LOSS: Declaration = Declaration {
    shader: "loss",
    bindings: &[Uniform, Read, Read, Write, Write, Write, Read],
    constants: &[("WORKGROUP", 64.0), ("LOSS", 0.0), ("SETTING", 0.0), ("WEIGHTED", 0.0)],
    workgroup_bytes: 64 * 4,
};

/// `loss_tangent.wgsl`: the tangent of the cotangents.
pub const TANGENT: Declaration = Declaration {
    shader: "loss_tangent",
    bindings: &[Uniform, Read, Read, Read, Write, Read],
    constants: &[("WORKGROUP", 64.0), ("LOSS", 0.0), ("SETTING", 0.0), ("WEIGHTED", 0.0)],
    workgroup_bytes: 0,
};

/// Bits of [`LossPass::target_rows`]; the shader says what they do.
pub const ROW_SETS_QUERY: u32 = 1;
/// See [`ROW_SETS_QUERY`].
pub const ROW_ADDS_QUERY: u32 = 2;
/// See [`ROW_SETS_QUERY`].
pub const ROW_SETS_SUPPORT: u32 = 4;
/// See [`ROW_SETS_QUERY`].
pub const ROW_CLEARS_SUPPORT: u32 = 8;
/// See [`ROW_SETS_QUERY`].
pub const REPORTS: u32 = 16;
/// See [`ROW_SETS_QUERY`].
pub const ADDS: u32 = 32;

/// The loss of one set of points of every task; the fields are explained in the shader.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Pod, Zeroable)]
#[allow(missing_docs, reason = "the shader says it")]
pub struct LossPass {
    pub points: u32,
    pub outputs: u32,
    pub relu: u32,
    pub wants_gradient: u32,
    pub y: Place,
    pub truth: Place,
    pub dz: Place,
    pub y_dot: Place,
    pub dz_dot: Place,
    pub report: Place,
    pub row: Place,
    pub weight: f32,
    pub target_rows: u32,
    pub part: f32,
    pub unused: u32,
    pub shares: Place,
}
