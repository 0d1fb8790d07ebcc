// import: exponential
// import: numbers
// import: sine_of_product
// f(x), f′(x), f″(x) of the functions of `src/ops/elementwise/mod.rs`, by their numbers there. The setting is the slope,
// α or ω, and what float32 lacks of it.

// x σ(g(x)) from g, g′, g″.
fn swish(x: f32, g: vec3<f32>) -> vec3<f32> {
    let l = logistic(g.x);
    let slope = l.y * g.y;
    let bend = l.z * g.y * g.y + l.y * g.z;
    return vec3<f32>(x * l.x, l.x + x * slope, 2.0 * slope + x * bend);
}

fn function(code: u32, setting: vec2<f32>, x: f32) -> vec3<f32> {
    if (code == 0u) { // relu
        return vec3<f32>(rectified(x), select(0.0, 1.0, x > 0.0), 0.0);
    }
    if (code == 1u) { // leaky relu
        let slope = select(setting.x, 1.0, x > 0.0);
        return vec3<f32>(slope * x, slope, 0.0);
    }
    if (code == 2u) { // elu
        let e = setting.x * exponential(x);
        let below = vec3<f32>(setting.x * exponential_less_one(x), e, e);
        return select(below, vec3<f32>(x, 1.0, 0.0), x > 0.0);
    }
    if (code == 3u) { // tanh
        let t = tangens_hyperbolicus(x);
        let e = exponential(-2.0 * abs(x));
        let slope = 4.0 * e / ((1.0 + e) * (1.0 + e));
        return vec3<f32>(t, slope, -2.0 * t * slope);
    }
    if (code == 4u) { // sigmoid
        return logistic(x);
    }
    if (code == 5u) { // silu
        return swish(x, vec3<f32>(x, 1.0, 0.0));
    }
    if (code == 6u) { // gelu
        let n = normal_distribution(x);
        return vec3<f32>(x * n.x, n.x + x * n.y, n.y * (2.0 - x * x));
    }
    if (code == 7u) { // gelu by tanh: (1 + tanh g) / 2 = σ(2 g)
        let g = 1.5957691 * x * (1.0 + 0.044715 * x * x);
        return swish(x, vec3<f32>(g, 1.5957691 * (1.0 + 0.134145 * x * x), 0.42812893 * x));
    }
    if (code == 8u) { // softplus
        let l = logistic(x);
        return vec3<f32>(max(x, 0.0) + logarithm_plus_one(exponential(-abs(x))), l.x, l.y);
    }
    // sine
    let omega = setting.x;
    let pair = sine_of_product(omega, setting.y, x);
    return vec3<f32>(pair.x, omega * pair.y, -omega * omega * pair.x);
}
