// import: layer
// The tangent of a latent's value: the direction u = α ⊙ v itself.

override WORKGROUP: u32 = 64u;

@group(0) @binding(1) var<storage, read> rates: array<f32>;
@group(0) @binding(2) var<storage, read> direction: array<f32>; // v
@group(0) @binding(3) var<storage, read_write> output_tangents: array<f32>;

// One workgroup: WORKGROUP elements of one task.
@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let task = workgroup.y;
    let e = workgroup.x * WORKGROUP + lane;
    if (e < layer.inputs) {
        let u = rates[layer.rate.x + e * layer.rate.y] * direction[layer.v.x + task * layer.v.y + e];
        output_tangents[layer.y_dot.x + task * layer.y_dot.y + e] = u;
    }
}
