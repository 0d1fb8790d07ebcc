//! Passes over the graph: forward, backward, and the tangents of both.

use super::array::{Array, ArrayId, ArrayKind, Pass, Set};
use super::instr::{Instr, Put, Sink, Site};
use super::writer::{Builder, Gradient, Passed};
use crate::model::Value;
use crate::ops::Curvature;
use std::ops::Range;

/// Tangents of values, and what they left, by node.
struct Tangents {
    y_dot: Vec<Option<ArrayId>>,
    saved_dot: Vec<Option<ArrayId>>,
}

impl Builder<'_> {
    /// A new array for a value in a pass.
    fn array(&mut self, kind: ArrayKind, value: Value, pass: &Pass) -> ArrayId {
        let (shape, rows) = self.plan.model.value(value);
        let (points, set) = (pass.points.clone(), pass.set);
        self.program.arrays.push(Array {
            kind,
            value,
            shape,
            rows,
            points,
            set,
            life: Range { start: usize::MAX, end: 0 },
        });
        ArrayId(self.program.arrays.len() - 1)
    }

    /// The array of the points of a pass.
    fn input(&mut self, pass: &Pass) -> ArrayId {
        let key = (pass.set, pass.points.start);
        let known = self.inputs.iter().find(|input| (input.0, input.1) == key).map(|input| input.2);
        known.unwrap_or_else(|| {
            let id = self.array(ArrayKind::Input, Value::INPUT, pass);
            self.inputs.push((key.0, key.1, id));
            id
        })
    }

    /// Where a node's inputs lie among the values.
    fn roots(&self, node: usize) -> Vec<usize> {
        let inputs = &self.plan.model.nodes()[node].inputs;
        inputs.iter().map(|input| self.program.flow.root[input.index()].index()).collect()
    }

    fn output_root(&self) -> usize {
        self.program.flow.root[self.plan.model.output().index()].index()
    }

    /// A node in a pass: with all its arrays, or with those that it keeps.
    fn site(&self, node: usize, passed: &Passed, all: bool) -> Site {
        let relu = self.program.flow.relu[node];
        let keeps = self.target.keeps(&self.plan.model.nodes()[node].op, relu);
        let x = self.roots(node).iter().map(|&root| passed.y[root].filter(|_| all || keeps.x)).collect();
        let y = passed.y[Value::of(node).index()].filter(|_| all || keeps.y);
        Site { node, pass: passed.pass.clone(), relu, x, y, saved: passed.saved[node] }
    }

    pub(super) fn forward(&mut self, pass: &Pass) -> Passed {
        let model = &self.plan.model;
        let values = model.nodes().len() + 1;
        let input = self.input(pass);
        let mut passed = Passed {
            pass: pass.clone(),
            output: input,
            y: vec![None; values],
            dy: vec![None; values],
            saved: vec![None; values],
        };
        passed.y[0] = Some(input);
        for n in self.program.flow.nodes.clone() {
            let value = Value::of(n);
            passed.y[value.index()] = Some(self.array(ArrayKind::Value, value, pass));
            if self.target.keeps(&model.nodes()[n].op, self.program.flow.relu[n]).saved {
                passed.saved[n] = Some(self.array(ArrayKind::Saved, value, pass));
            }
            let site = self.site(n, &passed, true);
            self.push(Instr::Forward(site));
        }
        passed.output = passed.y[self.output_root()].unwrap_or(input);
        passed
    }

    pub(super) fn loss(&mut self, passed: &mut Passed, weight: f64, gradient: bool, report: bool) {
        let output = self.plan.model.output();
        let root = self.output_root();
        let dy = gradient.then(|| self.array(ArrayKind::Cotangent, output, &passed.pass));
        passed.dy[root] = dy;
        let gate = self.target.gates_where_put() && self.program.flow.gated(output);
        let (pass, y) = (passed.pass.clone(), passed.output);
        self.push(Instr::Loss { pass, y, dy, gate, weight, report });
    }

    /// Where the cotangents of a node's inputs go, of those that `wanted` says; new arrays for the first uses.
    fn puts(
        &mut self,
        node: usize,
        kind: ArrayKind,
        pass: &Pass,
        wanted: &[bool],
        known: &mut [Option<ArrayId>],
    ) -> Vec<Option<Put>> {
        let inputs = self.plan.model.nodes()[node].inputs.clone();
        let one = |input: &Value| {
            if !wanted[input.index()] {
                return None;
            }
            let gate = self.target.gates_where_put() && self.program.flow.gated(*input);
            let root = self.program.flow.root[input.index()];
            let (to, add) = match known[root.index()] {
                Some(to) => (to, true),
                None => (self.array(kind, root, pass), false),
            };
            known[root.index()] = Some(to);
            Some(Put { to, add, gate })
        };
        inputs.iter().map(one).collect()
    }

    /// The site with the inputs that gates need.
    fn gating(&self, mut site: Site, puts: &[Option<Put>], passed: &Passed) -> Site {
        for ((x, put), root) in site.x.iter_mut().zip(puts).zip(self.roots(site.node)) {
            if put.is_some_and(|put| put.gate) {
                *x = passed.y[root];
            }
        }
        site
    }

    /// Cotangents from the outputs down to where parameters lie, and what becomes of these parameters' gradients; `sink` is
    /// told whether the inner loop moves one.
    pub(super) fn backward(&mut self, passed: &mut Passed, of: Gradient, sink: impl Fn(bool) -> Sink) {
        let wanted = match of {
            Gradient::Moving => self.program.flow.moves.clone(),
            Gradient::Learned => self.program.flow.learned.clone(),
        };
        for n in self.program.flow.nodes.clone().into_iter().rev() {
            let Some(dy) = passed.dy[Value::of(n).index()].filter(|_| wanted[n + 1]) else { continue };
            let dx = {
                let (pass, mut known) = (passed.pass.clone(), std::mem::take(&mut passed.dy));
                let dx = self.puts(n, ArrayKind::Cotangent, &pass, &wanted, &mut known);
                passed.dy = known;
                dx
            };
            let sinks = self.sinks(n, |param| sink(self.plan.adapted[param]));
            if dx.iter().any(Option::is_some) || sinks.iter().any(|&sink| sink != Sink::Skip) {
                let site = self.gating(self.site(n, passed, false), &dx, passed);
                self.push(Instr::Backward { site, dy, dx, sinks, tangents: false });
            }
        }
    }

    /// `v −= H u` from what a support pass left, and with `rates` the gradients of its rates.
    pub(super) fn curvature(&mut self, passed: &Passed, rates: bool) {
        let tangents = self.tangents(passed);
        let (model, output) = (&self.plan.model, self.output_root());
        let Some(top) = tangents.y_dot[output] else { return };
        let mut dy_dot = vec![None; model.nodes().len() + 1];
        let to = self.array(ArrayKind::CotangentTangent, model.output(), &passed.pass);
        dy_dot[output] = Some(to);
        let gate = self.target.gates_where_put() && self.program.flow.gated(model.output());
        let (pass, y) = (passed.pass.clone(), passed.output);
        self.push(Instr::LossTangent { pass, y, y_dot: top, dy_dot: to, gate });
        let learned = self.program.flow.learned.clone();
        for n in self.program.flow.nodes.clone().into_iter().rev().filter(|n| learned[n + 1]) {
            let Some(this) = dy_dot[n + 1] else { continue };
            let dx_dot = self.puts(n, ArrayKind::CotangentTangent, &passed.pass, &learned, &mut dy_dot);
            self.backward_tangent(n, passed, &tangents, this, dx_dot, rates);
        }
    }

    /// Tangents of the values that move.
    fn tangents(&mut self, passed: &Passed) -> Tangents {
        let (model, moves) = (&self.plan.model, self.program.flow.moves.clone());
        let mut y_dot = vec![None; model.nodes().len() + 1];
        let mut saved_dot = vec![None; model.nodes().len()];
        for n in self.program.flow.nodes.clone().into_iter().filter(|n| moves[n + 1]) {
            let value = Value::of(n);
            let x_dot = self.roots(n).iter().map(|&root| y_dot[root]).collect();
            let to = self.array(ArrayKind::Tangent, value, &passed.pass);
            y_dot[value.index()] = Some(to);
            let keeps = self.target.keeps(&model.nodes()[n].op, self.program.flow.relu[n]);
            saved_dot[n] = keeps.saved_dot.then(|| self.array(ArrayKind::SavedTangent, value, &passed.pass));
            let (site, moves) = (self.site(n, passed, false), self.moving_params(n));
            self.push(Instr::Tangent { site, x_dot, moves, y_dot: to, saved_dot: saved_dot[n] });
        }
        Tangents { y_dot, saved_dot }
    }

    /// The tangent of a node's backward, from that of its output's cotangent.
    fn backward_tangent(
        &mut self,
        n: usize,
        passed: &Passed,
        tangents: &Tangents,
        dy_dot: ArrayId,
        dx_dot: Vec<Option<Put>>,
        rates: bool,
    ) {
        let node = &self.plan.model.nodes()[n];
        let sinks = self.sinks(n, |_| Sink::Curvature);
        if sinks.iter().all(|&sink| sink == Sink::Skip) && dx_dot.iter().all(Option::is_none) {
            return;
        }
        let site = self.gating(self.site(n, passed, false), &dx_dot, passed);
        let moves = self.moving_params(n);
        let rates = rates && moves.contains(&true);
        let smooth = node.op.curvature() == Curvature::Smooth && self.program.flow.moves[n + 1];
        let Some(dy) = passed.dy[n + 1].filter(|_| smooth) else {
            if let Some(dy) = passed.dy[n + 1].filter(|_| rates) {
                let site = site.clone();
                self.push(Instr::Rates { site, dy });
            }
            self.push(Instr::Backward { site, dy: dy_dot, dx: dx_dot, sinks, tangents: true });
            return;
        };
        let keeps = self.target.keeps(&node.op, site.relu);
        let x_dot = self.roots(n).iter().map(|&root| tangents.y_dot[root].filter(|_| keeps.x_dot)).collect();
        let y_dot = tangents.y_dot[n + 1].filter(|_| keeps.y_dot);
        let saved_dot = tangents.saved_dot[n];
        self.push(Instr::BackwardTangent {
            site,
            x_dot,
            y_dot,
            moves,
            saved_dot,
            dy,
            dy_dot,
            dx_dot,
            sinks,
            rates,
        });
    }

    /// What becomes of the gradients of a node's parameters; of what is fixed nobody wants one.
    fn sinks(&self, node: usize, of: impl Fn(usize) -> Sink) -> Vec<Sink> {
        let model = &self.plan.model;
        let one = |param: usize| if model.params()[param].is_fixed() { Sink::Skip } else { of(param) };
        model.nodes()[node].params.clone().map(one).collect()
    }

    /// Which of a node's parameters the inner loop moves.
    fn moving_params(&self, node: usize) -> Vec<bool> {
        let node = &self.plan.model.nodes()[node];
        node.params.clone().map(|param| self.plan.steps > 0 && self.plan.adapted[param]).collect()
    }

    /// The gradients of inner rates from what a support pass left, node by node.
    pub(super) fn rates(&mut self, passed: &Passed) {
        for n in self.program.flow.nodes.clone().into_iter().rev() {
            let moving = self.moving_params(n).contains(&true);
            if let Some(dy) = passed.dy[n + 1].filter(|_| moving) {
                let site = self.site(n, passed, false);
                self.push(Instr::Rates { site, dy });
            }
        }
    }
}

impl Set {
    /// The name of a set, for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Support => "support",
            Self::Query => "query",
        }
    }
}
