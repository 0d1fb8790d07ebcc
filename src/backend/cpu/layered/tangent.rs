//! The tangent of a gradient in the direction `u`: `H u`, subtracted from `v`.

use super::super::kernels::Isa;
use super::norm;
use super::passes::Sink;
use super::program::Op;
use super::sweeps::{Direction, Gate};
use super::task::Task;

impl<I: Isa> Task<I> {
    /// `v −= H_s(θ_j) u`, from what the support pass of step `j` left behind.
    pub(super) fn tangent(&self, j: usize) {
        let (program, memory) = (&self.compiled.program, &self.memory);
        self.tangent_forward(j);
        self.loss_tangent(self.support(j));
        let (v, scale) = (self.ptr(memory.v), self.turned(j).1);
        // A sweep down reads a block's `u`, which may be `v`, before it writes there, and transposed weights are a copy.
        let sink = Sink::new(v, v, -scale);
        for i in (program.lowest..program.ops.len()).rev() {
            self.tangent_backward(j, i, &sink);
        }
    }

    /// Whether anything at or before operation `i` is adapted, so that its output has a tangent.
    fn moves(&self, i: usize) -> bool {
        i >= self.compiled.lowest_adapted
    }

    /// Whether a block is adapted.
    fn adapted(&self, block: usize) -> bool {
        self.compiled.plan.adapts(block)
    }

    /// Tangents of the values, from the first adapted operation on.
    fn tangent_forward(&self, j: usize) {
        let (program, memory, set) = (&self.compiled.program, &self.memory, self.support(j));
        let u = self.turned(j).0;
        for i in self.compiled.lowest_adapted..program.ops.len() {
            let (x, y) = (self.ptr(memory.tangent.act[i]), self.ptr(memory.tangent.act[i + 1]));
            let first = i == self.compiled.lowest_adapted;
            // SAFETY: arrays of the sets, as long as the program's nodes say.
            unsafe {
                match &program.ops[i] {
                    Op::Product(product) => {
                        let place = program.blocks[product.block];
                        let theta = self.fast(j, product.block).wrapping_add(place.weight).cast_const();
                        let moving = (x.cast_const(), theta);
                        let turning =
                            (self.ptr(set.act[i]).cast_const(), u.wrapping_add(place.weight).cast_const());
                        let bias = u.wrapping_add(place.bias).cast_const();
                        match (first, self.adapted(product.block)) {
                            (true, _) => self.gather(product, i, &[turning], y, set.points, bias),
                            (_, true) => self.gather(product, i, &[moving, turning], y, set.points, bias),
                            _ => self.gather(product, i, &[moving], y, set.points, std::ptr::null()),
                        }
                    }
                    Op::Norm(norm) => {
                        if first {
                            std::ptr::write_bytes(x, 0, set.points * program.nodes[i].len());
                        }
                        let u = |block| if self.adapted(block) { u } else { std::ptr::null_mut() };
                        let turning = if norm.block.is_some_and(|block| self.adapted(block)) {
                            self.affine(norm, j, u)
                        } else {
                            (std::ptr::null(), std::ptr::null())
                        };
                        I::run(norm::ForwardTangent {
                            on: self.rows(norm, i, set.points),
                            x,
                            y,
                            primal_hat: self.ptr(set.extra[i]),
                            primal_y: self.ptr(set.act[i + 1]),
                            affine: self.affine(norm, j, |block| self.fast(j, block)),
                            affine_tangent: turning,
                            root: self.ptr(set.stats[i]),
                            root_tangent: self.ptr(memory.tangent.stats[i]),
                        });
                    }
                    Op::Relu => {
                        let len = set.points * program.nodes[i].len();
                        I::run(Gate { c: y, x, gate: self.ptr(set.act[i + 1]), len });
                    }
                    Op::Pool { .. } => self.pool(Direction::Tangent, i, set, x, y),
                    Op::Mean => self.mean(i, set.points, x, y, false),
                }
            }
        }
    }

    /// Tangents of the cotangents of operation `i`, and of its parameters' gradients.
    fn tangent_backward(&self, j: usize, i: usize, sink: &Sink) {
        let (program, memory, set) = (&self.compiled.program, &self.memory, self.support(j));
        let further = i > program.lowest;
        // Where no tangent comes in and no weight moves, a backward is its own tangent.
        if !self.moves(i) || !matches!(program.ops[i], Op::Product(_) | Op::Norm(_)) {
            self.backward_op(i, set, j, &memory.tangent.cot, Some(memory.scratch), further, sink);
            return;
        }
        let (dy, dx) = (self.ptr(memory.tangent.cot[i + 1]), self.ptr(memory.tangent.cot[i]));
        let primal_dy = self.ptr(set.cot[i + 1]).cast_const();
        // SAFETY: arrays of the sets, as long as the program's nodes say.
        unsafe {
            match &program.ops[i] {
                Op::Product(product) => {
                    let turning = (self.ptr(set.act[i]).cast_const(), dy.cast_const());
                    let moving = (self.ptr(memory.tangent.act[i]).cast_const(), primal_dy);
                    let both = [turning, moving];
                    let terms = if i == self.compiled.lowest_adapted { &both[..1] } else { &both };
                    self.weight_tangent(product, i, terms, set.points, sink);
                    if further {
                        let block = product.block;
                        let u = self.ptr(memory.u_transposed + program.blocks[block].transposed);
                        let both =
                            [(dy.cast_const(), self.transposed(j, block)), (primal_dy, u.cast_const())];
                        let terms = if self.adapted(block) { &both } else { &both[..1] };
                        self.gather_back(product, i, terms, dx, set.points);
                    }
                }
                Op::Norm(norm) => {
                    let sums = self.ptr(memory.scratch);
                    let adapted = norm.block.is_some_and(|block| self.adapted(block));
                    I::run(norm::BackwardTangent {
                        on: self.rows(norm, i, set.points),
                        dy,
                        hat: self.ptr(memory.tangent.act[i]),
                        primal_dy,
                        primal_y: self.ptr(set.act[i + 1]),
                        primal_hat: self.ptr(set.extra[i]),
                        gamma: self.affine(norm, j, |block| self.fast(j, block)).0,
                        gamma_tangent: if adapted {
                            self.affine(norm, j, |_| self.turned(j).0).0
                        } else {
                            std::ptr::null()
                        },
                        root: self.ptr(set.stats[i]),
                        root_tangent: self.ptr(memory.tangent.stats[i]),
                        primal_sums: self.ptr(set.stats[i] + norm.width),
                        sums,
                        dx: further,
                    });
                    self.norm_gradient(norm, (i, j), set.points, sums, sink);
                }
                _ => {}
            }
        }
    }
}
