//! The dispatches of a tile of tasks, in order: each instruction of the program becomes those that the room of its op
//! says.

use super::emit::{Emitter, from_task};
use super::kernels::loss::{self, LossPass};
use super::kernels::rows::{self, CopyRows, GroupSums, RateSums};
use super::layout::Role;
use crate::program::{ArrayId, Instr, Pass, Set, Sink};
use crate::wgsl::Place;
use crate::wgsl::lower::{Bound, Call, Operand, Take, Turned, spread};

/// What becomes of a node's gradients: parameters of a node share a kernel, which looks at which of them move.
fn take(sinks: &[Sink]) -> Take {
    let one = |sink: &Sink| match *sink {
        Sink::Skip => Take::Nothing,
        Sink::Step { add } => Take::Step { add },
        Sink::Keep { add } => Take::Keep { add },
        Sink::Outer { add } => Take::Outer { add },
        Sink::Curvature => Take::Curvature,
    };
    sinks.iter().map(one).find(|&take| take != Take::Nothing).unwrap_or(Take::Nothing)
}

impl Emitter<'_> {
    /// The dispatches of the tasks from `first` on.
    pub(super) fn tile(&mut self, first: usize, tasks: usize) -> Vec<super::emit::Dispatch> {
        (self.first, self.tasks, self.started) = (first, tasks, false);
        let facts = self.facts;
        self.clear_rates();
        for instr in &facts.program.instrs {
            self.instr(instr);
        }
        if facts.shared_rates() {
            self.sum_rates();
        }
        if facts.wanted.gradient && self.group > 1 {
            let (begin, end) = (first / self.group, (first + tasks).div_ceil(self.group));
            let shape = GroupSums {
                columns: facts.columns as u32,
                group: self.group as u32,
                first: first as u32,
                tasks: tasks as u32,
            };
            let partials = Bound::Slice(Role::Partials.index(), self.slices.partials);
            let across = (facts.columns as u32).div_ceil(rows::WORKGROUP);
            let workgroups = [across, (end - begin) as u32, 1];
            let bindings = [self.rows().bound, partials];
            self.push([Call::new(&rows::GROUP_SUMS, &[], &shape, &bindings, workgroups)]);
        }
        std::mem::take(&mut self.out)
    }

    fn instr(&mut self, instr: &Instr) {
        let facts = self.facts;
        match instr {
            Instr::Forward(site) => {
                let calls = facts.room(site.node).forward(&self.seat(site));
                self.push(calls);
            }
            Instr::Backward { site, dy, dx, sinks, tangents: _ } => {
                let (seat, dx, dy) = (self.seat(site), self.puts(dx), self.operand(*dy));
                let calls = facts.room(site.node).backward(&seat, dy, &dx, take(sinks));
                self.push(calls);
            }
            Instr::Tangent { site, x_dot, moves: _, y_dot, saved_dot } => {
                let (seat, x_dot) = (self.seat(site), self.operands(x_dot));
                let (y_dot, saved_dot) = (self.operand(*y_dot), self.optional(*saved_dot));
                let calls = facts.room(site.node).tangent(&seat, &x_dot, y_dot, saved_dot);
                self.push(calls);
            }
            Instr::BackwardTangent { site, x_dot, y_dot, saved_dot, dy, dy_dot, dx_dot, rates, .. } => {
                let turned = Turned {
                    x_dot: &self.operands(x_dot),
                    y_dot: self.optional(*y_dot),
                    saved_dot: self.optional(*saved_dot),
                    dy: self.operand(*dy),
                    dy_dot: self.operand(*dy_dot),
                    dx: &self.puts(dx_dot),
                    rates: self.rates(*rates),
                };
                let calls = facts.room(site.node).backward_tangent(&self.seat(site), &turned);
                self.push(calls);
            }
            Instr::Rates { site, dy } => {
                let (seat, dy) = (self.seat(site), self.operand(*dy));
                let calls = facts.room(site.node).rates(&seat, dy, self.rates(true));
                self.push(calls);
            }
            Instr::Loss { pass, y, dy, gate, weight, report } => {
                self.loss(pass, *y, *dy, *gate, *weight, *report);
            }
            Instr::LossTangent { pass, y, y_dot, dy_dot, gate } => {
                self.loss_tangent(pass, [*y, *y_dot, *dy_dot], *gate);
            }
            Instr::Step { step } => self.optimizer_step(*step),
            Instr::RateGradient { step } => self.rate_gradient(*step),
            Instr::Direction { step, copy } => self.direction(*step, *copy),
            Instr::Clear => self.clear(0..facts.plan.model.param_count()),
            Instr::Displacement => self.displacement(),
            Instr::Predictions { step, pass, y } => self.predictions(*step, pass, *y),
            Instr::Fast => self.copy_fast(),
        }
    }

    /// Kind of loss, sizes and places.
    fn loss_pass(
        &self,
        pass: &Pass,
        y: ArrayId,
        gate: bool,
        weight: f64,
    ) -> ([(&'static str, f64); 3], LossPass) {
        let plan = self.facts.plan;
        let shares = self.shares(pass.set, pass.points.start);
        let shape = LossPass {
            points: pass.points.len() as u32,
            outputs: plan.model.outputs() as u32,
            relu: gate.into(),
            y: self.operand(y).place,
            truth: self.given(pass.set, true, pass.points.start).place,
            row: self.rows().place.plus(self.facts.columns - 2),
            weight: weight as f32,
            part: match shares {
                // Shares are of the whole set.
                Some(_) => 1.0,
                None => pass.points.len() as f32 / self.points(pass.set).max(1) as f32,
            },
            shares: shares.map_or(Place::default(), |shares| shares.place),
            ..LossPass::default()
        };
        let weighted = f64::from(u8::from(shares.is_some()));
        let loss = [("LOSS", plan.loss.code().into()), ("SETTING", plan.loss.setting())];
        ([loss[0], loss[1], ("WEIGHTED", weighted)], shape)
    }

    /// Which sums of the task's row a loss goes to.
    fn row(&mut self, pass: &Pass) -> u32 {
        let (plan, wanted) = (self.facts.plan, self.facts.wanted);
        if !wanted.gradient {
            return 0;
        }
        match pass.set {
            Set::Support if pass.step == 0 => loss::ROW_SETS_SUPPORT,
            Set::Support => 0,
            // With all weights zero the meta-loss is zero, not unwritten: the last pass always counts.
            Set::Query if plan.loss_weights[pass.step] != 0.0 || pass.step == plan.steps => {
                let first = !std::mem::replace(&mut self.started, true);
                let clears = if plan.steps == 0 { loss::ROW_CLEARS_SUPPORT } else { 0 };
                clears | if first { loss::ROW_SETS_QUERY } else { loss::ROW_ADDS_QUERY }
            }
            Set::Query => 0,
        }
    }

    fn loss(&mut self, pass: &Pass, y: ArrayId, dy: Option<ArrayId>, gate: bool, weight: f64, report: bool) {
        let (constants, mut shape) = self.loss_pass(pass, y, gate, weight);
        let dy = self.optional(dy);
        shape.wants_gradient = dy.is_some().into();
        shape.dz = dy.map_or(Place::default(), |dy| dy.place);
        shape.target_rows = if report { self.row(pass) } else { 0 };
        let steps = self.facts.plan.steps;
        let (at, stride) = match pass.set {
            Set::Query => (self.report.query_losses, steps + 1),
            Set::Support => (self.report.support_losses, steps),
        };
        if let Some(at) = at.filter(|_| report) {
            shape.report = from_task(Place::new(at as usize + pass.step, stride), self.first);
            shape.target_rows |= loss::REPORTS;
        }
        if pass.points.start > 0 {
            shape.target_rows |= loss::ADDS;
        }
        let bindings = [
            self.operand(y).bound,
            self.given(pass.set, true, 0).bound,
            dy.map_or(self.spare()[0], |dy| dy.bound),
            Bound::Slice(Role::Report.index(), self.slices.report),
            self.rows().bound,
            self.shares(pass.set, 0).map_or(Bound::Params, |shares| shares.bound),
        ];
        self.push([Call::new(&loss::LOSS, &constants, &shape, &bindings, [1, self.tasks as u32, 1])]);
    }

    fn loss_tangent(&mut self, pass: &Pass, arrays: [ArrayId; 3], gate: bool) {
        let (constants, mut shape) = self.loss_pass(pass, arrays[0], gate, 1.0);
        let all = arrays.map(|id| self.operand(id));
        (shape.y_dot, shape.dz_dot) = (all[1].place, all[2].place);
        let shares = self.shares(pass.set, 0).map_or(Bound::Params, |shares| shares.bound);
        let truths = self.given(pass.set, true, 0).bound;
        let bindings = [all[0].bound, all[1].bound, truths, all[2].bound, shares];
        self.push([Call::new(&loss::TANGENT, &constants, &shape, &bindings, [1, self.tasks as u32, 1])]);
    }

    fn predictions(&mut self, step: usize, pass: &Pass, y: ArrayId) {
        let Some(at) = self.report.predictions else { return };
        let plan = self.facts.plan;
        let (outputs, stride) = (plan.model.outputs(), plan.query * plan.model.outputs());
        let to = Place::new(at as usize + step * self.facts.tasks * stride, stride);
        let to = from_task(to, self.first).plus(pass.points.start * outputs);
        self.copy(self.operand(y), self.report_at(to), pass.points.len() * outputs);
    }

    fn report_at(&self, place: Place) -> Operand {
        Operand { bound: Bound::Slice(Role::Report.index(), self.slices.report), place }
    }

    /// θ_K of each task into the report.
    fn copy_fast(&mut self) {
        let Some(at) = self.report.fast else { return };
        let (p, steps) = (self.facts.plan.model.param_count(), self.facts.plan.steps);
        let to = |offset: usize, first: usize| from_task(Place::new(at as usize + offset, p), first);
        let mut copied = 0;
        for node in 0..self.facts.plan.model.nodes().len() {
            let Some((_, block)) = self.facts.block(node) else { continue };
            let from = match self.facts.adapted(node) {
                true => self.weights(steps, node),
                false => Operand { bound: Bound::Params, place: Place::new(block.weight, 0) },
            };
            self.copy(from, self.report_at(to(block.weight, self.first)), block.len());
            copied += block.len();
        }
        if copied < p {
            // Scales and shifts of later steps.
            let from = Operand { bound: Bound::Params, place: Place::new(copied, 0) };
            self.copy(from, self.report_at(to(copied, self.first)), p - copied);
        }
    }

    pub(super) fn copy(&mut self, from: Operand, to: Operand, count: usize) {
        let (origin, target_place) = (from.place, to.place);
        let shape = CopyRows { count: count as u32, unused: 0, origin, target_place };
        let workgroups = spread((count as u32).div_ceil(rows::WORKGROUP), self.tasks as u32);
        self.push([Call::new(&rows::COPY, &[], &shape, &[from.bound, to.bound], workgroups)]);
    }

    /// The gradients of rates that many parameters share, from their parts.
    fn sum_rates(&mut self) {
        let plan = self.facts.plan;
        let all = plan.steps * plan.model.blocks().len() * self.facts.rate_parts;
        let rates = plan.rate_count();
        let row = self.rows();
        let shape = RateSums {
            parts: (all / rates.max(1)) as u32,
            first: row.place.offset + plan.model.param_count() as u32,
            sums_stride: all as u32,
            row_stride: row.place.stride,
        };
        if rates > 0 {
            let bindings = [self.rate_sums(), row.bound];
            let workgroups = [rates as u32, self.tasks as u32, 1];
            self.push([Call::new(&rows::RATE_SUMS, &[], &shape, &bindings, workgroups)]);
        }
    }
}
