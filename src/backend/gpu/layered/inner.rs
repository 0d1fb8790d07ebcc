//! Inner optimizers beyond plain gradient descent, and Reptile, as dispatches.
//!
//! The gradient of a step is left whole instead of becoming θ_{j+1} where it is summed. A step with its moments follows; on
//! the way back the adjoint of the step makes the direction u of the Hessian product, which then runs as it does for
//! gradient descent, with 1 for a rate.

use super::emit::Emitter;
use super::kernels::inner::{self, Displacement, InnerPass, WORKGROUP};
use super::layout::Role;
use crate::meta::{RateShape, StepFactors};
use crate::program::Set;
use crate::wgsl::lower::{Bound, Call, Operand};
use crate::wgsl::{Declaration, Place};
use std::ops::Range;

/// Parameters side by side in a block that share a dispatch.
struct Stretch {
    node: usize,
    /// From the block's first parameter.
    range: Range<usize>,
    moves: bool,
}

impl Emitter<'_> {
    /// Where a step's gradient is kept, if it is.
    pub(super) fn gradient(&self, step: usize) -> Option<Bound> {
        let kept = &self.slices.gradients;
        let slice = kept.get(step % kept.len().max(1))?;
        Some(Bound::Slice(Role::Gradients.index(), *slice))
    }

    /// The moments after a step.
    fn moments(&self, step: usize) -> Bound {
        let kept = &self.slices.moments;
        Bound::Slice(Role::Moments(step % 2).index(), kept[step % kept.len()])
    }

    fn adjoints(&self) -> Bound {
        Bound::Slice(Role::Adjoints.index(), self.slices.adjoints)
    }

    /// What u is a product of, for the block at `at`, with rates and `v`: those themselves; where `v` changes while u is
    /// needed, a copy of it; of kept gradients, the number 1 and u.
    pub(super) fn direction_of(&self, at: usize, rates: Operand, v: Operand) -> [Operand; 2] {
        let (bound, words) = (self.adjoints(), self.facts.adjoint_words());
        let copied = Operand { bound, place: Place::new(at, words) };
        if self.facts.program.keeps_gradients {
            let one = Place { stride: 0, ..Place::new(3 * self.facts.fast_words + 1, words) };
            return [Operand { bound, place: one }, copied];
        }
        [rates, if self.facts.copies { copied } else { v }]
    }

    /// All adapted parameters of a task.
    fn all(&self, step: usize, factors: &StepFactors) -> InnerPass {
        let (facts, words) = (self.facts, self.facts.fast_words);
        let moments = Place::new(0, facts.moment_words());
        let adjoints = Place::new(0, facts.adjoint_words());
        InnerPass {
            count: words as u32,
            words: words as u32,
            fresh: (step == 0).into(),
            gradient: Place::new(0, words),
            before: moments,
            after: moments,
            norm: moments.plus(2 * words),
            adjoints,
            sums: adjoints.plus(3 * words),
            factors: (*factors).into(),
            ..InnerPass::default()
        }
    }

    /// The parameters of blocks that are adapted: whole blocks, or where a block is adapted in part its tensors.
    fn stretches(&self) -> Vec<Stretch> {
        let (plan, model) = (self.facts.plan, &self.facts.plan.model);
        let mut all = Vec::new();
        for node in (0..model.nodes().len()).filter(|&node| self.facts.adapted(node)) {
            let Some((_, block)) = self.facts.block(node) else { continue };
            let params = model.nodes()[node].params.clone();
            if params.clone().all(|param| plan.adapted[param]) {
                all.push(Stretch { node, range: 0..block.len(), moves: true });
                continue;
            }
            for param in params {
                let range = model.params()[param].range();
                let range = range.start - block.weight..range.end - block.weight;
                all.push(Stretch { node, range, moves: plan.adapted[param] });
            }
        }
        all
    }

    /// A stretch in a step.
    fn pass(&self, stretch: &Stretch, step: usize, factors: &StepFactors) -> InnerPass {
        let (facts, all) = (self.facts, self.all(step, factors));
        let params = self.params(stretch.node, step, Set::Support);
        let start = stretch.range.start;
        let at = facts.block(stretch.node).map_or(0, |(block, _)| facts.fast_offsets[block]) + start;
        // A rate of each parameter has a gradient for each, a shared one a part for each workgroup.
        let rate = if facts.plan.per_parameter_rates() { start } else { 0 };
        let parts = if facts.shared_rates() { start.div_ceil(WORKGROUP as usize) } else { start };
        InnerPass {
            count: stretch.range.len() as u32,
            rate_adds: params.rate_adds.into(),
            weight: params.theta.place.plus(start),
            next: params.next.place.plus(start),
            v: params.v.place.plus(start),
            rate: params.rate.plus(rate),
            rate_gradient: params.rate_gradient.plus(parts),
            gradient: all.gradient.plus(at),
            before: all.before.plus(at),
            after: all.after.plus(at),
            adjoints: all.adjoints.plus(at),
            ..all
        }
    }

    fn run(
        &mut self,
        kernel: &'static Declaration,
        constants: &[(&'static str, f64)],
        shape: &InnerPass,
        bindings: &[Bound],
        across: u32,
    ) {
        let workgroups = [across, self.tasks as u32, 1];
        self.push([Call::new(kernel, constants, shape, bindings, workgroups)]);
    }

    /// θ_{j+1} from the gradient that was kept.
    pub(super) fn optimizer_step(&mut self, step: usize) {
        let factors = self.facts.plan.inner.factors(step);
        let (Some(gradient), after) = (self.gradient(step), self.moments(step)) else { return };
        let all = self.all(step, &factors);
        self.run(&inner::SUM, &[("ALONG", 0.0)], &all, &[gradient, after], 1);
        // At the first step there are none, and nothing is read.
        let before = if step == 0 { gradient } else { self.moments(step - 1) };
        for stretch in self.stretches() {
            let params = self.params(stretch.node, step, Set::Support);
            let (theta, next) = (params.theta, params.next);
            if stretch.moves {
                let shape = self.pass(&stretch, step, &factors);
                let bindings = [gradient, theta.bound, Bound::Params, before, after, next.bound];
                self.run(&inner::STEP, &[], &shape, &bindings, shape.count.div_ceil(WORKGROUP));
            } else {
                let on =
                    |operand: Operand| Operand { place: operand.place.plus(stretch.range.start), ..operand };
                self.copy(on(theta), on(next), stretch.range.len());
            }
        }
    }

    /// The gradients of α_j: with the direction of the step, where there is one.
    pub(super) fn rate_gradient(&mut self, step: usize) {
        self.rates_wait = self.facts.program.second;
        if !self.facts.program.second {
            self.optimizer_back(step, false, true);
        }
    }

    /// The direction u of a step; kernels make that of gradient descent where they need it.
    pub(super) fn direction(&mut self, step: usize, copy: bool) {
        if self.facts.program.keeps_gradients {
            let rates = std::mem::take(&mut self.rates_wait);
            self.optimizer_back(step, true, rates);
        } else if copy {
            for node in (0..self.facts.plan.model.nodes().len()).filter(|&node| self.facts.adapted(node)) {
                let Some((_, block)) = self.facts.block(node) else { continue };
                let params = self.params(node, step, Set::Support);
                self.copy(params.v, params.direction[1], block.len());
            }
        }
    }

    /// With `second` the direction u of step `j`'s Hessian product, and with `rates` the gradients of α_j.
    fn optimizer_back(&mut self, step: usize, second: bool, rates: bool) {
        let plan = self.facts.plan;
        let factors = plan.inner.factors(step);
        let (Some(gradient), after) = (self.gradient(step), self.moments(step)) else { return };
        let clips = second && (plan.inner.clip_value.is_some() || plan.inner.clip_norm.is_some());
        let flag = |on: bool| f64::from(u8::from(on));
        let rates = self.rates(rates).code();
        let constants = [("SECOND", flag(second)), ("CLIPS", flag(clips)), ("RATES", rates)];
        for stretch in self.stretches() {
            let params = self.params(stretch.node, step, Set::Support);
            let mut shape = self.pass(&stretch, step, &factors);
            if !stretch.moves {
                // Sums go over all; there is no direction here.
                let shape = Displacement { count: shape.count, v: shape.adjoints, ..Displacement::default() };
                self.displace(&shape, Bound::Params, self.adjoints());
                continue;
            }
            shape.fresh = (step + 1 == plan.steps).into();
            let bindings = [
                gradient,
                params.theta.bound,
                Bound::Params,
                after,
                params.v.bound,
                self.adjoints(),
                params.rate_sums,
            ];
            self.run(&inner::ADJOINT, &constants, &shape, &bindings, shape.count.div_ceil(WORKGROUP));
        }
        if clips {
            let all = self.all(step, &factors);
            self.run(&inner::SUM, &[("ALONG", 1.0)], &all, &[gradient, self.adjoints()], 1);
            let bindings = [gradient, after, self.adjoints()];
            self.run(&inner::UNCLIP, &[], &all, &bindings, all.count.div_ceil(WORKGROUP));
        }
    }

    fn displace(&mut self, shape: &Displacement, last: Bound, to: Bound) {
        let workgroups = [shape.count.div_ceil(WORKGROUP), self.tasks as u32, 1];
        self.push([Call::new(&inner::DISPLACEMENT, &[], shape, &[Bound::Params, last, to], workgroups)]);
    }

    /// Zeros in a part of the rows.
    pub(super) fn clear(&mut self, range: Range<usize>) {
        let rows = self.rows();
        let v = rows.place.plus(range.start);
        let shape = Displacement { count: range.len() as u32, v, ..Displacement::default() };
        self.displace(&shape, Bound::Params, rows.bound);
    }

    /// Zeros for the gradients of rates of single parameters that the inner loop does not move.
    pub(super) fn clear_rates(&mut self) {
        let plan = self.facts.plan;
        if !self.facts.program.learned || !plan.per_parameter_rates() {
            return;
        }
        let p = plan.model.param_count();
        let mut still = Vec::<Range<usize>>::new();
        for (param, &adapted) in plan.model.params().iter().zip(&plan.adapted) {
            match still.last_mut() {
                _ if adapted && plan.steps > 0 => {}
                Some(last) if last.end == param.range().start => last.end = param.range().end,
                Some(_) | None => still.push(param.range()),
            }
        }
        let steps = if plan.rates.shape == RateShape::PerParameterStep { plan.steps } else { 1 };
        for step in 0..steps {
            for range in &still {
                self.clear((step + 1) * p + range.start..(step + 1) * p + range.end);
            }
        }
    }

    /// v = θ_0 − θ_K.
    pub(super) fn displacement(&mut self) {
        let (steps, p) = (self.facts.plan.steps, self.facts.plan.model.param_count());
        let mut set = 0;
        for node in 0..self.facts.plan.model.nodes().len() {
            let Some((_, block)) = self.facts.block(node) else { continue };
            let (last, rows) = (self.weights(steps, node), self.rows());
            let shape = Displacement {
                count: block.len() as u32,
                adapted: self.facts.adapted(node).into(),
                first_weight: Place::new(block.weight, 0),
                last_weight: last.place,
                v: rows.place.plus(block.weight),
            };
            self.displace(&shape, last.bound, rows.bound);
            set += block.len();
        }
        if set < p {
            // Scales and shifts of later steps.
            self.clear(set..p);
        }
    }
}
