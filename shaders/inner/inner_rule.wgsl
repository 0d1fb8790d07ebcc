// import: numbers
// Inner steps beyond plain gradient descent, over a stretch of adapted parameters of every task; the host's twins are
// `src/meta/inner.rs` (the factors) and `src/backend/gpu/layered/kernels/inner.rs`. With h the gradient, θ = θ_j and α the rate:
//     g = clip(h) + λ θ,  m' = a m + b g,  s' = c s + d g²,  θ_{j+1} = θ − α (p m' + q g) / √(k s' + e).
// A place is (offset of task 0, stride from task to task), in floats.

struct Inner {
    count: u32, // parameters of the stretch
    words: u32, // from a first moment to its second, and so on
    fresh: u32, // whether there are no moments, or adjoints of moments, to go on from
    rate_adds: u32, // whether a gradient of the rates is there to be added to
    weight: vec2<u32>, // θ_j
    next: vec2<u32>, // θ_{j+1}
    v: vec2<u32>, // gradient of the outer loss by θ_{j+1}, then by θ_j
    rate: vec2<u32>, // offset of the stretch's rate, and stride from parameter to parameter
    rate_gradient: vec2<u32>,
    gradient: vec2<u32>, // h
    before: vec2<u32>, // m, and `words` further on s
    after: vec2<u32>, // m', s'
    norm: vec2<u32>, // among these: what clipping by norm multiplies by, and the norm, 0 where it does not
    adjoints: vec2<u32>, // u, then the adjoints of m' and s', `words` apart
    sums: vec2<u32>, // among these: Σ clip(h) u, and the number 1
    a: f32,
    b: f32,
    c: f32,
    d: f32,
    p: f32,
    q: f32,
    k: f32,
    e: f32,
    decay: f32, // λ
    clip_value: f32,
    clip_norm: f32,
    unused: f32,
}

@group(0) @binding(0) var<uniform> inner: Inner;
@group(0) @binding(1) var<storage, read> gradients: array<f32>;

// Element e of the gradient, clipped by value.
fn clipped(task: u32, e: u32) -> f32 {
    let h = gradients[inner.gradient.x + task * inner.gradient.y + e];
    return clamped(h, inner.clip_value);
}

// What the rate multiplies.
fn direction(g: f32, m: f32, s: f32) -> f32 {
    return (inner.p * m + inner.q * g) / sqrt(inner.k * s + inner.e);
}
