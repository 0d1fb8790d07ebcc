// import: inner_rule
// Sums over all adapted parameters of a task, for clipping by norm, in a fixed order:
//     otherwise: n = √(Σ clip(h)²); leaves min(1, c / n) and n, or 1 and 0 where n is within the bound c
//     ALONG:     Σ clip(h) u, and the number 1 beside it.

override WORKGROUP: u32 = 256u;
override ALONG: bool = false;

@group(0) @binding(2) var<storage, read_write> result: array<f32>; // moments or, with ALONG, adjoints

var<workgroup> sums: array<f32, WORKGROUP>;

// One workgroup: one task.
@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let task = workgroup.y;
    var sum = 0.0;
    for (var e = lane; e < inner.count; e += WORKGROUP) {
        let h = clipped(task, e);
        if (ALONG) {
            sum += h * result[inner.adjoints.x + task * inner.adjoints.y + e];
        } else {
            sum += h * h;
        }
    }
    sums[lane] = sum;
    workgroupBarrier();
    for (var half = WORKGROUP / 2u; half > 0u; half /= 2u) {
        if (lane < half) {
            sums[lane] += sums[lane + half];
        }
        workgroupBarrier();
    }
    if (lane > 0u) {
        return;
    }
    if (ALONG) {
        let to = inner.sums.x + task * inner.sums.y;
        result[to] = sums[0];
    } else {
        let norm = sqrt(sums[0]);
        let over = norm > inner.clip_norm;
        let to = inner.norm.x + task * inner.norm.y;
        result[to] = select(1.0, inner.clip_norm / max(norm, inner.clip_norm), over);
        result[to + 1u] = select(0.0, norm, over);
    }
}
