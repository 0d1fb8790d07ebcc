//! Where instructions find their arrays and parameters, and what becomes of gradients: the first half of lowering.

use super::graph::Graph;
use super::inner::{Moved, StepRule};
use super::loss;
use super::memory::Memory;
use crate::meta::RateShape;
use crate::ops::cpu::{self, Back, Lower as _, Moving, Node};
use crate::ops::{Op, each};
use crate::program::{ArrayId, Instr, Pass, Program, Put, Set, Sink, Site};
use crate::simd::Isa;
use crate::simd::memory::{Calls, Gradient, Place, Scale};
use std::sync::Arc;

/// A program on its way to calls.
pub(super) struct Lowering<'a, I> {
    pub(super) graph: &'a Graph,
    pub(super) program: &'a Program,
    pub(super) memory: &'a Memory,
    pub(super) calls: Calls<I>,
    /// Where the direction of tangents lies, and what tangents are to be multiplied by.
    pub(super) direction: (usize, Scale),
    /// The parameters that the inner loop moves.
    pub(super) moved: Arc<[Moved]>,
    /// Transposed weights that somebody multiplies by: node and step.
    pub(super) transposed: Vec<(usize, usize)>,
    /// Instructions behind which the weight of a node in `v` is transposed: that is the next direction.
    pub(super) turned: Vec<(usize, usize)>,
}

impl<'a, I: Isa> Lowering<'a, I> {
    pub(super) fn new(graph: &'a Graph, program: &'a Program, memory: &'a Memory) -> Self {
        let threads = memory.threads;
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
            calls: Calls::new(threads),
            direction: (memory.u, Scale::ONE),
            moved: moved.collect(),
            transposed: Vec::new(),
            turned: Vec::new(),
        };
        this.find_transposed();
        this
    }

    /// Whether `u` is `v` but for a factor, so that `v` serves for it.
    pub(super) fn one_direction(&self, copy: bool) -> bool {
        self.graph.plan.rates.shape == RateShape::One && self.graph.plan.inner.is_plain() && !copy
    }

    /// The weight of a node whose backward pass multiplies by it.
    pub(super) fn weight(&self, n: usize) -> Option<usize> {
        self.product(n).map(|(_, weight)| weight)
    }

    /// Finds which weights are needed transposed, and behind which instructions `v` is a direction.
    pub(super) fn find_transposed(&mut self) {
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
    pub(super) fn last_written(
        &self,
        written: &[Option<usize>],
        n: usize,
        direction: usize,
    ) -> Option<usize> {
        written[n].filter(|&at| at < direction)
    }

    pub(super) fn needs(&mut self, site: &Site) {
        if let Some(weight) = self.weight(site.node) {
            let step = if self.graph.plan.adapted[weight] { site.pass.step } else { 0 };
            self.transposed.push((site.node, step));
        }
    }

    /// A node that is a product, and its weight.
    pub(super) fn product(&self, n: usize) -> Option<(&'a Node, usize)> {
        let node = self.graph.node(n)?;
        let is_product = node.tables.is_some() || node.lanewise.is_some();
        is_product.then(|| (node, self.graph.plan.model.nodes()[n].params.start))
    }

    /// Turns a node's weight for the way back.
    pub(super) fn turn_weight(&self, n: usize, from: Place, to: Place, calls: &mut Calls<I>) {
        if let Some((node, _)) = self.product(n) {
            each!(&self.graph.plan.model.nodes()[n].op, op => op.turn(node, from, to, calls));
        }
    }

    pub(super) fn array(&self, id: Option<ArrayId>) -> Place {
        id.map_or(Place::NOWHERE, |id| self.memory.array(self.graph, self.program, id))
    }

    pub(super) fn stats(&self, id: Option<ArrayId>) -> Place {
        id.map_or(Place::NOWHERE, |id| self.memory.stats(id))
    }

    pub(super) fn arrays(&self, all: &[Option<ArrayId>]) -> Vec<Place> {
        all.iter().map(|&id| self.array(id)).collect()
    }

    /// The tensors that a node has at step `j`.
    pub(super) fn params(&self, n: usize, j: usize) -> impl Iterator<Item = usize> + use<'a, I> {
        let model = &self.graph.plan.model;
        model.nodes()[n].params.clone().map(move |param| model.param_at(param, j))
    }

    pub(super) fn site(&self, site: &Site) -> Option<(&'a Op, cpu::Site<'a>)> {
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
            transposed: match self.product(n) {
                Some(_) => memory.transposed(self.graph, j, n),
                None => Place::NOWHERE,
            },
            constants: memory.constants[n],
            scratch: Place::at(memory.scratch),
        };
        Some((&self.graph.plan.model.nodes()[n].op, place))
    }

    /// The rate of a parameter at step `j`: a factor, and a place of one for each element.
    pub(super) fn rate(&self, j: usize, param: usize) -> (Place, Place) {
        let at = Place::at(self.memory.rates + self.graph.rate_index(j, param));
        if self.graph.plan.per_parameter_rates() { (Place::NOWHERE, at) } else { (at, Place::NOWHERE) }
    }

    pub(super) fn gradient(&self, sink: Sink, j: usize, param: usize) -> Option<Gradient> {
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

    pub(super) fn back(&self, site: &Site, dy: ArrayId, puts: &[Option<Put>], sinks: &[Sink]) -> Back {
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

    pub(super) fn moving(
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

    pub(super) fn outputs(&self, pass: &Pass) -> loss::Outputs {
        let (plan, targets) = (&self.graph.plan, self.graph.plan.targets());
        let output = self.program.flow.root[plan.model.output().index()];
        loss::Outputs {
            places: self.graph.output.clone(),
            row: self.graph.layouts[output.index()].len(),
            points: pass.points.len(),
            all: match pass.set {
                Set::Support => plan.support,
                Set::Query => plan.query,
            },
            begins: pass.points.start == 0,
            shares: self.memory.shares(pass.set, pass.points.start),
            labels: self.memory.labels(pass.set, pass.points.start, targets),
            targets,
        }
    }

    pub(super) fn rule(&self, j: usize) -> StepRule {
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
}
