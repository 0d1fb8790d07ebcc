//! The outer update of a meta-gradient whose norm is clipped (`shaders/clipped_update.wgsl`).

use super::reduce::MOST_GROUPS;
use crate::wgsl::{Binding, Declaration};

/// Elements that one workgroup takes.
const WORKGROUP: u32 = 256;

/// Workgroups for so many meta-parameters.
pub(crate) fn workgroups(meta: u32) -> u32 {
    meta.div_ceil(WORKGROUP).min(MOST_GROUPS)
}

/// The kernel.
pub(crate) const DECLARATION: Declaration = Declaration {
    shader: "clipped_update",
    bindings: &[
        Binding::Uniform,
        Binding::DynamicUniform,
        Binding::Write,
        Binding::Write,
        Binding::Read,
        Binding::Write,
    ],
    constants: &[("WORKGROUP", 256.0)],
    workgroup_bytes: 256 * 4,
};
