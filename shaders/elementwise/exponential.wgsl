// eˣ and what is made of it, to a few units in the last place: WGSL's own may be off by 3 + 2 |x| of them, and its
// `tanh` by 2⁻¹¹.

// eˣ for −87 ≤ x ≤ 88, and at these bounds beyond: x less the nearest multiple of ln 2 in two parts, then the series.
fn exponential(x: f32) -> f32 {
    let t = clamp(x, -87.0, 88.0);
    let n = floor(t * 1.442695 + 0.5);
    let r = (t - n * 0.693359375) + n * 2.1219444e-4;
    var p = 1.3888889e-3;
    p = p * r + 8.3333333e-3;
    p = p * r + 4.1666668e-2;
    p = p * r + 1.6666667e-1;
    p = p * r + 0.5;
    p = p * r + 1.0;
    p = p * r + 1.0;
    return p * bitcast<f32>((i32(n) + 127) << 23u);
}

// eˣ − 1.
fn exponential_less_one(x: f32) -> f32 {
    var p = 1.0 + x * 0.14285715;
    p = 1.0 + x * 0.16666667 * p;
    p = 1.0 + x * 0.2 * p;
    p = 1.0 + x * 0.25 * p;
    p = 1.0 + x * 0.33333334 * p;
    p = 1.0 + x * 0.5 * p;
    return select(exponential(x) - 1.0, x * p, abs(x) < 0.35);
}

// ln(1 + e) for 0 ≤ e ≤ 1: 2 artanh(e / (2 + e)).
fn logarithm_plus_one(e: f32) -> f32 {
    let s = e / (2.0 + e);
    let s2 = s * s;
    var p = 7.6923077e-2;
    p = p * s2 + 9.0909094e-2;
    p = p * s2 + 0.11111111;
    p = p * s2 + 0.14285715;
    p = p * s2 + 0.2;
    p = p * s2 + 0.33333334;
    p = p * s2 + 1.0;
    return 2.0 * s * p;
}

fn tangens_hyperbolicus(x: f32) -> f32 {
    let m = exponential_less_one(min(2.0 * abs(x), 40.0));
    return select(1.0, -1.0, x < 0.0) * (m / (m + 2.0));
}

// σ(x), σ′(x), σ″(x) of the logistic function.
fn logistic(x: f32) -> vec3<f32> {
    let e = exponential(-abs(x));
    let whole = 1.0 + e;
    let slope = e / (whole * whole);
    // 1 − 2 σ(|x|).
    let bend = exponential_less_one(-abs(x)) / whole;
    return vec3<f32>(select(1.0, e, x < 0.0) / whole, slope, slope * bend * select(1.0, -1.0, x < 0.0));
}

// The normal distribution: Φ(x) and its density. erfc by Chebyshev's series (Press et al. 1992, section 6.2).
fn normal_distribution(x: f32) -> vec2<f32> {
    let z = abs(x) * 0.70710678;
    let t = 1.0 / (1.0 + 0.5 * z);
    var p = 0.17087277;
    p = p * t - 0.82215223;
    p = p * t + 1.48851587;
    p = p * t - 1.13520398;
    p = p * t + 0.27886807;
    p = p * t - 0.18628806;
    p = p * t + 0.09678418;
    p = p * t + 0.37409196;
    p = p * t + 1.00002368;
    p = p * t - 1.26551223;
    let square = exponential(-0.5 * x * x);
    let tail = 0.5 * t * square * exponential(p);
    return vec2<f32>(select(1.0 - tail, tail, x < 0.0), 0.39894228 * square);
}
