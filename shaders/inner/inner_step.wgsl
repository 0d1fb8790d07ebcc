// import: inner_rule
// One inner step: the moments after it and θ_{j+1}.

override WORKGROUP: u32 = 256u;

@group(0) @binding(2) var<storage, read> weights: array<f32>;
@group(0) @binding(3) var<storage, read> rates: array<f32>;
@group(0) @binding(4) var<storage, read> before: array<f32>;
@group(0) @binding(5) var<storage, read_write> after: array<f32>;
@group(0) @binding(6) var<storage, read_write> next: array<f32>;

// One workgroup: WORKGROUP parameters of one task.
@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let task = workgroup.y;
    let e = workgroup.x * WORKGROUP + lane;
    if (e >= inner.count) {
        return;
    }
    let theta = weights[inner.weight.x + task * inner.weight.y + e];
    let scale = after[inner.norm.x + task * inner.norm.y];
    let g = clipped(task, e) * scale + inner.decay * theta;
    var m = 0.0;
    var s = 0.0;
    if (inner.fresh == 0u) {
        let at = inner.before.x + task * inner.before.y + e;
        m = before[at];
        s = before[at + inner.words];
    }
    m = inner.a * m + inner.b * g;
    s = inner.c * s + inner.d * g * g;
    let to = inner.after.x + task * inner.after.y + e;
    after[to] = m;
    after[to + inner.words] = s;
    let rate = rates[inner.rate.x + e * inner.rate.y];
    next[inner.next.x + task * inner.next.y + e] = theta - rate * direction(g, m, s);
}
