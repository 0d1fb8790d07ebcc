// import: row_norm
// The tangent of a layer or group norm in the direction (ẋ, u) with u = α ⊙ v, means over a row:
//     m = mean(x̂ ẋ),  x̂̇ = (ẋ − mean(ẋ) − x̂ m) / √(σ² + ε),  ẏ = u_γ ⊙ x̂ + γ ⊙ x̂̇ + u_β.

@group(0) @binding(1) var<storage, read> inputs: array<f32>;
@group(0) @binding(2) var<storage, read> input_tangents: array<f32>;
@group(0) @binding(3) var<storage, read> stats: array<f32>; // [rows, 2]
@group(0) @binding(4) var<storage, read> weights: array<f32>;
@group(0) @binding(5) var<storage, read> rates: array<f32>;
@group(0) @binding(6) var<storage, read> direction: array<f32>; // v
@group(0) @binding(7) var<storage, read_write> output_tangents: array<f32>;
@group(0) @binding(8) var<storage, read_write> record: array<f32>; // [rows, 4]

// The direction at parameter `e`.
fn parameter_tangent(task: u32, e: u32) -> f32 {
    if (!moves_parameter(e)) {
        return 0.0;
    }
    return rates[layer.rate.x + e * layer.rate.y] * direction[layer.v.x + task * layer.v.y + e];
}

// One workgroup: rows of one task, `row_workgroups` apart.
@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let task = workgroup.y;
    let n = layer.row;
    let w = layer.weight.x + task * layer.weight.y;
    let moves = layer.input_moves != 0u;
    for (var r = workgroup.x; r < row_count(); r += layer.row_workgroups) {
        let x = layer.x.x + task * layer.x.y + r * n;
        let x_dot = layer.x_dot.x + task * layer.x_dot.y + r * n;
        let at = layer.stats.x + task * layer.stats.y + 2u * r;
        let mean = stats[at];
        let root = stats[at + 1u];
        var part = vec4<f32>(0.0);
        if (moves) {
            for (var e = lane; e < n; e += WORKGROUP) {
                let d = input_tangents[x_dot + e];
                part.x += d;
                part.y += d * ((inputs[x + e] - mean) * root);
            }
        }
        let means = row_sums(part, lane) / f32(n);
        let y_dot = layer.y_dot.x + task * layer.y_dot.y + r * n;
        for (var e = lane; e < n; e += WORKGROUP) {
            let normal = (inputs[x + e] - mean) * root;
            var tangent = 0.0;
            if (moves) {
                tangent = root * (input_tangents[x_dot + e] - means.x - normal * means.y);
            }
            if (layer.bias != 0u) {
                let a = affine(r, e);
                tangent = weights[w + a] * tangent + parameter_tangent(task, a) * normal;
                tangent += parameter_tangent(task, layer.outputs + a);
            }
            output_tangents[y_dot + e] = tangent;
        }
        if (lane == 0u) {
            let to = layer.record.x + task * layer.record.y + 4u * r;
            record[to] = mean;
            record[to + 1u] = root;
            record[to + 2u] = means.x;
            record[to + 3u] = means.y;
        }
    }
}
