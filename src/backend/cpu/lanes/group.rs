//! The whole inner loop of one group of tasks, a lane a task: its memory, its order of passes, and the one
//! product they are made of. The passes are in `passes`, the backward sweep in `sweep`.

use super::super::arena::Arena;
use super::kernels::Rows;
use super::layout::{Layout, Mat, Set};
use super::product::{Act, Bias, Product};
use crate::meta::Plan;
use crate::simd::Isa;
use std::marker::PhantomData;
use std::sync::Arc;

/// Memory and settings of one group; reused for every group that a thread works on.
pub(super) struct Group<I> {
    pub(super) plan: Arc<Plan>,
    pub(super) layout: Layout,
    pub(super) arena: Arena,
    /// θ_0 and the inner rates of the call in progress.
    pub(super) theta: *const f32,
    pub(super) rates: *const f32,
    fixed_rates: Vec<f32>,
    isa: PhantomData<I>,
}

// SAFETY: `theta` and `rates` are set at the start of each call and point into what that call borrows or the
// group owns; the rest is plain memory.
unsafe impl<I> Send for Group<I> {}

/// What is done to a product's result.
#[derive(Clone, Copy)]
pub(super) struct After {
    pub(super) bias: Bias,
    pub(super) scale: f32,
    /// A matrix with the strides of the result, perhaps the result itself; or null.
    pub(super) add: *const f32,
    pub(super) act: Act,
}

/// Nothing.
pub(super) const PLAIN: After = After { bias: Bias::None, scale: 1.0, add: NOTHING, act: Act::None };

/// No matrix to add.
pub(super) const NOTHING: *const f32 = std::ptr::null();

/// A left operand: vectors, or θ_0 from an offset on with row and column stride.
#[derive(Clone, Copy)]
pub(super) enum Left {
    Lanes(Mat),
    Theta(usize, usize, usize),
}

impl<I: Isa> Group<I> {
    /// Allocates a group's memory, for meta-gradients or for losses alone.
    pub(super) fn new(plan: Arc<Plan>, meta: bool) -> Self {
        let layout = Layout::new(&plan, meta);
        let arena = Arena::zeros(layout.len * I::LANES);
        arena.fill(layout.ones * I::LANES, I::LANES, 1.0);
        let fixed_rates = plan.rates.values.iter().map(|&r| r as f32).collect();
        let none = std::ptr::null();
        Self { plan, layout, arena, theta: none, rates: none, fixed_rates, isa: PhantomData }
    }

    /// Runs the group on the points that were put into its arena. The first `valid` lanes count. For a
    /// meta-gradient, its sum over them goes to `out`, `[P + R]` vectors, added unless `first`.
    pub(super) fn run(&mut self, params: &[f32], valid: usize, out: *mut f32, first: bool) {
        self.begin(params);
        let (steps, learned) = (self.layout.steps, self.plan.learned_rates());
        let rates_out = out.wrapping_add(self.plan.model.param_count() * I::LANES);
        if self.layout.meta && first && learned > 0 {
            // SAFETY: `out` has `P + R` vectors; every step adds to the rates' part.
            unsafe { std::ptr::write_bytes(rates_out, 0, learned * I::LANES) };
        }
        self.input_products();
        for j in 0..steps {
            self.adapt(j);
            if self.plan.track_all && self.layout.slot[j].is_none() {
                self.query_loss_only(j);
            }
        }
        if self.plan.track_all && self.layout.slot[steps].is_none() {
            self.query_loss_only(steps);
        }
        if !self.layout.meta {
            return;
        }
        for j in (0..=steps).rev() {
            if j < steps {
                if learned > 0 {
                    self.rate_gradient(j, rates_out);
                }
                if self.layout.second {
                    self.tangent(j);
                }
            }
            if self.layout.slot[j].is_some() {
                self.query_pass(j, valid);
            }
        }
        self.flush(out, first);
    }

    /// Takes the meta-parameters of the call.
    pub(super) fn begin(&mut self, params: &[f32]) {
        let p = self.plan.model.param_count();
        self.theta = params.as_ptr();
        self.rates = if self.plan.rates.learned { params[p..].as_ptr() } else { self.fixed_rates.as_ptr() };
    }

    /// One inner step: support pass and update.
    pub(super) fn adapt(&self, j: usize) {
        self.forward(Set::Support(j));
        self.loss(Set::Support(j), 1.0, I::LANES);
        self.backward(Set::Support(j));
        self.update(j);
    }

    /// The address of the vector at `at`.
    pub(super) fn ptr(&self, at: usize) -> *mut f32 {
        self.arena.ptr(at * I::LANES)
    }

    /// `C = act(scale · (A B + bias) + add)` with sizes `(m, k, n)`.
    pub(super) fn product(&self, (m, k, n): (usize, usize, usize), a: Left, b: Mat, c: Mat, after: After) {
        self.product_to((m, k, n), a, b, (self.ptr(c.at), c.row, c.col), after);
    }

    /// [`Group::product`] with a result anywhere.
    pub(super) fn product_to(
        &self,
        (m, k, n): (usize, usize, usize),
        a: Left,
        b: Mat,
        c: (*mut f32, usize, usize),
        After { bias, scale, add, act }: After,
    ) {
        let (a, a_shared) = match a {
            Left::Lanes(mat) => ((self.ptr(mat.at).cast_const(), mat.row, mat.col), false),
            Left::Theta(at, row, col) => ((self.theta.wrapping_add(at), row, col), true),
        };
        let b = (self.ptr(b.at).cast_const(), b.row, b.col);
        // SAFETY: the layout keeps every matrix inside the arena, parameters inside what `begin` was given.
        unsafe { I::run(Product { m, n, k, a, a_shared, b, c, bias, scale, add, act }) }
    }

    /// A column of ones of any length.
    pub(super) fn ones(&self) -> Mat {
        Mat { at: self.layout.ones, row: 0, col: 0 }
    }

    /// A column of vectors.
    pub(super) fn column(at: usize) -> Mat {
        Mat { at, row: 1, col: 1 }
    }

    /// The one inner rate of step `j` and layer `l`.
    pub(super) fn rate(&self, j: usize, l: usize) -> f32 {
        // SAFETY: the plan's index is below its count of rates.
        unsafe { *self.rates.add(self.plan.rate_index(j, l)) }
    }

    /// The inner rates of step `j` and layer `l` from the first parameter on.
    pub(super) fn rates(&self, j: usize, l: usize) -> *const f32 {
        self.rates.wrapping_add(self.plan.rate_index(j, l))
    }

    /// A matrix whose columns are neighbours.
    pub(super) fn matrix(&self, mat: Mat) -> Rows {
        Rows { at: self.ptr(mat.at), stride: mat.row }
    }

    /// The rows of two matrices of equal size, as pairs of addresses.
    pub(super) fn rows(&self, x: Mat, y: Mat, rows: usize) -> impl Iterator<Item = (*mut f32, *mut f32)> {
        (0..rows).map(move |r| (self.ptr(x.skip_rows(r).at), self.ptr(y.skip_rows(r).at)))
    }
}
