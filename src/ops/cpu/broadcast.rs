//! Sums of products of values, rows of the whole task among them: all passes of sums and products of values.

use super::{Back, Site};
use crate::ops::Rows;
use crate::simd::memory::{Call, Calls, Place, ranges};
use crate::simd::{Isa, Vector};
use std::ops::Range;

/// An array, and the floats from row to row: 0 where one row stands for all.
pub(crate) type Factor = (Place, usize);

/// `out = Σ Π factors`, row by row, or summed over rows in their order.
#[derive(Clone)]
pub(crate) struct SumOfProducts {
    /// Where `summed`, one row.
    pub(crate) out: Place,
    pub(crate) summed: bool,
    pub(crate) rows: usize,
    /// Floats of a row.
    pub(crate) len: usize,
    pub(crate) terms: Vec<Vec<Factor>>,
}

/// The terms of one vector of one row.
#[inline(always)]
unsafe fn sum<V: Vector>(call: &SumOfProducts, memory: *mut f32, row: usize, at: usize) -> V {
    // SAFETY: promised by the caller.
    unsafe {
        let mut sum = V::splat(0.0);
        for factors in &call.terms {
            let mut product = V::splat(1.0);
            for &(place, stride) in factors {
                product = product.mul(V::load(place.of(memory).add(row * stride + at)));
            }
            sum = sum.add(product);
        }
        sum
    }
}

impl Call for SumOfProducts {
    #[inline(always)]
    unsafe fn run<V: Vector>(&self, memory: *mut f32) {
        // SAFETY: promised by the caller.
        unsafe {
            let out = self.out.of(memory);
            if !self.summed {
                for row in 0..self.rows {
                    for at in (0..self.len).step_by(V::LANES) {
                        sum::<V>(self, memory, row, at).store(out.add(row * self.len + at));
                    }
                }
                return;
            }
            for at in (0..self.len).step_by(V::LANES) {
                let mut all = V::splat(0.0);
                for row in 0..self.rows {
                    all = all.add(sum::<V>(self, memory, row, at));
                }
                all.store(out.add(at));
            }
        }
    }

    fn shares(self, most: usize) -> Vec<Self> {
        if self.summed {
            return vec![self];
        }
        let some = |rows: Range<usize>| {
            let from = |&(place, stride): &Factor| (place.after(rows.start * stride), stride);
            let terms = self.terms.iter().map(|factors| factors.iter().map(from).collect()).collect();
            Self { out: self.out.after(rows.start * self.len), rows: rows.len(), terms, ..self }
        };
        ranges(self.rows, 1, most).into_iter().map(some).collect()
    }
}

/// Whether an input has one row for all of the output's.
fn is_broadcast(site: &Site<'_>, input: usize) -> bool {
    site.node.rows == Rows::Point && site.node.input_rows[input] == Rows::Task
}

/// An input, or its tangent, as a factor.
pub(crate) fn factor(site: &Site<'_>, input: usize, place: Place) -> Factor {
    (place, if is_broadcast(site, input) { 0 } else { site.node.output.len() })
}

/// The output from terms.
pub(crate) fn output<I: Isa>(site: &Site<'_>, out: Place, terms: Vec<Vec<Factor>>, calls: &mut Calls<I>) {
    calls.push(SumOfProducts { out, summed: false, rows: site.rows(), len: site.node.output.len(), terms });
}

/// Cotangents of the inputs from the terms of each.
pub(crate) fn cotangents<I: Isa>(
    site: &Site<'_>,
    back: &Back,
    terms: impl Fn(usize) -> Vec<Vec<Factor>>,
    calls: &mut Calls<I>,
) {
    for (input, &out) in back.dx.iter().enumerate().filter(|(_, out)| out.is_somewhere()) {
        let (summed, rows) = (is_broadcast(site, input), site.rows());
        calls.push(SumOfProducts { out, summed, rows, len: site.node.output.len(), terms: terms(input) });
    }
}
