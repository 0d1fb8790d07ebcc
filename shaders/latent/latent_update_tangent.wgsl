// import: layer
// import: step_back
// One inner step of a latent, backwards: v_j = v_{j+1} − dẏ, and the gradients of rates, see `step_back.wgsl`.

override WORKGROUP: u32 = 64u;
override SECOND: bool = true;

@group(0) @binding(1) var<storage, read> cotangents: array<f32>;
@group(0) @binding(2) var<storage, read> cotangent_tangents: array<f32>;
@group(0) @binding(3) var<storage, read_write> rows: array<f32>; // v and, with RATES 1, their gradients
@group(0) @binding(4) var<storage, read_write> rate_sums: array<f32>; // with RATES 2

// One workgroup: WORKGROUP elements of one task.
@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let task = workgroup.y;
    let e = workgroup.x * WORKGROUP + lane;
    rate_sum = 0.0;
    if (e < layer.inputs) {
        var pair = vec2<f32>(0.0);
        if (RATES != 0u) {
            pair.x = cotangents[layer.dz.x + task * layer.dz.y + e];
        }
        if (SECOND) {
            pair.y = cotangent_tangents[layer.dz_dot.x + task * layer.dz_dot.y + e];
        }
        step_back(task, e, pair.x, pair.y);
    }
    leave_rate_sum(workgroup, lane);
}
