// import: inner_rule
// The adjoint of an inner step, from v = v_{j+1} and the adjoints M, S of the moments after it. With n = p m' + q g,
// w = k s' + e, r = −α v / √w:
//     M += p r,  S −= k r n / (2 w),  ĝ = q r + b M + 2 d g S,  then M ← a M,  S ← c S
//     SECOND:    v += λ ĝ; leaves ĝ or, unless CLIPS, the direction u = −ĝ of H u, and the number 1 as its rate
//     RATES 1:   ∂/∂α[e] = −v[e] n / √w, a rate for each parameter
//     RATES 2:   their sum over this workgroup's parameters, one rate for all of them.

override WORKGROUP: u32 = 256u;
override SECOND: bool = true;
override CLIPS: bool = false;
override RATES: u32 = 0u;

@group(0) @binding(2) var<storage, read> weights: array<f32>;
@group(0) @binding(3) var<storage, read> rates: array<f32>;
@group(0) @binding(4) var<storage, read> after: array<f32>;
@group(0) @binding(5) var<storage, read_write> rows: array<f32>; // v and, with RATES 1, gradients of rates
@group(0) @binding(6) var<storage, read_write> adjoints: array<f32>;
@group(0) @binding(7) var<storage, read_write> rate_sums: array<f32>; // with RATES 2

var<workgroup> sums: array<f32, WORKGROUP>;

fn back(task: u32, e: u32) -> f32 {
    let theta = weights[inner.weight.x + task * inner.weight.y + e];
    let g = clipped(task, e) * after[inner.norm.x + task * inner.norm.y] + inner.decay * theta;
    let from_moments = inner.after.x + task * inner.after.y + e;
    let m = after[from_moments];
    let s = after[from_moments + inner.words];
    let at = inner.v.x + task * inner.v.y + e;
    let v = rows[at];
    let change = -v * direction(g, m, s);
    if (RATES == 1u) {
        let to = inner.rate_gradient.x + task * inner.rate_gradient.y + e;
        if (inner.rate_adds != 0u) {
            rows[to] += change;
        } else {
            rows[to] = change;
        }
    }
    if (SECOND) {
        let to = inner.adjoints.x + task * inner.adjoints.y + e;
        var by_m = 0.0;
        var by_s = 0.0;
        if (inner.fresh == 0u) {
            by_m = adjoints[to + inner.words];
            by_s = adjoints[to + 2u * inner.words];
        }
        let square = inner.k * s + inner.e;
        let share = -rates[inner.rate.x + e * inner.rate.y] * v / sqrt(square);
        by_m += inner.p * share;
        by_s -= inner.k * share * (inner.p * m + inner.q * g) / (2.0 * square);
        let by_g = inner.q * share + inner.b * by_m + 2.0 * inner.d * g * by_s;
        adjoints[to] = select(-by_g, by_g, CLIPS);
        adjoints[to + inner.words] = inner.a * by_m;
        adjoints[to + 2u * inner.words] = inner.c * by_s;
        rows[at] = v + inner.decay * by_g;
    }
    return change;
}

// One workgroup: WORKGROUP parameters of one task.
@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let task = workgroup.y;
    let e = workgroup.x * WORKGROUP + lane;
    var change = 0.0;
    if (e < inner.count) {
        change = back(task, e);
    }
    if (SECOND && workgroup.x == 0u && lane == 0u) {
        adjoints[inner.sums.x + task * inner.sums.y + 1u] = 1.0;
    }
    if (RATES == 2u) {
        sums[lane] = change;
        workgroupBarrier();
        for (var half = WORKGROUP / 2u; half > 0u; half /= 2u) {
            if (lane < half) {
                sums[lane] += sums[lane + half];
            }
            workgroupBarrier();
        }
        if (lane == 0u) {
            rate_sums[inner.rate_gradient.x + task * inner.rate_gradient.y + workgroup.x] = sums[0];
        }
    }
}
