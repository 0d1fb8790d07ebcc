// What takes the place of a gradient in Reptile: v = θ_0 − θ_K, and 0 of parameters that are not adapted
// (Nichol et al. 2018, algorithm 1).

struct Displacement {
    count: u32,
    adapted: u32,
    first_weight: vec2<u32>, // θ_0: offset, stride from task to task
    last_weight: vec2<u32>, // θ_K
    v: vec2<u32>,
}

override WORKGROUP: u32 = 256u;

@group(0) @binding(0) var<uniform> shape: Displacement;
@group(0) @binding(1) var<storage, read> params: array<f32>;
@group(0) @binding(2) var<storage, read> weights: array<f32>;
@group(0) @binding(3) var<storage, read_write> rows: array<f32>;

// One workgroup: WORKGROUP parameters of one task.
@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let task = workgroup.y;
    let e = workgroup.x * WORKGROUP + lane;
    if (e >= shape.count) {
        return;
    }
    var way = 0.0;
    if (shape.adapted != 0u) {
        let first = params[shape.first_weight.x + task * shape.first_weight.y + e];
        way = first - weights[shape.last_weight.x + task * shape.last_weight.y + e];
    }
    rows[shape.v.x + task * shape.v.y + e] = way;
}
