//! The kernels of inner optimizers and of Reptile (`shaders/inner`).

use crate::meta::StepFactors;
use crate::wgsl::Binding::{Read, Uniform, Write};
use crate::wgsl::{Declaration, Place};
use bytemuck::{Pod, Zeroable};

/// Parameters of a workgroup.
pub const WORKGROUP: u32 = 256;

/// `inner_step.wgsl`: moments after an inner step, and the weights.
pub const STEP: Declaration = Declaration {
    shader: "inner_step",
    bindings: &[Uniform, Read, Read, Read, Read, Write, Write],
    constants: &[("WORKGROUP", WORKGROUP as f64)],
    workgroup_bytes: 0,
};

/// `inner_sum.wgsl`: sums over the adapted parameters of a task, for clipping by norm.
pub const SUM: Declaration = Declaration {
    shader: "inner_sum",
    bindings: &[Uniform, Read, Write],
    constants: &[("WORKGROUP", WORKGROUP as f64), ("ALONG", 0.0)],
    workgroup_bytes: 4 * WORKGROUP,
};

/// `inner_adjoint.wgsl`: the adjoint of an inner step.
pub const ADJOINT: Declaration = Declaration {
    shader: "inner_adjoint",
    bindings: &[Uniform, Read, Read, Read, Read, Write, Write, Write],
    constants: &[("WORKGROUP", WORKGROUP as f64), ("SECOND", 1.0), ("CLIPS", 0.0), ("RATES", 0.0)],
    workgroup_bytes: 4 * WORKGROUP,
};

/// `inner_unclip.wgsl`: the adjoint of clipping.
pub const UNCLIP: Declaration = Declaration {
    shader: "inner_unclip",
    bindings: &[Uniform, Read, Read, Write],
    constants: &[("WORKGROUP", WORKGROUP as f64)],
    workgroup_bytes: 0,
};

/// `displacement.wgsl`: what takes the place of a gradient in Reptile.
pub const DISPLACEMENT: Declaration = Declaration {
    shader: "displacement",
    bindings: &[Uniform, Read, Read, Write],
    constants: &[("WORKGROUP", WORKGROUP as f64)],
    workgroup_bytes: 0,
};

/// A stretch of adapted parameters in one step; the fields are explained in the shader.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Pod, Zeroable)]
#[allow(missing_docs, reason = "the shader says it")]
pub struct InnerPass {
    pub count: u32,
    pub words: u32,
    pub fresh: u32,
    pub rate_adds: u32,
    pub weight: Place,
    pub next: Place,
    pub v: Place,
    pub rate: Place,
    pub rate_gradient: Place,
    pub gradient: Place,
    pub before: Place,
    pub after: Place,
    pub norm: Place,
    pub adjoints: Place,
    pub sums: Place,
    pub factors: Factors,
}

/// The factors of a step.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Pod, Zeroable)]
#[allow(missing_docs, reason = "the shader says it")]
pub struct Factors {
    pub a: f32,
    pub b: f32,
    pub c: f32,
    pub d: f32,
    pub p: f32,
    pub q: f32,
    pub k: f32,
    pub e: f32,
    pub decay: f32,
    pub clip_value: f32,
    pub clip_norm: f32,
    pub unused: f32,
}

impl From<StepFactors> for Factors {
    fn from(factors: StepFactors) -> Self {
        // A device may take it that nothing is infinite.
        let bound = |bound: f64| bound.min(f64::from(f32::MAX)) as f32;
        Self {
            a: factors.a as f32,
            b: factors.b as f32,
            c: factors.c as f32,
            d: factors.d as f32,
            p: factors.p as f32,
            q: factors.q as f32,
            k: factors.k as f32,
            e: factors.e as f32,
            decay: factors.decay as f32,
            clip_value: bound(factors.clip_value),
            clip_norm: bound(factors.clip_norm),
            unused: 0.0,
        }
    }
}

/// What the kernel is told; the fields are explained in the shader.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[allow(missing_docs, reason = "the shader says it")]
pub struct Displacement {
    pub count: u32,
    pub adapted: u32,
    pub first_weight: Place,
    pub last_weight: Place,
    pub v: Place,
}
