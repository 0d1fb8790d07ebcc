//! Functions beyond ReLU behind a layer, in all passes. A pass keeps `f′(z)` of each, and where a tangent follows `f″(z)`:
//! in the place of the latter the tangent's own part comes about, factor by factor.
//!
//! | pass | does |
//! | --- | --- |
//! | forward | `h = f(z)`, keeps `S = f′(z)`, `B = f″(z)` |
//! | backward, from `g` at `h` | `B ← B ⊙ g`, `dz = S ⊙ g` |
//! | tangent, from `ż` | `B ← B ⊙ ż`, `ḣ = S ⊙ ż` |
//! | tangent of backward, from `ġ` | `dż = S ⊙ ġ + B`, which is `f′ ġ + f″ g ż` |

use super::group::Group;
use super::kernels::Rows;
use super::layout::{Mat, Set};
use crate::ops::elementwise::curve::{Curve, with_curve};
use crate::simd::{Isa, Kernel, Vector};

/// Forward.
struct Forward<F> {
    curve: F,
    size: [usize; 2],
    z: Rows,
    slope: Rows,
    /// May be null.
    bend: Rows,
}

impl<F: Curve> Kernel for Forward<F> {
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let Self { curve, size: [rows, columns], z, slope, bend } = self;
        for row in 0..rows {
            for column in 0..columns {
                // SAFETY: promised by the caller.
                unsafe {
                    let place = z.at::<V>(row, column);
                    let [value, first, second] = curve.triple(V::load(place));
                    value.store(place);
                    first.store(slope.at::<V>(row, column));
                    if !bend.at.is_null() {
                        second.store(bend.at::<V>(row, column));
                    }
                }
            }
        }
    }
}

/// What is made of `c`, beside `c ← S ⊙ c`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keeping {
    Nothing,
    /// `B ← B ⊙ c` before.
    Factor,
    /// `c ← c + B` after.
    Term,
}

/// Every other pass.
struct Close {
    size: [usize; 2],
    c: Rows,
    slope: Rows,
    bend: Rows,
    keeping: Keeping,
}

impl Kernel for Close {
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let Self { size: [rows, columns], c, slope, bend, keeping } = self;
        for row in 0..rows {
            for column in 0..columns {
                // SAFETY: promised by the caller.
                unsafe {
                    let (place, bend) = (c.at::<V>(row, column), bend.at::<V>(row, column));
                    let (value, slope) = (V::load(place), V::load(slope.at::<V>(row, column)));
                    match keeping {
                        Keeping::Nothing => slope.mul(value).store(place),
                        Keeping::Factor => {
                            V::load(bend).mul(value).store(bend);
                            slope.mul(value).store(place);
                        }
                        Keeping::Term => slope.mul_add(value, V::load(bend)).store(place),
                    }
                }
            }
        }
    }
}

impl<I: Isa> Group<I> {
    /// Whether `f″` is kept of a set.
    fn bends(&self, set: Set) -> bool {
        self.layout.second && matches!(set, Set::Support(_) | Set::Tangent(_))
    }

    /// `h = f(z)` of layer `l`'s outputs, where it has a function.
    pub(super) fn activate(&self, l: usize, set: Set) {
        let layout = &self.layout;
        let Some(function) = layout.layers[l].link.curve() else { return };
        let bend = match self.bends(set) {
            true => self.matrix(layout.bend(l, set)),
            false => Rows { at: std::ptr::null_mut(), stride: 0 },
        };
        let (z, slope) = (self.matrix(layout.h(l + 1, set)), self.matrix(layout.slope(l, set)));
        let size = [layout.layers[l].link.outputs, layout.set(set).0];
        // SAFETY: matrices inside the arena.
        with_curve!(function, curve => unsafe { I::run(Forward { curve, size, z, slope, bend }) });
    }

    fn close(&self, l: usize, set: Set, c: Mat, keeping: Keeping) {
        let layout = &self.layout;
        if layout.layers[l].link.curve().is_none() {
            return;
        }
        let [c, slope, bend] = [c, layout.slope(l, set), layout.bend(l, set)].map(|mat| self.matrix(mat));
        let size = [layout.layers[l].link.outputs, layout.set(set).0];
        // SAFETY: matrices inside the arena.
        unsafe { I::run(Close { size, c, slope, bend, keeping }) };
    }

    /// `dz` from the cotangent of layer `l`'s outputs, in place.
    pub(super) fn close_cotangent(&self, l: usize, set: Set, c: Mat) {
        self.close(l, set, c, if self.bends(set) { Keeping::Factor } else { Keeping::Nothing });
    }

    /// The tangent of layer `l`'s outputs from that of its sums at the support points of step `j`, in place.
    pub(super) fn close_tangent(&self, l: usize, j: usize, c: Mat) {
        self.close(l, Set::Support(j), c, Keeping::Factor);
    }

    /// The tangent of `dz` from that of the outputs' cotangent, in place. Below the first adapted layer nothing moves.
    pub(super) fn close_cotangent_tangent(&self, l: usize, j: usize, c: Mat) {
        let moves = l >= self.layout.first_adapted;
        self.close(l, Set::Support(j), c, if moves { Keeping::Term } else { Keeping::Nothing });
    }
}
