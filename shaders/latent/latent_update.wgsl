// import: layer
// import: step_on
// The gradient of a latent, which is the cotangent of its value, used where it is made, see `step_on.wgsl`. The latent has
// `inputs` elements and one output.

override WORKGROUP: u32 = 64u;

@group(0) @binding(1) var<storage, read> cotangents: array<f32>;
@group(0) @binding(2) var<storage, read> weights: array<f32>;
@group(0) @binding(3) var<storage, read> rates: array<f32>;
@group(0) @binding(4) var<storage, read_write> result: array<f32>; // θ_{j+1} or v

// One workgroup: WORKGROUP elements of one task.
@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let e = workgroup.x * WORKGROUP + lane;
    if (e < layer.inputs) {
        step_on(workgroup.y, e, cotangents[layer.dz.x + workgroup.y * layer.dz.y + e]);
    }
}
