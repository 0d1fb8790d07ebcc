// import: row_norm_sums
// import: step_on
// The gradients of a layer or group norm's γ and β, sums over the elements that they belong to, used where they are made, see
// `step_on.wgsl`:
//     G_γ = Σ dy ⊙ x̂,  G_β = Σ dy.

@group(0) @binding(1) var<storage, read> inputs: array<f32>;
@group(0) @binding(2) var<storage, read> record: array<f32>; // [rows, 2]
@group(0) @binding(3) var<storage, read> cotangents: array<f32>;
@group(0) @binding(4) var<storage, read> weights: array<f32>;
@group(0) @binding(5) var<storage, read> rates: array<f32>;
@group(0) @binding(6) var<storage, read_write> result: array<f32>; // θ_{j+1} or v

// What element `e` of point `p` adds to both.
fn terms(task: u32, p: u32, e: u32) -> vec4<f32> {
    let at = p * layer.channels * layer.height * layer.width + e;
    let dy = cotangents[layer.dz.x + task * layer.dz.y + at];
    let x = inputs[layer.x.x + task * layer.x.y + at];
    let row = layer.stats.x + task * layer.stats.y + 2u * row_at(p, at);
    return vec4<f32>(dy * ((x - record[row]) * record[row + 1u]), dy, 0.0, 0.0);
}

// One workgroup: WORKGROUP elements of γ and of β of one task, or with PER_CHANNEL one of each.
@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let task = workgroup.y;
    let mine = summed(task, workgroup.x, lane);
    if (mine.leads) {
        step_on(task, mine.parameter, mine.sum.x);
        step_on(task, layer.outputs + mine.parameter, mine.sum.y);
    }
}
