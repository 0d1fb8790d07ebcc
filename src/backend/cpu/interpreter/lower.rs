//! A program as calls with places, resolved once and run for every task.

use super::graph::Graph;
use super::inner::{self, Moved, StepRule};
use super::loss;
use super::memory::Memory;
use super::target::room;
use crate::meta::RateShape;
use crate::ops::Op;
use crate::ops::cpu::{self, Back, Lower as _, Moving, product};
use crate::program::{ArrayId, Instr, Program, Put, Sink, Site, Wanted};
use crate::simd::Isa;
use crate::simd::memory::{Calls, Gradient, Place, Scale};
use crate::simd::sweeps::{Fill, SubtractDot, SubtractProduct, Update};
use std::sync::Arc;

/// A program on its way to calls.
pub(super) struct Lowering<'a, I> {
    graph: &'a Graph,
    program: &'a Program,
    memory: &'a Memory,
    calls: Calls<I>,
    /// Where the direction of tangents lies, and what tangents are to be multiplied by.
    direction: (usize, Scale),
    /// The parameters that the inner loop moves.
    moved: Arc<[Moved]>,
    /// Transposed weights that somebody multiplies by: node and step.
    transposed: Vec<(usize, usize)>,
    /// Instructions behind which the weight of a node in `v` is transposed: that is the next direction.
    turned: Vec<(usize, usize)>,
}

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
    fn new(graph: &'a Graph, program: &'a Program, memory: &'a Memory) -> Self {
        let adapted = graph.plan.adapted.iter().enumerate().filter(|(_, adapted)| **adapted);
        let moved = adapted.map(|(param, _)| Moved {
            param,
            at: graph.params[param].at,
            len: graph.params[param].len(),
        });
        let mut this = Self {
            graph,
            program,
            memory,
            calls: Calls::new(),
            direction: (memory.u, Scale::ONE),
            moved: moved.collect(),
            transposed: Vec::new(),
            turned: Vec::new(),
        };
        this.find_transposed();
        this
    }

    /// Whether `u` is `v` but for a factor, so that `v` serves for it.
    fn one_direction(&self, copy: bool) -> bool {
        self.graph.plan.rates.shape == RateShape::One && self.graph.plan.inner.is_plain() && !copy
    }

    /// The weight of a node whose backward pass multiplies by it.
    fn weight(&self, n: usize) -> Option<usize> {
        let node = self.graph.node(n)?;
        node.tables.as_ref().map(|_| self.graph.plan.model.nodes()[n].params.start)
    }

    /// Finds which weights are needed transposed, and behind which instructions `v` is a direction.
    fn find_transposed(&mut self) {
        let goes_on = |puts: &[Option<Put>]| puts.iter().any(Option::is_some);
        let mut written = vec![None; self.graph.nodes.len()];
        let mut directions = None;
        for (at, instr) in self.program.instrs.iter().enumerate() {
            match instr {
                Instr::Backward { site, dx, sinks, .. } => {
                    if goes_on(dx) {
                        self.needs(site);
                    }
                    if matches!(sinks.first(), Some(Sink::Outer { .. } | Sink::Curvature)) {
                        written[site.node] = Some(at);
                    }
                }
                Instr::BackwardTangent { site, dx_dot, moves, sinks, .. } => {
                    if goes_on(dx_dot) {
                        self.needs(site);
                        let turns = self.weight(site.node).is_some() && moves[0];
                        if let Some(at) = directions.filter(|_| turns) {
                            let last = self.last_written(&written, site.node, at);
                            self.turned.extend(last.map(|last| (last, site.node)));
                        }
                    }
                    if matches!(sinks.first(), Some(Sink::Outer { .. } | Sink::Curvature)) {
                        written[site.node] = Some(at);
                    }
                }
                Instr::Direction { copy, .. } => {
                    directions = self.one_direction(*copy).then_some(at);
                }
                Instr::Forward(_)
                | Instr::Tangent { .. }
                | Instr::Loss { .. }
                | Instr::LossTangent { .. }
                | Instr::Step { .. }
                | Instr::RateGradient { .. }
                | Instr::Rates { .. }
                | Instr::Clear
                | Instr::Displacement
                | Instr::Predictions { .. }
                | Instr::Fast => {}
            }
        }
        self.transposed.sort_unstable();
        self.transposed.dedup();
        self.turned.sort_unstable();
        self.turned.dedup();
    }

    /// The instruction that wrote a node's part of `v` last before a direction was taken.
    fn last_written(&self, written: &[Option<usize>], n: usize, direction: usize) -> Option<usize> {
        written[n].filter(|&at| at < direction)
    }

    fn needs(&mut self, site: &Site) {
        if let Some(weight) = self.weight(site.node) {
            let step = if self.graph.plan.adapted[weight] { site.pass.step } else { 0 };
            self.transposed.push((site.node, step));
        }
    }

    fn run(mut self, wanted: Wanted) -> Lowered<I> {
        let mut begin = Calls::new();
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
            for &(_, n) in self.turned.iter().filter(|turned| turned.0 == at) {
                if let Some((tables, weight)) = self.product(n) {
                    let from = Place::at(memory.v + self.graph.params[weight].at);
                    self.calls.push(product::transpose(tables, from, memory.u_transposed(n)));
                }
            }
        }
        Lowered { begin, task: self.calls }
    }

    fn fill(&mut self, at: usize, len: usize) {
        self.calls.push(Fill { c: Place::at(at), len, value: 0.0 });
    }

    fn product(&self, n: usize) -> Option<(&'a crate::simd::geometry::Tables, usize)> {
        let tables = self.graph.node(n)?.tables.as_ref()?;
        Some((tables, self.graph.plan.model.nodes()[n].params.start))
    }

    /// Transposes a node's weight at θ_j.
    fn push_transposed(&self, n: usize, j: usize, calls: &mut Calls<I>) {
        if let Some((tables, weight)) = self.product(n) {
            let from = self.memory.theta(self.graph, j, weight);
            calls.push(product::transpose(tables, from, self.memory.transposed(self.graph, j, n)));
        }
    }

    fn array(&self, id: Option<ArrayId>) -> Place {
        id.map_or(Place::NOWHERE, |id| self.memory.array(self.graph, self.program, id))
    }

    fn stats(&self, id: Option<ArrayId>) -> Place {
        id.map_or(Place::NOWHERE, |id| self.memory.stats(id))
    }

    fn arrays(&self, all: &[Option<ArrayId>]) -> Vec<Place> {
        all.iter().map(|&id| self.array(id)).collect()
    }

    /// The tensors that a node has at step `j`.
    fn params(&self, n: usize, j: usize) -> impl Iterator<Item = usize> + use<'a, I> {
        let model = &self.graph.plan.model;
        model.nodes()[n].params.clone().map(move |param| model.param_at(param, j))
    }

    fn site(&self, site: &Site) -> Option<(&'a Op, cpu::Site<'a>)> {
        let (n, j, memory) = (site.node, site.pass.step, self.memory);
        let node = self.graph.node(n)?;
        let place = cpu::Site {
            node,
            points: site.pass.points.len(),
            live: memory.live(site.pass.set),
            x: self.arrays(&site.x),
            y: self.array(site.y),
            saved: self.array(site.saved),
            stats: self.stats(site.saved),
            theta: self.params(n, j).map(|param| memory.theta(self.graph, j, param)).collect(),
            transposed: match node.tables {
                Some(_) => memory.transposed(self.graph, j, n),
                None => Place::NOWHERE,
            },
            constants: memory.constants[n],
            scratch: Place::at(memory.scratch),
        };
        Some((&self.graph.plan.model.nodes()[n].op, place))
    }

    /// The rate of a parameter at step `j`: a factor, and a place of one for each element.
    fn rate(&self, j: usize, param: usize) -> (Place, Place) {
        let at = Place::at(self.memory.rates + self.graph.rate_index(j, param));
        if self.graph.plan.per_parameter_rates() { (Place::NOWHERE, at) } else { (at, Place::NOWHERE) }
    }

    fn gradient(&self, sink: Sink, j: usize, param: usize) -> Option<Gradient> {
        let (memory, at) = (self.memory, self.graph.params[param].at);
        let added = |to: Place, add: bool| Gradient {
            to,
            base: if add { to } else { Place::NOWHERE },
            scale: Scale::ONE,
        };
        match sink {
            Sink::Skip => None,
            Sink::Step { add } => {
                let to = memory.theta(self.graph, j + 1, param);
                let base = if add { to } else { memory.theta(self.graph, j, param) };
                Some(Gradient { to, base, scale: Scale { factor: -1.0, rate: self.rate(j, param).0 } })
            }
            Sink::Keep { add } => {
                let row = memory.gradient[j % memory.gradient.len()];
                Some(added(Place::at(row + at), add))
            }
            Sink::Outer { add } => Some(added(Place::at(memory.v + at), add)),
            Sink::Curvature => {
                let scale = self.direction.1;
                let scale = Scale { factor: -scale.factor, ..scale };
                Some(Gradient { scale, ..added(Place::at(memory.v + at), true) })
            }
        }
    }

    fn back(&self, site: &Site, dy: ArrayId, puts: &[Option<Put>], sinks: &[Sink]) -> Back {
        let j = site.pass.step;
        let to = |put: &Option<Put>| match put {
            // What is added is made beside it first.
            Some(put) if put.add => Place::at(self.memory.added),
            Some(put) => self.array(Some(put.to)),
            None => Place::NOWHERE,
        };
        let sinks = self.params(site.node, j).zip(sinks);
        Back {
            dy: self.array(Some(dy)),
            dx: puts.iter().map(to).collect(),
            gradients: sinks.map(|(param, &sink)| self.gradient(sink, j, param)).collect(),
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

    fn moving(
        &self,
        site: &Site,
        x_dot: &[Option<ArrayId>],
        y_dot: Option<ArrayId>,
        saved_dot: Option<ArrayId>,
        moves: &[bool],
    ) -> Moving {
        let (n, j) = (site.node, site.pass.step);
        let place = |(param, moves): (usize, &bool)| match moves {
            true => Place::at(self.direction.0 + self.graph.params[param].at),
            false => Place::NOWHERE,
        };
        Moving {
            x: self.arrays(x_dot),
            y: self.array(y_dot),
            theta: self.params(n, j).zip(moves).map(place).collect(),
            transposed: match moves.first() {
                Some(true) => self.memory.u_transposed(n),
                _ => Place::NOWHERE,
            },
            saved: self.array(saved_dot),
            stats: self.stats(saved_dot),
        }
    }

    fn instr(&mut self, instr: &Instr) {
        match instr {
            Instr::Forward(at) => {
                if let Some((op, site)) = self.site(at) {
                    room!(op, op => op.forward(&site, &mut self.calls));
                }
            }
            Instr::Backward { site, dy, dx, sinks, .. } => self.backward(site, *dy, dx, sinks),
            Instr::Tangent { site: at, x_dot, moves, y_dot, saved_dot } => {
                let moving = self.moving(at, x_dot, Some(*y_dot), *saved_dot, moves);
                if let Some((op, site)) = self.site(at) {
                    room!(op, op => op.tangent(&site, &moving, &mut self.calls));
                }
            }
            Instr::BackwardTangent {
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
            } => {
                let moving = self.moving(at, x_dot, *y_dot, *saved_dot, moves);
                let back = self.back(at, *dy_dot, dx_dot, sinks);
                let dy = self.array(Some(*dy));
                if let Some((op, site)) = self.site(at) {
                    self.put(dx_dot, back, |back, calls| {
                        room!(op, op => op.backward_tangent(&site, &moving, dy, back, calls));
                    });
                }
            }
            Instr::Loss { pass, y, dy, weight, report, .. } => {
                let report = match pass.set {
                    _ if !report => Place::NOWHERE,
                    crate::program::Set::Support => Place::at(self.memory.support_loss + pass.step),
                    crate::program::Set::Query => Place::at(self.memory.query_loss + pass.step),
                };
                let outputs = self.outputs(pass);
                let (y, dy, weight) = (self.array(Some(*y)), self.array(*dy), *weight as f32);
                self.calls.push(loss::Loss { outputs, y, dy, weight, report });
            }
            Instr::LossTangent { pass, y, y_dot, dy_dot, .. } => {
                let outputs = self.outputs(pass);
                let [y, y_dot, dy_dot] = [*y, *y_dot, *dy_dot].map(|id| self.array(Some(id)));
                self.calls.push(loss::LossTangent { outputs, y, y_dot, dy_dot });
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

    fn backward(&mut self, at: &Site, dy: ArrayId, dx: &[Option<Put>], sinks: &[Sink]) {
        let back = self.back(at, dy, dx, sinks);
        let Some((op, site)) = self.site(at) else { return };
        self.put(dx, back, |back, calls| room!(op, op => op.backward(&site, back, calls)));
        let next = at.pass.step + 1;
        let stepped = matches!(sinks.first(), Some(Sink::Step { .. }));
        // Only now: fast weights may all lie in one place. While the weight is in the cache.
        if stepped && self.transposed.contains(&(at.node, next)) {
            let mut calls = std::mem::replace(&mut self.calls, Calls::new());
            self.push_transposed(at.node, next, &mut calls);
            self.calls = calls;
        }
    }

    fn outputs(&self, pass: &crate::program::Pass) -> loss::Outputs {
        let (plan, targets) = (&self.graph.plan, self.graph.plan.targets());
        let output = self.program.flow.root[plan.model.output().index()];
        loss::Outputs {
            loss: plan.loss,
            places: self.graph.output.clone(),
            row: self.graph.layouts[output.index()].len(),
            points: pass.points.len(),
            all: match pass.set {
                crate::program::Set::Support => plan.support,
                crate::program::Set::Query => plan.query,
            },
            begins: pass.points.start == 0,
            shares: self.memory.shares(pass.set, pass.points.start),
            labels: self.memory.labels(pass.set, pass.points.start, targets),
            targets,
        }
    }

    fn rule(&self, j: usize) -> StepRule {
        let memory = self.memory;
        let (row, rates) = (j % memory.gradient.len(), self.moved.iter());
        StepRule {
            factors: self.graph.plan.inner.factors(j),
            moved: self.moved.clone(),
            theta: self.moved.iter().map(|m| memory.theta(self.graph, j, m.param)).collect(),
            rates: rates.map(|m| self.rate(j, m.param)).collect(),
            gradient: Place::at(memory.gradient[row]),
            moments: memory.moments[row].map(Place::at),
            clipped: Place::at(memory.clipped[row]),
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
        let mut calls = std::mem::replace(&mut self.calls, Calls::new());
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
            if let Some((tables, weight)) = self.product(n).filter(|(_, w)| self.graph.plan.adapted[*w]) {
                let from = Place::at(memory.u + self.graph.params[weight].at);
                self.calls.push(product::transpose(tables, from, memory.u_transposed(n)));
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
