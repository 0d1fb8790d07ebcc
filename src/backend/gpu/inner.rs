//! What the kernels of inner optimizers are told (`shaders/inner_rule.wgsl`).

use super::layer::Place;
use crate::meta::StepFactors;
use bytemuck::{Pod, Zeroable};

/// Parameters of a workgroup.
pub const WORKGROUP: u32 = 256;

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
