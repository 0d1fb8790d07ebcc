//! The inner loop and the way back, as instructions.

use super::array::{Pass, Set};
use super::flow::Flow;
use super::instr::{Instr, Sink};
use super::listing::Program;
use super::target::{Cut, Target, Wanted};
use super::writer::{Builder, Gradient};
use crate::meta::{MetaGradient, Plan};
use std::ops::Range;

impl Program {
    /// Writes down the program of a plan.
    #[must_use]
    pub fn new(plan: &Plan, wanted: Wanted, target: &dyn Target, cut: Cut) -> Self {
        let flow = Flow::new(plan, target);
        let moves = flow.moves[plan.model.output().index()];
        let second = wanted.gradient && plan.order == MetaGradient::SecondOrder && moves;
        let learned = wanted.gradient && plan.learned_rates() > 0;
        let couples = plan.model.nodes().iter().any(|node| node.op.couples_points());
        let cut = if couples { Cut { chunk: usize::MAX, ..cut } } else { cut };
        // A chunk's tangents change v, which the rates of the next would still need.
        let chunked = learned && plan.support > cut.chunk;
        let keeps_gradients = moves && (chunked || target.keeps_gradients(plan));
        let keeps_steps = second || learned;
        let this = Self {
            instrs: Vec::new(),
            arrays: Vec::new(),
            flow,
            second,
            learned,
            keeps_steps,
            keeps_gradients,
        };
        Builder::new(this, plan, wanted, target, cut).run()
    }
}

/// The chunks of so many points.
fn chunks(points: usize, chunk: usize) -> impl Iterator<Item = Range<usize>> {
    let chunk = chunk.max(1);
    (0..points).step_by(chunk).map(move |first| first..points.min(first.saturating_add(chunk)))
}

impl Builder<'_> {
    /// The whole loop: adapt, then back from θ_K.
    fn run(mut self) -> Program {
        let steps = self.plan.steps;
        let model = &self.plan.model;
        if self.learns() && (model.norm_sets() > 1 || model.fixed_count() > 0) {
            // The passes of a step set its own scales and shifts only, and nothing of what is fixed.
            self.push(Instr::Clear);
            self.started = true;
        }
        for step in 0..=steps {
            if !(self.program.keeps_steps && self.has_gradient(step)) {
                self.query(step);
            }
            if step < steps {
                self.adapt(step);
            }
        }
        let way_back = if self.program.keeps_steps { 0..steps + 1 } else { 0..0 };
        for step in way_back.rev() {
            if step < steps {
                self.back(step);
            }
            if self.has_gradient(step) {
                self.query(step);
            }
        }
        if self.wanted.gradient && self.plan.order == MetaGradient::Displacement {
            self.push(Instr::Displacement);
        }
        if self.wanted.fast {
            self.push(Instr::Fast);
        }
        self.find_lives();
        self.program
    }

    /// Whether query gradients are what is learned from.
    fn learns(&self) -> bool {
        self.wanted.gradient && self.plan.order != MetaGradient::Displacement
    }

    /// Whether the query gradient at θ_`step` is part of `v`. With all weights zero `v` is zero, not unwritten: the last
    /// pass always counts.
    fn has_gradient(&self, step: usize) -> bool {
        self.learns() && (self.plan.loss_weights[step] != 0.0 || step == self.plan.steps)
    }

    /// Whether the query loss at θ_`step` is wanted.
    fn has_loss(&self, step: usize) -> bool {
        !self.wanted.gradient
            || self.wanted.all_losses
            || self.plan.loss_weights[step] != 0.0
            || step == self.plan.steps
    }

    fn passes(&self, step: usize, set: Set) -> Vec<Pass> {
        let points = match set {
            Set::Support => self.plan.support,
            Set::Query => self.plan.query,
        };
        chunks(points, self.cut.chunk).map(|points| Pass { step, set, points }).collect()
    }

    /// The query points at θ_`step`: their loss, and `v += w ∇L_q` where it is wanted.
    fn query(&mut self, step: usize) {
        if !self.has_loss(step) {
            return;
        }
        let gradient = self.has_gradient(step);
        for pass in self.passes(step, Set::Query) {
            let mut passed = self.forward(&pass);
            let weight = self.plan.loss_weights[step];
            self.loss(&mut passed, weight, gradient, true);
            if self.wanted.predictions {
                let y = passed.output;
                self.push(Instr::Predictions { step, pass, y });
            }
            if gradient {
                let add = self.started;
                self.backward(&mut passed, Gradient::Learned, |_| Sink::Outer { add });
                self.started = true;
            }
        }
    }

    /// θ_{step + 1} from the support points at θ_`step`.
    fn adapt(&mut self, step: usize) {
        let moves = self.program.flow.moves[self.plan.model.output().index()];
        let keeps = self.program.keeps_gradients;
        let mut kept = Vec::new();
        for pass in self.passes(step, Set::Support) {
            let mut passed = self.forward(&pass);
            self.loss(&mut passed, 1.0, moves, true);
            if moves {
                let add = pass.points.start > 0;
                let sink = if keeps { Sink::Keep { add } } else { Sink::Step { add } };
                self.backward(
                    &mut passed,
                    Gradient::Moving,
                    |adapted| if adapted { sink } else { Sink::Skip },
                );
            }
            kept.push(passed);
        }
        if keeps {
            self.push(Instr::Step { step });
        }
        let last = step + 1 == self.plan.steps;
        if self.program.keeps_steps && kept.len() == 1 && (last || !self.cut.recompute) {
            self.kept[step] = kept;
        }
    }

    /// From `v_{step + 1}` to `v_step` without the query points, and the gradients of the step's rates.
    fn back(&mut self, step: usize) {
        let (second, learned) = (self.program.second, self.program.learned);
        let moves = self.program.flow.moves[self.plan.model.output().index()];
        if learned && self.program.keeps_gradients {
            self.push(Instr::RateGradient { step });
        }
        let rates = learned && !self.program.keeps_gradients && moves;
        if !second && !rates {
            return;
        }
        let passes = self.passes(step, Set::Support);
        if second {
            self.push(Instr::Direction { step, copy: passes.len() > 1 });
        }
        let kept = std::mem::take(&mut self.kept[step]);
        for (c, pass) in passes.into_iter().enumerate() {
            let passed = match kept.get(c) {
                Some(passed) => passed.clone(),
                None => {
                    let mut passed = self.forward(&pass);
                    self.loss(&mut passed, 1.0, true, false);
                    self.backward(&mut passed, Gradient::Moving, |_| Sink::Skip);
                    passed
                }
            };
            // Rates go first: they meet v as the step left it.
            let with_tangents = second && self.target.rates_in_tangents();
            if rates && !with_tangents {
                self.rates(&passed);
            }
            if second {
                self.curvature(&passed, rates && with_tangents);
            }
        }
    }

    /// The first and last instruction that touches each array.
    fn find_lives(&mut self) {
        for (at, instr) in self.program.instrs.iter().enumerate() {
            let (reads, writes) = instr.touches();
            for id in reads.into_iter().chain(writes) {
                let life = &mut self.program.arrays[id.index()].life;
                *life = life.start.min(at)..at;
            }
        }
    }
}
