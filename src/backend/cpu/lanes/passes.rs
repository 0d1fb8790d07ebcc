//! Forward, loss, backward and update of one set of points, with fast weights as their layer keeps them.

use super::group::{After, Group, Left, NOTHING, PLAIN};
use super::kernels::Kernels as _;
use super::layout::{Mat, Set};
use super::mode::Mode;
use super::product::{Act, Bias, ONE};
use crate::simd::Isa;

impl<I: Isa> Group<I> {
    /// `x · x + 1` between points, for an input layer that is kept factored.
    pub(super) fn input_products(&self) {
        let layout = &self.layout;
        if layout.layers[0].mode != Mode::Input {
            return;
        }
        let (s, inputs) = (layout.support, layout.layers[0].link.inputs);
        let after = After { bias: ONE, ..PLAIN };
        let (xs, xq) = (layout.h(0, Set::Support(0)), layout.h(0, Set::Query(0)));
        self.product((s, inputs, s), Left::Lanes(xs.t()), xs, layout.gram_ss, after);
        self.product((s, inputs, layout.query), Left::Lanes(xs.t()), xq, layout.gram_sq, after);
    }

    /// `c = act(W_j h + b_j + add)` of layer `l`, without the bias for tangents. `add` is nothing or `c` itself.
    pub(super) fn apply(&self, l: usize, set: Set, h: Mat, c: Mat, add: *const f32, act: Act) {
        let bias = !matches!(set, Set::Tangent(_));
        let layout = &self.layout;
        let layer = &layout.layers[l];
        let (points, j) = layout.set(set);
        let (inputs, outputs, s) = (layer.link.inputs, layer.link.outputs, layout.support);
        let mut after = After { add, act, ..PLAIN };
        if layer.mode == Mode::Explicit && j > 0 {
            if bias {
                after.bias = Bias::Lanes(self.ptr(layer.fast_bias(j)));
            }
            self.product((outputs, inputs, points), Left::Lanes(layer.fast(j)), h, c, after);
            return;
        }
        if layer.mode == Mode::Factored {
            let row = layout.h_col(l, set);
            for i in 0..j {
                let gram = layer.gram_h(i, s).skip_rows(row).t();
                let constant = if bias { ONE } else { Bias::None };
                let inner = Left::Lanes(layout.h(l, Set::Support(i)).t());
                self.product((s, inputs, points), inner, h, gram, After { bias: constant, ..PLAIN });
                let dz = Left::Lanes(layout.dz(l, Set::Support(i)));
                let correction = After { scale: -self.rate(i, l), add: after.add, ..PLAIN };
                self.product((outputs, s, points), dz, gram, c, correction);
                after.add = self.ptr(c.at);
            }
        }
        if layer.mode == Mode::Input && j > 0 {
            let gram = if matches!(set, Set::Query(_)) { layout.gram_sq } else { layout.gram_ss };
            let correction = After { scale: -1.0, add: after.add, ..PLAIN };
            self.product((outputs, s, points), Left::Lanes(layer.sums(j, s)), gram, c, correction);
            after.add = self.ptr(c.at);
        }
        if bias {
            after.bias = Bias::Shared(self.theta.wrapping_add(layer.link.bias), 1);
        }
        self.product((outputs, inputs, points), Left::Theta(layer.link.weight, inputs, 1), h, c, after);
    }

    /// `c = act(W_jᵀ dz + add)` of layer `l ≥ 1`. `add` is nothing or `c` itself.
    pub(super) fn apply_transposed(&self, l: usize, set: Set, dz: Mat, c: Mat, add: *const f32, act: Act) {
        let layout = &self.layout;
        let layer = &layout.layers[l];
        let (points, j) = layout.set(set);
        let (inputs, outputs, s) = (layer.link.inputs, layer.link.outputs, layout.support);
        let mut after = After { add, act, ..PLAIN };
        if layer.mode == Mode::Explicit && j > 0 {
            self.product((inputs, outputs, points), Left::Lanes(layer.fast(j).t()), dz, c, after);
            return;
        }
        if layer.mode == Mode::Factored {
            let row = layout.dz_col(l, set);
            for i in 0..j {
                let gram = layer.gram_dz(i, s).skip_rows(row).t();
                let inner = Left::Lanes(layout.dz(l, Set::Support(i)).t());
                self.product((s, outputs, points), inner, dz, gram, PLAIN);
                let h = Left::Lanes(layout.h(l, Set::Support(i)));
                let correction = After { scale: -self.rate(i, l), add: after.add, ..PLAIN };
                self.product((inputs, s, points), h, gram, c, correction);
                after.add = self.ptr(c.at);
            }
        }
        self.product((inputs, outputs, points), Left::Theta(layer.link.weight, 1, inputs), dz, c, after);
    }

    /// All layers forward.
    pub(super) fn forward(&self, set: Set) {
        for (l, layer) in self.layout.layers.iter().enumerate() {
            let act = if layer.link.relu() { Act::Relu } else { Act::None };
            self.apply(l, set, self.layout.h(l, set), self.layout.h(l + 1, set), NOTHING, act);
            self.activate(l, set);
        }
    }

    /// All layers backward, from the cotangent that the loss left. Support sets stop at the first adapted layer:
    /// below it nothing depends on them.
    pub(super) fn backward(&self, set: Set) {
        let stop = if matches!(set, Set::Support(_)) { self.layout.first_adapted } else { 0 };
        for l in (stop + 1..self.layout.layers.len()).rev() {
            let (dz, c) = (self.layout.dz(l, set), self.layout.dz(l - 1, set));
            self.apply_transposed(l, set, dz, c, NOTHING, self.gate(l - 1, set));
            self.close_cotangent(l - 1, set, c);
        }
    }

    /// ReLU's gate for the cotangents of layer `l`, from the outputs that the layer gave.
    pub(super) fn gate(&self, l: usize, set: Set) -> Act {
        if !self.layout.layers[l].link.relu() {
            return Act::None;
        }
        let out = self.layout.h(l + 1, set);
        Act::Gate(self.ptr(out.at), out.row, out.col)
    }

    /// Loss of a set, and the cotangent of the last layer's sums times `weight`, zero from lane `valid` on.
    pub(super) fn loss(&self, set: Set, weight: f32, valid: usize) {
        let layout = &self.layout;
        let last = layout.layers.len() - 1;
        let (points, j) = layout.set(set);
        let out = layout.h(last + 1, set);
        let (y, loss) = match set {
            Set::Query(_) => (layout.query_y, layout.query_loss + j),
            _ => (layout.support_y, layout.support_loss + j),
        };
        // A query pass with no slot is for its loss alone: its cotangent goes where nothing is kept.
        let dz = match set {
            Set::Query(j) if layout.slot[j].is_none() => Mat { at: layout.scratch, row: points, col: 1 },
            _ => layout.dz(last, set),
        };
        self.arena.fill(layout.weight * I::LANES, I::LANES, 0.0);
        self.arena.fill(layout.weight * I::LANES, valid, weight);
        self.value_and_cotangent(out, y, dz, points, loss);
        if layout.layers[last].link.relu() {
            for (c, gate) in self.rows(dz, out, self.plan.model.outputs()) {
                // SAFETY: rows of `points` vectors inside the arena.
                unsafe { I::gated(c, gate, points) }
            }
        }
        self.close_cotangent(last, set, dz);
    }

    /// Query loss at θ_j, with nothing kept for a gradient.
    pub(super) fn query_loss_only(&self, j: usize) {
        self.forward(Set::Query(j));
        self.loss(Set::Query(j), 0.0, 0);
    }

    /// `θ_{j+1} = θ_j − α_j ⊙ M ⊙ ∇L_s(θ_j)`, for layers that do not leave it to their factors.
    pub(super) fn update(&self, j: usize) {
        if !self.plan.inner.is_plain() {
            return self.step_by_rule(j);
        }
        for (l, layer) in self.layout.layers.iter().enumerate() {
            match layer.mode {
                Mode::Fixed | Mode::Factored => {}
                Mode::Input => self.update_sums(j),
                Mode::Explicit if self.plan.per_parameter_rates() => self.update_per_parameter(l, j),
                Mode::Explicit => self.update_explicit(l, j),
            }
        }
    }

    fn update_sums(&self, j: usize) {
        let (layout, layer) = (&self.layout, &self.layout.layers[0]);
        let (s, rate) = (layout.support, self.rate(j, 0));
        let to = layer.sums(j + 1, s);
        let from = if j == 0 { to } else { layer.sums(j, s) };
        let rows = layer.link.outputs;
        for ((c, x), (y, _)) in
            self.rows(to, from, rows).zip(self.rows(layout.dz(0, Set::Support(j)), to, rows))
        {
            // SAFETY: rows of `s` vectors inside the arena.
            unsafe {
                if j == 0 {
                    std::ptr::write_bytes(c, 0, s * I::LANES);
                }
                I::axpy(c, x, rate, y, s);
            }
        }
    }

    fn update_explicit(&self, l: usize, j: usize) {
        let (layout, layer) = (&self.layout, &self.layout.layers[l]);
        let (dz, h) = (layout.dz(l, Set::Support(j)), layout.h(l, Set::Support(j)));
        let (i, o, s) = (layer.link.inputs, layer.link.outputs, layout.support);
        let (from, from_bias) = self.fast_before(l, j);
        let scale = -self.rate(j, l);
        let (to, bias) = (layer.fast(j + 1), Self::column(layer.fast_bias(j + 1)));
        self.product((o, s, i), Left::Lanes(dz), h.t(), to, After { scale, add: from, ..PLAIN });
        self.product((o, s, 1), Left::Lanes(dz), self.ones(), bias, After { scale, add: from_bias, ..PLAIN });
    }

    /// Explicit: where the weights and the bias of θ_j stand before the update that makes θ_{j+1}; for θ_0, which
    /// no lane has, they are put where θ_1 will be.
    fn fast_before(&self, l: usize, j: usize) -> (*const f32, *const f32) {
        let layer = &self.layout.layers[l];
        if j > 0 {
            return (self.ptr(layer.fast(j).at), self.ptr(layer.fast_bias(j)));
        }
        let to = self.ptr(layer.fast(1).at);
        // SAFETY: weight and bias follow one another in the arena and in θ.
        unsafe { I::spread(to, self.theta.wrapping_add(layer.link.weight), layer.link.len()) };
        (to, self.ptr(layer.fast_bias(1)))
    }

    fn update_per_parameter(&self, l: usize, j: usize) {
        let layer = &self.layout.layers[l];
        self.gradient(l, j, self.layout.scratch);
        let (to, len) = (self.ptr(layer.fast(j + 1).at), layer.link.len());
        let (from, _) = self.fast_before(l, j);
        let gradient = self.ptr(self.layout.scratch);
        // SAFETY: weight and bias follow one another in the arena and among the rates.
        unsafe { I::axpy_shared(to, from, -1.0, self.rates(j, l), gradient, len) };
    }

    /// `∇L_s(θ_j)` of layer `l`, weight then bias.
    pub(super) fn gradient(&self, l: usize, j: usize, at: usize) {
        let layout = &self.layout;
        let link = layout.layers[l].link;
        let (dz, h) = (layout.dz(l, Set::Support(j)), layout.h(l, Set::Support(j)));
        let (i, o, s) = (link.inputs, link.outputs, layout.support);
        let to = Mat { at, row: i, col: 1 };
        self.product((o, s, i), Left::Lanes(dz), h.t(), to, PLAIN);
        self.product((o, s, 1), Left::Lanes(dz), self.ones(), Self::column(to.at + o * i), PLAIN);
    }
}
