//! Max-pool backward and the tangent of that (`shaders/max_pool_backward.wgsl`).

use super::kernel::{Binding, Declaration};
use super::layer::LayerPass;

/// Elements of a workgroup.
const WORKGROUP: u32 = 256;

/// The kernel.
pub const DECLARATION: Declaration = Declaration {
    shader: "max_pool_backward",
    bindings: &[Binding::Uniform, Binding::Read, Binding::Read, Binding::Write],
    constants: &[("WORKGROUP", WORKGROUP as f64)],
    workgroup_bytes: 0,
};

/// Workgroups a task.
#[must_use]
pub fn workgroups(layer: &LayerPass) -> u32 {
    (layer.points * layer.channels * layer.height * layer.width).div_ceil(WORKGROUP)
}
