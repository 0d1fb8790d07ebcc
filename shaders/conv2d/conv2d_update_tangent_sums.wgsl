// import: step_back
// import: conv_stretch
// One inner step of a convolution, backwards, from the stretches of the gradient and of its tangent that
// `conv2d_update_tangent` left, used as there:
//     (G, Ġ)[e] = Σ_z pairs[z, e],  the stretches in the order of their terms.

override WORKGROUP: u32 = 64u;
override SECOND: bool = true;

@group(0) @binding(1) var<storage, read> pairs: array<vec2<f32>>; // [tasks, stretches, parameters]
@group(0) @binding(2) var<storage, read_write> rows: array<f32>; // v and, with RATES 1, their gradients
@group(0) @binding(3) var<storage, read_write> rate_sums: array<f32>; // with RATES 2

// One workgroup: WORKGROUP parameters of one task.
@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    rate_sum = 0.0;
    let e = workgroup.x * WORKGROUP + lane;
    if (e < parameters()) {
        var pair = vec2<f32>(0.0);
        for (var z = 0u; z < layer.stretches; z++) {
            pair += pairs[stretch_at(workgroup.y, z, e)];
        }
        step_back(workgroup.y, e, pair.x, pair.y);
    }
    leave_rate_sum(workgroup, lane);
}
