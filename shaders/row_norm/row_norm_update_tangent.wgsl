// import: row_norm_sums
// import: step_back
// One inner step of a layer or group norm's γ and β, backwards: with x̂̇ as in `row_norm_tangent.wgsl`, sums over the elements that
// they belong to,
//     v_j = v_{j+1} − (Σ (dẏ ⊙ x̂ + dy ⊙ x̂̇), Σ dẏ), and the gradients of rates, see `step_back.wgsl`.

override SECOND: bool = true;

@group(0) @binding(1) var<storage, read> inputs: array<f32>;
@group(0) @binding(2) var<storage, read> input_tangents: array<f32>;
@group(0) @binding(3) var<storage, read> record: array<f32>; // [rows, record_words]: of the tangent pass, or of the pass
@group(0) @binding(4) var<storage, read> cotangents: array<f32>;
@group(0) @binding(5) var<storage, read> cotangent_tangents: array<f32>;
@group(0) @binding(6) var<storage, read_write> rows: array<f32>; // v and, with RATES 1, their gradients
@group(0) @binding(7) var<storage, read_write> rate_sums: array<f32>; // with RATES 2

// What element `e` of point `p` adds: to G_γ, G_β, and their tangents.
fn terms(task: u32, p: u32, e: u32) -> vec4<f32> {
    let place = p * layer.channels * layer.height * layer.width + e;
    let at = layer.record.x + task * layer.record.y + layer.record_words * row_at(p, place);
    let root = record[at + 1u];
    let normal = (inputs[layer.x.x + task * layer.x.y + place] - record[at]) * root;
    var sum = vec4<f32>(0.0);
    var dy = 0.0;
    if (layer.adapted != 0u || layer.input_moves != 0u) {
        dy = cotangents[layer.dz.x + task * layer.dz.y + place];
        sum += vec4<f32>(dy * normal, dy, 0.0, 0.0);
    }
    if (SECOND) {
        let dy_dot = cotangent_tangents[layer.dz_dot.x + task * layer.dz_dot.y + place];
        sum += vec4<f32>(0.0, 0.0, dy_dot * normal, dy_dot);
        if (layer.input_moves != 0u) {
            let x_dot = input_tangents[layer.x_dot.x + task * layer.x_dot.y + place];
            sum.z += dy * (root * (x_dot - record[at + 2u] - normal * record[at + 3u]));
        }
    }
    return sum;
}

// One workgroup: WORKGROUP elements of γ and of β of one task, or with PER_CHANNEL one of each.
@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    rate_sum = 0.0;
    let mine = summed(workgroup.y, workgroup.x, lane);
    if (mine.leads) {
        step_back(workgroup.y, mine.parameter, mine.sum.x, mine.sum.z);
        step_back(workgroup.y, layer.outputs + mine.parameter, mine.sum.y, mine.sum.w);
    }
    leave_rate_sum(workgroup, lane);
}
