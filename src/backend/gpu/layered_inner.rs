//! Inner optimizers beyond plain gradient descent, and Reptile, as dispatches.
//!
//! The gradient of a step is left whole (`Take::Keep`) instead of becoming θ_{j+1} where it is summed. A step with its
//! moments follows; on the way back the adjoint of the step makes the direction u of the Hessian product, which then runs
//! as it does for gradient descent, with 1 for a rate.

use super::displacement::{self, Displacement};
use super::inner::{InnerPass, WORKGROUP};
use super::layer::{LayerPass, Place};
use super::layered_ops::{Emitter, Pass};
use super::layered_plan::{Bound, Role};
use super::{inner_adjoint, inner_step, inner_sum, inner_unclip};
use crate::meta::StepFactors;
use crate::model::Block;

impl Emitter<'_> {
    /// Where a step's gradient is kept.
    pub(super) fn gradient(&self, step: usize) -> Bound {
        let kept = &self.slices.gradients;
        Bound::Slice(Role::Gradients, kept[step % kept.len()])
    }

    /// The moments after a step.
    fn moments(&self, step: usize) -> Bound {
        let kept = &self.slices.moments;
        Bound::Slice(Role::Moments(step % 2), kept[step % kept.len()])
    }

    fn adjoints(&self) -> Bound {
        Bound::Slice(Role::Adjoints, self.slices.adjoints)
    }

    /// What is bound as the rates and as what they multiply, for the direction of tangents.
    pub(super) fn direction(&self) -> [Bound; 2] {
        match self.facts.plan.inner.is_plain() {
            true => [Bound::Params, self.rows().0],
            false => [self.adjoints(); 2],
        }
    }

    /// The same places for a layer.
    pub(super) fn directed(&self, layer: LayerPass, l: usize) -> LayerPass {
        match (self.facts.plan.inner.is_plain(), self.facts.block(l)) {
            (false, Some((block, _))) => {
                let [u, one] = [self.facts.fast_offsets[block], 3 * self.facts.fast_words + 1]
                    .map(|at| Place::new(at, self.facts.adjoint_words()));
                LayerPass { v: u, rate: Place { stride: 0, ..one }, ..layer }
            }
            _ => layer,
        }
    }

    /// A layer whose gradient is kept.
    pub(super) fn keeping(&self, layer: LayerPass, l: usize) -> LayerPass {
        let at = self.facts.block(l).map_or(0, |(block, _)| self.facts.fast_offsets[block]);
        LayerPass { v: Place::new(at, self.facts.fast_words), ..layer }
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

    /// The parameters of layer `l`, if it is adapted.
    fn stretch(&self, pass: Pass, l: usize, factors: &StepFactors) -> Option<InnerPass> {
        let (block, params) = self.facts.block(l).filter(|_| self.facts.adapted(l))?;
        let (all, layer) = (self.all(pass.step, factors), self.layer(pass, l));
        let at = self.facts.fast_offsets[block];
        Some(InnerPass {
            count: params.len() as u32,
            rate_adds: layer.rate_adds,
            weight: layer.weight,
            next: layer.next,
            v: layer.v,
            rate: layer.rate,
            rate_gradient: layer.rate_gradient,
            gradient: all.gradient.plus(at),
            before: all.before.plus(at),
            after: all.after.plus(at),
            adjoints: all.adjoints.plus(at),
            ..all
        })
    }

    fn across(&self, count: u32) -> [u32; 3] {
        [count.div_ceil(WORKGROUP), self.tasks as u32, 1]
    }

    /// θ_{j+1} from the gradient that was kept.
    pub(super) fn optimizer_step(&mut self, pass: Pass) {
        let factors = self.facts.plan.inner.factors(pass.step);
        let (gradient, after) = (self.gradient(pass.step), self.moments(pass.step));
        let all = self.all(pass.step, &factors);
        let one_a_task = [1, self.tasks as u32, 1];
        self.push(&inner_sum::DECLARATION, &[("ALONG", 0.0)], &all, &[gradient, after], one_a_task);
        // At the first step there are none, and nothing is read.
        let before = if pass.step == 0 { gradient } else { self.moments(pass.step - 1) };
        for l in 0..self.layers() {
            let Some(shape) = self.stretch(pass, l, &factors) else { continue };
            let bindings =
                [gradient, self.weights(pass.step, l).0, Bound::Params, before, after, self.next(pass)];
            self.push(&inner_step::DECLARATION, &[], &shape, &bindings, self.across(shape.count));
        }
    }

    /// The direction u of step `j`'s Hessian product, if there is one, and the gradients of α_j.
    pub(super) fn optimizer_back(&mut self, pass: Pass) {
        let (facts, plan) = (self.facts, self.facts.plan);
        let factors = plan.inner.factors(pass.step);
        let (gradient, after) = (self.gradient(pass.step), self.moments(pass.step));
        let by_value = plan.inner.clip_value.is_some();
        let clips = facts.second && (by_value || plan.inner.clip_norm.is_some());
        let rates = match facts.learned {
            true if plan.per_parameter_rates() => 1.0,
            true => 2.0,
            false => 0.0,
        };
        let constants = [("SECOND", f64::from(facts.second)), ("CLIPS", f64::from(clips)), ("RATES", rates)];
        for l in 0..self.layers() {
            let Some(mut shape) = self.stretch(pass, l, &factors) else { continue };
            shape.fresh = (pass.step + 1 == plan.steps).into();
            let bindings = [
                gradient,
                self.weights(pass.step, l).0,
                Bound::Params,
                after,
                self.rows().0,
                self.adjoints(),
                Bound::Slice(Role::RateSums, self.slices.rate_sums),
            ];
            self.push(&inner_adjoint::DECLARATION, &constants, &shape, &bindings, self.across(shape.count));
        }
        if clips {
            let all = self.all(pass.step, &factors);
            let (one_a_task, adjoints) = ([1, self.tasks as u32, 1], self.adjoints());
            self.push(&inner_sum::DECLARATION, &[("ALONG", 1.0)], &all, &[gradient, adjoints], one_a_task);
            let bindings = [gradient, after, adjoints];
            self.push(&inner_unclip::DECLARATION, &[], &all, &bindings, self.across(all.count));
        }
    }

    /// Zeros in v for the scales and shifts of all steps: each step's passes add to their own.
    pub(super) fn clear_norms(&mut self) {
        let model = &self.facts.plan.model;
        let norms =
            (0..model.blocks().len()).filter(|&b| model.is_norm(b)).map(|b| model.blocks()[b].range());
        let once = model.blocks().iter().map(Block::len).sum();
        let later = std::iter::once(once..model.param_count());
        for range in norms.chain(later).collect::<Vec<_>>() {
            let (rows, row) = self.rows();
            let shape = Displacement {
                count: range.len() as u32,
                v: row.plus(range.start),
                ..Displacement::default()
            };
            let bindings = [Bound::Params, Bound::Params, rows];
            self.push(&displacement::DECLARATION, &[], &shape, &bindings, self.across(shape.count));
        }
    }

    /// v = θ_0 − θ_K.
    pub(super) fn displacement(&mut self) {
        let steps = self.facts.plan.steps;
        for l in 0..self.layers() {
            let Some((_, block)) = self.facts.block(l) else { continue };
            let (bound, last_weight) = self.weights(steps, l);
            let (rows, row) = self.rows();
            let shape = Displacement {
                count: block.len() as u32,
                adapted: self.facts.adapted(l).into(),
                first_weight: Place::new(block.weight, 0),
                last_weight,
                v: row.plus(block.weight),
            };
            let bindings = [Bound::Params, bound, rows];
            self.push(&displacement::DECLARATION, &[], &shape, &bindings, self.across(shape.count));
        }
    }
}
