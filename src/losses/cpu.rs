//! What a room's `cpu.rs` gives the CPU: the loss of a vector of points and its derivatives, wherever an engine keeps them.

use crate::simd::Vector;

/// A vector of points: what a loss reads of them, and where it leaves what it makes.
///
/// # Safety
/// Of every method: the machine must have the vector's instruction set, and what is asked for must be there.
pub(crate) trait Points: Copy {
    /// An output of each.
    unsafe fn output<V: Vector>(self, o: usize) -> V;
    /// A target of each.
    unsafe fn target<V: Vector>(self, t: usize) -> V;
    /// The tangent of an output.
    unsafe fn moved<V: Vector>(self, o: usize) -> V;
    /// Leaves the cotangent of an output, or the cotangent's tangent; it may take the place of the output's tangent.
    unsafe fn put<V: Vector>(self, o: usize, value: V);
}

/// The kernels of a loss.
///
/// # Safety
/// Of every method: as [`Points`].
pub(crate) trait Kernels: Copy + Send + Sync + 'static {
    /// The loss of each point; puts its cotangents times `scale`.
    unsafe fn value<V: Vector, P: Points>(self, outputs: usize, points: P, scale: V) -> V;

    /// Puts the tangents of the cotangents times `scale`.
    unsafe fn tangent<V: Vector, P: Points>(self, outputs: usize, points: P, scale: V);
}

/// Calls something with the kernels of a [`Loss`](super::Loss).
macro_rules! with_kernels {
    ($loss:expr, $kernels:ident => $value:expr) => {{
        use $crate::losses::elementwise::{ElementLoss, cpu as elementwise};
        use $crate::losses::{Loss, cross_entropy};
        match $loss {
            Loss::Elementwise(ElementLoss::Mse {}) => {
                let $kernels = elementwise::Mse;
                $value
            }
            Loss::Elementwise(ElementLoss::Huber { delta }) => {
                let $kernels = elementwise::Huber { delta: delta as f32 };
                $value
            }
            Loss::Elementwise(ElementLoss::BceWithLogits {}) => {
                let $kernels = elementwise::BceWithLogits;
                $value
            }
            Loss::CrossEntropy(loss) => {
                let $kernels = cross_entropy::cpu::CrossEntropy { smoothing: loss.label_smoothing as f32 };
                $value
            }
        }
    }};
}
pub(crate) use with_kernels;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::losses::Loss;
    use crate::losses::cross_entropy::CrossEntropy;
    use crate::ops::scalar::Dual;
    use crate::simd::{Basic, Isa, Kernel};

    /// Vectors of points side by side, `[outputs]` each.
    #[derive(Clone, Copy)]
    struct Rows {
        out: *const f32,
        target: *const f32,
        dot: *const f32,
        to: *mut f32,
    }

    impl Points for Rows {
        unsafe fn output<V: Vector>(self, o: usize) -> V {
            // SAFETY: the test's arrays are as long.
            unsafe { V::load(self.out.add(o * V::LANES)) }
        }
        unsafe fn target<V: Vector>(self, t: usize) -> V {
            // SAFETY: as above.
            unsafe { V::load(self.target.add(t * V::LANES)) }
        }
        unsafe fn moved<V: Vector>(self, o: usize) -> V {
            // SAFETY: as above.
            unsafe { V::load(self.dot.add(o * V::LANES)) }
        }
        unsafe fn put<V: Vector>(self, o: usize, value: V) {
            // SAFETY: as above.
            unsafe { value.store(self.to.add(o * V::LANES)) }
        }
    }

    struct Run<'a, K> {
        kernels: K,
        outputs: usize,
        rows: Rows,
        tangent: bool,
        loss: &'a mut [f32],
    }

    impl<K: Kernels> Kernel for Run<'_, K> {
        unsafe fn run<V: Vector>(self) {
            // SAFETY: as above.
            unsafe {
                let scale = V::splat(0.5);
                match self.tangent {
                    true => self.kernels.tangent(self.outputs, self.rows, scale),
                    false => self.kernels.value(self.outputs, self.rows, scale).store(self.loss.as_mut_ptr()),
                }
            }
        }
    }

    fn losses() -> Vec<Loss> {
        let smooth = |label_smoothing| CrossEntropy { label_smoothing }.into();
        let huber = [Loss::huber(1.0), Loss::huber(0.25)];
        [Loss::mse(), huber[0], huber[1], Loss::bce_with_logits(), Loss::cross_entropy(), smooth(0.3)]
            .to_vec()
    }

    /// Outputs and targets of one point: moderate ones, then what is sure of itself, rightly or wrongly, and what is on an edge.
    fn points(loss: Loss, outputs: usize) -> Vec<(Vec<f32>, Vec<f32>)> {
        let wave = |f: f32, size: f32| -> Vec<f32> {
            (0..outputs).map(|o| size * (f * (o + 1) as f32).sin()).collect()
        };
        let mut all = Vec::new();
        for size in [0.0, 1e-3, 1.0, 3.0, 12.0, 100.0] {
            for f in [0.7, 2.3] {
                let target: Vec<f32> = match loss.truth() {
                    crate::losses::Truth::Numbers => wave(1.7, 1.0),
                    crate::losses::Truth::Shares => (0..outputs).map(|o| [0.0, 1.0, 0.25][o % 3]).collect(),
                    crate::losses::Truth::Class => vec![(all.len() % outputs) as f32],
                };
                all.push((wave(f, size), target));
            }
        }
        if loss.truth() == crate::losses::Truth::Numbers {
            // Exactly delta apart.
            for e in [1.0, -1.0, 0.25, -0.25] {
                all.push((vec![2.0 + e; outputs], vec![2.0; outputs]));
            }
        }
        all
    }

    fn close(loss: Loss, found: &[f32], expected: &[f64], what: &str) {
        let norm = |all: &mut dyn Iterator<Item = f64>| all.map(|v| v * v).sum::<f64>().sqrt();
        let apart = norm(&mut found.iter().zip(expected).map(|(&f, e)| f64::from(f) - e));
        let size = norm(&mut expected.iter().copied());
        // Below, float32 has nothing left, or for classes float64 itself, which takes 1 from what is almost 1.
        let least = if loss.truth() == crate::losses::Truth::Class { 1e-15 } else { 1e-30 };
        assert!(apart <= 2e-6 * size + least, "{what}: {found:?} is not {expected:?}");
    }

    fn check<I: Isa>(name: &str) {
        for (loss, outputs) in losses().into_iter().flat_map(|loss| [1, 2, 5, 300].map(|n| (loss, n))) {
            for (n, (out, target)) in points(loss, outputs).into_iter().enumerate() {
                let dot: Vec<f32> = (0..outputs).map(|o| (1.1 * o as f32 + 0.3).sin()).collect();
                let spread = |values: &[f32]| -> Vec<f32> {
                    values.iter().flat_map(|&v| std::iter::repeat_n(v, I::LANES)).collect()
                };
                let [o, t, d] = [&out, &target, &dot].map(|values| spread(values));
                let mut to = [vec![f32::NAN; o.len()], vec![f32::NAN; o.len()]];
                let mut value = vec![f32::NAN; I::LANES];
                for (tangent, to) in to.iter_mut().enumerate() {
                    let rows =
                        Rows { out: o.as_ptr(), target: t.as_ptr(), dot: d.as_ptr(), to: to.as_mut_ptr() };
                    let (loss_to, tangent) = (&mut value, tangent == 1);
                    with_kernels!(loss, kernels => {
                        // SAFETY: the caller saw that the machine has the set.
                        unsafe { I::run(Run { kernels, outputs, rows, tangent, loss: loss_to }) }
                    });
                }
                let y: Vec<f64> = target.iter().map(|&t| t.into()).collect();
                let dual: Vec<_> = (out.iter().zip(&dot))
                    .map(|(&value, &tangent)| Dual { value: f64::from(value), tangent: f64::from(tangent) })
                    .collect();
                let of = |v: &[f32]| -> Vec<f32> { v.iter().step_by(I::LANES).copied().collect() };
                let what = format!("{loss} of {outputs} outputs, point {n}, {name}");
                let wide: Vec<f64> = out.iter().map(|&v| v.into()).collect();
                close(loss, &value[..1], &[loss.value(&wide, &y)], &what);
                let turned = loss.cotangent(&dual, &y);
                let half = |v: f64| 0.5 * v;
                let cotangent: Vec<f64> = turned.iter().map(|d| half(d.value)).collect();
                close(loss, &of(&to[0]), &cotangent, &format!("{what}, cotangent"));
                let tangent: Vec<f64> = turned.iter().map(|d| half(d.tangent)).collect();
                close(loss, &of(&to[1]), &tangent, &format!("{what}, tangent"));
            }
        }
    }

    #[test]
    fn kernels_agree_with_float64_on_every_instruction_set() {
        check::<Basic>("portable");
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                check::<crate::simd::Avx2>("avx2");
            }
            if is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512dq")
            {
                check::<crate::simd::Avx512Narrow>("avx512, 8 lanes");
                check::<crate::simd::Avx512>("avx512");
            }
        }
    }

    #[test]
    fn targets_that_are_none_make_the_loss_not_a_number() {
        let labels = [5.0, -1.0, 0.5, f32::NAN, 1e9];
        let shares = [1.1, -0.1, f32::NAN, f32::INFINITY];
        let cases = labels.map(|t| (Loss::cross_entropy(), t)).into_iter();
        for (loss, target) in cases.chain(shares.map(|t| (Loss::bce_with_logits(), t))) {
            let (out, target, mut to, mut value) = ([0.5; 20], [target; 20], [0.0; 20], [0.0; 4]);
            let (out, dot) = (out.as_ptr(), out.as_ptr());
            let rows = Rows { out, target: target.as_ptr(), dot, to: to.as_mut_ptr() };
            with_kernels!(loss, kernels => {
                // SAFETY: any machine has it.
                unsafe { Basic::run(Run { kernels, outputs: 5, rows, tangent: false, loss: &mut value }) }
            });
            assert!(value.iter().all(|loss| loss.is_nan()), "{loss} against {target:?}: {value:?}");
        }
    }
}
