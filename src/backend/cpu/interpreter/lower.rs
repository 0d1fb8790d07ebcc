//! A program as calls with places, resolved once and run for every task.

use super::graph::Graph;
use super::inner;
use super::loss;
use super::memory::Memory;
use super::places::Lowering;
use crate::losses::cpu::with_kernels;
use crate::meta::RateShape;
use crate::ops::cpu::{Back, Lower as _};
use crate::ops::{Op, each};
use crate::program::{ArrayId, Instr, Program, Put, Set, Sink, Site, Wanted};
use crate::simd::Isa;
use crate::simd::memory::{Calls, Place, Scale};
use crate::simd::sweeps::{Fill, SubtractDot, SubtractProduct, Update};

/// What is run before the first task of given meta-parameters, and for every task.
pub(super) struct Lowered<I> {
    pub(super) begin: Calls<I>,
    pub(super) task: Calls<I>,
}

impl<I: Isa> Lowered<I> {
    pub(super) fn new(graph: &Graph, program: &Program, memory: &Memory, wanted: Wanted) -> Self {
        Lowering::new(graph, program, memory).run(wanted)
    }
}

impl<'a, I: Isa> Lowering<'a, I> {
    fn run(mut self, wanted: Wanted) -> Lowered<I> {
        let mut begin = Calls::new(self.memory.threads);
        for &(n, _) in self.transposed.iter().filter(|(_, step)| *step == 0) {
            self.push_transposed(n, 0, &mut begin);
        }
        let (plan, memory) = (&self.graph.plan, self.memory);
        self.fill(memory.query_loss, plan.steps + 1);
        if wanted.gradient {
            self.fill(memory.v + self.graph.len, self.graph.meta_len() - self.graph.len);
        }
        if memory.adjoints != [0; 2] {
            memory.adjoints.iter().for_each(|&at| self.fill(at, self.graph.len));
        }
        for (at, instr) in self.program.instrs.iter().enumerate() {
            self.instr(instr);
            for (_, n) in self.turned.clone().into_iter().filter(|turned| turned.0 == at) {
                self.push_direction(n, memory.v);
            }
        }
        Lowered { begin, task: self.calls }
    }

    fn fill(&mut self, at: usize, len: usize) {
        self.calls.push(Fill { c: Place::at(at), len, value: 0.0 });
    }

    /// Transposes a node's weight at θ_j.
    fn push_transposed(&self, n: usize, j: usize, calls: &mut Calls<I>) {
        if let Some((_, weight)) = self.product(n) {
            let from = self.memory.theta(self.graph, j, weight);
            self.turn_weight(n, from, self.memory.transposed(self.graph, j, n), calls);
        }
    }

    /// Transposes a node's part of a direction.
    fn push_direction(&mut self, n: usize, direction: usize) {
        if let Some((_, weight)) = self.product(n) {
            let from = Place::at(direction + self.graph.params[weight].at);
            let mut calls = std::mem::replace(&mut self.calls, Calls::new(1));
            self.turn_weight(n, from, self.memory.u_transposed(n), &mut calls);
            self.calls = calls;
        }
    }

    /// Runs `pass`, once for each cotangent that is added to, as there is room for one at a time.
    fn put(&mut self, puts: &[Option<Put>], back: Back, mut pass: impl FnMut(&Back, &mut Calls<I>)) {
        let adds: Vec<usize> = (0..puts.len()).filter(|&i| puts[i].is_some_and(|put| put.add)).collect();
        let mut first = Back { dx: back.dx.clone(), ..back };
        for &i in adds.iter().skip(1) {
            first.dx[i] = Place::NOWHERE;
        }
        pass(&first, &mut self.calls);
        for (n, &i) in adds.iter().enumerate() {
            if n > 0 {
                let mut dx = vec![Place::NOWHERE; puts.len()];
                dx[i] = Place::at(self.memory.added);
                let gradients = vec![None; first.gradients.len()];
                pass(&Back { dy: first.dy, dx, gradients }, &mut self.calls);
            }
            let Some(put) = puts[i] else { continue };
            let to = self.array(Some(put.to));
            let array = self.program.array(put.to);
            let len = array.count() * self.graph.layouts[array.value.index()].len();
            let (rate, y) = (Place::NOWHERE, Place::at(self.memory.added));
            self.calls.push(Update { c: to, x: to, scale: Scale::ONE, rate, y, len });
        }
    }

    fn instr(&mut self, instr: &Instr) {
        match instr {
            Instr::Forward(at) => {
                if let Some((op, site)) = self.site(at) {
                    each!(op, op => op.forward(&site, &mut self.calls));
                }
            }
            Instr::Backward { site, dy, dx, sinks, .. } => self.backward(site, *dy, dx, sinks),
            Instr::Tangent { .. } | Instr::BackwardTangent { .. } => self.tangents(instr),
            Instr::Loss { pass, y, dy, weight, report, .. } => {
                let report = match pass.set {
                    _ if !report => Place::NOWHERE,
                    Set::Support => Place::at(self.memory.support_loss + pass.step),
                    Set::Query => Place::at(self.memory.query_loss + pass.step),
                };
                let outputs = self.outputs(pass);
                let (y, dy, weight) = (self.array(Some(*y)), self.array(*dy), *weight as f32);
                let loss = self.graph.plan.loss;
                with_kernels!(loss, kernels => {
                    self.calls.push(loss::Loss { kernels, outputs, y, dy, weight, report });
                });
            }
            Instr::LossTangent { pass, y, y_dot, dy_dot, .. } => {
                let outputs = self.outputs(pass);
                let [y, y_dot, dy_dot] = [*y, *y_dot, *dy_dot].map(|id| self.array(Some(id)));
                let loss = self.graph.plan.loss;
                with_kernels!(loss, kernels => {
                    self.calls.push(loss::LossTangent { kernels, outputs, y, y_dot, dy_dot });
                });
            }
            Instr::Step { step } => self.step(*step),
            Instr::RateGradient { step } => self.rate_gradient(*step),
            // Where rates are learned, gradients are kept.
            Instr::Rates { .. } => debug_assert!(false, "gradients of rates that are not kept"),
            Instr::Direction { step, copy } => self.turn(*step, *copy),
            Instr::Clear => self.fill(self.memory.v, self.graph.len),
            Instr::Displacement => self.displacement(),
            Instr::Predictions { step, pass, y } => {
                let (plan, outputs) = (&self.graph.plan, self.outputs(pass));
                let row = step * plan.query + pass.points.start;
                let to = Place::at(self.memory.predictions + row * plan.model.outputs());
                let y = self.array(Some(*y));
                self.calls.push(loss::Predictions { outputs, y, to });
            }
            // θ_K is read where it lies.
            Instr::Fast => {}
        }
    }

    /// The tangents of a node's passes.
    fn tangents(&mut self, instr: &Instr) {
        if let Instr::Tangent { site: at, x_dot, moves, y_dot, saved_dot } = instr {
            let moving = self.moving(at, x_dot, Some(*y_dot), *saved_dot, moves);
            if let Some((op, site)) = self.site(at) {
                each!(op, op => op.tangent(&site, &moving, &mut self.calls));
            }
        }
        if let Instr::BackwardTangent {
            site: at,
            x_dot,
            y_dot,
            moves,
            saved_dot,
            dy,
            dy_dot,
            dx_dot,
            sinks,
            ..
        } = instr
        {
            let moving = self.moving(at, x_dot, *y_dot, *saved_dot, moves);
            let back = self.back(at, *dy_dot, dx_dot, sinks);
            let dy = self.array(Some(*dy));
            if let Some((op, site)) = self.site(at) {
                self.put(dx_dot, back, |back, calls| {
                    each!(op, op => op.backward_tangent(&site, &moving, dy, back, calls));
                });
            }
        }
    }

    fn backward(&mut self, at: &Site, dy: ArrayId, dx: &[Option<Put>], sinks: &[Sink]) {
        let back = self.back(at, dy, dx, sinks);
        let Some((op, site)) = self.site(at) else { return };
        self.put(dx, back, |back, calls| each!(op, op => op.backward(&site, back, calls)));
        let next = at.pass.step + 1;
        let stepped = matches!(sinks.first(), Some(Sink::Step { .. }));
        // Only now: fast weights may all lie in one place. While the weight is in the cache.
        if stepped && self.transposed.contains(&(at.node, next)) {
            let mut calls = std::mem::replace(&mut self.calls, Calls::new(1));
            self.push_transposed(at.node, next, &mut calls);
            self.calls = calls;
        }
    }

    /// θ_{j+1} from the gradient kept of step `j`.
    fn step(&mut self, j: usize) {
        let memory = self.memory;
        if self.graph.plan.inner.is_plain() {
            let gradient = memory.gradient[j % memory.gradient.len()];
            for moved in self.moved.clone().iter() {
                let (c, x) =
                    (memory.theta(self.graph, j + 1, moved.param), memory.theta(self.graph, j, moved.param));
                let (rate, each) = self.rate(j, moved.param);
                let (scale, y) = (Scale { factor: -1.0, rate }, Place::at(gradient + moved.at));
                self.calls.push(Update { c, x, scale, rate: each, y, len: moved.len });
            }
        } else {
            let before = j.checked_sub(1).map(|j| memory.moments[j % memory.moments.len()].map(Place::at));
            let next = self.moved.iter().map(|m| memory.theta(self.graph, j + 1, m.param)).collect();
            self.calls.push(inner::Step { rule: self.rule(j), before, next });
        }
        let mut calls = std::mem::replace(&mut self.calls, Calls::new(1));
        for &(n, _) in self.transposed.iter().filter(|(_, step)| *step == j + 1) {
            self.push_transposed(n, j + 1, &mut calls);
        }
        self.calls = calls;
    }

    /// `∂/∂α_j = − M ⊙ d ⊙ v`, `d` what the rates were multiplied by.
    fn rate_gradient(&mut self, j: usize) {
        let (memory, rates) = (self.memory, self.memory.v + self.graph.len);
        let mut direction = memory.gradient[j % memory.gradient.len()];
        if !self.graph.plan.inner.is_plain() {
            direction = memory.u;
            self.calls.push(inner::Direction { rule: self.rule(j), out: Place::at(memory.u) });
        }
        for moved in self.moved.clone().iter() {
            let c = Place::at(rates + self.graph.rate_index(j, moved.param));
            let [x, y] = [direction, memory.v].map(|all| Place::at(all + moved.at));
            match self.graph.plan.rates.shape {
                RateShape::One | RateShape::PerLayerStep => {
                    self.calls.push(SubtractDot { c, x, y, len: moved.len });
                }
                RateShape::PerParameter | RateShape::PerParameterStep => {
                    self.calls.push(SubtractProduct { c, x, y, len: moved.len });
                }
            }
        }
    }

    /// `u = α_j ⊙ M ⊙ v`, or through the adjoint of the inner rule; and its weights transposed.
    fn turn(&mut self, j: usize, copy: bool) {
        let memory = self.memory;
        if self.one_direction(copy) {
            // Its weights are transposed where they were put.
            let rate = self.rate(j, 0).0;
            self.direction = (memory.v, Scale { factor: 1.0, rate });
            return;
        }
        self.direction = (memory.u, Scale::ONE);
        if self.graph.plan.inner.is_plain() {
            for moved in self.moved.clone().iter() {
                let (rate, each) = self.rate(j, moved.param);
                let [c, y] = [memory.u, memory.v].map(|all| Place::at(all + moved.at));
                let scale = Scale { factor: 1.0, rate };
                self.calls.push(Update { c, x: Place::NOWHERE, scale, rate: each, y, len: moved.len });
            }
        } else {
            let [v, out] = [memory.v, memory.u].map(Place::at);
            let adjoints = memory.adjoints.map(Place::at);
            self.calls.push(inner::Adjoint { rule: self.rule(j), v, adjoints, out });
        }
        for n in 0..self.graph.nodes.len() {
            if self.weight(n).is_some_and(|weight| self.graph.plan.adapted[weight]) {
                self.push_direction(n, memory.u);
            }
        }
    }

    /// `v = θ_0 − θ_K`.
    fn displacement(&mut self) {
        let (memory, steps) = (self.memory, self.graph.plan.steps);
        self.fill(memory.v, self.graph.len);
        for moved in self.moved.clone().iter() {
            let [x, y] = [0, steps].map(|j| memory.theta(self.graph, j, moved.param));
            let (c, scale) = (Place::at(memory.v + moved.at), Scale { factor: -1.0, rate: Place::NOWHERE });
            self.calls.push(Update { c, x, scale, rate: Place::NOWHERE, y, len: moved.len });
        }
    }
}
