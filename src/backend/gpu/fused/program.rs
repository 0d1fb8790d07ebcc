//! The list of operations that a workgroup of the fused pass runs for each of its tasks.
//!
//! Here the mathematics of the meta-gradient is put in order: adapt,
//! query passes, tangent passes from the last step to the first, sums of outer products.

use super::curve::{At, Bend, Pass};
use super::memory::{Memory, Wanted};
use super::ops::{Block, DENSE, LOAD, LOSS, LOSS_TANGENT, NONE, Op, PREDICTIONS, PRODUCTS};
use crate::meta::Plan;

/// A loss that goes to no column of the partial sums.
const NO_COLUMN: u32 = u32::MAX - 1;

/// The operations and their blocks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Program {
    pub(crate) ops: Vec<Op>,
    pub(crate) blocks: Vec<Block>,
    /// vec4 that the largest set of Gram matrices takes.
    pub(crate) gram: u32,
}

/// Lists the operations of a plan over a memory.
pub(crate) fn build(plan: &Plan, memory: &Memory, wanted: &Wanted) -> Program {
    let mut builder = Builder { plan, memory, wanted, program: Program::default() };
    builder.task();
    builder.program
}

struct Builder<'a> {
    plan: &'a Plan,
    memory: &'a Memory,
    wanted: &'a Wanted,
    program: Program,
}

impl Builder<'_> {
    fn task(&mut self) {
        let (plan, memory, steps) = (self.plan, self.memory, self.plan.steps);
        if memory.support_tiles > 0 {
            self.load(0, memory.support_x, memory.support_y, memory.support_tiles, 0, plan.support as u32);
        }
        let chunk = 4 * memory.query_tiles;
        if plan.query as u32 <= chunk {
            self.load(1, memory.query_x, memory.query_y, memory.query_tiles, 0, plan.query as u32);
        }
        for step in 0..=steps {
            self.query(step);
            if step < steps {
                self.support(step);
            }
        }
        if let Some(place) = self.wanted.fast {
            for l in 0..plan.model.chain().len() {
                let blocks = self.updates(l, steps, NONE);
                self.products(l, &blocks, Some(place));
            }
        }
        if !self.wanted.train {
            return;
        }
        if (self.wanted.second || self.wanted.learned) && self.lowest().is_some() {
            for step in (0..steps).rev() {
                self.tangent(step);
            }
        }
        for l in 0..plan.model.chain().len() {
            let blocks = self.directions(l, None, NONE);
            self.products(l, &blocks, None);
        }
    }

    /// The lowest adapted layer: below it no output has a tangent and no cotangent of the support pass is of use.
    fn lowest(&self) -> Option<usize> {
        (0..self.plan.model.blocks().len()).position(|block| self.plan.adapts(block))
    }

    fn load(&mut self, half: u32, x: u32, y: u32, tiles: u32, place: u32, points: u32) {
        self.program.ops.push(Op { kind: LOAD, tiles, points, rows: half, x, y, place, ..Op::default() });
    }

    fn query(&mut self, step: usize) {
        let (plan, memory, wanted) = (self.plan, self.memory, self.wanted);
        let weight = plan.loss_weights[step] as f32;
        let kept = wanted.train && weight != 0.0;
        if !(kept || plan.track_all || !wanted.train) {
            return;
        }
        let record = memory.query_record(memory.slot(step));
        let (tiles, query) = (memory.query_tiles, plan.query as u32);
        let outputs = plan.model.outputs() as u32;
        for first in (0..query).step_by(4 * tiles as usize) {
            let points = (query - first).min(4 * tiles);
            if query > 4 * tiles {
                self.load(1, memory.query_x, memory.query_y, tiles, first, points);
            }
            let pass = Pass { record, x: memory.query_x, step, tiles, points, bends: false };
            self.forward(&pass);
            let is_last = first + points == query;
            let op = Op {
                inner: query,
                weights: weight.to_bits(),
                dz: if kept { self.last_dz(&pass) } else { NONE },
                bias: wanted.query_losses.map_or(NONE, |at| at + step as u32),
                rate: plan.steps as u32 + 1,
                place: match (is_last, kept) {
                    (false, _) => NONE,
                    (true, true) => wanted.columns - 2,
                    (true, false) => NO_COLUMN,
                },
                ..self.loss(&pass, memory.query_y)
            };
            self.end(&pass, op);
            if let Some(at) = wanted.predictions {
                self.program.ops.push(Op {
                    kind: PREDICTIONS,
                    inner: query * outputs,
                    place: at + (step as u32 * wanted.tasks * query + first) * outputs,
                    ..self.loss(&pass, 0)
                });
            }
            if kept {
                self.backward(&pass, 0);
            }
        }
    }

    fn support(&mut self, step: usize) {
        let (plan, memory, wanted) = (self.plan, self.memory, self.wanted);
        let pass = self.support_pass(step);
        self.forward(&pass);
        let op = Op {
            inner: pass.points,
            weights: 1.0_f32.to_bits(),
            dz: self.last_dz(&pass),
            bias: wanted.support_losses.map_or(NONE, |at| at + step as u32),
            rate: plan.steps as u32,
            place: if step == 0 && wanted.train { wanted.columns - 1 } else { NO_COLUMN },
            ..self.loss(&pass, memory.support_y)
        };
        self.end(&pass, op);
        if let Some(lowest) = self.lowest() {
            self.backward(&pass, lowest);
        }
    }

    fn support_pass(&self, step: usize) -> Pass {
        let memory = self.memory;
        Pass {
            record: memory.step_record(step),
            x: memory.support_x,
            step,
            tiles: memory.support_tiles,
            points: self.plan.support as u32,
            bends: self.wanted.second,
        }
    }

    fn last_dz(&self, pass: &Pass) -> u32 {
        self.memory.dz(pass.record, self.plan.model.chain().len() - 1, pass.tiles)
    }

    /// The fields that every loss has.
    fn loss(&self, pass: &Pass, truth: u32) -> Op {
        let last = self.plan.model.chain().len() - 1;
        Op {
            kind: LOSS,
            tiles: pass.tiles,
            points: pass.points,
            rows: self.plan.model.outputs() as u32,
            x: self.memory.output(pass.record, last, pass.tiles),
            y: truth,
            ..Op::default()
        }
    }

    fn at(&self, layer: usize, record: u32, tiles: u32) -> At<'_> {
        At { memory: self.memory, link: &self.plan.model.chain()[layer], layer, record, tiles }
    }

    /// Pushes the loss of a pass.
    fn end(&mut self, pass: &Pass, op: Op) {
        let last = self.plan.model.chain().len() - 1;
        let op = self.at(last, pass.record, pass.tiles).ending(op, pass.bend());
        self.program.ops.push(op);
    }

    fn forward(&mut self, pass: &Pass) {
        let memory = self.memory;
        for (l, layer) in self.plan.model.chain().iter().enumerate() {
            let x = memory.input(pass.record, l, pass.tiles, pass.x);
            let blocks = self.updates(l, pass.step, x);
            let op = Op {
                y: memory.output(pass.record, l, pass.tiles),
                bias: layer.bias as u32,
                ..self.dense(l, pass, x, false)
            };
            let op = self.at(l, pass.record, pass.tiles).ahead(op, pass.bends);
            self.push(op, &blocks);
        }
    }

    /// Cotangents of the layers from the last but one down to `lowest`.
    fn backward(&mut self, pass: &Pass, lowest: usize) {
        let memory = self.memory;
        for l in (lowest + 1..self.plan.model.chain().len()).rev() {
            let dz = memory.dz(pass.record, l, pass.tiles);
            let blocks: Vec<_> = self.updates(l, pass.step, dz).into_iter().map(Block::transposed).collect();
            let op = Op { y: memory.dz(pass.record, l - 1, pass.tiles), ..self.dense(l, pass, dz, true) };
            let op = self.at(l - 1, pass.record, pass.tiles).sloped(op, pass.bend());
            self.push(op, &blocks);
        }
    }

    /// The tangents of the support pass at θ_step in the direction α v_{step+1}.
    fn tangent(&mut self, step: usize) {
        let Some(lowest) = self.lowest() else { return };
        let (plan, memory, wanted) = (self.plan, self.memory, self.wanted);
        let pass = self.support_pass(step);
        let (record, tangent, tiles) = (pass.record, memory.tangent_record(step), pass.tiles);
        let last = plan.model.chain().len() - 1;
        for l in lowest..=last {
            let x_dot = if l > lowest { memory.output(tangent, l - 1, tiles) } else { NONE };
            let x = memory.input(record, l, tiles, memory.support_x);
            let mut blocks = if x_dot == NONE { Vec::new() } else { self.updates(l, step, x_dot) };
            // The tangent of z = W h + b in ḣ does not see the bias.
            blocks.iter_mut().for_each(|block| block.bias = 0.0);
            let mut op = Op { y: memory.output(tangent, l, tiles), ..self.dense(l, &pass, x_dot, false) };
            op = self.at(l, record, tiles).sloped(op, pass.bend());
            if plan.adapts(l) {
                blocks.extend(self.directions(l, Some(step), x));
                op.rate = self.rate(step, l);
                if wanted.learned {
                    op.dz = memory.dz(record, l, tiles);
                }
            }
            self.push(op, &blocks);
        }
        if !wanted.second {
            return;
        }
        let op = Op {
            kind: LOSS_TANGENT,
            gate: memory.output(record, last, tiles),
            x: memory.output(tangent, last, tiles),
            dz: memory.dz(tangent, last, tiles),
            ..self.loss(&pass, memory.support_y)
        };
        self.program.ops.push(self.at(last, record, tiles).ending(op, Bend::Add));
        for l in (1..=last).rev() {
            let (dz_dot, dz) = (memory.dz(tangent, l, tiles), memory.dz(record, l, tiles));
            let mut blocks = self.updates(l, step, dz_dot);
            let mut op = Op { y: memory.dz(tangent, l - 1, tiles), ..self.dense(l, &pass, dz_dot, true) };
            // Below the lowest layer nothing moves.
            let bend = if l > lowest { Bend::Add } else { Bend::Leave };
            op = self.at(l - 1, record, tiles).sloped(op, bend);
            if plan.adapts(l) {
                blocks.extend(self.directions(l, Some(step), dz));
                op.rate = self.rate(step, l);
            }
            let blocks: Vec<_> = blocks.into_iter().map(Block::transposed).collect();
            self.push(op, &blocks);
        }
    }

    /// A dense operation without blocks, bias, gate or result.
    fn dense(&self, l: usize, pass: &Pass, x: u32, back: bool) -> Op {
        let layer = &self.plan.model.chain()[l];
        let (rows, inner, weights) = match back {
            false => (layer.outputs, layer.inputs, self.memory.transposed as usize + layer.weight),
            true => (layer.inputs, layer.outputs, layer.weight),
        };
        Op {
            kind: DENSE,
            tiles: pass.tiles,
            points: pass.points,
            rows: rows as u32,
            inner: inner as u32,
            x,
            gate: NONE,
            weights: weights as u32,
            bias: NONE,
            rate: NONE,
            dz: NONE,
            ..Op::default()
        }
    }

    fn rate(&self, step: usize, layer: usize) -> u32 {
        (self.plan.model.param_count() + self.plan.rate_index(step, layer)) as u32
    }

    /// θ_step − θ₀ of a layer.
    fn updates(&self, l: usize, step: usize, x: u32) -> Vec<Block> {
        let (memory, tiles) = (self.memory, self.memory.support_tiles);
        let steps = if self.plan.adapts(l) { 0..step } else { 0..0 };
        steps
            .map(|i| {
                let record = memory.step_record(i);
                Block {
                    left: memory.dz(record, l, tiles),
                    right: memory.input(record, l, tiles, memory.support_x),
                    tiles,
                    coef: -1.0,
                    rate: self.rate(i, l),
                    bias: 1.0,
                    x,
                    ..Block::default()
                }
            })
            .collect()
    }

    /// v of a layer as it stands after step `after`, or at the very end (`None`): v_0.
    fn directions(&self, l: usize, after: Option<usize>, x: u32) -> Vec<Block> {
        let (plan, memory) = (self.plan, self.memory);
        let tiles = memory.support_tiles;
        let first = after.map_or(0, |step| step + 1);
        let block = Block { coef: 1.0, rate: NONE, bias: 1.0, x, direction: 1, ..Block::default() };
        let mut blocks = Vec::new();
        for step in first..=plan.steps {
            if plan.loss_weights[step] as f32 != 0.0 {
                let record = memory.query_record(memory.slot(step));
                let tiles = memory.query_tiles;
                blocks.push(Block {
                    left: memory.dz(record, l, tiles),
                    right: memory.input(record, l, tiles, memory.query_x),
                    tiles,
                    ..block
                });
            }
        }
        let Some(lowest) = self.lowest().filter(|_| self.wanted.second) else { return blocks };
        for step in first..plan.steps {
            let (record, tangent) = (memory.step_record(step), memory.tangent_record(step));
            blocks.push(Block {
                left: memory.dz(tangent, l, tiles),
                right: memory.input(record, l, tiles, memory.support_x),
                tiles,
                coef: -1.0,
                ..block
            });
            if l > lowest {
                blocks.push(Block {
                    left: memory.dz(record, l, tiles),
                    right: memory.output(tangent, l - 1, tiles),
                    tiles,
                    coef: -1.0,
                    bias: 0.0,
                    ..block
                });
            }
        }
        blocks
    }

    /// Pushes a dense operation, with room for the Gram matrices of its blocks.
    fn push(&mut self, mut op: Op, blocks: &[Block]) {
        op.first_block = self.program.blocks.len() as u32;
        op.blocks = blocks.len() as u32;
        op.place = blocks.iter().map(|block| block.tiles).max().unwrap_or(0);
        let mut gram = 0;
        for block in blocks {
            self.program.blocks.push(Block { gram: self.memory.gram + gram, ..*block });
            gram += 4 * block.tiles * op.tiles;
        }
        self.program.gram = self.program.gram.max(gram);
        self.program.ops.push(op);
    }

    /// A layer's sum of outer products, to the group's columns or, with θ₀ added, to the report.
    fn products(&mut self, l: usize, blocks: &[Block], fast: Option<u32>) {
        let layer = &self.plan.model.chain()[l];
        self.program.ops.push(Op {
            kind: PRODUCTS,
            rows: layer.outputs as u32,
            inner: layer.inputs as u32,
            bias: fast.map_or(NONE, |_| layer.weight as u32),
            place: fast.unwrap_or(0) + layer.weight as u32,
            weights: self.plan.model.param_count() as u32,
            first_block: self.program.blocks.len() as u32,
            blocks: blocks.len() as u32,
            ..Op::default()
        });
        self.program.blocks.extend_from_slice(blocks);
    }
}
