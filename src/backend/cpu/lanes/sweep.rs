//! The backward sweep over the inner steps: `v`, the tangent pass in its direction, the rates' gradient.
//!
//! The direction is taken as `u = −α_j ⊙ M ⊙ v_{j+1}`, so that `v_j = v_{j+1} + H_s(θ_j) u` and every tangent
//! joins `v` with a plus sign.

use super::group::{After, Group, Left, NOTHING, PLAIN};
use super::kernels::Kernels as _;
use super::layout::{Mat, Set};
use super::mode::Mode;
use super::product::{Act, Bias};
use crate::simd::Isa;

impl<I: Isa> Group<I> {
    /// The query pass at θ_j; its gradient, times its weight, joins `v`.
    pub(super) fn query_pass(&self, j: usize, valid: usize) {
        let set = Set::Query(j);
        self.forward(set);
        self.loss(set, self.plan.loss_weights[j] as f32, valid);
        self.backward(set);
        let first = self.layout.slot[j] == Some(0);
        for (l, layer) in self.layout.layers.iter().enumerate() {
            if layer.mode == Mode::Explicit {
                self.add_to_v(l, self.layout.dz(l, set), set, first, true);
            }
        }
    }

    /// Explicit: `v += dz hᵀ`, and for the bias `v += Σ dz`.
    fn add_to_v(&self, l: usize, dz: Mat, h: Set, first: bool, bias: bool) {
        let (layout, layer) = (&self.layout, &self.layout.layers[l]);
        let (points, _) = layout.set(h);
        let (i, o) = (layer.link.inputs, layer.link.outputs);
        let after = |at| After { add: if first { NOTHING } else { self.ptr(at) }, ..PLAIN };
        let to = layer.v();
        self.product((o, points, i), Left::Lanes(dz), layout.h(l, h).t(), to, after(to.at));
        if bias {
            let to = Self::column(layer.v_bias());
            self.product((o, points, 1), Left::Lanes(dz), self.ones(), to, after(to.at));
        }
    }

    /// `scale · (V h + v_b)` of layer `l` on the support points of step `j`, `V` being `v_{j+1}`.
    fn direction_forward(&self, l: usize, j: usize, scale: f32, c: Mat, act: Act) {
        let (layout, layer) = (&self.layout, &self.layout.layers[l]);
        let (i, o, s) = (layer.link.inputs, layer.link.outputs, layout.support);
        let later = (layout.steps - 1 - j) * s;
        let plain = After { scale, ..PLAIN };
        let onto = |add: bool, act| After { add: if add { self.ptr(c.at) } else { NOTHING }, act, ..plain };
        match layer.mode {
            Mode::Fixed => unreachable!("a layer that is not adapted has no direction"),
            Mode::Explicit => {
                let (v, v_bias) = self.scaled_v(l, j);
                let after = After { bias: Bias::Lanes(self.ptr(v_bias)), act, ..plain };
                self.product((o, i, s), Left::Lanes(v), layout.h(l, Set::Support(j)), c, after);
            }
            Mode::Factored => {
                let from = layout.first_col_after(j);
                let second = if layout.second { later } else { 0 };
                let (dz, gram) = (layout.pairs(l).0, layer.gram_h(j, s));
                let crossed = layout.second && later > 0 && l > layout.first_adapted;
                let k = layout.after_query() - from + second;
                let after = onto(false, if crossed { Act::None } else { act });
                self.product((o, k, s), Left::Lanes(dz.skip_cols(from)), gram.skip_rows(from), c, after);
                if crossed {
                    let newest = Set::Support(layout.steps - 1);
                    let gram = gram.skip_rows(layout.h_col(l, Set::Tangent(layout.steps - 1)));
                    self.product((o, later, s), Left::Lanes(layout.dz(l, newest)), gram, c, onto(true, act));
                }
            }
            Mode::Input => {
                let tangents = layout.second && later > 0;
                let mut slots = (j + 1..=layout.steps).rev().filter(|&j| layout.slot[j].is_some()).peekable();
                let mut begun = false;
                while let Some(slot) = slots.next() {
                    let done = slots.peek().is_none() && !tangents;
                    let after = onto(begun, if done { act } else { Act::None });
                    let dz = Left::Lanes(layout.dz(0, Set::Query(slot)));
                    self.product((o, layout.query, s), dz, layout.gram_sq.t(), c, after);
                    begun = true;
                }
                if tangents {
                    let dz = Left::Lanes(layout.dz(0, Set::Tangent(j)));
                    self.product((o, s, s), dz, layout.gram_ss, c, onto(true, act));
                }
            }
        }
    }

    /// `scale · Vᵀ dz` of layer `l ≥ 1` on the support points of step `j`.
    fn direction_backward(&self, l: usize, j: usize, scale: f32, c: Mat) {
        let (layout, layer) = (&self.layout, &self.layout.layers[l]);
        let (i, o, s) = (layer.link.inputs, layer.link.outputs, layout.support);
        let after = After { scale, ..PLAIN };
        if layer.mode == Mode::Explicit {
            let (v, _) = self.scaled_v(l, j);
            self.product((i, o, s), Left::Lanes(v.t()), layout.dz(l, Set::Support(j)), c, after);
            return;
        }
        let later = (layout.steps - 1 - j) * s;
        let (from, h, gram) = (layout.first_col_after(j), layout.pairs(l).1, layer.gram_dz(j, s));
        let k = layout.after_query() - from + later;
        self.product((i, k, s), Left::Lanes(h.skip_cols(from)), gram.skip_rows(from), c, after);
        if later > 0 && l > layout.first_adapted {
            let newest = layout.steps - 1;
            let gram = gram.skip_rows(layout.dz_col(l, Set::Support(newest)));
            let add = self.ptr(c.at).cast_const();
            self.product(
                (i, later, s),
                Left::Lanes(layout.h(l, Set::Tangent(newest))),
                gram,
                c,
                After { add, ..after },
            );
        }
    }

    /// Explicit: `v`, or `α_j ⊙ v` in scratch where each parameter has its rate, or what an inner rule makes of it; and the
    /// place of its bias.
    fn scaled_v(&self, l: usize, j: usize) -> (Mat, usize) {
        let layer = &self.layout.layers[l];
        if !self.plan.inner.is_plain() {
            let at = layer.ruled.u;
            return (Mat { at, ..layer.v() }, at + layer.link.inputs * layer.link.outputs);
        }
        if !self.plan.per_parameter_rates() {
            return (layer.v(), layer.v_bias());
        }
        let (at, len) = (self.layout.scratch, layer.link.len());
        let (c, v) = (self.ptr(at), self.ptr(layer.v));
        self.arena.fill(at * I::LANES, len * I::LANES, 0.0);
        // SAFETY: scratch holds the widest layer.
        unsafe { I::axpy_shared(c, c, 1.0, self.rates(j, l), v, len) };
        (Mat { at, ..layer.v() }, at + layer.link.inputs * layer.link.outputs)
    }

    /// The scale that turns what [`Group::scaled_v`] gives into the direction.
    fn direction_scale(&self, l: usize, j: usize) -> f32 {
        let whole = self.plan.per_parameter_rates() || !self.plan.inner.is_plain();
        if whole { -1.0 } else { -self.rate(j, l) }
    }

    /// The tangent pass of step `j`: forward, loss, backward; what it leaves joins `v`.
    pub(super) fn tangent(&self, j: usize) {
        let layout = &self.layout;
        let (support, tangent) = (Set::Support(j), Set::Tangent(j));
        let (first, last) = (layout.first_adapted, layout.layers.len() - 1);
        if first > last {
            return;
        }
        if !self.plan.inner.is_plain() {
            self.turn_by_rule(j);
        }
        let adapted = |l: usize| layout.layers[l].mode != Mode::Fixed;
        let made = |l: usize| if l == 0 { layout.tangent_scratch() } else { layout.dz(l, tangent) };
        for l in first..=last {
            let gate = self.gate(l, support);
            let to = if l == last { made(last) } else { layout.h(l + 1, tangent) };
            // Below the first adapted layer nothing moves, so its own input has no tangent.
            let moved = l > first;
            let mut add = NOTHING;
            if adapted(l) {
                let act = if moved { Act::None } else { gate };
                self.direction_forward(l, j, self.direction_scale(l, j), to, act);
                add = self.ptr(to.at);
            }
            if moved {
                self.apply(l, tangent, layout.h(l, tangent), to, add, gate);
            }
            self.close_tangent(l, j, to);
        }
        self.loss_tangent(j, made(last));
        self.close_cotangent_tangent(last, j, made(last));
        for l in (0..=last).rev() {
            if l > 0 {
                let mut add = NOTHING;
                if adapted(l) {
                    self.direction_backward(l, j, self.direction_scale(l, j), made(l - 1));
                    add = self.ptr(made(l - 1).at);
                }
                self.apply_transposed(l, tangent, made(l), made(l - 1), add, self.gate(l - 1, support));
                self.close_cotangent_tangent(l - 1, j, made(l - 1));
            }
            if layout.layers[l].mode == Mode::Explicit {
                self.add_to_v(l, made(l), support, false, true);
                if l > first {
                    self.add_to_v(l, layout.dz(l, support), tangent, false, false);
                }
            } else if l == 0 {
                self.collect_input_tangent(j);
            }
        }
    }

    /// Input layer, not explicit: adds a step's tangent to those of the later steps.
    fn collect_input_tangent(&self, j: usize) {
        let (layout, s) = (&self.layout, self.layout.support);
        let (from, to) = (layout.tangent_scratch(), layout.dz(0, Set::Tangent(j)));
        for (x, c) in self.rows(from, to, layout.layers[0].link.outputs) {
            // SAFETY: rows of `s` vectors inside the arena.
            unsafe {
                if j + 1 == layout.steps {
                    std::ptr::copy_nonoverlapping(x, c, s * I::LANES);
                } else {
                    I::axpy(c, c, 1.0, x, s);
                }
            }
        }
    }

    /// `∂/∂α_j = −M ⊙ ∇L_s(θ_j) ⊙ v_{j+1}`, summed over what shares a rate, added to `out` (`[R]` vectors).
    pub(super) fn rate_gradient(&self, j: usize, out: *mut f32) {
        let layout = &self.layout;
        for (l, layer) in layout.layers.iter().enumerate() {
            if !self.plan.adapts(l) {
                continue;
            }
            let to = out.wrapping_add(self.plan.rate_index(j, l) * I::LANES);
            if !self.plan.inner.is_plain() {
                self.rate_gradient_by_rule(l, j, to);
                continue;
            }
            if self.plan.per_parameter_rates() {
                self.gradient(l, j, layout.scratch);
                // SAFETY: `out` has a vector for each rate, scratch the layer's gradient.
                unsafe { I::sub_mul(to, self.ptr(layout.scratch), self.ptr(layer.v), layer.link.len()) };
                continue;
            }
            // ⟨dz hᵀ, V⟩ = ⟨dz, V h⟩.
            let s = layout.support;
            let moved = Mat { at: layout.scratch, row: s, col: 1 };
            self.direction_forward(l, j, 1.0, moved, Act::None);
            let sum = self.ptr(layout.sum);
            for (x, y) in self.rows(moved, layout.dz(l, Set::Support(j)), layer.link.outputs) {
                // SAFETY: rows of `s` vectors inside the arena, one vector at `to`.
                unsafe {
                    I::dot(x, y, s, sum);
                    I::axpy(to, to, -1.0, sum, 1);
                }
            }
        }
    }

    /// `v_0` of every layer into `out`, `[P]` vectors; added unless `first`.
    pub(super) fn flush(&self, out: *mut f32, first: bool) {
        let layout = &self.layout;
        for (l, layer) in layout.layers.iter().enumerate() {
            let link = layer.link;
            let to = out.wrapping_add(link.weight * I::LANES);
            if layer.mode == Mode::Explicit {
                // SAFETY: `out` has `P` vectors.
                unsafe {
                    if first {
                        std::ptr::copy_nonoverlapping(self.ptr(layer.v), to, link.len() * I::LANES);
                    } else {
                        I::axpy(to, to, 1.0, self.ptr(layer.v), link.len());
                    }
                }
                continue;
            }
            let (dz, h) = layout.pairs(l);
            let tangents = if layout.second { layout.support * layout.steps } else { 0 };
            if l > 0 {
                // Query slots, tangents, and what is crossed with the inputs' tangents stand side by side.
                let from = layout.query;
                let bias = layout.slots * layout.query + tangents;
                let crossed = if l > layout.first_adapted { tangents } else { 0 };
                self.flush_pairs(l, dz.skip_cols(from), h.skip_cols(from), (bias + crossed, bias), to, first);
                continue;
            }
            let mut first = first;
            for j in (0..=layout.steps).rev().filter(|&j| layout.slot[j].is_some()) {
                // The newest slot lies beside the tangents, as the query points beside the support points.
                let beside = if layout.slot[j] == Some(0) && layout.second { layout.support } else { 0 };
                let k = layout.query + beside;
                self.flush_pairs(0, layout.dz(0, Set::Query(j)), h, (k, k), to, first);
                first = false;
            }
        }
    }

    /// `out += Σ dz hᵀ` over `k.0` columns, and for the bias `Σ dz` over `k.1`.
    fn flush_pairs(&self, l: usize, dz: Mat, h: Mat, k: (usize, usize), out: *mut f32, first: bool) {
        let link = self.layout.layers[l].link;
        let bias = out.wrapping_add(link.inputs * link.outputs * I::LANES);
        let after = |to| After { add: if first { NOTHING } else { to }, ..PLAIN };
        let to = (out, link.inputs, 1);
        self.product_to((link.outputs, k.0, link.inputs), Left::Lanes(dz), h.t(), to, after(out));
        self.product_to((link.outputs, k.1, 1), Left::Lanes(dz), self.ones(), (bias, 1, 1), after(bias));
    }
}
