//! A plan compiled for vectors of some length, and its meta-parameters in the order that kernels want.

use super::program::{Op, Program};
use crate::meta::{Plan, RateShape};

/// See the module.
pub(super) struct Compiled {
    pub(super) plan: Plan,
    pub(super) program: Program,
    /// First operation whose block is adapted; past the last if none is.
    pub(super) lowest_adapted: usize,
}

impl Compiled {
    pub(super) fn new(plan: &Plan, lanes: usize) -> Self {
        let program = Program::new(&plan.model, lanes);
        let adapted = |op: &Op| op.block().is_some_and(|block| plan.adapts(block));
        let lowest_adapted = program.ops.iter().position(adapted).unwrap_or(program.ops.len());
        Self { plan: plan.clone(), program, lowest_adapted }
    }

    /// Whether every rate belongs to one parameter, and lies where the parameter does.
    fn rows(&self) -> usize {
        match self.plan.rates.shape {
            RateShape::One | RateShape::PerLayerStep => 0,
            RateShape::PerParameter => 1,
            RateShape::PerParameterStep => self.plan.steps,
        }
    }

    /// Floats of the rates in packed order.
    pub(super) fn rate_len(&self) -> usize {
        if self.plan.per_parameter_rates() { self.rows() * self.program.len } else { self.plan.rate_count() }
    }

    /// Floats of the meta-parameters in packed order.
    pub(super) fn meta_len(&self) -> usize {
        self.program.len + if self.plan.rates.learned { self.rate_len() } else { 0 }
    }

    /// Index, in packed order, of the rate of step `j` and a block, or of its first parameter.
    pub(super) fn rate_index(&self, j: usize, block: usize) -> usize {
        let weight = self.program.blocks[block].weight;
        match self.plan.rates.shape {
            RateShape::One => 0,
            RateShape::PerLayerStep => j * self.program.blocks.len() + block,
            RateShape::PerParameter => weight,
            RateShape::PerParameterStep => j * self.program.len + weight,
        }
    }

    /// The plan's fixed rates in packed order.
    pub(super) fn fixed_rates(&self) -> Vec<f32> {
        let rates: Vec<f32> = self.plan.rates.values.iter().map(|&r| r as f32).collect();
        self.pack_rates(&rates)
    }

    fn pack_rates(&self, rates: &[f32]) -> Vec<f32> {
        let p = self.plan.model.param_count();
        if !self.plan.per_parameter_rates() {
            return rates.to_vec();
        }
        let mut packed = vec![0.0; self.rate_len()];
        for (to, from) in packed.chunks_exact_mut(self.program.len).zip(rates.chunks_exact(p)) {
            self.program.pack(from, to);
        }
        packed
    }

    /// Meta-parameters `[P + R]` in packed order.
    pub(super) fn pack(&self, params: &[f32]) -> Vec<f32> {
        let (theta, rates) = params.split_at(self.plan.model.param_count());
        let mut packed = vec![0.0; self.program.len];
        self.program.pack(theta, &mut packed);
        if self.plan.rates.learned {
            packed.extend(self.pack_rates(rates));
        }
        packed
    }

    /// Packed meta-parameters in the order `[P + R]`.
    pub(super) fn unpack(&self, packed: &[f32]) -> Vec<f32> {
        let (theta, rates) = packed.split_at(self.program.len);
        let p = self.plan.model.param_count();
        let mut params = vec![0.0; self.plan.meta_len()];
        let (to, to_rates) = params.split_at_mut(p);
        self.program.unpack(theta, to);
        if self.plan.per_parameter_rates() {
            for (to, from) in to_rates.chunks_exact_mut(p).zip(rates.chunks_exact(self.program.len)) {
                self.program.unpack(from, to);
            }
        } else {
            to_rates.copy_from_slice(rates);
        }
        params
    }
}
