//! Functions of vectors, to float32's accuracy. NaN stays NaN.

use super::Vector;

/// Added and taken away again, rounds to whole numbers.
const WHOLE: f32 = 12_582_912.0;

/// `c[0] + x c[1] + x² c[2] + …`.
#[inline(always)]
unsafe fn polynomial<V: Vector, const N: usize>(x: V, c: [f32; N]) -> V {
    // SAFETY: promised by the caller.
    unsafe {
        let mut sum = V::splat(c[N - 1]);
        let mut i = N - 1;
        while i > 0 {
            i -= 1;
            sum = sum.mul_add(x, V::splat(c[i]));
        }
        sum
    }
}

/// The nearest whole number, of numbers below 2²².
#[inline(always)]
pub(crate) unsafe fn round<V: Vector>(x: V) -> V {
    // SAFETY: promised by the caller.
    unsafe { x.add(V::splat(WHOLE)).sub(V::splat(WHOLE)) }
}

/// `|x|`.
#[inline(always)]
pub(crate) unsafe fn abs<V: Vector>(x: V) -> V {
    // SAFETY: promised by the caller.
    unsafe {
        let minus = V::splat(0.0).sub(x);
        minus.greater(x, minus, x)
    }
}

/// `eˣ` and `eˣ − 1`, for `x` up to 0; below −87 they are 0 and −1.
#[inline(always)]
pub(crate) unsafe fn exp_of_negative<V: Vector>(x: V) -> (V, V) {
    // SAFETY: promised by the caller.
    unsafe {
        let (zero, one, least) = (V::splat(0.0), V::splat(1.0), V::splat(-87.0));
        let inside = least.greater(x, least, x);
        // x = n ln 2 + r, ln 2 in two parts of which the first leaves the product exact.
        let n = round(inside.mul(V::splat(std::f32::consts::LOG2_E)));
        let r = n.mul_add(V::splat(-0.693_359_4), inside);
        let r = n.mul_add(V::splat(2.121_944_4e-4), r);
        // Cephes, `expf`.
        let tail = polynomial(
            r,
            [0.5, 1.666_666_5e-1, 4.166_579_6e-2, 8.333_452e-3, 1.398_199_9e-3, 1.987_569_1e-4],
        );
        let less_one = tail.mul(r).mul_add(r, r);
        let power = n.power_of_two();
        let exp = less_one.mul_add(power, power);
        let exp_less_one = less_one.mul_add(power, power.sub(one));
        (least.greater(x, zero, exp), least.greater(x, zero.sub(one), exp_less_one))
    }
}

/// `ln(1 + x)`, for `x` from 0 to 1.
#[inline(always)]
pub(crate) unsafe fn ln_1p_of_unit<V: Vector>(x: V) -> V {
    // SAFETY: promised by the caller.
    unsafe {
        // 2 artanh(s) with s = x / (2 + x) of at most 1/3: its series in s², economised.
        let s = x.div(x.add(V::splat(2.0)));
        let square = s.mul(s);
        let tail = polynomial(square, [0.666_666_7, 0.399_997_06, 0.285_923_6, 0.217_065_76, 0.232_243_3]);
        s.mul(tail.mul_add(square, V::splat(2.0)))
    }
}

/// `ln(1 + x)`, for `x` from 0 on.
#[inline(always)]
pub(crate) unsafe fn ln_1p<V: Vector>(x: V) -> V {
    // SAFETY: promised by the caller.
    unsafe {
        let (zero, one) = (V::splat(0.0), V::splat(1.0));
        // 1 + x = 2ⁿ (1 + r); x itself is kept where it is small.
        let whole = x.add(one);
        let n = x.greater(one, whole.exponent(), zero);
        let r = x.greater(one, whole.mul(zero.sub(n).power_of_two()).sub(one), x);
        n.mul_add(V::splat(std::f32::consts::LN_2), ln_1p_of_unit(r))
    }
}

/// Sine and cosine of `scale · x`, for products up to ±1,000 (±10,000 with an error of 1e-6); `rest` is what float32 lacks of the
/// scale.
#[inline(always)]
pub(crate) unsafe fn sin_cos<V: Vector>(x: V, scale: f32, rest: f32) -> (V, V) {
    // SAFETY: promised by the caller.
    unsafe {
        let (zero, one) = (V::splat(0.0), V::splat(1.0));
        let scale = V::splat(scale);
        let angle = x.mul(scale);
        // What rounding took from the product, and what the rest adds.
        let lost = x.mul_add(V::splat(rest), x.fma(scale, zero.sub(angle)));
        let n = round(angle.mul(V::splat(std::f32::consts::FRAC_2_PI)));
        // π/2 in three parts, of which the first two leave products with whole numbers exact (Cephes, `sinf`).
        let r = n.mul_add(V::splat(-1.570_312_5), angle);
        let r = n.mul_add(V::splat(-4.837_513e-4), r);
        let r = n.mul_add(V::splat(-7.549_79e-8), r).add(lost);
        let square = r.mul(r);
        let sine = polynomial(square, [-1.666_665_5e-1, 8.332_161e-3, -1.951_529_6e-4]);
        let sine = sine.mul(square).mul_add(r, r);
        let cosine = polynomial(square, [-0.5, 4.166_664_6e-2, -1.388_731_6e-3, 2.443_315_7e-5]);
        let cosine = cosine.mul_add(square, one);
        // The quarter: −2 … 2, of which the ends are one.
        let quarter = n.sub(round(n.mul(V::splat(0.25))).mul(V::splat(4.0)));
        let square = quarter.mul(quarter);
        let off = square.sub(one);
        let odd = V::splat(0.5).sub(off.mul(off));
        let (s, c) = (odd.greater(zero, cosine, sine), odd.greater(zero, sine, cosine));
        (turned(s, zero.sub(quarter), square), turned(c, quarter, square))
    }
}

/// `−value` in the quarters ±2 and 1, of which the square is given.
#[inline(always)]
unsafe fn turned<V: Vector>(value: V, quarter: V, square: V) -> V {
    // SAFETY: promised by the caller.
    unsafe {
        let minus = V::splat(0.0).sub(value);
        square.greater(V::splat(3.0), minus, quarter.greater(V::splat(0.5), minus, value))
    }
}

/// The standard normal distribution: `Φ(x)`, and its density.
#[inline(always)]
pub(crate) unsafe fn normal<V: Vector>(x: V) -> (V, V) {
    // SAFETY: promised by the caller.
    unsafe {
        let one = V::splat(1.0);
        let z = abs(x).mul(V::splat(std::f32::consts::FRAC_1_SQRT_2));
        // −x²/2, and what rounding took from it.
        let half = x.mul(V::splat(-0.5));
        let exponent = half.mul(x);
        let lost = half.mul_add(x, V::splat(0.0).sub(exponent));
        let bell = exp_of_negative(exponent).0;
        let bell = bell.mul_add(lost, bell);
        // erfc(z) = e^(−z²) t g(t), t = 1 / (1 + 3z/8), g by Chebyshev nodes.
        let t = one.div(z.mul_add(V::splat(0.375), one));
        let g = polynomial(
            t,
            [
                0.211_621_72,
                0.210_511_5,
                0.206_284_09,
                0.117_765_55,
                0.282_383_2,
                -0.241_784,
                0.443_078_37,
                -0.292_438,
                0.062_577_59,
            ],
        );
        let tail = bell.mul(t).mul(g).mul(V::splat(0.5));
        let whole = x.greater(V::splat(0.0), one.sub(tail), tail);
        (whole, bell.mul(V::splat(0.398_942_3)))
    }
}
