// import: step_on
// import: conv_stretch
// The gradient of a convolution's parameters from the stretches of it that `conv2d_update` left, used as there:
//     G[e] = Σ_z sums[z, e],  the stretches in the order of their terms.

override WORKGROUP: u32 = 64u;

@group(0) @binding(1) var<storage, read> sums: array<f32>; // [tasks, stretches, parameters]
@group(0) @binding(2) var<storage, read> weights: array<f32>;
@group(0) @binding(3) var<storage, read> rates: array<f32>;
@group(0) @binding(4) var<storage, read_write> result: array<f32>; // θ_{j+1} or v

// One workgroup: WORKGROUP parameters of one task.
@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let e = workgroup.x * WORKGROUP + lane;
    if (e >= parameters()) {
        return;
    }
    var gradient = 0.0;
    for (var z = 0u; z < layer.stretches; z++) {
        gradient += sums[stretch_at(workgroup.y, z, e)];
    }
    step_on(workgroup.y, e, gradient);
}
