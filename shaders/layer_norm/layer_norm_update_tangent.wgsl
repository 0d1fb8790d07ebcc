// import: layer
// import: step_back
// One inner step of a layer norm's γ and β, backwards: with x̂̇ as in `layer_norm_tangent.wgsl`, sums over rows in their order,
//     v_j = v_{j+1} − (Σ (dẏ ⊙ x̂ + dy ⊙ x̂̇), Σ dẏ), and the gradients of rates, see `step_back.wgsl`.

override WORKGROUP: u32 = 64u;
override SECOND: bool = true;

@group(0) @binding(1) var<storage, read> inputs: array<f32>;
@group(0) @binding(2) var<storage, read> input_tangents: array<f32>;
@group(0) @binding(3) var<storage, read> record: array<f32>; // [points, record_words]: of the tangent pass, or of the pass
@group(0) @binding(4) var<storage, read> cotangents: array<f32>;
@group(0) @binding(5) var<storage, read> cotangent_tangents: array<f32>;
@group(0) @binding(6) var<storage, read_write> rows: array<f32>; // v and, with RATES 1, their gradients
@group(0) @binding(7) var<storage, read_write> rate_sums: array<f32>; // with RATES 2

// The sums of element `e`: G_γ, G_β, and their tangents.
fn sums_of(task: u32, e: u32) -> vec4<f32> {
    let n = layer.inputs;
    var sum = vec4<f32>(0.0);
    for (var p = 0u; p < layer.points; p++) {
        let at = layer.record.x + task * layer.record.y + layer.record_words * p;
        let root = record[at + 1u];
        let normal = (inputs[layer.x.x + task * layer.x.y + p * n + e] - record[at]) * root;
        var dy = 0.0;
        if (layer.adapted != 0u || layer.input_moves != 0u) {
            dy = cotangents[layer.dz.x + task * layer.dz.y + p * n + e];
            sum += vec4<f32>(dy * normal, dy, 0.0, 0.0);
        }
        if (SECOND) {
            let dy_dot = cotangent_tangents[layer.dz_dot.x + task * layer.dz_dot.y + p * n + e];
            sum += vec4<f32>(0.0, 0.0, dy_dot * normal, dy_dot);
            if (layer.input_moves != 0u) {
                let x_dot = input_tangents[layer.x_dot.x + task * layer.x_dot.y + p * n + e];
                sum.z += dy * (root * (x_dot - record[at + 2u] - normal * record[at + 3u]));
            }
        }
    }
    return sum;
}

// One workgroup: WORKGROUP elements of γ and of β of one task.
@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let e = workgroup.x * WORKGROUP + lane;
    rate_sum = 0.0;
    if (e < layer.inputs) {
        let sum = sums_of(workgroup.y, e);
        step_back(workgroup.y, e, sum.x, sum.z);
        step_back(workgroup.y, layer.inputs + e, sum.y, sum.w);
    }
    leave_rate_sum(workgroup, lane);
}
