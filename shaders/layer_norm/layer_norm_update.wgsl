// import: layer
// import: step_on
// The gradients of a layer norm's γ and β, sums over rows in their order, used where they are made, see `step_on.wgsl`:
//     G_γ = Σ dy ⊙ x̂,  G_β = Σ dy.

override WORKGROUP: u32 = 64u;

@group(0) @binding(1) var<storage, read> inputs: array<f32>;
@group(0) @binding(2) var<storage, read> record: array<f32>; // [points, 2]
@group(0) @binding(3) var<storage, read> cotangents: array<f32>;
@group(0) @binding(4) var<storage, read> weights: array<f32>;
@group(0) @binding(5) var<storage, read> rates: array<f32>;
@group(0) @binding(6) var<storage, read_write> result: array<f32>; // θ_{j+1} or v

// One workgroup: WORKGROUP elements of γ and of β of one task.
@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let task = workgroup.y;
    let n = layer.inputs;
    let e = workgroup.x * WORKGROUP + lane;
    if (e >= n) {
        return;
    }
    let stats = layer.stats.x + task * layer.stats.y;
    var sum = vec2<f32>(0.0);
    for (var p = 0u; p < layer.points; p++) {
        let dy = cotangents[layer.dz.x + task * layer.dz.y + p * n + e];
        let x = inputs[layer.x.x + task * layer.x.y + p * n + e];
        sum += vec2<f32>(dy * ((x - record[stats + 2u * p]) * record[stats + 2u * p + 1u]), dy);
    }
    step_on(task, e, sum.x);
    step_on(task, n + e, sum.y);
}
