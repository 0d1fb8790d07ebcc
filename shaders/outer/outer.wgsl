// import: now
// import: numbers
// The outer optimizer's rule for one element. Adam: Kingma and Ba (2015), algorithm 1, with the bias corrections in
// `now.step` and `now.root`, which the host makes in float64.

struct Outer {
    groups: u32, // rows of `partials`
    columns: u32, // of `partials`: P + R + 2
    params: u32, // P
    learned: u32, // P + R
    transposed: u32, // where θ₀ᵀ begins in `params`
    rule: u32, // 0: SGD, 1: Adam
    clips_value: u32,
    norm_parts: u32, // sums of squares behind the gradient
    inverse_tasks: f32,
    beta1: f32,
    rest1: f32, // 1 − β₁
    beta2: f32,
    rest2: f32,
    epsilon: f32,
    clip_value: f32,
    clip_norm: f32,
    least_rate: f32, // what learned rates are held in
    most_rate: f32,
    holds_rates: u32,
    unused: u32,
}

@group(0) @binding(0) var<uniform> outer: Outer;
@group(0) @binding(1) var<uniform> now: Now;
@group(0) @binding(2) var<storage, read_write> params: array<f32>; // θ₀, inner rates, θ₀ᵀ
@group(0) @binding(3) var<storage, read_write> moments: array<f32>; // m [P + R], v [P + R]
@group(0) @binding(4) var<storage, read> transposition: array<u32>; // place in θ₀ᵀ of each element of θ₀
@group(0) @binding(5) var<storage, read_write> gradient: array<f32>; // [P + R], then sums of squares

fn update(e: u32, g: f32) {
    var change = now.step * g;
    if (outer.rule == 1u) {
        let m = outer.beta1 * moments[e] + outer.rest1 * g;
        let v = outer.beta2 * moments[outer.learned + e] + outer.rest2 * g * g;
        moments[e] = m;
        moments[outer.learned + e] = v;
        change = now.step * m / (sqrt(v) * now.root + outer.epsilon);
    }
    var value = params[e] - change;
    if (outer.holds_rates != 0u && e >= outer.params && !is_nan(value)) {
        value = clamp(value, outer.least_rate, outer.most_rate);
    }
    params[e] = value;
    if (e < outer.params) {
        params[outer.transposed + transposition[e]] = value;
    }
}
