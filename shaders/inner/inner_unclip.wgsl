// import: inner_rule
// From the adjoint of the clipped gradient to the direction of H u, with κ what clipping by norm n multiplied by:
//     u = −κ (ĝ − clip(h) Σ clip(h) ĝ / n²), and 0 where the element was clipped by value.

override WORKGROUP: u32 = 256u;

@group(0) @binding(2) var<storage, read> after: array<f32>;
@group(0) @binding(3) var<storage, read_write> adjoints: array<f32>;

// One workgroup: WORKGROUP parameters of one task.
@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let task = workgroup.y;
    let e = workgroup.x * WORKGROUP + lane;
    if (e >= inner.count) {
        return;
    }
    let at_norm = inner.norm.x + task * inner.norm.y;
    let norm = after[at_norm + 1u];
    var share = 0.0;
    if (norm > 0.0) {
        share = adjoints[inner.sums.x + task * inner.sums.y] / norm / norm;
    }
    let h = gradients[inner.gradient.x + task * inner.gradient.y + e];
    let at = inner.adjoints.x + task * inner.adjoints.y + e;
    let inside = -after[at_norm] * (adjoints[at] - clipped(task, e) * share);
    adjoints[at] = select(0.0, inside, abs(h) <= inner.clip_value);
}
