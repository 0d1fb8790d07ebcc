//! Its CPU kernels. With `e_k = exp(y_k − top)` and `n = Σ e_k` they keep apart what the class is and what all others are, so
//! that nothing cancels where a model is sure of the right class.

use crate::losses::cpu::{Kernels, Points};
use crate::simd::Vector;
use crate::simd::math::{exp_of_negative, ln_1p};

/// See the module.
#[derive(Clone, Copy)]
pub(crate) struct CrossEntropy {
    pub(crate) smoothing: f32,
}

/// What is 1 in the lanes whose label is `class`, else 0.
#[inline(always)]
unsafe fn hit<V: Vector>(label: V, class: usize) -> V {
    // SAFETY: promised by the caller.
    unsafe {
        let (zero, one, class) = (V::splat(0.0), V::splat(1.0), V::splat(class as f32));
        label.greater(class, zero, class.greater(label, zero, one))
    }
}

impl Kernels for CrossEntropy {
    #[inline(always)]
    unsafe fn value<V: Vector, P: Points>(self, outputs: usize, points: P, scale: V) -> V {
        // SAFETY: promised by the caller.
        unsafe {
            let (zero, one, half) = (V::splat(0.0), V::splat(1.0), V::splat(0.5));
            let label = points.target::<V>(0);
            let mut top = points.output::<V>(0);
            for o in 1..outputs {
                let y = points.output::<V>(o);
                top = y.greater(top, y, top);
            }
            // A family of tasks of one's own may give any label: what is no class ends the training.
            let mut own = V::splat(f32::NAN);
            let (mut all, mut others, mut sum) = (zero, zero, zero);
            for o in 0..outputs {
                let (below, hit) = (points.output::<V>(o).sub(top), hit(label, o));
                let (e, _) = exp_of_negative(below);
                own = hit.greater(half, below, own);
                all = all.add(e);
                others = others.add(hit.greater(half, zero, e));
                sum = sum.add(below);
            }
            let inverse = one.div(all);
            let even = V::splat(self.smoothing / outputs as f32);
            // p − q at the class is s − s/m − Σ p of the others.
            let at_own = others.mul(inverse);
            let at_own = V::splat(self.smoothing).sub(even).sub(at_own);
            for o in 0..outputs {
                let (e, _) = exp_of_negative(points.output::<V>(o).sub(top));
                let slope = e.mul(inverse).sub(even);
                points.put(o, hit(label, o).greater(half, at_own, slope).mul(scale));
            }
            let rest = zero.greater(own, all.sub(one), others);
            let loss = ln_1p(rest).sub(own.mul(V::splat(1.0 - self.smoothing))).sub(even.mul(sum));
            // Comparisons do not see a label that is not a number.
            loss.add(label.sub(label))
        }
    }

    #[inline(always)]
    unsafe fn tangent<V: Vector, P: Points>(self, outputs: usize, points: P, scale: V) {
        // SAFETY: promised by the caller.
        unsafe {
            let (mut top, mut lead) = (points.output::<V>(0), points.moved::<V>(0));
            for o in 1..outputs {
                let y = points.output::<V>(o);
                lead = y.greater(top, points.moved(o), lead);
                top = y.greater(top, y, top);
            }
            // Σ p ẏ, less that of the largest output.
            let (mut all, mut mean) = (V::splat(0.0), V::splat(0.0));
            for o in 0..outputs {
                let (e, _) = exp_of_negative(points.output::<V>(o).sub(top));
                all = all.add(e);
                mean = e.mul_add(points.moved::<V>(o).sub(lead), mean);
            }
            let inverse = V::splat(1.0).div(all);
            let (mean, scale) = (mean.mul(inverse), scale.mul(inverse));
            for o in 0..outputs {
                let (e, _) = exp_of_negative(points.output::<V>(o).sub(top));
                points.put(o, points.moved::<V>(o).sub(lead).sub(mean).mul(e).mul(scale));
            }
        }
    }
}
