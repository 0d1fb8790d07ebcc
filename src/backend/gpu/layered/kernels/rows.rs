//! The kernels that copy and add up the rows of tasks (`shaders/shared`).

use crate::wgsl::Binding::{Read, Uniform, Write};
use crate::wgsl::{Declaration, Place};
use bytemuck::{Pod, Zeroable};

/// Floats of a workgroup.
pub const WORKGROUP: u32 = 256;

/// `copy_rows.wgsl`: a stretch of floats of every task, copied.
pub const COPY: Declaration = Declaration {
    shader: "copy_rows",
    bindings: &[Uniform, Read, Write],
    constants: &[("WORKGROUP", WORKGROUP as f64)],
    workgroup_bytes: 0,
};

/// `group_sums.wgsl`: rows of tasks added up in groups.
pub const GROUP_SUMS: Declaration = Declaration {
    shader: "group_sums",
    bindings: &[Uniform, Read, Write],
    constants: &[("WORKGROUP", WORKGROUP as f64)],
    workgroup_bytes: 0,
};

/// `rate_sums.wgsl`: gradients of rates that many parameters share.
pub const RATE_SUMS: Declaration = Declaration {
    shader: "rate_sums",
    bindings: &[Uniform, Read, Write],
    constants: &[("WORKGROUP", 64.0)],
    workgroup_bytes: 64 * 4,
};

/// What the kernel is told; the fields are explained in the shader.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[allow(missing_docs, reason = "the shader says it")]
pub struct CopyRows {
    pub count: u32,
    pub unused: u32,
    pub origin: Place,
    pub target_place: Place,
}

/// What the kernel is told; the fields are explained in the shader.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[allow(missing_docs, reason = "the shader says it")]
pub struct GroupSums {
    pub columns: u32,
    pub group: u32,
    pub first: u32,
    pub tasks: u32,
}

/// What the kernel is told; the fields are explained in the shader.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[allow(missing_docs, reason = "the shader says it")]
pub struct RateSums {
    pub parts: u32,
    pub first: u32,
    pub sums_stride: u32,
    pub row_stride: u32,
}
