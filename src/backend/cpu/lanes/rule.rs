//! Inner rules beyond plain gradient descent: every layer that is adapted keeps its weights, gradients and moments of each lane.

use super::super::rule::{self, Part, Shared};
use super::group::Group;
use super::kernels::Kernels as _;
use super::mode::Mode;
use crate::meta::StepFactors;
use crate::simd::{Isa, Kernel, MAX_LANES, Vector};

/// What the vectors of a layer share: a vector is one parameter of all lanes.
#[derive(Clone, Copy)]
struct OfLanes {
    /// Of each lane.
    scales: *const f32,
    rate: f32,
    /// One for each parameter, or null.
    rates: *const f32,
}

impl Shared for OfLanes {
    #[inline(always)]
    unsafe fn rate<V: Vector>(self, vector: usize) -> V {
        // SAFETY: promised by the caller.
        unsafe { V::splat(if self.rates.is_null() { self.rate } else { *self.rates.add(vector) }) }
    }

    #[inline(always)]
    unsafe fn scale<V: Vector>(self) -> V {
        // SAFETY: promised by the caller.
        unsafe { V::load(self.scales) }
    }
}

/// What is done to a layer.
#[derive(Clone, Copy)]
enum Deed {
    Step { before: Option<[*const f32; 2]>, next: *mut f32 },
    Direction { out: *mut f32 },
    Adjoint { v: *mut f32, adjoints: [*mut f32; 2], u: *mut f32 },
    Unclip { shares: *const f32, u: *mut f32 },
}

/// A deed of a rule on a layer's part.
struct Run<'a> {
    factors: &'a StepFactors,
    part: Part<OfLanes>,
    deed: Deed,
}

impl Kernel for Run<'_> {
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let Self { factors, part, deed } = self;
        // SAFETY: promised by the caller.
        unsafe {
            match deed {
                Deed::Step { before, next } => rule::step::<V, _>(factors, part, before, next),
                Deed::Direction { out } => rule::direction::<V, _>(factors, part, out),
                Deed::Adjoint { v, adjoints, u } => rule::adjoint::<V, _>(factors, part, v, adjoints, u),
                Deed::Unclip { shares, u } => rule::unclip::<V, _>(factors, part, V::load(shares), u),
            }
        }
    }
}

/// Sums of each lane over a part, along the gradient.
struct Along<'a> {
    factors: &'a StepFactors,
    part: Part<OfLanes>,
    other: Option<*const f32>,
    sums: &'a mut [f64; MAX_LANES],
}

impl Kernel for Along<'_> {
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        // SAFETY: promised by the caller.
        unsafe { rule::along::<V, _>(self.factors, self.part, self.other, self.sums) }
    }
}

impl<I: Isa> Group<I> {
    fn adapted(&self) -> impl Iterator<Item = usize> {
        (0..self.layout.layers.len()).filter(|&l| self.layout.layers[l].mode == Mode::Explicit)
    }

    /// A layer's arrays at step `j`.
    fn part(&self, l: usize, j: usize) -> Part<OfLanes> {
        let layer = &self.layout.layers[l];
        let theta = if j == 0 { layer.ruled.start } else { layer.fast(j).at };
        let (rate, rates) = match self.plan.per_parameter_rates() {
            true => (1.0, self.rates(j, l)),
            false => (self.rate(j, l), std::ptr::null()),
        };
        Part {
            shared: OfLanes { scales: self.ptr(self.layout.clipped(j)), rate, rates },
            theta: self.ptr(theta),
            gradient: self.ptr(layer.gradient(j)),
            moments: layer.moments(j).map(|at| self.ptr(at)),
            vectors: layer.link.len(),
        }
    }

    fn run_rule(&self, j: usize, l: usize, deed: Deed) {
        let (factors, part) = (&self.plan.inner.factors(j), self.part(l, j));
        // SAFETY: the layout keeps every array inside the arena.
        unsafe { I::run(Run { factors, part, deed }) }
    }

    /// For each lane the sum over the gradient of step `j` times an array of each layer, or times itself.
    fn along(&self, j: usize, other: impl Fn(usize) -> Option<*const f32>) -> [f64; MAX_LANES] {
        let (factors, mut sums) = (&self.plan.inner.factors(j), [0.0; MAX_LANES]);
        for l in self.adapted() {
            // SAFETY: as above.
            unsafe { I::run(Along { factors, part: self.part(l, j), other: other(l), sums: &mut sums }) }
        }
        sums
    }

    /// θ_{j+1} and the moments after the step.
    pub(super) fn step_by_rule(&self, j: usize) {
        let factors = self.plan.inner.factors(j);
        for l in self.adapted() {
            let layer = &self.layout.layers[l];
            self.gradient(l, j, layer.gradient(j));
            if j == 0 {
                let theta = self.theta.wrapping_add(layer.link.weight);
                // SAFETY: weight and bias follow one another in the arena and in θ.
                unsafe { I::spread(self.ptr(layer.ruled.start), theta, layer.link.len()) };
            }
        }
        let squares = match factors.clip_norm.is_finite() {
            true => self.along(j, |_| None),
            false => [0.0; MAX_LANES],
        };
        for (lane, squares) in squares.into_iter().take(I::LANES).enumerate() {
            for (n, value) in rule::clipped(&factors, squares).into_iter().enumerate() {
                // SAFETY: two vectors inside the arena.
                unsafe { *self.ptr(self.layout.clipped(j) + n).add(lane) = value };
            }
        }
        for l in self.adapted() {
            let layer = &self.layout.layers[l];
            let before = (j > 0).then(|| layer.moments(j - 1).map(|at| self.ptr(at).cast_const()));
            self.run_rule(j, l, Deed::Step { before, next: self.ptr(layer.fast(j + 1).at) });
        }
    }

    /// From `v_{j+1}` to the direction of the tangents at step `j`; what weight decay passes on joins `v`.
    pub(super) fn turn_by_rule(&self, j: usize) {
        let (layout, factors) = (&self.layout, self.plan.inner.factors(j));
        for l in self.adapted() {
            let (len, ruled) = (layout.layers[l].link.len(), layout.layers[l].ruled);
            if j + 1 == layout.steps {
                self.arena.fill(ruled.adjoints * I::LANES, 2 * len * I::LANES, 0.0);
            }
            let adjoints = [self.ptr(ruled.adjoints), self.ptr(ruled.adjoints + len)];
            let (v, u) = (self.ptr(layout.layers[l].v), self.ptr(ruled.u));
            self.run_rule(j, l, Deed::Adjoint { v, adjoints, u });
        }
        let along = match factors.clip_norm.is_finite() {
            true => self.along(j, |l| Some(self.ptr(layout.layers[l].ruled.u).cast_const())),
            false => [0.0; MAX_LANES],
        };
        for (lane, along) in along.into_iter().take(I::LANES).enumerate() {
            // SAFETY: vectors inside the arena.
            unsafe {
                let norm = *self.ptr(layout.clipped(j) + 1).add(lane);
                *self.ptr(layout.sum).add(lane) = rule::share(norm, along);
            }
        }
        for l in self.adapted() {
            let (shares, u) = (self.ptr(layout.sum), self.ptr(layout.layers[l].ruled.u));
            self.run_rule(j, l, Deed::Unclip { shares, u });
        }
    }

    /// `∂/∂α_j` of layer `l`: minus what the rates were multiplied by, times `v_{j+1}`, added at `to`.
    pub(super) fn rate_gradient_by_rule(&self, l: usize, j: usize, to: *mut f32) {
        let (layer, scratch) = (&self.layout.layers[l], self.ptr(self.layout.scratch));
        self.run_rule(j, l, Deed::Direction { out: scratch });
        let (v, len, sum) = (self.ptr(layer.v), layer.link.len(), self.ptr(self.layout.sum));
        // SAFETY: scratch holds the widest layer; `to` has a vector for each of the layer's rates.
        unsafe {
            if self.plan.per_parameter_rates() {
                I::sub_mul(to, scratch, v, len);
            } else {
                I::dot(scratch, v, len, sum);
                I::axpy(to, to, -1.0, sum, 1);
            }
        }
    }
}
