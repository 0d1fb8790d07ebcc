//! Inner steps by optimizers beyond plain gradient descent, and their adjoints, over the packed parameters of a task.

use super::super::kernels::Isa;
use super::super::simd::Vector;
use super::program::Packed;
use super::sweeps::{SubtractDot, Update};
use super::task::Task;
use super::tile::Kernel;
use crate::meta::inner_step::{Factors, Moments, clip};
use crate::meta::{RateShape, StepFactors};

/// What the sweeps over a block have in common. `len` floats each.
#[derive(Clone, Copy)]
struct Rows {
    factors: Factors<f32>,
    /// Bound of each element of the gradient, and what clipping by norm multiplies by.
    bound: f64,
    scale: f32,
    theta: *const f32,
    /// The gradient as it was.
    gradient: *const f32,
    /// After the step.
    moments: [*mut f32; 2],
    len: usize,
}

impl Rows {
    /// Element `e` of the gradient, clipped and decayed.
    ///
    /// # Safety
    /// `e` must be below `len`.
    #[inline(always)]
    unsafe fn gradient(&self, e: usize) -> f32 {
        // SAFETY: promised by the caller.
        unsafe {
            let clipped = clip(*self.gradient.add(e), self.bound, self.scale);
            self.factors.decayed(clipped, *self.theta.add(e))
        }
    }

    /// # Safety
    /// As [`Rows::gradient`].
    #[inline(always)]
    unsafe fn moments(&self, e: usize) -> Moments<f32> {
        // SAFETY: promised by the caller.
        unsafe { Moments { m: *self.moments[0].add(e), s: *self.moments[1].add(e) } }
    }
}

/// One rate, or one for each parameter.
#[derive(Clone, Copy)]
struct Rate {
    scale: f32,
    /// May be null.
    each: *const f32,
}

impl Rate {
    /// # Safety
    /// `e` must be below the block's length.
    #[inline(always)]
    unsafe fn at(&self, e: usize) -> f32 {
        // SAFETY: promised by the caller.
        if self.each.is_null() { self.scale } else { unsafe { self.scale * *self.each.add(e) } }
    }
}

/// Moments after the step, and θ_{j+1}.
struct Step {
    rows: Rows,
    rate: Rate,
    /// Before the step; null at the first.
    before: [*const f32; 2],
    next: *mut f32,
}

impl Kernel for Step {
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let Self { rows, rate, before, next } = self;
        for e in 0..rows.len {
            // SAFETY: promised by the caller.
            unsafe {
                let g = rows.gradient(e);
                let before = match before[0].is_null() {
                    true => Moments { m: 0.0, s: 0.0 },
                    false => Moments { m: *before[0].add(e), s: *before[1].add(e) },
                };
                let after = rows.factors.moments(g, before);
                *rows.moments[0].add(e) = after.m;
                *rows.moments[1].add(e) = after.s;
                *next.add(e) = *rows.theta.add(e) - rate.at(e) * rows.factors.direction(g, after);
            }
        }
    }
}

/// What the rates were multiplied by.
struct Direction {
    rows: Rows,
    out: *mut f32,
}

impl Kernel for Direction {
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        for e in 0..self.rows.len {
            // SAFETY: promised by the caller.
            unsafe {
                *self.out.add(e) = self.rows.factors.direction(self.rows.gradient(e), self.rows.moments(e));
            }
        }
    }
}

/// The adjoint of the clipped gradient to `out`; what weight decay passes on is added to `v`.
struct Adjoint {
    rows: Rows,
    rate: Rate,
    v: *mut f32,
    adjoints: [*mut f32; 2],
    out: *mut f32,
}

impl Kernel for Adjoint {
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let Self { rows, rate, v, adjoints, out } = self;
        for e in 0..rows.len {
            // SAFETY: promised by the caller.
            unsafe {
                let mut moments = Moments { m: *adjoints[0].add(e), s: *adjoints[1].add(e) };
                let r = -rate.at(e) * *v.add(e);
                let adjoint = rows.factors.adjoint(rows.gradient(e), rows.moments(e), r, &mut moments);
                *adjoints[0].add(e) = moments.m;
                *adjoints[1].add(e) = moments.s;
                *v.add(e) += rows.factors.decay(adjoint);
                *out.add(e) = adjoint;
            }
        }
    }
}

impl<I: Isa> Task<I> {
    /// Places of the blocks that the inner loop moves, with their indices.
    fn moved(&self) -> impl Iterator<Item = (usize, Packed)> {
        let all = self.compiled.program.blocks.iter().enumerate();
        all.filter(|(block, _)| self.compiled.plan.adapts(*block)).map(|(block, place)| (block, *place))
    }

    fn inner_rows(&self, j: usize, block: usize, place: Packed, factors: &StepFactors) -> Rows {
        let (memory, at) = (&self.memory, place.weight);
        let row = j % memory.gradient.len();
        Rows {
            factors: Factors::new(factors),
            bound: factors.clip_value,
            scale: self.arena.slice(memory.clipped[row], 1)[0],
            theta: self.fast(j, block).wrapping_add(at),
            gradient: self.ptr(memory.gradient[row] + at),
            moments: memory.moments[row].map(|moment| self.ptr(moment + at)),
            len: place.end - at,
        }
    }

    fn inner_rate(&self, j: usize, block: usize) -> Rate {
        let (scale, each) = self.rate(j, block);
        Rate { scale, each }
    }

    /// θ_{j+1} from the gradient of step `j`.
    pub(super) fn inner_step(&self, j: usize) {
        let (memory, factors) = (&self.memory, self.compiled.plan.inner.factors(j));
        let row = j % memory.gradient.len();
        let mut clipped = [1.0, 0.0];
        if factors.clip_norm.is_finite() {
            let square = self.along(j, &factors, memory.gradient[row]);
            let norm = square.sqrt();
            if norm > factors.clip_norm {
                clipped = [(factors.clip_norm / norm) as f32, norm as f32];
            }
        }
        self.arena.slice_mut(memory.clipped[row], 2).copy_from_slice(&clipped);
        for (block, place) in self.moved() {
            let at = place.weight;
            let before = match j {
                0 => [std::ptr::null(); 2],
                _ => memory.moments[(j - 1) % memory.gradient.len()]
                    .map(|moment| self.ptr(moment + at).cast_const()),
            };
            let rows = self.inner_rows(j, block, place, &factors);
            let next = self.ptr(memory.theta[j + 1] + at);
            // SAFETY: a block of packed vectors.
            unsafe { I::run(Step { rows, rate: self.inner_rate(j, block), before, next }) };
        }
    }

    /// Sum over adapted parameters of the gradient, clipped by value, times what lies at `other`, itself clipped so where it
    /// is the gradient.
    fn along(&self, j: usize, factors: &StepFactors, other: usize) -> f64 {
        let memory = &self.memory;
        let gradient = memory.gradient[j % memory.gradient.len()];
        let mut sum = 0.0;
        for (_, place) in self.moved() {
            let (at, len) = (place.weight, place.end - place.weight);
            let (h, y) = (self.arena.slice(gradient + at, len), self.arena.slice(other + at, len));
            for (&h, &y) in h.iter().zip(y) {
                let h = f64::from(clip(h, factors.clip_value, 1.0));
                sum += h * if other == gradient { h } else { f64::from(y) };
            }
        }
        sum
    }

    /// `∂/∂α_j = − d_j ⊙ v_{j+1}`, `d_j` what the rates were multiplied by, added to `out`.
    pub(super) fn inner_rate_gradient(&self, j: usize, out: &mut [f32]) {
        let (plan, memory) = (&self.compiled.plan, &self.memory);
        let factors = plan.inner.factors(j);
        for (block, place) in self.moved() {
            let (at, len) = (place.weight, place.end - place.weight);
            let rows = self.inner_rows(j, block, place, &factors);
            let [d, v] = [memory.u, memory.v].map(|all| self.ptr(all + at));
            let out = &mut out[self.compiled.rate_index(j, block)..];
            // SAFETY: blocks of packed vectors; the rates' part is as long where there is one a parameter.
            unsafe {
                I::run(Direction { rows, out: d });
                match plan.rates.shape {
                    RateShape::One | RateShape::PerLayerStep => {
                        I::run(SubtractDot { c: out.as_mut_ptr(), x: d, y: v, len });
                    }
                    _ => I::sub_mul(out[..len].as_mut_ptr(), d, v, len / I::LANES),
                }
            }
        }
    }

    /// Makes the direction `u` of step `j`'s Hessian product from `v_{j+1}` and the adjoints of the moments.
    pub(super) fn inner_direction(&self, j: usize) {
        let memory = &self.memory;
        let factors = self.compiled.plan.inner.factors(j);
        if j + 1 == self.compiled.plan.steps {
            memory.adjoints.iter().for_each(|&at| self.arena.fill(at, self.compiled.program.len, 0.0));
        }
        for (block, place) in self.moved() {
            let at = place.weight;
            let rows = self.inner_rows(j, block, place, &factors);
            let [v, out] = [memory.v, memory.u].map(|all| self.ptr(all + at));
            let adjoints = memory.adjoints.map(|adjoint| self.ptr(adjoint + at));
            // SAFETY: a block of packed vectors.
            unsafe { I::run(Adjoint { rows, rate: self.inner_rate(j, block), v, adjoints, out }) };
        }
        self.unclip(j, &factors);
    }

    /// Takes `u` from an adjoint of the clipped gradient to minus that of the gradient itself.
    fn unclip(&self, j: usize, factors: &StepFactors) {
        let memory = &self.memory;
        let row = j % memory.gradient.len();
        let [scale, norm] = [0, 1].map(|i| self.arena.slice(memory.clipped[row], 2)[i]);
        let share = match norm > 0.0 {
            true => (self.along(j, factors, memory.u) / f64::from(norm).powi(2)) as f32,
            false => 0.0,
        };
        for (_, place) in self.moved() {
            let (at, len) = (place.weight, place.end - place.weight);
            let h = self.arena.slice(memory.gradient[row] + at, len);
            for (u, &h) in self.arena.slice_mut(memory.u + at, len).iter_mut().zip(h) {
                let open = f64::from(h).abs() <= factors.clip_value;
                let inside = -scale * (*u - clip(h, factors.clip_value, 1.0) * share);
                *u = if open { inside } else { 0.0 };
            }
        }
    }

    /// `v = θ_0 − θ_K` (Reptile).
    pub(super) fn displacement(&self) {
        let memory = &self.memory;
        self.arena.fill(memory.v, self.compiled.program.len, 0.0);
        for (_, place) in self.moved() {
            let (at, len) = (place.weight, place.end - place.weight);
            let [first, last] = [memory.theta[0], memory.theta[self.compiled.plan.steps]];
            let [x, y] = [first, last].map(|all| self.ptr(all + at).cast_const());
            let (c, rate) = (self.ptr(memory.v + at), std::ptr::null());
            // SAFETY: a block of packed vectors.
            unsafe { I::run(Update { c, x, scale: -1.0, rate, y, len }) };
        }
    }
}
