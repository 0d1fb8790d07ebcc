//! The dispatches of a tile of tasks, in order: the inner loop written as operations of layers.
//!
//! A further kind of layer adds its own operations here, beside those of [`Dense`](crate::model::Dense): forward,
//! backward, update, and their tangents.

use super::copy_rows::{self, CopyRows};
use super::group_sums::{self, GroupSums};
use super::layer::Place;
use super::layered_layout::{Facts, Slices, from_task};
use super::layered_plan::{Bound, Dispatch, Role};
use super::pass::Places;
use super::rate_sums::{self, RateSums};
use super::{
    linear, linear_backward, linear_backward_tangent, linear_tangent, linear_update, linear_update_tangent,
    loss, loss_tangent,
};
use std::collections::HashMap;

/// A forward (and backward) pass at θ_j.
#[derive(Clone, Copy)]
pub(super) struct Pass {
    pub(super) step: usize,
    pub(super) query: bool,
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
            if self.facts.plan.adapted[l] {
                let (_, role, slice) = self.fast(step + 1);
                let next = Bound::Slice(role, slice);
                self.update(pass, l, &[("STEP", 1.0)], next);
            }
            if l > lowest {
                self.backward(pass, l);
            }
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
        self.loss(pass, weight as f32, gradient, row);
        if let Some(at) = self.report.predictions {
            let outputs = self.outputs(pass, self.layers() - 1);
            let count = plan.query * plan.model.outputs();
            let to = Place::new(at as usize + step * self.facts.tasks * count, count);
            self.copy(outputs, Place::new(0, count), from_task(to, self.first), count);
        }
        if gradient {
            for l in (0..self.layers()).rev() {
                let constants = [("STEP", 0.0), ("ADD", f64::from(u8::from(self.started)))];
                self.update(pass, l, &constants, self.rows().0);
                if l > 0 {
                    self.backward(pass, l);
                }
            }
            self.started = true;
        }
    }

    /// v_j = v_{j+1} − H (α_j ⊙ v_{j+1}), and the gradients of α_j.
    fn step_back(&mut self, step: usize) {
        let (plan, facts) = (self.facts.plan, self.facts);
        let pass = Pass { step, query: false };
        if let Some(lowest) = facts.first_adapted.filter(|_| facts.second) {
            for l in lowest..self.layers() {
                let bindings = [
                    self.input(pass, l),
                    self.input_tangent(pass, l),
                    self.weights(step, l).0,
                    Bound::Params,
                    self.rows().0,
                    self.outputs(pass, l),
                    self.output_tangent(l),
                ];
                self.product(&linear_tangent::DECLARATION, linear_tangent::shape, pass, l, &[], &bindings);
            }
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
        for l in (0..self.layers()).rev() {
            if facts.second && l > 0 {
                let bindings = [
                    self.cotangent(pass, l),
                    self.cotangent_tangent(l),
                    self.weights(step, l).0,
                    Bound::Params,
                    self.rows().0,
                    self.input(pass, l),
                    self.cotangent_tangent(l - 1),
                ];
                self.product(
                    &linear_backward_tangent::DECLARATION,
                    linear_backward_tangent::shape,
                    pass,
                    l,
                    &[],
                    &bindings,
                );
            }
            // Rates of single parameters have a gradient, of zero, where nothing is adapted.
            let rates = match facts.learned {
                true if plan.per_parameter_rates() => 1.0,
                true if plan.adapted[l] => 2.0,
                _ => 0.0,
            };
            if facts.second || rates > 0.0 {
                let tangent = if facts.second { self.cotangent_tangent(l) } else { self.cotangent(pass, l) };
                let bindings = [
                    self.cotangent(pass, l),
                    tangent,
                    self.input(pass, l),
                    self.input_tangent(pass, l),
                    self.rows().0,
                    Bound::Slice(Role::RateSums, self.slices.rate_sums),
                ];
                let flag = |on: bool| f64::from(u8::from(on));
                let constants =
                    [("VALUE", flag(rates > 0.0)), ("SECOND", flag(facts.second)), ("RATES", rates)];
                self.product(
                    &linear_update_tangent::DECLARATION,
                    linear_update_tangent::shape,
                    pass,
                    l,
                    &constants,
                    &bindings,
                );
            }
        }
    }

    fn sum_rates(&mut self) {
        let (plan, layers) = (self.facts.plan, self.layers());
        let all = plan.steps * layers * self.facts.rate_parts;
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
        for (l, dense) in self.facts.plan.model.dense().iter().enumerate() {
            let (bound, place) = self.weights(steps, l);
            let to = from_task(Place::new(at as usize + dense.weight, p), self.first);
            self.copy(bound, place, to, dense.len());
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
            let bindings = [self.input(pass, l), self.weights(pass.step, l).0, self.outputs(pass, l)];
            self.product(&linear::DECLARATION, linear::shape, pass, l, &[], &bindings);
        }
    }

    fn backward(&mut self, pass: Pass, l: usize) {
        let bindings = [
            self.cotangent(pass, l),
            self.weights(pass.step, l).0,
            self.input(pass, l),
            self.cotangent(pass, l - 1),
        ];
        self.product(&linear_backward::DECLARATION, linear_backward::shape, pass, l, &[], &bindings);
    }

    fn update(&mut self, pass: Pass, l: usize, constants: Constants<'_>, result: Bound) {
        // θ_j is read for the step alone; v may lie where nothing else of the dispatch does.
        let weights = if pass.query { Bound::Params } else { self.weights(pass.step, l).0 };
        let bindings = [self.cotangent(pass, l), self.input(pass, l), weights, Bound::Params, result];
        self.product(&linear_update::DECLARATION, linear_update::shape, pass, l, constants, &bindings);
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
            // Nothing is written there.
            false => Bound::Slice(Role::RateSums, self.slices.rate_sums),
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
