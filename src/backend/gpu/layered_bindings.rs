//! What the operations of the layered pass bind, and what they are told.

use super::arena::Slice;
use super::kernel::Declaration;
use super::layer::{LayerPass, Place};
use super::layered_layout::from_task;
use super::layered_ops::{Constants, Emitter, Pass};
use super::layered_plan::{Bound, Dispatch, Role, UNIFORM_STRIDE};
use super::loss::LossPass;
use crate::meta::{Loss, RateShape};
use bytemuck::NoUninit;

impl Emitter<'_> {
    pub(super) fn loss_kind(&self) -> (&'static str, f64) {
        ("LOSS", f64::from(u8::from(self.facts.plan.loss == Loss::CrossEntropy)))
    }

    pub(super) fn loss_pass(&self, pass: Pass, weight: f32) -> LossPass {
        let plan = self.facts.plan;
        let top = self.facts.nodes[self.layers() - 1];
        let (points, outputs) = (self.points(pass), top.output.len());
        let place = Place::new(0, points * outputs);
        let row = self.rows().1;
        LossPass {
            points: points as u32,
            outputs: outputs as u32,
            relu: top.relu.into(),
            y: place,
            truth: self.given(points * plan.targets()),
            dz: place,
            y_dot: place,
            dz_dot: place,
            row: row.plus(self.facts.columns - 2),
            weight,
            ..LossPass::default()
        }
    }

    /// A place among the points: given tasks are all there, drawn ones by the tile.
    pub(super) fn given(&self, stride: usize) -> Place {
        let first = if self.facts.wanted.drawn { 0 } else { self.first };
        from_task(Place::new(0, stride), first)
    }

    pub(super) fn layer(&self, pass: Pass, l: usize) -> LayerPass {
        let (facts, plan) = (self.facts, self.facts.plan);
        let (node, points) = (&facts.nodes[l], self.points(pass));
        let (rows, below) = (self.rows().1, Place::new(0, points * node.input.len()));
        let here = Place::new(0, points * node.output.len());
        let mut layer = LayerPass {
            relu_below: (l > 0 && facts.nodes[l - 1].relu).into(),
            adapted: facts.adapted(l).into(),
            input_moves: facts.input_moves(l).into(),
            x: if l == 0 { self.given(points * node.input.len()) } else { below },
            y: here,
            dz: here,
            dx: below,
            x_dot: below,
            y_dot: here,
            dz_dot: here,
            dx_dot: below,
            stats: Place::new(0, node.stats()),
            ..node.sizes(points)
        };
        let Some((index, _)) = facts.block(l) else { return layer };
        layer.weight = self.weights(pass.step, l).1;
        layer.next = Place::new(facts.fast_offsets[index], facts.fast_words);
        layer.v = rows.plus(plan.model.block_at(index, pass.step).weight);
        if !pass.query {
            let (p, rate) = (plan.model.param_count(), plan.rate_index(pass.step, index));
            layer.rate = Place::new(p + rate, plan.per_parameter_rates().into());
            if facts.shared_rates() {
                let (parts, blocks) = (facts.rate_parts, plan.model.blocks().len());
                layer.rate_gradient =
                    Place::new((pass.step * blocks + index) * parts, plan.steps * blocks * parts);
            } else if facts.learned {
                layer.rate_gradient = rows.plus(p + rate);
            }
            let shared_by_steps = plan.rates.shape == RateShape::PerParameter;
            layer.rate_adds = (shared_by_steps && pass.step + 1 < plan.steps).into();
        }
        layer
    }

    pub(super) fn layers(&self) -> usize {
        self.facts.nodes.len()
    }

    pub(super) fn points(&self, pass: Pass) -> usize {
        if pass.query { self.facts.plan.query } else { self.facts.plan.support }
    }

    /// Index of a pass among those kept.
    pub(super) fn kept(&self, pass: Pass) -> usize {
        self.facts.pass((!pass.query).then_some(pass.step))
    }

    pub(super) fn input(&self, pass: Pass, l: usize) -> Bound {
        match l {
            0 if pass.query => Bound::Slice(Role::Points, self.slices.query_x),
            0 => Bound::Slice(Role::Points, self.slices.support_x),
            _ => self.outputs(pass, l - 1),
        }
    }

    pub(super) fn outputs(&self, pass: Pass, l: usize) -> Bound {
        Bound::Slice(Role::Outputs(l % 2), self.slices.outputs[self.kept(pass)][l])
    }

    pub(super) fn cotangent(&self, pass: Pass, l: usize) -> Bound {
        Bound::Slice(Role::Cotangents(l % 2), self.slices.cotangents[self.kept(pass)][l])
    }

    /// ẋ, or x where it does not move and is not read.
    pub(super) fn input_tangent(&self, pass: Pass, l: usize) -> Bound {
        if self.facts.second && self.facts.input_moves(l) {
            self.output_tangent(l - 1)
        } else {
            self.input(pass, l)
        }
    }

    pub(super) fn output_tangent(&self, l: usize) -> Bound {
        Bound::Slice(Role::OutputTangents(l % 2), self.slices.output_tangents[l])
    }

    pub(super) fn cotangent_tangent(&self, l: usize) -> Bound {
        Bound::Slice(Role::CotangentTangents(l % 2), self.slices.cotangent_tangents[l])
    }

    pub(super) fn fast(&self, step: usize) -> (usize, Role, Slice) {
        let (slice, turn) = self.facts.fast_slice(step);
        (slice, Role::Fast(turn), self.slices.fast[slice])
    }

    /// Where θ_{j+1} goes.
    pub(super) fn next(&self, pass: Pass) -> Bound {
        let (_, role, slice) = self.fast(pass.step + 1);
        Bound::Slice(role, slice)
    }

    /// θ_j of a layer: what the inner loop does not move stays the one θ₀ of all tasks.
    pub(super) fn weights(&self, step: usize, l: usize) -> (Bound, Place) {
        let Some((index, _)) = self.facts.block(l) else { return (Bound::Params, Place::default()) };
        if step == 0 || !self.facts.adapted(l) {
            let here = self.facts.plan.model.block_at(index, step);
            return (Bound::Params, Place::new(here.weight, 0));
        }
        let (_, role, slice) = self.fast(step);
        (Bound::Slice(role, slice), Place::new(self.facts.fast_offsets[index], self.facts.fast_words))
    }

    pub(super) fn stats(&self, pass: Pass, l: usize) -> Bound {
        Bound::Slice(Role::Stats, self.slices.stats[self.kept(pass)][l])
    }

    /// For a binding that a kernel does not touch; two of one dispatch would overlap.
    pub(super) fn nothing(&self) -> Bound {
        Bound::Slice(Role::RateSums, self.slices.rate_sums)
    }

    /// The rows of this tile.
    pub(super) fn rows(&self) -> (Bound, Place) {
        let columns = self.facts.columns;
        if self.group > 1 || !self.facts.wanted.gradient {
            (Bound::Slice(Role::Rows, self.slices.rows), Place::new(0, columns))
        } else {
            let place = from_task(Place::new(0, columns), self.first);
            (Bound::Slice(Role::Partials, self.slices.partials), place)
        }
    }

    pub(super) fn push<T: NoUninit>(
        &mut self,
        kernel: &'static Declaration,
        constants: Constants<'_>,
        shape: &T,
        bindings: &[Bound],
        workgroups: [u32; 3],
    ) {
        let bytes = bytemuck::bytes_of(shape).to_vec();
        let next = self.uniforms.len();
        let uniform = *self.known.entry(bytes).or_insert_with_key(|bytes| {
            self.uniforms.extend_from_slice(bytes);
            self.uniforms.resize(next + UNIFORM_STRIDE, 0);
            next
        });
        let mut all = vec![Bound::Uniform(uniform)];
        all.extend_from_slice(bindings);
        self.out.push(Dispatch { kernel, constants: constants.to_vec(), bindings: all, workgroups });
    }
}
