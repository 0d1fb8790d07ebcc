//! Forward and backward passes of one task.

use super::super::kernels::Isa;
use super::memory::Set;
use super::norm;
use super::program::{Norm, Op, Product};
use super::sweeps::{ColumnSums, Direction, Gate, Mean, Pool, Relu, Update};
use super::task::Task;
use super::tile::{Gather, Outer, Term};

/// Where a pass puts the gradients of parameters: `to = base + scale · gradient`, all packed.
pub(super) struct Sink {
    to: *mut f32,
    /// May be null.
    base: *const f32,
    scale: f32,
    /// Whether blocks that are not adapted are left out.
    adapted: bool,
    /// Whether the scale is minus the block's rate at this step, and the base the block's weights.
    step: Option<usize>,
    /// Where to transpose what was put to `to`, while it is in the cache.
    transposed: Option<usize>,
}

impl Sink {
    /// Gradients of all blocks.
    pub(super) fn new(to: *mut f32, base: *const f32, scale: f32) -> Self {
        Self { to, base, scale, adapted: false, step: None, transposed: None }
    }

    /// Gradients of adapted blocks.
    pub(super) fn adapted(to: *mut f32) -> Self {
        Self { adapted: true, ..Self::new(to, std::ptr::null(), 1.0) }
    }

    /// The weights after step `j`, of adapted blocks.
    pub(super) fn update(to: *mut f32, from: *const f32, j: usize) -> Self {
        Self { adapted: true, step: Some(j), ..Self::new(to, from, 1.0) }
    }

    /// The same, with weights transposed as well.
    pub(super) fn transposing(self, to: Option<usize>) -> Self {
        Self { transposed: to, ..self }
    }

    /// No gradients.
    pub(super) fn nowhere() -> Self {
        Self::adapted(std::ptr::null_mut())
    }
}

/// Places of one block's gradient.
struct Place {
    to: *mut f32,
    base: *const f32,
    scale: f32,
}

impl Place {
    /// The place of the bias, behind the weight.
    fn behind(&self, len: usize) -> Self {
        let base = if self.base.is_null() { self.base } else { self.base.wrapping_add(len) };
        Self { to: self.to.wrapping_add(len), base, ..*self }
    }
}

impl<I: Isa> Task<I> {
    /// Where a block's gradient goes, if it is wanted.
    fn place(&self, sink: &Sink, block: usize, j: usize) -> Option<Place> {
        if sink.to.is_null() || sink.adapted && !self.compiled.plan.adapts(block) {
            return None;
        }
        let at = self.compiled.program.block_at(block, j).weight;
        let base = if sink.base.is_null() { sink.base } else { sink.base.wrapping_add(at) };
        let scale = sink.step.map_or(sink.scale, |j| -self.rate(j, block).0);
        Some(Place { to: sink.to.wrapping_add(at), base, scale })
    }

    /// Values of a set at θ_j.
    pub(super) fn forward(&self, set: &Set, j: usize) {
        let program = &self.compiled.program;
        for (i, op) in program.ops.iter().enumerate() {
            let (x, y) = (self.ptr(set.act[i]), self.ptr(set.act[i + 1]));
            // SAFETY: arrays of the set, as long as the program's nodes say.
            unsafe {
                match op {
                    Op::Product(product) => {
                        let place = program.blocks[product.block];
                        let theta = self.fast(j, product.block);
                        let weight = theta.wrapping_add(place.weight).cast_const();
                        let bias = theta.wrapping_add(place.bias);
                        self.gather(product, i, &[(x, weight)], y, set.points, bias);
                    }
                    Op::Norm(norm) => I::run(norm::Forward {
                        on: self.rows(norm, i, set.points),
                        x,
                        hat: self.ptr(set.extra[i]),
                        y,
                        affine: self.affine(norm, j, |block| self.fast(j, block)),
                        eps: norm.eps,
                        root: self.ptr(set.stats[i]),
                    }),
                    Op::Relu => I::run(Relu { c: y, x, len: set.points * program.nodes[i].len() }),
                    Op::Pool { .. } => self.pool(Direction::Forward, i, set, x, y),
                    Op::Mean => self.mean(i, set.points, x, y, false),
                }
            }
        }
    }

    /// Cotangents of a set at θ_j, and gradients into `sink`, down to operation `lowest`. The loss has put
    /// the cotangent of the outputs there.
    pub(super) fn backward(&self, set: &Set, j: usize, lowest: usize, sink: &Sink) {
        for i in (lowest..self.compiled.program.ops.len()).rev() {
            self.backward_op(i, set, j, &set.cot, None, i > lowest, sink);
        }
    }

    /// The backward of operation `i`, of cotangents at `cot`; sums of batch norms go to `sums` or else are kept.
    #[expect(clippy::too_many_arguments, reason = "what a pass is made of")]
    pub(super) fn backward_op(
        &self,
        i: usize,
        set: &Set,
        j: usize,
        cot: &[usize],
        sums: Option<usize>,
        further: bool,
        sink: &Sink,
    ) {
        let program = &self.compiled.program;
        let dy = self.ptr(cot[i + 1]);
        let dx = if further { self.ptr(cot[i]) } else { std::ptr::null_mut() };
        // SAFETY: arrays of the set, as long as the program's nodes say.
        unsafe {
            match &program.ops[i] {
                Op::Product(product) => {
                    let place = self.place(sink, product.block, j);
                    if let Some(place) = &place {
                        self.outer(product, i, &[(self.ptr(set.act[i]), dy)], set.points, place);
                        self.bias_gradient(product, i, dy, set.points, place);
                    }
                    if further {
                        let transposed = self.transposed(j, product.block);
                        self.gather_back(product, i, &[(dy, transposed)], dx, set.points);
                    }
                    // Only now: an evaluation keeps all fast weights in one place.
                    if let (Some(place), Some(to)) = (place, sink.transposed.filter(|_| i > program.lowest)) {
                        self.transpose_one(product, place.to, self.ptr(to));
                    }
                }
                Op::Norm(norm) => {
                    let sums = self.ptr(sums.unwrap_or(set.stats[i] + norm.width));
                    I::run(norm::Backward {
                        on: self.rows(norm, i, set.points),
                        dy,
                        y: self.ptr(set.act[i + 1]),
                        hat: self.ptr(set.extra[i]),
                        gamma: self.affine(norm, j, |block| self.fast(j, block)).0,
                        root: self.ptr(set.stats[i]),
                        sums,
                        dx,
                    });
                    self.norm_gradient(norm, (i, j), set.points, sums, sink);
                }
                Op::Relu if further => {
                    let len = set.points * program.nodes[i].len();
                    I::run(Gate { c: dx, x: dy, gate: self.ptr(set.act[i + 1]), len });
                }
                Op::Pool { .. } if further => self.pool(Direction::Backward, i, set, dx, dy),
                Op::Mean if further => self.mean(i, set.points, dx, dy, true),
                _ => {}
            }
        }
    }

    /// `dγ = n q`, `dβ = n s` from a batch norm's sums.
    pub(super) fn norm_gradient(
        &self,
        norm: &Norm,
        (i, j): (usize, usize),
        points: usize,
        sums: *const f32,
        sink: &Sink,
    ) {
        let Some(place) = norm.block.and_then(|block| self.place(sink, block, j)) else { return };
        let on = self.rows(norm, i, points);
        let (len, scale) = (norm.width, place.scale * on.rows as f32);
        let bias = place.behind(len);
        for (place, y) in [(place, sums.wrapping_add(len)), (bias, sums)] {
            // SAFETY: γ and β, a row each.
            unsafe { I::run(Update { c: place.to, x: place.base, scale, rate: std::ptr::null(), y, len }) };
        }
    }

    /// Sums of cotangents over all pixels, for a bias; zero where a batch norm takes the bias away.
    ///
    /// # Safety
    /// `dy` must be an array of node `i + 1`.
    unsafe fn bias_gradient(
        &self,
        product: &Product,
        i: usize,
        dy: *const f32,
        points: usize,
        place: &Place,
    ) {
        let (node, packed) =
            (self.compiled.program.nodes[i + 1], self.compiled.program.blocks[product.block]);
        let Place { to, base, scale } = place.behind(packed.bias - packed.weight);
        let rows = if product.bias_matters { points * node.pixels() } else { 0 };
        // SAFETY: promised by the caller.
        unsafe { I::run(ColumnSums { x: dy, rows, width: node.pitch, c: to, base, scale }) };
    }

    /// Sums of products for a weight.
    ///
    /// # Safety
    /// Terms must be arrays of nodes `i` and `i + 1`.
    unsafe fn outer(&self, product: &Product, i: usize, terms: &[Term], points: usize, place: &Place) {
        let nodes = &self.compiled.program.nodes;
        let kernel = Outer {
            taps: &product.pairs,
            terms,
            c: place.to,
            base: place.base,
            scale: place.scale,
            rows: product.geometry.inputs,
            points,
            a_point: nodes[i].len(),
            b_point: nodes[i + 1].len(),
            vectors: product.geometry.wide / I::LANES,
        };
        // SAFETY: promised by the caller.
        unsafe { I::run(kernel) };
    }

    /// [`Task::outer`] and the bias, for tangents.
    ///
    /// # Safety
    /// As there; the first term's right operand is the cotangent's tangent.
    pub(super) unsafe fn weight_tangent(
        &self,
        product: &Product,
        i: usize,
        terms: &[Term],
        points: usize,
        sink: &Sink,
    ) {
        if let Some(place) = self.place(sink, product.block, 0) {
            // SAFETY: promised by the caller.
            unsafe {
                self.outer(product, i, terms, points, &place);
                self.bias_gradient(product, i, terms[0].1, points, &place);
            }
        }
    }

    /// The forward product of operation `i` for some terms.
    ///
    /// # Safety
    /// Terms must be arrays of node `i` and weights, `y` an array of node `i + 1`, the bias null or a row.
    pub(super) unsafe fn gather(
        &self,
        product: &Product,
        i: usize,
        terms: &[Term],
        y: *mut f32,
        points: usize,
        bias: *const f32,
    ) {
        let nodes = &self.compiled.program.nodes;
        let kernel = Gather {
            classes: &product.forward,
            terms,
            c: y,
            points,
            a_point: nodes[i].len(),
            c_point: nodes[i + 1].len(),
            vectors: product.geometry.wide / I::LANES,
            bias,
        };
        // SAFETY: promised by the caller.
        unsafe { I::run(kernel) };
    }

    /// The product of operation `i` for the cotangent of its input.
    ///
    /// # Safety
    /// Terms must be arrays of node `i + 1` and transposed weights, `dx` an array of node `i`.
    pub(super) unsafe fn gather_back(
        &self,
        product: &Product,
        i: usize,
        terms: &[Term],
        dx: *mut f32,
        points: usize,
    ) {
        let nodes = &self.compiled.program.nodes;
        let kernel = Gather {
            classes: &product.backward,
            terms,
            c: dx,
            points,
            a_point: nodes[i + 1].len(),
            c_point: nodes[i].len(),
            vectors: nodes[i].pitch / I::LANES,
            bias: std::ptr::null(),
        };
        // SAFETY: promised by the caller.
        unsafe { I::run(kernel) };
    }

    /// A weight at θ_j, transposed.
    pub(super) fn transposed(&self, j: usize, block: usize) -> *const f32 {
        let j = if self.compiled.plan.adapts(block) { j } else { 0 };
        self.ptr(self.memory.transposed[j] + self.compiled.program.blocks[block].transposed)
    }

    /// # Safety
    /// `x` must be an array of node `i`, `y` of node `i + 1`.
    pub(super) unsafe fn pool(&self, direction: Direction, i: usize, set: &Set, x: *mut f32, y: *mut f32) {
        let program = &self.compiled.program;
        let Op::Pool { kernel, stride } = program.ops[i] else { return };
        let nodes = [program.nodes[i], program.nodes[i + 1]];
        let (winners, points) = (self.ptr(set.extra[i]), set.points);
        // SAFETY: promised by the caller.
        unsafe { I::run(Pool { direction, x, y, winners, nodes, kernel, stride, points }) };
    }

    /// # Safety
    /// As [`Task::pool`].
    pub(super) unsafe fn mean(&self, i: usize, points: usize, x: *mut f32, y: *mut f32, back: bool) {
        let node = self.compiled.program.nodes[i];
        // SAFETY: promised by the caller.
        unsafe { I::run(Mean { x, y, pixels: node.pixels(), pitch: node.pitch, points, back }) };
    }

    /// What a batch norm at operation `i` sweeps over.
    pub(super) fn rows(&self, norm: &Norm, i: usize, points: usize) -> norm::Rows {
        let len = points * self.compiled.program.nodes[i].len();
        norm::Rows { rows: len / norm.width, width: norm.width, relu: norm.relu }
    }

    /// γ and β of step `j`, or null, in the packed parameters that `of` gives for the block.
    pub(super) fn affine(&self, norm: &Norm, j: usize, of: impl Fn(usize) -> *mut f32) -> norm::Affine {
        norm.block.map_or((std::ptr::null(), std::ptr::null()), |block| {
            let place = self.compiled.program.block_at(block, j);
            (of(block).wrapping_add(place.weight), of(block).wrapping_add(place.bias))
        })
    }
}
