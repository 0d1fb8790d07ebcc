// import: exponential
// import: numbers
// The losses of `src/losses` by their numbers there: of single elements a table, of classes what a point's outputs come to.

// 0: mse, 1: huber, 2: bce_with_logits, 3: cross_entropy.
override LOSS: u32 = 0u;
// δ of huber, s of cross_entropy.
override SETTING: f32 = 0.0;

const CROSS_ENTROPY = 3u;

// ℓ, ∂ℓ/∂y, ∂²ℓ/∂y² of an output and its target.
fn element_loss(y: f32, t: f32) -> vec3<f32> {
    let e = y - t;
    if (LOSS == 0u) { // mse
        return vec3<f32>(e * e, 2.0 * e, 2.0);
    }
    if (LOSS == 1u) { // huber
        let beyond = vec3<f32>(SETTING * (abs(e) - 0.5 * SETTING), select(SETTING, -SETTING, e < 0.0), 0.0);
        return select(vec3<f32>(0.5 * e * e, e, 1.0), beyond, abs(e) > SETTING);
    }
    // bce_with_logits: max(y, 0) − y t + log(1 + e^−|y|), whose slope σ(y) − t is written so that nothing cancels.
    let small = exponential(-abs(y));
    let upper = 1.0 / (1.0 + small);
    let lower = small * upper;
    let value = max(y, 0.0) - y * t + logarithm_plus_one(small);
    return vec3<f32>(value, select(lower - t, (1.0 - t) - lower, y > 0.0), lower * upper);
}

// A point's outputs y against its class: with e_k = exp(y_k − top).
struct Classes {
    top: f32, // the largest output
    all: f32, // Σ e
    others: f32, // Σ e but the class's
    own: f32, // y of the class, less the largest
    sum: f32, // Σ (y − top)
}

// Before any output is counted in.
fn no_classes(top: f32) -> Classes {
    return Classes(top, 0.0, 0.0, 0.0, 0.0);
}

// e to what an output lacks of the largest.
fn below_top(y: f32, top: f32) -> f32 {
    let x = y - top;
    return select(exponential(x), x, is_nan(x));
}

// With one more output, perhaps that of the class.
fn with_class(c: Classes, y: f32, is_own: bool) -> Classes {
    let x = y - c.top;
    let e = below_top(y, c.top);
    return Classes(c.top, c.all + e, c.others + select(e, 0.0, is_own), select(c.own, x, is_own), c.sum + x);
}

// −Σ q log p, p = softmax(y), q = (1 − s) onehot + s / m.
fn class_loss(c: Classes, outputs: u32) -> f32 {
    // Σ e − 1; where the class is on top, without what cancels.
    let x = select(c.all - 1.0, c.others, c.own == 0.0);
    // 1 + x = 2ⁿ (1 + r); x itself is kept where it is small.
    let whole = 1.0 + x;
    let n = select(0, i32(bitcast<u32>(whole) >> 23u) - 127, x > 1.0);
    let r = select(x, whole * bitcast<f32>((127 - n) << 23u) - 1.0, x > 1.0);
    let log_sum = f32(n) * 0.6931472 + logarithm_plus_one(r);
    return log_sum - (1.0 - SETTING) * c.own - SETTING / f32(outputs) * c.sum;
}

// p − q of an output, once all are counted in; of the class from the others.
fn class_slope(c: Classes, y: f32, is_own: bool, outputs: u32) -> f32 {
    let even = SETTING / f32(outputs);
    return select(below_top(y, c.top) / c.all - even, SETTING - even - c.others / c.all, is_own);
}
