//! The dispatches of a tile of tasks, in order: the inner loop written as operations of layers.
//!
//! What the operations of a kind of layer are is said in `layered_products.rs`, `layered_norm.rs` and `layered_pool.rs`:
//! forward, backward with the update, and the tangents of both.

use super::copy_rows::{self, CopyRows};
use super::group_sums::{self, GroupSums};
use super::layer::Place;
use super::layered_layout::{Facts, Slices, from_task};
use super::layered_plan::{Bound, Dispatch, Role};
use super::pass::Places;
use super::rate_sums::{self, RateSums};
use super::{loss, loss_tangent};
use crate::meta::MetaGradient;
use crate::model::Layer;
use std::collections::HashMap;

/// A forward (and backward) pass at θ_j.
#[derive(Clone, Copy)]
pub(super) struct Pass {
    pub(super) step: usize,
    pub(super) query: bool,
}

/// What becomes of the gradient of a layer's parameters.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Take {
    /// Nothing.
    Nothing,
    /// θ_{j+1}.
    Step,
    /// It is kept whole.
    Keep,
    /// v, for the first time or added to.
    Outer {
        /// Whether v holds something yet.
        adds: bool,
    },
}

/// What the way back wants of a layer.
#[derive(Clone, Copy)]
pub(super) struct Back {
    /// The tangents, and v_j.
    pub(super) second: bool,
    /// The tangent of the input's cotangent.
    pub(super) below: bool,
    /// Gradients of rates: 0 of none, 1 of one a parameter, 2 of one for the layer.
    pub(super) rates: f64,
}

/// Constants of a kernel beyond the cut of its product.
pub(super) type Constants<'a> = &'a [(&'static str, f64)];

/// Writes down dispatches.
pub(super) struct Emitter<'a> {
    pub(super) facts: &'a Facts<'a>,
    pub(super) slices: &'a Slices,
    pub(super) report: Places,
    pub(super) group: usize,
    pub(super) uniforms: Vec<u8>,
    pub(super) known: HashMap<Vec<u8>, usize>,
    pub(super) out: Vec<Dispatch>,
    pub(super) first: usize,
    pub(super) tasks: usize,
    /// Whether v and the row's query loss hold something of this tile yet.
    pub(super) started: bool,
}

impl<'a> Emitter<'a> {
    pub(super) fn new(facts: &'a Facts<'a>, slices: &'a Slices, report: Places, group: usize) -> Self {
        Self {
            facts,
            slices,
            report,
            group,
            uniforms: Vec::new(),
            known: HashMap::new(),
            out: Vec::new(),
            first: 0,
            tasks: 0,
            started: false,
        }
    }

    /// Every uniform, [`UNIFORM_STRIDE`] bytes each.
    pub(super) fn uniforms(self) -> Vec<u8> {
        self.uniforms
    }

    /// The dispatches of the tasks from `first` on.
    pub(super) fn tile(&mut self, first: usize, tasks: usize) -> Vec<Dispatch> {
        (self.first, self.tasks, self.started) = (first, tasks, false);
        let (facts, steps) = (self.facts, self.facts.plan.steps);
        if facts.wanted.gradient && facts.plan.model.norm_sets() > 1 {
            self.clear_norms();
        }
        for step in 0..steps {
            if !facts.kept() {
                self.query(step);
            }
            self.inner_step(step);
        }
        if facts.kept() {
            for step in (0..=steps).rev() {
                if step < steps {
                    self.step_back(step);
                }
                self.query(step);
            }
            if facts.shared_rates() {
                self.sum_rates();
            }
        } else {
            self.query(steps);
            if facts.wanted.gradient && facts.plan.order == MetaGradient::Displacement {
                self.displacement();
            }
        }
        self.copy_fast();
        if facts.wanted.gradient && self.group > 1 {
            let (begin, end) = (first / self.group, (first + tasks).div_ceil(self.group));
            let shape = GroupSums {
                columns: facts.columns as u32,
                group: self.group as u32,
                first: first as u32,
                tasks: tasks as u32,
            };
            let bindings = [self.rows().0, Bound::Slice(Role::Partials, self.slices.partials)];
            let across = (facts.columns as u32).div_ceil(group_sums::WORKGROUP);
            let workgroups = [across, (end - begin) as u32, 1];
            self.push(&group_sums::DECLARATION, &[], &shape, &bindings, workgroups);
        }
        std::mem::take(&mut self.out)
    }

    /// θ_{j+1} = θ_j − α_j ⊙ ∇L_s(θ_j).
    fn inner_step(&mut self, step: usize) {
        let pass = Pass { step, query: false };
        let wants_gradient = self.facts.first_adapted.is_some();
        self.forward(pass);
        let row = if step == 0 && self.facts.wanted.gradient { loss::ROW_SETS_SUPPORT } else { 0 };
        self.loss(pass, 1.0, wants_gradient, row);
        let Some(lowest) = self.facts.first_adapted else { return };
        for l in (lowest..self.layers()).rev() {
            let step = if self.facts.plan.inner.is_plain() { Take::Step } else { Take::Keep };
            let take = if self.facts.adapted(l) { step } else { Take::Nothing };
            self.backward(pass, l, take, l > lowest);
        }
        if !self.facts.plan.inner.is_plain() {
            self.optimizer_step(pass);
        }
    }

    /// The query points at θ_j: their loss, and v += w_j ∇L_q(θ_j) where it is wanted.
    fn query(&mut self, step: usize) {
        let (plan, wanted) = (self.facts.plan, self.facts.wanted);
        let weight = plan.loss_weights[step];
        // With all weights zero v is zero, not unwritten: the last pass always counts.
        let gradient = wanted.gradient && (weight != 0.0 || step == plan.steps);
        let only_evaluates = !wanted.gradient;
        if !(gradient || only_evaluates || (plan.track_all && wanted.losses)) {
            return;
        }
        let pass = Pass { step, query: true };
        self.forward(pass);
        let mut row = 0;
        if gradient {
            row = if self.started { loss::ROW_ADDS_QUERY } else { loss::ROW_SETS_QUERY };
            row |= if plan.steps == 0 { loss::ROW_CLEARS_SUPPORT } else { 0 };
        }
        let learns = gradient && plan.order != MetaGradient::Displacement;
        self.loss(pass, weight as f32, learns, row);
        if let Some(at) = self.report.predictions {
            let outputs = self.outputs(pass, self.layers() - 1);
            let count = plan.query * plan.model.outputs();
            let to = Place::new(at as usize + step * self.facts.tasks * count, count);
            self.copy(outputs, Place::new(0, count), from_task(to, self.first), count);
        }
        if learns {
            let take = Take::Outer { adds: self.started };
            for l in (self.facts.first_block..self.layers()).rev() {
                let take = if self.facts.nodes[l].block.is_some() { take } else { Take::Nothing };
                self.backward(pass, l, take, l > self.facts.first_block);
            }
        }
        self.started |= gradient;
    }

    /// v_j = v_{j+1} − H (α_j ⊙ v_{j+1}), and the gradients of α_j.
    fn step_back(&mut self, step: usize) {
        let (plan, facts) = (self.facts.plan, self.facts);
        let pass = Pass { step, query: false };
        let plain = plan.inner.is_plain();
        if !plain {
            self.optimizer_back(pass);
        }
        if let Some(lowest) = facts.first_adapted.filter(|_| facts.second) {
            (lowest..self.layers()).for_each(|l| self.tangent(pass, l));
            let top = self.layers() - 1;
            let bindings = [self.outputs(pass, top), self.output_tangent(top), self.cotangent_tangent(top)];
            let shape = self.loss_pass(pass, 1.0);
            self.push(
                &loss_tangent::DECLARATION,
                &[self.loss_kind()],
                &shape,
                &bindings,
                [1, self.tasks as u32, 1],
            );
        }
        for l in (facts.first_block..self.layers()).rev() {
            // Rates of single parameters have a gradient, of zero, where nothing is adapted.
            let rates = match facts.learned && facts.nodes[l].block.is_some() {
                true if plan.per_parameter_rates() && (plain || !facts.adapted(l)) => 1.0,
                true if facts.adapted(l) && plain => 2.0,
                _ => 0.0,
            };
            let below = facts.second && l > facts.first_block;
            self.backward_tangent(pass, l, Back { second: facts.second, below, rates });
        }
    }

    fn sum_rates(&mut self) {
        let plan = self.facts.plan;
        let all = plan.steps * plan.model.blocks().len() * self.facts.rate_parts;
        let rates = plan.rate_count();
        let (rows, place) = self.rows();
        let shape = RateSums {
            parts: (all / rates.max(1)) as u32,
            first: place.offset + plan.model.param_count() as u32,
            sums_stride: all as u32,
            row_stride: place.stride,
        };
        let bindings = [Bound::Slice(Role::RateSums, self.slices.rate_sums), rows];
        if rates > 0 {
            let workgroups = [rates as u32, self.tasks as u32, 1];
            self.push(&rate_sums::DECLARATION, &[], &shape, &bindings, workgroups);
        }
    }

    /// θ_K of each task into the report.
    fn copy_fast(&mut self) {
        let Some(at) = self.report.fast else { return };
        let (p, steps) = (self.facts.plan.model.param_count(), self.facts.plan.steps);
        let mut copied = 0;
        for l in 0..self.layers() {
            let Some((_, block)) = self.facts.block(l) else { continue };
            let (bound, place) = match self.facts.adapted(l) {
                true => self.weights(steps, l),
                false => (Bound::Params, Place::new(block.weight, 0)),
            };
            let to = from_task(Place::new(at as usize + block.weight, p), self.first);
            self.copy(bound, place, to, block.len());
            copied += block.len();
        }
        if copied < p {
            // Scales and shifts of later steps.
            let to = from_task(Place::new(at as usize + copied, p), self.first);
            self.copy(Bound::Params, Place::new(copied, 0), to, p - copied);
        }
    }

    fn copy(&mut self, from: Bound, origin: Place, to: Place, count: usize) {
        let shape = CopyRows { count: count as u32, unused: 0, origin, target_place: to };
        let bindings = [from, Bound::Slice(Role::Report, self.slices.report)];
        let across = (count as u32).div_ceil(copy_rows::WORKGROUP);
        self.push(&copy_rows::DECLARATION, &[], &shape, &bindings, [across, self.tasks as u32, 1]);
    }

    fn forward(&mut self, pass: Pass) {
        for l in 0..self.layers() {
            match self.facts.nodes[l].layer {
                Layer::Linear { .. } => self.linear(pass, l),
                Layer::Conv2d { .. } => self.conv2d(pass, l),
                Layer::BatchNorm { .. } => self.norm(pass, l),
                _ => self.pool(pass, l, None),
            }
        }
    }

    /// From a layer's cotangent to that of the layer below, if it is wanted, and to the layer's parameters.
    fn backward(&mut self, pass: Pass, l: usize, take: Take, below: bool) {
        match self.facts.nodes[l].layer {
            Layer::Linear { .. } => self.linear_backward(pass, l, take, below),
            Layer::Conv2d { .. } => self.conv2d_backward(pass, l, take, below),
            Layer::BatchNorm { .. } => self.norm_backward(pass, l, take, below),
            _ if below => self.pool_backward(pass, l, self.cotangent(pass, l), self.cotangent(pass, l - 1)),
            _ => {}
        }
    }

    /// From the tangents of a layer's input and parameters to that of its output.
    fn tangent(&mut self, pass: Pass, l: usize) {
        match self.facts.nodes[l].layer {
            Layer::Linear { .. } => self.linear_tangent(pass, l),
            Layer::Conv2d { .. } => self.conv2d_tangent(pass, l),
            Layer::BatchNorm { .. } => self.norm_tangent(pass, l),
            _ => self.pool(pass, l, Some(self.output_tangent(l))),
        }
    }

    /// The tangent of [`backward`](Self::backward), the layer's part of v_j, and the gradients of its rates.
    fn backward_tangent(&mut self, pass: Pass, l: usize, back: Back) {
        match self.facts.nodes[l].layer {
            Layer::Linear { .. } => self.linear_backward_tangent(pass, l, back),
            Layer::Conv2d { .. } => self.conv2d_backward_tangent(pass, l, back),
            Layer::BatchNorm { .. } => self.norm_backward_tangent(pass, l, back),
            _ if back.below => {
                self.pool_backward(pass, l, self.cotangent_tangent(l), self.cotangent_tangent(l - 1));
            }
            _ => {}
        }
    }

    fn loss(&mut self, pass: Pass, weight: f32, wants_gradient: bool, row: u32) {
        let top = self.layers() - 1;
        let mut shape = self.loss_pass(pass, weight);
        shape.wants_gradient = wants_gradient.into();
        shape.target_rows = row;
        let steps = self.facts.plan.steps;
        let (report, stride) = if pass.query {
            (self.report.query_losses, steps + 1)
        } else {
            (self.report.support_losses, steps)
        };
        if let Some(at) = report {
            shape.report = from_task(Place::new(at as usize + pass.step, stride), self.first);
            shape.target_rows |= loss::REPORTS;
        }
        let truth = if pass.query { self.slices.query_y } else { self.slices.support_y };
        let cotangent = match wants_gradient {
            true => self.cotangent(pass, top),
            false => self.nothing(),
        };
        let bindings = [
            self.outputs(pass, top),
            Bound::Slice(Role::Points, truth),
            cotangent,
            Bound::Slice(Role::Report, self.slices.report),
            self.rows().0,
        ];
        let workgroups = [1, self.tasks as u32, 1];
        self.push(&loss::DECLARATION, &[self.loss_kind()], &shape, &bindings, workgroups);
    }
}
